package simulation

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/archive"
	"github.com/etherx-go/xmpp/client"
	"github.com/etherx-go/xmpp/ext/carbons"
	"github.com/etherx-go/xmpp/internal/simnet"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/roster"
	"github.com/etherx-go/xmpp/sasl"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

// device is a client of an account, that is switched on and off. What it has got
// survives.
type device struct {
	w       *world
	name    string // of the device
	account jid.JID
	plain   bool // it knows of no archive: it gets what the server hands it
	copies  bool // it is plain, and not the only one of its account: it gets copies

	mu   sync.Mutex
	got  []arrival // as the program saw them
	keep archive.State
	next map[jid.JID]int // number of the next message
	ends []time.Time     // of sessions: when they had a connection last
	cut  time.Time       // when the session that there is has lost a connection last

	// Of the run that is on; nil while it is off.
	run *running
}

// arrival is a message that a device has got.
type arrival struct {
	body, way string
	at        time.Time
	in        int // the number of the session
}

func (a arrival) String() string { return a.at.Format("04:05.000") + " " + a.way + " " + a.body }

// running is a device that is switched on.
type running struct {
	d       *device
	client  *client.Client
	roster  *roster.Extension
	archive *archive.Client
	catchUp *archive.CatchUp
	cancel  context.CancelFunc
	done    chan struct{}
	fragile bool // the program does not survive the loss of its connection
	dies    int  // with which message it dies; 0: with none
	dead    atomic.Bool
	conn    *simnet.Conn // the last; guarded by mu of the device
	taken   int          // messages; guarded by the same
}

// on switches the device on.
func (d *device) on() {
	r := &running{d: d, roster: new(roster.Extension), archive: new(archive.Client), done: make(chan struct{})}
	if !d.w.calm.Load() {
		r.fragile, r.dies = d.w.rng.IntN(2) == 0, max(0, d.w.rng.IntN(12)-6)
	}
	r.catchUp = &archive.CatchUp{Account: d.account, First: -1, Copies: true}
	r.catchUp.Restore(d.keep)
	mux := new(xmpp.Mux)
	mux.OnMessage(r.message)
	cfg := client.Config{
		JID: d.account, Password: password, SASL: sasl.ClientConfig{MinIterations: 1}, AllowPlaintext: true, Handler: mux, Log: logger(d.name),
		Dial: func(ctx context.Context) (stream.Transport, error) {
			if r.dead.Load() {
				return nil, errDead
			}
			conn, err := d.w.net.Dial(ctx, domain)
			if err != nil {
				return nil, err
			}
			d.mu.Lock()
			defer d.mu.Unlock()
			r.conn = conn.(*simnet.Conn)
			return stream.NewTransport(conn), nil
		},
		Extensions:  []xmpp.Extension{r.roster},
		OnSuspended: r.suspended,
		OnResumed:   r.resumed,
		OnDown:      r.down,
		Backoff:     client.ExponentialBackoff(time.Second, 10*time.Second),
		KeepAlive:   20 * time.Second,
	}
	if d.plain {
		// Who has always the same resource takes the place of what it has left; from
		// another one it would get that when its time is over.
		cfg.JID, _ = d.account.WithResource(d.name)
	} else {
		cfg.Extensions = append(cfg.Extensions, r.archive)
		cfg.OnUp, cfg.Resend = r.sync, r.archive.Missing
	}
	if !d.plain || d.copies {
		cfg.Extensions = append(cfg.Extensions, &carbons.Extension{Handle: r.copied})
	}
	c, err := client.New(cfg)
	if err != nil {
		d.w.t.Error(err)
		return
	}
	r.client = c
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	go func() {
		defer close(r.done)
		c.Run(ctx)
	}()
	d.run = r
}

// off switches it off, in order. What the client had taken and not brought away then is
// lost, which it logs.
func (d *device) off() {
	d.run.cancel()
	<-d.run.done
	d.w.forgive(d)
	d.mu.Lock()
	d.keep = d.run.catchUp.State()
	d.mu.Unlock()
	d.run = nil
}

// suspended ends a program that is fragile. The server keeps its session for a while.
func (r *running) suspended(xmpp.Sender, error) {
	r.d.mu.Lock()
	r.d.cut = time.Now()
	r.d.mu.Unlock()
	if r.fragile {
		r.die()
	}
}

// die ends the program as kill -9 does.
func (r *running) die() {
	r.dead.Store(true)
	r.cancel()
}

func (r *running) resumed(context.Context, xmpp.Sender) {
	r.d.mu.Lock()
	defer r.d.mu.Unlock()
	r.d.cut = time.Time{}
}

// down notes that a session has ended.
func (r *running) down(xmpp.Sender, error) {
	r.d.mu.Lock()
	defer r.d.mu.Unlock()
	if r.d.cut.IsZero() {
		r.d.cut = time.Now()
	}
	r.d.ends = append(r.d.ends, r.d.cut)
	r.d.cut = time.Time{}
}

// sync reads what the device has missed.
func (r *running) sync(ctx context.Context, s xmpp.Sender) {
	for ctx.Err() == nil {
		var err error
		for m, e := range r.catchUp.Run(ctx, r.archive, s) {
			if r.dead.Load() {
				return
			}
			if err = e; err == nil {
				r.take(m.Stanza, "archive")
			}
		}
		if err == nil {
			return
		}
		select { // the server does not answer, perhaps it cannot
		case <-time.After(5 * time.Second):
		case <-ctx.Done():
		}
	}
}

