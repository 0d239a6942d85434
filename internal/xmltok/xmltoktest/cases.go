// Package xmltoktest has XML streams, well-formed and not, for tests of
// scanners: those of package xmltok and comparisons with other parsers.
package xmltoktest

import (
	"strings"

	"github.com/etherx-go/xmpp/internal/xmltok"
)

// Case is one stream.
type Case struct {
	Name  string
	Input string // a whole document
	// WellFormed says whether XML 1.0 and Namespaces in XML 1.0 accept it.
	WellFormed bool
	// Class is the class with which a scanner of XMPP refuses it, 0 if it takes
	// it. Well-formed documents are refused for what XMPP excludes.
	Class xmltok.Class
}

const (
	nwf        = xmltok.NotWellFormed
	restricted = xmltok.Restricted
	encoding   = xmltok.Encoding
	badFormat  = xmltok.BadFormat
	limit      = xmltok.Limit
)

// Header and Footer make a stream of the cases that are only its content.
const (
	Header = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' xmlns:h='urn:h'>"
	Footer = "</stream:stream>"
)

// Cases returns all streams: those that a scanner takes, those that are
// ill-formed, and those that are well-formed but excluded.
func Cases() []Case {
	var cs []Case
	add := func(name, input string, wellFormed bool, class xmltok.Class) {
		cs = append(cs, Case{name, input, wellFormed, class})
	}
	for _, c := range good {
		add("good/"+c[0], Header+c[1]+Footer, true, 0)
	}
	for _, c := range goodDocuments {
		add("good document/"+c[0], c[1], true, 0)
	}
	for _, c := range ill {
		add("ill-formed/"+c.name, Header+c.input+Footer, false, c.class)
	}
	for _, c := range illDocuments {
		add("ill-formed document/"+c.name, c.input, false, c.class)
	}
	for _, c := range excluded {
		add("excluded/"+c.name, c.input, true, c.class)
	}
	return cs
}

type bad struct {
	name  string
	class xmltok.Class
	input string
}

