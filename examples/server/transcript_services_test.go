package main

import (
	"context"
	"sync"
	"testing"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/register"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/legacy/agents"
	"github.com/etherx-go/xmpp/legacy/autoupdate"
	"github.com/etherx-go/xmpp/legacy/groupchat"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stanza"
)

// attachService attaches a service that a document has beside the server.
func attachService(t *testing.T, s *server.Server, host, name string) {
	t.Helper()
	var x []xmpp.Extension
	switch name {
	case "groupchat":
		x = []xmpp.Extension{new(groupchat.Service)}
	case "autoupdate":
		x = []xmpp.Extension{&autoupdate.Service{Versions: winjab}}
	case "icq":
		x = []xmpp.Extension{&agents.Extension{Self: icq}}
	case "conference":
		x = []xmpp.Extension{&agents.Extension{Self: conference}}
	case "aim":
		x = []xmpp.Extension{newAIM(), &agents.Extension{Self: aim}}
	default:
		t.Fatalf("there is no service %q", name)
	}
	local, err := s.LocalHost(jid.MustParse(host), nil, x...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { local.Close() })
}

// winjab has the versions of chapter 7.
func winjab(_ context.Context, program string) (autoupdate.Versions, error) {
	if program != "winjab" {
		return autoupdate.Versions{}, stanza.ItemNotFound
	}
	return autoupdate.Versions{
		Release: &autoupdate.Version{Priority: autoupdate.Optional, Number: "0.9.1.1",
			URL: "http://update.denmark/winjab/winjab_setup.exe"},
		Beta: &autoupdate.Version{Priority: autoupdate.Optional, Number: "0.9.2.16",
			URL: "http://update.denmark/winjab/winjab_beta.exe"},
	}, nil
}

// Services of chapters 9 and 11.
var (
	icq = agents.Agent{Name: "ICQ Service", Description: "This is the ICQ Service for connecting to ICQ users.",
		URL: "http://denmark/services/icq/", Service: "icq", Gateway: true, Transport: "ICQ #", Register: true, Search: true}
	conference = agents.Agent{Name: "Conference Server", Service: "conference", GroupChat: true, Register: true,
		Description: "You can create and participate in private group conferences."}
	aim = agents.Agent{Name: "AIM Transport", Service: "aim", Gateway: true,
		Description: "This service allows you to communicate transparently to AOL Instant Messenger users.",
		Transport:   "AIM/AOL Screen Name", Register: true}
)

// newAIM is a service to register with.
func newAIM() *register.Service {
	var mu sync.Mutex
	users := make(map[jid.JID]string)
	return &register.Service{
		Keys: true,
		Form: func(_ context.Context, user jid.JID) (*register.Query, error) {
			mu.Lock()
			defer mu.Unlock()
			name, ok := users[user.Bare()]
			return &register.Query{Registered: ok, Instructions: "Enter your AIM screen name and password.",
				Fields: []register.Field{{Name: "username", Value: name}, {Name: "password"}}}, nil
		},
		Register: func(_ context.Context, user jid.JID, q *register.Query) error {
			mu.Lock()
			defer mu.Unlock()
			for _, f := range q.Fields {
				if f.Name == "username" {
					users[user.Bare()] = f.Value
				}
			}
			return nil
		},
		Remove: func(_ context.Context, user jid.JID) error {
			mu.Lock()
			defer mu.Unlock()
			if users[user.Bare()] == "" {
				return stanza.RegistrationRequired
			}
			delete(users, user.Bare())
			return nil
		},
	}
}
