package xmltok

import (
	"bytes"
	"encoding/xml"
	"strings"
	"testing"
	"unicode/utf8"
)

// clean is what a reader must get of s: forbidden characters and bytes that are
// not UTF-8 replaced, one for one. It is written with the range loop of Go on
// purpose, as an oracle independent of charLen.
func clean(s string) string {
	var b strings.Builder
	for _, r := range s {
		allowed := r == '\t' || r == '\n' || r == '\r' || r >= 0x20 && r <= 0xD7FF ||
			r >= 0xE000 && r <= 0xFFFD || r >= 0x10000 && r <= 0x10FFFF
		if !allowed {
			r = utf8.RuneError
		}
		b.WriteRune(r)
	}
	return b.String()
}

var escapeTable = []struct{ name, in, text, attr string }{
	{"empty", "", "", ""},
	{"plain", "wherefore art thou", "wherefore art thou", "wherefore art thou"},
	{"five", `&<>'"`, `&amp;&lt;&gt;'"`, `&amp;&lt;&gt;&apos;&quot;`},
	{"CDATA end", "a]]>b", "a]]&gt;b", "a]]&gt;b"},
	{"white space", "\t\n\r \r\n", "\t\n&#xD; &#xD;\n", "&#x9;&#xA;&#xD; &#xD;&#xA;"},
	{"references are text", "&amp;&#65;", "&amp;amp;&amp;#65;", "&amp;amp;&amp;#65;"},
	{"controls", "\x00a\x01\x08\x0b\x0c\x0e\x1f\x7f", "�a������\x7f", "�a������\x7f"},
	{"neighbours", "%(!#;=?\x20", "%(!#;=?\x20", "%(!#;=?\x20"},
	{"C1 controls are allowed", "\u0080\u0085\u009f", "\u0080\u0085\u009f", "\u0080\u0085\u009f"},
	{"two bytes", "jörg ß ÿ \u07ff", "jörg ß ÿ \u07ff", "jörg ß ÿ \u07ff"},
	{"three bytes", "\u0800 你好 \ud7ff\ue000\ufffd", "\u0800 你好 \ud7ff\ue000\ufffd", "\u0800 你好 \ud7ff\ue000\ufffd"},
	{"four bytes", "\U00010000😀\U0010ffff\U0001fffe", "\U00010000😀\U0010ffff\U0001fffe", "\U00010000😀\U0010ffff\U0001fffe"},
	{"not characters", "a\ufffeb\uffffc", "a�b�c", "a�b�c"},
	{"lone continuation", "a\x80b\xbfc", "a�b�c", "a�b�c"},
	{"overlong", "\xc0\x80\xc1\xbf\xe0\x9f\xbf\xf0\x8f\xbf\xbf", "�����������", "�����������"},
	{"surrogate", "\xed\xa0\x80\xed\xbf\xbf", "������", "������"},
	{"too high", "\xf4\x90\x80\x80\xf5\xff", "������", "������"},
	{"cut off", "\xc3", "�", "�"},
	{"cut off, three", "\xe4\xbd", "��", "��"},
	{"cut off, four", "\xf0\x9f\x98", "���", "���"},
	{"broken inside", "\xc3(\xe4(\xa0\xe4\xbd(\xf0(\x98\x80\xf0\x9f(\x80\xf0\x9f\x98(", "�(�(���(�(����(����(", "�(�(���(�(����(����("},
}

// shifted calls f with each string at each place in a word, and before and behind
// whole words of plain text, so that the fast path meets all of them.
func shifted(s string, f func(before, s, after string)) {
	for n := range 9 {
		pad := "abcdefghijklmnop"[:n]
		f(pad, s, "")
		f("", s, pad)
		f(pad, s, "ABCDEFGHIJKLMNOP")
	}
}

func TestAppendTextAndAttr(t *testing.T) {
	for _, tt := range escapeTable {
		t.Run(tt.name, func(t *testing.T) {
			shifted(tt.in, func(before, s, after string) {
				in := before + s + after
				for _, out := range []struct {
					how       string
					got, want string
				}{
					{"text of string", string(AppendText([]byte("x"), in)), "x" + before + tt.text + after},
					{"text of bytes", string(AppendText([]byte("x"), []byte(in))), "x" + before + tt.text + after},
					{"attr of string", string(AppendAttr([]byte("x"), in)), "x" + before + tt.attr + after},
					{"attr of bytes", string(AppendAttr([]byte("x"), []byte(in))), "x" + before + tt.attr + after},
				} {
					if out.got != out.want {
						t.Errorf("%s %q: got %q, want %q", out.how, in, out.got, out.want)
					}
				}
			})
		})
	}
}

// Every byte, and every code point of the first plane, at every place of a word.
func TestAppendTextAllCharacters(t *testing.T) {
	check := func(s string) {
		for _, in := range []string{s, "1234567" + s + "1234567", s + "12345678", "123" + s + "1234567"} {
			want := clean(in)
			if got := string(AppendUnescaped(nil, AppendText(nil, in))); got != want {
				t.Fatalf("text %q: got %q, want %q", in, got, want)
			}
			if got := string(AppendUnescapedAttr(nil, AppendAttr(nil, in))); got != want {
				t.Fatalf("attribute %q: got %q, want %q", in, got, want)
			}
		}
	}
	for c := range 0x100 {
		check(string([]byte{byte(c)}))
	}
	for r := range rune(0x11000) {
		check(string(r))
	}
}

