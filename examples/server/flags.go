package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"strings"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/server"
)

type user struct{ name, password string }

// options are the flags.
type options struct {
	domains           []string
	listen, listenTLS string
	data              string
	users             []user
	register          bool
	allowPlaintext    bool
	legacy            bool
	cert, key         string
	maxStanza, rate   int

	listenS2S              string // empty: no federation
	s2sMap                 map[jid.JID]string
	s2sCA, dns             string
	dialback, s2sPlaintext bool

	listenComponent string
	components      map[string]server.Component // by domain

	later map[string]string // flags of later versions that were set to something
}

// later are flags whose features this version does not have. They are refused
// rather than ignored.
var later = map[string]string{
	"listen-http": "HTTP (WebSocket, BOSH, metrics)",
	"admin":       "administration",
}

// parse reads the flags and checks what can be checked before anything is
// opened. It writes to stderr only if help is asked for; the error is
// flag.ErrHelp then.
func parse(args []string, stderr io.Writer) (*options, error) {
	o := &options{later: make(map[string]string)}
	fs := o.flagSet()
	switch err := fs.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprintln(stderr, "Usage: server [flags]")
		fs.SetOutput(stderr)
		fs.PrintDefaults()
		return nil, err
	case err != nil:
		return nil, err
	case fs.NArg() > 0:
		return nil, fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	return o, o.check()
}

// flagSet describes the flags.
func (o *options) flagSet() *flag.FlagSet {
	fs := flag.NewFlagSet("server", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.Usage = func() {}
	fs.Func("domain", "virtual `host` (repeatable; default localhost)", o.addDomain)
	fs.StringVar(&o.listen, "listen", "127.0.0.1:5222", "`address` for clients with STARTTLS; empty: none")
	fs.StringVar(&o.listenTLS, "listen-tls", "127.0.0.1:5223", "`address` for clients with direct TLS; empty: none")
	fs.StringVar(&o.data, "data", "etherx-data", "data `folder`; memory: keep everything in memory")
	fs.Func("user", "`name:password` of an account on the first domain (repeatable)", o.addUser)
	fs.BoolVar(&o.register, "register", false, "open in-band registration")
	fs.BoolVar(&o.allowPlaintext, "allow-plaintext", false, "allow authentication without TLS, on loopback only")
	fs.BoolVar(&o.legacy, "legacy", false, "serve clients of before RFC 3920; keep what DIGEST-MD5 and jabber:iq:auth need, the passwords")
	fs.StringVar(&o.cert, "cert", "", "certificate `file` (PEM); default: a self-signed one, made once, in the data folder")
	fs.StringVar(&o.key, "key", "", "key `file` (PEM)")
	fs.IntVar(&o.maxStanza, "max-stanza", 0, "largest stanza in `bytes`; 0: 256 KiB, -1: no limit")
	fs.IntVar(&o.rate, "rate", 0, "`bytes` a second that a client may send; 0: 256 KiB, -1: no limit, nor for servers")
	fs.StringVar(&o.listenS2S, "listen-s2s", "127.0.0.1:5269", "`address` for other servers; empty: no federation")
	fs.Func("s2s-map", "`domain=host:port` where the server of a domain is (repeatable; default: the DNS says it)", o.addPlace)
	fs.StringVar(&o.s2sCA, "s2s-ca", "", "`file` (PEM) of the authorities that vouch for other servers; default: the system's")
	fs.BoolVar(&o.dialback, "dialback", true, "believe the DNS about servers that have no such certificate")
	fs.BoolVar(&o.s2sPlaintext, "s2s-plaintext", false, "talk with servers that have no TLS, on loopback only")
	fs.Func("dns", "`host:port` of the DNS server to ask for other servers; default: the system's", o.setDNS)
	fs.StringVar(&o.listenComponent, "listen-component", "127.0.0.1:5347", "`address` for external components, if there are any; empty: none")
	fs.Func("component", "`name=secret` of an external component (repeatable)", o.addComponent)
	for name, feature := range later {
		fs.Func(name, "not in this version: "+feature, func(v string) error { return o.setLater(name, v) })
	}
	return fs
}

// setLater notes that a flag was set which is refused unless it is empty.
func (o *options) setLater(name, v string) error {
	if delete(o.later, name); v != "" {
		o.later[name] = v
	}
	return nil
}

func (o *options) addDomain(v string) error {
	j, err := jid.Parse(v)
	if err != nil {
		return err
	}
	if !j.IsDomain() {
		return errors.New("not a domain")
	}
	o.domains = append(o.domains, v)
	return nil
}

func (o *options) addUser(v string) error {
	name, password, ok := strings.Cut(v, ":")
	if !ok || name == "" || password == "" {
		return errors.New("want name:password")
	}
	o.users = append(o.users, user{name, password})
	return nil
}

func (o *options) check() error {
	if names := slices.Sorted(maps.Keys(o.later)); len(names) > 0 {
		return fmt.Errorf("-%s: %s is not in this version", names[0], later[names[0]])
	}
	if o.domains == nil {
		o.domains = []string{"localhost"}
	}
	switch {
	case (o.cert == "") != (o.key == ""):
		return errors.New("-cert and -key go together")
	case o.data == "":
		return errors.New("-data is empty: name a folder, or memory")
	case o.listen == "" && o.listenTLS == "":
		return errors.New("there is nothing to listen on: -listen and -listen-tls are empty")
	case o.allowPlaintext && o.listen != "" && !isLoopback(o.listen):
		return fmt.Errorf("-allow-plaintext is refused: %s is not a loopback address", o.listen)
	case o.s2sPlaintext && !o.dialback:
		return errors.New("-s2s-plaintext needs -dialback: without TLS there are no certificates")
	case o.s2sPlaintext && o.listenS2S != "" && !isLoopback(o.listenS2S):
		return fmt.Errorf("-s2s-plaintext is refused: %s is not a loopback address", o.listenS2S)
	case o.maxStanza < -1, o.rate < -1:
		return errors.New("-max-stanza and -rate are numbers of bytes, 0 for the default or -1 for no limit")
	}
	return nil
}

func isLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
