package component_test

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/client"
	"github.com/etherx-go/xmpp/component"
	"github.com/etherx-go/xmpp/ext/delegation"
	"github.com/etherx-go/xmpp/ext/disco"
	"github.com/etherx-go/xmpp/ext/ping"
	"github.com/etherx-go/xmpp/ext/privilege"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/presence"
	"github.com/etherx-go/xmpp/roster"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/xmpptest"
)

var (
	domain = jid.MustParse("example.org")
	juliet = jid.MustParse("juliet@example.org")
	nurse  = jid.MustParse("nurse@example.org")
)

// privileged is a component that is granted something, and what it hears.
type privileged struct {
	*component.Component
	s   *xmpptest.Server
	ext *privilege.Extension

	mu        sync.Mutex
	pushes    []string
	presences []string
	errs      []stanza.Condition
}

// grant connects a component that is granted g.
func grant(t *testing.T, g privilege.Grant, delegated []delegation.Namespace, change ...func(*server.Config)) (*privileged, *xmpptest.Server) {
	t.Helper()
	known := map[string]server.Component{"gw.example.org": {Secret: "s3cret", Privileges: g, Delegated: delegated}}
	s := xmpptest.NewServer(t, append(change, func(c *server.Config) {
		c.Components = &server.Components{Known: known}
		c.Extensions = append(c.Extensions, new(disco.Extension), new(ping.Extension))
	})...)
	return connect(t, s), s
}

func connect(t *testing.T, s *xmpptest.Server, extensions ...xmpp.Extension) *privileged {
	p := &privileged{s: s}
	p.ext = &privilege.Extension{Servers: []jid.JID{domain}, RosterPush: func(_ context.Context, user jid.JID, it roster.Item) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.pushes = append(p.pushes, user.String()+" "+it.JID.String()+" "+it.Subscription.String())
	}}
	mux := new(xmpp.Mux)
	mux.OnPresence(func(_ context.Context, _ xmpp.Sender, st *stanza.Presence) error {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.presences = append(p.presences, strings.TrimSpace(string(st.Type)+" "+st.From.String()+" "+string(st.Show)))
		return nil
	})
	mux.OnError(func(_ context.Context, _ xmpp.Sender, _ *stanza.Stanza, err *stanza.Error) error {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.errs = append(p.errs, err.Condition)
		return nil
	})
	cfg := config(s, mux)
	cfg.Extensions = append(extensions, p.ext)
	p.Component = run(t, cfg)
	return p
}

// heard returns what has come since the last time.
func (p *privileged) heard() (pushes, presences []string, errs []stanza.Condition) {
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	pushes, presences, errs = p.pushes, p.presences, p.errs
	p.pushes, p.presences, p.errs = nil, nil, nil
	return pushes, presences, errs
}

// TestAdvertised: the component is told what it may do, first of all.
func TestAdvertised(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		want := privilege.Grant{Roster: privilege.Both, Message: true, IQ: map[string]privilege.Access{"urn:x": privilege.Get}, Presence: privilege.Contacts}
		p, _ := grant(t, want, nil)
		synctest.Wait()
		if g, ok := p.ext.Grant(domain); !ok || !reflect.DeepEqual(g, want) {
			t.Errorf("got %+v, %v", g, ok)
		}
	})
}

