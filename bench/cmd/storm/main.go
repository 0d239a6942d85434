// Command storm measures a log-in storm: what it costs a server when all of its
// users come at the same time, each with a roster and contacts who want to know.
//
//	go run ./cmd/storm -addr 127.0.0.1:15222 -pid $(cat pid) [-users 200] [-contacts 50] [-rounds 5]
//
// The accounts user0, user1 ... with one password must exist. In a first step
// each befriends half as many of its neighbours as it is to have contacts, so
// that all subscriptions are mutual. Then all log in at once, and a round ends
// when each has its roster and has seen all its contacts; then all log out.
// Printed are the time of the round and the processor time of the server's
// process, with that of its children.
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/bench/internal/proc"
	"github.com/etherx-go/xmpp/client"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/presence"
	"github.com/etherx-go/xmpp/roster"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

type options struct {
	addr, domain, prefix, password string
	users, contacts, rounds, pid   int
	timeout                        time.Duration
}

func main() {
	var o options
	flag.StringVar(&o.addr, "addr", "127.0.0.1:5222", "where the server listens; TLS is used if it is offered")
	flag.StringVar(&o.domain, "domain", "localhost", "its domain")
	flag.StringVar(&o.prefix, "prefix", "user", "user names are this and a number")
	flag.StringVar(&o.password, "password", "secret", "the password of all users")
	flag.IntVar(&o.users, "users", 200, "users")
	flag.IntVar(&o.contacts, "contacts", 50, "contacts of each; even, and less than users")
	flag.IntVar(&o.rounds, "rounds", 5, "how often all log in; the median is printed last")
	flag.IntVar(&o.pid, "pid", 0, "process of the server")
	flag.DurationVar(&o.timeout, "timeout", 5*time.Minute, "the longest time for each step")
	flag.Parse()
	if err := run(&o); err != nil {
		fmt.Fprintln(os.Stderr, "storm:", err)
		os.Exit(1)
	}
}

func run(o *options) error {
	if o.contacts%2 != 0 || o.contacts >= o.users {
		return errors.New("-contacts must be even, and less than -users")
	}
	host, _, err := net.SplitHostPort(o.addr)
	if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
		return errors.New("-addr must be a loopback address: certificates are not checked")
	}
	if err := befriend(o); err != nil {
		return fmt.Errorf("subscriptions: %w", err)
	}
	var cpus, walls []time.Duration
	for i := range o.rounds {
		wall, cpu, err := storm(o)
		if err != nil {
			return fmt.Errorf("round %d: %w", i+1, err)
		}
		fmt.Printf("round %d: %v, server CPU %v, %v a log-in\n", i+1, wall.Round(time.Millisecond), cpu, cpu/time.Duration(o.users))
		walls, cpus = append(walls, wall), append(cpus, cpu)
	}
	slices.Sort(walls)
	slices.Sort(cpus)
	cpu := cpus[len(cpus)/2]
	fmt.Printf("median of %d users with %d contacts each: %v, server CPU %v, %v a log-in\n",
		o.users, o.contacts, walls[len(walls)/2].Round(time.Millisecond), cpu, cpu/time.Duration(o.users))
	return nil
}

func (o *options) account(i int) jid.JID {
	return jid.MustParse(o.prefix + strconv.Itoa((i+o.users)%o.users) + "@" + o.domain)
}

// friends are the contacts that user i is to have: its neighbours on both sides.
func (o *options) friends(i int) (all []jid.JID) {
	for d := 1; d <= o.contacts/2; d++ {
		all = append(all, o.account(i+d), o.account(i-d))
	}
	return all
}

// user is one client and what it waits for.
type user struct {
	client  *client.Client
	roster  *roster.Extension
	tracker *presence.Tracker
	friends []jid.JID
	changed chan struct{}
	ended   chan error
}

