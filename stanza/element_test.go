package stanza

import (
	"encoding/xml"
	"errors"
	"slices"
	"testing"
)

// element returns a view of an element that stands alone.
func element(t testing.TB, src string) Element {
	t.Helper()
	e, err := Raw(src).Element()
	if err != nil {
		t.Fatalf("%s: %v", src, err)
	}
	return e
}

func TestElementAttributes(t *testing.T) {
	e := element(t, "<a xmlns='urn:a' xmlns:x='urn:x' xmlns:y=\"urn:&quot;\" b='1' x:b = \"2\"\n y:b='3' xml:lang='de'\tc='&lt;&#x20AC;&#10;\t\r\n>' d=''/>")
	for _, tt := range []struct {
		space, local, want string
		ok                 bool
	}{
		{"", "b", "1", true},
		{"urn:x", "b", "2", true},
		{`urn:"`, "b", "3", true},
		{nsXML, "lang", "de", true},
		{"", "c", "<€\n  >", true},
		{"", "d", "", true},
		{"", "lang", "", false},
		{"", "xmlns", "", false},
		{"", "x", "", false},
		{"urn:x", "c", "", false},
		{"urn:a", "b", "", false},
	} {
		if v, ok := e.LookupAttr(tt.space, tt.local); v != tt.want || ok != tt.ok {
			t.Errorf("LookupAttr(%q, %q) = %q, %v", tt.space, tt.local, v, ok)
		}
	}
	if e.Attr("b") != "1" || e.Attr("nope") != "" || e.Lang() != "de" {
		t.Errorf("Attr: %q, %q, Lang: %q", e.Attr("b"), e.Attr("nope"), e.Lang())
	}
	var names []xml.Name
	for n, v := range e.Attrs() {
		if v == "3" {
			break
		}
		names = append(names, n)
	}
	if want := []xml.Name{{Local: "b"}, {Space: "urn:x", Local: "b"}}; !slices.Equal(names, want) {
		t.Errorf("Attrs: %v", names)
	}
}

func TestElementChildren(t *testing.T) {
	e := element(t, "<a xmlns='urn:a' xmlns:p='urn:p'>text<b>1</b><![CDATA[<b>no</b>]]><p:b>2</p:b><b xmlns=''>3</b><b xmlns='urn:b' c='>'><b>4</b></b>\n<p:b xmlns:p='urn:q'/></a>")
	var names []xml.Name
	for c := range e.Children() {
		names = append(names, c.Name())
	}
	want := []xml.Name{{Space: "urn:a", Local: "b"}, {Space: "urn:p", Local: "b"}, {Local: "b"}, {Space: "urn:b", Local: "b"}, {Space: "urn:q", Local: "b"}}
	if !slices.Equal(names, want) {
		t.Errorf("Children\n got %v\nwant %v", names, want)
	}
	for space, text := range map[string]string{"urn:a": "1", "urn:p": "2", "": "3", "urn:b": ""} {
		if got := e.ChildText(space, "b"); got != text {
			t.Errorf("ChildText(%q) = %q, want %q", space, got, text)
		}
	}
	if got := e.Child("urn:b", "b").FirstChild().Text(); got != "4" {
		t.Errorf("grandchild: %q", got)
	}
	if c := e.Child("urn:a", "c"); !c.IsZero() {
		t.Errorf("a child that is not there: %v", c)
	}
	if got := e.Text(); got != "text<b>no</b>\n" {
		t.Errorf("Text() = %q", got)
	}
	if c := e.Child("urn:p", "b").FirstChild(); !c.IsZero() {
		t.Errorf("FirstChild of an element without: %v", c)
	}
}

