package roster_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/client"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/roster"
	"github.com/etherx-go/xmpp/stanza"
)

// A client that always has its roster.
func ExampleExtension() {
	contacts := &roster.Extension{OnChange: func(it roster.Item) {
		fmt.Println(it.JID, it.Name, it.Subscription, it.Groups)
	}}
	c, err := client.New(client.Config{
		JID:        jid.MustParse("juliet@example.com"),
		Password:   "secret",
		Extensions: []xmpp.Extension{contacts},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	// c.Run(ctx) does the rest. What is shown now stands for a push of the server.
	st, err := stanza.Parse("<iq type='set' id='1'><query xmlns='jabber:iq:roster'>" +
		"<item jid='romeo@example.net' name='Romeo' subscription='both'><group>Friends</group></item></query></iq>")
	if err != nil {
		fmt.Println(err)
		return
	}
	contacts.SessionUp(context.Background(), server{})
	c.Mux().HandleXMPP(context.Background(), server{}, st)
	fmt.Println(len(contacts.Items()))
	// Output:
	// romeo@example.net Romeo both [Friends]
	// 1
}

// A roster is looked at and changed in a line each.
func ExampleSet() {
	var s xmpp.Sender = server{} // in a program, the client
	ctx, nurse := context.Background(), jid.MustParse("nurse@example.com")
	if err := roster.Set(ctx, s, roster.Item{JID: nurse, Name: "Nurse", Groups: []string{"Servants"}}); err != nil {
		fmt.Println(err)
	}
	items, err := roster.Get(ctx, s)
	fmt.Println(len(items), err)
	if err := roster.Delete(ctx, s, nurse); err != nil {
		fmt.Println(err)
	}
	// Output: 0 <nil>
}

// A server looks at what a client wants to have stored.
func ExampleLimits_CheckSet() {
	query := func(item string) stanza.Element {
		el, err := stanza.Raw("<query xmlns='jabber:iq:roster'>" + item + "</query>").Element()
		if err != nil {
			fmt.Println(err)
		}
		return el
	}
	var limits roster.Limits
	it, err := limits.CheckSet(query("<item jid='Nurse@example.com' name='Nurse' subscription='both'/>"))
	fmt.Println(it.JID, it.Name, it.Subscription, err)
	_, err = limits.CheckSet(query("<item jid='nurse@example.com'><group>A</group><group>A</group></item>"))
	fmt.Println(errors.Is(err, stanza.BadRequest))
	// Output:
	// nurse@example.com Nurse none <nil>
	// true
}

// server is a Sender that is answered as by a server with an empty roster.
type server struct{}

func (server) LocalAddr() jid.JID                         { return jid.MustParse("juliet@example.com/balcony") }
func (server) Send(context.Context, *stanza.Stanza) error { return nil }
func (server) Do(_ context.Context, iq *stanza.Stanza) (*stanza.Stanza, error) {
	if iq.Type == stanza.TypeSet {
		return iq.Reply()
	}
	return iq.Reply(roster.Query{})
}
