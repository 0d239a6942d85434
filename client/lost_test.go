package client_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/client"
	"github.com/etherx-go/xmpp/ext/csi"
	"github.com/etherx-go/xmpp/ext/ping"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

func ask(t *testing.T, to jid.JID) *stanza.Stanza {
	t.Helper()
	h := stanza.Header{Kind: stanza.KindIQ, Type: stanza.TypeGet, To: to}
	st, err := stanza.New(h, stanza.Raw("<query xmlns='urn:example'/>"))
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// TestAcrossACut: requests that wait, handlers that run, the address and what is sent
// meanwhile outlive the connection.
func TestAcrossACut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		romeo := w.client("romeo/orchard")
		ends := make(chan error, 2)
		cfg, events := w.config("juliet/balcony")
		mux := cfg.Handler.(*xmpp.Mux)
		answer := func(ctx context.Context, s xmpp.Sender, st *stanza.Stanza) error {
			time.Sleep(20 * time.Second)
			ends <- ctx.Err()
			reply, err := st.Reply(nil)
			if err != nil {
				return err
			}
			return s.Send(ctx, reply)
		}
		mux.Handle(xmpp.Pattern{Kind: stanza.KindIQ}, xmpp.HandlerFunc(answer))
		mux.OnMessage(func(ctx context.Context, s xmpp.Sender, m *stanza.Message) error {
			if m.Body != "wait" {
				return nil
			}
			time.Sleep(20 * time.Second)
			ends <- ctx.Err()
			return xmpp.Send(ctx, s, m.Reply("I have"))
		})
		juliet := w.run(cfg, events)
		juliet.ready()
		j, r := juliet.LocalAddr(), romeo.LocalAddr()
		asked := make(chan error, 1)
		go func() {
			_, err := romeo.Do(t.Context(), ask(t, j))
			asked <- err
		}()
		romeo.say(j, "wait")
		time.Sleep(time.Second)
		synctest.Wait()
		w.fall()
		time.Sleep(time.Second)
		if juliet.LocalAddr() != j {
			t.Errorf("the address is %s", juliet.LocalAddr())
		}
		juliet.say(r, "while there is no connection")
		if err := csi.Set(t.Context(), juliet, false); err == nil {
			t.Error("the client's state was told")
		}
		time.Sleep(4 * time.Second)
		w.rise()
		for range 2 {
			if err := <-ends; err != nil {
				t.Errorf("the context of a handler: %v", err)
			}
		}
		if err := <-asked; err != nil {
			t.Errorf("Do: %v", err)
		}
		romeo.expect("while there is no connection", "I have")
		for _, p := range []*person{juliet, romeo} {
			got := slices.DeleteFunc(p.events.with(""), func(s string) bool { return strings.HasPrefix(s, "message") })
			if !slices.Equal(got, []string{"up", "suspended", "resumed"}) {
				t.Errorf("%s: %q", p.LocalAddr(), got)
			}
			if err := p.leave(); err != nil {
				t.Error(err)
			}
		}
		if got := juliet.events.with("down "); len(got) != 1 || got[0] != xmpp.ErrClosed.Error() {
			t.Errorf("down: %q", got)
		}
	})
}

// TestNotResumed: a session that the server does not wait for any more ends when its
// time is over, and what was sent in it arrives once.
func TestNotResumed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, func(c *server.Config) { c.ResumeTimeout = time.Minute })
		romeo := w.near("romeo/orchard")
		juliet := w.client("juliet/balcony")
		r := romeo.LocalAddr().Bare()
		juliet.say(r, "before")
		juliet.say(r, "acknowledged by nobody")
		time.Sleep(2 * time.Millisecond) // they have arrived, and the answer has not
		w.fall()
		time.Sleep(time.Second)
		juliet.say(r, "queued")
		asked := make(chan error, 1)
		go func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			asked <- ping.Ping(ctx, juliet, jid.JID{})
		}()
		time.Sleep(58 * time.Second)
		synctest.Wait()
		if got := juliet.events.with("down"); len(got) > 0 {
			t.Errorf("after 59 s: %q", got)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if got := juliet.events.with("down "); len(got) != 1 || !strings.Contains(got[0], "could not be resumed") {
			t.Errorf("after 61 s: %q", got)
		}
		if err := <-asked; !errors.Is(err, xmpp.ErrSessionLost) {
			t.Errorf("Do: %v", err)
		}
		if err := xmpp.Send(t.Context(), juliet, chat(r, "x")); !errors.Is(err, xmpp.ErrNotConnected) {
			t.Errorf("Send: %v", err)
		}
		w.rise()
		juliet.ready()
		juliet.say(r, "after")
		romeo.expect("before", "acknowledged by nobody", "queued", "after")
		if ups := juliet.events.with("up"); len(ups) != 2 {
			t.Errorf("%d sessions", len(ups))
		}
	})
}

