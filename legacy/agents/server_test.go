package agents_test

import (
	"testing"

	"github.com/etherx-go/xmpp/ext/disco"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/legacy/agents"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/xmpptest"
)

// TestServer asks a real server, whose services are those that it was given.
func TestServer(t *testing.T) {
	users := agents.Agent{JID: jid.MustParse("users.example.org"), Name: "Users", Service: agents.ServiceUsers,
		Search: true}
	d := &disco.Extension{Services: []disco.Item{{JID: users.JID, Name: users.Name}},
		Identities: []disco.Identity{{Category: "server", Type: "im", Name: "Elsinore"}}}
	all := func() []agents.Agent { return []agents.Agent{users} }
	e := &agents.Extension{Info: d.Info, Services: agents.ListerFunc(all)}
	s := xmpptest.NewServer(t, func(c *server.Config) { c.Extensions = append(c.Extensions, d, e) })
	hamlet := s.Client("hamlet", nil)
	for _, to := range []jid.JID{{}, jid.MustParse(xmpptest.Domain)} {
		l, err := agents.GetList(t.Context(), hamlet, to)
		if err != nil || len(l) != 1 || l[0] != users {
			t.Errorf("GUIDE-9-agent-4, to %q: %+v, %v", to, l, err)
		}
	}
	domain := jid.MustParse(xmpptest.Domain)
	if a, err := agents.Get(t.Context(), hamlet, domain); err != nil || a.Name != "Elsinore" || a.JID != domain {
		t.Errorf("GUIDE-9-agent-1: %+v, %v", a, err)
	}
	// The service itself is not there; it is known all the same.
	l, err := agents.Services(t.Context(), hamlet, jid.JID{})
	if err != nil || len(l) != 1 || l[0].JID != users.JID || l[0].Name != "Users" {
		t.Errorf("GUIDE-9-agent-4: %+v, %v", l, err)
	}
	if ok, err := disco.Supports(t.Context(), hamlet, domain, agents.NS); !ok || err != nil {
		t.Errorf("the feature: %v, %v", ok, err)
	}
}
