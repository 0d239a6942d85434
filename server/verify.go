package server

import (
	"errors"
	"sync"
	"time"

	"github.com/etherx-go/xmpp/dialback"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

// verification is a key that came on one stream and is asked about on another.
type verification struct {
	query *dialback.Query
	from  *peer // the stream that the key came on
	once  sync.Once
	timer *time.Timer
	again bool // asked on a stream that was there already; guarded by the link's mu
}

// answer hands the answer to the stream that waits for it, the first one only.
func (v *verification) answer(a dialback.Answer) {
	v.once.Do(func() {
		v.timer.Stop()
		v.from.resolve(a)
	})
}

// verify finds out whether a key is right: from the certificate if there is one
// ("dialback without dialing back", XEP-0220, section 1.2), or else from the
// authoritative server.
func (f *federation) verify(p *peer, q *dialback.Query) {
	trust, err := f.trust(q.Pair())
	if err == nil && trust.proof(p.conn.TLS(), q.Pair().Remote) == nil {
		p.resolve(q.Proven())
		return
	}
	v := p.await(q)
	for {
		l, err := f.link(q.Pair(), true)
		if err != nil {
			v.answer(q.Failed(stanza.ResourceConstraint))
			return
		}
		if l.ask(v) {
			return
		}
	}
}

// await notes that a key that came on this stream is asked about elsewhere.
func (p *peer) await(q *dialback.Query) *verification {
	p.mu.Lock()
	defer p.mu.Unlock()
	v := &verification{query: q, from: p}
	v.timer = time.AfterFunc(p.fed.cfg.DialbackTimeout, func() {
		if asked := p.fed.forget(p, q); asked != nil {
			go asked.close(nil) // it may be dead
		}
		v.answer(q.Failed(stanza.RemoteServerTimeout))
	})
	if p.waits == nil {
		p.waits = make(map[*dialback.Query]*verification)
	}
	p.waits[q] = v
	return v
}

// forget takes back a question about a key that came on p. It returns the stream on
// which it was asked, nil if that has not been done.
func (f *federation) forget(p *peer, q *dialback.Query) *peer {
	p.mu.Lock()
	v := p.waits[q]
	delete(p.waits, q)
	p.mu.Unlock()
	if v == nil {
		return nil
	}
	v.timer.Stop()
	f.mu.Lock()
	l := f.links[q.Pair()]
	f.mu.Unlock()
	if l == nil {
		return nil
	}
	return l.forget(v)
}

// verify asks on this stream whether a key is right. It returns false if the stream
// is about to end.
func (p *peer) verify(v *verification) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended || p.conn.Closing() {
		return false
	}
	pkt, err := p.verifier.Ask(v.query)
	if err == nil {
		if err = p.say(pkt); err != nil {
			p.verifier.Cancel(v.query)
		}
	}
	switch {
	case errors.Is(err, stream.ErrClosed):
		return false
	case err != nil:
		go v.answer(v.query.Failed(dialback.Cause(err)))
		return true
	case p.asked == nil:
		p.asked = make(map[*dialback.Query]*verification)
	}
	p.asked[v.query] = v
	return true
}

// forget takes back a question, and reports whether it was asked on this stream.
func (p *peer) forget(v *verification) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.asked[v.query] != v {
		return false
	}
	delete(p.asked, v.query)
	p.verifier.Cancel(v.query)
	return true
}

// request asks to be let in with stanzas of the stream's own pair, unless that is
// done already.
func (p *peer) request() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.origin == nil || p.ended {
		return
	}
	pkt, err := p.origin.Request(p.pair)
	if errors.Is(err, dialback.ErrAsked) {
		return
	}
	if err == nil {
		err = p.say(pkt)
	}
	if err != nil {
		p.fed.srv.log.Debug("no dialback", "pair", p.pair, "err", err)
		go p.close(nil)
		return
	}
	p.expiry = time.AfterFunc(p.fed.cfg.DialbackTimeout, p.expire)
}

// expire ends a stream on which there was no answer to a key.
func (p *peer) expire() {
	p.mu.Lock()
	out, err := p.origin.Expire(p.pair)
	p.mu.Unlock()
	if err != nil {
		return
	}
	out.Err = stanza.NewError(stanza.RemoteServerTimeout, "no answer to the dialback key")
	p.link.refusedBy(out)
	p.close(nil)
}

// packet handles a packet of dialback.
func (p *peer) packet(el stanza.Element) error {
	pkt, err := dialback.Parse(el)
	pkt = pkt.WithDefaults(p.pair.Remote, p.pair.Local)
	if err != nil {
		return p.badPacket(pkt, err)
	}
	switch {
	case pkt.IsRequest() && pkt.Kind == dialback.Result:
		return p.keyFor(pkt)
	case pkt.IsRequest():
		return p.authoritative(pkt)
	}
	p.takeAnswer(pkt)
	return nil
}

