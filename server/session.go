package server

import (
	"context"
	"errors"
	"io"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	xmpp "github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

// session is one client's stream, from its first header on.
type session struct {
	srv  *Server
	cn   *connection
	conn *stream.Conn
	// features are what is negotiated; nil when that is over.
	features []stream.Feature
	host     *host
	account  jid.JID // who has authenticated
	jid      jid.JID // full address, once bound
	user     *user   // the account, once bound
	ctx      context.Context

	// active: stanzas may be routed to it.
	active   atomic.Bool
	presence atomic.Pointer[stanza.Stanza] // the last it broadcast; nil: not available
	// interested: it has asked for the roster, and gets pushes.
	interested atomic.Bool
	rate       bucket

	mu       sync.Mutex
	directed map[jid.JID]struct{} // who has got directed presence
	stored   []int64              // stored messages that are on their way to the client

	reading
}

// serveClient negotiates a client's stream and serves it to its end.
func (s *Server) serveClient(ctx context.Context, cn *connection) error {
	if ctx != s.ctx {
		stop := context.AfterFunc(ctx, func() { cn.tr.Close() })
		defer stop()
	}
	sess := &session{srv: s, cn: cn, reading: newReading()}
	defer sess.leave()
	err := onOwnStack(func() error {
		_, err := stream.Accept(ctx, cn.tr, s.cfg.Stream, sess.open)
		return err
	})
	if err != nil {
		s.log.Debug("no session", "remote", cn.tr.RemoteAddr(), "err", err)
		return err
	}
	sess.rate.init(s.cfg.Rate, s.cfg.Burst)
	var cancel context.CancelFunc
	sess.ctx, cancel = context.WithCancel(ctx)
	defer cancel()
	sess.features = nil
	s.log.Info("session up", "jid", sess.jid, "remote", cn.tr.RemoteAddr())
	sess.read()
	<-sess.done
	sess.end()
	s.log.Info("session down", "jid", sess.jid, "err", sess.err)
	if sess.err == io.EOF {
		return nil
	}
	return sess.err
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
func (sess *session) read() { sess.run(sess.next, sess.srv.log, "session failed", "jid", sess.jid) }

// next handles one stanza.
func (sess *session) next() (handedOver bool, err error) {
	st, _, err := sess.conn.Next()
	if err == nil && st == nil {
		err = stream.UnsupportedStanzaType
	}
	if _, ok := errors.AsType[*stanza.AddressError](err); ok && st != nil {
		sess.refuse(st, stanza.NewError(stanza.JIDMalformed, err.Error()))
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if !sess.rate.take(sess.ctx, st.Size()) {
		return false, sess.ctx.Err()
	}
	return sess.handle(st)
}

// end takes the session out of the routes, tells the client why, and finds
// another way for what could not be delivered.
func (sess *session) end() {
	sess.active.Store(false)
	sess.host.unbind(sess)
	sess.goOffline(context.WithoutCancel(sess.ctx), nil)
	sess.conn.Fail(sess.err)
}

// leave takes the session out of the routes if it was in, and routes anew what
// is left in its outbox.
func (sess *session) leave() {
	if sess.jid.IsZero() {
		return
	}
	sess.active.Store(false)
	sess.host.unbind(sess)
	sess.conn.Close()
	for _, st := range sess.conn.Unsent() {
		if !isStale(st) {
			sess.srv.Route(sess.srv.ctx, st)
		}
	}
	sess.forget()
	sess.srv.privacy.SessionDown(sess.jid)
	sess.host.release(sess.user)
}

// isStale reports whether a stanza that was not written says nothing to anybody
// else: presence, which may not be true any more and which the account's other
// resources have got, like a headline, already. A request for a subscription is
// stored until it is answered.
func isStale(st *stanza.Stanza) bool {
	return st.Kind == stanza.KindPresence ||
		st.Kind == stanza.KindMessage && st.Type == stanza.TypeHeadline && st.To.IsBare()
}

// kick closes the stream with an error, in order if the client takes part.
func (sess *session) kick(reason *stream.Error) {
	if !sess.active.Swap(false) {
		sess.cn.tr.Close()
		return
	}
	ctx, cancel := context.WithTimeout(sess.srv.ctx, 5*time.Second)
	defer cancel()
	sess.conn.Shutdown(ctx, reason)
}

// slowTimeout is how long a route waits for room in the outbox of a client that
// reads more slowly than others write to it.
const slowTimeout = time.Second

// deliver queues a stanza for the client and reports whether it was taken. A
// client whose outbox is full, and which takes nothing for a second, is
// disconnected; all that waits for it is then routed anew.
func (sess *session) deliver(st *stanza.Stanza) bool {
	st = sess.oldDialect(st)
	err := sess.conn.TrySend(st)
	if err != stream.ErrOutboxFull {
		return err == nil
	}
	ctx, cancel := context.WithTimeout(sess.srv.ctx, slowTimeout)
	defer cancel()
	err = sess.conn.Send(ctx, st)
	if errors.Is(err, context.DeadlineExceeded) && sess.active.Swap(false) {
		sess.srv.log.Warn("client does not read", "jid", sess.jid)
		sess.conn.Close()
	}
	return err == nil
}

// unavailable is the presence that a session leaves behind.
func (sess *session) unavailable() *stanza.Stanza {
	st, _ := stanza.New(stanza.Header{Kind: stanza.KindPresence, Type: stanza.TypeUnavailable, From: sess.jid})
	return st
}

// priority returns the session's priority; ok is false while it is not
// available.
func (sess *session) priority() (p int8, ok bool) {
	st := sess.presence.Load()
	if st == nil {
		return 0, false
	}
	return st.Priority(), true
}
