package vcard

import (
	"encoding/xml"
	"slices"
	"strings"

	"github.com/etherx-go/xmpp/stanza"
)

// NS is the namespace of vCards, which is also the feature for service
// discovery (XEP-0054, section 4).
const NS = "vcard-temp"

// Card is the element <vCard/>. Nothing in it is required. Empty fields are not
// written; of what may be there once, the first that is not empty counts.
//
// What has no field here is kept in Other, of the card or of the structure that it
// was found in, and written again behind the rest: elements that nobody knows,
// known ones that come more than once though they have one field, and those
// whose content is not of the form it should have. Attributes are not kept.
//
// Components that have several values hold them as a list with commas: see
// [List].
type Card struct {
	// Version is the version of the format. "The value should be "3.0", not
	// "2.0"" (XEP-0054, section 8). It is written as an attribute, as that
	// section says, and also read from the element VERSION.
	Version string

	FormattedName string // FN, the name as it is displayed
	Name          Name
	Nickname      string // NICKNAME, a list
	Photo         Media
	Birthday      string // BDAY, a date or date-time of ISO 8601; see BornOn
	Addresses     []Address
	Labels        []Label
	Phones        []Phone
	Emails        []Email
	JabberID      string // JABBERID, user@host
	Mailer        string // MAILER, the mail program
	TimeZone      string // TZ, an offset of ISO 8601 such as "-05:00"; see Zone
	Geo           *Geo
	Title         string // TITLE, the position in the organization
	Role          string // ROLE, the occupation
	Logo          Media
	Agent         *Agent
	Org           Organization
	Categories    []string // KEYWORDs
	Note          string
	ProductID     string // PRODID, what made the card
	Revised       string // REV, a date-time of ISO 8601; see RevisedAt
	SortString    string // SORT-STRING, what the name is sorted by
	Sound         Sound
	UID           string // a globally unique identifier
	URL           string // a web page
	Class         Class
	Key           Key
	Description   string // DESC, which vcard-temp has beside RFC 2426

	// Other is what is in the card beside that.
	Other []stanza.Raw
}

// Name is the structured name N; each component is a list.
type Name struct {
	Family, Given, Middle, Prefix, Suffix string
	Other                                 []stanza.Raw
}

// IsZero reports whether there is nothing in it.
func (n *Name) IsZero() bool {
	return n.Family == "" && n.Given == "" && n.Middle == "" && n.Prefix == "" && n.Suffix == "" && n.Other == nil
}

// Address is a delivery address ADR; each component is a list.
type Address struct {
	Flags    Flags  // Home, Work, Postal, Parcel, Domestic or International, Preferred
	POBox    string // POBOX
	Extended string // EXTADD, which draft-ietf-xmpp-im-02 has as EXTADR
	Street   string
	Locality string // city
	Region   string // state or province
	Code     string // PCODE, postal code
	Country  string // CTRY, which the Jabber Programmers Guide has as COUNTRY
	Other    []stanza.Raw
}

// Label is a delivery address as it is printed on a letter, LABEL.
type Label struct {
	Flags Flags // as for Address
	Lines []string
	Other []stanza.Raw
}

// Phone is a telephone number, TEL.
type Phone struct {
	Flags  Flags // Home, Work, Voice ... PCS, Preferred
	Number string
	Other  []stanza.Raw
}

// Email is an address for mail, EMAIL.
type Email struct {
	Flags   Flags // Home, Work, Internet, Preferred, X400; "Default type is INTERNET"
	Address string
	Other   []stanza.Raw
}

// IsInternet reports whether the address is one of the Internet, which it is
// unless it says X400.
func (e *Email) IsInternet() bool { return e.Flags&Internet != 0 || e.Flags&X400 == 0 }

// Geo is a position in decimal degrees.
type Geo struct{ Lat, Lon float64 }

// Agent is somebody who acts for the owner of the card: a card, or where one is.
type Agent struct {
	Card *Card
	URI  string // EXTVAL
}

// Organization is ORG.
type Organization struct {
	Name  string   // ORGNAME
	Units []string // ORGUNITs
	Other []stanza.Raw
}

// IsZero reports whether there is nothing in it.
func (o *Organization) IsZero() bool { return o.Name == "" && len(o.Units) == 0 && o.Other == nil }

// Sound is how the name is pronounced: one of them.
type Sound struct {
	Phonetic string
	Data     []byte // BINVAL
	URI      string // EXTVAL
}

// IsZero reports whether there is nothing in it.
func (s *Sound) IsZero() bool { return s.Phonetic == "" && len(s.Data) == 0 && s.URI == "" }

// Key is a public key or certificate.
type Key struct {
	Type       string
	Credential string // CRED
}

// Class says how confidential the card is. It is for people and programs to
// heed; everybody can read a card.
type Class string

// The classes. The zero Class says nothing.
const (
	Public       Class = "PUBLIC"
	Private      Class = "PRIVATE"
	Confidential Class = "CONFIDENTIAL"
)

var cardName = xml.Name{Space: NS, Local: "vCard"}

// XMLName returns the name of the element.
func (*Card) XMLName() xml.Name { return cardName }

// IsZero reports whether there is nothing in the card, as in that of a user who
// has none. The version does not count.
func (c *Card) IsZero() bool {
	var w writer
	w.head(c)
	w.contact(c)
	w.rest(c)
	return len(w.dst) == 0 && len(c.Other) == 0
}

// List returns the values of a list with commas, without white space around
// them. A comma that belongs to a value stands behind a backslash (RFC 2426,
// section 4).
func List(s string) []string {
	var values []string
	var b strings.Builder
	add := func() {
		if v := strings.TrimSpace(b.String()); v != "" {
			values = append(values, v)
		}
		b.Reset()
	}
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s) && strings.IndexByte(`,;\`, s[i+1]) >= 0:
			i++
			b.WriteByte(s[i])
		case s[i] == ',':
			add()
		default:
			b.WriteByte(s[i])
		}
	}
	add()
	return values
}

// JoinList returns the list with commas of these values, the reverse of [List].
func JoinList(values ...string) string {
	quoted := slices.Clone(values)
	for i, v := range quoted {
		quoted[i] = escaper.Replace(v)
	}
	return strings.Join(quoted, ",")
}

var escaper = strings.NewReplacer(`\`, `\\`, `,`, `\,`)
