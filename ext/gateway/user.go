package gateway

import (
	"cmp"
	"context"
	"sync"
	"time"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// errClosed is what who comes too late gets.
var errClosed = stanza.NewError(stanza.ServiceUnavailable, "The gateway is closed.")

// user is one for whom there is something to know or to do.
type user struct {
	g    *Gateway
	addr jid.JID // bare

	// The rest but for shown is under the lock of the gateway.

	jobs      []func(context.Context) // in order
	running   bool                    // by a goroutine
	syncing   bool                    // there is a job for sync
	resources map[jid.JID]*resource   // those that are available
	directed  map[string]Presence     // to be shown to one contact

	session Session  // nil: not logged in
	inbound *Inbound // of session, or of the log-in that is on its way
	told    Presence // what the network shows

	owes    bool          // the user has to be told that somebody is gone
	refused error         // why the last log-in failed, or the session was lost
	delay   time.Duration // until the next try
	retry   *time.Timer

	// tell is held while the user is told something of the network, so that what
	// he is told last is true. It is taken before the lock of the gateway.
	tell  sync.Mutex
	shown map[string]Presence // the people who are available, as he was told
}

// resource is a resource of a user that is available.
type resource struct {
	Presence
	priority int8
	at       uint64 // when it came
	direct   bool   // by presence to the gateway itself
	greeted  bool   // it was told that the gateway is available
}

// best returns the presence that stands for all: that of the highest priority,
// and of those the one that came last.
func best(resources map[jid.JID]*resource) Presence {
	var b *resource
	for _, r := range resources {
		if b == nil || cmp.Or(cmp.Compare(r.priority, b.priority), cmp.Compare(r.at, b.at)) > 0 {
			b = r
		}
	}
	if b == nil {
		return Presence{}
	}
	return b.Presence
}

// userOf returns the state of a user. Under the lock.
func (g *Gateway) userOf(addr jid.JID) (*user, error) {
	u := g.users[addr]
	switch {
	case u != nil:
		return u, nil
	case g.closed:
		return nil, errClosed
	case !within(len(g.users), g.MaxUsers, DefaultMaxUsers):
		return nil, &stanza.Error{Type: stanza.Wait, Condition: stanza.ResourceConstraint, Text: "The gateway is full."}
	}
	u = &user{g: g, addr: addr.Clone(), resources: make(map[jid.JID]*resource)}
	g.users[u.addr] = u
	return u, nil
}

// post has something done for a user, behind what there is to do already.
func (g *Gateway) post(addr jid.JID, job func(context.Context, *user)) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return errClosed
	}
	u, err := g.userOf(addr)
	if err != nil {
		return err
	}
	if !within(len(u.jobs), g.MaxQueued, DefaultMaxQueued) {
		return &stanza.Error{Type: stanza.Wait, Condition: stanza.ResourceConstraint, Text: "Too much waits for the network."}
	}
	u.jobs = append(u.jobs, func(ctx context.Context) { job(ctx, u) })
	u.start()
	return nil
}

// call is post, but waits until it is done.
func (g *Gateway) call(ctx context.Context, addr jid.JID, job func(context.Context, *user) error) error {
	done := make(chan error, 1)
	if err := g.post(addr, func(ctx context.Context, u *user) { done <- job(ctx, u) }); err != nil {
		return err
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// start has a goroutine do what there is to do. Under the lock.
func (u *user) start() {
	if !u.running {
		u.running = true
		u.g.work.Go(u.run)
	}
}

func (u *user) run() {
	for {
		job := u.next()
		if job == nil {
			return
		}
		job(u.g.ctx)
	}
}

// next takes the next job. If there is none, a user of whom there is nothing to
// know is forgotten.
func (u *user) next() (job func(context.Context)) {
	u.g.mu.Lock()
	defer u.g.mu.Unlock()
	if len(u.jobs) > 0 {
		job, u.jobs = u.jobs[0], u.jobs[1:]
		return job
	}
	u.running, u.jobs = false, nil
	if len(u.resources) == 0 && u.session == nil && !u.owes {
		u.stop()
		delete(u.g.users, u.addr)
	}
	return nil
}

// stop stops the timer. Under the lock.
func (u *user) stop() {
	if u.retry != nil {
		u.retry.Stop()
		u.retry = nil
	}
}
