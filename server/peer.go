package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/etherx-go/xmpp/dialback"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

// peer is one stream with another server. Stanzas go one way on it, from who has
// opened it, or both ways if it is bidirectional (XEP-0288).
type peer struct {
	fed  *federation
	conn *stream.Conn
	link *link // that it was opened for; nil if the other server has opened it
	ctx  context.Context
	stop context.CancelFunc

	// What the negotiation has led to; it does not change afterwards.
	pair   dialback.Pair // as the headers say; domains may be missing in an old one
	trust  Trust         // between the two
	proven bool          // by SASL EXTERNAL, that the other server speaks for pair.Remote, or this one for pair.Local
	bidi   bool
	begun  time.Time

	knowsErrors bool // the other server understands dialback errors
	maxBytes    int  // of a stanza, that the other server takes; 0: not known
	first       []stanza.Element

	rate bucket

	counting sync.Mutex
	handled  uint32 // stanzas that have come, since they are counted
	closing  bool   // the last acknowledgement, and the closing tag, are sent

	// Guarded by mu, which may be held when that of a link is not.
	mu        sync.Mutex
	receiving *dialback.Receiving   // nil: no stanzas come in
	origin    *dialback.Originating // nil: none go out
	verifier  dialback.Verifier
	asked     map[*dialback.Query]*verification // on this stream
	waits     map[*dialback.Query]*verification // for keys that came on this stream
	expiry    *time.Timer                       // of the request to be let in
	carries   []*link                           // whose lane it is
	carried   bool                              // it was one
	helped    bool                              // a key was verified on it
	ended     bool

	sent    atomic.Uint32 // stanzas
	heard   atomic.Uint32 // of them, sent before the other server last gave a sign of life
	lastUse atomic.Int64  // when something sensible came last, in Unix nanoseconds
	watch   watch

	reading
}

// String says what a stream is, for logs.
func (p *peer) String() string {
	s := "accepted"
	if p.link != nil {
		s = "opened"
	}
	if p.conn.TLS() != nil {
		s += ", TLS"
	}
	if p.proven {
		s += ", EXTERNAL"
	}
	if p.bidi {
		s += ", bidi"
	}
	return s
}

// begin prepares a stream that has been negotiated.
func (p *peer) begin(c *stream.Conn) {
	p.conn = c
	p.reading = newReading()
	p.ctx, p.stop = context.WithCancel(causedElsewhere(p.fed.srv.ctx))
	p.rate.init(p.fed.cfg.Rate, p.fed.cfg.Burst)
	old := c.Received().Version == stream.Version{}
	id := c.Sent().ID
	if p.link != nil {
		id = c.Received().ID
	}
	if p.link == nil || p.bidi {
		p.receiving = &dialback.Receiving{StreamID: id, Hosts: p.fed.isLocal, Policy: p.admits, Errors: !old}
	}
	if p.link != nil || p.bidi {
		p.origin = &dialback.Originating{Secret: p.fed.cfg.Secret, StreamID: id, Errors: p.knowsErrors}
	}
	if p.proven {
		p.authorize(p.pair)
	}
	p.begun = time.Now()
	p.lastUse.Store(p.begun.UnixNano())
}

// authorize lets stanzas of a pair come, and go, as far as the stream has those
// directions.
func (p *peer) authorize(pair dialback.Pair) {
	p.mu.Lock()
	var err error
	if p.receiving != nil {
		err = p.receiving.Authorize(pair)
	}
	if p.origin != nil && err == nil {
		err = p.origin.Authorize(pair)
	}
	p.mu.Unlock()
	if err != nil {
		p.fed.srv.log.Warn("server stream not authorized", "pair", pair, "err", err)
	}
}

// serve reads a stream to its end. The error says why it ended.
func (p *peer) serve() error {
	if !p.fed.add(p) {
		p.err = stream.SystemShutdown
		p.stop()
		p.conn.Fail(p.err)
		p.end()
		return p.err
	}
	p.watch.start(p)
	if p.link == nil && p.proven {
		p.offerLane(p.pair)
	}
	p.read()
	<-p.done
	p.stop()
	p.watch.stop()
	if e, ok := errors.AsType[*stream.Error](p.err); p.err == io.EOF || ok && e.Remote {
		p.conn.Withdraw()
	}
	p.conn.Fail(p.err)
	p.end()
	p.fed.remove(p)
	if p.err == io.EOF {
		return nil
	}
	return p.err
}

