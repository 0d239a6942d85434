package archive_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/archive"
	"github.com/etherx-go/xmpp/ext/carbons"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

var (
	seedFlag = flag.Uint64("archive.seed", 0, "the seed of one run of TestCatchUp")
	runsFlag = flag.Uint64("archive.runs", 200, "how many runs TestCatchUp has")
)

// mailbox simulates a client with a CatchUp: connections that break at any time,
// with what is on its way lost; a process that ends at any time, and goes on from
// what it has saved; messages that come twice, and, of different senders, in another
// order than they are archived in; and an archive that is purged.
type mailbox struct {
	t   *testing.T
	rnd *rand.Rand
	w   *world
	cl  *archive.Client
	h   *clientHost
	cu  *archive.CatchUp

	session   *session
	connected bool
	inRun     bool
	sent      [3]int // how many each sender has sent
	flight    []*flying
	pending   []archive.Message // Live has returned them, they are being handled
	stuck     jid.JID           // whose handler takes long
	behind    int               // how many have come while messages are handled
	purged    map[string]bool   // bodies that were purged before they were handled
	archived  []string          // bodies that must be handled
	log       []string

	handled []string // bodies
	saved   struct {
		state   []byte
		handled []string
	}
}

// session is a new Sender for each session.
type session struct{ *clientHost }

// flying is a message on its way to the client.
type flying struct {
	from      int
	st        *stanza.Stanza
	overtaken int
}

// window is how far messages may get out of order: one that is overtaken by three has
// two in front of it at the most.
const window = 5

func newMailbox(t *testing.T, seed uint64) *mailbox {
	m := &mailbox{t: t, rnd: rand.New(rand.NewPCG(seed, 0)), purged: make(map[string]bool)}
	m.w = newWorld(t, func(s *archive.Server) { s.MaxPage = 1 + m.rnd.IntN(5) })
	m.cl, m.h = newClient(t, m.w, func(c *archive.Client) { c.PageSize = 1 + m.rnd.IntN(7) })
	m.h.tamper = m.between
	m.restart()
	return m
}

func (m *mailbox) logf(format string, args ...any) {
	m.log = append(m.log, fmt.Sprintf(format, args...))
}

// restart begins a new process, which has what was saved.
func (m *mailbox) restart() {
	m.connected, m.flight, m.pending = false, nil, nil
	m.cu = &archive.CatchUp{Account: juliet, First: -1, Window: window, MaxHeld: []int{0, 3, 20}[m.rnd.IntN(3)]}
	m.handled = slices.Clone(m.saved.handled)
	if m.saved.state == nil {
		return
	}
	var s archive.State
	if err := json.Unmarshal(m.saved.state, &s); err != nil {
		m.t.Fatal(err)
	}
	m.cu.Restore(s)
}

// save saves the state and all of handled but the last few.
func (m *mailbox) save(but int) {
	var err error
	if m.saved.state, err = json.Marshal(m.cu.State()); err != nil {
		m.t.Fatal(err)
	}
	m.saved.handled = slices.Clone(m.handled[:len(m.handled)-but])
}

func (m *mailbox) handle(st *stanza.Stanza) {
	body := st.Message().Body
	m.handled = append(m.handled, body)
	m.logf("handled %s", body)
}

// send lets somebody send a message; one in eight is not archived.
func (m *mailbox) send() {
	i := m.rnd.IntN(len(m.sent))
	m.sent[i]++
	body := fmt.Sprintf("%d:%d", i, m.sent[i])
	hint := ""
	if m.rnd.IntN(8) == 0 {
		hint = "<no-store xmlns='urn:xmpp:hints'/>"
		body += "-"
	} else {
		m.archived = append(m.archived, body)
	}
	st := parse(m.t, fmt.Sprintf("<message type='chat' to='%s' from='sender%d@montague.lit/x'><body>%s</body>%s</message>", juliet, i, body, hint))
	out, err := m.w.server.Incoming(m.t.Context(), st)
	if err != nil || (out.ID == "") != (hint != "") {
		m.t.Fatal(out, err)
	}
	m.logf("sent %s, connected %v", body, m.connected)
	if m.connected {
		m.flight = append(m.flight, &flying{from: i, st: out.Stanza})
	}
}

