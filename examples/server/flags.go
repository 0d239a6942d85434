package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"strings"
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
}

// later are flags whose features this version does not have. They are refused
// rather than ignored.
var later = map[string]string{
	"listen-s2s":       "federation",
	"listen-component": "external components",
	"listen-http":      "HTTP (WebSocket, BOSH, metrics)",
	"admin":            "administration",
	"component":        "external components",
	"s2s-map":          "federation",
	"s2s-ca":           "federation",
	"dialback":         "federation",
}

// parse reads the flags and checks what can be checked before anything is
// opened.
func parse(args []string, stderr io.Writer) (*options, error) {
	o := new(options)
	fs := flag.NewFlagSet("server", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.Func("domain", "virtual `host` (repeatable; default localhost)", func(v string) error {
		o.domains = append(o.domains, v)
		return nil
	})
	fs.StringVar(&o.listen, "listen", "127.0.0.1:5222", "`address` for clients with STARTTLS; empty: none")
	fs.StringVar(&o.listenTLS, "listen-tls", "127.0.0.1:5223", "`address` for clients with direct TLS; empty: none")
	fs.StringVar(&o.data, "data", "etherx-data", "data `folder`; memory: keep everything in memory")
	fs.Func("user", "`name:password` of an account on the first domain (repeatable)", func(v string) error {
		name, password, ok := strings.Cut(v, ":")
		if !ok || name == "" || password == "" {
			return errors.New("want name:password")
		}
		o.users = append(o.users, user{name, password})
		return nil
	})
	fs.BoolVar(&o.register, "register", false, "open in-band registration")
	fs.BoolVar(&o.allowPlaintext, "allow-plaintext", false, "allow authentication without TLS, on loopback only")
	fs.BoolVar(&o.legacy, "legacy", false, "keep what DIGEST-MD5 needs, and offer it")
	fs.StringVar(&o.cert, "cert", "", "certificate `file` (PEM); default: a self-signed one, made once, in the data folder")
	fs.StringVar(&o.key, "key", "", "key `file` (PEM)")
	fs.IntVar(&o.maxStanza, "max-stanza", 0, "largest stanza in `bytes`; 0: 256 KiB, -1: no limit")
	fs.IntVar(&o.rate, "rate", 0, "`bytes` a second that a client may send; 0: a safe rate, -1: no limit")
	for name, feature := range later {
		fs.Func(name, "not in this version: "+feature, func(v string) error {
			if strings.HasPrefix(name, "listen-") && v == "" {
				return nil // it is off
			}
			return fmt.Errorf("%s is not in this version", feature)
		})
	}
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	return o, o.check(fs)
}

func (o *options) check(fs *flag.FlagSet) error {
	if fs.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	if o.domains == nil {
		o.domains = []string{"localhost"}
	}
	if (o.cert == "") != (o.key == "") {
		return errors.New("-cert and -key go together")
	}
	if o.listen == "" && o.listenTLS == "" {
		return errors.New("there is nothing to listen on")
	}
	if o.allowPlaintext && o.listen != "" && !isLoopback(o.listen) {
		return fmt.Errorf("-allow-plaintext is refused: %s is not a loopback address", o.listen)
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
