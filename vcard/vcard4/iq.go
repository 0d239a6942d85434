package vcard4

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/vcard"
)

// Get returns somebody's card by an iq, as in XEP-0292, section 6; with a zero
// to, one's own. It is like [vcard.Get], also in its errors. Most servers have the
// cards of their users in PEP instead, at [NodeCard].
func Get(ctx context.Context, s xmpp.Sender, to jid.JID) (*Card, error) {
	c, err := xmpp.Call[*Card](ctx, s, stanza.TypeGet, to, new(Card))
	if c == nil {
		c = new(Card)
	}
	switch {
	case errors.Is(err, stanza.ItemNotFound) || errors.Is(err, stanza.ServiceUnavailable):
		return c, fmt.Errorf("%w: %w", vcard.ErrNoCard, err)
	case err == nil && c.IsZero():
		return c, vcard.ErrNoCard
	}
	return c, err
}

// Set replaces one's own card by an iq.
func Set(ctx context.Context, s xmpp.Sender, c *Card) error {
	if c == nil {
		c = new(Card)
	}
	_, err := xmpp.Call[*Card](ctx, s, stanza.TypeSet, jid.JID{}, c)
	return err
}

// Server is an Extension that lets cards be read and written in this format, too:
// they are those of a [vcard.Server], converted.
type Server struct {
	// Cards is attached to the same host. It must be set.
	Cards *vcard.Server
}

// Attach adds the handlers to a server.
func (v *Server) Attach(h xmpp.Host) error {
	if v.Cards == nil {
		return errors.New("vcard4: Server.Cards is not set")
	}
	xmpp.HandleIQ(h.Mux(), stanza.TypeGet, func(ctx context.Context, r xmpp.Request[query]) (any, error) {
		raw, err := v.Cards.Load(ctx, r.From, r.To)
		if err != nil {
			return nil, err
		}
		e, err := raw.Element()
		if err != nil {
			return nil, fmt.Errorf("vcard4: %w", err)
		}
		var t vcard.Card
		if err := t.ParseXML(e); err != nil {
			return nil, err
		}
		return FromTemp(&t), nil
	})
	xmpp.HandleIQ(h.Mux(), stanza.TypeSet, func(ctx context.Context, r xmpp.Request[Card]) (any, error) {
		b, err := r.Payload.Temp().AppendXML(nil)
		if err != nil {
			return nil, fmt.Errorf("vcard4: %w", err)
		}
		e, err := stanza.Raw(b).Element()
		if err != nil {
			return nil, fmt.Errorf("vcard4: %w", err)
		}
		return nil, v.Cards.Save(ctx, r.From, r.To, e)
	})
	return nil
}

// query is the element of a get, in which nothing is looked for.
type query struct{}

// XMLName returns the name of the element.
func (query) XMLName() xml.Name { return xml.Name{Space: NS, Local: "vcard"} }

// ParseXML reads nothing.
func (*query) ParseXML(stanza.Element) error { return nil }

// Features returns [NS], for domains and accounts.
func (v *Server) Features(jid.JID) []string { return []string{NS} }
