package push

import (
	"encoding/xml"

	"github.com/etherx-go/xmpp/ext/form"
	"github.com/etherx-go/xmpp/stanza"
)

// Publication is the publishing of a notification (XEP-0060, section 7.1), the element
// <pubsub/> that a server sends to a service.
type Publication struct {
	// Node is the delivery target.
	Node string
	// ID is that of the item; usually there is none.
	ID           string
	Notification Notification
	// Options are those of the [Registration].
	Options []form.Field
}

// Option returns the value of an option, "" if there is none.
func (p *Publication) Option(name string) string {
	d := form.Data{Fields: p.Options}
	return d.Text(name)
}

// XMLName returns the name of the element.
func (Publication) XMLName() xml.Name { return xml.Name{Space: nsPubSub, Local: "pubsub"} }

// AppendXML appends the element.
func (p Publication) AppendXML(dst []byte) (_ []byte, err error) {
	dst = p.begin(append(dst, "<pubsub xmlns='"+nsPubSub+"'>"...))
	if dst, err = p.Notification.AppendXML(append(dst, '>')); err != nil {
		return dst, err
	}
	dst = append(dst, "</item></publish>"...)
	if len(p.Options) > 0 {
		if dst, err = appendOptions(append(dst, "<publish-options>"...), p.Options); err != nil {
			return dst, err
		}
		dst = append(dst, "</publish-options>"...)
	}
	return append(dst, "</pubsub>"...), nil
}

// begin appends the elements around the notification, up to the attributes of the
// item.
func (p *Publication) begin(dst []byte) []byte {
	dst = append(dst, "<publish"...)
	if p.Node != "" {
		dst = stanza.AppendAttr(dst, "node", p.Node)
	}
	dst = append(dst, "><item"...)
	if p.ID != "" {
		dst = stanza.AppendAttr(dst, "id", p.ID)
	}
	return dst
}

// ParseXML reads the element. What is not the publishing of something is
// feature-not-implemented, and it is a bad-request if that is not one notification.
func (p *Publication) ParseXML(e stanza.Element) error {
	*p = Publication{}
	publish := e.Child(nsPubSub, "publish")
	if publish.IsZero() {
		return stanza.NewError(stanza.FeatureNotImplemented, "nodes can only be published to")
	}
	p.Node = publish.Attr("node")
	var item stanza.Element
	for c := range publish.Children() {
		if c.Is(nsPubSub, "item") {
			if !item.IsZero() {
				return stanza.NewError(stanza.BadRequest, "one item at a time")
			}
			item = c
		}
	}
	p.ID = item.Attr("id")
	p.Options = parseOptions(e.Child(nsPubSub, "publish-options"))
	n := item.Child(NS, "notification")
	if n.IsZero() {
		return stanza.NewError(stanza.BadRequest, "there is no notification")
	}
	return p.Notification.ParseXML(n)
}

// published is the result (XEP-0060, section 7.1.2): "If the publish request did not
// include an ItemID", that which the service has given is in it.
type published struct{ node, id string }

func (published) XMLName() xml.Name { return xml.Name{Space: nsPubSub, Local: "pubsub"} }

func (p published) AppendXML(dst []byte) ([]byte, error) {
	q := Publication{Node: p.node, ID: p.id}
	dst = q.begin(append(dst, "<pubsub xmlns='"+nsPubSub+"'>"...))
	return append(dst, "/></publish></pubsub>"...), nil
}
