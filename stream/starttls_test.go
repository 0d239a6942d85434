package stream

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/sasl"
)

const (
	offerTLS = "<stream:features><starttls xmlns='" + NSStartTLS + "'/></stream:features>"
	startTLS = "<starttls xmlns='" + NSStartTLS + "'/>"
	proceed  = "<proceed xmlns='" + NSStartTLS + "'/>"
)

// serverTLS is the configuration of a server with one certificate.
func serverTLS(cert tls.Certificate) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{cert}}
}

// TestReq_R6120_5_1: STARTTLS, restart, SASL with channel binding, restart,
// bind: our client with our server, over a pipe and over TCP, and by direct TLS.
func TestReq_R6120_5_1(t *testing.T) {
	cert, roots := dialCert(t, "capulet.com")
	for _, kind := range []string{"pipe", "TCP", "direct"} {
		t.Run(kind, func(t *testing.T) {
			a, b := tcpPair(t)
			if kind == "pipe" {
				a, b = net.Pipe()
			}
			clientConfig := &tls.Config{RootCAs: roots}
			server := background(func() (*Conn, error) {
				cfg := robWith(t, sasl.DefaultMinIterations)
				cfg.Certificate = cert.Leaf
				fs := append([]Feature{ServeTLS(serverTLS(cert), true)}, SASLServer{Config: cfg, Needs: Secure}.Features()...)
				tr := NewTransport(b)
				if kind == "direct" {
					tc := tls.Server(b, serverTLS(cert))
					if err := tc.Handshake(); err != nil {
						return nil, err
					}
					tr = NewTransport(tc)
				}
				return Accept(t.Context(), tr, Config{}, openTo(append(fs, bindRob())))
			})
			tr := NewTransport(a)
			if kind == "direct" {
				tr = NewTransport(tls.Client(a, clientTLS(clientConfig, "capulet.com")))
				if err := tr.(*netTransport).tls.Load().Handshake(); err != nil {
					t.Fatal(err)
				}
			}
			var got jid.JID
			c, err := Initiate(t.Context(), tr, Config{}, clientHeader, append([]Feature{StartTLS(clientConfig)}, clientFeatures("secret", &got)...))
			if err != nil {
				t.Fatal(err)
			}
			s := server.must(t)
			if c.TLS() == nil || s.TLS() == nil || c.TLS().ServerName != "capulet.com" || c.State() != Secure|Authenticated|Ready || s.State() != c.State() || got.String() != "rob@capulet.com/balcony" {
				t.Errorf("%v %v %b %v", c.TLS(), s.TLS(), c.State(), got)
			}
			if c.Received().ID != s.Sent().ID || s.Received().To != c.Sent().To {
				t.Error("headers")
			}
			go finish(s)
			go drain(c)
			if err := c.Shutdown(t.Context(), nil); err != nil {
				t.Error(err)
			}
			<-s.Ended()
		})
	}
}

func TestServeTLSInjection(t *testing.T) {
	cert, _ := dialCert(t, "capulet.com")
	for _, tt := range []struct{ name, in, want string }{
		{"stanza", startTLS + "<message/>", streamError("policy-violation", "bytes behind &lt;starttls/&gt;, before the TLS handshake")},
		{"one byte", startTLS + "\n\x16", streamError("policy-violation", "bytes behind &lt;starttls/&gt;, before the TLS handshake")},
		{"white space", startTLS + "\r\n ", proceed},
		{"inside an iq", "<iq type='set' id='1'>" + startTLS + "</iq>", streamError("not-authorized", "iq before the stream is ready")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := net.Pipe()
				p := newPeer(t, a)
				n := background(func() (*Conn, error) {
					return Accept(t.Context(), NewTransport(b), Config{}, openTo([]Feature{ServeTLS(serverTLS(cert), false)}))
				})
				p.send(hello)
				p.expect(answer + offerTLS)
				go p.send(tt.in)
				p.expect(tt.want)
				p.close()
				if _, err := n.wait(); tt.want != proceed && !isCondition(err, PolicyViolation) && !isCondition(err, NotAuthorized) {
					t.Error(err)
				}
			})
		})
	}
}

