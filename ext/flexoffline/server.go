package flexoffline

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/delay"
	"github.com/etherx-go/xmpp/ext/disco"
	"github.com/etherx-go/xmpp/ext/form"
	"github.com/etherx-go/xmpp/internal/pace"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/offline"
	"github.com/etherx-go/xmpp/stanza"
)

// DefaultMaxItems is how many messages a request may name if Server.MaxItems is 0.
const DefaultMaxItems = 1000

// Server is the Extension that lets accounts of a server look at what is stored for
// them. Only the account itself may: others get forbidden. Methods are safe for
// concurrent use, after Attach; fields must not be changed then.
//
// Who hands out stored messages when a client sends its first presence has to ask
// [Server.Holds] before, and to say when a session is over by
// [Server.SessionEnded].
type Server struct {
	// Store is the one that the server keeps messages in. The server of this project
	// sets it, if it is nil; otherwise it must be set.
	Store offline.Store
	// Disco answers about the node. It must be set, and be attached to the same
	// server.
	Disco *disco.Extension
	// MaxItems bounds how many messages one request may name. Default 1000, -1 =
	// no limit. How many headers are sent is for Disco.MaxItems to say.
	MaxItems int

	mu       sync.Mutex
	sessions map[jid.JID]map[string]bool // by account, the resources that choose for themselves
}

// Attach adds the handlers, and the node to Disco.
func (s *Server) Attach(h xmpp.Host) error {
	switch {
	case !h.IsServer():
		return errors.New("flexoffline: Server is for servers")
	case s.Store == nil || s.Disco == nil:
		return errors.New("flexoffline: Server.Store or Server.Disco is not set")
	}
	xmpp.HandleIQ(h.Mux(), stanza.TypeGet, s.get)
	xmpp.HandleIQ(h.Mux(), stanza.TypeSet, s.set)
	s.Disco.AddNodes(func(q disco.Query) (disco.Node, bool) {
		if q.Node != NS || q.To.Local() == "" {
			return disco.Node{}, false
		}
		return disco.Node{Info: s.info, Items: s.items}, true
	})
	return nil
}

// Features returns [NS], for domains.
func (s *Server) Features(at jid.JID) []string {
	if at.IsDomain() {
		return []string{NS}
	}
	return nil
}

// Holds reports whether the account has a session that chooses for itself what it
// takes: then no session is sent what is stored, "the server MUST NOT flood the
// second resource" either (XEP-0013, section 2.2).
func (s *Server) Holds(account jid.JID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sessions[account.Bare()]) > 0
}

// SessionEnded says that a session is over.
func (s *Server) SessionEnded(session jid.JID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	of := s.sessions[session.Bare()]
	delete(of, session.Resource())
	if len(of) == 0 {
		delete(s.sessions, session.Bare())
	}
}

// hold notes a session that chooses for itself.
func (s *Server) hold(session jid.JID) {
	session = session.Clone()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sessions == nil {
		s.sessions = make(map[jid.JID]map[string]bool)
	}
	of := s.sessions[session.Bare()]
	if of == nil {
		of = make(map[string]bool)
		s.sessions[session.Bare()] = of
	}
	of[session.Resource()] = true
}

// check refuses all but the account itself.
func check(from, to jid.JID) error {
	if !to.IsZero() && to != from.Bare() || from.Local() == "" {
		return stanza.NewError(stanza.Forbidden, "these messages are not yours")
	}
	return nil
}

// info answers how many messages there are.
func (s *Server) info(ctx context.Context, q disco.Query) (disco.Info, error) {
	if err := check(q.From, q.To); err != nil {
		return disco.Info{}, err
	}
	s.hold(q.From)
	n, err := s.Store.Count(ctx, q.To)
	if err != nil {
		return disco.Info{}, fmt.Errorf("flexoffline: %w", err)
	}
	return disco.Info{
		Identities: []disco.Identity{{Category: "automation", Type: "message-list"}},
		Features:   []string{NS},
		Forms:      []form.Data{form.New(form.Result, NS, form.Field{Var: fieldCount, Values: []string{strconv.Itoa(n)}})},
	}, nil
}

// items answers with the headers.
func (s *Server) items(ctx context.Context, q disco.Query) (items []disco.Item, err error) {
	if err := check(q.From, q.To); err != nil {
		return nil, err
	}
	s.hold(q.From)
	for m, err := range s.Store.Messages(ctx, q.To) {
		if err != nil {
			return nil, fmt.Errorf("flexoffline: %w", err)
		}
		items = append(items, disco.Item{JID: q.To, Node: nodeOf(m.ID), Name: m.Stanza.From.String()})
	}
	return items, nil
}

