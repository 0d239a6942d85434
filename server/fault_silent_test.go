package server_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp/dialback"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

// stub is a server that the test plays, for the domain b.example.
type stub struct {
	t     *testing.T
	n     *network
	calls chan net.Conn
}

// stub returns a Dial that connects to b.example by giving its end to the test, and
// to the others as ever.
func (n *network) stub(t *testing.T) (*stub, *dialing) {
	s := &stub{t: t, n: n, calls: make(chan net.Conn, 1000)}
	return s, &dialing{dial: func(ctx context.Context, pair dialback.Pair) (stream.Transport, error) {
		if pair.Remote.Domain() != "b.example" {
			return n.dial(ctx, pair)
		}
		caller, called := newCable().ends()
		t.Cleanup(func() { called.Close() })
		s.calls <- called
		return stream.NewTransport(caller), nil
	}}
}

// Headers and features of b.example.
const (
	stubHeader = "<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'" +
		" xmlns:db='jabber:server:dialback' from='b.example' to='a.example' id='s1' version='1.0'>"
	stubStartTLS = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>"
	stubExternal = "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>EXTERNAL</mechanism></mechanisms>"
	stubDialback = "<dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback>"
	stubAcks     = "<sm xmlns='urn:xmpp:sm:3'/>"
)

func stubFeatures(fs ...string) string {
	return "<stream:features>" + strings.Join(fs, "") + "</stream:features>"
}

// until reads to the end of want, and no further.
func readUntil(t *testing.T, r io.Reader, want string) {
	t.Helper()
	var got []byte
	for b := make([]byte, 1); !bytes.HasSuffix(got, []byte(want)); got = append(got, b...) {
		if _, err := r.Read(b); err != nil {
			t.Fatalf("want %q, got %q: %v", want, got, err)
		}
	}
}

// plain takes the next call and answers its header.
func (s *stub) plain(fs ...string) *raw {
	s.t.Helper()
	r := newRaw(s.t, <-s.calls)
	r.expect("<stream:stream ", ">")
	r.send("%s", stubHeader+stubFeatures(fs...))
	return r
}

