package bench

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"reflect"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/etherx-go/xmpp/bench/corpus"
)

var mixed = sync.OnceValue(func() *corpus.Stream { return corpus.Generate(corpus.Mixed, 5_000_000) })

func BenchmarkRead(b *testing.B) {
	rows, err := ReadRows(mixed())
	if err != nil {
		b.Fatal(err)
	}
	benchmarkRows(b, rows)
}

func BenchmarkReadKinds(b *testing.B) {
	for _, k := range corpus.Kinds {
		s := corpus.Generate(k, 2_000_000)
		row := readRow(s, k.String(), ReadScanner)
		benchmarkRows(b, []Row{row})
	}
}

func BenchmarkWrite(b *testing.B) {
	for _, k := range []corpus.Kind{corpus.Chat, corpus.Presence, corpus.Ping} {
		b.Run(k.String(), func(b *testing.B) {
			rows, err := WriteRows(k, 2_000_000)
			if err != nil {
				b.Fatal(err)
			}
			benchmarkRows(b, rows)
		})
	}
}

// BenchmarkExpat measures another process: see the cpu-ns/stanza column.
func BenchmarkExpat(b *testing.B) {
	row, err := ExpatRow(b.TempDir(), mixed().Len(), mixed().Data)
	if errors.Is(err, ErrNoExpat) {
		b.Skip(err)
	}
	if err != nil {
		b.Fatal(err)
	}
	var took float64
	for b.Loop() {
		d, err := row.CPU()
		if err != nil {
			b.Fatal(err)
		}
		took += float64(d)
	}
	b.ReportMetric(took/float64(b.N)/float64(row.Stanzas), "cpu-ns/stanza")
}

func benchmarkRows(b *testing.B, rows []Row) {
	for _, r := range rows {
		b.Run(r.Name, func(b *testing.B) {
			b.SetBytes(int64(r.Bytes))
			b.ReportAllocs()
			cpu := cpuTime()
			for b.Loop() {
				if err := r.Run(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(cpuTime()-cpu)/float64(b.N)/float64(r.Stanzas), "cpu-ns/stanza")
		})
	}
}

// All readers see the same number of stanzas, also in streams of one kind.
func TestReaders(t *testing.T) {
	for _, k := range corpus.Kinds {
		s := corpus.Generate(k, 300_000)
		for _, r := range Readers {
			n, err := r.Read(NewPieces(s.Data))
			if err != nil || n != s.Len() {
				t.Errorf("%s, %v: %d elements, want %d: %v", r.Name, k, n, s.Len(), err)
			}
		}
	}
}

func TestReadersReportErrors(t *testing.T) {
	for _, r := range Readers[:2] {
		for _, in := range []string{corpus.Header + "<a>", corpus.Header + "<a></b>", corpus.Header, "<"} {
			if n, err := r.Read(NewPieces([]byte(in))); err == nil {
				t.Errorf("%s takes %q for a stream of %d", r.Name, in, n)
			}
		}
	}
}

func TestRows(t *testing.T) {
	rows, err := ReadRows(corpus.Generate(corpus.Mixed, 200_000))
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range []corpus.Kind{corpus.Chat, corpus.Presence, corpus.Ping} {
		more, err := WriteRows(k, 100_000)
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, more...)
	}
	for _, r := range rows {
		if err := r.Run(); err != nil {
			t.Errorf("%s: %v", r.Name, err)
		}
	}
}

// What the SDK writes is what encoding/xml would have written.
func TestTypedStanzasAgree(t *testing.T) {
	for _, k := range []corpus.Kind{corpus.Chat, corpus.Presence, corpus.Ping} {
		all, err := typedStanzas(k, 300_000)
		if err != nil {
			t.Fatal(err)
		}
		if len(all) < 300 {
			t.Errorf("%v: only %d stanzas", k, len(all))
		}
		for _, s := range all {
			out, err := s.sdk.AppendXML(nil)
			if err != nil {
				t.Fatal(err)
			}
			got := reflect.New(reflect.TypeOf(s.std).Elem()).Interface()
			if err := xml.Unmarshal(out, got); err != nil {
				t.Fatalf("%s: %v", out, err)
			}
			if !reflect.DeepEqual(got, s.std) {
				t.Fatalf("%s\nis read as %+v\nwant       %+v", out, got, s.std)
			}
		}
	}
}

func TestWriteAppendAllocates(t *testing.T) {
	for _, k := range []corpus.Kind{corpus.Chat, corpus.Presence, corpus.Ping} {
		all, err := typedStanzas(k, 200_000)
		if err != nil {
			t.Fatal(err)
		}
		n := testing.AllocsPerRun(5, func() {
			if err := writeAppend(all); err != nil {
				t.Fatal(err)
			}
		})
		if n > 1 { // the buffer
			t.Errorf("%v: %v allocations for %d stanzas", k, n, len(all))
		}
	}
}