func newUser(o *options, i int, extensions ...xmpp.Extension) (*user, error) {
	u := &user{friends: o.friends(i), changed: make(chan struct{}, 1), ended: make(chan error, 1)}
	wake := func() {
		select {
		case u.changed <- struct{}{}:
		default:
		}
	}
	u.roster = &roster.Extension{OnChange: func(roster.Item) { wake() }}
	u.tracker = &presence.Tracker{OnChange: func(context.Context, xmpp.Sender, *stanza.Presence) { wake() }}
	var err error
	u.client, err = client.New(client.Config{
		JID: o.account(i), Password: o.password, AllowPlaintext: true,
		TLS: &tls.Config{InsecureSkipVerify: true}, // the way is on this machine; see run
		Dial: func(ctx context.Context) (stream.Transport, error) {
			var d net.Dialer
			nc, err := d.DialContext(ctx, "tcp", o.addr)
			if err != nil {
				return nil, err
			}
			return stream.NewTransport(nc), nil
		},
		Extensions: append(extensions, u.roster, u.tracker),
	})
	return u, err
}

// wait returns when done says so, or the client has ended.
func (u *user) wait(ctx context.Context, done func() bool) error {
	for !done() {
		select {
		case <-u.changed:
		case err := <-u.ended:
			return fmt.Errorf("%s: %w", u.client.LocalAddr(), err)
		case <-ctx.Done():
			return fmt.Errorf("%s: %w %v %v", u.client.LocalAddr(), ctx.Err(), u.roster.Items(), u.friends)
		}
	}
	return nil
}

// hasFriends reports whether all subscriptions are mutual.
func (u *user) hasFriends() bool {
	for _, f := range u.friends {
		if it, ok := u.roster.Item(f); !ok || it.Subscription != roster.Both {
			return false
		}
	}
	return true
}

// seesFriends reports whether all contacts are known to be there.
func (u *user) seesFriends() bool {
	if len(u.roster.Items()) < len(u.friends) {
		return false
	}
	for _, f := range u.friends {
		if len(u.tracker.Of(f)) == 0 {
			return false
		}
	}
	return true
}

// everybody runs all clients until each is done, and then ends them.
func everybody(o *options, extension func(i int) []xmpp.Extension, begin func(context.Context, *user) error, done func(*user) bool) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(context.Background(), o.timeout)
	defer cancel()
	users := make([]*user, o.users)
	for i := range users {
		var err error
		if users[i], err = newUser(o, i, extension(i)...); err != nil {
			return 0, err
		}
	}
	start := time.Now()
	var running, waiting sync.WaitGroup
	errs := make([]error, len(users))
	for i, u := range users {
		running.Go(func() { u.ended <- u.client.Run(ctx) })
		waiting.Go(func() {
			if begin != nil {
				if errs[i] = begin(ctx, u); errs[i] != nil {
					return
				}
			}
			errs[i] = u.wait(ctx, func() bool { return done(u) })
		})
	}
	waiting.Wait()
	took := time.Since(start)
	for _, u := range users {
		u.client.Close()
	}
	running.Wait()
	return took, errors.Join(errs...)
}

// befriend sees to it that all have their contacts.
func befriend(o *options) error {
	_, err := everybody(o, func(int) []xmpp.Extension {
		return []xmpp.Extension{&presence.Requests{Decide: presence.AllowAll, Mutual: true}}
	}, func(ctx context.Context, u *user) error {
		// Its own requests go to one side only: those of the other side come.
		if err := u.wait(ctx, func() bool { return len(u.tracker.Of(u.client.LocalAddr().Bare())) > 0 }); err != nil {
			return err
		}

		for i := 0; i < len(u.friends); i += 2 {
			if it, ok := u.roster.Item(u.friends[i]); ok && it.Subscription == roster.Both {
				continue
			}
			if err := presence.Subscribe(ctx, u.client, u.friends[i], ""); err != nil {
				return err
			}
		}
		return nil
	}, (*user).hasFriends)
	return err
}

// storm lets all log in at once.
func storm(o *options) (wall, cpu time.Duration, err error) {
	before, err := proc.CPU(o.pid)
	if err != nil {
		return 0, 0, err
	}
	wall, err = everybody(o, func(int) []xmpp.Extension { return nil }, nil, (*user).seesFriends)
	if err != nil {
		return 0, 0, err
	}
	after, err := proc.CPU(o.pid)
	return wall, after - before, err
}
