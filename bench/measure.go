package bench

import (
	"fmt"
	"runtime"
	"slices"
	"time"
)

// Row is one thing to measure: Run does it once, from beginning to end.
type Row struct {
	Name    string
	Stanzas int // that Run goes through
	Bytes   int // that Run reads or writes
	Run     func() error

	// CPU runs it elsewhere, in another process, and returns the processor time
	// that took. It is nil for all that runs here.
	CPU func() (time.Duration, error)
}

// Sample is what a [Row] took, per stanza.
type Sample struct {
	Nanoseconds float64 // of processor time, user and system, with garbage collection
	Allocs      float64
	AllocBytes  float64
}

// least is how long a sample runs at least, so that the clock's grain and a single
// preemption do not matter.
const least = 150 * time.Millisecond

// Sample measures the row once. Nothing else should run in this process.
func (r *Row) Sample() (Sample, error) {
	if r.CPU != nil {
		took, err := r.CPU()
		return Sample{Nanoseconds: float64(took) / float64(r.Stanzas)}, err
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	start, wall := cpuTime(), time.Now()
	n := 0
	for n == 0 || time.Since(wall) < least {
		if err := r.Run(); err != nil {
			return Sample{}, fmt.Errorf("%s: %w", r.Name, err)
		}
		n += r.Stanzas
	}
	took := cpuTime() - start
	runtime.ReadMemStats(&after)
	return Sample{
		Nanoseconds: float64(took) / float64(n),
		Allocs:      float64(after.Mallocs-before.Mallocs) / float64(n),
		AllocBytes:  float64(after.TotalAlloc-before.TotalAlloc) / float64(n),
	}, nil
}

// Measure samples all rows, one after the other, rounds times, and returns the
// medians of each. The rows are interleaved so that whatever slows the machine for a
// while slows all of them. progress is called before each round, if it is not nil.
func Measure(rows []Row, rounds int, progress func(round int)) ([]Sample, error) {
	samples := make([][]Sample, len(rows))
	for round := range rounds {
		if progress != nil {
			progress(round)
		}
		for i := range rows {
			s, err := rows[i].Sample()
			if err != nil {
				return nil, err
			}
			samples[i] = append(samples[i], s)
		}
	}
	medians := make([]Sample, len(rows))
	for i, s := range samples {
		medians[i] = Sample{
			Nanoseconds: median(s, func(s Sample) float64 { return s.Nanoseconds }),
			Allocs:      median(s, func(s Sample) float64 { return s.Allocs }),
			AllocBytes:  median(s, func(s Sample) float64 { return s.AllocBytes }),
		}
	}
	return medians, nil
}

// median is the middle value, or the mean of the two in the middle; 0 of none.
func median(samples []Sample, of func(Sample) float64) float64 {
	v := make([]float64, len(samples))
	for i, s := range samples {
		v[i] = of(s)
	}
	slices.Sort(v)
	if len(v) == 0 {
		return 0
	}
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}
