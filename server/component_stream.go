package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/etherx-go/xmpp/ext/ping"
	"github.com/etherx-go/xmpp/ext/privilege"
	"github.com/etherx-go/xmpp/internal/handshake"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

// component is the stream of an external component, from its first header on.
type component struct {
	srv    *Server
	cn     *connection
	conn   *stream.Conn
	cfg    Component
	domain jid.JID
	ctx    context.Context
	rate   bucket

	active  atomic.Bool   // stanzas may be routed to it
	settled chan struct{} // closed when it is known whether they ever may be
	settle  sync.Once

	acting   acting
	told     told
	nestedMu sync.Mutex
	nested   map[string]nested // what is told about the namespaces that are delegated to it

	watch struct {
		sync.Mutex
		timer    *time.Timer // nil when it is over
		activity uint32      // what had come the last time
		answers  bool        // it has answered a ping
		pinging  bool
	}

	reading
}

// admit finds out whether a connection begins with TLS. One without, from another
// machine, is refused unless the settings allow it.
func (cs *components) admit(ctx context.Context, cn *connection, nc net.Conn) error {
	isTLS, err := cs.srv.sniff(ctx, cn, nc, cs.cfg.TLS)
	switch {
	case err != nil:
		nc.Close()
		return err
	case !isTLS && !cs.cfg.Plaintext && !handshake.IsLocal(nc.RemoteAddr()):
		const text = "without TLS only components on this machine are served"
		err := &stream.Error{Condition: stream.PolicyViolation, Text: text}
		stream.Refuse(cn.tr, err)
		return err
	}
	return nil
}

func (cs *components) new(cn *connection) *component {
	return &component{srv: cs.srv, cn: cn, acting: make(acting, maxActing),
		settled: make(chan struct{}), reading: newReading()}
}

// serve negotiates the stream of a component that has connected, and serves it to
// its end.
func (cs *components) serve(ctx context.Context, cn *connection) error {
	c := cs.new(cn)
	cfg := cs.stream
	cfg.Content = stanza.NSComponent
	return c.serve(ctx, func() (*stream.Conn, error) { return stream.Accept(ctx, cn.tr, cfg, c.open) })
}

// serve negotiates a stream, which attaches the component, and serves it to its end.
func (c *component) serve(ctx context.Context, negotiate func() (*stream.Conn, error)) error {
	s := c.srv
	if ctx != s.ctx {
		stop := context.AfterFunc(ctx, func() { c.cn.tr.Close() })
		defer stop()
	}
	var cancel context.CancelFunc
	c.ctx, cancel = context.WithCancel(ctx)
	defer cancel()
	defer c.leave()
	err := onOwnStack(func() error {
		_, err := negotiate()
		return err
	})
	if err != nil {
		s.log.Info("no component", "domain", c.domain, "remote", c.cn.tr.RemoteAddr(), "err", err)
		return err
	}
	c.rate.init(s.components.cfg.Rate, s.components.cfg.Burst)
	s.log.Info("component up", "domain", c.domain, "remote", c.cn.tr.RemoteAddr())
	c.startWatch()
	c.read()
	<-c.done
	c.stopWatch()
	s.log.Info("component down", "domain", c.domain, "err", c.err)
	c.end()
	if c.err == io.EOF {
		return nil
	}
	return c.err
}

// open answers a component's stream header (XEP-0114, section 3).
func (c *component) open(sc *stream.Conn, in stream.Header) (stream.Header, []stream.Feature, error) {
	cs := c.srv.components
	h := stream.Header{Content: stanza.NSComponent, From: in.To, Lang: c.srv.cfg.Lang}
	if in.Content != stanza.NSComponent {
		return h, nil, &stream.Error{Condition: stream.InvalidNamespace, Text: "this is a port for components"}
	}
	if !in.To.IsDomain() {
		return h, nil, stream.HostUnknown
	}
	c.domain = in.To.Clone()
	var err error
	if c.cfg, err = cs.config(c.ctx, c.domain); err != nil {
		return h, nil, err
	}
	if other, _ := cs.find(c.domain.Domain()); other != nil && !cs.cfg.ReplaceOld {
		return h, nil, &stream.Error{Condition: stream.Conflict, Text: "a component of this name is connected"}
	}
	secret := func(context.Context) (string, error) { return c.cfg.Secret, nil }
	return h, []stream.Feature{handshake.Take(stanza.NSComponent, secret, c.accept)}, nil
}

