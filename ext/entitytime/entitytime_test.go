package entitytime

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp/ext/datetime"
	"github.com/etherx-go/xmpp/ext/internal/hosttest"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

const get = "<time xmlns='urn:xmpp:time'/>"

// TestTime reads and writes the element.
func TestTime(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     string // in RFC 3339, "" for the zero time, "-" for an error
		out      string // "" if it is as in
	}{
		{"example 2", "<time xmlns='urn:xmpp:time'><tzo>-06:00</tzo><utc>2006-12-19T17:58:35Z</utc></time>", "2006-12-19T11:58:35-06:00", ""},
		{"example 1", get, "", ""},
		{"UTC", "<time xmlns='urn:xmpp:time'><tzo>Z</tzo><utc>2006-12-19T17:58:35.5Z</utc></time>", "2006-12-19T17:58:35.5Z",
			"<time xmlns='urn:xmpp:time'><tzo>+00:00</tzo><utc>2006-12-19T17:58:35.500Z</utc></time>"},
		{"another order", "<time xmlns='urn:xmpp:time'> <utc> 2006-12-19T17:58:35Z </utc><x/><tzo>\n+05:45</tzo></time>", "2006-12-19T23:43:35+05:45",
			"<time xmlns='urn:xmpp:time'><tzo>+05:45</tzo><utc>2006-12-19T17:58:35Z</utc></time>"},
		{"no time", "<time xmlns='urn:xmpp:time'><tzo>-06:00</tzo></time>", "-", ""},
		{"no offset", "<time xmlns='urn:xmpp:time'><utc>2006-12-19T17:58:35Z</utc></time>", "-", ""},
		{"the old form", "<time xmlns='urn:xmpp:time'><tzo>Z</tzo><utc>20061219T17:58:35</utc></time>", "-", ""},
		{"a name for an offset", "<time xmlns='urn:xmpp:time'><tzo>MDT</tzo><utc>2006-12-19T17:58:35Z</utc></time>", "-", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			el, err := stanza.Raw(tt.in).Element()
			if err != nil {
				t.Fatal(err)
			}
			v := Time{time.Now()}
			err = el.Decode(&v)
			if tt.want == "-" {
				if e := new(datetime.Error); !errors.As(err, &e) || !v.IsZero() {
					t.Errorf("got %v, %v", v, err)
				}
				return
			}
			if got := v.Format(time.RFC3339Nano); err != nil || tt.want == "" && !v.IsZero() || tt.want != "" && got != tt.want {
				t.Errorf("got %v, %v", got, err)
			}
			want := tt.out
			if want == "" {
				want = tt.in
			}
			if b, err := v.AppendXML(nil); string(b) != want || err != nil {
				t.Errorf("got %s, %v, want %s", b, err, want)
			}
		})
	}
}

// TestGet: GUIDE-9-time-1, in the form that jabber:iq:time became.
func TestGet(t *testing.T) {
	c := hosttest.New(t, "romeo@montague.net/orchard")
	juliet := jid.MustParse("juliet@capulet.com/balcony")
	reply := "<time xmlns='urn:xmpp:time'><tzo>-06:00</tzo><utc>2006-12-19T17:58:35Z</utc></time>"
	c.Reply = func(iq *stanza.Stanza) (string, error) {
		if iq.Type != stanza.TypeGet || iq.To != juliet || string(iq.Payload().Raw()) != get {
			t.Errorf("asked %s", iq)
		}
		return reply, nil
	}
	if got, err := Get(t.Context(), c, juliet); got.Format(time.RFC3339) != "2006-12-19T11:58:35-06:00" || err != nil {
		t.Errorf("GUIDE-9-time-1: got %v, %v", got, err)
	}
	for _, reply = range []string{"", get} {
		if _, err := Get(t.Context(), c, juliet); !errors.Is(err, ErrNoAnswer) {
			t.Errorf("%q: got %v", reply, err)
		}
	}
	c.Reply = func(*stanza.Stanza) (string, error) { return "", stanza.NewError(stanza.ServiceUnavailable, "") }
	if _, err := GetSkew(t.Context(), c, juliet); !errors.Is(err, stanza.ServiceUnavailable) {
		t.Errorf("got %v", err)
	}
}

