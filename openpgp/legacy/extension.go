package legacy

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/openpgp"
	"github.com/etherx-go/xmpp/stanza"
)

// DefaultMaxPeers is the default of Extension.MaxPeers.
const DefaultMaxPeers = 10000

// Extension decrypts messages for a client or component, and remembers whose
// presence is signed. Attach it, and wrap the handler of messages with Handler.
// The fields are set before; then it is safe for concurrent use.
type Extension struct {
	// Engine has the own keys. It must be set.
	Engine openpgp.Engine
	// Keys finds the keys of contacts: this form has no way to ask for them.
	// nil: nobody's are known.
	Keys openpgp.KeyFunc
	// OnError is told of messages that could not be decrypted, which the handler
	// does not get, and of signed presence whose signature is not good. nil: the
	// error is returned, which a client logs.
	OnError func(ctx context.Context, s xmpp.Sender, st *stanza.Stanza, err error)
	// Notice is the body of what Send sends; see [Notice].
	Notice string
	// MaxPeers bounds for how many full addresses signatures are remembered,
	// default 10000; of more than that they are not.
	MaxPeers int

	mu    sync.Mutex
	peers map[jid.JID]*openpgp.Signature
}

// Attach adds the handler for presence.
func (e *Extension) Attach(h xmpp.Host) error {
	if e.Engine == nil {
		return errors.New("legacy: Extension.Engine is not set")
	}
	for _, t := range []stanza.Type{stanza.TypeAvailable, stanza.TypeUnavailable} {
		h.Mux().Handle(xmpp.Pattern{Kind: stanza.KindPresence, Types: []stanza.Type{t}}, xmpp.HandlerFunc(e.presence))
	}
	return nil
}

// Handler returns a handler that decrypts messages and hands them to next; all
// other stanzas go to next as they are. How a message was protected is told by
// [openpgp.SecurityOf].
func (e *Extension) Handler(next xmpp.Handler) xmpp.Handler {
	return xmpp.HandlerFunc(func(ctx context.Context, s xmpp.Sender, st *stanza.Stanza) error {
		if st.Kind != stanza.KindMessage || st.Type == stanza.TypeError || st.Child(NSEncrypted, "x").IsZero() {
			return next.HandleXMPP(ctx, s, st)
		}
		keys, err := e.keys(ctx, s, st.From)
		if err != nil {
			keys = nil // it can be read all the same
		}
		clear, security, err := Decrypt(ctx, e.Engine, st, keys, time.Time{})
		if err != nil {
			return e.fail(ctx, s, st, err)
		}
		return next.HandleXMPP(openpgp.WithSecurity(ctx, security), s, clear)
	})
}

func (e *Extension) fail(ctx context.Context, s xmpp.Sender, st *stanza.Stanza, err error) error {
	if e.OnError != nil {
		e.OnError(ctx, s, st, err)
		return nil
	}
	return fmt.Errorf("legacy: %s from %s: %w", st.Kind, st.From, err)
}

func (e *Extension) keys(ctx context.Context, s xmpp.Sender, addr jid.JID) ([]*openpgp.Key, error) {
	if e.Keys == nil {
		return nil, nil
	}
	return e.Keys(ctx, s, addr.Bare())
}

// presence remembers whose presence is signed.
func (e *Extension) presence(ctx context.Context, s xmpp.Sender, st *stanza.Stanza) error {
	if st.Type == stanza.TypeUnavailable || st.Child(NSSigned, "x").IsZero() {
		e.forget(st.From)
		return nil
	}
	keys, err := e.keys(ctx, s, st.From)
	var sig *openpgp.Signature
	if err == nil {
		sig, err = Verify(ctx, e.Engine, st, keys, time.Time{})
	}
	if err != nil {
		e.forget(st.From)
		return e.fail(ctx, s, st, err)
	}
	limit := e.MaxPeers
	if limit <= 0 {
		limit = DefaultMaxPeers
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.peers == nil {
		e.peers = map[jid.JID]*openpgp.Signature{}
	}
	if _, known := e.peers[st.From]; known || len(e.peers) < limit {
		e.peers[st.From.Clone()] = sig
	}
	return nil
}

// forget forgets a full address, or all those of a bare one.
func (e *Extension) forget(addr jid.JID) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.peers, addr)
	if addr.IsFull() {
		return
	}
	for peer := range e.peers {
		if peer.Bare() == addr {
			delete(e.peers, peer)
		}
	}
}

// Peer returns the signature of the last presence of a full address: its key is
// the one to encrypt to, for "the only indicator that another user encrypts" is
// that his presence is signed (draft-miller-xmpp-core-02, appendix C.1). ok is
// false if he is not there, or does not sign.
func (e *Extension) Peer(full jid.JID) (sig *openpgp.Signature, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	sig, ok = e.peers[full]
	return sig, ok
}

// Send encrypts a message and sends it: to the key that the addressee signs his
// presence with, or to all of his keys that are known.
func (e *Extension) Send(ctx context.Context, s xmpp.Sender, m *stanza.Message) error {
	var to []*openpgp.Key
	if sig, ok := e.Peer(m.To); ok {
		to = []*openpgp.Key{sig.Key}
	} else {
		var err error
		if to, err = e.keys(ctx, s, m.To); err != nil {
			return err
		}
	}
	sealed, err := Encrypt(ctx, e.Engine, m, to, e.Notice)
	if err != nil {
		return err
	}
	return xmpp.Send(ctx, s, sealed)
}

// SessionUp does nothing.
func (e *Extension) SessionUp(context.Context, xmpp.Sender) {}

// SessionDown forgets everybody's presence.
func (e *Extension) SessionDown(xmpp.Sender, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.peers = nil
}
