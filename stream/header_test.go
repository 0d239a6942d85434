package stream

import (
	"errors"
	"strings"
	"testing"

	"github.com/etherx-go/xmpp/internal/xmltok"
	"github.com/etherx-go/xmpp/jid"
)

func readTag(text string) (*xmltok.Tag, error) {
	sc := xmltok.NewScanner(strings.NewReader(text), xmltok.Limits{})
	if _, err := sc.Next(); err != nil {
		return nil, err
	}
	return sc.Root(), nil
}

func TestReq_R3920_4_4_1_1(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want Version
		bad  bool
	}{
		{"", Version{}, false},
		{"1.0", V1, false},
		{"1.13", Version{1, 13}, false},
		{"01.00", V1, false},
		{"6.01", Version{6, 1}, false},
		{"0.9", Version{}, false}, // as if there were none
		{"0.99", Version{}, false},
		{"99999.0", Version{65535, 0}, false},
		{"1", Version{}, true},
		{"1.", Version{}, true},
		{".0", Version{}, true},
		{"1.0.0", Version{}, true},
		{"+1.0", Version{}, true},
		{"one", Version{}, true},
	} {
		got, err := parseVersion(tt.in)
		if got != tt.want || errors.Is(err, UnsupportedVersion) != tt.bad || (err != nil) != tt.bad {
			t.Errorf("%q: %v, %v", tt.in, got, err)
		}
	}
	// "XMPP 2.4" would be a lower version than "XMPP 2.13", which in turn would
	// be lower than "XMPP 12.3" (RFC 6120, section 4.7.5).
	order := []Version{{}, {1, 0}, {2, 4}, {2, 13}, {12, 3}}
	for i, v := range order {
		for j, w := range order {
			if v.Less(w) != (i < j) || lower(v, w) != order[min(i, j)] {
				t.Errorf("%v, %v: %v, lower %v", v, w, v.Less(w), lower(v, w))
			}
		}
	}
	for _, tt := range []struct{ asked, answered string }{
		{"1.0", " version='1.0'"}, {"1.5", " version='1.0'"}, {"13.0", " version='1.0'"}, {"0.9", ""}, {"", ""},
	} {
		a, b := Pipe()
		p := newPeer(t, a)
		n := background(func() (*Conn, error) { return Accept(t.Context(), b, Config{}, openTo(nil)) })
		p.send("<stream:stream" + streamDecl + " to='capulet.com' version='" + tt.asked + "'>")
		p.wait(" from='capulet.com' id='ID'" + tt.answered + " xml:lang='en'>")
		p.close()
		n.wait()
	}
}

