package bench

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/etherx-go/xmpp/bench/corpus"
	"github.com/etherx-go/xmpp/internal/xmltok"
)

// Recipients is how many bare addresses a [Router] knows.
const Recipients = 100_000

// outboxSize is when an outbox is taken to have been written to the network.
const outboxSize = 16 << 10

// Router is what a server does with each stanza at the least: it finds its end,
// checks it, looks its recipient up, and appends it to his output with the sender's
// address stamped on it. It does not prepare addresses. It is not safe for concurrent
// use.
type Router struct {
	sender   []byte
	sessions map[string]*session
	buf      []byte // for addresses with references in them
	routed   int
}

type session struct{ outbox []byte }

// NewRouter returns a router with all recipients of the stream, and as many others as
// it takes to be [Recipients]. They share 64 outboxes.
func NewRouter(stream *corpus.Stream) (*Router, error) {
	rt := &Router{
		sender:   []byte("romeo@montague.example/orchard"),
		sessions: make(map[string]*session, Recipients),
	}
	outboxes := make([]session, 64)
	for i := range outboxes {
		outboxes[i].outbox = make([]byte, 0, 2*outboxSize)
	}
	add := func(addr string) {
		if rt.sessions[addr] == nil {
			rt.sessions[addr] = &outboxes[len(rt.sessions)%len(outboxes)]
		}
	}
	s := xmltok.NewScanner(NewPieces(stream.Data), xmltok.Limits{})
	defer s.Release()
	err := eachElement(s, func(el *xmltok.Elem) error {
		if to := attr(el, "to"); to != nil {
			add(string(bare(to.Append(nil))))
		}
		return nil
	})
	for i := 0; len(rt.sessions) < Recipients; i++ {
		add(fmt.Sprintf("nobody%d@example.org", i))
	}
	return rt, err
}

// eachElement calls f with every first-level element until the stream has ended.
func eachElement(s *xmltok.Scanner, f func(*xmltok.Elem) error) error {
	for {
		event, err := s.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if event != xmltok.Element {
			continue
		}
		if err := f(s.Element()); err != nil {
			return err
		}
	}
}

// Route takes a whole stream and returns how many of its elements found a recipient.
func (rt *Router) Route(r io.Reader) (routed int, err error) {
	s := xmltok.NewScanner(r, xmltok.Limits{})
	defer s.Release()
	rt.routed = 0
	err = eachElement(s, rt.route)
	return rt.routed, err
}

func (rt *Router) route(el *xmltok.Elem) error {
	to := attr(el, "to")
	if to == nil {
		return nil // for the server itself: stream management
	}
	addr := to.Value
	if to.Escaped {
		rt.buf = to.Append(rt.buf[:0])
		addr = rt.buf
	}
	session := rt.sessions[string(bare(addr))]
	if session == nil {
		return fmt.Errorf("bench: no session for %q", addr)
	}
	if el.Flags&(xmltok.OuterPrefix|xmltok.RootPrefix|xmltok.RootDefault) != 0 {
		return errors.New("bench: the stream declares prefixes or namespaces on stanzas, which no corpus has")
	}
	if len(session.outbox) >= outboxSize {
		session.outbox = session.outbox[:0]
	}
	session.outbox = appendStamped(session.outbox, el, rt.sender)
	rt.routed++
	return nil
}

// appendStamped appends el with another from attribute; all else as it came.
func appendStamped(dst []byte, el *xmltok.Elem, from []byte) []byte {
	dst = append(append(dst, '<'), el.Name...)
	dst = append(xmltok.AppendAttr(append(dst, " from='"...), from), '\'')
	for i := range el.Attrs {
		if a := &el.Attrs[i]; len(a.Prefix) > 0 || string(a.Name) != "from" {
			dst = append(append(dst, ' '), a.Raw...)
		}
	}
	if len(el.Inner) == 0 {
		return append(dst, "/>"...)
	}
	dst = append(append(dst, '>'), el.Inner...)
	dst = append(append(dst, "</"...), el.Name...)
	return append(dst, '>')
}

// attr is the root attribute of that name without a prefix, or nil.
func attr(el *xmltok.Elem, name string) *xmltok.Attr {
	for i := range el.Attrs {
		if a := &el.Attrs[i]; string(a.Name) == name && len(a.Prefix) == 0 {
			return a
		}
	}
	return nil
}

func bare(addr []byte) []byte {
	if i := bytes.IndexByte(addr, '/'); i >= 0 {
		return addr[:i]
	}
	return addr
}
