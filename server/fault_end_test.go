package server_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp/dialback"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stanza"
)

// TestFaultIdle: a stream on which nothing is sent is closed in order after a
// while, also if there is one for each direction, and what is sent next opens a new
// one. What is sent at any moment around the closing arrives, once.
func TestFaultIdle(t *testing.T) {
	for i, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newQuickNetwork(t)
				a := n.add("a.example", func(c *server.Config) { goWay(i, c) })
				b := n.add("b.example", func(c *server.Config) { goWay(i, c) })
				juliet, romeo := n.person(a, "juliet@a.example"), n.person(b, "romeo@b.example")
				before := 0
				for range 3 {
					// At once, so that there are streams in both directions.
					juliet.says(romeo, 1)
					romeo.says(juliet, 1)
					time.Sleep(14 * time.Minute)
					if len(a.ServerStreams()) == 0 {
						t.Fatal("closed too early")
					}
					time.Sleep(4 * time.Minute)
					if left := append(a.ServerStreams(), b.ServerStreams()...); len(left) > 0 {
						t.Fatalf("not closed: %v", left)
					}
					if n.dials == before {
						t.Fatal("no new connection")
					}
					before = n.dials
				}
				allHeard(juliet, romeo)
				allHeard(romeo, juliet)
			})
		})
	}
}

// TestFaultIdleRace: stanzas that are sent while a stream is being closed because it
// idles are delivered or answered, once.
func TestFaultIdleRace(t *testing.T) {
	for i, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newQuickNetwork(t)
				short := func(c *server.Config) {
					goWay(i, c)
					c.Federation.IdleTimeout, c.Federation.CheckInterval = time.Second, time.Second
				}
				a, b := n.add("a.example", short), n.add("b.example", short)
				juliet, romeo := n.person(a, "juliet@a.example"), n.person(b, "romeo@b.example")
				for k := range 50 {
					go juliet.says(romeo, 1)
					if k%2 == 0 {
						go romeo.says(juliet, 1)
					}
					time.Sleep(time.Duration(k%5+1) * time.Second)
				}
				time.Sleep(time.Minute)
				for _, f := range []fates{exactly(juliet, romeo), exactly(romeo, juliet)} {
					if len(f.told) > 0 {
						t.Log(f)
					}
				}
			})
		})
	}
}

var (
	_ = context.Background
	_ = errors.New
	_ = fmt.Sprint
	_ = io.EOF
	_ = strings.Repeat
	_ dialback.Pair
	_ stanza.Stanza
)
