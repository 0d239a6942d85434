package xmpp

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/etherx-go/xmpp/stanza"
)

// Pattern says which stanzas a handler is for. Zero fields match everything.
type Pattern struct {
	Kind stanza.Kind
	// Types lists the types; nil stands for all but error. For messages the
	// type is what [stanza.Type.MessageType] makes of it.
	Types []stanza.Type
	// Payload is the name of a child element. An iq is matched by its first
	// child only.
	Payload xml.Name
}

// Mux is a Handler that finds the handler for a stanza by its kind, type and
// payloads. The zero Mux is ready to use. Handlers can be added at any time,
// from any goroutine.
//
// An iq of type get or set goes to the handler whose pattern says most: one
// with a payload before one without, among equals the one that was added last.
// If there is none it is answered with service-unavailable. A message or
// presence goes to every handler that matches, in the order they were added.
//
// A panic of a handler is caught: an iq is answered with internal-server-error,
// and HandleXMPP returns a [*PanicError].
type Mux struct {
	mu     sync.Mutex // guards changes
	routes atomic.Pointer[[]route]
}

type route struct {
	Pattern
	h Handler
}

// Handle adds a handler.
func (m *Mux) Handle(p Pattern, h Handler) {
	m.mu.Lock()
	defer m.mu.Unlock()
	routes := append(slices.Clone(m.list()), route{p, h})
	m.routes.Store(&routes)
}

func (m *Mux) list() []route {
	if p := m.routes.Load(); p != nil {
		return *p
	}
	return nil
}

// HandleXMPP hands the stanza to the handlers that are for it.
func (m *Mux) HandleXMPP(ctx context.Context, s Sender, st *stanza.Stanza) error {
	if st.Kind == stanza.KindIQ && st.Type.IsRequest() {
		return m.handleRequest(ctx, s, st)
	}
	var errs []error
	for _, r := range m.list() {
		if r.matches(st) {
			if err := call(ctx, r.h, s, st); err != nil {
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}

func (m *Mux) handleRequest(ctx context.Context, s Sender, st *stanza.Stanza) error {
	var best *route
	routes := m.list()
	for i := range routes {
		r := &routes[i]
		if r.matches(st) && (best == nil || r.Payload.Local != "" || best.Payload.Local == "") {
			best = r
		}
	}
	var err error = stanza.ServiceUnavailable
	if best != nil {
		if err = call(ctx, best.h, s, st); err == nil {
			return nil
		}
	}
	sendErr := s.Send(ctx, st.ErrorReply(err))
	if isAnswer(err) {
		err = nil // the sender has been told; there is nothing to log
	}
	return errors.Join(err, sendErr)
}

// isAnswer reports whether a handler's error is meant for the sender.
func isAnswer(err error) bool {
	_, isErr := errors.AsType[*stanza.Error](err)
	_, isCond := errors.AsType[stanza.Condition](err)
	return isErr || isCond
}

func (r *route) matches(st *stanza.Stanza) bool {
	if r.Kind != 0 && r.Kind != st.Kind || !r.matchesType(st) {
		return false
	}
	if r.Payload == (xml.Name{}) {
		return true
	}
	for e := range st.Payloads() {
		if n := e.Name(); n.Local == r.Payload.Local && (n.Space == r.Payload.Space || r.Payload.Space == "") {
			return true
		}
		if st.Kind == stanza.KindIQ {
			break
		}
	}
	return false
}

func (r *route) matchesType(st *stanza.Stanza) bool {
	t := st.Type
	if st.Kind == stanza.KindMessage {
		t = t.MessageType()
	}
	if r.Types == nil {
		return t != stanza.TypeError
	}
	return slices.Contains(r.Types, t)
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
