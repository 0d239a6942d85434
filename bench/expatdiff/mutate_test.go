//go:build expat && cgo

package expatdiff

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/etherx-go/xmpp/bench/corpus"
)

// snippets are what goes wrong in XML, and what looks as if it did.
var snippets = []string{
	"<", ">", "/>", "</", "'", `"`, "=", "&", ";", ":", "/", " ", "\t", "\r", "\n", "\r\n", "x", "[", "]", "]]", "]]>",
	"<![CDATA[", "<![CDATA[]]>", "<![CDATA[<&]]>", "<![CDATA[]]]]>", "<![CDATA[ ]]>", "<!--", "-->", "<!-- c -->", "<?p i?>", "<?xml?>", "<!DOCTYPE a>",
	"&amp;", "&lt;", "&gt;", "&apos;", "&quot;", "&AMP;", "&amp", "&nbsp;", "&;", "&#65;", "&#x41;", "&#X41;", "&#;", "&#x;",
	"&#0;", "&#9;", "&#10;", "&#13;", "&#x20;", "&#x1F;", "&#xD7FF;", "&#xD800;", "&#xE000;", "&#xFFFD;", "&#xFFFE;", "&#x10FFFF;", "&#x110000;", "&#00000000065;",
	"\x00", "\x01", "\x08", "\x0b", "\x1f", "\x7f", "\u0080", "\u0085", "\u00a0", "\u2028", "\ud7ff", "\ue000", "\ufffd", "\ufffe", "\uffff", "\U00010000", "\U0010ffff", "\ufeff",
	"\x80", "\xbf", "\xc0\x80", "\xc3", "\xc3\xa4", "\xe0\x80\x80", "\xe4\xbd", "\xed\xa0\x80", "\xef\xbf", "\xf0\x80\x80\x80", "\xf0\x9f\x98", "\xf4\x90\x80\x80", "\xff",
	"ä", "你", "·", "\u0300", "\u00d7", "\u037e", "\u0132", "\U00020000", "-", ".", "1",
	"<a/>", "<a>", "</a>", "<a b='c'>d</a>", "<a:b/>", "<a:b></a:b>", "<:a/>", "<a:/>", "<a:b:c/>", "<c:d/>", "<db:result/>", "<xml:a/>", "<xmlns:a/>", "<b:a/>", "<1/>", "<-a/>", "<ä/>", "< a/>", "<a />", "<a\n/>", "<a/ >", "</a >", "</ a>", "<a></a\t>", "<abcdefghijklmnopq></abcdefghijklmnopq>", "<abcdefghijklmnop></abcdefghijklmnop>", "<abcdefghijklmnopq></abcdefghijklmnopr>",
	" a='b'", ` a="b"`, " a='1' a='2'", " a = 'b'", " a=b", " a", " a='<'", " a='>'", " a='&'", " a='\"'", " a:b='c'", " b:c='d'", " xml:lang='de'", " xml:a='b'", " a:x='1' c:x='2'", " x='1' c:x='2'", " a:x='1' p:x='2' xmlns:p='urn:a'", " xml:x='1' x='2'",
	" xmlns=''", " xmlns='jabber:client'", " xmlns='jabber:server'", " xmlns='urn:x'", " xmlns='&#x75;rn:x'", " xmlns='jabber:&#99;lient'", " xmlns='http://www.w3.org/XML/1998/namespace'", " xmlns='http://www.w3.org/2000/xmlns/'",
	" xmlns:p='urn:p'", " xmlns:p=''", " xmlns:a='urn:b'", " xmlns:c='urn:c'", " xmlns:p='jabber:client'", " xmlns:xml='http://www.w3.org/XML/1998/namespace'", " xmlns:xml='x'", " xmlns:xmlns='x'", " xmlns:p='http://www.w3.org/XML/1998/namespace'", " xmlns:p='http://www.w3.org/2000/xmlns/'", " xmlns:1='x'", " xmlns:='x'", " xmlns:p='&lt;'", " xmlns:XML='x'", " xmlnsx='y'", " xmlns:p='urn:p' p:q='r'", " p:q='r' xmlns:p='urn:p'",
	"<p:x xmlns:p='urn:p'><y xmlns='jabber:client'/></p:x>", "<p:x xmlns:p='urn:p' xmlns='jabber:client'><y/></p:x>", "<x xmlns='urn:x'><a xmlns='jabber:client'><c:b/></a></x>",
}

