package xmltok

import (
	"encoding/xml"
	"io"
	"os"
	"runtime"
	"sort"
	"syscall"
	"testing"
	"time"
)

type hide struct {
	b []byte
	k int
}

func (h *hide) Read(p []byte) (int, error) {
	if len(h.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), h.k)], h.b)
	h.b = h.b[n:]
	return n, nil
}

func cpu() time.Duration {
	var ru syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &ru)
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
}

func scanAll(t testing.TB, data []byte, k int, el bool) (n int) {
	s := NewScanner(&hide{data, k}, Limits{})
	for {
		ev, err := s.Next()
		if err == io.EOF {
			return n
		}
		if err != nil {
			t.Fatal(err, n)
		}
		if ev == Element {
			n++
			if el {
				e := s.Element()
				n += len(e.Raw) & 0
			}
		}
	}
}

func TestZZ(t *testing.T) {
	runtime.GOMAXPROCS(1)
	f := os.Getenv("CORPUS")
	if f == "" {
		t.Skip()
	}
	data, err := os.ReadFile(f)
	if err != nil {
		t.Fatal(err)
	}
	part := data[:4000000]
	var a, bb, ra []float64
	n := 0
	for r := 0; r < 9; r++ {
		c := cpu()
		if os.Getenv("STD") != "" {
			d := xml.NewDecoder(&hide{part, 16384})
			for {
				if _, err := d.Token(); err != nil {
					break
				}
			}
		}
		std := float64(cpu()-c) * float64(len(data)) / float64(len(part))
		c = cpu()
		for i := 0; i < 3; i++ {
			n = scanAll(t, data, 16384, true)
		}
		d := float64(cpu()-c) / 3
		c = cpu()
		for i := 0; i < 3; i++ {
			n = scanAll(t, data, 16384, false)
		}
		d2 := float64(cpu()-c) / 3
		a = append(a, d/float64(n))
		bb = append(bb, d2/float64(n))
		ra = append(ra, std/d)
	}
	sort.Float64s(a)
	sort.Float64s(bb)
	sort.Float64s(ra)
	t.Logf("ns/stanza with Element: min %.0f med %.0f; without: min %.0f med %.0f; ratio med %.1f (%.1f..%.1f)", a[0], a[4], bb[0], bb[4], ra[4], ra[0], ra[8])
}