// TestRosterPrivilege gets and sets rosters, with and without being allowed to.
func TestRosterPrivilege(t *testing.T) {
	for _, access := range []privilege.Access{0, privilege.Get, privilege.Set, privilege.Both} {
		t.Run(access.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, s := grant(t, privilege.Grant{Roster: access, Message: true}, nil)
				j := s.Client("juliet", nil)
				if err := roster.Set(t.Context(), j, roster.Item{JID: nurse, Name: "Nurse"}); err != nil {
					t.Fatal(err)
				}
				wantPush := []string(nil)
				if access&privilege.Get != 0 {
					wantPush = []string{"juliet@example.org nurse@example.org none"}
				}
				if pushes, _, _ := p.heard(); !reflect.DeepEqual(pushes, wantPush) {
					t.Errorf("pushes %q, want %q", pushes, wantPush)
				}
				items, err := privilege.Roster(t.Context(), p, juliet)
				if access&privilege.Get == 0 {
					if !errors.Is(err, stanza.Forbidden) {
						t.Errorf("get: %v, %v", items, err)
					}
				} else if err != nil || len(items) != 1 || items[0].Name != "Nurse" {
					t.Errorf("get: %v, %v", items, err)
				}
				err = privilege.SetRosterItem(t.Context(), p, juliet, roster.Item{JID: jid.MustParse("1@gw.example.org"), Name: "Mum"})
				mine, err2 := roster.Get(t.Context(), j)
				if access&privilege.Set == 0 {
					if !errors.Is(err, stanza.Forbidden) || err2 != nil || len(mine) != 1 {
						t.Errorf("set: %v; %v, %v", err, mine, err2)
					}
				} else if err != nil || err2 != nil || len(mine) != 2 {
					t.Errorf("set: %v; %v, %v", err, mine, err2)
				}
				if _, err := privilege.Roster(t.Context(), p, jid.MustParse("nobody@example.org")); err == nil {
					t.Error("the roster of nobody")
				}
				// Another address of the component is not privileged.
				iq, err := stanza.New(stanza.Header{Kind: stanza.KindIQ, Type: stanza.TypeGet, From: sms, To: juliet}, roster.Query{})
				if err != nil {
					t.Fatal(err)
				}
				if _, err := p.Do(t.Context(), iq); !errors.Is(err, stanza.Forbidden) {
					t.Errorf("from another address: %v", err)
				}
				if access&privilege.Set != 0 {
					if err := privilege.SetRosterItem(t.Context(), p, juliet, roster.Item{JID: nurse, Subscription: roster.Remove}); err != nil {
						t.Errorf("remove: %v", err)
					}
				}
			})
		})
	}
}

// TestMessagePrivilege sends in the name of others.
func TestMessagePrivilege(t *testing.T) {
	for _, allowed := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			p, s := grant(t, privilege.Grant{Message: allowed, Roster: privilege.Get}, nil)
			mux, in := inbox()
			n := s.Client("nurse", mux)
			for _, tt := range []struct {
				from, server string
				ok           bool
			}{
				{"juliet@example.org", "", true}, {"example.org", "", true}, {"nobody@example.org", "", true},
				{"juliet@example.org/balcony", "", false}, {"juliet@elsewhere.example", "example.org", false},
				{"example.org/x", "", false}, {"romeo@gw.example.org", "example.org", false},
			} {
				from := jid.MustParse(tt.from)
				inner, err := (&stanza.Message{From: from, To: n.LocalAddr(), Type: stanza.TypeChat, Body: "in the name of"}).Stanza()
				if err != nil {
					t.Fatal(err)
				}
				to := from.DomainJID()
				if tt.server != "" {
					to = jid.MustParse(tt.server)
				}
				if err := xmpp.Send(t.Context(), p, &stanza.Message{To: to, ID: "1", Payloads: []any{privilege.Wrapped{Stanza: inner}}}); err != nil {
					t.Fatal(err)
				}
				_, _, errs := p.heard()
				switch {
				case allowed && tt.ok:
					if len(in) != 1 || len(errs) != 0 {
						t.Fatalf("%s: %d messages, %v", tt.from, len(in), errs)
					}
					if m := <-in; m.From != from || m.Body != "in the name of" {
						t.Errorf("%s: got %+v", tt.from, m)
					}
				case len(in) != 0 || !reflect.DeepEqual(errs, []stanza.Condition{stanza.Forbidden}):
					t.Errorf("allowed %v, %s: %d messages, %v", allowed, tt.from, len(in), errs)
				}
			}
		})
	}
}

