package vcard

import "strings"

// Flags are the types of an address, a label, a telephone number or an address
// for mail, as a set. Which of them there are for what is said there; others are
// read and written just the same.
type Flags uint32

// The flags, in the order in which the DTD has them.
const (
	Home          Flags = 1 << iota
	Work                // at work
	Postal              // an address for letters
	Parcel              // an address for parcels
	Domestic            // DOM, an address for mail from the same country
	International       // INTL, an address for mail from other countries
	Voice               // a telephone
	Fax                 // a fax
	Pager               // a pager
	Message             // MSG, has an answering service
	Cell                // a mobile telephone
	Video               // for video conferences
	BBS                 // a bulletin board
	Modem               // a modem
	ISDN                // an ISDN line
	PCS                 // personal communication services
	Internet            // an Internet address
	Preferred           // PREF
	X400                // an X.400 address
)

// flagNames are the elements, by bit.
var flagNames = [...]string{
	"HOME", "WORK", "POSTAL", "PARCEL", "DOM", "INTL", "VOICE", "FAX", "PAGER", "MSG", "CELL", "VIDEO", "BBS", "MODEM",
	"ISDN", "PCS", "INTERNET", "PREF", "X400",
}

// String returns the names of the elements.
func (f Flags) String() string {
	var names []string
	for i, name := range flagNames {
		if f&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, " ")
}

// flagOf returns the flag of an element, 0 if it is none.
func flagOf(name string) Flags {
	for i, n := range flagNames {
		if n == name {
			return 1 << i
		}
	}
	return 0
}

// appendXML appends the elements.
func (f Flags) appendXML(dst []byte) []byte {
	for i, name := range flagNames {
		if f&(1<<i) != 0 {
			dst = append(append(append(dst, '<'), name...), "/>"...)
		}
	}
	return dst
}
