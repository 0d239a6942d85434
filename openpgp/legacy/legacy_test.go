package legacy

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/etherx-go/xmpp/ext/hints"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/openpgp"
	"github.com/etherx-go/xmpp/openpgp/internal/opgptest"
	"github.com/etherx-go/xmpp/stanza"
)

// headless takes the header and footer lines off a file with armour, as the
// first clients did.
func headless(t testing.TB, file string) string {
	t.Helper()
	_, rest, _ := strings.Cut(opgptest.Text(t, file), "\n\n")
	text, _, ok := strings.Cut(rest, "\n-----END")
	if !ok {
		t.Fatalf("%s has no armour", file)
	}
	return text
}

func signed(t testing.TB, status, armor string) *stanza.Stanza {
	t.Helper()
	return opgptest.Parse(t, "<presence from='romeo@example.org/orchard' to='juliet@example.org/balcony'><status>"+status+
		"</status><x xmlns='jabber:x:signed'>"+armor+"</x></presence>")
}

func encrypted(t testing.TB, armor string) *stanza.Stanza {
	t.Helper()
	return opgptest.Parse(t, "<message from='romeo@example.org/orchard' to='juliet@example.org/balcony' id='1'"+
		" type='chat'>"+
		"<body>This message is encrypted.</body><x xmlns='jabber:x:encrypted'>"+armor+"</x></message>")
}

// The example of draft-miller-xmpp-core-02, appendix C.1, and XEP-0027.
const seedSignature = "\n    iQA/AwUBOjU5dnol3d88qZ77EQI2JACfRngLJ045brNnaCX78ykKNUZaTIoAoPHI\n" +
	"    2uJxPMGR73EBIvEpcv0LRSy+\n    =45f8\n  "

func TestArmor(t *testing.T) {
	t.Run("CORE-C-1 armour without its header lines", func(t *testing.T) {
		sig, err := Dearmor(seedSignature)
		if err != nil || len(sig) != 66 || sig[0] != 0x89 || sig[3] != 3 { // a signature of version 3
			t.Fatalf("the example: %x, %v", sig, err)
		}
		want := strings.Join(strings.Fields(seedSignature), "\n")
		if got := Armor(sig); got != want {
			t.Errorf("written as\n%s\nwant\n%s", got, want)
		}
		for _, file := range []string{"romeo.sig.asc", "juliet.sig.asc", "body.asc", "body-signed.asc"} {
			if got := Armor(opgptest.Data(t, file)); got != headless(t, file) {
				t.Errorf("%s: written as\n%s", file, got)
			}
		}
	})
	data := opgptest.Data(t, "romeo.sig.asc")
	armor := headless(t, "romeo.sig.asc")
	sum := armor[strings.LastIndex(armor, "\n"):]
	for name, in := range map[string]string{
		"as it is":             armor,
		"with header lines":    opgptest.Text(t, "romeo.sig.asc"),
		"with a version":       "Version: GnuPG v1\nHash: SHA256\n\n" + armor,
		"on one line":          strings.ReplaceAll(armor, "\n", ""),
		"with spaces for ends": strings.ReplaceAll(armor, "\n", " "),
		"with DOS line ends":   strings.ReplaceAll(armor, "\n", "\r\n"),
		"without a checksum":   strings.TrimSuffix(armor, sum),
		"with a wrong one":     strings.TrimSuffix(armor, sum) + "\n=AAAA",
		"with something after": armor + "\n-----END PGP SIGNATURE-----\nBye",
	} {
		if got, err := Dearmor(in); err != nil || !bytes.Equal(got, data) {
			t.Errorf("%s: %x, %v", name, got, err)
		}
	}
	for _, in := range []string{"", " \n", "=AAAA", "Hello!", "AAA", "A: b", "AAAA\nA: b", "-----BEGIN PGP MESSAGE-----"} {
		if got, err := Dearmor(in); err == nil {
			t.Errorf("%q: %x", in, got)
		}
	}
}

