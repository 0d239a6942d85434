package privacy

import (
	"github.com/etherx-go/xmpp/roster"
	"github.com/etherx-go/xmpp/stanza"
)

// This file has the items of draft-ietf-xmpp-im-02, section 7 and appendix D.3.
// Their type is what later became the action, they are matched by address or by
// subscription, and are in the order of the document.

// isOldItem reports whether an item is in the old form.
func isOldItem(e stanza.Element) bool {
	if t := e.Attr("type"); t != "allow" && t != "deny" {
		return false
	}
	_, ordered := e.LookupAttr("", "order")
	return !ordered
}

// parseOldItem reads an item in the old form that is the nth of its list. It
// takes what the DTD, the schema and the examples of the draft allow: "jid" may
// be missing, the subscription may be both. None, which is younger, is taken
// for what it means.
func parseOldItem(e stanza.Element, n uint32) (it Item, err error) {
	it.Order = n
	it.Deny = e.Attr("type") == "deny"
	for c := range e.Children() {
		if c.Name().Space != NS {
			continue
		}
		switch c.Name().Local {
		case "message":
			it.Kinds |= Message
		case "iq":
			it.Kinds |= IQ
		case "presence":
			it.Kinds |= PresenceIn | PresenceOut
		}
	}
	j, byJID := e.LookupAttr("", "jid")
	sub, bySub := e.LookupAttr("", "subscription")
	switch {
	case byJID && bySub:
		// Both had to match, perhaps; the draft does not say, and no item of
		// today could do it.
		return it, badRequest("an item is for an address or for a subscription")
	case byJID:
		err = it.byJID(j)
	case bySub:
		err = it.bySubscription(sub)
	}
	return it, err
}

// isOld reports whether the list can be written in the old form.
func (l *List) isOld() bool {
	for i := range l.Items {
		it := &l.Items[i]
		if it.Type == ByGroup || it.Type == BySubscription && it.Subscription == roster.None {
			return false
		}
		if p := it.Kinds & (PresenceIn | PresenceOut); p == PresenceIn || p == PresenceOut {
			return false
		}
	}
	return true
}

func (it *Item) appendOld(dst []byte) []byte {
	dst = append(dst, "<item"...)
	switch it.Type {
	case ByJID:
		dst = stanza.AppendAttr(dst, "jid", it.JID.String())
	case BySubscription:
		dst = stanza.AppendAttr(dst, "subscription", it.value())
	}
	dst = stanza.AppendAttr(dst, "type", it.action())
	if it.Kinds == 0 {
		return append(dst, "/>"...)
	}
	dst = append(dst, '>')
	if it.Kinds&IQ != 0 {
		dst = append(dst, "<iq/>"...)
	}
	if it.Kinds&Message != 0 {
		dst = append(dst, "<message/>"...)
	}
	if it.Kinds&PresenceIn != 0 {
		dst = append(dst, "<presence/>"...)
	}
	return append(dst, "</item>"...)
}
