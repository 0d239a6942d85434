package push

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/etherx-go/xmpp/ext/form"
	"github.com/etherx-go/xmpp/ext/internal/exttest"
	"github.com/etherx-go/xmpp/ext/internal/hosttest"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

var (
	app     = jid.MustParse("push-5.client.example")
	account = jid.MustParse("user@example.com")
	mobile  = jid.MustParse("user@example.com/mobile")
	juliet  = jid.MustParse("juliet@capulet.example/balcony")
)

// What the examples of XEP-0357 have in common.
const (
	node    = "yxs32uqsflafdk3iuqo"
	options = "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>http://jabber.org/protocol/pubsub#publish-options</value></field>" +
		"<field var='secret'><value>eruio234vzxc2kla-91</value></field></x>"
	summary = "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>urn:xmpp:push:summary</value></field>" +
		"<field var='message-count'><value>1</value></field>" +
		"<field var='last-message-sender'><value>juliet@capulet.example/balcony</value></field>" +
		"<field var='last-message-body'><value>Wherefore art thou, Romeo?</value></field></x>"
	additional   = "<additional xmlns='http://example.com/custom'>Additional custom elements</additional>"
	notification = "<notification xmlns='urn:xmpp:push:0'>" + summary + additional + "</notification>"
	example12    = "<pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='" + node + "'><item>" + notification + "</item></publish></pubsub>"
	example13    = "<pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='" + node + "'><item>" + notification + "</item></publish>" +
		"<publish-options>" + options + "</publish-options></pubsub>"
)

var (
	withSecret = Registration{Service: app, Node: node, Options: []form.Field{Secret("eruio234vzxc2kla-91")}}
	wherefore  = Notification{
		Messages: 1, Sender: juliet, Body: "Wherefore art thou, Romeo?", Other: []stanza.Raw{additional},
	}
)

// untyped is a form as the examples of XEP-0357 have it: without type.
func untyped(s string) string { return strings.ReplaceAll(s, " type='submit'", "") }

func TestRegistration(t *testing.T) {
	const open = "<enable xmlns='urn:xmpp:push:0' jid='push-5.client.example'"
	exttest.Run(t, []exttest.Golden[Registration]{
		{Name: "XEP-0357 example 8", In: open + " node='" + node + "' />", Want: Registration{Service: app, Node: node},
			Out: open + " node='" + node + "'/>"},
		{Name: "XEP-0357 example 9", In: open + " node='" + node + "'>" + options + "</enable>", Want: withSecret},
		{Name: "form without type", In: open + " node='" + node + "'>" + untyped(options) + "</enable>", Want: withSecret,
			Out: open + " node='" + node + "'>" + options + "</enable>"},
		{Name: "without node", In: open + "/>", Want: Registration{Service: app}},
		{Name: "another form", In: open + ">" + summary + "<a xmlns='urn:a'/></enable>", Want: Registration{Service: app}, Out: open + "/>"},
		{Name: "without service", In: "<enable xmlns='urn:xmpp:push:0' node='x'/>", Err: true},
		{Name: "no address", In: "<enable xmlns='urn:xmpp:push:0' jid='@'/>", Err: true},
	})
	if _, err := (Registration{}).AppendXML(nil); !errors.Is(err, stanza.BadRequest) {
		t.Errorf("no service: %v", err)
	}
}

func TestRemoval(t *testing.T) {
	const open = "<disable xmlns='urn:xmpp:push:0' jid='push-5.client.example'"
	exttest.Run(t, []exttest.Golden[removal]{
		{Name: "XEP-0357 example 10", In: open + "/>", Want: removal{service: app}},
		{Name: "XEP-0357 example 11", In: open + " node='" + node + "'/>", Want: removal{app, node}},
		{Name: "without service", In: "<disable xmlns='urn:xmpp:push:0'/>", Err: true},
	})
	if _, err := (removal{}).AppendXML(nil); !errors.Is(err, stanza.BadRequest) {
		t.Errorf("no service: %v", err)
	}
}

