package ox

import (
	"context"
	"encoding/xml"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/datetime"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// What of XEP-0060 is needed to keep a few items in nodes.

const (
	nsPubSub = "http://jabber.org/protocol/pubsub"
	nsOwner  = nsPubSub + "#owner"
	nsEvent  = nsPubSub + "#event"
)

// pubsub is a request: the element with what is in it.
type pubsub struct {
	ns   string
	body []byte
}

// XMLName returns the element's name.
func (p pubsub) XMLName() xml.Name { return xml.Name{Space: p.ns, Local: "pubsub"} }

// AppendXML appends the element.
func (p pubsub) AppendXML(dst []byte) ([]byte, error) {
	dst = append(append(append(dst, "<pubsub xmlns='"...), p.ns...), "'>"...)
	return append(append(dst, p.body...), "</pubsub>"...), nil
}

// element appends the start tag of an element with a node, without its end.
func element(dst []byte, name, node string) []byte {
	return stanza.AppendAttr(append(append(dst, '<'), name...), "node", node)
}

// options appends a form for a node that these people may read.
func options(dst []byte, name, formType, access string) []byte {
	field := func(name, typ, value string) {
		dst = stanza.AppendAttr(append(dst, "<field"...), "var", name)
		if typ != "" {
			dst = stanza.AppendAttr(dst, "type", typ)
		}
		dst = stanza.AppendTextElement(append(dst, '>'), "value", value)
		dst = append(dst, "</field>"...)
	}
	dst = append(append(append(dst, '<'), name...), "><x xmlns='jabber:x:data' type='submit'>"...)
	field("FORM_TYPE", "hidden", nsPubSub+formType)
	field("pubsub#access_model", "", access)
	return append(append(append(dst, "</x></"...), name...), '>')
}

// publish puts an item into a node of the own account. Where the node does not
// exist it is made, for those to read that access says; where it exists and has
// others the error is a conflict. "" does not say.
func publish(ctx context.Context, s xmpp.Sender, node, access string, item stanza.Payload) error {
	b := element([]byte(nil), "publish", node)
	b = stanza.AppendAttr(append(b, "><item"...), "id", datetime.Format(time.Now()))
	b, err := item.AppendXML(append(b, '>'))
	if err != nil {
		return err
	}
	b = append(b, "</item></publish>"...)
	if access != "" {
		b = options(b, "publish-options", "#publish-options", access)
	}
	return set(ctx, s, pubsub{nsPubSub, b})
}

func set(ctx context.Context, s xmpp.Sender, p pubsub) error {
	_, err := xmpp.Call[stanza.Element](ctx, s, stanza.TypeSet, s.LocalAddr().Bare(), p)
	return err
}

// remove deletes a node of the own account.
func remove(ctx context.Context, s xmpp.Sender, node string) error {
	return set(ctx, s, pubsub{nsOwner, append(element(nil, "delete", node), "/>"...)})
}

// fetch returns the latest item of a node at an account; the zero Element if it
// has none.
func fetch(ctx context.Context, s xmpp.Sender, addr jid.JID, node string) (stanza.Element, error) {
	p := pubsub{nsPubSub, append(element(nil, "items", node), " max_items='1'/>"...)}
	reply, err := xmpp.Call[stanza.Element](ctx, s, stanza.TypeGet, addr.Bare(), p)
	if err != nil {
		return stanza.Element{}, err
	}
	return latest(reply.Child(nsPubSub, "items"), node), nil
}

// latest returns what is in the latest of several items: the one whose id is the
// latest date, and without dates the first.
func latest(items stanza.Element, node string) (payload stanza.Element) {
	if n := items.Attr("node"); n != "" && n != node {
		return payload
	}
	var newest time.Time
	for item := range items.Children() {
		if item.Name().Local != "item" {
			continue
		}
		date, _ := datetime.Parse(item.Attr("id"))
		if payload.IsZero() || date.After(newest) {
			payload, newest = item.FirstChild(), date
		}
	}
	return payload
}
