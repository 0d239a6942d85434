package xmltok_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	"unicode/utf16"

	"github.com/etherx-go/xmpp/internal/xmltok"
)

// toUTF16 encodes s, which may begin with a byte order mark.
func toUTF16(s string, order binary.AppendByteOrder) string {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = order.AppendUint16(b, u)
	}
	return string(b)
}

var orders = []interface {
	binary.AppendByteOrder
	fmt.Stringer
}{binary.LittleEndian, binary.BigEndian}

func TestReq_CORE_7_4_UTF16(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed of the cuts: %d", seed)
	long := strings.Repeat("<a b='é𝄞'>€ 𝄞𝄞 text ]] &amp; \uFEFF</a> ", 2000)
	for _, doc := range []string{
		"<s><a/></s>",
		"<?xml version='1.0'?><s a='é'><a>𝄞</a></s>",
		"<?xml version='1.0' encoding='UTF-16'?>\n<s><a>€</a> </s>\n",
		" \n<s/>",
		"<s>" + long + "</s>",
		"<𝄞/>",
		"<s></t>",
		"<s><a>\uFFFE</a></s>",
		"<?xml version='1.0' encoding='UTF-8'?><s/>",
	} {
		plain := strings.Replace(doc, " encoding='UTF-16'", "", 1)
		want, wantErr := outcome(strings.NewReader(plain), xmltok.Limits{}, true)
		if strings.Contains(doc, "UTF-8") {
			want, wantErr = "", errors.New("xmltok: bad encoding: encoding not supported, or not the one declared (byte 38)")
		}
		if doc != plain {
			want = strings.ReplaceAll(want, "Encoding: Standalone", "Encoding:UTF-16 Standalone")
		}
		for _, order := range orders {
			for _, bom := range []string{"", "\uFEFF"} {
				in := toUTF16(bom+doc, order)
				for k := range uint64(6) {
					var r io.Reader = &pieces{in, rand.New(rand.NewPCG(seed, k)), 1 << (3 * k)}
					got, err := outcome(r, xmltok.Limits{}, true)
					// Offsets count the declaration and the mark.
					if stripOffsets(got) != stripOffsets(want) || stripOffsets(fmt.Sprint(err)) != stripOffsets(fmt.Sprint(wantErr)) {
						t.Fatalf("%v, mark %q, %.80q: %.800s%v\nwant %.800s%v", order, bom, doc, got, err, want, wantErr)
					}
				}
				if _, err := outcome(strings.NewReader(in), xmltok.Limits{}, false); classOf(err) != xmltok.Encoding {
					t.Errorf("%v, mark %q, %.80q, not allowed: %v", order, bom, doc, err)
				}
			}
		}
	}
}

func stripOffsets(s string) string {
	var b strings.Builder
	for line := range strings.Lines(s) {
		line, _, _ = strings.Cut(line, "(byte ")
		if !strings.HasPrefix(line, "at ") {
			b.WriteString(line)
		}
	}
	return b.String()
}

func TestIllFormedUTF16(t *testing.T) {
	for _, order := range orders {
		u := func(units ...uint16) (s string) {
			var b []byte
			for _, u := range units {
				b = order.AppendUint16(b, u)
			}
			return string(b)
		}
		start, end := toUTF16("<s><a/><b>", order), toUTF16("</b></s>", order)
		for name, c := range map[string]struct {
			in    string
			class xmltok.Class
		}{
			"low surrogate alone":       {start + u(0xDC00) + end, xmltok.Encoding},
			"high surrogate alone":      {start + u(0xD800) + end, xmltok.Encoding},
			"two high surrogates":       {start + u(0xD800, 0xD800, 0xDC00) + end, xmltok.Encoding},
			"NUL":                       {start + u(0) + end, xmltok.NotWellFormed},
			"odd number of bytes":       {start + end + "\x20", xmltok.NotWellFormed},
			"ends in a pair":            {start + u(0xD800), xmltok.NotWellFormed},
			"ends in a pair, odd":       {start + u(0xD834) + "\xDD", xmltok.NotWellFormed},
			"ill-formed":                {start + u('<', '/', 's', '>'), xmltok.NotWellFormed},
			"first unit of the text":    {toUTF16("<s>", order) + u(0xDC00), xmltok.Encoding},
			"nothing but a half a mark": {toUTF16("\uFEFF", order)[:1], xmltok.NotWellFormed},
		} {
			for k, r := range []io.Reader{strings.NewReader(c.in), iotest.OneByteReader(strings.NewReader(c.in)), iotest.HalfReader(strings.NewReader(c.in))} {
				got, err := outcome(r, xmltok.Limits{}, true)
				if classOf(err) != c.class {
					t.Errorf("%v, %s, reader %d: %v, want class %v", order, name, k, err, c.class)
				}
				if strings.HasPrefix(c.in, start) && !strings.Contains(got, "Element |||a") && !strings.Contains(got, "Element ||a") {
					t.Errorf("%v, %s, reader %d: the element before is lost: %s", order, name, k, got)
				}
			}
		}
	}
}

// After Restart the encoding may become UTF-16, and then stays.
func TestRestartUTF16(t *testing.T) {
	for _, order := range orders {
		in := "<a><b/>" + toUTF16("\uFEFF<c>é<d/>", order)
		in2 := "<a><b/>" + toUTF16("<c><d>é</d><?xml version='1.0' encoding='UTF-16'?><e><f/>", order)
		for _, r := range []io.Reader{strings.NewReader(in2), iotest.OneByteReader(strings.NewReader(in2))} {
			s := xmltok.NewScanner(r, xmltok.Limits{})
			s.AcceptUTF16(true)
			for _, want := range []string{"b", "d", "f"} {
				next(t, s, xmltok.Open)
				next(t, s, xmltok.Element)
				if got := string(s.Element().Name); got != want {
					t.Errorf("element %s, want %s", got, want)
				}
				s.Restart()
			}
			nextErr(t, s, io.EOF)
		}
		s := xmltok.NewScanner(strings.NewReader(in), xmltok.Limits{})
		s.AcceptUTF16(true)
		next(t, s, xmltok.Open)
		next(t, s, xmltok.Element)
		s.Restart()
		next(t, s, xmltok.Open)
		if _, err := s.Next(); classOf(err) != xmltok.BadFormat {
			t.Errorf("text between elements: %v", err)
		}
	}
}
