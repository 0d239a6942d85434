package legacy

import (
	"encoding/xml"

	"github.com/etherx-go/xmpp/stanza"
)

// The namespaces.
const (
	NSSigned    = "jabber:x:signed"
	NSEncrypted = "jabber:x:encrypted"
)

// Signed is the detached signature of a presence's status, or of a message's
// body: binary, as an [openpgp.Engine] makes it.
type Signed []byte

// XMLName returns the element's name.
func (Signed) XMLName() xml.Name { return xml.Name{Space: NSSigned, Local: "x"} }

// AppendXML appends the element, with the signature as [Armor]; the error is a
// bad-request if it is empty.
func (s Signed) AppendXML(dst []byte) ([]byte, error) { return appendX(dst, NSSigned, s) }

// ParseXML reads the element as [Dearmor] does; the error is a bad-request.
func (s *Signed) ParseXML(e stanza.Element) (err error) {
	*s, err = parseX(e)
	return err
}

// Encrypted is an OpenPGP message with the body of a message: binary, as an
// [openpgp.Engine] makes it.
type Encrypted []byte

// XMLName returns the element's name.
func (Encrypted) XMLName() xml.Name { return xml.Name{Space: NSEncrypted, Local: "x"} }

// AppendXML appends the element, with the message as [Armor]; the error is a
// bad-request if it is empty.
func (x Encrypted) AppendXML(dst []byte) ([]byte, error) { return appendX(dst, NSEncrypted, x) }

// ParseXML reads the element as [Dearmor] does; the error is a bad-request.
func (x *Encrypted) ParseXML(e stanza.Element) (err error) {
	*x, err = parseX(e)
	return err
}

func appendX(dst []byte, ns string, data []byte) ([]byte, error) {
	if len(data) == 0 {
		return nil, stanza.NewError(stanza.BadRequest, "an empty element of "+ns)
	}
	dst = append(dst, "<x xmlns='"+ns+"'>"...)
	dst = append(dst, Armor(data)...) // has nothing to escape
	return append(dst, "</x>"...), nil
}

func parseX(e stanza.Element) ([]byte, error) {
	data, err := Dearmor(e.Text())
	if err != nil {
		return nil, stanza.NewError(stanza.BadRequest, err.Error()+" in "+e.Name().Space)
	}
	return data, nil
}
