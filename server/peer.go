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

	intake intake
	left   chan struct{} // closed when the connection has nothing more to do with the stream

	// Of a stream that the other server has opened.
	management *stream.ManagementServer
	bond       *bond                // nil: it cannot be resumed
	claims     *bond                // it is about to go on with
	begunUse   atomic.Bool          // something has come since it was let in
	heir       atomic.Pointer[peer] // takes over what it carries, when it ends

	// Of one that was opened here.
	acks      *stream.ManagementClient
	old       *peer // that it is to go on with, nil if there is none
	agreeing  bool  // there is no answer yet to that, or to <enable/>; only for the reader
	stalled   bool  // it has gone on with old, and something was not acknowledged then
	stalledAt uint64
	gone      atomic.Bool // what is not acknowledged was not handled

	// Guarded by mu, which may be held when that of a link is not.
	mu        sync.Mutex
	pairs     []dialback.Pair       // whose stanzas may come or go
	receiving *dialback.Receiving   // nil: no stanzas come in
	origin    *dialback.Originating // nil: none go out
	verifier  dialback.Verifier
	asked     map[*dialback.Query]*verification // on this stream
	waits     map[*dialback.Query]*verification // for keys that came on this stream
	expiry    *time.Timer                       // of the request to be let in
	carries   []*link                           // whose lane it is
	useful    bool                              // it was one
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
	if err == nil {
		p.addPair(pair)
	}
	p.mu.Unlock()
	if err != nil {
		p.fed.srv.log.Warn("server stream not authorized", "pair", pair, "err", err)
	}
}

// addPair notes that a pair is authorized. Who calls it holds p.mu.
func (p *peer) addPair(pair dialback.Pair) {
	if !slices.Contains(p.pairs, pair) {
		p.pairs = append(p.pairs, pair)
	}
}

// serve reads a stream to its end. The error says why it ended.
func (p *peer) serve() error {
	if !p.fed.add(p) {
		p.finish(stream.SystemShutdown)
		return p.part()
	}
	p.watch.start(p)
	if p.link == nil && p.proven {
		p.offerNewLane(p.pair)
	}
	p.read()
	<-p.done
	p.watch.stop()
	err := p.part()
	p.fed.remove(p)
	return err
}

// part takes note that the stream has been read to its end. If it is only its
// connection that has ended the stream waits for another one, if it can.
func (p *peer) part() error {
	defer close(p.left)
	p.stop()
	p.intake.over()
	e, ok := errors.AsType[*stream.Error](p.err)
	if p.err == io.EOF || ok && e.Remote {
		p.conn.Withdraw()
	}
	if !isBroken(p.err) {
		p.intake.acknowledge(p.conn)
	}
	p.conn.Fail(p.err)
	if !p.conn.Detached() || !p.suspend() {
		p.conn.Close()
		p.hangUp()
		p.leave()
	}
	if p.err == io.EOF {
		return nil
	}
	return p.err
}

// suspend lets the stream wait for another connection, and reports whether it does.
func (p *peer) suspend() bool {
	switch {
	case p.link != nil:
		return p.link.suspend(p)
	case p.bond != nil:
		return p.bond.suspend(p)
	}
	return false
}

// cut ends the connection of a stream on which the other server is silent.
func (p *peer) cut() {
	if !p.conn.Detach(nil) {
		p.conn.Close()
	}
}

// readOn is read, in place of a handler that waits: its stanza counts as handled, this
// server answers for it.
func (p *peer) readOn() {
	p.intake.done()
	p.read()
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
	p.noteFirst()
	if !p.intake.begin(p.conn) {
		return false, nil
	}
	if handedOver = p.fed.srv.takeRemote(p.ctx, p, st); !handedOver {
		p.intake.done()
	}
	return handedOver, nil
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
	p.noteFirst()
	if p.intake.begin(p.conn) {
		st.To = p.pair.Local // who answers
		p.fed.srv.bounce(st, stanza.NewError(stanza.JIDMalformed, err.Error()))
		p.intake.done()
	}
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
		if ok, err := p.intake.serve(el, p.manage); ok {
			return err
		}
	}
	n := el.Name()
	return &stream.Error{Condition: stream.UnsupportedStanzaType, Text: fmt.Sprintf("{%.100s}%.100s", n.Space, n.Local)}
}

