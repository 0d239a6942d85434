package xmpp

import "context"

// Extension is a protocol that can be plugged into a client, a component or a
// server. Attach is called once, before any stream is open, and adds handlers
// and whatever else the host offers. Further abilities are interfaces that the
// extension may have: [Watcher].
type Extension interface {
	Attach(h Host) error
}

// Host is what an Extension is attached to.
type Host interface {
	Sender
	// Mux is where the extension adds its handlers.
	Mux() *Mux
	// IsServer tells a server from a client or component.
	IsServer() bool
}

// Watcher is an Extension that wants to know when there is a session.
type Watcher interface {
	// SessionUp is called when a session has been established, in a goroutine
	// of its own. ctx ends with the session.
	SessionUp(ctx context.Context, s Sender)
	// SessionDown is called when a session has ended, with the reason.
	SessionDown(s Sender, reason error)
}
