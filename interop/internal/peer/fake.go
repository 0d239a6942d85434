//go:build linux

package peer

import (
	"cmp"
	"crypto/tls"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
)

const (
	nsServer        = "jabber:server"
	nsDialback      = "jabber:server:dialback"
	nsDialbackOffer = "urn:xmpp:features:dialback"
)

// Fake is a server for other servers that goes only so far: it takes streams,
// STARTTLS and keys of dialback, and makes none itself.
type Fake struct {
	// Deaf accepts connections and never says anything.
	Deaf bool
	// Result is the type of its answer to a key of dialback: "valid" without
	// asking anybody, "invalid". Empty never answers.
	Result string
	// External offers SASL EXTERNAL under TLS, and takes it from anybody.
	External bool
	// Plain does without TLS.
	Plain bool
	// CertDomain is the domain of its certificate, instead of its own.
	CertDomain string
}

// FakeServer is a running [Fake].
type FakeServer struct {
	Fake
	Domain string

	cert  tls.Certificate
	mu    sync.Mutex
	conns map[net.Conn]bool // nil when it has ended
	seen  []string
}

// Start starts one for a domain, which it tells the DNS.
func (f Fake) Start(t testing.TB, d *DNS, domain string, ca *CA) *FakeServer {
	t.Helper()
	addr := freePort(t)
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	d.Serve(domain, addr)
	s := &FakeServer{Fake: f, Domain: domain, cert: ca.Server(t, cmp.Or(f.CertDomain, domain)).TLS, conns: map[net.Conn]bool{}}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() { s.serve(conn) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		s.mu.Lock()
		for conn := range s.conns {
			conn.Close()
		}
		s.conns = nil
		s.mu.Unlock()
		running.Wait()
	})
	return s
}

// Seen returns what has been sent to it: the names and attributes of elements,
// in order on each stream.
func (s *FakeServer) Seen() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.seen)
}

func (s *FakeServer) serve(conn net.Conn) {
	defer conn.Close()
	s.mu.Lock()
	ended := s.conns == nil
	if !ended {
		s.conns[conn] = true
	}
	s.mu.Unlock()
	if ended {
		return
	}
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.conns, conn)
	}()
	err := s.talk(conn)
	s.note("end: %v", err)
}

func (s *FakeServer) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = append(s.seen, fmt.Sprintf(format, args...))
}

// talk goes through the streams of a connection.
func (s *FakeServer) talk(conn net.Conn) error {
	if s.Deaf {
		_, err := io.Copy(io.Discard, conn)
		return err
	}
	secure := s.Plain
	authenticated := false
	dec := xml.NewDecoder(conn)
	if err := s.open(conn, dec, secure, authenticated); err != nil {
		return err
	}
	for {
		n, err := s.next(dec)
		if err != nil {
			return err
		}
		answer := ""
		switch n.XMLName {
		case xml.Name{Space: nsTLS, Local: "starttls"}:
			if s.Plain {
				_, err := fmt.Fprintf(conn, "<failure xmlns='%s'/></stream:stream>", nsTLS)
				return err
			}
			if _, err := fmt.Fprintf(conn, "<proceed xmlns='%s'/>", nsTLS); err != nil {
				return err
			}
			conn = tls.Server(conn, &tls.Config{
				Certificates: []tls.Certificate{s.cert}, ClientAuth: tls.RequestClientCert, MinVersion: tls.VersionTLS12,
			})
			secure = true
			dec = xml.NewDecoder(conn)
			err = s.open(conn, dec, secure, authenticated)
		case xml.Name{Space: nsSASL, Local: "auth"}:
			authenticated = true
			if _, err := fmt.Fprintf(conn, "<success xmlns='%s'/>", nsSASL); err != nil {
				return err
			}
			dec = xml.NewDecoder(conn)
			err = s.open(conn, dec, secure, authenticated)
		case xml.Name{Space: nsDialback, Local: "result"}:
			if s.Result != "" {
				answer = fmt.Sprintf("<db:result from='%s' to='%s' type='%s'/>", n.attr("to"), n.attr("from"), s.Result)
			}
		}
		if err == nil && answer != "" {
			_, err = io.WriteString(conn, answer)
		}
		if err != nil {
			return err
		}
	}
}

// open reads the header of a stream, and writes one with features.
func (s *FakeServer) open(conn net.Conn, dec *xml.Decoder, secure, authenticated bool) error {
	for {
		token, err := dec.Token()
		if err != nil {
			return err
		}
		start, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		s.note("%s", describe(start))
		var to string
		for _, a := range start.Attr {
			if a.Name.Local == "from" {
				to = a.Value
			}
		}
		var features strings.Builder
		switch {
		case !secure:
			fmt.Fprintf(&features, "<starttls xmlns='%s'><required/></starttls>", nsTLS)
		case authenticated:
		default:
			if s.External {
				fmt.Fprintf(&features, "<mechanisms xmlns='%s'><mechanism>EXTERNAL</mechanism></mechanisms>", nsSASL)
			}
			fmt.Fprintf(&features, "<dialback xmlns='%s'><errors/></dialback>", nsDialbackOffer)
		}
		_, err = fmt.Fprintf(conn, "<?xml version='1.0'?><stream:stream xmlns='%s' xmlns:stream='%s' xmlns:db='%s' "+
			"from='%s' to='%s' id='fake' version='1.0'><stream:features>%s</stream:features>",
			nsServer, nsStreams, nsDialback, s.Domain, to, features.String())
		return err
	}
}

// next reads the next child of the stream.
func (s *FakeServer) next(dec *xml.Decoder) (*node, error) {
	for {
		token, err := dec.Token()
		if err != nil {
			return nil, err
		}
		switch tok := token.(type) {
		case xml.EndElement:
			s.note("end of stream")
			return nil, errors.New("the stream was closed")
		case xml.StartElement:
			n := &node{}
			if err := dec.DecodeElement(n, &tok); err != nil {
				return nil, err
			}
			s.note("%s %v", describe(tok), n.names())
			return n, nil
		}
	}
}

// describe writes down a start tag.
func describe(start xml.StartElement) string {
	var b strings.Builder
	b.WriteString(start.Name.Local)
	for _, a := range start.Attr {
		if a.Name.Space != "xmlns" && a.Name.Local != "xmlns" {
			fmt.Fprintf(&b, " %s=%q", a.Name.Local, a.Value)
		}
	}
	return b.String()
}
