package client

import (
	"context"
	"crypto"
	"encoding/xml"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/ping"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/sasl"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

// bubble runs a test in a bubble of its own, whose end shows that no goroutine
// is left.
func bubble(t *testing.T, fn func(t *testing.T, ts *testServer)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { fn(t, newTestServer(t)) })
}

func TestConversation(t *testing.T) {
	bubble(t, func(t *testing.T, ts *testServer) {
		mux := new(xmpp.Mux)
		mux.OnMessage(func(ctx context.Context, s xmpp.Sender, msg *stanza.Message) error {
			return xmpp.Send(ctx, s, msg.Reply("you said "+msg.Body))
		})
		cfg := ts.config()
		cfg.Handler, cfg.Lang = mux, "it"
		c := start(t, cfg)
		c.ready()
		if c.LocalAddr() != cfg.JID || c.IsServer() || c.Mux() != mux {
			t.Errorf("LocalAddr %s", c.LocalAddr())
		}
		p := ts.peer()
		if got := p.conn.Received().Lang; got != "it" {
			t.Errorf("xml:lang %q", got)
		}
		if st := p.nextAny(); st.Kind != stanza.KindPresence || st.Type != "" || !st.IsEmpty() {
			t.Errorf("first came %s", st)
		}
		p.send("<message from='romeo@montague.lit/orchard' to='juliet@capulet.lit/balcony' type='chat'><body>hi</body></message>")
		if st := p.next(); st.Message().Body != "you said hi" || st.To.String() != "romeo@montague.lit/orchard" || !st.From.IsZero() {
			t.Errorf("reply %s", st)
		}
		c.stop()
		if st := p.nextAny(); st.Kind != stanza.KindPresence || st.Type != stanza.TypeUnavailable {
			t.Errorf("at last came %s", st)
		}
		if _, ok := <-p.got; ok || p.err.Error() != "EOF" {
			t.Errorf("the stream ended with %v", p.err)
		}
	})
}

// TestPresence covers what is sent first.
func TestPresence(t *testing.T) {
	bubble(t, func(t *testing.T, ts *testServer) {
		cfg := ts.config()
		cfg.Presence = &stanza.Presence{Show: stanza.ShowAway, Priority: 5}
		c := start(t, cfg)
		p := ts.peer()
		if st := p.nextAny(); st.Presence().Show != stanza.ShowAway || st.Priority() != 5 {
			t.Errorf("first came %s", st)
		}
		c.stop()

		cfg = ts.config()
		cfg.NoPresence, cfg.JID = true, jid.MustParse("juliet@capulet.lit")
		c = start(t, cfg)
		c.ready()
		if c.LocalAddr().Resource() != "chosen" {
			t.Errorf("LocalAddr %s", c.LocalAddr())
		}
		p = ts.peer()
		if err := c.Send(t.Context(), message("romeo@montague.lit", "1")); err != nil {
			t.Fatal(err)
		}
		if st := p.nextAny(); st.ID != "1" {
			t.Errorf("first came %s", st)
		}
		c.stop()
	})
}

func TestNewRefuses(t *testing.T) {
	me := jid.MustParse("juliet@capulet.lit")
	failing := extension(func(xmpp.Host) error { return errors.New("no extension") })
	for _, tt := range []struct {
		cfg  Config
		want string
	}{
		{Config{}, "JID is not set"},
		{Config{JID: me}, "nothing to authenticate with"},
		{Config{JID: jid.MustParse("capulet.lit"), Password: "x"}, "no user name"},
		{Config{JID: me, Password: "x", UserAgent: stream.UserAgent{ID: "phone"}}, "not a UUID"},
		{Config{JID: me, Password: "x", Dialer: &stream.Dialer{Service: stream.ServiceServer}}, "another service"},
		{Config{JID: me, Password: "x", NoPresence: true, Presence: &stanza.Presence{}}, "both"},
		{Config{JID: me, Password: "x", Presence: &stanza.Presence{Type: stanza.TypeUnavailable}}, "not an available presence"},
		{Config{JID: me, Password: "x", Presence: &stanza.Presence{To: me}}, "not an available presence"},
		{Config{JID: me, Password: "x", Presence: &stanza.Presence{Payloads: []any{stanza.Raw("<broken")}}}, "Config.Presence"},
		{Config{JID: me, Password: "x", Extensions: []xmpp.Extension{nil}}, "Extensions[0] is nil"},
		{Config{JID: me, Password: "x", Extensions: []xmpp.Extension{failing}}, "no extension"},
	} {
		if c, err := New(tt.cfg); c != nil || err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got %v, want %q", err, tt.want)
		}
	}
	for _, cfg := range []Config{
		{JID: me, SASL: sasl.ClientConfig{Token: "x"}},
		{JID: me, SASL: sasl.ClientConfig{External: true}},
		{JID: me, SASL: sasl.ClientConfig{Password: "x"}},
		{JID: me, Logins: FileStore("x"), UserAgent: stream.UserAgent{ID: strings.ToUpper(stream.NewUserAgentID())}},
		{JID: jid.MustParse("capulet.lit"), SASL: sasl.ClientConfig{Anonymous: true}},
		{JID: jid.MustParse("capulet.lit"), SASL: sasl.ClientConfig{Username: "u", Password: "x"}},
	} {
		if _, err := New(cfg); err != nil {
			t.Error(err)
		}
	}
}

