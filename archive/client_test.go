package archive_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/archive"
	"github.com/etherx-go/xmpp/ext/rsm"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/storage/memory"
	"github.com/etherx-go/xmpp/xmpptest"
)

// clientHost is a client without a stream: it asks a world.
type clientHost struct {
	mux   xmpp.Mux
	world *world
	// tamper, if not nil, changes what the world sends.
	tamper func([]*stanza.Stanza) []*stanza.Stanza
	// late: the iq comes before the messages.
	late bool
	wg   sync.WaitGroup
	mu   sync.Mutex
}

func (c *clientHost) LocalAddr() jid.JID                         { return chamber }
func (c *clientHost) Mux() *xmpp.Mux                             { return &c.mux }
func (c *clientHost) IsServer() bool                             { return false }
func (c *clientHost) Features(jid.JID) []string                  { return nil }
func (c *clientHost) Send(context.Context, *stanza.Stanza) error { return nil }

// Do asks the world, and hands the messages that it sends to the handlers.
func (c *clientHost) Do(ctx context.Context, iq *stanza.Stanza) (*stanza.Stanza, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c.mu.Lock()
	h := iq.Header
	h.From, h.ID = chamber, "i"
	if h.To.IsZero() {
		h.To = juliet
	}
	c.world.sent = nil
	c.world.mux.HandleXMPP(ctx, c.world, iq.With(h))
	sent := c.world.sent
	c.mu.Unlock()
	if c.tamper != nil {
		sent = c.tamper(sent)
	}
	var reply *stanza.Stanza
	deliver := func() {
		for _, st := range sent {
			if st.Kind == stanza.KindMessage {
				c.mux.HandleXMPP(context.Background(), c, st)
			}
		}
	}
	for _, st := range sent {
		if st.Kind == stanza.KindIQ {
			reply = st
		}
	}
	if c.late {
		c.wg.Go(deliver)
	} else {
		deliver()
	}
	if reply == nil {
		return nil, xmpp.ErrSessionLost
	}
	return reply, reply.Err()
}

func newClient(t testing.TB, w *world, change ...func(*archive.Client)) (*archive.Client, *clientHost) {
	t.Helper()
	c := new(archive.Client)
	for _, fn := range change {
		fn(c)
	}
	h := &clientHost{world: w}
	if err := c.Attach(h); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.wg.Wait)
	return c, h
}

func bodiesOf(messages []archive.Message) string {
	var all []string
	for _, m := range messages {
		all = append(all, m.Stanza.Message().Body)
	}
	return strings.Join(all, " ")
}

func TestClientPage(t *testing.T) {
	w := newWorld(t)
	ids := w.archive(10)
	for _, late := range []bool{false, true} {
		c, h := newClient(t, w, func(c *archive.Client) { c.PageSize = 4 })
		h.late = late
		for _, tt := range []struct {
			name string
			q    archive.Query
			want string
		}{
			{"a page of the client's size", archive.Query{}, "0 1 2 3"},
			{"with a filter", archive.Query{Filter: archive.Filter{AfterID: ids[7]}}, "8 9"},
			{"flipped", archive.Query{Flip: true, Set: rsm.Request{Max: 3}}, "0 1 2"},
			{"backward", archive.Query{Set: rsm.Request{Max: 3, Last: true}}, "7 8 9"},
			{"nothing", archive.Query{Filter: archive.Filter{With: juliet}}, ""},
		} {
			p, err := c.Page(t.Context(), h, jid.JID{}, tt.q)
			h.wg.Wait()
			if got := bodiesOf(p.Messages); err != nil || got != tt.want {
				t.Errorf("late %v, %s: %q, %v, want %q", late, tt.name, got, err, tt.want)
			}
		}
		if n, err := c.Count(t.Context(), h, juliet, archive.Filter{With: romeo}); n != 10 || err != nil {
			t.Errorf("count %d, %v", n, err)
		}
		if _, err := c.Page(t.Context(), h, jid.JID{}, archive.Query{Filter: archive.Filter{AfterID: "x"}}); !errors.Is(err, stanza.ItemNotFound) {
			t.Errorf("after what is not there: %v", err)
		}
		if _, err := c.Page(t.Context(), h, romeo, archive.Query{}); !errors.Is(err, stanza.Forbidden) {
			t.Errorf("the archive of somebody else: %v", err)
		}
	}
}

