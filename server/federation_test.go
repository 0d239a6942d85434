package server_test

import (
	"crypto/x509"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/etherx-go/xmpp/server"
)

// ways are how two servers can come to trust each other.
var ways = []struct {
	name   string
	change func(*server.Config)
}{
	{"EXTERNAL", nil},
	{"EXTERNAL, one way", func(c *server.Config) { c.Federation.NoBidi = true }},
	{"EXTERNAL without acks", func(c *server.Config) { c.Federation.NoAcks = true }},
	{"dialback over TLS", func(c *server.Config) { c.Federation.Dialback, c.Federation.Roots = true, x509.NewCertPool() }},
	{"dialback over TLS, one way", func(c *server.Config) {
		c.Federation.Dialback, c.Federation.NoBidi, c.Federation.Roots = true, true, x509.NewCertPool()
	}},
	{"dialback without TLS", func(c *server.Config) {
		c.TLS, c.Federation.Dialback, c.Federation.Plaintext = nil, true, true
	}},
	{"dialback without TLS, one way", func(c *server.Config) {
		c.TLS, c.Federation.Dialback, c.Federation.Plaintext, c.Federation.NoBidi = nil, true, true, true
	}},
}

func TestFederation(t *testing.T) {
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork(t)
				a, b := n.add("a.example", way.change), n.add("b.example", way.change)
				juliet, romeo := n.account(a, "juliet@a.example"), n.account(b, "romeo@b.example")
				var ids []string
				for i := range 100 {
					id := fmt.Sprint("m", i)
					juliet.say(romeo, id)
					ids = append(ids, id)
				}
				romeo.hears(ids...)
				for _, id := range ids {
					romeo.say(juliet, id)
				}
				juliet.hears(ids...)
			})
		})
	}
}
