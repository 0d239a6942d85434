package sasl

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestPrepare(t *testing.T) {
	tests := []struct {
		name, in, want string
		err            bool
	}{
		// RFC 4013 section 3.
		{"1 soft hyphen", "I\u00adX", "IX", false},
		{"2 no transformation", "user", "user", false},
		{"3 case preserved", "USER", "USER", false},
		{"4 NFKC of feminine ordinal", "\u00aa", "a", false},
		{"5 NFKC of roman nine", "\u2168", "IX", false},
		{"6 prohibited", "\u0007", "", true},
		{"7 bidirectional check", "\u0627\u0031", "", true},
		// RFC 5802 section 5.1 asks to test these.
		{"vulgar fraction", "\u00bd", "1\u20442", false},
		{"acute accent", "\u00b4", " \u0301", false},

		{"ASCII punctuation and space", " a'&/:<>@~", " a'&/:<>@~", false},
		{"delete", "a\x7f", "", true},
		{"no-break space", "a\u00a0b", "a b", false},
		{"ideographic space", "a\u3000b", "a b", false},
		{"zero width space is a space", "a\u200bb", "a b", false},
		{"zero width joiner vanishes", "a\u200db", "ab", false},
		{"variation selector vanishes", "a\ufe0f", "a", false},
		{"composition", "e\u0301", "\u00e9", false},
		{"NFC and NFD agree", "Zoe\u0308", "Zo\u00eb", false},
		{"full width", "\uff21", "A", false},
		{"hangul", "\u1112\u1161\u11ab", "\ud55c", false},
		{"right to left", "\u0627\u0628", "\u0627\u0628", false},
		{"right to left around a digit", "\u06271\u0628", "\u06271\u0628", false},
		{"right to left with Latin", "\u0627a\u0628", "", true},
		{"right to left starting with a digit", "1\u0628", "", true},
		{"private use", "\ue000", "", true},
		{"no character", "\ufdd0", "", true},
		{"replacement character", "\ufffd", "", true},
		{"ideographic description", "\u2ff0", "", true},
		{"left-to-right mark", "\u200e", "", true},
		{"tag", "\U000e0001", "", true},
		{"C1 control", "\u0085", "", true},
		{"not UTF-8", "\xff", "", true},
		{"surrogate", "\xed\xa0\x80", "", true},
		{"empty", "", "", true},
		{"vanishing", "\u00ad", "", true},
		{"unassigned in Unicode 3.2", "\U0001f511", "\U0001f511", false},
		{"unassigned is not normalized", "\U0001f100x\u2168", "\U0001f100xIX", false},
		{"a mark after an unassigned one stays", "\U0001f511\u0301e\u0301", "\U0001f511\u0301\u00e9", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Prepare(tt.in)
			if tt.err {
				if !errors.Is(err, ErrBadString) {
					t.Errorf("%q, error %v", got, err)
				}
				return
			}
			if err != nil || got != tt.want {
				t.Errorf("%+q %v, want %+q", got, err, tt.want)
			}
			if again, err := Prepare(got); err != nil || again != got {
				t.Errorf("not stable: %+q %v", again, err)
			}
		})
	}
}

// The tables are sorted, do not overlap, and hold as many code points as those
// of RFC 3454 that they were made from.
func TestTables(t *testing.T) {
	for _, tt := range []struct {
		name  string
		table ranges
		count int
	}{
		{"C.1.2", mappedToSpace, 17},
		{"B.1", mappedToNothing, 27},
		{"C.1.2 and C.2 to C.9", prohibitedPrep, 139813},
		{"C.2 to C.9 without C.7", prohibitedTrace, 139784},
		{"D.1", randALCat, 1044},
		{"D.2", lCat, 229973},
		{"A.1", unassigned, 879309},
	} {
		n, last := 0, rune(-1)
		for _, r := range tt.table {
			if r[0] <= last || r[1] < r[0] || r[1] > utf8.MaxRune {
				t.Errorf("%s: range %x out of order", tt.name, r)
			}
			last = r[1]
			n += int(r[1]-r[0]) + 1
		}
		if n != tt.count {
			t.Errorf("%s has %d code points, want %d", tt.name, n, tt.count)
		}
	}
	for _, r := range []rune{0x0041, 0xd7a3, 0x4e00, 0x10400} {
		if unassigned.contains(r) {
			t.Errorf("U+%04X counts as unassigned", r)
		}
	}
	for _, r := range []rune{0x0221, 0x1f600, 0x20a0 + 0x20} {
		if !unassigned.contains(r) {
			t.Errorf("U+%04X counts as assigned", r)
		}
	}
}

func FuzzPrepare(f *testing.F) {
	for _, s := range []string{"user", "I\u00adX", "\u2168", "\u0627\u0031", "\u00bd\u00b4", "a\U0001f511\u0301", "\xff", "\u0345\u0301"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := Prepare(s)
		if err != nil {
			return
		}
		if !utf8.ValidString(p) || strings.ContainsFunc(p, prohibitedPrep.contains) {
			t.Fatalf("%+q from %+q", p, s)
		}
	})
}
