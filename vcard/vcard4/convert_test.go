package vcard4_test

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/vcard"
	"github.com/etherx-go/xmpp/vcard/vcard4"
)

func parseTemp(t testing.TB, inner string) *vcard.Card {
	t.Helper()
	e, err := stanza.Raw("<vCard xmlns='vcard-temp'>" + inner + "</vCard>").Element()
	if err != nil {
		t.Fatal(err)
	}
	c := new(vcard.Card)
	if err := c.ParseXML(e); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestConvert goes from vcard-temp to vCard4 and back, by XEP-0292, section 11.
func TestConvert(t *testing.T) {
	const temp = " xmlns='vcard-temp'"
	tests := []struct {
		name, temp, card string
		back             string // "" if it is as temp
	}{
		{"IM-C-1 FN", "<FN>a</FN>", "<fn><text>a</text></fn>", ""},
		{"N", "<N><FAMILY>Saint-Andre</FAMILY><GIVEN>Peter</GIVEN><MIDDLE>x,y</MIDDLE></N><SORT-STRING>Andre</SORT-STRING>",
			"<n><parameters><sort-as><text>Andre</text></sort-as></parameters><surname>Saint-Andre</surname><given>" +
				"Peter</given>" +
				"<additional>x</additional><additional>y</additional><prefix></prefix><suffix></suffix></n>", ""},
		{"NICKNAME", `<NICKNAME>stpeter,p\,sa</NICKNAME>`, "<nickname><text>stpeter</text><text>p,sa</text></nickname>", ""},
		{"PHOTO as data", "<PHOTO><TYPE>image/x</TYPE><BINVAL>YWJj</BINVAL></PHOTO>",
			"<photo><uri>data:image/x;base64,YWJj</uri></photo>", ""},
		{"PHOTO elsewhere", "<PHOTO><EXTVAL>http://s.lit/p</EXTVAL></PHOTO>", "<photo><uri>http://s.lit/p</uri></photo>", ""},
		{"LOGO", "<LOGO><EXTVAL>http://s.lit/p</EXTVAL></LOGO>", "<logo><uri>http://s.lit/p</uri></logo>", ""},
		{"BDAY", "<BDAY>1966-08-06</BDAY>", "<bday><date>19660806</date></bday>", ""},
		{"BDAY with a time", "<BDAY>1966-08-06T01:02:03-07:00</BDAY>",
			"<bday><date-time>19660806T010203-0700</date-time></bday>", ""},
		{"BDAY in words", "<BDAY>in August</BDAY>", "<bday><text>in August</text></bday>", ""},
		{"ADR", "<ADR><HOME/><WORK/><PREF/><POBOX>1</POBOX><EXTADD>2</EXTADD><STREET>3</STREET><LOCALITY>4</LOCALITY>" +
			"<REGION>5</REGION><PCODE>6</PCODE><CTRY>7</CTRY></ADR>",
			"<adr><parameters><pref><integer>1</integer></pref><type><text>work</text><text>home</text></type>" +
				"</parameters><pobox>1</pobox><ext>2</ext>" +
				"<street>3</street><locality>4</locality><region>5</region><code>6</code><country>7</country></adr>", ""},
		{"ADR types that are gone", "<ADR><PARCEL/><CTRY>7</CTRY></ADR>",
			"<adr><pobox></pobox><ext></ext><street></street><locality></locality><region></region><code></code><country>" +
				"7</country></adr>", "<ADR><CTRY>7</CTRY></ADR>"},
		{"LABEL of an address", "<ADR><HOME/><CTRY>7</CTRY></ADR><LABEL><HOME/><LINE>a</LINE><LINE>b</LINE></LABEL>",
			"<adr><parameters><type><text>home</text></type><label><text>a\nb</text></label></parameters><pobox></pobox>" +
				"<ext></ext><street></street>" +
				"<locality></locality><region></region><code></code><country>7</country></adr>", ""},
		{"LABEL of none", "<LABEL><PARCEL/><LINE>a</LINE></LABEL>", "<LABEL" + temp + "><PARCEL/><LINE>a</LINE></LABEL>", ""},
		{"TEL", "<TEL><HOME/><VOICE/><FAX/><PAGER/><CELL/><VIDEO/><PREF/><NUMBER>+1-303-308-3282</NUMBER></TEL><TEL>" +
			"<BBS/><NUMBER>911</NUMBER></TEL><TEL><NUMBER/></TEL>",
			"<tel><parameters><pref><integer>1</integer></pref><type><text>home</text><text>voice</text><text>fax</text>" +
				"<text>cell</text><text>video</text><text>pager</text></type></parameters>" +
				"<uri>tel:+1-303-308-3282</uri></tel><tel><text>911</text></tel>",
			"<TEL><HOME/><VOICE/><FAX/><PAGER/><CELL/><VIDEO/><PREF/><NUMBER>+1-303-308-3282</NUMBER></TEL><TEL><NUMBER>" +
				"911</NUMBER></TEL>"},
		{"EMAIL", "<EMAIL><WORK/><INTERNET/><USERID>a@b</USERID></EMAIL><EMAIL><INTERNET/><USERID/></EMAIL>",
			"<email><parameters><type><text>work</text></type></parameters><text>a@b</text></email>",
			"<EMAIL><WORK/><INTERNET/><USERID>a@b</USERID></EMAIL>"},
		{"JABBERID", "<JABBERID>stpeter@jabber.org</JABBERID>", "<impp><uri>xmpp:stpeter@jabber.org</uri></impp>", ""},
		{"JABBERID that is none", "<JABBERID>a b@c</JABBERID>", "<JABBERID" + temp + ">a b@c</JABBERID>", ""},
		{"TZ", "<TZ>-05:00</TZ>", "<tz><utc-offset>-0500</utc-offset></tz>", ""},
		{"TZ by name", "<TZ>America/Denver</TZ>", "<tz><text>America/Denver</text></tz>", ""},
		{"GEO", "<GEO><LAT>39.590000</LAT><LON>-105.010000</LON></GEO>", "<geo><uri>geo:39.59,-105.01</uri></geo>", ""},
		{"TITLE, ROLE", "<TITLE>a</TITLE><ROLE>b</ROLE>", "<title><text>a</text></title><role><text>b</text></role>", ""},
		{"ORG", "<ORG><ORGNAME>a</ORGNAME><ORGUNIT>b</ORGUNIT><ORGUNIT>c</ORGUNIT></ORG>",
			"<org><text>a</text><text>b</text><text>c</text></org>", ""},
		{"AGENT elsewhere", "<AGENT><EXTVAL>http://s.lit/a</EXTVAL></AGENT>",
			"<related><parameters><type><text>agent</text></type></parameters><uri>http://s.lit/a</uri></related>", ""},
		{"AGENT with a card", "<AGENT><vCard" + temp + "><FN>a</FN></vCard></AGENT>", "<AGENT" + temp + "><vCard" + temp +
			"><FN>a</FN></vCard></AGENT>", ""},
		{"CATEGORIES", "<CATEGORIES><KEYWORD>a</KEYWORD><KEYWORD>b</KEYWORD></CATEGORIES>",
			"<categories><text>a</text><text>b</text></categories>", ""},
		{"NOTE and DESC", "<NOTE>a</NOTE><DESC>b</DESC>", "<note><text>a</text></note><note><text>b</text></note>", ""},
		{"DESC", "<DESC>b</DESC>", "<note><text>b</text></note>", "<NOTE>b</NOTE>"},
		{"PRODID, REV", "<PRODID>a</PRODID><REV>2026-01-02T03:04:05Z</REV>",
			"<prodid><text>a</text></prodid><rev><timestamp>20260102T030405Z</timestamp></rev>", ""},
		{"REV that is none", "<REV>now</REV>", "<REV" + temp + ">now</REV>", ""},
		{"SOUND", "<SOUND><EXTVAL>http://s.lit/s</EXTVAL></SOUND>", "<sound><uri>http://s.lit/s</uri></sound>", ""},
		{"SOUND in words", "<SOUND><PHONETIC>a</PHONETIC></SOUND>", "<SOUND" + temp + "><PHONETIC>a</PHONETIC></SOUND>", ""},
		{"UID", "<UID>urn:uuid:1</UID>", "<uid><uri>urn:uuid:1</uri></uid>", ""},
		{"UID in words", "<UID>me too</UID>", "<uid><text>me too</text></uid>", ""},
		{"URL", "<URL>http://s.lit/</URL>", "<url><uri>http://s.lit/</uri></url>", ""},
		{"KEY", "<KEY><TYPE>pgp</TYPE><CRED>a</CRED></KEY>",
			"<key><parameters><mediatype><text>pgp</text></mediatype></parameters><text>a</text></key>", ""},
		{"MAILER, CLASS", "<MAILER>m</MAILER><CLASS><PRIVATE/></CLASS>", "<MAILER" + temp + ">m</MAILER><CLASS" + temp +
			"><PRIVATE/></CLASS>", ""},
		{"what is unknown", "<X-A" + temp + "/><e xmlns='urn:e'/>", "<X-A" + temp + "/><e xmlns='urn:e'/>", ""},
		{"properties that come twice", "<URL>a</URL><URL>b</URL><N><GIVEN>a</GIVEN></N><N><GIVEN>b</GIVEN></N>",
			"<n><surname></surname><given>a</given><additional></additional><prefix></prefix><suffix></suffix></n><url>" +
				"<uri>a</uri></url><url><uri>b</uri></url>" +
				"<N" + temp + "><GIVEN>b</GIVEN></N>",
			"<N><GIVEN>a</GIVEN></N><URL>a</URL><url xmlns='" + vcard4.NS + "'><uri>b</uri></url><N" + temp +
				"><GIVEN>b</GIVEN></N>"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			from := parseTemp(t, tt.temp)
			c := vcard4.FromTemp(from)
			if got := inner(t, c); got != tt.card {
				t.Errorf("vCard4:     %s\n      want: %s", got, tt.card)
			}
			if tt.back == "" {
				tt.back = tt.temp
			}
			back := c.Temp()
			if got := inner(t, back); got != tt.back {
				t.Errorf("vcard-temp: %s\n      want: %s", got, tt.back)
			}
			if got := inner(t, vcard4.FromTemp(back)); got != tt.card {
				t.Errorf("there and back: %s", got)
			}
		})
	}
}

