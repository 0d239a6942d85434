package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/client"
	"github.com/etherx-go/xmpp/component"
	"github.com/etherx-go/xmpp/ext/disco"
	"github.com/etherx-go/xmpp/ext/register"
	"github.com/etherx-go/xmpp/ext/search"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/legacy/agents"
	"github.com/etherx-go/xmpp/legacy/groupchat"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
	"github.com/etherx-go/xmpp/vcard"
)

// oldConfig returns the settings of a client of before RFC 3920.
func (r *ready) oldConfig(account, password string) client.Config {
	cfg := r.config(account, password, false, nil)
	cfg.OldAuth, cfg.OldStream, cfg.AllowPlaintext = true, true, true
	return cfg
}

// connected starts a component and waits until it is connected.
func (r *ready) connected(cfg component.Config) *component.Component {
	r.t.Helper()
	m := regexp.MustCompile(`msg=listening for=components addr=(\S+)`).FindStringSubmatch(r.stderr.String())
	if m == nil {
		r.t.Fatalf("it does not listen for components: %s", r.stderr)
	}
	cfg.Addr = m[1]
	c, err := component.New(cfg)
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	r.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			r.t.Errorf("component %s: %v", cfg.Domain, err)
		}
	})
	if err := c.WaitReady(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	return c
}

// found searches, and returns the local parts of who is found.
func found(t *testing.T, s xmpp.Sender, at string, q search.Query) (names []string, truncated bool) {
	t.Helper()
	res, err := search.Submit(t.Context(), s, jid.MustParse(at), q)
	if err != nil {
		t.Fatalf("%s: %v", at, err)
	}
	for _, it := range res.Items {
		names = append(names, it.JID.Local())
	}
	return names, res.Truncated
}

func byName(first string) search.Query {
	return search.Query{Fields: []search.Field{{Name: search.First, Value: first}}}
}

// TestDirectory: the user directories of two domains, fed from vCards.
func TestDirectory(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	flags := []string{"-data", data, "-domain", "capulet.example", "-domain", "montague.example",
		"-user", "juliet:r0m30", "-user", "nurse:angelica"}
	fill(t, flags)
	r := start(t, flags...)
	trust := trust(t, data)
	juliet := login(t, r.config("juliet@capulet.example/balcony", "r0m30", false, trust))
	nurse, err := client.New(r.config("nurse@capulet.example/garden", "angelica", false, trust))
	if err != nil {
		t.Fatal(err)
	}
	nurseGone := make(chan error, 1)
	go func() { nurseGone <- nurse.Run(t.Context()) }()
	if err := nurse.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	const capulets, montagues = "users.capulet.example", "users.montague.example"

	t.Run("GUIDE-9-search-1 found by service discovery, with fields and a form", func(t *testing.T) {
		items, err := disco.GetItems(t.Context(), juliet, jid.MustParse("capulet.example"), "")
		if err != nil || !slices.ContainsFunc(items, func(it disco.Item) bool { return it.JID.String() == capulets }) {
			t.Fatalf("the server lists %+v, %v", items, err)
		}
		info, err := disco.GetInfo(t.Context(), juliet, jid.MustParse(capulets), "")
		if err != nil || !info.Is("directory", "user") || !info.Has(search.NS) || info.Has(register.NS) {
			t.Errorf("it is %+v, %v", info, err)
		}
		q, err := search.Fields(t.Context(), juliet, jid.MustParse(capulets))
		if err != nil || len(q.Fields) != 4 || q.Form == nil || q.Form.Field(search.Nick) == nil || q.Key != "" {
			t.Errorf("it asks for %+v, %v", q, err)
		}
	})
	t.Run("who has no vCard is not there", func(t *testing.T) {
		if names, _ := found(t, juliet, capulets, byName("Juliet")); names != nil {
			t.Errorf("found %v", names)
		}
	})
	t.Run("GUIDE-9-search-2 GUIDE-9-search-3 GUIDE-9-search-4 who has published one is, until it is not public",
		func(t *testing.T) {
			for _, tt := range []struct {
				card vcard.Card
				want []string
			}{
				{vcard.Card{Name: vcard.Name{Given: "Angelica"}, Nickname: "nurse"}, []string{"nurse"}},
				{vcard.Card{Name: vcard.Name{Given: "Angelica"}, Class: vcard.Private}, nil},
				{vcard.Card{Name: vcard.Name{Given: "Angelica"}}, []string{"nurse"}},
				{vcard.Card{}, nil},
				{vcard.Card{Name: vcard.Name{Given: "Angelica"}}, []string{"nurse"}},
			} {
				if err := vcard.Set(t.Context(), nurse, &tt.card); err != nil {
					t.Fatal(err)
				}
				if names, _ := found(t, juliet, capulets, byName("angelica")); !slices.Equal(names, tt.want) {
					t.Errorf("with %+v: %v", tt.card, names)
				}
			}
		})
	t.Run("by a form", func(t *testing.T) {
		asked, err := search.Fields(t.Context(), juliet, jid.MustParse(capulets))
		if err != nil {
			t.Fatal(err)
		}
		asked.Fields = nil // so that the answer is one too
		q, err := asked.Answer(search.Field{Name: search.First, Value: "Angel*"})
		if err != nil {
			t.Fatal(err)
		}
		if names, _ := found(t, juliet, capulets, q); !slices.Equal(names, []string{"nurse"}) {
			t.Errorf("found %v", names)
		}
	})
	t.Run("GUIDE-9-search-5 truncated, and each domain has its own", func(t *testing.T) {
		for at, want := range map[string]int{capulets: search.DefaultMaxResults, montagues: 1} {
			names, truncated := found(t, juliet, at, byName("Samson"))
			if len(names) != want || truncated != (at == capulets) {
				t.Errorf("%s: %d are found, truncated %v", at, len(names), truncated)
			}
		}
	})
	t.Run("who is removed is not there any more", func(t *testing.T) {
		if err := register.Remove(t.Context(), nurse, jid.JID{}); err != nil {
			t.Fatal(err)
		}
		if err := <-nurseGone; !errors.Is(err, stream.NotAuthorized) {
			t.Errorf("her client ended with %v", err)
		}
		if names, _ := found(t, juliet, capulets, byName("Angelica")); names != nil {
			t.Errorf("found %v", names)
		}
	})
}

