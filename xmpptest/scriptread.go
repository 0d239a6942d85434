package xmpptest

import (
	"bufio"
	"cmp"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

const (
	streamNS    = "http://etherx.jabber.org/streams"
	maxPiece    = 1 << 20 // bytes of one piece of a stream
	maxInReport = 2000    // bytes of a piece in a message
)

// element is an element, or the header of a stream.
type element struct {
	name     xml.Name
	attrs    []xml.Attr // without xmlns
	children []*element
	text     string

	stanzaNS string // the xmlns attribute; that of a header is the namespace of stanzas
}

func (e *element) isHeader() bool { return e.name == xml.Name{Space: streamNS, Local: "stream"} }

func (e *element) attr(name xml.Name) (string, bool) {
	for _, a := range e.attrs {
		if a.Name == name {
			return a.Value, true
		}
	}
	return "", false
}

// piece is what [reader.next] returns. The end of a stream has no element.
type piece struct {
	element *element
	raw     string
}

// reader cuts a stream into pieces.
type reader struct {
	src      *recorder
	dec      *xml.Decoder
	stanzaNS string // the default namespace of the last header
}

func newReader(r io.Reader) *reader {
	in := &reader{src: &recorder{r: bufio.NewReader(r), limit: maxPiece}, stanzaNS: "jabber:client"}
	in.restart()
	return in
}

// restart begins a new document.
func (in *reader) restart() { in.dec = xml.NewDecoder(in.src) }

// next returns the next piece.
func (in *reader) next() (piece, error) {
	in.src.reset()
	for {
		tok, err := in.token()
		if err != nil {
			return piece{}, err
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			e := newElement(tok)
			if e.isHeader() {
				in.stanzaNS = cmp.Or(e.stanzaNS, in.stanzaNS)
			} else if err := in.fill(e); err != nil {
				return piece{}, err
			}
			return in.piece(e), nil
		case xml.EndElement:
			return in.piece(nil), nil
		case xml.CharData:
			if strings.TrimSpace(string(tok)) != "" {
				return piece{}, fmt.Errorf("text between elements\n    got: %s", in.src.text())
			}
			in.src.reset()
			in.src.keep("<") // the decoder has seen it already, to find the end of the text
		case xml.ProcInst:
			if tok.Target != "xml" {
				return piece{}, fmt.Errorf("a processing instruction\n    got: %s", in.src.text())
			}
		default:
			return piece{}, fmt.Errorf("a comment or directive\n    got: %s", in.src.text())
		}
	}
}

func (in *reader) piece(e *element) piece {
	defer in.src.reset() // it is complete, and not "so far" any more
	return piece{e, in.src.text()}
}

// token returns the next token, or the error of the connection.
func (in *reader) token() (xml.Token, error) {
	tok, err := in.dec.Token()
	switch {
	case err == nil:
		return tok, nil
	case in.src.err != nil:
		return nil, in.src.err
	}
	return nil, fmt.Errorf("%w\n    got: %s", err, in.src.text())
}

// fill reads the contents of e and its end.
func (in *reader) fill(e *element) error {
	for {
		tok, err := in.token()
		if err != nil {
			return err
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			child := newElement(tok)
			if err := in.fill(child); err != nil {
				return err
			}
			e.children = append(e.children, child)
		case xml.EndElement:
			return nil
		case xml.CharData:
			e.text += string(tok)
		default:
			return fmt.Errorf("a comment, directive or processing instruction\n    got: %s", in.src.text())
		}
	}
}

func newElement(start xml.StartElement) *element {
	e := &element{name: start.Name}
	for _, a := range start.Attr {
		switch {
		case a.Name == xml.Name{Local: "xmlns"}:
			e.stanzaNS = a.Value
		case a.Name.Space != "xmlns":
			e.attrs = append(e.attrs, a)
		}
	}
	return e
}

// buffered returns what was received already and not looked at.
func (in *reader) buffered() string {
	b, _ := in.src.r.Peek(in.src.r.Buffered())
	return string(b)
}

// unfinished says what came of a piece that did not come whole.
func (in *reader) unfinished() string {
	if s := strings.TrimSpace(in.src.text()); s != "" {
		return "\n    so far: " + s
	}
	return ""
}

// recorder remembers what was read, and the error of the connection. It is an
// io.ByteReader, so that a decoder takes no byte more than it needs.
type recorder struct {
	r     *bufio.Reader
	limit int
	got   []byte
	err   error
}

var errTooLarge = errors.New("one piece of the stream is too large")

func (r *recorder) ReadByte() (byte, error) {
	if len(r.got) >= r.limit {
		r.err = errTooLarge
		return 0, r.err
	}
	b, err := r.r.ReadByte()
	if err != nil {
		r.err = err
		return 0, err
	}
	r.got = append(r.got, b)
	return b, nil
}

// Read is not used by a decoder that has ReadByte.
func (r *recorder) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	b, err := r.ReadByte()
	if err != nil {
		return 0, err
	}
	p[0] = b
	return 1, nil
}

func (r *recorder) reset()        { r.got = r.got[:0] }
func (r *recorder) keep(s string) { r.got = append(r.got, s...) }

// text returns what was read since reset.
func (r *recorder) text() string {
	if len(r.got) > maxInReport {
		return fmt.Sprintf("%s... (%d bytes)", r.got[:maxInReport], len(r.got))
	}
	return string(r.got)
}
