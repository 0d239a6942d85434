package dispatch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// recorder is a Sender that keeps what is sent.
type recorder struct {
	mu   sync.Mutex
	sent []*stanza.Stanza
	err  error
}

func (r *recorder) LocalAddr() jid.JID { return jid.MustParse("me@example.net/here") }

func (r *recorder) Send(_ context.Context, st *stanza.Stanza) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sent = append(r.sent, st)
	return r.err
}

func (r *recorder) Do(context.Context, *stanza.Stanza) (*stanza.Stanza, error) {
	return nil, xmpp.ErrNotConnected
}

// replies returns the replies to the id.
func (r *recorder) replies(id string) (sts []*stanza.Stanza) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, st := range r.sent {
		if st.ID == id {
			sts = append(sts, st)
		}
	}
	return sts
}

func message(from, id string) *stanza.Stanza {
	return must(stanza.New(stanza.Header{Kind: stanza.KindMessage, From: jid.MustParse(from), ID: id}))
}

func request(from, id string) *stanza.Stanza {
	return must(stanza.New(stanza.Header{Kind: stanza.KindIQ, Type: stanza.TypeGet, From: jid.MustParse(from), ID: id},
		stanza.Raw("<query xmlns='urn:example'/>")))
}

func must(st *stanza.Stanza, err error) *stanza.Stanza {
	if err != nil {
		panic(err)
	}
	return st
}

// handler makes a Handler of a function that only wants the stanza.
func handler(fn func(ctx context.Context, st *stanza.Stanza) error) xmpp.Handler {
	return xmpp.HandlerFunc(func(ctx context.Context, _ xmpp.Sender, st *stanza.Stanza) error { return fn(ctx, st) })
}

func dispatch(t *testing.T, d *Dispatcher, h xmpp.Handler, sts ...*stanza.Stanza) {
	t.Helper()
	for _, st := range sts {
		if err := d.Dispatch(t.Context(), h, &recorder{}, st); err != nil {
			t.Fatalf("%s: %v", st, err)
		}
	}
}

// checkEmpty says whether anything is left.
func checkEmpty(t *testing.T, d *Dispatcher) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.running != 0 || d.waiting != 0 || d.queued != 0 || d.bytes != 0 || len(d.lanes) != 0 || len(d.active) != 0 || d.ready.len() != 0 {
		t.Errorf("left: %d running, %d waiting, %d queued, %d bytes, %d lanes, %d active, %d ready",
			d.running, d.waiting, d.queued, d.bytes, len(d.lanes), len(d.active), d.ready.len())
	}
}

func TestOrderPerSender(t *testing.T) {
	for _, limit := range []int{1, 2, 0} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := New(Config{MaxConcurrent: limit})
				var mu sync.Mutex
				got := make(map[string][]string)
				busy := make(map[string]bool)
				h := handler(func(_ context.Context, st *stanza.Stanza) error {
					from := st.From.String()
					mu.Lock()
					if busy[from] {
						t.Errorf("two stanzas of %s at once", from)
					}
					busy[from] = true
					mu.Unlock()
					time.Sleep(time.Millisecond)
					mu.Lock()
					busy[from] = false
					got[from] = append(got[from], st.ID)
					mu.Unlock()
					return nil
				})
				var want []string
				for i := range 50 {
					id := fmt.Sprint(i)
					want = append(want, id)
					dispatch(t, d, h, message("a@example.net/1", id), message("a@example.net/2", id), message("b@example.net/1", id))
				}
				if err := d.Drain(t.Context()); err != nil {
					t.Fatal(err)
				}
				for from, ids := range got {
					if !slices.Equal(ids, want) {
						t.Errorf("%s: %v", from, ids)
					}
				}
				if len(got) != 3 {
					t.Errorf("%d senders", len(got))
				}
				checkEmpty(t, d)
			})
		})
	}
}

// TestSlowHandler: a handler that hangs holds up its own sender only, and
// requests of the same sender run beside it.
// TestLane: what belongs together keeps its order, whoever it is from.
func TestLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		together := jid.MustParse("both@example.net")
		d := New(Config{Lane: func(own jid.JID, st *stanza.Stanza) jid.JID {
			if own != (&recorder{}).LocalAddr() {
				t.Errorf("own is %v", own)
			}
			return together
		}})
		var got []string
		h := handler(func(_ context.Context, st *stanza.Stanza) error {
			if st.ID == "1" {
				time.Sleep(time.Second)
			}
			got = append(got, st.ID)
			return nil
		})
		dispatch(t, d, h, message("a@example.net", "1"), message("b@example.net", "2"), message("c@example.net", "3"))
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if want := []string{"1", "2", "3"}; !slices.Equal(got, want) {
			t.Errorf("handled %v, want %v", got, want)
		}
		checkEmpty(t, d)
	})
}

func TestSlowHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(Config{})
		release := make(chan struct{})
		done := make(chan string, 10)
		h := handler(func(_ context.Context, st *stanza.Stanza) error {
			if st.ID == "slow" {
				<-release
			}
			done <- st.ID
			return nil
		})
		dispatch(t, d, h, message("a@example.net/1", "slow"), message("a@example.net/1", "after"),
			request("a@example.net/1", "iq1"), request("a@example.net/1", "iq2"), message("b@example.net/2", "other"))
		synctest.Wait()
		var got []string
		for len(done) > 0 {
			got = append(got, <-done)
		}
		slices.Sort(got)
		if want := []string{"iq1", "iq2", "other"}; !slices.Equal(got, want) {
			t.Errorf("handled %v, want %v", got, want)
		}
		close(release)
		if a, b := <-done, <-done; a != "slow" || b != "after" {
			t.Errorf("then %s, %s", a, b)
		}
	})
}

func TestMaxConcurrent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(Config{MaxConcurrent: 3})
		release := make(chan struct{})
		var mu sync.Mutex
		now, most := 0, 0
		h := handler(func(context.Context, *stanza.Stanza) error {
			mu.Lock()
			now++
			most = max(most, now)
			mu.Unlock()
			<-release
			mu.Lock()
			now--
			mu.Unlock()
			return nil
		})
		for i := range 10 {
			dispatch(t, d, h, request("a@example.net/1", fmt.Sprint(i)))
		}
		synctest.Wait()
		if now != 3 {
			t.Errorf("%d run, want 3", now)
		}
		close(release)
		if err := d.Drain(t.Context()); err != nil {
			t.Error(err)
		}
		if most != 3 {
			t.Errorf("up to %d ran", most)
		}
	})
}

func TestOverload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		big := must(stanza.New(stanza.Header{Kind: stanza.KindMessage}, stanza.Raw("<a xmlns='x'>"+strings.Repeat("a", 1000)+"</a>")))
		d := New(Config{MaxConcurrent: 1, MaxQueued: 3, MaxQueuedBytes: 1500})
		release := make(chan struct{})
		h := handler(func(context.Context, *stanza.Stanza) error { <-release; return nil })
		try := func(st *stanza.Stanza) error { return d.Dispatch(t.Context(), h, &recorder{}, st) }

		dispatch(t, d, h, big, big) // one runs, one waits
		if err := try(big); !errors.Is(err, ErrOverload) {
			t.Errorf("beyond MaxQueuedBytes: %v", err)
		}
		small := message("a@example.net/1", "1")
		dispatch(t, d, h, small, small)
		if err := try(small); !errors.Is(err, ErrOverload) {
			t.Errorf("beyond MaxQueued: %v", err)
		}
		close(release)
		synctest.Wait()
		dispatch(t, d, h, small) // there is room again
		synctest.Wait()
		checkEmpty(t, d)

		// One stanza fits whatever its size is.
		d = New(Config{MaxQueuedBytes: 1})
		dispatch(t, d, h, big)
		synctest.Wait()
		checkEmpty(t, d)

		// Without bounds.
		d = New(Config{MaxConcurrent: -1, MaxQueued: -1, MaxQueuedBytes: -1, MaxWaiting: -1})
		for range 10000 {
			dispatch(t, d, h, small)
		}
		synctest.Wait()
		checkEmpty(t, d)
	})
}

func TestMaxWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(Config{MaxConcurrent: 1, MaxWaiting: 2})
		release := make(chan struct{})
		h := handler(func(ctx context.Context, st *stanza.Stanza) error {
			defer Park(ctx)()
			<-release
			return nil
		})
		for i := range 2 {
			dispatch(t, d, h, request("a@example.net/1", fmt.Sprint(i)))
			synctest.Wait()
		}
		if err := d.Dispatch(t.Context(), h, &recorder{}, request("a@example.net/1", "3")); !errors.Is(err, ErrOverload) {
			t.Errorf("got %v", err)
		}
		close(release)
		synctest.Wait()
		checkEmpty(t, d)
	})
}

