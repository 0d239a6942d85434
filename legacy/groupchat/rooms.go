package groupchat

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// Defaults of [Rooms].
const (
	DefaultMaxOwnRooms     = 100
	DefaultMaxParticipants = 5000
)

// Rooms is the Extension of a client that keeps the list of the rooms that it is in,
// and of who is in them; it knows rooms of both kinds. Methods are safe for concurrent
// use, after Attach; fields must not be changed then.
type Rooms struct {
	// OnEvent, if not nil, is called for everything that happens: for each room in
	// order, for different ones concurrently. It must not wait for something of the
	// same room, as Join does; Enter does not wait.
	OnEvent func(ctx context.Context, e Event)
	// Rejoin joins the rooms again when there is a new session. What was sent in
	// them meanwhile is lost.
	Rejoin bool
	// MaxRooms bounds in how many rooms the client is. Default 100, -1 = no limit.
	MaxRooms int
	// MaxParticipants bounds how many participants of a room are known; those that
	// come when there are as many are not listed. Default 5000, -1 = no limit.
	MaxParticipants int

	host xmpp.Host

	mu    sync.Mutex
	rooms map[jid.JID]*membership
	again []jid.JID // what to join in the next session
}

// membership is a room that the client is in, or wants to be in.
type membership struct {
	room jid.JID
	in   bool
	nick string // one's own, "" while a change of it is under way
	want string // the nick that was asked for, "" for none
	last string // the nick before, while nick is ""

	leaving bool // one has asked to go
	// skip: what confirms that one has left, before one came anew, is still to come.
	skip bool

	people map[string]*stanza.Presence
	done   chan struct{} // closed when it is clear whether one is let in
	err    error         // why not
}

// Attach adds the handlers. The host must be a client.
func (r *Rooms) Attach(h xmpp.Host) error {
	if h.IsServer() {
		return errors.New("groupchat: Rooms are for a client")
	}
	r.host, r.rooms = h, make(map[jid.JID]*membership)
	for kind, types := range map[stanza.Kind][]stanza.Type{
		stanza.KindPresence: {stanza.TypeAvailable, stanza.TypeUnavailable, stanza.TypeError},
		stanza.KindMessage: {stanza.TypeNormal, stanza.TypeChat, stanza.TypeGroupChat, stanza.TypeHeadline,
			stanza.TypeError},
	} {
		h.Mux().Handle(xmpp.Pattern{Kind: kind, Types: types}, xmpp.HandlerFunc(r.take))
	}
	return nil
}

// Features returns the feature of those who understand direct invitations (XEP-0249,
// section 3).
func (r *Rooms) Features(jid.JID) []string { return []string{nsConference} }

// Enter asks to be let into a room, at the address room@service/nick, and does not
// wait: EventJoined or EventLeft tell what has become of it. In a room that one is
// in already it changes the nick.
func (r *Rooms) Enter(ctx context.Context, at jid.JID) error {
	_, err := r.enter(ctx, r.host, at)
	return err
}

// Join is Enter, and waits until one is in the room. What the room has against it is
// a *stanza.Error: stanza.Conflict if somebody else has the nick,
// stanza.RegistrationRequired if one has to register with the service first. If ctx
// ends before, the room is left.
func (r *Rooms) Join(ctx context.Context, at jid.JID) error {
	m, err := r.enter(ctx, r.host, at)
	if err != nil {
		return err
	}
	select {
	case <-m.done:
		return m.err
	case <-ctx.Done():
	}
	r.mu.Lock()
	undecided := r.rooms[m.room] == m && !m.in
	if undecided {
		r.drop(m, ctx.Err())
	}
	r.mu.Unlock()
	if undecided {
		// The room may let one in after all.
		return errors.Join(ctx.Err(), Leave(context.WithoutCancel(ctx), r.host, at, ""))
	}
	return ctx.Err()
}

func (r *Rooms) enter(ctx context.Context, s xmpp.Sender, at jid.JID) (*membership, error) {
	if err := isNick(at); err != nil {
		return nil, err
	}
	r.mu.Lock()
	m, skip := r.rooms[at.Bare()], false
	if m != nil && m.leaving {
		r.drop(m, xmpp.ErrClosed)
		m, skip = nil, true
	}
	switch {
	case m != nil:
		m.want = strings.Clone(at.Resource())
	case !within(len(r.rooms), orDefault(r.MaxRooms, DefaultMaxOwnRooms)):
		r.mu.Unlock()
		return nil, errTooMuch("The client is in too many rooms.")
	default:
		at = at.Clone()
		m = &membership{room: at.Bare(), want: at.Resource(), people: make(map[string]*stanza.Presence),
			done: make(chan struct{}), skip: skip}
		r.rooms[m.room] = m
	}
	in := m.in
	r.mu.Unlock()
	var err error
	if in {
		err = ChangeNick(ctx, s, at, at.Resource())
	} else {
		err = Join(ctx, s, at)
	}
	if err != nil {
		r.mu.Lock()
		if r.rooms[m.room] == m && !m.in {
			r.drop(m, err)
		}
		r.mu.Unlock()
	}
	return m, err
}

