package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/internal/exttest"
	"github.com/etherx-go/xmpp/ext/internal/hosttest"
	"github.com/etherx-go/xmpp/ext/register"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// network is a network that writes down what is asked of it.
type network struct {
	mu       sync.Mutex
	calls    []string
	fail     map[string]error // by the first word of the call
	in       *Inbound         // of the session that was opened last
	contacts []Contact
	director bool
	during   func(in *Inbound) // while Login runs
	block    chan struct{}     // Send waits for it
}

func (n *network) call(format string, args ...any) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	s := fmt.Sprintf(format, args...)
	n.calls = append(n.calls, s)
	what, _, _ := strings.Cut(s, " ")
	return n.fail[what]
}

// fails lets calls fail from now on; without any, none.
func (n *network) fails(err error, calls ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if calls == nil {
		clear(n.fail)
	}
	for _, c := range calls {
		n.fail[c] = err
	}
}

// did returns what was asked since it was called last.
func (n *network) did() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	c := n.calls
	n.calls = nil
	return c
}

func (p Presence) String() string { return fmt.Sprint(p.Available, "/", p.Show, "/", p.Status) }

func (n *network) Login(_ context.Context, a Account, p Presence, in *Inbound) (Session, error) {
	if n.during != nil {
		n.during(in)
	}
	if err := n.call("login %s:%s %v", a.Get("username"), a.Get("password"), p); err != nil {
		return nil, err
	}
	n.in = in
	if n.director {
		return directing{session{n}}, nil
	}
	return session{n}, nil
}

func (n *network) Verify(_ context.Context, a Account) error {
	return n.call("verify %s", a.Get("username"))
}

type session struct{ n *network }

func (s session) Send(ctx context.Context, name string, m *stanza.Message) error {
	if s.n.block != nil {
		select {
		case <-s.n.block:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return s.n.call("send %s %s", name, m.Body)
}
func (s session) SetPresence(_ context.Context, p Presence) error { return s.n.call("presence %v", p) }
func (s session) Subscribe(_ context.Context, name, text string) error {
	return s.n.call("subscribe %s %s", name, text)
}
func (s session) Unsubscribe(_ context.Context, name string) error {
	return s.n.call("unsubscribe %s", name)
}
func (s session) Approve(_ context.Context, name string, may bool) error {
	return s.n.call("approve %s %v", name, may)
}
func (s session) Contacts(context.Context) ([]Contact, error) {
	return s.n.contacts, s.n.call("contacts")
}
func (s session) Logout(context.Context) error { return s.n.call("logout") }

type directing struct{ session }

func (d directing) Direct(_ context.Context, name string, p Presence) error {
	return d.n.call("direct %s %v", name, p)
}

// rig is a gateway with its network.
type rig struct {
	*exttest.Host
	t *testing.T
	n *network
	g *Gateway

	before []string // what was sent beside an answer
}

// run runs a test in a bubble, with romeo registered.
func run(t *testing.T, name string, change func(*rig), fn func(*testing.T, *rig)) {
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			n := &network{fail: make(map[string]error)}
			r := &rig{t: t, n: n, g: &Gateway{Network: n, Accounts: new(Memory)}}
			r.g.Accounts.SetAccount(t.Context(), romeo)
			if change != nil {
				change(r)
			}
			r.Host = exttest.Attach(t, r.g, "aim.example.org")
			fn(t, r)
			if err := r.g.Close(context.Background()); err != nil {
				t.Error(err)
			}
		})
	})
}

var romeo = Account{User: jid.MustParse("romeo@example.org"),
	Fields: []register.Field{{Name: "username", Value: "RomeoMyRomeo"}, {Name: "password", Value: "ILoveJuliet"}}}

const (
	orchard = "romeo@example.org/orchard"
	login   = "login RomeoMyRomeo:ILoveJuliet true//"
)

// want lets the gateway receive something, "" for nothing, and compares what is
// asked of the network, and what is sent.
func (r *rig) want(src string, calls []string, sent ...string) {
	r.t.Helper()
	if src != "" {
		src = strings.NewReplacer("GW", "aim.example.org", "ROMEO", orchard).Replace(src)
		if err := r.Mux().HandleXMPP(r.t.Context(), r.Host, exttest.Parse(r.t, src)); err != nil {
			r.t.Errorf("%s: %v", src, err)
		}
	}
	synctest.Wait()
	if got := r.n.did(); !slices.Equal(got, calls) {
		r.t.Errorf("%s\nasked of the network %q\nwant                 %q", src, got, calls)
	}
	got := append(r.before, r.Sent()...)
	r.before = nil
	for i := range sent {
		sent[i] = strings.NewReplacer("GW", "aim.example.org", "ROMEO", orchard).Replace(sent[i])
	}
	if !slices.Equal(got, sent) {
		r.t.Errorf("%s\nsent %q\nwant %q", src, got, sent)
	}
}

const (
	here = "<presence to='romeo@example.org' from='GW'/>"
	away = "<presence type='unavailable' to='romeo@example.org' from='GW'/>"
)

// online logs romeo in.
func (r *rig) online() {
	r.t.Helper()
	r.want("<presence from='ROMEO' to='GW'/>", []string{login, "contacts"}, here)
}

