package xmltok_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/etherx-go/xmpp/internal/xmltok"
	"github.com/etherx-go/xmpp/internal/xmltok/xmltoktest"
)

// skipLimits are those of the table below.
var skipLimits = xmltok.Limits{Element: 60, Tag: 40, Depth: 3, Attrs: 4, Children: 4}

// x returns as many x.
func x(n int) string { return strings.Repeat("x", n) }

// skipped is what is between <s xmlns:h='u'> and </s>, what elements come of it,
// each on a line, and perhaps an error, whose place is counted from behind <s>.
var skipped = []struct{ name, in, want string }{
	{"comment between elements", "<a/><!-- x --><b/>", "<a/>\n<b/>\n"},
	{"instruction between elements", "<a/><?x y?><b/>", "<a/>\n<b/>\n"},
	{"first and last", "<!-- x --><a/><?x?>", "<a/>\n"},
	{"many between elements", "<!----> <?a?>\r<!----><!---->\n<?a?><?b?><a/>", "<a/>\n"},
	{"nothing else", "<!-- x -->", ""},
	{"comment inside", "<a><!-- x --></a>", "<a></a>\n"},
	{"instruction inside", "<a><?x y?></a>", "<a></a>\n"},
	{"in text", "<a>one<!-- x --> text<?x?>!</a>", "<a>one text!</a>\n"},
	{"several together", "<a>1<!----><?a?><!-- --><?b c?>2</a>", "<a>12</a>\n"},
	{"deep", "<a><!--1--><b><!--2--><c><?d?></c><!--3--></b><!--4--></a><b/>", "<a><b><c></c></b></a>\n<b/>\n"},
	{"in two elements", "<a><?b?>1</a><a>2<?b?></a>", "<a>1</a>\n<a>2</a>\n"},
	{"empty ones", "<a><!----><?a?></a>", "<a></a>\n"},
	{"markup inside", "<a><!-- <b c='> & ]]> <![CDATA[ <?x?> --></a>", "<a></a>\n"},
	{"markup inside an instruction", "<a><?x <b c='> & ]]> <![CDATA[ <!-- --?></a>", "<a></a>\n"},
	{"single hyphens", "<a><!--- - -> -a- --></a>", "<a></a>\n"},
	{"> first", "<a><!--> --></a>", "<a></a>\n"},
	{"question marks", "<a><?x ? ?? > ???></a>", "<a></a>\n"},
	{"white space behind the target", "<a><?x\r\n\t ?></a>", "<a></a>\n"},
	{"beyond ASCII", "<a>é<!-- é€𝄞 é -->€<?é· €𝄞?>𝄞</a>", "<a>é€𝄞</a>\n"},
	{"targets", "<a><?_a-.1?><?xm?><?xmlx?><?xml-x y?><?中-?></a>", "<a></a>\n"},
	{"no comment in a value", "<a b='?>--&lt;!-- x -->'/>", "<a b='?>--&lt;!-- x -->'/>\n"},
	{"no comment in CDATA", "<a><![CDATA[<!-- x --><?x?>]]></a>", "<a><![CDATA[<!-- x --><?x?>]]></a>\n"},
	{"beside CDATA", "<a><!----><![CDATA[]]]]><?x?>></a>", "<a><![CDATA[]]]]>></a>\n"},
	{"between two CDATA", "<a><![CDATA[]]]]><?x?><![CDATA[>]]></a>", "<a><![CDATA[]]]]><![CDATA[>]]></a>\n"},
	{"]]> around one", "<a>]]<!---->></a>", "<a>]&#93;></a>\n"},
	{"]]> around one, other place", "<a>]<?x?>]></a>", "<a>&#93;]></a>\n"},
	{"]]> around two", "<a>]<?x?>]<!----><?y?>></a>", "<a>]&#93;></a>\n"},
	{"]]> around four", "<a>]<?x?><?x?>]<?x?><?x?>></a>", "<a>]&#93;></a>\n"},
	{"brackets around", "<a>]<!----><b/>]]<?x?> ></a>", "<a>]<b/>]] ></a>\n"},
	{"CR LF around one", "<a>\r<!---->\n</a>", "<a>&#10;\n</a>\n"},
	{"CR CR LF around one", "<a>\r\r<!---->\n</a>", "<a>\r&#10;\n</a>\n"},
	{"CR LF around two", "<a>\r<!----><!---->\n</a>", "<a>&#10;\n</a>\n"},
	{"CR and CR", "<a>\r<!---->\r<!----> \n</a>", "<a>\r\r \n</a>\n"},
	{"before the first child", "<a b='1'><?x?><h:c d='2'/></a>", "<a b='1'><h:c d='2'/></a>\n"},
	{"before a child's declaration", "<a>]<?x?>]<?x?><c xmlns='v'/></a>", "<a>&#93;]<c xmlns='v'/></a>\n"},
	{"before a child with prefix", "<a><?x?><p:c xmlns:p='v'/><?x?></a>", "<a><p:c xmlns:p='v'/></a>\n"},
	{"prefix from above", "<a xmlns:p='v'><?x?><p:c/></a>", "<a xmlns:p='v'><p:c/></a>\n"},
	{"before a second child", "<a><c/><!-- x --><d/></a>", "<a><c/><d/></a>\n"},
	{"long name around", "<abcdefghijklmnopqr><!----></abcdefghijklmnopqr>", "<abcdefghijklmnopqr></abcdefghijklmnopqr>\n"},

	{"-- in a comment", "<a/><!-- x -- y -->", "<a/>\nnot well-formed: -- in a comment (byte 13)"},
	{"-- in a comment inside", "<a><!-- x -- y --></a>", "not well-formed: -- in a comment (byte 12)"},
	{"--->", "<a><!-- x ---></a>", "not well-formed: -- in a comment (byte 12)"},
	{"unfinished comment", "<!-- x <a/>", "unfinished"},
	{"unfinished instruction", "<a><?x y></a>", "unfinished"},
	{"half a comment", "<!- x -->", "not well-formed: unknown markup (byte 3)"},
	{"forbidden character", "<!-- \x01 -->", "not well-formed: character that XML 1.0 does not allow (byte 5)"},
	{"forbidden character inside", "<a><?x \x00?></a>", "not well-formed: character that XML 1.0 does not allow (byte 7)"},
	{"zero byte behind a hyphen", "<a><!-- -\x00 --></a>", "not well-formed: character that XML 1.0 does not allow (byte 9)"},
	{"U+FFFE", "<!-- \uFFFE -->", "not well-formed: character that XML 1.0 does not allow (byte 7)"},
	{"no UTF-8", "<a><!-- \xC3( --></a>", "bad encoding: invalid UTF-8 (byte 9)"},
	{"no UTF-8 in an instruction", "<?x \xED\xA0\x80?>", "bad encoding: invalid UTF-8 (byte 5)"},
	{"no UTF-8 in a target", "<?x\xFF?>", "bad encoding: invalid UTF-8 (byte 3)"},
	{"no target", "<??>", "not well-formed: malformed target of a processing instruction (byte 2)"},
	{"space for a target", "<a><? x?></a>", "not well-formed: malformed target of a processing instruction (byte 5)"},
	{"target that begins with a digit", "<?1?>", "not well-formed: malformed target of a processing instruction (byte 2)"},
	{"target that begins like the rest of a name", "<?·?>", "not well-formed: malformed target of a processing instruction (byte 2)"},
	{"target with a colon", "<?a:b?>", "not well-formed: malformed target of a processing instruction (byte 3)"},
	{"target with something else", "<?a&b?>", "not well-formed: malformed target of a processing instruction (byte 3)"},
	{"target with a dash of typographers", "<?a–?>", "not well-formed: malformed target of a processing instruction (byte 3)"},
	{"target and question marks", "<?a??>", "not well-formed: malformed target of a processing instruction (byte 4)"},
	{"target of x, m, l and more", "<?xml–?>", "not well-formed: malformed target of a processing instruction (byte 5)"},
	{"XML declaration", "<?xml version='1.0'?>", "not well-formed: XML declaration not at the start of the document (byte 5)"},
	{"target xml in other case", "<a><?XmL?></a>", "not well-formed: XML declaration not at the start of the document (byte 8)"},
	{"comment in a tag", "<a <!-- x -->/>", "not well-formed: no name where one must be (byte 3)"},
	{"comment in a reference", "<a>&am<!-- x -->p;</a>", "not well-formed: malformed reference (byte 6)"},
	{"]]> behind one", "<a><!-- x -->]]></a>", "not well-formed: ]]> in character data (byte 15)"},
	{"DTD", "<!DOCTYPE s>", "restricted XML: document type declaration (byte 8)"},
	{"DTD inside", "<a><!----><!DOCTYPE s></a>", "restricted XML: document type declaration (byte 18)"},
	{"entity declaration", "<!ENTITY a 'b'>", "not well-formed: unknown markup (byte 2)"},
	{"entity", "<a><!---->&b;</a>", "restricted XML: reference to an entity other than the predefined ones (byte 12)"},
	{"text between elements", "<!---->x", "not an XML stream: text between the elements of the stream (byte 7)"},
	{"CDATA between elements", "<!----><![CDATA[]]>", "not an XML stream: text between the elements of the stream (byte 16)"},
	{"end tag of something else", "<a><b><!---->x</a>", "not well-formed: end tag does not match the start tag (byte 16)"},

	{"comment of the largest size", "<!--" + x(53) + "--><a/>", "<a/>\n"},
	{"comment too large", "<!--" + x(54) + "--><a/>", "limit exceeded: element too large (byte 60)"},
	{"instruction of the largest size", "<a/><?" + x(56) + "?><a/>", "<a/>\n<a/>\n"},
	{"instruction too large", "<a/><?" + x(57) + "?><a/>", "<a/>\nlimit exceeded: element too large (byte 64)"},
	{"fault beyond the limit", "<?x " + x(56) + "\x01?><a/>", "limit exceeded: element too large (byte 60)"},
	{"fault before the limit", "<?x " + x(55) + "\x01?><a/>", "not well-formed: character that XML 1.0 does not allow (byte 59)"},
	{"element of the largest size", "<a>1<!--" + x(44) + "-->2</a>", "<a>12</a>\n"},
	{"element too large", "<a>1<!--" + x(45) + "-->2</a>", "limit exceeded: element too large (byte 60)"},
	{"element with an endless comment", "<a><!--" + x(100), "limit exceeded: element too large (byte 60)"},
	{"element with a comment that ends beyond the limit", "<a><!--" + x(52) + "--></a>", "limit exceeded: element too large (byte 60)"},
	{"element with many", "<a>" + strings.Repeat("<?x?>", 11) + "</a>", "limit exceeded: element too large (byte 60)"},
	{"endless target", "<?" + x(100), "limit exceeded: element too large (byte 60)"},
	{"other limits behind one", "<a><!----><b><c><d/></c></b></a>", "limit exceeded: elements nested too deep (byte 18)"},
}

