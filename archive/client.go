package archive

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/disco"
	"github.com/etherx-go/xmpp/ext/form"
	"github.com/etherx-go/xmpp/ext/rsm"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// The defaults of a [Client].
const (
	DefaultClientPage = 100
	DefaultPatience   = 10 * time.Second
)

var (
	// ErrIncomplete is returned for an answer that ends with a message that has
	// not come.
	ErrIncomplete = errors.New("archive: a message of the answer has not come")
	// ErrTooMany is returned for an answer with more messages than were asked for.
	ErrTooMany = errors.New("archive: there are more messages than were asked for")
	// ErrNoAnswer is returned for a result that does not say how the answer ends.
	ErrNoAnswer = errors.New("archive: the result does not say what was asked")
)

// Client is the Extension that reads archives. The zero Client is ready to be
// attached to a client or component. Methods are safe for concurrent use, fields
// must not be changed once it is attached.
//
// The messages of an answer come in order, but a host may run a handler for the
// iq that ends it before it has run those for the messages. So a query waits, when
// its iq has come, for the last message that it names. A host that gives what it
// reads to [Client.Intercept] first has nothing to wait for; with one that does
// not, a handler of messages of the very account or room whose archive it is must
// not query in its own goroutine: the messages would wait behind it.
type Client struct {
	// PageSize is how many messages are asked for at a time where the query does
	// not say. Default 100.
	PageSize int
	// Patience is how long to wait for the messages of an answer whose end has
	// come. Default 10 s, -1 = as long as the context lasts.
	Patience time.Duration

	n    atomic.Int32 // of queries
	mu   sync.Mutex
	open map[string]*answer // by the id of the query
}

// answer is what has come in answer to a query.
type answer struct {
	from, own jid.JID // who was asked, and the account who asks
	max       int
	messages  []Message
	over      bool          // there was one too many
	wait      string        // the id that is waited for
	come      chan struct{} // closed when it has come
}

// ClientPage is a page of an answer.
type ClientPage struct {
	Messages []Message // in the order of the archive
	Fin      Fin
}

// Attach adds the handler of the messages. The error says that h is a server.
func (c *Client) Attach(h xmpp.Host) error {
	if h.IsServer() {
		return errors.New("archive: Client is for clients and components")
	}
	p := xmpp.Pattern{Kind: stanza.KindMessage, Payload: Result{}.XMLName()}
	h.Mux().Handle(p, xmpp.HandlerFunc(func(_ context.Context, _ xmpp.Sender, st *stanza.Stanza) error {
		c.Intercept(st)
		return nil
	}))
	return nil
}

// Intercept takes a message that belongs to an answer which is waited for, and
// reports whether it did. A message "whether because the 'from' doesn't match an
// open query, or because there is no open query" (XEP-0313, section 8.2) is left
// alone. Intercept does not block; while no query is open it costs nothing.
func (c *Client) Intercept(st *stanza.Stanza) (taken bool) {
	if c.n.Load() == 0 || st.Kind != stanza.KindMessage || st.Type == stanza.TypeError {
		return false
	}
	e := st.Child(NS, "result")
	if e.IsZero() {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.open[e.Attr("queryid")]
	if a == nil || !a.isFrom(st.From) {
		return false
	}
	var r Result
	if e.Decode(&r) == nil {
		a.add(r.Message)
	}
	return true
}

// isFrom reports whether an address is that of the archive which was asked. What
// has no from is of the account itself (RFC 6120, section 8.1.2.1).
func (a *answer) isFrom(from jid.JID) bool {
	if a.from == a.own {
		return from.IsZero() || from == a.own
	}
	return from == a.from
}

func (a *answer) add(m Message) {
	if len(a.messages) == a.max {
		a.over = true
		a.arrived()
		return
	}
	if m.Stanza != nil {
		m.Stanza = m.Stanza.Clone() // not to keep what is around it
	}
	a.messages = append(a.messages, m)
	if m.ID == a.wait {
		a.arrived()
	}
}

// arrived ends the waiting.
func (a *answer) arrived() {
	if a.come != nil {
		close(a.come)
		a.come = nil
	}
}

// has reports whether a message has come.
func (a *answer) has(id string) bool {
	return slices.ContainsFunc(a.messages, func(m Message) bool { return m.ID == id })
}

// Page asks the archive at the address archive, zero for that of the own account,
// for one page. q.ID is chosen here. The messages are in the order of the archive
// also if they were asked for in the other. Errors are those of a Do, item-not-found
// among them for an id that is not there any more, and [ErrIncomplete],
// [ErrTooMany] and [ErrNoAnswer].
func (c *Client) Page(ctx context.Context, s xmpp.Sender, archive jid.JID, q Query) (ClientPage, error) {
	if !q.Set.CountOnly && q.Set.Max <= 0 {
		q.Set.Max = cmp.Or(c.PageSize, DefaultClientPage)
	}
	q.ID, q.Space = rand.Text(), ""
	own := s.LocalAddr().Bare()
	a := &answer{from: archive, own: own, max: q.Set.Limit(0, -1)}
	if archive.IsZero() {
		a.from = own
	}
	c.begin(q.ID, a)
	defer c.end(q.ID)
	iq, err := stanza.New(stanza.Header{Kind: stanza.KindIQ, Type: stanza.TypeSet, To: archive}, q)
	if err != nil {
		return ClientPage{}, err
	}
	reply, err := s.Do(ctx, iq)
	if err == nil {
		err = reply.Err()
	}
	if err != nil {
		return ClientPage{}, err
	}
	fin, ok, err := stanza.Decode[Fin](reply)
	if err == nil && !ok {
		err = ErrNoAnswer
	}
	if err != nil {
		return ClientPage{}, err
	}
	messages, err := c.collect(ctx, a, q.Flip, fin)
	return ClientPage{messages, fin}, err
}

func (c *Client) begin(id string, a *answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open == nil {
		c.open = make(map[string]*answer)
	}
	c.open[id] = a
	c.n.Add(1)
}

func (c *Client) end(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.open, id)
	c.n.Add(-1)
}

