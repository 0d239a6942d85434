//go:build interop

package interop

import (
	"cmp"
	"context"
	"fmt"
	mathrand "math/rand/v2"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/client"
	"github.com/etherx-go/xmpp/interop/internal/peer"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// TestResume has clients and servers go through bad connections: the TCP connection is
// cut, or dies without a word, after some bytes, again and again. Nothing is lost, and
// nothing is double.
func TestResume(t *testing.T) {
	t.Parallel()
	n := *seed
	if n == 0 {
		n = mathrand.Uint64()
	}
	for _, tt := range servers[:3] {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			t.Logf("-seed %d", n)
			start := tt.start
			if tt.name == "ejabberd" {
				// What it says takes it longer than what it does.
				start = peer.Ejabberd{Quiet: true}.Start
			}
			s := start(t)
			t.Run("XEP0198 cuts", func(t *testing.T) { resumeOverCuts(t, s, mathrand.New(mathrand.NewPCG(n, 0))) })
			t.Run("XEP0198 another process", func(t *testing.T) { resumeInAnotherProcess(t, s) })
			t.Run("XEP0198 slixmpp", func(t *testing.T) { testForeignResume(t, s) })
			t.Run("XEP0198 profanity", func(t *testing.T) { testProfanityResumes(t, s) })
			t.Run("XEP0280 profanity", func(t *testing.T) { testProfanityCopies(t, s) })
			t.Run("XEP0313 catching up", func(t *testing.T) { testCatchUps(t, s, n) })
		})
	}
}

// resumeOverCuts has our client resume its session (XEP-0198) while it talks with a
// client on a connection that lasts. It is one session.
func resumeOverCuts(t *testing.T, s *peer.Server, rng *mathrand.Rand) {
	p := newProxy(t, s.Addr, rng)
	r := run(t, s, config(t, s, newAccount(t, s), false))
	cfg := config(t, s, newAccount(t, s), false)
	cfg.Dialer.Addr = p.addr()
	cfg.KeepAlive, cfg.PingTimeout, cfg.Stream.NegotiationTimeout = 2*time.Second, time.Second, 5*time.Second
	var mu sync.Mutex
	ups, resumed := 0, 0
	var wire []string // what came, in its order
	cfg.Stream.Trace = func(sent bool, xml []byte) {
		if m := bodyOf.FindSubmatch(xml); m != nil && !sent {
			mu.Lock()
			wire = append(wire, string(m[1]))
			mu.Unlock()
		}
	}
	cfg.OnUp = func(context.Context, xmpp.Sender) { mu.Lock(); ups++; mu.Unlock() }
	cfg.OnResumed = func(context.Context, xmpp.Sender) { mu.Lock(); resumed++; mu.Unlock() }
	j := run(t, s, cfg)
	juliet, romeo := j.session(t), r.session(t)

	p.setFaults(true)
	const count = 100
	var bodies []string
	confirmed := make(chan error, count)
	for i := range count {
		body := fmt.Sprint(i)
		bodies = append(bodies, body)
		r.send(t, juliet.String(), body)
		if i%10 == 0 {
			ctx, cancel := context.WithTimeout(t.Context(), 2*limit)
			defer cancel()
			m := &stanza.Message{To: romeo, Type: stanza.TypeChat, Body: body}
			confirmed <- xmpp.Confirm(ctx, j, m)
		} else {
			j.send(t, romeo.String(), body)
		}
	}
	p.setFaults(false)
	close(confirmed)
	for err := range confirmed {
		if err != nil {
			t.Errorf("Confirm: %v", err)
		}
	}
	expectExactly(t, "romeo", r, bodies)
	got := bodiesOf(t, "juliet", j, count)
	mu.Lock()
	if !slices.Equal(got, wire) {
		t.Errorf("juliet got %q, on the wire came %q", got, wire)
	}
	if s.Name == "ejabberd" && !slices.Equal(got, bodies) {
		t.Logf("in this order: %q", got)
		// What comes while it moves a session to another connection it may send
		// before what came earlier.
		slices.SortFunc(got, func(a, b string) int { return cmp.Or(len(a)-len(b), cmp.Compare(a, b)) })
	}
	if !slices.Equal(got, bodies) {
		t.Errorf("juliet got %q", got)
	}
	if ups != 1 || resumed == 0 {
		t.Errorf("%d sessions, resumed %d times", ups, resumed)
	}
	t.Logf("resumed %d times", resumed)
	mu.Unlock()
	j.leave(t)
	r.leave(t)
}

// resumeInAnotherProcess ends a client and begins another one with what it has saved.
func resumeInAnotherProcess(t *testing.T, s *peer.Server) {
	r := run(t, s, config(t, s, newAccount(t, s), false))
	account := newAccount(t, s)
	cfg := config(t, s, account, false)
	cfg.Resumptions = client.FileStore(filepath.Join(t.TempDir(), "session"))
	romeo := r.session(t)
	var first jid.JID
	for i := range 3 {
		another := make(chan bool, 1)
		cfg.OnUp = func(_ context.Context, s xmpp.Sender) {
			another <- s.(interface{ Resumed() bool }).Resumed()
		}
		j := run(t, s, cfg)
		juliet := j.session(t)
		if got := waitFor(t, "session", another); got != (i > 0) {
			t.Errorf("%d: resumed is %v", i, got)
		}
		if i == 0 {
			first = juliet
		} else {
			expectExactly(t, "juliet", j, []string{fmt.Sprint("meanwhile ", i)})
		}
		if juliet != first {
			t.Errorf("%d: the address is %s, was %s", i, juliet, first)
		}
		j.send(t, romeo.String(), fmt.Sprint("from ", i))
		j.cancel()
		if err := waitFor(t, "end", j.ended); err != nil {
			t.Errorf("Run: %v", err)
		}
		r.send(t, first.String(), fmt.Sprint("meanwhile ", i+1))
	}
	expectExactly(t, "romeo", r, []string{"from 0", "from 1", "from 2"})
	r.leave(t)
}

// expectExactly waits for messages with these bodies, and says if one is missing,
// double, or in another order.
func expectExactly(t *testing.T, who string, r *running, want []string) {
	t.Helper()
	if got := bodiesOf(t, who, r, len(want)); !slices.Equal(got, want) {
		t.Errorf("%s got %q, want %q", who, got, want)
	}
}

var bodyOf = regexp.MustCompile(`<message .*<body>([^<]*)</body>`)

// bodiesOf waits for at least n messages, and what comes with them.
func bodiesOf(t *testing.T, who string, r *running, n int) (got []string) {
	t.Helper()
	for len(got) < n {
		got = append(got, waitFor(t, fmt.Sprintf("message %d of %s", len(got), who), r.messages).Body)
	}
	r.session(t) // what has been sent before the answer has come
	for len(r.messages) > 0 {
		got = append(got, (<-r.messages).Body)
	}
	return got
}