// onlyElements makes the table's form of an outcome.
func onlyElements(out string, err error, at int) string {
	var b strings.Builder
	for line := range strings.Lines(out) {
		if _, raw, ok := strings.Cut(line, " raw="); ok && strings.HasPrefix(line, "Element ") {
			var s string
			fmt.Sscanf(raw, "%q", &s)
			b.WriteString(s + "\n")
		}
	}
	if e, ok := errors.AsType[*xmltok.Error](err); ok {
		fmt.Fprintf(&b, "%v: %s (byte %d)", e.Class, e.Msg, e.Offset-int64(at))
	} else if err != nil {
		b.WriteString("unfinished")
	}
	return b.String()
}

func TestSkip(t *testing.T) {
	const open = "<s xmlns:h='u'>"
	for _, c := range skipped {
		t.Run(c.name, func(t *testing.T) {
			in := open + c.in + "</s>"
			whole, err := outcomeOf(strings.NewReader(in), skipLimits, false, true)
			if got := onlyElements(whole, err, len(open)); got != c.want {
				t.Errorf("%q\ngives %q\nwant  %q", c.in, got, c.want)
			}
			for k := 1; k < len(in); k++ {
				r := io.MultiReader(strings.NewReader(in[:k]), strings.NewReader(in[k:]))
				cut, cutErr := outcomeOf(r, skipLimits, false, true)
				differ(t, fmt.Sprintf("cut at %d", k), in, whole, err, cut, cutErr)
			}
			cut, cutErr := outcomeOf(iotest.OneByteReader(strings.NewReader(in)), skipLimits, false, true)
			differ(t, "byte by byte", in, whole, err, cut, cutErr)
			if err == nil {
				doc := withoutSkipped(t, []byte(in))
				compareSkipped(t, []byte(in), doc, whole)
				compareTrees(t, doc)
			}
			for _, order := range orders {
				in := toUTF16(in, order)
				if strings.ContainsAny(in, "\uFFFD") || classOf(err) == xmltok.Encoding {
					continue
				}
				wide, wideErr := outcomeOf(iotest.HalfReader(strings.NewReader(in)), skipLimits, true, true)
				if stripOffsets(wide) != stripOffsets(whole) || fmt.Sprint(wideErr) != fmt.Sprint(err) {
					t.Errorf("in UTF-16: %s%v\nwant %s%v", wide, wideErr, whole, err)
				}
			}
		})
	}
}

