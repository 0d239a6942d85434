package stanza

import (
	"encoding/xml"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/etherx-go/xmpp/internal/xmltok"
	"github.com/etherx-go/xmpp/jid"
)

const (
	streams = "http://etherx.jabber.org/streams"

	// clientHeader is that of nearly all streams.
	clientHeader = "<stream:stream xmlns='jabber:client' xmlns:stream='" + streams + "'>"
	// prefixHeader is the prefix-free style of RFC 6120, section 4.8.5.
	prefixHeader = "<stream xmlns='" + streams + "' xmlns:c='jabber:client'>"
	// boundHeader binds more prefixes.
	boundHeader = "<s:stream xmlns='jabber:client' xmlns:s='" + streams + "' xmlns:x='urn:x' xmlns:y='urn:y' xmlns:c='jabber:client'>"
	// noDefault has no default namespace at all.
	noDefault = "<s:stream xmlns:s='" + streams + "' xmlns:c='jabber:client'>"
)

// otherHeaders are those that a stanza may be sent on to. They bind the prefixes
// of the headers above to something else, and have another default namespace.
var otherHeaders = []string{
	"<s:stream xmlns='jabber:server' xmlns:s='" + streams + "' xmlns:x='urn:wrong' xmlns:y='urn:wrong' xmlns:c='urn:wrong' xmlns:stream='urn:wrong'>",
	"<s:stream xmlns='jabber:component:accept' xmlns:s='" + streams + "'>",
}

