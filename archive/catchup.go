package archive

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/carbons"
	"github.com/etherx-go/xmpp/ext/rsm"
	"github.com/etherx-go/xmpp/ext/stanzaid"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// The defaults of a [CatchUp].
const (
	DefaultWindow  = 50
	DefaultMaxHeld = 10_000
	maxSent        = 100 // ids of own messages
)

// slack is by how much clocks may differ where a place in the archive is found by
// its time, because the message that marks it is not there any more.
const slack = 24 * time.Hour

// State is where a [CatchUp] is: a small value that a program keeps beyond its end,
// as JSON, say. The zero State is that of who has never read the archive.
type State struct {
	// Started: it is known where in the archive the messages begin that are news.
	Started bool `json:"started,omitempty"`
	// After is the id of a message that, with all before it, has been handled; ""
	// for the beginning of the archive.
	After string `json:"after,omitempty"`
	// At is about when that was, or when the first of Seen was.
	At time.Time `json:"at,omitzero"`
	// Seen are the ids of messages around and behind it that have been handled.
	Seen []string `json:"seen,omitempty"`
	// Sent are the ids of own messages that have not been seen in the archive yet.
	Sent []string `json:"sent,omitempty"`
}

// CatchUp makes one sequence of what comes while a client is connected and of what
// the archive of its account has got meanwhile: each message once, and what is of
// one sender in its order. (What is not archived keeps its place among what comes
// live; if the archive was faster, it comes behind.) It needs a server that has the
// feature [NS] for the account; the stanza ids of others say nothing.
//
// In each new session (not in one that was resumed) the program goes through Run,
// with the Sender of the session. It hands each message that comes to Live, with the
// Sender that its handler got, so that a new session is noticed also if its messages
// are handled before Run is called; what Live does not return comes out of Run. Of a
// carbon (XEP-0280) that is the message inside, after a look at who it is from. A
// message that has been handled is reported by Done; what Run yields is reported by
// the end of the loop's body. State is always one from which another CatchUp can go
// on, in another process too: a message that was not done comes again.
//
// All methods are safe for concurrent use, but Run, of which there is one at a
// time. Fields must not be changed after the first call.
type CatchUp struct {
	// Account is the bare address of the account whose archive is read.
	Account jid.JID
	// Copies has Run enable carbons (XEP-0280) in the session before it reads the
	// archive, so that nothing falls between what it reads and what comes live. That
	// a server has none is no error. Without copies, what other clients of the
	// account send and get is found only after a gap.
	Copies bool
	// First is how many of the newest messages are read when there is no State.
	// 0 = none: what is new comes, from then on; -1 = all.
	First int
	// Window is how many messages the archive and what comes live may be in
	// different order, at the most. So many are read twice after a gap, and
	// recognized. Default 50.
	Window int
	// MaxHeld bounds what is held of what comes live while the archive is read: of
	// more, what is archived is read from the archive, and the rest is dropped. As
	// many ids are remembered while the program runs; a message that is not done
	// when as many have come behind it (or four windows, if that is more) counts as
	// done. Default 10000.
	MaxHeld int

	mu      sync.Mutex
	state   State           // but for Seen
	entries []entry         // what has come last, in that order
	mark    int             // behind the entry that state.After is, if it is there
	known   map[string]bool // their ids
	behind  bool            // what comes live is held
	held    []*held
	heldIDs map[string]*held
	again   bool // there was too much: the archive is to be read again
	// While the archive is read, what was known before has no certain place in it:
	// entries[unread:read], as far as it has not been met there again. In front of
	// it are those that are surely before state.After, behind it those that were
	// read, in the order of the archive.
	unread, read int
	session      xmpp.Sender
	past         [4]xmpp.Sender // sessions
}

// entry is a message behind State.After.
type entry struct {
	id   string
	at   time.Time
	done bool
}

// held is a message that has come live, and waits.
type held struct {
	Message
	skip bool // it has been handled
}

// Restore sets where it is to what State has returned. It is to be called before
// everything else.
func (c *CatchUp) Restore(s State) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state = State{Started: s.Started, After: s.After, At: s.At, Sent: slices.Clone(s.Sent)}
	c.entries, c.known = nil, make(map[string]bool)
	for _, id := range s.Seen {
		if !c.known[id] {
			c.known[id] = true
			c.entries = append(c.entries, entry{id: id, at: s.At, done: true})
		}
	}
	c.unread, c.read, c.mark = 0, len(c.entries), len(c.entries)
}

