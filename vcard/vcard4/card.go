package vcard4

import (
	"encoding/xml"
	"slices"

	"github.com/etherx-go/xmpp/stanza"
)

const (
	// NS is the namespace of vCard4, which is also the feature for service
	// discovery (XEP-0292, section 7).
	NS = "urn:ietf:params:xml:ns:vcard-4.0"
	// NodeCard is the PEP node of one's own card, NodeContacts that of cards of
	// one's contacts (XEP-0292, sections 4.1 and 5.2).
	NodeCard     = "urn:xmpp:vcard4"
	NodeContacts = "urn:xmpp:contacts"
)

// Card is the element <vcard/>. A property can be there as often as its field is
// long. What has no field is kept in Other, of the card, the property or its
// parameters, and written again behind the rest: also groups of properties
// (RFC 6351, section 5), and properties whose value has not the form of RFC 6351.
// Attributes are not kept, for there are none.
type Card struct {
	Source []Value // where the card comes from, URIs
	Kind   string  // "individual", "group", "org", "location", "application" ...

	FormattedName []Value // fn
	Name          *Name   // n
	Nicknames     []Value // each a list
	Photos        []Value // URIs; see DataURI
	Birthday      *Value  // bday, of type date, date-time, time or text
	Anniversary   *Value  // as Birthday
	Gender        *Gender

	Addresses []Address
	Phones    []Value // tel, URIs or text
	Emails    []Value
	IMPP      []Value // addresses for instant messages, URIs such as xmpp:juliet@capulet.lit
	Languages []Value // lang

	TimeZones []Value // tz, of type text, uri or utc-offset
	Geo       []Value // URIs such as geo:39.59,-105.01

	Titles        []Value
	Roles         []Value
	Logos         []Value // URIs
	Organizations []Value // org, each a list: the organization, its unit, the unit's unit ...
	Members       []Value // URIs, in a card of a group
	Related       []Value // URIs or text

	Categories []Value // each a list
	Notes      []Value
	ProductID  string // prodid
	Revision   string // rev, a time such as 20260101T000000Z; see RevisedAt
	Sounds     []Value
	UID        *Value  // a URI
	URLs       []Value // url, URIs
	Keys       []Value // URIs or text

	FreeBusy        []Value // fburl, URIs
	CalendarAddress []Value // caladruri, URIs
	Calendars       []Value // caluri, URIs

	Other []stanza.Raw
}

// Value is what most properties are: parameters, and one value or a list.
type Value struct {
	Params
	// Type is the value's type, the name of its element (RFC 6351, Appendix A):
	// "text", "uri", "date", "date-time", "time", "timestamp", "boolean",
	// "integer", "float", "utc-offset", "language-tag" or "unknown". "" stands for
	// the usual one of the property.
	Type   string
	Values []string
}

// Text returns a property with a text, or a list of them.
func Text(values ...string) Value { return Value{Type: "text", Values: values} }

// URI returns a property with a URI.
func URI(uri string) Value { return Value{Type: "uri", Values: []string{uri}} }

// String returns the first value, "" if there is none.
func (v *Value) String() string {
	if v == nil || len(v.Values) == 0 {
		return ""
	}
	return v.Values[0]
}

// Params are the parameters of a property (RFC 6350, section 5).
type Params struct {
	Types     []string // type: "work", "home"; of a tel "voice", "cell", "fax" ...
	Pref      int      // from 1, the most preferred, to 100; 0 if there is none
	Language  string
	AltID     string // the same for versions of one property
	PID       []string
	MediaType string
	Calendar  string   // calscale
	SortAs    []string // what a name is sorted by
	Geo       string   // a URI, of an address
	Label     string   // an address as it is printed on a letter
	Other     []stanza.Raw
}

// IsZero reports whether there are no parameters.
func (p *Params) IsZero() bool {
	return len(p.Types) == 0 && p.Pref == 0 && p.Language == "" && p.AltID == "" && len(p.PID) == 0 &&
		p.MediaType == "" && p.Calendar == "" && len(p.SortAs) == 0 && p.Geo == "" && p.Label == "" && p.Other == nil
}

// Has reports whether it is of this type.
func (p *Params) Has(typ string) bool { return slices.Contains(p.Types, typ) }

// Name is the name in its parts, each of which can have several values.
type Name struct {
	Params
	Surname, Given, Additional, Prefix, Suffix []string
}

// Address is a delivery address in its parts, each of which can have several
// values.
type Address struct {
	Params
	POBox, Extended, Street, Locality, Region, Code, Country []string
}

// Gender says the sex, "M", "F", "O", "N" (none), "U" (unknown) or "", and the
// gender identity in words.
type Gender struct{ Sex, Identity string }

