package version

import (
	"errors"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/etherx-go/xmpp/ext/internal/hosttest"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

const get = "<query xmlns='jabber:iq:version'/>"

// TestInfo reads and writes the element.
func TestInfo(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     Info
		out      string // "" if it is as in
	}{
		{"GUIDE-9-version-2 XEP-0092 example 2", "<query xmlns='jabber:iq:version'><name>Exodus</name><version>0.7.0.4</version><os>Windows-XP 5.01.2600</os></query>",
			Info{"Exodus", "0.7.0.4", "Windows-XP 5.01.2600"}, ""},
		{"GUIDE-9-version-2 without os", "<query xmlns='jabber:iq:version'><name>&lt;</name><version></version></query>", Info{Name: "<"}, ""},
		{"GUIDE-9-version-1 a request", get, Info{}, ""},
		{"another order, unknown elements", "<query xmlns='jabber:iq:version'> <os>NT 4.0</os><x/><version>0.9.1.1</version><name xmlns='urn:x'>y</name><name>WinJab</name></query>",
			Info{"WinJab", "0.9.1.1", "NT 4.0"}, "<query xmlns='jabber:iq:version'><name>WinJab</name><version>0.9.1.1</version><os>NT 4.0</os></query>"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			el, err := stanza.Raw(tt.in).Element()
			if err != nil {
				t.Fatal(err)
			}
			i := Info{OS: "left over"}
			if err := el.Decode(&i); err != nil || i != tt.want {
				t.Errorf("got %+v, %v", i, err)
			}
			want := tt.out
			if want == "" {
				want = tt.in
			}
			if b, err := i.AppendXML(nil); string(b) != want || err != nil {
				t.Errorf("got %s, %v, want %s", b, err, want)
			}
		})
	}
}

func TestGet(t *testing.T) {
	c := hosttest.New(t, "romeo@montague.net/orchard")
	juliet := jid.MustParse("juliet@capulet.com/balcony")
	reply := "<query xmlns='jabber:iq:version'><name>Exodus</name><version>0.7.0.4</version></query>"
	c.Reply = func(iq *stanza.Stanza) (string, error) {
		if iq.Type != stanza.TypeGet || iq.To != juliet || string(iq.Payload().Raw()) != get {
			t.Errorf("asked %s", iq)
		}
		return reply, nil
	}
	if got, err := Get(t.Context(), c, juliet); got != (Info{"Exodus", "0.7.0.4", ""}) || err != nil {
		t.Errorf("GUIDE-9-version-1: got %+v, %v", got, err)
	}
	for _, reply = range []string{"", get} {
		if _, err := Get(t.Context(), c, juliet); !errors.Is(err, ErrNoAnswer) {
			t.Errorf("%q: got %v", reply, err)
		}
	}
	c.Reply = func(*stanza.Stanza) (string, error) { return "", stanza.NewError(stanza.ServiceUnavailable, "") }
	if _, err := Get(t.Context(), c, juliet); !errors.Is(err, stanza.ServiceUnavailable) {
		t.Errorf("got %v", err)
	}
}

func TestExtension(t *testing.T) {
	client := func(e *Extension) func(string) string { return hosttest.New(t, "juliet@capulet.com/balcony", e).Ask }
	server := hosttest.NewServer(t, "capulet.com", &Extension{Name: "S", Version: "1"})
	const from = "id='version_1' from='romeo@montague.net/orchard'"
	for _, tt := range []struct {
		name  string
		ask   func(string) string
		query string
		want  string
	}{
		{"GUIDE-9-version-2 the os is hidden", client(&Extension{Name: "Exodus", Version: "0.7.0.4"}), "<iq type='get' " + from + ">" + get + "</iq>",
			"<iq type='result' id='version_1' to='romeo@montague.net/orchard'><query xmlns='jabber:iq:version'><name>Exodus</name><version>0.7.0.4</version></query></iq>"},
		{"GUIDE-9-version-2 the os is told", client(&Extension{Name: "Exodus", Version: "1", OS: "Plan 9"}), "<iq type='get' " + from + ">" + get + "</iq>", "<os>Plan 9</os></query>"},
		{"GUIDE-9-version-3 set", client(&Extension{}), "<iq type='set' " + from + ">" + get + "</iq>", "<error code='400' type='modify'><bad-request"},
		{"a program without a name", client(&Extension{}), "<iq type='get' " + from + ">" + get + "</iq>", "<name>Etherx</name><version>"},
		{"a domain", server.Ask, "<iq type='get' to='capulet.com' " + from + ">" + get + "</iq>", "<name>S</name><version>1</version></query>"},
		{"an account", server.Ask, "<iq type='get' to='juliet@capulet.com' " + from + ">" + get + "</iq>", "<service-unavailable"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.ask(tt.query); !strings.Contains(got, tt.want) || strings.Contains(got, "<version></version>") {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
	if got := server.Features(jid.JID{}); len(got) != 1 || got[0] != NS {
		t.Errorf("features %q", got)
	}
}

// TestFromBuild finds the version of the program, or of this module in it.
func TestFromBuild(t *testing.T) {
	own := debug.Module{Path: module, Version: "v1.2.3"}
	bot := debug.Module{Path: "example.org/bot", Version: "v0.1.0"}
	for _, tt := range []struct {
		b            *debug.BuildInfo
		bot, library string
	}{
		{nil, "unknown", "unknown"},
		{&debug.BuildInfo{Main: bot, Deps: []*debug.Module{{Path: "x", Version: "v9"}, &own}}, "v0.1.0", "v1.2.3"},
		{&debug.BuildInfo{Main: bot}, "v0.1.0", "unknown"},
		{&debug.BuildInfo{Main: own}, "v1.2.3", "v1.2.3"},
		{&debug.BuildInfo{}, "unknown", "unknown"},
	} {
		if got := fromBuild(tt.b, false); got != tt.bot {
			t.Errorf("%+v: the program is %s", tt.b, got)
		}
		if got := fromBuild(tt.b, true); got != tt.library {
			t.Errorf("%+v: the library is %s", tt.b, got)
		}
	}
}
