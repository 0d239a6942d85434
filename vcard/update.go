package vcard

import (
	"encoding/hex"
	"encoding/xml"
	"strings"

	"github.com/etherx-go/xmpp/stanza"
)

// NSUpdate is the namespace of what presence says about avatars.
const NSUpdate = "vcard-temp:x:update"

// Update is what a presence says about the avatar of who sends it (XEP-0153):
// the element <x/>.
//
//	Update{}                       knows the protocol, but not (yet) the avatar
//	Update{Ready: true}            there is no avatar
//	Update{Ready: true, Hash: h}   the avatar has this hash
//
// See [Card.Update] and [Avatars.Own] for one's own.
type Update struct {
	// Ready: it is known whether there is an avatar.
	Ready bool
	// Hash is the SHA-1 hash of the photo, as lower-case hexadecimal digits; ""
	// if there is none. It counts as Ready.
	Hash string
}

// Update returns what to announce about the photo of the card.
func (c *Card) Update() Update { return Update{Ready: true, Hash: c.Photo.Hash()} }

// XMLName returns the name of the element.
func (Update) XMLName() xml.Name { return xml.Name{Space: NSUpdate, Local: "x"} }

// AppendXML appends the element.
func (u Update) AppendXML(dst []byte) ([]byte, error) {
	dst = append(dst, "<x xmlns='"+NSUpdate+"'"...)
	switch {
	case u.Hash != "":
		dst = append(stanza.AppendTextElement(append(dst, '>'), "photo", u.Hash), "</x>"...)
	case u.Ready:
		dst = append(dst, "><photo/></x>"...)
	default:
		dst = append(dst, "/>"...)
	}
	return dst, nil
}

// ParseXML reads the element. What is not the hash of anything is passed over, so
// that a Hash that is read can be the name of a file.
func (u *Update) ParseXML(e stanza.Element) error {
	*u = Update{}
	photo := e.Child(NSUpdate, "photo")
	if photo.IsZero() {
		return nil
	}
	// "Entities need to be able to process both" cases of the digits.
	hash := strings.ToLower(strings.TrimSpace(photo.Text()))
	if b, err := hex.DecodeString(hash); err != nil || hash != "" && len(b) != 20 {
		return nil
	}
	*u = Update{Ready: true, Hash: hash}
	return nil
}
