package xmltok

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// A peer that sends byte by byte must not make the scanner look at the same
// bytes again and again. So wherever it stops for more, the place from which it
// will go on is near the end of what it has, and a tag is only read once more
// when its end is there. What bytes are moved in the buffer is counted, too.
func TestReadingIsLinear(t *testing.T) {
	const near = maxReference + 16
	big := func(s string) string { return strings.Repeat(s, 60_000/len(s)) }
	const head = "<s xmlns:p='u'>"
	for name, in := range map[string]string{
		"text":              head + "<a>" + big("x") + "</a>",
		"text of brackets":  head + "<a>" + big("]") + "</a>",
		"wide text":         head + "<a>" + big("é€𝄞") + "</a>",
		"references":        head + "<a>" + big("&#000000000000000065;&amp;") + "</a>",
		"CDATA":             head + "<a><![CDATA[" + big("]]x") + "]]></a>",
		"CDATA of brackets": head + "<a><![CDATA[" + big("]") + "]]></a>",
		"many CDATA":        head + "<a>" + big("<![CDATA[]]>") + "</a>",
		"value":             head + "<a b='" + big("x") + "'/>",
		"value of >":        head + "<a b='" + big(">") + "'/>",
		"value of quotes":   head + "<a b='" + big(`"`) + "'/>",
		"value of entities": head + "<a b='" + big("&amp;") + "'/>",
		"space in a tag":    head + "<a" + big(" ") + "/>",
		"long name":         head + "<a" + big("b") + "></a" + big("b") + ">",
		"long wide name":    head + "<a" + big("é") + "></a" + big("é") + ">",
		"long prefix":       head + "<p:a" + big("b") + "/>",
		"space in end tag":  head + "<a></a" + big(" ") + ">",
		"many children":     head + "<a>" + big("<b c='d'>e</b>") + "</a>",
		"deep":              head + strings.Repeat("<a>", 100) + big("x") + strings.Repeat("</a>", 100),
		"header":            "<s a='" + big("x") + "'>",
		"end of the root":   "<s></s" + big(" ") + ">",
		"declaration":       "<?xml version='1.0'" + strings.Repeat(" ", 1000) + "?><s>",
		"white space":       big(" ") + "<s>" + big(" "),
		"after the root":    "<s/>" + big(" "),
		"comment":           head + "<a><!--" + big("x") + "--></a>",
		"comment of -":      head + "<a><!--" + big("- ") + "--></a>",
		"wide comment":      head + "<a><!--" + big("é€𝄞") + "--></a>",
		"instruction of ?":  head + "<a><?x " + big("?") + "?></a>",
		"long target":       head + "<a><?x" + big("x") + "?></a>",
		"long wide target":  head + "<a><?x" + big("é") + "?></a>",
		"many comments":     head + "<a>" + big("x<!---->") + "</a>",
		"many instructions": head + "<a>" + big("<?x?>") + "</a>",
		"top comment":       head + "<!--" + big("-x é") + "-->",
		"top target":        head + "<?x" + big("é") + "?>",
		"top comments":      head + big("<!----> <?x?>"),
		"unfinished one":    head + "<a><!--" + big("x"),
		"unfinished":        head + "<a b='" + big("x"),
	} {
		t.Run(name, func(t *testing.T) {
			s := NewScanner(iotest.OneByteReader(strings.NewReader(in)), Limits{})
			defer s.Release()
			again, moved, total := 0, 0, 0
			for {
				s.consume()
				var wasInTag bool
				if s.w != nil {
					wasInTag = s.w.mode == inTag
				}
				ev := s.step()
				if s.err != nil {
					t.Fatal(s.err)
				}
				s.SkipComments(s.root != nil)
				if wasInTag && (ev != None || s.w.mode != inTag) {
					again++
				}
				if ev != None {
					continue
				}
				if n := s.in.end - s.in.pos; n-resume(s) > near {
					t.Fatalf("of %d bytes the scanner will look at all from %d on again", n, resume(s))
				}
				pos, buf, n := s.in.pos, s.in.buf, s.in.end-s.in.pos
				if err := s.in.fill(); errors.Is(err, io.EOF) {
					break
				}
				total++
				if s.in.pos != pos || s.in.buf != buf {
					moved += n
				}
			}
			if total != len(in) {
				t.Errorf("%d bytes read, not %d", total, len(in))
			}
			if tags := strings.Count(in, "<"); again > tags {
				t.Errorf("%d tags, but %d times one was read again", tags, again)
			}
			if moved > 2*len(in) {
				t.Errorf("%d bytes moved for %d", moved, len(in))
			}
		})
	}
}

