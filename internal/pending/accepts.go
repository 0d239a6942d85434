package pending

import "github.com/etherx-go/xmpp/jid"

// Accepts reports whether a reply with this from may answer a request that an
// entity with the address self sent to the address to. Zero addresses stand for
// absent attributes.
//
// A reply comes from the address that was asked. Where the account or its
// server was asked there is more than one way to say so (RFC 6120, section
// 8.1.2.1): "when a client receives a stanza that does not include a 'from'
// attribute, it MUST assume that the stanza is from the user's account on the
// server", so an absent from answers for the account and for the server, and
// cannot come from anybody else. A request without to is processed by the server
// "on behalf of the account" (section 10.3.3), which answers as the account or,
// if it is older, in its own name or in that of the client itself.
func Accepts(self, to, from jid.JID) bool {
	if from == to {
		return true
	}
	if self.IsZero() {
		return false
	}
	switch to {
	case jid.JID{}:
		return isHome(self, from)
	case self.Bare(), self.DomainJID():
		return from.IsZero()
	}
	return false
}

// isHome reports whether j stands for the entity itself, its account, or its
// server.
func isHome(self, j jid.JID) bool {
	return j.IsZero() || j == self || j == self.Bare() || j == self.DomainJID()
}

// ambiguous reports whether one reply could answer requests to both addresses.
func ambiguous(self, a, b jid.JID) bool {
	return a == b || !self.IsZero() && isHome(self, a) && isHome(self, b)
}