func TestAppendTextKeepsDst(t *testing.T) {
	dst := make([]byte, 0, 64)
	got := AppendText(dst, "a<b")
	if &got[0] != &dst[:1][0] || string(got) != "a&lt;b" {
		t.Errorf("got %q in new memory", got)
	}
	if n := testing.AllocsPerRun(100, func() {
		_ = AppendAttr(AppendText(dst[:0], "jörg & <b>"), "'\xff'")
	}); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
	type name string
	if got := string(AppendAttr(nil, name("a'b"))); got != "a&apos;b" {
		t.Errorf("named string type: got %q", got)
	}
}

// stdRead has encoding/xml read one element with an attribute and text.
func stdRead(t *testing.T, doc string) (attr, text string) {
	t.Helper()
	var v struct {
		Attr string `xml:"b,attr"`
		Text string `xml:",chardata"`
	}
	if err := xml.Unmarshal([]byte(doc), &v); err != nil {
		t.Fatalf("encoding/xml on %q: %v", doc, err)
	}
	return v.Attr, v.Text
}

func FuzzEscape(f *testing.F) {
	for _, tt := range escapeTable {
		f.Add(tt.in)
		f.Add("1234567" + tt.in + "12345678")
	}
	f.Fuzz(func(t *testing.T, s string) {
		want := clean(s)
		text, attr := AppendText(nil, s), AppendAttr(nil, []byte(s))
		if got := string(AppendUnescaped(nil, text)); got != want {
			t.Errorf("text: %q became %q and %q, want %q", s, text, got, want)
		}
		if got := string(AppendUnescapedAttr(nil, attr)); got != want {
			t.Errorf("attribute: %q became %q and %q, want %q", s, attr, got, want)
		}
		if bytes.ContainsAny(attr, "<>'\"\t\r\n") || bytes.ContainsAny(text, "<>\r") {
			t.Errorf("not escaped: text %q, attribute %q", text, attr)
		}
		for _, q := range []string{"'", `"`} {
			gotAttr, gotText := stdRead(t, "<a b="+q+string(attr)+q+">"+string(text)+"</a>")
			if gotAttr != want || gotText != want {
				t.Errorf("encoding/xml reads %q as %q and %q, want %q", s, gotAttr, gotText, want)
			}
		}
		// What the standard library writes, it and we read alike.
		var std bytes.Buffer
		if err := xml.EscapeText(&std, []byte(s)); err != nil {
			t.Fatal(err)
		}
		if got := string(AppendUnescaped(nil, std.Bytes())); got != want {
			t.Errorf("of encoding/xml's %q: got %q, want %q", std.Bytes(), got, want)
		}
		if got := string(AppendUnescapedAttr(nil, std.String())); got != want {
			t.Errorf("of encoding/xml's %q in an attribute: got %q, want %q", std.Bytes(), got, want)
		}
	})
}

// chatBodies are lines as people write them: mostly plain ASCII, some umlauts,
// other scripts, emoji and bytes to escape.
var chatBodies = strings.Split(`the server will be down for lunch, can you look at it when you are back?
> quoted reply
I don't think so, see https://example.org/?a=1&b=2#frag for how it should look like
OK, see you tomorrow at the meeting then 👍
Können wir das später machen? Ich bin gerade im Büro und habe viel zu tun, danke schön.
What about a < b && b > c there? It says "quoted" but never more than 80 characters in one line
yes
привет, встреча завтра утром, спасибо
move the new part over to the other room before they turn the light off and close the house for the year`, "\n")

func BenchmarkAppendText(b *testing.B) {
	b.Run("chat", func(b *testing.B) { benchmarkEach(b, chatBodies, AppendText[string]) })
	b.Run("base64", func(b *testing.B) {
		benchmarkEach(b, []string{strings.Repeat("q07IKJEyjvHSyhy//CH0CxmKi8w=", 1000)}, AppendText[string])
	})
	b.Run("bytes", func(b *testing.B) {
		var in [][]byte
		for _, s := range chatBodies {
			in = append(in, []byte(s))
		}
		benchmarkEach(b, in, AppendText[[]byte])
	})
}

func BenchmarkAppendAttr(b *testing.B) {
	b.Run("chat", func(b *testing.B) { benchmarkEach(b, chatBodies, AppendAttr[string]) })
	b.Run("jid", func(b *testing.B) {
		benchmarkEach(b, []string{"juliet@capulet.example/balcony", "romeo@montague.example", "jörg@example.org/Psi+"}, AppendAttr[string])
	})
}

func benchmarkEach[S ~string | ~[]byte](b *testing.B, in []S, f func([]byte, S) []byte) {
	size := 0
	for _, s := range in {
		size += len(s)
	}
	dst := make([]byte, 0, 2*size)
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		dst = dst[:0]
		for _, s := range in {
			dst = f(dst, s)
		}
	}
}
