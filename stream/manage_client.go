package stream

import (
	"context"
	"fmt"
	"time"

	"github.com/etherx-go/xmpp/stanza"
)

// ManagementClient is the initiator's side of stream management (XEP-0198), for one
// negotiation of a client or a server.
type ManagementClient struct {
	// Old, if not nil, is the session to go on with, which must be detached: it is
	// that of a connection that was lost, see [Conn.Detached], or of [NewDetached].
	Old *Conn
	// Handled returns how many of the peer's stanzas have been handled in the
	// session Old. It is called just before the peer is told; what is handled later
	// will come again. nil stands for none.
	Handled func() uint64

	// Resumable asks the peer to let the new stream be resumed.
	Resumable bool
	// Max is how long the peer shall keep the session when the connection is lost;
	// 0 leaves that to the peer.
	Max time.Duration

	// Gone, if not nil, is called when the peer does not go on with Old, but has said
	// how much of it was handled: nothing of what Old has not had acknowledged then
	// was, and all of it can be sent anew without coming twice.
	Gone func()

	declined bool // the peer does not go on with Old
}

// EnableAcks is the initiator's side of stream management without resumption: it is
// Enable of the zero [ManagementClient].
func EnableAcks() Feature { return (&ManagementClient{}).Enable() }

// Resume asks the peer to go on with the session Old. For a client it stands before
// [Bind] in the list of features: if the peer agrees the stream is [Ready] by it, and
// nothing more is negotiated. When [Initiate] returns, the new connection is that of
// the session, see [Conn.Resumed]: what was not acknowledged is written again, in
// order, and then what was queued since. If Initiate fails, Old is as it was.
//
// A peer that refuses is no error; the negotiation goes on. If it says how much of the
// session it has handled, that counts as acknowledged in Old. Where Initiate returns a
// stream that is not Resumed the session is over: close Old, and what it has left is
// to be had from [Conn.Unacked] and [Conn.Unsent].
func (m *ManagementClient) Resume() Feature {
	return Feature{Name: managementName, Needs: Authenticated, Not: Ready,
		Negotiate: func(_ context.Context, c *Conn, _ stanza.Element) (Outcome, error) {
			request, ok := m.resumeRequest(c)
			if !ok {
				return Outcome{}, fmt.Errorf("%w without a session to resume", ErrSkip)
			}
			in, err := c.exchange([]byte(request))
			for err == nil {
				if n := in.Name(); in.Stanza == nil && n.Space == NSManagement {
					resumed, err := m.resumeReply(c, in.Element)
					if err == nil && !resumed {
						err = fmt.Errorf("%w: %w", ErrSkip, failure(in.Element))
					}
					return Outcome{State: Ready}, err
				}
				if err = c.keepEarly(in, "the answer to <resume/>"); err == nil {
					in, err = c.receive()
				}
			}
			return Outcome{}, err
		}}
}

// resumeRequest returns the <resume/> that is about to be sent on c; ok is false if
// there is nothing to resume. Until it is answered the end of c could be taken for
// that of the session.
func (m *ManagementClient) resumeRequest(c *Conn) (request string, ok bool) {
	if m.Old == nil || m.declined {
		return "", false
	}
	r, ok := m.Old.Resumption(0)
	if !ok || !m.Old.Detached() {
		return "", false
	}
	handled := uint64(0)
	if m.Handled != nil {
		handled = m.Handled()
	}
	m.Old.told(handled)
	c.resuming = &resuming{}
	b := appendCount([]byte("<resume xmlns='"+NSManagement+"'"), handled)
	return string(append(stanza.AppendAttr(b, "previd", r.ID), "/>"...)), true
}

// resumeReply takes the answer to <resume/>. If it is <resumed/> the stream is Ready,
// nothing more is negotiated, and c takes the session over when the negotiation ends.
// After <failed/> the negotiation goes on.
func (m *ManagementClient) resumeReply(c *Conn, el stanza.Element) (resumed bool, err error) {
	switch {
	case c.resuming == nil:
		return false, c.unexpected(Incoming{Element: el})
	case el.Is(NSManagement, "failed"):
		c.resuming, m.declined = nil, true
		m.refused(el)
		return false, nil
	case !el.Is(NSManagement, "resumed"):
		return false, c.unexpected(Incoming{Element: el})
	}
	h, err := requireCount(el)
	if err != nil {
		return false, err
	}
	if r, ok := m.Old.Resumption(0); ok && el.Attr("previd") != r.ID {
		return false, newError(UndefinedCondition, "another session was resumed than was asked for")
	}
	c.resuming.old, c.resuming.h = m.Old, h
	return true, nil
}

