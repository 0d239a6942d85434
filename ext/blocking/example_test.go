package blocking_test

import (
	"context"
	"fmt"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/blocking"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/privacy"
	"github.com/etherx-go/xmpp/stanza"
)

// A bot that blocks a user, and all of a domain.
func ExampleBlock() {
	ctx, s := context.Background(), session()
	fmt.Println(blocking.Block(ctx, s, jid.MustParse("tybalt@example.com"), jid.MustParse("spam.example")))
	fmt.Println(blocking.Get(ctx, s))
	// Output:
	// <nil>
	// [tybalt@example.com spam.example] <nil>
}

func ExampleUnblock() {
	ctx, s := context.Background(), session()
	tybalt := jid.MustParse("tybalt@example.com")
	if err := blocking.Block(ctx, s, tybalt, jid.MustParse("paris@example.org")); err != nil {
		fmt.Println(err)
	}
	fmt.Println(blocking.Unblock(ctx, s, tybalt))
	fmt.Println(blocking.Get(ctx, s))
	fmt.Println(blocking.UnblockAll(ctx, s))
	fmt.Println(blocking.Get(ctx, s))
	// Output:
	// <nil>
	// [paris@example.org] <nil>
	// <nil>
	// [] <nil>
}

// A client that keeps its list up to date: it asks for it once, and is told
// about changes from then on.
func ExampleExtension() {
	x := &blocking.Extension{
		Blocked: func(_ context.Context, jids []jid.JID) { fmt.Println("blocked", jids) },
		Unblocked: func(_ context.Context, jids []jid.JID) {
			if len(jids) == 0 {
				fmt.Println("unblocked everybody")
				return
			}
			fmt.Println("unblocked", jids)
		},
	}
	// It goes into the Extensions of a client.Config. Here it is called as
	// pushes would do it.
	x.Blocked(context.Background(), []jid.JID{jid.MustParse("tybalt@example.com")})
	x.Unblocked(context.Background(), nil)
	// Output:
	// blocked [tybalt@example.com]
	// unblocked everybody
}

// session returns a session of a client with a server.
func session() xmpp.Sender {
	s := &loop{addr: jid.MustParse("romeo@example.net/orchard")}
	eng := privacy.NewEngine(privacy.Config{Store: s, Sessions: func(jid.JID) []jid.JID { return []jid.JID{s.addr} }})
	if err := eng.Attach(s); err != nil {
		panic(err)
	}
	return s
}

// loop is a client, its server and the server's store in one.
type loop struct {
	addr  jid.JID
	mux   xmpp.Mux
	reply *stanza.Stanza
	lists privacy.Lists
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

func (l *loop) PrivacyLists(context.Context, jid.JID) (privacy.Lists, error) { return l.lists, nil }

func (l *loop) UpdatePrivacyLists(_ context.Context, _ jid.JID, fn func(*privacy.Lists) error) error {
	lists := l.lists.Clone()
	if err := fn(&lists); err != nil {
		return err
	}
	l.lists = lists
	return nil
}

func (l *loop) RemoveAccount(context.Context, jid.JID) error {
	l.lists = privacy.Lists{}
	return nil
}
