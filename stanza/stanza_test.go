package stanza

import (
	"encoding/xml"
	"errors"
	"strings"
	"testing"
	"unsafe"

	"github.com/etherx-go/xmpp/internal/xmltok"
	"github.com/etherx-go/xmpp/jid"
)

func mustParse(t testing.TB, src string) *Stanza {
	t.Helper()
	s, err := Parse(src)
	if err != nil {
		t.Fatalf("%s: %v", src, err)
	}
	return s
}

func TestKind(t *testing.T) {
	for _, k := range []Kind{KindMessage, KindPresence, KindIQ} {
		if KindOf(k.String()) != k || KindOf([]byte(k.String())) != k || k.endTag() != "</"+k.String()+">" {
			t.Errorf("kind %d: %q", k, k)
		}
	}
	if KindOf("stream") != 0 || Kind(0).String() != "" || Kind(4).String() != "" || Kind(0).endTag() != "" {
		t.Error("there is a fourth kind")
	}
	if !TypeGet.IsRequest() || !TypeSet.IsRequest() || TypeResult.IsRequest() || TypeError.IsRequest() || Type("").IsRequest() {
		t.Error("IsRequest")
	}
	if TypeGet.IsResponse() || TypeSet.IsResponse() || !TypeResult.IsResponse() || !TypeError.IsResponse() {
		t.Error("IsResponse")
	}
	for _, ns := range []string{NSClient, NSServer, NSComponent, NSConnect} {
		if !IsContentNamespace(ns) || !IsContentNamespace([]byte(ns)) {
			t.Error(ns)
		}
	}
	if IsContentNamespace("") || IsContentNamespace(NSStanzas) {
		t.Error("another content namespace")
	}
}

func TestParse(t *testing.T) {
	for _, tt := range []struct{ in, want string }{ // want: as String gives it
		{"<message/>", "="},
		{"<message xmlns='jabber:client'><body>x</body></message>", "<message><body>x</body></message>"},
		{"<s:message xmlns:s='jabber:server' s:a='1'><s:body>x</s:body></s:message>", "<message xmlns:s='jabber:server' s:a='1'><body>x</body></message>"},
		{"<iq xmlns='jabber:component:accept'><a xmlns='urn:a'/></iq>", "<iq><a xmlns='urn:a'/></iq>"},
		{"<iq xmlns='jabber:component:connect'><error/></iq>", "<iq><error/></iq>"},
		{"<message><body xmlns=''>x</body><a xmlns='jabber:client'/></message>", "<message><body>x</body><a xmlns='jabber:client'/></message>"},
		{"<presence type='available'/>", "<presence/>"},
	} {
		if tt.want == "=" {
			tt.want = tt.in
		}
		if got := mustParse(t, tt.in).String(); got != tt.want {
			t.Errorf("%s\n got %s\nwant %s", tt.in, got, tt.want)
		}
		if b, err := Parse([]byte(tt.in)); err != nil || b.String() != tt.want {
			t.Errorf("%s as bytes: %s, %v", tt.in, b, err)
		}
	}
	for _, in := range []string{"<message xmlns='urn:a'/>", "<msg/>", "<m:message xmlns:m='urn:m' xmlns='jabber:client'/>"} {
		if s, err := Parse(in); err != ErrNotStanza || s != nil {
			t.Errorf("%s: %v, %v", in, s, err)
		}
	}
	for _, in := range []string{"", " ", "message", "<message>", "<message/><message/>", " <message/>", "<message/> ", "<message><a:b/></message>", "<message><!-- x --></message>", "<message>&nbsp;</message>", "<message>\x01</message>", "<message a='1' a='2'/>"} {
		var bad *xmltok.Error
		if s, err := Parse(in); !errors.As(err, &bad) || s != nil {
			t.Errorf("%q: %v, %v", in, s, err)
		}
	}
	var bad *AddressError
	if s, err := Parse("<iq to='@' id='1'/>"); !errors.As(err, &bad) || s == nil || s.ID != "1" {
		t.Errorf("bad address: %v, %v", s, err)
	}
}