// badPacket answers what cannot be understood.
func (p *peer) badPacket(pkt dialback.Packet, err error) error {
	if !pkt.IsRequest() || !p.fed.isLocal(pkt.To) || pkt.From.IsZero() {
		return &stream.Error{Condition: stream.ImproperAddressing, Text: err.Error()}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.say(dialback.Packet{Kind: pkt.Kind, Type: dialback.TypeError, From: pkt.To, To: pkt.From, ID: pkt.ID,
		Error: stanza.AsError(err)})
}

// keyFor takes a key by which the other server asks to be let in.
func (p *peer) keyFor(pkt dialback.Packet) error {
	p.mu.Lock()
	if p.receiving == nil || p.link != nil && p.origin.State(p.pair) != dialback.Valid {
		p.mu.Unlock()
		return nil // stanzas go the other way, or do not go yet
	}
	q, reply, err := p.receiving.Request(pkt)
	if err == nil {
		err = p.tell(reply)
	}
	p.mu.Unlock()
	if err != nil {
		return err
	}
	p.noteUse()
	if q != nil {
		p.fed.verify(p, q)
	}
	return nil
}

// admits says why dialback is no proof for a pair on this stream; nil if it may be.
func (p *peer) admits(pair dialback.Pair) error {
	trust, err := p.fed.trust(pair)
	switch {
	case p.fed.isLeaving():
		return errClosing
	case err != nil:
		return stanza.NewError(stanza.PolicyViolation, "no communication between these domains is allowed")
	case p.conn.State()&stream.Secure == 0 && !trust.Plaintext:
		return stanza.NewError(stanza.PolicyViolation, "TLS is required")
	case !trust.Dialback && trust.proof(p.conn.TLS(), pair.Remote) != nil:
		return stanza.NewError(stanza.NotAuthorized, "a certificate is required")
	}
	return nil
}

// authoritative answers whether a key is one that this server has made.
func (p *peer) authoritative(pkt dialback.Packet) error {
	if p.link != nil && !p.bidi {
		return nil
	}
	role := dialback.Authoritative{Secret: p.fed.cfg.Secret, Hosts: p.fed.isLocal,
		Errors: p.conn.Received().Version != stream.Version{}}
	reply, err := role.Answer(pkt)
	if err != nil {
		return err
	}
	p.noteUse()
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.tell(reply)
}

// takeAnswer takes an answer to what was asked on this stream. One that nobody
// has asked for is dropped.
func (p *peer) takeAnswer(pkt dialback.Packet) {
	p.mu.Lock()
	if a, err := p.verifier.Answer(pkt); err == nil {
		v := p.asked[a.Query()]
		delete(p.asked, a.Query())
		p.helped = true
		p.mu.Unlock()
		p.noteUse()
		if v != nil {
			v.answer(a)
		}
		return
	}
	out, err := dialback.Outcome{}, error(dialback.ErrRole)
	if p.origin != nil {
		out, err = p.origin.Result(pkt)
	}
	if err == nil && p.expiry != nil {
		p.expiry.Stop()
	}
	p.mu.Unlock()
	switch {
	case err != nil:
		p.fed.srv.log.Debug("dialback", "pair", p.pair, "packet", pkt, "err", err)
	case p.link == nil:
	case out.State == dialback.Valid:
		p.conn.Reach(stream.Authenticated)
		if p.bidi {
			p.authorize(out.Pair)
		}
		p.admitted()
	default:
		if p.link.refusedBy(out) || out.Abandon {
			go p.close(nil)
		}
	}
}

// resolve takes the answer to a key that came on this stream.
func (p *peer) resolve(a dialback.Answer) {
	pair := a.Query().Pair()
	p.mu.Lock()
	delete(p.waits, a.Query())
	reply, err := p.receiving.Resolve(a)
	valid := err == nil && a.IsValid()
	if valid {
		// Before the other server is told: it may send then.
		p.conn.Reach(stream.Authenticated)
		p.addPair(pair)
		if p.bidi && p.origin != nil {
			p.origin.Authorize(pair)
		}
	}
	if err == nil {
		err = p.tell(reply)
	}
	p.mu.Unlock()
	p.fed.srv.log.Info("dialback", "pair", pair, "valid", valid, "err", err)
	if reply.Ends() {
		e, _ := errors.AsType[*stream.Error](err)
		go p.close(e)
	}
	if valid && p.link == nil {
		p.offerNewLane(pair)
	}
}

// tell sends the reply of a role. The error ends the stream. Who calls it holds
// p.mu.
func (p *peer) tell(r dialback.Reply) error {
	if r.Packet.Kind != 0 {
		if err := p.say(r.Packet); err != nil {
			return err
		}
	}
	switch {
	case r.Fatal != "":
		return &stream.Error{Condition: r.Fatal}
	case r.Close:
		return stream.ErrClosed
	}
	return nil
}

// say sends a packet. There is always room for some, or the other server does
// not read. Who calls it holds p.mu.
func (p *peer) say(pkt dialback.Packet) error {
	b, err := pkt.AppendXML(nil)
	if err != nil {
		return err
	}
	return p.conn.TrySendRaw(string(b))
}