// nodeOf returns the node of a message. Nodes are in the order of ids also if they
// are compared "character-by-character".
func nodeOf(id int64) string { return fmt.Sprintf("%019d", id) }

// idOf returns the id of the message with that node.
func idOf(node string) (int64, bool) {
	id, err := strconv.ParseInt(node, 10, 64)
	return id, err == nil && nodeOf(id) == node
}

// get sends messages: those that are named, or all.
func (s *Server) get(ctx context.Context, r xmpp.Request[Offline]) (any, error) {
	ids, err := s.ids(r, ActionView)
	if err != nil {
		return nil, err
	}
	switch o := &r.Payload; {
	case o.Purge, o.Fetch == (len(ids) > 0):
		return nil, stanza.NewError(stanza.BadRequest, "a get views messages, or fetches all")
	case o.Fetch:
		s.hold(r.From)
		return nil, s.send(ctx, r, nil)
	}
	if err := s.exist(ctx, r.From.Bare(), ids); err != nil {
		return nil, err
	}
	return nil, s.send(ctx, r, ids)
}

// set removes messages: those that are named, or all.
func (s *Server) set(ctx context.Context, r xmpp.Request[Offline]) (any, error) {
	ids, err := s.ids(r, ActionRemove)
	if err != nil {
		return nil, err
	}
	account := r.From.Bare()
	switch o := &r.Payload; {
	case o.Fetch, o.Purge == (len(ids) > 0):
		return nil, stanza.NewError(stanza.BadRequest, "a set removes messages, or purges all")
	case o.Purge:
		ids = make(map[int64]bool)
		for m, err := range s.Store.Messages(ctx, account) {
			if err != nil {
				return nil, fmt.Errorf("flexoffline: %w", err)
			}
			ids[m.ID] = true
		}
	default:
		if err := s.exist(ctx, account, ids); err != nil {
			return nil, err
		}
	}
	var all []int64
	for id := range ids {
		all = append(all, id)
	}
	if err := s.Store.Delete(ctx, account, all...); err != nil {
		return nil, fmt.Errorf("flexoffline: %w", err)
	}
	return nil, nil
}

// ids returns the ids of the messages that a request names, all for that action.
func (s *Server) ids(r xmpp.Request[Offline], a Action) (map[int64]bool, error) {
	if err := check(r.From, r.To); err != nil {
		return nil, err
	}
	limit := s.MaxItems
	if limit == 0 {
		limit = DefaultMaxItems
	}
	if limit > 0 && len(r.Payload.Items) > limit {
		return nil, stanza.NewError(stanza.NotAcceptable, fmt.Sprintf("a request may name %d messages", limit))
	}
	ids := make(map[int64]bool)
	for _, it := range r.Payload.Items {
		if it.Action != a {
			return nil, stanza.NewError(stanza.BadRequest, "to view is a get, to remove a set")
		}
		id, ok := idOf(it.Node)
		if !ok {
			return nil, stanza.ItemNotFound
		}
		ids[id] = true
	}
	return ids, nil
}

// exist reports item-not-found if one of the messages is not there.
func (s *Server) exist(ctx context.Context, account jid.JID, ids map[int64]bool) error {
	n := 0
	for m, err := range s.Store.Messages(ctx, account) {
		if err != nil {
			return fmt.Errorf("flexoffline: %w", err)
		}
		if ids[m.ID] {
			if n++; n == len(ids) {
				return nil
			}
		}
	}
	return stanza.ItemNotFound
}

// send sends messages to who asks; nil stands for all.
func (s *Server) send(ctx context.Context, r xmpp.Request[Offline], ids map[int64]bool) error {
	for m, err := range s.Store.Messages(ctx, r.From.Bare()) {
		if err != nil {
			return fmt.Errorf("flexoffline: %w", err)
		}
		if ids != nil && !ids[m.ID] {
			continue
		}
		st := m.Stanza.Without(func(e stanza.Element) bool { return e.Is(NS, "offline") }) // of who has sent it
		st, err := delay.Stamp(st, delay.Delay{From: r.From.DomainJID(), Stamp: m.At, Reason: "Offline Storage"}, true)
		if err == nil {
			st, err = st.Adding(Offline{Items: []Item{{Node: nodeOf(m.ID)}}})
		}
		if err != nil {
			return fmt.Errorf("flexoffline: message %d: %w", m.ID, err)
		}
		h := st.Header
		h.To = r.From
		if err := pace.Send(ctx, r.Sender, st.With(h)); err != nil {
			return err
		}
	}
	return nil
}
