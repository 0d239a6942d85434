package vcard

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/etherx-go/xmpp/stanza"
)

// MaxImport bounds what [Import] reads, in bytes.
const MaxImport = 16 << 20

// ErrImport is returned by [Import] for what is no file with cards.
var ErrImport = errors.New("vcard: not a file with vCards in XML")

// Import reads the cards of a file in XML: one vCard, or several in an xCard,
// with or without a namespace. Unlike on a stream, there may be comments and a
// document type, and the roots may be in capitals, as in the DTD of the Jabber
// Programmers Guide. The error is [ErrImport], one of XML syntax, or one of r.
func Import(r io.Reader) ([]*Card, error) {
	d := xml.NewDecoder(io.LimitReader(r, MaxImport))
	var cards []*Card
	for {
		tok, err := d.Token()
		switch {
		case err == io.EOF && len(cards) > 0:
			return cards, nil
		case err == io.EOF:
			return nil, ErrImport
		case err != nil:
			return nil, fmt.Errorf("vcard: %w", err)
		}
		start, ok := tok.(xml.StartElement)
		if !ok {
			continue
		}
		switch {
		case start.Name.Space != NS && start.Name.Space != "":
			return nil, ErrImport
		case start.Name.Local == "xCard" || start.Name.Local == "XCARD":
			continue // cards follow
		case start.Name.Local != "vCard" && start.Name.Local != "VCARD":
			return nil, ErrImport
		}
		c, err := importCard(d, start)
		if err != nil {
			return nil, err
		}
		cards = append(cards, c)
	}
}

// importCard reads one card, whose start tag has been read, by writing it as it
// would be on a stream.
func importCard(d *xml.Decoder, start xml.StartElement) (*Card, error) {
	var dst []byte
	var open []string
	for tok := xml.Token(start); ; {
		switch t := tok.(type) {
		case xml.StartElement:
			name := rootName(t.Name.Local)
			dst = append(append(dst, '<'), name...)
			dst = stanza.AppendAttr(dst, "xmlns", space(t.Name.Space))
			for _, a := range t.Attr {
				if a.Name.Space == "" && a.Name.Local != "xmlns" {
					dst = stanza.AppendAttr(dst, a.Name.Local, a.Value)
				}
			}
			dst = append(dst, '>')
			open = append(open, name)
		case xml.EndElement:
			dst = append(append(append(dst, "</"...), open[len(open)-1]...), '>')
			open = open[:len(open)-1]
		case xml.CharData:
			dst = stanza.AppendText(dst, t)
		}
		if len(open) == 0 {
			break
		}
		var err error
		if tok, err = d.Token(); err != nil {
			return nil, fmt.Errorf("vcard: %w", err)
		}
	}
	e, err := stanza.Raw(dst).Element()
	if err != nil {
		return nil, fmt.Errorf("vcard: %w", err)
	}
	c := new(Card)
	return c, c.ParseXML(e)
}

// space returns the namespace of an element that has this one in a file.
func space(ns string) string {
	if ns == "" {
		return NS
	}
	return ns
}

// rootName returns the name of a card, also inside an agent, as it is on a stream.
func rootName(name string) string {
	if strings.EqualFold(name, "vCard") {
		return "vCard"
	}
	return name
}
