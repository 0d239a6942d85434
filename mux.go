package xmpp

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/etherx-go/xmpp/stanza"
)

// Mux is a Handler that finds the handler for a stanza by its kind, type and
// payloads. The zero Mux is ready to use. Handlers can be added at any time,
// from any goroutine.
//
// An iq of type get or set goes to one handler, the one whose pattern says
// most: first about the payload, then about the type, then about the kind;
// among equals the one that was added last. If there is none it is answered
// with service-unavailable. One that has not exactly one child is answered with
// bad-request (RFC 6120, section 8.2.3). A handler's error is the reply.
//
// Everything else goes to every handler that matches, in the order they were
// added. An iq or presence of a type that is not defined is answered with
// bad-request if no handler lists it.
//
// A panic of a handler is caught: an iq is answered with internal-server-error,
// and HandleXMPP returns a [*PanicError].
type Mux struct {
	// NoErrorCodes leaves the numeric codes of XEP-0086, which only very old
	// peers know, out of error replies. Set it before the first stanza.
	NoErrorCodes bool

	mu     sync.Mutex // guards changes
	routes atomic.Pointer[[]route]
}

// Handle adds a handler.
func (m *Mux) Handle(p Pattern, h Handler) {
	p.Types = slices.Clone(p.Types)
	m.mu.Lock()
	defer m.mu.Unlock()
	routes := append(slices.Clone(m.list()), route{p, h, p.rank()})
	m.routes.Store(&routes)
}

func (m *Mux) list() []route {
	if p := m.routes.Load(); p != nil {
		return *p
	}
	return nil
}

// HandleXMPP hands the stanza to the handlers that are for it. It returns what
// there is to log: errors that were not meant for the sender of the stanza, and
// those of s.
func (m *Mux) HandleXMPP(ctx context.Context, s Sender, st *stanza.Stanza) error {
	v := view{Stanza: st}
	if st.Kind == stanza.KindIQ && st.Type.IsRequest() {
		return m.handleRequest(ctx, s, &v)
	}
	var errs []error
	matched := false
	routes := m.list()
	for i := range routes {
		if !routes[i].matches(&v) {
			continue
		}
		matched = true
		if err := call(ctx, routes[i].h, s, st); err != nil {
			errs = append(errs, err)
		}
	}
	if !matched && !v.isDefined() {
		return m.refuse(ctx, s, st, stanza.BadRequest)
	}
	return errors.Join(errs...)
}

func (m *Mux) handleRequest(ctx context.Context, s Sender, v *view) error {
	if v.payloads(); v.n != 1 {
		return m.refuse(ctx, s, v.Stanza, stanza.BadRequest)
	}
	var best *route
	routes := m.list()
	for i := range routes {
		if r := &routes[i]; (best == nil || r.rank >= best.rank) && r.matches(v) {
			best = r
		}
	}
	if best == nil {
		return m.refuse(ctx, s, v.Stanza, stanza.ServiceUnavailable)
	}
	err := call(ctx, best.h, s, v.Stanza)
	if err == nil {
		return nil
	}
	sendErr := m.refuse(ctx, s, v.Stanza, err)
	if isAnswer(err) {
		err = nil // the sender has been told; there is nothing to log
	}
	return errors.Join(err, sendErr)
}

// refuse answers st with an error.
func (m *Mux) refuse(ctx context.Context, s Sender, st *stanza.Stanza, err error) error {
	e := *stanza.AsError(err)
	if m.NoErrorCodes {
		e.Code = stanza.NoCode
	}
	return answer(ctx, s, st.ErrorReply(&e))
}

// answer sends a reply also when the time of the handler is over, for the
// sender waits for it.
func answer(ctx context.Context, s Sender, reply *stanza.Stanza) error {
	if ctx.Err() != nil {
		ctx = context.WithoutCancel(ctx)
	}
	return s.Send(ctx, reply)
}

// isAnswer reports whether a handler's error is meant for the sender.
func isAnswer(err error) bool {
	_, isErr := errors.AsType[*stanza.Error](err)
	_, isCond := errors.AsType[stanza.Condition](err)
	return isErr || isCond
}

// PanicError is a handler's panic.
type PanicError struct {
	Value any
	Stack []byte
}

// Error gives the value, not the stack.
func (e *PanicError) Error() string { return fmt.Sprintf("xmpp: handler panic: %v", e.Value) }

func call(ctx context.Context, h Handler, s Sender, st *stanza.Stanza) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{v, debug.Stack()}
		}
	}()
	return h.HandleXMPP(ctx, s, st)
}
