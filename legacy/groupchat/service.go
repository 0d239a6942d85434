package groupchat

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/disco"
	"github.com/etherx-go/xmpp/internal/describe"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/legacy/agents"
	"github.com/etherx-go/xmpp/stanza"
)

// Defaults of a [Service].
const (
	DefaultMaxRooms    = 1000
	DefaultMaxJoined   = 50
	DefaultMaxWatchers = 10_000
	DefaultMaxQueued   = 20_000
)

// Service is the Extension that makes a component, or a service in a server's
// process, a service of rooms. It needs a domain of its own. A room is there from
// when the first one joins it, until the last one leaves; nothing of it is kept.
//
// The Service answers service discovery and jabber:iq:agent itself. Questions to
// room@service/nick it passes on, to the participant; so whatever else it is to
// answer at its own addresses has to be in Extensions, and not attached beside it.
//
// Methods are safe for concurrent use, after Attach; fields must not be changed then.
type Service struct {
	// Rules are those of every room.
	Rules Rules
	// Name and Description say for people what the service is. The defaults are
	// in English.
	Name, Description string
	// Admit, if not nil, says whether somebody, by the real address, may join the
	// room at the address room@service/nick. The error refuses it: to who has to
	// register first that is stanza.RegistrationRequired, code 407.
	Admit func(ctx context.Context, user, at jid.JID) error
	// Register says that users can, or must, register with the service. What
	// answers jabber:iq:register then has to be in Extensions.
	Register bool
	// Public lists the rooms for who asks the service for its items.
	Public bool
	// Extensions are attached to the service, for what is asked at its address
	// and those of rooms.
	Extensions []xmpp.Extension

	// MaxRooms bounds how many rooms there are. Default 1000, -1 = no limit.
	MaxRooms int
	// MaxJoined bounds how many rooms one user is in, counted once for each
	// resource. Default 50, -1 = no limit.
	MaxJoined int
	// MaxWatchers bounds how many subscriptions to rooms are remembered: of more,
	// some are not told any more of a room that begins or ends, until their server
	// asks again. Default 10000, -1 = no limit.
	MaxWatchers int
	// MaxQueued bounds how many stanzas wait to be sent in one room. While there
	// are more, what is said there is refused with resource-constraint. Default
	// 20000, -1 = no limit.
	MaxQueued int
	// Log gets what could not be sent. nil: nothing is logged.
	Log *slog.Logger

	host   xmpp.Host
	domain jid.JID
	log    *slog.Logger
	own    xmpp.Mux         // of what is asked at the addresses of the service itself
	all    []xmpp.Extension // those that are attached to own
	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup // of halls that send

	mu       sync.Mutex
	halls    map[jid.JID]*hall
	joined   map[jid.JID]int // by user
	watchers watchers
	rate     throttle // of joins and of questions from outside of rooms
	closed   bool
}

// hall is a room and what it still has to send. It is there as long as there is
// either.
type hall struct {
	*Room
	queue   []*stanza.Stanza
	sending bool
}

// inner is the host of the extensions.
type inner struct {
	xmpp.Host
	s *Service
}

func (i inner) Mux() *xmpp.Mux { return &i.s.own }

func (i inner) Features(at jid.JID) []string {
	return describe.Features(i.Host.Features(at), i.s.all, at)
}

// Attach adds the handlers. The host's address must be a mere domain.
func (s *Service) Attach(h xmpp.Host) error {
	if h.IsServer() || !h.LocalAddr().IsDomain() {
		return errors.New("groupchat: a Service needs a domain of its own")
	}
	if s.host != nil {
		return errors.New("groupchat: the Service is attached already")
	}
	s.host, s.domain, s.halls, s.joined = h, h.LocalAddr(), make(map[jid.JID]*hall), make(map[jid.JID]int)
	s.watchers.max = orDefault(s.MaxWatchers, DefaultMaxWatchers)
	s.Rules = s.Rules.withDefaults()
	s.rate = newThrottle(s.Rules.Rate, s.Rules.Burst)
	if s.log = s.Log; s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	if err := s.attachInner(h); err != nil {
		return err
	}
	kinds := map[stanza.Kind][]stanza.Type{
		stanza.KindPresence: {stanza.TypeAvailable, stanza.TypeUnavailable, stanza.TypeError, stanza.TypeProbe,
			stanza.TypeSubscribe, stanza.TypeSubscribed, stanza.TypeUnsubscribe, stanza.TypeUnsubscribed},
		stanza.KindMessage: {stanza.TypeNormal, stanza.TypeChat, stanza.TypeGroupChat, stanza.TypeHeadline,
			stanza.TypeError},
		stanza.KindIQ: {stanza.TypeGet, stanza.TypeSet, stanza.TypeResult, stanza.TypeError},
	}
	for kind, types := range kinds {
		h.Mux().Handle(xmpp.Pattern{Kind: kind, Types: types}, xmpp.HandlerFunc(s.take))
	}
	return nil
}