// TestAcknowledgementsOnly: with acknowledgements and no resumption a session is
// over with its connection.
func TestAcknowledgementsOnly(t *testing.T) {
	for name, change := range map[string]struct {
		server func(*server.Config)
		client func(*client.Config)
	}{
		"the server does not":          {func(c *server.Config) { c.ResumeTimeout = -1 }, func(*client.Config) {}},
		"the client does not want it":  {func(*server.Config) {}, func(c *client.Config) { c.ResumeTimeout = -1 }},
		"the client wants no acks too": {func(*server.Config) {}, func(c *client.Config) { c.NoAcks = true }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 1, change.server)
				cfg, events := w.config("juliet/balcony")
				change.client(&cfg)
				juliet := w.run(cfg, events)
				juliet.ready()
				err := xmpp.Confirm(t.Context(), juliet, chat(jid.MustParse("juliet@example.org"), "x"))
				if cfg.NoAcks != errors.Is(err, xmpp.ErrNoAcknowledgements) || !cfg.NoAcks && err != nil {
					t.Errorf("Confirm: %v", err)
				}
				w.net.CutAll()
				time.Sleep(5 * time.Second)
				synctest.Wait()
				if got := len(events.with("up")); got != 2 {
					t.Errorf("%d sessions", got)
				}
				if got := len(events.with("suspended")); got != 0 {
					t.Errorf("suspended %d times", got)
				}
			})
		})
	}
}

// TestServerEndsTheSession: what the server ends is not resumed.
func TestServerEndsTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		juliet := w.client("juliet/balcony")
		other, events := w.config("juliet/balcony") // takes the resource
		juliet2 := w.run(other, events)
		juliet2.ready()
		err := <-juliet.done
		juliet.done <- err
		if !errors.Is(err, stream.Conflict) {
			t.Errorf("Run: %v", err)
		}
		if got := juliet.events.with(""); len(got) != 2 || !strings.HasPrefix(got[1], "down") {
			t.Errorf("%q", got)
		}
	})
}

// TestConfirm: the outcomes of Confirm.
func TestConfirm(t *testing.T) {
	type outcome struct {
		body string
		err  error
	}
	run := func(t *testing.T, w *world, juliet *person, to jid.JID, bodies ...string) (wait func(...error)) {
		outcomes := make(chan outcome, len(bodies))
		for _, body := range bodies {
			go func() { outcomes <- outcome{body, xmpp.Confirm(t.Context(), juliet, chat(to, body))} }()
			synctest.Wait()
		}
		return func(want ...error) {
			t.Helper()
			got := make(map[string]error)
			for range bodies {
				o := <-outcomes
				got[o.body] = o.err
			}
			for i, body := range bodies {
				if !errors.Is(got[body], want[i]) {
					t.Errorf("%s: %v, want %v", body, got[body], want[i])
				}
			}
		}
	}
	t.Run("over a cut", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 1)
			romeo, juliet := w.near("romeo/orchard"), w.client("juliet/balcony")
			w.net.SetSilent(true)
			wait := run(t, w, juliet, romeo.LocalAddr().Bare(), "1")
			w.fall()
			w.net.SetSilent(false)
			wait2 := run(t, w, juliet, romeo.LocalAddr().Bare(), "2")
			time.Sleep(time.Second)
			w.rise()
			wait(nil)
			wait2(nil)
			romeo.expect("1", "2")
		})
	})
	t.Run("no session after it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 1, func(c *server.Config) { c.ResumeTimeout = -1 })
			romeo, juliet := w.near("romeo/orchard"), w.client("juliet/balcony")
			w.net.SetSilent(true)
			wait := run(t, w, juliet, romeo.LocalAddr().Bare(), "written")
			w.fall()
			w.net.SetSilent(false)
			wait(xmpp.ErrUnacknowledged)
			if err := xmpp.Confirm(t.Context(), juliet, chat(romeo.LocalAddr(), "x")); !errors.Is(err, xmpp.ErrNotConnected) {
				t.Errorf("Confirm: %v", err)
			}
			w.rise()
			juliet.ready()
			romeo.ready()
			romeo.expect() // it was left to the caller
		})
	})
	t.Run("not written", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 1, func(c *server.Config) { c.ResumeTimeout = time.Minute })
			romeo, juliet := w.near("romeo/orchard"), w.client("juliet/balcony")
			w.fall()
			wait := run(t, w, juliet, romeo.LocalAddr().Bare(), "1", "2")
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if err := xmpp.Confirm(ctx, juliet, chat(romeo.LocalAddr(), "x")); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Confirm: %v", err)
			}
			time.Sleep(2 * time.Minute)
			w.rise()
			wait(xmpp.ErrNotConnected, xmpp.ErrNotConnected)
			romeo.ready()
			romeo.expect("x")
		})
	})
}

