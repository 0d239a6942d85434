package server

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"syscall"
	"time"

	xmpp "github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/archive"
	"github.com/etherx-go/xmpp/ext/carbons"
	"github.com/etherx-go/xmpp/ext/flexoffline"
	"github.com/etherx-go/xmpp/ext/push"
	"github.com/etherx-go/xmpp/ext/register"
	"github.com/etherx-go/xmpp/internal/describe"
	"github.com/etherx-go/xmpp/internal/pending"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/privacy"
	"github.com/etherx-go/xmpp/roster"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

// ErrServerClosed is returned by Serve and ServeConn after Shutdown or Close.
var ErrServerClosed = errors.New("server: closed")

// Defaults of [Config].
const (
	DefaultMaxConns       = 100_000
	DefaultMaxResources   = 20
	DefaultRate           = 256 << 10
	DefaultBurst          = 2 << 20
	DefaultRequestTimeout = 30 * time.Second
	DefaultMaxOffline     = 1000
	DefaultMaxDirected    = 1000
	DefaultResumeTimeout  = 10 * time.Minute
	DefaultMaxResumable   = 10_000
	DefaultKeepAlive      = 10 * time.Minute
	DefaultPingTimeout    = 60 * time.Second
	DefaultAckTimeout     = 60 * time.Second
)

// ConflictPolicy says what becomes of a client that asks for a resource which
// is in use (RFC 6120, section 7.7.2.2).
type ConflictPolicy uint8

const (
	// ReplaceOld closes the older stream with <conflict/>.
	ReplaceOld ConflictPolicy = iota
	// RefuseNew answers the newer client with <conflict/>.
	RefuseNew
	// RenameNew gives the newer client another resource.
	RenameNew
)

