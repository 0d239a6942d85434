package gateway

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/register"
	"github.com/etherx-go/xmpp/internal/lru"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// Defaults of a [Gateway].
const (
	DefaultTimeout      = 30 * time.Second
	DefaultRetry        = time.Minute
	DefaultMaxUsers     = 10_000
	DefaultMaxResources = 20
	DefaultMaxContacts  = 1000
	DefaultMaxQueued    = 100
)

// maxRetry bounds how far apart the tries to log in get.
const maxRetry = 30 * time.Minute

// nsEscaping is the feature of XEP-0106, section 6.
const nsEscaping = `jid\20escaping`

// Gateway is the Extension that makes a component, or a service in a server's
// process, a gateway (XEP-0100). It needs a domain of its own, and is one entity
// with [disco.Extension], which has the identity gateway/type beside its features,
// and for clients of old with agents.Extension.
//
// Everything that is done for one user is done in order, in a goroutine that is
// there while there is something to do; so a network that is slow for one costs
// the others nothing. Who is there is asked for whenever there is a stream to the
// server; without one nobody is logged in. Call Close while there still is one.
// Methods are safe for concurrent use, after Attach; fields must not be changed
// then.
type Gateway struct {
	// Network is the other side. It must be set.
	Network Network
	// Accounts keeps the registrations; nil: in memory.
	Accounts Store
	// Addresses says what addresses the people of the network have.
	Addresses Addresses

	// Fields are what the user fills in to register, fields of XEP-0077. All are
	// required. Default username and password.
	Fields []string
	// Instructions are shown to who registers. The default is in English.
	Instructions string
	// Prompt, if not nil, returns what is shown to who wants to add a contact, in
	// a language if it can: the question, and what the answer is called. The
	// default is in English.
	Prompt func(lang string) (desc, prompt string)
	// Allow says who may use the gateway, by a bare address. nil: the users of the
	// domain that the gateway's is a part of, those of example.org for
	// irc.example.org.
	Allow func(user jid.JID) bool

	// Timeout bounds each call of the Network and of Sessions. Default 30 s.
	Timeout time.Duration
	// Retry is after what time a log-in that failed, or a session that was lost,
	// is tried again, while the user is available: then after twice that, up to
	// 30 minutes. One that ended with not-authorized or conflict is not tried again
	// before the user comes back or registers again. Default 1 min.
	Retry time.Duration
	// MaxUsers bounds for how many users there can be something to do, or a
	// session. Default 10000, -1 = no limit.
	MaxUsers int
	// MaxResources bounds how many resources of a user are looked at. Default
	// 20, -1 = no limit.
	MaxResources int
	// MaxContacts bounds of how many people the presence is known, for each user,
	// and how many are suggested as contacts. Default 1000, -1 = no limit.
	MaxContacts int
	// MaxQueued bounds how many messages and requests of a user wait for the
	// network. More are answered with resource-constraint. Default 100, -1 = no
	// limit.
	MaxQueued int
	// Log gets what an operator may want to know. nil: nothing is logged.
	Log *slog.Logger

	host   xmpp.Sender
	domain jid.JID
	log    *slog.Logger
	ctx    context.Context // of what is done for users
	cancel context.CancelFunc
	work   sync.WaitGroup // of users

	mu     sync.Mutex
	users  map[jid.JID]*user // those for whom there is something to know
	closed bool
	clock  uint64 // counts presences
	// spellings are addresses that are written otherwise than the gateway does.
	spellings lru.Map[spelling, jid.JID]
}

// Attach adds the handlers. The host's address must be a mere domain.
func (g *Gateway) Attach(h xmpp.Host) error {
	switch {
	case g.Network == nil:
		return errors.New("gateway: Gateway.Network is not set")
	case h.IsServer() || !h.LocalAddr().IsDomain():
		return errors.New("gateway: a Gateway needs a domain of its own")
	}
	g.host, g.domain, g.users = h, h.LocalAddr(), make(map[jid.JID]*user)
	g.Addresses.Domain = g.domain
	if g.log = g.Log; g.log == nil {
		g.log = slog.New(slog.DiscardHandler)
	}
	if g.Accounts == nil {
		g.Accounts = new(Memory)
	}
	g.ctx, g.cancel = context.WithCancel(context.Background())
	h.Mux().Handle(xmpp.Pattern{Kind: stanza.KindPresence}, xmpp.HandlerFunc(g.presence))
	h.Mux().Handle(xmpp.Pattern{Kind: stanza.KindMessage}, xmpp.HandlerFunc(g.message))
	xmpp.HandleIQ(h.Mux(), stanza.TypeGet, g.prompt)
	xmpp.HandleIQ(h.Mux(), stanza.TypeSet, g.translate)
	return g.attachRegistration(h)
}

// Features returns what the gateway itself has.
func (g *Gateway) Features(at jid.JID) []string {
	if !at.IsDomain() {
		return nil
	}
	return []string{nsEscaping, NS, register.NS}
}

