package dialback

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

// RemoteConnectionFailed is the one condition of XEP-0220, section 2.5, that
// is not a stanza error of RFC 6120: "The Receiving Server was unable to
// establish a connection to the Authoritative Server". It stands only in
// packets of dialback, never in a stanza.
const RemoteConnectionFailed stanza.Condition = "remote-connection-failed"

// What the roles refuse. Nothing has changed when one of these is returned.
var (
	// ErrRole: the packet is for another role, or goes the other way.
	ErrRole = errors.New("dialback: packet is not for this role")
	// ErrUnsolicited: nobody asked on this stream for what the packet answers,
	// or it has been answered. "Failure to reject those 'unsolicited' responses
	// lets an attacker either spoof stanzas with an arbitrary sender domain or
	// enables him to impersonate any target domain" (XEP-0220, section 3.1).
	ErrUnsolicited = errors.New("dialback: answer to nothing that was asked on this stream")
	// ErrAsked: the same was asked already, and is pending or authorized.
	ErrAsked = errors.New("dialback: asked already")
	// ErrRefused: the pair was found invalid on this stream.
	ErrRefused = errors.New("dialback: refused on this stream")
	// ErrLimit: there are too many pairs on the stream.
	ErrLimit = errors.New("dialback: too many pairs on this stream")
	// ErrMultiplex: the peer may not be asked for a second target domain.
	ErrMultiplex = errors.New("dialback: peer does not allow a second target domain")
	// ErrPair: one of the two is not a domain.
	ErrPair = errors.New("dialback: not a pair of domains")
	// ErrStreamID: the stream has no id, so no key can be bound to it.
	ErrStreamID = errors.New("dialback: stream without id")
	// ErrSecret: there is no secret to make keys with.
	ErrSecret = errors.New("dialback: no secret")
	// ErrClosed: the stream has ended.
	ErrClosed = errors.New("dialback: stream has ended")
)

// StreamCondition returns the stream error by which RFC 3920, section 8.3,
// reports a dialback error to a server that does not understand [TypeError],
// "" if that is done by [TypeInvalid].
func StreamCondition(c stanza.Condition) stream.Condition {
	switch c {
	case stanza.ItemNotFound:
		return stream.HostUnknown
	case RemoteConnectionFailed, stanza.RemoteServerNotFound, stanza.RemoteServerTimeout:
		return stream.RemoteConnectionFailed
	}
	return ""
}

// Cause returns the dialback error that tells the originating server why the
// authoritative server could not be asked (XEP-0220, section 2.5). The errors
// item-not-found and host-unknown, and a name that the DNS does not have, are
// remote-server-not-found. Other stream errors, a peer that was too slow, and a
// connection that was lost or closed (io.EOF, nil), are remote-server-timeout.
// What keeps a connection from being made, and anything else, is
// [RemoteConnectionFailed].
func Cause(err error) stanza.Condition {
	if dns, ok := errors.AsType[*net.DNSError](err); ok && dns.IsNotFound {
		return stanza.RemoteServerNotFound
	}
	if errors.Is(err, stanza.ItemNotFound) || errors.Is(err, stanza.RemoteServerNotFound) ||
		errors.Is(err, stream.HostUnknown) || errors.Is(err, stream.ErrNoService) {
		return stanza.RemoteServerNotFound
	}
	op, isNet := errors.AsType[*net.OpError](err)
	if isNet && op.Op == "dial" {
		return RemoteConnectionFailed
	}
	_, isStream := errors.AsType[*stream.Error](err)
	_, isCondition := errors.AsType[stream.Condition](err)
	if err == nil || isNet || isStream || isCondition || errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, stanza.RemoteServerTimeout) {
		return stanza.RemoteServerTimeout
	}
	return RemoteConnectionFailed
}

// appendError appends the error child. Unlike in stanzas it has no numeric
// code unless one is set: servers that know such errors do not need it.
func appendError(dst []byte, e *stanza.Error) []byte {
	var out stanza.Error
	if e != nil {
		out = *e
	}
	if out.Code == 0 {
		out.Code = stanza.NoCode
	}
	if out.Condition != RemoteConnectionFailed {
		dst, _ = stanza.AppendPayload(dst, &out) // an *Error can always be written
		return dst
	}
	out.Condition = stanza.UndefinedCondition
	if out.Type == "" {
		out.Type = stanza.Wait
	}
	// The condition is the first thing in the element, and all text is escaped.
	b, _ := stanza.AppendPayload(nil, &out)
	return append(dst, bytes.Replace(b, []byte("<"+stanza.UndefinedCondition), []byte("<"+RemoteConnectionFailed), 1)...)
}

// parseError reads the error child, of whatever namespace, as stanza errors are
// read. What is missing or says nothing is undefined-condition.
func parseError(el stanza.Element) *stanza.Error {
	b := []byte("<message type='error'><error")
	for _, name := range []string{"code", "type", "by"} {
		if v := el.Attr(name); v != "" {
			b = stanza.AppendAttr(b, name, v)
		}
	}
	b = stanza.AppendText(append(b, '>'), strings.TrimSpace(el.Text()))
	var condition, text, app bool
	for c := range el.Children() {
		// One of each: a child by itself has what the stream header declares, so
		// that many of them could become far larger than they came.
		seen := &app
		if c.Name().Space == stanza.NSStanzas {
			seen = &condition
			if c.Name().Local == "text" {
				seen = &text
			}
		}
		if !*seen {
			*seen, b = true, append(b, c.Raw()...)
		}
	}
	e := &stanza.Error{Condition: stanza.UndefinedCondition, Type: stanza.Cancel}
	if st, err := stanza.Parse(append(b, "</error></message>"...)); err == nil {
		if parsed, ok := errors.AsType[*stanza.Error](st.Err()); ok {
			e = parsed
		}
	}
	if !el.Child(stanza.NSStanzas, string(RemoteConnectionFailed)).IsZero() {
		e.Condition = RemoteConnectionFailed
		if el.Attr("type") == "" {
			e.Type = stanza.Wait
		}
	}
	return e
}