// Leave leaves a room. status says why, if it is not empty. EventLeft tells when the
// room has confirmed it.
func (r *Rooms) Leave(ctx context.Context, room jid.JID, status string) error {
	at, err := r.self(room)
	if err != nil {
		return err
	}
	r.mu.Lock()
	if m := r.rooms[at.Bare()]; m != nil {
		m.leaving = true
	}
	r.mu.Unlock()
	return Leave(ctx, r.host, at, status)
}

// ChangeNick asks for another nick. EventRenamed or EventRefused tell what has become
// of it.
func (r *Rooms) ChangeNick(ctx context.Context, room jid.JID, nick string) error {
	if _, err := r.self(room); err != nil {
		return err
	}
	at, err := room.Bare().WithResource(nick)
	if err != nil {
		return err
	}
	return r.Enter(ctx, at)
}

// Show tells a room how one is there.
func (r *Rooms) Show(ctx context.Context, room jid.JID, show stanza.Show, status string) error {
	at, err := r.self(room)
	if err != nil {
		return err
	}
	return Show(ctx, r.host, at, show, status)
}

// self returns one's own address in a room.
func (r *Rooms) self(room jid.JID) (jid.JID, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.rooms[room.Bare()]
	if m == nil {
		return jid.JID{}, ErrNotIn
	}
	return m.room.WithResource(cmp.Or(m.nick, m.last, m.want))
}

// List returns one's own address, room@service/nick, in each room that one is in.
func (r *Rooms) List() (all []jid.JID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.rooms {
		if !m.in {
			continue
		}
		if at, err := m.room.WithResource(cmp.Or(m.nick, m.last)); err == nil {
			all = append(all, at)
		}
	}
	slices.SortFunc(all, jid.JID.Compare)
	return all
}

// Participants returns who is in a room, oneself among them, in the order of their
// nicks; nil if one is not in it.
func (r *Rooms) Participants(room jid.JID) (all []Participant) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.rooms[room.Bare()]
	if m == nil || !m.in {
		return nil
	}
	for nick, p := range m.people {
		all = append(all, Participant{nick, p})
	}
	slices.SortFunc(all, func(a, b Participant) int { return strings.Compare(a.Nick, b.Nick) })
	return all
}

// drop forgets a room. Under the lock.
func (r *Rooms) drop(m *membership, err error) {
	delete(r.rooms, m.room)
	if !m.in {
		m.err = err
		close(m.done)
	}
	m.in = false
}

// SessionUp joins the rooms of the session before, if Rejoin is set.
func (r *Rooms) SessionUp(ctx context.Context, s xmpp.Sender) {
	r.mu.Lock()
	again := r.again
	r.again = nil
	r.mu.Unlock()
	for _, at := range again {
		if _, err := r.enter(ctx, s, at); err != nil {
			r.tell(ctx, Event{Kind: EventLeft, Room: at.Bare(), Nick: at.Resource(), Self: true, Err: err})
		}
	}
}

// SessionDown takes it that one is in no room any more.
func (r *Rooms) SessionDown(_ xmpp.Sender, reason error) {
	reason = cmp.Or(reason, xmpp.ErrSessionLost)
	rooms := r.List()
	r.mu.Lock()
	if r.Rejoin {
		r.again = rooms
	}
	for _, m := range r.rooms {
		r.drop(m, reason)
	}
	r.mu.Unlock()
	for _, at := range rooms {
		r.tell(context.Background(), Event{Kind: EventLeft, Room: at.Bare(), Nick: at.Resource(), Self: true, Err: reason})
	}
}

func (r *Rooms) tell(ctx context.Context, e Event) {
	if r.OnEvent != nil && e.Kind != 0 {
		r.OnEvent(ctx, e)
	}
}

// take takes what may be of a room.
func (r *Rooms) take(ctx context.Context, _ xmpp.Sender, st *stanza.Stanza) error {
	if st.From.Local() == "" && st.Kind == stanza.KindPresence {
		return nil
	}
	r.mu.Lock()
	m := r.rooms[st.From.Bare()]
	var e Event
	switch {
	case st.Kind == stanza.KindMessage:
		e = r.takeMessage(m, st)
	case m != nil:
		e = r.takePresence(m, st)
	}
	r.mu.Unlock()
	if e.Kind == 0 {
		return nil
	}
	switch e.Room, e.Nick = st.From.Bare(), st.From.Resource(); {
	case e.Invitation != nil:
		e.Room, e.Nick = e.Invitation.Room, ""
	case e.Kind == EventRenamed && st.Type == stanza.TypeUnavailable:
		e.Nick = readMarks(st).nick
	}
	r.tell(ctx, e)
	return nil
}