// TestServeTLSFailure: no handshake, no certificate, and STARTTLS within TLS.
func TestServeTLSFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, config := range []*tls.Config{nil, {}} {
			a, b := net.Pipe()
			p := newPeer(t, a)
			n := background(func() (*Conn, error) {
				return Accept(t.Context(), NewTransport(b), Config{}, openTo([]Feature{ServeTLS(config, false)}))
			})
			p.send(hello + startTLS)
			p.expect(answer + offerTLS + proceed)
			p.send("<stream:stream>")
			if got := p.rest(); strings.Contains(got, "<") {
				t.Errorf("plaintext after <proceed/>: %q", got)
			}
			_, err := n.wait()
			if e, ok := errors.AsType[*TLSError](err); !ok || e.ServerName != "" || !strings.HasPrefix(err.Error(), "stream: TLS: ") {
				t.Error(err)
			}
		}
		// The peer never begins the handshake.
		a, b := net.Pipe()
		p := newPeer(t, a)
		n := background(func() (*Conn, error) {
			cert, _ := dialCert(t, "capulet.com")
			return Accept(t.Context(), NewTransport(b), Config{}, openTo([]Feature{ServeTLS(serverTLS(cert), false)}))
		})
		p.send(hello + startTLS)
		if got := p.rest(); !strings.HasSuffix(got, proceed) {
			t.Error(got)
		}
		if _, err := n.wait(); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
	cert, roots := dialCert(t, "capulet.com")
	a, b := net.Pipe()
	n := background(func() (*Conn, error) {
		return Accept(t.Context(), NewTransport(b), Config{}, openTo([]Feature{ServeTLS(serverTLS(cert), false)}))
	})
	p := newPeer(t, a)
	p.send(hello + startTLS)
	p.expect(answer + offerTLS + proceed)
	// The peer's own reading is over: TLS reads what it collects from now on.
	tc := tls.Client(&rawPeer{peer: p, Conn: a}, &tls.Config{RootCAs: roots, ServerName: "capulet.com"})
	if err := tc.Handshake(); err != nil {
		t.Fatal(err)
	}
	q := newPeer(t, tc)
	q.send(hello)
	q.expect(answer + "<stream:features></stream:features>")
	q.send(startTLS)
	q.expect("<failure xmlns='" + NSStartTLS + "'/>" + end)
	q.close()
	if _, err := n.wait(); !errors.Is(err, errNotOffered) {
		t.Error(err)
	}
}

// rawPeer is a connection that reads what a peer collects.
type rawPeer struct {
	*peer
	net.Conn
}

func (r *rawPeer) Close() error { return r.Conn.Close() }

func (r *rawPeer) Read(b []byte) (int, error) {
	for {
		r.mu.Lock()
		n := copy(b, r.got[r.at:])
		r.at += n
		err := r.err
		r.mu.Unlock()
		if n > 0 || err != nil {
			return n, err
		}
		<-r.news
	}
}

// TestStartTLSClient: what a client makes of the answers to <starttls/>.
func TestStartTLSClient(t *testing.T) {
	for _, tt := range []struct{ name, reply, last, err string }{
		{"refused", "<failure xmlns='" + NSStartTLS + "'/>" + end, end, "stream: TLS to capulet.com: refused by the server"},
		{"injection", proceed + "<stream:features/>", streamError("policy-violation", "bytes behind &lt;proceed/&gt;, before the TLS handshake"),
			"stream error policy-violation: bytes behind <proceed/>, before the TLS handshake"},
		{"something else", "<proceed xmlns='urn:x'/>", streamError("unsupported-stanza-type", "{urn:x}proceed answers &lt;starttls/&gt;"),
			"stream error unsupported-stanza-type: {urn:x}proceed answers <starttls/>"},
		{"not offered", "", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := net.Pipe()
				p := newPeer(t, a)
				n := background(func() (*Conn, error) {
					return Initiate(t.Context(), NewTransport(b), Config{}, clientHeader, append([]Feature{StartTLS(nil)}, clientFeatures("secret", nil)...))
				})
				p.expect(hello)
				if tt.name == "not offered" {
					p.send(offer(offerMechanisms + offerBind))
					p.expect(end)
					p.close()
					want := "stream: cannot go on: offered {urn:ietf:params:xml:ns:xmpp-sasl}mechanisms (refused without TLS); " +
						"offered {urn:ietf:params:xml:ns:xmpp-bind}bind (refused before authentication)"
					if _, err := n.wait(); err == nil || err.Error() != want {
						t.Errorf("%v\nwant %s", err, want)
					}
					return
				}
				p.send(answer + offerTLS)
				p.expect(startTLS)
				p.send(tt.reply)
				p.expect(tt.last)
				p.close()
				if _, err := n.wait(); err == nil || err.Error() != tt.err {
					t.Errorf("%v\nwant %s", err, tt.err)
				}
			})
		})
	}
	t.Run("certificate of another name", func(t *testing.T) {
		cert, roots := dialCert(t, "montague.net")
		a, b := net.Pipe()
		server := background(func() (*Conn, error) {
			return Accept(t.Context(), NewTransport(b), Config{}, openTo([]Feature{ServeTLS(serverTLS(cert), true)}))
		})
		_, err := Initiate(t.Context(), NewTransport(a), Config{}, clientHeader, []Feature{StartTLS(&tls.Config{RootCAs: roots})})
		e, ok := errors.AsType[*TLSError](err)
		if !ok || e.ServerName != "capulet.com" || !strings.Contains(err.Error(), "montague.net") {
			t.Error(err)
		}
		if _, err := server.wait(); err == nil {
			t.Error("the server found nothing")
		}
	})
	t.Run("CORE-5.1.2-3 old offer", func(t *testing.T) {
		a, b := net.Pipe()
		p := newPeer(t, a)
		n := background(func() (*Conn, error) {
			return Initiate(t.Context(), NewTransport(b), Config{}, Header{To: capulet, Version: V1, OldSASL: true}, []Feature{StartTLS(nil)})
		})
		p.expect(mixedHello)
		p.send(decl + "<stream:stream" + streamDecl + saslDecl + " id='1' version='1.0'><sasl:features><mechanisms xmlns='" + NSOldSASL + "'><mechanism>PLAIN</mechanism></mechanisms>" +
			"<starttls xmlns='http://www.ietf.org/rfc/rfc2246.txt'/></sasl:features>")
		p.expect(startTLS)
		p.close()
		n.wait()
	})
}

