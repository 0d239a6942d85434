package legacy

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/client"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/openpgp"
	"github.com/etherx-go/xmpp/openpgp/internal/opgptest"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/xmpptest"
)

var _ interface {
	xmpp.Extension
	xmpp.Watcher
} = new(Extension)

func known(t testing.TB) openpgp.KeyFunc {
	return openpgp.Known(map[jid.JID][]*openpgp.Key{
		opgptest.Juliet: {opgptest.Key(t, "juliet")},
		opgptest.Romeo:  {opgptest.Key(t, "romeo"), opgptest.Key(t, "tybalt")},
	})
}

func attach(t *testing.T, e *Extension, addr string) *opgptest.Host {
	t.Helper()
	h := new(opgptest.PEP).Host(addr)
	if err := e.Attach(h); err != nil {
		t.Fatal(err)
	}
	return h
}

func TestPeers(t *testing.T) {
	orchard := jid.MustParse("romeo@example.org/orchard")
	var failed []error
	e := &Extension{Engine: opgptest.Ring(t, "juliet"), Keys: known(t), MaxPeers: 2,
		OnError: func(_ context.Context, _ xmpp.Sender, _ *stanza.Stanza, err error) { failed = append(failed, err) }}
	h := attach(t, e, "juliet@example.org/balcony")
	receive := func(in string) {
		t.Helper()
		if err := h.Mux().HandleXMPP(t.Context(), h, opgptest.Parse(t, in)); err != nil {
			t.Error(err)
		}
	}
	sign := "<status>Online</status><x xmlns='jabber:x:signed'>" + headless(t, "romeo.sig.asc") + "</x></presence>"
	t.Run("CORE-C.1-2 who signs can decrypt, with the key that he signs with", func(t *testing.T) {
		if _, ok := e.Peer(orchard); ok {
			t.Error("he is not there yet")
		}
		receive("<presence from='romeo@example.org/orchard'>" + sign)
		receive("<presence from='romeo@example.org/street'><status>Online</status></presence>")
		sig, ok := e.Peer(orchard)
		if !ok || sig.Key.Fingerprint() != opgptest.Key(t, "romeo").Fingerprint() {
			t.Fatalf("got %v, %t", sig, ok)
		}
		if _, ok := e.Peer(jid.MustParse("romeo@example.org/street")); ok {
			t.Error("he does not sign there")
		}
		// Sent to the key of that address, and not to all keys that he has: one
		// of them has expired.
		if err := e.Send(t.Context(), h, &stanza.Message{To: orchard, Body: "Hi"}); err != nil {
			t.Fatal(err)
		}
		sent := h.Sent()
		clear, _, err := Decrypt(t.Context(), opgptest.Ring(t, "romeo"), sent[0], nil, time.Time{})
		if err != nil || clear.Message().Body != "Hi" {
			t.Errorf("%v, %v", clear, err)
		}
		if err := e.Send(t.Context(), h, &stanza.Message{To: orchard.Bare(), Body: "Hi"}); !errors.Is(err,
			openpgp.ErrKeyExpired) {
			t.Errorf("to all his keys: %v", err)
		}
		// The signature and the decryption are by one key.
		if own := e.Engine.Keys(); len(own) != 1 || own[0].Fingerprint() != opgptest.Key(t, "juliet").Fingerprint() {
			t.Errorf("own keys: %v", own)
		}
	})
	for _, tt := range []struct {
		name, in string
		there    bool
		want     error
	}{
		{"signed", "<presence from='romeo@example.org/orchard'>" + sign, true, nil},
		{"not signed any more", "<presence from='romeo@example.org/orchard'/>", false, nil},
		{"signed", "<presence from='romeo@example.org/orchard'>" + sign, true, nil},
		{"gone", "<presence type='unavailable' from='romeo@example.org/orchard'/>", false, nil},
		{"signed", "<presence from='romeo@example.org/orchard'>" + sign, true, nil},
		{"gone altogether", "<presence type='unavailable' from='romeo@example.org'/>", false, nil},
		{"signed", "<presence from='romeo@example.org/orchard'>" + sign, true, nil},
		{"with another text", "<presence from='romeo@example.org/orchard'><status>Gone</status><x xmlns='jabber:x:signed'>" +
			headless(t, "romeo.sig.asc") + "</x></presence>", false, openpgp.ErrBadSignature},
		{"by a stranger", "<presence from='x@example.org/a'>" + sign, false, openpgp.ErrUnknownSigner},
	} {
		failed = nil
		receive(tt.in)
		if _, ok := e.Peer(orchard); ok != tt.there {
			t.Errorf("%s: there %t", tt.name, ok)
		}
		if err := errors.Join(failed...); !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
	for _, res := range []string{"1", "2", "3"} {
		receive("<presence from='romeo@example.org/" + res + "'>" + sign)
	}
	if _, ok := e.Peer(jid.MustParse("romeo@example.org/3")); ok {
		t.Error("more than there may be")
	}
	if _, ok := e.Peer(jid.MustParse("romeo@example.org/2")); !ok {
		t.Error("fewer than there may be")
	}
	e.SessionUp(t.Context(), h)
	e.SessionDown(h, nil)
	if _, ok := e.Peer(jid.MustParse("romeo@example.org/1")); ok {
		t.Error("there after the session")
	}
}

func TestHandler(t *testing.T) {
	e := &Extension{Engine: opgptest.Ring(t, "juliet"), Keys: known(t)}
	h := attach(t, e, "juliet@example.org/balcony")
	var got []string
	handler := e.Handler(xmpp.HandlerFunc(func(ctx context.Context, _ xmpp.Sender, st *stanza.Stanza) error {
		sec := openpgp.SecurityOf(ctx)
		by := ""
		if sec.Signature != nil {
			by = sec.Signature.Key.Fingerprint()
		}
		got = append(got, st.Message().Body, by)
		if sec.Encrypted != (sec.Outer != nil) {
			t.Errorf("%+v", sec)
		}
		return nil
	}))
	romeo := opgptest.Key(t, "romeo").Fingerprint()
	for _, tt := range []struct {
		name string
		st   *stanza.Stanza
		want []string
		err  error
	}{
		{"encrypted", encrypted(t, headless(t, "body.asc")), []string{"O Romeo, Romeo!", ""}, nil},
		{"and signed", encrypted(t, headless(t, "body-signed.asc")), []string{"O Romeo, Romeo!", romeo}, nil},
		{"plain", opgptest.Parse(t, "<message><body>x</body></message>"), []string{"x", ""}, nil},
		{"a presence", opgptest.Parse(t, "<presence/>"), []string{"", ""}, nil},
		{"an error", opgptest.Parse(t, "<message type='error'><body>b</body><x xmlns='jabber:x:encrypted'>!</x></message>"),
			[]string{"b", ""}, nil},
		{"damaged", encrypted(t, "AAAA"), nil, openpgp.ErrMalformed},
	} {
		got = nil
		if err := handler.HandleXMPP(t.Context(), h, tt.st); !errors.Is(err, tt.err) || !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %q, %v", tt.name, got, err)
		}
	}
	e.Keys = func(context.Context, xmpp.Sender, jid.JID) ([]*openpgp.Key, error) { return nil, context.Canceled }
	got = nil
	if err := handler.HandleXMPP(t.Context(), h, encrypted(t, headless(t, "body-signed.asc"))); err != nil ||
		got[1] != "" {
		t.Errorf("without the sender's keys: %q, %v", got, err)
	}
	if err := e.Send(t.Context(), h, &stanza.Message{To: opgptest.Romeo, Body: "x"}); !errors.Is(err, context.Canceled) {
		t.Errorf("send: %v", err)
	}
	e.Keys = nil
	if err := e.Send(t.Context(), h, &stanza.Message{To: opgptest.Romeo, Body: "x"}); !errors.Is(err, openpgp.ErrNoKey) {
		t.Errorf("send without keys: %v", err)
	}
	if err := new(Extension).Attach(h); err == nil {
		t.Error("attached without an engine")
	}
}

