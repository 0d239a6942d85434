package client_test

import (
	"context"
	"crypto"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/client"
	"github.com/etherx-go/xmpp/ext/carbons"
	"github.com/etherx-go/xmpp/ext/csi"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/sasl"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stream"
)

// TestRoundTrips counts how often a client waits for the server, after TLS, until it has
// a session with stream management.
func TestRoundTrips(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newSecureWorld(t)
		cfg, l := w.secure("juliet")
		cfg.Logins = nil
		old := cfg
		old.NoSASL2 = true
		// features, SCRAM twice, features again, bind, <enable/>
		w.session(old, l).expectTrips(t, 6)
		// no new header
		w.session(cfg, l).expectTrips(t, 5)
		cfg.Bind2 = true
		w.session(cfg, l).expectTrips(t, 3)
		cfg.Logins = w.store("juliet")
		w.session(cfg, l).expectTrips(t, 3)
		w.session(cfg, l).expectTrips(t, 1)

		t.Log("the session goes on")
		juliet := w.run(cfg, l)
		juliet.ready()
		w.last().expectTrips(t, 1)
		time.Sleep(time.Second)
		w.net.CutAll()
		time.Sleep(time.Minute)
		if got := l.with("resumed"); len(got) != 1 {
			t.Errorf("%d resumed", len(got))
		}
		// What waits is written after it: nothing does.
		w.last().expect(t, "mechanism='HT-SHA-256-EXPR'", "<resume ", "<bind ", "!<presence")
		w.last().expectTrips(t, 1)
	})
}

// TestTokens goes from process to process: password, token, another token, a token that
// the server does not want, and one that has expired.
func TestTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newSecureWorld(t)
		cfg, l := w.secure("juliet")
		const token, password = "<fast ", "mechanism='SCRAM-SHA-256-PLUS'"
		w.session(cfg, l).expect(t, password, "<request-token ", "<user-agent id='", "!"+token)
		first := w.token("juliet")
		if first == nil || first.Count != 0 || first.User != "juliet" {
			t.Fatalf("%#v", first)
		}
		without := cfg
		without.Password = ""
		for i := range uint64(2) {
			w.session(without, l).expect(t, token, "!"+password, "!<request-token")
			if now := w.token("juliet"); now.Secret != first.Secret || now.Count != i+1 {
				t.Errorf("%d: %#v", i, now)
			}
		}

		t.Log("rotated")
		time.Sleep(25 * time.Hour)
		w.session(without, l).expect(t, token)
		second := w.token("juliet")
		if second.Secret == first.Secret || second.Count != 0 || !second.Expires.After(first.Expires) {
			t.Errorf("%#v after %#v", second, first)
		}
		w.session(without, l).expect(t, token)

		t.Log("revoked: the password is taken on the same connection, or nothing")
		revoke := func() {
			if err := w.stores.Tokens().RemoveTokens(t.Context(), cfg.JID, ""); err != nil {
				t.Fatal(err)
			}
		}
		revoke()
		n := len(w.wires)
		w.session(cfg, l).expect(t, token, password)
		if len(w.wires) != n+1 {
			t.Errorf("%d connections", len(w.wires)-n)
		}
		third := w.token("juliet")
		revoke()
		if err := w.run(without, l).ended(); !isChoice(err) {
			t.Errorf("without a password: %v", err)
		}
		if now := w.token("juliet"); now != nil {
			t.Errorf("%#v after %#v", now, third)
		}
		w.last().expect(t, token, "!SCRAM")

		t.Log("expired")
		w.session(cfg, l).expect(t, password)
		time.Sleep(22 * 24 * time.Hour)
		w.session(cfg, l).expect(t, password, "!"+token)
		if strings.Contains(w.token("juliet").String(), w.token("juliet").Secret) {
			t.Error("it is shown")
		}

		t.Log("of another client, or account")
		other := cfg
		other.UserAgent.ID = stream.NewUserAgentID()
		w.session(other, l).expect(t, password, "!"+token, other.UserAgent.ID)
		romeo, l2 := w.secure("romeo")
		romeo.Logins = w.store("juliet")
		w.session(romeo, l2).expect(t, password, "!"+token, "!<request-token", "!user-agent")
		w.token("juliet")
		if info, err := os.Stat(string(w.store("juliet")) + ".login"); err != nil || info.Mode() != 0o600 {
			t.Errorf("%v %v", info.Mode(), err)
		}
	})
}

// failingLogins fails when it should.
type failingLogins struct {
	client.LoginStore
	mu         sync.Mutex
	load, save error
}