// good is content that is taken.
var good = [][2]string{
	{"nothing", ""},
	{"empty element", "<a/>"},
	{"empty element with space", "<a />"},
	{"element", "<a></a>"},
	{"space in the end tag", "<a></a \t\r\n>"},
	{"space between elements", " <a/>\n\t<b/>\r\n"},
	{"attributes", `<a b='1' c="2"/>`},
	{"attributes with much space", "<a\n b\t=\r\n'1'   c  = \"2\"  />"},
	{"other quote in values", `<a b='"' c="'"/>`},
	{"> in values and text", "<a b='>' c='/>'>1 > 0</a>"},
	{"]] in text", "<a>]] ]&gt; ]]&gt; ] > ]]</a>"},
	{"]]> in a value", "<a b=']]>'/>"},
	{"predefined entities", "<a b='&lt;&gt;&amp;&apos;&quot;'>&lt;&gt;&amp;&apos;&quot;</a>"},
	{"character references", "<a b='&#9;&#xA;&#x10FFFF;'>&#65;&#x41;&#xe9;&#xD7FF;&#xE000;&#xFFFD;&#x10000;&#0065;</a>"},
	{"reference to <", "<a b='&#60;'>&#x3c;b/></a>"},
	{"CDATA beyond ASCII", "<a><![CDATA[Grüße €\t𝄞\r\n]]></a>"},
	{"CDATA", "<a><![CDATA[]]><![CDATA[<b>&amp;]] ]> ]]]]><![CDATA[>]]]></a>"},
	{"mixed content", "<a>x<b/>y<c>z</c> </a>"},
	{"white space in text and values", "<a b='\t\r\n '>\t\r\n </a>"},
	{"DEL and C1 controls", "<a b='\x7f\u0085\u009f'>\x7f\u0080</a>"},
	{"two, three and four byte characters", "<a b='é€𝄞'>é߿ࠀ퟿\ue000�𐀀\U0010FFFF</a>"},
	{"non-characters beyond the first plane", "<a>\U0001FFFE\U0010FFFF</a>"},
	{"byte order mark as a character", "<a>\uFEFF</a>"},
	{"long name", "<abcdefghijklmnopqrstuvwxyz-0123456789._ABC></abcdefghijklmnopqrstuvwxyz-0123456789._ABC>"},
	{"name of 15 bytes", "<abcdefghijklmno></abcdefghijklmno>"},
	{"name of 16 bytes", "<abcdefghijklmnop></abcdefghijklmnop>"},
	{"name of 17 bytes", "<abcdefghijklmnopq></abcdefghijklmnopq>"},
	{"name beyond ASCII", "<été ñ='1' 中='2' α-·='3'/>"},
	{"name with colon and beyond ASCII", "<é:ü xmlns:é='urn:x' é:ö='1'></é:ü>"},
	{"name that begins with xml", "<xmlfoo xmlbar='1'/>"},
	{"underscore", "<_ _='1'/>"},
	{"prefix of the header", "<stream:features><h:a h:b='1'/></stream:features>"},
	{"prefix xml", "<a xml:lang='en'><xml:a xml:space='x'/></a>"},
	{"xml declared as what it is", "<a xmlns:xml='http://www.w3.org/XML/1998/namespace' xml:lang='x'/>"},
	{"prefix used before its declaration", "<p:a p:b='1' xmlns:p='urn:p'/>"},
	{"prefix declared again", "<p:a xmlns:p='1'><p:a xmlns:p='2'/><p:b/></p:a>"},
	{"prefix of an ancestor", "<a xmlns:p='urn:p'><b><p:c/></b><p:d/></a>"},
	{"default undeclared", "<a xmlns=''><b xmlns='x'/></a>"},
	{"same local name in two namespaces", "<a xmlns:p='1' xmlns:q='2' p:b='' q:b='' b=''/>"},
	{"local name xmlns", "<a xmlns:p='1' p:xmlns='2'/>"},
	{"element xmlns", "<xmlns/>"},
	{"prefixes that begin with xml", "<a xmlns:xmlp='1' xmlns:xm='2' xmlp:b='' xm:c=''/>"},
	{"namespace with references", "<a xmlns:p='urn:&#x70;&amp;' p:b=''/>"},
	{"nested deep", strings.Repeat("<a>", 120) + strings.Repeat("</a>", 120)},
	{"names that begin alike", "<a b='' bc='' bcd='' abcdefgh='' abcdefghi='' abcdefghj=''/>"},
}

// goodDocuments are whole documents that are taken.
var goodDocuments = [][2]string{
	{"no declaration", "<a/>"},
	{"declaration", "<?xml version='1.0'?><a/>"},
	{"declaration with encoding", `<?xml version="1.0" encoding="UTF-8"?><a></a>`},
	{"declaration with all", "<?xml\tversion = '1.0'\r\nencoding='utf-8'\nstandalone='yes' ?>\n<a/>"},
	{"standalone without encoding", "<?xml version='1.0' standalone='no'?><a/>"},
	{"white space before the root", " \r\n\t<a/>"},
	{"white space at the end", "<a></a> \r\n\t"},
	{"end tag with white space", "<a></a\n>"},
	{"byte order mark", "\uFEFF<a/>"},
	{"byte order mark and declaration", "\uFEFF<?xml version='1.0'?><a/>"},
	{"header without namespaces", "<a b='c'><d/></a>"},
	{"header in the default namespace", "<stream xmlns='http://etherx.jabber.org/streams'><message xmlns='jabber:client'/></stream>"},
}