func TestClientMessages(t *testing.T) {
	w := newWorld(t, func(s *archive.Server) { s.MaxPage = 3 })
	w.archive(10)
	c, h := newClient(t, w, func(c *archive.Client) { c.PageSize = 4 })
	for _, tt := range []struct {
		q    archive.Query
		want string
	}{
		{archive.Query{}, "0 1 2 3 4 5 6 7 8 9"},
		{archive.Query{Set: rsm.Request{Max: 1}}, "0 1 2 3 4 5 6 7 8 9"},
		{archive.Query{Set: rsm.Request{Last: true}}, "9 8 7 6 5 4 3 2 1 0"},
		{archive.Query{Flip: true}, "0 1 2 3 4 5 6 7 8 9"},
	} {
		var all []archive.Message
		for m, err := range c.Messages(t.Context(), h, jid.JID{}, tt.q) {
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, m)
		}
		if got := bodiesOf(all); got != tt.want {
			t.Errorf("%+v: %s, want %s", tt.q, got, tt.want)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for m, err := range c.Messages(ended, h, jid.JID{}, archive.Query{}) {
		if err != context.Canceled {
			t.Errorf("%v, %v", m, err)
		}
	}
}

// TestClientBelieves: only results of who was asked, with the id of the query,
// count (XEP-0313, section 8.2).
func TestClientBelieves(t *testing.T) {
	w := newWorld(t)
	w.archive(2)
	c, h := newClient(t, w)
	forge := func(st *stanza.Stanza, from string, id func(string) string) *stanza.Stanza {
		r := st.Child(archive.NS, "result")
		f, err := stanza.Parse(fmt.Sprintf("<message from='%s' to='%s'><result xmlns='urn:xmpp:mam:2' queryid='%s' id='evil'>%s</result></message>",
			from, chamber, id(r.Attr("queryid")), strings.Replace(forwarded, "Call me but love", "evil", 1)))
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	same := func(id string) string { return id }
	for name, evil := range map[string]func(*stanza.Stanza) *stanza.Stanza{
		"a contact":      func(st *stanza.Stanza) *stanza.Stanza { return forge(st, "romeo@montague.lit/orchard", same) },
		"the domain":     func(st *stanza.Stanza) *stanza.Stanza { return forge(st, "capulet.lit", same) },
		"another client": func(st *stanza.Stanza) *stanza.Stanza { return forge(st, "juliet@capulet.lit/phone", same) },
		"another query": func(st *stanza.Stanza) *stanza.Stanza {
			return forge(st, "juliet@capulet.lit", func(string) string { return "x" })
		},
		"no query": func(st *stanza.Stanza) *stanza.Stanza {
			return forge(st, "juliet@capulet.lit", func(string) string { return "" })
		},
		"a name that looks like": func(st *stanza.Stanza) *stanza.Stanza { return forge(st, "juliet@capulet.lit.evil", same) },
	} {
		var forged *stanza.Stanza
		h.tamper = func(sent []*stanza.Stanza) []*stanza.Stanza {
			forged = evil(sent[0])
			return append([]*stanza.Stanza{forged}, sent...)
		}
		p, err := c.Page(t.Context(), h, jid.JID{}, archive.Query{})
		if got := bodiesOf(p.Messages); got != "0 1" || err != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		if c.Intercept(forged) {
			t.Errorf("%s: taken although nobody asks", name)
		}
	}
	h.tamper = func(sent []*stanza.Stanza) []*stanza.Stanza { // no from: of the account itself
		for i, st := range sent {
			if st.Kind == stanza.KindMessage {
				hd := st.Header
				hd.From = jid.JID{}
				sent[i] = st.With(hd)
			}
		}
		return sent
	}
	if p, err := c.Page(t.Context(), h, juliet, archive.Query{}); len(p.Messages) != 2 || err != nil {
		t.Errorf("without from: %v, %v", p, err)
	}
	if st := parse(t, "<message type='error'><result xmlns='urn:xmpp:mam:2'/></message>"); c.Intercept(st) {
		t.Error("an error was taken")
	}
}

func TestClientErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.archive(4)
		c, h := newClient(t, w)
		h.tamper = func(sent []*stanza.Stanza) []*stanza.Stanza { return slices.Delete(sent, 3, 4) } // the last message
		start := time.Now()
		if _, err := c.Page(t.Context(), h, jid.JID{}, archive.Query{}); err != archive.ErrIncomplete || time.Since(start) != archive.DefaultPatience {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		patient, h2 := newClient(t, w, func(c *archive.Client) { c.Patience = -1 })
		h2.tamper = h.tamper
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if _, err := patient.Page(ctx, h2, jid.JID{}, archive.Query{}); err != context.DeadlineExceeded {
			t.Errorf("%v", err)
		}
		more := func(sent []*stanza.Stanza) []*stanza.Stanza { return append([]*stanza.Stanza{sent[0]}, sent...) }
		h.tamper = more
		for _, h.late = range []bool{false, true} {
			if _, err := c.Page(t.Context(), h, jid.JID{}, archive.Query{Set: rsm.Request{Max: 2}}); err != archive.ErrTooMany {
				t.Errorf("%v", err)
			}
			h.wg.Wait()
		}
		h.late = false
		reply := func(payload string) {
			h.tamper = func([]*stanza.Stanza) []*stanza.Stanza {
				return []*stanza.Stanza{parse(t, "<iq type='result' id='i' from='juliet@capulet.lit'>"+payload+"</iq>")}
			}
		}
		reply("")
		if _, err := c.Page(t.Context(), h, jid.JID{}, archive.Query{}); err != archive.ErrNoAnswer {
			t.Errorf("%v", err)
		}
		reply("<fin xmlns='urn:xmpp:mam:2' complete='true'/>")
		if p, err := c.Page(t.Context(), h, jid.JID{}, archive.Query{}); err != nil || !p.Fin.Complete || p.Messages != nil {
			t.Errorf("without a set: %v, %v", p, err)
		}
		if _, err := c.Count(t.Context(), h, jid.JID{}, archive.Filter{}); err != archive.ErrNoAnswer {
			t.Errorf("count: %v", err)
		}
		if _, err := archive.GetFields(t.Context(), h, jid.JID{}); err != archive.ErrNoAnswer {
			t.Errorf("fields: %v", err)
		}
		h.tamper = func([]*stanza.Stanza) []*stanza.Stanza { return nil }
		if _, err := c.Page(t.Context(), h, jid.JID{}, archive.Query{}); err != xmpp.ErrSessionLost {
			t.Errorf("%v", err)
		}
		if _, err := archive.GetFields(t.Context(), h, jid.JID{}); err != xmpp.ErrSessionLost {
			t.Errorf("fields: %v", err)
		}
	})
}

