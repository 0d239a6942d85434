package jid_test

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/etherx-go/xmpp/jid"
)

// parts is an address taken apart.
type parts struct{ local, domain, resource string }

func partsOf(j jid.JID) parts { return parts{j.Local(), j.Domain(), j.Resource()} }

// checkError checks that err is an *Error about the part, with the reason.
func checkError(t *testing.T, err error, part jid.Part, reason jid.Reason) {
	t.Helper()
	var e *jid.Error
	if !errors.As(err, &e) {
		t.Fatalf("error = %v (%T), want *jid.Error", err, err)
	}
	if e.Part != part || e.Reason != reason {
		t.Errorf("error = %v (%v, %v), want %v, %v", e, e.Part, e.Reason, part, reason)
	}
}

// checkStable checks that j is canonical: that every way to read it again gives j.
func checkStable(t *testing.T, j jid.JID) {
	t.Helper()
	if k, err := jid.Parse(j.String()); err != nil || k != j {
		t.Errorf("Parse(%q) = %q, %v, want the same", j, k, err)
	}
	if k, err := jid.New(j.Local(), j.Domain(), j.Resource()); err != nil || k != j {
		t.Errorf("New of the parts of %q = %q, %v, want the same", j, k, err)
	}
	if strings.Contains(j.Domain(), "%") {
		return // in the ASCII form the zone has another mark
	}
	if k, err := jid.New("", j.ASCIIDomain(), ""); err != nil || k != j.DomainJID() {
		t.Errorf("New of ASCIIDomain %q = %q, %v, want %q", j.ASCIIDomain(), k, err, j.DomainJID())
	}
}

// RFC 7622 section 3.5 table 1, with the canonical form.
func TestRFC7622Valid(t *testing.T) {
	for _, c := range []struct {
		id, in string
		want   parts
	}{
		{"1", "juliet@example.com", parts{"juliet", "example.com", ""}},
		{"2", "juliet@example.com/foo", parts{"juliet", "example.com", "foo"}},
		{"3", "juliet@example.com/foo bar", parts{"juliet", "example.com", "foo bar"}},
		{"4", "juliet@example.com/foo@bar", parts{"juliet", "example.com", "foo@bar"}},
		{"5", `foo\20bar@example.com`, parts{`foo\20bar`, "example.com", ""}},
		{"6", "fussball@example.com", parts{"fussball", "example.com", ""}},
		{"7", "fu\u00dfball@example.com", parts{"fu\u00dfball", "example.com", ""}},
		{"8", "\u03c0@example.com", parts{"\u03c0", "example.com", ""}},
		{"9", "\u03a3@example.com/foo", parts{"\u03c3", "example.com", "foo"}},
		{"10", "\u03c3@example.com/foo", parts{"\u03c3", "example.com", "foo"}},
		{"11", "\u03c2@example.com/foo", parts{"\u03c2", "example.com", "foo"}},
		{"12", "king@example.com/\u265a", parts{"king", "example.com", "\u265a"}},
		{"13", "example.com", parts{"", "example.com", ""}},
		{"14", "example.com/foobar", parts{"", "example.com", "foobar"}},
		{"15", "a.example.com/b@example.net", parts{"", "a.example.com", "b@example.net"}},
		{"18 as erratum 4560 has it", "juliet@example.com/ foo", parts{"juliet", "example.com", " foo"}},
	} {
		t.Run(c.id, func(t *testing.T) {
			j, err := jid.Parse(c.in)
			if err != nil {
				t.Fatal(err)
			}
			if partsOf(j) != c.want {
				t.Errorf("Parse(%q) = %q, want %q", c.in, partsOf(j), c.want)
			}
			checkStable(t, j)
		})
	}
	if jid.MustParse("fussball@example.com") == jid.MustParse("fu\u00dfball@example.com") {
		t.Error("examples 6 and 7 must differ")
	}
	if jid.MustParse("\u03a3@example.com/foo") == jid.MustParse("\u03c2@example.com/foo") {
		t.Error("examples 9 and 11 must differ")
	}
}

// RFC 7622 section 3.5 table 2; number 18 is in table 1 above.
func TestRFC7622Invalid(t *testing.T) {
	for _, c := range []struct {
		id, in string
		part   jid.Part
		reason jid.Reason
	}{
		{"16", `"juliet"@example.com`, jid.PartLocal, jid.ReasonDisallowed},
		{"17", "foo bar@example.com", jid.PartLocal, jid.ReasonDisallowed},
		{"19", "@example.com/", jid.PartLocal, jid.ReasonEmpty},
		{"20", "henry\u2163@example.com", jid.PartLocal, jid.ReasonDisallowed},
		{"21", "\u265a@example.com", jid.PartLocal, jid.ReasonDisallowed},
		{"22", "juliet@", jid.PartDomain, jid.ReasonEmpty},
		{"23", "/foobar", jid.PartDomain, jid.ReasonEmpty},
	} {
		t.Run(c.id, func(t *testing.T) {
			j, err := jid.Parse(c.in)
			checkError(t, err, c.part, c.reason)
			if !j.IsZero() {
				t.Errorf("JID %q with an error, want zero", j)
			}
		})
	}
}