// ill is content that is not well-formed.
var ill = []bad{
	{"element without end", nwf, "<a>"},
	{"end tag without start", nwf, "</a>"},
	{"wrong end tag", nwf, "<a></b>"},
	{"end tag of the parent", nwf, "<a><b></a></b>"},
	{"end tag too short", nwf, "<abc></ab>"},
	{"end tag too long", nwf, "<ab></abc>"},
	{"end tag in other case", nwf, "<a></A>"},
	{"end tag without prefix", nwf, "<h:a></a>"},
	{"end tag with another prefix of the same namespace", nwf, "<p:a xmlns:p='1' xmlns:q='1'></q:a>"},
	{"long end tag differs late", nwf, "<abcdefghijklmnopqrstuvwxyz></abcdefghijklmnopqrstuvwxyy>"},
	{"end tag of 16 bytes differs late", nwf, "<abcdefghijklmnop></abcdefghijklmnoq>"},
	{"end tag with attribute", nwf, "<a></a b='1'>"},
	{"end tag with slash", nwf, "<a></a/>"},
	{"space before the name", nwf, "< a/>"},
	{"space before the name in an end tag", nwf, "<a></ a>"},
	{"no name", nwf, "<>"},
	{"no name in the end tag", nwf, "<a></>"},
	{"name begins with a digit", nwf, "<1/>"},
	{"name begins with a hyphen", nwf, "<-a/>"},
	{"name begins with a dot", nwf, "<.a/>"},
	{"name with a sign", nwf, "<a+b/>"},
	{"name begins with a combining character", nwf, "<\u0301a/>"},
	{"name with a multiplication sign", nwf, "<a×/>"},
	{"attribute begins with a digit", nwf, "<a 1='1'/>"},
	{"slash without >", nwf, "<a/ >"},
	{"slash in the middle", nwf, "<a / b='1'>"},
	{"tag in a tag", nwf, "<a <b/>>"},
	{"attribute without value", nwf, "<a b/>"},
	{"attribute without quotes", nwf, "<a b=c/>"},
	{"attribute without end quote", nwf, "<a b='c/>"},
	{"attribute with wrong end quote", nwf, `<a b='c"/>`},
	{"value without name", nwf, "<a ='1'/>"},
	{"two equals signs", nwf, "<a b=='1'/>"},
	{"no space between attributes", nwf, "<a b='1'c='2'/>"},
	{"no space between attributes, other quotes", nwf, `<a b="1"c='2'/>`},
	{"text behind a value", nwf, "<a b='1'x/>"},
	{"< in a value", nwf, "<a b='<'/>"},
	{"< later in a value", nwf, "<a b='é &amp; 12345678 <'/>"},
	{"attribute twice", nwf, "<a b='1' b='2'/>"},
	{"attribute twice, not in a row", nwf, "<a b='1' c='' d='' b='1'/>"},
	{"long attribute twice", nwf, "<a abcdefghi='' abcdefghj='' abcdefghi=''/>"},
	{"attribute twice in a child", nwf, "<a b=''><c d='1' d='2'/></a>"},
	{"prefixed attribute twice", nwf, "<a h:b='1' h:b='2'/>"},
	{"xml:lang twice", nwf, "<a xml:lang='1' xml:lang='2'/>"},
	{"attribute twice by expanded name", nwf, "<a xmlns:p='1' xmlns:q='1' p:b='' q:b=''/>"},
	{"attribute twice by expanded name, with the header's", nwf, "<a xmlns:q='urn:h' h:b='' q:b=''/>"},
	{"attribute twice by expanded name, given differently", nwf, "<a xmlns:p='&#x31;' xmlns:q='1' p:b='' q:b=''/>"},
	{"default namespace twice", nwf, "<a xmlns='1' xmlns='2'/>"},
	{"prefix declared twice", nwf, "<a xmlns:p='1' xmlns:p='2'/>"},
	{"unbound prefix", nwf, "<p:a/>"},
	{"unbound prefix of an attribute", nwf, "<a p:b='1'/>"},
	{"unbound prefix inside", nwf, "<a><p:b/></a>"},
	{"prefix of a sibling", nwf, "<a><b xmlns:p='1'/><p:c/></a>"},
	{"prefix of a child", nwf, "<a><b xmlns:p='1'><c/></b><p:c/></a>"},
	{"prefix of the element before", nwf, "<a xmlns:p='1'/><p:b/>"},
	{"prefix in other case", nwf, "<H:a/>"},
	{"prefix undeclared", nwf, "<a xmlns:p=''/>"},
	{"header's prefix undeclared", nwf, "<a xmlns:h=''/>"},
	{"xml bound to something else", nwf, "<a xmlns:xml='urn:x'/>"},
	{"xml undeclared", nwf, "<a xmlns:xml=''/>"},
	{"xmlns declared", nwf, "<a xmlns:xmlns='http://www.w3.org/2000/xmlns/'/>"},
	{"xmlns declared as something else", nwf, "<a xmlns:xmlns='urn:x'/>"},
	{"prefix bound to the namespace of xml", nwf, "<a xmlns:p='http://www.w3.org/XML/1998/namespace'/>"},
	{"prefix bound to the namespace of xmlns", nwf, "<a xmlns:p='http://www.w3.org/2000/xmlns/'/>"},
	{"default bound to the namespace of xml", nwf, "<a xmlns='http://www.w3.org/XML/1998/namespace'/>"},
	{"default bound to the namespace of xmlns", nwf, "<a xmlns='http://www.w3.org/2000/xmlns/'/>"},
	{"default bound to the namespace of xmlns, escaped", nwf, "<a><b xmlns='http://www.w3.org/2000/xmlns&#47;'/></a>"},
	{"element with prefix xmlns", nwf, "<xmlns:a/>"},
	{"colon first", nwf, "<:a/>"},
	{"colon last", nwf, "<h:/>"},
	{"two colons", nwf, "<h:a:b/>"},
	{"two colons in a row", nwf, "<h::a/>"},
	{"colon alone", nwf, "<:/>"},
	{"digit behind the colon", nwf, "<h:1/>"},
	{"attribute with colon first", nwf, "<a :b='1'/>"},
	{"attribute with colon last", nwf, "<a h:='1'/>"},
	{"attribute with two colons", nwf, "<a h:b:c='1'/>"},
	{"xmlns with colon last", nwf, "<a xmlns:='1'/>"},
	{"digit behind the colon of an attribute", nwf, "<a h:1='1'/>"},
	{"]]> in text", nwf, "<a>]]></a>"},
	{"]]]> in text", nwf, "<a>12345]]]></a>"},
	{"ampersand alone", nwf, "<a>&</a>"},
	{"ampersand and space", nwf, "<a>a & b</a>"},
	{"ampersand in a value", nwf, "<a b='a&b'/>"},
	{"reference without semicolon", nwf, "<a>&amp </a>"},
	{"reference without name", nwf, "<a>&;</a>"},
	{"reference begins with a digit", nwf, "<a>&1;</a>"},
	{"character reference without digits", nwf, "<a>&#;</a>"},
	{"hexadecimal reference without digits", nwf, "<a>&#x;</a>"},
	{"hexadecimal digits in a decimal reference", nwf, "<a>&#1a;</a>"},
	{"character reference with X", nwf, "<a>&#X41;</a>"},
	{"character reference with sign", nwf, "<a>&#-1;</a>"},
	{"reference to NUL", nwf, "<a>&#0;</a>"},
	{"reference to a control character", nwf, "<a>&#x1F;</a>"},
	{"reference to a surrogate", nwf, "<a>&#xD800;</a>"},
	{"reference to a surrogate in a value", nwf, "<a b='&#xDFFF;'/>"},
	{"reference to U+FFFE", nwf, "<a>&#xFFFE;</a>"},
	{"reference to U+FFFF", nwf, "<a>&#65535;</a>"},
	{"reference beyond Unicode", nwf, "<a>&#x110000;</a>"},
	{"reference that overflows 32 bits", nwf, "<a>&#x100000041;</a>"},
	{"reference that overflows 64 bits", nwf, "<a>&#18446744073709551681;</a>"},
	{"unknown entity", restricted, "<a>&nbsp;</a>"},
	{"unknown entity in a value", restricted, "<a b='&foo;'/>"},
	{"entity in other case", restricted, "<a>&AMP;</a>"},
	{"entity beyond ASCII", restricted, "<a>&é;</a>"},
	{"entity with a long name", restricted, "<a>&" + strings.Repeat("a", 100) + ";</a>"},
	{"entity with a long name beyond ASCII", restricted, "<a>&" + strings.Repeat("é", 100) + ";</a>"},
	{"broken UTF-8 in a reference", encoding, "<a>&a\xFF;</a>"},
	{"NUL in a long reference", nwf, "<a>&#" + strings.Repeat("0", 62) + "\x00;</a>"},
	{"NUL in text", nwf, "<a>\x00</a>"},
	{"control character in text", nwf, "<a>12345678\x0b</a>"},
	{"control character in a value", nwf, "<a b='\x1f'/>"},
	{"control character in a name", nwf, "<a\x01/>"},
	{"control character in CDATA", nwf, "<a><![CDATA[\x08]]></a>"},
	{"control character between elements", nwf, "\x0c<a/>"},
	{"U+FFFE in text", nwf, "<a>\uFFFE</a>"},
	{"U+FFFF in a value", nwf, "<a b='\uFFFF'/>"},
	{"U+FFFF in CDATA", nwf, "<a><![CDATA[\uFFFF]]></a>"},
	{"continuation byte alone", encoding, "<a>\x80</a>"},
	{"unfinished two byte character", encoding, "<a>\xC3</a>"},
	{"unfinished three byte character", encoding, "<a>\xE2\x82</a>"},
	{"unfinished four byte character", encoding, "<a>\xF0\x9D\x84</a>"},
	{"overlong two byte character", encoding, "<a>\xC0\xAF</a>"},
	{"overlong C1", encoding, "<a>\xC1\xBF</a>"},
	{"overlong three byte character", encoding, "<a>\xE0\x9F\xBF</a>"},
	{"overlong four byte character", encoding, "<a>\xF0\x8F\xBF\xBF</a>"},
	{"surrogate in UTF-8", encoding, "<a>\xED\xA0\x80</a>"},
	{"beyond U+10FFFF", encoding, "<a>\xF4\x90\x80\x80</a>"},
	{"five byte character", encoding, "<a>\xF8\x88\x80\x80\x80</a>"},
	{"byte FF", encoding, "<a>\xFF</a>"},
	{"broken UTF-8 in a value", encoding, "<a b='\xC3'/>"},
	{"broken UTF-8 in a name", encoding, "<a\xC3/>"},
	{"broken UTF-8 in an attribute name", encoding, "<a b\xE4='1'/>"},
	{"broken UTF-8 in CDATA", encoding, "<a><![CDATA[\xE2\x28\xA1]]></a>"},
	{"broken UTF-8 between elements", encoding, "<a/>\xC3<a/>"},
	{"Latin-1", encoding, "<a>caf\xE9</a>"},
	{"unknown markup", nwf, "<a><!x></a>"},
	{"CDATA in other case", nwf, "<a><![cdata[x]]></a>"},
	{"CDATA without end", nwf, "<a><![CDATA[x]></a>"},
	{"CDATA with a space", nwf, "<a><! [CDATA[x]]></a>"},
	{"half a comment", nwf, "<a><!- x --></a>"},
	{"declaration inside", nwf, "<a><?xml version='1.0'?></a>"},
	{"declaration between elements", nwf, "<?xml version='1.0'?><a/>"},
	{"document type inside", restricted, "<a><!DOCTYPE x></a>"},
	{"comment with --", restricted, "<a><!-- -- --></a>"},
	{"processing instruction without target", restricted, "<a><? x?></a>"},
}

