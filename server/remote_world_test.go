package server_test

import (
	"context"
	"encoding/xml"
	"log/slog"
	"net"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp/dialback"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/presence"
	"github.com/etherx-go/xmpp/roster"
	"github.com/etherx-go/xmpp/sasl"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/storage/memory"
)

// Who is in most of the worlds.
const (
	romeoA  = "romeo@a.example"
	julietA = "juliet@a.example"
	romeoB  = "romeo@b.example"
	julietB = "juliet@b.example"
)

// world is a network whose stores, and links, can be looked into.
type world struct {
	*network
	t      *testing.T
	way    func(*server.Config) // how servers come to trust each other
	stores map[string]*memory.Store

	tapping sync.Mutex
	taps    []*linkTap
	lanes   map[string]*linkTap // that has carried stanzas last, by from and to
}

// unencrypted is the way in which what is on the links can be read: dialback
// without TLS; and without acknowledgements, which are not of interest here.
func unencrypted(c *server.Config) {
	c.TLS, c.Federation.Dialback, c.Federation.Plaintext, c.Federation.NoAcks = nil, true, true, true
}

// inWorld runs a subtest in a bubble of synctest, in which there are the servers
// a.example and b.example.
func inWorld(t *testing.T, name string, fn func(w *world)) {
	t.Helper()
	inEmptyWorld(t, name, func(w *world) {
		w.add("a.example")
		w.add("b.example")
		fn(w)
	})
}

// inEmptyWorld is inWorld without servers.
func inEmptyWorld(t *testing.T, name string, fn func(w *world)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := &world{network: newQuickNetwork(t), t: t, way: unencrypted, stores: make(map[string]*memory.Store),
				lanes: make(map[string]*linkTap)}
			w.wire = w.tap
			// What is being closed at the end has time to: time stands still when
			// the test has returned.
			t.Cleanup(func() { time.Sleep(time.Minute) })
			fn(w)
		})
	})
}

