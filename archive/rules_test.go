package archive_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"regexp"
	"testing"
	"time"

	"github.com/etherx-go/xmpp/archive"
	"github.com/etherx-go/xmpp/jid"
)

func TestKeeps(t *testing.T) {
	const (
		body     = "<body>Hail to thee</body>"
		noStore  = "<no-store xmlns='urn:xmpp:hints'/>"
		noPerm   = "<no-permanent-store xmlns='urn:xmpp:hints'/>"
		store    = "<store xmlns='urn:xmpp:hints'/>"
		noCopy   = "<no-copy xmlns='urn:xmpp:hints'/>"
		active   = "<active xmlns='http://jabber.org/protocol/chatstates'/>"
		omemo    = "<encrypted xmlns='eu.siacs.conversations.axolotl'><header sid='1'/></encrypted>"
		mucUser  = "<x xmlns='http://jabber.org/protocol/muc#user'/>"
		invite   = "<x xmlns='http://jabber.org/protocol/muc#user'><invite from='a@b'/></x>"
		decline  = "<x xmlns='http://jabber.org/protocol/muc#user'><decline from='a@b'/></x>"
		status   = "<x xmlns='http://jabber.org/protocol/muc#user'><status code='104'/></x>"
		result   = "<result xmlns='urn:xmpp:mam:2' id='1'/>"
		carbon   = "<received xmlns='urn:xmpp:carbons:2'/>"
		received = "<received xmlns='urn:xmpp:receipts' id='1'/>"
	)
	for _, tt := range []struct {
		name, typ, in string
		want          bool
	}{
		{"XEP-0313 6.1.1 a chat message", "chat", body, true},
		{"XEP-0313 6.1.1 a normal message", "normal", body, true},
		{"XEP-0313 6.1.1 without a type", "", body, true},
		{"a type that is not known", "talk", body, true},
		{"XEP-0313 6.1.1 a headline", "headline", body, false},
		{"a headline with a hint", "headline", body + store, false},
		{"an error", "error", body, false},
		{"XEP-0334 4.4 an error with a hint", "error", body + store, false},
		{"XEP-0313 6.1.2 a room's message", "groupchat", body, false},
		{"XEP-0313 6.1.2 a room's subject", "groupchat", "<subject>x</subject>", false},
		{"what a room says of itself", "groupchat", status, false},
		{"a room's message, not to be kept", "groupchat", body + noStore, false},
		{"XEP-0313 3 a chat state", "chat", active, false},
		{"a chat state in a thread", "chat", "<thread>1</thread>" + active, false},
		{"a chat state with a body", "chat", active + body, true},
		{"nothing", "chat", "", false},
		{"a subject alone", "normal", "<subject>x</subject>", true},
		{"XEP-0334 4.1 no-permanent-store", "chat", body + noPerm, false},
		{"XEP-0334 4.2 no-store", "chat", noStore + body, false},
		{"XEP-0334 4.3 no-copy", "chat", noCopy + body, true},
		{"XEP-0334 4.4 store", "chat", active + store, true},
		{"store and no-store", "chat", store + noStore, false},
		{"encrypted", "chat", omemo, true},
		{"encrypted, not to be kept", "chat", omemo + noStore, false},
		{"XEP-0373", "", "<openpgp xmlns='urn:xmpp:openpgp:0'/>", true},
		{"XEP-0027", "chat", "<x xmlns='jabber:x:encrypted'>x</x>", true},
		{"a receipt", "chat", received, true},
		{"a request for a receipt", "chat", "<request xmlns='urn:xmpp:receipts'/>", false},
		{"a marker", "chat", "<displayed xmlns='urn:xmpp:chat-markers:0' id='1'/>", true},
		{"a request for a marker", "chat", "<markable xmlns='urn:xmpp:chat-markers:0'/>", false},
		{"XEP-0249 an invitation", "", "<x xmlns='jabber:x:conference' jid='a@b'/>", true},
		{"XEP-0045 an invitation", "", invite, true},
		{"XEP-0045 one that is declined", "", decline, true},
		{"XEP-0045 a private message", "chat", body + mucUser, true},
		{"an empty private message", "chat", mucUser, false},
		{"a reaction", "chat", "<reactions xmlns='urn:xmpp:reactions:0' id='1'/>", true},
		{"a call", "chat", "<propose xmlns='urn:xmpp:jingle-message:0' id='1'/>", true},
		{"a notification of pubsub", "", "<event xmlns='http://jabber.org/protocol/pubsub#event'/>", false},
		{"what an archive sends", "", result, false},
		{"a carbon", "chat", carbon, false},
		{"a body of somebody else's", "chat", "<body xmlns='urn:x'>x</body>", false},
	} {
		src := "<message to='a@b' from='c@d/e'>" + tt.in + "</message>"
		st := parse(t, src)
		if tt.typ != "" {
			st = parse(t, "<message type='"+tt.typ+"' to='a@b' from='c@d/e'>"+tt.in+"</message>")
		}
		if got := archive.Keeps(st); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
	for _, src := range []string{"<presence><body>x</body></presence>", "<iq type='set'><body/></iq>"} {
		if archive.Keeps(parse(t, src)) {
			t.Errorf("%s is kept", src)
		}
	}
}

// TestKeepsContent: what is no body, and worth keeping all the same.
func TestKeepsContent(t *testing.T) {
	for _, ns := range []string{
		"eu.siacs.conversations.axolotl", "urn:xmpp:omemo:1", "urn:xmpp:omemo:2", "urn:xmpp:openpgp:0", "jabber:x:encrypted",
		"urn:xmpp:eme:0", "jabber:x:conference", "jabber:x:oob", "urn:xmpp:reactions:0", "urn:xmpp:fasten:0",
		"urn:xmpp:message-retract:0", "urn:xmpp:message-retract:1", "urn:xmpp:jingle-message:0", "urn:xmpp:jingle-message:1",
		"urn:xmpp:call-invites:0", "urn:xmpp:sfs:0", "urn:xmpp:message-correct:0", "urn:xmpp:message-moderate:1",
	} {
		if !archive.Keeps(parse(t, "<message type='chat'><x xmlns='"+ns+"'/></message>")) {
			t.Errorf("%s is not kept", ns)
		}
	}
}

func TestAllow(t *testing.T) {
	bare, full, other := jid.MustParse("romeo@montague.lit"), jid.MustParse("romeo@montague.lit/orchard"), jid.MustParse("romeo@montague.lit/street")
	list := func(all ...jid.JID) []jid.JID { return all }
	fail := errors.New("fail")
	for _, tt := range []struct {
		name string
		p    archive.Preferences
		with jid.JID
		want bool
		err  error
	}{
		{"nothing chosen", archive.Preferences{}, full, true, nil},
		{"XEP-0441 2.1.1 always", archive.Preferences{Default: archive.Always}, full, true, nil},
		{"XEP-0441 2.1.1 never", archive.Preferences{Default: archive.Never}, full, false, nil},
		{"XEP-0441 2.1.1 roster", archive.Preferences{Default: archive.Roster}, jid.MustParse("friend@x/y"), true, nil},
		{"XEP-0441 2.1.1 not in the roster", archive.Preferences{Default: archive.Roster}, full, false, nil},
		{"no roster", archive.Preferences{Default: archive.Roster}, jid.MustParse("fail@x"), false, fail},
		{"XEP-0441 2.3.1 a bare address, always", archive.Preferences{Default: archive.Never, Always: list(bare)}, full, true, nil},
		{"XEP-0441 2.3.1 a bare address, never", archive.Preferences{Default: archive.Always, Never: list(bare)}, full, false, nil},
		{"XEP-0441 2.3.1 a full address", archive.Preferences{Default: archive.Never, Always: list(full)}, full, true, nil},
		{"XEP-0441 2.3.1 another resource", archive.Preferences{Default: archive.Never, Always: list(full)}, other, false, nil},
		{"XEP-0441 2.3.1 a full address, of a bare one", archive.Preferences{Default: archive.Never, Always: list(full)}, bare, false, nil},
		{"the full one counts more", archive.Preferences{Default: archive.Never, Always: list(full), Never: list(bare)}, full, true, nil},
		{"the full one counts more, never", archive.Preferences{Default: archive.Always, Always: list(bare), Never: list(full)}, full, false, nil},
		{"in both lists", archive.Preferences{Default: archive.Always, Always: list(bare), Never: list(bare)}, full, false, nil},
		{"the roster is not asked", archive.Preferences{Default: archive.Roster, Never: list(jid.MustParse("fail@x"))}, jid.MustParse("fail@x"), false, nil},
	} {
		got, err := tt.p.Allow(t.Context(), tt.with, func(_ context.Context, contact jid.JID) (bool, error) {
			switch contact.String() {
			case "fail@x":
				return false, fail
			case "friend@x":
				return true, nil
			}
			return false, nil
		})
		if got != tt.want || err != tt.err {
			t.Errorf("%s: %v, %v", tt.name, got, err)
		}
	}
}

func TestNextID(t *testing.T) {
	form := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	now := at(t, "2026-03-01T12:00:00Z")
	seen := make(map[string]bool)
	last := ""
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	for i := range 20000 { // more than one millisecond has room for
		when := now
		if i > 10000 { // back and forth
			when = now.Add(time.Duration(rnd.IntN(4000)-2000) * time.Millisecond)
		}
		id := archive.NextID(last, when)
		if !form.MatchString(id) || id <= last || seen[id] {
			t.Fatalf("%s after %s", id, last)
		}
		if i <= 1000 && (id < archive.IDFloor(now) || id >= archive.IDFloor(now.Add(time.Millisecond)) && i == 0) {
			t.Fatalf("%s is not of %v", id, now)
		}
		seen[id], last = true, id
	}
	for _, when := range []time.Time{{}, now.AddDate(-200, 0, 0), now.AddDate(20000, 0, 0)} {
		if id := archive.NextID("", when); !form.MatchString(id) {
			t.Errorf("%v: %s", when, id)
		}
	}
	for _, foreign := range []string{"x", "28482-98726-73623", "zzzzzzzz-zzzz-7zzz-zzzz-zzzzzzzzzzzz"} {
		if id := archive.NextID(foreign, now); !form.MatchString(id) || id[:13] != archive.IDFloor(now)[:13] {
			t.Errorf("after %s: %s", foreign, id)
		}
	}
	if a, b := archive.NextID("", now), archive.NextID("", now); a[19:] == b[19:] {
		t.Errorf("%s and %s can be guessed", a, b)
	}
}