// Whatever is around comments and between them, encoding/xml sees the same.
func TestSkipRandom(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed: %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	tokens := []string{
		"<!---->", "<!-- ]]> -->", "<?x?>", "<?xy ]?>", "]", "]", ">", "\r", "\n", "&gt;", "é", " ", "<b/>", "<h:c d='1'/>",
		"<p:b xmlns:p='v'/>", "<b xmlns='w'/>", "<![CDATA[]]>", "<![CDATA[]]]>", "<![CDATA[\n\r]]>",
	}
	taken := 0
	for range 2000 {
		in := "<s xmlns:h='u'>"
		for range 1 + rnd.IntN(3) {
			in += "<a>"
			for range rnd.IntN(12) {
				in += tokens[rnd.IntN(len(tokens))]
			}
			in += "</a>" + tokens[rnd.IntN(4)]
		}
		in += "</s>"
		whole, err := outcomeOf(strings.NewReader(in), fuzzLimits, false, true)
		cut, cutErr := outcomeOf(&pieces{in, rnd, 1 + rnd.IntN(30)}, fuzzLimits, false, true)
		differ(t, "in pieces", in, whole, err, cut, cutErr)
		_, stdErr := stdTree([]byte(in))
		if (err == nil) != (stdErr == nil) {
			t.Errorf("%q: we say %v, encoding/xml %v", in, err, stdErr)
		}
		if err != nil {
			continue
		}
		taken++
		doc := withoutSkipped(t, []byte(in))
		compareSkipped(t, []byte(in), doc, whole)
		compareTrees(t, doc)
	}
	if taken < 1000 {
		t.Errorf("only %d are taken", taken)
	}
}

