package stanza

import (
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
)

// node is an element as encoding/xml sees it, for comparing trees.
type node struct {
	name  xml.Name
	attrs []xml.Attr // sorted, without declarations
	text  string     // all character data directly inside
	nodes []*node
}

// parseTree reads a document with the standard library.
func parseTree(doc string) (*node, error) {
	d := xml.NewDecoder(strings.NewReader(doc))
	root := &node{}
	open := []*node{root}
	for {
		tok, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", doc, err)
		}
		top := open[len(open)-1]
		switch tok := tok.(type) {
		case xml.StartElement:
			n := &node{name: blankName(tok.Name)}
			for _, a := range tok.Attr {
				if a.Name.Space == "xmlns" || a.Name.Space == "" && a.Name.Local == "xmlns" {
					continue
				}
				n.attrs = append(n.attrs, xml.Attr{Name: blankName(a.Name), Value: blanks.Replace(a.Value)})
			}
			sortAttrs(n.attrs)
			top.nodes = append(top.nodes, n)
			open = append(open, n)
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			top.text += string(tok)
		}
	}
	if len(root.nodes) != 1 {
		return nil, fmt.Errorf("%s: %d elements", doc, len(root.nodes))
	}
	return root.nodes[0], nil
}

// blanks makes all white space in attribute values alike: encoding/xml does not
// normalise it (XML 1.0, section 3.3.3). Names of namespaces come from values.
var blanks = strings.NewReplacer("\r\n", " ", "\r", " ", "\n", " ", "\t", " ")

func blankName(n xml.Name) xml.Name {
	return xml.Name{Space: blanks.Replace(n.Space), Local: n.Local}
}

func sortAttrs(attrs []xml.Attr) {
	slices.SortFunc(attrs, func(a, b xml.Attr) int {
		return strings.Compare(a.Name.Space+" "+a.Name.Local, b.Name.Space+" "+b.Name.Local)
	})
}

// rename puts all elements of one namespace into another.
func (n *node) rename(from, to string) {
	if n.name.Space == from {
		n.name.Space = to
	}
	for _, c := range n.nodes {
		c.rename(from, to)
	}
}

// String writes the tree in one canonical form.
func (n *node) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "{%s}%s", n.name.Space, n.name.Local)
	for _, a := range n.attrs {
		fmt.Fprintf(&b, " {%s}%s=%q", a.Name.Space, a.Name.Local, a.Value)
	}
	fmt.Fprintf(&b, " %q [", n.text)
	for _, c := range n.nodes {
		b.WriteString(c.String())
	}
	b.WriteString("]")
	return b.String()
}

// treeIn returns the tree of an element in a stream with the given header.
func treeIn(header, element string) (*node, error) {
	root, err := parseTree(header + element + "</" + header[1:strings.IndexAny(header, " \t\r\n>")] + ">")
	if err != nil {
		return nil, err
	}
	if len(root.nodes) != 1 {
		return nil, fmt.Errorf("%s: %d elements in the stream", element, len(root.nodes))
	}
	return root.nodes[0], nil
}

func mustTree(t testing.TB, header, element string) *node {
	t.Helper()
	n, err := treeIn(header, element)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