// Config describes a server. Zero values are the safe defaults.
type Config struct {
	// Domains are the virtual hosts. There must be at least one; the first is
	// the one that the server speaks as where it has the choice.
	Domains []string
	// Accounts are the users. nil: nobody can log in.
	Accounts Accounts
	// Registration says how accounts can be made, changed and removed in-band
	// (XEP-0077). Its Accounts are set by New. nil: nobody can make an account;
	// who is logged in can change the password and remove the account, if
	// Accounts is an [AccountManager].
	Registration *register.Server

	// TLS has the certificates; its GetCertificate may choose by name. nil:
	// there is no TLS, and clients can only come in-process, by Pipe, unless
	// AllowPlaintext is set.
	TLS *tls.Config
	// AllowPlaintext allows authentication without TLS. It is the one option
	// that gives up confidentiality.
	AllowPlaintext bool
	// OldStreams serves clients of the time before RFC 3920: their streams, which
	// have no version, and log-in by jabber:iq:auth (XEP-0078), which is then
	// offered to all. They need TLS from the first byte, or AllowPlaintext, as
	// all others do; and what [Digester] says for log-in by digest. By default a
	// stream without version is refused, and only SASL authenticates.
	OldStreams bool
	// RejectForeignFrom closes the stream of a client that sends a stanza with
	// the address of somebody else in from, with <invalid-from/>. By default
	// the true address is put in its place, as RFC 6120, section 8.1.2.1, says.
	RejectForeignFrom bool

	// Stream has the limits and timeouts of each stream.
	Stream stream.Config
	// MaxTries bounds the failed tries to authenticate on one stream.
	// Default 5.
	MaxTries int
	// MaxConns bounds the connections that the server has at once. Default
	// 100000, -1 = no limit.
	MaxConns int
	// MaxResources bounds the sessions of one account. Default 20, -1 = no
	// limit.
	MaxResources int
	// Conflict says what happens when a resource is in use already.
	Conflict ConflictPolicy
	// Rate bounds how many bytes of stanzas a client may send each second, on
	// average, and Burst how many more at once. One that sends faster is read
	// more slowly; nothing is lost. Defaults 256 KiB and 2 MiB, Rate -1 = no
	// limit.
	Rate, Burst int
	// RequestTimeout bounds Do where its ctx has no deadline. Default 30 s.
	RequestTimeout time.Duration

	// KeepAlive is after how long without any input a client is asked for a sign of
	// life (XEP-0199), and PingTimeout how long it may take then: its connection is
	// ended, if it has answered at other times or acknowledges what it gets. AckTimeout
	// is how long a client may owe an acknowledgement (XEP-0198) and send nothing else.
	// Clients are looked after all at once, so it may take half as long again. Defaults
	// 10 minutes, 60 s and 60 s, -1 = never.
	KeepAlive, PingTimeout, AckTimeout time.Duration

	// ResumeTimeout is how long a session outlives its connection, if its client has
	// asked for that (XEP-0198, section 5): it stays as available as it was, and what
	// comes for it waits, bounded by MaxDetached of the Stream. If it is not resumed
	// what has waited is routed anew. Default 10 minutes, -1: sessions end with their
	// connections.
	ResumeTimeout time.Duration
	// MaxResumable bounds how many sessions wait so at the same time; more end with
	// their connections. Default 10000, -1 = no limit.
	MaxResumable int
	// ResumeLocation is where clients should come back to, as host:port; "" is
	// where they were.
	ResumeLocation string

	// ResourceSecret makes the resources of clients that leave the choice to the
	// server and say which client they are (XEP-0386): they get theirs back. ""
	// is a random one: then it is another after a restart.
	ResourceSecret string

	// Stores are where rosters, privacy lists and messages for absent users are
	// kept. The zero Stores keep them in memory.
	Stores Stores
	// RosterLimits bounds the roster of each account, PrivacyLimits its
	// privacy lists.
	RosterLimits  roster.Limits
	PrivacyLimits privacy.Limits
	// MaxOffline bounds how many messages are kept for an account whose user
	// is not there; more are answered with <service-unavailable/>. Default
	// 1000, -1 = no limit.
	MaxOffline int
	// MaxDirected bounds to how many entities that are no contacts a session
	// may show its presence, as to rooms. Default 1000, -1 = no limit.
	MaxDirected int
	// AnswerStrangers delivers iq requests to a client also from those who may
	// not know its presence. By default they get <service-unavailable/>, as if
	// nobody was there (RFC 6121, section 8.5.3.1).
	AnswerStrangers bool
	// ProbeDomains are services that may ask for everybody's presence (RFC
	// 6121, section 4.3.2).
	ProbeDomains []string

	// Federation is how the server talks with others. nil: it does not, and who
	// writes to another domain gets <remote-server-not-found/>.
	Federation *Federation
	// Components are the external components. nil: there are none.
	Components *Components

	// Lang is the server's language, for the stream header. Default "en".
	Lang string
	// Extensions are attached in this order.
	Extensions []xmpp.Extension
	// Log gets what an operator may want to know. nil: nothing is logged.
	Log *slog.Logger
}

// Server is an XMPP server: streams, accounts, sessions and the routes between
// them. Several can live in one process. All methods are safe for concurrent
// use.
type Server struct {
	cfg     Config
	log     *slog.Logger
	mux     xmpp.Mux
	hosts   map[string]*host // does not change
	main    *host
	pending *pending.Table // requests of the server itself

	ctx    context.Context // ends when the server is closed
	cancel context.CancelFunc

	mu        sync.Mutex
	closed    role // those before this one are not served any more
	listeners map[net.Listener]role
	conns     map[*connection]struct{}
	served    [roles]sync.WaitGroup // one for each connection
	looks     *time.Timer           // looks after clients
	looking   bool                  // it is set

	services       services
	components     *components // nil: none
	resumptions    resumptions
	resourceSecret []byte
	stores         Stores
	privacy        *privacy.Engine

	registration *register.Server
	archive      *archive.Server     // nil: none
	push         *push.Server        // nil: none
	flexible     *flexoffline.Server // nil: none
	fed          *federation         // nil: none
}

