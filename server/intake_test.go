package server_test

import (
	"context"
	"encoding/xml"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	xmpp "github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stanza"
)

// slowness is an extension of which each request takes a second.
type slowness struct{ handled chan string }

func (e *slowness) Attach(h xmpp.Host) error {
	h.Mux().Handle(xmpp.Pattern{Kind: stanza.KindIQ, Payload: xml.Name{Space: "urn:slow", Local: "slow"}},
		xmpp.HandlerFunc(func(_ context.Context, _ xmpp.Sender, st *stanza.Stanza) error {
			time.Sleep(time.Second)
			e.handled <- st.ID
			return nil
		}))
	return nil
}

func (e *slowness) Features(jid.JID) []string { return nil }

const slow = "<iq type='set' id='{id}' to='{to}'{from}><slow xmlns='urn:slow'/></iq>"

// A server that is shut down says how much it has handled before it says why it ends,
// what it is about to handle included, and handles nothing that comes afterwards: then
// nobody takes for lost what was handled (XEP-0198, section 4).
func TestAcksBeforeShutdown(t *testing.T) {
	const want = "<a xmlns='urn:xmpp:sm:3' h='2'/><stream:error><system-shutdown "
	begin := func(t *testing.T, s *server.Server, seen func() string) (done chan error) {
		synctest.Wait() // the second is being handled
		done = make(chan error, 1)
		go func() { done <- s.Shutdown(t.Context()) }()
		time.Sleep(500 * time.Millisecond)
		synctest.Wait()
		if got := seen(); strings.Contains(got, "<stream:error>") {
			t.Errorf("ended before it was handled: %q", got)
		}
		return done
	}
	stanzas := func(to, from string) string {
		one := func(id string) string {
			return strings.NewReplacer("{id}", id, "{to}", to, "{from}", from).Replace(slow)
		}
		return one("1") + one("2")
	}
	t.Run("client", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			e := &slowness{make(chan string, 10)}
			s := newServer(t, func(c *server.Config) { c.Extensions = append(c.Extensions, e) })
			juliet := enableResumption(t, s, "juliet", "r0m30", "balcony", " resume='true'")
			juliet.send("%s", stanzas("localhost", ""))
			<-e.handled
			done := begin(t, s, func() string { return "" })
			juliet.send("%s", strings.ReplaceAll(stanzas("localhost", ""), "id='", "id='late"))
			got := juliet.expect("</stream:stream>")
			if !strings.Contains(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
			juliet.send("</stream:stream>")
			if err := <-done; err != nil {
				t.Error(err)
			}
			if id := <-e.handled; id != "2" || len(e.handled) > 0 {
				t.Errorf("handled %s, and %d more", id, len(e.handled))
			}
		})
	})
	t.Run("server", func(t *testing.T) {
		e := new(slowness)
		onStage(t, func(t *testing.T, s *scene) {
			f := s.certified(there, here)
			f.send(enable)
			f.hears(enabled)
			from := " from='" + there + "'"
			f.send(stanzas(here, from))
			<-e.handled
			done := begin(t, s.srv, func() string { f.mu.Lock(); defer f.mu.Unlock(); return f.got })
			f.send(strings.ReplaceAll(stanzas(here, from), "id='", "id='late"))
			pass(2 * time.Second)
			f.hears(want + "{any}</stream:stream>")
			f.send("</stream:stream>")
			if err := <-done; err != nil {
				t.Error(err)
			}
			if id := <-e.handled; id != "2" || len(e.handled) > 0 {
				t.Errorf("handled %s, and %d more", id, len(e.handled))
			}
		}, func(c *server.Config) {
			e.handled = make(chan string, 10)
			c.Extensions = append(c.Extensions, e)
		})
	})
}
