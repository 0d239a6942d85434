package disco

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/form"
	"github.com/etherx-go/xmpp/ext/internal/hosttest"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

const (
	info  = "<query xmlns='http://jabber.org/protocol/disco#info'"
	items = "<query xmlns='http://jabber.org/protocol/disco#items'"
)

// TestInfoXML reads and writes disco#info, with the examples of XEP-0030 and
// XEP-0128.
func TestInfoXML(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     Info
		out      string // "" if it is as in
	}{
		{name: "example 1", in: info + "/>", want: Info{}},
		{name: "example 9", in: info + " node='http://jabber.org/protocol/commands'/>", want: Info{Node: "http://jabber.org/protocol/commands"}},
		{
			name: "GUIDE-9-agent-7 GUIDE-9-agent-9 example 2",
			in: info + "><identity category='conference' type='text' name='Play-Specific Chatrooms'/>" +
				"<identity category='directory' type='chatroom' name='Play-Specific Chatrooms'/>" +
				"<feature var='http://jabber.org/protocol/muc'/><feature var='jabber:iq:register'/><feature var='jabber:iq:search'/></query>",
			want: Info{
				Identities: []Identity{{"conference", "text", "Play-Specific Chatrooms", ""}, {"directory", "chatroom", "Play-Specific Chatrooms", ""}},
				Features:   []string{"http://jabber.org/protocol/muc", "jabber:iq:register", "jabber:iq:search"},
			},
		},
		{
			name: "a gateway, its name and its description in a form",
			in: info + "><identity category='gateway' type='icq' name='ICQ Service'/><feature var='jabber:iq:register'/>" +
				"<x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' type='hidden'><value>urn:example:about</value></field>" +
				"<field var='description'><value>This is the ICQ Service for connecting to ICQ users.</value></field></x></query>",
			want: Info{
				Identities: []Identity{{Category: "gateway", Type: "icq", Name: "ICQ Service"}},
				Features:   []string{"jabber:iq:register"},
				Forms: []form.Data{form.New(form.Result, "urn:example:about",
					form.Field{Var: "description", Values: []string{"This is the ICQ Service for connecting to ICQ users."}})},
			},
		},
		{
			name: "languages",
			in: "<query xmlns='http://jabber.org/protocol/disco#info' xml:lang='de'><identity category='client' type='pc' name='Psi 0.11' xml:lang='en'/>" +
				"<identity category='client' type='pc' name='&lt;&apos;'/></query>",
			want: Info{Lang: "de", Identities: []Identity{{"client", "pc", "Psi 0.11", "en"}, {"client", "pc", "<'", ""}}},
			out: info + "><identity category='client' type='pc' name='Psi 0.11' xml:lang='en'/>" +
				"<identity category='client' type='pc' name='&lt;&apos;'/></query>",
		},
		{
			name: "what is not defined",
			in:   info + " a='b'><identity/><feature/><identity xmlns='urn:x'/><evil/><set xmlns='urn:y'/></query>",
			want: Info{Identities: []Identity{{}}, Features: []string{""}, Unknown: 3},
			out:  info + "><identity category='' type=''/><feature var=''/></query>",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			el, err := stanza.Raw(tt.in).Element()
			if err != nil {
				t.Fatal(err)
			}
			got := Info{Node: "left over", Unknown: 9}
			if err := el.Decode(&got); err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %+v, %v, want %+v", got, err, tt.want)
			}
			want := tt.out
			if want == "" {
				want = tt.in
			}
			if b, err := got.AppendXML(nil); err != nil || string(b) != want {
				t.Errorf("got %s, %v, want %s", b, err, want)
			}
		})
	}
}

// TestItemsXML reads and writes disco#items.
func TestItemsXML(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     Items
		out      string // "" if it is as in
	}{
		{name: "example 11", in: items + "/>", want: Items{}},
		{name: "example 18", in: items + " node='music'/>", want: Items{Node: "music"}},
		{
			name: "example 23", in: items + " node='http://jabber.org/protocol/tune'>" +
				"<item jid='pubsub.shakespeare.lit' node='s623nms9s3bfh8js' name='Romeo&apos;s CD player'/><item jid='tunes.characters.lit'/></query>",
			want: Items{"http://jabber.org/protocol/tune", []Item{
				{jid.MustParse("pubsub.shakespeare.lit"), "s623nms9s3bfh8js", "Romeo's CD player"}, {JID: jid.MustParse("tunes.characters.lit")}}},
		},
		{
			name: "without address, in another namespace",
			in:   items + "><item/><item jid='@'/><item xmlns='urn:x' jid='a.b'/><item jid='a.b'><x xmlns='urn:x'/>text</item></query>",
			want: Items{Items: []Item{{JID: jid.MustParse("a.b")}}},
			out:  items + "><item jid='a.b'/></query>",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			el, err := stanza.Raw(tt.in).Element()
			if err != nil {
				t.Fatal(err)
			}
			got := Items{Node: "left over"}
			if err := el.Decode(&got); err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %+v, %v, want %+v", got, err, tt.want)
			}
			want := tt.out
			if want == "" {
				want = tt.in
			}
			if b, err := got.AppendXML(nil); err != nil || string(b) != want {
				t.Errorf("got %s, %v, want %s", b, err, want)
			}
		})
	}
}