// collect waits for the messages of an answer whose end has come.
func (c *Client) collect(ctx context.Context, a *answer, flip bool, fin Fin) ([]Message, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if a.wait = fin.Set.Last; flip {
		a.wait = fin.Set.First
	}
	if a.wait != "" && !a.over && !a.has(a.wait) {
		come := make(chan struct{})
		a.come = come
		c.mu.Unlock()
		err := c.patience(ctx, come)
		c.mu.Lock()
		if err != nil {
			return nil, err
		}
	}
	if a.over {
		return nil, ErrTooMany
	}
	if flip {
		slices.Reverse(a.messages)
	}
	return a.messages, nil
}

// patience waits until the last message has come.
func (c *Client) patience(ctx context.Context, come <-chan struct{}) error {
	d := c.Patience
	if d == 0 {
		d = DefaultPatience
	}
	var late <-chan time.Time
	if d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		late = t.C
	}
	select {
	case <-come:
		return nil
	case <-late:
		return ErrIncomplete
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Messages yields the messages of an archive that match, page by page, from the
// page that q.Set asks for. A query for a page that ends somewhere (Before, Last)
// goes backward, the newest message first. An error ends the sequence.
func (c *Client) Messages(ctx context.Context, s xmpp.Sender, archive jid.JID, q Query) iter.Seq2[Message, error] {
	return rsm.All(ctx, q.Set, func(ctx context.Context, r rsm.Request) (rsm.Page[Message], error) {
		q.Set = r
		p, err := c.Page(ctx, s, archive, q)
		return rsm.Page[Message]{Items: p.Messages, Result: p.Fin.Set, Complete: p.Fin.Complete}, err
	})
}

// Count asks how many messages match, about. The archive need not know; then the
// error is [ErrNoAnswer].
func (c *Client) Count(ctx context.Context, s xmpp.Sender, archive jid.JID, f Filter) (int, error) {
	p, err := c.Page(ctx, s, archive, Query{Filter: f, Set: rsm.Request{CountOnly: true}})
	if err == nil && !p.Fin.Set.HasCount {
		err = ErrNoAnswer
	}
	return p.Fin.Set.Count, err
}

// Supports asks what the archive at an address, zero for that of the own account,
// can do: whether there is one, and whether it knows what needs [NSExtended].
func Supports(ctx context.Context, s xmpp.Sender, archive jid.JID) (there, extended bool, err error) {
	if archive.IsZero() {
		archive = s.LocalAddr().Bare()
	}
	info, err := disco.GetInfo(ctx, s, archive, "")
	return info.Has(NS), info.Has(NSExtended), err
}

// GetMetadata asks where an archive begins and ends; zero for that of the own
// account. It needs the feature [NSExtended].
func GetMetadata(ctx context.Context, s xmpp.Sender, archive jid.JID) (Metadata, error) {
	return xmpp.Call[Metadata](ctx, s, stanza.TypeGet, archive, Metadata{})
}

// GetPreferences asks with whom messages of the own account are archived. Not all
// servers let their users choose; then the error is feature-not-implemented, or
// service-unavailable.
func GetPreferences(ctx context.Context, s xmpp.Sender) (Preferences, error) {
	return xmpp.Call[Preferences](ctx, s, stanza.TypeGet, jid.JID{}, Preferences{})
}

// SetPreferences says with whom messages of the own account are to be archived,
// and returns what the server has made of it.
func SetPreferences(ctx context.Context, s xmpp.Sender, p Preferences) (Preferences, error) {
	p.Space = ""
	if p.Default == "" {
		err := stanza.NewError(stanza.BadRequest, "there is no default")
		return Preferences{}, fmt.Errorf("archive: preferences: %w", err)
	}
	return xmpp.Call[Preferences](ctx, s, stanza.TypeSet, jid.JID{}, p)
}

// GetFields asks which fields an archive knows (XEP-0313, section 4.1.5).
func GetFields(ctx context.Context, s xmpp.Sender, archive jid.JID) ([]form.Field, error) {
	e, err := xmpp.Call[stanza.Element](ctx, s, stanza.TypeGet, archive, Query{})
	if err != nil {
		return nil, err
	}
	var d form.Data
	x := e.Child(form.NS, "x")
	if x.IsZero() {
		return nil, ErrNoAnswer
	}
	if err := x.Decode(&d); err != nil {
		return nil, err
	}
	return d.Fields, nil
}
