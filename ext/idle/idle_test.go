package idle

import (
	"testing"
	"time"

	"github.com/etherx-go/xmpp/ext/internal/exttest"
)

var moon = time.Date(1969, 7, 21, 2, 56, 15, 0, time.UTC)

func TestIdle(t *testing.T) {
	exttest.Run(t, []exttest.Golden[Idle]{
		{Name: "XEP-0319 example 1", In: "<idle xmlns='urn:xmpp:idle:1' since='1969-07-21T02:56:15Z'/>", Want: Idle{moon}},
		{
			Name: "another zone",
			In:   "<idle xmlns='urn:xmpp:idle:1' since='1969-07-20T21:56:15-05:00'/>",
			Want: Idle{moon},
			Out:  "<idle xmlns='urn:xmpp:idle:1' since='1969-07-21T02:56:15Z'/>",
		},
		{Name: "no time", In: "<idle xmlns='urn:xmpp:idle:1'/>", Err: true},
		{Name: "seconds", In: "<idle xmlns='urn:xmpp:idle:1' since='300'/>", Err: true},
		{Name: "the zero time", In: "<idle xmlns='urn:xmpp:idle:1' since='0001-01-01T00:00:00Z'/>", Err: true},
	})
	if b, err := (Idle{}).AppendXML(nil); err == nil {
		t.Errorf("written without a time: %s", b)
	}
}

func TestOf(t *testing.T) {
	const i = "<idle xmlns='urn:xmpp:idle:1' since='1969-07-21T02:56:15Z'/>"
	for _, tt := range []struct {
		name, in string
		ok       bool
	}{
		{"XEP-0319 example 1", "<presence><show>away</show>" + i + "</presence>", true},
		{"XEP-0319 example 2", "<presence from='juliet@capulet.com/balcony'/>", false},
		{"unavailable", "<presence type='unavailable'>" + i + "</presence>", false},
		{"message", "<message>" + i + "</message>", false},
		{"malformed", "<presence><idle xmlns='urn:xmpp:idle:1' since='now'/></presence>", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			st := exttest.Parse(t, tt.in)
			since, ok := Of(st)
			if ok != tt.ok || ok && !since.Equal(moon) {
				t.Errorf("%v, %v", since, ok)
			}
			want := time.Duration(0)
			if tt.ok {
				want = time.Hour
			}
			if d := For(st, moon.Add(time.Hour)); d != want {
				t.Errorf("for %v", d)
			}
			if d := For(st, moon.Add(-time.Hour)); d != 0 {
				t.Errorf("in the future: for %v", d)
			}
		})
	}
	if since, ok := Of(exttest.Parse(t, "<presence>"+i+"</presence>").Presence()); !ok || !since.Equal(moon) {
		t.Errorf("of the presence: %v, %v", since, ok)
	}
}

func FuzzIdle(f *testing.F) {
	f.Add("<idle xmlns='urn:xmpp:idle:1' since='1969-07-20T21:56:15.123-05:00'/>")
	f.Fuzz(exttest.RoundTrip[Idle])
}