func TestInfoQuestions(t *testing.T) {
	i := Info{
		Identities: []Identity{{Category: "conference", Type: "text"}}, Features: []string{"jabber:iq:register"},
		Forms: []form.Data{form.New(form.Result, "urn:a", form.String("x", "1")), form.New(form.Result, "urn:b", form.String("x", "2"))},
	}
	if !i.Has("jabber:iq:register") || i.Has("jabber:iq:search") || !i.Has(NSInfo) || i.Has(NSItems) {
		t.Error("Has")
	}
	if !i.Is("conference", "text") || !i.Is("conference", "") || i.Is("conference", "irc") || i.Is("gateway", "") {
		t.Error("Is")
	}
	if i.Form("urn:b").Text("x") != "2" || i.Form("urn:c") != nil {
		t.Error("Form")
	}
	if (&Info{}).Has(NSInfo) {
		t.Error("an empty answer shows a feature")
	}
}

// feature is an extension with a feature.
type feature struct{ name string }

func (feature) Attach(xmpp.Host) error         { return nil }
func (f feature) Features(at jid.JID) []string { return []string{f.name, f.name + ":" + at.Domain()} }

// TestClient asks a client.
func TestClient(t *testing.T) {
	e := &Extension{
		Identities: []Identity{{Category: "client", Type: "pc", Name: "Gabber"}},
		Forms:      []form.Data{form.New(form.Result, "urn:a", form.String("x", "1"))},
		Services:   []Item{{JID: jid.MustParse("a@b/c"), Node: "books"}},
		Items: func(_ context.Context, q Query) ([]Item, error) {
			return []Item{{JID: q.To, Node: "of " + q.From.String()}}, nil
		},
		Nodes: map[string]Node{
			"static": {Info: func(_ context.Context, q Query) (Info, error) {
				return Info{Features: []string{"urn:" + q.Node}, Node: "forgotten"}, nil
			}},
			"leaf": {Items: func(context.Context, Query) ([]Item, error) { return nil, stanza.NotAllowed }},
		},
		Allow: func(from jid.JID) bool { return from.Domain() != "evil.lit" },
	}
	c := hosttest.New(t, "romeo@montague.lit/orchard", feature{"jabber:iq:time"}, e)
	e.AddNodes(func(q Query) (Node, bool) {
		return Node{Items: func(context.Context, Query) ([]Item, error) {
			return []Item{{JID: q.To, Node: q.Node + "/1"}}, nil
		}}, strings.HasPrefix(q.Node, "dynamic")
	})
	e.AddNodes(func(q Query) (Node, bool) { return Node{}, q.Node == "bare" })
	const own = "><identity category='client' type='pc' name='Gabber'/><feature var='http://jabber.org/protocol/disco#info'/>" +
		"<feature var='http://jabber.org/protocol/disco#items'/><feature var='jabber:iq:time'/><feature var='jabber:iq:time:montague.lit'/>" +
		"<x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' type='hidden'><value>urn:a</value></field>" +
		"<field var='x' type='text-single'><value>1</value></field></x></query>"
	for _, tt := range []struct{ name, from, query, want string }{
		{"who one is, and what one can do", "juliet@capulet.lit/x", info + "/>", info + own},
		{"a node", "juliet@capulet.lit/x", info + " node='static'/>", info + " node='static'><feature var='urn:static'/></query>"},
		{"information on a node that has none", "juliet@capulet.lit/x", info + " node='leaf'/>", "item-not-found"},
		{"information on a node that is not there", "juliet@capulet.lit/x", info + " node='nothing'/>", "item-not-found"},
		{"items", "juliet@capulet.lit/x", items + "/>", items + "><item jid='a@b/c' node='books'/>" +
			"<item jid='romeo@montague.lit/orchard' node='of juliet@capulet.lit/x'/></query>"},
		{"items of a node", "juliet@capulet.lit/x", items + " node='dynamic'/>", items + " node='dynamic'>" +
			"<item jid='romeo@montague.lit/orchard' node='dynamic/1'/></query>"},
		{"items of a node that has none", "juliet@capulet.lit/x", items + " node='static'/>", items + " node='static'/>"},
		{"items of a node that another has found", "juliet@capulet.lit/x", items + " node='bare'/>", items + " node='bare'/>"},
		{"a node that refuses", "juliet@capulet.lit/x", items + " node='leaf'/>", "not-allowed"},
		{"items of a node that is not there", "juliet@capulet.lit/x", items + " node='nothing'/>", "item-not-found"},
		{"not allowed to ask", "mal@evil.lit/x", info + "/>", "service-unavailable"},
		{"not allowed to ask for items", "mal@evil.lit/x", items + "/>", "service-unavailable"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, to := range []string{" to='romeo@montague.lit/orchard'", ""} {
				got := c.Ask("<iq type='get' id='1' from='" + tt.from + "'" + to + ">" + tt.query + "</iq>")
				if !strings.Contains(got, tt.want) {
					t.Errorf("got %s, want %s", got, tt.want)
				}
			}
		})
	}
	if got := e.Info(c.LocalAddr()); len(got.Features) != 4 || got.Identities[0].Name != "Gabber" {
		t.Errorf("Info: %+v", got)
	}
	e = &Extension{MaxItems: -1, Items: func(context.Context, Query) ([]Item, error) { return nil, stanza.Forbidden }}
	c = hosttest.New(t, "romeo@montague.lit/orchard", e)
	if got := c.Ask("<iq type='get' id='1' from='a@b'>" + info + "/></iq>"); !strings.Contains(got, "<identity category='client' type='bot'/>") {
		t.Errorf("an extension without settings: %s", got)
	}
	if got := c.Ask("<iq type='get' id='1' from='a@b'>" + items + "/></iq>"); !strings.Contains(got, "<forbidden") {
		t.Errorf("items that are refused: %s", got)
	}
	if got := c.Ask("<iq type='set' id='1' from='a@b'>" + items + "/></iq>"); !strings.Contains(got, "<service-unavailable") {
		t.Errorf("publishing of items, which is no more: %s", got)
	}
}