// takePresence keeps the list of a room. Under the lock.
func (r *Rooms) takePresence(m *membership, st *stanza.Stanza) (e Event) {
	nick := st.From.Resource()
	marks := readMarks(st)
	e.Presence = st.Presence()
	e.Self = nick != "" && nick == m.nick || marks.codes[statusSelf]
	switch {
	case st.Type == stanza.TypeError:
		r.refused(m, st, &e)
	case nick == "":
		// It is the room that is there, or not; see [Service].
	case st.Type == stanza.TypeUnavailable:
		r.gone(m, nick, marks, &e)
	case !m.in:
		m.put(strings.Clone(nick), st, r.MaxParticipants)
		if marks.codes[statusSelf] || nick == m.want {
			m.in, m.skip, m.nick, m.want = true, false, strings.Clone(nick), ""
			close(m.done)
			e.Kind, e.Self = EventJoined, true
		}
	default:
		r.here(m, nick, st, &e)
	}
	return e
}

// put keeps the presence of somebody, and reports whether there was one.
func (m *membership) put(nick string, st *stanza.Stanza, limit int) (known bool) {
	if _, known = m.people[nick]; known || within(len(m.people), orDefault(limit, DefaultMaxParticipants)) {
		m.people[nick] = st.Clone().Presence()
	}
	return known
}

// here takes it that somebody is there. Under the lock.
func (r *Rooms) here(m *membership, nick string, st *stanza.Stanza, e *Event) {
	known := m.put(strings.Clone(nick), st, r.MaxParticipants)
	switch {
	case m.nick == "" && (nick == m.want || e.Self): // the change of nick that one has asked for
		e.Kind, e.OldNick, e.Self = EventRenamed, m.last, true
		m.nick, m.want, m.last = strings.Clone(nick), "", ""
	case known:
		e.Kind = EventChanged
	default:
		e.Kind = EventArrived
	}
}

// gone takes it that somebody is not there any more under that nick. Under the lock.
func (r *Rooms) gone(m *membership, nick string, marks marks, e *Event) {
	p, known := m.people[nick]
	delete(m.people, nick)
	switch {
	case !m.in && m.skip && len(marks.codes) == 0:
		m.skip = false
	case !m.in && !e.Self && nick != m.want:
	case marks.codes[statusRenamed] && marks.nick != "" && known:
		e.Kind, e.OldNick = EventRenamed, nick
		m.people[marks.nick] = p
		if e.Self {
			m.nick, m.want = marks.nick, ""
		}
	case e.Self && m.in && m.want != "" && m.want != nick && len(marks.codes) == 0:
		// In rooms of old a change of nick looks like this; the new one follows.
		m.nick, m.last = "", strings.Clone(nick)
	case e.Self || !m.in:
		e.Kind, e.Self = EventLeft, true
		if n, ok := toldSelf(marks); ok {
			e.Err = errors.New("groupchat: " + n)
		}
		r.drop(m, cmp.Or(e.Err, error(stanza.NotAllowed)))
	case known:
		e.Kind = EventDeparted
	}
}

// toldSelf says in words why one is not in a room any more.
func toldSelf(m marks) (string, bool) {
	text := ""
	switch {
	case m.codes[statusBanned]:
		text = "banned"
	case m.codes[statusKicked]:
		text = "kicked"
	case m.codes[statusDemoted], m.codes[statusMembers], m.codes[statusShutdown]:
		text = "removed"
	default:
		return "", false
	}
	if m.reason != "" {
		text += ": " + m.reason
	}
	return text, true
}

// refused takes it that the room does not let one in, or not under that nick. Under
// the lock.
func (r *Rooms) refused(m *membership, st *stanza.Stanza, e *Event) {
	e.Err = st.Err()
	if !m.in {
		e.Kind, e.Self = EventLeft, true
		r.drop(m, e.Err)
		return
	}
	e.Kind = EventRefused
	if st.From.Resource() == m.want {
		m.want = ""
	}
}

// takeMessage sorts what is said. m is nil if it is from no room that one is in.
func (r *Rooms) takeMessage(m *membership, st *stanza.Stanza) (e Event) {
	e.Message = st.Message()
	nick := st.From.Resource()
	e.Self = m != nil && nick != "" && nick == m.nick
	inv, invites := ParseInvitation(st)
	switch {
	case st.Type == stanza.TypeError:
		if m != nil {
			e.Kind, e.Err = EventRefused, st.Err()
		}
	case st.Type == stanza.TypeGroupChat && m == nil:
		// "If no existing group chat is found, the user should be prompted to join
		// the group" (Jabber Programmers Guide, chapter 6).
		if e.Message.Body != "" && st.From.Local() != "" {
			e.Kind = EventInvited
			e.Invitation = &Invitation{Room: st.From.Bare().Clone(), Reason: e.Message.Body, Hint: true}
			if nick != "" {
				e.Invitation.By = st.From.Clone()
			}
		}
	case st.Type == stanza.TypeGroupChat && isTopic(st):
		e.Kind = EventSubject
	case st.Type == stanza.TypeGroupChat && nick == "":
		e.Kind = EventNotice
	case st.Type == stanza.TypeGroupChat:
		e.Kind = EventMessage
	case invites:
		e.Kind, e.Invitation = EventInvited, &inv
	case m != nil && nick != "":
		e.Kind = EventPrivate
	}
	return e
}
