package server_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp/dialback"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

// flooded is a.example, of which others have claimed hundreds of domains that cannot be
// reached, and then b.example too.
type flooded struct {
	*network
	a      *server.Server
	d      *dialing
	juliet *person // of a.example
}

const slotsOfOthers = server.DefaultMaxDialing / 2

// newFlooded returns it when no slot is left for others. It takes as long as hangs to
// find out that a domain of the flood cannot be reached.
func newFlooded(t *testing.T, hangs time.Duration) *flooded {
	f := &flooded{network: newQuickNetwork(t)}
	f.d = &dialing{dial: func(ctx context.Context, pair dialback.Pair) (stream.Transport, error) {
		if strings.HasSuffix(pair.Remote.Domain(), ".evil.example") {
			<-time.After(hangs) // whatever becomes of ctx: not every Dial heeds it
			return nil, errors.New("nobody is there")
		}
		return f.dial(ctx, pair)
	}}
	f.a = f.add("a.example", func(c *server.Config) {
		believing(c)
		c.Federation.Dial = f.d.Dial
	})
	f.juliet = f.person(f.a, "juliet@a.example")
	for i := range 10 {
		f.claims(i, dialback.DefaultMaxPending)
	}
	f.claim("b.example", "b.example")
	if f.d.count() != slotsOfOthers {
		t.Fatalf("%d streams are being opened, want %d", f.d.count(), slotsOfOthers)
	}
	return f
}

// claims claims n domains on one stream.
func (f *flooded) claims(stream, n int) {
	f.t.Helper()
	var domains []string
	for i := range n {
		domains = append(domains, fmt.Sprintf("d%d-%d.evil.example", stream, i))
	}
	f.claim("evil.example", domains...)
}

// claim opens a stream and claims domains on it.
func (f *flooded) claim(from string, domains ...string) {
	f.t.Helper()
	caller, called := newCable().ends()
	go f.a.ServeS2SConn(context.Background(), called)
	r := newRaw(f.t, caller)
	r.send("%s", hello(from, "a.example"))
	r.expect("</stream:features>")
	for _, d := range domains {
		r.send("%s", result(d, "a.example", "key"))
	}
	synctest.Wait()
}

// friend returns somebody at another server.
func (f *flooded) friend(domain string) *person {
	return f.person(f.add(domain, believing), "romeo@"+domain)
}

// hears expects that what is said to somebody now is delivered now.
func (f *flooded) hears(p *person) {
	f.t.Helper()
	f.juliet.forget()
	f.juliet.says(p, 1)
	synctest.Wait()
	allHeard(f.juliet, p)
}

// TestFaultFloodOfKeys: others claim hundreds of domains that cannot be reached, and
// that are to be asked whether the keys are right. They have half of the slots for
// streams that are being opened, and keep nobody from being heard who is none of them.
func TestFaultFloodOfKeys(t *testing.T) {
	for name, test := range map[string]func(f *flooded){
		"to a domain that was not claimed": func(f *flooded) { f.hears(f.friend("c.example")) },
		"to a domain that was claimed, and waits for its turn": func(f *flooded) {
			f.hears(f.friend("b.example"))
		},
		"to a domain that has waited long": func(f *flooded) {
			settle(server.DefaultConnectTimeout - time.Nanosecond)
			f.d.dial = f.after(time.Second)
			p := f.friend("b.example")
			f.juliet.says(p, 1)
			settle(2 * time.Second)
			allHeard(f.juliet, p)
		},
		"to a domain that has waited in vain": func(f *flooded) {
			p := f.friend("b.example")
			settle(server.DefaultConnectTimeout)
			f.hears(p) // that no slot was free says nothing of this domain
		},
		"to a domain that is being tried": func(f *flooded) {
			p := f.stranger("romeo@d0-0.evil.example")
			f.juliet.says(p, 1)
			settle(time.Minute)
			allTold(f.juliet, p, stanza.RemoteServerTimeout)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				test(newFlooded(t, time.Minute))
				settle(time.Minute) // for what hangs
			})
		})
	}
	t.Run("what nobody waits for any more is not tried", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newFlooded(t, server.DefaultDialbackTimeout+time.Second)
			settle(time.Hour)
			if n := f.d.count(); n != slotsOfOthers {
				t.Errorf("%d dials, want %d", n, slotsOfOthers)
			}
		})
	})
}

// TestFaultFloodOfAnswers: others, who have proven that they speak for many domains,
// have stanzas for them answered that cannot be reached any more. That takes half of the
// slots, and half of the links, at the most.
func TestFaultFloodOfAnswers(t *testing.T) {
	const domains = 6
	for name, send := range map[string]string{
		"an error":              "<message from='x@%s' to='nobody@montague.example' type='chat'><body>x</body></message>",
		"a result":              "<iq from='x@%s' to='montague.example' id='i' type='get'><ping xmlns='urn:xmpp:ping'/></iq>",
		"an answer to presence": "<presence from='x@%s' to='nobody@montague.example' type='probe'/>",
	} {
		for bound, change := range map[string]func(*server.Config){
			"slots": func(c *server.Config) { c.Federation.MaxDialing = 4 },
			"links": func(c *server.Config) { c.Federation.MaxLinks = 4 },
		} {
			t.Run(name+", "+bound, func(t *testing.T) {
				onStage(t, func(t *testing.T, s *scene) {
					romeo := s.romeo()
					f, _ := s.secured(there, here, client(s.ca.issue(t, "*."+there)), byKey, limits)
					for i := range domains {
						domain := fmt.Sprintf("d%d.%s", i, there)
						f.send(result(domain, here, "k"))
						f.hears(resultIs(here, domain, "valid"))
						f.sendf(send, domain)
					}
					for i := range 2 {
						s.isCalled(here, fmt.Sprintf("d%d.%s", i, there))
					}
					s.isNotCalled()
					for _, domain := range []string{mallory, "d4." + there} {
						romeo.write("eve@"+domain, "m1")
						s.isCalled(here, domain)
					}
					f.hears("")
				}, withDialback, oneWay, change)
			})
		}
	}
}

