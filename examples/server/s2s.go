package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"

	"github.com/etherx-go/xmpp/dialback"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stream"
)

// addPlace reads -s2s-map.
func (o *options) addPlace(v string) error {
	domain, addr, _ := strings.Cut(v, "=")
	j, err := jid.Parse(domain)
	switch {
	case err != nil || !j.IsDomain() || !isHostPort(addr):
		return errors.New("want domain=host:port")
	case o.s2sMap[j] != "":
		return fmt.Errorf("%s has a place already", j)
	case o.s2sMap == nil:
		o.s2sMap = make(map[jid.JID]string)
	}
	o.s2sMap[j] = addr
	return nil
}

// setDNS reads -dns.
func (o *options) setDNS(v string) error {
	if v != "" && !isHostPort(v) {
		return errors.New("want host:port")
	}
	o.dns = v
	return nil
}

func isHostPort(addr string) bool {
	host, port, err := net.SplitHostPort(addr)
	n, badPort := strconv.ParseUint(port, 10, 16)
	return err == nil && host != "" && badPort == nil && n != 0
}

// federation returns how the server talks with others, nil if it does not.
func (o *options) federation() (*server.Federation, error) {
	if o.listenS2S == "" {
		return nil, nil
	}
	f := &server.Federation{
		Trust:  server.Trust{Dialback: o.dialback, Plaintext: o.s2sPlaintext},
		Dialer: new(stream.Dialer),
		Rate:   min(o.rate, 0), // it is for one client, and another server has many
	}
	if o.s2sCA != "" {
		pem, err := os.ReadFile(o.s2sCA)
		if err != nil {
			return nil, fmt.Errorf("-s2s-ca: %w", err)
		}
		if f.Roots = x509.NewCertPool(); !f.Roots.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("-s2s-ca: there is no certificate in %s", o.s2sCA)
		}
	}
	if o.dns != "" {
		f.Dialer.Resolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, o.dns)
		}}
	}
	f.Dial = func(ctx context.Context, pair dialback.Pair) (stream.Transport, error) {
		addr, ok := o.s2sMap[pair.Remote]
		if !ok {
			return nil, nil // the DNS says where it is
		}
		d := stream.Dialer{Service: stream.ServiceServer, Mode: stream.DialSTARTTLS, Addr: addr, Resolver: f.Dialer.Resolver}
		return d.Dial(ctx, pair.Remote.Domain())
	}
	return f, nil
}