func TestReq_XEP0100_1(t *testing.T) {
	run(t, "XEP0100-1 in with the first presence, out with the last", nil, func(t *testing.T, r *rig) {
		r.online()
		r.want("<presence from='romeo@example.org/hall' to='GW'><priority>-1</priority><show>dnd</show></presence>", nil,
			"<presence to='romeo@example.org/hall' from='GW'/>")
		r.want("<presence from='ROMEO' to='GW'><show>away</show><status>x</status></presence>",
			[]string{"presence true/away/x"})
		r.want("<presence from='ROMEO' to='GW'><show>away</show><status>x</status></presence>", nil)
		r.want("<presence type='unavailable' from='ROMEO' to='GW'/>", []string{"presence true/dnd/"})
		r.want("<presence type='unavailable' from='romeo@example.org/hall' to='GW'/>", []string{"logout"}, away)
		if len(r.g.users) != 0 {
			t.Error("what is over is not forgotten")
		}
		r.online()
	})
	run(t, "XEP0100-1 of the same priority the last counts", nil, func(t *testing.T, r *rig) {
		r.online()
		r.want("<presence from='romeo@example.org/hall' to='GW'><show>dnd</show></presence>", []string{"presence true/dnd/"},
			"<presence to='romeo@example.org/hall' from='GW'/>")
	})
	run(t, "XEP0100-1 in and out by presence to somebody on the network", nil, func(t *testing.T, r *rig) {
		r.want("<presence from='ROMEO' to='juliet@GW'/>", []string{login, "contacts"}, here)
		r.want("<presence type='unavailable' from='ROMEO' to='juliet@GW'/>", []string{"logout"}, away)
	})
	run(t, "XEP0100-1 what goes to the gateway counts", nil, func(t *testing.T, r *rig) {
		r.online()
		r.want("<presence from='ROMEO' to='juliet@GW'><show>dnd</show></presence>", nil)
		r.want("<presence type='unavailable' from='ROMEO' to='juliet@GW'/>", nil)
		r.want("<presence type='unavailable' from='romeo@example.org' to='GW'/>", []string{"logout"}, away)
	})
	run(t, "XEP0100-1 presence for one contact, where the network has that", func(r *rig) { r.n.director = true },
		func(t *testing.T, r *rig) {
			r.online()
			r.want("<presence from='ROMEO' to='juliet@GW'><show>dnd</show></presence>", []string{"direct juliet true/dnd/"})
			r.want("<presence type='unavailable' from='ROMEO' to='juliet@GW'/>", []string{"direct juliet false//"})
		})
	run(t, "XEP0100-1 wrong password", func(r *rig) { r.n.fails(stanza.NotAuthorized, "login") }, func(t *testing.T,
		r *rig) {
		failed := "<presence type='error' to='romeo@example.org' from='GW'><error code='401' type='auth'>" +
			"<not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></presence>"
		r.want("<presence from='ROMEO' to='GW'/>", []string{login}, failed, away)
		r.want("<presence from='ROMEO' to='GW'><show>away</show></presence>", nil)
		time.Sleep(24 * time.Hour)
		r.want("", nil)
		r.want("<message from='ROMEO' to='juliet@GW' id='1'><body>x</body></message>", nil,
			"<message type='error' id='1' to='ROMEO' from='juliet@GW'><error code='401' type='auth'>"+
				"<not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>")
		r.want("<presence type='unavailable' from='ROMEO' to='GW'/>", nil)
		r.n.fails(nil)
		r.online()
	})
	run(t, "XEP0100-1 the network is down, and comes back", func(r *rig) { r.n.fail["login"] = errors.New("broken") },
		func(t *testing.T, r *rig) {
			failed := "<presence type='error' to='romeo@example.org' from='GW'><error code='504' type='wait'>" +
				"<remote-server-timeout xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></presence>"
			r.want("<presence from='ROMEO' to='GW'/>", []string{login}, failed, away)
			r.want("<presence from='ROMEO' to='GW'><priority>1</priority></presence>", nil)
			time.Sleep(DefaultRetry)
			r.want("", []string{login}, failed, away)
			time.Sleep(DefaultRetry)
			r.want("", nil)
			r.n.fails(nil)
			time.Sleep(DefaultRetry)
			r.want("", []string{login, "contacts"}, here)
			time.Sleep(24 * time.Hour)
			r.want("", nil)
		})
	run(t, "XEP0100-1 the session is lost", func(r *rig) { r.g.Retry = time.Second }, func(t *testing.T, r *rig) {
		r.online()
		in := r.n.in
		in.Presence(t.Context(), "juliet", Presence{Available: true})
		r.want("", nil, "<presence to='romeo@example.org' from='juliet@GW'/>")
		in.Lost(t.Context(), nil)
		in.Lost(t.Context(), nil)
		r.want("", nil, "<presence type='error' to='romeo@example.org' from='GW'><error code='504' type='wait'>"+
			"<remote-server-timeout xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></presence>",
			"<presence type='unavailable' to='romeo@example.org' from='juliet@GW'/>", away)
		if err := in.Text(t.Context(), "juliet", "x"); !errors.Is(err, ErrLoggedOut) {
			t.Errorf("a session that is over: %v", err)
		}
		time.Sleep(time.Second)
		r.want("", []string{login, "contacts"}, here)
	})
	run(t, "XEP0100-1 somebody else logs in with the account", nil, func(t *testing.T, r *rig) {
		r.online()
		r.n.in.Lost(t.Context(), stanza.Conflict)
		r.want("", nil, refusal(409, "cancel", "conflict"), away)
		time.Sleep(24 * time.Hour)
		r.want("", nil)
		r.want("<presence type='unavailable' from='ROMEO' to='GW'/>", nil)
		r.online()
	})
	run(t, "XEP0100-1 lost while it logs in", nil, func(t *testing.T, r *rig) {
		r.n.during = func(in *Inbound) { in.Lost(t.Context(), stanza.ServiceUnavailable) }
		r.want("<presence from='ROMEO' to='GW'/>", []string{login, "logout"},
			"<presence type='error' to='romeo@example.org' from='GW'><error code='503' type='cancel'>"+
				"<service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></presence>", away)
		r.want("<presence type='unavailable' from='ROMEO' to='GW'/>", nil)
		r.n.fails(stanza.NotAuthorized, "login")
		r.want("<presence from='ROMEO' to='GW'/>", []string{login}, refusal(401, "auth", "not-authorized"), away)
	})
	run(t, "XEP0100-1 who is not registered", nil, func(t *testing.T, r *rig) {
		r.want("<presence from='tybalt@example.org/x' to='GW'/>", nil, "<presence type='error' to='tybalt@example.org' "+
			"from='GW'><error code='407' type='auth'><registration-required xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"+
			"<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>Register with the gateway first.</text></error></presence>")
		if len(r.g.users) != 0 {
			t.Error("is remembered")
		}
	})
	run(t, "XEP0100-1 at the start, and at the end", nil, func(t *testing.T, r *rig) {
		r.g.SessionUp(t.Context(), r.Host)
		r.want("", nil, "<presence type='probe' to='romeo@example.org' from='GW'/>")
		r.online()
		if err := r.g.Close(t.Context()); err != nil {
			t.Error(err)
		}
		r.want("", []string{"logout"}, away, away)
		r.want("<message from='ROMEO' to='juliet@GW' id='1'><body>x</body></message>", nil,
			"<message type='error' id='1' to='ROMEO' from='juliet@GW'><error code='503' type='cancel'>"+
				"<service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"+
				"<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>"+
				"The gateway is closed.</text></error></message>")
	})
}

