// Package hints implements Message Processing Hints (XEP-0334): what the sender
// of a message would like to be done with it, or not.
//
// They are hints: "Implementations MUST NOT rely on other entities
// interpretation of the hints for any particular purpose" (section 5).
package hints

import (
	"encoding/xml"

	"github.com/etherx-go/xmpp/ext/internal/payload"
	"github.com/etherx-go/xmpp/stanza"
)

// NS is the namespace.
const NS = "urn:xmpp:hints"

// Hint is one hint, a payload of a message.
type Hint string

// The hints of XEP-0334, section 4.
const (
	NoPermanentStore Hint = "no-permanent-store" // not in archives and logs
	NoStore          Hint = "no-store"           // neither there nor for later delivery
	// NoCopy: no copies to others than the addressee. It "MUST only be
	// included on messages addressed to full JIDs" (section 4.3).
	NoCopy Hint = "no-copy"
	Store  Hint = "store" // also where it would not be stored otherwise
)

// isDefined reports whether h is one of the four.
func (h Hint) isDefined() bool {
	return h == NoPermanentStore || h == NoStore || h == NoCopy || h == Store
}

// XMLName returns the element's name. For the zero Hint the local part is
// empty: every hint.
func (h Hint) XMLName() xml.Name { return xml.Name{Space: NS, Local: string(h)} }

// AppendXML appends the element. The error is a bad-request if there is no
// such hint.
func (h Hint) AppendXML(dst []byte) ([]byte, error) {
	if !h.isDefined() {
		return nil, stanza.NewError(stanza.BadRequest, "not a processing hint")
	}
	dst = append(append(dst, '<'), h...)
	return append(dst, " xmlns='"+NS+"'/>"...), nil
}

// ParseXML reads the element. The error is a bad-request if there is no such
// hint.
func (h *Hint) ParseXML(e stanza.Element) error {
	if *h = Hint(e.Name().Local); !h.isDefined() {
		*h = ""
		return stanza.NewError(stanza.BadRequest, "not a processing hint")
	}
	return nil
}

// Hints are those that a message has.
type Hints struct {
	NoPermanentStore, NoStore, NoCopy, Store bool
}

// Of returns the hints of a message: a *stanza.Stanza or a *stanza.Message.
// Other stanzas have none; those "contained within a stanza of type 'error'
// SHOULD be ignored" (section 5), and so is a no-copy on a message that is not
// addressed to a full JID (section 4.3).
func Of(m interface {
	Stanza() (*stanza.Stanza, error)
}) (h Hints) {
	st := payload.Stanza(m)
	if st == nil || st.Kind != stanza.KindMessage || st.Type == stanza.TypeError {
		return h
	}
	for e := range st.Payloads() {
		if e.Name().Space != NS {
			continue
		}
		switch Hint(e.Name().Local) {
		case NoPermanentStore:
			h.NoPermanentStore = true
		case NoStore:
			h.NoStore = true
		case NoCopy:
			h.NoCopy = st.To.IsFull()
		case Store:
			h.Store = true
		}
	}
	return h
}

// Keep reports whether to store the message for somebody who is offline; usual
// is what would be done without hints. A wish for silence wins over one for
// storage.
func (h Hints) Keep(usual bool) bool { return !h.NoStore && (usual || h.Store) }

// Archive reports whether to put the message into an archive; usual is what
// would be done without hints.
func (h Hints) Archive(usual bool) bool {
	return !h.NoStore && !h.NoPermanentStore && (usual || h.Store)
}
