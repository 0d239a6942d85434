package openpgp

import (
	"context"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// Security says how a stanza was protected.
type Security struct {
	// Encrypted says that nobody but the recipients could read it.
	Encrypted bool
	// Author is whose key has signed it, a bare address; zero if nobody has.
	Author jid.JID
	// Signature is the signature; nil if there is none that is good.
	Signature *Signature
	// Outer is the stanza as it came.
	Outer *stanza.Stanza
}

type securityKey struct{}

// WithSecurity returns a context for the handler of a stanza that was protected.
func WithSecurity(ctx context.Context, s Security) context.Context {
	return context.WithValue(ctx, securityKey{}, s)
}

// SecurityOf returns how the stanza that a handler was called with was protected:
// the zero value if it was not. ctx is the one that the handler got.
func SecurityOf(ctx context.Context) Security {
	s, _ := ctx.Value(securityKey{}).(Security)
	return s
}

// KeyFunc finds the keys of a contact, a bare address, which messages to him are
// encrypted to and signatures of him may be by. s is the stream of the stanza in
// question. It has to leave out keys that are not trusted.
type KeyFunc func(ctx context.Context, s xmpp.Sender, contact jid.JID) ([]*Key, error)

// Known is a KeyFunc of keys that the program knows: those of a file, for
// example. The map is not changed any more.
func Known(keys map[jid.JID][]*Key) KeyFunc {
	return func(_ context.Context, _ xmpp.Sender, contact jid.JID) ([]*Key, error) {
		return keys[contact.Bare()], nil
	}
}