// manage handles an element of stream management.
func (p *peer) manage(el stanza.Element, handled *uint64) (bool, error) {
	if p.link == nil {
		ok, err := p.management.Serve(p.ctx, p.conn, el, handled)
		p.unclaim()
		if ok && err == nil && (p.conn.Managed() || !el.Is(stream.NSManagement, "resume")) {
			p.noteFirst() // else <enable/> may come
		}
		return ok, err
	}
	ok, err := p.acks.Serve(p.conn, el, handled)
	resumed := p.conn.Resumed()
	if p.agreeing && err == nil && (resumed || el.Is(stream.NSManagement, "enabled") || !p.conn.Managed()) {
		p.agreed()
		if resumed {
			*handled = p.old.intake.count()
		}
		p.link.admitted(p)
	}
	return ok, err
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
	p.useful = true
	return true
}

// wasUseful reports whether a stream that lasted so long was of any use, so that
// it makes sense to open another.
func (p *peer) wasUseful(lasted time.Duration) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.helped || p.useful && lasted >= time.Second
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

// offerNewLane is offerLane for a pair that has just been authorized. Nothing is sent
// before it is known whether the other server wants acknowledgements, or to resume
// another stream on this one: what it does first tells.
func (p *peer) offerNewLane(pair dialback.Pair) {
	p.fed.canBeReached(pair)
	if p.fed.cfg.NoAcks || p.begunUse.Load() {
		p.offerLane(pair)
	}
}

// noteFirst notes that the other server has done the first thing on a stream that it
// has opened and been let in on.
func (p *peer) noteFirst() {
	if p.link != nil || p.begunUse.Swap(true) {
		return
	}
	p.replace()
	for _, pair := range p.standing().pairs {
		p.offerLane(pair)
	}
}

// trySend queues a stanza. The error is one of stream.Conn, or what to answer the
// stanza with.
func (p *peer) trySend(st *stanza.Stanza) error {
	if p.isTooLarge(st) {
		return &stanza.Error{Type: stanza.Modify, Condition: stanza.PolicyViolation,
			Text: fmt.Sprintf("the other server takes no stanza of more than %d bytes", p.maxBytes)}
	}
	return p.noteSent(st, p.conn.TrySend(st))
}

// isTooLarge reports whether the other server does not take so large a stanza. What is
// added when it is written is little: the closing tag is in Size.
func (p *peer) isTooLarge(st *stanza.Stanza) bool { return p.maxBytes > 0 && st.Size() > p.maxBytes }

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

// hangUp ends what belongs to the connection of a stream: keys that are asked about, or
// that wait for an answer.
func (p *peer) hangUp() {
	p.mu.Lock()
	p.ended = true
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
}

// leave takes a stream that has ended away from all that use it.
func (p *peer) leave() {
	carries := p.takeCarries()
	if p.link != nil && !slices.Contains(carries, p.link) {
		carries = append(carries, p.link)
	}
	unacked, unsent := p.conn.Unacked(), p.conn.Unsent()
	if p.gone.Load() {
		unacked, unsent = nil, append(unacked, unsent...)
	}
	for _, l := range carries {
		l.lost(p, ofPair(unacked, l.pair), ofPair(unsent, l.pair))
	}
	if p.bond != nil {
		p.bond.end(p)
	}
}

// carried returns the links whose lane it is.
func (p *peer) carried() []*link {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.carries)
}

// takeCarries returns the links whose lane it was, and is no more.
func (p *peer) takeCarries() []*link {
	p.mu.Lock()
	defer p.mu.Unlock()
	carries := p.carries
	p.carries = nil
	return carries
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
	return p.intake.shutdown(ctx, p.conn, reason)
}
