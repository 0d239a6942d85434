package main

import (
	"context"
	"sync"
	"testing"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/register"
	"github.com/etherx-go/xmpp/ext/search"
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
	var x xmpp.Extension
	switch name {
	case "groupchat":
		x = new(groupchat.Service)
	case "autoupdate":
		x = &autoupdate.Service{Versions: winjab}
	case "search":
		x = searchService(t)
	case "icq":
		x = &agents.Extension{Self: icq}
	case "conference":
		x = &agents.Extension{Self: conference}
	case "aim":
		x = newAIM()
	default:
		t.Fatalf("there is no service %q", name)
	}
	local, err := s.LocalHost(jid.MustParse(host), new(xmpp.Mux), x)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { local.Close() })
}

// searchService knows the people of the Jabber Programmers Guide.
func searchService(t *testing.T) *search.Service {
	t.Helper()
	index := new(search.Index)
	for who, nick := range map[string]string{"king@denmark": "King", "hamlet@denmark": "Ham"} {
		err := index.SetEntry(t.Context(), jid.MustParse(who), []search.Field{
			{Name: "first", Value: "Hamlet"}, {Name: "nick", Value: nick}, {Name: "email", Value: who},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return &search.Service{Directory: index, Registry: index, Keys: true}
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
	directory = agents.Agent{JID: jid.MustParse("users.denmark"), Name: "Jabber User Directory", Service: "jud",
		Description: "You may register and create a public searchable profile, and search for other registered Jabber users.",
		Register:    true, Search: true}
	aim = agents.Agent{JID: jid.MustParse("aim.denmark"), Name: "AIM Transport", Service: "aim", Gateway: true,
		Description: "This service allows you to communicate transparently to AOL Instant Messenger users.",
		Transport:   "AIM/AOL Screen Name", Register: true}
)

// listing tells who asks the server that there are two services.
func listing() xmpp.Extension {
	return &agents.Extension{Services: agents.ListerFunc(func() []agents.Agent { return []agents.Agent{directory, aim} })}
}

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