// refusal is the presence for a log-in that is refused.
func refusal(code int, errType, condition string) string {
	return fmt.Sprintf("<presence type='error' to='romeo@example.org' from='GW'><error code='%d' type='%s'>"+
		"<%s xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></presence>", code, errType, condition)
}

// TestServerAway: without a stream to the server nobody is logged in, and what could
// not be told is told then.
func TestServerAway(t *testing.T) {
	julietThere := "<presence to='romeo@example.org' from='juliet@GW'/>"
	julietGone := "<presence type='unavailable' to='romeo@example.org' from='juliet@GW'/>"
	const probe = "<presence type='probe' to='romeo@example.org' from='GW'/>"
	// online logs in and shows two people, of whom one goes when that cannot be told.
	online := func(t *testing.T, r *rig) {
		t.Helper()
		r.online()
		for _, name := range []string{"juliet", "nurse"} {
			if err := r.n.in.Presence(t.Context(), name, Presence{Available: true}); err != nil {
				t.Fatal(err)
			}
		}
		r.want("", nil, julietThere, "<presence to='romeo@example.org' from='nurse@GW'/>")
		if err := r.n.in.Presence(t.Context(), "nurse", Presence{}); err != nil {
			t.Fatal(err)
		}
		r.want("", nil, "<presence type='unavailable' to='romeo@example.org' from='nurse@GW'/>")
		r.Fail = xmpp.ErrNotConnected
		if err := r.n.in.Presence(t.Context(), "juliet", Presence{}); !errors.Is(err, xmpp.ErrNotConnected) {
			t.Errorf("told: %v", err)
		}
		r.g.SessionDown(r.Host, nil)
		r.want("", []string{"logout"})
		if len(r.g.users) != 1 {
			t.Error("what is to be told is forgotten")
		}
		r.Fail = nil
	}
	run(t, "the user has gone, too", nil, func(t *testing.T, r *rig) {
		online(t, r)
		r.g.SessionUp(t.Context(), r.Host)
		synctest.Wait()
		want := []string{away, probe, julietGone} // the probe may be before
		for i := range want {
			want[i] = strings.ReplaceAll(want[i], "GW", "aim.example.org")
		}
		if got := r.Sent(); !slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))) {
			t.Errorf("sent %q", got)
		}
		r.want("<presence type='unavailable' from='romeo@example.org' to='GW'/>", nil)
		if len(r.g.users) != 0 {
			t.Error("is remembered")
		}
	})
	run(t, "the user is there before the gateway has asked", nil, func(t *testing.T, r *rig) {
		online(t, r)
		r.want("<presence from='ROMEO' to='GW'/>", []string{login, "contacts"}, julietGone, away, here)
		r.g.SessionUp(t.Context(), r.Host)
		r.want("", nil, probe)
		r.want("<presence from='ROMEO' to='GW'/>", nil) // the answer
	})
	run(t, "when it is closed", nil, func(t *testing.T, r *rig) {
		r.online()
		if err := r.g.Close(t.Context()); err != nil {
			t.Error(err)
		}
		r.g.SessionDown(r.Host, nil)
		r.want("", []string{"logout"}, away, away)
	})
}

