package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/client"
	"github.com/etherx-go/xmpp/component"
	"github.com/etherx-go/xmpp/examples/gateway/chat"
	"github.com/etherx-go/xmpp/ext/disco"
	"github.com/etherx-go/xmpp/ext/form"
	"github.com/etherx-go/xmpp/ext/gateway"
	"github.com/etherx-go/xmpp/ext/register"
	"github.com/etherx-go/xmpp/ext/rosterx"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/legacy/agents"
	"github.com/etherx-go/xmpp/presence"
	"github.com/etherx-go/xmpp/roster"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
	"github.com/etherx-go/xmpp/xmpptest"
)

var (
	gw      = jid.MustParse("gw.example.org")
	romeoAt = jid.MustParse("7654321@gw.example.org")
)

// world is a server, a gateway and a chat, in one bubble.
type world struct {
	t        *testing.T
	server   *xmpptest.Server
	chat     *chat.Server
	accounts gateway.Memory
	stop     func() // stops the gateway

	mu     sync.Mutex
	down   bool             // the chat cannot be reached
	lines  []net.Conn       // of the gateway to the chat
	stream stream.Transport // of the gateway to the server
}

// inWorld runs a test with a gateway. Juliet has the number 1234567 in the chat, and
// romeo 7654321.
func inWorld(t *testing.T, fn func(t *testing.T, w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, chat: new(chat.Server), stop: func() {}}
		w.chat.SetUser("1234567", "juliet's")
		w.chat.SetUser("7654321", "romeo's")
		w.server = xmpptest.NewServer(t, func(c *server.Config) {
			c.Components = &server.Components{Known: map[string]server.Component{gw.String(): {Secret: "s3cret"}}}
		})
		w.start()
		fn(t, w)
		w.stop()
	})
}

func (w *world) dialChat(ctx context.Context) (net.Conn, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.down {
		return nil, errors.New("connection refused")
	}
	a, b := net.Pipe()
	w.lines = append(w.lines, b)
	go w.chat.ServeConn(context.WithoutCancel(ctx), b)
	return a, nil
}

// cut cuts the connections to the chat, and it cannot be reached.
func (w *world) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = true
	for _, l := range w.lines {
		l.Close()
	}
}

// mend undoes it.
func (w *world) mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = false
}

// start runs the gateway until stop is called.
func (w *world) start() {
	w.t.Helper()
	log := slog.New(slog.NewTextHandler(w.t.Output(), nil))
	cfg := component.Config{Domain: gw, Secret: "s3cret", Log: log}
	cfg.Dial = func(ctx context.Context) (stream.Transport, error) {
		a, b := stream.Pipe()
		go w.server.ServeComponentConn(context.WithoutCancel(ctx), b)
		w.mu.Lock()
		defer w.mu.Unlock()
		w.stream = a
		return a, nil
	}
	c, g, err := newGateway(cfg, &network{dial: w.dialChat, log: log}, &w.accounts)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- serve(ctx, c, g) }()
	if err := c.WaitReady(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	w.stop = func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Errorf("serve: %v", err)
		}
		w.stop = func() {}
	}
}

// seen is what somebody sees.
type seen struct {
	t    *testing.T
	what chan string
}

func newSeen(t *testing.T) seen { return seen{t, make(chan string, 1000)} }

func (s seen) add(format string, args ...any) { s.what <- fmt.Sprintf(format, args...) }

// sees compares what has come since it was called last, in any order: of several
// senders there is none. Presence may be told twice, as news and as the answer to a
// probe.
func (s seen) sees(want ...string) {
	s.t.Helper()
	synctest.Wait()
	got := []string{}
	for range len(s.what) {
		got = append(got, <-s.what)
	}
	slices.Sort(got)
	slices.Sort(want)
	got = slices.CompactFunc(got, func(a, b string) bool { return a == b && strings.HasSuffix(a, "available") })
	if !slices.Equal(got, want) {
		s.t.Errorf("saw  %q\nwant %q", got, want)
	}
}

// user is somebody with an XMPP client.
type user struct {
	seen
	*client.Client
}

