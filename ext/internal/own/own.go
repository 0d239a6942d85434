// Package own tells whose data a request is about where nobody but an account itself
// may ask.
package own

import (
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// Account returns the account that a request is of and about: that of the sender, who
// asks it, or nobody: "A server MUST NOT allow any entity other than an authorized
// resource of the user" (XEP-0049, section 4, and others like it). Otherwise the error
// is stanza.Forbidden.
func Account(st *stanza.Stanza) (jid.JID, error) {
	account := st.From.Bare()
	if account.Local() == "" || st.To != account && !st.To.IsZero() {
		return jid.JID{}, stanza.Forbidden
	}
	return account, nil
}