// role is what is at the other end of a connection. When the server shuts down they
// leave in this order.
type role uint8

const (
	roleClient role = iota
	roleComponent
	roleServer
	roles
)

// connection is one that was accepted, from its first byte to its last.
type connection struct {
	tr   stream.Transport
	role role
	// shutdown ends the stream in order, once it is negotiated.
	shutdown func(context.Context, *stream.Error) error
	session  *session // of a client, once it is bound
}

// New makes a server. It serves nothing yet.
func New(cfg Config) (*Server, error) {
	s := &Server{cfg: cfg, log: cfg.Log, hosts: make(map[string]*host),
		listeners: make(map[net.Listener]role), conns: make(map[*connection]struct{})}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.setDefaults()
	for _, d := range cfg.Domains {
		j, err := jid.Parse(d)
		if err != nil {
			return nil, fmt.Errorf("server: domain %q: %w", d, err)
		}
		if !j.IsDomain() {
			return nil, fmt.Errorf("server: domain %q: not a mere domain", d)
		}
		h := &host{srv: s, jid: j.Clone(), users: make(map[string]*user)}
		s.hosts[h.jid.Domain()] = h
		if s.main == nil {
			s.main = h
		}
	}
	if s.main == nil {
		return nil, errors.New("server: Config.Domains is empty")
	}
	s.registration = cfg.Registration
	if s.registration == nil {
		s.registration = new(register.Server)
	}
	if _, ok := cfg.Accounts.(Registrar); s.registration.Open && !ok {
		return nil, errors.New("server: Config.Registration needs Accounts that are a Registrar")
	}
	s.registration.Accounts = registered{s}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.pending = pending.New(s.main.jid)
	s.stores = cfg.Stores.withDefaults()
	s.privacy = s.makePrivacy()
	fed, err := s.makeFederation()
	if err != nil {
		return nil, err
	}
	s.fed = fed
	if s.components, err = s.makeComponents(); err != nil {
		return nil, err
	}
	s.handleCore()
	if err := s.privacy.Attach(s); err != nil {
		return nil, fmt.Errorf("server: %w", err)
	}
	for _, e := range cfg.Extensions {
		switch e := e.(type) {
		case *archive.Server:
			if s.archive = e; e.InRoster == nil {
				e.InRoster = s.inRoster
			}
		case *push.Server:
			s.push = e
		case *flexoffline.Server:
			if s.flexible = e; e.Store == nil {
				e.Store = s.stores.Offline
			}
		}
		if err := e.Attach(s); err != nil {
			return nil, fmt.Errorf("server: attach %T: %w", e, err)
		}
	}
	return s, nil
}

func (s *Server) setDefaults() {
	c := &s.cfg
	for _, d := range []struct {
		v   *int
		def int
	}{{&c.MaxConns, DefaultMaxConns}, {&c.MaxResources, DefaultMaxResources}, {&c.Rate, DefaultRate}, {&c.Burst, DefaultBurst},
		{&c.MaxOffline, DefaultMaxOffline}, {&c.MaxDirected, DefaultMaxDirected}, {&c.RosterLimits.Items, roster.DefaultItems},
		{&c.MaxResumable, DefaultMaxResumable}} {
		if *d.v == 0 {
			*d.v = d.def
		}
	}
	c.RequestTimeout = cmp.Or(c.RequestTimeout, DefaultRequestTimeout)
	c.KeepAlive = cmp.Or(c.KeepAlive, DefaultKeepAlive)
	c.PingTimeout = cmp.Or(c.PingTimeout, DefaultPingTimeout)
	c.AckTimeout = cmp.Or(c.AckTimeout, DefaultAckTimeout)
	c.ResumeTimeout = cmp.Or(c.ResumeTimeout, DefaultResumeTimeout)
	s.resumptions.max = c.MaxResumable
	s.resourceSecret = s.makeResourceSecret()
	if c.Lang == "" {
		c.Lang = "en"
	}
}

