package markers

import (
	"context"
	"crypto/rand"
	"sync"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/internal/payload"
	"github.com/etherx-go/xmpp/internal/lru"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// DefaultMaxChats is how many chats an [Extension] remembers by default.
const DefaultMaxChats = 1000

// Extension asks for markers in chats with one contact, and takes them. Attach it
// to a client or component. Markers are sent by the program, which knows what is
// displayed: [Reply]. For rooms the program keeps a [Progress] itself.
type Extension struct {
	// OnDisplayed is called when a contact has displayed messages that were
	// prepared by Request; ids are theirs, in the order they were prepared.
	OnDisplayed func(ctx context.Context, from jid.JID, ids []string)
	// MaxChats bounds of how many contacts messages are remembered; 0 stands for
	// [DefaultMaxChats], -1 for no bound.
	MaxChats int
	// MaxMessages bounds how many messages are remembered of each chat; 0 stands
	// for [DefaultMaxMessages], -1 for no bound.
	MaxMessages int

	mu    sync.Mutex
	chats lru.Map[jid.JID, *Progress] // by the contact's bare address
}

// Attach adds the handler.
func (e *Extension) Attach(h xmpp.Host) error {
	xmpp.HandleMessage(h.Mux(), e.receive)
	return nil
}

// Features returns [NS].
func (e *Extension) Features(jid.JID) []string { return []string{NS} }

// Request makes a message ask for a marker, giving it an id if it has none, and
// waits for that. Send the message then. The error is not-allowed for messages
// that should not ask: errors, those in rooms, where nobody needs to ask, markers
// themselves, and those to nobody.
func (e *Extension) Request(m *stanza.Message) error {
	st, err := m.Stanza()
	if err != nil {
		return err
	}
	if m.Type == stanza.TypeError || m.Type == stanza.TypeGroupChat || m.To.IsZero() || isMarker(st) {
		return stanza.NewError(stanza.NotAllowed, "a message that must not ask for a marker")
	}
	if m.ID == "" {
		m.ID = rand.Text()
	}
	if _, _, asks := payload.Of[Markable](st); !asks {
		m.Payloads = append(m.Payloads, Markable{})
	}
	e.chat(m.To.Bare()).Add(m.ID)
	return nil
}

// chat returns the chat with a contact.
func (e *Extension) chat(contact jid.JID) *Progress {
	e.mu.Lock()
	defer e.mu.Unlock()
	p, ok := e.chats.Get(contact)
	if !ok {
		p = &Progress{MaxMessages: e.MaxMessages, MaxReaders: 1}
		e.chats.Put(contact.Clone(), p, orDefault(e.MaxChats, DefaultMaxChats))
	}
	return p
}

func (e *Extension) receive(ctx context.Context, _ xmpp.Sender, m *stanza.Message, d Displayed) error {
	if m.Type == stanza.TypeGroupChat {
		return nil
	}
	e.mu.Lock()
	p, ok := e.chats.Get(m.From.Bare())
	e.mu.Unlock()
	if !ok {
		return nil
	}
	if ids, ok := p.Mark("", d.ID); ok && e.OnDisplayed != nil {
		e.OnDisplayed(ctx, m.From, ids)
	}
	return nil
}
