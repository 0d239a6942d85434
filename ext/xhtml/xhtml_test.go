package xhtml

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/etherx-go/xmpp/ext/internal/exttest"
	"github.com/etherx-go/xmpp/stanza"
)

func text(s string) Node { return Node{Text: s} }

func el(name string, children ...Node) Node { return Node{Name: name, Children: children} }

func styled(n Node, name, value string) Node {
	n.Style = []Property{{name, value}}
	return n
}

func wrap(content string) string {
	return "<html xmlns='http://jabber.org/protocol/xhtml-im'><body xmlns='http://www.w3.org/1999/xhtml'>" + content + "</body></html>"
}

func one(nodes ...Node) HTML { return HTML{[]Body{{Content: nodes}}} }

func TestHTML(t *testing.T) {
	link := el("a", text("Jabber"))
	link.Href, link.Type = "http://www.jabber.org/", "text/html"
	image := Node{Name: "img", Src: "http://www.xmpp.org/images/psa-license.jpg", Alt: "A License to Jabber", Height: 261, Width: 537}
	exttest.Run(t, []exttest.Golden[HTML]{
		{
			Name: "XEP-0071 example 1",
			In:   wrap("<p style='font-weight:bold'>hi!</p>"),
			Want: one(styled(el("p", text("hi!")), "font-weight", "bold")),
			Out:  wrap("<p style='font-weight: bold'>hi!</p>"),
		},
		{
			Name: "XEP-0071 example 2",
			In:   wrap("<p style='font-size:large'><em>Wow</em>, I&apos;m <span style='color:green'>green</span>with <strong>envy</strong>!</p>"),
			Want: one(styled(el("p", el("em", text("Wow")), text(", I'm "), styled(el("span", text("green")), "color", "green"),
				text("with "), el("strong", text("envy")), text("!")), "font-size", "large")),
			Out: wrap("<p style='font-size: large'><em>Wow</em>, I'm <span style='color: green'>green</span>with <strong>envy</strong>!</p>"),
		},
		{
			Name: "XEP-0071 example 3",
			In:   wrap("<p>said <cite>Self-Reliance</cite>:</p><blockquote>A foolish consistency<br/>is</blockquote>"),
			Want: one(el("p", text("said "), el("cite", text("Self-Reliance")), text(":")),
				el("blockquote", text("A foolish consistency"), el("br"), text("is"))),
		},
		{
			Name: "XEP-0071 example 4",
			In: wrap("<p><a href='http://www.jabber.org/' type='text/html'>Jabber</a></p>" +
				"<p><img src='http://www.xmpp.org/images/psa-license.jpg' alt='A License to Jabber' width='537' height='261'/></p>"),
			Want: one(el("p", link), el("p", image)),
		},
		{
			Name: "XEP-0071 example 5",
			In:   wrap("<ol><li>Add<ul><li>lists</li><li>more</li></ul></li><li>Kick back</li></ol>"),
			Want: one(el("ol", el("li", text("Add"), el("ul", el("li", text("lists")), el("li", text("more")))), el("li", text("Kick back")))),
		},
		{
			Name: "XEP-0071 example 7",
			In: "<html xmlns='http://jabber.org/protocol/xhtml-im'><body xml:lang='en-US' xmlns='http://www.w3.org/1999/xhtml'><p><strong>awesome!</strong></p></body>" +
				"<body xml:lang='de-DE' xmlns='http://www.w3.org/1999/xhtml'><p><strong>ausgezeichnet!</strong></p></body>" +
				"<body xml:lang='DE-de' xmlns='http://www.w3.org/1999/xhtml'>again</body></html>",
			Want: HTML{[]Body{{Lang: "en-US", Content: []Node{el("p", el("strong", text("awesome!")))}}, {Lang: "de-DE", Content: []Node{el("p", el("strong", text("ausgezeichnet!")))}}}},
			Out: "<html xmlns='http://jabber.org/protocol/xhtml-im'><body xmlns='http://www.w3.org/1999/xhtml' xml:lang='en-US'><p><strong>awesome!</strong></p></body>" +
				"<body xmlns='http://www.w3.org/1999/xhtml' xml:lang='de-DE'><p><strong>ausgezeichnet!</strong></p></body></html>",
		},
		{
			Name: "XEP-0071 example 8: ignored elements keep their content, ignored attributes nothing",
			In:   wrap("<p>The <blink>XHTML</blink> <x:y xmlns:x='urn:x'>user</x:y></p><dl><dt>a</dt></dl><ol type='1' start='4'><li onclick='x()' class='c' id='i' title='t'>b</li></ol>"),
			Want: one(el("p", text("The XHTML user")), text("a"), el("ol", el("li", text("b")))),
			Out:  wrap("<p>The XHTML user</p>a<ol><li>b</li></ol>"),
		},
		{
			Name: "a style of the body",
			In:   "<html xmlns='http://jabber.org/protocol/xhtml-im'><body xmlns='http://www.w3.org/1999/xhtml' style='color: red'>x</body></html>",
			Want: HTML{[]Body{{Style: []Property{{"color", "red"}}, Content: []Node{text("x")}}}},
		},
		{
			Name: "nothing in it",
			In:   wrap(""),
			Want: one(),
		},
		{Name: "no body", In: "<html xmlns='http://jabber.org/protocol/xhtml-im'/>", Err: true},
		{Name: "a body in another namespace", In: "<html xmlns='http://jabber.org/protocol/xhtml-im'><body/></html>", Err: true},
	})
}

