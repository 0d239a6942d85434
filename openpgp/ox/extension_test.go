package ox

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/delay"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/openpgp"
	"github.com/etherx-go/xmpp/openpgp/internal/opgptest"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/xmpptest"
)

var _ interface {
	xmpp.Extension
	xmpp.Watcher
	xmpp.Describer
} = new(Extension)

// heard is what a handler was told.
type heard struct {
	body   string
	author jid.JID
}

// scene is Juliet, who listens, and Romeo, who talks.
type scene struct {
	juliet, romeo *Extension
	j, r          *opgptest.Host
	handler       xmpp.Handler
	heard         []heard
}

func newScene(t *testing.T) *scene {
	t.Helper()
	pep := new(opgptest.PEP)
	s := &scene{juliet: &Extension{Engine: live(t, "juliet")}, romeo: &Extension{Engine: live(t, "romeo")},
		j: pep.Host("juliet@example.org/balcony"), r: pep.Host("romeo@example.org/orchard")}
	for h, e := range map[*opgptest.Host]*Extension{s.j: s.juliet, s.r: s.romeo} {
		if err := e.Attach(h); err != nil {
			t.Fatal(err)
		}
		if err := Publish(t.Context(), h, e.Engine.Keys()...); err != nil {
			t.Fatal(err)
		}
		h.Sent()
	}
	s.handler = s.juliet.Handler(xmpp.HandlerFunc(func(ctx context.Context, _ xmpp.Sender, st *stanza.Stanza) error {
		sec := openpgp.SecurityOf(ctx)
		s.heard = append(s.heard, heard{st.Message().Body, sec.Author})
		if sec.Encrypted != (sec.Signature != nil) || sec.Encrypted != (sec.Outer != nil) {
			t.Errorf("%+v", sec)
		}
		return nil
	}))
	return s
}

// send lets Romeo send a message, and returns it as it comes.
func (s *scene) send(t *testing.T, m *stanza.Message, further ...jid.JID) *stanza.Stanza {
	t.Helper()
	if err := s.romeo.Send(t.Context(), s.r, m, further...); err != nil {
		t.Fatal(err)
	}
	sent := s.r.Sent()
	st := sent[len(sent)-1]
	h := st.Header
	h.From = s.r.LocalAddr()
	return opgptest.Parse(t, st.With(h).String())
}

// receive lets Juliet receive a stanza, and returns what her handler was told.
func (s *scene) receive(t *testing.T, st *stanza.Stanza) ([]heard, error) {
	t.Helper()
	s.heard = nil
	err := s.handler.HandleXMPP(t.Context(), s.j, st)
	return s.heard, err
}

