package oob

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/etherx-go/xmpp/ext/internal/exttest"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

const (
	image   = "http://www.jabber.org/images/psa-license.jpg"
	offer   = "<query xmlns='jabber:iq:oob'><url>" + image + "</url><desc>A license to Jabber!</desc></query>"
	stpeter = "stpeter@jabber.org/work"
)

func TestData(t *testing.T) {
	exttest.Run(t, []exttest.Golden[Data]{
		{
			Name: "GUIDE-10-oob-1 XEP-0066 example 5",
			In:   "<x xmlns='jabber:x:oob'><url>" + image + "</url></x>",
			Want: Data{URL: image},
		},
		{
			Name: "GUIDE-10-oob-1 the example of the guide, GUIDE-10-oob-4 with white space",
			In:   "<x xmlns='jabber:x:oob'> <url> http://denmark/act4/letter-1.html </url> <desc> There's a letter for you sir </desc> </x>",
			Want: Data{"http://denmark/act4/letter-1.html", "There's a letter for you sir"},
			Out:  "<x xmlns='jabber:x:oob'><url>http://denmark/act4/letter-1.html</url><desc>There's a letter for you sir</desc></x>",
		},
		{
			Name: "any order, escapes, unknown children",
			In:   "<x xmlns='jabber:x:oob'><desc>&lt;</desc><more/><url>http://a/?b=1&amp;c=2</url><url>http://second/</url></x>",
			Want: Data{"http://a/?b=1&c=2", "<"},
			Out:  "<x xmlns='jabber:x:oob'><url>http://a/?b=1&amp;c=2</url><desc>&lt;</desc></x>",
		},
		{Name: "no URL", In: "<x xmlns='jabber:x:oob'><desc>x</desc></x>", Err: true},
		{Name: "an empty URL", In: "<x xmlns='jabber:x:oob'><url> </url></x>", Err: true},
		{Name: "another namespace", In: "<x xmlns='jabber:x:oob'><url xmlns='urn:x'>http://a/</url></x>", Err: true},
	})
	if b, err := (Data{Desc: "x"}).AppendXML(nil); err == nil {
		t.Errorf("written without a URL: %s", b)
	}
}

func TestOffer(t *testing.T) {
	exttest.Run(t, []exttest.Golden[Offer]{
		{Name: "GUIDE-9-oob-1 XEP-0066 example 1", In: offer, Want: Offer{URL: image, Desc: "A license to Jabber!"}},
		{
			Name: "XEP-0066 example 10",
			In:   "<query xmlns='jabber:iq:oob' sid='a0'><url>http://www.shakespeare.lit/files/letter.txt</url></query>",
			Want: Offer{URL: "http://www.shakespeare.lit/files/letter.txt", SID: "a0"},
		},
		{
			Name: "GUIDE-9-oob-4 any order",
			In:   "<query xmlns='jabber:iq:oob'><desc>d</desc><url> http://a/ </url></query>",
			Want: Offer{URL: "http://a/", Desc: "d"},
			Out:  "<query xmlns='jabber:iq:oob'><url>http://a/</url><desc>d</desc></query>",
		},
		{Name: "GUIDE-9-oob-4 no URL", In: "<query xmlns='jabber:iq:oob'><desc>d</desc></query>", Err: true},
	})
	if b, err := (Offer{Desc: "x"}).AppendXML(nil); err == nil {
		t.Errorf("written without a URL: %s", b)
	}
}

func TestAll(t *testing.T) {
	const a, b = "<x xmlns='jabber:x:oob'><url>http://a/</url></x>", "<x xmlns='jabber:x:oob'><url>http://b/</url><desc>B</desc></x>"
	both := []Data{{URL: "http://a/"}, {"http://b/", "B"}}
	for _, tt := range []struct {
		name, in string
		want     []Data
	}{
		{"GUIDE-10-oob-2 several in one message", "<message><body>x</body>" + a + "<x xmlns='jabber:x:oob'/>" + b + "</message>", both},
		{"GUIDE-10-oob-4 in a presence", "<presence>" + a + b + "</presence>", both},
		{"GUIDE-10-oob-4 only as x", "<message><y xmlns='jabber:x:oob'><url>http://a/</url></y></message>", nil},
		{"in an iq", "<iq type='set'>" + a + "</iq>", nil},
		{"in an error", "<message type='error'>" + a + "</message>", nil},
		{"none", "<message/>", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := All(exttest.Parse(t, tt.in)); !slices.Equal(got, tt.want) {
				t.Errorf("got %+v", got)
			}
		})
	}
	m := &stanza.Message{Payloads: []any{Data{URL: "http://a/"}, Data{"http://b/", "B"}}}
	if got := All(m); !slices.Equal(got, both) {
		t.Errorf("of the message %+v", got)
	}
}