// TestTempKeeps: what vcard-temp has no field for comes back.
func TestTempKeeps(t *testing.T) {
	for _, in := range []string{
		"<source><uri>a</uri></source><kind><text>org</text></kind><anniversary><date>20000101</date></anniversary>" +
			"<gender><sex>F</sex></gender>" +
			"<lang><language-tag>en</language-tag></lang><member><uri>m</uri></member><fburl><uri>f</uri></fburl>" +
			"<caladruri><uri>g</uri></caladruri><caluri><uri>h</uri></caluri>",
		"<fn><text>a</text></fn><fn><parameters><language><language-tag>it</language-tag></language></parameters>" +
			"<text>b</text></fn>",
		"<impp><uri>xmpp:a@b</uri></impp><impp><uri>sip:a@b</uri></impp>",
		"<geo><uri>geo:x</uri></geo>", "<geo><uri>geo:1,200</uri></geo>", "<geo><uri>http://s.lit/</uri></geo>",
		"<related><uri>urn:uuid:1</uri></related>",
		"<related><parameters><type><text>agent</text></type></parameters><text>a</text></related>",
		"<key><uri>a</uri></key>", "<photo><uri>data:,</uri></photo>", "<photo><uri></uri></photo>",
		"<note><text>a</text></note><note><text>b</text></note><note><text>c</text></note>",
		"<org><text></text><text>u</text></org>",
		"<x-a xmlns='" + vcard4.NS + "'/><e xmlns='urn:e'/>",
	} {
		if got := inner(t, vcard4.FromTemp(parse(t, in).Temp())); got != in {
			t.Errorf("%s becomes\n%s", in, got)
		}
	}
	// The preferred one is shown to old clients.
	c := parse(t, "<fn><text></text></fn><fn><text>a</text></fn><fn><parameters><pref><integer>1</integer></pref>"+
		"</parameters><text>b</text></fn>"+
		"<impp><parameters><pref><integer>1</integer></pref></parameters><uri>sip:a@b</uri></impp><impp><uri>"+
		"xmpp:a@b</uri></impp>"+
		"<tz><utc-offset>x</utc-offset></tz><photo><uri>data:image/png;base64,YWJj</uri></photo>")
	temp := c.Temp()
	if temp.FormattedName != "b" || temp.JabberID != "a@b" || temp.TimeZone != "x" ||
		string(temp.Photo.Data) != "abc" || temp.Photo.Type != "image/png" {
		t.Errorf("got %+v", temp)
	}
	// What is not XML is left out.
	bad := []stanza.Raw{"<a"}
	if got := inner(t, vcard4.FromTemp(&vcard.Card{FormattedName: "a", Other: bad})); got != "<fn><text>a</text></fn>" {
		t.Errorf("got %s", got)
	}
	if got := inner(t, (&vcard4.Card{Other: bad, Kind: "org", Related: []vcard4.Value{{Type: "uri",
		Values: []string{"a"}, Params: vcard4.Params{Other: bad}}}}).Temp()); got != "" {
		t.Errorf("got %s", got)
	}
	if at, ok := (&vcard4.Card{Revision: "20260102T030405Z"}).RevisedAt(); !ok || at.Hour() != 3 {
		t.Errorf("revised at %v, %v", at, ok)
	}
}