func TestReq_CORE_3_1(t *testing.T) {
	for _, c := range []struct {
		id, in string
		want   parts
	}{
		{"CORE-3.1-1 domain only", "denmark", parts{"", "denmark", ""}},
		{"CORE-3.1-1 node", "hamlet@denmark", parts{"hamlet", "denmark", ""}},
		{"CORE-3.1-1 all", "hamlet@denmark/castle", parts{"hamlet", "denmark", "castle"}},
		{"CORE-3.1-1 first @ before first /", "a@b/c@d/e", parts{"a", "b", "c@d/e"}},
		{"CORE-3.1-1 @ after /", "b/c@d", parts{"", "b", "c@d"}},
		{"CORE-3.1-2 room", "room@service", parts{"room", "service", ""}},
		{"CORE-3.1-2 occupant", "room@service/nick", parts{"room", "service", "nick"}},
		{"CORE-3.2-2 subdomain", "conference.example.com", parts{"", "conference.example.com", ""}},
		{"CORE-3.4-1 of a node", "a@b/session", parts{"a", "b", "session"}},
		{"CORE-3.4-1 of a lone domain", "b/session", parts{"", "b", "session"}},
	} {
		t.Run(c.id, func(t *testing.T) {
			j, err := jid.Parse(c.in)
			if err != nil || partsOf(j) != c.want {
				t.Fatalf("Parse(%q) = %q, %v, want %q", c.in, partsOf(j), err, c.want)
			}
			checkStable(t, j)
		})
	}
	if _, err := jid.Parse("a@b@c"); err == nil {
		t.Error("a second @ before the / was accepted")
	}
}

func TestReq_CORE_3_2_3(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"without case", "Example.COM", "example.com"},
		{"RFC 952", "sri-nic", "sri-nic"},
		{"RFC 1123, leading digit", "3com.com", "3com.com"},
		{"RFC 1123, digits only", "666", "666"},
		{"RFC 1123, hyphens in third and fourth place", "r3---sn-abc.example", "r3---sn-abc.example"},
		{"RFC 1123, label of 63", strings.Repeat("a", 63) + ".example", strings.Repeat("a", 63) + ".example"},
		{"one letter", "A", "a"},
		{"dot at the end", "example.com.", "example.com"},
		{"ideographic stop at the end", "example.com\u3002", "example.com"},
		{"low line", "My_Host.local", "my_host.local"},
		{"low line beside a U-label", "my_host.B\u00dcCHER.example", "my_host.b\u00fccher.example"},
		{"U-label", "b\u00fccher.example", "b\u00fccher.example"},
		{"U-label in upper case", "B\u00dcCHER.example", "b\u00fccher.example"},
		{"U-label decomposed", "bu\u0308cher.example", "b\u00fccher.example"},
		{"A-label", "xn--bcher-kva.example", "b\u00fccher.example"},
		{"A-label in upper case", "XN--BCHER-KVA.example", "b\u00fccher.example"},
		{"A-label in full width", "\uff58\uff4e\uff0d\uff0dbcher-kva.example", "b\u00fccher.example"},
		{"sharp s stays", "fu\u00dfball.example", "fu\u00dfball.example"},
		{"sharp s from an A-label", "xn--fuball-cta.example", "fu\u00dfball.example"},
		{"final sigma stays", "\u03b2\u03cc\u03bb\u03bf\u03c2.com", "\u03b2\u03cc\u03bb\u03bf\u03c2.com"},
		{"full width", "\uff25\uff38ample.com", "example.com"},
		{"full-width digits make an IPv4 address", "\uff11\uff19\uff12.0.2.1", "192.0.2.1"},
		{"ideographic stops", "a\u3002b\uff0ec\uff61d", "a.b.c.d"},
		{"soft hyphen goes", "ex\u00adample.com", "example.com"},
		{"ligature", "\ufb01sh.example", "fish.example"},
		{"right to left", "\u05d0\u05d1\u05d2.example", "\u05d0\u05d1\u05d2.example"},
		{"middle dot between l", "l\u00b7l.example", "l\u00b7l.example"},
		{"joiner after virama", "\u0915\u094d\u200d\u0937.example", "\u0915\u094d\u200d\u0937.example"},
		{"IPv4", "192.0.2.1", "192.0.2.1"},
		{"IPv6", "[2001:DB8:0:0:0:0:0:1]", "[2001:db8::1]"},
		{"IPv6 with dot at the end", "[2001:db8::1].", "[2001:db8::1]"},
		{"IPv6 without brackets, RFC 3920", "2001:db8::1", "[2001:db8::1]"},
		{"IPv6 with IPv4", "[::FFFF:192.0.2.1]", "[::ffff:192.0.2.1]"},
		{"IPv6 with zone", "[FE80::1%25en1]", "[fe80::1%25en1]"},
		{"IPv6 with zone in the older form", "[fe80::1%en1]", "[fe80::1%25en1]"},
		{"IPv6 zone that begins with 25", "[fe80::1%2525]", "[fe80::1%2525]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			j, err := jid.Parse("a@" + c.in + "/R")
			if err != nil {
				t.Fatal(err)
			}
			if want := (parts{"a", c.want, "R"}); partsOf(j) != want {
				t.Errorf("%q gives %q, want %q", c.in, partsOf(j), want)
			}
			checkStable(t, j)
		})
	}
}