var readTests = []struct {
	name, header, in string
	fast             bool   // the body shares the memory of the element
	body             string // as it is kept; "=" stands for that of in
}{
	{"chat", clientHeader, `<message to='a@b/c' type='chat' id='1'><body>hi &amp; ho</body><x xmlns='urn:x'><y/></x></message>`, true, "="},
	{"empty element", clientHeader, `<presence/>`, true, ""},
	{"empty content", clientHeader, `<presence></presence >`, true, ""},
	{"white space in tags", clientHeader, "<message\n\tto = 'a@b'\r\n ><body >x</body\n></message >", true, "="},
	{"quotes and >", clientHeader, `<message to="a@b/>" id='"'><body xml:lang="a>b">x</body></message>`, true, "="},
	{"CDATA", clientHeader, `<message><body><![CDATA[</body><x:y> & ]] >]]></body></message>`, true, "="},
	{"CDATA at the root", clientHeader, `<message><![CDATA[<a>]]><body/></message>`, true, "="},
	{"stray text", clientHeader, "<message> a &lt; \r\n<body>x</body> b</message>", true, "="},
	{"own namespace on the root", clientHeader, `<message xmlns='jabber:client'><body/></message>`, true, "="},
	{"namespace on the root, streams default", prefixHeader, `<message xmlns='jabber:client'><body/></message>`, true, "="},
	{"namespace on the root, no default", noDefault, `<message xmlns="jabber:client"><body/><x xmlns=''/></message>`, true, "="},
	{"prefix within", clientHeader, `<message><x:a xmlns:x='urn:x'><x:b/></x:a><b xmlns:x='urn:y' x:c='1'/></message>`, true, "="},
	{"prefix on content", clientHeader, `<message><body xmlns:x='urn:x' x:a='1'/><x xmlns='urn:z'/></message>`, true, "="},
	{"carbon", clientHeader, `<message><received xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client'><body>x</body></message></forwarded></received></message>`, true, "="},
	{"prefixed carbon", clientHeader, `<message><r:received xmlns:r='urn:xmpp:carbons:2' xmlns='jabber:client'><message><body>x</body></message></r:received></message>`, true, "="},
	{"forwarded beside a body", clientHeader, `<message><body>x</body><forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client'><body>x</body></message></forwarded><thread/></message>`, true, "="},
	{"forwarded in server stream", clientHeader, `<message><store xmlns='urn:xmpp:hints'/><x xmlns='urn:x'><a xmlns='jabber:server'/></x></message>`, true, "="},
	{"xml:lang and xml:space", clientHeader, `<message xml:lang='de' xml:space='preserve'><body xml:lang='en'/></message>`, true, "="},
	{"extra attributes", clientHeader, `<message cid='1' x="&quot;'"><body/></message>`, true, "="},
	{"extra attribute with prefix of the header", boundHeader, `<message x:a='1' x:b='2' y:a='3'><body/></message>`, true, "="},
	{"text that looks like a declaration", boundHeader, `<message a=" xmlns:x=" x:a='1'><body/></message>`, true, "="},

	{"content namespace again", clientHeader, `<message><body xmlns='jabber:client'>x</body></message>`, false, "<body>x</body>"},
	{"content namespace again, after others", clientHeader, `<message><a xmlns='urn:a'/><body xmlns='jabber:client' a='1'  b = "2" />  </message>`, false, `<a xmlns='urn:a'/><body a='1' b = "2"/>  `},
	{"content by prefix", clientHeader, `<message><c:body xmlns:c='jabber:client'>x</c:body ></message>`, false, "<body xmlns:c='jabber:client'>x</body>"},
	{"content within content", clientHeader, `<message><a><b xmlns='jabber:client'/></a><x xmlns='urn:a'><b xmlns='jabber:client'/></x></message>`, false, "<a><b/></a><x xmlns='urn:a'><b xmlns='jabber:client'/></x>"},
	{"content within plain content", clientHeader, `<message><body/><a><x xmlns='u'><b xmlns='jabber:client'/></x></a></message>`, false, "="},
	{"prefix of the header", boundHeader, `<message><x:a b='1'><c/></x:a></message>`, false, "<x:a xmlns:x='urn:x' b='1'><c/></x:a>"},
	{"prefix of the header, deep", boundHeader, `<message><a xmlns='u'><b x:c='1'/><y:d/></a></message>`, false, "<a xmlns:y='urn:y' xmlns:x='urn:x' xmlns='u'><b x:c='1'/><y:d/></a>"},
	{"prefix of the header, as a value", boundHeader, `<message><y:a type='x:b'/></message>`, false, "<y:a xmlns:y='urn:y' xmlns:x='urn:x' type='x:b'/>"},
	{"prefix of the header, bound anew", boundHeader, `<message><x:a xmlns:x='urn:z'><x:b/><y:c/></x:a></message>`, false, "<x:a xmlns:y='urn:y' xmlns:x='urn:z'><x:b/><y:c/></x:a>"},
	{"prefix of the header, on content", boundHeader, `<message><body x:a='1' c='2'/><body><y:b/></body></message>`, false, "<body xmlns:x='urn:x' x:a='1' c='2'/><body><y:b xmlns:y='urn:y'/></body>"},
	{"prefix of the stanza", clientHeader, `<message xmlns:x='urn:x' x:a='1'><x:b/><c x:d='1'/></message>`, false, "<x:b xmlns:x='urn:x'/><c xmlns:x='urn:x' x:d='1'/>"},
	{"prefix of the stanza over that of the header", boundHeader, `<message xmlns:x='urn:z' x:a='1'><x:b/><y:b/></message>`, false, "<x:b xmlns:x='urn:z'/><y:b xmlns:y='urn:y'/>"},
	{"unused prefix of the stanza", clientHeader, `<message xmlns:x='urn:x'><a x='x'>x:</a></message>`, false, "<a x='x'>x:</a>"},
	{"similar prefixes", boundHeader, `<message xmlns:xx='urn:xx'><xx:a b=':x' c='xx'/></message>`, false, "<xx:a xmlns:xx='urn:xx' b=':x' c='xx'/>"},
	{"prefix xml bound", clientHeader, `<message xmlns:xml='http://www.w3.org/XML/1998/namespace' xmlns:x='urn:x'><x:a xml:lang='en'/></message>`, false, "<x:a xmlns:x='urn:x' xml:lang='en'/>"},
	{"prefix-free style", prefixHeader, `<c:message to='a@b'><c:body>x<c:b/></c:body></c:message>`, false, "<body>x<b/></body>"},
	{"prefix-free style, element of the default", prefixHeader, `<c:message><a><c:b/></a></c:message>`, false, "<a xmlns='" + streams + "' xmlns:c='jabber:client'><c:b/></a>"},
	{"prefix-free style, foreign", prefixHeader, `<c:message><c:body/><a xmlns='urn:a'><b/></a></c:message>`, false, "<body/><a xmlns='urn:a'><b/></a>"},
	{"no default", noDefault, `<c:message><a/><c:body><b/></c:body></c:message>`, false, "<a xmlns=''/><body><b xmlns=''/></body>"},
	{"default within prefixed content", prefixHeader, `<c:message xmlns='urn:a'><b/><c:body xmlns='urn:b'><c/><c:d/></c:body></c:message>`, false, "<b xmlns='urn:a'/><body><c xmlns='urn:b'/><d/></body>"},
	{"escaped namespace", "<s:stream xmlns='jabber:client' xmlns:s='" + streams + "' xmlns:x='urn:&apos;&amp;&#x20AC;'>", `<message><x:a/></message>`, false, "<x:a xmlns:x='urn:&apos;&amp;€'/>"},
	{"CDATA and text around", boundHeader, `<message>a<![CDATA[<x:b>]]><c:body><![CDATA[</c:body>]]></c:body>z</message>`, false, "a<![CDATA[<x:b>]]><body><![CDATA[</c:body>]]></body>z"},
	{"nested redeclarations", boundHeader, `<message><x:a xmlns='urn:a'><b xmlns='jabber:client'><c xmlns=''><x:d/></c></b></x:a></message>`, false, "<x:a xmlns:x='urn:x' xmlns='urn:a'><b xmlns='jabber:client'><c xmlns=''><x:d/></c></b></x:a>"},
}