// accept attaches a component that has shown that it knows the secret. It is told so
// before anything is routed to it.
func (c *component) accept(ctx context.Context, sc *stream.Conn) error {
	if err := c.attach(sc); err != nil {
		return err
	}
	if err := sc.SendRaw(ctx, handshake.Done); err != nil {
		return err
	}
	c.activate()
	return nil
}

// attach takes the component's place among the others. Who has something for it waits
// for what becomes of it.
func (c *component) attach(sc *stream.Conn) error {
	c.conn = sc
	replaced, err := c.srv.components.attach(c)
	if err != nil {
		return err
	}
	if replaced != nil {
		go replaced.kick(&stream.Error{Condition: stream.Conflict, Text: "replaced by a new connection"})
	}
	return nil
}

// activate lets stanzas be routed to the component.
func (c *component) activate() {
	c.srv.setShutdown(c.cn, c.conn.Shutdown)
	c.advertise()
	c.active.Store(true)
	c.settle.Do(func() { close(c.settled) })
	if len(c.cfg.Delegated) > 0 || c.cfg.Privileges.Presence != privilege.NoPresence {
		go func() {
			c.tellAll()
			c.learn()
		}()
	}
}

// readOn is read, in place of a handler that waits.
func (c *component) readOn() { c.read() }

// read handles what the component sends until the stream ends, or until a handler
// has handed reading over to another goroutine because it waits for a reply.
func (c *component) read() { c.run(c.next, c.srv.log, "component failed", "domain", c.domain) }

// next handles one stanza.
func (c *component) next() (handedOver bool, err error) {
	st, el, err := c.conn.Next()
	if e, ok := errors.AsType[*stanza.AddressError](err); ok && st != nil {
		return false, c.malformed(st, e)
	}
	if err != nil {
		return false, err
	}
	if st == nil {
		n := el.Name()
		text := fmt.Sprintf("{%.100s}%.100s", n.Space, n.Local)
		return false, &stream.Error{Condition: stream.UnsupportedStanzaType, Text: text}
	}
	if !c.rate.take(c.ctx, st.Size()) {
		return false, c.ctx.Err()
	}
	if err := c.check(st); err != nil {
		return false, err
	}
	if c.act(st) {
		return false, nil
	}
	return c.srv.takeRemote(c.ctx, c, st), nil
}

// check says whether a stanza has the addresses that it must have: "All stanzas sent
// to the server MUST possess a 'from' attribute and a 'to' attribute [...]. The
// domain identifier portion of the JID contained in the 'from' attribute MUST match
// the hostname of the component" (XEP-0114, section 3).
func (c *component) check(st *stanza.Stanza) error {
	switch {
	case st.From.IsZero():
		return &stream.Error{Condition: stream.ImproperAddressing, Text: "a stanza has a from"}
	case st.From.DomainJID() != c.domain:
		text := fmt.Sprintf("%s is not an address of %s", st.From, c.domain)
		return &stream.Error{Condition: stream.InvalidFrom, Text: text}
	case st.To.IsZero():
		return &stream.Error{Condition: stream.ImproperAddressing, Text: "a stanza has a to"}
	}
	return nil
}

// malformed answers a stanza whose to is not an address; a from that is none ends the
// stream.
func (c *component) malformed(st *stanza.Stanza, e *stanza.AddressError) error {
	if st.From.DomainJID() != c.domain {
		return &stream.Error{Condition: stream.InvalidFrom, Text: e.Error()}
	}
	st.To = c.srv.main.jid // who answers
	c.srv.bounce(st, stanza.NewError(stanza.JIDMalformed, e.Error()))
	return nil
}