// What must not come through, and what is left of it.
func TestSanitize(t *testing.T) {
	long := strings.Repeat("x", maxURL)
	for _, tt := range []struct{ name, in, want string }{
		{"a script", "a<script>alert(1)</script>b<style>p{}</style><head><title>t</title></head>", "ab"},
		{"a script in another namespace is a text", "<script xmlns='urn:x'>alert(1)</script>", "alert(1)"},
		{"elements that load", "<iframe src='http://a/'>i</iframe><object data='x'/><embed/><svg xmlns='http://www.w3.org/2000/svg'><a>s</a></svg>", "is"},
		{"forms and tables", "<form action='http://a/'><input value='v'/><button>b</button></form><table><tr><td>t</td></tr></table>", "bt"},
		{"event handlers", "<p onclick='x()' onmouseover='y()'>a</p>", "<p>a</p>"},
		{"javascript", "<a href='javascript:alert(1)'>a</a>", "a"},
		{"javascript in capitals, with a tab", "<a href=' jAvA&#9;script:alert(1)'>a</a>", "a"},
		{"data", "<a href='data:text/html,x'>a</a><img src='data:image/png;base64,x' alt='b'/>", "ab"},
		{"no scheme", "<a href='//evil.example/'>a</a><a href='page.html'>b</a><a href='?x'>c</a><a>d</a>", "abcd"},
		{"no host", "<a href='http:evil'>a</a><a href='https:///x'>b</a><a href='mailto:'>c</a><a href='xmpp:'>d</a>", "abcd"},
		{"a name before the host", "<a href='http://bank.example@evil.example/'>a</a>", "a"},
		{"not a URL", "<a href='http://[/'>a</a><a href='http://a b/'>b</a>", "ab"},
		{"an invisible character", "<a href='mailto:a\u202e@b'>a</a>", "a"},
		{"a long URL", "<a href='http://a/" + long + "'>a</a><a href='http://a/" + strings.Repeat("ü", maxURL/3) + "'>b</a>", "ab"},
		{"links", "<a href='HTTP://a/?b=1&amp;c=&quot;'>a</a><a href='xmpp:romeo@m.net?message'>b</a><a href='mailto:a@b'>c</a><a href='xmpp://me@a/b@c'>d</a>",
			"<a href='http://a/?b=1&amp;c=&quot;'>a</a><a href='xmpp:romeo@m.net?message'>b</a><a href='mailto:a@b'>c</a><a href='xmpp://me@a/b@c'>d</a>"},
		{"a type that is none", "<a href='http://a/' type='text/html\" onclick=\"'>a</a>", "<a href='http://a/'>a</a>"},
		{"a link in a link", "<a href='http://a/'>a<em><a href='http://b/'>b</a></em></a>", "<a href='http://a/'>a<em>b</em></a>"},
		{"a heading in a heading", "<h1>a<div><h2>b</h2></div></h1>", "<h1>a<div>b</div></h1>"},
		{"items outside lists", "<li>a</li><ul><p><li>b</li></p></ul>", "a<ul><p>b</p></ul>"},
		{"images", "<img src='cid:x@bob.xmpp.org' alt=''/><img src='ftp://a/' alt='b'/><img alt='c'>d</img><img src='http://a/' width='100000' height='-1'/>",
			"<img src='cid:x@bob.xmpp.org' alt=''/>bcd<img src='http://a/' alt=''/>"},
		{"content of empty elements", "<br>a<em>b</em></br><img src='http://a/' alt='x' width=' 5px '>c</img>", "<br/>a<em>b</em><img src='http://a/' alt='x' width='5'/>c"},
		{"no style on em", "<em style='color: red'>a</em>", "<em>a</em>"},
		{"pieces of text", "a<![CDATA[<b>]]>&amp;<u>c</u>d", "a&lt;b&gt;&amp;cd"},
		{"further elements of section 6", "<pre>a</pre><code>b</code><h3>c</h3><q>d</q>", "<pre>a</pre><code>b</code><h3>c</h3><q>d</q>"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, err := exttest.Decode[HTML](t, wrap(tt.in))
			if err != nil {
				t.Fatal(err)
			}
			if b, err := h.AppendXML(nil); err != nil || string(b) != wrap(tt.want) {
				t.Errorf("got  %s, %v\nwant %s", b, err, wrap(tt.want))
			}
		})
	}
}

