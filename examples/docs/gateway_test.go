package docs_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/examples/internal/markdown"
	"github.com/etherx-go/xmpp/ext/disco"
	"github.com/etherx-go/xmpp/ext/gateway"
	"github.com/etherx-go/xmpp/ext/register"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/presence"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/xmpptest"
)

// Most of docs/gateway.md stands in examples/gateway, whose tests run it.

// echoes is a network of which everybody lets everybody see the presence, and repeats
// what is said.
type echoes struct{ refuse error }

func (n *echoes) Login(_ context.Context, _ gateway.Account, _ gateway.Presence, in *gateway.Inbound) (gateway.Session,
	error) {
	if n.refuse != nil {
		return nil, n.refuse
	}
	return echoing{in}, nil
}

type echoing struct{ in *gateway.Inbound }

func (s echoing) Send(ctx context.Context, name string, m *stanza.Message) error {
	return s.in.Text(ctx, name, m.Body)
}
func (s echoing) Subscribe(ctx context.Context, name, _ string) error {
	return errors.Join(s.in.Subscribed(ctx, name), s.in.Presence(ctx, name, gateway.Presence{Available: true}))
}
func (echoing) SetPresence(context.Context, gateway.Presence) error       { return nil }
func (echoing) Unsubscribe(context.Context, string) error                 { return nil }
func (echoing) Approve(context.Context, string, bool) error               { return nil }
func (echoing) Contacts(context.Context) (c []gateway.Contact, err error) { return nil, nil }
func (echoing) Logout(context.Context) error                              { return nil }

// addContact is what a bot does to have a contact on the network.
func addContact(ctx context.Context, bot xmpp.Sender, gw jid.JID) error {
	contact, err := gateway.Translate(ctx, bot, gw, "765-4321") // 7654321@gw.example.org
	if err != nil {
		return err
	}
	return presence.Subscribe(ctx, bot, contact, "It is I.")
}

// inProcess puts a gateway into a server, and returns what a bot there sees.
func inProcess(t *testing.T, n *echoes) (bot xmpp.Sender, sees <-chan string) {
	s := xmpptest.NewServer(t)
	g := &gateway.Gateway{Network: n, Addresses: gateway.Addresses{Normalize: func(name string) (string, error) {
		return strings.ReplaceAll(name, "-", ""), nil
	}}}
	about := &disco.Extension{Identities: []disco.Identity{{Category: "gateway", Type: "chat", Name: "Chat"}}}
	host := func(s *server.Server) (*server.Service, error) {
		service, err := s.LocalHost(jid.MustParse("gw.example.org"), nil, g, about)
		return service, err
	}
	service, err := host(s.Server)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(g.Close(context.Background()), service.Close()); err != nil {
			t.Error(err)
		}
	})
	seen := make(chan string, 100)
	mux := new(xmpp.Mux)
	mux.OnMessage(func(_ context.Context, _ xmpp.Sender, m *stanza.Message) error {
		seen <- m.From.String() + ": " + m.Body
		return nil
	})
	mux.OnError(func(_ context.Context, _ xmpp.Sender, st *stanza.Stanza, err *stanza.Error) error {
		seen <- st.From.String() + " " + string(err.Condition)
		return nil
	})
	mux.OnPresence(func(_ context.Context, _ xmpp.Sender, p *stanza.Presence) error {
		if p.From.Domain() == "gw.example.org" && p.Type != stanza.TypeUnavailable {
			seen <- p.From.String() + " " + string(p.Type)
		}
		return nil
	})
	c := s.Client("juliet", mux)
	gw, ctx := service.LocalAddr(), t.Context()
	if info, err := disco.GetInfo(ctx, c, gw, ""); err != nil || !info.Is("gateway", "chat") {
		t.Errorf("it is %+v, %v", info, err)
	}
	err = register.Register(ctx, c, gw, register.Field{Name: "username", Value: "1"},
		register.Field{Name: "password", Value: "x"})
	if err != nil {
		t.Fatal(err)
	}
	if got := <-seen; got != "gw.example.org subscribe" {
		t.Errorf("saw %q", got)
	}
	if err := presence.Approve(ctx, c, gw); err != nil {
		t.Fatal(err)
	}
	return c, seen
}

func TestGateway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bot, sees := inProcess(t, &echoes{})
		gw := jid.MustParse("gw.example.org")
		if got := <-sees; got != "gw.example.org " { // logged in
			t.Errorf("saw %q", got)
		}
		if err := addContact(t.Context(), bot, gw); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"7654321@gw.example.org subscribed", "7654321@gw.example.org "} {
			if got := <-sees; got != want {
				t.Errorf("saw %q, want %q", got, want)
			}
		}
		send(t, bot, jid.MustParse("7654321@gw.example.org"), "hello")
		if got := <-sees; got != "7654321@gw.example.org: hello" {
			t.Errorf("saw %q", got)
		}
	})
}

// TestGatewayErrors: the table of errors.
func TestGatewayErrors(t *testing.T) {
	conditions := map[string]error{"`stanza.NotAuthorized`": stanza.NotAuthorized, "`stanza.Conflict`": stanza.Conflict,
		"`stanza.ItemNotFound`": stanza.ItemNotFound, "`stanza.ServiceUnavailable`": stanza.ServiceUnavailable,
		"another condition, or a `*stanza.Error`": stanza.NewError(stanza.NotAllowed, ""), "any other error": errors.New("?")}
	rows := markdown.Tables(t, "docs/gateway.md", "error", "the user gets")
	if len(rows) != len(conditions) {
		t.Errorf("%d rows", len(rows))
	}
	for _, row := range rows {
		err := conditions[row[0]]
		if err == nil {
			t.Errorf("%q is not known", row[0])
			continue
		}
		synctest.Test(t, func(t *testing.T) {
			_, sees := inProcess(t, &echoes{refuse: err})
			want := stanza.AsError(err).Condition
			if row[0] == "any other error" {
				want = stanza.RemoteServerTimeout
			}
			if got := <-sees; got != "gw.example.org "+string(want) {
				t.Errorf("%s: saw %q", row[0], got)
			}
			time.Sleep(gateway.DefaultRetry)
			synctest.Wait()
			again := want != stanza.NotAuthorized && want != stanza.Conflict
			if (len(sees) > 0) != again {
				t.Errorf("%s: tried again: %v", row[0], len(sees) > 0)
			}
		})
	}
}

// TestGatewaySettings: the table of settings.
func TestGatewaySettings(t *testing.T) {
	want := map[string]string{"Timeout": "30 s", "Retry": "1 min", "MaxUsers": "10000", "MaxResources": "20",
		"MaxContacts": "1000", "MaxQueued": "100"}
	if gateway.DefaultTimeout != 30*time.Second || gateway.DefaultRetry != time.Minute ||
		gateway.DefaultMaxUsers != 10000 || gateway.DefaultMaxResources != 20 || gateway.DefaultMaxContacts != 1000 || gateway.DefaultMaxQueued != 100 {
		t.Error("the defaults have changed")
	}
	for _, row := range markdown.Tables(t, "docs/gateway.md", "setting", "default", "what it bounds") {
		name := strings.Trim(row[0], "`")
		if want[name] != row[1] {
			t.Errorf("%s is %q, want %q", name, row[1], want[name])
		}
		delete(want, name)
	}
	if len(want) > 0 {
		t.Errorf("not in the table: %v", want)
	}
}
