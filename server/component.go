package server

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/etherx-go/xmpp/ext/delegation"
	"github.com/etherx-go/xmpp/ext/disco"
	"github.com/etherx-go/xmpp/ext/privilege"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

// Defaults of [Components].
const (
	DefaultComponentKeepAlive   = 60 * time.Second
	DefaultComponentPingTimeout = 20 * time.Second
)

// Components says which external components there are: services in programs of
// their own, each with a domain, that share a secret with the server (XEP-0114).
// Zero values are the safe defaults.
//
// A component speaks for every address of its domain, and for no other. It is as
// trusted as a service in the server's process: its requests reach clients also of
// users who do not show it their presence. What is for
// it while it is not connected is answered with <remote-server-timeout/>, of type
// wait: "a remote server or service [...] was resolved but communications could not
// be established within a reasonable amount of time" (RFC 6120, section 8.3.3.16).
type Components struct {
	// Known are the components by their domains, none of which is one of
	// Config.Domains.
	Known map[string]Component
	// Find, if not nil, is asked for a component that is not among Known when it
	// connects; ok is false if there is none. What is for such a domain while it
	// is not connected goes to another server. It must be safe for concurrent use.
	Find func(ctx context.Context, domain jid.JID) (c Component, ok bool, err error)
	// ReplaceOld closes the stream of a component with <conflict/> when another
	// one of the same name connects. By default it is the newer that is refused.
	ReplaceOld bool

	// TLS has the certificates for components that begin with the TLS handshake.
	// nil: Config.TLS.
	TLS *tls.Config
	// Plaintext lets components connect without TLS from other machines. By
	// default that is for those on this machine.
	Plaintext bool
	// Stream has the limits and timeouts of each stream. nil: Config.Stream.
	Stream *stream.Config
	// Dial makes the connections of ConnectComponents in place of Component.Addr and
	// Component.TLS; it answers for their safety. Backoff returns how long to wait
	// before the next attempt, try times after the last good one; nil: 1 s, doubled
	// each time up to one minute, with some chance in it.
	Dial    func(ctx context.Context, domain jid.JID, addr string) (stream.Transport, error)
	Backoff func(try int) time.Duration
	// Rate and Burst bound what a component may send, as those of [Config] do for
	// clients. Defaults 4 MiB and 16 MiB.
	Rate, Burst int
	// KeepAlive is after how long without input a component is asked for a sign of
	// life. One that has once answered is closed if it does not within
	// PingTimeout; one that never does gets white space, so that TCP notices when
	// it has gone. Defaults 60 s and 20 s, KeepAlive -1 = never.
	KeepAlive, PingTimeout time.Duration
}

// Component is one that the server knows.
type Component struct {
	// Secret is what the two share. There is none without one.
	Secret string
	// Name is shown to who asks for the services of the server.
	Name string
	// Addr, if not empty, is the host:port that ConnectComponents connects to: the
	// component waits there for the server. TLS, if not nil, is TLS from the first
	// byte; its ServerName is by default the host of Addr.
	Addr string
	TLS  *tls.Config

	// Privileges are what the component may do for the users of the server
	// (XEP-0356). It can act in their names, and know what they may know: grant
	// nothing to what is not as trusted as the server.
	Privileges privilege.Grant
	// Delegated are the namespaces of requests, to the server or to accounts, that
	// the component answers in the place of the server (XEP-0355). Those of a
	// component that is found by Components.Find do not count.
	Delegated []delegation.Namespace
}

// errComponentAway is what stanzas for a component that is not connected are
// answered with.
var errComponentAway = stanza.NewError(stanza.RemoteServerTimeout, "the service is not connected")

var _ disco.Lister = (*Server)(nil)

var errNoComponents = errors.New("server: Config.Components is nil")

// components are the external components of a server.
type components struct {
	srv    *Server
	cfg    Components
	stream stream.Config
	known  map[string]Component // by domain, normalized; does not change
	// delegated are the components that namespaces are delegated to.
	delegated map[string]string

	mu     sync.Mutex
	online atomic.Pointer[map[string]*component] // by domain; replaced, never changed
}

// makeComponents returns nil if there are none.
func (s *Server) makeComponents() (*components, error) {
	if s.cfg.Components == nil {
		return nil, nil
	}
	cs := &components{srv: s, cfg: *s.cfg.Components, known: make(map[string]Component)}
	cs.online.Store(new(map[string]*component))
	for name, c := range cs.cfg.Known {
		j, err := jid.Parse(name)
		switch {
		case err != nil || !j.IsDomain():
			return nil, fmt.Errorf("server: Components: %q is not a domain", name)
		case s.hosts[j.Domain()] != nil:
			return nil, fmt.Errorf("server: Components: %s is a domain of the server itself", j)
		case c.Secret == "":
			return nil, fmt.Errorf("server: Components: %s has no secret", j)
		}
		cs.known[j.Domain()] = c
	}
	if len(cs.known) != len(cs.cfg.Known) {
		return nil, errors.New("server: Components: two names are the same domain")
	}
	cs.setDefaults()
	return cs, cs.checkGrants()
}