func TestStyle(t *testing.T) {
	for in, want := range map[string]string{
		"color: red":                                        "color: red",
		" COLOR :RED ; ":                                    "color: red",
		"color:#F00;background-color:#00ff7F":               "color: #f00; background-color: #00ff7f",
		"color: rgb( 1, 20 ,255)":                           "color: rgb(1, 20, 255)",
		"color: rgb(1%,2%,100%)":                            "color: rgb(1%, 2%, 100%)",
		"color: red; color: blue":                           "color: blue",
		"color: red; text-align: left; color:":              "color: red; text-align: left",
		"font-family: Times New Roman, 'Courier', SERIF":    "font-family: 'Times New Roman', 'Courier', serif",
		"font-size: 12pt":                                   "font-size: 12pt",
		"font-size: 1.50em":                                 "font-size: 1.5em",
		"font-size: x-large":                                "font-size: x-large",
		"font-style: oblique; font-weight:700":              "font-style: oblique; font-weight: 700",
		"margin-left: 5%; margin-right: 0":                  "margin-left: 5%; margin-right: 0",
		"text-decoration: underline line-through underline": "text-decoration: line-through underline",
		"text-decoration: none":                             "text-decoration: none",
		// What is not understood.
		"color: #ff; color: #ffg; color: #12345678":               "",
		"color: rgb(1,2); color: rgb(1,2,256)":                    "",
		"color: rgb(1,2,3; color: rgb(1,2,101%)":                  "",
		"color: rgb(-1,2,3); color: expression(alert(1))":         "",
		"color: r\\65 d; color: re/**/d; color: x":                "",
		"background-image: url(http://a/)":                        "",
		"background-color: url(http://a/)":                        "",
		"position: absolute; display: none; width: 1000px":        "",
		"font-family: '</style>'; font-family:":                   "",
		"font-family: a,b,c,d,e,f,g,h,i":                          "",
		"font-size: 1000px; font-size: 73px":                      "",
		"font-size: 1e3px; font-size: .px; font-size: 1":          "",
		"font-size: -1px; font-size: 1.2345em":                    "",
		"font-size: 4.5em; font-size: 401%":                       "",
		"margin-left: -5px; margin-left: 201px":                   "",
		"margin-left: 51%":                                        "",
		"text-decoration: blink; text-decoration: none underline": "",
		"font-weight: 950; text-align: start":                     "",
		"-moz-binding: url(x); behavior: url(x)":                  "",
		"color":                                                   "",
	} {
		scale := 1.0
		got, err := joinStyle(cleanStyle(in, &scale))
		if err != nil || got != want {
			t.Errorf("%q: %q, %v; want %q", in, got, err, want)
		}
	}
	scale := 1.0
	scale = 3
	if s, err := joinStyle(cleanStyle("font-size: 2em; color: red", &scale)); err != nil || s != "color: red" {
		t.Errorf("too large: %q, %v", s, err)
	}
	if s := cleanStyle("color: red;"+strings.Repeat(" ", maxStyle), &scale); s != nil {
		t.Errorf("a long style: %v", s)
	}
}