// fill puts vCards into the data folder, so that the directories are there after a
// start.
func fill(t *testing.T, flags []string) {
	t.Helper()
	o, err := parse(flags, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	st, err := o.openStores(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	all := []string{"samson@montague.example"}
	for i := range search.DefaultMaxResults + 1 {
		all = append(all, fmt.Sprintf("samson%d@capulet.example", i))
	}
	for _, account := range all {
		err := st.vcards.SetVCard(t.Context(), jid.MustParse(account),
			"<vCard xmlns='vcard-temp'><N><GIVEN>Samson</GIVEN></N></vCard>")
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := st.close(); err != nil {
		t.Fatal(err)
	}
}

// TestDirectoryStrangers: who is not a user of the server does not learn its addresses.
func TestDirectoryStrangers(t *testing.T) {
	r := start(t, "-data", "memory", "-listen-component", "127.0.0.1:0", "-component", "gw.localhost=s3cret")
	gw := r.connected(component.Config{Domain: jid.MustParse("gw.localhost"), Secret: "s3cret"})
	_, err := search.Submit(t.Context(), gw, jid.MustParse("users.localhost"), byName("Juliet"))
	if !errors.Is(err, stanza.Forbidden) {
		t.Errorf("got %v", err)
	}
}

// TestAgents: an old client sees the services, whether they know the old form or not.
func TestAgents(t *testing.T) {
	r := start(t, "-data", "memory", "-legacy", "-allow-plaintext", "-user", "juliet:r0m30",
		"-listen-component", "127.0.0.1:0", "-component", "icq.localhost=s3cret", "-component", "away.localhost=s3cret")
	d := &disco.Extension{Identities: []disco.Identity{{Category: "gateway", Type: "icq", Name: "ICQ"}}}
	fields := func(context.Context, jid.JID) (*register.Query, error) { return new(register.Query), nil }
	r.connected(component.Config{Domain: jid.MustParse("icq.localhost"), Secret: "s3cret", Extensions: []xmpp.Extension{d,
		&register.Service{Form: fields,
			Register: func(context.Context, jid.JID, *register.Query) error { return stanza.NotAllowed },
			Remove:   func(context.Context, jid.JID) error { return stanza.NotAllowed }}}})
	juliet := login(t, r.oldConfig("juliet@localhost/balcony", "r0m30"))
	for _, to := range []jid.JID{{}, jid.MustParse("localhost")} {
		list, err := agents.GetList(t.Context(), juliet, to)
		if err != nil {
			t.Fatal(err)
		}
		got := make(map[string]agents.Agent)
		for _, a := range list {
			at := a.JID.String()
			a.JID, a.Description = jid.JID{}, ""
			got[at] = a
		}
		want := map[string]agents.Agent{
			"users.localhost":  {Name: "User Directory", Service: agents.ServiceUsers, Search: true},
			"groups.localhost": {Name: "Conference Server", Service: agents.ServiceConference, GroupChat: true},
			"icq.localhost":    {Name: "ICQ", Service: agents.ServiceICQ, Gateway: true, Register: true},
		}
		for at, a := range want {
			if got[at] != a {
				t.Errorf("GUIDE-9-agent-4 GUIDE-9-agent-10, to %q: %s is %+v, want %+v", to, at, got[at], a)
			}
		}
		if len(got) != len(want) { // without the one that is not connected
			t.Errorf("to %q: %+v", to, got)
		}
	}
	a, err := agents.Get(t.Context(), juliet, jid.MustParse("users.localhost"))
	if err != nil || a.Service != agents.ServiceUsers || !a.Search || a.Register || a.Description == "" {
		t.Errorf("GUIDE-9-agent-1: the directory says %+v, %v", a, err)
	}
	q, err := search.Fields(t.Context(), juliet, a.JID)
	if err != nil || q.Key == "" {
		t.Errorf("GUIDE-9-search-1: an old client gets the key %q, %v", q.Key, err)
	}
}

// TestGroups: two old clients meet in a room.
func TestGroups(t *testing.T) {
	r := start(t, "-data", "memory", "-legacy", "-allow-plaintext", "-user", "juliet:r0m30", "-user", "romeo:jul13t")
	room := jid.MustParse("garden@groups.localhost")
	said := make(chan groupchat.Event, 10)
	romeosRooms := &groupchat.Rooms{OnEvent: func(_ context.Context, e groupchat.Event) {
		switch e.Kind {
		case groupchat.EventArrived, groupchat.EventMessage, groupchat.EventLeft:
			said <- e
		}
	}}
	cfg := r.oldConfig("romeo@localhost/orchard", "jul13t")
	cfg.Extensions = []xmpp.Extension{romeosRooms}
	login(t, cfg)
	julietsRooms := new(groupchat.Rooms)
	cfg = r.oldConfig("juliet@localhost/balcony", "r0m30")
	cfg.Extensions = []xmpp.Extension{julietsRooms}
	juliet := login(t, cfg)

	at := func(nick string) jid.JID { return jid.MustParse(room.String() + "/" + nick) }
	if err := errors.Join(romeosRooms.Join(t.Context(), at("R")), julietsRooms.Join(t.Context(), at("J"))); err != nil {
		t.Fatal(err)
	}
	if e := <-said; e.Kind != groupchat.EventArrived || e.Nick != "J" {
		t.Errorf("romeo sees %+v", e)
	}
	if err := groupchat.Say(t.Context(), juliet, room, "Wherefore art thou?"); err != nil {
		t.Fatal(err)
	}
	if e := <-said; e.Kind != groupchat.EventMessage || e.Nick != "J" || e.Message.Body != "Wherefore art thou?" {
		t.Errorf("romeo hears %+v", e)
	}
	if err := romeosRooms.Leave(t.Context(), room, ""); err != nil {
		t.Error(err)
	}
	if e := <-said; e.Kind != groupchat.EventLeft || e.Err != nil {
		t.Errorf("romeo, who leaves, sees %+v", e)
	}
}

// TestServicesTaken: what the flags say about an address comes first; there are no
// rooms of old without -legacy; and a domain that has no subdomains has no services.
func TestServicesTaken(t *testing.T) {
	for _, tt := range []struct {
		name  string
		flags []string
		want  []string // of all the services that the server lists
	}{
		{"nothing is", []string{"-user", "juliet:r0m30"}, []string{"users.localhost"}},
		{"by a component", []string{"-user", "juliet:r0m30", "-component", "users.localhost=x", "-listen-component",
			"127.0.0.1:0"}, nil},
		{"by a component that cannot come", []string{"-user", "juliet:r0m30", "-component", "users.localhost=x",
			"-listen-component", ""}, []string{"users.localhost"}},
		{"by a domain", []string{"-domain", "localhost", "-domain", "users.localhost", "-user", "juliet:r0m30"},
			[]string{"users.users.localhost"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := start(t, append(tt.flags, "-data", "memory")...)
			juliet := login(t, r.config("juliet@localhost", "r0m30", false, &tls.Config{InsecureSkipVerify: true}))
			items, err := disco.GetItems(t.Context(), juliet, jid.MustParse("localhost"), "")
			var got []string
			for _, it := range items {
				got = append(got, it.JID.String())
			}
			if err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("the server lists %v, %v", got, err)
			}
		})
	}
	t.Run("an address of IPv6", func(t *testing.T) {
		start(t, "-domain", "[::1]", "-data", "memory", "-legacy")
	})
}
