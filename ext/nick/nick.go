// Package nick implements User Nickname (XEP-0172): the name that somebody would
// like to be called by, sent along with first words and subscription requests.
//
// Anybody can choose any name. "Clients also MUST NOT depend on nicknames to
// validate the identity of contacts" (section 7).
package nick

import (
	"encoding/xml"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/etherx-go/xmpp/ext/internal/payload"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// NS is the namespace, also the name of the node in personal eventing (section
// 4.3).
const NS = "http://jabber.org/protocol/nick"

// MaxLen bounds a nickname in bytes: what is longer is cut when it is read. It
// is the length that a nickname can have in a room.
const MaxLen = 1023

// Nick is a nickname, a payload.
type Nick string

// XMLName returns the element's name.
func (Nick) XMLName() xml.Name { return xml.Name{Space: NS, Local: "nick"} }

// AppendXML appends the element.
func (n Nick) AppendXML(dst []byte) ([]byte, error) {
	return append(stanza.AppendText(append(dst, "<nick xmlns='"+NS+"'>"...), n), "</nick>"...), nil
}

// ParseXML reads the element. White space around the name is cut off, line
// breaks and what cannot be seen become spaces, so that a name fits on a line
// and cannot be two. An empty name is one that was taken back.
func (n *Nick) ParseXML(e stanza.Element) error {
	s := strings.Map(func(r rune) rune {
		if r == '\u200c' || r == '\u200d' { // joiners, which some scripts and emoji need
			return r
		}
		if unicode.IsSpace(r) || unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) {
			return ' '
		}
		return r
	}, e.Text())
	if s = strings.TrimSpace(s); len(s) > MaxLen {
		cut := MaxLen
		for !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = strings.TrimSpace(s[:cut])
	}
	*n = Nick(s)
	return nil
}

// Of returns the nickname that the sender of a message or of a subscription
// request gives himself, and whether there is one. It takes a *stanza.Stanza, a
// *stanza.Message or a *stanza.Presence.
//
// In any other presence it means nothing: it "MUST NOT be included in presence
// broadcasts" (section 4.1), and in rooms it would go around their rules
// (section 6). Nor does it in a groupchat, where everybody has a name already.
func Of(m interface {
	Stanza() (*stanza.Stanza, error)
}) (string, bool) {
	n, st, ok := payload.Of[Nick](m)
	if !ok || n == "" {
		return "", false
	}
	switch st.Kind {
	case stanza.KindMessage:
		ok = st.Type != stanza.TypeGroupChat
	case stanza.KindPresence:
		ok = st.Type == stanza.TypeSubscribe
	default:
		ok = false
	}
	if !ok {
		return "", false
	}
	return string(n), true
}

// Subscribe returns a request for a subscription to the presence of contact
// that says one's nickname (section 4.1).
func Subscribe(contact jid.JID, name string) *stanza.Presence {
	return &stanza.Presence{To: contact.Bare(), Type: stanza.TypeSubscribe, Payloads: []any{Nick(name)}}
}