type extension func(xmpp.Host) error

func (e extension) Attach(h xmpp.Host) error { return e(h) }

// TestStates: Send, Do and the rest in every state.
func TestStates(t *testing.T) {
	bubble(t, func(t *testing.T, ts *testServer) {
		try := func(state string, c *Client, want error) {
			t.Helper()
			if err := c.Send(t.Context(), message("romeo@montague.lit", "")); !errors.Is(err, want) {
				t.Errorf("%s: Send: %v", state, err)
			} else if xmpp.SafeToRetry(err) != (want == xmpp.ErrNotConnected) {
				t.Errorf("%s: SafeToRetry(%v)", state, err)
			}
			if _, err := c.Do(t.Context(), get("", "")); !errors.Is(err, want) {
				t.Errorf("%s: Do: %v", state, err)
			}
			if !c.LocalAddr().IsZero() {
				t.Errorf("%s: LocalAddr %s", state, c.LocalAddr())
			}
		}
		waitReady := func(c *Client) error {
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			defer cancel()
			return c.WaitReady(ctx)
		}
		hold := make(chan struct{})
		ts.dialErr = func(n int) error {
			if n == 1 {
				<-hold
				return errors.New("unreachable")
			}
			return nil
		}
		c, err := New(ts.config())
		if err != nil {
			t.Fatal(err)
		}
		try("before Run", c, xmpp.ErrNotConnected)
		if err := waitReady(c); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("WaitReady: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- c.Run(ctx) }()
		synctest.Wait()
		try("connecting", c, xmpp.ErrNotConnected)
		if err := c.Run(ctx); err == nil || !strings.Contains(err.Error(), "runs already") {
			t.Errorf("second Run: %v", err)
		}
		close(hold)
		synctest.Wait()
		try("waiting", c, xmpp.ErrNotConnected)
		if err := c.WaitReady(t.Context()); err != nil {
			t.Errorf("WaitReady: %v", err)
		}
		if err := c.Send(t.Context(), message("romeo@montague.lit", "")); err != nil {
			t.Errorf("connected: %v", err)
		}
		ended, end := context.WithCancel(t.Context())
		end()
		if err := c.Send(ended, message("romeo@montague.lit", "")); err != context.Canceled {
			t.Errorf("connected, with an ended context: %v", err)
		}
		if _, err := c.Do(t.Context(), message("romeo@montague.lit", "")); err != xmpp.ErrNotRequest {
			t.Errorf("Do with a message: %v", err)
		}
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		try("after Run", c, xmpp.ErrClosed)
		if err := waitReady(c); !errors.Is(err, xmpp.ErrClosed) {
			t.Errorf("WaitReady: %v", err)
		}
		if err := c.Run(t.Context()); !errors.Is(err, xmpp.ErrClosed) {
			t.Errorf("Run again: %v", err)
		}

		c, _ = New(ts.config())
		if err := errors.Join(c.Close(), c.Close()); err != nil {
			t.Error(err)
		}
		try("closed", c, xmpp.ErrClosed)
		if err := c.Run(t.Context()); !errors.Is(err, xmpp.ErrClosed) {
			t.Errorf("Run after Close: %v", err)
		}
	})
}

// TestCloseFromHandler: a handler may end the client.
func TestCloseFromHandler(t *testing.T) {
	bubble(t, func(t *testing.T, ts *testServer) {
		cfg := ts.config()
		var c *runner
		ready := make(chan struct{})
		cfg.Handler = xmpp.HandlerFunc(func(ctx context.Context, s xmpp.Sender, st *stanza.Stanza) error {
			<-ready
			c.Close()
			// It still can say its last words.
			return s.Send(ctx, message("romeo@montague.lit", "bye"))
		})
		c = start(t, cfg)
		close(ready)
		p := ts.peer()
		p.send("<message from='romeo@montague.lit/orchard'><body>go away</body></message>")
		c.wait()
		if c.err != nil {
			t.Errorf("Run: %v", c.err)
		}
		if st := p.next(); st.ID != "bye" {
			t.Errorf("came %s", st)
		}
	})
}

func TestReconnect(t *testing.T) {
	lose := map[string]func(p *peer){
		"cut":             (*peer).cut,
		"close":           func(p *peer) { p.fail("") },
		"system shutdown": func(p *peer) { p.fail(stream.SystemShutdown) },
		"reset":           func(p *peer) { p.fail(stream.Reset) },
		"policy":          func(p *peer) { p.fail(stream.PolicyViolation) },
		"bad XML":         func(p *peer) { p.send("<message><body></message>") },
		"bad UTF-8":       func(p *peer) { p.send("<message><body>\xff</body></message>") },
	}
	for name, lose := range lose {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, ts *testServer) {
				got := make(chan string, 10)
				mux := new(xmpp.Mux)
				mux.OnMessage(func(_ context.Context, _ xmpp.Sender, msg *stanza.Message) error {
					got <- msg.Body
					return nil
				})
				var events []string
				cfg := ts.config()
				cfg.Handler = mux
				cfg.OnUp = func(_ context.Context, s xmpp.Sender) { events = append(events, "up") }
				cfg.OnDown = func(s xmpp.Sender, reason error) {
					if reason == nil {
						t.Error("down without a reason")
					}
					events = append(events, "down")
				}
				c := start(t, cfg)
				for i := range 3 {
					p := ts.peer()
					p.send(fmt.Sprintf("<message from='romeo@montague.lit'><body>%d</body></message>", i))
					if body := <-got; body != fmt.Sprint(i) {
						t.Errorf("got %s", body)
					}
					lose(p)
					synctest.Wait()
				}
				c.ready()
				c.stop()
				if want := []string{"up", "down", "up", "down", "up", "down", "up", "down"}; !slices.Equal(events, want) {
					t.Errorf("events %v", events)
				}
				if n := ts.dials.Load(); n != 4 {
					t.Errorf("%d dials", n)
				}
			})
		})
	}
}

