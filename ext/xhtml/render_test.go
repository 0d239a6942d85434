package xhtml

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/etherx-go/xmpp/ext/internal/exttest"
	"github.com/etherx-go/xmpp/stanza"
)

func parse(t *testing.T, fragment string) Body {
	t.Helper()
	h, err := Parse(fragment)
	if err != nil {
		t.Fatal(err)
	}
	return h.Bodies[0]
}

func TestRenderHTML(t *testing.T) {
	images := func(src string) (string, bool) {
		return strings.Replace(src, "cid:", "/bob/", 1), !strings.Contains(src, "evil")
	}
	const link = `<a href="http://a/?x&amp;y" rel="nofollow noopener noreferrer"`
	for _, tt := range []struct {
		name     string
		r        Renderer
		in, want string
	}{
		{"markup", Renderer{}, "<p style='color: red'>a &lt; <em>b</em><br/>&amp; \"'</p>", `<p style="color: red">a &lt; <em>b</em><br>&amp; &#34;&#39;</p>`},
		{"no style", Renderer{NoStyle: true}, "<p style='color: red'>a</p>", "<p>a</p>"},
		{"fonts", Renderer{}, "<span style=\"font-family: 'A B', serif\">a</span>", `<span style="font-family: &#39;A B&#39;, serif">a</span>`},
		{"a link", Renderer{}, "<a href='http://a/?x&amp;y' type='text/html'>b</a>", link + ` type="text/html">b</a>`},
		{"links are text", Renderer{NoLinks: true}, "<a href='http://a/?x&amp;y'>b</a>", "b &lt;http://a/?x&amp;y&gt;"},
		{"with URL", Renderer{ShowURLs: true}, "<a href='http://a/?x&amp;y'><em>b</em></a>", link + "><em>b</em></a> &lt;http://a/?x&amp;y&gt;"},
		{"the URL is the text", Renderer{ShowURLs: true}, "<a href='http://a/?x&amp;y'> a/<em>?x&amp;y</em></a>", link + "> a/<em>?x&amp;y</em></a>"},
		{"no images", Renderer{}, "<img src='http://a/' alt='&lt;A&gt;'/><img src='http://a/b'/>", "&lt;A&gt;[http://a/b]"},
		{"images", Renderer{Image: images}, "<img src='cid:a@b' alt='A' width='5' height='6' style='margin-left: 1px'/><img src='http://evil/' alt='B'/>",
			`<img src="/bob/a@b" alt="A" width="5" height="6" style="margin-left: 1px">B`},
		{"lists", Renderer{}, "<ul><li>a</li></ul>", "<ul><li>a</li></ul>"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, want := tt.r.HTML(parse(t, tt.in)), "<div>"+tt.want+"</div>"; got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
	b := Body{Lang: "cs", Style: []Property{{"color", "red"}}, Content: []Node{
		// What a program has made, and must not come through.
		el("script", text("x")), {Name: "a", Href: "javascript:x", Children: []Node{text("y")}}, el("li", text("z")),
		styled(el("p"), "color", "url(x)"), {Name: "a", Href: "http://a/", Type: "<", Children: []Node{{Name: "a", Href: "http://b/", Children: []Node{text("in")}}}},
		{Name: "img", Src: "x", Width: 1 << 20},
	}}
	want := `<div lang="cs" style="color: red">xyz<p></p><a href="http://a/" rel="nofollow noopener noreferrer">in</a><img src="x" alt=""></div>`
	if got := (&Renderer{Image: func(s string) (string, bool) { return s, true }}).HTML(b); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := (Body{Lang: "\"", Content: []Node{text("x")}}).HTML(); got != "<div>x</div>" {
		t.Errorf("got %s", got)
	}
}

func TestText(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"XEP-0071 example 2", "\n <p style='font-size:large'>\n <em>Wow</em>, I&apos;m <span>green</span>\n with <strong>envy</strong>!\n </p>\n ", "Wow, I'm green with envy!"},
		{"XEP-0071 example 3", "<p>As Emerson said in <cite>Self-Reliance</cite>:</p> <blockquote> A foolish consistency </blockquote>", "As Emerson said in Self-Reliance:\n\n> A foolish consistency"},
		{"XEP-0071 example 4", "<p>licensed to <a href='http://www.jabber.org/'>Jabber</a>?</p><p><img src='http://www.xmpp.org/i.jpg' alt='A License'/></p>",
			"licensed to Jabber <http://www.jabber.org/>?\n\nA License"},
		{"XEP-0071 example 5", "<p>my .plan:</p> <ol> <li>Add: <ul> <li>ordered</li> <li>more</li> </ul> </li> <li>Kick back</li> </ol>",
			"my .plan:\n\n1. Add:\n   - ordered\n   - more\n2. Kick back"},
		{"XEP-0071 example 6", "<p>You wrote:</p><blockquote><p>I think:</p><ol><li>Remove &lt;div/&gt;</li><li>Nesting</li></ol><p>Yes?</p></blockquote><p>Fine.</p>",
			"You wrote:\n\n> I think:\n>\n> 1. Remove <div/>\n> 2. Nesting\n>\n> Yes?\n\nFine."},
		{"XEP-0071 example 8", "<ol><li><p> If a user </p></li><li><p>If</p><p>two</p></li></ol>", "1. If a user\n\n2. If\n\n   two"},
		{"line breaks", "<br/>a<br/>b<br/><br/>c<br/>", "a\nb\n\nc"},
		{"preformatted", "<p>x</p><pre>a  b\n\n c<em>d\n</em></pre>y", "x\n\na  b\n\n cd\n\ny"},
		{"no-break spaces stay", "a \u00a0 b", "a \u00a0 b"},
		{"a quotation in a line", "he said <q>hi</q> to me", "he said \u201chi\u201d to me"},
		{"empty items", "<ul><li/><li>a</li><p>b</p></ul>", "- \n- a\n\nb"},
		{"a line break behind the hyphen", "<ul><li><br/>a</li></ul>", "- \n  a"},
		{"an empty quotation", "a<blockquote/>b", "a\n\n> \n\nb"},
		{"headings", "a<h1>b</h1>c<div>d</div>e", "a\n\nb\n\nc\nd\ne"},
		{"a link that says where it goes", "<a href='mailto:a@b'>a@b</a> <a href='http://x/'>x</a> <a href='http://x/'>http://x</a>", "a@b x http://x"},
		{"a link without a text", "<a href='http://x/'/>", "<http://x/>"},
		{"nothing", " <p> </p> ", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := parse(t, tt.in).Text(); got != tt.want {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
}

// checkPage reads a page with the body in it as a browser does, and fails if the
// body reaches out of its place.
func checkPage(t *testing.T, body string) {
	t.Helper()
	page := `<html><head></head><body><ul><li><h1><blockquote>` + body + `<i id="after">x</i></blockquote></h1></li></ul></body></html>`
	doc, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	n := doc
	for _, name := range strings.Fields("html body ul li h1 blockquote") {
		if n = n.LastChild; n == nil || n.Data != name {
			t.Fatalf("no %s around %s", name, body)
		}
	}
	div, after := n.FirstChild, n.LastChild
	if div == nil || div.Data != "div" || div.NextSibling != after || after.Data != "i" || len(after.Attr) != 1 {
		t.Fatalf("what follows does not stand behind %s", body)
	}
	for n := range div.Descendants() {
		if n.Type != html.TextNode && (n.Type != html.ElementNode || elements[n.Data] == 0) {
			t.Errorf("%v %s in %s", n.Type, n.Data, body)
		}
		for _, a := range n.Attr {
			checkAttr(t, a, body)
		}
	}
}

// checkAttr fails if the attribute is one that the zero Renderer must not make.
func checkAttr(t *testing.T, a html.Attribute, body string) {
	t.Helper()
	switch a.Key {
	case "href":
		scheme, _, _ := strings.Cut(a.Val, ":")
		if !slices.Contains(linkSchemes, scheme) {
			t.Errorf("a link to %s in %s", a.Val, body)
		}
	case "style":
		if strings.ContainsAny(a.Val, "\\<>\"") || strings.Contains(a.Val, "url") {
			t.Errorf("style %s in %s", a.Val, body)
		}
	case "rel", "type":
	default:
		t.Errorf("attribute %s=%q in %s", a.Key, a.Val, body)
	}
}

// Whatever elements stand in each other, nothing reaches out.
func TestContained(t *testing.T) {
	names := append(slices.Sorted(maps.Keys(elements)), "script", "dl", "button", "table")
	rnd := rand.New(rand.NewPCG(1999, 2026))
	var b strings.Builder
	var tree func(depth int)
	tree = func(depth int) {
		for range rnd.IntN(4) {
			name := names[rnd.IntN(len(names))]
			b.WriteString("<" + name + " href='http://a/' src='http://b/'>x")
			if depth < 5 {
				tree(depth + 1)
			}
			b.WriteString("</" + name + ">")
		}
	}
	for range 300 {
		b.Reset()
		tree(0)
		h, err := Parse(b.String())
		if err != nil {
			t.Fatalf("%s: %v", b.String(), err)
		}
		checkPage(t, h.Bodies[0].HTML())
		exttest.RoundTrip[HTML](t, wrap(b.String()))
	}
}

func FuzzHTML(f *testing.F) {
	for _, s := range []string{
		"<p style='font-weight:bold'>hi!</p>", "<a href='http://a/'>a<em><a href='http://b/'>b</a></em></a>", "<li>a</li>", "<h1><h2>x</h2></h1>",
		"<p><em><blockquote><p>x</p></blockquote></em></p>", "<ol><li><p>a<ul><li>b</li></ul></p></li></ol>", "<img src='cid:x' alt='y'/>",
		"<pre>a\nb</pre><q>x</q>", "<script>x</script><svg xmlns='http://www.w3.org/2000/svg'/>", "<p><a href='http://a/'><p>b<address>c</address></p></a></p>",
		"<h1><div><p><h2/></p></div></h1><em><li/></em>", "<span style='font-size: 2em; font-family: \"a\", b; margin-left: 1.5%'>x</span>",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		exttest.RoundTrip[HTML](t, wrap(src))
		h, err := Parse(src)
		if err != nil {
			return
		}
		for _, b := range h.Bodies {
			checkPage(t, b.HTML())
			if s := b.Text(); strings.HasPrefix(s, "\n") || len(s) > 64+len(src)*40 {
				t.Errorf("text %q of %q", s, src)
			}
		}
		if b, err := h.AppendXML(nil); err != nil {
			t.Errorf("%q cannot be written: %v", src, err)
		} else if _, err := stanza.Raw(b).Element(); err != nil {
			t.Errorf("%q was written as %s: %v", src, b, err)
		}
	})
}
