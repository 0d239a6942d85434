//go:build interop

package interop

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/archive"
	"github.com/etherx-go/xmpp/client"
	"github.com/etherx-go/xmpp/ext/carbons"
	"github.com/etherx-go/xmpp/interop/internal/peer"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// reader handles each message once, whether it comes in a session or is found in the
// archive.
type reader struct {
	archive archive.Client
	catchUp archive.CatchUp
	client  *running // which it is a part of
	log     func(format string, args ...any)

	mu     sync.Mutex
	bodies []string
	live   int // of them came in a session
	come   chan struct{}
}

// newReader sets a client up to be one.
func newReader(t *testing.T, cfg *client.Config, state archive.State) *reader {
	t.Helper()
	r := &reader{come: make(chan struct{}, 1), log: t.Logf}
	r.catchUp.Account, r.catchUp.First, r.catchUp.Copies = cfg.JID.Bare(), -1, true
	r.catchUp.Restore(state)
	cfg.Extensions = append(cfg.Extensions, &r.archive)
	cfg.OnUp = r.onUp
	return r
}

// HandleXMPP handles messages, and copies of them.
func (r *reader) HandleXMPP(_ context.Context, s xmpp.Sender, st *stanza.Stanza) error {
	if c, ok, _ := carbons.Of(s.LocalAddr(), st); ok {
		st = c.Stanza
	}
	if st.Kind == stanza.KindMessage && st.Type != stanza.TypeError && st.Message().Body != "" {
		r.take(s, st)
	}
	return nil
}

func (r *reader) take(s xmpp.Sender, st *stanza.Stanza) {
	m, ok := r.catchUp.Live(s, st)
	if !ok {
		return
	}
	if m.ID == "" {
		r.log("not archived: %s", st)
	}
	r.handle(m, true)
	r.catchUp.Done(m)
}

func (r *reader) onUp(ctx context.Context, s xmpp.Sender) {
	for m, err := range r.catchUp.Run(ctx, &r.archive, s) {
		if err != nil {
			r.log("catching up: %v", err)
			return // the next session goes on
		}
		r.handle(m, false)
	}
}

func (r *reader) handle(m archive.Message, live bool) {
	r.mu.Lock()
	r.bodies = append(r.bodies, m.Stanza.Message().Body)
	if live {
		r.live++
	}
	r.mu.Unlock()
	select {
	case r.come <- struct{}{}:
	default:
	}
}

// read returns what has been read, and how much of it in a session.
func (r *reader) read() ([]string, int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.bodies), r.live
}

// all returns what the archive has.
func (r *reader) all(t *testing.T) (bodies []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	for m, err := range r.archive.Messages(ctx, r.client, jid.JID{}, archive.Query{}) {
		if err != nil {
			t.Error(err)
			break
		}
		bodies = append(bodies, m.Stanza.Message().Body)
	}
	return bodies
}

// await waits until so many have been read. again, if not nil, is called now and then.
func (r *reader) await(t *testing.T, n int, again func()) {
	t.Helper()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	var ticks <-chan time.Time
	if again != nil {
		ticker := time.NewTicker(3 * time.Second)
		defer ticker.Stop()
		ticks = ticker.C
	}
	for {
		bodies, _ := r.read()
		if len(bodies) >= n {
			return
		}
		select {
		case <-r.come:
		case <-ticks:
			again()
		case <-timer.C:
			t.Fatalf("%d of %d messages have come: %q; the archive has %q", len(bodies), n, bodies, r.all(t))
		}
	}
}

// testCatchUps has our client read what comes in its sessions and what the archive has
// got between them (XEP-0313), in one process and the next: each message once, and in
// order. Its connections break, and its sessions with them.
func testCatchUps(t *testing.T, s *peer.Server, seed uint64) {
	variants := []bool{false, true}
	if s.Name == "ejabberd" {
		// Without acknowledgements version 23.01 now and then loses a message for a
		// session that is dead, and it is not in the archive either.
		variants = variants[1:]
	}
	for _, acks := range variants {
		t.Run(fmt.Sprint("acks ", acks), func(t *testing.T) {
			testCatchUp(t, s, mathrand.New(mathrand.NewPCG(seed, 1)), acks)
		})
	}
}

