package xmltok_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/etherx-go/xmpp/internal/xmltok"
	"github.com/etherx-go/xmpp/internal/xmltok/xmltoktest"
)

// outcome is all that a scanner says about an input, as text.
func outcome(r io.Reader, lim xmltok.Limits, utf16 bool) (string, error) {
	return outcomeOf(r, lim, utf16, false)
}

// outcomeOf is the outcome with comments skipped or not.
func outcomeOf(r io.Reader, lim xmltok.Limits, utf16, skip bool) (string, error) {
	s := xmltok.NewScanner(r, lim)
	defer s.Release()
	s.AcceptUTF16(utf16)
	var out strings.Builder
	closed := false
	for {
		ev, err := s.Next()
		switch {
		case err == io.EOF && !closed:
			return out.String(), errors.New("the document has no end")
		case err == io.EOF:
			return out.String(), nil
		case err != nil:
			return out.String(), err
		}
		switch ev {
		case xmltok.Open:
			fmt.Fprintf(&out, "Open %s\n", tagString(s.Root()))
			s.SkipComments(skip)
		case xmltok.Element:
			fmt.Fprintf(&out, "Element %s\n", elemString(s.Element()))
		case xmltok.Close:
			closed = true
			out.WriteString("Close\n")
		case xmltok.Space:
			if s := out.String(); !strings.HasSuffix(s, "Space\n") {
				out.WriteString("Space\n")
			}
		}
		if ev != xmltok.Space {
			fmt.Fprintf(&out, "at %d\n", s.Offset())
		}
	}
}

func attrsString(as []xmltok.Attr) string {
	var b strings.Builder
	for _, a := range as {
		fmt.Fprintf(&b, " %s|%s|%s=%q(%s,%v,%q)", a.NS, a.Prefix, a.Name, a.Append(nil), a.Value, a.Escaped, a.Raw)
	}
	return b.String()
}

func tagString(t *xmltok.Tag) string {
	return fmt.Sprintf("%s|%s|%s%s default=%s bindings=%q decl=%+v raw=%q", t.NS, t.Prefix, t.Name, attrsString(t.Attrs), t.Default, t.Bindings, t.Declaration, t.Raw)
}

func elemString(e *xmltok.Elem) string {
	return fmt.Sprintf("%s|%s|%s%s flags=%b elements=%d first=%s|%s|%s inner=%q raw=%q",
		e.NS, e.Prefix, e.Name, attrsString(e.Attrs), e.Flags, e.Elements, e.FirstChild.NS, e.FirstChild.Prefix, e.FirstChild.Name, e.Inner, e.Raw)
}

// pieces cuts its input as it likes, by a seed.
type pieces struct {
	s    string
	rand *rand.Rand
	max  int
}

func (p *pieces) Read(b []byte) (int, error) {
	if p.s == "" {
		return 0, io.EOF
	}
	n := min(1+p.rand.IntN(p.max), len(p.s))
	n = copy(b, p.s[:n])
	p.s = p.s[n:]
	return n, nil
}

// classOf is the class of an error: that of bad input, or not well-formed for
// an input that ends too soon.
func classOf(err error) xmltok.Class {
	var e *xmltok.Error
	switch {
	case err == nil:
		return 0
	case errors.As(err, &e):
		return e.Class
	}
	return xmltok.NotWellFormed
}

// differ says how the outcome of an input cut up differs from that of the whole.
func differ(t *testing.T, how, input, whole string, wholeErr error, cut string, cutErr error) {
	t.Helper()
	if whole != cut || fmt.Sprint(wholeErr) != fmt.Sprint(cutErr) {
		t.Errorf("%s: %.300q\ngives\n%.2000s%v\ninstead of\n%.2000s%v", how, input, cut, cutErr, whole, wholeErr)
	}
}

func TestCases(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed of the cuts: %d", seed)
	ill := 0
	for _, c := range xmltoktest.Cases() {
		if !c.WellFormed {
			ill++
		}
		t.Run(c.Name, func(t *testing.T) {
			whole, err := outcome(strings.NewReader(c.Input), xmltok.Limits{}, false)
			if got := classOf(err); got != c.Class {
				t.Fatalf("%.200q: %v, want class %v", c.Input, err, c.Class)
			}
			cut, cutErr := outcome(iotest.OneByteReader(strings.NewReader(c.Input)), xmltok.Limits{}, false)
			differ(t, "byte by byte", c.Input, whole, err, cut, cutErr)
			for k := range uint64(5) {
				r := &pieces{c.Input, rand.New(rand.NewPCG(seed, k)), 1 << (2 * k)}
				cut, cutErr := outcome(r, xmltok.Limits{}, false)
				differ(t, fmt.Sprintf("in pieces of at most %d", r.max), c.Input, whole, err, cut, cutErr)
			}
		})
	}
	if ill < 60 {
		t.Errorf("only %d ill-formed cases", ill)
	}
}

// What requirements.md asks of a scanner, by id.
func TestReq(t *testing.T) {
	const ns = " xmlns='jabber:client' xmlns:%s='http://etherx.jabber.org/streams'>"
	for _, c := range []struct {
		id, name, in string
		class        xmltok.Class
		want         string // part of the outcome
	}{
		{"CORE-4.1-1", "no XML declaration", "<a></a>", 0, "Close"},
		{"CORE-4.1-1", "XML declaration", "<?xml version='1.0' encoding='UTF-8'?><a></a>", 0, "decl={Version:1.0 Encoding:UTF-8"},
		{"CORE-4.1-3", "any prefix", "<foo:stream" + fmt.Sprintf(ns, "foo") + "</foo:stream>", 0, "Open http://etherx.jabber.org/streams|foo|stream"},
		{"CORE-4.1-3", "no prefix", "<stream xmlns='http://etherx.jabber.org/streams'><iq xmlns='jabber:client'/></stream>", 0, "Element jabber:client||iq"},
		{"CORE-4.1-4", "a stanza is a child of the root", "<s><a><a></a></a><b/></s>", 0, `raw="<a><a></a></a>"`},
		{"CORE-4.1-5", "CDATA", "<s><a><![CDATA[<b>]]></a></s>", 0, `inner="<![CDATA[<b>]]>"`},
		{"CORE-4.1-6", "the end", "<s></s>", 0, "Close\nat 7"},
		{"CORE-4.2-1", "comment", "<s><!-- x --></s>", xmltok.Restricted, ""},
		{"CORE-4.2-1", "processing instruction", "<s><?x?></s>", xmltok.Restricted, ""},
		{"CORE-4.2-1", "entity", "<s><a>&x;</a></s>", xmltok.Restricted, ""},
		{"CORE-4.2-1", "DTD", "<!DOCTYPE s><s></s>", xmltok.Restricted, ""},
		{"CORE-7.2-1", "namespaces", "<s xmlns:p='u'><p:a/></s>", 0, "Element u|p|a"},
		{"CORE-7.3-1", "namespace-well-formed", "<s><p:a/></s>", xmltok.NotWellFormed, ""},
		{"CORE-7.4-1", "other encoding", "<?xml version='1.0' encoding='ISO-8859-1'?><s></s>", xmltok.Encoding, ""},
		{"CORE-B.1-1", "white space between stanzas", "<s> <a/>\n</s>", 0, "Space"},
	} {
		t.Run(c.id+" "+c.name, func(t *testing.T) {
			got, err := outcome(strings.NewReader(c.in), xmltok.Limits{}, false)
			if classOf(err) != c.class || !strings.Contains(got, c.want) {
				t.Errorf("%s: %s%v", c.in, got, err)
			}
		})
	}
}