func TestInvalidDomain(t *testing.T) {
	for _, c := range []struct {
		name, in string
		reason   jid.Reason
	}{
		{"empty", "", jid.ReasonEmpty},
		{"dot", ".", jid.ReasonEmpty},
		{"two dots at the end", "example.com..", jid.ReasonLabel},
		{"two dots at the end, one ideographic", "example.com.\u3002", jid.ReasonLabel},
		{"empty label", "a..b", jid.ReasonLabel},
		{"dot in front", ".a", jid.ReasonLabel},
		{"hyphen in front", "-a.b", jid.ReasonLabel},
		{"hyphen behind", "a-.b", jid.ReasonLabel},
		{"hyphen behind the last", "a.b-", jid.ReasonLabel},
		{"label of 64", strings.Repeat("a", 64) + ".example", jid.ReasonLabel},
		{"label of 64 in upper case", strings.Repeat("A", 64), jid.ReasonLabel},
		{"U-label too long as A-label", strings.Repeat("a", 59) + "\u00fc.example", jid.ReasonLabel},
		{"1024 octets", strings.Repeat("a.", 511) + "aa", jid.ReasonTooLong},
		{"1026 octets of U-labels", strings.Repeat("\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4.", 60) + "\u00e4\u00e4\u00e4", jid.ReasonTooLong},
		{"raw too long", strings.Repeat("\u00ad", 3000), jid.ReasonTooLong},
		{"nothing left", "\u00ad", jid.ReasonLabel},
		{"space", "exa mple", jid.ReasonLabel},
		{"at", "a@b", jid.ReasonLabel},
		{"slash", "a/b", jid.ReasonLabel},
		{"full-width at", "a\uff20b", jid.ReasonLabel},
		{"full-width slash", "a\uff0fb", jid.ReasonLabel},
		{"a/c as one character", "\u2100.example", jid.ReasonLabel},
		{"full-width brackets", "\uff3b::1\uff3d", jid.ReasonIP},
		{"port", "example.com:5222", jid.ReasonLabel},
		{"control character", "a\x00b", jid.ReasonLabel},
		{"DEL", "a\x7fb", jid.ReasonLabel},
		{"not UTF-8", "a\xffb", jid.ReasonEncoding},
		{"surrogate", "a\xed\xa0\x80b", jid.ReasonEncoding},
		{"A-label that says nothing", "xn--", jid.ReasonLabel},
		{"A-label of ASCII", "xn--abc-", jid.ReasonLabel},
		{"A-label that is no punycode", "xn--\u00fc", jid.ReasonLabel},
		{"A-label that is no punycode 2", "xn--99999999", jid.ReasonLabel},
		{"A-label of an upper-case letter", "xn--bcher-2pa", jid.ReasonLabel},
		{"A-label of a symbol", "xn--45h.example", jid.ReasonLabel},
		{"symbol", "\u265a.example", jid.ReasonLabel},
		{"low line in a U-label", "b\u00fcch_er.example", jid.ReasonLabel},
		{"hyphens in third and fourth place of a U-label", "ab--\u00fc.example", jid.ReasonLabel},
		{"combining mark in front", "\u0308a.example", jid.ReasonLabel},
		{"joiner without virama", "a\u200db.example", jid.ReasonLabel},
		{"middle dot not between l", "a\u00b7b.example", jid.ReasonLabel},
		{"bidi rule", "\u05d0a.example", jid.ReasonLabel},
		{"bidi rule concerns the other labels too", "\u05d0.1a", jid.ReasonLabel},
		{"unassigned", "\u0378.example", jid.ReasonLabel},
		{"noncharacter", "\ufffe.example", jid.ReasonLabel},
		{"private use", "\ue000.example", jid.ReasonLabel},
		{"IPv6 without end", "[::1", jid.ReasonIP},
		{"IPv6 with port", "[::1]:5222", jid.ReasonIP},
		{"IPv6 too long", "[1:2:3:4:5:6:7:8:9]", jid.ReasonIP},
		{"IPv4 in brackets", "[192.0.2.1]", jid.ReasonIP},
		{"IPvFuture", "[v1.a]", jid.ReasonIP},
		{"IPv6 empty zone", "[fe80::1%25]", jid.ReasonIP},
		{"IPv6 zone with an odd character", "[fe80::1%25a b]", jid.ReasonIP},
		{"IPv6 zone without brackets", "fe80::1%eth0", jid.ReasonIP},
		{"IPv6 zone too long", "[fe80::1%25" + strings.Repeat("a", 1023) + "]", jid.ReasonTooLong},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := jid.New("a", c.in, "r")
			checkError(t, err, jid.PartDomain, c.reason)
		})
	}
}