// TestWatcherOrder: whoever is slow to notice the end of a session still hears
// of it before the next one, which is not held up.
func TestWatcherOrder(t *testing.T) {
	bubble(t, func(t *testing.T, ts *testServer) {
		var mu sync.Mutex
		var events []string
		note := func(event string) {
			mu.Lock()
			defer mu.Unlock()
			events = append(events, event)
		}
		check := func(want ...string) {
			t.Helper()
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			if !slices.Equal(events, want) {
				t.Errorf("events %v, want %v", events, want)
			}
		}
		cfg := ts.config()
		cfg.OnUp = func(ctx context.Context, _ xmpp.Sender) {
			note("up")
			<-ctx.Done()
			time.Sleep(time.Minute)
			note("noticed")
		}
		cfg.OnDown = func(xmpp.Sender, error) { note("down") }
		c := start(t, cfg)
		c.ready() // before that there is no session to lose
		ts.peer().cut()
		ts.peer()
		c.ready()
		check("up")
		time.Sleep(time.Minute)
		check("up", "noticed", "down", "up")
		c.cancel()
		if err := c.wait(); err == nil { // a minute is too long
			t.Error("Run: no error")
		}
		time.Sleep(time.Minute)
	})
}

// TestBackoff: the attempts come at the times that the schedule says, and a
// steady session lets it start over.
func TestBackoff(t *testing.T) {
	bubble(t, func(t *testing.T, ts *testServer) {
		var times []time.Time
		ts.dialErr = func(n int) error {
			times = append(times, time.Now())
			if n == 5 || n == 7 {
				return nil
			}
			return errors.New("unreachable")
		}
		var tries []int
		cfg := ts.config()
		cfg.Backoff = func(try int) time.Duration {
			tries = append(tries, try)
			return time.Duration(try+1) * time.Second
		}
		c := start(t, cfg)
		p := ts.peer() // 5
		p.cut()        // at once: not steady
		p = ts.peer()  // 7
		time.Sleep(time.Minute)
		p.cut()
		time.Sleep(9 * time.Second)
		c.cancel()
		c.wait()
		if want := []int{0, 1, 2, 3, 4, 5, 0, 1, 2, 3}; !slices.Equal(tries, want) {
			t.Errorf("tries %v, want %v", tries, want)
		}
		var gaps []int
		for i, at := range times[1:] {
			gaps = append(gaps, int(at.Sub(times[i])/time.Second))
		}
		if want := []int{1, 2, 3, 4, 5, 6, 61, 2, 3}; !slices.Equal(gaps, want) {
			t.Errorf("seconds between attempts %v, want %v", gaps, want)
		}
		if c.err != nil {
			t.Error(c.err)
		}
	})
}

func TestExponentialBackoff(t *testing.T) {
	b := ExponentialBackoff(DefaultMinBackoff, DefaultMaxBackoff)
	for try, whole := range []time.Duration{1, 2, 4, 8, 16, 32, 64, 120, 120, 120} {
		whole *= time.Second
		least, most := time.Hour, time.Duration(0)
		for range 200 {
			d := b(try)
			least, most = min(least, d), max(most, d)
		}
		if least < whole/2 || most > whole {
			t.Errorf("try %d: %v to %v", try, least, most)
		}
		if most-least < whole/8 {
			t.Errorf("try %d: hardly any jitter, %v to %v", try, least, most)
		}
	}
	if d := b(1 << 40); d > DefaultMaxBackoff {
		t.Errorf("after very many tries: %v", d)
	}
	if d := ExponentialBackoff(0, 0)(3); d != 0 {
		t.Errorf("without delay: %v", d)
	}
}

