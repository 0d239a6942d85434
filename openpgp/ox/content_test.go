package ox

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/openpgp/internal/opgptest"
	"github.com/etherx-go/xmpp/stanza"
)

func TestContent(t *testing.T) {
	const ns = " xmlns='urn:xmpp:openpgp:0'"
	const to, stamp, payload = "<to jid='juliet@example.org'/>", "<time stamp='2014-07-10T17:06:00+02:00'/>", "<payload/>"
	made := time.Date(2014, 7, 10, 15, 6, 0, 0, time.UTC)
	tests := []struct {
		name, in string
		want     Content // without Payload
		payload  []string
		out      string // "" if it is as in
		bad      bool
	}{
		{name: "example 2 of XEP-0373", in: "<signcrypt" + ns + ">\n  " + to + "\n  " + stamp +
			"\n  <rpad>\n    f0rm1l4n4-mT8y33j!Y%fRSrcd^" +
			"\n  </rpad>\n  <payload>\n    <body xmlns='jabber:client'>\n      This is a secret message.\n    " +
			"</body>\n  </payload>\n</signcrypt>\n",
			want: Content{Kind: SignCrypt, To: []jid.JID{opgptest.Juliet}, Time: made,
				Pad: "\n    f0rm1l4n4-mT8y33j!Y%fRSrcd^\n  "},
			payload: []string{"<body xmlns='jabber:client'>\n      This is a secret message.\n    </body>"},
			out: "<signcrypt" + ns + ">" + to + "<time stamp='2014-07-10T15:06:00Z'/>" +
				"<rpad>\n    f0rm1l4n4-mT8y33j!Y%fRSrcd^\n  </rpad>" +
				"<payload><body xmlns='jabber:client'>\n      This is a secret message.\n    </body></payload></signcrypt>"},
		{name: "sign", in: "<sign" + ns + ">" + to +
			"<to jid='romeo@example.org'/><time stamp='2014-07-10T15:06:00Z'/><payload>" +
			"<x xmlns='u:x'/><y xmlns='u:y'>a</y></payload></sign>",
			want:    Content{Kind: Sign, To: []jid.JID{opgptest.Juliet, opgptest.Romeo}, Time: made},
			payload: []string{"<x xmlns='u:x'/>", "<y xmlns='u:y'>a</y>"}},
		{name: "crypt, for nobody", in: "<crypt" + ns + "><time stamp='2014-07-10T15:06:00Z'/><payload></payload></crypt>",
			want: Content{Kind: Crypt, Time: made}},
		{name: "with what is not known", in: "<crypt" + ns + "><new/>" + stamp + "<to xmlns='u:x'/>" + payload + "</crypt>",
			want: Content{Kind: Crypt, Time: made},
			out:  "<crypt" + ns + "><time stamp='2014-07-10T15:06:00Z'/><payload></payload></crypt>"},
		{name: "another kind", in: "<openpgp" + ns + ">" + to + stamp + payload + "</openpgp>", bad: true},
		{name: "another namespace", in: "<sign xmlns='urn:xmpp:openpgp:1'>" + to + stamp + payload + "</sign>", bad: true},
		{name: "signed for nobody", in: "<sign" + ns + ">" + stamp + payload + "</sign>", bad: true},
		{name: "no time", in: "<sign" + ns + ">" + to + payload + "</sign>", bad: true},
		{name: "two times", in: "<sign" + ns + ">" + to + stamp + stamp + payload + "</sign>", bad: true},
		{name: "a bad time", in: "<sign" + ns + ">" + to + "<time stamp='today'/>" + payload + "</sign>", bad: true},
		{name: "a bad address", in: "<sign" + ns + "><to jid='@'/>" + stamp + payload + "</sign>", bad: true},
		{name: "no address", in: "<sign" + ns + "><to/>" + stamp + payload + "</sign>", bad: true},
		{name: "no payload", in: "<sign" + ns + ">" + to + stamp + "</sign>", bad: true},
		{name: "two payloads", in: "<sign" + ns + ">" + to + stamp + payload + payload + "</sign>", bad: true},
		{name: "two paddings", in: "<sign" + ns + ">" + to + stamp + "<rpad/><rpad/>" + payload + "</sign>", bad: true},
		{name: "too many addresses", in: "<sign" + ns + ">" + strings.Repeat(to, 1001) + stamp + payload + "</sign>",
			bad: true},
		{name: "no XML", in: "Hello", bad: true},
		{name: "nothing", in: "", bad: true},
		{name: "two of them", in: "<crypt" + ns + ">" + stamp + payload + "</crypt><crypt" + ns + ">" + stamp + payload +
			"</crypt>", bad: true},
		{name: "an entity", in: "<!DOCTYPE a [<!ENTITY b 'c'>]><crypt" + ns + ">" + stamp +
			"<payload>&b;</payload></crypt>", bad: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseContent([]byte(tt.in))
			if tt.bad {
				if err == nil {
					t.Errorf("taken as %+v", got)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var payload []string
			for _, p := range got.Payload {
				payload = append(payload, string(p.(stanza.Element).Raw()))
			}
			elements := got.Payload
			got.Payload, got.Time = nil, got.Time.UTC()
			if !reflect.DeepEqual(got, tt.want) || !reflect.DeepEqual(payload, tt.payload) {
				t.Errorf("got %+v, %q", got, payload)
			}
			if tt.out == "" {
				tt.out = tt.in
			}
			got.Payload = elements
			if b, err := got.AppendXML(nil); err != nil || string(b) != tt.out {
				t.Errorf("written as %s, %v", b, err)
			}
		})
	}
	if got, err := opgptest.Decode[Content](t, "<sign"+ns+">"+to+stamp+payload+"</sign>"); err != nil ||
		got.XMLName().Local != "sign" {
		t.Errorf("as a payload: %+v, %v", got, err)
	}
}

func TestContentWrite(t *testing.T) {
	good := Content{Kind: SignCrypt, To: []jid.JID{jid.MustParse("juliet@example.org/balcony")}, Time: opgptest.At,
		Payload: []any{nil, stanza.Raw("<body>&lt;</body>")}}
	b, err := good.AppendXML(nil)
	want := "<signcrypt xmlns='urn:xmpp:openpgp:0'><to jid='juliet@example.org'/><time stamp='2026-01-02T12:01:00Z'/>" +
		"<payload><body xmlns='jabber:client'>&lt;</body></payload></signcrypt>"
	if err != nil || string(b) != want {
		t.Errorf("%s, %v", b, err)
	}
	for name, change := range map[string]func(*Content){
		"no kind":         func(c *Content) { c.Kind = "" },
		"another kind":    func(c *Content) { c.Kind = "a><b" },
		"for nobody":      func(c *Content) { c.To = nil },
		"no time":         func(c *Content) { c.Time = time.Time{} },
		"no XML":          func(c *Content) { c.Payload = []any{stanza.Raw("<")} },
		"out of its hull": func(c *Content) { c.Payload = []any{stanza.Raw("<a xmlns='x'/></payload><payload>")} },
	} {
		c := good
		change(&c)
		if b, err := c.AppendXML(nil); err == nil {
			t.Errorf("%s: %s", name, b)
		}
	}
	lengths := map[int]bool{}
	for range 50 {
		p := Pad()
		if len(p) > 255 || strings.ContainsAny(p, "<>&") {
			t.Errorf("padding %q", p)
		}
		lengths[len(p)] = true
	}
	if len(lengths) < 10 {
		t.Errorf("%d lengths of padding", len(lengths))
	}
}

func TestPayloads(t *testing.T) {
	const ns = " xmlns='urn:xmpp:openpgp:0'>"
	for _, tt := range []struct {
		in   string
		p    stanza.Payload
		read func(in string) (any, error)
		bad  []string
		none stanza.Payload
	}{
		{"<openpgp" + ns + "YWI=</openpgp>", Element("ab"), func(in string) (any,
			error) {
			return opgptest.Decode[Element](t, in)
		},
			[]string{"<openpgp" + ns + "</openpgp>", "<openpgp" + ns + "!</openpgp>", "<openpgp" + ns + "YWI</openpgp>"},
			Element{}},
		{"<pubkey" + ns + "<data>YWI=</data></pubkey>", PublicKey("ab"),
			func(in string) (any, error) { return opgptest.Decode[PublicKey](t, in) },
			[]string{"<pubkey" + ns + "YWI=</pubkey>", "<pubkey" + ns + "<data>!</data></pubkey>"}, PublicKey{}},
		{"<secretkey" + ns + "YWI=</secretkey>", SecretKey("ab"),
			func(in string) (any, error) { return opgptest.Decode[SecretKey](t, in) },
			[]string{"<secretkey" + ns + "</secretkey>"}, SecretKey(nil)},
	} {
		for _, in := range []string{tt.in, strings.Replace(tt.in, "YWI=", "\n  Y W\n\tI=\n", 1)} {
			if got, err := tt.read(in); err != nil || !reflect.DeepEqual(got, tt.p) {
				t.Errorf("%s: %v, %v", in, got, err)
			}
		}
		if b, err := tt.p.AppendXML(nil); err != nil || string(b) != tt.in {
			t.Errorf("written as %s, %v", b, err)
		}
		for _, in := range tt.bad {
			if got, err := tt.read(in); !errors.Is(err, stanza.BadRequest) {
				t.Errorf("%s: %v, %v", in, got, err)
			}
		}
		if b, err := tt.none.AppendXML(nil); !errors.Is(err, stanza.BadRequest) {
			t.Errorf("nothing is written as %s, %v", b, err)
		}
	}
}

func TestKeyList(t *testing.T) {
	const (
		one, two = "1357B01865B2503C18453D208CAC2A9678548E35", "67819B343B2AB70DED9320872C6464AF2A8E4C02"
		example  = "<public-keys-list xmlns='urn:xmpp:openpgp:0'>" +
			"<pubkey-metadata v4-fingerprint='" + one + "' date='2018-03-01T15:26:12Z'/>" +
			"<pubkey-metadata v4-fingerprint='" + two + "' date='1953-05-16T12:00:00Z'/></public-keys-list>"
	)
	want := KeyList{{one, time.Date(2018, 3, 1, 15, 26, 12, 0, time.UTC)}, {two, time.Date(1953, 5, 16, 12, 0, 0, 0,
		time.UTC)}}
	got, err := opgptest.Decode[KeyList](t, example)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v", got, err)
	}
	if b, err := got.AppendXML(nil); err != nil || string(b) != example {
		t.Errorf("written as %s, %v", b, err)
	}
	got, err = opgptest.Decode[KeyList](t, "<public-keys-list xmlns='urn:xmpp:openpgp:0'><pubkey-metadata/><new/>"+
		"<pubkey-metadata v4-fingerprint='12'/><pubkey-metadata v4-fingerprint='"+strings.ToLower(one)+"' date='x'/>"+
		"<pubkey-metadata v4-fingerprint='"+one+"'/></public-keys-list>")
	if err != nil || !reflect.DeepEqual(got, KeyList{{Fingerprint: one}}) {
		t.Errorf("got %v, %v", got, err)
	}
	for _, l := range []KeyList{{{one, time.Time{}}}, {{"x", opgptest.At}}, {want[0], want[0]}, {{strings.ToLower(one),
		opgptest.At}}} {
		if b, err := l.AppendXML(nil); err == nil {
			t.Errorf("%v is written as %s", l, b)
		}
	}
}

func FuzzParseContent(f *testing.F) {
	f.Add([]byte("<signcrypt xmlns='urn:xmpp:openpgp:0'><to jid='juliet@example.org'/>" +
		"<time stamp='2014-07-10T17:06:00+02:00'/>" +
		"<rpad>x</rpad><payload><body xmlns='jabber:client'>a</body><b xmlns='c' xmlns:d='e' d:f='g'/></payload>" +
		"</signcrypt>"))
	f.Add([]byte("<o:crypt xmlns:o='urn:xmpp:openpgp:0'><o:time stamp='2014-07-10T17:06:00Z'/><o:payload><b/>" +
		"</o:payload></o:crypt>"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := ParseContent(data)
		if err != nil {
			return
		}
		b, err := c.AppendXML(nil)
		if err != nil {
			t.Fatalf("%+v: %v", c, err)
		}
		again, err := ParseContent(b)
		if err != nil || again.Kind != c.Kind || len(again.To) != len(c.To) || !again.Time.Equal(c.Time) ||
			again.Pad != c.Pad ||
			len(again.Payload) != len(c.Payload) {
			t.Fatalf("%s is read as %+v, %v", b, again, err)
		}
	})
}
