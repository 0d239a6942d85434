// Package pending keeps the iq requests that wait for a reply.
//
// A request is in the table before its bytes are queued, so that no reply can
// come too early. The goroutine that reads the stream resolves requests; it is
// never blocked by one that nobody waits for any more.
package pending

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"sync"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// ErrDuplicate says that a request with the same id already waits for a reply
// from the same address.
var ErrDuplicate = errors.New("pending: a request with this id to this address waits already")

// Table holds the requests of one session. It is safe for concurrent use.
type Table struct {
	self jid.JID

	mu     sync.Mutex
	byID   map[string][]*Request
	closed error // set by FailAll
}

// New returns a table for an entity with the address self: the full JID of a
// client, the domain of a component. With a zero self only exact addresses
// match; see [Accepts].
func New(self jid.JID) *Table {
	return &Table{self: self.Clone(), byID: make(map[string][]*Request)}
}

// Request is one request that waits. Its methods are for one goroutine.
type Request struct {
	table *Table
	id    string
	to    jid.JID
	reply chan result // buffered, written once
}

type result struct {
	st  *stanza.Stanza
	err error
}

// Add registers a request to the address to. An empty id is replaced by one
// that cannot be guessed. The error is [ErrDuplicate], or what FailAll was
// called with. Wait or Cancel must be called in the end.
func (t *Table) Add(id string, to jid.JID) (*Request, error) {
	if id == "" {
		id = rand.Text()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed != nil {
		return nil, t.closed
	}
	for _, r := range t.byID[id] {
		if ambiguous(t.self, r.to, to) {
			return nil, ErrDuplicate
		}
	}
	r := &Request{table: t, id: id, to: to, reply: make(chan result, 1)}
	t.byID[id] = append(t.byID[id], r)
	return r, nil
}

// Resolve hands st, an iq of type result or error, to the request that it
// answers. It reports false if there is none: the id is unknown, or the reply
// comes from an address that was not asked. It never blocks.
func (t *Table) Resolve(st *stanza.Stanza) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range t.byID[st.ID] {
		if Accepts(t.self, r.to, st.From) {
			t.remove(r)
			r.reply <- result{st: st}
			return true
		}
	}
	return false
}

// FailAll ends all requests, and those to come, with err.
func (t *Table) FailAll(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed != nil {
		return
	}
	t.closed = err
	for _, rs := range t.byID {
		for _, r := range rs {
			r.reply <- result{err: err}
		}
	}
	clear(t.byID)
}

// Len returns how many requests wait.
func (t *Table) Len() (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, rs := range t.byID {
		n += len(rs)
	}
	return n
}

// remove takes r out. Under the lock.
func (t *Table) remove(r *Request) {
	rs := t.byID[r.id]
	i := slices.Index(rs, r)
	switch {
	case i < 0:
	case len(rs) == 1:
		delete(t.byID, r.id)
	default:
		t.byID[r.id] = slices.Delete(rs, i, i+1)
	}
}

// ID returns the id that the request has to be sent with.
func (r *Request) ID() string { return r.id }

// Wait returns the reply, of whatever type it is. The error is that of FailAll,
// or that of ctx; the request is given up then.
func (r *Request) Wait(ctx context.Context) (*stanza.Stanza, error) {
	select {
	case res := <-r.reply:
		return res.st, res.err
	case <-ctx.Done():
		r.Cancel()
	}
	// What came before the request was taken out still counts.
	select {
	case res := <-r.reply:
		return res.st, res.err
	default:
		return nil, ctx.Err()
	}
}

// Cancel gives the request up. A reply that comes later is not taken.
func (r *Request) Cancel() {
	r.table.mu.Lock()
	defer r.table.mu.Unlock()
	r.table.remove(r)
}