// write lets the client itself send a message, which is no news to it.
func (m *mailbox) write() {
	id := fmt.Sprint("own", m.rnd.Uint64())
	st := parse(m.t, fmt.Sprintf("<message id='%s' type='chat' to='romeo@montague.lit' from='%s'><body>own</body></message>", id, chamber))
	m.cu.Sent(id)
	m.save(m.unsaved())
	if _, err := m.w.server.Outgoing(m.t.Context(), st); err != nil {
		m.t.Fatal(err)
	}
}

// unsaved is how many of handled the state does not have yet.
func (m *mailbox) unsaved() int {
	if m.inRun && len(m.handled) > len(m.saved.handled) {
		return 1
	}
	return 0
}

// arrive lets one message arrive: the first, or one of another sender.
func (m *mailbox) arrive() {
	if !m.connected || len(m.flight) == 0 {
		return
	}
	i := 0
	if k := m.rnd.IntN(min(len(m.flight), 3)); m.flight[0].overtaken < 3 {
		i = k
		for _, f := range m.flight[:k] {
			if f.from == m.flight[k].from {
				i = 0
			}
		}
		for _, f := range m.flight[:i] {
			f.overtaken++
		}
	}
	f := m.flight[i]
	m.flight = slices.Delete(m.flight, i, i+1)
	for range 1 + m.rnd.IntN(5)/4*m.isArchived(f.st) { // some come twice
		msg, ok := m.cu.Live(m.session, f.st)
		m.logf("arrived %s, to handle %v", f.st.Message().Body, ok)
		if ok {
			m.pending = append(m.pending, msg)
		}
	}
	if m.rnd.IntN(4) > 0 {
		m.finish(1)
	}
	if m.behind++; len(m.pending) == 0 {
		m.behind = 0
	} else if m.behind > 2*window { // before so many have come that they count as done
		m.finish(len(m.pending))
	}
}

func (m *mailbox) isArchived(st *stanza.Stanza) int {
	if strings.HasSuffix(st.Message().Body, "-") {
		return 0
	}
	return 1
}

// finish ends the handling of messages, one of a sender after the other.
func (m *mailbox) finish(n int) {
	if n == len(m.pending) {
		m.stuck = jid.JID{}
	}
	for ; n > 0 && len(m.pending) > 0; n-- {
		i := m.rnd.IntN(len(m.pending))
		for j := range i {
			if m.pending[j].Stanza.From == m.pending[i].Stanza.From {
				i = j
				break
			}
		}
		if m.stuck == m.pending[i].Stanza.From && n == 1 && m.rnd.IntN(8) > 0 {
			continue // its handler takes long
		}
		msg := m.pending[i]
		m.pending = slices.Delete(m.pending, i, i+1)
		m.handle(msg.Stanza)
		m.cu.Done(msg)
		m.save(0)
	}
}

// purge removes the oldest messages from the archive.
func (m *mailbox) purge() {
	page, err := m.w.store.Query(m.t.Context(), juliet, archive.Filter{}, archive.Paging{Max: 1000, MaxBytes: -1})
	if err != nil {
		m.t.Fatal(err)
	}
	keep := m.rnd.IntN(len(page.Messages) + 1)
	for _, msg := range page.Messages[:len(page.Messages)-keep] {
		m.purged[msg.Stanza.Message().Body] = true
	}
	m.logf("purged, %d are left", keep)
	if _, err := m.w.store.Purge(m.t.Context(), juliet, time.Time{}, keep); err != nil {
		m.t.Fatal(err)
	}
}