func TestExtension(t *testing.T) {
	s := newScene(t)
	msg := &stanza.Message{To: opgptest.Juliet, Type: stanza.TypeChat, Body: "Lady"}
	st := s.send(t, msg)
	delayed := func(ago time.Duration, by string) *stanza.Stanza {
		stamp, err := s.send(t, msg).Adding(delay.Delay{From: jid.MustParse(by), Stamp: time.Now().Add(-ago)})
		if err != nil {
			t.Fatal(err)
		}
		return stamp
	}
	replaced := func(change func(*stanza.Header)) *stanza.Stanza {
		h := s.send(t, msg).Header
		st := s.send(t, msg)
		change(&h)
		return st.With(h)
	}
	lady := []heard{{"Lady", opgptest.Romeo}}
	for _, tt := range []struct {
		name string
		st   *stanza.Stanza
		want []heard
		err  error
	}{
		{"encrypted", st, lady, nil},
		{"a second time", st, nil, ErrReplay},
		{"the same words again", s.send(t, msg), lady, nil},
		{"stored by the own server", delayed(time.Minute, "example.org"), lady, nil},
		{"stored by the own account", delayed(time.Minute, "juliet@example.org"), lady, nil},
		{"stored before it was written", delayed(time.Hour, "example.org"), nil, openpgp.ErrKeyExpired},
		{"stored by somebody", delayed(time.Hour, "example.com"), lady, nil},
		{"without an addressee", replaced(func(h *stanza.Header) { h.To = jid.JID{} }), lady, nil},
		{"as if to somebody else", replaced(func(h *stanza.Header) { h.To = opgptest.Romeo }), nil, ErrAddressee},
		{"as if from somebody else", replaced(func(h *stanza.Header) { h.From = opgptest.Juliet }), nil,
			openpgp.ErrUnknownSigner},
		{"as if from oneself", replaced(func(h *stanza.Header) { h.From = jid.JID{} }), nil, openpgp.ErrUnknownSigner},
		{"from somebody without keys", replaced(func(h *stanza.Header) { h.From = jid.MustParse("x@example.org") }), nil,
			openpgp.ErrNoKey},
		{"in the clear", opgptest.Parse(t, "<message from='romeo@example.org'><body>Lady</body></message>"),
			[]heard{{"Lady", jid.JID{}}}, nil},
		{"an error", opgptest.Parse(t, "<message type='error'><openpgp xmlns='urn:xmpp:openpgp:0'>!</openpgp></message>"),
			[]heard{{}}, nil},
		{"a presence", opgptest.Parse(t, "<presence/>"), []heard{{}}, nil},
		{"damaged", opgptest.Parse(t, "<message from='romeo@example.org/x'><openpgp xmlns='urn:xmpp:openpgp:0'>!"+
			"</openpgp></message>"),
			nil, openpgp.ErrMalformed},
	} {
		if got, err := s.receive(t, tt.st); !slices.Equal(got, tt.want) || !errors.Is(err, tt.err) ||
			(err == nil) != (tt.err == nil) {
			t.Errorf("%s: heard %v, %v, want %v, %v", tt.name, got, err, tt.want, tt.err)
		}
	}
	if sent := s.j.Sent(); slices.ContainsFunc(sent,
		func(st *stanza.Stanza) bool { return st.Kind == stanza.KindMessage }) {
		t.Errorf("the senders were told: %v", sent)
	}
	var failed error
	s.juliet.OnError = func(_ context.Context, _ xmpp.Sender, _ *stanza.Stanza, err error) { failed = err }
	if got, err := s.receive(t, st); got != nil || err != nil || !errors.Is(failed, ErrReplay) {
		t.Errorf("with OnError: %v, %v, %v", got, err, failed)
	}
	if err := new(Extension).Attach(s.j); err == nil {
		t.Error("attached without an engine")
	}
	s.juliet.SessionDown(s.j, nil)
}

// Messages to oneself, for the other devices.
func TestOwnAccount(t *testing.T) {
	s := newScene(t)
	for _, find := range []openpgp.KeyFunc{nil, openpgp.Known(nil)} {
		s.juliet.Keys = find
		sealed, err := s.juliet.Seal(t.Context(), s.j, &stanza.Message{To: opgptest.Juliet, Body: "Note"})
		if err != nil {
			t.Fatal(err)
		}
		st, err := sealed.Stanza()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := s.receive(t, st); err != nil || !slices.Equal(got, []heard{{"Note", opgptest.Juliet}}) {
			t.Errorf("heard %v, %v", got, err)
		}
	}
}

func TestRoom(t *testing.T) {
	s := newScene(t)
	room := jid.MustParse("verona@chat.example.org")
	st := s.send(t, &stanza.Message{To: room, Type: stanza.TypeGroupChat, Body: "All"}, opgptest.Juliet)
	h := st.Header
	h.From, h.To = jid.MustParse("verona@chat.example.org/R"), s.j.LocalAddr() // as the room sends it
	st = st.With(h)
	if _, err := s.receive(t, st); !errors.Is(err, openpgp.ErrNoKey) {
		t.Errorf("from an occupant that nobody knows: %v", err)
	}
	s.juliet.Author = func(st *stanza.Stanza) jid.JID {
		if st.From.Bare() == room {
			return opgptest.Romeo
		}
		return st.From
	}
	if got, err := s.receive(t, st); err != nil || !slices.Equal(got, []heard{{"All", opgptest.Romeo}}) {
		t.Errorf("heard %v, %v", got, err)
	}
	// With a member who has no keys nothing is sent.
	err := s.romeo.Send(t.Context(), s.r, &stanza.Message{To: room, Type: stanza.TypeGroupChat, Body: "All"},
		opgptest.Juliet,
		jid.MustParse("x@example.org"))
	if !errors.Is(err, openpgp.ErrNoKey) {
		t.Errorf("to a member without keys: %v", err)
	}
	s.romeo.Keys = openpgp.Known(nil)
	if err := s.romeo.Send(t.Context(), s.r, &stanza.Message{To: opgptest.Juliet, Body: "x"}); !errors.Is(err,
		openpgp.ErrNoKey) {
		t.Errorf("to somebody without keys: %v", err)
	}
}