// startTLS takes the next call up to the TLS handshake.
func (s *stub) startTLS() net.Conn {
	s.t.Helper()
	nc := <-s.calls
	readUntil(s.t, nc, "version='1.0'")
	readUntil(s.t, nc, ">")
	io.WriteString(nc, stubHeader+stubFeatures(stubStartTLS))
	readUntil(s.t, nc, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
	return nc
}

// secure takes the next call up to the header behind the TLS handshake.
func (s *stub) secure() *raw {
	s.t.Helper()
	nc := s.startTLS()
	io.WriteString(nc, "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
	tc := tls.Server(nc, &tls.Config{Certificates: []tls.Certificate{s.n.certificate("b.example")}, ClientAuth: tls.RequestClientCert})
	if err := tc.Handshake(); err != nil {
		s.t.Fatal(err)
	}
	r := newRaw(s.t, tc)
	r.expect("<stream:stream ", ">")
	return r
}

// external takes the next call and lets it in by EXTERNAL.
func (s *stub) external(fs ...string) *raw {
	s.t.Helper()
	r := s.secure()
	r.send("%s", stubHeader+stubFeatures(stubExternal))
	r.expect("<auth ", "</auth>")
	r.send("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>")
	r.expect("<stream:stream ", ">")
	r.send("%s", stubHeader+stubFeatures(fs...))
	return r
}

// managed takes the next call and lets it in with acknowledgements.
func (s *stub) managed() *raw {
	s.t.Helper()
	r := s.external(stubAcks)
	r.expect("<enable ", "/>")
	r.send("<enabled xmlns='urn:xmpp:sm:3'/>")
	return r
}

// dialback takes the next call and lets it in by dialback, without TLS.
func (s *stub) dialback() *raw {
	s.t.Helper()
	r := s.plain(stubDialback)
	r.expect("<db:result ", "</db:result>")
	r.send("<db:result from='b.example' to='a.example' type='valid'/>")
	return r
}

// believing is a config without TLS, for dialback.
func believing(c *server.Config) {
	c.TLS, c.Federation.Dialback, c.Federation.Plaintext = nil, true, true
}

// TestFaultSilence: a server that accepts connections and falls silent at any stage
// of the negotiation. Who sends is told so, once and in time, and the connection is
// given up.
func TestFaultSilence(t *testing.T) {
	for _, stage := range []struct {
		name   string
		change func(*server.Config)
		play   func(*stub) *raw
	}{
		{"says nothing", nil, func(s *stub) *raw { return newRaw(s.t, <-s.calls) }},
		{"stops in the header", nil, func(s *stub) *raw {
			r := newRaw(s.t, <-s.calls)
			r.send("%s", stubHeader[:50])
			return r
		}},
		{"no features", nil, func(s *stub) *raw {
			r := newRaw(s.t, <-s.calls)
			r.send("%s", stubHeader)
			return r
		}},
		{"stops in the features", nil, func(s *stub) *raw {
			r := newRaw(s.t, <-s.calls)
			r.send("%s", stubHeader+"<stream:features><starttls")
			return r
		}},
		{"does not proceed", nil, func(s *stub) *raw { return newRaw(s.t, s.startTLS()) }},
		{"stops in proceed", nil, func(s *stub) *raw {
			r := newRaw(s.t, s.startTLS())
			r.send("<proceed xmlns=")
			return r
		}},
		{"no handshake", nil, func(s *stub) *raw {
			r := newRaw(s.t, s.startTLS())
			r.send("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
			return r
		}},
		{"stops in the handshake", nil, func(s *stub) *raw {
			r := newRaw(s.t, s.startTLS())
			r.send("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>\x16\x03\x03\x00\x7a\x02\x00")
			return r
		}},
		{"no header after TLS", nil, (*stub).secure},
		{"no answer to EXTERNAL", nil, func(s *stub) *raw {
			r := s.secure()
			r.send("%s", stubHeader+stubFeatures(stubExternal))
			return r
		}},
		{"no header after EXTERNAL", nil, func(s *stub) *raw {
			r := s.secure()
			r.send("%s", stubHeader+stubFeatures(stubExternal))
			r.expect("<auth ", "</auth>")
			r.send("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>")
			return r
		}},
		{"no answer to enable", nil, func(s *stub) *raw { return s.external(stubAcks) }},
		{"no answer to the key", believing, func(s *stub) *raw { return s.plain(stubDialback) }},
		{"no features for dialback", believing, func(s *stub) *raw {
			r := newRaw(s.t, <-s.calls)
			r.send("%s", stubHeader)
			return r
		}},
	} {
		t.Run(stage.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newQuickNetwork(t)
				s, d := n.stub(t)
				a := n.add("a.example", func(c *server.Config) {
					c.Federation.Dial = d.Dial
					if stage.change != nil {
						stage.change(c)
					}
				})
				juliet, romeo := n.person(a, "juliet@a.example"), n.stranger("romeo@b.example")
				juliet.saysMany(romeo, 3, 1)
				r := stage.play(s)
				juliet.saysMany(romeo, 3, 1)
				// The connection is closed in order first, which takes the
				// CloseTimeout if the other server takes no part.
				settle(server.DefaultConnectTimeout + stream.DefaultCloseTimeout + time.Second)
				allTold(juliet, romeo, stanza.RemoteServerTimeout)
				if got := r.expectEnd(); strings.Contains(got, "<message") {
					t.Errorf("a message was sent: %q", got)
				}
				if d.count() != 1 || len(a.ServerStreams()) > 0 {
					t.Errorf("%d dials, streams %v", d.count(), a.ServerStreams())
				}
			})
		})
	}
}

// TestFaultNoVerify: the authoritative server never says whether a key is right. The
// originating server is told so, and tells who has sent.
func TestFaultNoVerify(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newQuickNetwork(t)
		a := n.add("a.example", believing)
		calls := make(chan net.Conn, 10)
		b := n.add("b.example", func(c *server.Config) {
			believing(c)
			c.Federation.NoBidi = true
			c.Federation.Dial = func(ctx context.Context, pair dialback.Pair) (stream.Transport, error) {
				caller, called := newCable().ends()
				calls <- called
				return stream.NewTransport(caller), nil
			}
		})
		juliet, romeo := n.person(a, "juliet@a.example"), n.person(b, "romeo@b.example")
		juliet.saysMany(romeo, 3, 1)
		r := newRaw(t, <-calls)
		r.expect("<stream:stream ", ">")
		r.send("%s", strings.Replace(stubHeader, "from='b.example' to='a.example'", "from='a.example' to='b.example'", 1)+stubFeatures(stubDialback))
		r.expect("<db:verify ", "</db:verify>")
		settle(server.DefaultDialbackTimeout + time.Second)
		allTold(juliet, romeo, stanza.RemoteServerTimeout)
		if n.dials != 1 {
			t.Errorf("%d dials", n.dials)
		}
	})
}

