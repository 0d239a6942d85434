package delay

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/etherx-go/xmpp/ext/internal/exttest"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

var at = time.Date(2002, 9, 10, 23, 8, 25, 0, time.UTC)

func TestDelay(t *testing.T) {
	exttest.Run(t, []exttest.Golden[Delay]{
		{
			Name: "XEP-0203 example 1",
			In:   "<delay xmlns='urn:xmpp:delay'\n from='capulet.com'\n stamp='2002-09-10T23:08:25Z'>\n Offline Storage\n </delay>",
			Want: Delay{jid.MustParse("capulet.com"), at, "Offline Storage"},
			Out:  "<delay xmlns='urn:xmpp:delay' from='capulet.com' stamp='2002-09-10T23:08:25Z'>Offline Storage</delay>",
		},
		{
			Name: "XEP-0203 example 2",
			In:   "<delay xmlns='urn:xmpp:delay' from='juliet@capulet.com/balcony' stamp='2002-09-10T23:41:07Z'/>",
			Want: Delay{From: jid.MustParse("juliet@capulet.com/balcony"), Stamp: time.Date(2002, 9, 10, 23, 41, 7, 0, time.UTC)},
		},
		{
			Name: "milliseconds, another zone, no from",
			In:   "<delay xmlns='urn:xmpp:delay' stamp='2002-09-11T01:08:25.5004+02:00'/>",
			Want: Delay{Stamp: at.Add(500 * time.Millisecond)},
			Out:  "<delay xmlns='urn:xmpp:delay' stamp='2002-09-10T23:08:25.500Z'/>",
		},
		{
			Name: "a from that is not an address",
			In:   "<delay xmlns='urn:xmpp:delay' from='' stamp='2002-09-10T23:08:25Z'/>",
			Want: Delay{Stamp: at},
			Out:  "<delay xmlns='urn:xmpp:delay' stamp='2002-09-10T23:08:25Z'/>",
		},
		{Name: "no stamp", In: "<delay xmlns='urn:xmpp:delay' from='capulet.com'/>", Err: true},
		{Name: "the old stamp", In: "<delay xmlns='urn:xmpp:delay' stamp='20020910T23:08:25'/>", Err: true},
		{Name: "a stamp without a zone", In: "<delay xmlns='urn:xmpp:delay' stamp='2002-09-10T23:08:25'/>", Err: true},
		{Name: "the zero time", In: "<delay xmlns='urn:xmpp:delay' stamp='0001-01-01T00:00:00Z'/>", Err: true},
		{Name: "a year that UTC has not", In: "<delay xmlns='urn:xmpp:delay' stamp='9999-12-31T23:59:59-14:00'/>", Err: true},
	})
	if b, err := (Delay{}).AppendXML(nil); !errors.Is(err, stanza.BadRequest) {
		t.Errorf("written without a stamp: %s, %v", b, err)
	}
}