// between is what happens between two pages of an answer.
func (m *mailbox) between(sent []*stanza.Stanza) []*stanza.Stanza {
	switch m.rnd.IntN(6) {
	case 0:
		m.send()
	case 1:
		m.arrive()
	case 2:
		if m.rnd.IntN(3) == 0 {
			m.logf("the connection breaks")
			m.connected, m.flight = false, nil
			return nil
		}
	}
	return sent
}

var errCrash = errors.New("crash")

// connect begins a session, and catches up.
func (m *mailbox) connect() error {
	m.finish(len(m.pending))
	m.logf("connected")
	m.connected, m.inRun = true, true
	m.session = &session{m.h}
	for m.rnd.IntN(3) == 0 { // something comes before the program has noticed
		m.send()
		m.arrive()
	}
	defer func() { m.inRun = false }()
	err := m.catchUp()
	if err != nil && !errors.Is(err, errCrash) && m.connected && m.rnd.IntN(2) == 0 {
		err = m.catchUp() // in the same session
	}
	if err == nil {
		m.save(0)
	}
	return err
}

func (m *mailbox) catchUp() error {
	for msg, err := range m.cu.Run(m.t.Context(), m.cl, m.session) {
		if err != nil {
			m.logf("catching up: %v", err)
			m.save(0)
			m.connected, m.flight = m.connected && !errors.Is(err, xmpp.ErrSessionLost), nil
			return err
		}
		m.save(0) // with what the last round has handled
		switch m.rnd.IntN(12) {
		case 0:
			m.send()
		case 1, 2:
			m.arrive()
		case 3:
			m.logf("crash at %s", msg.Stanza.Message().Body)
			return errCrash
		case 4:
			m.logf("left at %s", msg.Stanza.Message().Body)
			return errors.New("left")
		}
		m.handle(msg.Stanza)
	}
	return nil
}

// step does something.
func (m *mailbox) step() {
	switch n := m.rnd.IntN(20); {
	case n < 7:
		m.send()
	case n < 9:
		m.write()
	case n < 14:
		m.arrive()
	case n < 15:
		m.stuck = jid.MustParse(fmt.Sprintf("sender%d@montague.lit/x", m.rnd.IntN(len(m.sent)+1)))
	case n < 16 && m.rnd.IntN(4) == 0:
		m.purge()
	case n < 17:
		if m.connected {
			m.finish(len(m.pending))
			m.logf("disconnected")
			m.connected, m.flight = false, nil
		}
	case n < 18 && m.rnd.IntN(2) == 0:
		m.logf("restart")
		m.restart()
	default:
		if !m.connected && errors.Is(m.connect(), errCrash) {
			m.restart()
		}
	}
}

// settle connects until all is there.
func (m *mailbox) settle() {
	m.h.tamper = nil
	m.connected, m.flight = false, nil
	for {
		switch err := m.connect(); {
		case err == nil:
			for len(m.flight) > 0 {
				m.arrive()
			}
			m.finish(len(m.pending))
			return
		case errors.Is(err, errCrash):
			m.restart()
		}
	}
}

// check checks that each archived message was handled once, and that what is of one
// sender came in its order; what is not archived, in its own.
func (m *mailbox) check() error {
	count := make(map[string]int)
	var lasts [2][3]int
	for _, body := range m.handled {
		count[body]++
		var i, n int
		if _, err := fmt.Sscanf(body, "%d:%d", &i, &n); err != nil {
			return fmt.Errorf("%q was handled", body)
		}
		last := &lasts[strings.Count(body, "-")]
		if n <= last[i] {
			return fmt.Errorf("%s was handled after %d:%d", body, i, last[i])
		}
		last[i] = n
	}
	for _, body := range m.archived {
		if count[body] != 1 && !(count[body] == 0 && m.purged[body]) {
			return fmt.Errorf("%s was handled %d times", body, count[body])
		}
	}
	return nil
}