// TestIQPrivilege asks in the name of a user.
func TestIQPrivilege(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, s := grant(t, privilege.Grant{IQ: map[string]privilege.Access{"urn:x": privilege.Set, ping.NS: privilege.Get}}, nil)
		s.Client("juliet", nil)
		asked := make(chan *stanza.Stanza, 10)
		mux := new(xmpp.Mux)
		mux.Handle(xmpp.Pattern{Kind: stanza.KindIQ, Types: []stanza.Type{stanza.TypeSet}}, xmpp.HandlerFunc(
			func(ctx context.Context, s xmpp.Sender, st *stanza.Stanza) error {
				asked <- st
				if st.Payload().Name().Local == "bad" {
					return stanza.ItemNotFound
				}
				reply, err := st.Reply(stanza.Raw("<y xmlns='urn:x'/>"))
				return errors.Join(err, s.Send(ctx, reply))
			}))
		n := s.Client("nurse", mux)
		request := func(typ stanza.Type, from, to jid.JID, payload string) *stanza.Stanza {
			iq, err := stanza.New(stanza.Header{Kind: stanza.KindIQ, Type: typ, From: from, To: to, ID: "sub_1"}, stanza.Raw(payload))
			if err != nil {
				t.Fatal(err)
			}
			return iq
		}
		reply, err := privilege.Do(t.Context(), p, request(stanza.TypeSet, juliet, n.LocalAddr(), "<x xmlns='urn:x'/>"))
		if err != nil || reply.ID != "sub_1" || reply.To != juliet || reply.From != n.LocalAddr() || !reply.Payload().Is("urn:x", "y") {
			t.Errorf("got %v, %v", reply, err)
		}
		if st := <-asked; st.From != juliet {
			t.Errorf("asked %s", st)
		}
		if _, err := privilege.Do(t.Context(), p, request(stanza.TypeSet, juliet, n.LocalAddr(), "<bad xmlns='urn:x'/>")); !errors.Is(err, stanza.ItemNotFound) {
			t.Errorf("an error: %v", err)
		}
		if _, err := privilege.Do(t.Context(), p, request(stanza.TypeGet, juliet, domain, "<ping xmlns='urn:xmpp:ping'/>")); err != nil {
			t.Errorf("the server: %v", err)
		}
		if _, err := privilege.Do(t.Context(), p, request(stanza.TypeGet, juliet, jid.JID{}, "<ping xmlns='urn:xmpp:ping'/>")); err != nil {
			t.Errorf("the own account: %v", err)
		}
		for name, iq := range map[string]*stanza.Stanza{
			"another namespace": request(stanza.TypeSet, juliet, n.LocalAddr(), "<x xmlns='urn:y'/>"),
			"another type":      request(stanza.TypeGet, juliet, n.LocalAddr(), "<x xmlns='urn:x'/>"),
			"no account":        request(stanza.TypeSet, jid.MustParse("nobody@example.org"), n.LocalAddr(), "<x xmlns='urn:x'/>"),
			"a server":          request(stanza.TypeSet, domain, n.LocalAddr(), "<x xmlns='urn:x'/>"),
		} {
			if _, err := privilege.Do(t.Context(), p, iq); !errors.Is(err, stanza.Forbidden) {
				t.Errorf("%s: %v", name, err)
			}
		}
		good := request(stanza.TypeSet, jid.JID{}, n.LocalAddr(), "<x xmlns='urn:x'/>")
		for name, outer := range map[string]stanza.Header{
			"the types differ":  {Kind: stanza.KindIQ, Type: stanza.TypeGet, To: juliet},
			"to a resource":     {Kind: stanza.KindIQ, Type: stanza.TypeSet, To: jid.MustParse("juliet@example.org/x")},
			"from another user": {Kind: stanza.KindIQ, Type: stanza.TypeSet, To: nurse},
		} {
			inner := good
			if name == "from another user" {
				h := good.Header
				h.From = juliet
				inner = good.With(h)
			}
			iq, err := stanza.New(outer, privilege.Request{IQ: inner})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := p.Do(t.Context(), iq); !errors.Is(err, stanza.Forbidden) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

// TestPresencePrivilege: who is told what of whom.
func TestPresencePrivilege(t *testing.T) {
	for _, level := range []privilege.Presence{privilege.NoPresence, privilege.Users, privilege.Contacts} {
		t.Run(level.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, s := grant(t, privilege.Grant{Roster: privilege.Get, Presence: level}, nil)
				cfg := s.ClientConfig("juliet/balcony", nil)
				j, err := client.New(cfg)
				if err != nil {
					t.Fatal(err)
				}
				done := make(chan error, 1)
				go func() { done <- j.Run(t.Context()) }()
				if err := j.WaitReady(t.Context()); err != nil {
					t.Fatal(err)
				}
				expect := func(when string, users, contacts []string) {
					t.Helper()
					want := map[privilege.Presence][]string{privilege.Users: users, privilege.Contacts: contacts}[level]
					if _, got, _ := p.heard(); !reflect.DeepEqual(got, want) {
						t.Errorf("%s: told %q, want %q", when, got, want)
					}
				}
				expect("juliet comes", []string{"juliet@example.org/balcony"}, []string{"juliet@example.org/balcony"})
				if err := xmpp.Send(t.Context(), j, &stanza.Presence{Show: stanza.ShowAway}); err != nil {
					t.Fatal(err)
				}
				expect("juliet is away", nil, nil) // it was not initial
				// A contact elsewhere.
				romeo, err := s.Local(jid.MustParse("romeo.example"), new(xmpp.Mux))
				if err != nil {
					t.Fatal(err)
				}
				if err := presence.Subscribe(t.Context(), j, jid.MustParse("r@romeo.example"), ""); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				send := func(typ stanza.Type, show stanza.Show, from string) {
					t.Helper()
					st := &stanza.Presence{Type: typ, Show: show, From: jid.MustParse(from), To: juliet}
					if err := xmpp.Send(t.Context(), romeo, st); err != nil {
						t.Fatal(err)
					}
				}
				send("", "", "r@romeo.example/early")
				expect("somebody who is no contact yet", nil, nil)
				send(stanza.TypeSubscribed, "", "r@romeo.example")
				send("", "", "r@romeo.example/orchard")
				send("", "", "r@romeo.example/orchard") // "SHOULD send it only once"
				send("", stanza.ShowAway, "r@romeo.example/orchard")
				send("", "", "mal@romeo.example/x")
				expect("a contact comes", nil, []string{"r@romeo.example/orchard", "r@romeo.example/orchard away"})
				j.Close()
				if err := <-done; err != nil {
					t.Error(err)
				}
				expect("juliet goes", []string{"unavailable juliet@example.org/balcony"}, []string{"unavailable juliet@example.org/balcony"})
				send(stanza.TypeUnavailable, "", "r@romeo.example/orchard")
				expect("the contact goes, which juliet does not see", nil, []string{"unavailable r@romeo.example/orchard"})
			})
		})
	}
}