// TestPermanent: Run returns where it is of no use to try again, with an error
// that says why, and goes on otherwise.
func TestPermanent(t *testing.T) {
	streamError := func(c stream.Condition) func(ts *testServer, _ *Config) {
		return func(ts *testServer, _ *Config) {
			ts.open = func(n int) error {
				if n == 1 {
					return c
				}
				return nil
			}
		}
	}
	saslError := func(c sasl.Condition) func(ts *testServer, _ *Config) {
		return func(ts *testServer, _ *Config) {
			n := 0
			ts.creds.Verify = func(context.Context, string, string) error {
				if n++; n == 1 {
					return c
				}
				return nil
			}
		}
	}
	bindError := func(c stanza.Condition) func(ts *testServer, _ *Config) {
		return func(ts *testServer, _ *Config) {
			bind := ts.bind
			ts.bind = func(n int, resource string) (jid.JID, error) {
				if n == 1 {
					return jid.JID{}, c
				}
				return bind(n, resource)
			}
		}
	}
	for _, tt := range []struct {
		name  string
		setup func(ts *testServer, cfg *Config)
		want  error // nil: temporary
		text  string
	}{
		{"wrong password", func(_ *testServer, cfg *Config) { cfg.Password = "romeo" }, sasl.NotAuthorized, "capulet.lit"},
		{"account disabled", saslError(sasl.AccountDisabled), sasl.AccountDisabled, ""},
		{"temporary-auth-failure", saslError(sasl.TemporaryAuthFailure), nil, ""},
		{"no usable mechanism", func(_ *testServer, cfg *Config) { cfg.SASL.Refuse = []string{sasl.Plain} }, &sasl.ChoiceError{}, `"PLAIN" is refused`},
		{"TLS is not offered", func(_ *testServer, cfg *Config) { cfg.AllowPlaintext = false }, &stream.NegotiationError{}, "refused without TLS"},
		{"conflict", streamError(stream.Conflict), stream.Conflict, ""},
		{"host-unknown", streamError(stream.HostUnknown), stream.HostUnknown, ""},
		{"host-gone", streamError(stream.HostGone), stream.HostGone, ""},
		{"not-authorized", streamError(stream.NotAuthorized), stream.NotAuthorized, ""},
		{"unsupported-version", streamError(stream.UnsupportedVersion), stream.UnsupportedVersion, ""},
		{"system-shutdown", streamError(stream.SystemShutdown), nil, ""},
		{"resource-constraint", streamError(stream.ResourceConstraint), nil, ""},
		{"connection-timeout", streamError(stream.ConnectionTimeout), nil, ""},
		{"internal-server-error", streamError(stream.InternalServerError), nil, ""},
		{"resource in use", bindError(stanza.Conflict), stanza.Conflict, ""},
		{"bind not allowed", bindError(stanza.NotAllowed), stanza.NotAllowed, ""},
		{"too many resources", bindError(stanza.ResourceConstraint), nil, ""},
		{"unreachable", func(ts *testServer, _ *Config) {
			ts.dialErr = func(n int) error {
				if n == 1 {
					return errors.New("unreachable")
				}
				return nil
			}
		}, nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, ts *testServer) {
				cfg := ts.config()
				tt.setup(ts, &cfg)
				c := start(t, cfg)
				if tt.want == nil {
					c.ready()
					c.stop()
					if n := ts.dials.Load(); n != 2 {
						t.Errorf("%d dials", n)
					}
					return
				}
				c.wait()
				switch tt.want.(type) {
				case *sasl.ChoiceError, *stream.NegotiationError:
					if !isA[*sasl.ChoiceError](c.err) && !isA[*stream.NegotiationError](c.err) {
						t.Errorf("Run: %v", c.err)
					}
				default:
					if !errors.Is(c.err, tt.want) {
						t.Errorf("Run: %v, want %v", c.err, tt.want)
					}
				}
				if !isA[*ConnectError](c.err) || !strings.Contains(c.err.Error(), tt.text) {
					t.Errorf("Run: %v", c.err)
				}
				if n := ts.dials.Load(); n != 1 {
					t.Errorf("%d dials", n)
				}
				if err := c.Send(t.Context(), message("romeo@montague.lit", "")); !errors.Is(err, xmpp.ErrClosed) || !errors.Is(err, c.err) {
					t.Errorf("Send: %v", err)
				}
			})
		})
	}
	t.Run("conflict in a session", func(t *testing.T) {
		bubble(t, func(t *testing.T, ts *testServer) {
			c := start(t, ts.config())
			ts.peer().fail(stream.Conflict)
			c.wait()
			if e, ok := errors.AsType[*stream.Error](c.err); !ok || e.Condition != stream.Conflict || !e.Remote {
				t.Errorf("Run: %v", c.err)
			}
		})
	})
}

// TestKeysAreKept: the second login does not derive the keys again, and the
// password is not shown to a server that has once done without.
func TestKeysAreKept(t *testing.T) {
	bubble(t, func(t *testing.T, ts *testServer) {
		keys, err := sasl.NewSCRAMKeys(crypto.SHA256, testPassword, 4096)
		if err != nil {
			t.Fatal(err)
		}
		ts.creds.SCRAM = func(context.Context, string, crypto.Hash) (sasl.SCRAMKeys, error) { return keys, nil }
		saved := 0
		cfg := ts.config()
		cfg.SASL.SaveKeys = func(sasl.ClientKeys) { saved++ }
		c := start(t, cfg)
		p := ts.peer()
		synctest.Wait()
		if got := c.saslConfig(); len(got.Keys) != 1 || !slices.Contains(got.Refuse, sasl.Plain) || saved != 1 {
			t.Errorf("%d keys, refused %v, saved %d times", len(got.Keys), got.Refuse, saved)
		}
		ts.creds.SCRAM = nil // now only PLAIN is offered
		p.cut()
		c.wait()
		if ce, ok := errors.AsType[*sasl.ChoiceError](c.err); !ok || ce.Refusals[0].Mechanism != sasl.Plain {
			t.Errorf("Run: %v", c.err)
		}
	})
}

