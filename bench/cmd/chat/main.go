// Command chat measures what the delivery of a message costs a server, with and without
// stream management (XEP-0198) and the message archive (XEP-0313).
//
//	go run ./cmd/chat -addr 127.0.0.1:15222 -pid $(cat pid) -sm -archive on
//
// Pairs of users write to each other: each message that arrives makes its recipient send
// the next one back, so that -window messages are in flight for each pair. All that one
// read has brought is answered together. After -warm it counts for -d, in both cases at
// least until as many have arrived as are in flight. Then everything comes to rest, and
// every message must have arrived once, from whom it claims to be, and in order. With -sm
// all must have been acknowledged, and with -archive the last one must be in the archive,
// or must not.
//
// It prints one line: the processor time of the server's process and its descendants by
// the messages delivered, how many there were in a second, the median and the 99th
// percentile of the time that they took, and with -sm how often the server has asked for
// acknowledgement. The first is the figure: the clients are on the same machine, and at a
// large window a message mostly waits for others.
//
// The exit status is 1 if something went wrong, 2 for wrong flags.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"time"
)

type options struct {
	addr, domain, prefix, password string

	pairs, window, body int
	warm, d, patience   time.Duration
	pid                 int

	sm       bool
	ask      int
	archive  string
	register bool

	dial func(ctx context.Context) (net.Conn, error)
}

// logins is how many users log in at the same time.
const logins = 16

func main() {
	o := options{}
	flag.StringVar(&o.addr, "addr", "127.0.0.1:5222", "where the server listens, without TLS")
	flag.StringVar(&o.domain, "domain", "localhost", "its domain")
	flag.StringVar(&o.prefix, "prefix", "user", "user names are this and a number")
	flag.StringVar(&o.password, "password", "secret", "the password of all users")
	flag.IntVar(&o.pairs, "pairs", 100, "pairs of users that write to each other")
	flag.IntVar(&o.window, "window", 20, "messages in flight for each pair")
	flag.IntVar(&o.body, "body", 100, "bytes of text in a message, at least 60")
	flag.DurationVar(&o.warm, "warm", 2*time.Second, "time before it is measured")
	flag.DurationVar(&o.d, "d", 10*time.Second, "time for which it is measured")
	flag.DurationVar(&o.patience, "patience", 30*time.Second, "the longest time for each step")
	flag.IntVar(&o.pid, "pid", 0, "process of the server")
	flag.BoolVar(&o.sm, "sm", false, "stream management with resumption")
	flag.IntVar(&o.ask, "ask", 5, "with -sm: ask after so many messages; 0: as seldom as package stream does")
	flag.StringVar(&o.archive, "archive", "", "on or off: what the accounts prefer; empty: as they are")
	flag.BoolVar(&o.register, "register", true, "make the accounts if they are not there")
	flag.Parse()
	if err := o.check(); err != nil {
		fmt.Fprintln(os.Stderr, "chat:", err)
		os.Exit(2)
	}
	f, err := o.run(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, "chat:", err)
		os.Exit(1)
	}
	fmt.Println(f)
}

func (o *options) check() error {
	host, _, err := net.SplitHostPort(o.addr)
	if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
		return errors.New("-addr must be a loopback address: there is no TLS")
	}
	switch {
	case flag.NArg() > 0:
		return fmt.Errorf("unexpected argument %q", flag.Arg(0))
	case o.pairs < 1 || o.window < 1 || o.d <= 0 || o.warm < 0 || o.ask < 0:
		return errors.New("-pairs, -window and -d must be positive, -warm and -ask not negative")
	case o.window*o.body > 1<<20:
		return errors.New("-window times -body is over 1 MiB: more than connections take without being read")
	case o.archive != "" && o.archive != "on" && o.archive != "off":
		return errors.New("-archive is on, off or empty")
	}
	o.dial = func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", o.addr)
	}
	return nil
}

// run makes the accounts, logs in, and measures.
func (o *options) run(ctx context.Context) (f figures, err error) {
	if o.register {
		if err := o.registerAll(ctx); err != nil {
			return f, fmt.Errorf("registration: %w", err)
		}
	}
	users, err := o.loginAll(ctx)
	defer func() {
		for _, u := range users {
			u.close()
		}
	}()
	if err != nil {
		return f, fmt.Errorf("log-in: %w", err)
	}
	c := newChat(o, users)
	if f, err = c.measure(ctx); err != nil {
		return f, err
	}
	if o.archive == "" {
		return f, nil
	}
	if err := o.checkArchive(ctx, c.name); err != nil {
		return f, fmt.Errorf("archive: %w", err)
	}
	return f, nil
}
