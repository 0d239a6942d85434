package archive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/etherx-go/xmpp/ext/stanzaid"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// Outcome is what becomes of a message that passes an archive.
type Outcome struct {
	// Stanza is what goes on to the recipient. For a message that was sent it has
	// no id of the sender's archive, which "Servers MUST NOT include" for those
	// who may not read it (XEP-0313, section 3.5); for one that came it has that
	// of the recipient's. It is the stanza itself where nothing had to be changed.
	Stanza *stanza.Stanza
	// Own is, for a message that was sent, what the account's other clients get,
	// by carbons, say: with the id in its archive. For one that came it is Stanza.
	Own *stanza.Stanza
	// ID is the id in the archive; "" if the message was not archived.
	ID string
}

// Outgoing archives a message for its sender, an account of this server: it is to
// be called once for each that a client sends, with from and to set, when it is
// known that the account may send it, and before it is routed. A message of the
// account to itself is in its archive once, and both it and what Incoming makes of
// it have the id.
//
// After an error nothing was archived; Outcome.Stanza can be routed even so. A
// stanza that is not archived costs a look at the names of its payloads, and one
// that is no message nothing.
func (s *Server) Outgoing(ctx context.Context, st *stanza.Stanza) (Outcome, error) {
	p, err := s.outgoing(ctx, st)
	if err != nil || !p.keep {
		return p.out, err
	}
	return s.one(ctx, p)
}

// Incoming archives a message for its recipient, an account of this server: it is
// to be called once for each message to its bare or full address, when it is known
// that the account takes messages of the sender, and before it is copied to
// clients or stored for later, so that all get it with its id.
//
// A message that comes by again, because it is routed anew, is known by the id that
// it has, and returned as it is. What somebody else wrote in the name of the
// account is taken away (XEP-0359, section 3, rule 2). The rest is as for Outgoing.
func (s *Server) Incoming(ctx context.Context, st *stanza.Stanza) (Outcome, error) {
	p, err := s.incoming(ctx, st)
	if err != nil || !p.keep {
		return p.out, err
	}
	return s.one(ctx, p)
}

// Local is Outgoing and Incoming for a message between two accounts of this
// server, for the price of one: both archives have it, or none.
func (s *Server) Local(ctx context.Context, st *stanza.Stanza) (sent, received Outcome, err error) {
	out, err := s.outgoing(ctx, st)
	in, err2 := s.incoming(ctx, out.out.Stanza)
	if err != nil || err2 != nil || !out.keep && !in.keep {
		return out.out, in.out, errors.Join(err, err2)
	}
	return s.both(ctx, out, in)
}

// one and both archive messages of which one is to be archived for sure. They get
// copies, for nothing of what is not archived is to escape to the heap.
func (s *Server) one(ctx context.Context, p passing) (Outcome, error) {
	err := s.append(ctx, &p)
	return p.out, err
}

func (s *Server) both(ctx context.Context, out, in passing) (sent, received Outcome, err error) {
	err = s.append(ctx, &out, &in)
	if out.self {
		in.out = Outcome{Stanza: out.out.Stanza, Own: out.out.Stanza, ID: out.out.ID}
	}
	return out.out, in.out, err
}

// passing is a message on its way by an archive.
type passing struct {
	out   Outcome
	entry Entry
	keep  bool // it is to be archived
	self  bool // it is of the account to itself
	in    bool // it came, and was not sent
	known *account
}

// pass returns a message that is not archived.
func pass(st *stanza.Stanza) passing {
	return passing{out: Outcome{Stanza: st, Own: st}, entry: Entry{Stanza: st}}
}

func (s *Server) outgoing(ctx context.Context, st *stanza.Stanza) (passing, error) {
	f := inspect(st)
	if !f.keeps && !f.ids {
		return pass(st), nil
	}
	archive := st.From.Bare()
	if f.ids {
		stripped, err := stanzaid.Strip(st, archive)
		if err != nil {
			return pass(st), wrap(err)
		}
		st = stripped
	}
	p := pass(st)
	p.self = st.To.Bare() == archive
	if !f.keeps {
		return p, nil
	}
	return p, s.decide(ctx, &p, archive, st.To)
}

