package disco

import (
	"context"
	"math"
	"slices"
	"sync"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/form"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// DefaultMaxItems is the default of [Extension.MaxItems].
const DefaultMaxItems = 500

// Query is a request for information or items: who asks whom, and about what.
type Query struct {
	From jid.JID
	// To is an address of the host: of a client its own, of a server that of a
	// domain, or the bare one of an account.
	To   jid.JID
	Node string
}

// Node answers for a node. A function that is nil has nothing to say: there is
// no information, or there are no items.
type Node struct {
	Info  func(ctx context.Context, q Query) (Info, error)
	Items func(ctx context.Context, q Query) ([]Item, error)
}

// Lister is a Host that knows what is attached to it: the services in a server's
// process, and its external components. Services must be safe for concurrent use.
type Lister interface {
	Services() []Item
}

// Amender is a Host that has a say in what is told about its addresses. AmendInfo
// returns what is told in the place of info; it must be safe for concurrent use, and
// must not change what info refers to.
type Amender interface {
	AmendInfo(at jid.JID, info Info) Info
}

// Extension answers service discovery requests, for clients, components and
// servers. Its fields must not change once it is attached, and its functions
// must be safe for concurrent use; their errors are sent to who asked, as
// [xmpp.HandleIQ] says.
//
// What the host can do is what [xmpp.Host.Features] returns. A server tells
// about an account only who may see its presence, and about others as if they
// did not exist (XEP-0030, section 8).
type Extension struct {
	// Identities are those of the client, or of all domains of the server.
	// Default client/bot, or server/im.
	Identities []Identity
	// Forms further describe the same (XEP-0128).
	Forms []form.Data
	// Services are items of the client, or of all domains of the server. Those
	// that are attached to a server need not be named here: a server is a
	// [Lister].
	Services []Item
	// Items, if not nil, returns further items of the address q.To itself. It
	// is also asked about accounts, and then has to decide whether q.From may
	// know.
	Items func(ctx context.Context, q Query) ([]Item, error)
	// Nodes are the nodes of the client, or of all domains of the server. See
	// also AddNodes.
	Nodes map[string]Node
	// Allow, if not nil, says whom a client or component answers. Others get
	// service-unavailable, as if nobody was there.
	Allow func(from jid.JID) bool
	// MaxItems bounds how many items are sent in one answer, for entities
	// "SHOULD NOT return extremely large result sets" (XEP-0030, section 6.2);
	// what comes behind is left out. Default 500, -1 = no limit.
	MaxItems int

	host  xmpp.Host
	users xmpp.Users // nil if the host is none

	mu   sync.RWMutex
	find []func(q Query) (Node, bool)
}

// AddNodes adds a function that finds nodes which are not in Nodes; so other
// extensions have nodes, and servers nodes of accounts. It must be safe for
// concurrent use, and may be called for any address of the host; for accounts,
// Info of the node only if q.From may see the account's presence, Items always.
// AddNodes can be called at any time.
func (e *Extension) AddNodes(find func(q Query) (Node, bool)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.find = append(slices.Clip(e.find), find)
}

// node finds a node.
func (e *Extension) node(q Query) (Node, bool) {
	if n, ok := e.Nodes[q.Node]; ok && !e.isAccount(q.To) {
		return n, true
	}
	e.mu.RLock()
	find := e.find
	e.mu.RUnlock()
	for _, f := range find {
		if n, ok := f(q); ok {
			return n, true
		}
	}
	return Node{}, false
}

// HasNode reports whether there is a node of that name at an address of the host.
func (e *Extension) HasNode(q Query) bool {
	_, ok := e.node(q)
	return ok
}

// Attach adds the handlers.
func (e *Extension) Attach(h xmpp.Host) error {
	e.host = h
	e.users, _ = h.(xmpp.Users)
	xmpp.HandleIQ(h.Mux(), stanza.TypeGet, func(ctx context.Context, r xmpp.Request[Info]) (any, error) {
		q, err := e.query(r.Stanza, r.Payload.Node)
		if err != nil {
			return nil, err
		}
		info, err := e.info(ctx, q)
		info.Node = q.Node // "the response MUST mirror the specified 'node' attribute"
		return info, err
	})
	xmpp.HandleIQ(h.Mux(), stanza.TypeGet, func(ctx context.Context, r xmpp.Request[Items]) (any, error) {
		q, err := e.query(r.Stanza, r.Payload.Node)
		if err != nil {
			return nil, err
		}
		items, err := e.items(ctx, q)
		return Items{q.Node, items}, err
	})
	return nil
}

// Features returns [NSInfo] and [NSItems].
func (e *Extension) Features(jid.JID) []string { return []string{NSInfo, NSItems} }

// Info returns what is answered about an address of the host to who may know.
// It is for extensions that tell the same in another way; call it when the
// extension is attached.
func (e *Extension) Info(at jid.JID) Info {
	info := Info{Features: append([]string{NSInfo, NSItems}, e.host.Features(at)...)}
	slices.Sort(info.Features)
	info.Features = slices.Compact(info.Features)
	switch {
	case e.isAccount(at):
		info.Identities = []Identity{{Category: "account", Type: "registered"}}
	default:
		info.Identities, info.Forms = slices.Clone(e.Identities), slices.Clone(e.Forms)
	}
	switch {
	case len(info.Identities) > 0:
	case e.host.IsServer():
		info.Identities = []Identity{{Category: "server", Type: "im"}}
	default:
		info.Identities = []Identity{{Category: "client", Type: "bot"}}
	}
	if a, ok := e.host.(Amender); ok {
		return a.AmendInfo(at, info)
	}
	return info
}

// isAccount reports whether at is an account of the server.
func (e *Extension) isAccount(at jid.JID) bool { return e.host.IsServer() && at.Local() != "" }

// query returns what a request asks.
func (e *Extension) query(st *stanza.Stanza, node string) (Query, error) {
	q := Query{From: st.From, To: st.To, Node: node}
	if q.To.IsZero() {
		q.To = e.host.LocalAddr()
	}
	switch {
	case e.host.IsServer() && q.To.IsFull():
		return q, stanza.ServiceUnavailable // nobody is there
	case !e.host.IsServer() && e.Allow != nil && !e.Allow(q.From):
		return q, stanza.ServiceUnavailable
	}
	return q, nil
}

// access reports whether the address that is asked exists, and whether who asks
// may know so: an account's presence has to be seen.
func (e *Extension) access(ctx context.Context, q Query) (exists, seen bool, err error) {
	if !e.isAccount(q.To) {
		return true, true, nil
	}
	if e.users == nil {
		own := q.From.Bare() == q.To
		return own, own, nil
	}
	if exists, err = e.users.HasAccount(ctx, q.To); err != nil || !exists {
		return false, false, err
	}
	seen, err = e.users.MaySee(ctx, q.From, q.To)
	return true, seen, err
}

// info answers a request for information.
func (e *Extension) info(ctx context.Context, q Query) (Info, error) {
	switch _, seen, err := e.access(ctx, q); {
	case err != nil:
		return Info{}, err
	case !seen:
		return Info{}, stanza.ServiceUnavailable
	case q.Node == "":
		return e.Info(q.To), nil
	}
	n, ok := e.node(q)
	if !ok || n.Info == nil {
		return Info{}, stanza.ItemNotFound
	}
	return n.Info(ctx, q)
}

// items answers a request for items. An account that does not exist has none;
// so has one whose presence may not be seen, but for what Items and the nodes
// tell of it.
func (e *Extension) items(ctx context.Context, q Query) (items []Item, err error) {
	exists, seen, err := e.access(ctx, q)
	if err != nil || !exists {
		return nil, err
	}
	if q.Node == "" {
		items, err = e.ownItems(ctx, q, seen)
	} else if n, ok := e.node(q); ok && n.Items != nil {
		items, err = n.Items(ctx, q)
	} else if !ok && seen {
		err = stanza.ItemNotFound
	}
	if err != nil {
		return nil, err
	}
	return items[:min(len(items), e.maxItems())], nil
}

// ownItems returns the items of an address itself.
func (e *Extension) ownItems(ctx context.Context, q Query, seen bool) (items []Item, err error) {
	switch {
	case !e.isAccount(q.To):
		items = slices.Clone(e.Services)
		if l, ok := e.host.(Lister); ok {
			items = append(items, slices.DeleteFunc(l.Services(), e.isNamed)...)
		}
	case seen && e.users != nil:
		for _, r := range e.users.Resources(q.To) {
			items = append(items, Item{JID: r})
		}
	}
	if e.Items == nil {
		return items, nil
	}
	more, err := e.Items(ctx, q)
	return append(items, more...), err
}

// isNamed reports whether something is among Services.
func (e *Extension) isNamed(it Item) bool {
	return slices.ContainsFunc(e.Services, func(o Item) bool { return o.JID == it.JID && o.Node == it.Node })
}

func (e *Extension) maxItems() int {
	switch {
	case e.MaxItems < 0:
		return math.MaxInt
	case e.MaxItems == 0:
		return DefaultMaxItems
	}
	return e.MaxItems
}