func TestPayloads(t *testing.T) {
	const s = "<x xmlns='jabber:x:signed'>YWI=\n=DMDu</x>"
	if v, err := opgptest.Decode[Signed](t, s); err != nil || string(v) != "ab" {
		t.Errorf("%q, %v", v, err)
	}
	if b, err := Signed("ab").AppendXML(nil); err != nil || !strings.HasPrefix(string(b),
		"<x xmlns='jabber:x:signed'>YWI=\n=") {
		t.Errorf("%s, %v", b, err)
	}
	if v, err := opgptest.Decode[Encrypted](t, "<x xmlns='jabber:x:encrypted'>\n YW\nI=\n</x>"); err != nil ||
		string(v) != "ab" {
		t.Errorf("%q, %v", v, err)
	}
	if b, err := Encrypted("ab").AppendXML(nil); err != nil || !strings.HasPrefix(string(b),
		"<x xmlns='jabber:x:encrypted'>YWI=\n=") {
		t.Errorf("%s, %v", b, err)
	}
	for _, p := range []stanza.Payload{Signed(nil), Encrypted{}} {
		if b, err := p.AppendXML(nil); !errors.Is(err, stanza.BadRequest) {
			t.Errorf("%s, %v", b, err)
		}
	}
	for _, in := range []string{"", "!"} {
		if _, err := opgptest.Decode[Signed](t, "<x xmlns='jabber:x:signed'>"+in+"</x>"); !errors.Is(err, stanza.BadRequest) {
			t.Errorf("%q: %v", in, err)
		}
	}
}