// host is a server with the account juliet, and her client.
type host struct {
	mux   xmpp.Mux
	cards map[jid.JID]stanza.Raw
	reply *stanza.Stanza
	err   error
}

var (
	juliet = jid.MustParse("juliet@capulet.lit")
	romeo  = jid.MustParse("romeo@montague.lit")
)

var balcony = jid.MustParse("juliet@capulet.lit/balcony")

func (h *host) LocalAddr() jid.JID                                     { return balcony }
func (h *host) Mux() *xmpp.Mux                                         { return &h.mux }
func (h *host) IsServer() bool                                         { return true }
func (h *host) Features(jid.JID) []string                              { return nil }
func (h *host) Send(_ context.Context, st *stanza.Stanza) error        { h.reply = st; return nil }
func (h *host) HasAccount(context.Context, jid.JID) (bool, error)      { return true, nil }
func (h *host) MaySee(context.Context, jid.JID, jid.JID) (bool, error) { return false, nil }
func (h *host) Resources(jid.JID) []jid.JID                            { return nil }
func (h *host) VCard(_ context.Context, j jid.JID) (stanza.Raw, error) { return h.cards[j], h.err }
func (h *host) SetVCard(_ context.Context, j jid.JID, c stanza.Raw) error {
	h.cards[j] = c
	return h.err
}
func (h *host) RemoveAccount(context.Context, jid.JID) error { return nil }
func (h *host) LastPresence(context.Context, jid.JID) (*stanza.Stanza, time.Time, error) {
	return nil, time.Time{}, nil
}

