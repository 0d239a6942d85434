package search

import (
	"context"
	"crypto/rand"
	"sync"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// Defaults of a [Gatherer].
const (
	DefaultWait     = 2 * time.Second
	DefaultMaxItems = 1000
)

// Gatherer is the Extension for searching at services of old, which give their
// results in several iqs with the id of the request, "ended with a blank query"
// (Jabber Programmers Guide, chapter 9). All that come are gathered, until the
// blank one, one that is marked as truncated, or a time in which nothing came.
// Services of today send one result, and with them that time is lost: use
// [Submit] there. Methods are safe for concurrent use, after Attach.
type Gatherer struct {
	// Wait is how long the next result is waited for. Default 2 s.
	Wait time.Duration
	// MaxItems bounds what is gathered in one search; what is more is left out,
	// and the results are marked as truncated. Default 1000, -1 = no limit.
	MaxItems int

	mu    sync.Mutex
	waits map[string]*gathering // by id
}

// gathering is what came beside the reply of one search.
type gathering struct {
	service jid.JID
	more    chan struct{} // something was added
	replies []Query
	full    bool
	items   int
}

// Attach adds the handler. Its host hands results that answer nothing to the
// handlers, as clients do.
func (g *Gatherer) Attach(h xmpp.Host) error {
	g.waits = make(map[string]*gathering)
	h.Mux().Handle(xmpp.Pattern{
		Kind: stanza.KindIQ, Types: []stanza.Type{stanza.TypeResult}, Payload: Query{}.XMLName(),
	}, xmpp.HandlerFunc(g.receive))
	return nil
}

// receive takes a result that is not the first.
func (g *Gatherer) receive(_ context.Context, _ xmpp.Sender, st *stanza.Stanza) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	w := g.waits[st.ID]
	if w == nil || w.full || st.From != w.service {
		return nil
	}
	q, _, err := stanza.Decode[Query](st)
	if err != nil {
		return err
	}
	w.replies = append(w.replies, q)
	w.items += len(q.Items)
	w.full = g.MaxItems >= 0 && w.items >= orDefault(g.MaxItems, DefaultMaxItems)
	select {
	case w.more <- struct{}{}:
	default: // it is known already that there is something
	}
	return nil
}

// Search is as the function of that name, but gathers.
func (g *Gatherer) Search(ctx context.Context, s xmpp.Sender, service jid.JID, fields ...Field) (Results, error) {
	asked, err := Fields(ctx, s, service)
	if err != nil {
		return Results{}, err
	}
	q, err := asked.Answer(fields...)
	if err != nil {
		return Results{}, err
	}
	return g.Submit(ctx, s, service, q)
}

// Submit is as the function of that name, but gathers. If ctx ends when something
// has come already, that is returned, marked as truncated, and no error.
func (g *Gatherer) Submit(ctx context.Context, s xmpp.Sender, service jid.JID, q Query) (Results, error) {
	iq, err := stanza.New(stanza.Header{Kind: stanza.KindIQ, Type: stanza.TypeSet, ID: rand.Text(), To: service}, q)
	if err != nil {
		return Results{}, err
	}
	w := &gathering{service: service, more: make(chan struct{}, 1)}
	g.mu.Lock()
	g.waits[iq.ID] = w
	g.mu.Unlock()
	defer func() {
		g.mu.Lock()
		delete(g.waits, iq.ID)
		g.mu.Unlock()
	}()

	reply, err := s.Do(ctx, iq)
	if err == nil {
		err = reply.Err()
	}
	if err != nil {
		return Results{}, err
	}
	first, _, err := stanza.Decode[Query](reply)
	if err != nil {
		return Results{}, err
	}
	return g.gather(ctx, w, first.Results(), first.isLast()), nil
}

// isLast reports whether nothing can come behind a result.
func (q *Query) isLast() bool { return len(q.Items) == 0 || q.Truncated }

// gather adds to r what comes until the end.
func (g *Gatherer) gather(ctx context.Context, w *gathering, r Results, last bool) Results {
	wait := g.Wait
	if wait <= 0 {
		wait = DefaultWait
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	for !last {
		select {
		case <-w.more:
			t.Reset(wait)
		case <-t.C:
			return g.bounded(r)
		case <-ctx.Done():
			r.Truncated = true
			return g.bounded(r)
		}
		last = g.take(w, &r)
	}
	return g.bounded(r)
}

// take adds to r what has come, and reports whether it was the last.
func (g *Gatherer) take(w *gathering, r *Results) (last bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, q := range w.replies {
		r.Items = append(r.Items, q.Items...)
		r.Truncated = r.Truncated || q.Truncated
		last = last || q.isLast()
	}
	w.replies = nil
	if w.full && !last {
		r.Truncated, last = true, true
	}
	return last
}

// bounded returns at most MaxItems of r.
func (g *Gatherer) bounded(r Results) Results {
	if limit := orDefault(g.MaxItems, DefaultMaxItems); limit >= 0 && len(r.Items) > limit {
		r.Items, r.Truncated = r.Items[:limit], true
	}
	return r
}

func orDefault(n, def int) int {
	if n == 0 {
		return def
	}
	return n
}
