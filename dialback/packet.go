package dialback

import (
	"strings"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// NS qualifies the elements of dialback. A server that wants to speak it
// declares this namespace for the prefix "db" in its stream header (XEP-0220,
// section 2.4.1).
const NS = "jabber:server:dialback"

// MaxLen bounds a key and a stream id that [Parse] reads, in bytes each.
const MaxLen = 1024

// Kind is one of the two elements of dialback.
type Kind uint8

// The kinds of packet. The zero Kind is none of them.
const (
	Result Kind = iota + 1 // between originating and receiving server: db:result
	Verify                 // between receiving and authoritative server: db:verify
)

// String returns the local name of the element, "" for the zero Kind.
func (k Kind) String() string {
	switch k {
	case Result:
		return "result"
	case Verify:
		return "verify"
	}
	return ""
}

// Type is the type of a packet: what is answered.
type Type string

// The types of XEP-0220, section 2.
const (
	TypeRequest Type = ""
	TypeValid   Type = "valid"
	TypeInvalid Type = "invalid"
	TypeError   Type = "error"
)

// Packet is one element of dialback. It is no stanza, but stands at the first
// level of a stream between servers.
type Packet struct {
	Kind Kind
	Type Type
	// From and To are domains. Each is the zero JID if the peer left it out.
	From, To jid.JID
	// ID is, in a db:verify, the id of the stream that the key is for.
	ID string
	// Key is what a request asks to accept or to verify.
	Key string
	// Error is the reason of a packet of [TypeError].
	Error *stanza.Error
}

// IsRequest reports whether p asks for something; otherwise it is an answer.
func (p Packet) IsRequest() bool { return p.Type == TypeRequest }

// Pair returns the domains of a packet that was received, as seen from here.
func (p Packet) Pair() Pair { return Pair{Local: p.To, Remote: p.From} }

// WithDefaults returns p with from and to, the addresses of the stream header
// that it arrived under, in the place of those that it left out.
func (p Packet) WithDefaults(from, to jid.JID) Packet {
	if p.From.IsZero() {
		p.From = from.DomainJID()
	}
	if p.To.IsZero() {
		p.To = to.DomainJID()
	}
	return p
}

// IsPacket reports whether el is an element of dialback, which [Parse] reads.
func IsPacket(el stanza.Element) bool { return kindOf(el) != 0 }

func kindOf(el stanza.Element) Kind {
	switch {
	case el.Is(NS, Result.String()):
		return Result
	case el.Is(NS, Verify.String()):
		return Verify
	}
	return 0
}

// Parse reads an element of dialback. The Packet shares no memory with it.
//
// Missing addresses, the attribute id on a db:result, further attributes and
// children, and whitespace around the key are accepted. What cannot be
// understood gives a [*stanza.Error], with a Packet beside it that has what
// could be read: bad-request for another element, an unknown type, a request
// without a key, a db:verify without an id, and for what is longer than
// [MaxLen]; jid-malformed for an address that is not a domain.
func Parse(el stanza.Element) (Packet, error) {
	p := Packet{Kind: kindOf(el), Type: Type(strings.Clone(el.Attr("type")))}
	if p.Kind == 0 {
		return p, stanza.NewError(stanza.BadRequest, "not an element of dialback")
	}
	id, key := el.Attr("id"), strings.TrimSpace(el.Text())
	if len(id) > MaxLen || len(key) > MaxLen {
		return p, stanza.NewError(stanza.BadRequest, "key or id too long")
	}
	p.ID = strings.Clone(id)
	switch p.Type {
	case TypeRequest:
		p.Key = strings.Clone(key)
	case TypeError:
		p.Error = parseError(childNamed(el, "error"))
	}
	err := p.parseAddresses(el)
	if err == nil {
		err = p.check()
	}
	return p, err
}

func (p *Packet) parseAddresses(el stanza.Element) error {
	for _, a := range []struct {
		name string
		addr *jid.JID
	}{{"from", &p.From}, {"to", &p.To}} {
		v := el.Attr(a.name)
		if v == "" {
			continue
		}
		addr, err := jid.Parse(v)
		if err != nil || !addr.IsDomain() {
			return stanza.NewError(stanza.JIDMalformed, a.name+" is not a domain")
		}
		*a.addr = addr.Clone()
	}
	return nil
}

// check reports what p lacks, but for its addresses.
func (p *Packet) check() error {
	switch {
	case p.Kind != Result && p.Kind != Verify:
		return stanza.NewError(stanza.BadRequest, "no such kind of packet")
	case p.Kind == Verify && p.ID == "":
		return stanza.NewError(stanza.BadRequest, "no id")
	case p.Type == TypeRequest && p.Key == "":
		return stanza.NewError(stanza.BadRequest, "no key")
	}
	switch p.Type {
	case TypeRequest, TypeValid, TypeInvalid, TypeError:
		return nil
	}
	return stanza.NewError(stanza.BadRequest, "no such type")
}

// AppendXML appends the packet with the prefix "db", which the stream header
// has to declare for [NS]: "some existing implementations and deployments might
// accept only the "db" prefix" (XEP-0220, section 2.4.1). The error is a
// [*stanza.Error], bad-request, for a packet that lacks an address or
// something else that it must have; then dst is returned as it was.
func (p Packet) AppendXML(dst []byte) ([]byte, error) {
	if err := p.check(); err != nil {
		return dst, err
	}
	if !p.From.IsDomain() || !p.To.IsDomain() {
		return dst, stanza.NewError(stanza.BadRequest, "no domain in from or to")
	}
	name := p.Kind.String()
	dst = append(append(dst, "<db:"...), name...)
	dst = stanza.AppendAttr(dst, "from", p.From.Domain())
	if p.ID != "" {
		dst = stanza.AppendAttr(dst, "id", p.ID)
	}
	dst = stanza.AppendAttr(dst, "to", p.To.Domain())
	if p.Type != TypeRequest {
		dst = stanza.AppendAttr(dst, "type", p.Type)
	}
	switch p.Type {
	case TypeRequest:
		dst = stanza.AppendText(append(dst, '>'), p.Key)
	case TypeError:
		dst = appendError(append(dst, '>'), p.Error)
	default:
		return append(dst, "/>"...), nil
	}
	return append(append(append(dst, "</db:"...), name...), '>'), nil
}

// String returns the packet for logs, without the key.
func (p Packet) String() string {
	s := "db:" + p.Kind.String() + " from " + p.From.String() + " to " + p.To.String()
	if p.ID != "" {
		s += " for stream " + p.ID
	}
	if p.Type != TypeRequest {
		s += ": " + string(p.Type)
	}
	if p.Error != nil {
		s += ": " + p.Error.Error()
	}
	return s
}

// childNamed returns the first child with this local name. The error is "implicitly
// qualified by the 'jabber:server' namespace" (XEP-0220, section 2.5), which
// is lost where a peer declares dialback as the default namespace.
func childNamed(el stanza.Element, local string) stanza.Element {
	for c := range el.Children() {
		if c.Name().Local == local {
			return c
		}
	}
	return stanza.Element{}
}
