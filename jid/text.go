package jid

import (
	"encoding"
	"encoding/xml"
)

var (
	_ encoding.TextMarshaler   = JID{}
	_ encoding.TextAppender    = JID{}
	_ encoding.TextUnmarshaler = (*JID)(nil)
	_ xml.MarshalerAttr        = JID{}
	_ xml.UnmarshalerAttr      = (*JID)(nil)
)

// MarshalText returns the canonical address, empty for the zero JID. It implements [encoding.TextMarshaler]; the error is
// always nil.
func (j JID) MarshalText() ([]byte, error) { return []byte(j.s), nil }

// AppendText appends the canonical address to b, nothing for the zero JID. It implements [encoding.TextAppender]; the
// error is always nil. The text is not escaped for XML: a resourcepart may hold any of <, >, &, ' and ".
func (j JID) AppendText(b []byte) ([]byte, error) { return append(b, j.s...), nil }

// UnmarshalText is [ParseBytes], but empty text gives the zero JID, so that what [JID.MarshalText] wrote can be read
// back. It does not keep text. On error j is unchanged.
func (j *JID) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*j = JID{}
		return nil
	}
	p, err := ParseBytes(text)
	if err == nil {
		*j = p
	}
	return err
}

// MarshalXMLAttr returns the attribute name with the canonical address, and no attribute for the zero JID. It implements
// [xml.MarshalerAttr].
func (j JID) MarshalXMLAttr(name xml.Name) (xml.Attr, error) {
	if j.IsZero() {
		return xml.Attr{}, nil
	}
	return xml.Attr{Name: name, Value: j.s}, nil
}

// UnmarshalXMLAttr is [Parse] of the attribute's value; an empty value gives the zero JID, as a missing attribute does.
// It implements [xml.UnmarshalerAttr]. The JID has memory of its own. On error j is unchanged.
func (j *JID) UnmarshalXMLAttr(attr xml.Attr) error {
	return j.UnmarshalText([]byte(attr.Value))
}