func TestReq_XEP0100_2(t *testing.T) {
	tell := func(r *rig, fn func(in *Inbound) error, sent ...string) {
		r.t.Helper()
		if err := fn(r.n.in); err != nil {
			r.t.Error(err)
		}
		r.want("", nil, sent...)
	}
	ctx := context.Background()
	run(t, "XEP0100-2 a user adds somebody, and deletes him", nil, func(t *testing.T, r *rig) {
		r.online()
		r.want(`<presence type='subscribe' from='romeo@example.org' to='nurse\40capulet@GW'><status>me</status></presence>`,
			[]string{"subscribe nurse@capulet me"})
		tell(r, func(in *Inbound) error { return in.Subscribed(ctx, "nurse@capulet") },
			`<presence type='subscribed' to='romeo@example.org' from='nurse\40capulet@GW'/>`)
		tell(r, func(in *Inbound) error {
			return in.Presence(ctx, "nurse@capulet", Presence{true, stanza.ShowAway, "asleep"})
		}, `<presence to='romeo@example.org' from='nurse\40capulet@GW'><show>away</show><status>asleep</status></presence>`)
		tell(r, func(in *Inbound) error { return in.Subscribe(ctx, "nurse@capulet", "and I") },
			`<presence type='subscribe' to='romeo@example.org' from='nurse\40capulet@GW'><status>and I</status></presence>`)
		r.want(`<presence type='subscribed' from='romeo@example.org' to='nurse\40capulet@GW'/>`,
			[]string{"approve nurse@capulet true"})
		r.want(`<presence type='probe' from='romeo@example.org' to='nurse\40capulet@GW'/>`, nil,
			`<presence to='romeo@example.org' from='nurse\40capulet@GW'><show>away</show><status>asleep</status></presence>`)
		r.want("<presence type='probe' from='ROMEO' to='juliet@GW'/>", nil,
			"<presence type='unavailable' to='ROMEO' from='juliet@GW'/>")
		r.want("<presence type='probe' from='ROMEO' to='GW'/>", nil, "<presence to='ROMEO' from='GW'/>")
		r.want(`<presence type='unsubscribe' from='romeo@example.org' to='nurse\40capulet@GW'/>`,
			[]string{"unsubscribe nurse@capulet"},
			`<presence type='unavailable' to='romeo@example.org' from='nurse\40capulet@GW'/>`)
		r.want(`<presence type='unsubscribed' from='romeo@example.org' to='nurse\40capulet@GW'/>`,
			[]string{"approve nurse@capulet false"})
	})
	run(t, "XEP0100-2 nurse%capulet hears and is heard as that", func(r *rig) { r.g.Addresses.HasHosts = true },
		func(t *testing.T, r *rig) {
			r.online()
			r.want(`<presence type='subscribe' from='romeo@example.org' to='nurse%capulet@GW'/>`,
				[]string{"subscribe nurse@capulet "})
			tell(r, func(in *Inbound) error { return in.Subscribed(ctx, "Nurse@Capulet") },
				`<presence type='subscribed' to='romeo@example.org' from='nurse%capulet@GW'/>`)
			tell(r, func(in *Inbound) error { return in.Text(ctx, "nurse@capulet", "hi") },
				"<message type='chat' to='romeo@example.org' from='nurse%capulet@GW'><body>hi</body></message>")
			r.want(`<message type='chat' from='ROMEO' to='nurse\40capulet@GW'><body>x</body></message>`,
				[]string{"send nurse@capulet x"})
			tell(r, func(in *Inbound) error { return in.Text(ctx, "nurse@capulet", "hi") },
				`<message type='chat' to='romeo@example.org' from='nurse\40capulet@GW'><body>hi</body></message>`)
			r.want(`<message type='chat' from='ROMEO' to='a%b\2c@GW'><body>x</body></message>`, []string{`send a@b\2c x`})
		})
	run(t, "XEP0100-2 somebody denies, and removes the user", nil, func(t *testing.T, r *rig) {
		r.online()
		tell(r, func(in *Inbound) error { return in.Unsubscribed(ctx, "juliet") },
			"<presence type='unsubscribed' to='romeo@example.org' from='juliet@GW'/>")
		tell(r, func(in *Inbound) error { return in.Presence(ctx, "juliet", Presence{Available: true}) },
			"<presence to='romeo@example.org' from='juliet@GW'/>")
		tell(r, func(in *Inbound) error { return in.Removed(ctx, "juliet") },
			"<presence type='unsubscribe' to='romeo@example.org' from='juliet@GW'/>",
			"<presence type='unsubscribed' to='romeo@example.org' from='juliet@GW'/>",
			"<presence type='unavailable' to='romeo@example.org' from='juliet@GW'/>")
		tell(r, func(in *Inbound) error {
			return in.Presence(ctx, "juliet", Presence{Show: stanza.ShowAway, Status: "bye"})
		},
			"<presence type='unavailable' to='romeo@example.org' from='juliet@GW'><status>bye</status></presence>")
	})
	run(t, "XEP0100-2 messages", nil, func(t *testing.T, r *rig) {
		r.online()
		r.want("<message type='chat' from='ROMEO' to='juliet@GW'><body>hi</body></message>", []string{"send juliet hi"})
		r.want("<message type='chat' from='ROMEO' to='juliet@GW'><composing xmlns='x'/></message>", nil)
		tell(r, func(in *Inbound) error { return in.Message(ctx, "juliet", stanza.Message{Subject: "s", Body: "b"}) },
			"<message to='romeo@example.org' from='juliet@GW'><subject>s</subject><body>b</body></message>")
		if in := r.n.in; in.User() != romeo.User {
			t.Error(in.User())
		}
	})
	run(t, "XEP0100-2 what cannot be sent comes back", nil, func(t *testing.T, r *rig) {
		fails := func(src, cond, text string) {
			t.Helper()
			sent := r.Receive(t, strings.NewReplacer("GW", "aim.example.org", "ROMEO", orchard).Replace(src))
			synctest.Wait()
			sent = append(sent, r.Sent()...)
			if len(sent) != 1 || !strings.Contains(sent[0], "type='error'") || !strings.Contains(sent[0], "<"+cond) ||
				!strings.Contains(sent[0], text) {
				t.Errorf("%s\nsent %q", src, sent)
			}
		}
		msg := "<message id='1' from='ROMEO' to='juliet@GW'><body>x</body></message>"
		fails(msg, "service-unavailable", "not logged in")
		fails(strings.Replace(msg, "ROMEO", "tybalt@example.org/x", 1), "registration-required", "")
		fails(strings.Replace(msg, "ROMEO", "stranger@example.com/x", 1), "forbidden", "")
		fails(strings.Replace(msg, "juliet@GW", "GW", 1), "service-unavailable", "")
		fails(strings.Replace(msg, "id='1'", "type='groupchat'", 1), "service-unavailable", "")
		fails("<presence type='subscribe' from='romeo@example.org' to='juliet@GW'/>", "service-unavailable", "")
		fails("<presence type='subscribe' from='stranger@example.com' to='juliet@GW'/>", "forbidden", "")
		r.want("<presence from='stranger@example.com/x' to='juliet@GW'/>", nil)
		r.want("<presence type='unsubscribed' from='romeo@example.org' to='juliet@GW'/>", nil)
		r.want("<presence from='romeo@example.org' to='juliet@GW'/>", nil)
		r.want("<presence type='unavailable' from='romeo@example.org/x' to='juliet@GW'/>", nil)
		r.want("<presence type='probe' from='romeo@example.org' to='juliet@GW'/>", nil)
		r.online()
		r.n.fails(stanza.ItemNotFound, "send")
		r.n.fails(errors.New("broken"), "subscribe")
		fails(msg, "item-not-found", "")
		fails("<presence type='subscribe' from='romeo@example.org' to='juliet@GW'/>", "remote-server-timeout", "")
	})
	run(t, "XEP0100-2 the contact list of the network is suggested, once", func(r *rig) {
		r.n.contacts = []Contact{{"juliet", "J", []string{"Verona"}}, {Name: "\x00"}, {Name: "nurse"}}
		r.g.MaxContacts = 1
	}, func(t *testing.T, r *rig) {
		r.want("<presence from='ROMEO' to='GW'/>", []string{login, "contacts"}, here,
			"<message to='romeo@example.org' from='GW'><x xmlns='http://jabber.org/protocol/rosterx'>"+
				"<item action='add' jid='juliet@GW' name='J'><group>Verona</group></item></x><x xmlns='jabber:x:roster'>"+
				"<item jid='juliet@GW' name='J'><group>Verona</group></item></x></message>")
		r.want("<presence type='unavailable' from='ROMEO' to='GW'/>", []string{"logout"}, away)
		r.online()
		ok := Presence{Available: true}
		tell(r, func(in *Inbound) error { return in.Presence(ctx, "juliet", ok) },
			"<presence to='romeo@example.org' from='juliet@GW'/>")
		tell(r, func(in *Inbound) error { return in.Presence(ctx, "one too many", ok) })
	})
	run(t, "names that can have no address", nil, func(t *testing.T, r *rig) {
		r.online()
		in := r.n.in
		for _, err := range []error{in.Text(ctx, "", "x"), in.Presence(ctx, "", Presence{}), in.Subscribed(ctx, "\x00")} {
			if !errors.Is(err, stanza.JIDMalformed) {
				t.Errorf("got %v", err)
			}
		}
		r.Fail = xmpp.ErrClosed
		if err := in.Removed(ctx, "juliet"); !errors.Is(err, xmpp.ErrClosed) {
			t.Errorf("got %v", err)
		}
		r.Fail = nil
	})
}

