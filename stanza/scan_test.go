package stanza

import (
	"errors"
	"strings"

	"github.com/etherx-go/xmpp/internal/xmltok"
)

var errNoElementFound = errors.New("the scanner found no element")

// scan returns the record of the first element of a stream.
func scan(header, element string) (*xmltok.Elem, *xmltok.Tag, error) {
	sc := xmltok.NewScanner(strings.NewReader(header+element), xmltok.Limits{})
	for {
		switch ev, err := sc.Next(); {
		case err != nil:
			return nil, nil, err
		case ev == xmltok.Element:
			return sc.Element(), sc.Root(), nil
		case ev == xmltok.Close:
			return nil, nil, errNoElementFound
		}
	}
}