func TestRead(t *testing.T) {
	for _, tt := range readTests {
		t.Run(tt.name, func(t *testing.T) {
			el, header := scanOne(t, tt.header, tt.in)
			s, err := Read(el, header, NSClient)
			if err != nil {
				t.Fatal(err)
			}
			want := tt.body
			if want == "=" {
				want = string(el.Inner)
			}
			if s.body != want {
				t.Errorf("body\n got %s\nwant %s", s.body, want)
			}
			if fast := isNeutral(el, string(el.Raw), header, NSClient); fast != tt.fast {
				t.Errorf("fast = %v, want %v", fast, tt.fast)
			}
			checkRead(t, tt.header, tt.in, s, el, header)
		})
	}
}

// checkRead checks that s is what was read: in any stream, and whichever way it
// was read.
func checkRead(t *testing.T, header, in string, s *Stanza, el *xmltok.Elem, root *xmltok.Tag) {
	t.Helper()
	want := mustTree(t, header, in)
	want.canonical()
	out := s.AppendXML(nil, NSClient)
	for _, h := range []string{clientHeader, otherHeaders[0]} {
		got := mustTree(t, h, string(out))
		if got.String() != want.String() {
			t.Fatalf("%s\n in %s\nout %s\n got %v\nwant %v", header, in, out, got, want)
		}
	}
	want.rename(NSServer, NSClient)
	want.rename(NSComponent, NSClient)
	out = s.AppendXML(nil, "")
	for _, h := range otherHeaders {
		got := mustTree(t, h, string(out))
		got.rename(NSServer, NSClient)
		got.rename(NSComponent, NSClient)
		if got.String() != want.String() {
			t.Fatalf("%s\n in %s\nout %s%s\n got %v\nwant %v", header, in, h, out, got, want)
		}
	}

	if isNeutral(el, string(el.Raw), root, NSClient) {
		// Nothing from outside is used, so the slow way may not even know it.
		def, _ := scopeOf(root)
		slow, err := fromElement(elementAt(string(el.Raw), def, nil), NSClient, unbounded)
		if e := (*AddressError)(nil); err != nil && !errors.As(err, &e) {
			t.Fatal(err)
		}
		if slow.Header != s.Header || slow.body != s.body {
			t.Fatalf("the fast and the slow way differ:\n%#v\n%#v", s, slow)
		}
	}

	parsed, err := Parse(s.AppendXML(nil, NSClient))
	if err != nil {
		t.Fatal(err)
	}
	parsed.extra, s = "", &Stanza{s.Header, "", s.body} // the order of declarations may change
	if parsed.String() != s.String() {
		t.Fatalf("Parse(AppendXML)\n got %v\nwant %v", parsed, s)
	}
}

// canonical does with the tree of a stanza as Read and AppendXML do: an attribute
// of the header that is empty is as good as absent.
func (n *node) canonical() {
	n.attrs = slices.DeleteFunc(n.attrs, func(a xml.Attr) bool {
		switch a.Name {
		case xml.Name{Local: "type"}, xml.Name{Local: "id"}, xml.Name{Space: nsXML, Local: "lang"}:
			return a.Value == ""
		}
		return false
	})
	for i, a := range n.attrs {
		switch a.Name {
		case xml.Name{Local: "to"}, xml.Name{Local: "from"}:
			if j, err := jid.Parse(a.Value); err == nil {
				n.attrs[i].Value = j.String()
			}
		}
	}
}

