// Package ping implements XMPP Ping (XEP-0199): asking whether somebody, or the
// stream, is still there.
package ping

import (
	"context"
	"encoding/xml"
	"errors"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// NS is the namespace, which is also the feature for service discovery
// (XEP-0199, section 5).
const NS = "urn:xmpp:ping"

// Payload is the element <ping/>.
type Payload struct{}

// XMLName returns the element's name.
func (Payload) XMLName() xml.Name { return xml.Name{Space: NS, Local: "ping"} }

// AppendXML appends the element.
func (Payload) AppendXML(dst []byte) ([]byte, error) {
	return append(dst, "<ping xmlns='"+NS+"'/>"...), nil
}

// ParseXML reads the element, in which nothing is looked for.
func (*Payload) ParseXML(stanza.Element) error { return nil }

// Ping asks the address to for a sign of life and returns nil when it came. A
// zero to asks the account's own server.
//
// Who does not know this protocol answers with an error, and is there all the
// same: "If the server does not support the ping namespace, it MUST return a
// <service-unavailable/> error" (XEP-0199, section 4.2). So service-unavailable
// and feature-not-implemented count as an answer if they come from the server
// that the account is on, or from another domain. From an address with a
// localpart service-unavailable is what its server says when nobody is there
// (section 7), and is returned. So are all other errors; see [Answered] where
// any answer is good enough.
func Ping(ctx context.Context, s xmpp.Sender, to jid.JID) error {
	iq, err := stanza.New(stanza.Header{Kind: stanza.KindIQ, Type: stanza.TypeGet, To: to}, Payload{})
	if err != nil {
		return err
	}
	_, err = s.Do(ctx, iq)
	switch own := s.LocalAddr(); {
	case errors.Is(err, stanza.FeatureNotImplemented):
		return nil
	case errors.Is(err, stanza.ServiceUnavailable) &&
		(to.IsZero() || to.Local() == "" || to == own.Bare()):
		return nil
	}
	return err
}

// Answered reports whether the result of [Ping] shows that the stream works:
// there was an answer, be it an error.
func Answered(err error) bool {
	_, isReply := errors.AsType[*stanza.Error](err)
	return err == nil || isReply
}

// Extension answers pings, for clients, components and servers. A client has
// it by default.
type Extension struct {
	// Allow, if not nil, says who is answered. Others get service-unavailable,
	// as if nobody was there (XEP-0199, section 7).
	Allow func(from jid.JID) bool
}

// Attach adds the handler.
func (e *Extension) Attach(h xmpp.Host) error {
	xmpp.HandleIQ(h.Mux(), stanza.TypeGet, func(_ context.Context, r xmpp.Request[Payload]) (any, error) {
		if e.Allow != nil && !e.Allow(r.From) {
			return nil, stanza.ServiceUnavailable
		}
		return nil, nil
	})
	return nil
}

// Features returns [NS].
func (e *Extension) Features(jid.JID) []string { return []string{NS} }
