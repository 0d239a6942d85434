package docs_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/client"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/sasl"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
	"github.com/etherx-go/xmpp/xmpptest"
)

// echo is the handler of a bot that repeats what it is told.
func echo() xmpp.Handler {
	mux := new(xmpp.Mux)
	mux.OnMessage(func(ctx context.Context, s xmpp.Sender, msg *stanza.Message) error {
		return xmpp.Send(ctx, s, msg.Reply(msg.Body))
	})
	return mux
}

func TestEchoBot(t *testing.T) {
	s := xmpptest.NewServer(t)
	bot := s.Client("echo", echo()) // what is tested

	answers := make(chan string, 1)
	mux := new(xmpp.Mux)
	mux.OnMessage(func(_ context.Context, _ xmpp.Sender, msg *stanza.Message) error {
		answers <- msg.Body
		return nil
	})
	juliet := s.Client("juliet", mux)
	question := &stanza.Message{To: bot.LocalAddr(), Body: "hello"}
	if err := xmpp.Send(t.Context(), juliet, question); err != nil {
		t.Fatal(err)
	}
	if got := <-answers; got != "hello" {
		t.Errorf("the bot answers %q", got)
	}
}

func TestStaysConnected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := xmpptest.NewServer(t)
		cfg := s.ClientConfig("echo", echo())
		lost := 0
		cfg.OnDown = func(xmpp.Sender, error) { lost++ }
		bot := s.Start(cfg)
		time.Sleep(24 * time.Hour)
		if lost > 0 || bot.LocalAddr().IsZero() {
			t.Errorf("lost the session %d times in a day", lost)
		}
	})
}

func TestAccountDisabled(t *testing.T) {
	const header = `<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'
		from='example.org' id='1' version='1.0'>`
	forServer, forClient := xmpptest.TLS(t)
	conn, other := net.Pipe()
	peer := xmpptest.NewPeer(t, other)
	peer.Expect(`<stream:stream to='example.org' version='1.0'>`)
	peer.Send(header + `<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>`)
	peer.Expect(`<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>`)
	peer.Send(`<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>`)
	peer.StartTLS(forServer)
	peer.Expect(`<stream:stream to='example.org' version='1.0'>`)
	peer.Send(header + `<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>
		<mechanism>PLAIN</mechanism></mechanisms></stream:features>`)
	peer.Expect(`<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGp1bGlldAByMG0zMA==</auth>`)
	peer.Send(`<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><account-disabled/></failure>`)
	peer.ExpectEnd()

	c, err := client.New(client.Config{
		JID: jid.MustParse("juliet@example.org"), Password: "r0m30", TLS: forClient,
		Dial: func(context.Context) (stream.Transport, error) { return stream.NewTransport(conn), nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Run(t.Context()); !errors.Is(err, sasl.AccountDisabled) {
		t.Errorf("got %v, want account-disabled", err)
	}
}

func TestComesBack(t *testing.T) {
	for n := int64(0); n < 1500; n += 150 {
		synctest.Test(t, func(t *testing.T) {
			s := xmpptest.NewServer(t)
			cfg := s.ClientConfig("echo", echo())
			cfg.AllowPlaintext = true // in memory, though nobody knows it of a FaultConn
			dials := 0
			cfg.Dial = func(context.Context) (stream.Transport, error) {
				if dials++; dials > 1 {
					return s.Pipe(), nil
				}
				return stream.NewTransport(xmpptest.NewFaultConn(s.Pipe(), xmpptest.CutReadAfter(n))), nil
			}
			bot := s.Start(cfg)
			time.Sleep(time.Hour)
			if bot.LocalAddr().IsZero() {
				t.Errorf("cut after %d bytes, the bot has not come back", n)
			}
		})
	}
}
