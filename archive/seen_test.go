package archive

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestSeen(t *testing.T) {
	type page struct{ after, first, last string }
	for _, tt := range []struct {
		name  string
		pages []page
		has   string // of 0 to 9
	}{
		{"nothing", nil, ""},
		{"an empty page", []page{{"1", "", ""}}, ""},
		{"one page", []page{{"", "2", "4"}}, "234"},
		{"two pages", []page{{"", "2", "4"}, {"4", "6", "8"}}, "2345678"},
		{"with a gap", []page{{"", "2", "4"}, {"", "6", "8"}}, "234678"},
		{"behind one that was not read", []page{{"4", "6", "8"}}, "678"},
		{"the gap is read", []page{{"", "2", "4"}, {"", "6", "8"}, {"", "3", "7"}}, "2345678"},
		{"backward", []page{{"", "7", "8"}, {"", "2", "3"}}, "2378"},
		{"one again", []page{{"", "2", "4"}, {"", "3", "3"}}, "234"},
		{"turned around", []page{{"", "4", "2"}}, ""},
	} {
		var s seen
		for _, p := range tt.pages {
			s.add(p.after, p.first, p.last)
		}
		got := ""
		for i := range 10 {
			if id := fmt.Sprint(i); s.has(id) {
				got += id
			}
		}
		if got != tt.has {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.has)
		}
	}
}

// TestSeenIsBounded: who reads far apart does not make it grow without end.
func TestSeenIsBounded(t *testing.T) {
	var s seen
	id := func(i int) string { return fmt.Sprintf("%04d", i) }
	for i := range 1000 {
		s.add("", id(2*i), id(2*i))
	}
	if len(s.spans) != maxSpans || !s.has(id(0)) {
		t.Errorf("%d spans", len(s.spans))
	}
}

// TestSeenAgainstSet: random pages, against the set of what they have.
func TestSeenAgainstSet(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	id := func(i int) string { return fmt.Sprintf("%03d", i) }
	for range 200 {
		var s seen
		want := make([]bool, 100)
		for range rnd.IntN(12) {
			first := rnd.IntN(100)
			last := min(99, first+rnd.IntN(10))
			after := ""
			if first > 0 && rnd.IntN(2) == 0 {
				after = id(first - 1)
			}
			s.add(after, id(first), id(last))
			for i := first; i <= last; i++ {
				want[i] = true
			}
		}
		var got []bool
		for i := range 100 {
			got = append(got, s.has(id(i)))
		}
		if !slices.Equal(got, want) {
			t.Fatalf("got  %v\nwant %v", got, want)
		}
	}
}