// Relative sizes do not multiply without a bound.
func TestScale(t *testing.T) {
	for style, depth := range map[string]int{"200%": 2, "2em": 2, "4ex": 2, "larger": 7, "smaller": 10, "50%": 10, "20px": 10} {
		h, err := exttest.Decode[HTML](t, wrap(strings.Repeat("<span style='font-size: "+style+"'>", 10)+"x"+strings.Repeat("</span>", 10)))
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for node := h.Bodies[0].Content[0]; node.Name != ""; node = node.Children[0] {
			n += len(node.Style)
		}
		if n != depth {
			t.Errorf("%s: %d times, want %d", style, n, depth)
		}
	}
}

func TestLimits(t *testing.T) {
	deep := func(n int) string { return wrap(strings.Repeat("<x>", n-1) + strings.Repeat("</x>", n-1)) }
	for _, tt := range []struct {
		name string
		in   string
		l    Limits
		ok   bool
	}{
		{"depth", deep(32), Limits{}, true},
		{"too deep", deep(33), Limits{}, false},
		{"depth that is set", deep(3), Limits{Depth: 2}, false},
		{"nodes", wrap(strings.Repeat("<br/>", 4096)), Limits{}, true},
		{"too many nodes", wrap(strings.Repeat("<br/>", 4097)), Limits{}, false},
		{"too many that are ignored", wrap(strings.Repeat("<script/>", 4097)), Limits{}, false},
		{"nodes that are set", wrap("<p>x</p>"), Limits{Nodes: 1}, false},
		{"text", wrap(strings.Repeat("x", 65536)), Limits{}, true},
		{"too much text", wrap(strings.Repeat("x", 65537)), Limits{}, false},
		{"too much in attributes", wrap(strings.Repeat("<p x='"+strings.Repeat("x", 33000)+"'/>", 2)), Limits{}, false},
		{"text that is set", wrap("xyz"), Limits{Text: 2}, false},
		{"a style that is too long", "<html xmlns='http://jabber.org/protocol/xhtml-im'><body xmlns='http://www.w3.org/1999/xhtml' style='color: red'/></html>", Limits{Text: 2}, false},
		{"of all bodies together", "<html xmlns='http://jabber.org/protocol/xhtml-im'><body xmlns='http://www.w3.org/1999/xhtml'>ab</body>" +
			"<body xmlns='http://www.w3.org/1999/xhtml' xml:lang='cs'>c</body></html>", Limits{Text: 2}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e, err := stanza.Raw(tt.in).Element()
			if err != nil {
				t.Fatal(err)
			}
			if _, err = Read(e, tt.l); tt.ok && err != nil || !tt.ok && !errors.Is(err, stanza.PolicyViolation) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestOf(t *testing.T) {
	html := one(el("p", text("hi!")))
	for _, tt := range []struct {
		name, in string
		want     HTML
		ok       bool
	}{
		{"IM-4.5-2 an alternative form in its own namespace", "<message><body>hi!</body>" + wrap("<p>hi!</p>") + "</message>", html, true},
		{
			"GUIDE-11-message-5 the old namespace",
			"<message to='horatio@denmark'> <body>Angels</body> <html xmlns='http://www.w3.org/TR/xhtml-basic'> <body> " +
				"<div style='font-size: medium; color: red; text-align: center'> Angels<script>x</script> </div></body> </html> </message>",
			one(text(" "), Node{Name: "div", Style: []Property{{"font-size", "medium"}, {"color", "red"}, {"text-align", "center"}}, Children: []Node{text(" Angels ")}}), true,
		},
		{"GUIDE-11-message-5 both", "<message><html xmlns='http://www.w3.org/TR/xhtml-basic'><body>old</body></html>" + wrap("<p>hi!</p>") + "</message>", html, true},
		{"none", "<message><body>x</body></message>", HTML{}, false},
		{"malformed", "<message><html xmlns='http://jabber.org/protocol/xhtml-im'/></message>", HTML{}, false},
		{"error", "<message type='error'>" + wrap("x") + "</message>", HTML{}, false},
		{"presence", "<presence>" + wrap("x") + "</presence>", HTML{}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			st := exttest.Parse(t, tt.in)
			if got, ok := Of(st); ok != tt.ok || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %+v, %v", got, ok)
			}
		})
	}
	t.Run("GUIDE-11-message-5 the old form is never sent", func(t *testing.T) {
		b, err := html.AppendXML(nil)
		if err != nil || strings.Contains(string(b), NSBasic) {
			t.Errorf("%s, %v", b, err)
		}
	})
}

func TestBody(t *testing.T) {
	h := HTML{[]Body{{Lang: "cs"}, {}, {Lang: "en-GB"}}}
	for lang, want := range map[string]string{"en-gb": "en-GB", "cs": "cs", "de": "", "": ""} {
		if got := h.Body(lang); got.Lang != want {
			t.Errorf("%q: %q, want %q", lang, got.Lang, want)
		}
	}
	if got := (HTML{h.Bodies[:1]}).Body("de"); got.Lang != "cs" {
		t.Errorf("the only one is %q", got.Lang)
	}
	if got := (HTML{}).Body("de"); got.Content != nil {
		t.Errorf("none is %v", got)
	}
}

func TestAdd(t *testing.T) {
	t.Run("IM-4.5-2 the markup goes beside the body", func(t *testing.T) {
		var m stanza.Message
		if err := Add(&m, "<p>Hello, <strong>world</strong>!</p>"); err != nil {
			t.Fatal(err)
		}
		st, err := m.Stanza()
		want := "<message><body>Hello, world!</body>" + wrap("<p>Hello, <strong>world</strong>!</p>") + "</message>"
		if err != nil || st.String() != want {
			t.Errorf("%s, %v", st, err)
		}
	})
	m := stanza.Message{Body: "Hi"}
	if err := Add(&m, "<em>Hi</em>"); err != nil || m.Body != "Hi" {
		t.Errorf("%+v, %v", m, err)
	}
	for _, bad := range []string{"<p>", "</body></html><x/>", "&nbsp;", strings.Repeat("<em>", 40) + strings.Repeat("</em>", 40)} {
		if err := Add(&m, bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

// What a program cannot write.
func TestAppendXMLErrors(t *testing.T) {
	for name, h := range map[string]HTML{
		"no body":       {},
		"a language":    {[]Body{{Lang: "'"}}},
		"body style":    {[]Body{{Style: []Property{{"position", "fixed"}}}}},
		"an element":    one(el("script", text("x"))),
		"deeper":        one(el("p", el("script"))),
		"a link":        one(el("a", text("x"))),
		"a link's type": one(Node{Name: "a", Href: "http://a/", Type: "x"}),
		"a script":      one(Node{Name: "a", Href: "javascript:x"}),
		"an image":      one(el("img")),
		"a style":       one(styled(el("p"), "color", "url(x)")),
		"a property":    one(styled(el("p"), "behavior", "x")),
	} {
		if b, err := h.AppendXML(nil); !errors.Is(err, stanza.BadRequest) {
			t.Errorf("%s: %s, %v", name, b, err)
		}
	}
}