// Mux is where handlers for what is addressed to the server itself, or to an
// account's bare address, are added. Iqs without a to come with the account's
// bare address as their to. A handler runs in the goroutine that reads the
// sender's stream: what comes next on that stream waits until it returns or
// calls Do.
func (s *Server) Mux() *xmpp.Mux { return &s.mux }

// IsServer returns true.
func (s *Server) IsServer() bool { return true }

// Features returns the server's features and those of its extensions, for
// service discovery.
func (s *Server) Features(at jid.JID) []string {
	own := s.privacy.Features(at)
	if at.Local() == "" && s.cfg.Accounts != nil {
		own = append(own, register.NS, "msgoffline") // XEP-0160, section 5
	}
	if at.Local() == "" {
		own = append(own, s.components.features()...)
	}
	if s.cfg.Accounts != nil {
		own = append(own, carbons.NS, carbons.NSRules)
	}
	return describe.Features(own, s.cfg.Extensions, at)
}

// LocalAddr returns the first domain.
func (s *Server) LocalAddr() jid.JID { return s.main.jid }

// Serve accepts connections from clients on l, which may begin with plaintext
// and be upgraded by STARTTLS. It blocks until ctx ends or the server is
// closed, and closes l. Connections stay open when Serve returns because of
// ctx.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	return s.serve(ctx, l, roleClient, func(nc net.Conn) error { return s.ServeConn(s.ctx, nc) })
}

// ServeTLS is Serve for connections that begin with the TLS handshake (direct
// TLS, XEP-0368).
func (s *Server) ServeTLS(ctx context.Context, l net.Listener) error {
	if s.cfg.TLS == nil {
		return errors.New("server: ServeTLS without Config.TLS")
	}
	config := s.cfg.TLS.Clone()
	config.NextProtos = []string{"xmpp-client"}
	return s.serve(ctx, l, roleClient, func(nc net.Conn) error {
		tc := tls.Server(nc, config)
		ctx, cancel := context.WithTimeout(s.ctx, s.negotiationTimeout())
		defer cancel()
		if err := onOwnStack(func() error { return tc.HandshakeContext(ctx) }); err != nil {
			nc.Close()
			return err
		}
		return s.ServeConn(s.ctx, tc)
	})
}

func (s *Server) negotiationTimeout() time.Duration {
	if t := s.cfg.Stream.NegotiationTimeout; t > 0 {
		return t
	}
	return stream.DefaultNegotiationTimeout
}

// serve accepts connections from l.
func (s *Server) serve(ctx context.Context, l net.Listener, from role, handle func(net.Conn) error) error {
	if err := s.addListener(l, from); err != nil {
		l.Close()
		return err
	}
	defer s.removeListener(l)
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	for {
		nc, err := l.Accept()
		if err != nil {
			switch {
			case s.isClosed(from):
				return ErrServerClosed
			case ctx.Err() != nil:
				return ctx.Err()
			case isTemporary(err):
				// Out of file descriptors, most likely: wait for some to
				// come back.
				s.log.Warn("accept", "err", err)
				if !sleep(ctx, 100*time.Millisecond) {
					return ctx.Err()
				}
				continue
			}
			return err
		}
		go func() {
			if err := handle(nc); err != nil {
				s.log.Debug("connection ended", "remote", nc.RemoteAddr(), "err", err)
			}
		}()
	}
}

// isTemporary reports whether Accept may succeed later: the process or the
// system is short of something, or the client has gone again.
func isTemporary(err error) bool {
	for _, e := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (s *Server) addListener(l net.Listener, from role) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed > roleClient {
		return ErrServerClosed
	}
	s.listeners[l] = from
	return nil
}

func (s *Server) removeListener(l net.Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, l)
	l.Close()
}

