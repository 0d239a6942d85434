package ox

import (
	"context"
	"crypto/sha256"
	"encoding/xml"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/delay"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/openpgp"
	"github.com/etherx-go/xmpp/openpgp/internal/eme"
	"github.com/etherx-go/xmpp/stanza"
)

// DefaultMaxSeen is the default of Extension.MaxSeen.
const DefaultMaxSeen = 4096

// Extension lets a client or component talk encrypted (XEP-0374). Attach it, wrap
// the handler of messages with Handler, and send with Send. The fields are set
// before; then it is safe for concurrent use.
type Extension struct {
	// Engine has the own keys. It must be set.
	Engine openpgp.Engine
	// Keys finds the trusted keys of contacts. nil is [FetchKeys], which believes
	// the servers; [openpgp.Pins] in front of it is better.
	Keys openpgp.KeyFunc
	// Author says who is the author of a stanza; nil: its from. A program that
	// talks in rooms tells here who an occupant is.
	Author func(st *stanza.Stanza) jid.JID
	// OnError is told of messages that could not be decrypted or verified, which
	// the handler does not get: "Entities MUST report a failure to the user"
	// (XEP-0380, section 4). nil: the error is returned, which a client logs.
	// The sender is not told, for that would help to find out keys.
	OnError func(ctx context.Context, s xmpp.Sender, st *stanza.Stanza, err error)
	// Changed is called when a contact, or the own account, announces other keys
	// than before. Usually it is the method Refresh of an [openpgp.Pins].
	Changed func(contact jid.JID)
	// Announce publishes the own keys whenever a session begins in which they
	// are not announced, and when they are taken away.
	Announce bool
	// Notice is the body outside of what Send sends; see [Notice].
	Notice string
	// MaxAge and MaxSkew are as in [Checks]. The moment that they refer to is when
	// the message came, or the one at which the own server says that it has
	// stored it.
	MaxAge, MaxSkew time.Duration
	// MaxSeen is how many messages are remembered to refuse them if they are sent
	// again. Default 4096.
	MaxSeen int

	mu   sync.Mutex
	seen map[[sha256.Size]byte]bool
	ring [][sha256.Size]byte // of seen; next is the oldest
	next int
}

// Attach adds the handler for changes of keys.
func (e *Extension) Attach(h xmpp.Host) error {
	if e.Engine == nil {
		return errors.New("ox: Extension.Engine is not set")
	}
	xmpp.HandleMessage(h.Mux(), e.event)
	return nil
}

// Features returns what the client is capable of.
func (e *Extension) Features(jid.JID) []string {
	features := []string{eme.NS, Feature}
	if e.Changed != nil || e.Announce {
		features = append(features, NodeKeys+"+notify")
	}
	return features
}

// SessionUp announces the own keys, if it is to.
func (e *Extension) SessionUp(ctx context.Context, s xmpp.Sender) {
	if !e.Announce {
		return
	}
	if err := Announce(ctx, s, e.Engine.Keys()...); err != nil && e.OnError != nil && ctx.Err() == nil {
		e.OnError(ctx, s, nil, fmt.Errorf("ox: announce keys: %w", err))
	}
}

// SessionDown does nothing.
func (e *Extension) SessionDown(xmpp.Sender, error) {}

// event is the payload of a notification.
type event struct{ node string }

// XMLName returns the element's name.
func (event) XMLName() xml.Name { return xml.Name{Space: nsEvent, Local: "event"} }

// ParseXML reads which node it is about. That is all that counts: notifications
// "may be without the payload" (XEP-0373, section 4.5).
func (ev *event) ParseXML(el stanza.Element) error {
	ev.node = el.FirstChild().Attr("node")
	return nil
}

// event takes notice of changed keys. Nothing in the notification is believed but
// that there is something to ask for.
func (e *Extension) event(ctx context.Context, s xmpp.Sender, m *stanza.Message, ev event) error {
	if ev.node != NodeKeys {
		return nil
	}
	from := m.From.Bare()
	if from.IsZero() {
		from = s.LocalAddr().Bare()
	}
	if e.Changed != nil {
		e.Changed(from)
	}
	if e.Announce && from == s.LocalAddr().Bare() {
		return Announce(ctx, s, e.Engine.Keys()...)
	}
	return nil
}