// login logs somebody in with a client.
func (w *world) login(name string) *user {
	u := &user{seen: newSeen(w.t)}
	mux := new(xmpp.Mux)
	cfg := w.server.ClientConfig(name, mux)
	mux.OnMessage(func(_ context.Context, _ xmpp.Sender, m *stanza.Message) error {
		u.add("%s says %s", m.From, m.Body)
		return nil
	})
	mux.OnError(func(_ context.Context, _ xmpp.Sender, st *stanza.Stanza, err *stanza.Error) error {
		u.add("%s %s error %s", st.Kind, st.From, err.Condition)
		return nil
	})
	mux.OnPresence(func(_ context.Context, _ xmpp.Sender, p *stanza.Presence) error {
		if p.From.Bare() != cfg.JID.Bare() {
			u.add("%s %s", p.From, cmp.Or(string(p.Type), string(p.Show), "available")+status(p.Status))
		}
		return nil
	})
	cfg.Extensions = []xmpp.Extension{&rosterx.Extension{OnSuggestion: func(_ context.Context, r rosterx.Received) error {
		for _, it := range r.Items {
			u.add("%s suggests %s", r.From, it.JID)
		}
		return nil
	}}}
	u.Client = w.server.Start(cfg)
	return u
}

func status(s string) string {
	if s == "" {
		return ""
	}
	return " (" + s + ")"
}

// must fails the test for an error.
func (s seen) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (u *user) say(to jid.JID, body string) {
	u.t.Helper()
	u.must(xmpp.Send(u.t.Context(), u, &stanza.Message{To: to, Type: stanza.TypeChat, Body: body}))
}

// foreigner is somebody in the chat.
type foreigner struct {
	seen
	*chat.Client
}

func (w *world) enter(number, password string) *foreigner {
	w.t.Helper()
	f := &foreigner{seen: newSeen(w.t)}
	conn, other := net.Pipe()
	go w.chat.ServeConn(w.t.Context(), other)
	var err error
	f.Client, err = chat.Login(w.t.Context(), conn, number, password, func(e chat.Event) { f.add("%s", e) })
	f.must(err)
	return f
}

var account = []register.Field{{Name: "username", Value: "1234567"}, {Name: "password", Value: "juliet's"}}

// register registers somebody who lets the gateway see the presence.
func (u *user) register() {
	u.t.Helper()
	ctx := u.t.Context()
	u.must(register.Register(ctx, u, gw, account...))
	u.sees("gw.example.org subscribe")
	u.must(presence.Approve(ctx, u, gw))
	u.sees("gw.example.org available") // and is logged in
	u.must(presence.Subscribe(ctx, u, gw, ""))
	u.sees("gw.example.org subscribed", "gw.example.org available")
}

// befriend makes juliet and romeo contacts.
func befriend(juliet *user, romeo *foreigner) {
	ctx := juliet.t.Context()
	juliet.must(presence.Subscribe(ctx, juliet, romeoAt, "It is I."))
	romeo.sees("* ASK 1234567 It is I.")
	romeo.must(romeo.Allow(ctx, "1234567"))
	juliet.sees("7654321@gw.example.org subscribed", "7654321@gw.example.org available")
	romeo.must(romeo.Add(ctx, "1234567", "And I."))
	juliet.sees("7654321@gw.example.org subscribe (And I.)")
	juliet.must(presence.Approve(ctx, juliet, romeoAt))
	romeo.sees("* ALLOWED 1234567", "* STATUS 1234567 online")
}

// together is a world in which they are.
func together(t *testing.T, fn func(w *world, juliet *user, romeo *foreigner)) {
	inWorld(t, func(t *testing.T, w *world) {
		juliet, romeo := w.login("juliet"), w.enter("7654321", "romeo's")
		juliet.register()
		befriend(juliet, romeo)
		fn(w, juliet, romeo)
		w.stop()
		romeo.Close()
	})
}

