package autoupdate

import (
	"context"
	"errors"
	"slices"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// ErrNoAddress is returned by [Announce] for a program that has no address.
var ErrNoAddress = errors.New("autoupdate: a program is announced to client@server")

// Announce tells the update service that the version of a program is installed,
// by presence to program@service/version; program is a bare address. The service
// learns who the user is.
func Announce(ctx context.Context, s xmpp.Sender, program jid.JID, version string) error {
	if program.Local() == "" {
		return ErrNoAddress
	}
	to, err := program.Bare().WithResource(version)
	if err != nil {
		return err
	}
	return xmpp.Send(ctx, s, &stanza.Presence{To: to})
}

// Ask asks for the versions of a program. An error reply is returned as a
// *stanza.Error.
func Ask(ctx context.Context, s xmpp.Sender, program jid.JID) (Versions, error) {
	return xmpp.Call[Versions](ctx, s, stanza.TypeGet, program, Versions{})
}

// Received is a notice that has come.
type Received struct {
	Notice
	From          jid.JID
	Subject, Body string // for people
}

// Extension receives notices. Attach it to a client.
type Extension struct {
	// Services are those whose notices count, as program@service or as the
	// domain of a service. All others are ignored.
	Services []jid.JID
	// OnNotice is called for each notice. It must be set. The address in it may
	// be on another service; ask it only if that one is trusted, too.
	OnNotice func(ctx context.Context, r Received) error
}

// Attach adds the handler.
func (e *Extension) Attach(h xmpp.Host) error {
	if e.OnNotice == nil {
		return errors.New("autoupdate: Extension.OnNotice is not set")
	}
	xmpp.HandleMessage(h.Mux(), func(ctx context.Context, _ xmpp.Sender, m *stanza.Message, n Notice) error {
		if !slices.Contains(e.Services, m.From.Bare()) && !slices.Contains(e.Services, m.From.DomainJID()) {
			return nil
		}
		return e.OnNotice(ctx, Received{n, m.From, m.Subject, m.Body})
	})
	return nil
}

// Features returns [NSNotice].
func (e *Extension) Features(jid.JID) []string { return []string{NSNotice} }