// illDocuments are whole documents that are not well-formed.
var illDocuments = []bad{
	{"text before the root", nwf, "x<a/>"},
	{"reference before the root", nwf, "&#32;<a/>"},
	{"CDATA before the root", nwf, "<![CDATA[]]><a/>"},
	{"end tag first", nwf, "</a>"},
	{"byte order mark twice", nwf, "\uFEFF\uFEFF<a/>"},
	{"space before the declaration", nwf, " <?xml version='1.0'?><a/>"},
	{"two declarations", nwf, "<?xml version='1.0'?><?xml version='1.0'?><a/>"},
	{"declaration in other case", nwf, "<?XML version='1.0'?><a/>"},
	{"declaration without version", nwf, "<?xml encoding='UTF-8'?><a/>"},
	{"empty declaration", nwf, "<?xml?><a/>"},
	{"empty declaration with space", nwf, "<?xml ?><a/>"},
	{"declaration in wrong order", nwf, "<?xml encoding='UTF-8' version='1.0'?><a/>"},
	{"declaration with something else", nwf, "<?xml version='1.0' foo='bar'?><a/>"},
	{"declaration without space", nwf, "<?xml version='1.0'encoding='UTF-8'?><a/>"},
	{"declaration without quotes", nwf, "<?xml version=1.0?><a/>"},
	{"declaration with bad encoding name", nwf, "<?xml version='1.0' encoding='8-UTF'?><a/>"},
	{"declaration with bad standalone", nwf, "<?xml version='1.0' standalone='maybe'?><a/>"},
	{"declaration that ends like a tag", nwf, "<?xml version='1.0'><a/>"},
	{"second root", nwf, "<a/><b/>"},
	{"second root behind an end tag", nwf, "<a></a><b/>"},
	{"text behind the root", nwf, "<a></a>x"},
	{"text behind an empty root", nwf, "<a/>x"},
	{"wrong end tag of the root", nwf, "<a></b>"},
	{"root with another prefix at the end", nwf, "<p:a xmlns:p='1' xmlns:q='1'></q:a>"},
	{"unbound prefix on the root", nwf, "<p:a/>"},
	{"attribute twice on the root", nwf, "<a b='1' b='2'/>"},
	{"undeclared prefix on the root", nwf, "<a xmlns:p=''/>"},
	{"unfinished root tag", nwf, "<a b='1'"},
	{"NUL", nwf, "\x00"},
	{"broken UTF-8 before the root", encoding, "\xC3\x28<a/>"},
	{"UTF-8 declared as UTF-16", encoding, "<?xml version='1.0' encoding='UTF-16'?><a/>"},
	{"declared encoding unknown", encoding, "<?xml version='1.0' encoding='KLINGON'?><a/>"},
}

