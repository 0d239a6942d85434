// Package stanzaid implements Unique and Stable Stanza IDs (XEP-0359): names for
// messages that an archive or a room gives, and those that the sender gives.
//
// An id is worth something only if it is of somebody who takes away what others
// write in its name: "the receiving entity SHOULD ensure that the stanza ID could
// not have been faked, by verifying that the entity referenced in the by
// attribute does annouce the 'urn:xmpp:sid:0' namespace in its disco features"
// (section 6). [By] asks for that entity.
package stanzaid

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/xml"
	"strings"

	"github.com/etherx-go/xmpp/ext/internal/payload"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// NS is the namespace. As a feature (XEP-0030) it says that an entity follows
// the rules, and that ids in its name can be believed; who calls [Strip] or
// [Stamp] for every stanza may announce it.
const NS = "urn:xmpp:sid:0"

// StanzaID is the id that the entity By gives a stanza. Both fields are required
// (XEP-0359, section 3, rule 5).
type StanzaID struct {
	ID string
	By jid.JID
}

// OriginID is the id that the sender gives. It "is spoofable and hence SHOULD
// not be used when referencing other stanzas" (section 6).
type OriginID struct{ ID string }

// Reference names another stanza by its [StanzaID] (section 4). By is
// recommended.
type Reference struct {
	ID string
	By jid.JID
}

// XMLName returns the element's name.
func (StanzaID) XMLName() xml.Name { return xml.Name{Space: NS, Local: "stanza-id"} }

// XMLName returns the element's name.
func (OriginID) XMLName() xml.Name { return xml.Name{Space: NS, Local: "origin-id"} }

// XMLName returns the element's name.
func (Reference) XMLName() xml.Name { return xml.Name{Space: NS, Local: "referenced-stanza"} }

// AppendXML appends the element; the error is a bad-request if a field is
// empty.
func (s StanzaID) AppendXML(dst []byte) ([]byte, error) {
	if s.By.IsZero() {
		return nil, errIncomplete()
	}
	return appendID(dst, "stanza-id", s.ID, s.By)
}

// AppendXML appends the element; the error is a bad-request if there is no id.
func (o OriginID) AppendXML(dst []byte) ([]byte, error) {
	return appendID(dst, "origin-id", o.ID, jid.JID{})
}

// AppendXML appends the element; the error is a bad-request if there is no id.
func (r Reference) AppendXML(dst []byte) ([]byte, error) {
	return appendID(dst, "referenced-stanza", r.ID, r.By)
}

func appendID(dst []byte, name, id string, by jid.JID) ([]byte, error) {
	if id == "" {
		return nil, errIncomplete()
	}
	dst = append(append(dst, '<'), name...)
	dst = stanza.AppendAttr(append(dst, " xmlns='"+NS+"'"...), "id", id)
	if !by.IsZero() {
		dst = stanza.AppendAttr(dst, "by", by.String())
	}
	return append(dst, "/>"...), nil
}

// ParseXML reads the element; the error is a bad-request if an attribute is
// missing, or by is not an address.
func (s *StanzaID) ParseXML(e stanza.Element) error {
	by, err := jid.Parse(e.Attr("by"))
	id := e.Attr("id")
	if err != nil || id == "" {
		return errIncomplete()
	}
	*s = StanzaID{id, by}
	return nil
}

// ParseXML reads the element; the error is a bad-request if there is no id.
func (o *OriginID) ParseXML(e stanza.Element) error {
	if o.ID = e.Attr("id"); o.ID == "" {
		return errIncomplete()
	}
	return nil
}

// ParseXML reads the element; the error is a bad-request if there is no id. A
// by that is not an address is left out.
func (r *Reference) ParseXML(e stanza.Element) error {
	*r = Reference{ID: e.Attr("id")}
	if r.ID == "" {
		return errIncomplete()
	}
	if by, err := jid.Parse(e.Attr("by")); err == nil {
		r.By = by
	}
	return nil
}

func errIncomplete() error {
	return stanza.NewError(stanza.BadRequest, "a stanza id without its attributes")
}

// New returns a new id: a random UUID, as is recommended (section 2.1), which
// says nothing about anything (section 6).
func New() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it never fails
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	h := hex.EncodeToString(b[:])
	return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
}

// By returns the id that the entity trusted has given to a stanza or message,
// and whether there is one. "For one-on-one messages the assigning entity is
// the account. In groupchats the assigning entity is the room" (section 3, rule
// 7); whether trusted follows the rules is for the caller to know. Two ids in
// one name show that it does not (rules 2 and 4), so neither is returned.
func By(m interface {
	Stanza() (*stanza.Stanza, error)
}, trusted jid.JID) (id string, ok bool) {
	st := payload.Stanza(m)
	if st == nil || st.Type == stanza.TypeError || trusted.IsZero() {
		return "", false
	}
	isBy := inNameOf(trusted)
	for e := range st.Payloads() {
		if !isBy(e) {
			continue
		}
		if ok {
			return "", false
		}
		id, ok = e.Attr("id"), true
	}
	return id, id != ""
}

// Origin returns the id that the sender of a stanza or message gave it, and
// whether there is one.
func Origin(m interface {
	Stanza() (*stanza.Stanza, error)
}) (id string, ok bool) {
	o, _, ok := payload.Of[OriginID](m)
	return o.ID, ok
}

// Strip returns st without the ids that are in the name of the entity by. Who
// gives ids "MUST delete that element even if they are not adding their own
// stanza ID" (section 3, rule 2); all others stay (rule 3). If there are none it
// returns st itself.
func Strip(st *stanza.Stanza, by jid.JID) (*stanza.Stanza, error) {
	return payload.Edit(st, inNameOf(by))
}

// Stamp returns st with id behind its other payloads, and without what others
// wrote in the name of id.By.
func Stamp(st *stanza.Stanza, id StanzaID) (*stanza.Stanza, error) {
	return payload.Edit(st, inNameOf(id.By), id)
}

// inNameOf returns a function that finds the stanza ids of an entity.
func inNameOf(by jid.JID) func(stanza.Element) bool {
	return func(e stanza.Element) bool {
		if !e.Is(NS, "stanza-id") || by.IsZero() {
			return false
		}
		j, err := jid.Parse(e.Attr("by"))
		return err == nil && j == by
	}
}
