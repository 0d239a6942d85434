// Package fingerprint tells whether two messages are the same one.
package fingerprint

import (
	"hash/maphash"

	"github.com/etherx-go/xmpp/ext/delay"
	"github.com/etherx-go/xmpp/ext/stanzaid"
	"github.com/etherx-go/xmpp/stanza"
)

// seed makes fingerprints unknown to who writes messages.
var seed = maphash.MakeSeed()

// Of returns a hash of a message to an account, in this process: the same for one that is
// routed anew, and for what is in a copy of it (XEP-0280). What is said of its way to the
// client (XEP-0203) is not in it. isNamed is false if it has no id: then somebody may just
// have said the same once more.
func Of(st *stanza.Stanza) (sum uint64, isNamed bool) {
	var h maphash.Hash
	h.SetSeed(seed)
	id, archived := stanzaid.By(st, st.To.Bare())
	add := func(parts ...string) {
		for _, s := range parts {
			h.WriteString(s)
			h.WriteByte(0)
		}
	}
	add(st.ID, st.From.String(), st.To.String(), string(st.Type), id)
	for e := range st.Payloads() {
		if n := e.Name(); n.Space != delay.NS {
			add(n.Space, n.Local, e.Text())
		}
	}
	return h.Sum64(), archived || st.ID != ""
}
