package delegation

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/disco"
	"github.com/etherx-go/xmpp/ext/internal/exttest"
	"github.com/etherx-go/xmpp/ext/internal/hosttest"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

func TestList(t *testing.T) {
	const open = "<delegation xmlns='urn:xmpp:delegation:2'>"
	for _, tt := range []struct {
		name, in string
		want     List
		out      string
	}{
		{"XEP-0355 example 1", open + "<delegated namespace='urn:xmpp:mam:2'><attribute name='node'/></delegated>" +
			"<delegated namespace='http://jabber.org/protocol/pubsub'/></delegation>",
			List{{"urn:xmpp:mam:2", []string{"node"}}, {Name: "http://jabber.org/protocol/pubsub"}}, ""},
		{"what is not known", open + "<delegated/><a xmlns='urn:a'/><delegated namespace='b'><attribute/><c/></delegated></delegation>",
			List{{Name: "b"}}, open + "<delegated namespace='b'/></delegation>"},
	} {
		got, err := exttest.Decode[List](t, tt.in)
		if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: got %+v, %v", tt.name, got, err)
		}
		if tt.out == "" {
			tt.out = tt.in
		}
		if b, err := got.AppendXML(nil); err != nil || string(b) != tt.out {
			t.Errorf("%s: got %s, %v", tt.name, b, err)
		}
	}
}

func TestMatches(t *testing.T) {
	n := Namespace{"urn:xmpp:mam:2", []string{"node", "queryid"}}
	for in, want := range map[string]bool{
		"<query xmlns='urn:xmpp:mam:2' node='a' queryid=''/>": true, "<x xmlns='urn:xmpp:mam:2' queryid='b' node='a'/>": true,
		"<query xmlns='urn:xmpp:mam:2' node='a'/>": false, "<query xmlns='urn:xmpp:mam:1' node='a' queryid=''/>": false,
	} {
		el, err := stanza.Raw(in).Element()
		if err != nil || n.Matches(el) != want {
			t.Errorf("%s: %v, %v", in, n.Matches(el), err)
		}
	}
}

const (
	forwarded = "<delegation xmlns='urn:xmpp:delegation:2'><forwarded xmlns='urn:xmpp:forward:0'>"
	end       = "</forwarded></delegation>"
)

func TestWrapped(t *testing.T) {
	const iq = "<iq xmlns='jabber:client' type='result' id='pep1' to='juliet@capulet.lit/balcony'/>"
	w, err := exttest.Decode[Wrapped](t, forwarded+iq+end)
	if err != nil || w.IQ.ID != "pep1" {
		t.Fatalf("got %+v, %v", w, err)
	}
	if b, err := w.AppendXML(nil); err != nil || string(b) != forwarded+iq+end {
		t.Errorf("got %s, %v", b, err)
	}
	for _, in := range []string{"<delegation xmlns='urn:xmpp:delegation:2'/>", forwarded + "<message xmlns='jabber:client'/>" + end, forwarded + end} {
		if _, err := exttest.Decode[Wrapped](t, in); !errors.Is(err, stanza.BadRequest) {
			t.Errorf("%s: %v", in, err)
		}
	}
}

// TestExtension answers in the place of a server.
func TestExtension(t *testing.T) {
	server := jid.MustParse("capulet.lit")
	d := new(disco.Extension)
	changed := 0
	e := &Extension{Servers: []jid.JID{server}, Disco: d, Infos: map[string]Info{"urn:x": {
		Server: disco.Info{Features: []string{"urn:x"}}, Account: disco.Info{Features: []string{"urn:x#account"}},
	}}, Changed: func(context.Context, jid.JID, List) { changed++ }}
	h := hosttest.New(t, "pubsub.capulet.lit", d, e)
	e.Mux.Handle(xmpp.Pattern{Kind: stanza.KindIQ, Types: []stanza.Type{stanza.TypeGet, stanza.TypeSet}},
		xmpp.HandlerFunc(func(ctx context.Context, s xmpp.Sender, st *stanza.Stanza) error {
			switch st.Payload().Name().Local {
			case "silent":
				return nil
			case "wrong":
				return stanza.ItemNotFound
			}
			reply, err := st.Reply(stanza.Raw("<y xmlns='urn:x'/>"))
			if err != nil {
				return err
			}
			return errors.Join(s.Send(ctx, reply), s.Send(ctx, reply)) // the second counts for nothing
		}))
	request := func(payload string) string {
		return forwarded + "<iq xmlns='jabber:client' type='get' id='1' from='juliet@capulet.lit/balcony' to='juliet@capulet.lit'>" + payload + "</iq>" + end
	}
	for _, tt := range []struct{ name, from, payload, want string }{
		{"XEP-0355 examples 3 and 4", "capulet.lit", request("<x xmlns='urn:x'/>"),
			forwarded + "<iq xmlns='jabber:client' type='result' id='1' to='juliet@capulet.lit/balcony' from='juliet@capulet.lit'><y xmlns='urn:x'/></iq>" + end},
		{"from somebody else", "evil.example", request("<x xmlns='urn:x'/>"), "<forbidden "},
		{"from a user of the server", "mallory@capulet.lit", request("<x xmlns='urn:x'/>"), "<forbidden "},
		{"from a client of a user", "mallory@capulet.lit/x", request("<x xmlns='urn:x'/>"), "<forbidden "},
		{"an error", "capulet.lit", request("<wrong xmlns='urn:x'/>"), "<item-not-found "},
		{"no answer", "capulet.lit", request("<silent xmlns='urn:x'/>"), "<internal-server-error "},
		{"no request", "capulet.lit", forwarded + "<iq xmlns='jabber:client' type='result'/>" + end, "<bad-request "},
		{"nothing", "capulet.lit", "<delegation xmlns='urn:xmpp:delegation:2'/>", "<bad-request "},
	} {
		got := h.Ask("<iq type='set' id='d' from='" + tt.from + "' to='pubsub.capulet.lit'>" + tt.payload + "</iq>")
		if !strings.Contains(got, tt.want) {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
	for node, want := range map[string]string{ServerNode("urn:x"): "<feature var='urn:x'/>", AccountNode("urn:x"): "<feature var='urn:x#account'/>",
		ServerNode("urn:y"): "item-not-found", NS + "x": "item-not-found", "x": "item-not-found"} {
		got := h.Ask("<iq type='get' id='1' from='capulet.lit'><query xmlns='http://jabber.org/protocol/disco#info' node='" + node + "'/></iq>")
		if !strings.Contains(got, want) {
			t.Errorf("%s: got %s, want %s", node, got, want)
		}
	}
	if _, ok := e.Delegated(server); ok || changed != 0 {
		t.Error("delegated before anything was said")
	}
	b, err := List{{Name: "urn:x"}}.AppendXML(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, from := range []string{"evil.example", "mallory@capulet.lit", "mallory@capulet.lit/x", "capulet.lit"} {
		st := exttest.Parse(t, "<message from='"+from+"'>"+string(b)+"</message>")
		if err := h.Mux().HandleXMPP(t.Context(), h, st); err != nil {
			t.Error(err)
		}
	}
	if l, ok := e.Delegated(server); !ok || len(l) != 1 || changed != 1 {
		t.Errorf("got %+v, %v, %d changes", l, ok, changed)
	}
}

func FuzzList(f *testing.F) {
	f.Add("<delegation xmlns='urn:xmpp:delegation:2'><delegated namespace='urn:xmpp:mam:2'><attribute name='node'/></delegated></delegation>")
	f.Fuzz(func(t *testing.T, src string) { exttest.RoundTrip[List](t, src) })
}
