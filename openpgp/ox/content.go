package ox

import (
	"crypto/rand"
	"encoding/xml"
	"fmt"
	"strings"
	"time"

	"github.com/etherx-go/xmpp/ext/datetime"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

const (
	// NS is the namespace of XEP-0373.
	NS = "urn:xmpp:openpgp:0"
	// Feature is the feature of XEP-0374 for service discovery.
	Feature = "urn:xmpp:openpgp:im:0"
)

// maxTo bounds the addresses in a content that is read.
const maxTo = 1000

// Kind says how a content is protected: it is the name of its element.
type Kind string

// The kinds of XEP-0373, section 3.1.
const (
	SignCrypt Kind = "signcrypt" // signed and encrypted
	Sign      Kind = "sign"      // signed, for everybody to read
	Crypt     Kind = "crypt"     // encrypted, from nobody knows whom
)

func (k Kind) isDefined() bool { return k == SignCrypt || k == Sign || k == Crypt }

// Content is an OpenPGP content element: what is signed or encrypted, with what
// is needed to know what it was meant for.
type Content struct {
	Kind Kind
	// To are whom it is meant for, bare addresses. Of the kinds that are signed
	// there must be one.
	To []jid.JID
	// Time is when it was made.
	Time time.Time
	// Pad is of random length, so that the length of the whole does not tell
	// what is in it. See [Pad].
	Pad string
	// Payload are the elements that are protected. On output anything that
	// stanza.New takes, those of stanzas in the namespace stanza.NSClient; on
	// input Elements.
	Payload []any
}

// Pad returns padding for a content: up to 255 random characters.
func Pad() string {
	var n [1]byte
	_, _ = rand.Read(n[:]) // never fails
	var b strings.Builder
	for b.Len() < int(n[0]) {
		b.WriteString(rand.Text())
	}
	return b.String()[:n[0]]
}

// XMLName returns the element's name; for the zero Content the local part is
// empty: every content.
func (c Content) XMLName() xml.Name { return xml.Name{Space: NS, Local: string(c.Kind)} }

// AppendXML appends the element. The error is a bad-request if something is
// missing.
func (c Content) AppendXML(dst []byte) ([]byte, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	dst = append(append(append(dst, '<'), c.Kind...), " xmlns='"+NS+"'>"...)
	for _, to := range c.To {
		dst = append(stanza.AppendAttr(append(dst, "<to"...), "jid", to.Bare().String()), "/>"...)
	}
	dst = append(stanza.AppendAttr(append(dst, "<time"...), "stamp", datetime.Format(c.Time)), "/>"...)
	if c.Pad != "" {
		dst = stanza.AppendTextElement(dst, "rpad", c.Pad)
	}
	dst = append(dst, "<payload>"...)
	for _, p := range c.Payload {
		var err error
		if dst, err = appendForeign(dst, p); err != nil {
			return nil, err
		}
	}
	return append(append(append(dst, "</payload></"...), c.Kind...), '>'), nil
}

// appendForeign appends a payload. What stands in the namespace of the stanza does
// not say so, and has to here.
func appendForeign(dst []byte, payload any) ([]byte, error) {
	if payload == nil {
		return dst, nil
	}
	st, err := stanza.New(stanza.Header{Kind: stanza.KindMessage}, payload)
	if err != nil {
		return nil, err
	}
	for e := range st.Payloads() {
		dst = append(dst, e.Raw()...)
	}
	return dst, nil
}

// check says what the table of XEP-0373, section 3.1, misses.
func (c *Content) check() error {
	switch {
	case !c.Kind.isDefined():
		return badContent("of an unknown kind")
	case c.Kind != Crypt && len(c.To) == 0:
		return badContent("that is for nobody")
	case c.Time.IsZero():
		return badContent("without a time")
	}
	return nil
}

func badContent(what string) error {
	return stanza.NewError(stanza.BadRequest, "an OpenPGP content "+what)
}

// ParseXML reads the element. The error is a bad-request if it has not what it
// must have, as often as it must.
func (c *Content) ParseXML(e stanza.Element) error {
	*c = Content{Kind: Kind(e.Name().Local)}
	var times, pads, payloads int
	for child := range e.Children() {
		if child.Name().Space != NS {
			continue
		}
		switch child.Name().Local {
		case "to":
			to, err := jid.Parse(child.Attr("jid"))
			if err != nil || len(c.To) == maxTo {
				return badContent("with a bad address")
			}
			c.To = append(c.To, to)
		case "time":
			t, err := datetime.Parse(child.Attr("stamp"))
			if err != nil {
				return badContent("with a bad time")
			}
			c.Time = t
			times++
		case "rpad":
			c.Pad = child.Text()
			pads++
		case "payload":
			for p := range child.Children() {
				c.Payload = append(c.Payload, p)
			}
			payloads++
		}
	}
	if times > 1 || pads > 1 || payloads != 1 {
		return badContent("with a part that is missing, or there twice")
	}
	return c.check()
}

// ParseContent reads what was in an OpenPGP message: "This string MUST correspond
// to exactly one OpenPGP content element". White space around it is ignored.
func ParseContent(data []byte) (c Content, err error) {
	e, err := stanza.Raw(strings.TrimSpace(string(data))).Element()
	if err != nil {
		return c, fmt.Errorf("ox: content: %w", err)
	}
	if e.Name().Space != NS {
		return c, badContent("of another namespace")
	}
	err = c.ParseXML(e)
	return c, err
}
