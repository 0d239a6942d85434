package xmltok_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/etherx-go/xmpp/internal/xmltok"
	"github.com/etherx-go/xmpp/internal/xmltok/xmltoktest"
)

// next wants an event.
func next(t *testing.T, s *xmltok.Scanner, want xmltok.Event) {
	t.Helper()
	if ev, err := s.Next(); ev != want || err != nil {
		t.Fatalf("Next = %v, %v; want %v", ev, err, want)
	}
}

// nextErr wants an error.
func nextErr(t *testing.T, s *xmltok.Scanner, want error) {
	t.Helper()
	if ev, err := s.Next(); ev != xmltok.None || !errors.Is(err, want) {
		t.Fatalf("Next = %v, %v; want %v", ev, err, want)
	}
}

// script is a reader that returns what it was told to, one at a time: strings,
// errors, or a string with an error.
type script []any

type both struct {
	s   string
	err error
}

func (r *script) Read(p []byte) (int, error) {
	if len(*r) == 0 {
		return 0, io.EOF
	}
	x := (*r)[0]
	*r = (*r)[1:]
	var rest string
	var n int
	var err error
	switch x := x.(type) {
	case error:
		return 0, x
	case string:
		n = copy(p, x)
		rest = x[n:]
	case both:
		n = copy(p, x.s)
		if rest = x.s[n:]; rest == "" {
			return n, x.err
		}
		*r = append(script{both{rest, x.err}}, *r...)
		return n, nil
	}
	if rest != "" {
		*r = append(script{rest}, *r...)
	}
	return n, err
}

func TestErrorsOfTheReaderAreNotSticky(t *testing.T) {
	s := xmltok.NewScanner(&script{
		os.ErrDeadlineExceeded, "<a", os.ErrDeadlineExceeded, both{"><b", os.ErrDeadlineExceeded}, ">text",
		both{"more</b", os.ErrDeadlineExceeded}, os.ErrDeadlineExceeded, "> ", io.ErrClosedPipe, "</a>",
	}, xmltok.Limits{})
	nextErr(t, s, os.ErrDeadlineExceeded)
	nextErr(t, s, os.ErrDeadlineExceeded)
	next(t, s, xmltok.Open)
	nextErr(t, s, os.ErrDeadlineExceeded)
	nextErr(t, s, os.ErrDeadlineExceeded)
	nextErr(t, s, os.ErrDeadlineExceeded)
	next(t, s, xmltok.Element)
	if got := string(s.Element().Raw); got != "<b>textmore</b>" {
		t.Errorf("element %q", got)
	}
	next(t, s, xmltok.Space)
	nextErr(t, s, io.ErrClosedPipe)
	next(t, s, xmltok.Close)
	nextErr(t, s, io.EOF)
	nextErr(t, s, io.EOF)
}

func TestEndOfInput(t *testing.T) {
	for input, want := range map[string]error{
		"": io.EOF, " ": io.EOF, "<a>": io.EOF, "<a> ": io.EOF, "<a><b/>": io.EOF, "<a/>": io.EOF, "<a></a>\n": io.EOF,
		"<": io.ErrUnexpectedEOF, "<a": io.ErrUnexpectedEOF, "<?xml version='1.0'": io.ErrUnexpectedEOF,
		"<a><": io.ErrUnexpectedEOF, "<a><b": io.ErrUnexpectedEOF, "<a><b>": io.ErrUnexpectedEOF, "<a><b>x": io.ErrUnexpectedEOF,
		"<a><b>&am": io.ErrUnexpectedEOF, "<a><b>\xC3": io.ErrUnexpectedEOF, "<a><b><![CDATA[]]": io.ErrUnexpectedEOF,
		"<a><b c='": io.ErrUnexpectedEOF, "<a></": io.ErrUnexpectedEOF, "<a></a": io.ErrUnexpectedEOF, "<a></a><": io.ErrUnexpectedEOF,
		"\xEF\xBB": io.ErrUnexpectedEOF,
	} {
		for _, r := range []io.Reader{strings.NewReader(input), &oneByte{input}, iotest.DataErrReader(strings.NewReader(input))} {
			s := xmltok.NewScanner(r, xmltok.Limits{})
			var err error
			for err == nil {
				_, err = s.Next()
			}
			if !errors.Is(err, want) || want == io.EOF && err != io.EOF {
				t.Errorf("%q: %v, want %v", input, err, want)
			}
		}
	}
}

