package iqtime

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/datetime"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

const get = "<query xmlns='jabber:iq:time'/>"

// host is a host with one handler and one reply.
type host struct {
	t      testing.TB
	mux    xmpp.Mux
	server bool
	sent   *stanza.Stanza
	reply  func(iq *stanza.Stanza) (string, error)
}

func (*host) LocalAddr() jid.JID        { return jid.JID{} }
func (h *host) Mux() *xmpp.Mux          { return &h.mux }
func (h *host) IsServer() bool          { return h.server }
func (*host) Features(jid.JID) []string { return nil }

func (h *host) Send(_ context.Context, st *stanza.Stanza) error { h.sent = st; return nil }

func (h *host) Do(_ context.Context, iq *stanza.Stanza) (*stanza.Stanza, error) {
	body, err := h.reply(iq)
	if err != nil {
		return nil, err
	}
	return stanza.Parse("<iq type='result'>" + body + "</iq>")
}

func (h *host) ask(iq string) string {
	h.t.Helper()
	st, err := stanza.Parse(iq)
	if err == nil {
		err = h.mux.HandleXMPP(h.t.Context(), h, st)
	}
	if err != nil || h.sent == nil {
		h.t.Fatalf("%s: %v", iq, err)
	}
	return h.sent.String()
}

// TestQuery reads and writes the element.
func TestQuery(t *testing.T) {
	at := time.Date(2002, 9, 10, 17, 58, 35, 0, time.UTC)
	const out = "<query xmlns='jabber:iq:time'><utc>20020910T17:58:35</utc><tz>MDT</tz><display>Tue Sep 10 12:58:35 2002</display></query>"
	all := Query{at, "MDT", "Tue Sep 10 12:58:35 2002"}
	for _, tt := range []struct {
		name, in string
		want     Query
		out      string // "" if it is as in, "-" if in is an error
	}{
		{"GUIDE-9-time-2 XEP-0090 example 2", out, all, ""},
		{"GUIDE-9-time-2 the guide", "<query xmlns='jabber:iq:time'><utc>20000106T06:35:29</utc><tz>Central European Time</tz><display>2000/01/06 6:35:29 AM</display></query>",
			Query{time.Date(2000, 1, 6, 6, 35, 29, 0, time.UTC), "Central European Time", "2000/01/06 6:35:29 AM"}, ""},
		{"GUIDE-9-time-2 a Z behind it", strings.Replace(out, ":35</utc>", ":35Z</utc>", 1), all, out},
		{"GUIDE-9-time-2 the form of XEP-0082", strings.Replace(out, "20020910T17:58:35", "2002-09-10T12:58:35-05:00", 1), all, out},
		{"GUIDE-11-utc-1 nothing but the time", "<query xmlns='jabber:iq:time'><utc>20020910T17:58:35</utc></query>", Query{UTC: at}, ""},
		{"GUIDE-9-time-1 a request", get, Query{}, ""},
		{"without time", "<query xmlns='jabber:iq:time'><x/><tz>MDT</tz></query>", Query{TZ: "MDT"}, "<query xmlns='jabber:iq:time'><tz>MDT</tz></query>"},
		{"GUIDE-11-utc-1 no time", "<query xmlns='jabber:iq:time'><utc>now</utc></query>", Query{}, "-"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			el, err := stanza.Raw(tt.in).Element()
			if err != nil {
				t.Fatal(err)
			}
			var q Query
			if err := el.Decode(&q); q != tt.want || err != nil != (tt.out == "-") {
				t.Errorf("got %+v, %v", q, err)
			} else if e := new(datetime.Error); err != nil && !errors.As(err, &e) {
				t.Errorf("got %v", err)
			}
			want := tt.out
			switch want {
			case "-":
				return
			case "":
				want = tt.in
			}
			if b, err := q.AppendXML(nil); string(b) != want || err != nil {
				t.Errorf("got %s, %v, want %s", b, err, want)
			}
		})
	}
}

