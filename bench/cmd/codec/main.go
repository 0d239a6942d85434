// Command codec measures how fast streams are read and stanzas are written, by the
// SDK and by others, and prints Markdown tables.
//
//	go run ./cmd/codec [-rounds 8] [-size 20000000] [-kind mixed] [-expat=false]
//
// All figures are processor time (user and system, with garbage collection) on one
// processor, the median of interleaved rounds. The row of libexpat needs a C compiler
// and libexpat's header (Debian: libexpat1-dev); without them it is left out, and said
// so.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"

	"github.com/etherx-go/xmpp/bench"
	"github.com/etherx-go/xmpp/bench/corpus"
)

type options struct {
	rounds, size int
	kind         corpus.Kind
	expat        bool
}

// writeSize is about how much each kind of stanza comes to that is written. A stanza is
// written right after it was made: the set is small enough to stay in the cache.
const writeSize = 200_000

func main() {
	var o options
	flag.IntVar(&o.rounds, "rounds", 8, "rounds; the medians are printed")
	flag.IntVar(&o.size, "size", 20_000_000, "bytes of the stream, about")
	kind := flag.String("kind", corpus.Mixed.String(), "kind of stream to read")
	flag.BoolVar(&o.expat, "expat", true, "measure libexpat too")
	flag.Parse()
	var err error
	if o.kind, err = corpus.ParseKind(*kind); err == nil {
		runtime.GOMAXPROCS(1)
		err = run(os.Stdout, os.Stderr, o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "codec:", err)
		os.Exit(1)
	}
}

func run(out, progress io.Writer, o options) error {
	stream := corpus.Generate(o.kind, o.size)
	fmt.Fprintf(out, "%s, %s/%s; %v stream of %d bytes, %d stanzas; medians of %d rounds.\n",
		runtime.Version(), runtime.GOOS, runtime.GOARCH, o.kind, len(stream.Data), stream.Len(), o.rounds)
	rows, err := bench.ReadRows(stream)
	if err != nil {
		return err
	}
	if o.expat {
		dir, err := os.MkdirTemp("", "codec")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		row, err := bench.ExpatRow(dir, stream.Len(), stream.Data)
		if errors.Is(err, bench.ErrNoExpat) {
			fmt.Fprintln(out, "\nWithout libexpat:", err)
		} else if err != nil {
			return err
		} else {
			rows = append(rows, row)
		}
	}
	reads := len(rows)
	kinds := []corpus.Kind{corpus.Chat, corpus.Presence, corpus.Ping}
	for _, k := range kinds {
		more, err := bench.WriteRows(k, min(o.size, writeSize))
		if err != nil {
			return err
		}
		rows = append(rows, more...)
	}
	samples, err := bench.Measure(rows, o.rounds, func(round int) {
		fmt.Fprintf(progress, "\rround %d of %d ", round+1, o.rounds)
	})
	fmt.Fprintln(progress)
	if err != nil {
		return err
	}
	printReads(out, rows[:reads], samples[:reads])
	each := (len(rows) - reads) / len(kinds)
	for i, what := range []string{"message", "presence", "iq"} {
		at := reads + i*each
		printWrites(out, what, rows[at:at+each], samples[at:at+each])
	}
	return nil
}

func printReads(out io.Writer, rows []bench.Row, samples []bench.Sample) {
	fmt.Fprint(out, "\n| read | MB/s | ns/stanza | allocs/stanza | B/stanza | vs encoding/xml Token | vs libexpat |\n|---|---:|---:|---:|---:|---:|---:|\n")
	std := find(rows, samples, bench.BaseRead)
	expat := find(rows, samples, bench.ExpatName)
	for i, r := range rows {
		s := samples[i]
		fmt.Fprintf(out, "| %s | %.0f | %.0f | %s | %s | %s | %s |\n", r.Name, speed(r, s), s.Nanoseconds,
			here(r, s.Allocs, "%.1f"), here(r, s.AllocBytes, "%.0f"), ratio(std, s.Nanoseconds), ratio(expat, s.Nanoseconds))
	}
}

func printWrites(out io.Writer, what string, rows []bench.Row, samples []bench.Sample) {
	fmt.Fprintf(out, "\n| write %s | output B/stanza | MB/s | ns/stanza | allocs/stanza | vs xml.Marshal |\n|---|---:|---:|---:|---:|---:|\n", what)
	base := find(rows, samples, bench.BaseWrite)
	for i, r := range rows {
		s := samples[i]
		fmt.Fprintf(out, "| %s | %d | %.0f | %.0f | %.1f | %s |\n", r.Name, r.Bytes/r.Stanzas, speed(r, s), s.Nanoseconds,
			s.Allocs, ratio(base, s.Nanoseconds))
	}
}

// speed is in bytes per microsecond, which is MB/s.
func speed(r bench.Row, s bench.Sample) float64 {
	return float64(r.Bytes) / float64(r.Stanzas) / s.Nanoseconds * 1000
}

// find is the time of the row of that name, 0 if there is none.
func find(rows []bench.Row, samples []bench.Sample, name string) float64 {
	for i, r := range rows {
		if r.Name == name {
			return samples[i].Nanoseconds
		}
	}
	return 0
}

func ratio(base, ns float64) string {
	if base == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f×", base/ns)
}

// here formats what is only known of rows in this process.
func here(r bench.Row, v float64, format string) string {
	if r.CPU != nil {
		return "–"
	}
	return fmt.Sprintf(format, v)
}