// A fault in an unfinished tag is found at the end of the input, if not before.
func TestFaultBeforeTheEnd(t *testing.T) {
	for _, input := range []string{"<a'", "<a><b'", "<a><b 1", "<a><b></c", "<a></b"} {
		for _, r := range []io.Reader{strings.NewReader(input), &oneByte{input}} {
			s := xmltok.NewScanner(r, xmltok.Limits{})
			var err error
			for err == nil {
				_, err = s.Next()
			}
			if e := (*xmltok.Error)(nil); !errors.As(err, &e) || e.Class != xmltok.NotWellFormed {
				t.Errorf("%q: %v", input, err)
			}
		}
	}
}

func TestErrorIsSticky(t *testing.T) {
	s := xmltok.NewScanner(strings.NewReader("<a><b/><c></d><e/></a>"), xmltok.Limits{})
	next(t, s, xmltok.Open)
	next(t, s, xmltok.Element)
	_, err := s.Next()
	var e *xmltok.Error
	if !errors.As(err, &e) || e.Offset != 12 || e.Class != xmltok.NotWellFormed {
		t.Fatal(err)
	}
	if want := "xmltok: not well-formed: end tag does not match the start tag (byte 12)"; err.Error() != want {
		t.Errorf("error %q", err)
	}
	if _, again := s.Next(); again != err {
		t.Errorf("then %v", again)
	}
	s.Restart()
	if _, again := s.Next(); again != err {
		t.Errorf("after Restart %v", again)
	}
	s.ResetReader(strings.NewReader("<a/>"))
	next(t, s, xmltok.Open)
}

func TestNoProgress(t *testing.T) {
	r := script{"<a>"}
	for range 99 {
		r = append(r, "")
	}
	r = append(r, "<b/>")
	for range 100 {
		r = append(r, "")
	}
	r = append(r, "</a>")
	s := xmltok.NewScanner(&r, xmltok.Limits{})
	next(t, s, xmltok.Open)
	next(t, s, xmltok.Element)
	nextErr(t, s, io.ErrNoProgress)
	next(t, s, xmltok.Close)
}

func TestRestart(t *testing.T) {
	s := xmltok.NewScanner(strings.NewReader("<a xmlns='1'><auth/><?xml version='1.0'?><b xmlns='2'><c/></b> "), xmltok.Limits{})
	next(t, s, xmltok.Open)
	next(t, s, xmltok.Element)
	if s.Buffered() != len("<?xml version='1.0'?><b xmlns='2'><c/></b> ") || s.Offset() != 20 {
		t.Errorf("Buffered %d, Offset %d", s.Buffered(), s.Offset())
	}
	s.Restart()
	next(t, s, xmltok.Open)
	if string(s.Root().Name) != "b" || string(s.Root().Default) != "2" {
		t.Errorf("root %s in %s", s.Root().Name, s.Root().Default)
	}
	next(t, s, xmltok.Element)
	if e := s.Element(); string(e.Name) != "c" || string(e.NS) != "2" {
		t.Errorf("element %s in %s", e.Name, e.NS)
	}
	next(t, s, xmltok.Close)
	s.Restart()
	nextErr(t, s, io.EOF)
}

func TestResetReader(t *testing.T) {
	s := xmltok.NewScanner(strings.NewReader("<a><starttls/><injected/>"), xmltok.Limits{})
	next(t, s, xmltok.Open)
	next(t, s, xmltok.Element)
	if got := s.Buffered(); got != len("<injected/>") {
		t.Errorf("Buffered = %d", got)
	}
	s.ResetReader(strings.NewReader("<b><c/></b>"))
	if s.Buffered() != 0 || s.Offset() != 0 || s.Root() != nil || s.Element() != nil {
		t.Error("something is left")
	}
	next(t, s, xmltok.Open)
	next(t, s, xmltok.Element)
	if string(s.Element().Name) != "c" {
		t.Errorf("element %s", s.Element().Name)
	}
	s.Release()
	if _, err := s.Next(); err == nil {
		t.Error("Next after Release")
	}
	s.Release()
}

func TestAfterClose(t *testing.T) {
	for _, end := range []string{"<a/>", "<a></a>"} {
		s := xmltok.NewScanner(strings.NewReader(end+" \n"), xmltok.Limits{})
		next(t, s, xmltok.Open)
		next(t, s, xmltok.Close)
		nextErr(t, s, io.EOF)
	}
}