// TestReq_GUIDE_9_time_1 asks for the time: "GUIDE-9-time-1".
func TestReq_GUIDE_9_time_1(t *testing.T) {
	hamlet := jid.MustParse("hamlet@denmark")
	reply := "<query xmlns='jabber:iq:time'><utc>20000106T06:35:29</utc><tz>CET</tz></query>"
	h := &host{t: t, reply: func(iq *stanza.Stanza) (string, error) {
		if iq.Type != stanza.TypeGet || iq.To != hamlet || string(iq.Payload().Raw()) != get {
			t.Errorf("asked %s", iq)
		}
		return reply, nil
	}}
	if q, err := Get(t.Context(), h, hamlet); q != (Query{UTC: time.Date(2000, 1, 6, 6, 35, 29, 0, time.UTC), TZ: "CET"}) || err != nil {
		t.Errorf("got %+v, %v", q, err)
	}
	for _, reply = range []string{"", get} {
		if _, err := Get(t.Context(), h, hamlet); !errors.Is(err, ErrNoAnswer) {
			t.Errorf("%q: got %v", reply, err)
		}
	}
	h.reply = func(*stanza.Stanza) (string, error) { return "", stanza.NewError(stanza.ServiceUnavailable, "") }
	if _, err := Get(t.Context(), h, hamlet); !errors.Is(err, stanza.ServiceUnavailable) {
		t.Errorf("got %v", err)
	}
}

func TestExtension(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // it is midnight, 2000-01-01 UTC
		const from = "id='time_1' from='romeo@montague.net/orchard'"
		for _, tt := range []struct {
			name   string
			ext    *Extension
			server bool
			query  string
			want   string
		}{
			{"GUIDE-9-time-2 the zone is hidden", &Extension{}, false, "<iq type='get' " + from + ">" + get + "</iq>",
				"<iq type='result' id='time_1' to='romeo@montague.net/orchard'><query xmlns='jabber:iq:time'>" +
					"<utc>20000101T00:00:00</utc><tz>UTC</tz><display>Sat Jan  1 00:00:00 2000</display></query></iq>"},
			{"GUIDE-9-time-2 the zone is told", &Extension{time.FixedZone("MST", -7*3600)}, false, "<iq type='get' " + from + ">" + get + "</iq>",
				"<utc>20000101T00:00:00</utc><tz>MST</tz><display>Fri Dec 31 17:00:00 1999</display>"},
			{"set", &Extension{}, false, "<iq type='set' " + from + ">" + get + "</iq>", "<bad-request"},
			{"a time that is none", &Extension{}, false, "<iq type='get' " + from + "><query xmlns='jabber:iq:time'><utc/></query></iq>", "<bad-request"},
			{"a domain", &Extension{}, true, "<iq type='get' to='capulet.com' " + from + ">" + get + "</iq>", "<utc>20000101T00:00:00</utc>"},
			{"an account", &Extension{}, true, "<iq type='get' to='juliet@capulet.com' " + from + ">" + get + "</iq>", "<service-unavailable"},
		} {
			h := &host{t: t, server: tt.server}
			if err := tt.ext.Attach(h); err != nil {
				t.Fatal(err)
			}
			if got := h.ask(tt.query); !strings.Contains(got, tt.want) {
				t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
			}
			if got := tt.ext.Features(jid.JID{}); len(got) != 1 || got[0] != NS {
				t.Errorf("features %q", got)
			}
		}
	})
}

// FuzzQuery: what was read can be written, and read again as the same.
func FuzzQuery(f *testing.F) {
	f.Add("<query xmlns='jabber:iq:time'><utc>20020910T17:58:35</utc><tz>MDT</tz><display>Tue Sep 10 12:58:35 2002</display></query>")
	f.Fuzz(func(t *testing.T, src string) {
		el, err := stanza.Raw(src).Element()
		if err != nil {
			return
		}
		var q, again Query
		if q.ParseXML(el) != nil || q.UTC.Year() > 9998 {
			return
		}
		b, err := q.AppendXML(nil)
		if err != nil {
			t.Fatal(err)
		}
		q.UTC = q.UTC.Truncate(time.Second)
		if el, err = stanza.Raw(b).Element(); err != nil || again.ParseXML(el) != nil || again != q {
			t.Errorf("got %+v, again %+v, %v", q, again, err)
		}
	})
}