// isClosed reports whether the server is closed to them.
func (s *Server) isClosed(r role) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed > r
}

// Pipe returns the client's end of an in-memory connection to the server. It
// counts as secure: a client may authenticate by PLAIN on it.
func (s *Server) Pipe() stream.Transport {
	client, server := stream.Pipe()
	go s.ServeConn(s.ctx, server)
	return client
}

// ServeConn serves one client, and returns when its stream has ended. nc may be
// a [stream.Transport], or a *tls.Conn after its handshake. The error says why
// the stream ended; nil if the client has closed it.
func (s *Server) ServeConn(ctx context.Context, nc net.Conn) error {
	return s.withConn(nc, roleClient, func(cn *connection, _ bool) error { return s.serveClient(ctx, cn) })
}

// withConn counts a connection while fn serves it, if there is room for it. bare says
// that it may still begin with a TLS handshake: it is neither a Transport nor a
// *tls.Conn.
func (s *Server) withConn(nc net.Conn, r role, fn func(cn *connection, bare bool) error) error {
	tr, isTransport := nc.(stream.Transport)
	if !isTransport {
		tr = stream.NewTransport(nc)
	}
	cn := &connection{tr: tr, role: r}
	if err := s.addConn(cn); err != nil {
		stream.Refuse(tr, err)
		return err
	}
	defer s.removeConn(cn)
	_, isTLS := nc.(*tls.Conn)
	return s.guarded(cn, func() error { return fn(cn, !isTransport && !isTLS) })
}

// guarded runs what serves a connection. A panic, of an Accounts say, costs that
// connection and no other.
func (s *Server) guarded(cn *connection, fn func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			p := asPanicError(v)
			s.log.Error("connection failed", "remote", cn.tr.RemoteAddr(), "err", p, "stack", string(p.Stack))
			cn.tr.Close()
			err = p
		}
	}()
	return fn()
}

// addConn counts a connection. The error is the stream error to refuse it with.
func (s *Server) addConn(cn *connection) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed > cn.role:
		return stream.SystemShutdown
	case s.cfg.MaxConns > 0 && len(s.conns) >= s.cfg.MaxConns:
		return stream.ResourceConstraint
	}
	s.conns[cn] = struct{}{}
	s.served[cn.role].Add(1)
	return nil
}

// setShutdown notes how a connection is ended in order.
func (s *Server) setShutdown(cn *connection, fn func(context.Context, *stream.Error) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	cn.shutdown = fn
}

// setSession notes which session a connection has.
func (s *Server) setSession(cn *connection, sess *session, w *wire) {
	s.mu.Lock()
	defer s.mu.Unlock()
	cn.shutdown = sess.shutdown(w)
	s.lookAfter(cn, sess)
}

// setTransport notes what has become of a connection with the TLS handshake.
func (s *Server) setTransport(cn *connection, tr stream.Transport) {
	s.mu.Lock()
	defer s.mu.Unlock()
	cn.tr = tr
}

func (s *Server) removeConn(cn *connection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, cn)
	s.served[cn.role].Done()
}

// Shutdown stops the server in order: it accepts nothing more, closes every
// stream with <system-shutdown/>, those of clients first, then those of components,
// and waits until all have ended and what was on its way to other servers is there. When
// ctx ends before, the rest is closed hard and the error is that of ctx. A handler that
// has not returned some seconds later is left behind.
func (s *Server) Shutdown(ctx context.Context) error {
	err := s.shutdownPart(ctx, s.stopAccepting(roleClient))
	s.resumptions.expireAll()
	err = errors.Join(err, s.await(ctx, roleClient))
	if s.fed != nil {
		// Services still hear what becomes of what they have sent.
		err = errors.Join(err, s.fed.endIntake(ctx))
		s.fed.settle(ctx)
	}
	err = errors.Join(err, s.drainServices(ctx))
	err = errors.Join(err, s.shutdownPart(ctx, s.stopAccepting(roleComponent)))
	err = errors.Join(err, s.await(ctx, roleComponent))
	if s.fed != nil {
		s.fed.shutdown(ctx)
		err = errors.Join(err, s.shutdownPart(ctx, s.stopAccepting(roleServer)))
	}
	s.Close()
	for r := range s.served {
		err = errors.Join(err, s.await(ctx, role(r)))
	}
	if s.fed != nil {
		s.fed.wg.Wait()
	}
	return err
}