func TestReq_CORE_3_2_4(t *testing.T) {
	domain1023 := strings.Repeat("a.", 511) + "a"
	longest := strings.Repeat("l", 1023) + "@" + domain1023 + "/" + strings.Repeat("r", 1023)
	if len(longest) != jid.MaxLen {
		t.Fatalf("test address of %d octets, want %d", len(longest), jid.MaxLen)
	}
	j, err := jid.Parse(longest)
	if err != nil || j.String() != longest {
		t.Fatalf("1023 octets per part: %v", err)
	}
	checkStable(t, j)
	for _, c := range []struct {
		name, local, domain, resource string
		part                          jid.Part
	}{
		{"localpart", strings.Repeat("a", 1024), "b", "", jid.PartLocal},
		{"localpart in octets", strings.Repeat("\u00e4", 512), "b", "", jid.PartLocal},
		{"domainpart", "a", domain1023 + "a", "", jid.PartDomain},
		{"resourcepart", "a", "b", strings.Repeat("c", 1024), jid.PartResource},
		{"resourcepart in octets", "a", "b", strings.Repeat("\u265a", 342), jid.PartResource},
		{"resourcepart, raw", "a", "b", strings.Repeat("\u2003", 2000), jid.PartResource},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := jid.New(c.local, c.domain, c.resource)
			checkError(t, err, c.part, jid.ReasonTooLong)
		})
	}
	// The limit holds after preparation, so something longer may become valid.
	if j, err := jid.New(strings.Repeat("\uff41", 1023), "b", strings.Repeat("\u2003", 1023)); err != nil || len(j.Local()) != 1023 || len(j.Resource()) != 1023 {
		t.Errorf("1023 octets after preparation refused: %v", err)
	}
	// Lowering can also make a text longer: U+023A has two octets, its lower case U+2C65 three.
	_, err = jid.New(strings.Repeat("\u023a", 511), "b", "")
	checkError(t, err, jid.PartLocal, jid.ReasonTooLong)

	if _, err := jid.Parse(strings.Repeat("a", 20000)); err == nil {
		t.Error("20000 octets accepted")
	}
	_, err = jid.ParseBytes(make([]byte, 1<<20))
	checkError(t, err, jid.PartAddress, jid.ReasonTooLong)
}

func TestReq_CORE_3_2_4_legacy(t *testing.T) {
	domain255 := strings.Repeat("a.", 127) + "a"
	for _, c := range []struct {
		name, local, domain, resource string
		part                          jid.Part // PartAddress if within the limits
	}{
		{"small", "a", "b", "c", jid.PartAddress},
		{"at the limits", strings.Repeat("a", 255), domain255, strings.Repeat("r", 256), jid.PartAddress},
		{"at the limits in octets", strings.Repeat("\u00e4", 128), domain255, strings.Repeat("\u00e4", 128), jid.PartAddress},
		{"node of 256 characters", strings.Repeat("a", 256), "b", "", jid.PartLocal},
		{"node of 257 octets", strings.Repeat("\u00e4", 128) + "a", "b", "", jid.PartLocal},
		{"domain of 256 octets", "a", domain255 + "b", "", jid.PartDomain},
		{"domain of 257 octets in ASCII", "a", strings.Repeat("\u00e4.", 32) + strings.Repeat("a", 33), "", jid.PartDomain},
		{"resource of 257 octets", "", "b", strings.Repeat("\u00e4", 128) + "a", jid.PartResource},
	} {
		t.Run(c.name, func(t *testing.T) {
			j, err := jid.New(c.local, c.domain, c.resource)
			if err != nil {
				t.Fatal(err)
			}
			err = j.CheckLegacyLimits()
			if c.part == jid.PartAddress {
				if err != nil {
					t.Error(err)
				}
				return
			}
			checkError(t, err, c.part, jid.ReasonTooLong)
		})
	}
}

// Both lists of characters that a node cannot hold: that of draft-miller-xmpp-core-02 and the Programmers Guide, and that
// of RFC 7622 section 3.3.1, which adds "/".
func TestReq_CORE_3_3_3(t *testing.T) {
	bad := map[string]string{
		"draft": "\"&':<>@\u007f\ufffe\uffff",
		"guide": ":@'\"\r\n\t ",
		"RFC":   "\"&'/:<>@",
	}
	for r := rune(0); r <= 0x20; r++ {
		bad["up to U+0020"] += string(r)
	}
	for name, set := range bad {
		for _, r := range set {
			_, err := jid.New("a"+string(r)+"b", "example.com", "")
			var e *jid.Error
			if !errors.As(err, &e) || e.Part != jid.PartLocal || e.Reason != jid.ReasonDisallowed {
				t.Errorf("%s: %U in a localpart: %v, want ReasonDisallowed", name, r, err)
			}
		}
	}
	// Full-width forms are mapped, and then are what they look like.
	for _, r := range "\uff02\uff06\uff07\uff0f\uff1a\uff1c\uff1e\uff20" {
		if _, err := jid.New("a"+string(r)+"b", "example.com", ""); err == nil {
			t.Errorf("%U in a localpart accepted", r)
		}
	}
	// All the other ASCII characters are allowed.
	const good = "!#$%()*+,-.0123456789;=?[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~"
	if j, err := jid.New(good, "example.com", ""); err != nil || j.Local() != good {
		t.Errorf("New(%q) = %q, %v", good, j, err)
	}
}

func TestReq_CORE_3_3_4(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"ASCII", "HaMLeT", "hamlet"},
		{"beyond ASCII", "\u00c9MILE", "\u00e9mile"},
		{"titlecase", "\u01c5a\u0148o", ""}, // has a compatibility decomposition: not allowed
		{"full width", "\uff28amlet", "hamlet"},
		{"half-width katakana", "\uff76\uff9e", "\u30ac"},
		{"kelvin sign", "\u212a", "k"},
		{"dotted capital I", "\u0130", "i\u0307"},
		{"decomposed", "e\u0301", "\u00e9"},
		{"capital sharp s", "\u1e9e", "\u00df"},
		{"digit in front", "1\u00c9", "1\u00e9"},
		{"low line behind", "\u65e5_", "\u65e5_"},
		{"right to left", "\u05d0\u05d1-1", "\u05d0\u05d1-1"},
		{"Cherokee", "\u13a0", "\uab70"},
	} {
		t.Run(c.name, func(t *testing.T) {
			j, err := jid.Parse(c.in + "@denmark")
			if c.want == "" {
				checkError(t, err, jid.PartLocal, jid.ReasonDisallowed)
				return
			}
			if err != nil || j != jid.MustParse(c.want+"@denmark") {
				t.Fatalf("%q gives %q, %v, want %q", c.in, j, err, c.want)
			}
			checkStable(t, j)
		})
	}
}