// Every stanza with a recipient arrives once, with the sender's address, and nothing
// else changed.
func TestRouter(t *testing.T) {
	stream := corpus.Generate(corpus.Mixed, 300_000)
	rt, err := NewRouter(stream)
	if err != nil {
		t.Fatal(err)
	}
	if len(rt.sessions) != Recipients {
		t.Errorf("%d recipients, want %d", len(rt.sessions), Recipients)
	}
	want := 0
	for i := range stream.Len() {
		if bytes.Contains(stream.Stanza(i), []byte(" to=")) {
			want++
		}
	}
	n, err := rt.Route(NewPieces(stream.Data))
	if err != nil || n != want {
		t.Errorf("routed %d, want %d: %v", n, want, err)
	}
	out := 0
	for _, s := range rt.sessions {
		if out += len(s.outbox); len(s.outbox) > 0 {
			checkStamped(t, s.outbox, string(rt.sender))
		}
		s.outbox = s.outbox[:0]
	}
	if out == 0 {
		t.Error("nothing was written")
	}
}

func checkStamped(t *testing.T, outbox []byte, sender string) {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(outbox))
	for {
		tok, err := d.Token()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		start, ok := tok.(xml.StartElement)
		if !ok {
			t.Fatalf("%T between stanzas", tok)
		}
		froms := 0
		for _, a := range start.Attr {
			if a.Name.Local == "from" {
				if froms++; a.Value != sender {
					t.Errorf("from %q", a.Value)
				}
			}
		}
		if froms != 1 {
			t.Errorf("%d from attributes", froms)
		}
		if err := d.Skip(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPieces(t *testing.T) {
	data := bytes.Repeat([]byte("x"), 3*Piece+1)
	p := NewPieces(data)
	var sizes []int
	buf := make([]byte, len(data))
	for {
		n, err := p.Read(buf)
		if err == io.EOF {
			break
		}
		sizes = append(sizes, n)
	}
	if want := []int{Piece, Piece, Piece, 1}; !reflect.DeepEqual(sizes, want) {
		t.Errorf("pieces of %v, want %v", sizes, want)
	}
}

func TestMeasure(t *testing.T) {
	var kept [][]byte
	rounds := 0
	rows := []Row{
		{Name: "a", Stanzas: 1000, Bytes: 1, Run: func() error {
			kept = kept[:0]
			for range 1000 {
				kept = append(kept, make([]byte, 64))
			}
			return nil
		}},
		{Name: "b", Stanzas: 10, Bytes: 1, CPU: func() (time.Duration, error) { return 50, nil }},
	}
	got, err := Measure(rows, 2, func(int) { rounds++ })
	runtime.KeepAlive(kept)
	if err != nil || rounds != 2 {
		t.Fatalf("%d rounds, %v", rounds, err)
	}
	if a := got[0]; a.Nanoseconds <= 0 || a.Allocs < 1 || a.Allocs > 1.5 || a.AllocBytes < 64 || a.AllocBytes > 96 {
		t.Errorf("a: %+v", a)
	}
	if got[1] != (Sample{Nanoseconds: 5}) {
		t.Errorf("b: %+v", got[1])
	}
	failed := errors.New("failed")
	rows = []Row{{Name: "c", Stanzas: 1, Run: func() error { return failed }}}
	if _, err := Measure(rows, 1, nil); !errors.Is(err, failed) {
		t.Errorf("error %v", err)
	}
}

func TestMedian(t *testing.T) {
	of := func(s Sample) float64 { return s.Nanoseconds }
	for _, tt := range []struct {
		in   []Sample
		want float64
	}{
		{nil, 0},
		{[]Sample{{Nanoseconds: 3}}, 3},
		{[]Sample{{Nanoseconds: 9}, {Nanoseconds: 1}, {Nanoseconds: 2}}, 2},
		{[]Sample{{Nanoseconds: 4}, {Nanoseconds: 1}, {Nanoseconds: 2}, {Nanoseconds: 9}}, 3},
	} {
		if got := median(tt.in, of); got != tt.want {
			t.Errorf("median of %v is %v, want %v", tt.in, got, tt.want)
		}
	}
}

func TestParseExpat(t *testing.T) {
	if d, err := parseExpat("1500 10 150.0\n", 10); d != 1500 || err != nil {
		t.Errorf("%v, %v", d, err)
	}
	for _, in := range []string{"", "1500", "1500 9 166.7\n", "x y z"} {
		if d, err := parseExpat(in, 10); err == nil {
			t.Errorf("%q gives %v", in, d)
		}
	}
}
