// Command federation is two servers in one process, each with a domain and a
// certificate of its own, that find each other, believe each other, and carry what
// two people say.
//
//	go run ./examples/federation
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/dialback"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

// town is what the servers know of each other. In the open network the DNS says
// where a server is, and an authority vouches for its certificate.
type town struct {
	addrs map[string]string
	roots *x509.CertPool
}

// dial connects to the server of pair.Remote.
func (t *town) dial(ctx context.Context, pair dialback.Pair) (stream.Transport, error) {
	d := stream.Dialer{Service: stream.ServiceServer, Addr: t.addrs[pair.Remote.Domain()]}
	return d.Dial(ctx, pair.Remote.Domain())
}

// open starts the server of a domain, and tells the others of it.
func (t *town) open(ctx context.Context, domain string) (*server.Server, error) {
	crt, err := server.SelfSigned(domain)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0") // usually on port 5269
	if err != nil {
		return nil, err
	}
	t.roots.AddCert(crt.Leaf)
	t.addrs[domain] = l.Addr().String()
	s, err := server.New(server.Config{
		Domains:    []string{domain},
		TLS:        &tls.Config{Certificates: []tls.Certificate{crt}},
		Federation: &server.Federation{Trust: server.Trust{Roots: t.roots}, Dial: t.dial},
	})
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	go s.ServeS2S(ctx, l) // until ctx ends or s is closed
	return s, nil
}

// run lets romeo ask juliet something, and writes down what each of them hears.
func run(ctx context.Context, out io.Writer) error {
	verona := &town{addrs: make(map[string]string), roots: x509.NewCertPool()}
	montague, err := verona.open(ctx, "montague.example")
	if err != nil {
		return err
	}
	defer montague.Close()
	capulet, err := verona.open(ctx, "capulet.example")
	if err != nil {
		return err
	}
	defer capulet.Close()

	heard := make(chan string, 2)
	romeo, err := person(montague, "romeo@montague.example", "", heard)
	if err != nil {
		return err
	}
	juliet, err := person(capulet, "juliet@capulet.example", "Ay me!", heard)
	if err != nil {
		return err
	}
	err = xmpp.Send(ctx, romeo, &stanza.Message{To: juliet.LocalAddr(), Body: "What light through yonder window breaks?"})
	if err != nil {
		return err
	}
	for range 2 { // the question, and the answer
		select {
		case line := <-heard:
			fmt.Fprintln(out, line)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// person is somebody at a server, who tells us what is heard. A client that logs in
// would do as well.
func person(s *server.Server, account, answer string, heard chan<- string) (*server.Service, error) {
	mux := new(xmpp.Mux)
	mux.OnMessage(func(ctx context.Context, s xmpp.Sender, msg *stanza.Message) error {
		heard <- fmt.Sprintf("%s hears from %s: %s", msg.To, msg.From, msg.Body)
		if answer == "" {
			return nil
		}
		return xmpp.Send(ctx, s, msg.Reply(answer))
	})
	return s.Local(jid.MustParse(account), mux)
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := run(ctx, os.Stdout); err != nil {
		log.Fatal(err)
	}
}
