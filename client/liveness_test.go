package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/stanza"
)

// TestReq_R6120_4_6_1: a server that says nothing any more is asked, and given
// up if it does not answer.
func TestReq_R6120_4_6_1(t *testing.T) {
	bubble(t, func(t *testing.T, ts *testServer) {
		var downs []error
		cfg := ts.config()
		cfg.OnDown = func(_ xmpp.Sender, reason error) { downs = append(downs, reason) }
		ts.auto = nil
		c := start(t, cfg)
		p := ts.peer()
		p.nextAny() // presence
		begin := time.Now()
		st := p.next()
		if !st.Payload().Is("urn:xmpp:ping", "ping") || time.Since(begin) != DefaultKeepAlive {
			t.Errorf("after %v came %s", time.Since(begin), st)
		}
		// Nobody answers.
		p = ts.peer()
		if took := time.Since(begin) - DefaultKeepAlive - DefaultPingTimeout; took < 0 || took > DefaultMinBackoff {
			t.Errorf("the next stream came after %v", time.Since(begin))
		}
		synctest.Wait()
		if len(downs) != 1 || !errors.Is(downs[0], ErrUnresponsive) || !strings.Contains(downs[0].Error(), "20s") {
			t.Errorf("reasons %v", downs)
		}
		go answer(p)
		c.stop()
	})
}

// answer reads what comes.
func answer(p *peer) {
	for range p.got {
	}
}

// TestAliveBy: what counts as a sign of life.
func TestAliveBy(t *testing.T) {
	for name, live := range map[string]func(p *peer, st *stanza.Stanza){
		"pong":  func(p *peer, st *stanza.Stanza) { answerPings(p, st) },
		"error": func(p *peer, st *stanza.Stanza) { p.send(st.ErrorReply(stanza.ServiceUnavailable).String()) },
		"another error": func(p *peer, st *stanza.Stanza) {
			p.send(st.ErrorReply(stanza.InternalServerError).String())
		},
		"a stanza":    func(p *peer, _ *stanza.Stanza) { p.send("<message from='romeo@montague.lit'/>") },
		"white space": func(p *peer, _ *stanza.Stanza) { p.send(" ") },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, ts *testServer) {
				pings := 0
				ts.auto = func(p *peer, st *stanza.Stanza) bool {
					if st.Kind == stanza.KindIQ {
						pings++
						live(p, st)
					}
					return true
				}
				c := start(t, ts.config())
				time.Sleep(time.Hour)
				synctest.Wait()
				if ts.dials.Load() != 1 {
					t.Errorf("%d dials", ts.dials.Load())
				}
				if pings < 25 || pings > 60 {
					t.Errorf("%d pings in an hour", pings)
				}
				c.stop()
			})
		})
	}
}

// TestNoPingWhileBusy: who hears from the server does not ask.
func TestNoPingWhileBusy(t *testing.T) {
	bubble(t, func(t *testing.T, ts *testServer) {
		ts.auto = func(_ *peer, st *stanza.Stanza) bool {
			if st.Kind == stanza.KindIQ {
				t.Errorf("asked: %s", st)
			}
			return true
		}
		c := start(t, ts.config())
		p := ts.peer()
		for range 100 {
			time.Sleep(50 * time.Second)
			p.send(" ")
		}
		c.stop()
	})
}

func TestKeepAliveOptions(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*Config)
		spaces int
	}{
		{"white space", func(c *Config) { c.Whitespace = true }, 59},
		{"off", func(c *Config) { c.KeepAlive = -1 }, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, ts *testServer) {
				cfg := ts.config()
				tt.change(&cfg)
				spaces := 0
				cfg.Stream.Trace = func(sent bool, xml []byte) {
					if sent && string(xml) == " " {
						spaces++
					}
				}
				ts.auto = func(_ *peer, st *stanza.Stanza) bool {
					if st.Kind == stanza.KindIQ {
						t.Errorf("asked: %s", st)
					}
					return true
				}
				c := start(t, cfg)
				time.Sleep(time.Hour - time.Second)
				c.stop()
				if spaces != tt.spaces || ts.dials.Load() != 1 {
					t.Errorf("%d spaces, %d dials", spaces, ts.dials.Load())
				}
			})
		})
	}
}