// TestFaultStreamError: a server lets others in and ends the stream at once, with
// each of the stream errors, with the closing tag, and without. The link does not
// spin, and who sends is told, where there are acknowledgements: without them what
// was written to such a stream may be lost.
func TestFaultStreamError(t *testing.T) {
	ends := map[string]string{"closing tag": "</stream:stream>", "nothing": ""}
	for _, c := range []stream.Condition{stream.BadFormat, stream.BadNamespacePrefix, stream.Conflict, stream.ConnectionTimeout,
		stream.HostGone, stream.HostUnknown, stream.ImproperAddressing, stream.InternalServerError, stream.InvalidFrom,
		stream.InvalidNamespace, stream.InvalidXML, stream.NotAuthorized, stream.NotWellFormed, stream.PolicyViolation,
		stream.RemoteConnectionFailed, stream.Reset, stream.ResourceConstraint, stream.RestrictedXML, stream.SeeOtherHost,
		stream.SystemShutdown, stream.UndefinedCondition, stream.UnsupportedEncoding, stream.UnsupportedFeature,
		stream.UnsupportedStanzaType, stream.UnsupportedVersion, "no-such-condition"} {
		ends[string(c)] = "<stream:error><" + string(c) + " xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>"
	}
	for name, end := range ends {
		for _, acks := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, acks %v", name, acks), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					n := newQuickNetwork(t)
					s, d := n.stub(t)
					var l ledger
					a := n.add("a.example", func(c *server.Config) {
						c.Federation.Dial = d.Dial
						c.Stream.Trace = l.trace
						if !acks {
							believing(c)
						}
					})
					juliet, romeo := n.person(a, "juliet@a.example"), n.stranger("romeo@b.example")
					juliet.saysMany(romeo, 5, 1)
					deadline := time.After(time.Minute)
					for more := true; more; {
						select {
						case nc := <-s.calls:
							s.calls <- nc
							var r *raw
							if acks {
								r = s.managed()
							} else {
								r = s.dialback()
							}
							r.send("%s", end)
							r.nc.Close()
						case <-deadline:
							more = false
						}
					}
					f := fatesOf(juliet, romeo)
					checkFates(t, f, &l, acks, true)
					if d.count() > 3 {
						t.Errorf("%d dials", d.count())
					}
					for c := range f.conditions {
						if c != stanza.RemoteServerTimeout && (c != stanza.RemoteServerNotFound || name != "host-unknown") {
							t.Errorf("told %v", f.conditions)
						}
					}
				})
			})
		}
	}
}

// TestFaultHalfOpen: a connection swallows everything, in one direction or in both,
// and nobody is told. That is found after a few CheckIntervals, whether something is
// sent now and then or not, and what is sent later goes by another connection. With
// acknowledgements no message is lost silently; without them those may be that were
// sent before it was found.
func TestFaultHalfOpen(t *testing.T) {
	for i, way := range ways {
		for _, dir := range [][2]bool{{true, true}, {true, false}, {false, true}} {
			for _, every := range []time.Duration{0, 20 * time.Second} {
				t.Run(fmt.Sprintf("%s, swallows %v, traffic %v", way.name, dir, every), func(t *testing.T) {
					halfOpen(t, i, dir, every)
				})
			}
		}
	}
}

func halfOpen(t *testing.T, way int, swallows [2]bool, every time.Duration) {
	synctest.Test(t, func(t *testing.T) {
		n := newQuickNetwork(t)
		cs := n.plant(nil)
		var ledgers [2]ledger
		a := n.add("a.example", func(c *server.Config) { goWay(way, c); c.Stream.Trace = ledgers[0].trace })
		b := n.add("b.example", func(c *server.Config) { goWay(way, c); c.Stream.Trace = ledgers[1].trace })
		juliet, romeo := n.person(a, "juliet@a.example"), n.person(b, "romeo@b.example")
		juliet.says(romeo, 1)
		settle(time.Second)
		romeo.says(juliet, 1)
		settle(time.Second)
		for _, c := range cs.list() {
			c.swallow(swallows[0], swallows[1])
		}
		juliet.saysMany(romeo, 3, 1)
		romeo.saysMany(juliet, 3, 1)
		start := time.Now()
		const found = 6 * server.DefaultCheckInterval
		if every == 0 {
			settle(found)
		} else {
			for time.Since(start) < found {
				settle(every)
				juliet.says(romeo, 1)
				romeo.says(juliet, 1)
			}
		}
		early := [2]int{len(juliet.said), len(romeo.said)}
		for range 10 {
			settle(2 * time.Second)
			juliet.says(romeo, 1)
			romeo.says(juliet, 1)
		}
		settle(time.Minute)
		for k, f := range []fates{fatesOf(juliet, romeo), fatesOf(romeo, juliet)} {
			from := []*person{juliet, romeo}[k]
			ledgers[k].acked = 1 // before it swallowed
			checkFates(t, f, &ledgers[k], acks(ways[way].name), true)
			if acks(ways[way].name) {
				exactly(from, []*person{romeo, juliet}[k])
			}
			for _, id := range from.said[early[k]:] {
				if !slices.Contains(f.delivered, id) {
					t.Errorf("%s was not delivered: %v; lost %v, told %v", id, f, f.lost, f.told)
					break
				}
			}
		}
	})
}
