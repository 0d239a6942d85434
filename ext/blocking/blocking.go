// Package blocking implements the Blocking Command (XEP-0191): the payloads and
// the client's side. What answers in a server is the engine of package privacy,
// for "the service MUST use the same back-end data store for both protocols"
// (section 5).
//
// An address stands for itself if it has a resource, for all resources of an
// account if it is a bare one, and for everybody there if it is a domain
// (section 6).
package blocking

import (
	"encoding/xml"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

const (
	// NS is the namespace, which is also the feature for service discovery
	// (XEP-0191, section 3.1).
	NS = "urn:xmpp:blocking"
	// NSErrors is the namespace of the condition <blocked/>, by which a server
	// says that its user has blocked whom the stanza was for (section 3.3).
	NSErrors = "urn:xmpp:blocking:errors"
	// BlockedError is that condition, as it stands in [stanza.Error.App].
	BlockedError stanza.Raw = "<blocked xmlns='" + NSErrors + "'/>"
)

// List is the element <blocklist/>: empty in a request, all blocked addresses in
// the result.
type List struct{ JIDs []jid.JID }

// BlockCommand is the element <block/>: addresses to block, in a request of the user or
// in a push of the server. There is at least one.
type BlockCommand struct{ JIDs []jid.JID }

// UnblockCommand is the element <unblock/>: addresses to unblock, in a request or a
// push. None stand for all that are blocked (XEP-0191, section 3.5).
type UnblockCommand struct{ JIDs []jid.JID }

// XMLName returns the element's name.
func (List) XMLName() xml.Name { return xml.Name{Space: NS, Local: "blocklist"} }

// XMLName returns the element's name.
func (BlockCommand) XMLName() xml.Name { return xml.Name{Space: NS, Local: "block"} }

// XMLName returns the element's name.
func (UnblockCommand) XMLName() xml.Name { return xml.Name{Space: NS, Local: "unblock"} }

// AppendXML appends the element.
func (l List) AppendXML(dst []byte) ([]byte, error) { return appendItems(dst, "blocklist", l.JIDs) }

// AppendXML appends the element. The error is bad-request if there is no
// address.
func (b BlockCommand) AppendXML(dst []byte) ([]byte, error) {
	if len(b.JIDs) == 0 {
		return nil, errEmpty
	}
	return appendItems(dst, "block", b.JIDs)
}

// AppendXML appends the element.
func (u UnblockCommand) AppendXML(dst []byte) ([]byte, error) {
	return appendItems(dst, "unblock", u.JIDs)
}

// ParseXML reads the element. The error is jid-malformed for an item whose
// address is not valid, and bad-request for one without.
func (l *List) ParseXML(e stanza.Element) (err error) {
	l.JIDs, err = parseItems(e)
	return err
}

// ParseXML reads the element; see [List.ParseXML]. "If the <block/> element does
// not contain at least one <item/> child element, the server MUST return a
// <bad-request/> error" (XEP-0191, section 3.3).
func (b *BlockCommand) ParseXML(e stanza.Element) (err error) {
	if b.JIDs, err = parseItems(e); err == nil && len(b.JIDs) == 0 {
		return errEmpty
	}
	return err
}

// ParseXML reads the element; see [List.ParseXML].
func (u *UnblockCommand) ParseXML(e stanza.Element) (err error) {
	u.JIDs, err = parseItems(e)
	return err
}

var errEmpty error = stanza.NewError(stanza.BadRequest, "whom to block is missing")

func appendItems(dst []byte, name string, jids []jid.JID) ([]byte, error) {
	dst = append(append(dst, '<'), name...)
	dst = append(dst, " xmlns='"+NS+"'"...)
	if len(jids) == 0 {
		return append(dst, "/>"...), nil
	}
	dst = append(dst, '>')
	for _, j := range jids {
		if j.IsZero() {
			return nil, stanza.NewError(stanza.BadRequest, "an item without an address")
		}
		dst = append(dst, "<item"...)
		dst = stanza.AppendAttr(dst, "jid", j.String())
		dst = append(dst, "/>"...)
	}
	dst = append(append(dst, "</"...), name...)
	return append(dst, '>'), nil
}

// parseItems returns the addresses, each once, in the order of the items.
func parseItems(e stanza.Element) (jids []jid.JID, err error) {
	var seen map[jid.JID]struct{}
	for c := range e.Children() {
		if !c.Is(NS, "item") {
			continue
		}
		s := c.Attr("jid")
		if s == "" {
			return nil, stanza.NewError(stanza.BadRequest, "an item without an address")
		}
		j, err := jid.Parse(s)
		if err != nil {
			return nil, stanza.NewError(stanza.JIDMalformed, err.Error())
		}
		if seen == nil {
			seen = make(map[jid.JID]struct{})
		}
		if _, dup := seen[j]; !dup {
			seen[j] = struct{}{}
			jids = append(jids, j)
		}
	}
	return jids, nil
}