func (f *failingLogins) fail(load, save error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.load, f.save = load, save
}

func (f *failingLogins) LoadLogin(ctx context.Context) (*client.LoginState, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.load != nil {
		return nil, f.load
	}
	return f.LoginStore.LoadLogin(ctx)
}

func (f *failingLogins) SaveLogin(ctx context.Context, s *client.LoginState) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.save != nil {
		return f.save
	}
	return f.LoginStore.SaveLogin(ctx, s)
}

// TestLoginStoreFails: what could not be stored does not take the place of what is.
func TestLoginStoreFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newSecureWorld(t)
		cfg, l := w.secure("juliet")
		fire := errors.New("the disk is on fire")
		store := &failingLogins{LoginStore: cfg.Logins}
		cfg.Logins = store
		w.session(cfg, l)
		before := w.token("juliet")

		t.Log("not loaded: the password, and nothing is asked for that would be stored")
		store.fail(fire, nil)
		w.session(cfg, l).expect(t, "SCRAM", "!HT-", "!<request-token", "!user-agent")
		if now := w.token("juliet"); *now != *before {
			t.Errorf("%#v", now)
		}
		store.fail(nil, nil)

		t.Log("not saved: the server takes the old token until the new one is used")
		time.Sleep(25 * time.Hour)
		store.fail(nil, fire)
		juliet := w.run(cfg, l)
		juliet.ready()
		w.last().expect(t, "HT-")
		time.Sleep(time.Second)
		w.net.CutAll()
		time.Sleep(time.Minute)
		juliet.ready()
		w.last().expect(t, "HT-", "!SCRAM") // in memory it is known how often it was used
		store.fail(nil, nil)
		w.net.CutAll()
		time.Sleep(time.Minute)
		juliet.leave()
		if now := w.token("juliet"); now.Secret == before.Secret {
			t.Errorf("%#v", now)
		}
		w.session(cfg, l).expect(t, "HT-", "!SCRAM")
	})
}

// TestTokenInMemory: without a store, a client that says which one it is has its token as
// long as it runs; one that does not say it gets none.
func TestTokenInMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newSecureWorld(t)
		for _, id := range []string{"", stream.NewUserAgentID()} {
			cfg, l := w.secure("juliet")
			cfg.Logins, cfg.UserAgent = nil, stream.UserAgent{ID: id, Software: "Test", Device: "desk"}
			p := w.run(cfg, l)
			p.ready()
			w.last().expect(t, "SCRAM", "<software>Test</software><device>desk</device>")
			time.Sleep(time.Second)
			w.net.CutAll()
			time.Sleep(time.Minute)
			p.ready()
			if id == "" {
				w.last().expect(t, "SCRAM", "!HT-", "<resume ")
			} else {
				w.last().expect(t, "!SCRAM", "HT-", "<resume ", id)
			}
			p.leave()
		}
	})
}

// TestInlineEnabled: what is enabled with the resource is not asked for again, and is
// there from the beginning.
func TestInlineEnabled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newSecureWorld(t)
		for _, bind2 := range []bool{false, true} {
			cfg, l := w.secure("juliet")
			state := new(csi.Extension)
			state.Set(t.Context(), false)
			cfg.Bind2, cfg.Tag = bind2, "Test"
			copies := make(chan string, 10)
			cfg.Extensions = []xmpp.Extension{state, &carbons.Extension{
				Handle: func(_ context.Context, _ xmpp.Sender, c carbons.Copy) error {
					copies <- c.Stanza.Message().Body
					return nil
				},
				Failed: func(err error) { t.Error(err) },
			}}
			expectCopy := func(want string) {
				t.Helper()
				select {
				case got := <-copies:
					if got != want {
						t.Errorf("copied %q", got)
					}
				case <-time.After(time.Hour):
					t.Error("no copy of " + want)
				}
			}
			juliet := w.run(cfg, l)
			juliet.ready()
			time.Sleep(time.Second)
			said, _, _ := w.last().texts()
			for _, s := range []string{"<enable xmlns='urn:xmpp:carbons:2'", "<inactive ", "<enable xmlns='urn:xmpp:sm:3'"} {
				if n := strings.Count(said, s); n != 1 {
					t.Errorf("%s %d times in %s", s, n, said)
				}
			}
			if got := juliet.LocalAddr().Resource(); bind2 != strings.HasPrefix(got, "Test/") {
				t.Errorf("the resource is %s", got)
			}
			other := w.near("juliet/other")
			go w.ServeTLS(t.Context(), w.net.Listen("juliet"))
			romeo := w.near("romeo")
			romeo.say(other.LocalAddr(), "one")
			expectCopy("one")

			t.Log("on the next connection the state is said anew, and copies still come")
			w.net.CutAll()
			time.Sleep(time.Minute)
			w.last().expect(t, "<resume ", "<inactive ", "!<iq")
			state.Set(t.Context(), true)
			time.Sleep(time.Second)
			w.last().expect(t, "<active ")
			romeo.say(other.LocalAddr(), "two")
			expectCopy("two")
			romeo.leave()
			other.leave()
			juliet.leave()
		}
	})
}