// Two clients on a server.
func TestClients(t *testing.T) {
	s := xmpptest.NewServer(t)
	type line struct {
		body   string
		secure bool
	}
	said := make(chan line, 1)
	start := func(name string) (*Extension, *client.Client) {
		e := &Extension{Engine: opgptest.Ring(t, name), Keys: known(t)}
		mux := new(xmpp.Mux)
		mux.OnMessage(func(ctx context.Context, s xmpp.Sender, m *stanza.Message) error {
			said <- line{m.Body, openpgp.SecurityOf(ctx).Encrypted}
			return nil
		})
		cfg := s.ClientConfig(name+"/x", e.Handler(mux))
		cfg.Extensions = []xmpp.Extension{e}
		return e, s.Start(cfg)
	}
	juliet, j := start("juliet")
	romeo, r := start("romeo")

	p := &stanza.Presence{To: r.LocalAddr(), Status: "On the balcony"}
	if err := Sign(t.Context(), juliet.Engine, p); err != nil {
		t.Fatal(err)
	}
	if err := xmpp.Send(t.Context(), j, p); err != nil {
		t.Fatal(err)
	}
	if err := juliet.Send(t.Context(), j, &stanza.Message{To: r.LocalAddr(), Type: stanza.TypeChat,
		Body: "O Romeo"}); !errors.Is(
		err, openpgp.ErrKeyExpired) {
		t.Errorf("to all of Romeo's keys: %v", err)
	}
	m, err := Encrypt(t.Context(), juliet.Engine, &stanza.Message{To: r.LocalAddr(), Body: "O Romeo"},
		[]*openpgp.Key{opgptest.Key(t, "romeo")}, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := xmpp.Send(t.Context(), j, m); err != nil {
		t.Fatal(err)
	}
	if got := <-said; got != (line{"O Romeo", true}) {
		t.Errorf("Romeo heard %+v", got)
	}
	// Her presence came before.
	sig, ok := romeo.Peer(j.LocalAddr())
	if !ok || sig.Key.Fingerprint() != opgptest.Key(t, "juliet").Fingerprint() {
		t.Fatalf("her signature: %v, %t", sig, ok)
	}
	if err := romeo.Send(t.Context(), r, &stanza.Message{To: j.LocalAddr(), Body: "Shall I hear more?"}); err != nil {
		t.Fatal(err)
	}
	if got := <-said; got != (line{"Shall I hear more?", true}) {
		t.Errorf("Juliet heard %+v", got)
	}
}
