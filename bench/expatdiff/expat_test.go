//go:build expat && cgo

package expatdiff

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/etherx-go/xmpp/bench/corpus"
	"github.com/etherx-go/xmpp/internal/xmltok"
	"github.com/etherx-go/xmpp/internal/xmltok/xmltoktest"
)

var (
	mutationsFlag = flag.Int("mutations", 20_000, "how many mutated streams TestMutations tries")
	seedFlag      = flag.Uint64("seed", 1, "what TestMutations starts from")
)

// excused reports whether we refuse with err, by intent, what libexpat may take. These
// are all differences there are:
//
//   - Restricted: comments, processing instructions, document type declarations and
//     entities other than the five (RFC 6120 section 11.1).
//   - BadFormat: text, also as a reference or a CDATA section, between the first-level
//     elements, even if it is white space.
//   - Limit: all of package xmltok's. Those that cannot be switched off bound the XML
//     declaration and single references.
//   - Encoding: UTF-16 with or without a byte order mark, ISO-8859-1 and US-ASCII,
//     which libexpat knows (RFC 6120 section 11.6).
//   - The XML declaration: libexpat takes any text for the version.
//
// There is nothing that we take and libexpat refuses.
func excused(doc []byte, err error) bool {
	var bad *xmltok.Error
	if !errors.As(err, &bad) {
		return false
	}
	switch bad.Class {
	case xmltok.Restricted:
		return bytes.Contains(doc, []byte("<!")) || bytes.Contains(doc, []byte("<?")) || bytes.Contains(doc, []byte("&"))
	case xmltok.BadFormat:
		return true
	case xmltok.Limit:
		return len(doc) > 64
	case xmltok.Encoding:
		return bytes.IndexByte(doc[:min(len(doc), 2)], 0) >= 0 || // UTF-16
			bytes.HasPrefix(doc, []byte("\xff\xfe")) || bytes.HasPrefix(doc, []byte("\xfe\xff")) ||
			inDeclaration(doc, bad)
	}
	return inDeclaration(doc, bad)
}

// inDeclaration reports whether the fault is in the XML declaration.
func inDeclaration(doc []byte, bad *xmltok.Error) bool {
	doc, _ = bytes.CutPrefix(doc, []byte("\ufeff"))
	end := bytes.Index(doc, []byte("?>"))
	return bytes.HasPrefix(doc, []byte("<?xml")) && end >= 0 && bad.Offset <= int64(end+len("\ufeff?>"))
}

// undecided reports whether doc ends before we have to judge the fault that libexpat
// finds at a place: in an XML declaration or an entity reference, which have limits,
// or within as many bytes as it takes to tell markup or a character.
func undecided(doc []byte, at int) bool {
	declaration, _ := bytes.CutPrefix(doc, []byte("\ufeff"))
	if bytes.HasPrefix(declaration, []byte("<?xml")) && !bytes.Contains(declaration, []byte("?>")) {
		return true
	}
	if amp := bytes.LastIndexByte(doc, '&'); amp >= 0 && !bytes.ContainsAny(doc[amp:], "; <>'\"\t\r\n") {
		return true
	}
	return at >= len(doc)-len("<![CDATA[")
}

// unfinished are the errors of libexpat that say no more than that the input ended.
var unfinished = []int{
	3,  // XML_ERROR_NO_ELEMENTS
	5,  // XML_ERROR_UNCLOSED_TOKEN
	6,  // XML_ERROR_PARTIAL_CHAR
	20, // XML_ERROR_UNCLOSED_CDATA_SECTION
}

// compare has both parsers read doc, whole and in pieces that end at ends, and returns
// how they differ, "" if they agree.
func compare(doc []byte, ends []int) string {
	whole := scan(doc, []int{len(doc)}, unlimited)
	parts := scan(doc, ends, unlimited)
	if d := difference(whole, parts); d != "" {
		return fmt.Sprintf("ours whole and in %d pieces: %s", len(ends), d)
	}
	if d := errorDifference(whole.err, parts.err); d != "" {
		return fmt.Sprintf("ours whole and in %d pieces: %s", len(ends), d)
	}
	events, err := expat(doc, ends)
	var refused *expatError
	if err != nil && !errors.As(err, &refused) {
		return err.Error()
	}
	expats := theirs(doc, events, err)
	if excused(doc, whole.err) {
		// We stopped early. What came before is to be the same.
		if whole.root == nil {
			return ""
		}
		expats.closed = whole.closed
		if len(expats.stanzas) > len(whole.stanzas) {
			expats.stanzas = expats.stanzas[:len(whole.stanzas)]
		}
		return difference(whole, expats)
	}
	switch {
	case (whole.err == nil) != (err == nil):
		return fmt.Sprintf("acceptance: ours %v, %v", whole.err, err)
	case isEOF(whole.err) && !slices.Contains(unfinished, refused.code) && !undecided(doc, refused.at):
		return fmt.Sprintf("a fault that is not seen: ours %v, %v", whole.err, err)
	}
	return difference(whole, expats)
}

func isEOF(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }

// errorDifference compares two errors of ours, with their class, text and offset.
func errorDifference(a, b error) string {
	if fmt.Sprint(a) != fmt.Sprint(b) {
		return fmt.Sprintf("errors %v, %v", a, b)
	}
	return ""
}