type broken struct{ C chan int }

type failing struct{}

var errFailing = errors.New("failing")

func (failing) XMLName() xml.Name                { return xml.Name{} }
func (failing) AppendXML([]byte) ([]byte, error) { return nil, errFailing }

type version struct {
	XMLName xml.Name `xml:"jabber:iq:version query"`
	Name    string   `xml:"name,omitempty"`
}

// plainError has no namespace: it is in that of the stanza.
type plainError struct {
	XMLName xml.Name `xml:"error"`
	Code    int      `xml:"code,attr"`
}

func TestNew(t *testing.T) {
	other := mustParse(t, "<message xmlns='jabber:client' xmlns:x='urn:x'><body>b</body><x:a x:b='1'/><c xmlns=''/></message>")
	var els []any
	for e := range other.Payloads() {
		els = append(els, e)
	}
	for _, tt := range []struct {
		name     string
		payloads []any
		want     string
	}{
		{"nothing", nil, ""},
		{"nil", []any{nil, (*caps)(nil), (*Error)(nil), (*version)(nil), Element{}}, ""},
		{"payload", []any{ping{}, &caps{"a", "b'", "c"}}, "<ping xmlns='urn:xmpp:ping'/><c xmlns='http://jabber.org/protocol/caps' hash='a' node='b&apos;' ver='c'/>"},
		{"error", []any{&Error{Condition: Conflict}}, "<error code='409' type='cancel'><conflict xmlns='" + NSStanzas + "'/></error>"},
		{"struct", []any{version{Name: "a&b"}, &version{}}, `<query xmlns="jabber:iq:version"><name>a&amp;b</name></query><query xmlns="jabber:iq:version"></query>`},
		{"struct without namespace", []any{plainError{Code: 404}}, `<error code="404"></error>`},
		{"raw", []any{Raw("<a xmlns='urn:a'><b xmlns='jabber:client'/></a>")}, "<a xmlns='urn:a'><b xmlns='jabber:client'/></a>"},
		{"raw in the namespace of stanzas", []any{Raw("<body xmlns='jabber:client'>x</body>"), Raw("<c:body xmlns:c='jabber:client'/>"), Raw("<body/>")}, "<body>x</body><body xmlns:c='jabber:client'/><body/>"},
		{"raw in no namespace", []any{Raw("<body xmlns=''/>")}, "<body xmlns=''/>"},
		{"elements", els, "<body>b</body><x:a xmlns:x='urn:x' x:b='1'/><c xmlns=''/>"},
		{"inner element", []any{element(t, "<a xmlns='urn:a' xmlns:x='urn:x'><b><x:c/></b></a>").FirstChild()}, "<b xmlns='urn:a' xmlns:x='urn:x'><x:c/></b>"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := New(Header{Kind: KindMessage}, tt.payloads...)
			if err != nil {
				t.Fatal(err)
			}
			if s.body != tt.want {
				t.Errorf("got  %s\nwant %s", s.body, tt.want)
			}
		})
	}

	for _, tt := range []struct {
		name    string
		h       Header
		payload any
	}{
		{"no kind", Header{}, nil},
		{"unknown kind", Header{Kind: 9}, nil},
		{"empty Raw", Header{Kind: KindIQ}, Raw("")},
		{"Raw that is text", Header{Kind: KindIQ}, Raw("a")},
		{"Raw with text around", Header{Kind: KindIQ}, Raw("<a/> ")},
		{"two elements", Header{Kind: KindIQ}, Raw("<a/><b/>")},
		{"unfinished Raw", Header{Kind: KindIQ}, Raw("<a>")},
		{"unbound prefix", Header{Kind: KindIQ}, Raw("<a><b:c/></a>")},
		{"a way out", Header{Kind: KindIQ}, Raw("</iq><iq/><iq>")},
		{"comment", Header{Kind: KindIQ}, Raw("<a><!-- --></a>")},
		{"struct that cannot be marshalled", Header{Kind: KindIQ}, broken{}},
		{"number of elements", Header{Kind: KindIQ}, []version{{}, {}}},
		{"failing payload", Header{Kind: KindIQ}, failing{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := New(tt.h, tt.payload)
			if err == nil || s != nil {
				t.Errorf("got %v, %v", s, err)
			}
			if tt.payload == (failing{}) && !errors.Is(err, errFailing) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestAppendXML(t *testing.T) {
	s := &Stanza{Header: Header{KindMessage, TypeChat, "a'b", "de", jid.MustParse("a@b/'<>&\""), jid.MustParse("c")}, extra: " x='1'", body: "<body/>"}
	const attrs = " type='chat' id='a&apos;b' to='a@b/&apos;&lt;&gt;&amp;&quot;' from='c' xml:lang='de' x='1'"
	if got, want := s.String(), "<message"+attrs+"><body/></message>"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got, want := string(s.AppendXML([]byte("x"), NSServer)), "x<message xmlns='jabber:server'"+attrs+"><body/></message>"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if n := len(s.String()); s.Size() < n-40 || s.Size() > n+64 {
		t.Errorf("Size() = %d, but it takes %d", s.Size(), n)
	}
	w := s.With(Header{Kind: KindMessage, To: jid.MustParse("d")})
	if got, want := w.String(), "<message to='d' x='1'><body/></message>"; got != want {
		t.Errorf("With: %s", got)
	}
	if unsafe.StringData(w.body) != unsafe.StringData(s.body) {
		t.Error("With has copied the body")
	}
	if s.IsEmpty() || !(&Stanza{}).IsEmpty() {
		t.Error("IsEmpty")
	}
	if st, err := s.Stanza(); st != s || err != nil {
		t.Error("Stanza")
	}
}

func TestClone(t *testing.T) {
	buf := "<message xmlns='jabber:client' type='foo' id='1' to='a@b' from='c@d/e' xml:lang='de' x='y'><body>x</body></message>"
	s := mustParse(t, buf)
	c := s.Clone()
	if *c != *s {
		t.Errorf("got %v, want %v", c, s)
	}
	a, b := []string{s.ID, s.Lang, string(s.Type), s.To.String(), s.From.String(), s.extra, s.body}, []string{c.ID, c.Lang, string(c.Type), c.To.String(), c.From.String(), c.extra, c.body}
	for i := range a {
		if unsafe.StringData(a[i]) == unsafe.StringData(b[i]) {
			t.Errorf("%q is shared", a[i])
		}
	}
	// Neither depth nor size nor the number of attributes makes it fail.
	deep := &Stanza{Header: Header{Kind: KindIQ}, body: strings.Repeat("<a>", 1000) + strings.Repeat("</a>", 1000), extra: strings.Repeat(" x", 2000) + "=''"}
	if c := deep.Clone(); *c != *deep {
		t.Error("deep stanza")
	}
}

func TestReply(t *testing.T) {
	for _, tt := range []struct {
		in       string
		payloads []any
		want     string
	}{
		{"<iq type='get' id='1' to='a' from='b' xml:lang='de' x='1'><q xmlns='u'/></iq>", []any{ping{}}, "<iq type='result' id='1' to='b' from='a'><ping xmlns='urn:xmpp:ping'/></iq>"},
		{"<iq type='set' id='1' from='b'/>", nil, "<iq type='result' id='1' to='b'/>"},
		{"<iq type='set' id='1' from='b'/>", []any{nil}, "<iq type='result' id='1' to='b'/>"},
		{"<message type='chat' id='1' to='a' from='b/c'><body>x</body></message>", []any{Raw("<body/>")}, "<message type='chat' id='1' to='b/c' from='a'><body/></message>"},
		{"<message from='b'><thread parent='p'>t</thread></message>", nil, "<message to='b'><thread parent='p'>t</thread></message>"},
		{"<message type='groupchat' from='room@muc/nick' to='a'/>", nil, "<message type='groupchat' to='room@muc' from='a'/>"},
		{"<presence type='subscribe' from='b'/>", nil, "<presence type='subscribe' to='b'/>"},
	} {
		got, err := mustParse(t, tt.in).Reply(tt.payloads...)
		if err != nil {
			t.Fatal(err)
		}
		if got.String() != tt.want {
			t.Errorf("%s\n got %s\nwant %s", tt.in, got, tt.want)
		}
	}
	if _, err := mustParse(t, "<iq/>").Reply(Raw("<")); err == nil {
		t.Error("a reply with a broken payload")
	}
}

func TestErrorReply(t *testing.T) {
	const conflict = "<conflict xmlns='" + NSStanzas + "'/>"
	for _, tt := range []struct {
		in   string
		err  error
		want string
	}{
		{"<iq type='get' id='1' to='a' from='b' xml:lang='de' x='1'><q xmlns='u'/></iq>", Conflict, "<iq type='error' id='1' to='b' from='a'><error code='409' type='cancel'>" + conflict + "</error></iq>"},
		{"<iq type='get' from='b'/>", NewError(Conflict, "x"), "<iq type='error' to='b'><error code='409' type='cancel'>" + conflict + "<text xmlns='" + NSStanzas + "'>x</text></error></iq>"},
		{"<message id='1' from='b'/>", errors.New("secret"), "<message type='error' id='1' to='b'><error code='500' type='wait'><internal-server-error xmlns='" + NSStanzas + "'/></error></message>"},
		{"<presence from='b'/>", &Error{Condition: Conflict, Code: NoCode}, "<presence type='error' to='b'><error type='cancel'>" + conflict + "</error></presence>"},
	} {
		if got := mustParse(t, tt.in).ErrorReply(tt.err).String(); got != tt.want {
			t.Errorf("%s\n got %s\nwant %s", tt.in, got, tt.want)
		}
	}
}

func TestErr(t *testing.T) {
	for _, in := range []string{
		"<iq type='result'/>",
		"<iq type='result'><query xmlns='u'><error/></query></iq>",
		"<iq type='get'><error/></iq>",
		"<message><error code='404'/></message>", // CORE-6.3.2-6
		"<presence type='unavailable'><error/></presence>",
		"<message type='result'><error/></message>",
	} {
		if err := mustParse(t, in).Err(); err != nil {
			t.Errorf("%s: %v", in, err)
		}
	}
	// IM-3-4, IM-5.7-4: a result with an error in it is an error.
	for _, in := range []string{
		"<iq type='result' from='a@b'><error code='406'>Not Acceptable</error></iq>",
		"<iq type='result' from='a@b'><query xmlns='jabber:iq:auth'/><error code='406'>Not Acceptable</error></iq>",
		"<iq type='error' from='a@b'><query xmlns='jabber:iq:auth'/><error code='406'>Not Acceptable</error></iq>",
	} {
		s := mustParse(t, in)
		if err := s.Err(); !errors.Is(err, NotAcceptable) || err.Error() != "not-acceptable: Not Acceptable (from a@b)" {
			t.Errorf("%s: %v", in, err)
		}
		if e := s.IQ().Error; e == nil || e.Condition != NotAcceptable {
			t.Errorf("%s: as IQ: %v", in, e)
		}
	}
}

func TestPayloads(t *testing.T) {
	s := mustParse(t, "<message> <body>x</body>text<a xmlns='urn:a'><b/></a><![CDATA[<c/>]]><thread/></message>")
	if n := s.ElementCount(); n != 3 {
		t.Errorf("ElementCount() = %d", n)
	}
	if !s.Payload().Is(NSClient, "body") || s.Child("urn:a", "a").IsZero() || !s.Child("urn:a", "b").IsZero() || s.Child(NSClient, "thread").IsZero() {
		t.Error("Payload or Child")
	}
	if !mustParse(t, "<iq/>").Payload().IsZero() {
		t.Error("a payload that is not there")
	}
}

func TestPayloadName(t *testing.T) {
	type untagged struct{ A int }
	type other struct{ XMLName string }
	type local struct {
		XMLName xml.Name `xml:"query,omitempty"`
	}
	for _, tt := range []struct {
		got, want xml.Name
	}{
		{PayloadName[ping](), xml.Name{Space: "urn:xmpp:ping", Local: "ping"}},
		{PayloadName[*ping](), xml.Name{Space: "urn:xmpp:ping", Local: "ping"}},
		{PayloadName[caps](), xml.Name{Space: "http://jabber.org/protocol/caps", Local: "c"}},
		{PayloadName[*caps](), xml.Name{Space: "http://jabber.org/protocol/caps", Local: "c"}},
		{PayloadName[upper](), xml.Name{Space: "urn:q", Local: "upper"}},
		{PayloadName[*upper](), xml.Name{Space: "urn:q", Local: "upper"}},
		{PayloadName[version](), xml.Name{Space: "jabber:iq:version", Local: "query"}},
		{PayloadName[*version](), xml.Name{Space: "jabber:iq:version", Local: "query"}},
		{PayloadName[local](), xml.Name{Local: "query"}},
		{PayloadName[untagged](), xml.Name{}},
		{PayloadName[other](), xml.Name{}},
		{PayloadName[Raw](), xml.Name{}},
		{PayloadName[Element](), xml.Name{}},
	} {
		if tt.got != tt.want {
			t.Errorf("got %v, want %v", tt.got, tt.want)
		}
	}
}

func TestDecode(t *testing.T) {
	s := mustParse(t, "<iq><x xmlns='u'/><upper xmlns='urn:q'>ab</upper><query xmlns='jabber:iq:version'><name>n</name></query></iq>")
	if v, ok, err := Decode[upper](s); v != "Ab" || !ok || err != nil {
		t.Errorf("Parser: %v, %v, %v", v, ok, err)
	}
	if v, ok, err := Decode[*upper](s); !ok || err != nil || *v != "Ab" {
		t.Errorf("pointer to a Parser: %v, %v, %v", v, ok, err)
	}
	if v, ok, err := Decode[version](s); v.Name != "n" || !ok || err != nil {
		t.Errorf("struct: %v, %v, %v", v, ok, err)
	}
	if v, ok, err := Decode[*version](s); !ok || err != nil || v.Name != "n" {
		t.Errorf("pointer to a struct: %v, %v, %v", v, ok, err)
	}
	if v, ok, err := Decode[Element](s); !v.Is("u", "x") || !ok || err != nil {
		t.Errorf("Element: %v, %v, %v", v, ok, err)
	}
	if v, ok, err := Decode[Raw](s); v != "<x xmlns='u'/>" || !ok || err != nil {
		t.Errorf("Raw: %v, %v, %v", v, ok, err)
	}
	if v, ok, err := Decode[ping](s); ok || err != nil {
		t.Errorf("what is not there: %v, %v, %v", v, ok, err)
	}
	if v, ok, err := Decode[*version](mustParse(t, "<iq/>")); v != nil || ok || err != nil {
		t.Errorf("what is not there: %v, %v, %v", v, ok, err)
	}
	if _, ok, err := Decode[upper](mustParse(t, "<iq><upper xmlns='urn:q'/></iq>")); !ok || err != errNoText {
		t.Errorf("malformed: %v, %v", ok, err)
	}
	if _, ok, err := Decode[plainError](mustParse(t, "<iq><error code='x'/></iq>")); !ok || err == nil {
		t.Errorf("malformed for encoding/xml: %v, %v", ok, err)
	}
	if v, ok, err := Decode[plainError](mustParse(t, "<iq><error code='1'/></iq>")); v.Code != 1 || !ok || err != nil {
		t.Errorf("without namespace: %v, %v, %v", v, ok, err)
	}
}

// What is appended or read without a change of memory.
func TestAllocs(t *testing.T) {
	buf := make([]byte, 0, 4096)
	for name, v := range map[string]interface {
		AppendXML([]byte) ([]byte, error)
	}{
		"message": benchMessage, "presence": benchPresence, "iq": benchIQ,
		"error": &IQ{Type: TypeError, Error: &Error{Condition: Conflict, Text: "x"}},
	} {
		if n := testing.AllocsPerRun(100, func() {
			if _, err := v.AppendXML(buf); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("appending a %s takes %v allocations", name, n)
		}
	}
	s := benchStanza(t, benchMessage)
	if n := testing.AllocsPerRun(100, func() { s.AppendXML(buf, NSClient) }); n != 0 {
		t.Errorf("Stanza.AppendXML takes %v allocations", n)
	}
	plain := mustParse(t, "<message><body xml:lang='en'>text</body><a xmlns='urn:a'><b c='d'/></a></message>")
	if n := testing.AllocsPerRun(100, func() {
		for e := range plain.Payloads() {
			if e.Attr("x") != "" || e.Lang() == "x" || !e.Child("a", "b").IsZero() || e.Text() == "\x00" {
				t.Fatal("what is not there")
			}
		}
	}); n != 0 {
		t.Errorf("walking the payloads takes %v allocations", n)
	}

	for _, in := range []string{
		s.String(),
		benchStanza(t, benchPresence).String(),
		benchStanza(t, benchIQ).String(),
		readTests[13].in, // a carbon
		"<message><body>x</body><x xmlns='urn:x'><message xmlns='jabber:client'/></x></message>",
	} {
		el, header := scanOne(t, clientHeader, in)
		if n := testing.AllocsPerRun(100, func() {
			if _, err := Read(el, header, NSClient); err != nil {
				t.Fatal(err)
			}
		}); n > 2 {
			t.Errorf("%s\nreading takes %v allocations", in, n)
		}
	}
}

func TestAdding(t *testing.T) {
	s, err := Parse("<message type='chat' x='1'><body>hi</body></message>")
	if err != nil {
		t.Fatal(err)
	}
	before := s.String()
	more, err := s.Adding(ping{}, Raw("<a xmlns='urn:a'/>"))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := more.String(), "<message type='chat' x='1'><body>hi</body><ping xmlns='urn:xmpp:ping'/><a xmlns='urn:a'/></message>"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if s.String() != before {
		t.Errorf("the original is now %v", s)
	}
	if _, err := s.Adding(Raw("<a>")); err == nil {
		t.Error("what is not well-formed was taken")
	}
}

func TestWithout(t *testing.T) {
	const in = "<message type='chat' x='1'> <body>hi</body><a xmlns='urn:a'><b/></a>text<a xmlns='urn:c'/><a xmlns='urn:a'/></message>"
	s, err := Parse(in)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		drop func(Element) bool
		want string
	}{
		{"none", func(e Element) bool { return e.Is("urn:x", "a") }, in},
		{"some", func(e Element) bool { return e.Is("urn:a", "a") },
			"<message type='chat' x='1'> <body>hi</body>text<a xmlns='urn:c'/></message>"},
		{"the first", func(e Element) bool { return e.Is(NSClient, "body") },
			"<message type='chat' x='1'> <a xmlns='urn:a'><b/></a>text<a xmlns='urn:c'/><a xmlns='urn:a'/></message>"},
		{"all", func(Element) bool { return true }, "<message type='chat' x='1'> text</message>"},
	} {
		if got := s.Without(tt.drop).String(); got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.name, got, tt.want)
		}
	}
	if s.String() != in {
		t.Errorf("the original is now %v", s)
	}
}
