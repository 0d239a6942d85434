package push

import (
	"errors"
	"unicode/utf8"

	"github.com/etherx-go/xmpp/ext/carbons"
	"github.com/etherx-go/xmpp/internal/mucuser"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// Warrants reports whether a stanza for somebody who has no client connected is worth
// waking a device for: what its user would want to know now, and nothing that only
// reports a state.
//
// These are messages, of rooms too, with a body or with encrypted content; invitations
// to rooms; calls (XEP-0353, XEP-0482, and XEP-0166 without either); somebody who wants
// attention (XEP-0224); and requests for a subscription. Of a copy (XEP-0280) it is
// what was received that counts; what another client of the account has sent warrants
// nothing. Errors and headlines do not either, nor do receipts, markers, chat states,
// and what an archive sends.
func Warrants(st *stanza.Stanza) bool {
	switch st.Kind {
	case stanza.KindPresence:
		return st.Type == stanza.TypeSubscribe
	case stanza.KindIQ:
		p := st.Payload()
		return st.Type == stanza.TypeSet && p.Is("urn:xmpp:jingle:1", "jingle") && p.Attr("action") == "session-initiate"
	}
	if st = message(st); st == nil {
		return false
	}
	switch st.Type.MessageType() {
	case stanza.TypeError, stanza.TypeHeadline:
		return false
	}
	for e := range st.Payloads() {
		if isNews(e) {
			return true
		}
	}
	return false
}

// message returns the message that a stanza is, or that it is a copy of; nil if there
// is none, or one that the account has sent. What only looks like a copy, and is not of
// the account's server, says nothing of others.
func message(st *stanza.Stanza) *stanza.Stanza {
	if st.Kind != stanza.KindMessage {
		return nil
	}
	switch c, ok, _ := carbons.Of(st.To, st); {
	case !ok:
		return st
	case c.Direction == carbons.Sent:
		return nil
	default:
		return c.Stanza
	}
}

func isNews(e stanza.Element) bool {
	switch n := e.Name(); n.Space {
	case stanza.NSClient:
		return n.Local == "body" && e.Text() != ""
	case "urn:xmpp:jingle-message:0", "urn:xmpp:jingle-message:1": // XEP-0353
		return n.Local == "propose"
	case "urn:xmpp:call-invites:0": // XEP-0482
		return n.Local == "invite"
	case "urn:xmpp:attention:0": // XEP-0224
		return n.Local == "attention"
	case "jabber:x:conference": // XEP-0249
		return n.Local == "x"
	case mucuser.NS: // XEP-0045, section 7.8.2
		return !e.Child(n.Space, "invite").IsZero()
	}
	return isEncrypted(e)
}

// isEncrypted reports whether an element is encrypted content. Messages that only
// carry keys (XEP-0384, section 4.4) are none.
func isEncrypted(e stanza.Element) bool {
	switch n := e.Name(); n.Space {
	case "eu.siacs.conversations.axolotl", "urn:xmpp:omemo:1", "urn:xmpp:omemo:2": // XEP-0384
		return n.Local == "encrypted" && !e.Child(n.Space, "payload").IsZero()
	case "urn:xmpp:openpgp:0": // XEP-0373
		return n.Local == "openpgp"
	case "jabber:x:encrypted": // XEP-0027
		return n.Local == "x"
	}
	return false
}

// Details are what a notification says of the last stanza, beyond that there is one.
type Details struct {
	// Sender is who it is from.
	Sender jid.JID
	// Body is its text.
	Body string
	// Other is what else the service is told.
	Other []stanza.Raw
}

// Senders discloses who messages are from; it is for [Server.Disclose].
func Senders(_ jid.JID, _ Device, st *stanza.Stanza) (d Details) {
	if st = message(st); st != nil {
		d.Sender = st.From
	}
	return d
}

// Bodies discloses who messages are from and what they say; it is for
// [Server.Disclose]. The body of an encrypted message says nothing, and is left out.
func Bodies(account jid.JID, dev Device, st *stanza.Stanza) Details {
	d := Senders(account, dev, st)
	if st = message(st); st == nil {
		return d
	}
	for e := range st.Payloads() {
		if isEncrypted(e) || e.Name().Space == "urn:xmpp:eme:0" { // XEP-0380
			return d
		}
	}
	d.Body = st.Message().Body
	return d
}

// clip cuts a text to at most max bytes; a negative max is no bound.
func clip(s string, max int) string {
	if max < 0 || len(s) <= max {
		return s
	}
	for max > 0 && !utf8.RuneStart(s[max]) {
		max--
	}
	return s[:max]
}

// isFinal reports whether the error of a publication says that there is no use in
// another one: "the server SHOULD consider the particular JID and node combination to
// be disabled. However, a server MAY choose to keep a service enabled if the error is
// deemed recoverable or transient" (section 7.1).
func isFinal(err error) bool {
	e, ok := errors.AsType[*stanza.Error](err)
	if !ok || e.Type == stanza.Wait {
		return false // there was no answer, or it says to try again
	}
	switch e.Condition {
	case stanza.InternalServerError, stanza.RecipientUnavailable, stanza.RemoteServerNotFound,
		stanza.RemoteServerTimeout, stanza.ResourceConstraint, stanza.ServiceUnavailable, stanza.UndefinedCondition:
		return false // the service may be down
	}
	return true
}

// revoked returns the node that a service takes an account's right to publish to away
// from; ok is false if the message says no such thing (section 8).
func revoked(st *stanza.Stanza) (node string, ok bool) {
	if st.Kind != stanza.KindMessage || st.Type == stanza.TypeError {
		return "", false
	}
	for e := range st.Payloads() {
		n := e.Name()
		if n.Local != "pubsub" || n.Space != nsPubSub && n.Space != nsPubSub+"#owner" {
			continue
		}
		// XEP-0060, section 8.9.4, has it in <affiliations/>.
		list, node := e, e.Attr("node")
		if a := e.Child(n.Space, "affiliations"); !a.IsZero() {
			list, node = a, a.Attr("node")
		}
		for c := range list.Children() {
			if c.Is(n.Space, "affiliation") && ends(c.Attr("affiliation")) && isOf(st.To, c.Attr("jid")) {
				return node, node != ""
			}
		}
	}
	return "", false
}

// ends reports whether an affiliation is one with which nobody may publish (XEP-0060,
// section 4.1).
func ends(affiliation string) bool {
	return affiliation == "none" || affiliation == "outcast" || affiliation == "member"
}

// isOf reports whether an affiliation is that of an account, or of its server, which
// publishes for it.
func isOf(account jid.JID, addr string) bool {
	j, err := jid.Parse(addr)
	return err == nil && (j == account.Bare() || j == account.DomainJID())
}
