package vcard4_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/vcard"
	"github.com/etherx-go/xmpp/vcard/vcard4"
)

func parse(t testing.TB, inner string) *vcard4.Card {
	t.Helper()
	e, err := stanza.Raw("<vcard xmlns='" + vcard4.NS + "'>" + inner + "</vcard>").Element()
	if err != nil {
		t.Fatal(err)
	}
	c := new(vcard4.Card)
	if err := c.ParseXML(e); err != nil {
		t.Fatal(err)
	}
	return c
}

func write(t testing.TB, p stanza.Payload) string {
	t.Helper()
	b, err := p.AppendXML(nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// inner returns what is written inside the element.
func inner(t testing.TB, p stanza.Payload) string {
	s := write(t, p)
	if strings.HasSuffix(s, "/>") && strings.Count(s, "<") == 1 {
		return ""
	}
	return s[strings.IndexByte(s, '>')+1 : strings.LastIndex(s, "</")]
}

// stpeter is XEP-0292, example 2.
const stpeter = `
  <fn><text>Peter Saint-Andre</text></fn>
  <n><surname>Saint-Andre</surname><given>Peter</given><additional></additional></n>
  <nickname><text>stpeter</text></nickname>
  <nickname><text>psa</text></nickname>
  <photo><uri>https://stpeter.im/images/stpeter_oscon.jpg</uri></photo>
  <bday><date>1966-08-06</date></bday>
  <adr>
    <parameters><type><text>work</text><text>voice</text></type><pref><integer>1</integer></pref></parameters>
    <ext>Suite 600</ext><street>1899 Wynkoop Street</street><locality>Denver</locality>
    <region>CO</region><code>80202</code><country>USA</country>
  </adr>
  <adr>
    <parameters><type><text>home</text></type></parameters>
    <ext></ext><street></street><locality>Parker</locality><region>CO</region><code>80138</code><country>USA</country>
  </adr>
  <tel>
    <parameters><type><text>work</text><text>voice</text></type><pref><integer>1</integer></pref></parameters>
    <uri>tel:+1-303-308-3282</uri>
  </tel>
  <tel>
    <parameters><type><text>cell</text><text>voice</text><text>text</text></type></parameters>
    <uri>tel:+1-720-256-6756</uri>
  </tel>
  <geo><uri>geo:39.59,-105.01</uri></geo>
  <title><text>Executive Director</text></title>
  <role><text>Patron Saint</text></role>
  <org><parameters><type><text>work</text></type></parameters><text>XMPP Standards Foundation</text></org>
  <url><uri>https://stpeter.im/</uri></url>
  <note><text>More</text></note>
  <gender><sex><text>M</text></sex></gender>
  <lang><parameters><pref>1</pref></parameters><language-tag>en</language-tag></lang>
  <email><parameters><type><text>work</text></type></parameters><text>psaintan@cisco.com</text></email>
  <email><parameters><type><text>home</text></type></parameters><text>stpeter@jabber.org</text></email>
  <impp><parameters><type><text>work</text></type></parameters><uri>xmpp:psaintan@cisco.com</uri></impp>
  <impp><parameters><type><text>home</text></type></parameters><uri>xmpp:stpeter@jabber.org</uri></impp>
  <key><uri>https://stpeter.im/stpeter.asc</uri></key>`

func typed(v vcard4.Value, types ...string) vcard4.Value {
	v.Types = types
	return v
}

func preferred(v vcard4.Value, types ...string) vcard4.Value {
	v.Types, v.Pref = types, 1
	return v
}

func TestExample(t *testing.T) {
	c := parse(t, stpeter)
	bday := vcard4.Value{Type: "date", Values: []string{"1966-08-06"}}
	want := vcard4.Card{
		FormattedName: []vcard4.Value{vcard4.Text("Peter Saint-Andre")},
		Name:          &vcard4.Name{Surname: []string{"Saint-Andre"}, Given: []string{"Peter"}},
		Nicknames:     []vcard4.Value{vcard4.Text("stpeter"), vcard4.Text("psa")},
		Photos:        []vcard4.Value{vcard4.URI("https://stpeter.im/images/stpeter_oscon.jpg")},
		Birthday:      &bday,
		Gender:        &vcard4.Gender{Sex: "M"},
		Addresses: []vcard4.Address{
			{Params: vcard4.Params{Types: []string{"work", "voice"}, Pref: 1}, Extended: []string{"Suite 600"},
				Street: []string{"1899 Wynkoop Street"}, Locality: []string{"Denver"}, Region: []string{"CO"},
				Code: []string{"80202"}, Country: []string{"USA"}},
			{Params: vcard4.Params{Types: []string{"home"}}, Locality: []string{"Parker"}, Region: []string{"CO"},
				Code: []string{"80138"}, Country: []string{"USA"}},
		},
		Phones: []vcard4.Value{
			preferred(vcard4.URI("tel:+1-303-308-3282"), "work", "voice"),
			typed(vcard4.URI("tel:+1-720-256-6756"), "cell", "voice", "text"),
		},
		Emails: []vcard4.Value{typed(vcard4.Text("psaintan@cisco.com"), "work"),
			typed(vcard4.Text("stpeter@jabber.org"), "home")},
		IMPP: []vcard4.Value{typed(vcard4.URI("xmpp:psaintan@cisco.com"), "work"),
			typed(vcard4.URI("xmpp:stpeter@jabber.org"), "home")},
		Languages:     []vcard4.Value{preferred(vcard4.Value{Type: "language-tag", Values: []string{"en"}})},
		Geo:           []vcard4.Value{vcard4.URI("geo:39.59,-105.01")},
		Titles:        []vcard4.Value{vcard4.Text("Executive Director")},
		Roles:         []vcard4.Value{vcard4.Text("Patron Saint")},
		Organizations: []vcard4.Value{typed(vcard4.Text("XMPP Standards Foundation"), "work")},
		Notes:         []vcard4.Value{vcard4.Text("More")},
		URLs:          []vcard4.Value{vcard4.URI("https://stpeter.im/")},
		Keys:          []vcard4.Value{vcard4.URI("https://stpeter.im/stpeter.asc")},
	}
	if !reflect.DeepEqual(*c, want) {
		t.Errorf("got  %+v\nwant %+v", *c, want)
	}
	if again := parse(t, inner(t, c)); !reflect.DeepEqual(again, c) {
		t.Errorf("again: %+v", *again)
	}
	if born, ok := c.BornOn(); !ok || !born.Equal(time.Date(1966, 8, 6, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("born on %v, %v", born, ok)
	}
	if got := vcard4.Preferred(c.Phones).String(); got != "tel:+1-303-308-3282" || vcard4.Preferred(nil).String() != "" {
		t.Errorf("preferred: %s", got)
	}
	if v := []vcard4.Value{vcard4.Text("a"), {Params: vcard4.Params{Pref: 50},
		Values: []string{"b"}}}; vcard4.Preferred(v) != &v[1] {
		t.Error("a preference is preferred to none")
	}
}

// TestProperties: bytes, value, bytes.
func TestProperties(t *testing.T) {
	rev := "20260101T000000Z"
	tests := []struct {
		name, in string
		want     vcard4.Card
		out      string // "" if it is as in
	}{
		{"text without parameters", "<kind><text>org</text></kind><prodid><text>p</text></prodid><rev><timestamp>" + rev +
			"</timestamp></rev>",
			vcard4.Card{Kind: "org", ProductID: "p", Revision: rev}, ""},
		{"text with a parameter, or of another type, is kept",
			"<kind><parameters><altid><text>1</text></altid></parameters><text>org</text></kind><rev><text>now</text></rev>",
			vcard4.Card{Other: []stanza.Raw{
				"<kind xmlns='" + vcard4.NS + "'><parameters><altid><text>1</text></altid></parameters><text>org</text></kind>",
				"<rev xmlns='" + vcard4.NS + "'><text>now</text></rev>",
			}}, "-"},
		{"all parameters", "<fn><parameters><language><language-tag>en</language-tag></language><pref><integer>" +
			"100</integer></pref><altid><text>1</text></altid>" +
			"<pid><text>1.1</text><text>2</text></pid><type><text>work</text></type><mediatype><text>text/plain</text>" +
			"</mediatype><calscale><text>gregorian</text></calscale>" +
			"<sort-as><text>b</text></sort-as><geo><uri>geo:1,2</uri></geo><label><text>l</text></label><x-a xmlns='" +
			vcard4.NS + "'><unknown>u</unknown></x-a></parameters><text>b</text></fn>",
			vcard4.Card{FormattedName: []vcard4.Value{{Type: "text", Values: []string{"b"}, Params: vcard4.Params{
				Language: "en", Pref: 100, AltID: "1", PID: []string{"1.1", "2"}, Types: []string{"work"}, MediaType: "text/plain",
				Calendar: "gregorian", SortAs: []string{"b"}, Geo: "geo:1,2", Label: "l",
				Other: []stanza.Raw{"<x-a xmlns='" + vcard4.NS + "'><unknown>u</unknown></x-a>"},
			}}}}, ""},
		{"bad parameters are kept, empty ones not",
			"<fn><parameters><type/><pref><integer>101</integer></pref><altid><text>1</text><text>2</text></altid>" +
				"</parameters><text>a</text></fn>",
			vcard4.Card{FormattedName: []vcard4.Value{{Type: "text", Values: []string{"a"},
				Params: vcard4.Params{Other: []stanza.Raw{
					"<pref xmlns='" + vcard4.NS + "'><integer>101</integer></pref>",
					"<altid xmlns='" + vcard4.NS + "'><text>1</text><text>2</text></altid>",
				}}}}}, "<fn><parameters><pref xmlns='" + vcard4.NS + "'><integer>101</integer></pref><altid xmlns='" +
				vcard4.NS + "'><text>1</text>" +
				"<text>2</text></altid></parameters><text>a</text></fn>"},
		{"types of values", "<tel><text>911</text></tel><tz><utc-offset>-0500</utc-offset></tz><related><text>x</text>" +
			"</related><uid><text>u</text></uid>",
			vcard4.Card{Phones: []vcard4.Value{vcard4.Text("911")}, TimeZones: []vcard4.Value{{Type: "utc-offset",
				Values: []string{"-0500"}}},
				Related: []vcard4.Value{vcard4.Text("x")}, UID: ptr(vcard4.Text("u"))}, ""},
		{"lists", "<nickname><text>a</text><text>b</text></nickname><org><text>o</text><text>u</text></org>" +
			"<categories><text>c</text><text>d</text></categories>",
			vcard4.Card{Nicknames: []vcard4.Value{vcard4.Text("a", "b")}, Organizations: []vcard4.Value{vcard4.Text("o", "u")},
				Categories: []vcard4.Value{vcard4.Text("c", "d")}}, ""},
		{"a structure", "<n><surname>a</surname><surname>b</surname><given></given><additional></additional><prefix>" +
			"</prefix><suffix>c</suffix></n>",
			vcard4.Card{Name: &vcard4.Name{Surname: []string{"a", "b"}, Suffix: []string{"c"}}}, ""},
		{"gender", "<gender><sex>O</sex><identity>it's complicated</identity></gender>",
			vcard4.Card{Gender: &vcard4.Gender{Sex: "O", Identity: "it's complicated"}}, ""},
		{"addresses of all kinds", "<source><uri>a</uri></source><anniversary><text>b</text></anniversary><logo><uri>" +
			"c</uri></logo><member><uri>d</uri></member>" +
			"<sound><uri>e</uri></sound><fburl><uri>f</uri></fburl><caladruri><uri>g</uri></caladruri><caluri><uri>" +
			"h</uri></caluri>",
			vcard4.Card{Source: uris("a"), Anniversary: ptr(vcard4.Text("b")), Logos: uris("c"), Members: uris("d"),
				Sounds:   uris("e"),
				FreeBusy: uris("f"), CalendarAddress: uris("g"), Calendars: uris("h")}, ""},
		{"what is unknown", "<x-my-prop><text>a</text></x-my-prop><group name='g'><fn><text>a</text></fn></group>" +
			"<e xmlns='urn:e'/>",
			vcard4.Card{Other: []stanza.Raw{"<x-my-prop xmlns='" + vcard4.NS + "'><text>a</text></x-my-prop>",
				"<group xmlns='" + vcard4.NS + "' name='g'><fn><text>a</text></fn></group>", "<e xmlns='urn:e'/>"}}, "-"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := parse(t, tt.in)
			if !reflect.DeepEqual(*c, tt.want) {
				t.Errorf("got  %+v\nwant %+v", *c, tt.want)
			}
			got := inner(t, c)
			switch tt.out {
			case "":
				tt.out = tt.in
			case "-":
				got, tt.out = strings.ReplaceAll(got, " xmlns='"+vcard4.NS+"'", ""), tt.in
			}
			if got != tt.out {
				t.Errorf("written %s\n   want %s", got, tt.out)
			}
			if c.IsZero() {
				t.Error("IsZero")
			}
		})
	}
	for _, in := range []string{
		"<fn/>", "<fn>a</fn>", "<fn><text>a</text><uri>b</uri></fn>", "<fn><text>a<b/></text></fn>",
		"<fn><e xmlns='urn:e'/></fn>",
		"<n><x/></n>", "<n><e xmlns='urn:e'/></n>", "<adr><x/></adr>", "<gender><x/></gender>", "<prodid><text/></prodid>",
	} {
		if c := parse(t, in); len(c.Other) != 1 {
			t.Errorf("%s: %+v", in, c)
		}
	}
	for _, in := range []string{"<n/><n/>", "<uid><uri>a</uri></uid><uid><uri>b</uri></uid>", "<gender/><gender/>",
		"<kind><text>a</text></kind><kind><text>b</text></kind>"} {
		if c := parse(t, in); len(c.Other) != 1 {
			t.Errorf("%s: %+v", in, c)
		}
	}
	if got := write(t, new(vcard4.Card)); got != "<vcard xmlns='"+vcard4.NS+"'/>" || !new(vcard4.Card).IsZero() {
		t.Errorf("empty: %s", got)
	}
	// The usual type of a property, and a property without value.
	c := &vcard4.Card{Phones: []vcard4.Value{{Values: []string{"tel:1"}}, {}}}
	if got := inner(t, c); got != "<tel><uri>tel:1</uri></tel>" {
		t.Errorf("written %s", got)
	}
	for _, c := range []*vcard4.Card{{Other: []stanza.Raw{"<a", "<b/>"}},
		{Name: &vcard4.Name{Params: vcard4.Params{Other: []stanza.Raw{"a"}}}}} {
		if b, err := c.AppendXML(nil); err == nil {
			t.Errorf("written %s", b)
		}
	}
	e, err := stanza.Raw("<vcard xmlns='" + vcard4.NS + "'>" + strings.Repeat("<x/>", vcard4.MaxProperties+1) +
		"</vcard>").Element()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.ParseXML(e); !errors.Is(err, stanza.NotAcceptable) {
		t.Errorf("too many properties: %v", err)
	}
}

func ptr[T any](v T) *T { return &v }

func uris(list ...string) (values []vcard4.Value) {
	for _, u := range list {
		values = append(values, vcard4.URI(u))
	}
	return values
}

func TestDataURI(t *testing.T) {
	for _, tt := range []struct {
		in, typ, data string
		ok            bool
	}{
		{vcard4.DataURI("image/png", []byte("abc")), "image/png", "abc", true},
		{"DATA:text/plain,a%20b", "text/plain", "a b", true},
		{"data:;base64,YWJ j%0a", "", "abc", true},
		{"data:;base64,!", "", "", false},
		{"data:text/plain", "", "", false},
		{"data:,%zz", "", "", false},
		{"http://s.lit/", "", "", false},
		{"", "", "", false},
	} {
		typ, data, ok := vcard4.ParseDataURI(tt.in)
		if ok != tt.ok || ok && (typ != tt.typ || string(data) != tt.data) {
			t.Errorf("%s: %q, %q, %v", tt.in, typ, data, ok)
		}
	}
}

// FuzzCard: what is read can be written and converted, and is read the same again.
func FuzzCard(f *testing.F) {
	f.Add(stpeter)
	f.Add("<n><surname>a</surname></n><adr><parameters><label><text>l</text></label></parameters></adr><x/><uid>" +
		"<uri>u</uri></uid>")
	f.Add("<photo><uri>data:image/png;base64,YWJj</uri></photo><related><parameters><type><text>agent</text></type>" +
		"</parameters><uri>a</uri></related>")
	f.Add("<FN xmlns='vcard-temp'>a</FN><MAILER xmlns='vcard-temp'>a</MAILER><geo><uri>geo:1,2</uri></geo><tz>" +
		"<utc-offset>-05</utc-offset></tz>")
	f.Fuzz(func(t *testing.T, in string) {
		e, err := stanza.Raw("<vcard xmlns='" + vcard4.NS + "'>" + in + "</vcard>").Element()
		if err != nil {
			t.Skip()
		}
		c := new(vcard4.Card)
		if c.ParseXML(e) != nil {
			return
		}
		out := inner(t, c)
		if again := inner(t, parse(t, out)); out != again {
			t.Errorf("%s\nthen %s", out, again)
		}
		e, err = stanza.Raw(write(t, c.Temp())).Element()
		if err != nil {
			t.Fatal(err)
		}
		var temp vcard.Card
		if err := temp.ParseXML(e); err == nil {
			parse(t, inner(t, vcard4.FromTemp(&temp)))
		}
	})
}

// A card is published in PEP; this is what is published.
func ExampleCard() {
	c := &vcard4.Card{IMPP: []vcard4.Value{vcard4.URI("xmpp:juliet@capulet.lit")}}
	b, _ := c.AppendXML(nil)
	fmt.Println(string(b))
	// Output:
	// <vcard xmlns='urn:ietf:params:xml:ns:vcard-4.0'><impp><uri>xmpp:juliet@capulet.lit</uri></impp></vcard>
}

// An old client is shown a new card.
func ExampleCard_Temp() {
	c := &vcard4.Card{FormattedName: []vcard4.Value{vcard4.Text("Juliet Capulet")},
		Phones: []vcard4.Value{vcard4.URI("tel:+39-045-8034303")}}
	b, _ := c.Temp().AppendXML(nil)
	fmt.Println(string(b))
	// Output:
	// <vCard xmlns='vcard-temp'><FN>Juliet Capulet</FN><TEL><NUMBER>+39-045-8034303</NUMBER></TEL></vCard>
}
