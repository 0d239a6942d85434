package csi

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/etherx-go/xmpp/ext/internal/exttest"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

var seed = flag.Uint64("seed", 0, "of TestQueue; 0: a new one")

// made is a stanza with what is known of it by how it was made.
type made struct {
	*stanza.Stanza
	u    Urgency
	kind string // only the last of a kind from a sender counts
}

// model is a Queue, as simple as can be.
type model struct {
	max, maxBytes int
	held          []made
}

func (m *model) push(st made) (now []made) {
	same := func(h made) bool { return h.u == Latest && h.From == st.From && h.kind == st.kind }
	if st.u == Urgent {
		if st.Kind == stanza.KindIQ && !slices.ContainsFunc(m.held, func(h made) bool { return h.From == st.From }) {
			return []made{st}
		}
		if st.Kind == stanza.KindMessage {
			m.held = slices.DeleteFunc(m.held, same)
		}
		return append(m.take(), st)
	}
	if st.u == Latest {
		m.held = slices.DeleteFunc(m.held, same)
	}
	if m.held = append(m.held, st); m.max >= 0 && len(m.held) > m.max || m.maxBytes >= 0 && m.size() > m.maxBytes {
		return m.take()
	}
	return nil
}

func (m *model) take() []made {
	all := m.held
	m.held = nil
	return all
}

func (m *model) size() (n int) {
	for _, h := range m.held {
		n += h.Size()
	}
	return n
}

// kinds are stanzas from %s with the id %s.
var kinds = []struct {
	u         Urgency
	kind, xml string
}{
	{Latest, "presence", "<presence from='%s' id='%s'/>"},
	{Latest, "presence", "<presence type='unavailable' from='%s' id='%s'/>"},
	{Latest, "state", "<message type='chat' from='%s' id='%s'><composing xmlns='http://jabber.org/protocol/chatstates'/></message>"},
	{Latest, "state", "<message from='%s' id='%s'><gone xmlns='http://jabber.org/protocol/chatstates'/></message>"},
	{Waits, "", "<message from='%s' id='%s'><received xmlns='urn:xmpp:receipts' id='x'/></message>"},
	{Waits, "", "<message from='%s' id='%s'><event xmlns='http://jabber.org/protocol/pubsub#event'/></message>"},
	{Urgent, "state", "<message from='%s' id='%s'><body>x</body></message>"},
	{Urgent, "", "<presence type='subscribe' from='%s' id='%s'/>"},
	{Urgent, "", "<iq type='get' from='%s' id='%s'><a xmlns='urn:a'/></iq>"},
}

var senders = []string{"a@x/1", "a@x/2", "b@x/1", "c@y", "y"}

func makeStanza(t testing.TB, rnd *rand.Rand, n int) made {
	// Urgent ones are rare, so that something is kept back.
	k := kinds[rnd.IntN(len(kinds))]
	if k.u == Urgent && rnd.IntN(4) > 0 {
		k = kinds[rnd.IntN(5)]
	}
	src := fmt.Sprintf(k.xml, senders[rnd.IntN(len(senders))], fmt.Sprint(n))
	return made{exttest.Parse(t, src), k.u, k.kind}
}

// TestQueue compares a Queue with the model, and looks at what comes out of it: the
// stanzas of each sender are in order, nothing urgent is kept back, of the Latest of
// each sender the last is there, and the bounds hold.
func TestQueue(t *testing.T) {
	first := *seed
	if first == 0 {
		first = rand.Uint64()
	}
	for i := range uint64(25) {
		testQueue(t, first+i)
		if t.Failed() {
			t.Fatalf("again with -seed=%d", first+i)
		}
	}
}

func testQueue(t *testing.T, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 0))
	bounds := []int{-1, 3, 40, 400}
	q := Queue{MaxStanzas: bounds[rnd.IntN(len(bounds))], MaxBytes: []int{-1, 500, 5000}[rnd.IntN(3)]}
	m := model{max: q.MaxStanzas, maxBytes: q.MaxBytes}
	w := watcher{t: t, last: make(map[jid.JID]int), gone: make(map[string]bool), latest: make(map[string]string)}
	for n := range 500 {
		if rnd.IntN(200) == 0 {
			w.all(q.Take(), m.take())
			w.allThere()
		}
		st := makeStanza(t, rnd, n)
		w.in(st)
		now := q.Push(st.Stanza)
		w.all(now, m.push(st))
		if st.u == Urgent && !slices.Contains(now, st.Stanza) {
			t.Fatalf("%s is kept back", st)
		}
		if q.Len() != len(m.held) || q.MaxStanzas >= 0 && q.Len() > q.MaxStanzas || q.bytes != m.size() ||
			q.MaxBytes >= 0 && q.bytes > q.MaxBytes {
			t.Fatalf("%d stanzas with %d bytes are kept back, want %d with %d", q.Len(), q.bytes, len(m.held), m.size())
		}
		if len(q.held) > 2*q.count+17 || len(q.last) > q.count {
			t.Fatalf("%d places and %d keys for %d stanzas", len(q.held), len(q.last), q.count)
		}
	}
	w.all(q.Take(), m.take())
	w.allThere()
	if q.Len() != 0 || q.Take() != nil {
		t.Error("it is not empty")
	}
}

