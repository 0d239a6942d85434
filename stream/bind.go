package stream

import (
	"context"
	"encoding/xml"
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
// and reports the full address that the server gave.
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
			j, err := jid.Parse(reply.Child(NSBind, "bind").ChildText(NSBind, "jid"))
			if err != nil || !j.IsFull() {
				return Outcome{}, fmt.Errorf("stream: bind: the server gave the address %q: %w", j, err)
			}
			bound(j.Clone())
			return Outcome{State: Ready}, nil
		}}
}

// request sends an iq during the negotiation and waits for its reply.
func (c *Conn) request(b []byte, id string) (*stanza.Stanza, error) {
	in, err := c.exchange(b)
	for err == nil {
		if st := in.Stanza; st != nil && st.Kind == stanza.KindIQ && st.ID == id && st.Type.IsResponse() {
			return st, st.Err()
		}
		in, err = c.receive()
	}
	return nil, err
}

// ServeBind is the server's side of resource binding. bind is called with the
// resource that the client asks for, "" if it leaves the choice; it returns the
// full address, or an error for the client, which may then try again.
func ServeBind(bind func(ctx context.Context, resource string) (jid.JID, error)) Feature {
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
			b := append([]byte("<iq type='result'"), stanza.AppendAttr(nil, "id", st.ID)...)
			b = stanza.AppendTextElement(append(b, "><bind xmlns='"+NSBind+"'>"...), "jid", j.String())
			return Outcome{State: Ready}, c.force(item{raw: string(b) + "</bind></iq>"})
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
	_, err = c.writeNow(reply.AppendXML(nil, c.frameNS))
	return err
}

// replyError answers an iq with an error while the negotiation goes on.
// Something that cannot be answered ends the stream.
func (c *Conn) replyError(in Incoming, err error) error {
	if in.Stanza == nil || !in.Stanza.Type.IsRequest() {
		return c.unexpected(in)
	}
	_, err = c.writeNow(in.Stanza.ErrorReply(err).AppendXML(nil, c.frameNS))
	return err
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
