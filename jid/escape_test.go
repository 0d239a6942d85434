package jid_test

import (
	"testing"

	"github.com/etherx-go/xmpp/jid"
)

func TestEscapeLocal(t *testing.T) {
	for _, c := range []struct{ name, plain, escaped string }{
		// XEP-0106 section 5.1.
		{"1", `space cadet`, `space\20cadet`},
		{"2", `call me "ishmael"`, `call\20me\20\22ishmael\22`},
		{"3", `at&t guy`, `at\26t\20guy`},
		{"4", `d'artagnan`, `d\27artagnan`},
		{"5", `/.fanboy`, `\2f.fanboy`},
		{"6", `::foo::`, `\3a\3afoo\3a\3a`},
		{"7", `<foo>`, `\3cfoo\3e`},
		{"8", `user@host`, `user\40host`},
		{"9", `c:\net`, `c\3a\net`},
		{"10", `c:\\net`, `c\3a\\net`},
		{"11", `c:\cool stuff`, `c\3a\cool\20stuff`},
		{"12", `c:\5commas`, `c\3a\5c5commas`},
		// Sections 4.2, 4.3, 5.2, 5.5 and 5.7.
		{"4.2", `\3and\2is\5cool`, `\5c3and\2is\5c5cool`},
		{"4.3 partial sequence", `\2plus\2is\4`, `\2plus\2is\4`},
		{"4.3 other character", `foo\bar`, `foo\bar`},
		{"4.3 other character 2", `foob\41r`, `foob\41r`},
		{"5.2", `here's_a_wild_&_/cr%zy/_address`, `here\27s_a_wild_\26_\2fcr%zy\2f_address`},
		{"5.5", `here's_a_wild_&_/cr%zy/_address_for:<wv>("IMPS")`, `here\27s_a_wild_\26_\2fcr%zy\2f_address_for\3a\3cwv\3e(\22IMPS\22)`},
		{"5.7", `somenick!user"&'/:<>\3address`, `somenick!user\22\26\27\2f\3a\3c\3e\5c3address`},
		// Every sequence in the plain text.
		{"all sequences", `\20\22\26\27\2f\3a\3c\3e\40\5c`, `\5c20\5c22\5c26\5c27\5c2f\5c3a\5c3c\5c3e\5c40\5c5c`},
		{"escaped twice", `\5c27`, `\5c5c27`},
		{"upper case is no sequence", `\2F\3A\5C`, `\2F\3A\5C`},
		{"backslash before an escaped character", `a\ b\'`, `a\\20b\\27`},
		{"backslash at the end", `a\`, `a\`},
		{"incomplete at the end", `a\2`, `a\2`},
		{"nothing to do", "tr\u00e9ville%a!b", "tr\u00e9ville%a!b"},
		{"empty", "", ""},
		// Section 3.2: no \20 in the first or last place, so these have no escaped form.
		{"space in front", " a b", ` a\20b`},
		{"space behind", "a b ", `a\20b `},
		{"space", " ", " "},
		{"spaces", "   ", ` \20 `},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := jid.EscapeLocal(c.plain); got != c.escaped {
				t.Errorf("EscapeLocal(%s) = %s, want %s", c.plain, got, c.escaped)
			}
			if got := jid.UnescapeLocal(c.escaped); got != c.plain {
				t.Errorf("UnescapeLocal(%s) = %s, want %s", c.escaped, got, c.plain)
			}
		})
	}
}

func TestUnescapeLocal(t *testing.T) {
	for escaped, want := range map[string]string{
		`\20a`:    `\20a`, // no valid escape in the first or last place
		`a\20`:    `a\20`,
		`\20`:     `\20`,
		`\20\20a`: `\20 a`,
		`\5c\5c`:  `\\`,
		`\5c5c`:   `\5c`,
		`\\27`:    `\'`,
		`\2`:      `\2`,
		`\2g\g7`:  `\2g\g7`,
		`\3A`:     `\3A`,
		`\00\7f`:  `\00\7f`,
	} {
		if got := jid.UnescapeLocal(escaped); got != want {
			t.Errorf("UnescapeLocal(%s) = %s, want %s", escaped, got, want)
		}
	}
}

// An address of a foreign network becomes a JID on a gateway (requirement GUIDE-3-arch-9) and comes back.
func TestReq_GUIDE_3_arch_9(t *testing.T) {
	for _, user := range []string{"1234567", "tr\u00e9ville@musketeers.lit", "#chan/nick's", `a\27b`} {
		j, err := jid.New(jid.EscapeLocal(user), "gateway.denmark", "")
		if err != nil {
			t.Errorf("%s: %v", user, err)
			continue
		}
		checkStable(t, j)
		if got := jid.UnescapeLocal(j.Local()); got != user {
			t.Errorf("%s became %s and came back as %s", user, j, got)
		}
	}
	_, err := jid.New(jid.EscapeLocal(" a"), "gateway.denmark", "")
	checkError(t, err, jid.PartLocal, jid.ReasonDisallowed)
}