// read handles what comes until the stream ends, or until a handler has handed
// reading over to another goroutine because it waits for a reply.
func (p *peer) read() { p.run(p.next, p.fed.srv.log, "server stream failed", "pair", p.pair) }

// next handles one element.
func (p *peer) next() (handedOver bool, err error) {
	if len(p.first) > 0 {
		el := p.first[0]
		p.first = p.first[1:]
		return false, p.element(el)
	}
	st, el, err := p.conn.Next()
	p.heard.Store(p.sent.Load())
	if _, ok := errors.AsType[*stanza.AddressError](err); ok && st != nil {
		return false, p.malformed(st, err)
	}
	switch {
	case err != nil:
		return false, err
	case st == nil:
		return false, p.element(el)
	}
	if !p.rate.take(p.ctx, st.Size()) {
		return false, p.ctx.Err()
	}
	if err := p.check(st.From, st.To); err != nil {
		return false, err
	}
	if !p.count() {
		return false, nil
	}
	return p.fed.srv.takeRemote(p.ctx, p, st), nil
}

// count counts a stanza that has come. It returns false for one that is not to be
// handled: it has come behind our closing tag, when the other server cannot be told
// any more that it was, and takes it for lost.
func (p *peer) count() bool {
	p.counting.Lock()
	defer p.counting.Unlock()
	if p.closing && p.conn.Managed() {
		return false
	}
	p.handled++
	return true
}

// check says whether a stanza may come on the stream: only between domains that
// the other server has proven to speak for, and that are served here (RFC 6120,
// section 8.1.2.2).
func (p *peer) check(from, to jid.JID) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.receiving == nil {
		return &stream.Error{Condition: stream.UnsupportedStanzaType, Text: "this stream is for stanzas the other way only"}
	}
	err := p.receiving.Check(from, to)
	for above := from; err == stream.InvalidFrom && p.trust.Subdomains && !p.fed.isLocal(from.DomainJID()); {
		_, name, ok := strings.Cut(above.Domain(), ".")
		if !ok {
			break
		}
		if above, ok = domainOf(name); ok {
			err = p.receiving.Check(above, to)
		}
	}
	if err != nil {
		return err
	}
	if !p.fed.isLocal(to.DomainJID()) {
		return stream.HostGone // it was, when the pair was authorized
	}
	return nil
}

// domainOf returns the address of a domain that is a part of a valid one.
func domainOf(name string) (jid.JID, bool) {
	j, err := jid.New("", name, "")
	return j, err == nil
}

// malformed answers a stanza with an address that is none, if it is known who has
// sent it.
func (p *peer) malformed(st *stanza.Stanza, err error) error {
	if st.From.IsZero() || p.check(st.From, p.pair.Local) != nil {
		return &stream.Error{Condition: stream.ImproperAddressing, Text: err.Error()}
	}
	if !p.count() {
		return nil
	}
	st.To = p.pair.Local // who answers
	p.fed.srv.bounce(st, stanza.NewError(stanza.JIDMalformed, err.Error()))
	return nil
}

// noteUse notes that the other server has done something sensible, on a stream on which
// no stanzas may come or go yet.
func (p *peer) noteUse() { p.lastUse.Store(time.Now().UnixNano()) }

// element handles what is no stanza.
func (p *peer) element(el stanza.Element) error {
	if dialback.IsPacket(el) && p.trust.Dialback {
		return p.packet(el)
	}
	if !p.fed.cfg.NoAcks && p.isProven() {
		p.counting.Lock()
		defer p.counting.Unlock()
		if ok, err := p.conn.ServeManagement(el, &p.handled); ok {
			return err
		}
	}
	n := el.Name()
	return &stream.Error{Condition: stream.UnsupportedStanzaType, Text: fmt.Sprintf("{%.100s}%.100s", n.Space, n.Local)}
}

// mayCarry reports whether stanzas of a pair may be sent.
func (p *peer) mayCarry(pair dialback.Pair) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.origin != nil && !p.ended && p.origin.State(pair) == dialback.Valid
}

