package server_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/etherx-go/xmpp/dialback"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/storage/memory"
	"github.com/etherx-go/xmpp/stream"
)

func TestS2SLists(t *testing.T) {
	tests := []struct {
		name        string
		allow, deny []string
		domain      string
		allowed     bool
	}{
		{"no lists", nil, nil, there, true},
		{"allowed", []string{there}, nil, there, true},
		{"allowed, in capitals", []string{"Capulet.EXAMPLE"}, nil, there, true},
		{"another is allowed", []string{mallory}, nil, there, false},
		{"a subdomain of what is allowed", []string{there}, nil, "x." + there, false},
		{"denied", nil, []string{there}, there, false},
		{"another is denied", nil, []string{mallory}, there, true},
		{"a subdomain of what is denied", nil, []string{there}, "x." + there, true},
		{"allowed and denied", []string{there}, []string{there}, there, false},
		{"below an allowed one", []string{"*.capulet.example"}, nil, "x." + there, true},
		{"far below an allowed one", []string{"*.capulet.example"}, nil, "x.y." + there, true},
		{"the one itself is not below", []string{"*.capulet.example"}, nil, there, false},
		{"one that ends alike is not below", []string{"*.capulet.example"}, nil, "xcapulet.example", false},
		{"below a denied one", nil, []string{"*.example"}, there, false},
		{"all are denied", nil, []string{"*"}, there, false},
		{"all are allowed, but one", []string{"*"}, []string{there}, there, false},
		{"all are allowed", []string{"*"}, []string{mallory}, there, true},
		{"with U-labels", []string{"bücher.example"}, nil, "bücher.example", true},
		{"denied with A-labels", nil, []string{"xn--bcher-kva.example"}, "bücher.example", false},
		{"comes with A-labels", nil, []string{"bücher.example"}, "xn--bcher-kva.example", false},
	}
	for _, tt := range tests {
		t.Run("CORE-10.2-1 "+tt.name, func(t *testing.T) {
			lists := func(c *server.Config) { c.Federation.Allow, c.Federation.Deny = tt.allow, tt.deny }
			onStage(t, func(t *testing.T, s *scene) {
				f := s.connect()
				f.send(hello(tt.domain, here)) // who has a version
				if tt.allowed {
					f.hears("{any}" + f.offeredHere(byKey, limits))
				} else {
					f.hearsEnd("{any}" + fails(stream.PolicyViolation))
				}
				f = s.connect() // who has none, and no addresses
				f.openOld()
				f.send(result(tt.domain, here, "k"))
				if tt.allowed {
					f.hears("")
					<-s.calls
				} else {
					f.hearsEnd("<db:result {any} type='invalid'/></stream:stream>")
					s.isNotCalled()
				}
			}, bare, lists)
			onStage(t, func(t *testing.T, s *scene) { // whom we would call
				romeo := s.romeo()
				romeo.write("juliet@"+tt.domain, "m1")
				if tt.allowed {
					synctest.Wait()
					<-s.calls
				} else {
					romeo.isTold(stanza.NotAllowed, "m1")
					s.isNotCalled()
				}
			}, bare, lists)
		})
	}
}

