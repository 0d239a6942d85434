package docs_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp/dialback"
	"github.com/etherx-go/xmpp/examples/internal/markdown"
	"github.com/etherx-go/xmpp/ext/ping"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
	"github.com/etherx-go/xmpp/xmpptest"
)

// world is servers by domain, which find each other without ports and DNS.
type world map[string]*xmpptest.Server

func (w world) dial(_ context.Context, pair dialback.Pair) (stream.Transport, error) {
	s, ok := w[pair.Remote.Domain()]
	if !ok {
		return nil, &net.DNSError{Err: "no such host", Name: pair.Remote.Domain(), IsNotFound: true}
	}
	ours, theirs := net.Pipe()
	go s.ServeS2SConn(context.Background(), theirs)
	return stream.NewTransport(ours), nil
}

// add starts the server of a domain.
func (w world) add(t *testing.T, domain string) *xmpptest.Server {
	w[domain] = xmpptest.NewServer(t, func(c *server.Config) {
		c.Domains = []string{domain}
		c.Federation = &server.Federation{
			Trust: server.Trust{Dialback: true, Plaintext: true}, // so that no certificates are needed
			Dial:  w.dial,
		}
	})
	return w[domain]
}

func TestTwoServers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := make(world)
		inbox, messages := inbox()
		romeo := w.add(t, "montague.example").Client("romeo", inbox)
		bot := w.add(t, "capulet.example").Client("echo", echo())

		send(t, romeo, bot.LocalAddr(), "hello")
		if msg := <-messages; msg.From != bot.LocalAddr() || msg.Body != "hello" {
			t.Errorf("got %+v", msg)
		}
	})
}

// newFederated makes a server for the open network.
func newFederated(accounts server.Accounts, crt tls.Certificate) (*server.Server, error) {
	s, err := server.New(server.Config{
		Domains:    []string{"example.org"},
		Accounts:   accounts,
		TLS:        &tls.Config{Certificates: []tls.Certificate{crt}},
		Federation: &server.Federation{}, // believes certificates of known authorities, and nothing else
		Log:        slog.Default(),
	})
	return s, err
}

// TestFederationStarts: other servers are let in with TLS only, by STARTTLS or
// from the first byte, and with a certificate only.
func TestFederationStarts(t *testing.T) {
	captureLog(t)
	forServer, _ := xmpptest.TLS(t)
	s, err := newFederated(nil, forServer.Certificates[0])
	if err != nil {
		t.Fatal(err)
	}
	servers, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx := t.Context()
	go s.ServeS2S(ctx, servers) // usually on port 5269

	offered := func(nc net.Conn) string {
		t.Helper()
		defer nc.Close()
		nc.SetDeadline(time.Now().Add(10 * time.Second))
		fmt.Fprint(nc, "<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' "+
			"from='capulet.example' to='example.org' version='1.0'>")
		var text strings.Builder
		for b := make([]byte, 1); !strings.HasSuffix(text.String(), "</stream:features>"); text.Write(b) {
			if _, err := io.ReadFull(nc, b); err != nil {
				t.Fatalf("got %q, then %v", &text, err)
			}
		}
		return text.String()
	}
	nc, err := net.Dial("tcp", servers.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if got := offered(nc); !strings.Contains(got, "<required/>") || strings.Contains(got, "dialback") {
		t.Errorf("offered: %s", got)
	}
	tc, err := tls.Dial("tcp", servers.Addr().String(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"xmpp-server"}})
	if err != nil {
		t.Fatal(err)
	}
	if p := tc.ConnectionState().NegotiatedProtocol; p != "xmpp-server" {
		t.Errorf("the protocol of direct TLS is %q", p)
	}
	if got := offered(tc); strings.Contains(got, "starttls") || strings.Contains(got, "EXTERNAL") || strings.Contains(got, "dialback") {
		t.Errorf("offered over TLS: %s", got)
	}
}

// writeStreams writes what is known of the streams with other servers.
func writeStreams(w io.Writer, s *server.Server) {
	for _, st := range s.ServerStreams() {
		fmt.Fprintf(w, "%s: opened here %t, TLS %t, by certificate %t, since %s\n",
			st.Pair, st.Opened, st.TLS, st.External, st.Since.Format(time.DateTime))
	}
}

// trusting returns a Federation that is a little less strict.
func trusting(roots *x509.CertPool) *server.Federation {
	fed := &server.Federation{Trust: server.Trust{
		Roots:    roots, // nil: those of the system
		Dialback: true,
	}}
	return fed
}

// records is a resolver that knows SRV records of servers that speak TLS from the
// first byte, by domain.
type records map[string]*net.SRV

