package agents

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/disco"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// DefaultMaxAgents is the default of [Extension.MaxAgents].
const DefaultMaxAgents = 100

// Lister knows the services that are attached to a server or service. It must be
// safe for concurrent use.
type Lister interface {
	// Services returns them; those without an address are left out.
	Services() []Agent
}

// ListerFunc is a function that is a Lister.
type ListerFunc func() []Agent

// Services calls f.
func (f ListerFunc) Services() []Agent { return f() }

// Extension answers in the old form: a server for its domains, a component or a
// service in a server's process for its address, of which it tells what it is.
type Extension struct {
	// Self says what the host itself is. What it does not say, Info does.
	Self Agent
	// Info, if not nil, returns what service discovery says about an address of
	// the host, so that both say the same: [disco.Extension.Info] does.
	Info func(at jid.JID) disco.Info
	// Services knows the services of the host. nil: those that the host knows, if
	// it is a [disco.Lister] as servers are. Each of these is asked what it is.
	Services Lister
	// MaxAgents bounds how many services are listed; what comes behind is left
	// out. Default 100, -1 = no limit.
	MaxAgents int
	// Timeout is how long services that are asked may take; one that does not
	// answer is listed by its address and name. MaxAge is how long it counts what
	// one has answered, or that it has not. Defaults 2 s and 1 min, MaxAge -1 = not
	// at all.
	Timeout, MaxAge time.Duration

	host  xmpp.Host
	known answers
}

// Attach adds the handlers. "set: Not used in this context" (Jabber Programmers
// Guide, chapter 9): it is a bad request.
func (e *Extension) Attach(h xmpp.Host) error {
	if e.host != nil {
		return errors.New("agents: the Extension is attached already")
	}
	e.host = h
	xmpp.HandleIQ(h.Mux(), stanza.TypeGet, func(_ context.Context, r xmpp.Request[Agent]) (any, error) {
		at, ok := e.asked(r.Stanza)
		if !ok {
			return nil, stanza.ServiceUnavailable
		}
		return e.self(at), nil
	})
	xmpp.HandleIQ(h.Mux(), stanza.TypeGet, func(ctx context.Context, r xmpp.Request[List]) (any, error) {
		if _, ok := e.asked(r.Stanza); !ok {
			return nil, stanza.ServiceUnavailable
		}
		return e.list(ctx, r.Sender), nil
	})
	xmpp.HandleIQ(h.Mux(), stanza.TypeSet, refuse[Agent])
	xmpp.HandleIQ(h.Mux(), stanza.TypeSet, refuse[List])
	return nil
}

func refuse[Req any](context.Context, xmpp.Request[Req]) (any, error) {
	return nil, stanza.NewError(stanza.BadRequest, "what a service is cannot be set")
}

// asked returns the address of the host that was asked, and whether it is one.
// Clients of old ask their server without saying whom (Jabber Programmers Guide,
// chapter 9), which is to ask for their own account.
func (e *Extension) asked(st *stanza.Stanza) (at jid.JID, ok bool) {
	if st.To.IsZero() {
		return e.host.LocalAddr(), true
	}
	if e.host.IsServer() && st.To == st.From.Bare() {
		return st.To.DomainJID(), true
	}
	return st.To, e.isHost(st.To)
}

// isHost reports whether the address is that of the host itself.
func (e *Extension) isHost(at jid.JID) bool {
	return at.IsDomain() || !e.host.IsServer() && at == e.host.LocalAddr()
}

// Features returns both namespaces, for the host itself.
func (e *Extension) Features(at jid.JID) []string {
	if !e.isHost(at) {
		return nil
	}
	return []string{NSSelf, NS}
}

// self returns what the host is.
func (e *Extension) self(at jid.JID) Agent {
	a := e.Self
	if e.Info == nil {
		return a
	}
	d := FromInfo(at, e.Info(at))
	a.Name, a.Service = cmp.Or(a.Name, d.Name), cmp.Or(a.Service, d.Service)
	a.Gateway, a.Register = a.Gateway || d.Gateway, a.Register || d.Register
	a.Search, a.GroupChat = a.Search || d.Search, a.GroupChat || d.GroupChat
	return a
}

// list returns the services. s asks those that the host knows of.
func (e *Extension) list(ctx context.Context, s xmpp.Sender) (l List) {
	limit := e.MaxAgents
	if limit == 0 {
		limit = DefaultMaxAgents
	}
	if e.Services == nil {
		return e.attached(ctx, s, limit)
	}
	for _, a := range e.Services.Services() {
		if limit >= 0 && len(l) >= limit {
			break
		}
		if !a.JID.IsZero() {
			l = append(l, a)
		}
	}
	return l
}
