// Package xhtml reads and writes XHTML-IM (XEP-0071): a message with lightweight
// markup beside its plain body.
//
// What comes in is hostile: "Entities thus MUST assume that inbound XHTML-IM may
// be [malicious] and MUST sanitize it" (section 11.1). So there is no other way
// to read it than into an [HTML], which cannot hold anything but what is on the
// lists of this package: elements, attributes, style properties with values that
// are understood, links with known schemes. What is not known is ignored as
// section 8 asks: of an unknown element the content stays, of an unknown
// attribute nothing.
//
// [Body.HTML] shows it on a web page, [Body.Text] as plain text. The XEP is
// deprecated, because so many have got this wrong; peers that speak it are there
// nevertheless.
package xhtml

import (
	"encoding/xml"
	"strings"

	"github.com/etherx-go/xmpp/ext/internal/payload"
	"github.com/etherx-go/xmpp/stanza"
)

const (
	// NS is the namespace of the element that wraps the XHTML, which is also the
	// feature for service discovery (section 10).
	NS = "http://jabber.org/protocol/xhtml-im"
	// NSBody is the namespace of XHTML itself.
	NSBody = "http://www.w3.org/1999/xhtml"
	// NSBasic is the namespace that the Jabber Programmers Guide has for both, in
	// chapter 11. It is understood, never sent.
	NSBasic = "http://www.w3.org/TR/xhtml-basic"
)

// HTML is the element <html/>, a payload of a message: the formatted versions of
// its bodies. "The sending client MUST ensure that, if XHTML content is sent, its
// meaning is the same as that of the plaintext version" (section 8).
type HTML struct {
	// Bodies has one for each language.
	Bodies []Body
}

// Body is a formatted text in one language.
type Body struct {
	Lang    string // "" for that of the stanza
	Style   []Property
	Content []Node
}

// Node is a text, or an element with what is in it. Only these elements can be
// read and written: a, blockquote, br, cite, em, img, li, ol, p, span, strong and
// ul, which section 7.8 recommends, and the further ones of section 6.2.
type Node struct {
	Name string // of the element, "" for a text
	Text string // of a text

	Style    []Property // all but br, em and strong can have it
	Href     string     // a: the URL, absolute
	Type     string     // a: the media type of what is there, optional
	Src, Alt string     // img: the URL, absolute, and the text in its place
	Width    int        // img, in pixels, 0 if not known
	Height   int        // img, in pixels, 0 if not known
	Children []Node
}

// Property is one property of a style, such as font-weight with the value bold.
// There are those that section 7.6.1 recommends.
type Property struct{ Name, Value string }

// XMLName returns the element's name.
func (HTML) XMLName() xml.Name { return xml.Name{Space: NS, Local: "html"} }

// ParseXML reads the element within the default [Limits].
func (h *HTML) ParseXML(e stanza.Element) (err error) {
	*h, err = Read(e, Limits{})
	return err
}

// Of returns the formatted versions of the bodies of a message, a *stanza.Stanza
// or a *stanza.Message, and whether it has any that can be read. In the absence
// of the form of XEP-0071 that of the Jabber Programmers Guide is read.
func Of(m interface {
	Stanza() (*stanza.Stanza, error)
}) (HTML, bool) {
	st := payload.Stanza(m)
	if st == nil || st.Kind != stanza.KindMessage || st.Type == stanza.TypeError {
		return HTML{}, false
	}
	e := st.Child(NS, "html")
	if e.IsZero() {
		e = st.Child(NSBasic, "html")
	}
	h, err := Read(e, Limits{})
	return h, err == nil
}

// Body returns the version in a language, such as "en-GB"; else the one in the
// language of the stanza; else the first.
func (h HTML) Body(lang string) Body {
	best, most := Body{}, 0
	for _, b := range h.Bodies {
		rank := 1
		switch {
		case strings.EqualFold(b.Lang, lang):
			rank = 3
		case b.Lang == "":
			rank = 2
		}
		if rank > most {
			best, most = b, rank
		}
	}
	return best
}

// Parse reads a fragment of XHTML that the program has written itself, such as
// "<p>Hello, <strong>world</strong>!</p>". It must be well-formed; what this
// package does not know is ignored as in what comes in.
func Parse(fragment string) (HTML, error) {
	raw := stanza.Raw("<html xmlns='" + NS + "'><body xmlns='" + NSBody + "'>" + fragment + "</body></html>")
	e, err := raw.Element()
	if err != nil {
		return HTML{}, err
	}
	return Read(e, Limits{})
}

// Add gives a message the markup of a fragment, as [Parse] reads it. If the
// message has no plain body yet it gets one.
func Add(m *stanza.Message, fragment string) error {
	h, err := Parse(fragment)
	if err != nil {
		return err
	}
	if m.Body == "" {
		m.Body = h.Bodies[0].Text()
	}
	m.Payloads = append(m.Payloads, h)
	return nil
}
