package xhtml

import (
	"encoding/xml"
	"strconv"
	"strings"

	"github.com/etherx-go/xmpp/stanza"
)

// Limits bounds what is read, beyond the limits of the stream. Fields that are
// 0 stand for the defaults.
type Limits struct {
	Depth int // of elements in each other; by default 32
	Nodes int // elements and pieces of text, known or not; by default 4096
	Text  int // bytes of text and attributes, known or not; by default 65536
}

func (l Limits) orDefault() Limits {
	for _, f := range []struct {
		v   *int
		def int
	}{{&l.Depth, 32}, {&l.Nodes, 4096}, {&l.Text, 65536}} {
		if *f.v <= 0 {
			*f.v = f.def
		}
	}
	return l
}

var errTooMuch = stanza.NewError(stanza.PolicyViolation, "too much XHTML")

// Read reads the element <html/>, that of XEP-0071 or the old one. The error is
// a bad-request if there is no body in it, a policy-violation if it is beyond the
// limits; what counts then is the plain body of the message.
func Read(e stanza.Element, l Limits) (HTML, error) {
	space := NSBody
	if e.Name().Space == NSBasic {
		space = NSBasic
	}
	r := reader{space: space, left: l.orDefault()}
	var h HTML
	langs := make(map[string]bool)
	for c := range e.Children() {
		lang := strings.ToLower(cleanLang(c.Lang()))
		if !c.Is(space, "body") || langs[lang] {
			continue // "each <body/> element MUST possess an 'xml:lang' attribute with a distinct value" (section 5)
		}
		langs[lang] = true
		b, err := r.body(c)
		if err != nil {
			return HTML{}, err
		}
		h.Bodies = append(h.Bodies, b)
	}
	if len(h.Bodies) == 0 {
		return HTML{}, stanza.NewError(stanza.BadRequest, "XHTML without a body")
	}
	return h, nil
}

// reader reads the content of bodies.
type reader struct {
	space string // of the elements
	left  Limits // what is not used up yet
	dec   *xml.Decoder
}

// place is where in the tree an element stands.
type place struct {
	parent            kind    // of the element around, of those that are kept
	inLink, inHeading bool    // somewhere
	scale             float64 // the size of the font by relative steps
}

// sink gathers the content of an element that is kept. Text is gathered apart,
// so that pieces become one.
type sink struct {
	nodes []Node
	text  strings.Builder
}

func (s *sink) add(n Node) {
	s.flush()
	s.nodes = append(s.nodes, n)
}

func (s *sink) flush() {
	if s.text.Len() > 0 {
		s.nodes = append(s.nodes, Node{Text: s.text.String()})
		s.text.Reset()
	}
}

func (r *reader) body(e stanza.Element) (Body, error) {
	r.dec = xml.NewDecoder(strings.NewReader(string(e.Raw())))
	var s sink
	b := Body{Lang: cleanLang(e.Lang())}
	scale := 1.0
	b.Style = cleanStyle(e.Attr("style"), &scale)
	if err := r.spend(0, len(e.Attr("style"))); err != nil {
		return Body{}, err
	}
	if _, err := r.dec.Token(); err != nil { // <body>
		return Body{}, malformed(err)
	}
	if err := r.content(&s, place{scale: scale}); err != nil {
		return Body{}, err
	}
	s.flush()
	b.Content = s.nodes
	return b, nil
}

// malformed is for what the checks of a stanza let through, and encoding/xml
// does not.
func malformed(err error) error {
	return stanza.NewError(stanza.BadRequest, "XHTML: "+err.Error())
}

// spend takes nodes and bytes from what is left.
func (r *reader) spend(nodes, bytes int) error {
	r.left.Nodes -= nodes
	r.left.Text -= bytes
	if r.left.Nodes < 0 || r.left.Text < 0 {
		return errTooMuch
	}
	return nil
}

// content reads up to the end tag of the element it is in.
func (r *reader) content(s *sink, p place) error {
	if r.left.Depth--; r.left.Depth < 0 {
		return errTooMuch
	}
	defer func() { r.left.Depth++ }()
	for {
		t, err := r.dec.Token()
		if err != nil {
			return malformed(err)
		}
		switch t := t.(type) {
		case xml.EndElement:
			return nil
		case xml.CharData:
			err = r.spend(1, len(t))
			s.text.Write(t)
		case xml.StartElement:
			err = r.element(s, p, t)
		}
		if err != nil {
			return err
		}
	}
}

// element reads an element whose start tag was read. If it cannot stay where it
// is its content goes to where it stood: "it must continue to process the
// children of that element" (Modularization of XHTML, quoted in example 8).
func (r *reader) element(s *sink, p place, t xml.StartElement) error {
	size := 0
	for _, a := range t.Attr {
		size += len(a.Value)
	}
	if err := r.spend(1, size); err != nil {
		return err
	}
	if t.Name.Space == r.space && silent[t.Name.Local] {
		return r.content(new(sink), p)
	}
	k := elements[t.Name.Local]
	if t.Name.Space != r.space || !p.allows(k, t.Name.Local) {
		return r.content(s, p)
	}
	n, ok := r.node(t, k, &p)
	switch {
	case !ok:
		s.text.WriteString(n.Text)
		return r.content(s, p)
	case k.is(void):
		s.add(n)
		return r.content(s, p)
	}
	var inner sink
	p.parent = k
	p.inLink = p.inLink || n.Name == "a"
	p.inHeading = p.inHeading || k.is(heading)
	if err := r.content(&inner, p); err != nil {
		return err
	}
	inner.flush()
	n.Children = inner.nodes
	s.add(n)
	return nil
}

// allows reports whether an element may stand here. Items outside lists, links
// in links, and headings in headings would end elements around them when a
// browser reads them: elements of the page, if there are no others.
func (p *place) allows(k kind, name string) bool {
	switch {
	case k == 0:
		return false
	case k.is(item):
		return p.parent.is(list)
	case k.is(heading):
		return !p.inHeading
	case name == "a":
		return !p.inLink
	}
	return true
}

// node makes an element of a start tag. ok is false for a link without a URL, and
// for an image without, which n is the text for.
func (r *reader) node(t xml.StartElement, k kind, p *place) (n Node, ok bool) {
	n.Name, ok = t.Name.Local, true
	attr := func(name string) string {
		for _, a := range t.Attr {
			if a.Name.Space == "" && a.Name.Local == name {
				return a.Value
			}
		}
		return ""
	}
	if !k.is(plain) {
		n.Style = cleanStyle(attr("style"), &p.scale)
	}
	switch n.Name {
	case "a":
		n.Href, ok = cleanURL(attr("href"), linkSchemes)
		n.Type = cleanType(attr("type"))
	case "img":
		n.Alt = attr("alt")
		if n.Src, ok = cleanURL(attr("src"), imageSchemes); !ok {
			return Node{Text: n.Alt}, false
		}
		n.Width, n.Height = cleanSize(attr("width")), cleanSize(attr("height"))
	}
	if !ok {
		return Node{}, false
	}
	return n, true
}

// maxPixels bounds the width and the height of an image.
const maxPixels = 2000

func cleanSize(s string) int {
	n, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(s), "px"))
	if err != nil || n < 1 || n > maxPixels {
		return 0
	}
	return n
}
