package delegation_test

import (
	"context"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/component"
	"github.com/etherx-go/xmpp/ext/delegation"
	"github.com/etherx-go/xmpp/ext/private"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// A component that answers jabber:iq:private for all users of the server.
func ExampleExtension() {
	mux := new(xmpp.Mux)
	xmpp.HandleIQ(mux, stanza.TypeGet, func(_ context.Context, r xmpp.Request[stanza.Element]) (any, error) {
		if !r.Payload.Is(private.NS, "query") {
			return nil, stanza.ServiceUnavailable
		}
		return r.Payload, nil // there is nothing
	})
	server := jid.MustParse("example.org")
	c, err := component.New(component.Config{
		Domain: jid.MustParse("private.example.org"), Secret: "s3cret", Server: server,
		Extensions: []xmpp.Extension{&delegation.Extension{Servers: []jid.JID{server}, Mux: mux}},
	})
	_, _ = c, err
}