// refused takes the peer's count out of <failed/>. One that cannot be is of no use.
func (m *ManagementClient) refused(failed stanza.Element) {
	h, there, err := parseCount(failed)
	if !there || err != nil || m.Old.acked(h) != nil || m.Gone == nil {
		return
	}
	if r, ok := m.Old.Resumption(0); ok && uint32(r.Acked) == h {
		m.Gone()
	}
}

// Enable begins stream management: it sends <enable/>, behind which what is sent
// counts, and waits for the answer. A peer that refuses is no error, the stream is not
// managed then. For a client it stands behind [Bind] in the list of features; before
// that it is not used.
//
// [Conn.Next] returns the <enabled/> at its place among what came during the
// negotiation, for [Conn.ServeManagement]: only the stanzas behind it count.
func (m *ManagementClient) Enable() Feature {
	return Feature{Name: managementName, Needs: Authenticated,
		Negotiate: func(_ context.Context, c *Conn, _ stanza.Element) (Outcome, error) {
			if c.sent.Content == stanza.NSClient && c.State()&Ready == 0 {
				return Outcome{}, fmt.Errorf("%w before a resource is bound", ErrSkip)
			}
			err := c.enable(m.enableRequest(), m.Resumable)
			if err == errManaged {
				return Outcome{}, fmt.Errorf("%w: %w", ErrSkip, err) // since the binding
			}
			if err != nil {
				return Outcome{}, err
			}
			return Outcome{}, c.awaitEnabled()
		}}
}

// enableRequest returns the <enable/>.
func (m *ManagementClient) enableRequest() string {
	b := []byte("<enable xmlns='" + NSManagement + "'")
	if m.Resumable {
		b = append(appendMax(b, m.Max), " resume='true'"...)
	}
	return string(append(b, "/>"...))
}

// enableReply takes the answer to an <enable/> that was sent inside another element:
// after <enabled/> stanzas are counted in both directions from here on. After
// <failed/> they are not.
func (m *ManagementClient) enableReply(c *Conn, el stanza.Element) error {
	if el.Is(NSManagement, "failed") {
		return nil
	}
	if !el.Is(NSManagement, "enabled") {
		return c.unexpected(Incoming{Element: el})
	}
	g, _ := parseEnabled(el)
	if !m.Resumable {
		g = Grant{}
	}
	_, err := c.manage("", g)
	return err
}

// parseEnabled reads <enabled/>; ok is false if it does not let the stream be resumed.
// What is not understood is passed over.
func parseEnabled(el stanza.Element) (g Grant, ok bool) {
	resume, _ := parseResume(el)
	if g.ID = el.Attr("id"); !resume || g.ID == "" {
		return Grant{}, false
	}
	g.Max, _ = parseMax(el)
	g.Location = el.Attr("location")
	return g, true
}

// enable sends <enable/>; resumable says that it asks for resumption.
func (c *Conn) enable(request string, resumable bool) error {
	writer, err := c.manage(request, Grant{})
	if err != nil {
		return err
	}
	writer.start()
	return c.withAcks(func(_ *outbox, a *acks) (*Conn, error) {
		a.wanted = resumable
		return nil, nil
	})
}

// awaitEnabled waits for the answer to <enable/>. What else comes before is kept
// for Next.
func (c *Conn) awaitEnabled() error {
	<-c.out.drained()
	if _, err := c.out.status(); err != nil {
		return err
	}
	for {
		in, err := c.receive()
		switch {
		case err != nil:
			return err
		case in.Element.Is(NSManagement, "failed"):
			c.unmanage()
			return fmt.Errorf("%w: %w", ErrSkip, failure(in.Element))
		}
		if err := c.keepEarly(in, "the answer to <enable/>"); err != nil {
			return err
		}
		if in.Element.Is(NSManagement, "enabled") {
			return c.confirmed(in.Element)
		}
	}
}
