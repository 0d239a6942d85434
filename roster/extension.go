package roster

import (
	"context"
	"encoding/xml"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// DefaultMaxItems is the default of [Extension.MaxItems].
const DefaultMaxItems = 20000

var errServer = errors.New("roster: the extension is for clients")

// Extension keeps a copy of the roster, for clients. It asks for the roster in
// each session, and follows the server's pushes (RFC 6121, sections 2.1.6 and
// 2.2). Pushes of anybody else are answered with service-unavailable.
//
// Where the server has versions of rosters, only what has changed since the last
// session is sent (section 2.6); by [Extension.Snapshot] and [Extension.Restore]
// a program keeps its copy beyond its end. The server is known to have them if
// the Sender of the session has a method HasStreamFeature(xml.Name) bool that
// says so of the feature <ver/>, or by AssumeVersions.
//
// The zero Extension is ready to be attached. All methods are safe for
// concurrent use. The fields are not to be changed once it is attached.
type Extension struct {
	// OnChange, if not nil, is called after each change of the copy, in the
	// order of the changes, one at a time: for each item that is new or not as
	// it was, and, with the address and [Remove] only, for each that is gone.
	// That goes for the first roster, too. The answer to a push waits for it.
	OnChange func(Item)
	// OnRoster, if not nil, is called in each session when the copy is that of
	// the server, after OnChange; or with the reason why the server has not
	// sent the roster. The copy is then as it was.
	OnRoster func(ctx context.Context, s xmpp.Sender, err error)
	// MaxItems bounds the copy. What the server has beyond is not in it; a push
	// of a further item is answered with resource-constraint. Default 20000,
	// negative for no bound.
	MaxItems int
	// AssumeVersions asks for versions without knowing that the server has
	// them.
	AssumeVersions bool

	// order is held while a change is made and OnChange is told of it.
	order sync.Mutex

	mu      sync.Mutex
	items   map[jid.JID]Item
	version string
	phase   phase   // of the session that there is, or will be
	held    []Query // pushes that came while the roster was waited for
	lost    bool    // there was one too many
}

// phase is how far a session has come.
type phase uint8

const (
	waiting phase = iota // the roster has not come yet: what is pushed waits
	synced               // the copy is the roster
	partial              // the roster has not come, or not all of it: pushes are followed, but no version holds
)

var _ xmpp.Watcher = (*Extension)(nil)

// Attach adds the handler of pushes. The error says that h is a server.
func (e *Extension) Attach(h xmpp.Host) error {
	if h.IsServer() {
		return errServer
	}
	xmpp.HandleIQ(h.Mux(), stanza.TypeSet, e.handlePush)
	return nil
}

// Items returns the items, sorted by their addresses.
func (e *Extension) Items() []Item {
	items, _ := e.Snapshot()
	return items
}

// Item returns the item of a contact: that with exactly this address, or else
// that with its bare one.
func (e *Extension) Item(contact jid.JID) (it Item, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if it, ok = e.items[contact]; !ok {
		it, ok = e.items[contact.Bare()]
	}
	it.Groups = slices.Clone(it.Groups)
	return it, ok
}

// Snapshot returns the items, sorted by their addresses, and the version of the
// roster that they are, "" if it has none.
func (e *Extension) Snapshot() (items []Item, version string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	items = make([]Item, 0, len(e.items))
	for _, it := range e.items {
		it.Groups = slices.Clone(it.Groups)
		items = append(items, it)
	}
	slices.SortFunc(items, func(a, b Item) int { return a.JID.Compare(b.JID) })
	return items, e.version
}

// Restore sets the copy to what Snapshot has returned, of the same account. It
// is for the time before the first session. OnChange is not called.
func (e *Extension) Restore(items []Item, version string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.items = make(map[jid.JID]Item, len(items))
	for _, it := range items {
		if !it.JID.IsZero() && it.Subscription != Remove {
			e.items[it.JID] = it.Clone()
		}
	}
	e.version = version
}

// SessionUp asks for the roster.
func (e *Extension) SessionUp(ctx context.Context, s xmpp.Sender) {
	e.begin() // what was pushed before it was asked for is no news
	a := e.askUntilAnswered(ctx, s)
	e.order.Lock()
	changed := e.settle(ctx, a)
	e.tell(changed)
	e.order.Unlock()
	if e.OnRoster != nil {
		e.OnRoster(ctx, s, a.err)
	}
}

// SessionDown keeps the copy for the next session.
func (e *Extension) SessionDown(xmpp.Sender, error) { e.begin() }

// begin starts over with what belongs to a session.
func (e *Extension) begin() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.phase, e.held, e.lost = waiting, nil, false
}

// tell calls OnChange. Under order.
func (e *Extension) tell(changed []Item) {
	if e.OnChange == nil {
		return
	}
	for _, it := range changed {
		e.OnChange(it)
	}
}

// answer is what came of asking for the roster.
type answer struct {
	roster   Query
	complete bool // it is the whole roster; else it is what the copy is
	err      error
}

// retryDelay is how long the extension waits before it asks again a server that has not
// answered: the connection may have been dead, and the session goes on.
const retryDelay = 5 * time.Second

// askUntilAnswered asks for the roster until the server says something, or the session
// ends.
func (e *Extension) askUntilAnswered(ctx context.Context, s xmpp.Sender) answer {
	for {
		a := e.ask(ctx, s)
		if !errors.Is(a.err, context.DeadlineExceeded) || ctx.Err() != nil {
			return a
		}
		select {
		case <-time.After(retryDelay):
		case <-ctx.Done():
			return a
		}
	}
}

