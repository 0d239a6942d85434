package server_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	xmpp "github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stanza"
)

// newQuickNetwork returns a network for tests that make thousands of servers: with
// certificates that were made for the first of them, which are good for all because
// the time under synctest always begins with the same.
func newQuickNetwork(t testing.TB) *network {
	quick.mu.Lock()
	defer quick.mu.Unlock()
	if quick.ca == nil {
		quick.ca, quick.issued = newAuthority(t), make(map[string]tls.Certificate)
	}
	return &network{t: t, ca: quick.ca, servers: make(map[string]*server.Server), quick: true}
}

var quick struct {
	mu     sync.Mutex
	ca     *authority
	issued map[string]tls.Certificate
}

// certificate returns the one that a domain shows.
func (n *network) certificate(domain string) tls.Certificate {
	if n.ca != quick.ca {
		return n.ca.issue(n.t, domain)
	}
	quick.mu.Lock()
	defer quick.mu.Unlock()
	if _, ok := quick.issued[domain]; !ok {
		quick.issued[domain] = quick.ca.issue(n.t, domain)
	}
	return quick.issued[domain]
}

// goWay changes a config to one of the ways in which servers trust each other.
func goWay(i int, c *server.Config) {
	if ways[i].change != nil {
		ways[i].change(c)
	}
}

// eachWay runs a test for each of them.
func eachWay(t *testing.T, test func(t *testing.T, n *network, way func(*server.Config))) {
	t.Helper()
	for i, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				test(t, newQuickNetwork(t), func(c *server.Config) { goWay(i, c) })
			})
		})
	}
}

// person is an account that keeps count: of what it has said, of what has come for
// it, and of what it was told about what it has said.
type person struct {
	*server.Service
	t    testing.TB
	addr jid.JID
	news chan struct{} // something has come

	mu   sync.Mutex
	said []string // ids
	got  []string // ids of messages, as they came
	told map[string][]stanza.Condition
	when map[string]time.Duration // from when it was said until it was told
	at   map[string]time.Time
}

func (n *network) person(s *server.Server, addr string) *person {
	n.t.Helper()
	p := &person{t: n.t, addr: jid.MustParse(addr), news: make(chan struct{}, 1), told: make(map[string][]stanza.Condition),
		when: make(map[string]time.Duration), at: make(map[string]time.Time)}
	svc, err := s.Local(p.addr, xmpp.HandlerFunc(func(_ context.Context, _ xmpp.Sender, st *stanza.Stanza) error {
		p.take(st)
		select {
		case p.news <- struct{}{}:
		default:
		}
		return nil
	}))
	if err != nil {
		n.t.Fatal(err)
	}
	p.Service = svc
	return p
}

func (p *person) take(st *stanza.Stanza) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if st.Kind != stanza.KindMessage {
		return
	}
	if st.Type != stanza.TypeError {
		p.got = append(p.got, st.ID)
		return
	}
	c := stanza.Condition("no error")
	if e, ok := st.Err().(*stanza.Error); ok {
		c = e.Condition
	}
	p.told[st.ID] = append(p.told[st.ID], c)
	p.when[st.ID] = time.Since(p.at[st.ID])
}

// forget has it forget all that was said and heard.
func (p *person) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.said, p.got, p.told = nil, nil, make(map[string][]stanza.Condition)
}