// State returns where it is.
func (c *CatchUp) State() State {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.state
	s.Sent = slices.Clone(s.Sent)
	if s.At.IsZero() && len(c.entries) > 0 {
		s.At = c.entries[0].at // or nobody knows it of those in Seen any more
	}
	for i, e := range c.entries {
		if e.done && (i >= c.unread && i < c.read || i >= c.read && i >= c.old()) {
			s.Seen = append(s.Seen, e.id)
		}
	}
	return s
}

// enter notes the session that s is of. In a new one what comes live is held, until
// Run has caught up, and what was held for the last one is dropped; the archive has
// it, if it was to be kept. Messages of the sessions before may still be handled.
func (c *CatchUp) enter(s xmpp.Sender) {
	if s == c.session || slices.Contains(c.past[:], s) {
		return
	}
	copy(c.past[1:], c.past[:])
	c.past[0], c.session = c.session, s
	c.fallBehind()
}

func (c *CatchUp) fallBehind() {
	c.behind, c.again = true, false
	c.held, c.heldIDs = nil, make(map[string]*held)
}

// Live takes a message that has come, in the session that s is of. If ok is true it is
// to be handled now, and then reported by Done; otherwise it has been handled already,
// or Run yields it. A message without an id of the account's archive was not archived,
// and can only come live.
func (c *CatchUp) Live(s xmpp.Sender, st *stanza.Stanza) (m Message, ok bool) {
	m = Message{Stanza: st, At: time.Now()}
	m.ID, _ = stanzaid.By(st, c.Account)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.enter(s)
	switch {
	case m.ID != "" && c.known[m.ID]:
		return Message{}, false
	case c.behind:
		c.hold(m)
		return Message{}, false
	}
	c.add(entry{id: m.ID, at: m.At})
	return m, true
}

// hold keeps a message for Run. If there are too many those go that Run finds in
// the archive.
func (c *CatchUp) hold(m Message) {
	if m.ID != "" && (c.again || c.heldIDs[m.ID] != nil) {
		return
	}
	if len(c.held) >= c.limit() {
		c.again = true
		c.held = slices.DeleteFunc(c.held, func(h *held) bool { return h.ID != "" })
		clear(c.heldIDs)
		if m.ID != "" || len(c.held) >= c.limit() {
			return
		}
	}
	h := &held{Message: m}
	c.held = append(c.held, h)
	if m.ID != "" {
		c.heldIDs[m.ID] = h
	}
}

func (c *CatchUp) limit() int  { return max(1, cmp.Or(c.MaxHeld, DefaultMaxHeld)) }
func (c *CatchUp) window() int { return max(1, cmp.Or(c.Window, DefaultWindow)) }

