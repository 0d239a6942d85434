package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/etherx-go/xmpp/bench/internal/proc"
	"github.com/etherx-go/xmpp/stanza"
)

// chat is one measurement.
type chat struct {
	o         *options
	name      string // begins the text of all its messages
	epoch     time.Time
	sides     []*side // 2i and 2i+1 are a pair
	measuring atomic.Bool
	stopping  atomic.Bool // nothing is answered any more
	closing   atomic.Bool // streams may end
	failed    chan error
	readers   sync.WaitGroup
}

// side is one user of a pair. What is not atomic belongs to its reader, or to the time
// when that does not run.
type side struct {
	*user
	c    *chat
	peer *side

	unanswered int    // messages that have come since the last answer
	expected   uint64 // the number of the next message
	unasked    int    // messages since the last question for acknowledgement
	times      []time.Duration

	got, sent atomic.Uint64
}

// fault says that a message is not the one that had to come.
type fault struct{ text string }

func (f fault) Error() string { return f.text }

func newChat(o *options, users []*user) *chat {
	c := &chat{o: o, name: rand.Text(), epoch: time.Now(), failed: make(chan error, len(users))}
	for _, u := range users {
		c.sides = append(c.sides, &side{user: u, c: c})
	}
	for i, s := range c.sides {
		s.peer = c.sides[i^1]
		s.tr.idle = s.answer
	}
	return c
}

// read is the reader of a side.
func (s *side) read() {
	for {
		st, err := s.next()
		if err == nil && st.Kind == stanza.KindMessage {
			err = s.take(st)
		}
		if err == nil {
			continue
		}
		if _, ok := errors.AsType[fault](err); ok || !s.c.closing.Load() {
			s.c.failed <- fmt.Errorf("%s: %w", s.addr, err)
		}
		return
	}
}

// take looks whether a message is the one that had to come.
func (s *side) take(st *stanza.Stanza) error {
	if st.Type == stanza.TypeError {
		return fault{"an error came: " + st.Err().Error()}
	}
	words := strings.SplitN(st.Child(stanza.NSClient, "body").Text(), " ", 4)
	if len(words) < 3 || words[0] != s.c.name {
		return nil // waited for the user since an earlier run
	}
	n, err := strconv.ParseUint(words[1], 10, 64)
	at, err2 := strconv.ParseInt(words[2], 10, 64)
	switch {
	case err != nil || err2 != nil:
		return fault{fmt.Sprintf("a message was changed: %.100q", words)}
	case st.From != s.peer.addr:
		return fault{fmt.Sprintf("a message came from %s in place of %s", st.From, s.peer.addr)}
	case n != s.expected:
		return fault{fmt.Sprintf("message %d came in place of %d", n, s.expected)}
	}
	s.expected++
	s.unanswered++
	if s.c.measuring.Load() {
		s.times = append(s.times, time.Since(s.c.epoch)-time.Duration(at))
	}
	return nil
}

// answer sends a message for each that has come. These are counted then, so that nothing
// is in flight when as many have come, in all, as were sent.
func (s *side) answer() error {
	n := s.unanswered
	if n == 0 {
		return nil
	}
	s.unanswered = 0
	defer s.got.Add(uint64(n))
	if s.c.stopping.Load() {
		return nil
	}
	return s.send(n)
}

func (s *side) send(n int) error {
	text := make([]byte, 0, s.c.o.body+64)
	for range n {
		id := strconv.FormatUint(s.sent.Add(1)-1, 10)
		text = append(append(append(text[:0], s.c.name...), ' '), id...)
		text = append(text, ' ')
		text = append(strconv.AppendInt(text, int64(time.Since(s.c.epoch)), 10), ' ')
		for len(text) < s.c.o.body {
			text = append(text, 'x')
		}
		m := stanza.Message{Type: stanza.TypeChat, To: s.peer.addr, ID: id, Body: string(text)}
		st, err := m.Stanza()
		if err == nil {
			err = s.conn.TrySend(st)
		}
		if err != nil {
			return err
		}
	}
	if s.unasked += n; s.c.o.ask > 0 && s.unasked >= s.c.o.ask {
		s.unasked = 0
		s.conn.RequestAck() // does nothing where nothing is acknowledged
	}
	return nil
}

// start sends the messages that are in flight from then on.
func (c *chat) start() error {
	for i := range c.sides {
		n := c.o.window / 2
		if i%2 == 0 {
			n = c.o.window - n
		}
		if err := c.sides[i].send(n); err != nil {
			return err
		}
	}
	for _, s := range c.sides {
		c.readers.Go(s.read)
	}
	return nil
}

