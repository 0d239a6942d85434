package groupchat

import (
	"strings"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// inviteSubject is what the subject of a message begins with that asks a room to
// invite somebody: "invite:[user to invite]@[user server]".
const inviteSubject = "invite:"

// Invitation is an invitation into a room.
type Invitation struct {
	Room jid.JID // the bare address
	// By is who invites: room/nick, or a real address; zero if that is not said.
	By jid.JID
	// To is who is to be invited, in a request to the room; else zero.
	To       jid.JID
	Reason   string // for people
	Password string // of a room that has one
	// Hint: it is no more than a message of type groupchat from a room that one
	// is not in, which may have come late, or by mistake.
	Hint bool
}

// ParseRequest reads a message to a room that asks it to invite somebody: by its
// subject, as clients of old do, or by the element of Multi-User Chat (XEP-0045,
// section 7.8.2). ok is false if it is another message; the error is a jid-malformed
// if it does not say whom to invite.
func ParseRequest(st *stanza.Stanza) (inv Invitation, ok bool, err error) {
	if st.Kind != stanza.KindMessage || !st.To.IsBare() || st.To.Local() == "" || st.Type == stanza.TypeError {
		return Invitation{}, false, nil
	}
	inv = Invitation{Room: st.To, By: st.From}
	if e := st.Child(nsMUCUser, "x").Child(nsMUCUser, "invite"); !e.IsZero() {
		inv.Reason = strings.TrimSpace(e.ChildText(nsMUCUser, "reason"))
		inv.To, err = parseInvited(e.Attr("to"))
		return inv, true, err
	}
	m := st.Message()
	who, ok := strings.CutPrefix(strings.TrimSpace(m.Subject), inviteSubject)
	if !ok {
		return Invitation{}, false, nil
	}
	inv.Reason = strings.TrimSpace(m.Body)
	inv.To, err = parseInvited(strings.TrimSpace(who))
	if err != nil && st.Type == stanza.TypeGroupChat {
		return Invitation{}, false, nil // people talk, and have such a topic
	}
	return inv, true, err
}

func parseInvited(s string) (jid.JID, error) {
	j, err := jid.Parse(s)
	if err != nil || j.Local() == "" {
		return jid.JID{}, stanza.NewError(stanza.JIDMalformed, "It is not said whom to invite.")
	}
	return j, nil
}

// ParseInvitation reads an invitation that has come: one that a room passes on
// (XEP-0045, section 7.8.2), or one that says where the room is (XEP-0249, and
// services of old). ok is false if the message is none. What a message of type
// groupchat from an unknown room means, see [Rooms].
func ParseInvitation(st *stanza.Stanza) (inv Invitation, ok bool) {
	if st.Kind != stanza.KindMessage || st.Type == stanza.TypeError {
		return Invitation{}, false
	}
	x := st.Child(nsMUCUser, "x")
	if e := x.Child(nsMUCUser, "invite"); !e.IsZero() && st.From.IsBare() && st.From.Local() != "" {
		inv = Invitation{Room: st.From, Reason: strings.TrimSpace(e.ChildText(nsMUCUser, "reason")),
			Password: x.ChildText(nsMUCUser, "password")}
		inv.By, _ = jid.Parse(e.Attr("from"))
		if inv.Reason == "" {
			inv.Reason = strings.TrimSpace(st.Message().Body)
		}
		return inv, true
	}
	e := st.Child(nsConference, "x")
	room, err := jid.Parse(e.Attr("jid"))
	if err != nil || room.Local() == "" {
		return Invitation{}, false
	}
	inv = Invitation{Room: room.Bare(), Reason: e.Attr("reason"), Password: e.Attr("password")}
	if st.From.Bare() != inv.Room {
		inv.By = st.From
	}
	for _, text := range [...]string{e.Text(), st.Message().Body} {
		if inv.Reason == "" {
			inv.Reason = strings.TrimSpace(text)
		}
	}
	return inv, true
}

// message returns the invitation as the room passes it on. It is of type normal, for
// one of type groupchat would not reach who is not in the room: it "MUST NOT" be
// delivered to a bare address (RFC 6121, section 8.5.2.1.1). It says the same thrice,
// for clients of today, of yesterday, and those that only show text.
func (inv Invitation) message(body string) *stanza.Message {
	return &stanza.Message{From: inv.Room, To: inv.To, Body: body, Payloads: []any{
		handover{"invite", inv.By, inv.Reason}, conference{inv.Room, inv.Reason},
	}}
}

// parseDecline reads a message by which somebody declines an invitation.
func parseDecline(st *stanza.Stanza) (reason string, ok bool) {
	e := st.Child(nsMUCUser, "x").Child(nsMUCUser, "decline")
	return strings.TrimSpace(e.ChildText(nsMUCUser, "reason")), !e.IsZero()
}