// What has nothing to skip is read as ever, and what is refused by default is no
// longer if it is well-formed and inside the root.
func TestSkipNothing(t *testing.T) {
	taken := 0
	for _, c := range xmltoktest.Cases() {
		whole, err := outcome(strings.NewReader(c.Input), xmltok.Limits{}, false)
		got, gotErr := outcomeOf(strings.NewReader(c.Input), xmltok.Limits{}, false, true)
		switch {
		case c.Class != xmltok.Restricted:
			differ(t, c.Name, c.Input, whole, err, got, gotErr)
		case gotErr == nil && c.WellFormed:
			taken++
		case gotErr == nil:
			t.Errorf("%s is taken", c.Name)
		}
	}
	if taken != 5 { // comments and instructions, between elements and in them; one more beyond ASCII
		t.Errorf("%d are taken", taken)
	}
}

// withoutSkipped puts together again what a scanner hands out that skips.
func withoutSkipped(t *testing.T, in []byte) []byte {
	t.Helper()
	s := xmltok.NewScanner(bytes.NewReader(in), fuzzLimits)
	defer s.Release()
	var out, blank []byte
	for at := int64(0); ; at = s.Offset() {
		ev, err := s.Next()
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		piece := in[at:s.Offset()]
		if ev == xmltok.Space && piece[0] != '<' {
			blank = append(blank, piece...)
			continue
		}
		// A CR before a comment is an LF, whatever is behind that.
		out = append(out, strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(blank))...)
		blank = nil
		switch ev {
		case xmltok.Open:
			s.SkipComments(true)
			out = append(out, piece...)
		case xmltok.Element:
			out = append(out, s.Element().Raw...)
		case xmltok.Close:
			out = append(out, piece...)
		}
	}
}