func TestSend(t *testing.T) {
	to := jid.MustParse("MaineBoy@jabber.org/home")
	for _, tt := range []struct {
		name  string
		reply error
	}{
		{"GUIDE-9-oob-2 a result", nil},
		{"GUIDE-9-oob-2 not found", stanza.ItemNotFound},
		{"GUIDE-9-oob-1 refused", stanza.NotAcceptable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := &exttest.Host{Answer: func(iq *stanza.Stanza) (*stanza.Stanza, error) {
				if tt.reply != nil {
					return nil, stanza.NewError(tt.reply.(stanza.Condition), "")
				}
				return iq.Reply()
			}}
			err := Send(t.Context(), h, to, Offer{URL: image, Desc: "A license to Jabber!"})
			if !errors.Is(err, tt.reply) {
				t.Errorf("got %v, want %v", err, tt.reply)
			}
			if got := h.Sent(); len(got) != 1 || got[0] != "<iq type='set' to='maineboy@jabber.org/home'>"+offer+"</iq>" {
				t.Errorf("sent %q", got)
			}
		})
	}
	if err := Send(t.Context(), &exttest.Host{}, to, Offer{}); !errors.Is(err, stanza.BadRequest) {
		t.Errorf("no URL: %v", err)
	}
}

func TestExtension(t *testing.T) {
	fetch := func(err error) *Extension {
		return &Extension{Fetch: func(_ context.Context, from jid.JID, url, desc string) error {
			if from.String() != stpeter || url != image || desc != "A license to Jabber!" {
				return fmt.Errorf("fetch %s %s %s", from, url, desc)
			}
			return err
		}}
	}
	iq := func(typ, payload string) string {
		return "<iq type='" + typ + "' from='" + stpeter + "' id='oob1'>" + payload + "</iq>"
	}
	const result = "<iq type='result' id='oob1' to='" + stpeter + "'/>"
	tests := []struct {
		name string
		e    *Extension
		in   string
		want string // the result, or the code, type and condition of the error
	}{
		{"GUIDE-9-oob-2 XEP-0066 example 2", fetch(nil), iq("set", offer), result},
		{"GUIDE-9-oob-2 XEP-0066 example 3", fetch(errors.New("no route to host")), iq("set", offer), "<error code='404' type='cancel'><item-not-found "},
		{"GUIDE-9-oob-2 XEP-0066 example 4", fetch(ErrRefused), iq("set", offer), "<error code='406' type='modify'><not-acceptable "},
		{"GUIDE-9-oob-1 a wrapped refusal", fetch(fmt.Errorf("too large: %w", ErrRefused)), iq("set", offer), "<error code='406' type='modify'><not-acceptable "},
		{"another error of its own", fetch(stanza.NewError(stanza.PolicyViolation, "no jokes")), iq("set", offer), "<policy-violation "},
		{"GUIDE-9-oob-1 nothing is fetched", &Extension{}, iq("set", offer), "<not-acceptable "},
		{"GUIDE-9-oob-4 no URL", fetch(nil), iq("set", "<query xmlns='jabber:iq:oob'><desc>x</desc></query>"), "<error code='400' type='modify'><bad-request "},
		{"not a URL", fetch(nil), iq("set", "<query xmlns='jabber:iq:oob'><url>letter.txt</url></query>"), "<bad-request "},
		{"GUIDE-9-oob-4 get is not used", fetch(nil), iq("get", offer), "<bad-request "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := exttest.Attach(t, tt.e, "maineboy@jabber.org/home")
			got := h.Receive(t, tt.in)
			if len(got) != 1 || !strings.Contains(got[0], tt.want) || strings.Contains(got[0], "no route") {
				t.Errorf("got %q, want %s", got, tt.want)
			}
		})
	}
	if f := fetch(nil).Features(jid.JID{}); !slices.Equal(f, []string{NSOffer}) {
		t.Errorf("features %q", f)
	}
	if f := new(Extension).Features(jid.JID{}); f != nil {
		t.Errorf("features without Fetch %q", f)
	}
}

func TestMaxFetches(t *testing.T) {
	started, end := make(chan struct{}), make(chan struct{})
	run := func(max int, want string) {
		t.Helper()
		e := &Extension{MaxFetches: max, Fetch: func(context.Context, jid.JID, string, string) error {
			started <- struct{}{}
			<-end
			return nil
		}}
		h := exttest.Attach(t, e, "maineboy@jabber.org/home")
		st := exttest.Parse(t, "<iq type='set' from='"+stpeter+"' id='oob1'>"+offer+"</iq>")
		done := make(chan error)
		go func() { done <- h.Mux().HandleXMPP(t.Context(), h, st) }()
		<-started
		go func() { done <- h.Mux().HandleXMPP(t.Context(), h, st) }()
		n := 1
		if want == "" {
			<-started
			n = 2
		} else if err := <-done; err != nil {
			t.Error(err)
		}
		for range n {
			end <- struct{}{}
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if got := strings.Join(h.Sent(), ""); !strings.Contains(got, want) || want == "" && strings.Contains(got, "error") {
			t.Errorf("%d at a time: %s", max, got)
		}
	}
	run(1, "<resource-constraint ")
	run(-1, "")
	run(0, "")
}

func FuzzOffer(f *testing.F) {
	f.Add(offer)
	f.Add("<x xmlns='jabber:x:oob'> <url> http://denmark/act4/letter-1.html </url></x>")
	f.Fuzz(func(t *testing.T, src string) {
		exttest.RoundTrip[Offer](t, src)
		exttest.RoundTrip[Data](t, src)
	})
}