// TestRegister: what the gateway is, what it asks, and who gets in.
func TestRegister(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		ctx, juliet := t.Context(), w.login("juliet")
		info, err := disco.GetInfo(ctx, juliet, gw, "")
		if err != nil || !info.Is("gateway", "chat") || !info.Has(register.NS) || !info.Has(gateway.NS) {
			t.Errorf("it is %+v, %v", info, err)
		}
		agent, err := agents.Get(ctx, juliet, gw)
		if err != nil || !agent.Gateway || !agent.Register || agent.Transport != "Number" || agent.Service != "chat" {
			t.Errorf("to clients of old it is %+v, %v", agent, err)
		}
		juliet.say(romeoAt, "Romeo?")
		juliet.sees("message 7654321@gw.example.org error registration-required")

		for _, wrong := range [][]register.Field{
			{account[0], {Name: "password", Value: "romeo's"}},
			{{Name: "username", Value: "5550100"}, account[1]},
		} {
			if err := register.Register(ctx, juliet, gw, wrong...); !errors.Is(err, stanza.NotAcceptable) {
				t.Errorf("%v: %v", wrong, err)
			}
		}
		stranger := w.server.ClientConfig("paris", nil)
		w.cut()
		err = register.Register(ctx, w.server.Start(stranger), gw, account...)
		if !errors.Is(err, stanza.RemoteServerTimeout) {
			t.Errorf("the chat is down: %v", err)
		}
		w.mend()

		// By data form.
		q, err := register.Fields(ctx, juliet, gw)
		juliet.must(err)
		element, err := q.Form.Element()
		juliet.must(err)
		var x form.Data
		juliet.must(x.ParseXML(element))
		answer := x.Answer()
		for _, f := range account {
			if x.Field(f.Name) == nil || !x.Field(f.Name).Required {
				t.Errorf("%s is not asked for", f.Name)
			}
			answer.Set(f.Name, f.Value)
		}
		raw, err := answer.AppendXML(nil)
		juliet.must(err)
		juliet.must(register.Submit(ctx, juliet, gw, &register.Query{Form: stanza.Raw(raw)}))
		juliet.sees("gw.example.org subscribe")
		a, ok, err := w.accounts.Account(ctx, juliet.LocalAddr().Bare())
		if !ok || err != nil || a.Get("username") != "1234567" || a.Get("password") != "juliet's" {
			t.Errorf("kept %+v, %v, %v", a, ok, err)
		}
		if q, err := register.Fields(ctx, juliet, gw); err != nil || !q.Registered {
			t.Errorf("registered: %+v, %v", q, err)
		}
	})
}

// TestTranslate: numbers as people write them.
func TestTranslate(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		ctx, juliet := t.Context(), w.login("juliet")
		desc, prompt, err := gateway.Prompt(ctx, juliet, gw, "en")
		if desc == "" || prompt != "Number" || err != nil {
			t.Errorf("%q, %q, %v", desc, prompt, err)
		}
		if at, err := gateway.Translate(ctx, juliet, gw, " 765-43 21"); at != romeoAt || err != nil {
			t.Errorf("got %s, %v", at, err)
		}
		for _, name := range []string{"romeo", "7654321@chat", "-"} {
			if at, err := gateway.Translate(ctx, juliet, gw, name); !errors.Is(err, stanza.JIDMalformed) {
				t.Errorf("%s: got %s, %v", name, at, err)
			}
		}
	})
}

// TestTalk: contacts, presence and messages, in both directions.
func TestTalk(t *testing.T) {
	together(t, func(w *world, juliet *user, romeo *foreigner) {
		ctx := w.t.Context()
		for _, tt := range []struct {
			show stanza.Show
			text string
			want string // what is seen in the chat, and back again
			back string
		}{
			{stanza.ShowAway, "On the\nbalcony", `away On the\nbalcony`, "away (On the\nbalcony)"},
			{stanza.ShowExtendedAway, "", "away", "away"},
			{stanza.ShowDoNotDisturb, "Praying", "busy Praying", "dnd (Praying)"},
			{stanza.ShowChat, "", "online", "available"},
			{"", `\n is no line`, `online \\n is no line`, `available (\n is no line)`},
		} {
			juliet.must(presence.Available(ctx, juliet, tt.show, tt.text, 0))
			romeo.sees("* STATUS 1234567 " + tt.want)
			p := gateway.Presence{Available: true, Show: tt.show}
			romeo.must(romeo.SetStatus(ctx, statusOf(p), tt.text))
			juliet.sees("7654321@gw.example.org " + tt.back)
		}

		juliet.say(romeoAt, "Wherefore art thou?\nDeny thy father.")
		romeo.sees(`* MESSAGE 1234567 Wherefore art thou?\nDeny thy father.`)
		romeo.must(romeo.Send(ctx, "1234567", "I take thee at\nthy word. <&>"))
		juliet.sees("7654321@gw.example.org says I take thee at\nthy word. <&>")

		// Whom it does not reach.
		nurse := jid.MustParse("5550100@gw.example.org")
		juliet.say(nurse, "Nurse?")
		juliet.sees("message 5550100@gw.example.org error item-not-found")
		juliet.say(jid.MustParse(`7654321\20Psst@gw.example.org`), "Nurse?")
		juliet.sees(`message 7654321\20psst@gw.example.org error item-not-found`)
		juliet.must(presence.Subscribe(ctx, juliet, nurse, ""))
		juliet.sees("presence 5550100@gw.example.org error item-not-found")
		juliet.must(roster.Delete(ctx, juliet, nurse))
		juliet.say(romeoAt, strings.Repeat("Romeo! ", chat.MaxLine/7))
		juliet.sees("message 7654321@gw.example.org error not-acceptable")
		romeo.must(romeo.Close())
		juliet.sees("7654321@gw.example.org unavailable")
		juliet.say(romeoAt, "Romeo?")
		juliet.sees("message 7654321@gw.example.org error service-unavailable")
		romeo.sees("* BYE")

		// And who of them goes and comes.
		romeo.Client = w.enter("7654321", "romeo's").Client
		juliet.sees("7654321@gw.example.org available")
		juliet.must(presence.Unavailable(ctx, juliet, ""))
		synctest.Wait()
		if err := romeo.Send(ctx, "1234567", "Juliet?"); !errors.Is(err, chat.ErrOffline) {
			w.t.Errorf("juliet has gone: %v", err)
		}
		juliet.must(presence.Available(ctx, juliet, "", "", 0))
		juliet.sees("gw.example.org available", "7654321@gw.example.org available",
			"gw.example.org suggests 7654321@gw.example.org")
	})
}

