package caps_test

import (
	"context"
	"slices"
	"testing"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/caps"
	"github.com/etherx-go/xmpp/ext/disco"
	"github.com/etherx-go/xmpp/ext/entitytime"
	"github.com/etherx-go/xmpp/ext/last"
	"github.com/etherx-go/xmpp/ext/ping"
	"github.com/etherx-go/xmpp/ext/version"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/xmpptest"
)

// TestRoundTrip goes through a real server: a client tells in its presence what
// it can do, and another one finds out, asking once; and both ask the server.
func TestRoundTrip(t *testing.T) {
	s := xmpptest.NewServer(t, func(c *server.Config) {
		d := new(disco.Extension)
		c.Extensions = append(c.Extensions, d, &caps.Extension{Disco: d}, new(version.Extension), new(entitytime.Extension), new(last.Extension))
	})
	own := &caps.Extension{Node: "urn:example:romeo"}
	cfg := s.ClientConfig("romeo/orchard", nil)
	cfg.Extensions = []xmpp.Extension{own, &version.Extension{Name: "Romeo", Version: "1"}}
	romeo := s.Start(cfg)

	var cache caps.Cache
	found := make(chan disco.Info, 1)
	mux := new(xmpp.Mux)
	mux.OnPresence(func(ctx context.Context, snd xmpp.Sender, p *stanza.Presence) error {
		if p.From != romeo.LocalAddr() {
			return nil
		}
		info, err := cache.Lookup(ctx, snd, p)
		if err != nil {
			t.Error(err)
		}
		found <- info
		return nil
	})
	juliet := s.Client("juliet/balcony", mux)
	for range 2 {
		err := xmpp.Send(t.Context(), romeo, &stanza.Presence{To: juliet.LocalAddr(), Payloads: own.Payloads()})
		if err != nil {
			t.Fatal(err)
		}
		info := <-found
		want := []string{caps.NS, disco.NSInfo, disco.NSItems, version.NS, caps.NS2, ping.NS}
		if slices.Sort(want); !slices.Equal(info.Features, want) || !info.Is("client", "bot") {
			t.Errorf("got %+v", info)
		}
	}
	p, err := stanza.New(stanza.Header{Kind: stanza.KindPresence}, own.Payloads()...)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := cache.Cached(p); !ok {
		t.Error("the hash did not fit what was told")
	}
	for _, feature := range []string{version.NS, entitytime.NS, last.NS, caps.NS, disco.NSItems} {
		if ok, err := disco.Supports(t.Context(), juliet, s.LocalAddr(), feature); !ok || err != nil {
			t.Errorf("the server and %s: %v, %v", feature, ok, err)
		}
	}
	if v, err := version.Get(t.Context(), juliet, romeo.LocalAddr()); v.Name != "Romeo" || err != nil {
		t.Errorf("GUIDE-9-version-1: got %+v, %v", v, err)
	}
	if skew, err := entitytime.GetSkew(t.Context(), juliet, s.LocalAddr()); skew.Offset.Abs() > skew.Error || err != nil {
		t.Errorf("the server's clock: %+v, %v", skew, err)
	}
	if a, err := last.Get(t.Context(), juliet, s.LocalAddr()); a.Ago < 0 || err != nil {
		t.Errorf("the server's uptime: %+v, %v", a, err)
	}
}
