package xmpp

import (
	"encoding/xml"
	"slices"

	"github.com/etherx-go/xmpp/stanza"
)

// Pattern says which stanzas a handler is for. Zero fields match everything.
type Pattern struct {
	Kind stanza.Kind
	// Types lists the types. nil stands for those that need no special care:
	// of iqs get and set, of messages all but error, of presences all that are
	// defined but error. For messages the type is what
	// [stanza.Type.MessageType] makes of it.
	Types []stanza.Type
	// Payload is the name of a child element, with one part left empty if only
	// the other matters. An iq is matched by its first child only.
	Payload xml.Name
}

// rank counts how much the pattern says: about the payload, then about the
// type, then about the kind.
func (p *Pattern) rank() (n int) {
	if p.Payload.Local != "" {
		n += 4
	}
	if p.Payload.Space != "" {
		n += 4
	}
	if p.Types != nil {
		n += 2
	}
	if p.Kind != 0 {
		n++
	}
	return n
}

type route struct {
	Pattern
	h    Handler
	rank int // how much the pattern says
}

func (r *route) matches(v *view) bool {
	if r.Kind != 0 && r.Kind != v.Kind || !r.matchesType(v) {
		return false
	}
	return r.Payload == (xml.Name{}) || v.has(r.Payload)
}

func (r *route) matchesType(v *view) bool {
	t := v.Type
	if v.Kind == stanza.KindMessage {
		t = t.MessageType()
	}
	switch {
	case r.Types != nil:
		return slices.Contains(r.Types, t)
	case v.Kind == stanza.KindIQ:
		return t.IsRequest()
	}
	return t != stanza.TypeError && v.isDefined()
}

// view is a stanza and what the patterns ask about it, found out once.
type view struct {
	*stanza.Stanza
	read bool // the names of the child elements are here
	n    int
	few  [8]xml.Name // the first n
	more []xml.Name
}

// payloads reads the names of the child elements; of an iq at most two.
func (v *view) payloads() {
	if v.read {
		return
	}
	v.read = true
	for e := range v.Payloads() {
		if v.n < len(v.few) {
			v.few[v.n] = e.Name()
			v.n++
		} else {
			v.more = append(v.more, e.Name())
		}
		if v.Kind == stanza.KindIQ && v.n == 2 {
			return
		}
	}
}

// has reports whether there is a child element of that name; in an iq, whether
// it is the first.
func (v *view) has(name xml.Name) bool {
	v.payloads()
	few := v.few[:v.n]
	if v.Kind == stanza.KindIQ {
		few = few[:min(1, v.n)]
	}
	is := func(n xml.Name) bool {
		return (n.Local == name.Local || name.Local == "") && (n.Space == name.Space || name.Space == "")
	}
	return slices.ContainsFunc(few, is) || slices.ContainsFunc(v.more, is)
}

// isDefined reports whether the type is one that is defined for the kind. Of
// messages every type is, for an unknown one counts as normal.
func (v *view) isDefined() bool {
	switch v.Kind {
	case stanza.KindIQ:
		return v.Type.IsRequest() || v.Type.IsResponse()
	case stanza.KindPresence:
		switch v.Type {
		case stanza.TypeAvailable, stanza.TypeUnavailable, stanza.TypeSubscribe, stanza.TypeSubscribed,
			stanza.TypeUnsubscribe, stanza.TypeUnsubscribed, stanza.TypeProbe, stanza.TypeError:
			return true
		}
		return false
	}
	return true
}