func (h *host) Do(ctx context.Context, iq *stanza.Stanza) (*stanza.Stanza, error) {
	hd := iq.Header
	hd.ID, hd.From = "1", h.LocalAddr()
	h.reply = nil
	_ = h.mux.HandleXMPP(ctx, h, iq.With(hd)) // what a handler cannot help is answered, too
	return h.reply, h.reply.Err()
}

// TestServer: IM-C-1, the same card in both formats.
func TestServer(t *testing.T) {
	h := &host{cards: map[jid.JID]stanza.Raw{}}
	cards := &vcard.Server{Store: h}
	for _, x := range []xmpp.Extension{cards, &vcard4.Server{Cards: cards}} {
		if err := x.Attach(h); err != nil {
			t.Fatal(err)
		}
	}
	c, err := vcard4.Get(t.Context(), h, jid.JID{})
	if !errors.Is(err, vcard.ErrNoCard) || c == nil {
		t.Errorf("no card yet: %+v, %v", c, err)
	}
	c = parse(t, stpeter)
	if err := vcard4.Set(t.Context(), h, c); err != nil {
		t.Fatal(err)
	}
	temp, err := vcard.Get(t.Context(), h, jid.JID{})
	if err != nil || temp.FormattedName != "Peter Saint-Andre" || temp.Nickname != "stpeter,psa" ||
		len(temp.Addresses) != 2 {
		t.Errorf("vcard-temp: %+v, %v", temp, err)
	}
	again, err := vcard4.Get(t.Context(), h, juliet)
	if err != nil || !reflect.DeepEqual(again.Emails, c.Emails) || !reflect.DeepEqual(again.Gender, c.Gender) ||
		len(again.IMPP) != 2 {
		t.Errorf("vCard4: %+v, %v", again, err)
	}
	if err := vcard.Set(t.Context(), h, &vcard.Card{FormattedName: "Juliet"}); err != nil {
		t.Fatal(err)
	}
	if c, err := vcard4.Get(t.Context(), h, jid.JID{}); err != nil || c.FormattedName[0].String() != "Juliet" {
		t.Errorf("IM-C-1, converted: %+v, %v", c, err)
	}
	if _, err := vcard4.Get(t.Context(), h, romeo); !errors.Is(err, vcard.ErrNoCard) || !errors.Is(err,
		stanza.ServiceUnavailable) {
		t.Errorf("nobody's: %v", err)
	}
	if err := vcard4.Set(t.Context(), h, nil); err != nil || h.cards[juliet] != "" {
		t.Errorf("taken away: %v, %s", err, h.cards[juliet])
	}
	big := &vcard4.Card{Notes: []vcard4.Value{vcard4.Text(strings.Repeat("x", vcard.DefaultMaxSize))}}
	if err := vcard4.Set(t.Context(), h, big); !errors.Is(err, stanza.NotAcceptable) {
		t.Errorf("over the limit: %v", err)
	}
	for _, card := range []stanza.Raw{"<vCard", stanza.Raw("<vCard xmlns='vcard-temp'>" + strings.Repeat("<X/>",
		vcard.MaxProperties+1) + "</vCard>")} {
		h.cards[juliet] = card
		if _, err := vcard4.Get(t.Context(), h, jid.JID{}); err == nil {
			t.Errorf("%.20s was read", card)
		}
	}
	h.err = errors.New("broken")
	if err := vcard4.Set(t.Context(), h, parse(t, stpeter)); !errors.Is(err, stanza.InternalServerError) {
		t.Errorf("broken store: %v", err)
	}
	if got := (&vcard4.Server{}).Features(juliet); len(got) != 1 || got[0] != vcard4.NS {
		t.Errorf("features %q", got)
	}
	if err := new(vcard4.Server).Attach(h); err == nil {
		t.Error("attached without cards")
	}
}
