package search_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/disco"
	"github.com/etherx-go/xmpp/ext/register"
	"github.com/etherx-go/xmpp/ext/search"
	"github.com/etherx-go/xmpp/internal/describe"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/storage/memory"
	"github.com/etherx-go/xmpp/vcard"
	"github.com/etherx-go/xmpp/xmpptest"
)

// service is a host in the server's process.
type service struct {
	xmpp.Sender
	mux        *xmpp.Mux
	extensions []xmpp.Extension
}

func (s *service) Mux() *xmpp.Mux               { return s.mux }
func (s *service) IsServer() bool               { return false }
func (s *service) Features(at jid.JID) []string { return describe.Features(nil, s.extensions, at) }
func attach(t *testing.T, s *xmpptest.Server, addr string, extensions ...xmpp.Extension) jid.JID {
	t.Helper()
	v := &service{mux: new(xmpp.Mux), extensions: extensions}
	local, err := s.Local(jid.MustParse(addr), v.mux)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { local.Close() })
	v.Sender = local
	for _, e := range extensions {
		if err := e.Attach(v); err != nil {
			t.Fatal(err)
		}
	}
	return local.LocalAddr()
}

// TestServer: users of a real server enter themselves, and are found by others.
func TestServer(t *testing.T) {
	s := xmpptest.NewServer(t)
	x := new(search.Index)
	users := attach(t, s, "users.example.org", &search.Service{Directory: x, Registry: x, Keys: true},
		&disco.Extension{Identities: []disco.Identity{{Category: "directory", Type: "user"}}})
	hamlet, ophelia := s.Client("hamlet", nil), s.Client("ophelia", nil)
	ctx := t.Context()

	if ok, err := disco.Supports(ctx, ophelia, users, search.NS); !ok || err != nil {
		t.Errorf("the feature: %v, %v", ok, err)
	}
	prince := search.Field{Name: search.Nick, Value: "Prince"}
	if err := search.Enter(ctx, hamlet, users, prince); err != nil {
		t.Fatalf("GUIDE-9-search-8: %v", err)
	}
	found, err := search.Search(ctx, ophelia, users, prince)
	if err != nil || len(found.Items) != 1 || found.Items[0].JID != hamlet.LocalAddr().Bare() || found.Truncated {
		t.Errorf("GUIDE-9-search-3: found %+v, %v", found, err)
	}
	if q, err := register.Fields(ctx, hamlet, users); err != nil || !q.Registered {
		t.Errorf("GUIDE-9-search-8: %+v, %v", q, err)
	}
	if err := search.Leave(ctx, hamlet, users); err != nil {
		t.Errorf("GUIDE-9-search-8: %v", err)
	}
	if err := search.Leave(ctx, hamlet, users); !errors.Is(err, stanza.RegistrationRequired) {
		t.Errorf("GUIDE-9-search-8: left twice: %v", err)
	}
	found, err = search.Search(ctx, ophelia, users, prince)
	if err != nil || len(found.Items) != 0 {
		t.Errorf("GUIDE-9-search-4: found %+v, %v", found, err)
	}
}

// TestServerVCards: whoever sets a card on a real server is found by it.
func TestServerVCards(t *testing.T) {
	cards := &search.VCards{Store: memory.New().VCards(), Index: new(search.Index)}
	s := xmpptest.NewServer(t, func(c *server.Config) { c.Extensions = append(c.Extensions, &vcard.Server{Store: cards}) })
	users := attach(t, s, "users.example.org", &search.Service{Directory: cards.Index})
	hamlet := s.Client("hamlet", nil)
	if err := vcard.Set(t.Context(), hamlet, &vcard.Card{Name: vcard.Name{Given: "Hamlet"}}); err != nil {
		t.Fatal(err)
	}
	ham := search.Field{Name: search.First, Value: "ham*"}
	found, err := search.Search(t.Context(), s.Client("ophelia", nil), users, ham)
	if err != nil || len(found.Items) != 1 || found.Items[0].JID.Local() != "hamlet" {
		t.Errorf("found %+v, %v", found, err)
	}
}

// TestGathererOnStream: results that come one by one reach a real client.
func TestGathererOnStream(t *testing.T) {
	s := xmpptest.NewServer(t)
	old := new(xmpp.Mux)
	old.Handle(xmpp.Pattern{Kind: stanza.KindIQ}, xmpp.HandlerFunc(
		func(ctx context.Context, snd xmpp.Sender, st *stanza.Stanza) error {
			bodies := []string{"<first/>"}
			if st.Type == stanza.TypeSet {
				bodies = []string{"<item jid='king@denmark'/>", "<item jid='hamlet@denmark'/>", ""}
			}
			for _, b := range bodies {
				reply, err := st.Reply(stanza.Raw("<query xmlns='jabber:iq:search'>" + b + "</query>"))
				if err == nil {
					err = snd.Send(ctx, reply)
				}
				if err != nil {
					return err
				}
			}
			return nil
		}))
	local, err := s.Local(jid.MustParse("users.example.org"), old)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { local.Close() })
	g := &search.Gatherer{Wait: time.Minute}
	cfg := s.ClientConfig("ophelia", nil)
	cfg.Extensions = append(cfg.Extensions, g)
	r, err := g.Search(t.Context(), s.Start(cfg), local.LocalAddr(), search.Field{Name: search.First, Value: "Hamlet"})
	if err != nil || len(r.Items) != 2 || r.Truncated {
		t.Errorf("GUIDE-9-search-7: %+v, %v", r, err)
	}
}
