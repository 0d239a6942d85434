// Package pace sends many stanzas to one recipient without filling its outbox.
package pace

import (
	"context"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/stanza"
)

// Sender is an xmpp.Sender of a server that can wait for a client which reads
// slowly.
type Sender interface {
	// SendPaced sends as Send does, but waits as long as ctx and the stream last
	// when the outbox of the recipient is full, and does not take the recipient
	// for one that does not read.
	SendPaced(ctx context.Context, st *stanza.Stanza) error
}

// Send sends a stanza, with SendPaced if s has it.
func Send(ctx context.Context, s xmpp.Sender, st *stanza.Stanza) error {
	if p, ok := s.(Sender); ok {
		return p.SendPaced(ctx, st)
	}
	return s.Send(ctx, st)
}
