package groupchat

import (
	"slices"
	"time"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// How many of the messages that may come back are remembered: those that were sent
// to one occupant in private, and the invitations of a room.
const (
	maxPrivate = 16
	maxInvited = 64
)

// private is a private message that somebody has got.
type private struct {
	from jid.JID // the real address
	id   string
}

// invited is somebody that the room has invited.
type invited struct {
	who jid.JID // a bare address
	by  jid.JID // the real address of who has asked for it
	id  string
}

// remember adds to a list of bounded length.
func remember[T any](list []T, v T, limit int) []T {
	if len(list) >= limit {
		list = slices.Delete(list, 0, len(list)-limit+1)
	}
	return append(list, v)
}

const notInRoom = "You are not in the room."

// takeMessage takes a message of somebody; o is nil for who is not in the room.
func (r *Room) takeMessage(o *occupant, st *stanza.Stanza, now time.Time) {
	switch {
	case st.Type == stanza.TypeError:
		r.bounced(o, st)
	case st.To.IsFull():
		r.private(o, st, now)
	default:
		r.toRoom(o, st, now)
	}
}

// toRoom takes a message to the room itself: something said to all, or the request
// to invite somebody.
func (r *Room) toRoom(o *occupant, st *stanza.Stanza, now time.Time) {
	if inv, ok, err := ParseRequest(st); ok {
		r.invite(o, st, inv, err, now)
		return
	}
	if reason, ok := parseDecline(st); ok {
		r.declined(st, reason)
		return
	}
	switch {
	case o == nil:
		r.refuse(st, stanza.NotAcceptable, notInRoom)
	case st.Type != stanza.TypeGroupChat:
		r.refuse(st, stanza.BadRequest, "What is said to all is of type groupchat.")
	case !r.rate.spend(st.From, now):
		r.refuseRate(st)
	default:
		said := Plain(st)
		if isTopic(st) {
			r.setSubject(said)
		}
		r.sendAll(from(said, o.addr))
	}
}

// isTopic reports whether a message changes what is talked about: "only a message
// that contains a <subject/> but no <body/> element" does (XEP-0045, section 7.2.15).
// One with both is a message with a title.
func isTopic(st *stanza.Stanza) bool {
	return !st.Child(stanza.NSClient, "subject").IsZero() && st.Child(stanza.NSClient, "body").IsZero()
}

// setSubject keeps a subject for those who come later.
func (r *Room) setSubject(st *stanza.Stanza) {
	m := st.Message()
	r.subject = nil
	if m.Subject == "" {
		return
	}
	topic := &stanza.Message{Type: stanza.TypeGroupChat, Lang: m.Lang, Subject: m.Subject, Subjects: m.Subjects}
	r.subject, _ = topic.Stanza() // has no payload that could fail
}

// private takes a message to one occupant.
func (r *Room) private(o *occupant, st *stanza.Stanza, now time.Time) {
	to := r.find(st.To.Resource())
	switch {
	case o == nil:
		r.refuse(st, stanza.NotAcceptable, notInRoom)
	case st.Type == stanza.TypeGroupChat:
		r.refuse(st, stanza.BadRequest, "What is said in private is not of type groupchat.")
	case to == nil:
		r.refuse(st, stanza.ItemNotFound, "Nobody in the room is called by that nick.")
	case !r.rate.spend(st.From, now):
		r.refuseRate(st)
	default:
		r.send(from(withoutForged(st), o.addr), to)
		to.private = remember(to.private, private{o.user, st.ID}, maxPrivate)
	}
}

// invite passes an invitation on.
func (r *Room) invite(o *occupant, st *stanza.Stanza, inv Invitation, err error, now time.Time) {
	n := Notice{Kind: Invited, Reason: inv.Reason}
	inv.By = jid.JID{}
	if o != nil {
		inv.By, n.Nick = o.addr, o.addr.Resource()
	}
	switch {
	case o == nil && !r.rules.AnyoneInvites:
		r.refuse(st, stanza.NotAcceptable, notInRoom)
		return
	case err != nil:
		r.out = append(r.out, st.ErrorReply(err))
		return
	case !r.rate.spend(st.From, now):
		r.refuseRate(st)
		return
	}
	body := inv.Reason
	if body == "" {
		body = r.rules.Words(n)
	}
	m := inv.message(body)
	m.ID = st.ID
	r.post(m)
	r.invited = remember(r.invited, invited{inv.To.Bare().Clone(), st.From.Clone(), st.ID}, maxInvited)
}

// takeInvited returns the invitation of somebody, and forgets it. The id does not
// matter if it is "".
func (r *Room) takeInvited(who jid.JID, id string) (inv invited, ok bool) {
	i := slices.IndexFunc(r.invited, func(v invited) bool { return v.who == who.Bare() && (id == "" || id == v.id) })
	if i < 0 {
		return inv, false
	}
	inv = r.invited[i]
	r.invited = slices.Delete(r.invited, i, i+1)
	return inv, true
}

// declined tells who has invited somebody that they do not come. What was not asked
// for is nobody's.
func (r *Room) declined(st *stanza.Stanza, reason string) {
	inv, ok := r.takeInvited(st.From, "")
	if !ok || !r.Has(inv.by) {
		return
	}
	r.post(&stanza.Message{From: r.addr, To: inv.by, ID: st.ID,
		Body:     r.rules.Words(Notice{Kind: Declined, Nick: inv.who.String(), Reason: reason}),
		Payloads: []any{handover{"decline", inv.who, reason}}})
}

// bounced takes an error: of a private message or an invitation its sender is told.
// Who cannot be reached any more is not in the room any more; what was said to all is
// not said again to who has said it.
func (r *Room) bounced(o *occupant, st *stanza.Stanza) {
	e := stanza.AsError(st.Err())
	if o == nil {
		if inv, ok := r.takeInvited(st.From, st.ID); ok && r.Has(inv.by) {
			r.post(&stanza.Message{Type: stanza.TypeError, From: r.addr, To: inv.by, ID: st.ID, Error: anonymous(e)})
		}
		return
	}
	if by := r.find(st.To.Resource()); by != nil {
		i := slices.Index(o.private, private{by.user, st.ID})
		if i >= 0 {
			o.private = slices.Delete(o.private, i, i+1)
			r.post(&stanza.Message{Type: stanza.TypeError, From: o.addr, To: by.user, ID: st.ID, Error: anonymous(e)})
		}
	}
	if isGone(e.Condition) {
		r.vanish(o)
	}
}

// isGone reports whether an error says that somebody cannot be reached (XEP-0045,
// section 18.1.2, "Ghost Users"). A server answers a message to a resource that is gone
// with service-unavailable (RFC 6121, section 8.5.3.2.3).
func isGone(c stanza.Condition) bool {
	switch c {
	case stanza.Gone, stanza.ItemNotFound, stanza.RecipientUnavailable, stanza.Redirect, stanza.RemoteServerNotFound,
		stanza.RemoteServerTimeout, stanza.ServiceUnavailable, stanza.JIDMalformed:
		return true
	}
	return false
}

// anonymous returns an error without what could say who reports it: the address, an
// address where somebody has moved to, and text.
func anonymous(e *stanza.Error) *stanza.Error {
	return &stanza.Error{Type: e.Type, Condition: e.Condition, Code: e.Code, App: e.App}
}

// takeIQ passes questions and answers on between occupants, so that "complete Jabber
// functionality is attainable" without anybody's address.
func (r *Room) takeIQ(o *occupant, st *stanza.Stanza, now time.Time) {
	to := r.find(st.To.Resource())
	switch {
	case o == nil:
		r.refuse(st, stanza.NotAcceptable, notInRoom)
	case st.To.IsBare():
		r.refuse(st, stanza.ServiceUnavailable, "")
	case to == nil:
		r.refuse(st, stanza.ItemNotFound, "Nobody in the room is called by that nick.")
	case st.Type.IsRequest() && !r.rate.spend(st.From, now):
		r.refuseRate(st)
	case st.Type == stanza.TypeError:
		r.post(&stanza.IQ{Type: stanza.TypeError, From: o.addr, To: to.user, ID: st.ID,
			Error: anonymous(stanza.AsError(st.Err()))})
	default:
		r.send(from(st, o.addr), to)
	}
}
