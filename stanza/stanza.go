package stanza

import (
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/etherx-go/xmpp/internal/xmltok"
	"github.com/etherx-go/xmpp/jid"
)

// Header is all of a stanza that routing needs: its kind and the common
// attributes of RFC 6120, section 8.1. Absent attributes are zero.
type Header struct {
	Kind Kind
	Type Type
	ID   string
	Lang string // xml:lang
	To   jid.JID
	From jid.JID
}

// Stanza is one stanza: a header, and the body as bytes. Treat it as immutable
// once it has been sent or handed to a handler; [Stanza.With] makes a copy
// with another header that shares the body. An immutable Stanza is safe for
// concurrent use.
//
// The strings and addresses in the header of a Stanza that was read from a
// stream share its memory: Clone what outlives it.
type Stanza struct {
	Header
	extra string // further root attributes as they came, each with a leading space
	body  string // what stands between start and end tag, independent of both
}

var errNoKind = errors.New("stanza: Header.Kind is not set")

// New makes a stanza. Each payload is a [Payload], a [*Error], an [Element], a
// [Raw] element, or a value that encoding/xml can marshal; nil, also a nil
// pointer, and the zero Element are ignored. Raw and what encoding/xml makes are
// checked: what is not exactly one well-formed element is refused. If it
// declares no default namespace it is in that of the stanza.
func New(h Header, payloads ...any) (*Stanza, error) {
	if h.Kind.String() == "" {
		return nil, errNoKind
	}
	var body []byte
	for _, p := range payloads {
		var err error
		if body, err = AppendPayload(body, p); err != nil {
			return nil, fmt.Errorf("stanza: %w", err)
		}
	}
	return &Stanza{Header: h, body: string(body)}, nil
}

// Stanza returns s itself, so that a *Stanza can stand wherever a [Message], a
// [Presence] or an [IQ] can.
func (s *Stanza) Stanza() (*Stanza, error) { return s, nil }

// With returns a stanza with the header h and the body of s, which is shared,
// not copied. Attributes of s that a Header does not have are kept. It is how a
// stanza is addressed anew.
func (s *Stanza) With(h Header) *Stanza {
	return &Stanza{Header: h, extra: s.extra, body: s.body}
}

// Adding returns a stanza with further payloads behind those that s has. They are
// what [New] takes. Nothing of s is decoded or changed.
func (s *Stanza) Adding(payloads ...any) (*Stanza, error) {
	body := append(make([]byte, 0, len(s.body)+128*len(payloads)), s.body...)
	for _, p := range payloads {
		var err error
		if body, err = AppendPayload(body, p); err != nil {
			return nil, fmt.Errorf("stanza: %w", err)
		}
	}
	return &Stanza{Header: s.Header, extra: s.extra, body: string(body)}, nil
}

// Without returns a stanza without the payloads that drop chooses; s itself if it
// chooses none. What is kept is kept as it is.
func (s *Stanza) Without(drop func(Element) bool) *Stanza {
	var kept []byte
	done := 0 // what stands before it is in kept, or dropped
	for at := nextTag(s.body, 0); at < len(s.body); at = nextTag(s.body, at) {
		e := elementAt(s.body[at:], NSClient, nil)
		end := at + len(e.src)
		if drop(e) {
			kept = append(kept, s.body[done:at]...)
			done = end
		}
		at = end
	}
	if done == 0 {
		return s
	}
	return &Stanza{Header: s.Header, extra: s.extra, body: string(append(kept, s.body[done:]...))}
}

// Size returns about how many bytes the stanza takes on the wire. It is never
// too small by more than what escaping of the header adds.
func (s *Stanza) Size() int {
	return 64 + len(s.ID) + len(s.Lang) + len(s.Type) + len(s.To.String()) + len(s.From.String()) + len(s.extra) + len(s.body)
}

// AppendXML appends the stanza as it is written to a stream. Where xmlns is
// not empty it is declared on the stanza, which a stream needs that does not
// have it as its default namespace, as the frames of a WebSocket (RFC 7395,
// section 3.3.3) and stanzas inside other stanzas (XEP-0297).
func (s *Stanza) AppendXML(dst []byte, xmlns string) []byte {
	dst = s.appendStart(dst, xmlns)
	dst = append(dst, s.extra...)
	if s.body == "" {
		return append(dst, "/>"...)
	}
	dst = append(append(dst, '>'), s.body...)
	return append(dst, s.Kind.endTag()...)
}

