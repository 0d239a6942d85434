package stream_test

import (
	"context"
	"crypto"
	"fmt"
	"sync"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/sasl"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

// tokens is a stream.TokenStore for one process.
type tokens struct {
	mu sync.Mutex
	m  map[string]sasl.HashedTokens
}

func (s *tokens) UpdateTokens(_ context.Context, account jid.JID, client string, fn func(*sasl.HashedTokens) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.m[account.String()+client]
	if err := fn(&t); err != nil {
		return err
	}
	s.m[account.String()+client] = t
	return nil
}

func (s *tokens) RemoveTokens(_ context.Context, account jid.JID, client string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.m, account.String()+client)
	return nil
}

// A client logs in with a password, and then with the token that it got: everything is
// negotiated in one step, and the server gives the same client the same resource.
func ExampleSASL2() {
	keys, err := sasl.NewSCRAMKeys(crypto.SHA256, "r0m30myr0m30", 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	server := stream.SASLServer{
		Config: sasl.ServerConfig{Host: "capulet.example", Credentials: sasl.Credentials{
			SCRAM: func(_ context.Context, user string, h crypto.Hash) (sasl.SCRAMKeys, error) {
				if user != "juliet" || h != crypto.SHA256 {
					return sasl.SCRAMKeys{}, sasl.ErrUnknownUser
				}
				return keys, nil
			},
		}},
		Done: func(_ *stream.Conn, mechanism, user, _ string) error {
			fmt.Println(user, "by", mechanism)
			return nil
		},
		SASL2: &stream.SASL2Server{
			Bind: &stream.Bind2Server{Bind: func(_ context.Context, l *stream.Login, resource string) (jid.JID, error) {
				return l.Account.WithResource(resource)
			}},
			FAST: &stream.FASTServer{Store: &tokens{m: map[string]sasl.HashedTokens{}}},
		},
	}

	var token *stream.Token // to be kept by the program
	agent := stream.UserAgent{ID: stream.NewUserAgentID(), Software: "Example"}
	var addresses []jid.JID
	for _, password := range []string{"r0m30myr0m30", ""} {
		client := stream.SASL2{
			Config: func() sasl.ClientConfig {
				return sasl.ClientConfig{Username: "juliet", Password: password}
			},
			UserAgent: agent,
			Bind:      &stream.Bind2{Tag: "Example", Bound: func(j jid.JID, _ stanza.Element) { addresses = append(addresses, j) }},
			Token:     token,
			SaveToken: func(t *stream.Token) { token = t },
		}
		if err := meet(client, server); err != nil {
			fmt.Println(err)
			return
		}
	}
	fmt.Println("the same address:", addresses[0] == addresses[1])
	// Output:
	// juliet by SCRAM-SHA-256
	// juliet by HT-SHA-256-NONE
	// the same address: true
}

// meet connects a client and a server in memory.
func meet(client stream.SASL2, server stream.SASLServer) error {
	ctx := context.Background()
	a, b := stream.Pipe()
	capulet := jid.MustParse("capulet.example")
	accepted := make(chan error, 1)
	go func() {
		c, err := stream.Accept(ctx, b, stream.Config{}, func(*stream.Conn, stream.Header) (stream.Header, []stream.Feature, error) {
			h := stream.Header{Content: stanza.NSClient, From: capulet, Version: stream.V1}
			return h, server.Features(), nil
		})
		if err == nil {
			c.Flush(ctx)
			c.Close()
		}
		accepted <- err
	}()
	h := stream.Header{To: capulet, From: jid.MustParse("juliet@capulet.example"), Version: stream.V1}
	c, err := stream.Initiate(ctx, a, stream.Config{}, h, []stream.Feature{client.Feature()})
	if err != nil {
		return err
	}
	defer c.Close()
	return <-accepted
}
