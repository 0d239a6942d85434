package session

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func received(l *ledger, sizes ...int) (ns []uint64) {
	for _, size := range sizes {
		n, _ := l.receive(size)
		ns = append(ns, n)
	}
	return ns
}

func TestLedger(t *testing.T) {
	var l ledger
	if got := received(&l, 1, 1); !slices.Equal(got, []uint64{0, 0}) {
		t.Errorf("before <enabled/> come %v", got)
	}
	if _, tell := l.finish(0); tell {
		t.Error("told of what does not count")
	}
	l.start()
	if got := received(&l, 1, 1, 1, 1); !slices.Equal(got, []uint64{1, 2, 3, 4}) {
		t.Errorf("got %v", got)
	}
	finish := func(n, told uint64, want bool) {
		t.Helper()
		if h, tell := l.finish(n); tell != want || h != told {
			t.Errorf("finish %d: %d, %v", n, h, tell)
		}
	}
	finish(2, 0, false)
	if got := l.answer(); got != 0 {
		t.Errorf("answer %d", got)
	}
	finish(1, 0, false) // 3 and 4 are asked for too
	finish(1, 0, false)
	received(&l, 1)
	finish(5, 0, false)
	if h, beyond := l.left(); h != 2 || !slices.Equal(beyond, []uint64{5}) {
		t.Errorf("left %d, %v", h, beyond)
	}
	finish(4, 0, false)
	finish(3, 5, true) // what was asked for is handled, and more
	received(&l, 1, 1)
	finish(6, 0, false) // nobody has asked
	if got := l.resume(); got != 7 {
		t.Errorf("resumes with %d", got)
	}
	if got := l.answer(); got != 7 {
		t.Errorf("then answers %d: less than before", got)
	}
	if h, beyond := l.left(); h != 7 || beyond != nil {
		t.Errorf("left %d, %v", h, beyond)
	}
}

// What the peer has to keep is bounded, by the number of stanzas and their size.
func TestLedgerBound(t *testing.T) {
	for _, tt := range []struct {
		size, n int
		want    uint64
	}{
		{1, heldStanzas, 0}, {1, heldStanzas + 1, 1}, {1, 10 * heldStanzas, 9 * heldStanzas},
		{heldBytes / 4, 4, 0}, {heldBytes / 4, 7, 3}, {2 * heldBytes, 1, 0}, {2 * heldBytes, 2, 1},
	} {
		var l ledger
		l.start()
		for range tt.n {
			l.receive(tt.size)
		}
		if got := l.answer(); got != tt.want {
			t.Errorf("%d of %d bytes: %d are acknowledged, want %d", tt.n, tt.size, got, tt.want)
		}
	}
	// What is left to another process is not acknowledged.
	var l ledger
	l.start()
	l.leave()
	for range 2 * heldStanzas {
		l.receive(1)
	}
	if got := l.answer(); got != 0 {
		t.Errorf("%d are acknowledged", got)
	}
	l.settle()
	if got := l.answer(); got != 2*heldStanzas {
		t.Errorf("then %d are acknowledged", got)
	}
}

func TestLedgerRestored(t *testing.T) {
	var l ledger
	l.restore(10, []uint64{12, 14})
	var again []bool
	for range 5 {
		_, a := l.receive(1)
		again = append(again, a)
	}
	if !slices.Equal(again, []bool{false, true, false, true, false}) {
		t.Errorf("again: %v", again)
	}
	l.finish(11)
	if got := l.answer(); got != 12 {
		t.Errorf("answer %d", got)
	}
	if h, beyond := l.left(); h != 12 || !slices.Equal(beyond, []uint64{14}) {
		t.Errorf("left %d, %v", h, beyond)
	}
	// It has ended before they came again.
	var m ledger
	m.restore(10, []uint64{12})
	if h, beyond := m.left(); h != 10 || !slices.Equal(beyond, []uint64{12}) {
		t.Errorf("left %d, %v", h, beyond)
	}
}

// A ledger is compared with what is plainly true of it, and handed from one process to
// the next: each stanza is handled once.
func TestLedgerAtRandom(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 200 {
		l := new(ledger)
		l.start()
		handled := make(map[uint64]int)
		open := make(map[uint64]bool)
		first, last, told := uint64(1), uint64(0), uint64(0) // the peer sends from first on, has sent up to last
		for range 300 {
			switch k := rng.IntN(20); {
			case k < 8:
				n, again := l.receive(1)
				if last++; n != last {
					t.Fatalf("number %d, want %d", n, last)
				}
				if !again {
					open[n] = true
				}
			case k < 16:
				for n := range open {
					delete(open, n)
					handled[n]++
					l.finish(n)
					break
				}
			case k < 19:
				if told = l.answer(); told > last {
					t.Fatalf("%d of %d are acknowledged", told, last)
				}
			default: // another process
				h, beyond := l.left()
				l = new(ledger)
				l.restore(h, beyond)
				clear(open)
				last = h
			}
			for n := first; n <= told; n++ {
				if handled[n] != 1 {
					t.Fatalf("%d is acknowledged and was handled %d times", n, handled[n])
				}
			}
		}
		for n, times := range handled {
			if times != 1 {
				t.Errorf("%d was handled %d times", n, times)
			}
		}
	}
}