func (r records) LookupSRV(_ context.Context, service, _, name string) (string, []*net.SRV, error) {
	if srv := r[strings.TrimSuffix(name, ".")]; srv != nil && service == "xmpps-server" {
		return "", []*net.SRV{srv}, nil
	}
	return "", nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

func (r records) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	if host == "xmpp.capulet.example" {
		return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
}

// findBy has servers found by a resolver.
func findBy(fed *server.Federation, resolver stream.Resolver) {
	fed.Dialer = &stream.Dialer{Resolver: resolver}
}

// findAt has some servers found at fixed places.
func findAt(fed *server.Federation, places map[jid.JID]string) {
	fed.Dial = func(ctx context.Context, pair dialback.Pair) (stream.Transport, error) {
		addr, ok := places[pair.Remote]
		if !ok {
			return nil, nil // the Dialer knows
		}
		d := stream.Dialer{Service: stream.ServiceServer, Addr: addr} // for STARTTLS
		return d.Dial(ctx, pair.Remote.Domain())
	}
}

// TestFederationByDNS: a server is found by its records, with direct TLS in both
// roles, one at a fixed place beside them, and by certificate or by dialback.
func TestFederationByDNS(t *testing.T) {
	crt := make(map[string]tls.Certificate)
	all, own := x509.NewCertPool(), x509.NewCertPool()
	domains := []string{"montague.example", "capulet.example", "verona.example"}
	for _, d := range domains {
		c, err := server.SelfSigned(d)
		if err != nil {
			t.Fatal(err)
		}
		crt[d] = c
		all.AddCert(c.Leaf)
	}
	for _, tt := range []struct {
		name  string
		roots *x509.CertPool
	}{{"by certificate", all}, {"by dialback", own}} {
		t.Run(tt.name, func(t *testing.T) {
			srv, places := make(records), make(map[jid.JID]string)
			servers := make(map[string]*xmpptest.Server)
			for _, d := range domains {
				l, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				fed := trusting(tt.roots)
				findBy(fed, srv)
				findAt(fed, places)
				s := xmpptest.NewServer(t, func(c *server.Config) {
					c.Domains, c.Federation = []string{d}, fed
					c.TLS = &tls.Config{Certificates: []tls.Certificate{crt[d]}}
				})
				servers[d] = s
				go s.ServeS2S(t.Context(), l)
				if d == "capulet.example" {
					srv[d] = &net.SRV{Target: "xmpp.capulet.example.", Port: uint16(l.Addr().(*net.TCPAddr).Port)}
				} else {
					places[jid.MustParse(d)] = l.Addr().String()
				}
			}
			inbox, messages := inbox()
			romeo := servers["montague.example"].Client("romeo", inbox)
			for _, domain := range domains[1:] {
				bot := servers[domain].Client("echo", echo())
				send(t, romeo, bot.LocalAddr(), "hello")
				select {
				case msg := <-messages:
					if msg.From != bot.LocalAddr() || msg.Body != "hello" {
						t.Errorf("got %+v", msg)
					}
				case <-time.After(time.Minute):
					t.Fatalf("%s does not answer", domain)
				}
			}
			for _, st := range servers["montague.example"].ServerStreams() {
				if st.Opened && !st.Acks {
					t.Errorf("acknowledgements %t: %+v", st.Acks, st)
				}
			}
			var out strings.Builder
			writeStreams(&out, servers["montague.example"].Server)
			for _, domain := range domains[1:] {
				want := fmt.Sprintf("montague.example/%s: opened here true, TLS true, by certificate %t, since ", domain, tt.roots == all)
				if !strings.Contains(out.String(), want) {
					t.Errorf("no %q in\n%s", want, &out)
				}
			}
		})
	}
}

// choose sets who is talked with.
func choose(fed *server.Federation) {
	fed.Allow = []string{"montague.example", "*.capulet.example"}
	fed.Deny = []string{"spam.capulet.example"}
}

// TestFederationAllowed: also what the senders are told.
func TestFederationAllowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		forServer, _ := xmpptest.TLS(t)
		s := xmpptest.NewServer(t, func(c *server.Config) {
			c.TLS, c.Federation = forServer, trusting(nil)
			choose(c.Federation)
			c.Federation.Dial = func(_ context.Context, pair dialback.Pair) (stream.Transport, error) {
				if pair.Remote.Domain() == "montague.example" {
					return nil, io.ErrUnexpectedEOF // it cannot be reached
				}
				return make(world).dial(t.Context(), pair)
			}
		})
		juliet := s.Client("juliet", nil)
		for domain, want := range map[string]stanza.Condition{
			"montague.example":          stanza.RemoteServerTimeout,
			"rooms.montague.example":    stanza.NotAllowed,
			"capulet.example":           stanza.NotAllowed,
			"rooms.capulet.example":     stanza.RemoteServerNotFound,
			"the.rooms.capulet.example": stanza.RemoteServerNotFound,
			"spam.capulet.example":      stanza.NotAllowed,
		} {
			if err := ping.Ping(t.Context(), juliet, jid.MustParse(domain)); !errors.Is(err, want) {
				t.Errorf("%s: %v, want %s", domain, err, want)
			}
		}
	})
}

