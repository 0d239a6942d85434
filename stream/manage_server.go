package stream

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"time"

	"github.com/etherx-go/xmpp/stanza"
)

// ManagementServer is the receiving side of stream management (XEP-0198), for streams
// of clients and of servers. The zero value acknowledges, and lets nothing be resumed.
// It is not changed by its methods and may be shared.
type ManagementServer struct {
	// Grant, if not nil, is called when a peer wants its stream to be one that can
	// be resumed, for as long as max if that is not 0. The zero Grant says that it
	// cannot. An error is for the peer: the stream is not managed then.
	Grant func(ctx context.Context, c *Conn, max time.Duration) (Grant, error)

	// Resume, if not nil, finds the session that a peer wants to go on with on c, by
	// the id of the Grant. It must see to it that c has authenticated as who the
	// session belongs to. It stops the session's connection old, if that is still
	// there, by [Conn.Detach] with a conflict, waits until nothing more that old
	// has received is being handled, and returns how many of the peer's stanzas
	// were handled. If two connections want the same session one of them gets it.
	//
	// An error is for the peer, which may then bind a resource: item-not-found for
	// an id that is not known, a [*GoneError] if it is known still how much was
	// handled.
	Resume func(ctx context.Context, c *Conn, id string) (old *Conn, handled uint64, err error)

	// Resumed, if not nil, is called when c has become the connection of the session
	// and before the peer can know: what is sent on the old one from there on is
	// written to c.
	Resumed func(c *Conn)
}

// Grant says that and how a stream can be resumed.
type Grant struct {
	// ID names the session, in a way that nobody can guess: "The SM-ID MUST NOT be
	// reused for simultaneous or subsequent sessions" (XEP-0198, section 5).
	ID string
	// Max is how long the session is kept when its connection is lost, in whole
	// seconds; 0 does not say it.
	Max time.Duration
	// Location is where the peer is to connect to, as host:port with an IPv6
	// address in brackets; "" does not say it.
	Location string
}

// GoneError is the error of [ManagementServer.Resume] for a session that has ended,
// and of which it is known how many stanzas were handled.
type GoneError struct{ Handled uint64 }

// Error says that the session has ended.
func (e *GoneError) Error() string {
	return fmt.Sprintf("stream: the session has ended, %d stanzas were handled", e.Handled)
}

// Unwrap returns [stanza.ItemNotFound].
func (e *GoneError) Unwrap() error { return stanza.ItemNotFound }

// errGone is why a session that was found cannot be taken over.
var errGone = errors.New("stream: the session has ended meanwhile")

// errInUse is why a stream cannot go on with an earlier session: it has one.
var errInUse = errors.New("stream: stanzas were sent already")

// managementReply is what <enable/> or <resume/> is answered with, and what follows
// from it once it is queued, see [Conn.queueReply]. The zero value is no answer, from
// which nothing follows.
type managementReply struct {
	xml     string // <enabled/>, <resumed/> or <failed/>
	ok      bool   // it is not <failed/>
	grant   Grant  // of <enabled/>
	old     *Conn  // of <resumed/>
	h       uint32 // as the peer says
	handled uint64 // of the peer's stanzas
	done    func(*Conn)
}

// resumed reports whether it is <resumed/>.
func (r *managementReply) resumed() bool { return r.old != nil }

// refusal returns the <failed/> for an error.
func refusal(err error) (r managementReply) {
	b := []byte("<failed xmlns='" + NSManagement + "'")
	if gone, ok := errors.AsType[*GoneError](err); ok {
		b = appendCount(b, gone.Handled)
	}
	r.xml = string(b) + "><" + string(stanza.AsError(err).Condition) + " xmlns='" + stanza.NSStanzas + "'/></failed>"
	return r
}