// pass lets time go by until as much has come as is in flight, too, and returns how much
// has come: a server that is slow and takes all before it delivers is measured over whole
// turns of that.
func (c *chat) pass(d time.Duration) (got uint64, err error) {
	before, _ := c.totals()
	turn := uint64(c.o.window) * uint64(len(c.sides)/2)
	end := time.Now().Add(max(d, c.o.patience))
	if err := c.wait(d); err != nil {
		return 0, err
	}
	for {
		if got, _ = c.totals(); got-before >= turn {
			return got, nil
		}
		if time.Now().After(end) {
			return got, fmt.Errorf("%d of %d messages were delivered in %v", got-before, turn, max(d, c.o.patience))
		}
		if err := c.wait(poll); err != nil {
			return got, err
		}
	}
}

// wait lets time go by, unless something fails.
func (c *chat) wait(d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case err := <-c.failed:
		return err
	case <-t.C:
		return nil
	}
}

func (c *chat) totals() (got, sent uint64) {
	for _, s := range c.sides {
		got += s.got.Load()
	}
	for _, s := range c.sides {
		sent += s.sent.Load()
	}
	return got, sent
}

// measure lets them write, and verifies.
func (c *chat) measure(ctx context.Context) (f figures, err error) {
	defer c.readers.Wait()
	defer func() {
		c.closing.Store(true)
		for _, s := range c.sides {
			s.close()
		}
	}()
	if err := c.start(); err != nil {
		return f, err
	}
	if f, err = c.count(); err != nil {
		return f, err
	}
	c.stopping.Store(true)
	if err := c.rest(); err != nil {
		return f, err
	}
	if err := c.end(ctx); err != nil {
		return f, err
	}
	return f, c.finish(&f)
}

// count is the time that is measured.
func (c *chat) count() (f figures, err error) {
	if _, err := c.pass(c.o.warm); err != nil {
		return f, err
	}
	cpu, err := proc.CPU(c.o.pid)
	if err != nil {
		return f, err
	}
	start := time.Now()
	before, _ := c.totals()
	c.measuring.Store(true)
	after, err := c.pass(c.o.d)
	if err != nil {
		return f, err
	}
	c.measuring.Store(false)
	f.wall = time.Since(start)
	now, err := proc.CPU(c.o.pid)
	if err != nil {
		return f, err
	}
	f.cpu, f.deliveries = now-cpu, after-before
	return f, nil
}

const (
	// still is for how long nothing may come any more when all has come.
	still = 100 * time.Millisecond
	// poll is how often it is looked whether enough has come.
	poll = 10 * time.Millisecond
)

// rest waits until nothing is in flight.
func (c *chat) rest() error {
	for end := time.Now().Add(c.o.patience); ; {
		if got, sent := c.totals(); got == sent {
			return c.wait(still)
		}
		if time.Now().After(end) {
			break
		}
		if err := c.wait(poll); err != nil {
			return err
		}
	}
	for _, s := range c.sides {
		if got, sent := s.got.Load(), s.peer.sent.Load(); got != sent {
			return fmt.Errorf("%s: %d messages have come, %d were sent", s.addr, got, sent)
		}
	}
	return nil
}

// end closes the streams in order. With stream management all that was sent must be
// acknowledged before.
func (c *chat) end(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.o.patience)
	defer cancel()
	err := each(len(c.sides), func(i int) error {
		if c.o.sm {
			return c.sides[i].conn.Settle(ctx)
		}
		return nil
	})
	if err != nil {
		return err
	}
	c.closing.Store(true)
	return each(len(c.sides), func(i int) error {
		// A server that does not close its side in order is not what is measured.
		if err := c.sides[i].conn.Shutdown(ctx, nil); errors.Is(err, context.DeadlineExceeded) {
			return err
		}
		return nil
	})
}

// finish adds up what the sides have seen, when their readers have ended.
func (c *chat) finish(f *figures) error {
	c.readers.Wait()
	var times []time.Duration
	for _, s := range c.sides {
		times = append(times, s.times...)
		f.asked += s.asked
		f.total += s.got.Load()
		if got, sent := s.expected, s.peer.sent.Load(); got != sent {
			return fmt.Errorf("%s: %d messages have come in the end, %d were sent", s.addr, got, sent)
		}
	}
	select {
	case err := <-c.failed:
		return err
	default:
	}
	slices.Sort(times)
	f.p50, f.p99 = times[len(times)/2], times[len(times)*99/100]
	return nil
}

// figures are what is measured.
type figures struct {
	wall, cpu, p50, p99      time.Duration
	deliveries, total, asked uint64
}

// String returns one line of names and values.
func (f figures) String() string {
	cpu := "-"
	if f.cpu > 0 {
		cpu = fmt.Sprintf("%.2f", float64(f.cpu)/1e3/float64(f.deliveries))
	}
	return fmt.Sprintf("cpu_us=%s per_s=%.0f p50_ms=%.2f p99_ms=%.2f asks=%.3f deliveries=%d",
		cpu, float64(f.deliveries)/f.wall.Seconds(), float64(f.p50)/1e6, float64(f.p99)/1e6,
		float64(f.asked)/float64(f.total), f.deliveries)
}
