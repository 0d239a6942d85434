package corpus

import (
	"bytes"
	"encoding/xml"
	"io"
	"strings"
	"testing"
)

// The figures of two machines can only be compared if both measured the same bytes:
// whoever changes the generator starts a new series of figures.
func TestGenerateSums(t *testing.T) {
	for _, tt := range []struct {
		kind           Kind
		bytes, stanzas int
		sum            string
	}{
		{Chat, 1000745, 2369, "5f08c22f634c36efe732005b51f80e5b1ca88c00e4621bcde7dd23d6b3ff28b4"},
		{Presence, 1000232, 2537, "7f0bb8a6f3aed97dfd3fcb3c51fcd9f367c2c781b83aac55294058a16a21c0fc"},
		{Roster, 1000550, 56, "a69f0b722fa7920c36a5f92c73c66620efd2aed1a8e11cd38c2bbc6cbfc13a8a"},
		{Archive, 1000088, 1222, "72986592356edcf8d512939b76f49d8f7181ee0664644dc0d9853cdaef716e15"},
		{OMEMO, 1003616, 206, "edef43245c4a10e23ac75a781fec5c66e3a7a54da56d54dfcde57f9738fac2e4"},
		{Disco, 1001288, 345, "05a547c31603c51a526720bdac35754205bc0ee12f70b46f22047b2e0d3d9c00"},
		{Ping, 1000022, 11539, "d09f6274feaa833c3fab775170c9e5652f3e5887fb54f688bc90ea2896be6b1e"},
		{VCard, 1052963, 19, "00bad8e1f57b8925e246a8add3205f9eaa3fccce17bbb42351df29df8fb30471"},
		{Mixed, 1000230, 1726, "efa6f75ab6b05898ed01bf3922857b84413765160edfe6a70959f211b8faf4d7"},
	} {
		s := Generate(tt.kind, 1_000_000)
		if len(s.Data) != tt.bytes || s.Len() != tt.stanzas || s.Sum() != tt.sum {
			t.Errorf("%v: %d bytes, %d stanzas, %s; want %d, %d, %s",
				tt.kind, len(s.Data), s.Len(), s.Sum(), tt.bytes, tt.stanzas, tt.sum)
		}
	}
}

// Each stream is well-formed, and the stanzas are where Stanza says.
func TestGenerateWellFormed(t *testing.T) {
	for _, k := range Kinds {
		s := Generate(k, 300_000)
		var rebuilt bytes.Buffer
		rebuilt.WriteString(Header)
		for i := range s.Len() {
			rebuilt.Write(s.Stanza(i))
			if s.gaps[i] {
				rebuilt.WriteByte(' ')
			}
		}
		rebuilt.WriteString(Footer)
		if !bytes.Equal(rebuilt.Bytes(), s.Data) {
			t.Errorf("%v: the stanzas do not add up to the stream", k)
		}
		if got := countStanzas(t, s.Data); got != s.Len() {
			t.Errorf("%v: encoding/xml counts %d stanzas, Len %d", k, got, s.Len())
		}
	}
}

func countStanzas(t *testing.T, data []byte) (n int) {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(data))
	for depth := 0; ; {
		tok, err := d.Token()
		if err == io.EOF {
			return n
		}
		if err != nil {
			t.Fatal(err)
		}
		switch tok.(type) {
		case xml.StartElement:
			if depth == 1 {
				n++
			}
			depth++
		case xml.EndElement:
			depth--
		}
	}
}

// The mixed stream is what its documentation says, within the noise of 5 MB.
func TestMixedProportions(t *testing.T) {
	s := Generate(Mixed, 5_000_000)
	var message, archive, presence, doubles, nonASCII, references int
	for i := range s.Len() {
		x := s.Stanza(i)
		switch {
		case bytes.HasPrefix(x, []byte("<message")):
			message++
		case bytes.HasPrefix(x, []byte("<presence")):
			presence++
		}
		if bytes.Contains(x, []byte("<result xmlns=")) {
			archive++
		}
		if bytes.Contains(x[:min(len(x), 40)], []byte(`="`)) {
			doubles++
		}
		references += bytes.Count(x, []byte("&"))
	}
	for _, c := range s.Data {
		if c >= 0x80 {
			nonASCII++
		}
	}
	n := float64(s.Len())
	for _, tt := range []struct {
		what      string
		got, want float64
	}{
		{"bytes per stanza / 1000", float64(len(s.Data)) / n / 1000, 0.567},
		{"messages", float64(message) / n, 0.71}, // some of the large ones are
		{"archive results", float64(archive) / n, 0.056},
		{"presence", float64(presence) / n, 0.20},
		{"double quotes", float64(doubles) / n, 0.40},
		{"references per stanza", float64(references) / n, 0.5},
		{"outside ASCII", float64(nonASCII) / float64(len(s.Data)), 0.034},
	} {
		if tt.got < tt.want-0.03 || tt.got > tt.want+0.03 {
			t.Errorf("%s: %.3f, want about %.3f", tt.what, tt.got, tt.want)
		}
	}
}

func TestKindNames(t *testing.T) {
	for _, k := range Kinds {
		if got, err := ParseKind(k.String()); got != k || err != nil {
			t.Errorf("ParseKind(%q) = %v, %v", k.String(), got, err)
		}
	}
	if _, err := ParseKind(""); err == nil {
		t.Error("no error for the empty kind")
	}
	if got := Kind(0).String(); !strings.Contains(got, "0") {
		t.Errorf("Kind(0) is %q", got)
	}
	defer func() {
		if recover() == nil {
			t.Error("Generate made a stream of no kind")
		}
	}()
	Generate(Kind(99), 1)
}
