package ox

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/etherx-go/xmpp/ext/delay"
	"github.com/etherx-go/xmpp/ext/hints"
	"github.com/etherx-go/xmpp/ext/stanzaid"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/openpgp"
	"github.com/etherx-go/xmpp/openpgp/internal/eme"
	"github.com/etherx-go/xmpp/stanza"
)

// Notice is what the body outside of an encrypted message says (XEP-0374, section
// 3.2).
const Notice = "This message is encrypted using OpenPGP."

// outside are the namespaces of payloads that are for servers, or by servers: they
// stay outside of what is encrypted, and are kept when it is decrypted.
var outside = []string{hints.NS, stanzaid.NS, delay.NS}

// Seal returns a message with all that m says signed and encrypted in it
// (XEP-0374): the texts, the thread and the payloads, but for hints, ids and delays, which
// servers have to see. keys are all the keys of the addressee; the own ones are
// added. The content is meant for m.To and whoever is in further: the members of a
// room that m is sent to, for example, whose keys are then in keys too.
//
// Outside it gets a body that says that it is encrypted (notice, [Notice] if that
// is empty), a hint that it be stored, and a mark of XEP-0380.
func Seal(ctx context.Context, engine openpgp.Engine, m *stanza.Message, keys []*openpgp.Key, notice string,
	further ...jid.JID,
) (*stanza.Message, error) {
	if m.To.IsZero() || m.Type == stanza.TypeError {
		return nil, errors.New("ox: only a message to somebody can be encrypted")
	}
	if notice == "" {
		notice = Notice
	}
	st, err := m.Stanza()
	if err != nil {
		return nil, err
	}
	c := Content{Kind: SignCrypt, To: append([]jid.JID{m.To}, further...)}
	out := &stanza.Message{To: m.To, From: m.From, ID: m.ID, Type: m.Type, Lang: m.Lang, Body: notice}
	stored := false
	for p := range st.Payloads() {
		ns := p.Name().Space
		if slices.Contains(outside, ns) {
			out.Payloads = append(out.Payloads, p)
			stored = stored || ns == hints.NS
			continue
		}
		c.Payload = append(c.Payload, withLang(p, m.Lang))
	}
	sealed, err := SealContent(ctx, engine, c, keys)
	if err != nil {
		return nil, err
	}
	if !stored {
		out.Payloads = append(out.Payloads, hints.Store)
	}
	out.Payloads = append(out.Payloads, eme.Encryption{Namespace: NS}, sealed)
	return out, nil
}

// withLang returns a payload with the language that it has from the stanza: inside
// of the content it is not protected by being told outside.
func withLang(p stanza.Element, lang string) any {
	if lang == "" || !isText(p) || p.Lang() != "" {
		return p
	}
	return text(p, lang)
}

// isText reports whether an element is a text of a message, in either of the
// namespaces: "recipients MUST accept both" (XEP-0374, section 2.2).
func isText(e stanza.Element) bool {
	n := e.Name()
	return (n.Space == stanza.NSClient || n.Space == stanza.NSServer) &&
		(n.Local == "body" || n.Local == "subject" || n.Local == "thread")
}

// text returns a text of a message in the namespace of the stanza.
func text(e stanza.Element, lang string) stanza.Raw {
	name := e.Name().Local
	b := append([]byte{'<'}, name...)
	if lang != "" {
		b = stanza.AppendAttr(b, "xml:lang", lang)
	}
	if parent := e.Attr("parent"); parent != "" && name == "thread" {
		b = stanza.AppendAttr(b, "parent", parent)
	}
	b = stanza.AppendText(append(b, '>'), e.Text())
	return stanza.Raw(append(append(append(b, "</"...), name...), '>'))
}

// Opened is a stanza whose content was decrypted and verified.
type Opened struct {
	// Stanza is the stanza as if what was protected stood in it directly: of
	// what stood outside only hints, ids and delays are left, so that nobody on the
	// way can add to it.
	Stanza    *stanza.Stanza
	Content   Content
	Signature *openpgp.Signature // nil for a Crypt
}

// Open decrypts and verifies the content of a stanza. Zero From and To of checks
// are those of the stanza. The errors are those of [OpenElement]; an ErrMalformed
// if there is no element openpgp, or one that cannot be read.
func Open(ctx context.Context, engine openpgp.Engine, st *stanza.Stanza, checks Checks) (*Opened, error) {
	m, ok, err := stanza.Decode[Element](st)
	if err == nil && !ok {
		err = errors.New("no OpenPGP element")
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", openpgp.ErrMalformed, err)
	}
	if checks.From.IsZero() {
		checks.From = st.From
	}
	if checks.To.IsZero() {
		checks.To = st.To
	}
	c, sig, err := OpenElement(ctx, engine, m, checks)
	if err != nil {
		return nil, err
	}
	clear := st.Without(func(e stanza.Element) bool { return !slices.Contains(outside, e.Name().Space) })
	clear, err = clear.Adding(inside(&c)...)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", openpgp.ErrMalformed, err)
	}
	return &Opened{clear, c, sig}, nil
}

// inside returns what of a content counts as part of the stanza. In the namespaces
// of stanzas that are the texts; in those that belong outside, nothing.
func inside(c *Content) (payloads []any) {
	for _, p := range c.Payload {
		e, ok := p.(stanza.Element)
		switch {
		case !ok || slices.Contains(outside, e.Name().Space) || e.Name().Space == NS:
		case isText(e):
			payloads = append(payloads, text(e, e.Lang()))
		case !stanza.IsContentNamespace(e.Name().Space):
			payloads = append(payloads, e)
		}
	}
	return payloads
}