// TestFaultMaxLinksOfOthers: of the pairs of domains that there is room for others can
// cause half, by keys and by streams that could be used both ways.
func TestFaultMaxLinksOfOthers(t *testing.T) {
	for most, others := range map[int]int{1: 1, 2: 1, 4: 2, 5: 3} {
		bounded := func(c *server.Config) { c.Federation.MaxLinks = most }
		domain := func(i int) string { return fmt.Sprintf("d%d.example", i) }
		// The rest is for who is here.
		fill := func(s *scene) {
			s.t.Helper()
			romeo := s.romeo()
			for i := range most - others {
				romeo.write("x@"+domain(100+i), "m")
				s.isCalled(here, domain(100+i))
			}
			romeo.write("x@"+domain(200), "m")
			romeo.isTold(stanza.ResourceConstraint, "m")
			s.isNotCalled()
		}
		t.Run(fmt.Sprintf("keys, %d of %d", others, most), func(t *testing.T) {
			onStage(t, func(t *testing.T, s *scene) {
				f := s.connect()
				f.open(there, here, byKey, limits)
				for i := range others {
					f.send(result(domain(i), here, "k"))
					s.isCalled(here, domain(i))
				}
				f.send(result(domain(others), here, "k"))
				f.hears(resultError(here, domain(others), "wait", "resource-constraint"))
				s.isNotCalled()
				fill(s)
			}, bare, bounded)
		})
		t.Run(fmt.Sprintf("streams both ways, %d of %d", others, most), func(t *testing.T) {
			onStage(t, func(t *testing.T, s *scene) {
				room := s.network.account(s.srv, "room@"+hereChat)
				var fs []*far
				for i := range others + 1 {
					fs = append(fs, s.certified(domain(i), hereChat))
					fs[i].send(enable)
					fs[i].hears(enabled)
				}
				for i := range others {
					room.write("x@"+domain(i), "m")
					fs[i].hears(relayed("room@"+hereChat, "x@"+domain(i), "m") + askAck)
				}
				if most > others { // what is sent there takes a way, and the place, of its own
					room.write("x@"+domain(others), "m")
					s.isCalled(hereChat, domain(others))
					fs[others].hears("")
				}
			}, bounded)
		})
	}
}

// TestFaultNoLimit: -1 is none, and not the default.
func TestFaultNoLimit(t *testing.T) {
	tests := map[string]func(t *testing.T, n *network){
		"MaxWaiting": func(t *testing.T, n *network) {
			a := n.add("a.example", func(c *server.Config) {
				c.Federation.MaxWaiting = -1
				c.Federation.Dial = n.after(10 * time.Second)
			})
			juliet, romeo := n.person(a, "juliet@a.example"), n.person(n.add("b.example", nil), "romeo@b.example")
			juliet.saysMany(romeo, 20, server.DefaultMaxWaiting/16)
			settle(time.Minute)
			allHeard(juliet, romeo)
		},
		"MaxAllWaiting": func(t *testing.T, n *network) {
			a := n.add("a.example", func(c *server.Config) {
				c.Federation.MaxWaiting, c.Federation.MaxAllWaiting = -1, -1
				c.Federation.Dial = never
			})
			juliet, romeo := n.person(a, "juliet@a.example"), n.stranger("romeo@b.example")
			juliet.saysMany(romeo, 17, server.DefaultMaxAllWaiting/16)
			settle(time.Minute)
			allTold(juliet, romeo, stanza.RemoteServerTimeout)
		},
		"MaxLinks": func(t *testing.T, n *network) {
			a := n.add("a.example", func(c *server.Config) { c.Federation.MaxLinks = -1 })
			juliet, romeo := n.person(a, "juliet@a.example"), n.stranger("romeo@b.example")
			for i := range server.DefaultMaxLinks + 1 { // each rests
				juliet.says(&person{addr: jid.MustParse(fmt.Sprintf("romeo@d%d.example", i))}, 1)
				if i%100 == 0 {
					synctest.Wait() // what an account is told waits in a queue with a bound
				}
			}
			synctest.Wait()
			allTold(juliet, romeo, stanza.RemoteServerNotFound)
		},
		"MaxDialing": func(t *testing.T, n *network) {
			d := &dialing{dial: never}
			a := n.add("a.example", func(c *server.Config) {
				c.Federation.MaxDialing = -1
				c.Federation.Dial = d.Dial
			})
			juliet := n.person(a, "juliet@a.example")
			for i := range server.DefaultMaxDialing + 1 {
				juliet.says(&person{addr: jid.MustParse(fmt.Sprintf("romeo@d%d.example", i))}, 1)
			}
			settle(time.Minute)
			if d.most != server.DefaultMaxDialing+1 {
				t.Errorf("%d at one time", d.most)
			}
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, newQuickNetwork(t)) })
		})
	}
}