// attachInner attaches what answers at the addresses of the service itself.
func (s *Service) attachInner(h xmpp.Host) error {
	host := inner{h, s}
	self := s.Agent()
	id, _ := self.Identity()
	d := &disco.Extension{Identities: []disco.Identity{id}, Items: s.items}
	s.all = append(slices.Clone(s.Extensions), d, &agents.Extension{Self: self}, &features{s})
	for _, e := range s.all {
		if err := e.Attach(host); err != nil {
			return err
		}
	}
	return nil
}

// features says what the service and its rooms can do.
type features struct{ s *Service }

func (features) Attach(xmpp.Host) error { return nil }

// Features is for the service and its rooms, not for participants.
func (f features) Features(at jid.JID) []string { return f.s.Features(at) }

// Features returns [Feature] for the service and its rooms.
func (s *Service) Features(at jid.JID) []string {
	if at.IsFull() {
		return nil
	}
	return []string{Feature}
}

// Agent returns what the service says of itself to clients that ask by
// jabber:iq:agent. It is for the list of a server, agents.Extension.
func (s *Service) Agent() agents.Agent {
	return agents.Agent{
		JID:         s.domain,
		Name:        cmp.Or(s.Name, "Conference Server"),
		Description: cmp.Or(s.Description, "You can create and participate in private group conferences."),
		Service:     agents.ServiceConference,
		GroupChat:   true,
		Register:    s.Register,
	}
}

// items returns the rooms of the service if they are public, and who is in a room for
// those who are in it.
func (s *Service) items(_ context.Context, q disco.Query) (items []disco.Item, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if h := s.halls[q.To]; h != nil && h.Has(q.From) {
		for _, o := range h.order {
			items = append(items, disco.Item{JID: o.addr})
		}
	}
	if !q.To.IsDomain() || !s.Public {
		return items, nil
	}
	for at, h := range s.halls {
		if h.Len() > 0 {
			items = append(items, disco.Item{JID: at, Name: at.Local()})
		}
	}
	slices.SortFunc(items, func(a, b disco.Item) int { return a.JID.Compare(b.JID) })
	return items, nil
}

// Rooms returns the addresses of all rooms and how many are in each.
func (s *Service) Rooms() map[jid.JID]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make(map[jid.JID]int)
	for at, h := range s.halls {
		if h.Len() > 0 {
			all[at] = h.Len()
		}
	}
	return all
}

// Occupants returns who is in a room, in the order of their coming, with their real
// addresses.
func (s *Service) Occupants(room jid.JID) []Occupant {
	s.mu.Lock()
	defer s.mu.Unlock()
	if h := s.halls[room.Bare()]; h != nil {
		return h.Room.Occupants()
	}
	return nil
}

// Remove takes the user with that real address out of a room, and tells everybody
// there why, if reason is not empty. It reports whether the user was there.
func (s *Service) Remove(room, user jid.JID, reason string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.halls[room.Bare()]
	if h == nil || !h.Has(user) {
		return false
	}
	s.change(h, user, func() []*stanza.Stanza { return h.Room.Remove(user, reason) })
	return true
}

// Close ends all rooms, tells everybody in them, with a text if status is not empty,
// and waits until that is sent. When ctx ends what has not been sent is dropped. What
// comes then is refused.
func (s *Service) Close(ctx context.Context, status string) error {
	s.mu.Lock()
	s.closed = true
	for _, h := range s.halls {
		if h.Len() > 0 {
			h.queue = s.watchers.tell(append(h.queue, h.Room.Close(status)...), h.Addr(), false)
			s.start(h)
		}
	}
	clear(s.joined)
	s.mu.Unlock()
	stop := context.AfterFunc(ctx, s.cancel)
	defer stop()
	s.work.Wait()
	defer s.cancel()
	return s.ctx.Err()
}

// take takes what comes for the service, a room, or somebody in one.
func (s *Service) take(ctx context.Context, snd xmpp.Sender, st *stanza.Stanza) error {
	switch {
	case st.Kind == stanza.KindIQ && !st.To.IsFull():
		return s.ask(ctx, snd, st)
	case st.To.Local() == "":
		return s.toService(ctx, st)
	case st.Kind == stanza.KindPresence && isAboutRoom(st.Type):
		return s.subscription(ctx, st)
	}
	joins := st.Kind == stanza.KindPresence && st.Type == stanza.TypeAvailable && !s.isIn(st)
	if joins && s.Admit != nil && st.To.IsFull() {
		if err := s.Admit(ctx, st.From, st.To); err != nil {
			return s.refuse(ctx, st, err)
		}
	}
	if err := s.handle(st, joins); err != nil {
		return s.refuse(ctx, st, err)
	}
	return nil
}

// ask answers a question about the service itself or a room.
func (s *Service) ask(ctx context.Context, snd xmpp.Sender, st *stanza.Stanza) error {
	if !st.Type.IsRequest() {
		return nil
	}
	if st.To.Local() != "" {
		s.mu.Lock()
		h := s.halls[st.To]
		there := h != nil && h.Len() > 0
		s.mu.Unlock()
		if !there {
			return s.refuse(ctx, st, noRoom())
		}
	}
	return s.own.HandleXMPP(ctx, snd, st)
}

