//go:build interop

package interop

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/interop/internal/peer"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// fault is a domain whose server, or DNS, does not do what it should.
type fault struct {
	name string
	// set has the domain behave so.
	set func(t *testing.T, f *federation, domain string)
	// want is the condition of the errors for messages to it.
	want    stanza.Condition
	differs map[string]difference // by the name of the server
}

// difference is what a server does instead, and why that is said to be all right.
type difference struct {
	why  string
	want stanza.Condition // empty: not tried
}

// noService is a fault whose domain has the target ".".
const noService = "no-service"

var notFound = difference{"it tells all failures apart only by the text", stanza.RemoteServerNotFound}

// fake returns what sets up such a server, with a certificate that nobody knows.
func fake(server peer.Fake) func(*testing.T, *federation, string) {
	return func(t *testing.T, f *federation, domain string) { server.Start(t, f.dns, domain, peer.NewCA(t)) }
}

// faults are by the way in which servers trust each other.
var faults = map[peer.Trust][]fault{
	peer.DialbackTLS: {
		{name: "DNS never answers", want: stanza.RemoteServerTimeout,
			differs: map[string]difference{
				"Prosody":  {why: "it waits for libunbound, which tries for more than a minute"},
				"ejabberd": {"it asks getaddrinfo(3) for addresses then, which knows of none", stanza.RemoteServerNotFound},
			},
			set: func(_ *testing.T, f *federation, domain string) { f.dns.Silence(domain) }},
		{name: noService, want: stanza.RemoteServerNotFound,
			set: func(_ *testing.T, f *federation, domain string) { f.dns.None(domain) }},
		{name: "nobody listens", want: stanza.RemoteServerTimeout, differs: map[string]difference{"Prosody": notFound},
			set: func(t *testing.T, f *federation, domain string) { f.dns.Serve(domain, peer.FreePort(t)) }},
		{name: "accepts and never says anything", want: stanza.RemoteServerTimeout, set: fake(peer.Fake{Deaf: true}),
			differs: map[string]difference{"Prosody": notFound}},
		{name: "never answers a key", want: stanza.RemoteServerTimeout, set: fake(peer.Fake{})},
		{name: "refuses a key", want: stanza.InternalServerError, set: fake(peer.Fake{Result: "invalid"}),
			differs: map[string]difference{
				"Prosody":  {"XEP-0220 section 2.1.1 has internal-server-error for it", stanza.RemoteServerTimeout},
				"ejabberd": {"XEP-0220 section 2.1.1 has internal-server-error for it", stanza.RemoteServerTimeout},
			}},
		{name: "has no TLS", want: stanza.RemoteServerTimeout, set: fake(peer.Fake{Plain: true, Result: "valid"})},
	},
	peer.External: {
		{name: "certificate of nobody", want: stanza.RemoteServerTimeout,
			set: fake(peer.Fake{External: true, Result: "valid"})},
		{name: "certificate of another domain", want: stanza.RemoteServerTimeout,
			set: func(t *testing.T, f *federation, domain string) {
				peer.Fake{External: true, Result: "valid", CertDomain: "other.example"}.Start(t, f.dns, domain, f.ca)
			}},
	},
}

// faultTest is a user of a server who has written to domains that are at fault.
type faultTest struct {
	dns    *peer.DNS
	server *peer.Server
	user   *running
	wants  map[string]stanza.Condition // by domain
}

// each is how many messages a domain at fault is sent.
const each = 3

