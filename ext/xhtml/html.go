package xhtml

import (
	"html"
	"strconv"
	"strings"
)

// Renderer makes HTML for a web page. The zero Renderer loads nothing from
// anywhere.
type Renderer struct {
	// Image says which URL of the page to show an image from, and whether to
	// show it. It is the place to ask the user, as "an implementation MUST make it
	// possible for a user to prevent the automatic fetching and presentation of
	// images" (section 11.1), and to resolve what begins with "cid:" (XEP-0231).
	// nil: the alternative text is shown instead. Loading an image tells its owner
	// that one is there (section 11.3).
	Image func(src string) (url string, show bool)
	// NoLinks shows URLs as text, so that they cannot be clicked.
	NoLinks bool
	// ShowURLs shows the URL of a link behind its text if they differ, against
	// phishing (section 11.2).
	ShowURLs bool
	// NoStyle leaves out colours, fonts and alignment.
	NoStyle bool
}

// HTML returns the body as HTML, as the zero [Renderer] makes it. It is one
// element div; put it where a div can stand, not into a link.
func (b Body) HTML() string { return new(Renderer).HTML(b) }

// HTML returns the body as HTML: one element div. It is balanced, all text in it
// is escaped, and it holds nothing but the elements that [Node] has, so that it
// can neither run anything nor reach out of the div. A body that the program has
// made itself is treated in the same way; what is not allowed in it is left out.
func (r *Renderer) HTML(b Body) string {
	w := htmlWriter{Renderer: r}
	w.WriteString("<div")
	if lang := cleanLang(b.Lang); lang != "" {
		w.attr("lang", lang)
	}
	w.style(b.Style)
	w.WriteByte('>')
	w.nodes(b.Content, place{})
	w.WriteString("</div>")
	return w.String()
}

type htmlWriter struct {
	*Renderer
	strings.Builder
}

func (w *htmlWriter) text(s string) { w.WriteString(html.EscapeString(s)) }

func (w *htmlWriter) attr(name, value string) {
	w.WriteString(" " + name + `="` + html.EscapeString(value) + `"`)
}

func (w *htmlWriter) style(style []Property) {
	if w.NoStyle {
		return
	}
	if s, err := joinStyle(style); err == nil && s != "" {
		w.attr("style", s)
	}
}

func (w *htmlWriter) nodes(nodes []Node, p place) {
	for i := range nodes {
		w.node(&nodes[i], p)
	}
}

func (w *htmlWriter) node(n *Node, p place) {
	k := elements[n.Name]
	switch {
	case n.Name == "":
		w.text(n.Text)
	case !p.allows(k, n.Name):
		w.nodes(n.Children, p)
	case n.Name == "a":
		p.inLink = true
		w.link(n, p)
	case n.Name == "img":
		w.image(n)
	case n.Name == "br":
		w.WriteString("<br>")
	default:
		p.parent, p.inHeading = k, p.inHeading || k.is(heading)
		w.WriteString("<" + n.Name)
		if !k.is(plain) {
			w.style(n.Style)
		}
		w.WriteByte('>')
		w.nodes(n.Children, p)
		w.WriteString("</" + n.Name + ">")
	}
}

func (w *htmlWriter) link(n *Node, p place) {
	href, ok := cleanURL(n.Href, linkSchemes)
	p.parent = elements["a"]
	if ok && !w.NoLinks {
		w.WriteString("<a")
		w.attr("href", href)
		w.attr("rel", "nofollow noopener noreferrer")
		if t := cleanType(n.Type); t != "" {
			w.attr("type", t)
		}
		w.style(n.Style)
		w.WriteByte('>')
	}
	w.nodes(n.Children, p)
	if ok && !w.NoLinks {
		w.WriteString("</a>")
	}
	if ok && (w.ShowURLs || w.NoLinks) && !saysURL(n, href) {
		w.text(" <" + href + ">")
	}
}

func (w *htmlWriter) image(n *Node) {
	if w.Image != nil {
		if src, show := w.Image(n.Src); show {
			w.WriteString("<img")
			w.attr("src", src)
			w.attr("alt", n.Alt)
			w.size("width", n.Width)
			w.size("height", n.Height)
			w.style(n.Style)
			w.WriteByte('>')
			return
		}
	}
	w.text(n.alternative())
}

func (w *htmlWriter) size(name string, n int) {
	if n > 0 && n <= maxPixels {
		w.attr(name, strconv.Itoa(n))
	}
}

// alternative returns the text in the place of an image.
func (n *Node) alternative() string {
	if strings.TrimSpace(n.Alt) == "" {
		return "[" + n.Src + "]"
	}
	return n.Alt
}

// saysURL reports whether the text of a link is its URL.
func saysURL(n *Node, href string) bool {
	var s strings.Builder
	gather(&s, n.Children)
	text := strings.TrimSpace(s.String())
	_, rest, _ := strings.Cut(href, ":")
	for _, said := range []string{href, rest, strings.TrimPrefix(rest, "//")} {
		if text == said || text != "" && text+"/" == said {
			return true
		}
	}
	return false
}

func gather(s *strings.Builder, nodes []Node) {
	for i := range nodes {
		s.WriteString(nodes[i].Text)
		gather(s, nodes[i].Children)
	}
}
