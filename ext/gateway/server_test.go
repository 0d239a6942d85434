package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/client"
	"github.com/etherx-go/xmpp/ext/disco"
	"github.com/etherx-go/xmpp/ext/gateway"
	"github.com/etherx-go/xmpp/ext/register"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/presence"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/xmpptest"
)

// town is a small foreign network: people who are there, and who knows whom. All
// that a gateway to it needs is in this file.
type town struct {
	mu     sync.Mutex
	people map[string]string // passwords
	there  map[string]*visit
	knows  map[[2]string]bool // who may see whom
}

// visit is the session of somebody.
type visit struct {
	*town
	name string
	in   *gateway.Inbound
	p    gateway.Presence
}

func (n *town) Verify(_ context.Context, a gateway.Account) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.people[a.Get("username")] != a.Get("password") {
		return stanza.NotAuthorized
	}
	return nil
}

func (n *town) Login(ctx context.Context, a gateway.Account, p gateway.Presence, in *gateway.Inbound) (gateway.Session,
	error) {
	if err := n.Verify(ctx, a); err != nil {
		return nil, err
	}
	v := &visit{town: n, name: a.Get("username"), in: in}
	n.mu.Lock()
	n.there[v.name] = v
	n.mu.Unlock()
	return v, v.SetPresence(ctx, p)
}

func (v *visit) SetPresence(ctx context.Context, p gateway.Presence) error {
	v.mu.Lock()
	first := !v.p.Available && p.Available
	v.p = p
	var tell []func() error
	for name, o := range v.there {
		if v.knows[[2]string{name, v.name}] {
			tell = append(tell, func() error { return o.in.Presence(ctx, v.name, p) })
		}
		if theirs := o.p; first && v.knows[[2]string{v.name, name}] {
			tell = append(tell, func() error { return v.in.Presence(ctx, name, theirs) })
		}
	}
	v.mu.Unlock()
	for _, fn := range tell {
		if err := fn(); err != nil && !errors.Is(err, gateway.ErrLoggedOut) {
			return err
		}
	}
	return nil
}

func (v *visit) find(name string) *visit {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.there[name]
}

func (v *visit) Send(ctx context.Context, name string, m *stanza.Message) error {
	if o := v.find(name); o != nil {
		return o.in.Text(ctx, v.name, m.Body)
	}
	return stanza.ItemNotFound
}

func (v *visit) Subscribe(ctx context.Context, name, text string) error {
	if o := v.find(name); o != nil {
		return o.in.Subscribe(ctx, v.name, text)
	}
	return stanza.ItemNotFound
}

func (v *visit) Unsubscribe(_ context.Context, name string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.knows, [2]string{v.name, name})
	return nil
}

func (v *visit) Approve(ctx context.Context, name string, may bool) error {
	o := v.find(name)
	v.mu.Lock()
	v.knows[[2]string{name, v.name}] = may
	p := v.p
	v.mu.Unlock()
	switch {
	case o == nil:
		return nil
	case !may:
		return o.in.Unsubscribed(ctx, v.name)
	}
	return errors.Join(o.in.Subscribed(ctx, v.name), o.in.Presence(ctx, v.name, p))
}

func (v *visit) Contacts(context.Context) ([]gateway.Contact, error) { return nil, nil }

func (v *visit) Logout(ctx context.Context) error {
	v.mu.Lock()
	delete(v.there, v.name)
	v.mu.Unlock()
	return v.SetPresence(ctx, gateway.Presence{})
}

// person is somebody with a client.
type person struct {
	*client.Client
	t    *testing.T
	seen chan string
}

// start logs somebody in, who lets the gateway see his presence.
func start(t *testing.T, s *xmpptest.Server, name string) *person {
	p := &person{t: t, seen: make(chan string, 1000)}
	mux := new(xmpp.Mux)
	mux.OnMessage(func(_ context.Context, _ xmpp.Sender, m *stanza.Message) error {
		p.seen <- fmt.Sprintf("message %s: %s", m.From, m.Body)
		return nil
	})
	mux.OnError(func(_ context.Context, _ xmpp.Sender, st *stanza.Stanza, err *stanza.Error) error {
		p.seen <- fmt.Sprintf("error %s: %s", st.From, err.Condition)
		return nil
	})
	mux.OnPresence(func(_ context.Context, _ xmpp.Sender, st *stanza.Presence) error {
		p.seen <- fmt.Sprintf("presence %s %s%s", st.From, st.Type, st.Show)
		return nil
	})
	p.Client = s.Client(name, mux)
	return p
}

// waitFor waits until all of these have come, in any order.
func (p *person) waitFor(want ...string) {
	p.t.Helper()
	limit := time.After(10 * time.Second)
	for len(want) > 0 {
		select {
		case got := <-p.seen:
			if i := slices.Index(want, got); i >= 0 {
				want = slices.Delete(want, i, i+1)
			}
		case <-limit:
			p.t.Fatalf("%s: did not come: %q", p.LocalAddr(), want)
		}
	}
}

