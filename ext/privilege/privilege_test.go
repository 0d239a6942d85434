package privilege

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/internal/exttest"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/roster"
	"github.com/etherx-go/xmpp/stanza"
)

const open = "<privilege xmlns='urn:xmpp:privilege:2'>"

func TestGrant(t *testing.T) {
	exttest.Run(t, []exttest.Golden[Grant]{
		{Name: "XEP-0356 example 1", In: open + "<perm access='roster' type='both' push='true'/></privilege>",
			Want: Grant{Roster: Both}, Out: open + "<perm access='roster' type='both'/></privilege>"},
		{Name: "example 5", In: open + "<perm access='roster' type='both' push='true'/><perm access='message' type='outgoing'/></privilege>",
			Want: Grant{Roster: Both, Message: true}, Out: open + "<perm access='roster' type='both'/><perm access='message' type='outgoing'/></privilege>"},
		{Name: "example 8", In: open + "<perm access='iq'><namespace ns='http://jabber.org/protocol/pubsub' type='set'/></perm></privilege>",
			Want: Grant{IQ: map[string]Access{"http://jabber.org/protocol/pubsub": Set}}},
		{Name: "example 14", In: open + "<perm access='roster' type='both' push='true'/><perm access='message' type='none'/>" +
			"<perm access='iq'><namespace ns='http://jabber.org/protocol/pubsub' type='set' /></perm><perm access='presence' type='roster'/></privilege>",
			Want: Grant{Roster: Both, IQ: map[string]Access{"http://jabber.org/protocol/pubsub": Set}, Presence: Contacts},
			Out: open + "<perm access='roster' type='both'/><perm access='iq'><namespace ns='http://jabber.org/protocol/pubsub' type='set'/></perm>" +
				"<perm access='presence' type='roster'/></privilege>"},
		{Name: "no pushes", In: open + "<perm access='roster' type='get' push='false'/><perm access='presence' type='managed_entity'/></privilege>",
			Want: Grant{Roster: Get, NoPush: true, Presence: Users}},
		{Name: "what is not known", In: open + "<perm access='roster' type='all'/><perm access='x'/><perm/><a xmlns='urn:a'/>" +
			"<perm access='presence' type='x'/><perm access='iq'><namespace ns='a' type='none'/><b/></perm></privilege>", Want: Grant{}, Out: open + "</privilege>"},
		{Name: "two namespaces", In: open + "<perm access='iq'><namespace ns='a' type='get'/><namespace ns='b&lt;' type='both'/></perm></privilege>",
			Want: Grant{IQ: map[string]Access{"a": Get, "b<": Both}}},
	})
}

func TestAllows(t *testing.T) {
	for _, tt := range []struct {
		a        Access
		get, set bool
	}{{0, false, false}, {Get, true, false}, {Set, false, true}, {Both, true, true}} {
		if tt.a.Allows(stanza.TypeGet) != tt.get || tt.a.Allows(stanza.TypeSet) != tt.set || tt.a.Allows(stanza.TypeResult) {
			t.Errorf("%s", tt.a)
		}
	}
	for _, g := range []struct {
		Grant
		push bool
	}{{Grant{Roster: Get}, true}, {Grant{Roster: Both}, true}, {Grant{Roster: Set}, false}, {Grant{}, false}, {Grant{Roster: Get, NoPush: true}, false}} {
		if g.Push() != g.push {
			t.Errorf("%+v: push %v", g.Grant, g.Push())
		}
	}
	if (&Grant{Presence: Users}).IsZero() || !(&Grant{}).IsZero() {
		t.Error("IsZero")
	}
	if NoPresence.String() != "none" || Access(0).String() != "none" {
		t.Error("none")
	}
}

