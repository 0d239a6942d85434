package server

import (
	"cmp"
	"context"
	"errors"
	"io"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	xmpp "github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/carbons"
	"github.com/etherx-go/xmpp/ext/csi"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

// session is a client from its first header on: while it negotiates, and once a
// resource is bound for as long as that stays so. It can outlive its connection, see
// resume.go.
type session struct {
	srv *Server
	// wire is the connection that it has, or had last.
	wire atomic.Pointer[wire]
	// features are what is negotiated; nil when that is over.
	features []stream.Feature
	host     *host
	account  jid.JID // who has authenticated
	jid      jid.JID // full address, once bound
	bound2   bool    // it was bound with the authentication (XEP-0386)
	agent    string  // the id that the client has, "" if it has not said it; nobody else learns it
	user     *user   // the account, once bound
	// ctx ends with the session, by cancel.
	ctx    context.Context
	cancel context.CancelFunc

	// active: stanzas may be routed to it.
	active   atomic.Bool
	presence atomic.Pointer[stanza.Stanza] // the last it broadcast; nil: not available
	// ends: it is there for the routes only, with the presence that it had.
	ends    atomic.Bool
	leaving atomic.Pointer[stanza.Stanza]
	// interested: it has asked for the roster, and gets pushes.
	interested atomic.Bool
	// copies: it has asked for copies of the account's messages (XEP-0280).
	copies atomic.Bool
	copied copied
	rate   bucket

	mu       sync.Mutex
	directed map[jid.JID]struct{} // who has got directed presence
	stored   []handed             // stored messages that are on their way
	settled  int                  // how many there were before them
	// handing is held while stored messages are handed out, and while what is left of
	// the session is collected.
	handing sync.Mutex

	management *stream.ManagementServer
	intake     intake
	life       life
	waits      atomic.Bool // it has no connection
	shape      shaper
}

// wire is one connection of a session.
type wire struct {
	reading
	cn   *connection
	conn *stream.Conn  // nil before the first header
	left chan struct{} // closed when the session has no more to do with it
	signs
}

func newWire(cn *connection) *wire {
	return &wire{reading: newReading(), cn: cn, left: make(chan struct{})}
}

// conn returns the stream that the session is on, or was on last.
func (sess *session) conn() *stream.Conn { return sess.wire.Load().conn }

// serveClient negotiates a client's stream and serves it to its end. If it goes on
// with a session that has lost its connection, it serves that.
func (s *Server) serveClient(ctx context.Context, cn *connection) (err error) {
	if ctx != s.ctx {
		stop := context.AfterFunc(ctx, func() { cn.tr.Close() })
		defer stop()
	}
	sess, w := s.newSession(ctx), newWire(cn)
	sess.wire.Store(w)
	defer func() { sess.part(w) }()
	err = onOwnStack(func() error {
		_, err := stream.Accept(ctx, cn.tr, s.cfg.Stream, sess.open)
		return err
	})
	if old := sess.afterNegotiation(); old != sess {
		sess.cancel()
		sess = old
	}
	if err != nil {
		s.log.Debug("no session", "remote", cn.tr.RemoteAddr(), "err", err)
		w.finish(err)
		return err
	}
	s.log.Info("session up", "jid", sess.jid, "remote", cn.tr.RemoteAddr())
	sess.read()
	<-w.done
	s.log.Info("session down", "jid", sess.jid, "err", w.err)
	if w.err == io.EOF {
		return nil
	}
	return w.err
}

func (s *Server) newSession(ctx context.Context) *session {
	sess := &session{srv: s}
	if ctx != s.ctx {
		ctx = valued{s.ctx, ctx}
	}
	sess.ctx, sess.cancel = context.WithCancel(ctx)
	sess.rate.init(s.cfg.Rate, s.cfg.Burst)
	return sess
}

// valued is a context with the values of another one: a session may outlive the
// connection that it began on.
type valued struct {
	context.Context
	values context.Context
}

func (v valued) Value(key any) any {
	if value := v.Context.Value(key); value != nil {
		return value
	}
	return v.values.Value(key)
}

// onOwnStack runs fn in another goroutine and waits for it; a panic comes back to
// the caller. What is deep and rare makes a stack grow to several times of what
// reading stanzas needs, and would leave it so to a session that is idle most of
// its life.
func onOwnStack(fn func() error) (err error) {
	var p *xmpp.PanicError
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if v := recover(); v != nil {
				p = &xmpp.PanicError{Value: v, Stack: debug.Stack()}
			}
		}()
		err = fn()
	}()
	<-done
	if p != nil {
		panic(p)
	}
	return err
}