func TestReq_CORE_3_4(t *testing.T) {
	t.Run("CORE-3.4-3", func(t *testing.T) {
		var ascii strings.Builder
		for r := ' '; r <= '~'; r++ {
			ascii.WriteRune(r)
		}
		for _, c := range []struct{ in, want string }{
			{ascii.String(), ascii.String()},
			{"v Praze", "v Praze"},
			{"<a&b>'\"", "<a&b>'\""},
			{"\u00a0a\u3000b", " a b"},
			{"\uff21", "\uff21"}, // no width mapping
			{"e\u0301", "\u00e9"},
			{"\U0001f40e", "\U0001f40e"},
			{"\u05d0a1", "\u05d0a1"}, // no Bidi Rule
		} {
			j, err := jid.New("a", "b", c.in)
			if err != nil || j.Resource() != c.want {
				t.Errorf("resource %q gives %q, %v, want %q", c.in, j.Resource(), err, c.want)
				continue
			}
			checkStable(t, j)
		}
		for _, in := range []string{"\x00", "a\tb", "a\nb", "\x1f", "\x7f", "\u0085", "\ufffe", "\uffff", "\u0378", "\ue000", "a\u200db", "\u00ad"} {
			_, err := jid.New("a", "b", in)
			checkError(t, err, jid.PartResource, jid.ReasonDisallowed)
		}
		_, err := jid.New("a", "b", "\xc3\x28")
		checkError(t, err, jid.PartResource, jid.ReasonEncoding)
	})
	t.Run("CORE-3.4-4", func(t *testing.T) {
		if jid.MustParse("a@b/Castle") == jid.MustParse("a@b/castle") {
			t.Error("resources compared without case")
		}
		if jid.MustParse("A@B/Castle") != jid.MustParse("a@b/Castle") {
			t.Error("node or domain compared with case")
		}
	})
}

// Where the stringprep profiles of RFC 3920 (nodeprep, nameprep, resourceprep) gave another address. An empty string
// means that the profile refuses the input.
func TestReq_R3920_3_3_1(t *testing.T) {
	for _, c := range []struct {
		name          string
		part          jid.Part
		in, old, want string
	}{
		{"sharp s was folded to ss", jid.PartLocal, "stra\u00dfe", "strasse", "stra\u00dfe"},
		{"final sigma was folded to sigma", jid.PartLocal, "\u03bf\u03c2", "\u03bf\u03c3", "\u03bf\u03c2"},
		{"dotted capital I was folded through NFKC", jid.PartLocal, "\u1e9a", "a\u02be", ""},
		{"compatibility characters were decomposed", jid.PartLocal, "henry\u2163", "henryiv", ""},
		{"ligatures were decomposed", jid.PartLocal, "\ufb01sh", "fish", ""},
		{"superscripts were decomposed", jid.PartLocal, "x\u00b2", "x2", ""},
		{"symbols were allowed", jid.PartLocal, "\u265a", "\u265a", ""},
		{"soft hyphens were dropped", jid.PartLocal, "a\u00adb", "ab", ""},
		{"joiners were dropped", jid.PartLocal, "a\u200db", "ab", ""},
		{"variation selectors were dropped", jid.PartLocal, "a\ufe0f", "a", ""},
		{"capital sharp s did not exist in Unicode 3.2", jid.PartLocal, "\u1e9e", "\u1e9e", "\u00df"},
		{"sharp s in a domain was mapped to ss", jid.PartDomain, "stra\u00dfe.example", "strasse.example", "stra\u00dfe.example"},
		{"symbols were allowed in a domain", jid.PartDomain, "\u265a.example", "\u265a.example", ""},
		{"compatibility characters of resources were decomposed", jid.PartResource, "\u2163", "IV", "\u2163"},
		{"full width of resources was mapped", jid.PartResource, "\uff21", "A", "\uff21"},
		{"soft hyphens in resources were dropped", jid.PartResource, "a\u00adb", "ab", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.old == c.want {
				t.Fatal("not a difference")
			}
			in := parts{"local", "domain", "resource"}
			switch c.part {
			case jid.PartLocal:
				in.local = c.in
			case jid.PartDomain:
				in.domain = c.in
			case jid.PartResource:
				in.resource = c.in
			}
			j, err := jid.New(in.local, in.domain, in.resource)
			if c.want == "" {
				if err == nil {
					t.Errorf("%q gives %q, want an error", c.in, j)
				}
				return
			}
			got := map[jid.Part]string{jid.PartLocal: j.Local(), jid.PartDomain: j.Domain(), jid.PartResource: j.Resource()}[c.part]
			if err != nil || got != c.want {
				t.Errorf("%q gives %q, %v, want %q", c.in, got, err, c.want)
			}
		})
	}
	// And what is the same in both.
	for in, want := range map[string]string{
		"\u03a9MEGA@\u0395\u03bb\u03bb\u03ac\u03b4\u03b1.example/A\u00a0b": "\u03c9mega@\u03b5\u03bb\u03bb\u03ac\u03b4\u03b1.example/A b",
		"ji\u0159i@\u010dechy.example/v Praze":                             "ji\u0159i@\u010dechy.example/v Praze",
		"\uff21\uff22@\uff43.example":                                      "ab@c.example",
	} {
		if j, err := jid.Parse(in); err != nil || j.String() != want {
			t.Errorf("Parse(%q) = %q, %v, want %q", in, j, err, want)
		}
	}
}

