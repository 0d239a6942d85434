package carbons

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/etherx-go/xmpp/ext/internal/exttest"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

var (
	romeo  = jid.MustParse("romeo@montague.example")
	garden = jid.MustParse("romeo@montague.example/garden")
	home   = jid.MustParse("romeo@montague.example/home")
)

// The messages of XEP-0280's examples, as they stand inside copies.
const (
	example9 = "<message xmlns='jabber:client' type='chat' to='romeo@montague.example/garden' from='juliet@capulet.example/balcony'>" +
		"<body>What man art thou that, thus bescreen&apos;d in night, so stumblest on my counsel?</body>" +
		"<thread>0e3141cd80894871a68e6fe6b1ec56fa</thread></message>"
	example12 = "<message xmlns='jabber:client' type='chat' to='juliet@capulet.example/balcony' from='romeo@montague.example/home'>" +
		"<body>Neither, fair saint, if either thee dislike.</body><thread>0e3141cd80894871a68e6fe6b1ec56fa</thread></message>"
	example10 = "<message type='chat' to='romeo@montague.example/home' from='romeo@montague.example'>" +
		"<received xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>" + example9 + "</forwarded></received></message>"
	example13 = "<message type='chat' to='romeo@montague.example/garden' from='romeo@montague.example'>" +
		"<sent xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>" + example12 + "</forwarded></sent></message>"
	example11 = "<message from='tybalt@capulet.example/home' to='romeo@montague.example' type='chat'>" +
		"<received xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>" +
		"<message xmlns='jabber:client' from='juliet@capulet.example/balcony' to='romeo@montague.example/garden' type='chat'>" +
		"<body>Thou shall meet me tonite, at our house's hall!</body></message></forwarded></received></message>"
)

func TestPayloads(t *testing.T) {
	exttest.Run(t, []exttest.Golden[Private]{
		{Name: "XEP-0280 example 14", In: "<private xmlns='urn:xmpp:carbons:2'/>"},
		{Name: "with what is not known", In: "<private xmlns='urn:xmpp:carbons:2' a='b'><c/></private>",
			Out: "<private xmlns='urn:xmpp:carbons:2'/>"},
	})
	for _, tt := range []struct {
		name, in string
		want     Switch
	}{
		{"XEP-0280 example 3", "<enable xmlns='urn:xmpp:carbons:2'/>", Switch{true}},
		{"XEP-0280 example 6", "<disable xmlns='urn:xmpp:carbons:2'/>", Switch{false}},
	} {
		e := exttest.Parse(t, "<iq>"+tt.in+"</iq>").Payload()
		got := Switch{!tt.want.On}
		if err := e.Decode(&got); err != nil || got != tt.want || got.XMLName() != e.Name() {
			t.Errorf("%s: got %+v, %v", tt.name, got, err)
		}
		if b, err := got.AppendXML([]byte("x")); string(b) != "x"+tt.in || err != nil {
			t.Errorf("%s: written as %s, %v", tt.name, b, err)
		}
	}
	for _, in := range []string{"<sent xmlns='urn:xmpp:carbons:2'/>", "<enable xmlns='urn:xmpp:carbons:1'/>"} {
		if err := exttest.Parse(t, "<iq>"+in+"</iq>").Payload().Decode(new(Switch)); !errors.Is(err, stanza.BadRequest) {
			t.Errorf("%s: %v", in, err)
		}
	}
	if (Private{}).XMLName().Local != "private" || Received.String() != "received" || Sent.String() != "sent" {
		t.Error("names")
	}
}

// TestWrap: the bytes of the copies of the examples.
func TestWrap(t *testing.T) {
	for _, tt := range []struct {
		name      string
		d         Direction
		in, want  string
		addressee jid.JID
	}{
		{"XEP-0280 example 10", Received, example9, example10, home},
		{"XEP-0280 example 13", Sent, example12, example13, garden},
		{"without type", Sent, "<message to='a@b' from='romeo@montague.example/home'><body>x</body></message>",
			"<message to='romeo@montague.example/garden' from='romeo@montague.example'><sent xmlns='urn:xmpp:carbons:2'>" +
				"<forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' to='a@b' from='romeo@montague.example/home'>" +
				"<body>x</body></message></forwarded></sent></message>", garden},
	} {
		st, err := Wrap(tt.d, romeo, exttest.Parse(t, tt.in))
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if !st.To.IsZero() {
			t.Errorf("%s: to %s", tt.name, st.To)
		}
		h := st.Header
		h.To = tt.addressee
		if got := st.With(h).String(); got != tt.want {
			t.Errorf("%s:\ngot  %s\nwant %s", tt.name, got, tt.want)
		}
	}
	if _, err := (copied{}).AppendXML(nil); err == nil {
		t.Error("nothing was copied")
	}
}

