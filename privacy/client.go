package privacy

import (
	"context"
	"errors"
	"slices"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// ErrNoItems is returned by [Set] for a list without items, which would remove
// the list that it is to replace; see [Remove].
var ErrNoItems = errors.New("privacy: a list without items")

// Overview says which lists an account has.
type Overview struct {
	Active  string   // the active list of this session, "" if there is none
	Default string   // the default list, "" if there is none
	Names   []string // of all lists
}

// Names asks which lists the account has.
func Names(ctx context.Context, s xmpp.Sender) (Overview, error) {
	q, err := get(ctx, s, Query{})
	if err != nil {
		return Overview{}, err
	}
	o := Overview{Active: value(q.Active), Default: value(q.Default)}
	for i := range q.Lists {
		o.Names = append(o.Names, q.Lists[i].Name)
	}
	return o, nil
}

func value(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// Get asks for a list. The error is item-not-found if there is none of that
// name.
func Get(ctx context.Context, s xmpp.Sender, name string) (List, error) {
	q, err := get(ctx, s, Query{Lists: []List{{Name: name}}})
	if err != nil {
		return List{}, err
	}
	if l := (&Lists{Lists: q.Lists}).Find(name); l != nil {
		return *l, nil
	}
	return List{}, stanza.NewError(stanza.ItemNotFound, "the answer does not have the list")
}

// Set makes or replaces a list, whose items have to be complete. If their orders
// do not ascend, as when none is set, they get the orders 1, 2, ...
//
// "[A] client SHOULD use the simplest possible representation" of what the user
// wants (RFC 3921, section 10.15); [DenyUnknown] is one. A list does something
// once it is active ([Activate]) or the default ([SetDefault]).
func Set(ctx context.Context, s xmpp.Sender, l List) error {
	if len(l.Items) == 0 {
		return ErrNoItems
	}
	for i := 1; i < len(l.Items); i++ {
		if l.Items[i].Order <= l.Items[i-1].Order {
			l.Items = slices.Clone(l.Items)
			l.number()
			break
		}
	}
	return set(ctx, s, Query{Lists: []List{l}})
}

// Remove removes a list. The error is item-not-found if there is none of that
// name, conflict if it is in force for another connected resource.
func Remove(ctx context.Context, s xmpp.Sender, name string) error {
	return set(ctx, s, Query{Lists: []List{{Name: name}}})
}

// Activate makes a list the active one of this session, instead of the default
// list. The error is item-not-found if there is none of that name.
func Activate(ctx context.Context, s xmpp.Sender, name string) error {
	return set(ctx, s, Query{Active: &name})
}

// Decline ends the use of an active list in this session.
func Decline(ctx context.Context, s xmpp.Sender) error { return set(ctx, s, Query{Active: new("")}) }

// SetDefault makes a list the one for all sessions without an active list, and
// for what comes while there is no session. The error is item-not-found if there
// is none of that name, conflict if the default list is in force for another
// connected resource.
func SetDefault(ctx context.Context, s xmpp.Sender, name string) error {
	return set(ctx, s, Query{Default: &name})
}

// DeclineDefault ends the use of a default list; see [SetDefault].
func DeclineDefault(ctx context.Context, s xmpp.Sender) error {
	return set(ctx, s, Query{Default: new("")})
}

func get(ctx context.Context, s xmpp.Sender, q Query) (Query, error) {
	return xmpp.Call[Query](ctx, s, stanza.TypeGet, jid.JID{}, q)
}

func set(ctx context.Context, s xmpp.Sender, q Query) error {
	_, err := xmpp.Call[stanza.Element](ctx, s, stanza.TypeSet, jid.JID{}, q)
	return err
}

// DenyUnknown returns the item that denies everything to and from those with
// whom the user has no subscription: "the simplest" way to "block all
// communications with any user not in my roster" (RFC 3921, section 10.15).
func DenyUnknown() Item { return Item{Type: BySubscription, Deny: true} }

// Invisible returns the item that lets nobody see the user's presence
// (XEP-0126, section 3.1). A client that is visible sends presence of type
// unavailable before it activates a list with this item, and its presence again
// after it: the server only stops to tell it.
func Invisible() Item { return Item{Deny: true, Kinds: PresenceOut} }

// Extension tells a client which lists have changed, by this session or another
// one: the server pushes their names. "It is up to the receiving resource to
// determine whether to retrieve the modified list definition" (RFC 3921, section
// 10.2). Pushes that do not come from the account's own server are refused.
type Extension struct {
	// Changed is called with the name of a list that has been edited or
	// removed. It may call [Get]. It is called concurrently; the server is
	// answered when it returns.
	Changed func(ctx context.Context, s xmpp.Sender, name string)
}

// Attach adds the handler.
func (x *Extension) Attach(h xmpp.Host) error {
	xmpp.HandleIQ(h.Mux(), stanza.TypeSet, func(ctx context.Context, r xmpp.Request[Query]) (any, error) {
		own := h.LocalAddr()
		if !r.From.IsZero() && r.From != own.Bare() && r.From != own.DomainJID() {
			return nil, stanza.ServiceUnavailable
		}
		if len(r.Payload.Lists) != 1 {
			return nil, stanza.BadRequest
		}
		if x.Changed != nil {
			x.Changed(ctx, r.Sender, r.Payload.Lists[0].Name)
		}
		return nil, nil
	})
	return nil
}