// carry makes the stream the lane of a link; it fails if the stream has ended.
func (p *peer) carry(l *link) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return false
	}
	p.carries = append(p.carries, l)
	p.carried = true
	return true
}

// wasUseful reports whether a stream that lasted so long was of any use, so that
// it makes sense to open another.
func (p *peer) wasUseful(lasted time.Duration) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.helped || p.carried && lasted >= time.Second
}

// offerLane offers a bidirectional stream that the other server has opened to the
// link that goes the other way.
func (p *peer) offerLane(pair dialback.Pair) {
	if !p.bidi {
		return
	}
	for {
		l, err := p.fed.link(pair, true)
		if err != nil || l.authorized(p) {
			return
		}
	}
}

// trySend queues a stanza. The error is one of stream.Conn, or what to answer the
// stanza with.
func (p *peer) trySend(st *stanza.Stanza) error {
	// What is added when it is written is little: the closing tag is in Size.
	if p.maxBytes > 0 && st.Size() > p.maxBytes {
		return &stanza.Error{Type: stanza.Modify, Condition: stanza.PolicyViolation,
			Text: fmt.Sprintf("the other server takes no stanza of more than %d bytes", p.maxBytes)}
	}
	return p.noteSent(st, p.conn.TrySend(st))
}

// noteSent counts a stanza that was queued, if err is nil, and returns err.
func (p *peer) noteSent(st *stanza.Stanza, err error) error {
	if err == nil && !(st.Kind == stanza.KindIQ && st.Type.IsResponse()) {
		// Whether an answer has arrived need not be known; and if answers to
		// pings counted two servers would keep each other awake.
		p.sent.Add(1)
	}
	return err
}

// sendSlowly waits for room, but not for long. The error is errStuck, or that of
// a stream which has ended.
func (p *peer) sendSlowly(ctx context.Context, st *stanza.Stanza) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), slowTimeout)
	defer cancel()
	err := p.noteSent(st, p.conn.Send(ctx, st))
	if errors.Is(err, context.DeadlineExceeded) {
		return errStuck
	}
	return err
}

// end takes a stream that has ended away from all that use it.
func (p *peer) end() {
	p.mu.Lock()
	p.ended = true
	carries := p.carries
	p.carries = nil
	if p.expiry != nil {
		p.expiry.Stop()
	}
	p.verifier.Close("")
	asked := slices.Collect(maps.Values(p.asked))
	p.asked = nil
	var open []*dialback.Query
	if p.receiving != nil {
		open = p.receiving.Close()
	}
	if p.origin != nil {
		p.origin.Close()
	}
	p.mu.Unlock()
	if p.link != nil {
		p.link.unanswered(asked, p.err)
	}
	for _, q := range open {
		p.fed.forget(p, q)
	}
	if p.link != nil && !slices.Contains(carries, p.link) {
		carries = append(carries, p.link)
	}
	unacked, unsent := p.conn.Unacked(), p.conn.Unsent()
	for _, l := range carries {
		l.lost(p, ofPair(unacked, l.pair), ofPair(unsent, l.pair))
	}
}

// ofPair returns the stanzas between two domains.
func ofPair(sts []*stanza.Stanza, pair dialback.Pair) (out []*stanza.Stanza) {
	for _, st := range sts {
		if st.From.Domain() == pair.Local.Domain() && st.To.Domain() == pair.Remote.Domain() {
			out = append(out, st)
		}
	}
	return out
}

// close closes the stream in order, with an error if there is one to tell, and
// hard if the other server takes no part.
func (p *peer) close(reason *stream.Error) {
	ctx, cancel := context.WithTimeout(p.fed.srv.ctx, 5*time.Second)
	defer cancel()
	p.shutdown(ctx, reason)
}

// shutdown closes the stream in order, until ctx ends.
func (p *peer) shutdown(ctx context.Context, reason *stream.Error) error {
	p.counting.Lock()
	if p.conn.Managed() {
		p.conn.Ack(p.handled)
	}
	p.closing = true
	p.counting.Unlock()
	return p.conn.Shutdown(ctx, reason)
}
