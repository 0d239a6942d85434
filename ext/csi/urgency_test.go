package csi

import (
	"strings"
	"testing"

	"github.com/etherx-go/xmpp/ext/internal/exttest"
)

func TestUrgencyOf(t *testing.T) {
	const (
		composing = "<composing xmlns='http://jabber.org/protocol/chatstates'/>"
		receipt   = "<received xmlns='urn:xmpp:receipts' id='1'/>"
		inRoom    = "<x xmlns='http://jabber.org/protocol/muc#user'/>"
		neutral   = "<thread>t</thread><no-store xmlns='urn:xmpp:hints'/><stanza-id xmlns='urn:xmpp:sid:0' id='1' by='a@b'/>" +
			"<delay xmlns='urn:xmpp:delay' stamp='2026-01-01T00:00:00Z'/><occupant-id xmlns='urn:xmpp:occupant-id:0' id='1'/>" +
			"<private xmlns='urn:xmpp:carbons:2'/>"
		body = "<body>x</body>"
	)
	copyOf := func(direction, inner string) string {
		return "<message from='a@b' to='a@b/c'><" + direction + " xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>" + inner +
			"</forwarded></" + direction + "></message>"
	}
	msg := func(payloads string) string { return "<message xmlns='jabber:client'>" + payloads + "</message>" }
	for _, tt := range []struct {
		name, in string
		want     Urgency
	}{
		{"available", "<presence><show>away</show></presence>", Latest},
		{"unavailable", "<presence type='unavailable'/>", Latest},
		{"request", "<presence type='subscribe'/>", Urgent},
		{"approval", "<presence type='subscribed'/>", Urgent},
		{"failed presence", "<presence type='error'/>", Urgent},
		{"occupant of a room", "<presence><x xmlns='http://jabber.org/protocol/muc#user'><item role='visitor'/></x></presence>", Latest},
		{"own presence in a room", "<presence><x xmlns='http://jabber.org/protocol/muc#user'><status code='110'/></x></presence>", Urgent},
		{"own presence in a room, out", "<presence type='unavailable'><x xmlns='http://jabber.org/protocol/muc#user'>" +
			"<item role='none'/><status code='307'/><status code='110'/></x></presence>", Urgent},
		{"another status", "<presence><x xmlns='http://jabber.org/protocol/muc#user'><status code='307'/></x></presence>", Latest},
		{"request for information", "<iq type='get' id='1'><query xmlns='urn:x'/></iq>", Urgent},
		{"reply", "<iq type='result' id='1'/>", Urgent},

		{"message", msg(body), Urgent},
		{"message with a state", msg(body + composing), Urgent},
		{"subject", msg("<subject>x</subject>"), Urgent},
		{"empty", msg(""), Urgent},
		{"only what says nothing", msg(neutral), Urgent},
		{"not known", msg("<propose xmlns='urn:xmpp:jingle-message:0' id='1'/>"), Urgent},
		{"not known, with a state", msg(composing + "<propose xmlns='urn:xmpp:jingle-message:0' id='1'/>"), Urgent},
		{"failed", "<message type='error'>" + composing + "</message>", Urgent},
		{"state", msg(composing), Latest},
		{"state with thread, hints and ids", msg(neutral + composing + neutral), Latest},
		{"state of an occupant", "<message type='groupchat'>" + composing + neutral + "</message>", Latest},
		{"state in private in a room", msg(composing + inRoom), Latest},
		{"invitation to a room", msg("<x xmlns='http://jabber.org/protocol/muc#user'><invite from='a@b'/></x>" + composing), Urgent},
		{"another thing of rooms", msg("<y xmlns='http://jabber.org/protocol/muc#user'/>" + composing), Urgent},
		{"receipt", msg(receipt), Waits},
		{"receipt with state", msg(receipt + composing), Waits},
		{"marker", msg("<displayed xmlns='urn:xmpp:chat-markers:0' id='1'/>"), Waits},
		{"request for a receipt", msg("<request xmlns='urn:xmpp:receipts'/>" + composing), Urgent},
		{"request for a marker", msg("<markable xmlns='urn:xmpp:chat-markers:0'/>"), Urgent},
		{"event", "<message type='headline'><event xmlns='http://jabber.org/protocol/pubsub#event'><items node='x'/></event></message>", Waits},

		{"copy of a message", copyOf("received", msg(body)), Urgent},
		{"copy of a state", copyOf("received", msg(composing)), Latest},
		{"copy of a receipt", copyOf("received", msg(receipt)), Waits},
		{"copy of a message that was sent", copyOf("sent", msg(body)), Waits},
		{"copy of a state that was sent", copyOf("sent", msg(composing)), Latest},
		{"copy of a receipt that was sent", copyOf("sent", msg(receipt)), Waits},
		{"copy of a failed message", copyOf("received", "<message xmlns='jabber:client' type='error'/>"), Urgent},
		{"copy of a copy", copyOf("received", copyOf("sent", msg(body))), Urgent},
		{"what looks like a copy", strings.Replace(copyOf("sent", msg(body)), "from='a@b'", "from='x@b'", 1), Urgent},
		{"copy of a presence", copyOf("received", "<presence xmlns='jabber:client'/>"), Urgent},
		{"copy of nothing", copyOf("sent", ""), Urgent},
		{"copy beside a state", msg(composing + "<sent xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>" + msg(receipt) +
			"</forwarded></sent>"), Waits},
	} {
		if got := UrgencyOf(exttest.Parse(t, tt.in)); got != tt.want {
			t.Errorf("%s: got %d, want %d", tt.name, got, tt.want)
		}
	}
}
