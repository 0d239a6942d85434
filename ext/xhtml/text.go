package xhtml

import (
	"strconv"
	"strings"
)

// Text returns the body as plain text: paragraphs with an empty line between
// them, lists with hyphens or numbers, quotations with "> " before each line, and
// links and images with their URLs. It is what the plain body of a message with
// this markup can be.
func (b Body) Text() string {
	var w textWriter
	w.nodes(b.Content, false)
	return w.out.String()
}

// textWriter writes lines.
type textWriter struct {
	out    strings.Builder
	prefix []string // what each line begins with
	breaks int      // line breaks that are due
	kept   int      // how much of prefix the empty lines among them have
	space  bool     // white space that is due
	begun  bool     // there is text on the line
}

// breakLine ends the line; n is 2 for an empty line behind it. Where there is
// nothing yet it does nothing.
func (w *textWriter) breakLine(n int) {
	w.space = false
	if w.begun {
		w.begun, w.breaks, w.kept = false, n, len(w.prefix)
	} else if w.breaks > 0 {
		w.breaks, w.kept = max(w.breaks, n), min(w.kept, len(w.prefix))
	}
}

// hardBreak is a <br/>.
func (w *textWriter) hardBreak() {
	if w.out.Len() == 0 {
		return
	}
	if w.begun {
		w.breakLine(1)
		return
	}
	w.breaks++
}

// startLine writes what is due before a text.
func (w *textWriter) startLine() {
	if w.begun {
		return
	}
	for i := range w.breaks {
		w.out.WriteByte('\n')
		if i < w.breaks-1 {
			w.out.WriteString(strings.TrimRight(strings.Join(w.prefix[:min(w.kept, len(w.prefix))], ""), " "))
		}
	}
	if w.breaks > 0 || w.out.Len() == 0 {
		w.out.WriteString(strings.Join(w.prefix, ""))
	}
	w.breaks = 0
}

// word writes a text that has no white space to collapse.
func (w *textWriter) word(s string) {
	w.startLine()
	if w.space && w.begun {
		w.out.WriteByte(' ')
	}
	w.space, w.begun = false, true
	w.out.WriteString(s)
}

// isXMLSpace reports whether c is white space that collapses; no-break spaces do
// not.
func isXMLSpace(c rune) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

func (w *textWriter) text(s string) {
	for s != "" {
		i := strings.IndexFunc(s, isXMLSpace)
		if i < 0 {
			w.word(s)
			return
		}
		if i > 0 {
			w.word(s[:i])
		}
		w.space = w.begun
		s = strings.TrimLeftFunc(s[i:], isXMLSpace)
	}
}

// verbatim writes a text whose line breaks count.
func (w *textWriter) verbatim(s string) {
	for i, line := range strings.Split(s, "\n") {
		if i > 0 {
			w.hardBreak()
		}
		if line != "" {
			w.word(line)
		}
	}
}

func (w *textWriter) nodes(nodes []Node, pre bool) {
	for i := range nodes {
		w.node(&nodes[i], pre)
	}
}

func (w *textWriter) node(n *Node, pre bool) {
	k := elements[n.Name]
	switch {
	case n.Name == "" && pre:
		w.verbatim(n.Text)
	case n.Name == "":
		w.text(n.Text)
	case n.Name == "br":
		w.hardBreak()
	case n.Name == "img":
		w.text(n.alternative())
	case n.Name == "a":
		w.nodes(n.Children, pre)
		if !saysURL(n, n.Href) {
			w.space = w.begun
			w.word("<" + n.Href + ">")
		}
	case n.Name == "q":
		w.text("\u201c")
		w.nodes(n.Children, pre)
		w.text("\u201d")
	case k.is(list):
		w.list(n)
	case k.is(block):
		w.block(n, k, pre || n.Name == "pre")
	default:
		w.nodes(n.Children, pre)
	}
}

func (w *textWriter) block(n *Node, k kind, pre bool) {
	lines := 1
	if k.is(para) {
		lines = 2
	}
	w.breakLine(lines)
	if n.Name == "blockquote" {
		w.startLine() // the empty line before it is not quoted
		w.indent("> ", n.Children)
	} else {
		w.nodes(n.Children, pre)
	}
	w.breakLine(lines)
}

func (w *textWriter) list(n *Node) {
	w.breakLine(1)
	number := 0
	for i := range n.Children {
		c := &n.Children[i]
		if c.Name != "li" {
			w.node(c, false)
			continue
		}
		number++
		mark := "- "
		if n.Name == "ol" {
			mark = strconv.Itoa(number) + ". "
		}
		w.breakLine(1)
		w.startLine()
		w.out.WriteString(mark)
		w.prefix = append(w.prefix, strings.Repeat(" ", len(mark)))
		w.nodes(c.Children, false)
		w.unindent()
	}
	w.breakLine(1)
}

// indent writes nodes with a prefix on their lines, of which the first has begun.
func (w *textWriter) indent(prefix string, nodes []Node) {
	w.out.WriteString(prefix)
	w.prefix = append(w.prefix, prefix)
	w.nodes(nodes, false)
	w.unindent()
}

// unindent takes back the last prefix. Also where nothing stands behind it there
// is a line.
func (w *textWriter) unindent() {
	w.prefix = w.prefix[:len(w.prefix)-1]
	w.begun = w.begun || w.breaks == 0
}
