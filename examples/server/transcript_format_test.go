package main

import (
	"cmp"
	"crypto/sha256"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The transcripts are texts. Every file of testdata/transcripts is one document:
//
//	group: a title                    a server of its own, and what is made on it:
//	account: user@host password       an account; those of clients are made anyway
//	client 1: user@host/resource      a client that has logged in by SASL
//	client 2: user@host/resource old  one that has by jabber:iq:auth, on a stream without version
//	client 3: host                    a connection to a host, nothing sent yet
//	service: host name                a service attached to the server
//
//	example: 8.2/1 a title            section and number in it, as in index.txt
//	1C: <iq .../>                     client 1 sends this, byte for byte
//	1S: <iq .../>                     client 1 receives this, by structure
//	1S*: <presence/>                  several of these come in any order
//	+1S: <presence/>                  not in the document, but it follows
//	!: RFC 6120, section 8.3          a later rule overrides the line before ...
//	!1S: <iq .../>                    ... and this is what there is in its place
//	~: a reason                       why the line before is not to be seen here
//	see: a place                      the example is shown there
//
// A line that begins with none of these goes on with the one before. The number
// of client 1 can be left out. "example: -" is a prelude that is in no document.
// What is received: an attribute or a text "*" is anything, the element <etc/>
// is any further children, and "{name}" is whatever has the same value wherever
// the name is written, also in what is sent. {digest:password} is sent as the
// digest of jabber:iq:auth.

// transcript is a file.
type transcript struct {
	name   string // of the document in index.txt
	groups []*group
}

type group struct {
	title    string
	accounts []user // names are bare addresses
	clients  map[string]string
	old      map[string]bool
	order    []string // of clients
	services [][2]string
	examples []*example
}

type example struct {
	id, title string
	line      int
	lines     []*transcriptLine
	see       string
}

// transcriptLine is what one client sends or receives.
type transcriptLine struct {
	mark     string // "", "+", "!" or "~"
	client   string
	kind     string // C or S, empty for a reason
	anyOrder bool
	text     string
	number   int
	replaced bool // by later rules
}

var (
	lineTag  = regexp.MustCompile(`^([+!]?)([0-9]?)([CS])(\*?):(.*)$`)
	fieldTag = regexp.MustCompile(`^(group|account|service|example|see|client ([0-9])):(.*)$`)
)

// readTranscripts reads all documents.
func readTranscripts(t *testing.T) (all []*transcript) {
	t.Helper()
	names, err := filepath.Glob("testdata/transcripts/*.transcript")
	if err != nil || len(names) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		tr, err := parseTranscript(string(text))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		tr.name = strings.TrimSuffix(filepath.Base(name), ".transcript")
		all = append(all, tr)
	}
	return all
}

func parseTranscript(text string) (*transcript, error) {
	p := &transcriptParser{tr: new(transcript)}
	for n, line := range strings.Split(text, "\n") {
		if strings.HasPrefix(line, "#") {
			continue
		}
		if err := p.add(n+1, line); err != nil {
			return nil, fmt.Errorf("line %d: %w", n+1, err)
		}
	}
	return p.tr, nil
}

type transcriptParser struct {
	tr   *transcript
	text *string // that the next line goes on with
}

// add reads one line.
func (p *transcriptParser) add(n int, line string) error {
	switch m := fieldTag.FindStringSubmatch(line); {
	case m != nil:
		p.text = nil
		return p.field(n, m[1], m[2], strings.TrimSpace(m[3]))
	case strings.HasPrefix(line, "!:"), strings.HasPrefix(line, "~:"):
		return p.override(n, line[:1], strings.TrimSpace(line[2:]))
	}
	if m := lineTag.FindStringSubmatch(line); m != nil {
		return p.line(&transcriptLine{mark: m[1], client: cmp.Or(m[2], "1"), kind: m[3], anyOrder: m[4] != "",
			text: strings.TrimPrefix(m[5], " "), number: n})
	}
	switch {
	case p.text != nil:
		*p.text += "\n" + line
	case strings.TrimSpace(line) != "":
		return fmt.Errorf("what is %q", line)
	}
	return nil
}

// field reads what is said about a group or an example.
func (p *transcriptParser) field(n int, key, client, value string) error {
	if key == "group" {
		p.tr.groups = append(p.tr.groups, &group{title: value, clients: make(map[string]string), old: make(map[string]bool)})
		return nil
	}
	if len(p.tr.groups) == 0 {
		return errors.New("there is no group")
	}
	g := p.tr.groups[len(p.tr.groups)-1]
	first, rest, _ := strings.Cut(value, " ")
	switch key {
	case "account":
		g.accounts = append(g.accounts, user{first, rest})
	case "service":
		g.services = append(g.services, [2]string{first, rest})
	case "example":
		g.examples = append(g.examples, &example{id: first, title: rest, line: n})
	case "see":
		e, err := p.example()
		if err != nil {
			return err
		}
		e.see, p.text = value, &e.see
	default:
		g.clients[client], g.old[client] = first, rest == "old"
		g.order = append(g.order, client)
	}
	return nil
}