// TestGetSkew: the other's clock is off by a known time.
func TestGetSkew(t *testing.T) {
	for _, tt := range []struct {
		name                  string
		off, there, back, max time.Duration
		cut                   time.Duration
	}{
		{"exact", 90 * time.Second, 200 * time.Millisecond, 200 * time.Millisecond, time.Millisecond, time.Millisecond},
		{"behind", -time.Hour, 10 * time.Millisecond, 10 * time.Millisecond, time.Millisecond, time.Millisecond},
		{"slow on the way back", 0, 0, time.Second, time.Second / 2, time.Millisecond},
		{"whole seconds", 10 * time.Second, 300 * time.Millisecond, 300 * time.Millisecond, time.Second / 2, time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := hosttest.New(t, "romeo@montague.net/orchard")
				time.Sleep(123456789 * time.Nanosecond)
				c.Reply = func(*stanza.Stanza) (string, error) {
					time.Sleep(tt.there)
					b, err := Time{time.Now().Add(tt.off).Truncate(tt.cut)}.AppendXML(nil)
					time.Sleep(tt.back)
					return string(b), err
				}
				got, err := GetSkew(t.Context(), c, jid.JID{})
				if wrong := (got.Offset - tt.off).Abs(); err != nil || wrong > tt.max || wrong > got.Error || got.Error > (tt.there+tt.back+tt.cut)/2 {
					t.Errorf("got %+v, %v, want %v", got, err, tt.off)
				}
			})
		})
	}
}

func TestExtension(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // it is midnight, 2000-01-01 UTC
		const from = "id='time_1' from='romeo@montague.net/orchard'"
		client := func(e *Extension) func(string) string { return hosttest.New(t, "juliet@capulet.com/balcony", e).Ask }
		server := hosttest.NewServer(t, "capulet.com", new(Extension))
		for _, tt := range []struct {
			name  string
			ask   func(string) string
			query string
			want  string
		}{
			{"the zone is hidden", client(&Extension{}), "<iq type='get' " + from + ">" + get + "</iq>",
				"<iq type='result' id='time_1' to='romeo@montague.net/orchard'><time xmlns='urn:xmpp:time'><tzo>+00:00</tzo><utc>2000-01-01T00:00:00Z</utc></time></iq>"},
			{"the zone is told", client(&Extension{Location: time.FixedZone("", -6*3600)}), "<iq type='get' " + from + ">" + get + "</iq>",
				"<tzo>-06:00</tzo><utc>2000-01-01T00:00:00Z</utc>"},
			{"set", client(&Extension{}), "<iq type='set' " + from + ">" + get + "</iq>", "<bad-request"},
			{"a domain", server.Ask, "<iq type='get' to='capulet.com' " + from + ">" + get + "</iq>", "<utc>2000-01-01T00:00:00Z</utc>"},
			{"an account", server.Ask, "<iq type='get' to='juliet@capulet.com' " + from + ">" + get + "</iq>", "<service-unavailable"},
		} {
			if got := tt.ask(tt.query); !strings.Contains(got, tt.want) {
				t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
			}
		}
		if got := server.Features(jid.JID{}); len(got) != 1 || got[0] != NS {
			t.Errorf("features %q", got)
		}
	})
}

// FuzzTime: what was read can be written, and read again as the same.
func FuzzTime(f *testing.F) {
	f.Add("<time xmlns='urn:xmpp:time'><tzo>-06:00</tzo><utc>2006-12-19T17:58:35.25Z</utc></time>")
	f.Fuzz(func(t *testing.T, src string) {
		el, err := stanza.Raw(src).Element()
		if err != nil {
			return
		}
		var v, again Time
		if v.ParseXML(el) != nil || v.UTC().Year() > 9998 || v.UTC().Year() < 2 {
			return
		}
		b, err := v.AppendXML(nil)
		if err != nil {
			t.Fatal(err)
		}
		if el, err = stanza.Raw(b).Element(); err != nil || again.ParseXML(el) != nil || !again.Equal(v.Truncate(time.Millisecond)) {
			t.Errorf("got %v, again %v, %v", v, again, err)
		}
	})
}
