package vcard

import (
	"context"
	"errors"
	"sync"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// DefaultMaxContacts is how many hashes of others [Avatars] remembers by default.
const DefaultMaxContacts = 10000

// Avatars is an Extension for clients that watches the avatars of others, and
// keeps the hash of one's own (XEP-0153). Put [Avatars.Own] into each presence
// that you send: "MUST include the update child element in every presence
// broadcast". Presence is the program's own, so Avatars does not send any. The
// zero Avatars is ready to use; methods are safe for concurrent use.
type Avatars struct {
	// Changed, if not nil, is called when somebody announces another avatar than
	// before; hash is "" if there is none any more. [Get] from has it as its
	// Photo. from is a bare address, of the occupant of a room the full one. It
	// is called in order for each sender.
	Changed func(ctx context.Context, s xmpp.Sender, from jid.JID, hash string)
	// Resend, if not nil, is called when Own has changed because another resource
	// of the account has changed the avatar, or may do so, or cannot any more.
	// The program should send its presence again.
	Resend func(ctx context.Context, s xmpp.Sender)
	// MaxContacts bounds how many hashes of others are remembered; those that
	// are forgotten are reported as new once more. 0 = [DefaultMaxContacts].
	MaxContacts int

	mu        sync.Mutex
	hashes    map[jid.JID]string
	own       Update
	strangers map[jid.JID]struct{} // own resources that do not know the protocol
}

// Attach adds the handlers.
func (a *Avatars) Attach(h xmpp.Host) error {
	if h.IsServer() {
		return errors.New("vcard: Avatars is for clients")
	}
	h.Mux().OnPresence(func(ctx context.Context, s xmpp.Sender, p *stanza.Presence) error {
		if p.Type != stanza.TypeAvailable && p.Type != stanza.TypeUnavailable || p.From.IsZero() {
			return nil
		}
		u, ok := updateIn(p)
		if me := s.LocalAddr(); p.From.Bare() == me.Bare() {
			if p.From == me || p.From.Resource() == "" {
				return nil
			}
			return a.sibling(ctx, s, p, u, ok)
		}
		if ok && u.Ready && p.Type == stanza.TypeAvailable {
			if from, changed := a.note(p, u.Hash); changed && a.Changed != nil {
				a.Changed(ctx, s, from, u.Hash)
			}
		}
		return nil
	})
	return nil
}

// updateIn returns what the presence says about the avatar, and whether it does.
func updateIn(p *stanza.Presence) (u Update, ok bool) {
	for _, payload := range p.Payloads {
		if e, isElement := payload.(stanza.Element); isElement && e.Is(NSUpdate, "x") {
			return u, u.ParseXML(e) == nil
		}
	}
	return u, false
}

// note remembers the hash of somebody, and reports whether it is news.
func (a *Avatars) note(p *stanza.Presence, hash string) (from jid.JID, changed bool) {
	from = p.From.Bare()
	for _, payload := range p.Payloads {
		if e, ok := payload.(stanza.Element); ok && e.Is("http://jabber.org/protocol/muc#user", "x") {
			from = p.From // an occupant of a room
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	old, known := a.hashes[from]
	if known && old == hash {
		return from, false
	}
	if a.hashes == nil {
		a.hashes = make(map[jid.JID]string)
	}
	max := a.MaxContacts
	if max <= 0 {
		max = DefaultMaxContacts
	}
	for j := range a.hashes {
		if known || len(a.hashes) < max {
			break
		}
		delete(a.hashes, j) // any one
	}
	from = from.Clone()
	a.hashes[from] = hash
	return from, known || hash != ""
}

// Hash returns the hash that somebody has announced last, and whether there is
// one: a bare address, of the occupant of a room the full one.
func (a *Avatars) Hash(of jid.JID) (hash string, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	hash, ok = a.hashes[of]
	return hash, ok
}

// Own returns what to put into presence: an empty Update until [Avatars.Load] or
// [Avatars.Publish] was called, and while a resource of the account is there that
// does not know the protocol: "the client MUST stop advertising the avatar image
// hash" (XEP-0153, section 4.3).
func (a *Avatars) Own() Update {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.ownLocked()
}

func (a *Avatars) ownLocked() Update {
	if len(a.strangers) > 0 {
		return Update{}
	}
	return a.own
}

// setOwn reports whether Own has changed.
func (a *Avatars) setOwn(u Update) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	before := a.ownLocked()
	a.own = u
	return before != a.ownLocked()
}

// Load downloads one's own card, once after the login: "A client MUST NOT
// advertise an avatar image without first downloading the current vCard" (section
// 4.2). It returns the card, which is empty if there is none.
func (a *Avatars) Load(ctx context.Context, s xmpp.Sender) (*Card, error) {
	c, err := Get(ctx, s, jid.JID{})
	if err != nil && !errors.Is(err, ErrNoCard) {
		return nil, err
	}
	a.setOwn(c.Update())
	return c, nil
}

// Publish puts the photo into one's own card, and leaves the rest of it as it is.
// A zero Media takes the avatar away. Send presence with Own then. The image
// SHOULD have less than 8 KiB and be square, with sides between 32 and 96 pixels
// (section 4.6).
func (a *Avatars) Publish(ctx context.Context, s xmpp.Sender, photo Media) error {
	c, err := Get(ctx, s, jid.JID{})
	if err != nil && !errors.Is(err, ErrNoCard) {
		return err
	}
	if c.Photo.Hash() != photo.Hash() || c.Photo.URI != photo.URI {
		c.Photo = photo
		if err := Set(ctx, s, c); err != nil {
			return err
		}
	}
	a.setOwn(c.Update())
	return nil
}

// sibling does what XEP-0153, section 4.3, says about presence of another resource
// of the account.
func (a *Avatars) sibling(ctx context.Context, s xmpp.Sender, p *stanza.Presence, u Update, ok bool) error {
	resend := a.countStrangers(p, ok)
	if !resend && (p.Type != stanza.TypeAvailable || !a.differs(u)) {
		return nil
	}
	if !resend {
		// "Resetting the image hash" (section 4.4).
		a.setOwn(Update{})
		if a.Resend != nil {
			a.Resend(ctx, s)
		}
		if _, err := a.Load(ctx, s); err != nil {
			return err
		}
	}
	if a.Resend != nil {
		a.Resend(ctx, s)
	}
	return nil
}

// countStrangers keeps count of own resources that do not know the protocol, and
// reports whether Own has changed by that.
func (a *Avatars) countStrangers(p *stanza.Presence, knows bool) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	before := a.ownLocked()
	if knows || p.Type == stanza.TypeUnavailable {
		delete(a.strangers, p.From)
	} else {
		if a.strangers == nil {
			a.strangers = make(map[jid.JID]struct{})
		}
		a.strangers[p.From.Clone()] = struct{}{}
	}
	return before != a.ownLocked()
}

// differs reports whether another resource announces another avatar than we do.
func (a *Avatars) differs(u Update) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return u.Ready && a.own.Ready && u.Hash != a.own.Hash
}