// Of many messages the last are remembered.
func TestSeen(t *testing.T) {
	s := newScene(t)
	s.juliet.MaxSeen = 3
	var all []*stanza.Stanza
	for range 5 {
		st := s.send(t, &stanza.Message{To: opgptest.Juliet, Body: "x"})
		all = append(all, st)
		if _, err := s.receive(t, st); err != nil {
			t.Fatal(err)
		}
	}
	for i, st := range all[2:] {
		if _, err := s.receive(t, st); !errors.Is(err, ErrReplay) {
			t.Errorf("message %d: %v", i+2, err)
		}
	}
	if _, err := s.receive(t, all[0]); err != nil {
		t.Errorf("a message that was forgotten: %v", err)
	}
	if len(s.juliet.seen) != 3 || len(s.juliet.ring) != 3 {
		t.Errorf("%d are remembered", len(s.juliet.seen))
	}
}

// In the time that is plausible a message is believed, and later it is not.
func TestTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(opgptest.At)) // in the bubble's time
		s := newScene(t)
		early, late := s.send(t, &stanza.Message{To: opgptest.Juliet, Body: "1"}), s.send(t,
			&stanza.Message{To: opgptest.Juliet, Body: "2"})
		time.Sleep(14 * time.Minute)
		if got, err := s.receive(t, early); err != nil || len(got) != 1 {
			t.Errorf("after 14 minutes: %v, %v", got, err)
		}
		time.Sleep(2 * time.Minute)
		if _, err := s.receive(t, late); !errors.Is(err, ErrTime) {
			t.Errorf("after 16 minutes: %v", err)
		}
		s.juliet.MaxAge = time.Hour
		if got, err := s.receive(t, late); err != nil || len(got) != 1 {
			t.Errorf("where an hour is allowed: %v, %v", got, err)
		}
		// What the own server has stored is as old as it says.
		offline, err := s.send(t, &stanza.Message{To: opgptest.Juliet, Body: "3"}).Adding(
			delay.Delay{From: jid.MustParse("example.org"), Stamp: time.Now().Add(time.Second)})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * 24 * time.Hour)
		if got, err := s.receive(t, offline); err != nil || len(got) != 1 {
			t.Errorf("after a month: %v, %v", got, err)
		}
	})
}

func TestChanges(t *testing.T) {
	s := newScene(t)
	var changed []string
	s.juliet.Changed = func(contact jid.JID) { changed = append(changed, contact.String()) }
	s.juliet.Announce = true
	event := func(from, node string) {
		t.Helper()
		st := opgptest.Parse(t, "<message"+from+"><event xmlns='http://jabber.org/protocol/pubsub#event'><items node='"+node+
			"'><item id='1'/></items></event></message>")
		if err := s.j.Mux().HandleXMPP(t.Context(), s.j, st); err != nil {
			t.Error(err)
		}
	}
	event(" from='romeo@example.org'", NodeKeys)
	event(" from='romeo@example.org'", "urn:x")
	if !slices.Equal(changed, []string{"romeo@example.org"}) || len(s.j.Sent()) != 0 {
		t.Errorf("changed %v", changed)
	}
	// Another device has taken the key out of the list.
	key := s.juliet.Engine.Keys()[0].Fingerprint()
	for _, from := range []string{" from='juliet@example.org'", ""} {
		if err := Withdraw(t.Context(), s.j, key); err != nil {
			t.Fatal(err)
		}
		event(from, NodeKeys)
		if list, err := FetchList(t.Context(), s.j, opgptest.Juliet); err != nil || !list.Has(key) {
			t.Errorf("announced again: %v, %v", list, err)
		}
	}
	if !slices.Equal(changed, []string{"romeo@example.org", "juliet@example.org", "juliet@example.org"}) {
		t.Errorf("changed %v", changed)
	}
	want := []string{"urn:xmpp:eme:0", "urn:xmpp:openpgp:im:0", "urn:xmpp:openpgp:0:public-keys+notify"}
	if got := s.juliet.Features(opgptest.Juliet); !slices.Equal(got, want) {
		t.Errorf("features %v", got)
	}
	if got := s.romeo.Features(opgptest.Romeo); !slices.Equal(got, want[:2]) {
		t.Errorf("features %v", got)
	}
}