// testCatchUp: with acks the server finds out what has not come, and so sends it again
// elsewhere or later; what the archive has too.
func testCatchUp(t *testing.T, s *peer.Server, rng *mathrand.Rand, acks bool) {
	const processes, each = 2, 40
	account := newAccount(t, s)
	r := run(t, s, config(t, s, newAccount(t, s), false))
	r.session(t)
	p := newProxy(t, s.Addr, rng)
	var state archive.State
	var sent, got []string
	fromArchive := 0
	send := func() {
		body := fmt.Sprint(len(sent))
		sent = append(sent, body)
		r.send(t, account.JID(), body)
	}
	for range processes {
		// Somebody who is there before is asked for nothing.
		for range 5 {
			send()
		}
		r.session(t)
		cfg := config(t, s, account, false)
		cfg.Dialer.Addr = p.addr()
		cfg.NoAcks, cfg.ResumeTimeout = !acks, -1
		cfg.KeepAlive, cfg.PingTimeout, cfg.Stream.NegotiationTimeout = 2*time.Second, 2*time.Second, 5*time.Second
		reader := newReader(t, &cfg, state)
		j := runWith(t, s, cfg, reader)
		reader.client = j
		j.session(t)
		for range 5 {
			send()
		}
		reader.await(t, len(sent)-len(got), nil)
		p.setFaults(true)
		for i := range each {
			send()
			if i%4 == 0 {
				r.session(t)
			}
			if i%10 == 9 {
				p.breakAll()
			}
		}
		p.setFaults(false)
		var again func()
		if s.Name == "ejabberd" {
			// It puts into the archive what a session that is dead would have got when
			// that comes to it, which may be after the next session has read it; and
			// copies nothing for who is there by then. So it is found after the next gap.
			again = p.breakAll
		}
		reader.await(t, len(sent)-len(got), again)
		r.session(t)
		j.session(t)
		j.leave(t)
		bodies, live := reader.read()
		got = append(got, bodies...)
		fromArchive += len(bodies) - live
		state = reader.catchUp.State()
	}
	if s.Name == "ejabberd" && !slices.Equal(got, sent) {
		t.Logf("in this order: %q", got)
		// What a dead connection has not taken it sends again elsewhere, behind what
		// has come since.
		slices.SortFunc(got, func(a, b string) int { return cmp.Or(len(a)-len(b), cmp.Compare(a, b)) })
	}
	if !slices.Equal(got, sent) {
		t.Errorf("read %q\nsent %q", got, sent)
	}
	t.Logf("%d of %d were found in the archive or waited for it", fromArchive, len(got))
	if fromArchive == 0 {
		t.Error("none was found in the archive, which shows nothing")
	}
	r.leave(t)
}

// TestKilledSession kills the ready server, which keeps everything in a folder, under
// two of our clients that talk, again and again. They come back by themselves. What was
// confirmed is read, once and in order; what was sent without waiting for that is sent
// again if the archive does not have it, and so is read once too.
func TestKilledSession(t *testing.T) {
	t.Parallel()
	n := *seed
	if n == 0 {
		n = mathrand.Uint64()
	}
	t.Logf("-seed %d", n)
	rng := mathrand.New(mathrand.NewPCG(n, 2))
	s := peer.Etherx{Root: "..", Data: t.TempDir()}.Start(t)

	cfg := config(t, s, newAccount(t, s), false)
	reader := newReader(t, &cfg, archive.State{})
	j := runWith(t, s, cfg, reader)
	reader.client = j
	romeo := config(t, s, newAccount(t, s), false)
	var sender archive.Client
	romeo.Extensions = []xmpp.Extension{&sender}
	romeo.Resend = sender.Missing
	r := run(t, s, romeo)
	to := j.session(t).Bare()
	r.session(t)

	const rounds, each = 4, 60
	var confirmed, doubtful []string
	for round := range rounds {
		died, when := make(chan struct{}), rng.IntN(each)
		for i := range each {
			if i == when {
				go func() {
					defer close(died)
					s.Kill(t)
					s.Restart(t)
				}()
			}
			body := fmt.Sprintf("%d.%d", round, i)
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			switch err := sendOrConfirm(ctx, r, to, body, i%3 != 0); {
			case err == nil:
				confirmed = append(confirmed, body)
			case errors.Is(err, xmpp.ErrUnacknowledged):
				doubtful = append(doubtful, body)
			default:
				t.Errorf("%s: %v", body, err)
			}
			cancel()
		}
		waitFor(t, "restart", died)
		t.Logf("killed at message %d", when)
		if got := j.session(t).Bare(); got != to {
			t.Errorf("juliet is %s", got)
		}
		r.session(t)
	}
	reader.await(t, len(confirmed), nil)
	j.session(t)
	bodies, _ := reader.read()
	t.Logf("%d confirmed, %d in doubt, of which %d have come", len(confirmed), len(doubtful), len(bodies)-len(confirmed))
	bodies = slices.DeleteFunc(bodies, func(b string) bool {
		i := slices.Index(doubtful, b)
		if i >= 0 {
			doubtful = slices.Delete(doubtful, i, i+1) // once
		}
		return i >= 0
	})
	if !slices.Equal(bodies, confirmed) {
		t.Errorf("read %q\nsent %q", bodies, confirmed)
	}
	j.leave(t)
	r.leave(t)
}

// sendOrConfirm waits for an acknowledgement or not.
func sendOrConfirm(ctx context.Context, r *running, to jid.JID, body string, wait bool) error {
	m := &stanza.Message{To: to, Type: stanza.TypeChat, Body: body}
	for {
		send := xmpp.Send
		if wait {
			send = xmpp.Confirm
		}
		err := send(ctx, r, m)
		if !xmpp.SafeToRetry(err) {
			return err
		}
		if err := r.WaitReady(ctx); err != nil {
			return err
		}
	}
}
