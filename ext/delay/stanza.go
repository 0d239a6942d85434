package delay

import (
	"github.com/etherx-go/xmpp/ext/internal/payload"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/legacy/delay"
	"github.com/etherx-go/xmpp/stanza"
)

// Stamp returns st with the notation d behind its other payloads, which are not
// decoded. What st says already in the name of d.From is taken away. If
// alsoLegacy is set the old form (XEP-0091) is written beside the new one.
//
// Only messages and presences can be stamped (XEP-0203, section 2); for an iq,
// and for a d without a stamp, the error is a bad-request.
func Stamp(st *stanza.Stanza, d Delay, alsoLegacy bool) (*stanza.Stanza, error) {
	if st.Kind == stanza.KindIQ {
		return nil, stanza.NewError(stanza.BadRequest, "an iq cannot be delayed")
	}
	add := []any{d}
	if alsoLegacy {
		add = append(add, delay.Delay(d))
	}
	return payload.Edit(st, saidBy(d.From), add...)
}

// Strip returns st without the notations, in either form, that say they are of
// the entity from. It is for a server, which "SHOULD discard a delayed delivery
// notation whose 'from' attribute matches the server's JabberID" (XEP-0203,
// section 5) in what comes in. If there are none it returns st itself.
func Strip(st *stanza.Stanza, from jid.JID) (*stanza.Stanza, error) {
	return payload.Edit(st, saidBy(from))
}

// saidBy returns a function that finds the notations of an entity.
func saidBy(from jid.JID) func(stanza.Element) bool {
	return func(e stanza.Element) bool {
		if from.IsZero() || !e.Is(NS, "delay") && !e.Is(delay.NS, "x") {
			return false
		}
		by, err := jid.Parse(e.Attr("from"))
		return err == nil && by == from
	}
}

// All returns the notations of a stanza, or of a message or presence: those of
// XEP-0203 in their order, then those of the old form. What has no stamp that
// can be read is left out.
func All(m interface {
	Stanza() (*stanza.Stanza, error)
}) []Delay {
	st := payload.Stanza(m)
	if st == nil || st.Kind == stanza.KindIQ {
		return nil
	}
	var all, old []Delay
	for e := range st.Payloads() {
		var d Delay
		var o delay.Delay
		switch {
		case e.Is(NS, "delay") && e.Decode(&d) == nil:
			all = append(all, d)
		case e.Is(delay.NS, "x") && e.Decode(&o) == nil:
			old = append(old, Delay(o))
		}
	}
	return append(all, old...)
}

// By returns the notation that is of the entity from, and whether there is one.
// Of those in both forms it is that of XEP-0203.
func By(m interface {
	Stanza() (*stanza.Stanza, error)
}, from jid.JID) (Delay, bool) {
	for _, d := range All(m) {
		if !from.IsZero() && d.From == from {
			return d, true
		}
	}
	return Delay{}, false
}

// Of returns the notation to believe, and whether there is one: was the stanza
// delayed, and when was it sent? It takes a stanza, a message or a presence.
//
// "One and only one" (XEP-0203, section 2) should be there, but every server
// that stores a stanza adds its own. In a groupchat that of the room counts most,
// for it has the message first. Then comes that of the recipient's own server or
// account, which are trusted anyway; then that of the sender or the sender's
// server; then any other. Of equals, XEP-0203 goes before the old form, and the
// first before those behind it.
func Of(m interface {
	Stanza() (*stanza.Stanza, error)
}) (Delay, bool) {
	st := payload.Stanza(m)
	if st == nil {
		return Delay{}, false
	}
	var best Delay
	most := -1
	for _, d := range All(st) {
		if c := d.credit(st); c > most {
			best, most = d, c
		}
	}
	return best, most >= 0
}

// credit says how much the notation is worth in the stanza; see [Of].
func (d *Delay) credit(st *stanza.Stanza) int {
	is := func(of jid.JID) bool { return !of.IsZero() && (d.From == of.Bare() || d.From == of.DomainJID()) }
	switch {
	case d.From.IsZero():
		return 0
	case st.Type == stanza.TypeGroupChat && is(st.From):
		return 4
	case is(st.To):
		return 3
	case is(st.From) || d.From == st.From:
		return 2
	}
	return 1
}
