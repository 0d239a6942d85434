package server

import (
	"context"
	"crypto/rand"
	"slices"
	"sync"
	"time"

	"github.com/etherx-go/xmpp/dialback"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

// A stream with another server that has agreed to it is not over when its connection
// breaks (XEP-0198, section 5): who has opened it connects again and says how far it
// has got, so does the other, and what was lost with the connection is sent again. What
// is sent until then waits in the outbox of the stream, and takes its order there.
//
// The server that has opened the stream keeps it as the old one of its link, see
// [link.suspend]. The other one keeps a bond.

// bond is a session with a server that opens the streams: it goes on over any number of
// them. It belongs to who has shown as much as was shown for the first one, see
// [standing]; its id is a secret besides.
type bond struct {
	fed  *federation
	id   string
	max  time.Duration
	turn chan struct{} // has one: who puts something in decides what becomes of the bond

	mu    sync.Mutex // nothing is locked under it
	p     *peer      // whose connection it has, or had last
	waits bool       // it has none
	ended bool
	until time.Time // that it waits
	timer *time.Timer
}

// standing is what a server has shown on a stream.
type standing struct {
	pairs                   []dialback.Pair // that it may send stanzas for
	proven, encrypted, both bool            // by SASL EXTERNAL; TLS; it takes stanzas too
}

// covers reports whether who has shown s may go on with what began as o: for all of its
// pairs of domains, and by no weaker means. A stream on which several were multiplexed
// is resumed on one on which they all are.
func (s standing) covers(o standing) bool {
	for _, pair := range o.pairs {
		if !slices.Contains(s.pairs, pair) {
			return false
		}
	}
	return len(o.pairs) > 0 && (s.proven || !o.proven) && (s.encrypted || !o.encrypted) && s.both == o.both
}

// standing returns what the other server has shown.
func (p *peer) standing() standing {
	p.mu.Lock()
	defer p.mu.Unlock()
	return standing{pairs: slices.Clone(p.pairs), proven: p.proven, encrypted: p.conn.TLS() != nil, both: p.bidi}
}

// bonds are those of a server.
type bonds struct {
	max int // that wait at the same time; negative: no limit

	mu      sync.Mutex
	closed  bool // none waits any more
	byID    map[string]*bond
	waiting map[*bond]struct{}
	gone    map[string]goneBond // what is known of those that have ended
	order   []string            // ids in gone, the oldest first
}

// goneBond is a bond that has ended: a server that comes too late is told how much of
// what it has sent was handled, and can send the rest anew.
type goneBond struct {
	standing standing
	handled  uint64
}

func (bs *bonds) add(b *bond) {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	if bs.byID == nil {
		bs.byID, bs.gone, bs.waiting = make(map[string]*bond), make(map[string]goneBond), make(map[*bond]struct{})
	}
	bs.byID[b.id] = b
}

// find returns the bond with an id that belongs to who has shown s, or what is known
// of one that has ended.
func (bs *bonds) find(id string, s standing) (*bond, error) {
	bs.mu.Lock()
	b, gone := bs.byID[id], bs.gone[id]
	bs.mu.Unlock()
	switch {
	case b != nil && s.covers(b.peer().standing()):
		return b, nil
	case b == nil && s.covers(gone.standing):
		return nil, &stream.GoneError{Handled: gone.handled}
	}
	return nil, stanza.ItemNotFound
}

// wait takes a bond among those that wait, if there is room.
func (bs *bonds) wait(b *bond) bool {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	if bs.closed || full(len(bs.waiting), bs.max) {
		return false
	}
	bs.waiting[b] = struct{}{}
	return true
}

func (bs *bonds) waitNoMore(b *bond) {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	delete(bs.waiting, b)
}

// remove forgets a bond that has ended, but for its id and what was handled.
func (bs *bonds) remove(b *bond, g goneBond) {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	delete(bs.waiting, b)
	if bs.byID[b.id] == nil {
		return
	}
	delete(bs.byID, b.id)
	bs.gone[b.id] = g
	if bs.order = append(bs.order, b.id); len(bs.order) > maxGone {
		delete(bs.gone, bs.order[0])
		bs.order = bs.order[1:]
	}
}

// list returns the bonds that wait.
func (bs *bonds) list() (all []*bond) {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	for b := range bs.waiting {
		all = append(all, b)
	}
	return all
}

func (bs *bonds) isClosed() bool {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	return bs.closed
}

// close ends all bonds that wait; no more will.
func (bs *bonds) close() {
	bs.mu.Lock()
	bs.closed = true
	bs.mu.Unlock()
	for _, b := range bs.list() {
		b.expire()
	}
}

// serverManagement is the receiving side of stream management on the stream.
func (p *peer) serverManagement() *stream.ManagementServer {
	m := &stream.ManagementServer{}
	if p.fed.cfg.ResumeTimeout > 0 {
		m.Grant, m.Resume, m.Resumed = p.grant, p.resume, p.adopt
	}
	return m
}

// grant promises that the stream can be resumed.
func (p *peer) grant(_ context.Context, _ *stream.Conn, most time.Duration) (stream.Grant, error) {
	b := &bond{fed: p.fed, id: rand.Text(), max: p.fed.cfg.ResumeTimeout, turn: make(chan struct{}, 1), p: p}
	if most > 0 {
		b.max = min(b.max, most)
	}
	p.bond = b
	p.fed.bonds.add(b)
	return stream.Grant{ID: b.id, Max: b.max}, nil
}

// replace ends the bonds that stanzas wait in for a server which has begun anew, with
// this stream. What was not written goes by that.
func (p *peer) replace() {
	for _, b := range p.fed.bonds.list() {
		if old := b.peer(); old.pair == p.pair && old.bidi {
			old.heir.Store(p)
			b.expire()
		}
	}
}

// resume finds the bond that another server wants to go on with on this stream, and
// makes sure that nobody reads from the stream that it has.
func (p *peer) resume(ctx context.Context, _ *stream.Conn, id string) (*stream.Conn, uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, p.fed.cfg.ConnectTimeout)
	defer cancel()
	p.unclaim()
	for {
		b, err := p.fed.bonds.find(id, p.standing())
		if err != nil {
			return nil, 0, err
		}
		old, err := b.claim(ctx)
		if err == errEnded {
			continue // now it is known how much was handled
		}
		if err != nil {
			return nil, 0, err
		}
		if r, _ := old.conn.Resumption(0); slices.ContainsFunc(r.Unacked, p.isTooLarge) {
			b.giveBack()
			b.expire()
			continue
		}
		p.claims = b
		return old.conn, old.intake.count(), nil
	}
}