// beginFaults has a user of each server write to domains that are at fault, all
// at once. What comes of it takes as long as a server waits for others.
func (f *federation) beginFaults(t *testing.T) (tests []faultTest) {
	t.Helper()
	list := faults[f.trust]
	if len(list) == 0 || f.direct {
		return nil
	}
	for _, s := range []*peer.Server{f.etherx, f.prosody, f.ejabberd} {
		user := run(t, s, config(t, s, newAccount(t, s), false))
		test := faultTest{dns: f.dns, server: s, user: user, wants: map[string]stanza.Condition{}}
		test.user.session(t)
		for _, fault := range list {
			want := fault.want
			if differs, ok := fault.differs[s.Name]; ok {
				want = differs.want
			}
			if want == "" {
				continue
			}
			domain := fmt.Sprintf("%s.%s", strings.ToLower(strings.ReplaceAll(fault.name, " ", "-")), s.Domain)
			fault.set(t, f, domain)
			test.wants[domain] = want
			for n := range each {
				test.user.send(t, fmt.Sprintf("romeo%d@%s", n, domain), "is anybody there?")
			}
		}
		tests = append(tests, test)
	}
	return tests
}

// check shows that every message is answered by one error.
func (f faultTest) check(t *testing.T) {
	f.server.Watch(t)
	answered := map[jid.JID]bool{}
	for range each * len(f.wants) {
		m := waitFor(t, fmt.Sprintf("error, after those from %v", answered), f.user.messages)
		want := f.wants[m.From.Domain()]
		if want == "" || m.Type != stanza.TypeError || answered[m.From] {
			t.Fatalf("got %+v", m)
		}
		answered[m.From] = true
		if !errors.Is(m.Error, want) {
			t.Errorf("%s: %v, want %s", m.From, m.Error, want)
		}
	}
	for domain := range f.wants {
		asked := f.dns.Asked(domain)
		if !slices.Contains(asked, "SRV") {
			t.Errorf("the DNS was asked for %q of %s", asked, domain)
		}
		notSRV := func(kind string) bool { return kind != "SRV" }
		if strings.HasPrefix(domain, noService) && slices.ContainsFunc(asked, notSRV) {
			t.Errorf("the DNS was asked for %q of %s, which has said that it has no service (RFC 2782)", asked, domain)
		}
	}
	f.user.session(t)
	select {
	case m := <-f.user.messages:
		t.Errorf("too much: %+v", m)
	default:
	}
	f.user.leave(t)
}

// checkRestarts kills each of two servers that talk to each other, one of them
// ours, and starts it again.
func (f *federation) checkRestarts(t *testing.T) {
	if f.direct || f.trust == peer.Either {
		return
	}
	for _, pair := range f.pairs() {
		if pair[0] != f.etherx && pair[1] != f.etherx {
			continue
		}
		t.Run(pair[0].Name+" and a restart of "+pair[1].Name, func(t *testing.T) { f.checkRestart(t, pair[0], pair[1]) })
	}
}

// checkRestart kills a server while users of another talk to its users, and
// starts it again: what is sent to it in between is answered with errors, and
// what is sent afterwards arrives.
func (f *federation) checkRestart(t *testing.T, a, b *peer.Server) {
	a.Watch(t)
	j, r := runQuietly(t, a), runQuietly(t, b)
	juliet, romeo := j.session(t).Bare(), r.session(t).Bare()
	j.send(t, romeo.String(), "before")
	expectBody(t, r, "before")
	r.send(t, juliet.String(), "before")
	expectBody(t, j, "before")

	b.Kill(t)
	waitFor(t, "end of the connection", r.lost)
	if a == f.etherx { // of the others, some lose what they have sent to a server that has gone
		expectRefusals(t, j, romeo)
	}

	b.Restart(t)
	r.session(t)
	sendUntilItArrives(t, j, r, romeo)
	sendUntilItArrives(t, r, j, juliet)
	j.send(t, romeo.String(), "after")
	expectBody(t, r, "after")
	j.leave(t)
	r.leave(t)
}

