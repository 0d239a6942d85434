package ox

import (
	"context"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/openpgp"
	"github.com/etherx-go/xmpp/stanza"
)

// Element is the payload openpgp: an OpenPGP message, binary, with a [Content].
type Element []byte

// XMLName returns the element's name.
func (Element) XMLName() xml.Name { return xml.Name{Space: NS, Local: "openpgp"} }

// AppendXML appends the element; the error is a bad-request if it is empty.
func (m Element) AppendXML(dst []byte) ([]byte, error) {
	if len(m) == 0 {
		return nil, stanza.NewError(stanza.BadRequest, "an empty OpenPGP message")
	}
	dst = append(dst, "<openpgp xmlns='"+NS+"'>"...)
	return append(base64.StdEncoding.AppendEncode(dst, m), "</openpgp>"...), nil
}

// ParseXML reads the element, with white space anywhere; the error is a
// bad-request if it is not Base64, or empty.
func (m *Element) ParseXML(e stanza.Element) (err error) {
	*m, err = decode(e.Text())
	return err
}

func decode(text string) ([]byte, error) {
	data, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil || len(data) == 0 {
		return nil, stanza.NewError(stanza.BadRequest, "no OpenPGP data in Base64")
	}
	return data, nil
}

// Errors of checks. They come wrapped, with more about what is wrong; so do those
// of the package openpgp.
var (
	// ErrProtection: the content is protected otherwise than its kind says, or
	// of a kind that is not wanted.
	ErrProtection = errors.New("ox: not protected as it should be")
	// ErrAuthor: the key that has signed does not have the author's address.
	ErrAuthor = errors.New("ox: signed by somebody else")
	// ErrAddressee: the content was meant for somebody else.
	ErrAddressee = errors.New("ox: meant for somebody else")
	// ErrTime: the time is not plausible: the content was sent again, much
	// delayed, or a clock is wrong.
	ErrTime = errors.New("ox: made at another time")
	// ErrReplay: the same content was there before.
	ErrReplay = errors.New("ox: sent a second time")
)

// Defaults of [Checks].
const (
	DefaultMaxAge  = 15 * time.Minute
	DefaultMaxSkew = 5 * time.Minute
)

// Checks is what a content has to fit (XEP-0373, section 3.2).
type Checks struct {
	// From is the author. Its bare address must be in a user ID of the key that
	// has signed.
	From jid.JID
	// To is the addressee of the stanza. Its bare address must be among those
	// that the content is meant for.
	To jid.JID
	// Keys are the trusted keys of the author.
	Keys []*openpgp.Key
	// Kinds are those that are taken, nil for SignCrypt alone (XEP-0374, section
	// 3.1).
	Kinds []Kind
	// At is when it came, now if zero: from archives, when they got it. Keys are
	// judged at that moment.
	At time.Time
	// MaxAge and MaxSkew are how long before and after At the content may have
	// been made, by its own time. Defaults 15 and 5 minutes, negative for any.
	MaxAge, MaxSkew time.Duration
}

// SealContent signs and encrypts a content, as its kind says. What is encrypted
// is encrypted to the keys in to and to the own ones. A zero Time becomes now, and
// what is encrypted gets padding if it has none.
func SealContent(ctx context.Context, engine openpgp.Engine, c Content, to []*openpgp.Key) (Element, error) {
	if c.Time.IsZero() {
		c.Time = time.Now()
	}
	if c.Pad == "" && c.Kind != Sign {
		c.Pad = Pad()
	}
	plain, err := c.AppendXML(nil)
	if err != nil {
		return nil, err
	}
	var recipients []*openpgp.Key
	if c.Kind != Sign {
		if len(to) == 0 {
			return nil, fmt.Errorf("%w: nobody to encrypt to", openpgp.ErrNoKey)
		}
		recipients = append(to[:len(to):len(to)], engine.Keys()...)
	}
	return engine.Seal(ctx, plain, recipients, c.Kind != Crypt)
}

// OpenElement decrypts and verifies what was sealed, and checks it. The Signature
// is nil for a Crypt.
func OpenElement(ctx context.Context, engine openpgp.Engine, m Element, checks Checks) (
	Content, *openpgp.Signature, error,
) {
	var none Content
	opened, err := engine.Open(ctx, m, checks.Keys, checks.At)
	if err != nil {
		return none, nil, err
	}
	c, err := ParseContent(opened.Plain)
	if err != nil {
		return none, nil, fmt.Errorf("%w: %w", openpgp.ErrMalformed, err)
	}
	if err := checks.protection(c.Kind, opened); err != nil {
		return none, nil, err
	}
	if err := checks.addresses(&c, opened.Signature); err != nil {
		return none, nil, err
	}
	return c, opened.Signature, checks.time(c.Time)
}

// protection checks that a content is protected as its kind says.
func (k *Checks) protection(kind Kind, o *openpgp.Opened) error {
	kinds := k.Kinds
	if kinds == nil {
		kinds = []Kind{SignCrypt}
	}
	switch {
	case !slices.Contains(kinds, kind):
		return fmt.Errorf("%w: the kind %s is not wanted", ErrProtection, kind)
	case o.Encrypted != (kind != Sign):
		return fmt.Errorf("%w: encrypted is %t, in a %s", ErrProtection, o.Encrypted, kind)
	case kind == Crypt && !errors.Is(o.Err, openpgp.ErrNotSigned):
		return fmt.Errorf("%w: a %s that is signed", ErrProtection, kind)
	case kind != Crypt && o.Signature == nil:
		return fmt.Errorf("%w: %w", ErrProtection, o.Err)
	}
	return nil
}

// addresses checks who has made the content, and for whom.
func (k *Checks) addresses(c *Content, sig *openpgp.Signature) error {
	// With the same tolerance for clocks as signatures have.
	if sig != nil && !sig.Key.HasAddress(k.From, k.at().Add(openpgp.DefaultSkew)) {
		return fmt.Errorf("%w: the key %s does not have the address %s", ErrAuthor, sig.Key, k.From.Bare())
	}
	if len(c.To) == 0 { // of a Crypt
		return nil
	}
	if !slices.ContainsFunc(c.To, func(to jid.JID) bool { return to.Bare() == k.To.Bare() }) {
		return fmt.Errorf("%w: %v, and not %s", ErrAddressee, c.To, k.To.Bare())
	}
	return nil
}

// at returns when the content came.
func (k *Checks) at() time.Time {
	if k.At.IsZero() {
		return time.Now()
	}
	return k.At
}

// time checks when the content was made.
func (k *Checks) time(made time.Time) error {
	maxAge, maxSkew := k.MaxAge, k.MaxSkew
	if maxAge == 0 {
		maxAge = DefaultMaxAge
	}
	if maxSkew == 0 {
		maxSkew = DefaultMaxSkew
	}
	switch age := k.at().Sub(made); {
	case maxAge > 0 && age > maxAge:
		return fmt.Errorf("%w: %s before it came", ErrTime, age.Round(time.Second))
	case maxSkew > 0 && -age > maxSkew:
		return fmt.Errorf("%w: %s after it came", ErrTime, (-age).Round(time.Second))
	}
	return nil
}
