package correct

import (
	"context"
	"strings"
	"sync"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/internal/lru"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// DefaultMax is of how many senders an [Extension] remembers the last message by
// default.
const DefaultMax = 1000

// maxID bounds the length of ids; a message with a longer one cannot be corrected.
const maxID = 1024

// Extension receives corrections. Attach it to a client or component, before
// what else handles messages; handlers of messages get those that are corrections
// too, and find them by [Of].
type Extension struct {
	// OnCorrection is called for each message m that may take the place of the
	// one with the id original, the last one of its sender. One that may not is
	// a message like any other.
	OnCorrection func(ctx context.Context, s xmpp.Sender, m *stanza.Message, original string)
	// IsRoom says which bare addresses are rooms, so that their occupants are
	// not mixed up in private messages. nil: none is.
	IsRoom func(room jid.JID) bool
	// Max bounds of how many senders the last message is remembered, those that
	// were silent for the longest time are forgotten. 0 stands for [DefaultMax],
	// -1 for no bound.
	Max int

	mu   sync.Mutex
	last lru.Map[source, string] // the id of the last message
}

// Attach adds the handlers.
func (e *Extension) Attach(h xmpp.Host) error {
	h.Mux().OnMessage(func(ctx context.Context, s xmpp.Sender, m *stanza.Message) error {
		if original, ok := e.Incoming(m); ok && e.OnCorrection != nil {
			e.OnCorrection(ctx, s, m, original)
		}
		return nil
	})
	unavailable := xmpp.Pattern{Kind: stanza.KindPresence, Types: []stanza.Type{stanza.TypeUnavailable}}
	h.Mux().Handle(unavailable, xmpp.HandlerFunc(func(_ context.Context, _ xmpp.Sender, st *stanza.Stanza) error {
		e.Left(st.From, st.To)
		return nil
	}))
	return nil
}

// Features returns [NS].
func (e *Extension) Features(jid.JID) []string { return []string{NS} }

// Incoming takes a message with a body that has come, and returns which one it
// corrects, if it may. Only the last message of a sender can be corrected, any
// number of times; further back is "out of scope" (section 4). Programs that
// attach the extension need not call it.
func (e *Extension) Incoming(m *stanza.Message) (original string, ok bool) {
	if m.Type == stanza.TypeError {
		return "", false
	}
	key := sender(m, e.IsRoom != nil && e.IsRoom(m.From.Bare()))
	c, isCorrection := Of(m)
	e.mu.Lock()
	defer e.mu.Unlock()
	if last, ok := e.last.Get(key); ok && isCorrection && last == c.ID {
		return last, true
	}
	max := e.Max
	if max == 0 {
		max = DefaultMax
	}
	id := ""
	if len(m.ID) <= maxID {
		id = strings.Clone(m.ID)
	}
	key.from, key.to = key.from.Clone(), key.to.Clone()
	e.last.Put(key, id, max)
	return "", false
}

// Left forgets the last message of an occupant who has left a room, with the
// own address of the presence that said so: "a full JID leaving the room then
// rejoining and correcting a message SHOULD be disallowed, as the entity behind
// the full JID in the MUC may have changed" (section 5).
func (e *Extension) Left(occupant, own jid.JID) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !occupant.IsFull() {
		return
	}
	e.last.Delete(source{occupant, own.Bare(), true})
	e.last.Delete(source{occupant, own.Bare(), false})
}
