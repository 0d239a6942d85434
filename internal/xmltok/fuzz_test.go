package xmltok_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/etherx-go/xmpp/internal/xmltok"
	"github.com/etherx-go/xmpp/internal/xmltok/xmltoktest"
)

// fuzzLimits are small, so that the fuzzer meets them.
var fuzzLimits = xmltok.Limits{Element: 2000, Tag: 300, Depth: 10, Attrs: 8, Children: 50}

// FuzzScanner compares a scanner with itself, fed in pieces, and with
// encoding/xml: that takes what the scanner takes, with the same tree, be it that
// comments are skipped or not.
func FuzzScanner(f *testing.F) {
	for _, c := range xmltoktest.Cases() {
		if len(c.Input) < 3000 {
			f.Add([]byte(c.Input), uint64(1))
		}
	}
	for _, c := range skipped {
		f.Add([]byte("<s xmlns:h='u'>"+c.in+"</s>"), uint64(1))
	}
	f.Fuzz(func(t *testing.T, in []byte, seed uint64) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		var plain string
		var plainErr error
		for _, skip := range []bool{false, true} {
			whole, err := outcomeOf(bytes.NewReader(in), fuzzLimits, true, skip)
			checkError(t, err)
			for _, r := range []io.Reader{
				iotest.OneByteReader(bytes.NewReader(in)),
				&pieces{string(in), rnd, 1 + rnd.IntN(40)},
			} {
				cut, cutErr := outcomeOf(r, fuzzLimits, true, skip)
				differ(t, fmt.Sprintf("%T, skip %v", r, skip), string(in), whole, err, cut, cutErr)
			}
			switch {
			case !skip:
				plain, plainErr = whole, err
			case plainErr == nil || classOf(plainErr) != xmltok.Restricted:
				differ(t, "with nothing to skip", string(in), plain, plainErr, whole, err)
			}
			if err != nil || isUTF16(in) {
				continue
			}
			doc := in
			if skip {
				doc = withoutSkipped(t, in)
				compareSkipped(t, in, doc, whole)
			}
			compareTrees(t, doc)
		}
	})
}

// FuzzCheck compares Check with a scanner.
func FuzzCheck(f *testing.F) {
	for _, c := range xmltoktest.Cases() {
		if in, ok := strings.CutPrefix(c.Input, xmltoktest.Header); ok && len(in) < 3000 {
			f.Add([]byte(strings.TrimSuffix(in, xmltoktest.Footer)))
		}
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		err := xmltok.Check(in, fuzzLimits)
		checkError(t, err)
		s := xmltok.NewScanner(strings.NewReader("<s>"+string(in)), fuzzLimits)
		defer s.Release()
		if ev, err := s.Next(); ev != xmltok.Open {
			t.Fatal(ev, err)
		}
		ev, scanErr := s.Next()
		ok := ev == xmltok.Element && len(s.Element().Raw) == len(in)
		if ok != (err == nil) {
			t.Errorf("%q: Check says %v, the scanner %v, %v", in, err, ev, scanErr)
		}
		if err == nil {
			compareTrees(t, in)
		}
	})
}

// checkError wants a reason for every refusal.
func checkError(t *testing.T, err error) {
	t.Helper()
	var e *xmltok.Error
	switch {
	case err == nil || errors.Is(err, io.ErrUnexpectedEOF) || err.Error() == "the document has no end":
	case !errors.As(err, &e) || e.Msg == "" || e.Class < xmltok.NotWellFormed || e.Class > xmltok.BadFormat:
		t.Errorf("refused with %#v", err)
	}
}

func isUTF16(in []byte) bool { return bytes.IndexByte(in, 0) >= 0 || in[0] >= 0xFE }