// Preferred returns the value with the lowest Pref: "Lower values correspond to a
// higher level of preference" (RFC 6350, section 5.3), nil if there is no value.
func Preferred(values []Value) *Value {
	if len(values) == 0 {
		return nil
	}
	rank := func(v Value) int {
		if v.Pref == 0 {
			return 101
		}
		return v.Pref
	}
	best := 0
	for i, v := range values {
		if rank(v) < rank(values[best]) {
			best = i
		}
	}
	return &values[best]
}

// XMLName returns the name of the element.
func (*Card) XMLName() xml.Name { return xml.Name{Space: NS, Local: "vcard"} }

// property describes a property that is a Value, or several.
type property struct {
	name string
	typ  string // the usual type
	list func(*Card) *[]Value
	one  func(*Card) **Value
	text func(*Card) *string // of the usual type, without parameters
}

// properties are those that are Values, in the order of RFC 6351, Appendix A.
var properties = []property{
	{name: "source", typ: "uri", list: func(c *Card) *[]Value { return &c.Source }},
	{name: "kind", typ: "text", text: func(c *Card) *string { return &c.Kind }},
	{name: "fn", typ: "text", list: func(c *Card) *[]Value { return &c.FormattedName }},
	{name: "n"},
	{name: "nickname", typ: "text", list: func(c *Card) *[]Value { return &c.Nicknames }},
	{name: "photo", typ: "uri", list: func(c *Card) *[]Value { return &c.Photos }},
	{name: "bday", typ: "date", one: func(c *Card) **Value { return &c.Birthday }},
	{name: "anniversary", typ: "date", one: func(c *Card) **Value { return &c.Anniversary }},
	{name: "gender"},
	{name: "adr"},
	{name: "tel", typ: "uri", list: func(c *Card) *[]Value { return &c.Phones }},
	{name: "email", typ: "text", list: func(c *Card) *[]Value { return &c.Emails }},
	{name: "impp", typ: "uri", list: func(c *Card) *[]Value { return &c.IMPP }},
	{name: "lang", typ: "language-tag", list: func(c *Card) *[]Value { return &c.Languages }},
	{name: "tz", typ: "text", list: func(c *Card) *[]Value { return &c.TimeZones }},
	{name: "geo", typ: "uri", list: func(c *Card) *[]Value { return &c.Geo }},
	{name: "title", typ: "text", list: func(c *Card) *[]Value { return &c.Titles }},
	{name: "role", typ: "text", list: func(c *Card) *[]Value { return &c.Roles }},
	{name: "logo", typ: "uri", list: func(c *Card) *[]Value { return &c.Logos }},
	{name: "org", typ: "text", list: func(c *Card) *[]Value { return &c.Organizations }},
	{name: "member", typ: "uri", list: func(c *Card) *[]Value { return &c.Members }},
	{name: "related", typ: "uri", list: func(c *Card) *[]Value { return &c.Related }},
	{name: "categories", typ: "text", list: func(c *Card) *[]Value { return &c.Categories }},
	{name: "note", typ: "text", list: func(c *Card) *[]Value { return &c.Notes }},
	{name: "prodid", typ: "text", text: func(c *Card) *string { return &c.ProductID }},
	{name: "rev", typ: "timestamp", text: func(c *Card) *string { return &c.Revision }},
	{name: "sound", typ: "uri", list: func(c *Card) *[]Value { return &c.Sounds }},
	{name: "uid", typ: "uri", one: func(c *Card) **Value { return &c.UID }},
	{name: "url", typ: "uri", list: func(c *Card) *[]Value { return &c.URLs }},
	{name: "key", typ: "uri", list: func(c *Card) *[]Value { return &c.Keys }},
	{name: "fburl", typ: "uri", list: func(c *Card) *[]Value { return &c.FreeBusy }},
	{name: "caladruri", typ: "uri", list: func(c *Card) *[]Value { return &c.CalendarAddress }},
	{name: "caluri", typ: "uri", list: func(c *Card) *[]Value { return &c.Calendars }},
}

// component is a part of a structured value.
type component struct {
	name   string
	values *[]string
}

func (n *Name) components() []component {
	return []component{
		{"surname", &n.Surname}, {"given", &n.Given}, {"additional", &n.Additional}, {"prefix", &n.Prefix},
		{"suffix", &n.Suffix},
	}
}

func (a *Address) components() []component {
	return []component{
		{"pobox", &a.POBox}, {"ext", &a.Extended}, {"street", &a.Street}, {"locality", &a.Locality},
		{"region", &a.Region}, {"code", &a.Code}, {"country", &a.Country},
	}
}

// valueTypes are the elements of values.
var valueTypes = []string{
	"text", "uri", "date", "date-time", "time", "timestamp", "boolean", "integer", "float", "utc-offset",
	"language-tag", "unknown",
}