// appendStart appends the start tag up to where extra attributes, or its end,
// follow.
func (h *Header) appendStart(dst []byte, xmlns string) []byte {
	dst = append(append(dst, '<'), h.Kind.String()...)
	if xmlns != "" {
		dst = appendAttr(dst, "xmlns", xmlns)
	}
	if h.Type != "" {
		dst = append(xmltok.AppendAttr(append(dst, " type='"...), h.Type), '\'')
	}
	if h.ID != "" {
		dst = append(xmltok.AppendAttr(append(dst, " id='"...), h.ID), '\'')
	}
	if !h.To.IsZero() {
		dst = append(xmltok.AppendAttr(append(dst, " to='"...), h.To.String()), '\'')
	}
	if !h.From.IsZero() {
		dst = append(xmltok.AppendAttr(append(dst, " from='"...), h.From.String()), '\'')
	}
	if h.Lang != "" {
		dst = append(xmltok.AppendAttr(append(dst, " xml:lang='"...), h.Lang), '\'')
	}
	return dst
}

// String returns the stanza as XML, for logs and tests.
func (s *Stanza) String() string { return string(s.AppendXML(nil, "")) }

// IsEmpty reports whether the stanza has no body at all.
func (s *Stanza) IsEmpty() bool { return s.body == "" }

// Payloads yields the child elements. Nothing but their names is decoded.
func (s *Stanza) Payloads() iter.Seq[Element] { return children(s.body, NSClient, nil) }

// Payload returns the first child element; the zero Element if there is none.
// For an iq that is what it asks, or what it answers.
func (s *Stanza) Payload() Element {
	for e := range s.Payloads() {
		return e
	}
	return Element{}
}

// Child returns the first child element with this name; the zero Element if
// there is none. The stanza's own children (body, show, error ...) have the
// space [NSClient].
func (s *Stanza) Child(space, local string) Element {
	return find(s.body, NSClient, nil, space, local)
}

// ElementCount returns how many child elements there are.
func (s *Stanza) ElementCount() (n int) {
	for range s.Payloads() {
		n++
	}
	return n
}

// Reply returns a stanza that answers s: to and from change places, the id is
// kept. An iq gets the type result; a message keeps its type and its thread
// (RFC 6121, sections 5.2.2 and 5.2.5), and in a groupchat it goes to the room.
func (s *Stanza) Reply(payloads ...any) (*Stanza, error) {
	h := s.Header
	h.To, h.From, h.Lang = s.From, s.To, ""
	switch s.Kind {
	case KindIQ:
		h.Type = TypeResult
	case KindMessage:
		h.To = replyTo(s.Type, s.From)
		if t := s.Child(NSClient, "thread"); !t.IsZero() {
			payloads = append(payloads, t)
		}
	}
	return New(h, payloads...)
}

// ErrorReply returns the stanza that reports err to the sender of s. The
// payload of s is not sent back: RFC 6120, section 8.3.1, leaves that open,
// and it may be large, or secret. An err that is not a *Error becomes
// internal-server-error, without its text.
func (s *Stanza) ErrorReply(err error) *Stanza {
	h := s.Header
	h.To, h.From, h.Type, h.Lang = s.From, s.To, TypeError, ""
	return &Stanza{Header: h, body: string(AsError(err).appendXML(nil))}
}

// Err returns what a stanza of type error reports, as a [*Error], and nil for
// any other type. An error element that is missing or says nothing is reported
// as undefined-condition.
//
// An iq of type result with an error in it is an error, too: so
// draft-ietf-xmpp-im-02 shows it in its sections 3 and 5.7.
func (s *Stanza) Err() error {
	if e := s.typedError(); e != nil {
		return e
	}
	return nil
}

func (s *Stanza) typedError() *Error {
	if s.Type != TypeError && (s.Kind != KindIQ || s.Type != TypeResult) {
		return nil
	}
	el := s.Child(NSClient, "error")
	if s.Type == TypeResult && el.IsZero() {
		return nil
	}
	e := parseError(el)
	if e.By.IsZero() {
		e.By = s.From
	}
	return e
}

// Clone returns a copy that shares no memory with s.
func (s *Stanza) Clone() *Stanza {
	return &Stanza{
		Header: Header{
			Kind: s.Kind,
			Type: Type(strings.Clone(string(s.Type))),
			ID:   strings.Clone(s.ID),
			Lang: strings.Clone(s.Lang),
			To:   s.To.Clone(),
			From: s.From.Clone(),
		},
		extra: strings.Clone(s.extra),
		body:  strings.Clone(s.body),
	}
}

// Parse reads one stanza from XML. It stands alone: its namespace is one of
// those that qualify stanzas, or none. The error is an [*xmltok.Error] for what
// is not one well-formed element, else as for [Read].
func Parse[S ~string | ~[]byte](src S) (*Stanza, error) {
	raw := []byte(src)
	if err := xmltok.Check(raw, local); err != nil {
		return nil, err
	}
	e := elementAt(string(raw), "", nil)
	if e.name.Space != "" && !IsContentNamespace(e.name.Space) {
		return nil, ErrNotStanza
	}
	return fromElement(e, e.name.Space, unbounded)
}