// TestStuckPeer: a server that does not read does not hang anything.
func TestStuckPeer(t *testing.T) {
	bubble(t, func(t *testing.T, ts *testServer) {
		stuck := make(chan struct{})
		ts.auto = func(p *peer, st *stanza.Stanza) bool {
			if p.n == 1 && st.ID == "stop" {
				<-stuck // reads no more
			}
			return st.Kind != stanza.KindMessage
		}
		cfg := ts.config()
		cfg.Stream.MaxOutbox = 1000
		c := start(t, cfg)
		ts.peer()
		c.ready()
		if err := c.Send(t.Context(), message("romeo@montague.lit", "stop")); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		var err error
		for err == nil {
			err = c.Send(t.Context(), message("romeo@montague.lit", "x"))
		}
		if !errors.Is(err, xmpp.ErrNotConnected) || time.Since(begin) > time.Minute {
			t.Errorf("after %v: %v", time.Since(begin), err)
		}
		close(stuck)
		synctest.Wait()
		c.ready()
		c.stop()
	})
}

// TestUnsent: messages that were queued and not written are sent in the next
// session, once and in order; other stanzas are not.
func TestUnsent(t *testing.T) {
	bubble(t, func(t *testing.T, ts *testServer) {
		stuck := make(chan struct{})
		ts.auto = func(p *peer, st *stanza.Stanza) bool {
			if p.n < 3 && st.ID == "stop" {
				<-stuck // reads no more
			}
			return false
		}
		c := start(t, ts.config())
		c.ready()
		p := ts.peer()
		send := func(st *stanza.Stanza) {
			t.Helper()
			if err := c.Send(t.Context(), st); err != nil {
				t.Error(err)
			}
		}
		send(message("romeo@montague.lit", "stop"))
		synctest.Wait()
		for i := range 200 {
			send(message("romeo@montague.lit", fmt.Sprint(i)))
		}
		send(must(stanza.New(stanza.Header{Kind: stanza.KindPresence, ID: "presence"})))
		var err error
		go func() { _, err = c.Do(t.Context(), get("", "")) }()
		synctest.Wait()
		p.tr.Close()
		synctest.Wait()
		close(stuck)
		if !errors.Is(err, xmpp.ErrSessionLost) {
			t.Errorf("Do: %v", err)
		}
		p = ts.peer()
		c.ready()
		send(message("romeo@montague.lit", "new"))
		if st := p.nextAny(); st.ID != "" || st.Kind != stanza.KindPresence {
			t.Errorf("first came %s", st)
		}
		for i := range 200 {
			if st := p.nextAny(); st.ID != fmt.Sprint(i) {
				t.Fatalf("came %s, want %d", st, i)
			}
		}
		if st := p.nextAny(); st.ID != "new" {
			t.Errorf("at last came %s", st)
		}
		c.stop()
	})
	// When there is no next session, Run says so.
	bubble(t, func(t *testing.T, ts *testServer) {
		stuck := make(chan struct{})
		ts.auto = func(_ *peer, st *stanza.Stanza) bool {
			if st.ID == "stop" {
				<-stuck
			}
			return true
		}
		c := start(t, ts.config())
		c.ready()
		for _, id := range []string{"stop", "1", "2"} {
			if err := c.Send(t.Context(), message("romeo@montague.lit", id)); err != nil {
				t.Error(err)
			}
			synctest.Wait()
		}
		c.cancel()
		c.wait()
		if c.err == nil || !strings.Contains(c.err.Error(), "2 stanzas were not sent") {
			t.Errorf("Run: %v", c.err)
		}
		close(stuck)
	})
}