func TestStamp(t *testing.T) {
	d := Delay{From: jid.MustParse("capulet.com"), Stamp: at, Reason: "Offline Storage"}
	const (
		now = "<delay xmlns='urn:xmpp:delay' from='capulet.com' stamp='2002-09-10T23:08:25Z'>Offline Storage</delay>"
		old = "<x xmlns='jabber:x:delay' from='capulet.com' stamp='20020910T23:08:25'>Offline Storage</x>"
	)
	tests := []struct {
		name   string
		in     string
		legacy bool
		want   string
	}{
		{
			name: "GUIDE-10-delay-1 the form of today",
			in:   "<message type='chat'><body>x</body></message>",
			want: "<message type='chat'><body>x</body>" + now + "</message>",
		},
		{
			name:   "GUIDE-10-delay-1 the old form beside it",
			in:     "<message type='chat'><body>x</body><p:y xmlns:p='urn:p'/></message>",
			legacy: true,
			want:   "<message type='chat'><body>x</body><p:y xmlns:p='urn:p'/>" + now + old + "</message>",
		},
		{
			name: "presence",
			in:   "<presence/>",
			want: "<presence>" + now + "</presence>",
		},
		{
			name: "what others said in our name goes, what they said in theirs stays",
			in: "<message><delay xmlns='urn:xmpp:delay' from='CAPULET.com' stamp='1999-09-10T23:08:25Z'/>" +
				"<x xmlns='jabber:x:delay' from='capulet.com' stamp='19990910T23:08:25'/>" +
				"<delay xmlns='urn:xmpp:delay' from='montague.net' stamp='2002-09-10T23:08:25Z'/></message>",
			want: "<message><delay xmlns='urn:xmpp:delay' from='montague.net' stamp='2002-09-10T23:08:25Z'/>" + now + "</message>",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			st := exttest.Parse(t, tt.in)
			got, err := Stamp(st, d, tt.legacy)
			if err != nil || got.String() != tt.want {
				t.Errorf("got  %s, %v\nwant %s", got, err, tt.want)
			}
			if st.String() != exttest.Parse(t, tt.in).String() {
				t.Error("the stanza itself was changed")
			}
		})
	}
	if st, err := Stamp(exttest.Parse(t, "<iq type='get'><q xmlns='urn:q'/></iq>"), d, false); err == nil {
		t.Errorf("an iq was stamped: %s", st)
	}
	if st, err := Stamp(exttest.Parse(t, "<message/>"), Delay{}, false); err == nil {
		t.Errorf("stamped with no time: %s", st)
	}
}

// The stamp of a server that stored a message or a presence, as it is today
// (the server), and as the guide has it (the recipient; the sender).
func TestReq_GUIDE_10_delay_3(t *testing.T) {
	t.Run("GUIDE-10-delay-3 the delaying server is named", func(t *testing.T) {
		st := exttest.Parse(t, "<message from='hamlet@denmark' to='horatio@denmark'><body>x</body></message>")
		st, err := Stamp(st, Delay{From: st.To.DomainJID(), Stamp: at}, true)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range All(st) {
			if d.From.String() != "denmark" {
				t.Errorf("from %s", d.From)
			}
		}
	})
	t.Run("GUIDE-10-delay-3 the recipient and the sender are believed", func(t *testing.T) {
		for _, src := range []string{
			"<presence from='hamlet@denmark' to='horatio@denmark'><x xmlns='jabber:x:delay' from='hamlet@denmark' stamp='20000106T06:35:29'/></presence>",
			"<message from='hamlet@denmark' to='horatio@denmark'><x xmlns='jabber:x:delay' from='horatio@denmark' stamp='20000106T06:35:29'/></message>",
		} {
			d, ok := Of(exttest.Parse(t, src))
			if !ok || !d.Stamp.Equal(time.Date(2000, 1, 6, 6, 35, 29, 0, time.UTC)) {
				t.Errorf("%s: %+v, %v", src, d, ok)
			}
		}
	})
}

func TestStrip(t *testing.T) {
	st := exttest.Parse(t, "<message><body>x</body><delay xmlns='urn:xmpp:delay' from='capulet.com' stamp='x'/>"+
		"<delay xmlns='urn:xmpp:delay' from='@@' stamp='x'/><delay xmlns='urn:xmpp:delay' stamp='x'/></message>")
	got, err := Strip(st, jid.MustParse("capulet.com"))
	want := "<message><body>x</body><delay xmlns='urn:xmpp:delay' from='@@' stamp='x'/><delay xmlns='urn:xmpp:delay' stamp='x'/></message>"
	if err != nil || got.String() != want {
		t.Errorf("got %s, %v\nwant %s", got, err, want)
	}
	for _, from := range []jid.JID{jid.MustParse("montague.net"), {}} {
		if got, err := Strip(st, from); got != st || err != nil {
			t.Errorf("%s: %v, %v", from, got, err)
		}
	}
}

