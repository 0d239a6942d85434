package rosterx

import (
	"context"
	"sync"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/internal/lru"
	"github.com/etherx-go/xmpp/jid"
	legacy "github.com/etherx-go/xmpp/legacy/rosterx"
	"github.com/etherx-go/xmpp/stanza"
)

// Defaults of the bounds of an [Extension].
const (
	// DefaultMaxItems: "sets of more than 150 or 200 roster items SHOULD be
	// treated with suspicion" (section 6).
	DefaultMaxItems     = 200
	DefaultMaxPerMinute = 10
)

// maxSenders bounds of how many senders the suggestions are counted.
const maxSenders = 1000

// Received is a suggestion that has come.
type Received struct {
	Suggestion
	From jid.JID
	Body string // of the message, "" in an iq
	// Trusted: the sender is one of those that [Extension.Trusted] names. If
	// not, nothing may be done unless the user says so.
	Trusted bool
}

// Extension receives suggestions. Attach it to a client or component.
type Extension struct {
	// OnSuggestion is called for each suggestion that passes. Its error is the
	// answer to an iq; of a message nobody is told. nil: none is accepted, and
	// the feature is not announced.
	OnSuggestion func(ctx context.Context, r Received) error
	// Trusted says who may change the roster without asking each time: gateways
	// and group services with which the user has registered and knows about it
	// (sections 7.2, 7.3, 8.1), never other users. nil: nobody. Others can only
	// suggest to add.
	Trusted func(from jid.JID) bool
	// Hidden keeps the feature from being announced, which is allowed (section
	// 8.3).
	Hidden bool
	// MaxItems bounds the items of a suggestion. 0 stands for [DefaultMaxItems],
	// -1 for no bound.
	MaxItems int
	// MaxPerMinute bounds how many suggestions of one sender are accepted in a
	// minute, against "alternating add and delete suggestions" (section 8.2). 0
	// stands for [DefaultMaxPerMinute], -1 for no bound.
	MaxPerMinute int

	mu    sync.Mutex
	count lru.Map[jid.JID, window] // by bare address
}

// window counts what came since a time.
type window struct {
	since time.Time
	n     int
}

// Attach adds the handlers.
func (e *Extension) Attach(h xmpp.Host) error {
	if e.OnSuggestion == nil {
		return nil
	}
	m := h.Mux()
	xmpp.HandleIQ(m, stanza.TypeSet, func(ctx context.Context, r xmpp.Request[Suggestion]) (any, error) {
		return nil, e.receive(ctx, Received{Suggestion: r.Payload, From: r.From}, nil)
	})
	xmpp.HandleMessage(m, func(ctx context.Context, _ xmpp.Sender, m *stanza.Message, s Suggestion) error {
		return e.receive(ctx, Received{Suggestion: s, From: m.From, Body: m.Body}, m)
	})
	xmpp.HandleMessage(m, func(ctx context.Context, _ xmpp.Sender, m *stanza.Message, x legacy.Items) error {
		if hasSuggestion(m) {
			return nil // the old form stands beside that of today
		}
		return e.receive(ctx, Received{Suggestion: fromLegacy(x), From: m.From, Body: m.Body}, m)
	})
	return nil
}

// Features returns [NS], or nothing if there is no OnSuggestion, or Hidden is
// set.
func (e *Extension) Features(jid.JID) []string {
	if e.OnSuggestion == nil || e.Hidden {
		return nil
	}
	return []string{NS}
}

func hasSuggestion(m *stanza.Message) bool {
	for _, p := range m.Payloads {
		if el, ok := p.(stanza.Element); ok && el.Is(NS, "x") {
			return true
		}
	}
	return false
}

// receive hands the suggestion on if it passes. m is the message it came in, nil
// for an iq: what does not pass is not answered in messages.
func (e *Extension) receive(ctx context.Context, r Received, m *stanza.Message) error {
	if m != nil && m.Type == stanza.TypeGroupChat {
		return nil
	}
	r.Trusted = e.Trusted != nil && e.Trusted(r.From)
	if err := e.check(&r); err != nil {
		if m != nil {
			return nil
		}
		return err
	}
	return e.OnSuggestion(ctx, r)
}

func (e *Extension) check(r *Received) error {
	if max := orDefault(e.MaxItems, DefaultMaxItems); max >= 0 && len(r.Items) > max {
		return stanza.NewError(stanza.PolicyViolation, "too many roster items")
	}
	if !e.inTime(r.From) {
		return stanza.NewError(stanza.ResourceConstraint, "too many suggestions")
	}
	if !r.Trusted && r.Action != Add {
		return stanza.NewError(stanza.Forbidden, "only additions can be suggested")
	}
	return nil
}

// inTime counts the suggestions of a sender, and reports whether this one is
// within the bound.
func (e *Extension) inTime(from jid.JID) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Now()
	w, ok := e.count.Get(from.Bare())
	if !ok || now.Sub(w.since) >= time.Minute {
		w = window{since: now}
	}
	w.n++
	e.count.Put(from.Bare().Clone(), w, maxSenders)
	max := orDefault(e.MaxPerMinute, DefaultMaxPerMinute)
	return max < 0 || w.n <= max
}

func orDefault(n, def int) int {
	if n == 0 {
		return def
	}
	return n
}
