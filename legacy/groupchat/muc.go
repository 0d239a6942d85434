package groupchat

import (
	"encoding/xml"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// Feature is the feature of groupchat 1.0 for service discovery, as the registry
// has it.
const Feature = "gc-1.0"

// The namespaces of Multi-User Chat (XEP-0045) and of direct invitations (XEP-0249),
// which services of old wrote before that.
const (
	nsMUC        = "http://jabber.org/protocol/muc"
	nsMUCUser    = "http://jabber.org/protocol/muc#user"
	nsConference = "jabber:x:conference"
)

// joins is the element that a client of Multi-User Chat joins with.
type joins struct{}

func (joins) XMLName() xml.Name { return xml.Name{Space: nsMUC, Local: "x"} }

func (joins) AppendXML(dst []byte) ([]byte, error) {
	return append(dst, "<x xmlns='"+nsMUC+"'/>"...), nil
}

// IsMUC reports whether a presence to a room is one by which a client that knows
// Multi-User Chat joins: with the element <x/> (XEP-0045, section 7.2.1). One
// without, from somebody who is not in the room, is how a client of old joins.
func IsMUC(st *stanza.Stanza) bool {
	return st.Kind == stanza.KindPresence && !st.Child(nsMUC, "x").IsZero()
}

// Plain returns a presence or message as a client of old gets it: without what
// Multi-User Chat says in it. st itself if there is nothing of that.
func Plain(st *stanza.Stanza) *stanza.Stanza {
	return st.Without(func(e stanza.Element) bool { return e.Is(nsMUC, "x") || e.Is(nsMUCUser, "x") })
}

// withoutForged returns a private message without what only a room may say; the
// empty element that marks it as private (XEP-0045, section 7.5) stays.
func withoutForged(st *stanza.Stanza) *stanza.Stanza {
	return st.Without(func(e stanza.Element) bool { return e.Is(nsMUCUser, "x") && !e.FirstChild().IsZero() })
}

// The status codes of XEP-0045 that are looked at.
const (
	statusSelf     = "110"
	statusBanned   = "301"
	statusRenamed  = "303"
	statusKicked   = "307"
	statusDemoted  = "321"
	statusMembers  = "322"
	statusShutdown = "332"
)

// marks are what the element <x/> of muc#user says in a presence.
type marks struct {
	codes  map[string]bool
	nick   string // of the item
	reason string
}

func readMarks(st *stanza.Stanza) (m marks) {
	x := st.Child(nsMUCUser, "x")
	for c := range x.Children() {
		switch {
		case c.Is(nsMUCUser, "status") && len(m.codes) < 20:
			if m.codes == nil {
				m.codes = make(map[string]bool)
			}
			m.codes[c.Attr("code")] = true
		case c.Is(nsMUCUser, "item") && m.nick == "":
			m.nick, m.reason = c.Attr("nick"), c.ChildText(nsMUCUser, "reason")
		}
	}
	return m
}

// handover is the element <x/> of muc#user with an invitation, or the answer that
// somebody declines one (XEP-0045, section 7.8.2).
type handover struct {
	local  string // invite or decline
	from   jid.JID
	reason string
}

func (handover) XMLName() xml.Name { return xml.Name{Space: nsMUCUser, Local: "x"} }

func (h handover) AppendXML(dst []byte) ([]byte, error) {
	dst = append(append(dst, "<x xmlns='"+nsMUCUser+"'><"...), h.local...)
	if !h.from.IsZero() {
		dst = stanza.AppendAttr(dst, "from", h.from.String())
	}
	if h.reason == "" {
		return append(dst, "/></x>"...), nil
	}
	dst = stanza.AppendTextElement(append(dst, '>'), "reason", h.reason)
	return append(append(append(dst, "</"...), h.local...), "></x>"...), nil
}

// conference is the element <x/> of jabber:x:conference, which says where a room
// is that one is invited to.
type conference struct {
	room   jid.JID
	reason string
}

func (conference) XMLName() xml.Name { return xml.Name{Space: nsConference, Local: "x"} }

func (c conference) AppendXML(dst []byte) ([]byte, error) {
	dst = stanza.AppendAttr(append(dst, "<x xmlns='"+nsConference+"'"...), "jid", c.room.String())
	if c.reason != "" {
		dst = stanza.AppendAttr(dst, "reason", c.reason)
	}
	return append(dst, "/>"...), nil
}