// TestPresenceWhenConnected: "all the <presence/> stanzas with no 'type' attribute it
// would have had if it was connected first".
func TestPresenceWhenConnected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, s := grant(t, privilege.Grant{Roster: privilege.Get, Presence: privilege.Contacts}, nil)
		probes := make(chan *stanza.Presence, 10)
		mux := new(xmpp.Mux)
		mux.Handle(xmpp.Pattern{Kind: stanza.KindPresence}, xmpp.HandlerFunc(func(ctx context.Context, snd xmpp.Sender, st *stanza.Stanza) error {
			if st.Type != stanza.TypeProbe {
				return nil
			}
			probes <- st.Presence()
			return xmpp.Send(ctx, snd, &stanza.Presence{To: st.From, From: jid.MustParse("r@romeo.example/orchard")})
		}))
		if _, err := s.Local(jid.MustParse("romeo.example"), mux); err != nil {
			t.Fatal(err)
		}
		j := s.Client("juliet/balcony", nil)
		if err := presence.Subscribe(t.Context(), j, jid.MustParse("r@romeo.example"), ""); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		st := &stanza.Presence{Type: stanza.TypeSubscribed, From: jid.MustParse("r@romeo.example"), To: juliet}
		if err := xmpp.Send(t.Context(), s, st); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		first.Close()
		synctest.Wait()
		second := connect(t, s)
		want := []string{"juliet@example.org/balcony", "r@romeo.example/orchard"}
		_, got, _ := second.heard()
		slices.Sort(got) // which of them comes first depends on who answers when
		if !reflect.DeepEqual(got, want) || len(probes) != 1 {
			t.Errorf("told %q, want %q; %d probes", got, want, len(probes))
		}
	})
}