func (p *transcriptParser) example() (*example, error) {
	if len(p.tr.groups) == 0 || len(p.tr.groups[len(p.tr.groups)-1].examples) == 0 {
		return nil, errors.New("there is no example")
	}
	g := p.tr.groups[len(p.tr.groups)-1]
	return g.examples[len(g.examples)-1], nil
}

func (p *transcriptParser) line(l *transcriptLine) error {
	e, err := p.example()
	if err != nil {
		return err
	}
	if l.mark == "!" && (len(e.lines) == 0 || e.lines[len(e.lines)-1].mark != "!") {
		return errors.New("no rule says why")
	}
	if g := p.tr.groups[len(p.tr.groups)-1]; g.clients[l.client] == "" {
		return fmt.Errorf("there is no client %s", l.client)
	}
	e.lines = append(e.lines, l)
	p.text = &l.text
	return nil
}

// override says why the line before is replaced, or left out.
func (p *transcriptParser) override(n int, mark, why string) error {
	e, err := p.example()
	if err != nil {
		return err
	}
	if len(e.lines) == 0 || e.lines[len(e.lines)-1].mark != "" || why == "" {
		return errors.New("nothing is overridden, or for no reason")
	}
	e.lines[len(e.lines)-1].replaced = true
	l := &transcriptLine{mark: mark, text: why, number: n}
	e.lines = append(e.lines, l)
	p.text = &l.text
	return nil
}

// digest returns the sum of what the document shows, without white space, as
// index.txt has it.
func (e *example) digest() string {
	var b strings.Builder
	for _, l := range e.lines {
		if l.mark == "" {
			b.WriteString(strings.Join(strings.Fields(l.text), ""))
		}
	}
	return fmt.Sprintf("%x", sha256.Sum256([]byte(b.String())))[:12]
}

// overridden reports whether a later rule replaces something.
func (e *example) overridden() bool {
	return slices.ContainsFunc(e.lines, func(l *transcriptLine) bool { return l.mark == "!" })
}

// hidden reports whether nothing of it can be seen here.
func (e *example) hidden() bool {
	return !slices.ContainsFunc(e.lines, func(l *transcriptLine) bool { return l.kind != "" && !l.replaced })
}

// node is an element, or the beginning or the end of a stream.
type node struct {
	start        xml.StartElement
	children     []*node
	text         string
	header, tail bool
}

const (
	nsClient  = "jabber:client"
	nsStreams = "http://etherx.jabber.org/streams"
	nsOldSASL = "http://www.iana.org/assignments/sasl-mechanisms"
)

func (n *node) attr(name string) string {
	for _, a := range n.start.Attr {
		if a.Name.Local == name && a.Name.Space == "" {
			return a.Value
		}
	}
	return ""
}

// String returns an element to be read by people.
func (n *node) String() string {
	if n.tail {
		return "</stream>"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "<{%s}%s", n.start.Name.Space, n.start.Name.Local)
	for _, a := range n.start.Attr {
		if a.Name.Local != "xmlns" && a.Name.Space != "xmlns" {
			fmt.Fprintf(&b, " %s=%q", a.Name.Local, a.Value)
		}
	}
	b.WriteString(">" + strings.TrimSpace(n.text))
	for _, c := range n.children {
		b.WriteString(c.String())
	}
	return b.String() + "</>"
}

// readNode reads the next element of a stream, its beginning or its end.
func readNode(d *xml.Decoder) (*node, error) {
	for {
		tok, err := d.Token()
		if err != nil {
			return nil, err
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			n := &node{start: tok.Copy()}
			if tok.Name == (xml.Name{Space: nsStreams, Local: "stream"}) {
				n.header = true
				return n, nil
			}
			return n, n.read(d)
		case xml.EndElement:
			return &node{tail: true}, nil
		}
	}
}

func (n *node) read(d *xml.Decoder) error {
	for {
		tok, err := d.Token()
		if err != nil {
			return err
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			c := &node{start: tok.Copy()}
			if err := c.read(d); err != nil {
				return err
			}
			n.children = append(n.children, c)
		case xml.CharData:
			n.text += string(tok)
		case xml.EndElement:
			return nil
		}
	}
}

// parseNodes reads what a document shows.
func parseNodes(text string) (all []*node, err error) {
	const end = "</stream:stream>"
	text = strings.TrimSpace(text)
	rest, closed := strings.CutSuffix(text, end)
	if i := strings.Index(rest, "?>"); strings.HasPrefix(rest, "<?xml") && i > 0 {
		rest = rest[i+2:]
	}
	d := xml.NewDecoder(strings.NewReader("<w xmlns='" + nsClient + "' xmlns:stream='" + nsStreams +
		"' xmlns:sasl='" + nsOldSASL + "'>" + rest))
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	for {
		n, err := readNode(d)
		var syntax *xml.SyntaxError
		switch {
		case n == nil && (errors.Is(err, io.EOF) || errors.As(err, &syntax) && syntax.Msg == "unexpected EOF"):
			if closed {
				all = append(all, &node{tail: true})
			}
			if len(all) == 0 {
				return nil, fmt.Errorf("nothing is expected by %q", text)
			}
			return all, nil
		case err != nil:
			return nil, fmt.Errorf("%w in %q", err, text)
		}
		all = append(all, n)
	}
}