// ask returns what is answered to an iq to the gateway.
func (r *rig) ask(from, typ, ns, body string) string {
	r.t.Helper()
	src := "<iq type='" + typ + "' id='1' from='" + from + "' to='aim.example.org'><query xmlns='" + ns + "'>" + body +
		"</query></iq>"
	sent := r.Receive(r.t, src)
	at := slices.IndexFunc(sent, func(s string) bool { return strings.HasPrefix(s, "<iq") })
	if at < 0 {
		r.t.Fatalf("%s: no answer", src)
	}
	answer := sent[at]
	r.before = append(r.before, slices.Delete(sent, at, at+1)...)
	if err := exttest.Parse(r.t, answer).Err(); err != nil {
		return string(stanza.AsError(err).Condition)
	}
	return answer
}

func TestReq_XEP0100_3(t *testing.T) {
	run(t, "XEP0100-3 the default", nil, func(t *testing.T, r *rig) {
		if got := r.ask(orchard, "get", NS, ""); !strings.Contains(got, "<prompt>Name</prompt>") {
			t.Error(got)
		}
		if got := r.ask(orchard, "set", NS, "<prompt> Juliet@capulet.lit </prompt>"); !strings.Contains(got,
			`<jid>juliet\40capulet.lit@aim.example.org</jid>`) {
			t.Error(got)
		}
		if got := r.ask(orchard, "set", NS, "<prompt/>"); got != "jid-malformed" {
			t.Error(got)
		}
		for _, typ := range []string{"get", "set"} {
			if got := r.ask("x@example.com/1", typ, NS, ""); got != "forbidden" {
				t.Error(got)
			}
		}
		sent := r.Receive(t, "<iq type='get' id='1' from='"+orchard+"' to='x@aim.example.org'><query xmlns='"+NS+"'/></iq>")
		if len(sent) != 1 || !strings.Contains(sent[0], "<service-unavailable") {
			t.Error(sent)
		}
	})
	run(t, "XEP0100-3 of its own", func(r *rig) {
		r.g.Prompt = func(lang string) (string, string) { return "Who? (" + lang + ")", "Contact ID" }
		r.g.Addresses.Normalize = func(s string) (string, error) { return strings.ReplaceAll(s, " ", ""), nil }
		r.g.Allow = func(user jid.JID) bool { return user.Domain() == "example.com" }
	}, func(t *testing.T, r *rig) {
		sent := r.Receive(t, "<iq type='get' id='1' from='x@example.com' to='aim.example.org' xml:lang='de'><query xmlns='"+
			NS+"'/></iq>")
		if len(sent) != 1 || !strings.Contains(sent[0], "<desc>Who? (de)</desc><prompt>Contact ID</prompt>") {
			t.Error(sent)
		}
		if got := r.ask("x@example.com/1", "set", NS, "<prompt>Foo Bar</prompt>"); !strings.Contains(got,
			"<jid>foobar@aim.example.org</jid>") {
			t.Error(got)
		}
	})
}