func simulate(t *testing.T, seed uint64) {
	t.Helper()
	m := newMailbox(t, seed)
	for range 120 {
		m.step()
	}
	m.settle()
	if err := m.check(); err != nil {
		t.Fatalf("-archive.seed=%d: %v\n%s", seed, err, strings.Join(m.log, "\n"))
	}
}

// TestCatchUp: whatever happens, each message comes once, and in order.
func TestCatchUp(t *testing.T) {
	if *seedFlag != 0 {
		simulate(t, *seedFlag)
		return
	}
	seed := rand.Uint64()
	for i := range *runsFlag {
		simulate(t, seed+i)
	}
}

// caughtUp runs a CatchUp and returns what it yields.
func caughtUp(t *testing.T, cu *archive.CatchUp, cl *archive.Client, h *clientHost) string {
	t.Helper()
	var all []archive.Message
	for m, err := range cu.Run(t.Context(), cl, h) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, m)
	}
	return bodiesOf(all)
}

// TestCatchUpFirst: how much is read of an archive that was never read.
func TestCatchUpFirst(t *testing.T) {
	for _, tt := range []struct {
		first int
		want  string
	}{{0, ""}, {1, "9"}, {4, "6 7 8 9"}, {9, "1 2 3 4 5 6 7 8 9"}, {10, "0 1 2 3 4 5 6 7 8 9"}, {100, "0 1 2 3 4 5 6 7 8 9"}, {-1, "0 1 2 3 4 5 6 7 8 9"}} {
		w := newWorld(t)
		w.archive(10)
		cl, h := newClient(t, w, func(c *archive.Client) { c.PageSize = 3 })
		cu := &archive.CatchUp{Account: juliet, First: tt.first}
		if got := caughtUp(t, cu, cl, h); got != tt.want {
			t.Errorf("%d: %q, want %q", tt.first, got, tt.want)
		}
		w.archive(2)
		if got := caughtUp(t, cu, cl, h); got != "0 1" {
			t.Errorf("%d: then %q", tt.first, got)
		}
	}
	// An empty archive: what comes is news.
	w := newWorld(t)
	cl, h := newClient(t, w)
	cu := &archive.CatchUp{Account: juliet}
	if got := caughtUp(t, cu, cl, h); got != "" {
		t.Errorf("of an empty archive %q", got)
	}
	state := cu.State()
	w.archive(3)
	cu = &archive.CatchUp{Account: juliet}
	cu.Restore(state)
	if got := caughtUp(t, cu, cl, h); got != "0 1 2" {
		t.Errorf("then %q", got)
	}
}

// TestCatchUpOrder: what is not archived keeps its place among what is.
func TestCatchUpOrder(t *testing.T) {
	w := newWorld(t)
	cl, h := newClient(t, w)
	cu := &archive.CatchUp{Account: juliet, First: -1}
	for _, s := range []string{"1", "2-", "3", "4-", "5-"} {
		hint := ""
		if strings.HasSuffix(s, "-") {
			hint = "<no-store xmlns='urn:xmpp:hints'/>"
		}
		out, err := w.server.Incoming(t.Context(), parse(t, "<message to='juliet@capulet.lit' from='romeo@montague.lit/x'><body>"+s+"</body>"+hint+"</message>"))
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := cu.Live(h, out.Stanza); ok {
			t.Errorf("%s overtakes the archive", s)
		}
	}
	if got := caughtUp(t, cu, cl, h); got != "1 2- 3 4- 5-" {
		t.Errorf("%q", got)
	}
	out, err := w.server.Incoming(t.Context(), parse(t, "<message to='juliet@capulet.lit' from='romeo@montague.lit/x'><body>6</body></message>"))
	if err != nil {
		t.Fatal(err)
	}
	m, ok := cu.Live(h, out.Stanza)
	if !ok || m.ID != out.ID {
		t.Errorf("%+v, %v", m, ok)
	}
	if s := cu.State(); slices.Contains(s.Seen, m.ID) {
		t.Error("it is not done yet")
	}
	cu.Done(m)
	if s := cu.State(); !slices.Contains(s.Seen, m.ID) {
		t.Error("it is done")
	}
	if _, ok := cu.Live(h, out.Stanza); ok {
		t.Error("once more")
	}
	forged := parse(t, "<message from='tybalt@capulet.lit'><body>x</body><stanza-id xmlns='urn:xmpp:sid:0' id='"+m.ID+"' by='tybalt@capulet.lit'/></message>")
	if m, ok := cu.Live(h, forged); !ok || m.ID != "" {
		t.Errorf("an id of somebody else: %+v, %v", m, ok)
	}
}