// enable answers <enable/> of a peer that may enable stream management: one that has
// bound a resource, or a server.
func (s *ManagementServer) enable(ctx context.Context, c *Conn, el stanza.Element) managementReply {
	r := managementReply{ok: true, xml: "<enabled xmlns='" + NSManagement + "'/>"}
	if s.Grant == nil {
		return r // "ignore the attributes" (section 8.1)
	}
	resume, ok := parseResume(el)
	most, okMax := parseMax(el)
	if !ok || !okMax {
		return refusal(stanza.BadRequest)
	}
	if !resume {
		return r
	}
	g, err := s.Grant(ctx, c, most)
	if err != nil {
		return refusal(err)
	}
	if g.ID == "" {
		return r
	}
	b := stanza.AppendAttr([]byte("<enabled xmlns='"+NSManagement+"'"), "id", g.ID)
	if g.Location != "" {
		b = stanza.AppendAttr(b, "location", g.Location)
	}
	r.grant, r.xml = g, string(append(appendMax(b, g.Max), " resume='true'/>"...))
	return r
}

// resume answers <resume/> of a peer that has authenticated and has not begun
// another session.
func (s *ManagementServer) resume(ctx context.Context, c *Conn, el stanza.Element) managementReply {
	id := el.Attr("previd")
	h, there, err := parseCount(el)
	switch {
	case s.Resume == nil:
		return refusal(stanza.FeatureNotImplemented)
	case id == "" || !there || err != nil:
		return refusal(stanza.BadRequest)
	}
	old, handled, err := s.Resume(ctx, c, id)
	if err != nil {
		return refusal(err)
	}
	if old == nil || old == c || !old.Detach(&Error{Condition: Conflict}) {
		return refusal(stanza.ItemNotFound)
	}
	b := appendCount([]byte("<resumed xmlns='"+NSManagement+"'"), handled)
	b = append(stanza.AppendAttr(b, "previd", id), "/>"...)
	return managementReply{xml: string(b), ok: true, old: old, h: h, handled: handled, done: s.Resumed}
}

// queueReply queues raw, which holds the reply, with what follows from that: stanzas are
// counted from there on, or what the session has not acknowledged is written again
// behind it. The caller starts the writer. If the session is not there any more the
// error is errGone, and nothing is queued; nor is it if the peer says that it has
// handled more than it was sent, or does not read what it is refused, which is an
// [*Error].
func (c *Conn) queueReply(raw string, r *managementReply) (writer *Conn, err error) {
	switch {
	case r.resumed():
		writer, err = c.takeOver(r.old, raw, r.h)
		if err == nil && r.done != nil {
			r.done(c)
		}
		return writer, err
	case r.ok:
		return c.manage(raw, r.grant)
	}
	if writer, _, err = c.out.put(c, item{raw: raw}, ordinary); err == ErrOutboxFull {
		err = newError(PolicyViolation, "requests are sent, and their answers are not read")
	}
	return writer, err
}

// admitManaged is admit for a stream that stream management begins with. raw holds the
// reply. If the error is errGone nothing has been queued, and the session is not to be found.
func (c *Conn) admitManaged(raw string, r *managementReply, reached State, admitted func()) (Outcome, error) {
	writer, err := c.queueReply(raw, r)
	if err == nil && admitted != nil {
		admitted()
	}
	writer.start()
	if err != nil {
		return Outcome{}, err
	}
	return Outcome{State: reached | Ready}, nil
}

// reply answers <enable/> or <resume/> by itself, and reports whether it was agreed
// to.
func (s *ManagementServer) reply(ctx context.Context, c *Conn, el stanza.Element) (r managementReply, err error) {
	if el.Name() == resumeName {
		r = s.resume(ctx, c, el)
	} else {
		r = s.enable(ctx, c, el)
	}
	writer, err := c.queueReply(r.xml, &r)
	if err == errGone || err == errInUse {
		cond := stanza.ItemNotFound
		if err == errInUse {
			cond = stanza.UnexpectedRequest
		}
		r = refusal(cond)
		writer, err = c.queueReply(r.xml, &r)
	}
	writer.start()
	return r, err
}

