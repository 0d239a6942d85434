package stream

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

var (
	bindName    = xml.Name{Space: NSBind, Local: "bind"}
	sessionName = xml.Name{Space: NSSession, Local: "session"}
)

// Bind is the client's side of resource binding (RFC 6120, section 7). It asks
// for the resource, or leaves the choice to the server if resource is empty,
// and reports the full address that the server gave. A server that refuses
// gives a [*stanza.Error].
func Bind(resource string, bound func(jid.JID)) Feature {
	return Feature{Name: bindName, Needs: Authenticated, Not: Ready,
		Negotiate: func(_ context.Context, c *Conn, _ stanza.Element) (Outcome, error) {
			b := []byte("<iq type='set' id='bind'><bind xmlns='" + NSBind + "'")
			if resource == "" {
				b = append(b, "/></iq>"...)
			} else {
				b = append(stanza.AppendTextElement(append(b, '>'), "resource", resource), "</bind></iq>"...)
			}
			reply, err := c.request(b, "bind")
			if err != nil {
				return Outcome{}, fmt.Errorf("stream: bind: %w", err)
			}
			j, err := boundTo(reply)
			if err != nil {
				return Outcome{}, err
			}
			if bound != nil {
				bound(j)
			}
			return Outcome{State: Ready}, nil
		}}
}

// boundTo reads the address in the reply to bind.
func boundTo(reply *stanza.Stanza) (jid.JID, error) {
	text := reply.Child(NSBind, "bind").ChildText(NSBind, "jid")
	j, err := jid.Parse(text)
	if err == nil && !j.IsFull() {
		err = errors.New("it has no resource")
	}
	if err != nil {
		return j, fmt.Errorf("stream: bind: the server gave the address %.100q: %w", text, err)
	}
	return j.Clone(), nil
}

// Ask sends an iq of type get or set during the negotiation and waits for the
// reply, as features need it in Negotiate. An error reply is returned with it, as
// a [*stanza.Error].
func (c *Conn) Ask(iq *stanza.Stanza) (*stanza.Stanza, error) {
	if iq.Kind != stanza.KindIQ || !iq.Type.IsRequest() || iq.ID == "" {
		return nil, errors.New("stream: what is asked is an iq of type get or set, with an id")
	}
	return c.request(iq.AppendXML(nil, c.frameNS), iq.ID)
}

// request sends an iq during the negotiation and waits for its reply. What else
// comes before is kept for Next.
func (c *Conn) request(b []byte, id string) (*stanza.Stanza, error) {
	in, err := c.exchange(b)
	for err == nil {
		st := in.Stanza
		if st != nil && st.Kind == stanza.KindIQ && st.ID == id && st.Type.IsResponse() {
			return st, st.Err()
		}
		if err = c.keepEarly(in, "the reply to "+id); err == nil {
			in, err = c.receive()
		}
	}
	return nil, err
}

// maxEarly bounds what is kept for Next during the negotiation.
const maxEarly = 4 << 20

// ServeBind is the server's side of resource binding. bind is called with the
// resource that the client asks for, "" if it leaves the choice; it returns the
// full address, or an error for the client, which may then try again. bound,
// which may be nil, is called when the reply is queued and before the client can
// have it: stanzas that are sent on the stream from there on come after the
// reply, and a client that has the reply can be reached.
func ServeBind(bind func(ctx context.Context, resource string) (jid.JID, error), bound func()) Feature {
	return Feature{Name: bindName, Needs: Authenticated, Not: Ready,
		Offer: func(_ *Conn, dst []byte) []byte { return append(dst, "<bind xmlns='"+NSBind+"'/>"...) },
		Serve: func(ctx context.Context, c *Conn, in Incoming) (Outcome, error) {
			st := in.Stanza
			if st == nil || st.Type != stanza.TypeSet || st.ID == "" || st.ElementCount() != 1 {
				return Outcome{}, c.replyError(in, stanza.BadRequest)
			}
			j, err := bind(ctx, st.Payload().ChildText(NSBind, "resource"))
			if err != nil {
				return Outcome{}, c.replyError(in, err)
			}
			b := stanza.AppendAttr([]byte("<iq type='result'"), "id", st.ID)
			b = stanza.AppendTextElement(append(b, "><bind xmlns='"+NSBind+"'>"...), "jid", j.String())
			return c.admit(string(append(b, "</bind></iq>"...)), 0, bound)
		}}
}

// Answer answers an iq of type get or set while the negotiation goes on, with
// the payload or the error that fn returns. Anything else ends the stream.
func (c *Conn) Answer(in Incoming, fn func(*stanza.Stanza) (any, error)) error {
	if in.Stanza == nil || !in.Stanza.Type.IsRequest() {
		return c.unexpected(in)
	}
	result, err := fn(in.Stanza)
	if err != nil {
		return c.replyError(in, err)
	}
	reply, err := in.Stanza.Reply(result)
	if err != nil {
		return err
	}
	return c.say(reply.AppendXML(nil, c.frameNS))
}

// replyError answers an iq with an error while the negotiation goes on.
// Something that cannot be answered ends the stream.
func (c *Conn) replyError(in Incoming, err error) error {
	if in.Stanza == nil || !in.Stanza.Type.IsRequest() {
		return c.unexpected(in)
	}
	reply := in.Stanza.ErrorReply(err)
	if c.in.Version == (Version{}) {
		reply = reply.WithOldError()
	}
	return c.say(reply.AppendXML(nil, c.frameNS))
}

// Session is the client's side of the session of RFC 3921, section 3: servers
// of that time want it after binding. It is asked for unless the server says
// that it is optional.
func Session() Feature {
	return Feature{Name: sessionName, Needs: Authenticated | Ready,
		Negotiate: func(_ context.Context, c *Conn, offered stanza.Element) (Outcome, error) {
			if !offered.Child(NSSession, "optional").IsZero() {
				return Outcome{}, ErrSkip
			}
			_, err := c.request([]byte("<iq type='set' id='session'><session xmlns='"+NSSession+"'/></iq>"), "session")
			if err != nil {
				return Outcome{}, fmt.Errorf("stream: session: %w", err)
			}
			return Outcome{}, nil
		}}
}

// OfferSession announces the session of RFC 3921 as optional. The request for
// it comes when the stream is ready, and is answered like any other iq.
func OfferSession() Feature {
	return Feature{Name: sessionName, Needs: Authenticated, Not: Ready,
		Offer: func(_ *Conn, dst []byte) []byte {
			return append(dst, "<session xmlns='"+NSSession+"'><optional/></session>"...)
		}}
}