// TestLocation: a session is resumed where the server wants it, and where that cannot
// be reached in the usual place, at once.
func TestLocation(t *testing.T) {
	for _, tt := range []struct {
		location string
		want     []string
	}{
		{"elsewhere.example:9222", []string{"x.example:5222", "elsewhere.example:9222"}},
		{"gone.example:1", []string{"x.example:5222", "gone.example:1", "x.example:5222"}},
		{"", []string{"x.example:5222", "x.example:5222"}},
	} {
		t.Run(tt.location, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 1, func(c *server.Config) { c.ResumeLocation = tt.location })
				cfg, events := w.config("juliet/balcony")
				cfg.Dial = nil
				var dialed []string
				dial := func(ctx context.Context, _, addr string) (net.Conn, error) {
					dialed = append(dialed, addr)
					if strings.HasPrefix(addr, "gone") {
						return nil, errors.New("no route to host")
					}
					return w.net.Dial(ctx, "juliet")
				}
				cfg.Dialer = &stream.Dialer{Addr: "x.example:5222", DialContext: dial}
				juliet := w.run(cfg, events)
				juliet.ready()
				begin := time.Now()
				w.net.CutAll()
				time.Sleep(10 * time.Second)
				synctest.Wait()
				if !slices.Equal(dialed, tt.want) {
					t.Errorf("after %v dialed %q", time.Since(begin), dialed)
				}
				if got := events.with(""); !slices.Equal(got, []string{"up", "suspended", "resumed"}) {
					t.Errorf("%q", got)
				}
			})
		})
	}
}

// TestBusyWatcher: who is told late is told what counts.
func TestBusyWatcher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		cfg, events := w.config("juliet/balcony")
		up := make(chan struct{})
		cfg.OnUp = func(context.Context, xmpp.Sender) {
			events.add("up")
			<-up
		}
		w.run(cfg, events).ready()
		for range 3 {
			w.net.CutAll()
			time.Sleep(20 * time.Second)
		}
		close(up)
		synctest.Wait()
		if got := events.with(""); !slices.Equal(got, []string{"up", "resumed"}) {
			t.Errorf("%q", got)
		}
	})
}

// TestFullWhileLost: what waits for a connection is bounded, and who waits for room
// has it when there is a connection again, or an error when the session has ended.
func TestFullWhileLost(t *testing.T) {
	for name, away := range map[string]time.Duration{"resumed": 30 * time.Second, "ended": 2 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 1, func(c *server.Config) { c.ResumeTimeout = time.Minute })
				romeo := w.near("romeo/orchard")
				cfg, events := w.config("juliet/balcony")
				cfg.Stream.MaxDetached = 1000
				juliet := w.run(cfg, events)
				juliet.ready()
				to := romeo.LocalAddr().Bare()
				w.fall()
				var err error
				bodies := numbered("m", 20)
				sent := 0
				done := make(chan struct{})
				go func() {
					defer close(done)
					for _, b := range bodies {
						if err = xmpp.Send(t.Context(), juliet, chat(to, b)); err != nil {
							return
						}
						sent++
					}
				}()
				time.Sleep(away)
				synctest.Wait()
				if sent == 0 || sent == len(bodies) {
					t.Fatalf("%d are queued", sent)
				}
				w.rise()
				<-done
				if name == "ended" != errors.Is(err, xmpp.ErrNotConnected) {
					t.Errorf("after %d: %v", sent, err)
				}
				juliet.ready()
				romeo.expect(bodies[:sent]...)
			})
		})
	}
}

