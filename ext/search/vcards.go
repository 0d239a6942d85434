package search

import (
	"context"
	"iter"
	"strings"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/vcard"
)

// VCards is a [vcard.Store] that keeps an [Index] of the cards that pass it, so
// that everybody who has a card is found by it. Put it in the place of the Store
// of a [vcard.Server], and the Index into a [Service]. Cards whose class is
// private or confidential are not in the Index, nor those in which there is
// nothing to be found by, nor those that come when it is full: a card is stored in
// any case. Store and Index must be set.
//
// Users should know that a card makes them found; where they should choose
// themselves, use an Index that they enter themselves into.
type VCards struct {
	vcard.Store
	Index *Index
	// Listed, if not nil, says whether an account may be found.
	Listed func(account jid.JID) bool
}

var _ vcard.Store = (*VCards)(nil)

// SetVCard stores a card and what it is found by.
func (v *VCards) SetVCard(ctx context.Context, account jid.JID, card stanza.Raw) error {
	defer v.Index.lock(account)()
	if err := v.Store.SetVCard(ctx, account, card); err != nil {
		return err
	}
	return v.index(ctx, account, card)
}

// RemoveAccount forgets the card and what it is found by.
func (v *VCards) RemoveAccount(ctx context.Context, account jid.JID) error {
	defer v.Index.lock(account)()
	if err := v.Store.RemoveAccount(ctx, account); err != nil {
		return err
	}
	return v.Index.remove(ctx, account)
}

// Load reads the cards of these accounts into the Index. It is for the start of a
// server whose Index has no Store, and for the first start with one.
func (v *VCards) Load(ctx context.Context, accounts iter.Seq2[jid.JID, error]) error {
	for account, err := range accounts {
		if err == nil {
			err = v.load(ctx, account)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (v *VCards) load(ctx context.Context, account jid.JID) error {
	defer v.Index.lock(account)()
	card, err := v.Store.VCard(ctx, account)
	if err != nil {
		return err
	}
	return v.index(ctx, account, card)
}

// index enters what the card says, under the lock of the account. A card that
// cannot be read says nothing.
func (v *VCards) index(ctx context.Context, account jid.JID, card stanza.Raw) error {
	var c vcard.Card
	if e, err := card.Element(); err == nil && (v.Listed == nil || v.Listed(account)) && e.Decode(&c) == nil {
		if fields := FieldsOf(&c); len(fields) > 0 {
			if err := v.Index.set(ctx, account, fields); err != errFull {
				return err
			}
			return nil
		}
	}
	return v.Index.remove(ctx, account)
}

// FieldsOf returns what a card can be found by: none of it if its class is
// private or confidential. Values are cut at [DefaultMaxField] bytes.
func FieldsOf(c *vcard.Card) (fields []Field) {
	if c.Class == vcard.Private || c.Class == vcard.Confidential {
		return nil
	}
	for _, f := range []Field{
		{First, strings.Join(vcard.List(c.Name.Given), " ")},
		{Last, strings.Join(vcard.List(c.Name.Family), " ")},
		{Nick, strings.Join(vcard.List(c.Nickname), ", ")},
		{Email, email(c.Emails)},
	} {
		if f.Value = cut(strings.TrimSpace(f.Value)); f.Value != "" {
			fields = append(fields, f)
		}
	}
	return fields
}

// email returns the address for mail that is preferred, or the first.
func email(all []vcard.Email) (address string) {
	for i := range all {
		e := &all[i]
		if e.IsInternet() && (address == "" || e.Flags&vcard.Preferred != 0) {
			address = e.Address
		}
	}
	return address
}

func cut(s string) string {
	if len(s) <= DefaultMaxField {
		return s
	}
	return strings.ToValidUTF8(s[:DefaultMaxField], "")
}
