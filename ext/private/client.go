package private

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// Errors of the functions for clients.
var (
	// ErrNoName: the type does not say which element it is.
	ErrNoName = errors.New("private: the type has no element name with a namespace")
	// ErrNoNamespace: an element is not in a namespace of its own.
	ErrNoNamespace = errors.New("private: the element has no namespace of its own")
)

// Get returns the element that T describes, as [xmpp.HandleIQ] says, from the
// private storage of the own account. ok is false if there is none, or an empty
// one, which is the same to the server. An error reply is returned as a
// *stanza.Error.
func Get[T any](ctx context.Context, s xmpp.Sender) (v T, ok bool, err error) {
	name := stanza.PayloadName[T]()
	if name.Local == "" || !hasOwnNamespace(name) {
		return v, false, ErrNoName
	}
	e, err := GetElement(ctx, s, name)
	if err != nil || e.IsZero() {
		return v, false, err
	}
	st, err := stanza.New(stanza.Header{Kind: stanza.KindIQ, Type: stanza.TypeResult}, e)
	if err != nil {
		return v, false, err
	}
	return stanza.Decode[T](st)
}

// GetElement is [Get] for an element of any name in a namespace. The zero
// Element is returned if there is none.
func GetElement(ctx context.Context, s xmpp.Sender, name xml.Name) (stanza.Element, error) {
	if !hasOwnNamespace(name) {
		return stanza.Element{}, ErrNoNamespace
	}
	e, err := empty(name)
	if err != nil {
		return stanza.Element{}, fmt.Errorf("private: %q: %w", name.Local, err)
	}
	q, err := xmpp.Call[Query](ctx, s, stanza.TypeGet, jid.JID{}, Query{[]stanza.Element{e}})
	if err != nil {
		return stanza.Element{}, err
	}
	for _, e := range q.Elements {
		if e.Name() == name && !isEmpty(e) {
			return e, nil
		}
	}
	return stanza.Element{}, nil
}

// Set puts elements into the private storage of the own account, each in the
// place of the one with the same name. They are what [stanza.New] takes, each
// in a namespace of its own. An element without anything in it removes what is
// there. An error reply is returned as a *stanza.Error; other servers than this
// one may have stored some elements all the same.
func Set(ctx context.Context, s xmpp.Sender, payloads ...any) error {
	var q Query
	for _, p := range payloads {
		b, err := stanza.AppendPayload(nil, p)
		if err != nil {
			return fmt.Errorf("private: %w", err)
		}
		e, err := stanza.Raw(b).Element()
		if err != nil {
			return fmt.Errorf("private: %w", err)
		}
		if !hasOwnNamespace(e.Name()) {
			return ErrNoNamespace
		}
		q.Elements = append(q.Elements, e)
	}
	_, err := xmpp.Call[stanza.Element](ctx, s, stanza.TypeSet, jid.JID{}, q)
	return err
}