// trustByHost has one host of a server talk with partners only, and lets others
// talk with an old friend.
func trustByHost(fed *server.Federation, intern jid.JID, partners map[jid.JID]bool, own *x509.CertPool, oldFriend jid.JID) {
	fed.Policy = func(pair dialback.Pair, t *server.Trust) error {
		switch {
		case pair.Local == intern && !partners[pair.Remote]:
			return stanza.NewError(stanza.NotAllowed, "for partners only")
		case pair.Local == intern:
			t.Roots, t.Dialback = own, false // our own authority, and nobody else
		case pair.Remote == oldFriend:
			t.Dialback, t.Plaintext = true, true
		}
		return nil
	}
}

func TestFederationPolicy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := make(world)
		w.add(t, "old.example") // has no TLS
		intern, oldFriend := jid.MustParse("intern.example"), jid.MustParse("old.example")
		// A net.Pipe has no buffer: if TLS fails both sides wait for the other one to read.
		fed := &server.Federation{Dial: w.dial, ConnectTimeout: 5 * time.Second}
		public, own := x509.NewCertPool(), x509.NewCertPool()
		config := new(tls.Config)
		for _, d := range []string{"montague.example", "intern.example"} {
			crt, err := server.SelfSigned(d)
			if err != nil {
				t.Fatal(err)
			}
			config.Certificates = append(config.Certificates, crt)
		}
		for domain, roots := range map[string]*x509.CertPool{"capulet.example": public, "partner.example": own, "false.example": public} {
			forServer, _ := xmpptest.TLS(t, domain)
			roots.AddCert(forServer.Certificates[0].Leaf)
			w[domain] = xmpptest.NewServer(t, func(c *server.Config) {
				c.Domains, c.TLS = []string{domain}, forServer
				c.Federation = &server.Federation{Dial: w.dial, Trust: server.Trust{Roots: x509.NewCertPool()}}
				for _, crt := range config.Certificates {
					c.Federation.Roots.AddCert(crt.Leaf)
				}
			})
		}
		partners := map[jid.JID]bool{jid.MustParse("partner.example"): true, jid.MustParse("false.example"): true}
		fed.Roots = public
		trustByHost(fed, intern, partners, own, oldFriend)
		s := xmpptest.NewServer(t, func(c *server.Config) {
			c.Domains, c.TLS, c.Federation = []string{"montague.example", "intern.example"}, config, fed
		})
		w["montague.example"], w["intern.example"] = s, s
		for _, tt := range []struct {
			from, to string
			want     stanza.Condition // "" if there is an answer
		}{
			{"montague.example", "capulet.example", ""},
			{"montague.example", "old.example", ""},
			{"montague.example", "partner.example", stanza.RemoteServerTimeout}, // not by the public roots
			{"intern.example", "partner.example", ""},
			{"intern.example", "false.example", stanza.RemoteServerTimeout},
			{"intern.example", "capulet.example", stanza.NotAllowed},
			{"intern.example", "old.example", stanza.NotAllowed},
		} {
			bot, err := s.Local(jid.MustParse("bot@"+tt.from), nil)
			if err != nil {
				t.Fatal(err)
			}
			err = ping.Ping(t.Context(), bot, jid.MustParse(tt.to))
			if e, ok := errors.AsType[*stanza.Error](err); err != nil && !ok || ok && e.Condition != tt.want || !ok && tt.want != "" {
				t.Errorf("%s to %s: %v, want %q", tt.from, tt.to, err, tt.want)
			}
			bot.Close()
		}
	})
}

// TestDocumentedFederationLimits compares the table with the constants, and with
// the fields.
func TestDocumentedFederationLimits(t *testing.T) {
	checkLimits(t, "docs/federation.md", map[string]string{
		"ConnectTimeout":  server.DefaultConnectTimeout.String(),
		"DialbackTimeout": server.DefaultDialbackTimeout.String(),
		"IdleTimeout":     server.DefaultIdleTimeout.String(),
		"CheckInterval":   server.DefaultCheckInterval.String(),
		"RetryDelay":      server.DefaultRetryDelay.String(),
		"MaxRetryDelay":   server.DefaultMaxRetryDelay.String(),
		"MaxWaiting":      size(server.DefaultMaxWaiting),
		"MaxAllWaiting":   size(server.DefaultMaxAllWaiting),
		"MaxLinks":        size(server.DefaultMaxLinks),
		"MaxDialing":      size(server.DefaultMaxDialing),
		"Rate":            size(server.DefaultServerRate),
		"Burst":           size(server.DefaultServerBurst),
		"ResumeTimeout":   server.DefaultServerResumeTimeout.String(),
		"MaxResumable":    size(server.DefaultMaxServerResumable),
	})
	text := markdown.Read(t, "docs/federation.md")
	for f := range reflect.TypeFor[server.Federation]().Fields() {
		switch f.Type.Kind() {
		case reflect.Int, reflect.Int64:
			if !strings.Contains(text, "| `"+f.Name+"` |") {
				t.Errorf("%s is missing in the table", f.Name)
			}
		}
	}
}
