package archive

import (
	"encoding/xml"

	"github.com/etherx-go/xmpp/ext/form"
	"github.com/etherx-go/xmpp/ext/rsm"
	"github.com/etherx-go/xmpp/stanza"
)

// The namespaces, which are also the features for service discovery (XEP-0313,
// section 7).
const (
	// NS is the protocol's namespace. As a feature of an account it also says that
	// the stanza ids (XEP-0359) of the account are those of its archive.
	NS = "urn:xmpp:mam:2"
	// NSExtended: the fields before-id, after-id and ids, flipped pages and
	// metadata are known.
	NSExtended = "urn:xmpp:mam:2#extended"
	// NSGroupChatField: the field include-groupchat is known.
	NSGroupChatField = "urn:xmpp:mam:2#groupchat-field"
	// NSGroupChat: messages of rooms are archived, too.
	NSGroupChat = "urn:xmpp:mam:2#groupchat-available"

	// NS0 and NS1 are the namespaces of older versions of the protocol, which a
	// [Server] also speaks, in the form in which it is addressed. Version 1
	// differs in the namespace only, as far as an archive is concerned; in version
	// 0 an iq answers at once, and the end is told by a message.
	NS0 = "urn:xmpp:mam:0"
	NS1 = "urn:xmpp:mam:1"
)

// Query asks an archive for messages, the element <query/>.
type Query struct {
	// Space is the namespace; "" stands for [NS].
	Space string
	// ID is given to each message of the answer. [Client] chooses one itself.
	ID string
	// Node is that of a pubsub archive (XEP-0442); "" otherwise.
	Node   string
	Filter Filter
	// Fields are further fields, those that an archive says to know (XEP-0313,
	// section 4.1.5).
	Fields []form.Field
	// Set says which page is wanted.
	Set rsm.Request
	// Flip asks for the messages of the page in reverse order. It changes nothing
	// about which they are. It needs the feature [NSExtended].
	Flip bool
}

// XMLName returns the name of the element.
func (q Query) XMLName() xml.Name { return xml.Name{Space: orNS(q.Space), Local: "query"} }

func orNS(space string) string {
	if space == "" {
		return NS
	}
	return space
}

// spaceOf is what a Space is that was read.
func spaceOf(e stanza.Element) string {
	if s := e.Name().Space; s != NS {
		return s
	}
	return ""
}

// open appends a start tag up to its attributes.
func open(dst []byte, name, space string) []byte {
	dst = append(append(dst, '<'), name...)
	return stanza.AppendAttr(dst, "xmlns", orNS(space))
}

// AppendXML appends the element.
func (q Query) AppendXML(dst []byte) (_ []byte, err error) {
	dst = open(dst, "query", q.Space)
	if q.ID != "" {
		dst = stanza.AppendAttr(dst, "queryid", q.ID)
	}
	if q.Node != "" {
		dst = stanza.AppendAttr(dst, "node", q.Node)
	}
	fields := append(q.Filter.fields(), q.Fields...)
	if len(fields) == 0 && q.Set == (rsm.Request{}) && !q.Flip {
		return append(dst, "/>"...), nil
	}
	dst = append(dst, '>')
	if len(fields) > 0 {
		d := form.New(form.Submit, orNS(q.Space), fields...)
		d.Fields[0].Type = form.Hidden // as all examples have it
		if dst, err = d.AppendXML(dst); err != nil {
			return nil, err
		}
	}
	if q.Set != (rsm.Request{}) {
		if dst, err = q.Set.AppendXML(dst); err != nil {
			return nil, err
		}
	}
	if q.Flip {
		dst = append(dst, "<flip-page/>"...)
	}
	return append(dst, "</query>"...), nil
}

// ParseXML reads the element. Values that are not of their field's type, a form
// that is not a submission, or one with another FORM_TYPE, are a bad-request; a
// with that is not an address is jid-malformed.
func (q *Query) ParseXML(e stanza.Element) (err error) {
	*q = Query{Space: spaceOf(e), ID: e.Attr("queryid"), Node: e.Attr("node")}
	for c := range e.Children() {
		switch n := c.Name(); {
		case c.Is(form.NS, "x"):
			err = q.takeForm(c)
		case c.Is(rsm.NS, "set"):
			err = c.Decode(&q.Set)
		case n.Space == e.Name().Space && n.Local == "flip-page":
			q.Flip = true
		}
		if err != nil {
			*q = Query{}
			return err
		}
	}
	return nil
}

// takeForm reads the filter. A form without FORM_TYPE is that of an old client.
func (q *Query) takeForm(e stanza.Element) error {
	var d form.Data
	if err := d.ParseXML(e); err != nil {
		return err
	}
	if d.Type != form.Submit {
		return stanza.NewError(stanza.BadRequest, "the form is not a submission")
	}
	if f := d.Field(form.FormType); f != nil && f.Text() != orNS(q.Space) {
		return stanza.NewError(stanza.BadRequest, "the form is of another type")
	}
	for i := range d.Fields {
		f := &d.Fields[i]
		if f.Var == form.FormType {
			continue
		}
		known, err := q.Filter.take(f)
		if err != nil {
			return err
		}
		if !known {
			q.Fields = append(q.Fields, *f)
		}
	}
	return nil
}
