package delay

import (
	"testing"
	"time"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

var (
	stamp = time.Date(2000, 1, 6, 6, 35, 29, 0, time.UTC)
	xep   = time.Date(2002, 9, 10, 23, 8, 25, 0, time.UTC)
)

func decode(t *testing.T, src string) (Delay, error) {
	t.Helper()
	el, err := stanza.Raw(src).Element()
	if err != nil {
		t.Fatal(err)
	}
	var d Delay
	err = el.Decode(&d)
	return d, err
}

func TestDelay(t *testing.T) {
	tests := []struct {
		name string
		in   string
		want Delay
		out  string // "" if it is as in
	}{
		{
			name: "GUIDE-10-delay-2 the stamp of the guide",
			in:   "<x xmlns='jabber:x:delay' from='horatio@denmark' stamp='20000106T06:35:29'/>",
			want: Delay{From: jid.MustParse("horatio@denmark"), Stamp: stamp},
		},
		{
			name: "GUIDE-10-delay-2 a stamp of XEP-0082",
			in:   "<x xmlns='jabber:x:delay' stamp='2000-01-06T07:35:29.25+01:00'/>",
			want: Delay{Stamp: stamp},
			out:  "<x xmlns='jabber:x:delay' stamp='20000106T06:35:29'/>",
		},
		{
			name: "XEP-0091 example 1",
			in:   "<x xmlns='jabber:x:delay'\n from='capulet.com'\n stamp='20020910T23:08:25'>\n Offline Storage\n </x>",
			want: Delay{jid.MustParse("capulet.com"), xep, "Offline Storage"},
			out:  "<x xmlns='jabber:x:delay' from='capulet.com' stamp='20020910T23:08:25'>Offline Storage</x>",
		},
		{
			name: "a from that is not an address",
			in:   "<x xmlns='jabber:x:delay' from='@' stamp='20020910T23:08:25'/>",
			want: Delay{Stamp: xep},
			out:  "<x xmlns='jabber:x:delay' stamp='20020910T23:08:25'/>",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := decode(t, tt.in)
			if err != nil || got != tt.want {
				t.Errorf("got %+v, %v; want %+v", got, err, tt.want)
			}
			want := tt.out
			if want == "" {
				want = tt.in
			}
			if b, err := got.AppendXML(nil); err != nil || string(b) != want {
				t.Errorf("got %s, %v; want %s", b, err, want)
			}
		})
	}
	for _, src := range []string{
		"<x xmlns='jabber:x:delay'/>",
		"<x xmlns='jabber:x:delay' stamp='yesterday'/>",
		"<x xmlns='jabber:x:delay' stamp='20000199T06:35:29'/>",
		"<x xmlns='jabber:x:delay' stamp='00010101T00:00:00'/>",
	} {
		if d, err := decode(t, src); err == nil {
			t.Errorf("%s was taken as %+v", src, d)
		}
	}
	if b, err := (Delay{}).AppendXML(nil); err == nil {
		t.Errorf("written without a stamp: %s", b)
	}
	if n := (Delay{}).XMLName(); n.Space != NS || n.Local != "x" {
		t.Errorf("named %v", n)
	}
}

func FuzzDelay(f *testing.F) {
	f.Add("<x xmlns='jabber:x:delay' from='capulet.com' stamp='20020910T23:08:25'>Offline Storage</x>")
	f.Add("<x xmlns='jabber:x:delay' stamp='2000-01-06T07:35:29.25+01:00'/>")
	f.Fuzz(func(t *testing.T, src string) {
		el, err := stanza.Raw(src).Element()
		if err != nil {
			return
		}
		var d, again Delay
		if el.Decode(&d) != nil {
			return
		}
		b, err := d.AppendXML(nil)
		if err != nil {
			t.Fatalf("%+v cannot be written: %v", d, err)
		}
		el, err = stanza.Raw(b).Element()
		if err != nil || el.Decode(&again) != nil || again != d {
			t.Fatalf("%+v was written as %s and read as %+v (%v)", d, b, again, err)
		}
	})
}