// refuse answers a request of stream management with <failed/>.
func (c *Conn) refuse(cond stanza.Condition) error {
	r := refusal(cond)
	writer, err := c.queueReply(r.xml, &r)
	writer.start()
	return err
}

// Feature offers stream management to a peer that is authenticated. A client resumes
// in place of binding a resource, or enables after that; a server may do either as
// soon as it is authenticated. Once the stream is [Ready], what follows is for Serve.
func (s *ManagementServer) Feature() Feature {
	return Feature{Name: managementName, Requests: []xml.Name{enableName, resumeName}, Voluntary: true,
		Offer: func(c *Conn, dst []byte) []byte {
			if c.State()&Authenticated == 0 {
				return dst
			}
			return append(dst, offerXML...)
		},
		Serve: func(ctx context.Context, c *Conn, in Incoming) (Outcome, error) {
			switch {
			case in.Stanza != nil:
				return Outcome{}, c.unexpected(in)
			case c.State()&Authenticated == 0:
				return Outcome{}, c.refuseEarly()
			case in.Name() == enableName && c.in.Content != stanza.NSServer:
				return Outcome{}, c.refuse(stanza.UnexpectedRequest)
			}
			r, err := s.reply(ctx, c, in.Element)
			if err != nil || !r.ok {
				return Outcome{}, err
			}
			return Outcome{State: Ready}, nil
		}}
}

// refuseEarly answers who has not authenticated: "The server SHALL enforce this order
// and return a <failed/> element" (XEP-0198, section 3).
func (c *Conn) refuseEarly() error {
	if err := c.refuse(stanza.UnexpectedRequest); err != nil {
		return err
	}
	return newError(NotAuthorized, "stream management before authentication")
}

// Serve handles an element of stream management that [Conn.Next] has returned: a
// request or an acknowledgement, <enable/> and <resume/>. ok is false if el is nothing
// of that. An error is for [Conn.Fail].
//
// handled is how many of the peer's stanzas the owner has handled, of those that
// count: Serve sets it to 0 where the counting begins, "after receiving either
// <enable/> or <enabled/>" (XEP-0198, section 4), to that of the session where one is
// resumed, and the owner adds one for each stanza that it has taken the responsibility
// for. It is for the goroutine that calls Next; it waits for nothing but what Grant
// and Resume wait for.
func (s *ManagementServer) Serve(ctx context.Context, c *Conn, el stanza.Element, handled *uint64) (ok bool, err error) {
	name := el.Name()
	if name.Space != NSManagement {
		return false, nil
	}
	switch {
	case name.Local == "r":
		err = c.Ack(*handled)
	case name.Local == "a":
		var h uint32
		if h, err = requireCount(el); err == nil {
			err = c.acked(h)
		}
	case (name == enableName || name == resumeName) && !c.initiator:
		err = s.serve(ctx, c, el, handled)
	case name.Local == "enabled" && c.initiator:
		*handled = 0
		err = c.confirmed(el)
	case name.Local == "failed" && c.initiator:
		err = c.unmanage()
	default:
		return false, nil
	}
	if err == ErrClosed || err == ErrDetached {
		err = nil // nothing can be answered any more
	}
	return true, err
}

// serve answers <enable/> or <resume/> on a stream that is ready.
func (s *ManagementServer) serve(ctx context.Context, c *Conn, el stanza.Element, handled *uint64) error {
	resumes := el.Name() == resumeName
	switch {
	case c.State()&Ready == 0,
		resumes && s.Resume != nil && (c.in.Content != stanza.NSServer || c.Managed()):
		return c.refuse(stanza.UnexpectedRequest)
	case !resumes && c.Managed():
		// "it SHOULD respond with a stream error" (section 3).
		if err := c.refuse(stanza.UnexpectedRequest); err != nil {
			return err
		}
		return newError(PolicyViolation, "stream management is enabled already")
	}
	r, err := s.reply(ctx, c, el)
	if err == nil && r.ok {
		*handled = r.handled
	}
	return err
}
