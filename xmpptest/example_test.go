package xmpptest_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/xmpptest"
)

// exampleT is what a test has as its *testing.T.
type exampleT struct {
	testing.TB
	cleanups []func()
}

func (t *exampleT) Helper()                           {}
func (t *exampleT) Context() context.Context          { return context.Background() }
func (t *exampleT) Cleanup(fn func())                 { t.cleanups = append(t.cleanups, fn) }
func (t *exampleT) Errorf(format string, args ...any) { fmt.Printf(format+"\n", args...) }
func (t *exampleT) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

func (t *exampleT) end() {
	for _, fn := range slices.Backward(t.cleanups) {
		fn()
	}
}

func ExampleNewServer() {
	t := new(exampleT) // in a test, its *testing.T
	defer t.end()

	s := xmpptest.NewServer(t)
	answers := make(chan string)
	mux := new(xmpp.Mux)
	mux.OnMessage(func(_ context.Context, _ xmpp.Sender, msg *stanza.Message) error {
		answers <- msg.Body
		return nil
	})
	juliet := s.Client("juliet", mux)

	// What is tested: a bot that repeats what it is told.
	echo := new(xmpp.Mux)
	echo.OnMessage(func(ctx context.Context, s xmpp.Sender, msg *stanza.Message) error {
		return xmpp.Send(ctx, s, msg.Reply(msg.Body))
	})
	s.Client("echo/bot", echo)

	err := xmpp.Send(t.Context(), juliet, &stanza.Message{To: jid.MustParse("echo@example.org/bot"), Body: "O Romeo"})
	if err != nil {
		t.Fatalf("send: %v", err)
	}
	fmt.Println(<-answers)
	// Output: O Romeo
}

func ExampleNewServer_settings() {
	t := new(exampleT) // in a test, its *testing.T
	defer t.end()

	s := xmpptest.NewServer(t, func(c *server.Config) {
		c.Domains = []string{"capulet.example"}
	})
	fmt.Println(s.Client("juliet/balcony", nil).LocalAddr())
	// Output: juliet@capulet.example/balcony
}