// TestPart: how they cease to be contacts.
func TestPart(t *testing.T) {
	t.Run("he shows his presence no more", func(t *testing.T) {
		together(t, func(w *world, juliet *user, romeo *foreigner) {
			romeo.must(romeo.Deny(w.t.Context(), "1234567"))
			juliet.sees("7654321@gw.example.org unsubscribed", "7654321@gw.example.org unavailable")
			romeo.must(romeo.SetStatus(w.t.Context(), chat.Busy, ""))
			juliet.sees()
		})
	})
	t.Run("he takes her off his list", func(t *testing.T) {
		together(t, func(w *world, juliet *user, romeo *foreigner) {
			romeo.must(romeo.Remove(w.t.Context(), "1234567"))
			juliet.sees("7654321@gw.example.org unsubscribe", "7654321@gw.example.org unsubscribed",
				"7654321@gw.example.org unavailable")
			juliet.must(presence.Available(w.t.Context(), juliet, stanza.ShowAway, "", 0))
			romeo.sees()
		})
	})
	t.Run("she shows her presence no more", func(t *testing.T) {
		together(t, func(w *world, juliet *user, romeo *foreigner) {
			juliet.must(presence.Cancel(w.t.Context(), juliet, romeoAt))
			romeo.sees("* DENIED 1234567")
		})
	})
	t.Run("she takes him off her list", func(t *testing.T) {
		together(t, func(w *world, juliet *user, romeo *foreigner) {
			juliet.must(roster.Delete(w.t.Context(), juliet, romeoAt))
			romeo.sees("* REMOVED 1234567")
			juliet.sees("7654321@gw.example.org unavailable")
		})
	})
	t.Run("he says no", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			juliet, romeo := w.login("juliet"), w.enter("7654321", "romeo's")
			juliet.register()
			juliet.must(presence.Subscribe(w.t.Context(), juliet, romeoAt, ""))
			romeo.sees("* ASK 1234567")
			romeo.must(romeo.Deny(w.t.Context(), "1234567"))
			juliet.sees("7654321@gw.example.org unsubscribed")
			romeo.must(romeo.Close())
		})
	})
}

// TestUnregister: nothing is left, and she may come again.
func TestUnregister(t *testing.T) {
	together(t, func(w *world, juliet *user, romeo *foreigner) {
		ctx := w.t.Context()
		juliet.must(register.Remove(ctx, juliet, gw))
		romeo.sees("* STATUS 1234567 offline")
		juliet.sees("7654321@gw.example.org unavailable", "gw.example.org unavailable",
			"gw.example.org unsubscribe", "gw.example.org unsubscribed")
		for a := range w.accounts.Accounts(ctx) {
			w.t.Errorf("kept %+v", a)
		}
		juliet.say(romeoAt, "Romeo?")
		juliet.sees("message 7654321@gw.example.org error registration-required")
		if err := register.Remove(ctx, juliet, gw); !errors.Is(err, stanza.RegistrationRequired) {
			w.t.Errorf("once more: %v", err)
		}
		juliet.must(presence.Available(ctx, juliet, "", "", 0)) // nobody there may see it any more, but romeo
		juliet.sees("presence gw.example.org error registration-required")
		romeo.sees()
	})
}