// add makes a server for a domain.
func (w *world) add(domain string, changes ...func(*server.Config)) *server.Server {
	w.t.Helper()
	return w.network.add(domain, func(c *server.Config) {
		if w.way != nil {
			w.way(c)
		}
		m := w.store(domain)
		c.Accounts = household{}
		c.Log = slog.New(slog.NewTextHandler(w.t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
		c.Stores = server.Stores{Rosters: m.Rosters(), Presences: m.Presences(), Privacy: m.Privacy(), Offline: m.Offline()}
		for _, change := range changes {
			change(c)
		}
	})
}

// household are the accounts of every server: juliet and romeo. They cost less than
// those whose passwords are kept as they should be.
type household struct{}

var passwords = map[string]string{"juliet": "r0m30", "romeo": "jul13t"}

func (household) Credentials(string) sasl.Credentials {
	return sasl.Credentials{Verify: func(_ context.Context, user, password string) error {
		if passwords[user] == "" || passwords[user] != password {
			return sasl.NotAuthorized
		}
		return nil
	}}
}

func (household) Exists(_ context.Context, account jid.JID) (bool, error) {
	return passwords[account.Local()] != "", nil
}

func (w *world) server(domain string) *server.Server {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.servers[domain]
}

// store is what a server keeps, which outlives it.
func (w *world) store(domain string) *memory.Store {
	if w.stores[domain] == nil {
		w.stores[domain] = memory.New()
	}
	return w.stores[domain]
}

// entry returns what is kept for an account about a contact; what is not there is
// hidden.
func (w *world) entry(account, contact string) roster.Entry {
	w.t.Helper()
	synctest.Wait()
	a, c := jid.MustParse(account), jid.MustParse(contact)
	e, ok, err := w.stores[a.Domain()].Rosters().Entry(context.Background(), a, c)
	if err != nil {
		w.t.Fatal(err)
	}
	e.Hidden = e.Hidden || !ok
	return e
}

// wantStates checks the states of two accounts towards each other.
func (w *world) wantStates(one, other string, ofOne, ofOther presence.State) {
	w.t.Helper()
	if got := presence.StateOf(w.entry(one, other)); got != ofOne {
		w.t.Errorf("%s has %s in the state %q, want %q", one, other, got, ofOne)
	}
	if got := presence.StateOf(w.entry(other, one)); got != ofOther {
		w.t.Errorf("%s has %s in the state %q, want %q", other, one, got, ofOther)
	}
}

// setState stores the state of an account towards a contact, while nobody is
// logged in there.
func (w *world) setState(account, contact string, s presence.State) {
	w.t.Helper()
	a, c := jid.MustParse(account), jid.MustParse(contact)
	_, err := w.store(a.Domain()).Rosters().Update(context.Background(), a, c, func(e *roster.Entry, _ int) error {
		e.Subscription, e.Ask = s.Subscription(), s.PendingOut()
		if s.PendingIn() {
			e.Request = "<presence xmlns='jabber:client' type='subscribe' to='" + account + "' from='" + contact + "'/>"
		}
		e.Hidden = e.Subscription == roster.None && !e.Ask
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// mirrored is the state of the contact while the user's is s, and the two servers
// are in step.
func mirrored(s presence.State) presence.State {
	return [...]presence.State{
		presence.None:             presence.None,
		presence.NonePendingOut:   presence.NonePendingIn,
		presence.NonePendingIn:    presence.NonePendingOut,
		presence.NonePendingOutIn: presence.NonePendingOutIn,
		presence.To:               presence.From,
		presence.ToPendingIn:      presence.FromPendingOut,
		presence.From:             presence.To,
		presence.FromPendingOut:   presence.ToPendingIn,
		presence.Both:             presence.Both,
	}[s]
}

// setStates makes the state of an account towards a contact be s, and the
// contact's what belongs to it.
func (w *world) setStates(account, contact string, s presence.State) {
	w.t.Helper()
	w.setState(account, contact, s)
	w.setState(contact, account, mirrored(s))
}

// connect logs in with a full address.
func (w *world) connect(full string) *raw {
	w.t.Helper()
	j := jid.MustParse(full)
	r := newRaw(w.t, w.server(j.Domain()).Pipe())
	r.domain = j.Domain()
	r.login(j.Local(), passwords[j.Local()], j.Resource())
	return r
}

// login logs in, asks for the roster and becomes available. What comes with that is
// forgotten.
func (w *world) login(full string) *raw {
	w.t.Helper()
	r := w.connect(full)
	r.send("<iq type='get' id='roster'><query xmlns='jabber:iq:roster'/></iq><presence/>")
	r.hears()
	return r
}

// available is login with a priority.
func (w *world) available(full string, priority int) *raw {
	w.t.Helper()
	r := w.login(full)
	r.send("<presence><priority>%d</priority></presence>", priority)
	r.hears()
	return r
}

// logout ends a client's stream in order.
func (r *raw) logout() {
	r.t.Helper()
	r.send("</stream:stream>")
	r.expectEnd()
	synctest.Wait()
}

// langAttr is what a server may say of the language of its streams.
var langAttr = regexp.MustCompile(` xml:lang='en'`)

// heard returns the stanzas that have come, once everything has come to rest.
func (r *raw) heard() []string {
	r.t.Helper()
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	got := r.got
	r.got = ""
	return stanzasOf(got)
}

// stanzasOf returns the stanzas of a piece of a stream, without the language.
func stanzasOf(s string) (all []string) {
	s = langAttr.ReplaceAllString(s, "")
	d := xml.NewDecoder(strings.NewReader(s))
	d.Strict = false
	depth, from := 0, int64(0)
	for {
		before := d.InputOffset()
		tok, err := d.Token()
		if err != nil {
			return all
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			if tok.Name.Local == "stream" {
				continue
			}
			if depth++; depth == 1 {
				from = before
			}
		case xml.EndElement:
			if tok.Name.Local == "stream" {
				continue
			}
			if depth--; depth > 0 {
				continue
			}
			switch el := s[from:d.InputOffset()]; tok.Name.Local {
			case "message", "presence", "iq":
				all = append(all, el)
			}
		}
	}
}

// matchesPattern reports whether s is as pattern says, in which … stands for anything.
func matchesPattern(s, pattern string) bool {
	parts := strings.Split(pattern, "…")
	if len(parts) == 1 {
		return s == pattern
	}
	first, last := parts[0], parts[len(parts)-1]
	if !strings.HasPrefix(s, first) || !strings.HasSuffix(s, last) || len(s) < len(first)+len(last) {
		return false
	}
	_, ok := cut(s[len(first):len(s)-len(last)], parts[1:len(parts)-1])
	return ok
}

// wantStanzas checks that got is as the patterns say, in their order.
func wantStanzas(t testing.TB, who string, got []string, patterns ...string) {
	t.Helper()
	ok := len(got) == len(patterns)
	for i := 0; ok && i < len(got); i++ {
		ok = matchesPattern(got[i], patterns[i])
	}
	if !ok {
		t.Errorf("%s:\ngot  %s\nwant %s", who, strings.Join(got, "\n     "), strings.Join(patterns, "\n     "))
	}
}

// hears checks what has come to the client; without patterns it is forgotten.
func (r *raw) hears(patterns ...string) {
	r.t.Helper()
	if got := r.heard(); len(patterns) > 0 {
		wantStanzas(r.t, "the client", got, patterns...)
	}
}

// hearsNothing checks that nothing has come to the client.
func (r *raw) hearsNothing() {
	r.t.Helper()
	wantStanzas(r.t, "the client", r.heard())
}

// hearsAll checks what has come to the client, in any order.
func (r *raw) hearsAll(patterns ...string) {
	r.t.Helper()
	wantAll(r.t, "the client", r.heard(), patterns...)
}

func wantAll(t testing.TB, who string, got []string, patterns ...string) {
	t.Helper()
	slices.Sort(patterns)
	var sorted, rest []string
	rest = got
	for _, p := range patterns {
		if i := slices.IndexFunc(rest, func(s string) bool { return matchesPattern(s, p) }); i >= 0 {
			sorted = append(sorted, rest[i])
			rest = slices.Delete(slices.Clone(rest), i, i+1)
		}
	}
	wantStanzas(t, who, append(sorted, rest...), patterns...)
}

// pushOf is the pattern of a roster push.
func pushOf(item string) string {
	return "<iq type='set' id='…'…><query xmlns='jabber:iq:roster'…><item " + item + "/></query></iq>"
}

// linkTap records what goes over a connection between servers, and can say something
// on it.
type linkTap struct {
	net.Conn          // of who calls
	called   net.Conn // who puts bytes in here says them to who calls
	pair     dialback.Pair

	mu      sync.Mutex
	out, in []byte // that the test has not looked at yet
}

// tap is the network's wire.
func (w *world) tap(pair dialback.Pair, caller, called net.Conn) (net.Conn, net.Conn) {
	c := &linkTap{Conn: caller, called: called, pair: pair}
	w.tapping.Lock()
	defer w.tapping.Unlock()
	w.taps = append(w.taps, c)
	return c, called
}

func (c *linkTap) Write(b []byte) (int, error) {
	c.mu.Lock()
	c.out = append(c.out, b...)
	c.mu.Unlock()
	return c.Conn.Write(b)
}

func (c *linkTap) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.mu.Lock()
	c.in = append(c.in, b[:n]...)
	c.mu.Unlock()
	return n, err
}

// take returns what has gone from one domain to the other since the last call.
func (c *linkTap) take(from, to string) (s string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch local, remote := c.pair.Local.Domain(), c.pair.Remote.Domain(); {
	case from == local && to == remote:
		s, c.out = string(c.out), nil
	case from == remote && to == local:
		s, c.in = string(c.in), nil
	}
	return s
}

// crossed returns the stanzas that have gone from one domain to another since the
// last call.
func (w *world) crossed(from, to string) (all []string) {
	synctest.Wait()
	w.tapping.Lock()
	defer w.tapping.Unlock()
	for _, c := range w.taps {
		sts := stanzasOf(c.take(from, to))
		if len(sts) > 0 {
			w.lanes[from+" "+to] = c
		}
		all = append(all, sts...)
	}
	return all
}

// wantCrossed checks the stanzas that have gone from one domain to another.
func (w *world) wantCrossed(from, to string, patterns ...string) {
	w.t.Helper()
	wantStanzas(w.t, from+" to "+to, w.crossed(from, to), patterns...)
}

// forget forgets what has crossed.
func (w *world) forget() {
	w.crossed("a.example", "b.example")
	w.crossed("b.example", "a.example")
}

// inject says something on the connection by which one domain has sent stanzas to
// another, as if the server of the first had.
func (w *world) inject(from, to, s string) {
	w.t.Helper()
	w.crossed(from, to)
	w.tapping.Lock()
	c := w.lanes[from+" "+to]
	w.tapping.Unlock()
	if c == nil {
		w.t.Fatalf("no connection from %s to %s", from, to)
	}
	conn := c.Conn
	if c.pair.Local.Domain() == to {
		conn = c.called
	}
	if _, err := conn.Write([]byte(s)); err != nil {
		w.t.Fatal(err)
	}
}

// route sends a stanza from a domain, without its server's rules for clients: as
// one does that is out of step, or that has other rules.
func (w *world) route(s string) {
	w.t.Helper()
	st, err := stanza.Parse(s)
	if err == nil {
		err = w.server(st.From.Domain()).Route(context.Background(), st)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// withMovers is a server one of whose users has gone elsewhere.
func withMovers(c *server.Config) { c.Accounts = moved{c.Accounts} }
