package xmltok

import "strconv"

// Class says what kind of rule bad input breaks. It decides the stream error
// condition that the peer gets.
type Class uint8

const (
	// NotWellFormed breaks XML 1.0 or Namespaces in XML 1.0
	// (not-well-formed, RFC 6120 section 4.9.3.13).
	NotWellFormed Class = iota + 1
	// Restricted is XML that XMPP excludes: comments, processing instructions,
	// document type declarations, references to entities other than the five
	// predefined ones (restricted-xml, RFC 6120 sections 4.9.3.18 and 11.1).
	Restricted
	// Encoding is input in another encoding than UTF-8 (or UTF-16, where that
	// was allowed), or input that breaks the rules of its encoding
	// (unsupported-encoding, RFC 6120 sections 4.9.3.22 and 11.6).
	Encoding
	// Limit is input beyond one of the [Limits] (policy-violation, RFC 6120
	// section 4.9.3.14).
	Limit
	// BadFormat is XML that is no XML stream: character data other than white
	// space between the elements of the stream (bad-format, RFC 6120 section
	// 4.9.3.1).
	BadFormat
)

// String returns the class in words.
func (c Class) String() string {
	switch c {
	case NotWellFormed:
		return "not well-formed"
	case Restricted:
		return "restricted XML"
	case Encoding:
		return "bad encoding"
	case Limit:
		return "limit exceeded"
	case BadFormat:
		return "not an XML stream"
	}
	return "class " + strconv.Itoa(int(c))
}

// Error is bad input: nothing after it can be trusted. It is immutable.
type Error struct {
	Class Class
	Msg   string // the rule that is broken
	// Offset is the place of the byte with which the fault became certain,
	// counted as by [Scanner.Offset].
	Offset int64
}

// Error returns the class, the rule and the place.
func (e *Error) Error() string {
	return "xmltok: " + e.Class.String() + ": " + e.Msg + " (byte " + strconv.FormatInt(e.Offset, 10) + ")"
}

// fault is a broken rule; zero is none. The reading functions return faults
// together with the place of the byte that decides. A place at the end of the
// data means that nothing is wrong yet: more bytes are needed.
type fault uint8

const (
	faultChar fault = iota + 1
	faultUTF8
	faultUTF16
	faultMarkup
	faultComment
	faultPI
	faultDoctype
	faultDeclPlace
	faultDecl
	faultVersion
	faultEncoding
	faultProlog
	faultEpilog
	faultStray
	faultEndTag
	faultName
	faultColon
	faultSpace
	faultSlash
	faultEquals
	faultQuote
	faultValueLess
	faultDuplicate
	faultReference
	faultCharRef
	faultEntity
	faultCDATAEnd
	faultUnbound
	faultXmlnsElement
	faultUndeclare
	faultReservedPrefix
	faultReservedURI
	limitElement
	limitTag
	limitDecl
	limitDepth
	limitAttrs
	limitChildren
	limitBindings
	limitReference
	faultTrailing
	faultUnfinished
	faultHyphens
	faultTarget
	numFaults
)

var faults = [numFaults]struct {
	class Class
	msg   string
}{
	faultChar:           {NotWellFormed, "character that XML 1.0 does not allow"},
	faultUTF8:           {Encoding, "invalid UTF-8"},
	faultUTF16:          {Encoding, "invalid UTF-16"},
	faultMarkup:         {NotWellFormed, "unknown markup"},
	faultComment:        {Restricted, "comment"},
	faultPI:             {Restricted, "processing instruction"},
	faultDoctype:        {Restricted, "document type declaration"},
	faultDeclPlace:      {NotWellFormed, "XML declaration not at the start of the document"},
	faultDecl:           {NotWellFormed, "malformed XML declaration"},
	faultVersion:        {NotWellFormed, "version of XML other than 1"},
	faultEncoding:       {Encoding, "encoding not supported, or not the one declared"},
	faultProlog:         {NotWellFormed, "text before the root element"},
	faultEpilog:         {NotWellFormed, "something follows the end of the root element"},
	faultStray:          {BadFormat, "text between the elements of the stream"},
	faultEndTag:         {NotWellFormed, "end tag does not match the start tag"},
	faultName:           {NotWellFormed, "no name where one must be"},
	faultColon:          {NotWellFormed, "name with a misplaced colon"},
	faultSpace:          {NotWellFormed, "no white space between attributes"},
	faultSlash:          {NotWellFormed, "slash without > in a tag"},
	faultEquals:         {NotWellFormed, "attribute without value"},
	faultQuote:          {NotWellFormed, "attribute value without quotes"},
	faultValueLess:      {NotWellFormed, "< in an attribute value"},
	faultDuplicate:      {NotWellFormed, "attribute given twice"},
	faultReference:      {NotWellFormed, "malformed reference"},
	faultCharRef:        {NotWellFormed, "reference to a character that XML 1.0 does not allow"},
	faultEntity:         {Restricted, "reference to an entity other than the predefined ones"},
	faultCDATAEnd:       {NotWellFormed, "]]> in character data"},
	faultUnbound:        {NotWellFormed, "namespace prefix is not bound"},
	faultXmlnsElement:   {NotWellFormed, "element with the prefix xmlns"},
	faultUndeclare:      {NotWellFormed, "namespace prefix bound to nothing"},
	faultReservedPrefix: {NotWellFormed, "reserved namespace prefix declared"},
	faultReservedURI:    {NotWellFormed, "reserved namespace name declared"},
	limitElement:        {Limit, "element too large"},
	limitTag:            {Limit, "tag too large"},
	limitDecl:           {Limit, "XML declaration too large"},
	limitDepth:          {Limit, "elements nested too deep"},
	limitAttrs:          {Limit, "too many attributes"},
	limitChildren:       {Limit, "too many elements"},
	limitBindings:       {Limit, "too many namespace prefixes bound"},
	limitReference:      {Limit, "reference too long"},
	faultTrailing:       {NotWellFormed, "something follows the element"},
	faultUnfinished:     {NotWellFormed, "element without end"},
	faultHyphens:        {NotWellFormed, "-- in a comment"},
	faultTarget:         {NotWellFormed, "malformed target of a processing instruction"},
}

// at makes the error of fault f at the given offset.
func (f fault) at(offset int64) *Error {
	return &Error{Class: faults[f].class, Msg: faults[f].msg, Offset: offset}
}
