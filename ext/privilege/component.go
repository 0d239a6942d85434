package privilege

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/roster"
	"github.com/etherx-go/xmpp/stanza"
)

// ErrNoAnswer is returned for an answer of the server that has none in it.
var ErrNoAnswer = errors.New("privilege: the result has no answer in it")

// Roster returns the roster of a user of the server. The error is stanza.Forbidden
// if that is not granted.
func Roster(ctx context.Context, s xmpp.Sender, user jid.JID) ([]roster.Item, error) {
	q, err := xmpp.Call[roster.Query](ctx, s, stanza.TypeGet, user.Bare(), roster.Query{})
	return q.Items, err
}

// SetRosterItem adds or changes a contact of a user of the server, or removes it if
// its subscription is roster.Remove.
func SetRosterItem(ctx context.Context, s xmpp.Sender, user jid.JID, it roster.Item) error {
	_, err := xmpp.Call[stanza.Element](ctx, s, stanza.TypeSet, user.Bare(), roster.Query{Items: []roster.Item{it}})
	return err
}

// Send sends a message in the name of a server, or of one of its users: its from is
// the domain or a bare address there. If that is not granted the message comes back
// with an error, as one of the component to the server.
func Send(ctx context.Context, s xmpp.Sender, m interface {
	Stanza() (*stanza.Stanza, error)
}) error {
	st, err := m.Stanza()
	if err != nil {
		return err
	}
	if st.Kind != stanza.KindMessage || !st.From.IsBare() && !st.From.IsDomain() {
		return fmt.Errorf("privilege: a %s from %q: it is to be a message from a domain or a bare address", st.Kind, st.From)
	}
	outer, err := stanza.New(stanza.Header{Kind: stanza.KindMessage, To: st.From.DomainJID()}, Wrapped{st})
	if err != nil {
		return err
	}
	return s.Send(ctx, outer)
}

// Do sends an iq of type get or set in the name of a user of the server, whose bare
// address is its from, and waits for the answer. An error reply is returned as a
// *stanza.Error: that of who was asked, or of the server, such as stanza.Forbidden.
func Do(ctx context.Context, s xmpp.Sender, iq *stanza.Stanza) (*stanza.Stanza, error) {
	if iq.Kind != stanza.KindIQ || !iq.Type.IsRequest() {
		return nil, xmpp.ErrNotRequest
	}
	if iq.ID == "" {
		h := iq.Header
		h.ID = rand.Text()
		iq = iq.With(h)
	}
	w, err := xmpp.Call[Wrapped](ctx, s, iq.Type, iq.From.Bare(), Request{iq})
	switch {
	case err != nil:
		return nil, err
	case w.Stanza == nil:
		return nil, ErrNoAnswer
	case w.Stanza.Err() != nil:
		return nil, w.Stanza.Err()
	}
	return w.Stanza, nil
}

// Extension is for the component: it knows what was granted, and takes the pushes of
// rosters. Anybody can send what looks like a grant or a push, so that those count
// only that come from Servers. Its fields must not change once it is attached.
type Extension struct {
	// Servers are the domains of the server.
	Servers []jid.JID
	// Changed, if not nil, is called when a server has said what is granted.
	Changed func(ctx context.Context, server jid.JID, g Grant)
	// RosterPush, if not nil, is called when a user's roster has changed; an item
	// that has been removed has the subscription roster.Remove.
	RosterPush func(ctx context.Context, user jid.JID, it roster.Item)

	mu     sync.Mutex
	grants map[jid.JID]Grant
}

// Attach adds the handlers.
func (e *Extension) Attach(h xmpp.Host) error {
	xmpp.HandleMessage(h.Mux(), func(ctx context.Context, _ xmpp.Sender, m *stanza.Message, g Grant) error {
		if !slices.Contains(e.Servers, m.From) {
			return nil
		}
		e.mu.Lock()
		if e.grants == nil {
			e.grants = make(map[jid.JID]Grant)
		}
		e.grants[m.From.Clone()] = g
		e.mu.Unlock()
		if e.Changed != nil {
			e.Changed(ctx, m.From, g)
		}
		return nil
	})
	if e.RosterPush == nil {
		return nil
	}
	xmpp.HandleIQ(h.Mux(), stanza.TypeSet, func(ctx context.Context, r xmpp.Request[roster.Query]) (any, error) {
		if !slices.Contains(e.Servers, r.From.DomainJID()) || !r.From.IsBare() {
			return nil, stanza.ServiceUnavailable
		}
		for _, it := range r.Payload.Items {
			e.RosterPush(ctx, r.From, it)
		}
		return nil, nil
	})
	return nil
}

// Grant returns what a server has granted; ok is false if it has not said so yet.
func (e *Extension) Grant(server jid.JID) (g Grant, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	g, ok = e.grants[server]
	return g, ok
}