func TestNotification(t *testing.T) {
	form := func(fields string) string {
		return "<notification xmlns='urn:xmpp:push:0'><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>" +
			"<value>urn:xmpp:push:summary</value></field>" + fields + "</x></notification>"
	}
	const empty = "<notification xmlns='urn:xmpp:push:0'/>"
	exttest.Run(t, []exttest.Golden[Notification]{
		{Name: "XEP-0357 example 12", In: notification, Want: wherefore},
		{Name: "without types", In: untyped(notification), Want: wherefore, Out: notification},
		{Name: "requests", In: form("<field var='pending-subscription-count'><value>3</value></field>"), Want: Notification{Requests: 3}},
		{Name: "nothing", In: empty},
		{Name: "malformed", In: form("<field var='message-count'><value>-1</value></field>" +
			"<field var='pending-subscription-count'><value>x</value></field><field var='last-message-sender'><value>@</value></field>" +
			"<field var='other'><value>1</value></field>"), Out: empty},
		{Name: "another form", In: "<notification xmlns='urn:xmpp:push:0'>" + options + "</notification>",
			Out: empty},
	})
	if _, err := (Notification{Other: []stanza.Raw{"<"}}).AppendXML(nil); err == nil {
		t.Error("what is no element was written")
	}
	if _, err := (Publication{Notification: Notification{Other: []stanza.Raw{"<"}}}).AppendXML(nil); err == nil {
		t.Error("what is no element was written")
	}
}

func TestPublication(t *testing.T) {
	const open, end = "<pubsub xmlns='http://jabber.org/protocol/pubsub'>", "</pubsub>"
	exttest.Run(t, []exttest.Golden[Publication]{
		{Name: "XEP-0357 example 12", In: example12, Want: Publication{Node: node, Notification: wherefore}},
		{Name: "XEP-0357 example 13", In: example13, Want: Publication{Node: node, Notification: wherefore, Options: withSecret.Options}},
		{Name: "as the example has it", In: untyped(example13), Out: example13,
			Want: Publication{Node: node, Notification: wherefore, Options: withSecret.Options}},
		{Name: "with id, without node", In: open + "<publish><item id='1'><notification xmlns='urn:xmpp:push:0'/></item></publish>" + end,
			Want: Publication{ID: "1"}},
		{Name: "two notifications", In: open + "<publish><item><notification xmlns='urn:xmpp:push:0'/></item><item><notification xmlns='urn:xmpp:push:0'/></item></publish>" + end, Err: true},
		{Name: "two", In: open + "<publish><item/><item/></publish>" + end, Err: true},
		{Name: "none", In: open + "<publish node='x'/>" + end, Err: true},
		{Name: "something else", In: open + "<publish node='x'><item><a xmlns='urn:a'/></item></publish>" + end, Err: true},
	})
	for in, want := range map[string]stanza.Condition{
		open + "<subscribe node='x' jid='a@b'/>" + end: stanza.FeatureNotImplemented,
		open + "<publish node='x'/>" + end:             stanza.BadRequest,
	} {
		if _, err := exttest.Decode[Publication](t, in); !errors.Is(err, want) {
			t.Errorf("%s: %v", in, err)
		}
	}
	p := Publication{Options: withSecret.Options}
	if p.Option("secret") != "eruio234vzxc2kla-91" || p.Option("x") != "" {
		t.Error("options")
	}
}

func TestDevices(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 123_000_000, time.UTC)
	all := Devices{
		{withSecret, "mobile", at}, {Registration{Service: app}, "", at.Add(time.Hour)},
		{Registration{app, "x", []form.Field{{
			Var: "a", Type: form.ListMulti, Label: "b", Desc: "c", Required: true, Values: []string{"1", ""},
			Options: []form.Option{{Label: "l", Value: "v"}},
		}}}, "<'&\">", at},
	}
	text, err := all.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	var again Devices
	if err := again.UnmarshalText(text); err != nil || !reflect.DeepEqual(again, all) || !reflect.DeepEqual(all.Clone(), all) {
		t.Errorf("got %+v, %v, want %+v\nfrom %s", again, err, all, text)
	}
	c := all.Clone()
	c[0].Options[0].Values[0], c[2].Options[0].Options[0].Value = "changed", "changed"
	if !reflect.DeepEqual(again, all) {
		t.Error("a clone shares memory")
	}
	for _, text := range []string{
		"<", "<devices><enable/></devices>", "<devices><enable jid='@' enabled='2026-03-01T12:00:00Z'/></devices>",
		"<devices><enable jid='a' enabled='yesterday'/></devices>",
	} {
		if err := again.UnmarshalText([]byte(text)); err == nil || len(again) != 3 {
			t.Errorf("%s: %+v, %v", text, again, err)
		}
	}
	if err := again.UnmarshalText(nil); err != nil || again != nil {
		t.Errorf("nothing: %v, %v", again, err)
	}
	if text, err := again.MarshalText(); len(text) != 0 || err != nil {
		t.Errorf("nothing: %s, %v", text, err)
	}
	if _, err := (Devices{{}}).MarshalText(); !errors.Is(err, stanza.BadRequest) {
		t.Errorf("no service: %v", err)
	}
}