// TestCatchUpOtherArchive: an archive that was made anew.
func TestCatchUpOtherArchive(t *testing.T) {
	w := newWorld(t)
	cl, h := newClient(t, w)
	cu := &archive.CatchUp{Account: juliet}
	cu.Restore(archive.State{Started: true, After: "of-another-server", At: at(t, "2010-07-11T23:08:28Z"), Seen: []string{"x"}})
	w.archive(6)
	if got := caughtUp(t, cu, cl, h); got != "3 4 5" {
		t.Errorf("%q", got)
	}
}

// TestCatchUpErrors: errors end the sequence, and leave it as it was.
func TestCatchUpErrors(t *testing.T) {
	w := newWorld(t)
	w.archive(3)
	cl, h := newClient(t, w)
	for _, first := range []int{0, 5, -1} {
		cu := &archive.CatchUp{Account: juliet, First: first}
		h.tamper = func([]*stanza.Stanza) []*stanza.Stanza { return nil }
		n := 0
		for _, err := range cu.Run(t.Context(), cl, h) {
			if n++; err != xmpp.ErrSessionLost {
				t.Errorf("%v", err)
			}
		}
		if n != 1 || cu.State().Started != (first < 0) || cu.State().After != "" {
			t.Errorf("%d, %+v", n, cu.State())
		}
		st := parse(t, "<message><body>x</body></message>")
		if _, ok := cu.Live(h, st); ok {
			t.Error("what comes live overtakes")
		}
		h.tamper = nil
		want := map[int]string{0: "x", 5: "0 1 2 x", -1: "0 1 2 x"}[first]
		if got := caughtUp(t, cu, cl, h); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	// Another session begins meanwhile.
	cu := &archive.CatchUp{Account: juliet, First: -1}
	var last error
	for m, err := range cu.Run(t.Context(), cl, h) {
		if last = err; m.ID != "" && m.Stanza.Message().Body == "2" {
			cu.Live(&session{h}, parse(t, "<message><body>x</body></message>"))
		}
	}
	if last != xmpp.ErrSessionLost {
		t.Errorf("%v", last)
	}
	if _, ok := cu.Live(h, parse(t, "<message><body>y</body></message>")); ok { // of the session before
		t.Error("what comes live overtakes")
	}
}

// TestCatchUpCopies: copies are there before the archive is read. A server that has none
// is read all the same.
func TestCatchUpCopies(t *testing.T) {
	for _, has := range []bool{true, false} {
		w := newWorld(t)
		w.archive(1)
		cl, h := newClient(t, w)
		on := false
		if has {
			w.mux.Handle(xmpp.Pattern{Kind: stanza.KindIQ, Types: []stanza.Type{stanza.TypeSet}, Payload: carbons.EnableName},
				xmpp.HandlerFunc(func(ctx context.Context, s xmpp.Sender, st *stanza.Stanza) error {
					on = true
					w.archive(1) // what comes after it was read, and before there are copies, would be lost
					reply, err := st.Reply()
					if err != nil {
						return err
					}
					return s.Send(ctx, reply)
				}))
		}
		cu := &archive.CatchUp{Account: juliet, First: -1, Copies: true}
		if got := caughtUp(t, cu, cl, h); on != has || strings.Count(got, "0") != map[bool]int{true: 2, false: 1}[has] {
			t.Errorf("enabled %v, %q", on, got)
		}
	}
	// A session that is lost.
	w := newWorld(t)
	w.archive(1)
	cl, h := newClient(t, w)
	h.tamper = func([]*stanza.Stanza) []*stanza.Stanza { return nil }
	cu := &archive.CatchUp{Account: juliet, First: -1, Copies: true}
	for _, err := range cu.Run(t.Context(), cl, h) {
		if err != xmpp.ErrSessionLost {
			t.Errorf("%v", err)
		}
	}
	if cu.State().Started {
		t.Error("it has begun without copies")
	}
}

// TestCatchUpLate: a message whose handler runs when there is a new session already does
// not make that one wait.
func TestCatchUpLate(t *testing.T) {
	w := newWorld(t)
	cl, h := newClient(t, w)
	cu := &archive.CatchUp{Account: juliet}
	old := &session{h}
	if _, ok := cu.Live(old, parse(t, "<message><body>1</body></message>")); ok {
		t.Error("it overtakes the archive")
	}
	if got := caughtUp(t, cu, cl, h); got != "" {
		t.Errorf("%q", got)
	}
	for i, s := range []xmpp.Sender{old, h, old, h} {
		if _, ok := cu.Live(s, parse(t, "<message><body>x</body></message>")); !ok {
			t.Errorf("message %d is held", i)
		}
	}
}

// TestCatchUpFull: if too much comes while the archive is read, what is not archived is
// held rather than what is.
func TestCatchUpFull(t *testing.T) {
	w := newWorld(t)
	cl, h := newClient(t, w)
	cu := &archive.CatchUp{Account: juliet, First: -1, MaxHeld: 2}
	for _, s := range []string{"1", "2", "3", "4-", "5", "6-", "7-"} {
		hint := ""
		if strings.HasSuffix(s, "-") {
			hint = "<no-store xmlns='urn:xmpp:hints'/>"
		}
		out, err := w.server.Incoming(t.Context(), parse(t, "<message to='juliet@capulet.lit' from='romeo@montague.lit/x'><body>"+s+"</body>"+hint+"</message>"))
		if err != nil {
			t.Fatal(err)
		}
		cu.Live(h, out.Stanza)
	}
	if got := caughtUp(t, cu, cl, h); got != "1 2 3 5 4- 6-" {
		t.Errorf("%q", got)
	}
}

// TestCatchUpOwn: what the client has sent itself is no news, by either id.
func TestCatchUpOwn(t *testing.T) {
	w := newWorld(t)
	cl, h := newClient(t, w)
	cu := &archive.CatchUp{Account: juliet, First: -1}
	for i, s := range []string{"id='a'><body>1</body>", "><body>2</body><origin-id xmlns='urn:xmpp:sid:0' id='b'/>", "id='c'><body>3</body>"} {
		if _, err := w.server.Outgoing(t.Context(), parse(t, "<message to='romeo@montague.lit' from='juliet@capulet.lit/chamber' "+s+"</message>")); err != nil {
			t.Fatal(i, err)
		}
	}
	if _, err := w.server.Incoming(t.Context(), parse(t, "<message id='a' to='juliet@capulet.lit' from='romeo@montague.lit'><body>4</body></message>")); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"", "a", "b"} {
		cu.Sent(id)
	}
	if got := caughtUp(t, cu, cl, h); got != "3 4" {
		t.Errorf("%q", got)
	}
	for i := range 1000 {
		cu.Sent(fmt.Sprint(i))
	}
	if s := cu.State(); len(s.Sent) > 100 || s.Sent[len(s.Sent)-1] != "999" {
		t.Errorf("%d ids are kept", len(s.Sent))
	}
}