// Done says that a message which Live has returned has been handled.
func (c *CatchUp) Done(m Message) {
	if m.ID == "" {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.entries {
		if c.entries[i].id == m.ID {
			c.entries[i].done = true
			break
		}
	}
	c.trim()
}

// Sent says that the client itself has sent a message with this id, its attribute
// or that of an <origin-id/>; when the archive has it, it is no news.
func (c *CatchUp) Sent(id string) {
	if id == "" {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state.Sent = append(c.state.Sent, id)
	if n := len(c.state.Sent); n > maxSent {
		c.state.Sent = slices.Clone(c.state.Sent[n-maxSent:])
	}
}

// add notes a message; one without an id cannot be noted.
func (c *CatchUp) add(e entry) {
	if e.id == "" || c.known[e.id] {
		return
	}
	if c.known == nil {
		c.known = make(map[string]bool)
	}
	c.known[e.id] = true
	c.entries = append(c.entries, e)
	c.trim()
}

// trim moves on what is remembered, within its bounds.
func (c *CatchUp) trim() {
	c.advance()
	for len(c.entries)-(c.read-c.unread) > max(c.limit(), 4*c.window()) {
		switch {
		case c.unread > 0:
			c.unread--
			c.read--
			c.drop(0)
		case c.old() > c.read:
			c.drop(c.read)
		default: // one that is not done is in the way
			c.entries[c.mark+c.doneBehind()].done = true
			c.advance()
		}
	}
}

// advance moves State.After on: there is a window of messages that are done behind
// it, in case the archive has one in front of it that has not come yet, or is not
// done. A window before it is remembered, in case the archive has one of them behind
// it.
func (c *CatchUp) advance() {
	n := c.mark + c.doneBehind() - c.window()
	if n <= c.mark {
		return
	}
	c.mark = n
	c.state.After, c.state.At = c.entries[n-1].id, c.entries[n-1].at
}

// doneBehind returns how many messages behind the mark are done, up to the first that
// is not.
func (c *CatchUp) doneBehind() int {
	rest := c.entries[c.mark:]
	if i := slices.IndexFunc(rest, func(e entry) bool { return !e.done }); i >= 0 {
		return i
	}
	return len(rest)
}

// old is how many of entries, the first ones, are surely before state.After in the
// archive, too.
func (c *CatchUp) old() int { return max(0, c.mark-1-c.window()) }

// drop forgets a message before the mark.
func (c *CatchUp) drop(i int) {
	delete(c.known, c.entries[i].id)
	c.entries = slices.Delete(c.entries, i, i+1)
	c.mark--
}

// reread says that the archive is read now.
func (c *CatchUp) reread() {
	if c.read == 0 {
		c.unread = c.old()
	}
	c.read, c.mark = len(c.entries), len(c.entries)
}

// meet notes that the archive has a known message here.
func (c *CatchUp) meet(id string) {
	i := slices.IndexFunc(c.entries[c.unread:c.read], func(e entry) bool { return e.id == id })
	if i < 0 {
		return
	}
	i += c.unread
	e := c.entries[i]
	c.entries = append(slices.Delete(c.entries, i, i+1), e)
	c.read--
	c.mark--
	c.trim()
}

// Run reads what is missing, by cl and s, and yields it, and then what has come
// live meanwhile. When it ends without an error everything is there, and Live
// returns what comes. After an error, which ends it, what comes live is still held:
// run it again, in the next session if this one is over. Who leaves the loop does
// the same; the message at which it was left comes again.
func (c *CatchUp) Run(ctx context.Context, cl *Client, s xmpp.Sender) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		r := run{c: c, session: s, yield: yield}
		c.mu.Lock()
		c.enter(s)
		if !c.behind {
			c.fallBehind()
		}
		c.mu.Unlock()
		err := r.enableCopies(ctx)
		if err == nil {
			err = errAgain
		}
		for err == errAgain {
			if err = r.archive(ctx, cl, s); err == nil {
				err = r.live()
			}
		}
		if err != nil && err != errLeft {
			yield(Message{}, err)
		}
	}
}

var (
	errLeft  = errors.New("archive: the loop was left")
	errAgain = errors.New("archive: more has come than could be held")
)

// run is one use of Run.
type run struct {
	c       *CatchUp
	session xmpp.Sender
	yield   func(Message, error) bool
}

// enableCopies has the session get copies, if the server has them.
func (r *run) enableCopies(ctx context.Context) error {
	if !r.c.Copies {
		return nil
	}
	err := carbons.Enable(ctx, r.session)
	if _, refused := errors.AsType[*stanza.Error](err); refused {
		return nil
	}
	return err
}

// archive reads the archive to its end.
func (r *run) archive(ctx context.Context, cl *Client, s xmpp.Sender) error {
	c := r.c
	c.mu.Lock()
	c.reread()
	from := c.state
	c.mu.Unlock()
	if !from.Started {
		return r.first(ctx, cl, s)
	}
	q := Query{Set: rsm.Request{After: from.After}}
	err := r.pages(ctx, cl, s, q)
	if from.After == "" || !errors.Is(err, stanza.ItemNotFound) {
		return err
	}
	// Only the oldest messages are ever removed (XEP-0313, section 3.2), so all
	// that are left are behind this one; or it is another archive.
	q.Set.After = ""
	if !from.At.IsZero() {
		q.Filter.Start = from.At.Add(-slack)
	}
	return r.pages(ctx, cl, s, q)
}

