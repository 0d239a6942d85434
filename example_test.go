package xmpp_test

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// printer is a Sender for the examples: it prints what is sent. Programs have a
// client or a server for that.
type printer struct{}

func (printer) LocalAddr() jid.JID { return jid.MustParse("bot@example.org/1") }

func (printer) Send(_ context.Context, st *stanza.Stanza) error {
	fmt.Println(st)
	return nil
}

func (printer) Do(_ context.Context, iq *stanza.Stanza) (*stanza.Stanza, error) {
	fmt.Println(iq)
	return stanza.Parse("<iq type='result'><query xmlns='jabber:iq:version'><name>Etherx</name></query></iq>")
}

// receive stands in for a stream that a stanza comes from.
func receive(m *xmpp.Mux, src string) {
	st, err := stanza.Parse(src)
	if err == nil {
		err = m.HandleXMPP(context.Background(), printer{}, st)
	}
	if err != nil {
		fmt.Println("error:", err)
	}
}

// Version is the payload of XEP-0092.
type Version struct {
	XMLName xml.Name `xml:"jabber:iq:version query"`
	Name    string   `xml:"name,omitempty"`
}

// A bot that answers what it is told.
func Example() {
	var m xmpp.Mux
	m.OnMessage(func(ctx context.Context, s xmpp.Sender, msg *stanza.Message) error {
		return xmpp.Send(ctx, s, msg.Reply("You said: "+msg.Body))
	})
	receive(&m, "<message type='chat' from='juliet@capulet.example/balcony'><body>hi</body></message>")
	// Output: <message type='chat' to='juliet@capulet.example/balcony'><body>You said: hi</body></message>
}

// The handler of an iq returns the payload of the result, or an error; there is
// exactly one reply.
func ExampleHandleIQ() {
	var m xmpp.Mux
	xmpp.HandleIQ(&m, stanza.TypeGet, func(_ context.Context, r xmpp.Request[Version]) (any, error) {
		if r.From.Domain() != "example.org" {
			return nil, stanza.Forbidden
		}
		return stanza.Raw("<query xmlns='jabber:iq:version'><name>Etherx</name></query>"), nil
	})
	receive(&m, "<iq type='get' id='1' from='a@example.org'><query xmlns='jabber:iq:version'/></iq>")
	receive(&m, "<iq type='get' id='2' from='a@example.net'><query xmlns='jabber:iq:version'/></iq>")
	receive(&m, "<iq type='get' id='3' from='a@example.org'><other xmlns='urn:other'/></iq>")
	// Output:
	// <iq type='result' id='1' to='a@example.org'><query xmlns='jabber:iq:version'><name>Etherx</name></query></iq>
	// <iq type='error' id='2' to='a@example.net'><error code='403' type='auth'><forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>
	// <iq type='error' id='3' to='a@example.org'><error code='503' type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>
}

// Receipt is the request of XEP-0184.
type Receipt struct {
	XMLName xml.Name `xml:"urn:xmpp:receipts request"`
}

func ExampleHandleMessage() {
	var m xmpp.Mux
	xmpp.HandleMessage(&m, func(ctx context.Context, s xmpp.Sender, msg *stanza.Message, _ Receipt) error {
		received := stanza.AppendAttr([]byte("<received xmlns='urn:xmpp:receipts'"), "id", msg.ID)
		return xmpp.Send(ctx, s, &stanza.Message{To: msg.From, Payloads: []any{stanza.Raw(append(received, "/>"...))}})
	})
	receive(&m, "<message id='m1' from='a@example.org/1'><body>x</body><request xmlns='urn:xmpp:receipts'/></message>")
	receive(&m, "<message id='m2' from='a@example.org/1'><body>nobody asks</body></message>")
	// Output: <message to='a@example.org/1'><received xmlns='urn:xmpp:receipts' id='m1'/></message>
}

func ExampleCall() {
	v, err := xmpp.Call[Version](context.Background(), printer{}, stanza.TypeGet, jid.MustParse("example.org"), Version{})
	switch {
	case errors.Is(err, stanza.ServiceUnavailable):
		fmt.Println("it does not say")
	case err != nil:
		fmt.Println(err)
	default:
		fmt.Println(v.Name)
	}
	// Output:
	// <iq type='get' to='example.org'><query xmlns="jabber:iq:version"></query></iq>
	// Etherx
}

// Logger is an extension: it can be attached to a client and to a server.
type Logger struct{}

func (Logger) Attach(h xmpp.Host) error {
	h.Mux().OnError(func(_ context.Context, _ xmpp.Sender, st *stanza.Stanza, err *stanza.Error) error {
		fmt.Println(st.Kind, "to", st.From, "failed:", err.Condition)
		return nil
	})
	return nil
}

// host stands in for a client or a server.
type host struct {
	printer
	mux xmpp.Mux
}

func (h *host) Mux() *xmpp.Mux { return &h.mux }
func (h *host) IsServer() bool { return false }

func (h *host) Features(jid.JID) []string { return nil }

func ExampleExtension() {
	var h host
	if err := (Logger{}).Attach(&h); err != nil {
		fmt.Println(err)
	}
	receive(h.Mux(), "<message type='error' from='nobody@example.org'><error code='404'>Not Found</error></message>")
	// Output: message to nobody@example.org failed: item-not-found
}