// TestResumeRefusedInline: a server that knows no session any more begins another one in
// the same round trip. What was sent meanwhile is sent first.
func TestResumeRefusedInline(t *testing.T) {
	for _, bind2 := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			w := newSecureWorld(t)
			cfg, l := w.secure("juliet")
			cfg.Bind2 = bind2
			juliet := w.run(cfg, l)
			juliet.ready()
			time.Sleep(time.Second)
			w.fall()
			juliet.say(jid.MustParse("romeo@example.org"), "queued")
			accounts := w.Accounts
			n := newSecureWorld(t, func(c *server.Config) {
				c.Accounts, c.Stores.Tokens = accounts, w.stores.Tokens()
			})
			w.Server, w.trust = n.Server, n.trust
			w.Accounts = accounts
			romeo := w.near("romeo")
			go w.ServeTLS(context.Background(), w.net.Listen("juliet"))
			w.rise()
			romeo.expect("queued")
			w.last().expect(t, "HT-", "<resume ")
			said, _, trips := w.last().texts()
			if want := map[bool]int{true: 1, false: 3}[bind2]; trips != want || strings.Count(said, "<resume ") != 1 {
				t.Errorf("%d round trips, want %d: %s", trips, want, said)
			}
			if len(l.with("down ")) != 1 || len(l.with("up")) != 2 {
				t.Errorf("%q", l.lines)
			}
		})
	}
}

// TestNextProcess: another process goes on with the session, in one round trip, and
// knows what the server has offered.
func TestNextProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newSecureWorld(t)
		cfg, l := w.secure("juliet")
		cfg.Resumptions = w.store("juliet")
		state := new(csi.Extension)
		state.Set(t.Context(), false)
		cfg.Bind2 = true
		cfg.Extensions = []xmpp.Extension{state}
		w.session(cfg, l)
		romeo := w.near("romeo")
		romeo.say(cfg.JID, "while away")
		cfg.Password = ""
		juliet := w.run(cfg, l)
		juliet.ready()
		juliet.expect("while away")
		w.last().expect(t, "HT-", "<resume ", "<inactive ", "!<presence")
		w.last().expectTrips(t, 1)
		if got := l.with("another's"); len(got) != 1 {
			t.Errorf("%q", l.lines)
		}
		if err := xmpp.Send(t.Context(), juliet, chat(romeo.LocalAddr(), strings.Repeat("x", 300<<10))); err == nil {
			t.Error("the limit is not known any more")
		}
	})
}

// TestUpgrade480: an account with keys for SHA-1 only gets those for SHA-512 by a login,
// and is logged in by them as soon as the server offers it.
func TestUpgrade480(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newSecureWorld(t)
		w.Accounts.Hashes = []crypto.Hash{crypto.SHA1}
		cfg, l := w.secure("juliet")
		cfg.Logins = nil
		w.Accounts.Upgrades = []crypto.Hash{crypto.SHA512}
		w.session(cfg, l).expect(t, "mechanism='SCRAM-SHA-1-PLUS'", "UPGR-SCRAM-SHA-512</upgrade>", "task='UPGR-SCRAM-SHA-512'")
		w.session(cfg, l).expect(t, "mechanism='SCRAM-SHA-1-PLUS'", "!task=")
		w.Accounts.Hashes = []crypto.Hash{crypto.SHA1, crypto.SHA512}
		w.session(cfg, l).expect(t, "mechanism='SCRAM-SHA-512-PLUS'", "!task=")
	})
}

// stripped takes what is between two texts out of what the server says.
func stripped(text, from, to string) string {
	for {
		a, b, ok := strings.Cut(text, from)
		if !ok {
			return text
		}
		if _, b, ok = strings.Cut(b, to); !ok {
			return a
		}
		text = a + b
	}
}

