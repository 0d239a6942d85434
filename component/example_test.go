package component_test

import (
	"context"
	"fmt"
	"net"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/component"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stanza"
)

// A component that repeats what it is told, at all addresses of its domain.
func Example() {
	run := func(ctx context.Context, secret string) error {
		mux := new(xmpp.Mux)
		mux.OnMessage(func(ctx context.Context, s xmpp.Sender, msg *stanza.Message) error {
			return xmpp.Send(ctx, s, msg.Reply(msg.Body)) // from the address that was written to
		})
		c, err := component.New(component.Config{
			Domain: jid.MustParse("echo.example.org"), Secret: secret, Addr: "localhost:5347", Handler: mux,
		})
		if err != nil {
			return err
		}
		return c.Run(ctx)
	}
	_ = run
}

// A server with a component: both ends in one process.
func ExampleComponent_Run() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	s, err := server.New(server.Config{
		Domains:    []string{"example.org"},
		Components: &server.Components{Known: map[string]server.Component{"sms.example.org": {Secret: "s3cret"}}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go s.ServeComponents(ctx, l)

	c, err := component.New(component.Config{Domain: jid.MustParse("sms.example.org"), Secret: "s3cret", Addr: l.Addr().String()})
	if err != nil {
		fmt.Println(err)
		return
	}
	go c.Run(ctx)
	if err := c.WaitReady(ctx); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(c.LocalAddr(), "is connected")
	// Output: sms.example.org is connected
}

// The server connects to the component.
func ExampleComponent_Serve() {
	run := func(ctx context.Context, c *component.Component) error {
		l, err := net.Listen("tcp", "localhost:5347")
		if err != nil {
			return err
		}
		return c.Serve(ctx, l)
	}
	_ = run
}