// errEnded says that a bond has ended meanwhile.
var errEnded = &stanza.Error{Condition: stanza.ItemNotFound}

// peer returns that whose stream the bond has, or had last.
func (b *bond) peer() *peer {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.p
}

// claim takes the bond for another stream, and ends the connection that it may have.
// Who has claimed it calls adopt of the new stream, or giveBack.
func (b *bond) claim(ctx context.Context) (*peer, error) {
	select {
	case b.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	p := b.peer()
	p.conn.Detach(&stream.Error{Condition: stream.Conflict, Text: "resumed on another connection"})
	select {
	case <-p.left:
	case <-ctx.Done():
		b.giveBack()
		return nil, ctx.Err()
	}
	b.mu.Lock()
	ended := b.ended
	b.mu.Unlock()
	if ended {
		<-b.turn
		return nil, errEnded
	}
	return p, nil
}

// unclaim gives back what this stream wanted to go on with.
func (p *peer) unclaim() {
	if b := p.claims; b != nil {
		p.claims = nil
		b.giveBack()
	}
}

// giveBack lets a bond wait on that was claimed in vain.
func (b *bond) giveBack() {
	closed := b.fed.bonds.isClosed()
	b.mu.Lock()
	switch {
	case !b.waits:
	case closed:
		b.arm(0)
	default:
		b.arm(max(time.Until(b.until), 0))
	}
	b.mu.Unlock()
	<-b.turn
}

// arm sets the timer, in place of the one that there is. Who calls it holds b.mu.
func (b *bond) arm(d time.Duration) {
	b.disarm()
	b.timer = time.AfterFunc(d, b.expire)
}

func (b *bond) disarm() {
	if b.timer != nil {
		b.timer.Stop()
		b.timer = nil
	}
}

// adopt makes the stream the one of the bond that was claimed, in place of the one that
// was. It is called when the other server goes on, and before it can know.
func (p *peer) adopt(*stream.Conn) {
	b := p.claims
	p.bond, p.claims = b, nil
	b.mu.Lock()
	old := b.p
	b.p, b.waits = p, false
	b.disarm()
	b.mu.Unlock()
	p.fed.bonds.waitNoMore(b)
	for _, l := range old.takeCarries() {
		l.succeed(old, p)
	}
	p.fed.srv.log.Info("server stream resumed", "pair", p.pair)
	<-b.turn
}

// suspend lets the bond wait for another stream than p, whose connection is lost, and
// reports whether it does.
func (b *bond) suspend(p *peer) bool {
	if !p.fed.bonds.wait(b) {
		return false
	}
	p.hangUp()
	b.mu.Lock()
	b.waits, b.until = true, time.Now().Add(b.max)
	b.arm(b.max)
	b.mu.Unlock()
	r, _ := p.conn.Resumption(0)
	for _, l := range p.carried() {
		l.heldUp(p, ofPair(r.Unacked, l.pair))
	}
	return true
}

// hurry lets a bond not wait for longer than d any more.
func (b *bond) hurry(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if until := time.Now().Add(d); b.waits && until.Before(b.until) {
		b.until = until
		b.arm(d)
	}
}

// expire ends a bond that waits, unless somebody is about to go on with it.
func (b *bond) expire() {
	select {
	case b.turn <- struct{}{}:
	default:
		return
	}
	defer func() { <-b.turn }()
	b.mu.Lock()
	p, waits := b.p, b.waits
	b.waits = false
	b.disarm()
	b.mu.Unlock()
	if !waits {
		return
	}
	b.fed.srv.log.Info("server stream is not resumed", "pair", p.pair)
	p.conn.Close()
	p.leave()
}

// end takes note that the bond has ended with its stream.
func (b *bond) end(p *peer) {
	b.fed.bonds.remove(b, goneBond{p.standing(), p.intake.count()})
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = true
}
