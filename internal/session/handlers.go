package session

import (
	"context"
	"fmt"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/ping"
	"github.com/etherx-go/xmpp/internal/describe"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// Handlers are the extensions of a program, the Mux for them, and the handler of
// the program itself.
type Handlers struct {
	mux        *xmpp.Mux
	extensions []xmpp.Extension
	rest       xmpp.Handler // gets what no extension handles; nil: there is none but the Mux
}

// NewHandlers adds the extension that answers pings, if there is none. The Mux is
// h, if that is one.
func NewHandlers(h xmpp.Handler, extensions []xmpp.Extension) *Handlers {
	hs := &Handlers{extensions: withPing(extensions)}
	mux, isMux := h.(*xmpp.Mux)
	if !isMux {
		hs.rest = h
	}
	if mux == nil {
		mux = new(xmpp.Mux)
	}
	hs.mux = mux
	return hs
}

func withPing(extensions []xmpp.Extension) []xmpp.Extension {
	for _, e := range extensions {
		if _, ok := e.(*ping.Extension); ok {
			return extensions
		}
	}
	return append([]xmpp.Extension{new(ping.Extension)}, extensions...)
}

// Attach attaches the extensions to host.
func (hs *Handlers) Attach(name string, host xmpp.Host) error {
	for _, e := range hs.extensions {
		if err := e.Attach(host); err != nil {
			return fmt.Errorf("%s: %T: %w", name, e, err)
		}
	}
	if hs.rest != nil {
		// A pattern that says nothing comes after all that say something.
		hs.mux.Handle(xmpp.Pattern{}, hs.rest)
		hs.mux.Handle(xmpp.Pattern{Types: []stanza.Type{stanza.TypeError}}, hs.rest)
	}
	return nil
}

// Mux returns the Mux, which is the handler of everything.
func (hs *Handlers) Mux() *xmpp.Mux { return hs.mux }

// Features returns the features of the extensions, for service discovery.
func (hs *Handlers) Features(at jid.JID) []string { return describe.Features(nil, hs.extensions, at) }

// Watchers returns those who want to know when there is a session: fs first, and then
// the extensions that do.
func (hs *Handlers) Watchers(fs Funcs) (ws []xmpp.Watcher) {
	ws = append(ws, fs)
	for _, e := range hs.extensions {
		if w, ok := e.(xmpp.Watcher); ok {
			ws = append(ws, w)
		}
	}
	return ws
}

// Binders returns the extensions that ask for something as a resource is bound.
func (hs *Handlers) Binders() (bs []xmpp.Binder) {
	for _, e := range hs.extensions {
		if b, ok := e.(xmpp.Binder); ok {
			bs = append(bs, b)
		}
	}
	return bs
}

// Funcs are functions that are a Watcher. Each may be nil.
type Funcs struct {
	Up        func(ctx context.Context, s xmpp.Sender)
	Suspended func(s xmpp.Sender, reason error)
	Resumed   func(ctx context.Context, s xmpp.Sender)
	Down      func(s xmpp.Sender, reason error)
}

var _ xmpp.Resumer = Funcs{}

// SessionUp calls Up.
func (f Funcs) SessionUp(ctx context.Context, s xmpp.Sender) {
	if f.Up != nil {
		f.Up(ctx, s)
	}
}

// SessionSuspended calls Suspended.
func (f Funcs) SessionSuspended(s xmpp.Sender, reason error) {
	if f.Suspended != nil {
		f.Suspended(s, reason)
	}
}

// SessionResumed calls Resumed.
func (f Funcs) SessionResumed(ctx context.Context, s xmpp.Sender) {
	if f.Resumed != nil {
		f.Resumed(ctx, s)
	}
}

// SessionDown calls Down.
func (f Funcs) SessionDown(s xmpp.Sender, reason error) {
	if f.Down != nil {
		f.Down(s, reason)
	}
}