func TestRequest(t *testing.T) {
	const iq = "<iq xmlns='jabber:client' type='set' id='sub_1' to='romeo@montaigu.lit'><pubsub xmlns='http://jabber.org/protocol/pubsub'/></iq>"
	const in = "<privileged_iq xmlns='urn:xmpp:privilege:2'>" + iq + "</privileged_iq>"
	r, err := exttest.Decode[Request](t, in)
	if err != nil || r.IQ.ID != "sub_1" || r.IQ.Type != stanza.TypeSet || r.IQ.To != jid.MustParse("romeo@montaigu.lit") {
		t.Fatalf("got %+v, %v", r, err)
	}
	if b, err := r.AppendXML(nil); err != nil || string(b) != in {
		t.Errorf("got %s, %v", b, err)
	}
	for in, want := range map[string]stanza.Condition{
		"<privileged_iq xmlns='urn:xmpp:privilege:2'/>":                                                  stanza.BadRequest,
		"<privileged_iq xmlns='urn:xmpp:privilege:2'><iq/></privileged_iq>":                              stanza.Forbidden,
		"<privileged_iq xmlns='urn:xmpp:privilege:2'><iq xmlns='jabber:client' to='@'/></privileged_iq>": stanza.BadRequest,
	} {
		if _, err := exttest.Decode[Request](t, in); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %s", in, err, want)
		}
	}
	if _, err := (Request{}).AppendXML(nil); err == nil {
		t.Error("a request without an iq was written")
	}
	w, err := exttest.Decode[Wrapped](t, open+"<forwarded xmlns='urn:xmpp:forward:0'>"+iq+"</forwarded></privilege>")
	if err != nil || w.Stanza.ID != "sub_1" {
		t.Errorf("got %+v, %v", w, err)
	}
	if _, err := exttest.Decode[Wrapped](t, open+"</privilege>"); !errors.Is(err, stanza.BadRequest) {
		t.Errorf("nothing is forwarded: %v", err)
	}
	if b, err := w.AppendXML(nil); err != nil || string(b) != open+"<forwarded xmlns='urn:xmpp:forward:0'>"+iq+"</forwarded></privilege>" {
		t.Errorf("got %s, %v", b, err)
	}
}

// TestHelpers says what is asked of the server.
func TestHelpers(t *testing.T) {
	h := &exttest.Host{Local: jid.MustParse("pubsub.capulet.lit")}
	juliet, romeo := jid.MustParse("juliet@capulet.lit"), jid.MustParse("romeo@montague.lit")
	var answer string
	var asked *stanza.Stanza
	h.Answer = func(iq *stanza.Stanza) (*stanza.Stanza, error) {
		asked = iq
		if answer == "" {
			return iq.Reply()
		}
		return iq.Reply(stanza.Raw(answer))
	}
	answer = "<query xmlns='jabber:iq:roster' ver='ver7'><item jid='nurse@example.com'/><item jid='romeo@example.net'/></query>"
	items, err := Roster(t.Context(), h, juliet)
	if err != nil || len(items) != 2 || asked.To != juliet || asked.Type != stanza.TypeGet {
		t.Errorf("Roster: %v, %v, asked %s", items, err, asked)
	}
	answer = ""
	if err := SetRosterItem(t.Context(), h, juliet, roster.Item{JID: romeo, Name: "My Romeo"}); err != nil || asked.Type != stanza.TypeSet {
		t.Errorf("SetRosterItem: %v", err)
	}
	iq, err := stanza.New(stanza.Header{Kind: stanza.KindIQ, Type: stanza.TypeSet, ID: "sub_1", From: juliet, To: romeo}, stanza.Raw("<x xmlns='urn:x'/>"))
	if err != nil {
		t.Fatal(err)
	}
	answer = open + "<forwarded xmlns='urn:xmpp:forward:0'><iq xmlns='jabber:client' type='result' id='sub_1'><y xmlns='urn:x'/></iq></forwarded></privilege>"
	reply, err := Do(t.Context(), h, iq)
	if err != nil || !reply.Payload().Is("urn:x", "y") || asked.To != juliet || asked.Type != stanza.TypeSet ||
		!strings.Contains(asked.String(), "<privileged_iq xmlns='urn:xmpp:privilege:2'><iq xmlns='jabber:client'") {
		t.Errorf("Do: %v, %v, asked %s", reply, err, asked)
	}
	answer = strings.Replace(answer, "'result' id='sub_1'><y xmlns='urn:x'/>",
		"'error' id='sub_1'><error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>", 1)
	if _, err := Do(t.Context(), h, iq); !errors.Is(err, stanza.ItemNotFound) {
		t.Errorf("Do: %v", err)
	}
	answer = ""
	if _, err := Do(t.Context(), h, iq); !errors.Is(err, ErrNoAnswer) {
		t.Errorf("Do: %v", err)
	}
	if _, err := Do(t.Context(), h, reply); !errors.Is(err, xmpp.ErrNotRequest) {
		t.Errorf("Do: %v", err)
	}
	if err := Send(t.Context(), h, &stanza.Message{From: juliet, To: romeo, Body: "x"}); err != nil {
		t.Error(err)
	}
	sent := h.Sent()
	if got := sent[len(sent)-1]; !strings.Contains(got, "to='capulet.lit'") || !strings.Contains(got, open+"<forwarded ") {
		t.Errorf("sent %s", got)
	}
	for _, from := range []string{"", "juliet@capulet.lit/balcony"} {
		m := &stanza.Message{To: romeo}
		if from != "" {
			m.From = jid.MustParse(from)
		}
		if err := Send(t.Context(), h, m); err == nil {
			t.Errorf("sent from %q", from)
		}
	}
}