// toService takes what is neither a question nor for a room.
func (s *Service) toService(ctx context.Context, st *stanza.Stanza) error {
	switch {
	case st.Kind != stanza.KindPresence:
		return s.refuse(ctx, st, stanza.ServiceUnavailable)
	case isAboutRoom(st.Type):
		return s.subscription(ctx, st)
	}
	return nil // presence of somebody who is not in a room with it
}

// refuse answers with an error what may be answered with one.
func (s *Service) refuse(ctx context.Context, st *stanza.Stanza, err error) error {
	if st.Type == stanza.TypeError || st.Kind == stanza.KindIQ && !st.Type.IsRequest() ||
		st.Kind == stanza.KindPresence && st.Type != stanza.TypeAvailable && st.Type != stanza.TypeSubscribe {
		return nil
	}
	return s.host.Send(ctx, st.ErrorReply(err))
}

func noRoom() error { return stanza.NewError(stanza.ItemNotFound, "There is no such room.") }

// isIn reports whether the sender of a stanza is in the room that it is for.
func (s *Service) isIn(st *stanza.Stanza) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.halls[st.To.Bare()]
	return h != nil && h.Has(st.From)
}

// handle has the room take a stanza. The error is for its sender.
func (s *Service) handle(st *stanza.Stanza, joins bool) error {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.halls[st.To.Bare()]
	if joins {
		if err := s.mayJoin(h, st, now); err != nil {
			return err
		}
		if h == nil {
			h = &hall{Room: NewRoom(st.To, s.Rules)}
			s.halls[h.Addr()] = h
		}
	}
	switch {
	case s.closed:
		return stanza.ServiceUnavailable
	case h == nil:
		return noRoom()
	case !joins && st.Kind == stanza.KindPresence && st.Type == stanza.TypeAvailable && !h.Has(st.From):
		return stanza.NewError(stanza.NotAcceptable, notInRoom) // has been taken out just now
	case s.isBusy(h) && isTalk(st):
		return errTooMuch("There is too much going on in the room.")
	}
	s.change(h, st.From, func() []*stanza.Stanza { return h.Handle(st, now) })
	return nil
}

// isBusy reports whether as much waits to be sent in the room as may.
func (s *Service) isBusy(h *hall) bool {
	return !within(len(h.queue), orDefault(s.MaxQueued, DefaultMaxQueued))
}

// isTalk reports whether a stanza makes others without need: one that says that
// somebody goes is always taken.
func isTalk(st *stanza.Stanza) bool {
	return st.Type != stanza.TypeError && (st.Kind != stanza.KindPresence || st.Type == stanza.TypeAvailable)
}

// mayJoin checks the bounds of the service.
func (s *Service) mayJoin(h *hall, st *stanza.Stanza, now time.Time) error {
	switch {
	case s.closed:
		return stanza.ServiceUnavailable
	case !s.rate.spend(st.From, now):
		return errTooMuch("You join too often.")
	case !within(s.joined[st.From.Bare()], orDefault(s.MaxJoined, DefaultMaxJoined)):
		return errTooMuch("You are in too many rooms.")
	case h == nil && !within(len(s.halls), orDefault(s.MaxRooms, DefaultMaxRooms)):
		return errTooMuch("There are too many rooms.")
	}
	return nil
}

// change has something happen in a room, that may make user or others come or go.
// Under the lock.
func (s *Service) change(h *hall, user jid.JID, do func() []*stanza.Stanza) {
	before, was := h.Len(), h.Has(user)
	h.queue = append(h.queue, do()...)
	switch is := h.Has(user); {
	case is && !was:
		s.joined[user.Bare().Clone()]++
	case was && !is:
		if s.joined[user.Bare()]--; s.joined[user.Bare()] <= 0 {
			delete(s.joined, user.Bare())
		}
	}
	if (before == 0) != (h.Len() == 0) {
		h.queue = s.watchers.tell(h.queue, h.Addr(), h.Len() > 0)
	}
	s.start(h)
}

// start sees to it that what waits is sent, and that a room that is over is
// forgotten. Under the lock.
func (s *Service) start(h *hall) {
	switch {
	case h.sending:
	case len(h.queue) > 0:
		h.sending = true
		s.work.Go(func() { s.send(h) })
	case h.Len() == 0:
		delete(s.halls, h.Addr())
	}
}

// send sends what waits in a room, in order. It runs in a goroutine of its own, for
// one recipient may take its time.
func (s *Service) send(h *hall) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(h.queue) > 0 {
		batch := h.queue
		h.queue = nil
		s.mu.Unlock()
		for _, st := range batch {
			if err := s.host.Send(s.ctx, st); err != nil {
				s.log.Error("groupchat", "room", h.Addr(), "to", st.To, "err", err)
			}
		}
		s.mu.Lock()
	}
	h.sending = false
	s.start(h)
}