func TestInvalidLocal(t *testing.T) {
	for _, c := range []struct {
		name, in string
		reason   jid.Reason
	}{
		{"bidi rule", "\u05d0a", jid.ReasonBidi},
		{"bidi rule, digit first", "1\u05d0", jid.ReasonBidi},
		{"not UTF-8", "a\xff", jid.ReasonEncoding},
		{"joiner", "a\u200d", jid.ReasonDisallowed},
		{"middle dot", "a\u00b7b", jid.ReasonDisallowed},
		{"old Hangul", "\u1100", jid.ReasonDisallowed},
		{"space of another width", "a\u3000b", jid.ReasonDisallowed},
		{"private use", "\ue000", jid.ReasonDisallowed},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := jid.New(c.in, "example.com", "")
			checkError(t, err, jid.PartLocal, c.reason)
		})
	}
}

func TestParseEmptyParts(t *testing.T) {
	for _, c := range []struct {
		in   string
		part jid.Part
	}{
		{"", jid.PartAddress},
		{"@", jid.PartLocal},
		{"/", jid.PartResource},
		{"a@b/", jid.PartResource},
		{"@b", jid.PartLocal},
		{"a@/c", jid.PartDomain},
	} {
		_, err := jid.Parse(c.in)
		checkError(t, err, c.part, jid.ReasonEmpty)
	}
	// New takes an empty localpart or resourcepart for none.
	if j, err := jid.New("", "b", ""); err != nil || !j.IsDomain() {
		t.Errorf("New with a domain only: %q, %v", j, err)
	}
	_, err := jid.New("a", "", "c")
	checkError(t, err, jid.PartDomain, jid.ReasonEmpty)
}

func TestNewDoesNotSplit(t *testing.T) {
	for _, p := range []parts{{"a@b", "c", ""}, {"a/b", "c", ""}, {"a", "b@c", ""}, {"a", "b/c", ""}} {
		if j, err := jid.New(p.local, p.domain, p.resource); err == nil {
			t.Errorf("New(%q) = %q, want an error", p, j)
		}
	}
}

func TestDerived(t *testing.T) {
	full := jid.MustParse("Hamlet@Denmark.example/Castle")
	bare := jid.MustParse("hamlet@denmark.example")
	domain := jid.MustParse("denmark.example")
	service := jid.MustParse("denmark.example/echo")
	var zero jid.JID

	for _, c := range []struct {
		j                                        jid.JID
		wantBare, wantDomain                     jid.JID
		isZero, isBare, isFull, isDomain, hasOwn bool
	}{
		{j: full, wantBare: bare, wantDomain: domain, isFull: true},
		{j: bare, wantBare: bare, wantDomain: domain, isBare: true},
		{j: domain, wantBare: domain, wantDomain: domain, isBare: true, isDomain: true},
		{j: service, wantBare: domain, wantDomain: domain, isFull: true},
		{j: zero, wantBare: zero, wantDomain: zero, isZero: true},
	} {
		if got := c.j.Bare(); got != c.wantBare {
			t.Errorf("%q.Bare() = %q, want %q", c.j, got, c.wantBare)
		}
		if got := c.j.DomainJID(); got != c.wantDomain {
			t.Errorf("%q.DomainJID() = %q, want %q", c.j, got, c.wantDomain)
		}
		if c.j.IsZero() != c.isZero || c.j.IsBare() != c.isBare || c.j.IsFull() != c.isFull || c.j.IsDomain() != c.isDomain {
			t.Errorf("%q: IsZero %t, IsBare %t, IsFull %t, IsDomain %t", c.j, c.j.IsZero(), c.j.IsBare(), c.j.IsFull(), c.j.IsDomain())
		}
		if c.j.Clone() != c.j {
			t.Errorf("Clone of %q differs", c.j)
		}
	}
	if got, err := bare.WithResource("Castle"); err != nil || got != full {
		t.Errorf("WithResource = %q, %v, want %q", got, err, full)
	}
	if got, err := full.WithResource("gate\u3000A"); err != nil || got != jid.MustParse("hamlet@denmark.example/gate A") {
		t.Errorf("WithResource = %q, %v", got, err)
	}
	if got, err := full.WithResource(""); err != nil || got != bare {
		t.Errorf("WithResource(\"\") = %q, %v, want %q", got, err, bare)
	}
	_, err := full.WithResource("a\tb")
	checkError(t, err, jid.PartResource, jid.ReasonDisallowed)
	_, err = zero.WithResource("a")
	checkError(t, err, jid.PartDomain, jid.ReasonEmpty)

	seen := map[jid.JID]int{full: 1, bare: 2, zero: 3}
	if seen[jid.MustParse("HAMLET@denmark.example./Castle")] != 1 || seen[full.Bare()] != 2 || seen[jid.JID{}] != 3 {
		t.Error("JID as a map key does not find equal addresses")
	}
}