// The body and the header of a stanza that was read are parts of one string.
func TestReadShares(t *testing.T) {
	el, header := scanOne(t, clientHeader, `<message id='i1' to='a@b'><body>x</body></message>`)
	s, err := Read(el, header, NSClient)
	if err != nil {
		t.Fatal(err)
	}
	base := uintptr(unsafe.Pointer(unsafe.StringData(s.body)))
	for _, part := range []string{s.ID, s.To.String()} {
		if d := base - uintptr(unsafe.Pointer(unsafe.StringData(part))); d > uintptr(len(el.Raw)) {
			t.Errorf("%q is somewhere else", part)
		}
	}
}

func TestReadHeader(t *testing.T) {
	el, header := scanOne(t, clientHeader, `<iq type='s&#x65;t' id='a&amp;b	c' xml:lang='de' to='Romeo@Montague.EXAMPLE/a&amp;b' from='c' other='1'/>`)
	s, err := Read(el, header, NSClient)
	if err != nil {
		t.Fatal(err)
	}
	want := Header{KindIQ, TypeSet, "a&b c", "de", jid.MustParse("romeo@montague.example/a&b"), jid.MustParse("c")}
	if s.Header != want {
		t.Errorf("got  %+v\nwant %+v", s.Header, want)
	}
	if got, want := s.String(), `<iq type='set' id='a&amp;b c' to='romeo@montague.example/a&amp;b' from='c' xml:lang='de' other='1'/>`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestReadErrors(t *testing.T) {
	for _, tt := range []struct{ name, header, in string }{
		{"other name", clientHeader, "<msg/>"},
		{"other namespace", clientHeader, "<message xmlns='jabber:server'/>"},
		{"nonza", clientHeader, "<a xmlns='urn:xmpp:sm:3'/>"},
		{"no prefix where it needs one", prefixHeader, "<message/>"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			el, header := scanOne(t, tt.header, tt.in)
			if s, err := Read(el, header, NSClient); err != ErrNotStanza || s != nil {
				t.Errorf("got %v, %v", s, err)
			}
		})
	}

	for _, tt := range []struct{ in, attr string }{
		{`<message to='' from='@' id='1'><body/></message>`, "to"},
		{`<message to='a@b' from='a@' id='1'><body/></message>`, "from"},
		{`<message to='@' from='a@b' id='1'><c:body/></message>`, "to"},
	} {
		el, header := scanOne(t, boundHeader, tt.in)
		s, err := Read(el, header, NSClient)
		var bad *AddressError
		if !errors.As(err, &bad) || bad.Attr != tt.attr || s == nil || s.ID != "1" || s.body != "<body/>" {
			t.Errorf("%s: got %v, %v", tt.in, s, err)
		}
		var why *jid.Error
		if !errors.As(err, &why) || !strings.HasPrefix(err.Error(), "stanza: attribute "+tt.attr+": ") {
			t.Errorf("%s: error %v", tt.in, err)
		}
	}
}

// A content namespace that the scanner does not know takes the slow way.
func TestReadConnect(t *testing.T) {
	el, header := scanOne(t, prefixHeader, `<message xmlns='jabber:component:connect'><body xmlns='jabber:component:connect'/></message>`)
	s, err := Read(el, header, NSConnect)
	if err != nil || s.body != "<body/>" {
		t.Errorf("got %v, %v", s, err)
	}
}

// Without a header the element stands alone.
func TestReadAlone(t *testing.T) {
	el, _ := scanOne(t, clientHeader, `<message><body/></message>`)
	s, err := Read(el, nil, NSClient)
	if err != nil || s.body != "<body/>" {
		t.Errorf("got %v, %v", s, err)
	}
	e := ReadElement(el, nil)
	if want := (xml.Name{Local: "message"}); e.Name() != want {
		t.Errorf("got %v", e.Name())
	}
}

