package dialback

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/etherx-go/xmpp/internal/xmltok"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

var (
	capulet  = jid.MustParse("capulet.example")
	montague = jid.MustParse("montague.example")
	rooms    = jid.MustParse("rooms.capulet.example")
	chat     = jid.MustParse("chat.montague.example")
	mallory  = jid.MustParse("mallory.example")
)

// header is that of draft-miller-xmpp-core-02, section 5.2.1, step 2: no to,
// from or version, but the declaration of the prefix.
const header = "<stream:stream xmlns:stream='http://etherx.jabber.org/streams' xmlns='jabber:server'" +
	" xmlns:db='jabber:server:dialback'>"

// read reads an element as it comes from a stream with the header.
func read(header, in string) (el stanza.Element, ok bool) {
	sc := xmltok.NewScanner(strings.NewReader(header+in), xmltok.Limits{})
	if ev, err := sc.Next(); err != nil || ev != xmltok.Open {
		return el, false
	}
	if ev, err := sc.Next(); err != nil || ev != xmltok.Element {
		return el, false
	}
	return stanza.ReadElement(sc.Element(), sc.Root()), true
}

// parse reads a packet that must be right.
func parse(t *testing.T, in string) Packet {
	t.Helper()
	el, ok := read(header, in)
	if !ok {
		t.Fatalf("no element: %s", in)
	}
	p, err := Parse(el)
	if err != nil {
		t.Fatalf("%s: %v", in, err)
	}
	return p
}

func wire(t *testing.T, p Packet) string {
	t.Helper()
	b, err := p.AppendXML(nil)
	if err != nil {
		t.Fatalf("%v: %v", p, err)
	}
	return string(b)
}

func TestParse(t *testing.T) {
	notFound := &stanza.Error{Type: stanza.Cancel, Condition: stanza.ItemNotFound}
	request := Packet{Kind: Result, From: capulet, To: montague, Key: "98AF014EDC0"}
	tests := []struct {
		name, in string
		want     Packet
		out      string // how it is written, in if empty
	}{
		{"CORE-5.2.1-2 prefix from a header without to and from",
			"<db:result from='capulet.example' to='montague.example'>98AF014EDC0</db:result>", request, ""},
		{"CORE-5.2.1-4 to before from, key in lines",
			"<db:result\n    to='montague.example'\n    from='capulet.example'>\n    98AF014EDC0\n</db:result>", request,
			"<db:result from='capulet.example' to='montague.example'>98AF014EDC0</db:result>"},
		{"other prefix", "<d:result xmlns:d='jabber:server:dialback' to='montague.example' from='CAPULET.example'" +
			" x='1'>98AF014EDC0<more/></d:result>", request,
			"<db:result from='capulet.example' to='montague.example'>98AF014EDC0</db:result>"},
		{"CORE-5.2.1-8 verify", "<db:verify from='montague.example' id='457F9224A0' to='capulet.example'>98AF</db:verify>",
			Packet{Kind: Verify, From: montague, To: capulet, ID: "457F9224A0", Key: "98AF"}, ""},
		{"CORE-5.2.1-9 verified", "<db:verify from='capulet.example' id='457F9224A0' to='montague.example' type='valid'/>",
			Packet{Kind: Verify, Type: TypeValid, From: capulet, To: montague, ID: "457F9224A0"}, ""},
		{"CORE-5.2.1-9 db:result with an id in its place",
			"<db:result from='capulet.example' id='457F9224A0' to='montague.example' type='invalid'/>",
			Packet{Kind: Result, Type: TypeInvalid, From: capulet, To: montague, ID: "457F9224A0"}, ""},
		{"CORE-5.2.1-10 result", "<db:result from='montague.example' to='capulet.example' type='valid'/>",
			Packet{Kind: Result, Type: TypeValid, From: montague, To: capulet}, ""},
		{"error", "<db:result from='montague.example' to='capulet.example' type='error'><error type='cancel'>" +
			"<item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></db:result>",
			Packet{Kind: Result, Type: TypeError, From: montague, To: capulet, Error: notFound}, ""},
		{"error in the namespace of dialback", "<result xmlns='jabber:server:dialback' from='montague.example'" +
			" to='capulet.example' type='error'><error type='cancel'>" +
			"<item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></result>",
			Packet{Kind: Result, Type: TypeError, From: montague, To: capulet, Error: notFound},
			"<db:result from='montague.example' to='capulet.example' type='error'><error type='cancel'>" +
				"<item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></db:result>"},
		{"no stanza error of RFC 6120", "<db:result from='montague.example' to='capulet.example' type='error'>" +
			"<error type='wait'><remote-connection-failed xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>" +
			"<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas' xml:lang='en'>&lt;undefined-condition</text></error></db:result>",
			Packet{Kind: Result, Type: TypeError, From: montague, To: capulet, Error: &stanza.Error{Type: stanza.Wait,
				Condition: RemoteConnectionFailed, Text: "<undefined-condition", Lang: "en"}}, ""},
		{"error that says nothing", "<db:verify from='capulet.example' id='1' to='montague.example' type='error'/>",
			Packet{Kind: Verify, Type: TypeError, From: capulet, To: montague, ID: "1",
				Error: &stanza.Error{Type: stanza.Cancel, Condition: stanza.UndefinedCondition}},
			"<db:verify from='capulet.example' id='1' to='montague.example' type='error'><error type='cancel'>" +
				"<undefined-condition xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></db:verify>"},
		{"numeric code", "<db:verify from='capulet.example' id='1' to='montague.example' type='error'>" +
			"<error code='404'>Gone fishing</error></db:verify>",
			Packet{Kind: Verify, Type: TypeError, From: capulet, To: montague, ID: "1", Error: &stanza.Error{
				Type: stanza.Cancel, Condition: stanza.ItemNotFound, Code: 404, Text: "Gone fishing"}},
			"<db:verify from='capulet.example' id='1' to='montague.example' type='error'><error code='404' type='cancel'>" +
				"<item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>" +
				"<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>Gone fishing</text></error></db:verify>"},
		{"escaped", "<db:verify from='capulet.example' id='&apos;&lt;' to='montague.example'>a&amp;b</db:verify>",
			Packet{Kind: Verify, From: capulet, To: montague, ID: "'<", Key: "a&b"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := parse(t, tt.in)
			if !reflect.DeepEqual(p, tt.want) {
				t.Errorf("got %+v %+v\nwant %+v %+v", p, p.Error, tt.want, tt.want.Error)
			}
			out := tt.out
			if out == "" {
				out = tt.in
			}
			if got := wire(t, p); got != out {
				t.Errorf("written\n got %s\nwant %s", got, out)
			}
		})
	}
}

