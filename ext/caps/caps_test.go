package caps

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/etherx-go/xmpp/ext/disco"
	"github.com/etherx-go/xmpp/ext/form"
	"github.com/etherx-go/xmpp/stanza"
)

// parseInfo reads disco#info.
func parseInfo(t testing.TB, src string) disco.Info {
	t.Helper()
	el, err := stanza.Raw(src).Element()
	if err != nil {
		t.Fatalf("%s: %v", src, err)
	}
	var i disco.Info
	if err := el.Decode(&i); err != nil {
		t.Fatal(err)
	}
	return i
}

func readInfo(t testing.TB, name string) disco.Info {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return parseInfo(t, strings.TrimSpace(string(b)))
}

func identity(category, typ, name, lang string) disco.Identity {
	return disco.Identity{Category: category, Type: typ, Name: name, Lang: lang}
}

// The examples of XEP-0115, sections 5.2 and 5.3.
const (
	exodus = `<query xmlns='http://jabber.org/protocol/disco#info'>
  <identity category='client' name='Exodus 0.9.1' type='pc'/>
  <feature var='http://jabber.org/protocol/caps'/>
  <feature var='http://jabber.org/protocol/disco#info'/>
  <feature var='http://jabber.org/protocol/disco#items'/>
  <feature var='http://jabber.org/protocol/muc'/>
</query>`
	exodusS = "client/pc//Exodus 0.9.1<http://jabber.org/protocol/caps<http://jabber.org/protocol/disco#info<" +
		"http://jabber.org/protocol/disco#items<http://jabber.org/protocol/muc<"
	exodusVer = "QgayPKawpkPSDYmwT/WM94uAlu0="

	psi = `<query xmlns='http://jabber.org/protocol/disco#info'>
  <identity xml:lang='en' category='client' name='Psi 0.11' type='pc'/>
  <identity xml:lang='el' category='client' name='Ψ 0.11' type='pc'/>
  <feature var='http://jabber.org/protocol/caps'/>
  <feature var='http://jabber.org/protocol/disco#info'/>
  <feature var='http://jabber.org/protocol/disco#items'/>
  <feature var='http://jabber.org/protocol/muc'/>
  <x xmlns='jabber:x:data' type='result'>
    <field var='FORM_TYPE' type='hidden'><value>urn:xmpp:dataforms:softwareinfo</value></field>
    <field var='ip_version' type='text-multi' ><value>ipv4</value><value>ipv6</value></field>
    <field var='os'><value>Mac</value></field>
    <field var='os_version'><value>10.5.1</value></field>
    <field var='software'><value>Psi</value></field>
    <field var='software_version'><value>0.11</value></field>
  </x>
</query>`
	psiS = "client/pc/el/Ψ 0.11<client/pc/en/Psi 0.11<http://jabber.org/protocol/caps<http://jabber.org/protocol/disco#info<" +
		"http://jabber.org/protocol/disco#items<http://jabber.org/protocol/muc<urn:xmpp:dataforms:softwareinfo<" +
		"ip_version<ipv4<ipv6<os<Mac<os_version<10.5.1<software<Psi<software_version<0.11<"
	psiVer = "q07IKJEyjvHSyhy//CH0CxmKi8w="
)