func TestDo(t *testing.T) {
	bubble(t, func(t *testing.T, ts *testServer) {
		c := start(t, ts.config())
		p := ts.peer()
		c.ready()
		type result struct {
			st  *stanza.Stanza
			err error
		}
		do := func(to string) (chan result, *stanza.Stanza) {
			ch := make(chan result, 1)
			go func() {
				st, err := c.Do(t.Context(), get(to, ""))
				ch <- result{st, err}
			}()
			return ch, p.next()
		}
		reply := func(q *stanza.Stanza, from, attrs string) {
			if from != "" {
				attrs += " from='" + from + "'"
			}
			p.send(fmt.Sprintf("<iq id='%s' to='juliet@capulet.lit/balcony' %s/>", q.ID, attrs))
		}

		// Whoever was not asked cannot reply.
		ch, q := do("romeo@montague.lit/orchard")
		for _, from := range []string{"", "romeo@montague.lit", "romeo@montague.lit/other", "evil.lit", "juliet@capulet.lit", "capulet.lit"} {
			reply(q, from, "type='result'")
		}
		synctest.Wait()
		if len(ch) != 0 {
			t.Fatalf("a spoofed reply was taken: %v", <-ch)
		}
		reply(q, "romeo@montague.lit/orchard", "type='result'")
		if r := <-ch; r.err != nil || r.st.From.String() != "romeo@montague.lit/orchard" {
			t.Errorf("%v, %v", r.st, r.err)
		}

		for _, from := range []string{"", "juliet@capulet.lit", "capulet.lit", "juliet@capulet.lit/balcony"} {
			ch, q = do("")
			reply(q, "evil.lit", "type='result'")
			reply(q, from, "type='result'")
			if r := <-ch; r.err != nil || r.st.From.String() != from {
				t.Errorf("from %q: %v, %v", from, r.st, r.err)
			}
		}

		// An error, and nothing at all.
		ch, q = do("")
		p.send(fmt.Sprintf("<iq id='%s' type='error'><error type='cancel'><item-not-found xmlns='%s'/></error></iq>", q.ID, stanza.NSStanzas))
		if r := <-ch; !errors.Is(r.err, stanza.ItemNotFound) || r.st != nil {
			t.Errorf("%v, %v", r.st, r.err)
		}
		begin := time.Now()
		ch, q = do("romeo@montague.lit/orchard")
		if r := <-ch; !errors.Is(r.err, context.DeadlineExceeded) || time.Since(begin) != DefaultRequestTimeout {
			t.Errorf("%v after %v", r.err, time.Since(begin))
		} else if !strings.Contains(r.err.Error(), "romeo@montague.lit/orchard") {
			t.Errorf("%v", r.err)
		}
		reply(q, "romeo@montague.lit/orchard", "type='result'") // too late: for nobody

		// The same id twice.
		ch, _ = do("capulet.lit")
		go c.Do(t.Context(), get("capulet.lit", "same"))
		p.next()
		if _, err := c.Do(t.Context(), get("capulet.lit", "same")); err == nil || errors.Is(err, xmpp.ErrNotConnected) {
			t.Errorf("the same id twice: %v", err)
		}

		// The session ends.
		begin = time.Now()
		p.cut()
		if r := <-ch; !errors.Is(r.err, xmpp.ErrSessionLost) || time.Since(begin) != 0 || xmpp.SafeToRetry(r.err) {
			t.Errorf("%v after %v", r.err, time.Since(begin))
		}
		c.ready()
		c.stop()
	})
}

// TestDoDeadline: the deadline of the context counts, not the default.
func TestDoDeadline(t *testing.T) {
	bubble(t, func(t *testing.T, ts *testServer) {
		c := start(t, ts.config())
		c.ready()
		for _, d := range []time.Duration{time.Second, time.Minute} {
			ctx, cancel := context.WithTimeout(t.Context(), d)
			begin := time.Now()
			if _, err := c.Do(ctx, get("romeo@montague.lit", "")); !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != d {
				t.Errorf("%v after %v", err, time.Since(begin))
			}
			cancel()
		}
		c.stop()
	})
}