// compareTrees reads an accepted document with encoding/xml and with a tree
// reader made of nothing but scanners, one for each level.
//
// Known quirks of encoding/xml, which are none of the scanner's:
//   - it knows no version of XML but 1.0;
//   - a byte order mark is text to it;
//   - an element xmlns without prefix is in no namespace to it;
//   - a namespace with the name xmlns looks like a declaration;
//   - it replaces CR LF and CR in values, but leaves tab and LF there.
func compareTrees(t *testing.T, in []byte) {
	t.Helper()
	in = withoutDeclaration(in)
	if bytes.Contains(in, []byte("'xmlns'")) || bytes.Contains(in, []byte(`"xmlns"`)) {
		return
	}
	want, err := stdTree(in)
	if err != nil {
		t.Fatalf("%q: encoding/xml refuses: %v", in, err)
	}
	var got strings.Builder
	if err := ourTree(&got, in); err != nil {
		t.Fatalf("%q: %v", in, err)
	}
	if got.String() != want {
		t.Errorf("%q:\nour tree %s\nencoding/xml's %s", in, got.String(), want)
	}
}

// withoutDeclaration drops what may be before the root.
func withoutDeclaration(in []byte) []byte {
	in = bytes.TrimPrefix(in, []byte("\uFEFF"))
	if at := bytes.Index(in, []byte("?>")); bytes.HasPrefix(in, []byte("<?xml")) {
		in = in[at+2:]
	}
	return in
}

func stdTree(in []byte) (string, error) {
	var b strings.Builder
	text := ""
	flush := func() {
		if text != "" {
			fmt.Fprintf(&b, "%q", text)
			text = ""
		}
	}
	d := xml.NewDecoder(bytes.NewReader(in))
	depth := 0
	for {
		tok, err := d.Token()
		if err == io.EOF {
			return b.String(), nil
		}
		if err != nil {
			return "", err
		}
		switch x := tok.(type) {
		case xml.StartElement:
			flush()
			depth++
			fmt.Fprintf(&b, "<%s|%s", spaces(x.Name.Space), x.Name.Local)
			for _, a := range x.Attr {
				if a.Name.Space == "xmlns" || a.Name.Space == "" && a.Name.Local == "xmlns" {
					continue
				}
				fmt.Fprintf(&b, " %s|%s=%q", spaces(a.Name.Space), a.Name.Local, spaces(a.Value))
			}
			b.WriteString(">")
		case xml.EndElement:
			flush()
			depth--
			b.WriteString("</>")
		case xml.CharData:
			if depth > 0 {
				text += string(x)
			}
		}
	}
}

// spaces makes white space in values alike, however it was given.
func spaces(s string) string { return strings.NewReplacer("\t", " ", "\n", " ", "\r", " ").Replace(s) }

// ourTree writes the tree of the document in. Inner elements are read by making
// the content of an element a document under a root with its bindings.
func ourTree(b *strings.Builder, in []byte) error {
	s := xmltok.NewScanner(bytes.NewReader(in), xmltok.Limits{})
	defer s.Release()
	if _, err := s.Next(); err != nil {
		return err
	}
	root := s.Root()
	writeStart(b, root.NS, root.Prefix, root.Name, root.Attrs)
	empty := bytes.HasSuffix(root.Raw, []byte("/>"))
	if !empty {
		inner := in[s.Offset():bytes.LastIndex(in, []byte("</"))]
		if err := ourContent(b, inner, root.Default, root.Bindings); err != nil {
			return err
		}
	}
	b.WriteString("</>")
	return nil
}

func writeStart(b *strings.Builder, ns, prefix, local []byte, attrs []xmltok.Attr) {
	if len(prefix) == 0 && string(local) == "xmlns" {
		ns = nil
	}
	fmt.Fprintf(b, "<%s|%s", spaces(string(ns)), local)
	for _, a := range attrs {
		fmt.Fprintf(b, " %s|%s=%q", spaces(string(a.NS)), a.Name, spaces(string(a.Append(nil))))
	}
	b.WriteString(">")
}

