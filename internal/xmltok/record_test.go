package xmltok_test

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/etherx-go/xmpp/internal/xmltok"
	"github.com/etherx-go/xmpp/internal/xmltok/xmltoktest"
)

// first returns a scanner whose event is the first element of the stream.
func first(t *testing.T, stream string) *xmltok.Scanner {
	t.Helper()
	s := xmltok.NewScanner(strings.NewReader(stream), xmltok.Limits{})
	for {
		switch ev, err := s.Next(); {
		case err != nil:
			t.Fatalf("%q: %v", stream, err)
		case ev == xmltok.Element:
			return s
		}
	}
}

func TestElem(t *testing.T) {
	for _, c := range []struct {
		name, input                    string
		local, prefix, ns, inner, kids string // kids: number and first child
		attrs                          string
	}{
		{"empty", "<iq/>", "iq", "", "jabber:client", "", "0 ||", ""},
		{"empty pair", "<iq></iq>", "iq", "", "jabber:client", "", "0 ||", ""},
		{"message", "<message to='a' type=\"chat\" xml:lang='en'><body>x</body><x/></message >",
			"message", "", "jabber:client", "<body>x</body><x/>", "2 jabber:client||body",
			"||to=a ||type=chat http://www.w3.org/XML/1998/namespace|xml|lang=en"},
		{"IQ with payload", "<iq id='1'><query xmlns='jabber:iq:roster'><a/><b/></query></iq>",
			"iq", "", "jabber:client", "<query xmlns='jabber:iq:roster'><a/><b/></query>", "1 jabber:iq:roster||query", "||id=1"},
		{"own namespace", "<r xmlns='urn:xmpp:sm:3'><x/></r>", "r", "", "urn:xmpp:sm:3", "<x/>", "1 urn:xmpp:sm:3||x", ""},
		{"no namespace", "<r xmlns=''><x/></r>", "r", "", "", "<x/>", "1 ||x", ""},
		{"header's prefix", "<stream:error><h:x/></stream:error>", "error", "stream", "http://etherx.jabber.org/streams", "<h:x/>", "1 urn:h|h|x", ""},
		{"own prefix", "<p:a xmlns:p='urn:p' p:b='1' b='2'><p:c xmlns:p='urn:q'/></p:a>", "a", "p", "urn:p", "<p:c xmlns:p='urn:q'/>", "1 urn:q|p|c", "urn:p|p|b=1 ||b=2"},
		{"prefix of the child used before it is declared", "<a><p:b xmlns:p='urn:p'/></a>", "a", "", "jabber:client", "<p:b xmlns:p='urn:p'/>", "1 urn:p|p|b", ""},
		{"header's prefix declared again", "<h:a xmlns:h='urn:i'/>", "a", "h", "urn:i", "", "0 ||", ""},
		{"escaped namespace", "<a xmlns='urn:&#x61;&amp;' xmlns:p='&#112;'><p:b/></a>", "a", "", "urn:a&", "<p:b/>", "1 p|p|b", ""},
		{"escaped values", "<a b='&lt;&#x41;\t\r\n&#10;' c='x y'/>", "a", "", "jabber:client", "", "0 ||", "||b=<A  \n ||c=x y"},
		{"deep", "<a><b><c/></b><d/><e></e></a>", "a", "", "jabber:client", "<b><c/></b><d/><e></e>", "3 jabber:client||b", ""},
		{"text first", "<a>x &amp; <b/></a>", "a", "", "jabber:client", "x &amp; <b/>", "1 jabber:client||b", ""},
		{"long names", "<aaaaaaaaaaaaaaaaaaaaaaaa xmlns:pppppppppppppppppppp='u' pppppppppppppppppppp:bbbbbbbbbbbbbbbbbbbb=''/>",
			"aaaaaaaaaaaaaaaaaaaaaaaa", "", "jabber:client", "", "0 ||", "u|pppppppppppppppppppp|bbbbbbbbbbbbbbbbbbbb="},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := first(t, xmltoktest.Header+" "+c.input+"<next/>"+xmltoktest.Footer)
			for range 2 { // the second call has the same result
				e := s.Element()
				var attrs []string
				for _, a := range e.Attrs {
					attrs = append(attrs, fmt.Sprintf("%s|%s|%s=%s", a.NS, a.Prefix, a.Name, a.Append(nil)))
					if want := string(a.Name) + "="; !strings.Contains(string(a.Raw), want) || !strings.HasSuffix(string(a.Raw[:len(a.Raw)-1]), string(a.Value)) {
						t.Errorf("raw attribute %q", a.Raw)
					}
				}
				for _, p := range [][2]string{
					{string(e.Raw), c.input}, {string(e.Name), c.local}, {string(e.Prefix), c.prefix}, {string(e.NS), c.ns},
					{string(e.Inner), c.inner}, {strings.Join(attrs, " "), c.attrs},
					{fmt.Sprintf("%d %s|%s|%s", e.Elements, e.FirstChild.NS, e.FirstChild.Prefix, e.FirstChild.Name), c.kids},
				} {
					if p[0] != p[1] {
						t.Errorf("got %q, want %q", p[0], p[1])
					}
				}
			}
			if ev, err := s.Next(); ev != xmltok.Element || string(s.Element().Raw) != "<next/>" {
				t.Errorf("then %v, %v", ev, err)
			}
			if ev, err := s.Next(); ev != xmltok.Close || s.Element() != nil {
				t.Errorf("then %v, %v, element %v", ev, err, s.Element())
			}
		})
	}
}

