package memory

import (
	"context"
	"encoding/xml"
	"strings"
	"time"

	"github.com/etherx-go/xmpp/ext/private"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/privacy"
	"github.com/etherx-go/xmpp/stanza"
)

// presences implements presence.Store.
type presences struct{ table[lastPresence] }

type lastPresence struct {
	st *stanza.Stanza
	at time.Time
}

func (p *presences) LastPresence(_ context.Context, account jid.JID) (*stanza.Stanza, time.Time, error) {
	last := p.get(account)
	return last.st, last.at, nil
}

func (p *presences) SetLastPresence(_ context.Context, account jid.JID, st *stanza.Stanza, at time.Time) error {
	p.set(account, lastPresence{st.Clone(), at})
	return nil
}

func (p *presences) RemoveAccount(_ context.Context, account jid.JID) error {
	p.remove(account)
	return nil
}

// vcards implements vcard.Store.
type vcards struct{ table[stanza.Raw] }

func (v *vcards) VCard(_ context.Context, account jid.JID) (stanza.Raw, error) {
	return v.get(account), nil
}

func (v *vcards) SetVCard(_ context.Context, account jid.JID, card stanza.Raw) error {
	if card == "" {
		v.remove(account)
		return nil
	}
	v.set(account, stanza.Raw(strings.Clone(string(card))))
	return nil
}

func (v *vcards) RemoveAccount(_ context.Context, account jid.JID) error {
	v.remove(account)
	return nil
}

// privateXML implements private.Store.
type privateXML struct {
	table[map[xml.Name]stanza.Raw]
}

func (p *privateXML) Private(_ context.Context, account jid.JID, name xml.Name) (stanza.Raw, error) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.m[account.Bare()][name], nil
}

// SetPrivate removes the element if el is "".
func (p *privateXML) SetPrivate(_ context.Context, account jid.JID, name xml.Name, el stanza.Raw, max int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	elements := p.m[account.Bare()]
	_, had := elements[name]
	switch {
	case el == "":
		delete(elements, name)
		return nil
	case !had && max >= 0 && len(elements) >= max:
		return private.ErrFull
	case elements == nil:
		elements = make(map[xml.Name]stanza.Raw)
		p.put(account, elements)
	}
	name = xml.Name{Space: strings.Clone(name.Space), Local: strings.Clone(name.Local)}
	elements[name] = stanza.Raw(strings.Clone(string(el)))
	return nil
}

func (p *privateXML) RemoveAccount(_ context.Context, account jid.JID) error {
	p.remove(account)
	return nil
}

// privacyLists implements privacy.Store.
type privacyLists struct{ table[privacy.Lists] }

func (p *privacyLists) PrivacyLists(_ context.Context, account jid.JID) (privacy.Lists, error) {
	return p.get(account), nil
}

// UpdatePrivacyLists calls fn while the store is locked.
func (p *privacyLists) UpdatePrivacyLists(_ context.Context, account jid.JID, fn func(*privacy.Lists) error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	old := p.m[account.Bare()]
	lists := old.Clone()
	if err := fn(&lists); err != nil {
		return err
	}
	if lists.Default == "" && len(lists.Lists) == 0 {
		delete(p.m, account.Bare())
		return nil
	}
	// Once more, as fn may have left what others can change.
	p.put(account, lists.Clone())
	return nil
}

func (p *privacyLists) RemoveAccount(_ context.Context, account jid.JID) error {
	p.remove(account)
	return nil
}
