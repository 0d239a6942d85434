package opgptest

import (
	"context"
	"slices"
	"strconv"
	"sync"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

const (
	nsPubSub = "http://jabber.org/protocol/pubsub"
	nsOwner  = nsPubSub + "#owner"
)

// PEP is a small service for personal events for all accounts. The newest item of
// a node comes last.
type PEP struct {
	// Fail, if set, is asked first: an error is the answer.
	Fail func(iq *stanza.Stanza) error

	mu    sync.Mutex
	nodes map[string]*Node // by "account node"
}

// Node is a node with one item.
type Node struct {
	Access string
	Item   stanza.Raw // the element item
}

// Node returns a node of an account, nil if there is none.
func (p *PEP) Node(addr jid.JID, node string) *Node {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.nodes[addr.Bare().String()+" "+node]
}

// Put makes a node.
func (p *PEP) Put(addr jid.JID, node, access string, item stanza.Raw) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.nodes == nil {
		p.nodes = map[string]*Node{}
	}
	p.nodes[addr.Bare().String()+" "+node] = &Node{access, item}
}

// Delete deletes a node.
func (p *PEP) Delete(addr jid.JID, node string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.nodes, addr.Bare().String()+" "+node)
}

// Host returns a host with an address whose requests the service answers.
func (p *PEP) Host(addr string) *Host { return &Host{pep: p, local: jid.MustParse(addr)} }

// Host is an xmpp.Host that keeps what is sent.
type Host struct {
	pep   *PEP
	local jid.JID
	mux   xmpp.Mux

	mu   sync.Mutex
	sent []*stanza.Stanza
	ids  int
}

// LocalAddr returns the address.
func (h *Host) LocalAddr() jid.JID { return h.local }

// Mux returns the mux.
func (h *Host) Mux() *xmpp.Mux { return &h.mux }

// IsServer returns false.
func (h *Host) IsServer() bool { return false }

// Features returns nothing.
func (h *Host) Features(jid.JID) []string { return nil }

// Send keeps the stanza.
func (h *Host) Send(_ context.Context, st *stanza.Stanza) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sent = append(h.sent, st)
	return nil
}

// Sent returns what was sent since it was called last.
func (h *Host) Sent() []*stanza.Stanza {
	h.mu.Lock()
	defer h.mu.Unlock()
	sent := h.sent
	h.sent = nil
	return sent
}

// Do keeps the request and answers it.
func (h *Host) Do(ctx context.Context, iq *stanza.Stanza) (*stanza.Stanza, error) {
	h.mu.Lock()
	h.ids++
	header := iq.Header
	header.ID, header.From = strconv.Itoa(h.ids), h.local
	h.mu.Unlock()
	iq = iq.With(header)
	if err := h.Send(ctx, iq); err != nil {
		return nil, err
	}
	if h.pep.Fail != nil {
		if err := h.pep.Fail(iq); err != nil {
			return nil, err
		}
	}
	payload, err := h.pep.answer(iq)
	if err != nil {
		return nil, err
	}
	return iq.Reply(payload)
}

func (p *PEP) answer(iq *stanza.Stanza) (any, error) {
	e := iq.Payload().FirstChild()
	node := e.Attr("node")
	n := p.Node(iq.To, node)
	own := iq.To == iq.From.Bare()
	switch name := e.Name(); {
	case iq.Type == stanza.TypeGet && name.Local == "items" && name.Space == nsPubSub:
		if n == nil || n.Access == "whitelist" && !own {
			return nil, stanza.NewError(stanza.ItemNotFound, "")
		}
		return stanza.Raw("<pubsub xmlns='" + nsPubSub + "'><items node='" + node + "'>" + string(n.Item) +
			"</items></pubsub>"), nil
	case !own:
		return nil, stanza.NewError(stanza.Forbidden, "")
	case name.Local == "create":
		if n != nil {
			return nil, stanza.NewError(stanza.Conflict, "")
		}
		p.Put(iq.To, node, access(iq.Payload().Child(nsPubSub, "configure")), "")
	case name.Local == "publish":
		want := access(iq.Payload().Child(nsPubSub, "publish-options"))
		if n != nil && want != "" && want != n.Access {
			return nil, stanza.NewError(stanza.Conflict, "precondition not met")
		}
		if n != nil {
			want = n.Access
		}
		p.Put(iq.To, node, want, e.FirstChild().Raw())
	case name.Space == nsOwner && name.Local == "delete":
		if n == nil {
			return nil, stanza.NewError(stanza.ItemNotFound, "")
		}
		p.Delete(iq.To, node)
	default:
		return nil, stanza.NewError(stanza.FeatureNotImplemented, "")
	}
	return nil, nil
}

// access returns the access model in a form, "presence" if there is none in it.
func access(e stanza.Element) string {
	if e.IsZero() {
		return ""
	}
	fields := slices.Collect(e.Child("jabber:x:data", "x").Children())
	for _, f := range fields {
		if f.Attr("var") == "pubsub#access_model" {
			return f.ChildText("jabber:x:data", "value")
		}
	}
	return "presence"
}