func TestFlags(t *testing.T) {
	const (
		outer   = xmltok.OuterPrefix
		prefix  = xmltok.RootPrefix
		def     = xmltok.RootDefault
		content = xmltok.InnerContent
		cdata   = xmltok.HasCDATA
		stray   = xmltok.StrayText
	)
	const (
		client = "<s:stream xmlns='jabber:client' xmlns:s='http://etherx.jabber.org/streams' xmlns:c='jabber:client' xmlns:x='urn:x'>"
		bare   = "<stream xmlns='http://etherx.jabber.org/streams'>"
		none   = "<s:stream xmlns:s='http://etherx.jabber.org/streams'>"
	)
	for _, c := range []struct {
		header, input string
		want          xmltok.Flags
	}{
		{client, "<a/>", 0},
		{client, "<a b='1'><b>text</b> <c xmlns='urn:x' xml:lang='en'/></a>", 0},
		// OuterPrefix: used inside, bound on the header.
		{client, "<a><x:b/></a>", outer},
		{client, "<a><b x:c='1'/></a>", outer},
		{client, "<a><b><x:c/></b></a>", outer},
		{client, "<a x:b='1'/>", 0},
		{client, "<a><x:b xmlns:x='urn:y'/></a>", 0},
		{client, "<a xmlns:x='urn:y'><x:b/></a>", prefix},
		{client, "<a><b xmlns:x='urn:y'/><x:c/></a>", outer},
		// RootPrefix: of the root or declared by it.
		{client, "<s:features/>", prefix},
		{client, "<s:features><b/></s:features>", prefix},
		{client, "<s:features><s:b/></s:features>", prefix | outer},
		{client, "<a xmlns:p='urn:p'/>", prefix},
		{client, "<a xml:lang='en'/>", 0},
		{client, "<a xmlns:xml='http://www.w3.org/XML/1998/namespace'/>", 0},
		{client, "<a><p:b xmlns:p='urn:p'/></a>", 0},
		{client, "<xml:a/>", prefix},
		// RootDefault: declared and another one.
		{client, "<a xmlns='urn:a'/>", def},
		{client, "<a xmlns=''/>", def},
		{client, "<a xmlns='jabber:client'/>", 0},
		{client, "<a xmlns='jabber:&#99;lient'/>", 0},
		{none, "<a xmlns=''/>", 0},
		{none, "<a xmlns='jabber:client'/>", def},
		{bare, "<a xmlns='jabber:client'/>", def},
		// InnerContent: explicitly inside.
		{client, "<a xmlns='jabber:client'><b/></a>", 0},
		{client, "<a><b xmlns='jabber:client'/></a>", content},
		{client, "<a><b xmlns='jabber:cli&#101;nt'/></a>", content},
		{client, "<a><b xmlns='jabber:server'/></a>", content},
		{client, "<a><b xmlns='jabber:component:accept'/></a>", content},
		{client, "<a><b xmlns='urn:x'><c><d xmlns='jabber:client'/></c></b></a>", content},
		{client, "<a><b xmlns='urn:xmpp:ping'/></a>", 0}, // of the same length
		{client, "<a><b xmlns=''/></a>", 0},
		{bare, "<a><b xmlns='http://etherx.jabber.org/streams'/></a>", content},
		{client, "<a><b xmlns='http://etherx.jabber.org/streams'/></a>", 0},
		{none, "<a><b xmlns=''/></a>", 0},
		{client, "<c:a/>", prefix},
		{client, "<a><c:b/></a>", content | outer},
		{client, "<a><b c:c=''/></a>", outer},
		{client, "<a><p:b xmlns:p='jabber:server'/></a>", content},
		{client, "<a xmlns:p='jabber:server'><p:b/></a>", content | prefix},
		// A default that the declaring element itself does not use.
		{client, "<a><x:b xmlns='jabber:client'/></a>", outer},
		{client, "<a><x:b xmlns='jabber:client'><x:c/></x:b><d/></a>", outer},
		{client, "<a><x:b xmlns='jabber:client'><c/></x:b></a>", outer | content},
		{client, "<a><x:b xmlns='jabber:client'><x:c><d/></x:c></x:b></a>", outer | content},
		{client, "<a><x:b xmlns='jabber:client'><c xmlns='urn:y'><d/></c></x:b></a>", outer},
		{client, "<a><x:b xmlns='jabber:client'><c xmlns='urn:y'/><d/></x:b></a>", outer | content},
		{client, "<a><x:b xmlns='jabber:client'><x:c xmlns='urn:y'><d/></x:c></x:b></a>", outer},
		{client, "<a><x:b xmlns='jabber:client'><x:c xmlns='urn:y'><d/></x:c><e/></x:b></a>", outer | content},
		{client, "<a><x:b xmlns='jabber:client'></x:b><c/></a>", outer},
		// HasCDATA, StrayText.
		{client, "<a><b><![CDATA[]]></b></a>", cdata},
		{client, "<a>text</a>", 0},
		{client, "<a>text<b/></a>", stray},
		{client, "<a><b/>text</a>", stray},
		{client, "<a> <b/>\n&#32;&#x9;</a>", 0},
		{client, "<a><b/>&#65;</a>", stray},
		{client, "<a><b/>&amp;</a>", stray},
		{client, "<a><b/> é</a>", stray},
		{client, "<a><b>text</b></a>", 0},
		{client, "<a><b/><![CDATA[ ]]></a>", cdata},
		{client, "<a><![CDATA[x]]><b/></a>", cdata | stray},
		{client, "<a><![CDATA[x]]></a>", cdata},
	} {
		for _, whole := range []bool{true, false} {
			in := c.header + c.input
			var r io.Reader = strings.NewReader(in)
			if !whole {
				r = &oneByte{in}
			}
			s := xmltok.NewScanner(r, xmltok.Limits{})
			ev, err := s.Next()
			for err == nil && ev != xmltok.Element {
				ev, err = s.Next()
			}
			if err != nil {
				t.Fatalf("%s: %v", in, err)
			}
			if got := s.Element().Flags; got != c.want {
				t.Errorf("%s (whole: %v): flags %06b, want %06b", in, whole, got, c.want)
			}
			s.Release()
		}
	}
}