// afterHardEnd is how long what was closed hard may take for its last things.
const afterHardEnd = 5 * time.Second

// await waits until the connections of a role, which have been closed, are served no
// more; a handler may be in the way of that for ever.
func (s *Server) await(ctx context.Context, r role) error {
	done := make(chan struct{})
	go func() {
		s.served[r].Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	t := time.NewTimer(afterHardEnd)
	defer t.Stop()
	select {
	case <-done:
		return nil
	case <-t.C:
		return fmt.Errorf("server: a handler has not returned: %w", ctx.Err())
	}
}

// shutdownPart ends streams, and returns when they have ended; hard those that have
// not when their part of the time is over. The error says that there were such.
func (s *Server) shutdownPart(ctx context.Context, conns []*connection) error {
	ctx, cancel := s.part(ctx)
	defer cancel()
	var wg sync.WaitGroup
	for _, cn := range conns {
		wg.Go(func() { s.shutdownConn(ctx, cn) })
	}
	wg.Wait()
	return ctx.Err()
}

// part returns a context with half of the time that ctx leaves, if there are other
// servers: what comes after needs some too, and who does not answer is gone most
// likely.
func (s *Server) part(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok || s.fed == nil {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, time.Until(deadline)/2)
}

func (s *Server) shutdownConn(ctx context.Context, cn *connection) {
	s.mu.Lock()
	shutdown, tr := cn.shutdown, cn.tr
	s.mu.Unlock()
	if shutdown == nil {
		tr.Close() // nothing is lost: nobody is known to be on it
		return
	}
	shutdown(ctx, &stream.Error{Condition: stream.SystemShutdown})
}

// Close stops the server at once: all listeners and connections are closed.
func (s *Server) Close() error {
	conns := s.stopAccepting(roleServer)
	s.cancel()
	for _, cn := range conns {
		s.closeConn(cn)
	}
	go s.resumptions.expireAll()
	if s.fed != nil {
		s.fed.close()
	}
	if s.push != nil {
		s.push.Close()
	}
	s.pending.FailAll(xmpp.ErrClosed)
	for _, svc := range s.services.all() {
		svc.Close()
	}
	return nil
}

func (s *Server) closeConn(cn *connection) {
	s.mu.Lock()
	tr := cn.tr
	s.mu.Unlock()
	tr.Close()
}

// stopAccepting closes the server to those of a role, and of the roles before, and
// returns the connections of them that there are then.
func (s *Server) stopAccepting(last role) []*connection {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = max(s.closed, last+1)
	for l, from := range s.listeners {
		if from <= last {
			l.Close()
		}
	}
	var conns []*connection
	for cn := range s.conns {
		if cn.role <= last {
			conns = append(conns, cn)
		}
	}
	return conns
}

// Send routes a stanza. One without from is sent by the first domain.
func (s *Server) Send(ctx context.Context, st *stanza.Stanza) error {
	if st.From.IsZero() {
		h := st.Header
		h.From = s.main.jid
		st = st.With(h)
	}
	return s.Route(ctx, st)
}

// Do sends an iq and waits for the reply. It comes from the first domain, unless its
// from is another one of the server.
func (s *Server) Do(ctx context.Context, iq *stanza.Stanza) (*stanza.Stanza, error) {
	from := s.main.jid
	if iq.From.IsDomain() && s.hosts[iq.From.Domain()] != nil {
		from = iq.From
	}
	return s.do(ctx, from, s.pending, iq)
}
