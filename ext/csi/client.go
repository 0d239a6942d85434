package csi

import (
	"context"
	"encoding/xml"
	"errors"
	"sync"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/stanza"
)

// ErrUnsupported is returned by [Set] if the server has not offered the feature.
var ErrUnsupported = errors.New("csi: the server has no client state indication")

// Session is what [Set] needs of a session beyond a Sender.
type Session interface {
	// HasStreamFeature reports whether the server has offered a stream feature.
	HasStreamFeature(name xml.Name) bool
	// SendElement queues a first-level element that is no stanza, behind what
	// was sent before. The rest is as for Send of a Sender.
	SendElement(ctx context.Context, el stanza.Raw) error
}

// Set tells the server whether somebody is looking at the client. s is the Sender
// of a session, as handlers and SessionUp get it, which is a [Session]; for any other
// Sender, and a server without the feature, the error is [ErrUnsupported].
//
// "A stream always begins in 'active' state" (section 4.2), also one on which a
// session is resumed (section 5.2).
func Set(ctx context.Context, s xmpp.Sender, active bool) error {
	c, ok := session(s)
	if !ok || !c.HasStreamFeature(FeatureName) {
		return ErrUnsupported
	}
	if active {
		return c.SendElement(ctx, ActiveXML)
	}
	return c.SendElement(ctx, InactiveXML)
}

// session finds the Session in a Sender that may be one around another.
func session(s xmpp.Sender) (Session, bool) {
	for {
		if c, ok := s.(Session); ok {
			return c, true
		}
		u, ok := s.(interface{ Unwrap() xmpp.Sender })
		if !ok {
			return nil, false
		}
		s = u.Unwrap()
	}
}

// Extension keeps the state of a client, and says it again in each session that
// begins, and when one is resumed. The zero Extension is active. Its method Set is
// safe for concurrent use.
type Extension struct {
	mu       sync.Mutex // held while the server is told, so that what is said last is true
	inactive bool
	asked    bool        // to be inactive, with the last resource
	s        xmpp.Sender // nil: there is no session
}

var (
	_ xmpp.Extension = (*Extension)(nil)
	_ xmpp.Resumer   = (*Extension)(nil)
	_ xmpp.Binder    = (*Extension)(nil)
)

// Attach does nothing but to refuse servers.
func (x *Extension) Attach(h xmpp.Host) error {
	if h.IsServer() {
		return errors.New("csi: Extension is for clients")
	}
	return nil
}

// Set says whether somebody is looking at the client: at once if there is a session,
// and in all that are to come. It does nothing if that is the state already. The
// error is that of the function [Set]; then it is said with the next session.
func (x *Extension) Set(ctx context.Context, active bool) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if active == !x.inactive {
		return nil
	}
	x.inactive = !active
	if x.s == nil {
		return nil
	}
	return Set(ctx, x.s, active)
}

// BindRequest has an inactive client begin so (XEP-0386, section 3.2).
func (x *Extension) BindRequest() (feature string, request stanza.Raw) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.asked = x.inactive; x.asked {
		return NS, InactiveXML
	}
	return "", ""
}

// SessionUp says what the state is, unless it is the one that the session has begun with.
func (x *Extension) SessionUp(ctx context.Context, s xmpp.Sender) {
	x.begin(ctx, s, func() bool { return x.asked && xmpp.Enabled(s, NS) })
}

// SessionResumed says what the state is, as SessionUp does: "the CSI state is *not*
// restored" (section 5.2).
func (x *Extension) SessionResumed(ctx context.Context, s xmpp.Sender) {
	x.begin(ctx, s, func() bool { return false })
}

// begin takes note of a connection, which has begun in the state that inactive returns.
func (x *Extension) begin(ctx context.Context, s xmpp.Sender, inactive func() bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.s = s
	if x.inactive != inactive() {
		// A server that does not know it sends everything at once, and a session
		// that has ended already is followed by another one.
		_ = Set(ctx, s, !x.inactive)
	}
}

// SessionSuspended takes note that there is no connection.
func (x *Extension) SessionSuspended(s xmpp.Sender, reason error) { x.SessionDown(s, reason) }

// SessionDown takes note that there is no session.
func (x *Extension) SessionDown(s xmpp.Sender, _ error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.s == s {
		x.s = nil
	}
}
