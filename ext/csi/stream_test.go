package csi_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/client"
	"github.com/etherx-go/xmpp/ext/chatstates"
	"github.com/etherx-go/xmpp/ext/csi"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/xmpptest"
)

// TestStreams: an inactive client gets what can wait before what cannot, or when it is
// active again.
func TestStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := xmpptest.NewServer(t)
		got := make(chan string, 10)
		mux := new(xmpp.Mux)
		mux.Handle(xmpp.Pattern{Kind: stanza.KindMessage}, xmpp.HandlerFunc(
			func(_ context.Context, _ xmpp.Sender, st *stanza.Stanza) error {
				got <- st.ID
				return nil
			}))
		state := new(csi.Extension)
		cfg := s.ClientConfig("juliet/balcony", mux)
		cfg.Extensions = []xmpp.Extension{state}
		juliet := s.Start(cfg)
		romeo := s.Client("romeo", nil)
		synctest.Wait() // the extension knows of the session
		say := func(c *client.Client, id string, payload any, body string) {
			t.Helper()
			msg := &stanza.Message{To: juliet.LocalAddr(), ID: id, Type: stanza.TypeChat, Body: body, Payloads: []any{payload}}
			if err := xmpp.Send(t.Context(), c, msg); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		set := func(active bool) {
			t.Helper()
			if err := state.Set(t.Context(), active); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		expect := func(want ...string) {
			t.Helper()
			if len(got) != len(want) {
				t.Errorf("%d messages have come, want %d", len(got), len(want))
			}
			for len(got) > 0 && len(want) > 0 {
				if id := <-got; id != want[0] {
					t.Errorf("got %s, want %s", id, want[0])
				}
				want = want[1:]
			}
		}
		set(false)
		say(romeo, "1", chatstates.Composing, "")
		say(romeo, "2", chatstates.Paused, "")
		expect()
		set(true)
		expect("2")
		set(false)
		say(romeo, "3", chatstates.Composing, "")
		say(romeo, "4", chatstates.Active, "I take thee at thy word")
		expect("4")
		set(true)
		say(romeo, "5", chatstates.Composing, "")
		expect("5")
	})
}
