package caps

import (
	"context"
	"slices"
	"sync"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/disco"
	"github.com/etherx-go/xmpp/jid"
)

// DefaultNode is the default of [Extension.Node].
const DefaultNode = "https://github.com/etherx-go/xmpp"

// kept is how many of the last hashes are answered for: "at least the most
// recent 3" (XEP-0390, section 6.1).
const kept = 3

// Extension tells others what the client, component or server can do, by
// [Extension.Payloads], and answers who asks what the hashes stand for. Its
// fields must not change once it is attached.
type Extension struct {
	// Node is a URI of the software, best "an HTTP URL at which a user could
	// find further information" (XEP-0115, section 4). Default that of Etherx.
	Node string
	// Disco says what the hashes stand for, and is attached to the same host.
	// Default: one of its own, which this extension attaches.
	Disco *disco.Extension

	host  xmpp.Host
	disco *disco.Extension

	mu     sync.Mutex
	recent map[jid.JID][]published // the last first
}

// published is what was told once, and the nodes at which it is asked for.
type published struct {
	nodes []string
	info  disco.Info
}

// Attach adds the nodes of the hashes to those of Disco.
func (e *Extension) Attach(h xmpp.Host) error {
	e.host, e.disco = h, e.Disco
	if e.disco == nil {
		e.disco = new(disco.Extension)
		if err := e.disco.Attach(h); err != nil {
			return err
		}
	}
	e.disco.AddNodes(e.find)
	return nil
}

// Features returns [NS] and [NS2].
func (e *Extension) Features(at jid.JID) []string {
	if e.Disco == nil && e.disco != nil {
		return append(e.disco.Features(at), NS, NS2)
	}
	return []string{NS, NS2}
}

// Payloads returns the elements that belong into each presence that the host
// sends to more than one, and may be in others: a [Caps] and a [Set]. A server
// puts those of its domain into its stream features (XEP-0115, section 6.3, and
// XEP-0390, section 5.2). Where the features change, presence has to be sent
// again. Call it when all extensions are attached.
func (e *Extension) Payloads() []any { return e.At(e.host.LocalAddr()) }

// At is Payloads for a server with several domains. There are none for
// accounts, which send no presence of their own.
func (e *Extension) At(at jid.JID) (payloads []any) {
	if e.host.IsServer() && !at.IsDomain() {
		return nil
	}
	p := published{info: e.disco.Info(at)}
	if ver, err := Ver(p.info, SHA1); err == nil {
		c := Caps{Hash: SHA1, Node: e.node(), Ver: ver}
		payloads = append(payloads, c)
		p.nodes = append(p.nodes, c.DiscoNode())
	}
	var set Set
	for _, algo := range [...]string{SHA256, SHA3256} {
		if h, err := Sum(p.info, algo); err == nil {
			set.Hashes = append(set.Hashes, h)
			p.nodes = append(p.nodes, h.DiscoNode())
		}
	}
	if len(set.Hashes) > 0 {
		payloads = append(payloads, set)
	}
	e.remember(e.key(at), p)
	return payloads
}

func (e *Extension) node() string {
	if e.Node == "" {
		return DefaultNode
	}
	return e.Node
}

// key is under which address it is remembered what was told. A client has only
// one, though another one with each connection.
func (e *Extension) key(at jid.JID) jid.JID {
	if e.host.IsServer() {
		return at.Clone()
	}
	return jid.JID{}
}

func (e *Extension) remember(at jid.JID, p published) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.recent == nil {
		e.recent = make(map[jid.JID][]published)
	}
	same := func(o published) bool { return slices.Equal(o.nodes, p.nodes) }
	others := slices.DeleteFunc(slices.Clone(e.recent[at]), same)
	all := append([]published{p}, others...)
	e.recent[at] = all[:min(len(all), kept)]
}

// find finds the node of a hash.
func (e *Extension) find(q disco.Query) (disco.Node, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, p := range e.recent[e.key(q.To)] {
		if slices.Contains(p.nodes, q.Node) {
			return disco.Node{Info: func(context.Context, disco.Query) (disco.Info, error) { return p.info, nil }}, true
		}
	}
	return disco.Node{}, false
}