// TestPark: with one place, handlers that wait for each other come through,
// also when the one that has the place waits for a lock of one that has not.
func TestPark(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(Config{MaxConcurrent: 1, MaxQueued: 1})
		const depth = 5
		var done [depth + 1]chan struct{}
		for i := range done {
			done[i] = make(chan struct{})
		}
		lock := make(chan struct{}, 1)
		var h func(level int) xmpp.Handler
		h = func(level int) xmpp.Handler {
			return handler(func(ctx context.Context, _ *stanza.Stanza) error {
				defer close(done[level])
				if level == depth {
					return nil
				}
				dispatch(t, d, h(level+1), request("a@example.net/1", fmt.Sprint(level+1)))
				unpark := Park(ctx)
				<-done[level+1]
				unpark()
				unpark() // once is enough
				lock <- struct{}{}
				<-lock
				return nil
			})
		}
		dispatch(t, d, h(0), request("a@example.net/1", "0"))
		<-done[0]
		synctest.Wait()
		checkEmpty(t, d)

		// A waits with the lock held; B has the place and wants the lock.
		answer := make(chan struct{})
		holder := handler(func(ctx context.Context, _ *stanza.Stanza) error {
			lock <- struct{}{}
			unpark := Park(ctx)
			<-answer
			unpark()
			<-lock
			return nil
		})
		wants := handler(func(context.Context, *stanza.Stanza) error {
			lock <- struct{}{}
			<-lock
			return nil
		})
		dispatch(t, d, holder, request("a@example.net/1", "A"))
		synctest.Wait()
		dispatch(t, d, wants, request("a@example.net/1", "B"))
		synctest.Wait()
		close(answer)
		synctest.Wait()
		checkEmpty(t, d)
	})
}

// TestParkCounts: a handler may wait in several goroutines, and some of them
// may outlive it.
func TestParkCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(Config{MaxConcurrent: 1})
		places := func() (int, int) {
			d.mu.Lock()
			defer d.mu.Unlock()
			return d.running, d.waiting
		}
		check := func(when string, running, waiting int) {
			t.Helper()
			synctest.Wait()
			if r, w := places(); r != running || w != waiting {
				t.Errorf("%s: %d running, %d waiting; want %d, %d", when, r, w, running, waiting)
			}
		}
		step := make(chan struct{})
		var leaked func()
		dispatch(t, d, handler(func(ctx context.Context, _ *stanza.Stanza) error {
			<-step
			a, b := Park(ctx), Park(ctx)
			<-step
			a()
			<-step
			b()
			<-step
			leaked = Park(ctx)
			late := context.WithoutCancel(ctx)
			go func() {
				<-step
				defer Park(late)()
			}()
			return nil
		}), request("a@example.net/1", "1"))
		check("at first", 1, 0)
		step <- struct{}{}
		check("two wait", 0, 1)
		step <- struct{}{}
		check("one waits", 0, 1)
		step <- struct{}{}
		check("none waits", 1, 0)
		step <- struct{}{}
		check("returned", 0, 0)
		step <- struct{}{}
		leaked()
		check("after the end", 0, 0)
		checkEmpty(t, d)
		Park(t.Context())() // no handler: no effect
	})
}

