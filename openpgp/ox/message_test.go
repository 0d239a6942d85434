package ox

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/etherx-go/xmpp/ext/hints"
	"github.com/etherx-go/xmpp/ext/stanzaid"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/openpgp"
	"github.com/etherx-go/xmpp/openpgp/internal/opgptest"
	"github.com/etherx-go/xmpp/stanza"
)

// A message that GnuPG has signed and encrypted.
func TestOpenGnuPG(t *testing.T) {
	romeo := []*openpgp.Key{opgptest.Key(t, "romeo")}
	good := Checks{From: jid.MustParse("romeo@example.org/orchard"), To: jid.MustParse("juliet@example.org/balcony"),
		Keys: romeo,
		At:   opgptest.At}
	for _, tt := range []struct {
		name   string
		change func(*Checks)
		own    string
		want   error
	}{
		{"as it is", func(*Checks) {}, "juliet", nil},
		{"encrypted to somebody else", func(*Checks) {}, "mercutio", openpgp.ErrNoKey},
		{"signed by another key", func(c *Checks) { c.Keys = []*openpgp.Key{opgptest.Key(t, "tybalt")} }, "juliet",
			openpgp.ErrUnknownSigner},
		{"signed by a key of another address", func(c *Checks) { c.From = jid.MustParse("tybalt@example.org") }, "juliet",
			ErrAuthor},
		{"from nobody", func(c *Checks) { c.From = jid.JID{} }, "juliet", ErrAuthor},
		{"meant for somebody else", func(c *Checks) { c.To = jid.MustParse("tybalt@example.org") }, "juliet", ErrAddressee},
		{"14 minutes later", func(c *Checks) { c.At = c.At.Add(13 * time.Minute) }, "juliet", nil},
		{"a quarter of an hour later", func(c *Checks) { c.At = c.At.Add(15 * time.Minute) }, "juliet", ErrTime},
		{"a day later, where that is allowed", func(c *Checks) { c.At, c.MaxAge = c.At.Add(24*time.Hour), 25*time.Hour },
			"juliet", nil},
		{"years later, where that is allowed", func(c *Checks) { c.At, c.MaxAge = c.At.AddDate(9, 0, 0), -1 }, "juliet", nil},
		{"two minutes earlier", func(c *Checks) { c.At = c.At.Add(-160 * time.Second) }, "juliet", nil},
		{"two minutes earlier, too many", func(c *Checks) { c.At, c.MaxSkew = c.At.Add(-160*time.Second), time.Minute },
			"juliet", ErrTime},
		{"now", func(c *Checks) { c.At = time.Time{} }, "juliet", ErrTime},
		{"where another kind is wanted", func(c *Checks) { c.Kinds = []Kind{Sign, Crypt} }, "juliet", ErrProtection},
	} {
		t.Run(tt.name, func(t *testing.T) {
			checks := good
			tt.change(&checks)
			c, sig, err := OpenElement(t.Context(), opgptest.Ring(t, tt.own), opgptest.Data(t, "ox.b64"), checks)
			if !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if err != nil {
				return
			}
			body := c.Payload[0].(stanza.Element)
			if sig.Key.Fingerprint() != romeo[0].Fingerprint() || c.Kind != SignCrypt || c.Pad == "" ||
				!body.Is(stanza.NSClient, "body") ||
				body.Text() != "This is a secret message." {
				t.Errorf("got %+v, %+v", c, sig)
			}
		})
	}
}