// TestServer asks a server: domains, and accounts by the rules of XEP-0030,
// section 8.
func TestServer(t *testing.T) {
	e := &Extension{
		Services: []Item{{JID: jid.MustParse("people.capulet.lit"), Name: "Directory"}, {JID: jid.MustParse("plays.capulet.lit")}},
		Nodes:    map[string]Node{"domain": {}},
	}
	s := hosttest.NewServer(t, "capulet.lit", feature{"f"}, e)
	s.Accounts = []string{"juliet@capulet.lit", "nurse@capulet.lit"}
	s.Sees = []string{"romeo@montague.lit juliet@capulet.lit", "romeo@montague.lit nobody@capulet.lit"}
	s.Online = []string{"juliet@capulet.lit/balcony", "nurse@capulet.lit/x", "juliet@capulet.lit/chamber"}
	e.AddNodes(func(q Query) (Node, bool) {
		return Node{
			Info:  func(context.Context, Query) (Info, error) { return Info{Features: []string{"pep"}}, nil },
			Items: func(context.Context, Query) ([]Item, error) { return []Item{{JID: q.To, Node: "open"}}, nil },
		}, q.Node == "pep" && q.To.Local() != ""
	})
	const (
		account = "><identity category='account' type='registered'/><feature var='f'/><feature var='f:capulet.lit'/>" +
			"<feature var='http://jabber.org/protocol/disco#info'/><feature var='http://jabber.org/protocol/disco#items'/></query>"
		resources = "><item jid='juliet@capulet.lit/balcony'/><item jid='juliet@capulet.lit/chamber'/></query>"
	)
	for _, tt := range []struct{ name, from, to, query, want string }{
		{"a domain", "a@b/c", "capulet.lit", info + "/>", info + "><identity category='server' type='im'/><feature var='f'/>"},
		{"the services of a domain", "a@b/c", "capulet.lit", items + "/>",
			items + "><item jid='people.capulet.lit' name='Directory'/><item jid='plays.capulet.lit'/></query>"},
		{"a node of the domain", "a@b/c", "capulet.lit", items + " node='domain'/>", items + " node='domain'/>"},
		{"a node of the domain at an account", "romeo@montague.lit/x", "juliet@capulet.lit", items + " node='domain'/>", "item-not-found"},
		{"a resource of the domain", "a@b/c", "capulet.lit/x", info + "/>", "service-unavailable"},
		{"XEP-0030 3.1 an account", "romeo@montague.lit/x", "juliet@capulet.lit", info + "/>", info + account},
		{"the own account", "juliet@capulet.lit/balcony", "juliet@capulet.lit", info + "/>", info + account},
		{"XEP-0030 8 1.1 an account that does not exist", "romeo@montague.lit/x", "nobody@capulet.lit", info + "/>", "service-unavailable"},
		{"XEP-0030 8 1.1 with a node", "romeo@montague.lit/x", "nobody@capulet.lit", info + " node='pep'/>", "service-unavailable"},
		{"XEP-0030 8 1.2 an account that may not be seen", "mal@evil.lit/x", "juliet@capulet.lit", info + "/>", "service-unavailable"},
		{"XEP-0030 8 1.2 with a node", "mal@evil.lit/x", "juliet@capulet.lit", info + " node='pep'/>", "service-unavailable"},
		{"a node of an account", "romeo@montague.lit/x", "juliet@capulet.lit", info + " node='pep'/>", info + " node='pep'><feature var='pep'/></query>"},
		{"a node that an account has not", "romeo@montague.lit/x", "juliet@capulet.lit", info + " node='x'/>", "item-not-found"},
		{"XEP-0030 4.1 the resources of an account", "romeo@montague.lit/x", "juliet@capulet.lit", items + "/>", items + resources},
		{"the own resources", "juliet@capulet.lit/balcony", "juliet@capulet.lit", items + "/>", items + resources},
		{"XEP-0030 8 2.1 items of an account that does not exist", "romeo@montague.lit/x", "nobody@capulet.lit", items + "/>", ">" + items + "/></iq>"},
		{"XEP-0030 8 2.1 with a node", "romeo@montague.lit/x", "nobody@capulet.lit", items + " node='pep'/>", ">" + items + " node='pep'/></iq>"},
		{"XEP-0030 8 2.2 items of an account that may not be seen", "mal@evil.lit/x", "juliet@capulet.lit", items + "/>", ">" + items + "/></iq>"},
		{"the node that is open to all", "mal@evil.lit/x", "juliet@capulet.lit", items + " node='pep'/>",
			items + " node='pep'><item jid='juliet@capulet.lit' node='open'/></query>"},
		{"a node that an account has not, to a stranger", "mal@evil.lit/x", "juliet@capulet.lit", items + " node='x'/>", ">" + items + " node='x'/></iq>"},
		{"a node that an account has not, to a friend", "romeo@montague.lit/x", "juliet@capulet.lit", items + " node='x'/>", "item-not-found"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := s.Ask("<iq type='get' id='1' from='" + tt.from + "' to='" + tt.to + "'>" + tt.query + "</iq>")
			if !strings.Contains(got, tt.want) {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
	s.Err = errors.New("secret of the store")
	for _, q := range []string{info, items} {
		got := s.Ask("<iq type='get' id='1' from='romeo@montague.lit/x' to='juliet@capulet.lit'>" + q + "/></iq>")
		if !strings.Contains(got, "<internal-server-error") || strings.Contains(got, "secret") {
			t.Errorf("the store fails: %s", got)
		}
	}
}

// bareServer is a server that says nothing about its users.
type bareServer struct{ *hosttest.Client }

func (bareServer) IsServer() bool { return true }

// TestServerWithoutUsers: such a server answers for an account to itself only.
func TestServerWithoutUsers(t *testing.T) {
	e := new(Extension)
	c := hosttest.New(t, "capulet.lit")
	if err := e.Attach(bareServer{c}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ from, query, want string }{
		{"juliet@capulet.lit/balcony", info, "category='account'"},
		{"romeo@montague.lit/x", info, "service-unavailable"},
		{"juliet@capulet.lit/balcony", items, ">" + items + "/></iq>"},
		{"romeo@montague.lit/x", items, ">" + items + "/></iq>"},
	} {
		got := c.Ask("<iq type='get' id='1' from='" + tt.from + "' to='juliet@capulet.lit'>" + tt.query + "/></iq>")
		if !strings.Contains(got, tt.want) {
			t.Errorf("got %s, want %s", got, tt.want)
		}
	}
}

func TestMaxItems(t *testing.T) {
	for max, want := range map[int]int{0: DefaultMaxItems, 7: 7, -1: 1000} {
		e := &Extension{MaxItems: max, Services: make([]Item, 1000)}
		for i := range e.Services {
			e.Services[i].JID = jid.MustParse("a.b")
		}
		c := hosttest.New(t, "capulet.lit", e)
		if got := strings.Count(c.Ask("<iq type='get' id='1' from='a@b'>"+items+"/></iq>"), "<item "); got != want {
			t.Errorf("MaxItems %d: %d items", max, got)
		}
	}
}

// TestHelpers asks by the functions of a client.
func TestHelpers(t *testing.T) {
	c := hosttest.New(t, "juliet@capulet.lit/balcony")
	to := jid.MustParse("plays.shakespeare.lit")
	c.Reply = func(iq *stanza.Stanza) (string, error) {
		if iq.To != to || iq.Type != stanza.TypeGet {
			t.Errorf("asked %s", iq)
		}
		switch {
		case iq.Payload().Is(NSItems, "query"):
			return items + "><item jid='a.b' name='" + iq.Payload().Attr("node") + "'/></query>", nil
		case iq.Payload().Attr("node") == "missing":
			return "", stanza.NewError(stanza.ItemNotFound, "")
		case iq.Payload().Attr("node") == "empty":
			return "", nil
		case iq.Payload().Attr("node") == "error in a result":
			return "<error code='503'>Not here</error>", nil
		}
		return info + "><identity category='conference' type='text'/><feature var='http://jabber.org/protocol/muc'/></query>", nil
	}
	got, err := GetInfo(t.Context(), c, to, "")
	if err != nil || !got.Is("conference", "text") || !got.Has("http://jabber.org/protocol/muc") {
		t.Errorf("GetInfo: %+v, %v", got, err)
	}
	for node, want := range map[string]error{"missing": stanza.ItemNotFound, "empty": ErrNoAnswer, "error in a result": stanza.ServiceUnavailable} {
		if _, err := GetInfo(t.Context(), c, to, node); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", node, err, want)
		}
	}
	all, err := GetItems(t.Context(), c, to, "music")
	if err != nil || len(all) != 1 || all[0] != (Item{jid.MustParse("a.b"), "", "music"}) {
		t.Errorf("GetItems: %+v, %v", all, err)
	}
	for feature, want := range map[string]bool{"http://jabber.org/protocol/muc": true, NSInfo: true, "urn:xmpp:mix:core:1": false} {
		if ok, err := Supports(t.Context(), c, to, feature); ok != want || err != nil {
			t.Errorf("Supports %s: %v, %v", feature, ok, err)
		}
	}
	c.Reply = func(*stanza.Stanza) (string, error) { return "", stanza.NewError(stanza.ServiceUnavailable, "") }
	if ok, err := Supports(t.Context(), c, to, NSInfo); ok || !errors.Is(err, stanza.ServiceUnavailable) {
		t.Errorf("Supports: %v, %v", ok, err)
	}
}

// FuzzXML: what was read can be written, and read again as the same.
func FuzzXML(f *testing.F) {
	f.Add(info + " node='n' xml:lang='de'><identity category='a' type='b' name='c' xml:lang='d'/><feature var='e'/><x xmlns='jabber:x:data'><field/></x></query>")
	f.Add(items + " node='n'><item jid='a@b/c' node='d' name='e'/></query>")
	f.Fuzz(func(t *testing.T, src string) {
		el, err := stanza.Raw(src).Element()
		if err != nil {
			return
		}
		var i, i2 Info
		again(t, el, &i, &i2, &i)
		if i.Lang, i.Unknown = "", 0; !reflect.DeepEqual(i, i2) {
			t.Errorf("got %+v, again %+v", i, i2)
		}
		var l, l2 Items
		again(t, el, &l, &l2, &l)
		if !reflect.DeepEqual(l, l2) {
			t.Errorf("got %+v, again %+v", l, l2)
		}
	})
}

// again reads el into v, writes that, and reads it into w.
func again(t *testing.T, el stanza.Element, v, w stanza.Parser, p stanza.Payload) {
	t.Helper()
	if err := v.ParseXML(el); err != nil {
		t.Fatal(err)
	}
	b, err := p.AppendXML(nil)
	if err != nil {
		t.Fatal(err)
	}
	back, err := stanza.Raw(b).Element()
	if err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	if err := w.ParseXML(back); err != nil {
		t.Fatal(err)
	}
}
