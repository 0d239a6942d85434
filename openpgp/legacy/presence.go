package legacy

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/etherx-go/xmpp/openpgp"
	"github.com/etherx-go/xmpp/stanza"
)

// ErrNoStatus is returned by [Sign] for a presence without text to sign: "a signed
// presence chunk MUST contain a <status/> child element that is non-empty"
// (draft-miller-xmpp-core-02, appendix C.1).
var ErrNoStatus = errors.New("legacy: a presence without a status cannot be signed")

// Sign signs the status of a presence, with the key that others are to encrypt
// to: the signature is the only sign that one can decrypt. Statuses in further
// languages are not signed. It takes the place of a signature that p has.
func Sign(ctx context.Context, engine openpgp.Engine, p *stanza.Presence) error {
	if p.Status == "" {
		return ErrNoStatus
	}
	sig, err := engine.Sign(ctx, []byte(p.Status))
	if err != nil {
		return err
	}
	payloads := make([]any, 0, len(p.Payloads)+1)
	for _, x := range p.Payloads {
		if !isPayload(x, NSSigned) {
			payloads = append(payloads, x)
		}
	}
	p.Payloads = append(payloads, Signed(sig))
	return nil
}

// isPayload reports whether a payload of a face is the element x of a namespace.
func isPayload(x any, ns string) bool {
	switch x := x.(type) {
	case stanza.Element:
		return x.Is(ns, "x")
	case Signed, *Signed:
		return ns == NSSigned
	case Encrypted, *Encrypted:
		return ns == NSEncrypted
	}
	return false
}

// Verify checks the signature of a presence's status or, on a message, of its
// body: the exact characters, and nothing else of the stanza. An empty status is
// taken, as XEP-0027, section 2, allows. keys are those of the sender; they are
// judged at the moment at, now if it is zero.
//
// The errors are those of [openpgp.Engine].Verify, with ErrNotSigned if there is
// no signature. A good signature does not show that its maker has sent this
// stanza; see the package's comment.
func Verify(ctx context.Context, engine openpgp.Engine, st *stanza.Stanza, keys []*openpgp.Key, at time.Time) (
	*openpgp.Signature, error,
) {
	if st.Kind == stanza.KindIQ || st.Type == stanza.TypeError {
		return nil, openpgp.ErrNotSigned
	}
	sig, ok, err := stanza.Decode[Signed](st)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", openpgp.ErrMalformed, err)
	case !ok:
		return nil, openpgp.ErrNotSigned
	}
	text := st.Message().Body
	if st.Kind == stanza.KindPresence {
		text = st.Presence().Status
	}
	return engine.Verify(ctx, []byte(text), sig, keys, at)
}
