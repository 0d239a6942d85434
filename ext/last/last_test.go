package last

import (
	"errors"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp/ext/internal/hosttest"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

const get = "<query xmlns='jabber:iq:last'/>"

// TestReq_IM_D_2_1 reads and writes the element.
func TestReq_IM_D_2_1(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     Activity
		out      string // "" if it is as in, "-" if in is an error
	}{
		{"IM-D.2-1 seconds", "<query xmlns='jabber:iq:last' seconds='76490'/>", Activity{Ago: 76490 * time.Second}, ""},
		{"IM-D.2-1 with the status", "<query xmlns='jabber:iq:last' seconds='903'>Heading &lt;Home&gt;</query>", Activity{903 * time.Second, "Heading <Home>"}, ""},
		{"now", "<query xmlns='jabber:iq:last' seconds='0'/>", Activity{}, ""},
		{"white space", "<query xmlns='jabber:iq:last' seconds=' 5 '/>", Activity{Ago: 5 * time.Second}, "<query xmlns='jabber:iq:last' seconds='5'/>"},
		{"the largest", "<query xmlns='jabber:iq:last' seconds='18446744073709551615'/>", Activity{Ago: math.MaxInt64 / time.Second * time.Second},
			"<query xmlns='jabber:iq:last' seconds='9223372036'/>"},
		{"larger still", "<query xmlns='jabber:iq:last' seconds='99999999999999999999'/>", Activity{Ago: math.MaxInt64 / time.Second * time.Second},
			"<query xmlns='jabber:iq:last' seconds='9223372036'/>"},
		{"missing", get, Activity{}, "-"},
		{"negative", "<query xmlns='jabber:iq:last' seconds='-1'/>", Activity{}, "-"},
		{"no number", "<query xmlns='jabber:iq:last' seconds='1h'/>", Activity{}, "-"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			el, err := stanza.Raw(tt.in).Element()
			if err != nil {
				t.Fatal(err)
			}
			var a Activity
			if err := el.Decode(&a); err != nil != (tt.out == "-") || a != tt.want {
				t.Fatalf("got %+v, %v", a, err)
			}
			want := tt.out
			switch want {
			case "-":
				return
			case "":
				want = tt.in
			}
			if b, err := a.AppendXML(nil); string(b) != want || err != nil {
				t.Errorf("got %s, %v, want %s", b, err, want)
			}
		})
	}
	if b, _ := (Activity{Ago: -time.Second}).AppendXML(nil); string(b) != "<query xmlns='jabber:iq:last' seconds='0'/>" {
		t.Errorf("got %s", b)
	}
}

