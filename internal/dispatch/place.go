package dispatch

import (
	"context"
	"sync"
)

// place is one of the MaxConcurrent places for handlers, as one handler holds
// it. It is the handler's context, too.
type place struct {
	context.Context
	cancel context.CancelFunc
	d      *Dispatcher

	// Guarded by the lock of d.
	waits int  // goroutines of the handler that wait; the place is given away if any does
	over  bool // the handler has returned
}

type placeKey struct{}

func newPlace(d *Dispatcher, ctx context.Context) *place {
	ctx, cancel := context.WithCancel(ctx)
	return &place{Context: ctx, cancel: cancel, d: d}
}

// Value makes the place findable in contexts that are made from it.
func (p *place) Value(key any) any {
	if key == (placeKey{}) {
		return p
	}
	return p.Context.Value(key)
}

// Park gives away the place of the handler that ctx belongs to, until the
// function that it returns is called: other handlers can run while this one
// waits for something that does not depend on a place. With the context of
// anything else than a handler it does nothing.
//
// Neither call blocks. A handler may wait in several goroutines at once; it has
// its place back when none of them waits any more.
func Park(ctx context.Context) (unpark func()) {
	p, _ := ctx.Value(placeKey{}).(*place)
	if p == nil {
		return func() {}
	}
	p.park()
	return sync.OnceFunc(p.unpark)
}

func (p *place) park() {
	p.d.mu.Lock()
	defer p.d.mu.Unlock()
	if p.waits++; p.waits > 1 || p.over {
		return
	}
	p.d.running--
	p.d.waiting++
	p.d.schedule()
}

// unpark takes a place back without waiting for a free one: a handler that
// holds one might be waiting for something that this one holds, a mutex say.
func (p *place) unpark() {
	p.d.mu.Lock()
	defer p.d.mu.Unlock()
	if p.waits--; p.waits > 0 || p.over {
		return
	}
	p.d.waiting--
	p.d.running++
}
