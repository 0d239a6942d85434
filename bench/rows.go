package bench

import (
	"fmt"
	"io"

	"github.com/etherx-go/xmpp/bench/corpus"
	"github.com/etherx-go/xmpp/internal/xmltok"
	"github.com/etherx-go/xmpp/stanza"
)

// The names of the rows that others are compared with.
const (
	BaseRead  = "encoding/xml Token"
	BaseWrite = "xml.Marshal"
)

// ReadRows are all ways to read the stream in this process.
func ReadRows(stream *corpus.Stream) ([]Row, error) {
	var rows []Row
	for _, r := range Readers {
		rows = append(rows, readRow(stream, r.Name, r.Read))
	}
	router, err := NewRouter(stream)
	if err != nil {
		return nil, err
	}
	route := readRow(stream, "scanner, route and stamp", nil)
	route.Run = func() error {
		_, err := router.Route(NewPieces(stream.Data))
		return err
	}
	return append(rows, route,
		readRow(stream, "scanner, stanza.Read", readStanzas),
		readRow(stream, "scanner, stanza.Read, typed", readTyped)), nil
}

func readRow(stream *corpus.Stream, name string, read func(io.Reader) (int, error)) Row {
	return Row{Name: name, Stanzas: stream.Len(), Bytes: len(stream.Data), Run: func() error {
		n, err := read(NewPieces(stream.Data))
		if err == nil && n != stream.Len() {
			err = fmt.Errorf("%d elements, want %d", n, stream.Len())
		}
		return err
	}}
}

// readStanzas makes a stanza of every element that is one.
func readStanzas(r io.Reader) (elements int, err error) {
	return eachStanza(r, func(*stanza.Stanza) {})
}

// readTyped makes a Message, Presence or IQ of every element that is one.
func readTyped(r io.Reader) (elements int, err error) {
	return eachStanza(r, func(s *stanza.Stanza) {
		switch s.Kind {
		case stanza.KindMessage:
			s.Message()
		case stanza.KindPresence:
			s.Presence()
		default:
			s.IQ()
		}
	})
}

func eachStanza(r io.Reader, f func(*stanza.Stanza)) (elements int, err error) {
	s := xmltok.NewScanner(r, xmltok.Limits{})
	defer s.Release()
	err = eachElement(s, func(el *xmltok.Elem) error {
		elements++
		if stanza.KindOf(el.Name) == 0 {
			return nil // stream management
		}
		v, err := stanza.Read(el, s.Root(), stanza.NSClient)
		if err == nil {
			f(v)
		}
		return err
	})
	return elements, err
}

// WriteRows are all ways to write the stanzas of a stream of kind k and about that
// size, grouped in threes: ours, an xml.Encoder, xml.Marshal.
func WriteRows(k corpus.Kind, size int) ([]Row, error) {
	all, err := typedStanzas(k, size)
	if err != nil {
		return nil, err
	}
	var out []byte
	for _, t := range all {
		if out, err = t.sdk.AppendXML(out); err != nil {
			return nil, err
		}
	}
	row := func(name string, write func([]typed) error) Row {
		return Row{Name: name, Stanzas: len(all), Bytes: len(out), Run: func() error { return write(all) }}
	}
	return []Row{
		row("stanza append", writeAppend),
		row("xml.Encoder", writeEncoder),
		row(BaseWrite, writeMarshal),
	}, nil
}