func TestCompare(t *testing.T) {
	var js []jid.JID
	for _, s := range []string{"b@a/x", "", "b", "a@a", "a", "b@a", "a.b", "b@a/X", "a/x"} {
		var j jid.JID
		if err := j.UnmarshalText([]byte(s)); err != nil {
			t.Fatal(err)
		}
		js = append(js, j)
	}
	slices.SortFunc(js, jid.JID.Compare)
	var got []string
	for _, j := range js {
		got = append(got, j.String())
	}
	if want := []string{"", "a", "a/x", "a@a", "b@a", "b@a/X", "b@a/x", "a.b", "b"}; !slices.Equal(got, want) {
		t.Errorf("sorted: %q, want %q", got, want)
	}
	for _, a := range js {
		for _, b := range js {
			if (a.Compare(b) == 0) != (a == b) || a.Compare(b) != -b.Compare(a) {
				t.Errorf("Compare(%q, %q) = %d", a, b, a.Compare(b))
			}
		}
	}
}

func TestASCIIDomain(t *testing.T) {
	for in, want := range map[string]string{
		"example.com":          "example.com",
		"b\u00fccher.example":  "xn--bcher-kva.example",
		"fu\u00dfball.example": "xn--fuball-cta.example",
		"[2001:db8::1]":        "2001:db8::1",
		"[fe80::1%25eth0]":     "fe80::1%eth0",
		"192.0.2.1":            "192.0.2.1",
		"my_host.b\u00fccher":  "my_host.xn--bcher-kva",
	} {
		if got := jid.MustParse("a@" + in + "/r").ASCIIDomain(); got != want {
			t.Errorf("ASCIIDomain of %q = %q, want %q", in, got, want)
		}
	}
	if got := (jid.JID{}).ASCIIDomain(); got != "" {
		t.Errorf("ASCIIDomain of the zero JID = %q", got)
	}
}

func TestAllocations(t *testing.T) {
	const full = "juliet@im.example.com/balcony 7"
	raw := []byte(full)
	j := jid.MustParse(full)
	buf := make([]byte, 0, 100)
	for _, c := range []struct {
		name string
		want float64
		f    func() bool
	}{
		{"Parse canonical", 0, func() bool { k, err := jid.Parse(full); return err == nil && k == j }},
		{"ParseBytes canonical", 1, func() bool { k, err := jid.ParseBytes(raw); return err == nil && k == j }},
		{"Parse upper case", 1, func() bool { k, err := jid.Parse("Juliet@IM.example.com/balcony 7"); return err == nil && k == j }},
		{"New", 1, func() bool { k, err := jid.New("juliet", "im.example.com", "balcony 7"); return err == nil && k == j }},
		{"WithResource", 1, func() bool { k, err := j.WithResource("balcony 7"); return err == nil && k == j }},
		{"parts", 0, func() bool {
			return j.Local() == "juliet" && j.Domain() == "im.example.com" && j.Resource() == "balcony 7"
		}},
		{"Bare and DomainJID", 0, func() bool { return j.Bare().IsBare() && j.Bare().DomainJID() == j.DomainJID() }},
		{"AppendText", 0, func() bool { b, err := j.AppendText(buf); return err == nil && string(b) == full }},
	} {
		ok := true
		got := testing.AllocsPerRun(100, func() { ok = ok && c.f() })
		if !ok {
			t.Errorf("%s: wrong result", c.name)
		}
		if got > c.want {
			t.Errorf("%s: %v allocations, want %v", c.name, got, c.want)
		}
	}
}

func TestMustParse(t *testing.T) {
	defer func() {
		if err, ok := recover().(error); !ok || !strings.Contains(err.Error(), "localpart") {
			t.Errorf("MustParse panicked with %v", err)
		}
	}()
	jid.MustParse("a b@c")
	t.Error("MustParse did not panic")
}

func TestError(t *testing.T) {
	_, err := jid.Parse("foo bar@example.com")
	if got, want := err.Error(), `jid: localpart "foo bar" has a character that is not allowed: U+0020`; got != want {
		t.Errorf("Error() = %s\nwant      %s", got, want)
	}
	_, err = jid.Parse("henry\u2163@example.com")
	if !strings.HasSuffix(err.Error(), "U+2163") {
		t.Errorf("error does not name the character: %v", err)
	}
	_, err = jid.Parse("a@b/" + strings.Repeat("\u00e4", 1000))
	var e *jid.Error
	if !errors.As(err, &e) || len(e.Value) > 64 || !utf8.ValidString(e.Value) || e.Unwrap() != nil {
		t.Errorf("error is %#v", e)
	}
	_, err = jid.Parse("[::g]")
	if errors.Unwrap(err) == nil {
		t.Errorf("error hides its cause: %v", err)
	}
	for p := jid.PartAddress; p <= jid.PartURI; p++ {
		if s := p.String(); s == "" || strings.HasPrefix(s, "Part(") {
			t.Errorf("no name for %d", p)
		}
	}
	for r := jid.ReasonEmpty; r <= jid.ReasonSyntax; r++ {
		if s := r.String(); s == "" || strings.HasPrefix(s, "Reason(") {
			t.Errorf("no text for %d", r)
		}
	}
	if jid.Part(99).String() != "Part(99)" || jid.Reason(0).String() != "Reason(0)" || jid.Reason(99).String() != "Reason(99)" {
		t.Error("names of unknown values")
	}
}

