package push

import (
	"encoding/xml"
	"strconv"

	"github.com/etherx-go/xmpp/ext/form"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// Notification is what a service is told, the element <notification/> (section 7). The
// form with the summary may be there, and does not have to; zero fields are left out.
type Notification struct {
	// Messages is how many messages are unread or undelivered.
	Messages int
	// Requests is how many requests for a subscription wait for an answer.
	Requests int
	// Sender is who the last message is from, Body its text.
	Sender jid.JID
	Body   string
	// Other is what else is said.
	Other []stanza.Raw
}

// The fields of the summary (section 11.3.1).
const (
	fieldMessages = "message-count"
	fieldRequests = "pending-subscription-count"
	fieldSender   = "last-message-sender"
	fieldBody     = "last-message-body"
)

// XMLName returns the name of the element.
func (Notification) XMLName() xml.Name { return xml.Name{Space: NS, Local: "notification"} }

// summary returns the fields of the form.
func (n *Notification) summary() (fields []form.Field) {
	for _, f := range [...]struct{ name, value string }{
		{fieldMessages, count(n.Messages)}, {fieldRequests, count(n.Requests)},
		{fieldSender, n.Sender.String()}, {fieldBody, n.Body},
	} {
		if f.value != "" {
			fields = append(fields, form.Field{Var: f.name, Values: []string{f.value}})
		}
	}
	return fields
}

func count(n int) string {
	if n <= 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// AppendXML appends the element. The error is that of an element of Other that is
// none.
func (n Notification) AppendXML(dst []byte) (_ []byte, err error) {
	dst = append(dst, "<notification xmlns='"+NS+"'"...)
	fields := n.summary()
	if len(fields) == 0 && len(n.Other) == 0 {
		return append(dst, "/>"...), nil
	}
	if dst = append(dst, '>'); len(fields) > 0 {
		if dst, err = form.New(form.Submit, NSSummary, fields...).AppendXML(dst); err != nil {
			return dst, err
		}
	}
	for _, raw := range n.Other {
		if dst, err = stanza.AppendPayload(dst, raw); err != nil {
			return dst, err
		}
	}
	return append(dst, "</notification>"...), nil
}

// ParseXML reads the element. What is malformed in the summary is left out.
func (n *Notification) ParseXML(e stanza.Element) error {
	*n = Notification{}
	for _, f := range fieldsOf(e, NSSummary) {
		switch f.Var {
		case fieldMessages:
			n.Messages = number(f.Text())
		case fieldRequests:
			n.Requests = number(f.Text())
		case fieldSender:
			n.Sender, _ = f.JID()
		case fieldBody:
			n.Body = f.Text()
		}
	}
	for c := range e.Children() {
		if !c.Is(form.NS, "x") {
			n.Other = append(n.Other, c.Raw())
		}
	}
	return nil
}

func number(s string) int {
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		return 0
	}
	return int(n)
}
