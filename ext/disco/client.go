package disco

import (
	"cmp"
	"context"
	"errors"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// ErrNoAnswer is returned for a result without the payload that was asked for.
var ErrNoAnswer = errors.New("disco: the result does not say what was asked")

// GetInfo asks the entity at the address to who it is and what it can do. node
// is "" for the entity itself. A zero to asks about the own account. An error
// reply is returned as a *stanza.Error.
func GetInfo(ctx context.Context, s xmpp.Sender, to jid.JID, node string) (Info, error) {
	info, reply, err := ask[Info](ctx, s, to, Info{Node: node})
	if err == nil {
		info.Lang = cmp.Or(info.Lang, reply.Lang)
	}
	return info, err
}

// GetItems asks the entity at the address to what belongs to it. node is "" for
// the entity itself. An error reply is returned as a *stanza.Error.
func GetItems(ctx context.Context, s xmpp.Sender, to jid.JID, node string) ([]Item, error) {
	items, _, err := ask[Items](ctx, s, to, Items{Node: node})
	return items.Items, err
}

// Supports asks whether the entity at the address to has a feature. That it
// does not know service discovery is an error, and not an answer. To ask who
// sends presence, package caps has a way that needs fewer questions.
func Supports(ctx context.Context, s xmpp.Sender, to jid.JID, feature string) (bool, error) {
	info, err := GetInfo(ctx, s, to, "")
	return err == nil && info.Has(feature), err
}

// ask is xmpp.Call, but also returns the reply.
func ask[T any](ctx context.Context, s xmpp.Sender, to jid.JID, req any) (v T, reply *stanza.Stanza, err error) {
	iq, err := stanza.New(stanza.Header{Kind: stanza.KindIQ, Type: stanza.TypeGet, To: to}, req)
	if err != nil {
		return v, nil, err
	}
	if reply, err = s.Do(ctx, iq); err != nil {
		return v, nil, err
	}
	if err = reply.Err(); err != nil {
		return v, nil, err // an error in an iq of type result
	}
	v, ok, err := stanza.Decode[T](reply)
	if err == nil && !ok {
		err = ErrNoAnswer
	}
	return v, reply, err
}