// TestHandlerCallsDoAtDepthThree: a handler asks, and before it gets its answer
// the peer asks back, three deep, with one place for handlers and a queue of
// one, and a backlog before each reply.
func TestHandlerCallsDoAtDepthThree(t *testing.T) {
	bubble(t, func(t *testing.T, ts *testServer) {
		const depth = 3
		var mu sync.Mutex
		var order []string
		note := func(format string, args ...any) {
			mu.Lock()
			defer mu.Unlock()
			order = append(order, fmt.Sprintf(format, args...))
		}
		cfg := ts.config()
		cfg.MaxConcurrent, cfg.MaxQueued = 1, 1
		cfg.Stream.MaxOutbox = 1
		cfg.Handler = xmpp.HandlerFunc(func(ctx context.Context, s xmpp.Sender, st *stanza.Stanza) error {
			if st.Kind != stanza.KindIQ || !st.Type.IsRequest() {
				return nil
			}
			note("in %s", st.ID)
			var level int
			fmt.Sscanf(st.ID, "level%d", &level)
			if level < depth {
				if _, err := s.Do(ctx, get("romeo@montague.lit/orchard", fmt.Sprintf("ask%d", level))); err != nil {
					note("level %d: %v", level, err)
					return err
				}
			}
			note("out %s", st.ID)
			return s.Send(ctx, must(st.Reply()))
		})
		ts.auto = func(p *peer, st *stanza.Stanza) bool {
			var level int
			switch {
			case st.Type == stanza.TypeGet: // a question: ask back first
				fmt.Sscanf(st.ID, "ask%d", &level)
				p.send(fmt.Sprintf("<iq type='get' id='level%d' from='romeo@montague.lit/orchard'><query xmlns='urn:example'/></iq>", level+1))
			case st.Type == stanza.TypeResult: // the answer to what was asked back
				fmt.Sscanf(st.ID, "level%d", &level)
				for range 50 {
					p.send("<message from='romeo@montague.lit/orchard'><body>backlog</body></message>")
				}
				p.send(fmt.Sprintf("<iq type='result' id='ask%d' from='romeo@montague.lit/orchard'/>", level-1))
				return level > 0
			default:
				return true // overload answers to the backlog, presence
			}
			return true
		}
		c := start(t, cfg)
		p := ts.peer()
		synctest.Wait()
		begin := time.Now()
		p.send("<iq type='get' id='level0' from='romeo@montague.lit/orchard'><query xmlns='urn:example'/></iq>")
		if st := p.next(); st.ID != "level0" || st.Err() != nil {
			t.Errorf("reply %s", st)
		}
		if took := time.Since(begin); took != 0 {
			t.Errorf("it took %v: something has waited for a timeout", took)
		}
		want := []string{"in level0", "in level1", "in level2", "in level3", "out level3", "out level2", "out level1", "out level0"}
		if !slices.Equal(order, want) {
			t.Errorf("order %v", order)
		}
		c.stop()
	})
}

// TestOrderAndConcurrency: one sender's stanzas in order, others not held up.
func TestOrderAndConcurrency(t *testing.T) {
	bubble(t, func(t *testing.T, ts *testServer) {
		release := make(chan struct{})
		var mu sync.Mutex
		got := make(map[string][]string)
		cfg := ts.config()
		cfg.Handler = xmpp.HandlerFunc(func(ctx context.Context, s xmpp.Sender, st *stanza.Stanza) error {
			if st.ID == "slow" {
				<-release
			}
			mu.Lock()
			defer mu.Unlock()
			got[st.From.String()] = append(got[st.From.String()], st.ID)
			return nil
		})
		c := start(t, cfg)
		p := ts.peer()
		p.send("<message from='a@x.lit/1' id='slow'><body/></message>")
		var want []string
		for i := range 100 {
			kind := []string{"message", "presence"}[i%2]
			p.send(fmt.Sprintf("<%s from='a@x.lit/1' id='%d'/><%s from='b@x.lit/1' id='%d'/>", kind, i, kind, i))
			want = append(want, fmt.Sprint(i))
		}
		synctest.Wait()
		mu.Lock()
		if len(got["a@x.lit/1"]) != 0 || !slices.Equal(got["b@x.lit/1"], want) {
			t.Errorf("while one is slow: %v", got)
		}
		mu.Unlock()
		close(release)
		synctest.Wait()
		if !slices.Equal(got["a@x.lit/1"], append([]string{"slow"}, want...)) {
			t.Errorf("then: %v", got["a@x.lit/1"])
		}
		c.stop()
	})
}