// message handles what comes.
func (r *running) message(ctx context.Context, s xmpp.Sender, m *stanza.Message) error {
	if m.Type == stanza.TypeError {
		r.d.w.refused(m.ID)
		return nil
	}
	st, err := m.Stanza()
	if err != nil {
		return err
	}
	r.live(s, st)
	return nil
}

func (r *running) copied(ctx context.Context, s xmpp.Sender, c carbons.Copy) error {
	r.live(s, c.Stanza)
	return nil
}

func (r *running) live(s xmpp.Sender, st *stanza.Stanza) {
	if r.dead.Load() {
		return
	}
	if r.d.plain {
		r.take(st, "live")
		return
	}
	if m, ok := r.catchUp.Live(s, st); ok {
		r.take(m.Stanza, "live")
		r.catchUp.Done(m)
	}
}

// take is what the program does with a message.
func (r *running) take(st *stanza.Stanza, way string) {
	body := st.Child(stanza.NSClient, "body").Text()
	r.d.mu.Lock()
	defer r.d.mu.Unlock()
	if r.taken++; r.taken == r.dies { // and does not come to acknowledging it
		r.conn.Cut()
		r.die()
	}
	if body != "" && st.To.Bare() == r.d.account {
		r.d.got = append(r.d.got, arrival{body, way, time.Now(), len(r.d.ends)})
	}
}

// send sends a message, if there is a session.
func (d *device) send(to jid.JID) {
	if d.run == nil {
		return
	}
	n := d.next[to]
	d.next[to]++
	s := &sending{from: d, to: to, n: n}
	d.w.note(s)
	c, m := d.run.client, &stanza.Message{ID: s.body(), Type: stanza.TypeChat, To: to, Body: s.body()}
	take := func(deliver func(context.Context, xmpp.Sender, *stanza.Message) error, within time.Duration) {
		ctx, cancel := context.WithTimeout(context.Background(), within)
		defer cancel()
		if deliver(ctx, c, m) == nil {
			d.w.mu.Lock()
			s.taken = true
			d.w.mu.Unlock()
		}
	}
	if !d.plain {
		take(sendMessage, time.Second)
		return
	}
	// What such a device has sent and the server has not confirmed is lost with its
	// session. The next is sent when this one is queued.
	go take(confirmMessage, time.Minute)
	synctest.Wait()
}

func sendMessage(ctx context.Context, s xmpp.Sender, m *stanza.Message) error {
	return xmpp.Send(ctx, s, m)
}

func confirmMessage(ctx context.Context, s xmpp.Sender, m *stanza.Message) error {
	return xmpp.Confirm(ctx, s, m)
}

// editRoster changes something in the roster.
func (d *device) editRoster(rng *rand.Rand) {
	if d.run == nil {
		return
	}
	c := jid.MustParse(fmt.Sprintf("contact%d@elsewhere.example", rng.IntN(5)))
	it := roster.Item{JID: c, Name: fmt.Sprint(rng.IntN(1000))}
	remove := rng.IntN(4) == 0
	run := d.run
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if remove {
			roster.Delete(ctx, run.client, c)
			return
		}
		roster.Set(ctx, run.client, it)
	}()
}

// unacked is how long before the end of a session's last connection what was got may not
// have been acknowledged, because that connection was dead already: until the client
// asks for a sign of life, and there is none.
const unacked = time.Minute

// again says what is wrong with a message that has come twice, the first time as a; "" if
// nothing is: to who knows no archive comes again what it had not acknowledged when its
// session ended, and perhaps as a message what another device of the account has left, and
// an earlier session has got a copy of.
func (d *device) again(a, b arrival) string {
	switch {
	case a.in == b.in:
		return fmt.Sprintf("%s has got %s twice in a session", d.name, a.body)
	case !d.plain, !d.copies && d.ends[a.in].Sub(a.at) > unacked:
		return fmt.Sprintf("%s has got %s twice", d.name, a.body)
	}
	return ""
}

// check says what is wrong with what the device has got.
func (d *device) check() (wrong []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	first := make(map[string]int) // where in got a message is, first
	for i, b := range d.got {
		if at, ok := first[b.body]; !ok {
			first[b.body] = i
		} else if text := d.again(d.got[at], b); text != "" {
			wrong = append(wrong, text)
		}
	}
	last := make(map[*device]int)
	for _, s := range d.w.sent {
		if s.to != d.account {
			continue
		}
		switch i, ok := first[s.body()]; {
		case s.from == d, d.copies: // it knows what it has sent; see [world.checkCopies]
		case !ok && s.taken && !s.error:
			wrong = append(wrong, fmt.Sprintf("%s has not got %s", d.name, s.body()))
		case ok && !s.error && i < last[s.from]:
			wrong = append(wrong, fmt.Sprintf("%s has got %s before what was sent before it", d.name, s.body()))
		case ok && !s.error:
			last[s.from] = i
		}
	}
	if len(wrong) > 0 {
		wrong = append(wrong, fmt.Sprintf("%s has got, in this order:", d.name))
		for _, a := range d.got {
			wrong = append(wrong, a.String())
		}
	}
	return wrong
}