func (p *person) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// TestServer: XEP0100-1, XEP0100-2 and XEP0100-3 on a real server, with two users
// who know each other by the foreign network only.
func TestServer(t *testing.T) {
	s := xmpptest.NewServer(t)
	n := &town{people: map[string]string{"romeo@verona": "r0", "juliet@verona": "j0"}, there: make(map[string]*visit),
		knows: make(map[[2]string]bool)}
	g := &gateway.Gateway{Network: n, Addresses: gateway.Addresses{HasHosts: true}}
	about := &disco.Extension{Identities: []disco.Identity{{Category: "gateway", Type: "simple"}}}
	local, err := s.LocalHost(jid.MustParse("town.example.org"), nil, g, about)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(g.Close(context.Background()), local.Close()); err != nil {
			t.Error(err)
		}
	})
	gw, ctx := local.LocalAddr(), t.Context()
	romeo, juliet := start(t, s, "romeo/orchard"), start(t, s, "juliet/balcony")

	// Register, and let the gateway see the presence.
	info, err := disco.GetInfo(ctx, romeo, gw, "")
	if err != nil || !info.Is("gateway", "simple") || !info.Has(register.NS) || !info.Has(gateway.NS) {
		t.Errorf("service discovery: %+v, %v", info, err)
	}
	err = register.Register(ctx, romeo, gw, register.Field{Name: "username", Value: "romeo@verona"},
		register.Field{Name: "password", Value: "wrong"})
	if !errors.Is(err, stanza.NotAcceptable) {
		t.Errorf("a wrong password: %v", err)
	}
	for _, p := range []*person{romeo, juliet} {
		user := p.LocalAddr().Local()
		p.must(register.Register(ctx, p, gw, register.Field{Name: "username", Value: user + "@verona"},
			register.Field{Name: "password", Value: user[:1] + "0"}))
		p.waitFor("presence town.example.org subscribe")
		p.must(presence.Approve(ctx, p, gw)) // shows the presence to the gateway, which logs in
		p.must(presence.Subscribe(ctx, p, gw, ""))
		p.waitFor("presence town.example.org subscribed", "presence town.example.org ")
	}

	// Find somebody, and subscribe both ways.
	_, prompt, err := gateway.Prompt(ctx, romeo, gw, "")
	if prompt == "" || err != nil {
		t.Errorf("XEP0100-3 %q, %v", prompt, err)
	}
	julietAt, err := gateway.Translate(ctx, romeo, gw, "juliet@verona")
	if err != nil || julietAt.String() != `juliet\40verona@town.example.org` {
		t.Fatalf("XEP0100-3 %s, %v", julietAt, err)
	}
	romeoAt := jid.MustParse("romeo%verona@town.example.org") // as an old client would
	romeo.must(presence.Subscribe(ctx, romeo, julietAt, "it is I"))
	juliet.waitFor(`presence romeo\40verona@town.example.org subscribe`)
	juliet.must(presence.Approve(ctx, juliet, jid.MustParse(`romeo\40verona@town.example.org`)))
	romeo.waitFor("presence "+julietAt.String()+" subscribed", "presence "+julietAt.String()+" ")
	juliet.must(presence.Subscribe(ctx, juliet, romeoAt, ""))
	romeo.waitFor("presence " + julietAt.String() + " subscribe")
	romeo.must(presence.Approve(ctx, romeo, julietAt))
	juliet.waitFor("presence "+romeoAt.String()+" subscribed", "presence "+romeoAt.String()+" ")

	// Presence and messages both ways.
	romeo.must(presence.Available(ctx, romeo, stanza.ShowAway, "", 0))
	juliet.waitFor("presence " + romeoAt.String() + " away")
	romeo.must(xmpp.Send(ctx, romeo, &stanza.Message{To: julietAt, Type: stanza.TypeChat, Body: "hist"}))
	juliet.waitFor("message " + romeoAt.String() + ": hist")
	juliet.must(xmpp.Send(ctx, juliet, &stanza.Message{To: romeoAt, Type: stanza.TypeChat, Body: "ay me"}))
	romeo.waitFor("message " + julietAt.String() + ": ay me")
	romeo.must(xmpp.Send(ctx, romeo, &stanza.Message{To: jid.MustParse(`tybalt\40verona@town.example.org`), Body: "x"}))
	romeo.waitFor(`error tybalt\40verona@town.example.org: item-not-found`)

	// Out with the unavailable presence, and in again.
	romeo.must(presence.Unavailable(ctx, romeo, ""))
	juliet.waitFor("presence " + romeoAt.String() + " unavailable")
	romeo.must(presence.Available(ctx, romeo, "", "", 0))
	romeo.waitFor("presence town.example.org ", "presence "+julietAt.String()+" ")
	juliet.waitFor("presence " + romeoAt.String() + " ")

	// Unregister.
	juliet.must(register.Remove(ctx, juliet, gw))
	juliet.waitFor("presence town.example.org unsubscribe", "presence town.example.org unsubscribed")
	romeo.waitFor("presence " + julietAt.String() + " unavailable")
	juliet.must(xmpp.Send(ctx, juliet, &stanza.Message{To: romeoAt, Body: "x"}))
	juliet.waitFor("error " + romeoAt.String() + ": registration-required")
}
