package server

import "sync"

// reader is a stream whose goroutine handles what it reads.
type reader interface {
	// readOn reads on in place of a goroutine whose handler waits.
	readOn()
}

// turn is a stream's goroutine while it runs a handler. A handler that waits
// for a reply with Do hands the reading of the stream over to a new goroutine
// first: the reply may come on this very stream. So a handler may call Do at
// any depth, and a session costs no second goroutine as long as none does.
type turn struct {
	by reader // nil: the goroutine is not a stream's

	mu       sync.Mutex
	over     bool // reading has been handed over
	returned bool // the handler has returned
}

type turnKey struct{}

// handOver is called before a handler waits.
func (t *turn) handOver() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.by == nil || t.over || t.returned {
		return
	}
	t.over = true
	go t.by.readOn()
}

// done is called when the handler has returned. It reports whether reading has
// been handed over.
func (t *turn) done() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.returned = true
	return t.over
}