// TestAnswers: what the client answers by itself.
func TestAnswers(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     string // condition of the error, "result", or "" for no answer
	}{
		{"CORE-6.6-3 unknown namespace", "<iq type='get' id='1' from='romeo@montague.lit/orchard'><query xmlns='urn:unknown'/></iq>", "service-unavailable"},
		{"set in an unknown namespace", "<iq type='set' id='1' from='romeo@montague.lit/orchard'><query xmlns='urn:unknown'/></iq>", "service-unavailable"},
		{"ping", "<iq type='get' id='1' from='capulet.lit'><ping xmlns='urn:xmpp:ping'/></iq>", "result"},
		{"ping of somebody", "<iq type='get' id='1' from='romeo@montague.lit/orchard'><ping xmlns='urn:xmpp:ping'/></iq>", "result"},
		{"CORE-6.2.2-2 no from in the reply", "<iq type='get' id='1' to='juliet@capulet.lit/balcony' from='capulet.lit'><ping xmlns='urn:xmpp:ping'/></iq>", "result"},
		{"CORE-6.2.2-2 nor the bare JID", "<iq type='get' id='1' to='juliet@capulet.lit' from='capulet.lit'><query xmlns='urn:unknown'/></iq>", "service-unavailable"},
		{"CORE-6.5.3-1 no payload", "<iq type='get' id='1' from='romeo@montague.lit/orchard'/>", "bad-request"},
		{"CORE-6.5.3-1 two payloads", "<iq type='set' id='1' from='romeo@montague.lit/orchard'><a xmlns='a'/><b xmlns='b'/></iq>", "bad-request"},
		{"no id", "<iq type='get' from='romeo@montague.lit/orchard'><query xmlns='urn:unknown'/></iq>", "bad-request"},
		{"GUIDE-9-roster-2 no id, from the account", "<iq type='set'><query xmlns='urn:unknown'/></iq>", "service-unavailable"},
		{"no id, from the server", "<iq type='set' from='capulet.lit'><query xmlns='urn:unknown'/></iq>", "service-unavailable"},
		{"CORE-6.5.2-1 no type", "<iq id='1' from='romeo@montague.lit/orchard'><query xmlns='urn:unknown'/></iq>", "bad-request"},
		{"CORE-6.5.2-1 unknown type", "<iq type='ask' id='1' from='romeo@montague.lit/orchard'><query xmlns='urn:unknown'/></iq>", "bad-request"},
		{"malformed to", "<iq type='get' id='1' to='@' from='romeo@montague.lit/orchard'><query xmlns='urn:unknown'/></iq>", "jid-malformed"},
		{"malformed to of a message", "<message id='1' to='@' from='romeo@montague.lit/orchard'/>", "jid-malformed"},
		{"malformed from", "<iq type='get' id='1' from='@'><query xmlns='urn:unknown'/></iq>", ""},
		{"orphaned result", "<iq type='result' id='1' from='romeo@montague.lit/orchard'/>", ""},
		{"orphaned error", "<iq type='error' id='1' from='romeo@montague.lit/orchard'><error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>", ""},
		{"message", "<message id='1' from='romeo@montague.lit/orchard'><body>hi</body></message>", ""},
		{"CORE-6.6-5 message in an unknown namespace", "<message id='1' from='romeo@montague.lit/orchard'><x xmlns='urn:unknown'/></message>", ""},
		{"message of type error", "<message type='error' id='1' from='romeo@montague.lit/orchard'/>", ""},
		{"presence of type error", "<presence type='error' id='1' from='romeo@montague.lit/orchard'/>", ""},
		{"presence", "<presence id='1' from='romeo@montague.lit/orchard'/>", ""},
		{"unknown element", "<thing xmlns='urn:unknown'/>", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, ts *testServer) {
				c := start(t, ts.config())
				p := ts.peer()
				p.send(tt.in)
				synctest.Wait()
				p.send("<iq type='get' id='last' from='capulet.lit'><ping xmlns='urn:xmpp:ping'/></iq>")
				var got []string
				for {
					st := p.next()
					if st.ID == "last" {
						break
					}
					if !st.To.IsZero() && !strings.Contains(tt.in, "from='"+st.To.String()+"'") || !st.From.IsZero() {
						t.Errorf("answer %s", st)
					}
					switch err, _ := errors.AsType[*stanza.Error](st.Err()); {
					case err != nil:
						got = append(got, string(err.Condition))
					default:
						got = append(got, "result")
					}
				}
				if strings.Join(got, " ") != tt.want {
					t.Errorf("got %v, want %q", got, tt.want)
				}
				c.stop()
			})
		})
	}
}

// TestOverload: beyond the bounds requests and messages are answered, presences
// and errors dropped, and what is there is handled.
func TestOverload(t *testing.T) {
	bubble(t, func(t *testing.T, ts *testServer) {
		release := make(chan struct{})
		handled := make(chan string, 100)
		cfg := ts.config()
		cfg.MaxConcurrent, cfg.MaxQueued = 1, 2
		cfg.Handler = xmpp.HandlerFunc(func(_ context.Context, _ xmpp.Sender, st *stanza.Stanza) error {
			<-release
			handled <- st.ID
			return nil
		})
		c := start(t, cfg)
		p := ts.peer()
		synctest.Wait()
		for i := range 3 { // one runs, two wait
			p.send(fmt.Sprintf("<message id='%d' from='a@x.lit/1'><body/></message>", i))
		}
		for _, in := range []string{
			"<iq type='get' id='iq' from='a@x.lit/1'><query xmlns='urn:unknown'/></iq>",
			"<presence id='presence' from='a@x.lit/1'/>",
			"<message id='error' type='error' from='a@x.lit/1'/>",
			"<message id='room' type='groupchat' from='a@x.lit/1'/>",
			"<message id='headline' type='headline' from='a@x.lit/1'/>",
			"<iq type='result' id='result' from='a@x.lit/1'/>",
			"<message id='chat' type='chat' from='a@x.lit/1'><body/></message>",
			"<message id='normal' from='a@x.lit/1'><body/></message>",
		} {
			p.send(in)
		}
		for _, id := range []string{"iq", "chat", "normal"} {
			st := p.next()
			e, _ := errors.AsType[*stanza.Error](st.Err())
			if st.ID != id || e == nil || e.Condition != stanza.ResourceConstraint || e.Type != stanza.Wait {
				t.Errorf("answer %s, want %s", st, id)
			}
		}
		close(release)
		for i := range 3 {
			if id := <-handled; id != fmt.Sprint(i) {
				t.Errorf("handled %s", id)
			}
		}
		synctest.Wait()
		if len(handled) != 0 {
			t.Errorf("handled %s, too", <-handled)
		}
		c.stop()
	})
}

