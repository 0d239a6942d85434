// Package agents implements Agent Information, jabber:iq:agents and
// jabber:iq:agent (XEP-0094, and chapters 9 and 11 of the Jabber Programmers
// Guide): which services there are and what they offer, as it was asked before
// service discovery. Others are asked by package disco.
//
// [Services] and [Describe] ask in the form of today, and in the old one where
// somebody does not know that. [Extension] answers in the old one.
package agents

import (
	"encoding/xml"
	"strings"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// The namespaces, which are also the features for service discovery.
const (
	NS     = "jabber:iq:agents" // asks a server for all its services
	NSSelf = "jabber:iq:agent"  // asks one service for its properties
)

// Agent is what a service says about itself. As a payload it is the element
// <query/> of jabber:iq:agent; the zero Agent asks for it.
type Agent struct {
	// JID is the address of the service. In an answer to jabber:iq:agent there
	// is none, for it is the one that was asked.
	JID         jid.JID
	Name        string // a short title
	Description string // precisely what the service offers, for people
	URL         string // a page of the service
	// Service is the type, one of the Service constants or whatever else.
	Service string
	// Gateway: the service is one to a foreign network, whose term for the name
	// of a user, such as "ICQ #", is Transport, if it is known. A Transport is
	// written whether Gateway is set or not.
	Gateway   bool
	Transport string
	Register  bool // one can register with the service
	Search    bool // it answers jabber:iq:search
	GroupChat bool // it offers group chat
}

// XMLName returns the name of the element.
func (Agent) XMLName() xml.Name { return xml.Name{Space: NSSelf, Local: "query"} }

// AppendXML appends the element, without the address.
func (a Agent) AppendXML(dst []byte) ([]byte, error) {
	if a.JID = (jid.JID{}); a == (Agent{}) {
		return append(dst, "<query xmlns='"+NSSelf+"'/>"...), nil
	}
	dst = a.appendChildren(append(dst, "<query xmlns='"+NSSelf+"'>"...))
	return append(dst, "</query>"...), nil
}

func (a *Agent) appendChildren(dst []byte) []byte {
	for _, f := range [...]struct{ name, text string }{
		{"name", a.Name}, {"url", a.URL}, {"description", a.Description}, {"transport", a.Transport}, {"service", a.Service},
	} {
		if f.text != "" {
			dst = stanza.AppendTextElement(dst, f.name, f.text)
		} else if f.name == "transport" && a.Gateway {
			dst = append(dst, "<transport/>"...)
		}
	}
	for _, f := range [...]struct {
		name string
		is   bool
	}{{"register", a.Register}, {"search", a.Search}, {"groupchat", a.GroupChat}} {
		if f.is {
			dst = append(append(append(dst, '<'), f.name...), "/>"...)
		}
	}
	return dst
}

// ParseXML reads the element. The properties may stand in an element <agent/>
// within it, as the definition in the Jabber Programmers Guide has it. It does
// not fail; white space around texts is cut off.
func (a *Agent) ParseXML(e stanza.Element) error {
	*a = Agent{}
	if wrapper := e.Child(NSSelf, "agent"); !wrapper.IsZero() {
		e = wrapper
	}
	a.parse(e)
	return nil
}

// parse reads the children of e, which are in its namespace.
func (a *Agent) parse(e stanza.Element) {
	ns := e.Name().Space
	for c := range e.Children() {
		n := c.Name()
		if n.Space != ns {
			continue
		}
		text := strings.TrimSpace(c.Text())
		switch n.Local {
		case "name":
			a.Name = text
		case "description":
			a.Description = text
		case "url":
			a.URL = text
		case "service":
			a.Service = text
		case "transport":
			a.Gateway, a.Transport = true, text
		case "register":
			a.Register = true
		case "search":
			a.Search = true
		case "groupchat":
			a.GroupChat = true
		}
	}
}

// List is the element <query/> of jabber:iq:agents. The empty List asks for the
// services.
type List []Agent

// XMLName returns the name of the element.
func (List) XMLName() xml.Name { return xml.Name{Space: NS, Local: "query"} }

// AppendXML appends the element. The error is a bad-request if there is an agent
// without an address.
func (l List) AppendXML(dst []byte) ([]byte, error) {
	if len(l) == 0 {
		return append(dst, "<query xmlns='"+NS+"'/>"...), nil
	}
	dst = append(dst, "<query xmlns='"+NS+"'>"...)
	for i := range l {
		if l[i].JID.IsZero() {
			return nil, stanza.NewError(stanza.BadRequest, "an agent without an address")
		}
		dst = stanza.AppendAttr(append(dst, "<agent"...), "jid", l[i].JID.String())
		dst = append(l[i].appendChildren(append(dst, '>')), "</agent>"...)
	}
	return append(dst, "</query>"...), nil
}

// ParseXML reads the element. Agents without an address that is one are left out.
// It does not fail.
func (l *List) ParseXML(e stanza.Element) error {
	*l = nil
	for c := range e.Children() {
		if !c.Is(NS, "agent") {
			continue
		}
		j, err := jid.Parse(strings.TrimSpace(c.Attr("jid")))
		if err != nil {
			continue
		}
		a := Agent{JID: j}
		a.parse(c)
		*l = append(*l, a)
	}
	return nil
}