// pages reads to the end of the archive.
func (r *run) pages(ctx context.Context, cl *Client, s xmpp.Sender, q Query) error {
	for m, err := range cl.Messages(ctx, s, jid.JID{}, q) {
		if err != nil {
			return err
		}
		if err := r.take(m); err != nil {
			return err
		}
	}
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	r.c.unread, r.c.read = 0, 0
	return nil
}

// first reads the end of an archive that has never been read.
func (r *run) first(ctx context.Context, cl *Client, s xmpp.Sender) error {
	c, n := r.c, r.c.First
	if n < 0 {
		c.mu.Lock()
		c.state.Started = true
		c.mu.Unlock()
		return r.pages(ctx, cl, s, Query{})
	}
	// One more: the message that the others come behind.
	newest := make([]Message, 0, min(n+1, 2*DefaultClientPage))
	size := min(n+1, cmp.Or(cl.PageSize, DefaultClientPage))
	for m, err := range cl.Messages(ctx, s, jid.JID{}, Query{Set: rsm.Request{Last: true, Max: size}}) {
		if err != nil {
			return err
		}
		if newest = append(newest, m); len(newest) > n {
			break
		}
	}
	slices.Reverse(newest)
	c.mu.Lock()
	if len(newest) > n && c.state.After == "" && len(c.entries) == 0 {
		c.state.After, c.state.At = newest[0].ID, newest[0].At
		newest = newest[1:]
	}
	after := c.state.After
	c.state.Started = true
	c.mu.Unlock()
	for _, m := range newest {
		if err := r.take(m); err != nil {
			return err
		}
		after = m.ID
	}
	// What was archived since then.
	return r.pages(ctx, cl, s, Query{Set: rsm.Request{After: after}})
}

// take yields a message of the archive, if it is new, after those that came live
// before it and are in no archive.
func (r *run) take(m Message) error {
	c := r.c
	c.mu.Lock()
	known, own := c.known[m.ID], false
	var before []*held
	live := c.heldIDs[m.ID]
	if known {
		c.meet(m.ID)
	} else {
		own = c.isOwn(m.Stanza)
		before = c.unarchived(live)
	}
	c.mu.Unlock()
	if known {
		return nil
	}
	for _, h := range before {
		if !r.yield(h.Message, nil) {
			return errLeft
		}
		r.done(h.Message, h)
	}
	if !own && !r.yield(m, nil) {
		return errLeft
	}
	r.done(m, live)
	return nil
}

// unarchived returns what is held before a message and is in no archive.
func (c *CatchUp) unarchived(live *held) (before []*held) {
	if live == nil {
		return nil
	}
	for _, h := range c.held {
		if h == live {
			break
		}
		if h.ID == "" && !h.skip {
			before = append(before, h)
		}
	}
	return before
}

// done notes a message that was yielded; h, if not nil, is the same, held.
func (r *run) done(m Message, h *held) {
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	if h != nil {
		h.skip = true
	}
	r.c.add(entry{id: m.ID, at: m.At, done: true})
}

// isOwn reports whether a message is one that this client has sent.
func (c *CatchUp) isOwn(st *stanza.Stanza) bool {
	if st == nil || st.From.Bare() != c.Account || len(c.state.Sent) == 0 {
		return false
	}
	origin, _ := stanzaid.Origin(st)
	i := slices.IndexFunc(c.state.Sent, func(id string) bool { return id == st.ID || id == origin })
	if i < 0 {
		return false
	}
	c.state.Sent = slices.Delete(c.state.Sent, i, i+1)
	return true
}

// live yields what has come live while the archive was read. When there is no more,
// what comes from now on is for Live to return.
func (r *run) live() error {
	for {
		h, err := r.next()
		if h == nil || err != nil {
			return err
		}
		if !r.yield(h.Message, nil) {
			return errLeft
		}
		r.done(h.Message, h)
	}
}

// next returns the first message that is held, and is new.
func (r *run) next() (*held, error) {
	c := r.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.session != c.session {
		return nil, xmpp.ErrSessionLost
	}
	for len(c.held) > 0 && (c.held[0].skip || c.known[c.held[0].ID]) {
		c.held = c.held[1:]
	}
	switch {
	case c.again:
		c.again = false
		return nil, errAgain
	case len(c.held) > 0:
		return c.held[0], nil
	}
	c.behind, c.held, c.heldIDs = false, nil, nil
	return nil, nil
}