// deliver queues a stanza for the component; what it does not take is answered with
// an error. A component whose outbox is full, and which takes nothing for a second,
// is disconnected.
func (c *component) deliver(st *stanza.Stanza) {
	if !c.take(st) {
		c.srv.bounce(st, errComponentAway)
	}
}

func (c *component) take(st *stanza.Stanza) bool {
	if !c.active.Load() {
		<-c.settled // a moment at the most
		if !c.active.Load() {
			return false
		}
	}
	err := c.conn.TrySend(st)
	if err != stream.ErrOutboxFull {
		return err == nil
	}
	ctx, cancel := context.WithTimeout(c.srv.ctx, slowTimeout)
	defer cancel()
	err = c.conn.Send(ctx, st)
	if errors.Is(err, context.DeadlineExceeded) && c.active.Swap(false) {
		c.srv.log.Warn("component does not read", "domain", c.domain)
		c.conn.Close()
	}
	return err == nil
}

// kick closes the stream with an error, in order if the component takes part.
func (c *component) kick(reason *stream.Error) {
	<-c.settled // a moment at the most; before that it could not be told
	if !c.active.Swap(false) {
		c.cn.tr.Close()
		return
	}
	ctx, cancel := context.WithTimeout(c.srv.ctx, 5*time.Second)
	defer cancel()
	c.conn.Shutdown(ctx, reason)
}

// end takes the component out of the routes and tells it why. Who has closed the
// stream gets nothing more.
func (c *component) end() {
	c.active.Store(false)
	c.srv.components.detach(c)
	if e, ok := errors.AsType[*stream.Error](c.err); c.err == io.EOF || ok && e.Remote {
		c.conn.Withdraw()
	}
	c.conn.Fail(c.err)
}

// leave takes the component out of the routes if it was in, and answers what is left
// in its outbox.
func (c *component) leave() {
	if c.conn == nil {
		return
	}
	c.active.Store(false)
	c.settle.Do(func() { close(c.settled) })
	c.srv.components.detach(c)
	c.conn.Close()
	for _, st := range c.conn.Unsent() {
		c.srv.bounce(st, errComponentAway)
	}
}

// startWatch looks after the stream from time to time. It costs a timer, and no
// goroutine.
func (c *component) startWatch() {
	every := c.srv.components.cfg.KeepAlive
	if every < 0 {
		return
	}
	c.watch.Lock()
	defer c.watch.Unlock()
	c.watch.activity = c.conn.Activity()
	c.watch.timer = time.AfterFunc(every, c.look)
}

func (c *component) stopWatch() {
	c.watch.Lock()
	defer c.watch.Unlock()
	if c.watch.timer != nil {
		c.watch.timer.Stop()
	}
	c.watch.timer = nil
}

// look is called by the timer.
func (c *component) look() {
	w := &c.watch
	w.Lock()
	defer w.Unlock()
	if w.timer == nil {
		return
	}
	activity := c.conn.Activity()
	if activity == w.activity && !w.pinging {
		w.pinging = true
		go c.ping(activity)
	}
	w.activity = activity
	w.timer.Reset(c.srv.components.cfg.KeepAlive)
}

// ping asks a component from which nothing comes for a sign of life. There are such
// as do not answer what they do not know.
func (c *component) ping(before uint32) {
	ctx, cancel := context.WithTimeout(c.ctx, c.srv.components.cfg.PingTimeout)
	defer cancel()
	iq, err := stanza.New(stanza.Header{Kind: stanza.KindIQ, Type: stanza.TypeGet, To: c.domain}, ping.Payload{})
	if err == nil {
		_, err = c.srv.Do(ctx, iq)
	}
	c.watch.Lock()
	c.watch.pinging = false
	c.watch.answers = c.watch.answers || ping.Answered(err)
	answers := c.watch.answers
	c.watch.Unlock()
	switch {
	case !errors.Is(err, context.DeadlineExceeded) || c.conn.Activity() != before:
	case answers:
		c.srv.log.Warn("component does not answer", "domain", c.domain)
		c.conn.Close() // wakes the reader
	default:
		c.conn.TrySendRaw(" ")
	}
}
