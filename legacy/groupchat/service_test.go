package groupchat

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// host is an xmpp.Host that keeps what is sent.
type host struct {
	local  jid.JID
	server bool
	mux    xmpp.Mux

	mu    sync.Mutex
	sent  []string
	fail  error
	block chan struct{} // Send waits until it is closed
}

func (h *host) LocalAddr() jid.JID        { return h.local }
func (h *host) Mux() *xmpp.Mux            { return &h.mux }
func (h *host) IsServer() bool            { return h.server }
func (h *host) Features(jid.JID) []string { return []string{"urn:host"} }

func (h *host) Do(context.Context, *stanza.Stanza) (*stanza.Stanza, error) {
	return nil, xmpp.ErrClosed
}

func (h *host) Send(ctx context.Context, st *stanza.Stanza) error {
	if h.block != nil {
		select {
		case <-h.block:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.fail == nil {
		h.sent = append(h.sent, st.String())
	}
	return h.fail
}

// take returns what was sent.
func (h *host) take() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	sent := h.sent
	h.sent = nil
	return sent
}

// house is a service in a test, within a bubble.
type house struct {
	*Service
	*host
	t *testing.T
}

func newHouse(t *testing.T, s *Service) *house {
	h := &house{s, &host{local: jid.MustParse("gc.denmark")}, t}
	if err := s.Attach(h.host); err != nil {
		t.Fatal(err)
	}
	return h
}

// do hands a stanza to the service, and returns what is sent.
func (h *house) do(src string) []string {
	h.t.Helper()
	if err := h.mux.HandleXMPP(h.t.Context(), h.host, parse(h.t, full(src))); err != nil {
		h.t.Errorf("%s: %v", src, err)
	}
	synctest.Wait()
	return h.host.take()
}

func (h *house) want(src string, want ...string) {
	h.t.Helper()
	for i := range want {
		want[i] = full(want[i])
	}
	if got := h.do(src); !slices.Equal(got, want) {
		h.t.Errorf("%s\ngot\n  %s\nwant\n  %s", src, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// wantHas looks for a single answer with some text in it.
func (h *house) wantHas(src, want string) {
	h.t.Helper()
	if got := h.do(src); len(got) != 1 || !strings.Contains(got[0], want) {
		h.t.Errorf("%s\ngot %q\nwant %s", src, got, want)
	}
}

func bubble(t *testing.T, name string, s *Service, fn func(t *testing.T, h *house)) {
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { fn(t, newHouse(t, s)) })
	})
}

const (
	hamletJoins = "<presence from='HAMLET' to='ACT/Hamlet'/>"
	hamletGoes  = "<presence type='unavailable' from='HAMLET' to='ACT/Hamlet'/>"
	ghostJoins  = "<presence from='GHOST' to='ACT/Ghost'/>"
)

func TestService(t *testing.T) {
	bubble(t, "a room is there from the first to the last", &Service{Rules: Rules{Words: quiet}},
		func(t *testing.T, h *house) {
			room := jid.MustParse(act3)
			h.want(hamletJoins, "<presence to='HAMLET' from='ACT/Hamlet'/>")
			h.do(ghostJoins)
			if got := h.Rooms(); len(got) != 1 || got[room] != 2 {
				t.Errorf("rooms %v", got)
			}
			if got := h.Service.Occupants(room); len(got) != 2 || got[1] != (Occupant{"Ghost", jid.MustParse(ghost)}) {
				t.Errorf("occupants %v", got)
			}
			h.do(hamletGoes)
			if !h.Service.Remove(room, jid.MustParse(ghost), "dawn") || h.Service.Remove(room, jid.MustParse(ghost), "") {
				t.Error("Remove")
			}
			synctest.Wait()
			if got := h.host.take(); len(got) != 1 || !strings.Contains(got[0], "<status>dawn</status>") {
				t.Errorf("sent %q", got)
			}
			if got := h.Rooms(); len(got) != 0 || len(h.halls) != 0 || len(h.joined) != 0 || h.Service.Occupants(room) != nil {
				t.Errorf("there still is %v, %v, %v", got, h.halls, h.joined)
			}
		})
	bubble(t, "GUIDE-6-gc-26 one has to register first", &Service{Admit: func(_ context.Context, user, at jid.JID) error {
		if user.Bare() != jid.MustParse("hamlet@denmark") || at.Resource() != "Hamlet" {
			return stanza.RegistrationRequired
		}
		return nil
	}}, func(t *testing.T, h *house) {
		h.want(ghostJoins, "<presence type='error' to='GHOST' from='ACT/Ghost'><error code='407' type='auth'>"+
			"<registration-required STANZAS/></error></presence>")
		if got := h.do(hamletJoins); len(got) != 2 {
			t.Errorf("got %q", got)
		}
		if got := h.do("<presence from='HAMLET' to='ACT/Prince'/>"); len(got) != 3 {
			t.Errorf("who is in is not asked again: got %q", got)
		}
		h.wantHas("<presence from='GHOST' to='ACT'/>", "<jid-malformed")
	})
	bubble(t, "who is taken out while he says something is not let in by that", new(Service),
		func(t *testing.T, h *house) {
			h.do(ghostJoins)
			if err := h.handle(parse(t, full(hamletJoins)), false); !errors.Is(err, stanza.NotAcceptable) {
				t.Error(err)
			}
		})
	bubble(t, "what is for nobody", new(Service), func(t *testing.T, h *house) {
		h.wantHas("<message from='HAMLET' to='ACT'><body>x</body></message>", "<item-not-found")
		h.wantHas("<message from='HAMLET' to='ACT/Ghost'><body>x</body></message>", "<item-not-found")
		h.wantHas("<message from='HAMLET' to='gc.denmark'><body>x</body></message>", "<service-unavailable")
		h.wantHas("<iq type='get' id='1' from='HAMLET' to='ACT'><q xmlns='urn:q'/></iq>", "<item-not-found")
		h.wantHas("<iq type='get' id='1' from='HAMLET' to='ACT/Ghost'><q xmlns='urn:q'/></iq>", "<item-not-found")
		h.wantHas("<iq type='get' id='1' from='HAMLET' to='gc.denmark'><q xmlns='urn:q'/></iq>", "<service-unavailable")
		for _, src := range []string{
			hamletGoes, "<presence from='HAMLET' to='gc.denmark'/>", "<message type='error' from='HAMLET' to='ACT'/>",
			"<iq type='result' id='1' from='HAMLET' to='ACT/Ghost'/>", "<iq type='result' id='1' from='HAMLET' to='ACT'/>",
			"<presence type='error' from='HAMLET' to='ACT/Ghost'/>", "<message type='error' from='HAMLET' to='gc.denmark'/>",
		} {
			h.want(src)
		}
	})
	bubble(t, "a question goes to the participant, whatever it is", &Service{Rules: Rules{Words: quiet}},
		func(t *testing.T, h *house) {
			h.do(hamletJoins)
			h.do(ghostJoins)
			const q = "><query xmlns='http://jabber.org/protocol/disco#info'/></iq>"
			h.want("<iq type='get' id='1' from='HAMLET' to='ACT/Ghost'"+q,
				"<iq type='get' id='1' to='GHOST' from='ACT/Hamlet'"+q)
			h.want("<iq type='result' id='1' from='GHOST' to='ACT/Hamlet'"+q,
				"<iq type='result' id='1' to='HAMLET' from='ACT/Ghost'"+q)
		})
}

func TestBounds(t *testing.T) {
	bubble(t, "rooms", &Service{MaxRooms: 1}, func(t *testing.T, h *house) {
		h.do(hamletJoins)
		h.wantHas("<presence from='GHOST' to='act4@gc.denmark/Ghost'/>", "<resource-constraint")
		h.do(hamletGoes)
		if got := h.do("<presence from='GHOST' to='act4@gc.denmark/Ghost'/>"); len(got) != 2 {
			t.Errorf("got %q", got)
		}
	})
	bubble(t, "rooms of a user", &Service{MaxJoined: 1}, func(t *testing.T, h *house) {
		h.do(hamletJoins)
		h.wantHas("<presence from='hamlet@denmark/y' to='act4@gc.denmark/Hamlet'/>", "<resource-constraint")
		h.do(hamletGoes)
		if got := h.do("<presence from='hamlet@denmark/y' to='act4@gc.denmark/Hamlet'/>"); len(got) != 2 {
			t.Errorf("got %q", got)
		}
	})
	bubble(t, "joins", &Service{Rules: Rules{Rate: 1, Burst: 2, Words: quiet}}, func(t *testing.T, h *house) {
		for range 2 {
			h.want(hamletJoins, "<presence to='HAMLET' from='ACT/Hamlet'/>")
			h.do(hamletGoes)
		}
		h.wantHas(hamletJoins, "<resource-constraint")
		time.Sleep(time.Second)
		h.want(hamletJoins, "<presence to='HAMLET' from='ACT/Hamlet'/>")
	})
	bubble(t, "what waits", &Service{MaxQueued: 1, Rules: Rules{Words: quiet}}, func(t *testing.T, h *house) {
		h.do(hamletJoins)
		h.do(ghostJoins)
		h.block = make(chan struct{})
		const hello = "<message type='groupchat' from='HAMLET' to='ACT'><body>x</body></message>"
		h.want(hello) // is being sent
		h.want(hello) // waits
		done := make(chan struct{})
		go func() {
			defer close(done)
			h.mux.HandleXMPP(t.Context(), h.host, parse(t, full(hello))) // is refused, when something can be sent
		}()
		synctest.Wait()
		h.want("<presence type='unavailable' from='GHOST' to='ACT/Ghost'/>") // who goes, goes
		close(h.block)
		<-done
		synctest.Wait()
		got := h.host.take()
		if n := len(got); n != 7 || !slices.ContainsFunc(got, func(s string) bool {
			return strings.Contains(s, "<resource-constraint")
		}) {
			t.Errorf("got %d: %q", n, got)
		}
	})
}

func TestReq_GUIDE_6_gc_15(t *testing.T) {
	subscribe := func(to string) string {
		return "<presence type='subscribe' id='1' from='polonius@denmark' to='" + to + "'/>"
	}
	bubble(t, "GUIDE-6-gc-15 a room is subscribed to", &Service{Rules: Rules{Words: quiet}}, func(t *testing.T, h *house) {
		h.want(subscribe("ACT"), "<presence type='subscribed' id='1' to='polonius@denmark' from='ACT'/>",
			"<presence type='unavailable' to='polonius@denmark' from='ACT'/>")
		h.want(hamletJoins, "<presence to='HAMLET' from='ACT/Hamlet'/>", "<presence to='polonius@denmark' from='ACT'/>")
		h.want("<presence type='probe' from='polonius@denmark' to='ACT'/>", "<presence to='polonius@denmark' from='ACT'/>")
		h.want("<presence type='probe' from='HAMLET' to='ACT/Hamlet'/>", "<presence to='HAMLET' from='ACT/Hamlet'/>")
		h.want(hamletGoes, "<presence type='unavailable' to='HAMLET' from='ACT/Hamlet'/>",
			"<presence type='unavailable' to='polonius@denmark' from='ACT'/>")
		h.want("<presence type='unsubscribe' from='polonius@denmark' to='ACT'/>",
			"<presence type='unsubscribed' to='polonius@denmark' from='ACT'/>",
			"<presence type='unavailable' to='polonius@denmark' from='ACT'/>")
		h.want(hamletJoins, "<presence to='HAMLET' from='ACT/Hamlet'/>")
		if len(h.watchers.room) != 0 || h.watchers.n != 0 {
			t.Errorf("is remembered: %v", h.watchers)
		}
	})
	bubble(t, "GUIDE-6-gc-15 by room@service/defaultnick", new(Service), func(t *testing.T, h *house) {
		h.do(hamletJoins)
		h.want(subscribe("ACT/Polonius"), "<presence type='subscribed' id='1' to='polonius@denmark' from='ACT/Polonius'/>",
			"<presence to='polonius@denmark' from='ACT'/>")
		for _, typ := range []string{"subscribed", "unsubscribed"} {
			h.want("<presence type='" + typ + "' from='polonius@denmark' to='ACT'/>")
		}
	})
	bubble(t, "GUIDE-6-gc-15 the service itself", new(Service), func(t *testing.T, h *house) {
		h.want(subscribe("gc.denmark"), "<presence type='subscribed' id='1' to='polonius@denmark' from='gc.denmark'/>",
			"<presence to='polonius@denmark' from='gc.denmark'/>")
		if h.watchers.n != 0 {
			t.Error("is remembered")
		}
	})
	bubble(t, "GUIDE-6-gc-15 bounds", &Service{MaxWatchers: 2, Rules: Rules{Rate: 1, Burst: 3, Words: quiet}},
		func(t *testing.T, h *house) {
			for _, who := range []string{"a", "b", "c"} {
				h.do(strings.Replace(subscribe("ACT"), "polonius", who, 1))
			}
			if h.watchers.n != 2 || len(h.watchers.room[jid.MustParse(act3)]) != 2 {
				t.Errorf("remembered: %v", h.watchers)
			}
			for range 3 {
				h.do("<presence type='probe' from='polonius@denmark' to='ACT'/>")
			}
			h.want("<presence type='probe' from='polonius@denmark' to='ACT'/>")
		})
}

func TestServiceSays(t *testing.T) {
	bubble(t, "what it is", &Service{Register: true, Public: true}, func(t *testing.T, h *house) {
		h.want("<iq type='get' id='1' from='HAMLET' to='gc.denmark'><query xmlns='jabber:iq:agent'/></iq>",
			"<iq type='result' id='1' to='HAMLET' from='gc.denmark'><query xmlns='jabber:iq:agent'>"+
				"<name>Conference Server</name>"+
				"<description>You can create and participate in private group conferences.</description>"+
				"<service>conference</service><register/><groupchat/></query></iq>")
		const disco = "<query xmlns='http://jabber.org/protocol/disco#"
		h.want("<iq type='get' id='1' from='HAMLET' to='gc.denmark'>"+disco+"info'/></iq>",
			"<iq type='result' id='1' to='HAMLET' from='gc.denmark'>"+disco+"info'>"+
				"<identity category='conference' type='text' name='Conference Server'/><feature var='gc-1.0'/>"+
				"<feature var='http://jabber.org/protocol/disco#info'/><feature var='http://jabber.org/protocol/disco#items'/>"+
				"<feature var='jabber:iq:agent'/><feature var='jabber:iq:agents'/><feature var='urn:host'/></query></iq>")
		h.do(hamletJoins)
		h.do("<presence from='GHOST' to='act1@gc.denmark/Ghost'/>")
		h.want("<iq type='get' id='1' from='HAMLET' to='gc.denmark'>"+disco+"items'/></iq>",
			"<iq type='result' id='1' to='HAMLET' from='gc.denmark'>"+disco+"items'>"+
				"<item jid='act1@gc.denmark' name='act1'/><item jid='ACT' name='act3'/></query></iq>")
		h.wantHas("<iq type='get' id='1' from='HAMLET' to='ACT'>"+disco+"items'/></iq>",
			"<item jid='act3@gc.denmark/Hamlet'/>")
		h.wantHas("<iq type='get' id='1' from='GHOST' to='ACT'>"+disco+"items'/></iq>", disco+"items'/></iq>")
		h.wantHas("<iq type='get' id='1' from='GHOST' to='ACT'>"+disco+"info'/></iq>", "<feature var='gc-1.0'/>")
	})
	elsinore := &Service{Name: "Elsinore", Description: "The stage."}
	bubble(t, "with names of its own, and rooms that are not listed", elsinore,
		func(t *testing.T, h *house) {
			if a := h.Agent(); a.Name != "Elsinore" || a.Description != "The stage." || !a.GroupChat || a.Register {
				t.Errorf("%+v", a)
			}
			h.do(hamletJoins)
			h.wantHas("<iq type='get' id='1' from='HAMLET' to='gc.denmark'>"+
				"<query xmlns='http://jabber.org/protocol/disco#items'/></iq>",
				"<query xmlns='http://jabber.org/protocol/disco#items'/></iq>")
		})
	if f := new(Service).Features(jid.MustParse(act3 + "/Hamlet")); f != nil {
		t.Error(f)
	}
}

// badExtension cannot be attached.
type badExtension struct{}

var errBad = errors.New("bad")

func (badExtension) Attach(xmpp.Host) error { return errBad }

func TestAttach(t *testing.T) {
	service := &host{local: jid.MustParse("gc.denmark")}
	for name, h := range map[string]*host{
		"a server": {local: jid.MustParse("denmark"), server: true},
		"a client": {local: jid.MustParse(hamlet)},
	} {
		if err := new(Service).Attach(h); err == nil {
			t.Errorf("attached to %s", name)
		}
	}
	if err := (&Service{Extensions: []xmpp.Extension{badExtension{}}}).Attach(service); !errors.Is(err, errBad) {
		t.Error(err)
	}
	s := new(Service)
	if err := s.Attach(service); err != nil {
		t.Error(err)
	}
	if err := s.Attach(service); err == nil {
		t.Error("attached twice")
	}
	if err := new(Rooms).Attach(&host{server: true}); err == nil {
		t.Error("Rooms attached to a server")
	}
}

func TestClose(t *testing.T) {
	bubble(t, "everybody is told", &Service{Rules: Rules{Words: quiet}}, func(t *testing.T, h *house) {
		h.do("<presence type='subscribe' from='polonius@denmark' to='ACT'/>")
		h.do(hamletJoins)
		if err := h.Service.Close(t.Context(), "The rest is silence."); err != nil {
			t.Error(err)
		}
		want := []string{
			full("<presence type='unavailable' to='HAMLET' from='ACT/Hamlet'><status>The rest is silence.</status></presence>"),
			full("<presence type='unavailable' to='polonius@denmark' from='ACT'/>")}
		if got := h.host.take(); !slices.Equal(got, want) {
			t.Errorf("got %q", got)
		}
		h.wantHas(hamletJoins, "<service-unavailable")
		h.wantHas("<message type='groupchat' from='HAMLET' to='ACT'><body>x</body></message>", "<service-unavailable")
	})
	var log strings.Builder
	bubble(t, "not if it takes too long", &Service{Log: slog.New(slog.NewTextHandler(&log, nil))},
		func(t *testing.T, h *house) {
			h.do(hamletJoins)
			h.block = make(chan struct{})
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if err := h.Service.Close(ctx, ""); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	if !strings.Contains(log.String(), "room=act3@gc.denmark to=hamlet@denmark/castle") {
		t.Errorf("the log says %q", log.String())
	}
	bubble(t, "errors of the host are not those of who has sent something", new(Service), func(t *testing.T, h *house) {
		h.fail = xmpp.ErrClosed
		h.want(hamletJoins)
		for _, src := range []string{"<message from='a@b' to='gc.denmark'/>",
			"<presence type='subscribe' from='a@b' to='a@gc.denmark'/>"} {
			if err := h.mux.HandleXMPP(t.Context(), h.host, parse(t, src)); !errors.Is(err, xmpp.ErrClosed) {
				t.Errorf("%s: %v", src, err)
			}
		}
	})
}
