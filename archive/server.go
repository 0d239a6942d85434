package archive

import (
	"context"
	"crypto/rand"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/stanzaid"
	"github.com/etherx-go/xmpp/internal/lru"
	"github.com/etherx-go/xmpp/internal/pace"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// The defaults of a [Server].
const (
	DefaultPageSize       = 50
	DefaultMaxPage        = 250
	DefaultMaxPageBytes   = 1 << 20
	DefaultMaxIDs         = 250
	DefaultMaxPreferences = 1000
	DefaultMaxMessages    = 100_000
	DefaultMaxAccounts    = 10_000
)

// Server is the Extension that keeps the archives of a server's accounts, and
// answers for them: to the account itself, and to nobody else. Its methods are
// safe for concurrent use, after Attach; fields must not be changed then.
//
// That messages are archived, and that what others write in the name of an
// account's archive is taken away, is up to the server's routing, which has to
// call [Server.Outgoing], [Server.Incoming] or [Server.Local] for every message.
type Server struct {
	// Store keeps the archives. It must be set. What a Server caches of the
	// preferences is true as long as nobody else changes them there.
	Store Store
	// Access, if not nil, says who may read which archive, in place of the rule
	// that an account reads its own. Its error is the answer; forbidden is what
	// XEP-0313, section 8.1, wants.
	Access func(ctx context.Context, from, archive jid.JID) error
	// InRoster, if not nil, says whether an account has a contact in its roster.
	// Without it the policy [Roster] cannot be chosen: who wants it gets [Always].
	InRoster func(ctx context.Context, account, contact jid.JID) (bool, error)
	// Default is the policy of accounts that have chosen none; [Always] if it is
	// "".
	Default Policy

	// PageSize is how many messages are sent in answer to a query that does not
	// say how many, MaxPage how many at the most. Defaults 50 and 250; MaxPage -1
	// = no limit.
	PageSize, MaxPage int
	// MaxPageBytes is after how many bytes of messages a page ends, so that it
	// fits into the outbox of a stream. Default 1 MiB, -1 = no limit. A page has
	// always one message at least.
	MaxPageBytes int
	// MaxIDs bounds the ids in one query. Default 250, -1 = no limit.
	MaxIDs int
	// MaxPreferences bounds the addresses that an account may list. Default 1000,
	// -1 = no limit.
	MaxPreferences int
	// MaxMessages bounds an archive: the oldest messages go, about a hundred at a
	// time, which may be there beyond the bound for a while. Default 100000, -1 =
	// no limit.
	MaxMessages int
	// MaxAge is how long messages are kept; 0 and -1 = as long as MaxMessages
	// allows. They are removed when something is archived for the account, or by
	// [Server.Sweep].
	MaxAge time.Duration
	// MaxAccounts bounds for how many accounts preferences are cached, and for how
	// many sessions it is known what they have read. Default 10000, -1 = no limit.
	MaxAccounts int
	// Log, if not nil, is told when old messages could not be removed.
	Log *slog.Logger

	users xmpp.Users

	mu       sync.Mutex
	accounts lru.Map[jid.JID, *account]
	changes  int // of preferences, so that none that were read before one are cached
	sessions lru.Map[jid.JID, *seen]
}

// account is what is known of one without asking the store.
type account struct {
	prefs    Preferences
	appended int // messages, since the archive was purged
}

// Attach adds the handlers to a server.
func (s *Server) Attach(h xmpp.Host) error {
	users, ok := h.(xmpp.Users)
	switch {
	case !ok:
		return errors.New("archive: Server is for servers")
	case s.Store == nil:
		return errors.New("archive: Server.Store is not set")
	}
	s.users = users
	for _, space := range []string{NS, NS1, NS0} {
		s.handle(h.Mux(), space)
	}
	xmpp.HandleIQ(h.Mux(), stanza.TypeGet, func(ctx context.Context, r xmpp.Request[Metadata]) (any, error) {
		archive, err := s.open(ctx, r.Stanza)
		if err != nil {
			return nil, err
		}
		m, err := s.Store.Metadata(ctx, archive)
		return m, wrap(err)
	})
	return nil
}

// handle adds the handlers of a namespace.
func (s *Server) handle(m *xmpp.Mux, space string) {
	add := func(t stanza.Type, local string, fn func(context.Context, xmpp.Sender, *stanza.Stanza) (any, error)) {
		p := xmpp.Pattern{Kind: stanza.KindIQ, Types: []stanza.Type{t}, Payload: xml.Name{Space: space, Local: local}}
		m.Handle(p, xmpp.HandlerFunc(func(ctx context.Context, snd xmpp.Sender, st *stanza.Stanza) error {
			payload, err := fn(ctx, snd, st)
			if err != nil || payload == replied {
				return err
			}
			reply, err := st.Reply(payload)
			if err != nil {
				return fmt.Errorf("archive: reply: %w", err)
			}
			return snd.Send(ctx, reply)
		}))
	}
	add(stanza.TypeGet, "query", s.fields)
	add(stanza.TypeSet, "query", s.query)
	add(stanza.TypeGet, "prefs", s.getPreferences)
	add(stanza.TypeSet, "prefs", s.setPreferences)
}

// replied is returned by a handler that has sent the reply itself.
var replied any = new(byte)

// Features returns the features of an account's archive. The addresses of domains
// have none.
func (s *Server) Features(at jid.JID) []string {
	if at.Local() == "" {
		return nil
	}
	return []string{stanzaid.NS, NS, NSExtended, NSGroupChatField}
}

// RemoveAccount forgets the archive of the account, and its preferences.
func (s *Server) RemoveAccount(ctx context.Context, account jid.JID) error {
	err := s.Store.RemoveAccount(ctx, account)
	s.forget(account)
	return wrap(err)
}

// open returns the archive that a request is about, if who asks may read it.
func (s *Server) open(ctx context.Context, st *stanza.Stanza) (archive jid.JID, err error) {
	archive = st.To
	if archive.IsZero() {
		archive = st.From.Bare()
	}
	switch {
	case s.Access != nil:
		return archive, s.Access(ctx, st.From, archive)
	case archive.IsDomain():
		return archive, stanza.ServiceUnavailable // a domain has no archive
	case archive != st.From.Bare():
		return archive, stanza.NewError(stanza.Forbidden, "this archive is not yours")
	}
	return archive, nil
}

// query sends a page of messages.
func (s *Server) query(ctx context.Context, snd xmpp.Sender, st *stanza.Stanza) (any, error) {
	archive, err := s.open(ctx, st)
	if err != nil {
		return nil, err
	}
	var q Query
	if err := st.Payload().Decode(&q); err != nil {
		return nil, err
	}
	page, fin, err := s.Page(ctx, archive, q)
	if err != nil {
		return nil, err
	}
	if q.Space == NS0 { // the iq answers first
		reply, err := st.Reply()
		if err != nil {
			return nil, err
		}
		if err := snd.Send(ctx, reply); err != nil {
			return nil, err
		}
	}
	if err := s.send(ctx, snd, st.From, archive, q, page); err != nil {
		return nil, err
	}
	if archive == st.From.Bare() {
		s.sent(st.From, q, page)
	}
	if q.Space != NS0 {
		return fin, nil
	}
	fin.QueryID = q.ID
	end, err := stanza.New(stanza.Header{Kind: stanza.KindMessage, To: st.From, From: archive}, fin)
	if err != nil {
		return nil, err
	}
	return replied, pace.Send(ctx, snd, end)
}

// send sends the messages of a page, as fast as the recipient takes them.
func (s *Server) send(ctx context.Context, snd xmpp.Sender, to, archive jid.JID, q Query, page Page) error {
	h := stanza.Header{Kind: stanza.KindMessage, To: to, From: archive}
	for i := range page.Messages {
		if q.Flip {
			i = len(page.Messages) - 1 - i
		}
		h.ID = rand.Text()
		st, err := stanza.New(h, Result{Space: q.Space, QueryID: q.ID, Message: page.Messages[i]})
		if err != nil {
			return fmt.Errorf("archive: message %s: %w", page.Messages[i].ID, err)
		}
		if err := pace.Send(ctx, snd, st); err != nil {
			return err
		}
	}
	return nil
}

// wrap says where an error of the store is from.
func wrap(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrNotFound):
		return stanza.NewError(stanza.ItemNotFound, "there is no message with this id")
	}
	return fmt.Errorf("archive: %w", err)
}

// forget drops what is cached of an account.
func (s *Server) forget(account jid.JID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changes++
	s.accounts.Delete(account)
}