func TestSetLimits(t *testing.T) {
	s := xmltok.NewScanner(strings.NewReader("<a><b><c/></b><b><c/></b></a>"), xmltok.Limits{})
	next(t, s, xmltok.Open)
	next(t, s, xmltok.Element)
	s.SetLimits(xmltok.Limits{Depth: 1})
	var e *xmltok.Error
	if _, err := s.Next(); !errors.As(err, &e) || e.Class != xmltok.Limit {
		t.Errorf("got %v", err)
	}
}

func TestLimits(t *testing.T) {
	children := func(n int) string { return "<a>" + strings.Repeat("<b/>", n) + "</a>" }
	attrs := func(n int) string {
		s := "<a"
		for k := range n {
			s += fmt.Sprintf(" a%d=''", k)
		}
		return s + "/>"
	}
	binds := func(n int) string {
		s, end := "", ""
		for k := range n {
			s += fmt.Sprintf("<a xmlns:p%d='u'>", k)
			end += "</a>"
		}
		return s + end
	}
	for _, c := range []struct {
		name     string
		lim      xmltok.Limits
		in, over string
	}{
		{"element", xmltok.Limits{Element: 1000}, "<a>" + strings.Repeat("x", 993) + "</a>", "<a>" + strings.Repeat("x", 994) + "</a>"},
		{"element, in CDATA", xmltok.Limits{Element: 100}, "<a><![CDATA[" + strings.Repeat("x", 81) + "]]></a>", "<a><![CDATA[" + strings.Repeat("x", 82) + "]]></a>"},
		{"element, in a tag", xmltok.Limits{Element: 100, Tag: 1000}, "<a b='" + strings.Repeat("x", 91) + "'/>", "<a b='" + strings.Repeat("x", 92) + "'/>"},
		{"default element", xmltok.Limits{}, "<a>" + strings.Repeat("x", 256<<10-7) + "</a>", "<a>" + strings.Repeat("x", 256<<10-6) + "</a>"},
		{"large element", xmltok.Limits{Element: 6 << 20}, "<a>" + strings.Repeat("x", 6<<20-7) + "</a>", "<a>" + strings.Repeat("x", 6<<20-6) + "</a>"},
		{"tag", xmltok.Limits{Tag: 200}, "<a b='" + strings.Repeat("x", 191) + "'/>", "<a b='" + strings.Repeat("x", 192) + "'/>"},
		{"tag inside", xmltok.Limits{Tag: 200}, "<b><a b='" + strings.Repeat(">", 191) + "'/></b>", "<b><a b='" + strings.Repeat(">", 192) + "'/></b>"},
		{"end tag", xmltok.Limits{Tag: 200}, "<b></b" + strings.Repeat(" ", 196) + ">", "<b></b" + strings.Repeat(" ", 197) + ">"},
		{"depth", xmltok.Limits{Depth: 3}, "<a><a><a/><a></a></a></a>", "<a><a><a><a/></a></a></a>"},
		{"attributes", xmltok.Limits{Attrs: 100}, attrs(100), attrs(101)},
		{"attributes of a child", xmltok.Limits{Attrs: 5}, "<b a='1'>" + attrs(5) + "</b>", "<b>" + attrs(6) + "</b>"},
		{"many attributes", xmltok.Limits{Attrs: 5000}, attrs(1024), attrs(1025)},
		{"children", xmltok.Limits{Children: 10}, children(10), children(11)},
		{"children of children", xmltok.Limits{Children: 10}, "<a><b><c/><c/></b>" + children(6) + "</a>", "<a><b><c/><c/></b>" + children(8) + "</a>"},
		{"prefixes", xmltok.Limits{Attrs: 5}, binds(19), binds(20)}, // one is the header's
	} {
		t.Run(c.name, func(t *testing.T) {
			for k := range 3 {
				for _, over := range []bool{false, true} {
					in := c.in
					if over {
						in = c.over
					}
					if k == 1 && len(in) > 1<<20 {
						continue // takes long
					}
					in = "<s xmlns:s='urn:s'>" + in + "<after/>"
					var r io.Reader = strings.NewReader(in)
					switch k {
					case 1:
						r = iotest.OneByteReader(r)
					case 2:
						r = iotest.HalfReader(r)
					}
					s := xmltok.NewScanner(r, c.lim)
					next(t, s, xmltok.Open)
					ev, err := s.Next()
					var e *xmltok.Error
					switch {
					case !over && (ev != xmltok.Element || err != nil):
						t.Errorf("reader %d, within: %v, %v", k, ev, err)
					case !over && string(s.Element().Raw) != c.in:
						t.Errorf("reader %d: other bytes", k)
					case over && (!errors.As(err, &e) || e.Class != xmltok.Limit):
						t.Errorf("reader %d, above: %v, %v", k, ev, err)
					}
					s.Release()
				}
			}
		})
	}
	t.Run("fault beyond a limit", func(t *testing.T) {
		for _, in := range []string{"<a>xxxxxxxxxx\x01</a>", "<a b='xxxxxxxxxxx<'/>", "<a><b></c></a>"} {
			for _, r := range []io.Reader{strings.NewReader("<s>" + in), &oneByte{"<s>" + in}} {
				_, err := outcome(r, xmltok.Limits{Element: 8}, false)
				if e := (*xmltok.Error)(nil); !errors.As(err, &e) || e.Class != xmltok.Limit || e.Offset != 3+8 {
					t.Errorf("%q: %v", in, err)
				}
			}
		}
	})
	t.Run("none", func(t *testing.T) {
		in := "<a>" + strings.Repeat("<b/>", 300_000) + "</a>"
		s := xmltok.NewScanner(strings.NewReader("<s>"+in), xmltok.Limits{Element: -1, Children: -1})
		next(t, s, xmltok.Open)
		next(t, s, xmltok.Element)
		if e := s.Element(); len(e.Raw) != len(in) || e.Elements != 300_000 {
			t.Errorf("%d bytes, %d elements", len(e.Raw), e.Elements)
		}
	})
}

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		in    string
		class xmltok.Class
	}{
		{"<a/>", 0}, {"<a b='1'>x<c xmlns='y'/></a>", 0}, {"<p:a xmlns:p='1'/>", 0}, {"<a>" + strings.Repeat("x", 1990) + "</a>", 0},
		{"", xmltok.NotWellFormed}, {"<", xmltok.NotWellFormed}, {"x", xmltok.NotWellFormed}, {" <a/>", xmltok.NotWellFormed},
		{"<a/> ", xmltok.NotWellFormed}, {"<a/><b/>", xmltok.NotWellFormed}, {"<a>", xmltok.NotWellFormed}, {"<a", xmltok.NotWellFormed},
		{"<a'", xmltok.NotWellFormed}, {"</a>", xmltok.NotWellFormed}, {"<a></b>", xmltok.NotWellFormed},
		{"<stream:a/>", xmltok.NotWellFormed}, {"<a><p:b/></a>", xmltok.NotWellFormed}, {"<a><![CDATA[</a>", xmltok.NotWellFormed},
		{"<?xml version='1.0'?><a/>", xmltok.NotWellFormed}, {"<![CDATA[]]>", xmltok.NotWellFormed}, {"<!-- --><a/>", xmltok.Restricted},
		{"<?p?><a/>", xmltok.Restricted}, {"<a>\xFF</a>", xmltok.Encoding}, {"\xFF", xmltok.Encoding}, {"<a/>\xFF", xmltok.Encoding}, {"\x00", xmltok.NotWellFormed},
		{"<a>" + strings.Repeat("x", 1994) + "</a>", xmltok.Limit}, {"<a><b><c><d/></c></b></a>", xmltok.Limit},
	} {
		err := xmltok.Check([]byte(c.in), xmltok.Limits{Element: 2000, Depth: 3})
		if got := classOf(err); got != c.class {
			t.Errorf("%.60q: %v, want class %v", c.in, err, c.class)
		}
		if e := (*xmltok.Error)(nil); err != nil && !errors.As(err, &e) {
			t.Errorf("%.60q: %v is no *Error", c.in, err)
		}
	}
}

