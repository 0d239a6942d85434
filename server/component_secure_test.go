package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"testing"
	"time"
)

// from is a connection with an address at its other end.
type from struct {
	net.Conn
	ip net.IP
}

func (f from) RemoteAddr() net.Addr { return &net.TCPAddr{IP: f.ip, Port: 5347} }

// connected returns the two ends of a TCP connection.
func connected(t *testing.T) (a, b net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if a, err = net.Dial("tcp", l.Addr().String()); err == nil {
		b, err = l.Accept()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

// TestComponentSecure: a component that is connected to on another machine has TLS, with
// a certificate for the name that it is called by, or the named option.
func TestComponentSecure(t *testing.T) {
	crt, err := SelfSigned("gw.internal")
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := leafOf(&crt)
	if err != nil {
		t.Fatal(err)
	}
	trust := &tls.Config{RootCAs: x509.NewCertPool()}
	trust.RootCAs.AddCert(leaf)
	named := trust.Clone()
	named.ServerName = "gw.internal"
	remote, here := net.IPv4(192, 0, 2, 1), net.IPv4(127, 0, 0, 1)
	for _, tt := range []struct {
		name      string
		ip        net.IP
		plaintext bool
		tls       *tls.Config
		addr      string
		ok        bool
	}{
		{"on this machine", here, false, nil, "gw.internal:5347", true},
		{"on another machine", remote, false, nil, "gw.internal:5347", false},
		{"in the same network", net.IPv4(10, 0, 0, 2), false, nil, "gw.internal:5347", false},
		{"on another machine, which is allowed", remote, true, nil, "gw.internal:5347", true},
		{"with TLS", remote, false, trust, "gw.internal:5347", true},
		{"with TLS, and the name of another", remote, true, trust, "sms.internal:5347", false},
		{"with TLS, by another address", remote, false, named, "192.0.2.1:5347", true},
		{"with TLS, from somebody who is not trusted", remote, false, new(tls.Config), "gw.internal:5347", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, b := connected(t)
			shaken := make(chan error, 1)
			go func() {
				if tt.tls == nil {
					shaken <- nil
					return
				}
				shaken <- tls.Server(b, &tls.Config{Certificates: []tls.Certificate{crt}}).HandshakeContext(context.Background())
			}()
			cs := &components{cfg: Components{Plaintext: tt.plaintext}}
			tr, err := cs.secure(t.Context(), from{a, tt.ip}, Component{Addr: tt.addr, TLS: tt.tls})
			if (err == nil) != tt.ok || (tr != nil) != tt.ok {
				t.Errorf("%v, %v", tr, err)
			}
			if tt.tls == nil && !tt.ok && !errors.Is(err, errComponentPlaintext) {
				t.Errorf("refused with %v", err)
			}
			if !tt.ok {
				if err := a.SetDeadline(time.Now()); !errors.Is(err, net.ErrClosed) {
					t.Errorf("the connection is open: %v", err)
				}
			}
			b.Close()
			<-shaken
		})
	}
}