func TestText(t *testing.T) {
	type doc struct {
		XMLName xml.Name           `xml:"item" json:"-"`
		JID     jid.JID            `xml:"jid,attr" json:"jid,omitzero"`
		Absent  jid.JID            `xml:"absent,attr" json:"absent,omitzero"`
		Inner   jid.JID            `xml:"inner" json:"inner"`
		Map     map[jid.JID]string `xml:"-" json:"map"`
	}
	in := doc{JID: jid.MustParse("a@b/<&'\">"), Inner: jid.MustParse("b\u00fccher.example"), Map: map[jid.JID]string{jid.MustParse("k"): "v", {}: "z"}}

	b, err := xml.Marshal(in)
	if want := `<item jid="a@b/&lt;&amp;&#39;&#34;&gt;"><inner>bücher.example</inner></item>`; err != nil || string(b) != want {
		t.Fatalf("xml: %s, %v\nwant %s", b, err, want)
	}
	var out doc
	if err := xml.Unmarshal(b, &out); err != nil || out.JID != in.JID || !out.Absent.IsZero() || out.Inner != in.Inner {
		t.Errorf("xml gives %+v, %v", out, err)
	}
	if b, err = json.Marshal(in); err != nil {
		t.Fatal(err)
	}
	out = doc{}
	if err := json.Unmarshal(b, &out); err != nil || out.JID != in.JID || !out.Absent.IsZero() || out.Inner != in.Inner || !maps.Equal(out.Map, in.Map) {
		t.Errorf("json %s gives %+v, %v", b, out, err)
	}
	if err := xml.Unmarshal([]byte(`<item jid="" absent="A@B"/>`), &out); err != nil || !out.JID.IsZero() || out.Absent != jid.MustParse("a@b") {
		t.Errorf("xml with an empty attribute gives %+v, %v", out, err)
	}
	if err := xml.Unmarshal([]byte(`<item jid="a b@c"/>`), &out); err == nil {
		t.Error("xml with a bad address accepted")
	}

	j := in.JID
	checkError(t, j.UnmarshalText([]byte("@")), jid.PartLocal, jid.ReasonEmpty)
	if j != in.JID {
		t.Error("failed UnmarshalText changed the JID")
	}
	text := []byte("a@b/c")
	if err := j.UnmarshalText(text); err != nil {
		t.Fatal(err)
	}
	text[0] = 'x'
	if j != jid.MustParse("a@b/c") {
		t.Error("UnmarshalText kept the text")
	}
	if b, err := (jid.JID{}).MarshalText(); err != nil || len(b) != 0 {
		t.Errorf("MarshalText of the zero JID = %q, %v", b, err)
	}
}

// Addresses are prepared in many goroutines at once. The race detector looks on.
func TestConcurrent(t *testing.T) {
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				j, err := jid.Parse("\u03a3\uff21E\u0301@B\u00dcCHER.xn--bcher-kva/\u3000e\u0301")
				if want := "\u03c3a\u00e9@b\u00fccher.b\u00fccher/ \u00e9"; err != nil || j.String() != want {
					t.Errorf("%q, %v, want %q", j, err, want)
					return
				}
			}
		})
	}
	wg.Wait()
}

// checkAccepted checks that s, if it is accepted as a part, is stable.
func checkAccepted(t *testing.T, s string) {
	t.Helper()
	for _, in := range []parts{{s, "b", ""}, {"", s, ""}, {"", "b", s}} {
		j, err := jid.New(in.local, in.domain, in.resource)
		if err != nil {
			var e *jid.Error
			if !errors.As(err, &e) {
				t.Errorf("%+q: %v (%T)", in, err, err)
			}
			continue
		}
		if k, err := jid.Parse(j.String()); err != nil || k != j {
			t.Errorf("%+q gives %+q, which gives %+q, %v", in, j, k, err)
		}
	}
}

// Every code point of the planes that have letters, alone and behind a letter.
func TestEveryCodePoint(t *testing.T) {
	for r := rune(0x80); r <= 0xe01ff; r++ {
		switch {
		case r == 0xd800:
			r = 0xe000 // surrogates
		case r == 0x20000:
			r = 0x2f800 // ideographs, all alike
		case r == 0x2fa20:
			r = 0xe0000 // unassigned
		}
		checkAccepted(t, string(r))
		checkAccepted(t, "a"+string(r))
	}
}

// Combinations of characters that mappings change, or that act on their neighbours.
func TestCombinations(t *testing.T) {
	var set []rune
	for r := rune(0x80); r <= 0x1ffff; r++ {
		s := string(r)
		if !norm.NFC.IsNormalString(s) || !norm.NFKD.IsNormalString(s) || unicode.ToLower(r) != r || unicode.Is(unicode.M, r) ||
			unicode.Is(unicode.Cf, r) || !norm.NFC.PropertiesString(s).BoundaryBefore() {
			set = append(set, r)
		}
	}
	set = append(set, []rune("aA1-._\u05d0\u0627\u0661\u00b7\u30fb\u0375\u05f3\u3042l")...)
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 60000 {
		s := ""
		for range 1 + rnd.IntN(4) {
			s += string(set[rnd.IntN(len(set))])
		}
		checkAccepted(t, s)
	}
}