// TestExtension: only what the server says counts.
func TestExtension(t *testing.T) {
	server := jid.MustParse("capulet.lit")
	var pushed []string
	changed := 0
	e := &Extension{Servers: []jid.JID{server}, Changed: func(context.Context, jid.JID, Grant) { changed++ },
		RosterPush: func(_ context.Context, user jid.JID, it roster.Item) {
			pushed = append(pushed, user.String()+" "+it.JID.String())
		}}
	h := exttest.Attach(t, e, "pubsub.capulet.lit")
	if _, ok := e.Grant(server); ok {
		t.Error("granted before anything was said")
	}
	h.Receive(t, "<message from='evil.example' to='pubsub.capulet.lit'>"+open+"<perm access='roster' type='both'/></privilege></message>")
	h.Receive(t, "<message from='mal@capulet.lit' to='pubsub.capulet.lit'>"+open+"<perm access='roster' type='both'/></privilege></message>")
	h.Receive(t, "<message from='capulet.lit' to='pubsub.capulet.lit'>"+open+"<perm access='roster' type='get'/></privilege></message>")
	if g, ok := e.Grant(server); !ok || changed != 1 || !reflect.DeepEqual(g, Grant{Roster: Get}) {
		t.Errorf("got %+v, %v, %d changes", g, ok, changed)
	}
	const push = "<query xmlns='jabber:iq:roster'><item jid='nurse@example.com'/></query></iq>"
	for from, want := range map[string]string{"juliet@capulet.lit": "type='result'", "juliet@evil.example": "service-unavailable",
		"juliet@capulet.lit/x": "service-unavailable"} {
		if got := h.Receive(t, "<iq type='set' id='1' from='"+from+"' to='pubsub.capulet.lit'>"+push); len(got) != 1 || !strings.Contains(got[0], want) {
			t.Errorf("%s: got %q", from, got)
		}
	}
	if want := []string{"juliet@capulet.lit nurse@example.com"}; !reflect.DeepEqual(pushed, want) {
		t.Errorf("got %q", pushed)
	}
}

func FuzzGrant(f *testing.F) {
	f.Add(open + "<perm access='roster' type='both' push='true'/><perm access='iq'><namespace ns='a' type='get'/></perm></privilege>")
	f.Fuzz(func(t *testing.T, src string) { exttest.RoundTrip[Grant](t, src) })
}

func FuzzRequest(f *testing.F) {
	f.Add("<privileged_iq xmlns='urn:xmpp:privilege:2'><iq xmlns='jabber:client' type='get'><a xmlns='b'/></iq></privileged_iq>")
	f.Fuzz(func(t *testing.T, src string) {
		el, err := stanza.Raw(src).Element()
		if err != nil {
			return
		}
		var r Request
		if el.Decode(&r) != nil {
			return
		}
		b, err := r.AppendXML(nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := stanza.Raw(b).Element(); err != nil {
			t.Fatalf("%s: %v", b, err)
		}
	})
}