func (cs *components) setDefaults() {
	c := &cs.cfg
	c.Rate = cmp.Or(c.Rate, DefaultServerRate)
	c.Burst = cmp.Or(c.Burst, DefaultServerBurst)
	c.KeepAlive = cmp.Or(c.KeepAlive, DefaultComponentKeepAlive)
	c.PingTimeout = cmp.Or(c.PingTimeout, DefaultComponentPingTimeout)
	if c.TLS == nil {
		c.TLS = cs.srv.cfg.TLS
	}
	cs.stream = cs.srv.cfg.Stream
	if c.Stream != nil {
		cs.stream = *c.Stream
	}
}

// find returns the component that is connected for a domain. ok reports whether
// there is one, connected or not.
func (cs *components) find(domain string) (c *component, ok bool) {
	if cs == nil {
		return nil, false
	}
	if c = (*cs.online.Load())[domain]; c != nil {
		return c, true
	}
	_, ok = cs.known[domain]
	return nil, ok
}

// config returns what is known of a component that wants to connect.
func (cs *components) config(ctx context.Context, domain jid.JID) (Component, error) {
	if c, ok := cs.known[domain.Domain()]; ok {
		return c, nil
	}
	if cs.cfg.Find == nil || cs.srv.isLocal(domain) && (*cs.online.Load())[domain.Domain()] == nil {
		return Component{}, stream.HostUnknown
	}
	c, ok, err := cs.cfg.Find(ctx, domain)
	switch {
	case err != nil:
		return c, &stream.Error{Condition: stream.InternalServerError, Err: err}
	case !ok || c.Secret == "":
		return c, stream.HostUnknown
	}
	c.Delegated = nil
	if g := &c.Privileges; g.Presence == privilege.Contacts && g.Roster&privilege.Get == 0 {
		g.Presence = privilege.Users
	}
	return c, nil
}

// attach puts a component into the routes, and returns the one that it replaces.
func (cs *components) attach(c *component) (replaced *component, err error) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	name := c.domain.Domain()
	switch replaced = (*cs.online.Load())[name]; {
	case replaced != nil && !cs.cfg.ReplaceOld:
		return nil, stream.Conflict
	case cs.srv.services.find(c.domain) != nil:
		return nil, &stream.Error{Condition: stream.Conflict, Text: "there is a service in the server itself"}
	}
	m := maps.Clone(*cs.online.Load())
	if m == nil {
		m = make(map[string]*component)
	}
	m[name] = c
	cs.online.Store(&m)
	return replaced, nil
}

// detach takes a component out of the routes, unless it is out already.
func (cs *components) detach(c *component) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if (*cs.online.Load())[c.domain.Domain()] != c {
		return
	}
	m := maps.Clone(*cs.online.Load())
	delete(m, c.domain.Domain())
	cs.online.Store(&m)
	if _, ok := cs.known[c.domain.Domain()]; !ok && cs.srv.fed != nil {
		cs.srv.fed.gone(c.domain)
	}
}

// list returns those that are connected, in the order of their domains.
func (cs *components) list() []*component {
	if cs == nil {
		return nil
	}
	return slices.SortedFunc(maps.Values(*cs.online.Load()), func(a, b *component) int {
		return a.domain.Compare(b.domain)
	})
}

// Components returns the domains of the external components that are connected, in
// order.
func (s *Server) Components() (all []jid.JID) {
	for _, c := range s.components.list() {
		all = append(all, c.domain)
	}
	return all
}

// Services returns what is attached to the server: the services in its process that
// have a domain, and the external components that are connected, in the order of
// their addresses. [disco.Extension] and the agents of old clients list them.
func (s *Server) Services() (all []disco.Item) {
	for _, svc := range s.services.all() {
		if svc.addr.IsDomain() {
			all = append(all, disco.Item{JID: svc.addr})
		}
	}
	for _, c := range s.components.list() {
		all = append(all, disco.Item{JID: c.domain, Name: c.cfg.Name})
	}
	slices.SortFunc(all, func(a, b disco.Item) int { return a.JID.Compare(b.JID) })
	return all
}

// ServeComponents accepts connections of external components on l: such as begin
// with plaintext, from this machine unless Components.Plaintext is set, and such as
// begin with the TLS handshake, which the first byte tells. It blocks as Serve does.
func (s *Server) ServeComponents(ctx context.Context, l net.Listener) error {
	if s.components == nil {
		l.Close()
		return errNoComponents
	}
	return s.serve(ctx, l, roleComponent, func(nc net.Conn) error { return s.ServeComponentConn(s.ctx, nc) })
}

// ServeComponentConn serves one connection of an external component, and returns
// when its stream has ended. nc may be a [stream.Transport], whose safety the
// caller answers for, or a *tls.Conn after its handshake. The error says why the
// stream ended; nil if the component has closed it.
func (s *Server) ServeComponentConn(ctx context.Context, nc net.Conn) error {
	if s.components == nil {
		nc.Close()
		return errNoComponents
	}
	return s.withConn(nc, roleComponent, func(cn *connection, bare bool) error {
		if bare {
			if err := s.components.admit(ctx, cn, nc); err != nil {
				return err
			}
		}
		return s.components.serve(ctx, cn)
	})
}
