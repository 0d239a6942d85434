//go:build interop

package interop

import (
	"context"
	"fmt"
	"testing"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/component"
	"github.com/etherx-go/xmpp/ext/disco"
	"github.com/etherx-go/xmpp/ext/form"
	"github.com/etherx-go/xmpp/ext/ping"
	"github.com/etherx-go/xmpp/ext/push"
	"github.com/etherx-go/xmpp/interop/internal/peer"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// TestPush has our app server, a component, be told by servers about messages for who
// is away (XEP-0357); our clients ask for it. Prosody's module for it is none of its
// own.
func TestPush(t *testing.T) {
	t.Parallel()
	service := peer.Components{"push.localhost": "s3cret"}
	for _, tt := range []struct {
		name  string
		start func(testing.TB) *peer.Server
	}{
		{"ejabberd", peer.Ejabberd{Components: service}.Start},
		{"Etherx", peer.Etherx{Root: "..", Components: service}.Start},
	} {
		t.Run(tt.name, func(t *testing.T) { testPush(t, tt.start(t)) })
	}
}

func testPush(t *testing.T, s *peer.Server) {
	const secret = "eruio234vzxc2kla-91"
	deliveries := make(chan push.Delivery, 100)
	app := &push.Service{
		Deliver: func(_ context.Context, d push.Delivery) error {
			deliveries <- d
			if d.Node == "lost" {
				return stanza.ItemNotFound
			}
			return nil
		},
		Secret: func(context.Context, string) (string, error) { return secret, nil },
	}
	domain := jid.MustParse("push.localhost")
	c := runComponent(t, component.Config{
		Domain: domain, Secret: "s3cret", Addr: s.ComponentAddr[domain.String()], Server: jid.MustParse(s.Domain),
		Extensions: []xmpp.Extension{app, &disco.Extension{Identities: []disco.Identity{push.Identity()}}},
	})

	account := newAccount(t, s)
	r := run(t, s, config(t, s, newAccount(t, s), false))
	r.session(t)
	// away has juliet be there for a moment, and romeo write to her when she has gone.
	n := 0
	away := func(there func(ctx context.Context, j *running)) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		j := run(t, s, config(t, s, account, false))
		j.session(t)
		there(ctx, j)
		j.leave(t)
		n++
		r.send(t, account.JID(), fmt.Sprint("message ", n))
	}
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	register := func(node string) func(context.Context, *running) {
		return func(ctx context.Context, j *running) {
			t.Helper()
			info, err := disco.GetInfo(ctx, j, jid.MustParse(account.JID()), "")
			check(err)
			if !info.Has(push.NS) {
				t.Errorf("the account has the features %v", info.Features)
			}
			check(push.Enable(ctx, j, push.Registration{Service: domain, Node: node, Options: []form.Field{push.Secret(secret)}}))
		}
	}
	expect := func(node string) {
		t.Helper()
		d := waitFor(t, "notification", deliveries)
		t.Logf("%+v", d)
		if d.Node != node || d.To != domain || d.From.Bare() != jid.MustParse(account.JID()) && d.From != jid.MustParse(s.Domain) {
			t.Errorf("got %+v, want one for %s", d, node)
		}
	}
	nothing := func() {
		t.Helper()
		// What the server sent before the answer has come.
		r.session(t)
		check(ping.Ping(t.Context(), c, jid.MustParse(s.Domain)))
		select {
		case d := <-deliveries:
			t.Errorf("unexpected: %+v", d)
		default:
		}
	}

	away(func(context.Context, *running) {})
	nothing()
	away(register("phone"))
	expect("phone")
	away(func(ctx context.Context, j *running) { check(push.Disable(ctx, j, domain, "phone")) })
	nothing()
	// One that the service does not know is given up.
	away(register("lost"))
	expect("lost")
	away(func(context.Context, *running) {})
	nothing()
	away(register("tablet"))
	expect("tablet")
}
