package archive_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/archive"
	"github.com/etherx-go/xmpp/ext/disco"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/storage/memory"
)

var (
	juliet  = jid.MustParse("juliet@capulet.lit")
	chamber = jid.MustParse("juliet@capulet.lit/chamber")
	romeo   = jid.MustParse("romeo@montague.lit")
	orchard = jid.MustParse("romeo@montague.lit/orchard")
)

// world is a server without streams, with the accounts of Juliet and Romeo.
type world struct {
	t      testing.TB
	mux    xmpp.Mux
	store  archive.Store
	server *archive.Server
	err    error // of HasAccount

	mu   sync.Mutex
	sent []*stanza.Stanza
	fail error // of sending messages
	// deliver, if not nil, takes what is sent in the place of sent.
	deliver func(*stanza.Stanza)
}

var _ xmpp.Users = (*world)(nil)

func newWorld(t testing.TB, change ...func(*archive.Server)) *world {
	t.Helper()
	w := &world{t: t, store: memory.New().Archives(), server: new(archive.Server)}
	w.server.Store = w.store
	for _, fn := range change {
		fn(w.server)
	}
	d := new(disco.Extension)
	for _, e := range []xmpp.Extension{d, w.server} {
		if err := e.Attach(w); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func (w *world) LocalAddr() jid.JID { return jid.MustParse("capulet.lit") }
func (w *world) Mux() *xmpp.Mux     { return &w.mux }
func (w *world) IsServer() bool     { return true }

func (w *world) Features(j jid.JID) []string { return w.server.Features(j) }

func (w *world) HasAccount(_ context.Context, j jid.JID) (bool, error) {
	return j == juliet || j == romeo, w.err
}

func (w *world) MaySee(_ context.Context, contact, account jid.JID) (bool, error) {
	return contact.Bare() == account, nil
}

func (w *world) Resources(jid.JID) []jid.JID { return nil }

func (w *world) LastPresence(context.Context, jid.JID) (*stanza.Stanza, time.Time, error) {
	return nil, time.Time{}, nil
}

func (w *world) Do(context.Context, *stanza.Stanza) (*stanza.Stanza, error) {
	return nil, xmpp.ErrNotConnected
}

func (w *world) Send(_ context.Context, st *stanza.Stanza) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fail != nil && st.Kind == stanza.KindMessage {
		return w.fail
	}
	if w.deliver != nil {
		w.deliver(st)
		return nil
	}
	w.sent = append(w.sent, st)
	return nil
}

// ask hands over an iq, from Juliet's chamber to her account if it does not say,
// and returns what was sent.
func (w *world) ask(iq string) []*stanza.Stanza {
	w.t.Helper()
	st := parse(w.t, iq)
	if st.From.IsZero() {
		st.From = chamber
	}
	if st.To.IsZero() {
		st.To = st.From.Bare()
	}
	w.sent = nil
	if err := w.mux.HandleXMPP(w.t.Context(), w, st); err != nil {
		w.t.Logf("to be logged: %v", err)
	}
	return w.sent
}

// answer is ask for an iq that only an iq answers; its payload is returned, or
// what the error is.
func (w *world) answer(iq string) string {
	w.t.Helper()
	got := w.ask(iq)
	if len(got) != 1 || got[0].Kind != stanza.KindIQ {
		return fmt.Sprintf("%d stanzas: %v", len(got), got)
	}
	if err := got[0].Err(); err != nil {
		return string(stanza.AsError(err).Condition)
	}
	return string(got[0].Payload().Raw())
}

// archive puts messages into Juliet's archive, in turns from and to Romeo, a second
// apart, and returns their ids.
func (w *world) archive(n int) (ids []string) {
	w.t.Helper()
	for i := range n {
		e := archive.Entry{Archive: juliet, With: orchard, At: at(w.t, "2010-07-10T23:08:25Z").Add(time.Duration(i) * time.Second)}
		e.Stanza = parse(w.t, fmt.Sprintf("<message type='chat' to='%s' from='%s'><body>%d</body></message>", chamber, orchard, i))
		if i%2 == 1 {
			e.Stanza.To, e.Stanza.From = orchard, chamber
		}
		id, err := w.store.Append(w.t.Context(), e)
		if err != nil {
			w.t.Fatal(err)
		}
		ids = append(ids, id...)
	}
	return ids
}

// results returns the bodies of the results in what was sent, up to the last
// stanza, and that.
func (w *world) results(sent []*stanza.Stanza) (bodies string, end *stanza.Stanza) {
	w.t.Helper()
	if len(sent) == 0 {
		w.t.Fatal("nothing was sent")
	}
	var all []string
	for _, st := range sent[:len(sent)-1] {
		r, ok, err := stanza.Decode[archive.Result](st)
		if !ok || err != nil || st.From != juliet || st.To != chamber || st.ID == "" {
			w.t.Fatalf("%v is no result (%v)", st, err)
		}
		all = append(all, r.Message.Stanza.Message().Body)
	}
	return strings.Join(all, " "), sent[len(sent)-1]
}