func TestTransport(t *testing.T) {
	a, b := Pipe()
	for _, tr := range []Transport{a, b} {
		if p, ok := tr.(interface{ Private() bool }); !ok || !p.Private() || tr.TLS() != nil {
			t.Error("a pipe is private and has no TLS")
		}
		if err := tr.(*netTransport).CloseWrite(); err != nil {
			t.Error(err)
		}
	}
	a.Close()
	cert, roots := dialCert(t, "capulet.com")
	c, s := tcpPair(t)
	tr, srv := NewTransport(c), NewTransport(s)
	done := make(chan error)
	go func() { done <- srv.StartTLS(t.Context(), serverTLS(cert), true) }()
	if err := tr.StartTLS(t.Context(), &tls.Config{RootCAs: roots, ServerName: "capulet.com"}, false); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if err := tr.StartTLS(t.Context(), nil, false); err != errTLSTwice {
		t.Error(err)
	}
	// Half closed: the other direction still works.
	if err := tr.(*netTransport).CloseWrite(); err != nil {
		t.Error(err)
	}
	if n, err := srv.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Error(n, err)
	}
	go srv.Write([]byte("x"))
	buf := make([]byte, 1)
	if n, err := tr.Read(buf); n != 1 || err != nil || !bytes.Equal(buf, []byte("x")) {
		t.Error(n, err)
	}
	if err := tr.Close(); err != nil {
		t.Error(err)
	}
	srv.Close()
}

// TestOldVersionWithTLS: a peer without version may ask for TLS, and its SASL
// configuration is that of the secured stream then.
func TestOldVersionWithTLS(t *testing.T) {
	cert, roots := dialCert(t, "capulet.com")
	a, b := net.Pipe()
	n := background(func() (*Conn, error) {
		fs := append([]Feature{ServeTLS(serverTLS(cert), true)}, SASLServer{Config: digestServer().Config, Needs: Secure}.Features()...)
		return Accept(t.Context(), NewTransport(b), Config{}, openTo(fs))
	})
	p := newPeer(t, a)
	p.send(oldHello)
	p.expect(oldAnswer)
	p.send("<sasl:auth mechanism='DIGEST-MD5'/>")
	p.expect("<sasl:failure/>")
	p.send(startTLS)
	p.expect(proceed)
	tc := tls.Client(&rawPeer{peer: p, Conn: a}, &tls.Config{RootCAs: roots, ServerName: "capulet.com"})
	if err := tc.Handshake(); err != nil {
		t.Fatal(err)
	}
	q := newPeer(t, tc)
	q.send(oldHello)
	q.expect(oldAnswer + oldOffer)
	q.send("<sasl:auth mechanism='DIGEST-MD5'/>")
	q.wait("</sasl:challenge>")
	q.close()
	n.wait()
}