func TestElementText(t *testing.T) {
	for in, want := range map[string]string{
		"<a/>":                               "",
		"<a></a>":                            "",
		"<a>x</a>":                           "x",
		"<a>x &lt;&amp;&#x20AC; y</a>":       "x <&€ y",
		"<a>1\r\n2\r3\n4&#13;</a>":           "1\n2\n3\n4\r",
		"<a><![CDATA[&amp;\r\n]]>]]&gt;</a>": "&amp;\n]]>",
		"<a>x<b>no</b>y<b/>z</a>":            "xyz",
		"<a>x<b><b>no</b></b>&amp;<b c='>'/>\r</a>": "x&\n",
	} {
		if got := element(t, in).Text(); got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
}

// The zero Element can be asked for everything.
func TestZeroElement(t *testing.T) {
	var e Element
	if !e.IsZero() || e.Attr("a") != "" || e.Lang() != "" || e.Text() != "" || e.ChildText("a", "b") != "" || e.Raw() != "" || e.Name() != (xml.Name{}) {
		t.Error("the zero Element is not empty")
	}
	for range e.Attrs() {
		t.Error("it has attributes")
	}
	for range e.Children() {
		t.Error("it has children")
	}
	if !e.Child("a", "b").FirstChild().IsZero() {
		t.Error("it has a child")
	}
	var p ping
	if e.Decode(&p) == nil {
		t.Error("Decode works")
	}
	if _, err := e.Stanza(); err != ErrNotStanza {
		t.Errorf("Stanza: %v", err)
	}
}

func TestElementRaw(t *testing.T) {
	for _, tt := range []struct{ in, want string }{ // want: that of the first grandchild
		{"<a xmlns='urn:a'><b><c/></b></a>", "<c xmlns='urn:a'/>"},
		{"<a><b><c/></b></a>", "<c/>"},
		{"<a xmlns='urn:a'><b><c xmlns=''/></b></a>", "<c xmlns=''/>"},
		{"<a xmlns='urn:a'><b><c xmlns='urn:c'>x</c></b></a>", "<c xmlns='urn:c'>x</c>"},
		{"<a xmlns:p='urn:p'><b><p:c/></b></a>", "<p:c xmlns:p='urn:p'/>"},
		{"<a xmlns:p='urn:p' xmlns:q='urn:q'><b xmlns:p='urn:pp'><p:c/></b></a>", "<p:c xmlns:p='urn:pp'/>"},
		{"<a xmlns:p='urn:p'><b><p:c xmlns:p='urn:pp' p:d=''/></b></a>", "<p:c xmlns:p='urn:pp' p:d=''/>"},
		{"<a xmlns='urn:&lt;' xmlns:p='urn:p'><b><c><d p:e=''/></c></b></a>", "<c xmlns='urn:&lt;' xmlns:p='urn:p'><d p:e=''/></c>"},
	} {
		e := element(t, tt.in)
		if e.Raw() != Raw(tt.in) {
			t.Errorf("%s: Raw of the whole is %s", tt.in, e.Raw())
		}
		if got := e.FirstChild().FirstChild().Raw(); got != Raw(tt.want) {
			t.Errorf("%s\n got %s\nwant %s", tt.in, got, tt.want)
		}
	}
}

func TestElementDecode(t *testing.T) {
	st, err := Parse("<iq><query xmlns='urn:q' xmlns:p='urn:p'><item p:n='1'>a</item><item n='2'>b</item></query></iq>")
	if err != nil {
		t.Fatal(err)
	}
	e := st.Payload().Child("urn:q", "item")
	var v struct {
		XMLName xml.Name `xml:"urn:q item"`
		N       string   `xml:"urn:p n,attr"`
		Text    string   `xml:",chardata"`
	}
	if err := e.Decode(&v); err != nil || v.N != "1" || v.Text != "a" {
		t.Errorf("encoding/xml: %+v, %v", v, err)
	}
	var p upper
	if err := e.Decode(&p); err != nil || p != "A" {
		t.Errorf("ParseXML: %q, %v", p, err)
	}
	var el Element
	if err := e.Decode(&el); err != nil || el != e {
		t.Errorf("Element: %v, %v", el, err)
	}
	var r Raw
	if err := e.Decode(&r); err != nil || r != e.Raw() {
		t.Errorf("Raw: %v, %v", r, err)
	}
	if err := e.Decode(new(int)); err == nil {
		t.Error("an int was decoded")
	}
}

// upper is a payload that reads itself, but only if it has a text.
type upper string

var errNoText = errors.New("no text")

func (upper) XMLName() xml.Name { return xml.Name{Space: "urn:q", Local: "upper"} }

func (u *upper) ParseXML(e Element) error {
	text := e.Text()
	if text == "" {
		return errNoText
	}
	*u = upper(text[0]-'a'+'A') + upper(text[1:])
	return nil
}

func TestElementStanza(t *testing.T) {
	st, err := Parse(`<message xmlns='jabber:client' xmlns:x='urn:x'><received xmlns='urn:xmpp:carbons:2'>
		<forwarded xmlns='urn:xmpp:forward:0'><delay xmlns='urn:xmpp:delay'/>
		<message xmlns='jabber:client' id='1' to='a@b' x:a='1'><body>hi</body><x:y/></message></forwarded></received></message>`)
	if err != nil {
		t.Fatal(err)
	}
	f := st.Child("urn:xmpp:carbons:2", "received").Child("urn:xmpp:forward:0", "forwarded")
	in, err := f.Child(NSClient, "message").Stanza()
	if err != nil {
		t.Fatal(err)
	}
	if in.Message().Body != "hi" || in.ID != "1" || in.Child("urn:x", "y").IsZero() {
		t.Errorf("got %v", in)
	}
	if got, want := in.String(), `<message id='1' to='a@b' xmlns:x='urn:x' x:a='1'><body>hi</body><x:y xmlns:x='urn:x'/></message>`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if _, err := f.Stanza(); err != ErrNotStanza {
		t.Errorf("forwarded: %v", err)
	}
	if _, err := element(t, "<body xmlns='jabber:client'/>").Stanza(); err != ErrNotStanza {
		t.Errorf("body: %v", err)
	}
}

// FuzzElement compares what the methods of Element tell with encoding/xml, and
// sends the element on as a payload.
func FuzzElement(f *testing.F) {
	for _, tt := range readTests {
		f.Add(tt.in)
	}
	f.Add("<a xmlns='urn:a' xmlns:b='urn:&amp;b' b:c=\" > \t&#9;\"><b:d/>\r\n<![CDATA[</a>]]>&#x20AC;<e xmlns=''><a/></e></a>")
	f.Fuzz(func(t *testing.T, in string) {
		e, err := Raw(in).Element()
		if err != nil {
			return
		}
		want, err := parseTree(in)
		if err != nil {
			t.Fatal(err)
		}
		checkElement(t, e, want)

		st, err := New(Header{Kind: KindIQ}, Raw(in), e)
		if err != nil {
			t.Fatal(err)
		}
		for c := range st.Payloads() {
			got, err := parseTree(string(c.Raw()))
			if err != nil {
				t.Fatal(err)
			}
			// Without a default namespace it takes that of the stanza.
			if hasDefault(in) && got.String() != want.String() {
				t.Fatalf("%s\nas payload %s\n got %v\nwant %v", in, st, got, want)
			}
		}
		if n := st.ElementCount(); n != 2 {
			t.Fatalf("%s: %d payloads", in, n)
		}
		if _, err := Parse(st.AppendXML(nil, NSServer)); err != nil {
			t.Fatalf("%s: %v", st, err)
		}
		parseError(e)
		st.Message()
		st.Presence()
		if s, err := e.Stanza(); err == nil {
			s.Message()
		}
	})
}