// TestDowngrade: somebody with the server's key changes what it offers.
func TestDowngrade(t *testing.T) {
	noSASL2 := func(s string) string { return stripped(s, "<authentication ", "</authentication>") }
	noPlus := func(s string) string {
		for _, m := range []string{"SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS"} {
			s = strings.ReplaceAll(s, "<mechanism>"+m+"</mechanism>", "")
		}
		return stripped(s, "<sasl-channel-binding ", "</sasl-channel-binding>")
	}
	onlyPlain := func(s string) string {
		for _, m := range []string{"SCRAM-SHA-256", "SCRAM-SHA-1"} {
			s = strings.ReplaceAll(noPlus(s), "<mechanism>"+m+"</mechanism>", "")
		}
		return s
	}
	weakHash := func(s string) string {
		return strings.ReplaceAll(s, "<mechanism>SCRAM-SHA-256-PLUS</mechanism>", "")
	}
	noTokens := func(s string) string { return stripped(s, "<fast ", "</fast>") }
	for _, tt := range []struct {
		name  string
		forge func(string) string
		keeps bool // there was a login before
		want  error
		says  []string
	}{
		{"no SASL2", noSASL2, false, nil, []string{"<auth ", "mechanism='SCRAM-SHA-256-PLUS'", "!<authenticate "}},
		{"no SASL2, with a token", noSASL2, true, nil, []string{"<auth ", "mechanism='SCRAM-SHA-256-PLUS'"}},
		{"no tokens", noTokens, false, nil, []string{"<authenticate ", "mechanism='SCRAM-SHA-256-PLUS'", "!<request-token "}},
		{"a weaker hash", weakHash, false, sasl.ErrDowngrade, []string{"<authenticate ", "mechanism='SCRAM-SHA-1-PLUS'"}},
		{"a weaker hash, no SASL2", func(s string) string { return noSASL2(weakHash(s)) }, false, sasl.ErrDowngrade,
			[]string{"<auth ", "mechanism='SCRAM-SHA-1-PLUS'"}},
		// The client says that it would have bound the channel, and the server knows
		// better (RFC 5802, section 6).
		{"no PLUS", noPlus, false, sasl.NotAuthorized, []string{"<authenticate ", "mechanism='SCRAM-SHA-256'"}},
		{"no SASL2, no PLUS", func(s string) string { return noSASL2(noPlus(s)) }, false, sasl.NotAuthorized,
			[]string{"<auth ", "mechanism='SCRAM-SHA-256'"}},
		{"PLAIN in the first place", onlyPlain, false, nil, []string{"mechanism='PLAIN'"}},
		{"PLAIN, with a token", onlyPlain, true, nil, []string{"!PLAIN", "!SCRAM"}},
		{"PLAIN, after SCRAM", func(s string) string { return noTokens(onlyPlain(s)) }, true, errChoice, []string{"!PLAIN", "!SCRAM"}},
		{"PLAIN, no SASL2, after SCRAM", func(s string) string { return noSASL2(onlyPlain(s)) }, true, errChoice, []string{"!PLAIN", "!SCRAM"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newSecureWorld(t)
				cfg, l := w.secure("juliet")
				if tt.keeps {
					w.session(cfg, l)
				}
				if tt.want == errChoice {
					cfg.UserAgent.ID = stream.NewUserAgentID() // what is known of the server stays
					w.stores.Tokens().RemoveTokens(t.Context(), cfg.JID, "")
				}
				w.forge = tt.forge
				p := w.run(cfg, l)
				if tt.want == nil {
					p.ready()
				} else if err := p.ended(); !errors.Is(err, tt.want) && !(tt.want == errChoice && isChoice(err)) {
					t.Errorf("%v, want %v", err, tt.want)
				}
				w.last().expect(t, tt.says...)
			})
		})
	}
}

var errChoice = errors.New("no mechanism")

func isChoice(err error) bool {
	_, ok := errors.AsType[*sasl.ChoiceError](err)
	return ok
}

// question is what is asked in a test.
type question struct {
	XMLName xml.Name `xml:"urn:example question"`
	Text    string   `xml:",chardata"`
}

