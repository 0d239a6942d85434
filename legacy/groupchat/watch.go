package groupchat

import (
	"context"
	"time"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// watchers are the users who have subscribed to rooms: "Groups can be subscribed to
// and exist in the user's roster" (Jabber Programmers Guide, chapter 6). They need
// not be stored, for who has a subscription, or rather the user's server, asks for the
// presence with every log-in.
type watchers struct {
	max  int
	n    int
	room map[jid.JID]map[jid.JID]struct{}
}

// add adds a user, in place of some other if there are too many.
func (w *watchers) add(room, user jid.JID) {
	if _, ok := w.room[room][user]; ok || w.max == 0 {
		return
	}
	for w.max > 0 && w.n >= w.max {
		w.removeAny()
	}
	if w.room == nil {
		w.room = make(map[jid.JID]map[jid.JID]struct{})
	}
	if w.room[room] == nil {
		w.room[room.Clone()] = make(map[jid.JID]struct{})
	}
	w.room[room][user.Clone()] = struct{}{}
	w.n++
}

func (w *watchers) removeAny() {
	for room, users := range w.room {
		for u := range users {
			w.remove(room, u)
			return
		}
	}
}

func (w *watchers) remove(room, user jid.JID) {
	if _, ok := w.room[room][user]; !ok {
		return
	}
	w.n--
	delete(w.room[room], user)
	if len(w.room[room]) == 0 {
		delete(w.room, room)
	}
}

// tell adds to what is sent that a room has begun, or is over.
func (w *watchers) tell(out []*stanza.Stanza, room jid.JID, available bool) []*stanza.Stanza {
	for user := range w.room[room] {
		st, _ := presenceOf(room, user, available).Stanza() // has no payload that could fail
		out = append(out, st)
	}
	return out
}

// isAboutRoom reports whether a presence is for the room, or the service, whether its
// sender is in the room or not.
func isAboutRoom(t stanza.Type) bool {
	switch t {
	case stanza.TypeSubscribe, stanza.TypeSubscribed, stanza.TypeUnsubscribe, stanza.TypeUnsubscribed, stanza.TypeProbe:
		return true
	}
	return false
}

// subscription answers what is about a subscription to a room, by its bare address or
// as room@service/nick, and probes. Every subscription is granted, for whether there
// is a room anybody can find out; the presence is that of the room, from its bare
// address, so that nobody takes it for a participant.
func (s *Service) subscription(ctx context.Context, st *stanza.Stanza) error {
	room, user := st.To.Bare(), st.From.Bare()
	s.mu.Lock()
	h := s.halls[room]
	if st.Type == stanza.TypeProbe && h != nil && h.Has(st.From) {
		defer s.mu.Unlock()
		s.change(h, st.From, func() []*stanza.Stanza { return h.Handle(st, time.Now()) })
		return nil
	}
	answers, available := st.Type != stanza.TypeSubscribed && st.Type != stanza.TypeUnsubscribed, false
	if answers = answers && s.rate.spend(user, time.Now()); answers {
		available = room.IsDomain() || h != nil && h.Len() > 0
		switch {
		case st.Type == stanza.TypeUnsubscribe:
			s.watchers.remove(room, user)
		case !room.IsDomain():
			s.watchers.add(room, user)
		}
	}
	s.mu.Unlock()
	if !answers {
		return nil
	}
	return s.answerSubscription(ctx, st, available)
}

// answerSubscription sends the answer.
func (s *Service) answerSubscription(ctx context.Context, st *stanza.Stanza, available bool) error {
	room := st.To.Bare()
	answer := &stanza.Presence{From: st.To, To: st.From.Bare(), ID: st.ID, Type: stanza.TypeSubscribed}
	presence := presenceOf(room, st.From, available && st.Type != stanza.TypeUnsubscribe)
	switch st.Type {
	case stanza.TypeProbe:
		return s.sendPresence(ctx, presence)
	case stanza.TypeUnsubscribe:
		answer.Type = stanza.TypeUnsubscribed
	}
	if err := s.sendPresence(ctx, answer); err != nil {
		return err
	}
	return s.sendPresence(ctx, presence)
}

func (s *Service) sendPresence(ctx context.Context, p *stanza.Presence) error {
	st, err := p.Stanza()
	if err != nil {
		return err
	}
	return s.host.Send(ctx, st)
}
