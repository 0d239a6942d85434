package vcard_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/vcard"
)

// parse reads a card with these children.
func parse(t testing.TB, inner string) *vcard.Card {
	t.Helper()
	return parseRaw(t, "<vCard xmlns='vcard-temp'>"+inner+"</vCard>")
}

func parseRaw(t testing.TB, in string) *vcard.Card {
	t.Helper()
	e, err := stanza.Raw(in).Element()
	if err != nil {
		t.Fatal(err)
	}
	c := new(vcard.Card)
	if err := c.ParseXML(e); err != nil {
		t.Fatal(err)
	}
	return c
}

func write(t testing.TB, c *vcard.Card) string {
	t.Helper()
	b, err := c.AppendXML(nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

const png = "\x89PNG\r\n\x1a\nabc" // "iVBORw0KGgphYmM=" in base64

// TestProperties goes through the DTD of draft-ietf-xmpp-im-02, appendix D.6, and
// of XEP-0054, section 9: bytes, value, bytes.
func TestProperties(t *testing.T) {
	agent := &vcard.Card{FormattedName: "Secretary", Agent: &vcard.Agent{URI: "http://s.lit/a.vcf"}}
	tests := []struct {
		name string
		in   string
		want vcard.Card
		out  string // "" if it is as in
	}{
		{"IM-D.6-FN", "<FN>Peter Saint-Andre</FN>", vcard.Card{FormattedName: "Peter Saint-Andre"}, ""},
		{"IM-D.6-N", "<N><FAMILY>Saint-Andre</FAMILY><GIVEN>Peter</GIVEN><MIDDLE>A,B</MIDDLE><PREFIX>Mr</PREFIX>" +
			"<SUFFIX>MA</SUFFIX></N>",
			vcard.Card{Name: vcard.Name{Family: "Saint-Andre", Given: "Peter", Middle: "A,B", Prefix: "Mr", Suffix: "MA"}}, ""},
		{"IM-D.6-N each is optional", "<N><GIVEN>Juliet</GIVEN><MIDDLE/></N>", vcard.Card{Name: vcard.Name{Given: "Juliet"}},
			"<N><GIVEN>Juliet</GIVEN></N>"},
		{"IM-D.6-NICKNAME", "<NICKNAME>stpeter,psa</NICKNAME>", vcard.Card{Nickname: "stpeter,psa"}, ""},
		{"IM-D.6-PHOTO", "<PHOTO><TYPE>image/png</TYPE><BINVAL>iVBORw0KGgphYmM=</BINVAL></PHOTO>",
			vcard.Card{Photo: vcard.Media{Type: "image/png", Data: []byte(png)}}, ""},
		{"IM-D.6-PHOTO EXTVAL", "<PHOTO><EXTVAL>http://s.lit/p.png</EXTVAL></PHOTO>",
			vcard.Card{Photo: vcard.Media{URI: "http://s.lit/p.png"}}, ""},
		{"IM-D.6-PHOTO white space, no padding, no type", "<PHOTO><BINVAL>\n  iVBORw0K\r\n\tGgphYmM\n</BINVAL></PHOTO>",
			vcard.Card{Photo: vcard.Media{Data: []byte(png)}},
			"<PHOTO><TYPE>image/png</TYPE><BINVAL>iVBORw0KGgphYmM=</BINVAL></PHOTO>"},
		{"IM-D.6-PHOTO none (XEP-0153, section 4.4)", "<PHOTO><TYPE>image/png</TYPE><BINVAL/></PHOTO>", vcard.Card{}, "-"},
		{"IM-D.6-PHOTO not base64", "<PHOTO><BINVAL>!</BINVAL></PHOTO>",
			vcard.Card{Other: []stanza.Raw{"<PHOTO xmlns='vcard-temp'><BINVAL>!</BINVAL></PHOTO>"}},
			"<PHOTO xmlns='vcard-temp'><BINVAL>!</BINVAL></PHOTO>"},
		{"IM-D.6-BDAY", "<BDAY>1966-08-06</BDAY>", vcard.Card{Birthday: "1966-08-06"}, ""},
		{"IM-D.6-ADR", "<ADR><HOME/><WORK/><POSTAL/><PARCEL/><DOM/><PREF/><POBOX>1</POBOX><EXTADD>Suite 600</EXTADD>" +
			"<STREET>Wynkoop</STREET>" +
			"<LOCALITY>Denver</LOCALITY><REGION>CO</REGION><PCODE>80202</PCODE><CTRY>USA</CTRY></ADR>",
			vcard.Card{Addresses: []vcard.Address{{
				Flags: vcard.Home | vcard.Work | vcard.Postal | vcard.Parcel | vcard.Domestic | vcard.Preferred,
				POBox: "1", Extended: "Suite 600", Street: "Wynkoop", Locality: "Denver", Region: "CO", Code: "80202",
				Country: "USA",
			}}}, ""},
		{"IM-D.6-ADR GUIDE-9-vcard-2 both spellings", "<ADR><INTL/><EXTADR>x</EXTADR><COUNTRY>Holland</COUNTRY></ADR>",
			vcard.Card{Addresses: []vcard.Address{{Flags: vcard.International, Extended: "x", Country: "Holland"}}},
			"<ADR><INTL/><EXTADD>x</EXTADD><CTRY>Holland</CTRY></ADR>"},
		{"IM-D.6-LABEL", "<LABEL><HOME/><WORK/><POSTAL/><PARCEL/><INTL/><PREF/><LINE>Villa Capulet</LINE><LINE></LINE>" +
			"<LINE>Verona</LINE></LABEL>",
			vcard.Card{Labels: []vcard.Label{{
				Flags: vcard.Home | vcard.Work | vcard.Postal | vcard.Parcel | vcard.International | vcard.Preferred,
				Lines: []string{"Villa Capulet", "", "Verona"},
			}}}, ""},
		{"IM-D.6-TEL", "<TEL><HOME/><WORK/><VOICE/><FAX/><PAGER/><MSG/><CELL/><VIDEO/><BBS/><MODEM/><ISDN/><PCS/>" +
			"<PREF/><NUMBER>303-308-3282</NUMBER></TEL>",
			vcard.Card{Phones: []vcard.Phone{{
				Flags: vcard.Home | vcard.Work | vcard.Voice | vcard.Fax | vcard.Pager | vcard.Message | vcard.Cell | vcard.Video |
					vcard.BBS | vcard.Modem | vcard.ISDN | vcard.PCS | vcard.Preferred,
				Number: "303-308-3282",
			}}}, ""},
		{"IM-D.6-TEL several", "<TEL><WORK/><FAX/><NUMBER></NUMBER></TEL><TEL><NUMBER>1</NUMBER></TEL>",
			vcard.Card{Phones: []vcard.Phone{{Flags: vcard.Work | vcard.Fax}, {Number: "1"}}}, ""},
		{"GUIDE-9-vcard-3 TEL without NUMBER", "<TEL><VOICE/><HOME/></TEL><TEL> 303 <CELL/></TEL>",
			vcard.Card{Phones: []vcard.Phone{{Flags: vcard.Voice | vcard.Home}, {Flags: vcard.Cell, Number: "303"}}},
			"<TEL><HOME/><VOICE/><NUMBER></NUMBER></TEL><TEL><CELL/><NUMBER>303</NUMBER></TEL>"},
		{"IM-D.6-EMAIL", "<EMAIL><HOME/><WORK/><INTERNET/><PREF/><USERID>stpeter@jabber.org</USERID></EMAIL><EMAIL>" +
			"<X400/><USERID>C=US</USERID></EMAIL>",
			vcard.Card{Emails: []vcard.Email{
				{Flags: vcard.Home | vcard.Work | vcard.Internet | vcard.Preferred, Address: "stpeter@jabber.org"},
				{Flags: vcard.X400, Address: "C=US"},
			}}, ""},
		{"GUIDE-9-vcard-3 EMAIL without USERID", "<EMAIL><INTERNET/><PREF/>hamlet@denmark</EMAIL>",
			vcard.Card{Emails: []vcard.Email{{Flags: vcard.Internet | vcard.Preferred, Address: "hamlet@denmark"}}},
			"<EMAIL><INTERNET/><PREF/><USERID>hamlet@denmark</USERID></EMAIL>"},
		{"IM-D.6-JABBERID", "<JABBERID>stpeter@jabber.org</JABBERID>", vcard.Card{JabberID: "stpeter@jabber.org"}, ""},
		{"IM-D.6-TZ", "<TZ>-05:00</TZ>", vcard.Card{TimeZone: "-05:00"}, ""},
		{"IM-D.6-GEO", "<GEO><LAT>39.590000</LAT><LON>-105.012345678</LON></GEO>", vcard.Card{Geo: &vcard.Geo{Lat: 39.59,
			Lon: -105.012345678}}, ""},
		{"IM-D.6-GEO six places", "<GEO><LAT> 39.5 </LAT><LON>-105</LON></GEO>", vcard.Card{Geo: &vcard.Geo{Lat: 39.5,
			Lon: -105}},
			"<GEO><LAT>39.500000</LAT><LON>-105.000000</LON></GEO>"},
		{"IM-D.6-GEO empty", "<GEO><LAT/><LON/></GEO>", vcard.Card{}, "-"},
		{"IM-D.6-GEO nowhere", "<GEO><LAT>91</LAT><LON>NaN</LON></GEO>",
			vcard.Card{Other: []stanza.Raw{"<GEO xmlns='vcard-temp'><LAT>91</LAT><LON>NaN</LON></GEO>"}},
			"<GEO xmlns='vcard-temp'><LAT>91</LAT><LON>NaN</LON></GEO>"},
		{"IM-D.6-LOGO", "<LOGO><TYPE>image/png</TYPE><BINVAL>iVBORw0KGgphYmM=</BINVAL></LOGO>",
			vcard.Card{Logo: vcard.Media{Type: "image/png", Data: []byte(png)}}, ""},
		{"IM-D.6-AGENT EXTVAL", "<AGENT><EXTVAL>http://s.lit/a.vcf</EXTVAL></AGENT>",
			vcard.Card{Agent: &vcard.Agent{URI: "http://s.lit/a.vcf"}}, ""},
		{"IM-D.6-AGENT a card, whose agent is elsewhere",
			"<AGENT><vCard xmlns='vcard-temp'><FN>Secretary</FN><AGENT><EXTVAL>http://s.lit/a.vcf</EXTVAL></AGENT>" +
				"</vCard></AGENT>",
			vcard.Card{Agent: &vcard.Agent{Card: agent}}, ""},
		{"IM-D.6-ORG", "<ORG><ORGNAME>XMPP Standards Foundation</ORGNAME><ORGUNIT>Council</ORGUNIT><ORGUNIT>" +
			"Editors</ORGUNIT></ORG>",
			vcard.Card{Org: vcard.Organization{Name: "XMPP Standards Foundation", Units: []string{"Council", "Editors"}}}, ""},
		{"IM-D.6-CATEGORIES", "<CATEGORIES><KEYWORD>work</KEYWORD><KEYWORD>xmpp</KEYWORD></CATEGORIES>",
			vcard.Card{Categories: []string{"work", "xmpp"}}, ""},
		{"IM-D.6-NOTE and all that is plain text",
			"<MAILER>m</MAILER><TITLE>t</TITLE><ROLE>r</ROLE><NOTE>n</NOTE><PRODID>p</PRODID>" +
				"<UID>u</UID><URL>http://s.lit/?a&amp;b</URL><DESC>\n d </DESC>",
			vcard.Card{Mailer: "m", Title: "t", Role: "r", Note: "n", ProductID: "p", UID: "u", URL: "http://s.lit/?a&b",
				Description: "\n d "}, ""},
		{"IM-D.6-REV", "<REV>2026-01-02T03:04:05Z</REV>", vcard.Card{Revised: "2026-01-02T03:04:05Z"}, ""},
		{"IM-D.6-SORT-STRING", "<SORT-STRING>Andre</SORT-STRING>", vcard.Card{SortString: "Andre"}, ""},
		{"IM-D.6-SORT-STRING as the guide defines it", "<SORTSTR>Andre</SORTSTR>", vcard.Card{SortString: "Andre"},
			"<SORT-STRING>Andre</SORT-STRING>"},
		{"IM-D.6-SOUND PHONETIC", "<SOUND><PHONETIC>pee-ter</PHONETIC></SOUND>",
			vcard.Card{Sound: vcard.Sound{Phonetic: "pee-ter"}}, ""},
		{"IM-D.6-SOUND BINVAL", "<SOUND><BINVAL>YWJj</BINVAL></SOUND>",
			vcard.Card{Sound: vcard.Sound{Data: []byte("abc")}}, ""},
		{"IM-D.6-SOUND EXTVAL", "<SOUND><EXTVAL>http://s.lit/s</EXTVAL></SOUND>",
			vcard.Card{Sound: vcard.Sound{URI: "http://s.lit/s"}}, ""},
		{"IM-D.6-CLASS PUBLIC", "<CLASS><PUBLIC/></CLASS>", vcard.Card{Class: vcard.Public}, ""},
		{"IM-D.6-CLASS PRIVATE", "<CLASS><PRIVATE/></CLASS>", vcard.Card{Class: vcard.Private}, ""},
		{"IM-D.6-CLASS CONFIDENTIAL", "<CLASS><CONFIDENTIAL/></CLASS>", vcard.Card{Class: vcard.Confidential}, ""},
		{"IM-D.6-KEY", "<KEY><TYPE>pgp</TYPE><CRED>abc</CRED></KEY>", vcard.Card{Key: vcard.Key{Type: "pgp",
			Credential: "abc"}}, ""},
		{"IM-D.6-KEY the type is optional", "<KEY><CRED>abc</CRED></KEY>", vcard.Card{Key: vcard.Key{Credential: "abc"}}, ""},

		{"IM-D.6-vCard in any order, and nothing is required", "<DESC>d</DESC><NICKNAME/><FN>f</FN>",
			vcard.Card{FormattedName: "f", Description: "d"},
			"<FN>f</FN><DESC>d</DESC>"},
		{"IM-D.6-vCard what is unknown, at all depths",
			"<X-A a='1'>x<b/></X-A><FN>f</FN><TEL><TEXT/><NUMBER>1</NUMBER></TEL><e xmlns='urn:e'/>",
			vcard.Card{FormattedName: "f", Phones: []vcard.Phone{{Number: "1",
				Other: []stanza.Raw{"<TEXT xmlns='vcard-temp'/>"}}},
				Other: []stanza.Raw{"<X-A xmlns='vcard-temp' a='1'>x<b/></X-A>", "<e xmlns='urn:e'/>"}},
			"<FN>f</FN><TEL><NUMBER>1</NUMBER><TEXT xmlns='vcard-temp'/></TEL><X-A xmlns='vcard-temp' a='1'>x<b/></X-A>" +
				"<e xmlns='urn:e'/>"},
		{"IM-D.6-vCard what comes twice", "<URL/><URL>a</URL><URL>b</URL><URL/><GEO><LAT>1</LAT><LON>2</LON></GEO>" +
			"<GEO><LAT>3</LAT><LON>4</LON></GEO>",
			vcard.Card{URL: "a", Geo: &vcard.Geo{Lat: 1, Lon: 2},
				Other: []stanza.Raw{"<URL xmlns='vcard-temp'>b</URL>", "<GEO xmlns='vcard-temp'><LAT>3</LAT><LON>4</LON></GEO>"}},
			"<GEO><LAT>1.000000</LAT><LON>2.000000</LON></GEO><URL>a</URL><URL xmlns='vcard-temp'>b</URL>" +
				"<GEO xmlns='vcard-temp'><LAT>3</LAT><LON>4</LON></GEO>"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := parse(t, tt.in)
			if !reflect.DeepEqual(*c, tt.want) {
				t.Errorf("got %+v, want %+v", *c, tt.want)
			}
			if tt.out == "" {
				tt.out = tt.in
			}
			want := "<vCard xmlns='vcard-temp'>" + tt.out + "</vCard>"
			if tt.out == "-" {
				want = "<vCard xmlns='vcard-temp'/>"
			}
			if got := write(t, c); got != want {
				t.Errorf("written: %s\n   want: %s", got, want)
			}
			if c.IsZero() != (tt.out == "-") {
				t.Errorf("IsZero: %v", c.IsZero())
			}
		})
	}
}

// TestKept: elements of a form that there is no field for are kept whole.
func TestKept(t *testing.T) {
	for _, in := range []string{
		"<FN>a<b/></FN>", "<CLASS><PUBLIC/><PRIVATE/></CLASS>", "<CLASS><SECRET/></CLASS>",
		"<CATEGORIES><WORD>a</WORD></CATEGORIES>",
		"<CATEGORIES><KEYWORD>a<b/></KEYWORD></CATEGORIES>", "<SOUND><BINVAL>!</BINVAL></SOUND>", "<SOUND><X/></SOUND>",
		"<KEY><X/></KEY>",
		"<AGENT><X/></AGENT>", "<AGENT><vCard/><vCard/></AGENT>", "<GEO><LAT>1</LAT><LON>2</LON><X/></GEO>",
		"<GEO><LAT>1</LAT></GEO>",
		"<fn>a</fn>", "<EMAIL2/>",
	} {
		c := parse(t, in)
		name := in[1:strings.IndexAny(in, ">/")]
		if len(c.Other) != 1 || !strings.HasPrefix(string(c.Other[0]), "<"+name+" xmlns='vcard-temp'") {
			t.Errorf("%s: %+v", in, c)
		}
	}
	// Inside structures, and of what is there twice.
	for _, tt := range []struct{ in, want string }{
		{"<N><GIVEN>a</GIVEN><X/></N>", ""},
		{"<N><X/></N>", ""},
		{"<ADR><HOME/><X/></ADR>", ""},
		{"<ADR><CTRY>a</CTRY><COUNTRY>b</COUNTRY></ADR>", "<ADR><CTRY>a</CTRY><COUNTRY xmlns='vcard-temp'>b</COUNTRY></ADR>"},
		{"<LABEL><LINE>a<b/></LINE></LABEL>", ""},
		{"<EMAIL><USERID>a</USERID><X/></EMAIL>", ""},
		{"<ORG><X/><ORGUNIT>a<b/></ORGUNIT></ORG>", ""},
		{"<PHOTO><EXTVAL>a</EXTVAL><X/></PHOTO>", ""},
		{"<PHOTO><EXTVAL>a</EXTVAL></PHOTO><PHOTO><EXTVAL>b</EXTVAL></PHOTO>", ""},
		{"<SOUND><EXTVAL>a</EXTVAL></SOUND><SOUND><EXTVAL>b</EXTVAL></SOUND>", ""},
		{"<KEY><CRED>a</CRED></KEY><KEY><CRED>b</CRED></KEY>", ""},
		{"<CLASS><PUBLIC/></CLASS><CLASS><PRIVATE/></CLASS>", ""},
		{"<AGENT><EXTVAL>a</EXTVAL></AGENT><AGENT><EXTVAL>b</EXTVAL></AGENT>", ""},
		{"<N><GIVEN>a</GIVEN></N><N><GIVEN>b</GIVEN></N>", ""},
		{"<ORG><ORGNAME>a</ORGNAME></ORG><ORG><ORGNAME>b</ORGNAME></ORG>", ""},
		{"<CATEGORIES><KEYWORD>a</KEYWORD></CATEGORIES><CATEGORIES><KEYWORD>b</KEYWORD></CATEGORIES>",
			"<CATEGORIES><KEYWORD>a</KEYWORD><KEYWORD>b</KEYWORD></CATEGORIES>"},
		{"<CLASS/><KEY/><SOUND/><AGENT/><ORG/><N/>", "-"},
	} {
		want := tt.want
		if want == "" {
			want = tt.in
		}
		got := strings.ReplaceAll(write(t, parse(t, tt.in)), " xmlns='vcard-temp'", "")
		want = "<vCard>" + strings.ReplaceAll(want, " xmlns='vcard-temp'", "") + "</vCard>"
		if tt.want == "-" {
			want = "<vCard/>"
		}
		if got != want {
			t.Errorf("%s becomes %s", tt.in, got)
		}
	}
}

// TestReq_IM_D_6_VERSION: IM-D.6-VERSION, as an attribute and as an element; it is
// written as an attribute, and required nowhere.
func TestReq_IM_D_6_VERSION(t *testing.T) {
	for _, tt := range []struct{ in, version, out string }{
		{"<vCard xmlns='vcard-temp' version='3.0'><FN>a</FN></vCard>", "3.0",
			"<vCard xmlns='vcard-temp' version='3.0'><FN>a</FN></vCard>"},
		{"<vCard xmlns='vcard-temp'><VERSION>2.0</VERSION></vCard>", "2.0", "<vCard xmlns='vcard-temp' version='2.0'/>"},
		{"<vCard xmlns='vcard-temp' version='3.0'><VERSION>2.0</VERSION></vCard>", "3.0",
			"<vCard xmlns='vcard-temp' version='3.0'/>"},
		{"<vCard xmlns='vcard-temp' prodid='-//HandGen//NONSGML vGen v1.0//EN'/>", "", "<vCard xmlns='vcard-temp'/>"},
	} {
		c := parseRaw(t, tt.in)
		if c.Version != tt.version || write(t, c) != tt.out {
			t.Errorf("%s: version %q, written %s", tt.in, c.Version, write(t, c))
		}
	}
}

// The card of XEP-0054, example 2, and that of the Jabber Programmers Guide,
// chapter 9.
const (
	stpeter = `<vCard xmlns='vcard-temp'>
    <FN>Peter Saint-Andre</FN>
    <N>
      <FAMILY>Saint-Andre</FAMILY>
      <GIVEN>Peter</GIVEN>
      <MIDDLE/>
    </N>
    <NICKNAME>stpeter</NICKNAME>
    <URL>http://www.xmpp.org/xsf/people/stpeter.shtml</URL>
    <BDAY>1966-08-06</BDAY>
    <ORG>
      <ORGNAME>XMPP Standards Foundation</ORGNAME>
      <ORGUNIT/>
    </ORG>
    <TITLE>Executive Director</TITLE>
    <ROLE>Patron Saint</ROLE>
    <TEL><WORK/><VOICE/><NUMBER>303-308-3282</NUMBER></TEL>
    <TEL><WORK/><FAX/><NUMBER/></TEL>
    <TEL><WORK/><MSG/><NUMBER/></TEL>
    <ADR>
      <WORK/>
      <EXTADD>Suite 600</EXTADD>
      <STREET>1899 Wynkoop Street</STREET>
      <LOCALITY>Denver</LOCALITY>
      <REGION>CO</REGION>
      <PCODE>80202</PCODE>
      <CTRY>USA</CTRY>
    </ADR>
    <TEL><HOME/><VOICE/><NUMBER>303-555-1212</NUMBER></TEL>
    <TEL><HOME/><FAX/><NUMBER/></TEL>
    <TEL><HOME/><MSG/><NUMBER/></TEL>
    <ADR>
      <HOME/>
      <EXTADD/>
      <STREET/>
      <LOCALITY>Denver</LOCALITY>
      <REGION>CO</REGION>
      <PCODE>80209</PCODE>
      <CTRY>USA</CTRY>
    </ADR>
    <EMAIL><INTERNET/><PREF/><USERID>stpeter@jabber.org</USERID></EMAIL>
    <JABBERID>stpeter@jabber.org</JABBERID>
    <DESC>
      More information about me is located on my
      personal website: http://www.saint-andre.com/
    </DESC>
  </vCard>`
	hamlet = `<vCard xmlns="vcard-temp"> <FN>Hamlet</FN> <N> <FAMILY>??</FAMILY> <GIVEN>Hamlet</GIVEN> <MIDDLE/> </N> ` +
		`<NICKNAME>Ham</NICKNAME> <URL>??</URL> <BDAY>??</BDAY> <ORG> ` +
		`<ORGNAME>Holland Monarchy</ORGNAME> <ORGUNIT/> </ORG> ` +
		`<TITLE>Prince</TITLE> <ROLE>Royal Family</ROLE> <TEL><VOICE/><HOME/></TEL> <TEL><FAX/><HOME/></TEL> ` +
		`<ADR> <HOME/> <EXTADD/> <STREET/> <LOCALITY>Denmark</LOCALITY> <REGION>??</REGION> ` +
		`<PCODE>??</PCODE> <COUNTRY>Holland</COUNTRY> </ADR> ` +
		`<TEL><MSG/><WORK/></TEL> <EMAIL><INTERNET/><PREF/>hamlet@denmark</EMAIL> </vCard>`
)

func TestExamples(t *testing.T) {
	t.Run("XEP-0054 example 2", func(t *testing.T) {
		c := parseRaw(t, stpeter)
		want := vcard.Card{
			FormattedName: "Peter Saint-Andre",
			Name:          vcard.Name{Family: "Saint-Andre", Given: "Peter"},
			Nickname:      "stpeter",
			URL:           "http://www.xmpp.org/xsf/people/stpeter.shtml",
			Birthday:      "1966-08-06",
			Org:           vcard.Organization{Name: "XMPP Standards Foundation"},
			Title:         "Executive Director",
			Role:          "Patron Saint",
			Phones: []vcard.Phone{
				{Flags: vcard.Work | vcard.Voice, Number: "303-308-3282"}, {Flags: vcard.Work | vcard.Fax},
				{Flags: vcard.Work | vcard.Message},
				{Flags: vcard.Home | vcard.Voice, Number: "303-555-1212"}, {Flags: vcard.Home | vcard.Fax},
				{Flags: vcard.Home | vcard.Message},
			},
			Addresses: []vcard.Address{
				{Flags: vcard.Work, Extended: "Suite 600", Street: "1899 Wynkoop Street", Locality: "Denver", Region: "CO",
					Code: "80202", Country: "USA"},
				{Flags: vcard.Home, Locality: "Denver", Region: "CO", Code: "80209", Country: "USA"},
			},
			Emails:   []vcard.Email{{Flags: vcard.Internet | vcard.Preferred, Address: "stpeter@jabber.org"}},
			JabberID: "stpeter@jabber.org",
			Description: "\n      More information about me is located on my\n " +
				"     personal website: http://www.saint-andre.com/\n    ",
		}
		if !reflect.DeepEqual(*c, want) {
			t.Errorf("got %+v", *c)
		}
		if again := parseRaw(t, write(t, c)); !reflect.DeepEqual(again, c) {
			t.Errorf("again: %+v", *again)
		}
	})
	t.Run("GUIDE-9-vcard-2 GUIDE-9-vcard-3 the guide's", func(t *testing.T) {
		c := parseRaw(t, hamlet)
		if c.Addresses[0].Country != "Holland" || c.Emails[0].Address != "hamlet@denmark" || len(c.Phones) != 3 ||
			c.Phones[0].Number != "" ||
			c.Phones[0].Flags != vcard.Voice|vcard.Home || c.Other != nil || c.Org.Units != nil {
			t.Errorf("got %+v", *c)
		}
		if _, ok := c.BornOn(); ok {
			t.Error("?? is a birthday")
		}
	})
	t.Run("XEP-0153 example 1", func(t *testing.T) {
		c := parse(t, "<BDAY>1476-06-09</BDAY><ADR><CTRY>Italy</CTRY><LOCALITY>Verona</LOCALITY><HOME/></ADR><NICKNAME/>"+
			"<N><GIVEN>Juliet</GIVEN><FAMILY>Capulet</FAMILY></N><EMAIL><USERID>jcapulet@shakespeare.lit</USERID></EMAIL>"+
			"<PHOTO><TYPE>image/jpeg</TYPE><BINVAL>\n/9j/YWJj\n</BINVAL></PHOTO>")
		if c.Addresses[0].Flags != vcard.Home || !c.Emails[0].IsInternet() || string(c.Photo.Data) != "\xff\xd8\xffabc" {
			t.Errorf("got %+v", *c)
		}
	})
}

func TestLimits(t *testing.T) {
	full := strings.Repeat("<X/>", vcard.MaxProperties)
	if c := parse(t, full); len(c.Other) != vcard.MaxProperties {
		t.Errorf("%d", len(c.Other))
	}
	over, err := stanza.Raw("<vCard xmlns='vcard-temp'>" + full + "<X/></vCard>").Element()
	if err != nil {
		t.Fatal(err)
	}
	if err := new(vcard.Card).ParseXML(over); !errors.Is(err, stanza.NotAcceptable) {
		t.Errorf("too many properties: %v", err)
	}
	if c := parse(t, "<AGENT>"+string(over.Raw())+"</AGENT>"); c.Agent != nil || len(c.Other) != 1 {
		t.Error("an agent with too many properties was read")
	}
	deep := "<FN>a</FN>"
	for range vcard.MaxAgents + 2 {
		deep = "<AGENT><vCard xmlns='vcard-temp'>" + deep + "</vCard></AGENT>"
	}
	c := parse(t, deep)
	n := 0
	for a := c; a.Agent != nil; a = a.Agent.Card {
		n++
	}
	if n != vcard.MaxAgents {
		t.Errorf("%d agents deep, want %d", n, vcard.MaxAgents)
	}
	if got := strings.Count(write(t, c), "<AGENT"); got != vcard.MaxAgents+2 {
		t.Errorf("%d agents are written", got)
	}
}

func TestWriteErrors(t *testing.T) {
	bad := []stanza.Raw{"<a", "<b/>"}
	for _, c := range []*vcard.Card{
		{Other: bad}, {Name: vcard.Name{Other: bad}}, {Phones: []vcard.Phone{{Other: bad}}}, {Photo: vcard.Media{Other: bad}},
		{Agent: &vcard.Agent{Card: &vcard.Card{Other: bad}}},
	} {
		if b, err := c.AppendXML(nil); err == nil {
			t.Errorf("written: %s", b)
		}
	}
	// What is no class or no number is not written.
	inf := 1.0
	for range 2000 {
		inf *= 2
	}
	c := &vcard.Card{Class: "SECRET", Geo: &vcard.Geo{Lat: inf}}
	if got := write(t, c); got != "<vCard xmlns='vcard-temp'><GEO><LAT>0.000000</LAT><LON>0.000000</LON></GEO></vCard>" {
		t.Errorf("written: %s", got)
	}
}

func TestLists(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want []string
	}{
		{"", nil}, {"a", []string{"a"}}, {"a, b ,,c", []string{"a", "b", "c"}}, {`a\,b\\,c\;\d`, []string{"a,b\\", `c;\d`}},
	} {
		if got := vcard.List(tt.in); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %q", tt.in, got)
		}
	}
	values := []string{"a,b", `c\`, "d"}
	if got := vcard.JoinList(values...); got != `a\,b,c\\,d` || !reflect.DeepEqual(vcard.List(got), values) {
		t.Errorf("got %s", got)
	}
}

func TestTimes(t *testing.T) {
	day := time.Date(1966, 8, 6, 0, 0, 0, 0, time.UTC)
	for _, s := range []string{"1966-08-06", " 19660806\n", "1966-08-06T23:30:00-07:00", "19660806T233000Z",
		"1966-08-06T23:30:00"} {
		if got, ok := (&vcard.Card{Birthday: s}).BornOn(); !ok || !got.Equal(day) {
			t.Errorf("%q: %v, %v", s, got, ok)
		}
	}
	if got, ok := (&vcard.Card{Revised: "2026-01-02T03:04:05.5Z"}).RevisedAt(); !ok || got.Nanosecond() != 5e8 {
		t.Errorf("%v, %v", got, ok)
	}
	for s, want := range map[string]string{"-05:00": "-0500", "+0130": "+0130", "-07": "-0700", "Z": "+0000"} {
		zone, ok := (&vcard.Card{TimeZone: s}).Zone()
		if !ok || day.In(zone).Format("-0700") != want {
			t.Errorf("%q: %v, %v", s, zone, ok)
		}
	}
	if _, ok := (&vcard.Card{TimeZone: "America/Denver"}).Zone(); ok {
		t.Error("a name is an offset")
	}
}

func TestMedia(t *testing.T) {
	for _, tt := range []struct {
		m   vcard.Media
		typ string
	}{
		{vcard.Media{Data: []byte(png), Type: "image/jpeg"}, "image/png"},
		{vcard.Media{Data: []byte("GIF89a")}, "image/gif"},
		{vcard.Media{Data: []byte("\xff\xd8\xff")}, "image/jpeg"},
		{vcard.Media{Data: []byte("RIFF1234WEBPVP8 ")}, "image/webp"},
		{vcard.Media{Data: []byte("<svg/>"), Type: "image/svg+xml"}, "image/svg+xml"},
		{vcard.Media{}, "application/octet-stream"},
	} {
		if got := tt.m.ContentType(); got != tt.typ {
			t.Errorf("%q: %s, want %s", tt.m.Data, got, tt.typ)
		}
	}
	// The hash of "abc" is in FIPS 180, appendix A.
	if got := (&vcard.Media{Data: []byte("abc")}).Hash(); got != "a9993e364706816aba3e25717850c26c9cd0d89d" {
		t.Errorf("hash %s", got)
	}
	if got := (&vcard.Media{URI: "a"}).Hash(); got != "" {
		t.Errorf("hash %s of nothing", got)
	}
	if got := (vcard.Home | vcard.X400).String(); got != "HOME X400" {
		t.Errorf("flags %s", got)
	}
}

// TestReq_IM_D_6_xCard: IM-D.6-xCard and GUIDE-9-vcard-4, the roots of files.
func TestReq_IM_D_6_xCard(t *testing.T) {
	const head = "<?xml version='1.0' encoding='UTF-8'?><!DOCTYPE vCard PUBLIC 'a' 'b'><!-- comment -->"
	tests := []struct {
		name, in string
		want     []string // FN; of an agent behind a slash
	}{
		{"IM-D.6-xCard several", head + "<xCard xmlns='vcard-temp'><vCard><FN>a &amp; b</FN></vCard> <!-- c -->" +
			"<vCard version='3.0'><FN>c</FN></vCard></xCard>",
			[]string{"a & b", "c"}},
		{"one, without a namespace", "<vCard><FN><![CDATA[<a>]]></FN></vCard>\n", []string{"<a>"}},
		{"GUIDE-9-vcard-4 in capitals", head + "<XCARD><VCARD><FN>a</FN><AGENT><VCARD><FN>b</FN></VCARD></AGENT>" +
			"</VCARD></XCARD>", []string{"a/b"}},
		{"a prefix", "<v:vCard xmlns:v='vcard-temp' xml:lang='en'><v:FN>a</v:FN><x xmlns='urn:x'/></v:vCard>", []string{"a"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cards, err := vcard.Import(strings.NewReader(tt.in))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, c := range cards {
				name := c.FormattedName
				if c.Agent != nil {
					name += "/" + c.Agent.Card.FormattedName
				}
				got = append(got, name)
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %q", got)
			}
		})
	}
	for _, in := range []string{"", "<a/>", "<vCard xmlns='urn:x'/>", "<vCard>", "<vCard><a b='\x01'/></vCard>",
		"<xCard/>", "<xCard>", "x",
		"<vCard>" + strings.Repeat("<X/>", vcard.MaxProperties+1) + "</vCard>", "<vCard><a:b:c/></vCard>",
		"<vCard><\u00d7/></vCard>"} {
		if cards, err := vcard.Import(strings.NewReader(in)); err == nil {
			t.Errorf("%.40q: %d cards", in, len(cards))
		}
	}
	// On a stream only vCard is one.
	e, err := stanza.Raw("<VCARD xmlns='vcard-temp'/>").Element()
	if name := new(vcard.Card).XMLName(); err != nil || e.Is(name.Space, name.Local) {
		t.Errorf("GUIDE-9-vcard-4: VCARD is %v (%v)", name, err)
	}
}

// FuzzCard: what is read can be written, and is read the same again.
func FuzzCard(f *testing.F) {
	f.Add(stpeter)
	f.Add(hamlet)
	f.Add("<vCard xmlns='vcard-temp'><GEO><LAT>1.5</LAT><LON>-2</LON></GEO><AGENT><vCard><FN>a</FN></vCard></AGENT>" +
		"<X><Y/></X></vCard>")
	f.Add("<v:vCard xmlns:v='vcard-temp'><v:PHOTO><v:BINVAL>YWJj</v:BINVAL></v:PHOTO><v:CLASS><v:PUBLIC/></v:CLASS>" +
		"<a xmlns=''/></v:vCard>")
	f.Add("<v:vCard xmlns:v='vcard-temp'><v:CLASS><v:SECRET/></v:CLASS></v:vCard>")
	f.Add("<vCard xmlns='vcard-temp'><SOUND><PHONETIC>a</PHONETIC></SOUND><KEY><CRED>b</CRED></KEY><ORG><ORGUNIT>" +
		"u</ORGUNIT></ORG><URL>a</URL><URL>b</URL></vCard>")
	f.Fuzz(func(t *testing.T, in string) {
		e, err := stanza.Raw(in).Element()
		if err != nil || !e.Is(vcard.NS, "vCard") {
			t.Skip()
		}
		c := new(vcard.Card)
		if c.ParseXML(e) != nil {
			return
		}
		out := write(t, c)
		e, err = stanza.Raw(out).Element()
		if err != nil {
			t.Fatalf("%s: %v", out, err)
		}
		again := new(vcard.Card)
		if err := again.ParseXML(e); err != nil {
			t.Fatal(err)
		}
		// What is kept declares the namespace that is around it, if there is one.
		strip := func(s string) string { return strings.ReplaceAll(s, " xmlns='vcard-temp'", "") }
		if out2 := write(t, again); strip(out) != strip(out2) {
			t.Errorf("%s\nthen %s", out, out2)
		}
	})
}

// FuzzImport: whatever a file holds, what is read can be written.
func FuzzImport(f *testing.F) {
	f.Add("<?xml version='1.0'?><!DOCTYPE x><xCard><vCard><FN>a</FN></vCard></xCard>")
	f.Add("<XCARD xmlns='vcard-temp'><VCARD version='3.0'><!-- c --><X a='b'><![CDATA[<]]></X></VCARD></XCARD>")
	f.Fuzz(func(t *testing.T, in string) {
		cards, err := vcard.Import(strings.NewReader(in))
		if (err == nil) != (len(cards) > 0) {
			t.Fatalf("%d cards, %v", len(cards), err)
		}
		for _, c := range cards {
			if _, err := stanza.Raw(write(t, c)).Element(); err != nil {
				t.Error(err)
			}
		}
	})
}
