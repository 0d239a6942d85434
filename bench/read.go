package bench

import (
	"encoding/xml"
	"fmt"
	"io"

	"github.com/tdewolff/parse/v2"
	tdxml "github.com/tdewolff/parse/v2/xml"

	"github.com/etherx-go/xmpp/internal/xmltok"
)

// Reader is one way to read a stream to its end. Read returns how many first-level
// elements it saw.
type Reader struct {
	Name string
	Read func(r io.Reader) (elements int, err error)
}

// Readers are the parsers that are compared. The first one is ours.
var Readers = []Reader{
	{"scanner", ReadScanner},
	{"encoding/xml Token", func(r io.Reader) (int, error) {
		d := xml.NewDecoder(r)
		return readTokens(d.Token)
	}},
	{"encoding/xml RawToken", func(r io.Reader) (int, error) {
		d := xml.NewDecoder(r)
		return readTokens(d.RawToken)
	}},
	{"tdewolff/parse", ReadTdewolff},
}

// ReadScanner reads with the SDK's scanner, which cuts the stream into elements and
// checks all of XML, namespaces and the limits on the way.
func ReadScanner(r io.Reader) (elements int, err error) {
	s := xmltok.NewScanner(r, xmltok.Limits{})
	defer s.Release()
	closed := false
	for {
		switch event, err := s.Next(); {
		case err == io.EOF && closed:
			return elements, nil
		case err == io.EOF:
			return elements, io.ErrUnexpectedEOF
		case err != nil:
			return elements, err
		case event == xmltok.Element:
			elements++
		case event == xmltok.Close:
			closed = true
		}
	}
}

func readTokens(next func() (xml.Token, error)) (elements int, err error) {
	for depth := 0; ; {
		tok, err := next()
		if err == io.EOF {
			return elements, nil
		}
		if err != nil {
			return elements, err
		}
		switch tok.(type) {
		case xml.StartElement:
			if depth == 1 {
				elements++
			}
			depth++
		case xml.EndElement:
			depth--
		}
	}
}

// ReadTdewolff reads with the lexer of github.com/tdewolff/parse, which takes the
// whole input into memory first and checks next to nothing.
func ReadTdewolff(r io.Reader) (elements int, err error) {
	in := parse.NewInput(r)
	defer in.Restore()
	l := tdxml.NewLexer(in)
	for depth := 0; ; {
		switch tt, _ := l.Next(); tt {
		case tdxml.ErrorToken:
			if l.Err() != io.EOF {
				return elements, fmt.Errorf("tdewolff/parse: %w", l.Err())
			}
			return elements, nil
		case tdxml.StartTagToken:
			if depth == 1 {
				elements++
			}
			depth++
		case tdxml.StartTagCloseVoidToken, tdxml.EndTagToken:
			depth--
		}
	}
}