// compareSkipped wants the same tree from in, of which encoding/xml drops comments
// and instructions, and doc, what a scanner made of it with the outcome whole;
// and that another scanner, which skips nothing, says the same about doc.
func compareSkipped(t *testing.T, in, doc []byte, whole string) {
	t.Helper()
	want, err := stdTree(withoutDeclaration(in))
	if err != nil {
		t.Fatalf("%q: encoding/xml refuses: %v", in, err)
	}
	got, err := stdTree(withoutDeclaration(doc))
	if got != want || err != nil {
		t.Errorf("%q\nwith nothing skipped is %q:\n%s %v\nwant %s", in, doc, got, err, want)
	}
	plain, err := outcome(bytes.NewReader(doc), fuzzLimits, false)
	if onlyContent(plain) != onlyContent(whole) || err != nil {
		t.Errorf("%q\ngives\n%s\nbut without what is skipped, %q,\n%s%v", in, whole, doc, plain, err)
	}
}

// onlyContent is an outcome without places and white space.
func onlyContent(s string) string {
	var b strings.Builder
	for line := range strings.Lines(s) {
		if !strings.HasPrefix(line, "at ") && line != "Space\n" {
			b.WriteString(line)
		}
	}
	return b.String()
}

// Skipping ends with the document, and begins behind the header.
func TestSkipOnlyInTheDocument(t *testing.T) {
	refused := func(s *xmltok.Scanner) {
		t.Helper()
		if _, err := s.Next(); classOf(err) != xmltok.Restricted {
			t.Errorf("got %v", err)
		}
	}
	s := xmltok.NewScanner(strings.NewReader("<!-- --><a>"), xmltok.Limits{})
	s.SkipComments(true)
	refused(s)

	s.ResetReader(strings.NewReader("<a><?x?><b/><c><!-- -->"))
	next(t, s, xmltok.Open)
	s.SkipComments(true)
	next(t, s, xmltok.Space)
	next(t, s, xmltok.Element)
	s.Restart()
	next(t, s, xmltok.Open)
	refused(s)

	s.ResetReader(strings.NewReader("<a></a><!-- -->"))
	next(t, s, xmltok.Open)
	s.SkipComments(true)
	next(t, s, xmltok.Close)
	refused(s)

	s.ResetReader(strings.NewReader("<a><?x?><?y?>"))
	next(t, s, xmltok.Open)
	s.SkipComments(true)
	next(t, s, xmltok.Space)
	if s.Offset() != 8 || s.Buffered() != 5 {
		t.Errorf("Offset %d, Buffered %d", s.Offset(), s.Buffered())
	}
	s.SkipComments(false)
	refused(s)
}