// TestState: it survives JSON, and stays small.
func TestState(t *testing.T) {
	w := newWorld(t)
	cl, h := newClient(t, w)
	cu := &archive.CatchUp{Account: juliet, First: -1}
	w.archive(1000)
	caughtUp(t, cu, cl, h)
	s := cu.State()
	b, err := json.Marshal(s)
	if err != nil || len(b) > 10_000 || len(s.Seen) != 2*archive.DefaultWindow+1 {
		t.Errorf("%d bytes, %d ids, %v", len(b), len(s.Seen), err)
	}
	var back archive.State
	if err := json.Unmarshal(b, &back); err != nil || !reflect.DeepEqual(back, s) {
		t.Errorf("%+v, %v", back, err)
	}
	other := &archive.CatchUp{Account: juliet}
	other.Restore(back)
	if again := other.State(); !reflect.DeepEqual(again, s) {
		t.Errorf("restored %+v\nwas %+v", again, s)
	}
	if got := caughtUp(t, other, cl, h); got != "" {
		t.Errorf("once more %q", got)
	}
	var zero archive.State
	if b, err := json.Marshal(zero); string(b) != "{}" || err != nil {
		t.Errorf("%s, %v", b, err)
	}
}

// TestStateAt: a time is known as soon as there is a message, and is not lost with the
// process: without it another archive would be read from its beginning.
func TestStateAt(t *testing.T) {
	w := newWorld(t)
	cl, h := newClient(t, w)
	cu := &archive.CatchUp{Account: juliet, First: -1, Window: 3}
	w.archive(2)
	caughtUp(t, cu, cl, h)
	s := cu.State()
	if s.After != "" || s.At.IsZero() {
		t.Errorf("%+v", s)
	}
	other := &archive.CatchUp{Account: juliet, Window: 3}
	other.Restore(s)
	if again := other.State(); !reflect.DeepEqual(again, s) {
		t.Errorf("restored %+v\nwas %+v", again, s)
	}
	w.archive(3)
	caughtUp(t, other, cl, h)
	if late := other.State(); late.After == "" || !late.At.Equal(s.At) {
		t.Errorf("%+v, after %v", late, s.At)
	}
}