type oneByte struct{ s string }

func (o *oneByte) Read(p []byte) (int, error) {
	if o.s == "" {
		return 0, io.EOF
	}
	p[0], o.s = o.s[0], o.s[1:]
	return 1, nil
}

func TestRoot(t *testing.T) {
	s := xmltok.NewScanner(strings.NewReader(
		"<?xml version='1.0' encoding='utf-8' standalone='yes'?>\n<p:s xmlns:p='urn:&#112;' xmlns='urn:d' to='a&amp;b' p:x='1' xml:lang='de'><a/>"+
			"</p:s >"), xmltok.Limits{})
	if s.Root() != nil {
		t.Error("a root before Open")
	}
	ev, err := s.Next()
	if ev != xmltok.Open || err != nil {
		t.Fatal(ev, err)
	}
	root := s.Root()
	if got, want := root.Declaration, (xmltok.Declaration{Version: "1.0", Encoding: "utf-8", Standalone: "yes"}); got != want {
		t.Errorf("declaration %+v", got)
	}
	s.Next()
	s.Next()
	if got, want := tagString(root), `urn:p|p|s ||to="a&b"(a&amp;b,true,"to='a&amp;b'") urn:p|p|x="1"(1,false,"p:x='1'") `+
		`http://www.w3.org/XML/1998/namespace|xml|lang="de"(de,false,"xml:lang='de'") default=urn:d bindings=[{"p" "urn:p"}] `; !strings.HasPrefix(got, want) {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	s.Restart()
	if s.Root() != nil {
		t.Error("a root after Restart")
	}
}