func TestStrings(t *testing.T) {
	var got []string
	for c := xmltok.Class(1); c < 7; c++ {
		got = append(got, c.String())
	}
	for e := xmltok.None; e < 6; e++ {
		got = append(got, e.String())
	}
	want := "not well-formed,restricted XML,bad encoding,limit exceeded,not an XML stream,class 6,None,Open,Element,Space,Close,None"
	if s := strings.Join(got, ","); s != want {
		t.Errorf("got %s", s)
	}
}

// lazy is a reader with ReadLazy.
type lazy struct {
	parts []string
	calls []string
}

func (l *lazy) Read(p []byte) (int, error) {
	l.calls = append(l.calls, "Read")
	return l.take(p)
}

func (l *lazy) ReadLazy(alloc func() []byte, free func()) (int, error) {
	l.calls = append(l.calls, "ReadLazy")
	if len(l.parts) == 0 {
		return 0, io.EOF
	}
	switch l.parts[0] {
	case "wait":
		l.parts = l.parts[1:]
		return 0, os.ErrDeadlineExceeded
	case "fail":
		alloc()
		l.parts = l.parts[1:]
		return 0, os.ErrDeadlineExceeded
	case "try":
		alloc()
		free()
		l.parts = l.parts[1:]
	}
	return l.take(alloc())
}