// TestCatchUpUndone: a message that is not done comes again in another process,
// however many were done behind it; and none of those.
func TestCatchUpUndone(t *testing.T) {
	w := newWorld(t)
	cl, h := newClient(t, w)
	cu := &archive.CatchUp{Account: juliet, First: -1, Window: 3}
	if got := caughtUp(t, cu, cl, h); got != "" {
		t.Fatalf("%q", got)
	}
	for i := range 40 {
		out, err := w.server.Incoming(t.Context(), parse(t, fmt.Sprintf("<message to='juliet@capulet.lit' from='romeo@montague.lit'><body>%d</body></message>", i)))
		if err != nil {
			t.Fatal(err)
		}
		m, ok := cu.Live(h, out.Stanza)
		if !ok {
			t.Fatalf("%d was held", i)
		}
		if i != 7 && i != 22 {
			cu.Done(m)
		}
	}
	for _, leave := range []string{"7", "22", ""} { // at the first, at the second, not at all
		other := &archive.CatchUp{Account: juliet, Window: 3}
		other.Restore(cu.State())
		var got []archive.Message
		for m, err := range other.Run(t.Context(), cl, h) {
			if err != nil {
				t.Fatal(err)
			}
			if m.Stanza.Message().Body == leave {
				break
			}
			got = append(got, m)
		}
		again := &archive.CatchUp{Account: juliet, Window: 3}
		again.Restore(other.State())
		if rest := caughtUp(t, again, cl, h); strings.TrimSpace(bodiesOf(got)+" "+rest) != "7 22" {
			t.Errorf("left at %q: %q, then %q", leave, bodiesOf(got), rest)
		}
	}
}
