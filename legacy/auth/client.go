package auth

import (
	"context"
	"errors"
	"fmt"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// ErrNoMethod says that the server wants neither a digest nor a password that
// may be shown to it.
var ErrNoMethod = errors.New("auth: the server takes no digest, and the password must not be shown")

// Login is what a client knows for log-in. A [client.Client] fills it in by
// itself.
//
// [client.Client]: https://pkg.go.dev/github.com/etherx-go/xmpp/client#Client
type Login struct {
	// Username, Password and Resource must all be there.
	Username, Password, Resource string
	// StreamID is the id of the server's stream header, which the digest needs;
	// without it there is none.
	StreamID string
	// Plaintext allows to show the password to the server if it takes no digest.
	// "Client implementations MUST NOT make plaintext the default mechanism"
	// (XEP-0078, section 7): the stream should have TLS.
	Plaintext bool
	// Guess logs in by digest also where the server does not answer the question
	// for the fields, as a server of the time of the Jabber Programmers Guide
	// may: "get: Not used in this context".
	Guess bool
}

// Ask asks which fields the server wants, for a user if it is not "". The answer
// is the same for users that do not exist.
func Ask(ctx context.Context, s xmpp.Sender, username string) (Fields, error) {
	q, err := xmpp.Call[Query](ctx, s, stanza.TypeGet, jid.JID{}, Query{Username: username})
	return q.Has, err
}

// Do asks for the fields and logs in, by digest if the server takes one. The
// resource is bound then. The error is a *stanza.Error if the server refuses, of
// whatever condition and code, for servers differ: not-authorized (401) or
// bad-request (400) for a wrong password, conflict (409) if the resource is in
// use; or [ErrNoMethod].
func (l Login) Do(ctx context.Context, s xmpp.Sender) error {
	fields, err := Ask(ctx, s, l.Username)
	if _, refused := errors.AsType[*stanza.Error](err); refused && l.Guess {
		fields, err = Digest, nil
	}
	if err != nil {
		return fmt.Errorf("auth: fields: %w", err)
	}
	q := Query{Username: l.Username, Resource: l.Resource}
	switch {
	case fields&Digest != 0 && l.StreamID != "":
		q.Digest = DigestOf(l.StreamID, l.Password)
	case fields&Password != 0 && l.Plaintext:
		q.Password = l.Password
	default:
		return ErrNoMethod
	}
	return set(ctx, s, q)
}

// Bind names the resource of a client that has logged in by SASL, with a server
// of the time of draft-ietf-xmpp-im-02, section 3, which has no other way.
func Bind(ctx context.Context, s xmpp.Sender, username, resource string) error {
	return set(ctx, s, Query{Username: username, Resource: resource})
}

func set(ctx context.Context, s xmpp.Sender, q Query) error {
	if _, err := xmpp.Call[Query](ctx, s, stanza.TypeSet, jid.JID{}, q); err != nil {
		return fmt.Errorf("auth: %w", err)
	}
	return nil
}