// TestSizeError: what the server would not take is not sent, and the session goes on.
func TestSizeError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newSecureWorld(t, func(c *server.Config) { c.Stream.MaxStanza = 20000 })
		cfg, l := w.secure("juliet/balcony")
		xmpp.HandleIQ(cfg.Handler.(*xmpp.Mux), "get", func(context.Context, xmpp.Request[question]) (any, error) {
			return question{Text: strings.Repeat("x", 20000)}, nil
		})
		juliet := w.run(cfg, l)
		juliet.ready()
		romeo := w.near("romeo/orchard")
		for _, n := range []int{9000, 19000, 20000, 30000} {
			err := xmpp.Send(t.Context(), juliet, chat(romeo.LocalAddr(), strings.Repeat("x", n)))
			e, ok := errors.AsType[*client.SizeError](err)
			if ok != (n >= 20000) || err == nil == ok || ok && (e.Max != 20000 || e.Size <= n || !strings.Contains(e.Error(), "takes 20000")) {
				t.Errorf("%d: %v", n, err)
			}
		}
		_, err := xmpp.Call[question](t.Context(), romeo, "get", juliet.LocalAddr(), question{})
		if err == nil || !strings.Contains(err.Error(), "policy-violation") {
			t.Errorf("a request whose answer is too large: %v", err)
		}
		juliet.say(romeo.LocalAddr(), "still here")
		romeo.expect(strings.Repeat("x", 9000), strings.Repeat("x", 19000), "still here")
		if got := l.with("down"); len(got) != 0 {
			t.Errorf("%q", got)
		}
	})
}

// TestLoginStateHidden: what is secret is not shown, and goes through JSON.
func TestLoginStateHidden(t *testing.T) {
	s := client.LoginState{JID: jid.MustParse("juliet@example.org"), ID: "id", Proven: true,
		Token: &stream.Token{User: "juliet", Mechanism: "HT-SHA-256-NONE", Secret: "s3cr3t", Count: 3, Offer: "<x/>"}}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("login", "state", s, "token", s.Token)
	fmt.Fprintf(&log, "%v %+v %#v %s %v %#v", s, s, s, &s, s.Token, s.Token)
	if strings.Contains(log.String(), "s3cr3t") || !strings.Contains(log.String(), "login of juliet@example.org") {
		t.Error(log.String())
	}
	store := client.FileStore(t.TempDir() + "/juliet")
	if got, err := store.LoadLogin(t.Context()); got != nil || err != nil {
		t.Errorf("nothing: %v, %v", got, err)
	}
	if err := store.SaveLogin(t.Context(), &s); err != nil {
		t.Fatal(err)
	}
	if got, err := store.LoadLogin(t.Context()); err != nil || got.ID != s.ID || !got.Proven || *got.Token != *s.Token || got.JID != s.JID {
		t.Errorf("%#v, %v", got, err)
	}
	if err := os.WriteFile(string(store)+".login", []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := store.LoadLogin(t.Context()); got != nil || err == nil || !strings.Contains(err.Error(), ".login") {
		t.Errorf("broken: %v, %v", got, err)
	}
	if err := client.FileStore(t.TempDir()+"/no/juliet").SaveLogin(t.Context(), &s); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
}

// TestWithoutTokens: with a server that gives none, which client it is and that the server
// has proven itself are remembered all the same. A resource that the JID names is the one
// that is bound.
func TestWithoutTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newSecureWorld(t, func(c *server.Config) { c.Stores.Tokens = nil })
		cfg, l := w.secure("juliet/balcony")
		cfg.Bind2 = true
		w.session(cfg, l).expect(t, "SCRAM", "<authenticate ", "<resource>balcony</resource>", "!<request-token", "!urn:xmpp:bind:0")
		s, err := cfg.Logins.LoadLogin(t.Context())
		if err != nil || s == nil || !s.Proven || !stream.IsUserAgentID(s.ID) || s.Token != nil {
			t.Fatalf("%#v, %v", s, err)
		}
		w.session(cfg, l).expect(t, "id='"+s.ID+"'")
	})
}

// lateLogins stores what it gets when the program is about to end.
type lateLogins struct {
	client.LoginStore
	end context.CancelFunc
}

func (l lateLogins) SaveLogin(ctx context.Context, s *client.LoginState) error {
	l.end()
	if err := ctx.Err(); err != nil {
		return err
	}
	return l.LoginStore.SaveLogin(ctx, s)
}

// TestLoginSavedAtTheEnd: the token that the server has given is stored, also if the program
// ends at that very moment.
func TestLoginSavedAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newSecureWorld(t)
		cfg, _ := w.secure("juliet")
		ctx, cancel := context.WithCancel(t.Context())
		cfg.Logins = lateLogins{cfg.Logins, cancel}
		c, err := client.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Run(ctx); err != nil {
			t.Error(err)
		}
		if w.token("juliet") == nil {
			t.Error("it is lost")
		}
	})
}