// TestGet asks. IM-5.7-4: an error may also come in a result, as
// draft-ietf-xmpp-im-02 shows it.
func TestGet(t *testing.T) {
	c := hosttest.New(t, "romeo@montague.net/orchard")
	juliet := jid.MustParse("juliet@capulet.com")
	for _, tt := range []struct {
		name, reply string
		want        Activity
		err         error
	}{
		{"IM-5.7-2 IM-5.7-3 the answer", "<query seconds='903' xmlns='jabber:iq:last'>Heading Home</query>", Activity{903 * time.Second, "Heading Home"}, nil},
		{"IM-5.7-4 an error in a result", get + "<error code='403'>Forbidden</error>", Activity{}, stanza.Forbidden},
		{"no answer", "", Activity{}, ErrNoAnswer},
		{"a malformed answer", get, Activity{}, errSeconds},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c.Reply = func(iq *stanza.Stanza) (string, error) {
				if iq.Type != stanza.TypeGet || iq.To != juliet || string(iq.Payload().Raw()) != get {
					t.Errorf("asked %s", iq)
				}
				return tt.reply, nil
			}
			if got, err := Get(t.Context(), c, juliet); got != tt.want || !errors.Is(err, tt.err) {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
	c.Reply = func(*stanza.Stanza) (string, error) { return "", stanza.NewError(stanza.Forbidden, "") }
	if _, err := Get(t.Context(), c, juliet); !errors.Is(err, stanza.Forbidden) {
		t.Errorf("got %v", err)
	}
}

// TestClient: a client tells how long its user has been idle, if it wants to.
func TestClient(t *testing.T) {
	idle := func(d time.Duration) func() time.Duration { return func() time.Duration { return d } }
	for _, tt := range []struct {
		name     string
		ext      *Extension
		from     string
		want     string
		features int
	}{
		{"IM-D.2-1 the idle time of a client", &Extension{Idle: idle(123*time.Second + 999*time.Millisecond)}, "a@b/c", "<query xmlns='jabber:iq:last' seconds='123'/>", 1},
		{"not told", &Extension{}, "a@b/c", "<service-unavailable", 0},
		{"not told now", &Extension{Idle: idle(-1)}, "a@b/c", "<service-unavailable", 1},
		{"not told to this one", &Extension{Idle: idle(1), Allow: func(j jid.JID) bool { return j.Domain() != "b" }}, "a@b/c", "<service-unavailable", 1},
		{"told to that one", &Extension{Idle: idle(1), Allow: func(j jid.JID) bool { return j.Domain() != "b" }}, "a@c/c", "seconds='0'", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := hosttest.New(t, "juliet@capulet.com/balcony", tt.ext)
			if got := c.Ask("<iq type='get' id='last2' from='" + tt.from + "'>" + get + "</iq>"); !strings.Contains(got, tt.want) {
				t.Errorf("got %s", got)
			}
			if got := c.Features(jid.JID{}); len(got) != tt.features {
				t.Errorf("features %q", got)
			}
		})
	}
}

// TestServer asks a server about itself and its accounts.
func TestServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := hosttest.NewServer(t, "capulet.com", new(Extension))
		s.Accounts = []string{"juliet@capulet.com", "nurse@capulet.com"}
		s.Sees = []string{"romeo@montague.net juliet@capulet.com", "romeo@montague.net nobody@capulet.com"}
		s.Online = []string{"nurse@capulet.com/chamber"}
		time.Sleep(time.Hour)
		s.LastAt = time.Now()
		time.Sleep(903*time.Second + 500*time.Millisecond)
		ask := func(from, to string) string {
			return s.Ask("<iq type='get' id='last1' from='" + from + "' to='" + to + "'>" + get + "</iq>")
		}
		const left = "<presence type='unavailable' xml:lang='en'><status xml:lang='de'>Fort</status><status>Heading Home</status></presence>"
		for _, tt := range []struct{ name, last, from, to, want string }{
			{"IM-D.2-1 the uptime of a server", "", "a@b/c", "capulet.com", "<query xmlns='jabber:iq:last' seconds='4503'/>"},
			{"IM-5.7-1 IM-5.7-3 how long ago the user left, and how", left, "romeo@montague.net/orchard", "juliet@capulet.com",
				"<iq type='result' id='last1' to='romeo@montague.net/orchard' from='juliet@capulet.com'><query xmlns='jabber:iq:last' seconds='903'>Heading Home</query></iq>"},
			{"without status", "<presence type='unavailable'/>", "romeo@montague.net/orchard", "juliet@capulet.com", "seconds='903'/>"},
			{"oneself", left, "juliet@capulet.com/balcony", "juliet@capulet.com", "seconds='903'"},
			{"IM-5.7-3 online", left, "nurse@capulet.com/x", "nurse@capulet.com", "<query xmlns='jabber:iq:last' seconds='0'/></iq>"},
			{"IM-5.7-4 no subscription", left, "mal@evil.lit/x", "juliet@capulet.com",
				"<iq type='error' id='last1' to='mal@evil.lit/x' from='juliet@capulet.com'><error code='403' type='auth'><forbidden"},
			{"IM-5.7-4 no subscription, and online", left, "mal@evil.lit/x", "nurse@capulet.com", "<forbidden"},
			{"IM-5.7-4 no such account", left, "mal@evil.lit/x", "nobody@capulet.com", "<forbidden"},
			{"the account is gone, the subscription is not", left, "romeo@montague.net/orchard", "nobody@capulet.com", "<forbidden"},
			{"never been there", "", "romeo@montague.net/orchard", "juliet@capulet.com", "<item-not-found"},
			{"a resource of the domain", "", "a@b/c", "capulet.com/x", "<service-unavailable"},
		} {
			s.Last = tt.last
			if got := ask(tt.from, tt.to); !strings.Contains(got, tt.want) {
				t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
			}
		}
		if got := s.Features(jid.MustParse("juliet@capulet.com")); len(got) != 1 || got[0] != NS {
			t.Errorf("features %q", got)
		}
		s.Err = errors.New("secret of the store")
		if got := ask("romeo@montague.net/orchard", "juliet@capulet.com"); !strings.Contains(got, "<internal-server-error") || strings.Contains(got, "secret") {
			t.Errorf("the store fails: %s", got)
		}
	})
}

// FuzzActivity: what was read can be written, and read again as the same.
func FuzzActivity(f *testing.F) {
	f.Add("<query xmlns='jabber:iq:last' seconds='903'>Heading Home</query>")
	f.Add("<query seconds='18446744073709551615'> <a/>x</query>")
	f.Fuzz(func(t *testing.T, src string) {
		el, err := stanza.Raw(src).Element()
		if err != nil {
			return
		}
		var a, again Activity
		if a.ParseXML(el) != nil {
			return
		}
		b, err := a.AppendXML(nil)
		if err != nil {
			t.Fatal(err)
		}
		if el, err = stanza.Raw(b).Element(); err != nil || again.ParseXML(el) != nil || a != again || a.Ago < 0 {
			t.Errorf("got %+v, again %+v, %v", a, again, err)
		}
	})
}