// resume is the place from which the scanner will go on.
func resume(s *Scanner) int {
	switch s.state {
	case inElement, inCutElement, inHeader:
		if m := s.w.mode; m == inTag || m >= inComment {
			return s.w.search
		}
		return s.w.i
	case inMisc:
		return s.w.search
	case inEnd, atDecl:
		return s.search
	}
	return 0
}

// No buffer is held between elements, none is lost, and none is used twice.
func TestBuffersGoBack(t *testing.T) {
	in := "<s><a>" + strings.Repeat("x", 100_000) + "</a>"
	s := NewScanner(strings.NewReader(in), Limits{})
	if s.in.buf != nil || s.w != nil {
		t.Error("memory before the first byte")
	}
	for _, want := range []Event{Open, Element} {
		if ev, err := s.Next(); ev != want {
			t.Fatal(ev, err)
		}
	}
	if s.in.buf == nil || len(s.in.buf.data) < 100_000 {
		t.Error("no large buffer")
	}
	if _, err := s.Next(); err != io.EOF {
		t.Fatal(err)
	}
	if s.in.buf != nil || s.w != nil {
		t.Error("memory while it waits")
	}
}

// Of an endless comment between elements little is kept, and between it and the
// next thing no buffer is held.
func TestSkippedIsNotKept(t *testing.T) {
	for name, head := range map[string]string{"comment": "<s><!--", "instruction": "<s><?x ", "target": "<s><?x"} {
		read, stop := 0, 10<<20
		s := NewScanner(readerFunc(func(p []byte) (int, error) {
			if read += len(p); read > stop {
				return 0, io.EOF
			}
			n := copy(p, head)
			head = head[n:]
			for k := range p[n:] {
				p[n+k] = 'x'
			}
			return len(p), nil
		}), Limits{Element: -1})
		if _, err := s.Next(); err != nil {
			t.Fatal(name, err)
		}
		s.SkipComments(true)
		s.consume()
		for {
			if ev := s.step(); ev != None || s.err != nil {
				t.Fatal(name, ev, s.err)
			}
			if n := s.in.end - s.in.pos; n != 1 {
				t.Fatalf("%s: %d bytes are kept", name, n)
			}
			if len(s.in.buf.data) > minBuffer<<(2*busyClass) {
				t.Fatalf("%s: buffer of %d bytes", name, len(s.in.buf.data))
			}
			if err := s.in.fill(); err != nil {
				break
			}
		}
		if read <= stop {
			t.Errorf("%s: stopped after %d bytes", name, read)
		}
		s.Release()
	}

	s := NewScanner(iotest.OneByteReader(strings.NewReader("<s><!-- x --><a><?x?></a>")), Limits{})
	for _, want := range []Event{Open, Space, Element} {
		if ev, err := s.Next(); ev != want {
			t.Fatal(ev, err)
		}
		s.SkipComments(true)
	}
	if _, err := s.Next(); err != io.EOF || s.in.buf != nil || s.w != nil {
		t.Error(err, "memory while it waits")
	}
}

func TestPutWorkForgetsMuch(t *testing.T) {
	w := getWork()
	w.open = make([]open, keepOpen+1)
	w.attrs = make([]attr, keepAttrs+1)
	w.elemAttrs = make([]Attr, 1)
	w.arena = make([]byte, keepArena+1)
	w.binds = make([]binding, keepOpen+1)
	w.elem.Raw = w.arena
	putWork(w)
	if w.open != nil || w.attrs != nil || w.elemAttrs != nil || w.arena != nil || w.binds != nil || w.elem.Raw != nil {
		t.Errorf("%+v", w)
	}
}

// A reader that breaks its contract is found out.
func TestImpossibleReader(t *testing.T) {
	reads := 0
	for name, read := range map[string]readerFunc{
		"negative":        func(p []byte) (int, error) { return -1, nil },
		"too much":        func(p []byte) (int, error) { return copy(p, "<a>") + len(p), nil },
		"too much, later": func(p []byte) (int, error) { return copy(p, "<a>") + len(p) - min(len(p), 2), nil },
		"too much of UTF-16": func(p []byte) (int, error) {
			reads++
			p[0] = "\xFE\xFF "[min(reads, 3)-1]
			if reads < 3 {
				return 1, nil
			}
			return len(p) + 1, nil
		},
	} {
		s := NewScanner(read, Limits{})
		s.AcceptUTF16(true)
		var err error
		for range 3 {
			if _, err = s.Next(); err != nil {
				break
			}
		}
		if err != errCount {
			t.Errorf("%s: %v", name, err)
		}
		s.Release()
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