// wrapped returns what looks like a copy for Romeo, with these things in it.
func wrapped(from, typ, element, inner string) string {
	return "<message from='" + from + "' to='romeo@montague.example/garden' type='" + typ + "'><" + element + " xmlns='urn:xmpp:carbons:2'>" +
		"<forwarded xmlns='urn:xmpp:forward:0'>" + inner + "</forwarded></" + element + "></message>"
}

func TestOf(t *testing.T) {
	const bare = "romeo@montague.example"
	const failed = "<message xmlns='jabber:client' type='error' from='juliet@capulet.example' to='romeo@montague.example/home'/>"
	type outcome uint8
	const (
		none outcome = iota
		copied
		forged
	)
	for _, tt := range []struct {
		name, in string
		d        Direction
		want     outcome
	}{
		{"XEP-0280 example 10", example10, Received, copied},
		{"XEP-0280 example 11", example11, Received, forged},
		{"XEP-0280 example 13", example13, Sent, copied},
		{"a message", example9, Received, none},
		{"without from", strings.Replace(example10, " from='romeo@montague.example'>", ">", 1), Received, copied},
		{"received without to", wrapped(bare, "chat", "received", "<message xmlns='jabber:client' from='a@b'/>"), Received, copied},
		{"from another resource", wrapped("romeo@montague.example/home", "chat", "sent", example12), Sent, forged},
		{"from the server", wrapped("montague.example", "chat", "sent", example12), Sent, forged},
		{"not received by the account", wrapped(bare, "chat", "received", example12), Received, forged},
		{"not sent by the account", wrapped(bare, "chat", "sent", example9), Sent, forged},
		{"sent by nobody", wrapped(bare, "chat", "sent", "<message xmlns='jabber:client' to='a@b'/>"), Sent, forged},
		{"a presence", wrapped(bare, "chat", "received", "<presence xmlns='jabber:client' to='"+bare+"'/>"), Received, forged},
		{"nothing", wrapped(bare, "chat", "received", ""), Received, forged},
		{"two", wrapped(bare, "chat", "received", example9+example9), Received, forged},
		{"an error", wrapped(bare, "error", "received", failed), Received, copied},
		{"an error, forged", wrapped("a@b", "error", "received", failed), Received, none},
		{"a copy that came back", wrapped(bare, "error", "received", example9), Received, none},
		{"an iq", "<iq type='set' id='1'><enable xmlns='urn:xmpp:carbons:2'/></iq>", Received, none},
	} {
		c, ok, isForged := Of(garden, exttest.Parse(t, tt.in))
		if ok != (tt.want == copied) || isForged != (tt.want == forged) {
			t.Errorf("%s: got %v, forged %v", tt.name, ok, isForged)
		}
		if !ok {
			if !reflect.DeepEqual(c, Copy{}) {
				t.Errorf("%s: there is something in it: %+v", tt.name, c)
			}
			continue
		}
		if c.Direction != tt.d || c.Stanza == nil || c.Stanza.Kind != stanza.KindMessage {
			t.Errorf("%s: got %+v", tt.name, c)
		}
	}
}

// TestRoundTrip: what the server makes is what the client reads.
func TestRoundTrip(t *testing.T) {
	for d, text := range map[Direction]string{Received: example9, Sent: example12} {
		st := exttest.Parse(t, text)
		w, err := Wrap(d, romeo, st)
		if err != nil {
			t.Fatal(err)
		}
		c, ok, forged := Of(home, exttest.Parse(t, w.String()))
		if !ok || forged || c.Direction != d || c.Stanza.String() != st.String() {
			t.Errorf("%s: got %+v, %v, %v", d, c, ok, forged)
		}
	}
}

// TestPeer shows whose conversation a message is of.
func TestPeer(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"a message", "<message from='juliet@capulet.example/balcony'><body>x</body></message>", "juliet@capulet.example"},
		{"received", example10, "juliet@capulet.example"},
		{"sent", example13, "juliet@capulet.example"},
		{"forged", example11, "tybalt@capulet.example"},
		{"of the account itself", "<message from='romeo@montague.example'><body>x</body></message>", "romeo@montague.example"},
		{"from nobody", "<message><body>x</body></message>", ""},
		{"no message", "<presence from='romeo@montague.example'/>", "romeo@montague.example"},
	} {
		if got := Peer(home, exttest.Parse(t, tt.in)); got.String() != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}