func TestOf(t *testing.T) {
	const (
		head  = "<message from='romeo@montague.net/orchard' to='juliet@capulet.com/balcony' type='chat'>"
		mine  = "<delay xmlns='urn:xmpp:delay' from='capulet.com' stamp='2001-01-01T00:00:00Z'/>"
		old   = "<x xmlns='jabber:x:delay' from='capulet.com' stamp='20020101T00:00:00'/>"
		his   = "<delay xmlns='urn:xmpp:delay' from='montague.net' stamp='2003-01-01T00:00:00Z'/>"
		other = "<delay xmlns='urn:xmpp:delay' from='mallory.example' stamp='2004-01-01T00:00:00Z'/>"
		none  = "<delay xmlns='urn:xmpp:delay' stamp='2005-01-01T00:00:00Z'/>"
		bad   = "<delay xmlns='urn:xmpp:delay' from='capulet.com' stamp='today'/>"
		full  = "<x xmlns='jabber:x:delay' from='romeo@montague.net/orchard' stamp='20060101T00:00:00'/>"
		end   = "</message>"
	)
	tests := []struct {
		name string
		in   string
		year int // 0 if there is none to believe
	}{
		{"GUIDE-10-delay-1 XEP-0203", head + mine + end, 2001},
		{"GUIDE-10-delay-1 XEP-0091", head + old + end, 2002},
		{"GUIDE-10-delay-1 both, that of today is preferred", head + old + mine + end, 2001},
		{"one's own server before the sender's", head + his + mine + end, 2001},
		{"also if it is old", head + his + old + end, 2002},
		{"the sender before strangers", head + other + his + end, 2003},
		{"the sender's full address", head + other + full + end, 2006},
		{"strangers before nobody", head + none + other + end, 2004},
		{"nobody", head + none + end, 2005},
		{"malformed", head + bad + end, 0},
		{"none", head + "<body>x</body>" + end, 0},
		{"presence", "<presence from='romeo@montague.net/orchard'>" + his + "</presence>", 2003},
		{"not in an iq", "<iq type='set'>" + mine + "</iq>", 0},
		{"the room before one's own server", "<message type='groupchat' from='coven@shakespeare.lit/witch' to='juliet@capulet.com'>" + mine +
			"<delay xmlns='urn:xmpp:delay' from='coven@shakespeare.lit' stamp='2007-01-01T00:00:00Z'/></message>", 2007},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			st := exttest.Parse(t, tt.in)
			if d, ok := Of(st); ok != (tt.year != 0) || ok && d.Stamp.Year() != tt.year {
				t.Errorf("%+v, %v; want %d", d, ok, tt.year)
			}
			if st.Kind != stanza.KindMessage {
				return
			}
			if d, ok := Of(st.Message()); ok != (tt.year != 0) || ok && d.Stamp.Year() != tt.year {
				t.Errorf("of the message %+v, %v; want %d", d, ok, tt.year)
			}
		})
	}
	st := exttest.Parse(t, head+old+his+mine+end)
	if d, ok := By(st, jid.MustParse("montague.net")); !ok || d.Stamp.Year() != 2003 {
		t.Errorf("By: %+v, %v", d, ok)
	}
	if d, ok := By(st, jid.MustParse("capulet.com")); !ok || d.Stamp.Year() != 2001 {
		t.Errorf("By: %+v, %v", d, ok)
	}
	for _, from := range []jid.JID{{}, jid.MustParse("x.example")} {
		if d, ok := By(st, from); ok {
			t.Errorf("By %q: %+v", from, d)
		}
	}
	years := []int{}
	for _, d := range All(st) {
		years = append(years, d.Stamp.Year())
	}
	if !slices.Equal(years, []int{2003, 2001, 2002}) {
		t.Errorf("All: %v", years)
	}
	unfit := &stanza.Message{Payloads: []any{stanza.Raw("<")}}
	if d, ok := Of(unfit); ok || All(unfit) != nil {
		t.Errorf("of what is no stanza: %+v", d)
	}
}

func FuzzDelay(f *testing.F) {
	f.Add("<delay xmlns='urn:xmpp:delay' from='capulet.com' stamp='2002-09-10T23:08:25Z'>Offline Storage</delay>")
	f.Add("<delay xmlns='urn:xmpp:delay' stamp='2002-09-11T01:08:25.5004+02:00'/>")
	f.Fuzz(exttest.RoundTrip[Delay])
}