func TestSignedPresence(t *testing.T) {
	romeo := []*openpgp.Key{opgptest.Key(t, "romeo")}
	juliet := opgptest.Ring(t, "juliet")
	verify := func(st *stanza.Stanza) (*openpgp.Signature, error) {
		return Verify(t.Context(), juliet, st, romeo, time.Time{})
	}
	t.Run("CORE-C.1-1 the status is signed, and must not be empty", func(t *testing.T) {
		p := &stanza.Presence{Status: "Online", Payloads: []any{hints.Store, Signed("an old one")}}
		if err := Sign(t.Context(), opgptest.Ring(t, "romeo"), p); err != nil {
			t.Fatal(err)
		}
		st, err := p.Stanza()
		if err != nil {
			t.Fatal(err)
		}
		sig, err := verify(opgptest.Parse(t, st.String()))
		if err != nil || sig.Key.Fingerprint() != romeo[0].Fingerprint() || st.ElementCount() != 3 {
			t.Errorf("%v, %v: %s", sig, err, st)
		}
		if err := Sign(t.Context(), opgptest.Ring(t, "romeo"), new(stanza.Presence)); !errors.Is(err, ErrNoStatus) {
			t.Errorf("without a status: %v", err)
		}
		// XEP-0027, section 2: "The text that is signed MAY be the empty string."
		empty, err := opgptest.Ring(t, "romeo").Sign(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, in := range []string{"", "<status/>"} {
			st := opgptest.Parse(t, "<presence>"+in+"<x xmlns='jabber:x:signed'>"+Armor(empty)+"</x></presence>")
			if _, err := verify(st); err != nil {
				t.Errorf("an empty status in %s: %v", st, err)
			}
		}
	})
	t.Run("CORE-C.1-3 only the text of the status is signed, and every character of it", func(t *testing.T) {
		for _, file := range []string{"romeo.sig.asc", "romeo-text.sig.asc"} {
			armor := headless(t, file)
			for status, want := range map[string]error{
				"Online": nil, "<![CDATA[On]]>line": nil, "&#79;nline": nil, "online": openpgp.ErrBadSignature,
				"Online.": openpgp.ErrBadSignature, "": openpgp.ErrBadSignature, " Online": openpgp.ErrBadSignature,
			} {
				if sig, err := verify(signed(t, status, armor)); !errors.Is(err, want) || (sig == nil) != (want != nil) {
					t.Errorf("%s, %q: %v, %v", file, status, sig, err)
				}
			}
		}
		// Nothing else is: not who sends it, and how he is.
		st := opgptest.Parse(t, "<presence from='tybalt@example.org/x'><show>dnd</show><priority>5</priority>"+
			"<status>Online</status><x xmlns='jabber:x:signed'>"+headless(t, "romeo.sig.asc")+"</x></presence>")
		if _, err := verify(st); err != nil {
			t.Errorf("with another sender: %v", err)
		}
	})
	t.Run("CORE-C-2 a presence that is sent again is not found out", func(t *testing.T) {
		// What the package's comment warns of.
		st := signed(t, "Online", headless(t, "romeo.sig.asc"))
		first, err := verify(st)
		if err != nil {
			t.Fatal(err)
		}
		year := opgptest.At.AddDate(1, 0, 0)
		again, err := Verify(t.Context(), juliet, st, romeo, year)
		if err != nil || !again.Time.Equal(first.Time) {
			t.Errorf("a year later: %v, %v", again, err)
		}
	})
	t.Run("a signed message", func(t *testing.T) {
		st := opgptest.Parse(t, "<message><body>Online</body><x xmlns='jabber:x:signed'>"+headless(t,
			"romeo.sig.asc")+"</x></message>")
		if _, err := verify(st); err != nil {
			t.Error(err)
		}
	})
	for name, tt := range map[string]struct {
		in   string
		want error
	}{
		"version 3": {"<presence><status>Online</status><x xmlns='jabber:x:signed'>" + seedSignature + "</x></presence>",
			openpgp.ErrNotSigned},
		"none":     {"<presence><status>Online</status></presence>", openpgp.ErrNotSigned},
		"an iq":    {"<iq type='get'><x xmlns='jabber:x:signed'>AAAA</x></iq>", openpgp.ErrNotSigned},
		"an error": {"<presence type='error'><x xmlns='jabber:x:signed'>AAAA</x></presence>", openpgp.ErrNotSigned},
		"no armour": {"<presence><status>Online</status><x xmlns='jabber:x:signed'>!</x></presence>",
			openpgp.ErrMalformed},
		"somebody else's": {"<presence><status>Online</status><x xmlns='jabber:x:signed'>" + headless(t, "juliet.sig.asc") +
			"</x></presence>", openpgp.ErrUnknownSigner},
	} {
		if sig, err := verify(opgptest.Parse(t, tt.in)); !errors.Is(err, tt.want) || sig != nil {
			t.Errorf("%s: %v, %v", name, sig, err)
		}
	}
	if err := Sign(t.Context(), opgptest.Ring(t), &stanza.Presence{Status: "x"}); !errors.Is(err, openpgp.ErrNoKey) {
		t.Errorf("without a key: %v", err)
	}
}

func TestEncryptedMessage(t *testing.T) {
	juliet, romeo := opgptest.Ring(t, "juliet"), opgptest.Ring(t, "romeo")
	t.Run("CORE-C.2-1 the body is encrypted, and a plain one says so", func(t *testing.T) {
		m := &stanza.Message{To: jid.MustParse("juliet@example.org/balcony"), Type: stanza.TypeChat, ID: "1",
			Subject: "Roses",
			Body:    "What's in <a name>?", Bodies: []stanza.Text{{Lang: "de", Body: "Was ist ein Name?"}}, Thread: "t",
			Payloads: []any{
				hints.Store, stanza.Raw("<html xmlns='http://jabber.org/protocol/xhtml-im'><body>a name</body></html>"),
			}}
		sealed, err := Encrypt(t.Context(), romeo, m, juliet.Keys(), "")
		if err != nil {
			t.Fatal(err)
		}
		st, err := sealed.Stanza()
		if err != nil {
			t.Fatal(err)
		}
		wire := st.String()
		for _, part := range []string{"<body>This message is encrypted.</body>", "<subject>Roses</subject>",
			"<thread>t</thread>",
			"<x xmlns='jabber:x:encrypted'>", "<encryption xmlns='urn:xmpp:eme:0' namespace='jabber:x:encrypted'/>", "<store "} {
			if strings.Count(wire, part) != 1 {
				t.Errorf("%s is not there once: %s", part, wire)
			}
		}
		if strings.Contains(wire, "ame>") || strings.Contains(wire, "Name") || strings.Contains(wire, "-----") ||
			m.Body == "" {
			t.Errorf("the text can be read: %s", wire)
		}
		for _, reader := range []*openpgp.Keyring{juliet, romeo} { // the sender can read it too
			clear, sec, err := Decrypt(t.Context(), reader, opgptest.Parse(t, wire), romeo.Keys(), time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			got := clear.Message()
			if got.Body != m.Body || got.ID != "1" || got.Subject != "Roses" || got.Thread != "t" || len(got.Payloads) != 1 ||
				!sec.Encrypted || sec.Signature != nil || !sec.Author.IsZero() || sec.Outer.String() != wire {
				t.Errorf("got %s, %+v", clear, sec)
			}
		}
	})
	t.Run("CORE-C.2-1 what GnuPG has encrypted", func(t *testing.T) {
		for file, signer := range map[string]bool{"body.asc": false, "body-signed.asc": true, "body-hidden.asc": false} {
			clear, sec, err := Decrypt(t.Context(), juliet, encrypted(t, headless(t, file)), romeo.Keys(), time.Time{})
			if err != nil || clear.Message().Body != "O Romeo, Romeo!" || (sec.Signature != nil) != signer {
				t.Errorf("%s: %v, %+v, %v", file, clear, sec, err)
			}
		}
	})
	t.Run("CORE-C.2-2 a message without a body is not sent", func(t *testing.T) {
		m := &stanza.Message{To: jid.MustParse("juliet@example.org")}
		if got, err := Encrypt(t.Context(), romeo, m, juliet.Keys(), ""); !errors.Is(err, ErrNoBody) {
			t.Errorf("%+v, %v", got, err)
		}
		m.Body = "x"
		got, err := Encrypt(t.Context(), romeo, m, juliet.Keys(), "Encrypted for you.")
		if err != nil || got.Body != "Encrypted for you." {
			t.Errorf("%+v, %v", got, err)
		}
	})
	t.Run("line ends, and what is no text", func(t *testing.T) {
		for in, want := range map[string]string{"a\r\nb\nc": "a\nb\nc", "": "", "\xff": "!"} {
			x, err := romeo.Seal(t.Context(), []byte(in), juliet.Keys(), false)
			if err != nil {
				t.Fatal(err)
			}
			clear, _, err := Decrypt(t.Context(), juliet, encrypted(t, Armor(x)), nil, time.Time{})
			if want == "!" {
				if !errors.Is(err, openpgp.ErrMalformed) {
					t.Errorf("%q: %v", in, err)
				}
			} else if err != nil || clear.Message().Body != want {
				t.Errorf("%q: %v, %v", in, clear, err)
			}
		}
	})
	notEncrypted, err := romeo.Seal(t.Context(), []byte("x"), nil, true)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		st   *stanza.Stanza
		ring openpgp.Engine
		want error
	}{
		"another key":  {encrypted(t, headless(t, "body.asc")), romeo, openpgp.ErrNoKey},
		"a locked key": {encrypted(t, headless(t, "body.asc")), opgptest.Ring(t, "mercutio"), openpgp.ErrLocked},
		"signed only":  {encrypted(t, Armor(notEncrypted)), juliet, openpgp.ErrMalformed},
		"no armour":    {encrypted(t, "!"), juliet, openpgp.ErrMalformed},
		"no OpenPGP":   {encrypted(t, "AAAA"), juliet, openpgp.ErrMalformed},
		"nothing":      {opgptest.Parse(t, "<message><body>x</body></message>"), juliet, openpgp.ErrMalformed},
		"a presence": {opgptest.Parse(t, "<presence><x xmlns='jabber:x:encrypted'>AAAA</x></presence>"), juliet,
			openpgp.ErrMalformed},
		"a bomb":        {encrypted(t, headless(t, "bomb.asc")), juliet, openpgp.ErrTooLarge},
		"the other way": {signed(t, "Online", headless(t, "romeo.sig.asc")), juliet, openpgp.ErrMalformed},
	} {
		if st, sec, err := Decrypt(t.Context(), tt.ring, tt.st, nil, time.Time{}); !errors.Is(err, tt.want) || st != nil ||
			sec.Encrypted {
			t.Errorf("%s: %v, %v, want %v", name, st, err, tt.want)
		}
	}
	m := &stanza.Message{Body: "x", Payloads: []any{stanza.Raw("<")}}
	if _, err := Encrypt(t.Context(), romeo, m, juliet.Keys(), ""); err == nil {
		t.Error("a payload that is no XML")
	}
	m.Payloads = nil
	if _, err := Encrypt(t.Context(), romeo, m, nil, ""); !errors.Is(err, openpgp.ErrNoKey) {
		t.Errorf("to nobody: %v", err)
	}
	if _, err := Encrypt(t.Context(), romeo, m, []*openpgp.Key{opgptest.Key(t, "paris")}, ""); !errors.Is(err,
		openpgp.ErrKeyRevoked) {
		t.Errorf("to a revoked key: %v", err)
	}
}

func FuzzDearmor(f *testing.F) {
	for _, file := range []string{"romeo.sig.asc", "body.asc"} {
		f.Add(opgptest.Text(f, file))
		f.Add(headless(f, file))
	}
	f.Add(seedSignature)
	f.Fuzz(func(t *testing.T, text string) {
		data, err := Dearmor(text)
		if err != nil {
			return
		}
		again, err := Dearmor(Armor(data))
		if err != nil || !bytes.Equal(again, data) {
			t.Fatalf("%x is read again as %x, %v", data, again, err)
		}
	})
}