func TestParseErrors(t *testing.T) {
	long := strings.Repeat("k", MaxLen+1)
	tests := []struct {
		name, in string
		want     stanza.Condition
	}{
		{"another element", "<db:other from='a.example' to='b.example'/>", stanza.BadRequest},
		{"another namespace", "<result from='a.example' to='b.example'>k</result>", stanza.BadRequest},
		{"no key", "<db:result from='a.example' to='b.example'> </db:result>", stanza.BadRequest},
		{"no id", "<db:verify from='a.example' to='b.example'>k</db:verify>", stanza.BadRequest},
		{"no id in an answer", "<db:verify from='a.example' to='b.example' type='valid'/>", stanza.BadRequest},
		{"unknown type", "<db:result from='a.example' to='b.example' type='maybe'/>", stanza.BadRequest},
		{"key too long", "<db:result from='a.example' to='b.example'>" + long + "</db:result>", stanza.BadRequest},
		{"id too long", "<db:verify id='" + long + "' from='a.example' to='b.example'>k</db:verify>", stanza.BadRequest},
		{"from of a user", "<db:result from='u@a.example' to='b.example'>k</db:result>", stanza.JIDMalformed},
		{"to with a resource", "<db:result from='a.example' to='b.example/r'>k</db:result>", stanza.JIDMalformed},
		{"no address", "<db:result from='a..example' to='b.example'>k</db:result>", stanza.JIDMalformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			el, ok := read(header, tt.in)
			if !ok {
				t.Fatal("not well-formed")
			}
			if _, err := Parse(el); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
	if _, err := Parse(stanza.Element{}); !errors.Is(err, stanza.BadRequest) {
		t.Errorf("no element: %v", err)
	}
}

func TestMissingAddresses(t *testing.T) {
	p := parse(t, "<db:result>k</db:result>")
	if !p.From.IsZero() || !p.To.IsZero() {
		t.Fatalf("got %v", p)
	}
	full := p.WithDefaults(jid.MustParse("u@capulet.example/x"), montague)
	if full.From != capulet || full.To != montague {
		t.Errorf("got %v", full)
	}
	if again := full.WithDefaults(mallory, mallory); again.From != capulet || again.To != montague {
		t.Errorf("what is there was replaced: %v", again)
	}
}

func TestAppendXMLErrors(t *testing.T) {
	good := Packet{Kind: Verify, From: capulet, To: montague, ID: "1", Key: "k"}
	for name, change := range map[string]func(*Packet){
		"kind": func(p *Packet) { p.Kind = 0 }, "id": func(p *Packet) { p.ID = "" },
		"key": func(p *Packet) { p.Key = "" }, "type": func(p *Packet) { p.Type = "'" },
		"from": func(p *Packet) { p.From = jid.JID{} }, "to": func(p *Packet) { p.To = jid.MustParse("a@b") },
	} {
		p := good
		change(&p)
		if b, err := p.AppendXML([]byte("x")); !errors.Is(err, stanza.BadRequest) || string(b) != "x" {
			t.Errorf("%s: %s, %v", name, b, err)
		}
	}
}

// A stream header cannot make an error many times as large as it came.
func TestErrorGrowth(t *testing.T) {
	h := strings.Replace(header, ">", " xmlns:x='urn:"+strings.Repeat("x", 5000)+"'>", 1)
	el, ok := read(h, "<db:result from='a.example' to='b.example' type='error'><error>"+
		strings.Repeat("<x:a/>", 9000)+"</error></db:result>")
	if !ok {
		t.Fatal("not well-formed")
	}
	p, err := Parse(el)
	if err != nil || len(p.Error.App) == 0 || len(p.Error.App) > 6000 {
		t.Errorf("%v, %d bytes", err, len(p.Error.App))
	}
}

func TestIsPacket(t *testing.T) {
	for in, want := range map[string]bool{
		"<db:result/>": true, "<db:verify/>": true, "<db:other/>": false, "<result/>": false, "<message/>": false,
	} {
		if el, _ := read(header, in); IsPacket(el) != want {
			t.Errorf("%s: %t", in, !want)
		}
	}
}

func TestPacketString(t *testing.T) {
	p := Packet{Kind: Verify, Type: TypeError, From: capulet, To: montague, ID: "1", Key: "secret",
		Error: stanza.NewError(stanza.ItemNotFound, "")}
	want := "db:verify from capulet.example to montague.example for stream 1: error: item-not-found"
	if got := p.String(); got != want {
		t.Errorf("got %s", got)
	}
}

func TestFeature(t *testing.T) {
	tests := []struct {
		name, in string
		want     Feature
	}{
		{"CORE-5.2.1-3 with errors", "<dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback>", Feature{true}},
		{"CORE-5.2.1-3 without", "<dialback xmlns='urn:xmpp:features:dialback'/>", Feature{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, err := tt.want.AppendXML(nil)
			if err != nil || string(b) != tt.in {
				t.Errorf("%s, %v", b, err)
			}
			el, err := stanza.Raw(tt.in).Element()
			if err != nil {
				t.Fatal(err)
			}
			got := Feature{Errors: true}
			if err := el.Decode(&got); err != nil || got != tt.want {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
	el, err := stanza.Raw("<dialback xmlns='urn:xmpp:features:other'/>").Element()
	if err != nil {
		t.Fatal(err)
	}
	if err := new(Feature).ParseXML(el); !errors.Is(err, stanza.BadRequest) {
		t.Errorf("got %v", err)
	}
	if n := stanza.PayloadName[Feature](); n.Space != NSFeature || n.Local != "dialback" {
		t.Errorf("name %v", n)
	}
}

// FuzzParse checks that whatever Parse takes can be written, once it has
// addresses, and is read as the same again.
func FuzzParse(f *testing.F) {
	for _, in := range []string{
		"<db:result from='a.example' to='b.example'>k</db:result>",
		"<db:verify id='1' from='a.example' to='b.example' type='valid'/>",
		"<db:result type='error'><error code='404' by='a'>t<db:x/><item-not-found xmlns='" + stanza.NSStanzas +
			"'/></error></db:result>",
		"<db:result type='error'><error><remote-connection-failed xmlns='" + stanza.NSStanzas + "'/></error></db:result>",
	} {
		f.Add(header, in)
	}
	f.Fuzz(func(t *testing.T, head, in string) {
		el, ok := read(head, in)
		if !ok {
			return
		}
		p, err := Parse(el)
		if err != nil {
			if _, ok := errors.AsType[*stanza.Error](err); !ok {
				t.Fatalf("error %T", err)
			}
			return
		}
		p = p.WithDefaults(capulet, montague)
		out := wire(t, p)
		el, ok = read(header, out)
		if !ok {
			t.Fatalf("written, but not well-formed: %s", out)
		}
		again, err := Parse(el)
		if err != nil {
			t.Fatalf("%s: %v", out, err)
		}
		if p.Error != nil && again.Error != nil { // what belongs to the condition is added in writing
			p.Error, again.Error = &stanza.Error{Condition: p.Error.Condition, Type: p.Error.Type},
				&stanza.Error{Condition: again.Error.Condition, Type: again.Error.Type}
			if p.Error.Condition == stanza.PaymentRequired { // never sent
				p.Error.Condition = again.Error.Condition
			}
		}
		if !reflect.DeepEqual(p, again) {
			t.Fatalf("%s\n got %+v %+v\nwant %+v %+v", out, again, again.Error, p, p.Error)
		}
	})
}