// settle lets time pass, and all that is to happen then.
func settle(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// says sends a message of so many bytes, or a few more, and returns its id: the name
// of who speaks and a number, which grows.
func (p *person) says(to *person, size int) string {
	p.t.Helper()
	p.mu.Lock()
	id := fmt.Sprintf("%s-%d", p.addr.Local(), len(p.said))
	p.said = append(p.said, id)
	p.at[id] = time.Now()
	p.mu.Unlock()
	body := stanza.Raw("<body>" + strings.Repeat("x", size) + "</body>")
	st, err := stanza.New(stanza.Header{Kind: stanza.KindMessage, Type: stanza.TypeChat, To: to.addr, ID: id}, body)
	if err != nil {
		p.t.Fatal(err)
	}
	if err := p.Send(context.Background(), st); err != nil {
		p.t.Fatal(err)
	}
	return id
}

// saysMany sends messages, and returns their ids.
func (p *person) saysMany(to *person, n, size int) (ids []string) {
	for range n {
		ids = append(ids, p.says(to, size))
	}
	return ids
}

// fates are what has become of messages from one person to another.
type fates struct {
	delivered, told, both, lost []string
	conditions                  map[stanza.Condition]int
}

func (f fates) String() string {
	return fmt.Sprintf("%d delivered, %d answered %v, of them %d both, %d lost", len(f.delivered), len(f.told), f.conditions, len(f.both), len(f.lost))
}

// fatesOf looks what has become of all that one has said to another. It is an error
// if something came twice, or was answered twice, or in another order.
func fatesOf(from, to *person) fates {
	from.t.Helper()
	from.mu.Lock()
	said, told := slices.Clone(from.said), make(map[string][]stanza.Condition)
	for id, c := range from.told {
		told[id] = c
	}
	from.mu.Unlock()
	to.mu.Lock()
	came := make(map[string]int)
	last := -1
	for _, id := range to.got {
		name, number, _ := strings.Cut(id, "-")
		if name != from.addr.Local() {
			continue
		}
		came[id]++
		if i, _ := strconv.Atoi(number); i < last {
			from.t.Errorf("%s came after %s-%d", id, name, last)
		} else {
			last = i
		}
	}
	to.mu.Unlock()
	f := fates{conditions: make(map[stanza.Condition]int)}
	for _, id := range said {
		if came[id] > 1 {
			from.t.Errorf("%s was delivered %d times", id, came[id])
		}
		if len(told[id]) > 1 {
			from.t.Errorf("%s was answered %v", id, told[id])
		}
		if came[id] > 0 {
			f.delivered = append(f.delivered, id)
		}
		if len(told[id]) > 0 {
			f.told = append(f.told, id)
			f.conditions[told[id][0]]++
		}
		switch {
		case came[id] > 0 && len(told[id]) > 0:
			f.both = append(f.both, id)
		case came[id]+len(told[id]) == 0:
			f.lost = append(f.lost, id)
		}
	}
	return f
}

// allHeard expects that all was delivered, and nothing answered.
func allHeard(from, to *person) {
	from.t.Helper()
	if f := fatesOf(from, to); len(f.delivered) != len(from.said) || len(f.told) > 0 {
		from.t.Errorf("%s to %s: %v of %d; lost %.200v", from.addr, to.addr, f, len(from.said), f.lost)
	}
}

// exactly expects that each message was either delivered or answered.
func exactly(from, to *person) fates {
	from.t.Helper()
	f := fatesOf(from, to)
	if len(f.both) > 0 || len(f.lost) > 0 {
		from.t.Errorf("%s to %s: %v; both: %.200v, lost: %.200v", from.addr, to.addr, f, f.both, f.lost)
	}
	return f
}

// allTold expects that nothing was delivered and everything answered once, with this
// condition.
func allTold(from, to *person, c stanza.Condition) {
	from.t.Helper()
	if f := exactly(from, to); len(f.delivered) > 0 || f.conditions[c] != len(from.said) {
		from.t.Errorf("%s to %s: %v, want %d times %s", from.addr, to.addr, f, len(from.said), c)
	}
}

// ledger knows what a server has given to its streams, and what was acknowledged
// to it. It is for the Trace of a server.
type ledger struct {
	mu     sync.Mutex
	closed bool // the rest does not count
	sent   map[string]bool
	acked  int // the highest number
}

var (
	ackSeen = regexp.MustCompile(`^<a [^>]*h=['"](\d+)['"]`)
	idSeen  = regexp.MustCompile(` id=['"]([a-z]+-\d+)['"]`)
)

func (l *ledger) trace(sent bool, xml []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	switch {
	case sent && bytes.HasPrefix(xml, []byte("<message")):
		if m := idSeen.FindSubmatch(xml); m != nil {
			if l.sent == nil {
				l.sent = make(map[string]bool)
			}
			l.sent[string(m[1])] = true
		}
	case !sent:
		if m := ackSeen.FindSubmatch(xml); m != nil {
			h, _ := strconv.Atoi(string(m[1]))
			l.acked = max(l.acked, h)
		}
	}
}

func (l *ledger) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
}

// isAcked reports whether the message with this id is among those that were
// acknowledged.
func (l *ledger) isAcked(id string) bool {
	_, number, _ := strings.Cut(id, "-")
	n, _ := strconv.Atoi(number)
	return n < l.acked
}

// acks reports whether the servers of a way acknowledge stanzas, and resume streams.
func acks(way string) bool { return !strings.Contains(way, "without acks") }
