package attention

import (
	"context"
	"sync"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/internal/lru"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// DefaultInterval is how often one sender may ask for attention by default.
const DefaultInterval = 30 * time.Second

// maxSenders bounds of how many senders the last time is remembered.
const maxSenders = 1000

// Extension receives requests for attention. Attach it to a client or component.
type Extension struct {
	// OnAttention is called for each request that passes. nil: the feature is
	// disabled, and "when the feature is disabled, it MUST NOT be advertised"
	// (section 6).
	OnAttention func(ctx context.Context, s xmpp.Sender, msg *stanza.Message)
	// Allow says whose requests are let through: "only contacts that are in the
	// user's roster or with whom the user's client is currently sharing directed
	// presence" (section 7) is recommended. nil: only those of the own account.
	Allow func(from jid.JID) bool
	// Interval is the least time between two requests of one sender; what comes
	// sooner is dropped. 0 stands for [DefaultInterval], -1 for no limit.
	Interval time.Duration

	mu   sync.Mutex
	last lru.Map[jid.JID, time.Time] // by bare address
}

// Attach adds the handler.
func (e *Extension) Attach(h xmpp.Host) error {
	if e.OnAttention == nil {
		return nil
	}
	xmpp.HandleMessage(h.Mux(), func(ctx context.Context, s xmpp.Sender, m *stanza.Message, _ Attention) error {
		if Of(m) && e.allows(m.From, s.LocalAddr()) && e.inTime(m.From) {
			e.OnAttention(ctx, s, m)
		}
		return nil
	})
	return nil
}

// Features returns [NS], or nothing if there is no OnAttention.
func (e *Extension) Features(jid.JID) []string {
	if e.OnAttention == nil {
		return nil
	}
	return []string{NS}
}

func (e *Extension) allows(from, own jid.JID) bool {
	if e.Allow == nil {
		return from.Bare() == own.Bare()
	}
	return e.Allow(from)
}

// inTime reports whether the sender has been quiet for long enough.
func (e *Extension) inTime(from jid.JID) bool {
	interval := e.Interval
	if interval == 0 {
		interval = DefaultInterval
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Now()
	if last, ok := e.last.Get(from.Bare()); ok && now.Sub(last) < interval {
		return false
	}
	e.last.Put(from.Bare().Clone(), now, maxSenders)
	return true
}