// TestRegistration: XEP-0100, sections 4.1 to 4.3.
func TestRegistration(t *testing.T) {
	const ns = register.NS
	fields := func(name, password string) string {
		return "<username>" + name + "</username><password>" + password + "</password>"
	}
	run(t, "register", nil, func(t *testing.T, r *rig) {
		const mercutio = "mercutio@example.org/x"
		if got := r.ask(mercutio, "get", ns, ""); strings.Contains(got, "registered") ||
			!strings.Contains(got, "<username></username><password></password>") {
			t.Error(got)
		}
		if got := r.ask(mercutio, "set", ns, "<username>m</username>"); got != "not-acceptable" {
			t.Error(got)
		}
		r.n.fails(stanza.NotAuthorized, "verify")
		if got := r.ask(mercutio, "set", ns, fields("m", "p")); got != "not-acceptable" {
			t.Error(got)
		}
		r.n.fails(errors.New("broken"), "verify")
		if got := r.ask(mercutio, "set", ns, fields("m", "p")); got != "remote-server-timeout" {
			t.Error(got)
		}
		r.n.fails(nil)
		r.want("", []string{"verify m", "verify m"})
		r.want("<presence type='subscribe' from='mercutio@example.org' to='GW'/>", nil,
			"<presence type='unsubscribed' to='mercutio@example.org' from='GW'/>")
		if got := r.ask(mercutio, "set", ns, fields("m", "p")); !strings.Contains(got, "type='result'") {
			t.Error(got)
		}
		r.want("", []string{"verify m"}, "<presence type='subscribe' to='mercutio@example.org' from='GW'/>")
		r.want("<presence type='subscribed' from='mercutio@example.org' to='GW'/>", nil)
		r.want("<presence type='subscribe' from='mercutio@example.org' to='GW'/>", nil,
			"<presence type='subscribed' to='mercutio@example.org' from='GW'/>")
		r.want("<presence from='mercutio@example.org/x' to='GW'/>", []string{"login m:p true//", "contacts"},
			"<presence to='mercutio@example.org' from='GW'/>")
	})
	run(t, "edit", nil, func(t *testing.T, r *rig) {
		r.online()
		got := r.ask(orchard, "get", ns, "")
		if !strings.Contains(got, "<registered/>") || !strings.Contains(got, "<username>RomeoMyRomeo</username>") ||
			strings.Contains(got, "ILoveJuliet") {
			t.Error(got)
		}
		r.ask(orchard, "set", ns, fields("RomeoMyRomeo", "ILoveJuliet"))
		r.want("", []string{"verify RomeoMyRomeo"})
		r.ask(orchard, "set", ns, fields("RomeoMyRomeo", "B4lc0ny"))
		r.want("", []string{"verify RomeoMyRomeo", "logout", "login RomeoMyRomeo:B4lc0ny true//", "contacts"}, away, here)
		r.ask(orchard, "set", ns, "<password>again</password>")
		r.want("", []string{"verify RomeoMyRomeo", "logout", "login RomeoMyRomeo:again true//", "contacts"}, away, here)
		r.want("<presence type='subscribe' from='romeo@example.org' to='GW'/>", nil,
			"<presence type='subscribed' to='romeo@example.org' from='GW'/>", here)
		r.want("<presence type='unsubscribe' from='romeo@example.org' to='GW'/>", nil,
			"<presence type='unsubscribed' to='romeo@example.org' from='GW'/>")
	})
	run(t, "unregister", nil, func(t *testing.T, r *rig) {
		r.online()
		sent := r.Receive(t, "<iq type='set' id='1' from='"+orchard+"' to='aim.example.org'>"+
			"<query xmlns='jabber:iq:register'><remove/></query></iq>")
		want := []string{away, "<iq type='result' id='1' to='ROMEO' from='GW'/>",
			"<presence type='unsubscribe' to='romeo@example.org' from='GW'/>",
			"<presence type='unsubscribed' to='romeo@example.org' from='GW'/>", away}
		for i, s := range sent {
			sent[i] = strings.NewReplacer("aim.example.org", "GW", orchard, "ROMEO").Replace(s)
		}
		if !slices.Equal(sent, want) {
			t.Errorf("sent %q", sent)
		}
		r.want("", []string{"logout"})
		if got := r.ask(orchard, "set", ns, "<remove/>"); got != "registration-required" {
			t.Error(got)
		}
		if got := r.ask("x@example.com/1", "set", ns, "<remove/>"); got != "forbidden" {
			t.Error(got)
		}
	})
	run(t, "once more", nil, func(t *testing.T, r *rig) {
		r.n.fails(stanza.NotAuthorized, "login")
		r.want("<presence from='ROMEO' to='GW'/>", []string{login}, refusal(401, "auth", "not-authorized"), away)
		r.n.fails(nil)
		r.ask(orchard, "set", ns, fields("RomeoMyRomeo", "ILoveJuliet")) // which is right by now
		r.want("", []string{"verify RomeoMyRomeo", login, "contacts"}, here)
	})
	run(t, "fields of its own", func(r *rig) {
		r.g.Fields, r.g.Instructions, r.g.Network = []string{"nick"}, "Choose.", onlyLogin{r.n}
	}, func(t *testing.T, r *rig) {
		const want = "<instructions>Choose.</instructions><nick></nick><x xmlns='jabber:x:data' type='form'>"
		if got := r.ask(orchard, "get", ns, ""); !strings.Contains(got, want) {
			t.Error(got)
		}
		r.ask(orchard, "set", ns, "<x xmlns='jabber:x:data' type='submit'><field var='nick'><value>R</value></field></x>")
		if a, ok, err := r.g.Accounts.Account(t.Context(), romeo.User); !ok || err != nil || a.Get("nick") != "R" ||
			len(a.Fields) != 1 {
			t.Errorf("%+v, %v, %v", a, ok, err)
		}
	})
}