// TestVer shows the examples of XEP-0115, and what may differ without changing
// the hash.
func TestVer(t *testing.T) {
	shuffled := parseInfo(t, psi)
	shuffled.Identities[0], shuffled.Identities[1] = shuffled.Identities[1], shuffled.Identities[0]
	shuffled.Features[0], shuffled.Features[3] = shuffled.Features[3], shuffled.Features[0]
	fields := shuffled.Forms[0].Fields
	fields[0], fields[1], fields[5] = fields[5], fields[0], fields[1]
	fields[5].Values = []string{"ipv6", "ipv4"}
	// A form without FORM_TYPE, and one whose FORM_TYPE is not hidden, do not count.
	shuffled.Forms = append([]form.Data{form.New(form.Result, "", form.String("a", "b")),
		{Fields: []form.Field{{Var: "FORM_TYPE", Values: []string{"urn:a"}}}}}, shuffled.Forms...)
	for _, tt := range []struct {
		name   string
		info   disco.Info
		s, ver string
	}{
		{"XEP-0115 5.2", parseInfo(t, exodus), exodusS, exodusVer},
		{"XEP-0115 5.3", parseInfo(t, psi), psiS, psiVer},
		{"XEP-0115 5.3 in another order", shuffled, psiS, psiVer},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if s, err := VerificationString(tt.info); s != tt.s || err != nil {
				t.Errorf("got %s, %v, want %s", s, err, tt.s)
			}
			if ver, err := Ver(tt.info, SHA1); ver != tt.ver || err != nil {
				t.Errorf("got %s, %v, want %s", ver, err, tt.ver)
			}
			c := Caps{Hash: SHA1, Node: "n", Ver: tt.ver}
			if err := c.Verify(tt.info); err != nil {
				t.Errorf("Verify: %v", err)
			}
			c.Ver = "66/0NaeaBKkwk85efJTGmU47vXI="
			if err := c.Verify(tt.info); !errors.Is(err, ErrMismatch) {
				t.Errorf("Verify of another: %v", err)
			}
		})
	}
	// Forms come in the order of their FORM_TYPE.
	two := disco.Info{Forms: []form.Data{form.New(form.Result, "urn:b", form.String("x", "1")), form.New(form.Result, "urn:a", form.Field{Var: "y"})}}
	if s, err := VerificationString(two); s != "urn:a<y<urn:b<x<1<" || err != nil {
		t.Errorf("got %s, %v", s, err)
	}
	if _, err := Ver(two, "md5"); !errors.Is(err, ErrUnknownHash) {
		t.Errorf("md5: %v", err)
	}
	if err := (Caps{Node: "n", Ver: "0.9"}).Verify(two); !errors.Is(err, ErrUnknownHash) {
		t.Errorf("legacy format: %v", err)
	}
}

// TestIllFormed shows what XEP-0115, section 5.4, calls so.
func TestIllFormed(t *testing.T) {
	for _, tt := range []struct {
		name string
		info disco.Info
		ok   bool
	}{
		{name: "3.3 an identity twice", info: disco.Info{Identities: []disco.Identity{identity("a", "b", "n", "en"), identity("x", "y", "", ""), identity("a", "b", "n", "en")}}},
		{name: "3.3 an identity with two names", info: disco.Info{Identities: []disco.Identity{identity("a", "b", "n", "en"), identity("a", "b", "m", "en")}}, ok: true},
		{name: "3.4 a feature twice", info: disco.Info{Features: []string{"b", "a", "b"}}},
		{name: "3.5 two forms of a type", info: disco.Info{Forms: []form.Data{form.New(form.Result, "a"), form.New(form.Result, "b"), form.New(form.Result, "a")}}},
		{name: "3.5 a FORM_TYPE with two values", info: disco.Info{Forms: []form.Data{
			{Fields: []form.Field{{Var: "FORM_TYPE", Type: form.Hidden, Values: []string{"a", "b"}}}}}}},
		{name: "3.5 two FORM_TYPEs", info: disco.Info{Forms: []form.Data{
			{Fields: []form.Field{{Var: "FORM_TYPE", Type: form.Hidden, Values: []string{"a"}}, {Var: "FORM_TYPE", Type: form.Hidden, Values: []string{"b"}}}}}}},
		{name: "3.5 a FORM_TYPE with a value twice", info: disco.Info{Forms: []form.Data{
			{Fields: []form.Field{{Var: "FORM_TYPE", Type: form.Hidden, Values: []string{"a", "a"}}}}}}, ok: true},
		{name: "3.6 a FORM_TYPE that is not hidden", info: disco.Info{Forms: []form.Data{
			{Fields: []form.Field{{Var: "FORM_TYPE", Values: []string{"a", "b"}}}}}}, ok: true},
		{name: "3.6 a form without FORM_TYPE", info: disco.Info{Forms: []form.Data{form.New(form.Result, ""), form.New(form.Result, "")}}, ok: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := VerificationString(tt.info)
			_, verErr := Ver(tt.info, SHA1)
			if tt.ok && (err != nil || verErr != nil) || !tt.ok && (!errors.Is(err, ErrIllFormed) || !errors.Is(verErr, ErrIllFormed)) {
				t.Errorf("got %v, %v", err, verErr)
			}
		})
	}
}

