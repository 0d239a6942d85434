package groupchat

import (
	"time"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// takePresence takes a presence of somebody; o is nil for who is not in the room.
func (r *Room) takePresence(o *occupant, st *stanza.Stanza, now time.Time) {
	switch st.Type {
	case stanza.TypeAvailable:
		switch {
		case o == nil:
			r.enter(st, now)
		case st.To.IsBare() || st.To == o.addr:
			r.update(o, st, now)
		default:
			r.rename(o, st, now)
		}
	case stanza.TypeUnavailable:
		if o != nil {
			r.remove(o, from(Plain(st), o.addr), Notice{Kind: Left, Nick: o.addr.Resource()})
		}
	case stanza.TypeError:
		if o != nil {
			r.vanish(o)
		}
	case stanza.TypeProbe:
		if o != nil {
			r.probe(o, st)
		}
	}
}

// seat finds out whether somebody, or nobody yet, may be called by the nick that a
// presence is sent to, and refuses it if not.
func (r *Room) seat(o *occupant, st *stanza.Stanza) (key string, ok bool) {
	nick := st.To.Resource()
	if nick == "" {
		r.refuse(st, stanza.JIDMalformed, "Say by what nick you want to be called, as in "+r.addr.String()+"/nick.")
		return "", false
	}
	key, err := nickKey(nick)
	if err != nil || r.rules.MaxNick >= 0 && len(nick) > r.rules.MaxNick {
		r.refuse(st, stanza.NotAcceptable, "Nobody can be called by that nick.")
		return "", false
	}
	if who := r.nicks[key]; who != nil && who != o {
		r.refuse(st, stanza.Conflict, "Somebody else is called by that nick.")
		return "", false
	}
	return key, true
}

// enter lets somebody in. The newcomer is shown who is there, last of all itself,
// and then everybody is told (XEP-0045, section 7.1, has this order; the Guide has
// none).
func (r *Room) enter(st *stanza.Stanza, now time.Time) {
	key, ok := r.seat(nil, st)
	switch {
	case !ok:
		return
	case !within(len(r.seats), r.rules.MaxOccupants):
		r.out = append(r.out, st.ErrorReply(&stanza.Error{Type: stanza.Wait, Condition: stanza.ServiceUnavailable,
			Text: "The room is full."}))
		return
	case !r.rate.spend(st.From, now):
		r.refuseRate(st)
		return
	}
	o := &occupant{user: st.From.Clone(), addr: st.To.Clone(), key: key}
	o.show(st)
	r.sendList(o)
	r.seats[o.user], r.nicks[key], r.order = o, o, append(r.order, o)
	r.sendPresence(o, st.ID)
	r.tell(Notice{Kind: Arrived, Nick: o.addr.Resource()})
	r.sendSubject(o)
}

// show keeps the presence as the others see it.
func (o *occupant) show(st *stanza.Stanza) {
	o.presence = from(Plain(st), o.addr).Clone()
	o.presence.ID = ""
}

// sendList shows an occupant the others.
func (r *Room) sendList(to *occupant) {
	for _, o := range r.order {
		if o != to {
			r.send(o.presence, to)
		}
	}
}

// sendPresence shows everybody the presence of an occupant, itself last and with the
// id of what it has sent.
func (r *Room) sendPresence(o *occupant, id string) {
	for _, p := range r.order {
		if p != o {
			r.send(o.presence, p)
		}
	}
	h := o.presence.Header
	h.ID, h.To = id, o.user
	r.out = append(r.out, o.presence.With(h))
}

// sendSubject tells somebody who has just come what is talked about.
func (r *Room) sendSubject(to *occupant) {
	if r.subject != nil {
		r.send(from(r.subject, r.addr), to)
	}
}

// update shows everybody that the presence of somebody is another now. A client of
// Multi-User Chat that joins once more has lost what it knew of the room, and is
// shown it all.
func (r *Room) update(o *occupant, st *stanza.Stanza, now time.Time) {
	if !r.rate.spend(st.From, now) {
		r.refuseRate(st)
		return
	}
	o.show(st)
	again := IsMUC(st)
	if again {
		r.sendList(o)
	}
	r.sendPresence(o, st.ID)
	if again {
		r.sendSubject(o)
	}
}

// rename gives somebody another nick: "broadcast an unavailable presence to the
// participants for the old nickname, and then broadcast the new presence and
// nickname. The server will also send a message back".
func (r *Room) rename(o *occupant, st *stanza.Stanza, now time.Time) {
	key, ok := r.seat(o, st)
	if !ok {
		return
	}
	if !r.rate.spend(st.From, now) {
		r.refuseRate(st)
		return
	}
	was := o.addr.Resource()
	r.sendAll(r.gone(o, ""))
	delete(r.nicks, o.key)
	o.addr, o.key = st.To.Clone(), key
	r.nicks[key] = o
	o.show(st)
	r.sendPresence(o, st.ID)
	r.tell(Notice{Kind: Renamed, Nick: was, NewNick: o.addr.Resource()})
}

// gone returns the presence by which an occupant goes.
func (r *Room) gone(o *occupant, status string) *stanza.Stanza {
	p := stanza.Presence{From: o.addr, Type: stanza.TypeUnavailable, Status: status}
	st, _ := p.Stanza() // has no payload that could fail
	return st
}

// remove takes somebody out of the room: everybody gets the presence, which the one
// who goes takes as the confirmation, and those who stay are told.
func (r *Room) remove(o *occupant, gone *stanza.Stanza, n Notice) {
	r.sendAll(gone)
	r.drop(o)
	r.tell(n)
}

// vanish takes out of the room who cannot be reached any more.
func (r *Room) vanish(o *occupant) {
	r.remove(o, r.gone(o, ""), Notice{Kind: Left, Nick: o.addr.Resource()})
}

// probe tells an occupant how somebody in the room is, or that the room is there.
func (r *Room) probe(o *occupant, st *stanza.Stanza) {
	answer := stanza.Presence{From: st.To, To: o.user, ID: st.ID}
	if st.To.IsFull() {
		if who := r.find(st.To.Resource()); who != nil {
			r.send(who.presence, o)
			return
		}
		answer.Type = stanza.TypeUnavailable
	}
	r.post(&answer)
}

// presenceOf returns the presence of a room for who has subscribed to it.
func presenceOf(room, to jid.JID, available bool) *stanza.Presence {
	p := &stanza.Presence{From: room, To: to}
	if !available {
		p.Type = stanza.TypeUnavailable
	}
	return p
}