// TestRequestTimeout: the time of a request without deadline is that with a connection:
// one that is made as the session begins is answered if the session goes on, also if
// the connection has died without a word.
func TestRequestTimeout(t *testing.T) {
	for name, away := range map[string]func(*world){
		"cut": func(w *world) {
			w.fall()
			time.Sleep(5 * time.Minute)
			w.rise()
		},
		"dead": func(w *world) {
			w.net.SetSilent(true)
			time.Sleep(5 * time.Minute)
			w.net.SetSilent(false)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 1)
				cfg, events := w.config("juliet/balcony")
				cfg.ConnectTimeout = 10 * time.Second
				juliet := w.run(cfg, events)
				juliet.ready()
				synctest.Wait()
				answer := make(chan error, 1)
				if name == "cut" {
					w.net.SetSilent(true) // the request does not arrive
				}
				go func() { answer <- ping.Ping(t.Context(), juliet, jid.JID{}) }()
				synctest.Wait()
				w.net.SetSilent(false)
				away(w)
				if err := <-answer; err != nil {
					t.Error(err)
				}
				if got := events.with(""); !slices.Equal(got, []string{"up", "suspended", "resumed"}) {
					t.Errorf("%q", got)
				}
			})
		})
	}
	// Who does not answer while others do is not waited for any longer.
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		cfg, _ := w.config("mute/x")
		cfg.Handler = xmpp.HandlerFunc(func(context.Context, xmpp.Sender, *stanza.Stanza) error { return nil })
		mute := w.Start(cfg)
		juliet := w.client("juliet/balcony")
		begin := time.Now()
		_, err := juliet.Do(t.Context(), ask(t, mute.LocalAddr()))
		over := time.Since(begin) - client.DefaultRequestTimeout
		if !errors.Is(err, context.DeadlineExceeded) || over < 0 || over > time.Second {
			t.Errorf("%v too late: %v", over, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := juliet.Do(ctx, ask(t, mute.LocalAddr())); !errors.Is(err, context.Canceled) {
			t.Errorf("canceled: %v", err)
		}
	})
}

// TestResumedLate: the server has noticed the end of the connection later than the
// client, and still has the session that is over for the client: the next one goes on
// with its stream, so that nothing is lost or double.
func TestResumedLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// The server does not notice before the client comes back.
		w := newWorld(t, 1, func(c *server.Config) { c.ResumeTimeout, c.AckTimeout = time.Minute, -1 })
		romeo := w.near("romeo/orchard")
		cfg, events := w.config("juliet/balcony")
		cfg.ConnectTimeout = 10 * time.Second
		juliet := w.run(cfg, events)
		juliet.ready()
		j, r := juliet.LocalAddr(), romeo.LocalAddr()
		synctest.Wait()
		w.net.SetSilent(true)
		juliet.say(r, "1")
		confirmed := make(chan error, 1)
		go func() { confirmed <- xmpp.Confirm(t.Context(), juliet, chat(r, "2")) }()
		synctest.Wait()
		romeo.say(j, "a")
		time.Sleep(150 * time.Second)
		if got := events.with("down"); len(got) != 1 {
			t.Fatalf("%q", events.with(""))
		}
		w.net.SetSilent(false)
		juliet.ready()
		juliet.say(r, "3")
		romeo.say(j, "b")
		if err := <-confirmed; err != nil {
			t.Errorf("Confirm: %v", err)
		}
		romeo.expect("1", "2", "3")
		juliet.expect("a", "b")
		if got := events.with("another's"); len(got) != 1 {
			t.Errorf("%q", events.with(""))
		}
		w.net.CutAll()
		time.Sleep(10 * time.Second)
		juliet.say(r, "4")
		romeo.expect("1", "2", "3", "4")
	})
}