// TestChatLost: the user sees it, and that it is there again.
func TestChatLost(t *testing.T) {
	together(t, func(w *world, juliet *user, romeo *foreigner) {
		w.cut()
		lost := []string{"presence gw.example.org error remote-server-timeout", "gw.example.org unavailable"}
		juliet.sees(append(lost, "7654321@gw.example.org unavailable")...)
		juliet.say(romeoAt, "Romeo?")
		juliet.sees("message 7654321@gw.example.org error remote-server-timeout")
		time.Sleep(gateway.DefaultRetry)
		juliet.sees(lost...)

		w.mend()
		time.Sleep(2 * gateway.DefaultRetry)
		juliet.sees("gw.example.org available", "7654321@gw.example.org available",
			"gw.example.org suggests 7654321@gw.example.org")
		romeo.sees("* STATUS 1234567 offline", "* STATUS 1234567 online", "* STATUS 1234567 online")
		juliet.say(romeoAt, "Romeo?")
		romeo.sees("* MESSAGE 1234567 Romeo?")
	})
}

// TestElsewhere: a gateway does not fight for the account.
func TestElsewhere(t *testing.T) {
	together(t, func(w *world, juliet *user, romeo *foreigner) {
		telnet := w.enter("1234567", "juliet's")
		juliet.sees("presence gw.example.org error conflict", "gw.example.org unavailable",
			"7654321@gw.example.org unavailable")
		time.Sleep(2 * time.Hour)
		telnet.must(telnet.Send(w.t.Context(), "7654321", "From the orchard."))
		juliet.sees()
		telnet.must(telnet.Close())
		juliet.must(presence.Unavailable(w.t.Context(), juliet, ""))
		juliet.must(presence.Available(w.t.Context(), juliet, "", "", 0))
		juliet.sees("gw.example.org available", "7654321@gw.example.org available",
			"gw.example.org suggests 7654321@gw.example.org")
	})
}

// TestPasswordChanged: the user hears of it, and registers again.
func TestPasswordChanged(t *testing.T) {
	together(t, func(w *world, juliet *user, romeo *foreigner) {
		w.chat.SetUser("1234567", "new")
		w.stop()
		juliet.sees("gw.example.org unavailable", "7654321@gw.example.org unavailable")
		w.start()
		juliet.sees("presence gw.example.org error not-authorized", "gw.example.org unavailable")
		time.Sleep(2 * time.Hour)
		juliet.sees()
		fresh := []register.Field{account[0], {Name: "password", Value: "new"}}
		juliet.must(register.Register(w.t.Context(), juliet, gw, fresh...))
		juliet.sees("gw.example.org available", "7654321@gw.example.org available",
			"gw.example.org suggests 7654321@gw.example.org")
	})
}

// TestRestart: who is registered stays so, and is logged in again.
func TestRestart(t *testing.T) {
	together(t, func(w *world, juliet *user, romeo *foreigner) {
		w.stop()
		juliet.sees("gw.example.org unavailable", "7654321@gw.example.org unavailable")
		romeo.sees("* STATUS 1234567 offline")
		juliet.say(romeoAt, "Romeo?")
		juliet.sees("message 7654321@gw.example.org error remote-server-timeout")
		juliet.must(presence.Available(w.t.Context(), juliet, stanza.ShowAway, "", 0))
		synctest.Wait()
		w.start()
		romeo.sees("* STATUS 1234567 online", "* STATUS 1234567 away")
		juliet.sees("gw.example.org available", "7654321@gw.example.org available",
			"gw.example.org suggests 7654321@gw.example.org")
	})
}

// TestServerLost: without the server nobody is logged in, and nobody who has gone
// meanwhile stays.
func TestServerLost(t *testing.T) {
	together(t, func(w *world, juliet *user, romeo *foreigner) {
		w.mu.Lock()
		w.stream.Close()
		w.mu.Unlock()
		synctest.Wait()
		if err := romeo.Send(w.t.Context(), "1234567", "Juliet?"); !errors.Is(err, chat.ErrOffline) {
			w.t.Errorf("a message that cannot be delivered is taken: %v", err)
		}
		romeo.sees("* STATUS 1234567 offline")
		romeo.must(romeo.Close())
		time.Sleep(component.DefaultMaxBackoff)
		juliet.sees("gw.example.org unavailable", "7654321@gw.example.org unavailable", "gw.example.org available",
			"gw.example.org suggests 7654321@gw.example.org")
		romeo.Client = w.enter("7654321", "romeo's").Client
		juliet.sees("7654321@gw.example.org available")
	})
}
