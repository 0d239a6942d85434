package ox

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"strings"
	"time"

	"github.com/etherx-go/xmpp/ext/datetime"
	"github.com/etherx-go/xmpp/stanza"
)

// Nodes of the own account's service for personal events (XEP-0163).
const (
	// NodeKeys has the [KeyList]; with "+notify" it is the feature of clients
	// that want to hear of its changes.
	NodeKeys = NS + ":public-keys"
	// NodeSecret has the [SecretKey].
	NodeSecret = NS + ":secret-key"
)

// NodeKey returns the node that has the [PublicKey] with a fingerprint.
func NodeKey(fingerprint string) string { return NodeKeys + ":" + fingerprint }

// PublicKey is the item pubkey (section 4.1): a public key in its transferable
// form.
type PublicKey []byte

// XMLName returns the element's name.
func (PublicKey) XMLName() xml.Name { return xml.Name{Space: NS, Local: "pubkey"} }

// AppendXML appends the element; the error is a bad-request if it is empty.
func (k PublicKey) AppendXML(dst []byte) ([]byte, error) {
	if len(k) == 0 {
		return nil, stanza.NewError(stanza.BadRequest, "an empty public key")
	}
	dst = append(dst, "<pubkey xmlns='"+NS+"'><data>"...)
	return append(base64.StdEncoding.AppendEncode(dst, k), "</data></pubkey>"...), nil
}

// ParseXML reads the element; the error is a bad-request if it is not Base64, or
// empty.
func (k *PublicKey) ParseXML(e stanza.Element) (err error) {
	*k, err = decode(e.ChildText(NS, "data"))
	return err
}

// SecretKey is the item secretkey (section 5.4): a backup as openpgp.Backup makes
// it.
type SecretKey []byte

// XMLName returns the element's name.
func (SecretKey) XMLName() xml.Name { return xml.Name{Space: NS, Local: "secretkey"} }

// AppendXML appends the element; the error is a bad-request if it is empty.
func (k SecretKey) AppendXML(dst []byte) ([]byte, error) {
	if len(k) == 0 {
		return nil, stanza.NewError(stanza.BadRequest, "an empty secret key")
	}
	dst = append(dst, "<secretkey xmlns='"+NS+"'>"...)
	return append(base64.StdEncoding.AppendEncode(dst, k), "</secretkey>"...), nil
}

// ParseXML reads the element; the error is a bad-request if it is not Base64, or
// empty.
func (k *SecretKey) ParseXML(e stanza.Element) (err error) {
	*k, err = decode(e.Text())
	return err
}

// KeyInfo announces a key.
type KeyInfo struct {
	Fingerprint string    // upper-case hexadecimal digits
	Date        time.Time // when the key was published or changed
}

// KeyList is the item public-keys-list (section 4.2): which keys somebody uses.
type KeyList []KeyInfo

// Has reports whether a key is in the list.
func (l KeyList) Has(fingerprint string) bool {
	for _, k := range l {
		if k.Fingerprint == fingerprint {
			return true
		}
	}
	return false
}

// without returns the list without a key.
func (l KeyList) without(fingerprint string) KeyList {
	out := KeyList{}
	for _, k := range l {
		if k.Fingerprint != fingerprint {
			out = append(out, k)
		}
	}
	return out
}

// XMLName returns the element's name.
func (KeyList) XMLName() xml.Name { return xml.Name{Space: NS, Local: "public-keys-list"} }

// AppendXML appends the element. The error is a bad-request if a fingerprint is
// none, or is there twice, or has no date.
func (l KeyList) AppendXML(dst []byte) ([]byte, error) {
	dst = append(dst, "<public-keys-list xmlns='"+NS+"'>"...)
	for i, k := range l {
		if !isFingerprint(k.Fingerprint) || k.Date.IsZero() || l[:i].Has(k.Fingerprint) {
			return nil, stanza.NewError(stanza.BadRequest, "a bad entry in a list of keys")
		}
		dst = stanza.AppendAttr(append(dst, "<pubkey-metadata"...), "v4-fingerprint", k.Fingerprint)
		dst = append(stanza.AppendAttr(dst, "date", datetime.Format(k.Date)), "/>"...)
	}
	return append(dst, "</public-keys-list>"...), nil
}

// ParseXML reads the element. Entries without a fingerprint, and later ones with
// the same, are left out; a date that cannot be read is left zero. Fingerprints
// may be in lower case. The error is always nil.
func (l *KeyList) ParseXML(e stanza.Element) error {
	*l = nil
	for c := range e.Children() {
		f := strings.ToUpper(strings.TrimSpace(c.Attr("v4-fingerprint")))
		if !c.Is(NS, "pubkey-metadata") || !isFingerprint(f) || l.Has(f) {
			continue
		}
		date, _ := datetime.Parse(c.Attr("date"))
		*l = append(*l, KeyInfo{f, date})
	}
	return nil
}

// isFingerprint reports whether s is a fingerprint: of a key of version 4, or of
// version 6, for which the name of the attribute is too narrow.
func isFingerprint(s string) bool {
	_, err := hex.DecodeString(s)
	return err == nil && (len(s) == 40 || len(s) == 64) && s == strings.ToUpper(s)
}
