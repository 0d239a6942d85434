package backoff

import (
	"testing"
	"time"
)

func TestExponential(t *testing.T) {
	for _, tt := range []struct {
		shortest, longest time.Duration
		want              []time.Duration // at most; half of it at least
	}{
		{time.Second, 10 * time.Second, []time.Duration{1, 2, 4, 8, 10, 10}},
		{time.Second, time.Second, []time.Duration{1, 1}},
		{2 * time.Second, time.Second, []time.Duration{1, 1}},
		{0, time.Second, []time.Duration{0, 0}},
	} {
		f := Exponential(tt.shortest, tt.longest)
		for try, want := range tt.want {
			want *= time.Second
			for range 100 {
				if d := f(try); d < want/2 || d > want {
					t.Errorf("%v to %v, try %d: %v, want %v to %v", tt.shortest, tt.longest, try, d, want/2, want)
				}
			}
		}
	}
	if d := Exponential(time.Second, time.Hour)(1 << 30); d < time.Hour/2 || d > time.Hour {
		t.Errorf("many tries: %v", d)
	}
	if d := Exponential(1, 1)(0); d != 1 {
		t.Errorf("the shortest of all: %v", d)
	}
}