func TestHandlerPanics(t *testing.T) {
	bubble(t, func(t *testing.T, ts *testServer) {
		cfg := ts.config()
		cfg.Handler = xmpp.HandlerFunc(func(context.Context, xmpp.Sender, *stanza.Stanza) error { panic("ouch") })
		cfg.OnUp = func(context.Context, xmpp.Sender) { panic("up") }
		cfg.OnDown = func(xmpp.Sender, error) { panic("down") }
		c := start(t, cfg)
		p := ts.peer()
		p.send("<message from='a@x.lit/1'><body/></message>")
		for range 3 {
			p.send("<iq type='get' id='1' from='a@x.lit/1'><query xmlns='urn:unknown'/></iq>")
			if st := p.next(); !errors.Is(st.Err(), stanza.InternalServerError) || strings.Contains(st.String(), "ouch") {
				t.Errorf("answer %s", st)
			}
		}
		c.stop()
	})
}

// TestExtensions: with a handler that is no Mux, extensions come first for what
// they handle.
func TestExtensions(t *testing.T) {
	bubble(t, func(t *testing.T, ts *testServer) {
		var mu sync.Mutex
		seen := make(map[string][]string)
		note := func(who string, id string) {
			mu.Lock()
			defer mu.Unlock()
			seen[id] = append(seen[id], who)
		}
		cfg := ts.config()
		cfg.Handler = xmpp.HandlerFunc(func(ctx context.Context, s xmpp.Sender, st *stanza.Stanza) error {
			note("handler", st.ID)
			if st.Kind == stanza.KindIQ && st.Type.IsRequest() {
				return s.Send(ctx, must(st.Reply()))
			}
			return nil
		})
		w := new(watching)
		cfg.Extensions = []xmpp.Extension{
			&ping.Extension{Allow: func(from jid.JID) bool { return from.Domain() == "capulet.lit" }},
			w,
			extension(func(h xmpp.Host) error {
				h.Mux().OnMessage(func(_ context.Context, _ xmpp.Sender, msg *stanza.Message) error {
					note("extension", msg.ID)
					return nil
				})
				return nil
			}),
		}
		c := start(t, cfg)
		p := ts.peer()
		p.send("<message id='m' from='a@x.lit/1'><body>x</body></message><message id='e' type='error' from='a@x.lit/1'/>")
		p.send("<iq type='get' id='own' from='capulet.lit'><ping xmlns='urn:xmpp:ping'/></iq>")
		p.send("<iq type='get' id='other' from='montague.lit'><ping xmlns='urn:xmpp:ping'/></iq>")
		p.send("<iq type='get' id='query' from='montague.lit'><query xmlns='urn:x'/></iq>")
		answers := make(map[string]error)
		for range 3 {
			st := p.next()
			answers[st.ID] = st.Err()
		}
		if answers["own"] != nil || !errors.Is(answers["other"], stanza.ServiceUnavailable) || answers["query"] != nil {
			t.Errorf("answers %v", answers)
		}
		c.stop()
		if got := fmt.Sprint(seen); got != "map[e:[handler] m:[extension handler] query:[handler]]" {
			t.Errorf("seen %s", got)
		}
		if w.host != xmpp.Host(c.Client) || w.up != 1 || w.down != 1 || w.addr != cfg.JID {
			t.Errorf("watcher: %+v", w)
		}
	})
}

// watching is an extension that watches.
type watching struct {
	host     xmpp.Host
	up, down int
	addr     jid.JID
}

func (w *watching) Attach(h xmpp.Host) error { w.host = h; return nil }

func (w *watching) SessionUp(ctx context.Context, s xmpp.Sender) {
	w.up++
	w.addr = s.LocalAddr()
	<-ctx.Done()
}

func (w *watching) SessionDown(_ xmpp.Sender, reason error) {
	w.down++
	if !errors.Is(reason, xmpp.ErrClosed) {
		w.down = -1
	}
}

// TestHostAndSender: what extensions find at the Client and at the Senders that
// they get.
func TestHostAndSender(t *testing.T) {
	bubble(t, func(t *testing.T, ts *testServer) {
		type offers interface{ HasStreamFeature(xml.Name) bool }
		check := func(where string, s xmpp.Sender) {
			o, ok := s.(offers)
			if !ok {
				t.Errorf("%s: a %T does not say what the server offers", where, s)
				return
			}
			if !o.HasStreamFeature(xml.Name{Space: stream.NSBind, Local: "bind"}) || o.HasStreamFeature(xml.Name{Space: "urn:x", Local: "bind"}) {
				t.Errorf("%s: wrong stream features", where)
			}
			if got := s.LocalAddr().String(); got != "juliet@capulet.lit/balcony" {
				t.Errorf("%s: address %s", where, got)
			}
		}
		handled := make(chan struct{})
		cfg := ts.config()
		cfg.OnUp = func(_ context.Context, s xmpp.Sender) { check("OnUp", s) }
		cfg.OnDown = func(s xmpp.Sender, _ error) { check("OnDown", s) }
		cfg.Handler = xmpp.HandlerFunc(func(_ context.Context, s xmpp.Sender, _ *stanza.Stanza) error {
			defer close(handled)
			check("handler", s)
			return nil
		})
		c := start(t, cfg)
		ts.peer().send("<message from='romeo@montague.lit/orchard'><body>hi</body></message>")
		<-handled
		if got := c.Features(c.LocalAddr()); !slices.Contains(got, ping.NS) {
			t.Errorf("features %q", got)
		}
		c.stop()
		if got := c.LocalAddr(); !got.IsZero() {
			t.Errorf("the address is %s at the end", got)
		}
	})
}