// onlyLogin is a Network that is no Verifier.
type onlyLogin struct{ Network }

// TestSlow: a network that is slow for one costs the others nothing, and what
// waits is bounded.
func TestSlow(t *testing.T) {
	run(t, "a message", func(r *rig) { r.g.MaxQueued = 2 }, func(t *testing.T, r *rig) {
		r.online()
		r.n.block = make(chan struct{})
		for range 3 {
			r.want("<message id='1' from='ROMEO' to='juliet@GW'><body>x</body></message>", nil)
		}
		sent := r.Receive(t, "<message from='"+orchard+"' to='juliet@aim.example.org'><body>x</body></message>")
		if len(sent) != 1 || !strings.Contains(sent[0], "<resource-constraint") {
			t.Errorf("sent %q", sent)
		}
		r.want("<presence from='tybalt@example.org/x' to='GW'/>", nil, "<presence type='error' to='tybalt@example.org' "+
			"from='GW'><error code='407' type='auth'><registration-required xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"+
			"<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>Register with the gateway first.</text></error></presence>")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := r.g.call(ctx, romeo.User, func(context.Context, *user) error { return nil }); err == nil {
			t.Error("there was room")
		}
		close(r.n.block)
		synctest.Wait()
		if got := r.n.did(); len(got) != 3 {
			t.Errorf("did %q", got)
		}
	})
	run(t, "canceled", nil, func(t *testing.T, r *rig) {
		r.online()
		r.n.block = make(chan struct{})
		r.want("<message id='1' from='ROMEO' to='juliet@GW'><body>x</body></message>", nil)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		nothing := func(context.Context, *user) error { return nil }
		if err := r.g.call(ctx, romeo.User, nothing); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		if err := r.g.Close(ctx); err != nil { // cancels what waits
			t.Error(err)
		}
		if sent := r.Sent(); len(sent) != 3 || !strings.Contains(sent[0], "remote-server-timeout") {
			t.Errorf("sent %q", sent)
		}
	})
	run(t, "a time", nil, func(t *testing.T, r *rig) {
		r.online()
		r.n.block = make(chan struct{})
		r.want("<message id='1' from='ROMEO' to='juliet@GW'><body>x</body></message>", nil)
		time.Sleep(DefaultTimeout)
		synctest.Wait()
		if sent := r.Sent(); len(sent) != 1 || !strings.Contains(sent[0], "remote-server-timeout") {
			t.Errorf("sent %q", sent)
		}
	})
}

