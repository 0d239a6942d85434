package vcard

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// Limits of a [Server] that are chosen where its fields are zero.
const (
	// DefaultMaxSize is how many bytes a card may have. A photo of 8 KiB, which
	// XEP-0153 recommends, takes 11 of them.
	DefaultMaxSize = 128 << 10
	// DefaultMaxElements is how many elements a card may have, at all depths.
	DefaultMaxElements = 1000
)

// Server is the Extension that keeps the cards of a server's accounts, and
// answers for them (XEP-0054, section 3). Everybody can read them: "The vCard
// information published to one's Jabber server is world-readable". Cards are
// kept, and given out, as their owners wrote them; nothing in them is looked at.
// Methods are safe for concurrent use, after Attach; fields must not be changed
// then.
//
// Who has no card gets an empty one when he asks for his own, as the element of
// section 3.1. Others get service-unavailable then, as they do for accounts that
// do not exist: "The server MUST return the same error condition in both cases"
// (section 3.3). Who wants to set the card of somebody else gets forbidden.
type Server struct {
	// Store keeps the cards. It must be set.
	Store Store
	// Visible, if not nil, says whether from may see the card of the account. If
	// not, it is as if there was none. The owner always sees it.
	Visible func(ctx context.Context, from, account jid.JID) bool
	// Host, if not nil, returns the card of the server itself, for the domain
	// that is asked; nil if there is none.
	Host func(domain jid.JID) *Card
	// MaxSize bounds a card, in bytes. One that is larger is refused with
	// not-acceptable: it cannot be accepted later either, as resource-constraint
	// would say. 0 = [DefaultMaxSize], -1 = no limit but that of a stanza.
	MaxSize int
	// MaxElements bounds the elements of a card, as MaxSize does the bytes. 0 =
	// [DefaultMaxElements], -1 = no limit.
	MaxElements int

	users xmpp.Users
}

// Attach adds the handlers to a server.
func (v *Server) Attach(h xmpp.Host) error {
	users, ok := h.(xmpp.Users)
	switch {
	case !ok:
		return errors.New("vcard: Server is for servers")
	case v.Store == nil:
		return errors.New("vcard: Server.Store is not set")
	}
	v.users = users
	xmpp.HandleIQ(h.Mux(), stanza.TypeGet, func(ctx context.Context, r xmpp.Request[raw]) (any, error) {
		card, err := v.Load(ctx, r.From, r.To)
		if err != nil {
			return nil, err
		}
		return card, nil
	})
	xmpp.HandleIQ(h.Mux(), stanza.TypeSet, func(ctx context.Context, r xmpp.Request[raw]) (any, error) {
		return nil, v.Save(ctx, r.From, r.To, r.Payload.Element)
	})
	return nil
}

// raw is a card that is not decoded.
type raw struct{ stanza.Element }

// XMLName returns the name of the element.
func (raw) XMLName() xml.Name { return cardName }

// ParseXML keeps the element.
func (r *raw) ParseXML(e stanza.Element) error {
	r.Element = e
	return nil
}

// Features returns [NS], for domains and accounts.
func (v *Server) Features(jid.JID) []string { return []string{NS} }

// RemoveAccount forgets the card of the account.
func (v *Server) RemoveAccount(ctx context.Context, account jid.JID) error {
	return v.Store.RemoveAccount(ctx, account)
}

// empty is the card of who has none.
const empty stanza.Raw = "<vCard xmlns='" + NS + "'/>"

// Load returns the card that from gets when he asks for that of to, zero for his
// own. The errors are service-unavailable, and those of the store.
func (v *Server) Load(ctx context.Context, from, to jid.JID) (stanza.Raw, error) {
	owner := from.Bare()
	if to.IsZero() {
		to = owner
	}
	switch {
	case to.IsDomain():
		return v.ofHost(to)
	case to.Resource() != "":
		return "", stanza.ServiceUnavailable // that is for the client there to answer
	case to != owner && v.Visible != nil && !v.Visible(ctx, from, to):
		return "", stanza.ServiceUnavailable
	}
	card, err := v.Store.VCard(ctx, to)
	switch {
	case err != nil:
		return "", fmt.Errorf("vcard: %w", err)
	case card != "":
		return card, nil
	case to == owner:
		return empty, nil
	}
	return "", stanza.ServiceUnavailable
}

// ofHost returns the card of the server itself.
func (v *Server) ofHost(domain jid.JID) (stanza.Raw, error) {
	if v.Host == nil {
		return "", stanza.ServiceUnavailable
	}
	c := v.Host(domain)
	if c == nil {
		return "", stanza.ServiceUnavailable
	}
	b, err := c.AppendXML(nil)
	return stanza.Raw(b), err
}

// Save stores the card that from sets, at the address to, zero for his own. An
// empty card removes it. The errors are forbidden for the card of somebody
// else, not-acceptable for what is over a limit or not a card, and those of the
// store.
func (v *Server) Save(ctx context.Context, from, to jid.JID, card stanza.Element) error {
	owner := from.Bare()
	if !to.IsZero() && to != owner || owner.Local() == "" {
		return stanza.NewError(stanza.Forbidden, "this vCard is not yours")
	}
	if !card.Is(NS, "vCard") {
		return stanza.NewError(stanza.NotAcceptable, "this is not a vCard")
	}
	r := card.Raw()
	if limit := orDefault(v.MaxSize, DefaultMaxSize); limit >= 0 && len(r) > limit {
		return stanza.NewError(stanza.NotAcceptable, fmt.Sprintf("a vCard may have %d bytes, not %d", limit, len(r)))
	}
	if limit := orDefault(v.MaxElements, DefaultMaxElements); limit >= 0 && elements(card, limit) > limit {
		return stanza.NewError(stanza.NotAcceptable, fmt.Sprintf("a vCard may have %d elements", limit))
	}
	// A session may be there a moment longer than its account.
	if ok, err := v.users.HasAccount(ctx, owner); err != nil {
		return fmt.Errorf("vcard: %w", err)
	} else if !ok {
		return stanza.Forbidden
	}
	if card.FirstChild().IsZero() {
		r = ""
	}
	if err := v.Store.SetVCard(ctx, owner, r); err != nil {
		return fmt.Errorf("vcard: %w", err)
	}
	return nil
}

// elements counts the elements in e at all depths, up to one more than max.
func elements(e stanza.Element, max int) (n int) {
	for c := range e.Children() {
		if n += 1 + elements(c, max-n-1); n > max {
			break
		}
	}
	return n
}

func orDefault(n, def int) int {
	if n == 0 {
		return def
	}
	return n
}
