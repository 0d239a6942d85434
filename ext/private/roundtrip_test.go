package private_test

import (
	"errors"
	"testing"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/private"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/storage/memory"
	"github.com/etherx-go/xmpp/xmpptest"
)

// TestReq_GUIDE_9_private_6 goes through a real server: what one resource
// stores, another one of the account gets, and other accounts do not.
func TestReq_GUIDE_9_private_6(t *testing.T) {
	s := xmpptest.NewServer(t, func(c *server.Config) {
		c.Extensions = append(c.Extensions, &private.Server{Store: memory.New().Private()})
	})
	hamlet := s.Client("hamlet/castle", nil)
	if v, ok, err := private.Get[Settings](t.Context(), hamlet); ok || err != nil {
		t.Errorf("GUIDE-9-private-5: got %+v, %v, %v", v, ok, err)
	}
	if err := private.Set(t.Context(), hamlet, Settings{Sound: true}); err != nil {
		t.Errorf("GUIDE-9-private-1: %v", err)
	}
	elsewhere := s.Client("hamlet/wittenberg", nil)
	if v, ok, err := private.Get[Settings](t.Context(), elsewhere); !ok || err != nil || !v.Sound {
		t.Errorf("GUIDE-9-private-5: got %+v, %v, %v", v, ok, err)
	}
	macbeth := s.Client("macbeth", nil)
	if v, ok, err := private.Get[Settings](t.Context(), macbeth); ok || err != nil {
		t.Errorf("GUIDE-9-private-6: another account gets %+v, %v, %v", v, ok, err)
	}
	e, err := stanza.Raw("<settings xmlns='urn:example:settings'/>").Element()
	if err != nil {
		t.Fatal(err)
	}
	for _, typ := range []stanza.Type{stanza.TypeGet, stanza.TypeSet} {
		_, err := xmpp.Call[private.Query](t.Context(), macbeth, typ, jid.MustParse("hamlet@"+xmpptest.Domain),
			private.Query{Elements: []stanza.Element{e}})
		if !errors.Is(err, stanza.Forbidden) {
			t.Errorf("GUIDE-9-private-6: %s of another account: %v", typ, err)
		}
	}
}