// TestClient: the requests of the examples.
func TestClient(t *testing.T) {
	h := &exttest.Host{Local: mobile}
	const target = " xmlns='urn:xmpp:push:0' jid='push-5.client.example'"
	table := []struct {
		name string
		err  error
		want string
	}{
		{"XEP-0357 example 8", Enable(t.Context(), h, Registration{Service: app, Node: node}), "<enable" + target + " node='" + node + "'/>"},
		{"XEP-0357 example 9", Enable(t.Context(), h, withSecret), "<enable" + target + " node='" + node + "'>" + options + "</enable>"},
		{"XEP-0357 example 10", Disable(t.Context(), h, app, ""), "<disable" + target + "/>"},
		{"XEP-0357 example 11", Disable(t.Context(), h, app, node), "<disable" + target + " node='" + node + "'/>"},
	}
	for i, got := range h.Sent() {
		tt := table[i]
		if want := "<iq type='set'>" + tt.want + "</iq>"; tt.err != nil || got != want {
			t.Errorf("%s: %v\ngot  %s\nwant %s", tt.name, tt.err, got, want)
		}
	}
	h.Fail = stanza.NewError(stanza.ServiceUnavailable, "")
	if err := Enable(t.Context(), h, withSecret); !errors.Is(err, stanza.ServiceUnavailable) {
		t.Errorf("got %v", err)
	}
	if err := Disable(t.Context(), h, jid.JID{}, ""); !errors.Is(err, stanza.BadRequest) {
		t.Errorf("got %v", err)
	}
}

func TestExtension(t *testing.T) {
	var failed error
	x := &Extension{Registration: withSecret, Failed: func(err error) { failed = err }}
	h := exttest.Attach(t, x, mobile.String())
	x.SessionUp(t.Context(), h)
	if got := h.Sent(); len(got) != 1 || !strings.Contains(got[0], "<enable ") || failed != nil {
		t.Errorf("sent %q, failed %v", got, failed)
	}
	x.SessionDown(h, nil)
	h.Fail = stanza.ServiceUnavailable
	x.SessionUp(t.Context(), h)
	if failed == nil {
		t.Error("nobody was told")
	}
	if err := new(Extension).Attach(h); err == nil {
		t.Error("there is no service")
	}
	if err := x.Attach(hosttest.NewServer(t, "example.com")); err == nil {
		t.Error("it is for servers")
	}
}

func FuzzPayloads(f *testing.F) {
	for _, src := range []string{
		"<enable xmlns='urn:xmpp:push:0' jid='push-5.client.example' node='x'>" + options + "</enable>",
		"<disable xmlns='urn:xmpp:push:0' jid='push-5.client.example'/>", notification, untyped(notification), example12, example13,
		"<pubsub xmlns='http://jabber.org/protocol/pubsub' node='x'><affiliation jid='user@example.com' affiliation='none'/></pubsub>",
	} {
		f.Add(src)
	}
	f.Fuzz(func(t *testing.T, src string) {
		exttest.RoundTrip[Registration](t, src)
		exttest.RoundTrip[removal](t, src)
		exttest.RoundTrip[Notification](t, src)
		exttest.RoundTrip[Publication](t, src)
		if st, err := stanza.Parse("<message to='user@example.com'>" + src + "</message>"); err == nil {
			revoked(st)
			Warrants(st)
			Bodies(account, Device{}, st)
		}
	})
}

func FuzzDevices(f *testing.F) {
	f.Add("<devices xmlns='urn:xmpp:push:0'><enable xmlns='urn:xmpp:push:0' jid='a' node='b' resource='c' enabled='2026-03-01T12:00:00Z'>" +
		options + "</enable></devices>")
	f.Add("<devices><enable jid='a' enabled='2026-03-01T12:00:00Z'><x xmlns='jabber:x:data'><field var='FORM_TYPE'>" +
		"<value>http://jabber.org/protocol/pubsub#publish-options</value></field></x></enable></devices>")
	f.Fuzz(func(t *testing.T, src string) {
		var all, again Devices
		if all.UnmarshalText([]byte(src)) != nil {
			return
		}
		text, err := all.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		if err := again.UnmarshalText(text); err != nil || len(again) != len(all) {
			t.Fatalf("%s: %+v, again %+v, %v", src, all, again, err)
		}
		for i := range all {
			if !reflect.DeepEqual(all[i].Registration, again[i].Registration) || all[i].Resource != again[i].Resource {
				t.Fatalf("%s: %+v, again %+v", src, all[i], again[i])
			}
		}
	})
}