func TestClientFunctions(t *testing.T) {
	w := newWorld(t)
	_, h := newClient(t, w)
	ctx := t.Context()
	there, extended, err := archive.Supports(ctx, h, jid.JID{})
	if !there || !extended || err != nil {
		t.Errorf("%v, %v, %v", there, extended, err)
	}
	if m, err := archive.GetMetadata(ctx, h, jid.JID{}); !m.IsEmpty() || err != nil {
		t.Errorf("%+v, %v", m, err)
	}
	ids := w.archive(3)
	if m, err := archive.GetMetadata(ctx, h, juliet); m.Start.ID != ids[0] || m.End.ID != ids[2] || err != nil {
		t.Errorf("%+v, %v", m, err)
	}
	p, err := archive.SetPreferences(ctx, h, archive.Preferences{Default: archive.Never, Always: []jid.JID{romeo}})
	if p.Default != archive.Never || err != nil {
		t.Errorf("%+v, %v", p, err)
	}
	if p, err = archive.GetPreferences(ctx, h); p.Default != archive.Never || !slices.Equal(p.Always, []jid.JID{romeo}) || err != nil {
		t.Errorf("%+v, %v", p, err)
	}
	if _, err := archive.SetPreferences(ctx, h, archive.Preferences{}); !errors.Is(err, stanza.BadRequest) {
		t.Errorf("no default: %v", err)
	}
	fields, err := archive.GetFields(ctx, h, jid.JID{})
	if len(fields) != 8 || fields[1].Var != "with" || err != nil {
		t.Errorf("%+v, %v", fields, err)
	}
}

// TestStream: over a stream, with the client's own order of things.
func TestStream(t *testing.T) {
	store := memory.New().Archives()
	s := xmpptest.NewServer(t, func(c *server.Config) { c.Extensions = append(c.Extensions, &archive.Server{Store: store}) })
	me := jid.MustParse("juliet@example.org")
	for i := range 500 {
		st := parse(t, fmt.Sprintf("<message to='juliet@example.org' from='romeo@example.org'><body>%d</body></message>", i))
		if _, err := store.Append(t.Context(), archive.Entry{Archive: me, With: st.From, At: time.Now(), Stanza: st}); err != nil {
			t.Fatal(err)
		}
	}
	mam := new(archive.Client)
	cfg := s.ClientConfig("juliet/balcony", nil)
	cfg.Extensions = append(cfg.Extensions, mam)
	c := s.Start(cfg)
	n := 0
	for m, err := range mam.Messages(t.Context(), c, jid.JID{}, archive.Query{Filter: archive.Filter{With: jid.MustParse("romeo@example.org")}}) {
		if err != nil || m.Stanza.Message().Body != fmt.Sprint(n) {
			t.Fatalf("%d: %v, %v", n, m, err)
		}
		n++
	}
	if n != 500 {
		t.Errorf("%d messages", n)
	}
}