// TestDelegation: requests are answered by the component, or by nobody.
func TestDelegation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		known := map[string]server.Component{"gw.example.org": {Secret: "s3cret", Privileges: privilege.Grant{Roster: privilege.Both},
			Delegated: []delegation.Namespace{{Name: "urn:x", Attributes: []string{"node"}}, {Name: roster.NS}, {Name: "urn:f"},
				{Name: delegation.AccountItems}, {Name: delegation.AccountInfo}}}}
		s := xmpptest.NewServer(t, func(c *server.Config) {
			c.Components = &server.Components{Known: known}
			c.Extensions = []xmpp.Extension{new(disco.Extension), new(ping.Extension), features{"urn:f", "urn:f#own", "urn:fx"}}
		})
		j := s.Client("juliet", nil)
		ask := func(typ stanza.Type, to jid.JID, payload string) (*stanza.Stanza, error) {
			iq, err := stanza.New(stanza.Header{Kind: stanza.KindIQ, Type: typ, To: to}, stanza.Raw(payload))
			if err != nil {
				t.Fatal(err)
			}
			return j.Do(t.Context(), iq)
		}
		if _, err := ask(stanza.TypeGet, jid.JID{}, "<x xmlns='urn:x' node='a'/>"); !errors.Is(err, stanza.ServiceUnavailable) {
			t.Errorf("while it is not there: %v", err)
		}
		mux := new(xmpp.Mux)
		answer := func(reply func(*stanza.Stanza) (*stanza.Stanza, error)) xmpp.Handler {
			return xmpp.HandlerFunc(func(ctx context.Context, s xmpp.Sender, st *stanza.Stanza) error {
				r, err := reply(st)
				if err != nil {
					return err
				}
				return s.Send(ctx, r)
			})
		}
		mux.Handle(xmpp.Pattern{Kind: stanza.KindIQ, Types: []stanza.Type{stanza.TypeGet, stanza.TypeSet}}, answer(func(st *stanza.Stanza) (*stanza.Stanza, error) {
			switch st.Payload().Attr("node") {
			case "error":
				return nil, stanza.ItemNotFound
			case "forged":
				r, err := st.Reply()
				h := r.Header
				h.From = nurse
				return r.With(h), err
			}
			return st.Reply(stanza.Raw("<y xmlns='urn:x' from='" + st.From.String() + "' to='" + st.To.String() + "'/>"))
		}))
		d := new(disco.Extension)
		e := &delegation.Extension{Servers: []jid.JID{domain}, Mux: mux, Disco: d, Infos: map[string]delegation.Info{"urn:f": {
			Server:  disco.Info{Features: []string{"urn:f", "urn:f#theirs"}, Identities: []disco.Identity{{Category: "pubsub", Type: "service"}}},
			Account: disco.Info{Features: []string{"urn:f#account"}, Identities: []disco.Identity{{Category: "pubsub", Type: "pep"}}},
		}}}
		p := connect(t, s, d, e)
		synctest.Wait()
		if l, ok := e.Delegated(domain); !ok || len(l) != 5 || l[0].Name != "urn:x" {
			t.Errorf("told %+v, %v", l, ok)
		}
		addr := j.LocalAddr().String()
		for _, tt := range []struct {
			name, to, payload, want string
			err                     stanza.Condition
		}{
			{"to the account", "", "<x xmlns='urn:x' node='a'/>", "to='juliet@example.org'", ""},
			{"to the server", "example.org", "<x xmlns='urn:x' node='a'/>", "to='example.org'", ""},
			{"without the attribute", "", "<x xmlns='urn:x'/>", "", stanza.ServiceUnavailable},
			{"to the component itself", "gw.example.org", "<x xmlns='urn:x' node='a'/>", "", stanza.ServiceUnavailable},
			{"an error", "", "<x xmlns='urn:x' node='error'/>", "", stanza.ServiceUnavailable},
			{"a forged answer", "", "<x xmlns='urn:x' node='forged'/>", "", stanza.ServiceUnavailable},
			{"the roster, which the server has too", "", "<query xmlns='jabber:iq:roster'/>", "to='juliet@example.org'", ""},
			{"items of the account", "juliet@example.org", "<query xmlns='http://jabber.org/protocol/disco#items'/>", "to='juliet@example.org'", ""},
			{"a node of the account", "juliet@example.org", "<query xmlns='http://jabber.org/protocol/disco#info' node='urn:blog'/>", "to='juliet@example.org'", ""},
			{"items of the server", "example.org", "<query xmlns='http://jabber.org/protocol/disco#items'/>", "jid='gw.example.org'", ""},
			{"what is not delegated", "", "<ping xmlns='urn:xmpp:ping'/>", "", ""},
		} {
			to := jid.JID{}
			if tt.to != "" {
				to = jid.MustParse(tt.to)
			}
			reply, err := ask(stanza.TypeGet, to, tt.payload)
			switch {
			case tt.err != "":
				if !errors.Is(err, tt.err) {
					t.Errorf("%s: %v, want %s", tt.name, err, tt.err)
				}
			case err != nil:
				t.Errorf("%s: %v", tt.name, err)
			case !strings.Contains(reply.String(), tt.want) || strings.Contains(tt.want, "to=") && !strings.Contains(reply.String(), "from='"+addr+"'"):
				t.Errorf("%s: got %s, want %s", tt.name, reply, tt.want)
			}
		}
		// What comes from the component itself is not forwarded.
		if items, err := privilege.Roster(t.Context(), p, juliet); err != nil || len(items) != 0 {
			t.Errorf("the roster: %v, %v", items, err)
		}
		if info, err := disco.GetInfo(t.Context(), j, domain, ""); err != nil || !info.Has("urn:f#theirs") || info.Has("urn:f#own") || !info.Has("urn:fx") ||
			!info.Is("pubsub", "service") || !info.Is("server", "im") || !info.Has(delegation.NS) {
			t.Errorf("the server: %+v, %v", info, err)
		}
		if info, err := disco.GetInfo(t.Context(), j, juliet, ""); err != nil || !info.Has("urn:f#account") || info.Has("urn:f") || !info.Is("pubsub", "pep") {
			t.Errorf("the account: %+v, %v", info, err)
		}
		p.Close()
		synctest.Wait()
		if info, err := disco.GetInfo(t.Context(), j, domain, ""); err != nil || !info.Has("urn:f#own") {
			t.Errorf("the server without it: %+v, %v", info, err)
		}
		time.Sleep(time.Minute)
	})
}

// features are those of an extension that does nothing.
type features []string

func (features) Attach(xmpp.Host) error      { return nil }
func (f features) Features(jid.JID) []string { return f }

// TestGrants: what cannot be granted.
func TestGrants(t *testing.T) {
	for name, tt := range map[string]struct {
		a, b server.Component
		want string
	}{
		"presence without rosters": {a: server.Component{Privileges: privilege.Grant{Presence: privilege.Contacts, Roster: privilege.Set}}, want: "presence"},
		"itself":                   {a: server.Component{Delegated: []delegation.Namespace{{Name: delegation.NS}}}, want: "cannot be delegated"},
		"without name":             {a: server.Component{Delegated: []delegation.Namespace{{}}}, want: "without name"},
		"to two": {a: server.Component{Delegated: []delegation.Namespace{{Name: "urn:x"}}},
			b: server.Component{Delegated: []delegation.Namespace{{Name: "urn:x", Attributes: []string{"a"}}}}, want: "urn:x is delegated to"},
	} {
		tt.a.Secret, tt.b.Secret = "a", "b"
		_, err := server.New(server.Config{Domains: []string{"example.org"}, Components: &server.Components{
			Known: map[string]server.Component{"a.example.org": tt.a, "b.example.org": tt.b}}})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
