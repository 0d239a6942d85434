package xmltok

import (
	"encoding/xml"
	"io"
	"strings"
	"testing"
)

// A well-formed table: what the scanner lets through, and what it stands for as
// character data and as an attribute value. With cdata set it cannot stand in an
// attribute.
var unescapeTable = []struct {
	name, in, text, attr string
	cdata                bool
}{
	{"empty", "", "", "", false},
	{"plain", "jörg@example.org 你好", "jörg@example.org 你好", "jörg@example.org 你好", false},
	{"five", "&amp;&lt;&gt;&apos;&quot;", `&<>'"`, `&<>'"`, false},
	{"once only", "&amp;lt;&amp;#65;", "&lt;&#65;", "&lt;&#65;", false},
	{"decimal", "&#65;&#0000000000000066;&#228;&#128512;", "ABä😀", "ABä😀", false},
	{"hexadecimal", "&#x41;&#x00000000000042;&#xe4;&#xE4;&#x1F600;", "ABää😀", "ABää😀", false},
	{"last ones", "&#xD7FF;&#xE000;&#xFFFD;&#x10FFFF;", "\ud7ff\ue000\ufffd\U0010ffff", "\ud7ff\ue000\ufffd\U0010ffff", false},
	{"white space references stay", "&#9;&#10;&#13;&#xD;&#xA;", "\t\n\r\r\n", "\t\n\r\r\n", false},
	{"white space", "a\tb\nc", "a\tb\nc", "a b c", false},
	{"line ends", "a\rb\r\nc\r\r\n\n", "a\nb\nc\n\n\n", "a b c   ", false},
	{"CR before a reference", "a\r&#10;b", "a\n\nb", "a \nb", false},
	{"CR at the end", "a\r", "a\n", "a ", false},
	{"quotes", `"it's"`, `"it's"`, "", true},
	{"CDATA", "a<![CDATA[b]]>c", "abc", "", true},
	{"CDATA keeps its content", "<![CDATA[<&amp;]]]]>&amp;", "<&amp;]]&", "", true},
	{"CDATA of nothing", "<![CDATA[]]>", "", "", true},
	{"CDATA line ends", "<![CDATA[a\rb\r\nc\r]]>\n", "a\nb\nc\n\n", "", true},
	{"two CDATA", "<![CDATA[]]]]><![CDATA[>]]>", "]]>", "", true},
	{"CDATA in CDATA", "<![CDATA[<![CDATA[]]>", "<![CDATA[", "", true},
}

func TestAppendUnescaped(t *testing.T) {
	for _, tt := range unescapeTable {
		t.Run(tt.name, func(t *testing.T) {
			shifted(tt.in, func(before, s, after string) {
				in, want := before+s+after, before+tt.text+after
				checkUnescape(t, "text", in, want, AppendUnescaped[string], AppendUnescaped[[]byte])
				if _, std := stdRead(t, "<a>"+in+"</a>"); std != want {
					t.Errorf("encoding/xml reads %q as %q, want %q", in, std, want)
				}
			})
		})
	}
}

func TestAppendUnescapedAttr(t *testing.T) {
	for _, tt := range unescapeTable {
		if tt.cdata {
			continue
		}
		t.Run(tt.name, func(t *testing.T) {
			shifted(tt.in, func(before, s, after string) {
				checkUnescape(t, "attribute", before+s+after, before+tt.attr+after,
					AppendUnescapedAttr[string], AppendUnescapedAttr[[]byte])
			})
		})
	}
}

// checkUnescape tries both kinds of source, and the source's own memory.
func checkUnescape(t *testing.T, what, in, want string, str func([]byte, string) []byte, byt func([]byte, []byte) []byte) {
	t.Helper()
	if got := string(str([]byte("x"), in)); got != "x"+want {
		t.Errorf("%s, string %q: got %q, want x and %q", what, in, got, want)
	}
	if got := string(byt(nil, []byte(in))); got != want {
		t.Errorf("%s, bytes %q: got %q, want %q", what, in, got, want)
	}
	mem := []byte(in)
	if got := string(byt(mem[:0], mem)); got != want {
		t.Errorf("%s, in place, %q: got %q, want %q", what, in, got, want)
	}
}