// expectRefusals sends messages that cannot arrive: each is answered by one error,
// from when the server has noticed that the other has gone. What it has written
// before to a stream without acknowledgements is lost.
func expectRefusals(t *testing.T, j *running, to jid.JID) {
	t.Helper()
	sendUntilItIsRefused(t, j, to)
	unanswered := map[string]bool{}
	for i := range 5 {
		id := fmt.Sprintf("lost%d", i)
		unanswered[id] = true
		j.sendWith(t, &stanza.Message{ID: id, To: to, Type: stanza.TypeChat, Body: "meanwhile"})
	}
	for len(unanswered) > 0 {
		m := waitFor(t, fmt.Sprintf("errors for %v", unanswered), j.messages)
		if m.Type != stanza.TypeError || !unanswered[m.ID] || m.From != to {
			t.Fatalf("got %+v", m)
		}
		delete(unanswered, m.ID)
	}
}

// sendUntilItIsRefused sends messages until one is refused, and with it those behind
// it.
func sendUntilItIsRefused(t *testing.T, j *running, to jid.JID) {
	t.Helper()
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	refused := -1
	for sent := 0; refused < sent-1 || refused < 0; {
		if refused < 0 {
			m := &stanza.Message{ID: fmt.Sprint("gone", sent), To: to, Type: stanza.TypeChat, Body: "is anybody there?"}
			j.sendWith(t, m)
			sent++
		}
		select {
		case m := <-j.messages:
			if isOfBefore(m) {
				continue
			}
			var n int
			_, err := fmt.Sscanf(m.ID, "gone%d", &n)
			if err != nil || m.Type != stanza.TypeError || m.From != to || refused >= 0 && n != refused+1 {
				t.Fatalf("got %+v, want an error for one after gone%d", m, refused)
			}
			refused = n
		case <-again.C:
		case <-deadline.C:
			t.Fatalf("of %d messages to %s the last refused one is %d", sent, to, refused)
		}
	}
}

// sendUntilItArrives sends messages until one is not refused because the server
// has not yet tried again to reach the other. Each arrives or is refused.
func sendUntilItArrives(t *testing.T, from, to *running, address jid.JID) {
	t.Helper()
	const interval = 100 * time.Millisecond
	again := time.NewTicker(interval)
	defer again.Stop()
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	for i := 0; ; i++ {
		id := fmt.Sprintf("again%d", i)
		from.sendWith(t, &stanza.Message{ID: id, To: address, Type: stanza.TypeChat, Body: id})
		if arrives(t, from, to, id, deadline.C) {
			return
		}
		<-again.C
	}
}

// arrives reports whether a message that was sent arrives; if not, it is refused.
func arrives(t *testing.T, from, to *running, id string, deadline <-chan time.Time) bool {
	t.Helper()
	for {
		select {
		case m := <-to.messages:
			if m.Body != id || m.Type != stanza.TypeChat {
				t.Fatalf("got %+v, want %s", m, id)
			}
			return true
		case m := <-from.messages:
			if isOfBefore(m) {
				continue
			}
			if m.ID != id || m.Type != stanza.TypeError {
				t.Fatalf("got %+v, want an error for %s", m, id)
			}
			t.Logf("refused: %v", m.Error)
			return false
		case <-deadline:
			t.Fatalf("%s did not arrive", id)
		}
	}
}

// isOfBefore reports whether it is the first message, which had no id, that a server
// answers with an error: it had come, but was not acknowledged yet when the other server
// was killed.
func isOfBefore(m *stanza.Message) bool { return m.Type == stanza.TypeError && m.ID == "" }

// runQuietly starts a client of a new account, which does not tell of every try
// to reach a server that is not there.
func runQuietly(t *testing.T, s *peer.Server) *running {
	t.Helper()
	cfg := config(t, s, newAccount(t, s), false)
	cfg.Log = nil
	return run(t, s, cfg)
}

func expectBody(t *testing.T, r *running, body string) {
	t.Helper()
	if m := waitFor(t, "message", r.messages); m.Body != body || m.Type != stanza.TypeChat {
		t.Fatalf("got %+v, want %q", m, body)
	}
}

func (r *running) sendWith(t *testing.T, m *stanza.Message) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	if err := xmpp.Send(ctx, r, m); err != nil {
		t.Fatalf("sending to %s: %v", m.To, err)
	}
}
