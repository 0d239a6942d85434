package stanza

import (
	"encoding/xml"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/etherx-go/xmpp/jid"
)

// FuzzWrite writes any text in every place that text can be in, and reads it
// again with this package and with encoding/xml.
func FuzzWrite(f *testing.F) {
	f.Add("a", "en", "a@b/c", "\x00<&>'\"]]>\r\n\t\uFFFE\xFF€")
	f.Add("<a>", "x' y='", "a@b/'", "]]>")
	f.Fuzz(func(t *testing.T, id, lang, to, text string) {
		addr, _ := jid.Parse(to)
		m := &Message{
			To: addr, From: addr, ID: id, Type: Type(lang), Lang: lang,
			Subject: text, Body: text, Subjects: []Text{{id, text}}, Thread: text, Parent: text,
			Error:    &Error{Text: text, Lang: lang, NewAddress: text, Condition: Gone, App: Raw(text)},
			Payloads: []any{&caps{id, lang, text}},
		}
		b, err := m.AppendXML(nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parseTree(string(b)); err != nil {
			t.Fatal(err)
		}
		st, err := Parse(b)
		if err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		if again := st.String(); again != string(b) {
			t.Fatalf("read and written\n got %s\nwant %s", again, b)
		}
		var v struct {
			ID   string `xml:"id,attr"`
			Body string `xml:"body"`
		}
		if err := xml.Unmarshal(b, &v); err != nil {
			t.Fatal(err)
		}
		got := st.Message()
		if got.ID != v.ID || got.Body != v.Body || got.To != addr {
			t.Fatalf("%s: encoding/xml reads %q, %q", b, v.ID, v.Body)
		}
		if st.ID != sendable(id) || got.Body != sendable(text) || got.Parent != sendable(text) && text != "" {
			t.Fatalf("%q, %q became %q, %q, %q", id, text, st.ID, got.Body, got.Parent)
		}
	})
}

// sendable is s with U+FFFD for what XML 1.0 does not have.
func sendable(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF {
			r = utf8.RuneError
		}
		b.WriteRune(r)
		i += n
	}
	return b.String()
}
