//go:build expat && cgo

package expatdiff

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/etherx-go/xmpp/internal/xmltok"
)

// document is what a parser made of its input: the same form for both, in plain
// values, so that two can be compared.
type document struct {
	root    *element // only the start tag, nil if the document did not get that far
	stanzas []element
	closed  bool
	err     error
}

// element is a first-level element, or the root.
type element struct {
	name     name
	attrs    []attribute // without declarations
	bindings []binding   // of the root only
	raw      string
	text     string // character data; only of one without children
	children int
	first    name // child
	flags    xmltok.Flags
}

type attribute struct {
	name  name
	value string
}

type binding struct{ prefix, space string }

// scan has our scanner read doc in pieces that end at ends.
func scan(doc []byte, ends []int, lim xmltok.Limits) (d document) {
	s := xmltok.NewScanner(&pieces{doc, ends, 0}, lim)
	defer s.Release()
	for {
		before := s.Offset()
		event, err := s.Next()
		if err != nil {
			if err != io.EOF || !d.closed {
				d.err = err
			}
			return d
		}
		switch event {
		case xmltok.Open:
			d.root = ourRoot(s.Root())
		case xmltok.Element:
			el := s.Element()
			if got := s.Offset() - before; got < int64(len(el.Raw)) {
				d.err = fmt.Errorf("the offset advances by %d with an element of %d", got, len(el.Raw))
				return d
			}
			d.stanzas = append(d.stanzas, ourElement(el))
		case xmltok.Close:
			d.closed = true
		case xmltok.Space:
		default:
			d.err = fmt.Errorf("event %v", event)
			return d
		}
	}
}

// unlimited has libexpat's lack of limits, as near as one can.
var unlimited = xmltok.Limits{Element: -1, Tag: 1 << 20, Depth: 1 << 16, Attrs: 1 << 10, Children: -1}

// pieces reads doc in pieces that end at ends.
type pieces struct {
	doc  []byte
	ends []int
	at   int
}

func (p *pieces) Read(b []byte) (int, error) {
	for len(p.ends) > 0 && p.ends[0] == p.at {
		p.ends = p.ends[1:]
	}
	if len(p.ends) == 0 {
		return 0, io.EOF
	}
	n := copy(b, p.doc[p.at:p.ends[0]])
	p.at += n
	return n, nil
}

func ourRoot(t *xmltok.Tag) *element {
	e := &element{name: name{string(t.NS), string(t.Name), string(t.Prefix)}, attrs: ourAttrs(t.Attrs)}
	if len(t.Default) > 0 {
		e.bindings = append(e.bindings, binding{"", string(t.Default)})
	}
	for _, b := range t.Bindings {
		e.bindings = append(e.bindings, binding{string(b.Prefix), string(b.URI)})
	}
	sortBindings(e.bindings)
	return e
}

func ourElement(el *xmltok.Elem) element {
	e := element{
		name:     name{string(el.NS), string(el.Name), string(el.Prefix)},
		attrs:    ourAttrs(el.Attrs),
		raw:      string(el.Raw),
		children: el.Elements,
		first:    name{string(el.FirstChild.NS), string(el.FirstChild.Name), string(el.FirstChild.Prefix)},
		flags:    el.Flags,
	}
	if e.children == 0 {
		e.text = string(xmltok.AppendUnescaped(nil, el.Inner))
	}
	return e
}

func ourAttrs(attrs []xmltok.Attr) (all []attribute) {
	for _, a := range attrs {
		all = append(all, attribute{
			name{string(a.NS), string(a.Name), string(a.Prefix)},
			string(a.Append(nil)),
		})
	}
	return all
}

// theirs makes a document of what libexpat saw.
func theirs(doc []byte, events []event, err error) document {
	b := builder{doc: doc, d: document{err: err}}
	for _, e := range events {
		b.add(e)
	}
	return b.d
}

// builder goes over the events of libexpat. It is the oracle for the flags, too, so
// it follows their documentation, not the scanner.
type builder struct {
	doc   []byte
	d     document
	decls []binding // that the next start tag has
	open  []scope   // open[0] is the root's, open[1] that of the first-level element
	at    int       // where that begins
	el    *element  // it
	own   strings.Builder
}

// scope is what a start tag declares.
type scope []binding

func (b *builder) add(e event) {
	switch e.kind {
	case 'N':
		if e.fields == nil {
			e.fields = []string{"", ""}
		}
		b.decls = append(b.decls, binding{e.fields[0], e.fields[1]})
	case 'S':
		b.start(e)
		b.decls = nil
	case 'E':
		b.end(e)
	case 'C':
		if b.el != nil {
			b.el.flags |= xmltok.HasCDATA
		}
	case 'T':
		if len(b.open) == 2 {
			b.own.WriteString(e.fields[0])
		}
	}
}