// asPanicError is what a recovered panic is told as.
func asPanicError(v any) *xmpp.PanicError {
	if p, ok := v.(*xmpp.PanicError); ok {
		return p // with the stack of where it was
	}
	return &xmpp.PanicError{Value: v, Stack: debug.Stack()}
}

// read handles what the client sends until the stream ends, or until a handler
// has handed reading over to another goroutine because it waits for a reply.
func (sess *session) read() {
	w := sess.wire.Load()
	w.run(func() (bool, error) { return sess.next(w.conn) }, sess.srv.log, "session failed", "jid", sess.jid)
}

// readOn is read in place of a handler, whose stanza counts as handled: the server
// answers for it.
func (sess *session) readOn() {
	sess.intake.done()
	sess.read()
}

// next handles one stanza, or an element that is none.
func (sess *session) next(conn *stream.Conn) (handedOver bool, err error) {
	st, el, err := conn.Next()
	if _, ok := errors.AsType[*stanza.AddressError](err); ok && st != nil {
		if sess.intake.begin(conn) {
			sess.refuse(st, stanza.NewError(stanza.JIDMalformed, err.Error()))
			sess.intake.done()
		}
		return false, nil
	}
	switch {
	case err != nil:
		return false, err
	case st == nil:
		return false, sess.element(conn, el)
	case !sess.rate.take(sess.ctx, st.Size()):
		return false, sess.ctx.Err()
	case !sess.intake.begin(conn):
		return false, nil
	}
	handedOver, err = sess.handle(st)
	if !handedOver && err == nil {
		sess.intake.done()
	}
	return handedOver, err
}

// element handles what is no stanza.
func (sess *session) element(conn *stream.Conn, el stanza.Element) error {
	if active, ok := csi.Parse(el); ok {
		sess.setActive(active)
		return nil
	}
	ok, err := sess.intake.serve(el, func(el stanza.Element, handled *uint64) (bool, error) {
		return sess.management.Serve(sess.ctx, conn, el, handled)
	})
	if !ok && err == nil {
		err = stream.UnsupportedStanzaType
	}
	return err
}

// part takes note that a connection has ended. The session waits for another one, if
// it can.
func (sess *session) part(w *wire) {
	defer close(w.left)
	sess.intake.over()
	switch {
	case sess.jid.IsZero():
		sess.cancel()
	case sess.suspend(w):
		sess.notifyOfMissed()
	default:
		sess.finish()
	}
}

// finish tells contacts that the session is gone, and the client why, finds another way
// for what could not be delivered, and only then takes the session out of the routes.
func (sess *session) finish() {
	defer sess.cancel()
	w := sess.wire.Load()
	sess.srv.resumptions.remove(sess)
	sess.leaving.Store(sess.presence.Load())
	sess.ends.Store(true)
	sess.goOffline(context.WithoutCancel(sess.ctx), nil)
	if sess.features == nil && !sess.waits.Load() { // otherwise nobody reads it any more
		sess.intake.acknowledge(w.conn)
		w.conn.Fail(w.err)
	}
	w.conn.Close()
	sess.reroute()
	sess.active.Store(false)
	sess.host.unbind(sess)
	sess.srv.privacy.SessionDown(sess.jid)
	if a := sess.srv.archive; a != nil {
		a.SessionEnded(sess.jid)
	}
	if f := sess.srv.flexible; f != nil {
		f.SessionEnded(sess.jid)
	}
	sess.host.release(sess.user)
}

// reroute finds another way for what the client has not got, as far as is known, and
// for what comes while it does, so that the order stays. Stored messages that it has
// not got stay stored, and were before the others.
func (sess *session) reroute() {
	sess.copied.end()
	left, stored := sess.leftovers()
	ctx := sess.reroutes(sess.srv.ctx)
	if len(stored) > 0 {
		sess.user.handOut(ctx)
	}
	for more := true; more; left, more = sess.shape.take() {
		for _, st := range left {
			if stored[st] {
				continue
			}
			if st = sess.afresh(st); st != nil {
				sess.srv.Route(ctx, st)
			}
		}
	}
}

// leftovers returns what was queued and the client has not got, and which of that is
// stored.
func (sess *session) leftovers() (left []*stanza.Stanza, stored map[*stanza.Stanza]bool) {
	sess.handing.Lock()
	defer sess.handing.Unlock()
	conn := sess.conn()
	left = append(conn.Unacked(), conn.Unsent()...)
	return left, sess.settleStored(sess.lastStored(), left)
}