func TestAnnounce(t *testing.T) {
	pep := new(opgptest.PEP)
	h := pep.Host("juliet@example.org/balcony")
	var failed error
	e := &Extension{Engine: live(t, "juliet"), OnError: func(_ context.Context, _ xmpp.Sender, _ *stanza.Stanza,
		err error) {
		failed = err
	}}
	e.SessionUp(t.Context(), h)
	if len(h.Sent()) != 0 {
		t.Error("announced without being told to")
	}
	e.Announce = true
	e.SessionUp(t.Context(), h)
	if list, err := FetchList(t.Context(), h, opgptest.Juliet); err != nil || len(list) != 1 || failed != nil {
		t.Errorf("announced %v, %v, %v", list, err, failed)
	}
	pep.Fail = func(*stanza.Stanza) error { return stanza.NewError(stanza.ServiceUnavailable, "") }
	e.SessionUp(t.Context(), h)
	if !errors.Is(failed, stanza.ServiceUnavailable) {
		t.Errorf("failed: %v", failed)
	}
}

// Two clients on a server, with keys that they know of each other.
func TestClients(t *testing.T) {
	server := xmpptest.NewServer(t)
	known := openpgp.Known(map[jid.JID][]*openpgp.Key{
		opgptest.Juliet: live(t, "juliet").Keys(), opgptest.Romeo: live(t, "romeo").Keys(),
	})
	juliet := &Extension{Engine: live(t, "juliet"), Keys: known}
	said := make(chan heard, 1)
	mux := new(xmpp.Mux)
	mux.OnMessage(func(ctx context.Context, _ xmpp.Sender, m *stanza.Message) error {
		said <- heard{m.Body, openpgp.SecurityOf(ctx).Author}
		return nil
	})
	cfg := server.ClientConfig("juliet/balcony", juliet.Handler(mux))
	cfg.Extensions = []xmpp.Extension{juliet}
	j := server.Start(cfg)

	// A bot that repeats what it is told, encrypted if it was.
	romeo := &Extension{Engine: live(t, "romeo"), Keys: known}
	echo := new(xmpp.Mux)
	echo.OnMessage(func(ctx context.Context, s xmpp.Sender, m *stanza.Message) error {
		if !openpgp.SecurityOf(ctx).Encrypted {
			return xmpp.Send(ctx, s, m.Reply(m.Body))
		}
		return romeo.Send(ctx, s, m.Reply(m.Body))
	})
	cfg = server.ClientConfig("romeo/orchard", romeo.Handler(echo))
	cfg.Extensions = []xmpp.Extension{romeo}
	r := server.Start(cfg)

	for range 3 {
		m := &stanza.Message{To: r.LocalAddr(), Type: stanza.TypeChat, Body: "O Romeo"}
		if err := juliet.Send(t.Context(), j, m); err != nil {
			t.Fatal(err)
		}
		if got := <-said; got != (heard{"O Romeo", opgptest.Romeo}) {
			t.Errorf("heard %v", got)
		}
		if err := xmpp.Send(t.Context(), j, m); err != nil {
			t.Fatal(err)
		}
		if got := <-said; got != (heard{"O Romeo", jid.JID{}}) {
			t.Errorf("heard %v", got)
		}
	}
}