// Handler returns a handler that decrypts and verifies messages, and hands them to
// next as if what was in them had been sent in the clear; all other stanzas go to
// next as they are. Who has signed a message is told by [openpgp.SecurityOf]; it
// is empty for those that were not encrypted.
func (e *Extension) Handler(next xmpp.Handler) xmpp.Handler {
	return xmpp.HandlerFunc(func(ctx context.Context, s xmpp.Sender, st *stanza.Stanza) error {
		if st.Kind != stanza.KindMessage || st.Type == stanza.TypeError || st.Child(NS, "openpgp").IsZero() {
			return next.HandleXMPP(ctx, s, st)
		}
		author := e.author(st, s)
		o, err := e.open(ctx, s, st, author)
		switch {
		case err == nil:
			sec := openpgp.Security{Encrypted: true, Author: author, Signature: o.Signature, Outer: st}
			return next.HandleXMPP(openpgp.WithSecurity(ctx, sec), s, o.Stanza)
		case e.OnError != nil:
			e.OnError(ctx, s, st, err)
			return nil
		}
		return fmt.Errorf("ox: message from %s: %w", st.From, err)
	})
}

// author returns who has to have signed a stanza. One without from is of the own
// account.
func (e *Extension) author(st *stanza.Stanza, s xmpp.Sender) jid.JID {
	from := st.From
	if e.Author != nil {
		from = e.Author(st)
	}
	if from.IsZero() {
		from = s.LocalAddr()
	}
	return from.Bare()
}

func (e *Extension) open(ctx context.Context, s xmpp.Sender, st *stanza.Stanza, author jid.JID) (*Opened, error) {
	own := s.LocalAddr()
	keys, err := e.keys(ctx, s, author)
	if err != nil {
		return nil, err
	}
	checks := Checks{From: author, To: st.To, Keys: keys, MaxAge: e.MaxAge, MaxSkew: e.MaxSkew}
	if checks.To.IsZero() {
		checks.To = own
	}
	for _, by := range []jid.JID{own.Bare(), own.DomainJID()} {
		if d, ok := delay.By(st, by); ok {
			checks.At = d.Stamp
		}
	}
	o, err := Open(ctx, e.Engine, st, checks)
	if err != nil {
		return nil, err
	}
	if !e.remember(author, &o.Content) {
		return nil, ErrReplay
	}
	return o, nil
}

// remember reports whether a content of an author is new.
func (e *Extension) remember(author jid.JID, c *Content) bool {
	b, err := c.AppendXML([]byte(author.String() + "\n"))
	if err != nil {
		return false
	}
	sum := sha256.Sum256(b)
	limit := e.MaxSeen
	if limit <= 0 {
		limit = DefaultMaxSeen
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.seen[sum] {
		return false
	}
	if e.seen == nil {
		e.seen = map[[sha256.Size]byte]bool{}
	}
	if len(e.ring) < limit {
		e.ring = append(e.ring, sum)
	} else {
		delete(e.seen, e.ring[e.next])
		e.ring[e.next] = sum
		e.next = (e.next + 1) % limit
	}
	e.seen[sum] = true
	return true
}

// keys returns the trusted keys of somebody; those of the own account include the
// own ones in any case.
func (e *Extension) keys(ctx context.Context, s xmpp.Sender, addr jid.JID) ([]*openpgp.Key, error) {
	find := e.Keys
	if find == nil {
		find = FetchKeys
	}
	keys, err := find(ctx, s, addr.Bare())
	if addr.Bare() == s.LocalAddr().Bare() {
		return append(keys[:len(keys):len(keys)], e.Engine.Keys()...), nil
	}
	return keys, err
}

// Seal encrypts a message to all keys of the addressee, as [Seal] does. For a
// room, further has the addresses of its members.
func (e *Extension) Seal(ctx context.Context, s xmpp.Sender, m *stanza.Message, further ...jid.JID) (
	*stanza.Message, error,
) {
	readers := further
	if m.Type != stanza.TypeGroupChat {
		readers = append([]jid.JID{m.To}, further...)
	}
	var keys []*openpgp.Key
	for _, addr := range readers {
		k, err := e.keys(ctx, s, addr)
		if err != nil {
			return nil, err
		}
		if len(k) == 0 {
			return nil, fmt.Errorf("%w: %s has none", openpgp.ErrNoKey, addr.Bare())
		}
		keys = append(keys, k...)
	}
	return Seal(ctx, e.Engine, m, keys, e.Notice, further...)
}

// Send encrypts a message as Seal does, and sends it. It never sends it in the
// clear.
func (e *Extension) Send(ctx context.Context, s xmpp.Sender, m *stanza.Message, further ...jid.JID) error {
	sealed, err := e.Seal(ctx, s, m, further...)
	if err != nil {
		return err
	}
	return xmpp.Send(ctx, s, sealed)
}