func (l *lazy) take(p []byte) (int, error) {
	if len(l.parts) == 0 {
		return 0, io.EOF
	}
	n := copy(p, l.parts[0])
	if l.parts[0] = l.parts[0][n:]; l.parts[0] == "" {
		l.parts = l.parts[1:]
	}
	return n, nil
}

func TestReadLazy(t *testing.T) {
	l := &lazy{parts: []string{"wait", "<a><b>", "x</b>", "wait", "try", "<c/>", "fail", "</a>"}}
	s := xmltok.NewScanner(l, xmltok.Limits{})
	nextErr(t, s, os.ErrDeadlineExceeded)
	next(t, s, xmltok.Open)
	next(t, s, xmltok.Element)
	nextErr(t, s, os.ErrDeadlineExceeded)
	next(t, s, xmltok.Element)
	nextErr(t, s, os.ErrDeadlineExceeded)
	next(t, s, xmltok.Close)
	nextErr(t, s, io.EOF)
	if got, want := strings.Join(l.calls, " "), "ReadLazy ReadLazy Read ReadLazy ReadLazy ReadLazy ReadLazy ReadLazy"; got != want {
		t.Errorf("calls %s, want %s", got, want)
	}
}

// A stanza costs no allocation, be it with or without prefixes and escapes.
func TestAllocations(t *testing.T) {
	r := &endless{head: xmltoktest.Header, body: "<message from='a@b/c' to='d@e' xml:lang='en' id='x&amp;y'>" +
		"<body>Grüße &amp; 1 &gt; 0</body><p:x xmlns:p='urn:p&amp;' p:y='1'/><stream:z/></message>"}
	s := xmltok.NewScanner(r, xmltok.Limits{})
	defer s.Release()
	read := func() {
		for range 100 {
			ev, err := s.Next()
			if err != nil {
				t.Fatal(err)
			}
			if ev == xmltok.Element && len(s.Element().Attrs) != 4 {
				t.Fatal(s.Element().Attrs)
			}
		}
	}
	read()
	if n := testing.AllocsPerRun(50, read); n > 0 {
		t.Errorf("%v allocations for 100 stanzas", n)
	}
}

// endless is a reader of head and then body again and again, that never stops
// where body does, so that no buffer goes back to the pool.
type endless struct {
	head, body string
	at         int
}

func (e *endless) Read(p []byte) (int, error) {
	n := min(len(p), 700)
	for k := range n {
		at := e.at
		if e.at++; at < len(e.head) {
			p[k] = e.head[at]
			continue
		}
		p[k] = e.body[(at-len(e.head))%len(e.body)]
	}
	if n > 1 && e.at > len(e.head) && (e.at-len(e.head))%len(e.body) == 0 {
		n--
		e.at--
	}
	return n, nil
}

func TestPeek(t *testing.T) {
	s := xmltok.NewScanner(&script{"<a>", "<b/>", "<?xm", os.ErrDeadlineExceeded, "l version='1.0'?><c>"}, xmltok.Limits{})
	next(t, s, xmltok.Open)
	next(t, s, xmltok.Element)
	if _, err := s.Peek(5); err != os.ErrDeadlineExceeded {
		t.Errorf("got %v", err)
	}
	if b, err := s.Peek(5); !bytes.HasPrefix(b, []byte("<?xml")) || err != nil {
		t.Errorf("got %q, %v", b, err)
	}
	s.Restart()
	next(t, s, xmltok.Open)
	if b, err := s.Peek(0); len(b) > 0 || err != nil {
		t.Errorf("got %q, %v", b, err)
	}
	if _, err := s.Peek(1); err != io.EOF {
		t.Errorf("got %v", err)
	}
	s.Release()
	if _, err := s.Peek(1); err == nil {
		t.Error("no error after Release")
	}
	s.ResetReader(strings.NewReader("<a><b/>"))
	if b, err := s.Peek(4); string(b) != "<a><b/>" || err != nil {
		t.Errorf("got %q, %v", b, err)
	}
}