// Errors of the reader do no harm, and the end of the input is one in the middle
// of something.
func TestSkipErrorsOfTheReader(t *testing.T) {
	late := os.ErrDeadlineExceeded
	s := xmltok.NewScanner(&script{"<a>", late, "<!-- ", late, "x -", both{"->", late},
		"<b>1<", late, "?x ", late, "?>2</b", late, "><!-- x"}, xmltok.Limits{})
	next(t, s, xmltok.Open)
	s.SkipComments(true)
	for range 2 {
		nextErr(t, s, os.ErrDeadlineExceeded)
	}
	next(t, s, xmltok.Space)
	for range 4 {
		nextErr(t, s, os.ErrDeadlineExceeded)
	}
	next(t, s, xmltok.Element)
	if got := string(s.Element().Raw); got != "<b>12</b>" {
		t.Errorf("element %q", got)
	}
	nextErr(t, s, io.ErrUnexpectedEOF)

	for _, in := range []string{
		"<a><!", "<a><!-", "<a><!--", "<a><!-- -", "<a><?", "<a><?x", "<a><?xml", "<a><?x y?",
		"<a><b><!--", "<a><b><!----><c", "<a><b><?x",
	} {
		s := xmltok.NewScanner(strings.NewReader(in), xmltok.Limits{})
		next(t, s, xmltok.Open)
		s.SkipComments(true)
		nextErr(t, s, io.ErrUnexpectedEOF)
	}
	// A fault in a tag is found even if the tag has no end.
	s = xmltok.NewScanner(strings.NewReader("<a><b><!----><c'"), xmltok.Limits{})
	next(t, s, xmltok.Open)
	s.SkipComments(true)
	if _, err := s.Next(); err == nil || !strings.Contains(err.Error(), "no name where one must be") {
		t.Errorf("got %v", err)
	}
}

// Behind something skipped the scanner waits without a buffer, in it with one.
func TestSkipLazy(t *testing.T) {
	l := &lazy{parts: []string{"<a>", "<!-- ", "x -->", "wait", "<b><?x", " y?></b>", "wait", "<?x?>", "</a>"}}
	s := xmltok.NewScanner(l, xmltok.Limits{})
	next(t, s, xmltok.Open)
	s.SkipComments(true)
	next(t, s, xmltok.Space)
	nextErr(t, s, os.ErrDeadlineExceeded)
	next(t, s, xmltok.Element)
	nextErr(t, s, os.ErrDeadlineExceeded)
	next(t, s, xmltok.Space)
	next(t, s, xmltok.Close)
	const want = "ReadLazy ReadLazy Read ReadLazy ReadLazy Read ReadLazy ReadLazy ReadLazy"
	if got := strings.Join(l.calls, " "); got != want {
		t.Errorf("calls %s, want %s", got, want)
	}
}

// However many there are in an element, their bytes move once.
func TestSkipMany(t *testing.T) {
	const n = 700_000
	for _, one := range []string{"x<?a?>", "]<?a?>", "<b/><!---->"} {
		in := "<a>" + strings.Repeat(one, n) + "</a>"
		s := xmltok.NewScanner(strings.NewReader("<s>"+in+"<after/>"), xmltok.Limits{Element: -1, Children: -1})
		next(t, s, xmltok.Open)
		s.SkipComments(true)
		next(t, s, xmltok.Element)
		if e := s.Element(); bytes.Contains(e.Raw, []byte("<?")) || bytes.Contains(e.Raw, []byte("<!")) ||
			len(e.Inner) != len(e.Raw)-len("<a></a>") || len(e.Raw) < n {
			t.Errorf("%s: %d bytes, %d inside", one, len(e.Raw), len(e.Inner))
		}
		if s.Offset() != int64(len("<s>"+in)) {
			t.Errorf("%s: Offset %d", one, s.Offset())
		}
		next(t, s, xmltok.Element)
		s.Release()
	}
}

func TestSkipAllocations(t *testing.T) {
	const body = "<!-- x --><message to='d@e'><?x?><body>a]<!-- x -->></body></message><?x?> "
	r := &endless{head: xmltoktest.Header, body: body}
	s := xmltok.NewScanner(r, xmltok.Limits{})
	defer s.Release()
	next(t, s, xmltok.Open)
	s.SkipComments(true)
	read := func() {
		for range 100 {
			ev, err := s.Next()
			if err != nil {
				t.Fatal(err)
			}
			if ev == xmltok.Element && string(s.Element().Inner) != "<body>a&#93;></body>" {
				t.Fatalf("%q", s.Element().Inner)
			}
		}
	}
	read()
	if n := testing.AllocsPerRun(50, read); n > 0 {
		t.Errorf("%v allocations for 100 events", n)
	}
}