func (b *builder) start(e event) {
	b.open = append(b.open, b.decls)
	n := splitName(e.fields[0])
	var attrs []attribute
	for i := 1; i+1 < len(e.fields); i += 2 {
		attrs = append(attrs, attribute{splitName(e.fields[i]), e.fields[i+1]})
	}
	switch len(b.open) {
	case 1:
		b.d.root = &element{name: n, attrs: attrs}
		for _, d := range b.decls {
			if d.space != "" && d.prefix != "xml" {
				b.d.root.bindings = append(b.d.root.bindings, d)
			}
		}
		sortBindings(b.d.root.bindings)
	case 2:
		b.at = e.at
		b.own.Reset()
		b.el = &element{name: n, attrs: attrs}
		b.rootFlags(n)
	default:
		if len(b.open) == 3 {
			if b.el.children++; b.el.children == 1 {
				b.el.first = n
			}
		}
		b.innerFlags(n, attrs)
	}
}

// rootFlags are those that the start tag of a first-level element decides.
func (b *builder) rootFlags(n name) {
	if n.prefix != "" {
		b.el.flags |= xmltok.RootPrefix
	}
	for _, d := range b.decls {
		switch {
		case d.prefix == "xml": // says nothing new
		case d.prefix != "":
			b.el.flags |= xmltok.RootPrefix
		case d.space != b.header(""):
			b.el.flags |= xmltok.RootDefault
		}
	}
}

func (b *builder) innerFlags(n name, attrs []attribute) {
	b.outerPrefix(n)
	for _, a := range attrs {
		b.outerPrefix(a.name)
	}
	if n.space == "" || !slices.Contains([]string{b.header(""), "jabber:client", "jabber:server", "jabber:component:accept"}, n.space) {
		return
	}
	// Who declared it? What is inherited from the first-level element or from the
	// header as the default does not count.
	if _, depth := b.lookup(n.prefix); n.prefix != "" || depth >= 2 {
		b.el.flags |= xmltok.InnerContent
	}
}

func (b *builder) outerPrefix(n name) {
	if n.prefix == "" || n.prefix == "xml" {
		return
	}
	if _, depth := b.lookup(n.prefix); depth == 0 {
		b.el.flags |= xmltok.OuterPrefix
	}
}

// lookup finds what binds a prefix, and at which depth.
func (b *builder) lookup(prefix string) (space string, depth int) {
	for depth = len(b.open) - 1; depth >= 0; depth-- {
		for _, d := range b.open[depth] {
			if d.prefix == prefix {
				return d.space, depth
			}
		}
	}
	return "", -1
}

// header is what the header binds a prefix to.
func (b *builder) header(prefix string) string {
	for _, d := range b.open[0] {
		if d.prefix == prefix {
			return d.space
		}
	}
	return ""
}

func (b *builder) end(e event) {
	b.open = b.open[:len(b.open)-1]
	switch len(b.open) {
	case 0:
		b.d.closed = true
	case 1:
		text := b.own.String()
		switch {
		case b.el.children == 0:
			b.el.text = text
		case strings.Trim(text, " \t\r\n") != "":
			b.el.flags |= xmltok.StrayText
		}
		b.el.raw = string(b.doc[b.at:e.at])
		b.d.stanzas = append(b.d.stanzas, *b.el)
		b.el = nil
	}
}

func sortBindings(b []binding) {
	slices.SortFunc(b, func(x, y binding) int { return strings.Compare(x.prefix, y.prefix) })
}

// difference tells how two documents differ, "" if they do not.
func difference(ours, expats document) string {
	if (ours.root == nil) != (expats.root == nil) {
		return fmt.Sprintf("root: ours %+v, libexpat %+v", ours.root, expats.root)
	}
	if ours.root != nil {
		if d := elementDifference(*ours.root, *expats.root); d != "" {
			return "root: " + d
		}
	}
	for i := range min(len(ours.stanzas), len(expats.stanzas)) {
		if d := elementDifference(ours.stanzas[i], expats.stanzas[i]); d != "" {
			return fmt.Sprintf("stanza %d: %s", i, d)
		}
	}
	if len(ours.stanzas) != len(expats.stanzas) {
		return fmt.Sprintf("stanzas: ours %d, libexpat %d", len(ours.stanzas), len(expats.stanzas))
	}
	if ours.closed != expats.closed {
		return fmt.Sprintf("closed: ours %v, libexpat %v", ours.closed, expats.closed)
	}
	return ""
}

func elementDifference(a, b element) string {
	switch {
	case a.raw != b.raw:
		return fmt.Sprintf("bytes: ours %q, libexpat %q", a.raw, b.raw)
	case a.name != b.name:
		return fmt.Sprintf("name: ours %+v, libexpat %+v", a.name, b.name)
	case !slices.Equal(a.attrs, b.attrs):
		return fmt.Sprintf("attributes: ours %+v, libexpat %+v", a.attrs, b.attrs)
	case !slices.Equal(a.bindings, b.bindings):
		return fmt.Sprintf("declarations: ours %+v, libexpat %+v", a.bindings, b.bindings)
	case a.text != b.text:
		return fmt.Sprintf("text: ours %q, libexpat %q", a.text, b.text)
	case a.children != b.children || a.first != b.first:
		return fmt.Sprintf("children: ours %d, %+v, libexpat %d, %+v", a.children, a.first, b.children, b.first)
	case a.flags != b.flags:
		return fmt.Sprintf("flags: ours %b, libexpat %b", a.flags, b.flags)
	}
	return ""
}
