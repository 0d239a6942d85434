package privacy_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/privacy"
	"github.com/etherx-go/xmpp/roster"
	"github.com/etherx-go/xmpp/stanza"
)

// A list is a sequence of rules: the first that matches decides.
func ExampleList_Allows() {
	l := privacy.List{Name: "friends only", Items: []privacy.Item{
		{Type: privacy.ByJID, JID: jid.MustParse("tybalt@example.com"), Deny: true, Order: 1},
		{Type: privacy.BySubscription, Subscription: roster.Both, Order: 2},
		{Deny: true, Kinds: privacy.Message, Order: 3},
	}}
	for _, c := range []privacy.Contact{
		{JID: jid.MustParse("tybalt@example.com/pda"), Subscription: roster.Both},
		{JID: jid.MustParse("juliet@example.com/chamber"), Subscription: roster.Both},
		{JID: jid.MustParse("paris@example.org/x")},
	} {
		fmt.Println(c.JID, l.Allows(privacy.Message, c), l.Allows(privacy.IQ, c))
	}
	// Output:
	// tybalt@example.com/pda false false
	// juliet@example.com/chamber true true
	// paris@example.org/x false true
}

// A client that wants no messages from strangers, in all its sessions.
func ExampleSetDefault() {
	ctx, s := context.Background(), session()
	err := privacy.Set(ctx, s, privacy.List{Name: "contacts", Items: []privacy.Item{privacy.DenyUnknown()}})
	if err == nil {
		err = privacy.SetDefault(ctx, s, "contacts")
	}
	fmt.Println(err)

	lists, err := privacy.Names(ctx, s)
	fmt.Println(lists.Default, lists.Names, err)
	// Output:
	// <nil>
	// contacts [contacts] <nil>
}

// A client that goes invisible (XEP-0126, section 3.5).
func ExampleActivate() {
	ctx, s := context.Background(), session()
	invisible := privacy.List{Name: "invisible", Items: []privacy.Item{privacy.Invisible()}}
	if err := privacy.Set(ctx, s, invisible); err != nil {
		fmt.Println(err)
	}
	xmpp.Send(ctx, s, &stanza.Presence{Type: stanza.TypeUnavailable}) // those who see it now
	if err := privacy.Activate(ctx, s, "invisible"); err != nil {
		fmt.Println(err)
	}
	xmpp.Send(ctx, s, &stanza.Presence{}) // available, and nobody is told

	// And visible again.
	fmt.Println(privacy.Decline(ctx, s))
	fmt.Println(privacy.Remove(ctx, s, "invisible"))
	_, err := privacy.Get(ctx, s, "invisible")
	fmt.Println(errors.Is(err, stanza.ItemNotFound))
	// Output:
	// <nil>
	// <nil>
	// true
}

// A client that is told when another one changes a list.
func ExampleExtension() {
	x := &privacy.Extension{Changed: func(ctx context.Context, s xmpp.Sender, name string) {
		l, err := privacy.Get(ctx, s, name)
		if errors.Is(err, stanza.ItemNotFound) {
			fmt.Println(name, "has been removed")
			return
		}
		fmt.Println(name, "has now", len(l.Items), "items")
	}}
	// It goes into the Extensions of a client.Config. Here it is called as a
	// push would do it.
	x.Changed(context.Background(), session(), "public")
	// Output: public has been removed
}

// A server asks the engine about every stanza, first of all.
func ExampleEngine() {
	home := jid.MustParse("romeo@example.net/home")
	eng := privacy.NewEngine(privacy.Config{
		Store:    new(store),
		Sessions: func(account jid.JID) []jid.JID { return []jid.JID{home} },
	})
	st, err := stanza.Parse("<message from='tybalt@example.com/pda' to='romeo@example.net'><body>Coward!</body></message>")
	if err != nil {
		fmt.Println(err)
		return
	}
	ok, err := eng.Allow(context.Background(), home.Bare(), jid.JID{}, st.From, privacy.KindIn(st))
	fmt.Println(ok, err)
	if !ok {
		fmt.Println(eng.ErrorFor(st, false))
	}
	// Output: true <nil>
}

// session returns a session of a client with a server.
func session() xmpp.Sender {
	s := &loop{addr: jid.MustParse("romeo@example.net/orchard")}
	eng := privacy.NewEngine(privacy.Config{
		Store:    new(store),
		Sessions: func(jid.JID) []jid.JID { return []jid.JID{s.addr} },
	})
	if err := eng.Attach(s); err != nil {
		panic(err)
	}
	return s
}

// loop is a client and its server in one.
type loop struct {
	addr  jid.JID
	mux   xmpp.Mux
	reply *stanza.Stanza
}

func (l *loop) LocalAddr() jid.JID        { return l.addr }
func (l *loop) Mux() *xmpp.Mux            { return &l.mux }
func (l *loop) IsServer() bool            { return true }
func (l *loop) Features(jid.JID) []string { return nil }

func (l *loop) Send(_ context.Context, st *stanza.Stanza) error {
	l.reply = st
	return nil
}

func (l *loop) Do(ctx context.Context, iq *stanza.Stanza) (*stanza.Stanza, error) {
	h := iq.Header
	h.From, h.To, h.ID = l.addr, l.addr.Bare(), "1"
	if err := l.mux.HandleXMPP(ctx, l, iq.With(h)); err != nil {
		return nil, err
	}
	return l.reply, l.reply.Err()
}

// store is a privacy.Store for one account.
type store struct{ lists privacy.Lists }

func (s *store) PrivacyLists(context.Context, jid.JID) (privacy.Lists, error) { return s.lists, nil }

func (s *store) UpdatePrivacyLists(_ context.Context, _ jid.JID, fn func(*privacy.Lists) error) error {
	l := s.lists.Clone()
	if err := fn(&l); err != nil {
		return err
	}
	s.lists = l
	return nil
}

func (s *store) RemoveAccount(context.Context, jid.JID) error {
	s.lists = privacy.Lists{}
	return nil
}