// cut cuts n bytes into random pieces, of one byte each now and then.
func cut(r *rand.Rand, n int) (ends []int) {
	most := []int{1, 3, 40, 1000}[r.IntN(4)]
	for at := 0; at < n; {
		at = min(at+1+r.IntN(most), n)
		ends = append(ends, at)
	}
	if n == 0 {
		ends = []int{0}
	}
	return ends
}

func TestCorpus(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, k := range corpus.Kinds {
		s := corpus.Generate(k, 500_000)
		if d := compare(s.Data, cut(r, len(s.Data))); d != "" {
			t.Errorf("%v: %s", k, d)
		}
		if n := len(scan(s.Data, []int{len(s.Data)}, unlimited).stanzas); n != s.Len() {
			t.Errorf("%v: %d stanzas, want %d", k, n, s.Len())
		}
	}
}

// What is refused by intent: libexpat takes each of these, we do not.
func TestExcusedDifferences(t *testing.T) {
	const open = "<s xmlns='a'>"
	utf16 := []byte("\xff\xfe")
	for _, c := range []byte("<a/>") {
		utf16 = append(utf16, c, 0)
	}
	for _, tt := range []struct {
		name, doc string
		class     xmltok.Class
	}{
		{"comment", open + "<!-- c --></s>", xmltok.Restricted},
		{"comment inside", open + "<a><!-- c --></a></s>", xmltok.Restricted},
		{"comment before", "<!-- c -->" + open + "</s>", xmltok.Restricted},
		{"comment behind", open + "</s><!-- c -->", xmltok.Restricted},
		{"processing instruction", open + "<?p i?></s>", xmltok.Restricted},
		{"processing instruction inside", open + "<a><?p i?></a></s>", xmltok.Restricted},
		{"document type", "<!DOCTYPE s>" + open + "</s>", xmltok.Restricted},
		{"entity", "<!DOCTYPE s [<!ENTITY e 'x'>]>" + open + "<a>&e;</a></s>", xmltok.Restricted},
		{"text", open + "text</s>", xmltok.BadFormat},
		{"text between", open + "<a/>text<b/></s>", xmltok.BadFormat},
		{"line feed as a reference", open + "<a/>&#10;<b/></s>", xmltok.BadFormat},
		{"CDATA section between", open + "<![CDATA[ ]]></s>", xmltok.BadFormat},
		{"long reference", open + "<a>&#" + string(bytes.Repeat([]byte("0"), 100)) + "65;</a></s>", xmltok.Limit},
		{"long declaration", "<?xml version='1.0'" + string(bytes.Repeat([]byte(" "), 2000)) + "?>" + open + "</s>", xmltok.Limit},
		{"UTF-16", string(utf16), xmltok.Encoding},
		{"ISO-8859-1", "<?xml version='1.0' encoding='ISO-8859-1'?><a b='\xe4'/>", xmltok.Encoding},
		{"US-ASCII", "<?xml version='1.0' encoding='US-ASCII'?><a/>", xmltok.Encoding},
		{"XML 2.0", "<?xml version='2.0'?><a/>", xmltok.NotWellFormed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			doc := []byte(tt.doc)
			if _, err := expat(doc, []int{len(doc)}); err != nil {
				t.Errorf("not a difference: %v", err)
			}
			err := scan(doc, []int{len(doc)}, unlimited).err
			var bad *xmltok.Error
			if !errors.As(err, &bad) || bad.Class != tt.class {
				t.Errorf("error %v, want class %v", err, tt.class)
			}
			if !excused(doc, err) {
				t.Errorf("%v is not excused", err)
			}
		})
	}
}

// A log that nobody wrote is reported, and not taken for an empty document.
func TestParseLog(t *testing.T) {
	for _, s := range []string{"S", "S\x02", "\x02", "Sx\x00\x02", "T"} {
		if e, err := parseLog([]byte(s)); err == nil {
			t.Errorf("%q gives %v", s, e)
		}
	}
}

// header is a stream header with prefixes to be used and misused.
const header = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' " +
	"xmlns:db='jabber:server:dialback' xmlns:c='jabber:client' xmlns:a='urn:a' to='example.org' version='1.0'>"

func FuzzExpat(f *testing.F) {
	for _, k := range corpus.Kinds {
		s := corpus.Generate(k, 2000)
		for i := range min(s.Len(), 4) {
			if x := s.Stanza(i); len(x) < 2000 {
				f.Add(x, true, uint64(i))
			}
		}
	}
	for _, s := range snippets {
		f.Add([]byte("<a>"+s+"</a>"), true, uint64(0))
		f.Add([]byte("<a b='"+s+"'/>"), true, uint64(1))
		f.Add([]byte(header+s+"</stream:stream>"), false, uint64(2))
		f.Add([]byte("<?xml version='1.0'?>"+s+"<a>"+s+"</a>"), false, uint64(3))
	}
	for _, c := range xmltoktest.Cases() {
		f.Add([]byte(c.Input), false, uint64(4))
	}
	f.Fuzz(func(t *testing.T, in []byte, wrap bool, seed uint64) {
		doc := in
		if wrap {
			doc = slices.Concat([]byte(header), in, []byte("</stream:stream>"))
		}
		if d := compare(doc, cut(rand.New(rand.NewPCG(seed, 0)), len(doc))); d != "" {
			t.Errorf("%q\n%s", doc, d)
		}
	})
}