// What is written can be read, of every kind; and what is protected otherwise than
// its kind says is not taken.
func TestKinds(t *testing.T) {
	juliet, romeo := opgptest.Ring(t, "juliet"), opgptest.Ring(t, "romeo")
	checks := Checks{From: opgptest.Romeo, To: opgptest.Juliet, Keys: romeo.Keys(), At: opgptest.At,
		Kinds: []Kind{SignCrypt, Sign, Crypt}}
	for _, kind := range []Kind{SignCrypt, Sign, Crypt} {
		c := Content{Kind: kind, To: []jid.JID{opgptest.Juliet}, Time: opgptest.At,
			Payload: []any{stanza.Raw("<body>x</body>")}}
		m, err := SealContent(t.Context(), romeo, c, juliet.Keys())
		if err != nil {
			t.Fatal(err)
		}
		got, sig, err := OpenElement(t.Context(), juliet, m, checks)
		if err != nil || got.Kind != kind || (sig != nil) != (kind != Crypt) {
			t.Errorf("%s: %+v, %v, %v", kind, got, sig, err)
		}
		c.Pad = "-"
		plain, err := c.AppendXML(nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, other := range []struct {
			to   []*openpgp.Key
			sign bool
			kind Kind
		}{{juliet.Keys(), true, SignCrypt}, {nil, true, Sign}, {juliet.Keys(), false, Crypt}} {
			m, err := romeo.Seal(t.Context(), plain, other.to, other.sign)
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := OpenElement(t.Context(), juliet, m, checks); errors.Is(err, ErrProtection) != (other.kind != kind) {
				t.Errorf("a %s protected as a %s: %v", kind, other.kind, err)
			}
		}
	}
	for name, tt := range map[string]struct {
		c    Content
		to   []*openpgp.Key
		want error
	}{
		"to nobody":        {Content{Kind: Crypt}, nil, openpgp.ErrNoKey},
		"for nobody":       {Content{Kind: Sign}, nil, stanza.BadRequest},
		"to a revoked key": {Content{Kind: Crypt}, []*openpgp.Key{opgptest.Key(t, "paris")}, openpgp.ErrKeyRevoked},
	} {
		if m, err := SealContent(t.Context(), romeo, tt.c, tt.to); !errors.Is(err, tt.want) || m != nil {
			t.Errorf("%s: %v, %v", name, m, err)
		}
	}
	for name, plain := range map[string]string{"no content": "Hello",
		"no time": "<crypt xmlns='urn:xmpp:openpgp:0'><payload/></crypt>"} {
		m, err := romeo.Seal(t.Context(), []byte(plain), juliet.Keys(), true)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := OpenElement(t.Context(), juliet, m, checks); !errors.Is(err, openpgp.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// sealNow seals a message by the machine's clock, which Seal stamps it with.
func sealNow(t *testing.T, from openpgp.Engine, m *stanza.Message, keys []*openpgp.Key,
	further ...jid.JID) *stanza.Stanza {
	t.Helper()
	sealed, err := Seal(t.Context(), from, m, keys, "", further...)
	if err != nil {
		t.Fatal(err)
	}
	st, err := sealed.Stanza()
	if err != nil {
		t.Fatal(err)
	}
	h := st.Header
	h.From = jid.MustParse("romeo@example.org/orchard")
	return opgptest.Parse(t, st.With(h).String())
}

// live returns an engine with the machine's clock.
func live(t testing.TB, names ...string) *openpgp.Keyring {
	k := opgptest.Ring(t, names...)
	k.Now = nil
	return k
}

func TestSealOpen(t *testing.T) {
	juliet, romeo := live(t, "juliet"), live(t, "romeo")
	m := &stanza.Message{To: jid.MustParse("juliet@example.org/balcony"), ID: "m1", Type: stanza.TypeChat, Lang: "en",
		Subject: "Roses",
		Body:    "What's in <a name>?", Bodies: []stanza.Text{{Lang: "de", Body: "Was ist ein Name?"}}, Thread: "thread-of-romeo",
		Parent: "t0",
		Payloads: []any{
			stanza.Raw("<active xmlns='http://jabber.org/protocol/chatstates'/>"), stanzaid.OriginID{ID: "o1"},
		}}
	st := sealNow(t, romeo, m, juliet.Keys())
	wire := st.String()
	for _, part := range []string{ // XEP-0374, example 3
		"<body>This message is encrypted using OpenPGP.</body>", "<store xmlns='urn:xmpp:hints'/>",
		"<encryption xmlns='urn:xmpp:eme:0' namespace='urn:xmpp:openpgp:0'/>", "<openpgp xmlns='urn:xmpp:openpgp:0'>",
		"origin-id",
	} {
		if strings.Count(wire, part) != 1 {
			t.Errorf("%s is not there once: %s", part, wire)
		}
	}
	for _, part := range []string{"name>", "ein Name", "<subject", "thread-of-romeo", "chatstates"} {
		if strings.Contains(wire, part) {
			t.Errorf("%s can be read: %s", part, wire)
		}
	}
	o, err := Open(t.Context(), juliet, st, Checks{Keys: romeo.Keys()})
	if err != nil {
		t.Fatal(err)
	}
	got := o.Stanza.Message()
	if got.Body != m.Body || got.Subject != m.Subject || !slices.Equal(got.Bodies, m.Bodies) || got.Thread != "thread-of-romeo" ||
		got.Parent != "t0" ||
		got.ID != "m1" || got.Type != stanza.TypeChat || got.From != st.From || got.To != st.To || got.Lang != "en" {
		t.Errorf("got %s", o.Stanza)
	}
	if id, _ := stanzaid.Origin(o.Stanza); id != "o1" || o.Stanza.Child("http://jabber.org/protocol/chatstates",
		"active").IsZero() ||
		!o.Stanza.Child(NS, "openpgp").IsZero() || !hints.Of(o.Stanza).Store {
		t.Errorf("got %s", o.Stanza)
	}
	// The language is protected too.
	if text := o.Stanza.Child(stanza.NSClient, "body"); text.Lang() != "en" {
		t.Errorf("the language of the text is %q", text.Lang())
	}
	// The sender can read it, for it is encrypted to him too.
	if _, err := Open(t.Context(), romeo, st, Checks{Keys: romeo.Keys()}); err != nil {
		t.Errorf("for the sender: %v", err)
	}
}

// Somebody on the way changes the stanza around the content.
func TestOnTheWay(t *testing.T) {
	juliet, romeo := live(t, "juliet"), live(t, "romeo")
	st := sealNow(t, romeo, &stanza.Message{To: opgptest.Juliet, Body: "Good night"}, juliet.Keys())
	checks := Checks{Keys: romeo.Keys()}
	t.Run("what he adds is not taken", func(t *testing.T) {
		more, err := st.Adding(stanza.Raw("<body xml:lang='de'>Komm her</body>"), stanza.Raw("<subject>Come</subject>"),
			stanza.Raw("<html xmlns='http://jabber.org/protocol/xhtml-im'>"+
				"<body xmlns='http://www.w3.org/1999/xhtml'>Come</body></html>"),
			stanza.Raw("<replace xmlns='urn:xmpp:message-correct:0' id='1'/>"))
		if err != nil {
			t.Fatal(err)
		}
		o, err := Open(t.Context(), juliet, more, checks)
		if err != nil {
			t.Fatal(err)
		}
		if got := o.Stanza.String(); strings.Contains(got, "Come") || strings.Contains(got, "Komm") ||
			strings.Contains(got, "replace") ||
			o.Stanza.Message().Body != "Good night" {
			t.Errorf("got %s", got)
		}
	})
	for name, tt := range map[string]struct {
		change func(*stanza.Header)
		want   error
	}{
		"another sender":    {func(h *stanza.Header) { h.From = jid.MustParse("tybalt@example.org/x") }, ErrAuthor},
		"another addressee": {func(h *stanza.Header) { h.To = jid.MustParse("tybalt@example.org") }, ErrAddressee},
		"another resource":  {func(h *stanza.Header) { h.To = jid.MustParse("juliet@example.org/x") }, nil},
	} {
		h := st.Header
		tt.change(&h)
		if _, err := Open(t.Context(), juliet, st.With(h), checks); !errors.Is(err, tt.want) ||
			(err == nil) != (tt.want == nil) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
	for name, in := range map[string]string{
		"nothing":    "<message><body>x</body></message>",
		"empty":      "<message><openpgp xmlns='urn:xmpp:openpgp:0'/></message>",
		"no OpenPGP": "<message><openpgp xmlns='urn:xmpp:openpgp:0'>AAAA</openpgp></message>",
	} {
		if o, err := Open(t.Context(), juliet, opgptest.Parse(t, in), checks); !errors.Is(err, openpgp.ErrMalformed) {
			t.Errorf("%s: %+v, %v", name, o, err)
		}
	}
}

// What a content may have in it, as part of the stanza.
func TestInside(t *testing.T) {
	juliet, romeo := live(t, "juliet"), live(t, "romeo")
	c := Content{Kind: SignCrypt, To: []jid.JID{opgptest.Juliet}, Payload: []any{
		stanza.Raw("<body xmlns='jabber:server'>From afar</body>"), // "recipients MUST accept both"
		stanza.Raw("<error xmlns='jabber:client' type='cancel'/>"),
		stanza.Raw("<stanza-id xmlns='urn:xmpp:sid:0' by='example.org' id='1'/>"),
		stanza.Raw("<openpgp xmlns='urn:xmpp:openpgp:0'>AAAA</openpgp>"),
		stanza.Raw("<y xmlns='u:y'>a</y>"),
	}}
	m, err := SealContent(t.Context(), romeo, c, juliet.Keys())
	if err != nil {
		t.Fatal(err)
	}
	st, err := stanza.New(stanza.Header{Kind: stanza.KindMessage, From: opgptest.Romeo, To: opgptest.Juliet}, m)
	if err != nil {
		t.Fatal(err)
	}
	o, err := Open(t.Context(), juliet, st, Checks{Keys: romeo.Keys()})
	want := "<message from='romeo@example.org' to='juliet@example.org'><body>From afar</body><y xmlns='u:y'>a</y>" +
		"</message>"
	if err != nil || !equal(t, o.Stanza.String(), want) {
		t.Errorf("got %s, %v", o.Stanza, err)
	}
}

// equal compares stanzas, whatever the order of their addresses.
func equal(t *testing.T, a, b string) bool {
	t.Helper()
	x, y := opgptest.Parse(t, a), opgptest.Parse(t, b)
	return x.Header == y.Header && x.With(y.Header).String() == y.String()
}

func TestSealErrors(t *testing.T) {
	romeo, keys := live(t, "romeo"), live(t, "juliet").Keys()
	for name, tt := range map[string]struct {
		m    stanza.Message
		keys []*openpgp.Key
	}{
		"to nobody":      {stanza.Message{Body: "x"}, keys},
		"an error":       {stanza.Message{To: opgptest.Juliet, Type: stanza.TypeError}, keys},
		"without keys":   {stanza.Message{To: opgptest.Juliet, Body: "x"}, nil},
		"what is no XML": {stanza.Message{To: opgptest.Juliet, Payloads: []any{stanza.Raw("<")}}, keys},
		"to a weak key":  {stanza.Message{To: opgptest.Juliet, Body: "x"}, []*openpgp.Key{opgptest.Key(t, "nurse")}},
		"to a bad key": {stanza.Message{To: opgptest.Juliet, Body: "x"}, []*openpgp.Key{keys[0], opgptest.Key(t,
			"tybalt")}},
		"a broken packet": {stanza.Message{To: opgptest.Juliet, Payloads: []any{Element{}}}, keys},
	} {
		if m, err := Seal(t.Context(), romeo, &tt.m, tt.keys, ""); err == nil {
			t.Errorf("%s: %+v", name, m)
		}
	}
	// A hint of the program's own is left as it is.
	m := &stanza.Message{To: opgptest.Juliet, Body: "x", Payloads: []any{hints.NoStore}}
	got, err := Seal(t.Context(), romeo, m, keys, "Secret.")
	if h := hints.Of(got); err != nil || h.Store || !h.NoStore || got.Body != "Secret." {
		t.Errorf("got %+v, %v", got, err)
	}
}