// excluded are well-formed documents that are no XML streams of XMPP.
var excluded = []bad{
	{"comment", restricted, Header + "<a><!-- x --></a>" + Footer},
	{"comment between elements", restricted, Header + "<!-- x -->" + Footer},
	{"comment before the root", restricted, "<!-- x --><a/>"},
	{"comment behind the root", restricted, "<a/><!-- x -->"},
	{"processing instruction", restricted, Header + "<a><?x y?></a>" + Footer},
	{"processing instruction between elements", restricted, Header + "<?x?>" + Footer},
	{"processing instruction before the root", restricted, "<?x y?><a/>"},
	{"processing instruction with a name that begins with xml", restricted, "<?xml-stylesheet href='x'?><a/>"},
	{"processing instruction with a name of x, m, l and more", restricted, Header + "<?xmlé?>" + Footer},
	{"document type", restricted, "<!DOCTYPE a><a/>"},
	{"entity declaration", restricted, "<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>"},
	{"entity bomb", restricted, "<!DOCTYPE a [<!ENTITY x 'yyyyyyyy'><!ENTITY z '&x;&x;&x;&x;'>]><a>&z;&z;</a>"},
	{"text between elements", badFormat, Header + "<a/>x" + Footer},
	{"white space between elements by reference", badFormat, Header + "&#32;" + Footer},
	{"CDATA between elements", badFormat, Header + "<![CDATA[ ]]>" + Footer},
	{"Latin-1", encoding, "<?xml version='1.0' encoding='ISO-8859-1'?><a/>"},
	{"US-ASCII", encoding, "<?xml version='1.0' encoding='US-ASCII'?><a/>"},
	{"attribute bomb", limit, Header + "<a" + attributes(65) + "/>" + Footer},
	{"depth bomb", limit, Header + strings.Repeat("<a>", 129) + strings.Repeat("</a>", 129) + Footer},
	{"child bomb", limit, Header + "<a>" + strings.Repeat("<b/>", 20_001) + "</a>" + Footer},
	{"large element", limit, Header + "<a>" + strings.Repeat("x", 256<<10) + "</a>" + Footer},
	{"large tag", limit, Header + "<a b='" + strings.Repeat("x", 64<<10) + "'/>" + Footer},
	{"large end tag", limit, Header + "<a></a" + strings.Repeat(" ", 64<<10) + ">" + Footer},
	{"large header", limit, "<a b='" + strings.Repeat("x", 64<<10) + "'/>"},
	{"large end tag of the root", limit, "<a></a" + strings.Repeat(" ", 64<<10) + ">"},
	{"large declaration", limit, "<?xml version='1.0'" + strings.Repeat(" ", 1<<10) + "?><a/>"},
	{"long reference", limit, Header + "<a>&#" + strings.Repeat("0", 64) + "65;</a>" + Footer},
}

func attributes(n int) string {
	var b strings.Builder
	for k := range n {
		b.WriteString(" a" + strings.Repeat("b", k) + "=''")
	}
	return b.String()
}