// TestDrain: the end of the context lets handlers come to their end.
func TestDrain(t *testing.T) {
	bubble(t, func(t *testing.T, ts *testServer) {
		cfg := ts.config()
		handled := 0
		cfg.Handler = xmpp.HandlerFunc(func(ctx context.Context, s xmpp.Sender, st *stanza.Stanza) error {
			time.Sleep(time.Second)
			if ctx.Err() != nil {
				t.Error("the handler's context has ended")
			}
			handled++
			return s.Send(ctx, message("romeo@montague.lit", "reply"))
		})
		c := start(t, cfg)
		p := ts.peer()
		for range 3 {
			p.send("<message from='romeo@montague.lit/orchard'><body/></message>")
		}
		p.nextAny()
		synctest.Wait()
		begin := time.Now()
		c.cancel()
		if st := p.nextAny(); st.Type != stanza.TypeUnavailable {
			t.Errorf("first came %s", st)
		}
		synctest.Wait()
		// What comes now is answered.
		p.send("<message id='late' from='romeo@montague.lit/orchard'><body/></message>")
		p.send("<iq type='get' id='late' from='romeo@montague.lit/orchard'><query xmlns='x'/></iq>")
		for range 2 {
			if st := p.next(); st.ID != "late" || !errors.Is(st.Err(), stanza.RecipientUnavailable) {
				t.Errorf("came %s", st)
			}
		}
		for range 3 {
			if st := p.next(); st.ID != "reply" {
				t.Errorf("came %s", st)
			}
		}
		c.wait()
		if c.err != nil || handled != 3 || time.Since(begin) != 3*time.Second {
			t.Errorf("Run: %v after %v, %d handled", c.err, time.Since(begin), handled)
		}
		if _, ok := <-p.got; ok || p.err != io.EOF {
			t.Errorf("the stream ended with %v", p.err)
		}
	})
}

// TestDrainTimeout: the end does not wait for ever, and says what was not done.
func TestDrainTimeout(t *testing.T) {
	bubble(t, func(t *testing.T, ts *testServer) {
		cfg := ts.config()
		cfg.DrainTimeout = 2 * time.Second
		cfg.Handler = xmpp.HandlerFunc(func(ctx context.Context, _ xmpp.Sender, _ *stanza.Stanza) error {
			<-ctx.Done()
			return ctx.Err()
		})
		c := start(t, cfg)
		p := ts.peer()
		for range 2 {
			p.send("<message from='romeo@montague.lit/orchard'><body/></message>")
		}
		synctest.Wait()
		begin := time.Now()
		c.cancel()
		c.wait()
		if c.err == nil || !strings.Contains(c.err.Error(), "1 stanzas were not handled") || time.Since(begin) != cfg.DrainTimeout {
			t.Errorf("Run: %v after %v", c.err, time.Since(begin))
		}
	})
	// A server that does not close its side.
	bubble(t, func(t *testing.T, ts *testServer) {
		stuck := make(chan struct{})
		ts.auto = func(_ *peer, st *stanza.Stanza) bool {
			if st.Type == stanza.TypeUnavailable {
				<-stuck
			}
			return true
		}
		c := start(t, ts.config())
		c.ready()
		begin := time.Now()
		c.cancel()
		c.wait()
		if c.err == nil || !strings.Contains(c.err.Error(), "not closed in order") || time.Since(begin) != DefaultDrainTimeout {
			t.Errorf("Run: %v after %v", c.err, time.Since(begin))
		}
		close(stuck)
	})
	// A server that takes longer for it than a sign of life may.
	bubble(t, func(t *testing.T, ts *testServer) {
		ts.auto = func(_ *peer, st *stanza.Stanza) bool {
			if st.Type == stanza.TypeUnavailable {
				time.Sleep(3 * time.Second)
			}
			return true
		}
		cfg := ts.config()
		cfg.KeepAlive, cfg.PingTimeout = time.Second, time.Second
		c := start(t, cfg)
		p := ts.peer()
		c.ready()
		begin := time.Now()
		c.cancel()
		if err := c.wait(); err != nil || time.Since(begin) != 3*time.Second {
			t.Errorf("Run: %v after %v", err, time.Since(begin))
		}
		for range p.got {
		}
		if p.err != io.EOF {
			t.Errorf("the stream ended with %v", p.err)
		}
	})
	// A connection that is lost meanwhile needs no closing.
	bubble(t, func(t *testing.T, ts *testServer) {
		cfg := ts.config()
		cfg.Handler = xmpp.HandlerFunc(func(context.Context, xmpp.Sender, *stanza.Stanza) error {
			time.Sleep(2 * time.Second)
			return nil
		})
		c := start(t, cfg)
		p := ts.peer()
		p.send("<message from='romeo@montague.lit/orchard'><body/></message>")
		synctest.Wait()
		begin := time.Now()
		c.cancel()
		time.Sleep(time.Second)
		p.cut()
		if err := c.wait(); err != nil || time.Since(begin) != 2*time.Second || ts.dials.Load() != 1 {
			t.Errorf("Run: %v after %v, %d dials", err, time.Since(begin), ts.dials.Load())
		}
	})
	// A watcher that does not look at its context.
	bubble(t, func(t *testing.T, ts *testServer) {
		stuck := make(chan struct{})
		cfg := ts.config()
		cfg.OnUp = func(context.Context, xmpp.Sender) { <-stuck }
		c := start(t, cfg)
		c.ready()
		ts.peer().cut() // which does not hold up the next session
		synctest.Wait()
		c.ready()
		c.cancel()
		c.wait()
		if c.err == nil || !strings.Contains(c.err.Error(), "SessionUp") {
			t.Errorf("Run: %v", c.err)
		}
		close(stuck)
	})
}

