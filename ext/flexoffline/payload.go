// Package flexoffline implements Flexible Offline Message Retrieval (XEP-0013): a
// client looks at what is stored for it as at a mailbox, takes what it wants, and
// leaves the rest. It is for old clients; today's read the archive (package
// archive).
//
// [Server] is the extension of a server. The functions are those of a client:
// [Count], [Headers], [View], [Fetch], [Remove] and [Purge]. A client that calls
// one of Count, Headers and Fetch before its first presence is not sent all
// messages at once when it sends that.
package flexoffline

import (
	"encoding/xml"

	"github.com/etherx-go/xmpp/stanza"
)

// NS is the namespace, the feature for service discovery, and the name of the node
// that stands for the messages (XEP-0013, sections 2.1 and 2.2).
const NS = "http://jabber.org/protocol/offline"

// Action is what is to be done with a message.
type Action string

// The actions.
const (
	ActionView   Action = "view"
	ActionRemove Action = "remove"
)

// Item names a message.
type Item struct {
	Action Action // "" in a message that is sent to the client
	Node   string // which message, an opaque string; the order of nodes is that of messages
}

// Offline is what is to be done with stored messages, the element <offline/>; in a
// message, which of the stored ones it is.
type Offline struct {
	Items []Item
	Fetch bool // all messages are to be sent
	Purge bool // all messages are to be removed
}

// XMLName returns the name of the element.
func (Offline) XMLName() xml.Name { return xml.Name{Space: NS, Local: "offline"} }

// AppendXML appends the element. An item without a node is a bad-request.
func (o Offline) AppendXML(dst []byte) ([]byte, error) {
	dst = append(dst, "<offline xmlns='"+NS+"'"...)
	if len(o.Items) == 0 && !o.Fetch && !o.Purge {
		return append(dst, "/>"...), nil
	}
	dst = append(dst, '>')
	for _, it := range o.Items {
		if it.Node == "" {
			return nil, errNoNode()
		}
		dst = append(dst, "<item"...)
		if it.Action != "" {
			dst = stanza.AppendAttr(dst, "action", it.Action)
		}
		dst = append(stanza.AppendAttr(dst, "node", it.Node), "/>"...)
	}
	if o.Fetch {
		dst = append(dst, "<fetch/>"...)
	}
	if o.Purge {
		dst = append(dst, "<purge/>"...)
	}
	return append(dst, "</offline>"...), nil
}

// ParseXML reads the element. An item without a node, or with an action that is not
// defined, is a bad-request.
func (o *Offline) ParseXML(e stanza.Element) error {
	var read Offline
	for c := range e.Children() {
		switch {
		case c.Is(NS, "fetch"):
			read.Fetch = true
		case c.Is(NS, "purge"):
			read.Purge = true
		case c.Is(NS, "item"):
			it := Item{Action: Action(c.Attr("action")), Node: c.Attr("node")}
			switch it.Action {
			case "", ActionView, ActionRemove:
			default:
				*o = Offline{}
				return stanza.NewError(stanza.BadRequest, "the action is view or remove")
			}
			if it.Node == "" {
				*o = Offline{}
				return errNoNode()
			}
			read.Items = append(read.Items, it)
		}
	}
	*o = read
	return nil
}

func errNoNode() error { return stanza.NewError(stanza.BadRequest, "an item without a node") }
