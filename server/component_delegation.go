package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	xmpp "github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/delegation"
	"github.com/etherx-go/xmpp/ext/disco"
	"github.com/etherx-go/xmpp/ext/privilege"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// Requests that a component answers in the place of the server (XEP-0355).

// checkGrants says what is wrong with what a component is granted.
func (cs *components) checkGrants() error {
	by := make(map[string]string)
	for domain, c := range cs.known {
		if g := &c.Privileges; g.Presence == privilege.Contacts && g.Roster&privilege.Get == 0 {
			return fmt.Errorf("server: Components: %s may know the presence of contacts, but not the rosters", domain)
		}
		for _, n := range c.Delegated {
			switch {
			case n.Name == "":
				return fmt.Errorf("server: Components: a namespace without name is delegated to %s", domain)
			case n.Name == delegation.NS:
				return errors.New("server: Components: the namespace of delegation itself cannot be delegated")
			case by[n.Name] != "" && by[n.Name] != domain:
				return fmt.Errorf("server: Components: %s is delegated to %s and to %s", n.Name, by[n.Name], domain)
			}
			by[n.Name] = domain
		}
	}
	cs.delegated = by
	return nil
}

// features returns those that the server has because of what components are granted.
func (cs *components) features() (all []string) {
	if cs == nil {
		return nil
	}
	for _, c := range cs.known {
		if !c.Privileges.IsZero() {
			all = append(all, privilege.NS)
		}
		if len(c.Delegated) > 0 {
			all = append(all, delegation.NS)
		}
	}
	return all
}

// delegated returns what is delegated to the component.
func (c *component) delegated() delegation.List { return c.cfg.Delegated }

// actorKey is the key of the context of a request that a component makes in the name of
// a user; the value is the component's domain.
type actorKey struct{}

// handlerOf returns who handles a request to the server, or to an account.
func (s *Server) handlerOf(ctx context.Context, st *stanza.Stanza) xmpp.Handler {
	if cs := s.components; cs != nil && len(cs.delegated) > 0 && !st.To.IsFull() && st.Type.IsRequest() {
		actor, _ := ctx.Value(actorKey{}).(string)
		if name, ok := cs.delegates(st); ok && name != actor {
			return xmpp.HandlerFunc(func(ctx context.Context, _ xmpp.Sender, st *stanza.Stanza) error {
				return cs.delegate(ctx, name, st)
			})
		}
	}
	return &s.mux
}

// delegates returns the name of the component that a request is for. "If a stanza is
// sent by the managing entity on a managed namespace, the server MUST NOT forward it"
// (section 4.3.1): not what it sends itself, and not what it sends in the name of a user.
func (cs *components) delegates(st *stanza.Stanza) (name string, ok bool) {
	payload := st.Payload()
	special := cs.specialNamespace(st, payload)
	for _, ns := range []string{payload.Name().Space, special} {
		name, ok := cs.delegated[ns]
		if !ok || st.From.Domain() == name {
			continue
		}
		c := cs.known[name]
		matches := func(n delegation.Namespace) bool { return n.Name == ns && (ns == special || n.Matches(payload)) }
		if slices.ContainsFunc(c.Delegated, matches) {
			return name, true
		}
	}
	return "", false
}

// specialNamespace returns the namespace that stands for a service discovery request
// to an account, about something that the server does not know (section 7.2.4 and
// 7.2.5); "" if it is none.
func (cs *components) specialNamespace(st *stanza.Stanza, payload stanza.Element) string {
	if st.To.Local() == "" || st.Type != stanza.TypeGet {
		return ""
	}
	node := payload.Attr("node")
	known := node != "" && cs.srv.hasNode(disco.Query{From: st.From, To: st.To, Node: node})
	switch {
	case payload.Is(disco.NSInfo, "query") && node != "" && !known:
		return delegation.AccountInfo
	case payload.Is(disco.NSItems, "query") && !known:
		return delegation.AccountItems
	}
	return ""
}

// hasNode reports whether the server's own service discovery knows a node.
func (s *Server) hasNode(q disco.Query) bool {
	return slices.ContainsFunc(s.cfg.Extensions, func(e xmpp.Extension) bool {
		d, ok := e.(*disco.Extension)
		return ok && d.HasNode(q)
	})
}