// watcher looks at what goes in and comes out, whatever the model says.
type watcher struct {
	t      *testing.T
	last   map[jid.JID]int   // the number of the last stanza of a sender that has come out
	gone   map[string]bool   // by id: it has come out
	latest map[string]string // sender and kind -> id of the last
	must   []string          // ids that must come out
}

func (w *watcher) in(st made) {
	key := st.From.String() + " " + st.kind
	switch {
	case st.u == Latest:
		w.latest[key] = st.ID
	default:
		w.must = append(w.must, st.ID)
		delete(w.latest, key) // a message says what the state would
	}
}

func (w *watcher) all(got []*stanza.Stanza, want []made) {
	w.t.Helper()
	if len(got) != len(want) {
		w.t.Fatalf("%d stanzas come out, want %d", len(got), len(want))
	}
	for i, st := range got {
		if st != want[i].Stanza {
			w.t.Fatalf("got %s, want %s", st, want[i])
		}
		var n int
		if _, err := fmt.Sscan(st.ID, &n); err != nil {
			w.t.Fatal(err)
		}
		if last, ok := w.last[st.From]; ok && n <= last {
			w.t.Fatalf("%s comes after number %d", st, last)
		}
		if w.gone[st.ID] {
			w.t.Fatalf("%s comes twice", st)
		}
		w.last[st.From], w.gone[st.ID] = n, true
	}
}

// allThere is called when nothing is kept back.
func (w *watcher) allThere() {
	for _, id := range w.latest {
		w.must = append(w.must, id)
	}
	for _, id := range w.must {
		if !w.gone[id] {
			w.t.Fatalf("number %s has not come", id)
		}
	}
	w.must = nil
	clear(w.latest)
}

// TestQueueDefaults: the zero Queue has bounds.
func TestQueueDefaults(t *testing.T) {
	var q Queue
	st := exttest.Parse(t, "<message from='a@x'><received xmlns='urn:xmpp:receipts' id='x'/></message>")
	for i := range DefaultMaxStanzas {
		if now := q.Push(st); now != nil {
			t.Fatalf("%d stanzas after %d", len(now), i)
		}
	}
	if now := q.Push(st); len(now) != DefaultMaxStanzas+1 || q.Len() != 0 {
		t.Errorf("%d stanzas, %d are kept back", len(now), q.Len())
	}
	large, err := stanza.New(stanza.Header{Kind: stanza.KindPresence, From: st.From},
		stanza.Raw("<status>"+strings.Repeat("x", DefaultMaxBytes)+"</status>"))
	if err != nil {
		t.Fatal(err)
	}
	if now := q.Push(large); len(now) != 1 || q.Len() != 0 {
		t.Errorf("%d stanzas, %d are kept back", len(now), q.Len())
	}
}

// TestQueueCopies: of the chat states of a conversation elsewhere only the last one of
// each of the two is kept, and none behind a message.
func TestQueueCopies(t *testing.T) {
	var q Queue
	copied := func(direction, from, to, id, payload string) *stanza.Stanza {
		return exttest.Parse(t, "<message type='chat' from='me@x' to='me@x/phone' id='"+id+"'><"+direction+" xmlns='urn:xmpp:carbons:2'>"+
			"<forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' type='chat' from='"+from+"' to='"+to+"'>"+payload+
			"</message></forwarded></"+direction+"></message>")
	}
	const writes, body = "<composing xmlns='http://jabber.org/protocol/chatstates'/>", "<body>x</body>"
	for i := range 3 {
		for _, st := range []*stanza.Stanza{
			copied("received", "a@x/1", "me@x/desk", fmt.Sprint("a", i), writes),
			copied("received", "b@x/1", "me@x/desk", fmt.Sprint("b", i), writes),
			copied("sent", "me@x/desk", "a@x/1", fmt.Sprint("me", i), writes),
		} {
			if now := q.Push(st); now != nil {
				t.Errorf("%s is urgent", st)
			}
		}
	}
	if now := q.Push(copied("sent", "me@x/desk", "a@x/1", "said", body)); now != nil {
		t.Errorf("what the account has sent is urgent: %s", now)
	}
	var ids []string
	for _, st := range q.Push(copied("received", "a@x/1", "me@x/desk", "a", body)) {
		ids = append(ids, st.ID)
	}
	if want := []string{"b2", "me2", "said", "a"}; !slices.Equal(ids, want) {
		t.Errorf("got %q, want %q", ids, want)
	}
}

func BenchmarkPush(b *testing.B) {
	var q Queue
	var all []*stanza.Stanza
	for i := range 200 {
		all = append(all, exttest.Parse(b, fmt.Sprintf("<presence from='a@x/%d'/>", i)))
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		q.Push(all[i%len(all)])
	}
}