func (e *Extension) ask(ctx context.Context, s xmpp.Sender) (a answer) {
	var get Query
	if e.AssumeVersions || hasVersions(s) {
		get.HasVer = true
		_, get.Ver = e.Snapshot()
	}
	iq, err := stanza.New(stanza.Header{Kind: stanza.KindIQ, Type: stanza.TypeGet}, get)
	if err != nil {
		return answer{err: err}
	}
	reply, err := s.Do(ctx, iq)
	if err != nil {
		// "If the roster does not exist, then the server MUST return
		// item-not-found" (RFC 6121, section 2.1.4).
		return answer{complete: errors.Is(err, stanza.ItemNotFound), err: err}
	}
	a.roster, a.complete, a.err = stanza.Decode[Query](reply)
	// Without a query in it the result says that the copy is up to date, or
	// will be by pushes; there must have been a version, though.
	a.complete = a.complete || get.Ver == ""
	return a
}

func hasVersions(s xmpp.Sender) bool {
	f, ok := s.(interface{ HasStreamFeature(xml.Name) bool })
	return ok && f.HasStreamFeature(xml.Name{Space: NSVersioning, Local: "ver"})
}

// settle takes the answer, and the pushes that came in the meantime: they may
// be of before or after what the answer says, but the last of them about an item
// never is older.
func (e *Extension) settle(ctx context.Context, a answer) (changed []Item) {
	e.mu.Lock()
	defer e.mu.Unlock()
	held := e.held
	e.held = nil
	if ctx.Err() != nil {
		return nil // the session has ended: the copy still is what it was, its version too
	}
	e.phase = synced
	switch {
	case a.complete:
		changed = e.replace(a.roster)
	case a.err != nil:
		e.forgetVersion()
	}
	if e.lost {
		e.forgetVersion()
	}
	for _, push := range held {
		if it, ok, err := e.apply(push); ok && err == nil {
			changed = append(changed, it)
		}
	}
	return changed
}

// forgetVersion says that the copy is not all of any version.
func (e *Extension) forgetVersion() { e.version, e.phase = "", partial }

// replace makes the copy be that roster, and returns what is different then.
// Under the lock.
func (e *Extension) replace(q Query) (changed []Item) {
	ignoreRemove(q.Items)
	e.version = strings.Clone(q.Ver)
	old := e.items
	e.items = make(map[jid.JID]Item, min(len(q.Items), e.maxItems()))
	for _, it := range q.Items {
		if _, again := e.items[it.JID]; !again && len(e.items) >= e.maxItems() {
			e.forgetVersion()
			continue
		}
		it = it.Clone()
		e.items[it.JID] = it
		if was, ok := old[it.JID]; !ok || !was.equal(it) {
			changed = append(changed, it)
		}
	}
	for j := range old {
		if _, ok := e.items[j]; !ok {
			changed = append(changed, Item{JID: j, Subscription: Remove})
		}
	}
	return changed
}

// apply takes a push, and reports whether it has changed something. Under the
// lock.
func (e *Extension) apply(push Query) (it Item, changed bool, err error) {
	it = push.Items[0].Clone()
	was, exists := e.items[it.JID]
	switch {
	case it.Subscription == Remove:
		it = Item{JID: it.JID, Subscription: Remove}
		delete(e.items, it.JID)
		changed = exists
	case !exists && len(e.items) >= e.maxItems():
		e.forgetVersion()
		return it, false, stanza.ResourceConstraint
	default:
		if e.items == nil {
			e.items = make(map[jid.JID]Item)
		}
		e.items[it.JID] = it
		changed = !exists || !was.equal(it)
	}
	if push.HasVer && e.phase == synced {
		e.version = strings.Clone(push.Ver)
	}
	return it, changed, nil
}

func (e *Extension) maxItems() int { return limit(e.MaxItems, DefaultMaxItems) }

// handlePush takes a push from the account itself: "A receiving client MUST
// ignore the stanza unless it has no 'from' attribute (i.e., implicitly from the
// bare JID of the user's account) or it has a 'from' attribute whose value
// matches the user's bare JID" (RFC 6121, section 2.1.6). The client's own full
// JID is what the servers of RFC 3921 (section 7.2) may use.
func (e *Extension) handlePush(ctx context.Context, r xmpp.Request[Query]) (any, error) {
	if own := r.Sender.LocalAddr(); !r.From.IsZero() && r.From != own.Bare() && r.From != own {
		return nil, stanza.ServiceUnavailable
	}
	if len(r.Payload.Items) != 1 {
		return nil, stanza.NewError(stanza.BadRequest, "A roster push has one item.")
	}
	e.order.Lock()
	defer e.order.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err // the session is over, and the next may have begun
	}
	it, changed, err := e.push(r.Payload)
	if changed {
		e.tell([]Item{it})
	}
	return nil, err
}

// push takes a push, or keeps it until the roster has come.
func (e *Extension) push(q Query) (it Item, changed bool, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.phase != waiting:
		return e.apply(q)
	case len(e.held) >= e.maxItems():
		e.lost = true
		return it, false, stanza.ResourceConstraint
	}
	e.held = append(e.held, q)
	return it, false, nil
}
