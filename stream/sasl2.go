package stream

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"strings"

	"github.com/etherx-go/xmpp/sasl"
	"github.com/etherx-go/xmpp/stanza"
)

// NSSASL2 is the namespace of the Extensible SASL Profile (XEP-0388).
const NSSASL2 = "urn:xmpp:sasl:2"

var authenticationName = xml.Name{Space: NSSASL2, Local: "authentication"}

// UserAgent is what a client says of itself when it logs in (XEP-0388, section 2.3).
// It is for the server and the user alone: "Servers MUST NOT expose this information
// to other entities".
type UserAgent struct {
	// ID identifies the installation, and stays the same: a UUID, see
	// [NewUserAgentID]. It makes the resource of Bind 2 stable, replaces a session
	// that the server has not noticed to be dead, and is what tokens of XEP-0484
	// belong to. Who knows it cannot log in with it.
	ID       string
	Software string // its name, for people
	Device   string // the name of the device it runs on, for people
}

// NewUserAgentID returns a new id for [UserAgent], a random UUID (version 4), which
// a client makes once and keeps.
func NewUserAgentID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// IsUserAgentID reports whether id can be that of a [UserAgent].
func IsUserAgentID(id string) bool { return isUUID(strings.ToLower(id)) }

// maxUserAgent bounds what a client's software and device may be called, in bytes.
const maxUserAgent = 256

// parseUserAgent reads the <user-agent/> of an authentication. An id that is no UUID
// counts as none: nothing is kept under it.
func parseUserAgent(el stanza.Element) UserAgent {
	u := UserAgent{Software: cut(el.ChildText(NSSASL2, "software")), Device: cut(el.ChildText(NSSASL2, "device"))}
	if id := strings.ToLower(el.Attr("id")); isUUID(id) {
		u.ID = strings.Clone(id)
	}
	return u
}

// cut bounds a text that is for people.
func cut(s string) string {
	s = strings.TrimSpace(s)
	if len(s) > maxUserAgent {
		s = s[:maxUserAgent]
	}
	return strings.Clone(strings.ToValidUTF8(s, ""))
}

// isUUID reports whether s is a UUID in lower case.
func isUUID(s string) bool {
	const form = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"
	if len(s) != len(form) {
		return false
	}
	for i := range len(s) {
		isHex := s[i] >= '0' && s[i] <= '9' || s[i] >= 'a' && s[i] <= 'f'
		if form[i] == 'x' && !isHex || form[i] == '-' && s[i] != '-' {
			return false
		}
	}
	return true
}

// appendXML writes the element, nothing for the zero value.
func (u *UserAgent) appendXML(dst []byte) []byte {
	if *u == (UserAgent{}) {
		return dst
	}
	dst = append(dst, "<user-agent"...)
	if u.ID != "" {
		dst = stanza.AppendAttr(dst, "id", u.ID)
	}
	dst = append(dst, '>')
	if u.Software != "" {
		dst = stanza.AppendTextElement(dst, "software", u.Software)
	}
	if u.Device != "" {
		dst = stanza.AppendTextElement(dst, "device", u.Device)
	}
	return append(dst, "</user-agent>"...)
}

// data2 reads the base64 text of an element of XEP-0388: nil if there is none, empty
// if it is empty (section 2.2). White space is passed over: the examples are wrapped.
func data2(el stanza.Element) ([]byte, error) {
	if el.IsZero() {
		return nil, nil
	}
	text := strings.Join(strings.Fields(el.Text()), "")
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, &sasl.Failure{Condition: sasl.IncorrectEncoding, Err: err}
	}
	return data, nil
}

// appendData2 writes an element with data in base64; nothing if data is nil.
func appendData2(dst []byte, name string, data []byte) []byte {
	if data == nil {
		return dst
	}
	return stanza.AppendTextElement(dst, name, encode(data))
}

// element2 is a first-level element of XEP-0388 with this content.
func element2(name, attr, value, content string) []byte {
	b := append([]byte("<"+name), " xmlns='"+NSSASL2+"'"...)
	if attr != "" {
		b = stanza.AppendAttr(b, attr, value)
	}
	if content == "" {
		return append(b, "/>"...)
	}
	return append(b, ">"+content+"</"+name+">"...)
}

// texts returns the texts of the children of el with this name.
func texts(el stanza.Element, space, local string) (all []string) {
	for ch := range el.Children() {
		if ch.Is(space, local) {
			all = append(all, strings.Clone(strings.TrimSpace(ch.Text())))
		}
	}
	return all
}

// isTrue reads an xs:boolean.
func isTrue(s string) bool {
	s = strings.TrimSpace(s)
	return s == "1" || s == "true"
}