// ourContent writes elements and text.
func ourContent(b *strings.Builder, in, def []byte, binds []xmltok.Binding) error {
	head := "<r xmlns='" + string(xmltok.AppendAttr(nil, def)) + "'"
	for _, d := range binds {
		head += " xmlns:" + string(d.Prefix) + "='" + string(xmltok.AppendAttr(nil, d.URI)) + "'"
	}
	head += ">"
	text := ""
	flush := func() {
		if text != "" {
			fmt.Fprintf(b, "%q", text)
			text = ""
		}
	}
	for len(in) > 0 {
		if n := textLen(in); n > 0 {
			text += string(xmltok.AppendUnescaped(nil, in[:n]))
			in = in[n:]
			continue
		}
		flush()
		s := xmltok.NewScanner(io.MultiReader(strings.NewReader(head), bytes.NewReader(in)), xmltok.Limits{Attrs: 1000})
		if _, err := s.Next(); err != nil {
			return err
		}
		if ev, err := s.Next(); ev != xmltok.Element {
			return fmt.Errorf("in %q: %v, %w", in, ev, err)
		}
		e := s.Element()
		writeStart(b, e.NS, e.Prefix, e.Name, e.Attrs)
		if len(e.Inner) > 0 {
			// The start tag as a document of its own has the bindings.
			tag := bytes.TrimSuffix(e.Raw, e.Raw[bytes.LastIndex(e.Raw, []byte("</")):])
			tag = tag[:len(tag)-len(e.Inner)]
			inDef, inBinds, err := declaredBy(tag, def, binds)
			if err != nil {
				return err
			}
			if err := ourContent(b, e.Inner, inDef, inBinds); err != nil {
				return err
			}
		}
		b.WriteString("</>")
		in = in[len(e.Raw):]
		s.Release()
	}
	flush()
	return nil
}

// textLen returns the length of the text, or the CDATA section, at the start.
func textLen(in []byte) int {
	if bytes.HasPrefix(in, []byte("<![CDATA[")) {
		return bytes.Index(in, []byte("]]>")) + 3
	}
	if n := bytes.IndexByte(in, '<'); n >= 0 {
		return n
	}
	return len(in)
}

// declaredBy returns the bindings in force inside the start tag.
func declaredBy(tag, def []byte, binds []xmltok.Binding) ([]byte, []xmltok.Binding, error) {
	d := xml.NewDecoder(bytes.NewReader(tag))
	tok, err := d.RawToken()
	if err != nil {
		return nil, nil, err
	}
	start := tok.(xml.StartElement)
	all := map[string]string{}
	for _, x := range binds {
		all[string(x.Prefix)] = string(x.URI)
	}
	for _, a := range start.Attr {
		switch {
		case a.Name.Space == "xmlns":
			all[a.Name.Local] = spaces(a.Value)
		case a.Name.Space == "" && a.Name.Local == "xmlns":
			def = []byte(spaces(a.Value))
		}
	}
	delete(all, "xml")
	var out []xmltok.Binding
	for p, u := range all {
		out = append(out, xmltok.Binding{Prefix: []byte(p), URI: []byte(u)})
	}
	return def, out, nil
}

// The tables of names are those of encoding/xml, which follow the same edition.
func TestNamesLikeEncodingXML(t *testing.T) {
	takes := func(in string) (ours, std bool) {
		ours = xmltok.Check([]byte(in), xmltok.Limits{}) == nil
		d := xml.NewDecoder(strings.NewReader(in))
		_, err := d.Token()
		return ours, err == nil
	}
	for r := rune(0x80); r <= 0x10400; r++ { // none beyond the first plane is in the tables
		for _, in := range []string{"<" + string(r) + "/>", "<a" + string(r) + "/>"} {
			if ours, std := takes(in); ours != std {
				t.Fatalf("%q: we %v, encoding/xml %v", in, ours, std)
			}
		}
	}
}