func TestParseHeader(t *testing.T) {
	juliet := jid.MustParse("juliet@capulet.com")
	for _, tt := range []struct {
		name, in string
		want     Header
		err      Condition
	}{
		{"CORE-4.1-1 declaration", hello, Header{To: capulet, Version: V1, Content: "jabber:client"}, ""},
		{"CORE-4.1-1 no declaration", "<stream:stream to='capulet.com'" + streamDecl + ">", Header{To: capulet, Content: "jabber:client"}, ""},
		{"CORE-4.1-3 any prefix", "<x:stream to='capulet.com' xmlns='jabber:client' xmlns:x='http://etherx.jabber.org/streams'>",
			Header{To: capulet, Content: "jabber:client"}, ""},
		{"CORE-4.1-3 prefix-free", "<stream to='capulet.com' xmlns='http://etherx.jabber.org/streams'>", Header{To: capulet}, ""},
		{"CORE-4.1-3 prefix on the content", "<stream xmlns:c='jabber:client' xmlns='http://etherx.jabber.org/streams'>", Header{Content: "jabber:client"}, ""},
		{"CORE-4.4-2 no content namespace", "<stream:stream xmlns:stream='http://etherx.jabber.org/streams'>", Header{}, ""},
		{"CORE-4.3-4 from", "<stream:stream from='juliet@capulet.com' to='capulet.com'" + streamDecl + ">",
			Header{To: capulet, From: juliet, Content: "jabber:client"}, ""},
		{"CORE-4.3-5 id", "<stream:stream id='x&amp;y'" + streamDecl + ">", Header{ID: "x&y", Content: "jabber:client"}, ""},
		{"CORE-4.4-4 server", "<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'>", Header{Content: "jabber:server"}, ""},
		{"CORE-4.4-5 component", "<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams'>", Header{Content: "jabber:component:accept"}, ""},
		{"CORE-5.1.1-2 old SASL", "<stream:stream" + streamDecl + saslDecl + ">", Header{Content: "jabber:client", OldSASL: true}, ""},
		{"CORE-9-1 lang", "<stream:stream xml:lang='de-CH'" + streamDecl + ">", Header{Lang: "de-CH", Content: "jabber:client"}, ""},
		{"no language", "<stream:stream xml:lang='de &amp; en'" + streamDecl + ">", Header{Content: "jabber:client"}, ""},
		{"long language", "<stream:stream xml:lang='" + strings.Repeat("x", 65) + "'" + streamDecl + ">", Header{Content: "jabber:client"}, ""},
		{"foreign attributes", "<stream:stream stream:to='x@@' xml:space='preserve' to=''" + streamDecl + ">", Header{Content: "jabber:client"}, ""},
		{"CORE-4.4-1 wrong namespace", "<stream:stream to='capulet.com' version='1.0' xmlns='jabber:client' xmlns:stream='urn:x'>",
			Header{To: capulet, Version: V1, Content: "jabber:client"}, InvalidNamespace},
		{"wrong name", "<stream:steam" + streamDecl + ">", Header{Content: "jabber:client"}, InvalidNamespace},
		{"malformed to", "<stream:stream to='@' version='1.0'" + streamDecl + ">", Header{Version: V1, Content: "jabber:client"}, ImproperAddressing},
		{"malformed version", "<stream:stream to='capulet.com' version='x'" + streamDecl + ">", Header{To: capulet, Version: V1, Content: "jabber:client"}, UnsupportedVersion},
		{"the first error counts", "<stream:stream to='@' version='x'" + streamDecl + ">", Header{Version: V1, Content: "jabber:client"}, ImproperAddressing},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tag, err := readTag(tt.in)
			if err != nil {
				t.Fatal(err)
			}
			h, err := parseHeader(tag)
			if h != tt.want || (err != nil) != (tt.err != "") || err != nil && !errors.Is(err, tt.err) {
				t.Errorf("%+v, %v", h, err)
			}
		})
	}
}

func TestReq_CORE_7_2_2(t *testing.T) {
	h := Header{To: capulet, From: jid.MustParse("rob@capulet.com"), ID: "<'1'>", Lang: "en", Version: V1, Content: "jabber:server", OldSASL: true}
	want := decl + "<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'" + saslDecl +
		" from='rob@capulet.com' to='capulet.com' id='&lt;&apos;1&apos;&gt;' version='1.0' xml:lang='en'>"
	if got := string(h.appendXML(nil)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := string((&Header{}).appendXML(nil)); got != decl+"<stream:stream"+streamDecl+">" {
		t.Errorf("the zero header is %s", got)
	}
}

// FuzzHeader: the header of any accepted root tag can be written, and is read
// as the same.
func FuzzHeader(f *testing.F) {
	for _, s := range []string{
		hello, answer, "<stream:stream" + streamDecl + saslDecl + " version='1.1' xml:lang='x'>",
		"<stream xmlns='http://etherx.jabber.org/streams' to='a@b/c' from='[::1]' id='&#x9;'>",
		"<s:stream xmlns:s='http://etherx.jabber.org/streams' xmlns:c='jabber:server' version='00.7'>",
		"<stream:stream xmlns='u&amp;&apos;' xmlns:stream='http://etherx.jabber.org/streams' version='70000.1'/>",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		tag, err := readTag(in)
		if err != nil {
			return
		}
		h, err := parseHeader(tag)
		if err != nil {
			if e, ok := errors.AsType[*Error](err); !ok || !defined[e.Condition] {
				t.Fatalf("%#v", err)
			}
			return
		}
		if h.Content == "" {
			h.Content = "jabber:client"
		}
		text := string(h.appendXML(nil))
		tag, err = readTag(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if again, err := parseHeader(tag); again != h || err != nil {
			t.Fatalf("%s\n%+v\n%+v, %v", text, h, again, err)
		}
	})
}