// delegate has a request answered by a component. "If the server encounter a delegated
// namespace and the managing entity is not available", or answers with an error or
// with something that is no answer, "it MUST return an <iq/> stanza of type 'error'
// with an error condition of <service-unavailable/>" (section 4.3).
func (cs *components) delegate(ctx context.Context, name string, st *stanza.Stanza) error {
	c, _ := cs.find(name)
	if c == nil {
		cs.srv.bounce(st, stanza.ServiceUnavailable)
		return nil
	}
	if !c.acting.begin() {
		cs.srv.bounce(st, errActing)
		return nil
	}
	reply, err := c.ask(ctx, st)
	c.acting.end()
	if err != nil {
		cs.srv.log.Info("delegated request not answered", "domain", name, "from", st.From, "err", err)
		cs.srv.bounce(st, stanza.ServiceUnavailable)
		return nil
	}
	cs.srv.route(ctx, nil, reply)
	return nil
}

var errBadAnswer = errors.New("the answer is not one to the request")

// ask forwards a request to the component, and returns the answer for who has made it.
func (c *component) ask(ctx context.Context, st *stanza.Stanza) (*stanza.Stanza, error) {
	host := st.To.DomainJID()
	h := stanza.Header{Kind: stanza.KindIQ, Type: stanza.TypeSet, To: c.domain}
	iq, err := stanza.New(h, delegation.Wrapped{IQ: st})
	if err != nil {
		return nil, err
	}
	reply, err := c.srv.do(ctx, host, c.srv.pending, iq)
	if err != nil {
		return nil, err
	}
	w, ok, err := stanza.Decode[delegation.Wrapped](reply)
	if err != nil || !ok {
		return nil, errors.Join(errBadAnswer, err)
	}
	in := w.IQ
	wrongFrom := !in.From.IsZero() && in.From != st.To
	if in.Type != stanza.TypeResult || in.ID != st.ID || in.To != st.From || wrongFrom || check(in) != nil {
		return nil, errBadAnswer
	}
	h = in.Header
	h.From = st.To
	return in.With(h), nil
}

// learn asks a component that has connected what is to be told by service discovery
// about the namespaces that are delegated to it (section 7.2).
func (c *component) learn() {
	for _, n := range c.cfg.Delegated {
		if n.Name == delegation.AccountInfo || n.Name == delegation.AccountItems {
			continue
		}
		var told nested
		told.server, told.hasServer = c.learnNode(delegation.ServerNode(n.Name))
		told.account, told.hasAccount = c.learnNode(delegation.AccountNode(n.Name))
		c.nestedMu.Lock()
		if c.nested == nil {
			c.nested = make(map[string]nested)
		}
		c.nested[n.Name] = told
		c.nestedMu.Unlock()
	}
}

// nested is what is told about a namespace in the place of the server's own.
type nested struct {
	server, account       disco.Info
	hasServer, hasAccount bool
}

func (c *component) learnNode(node string) (disco.Info, bool) {
	info, err := disco.GetInfo(c.ctx, hostSender{c.srv, c.srv.main.jid}, c.domain, node)
	if err != nil {
		c.srv.log.Debug("delegated namespace without information", "domain", c.domain, "node", node, "err", err)
	}
	return info, err == nil
}

// AmendInfo puts what components say about the namespaces that are delegated to them
// in the place of what the server itself says; see [disco.Amender].
func (s *Server) AmendInfo(at jid.JID, info disco.Info) disco.Info {
	for _, c := range s.components.list() {
		c.nestedMu.Lock()
		for ns, n := range c.nested {
			told, has := n.server, n.hasServer
			if at.Local() != "" {
				told, has = n.account, n.hasAccount
			}
			info = nest(info, ns, told, has)
		}
		c.nestedMu.Unlock()
	}
	return info
}

var _ disco.Amender = (*Server)(nil)

// nest replaces what belongs to a namespace.
func nest(info disco.Info, ns string, told disco.Info, has bool) disco.Info {
	info.Features = slices.DeleteFunc(slices.Clone(info.Features), func(f string) bool {
		return f == ns || strings.HasPrefix(f, ns+"#")
	})
	if !has {
		return info
	}
	info.Features = append(info.Features, told.Features...)
	slices.Sort(info.Features)
	info.Features = slices.Compact(info.Features)
	info.Identities = append(slices.Clip(info.Identities), told.Identities...)
	info.Forms = append(slices.Clip(info.Forms), told.Forms...)
	return info
}