func TestS2SConfig(t *testing.T) {
	for name, f := range map[string]*server.Federation{
		"Allow":                      {Allow: []string{"@"}},
		"Allow an account":           {Allow: []string{"juliet@capulet.example"}},
		"Deny":                       {Deny: []string{""}},
		"Deny below nothing":         {Deny: []string{"*."}},
		"Plaintext without Dialback": {Trust: server.Trust{Plaintext: true}},
	} {
		_, err := server.New(server.Config{Domains: []string{here}, TLS: &tls.Config{}, Federation: f})
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	for name, f := range map[string]server.Federation{
		"ConnectTimeout":  {ConnectTimeout: -1},
		"DialbackTimeout": {DialbackTimeout: -1},
		"CheckInterval":   {CheckInterval: -1},
		"RetryDelay":      {RetryDelay: -1},
		"MaxRetryDelay":   {MaxRetryDelay: -1},
	} {
		_, err := server.New(server.Config{Domains: []string{here}, TLS: &tls.Config{}, Federation: &f})
		if err == nil {
			t.Errorf("%s is negative: no error", name)
		}
	}
	if _, err := server.New(server.Config{Domains: []string{here}, Federation: new(server.Federation)}); err == nil {
		t.Error("without TLS: no error")
	}
	if _, err := server.New(server.Config{Domains: []string{here},
		Federation: &server.Federation{Trust: server.Trust{Dialback: true}}}); err == nil {
		t.Error("with dialback, without TLS: no error")
	}
}

// A Policy is asked about each pair, on each stream.
func TestS2SPolicyHook(t *testing.T) {
	secret := errors.New("the reason is nobody's business")
	refuse := func(err error) func(*server.Config) {
		return func(c *server.Config) {
			c.Federation.Policy = func(pair dialback.Pair, _ *server.Trust) error {
				if pair.Remote.String() == mallory {
					return err
				}
				return nil
			}
		}
	}
	play(t, "CORE-10.2-1 refused without a reason", func(t *testing.T, s *scene) {
		romeo, f := s.romeo(), s.connect()
		f.send(hello(mallory, here))
		got, _ := f.take()
		if _, ok := match("{any}"+fails(stream.PolicyViolation), got); !ok || strings.Contains(got,
			secret.Error()) {
			t.Errorf("heard %q", got)
		}
		f = s.connect()
		f.open(there, here, byKey, limits)
		f.send(result(mallory, here, "k"))
		got, _ = f.take()
		if _, ok := match(resultError(here, mallory, "modify", "policy-violation"),
			got); !ok || strings.Contains(got, secret.Error()) {
			t.Errorf("heard %q", got)
		}
		romeo.write("eve@"+mallory, "m1")
		st := romeo.next()
		if xml := string(st.AppendXML(nil, "")); st.Err() == nil || strings.Contains(xml, secret.Error()) {
			t.Errorf("romeo got %s", xml)
		}
		s.isNotCalled()
	}, bare, refuse(secret))
	play(t, "CORE-10.2-1 refused with a reason", func(t *testing.T, s *scene) {
		romeo, f := s.romeo(), s.connect()
		f.send(hello(mallory, here))
		got, _ := f.take()
		if !strings.Contains(got, "we do not speak") {
			t.Errorf("heard %q", got)
		}
		romeo.write("eve@"+mallory, "m1")
		romeo.isTold(stanza.Forbidden, "m1")
		romeo.write("eve@"+there, "m2")
		s.isCalled(here, there)
	}, bare, refuse(stanza.NewError(stanza.Forbidden, "we do not speak")))
	t.Run("CORE-10.2-1 it is asked about each pair", func(t *testing.T) {
		var mu sync.Mutex
		var asked []string
		onStage(t, func(t *testing.T, s *scene) {
			romeo, f := s.romeo(), s.connect()
			f.open(there, here, byKey, limits)
			f.send(result(there, hereChat, "k") + result("x."+there, here, "k"))
			synctest.Wait()
			romeo.write("eve@"+mallory, "m1")
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			for _, pair := range []string{here + "/" + there, hereChat + "/" + there, here + "/x." + there, here +
				"/" + mallory} {
				if !slices.Contains(asked, pair) {
					t.Errorf("not asked about %s, but about %v", pair, asked)
				}
			}
		}, bare, func(c *server.Config) {
			c.Federation.Policy = func(pair dialback.Pair, _ *server.Trust) error {
				mu.Lock()
				defer mu.Unlock()
				asked = append(asked, pair.String())
				return nil
			}
		})
	})
	t.Run("CORE-5-1 Plaintext needs Dialback, for one pair too", func(t *testing.T) {
		onStage(t, func(t *testing.T, s *scene) {
			s.open(startTLS, limits)
		}, func(c *server.Config) {
			c.Federation.Policy = func(_ dialback.Pair, t *server.Trust) error {
				t.Plaintext = true
				return nil
			}
		})
	})
}

// Each virtual host has its own trust.
func TestS2SVirtualHosts(t *testing.T) {
	// Here believes one authority, or else dialback; hereChat another one, and nothing
	// else.
	var other *authority
	stage := func(t *testing.T, test func(t *testing.T, s *scene), change ...func(*server.Config)) {
		onStage(t, func(t *testing.T, s *scene) {
			s.db = false // it depends
			test(t, s)
		}, append(change, oneWay, func(c *server.Config) {
			other = newAuthority(t)
			roots := c.Federation.Roots
			c.Federation.Trust = server.Trust{Roots: x509.NewCertPool()}
			c.Federation.Policy = func(pair dialback.Pair, t *server.Trust) error {
				if pair.Local.String() == hereChat {
					t.Roots = other.pool
					return nil
				}
				t.Roots, t.Dialback = roots, true
				return nil
			}
		})...)
	}
	offered := func(s *scene, to string, cert tls.Certificate, want ...string) *far {
		s.t.Helper()
		f := s.connect()
		f.db = to == here
		f.open(there, to, startTLS, limits)
		if _, err := f.startTLS(client(cert)); err != nil {
			s.t.Fatal(err)
		}
		f.open(there, to, append(want, limits)...)
		return f
	}
	t.Run("CORE-5-1 who is believed", func(t *testing.T) {
		stage(t, func(t *testing.T, s *scene) {
			offered(s, here, s.ca.issue(t, there), external, byKey)
			offered(s, here, other.issue(t, there), byKey)
			offered(s, hereChat, s.ca.issue(t, there))
			offered(s, hereChat, other.issue(t, there), external)
		})
	})
	t.Run("CORE-5-1 a key for the host that does not believe in keys", func(t *testing.T) {
		stage(t, func(t *testing.T, s *scene) {
			room, f := s.network.account(s.srv, "room@"+hereChat), offered(s, here, s.ca.issue(t, there), external,
				byKey)
			f.send(result(there, hereChat, "k"))
			f.hears(resultError(hereChat, there, "auth", "not-authorized"))
			f.sendf(authSelf, "=")
			f.hears("{any}")
			f.hangUp()
			f = offered(s, here, other.issue(t, there), byKey)
			f.send(result(there, hereChat, "k")) // it believes in this certificate
			f.hears(resultIs(hereChat, there, "valid"))
			f.send(message("juliet@"+there, "room@"+hereChat, "m1"))
			room.hears("m1")
			f.send(message("juliet@"+there, "romeo@"+here, "m1"))
			f.hearsEnd(fails(stream.InvalidFrom))
			s.isNotCalled()
		})
	})
	t.Run("CORE-5-1 EXTERNAL for one host is none for the other", func(t *testing.T) {
		stage(t, func(t *testing.T, s *scene) {
			room, f := s.network.account(s.srv, "room@"+hereChat), offered(s, here, s.ca.issue(t, there), external,
				byKey)
			f.sendf(authSelf, "=")
			f.hears(success)
			f.open(there, here, sm, limits)
			f.send(message("juliet@"+there, "room@"+hereChat, "m1"))
			f.hearsEnd(fails(stream.InvalidFrom))
			room.hearsNothing()
		})
	})
	t.Run("CORE-5-1 whom the hosts call", func(t *testing.T) {
		stage(t, func(t *testing.T, s *scene) {
			romeo, room := s.romeo(), s.network.account(s.srv, "room@"+hereChat)
			f := s.called(romeo)
			f.db = true
			f.upgrade(other.issue(t, there))
			f.answer("y", byKey)
			f.hears(result(here, there, "{key}"))
			room.write("juliet@"+there, "m2")
			f = s.isCalled(hereChat, there)
			f.answer("x", "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
			f.answerTLS(host(s.ca.issue(t, there)))
			f.hearsEnd("")
			room.isTold(stanza.RemoteServerTimeout, "m2")
		})
	})
	t.Run("CORE-5-1 TLS is required for one of two", func(t *testing.T) {
		onStage(t, func(t *testing.T, s *scene) {
			f, _ := s.open(byKey, limits)
			f.send(result(there, hereChat, "k"))
			f.hears(resultError(hereChat, there, "modify", "policy-violation"))
			s.isNotCalled()
			f.send(result(there, here, "k"))
			s.isCalled(here, there)
		}, bare, func(c *server.Config) {
			c.Federation.Policy = func(pair dialback.Pair, t *server.Trust) error {
				t.Plaintext = pair.Local.String() == here
				return nil
			}
		})
	})
}

func TestS2SOff(t *testing.T) {
	t.Run("CORE-10.2-1 no federation", func(t *testing.T) {
		onStage(t, func(t *testing.T, s *scene) {
			romeo := s.romeo()
			romeo.write("juliet@"+there, "m1")
			romeo.isTold(stanza.RemoteServerNotFound, "m1")
			near, far := net.Pipe()
			if err := s.srv.ServeS2SConn(t.Context(), near); err == nil {
				t.Error("ServeS2SConn: no error")
			}
			if _, err := far.Write([]byte("<")); err == nil {
				t.Error("the connection is open")
			}
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			if err := s.srv.ServeS2S(t.Context(), l); err == nil {
				t.Error("ServeS2S: no error")
			}
			if _, err := l.Accept(); err == nil {
				t.Error("the listener is open")
			}
		}, func(c *server.Config) {
			// onStage reads it once more.
			c.Federation = nil
		})
	})
}

// noRecords is a DNS that has addresses only.
type noRecords struct{}

func (noRecords) LookupSRV(_ context.Context, service, proto, name string) (string, []*net.SRV, error) {
	return "", nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

func (noRecords) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	return []netip.Addr{netip.MustParseAddr("192.0.2.1")}, nil
}

func TestS2SPort(t *testing.T) {
	t.Run("CORE-2.5-2 CORE-5.2-2 CORE-5.2.1-1 CORE-5.2.1-5 TCP port 5269, and dialback", func(t *testing.T) {
		type call struct {
			nc   net.Conn
			addr string
		}
		var called chan call
		onStage(t, func(t *testing.T, s *scene) {
			romeo := s.romeo()
			romeo.write("juliet@"+there, "m1")
			synctest.Wait()
			c := <-called
			if c.addr != "tcp 192.0.2.1:5269" {
				t.Fatalf("called %s", c.addr)
			}
			f := newFar(s.t, c.nc, c.addr)
			f.pair, f.db = dialback.Pair{Local: jid.MustParse(here), Remote: jid.MustParse(there)}, true
			f.answer("x", byKey)
			f.hears(result(here, there, "{key}"))
			f.send(resultIs(there, here, "valid"))
			f.hears(relayed("romeo@"+here, "juliet@"+there, "m1"))
		}, bare, func(c *server.Config) {
			called = make(chan call, 10)
			c.Federation.Dial = nil
			c.Federation.Dialer = &stream.Dialer{Resolver: noRecords{}, LocalDNS: true,
				DialContext: func(_ context.Context, network, addr string) (net.Conn, error) {
					caller, callee := net.Pipe()
					called <- call{callee, network + " " + addr}
					return caller, nil
				}}
		})
	})
}

// Streams of clients, of services and of other servers, and stanzas between them.
func TestS2SRouting(t *testing.T) {
	t.Run("CORE-2.2-1 CORE-6.2.2-4 between a client, a service and another server", func(t *testing.T) {
		onStage(t, func(t *testing.T, s *scene) {
			irc := s.network.account(s.srv, "irc.localhost")
			juliet := login(t, s.srv, "juliet", "r0m30", "balcony")
			juliet.send("<message to='nurse@capulet.example' id='m1' " +
				"from='eve@mallory.example'><body>x</body></message>")
			f := s.isCalled("localhost", there)
			f.answer("x", byKey)
			f.hears(result("localhost", there, "{key}"))
			f.send(resultIs(there, "localhost", "valid"))
			f.hears("<message id='m1' to='nurse@capulet.example' " +
				"from='juliet@localhost/balcony'><body>x</body></message>")
			g := s.connect()
			id := g.open(there, "localhost", byKey, limits)
			g.send(result(there, "localhost", "k3y"))
			f.hears(verify("localhost", id, there, "k3y"))
			f.send(verifyIs(there, id, "localhost", "valid"))
			g.hears(resultIs("localhost", there, "valid"))
			g.send(message("nurse@"+there, "juliet@localhost/balcony", "m2"))
			juliet.expect("<message ", "m2", "</message>")
			g.send(message("nurse@"+there, "juliet@localhost", "m3"))
			juliet.expect("<message ", "m3", "</message>")
			g.send(result(there, "irc.localhost", "0ther"))
			h := s.isCalled("irc.localhost", there)
			h.answer("y", byKey)
			h.hears(verify("irc.localhost", id, there, "0ther"))
			h.send(verifyIs(there, id, "irc.localhost", "valid"))
			g.hears(resultIs("irc.localhost", there, "valid"))
			g.send(message("nurse@"+there, "nick@irc.localhost", "m4"))
			irc.hears("m4")
			irc.write("nurse@"+there, "m5")
			h.hears(result("irc.localhost", there, "{key}"))
			h.send(resultIs(there, "irc.localhost", "valid"))
			h.hears(relayed("irc.localhost", "nurse@"+there, "m5"))
			juliet.send("</stream:stream>")
			juliet.expectEnd()
		}, bare, func(c *server.Config) {
			accounts := &memory.Accounts{Iterations: 1}
			if err := accounts.SetPassword(context.Background(), jid.MustParse("juliet@localhost"),
				"r0m30"); err != nil {
				t.Fatal(fmt.Errorf("accounts: %w", err))
			}
			c.Domains, c.Accounts = []string{"localhost"}, accounts
		})
	})
}
