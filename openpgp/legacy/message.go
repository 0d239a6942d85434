package legacy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/etherx-go/xmpp/openpgp"
	"github.com/etherx-go/xmpp/openpgp/internal/eme"
	"github.com/etherx-go/xmpp/stanza"
)

// Notice is what the body of an encrypted message says: "It is considered polite
// to include a message <body/> informing the recipient that the message is
// encrypted" (draft-miller-xmpp-core-02, appendix C.2).
const Notice = "This message is encrypted."

// nsXHTML is the namespace of XHTML-IM, which says what the body says.
const nsXHTML = "http://jabber.org/protocol/xhtml-im"

// ErrNoBody is returned by [Encrypt] for a message without text: "the message
// chunk MUST contain a <body/> child element that is non-empty" (appendix C.2).
var ErrNoBody = errors.New("legacy: a message without a body cannot be encrypted")

// Encrypt returns a copy of a message whose body is encrypted to the keys in to
// and to the own ones, and says that it is (notice, or [Notice] if that is
// empty). A mark for clients that know XEP-0380 is added. Further bodies and an
// XHTML-IM payload are left out, for they say the same; everything else, the
// subject too, stays as it is, in the clear. The message is not signed: this form
// does not know of messages that are both, though some clients take them.
func Encrypt(ctx context.Context, engine openpgp.Engine, m *stanza.Message, to []*openpgp.Key, notice string) (
	*stanza.Message, error,
) {
	switch {
	case m.Body == "":
		return nil, ErrNoBody
	case len(to) == 0:
		return nil, fmt.Errorf("%w: nobody to encrypt to", openpgp.ErrNoKey)
	case notice == "":
		notice = Notice
	}
	sealed, err := engine.Seal(ctx, []byte(m.Body), append(to[:len(to):len(to)], engine.Keys()...), false)
	if err != nil {
		return nil, err
	}
	out := *m
	out.Body, out.Bodies, out.Payloads = notice, nil, nil
	for _, x := range m.Payloads {
		if raw, err := stanza.AppendPayload(nil, x); err != nil {
			return nil, err
		} else if e, err := stanza.Raw(raw).Element(); err == nil && e.Name().Space == nsXHTML {
			continue
		}
		out.Payloads = append(out.Payloads, x)
	}
	out.Payloads = append(out.Payloads, eme.Encryption{Namespace: NSEncrypted}, Encrypted(sealed))
	return &out, nil
}

// Decrypt returns a message with the decrypted text in place of its body, without
// the encrypted element and what else says that there is one, and how it was
// protected. Its Author is empty: even if what was encrypted is signed, by one of
// the keys in from, judged at the moment at (now if it is zero), that does not
// show who has sent it.
//
// The error is an ErrNoKey if it is not encrypted to one of the own keys, or one
// of the others of [openpgp.Engine].Open; ErrMalformed also if the message has
// nothing that is encrypted.
func Decrypt(ctx context.Context, engine openpgp.Engine, st *stanza.Stanza, from []*openpgp.Key, at time.Time) (
	*stanza.Stanza, openpgp.Security, error,
) {
	var none openpgp.Security
	x, ok, err := stanza.Decode[Encrypted](st)
	if err == nil && (!ok || st.Kind != stanza.KindMessage) {
		err = errors.New("not an encrypted message")
	}
	if err != nil {
		return nil, none, fmt.Errorf("%w: %w", openpgp.ErrMalformed, err)
	}
	opened, err := engine.Open(ctx, x, from, at)
	if err != nil {
		return nil, none, err
	}
	if !opened.Encrypted {
		return nil, none, fmt.Errorf("%w: not encrypted at all", openpgp.ErrMalformed)
	}
	// Programs that encrypt text as text have made the line ends those of mail.
	body := strings.ReplaceAll(string(opened.Plain), "\r\n", "\n")
	if !utf8.ValidString(body) {
		return nil, none, fmt.Errorf("%w: not text", openpgp.ErrMalformed)
	}
	clear, err := withBody(st, body)
	if err != nil {
		return nil, none, err
	}
	return clear, openpgp.Security{Encrypted: true, Signature: opened.Signature, Outer: st}, nil
}

// withBody returns a message with another body.
func withBody(st *stanza.Stanza, body string) (*stanza.Stanza, error) {
	rest := st.Without(func(e stanza.Element) bool {
		n := e.Name()
		return e.Is(stanza.NSClient, "body") || n.Space == NSEncrypted || n.Space == NSSigned || n.Space == eme.NS ||
			n.Space == nsXHTML
	})
	return rest.Adding(stanza.Raw(stanza.AppendTextElement(nil, "body", body)))
}