// SessionUp asks for the presence of all who are registered, so that those who are
// there are logged in (XEP-0100, section 8). The host calls it.
func (g *Gateway) SessionUp(ctx context.Context, _ xmpp.Sender) {
	g.eachUser(func(u *user) { u.jobs = append(u.jobs, u.settle) })
	if err := g.sendAll(ctx, stanza.TypeProbe); err != nil {
		g.log.Error("gateway: probe", "err", err)
	}
}

// SessionDown logs all out of the network: whether they are still there nobody knows,
// and what comes from the network could not be told them. The host calls it.
func (g *Gateway) SessionDown(xmpp.Sender, error) {
	g.eachUser(func(u *user) {
		clear(u.resources)
		u.directed = nil
		u.jobs = append(u.jobs, u.logout)
	})
}

// eachUser gives all users something to do, unless the gateway is closed.
func (g *Gateway) eachUser(fn func(*user)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return
	}
	for _, u := range g.users {
		fn(u)
		u.start()
	}
}

// sendAll sends a presence to all who are registered.
func (g *Gateway) sendAll(ctx context.Context, t stanza.Type) error {
	for a, err := range g.Accounts.Accounts(ctx) {
		if err == nil {
			err = g.send(ctx, &stanza.Presence{From: g.domain, To: a.User, Type: t})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Close ends all sessions and tells all who are registered that the gateway is
// unavailable (XEP-0100, section 8). When ctx ends what is still done is canceled,
// and waited for. Nothing can be done with the Gateway then.
func (g *Gateway) Close(ctx context.Context) error {
	g.mu.Lock()
	g.closed = true
	for _, u := range g.users {
		u.stop()
		u.jobs = append(u.jobs, u.logout)
		u.start()
	}
	g.mu.Unlock()
	stop := context.AfterFunc(ctx, g.cancel)
	g.work.Wait()
	stop()
	g.cancel()
	ctx, cancel := g.timeout(context.WithoutCancel(ctx))
	defer cancel()
	return g.sendAll(ctx, stanza.TypeUnavailable)
}

// allows reports whether somebody may use the gateway.
func (g *Gateway) allows(user jid.JID) bool {
	if user.Local() == "" {
		return false
	}
	if g.Allow != nil {
		return g.Allow(user)
	}
	_, parent, _ := strings.Cut(g.domain.Domain(), ".")
	return user.Domain() == parent
}

// access says why a request to the gateway itself is refused.
func (g *Gateway) access(st *stanza.Stanza) error {
	switch {
	case !st.To.IsDomain():
		return stanza.ServiceUnavailable
	case !g.allows(st.From.Bare()):
		return stanza.Forbidden
	}
	return nil
}

// prompt says what to ask the user for.
func (g *Gateway) prompt(_ context.Context, r xmpp.Request[Query]) (any, error) {
	if err := g.access(r.Stanza); err != nil {
		return nil, err
	}
	if g.Prompt == nil {
		return Query{Desc: "Enter the name of the person on the other network.", Prompt: "Name"}, nil
	}
	desc, prompt := g.Prompt(r.Lang)
	return Query{Desc: desc, Prompt: prompt}, nil
}

// translate returns the address of a name.
func (g *Gateway) translate(_ context.Context, r xmpp.Request[Query]) (any, error) {
	if err := g.access(r.Stanza); err != nil {
		return nil, err
	}
	j, err := g.Addresses.JID(r.Payload.Prompt)
	if err != nil {
		return nil, err
	}
	return Query{JID: j}, nil
}

// send sends a presence or a message.
func (g *Gateway) send(ctx context.Context, m interface {
	Stanza() (*stanza.Stanza, error)
}) error {
	return xmpp.Send(ctx, g.host, m)
}

// trySend is for where there is nobody to return the error to.
func (g *Gateway) trySend(ctx context.Context, m interface {
	Stanza() (*stanza.Stanza, error)
}) {
	if err := g.send(ctx, m); err != nil {
		g.log.Warn("gateway: send", "err", err)
	}
}

// fault returns what the user is told of an error of the network.
func (g *Gateway) fault(user jid.JID, what string, err error) *stanza.Error {
	_, isErr := errors.AsType[*stanza.Error](err)
	_, isCond := errors.AsType[stanza.Condition](err)
	if isErr || isCond {
		return stanza.AsError(err)
	}
	g.log.Warn("gateway: network", "user", user, "what", what, "err", err)
	return &stanza.Error{Condition: stanza.RemoteServerTimeout, Type: stanza.Wait}
}

// timeout returns the context of a call of the network.
func (g *Gateway) timeout(ctx context.Context) (context.Context, context.CancelFunc) {
	d := g.Timeout
	if d <= 0 {
		d = DefaultTimeout
	}
	return context.WithTimeout(ctx, d)
}

// within reports whether there is room for one more than n.
func within(n, max, def int) bool {
	if max == 0 {
		max = def
	}
	return max < 0 || n < max
}
