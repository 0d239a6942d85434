package groupchat

import (
	"slices"
	"time"

	"golang.org/x/text/secure/precis"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// Defaults of [Rules].
const (
	DefaultMaxOccupants = 200
	DefaultMaxNick      = 128
	DefaultRate         = 2.0
	DefaultBurst        = 20
)

// Rules are the settings of rooms. Zero fields are the defaults.
type Rules struct {
	// MaxOccupants bounds how many are in a room. Default 200, -1 = no limit.
	MaxOccupants int
	// MaxNick bounds a nick, in bytes. Default 128, -1 = what an address can
	// hold, 1023.
	MaxNick int
	// Rate bounds how many stanzas a user may send into a room in a second, with
	// all resources and over a longer time; Burst how many at once. Default 2 and
	// 20; a negative Rate is no limit.
	Rate  float64
	Burst int
	// AnyoneInvites lets people invite who are not in the room, as the Jabber
	// Programmers Guide has it. Nobody learns then who invites.
	AnyoneInvites bool
	// Words returns a notice in words, "" if nothing is to be told. The default
	// is [Notice.String]. It must be safe for concurrent use.
	Words func(Notice) string
}

// withDefaults returns the rules with the fields set that are zero.
func (r Rules) withDefaults() Rules {
	r.MaxOccupants = orDefault(r.MaxOccupants, DefaultMaxOccupants)
	r.MaxNick = orDefault(r.MaxNick, DefaultMaxNick)
	r.Burst = max(1, orDefault(r.Burst, DefaultBurst))
	if r.Rate == 0 {
		r.Rate = DefaultRate
	}
	if r.Words == nil {
		r.Words = Notice.String
	}
	return r
}

func orDefault(n, def int) int {
	if n == 0 {
		return def
	}
	return n
}

// within reports whether there may be one more than n; a negative limit is none.
func within(n, limit int) bool { return limit < 0 || n < limit }

// Room is a room: who is in it, and the rules by which they talk. It does nothing by
// itself: [Room.Handle] takes what is sent to the room, and returns what the room
// sends. It is not safe for concurrent use.
type Room struct {
	addr  jid.JID
	rules Rules

	seats   map[jid.JID]*occupant // by real address
	nicks   map[string]*occupant  // by the key of the nick
	order   []*occupant           // as they have come
	subject *stanza.Stanza        // nil: none
	invited []invited
	rate    throttle

	out []*stanza.Stanza
}

// Occupant is somebody in a room.
type Occupant struct {
	Nick string
	JID  jid.JID // the real address
}

// occupant is somebody in the room.
type occupant struct {
	user     jid.JID        // the real address, which nobody learns
	addr     jid.JID        // room/nick
	key      string         // of the nick
	presence *stanza.Stanza // as it was told, from addr
	private  []private      // the last that were sent to the occupant
}

// NewRoom returns an empty room with that bare address.
func NewRoom(addr jid.JID, rules Rules) *Room {
	rules = rules.withDefaults()
	r := &Room{addr: addr.Bare().Clone(), rules: rules, rate: newThrottle(rules.Rate, rules.Burst)}
	r.empty()
	return r
}

// empty makes it a room that nobody has been in; but who has sent too much is
// remembered.
func (r *Room) empty() {
	r.seats, r.nicks = make(map[jid.JID]*occupant), make(map[string]*occupant)
	r.order, r.subject, r.invited = nil, nil, nil
}

// Addr returns the address of the room.
func (r *Room) Addr() jid.JID { return r.addr }

// Len returns how many are in the room.
func (r *Room) Len() int { return len(r.seats) }

// Has reports whether who has that real address is in the room.
func (r *Room) Has(user jid.JID) bool { return r.seats[user] != nil }

// Occupants returns who is in the room, in the order of their coming.
func (r *Room) Occupants() []Occupant {
	all := make([]Occupant, 0, len(r.order))
	for _, o := range r.order {
		all = append(all, Occupant{o.addr.Resource(), o.user})
	}
	return all
}

// Handle takes a stanza to the room, or to somebody in it, from a real address, and
// returns what is to be sent, in this order. now is the time, which the rate is
// measured by. Subscriptions to the room are not for the room, and ignored.
func (r *Room) Handle(st *stanza.Stanza, now time.Time) []*stanza.Stanza {
	r.out = nil
	o := r.seats[st.From]
	switch st.Kind {
	case stanza.KindPresence:
		r.takePresence(o, st, now)
	case stanza.KindMessage:
		r.takeMessage(o, st, now)
	case stanza.KindIQ:
		r.takeIQ(o, st, now)
	}
	if len(r.seats) == 0 {
		r.empty()
	}
	return r.taken()
}

// Remove takes somebody out of the room, whose nick and status everybody is told,
// and returns what is to be sent; nothing if nobody of that real address is there.
func (r *Room) Remove(user jid.JID, status string) []*stanza.Stanza {
	r.out = nil
	if o := r.seats[user]; o != nil {
		r.remove(o, r.gone(o, status), Notice{Kind: Kicked, Nick: o.addr.Resource(), Reason: status})
	}
	return r.taken()
}

// Close empties the room, and returns what is to be sent: everybody is told that
// they are not in it any more, and why.
func (r *Room) Close(status string) []*stanza.Stanza {
	r.out = nil
	for _, o := range r.order {
		r.send(r.gone(o, status), o)
	}
	r.empty()
	return r.taken()
}

func (r *Room) taken() (out []*stanza.Stanza) {
	out, r.out = r.out, nil
	return out
}

// find returns who has a nick, nil if nobody.
func (r *Room) find(nick string) *occupant {
	key, err := nickKey(nick)
	if err != nil {
		return nil
	}
	return r.nicks[key]
}

// nickKey returns what nicks that look alike have in common (RFC 8266): letters of
// either case, and spaces, do not make another nick.
func nickKey(nick string) (string, error) { return precis.Nickname.CompareKey(nick) }

// send sends a stanza that is from the right address to one occupant.
func (r *Room) send(st *stanza.Stanza, to *occupant) {
	h := st.Header
	h.To = to.user
	r.out = append(r.out, st.With(h))
}

// post sends something that was just made.
func (r *Room) post(m interface {
	Stanza() (*stanza.Stanza, error)
}) {
	// Only payloads can fail, and those of this package do not.
	if st, err := m.Stanza(); err == nil {
		r.out = append(r.out, st)
	}
}

// sendAll sends a stanza that is from the right address to everybody.
func (r *Room) sendAll(st *stanza.Stanza) {
	for _, o := range r.order {
		r.send(st, o)
	}
}

// tell tells everybody in words.
func (r *Room) tell(n Notice) {
	body := r.rules.Words(n)
	if body == "" {
		return
	}
	for _, o := range r.order {
		r.post(ServiceMessage(r.addr, o.user, body))
	}
}

// refuse answers a stanza with an error, unless it is one itself.
func (r *Room) refuse(st *stanza.Stanza, c stanza.Condition, text string) {
	if st.Type == stanza.TypeError || st.Kind == stanza.KindIQ && !st.Type.IsRequest() {
		return
	}
	r.out = append(r.out, st.ErrorReply(stanza.NewError(c, text)))
}

// refuseRate answers a stanza that is one too many.
func (r *Room) refuseRate(st *stanza.Stanza) {
	r.out = append(r.out, st.ErrorReply(errTooMuch("You send too much.")))
}

func errTooMuch(text string) error {
	return &stanza.Error{Type: stanza.Wait, Condition: stanza.ResourceConstraint, Text: text}
}

// from returns a stanza with another sender, for whom its recipient is open.
func from(st *stanza.Stanza, addr jid.JID) *stanza.Stanza {
	h := st.Header
	h.From, h.To = addr, jid.JID{}
	return st.With(h)
}

// drop takes an occupant out of the room.
func (r *Room) drop(o *occupant) {
	delete(r.seats, o.user)
	delete(r.nicks, o.key)
	r.order = slices.DeleteFunc(r.order, func(p *occupant) bool { return p == o })
}