func TestErrors(t *testing.T) {
	boom := errors.New("boom")
	tests := []struct {
		name    string
		h       xmpp.HandlerFunc
		want    stanza.Condition // of the reply
		logged  string
		noReply bool
	}{
		{name: "reply", h: func(ctx context.Context, s xmpp.Sender, st *stanza.Stanza) error {
			return s.Send(ctx, must(st.Reply()))
		}},
		{name: "condition", h: func(context.Context, xmpp.Sender, *stanza.Stanza) error { return stanza.ItemNotFound },
			want: stanza.ItemNotFound},
		{name: "stanza error", h: func(context.Context, xmpp.Sender, *stanza.Stanza) error {
			return fmt.Errorf("no: %w", stanza.NewError(stanza.Forbidden, "not you"))
		}, want: stanza.Forbidden},
		{name: "other error", h: func(context.Context, xmpp.Sender, *stanza.Stanza) error { return boom },
			want: stanza.InternalServerError, logged: "boom"},
		{name: "panic", h: func(context.Context, xmpp.Sender, *stanza.Stanza) error { panic("ouch") },
			want: stanza.InternalServerError, logged: "ouch"},
		{name: "goexit", h: func(context.Context, xmpp.Sender, *stanza.Stanza) error { runtime.Goexit(); return nil },
			want: stanza.InternalServerError, logged: "Goexit"},
		{name: "reply and error", h: func(ctx context.Context, s xmpp.Sender, st *stanza.Stanza) error {
			return errors.Join(s.Send(ctx, must(st.Reply())), boom)
		}, logged: "boom"},
		{name: "mux", h: new(xmpp.Mux).HandleXMPP, want: stanza.ServiceUnavailable},
		{name: "mux with a failing handler", h: failingMux().HandleXMPP, want: stanza.InternalServerError, logged: "boom"},
		{name: "something else sent", h: func(ctx context.Context, s xmpp.Sender, st *stanza.Stanza) error {
			return errors.Join(s.Send(ctx, message("a@example.net/1", "m")), stanza.Gone)
		}, want: stanza.Gone},
		{name: "nothing", h: func(context.Context, xmpp.Sender, *stanza.Stanza) error { return nil }, noReply: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log strings.Builder
				d := New(Config{MaxConcurrent: 1, Log: slog.New(slog.NewTextHandler(&log, nil))})
				s := &recorder{}
				if err := d.Dispatch(t.Context(), tt.h, s, request("a@example.net/1", "q")); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				replies := s.replies("q")
				if tt.noReply {
					if len(replies) != 0 {
						t.Errorf("replies %v", replies)
					}
					return
				}
				if len(replies) != 1 {
					t.Fatalf("%d replies: %v", len(replies), replies)
				}
				if err := replies[0].Err(); tt.want == "" && err != nil || tt.want != "" && !errors.Is(err, tt.want) {
					t.Errorf("reply %v, want %q", err, tt.want)
				}
				if got := replies[0].To.String(); got != "a@example.net/1" {
					t.Errorf("to %s", got)
				}
				if tt.logged == "" && log.Len() > 0 || !strings.Contains(log.String(), tt.logged) {
					t.Errorf("log %q, want %q in it", log.String(), tt.logged)
				}
				// The same with a message: no reply, and the lane goes on.
				s = &recorder{}
				after := make(chan struct{}, 1)
				for _, h := range []xmpp.Handler{tt.h, handler(func(context.Context, *stanza.Stanza) error { after <- struct{}{}; return nil })} {
					if err := d.Dispatch(t.Context(), h, s, message("a@example.net/1", "q2")); err != nil {
						t.Fatal(err)
					}
				}
				<-after
				for _, st := range s.replies("q2") {
					if st.Type == stanza.TypeError {
						t.Errorf("a message was answered: %s", st)
					}
				}
				synctest.Wait()
				checkEmpty(t, d)
			})
		})
	}
}

func failingMux() *xmpp.Mux {
	m := new(xmpp.Mux)
	m.Handle(xmpp.Pattern{}, handler(func(context.Context, *stanza.Stanza) error { return errors.New("boom") }))
	return m
}

func TestReplyFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		d := New(Config{Log: slog.New(slog.NewTextHandler(&log, nil))})
		s := &recorder{err: xmpp.ErrNotConnected}
		h := xmpp.HandlerFunc(func(_ context.Context, s xmpp.Sender, _ *stanza.Stanza) error {
			if _, ok := s.(interface{ Unwrap() xmpp.Sender }).Unwrap().(*recorder); !ok {
				t.Error("Unwrap does not return the sender")
			}
			return stanza.Gone
		})
		if err := d.Dispatch(t.Context(), h, s, request("a@example.net/1", "q")); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if !strings.Contains(log.String(), "no reply could be sent") {
			t.Errorf("log: %s", log.String())
		}
	})
}

func TestContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type key struct{}
		d := New(Config{MaxConcurrent: 1})
		ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "v"))
		started, kept := make(chan struct{}), make(chan context.Context, 1)
		h := handler(func(ctx context.Context, st *stanza.Stanza) error {
			if ctx.Value(key{}) != "v" {
				t.Error("the value is not there")
			}
			close(started)
			<-ctx.Done()
			kept <- ctx
			return nil
		})
		var late []string
		for _, st := range []*stanza.Stanza{message("a@example.net/1", "1"), message("a@example.net/1", "2")} {
			if err := d.Dispatch(ctx, h, &recorder{}, st); err != nil {
				t.Fatal(err)
			}
		}
		dispatch(t, d, handler(func(ctx context.Context, st *stanza.Stanza) error {
			late = append(late, st.ID)
			kept <- ctx
			return nil
		}), message("a@example.net/1", "3"))
		<-started
		cancel()
		<-kept
		after := <-kept
		synctest.Wait()
		if after.Err() == nil {
			t.Error("the context has not ended with the handler")
		}
		// The second one is not handled: its ctx ended before its turn.
		if !slices.Equal(late, []string{"3"}) {
			t.Errorf("handled %v", late)
		}
		checkEmpty(t, d)
	})
}

func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(Config{MaxConcurrent: 1})
		var handled []string
		h := handler(func(ctx context.Context, st *stanza.Stanza) error {
			select {
			case <-time.After(time.Second):
				handled = append(handled, st.ID)
			case <-ctx.Done():
				handled = append(handled, "cancelled "+st.ID)
			}
			return nil
		})
		for i := range 5 {
			dispatch(t, d, h, message("a@example.net/1", fmt.Sprint(i)), request("a@example.net/1", "iq"+fmt.Sprint(i)))
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
		defer cancel()
		start := time.Now()
		err := d.Drain(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "7 stanzas were not handled, 0 handlers") {
			t.Errorf("Drain: %v", err)
		}
		if took := time.Since(start); took != 2500*time.Millisecond {
			t.Errorf("took %v", took)
		}
		if want := []string{"0", "iq0", "cancelled iq1"}; !slices.Equal(handled, want) {
			t.Errorf("handled %v, want %v", handled, want)
		}
		if err := d.Dispatch(t.Context(), h, &recorder{}, message("a@example.net/1", "x")); !errors.Is(err, ErrDraining) {
			t.Errorf("Dispatch: %v", err)
		}
		checkEmpty(t, d)
	})
}

// TestDrainStubborn: a handler that does not look at its context does not hold
// Drain up for ever.
func TestDrainStubborn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(Config{})
		release := make(chan struct{})
		h := handler(func(context.Context, *stanza.Stanza) error { <-release; return nil })
		dispatch(t, d, h, message("a@example.net/1", "1"), message("a@example.net/1", "2"))
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		start := time.Now()
		if err := d.Drain(ctx); err == nil || !strings.Contains(err.Error(), "1 stanzas were not handled, 1 handlers") {
			t.Errorf("Drain: %v", err)
		}
		if took := time.Since(start); took != cancelGrace {
			t.Errorf("took %v", took)
		}
		close(release)
		synctest.Wait()
		checkEmpty(t, d)
	})
}

// TestNoGoroutines: when there is nothing to do there is no goroutine.
func TestNoGoroutines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// workers counts the goroutines of this package.
		workers := func() int {
			synctest.Wait()
			stacks := make([]byte, 1<<20)
			return strings.Count(string(stacks[:runtime.Stack(stacks, true)]), "created by "+reflect.TypeFor[Dispatcher]().PkgPath()+".(*Dispatcher)")
		}
		d := New(Config{MaxConcurrent: 8})
		h := handler(func(ctx context.Context, _ *stanza.Stanza) error {
			defer Park(ctx)()
			time.Sleep(time.Millisecond)
			return nil
		})
		for i := range 2000 {
			st := message(fmt.Sprintf("a@example.net/%d", i%7), "m")
			if i%2 == 0 {
				st = request("a@example.net/1", "q")
			}
			dispatch(t, d, h, st)
		}
		if n := workers(); n == 0 {
			t.Error("no goroutine although there is work")
		}
		time.Sleep(time.Minute)
		if n := workers(); n != 0 {
			t.Errorf("%d goroutines without work", n)
		}
		checkEmpty(t, d)
	})
}

func BenchmarkDispatch(b *testing.B) {
	d := New(Config{})
	h := handler(func(context.Context, *stanza.Stanza) error { return nil })
	s, st := &recorder{}, message("a@example.net/1", "1")
	b.ReportAllocs()
	for b.Loop() {
		for d.Dispatch(b.Context(), h, s, st) != nil {
			runtime.Gosched()
		}
	}
}
