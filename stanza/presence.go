package stanza

import (
	"cmp"
	"errors"
	"strconv"
	"strings"

	"github.com/etherx-go/xmpp/jid"
)

// Show is the availability of a resource in more detail (RFC 6121, section
// 4.7.2.1).
type Show string

// The defined values. The zero Show is plainly available.
const (
	ShowAway         Show = "away"
	ShowChat         Show = "chat"
	ShowDoNotDisturb Show = "dnd"
	ShowExtendedAway Show = "xa"
)

// Presence is a presence stanza for people (RFC 6121, section 4).
type Presence struct {
	To, From jid.JID
	ID       string
	Type     Type // TypeAvailable if empty
	Lang     string

	Show Show
	// Status is the text in the stanza's language. On input, if there is none
	// in that, it is the first in any.
	Status   string
	Statuses []Text // further versions in other languages
	Priority int8

	// Error is set on a presence of type error.
	Error *Error

	// Payloads are further children. On output anything that New takes; on
	// input Elements.
	Payloads []any
}

// Stanza returns the presence as a stanza.
func (p *Presence) Stanza() (*Stanza, error) {
	body, err := p.appendBody(nil)
	if err != nil {
		return nil, err
	}
	return &Stanza{Header: p.header(), body: string(body)}, nil
}

// AppendXML appends the presence as it is written to a stream. It does not
// allocate if dst is large enough and all payloads are [Payload]s.
func (p *Presence) AppendXML(dst []byte) ([]byte, error) {
	h := p.header()
	return appendTyped(dst, &h, p.appendBody)
}

func (p *Presence) header() Header {
	return Header{Kind: KindPresence, Type: presenceType(p.Type), ID: p.ID, Lang: p.Lang, To: p.To, From: p.From}
}

func (p *Presence) appendBody(dst []byte) ([]byte, error) {
	if p.Show != "" {
		dst = AppendTextElement(dst, "show", string(p.Show))
	}
	if p.Status != "" {
		dst = AppendTextElement(dst, "status", p.Status)
	}
	dst = appendTexts(dst, "status", p.Statuses)
	if p.Priority != 0 {
		dst = append(strconv.AppendInt(append(dst, "<priority>"...), int64(p.Priority), 10), "</priority>"...)
	}
	return appendRest(dst, p.Error, p.Payloads)
}

// Presence returns the stanza as a Presence. It never fails: what is malformed
// is left out, and of what may be there once the first counts.
//
// What old peers send is read as they mean it: the show value "na" of the
// Jabber Programmers Guide as xa; any other unknown show value as plainly
// available; a priority above 127 as 127.
func (s *Stanza) Presence() *Presence {
	p := &Presence{To: s.To, From: s.From, ID: s.ID, Type: presenceType(s.Type), Lang: s.Lang, Error: s.typedError()}
	var show, priority Element
	var statuses []Text
	for e := range s.Payloads() {
		switch {
		case e.Is(NSClient, "show"):
			show = cmp.Or(show, e)
		case e.Is(NSClient, "status"):
			statuses = appendText(statuses, e)
		case e.Is(NSClient, "priority"):
			priority = cmp.Or(priority, e)
		case e.Is(NSClient, "error"):
			// It is in p.Error; in a stanza of another type it has no meaning.
		default:
			p.Payloads = append(p.Payloads, e)
		}
	}
	p.Show, p.Priority = parseShow(show.Text()), parsePriority(priority.Text())
	p.Status, p.Statuses = splitTexts(statuses, s.Lang)
	return p
}

// presenceType leaves out the type that the DTD of the Jabber Programmers Guide
// (chapter 8) names, but nobody may send.
func presenceType(t Type) Type {
	if t == "available" {
		return TypeAvailable
	}
	return t
}

// Priority returns the priority of a presence, 0 if it has none or a malformed
// one (RFC 6121, section 4.7.2.3), without decoding the rest.
func (s *Stanza) Priority() int8 { return parsePriority(s.Child(NSClient, "priority").Text()) }

func parseShow(text string) Show {
	switch v := Show(strings.TrimSpace(text)); v {
	case ShowAway, ShowChat, ShowDoNotDisturb, ShowExtendedAway:
		return v
	case "na":
		return ShowExtendedAway
	}
	return ""
}

func parsePriority(text string) int8 {
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 32)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0
	}
	return int8(max(-128, min(127, n)))
}
