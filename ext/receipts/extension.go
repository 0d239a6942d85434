package receipts

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

// DefaultMaxPending is how many messages an [Extension] waits for receipts of
// by default.
const DefaultMaxPending = 1000

// Extension gives receipts, asks for them, and takes them. Attach it to a client
// or component.
type Extension struct {
	// Allow says who gets receipts. They tell that one is there, so "a recipient
	// SHOULD NOT return message delivery receipts to senders who are not
	// otherwise authorized to view its presence" (section 8). nil: only the own
	// account. See [Anyone].
	Allow func(from jid.JID) bool
	// Manual leaves it to the program to send what [Reply] returns, after it
	// has done what the message asks for. Otherwise a receipt is sent as soon as
	// the message is there.
	Manual bool
	// OnReceipt is called for each receipt of a message that was prepared by
	// Request. As there can be several clients there can be several receipts
	// of one message.
	OnReceipt func(ctx context.Context, r Receipt)
	// MaxPending bounds how many messages are waited for; of more than that
	// the oldest are forgotten. 0 stands for [DefaultMaxPending], -1 for no bound.
	MaxPending int

	mu      sync.Mutex
	pending lru.Map[string, jid.JID] // whom the message with this id was sent to
}

// Receipt says that a message has arrived.
type Receipt struct {
	ID   string  // of the message
	From jid.JID // who got it; the bare address is that of the message
}

// Anyone allows receipts to everybody: for a service whose presence is no
// secret.
func Anyone(jid.JID) bool { return true }

// Attach adds the handlers.
func (e *Extension) Attach(h xmpp.Host) error {
	if !e.Manual {
		xmpp.HandleMessage(h.Mux(), e.answer)
	}
	xmpp.HandleMessage(h.Mux(), e.receive)
	return nil
}

// Features returns [NS].
func (e *Extension) Features(jid.JID) []string { return []string{NS} }

// answer sends the receipt that a message asks for, if its sender may have one.
// Else it "MUST NOT return a receipt and SHOULD NOT return an error" (section
// 7).
func (e *Extension) answer(ctx context.Context, s xmpp.Sender, m *stanza.Message, _ Request) error {
	if !e.allows(m.From, s.LocalAddr()) {
		return nil
	}
	reply := Reply(m)
	if reply == nil {
		return nil
	}
	return xmpp.Send(ctx, s, reply)
}

func (e *Extension) allows(from, own jid.JID) bool {
	if e.Allow == nil {
		return from.Bare() == own.Bare()
	}
	return e.Allow(from)
}

// Request makes a message ask for a receipt, giving it an id if it has none,
// and waits for that. Send the message then. The error is not-allowed for
// messages that should not ask: errors, groupchats, receipts, and those to
// nobody.
func (e *Extension) Request(m *stanza.Message) error {
	st, err := m.Stanza()
	if err != nil {
		return err
	}
	if m.Type == stanza.TypeError || m.Type == stanza.TypeGroupChat || m.To.IsZero() || isReceipt(st) {
		return stanza.NewError(stanza.NotAllowed, "a message that must not ask for a receipt")
	}
	if m.ID == "" {
		m.ID = rand.Text()
	}
	if _, _, asks := payload.Of[Request](st); !asks {
		m.Payloads = append(m.Payloads, Request{})
	}
	max := e.MaxPending
	if max == 0 {
		max = DefaultMaxPending
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.pending.Put(m.ID, m.To, max)
	return nil
}

// receive takes a receipt, if it is of somebody the message was sent to: at
// whatever resource, for servers may choose another one (section 4).
func (e *Extension) receive(ctx context.Context, _ xmpp.Sender, m *stanza.Message, r Received) error {
	e.mu.Lock()
	to, ok := e.pending.Get(r.ID)
	e.mu.Unlock()
	if ok && to.Bare() == m.From.Bare() && e.OnReceipt != nil {
		e.OnReceipt(ctx, Receipt{r.ID, m.From})
	}
	return nil
}
