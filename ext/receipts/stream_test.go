package receipts_test

import (
	"context"
	"testing"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/receipts"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/xmpptest"
)

// Both roles, by way of a server.
func TestStreams(t *testing.T) {
	s := xmpptest.NewServer(t)
	cfg := s.ClientConfig("kingrichard/throne", nil)
	cfg.Extensions = []xmpp.Extension{&receipts.Extension{Allow: receipts.Anyone}}
	king := s.Start(cfg).LocalAddr()

	got := make(chan receipts.Receipt, 1)
	rec := &receipts.Extension{OnReceipt: func(_ context.Context, r receipts.Receipt) { got <- r }}
	cfg = s.ClientConfig("northumberland/westminster", nil)
	cfg.Extensions = []xmpp.Extension{rec}
	c := s.Start(cfg)
	msg := &stanza.Message{To: king, Body: "My lord, dispatch; read o'er these articles."}
	if err := rec.Request(msg); err != nil {
		t.Fatal(err)
	}
	if err := xmpp.Send(t.Context(), c, msg); err != nil {
		t.Fatal(err)
	}
	select {
	case r := <-got:
		if r != (receipts.Receipt{ID: msg.ID, From: king}) {
			t.Errorf("got %+v", r)
		}
	case <-time.After(10 * time.Second):
		t.Error("no receipt")
	}
}