// TestPoisoning has pairs of different information with the same string S, of
// which the first is plausible. The second is what somebody could serve in its
// place, and must be refused (XEP-0115, section 9.3).
func TestPoisoning(t *testing.T) {
	id := []disco.Identity{{Category: "client", Type: "pc", Name: "Exodus"}}
	two := []disco.Identity{identity("client", "pc", "Psi", "el"), identity("client", "pc", "Psi", "en")}
	real := disco.Info{Identities: id, Features: []string{"http://jabber.org/protocol/muc", "urn:xmpp:receipts", "urn:xmpp:time"}}
	for _, tt := range []struct {
		name       string
		real, evil disco.Info
	}{
		{"features in a name", real, disco.Info{Identities: []disco.Identity{{Category: "client", Type: "pc", Name: "Exodus<http://jabber.org/protocol/muc"}},
			Features: []string{"urn:xmpp:receipts", "urn:xmpp:time"}}},
		{"features in a category", real, disco.Info{Identities: []disco.Identity{{Category: "client", Type: "pc", Name: "Exodus"},
			{Category: "http:", Type: "", Lang: "jabber.org", Name: "protocol/muc"}}, Features: []string{"urn:xmpp:receipts", "urn:xmpp:time"}}},
		{"features in a type", real, disco.Info{Identities: []disco.Identity{{Category: "client", Type: "pc//Exodus<http:", Lang: "", Name: "jabber.org/protocol/muc"}},
			Features: []string{"urn:xmpp:receipts", "urn:xmpp:time"}}},
		{"two features in one", real, disco.Info{Identities: id, Features: []string{"http://jabber.org/protocol/muc<urn:xmpp:receipts", "urn:xmpp:time"}}},
		{"the identity as a feature", real, disco.Info{Features: append([]string{"client/pc//Exodus"}, real.Features...)}},
		{"one identity as a feature", disco.Info{Identities: two, Features: real.Features},
			disco.Info{Identities: two[:1], Features: append([]string{"client/pc/en/Psi"}, real.Features...)}},
		{"the last features as a form", real, disco.Info{Identities: id, Features: real.Features[:1],
			Forms: []form.Data{form.New(form.Result, "urn:xmpp:receipts", form.Field{Var: "urn:xmpp:time"})}}},
		{"the last features as forms", real, disco.Info{Identities: id, Features: real.Features[:1],
			Forms: []form.Data{form.New(form.Result, "urn:xmpp:receipts"), form.New(form.Result, "urn:xmpp:time")}}},
		{"features as fields of a form that was there",
			disco.Info{Identities: id, Features: real.Features, Forms: []form.Data{form.New(form.Result, "v")}},
			disco.Info{Identities: id, Features: real.Features[:1], Forms: []form.Data{
				form.New(form.Result, "urn:xmpp:receipts", form.Field{Var: "urn:xmpp:time", Values: []string{"v"}})}}},
		{"a form in a value",
			disco.Info{Identities: id, Features: real.Features, Forms: []form.Data{
				form.New(form.Result, "urn:xmpp:dataforms:softwareinfo", form.String("os", "Mac"), form.String("software", "Psi"))}},
			disco.Info{Identities: id, Features: real.Features, Forms: []form.Data{
				form.New(form.Result, "urn:xmpp:dataforms:softwareinfo", form.String("os", "Mac<software<Psi"))}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ver, err := Ver(tt.real, SHA1)
			if err != nil {
				t.Fatal(err)
			}
			if evil, err := Ver(tt.evil, SHA1); evil != ver || err != nil {
				t.Fatalf("the hashes are different: %v", err)
			}
			c := Caps{Hash: SHA1, Ver: ver}
			if err := c.Verify(tt.evil); !errors.Is(err, ErrIllFormed) {
				t.Errorf("the evil one: %v", err)
			}
			// XEP-0390 tells them apart.
			h, err := Sum(tt.real, SHA256)
			if err != nil {
				t.Fatal(err)
			}
			if err := h.Verify(tt.evil); !errors.Is(err, ErrMismatch) {
				t.Errorf("XEP-0390: %v", err)
			}
		})
	}
	ver, err := Ver(real, SHA1)
	if err != nil || (Caps{Hash: SHA1, Ver: ver}).Verify(real) != nil {
		t.Error("the real one is refused", err)
	}
	empty := disco.Info{Identities: id, Features: []string{""}}
	if ver, err = Ver(empty, SHA1); err != nil || !errors.Is((Caps{Hash: SHA1, Ver: ver}).Verify(empty), ErrIllFormed) {
		t.Error("an empty feature")
	}
	// "&lt;" stays what it is (XEP-0115, section 5.1).
	s, err := VerificationString(parseInfo(t, "<query xmlns='http://jabber.org/protocol/disco#info'><feature var='a&amp;lt;b'/></query>"))
	if s != "a&lt;b<" || err != nil {
		t.Errorf("got %s, %v", s, err)
	}
}