// What no scanner lets through: it comes out as documented, and never panics.
func TestAppendUnescapedUnchecked(t *testing.T) {
	for _, tt := range []struct{ name, in, text, attr string }{
		{"bare ampersand", "&", "&", "&"},
		{"no semicolon", "&amp &lt", "&amp &lt", "&amp &lt"},
		{"unknown entity", "&nbsp;&AMP;", "&nbsp;&AMP;", "&nbsp;&AMP;"},
		{"empty entity", "&;&#;&#x;&#x", "&;&#;&#x;&#x", "&;&#;&#x;&#x"},
		{"cut number", "&#65", "&#65", "&#65"},
		{"wrong digits", "&#6a;&#xg;&#X41;&#-1;", "&#6a;&#xg;&#X41;&#-1;", "&#6a;&#xg;&#X41;&#-1;"},
		{"no character", "&#0;&#x1F;&#xD800;&#xDFFF;&#xFFFE;&#xFFFF;&#x110000;", "�������", "�������"},
		{"overflow", "&#4294967361;&#x100000041;&#99999999999999999999999;", "���", "���"},
		{"open CDATA", "a<![CDATA[b&amp;", "ab&amp;", "a<![CDATA[b&"},
		{"half closed CDATA", "<![CDATA[b]]", "b]]", "<![CDATA[b]]"},
		{"cut CDATA", "<![CDATA", "<![CDATA", "<![CDATA"},
		{"tags", "a<b c='&lt;'/>", "a<b c='<'/>", "a<b c='<'/>"},
		{"controls and bad UTF-8 stay", "\x00\xff\x1f\x80", "\x00\xff\x1f\x80", "\x00\xff\x1f\x80"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for n := range 9 {
				pad := "12345678"[:n]
				checkUnescape(t, "text", pad+tt.in, pad+tt.text, AppendUnescaped[string], AppendUnescaped[[]byte])
				checkUnescape(t, "attribute", pad+tt.in, pad+tt.attr, AppendUnescapedAttr[string], AppendUnescapedAttr[[]byte])
			}
		})
	}
}

func TestAppendUnescapedAllocs(t *testing.T) {
	dst := make([]byte, 0, 128)
	if n := testing.AllocsPerRun(100, func() {
		_ = AppendUnescaped(dst[:0], "a &amp; b <![CDATA[c]]>\r\n&#x41;")
		_ = AppendUnescapedAttr(dst[:0], "a &amp; b\t&#65;")
	}); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func FuzzUnescape(f *testing.F) {
	for _, tt := range unescapeTable {
		f.Add(tt.in)
	}
	for _, s := range []string{"&#x110000;", "<![CDATA[", "&#", "&amp", "12345678&", "<![CDATA[]]]>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		text := string(AppendUnescaped(nil, s))
		attr := string(AppendUnescapedAttr(nil, s))
		if len(text) > len(s) || len(attr) > len(s) {
			t.Errorf("%q grew: text %q, attribute %q", s, text, attr)
		}
		checkUnescape(t, "text", s, text, AppendUnescaped[string], AppendUnescaped[[]byte])
		checkUnescape(t, "attribute", s, attr, AppendUnescapedAttr[string], AppendUnescapedAttr[[]byte])

		if std, ok := stdText(s); ok && std != text {
			t.Errorf("text %q: got %q, encoding/xml %q", s, text, std)
		}
		if std, ok := stdAttr(s); ok {
			// encoding/xml does not make white space in values spaces, so leave it out.
			if a, b := noSpace(attr), noSpace(std); a != b {
				t.Errorf("attribute %q: got %q, encoding/xml %q", s, attr, std)
			}
		}
	})
}

func noSpace(s string) string {
	return strings.NewReplacer(" ", "", "\t", "", "\n", "", "\r", "").Replace(s)
}

// stdText is what encoding/xml makes of s as the content of an element, if it is
// character data and nothing else.
func stdText(s string) (text string, ok bool) {
	d := xml.NewDecoder(strings.NewReader("<a>" + s + "</a>"))
	for n := 0; ; n++ {
		tok, err := d.Token()
		if err == io.EOF {
			return text, true
		}
		if err != nil {
			return "", false
		}
		switch tok := tok.(type) {
		case xml.CharData:
			text += string(tok)
		case xml.StartElement:
			if n > 0 {
				return "", false
			}
		case xml.EndElement:
		default:
			return "", false
		}
	}
}

// stdAttr is what encoding/xml makes of s as an attribute value.
func stdAttr(s string) (value string, ok bool) {
	if strings.ContainsAny(s, "'<") {
		return "", false
	}
	d := xml.NewDecoder(strings.NewReader("<a b='" + s + "'/>"))
	tok, err := d.Token()
	if err != nil {
		return "", false
	}
	start, ok := tok.(xml.StartElement)
	if !ok || len(start.Attr) != 1 {
		return "", false
	}
	return start.Attr[0].Value, true
}

func BenchmarkAppendUnescaped(b *testing.B) {
	var in []string
	for _, s := range chatBodies {
		in = append(in, string(AppendText(nil, s)))
	}
	b.Run("chat", func(b *testing.B) { benchmarkEach(b, in, AppendUnescaped[string]) })
	b.Run("base64", func(b *testing.B) {
		benchmarkEach(b, []string{strings.Repeat("q07IKJEyjvHSyhy//CH0CxmKi8w=", 1000)}, AppendUnescaped[string])
	})
	b.Run("attr", func(b *testing.B) { benchmarkEach(b, in, AppendUnescapedAttr[string]) })
}