func (s *Server) incoming(ctx context.Context, st *stanza.Stanza) (passing, error) {
	f := inspect(st)
	archive := st.To.Bare()
	if !f.keeps && !f.ids || st.From.Bare() == archive { // what is of the account itself has been looked at
		p := pass(st)
		if f.ids {
			p.out.ID, _ = stanzaid.By(st, archive)
		}
		return p, nil
	}
	if f.ids {
		if id, ok := stanzaid.By(st, archive); ok {
			archived, err := s.isArchived(ctx, archive, id, st.From)
			if archived {
				return passing{out: Outcome{Stanza: st, Own: st, ID: id}, entry: Entry{Stanza: st}}, nil
			} else if err != nil {
				return pass(st), err
			}
		}
		stripped, err := stanzaid.Strip(st, archive)
		if err != nil {
			return pass(st), wrap(err)
		}
		st = stripped
	}
	p := pass(st)
	p.in = true
	if !f.keeps {
		return p, nil
	}
	return p, s.decide(ctx, &p, archive, st.From)
}

// isArchived reports whether a message of that sender is in the archive by that id.
// Nobody but the account learns an id, so who has one that fits was given it here.
func (s *Server) isArchived(ctx context.Context, archive jid.JID, id string, from jid.JID) (bool, error) {
	page, err := s.Store.Query(ctx, archive, Filter{IDs: []string{id}}, Paging{Max: 1, MaxBytes: -1})
	switch {
	case errors.Is(err, ErrNotFound):
		return false, nil
	case err != nil:
		return false, wrap(err)
	}
	m := page.Messages
	return len(m) == 1 && m[0].Stanza != nil && m[0].Stanza.From == from, nil
}

// decide asks what the account prefers.
func (s *Server) decide(ctx context.Context, p *passing, archive, with jid.JID) error {
	a, err := s.account(ctx, archive)
	if err != nil {
		return wrap(err)
	}
	p.keep, err = a.prefs.Allow(ctx, with, func(ctx context.Context, contact jid.JID) (bool, error) {
		return s.InRoster(ctx, archive, contact)
	})
	if err != nil {
		return fmt.Errorf("archive: roster: %w", err)
	}
	p.entry = Entry{Archive: archive, With: with, At: time.Now(), Stanza: p.out.Stanza}
	p.known = a
	return nil
}

// append archives those messages that are to be archived, and gives them their ids.
func (s *Server) append(ctx context.Context, all ...*passing) error {
	all = slices.DeleteFunc(all, func(p *passing) bool { return !p.keep })
	ctx = context.WithoutCancel(ctx) // who has sent it may be gone already
	entries := make([]Entry, len(all))
	for i, p := range all {
		entries[i] = p.entry
	}
	ids, err := s.Store.Append(ctx, entries...)
	if err != nil {
		return wrap(err)
	}
	var errs []error
	for i, p := range all {
		errs = append(errs, p.stamp(ids[i]))
		s.purge(ctx, p.entry.Archive, p.known)
	}
	return errors.Join(errs...)
}

// stamp gives the message its id. It has none in the name of the archive.
func (p *passing) stamp(id string) error {
	stamped, err := p.entry.Stanza.Adding(stanzaid.StanzaID{ID: id, By: p.entry.Archive})
	if err != nil {
		return wrap(err)
	}
	p.out.ID, p.out.Own = id, stamped
	if p.in || p.self {
		p.out.Stanza = stamped
	}
	return nil
}

// purgeEvery is after how many messages of an account its archive is purged.
const purgeEvery = 100

// purge keeps the bounds of an archive that something was appended to. The message
// is archived also if that fails; it is tried again later.
func (s *Server) purge(ctx context.Context, archive jid.JID, a *account) {
	s.mu.Lock()
	a.appended++
	due := a.appended > purgeEvery
	if due {
		a.appended = 0
	}
	s.mu.Unlock()
	if !due {
		return
	}
	_, err := s.Store.Purge(ctx, archive, s.oldest(), cmp.Or(s.MaxMessages, DefaultMaxMessages))
	if err != nil && s.Log != nil {
		s.Log.Error("archive: purge", "archive", archive, "err", err)
	}
}

// oldest returns since when messages are kept; zero for no bound.
func (s *Server) oldest() time.Time {
	if s.MaxAge <= 0 {
		return time.Time{}
	}
	return time.Now().Add(-s.MaxAge)
}

// Sweep removes what is beyond MaxAge and MaxMessages from all archives, and
// returns how many messages that were. Archives that are written to do not need it.
func (s *Server) Sweep(ctx context.Context) (removed int, err error) {
	removed, err = s.Store.Purge(ctx, jid.JID{}, s.oldest(), cmp.Or(s.MaxMessages, DefaultMaxMessages))
	return removed, wrap(err)
}