// broken is a Store that fails.
type broken struct{ Store }

var errBroken = errors.New("broken")

func (broken) Account(context.Context, jid.JID) (Account, bool, error) {
	return Account{}, false, errBroken
}
func (broken) Accounts(context.Context) iter.Seq2[Account, error] {
	return func(yield func(Account, error) bool) { yield(Account{}, errBroken) }
}

func TestBounds(t *testing.T) {
	run(t, "users and resources", func(r *rig) { r.g.MaxUsers, r.g.MaxResources = 1, 1 }, func(t *testing.T, r *rig) {
		r.online()
		r.want("<presence from='romeo@example.org/hall' to='GW'/>", nil)
		for _, src := range []string{"<presence from='x@example.org/1' to='aim.example.org'/>",
			"<message from='x@example.org/1' to='juliet@aim.example.org'><body>x</body></message>"} {
			if sent := r.Receive(t, src); len(sent) != 1 || !strings.Contains(sent[0], "<resource-constraint") {
				t.Errorf("%s: sent %q", src, sent)
			}
		}
	})
	run(t, "presence for one contact", func(r *rig) { r.g.MaxContacts, r.n.director = 1, true }, func(t *testing.T,
		r *rig) {
		r.g.mu.Lock()
		u, err := r.g.userOf(romeo.User)
		if err != nil {
			t.Fatal(err)
		}
		u.showTo("a", Presence{})
		u.showTo("b", Presence{})
		u.showTo("a", Presence{Available: true})
		if len(u.directed) != 1 || !u.directed["a"].Available {
			t.Errorf("%v", u.directed)
		}
		r.g.mu.Unlock()
	})
	t.Run("a store that fails", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var log bytes.Buffer
			g := &Gateway{Network: &network{}, Accounts: broken{}, Log: slog.New(slog.NewTextHandler(&log, nil))}
			h := exttest.Attach(t, g, "aim.example.org")
			const iq = "<iq type='%s' id='1' from='" + orchard + "' to='aim.example.org'>" +
				"<query xmlns='jabber:iq:register'>%s</query></iq>"
			for src, want := range map[string]string{
				"<presence from='" + orchard + "' to='aim.example.org'/>":                         "<remote-server-timeout",
				"<message from='" + orchard + "' to='x@aim.example.org'><body>x</body></message>": "<remote-server-timeout",
				fmt.Sprintf(iq, "get", ""):          "<internal-server-error",
				fmt.Sprintf(iq, "set", "<remove/>"): "<internal-server-error",
			} {
				h.Mux().HandleXMPP(t.Context(), h, exttest.Parse(t, src))
				synctest.Wait()
				if sent := h.Sent(); len(sent) == 0 || !strings.Contains(sent[0], want) {
					t.Errorf("%s: sent %q", src, sent)
				}
			}
			st := exttest.Parse(t, "<presence type='subscribe' from='romeo@example.org' to='aim.example.org'/>")
			g.SessionUp(t.Context(), h)
			for _, err := range []error{h.Mux().HandleXMPP(t.Context(), h, st), g.Close(t.Context())} {
				if !errors.Is(err, errBroken) {
					t.Errorf("got %v", err)
				}
			}
			if !strings.Contains(log.String(), "gateway: probe") {
				t.Errorf("logged %s", &log)
			}
		})
	})
	t.Run("attached to what it is not for", func(t *testing.T) {
		h := &exttest.Host{Local: jid.MustParse("romeo@example.org/x")}
		for _, err := range []error{
			(&Gateway{}).Attach(&exttest.Host{Local: aim}),
			(&Gateway{Network: &network{}}).Attach(h),
			(&Gateway{Network: &network{}}).Attach(hosttest.NewServer(t, "example.org")),
		} {
			if err == nil {
				t.Error("no error")
			}
		}
	})
	t.Run("who may, by default", func(t *testing.T) {
		g := &Gateway{domain: aim}
		for user, want := range map[string]bool{"romeo@example.org": true, "example.org": false, "romeo@example.com": false,
			"romeo@aim.example.org": false, "romeo@org": false} {
			if got := g.allows(jid.MustParse(user)); got != want {
				t.Errorf("%s: %v", user, got)
			}
		}
		if f := g.Features(aim); !slices.Equal(f, []string{`jid\20escaping`, NS, register.NS}) ||
			g.Features(jid.MustParse("x@aim.example.org")) != nil {
			t.Error(f)
		}
	})
}

func TestMemory(t *testing.T) {
	var m Memory
	ctx := t.Context()
	a := romeo.clone()
	if err := m.SetAccount(ctx, a); err != nil {
		t.Fatal(err)
	}
	a.Fields[0].Value = "changed"
	n := 0
	for got, err := range m.Accounts(ctx) {
		if n++; err != nil || got.Get("username") != "RomeoMyRomeo" || got.Get("x") != "" {
			t.Errorf("%+v, %v", got, err)
		}
		break
	}
	m.RemoveAccount(ctx, a.User)
	if _, ok, err := m.Account(ctx, a.User); n != 1 || ok || err != nil {
		t.Error(n, ok, err)
	}
}
