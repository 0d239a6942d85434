package stream

import (
	"strings"
	"testing"
	"time"

	"github.com/etherx-go/xmpp/stanza"
)

// TestParseLimits reads what peers tell.
func TestParseLimits(t *testing.T) {
	limits := func(in string) string { return "<limits xmlns='urn:xmpp:stream-limits:0'>" + in + "</limits>" }
	for _, tt := range []struct {
		in   string
		want Limits
	}{
		{"<x xmlns='urn:x'/>", Limits{}},
		{limits("<max-bytes>10000</max-bytes><idle-seconds>1800</idle-seconds>"), Limits{10000, 30 * time.Minute}}, // XEP-0478, example 1
		{limits("<max-bytes> 10000\n</max-bytes><later xmlns='urn:x'>1</later>"), Limits{MaxBytes: 10000}},
		{limits("<idle-seconds>1</idle-seconds>"), Limits{Idle: time.Second}},
		{limits(""), Limits{}},
		{limits("<max-bytes>-1</max-bytes><idle-seconds>1.5</idle-seconds>"), Limits{}},
		{limits("<max-bytes>4294967295</max-bytes><idle-seconds>4294967296</idle-seconds>"), Limits{MaxBytes: 1<<31 - 1}},
		{limits("<max-bytes xmlns='urn:x'>10000</max-bytes>"), Limits{}},
	} {
		st, err := stanza.New(stanza.Header{Kind: stanza.KindMessage}, stanza.Raw(tt.in))
		if err != nil {
			t.Fatal(err)
		}
		if got := parseLimits([]stanza.Element{st.Payload()}); got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.in, got, tt.want)
		}
	}
}

// TestOfferLimits: the numbers are those that hold.
func TestOfferLimits(t *testing.T) {
	for _, tt := range []struct {
		cfg    Config
		idle   time.Duration
		before string
		after  string
	}{
		{Config{}, 0, "<max-bytes>16384</max-bytes>", "<max-bytes>262144</max-bytes>"},
		{Config{MaxStanza: 10000}, 90 * time.Second, "<max-bytes>10000</max-bytes><idle-seconds>90</idle-seconds>", "<max-bytes>10000</max-bytes><idle-seconds>90</idle-seconds>"},
		{Config{MaxStanza: -1, MaxUnauthenticated: 500}, 0, "<max-bytes>500</max-bytes>", ""},
		{Config{MaxStanza: -1, MaxUnauthenticated: -1}, time.Millisecond, "", ""},
	} {
		cfg := tt.cfg.withDefaults()
		a, _ := Pipe()
		c := newConn(a, &cfg, false)
		f := OfferLimits(tt.idle)
		for _, want := range []string{tt.before, tt.after} {
			if want != "" {
				want = "<limits xmlns='urn:xmpp:stream-limits:0'>" + want + "</limits>"
			}
			if got := string(f.Offer(c, nil)); got != want {
				t.Errorf("%+v: %s, want %s", tt.cfg, got, want)
			}
			c.reach(Outcome{State: Authenticated})
		}
		c.Close()
	}
}

// TestLimitsOfPeer: what holds before authentication says nothing of later.
func TestLimitsOfPeer(t *testing.T) {
	const before, after = "<limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>100</max-bytes></limits>", "<limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>20000</max-bytes></limits>"
	for _, limits := range []string{after, ""} {
		run(t, limits, func(t *testing.T) {
			s := SASL2{Config: client2Config("secret")}
			p, n := initiate(t, Config{}, clientHeader, []Feature{s.Feature(), Bind("", nil)})
			p.expect(hello)
			p.send(strings.Replace(offer(plain2("")), "</stream:features>", before+"</stream:features>", 1))
			p.expect(authenticate("PLAIN", robPlain))
			p.send(success2(robAddress) + "<stream:features>" + offerBind + limits + "</stream:features>")
			p.expect("<iq type='set' id='bind'><bind xmlns='" + NSBind + "'/></iq>")
			p.send("<iq type='result' id='bind'><bind xmlns='" + NSBind + "'><jid>rob@capulet.com/x</jid></bind></iq>")
			c := n.must(t)
			if got, want := c.Limits().MaxBytes, map[string]int{after: 20000}[limits]; got != want {
				t.Errorf("%d, want %d", got, want)
			}
			c.Close()
			p.close()
		})
	}
}
