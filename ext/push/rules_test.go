package push

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/internal/exttest"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

const (
	body  = "<body>x</body>"
	omemo = "<encrypted xmlns='eu.siacs.conversations.axolotl'><header sid='1'/><payload>x</payload></encrypted>"
	keys  = "<encrypted xmlns='eu.siacs.conversations.axolotl'><header sid='1'/></encrypted>"
)

// copied returns a copy of a message.
func copied(direction, inner string) string {
	return "<message from='user@example.com' to='user@example.com/mobile'><" + direction + " xmlns='urn:xmpp:carbons:2'>" +
		"<forwarded xmlns='urn:xmpp:forward:0'>" + inner + "</forwarded></" + direction + "></message>"
}

func chat(payloads string) string {
	return "<message xmlns='jabber:client' type='chat' from='juliet@capulet.example/balcony'>" + payloads + "</message>"
}

// forged returns a message of somebody who would have it taken for a copy.
func forged(direction string) string {
	st := strings.Replace(copied(direction, chat("<body>I am Juliet</body>")), "from='user@example.com'", "from='tybalt@capulet.example/x'", 1)
	return strings.TrimSuffix(st, "</message>") + body + "</message>"
}

func TestWarrants(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     bool
	}{
		{"chat", chat(body), true},
		{"normal", "<message>" + body + "</message>", true},
		{"in a room", "<message type='groupchat'>" + body + "</message>", true},
		{"subject of a room", "<message type='groupchat'><subject>x</subject></message>", false},
		{"headline", "<message type='headline'>" + body + "</message>", false},
		{"error", "<message type='error'>" + body + "</message>", false},
		{"empty body", chat("<body/>"), false},
		{"nothing", chat(""), false},
		{"state", chat("<composing xmlns='http://jabber.org/protocol/chatstates'/>"), false},
		{"receipt", chat("<received xmlns='urn:xmpp:receipts' id='1'/>"), false},
		{"marker", chat("<displayed xmlns='urn:xmpp:chat-markers:0' id='1'/>"), false},
		{"event", "<message><event xmlns='http://jabber.org/protocol/pubsub#event'/></message>", false},
		{"of an archive", "<message><result xmlns='urn:xmpp:mam:2'><forwarded xmlns='urn:xmpp:forward:0'>" + chat(body) +
			"</forwarded></result></message>", false},
		{"encrypted", chat(omemo), true},
		{"keys", chat(keys), false},
		{"keys with a body", chat(keys + body), true},
		{"encrypted, OMEMO 2", chat("<encrypted xmlns='urn:xmpp:omemo:2'><header sid='1'/><payload>x</payload></encrypted>"), true},
		{"encrypted, OX", chat("<openpgp xmlns='urn:xmpp:openpgp:0'>x</openpgp>"), true},
		{"encrypted, of old", chat("<x xmlns='jabber:x:encrypted'>x</x>"), true},
		{"call", "<message><propose xmlns='urn:xmpp:jingle-message:0' id='1'/></message>", true},
		{"call", "<message><propose xmlns='urn:xmpp:jingle-message:1' id='1'/></message>", true},
		{"call that is over", "<message><retract xmlns='urn:xmpp:jingle-message:0' id='1'/></message>", false},
		{"invitation to a call", "<message><invite xmlns='urn:xmpp:call-invites:0'/></message>", true},
		{"attention", "<message><attention xmlns='urn:xmpp:attention:0'/></message>", true},
		{"direct invitation", "<message><x xmlns='jabber:x:conference' jid='a@b'/></message>", true},
		{"mediated invitation", "<message><x xmlns='http://jabber.org/protocol/muc#user'><invite from='a@b'/></x></message>", true},
		{"status of a room", "<message><x xmlns='http://jabber.org/protocol/muc#user'><status code='104'/></x></message>", false},
		{"copy of what was received", copied("received", chat(body)), true},
		{"copy of a state", copied("received", chat("<composing xmlns='http://jabber.org/protocol/chatstates'/>")), false},
		{"copy of an error", copied("received", "<message xmlns='jabber:client' type='error'>"+body+"</message>"), false},
		{"copy of what was sent", copied("sent", chat(body)), false},
		{"copy of a copy", copied("received", copied("received", chat(body))), false},
		{"copy of nothing", copied("received", ""), false},
		{"what looks like a copy of what was sent", forged("sent"), true},
		{"copy of a presence", copied("received", "<presence xmlns='jabber:client' type='subscribe'/>"), false},
		{"request for a subscription", "<presence type='subscribe'/>", true},
		{"presence", "<presence/>", false},
		{"approval", "<presence type='subscribed'/>", false},
		{"call by Jingle", "<iq type='set' id='1'><jingle xmlns='urn:xmpp:jingle:1' action='session-initiate'/></iq>", true},
		{"another action", "<iq type='set' id='1'><jingle xmlns='urn:xmpp:jingle:1' action='session-info'/></iq>", false},
		{"reply", "<iq type='result' id='1'><jingle xmlns='urn:xmpp:jingle:1' action='session-initiate'/></iq>", false},
		{"ping", "<iq type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>", false},
	} {
		if got := Warrants(exttest.Parse(t, tt.in)); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

func TestDisclose(t *testing.T) {
	for _, tt := range []struct {
		name, in     string
		sender, body string
	}{
		{"message", chat("<body>Wherefore</body>"), "juliet@capulet.example/balcony", "Wherefore"},
		{"copy", copied("received", chat("<body>Wherefore</body>")), "juliet@capulet.example/balcony", "Wherefore"},
		{"what looks like a copy", forged("received"), "tybalt@capulet.example/x", "x"},
		{"encrypted", chat(omemo + "<body>You cannot read this</body>"), "juliet@capulet.example/balcony", ""},
		{"encrypted, as it says", chat("<encryption xmlns='urn:xmpp:eme:0' namespace='urn:x'/><body>x</body>"), "juliet@capulet.example/balcony", ""},
		{"request", "<presence type='subscribe' from='juliet@capulet.example'/>", "", ""},
		{"call", "<iq type='set' id='1' from='juliet@capulet.example/balcony'><jingle xmlns='urn:xmpp:jingle:1'/></iq>", "", ""},
	} {
		st := exttest.Parse(t, tt.in)
		s, b := Senders(account, Device{}, st), Bodies(account, Device{}, st)
		if s.Sender.String() != tt.sender || s.Body != "" || b.Sender.String() != tt.sender || b.Body != tt.body {
			t.Errorf("%s: Senders %+v, Bodies %+v", tt.name, s, b)
		}
	}
}

func TestClip(t *testing.T) {
	for _, tt := range []struct {
		in   string
		max  int
		want string
	}{
		{"abc", 3, "abc"}, {"abc", 2, "ab"}, {"abc", 0, ""}, {"abc", -1, "abc"}, {"aé", 2, "a"}, {"aé", 3, "aé"}, {"\U0001F339", 3, ""},
	} {
		if got := clip(tt.in, tt.max); got != tt.want {
			t.Errorf("%q to %d: %q", tt.in, tt.max, got)
		}
	}
}

// TestIsFinal: which answers say that a device is not there any more.
func TestIsFinal(t *testing.T) {
	for _, c := range []stanza.Condition{
		stanza.ItemNotFound, stanza.Gone, stanza.Forbidden, stanza.NotAllowed, stanza.NotAuthorized, stanza.RegistrationRequired,
		stanza.SubscriptionRequired, stanza.FeatureNotImplemented, stanza.JIDMalformed, stanza.BadRequest, stanza.NotAcceptable,
		stanza.Conflict, stanza.PolicyViolation, stanza.Redirect,
	} {
		err := fmt.Errorf("publish: %w", stanza.NewError(c, ""))
		if e := stanza.NewError(c, ""); e.Type == stanza.Wait {
			t.Errorf("%s passes", c)
		}
		if !isFinal(err) {
			t.Errorf("%s is not final", c)
		}
		if isFinal(&stanza.Error{Type: stanza.Wait, Condition: c}) {
			t.Errorf("%s is final, though it says to wait", c)
		}
	}
	for _, err := range []error{
		stanza.NewError(stanza.ServiceUnavailable, ""), stanza.NewError(stanza.RemoteServerNotFound, ""),
		stanza.NewError(stanza.RemoteServerTimeout, ""), stanza.NewError(stanza.InternalServerError, ""),
		stanza.NewError(stanza.ResourceConstraint, ""), stanza.NewError(stanza.UndefinedCondition, ""),
		stanza.NewError(stanza.RecipientUnavailable, ""),
		context.DeadlineExceeded, xmpp.ErrSessionLost, errors.New("x"),
	} {
		if isFinal(err) {
			t.Errorf("%v is final", err)
		}
	}
}

func TestRevoked(t *testing.T) {
	const open = "<message from='push-5.client.example' to='user@example.com'><pubsub xmlns='http://jabber.org/protocol/pubsub"
	for _, tt := range []struct{ name, in, want string }{
		{"XEP-0357 example 15", open + "' node='n'><affiliation jid='user@example.com' affiliation='none' /></pubsub></message>", "n"},
		{"XEP-0060 example 199", open + "'><affiliations node='n'><affiliation jid='user@example.com' affiliation='none'/></affiliations>" +
			"</pubsub></message>", "n"},
		{"of the owner", open + "#owner' node='n'><affiliation jid='user@example.com' affiliation='outcast'/></pubsub></message>", "n"},
		{"of the server", open + "' node='n'><affiliation jid='example.com' affiliation='member'/></pubsub></message>", "n"},
		{"of many", open + "' node='n'><affiliation jid='a@b' affiliation='none'/><affiliation jid='user@example.com' affiliation='none'/>" +
			"</pubsub></message>", "n"},
		{"may still publish", open + "' node='n'><affiliation jid='user@example.com' affiliation='publish-only'/></pubsub></message>", ""},
		{"of somebody else", open + "' node='n'><affiliation jid='other@example.com' affiliation='none'/></pubsub></message>", ""},
		{"of nobody", open + "' node='n'><affiliation jid='@' affiliation='none'/></pubsub></message>", ""},
		{"without node", open + "'><affiliation jid='user@example.com' affiliation='none'/></pubsub></message>", ""},
		{"an event", open + "#event' node='n'><affiliation jid='user@example.com' affiliation='none'/></pubsub></message>", ""},
		{"an error", "<message type='error' to='user@example.com'><pubsub xmlns='http://jabber.org/protocol/pubsub' node='n'>" +
			"<affiliation jid='user@example.com' affiliation='none'/></pubsub></message>", ""},
		{"a presence", "<presence to='user@example.com'/>", ""},
		{"a message", "<message to='user@example.com'><body>x</body></message>", ""},
	} {
		if got, ok := revoked(exttest.Parse(t, tt.in)); got != tt.want || ok != (tt.want != "") {
			t.Errorf("%s: %q, %v", tt.name, got, ok)
		}
	}
	// What Revoke sends is what Revoked reads.
	h := &exttest.Host{Local: app}
	if err := Revoke(t.Context(), h, jid.MustParse("user@example.com/x"), "n'"); err != nil {
		t.Fatal(err)
	}
	sent := h.Sent()
	if got, ok := revoked(exttest.Parse(t, sent[0])); got != "n'" || !ok {
		t.Errorf("%s: %q, %v", sent[0], got, ok)
	}
	want := "<message to='user@example.com'><pubsub xmlns='http://jabber.org/protocol/pubsub' node='n&apos;'>" +
		"<affiliation jid='user@example.com' affiliation='none'/></pubsub></message>"
	if sent[0] != want {
		t.Errorf("got %s", sent[0])
	}
}