// TestEndAnywhere: wherever the context ends, Run returns soon, without error,
// and nothing is left.
func TestEndAnywhere(t *testing.T) {
	for _, after := range []time.Duration{0, time.Millisecond, 500 * time.Millisecond, 1500 * time.Millisecond, 3 * time.Second, time.Minute} {
		t.Run(fmt.Sprint(after), func(t *testing.T) {
			bubble(t, func(t *testing.T, ts *testServer) {
				ts.dialErr = func(n int) error {
					time.Sleep(time.Second) // longer than the context may last
					if n < 3 {
						return errors.New("unreachable")
					}
					return nil
				}
				ts.open = func(int) error {
					time.Sleep(time.Second)
					return nil
				}
				cfg := ts.config()
				cfg.OnUp = func(ctx context.Context, _ xmpp.Sender) { <-ctx.Done() }
				c, err := New(cfg)
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), after)
				defer cancel()
				begin := time.Now()
				if err := c.Run(ctx); err != nil {
					t.Error(err)
				}
				if took := time.Since(begin); took > after+3*time.Second {
					t.Errorf("returned after %v", took)
				}
			})
		})
	}
}

// TestHandlerContexts: the context of a request's handler ends with the
// session, that of a message's handler does not.
func TestHandlerContexts(t *testing.T) {
	bubble(t, func(t *testing.T, ts *testServer) {
		type result struct {
			id  string
			ctx error
			err error
		}
		results := make(chan result, 2)
		cfg := ts.config()
		cfg.Handler = xmpp.HandlerFunc(func(ctx context.Context, s xmpp.Sender, st *stanza.Stanza) error {
			select {
			case <-ctx.Done():
			case <-time.After(time.Minute):
			}
			results <- result{st.ID, ctx.Err(), s.Send(ctx, message("romeo@montague.lit", "late"))}
			return nil
		})
		c := start(t, cfg)
		p := ts.peer()
		p.send("<iq type='get' id='iq' from='a@x.lit/1'><query xmlns='x'/></iq><message id='msg' from='a@x.lit/1'><body/></message>")
		synctest.Wait()
		p.cut()
		if r := <-results; r.id != "iq" || r.ctx == nil {
			t.Errorf("%+v", r)
		}
		// The message's Sender stands for a session that is gone.
		if r := <-results; r.id != "msg" || r.ctx != nil || !errors.Is(r.err, xmpp.ErrNotConnected) {
			t.Errorf("%+v", r)
		}
		c.ready()
		c.stop()
	})
}