// tokens cuts XML where something begins or ends: it need not be well-formed.
func tokens(b []byte) (all [][]byte) {
	start := 0
	for i, c := range b {
		if bytes.IndexByte([]byte("<>='\"&; /:"), c) < 0 {
			continue
		}
		if i > start {
			all = append(all, b[start:i])
		}
		all = append(all, b[i:i+1])
		start = i + 1
	}
	if start < len(b) {
		all = append(all, b[start:])
	}
	return all
}

// mutate changes one to four things in a stanza.
func mutate(r *rand.Rand, stanza, other []byte) []byte {
	t := tokens(stanza)
	o := tokens(other)
	for range 1 + r.IntN(4) {
		if len(t) == 0 {
			break
		}
		i, j := r.IntN(len(t)), r.IntN(len(t))
		switch r.IntN(9) {
		case 0: // leave out
			t = slices.Delete(t, i, i+1)
		case 1: // double
			t = slices.Insert(t, i, t[i])
		case 2: // swap
			t[i], t[j] = t[j], t[i]
		case 3, 4: // insert
			t = slices.Insert(t, i, []byte(snippets[r.IntN(len(snippets))]))
		case 5: // insert inside a token
			s := []byte(snippets[r.IntN(len(snippets))])
			at := r.IntN(len(t[i]) + 1)
			t[i] = slices.Concat(t[i][:at], s, t[i][at:])
		case 6: // replace
			t[i] = []byte(snippets[r.IntN(len(snippets))])
		case 7: // another stanza's tokens
			k := r.IntN(len(o))
			t = slices.Insert(t, i, o[k:min(k+1+r.IntN(12), len(o))]...)
		case 8: // one bit
			s := bytes.Clone(t[i])
			s[r.IntN(len(s))] ^= 1 << r.IntN(8)
			t[i] = s
		}
		t = slices.DeleteFunc(t, func(b []byte) bool { return len(b) == 0 })
	}
	return bytes.Join(t, nil)
}

// Stanzas of the corpus with a few things changed, between two whole ones.
func TestMutations(t *testing.T) {
	t.Logf("%d mutations from seed %d", *mutationsFlag, *seedFlag)
	r := rand.New(rand.NewPCG(*seedFlag, 3))
	var stanzas [][]byte
	for _, k := range corpus.Kinds {
		s := corpus.Generate(k, 100_000)
		for i := range s.Len() {
			if x := s.Stanza(i); len(x) < 4000 {
				stanzas = append(stanzas, x)
			}
		}
	}
	for _, s := range snippets {
		stanzas = append(stanzas, []byte("<message><body>"+s+"</body></message>"), []byte("<iq"+s+"><q/>"+s+"</iq>"))
	}
	taken, failed := 0, 0
	for n := range *mutationsFlag {
		one := func() []byte { return stanzas[r.IntN(len(stanzas))] }
		doc := slices.Concat([]byte(header), one(), mutate(r, one(), one()), one(), []byte("</stream:stream>"))
		if n%8 == 0 { // the header, too
			doc = mutate(r, doc, one())
		}
		if d := compare(doc, cut(r, len(doc))); d != "" {
			if t.Errorf("mutation %d: %q\n%s", n, doc, d); failed >= 10 {
				t.Fatal("too many differences")
			}
			failed++
		}
		if scan(doc, []int{len(doc)}, unlimited).err == nil {
			taken++
		}
	}
	// If nearly all were refused, or taken, they would test little.
	if p := 100 * taken / max(*mutationsFlag, 1); p < 5 || p > 70 {
		t.Errorf("%d %% of the mutations are well-formed", p)
	}
}