// A stream header cannot make stanzas a thousand times as large as they came.
func TestReadGrowth(t *testing.T) {
	header := "<s:stream xmlns='jabber:client' xmlns:s='" + streams + "' xmlns:x='urn:" + strings.Repeat("x", 5000) + "'>"
	for _, in := range []string{
		"<message>" + strings.Repeat("<x:a/>", 9000) + "</message>",
		"<message><a>" + strings.Repeat("<x:a/>", 9000) + "</a></message>",
		"<message>" + strings.Repeat("<a x:b=''/>", 5000) + "</message>",
		"<message x:a='1'/>",
		"<message x:a='1'><x:a/></message>",
	} {
		el, root := scanOne(t, header, in)
		s, err := Read(el, root, NSClient)
		var limit *xmltok.Error
		if !errors.As(err, &limit) || limit.Class != xmltok.Limit || s != nil {
			t.Errorf("%.40s: got a stanza of %d bytes, %v", in, s.Size(), err)
		}
	}
	// What is needed in practice is far from the limit.
	el, root := scanOne(t, boundHeader, "<message>"+strings.Repeat("<x:a/>", 200)+"</message>")
	if _, err := Read(el, root, NSClient); err != nil {
		t.Error(err)
	}
}

func TestReadElement(t *testing.T) {
	el, header := scanOne(t, boundHeader, `<s:error><x:a y:b='1'>t</x:a></s:error>`)
	e := ReadElement(el, header)
	if !e.Is(streams, "error") {
		t.Fatalf("name %v", e.Name())
	}
	c := e.Child("urn:x", "a")
	if v, ok := c.LookupAttr("urn:y", "b"); v != "1" || !ok || c.Text() != "t" {
		t.Errorf("got %v", c)
	}
	if got, want := c.Raw(), Raw(`<x:a xmlns='jabber:client' xmlns:y='urn:y' xmlns:x='urn:x' y:b='1'>t</x:a>`); got != want {
		t.Errorf("Raw\n got %s\nwant %s", got, want)
	}
}

// FuzzRead reads stanzas from streams with any header, writes them into streams
// with others, and lets encoding/xml compare.
func FuzzRead(f *testing.F) {
	for _, tt := range readTests {
		f.Add(tt.header, tt.in)
	}
	f.Fuzz(func(t *testing.T, header, in string) {
		el, root, err := scan(header, in)
		if err != nil || string(el.Raw) != in || string(root.Raw) != header {
			return
		}
		e := ReadElement(el, root)
		s, err := Read(el, root, NSClient)
		var limit *xmltok.Error
		switch {
		case err == ErrNotStanza:
			if e.name.Space == NSClient && KindOf(e.name.Local) != 0 {
				t.Fatalf("%s%s: %v", header, in, err)
			}
			checkElement(t, e, mustTree(t, header, in))
			return
		case errors.As(err, &limit):
			return
		case err != nil:
			return // a bad address
		}
		checkElement(t, e, mustTree(t, header, in))
		checkRead(t, header, in, s, el, root)
	})
}

// checkElement compares an element with the tree that encoding/xml has of it.
func checkElement(t *testing.T, e Element, want *node) {
	t.Helper()
	if got := elementTree(e); got.String() != want.String() {
		t.Fatalf("%s\n got %v\nwant %v", e.src, got, want)
	}
	raw, err := parseTree(string(e.Raw()))
	if err != nil {
		t.Fatal(err)
	}
	if raw.String() != want.String() {
		t.Fatalf("%s\nRaw %s\n got %v\nwant %v", e.src, e.Raw(), raw, want)
	}
	i := 0
	for c := range e.Children() {
		raw, err := parseTree(string(c.Raw()))
		if err != nil {
			t.Fatal(err)
		}
		if raw.String() != want.nodes[i].String() {
			t.Fatalf("%s\nRaw of a child %s\n got %v\nwant %v", e.src, c.Raw(), raw, want.nodes[i])
		}
		i++
	}
}

// elementTree makes the tree of what the methods of Element tell.
func elementTree(e Element) *node {
	n := &node{name: blankName(e.Name()), text: e.Text()}
	for name, value := range e.Attrs() {
		if v, ok := e.LookupAttr(name.Space, name.Local); !ok || v != value {
			panic(fmt.Sprintf("LookupAttr(%v) = %q, %v, but Attrs has %q", name, v, ok, value))
		}
		n.attrs = append(n.attrs, xml.Attr{Name: blankName(name), Value: blanks.Replace(value)})
	}
	sortAttrs(n.attrs)
	for c := range e.Children() {
		n.nodes = append(n.nodes, elementTree(c))
	}
	return n
}