// afresh returns what is routed anew of a stanza that the client has not got; nil if it
// says nothing to anybody else: presence, which may not be true any more and which the
// account's other resources have got, like a headline or what a copy is of, already. A
// request for a subscription is stored until it is answered.
func (sess *session) afresh(st *stanza.Stanza) *stanza.Stanza {
	if st.Kind == stanza.KindPresence ||
		st.Kind == stanza.KindMessage && st.Type == stanza.TypeHeadline && st.To.IsBare() {
		return nil
	}
	if c, isCopy, _ := carbons.Of(sess.jid, st); isCopy {
		return sess.standsFor(st, c)
	}
	return st
}

// cutOffTimeout bounds how long a client waits for the one whose place it takes.
const cutOffTimeout = 2 * time.Second

// cutOff ends a session at once that could have been resumed, and waits until what its
// client has not got has found another way: to the one that takes its place, before
// anything newer. It returns false, and has done nothing, for other sessions.
func (sess *session) cutOff(ctx context.Context, reason *stream.Error) bool {
	sess.life.end()
	w := sess.wire.Load()
	if !w.conn.Detach(reason) {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, cutOffTimeout)
	defer cancel()
	select {
	case <-w.left:
	case <-ctx.Done():
	}
	return true
}

// kick ends the session with an error; the stream in order, if the client takes part.
func (sess *session) kick(reason *stream.Error) {
	if sess.expire() {
		return
	}
	sess.life.end()
	w := sess.wire.Load()
	if !sess.active.Swap(false) {
		w.cn.tr.Close()
		return
	}
	ctx, cancel := context.WithTimeout(sess.srv.ctx, 5*time.Second)
	defer cancel()
	sess.intake.shutdown(ctx, w.conn, reason)
}

// shutdown returns what ends a connection of the session in order.
func (sess *session) shutdown(w *wire) func(context.Context, *stream.Error) error {
	return func(ctx context.Context, reason *stream.Error) error {
		return sess.intake.shutdown(ctx, w.conn, reason)
	}
}

// slowTimeout is how long a route waits for room in the outbox of a client that
// reads more slowly than others write to it.
const slowTimeout = time.Second

// deliver queues a stanza for the client and reports whether it was taken. A
// client whose outbox is full, and which takes nothing for a second, is
// disconnected; all that waits for it is then routed anew. One that has no connection
// and for which too much waits ends.
func (sess *session) deliver(st *stanza.Stanza) bool {
	st = sess.oldDialect(st)
	if !sess.shape.holds.Load() {
		if ok, _ := sess.put(st); ok {
			return true
		}
	}
	return sess.deliverShaped(st)
}

// put is deliver for what is not kept back. full says that there is no room, and that
// nobody is there who would make some.
func (sess *session) put(st *stanza.Stanza) (ok, full bool) {
	conn := sess.conn()
	err := conn.TrySend(st)
	if err != stream.ErrOutboxFull {
		return err == nil, false
	}
	if sess.waits.Load() {
		return false, true
	}
	ctx, cancel := context.WithTimeout(sess.srv.ctx, slowTimeout)
	defer cancel()
	err = conn.Send(ctx, st)
	if errors.Is(err, context.DeadlineExceeded) {
		sess.srv.log.Warn("client does not read", "jid", sess.jid)
		sess.life.end()
		conn.Close()
	}
	return err == nil, false
}

// sendPatiently is put for the goroutine that has time for the client, which may be its
// own: it waits as long as the client reads, however slowly, and has a connection.
func (sess *session) sendPatiently(ctx context.Context, st *stanza.Stanza) error {
	for {
		conn := sess.conn()
		err := conn.TrySend(st)
		switch {
		case err != stream.ErrOutboxFull:
			return err
		case conn.Detached():
			return stream.ErrDetached
		}
		try, cancel := context.WithTimeout(ctx, slowTimeout)
		err = conn.Send(try, st)
		cancel()
		if err != context.DeadlineExceeded || ctx.Err() != nil {
			return err
		}
	}
}

// unavailable is the presence that a session leaves behind.
func (sess *session) unavailable() *stanza.Stanza {
	st, _ := stanza.New(stanza.Header{Kind: stanza.KindPresence, Type: stanza.TypeUnavailable, From: sess.jid})
	return st
}

// priority returns the session's priority for the routes; ok is false while it is not
// available.
func (sess *session) priority() (p int8, ok bool) {
	st := cmp.Or(sess.presence.Load(), sess.leaving.Load())
	if st == nil {
		return 0, false
	}
	return st.Priority(), true
}
