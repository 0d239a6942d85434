package dialback

import (
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

// Authoritative is the authoritative server's side of a stream that it accepted
// (XEP-0220, section 2.2.2): it says whether keys are right that were made in
// the name of its domains. It has no state, and is safe for concurrent use if
// Hosts is.
type Authoritative struct {
	// Secret is the one that [Originating] has. Without it no key is valid.
	Secret *Secret
	// Hosts reports whether a domain is served here. Without it none is.
	Hosts func(domain jid.JID) bool
	// Errors says that the peer understands packets of [TypeError]; see
	// [Receiving].
	Errors bool
}

// Answer answers a db:verify: valid, invalid, or item-not-found for a domain
// that is not served here. The answer has the id of the request, and is always
// a db:verify. The error is [ErrRole] if p is something else.
func (a *Authoritative) Answer(p Packet) (Reply, error) {
	pair := p.Pair()
	switch {
	case p.Kind != Verify || !p.IsRequest() || p.check() != nil:
		return Reply{}, ErrRole
	case !pair.isDomains():
		return Reply{Fatal: stream.ImproperAddressing}, nil
	case a.Hosts == nil || !a.Hosts(pair.Local):
		return errorReply(Verify, pair, p.ID, &stanza.Error{Condition: stanza.ItemNotFound}, a.Errors), nil
	}
	answer := pair.packet(Verify, TypeInvalid)
	answer.ID = p.ID
	if a.Secret != nil && a.Secret.Verify(p.Key, pair.Remote, pair.Local, p.ID) {
		answer.Type = TypeValid
	}
	return Reply{Packet: answer}, nil
}