// TestSum shows the examples of XEP-0390, section 4.5.
func TestSum(t *testing.T) {
	for _, tt := range []struct{ file, identities, extensions, sha256, sha3 string }{
		{"bombusmod.xml", "636c69656e741f6d6f62696c651f1f426f6d6275734d6f641f1e1c", "1c",
			"kzBZbkqJ3ADrj7v08reD1qcWUwNGHaidNUgD7nHpiw8=", "79mdYAfU9rEdTOcWDO7UEAt6E56SUzk/g6TnqUeuD9Q="},
		{"tkabber.xml", "636c69656e741f70631f656e1f546b61626265721f1e636c69656e741f70631f72751fd0a2d0bad0b0d0b1d0b1d0b5d1801f1e1c",
			hex.EncodeToString([]byte("FORM_TYPE\x1furn:xmpp:dataforms:softwareinfo\x1f\x1eos\x1fWindows\x1f\x1eos_version\x1fXP\x1f\x1e" +
				"software\x1fTkabber\x1f\x1esoftware_version\x1f0.11.1-svn-20111216-mod (Tcl/Tk 8.6b2)\x1f\x1e\x1d\x1c")),
			"u79ZroNJbdSWhdSp311mddz44oHHPsEBntQ5b1jqBSY=", "XpUJzLAc93258sMECZ3FJpebkzuyNXDzRNwQog8eycg="},
	} {
		t.Run(tt.file, func(t *testing.T) {
			info := readInfo(t, tt.file)
			input, err := HashInput(info)
			if err != nil || !strings.HasSuffix(hex.EncodeToString(input), tt.identities+tt.extensions) {
				t.Errorf("got %q, %v", input, err)
			}
			for algo, want := range map[string]string{SHA256: tt.sha256, SHA3256: tt.sha3} {
				h, err := Sum(info, algo)
				if got := base64.StdEncoding.EncodeToString([]byte(h.Value)); err != nil || got != want || h.Algo != algo {
					t.Errorf("%s: got %s, %v, want %s", algo, got, err, want)
				}
				if err := h.Verify(info); err != nil {
					t.Errorf("%s: Verify: %v", algo, err)
				}
				if want := "urn:xmpp:caps#" + algo + "." + want; h.DiscoNode() != want {
					t.Errorf("got %s, want %s", h.DiscoNode(), want)
				}
			}
		})
	}
	for name, info := range map[string]disco.Info{
		"4.1 1 an unknown element":             {Unknown: 1},
		"4.1 2 a table":                        {Forms: []form.Data{{Reported: []form.Field{}, Fields: []form.Field{{Var: "FORM_TYPE", Type: form.Hidden, Values: []string{"a"}}}}}},
		"4.1 2 an item":                        {Forms: []form.Data{{Items: [][]form.Field{nil}, Fields: []form.Field{{Var: "FORM_TYPE", Type: form.Hidden, Values: []string{"a"}}}}}},
		"4.1 3 no FORM_TYPE":                   {Forms: []form.Data{{}}},
		"4.1 3 a FORM_TYPE that is not hidden": {Forms: []form.Data{{Fields: []form.Field{{Var: "FORM_TYPE", Values: []string{"a"}}}}}},
		"4.1 3 a FORM_TYPE without value":      {Forms: []form.Data{{Fields: []form.Field{{Var: "FORM_TYPE", Type: form.Hidden}}}}},
	} {
		if _, err := Sum(info, SHA256); !errors.Is(err, ErrIllFormed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Sum(disco.Info{}, "sha-0"); !errors.Is(err, ErrUnknownHash) {
		t.Error(err)
	}
	for algo, size := range map[string]int{"sha-1": 20, "sha-224": 28, "sha-256": 32, "sha-384": 48, "sha-512": 64, "sha3-256": 32, "sha3-512": 64} {
		if h, err := Sum(disco.Info{}, algo); len(h.Value) != size || err != nil {
			t.Errorf("%s: %d octets, %v", algo, len(h.Value), err)
		}
	}
}

// TestLanguage: who made a hash may have known the language around the
// identities, or not (XEP-0390, section 4.1).
func TestLanguage(t *testing.T) {
	explicit := disco.Info{Identities: []disco.Identity{identity("client", "pc", "Psi", "en")}, Features: []string{"a"}}
	none := disco.Info{Identities: []disco.Identity{identity("client", "pc", "Psi", "")}, Features: []string{"a"}}
	received := none
	received.Lang = "en"
	for _, made := range []disco.Info{explicit, none} {
		h, err := Sum(made, SHA256)
		if err != nil || h.Verify(received) != nil {
			t.Errorf("%+v: %v", made, err)
		}
		got, err := h.match(received)
		if err != nil || got.Identities[0].Lang != made.Identities[0].Lang {
			t.Errorf("got %+v, %v", got, err)
		}
		ver, err := Ver(made, SHA1)
		if err != nil || (Caps{Hash: SHA1, Ver: ver}).Verify(received) != nil {
			t.Errorf("XEP-0115: %+v: %v", made, err)
		}
	}
	other := disco.Info{Identities: []disco.Identity{identity("client", "pc", "Psi", "de")}, Features: []string{"a"}}
	h, err := Sum(other, SHA256)
	if err != nil || !errors.Is(h.Verify(received), ErrMismatch) {
		t.Errorf("another language: %v", err)
	}
	if received.Identities[0].Lang != "" {
		t.Error("the information was changed")
	}
}

// TestXML reads and writes the elements.
func TestXML(t *testing.T) {
	for _, tt := range []struct {
		in   string
		v    stanza.Parser
		want any
		out  string // "" if it is as in
	}{
		{"<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='http://psi-im.org' ver='q07IKJEyjvHSyhy//CH0CxmKi8w='/>", new(Caps),
			&Caps{Hash: "sha-1", Node: "http://psi-im.org", Ver: psiVer}, ""},
		{"<c xmlns='http://jabber.org/protocol/caps' node='http://exodus.jabberstudio.org/caps' ver='0.9' ext='ftrans xhtml'/>", new(Caps),
			&Caps{Node: "http://exodus.jabberstudio.org/caps", Ver: "0.9", Ext: "ftrans xhtml"}, ""},
		{"<c xmlns='urn:xmpp:caps'><hash xmlns='urn:xmpp:hashes:2' algo='sha-256'>YWI=</hash><hash xmlns='urn:xmpp:hashes:2' algo='x.y'>Yw==</hash></c>", new(Set),
			&Set{[]Hash{{"sha-256", "ab"}, {"x.y", "c"}}}, ""},
		{"<c xmlns='urn:xmpp:caps'><hash algo='sha-1'>YWI=</hash><hash xmlns='urn:xmpp:hashes:2'>YWI=</hash>" +
			"<hash xmlns='urn:xmpp:hashes:2' algo='a'>!</hash><hash xmlns='urn:xmpp:hashes:2' algo='a'/><hash xmlns='urn:xmpp:hashes:2' algo='b'> YWI= \n</hash></c>", new(Set),
			&Set{[]Hash{{"b", "ab"}}}, "<c xmlns='urn:xmpp:caps'><hash xmlns='urn:xmpp:hashes:2' algo='b'>YWI=</hash></c>"},
	} {
		el, err := stanza.Raw(tt.in).Element()
		if err != nil {
			t.Fatal(err)
		}
		if err := el.Decode(tt.v); err != nil || !reflect.DeepEqual(tt.v, tt.want) {
			t.Errorf("got %+v, %v, want %+v", tt.v, err, tt.want)
		}
		want := tt.out
		if want == "" {
			want = tt.in
		}
		if b, err := tt.v.(stanza.Payload).AppendXML(nil); string(b) != want || err != nil {
			t.Errorf("got %s, %v, want %s", b, err, want)
		}
	}
	el, err := stanza.Raw("<c xmlns='urn:xmpp:caps'>" + strings.Repeat("<hash xmlns='urn:xmpp:hashes:2' algo='a'>YWI=</hash>", 100) + "</c>").Element()
	var s Set
	if err != nil || s.ParseXML(el) != nil || len(s.Hashes) != maxHashes {
		t.Errorf("%d hashes, %v", len(s.Hashes), err)
	}
}

func TestDiscoNode(t *testing.T) {
	if got := (Caps{Node: "http://psi-im.org", Ver: psiVer}).DiscoNode(); got != "http://psi-im.org#"+psiVer {
		t.Error(got)
	}
	for _, h := range []Hash{{"sha-256", "abc"}, {"a.b.c", "\x00\xff"}} {
		if got, ok := ParseDiscoNode(h.DiscoNode()); got != h || !ok {
			t.Errorf("%s: got %+v, %v", h.DiscoNode(), got, ok)
		}
	}
	for _, node := range []string{"", "urn:xmpp:caps#", "urn:xmpp:caps#.YWI=", "urn:xmpp:caps#sha-256.", "urn:xmpp:caps#sha-256", "urn:xmpp:caps#sha-256.!", "x#sha-256.YWI="} {
		if h, ok := ParseDiscoNode(node); ok || h != (Hash{}) {
			t.Errorf("%q: %+v", node, h)
		}
	}
}

// FuzzHashes: whatever the information is, its hashes verify it, and whatever
// is kept of it has the same hashes. Two that have the same input of XEP-0390
// are the same.
func FuzzHashes(f *testing.F) {
	f.Add(exodus, psi)
	f.Add(psi, "<query xmlns='http://jabber.org/protocol/disco#info'><feature var='a&lt;b'/><feature/><identity/></query>")
	f.Fuzz(func(t *testing.T, a, b string) {
		ela, err := stanza.Raw(a).Element()
		if err != nil {
			return
		}
		var ia, ib disco.Info
		if err := ia.ParseXML(ela); err != nil {
			t.Fatal(err)
		}
		ver, verErr := Ver(ia, SHA1)
		if verErr == nil {
			c := Caps{Hash: SHA1, Ver: ver}
			if err := c.Verify(ia); err != nil && !errors.Is(err, ErrIllFormed) {
				t.Errorf("Verify: %v", err)
			} else if err == nil && c.Verify(covered(ia)) != nil {
				t.Errorf("%+v: what is covered has not the hash", ia)
			}
		}
		h, err := Sum(ia, SHA256)
		if err == nil && h.Verify(ia) != nil {
			t.Error("XEP-0390: the hash does not verify its information")
		}
		elb, errb := stanza.Raw(b).Element()
		if errb != nil || err != nil {
			return
		}
		if err := ib.ParseXML(elb); err != nil {
			t.Fatal(err)
		}
		if hb, err := Sum(ib, SHA256); err == nil && hb == h {
			if sa, _ := VerificationString(ia); sa != "" {
				if sb, errb := VerificationString(ib); errb == nil && verErr == nil && sa != sb {
					t.Errorf("the same hash, but %q and %q", sa, sb)
				}
			}
		}
	})
}
