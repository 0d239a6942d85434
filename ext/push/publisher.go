package push

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// publisher publishes what there is to tell, for each device one notification at a
// time, and not too often:
//
//	      ┌──────────────── add, the pause is over ───────────────┐
//	idle ─┤                                                       ├─► ready ─► under way ─► idle, or
//	      └─ add, within the pause ─► waits ─ the pause is over ──┘                         waits to try again
//
// A target exists while there is something to tell, or to remember.
type publisher struct {
	srv         *Server
	isConnected func(jid.JID) bool
	ctx         context.Context
	cancel      context.CancelFunc
	running     sync.WaitGroup

	mu       sync.Mutex
	closed   bool
	targets  map[target]*state
	ready    []*state // their turn has come
	underWay int
}

// target names a device.
type target struct {
	account, service jid.JID
	node             string
}

// news is what there is to tell.
type news struct {
	messages, requests         int // if it is known how many there are
	moreMessages, moreRequests int // otherwise
	details                    Details
	hasDetails                 bool
	sum                        uint64 // of a message that has an id
	isNamed                    bool
}

// state is what is known of a target.
type state struct {
	target
	messages, requests int      // since the client was there
	told               []uint64 // the last of these messages, as far as they have ids
	details            Details
	phase              phase
	news               bool // there is something to tell that was not told
	timer              *time.Timer
	next               time.Time // not before that
	failures           int       // in a row
	stale              bool      // it is not in targets any more
}

type phase uint8

const (
	idle phase = iota
	waits
	ready
	underWay
)

// maxProbes bounds how many targets are looked at for one that can be forgotten.
const maxProbes = 64

func (p *publisher) init(s *Server, isConnected func(jid.JID) bool) {
	p.srv, p.isConnected, p.targets = s, isConnected, make(map[target]*state)
	p.ctx, p.cancel = context.WithCancel(context.Background())
}

func (p *publisher) log() *slog.Logger {
	if p.srv.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return p.srv.Log
}

// close drops everything, and waits for what is under way.
func (p *publisher) close() {
	if p.cancel == nil { // it was not attached
		return
	}
	p.mu.Lock()
	p.closed = true
	for _, st := range p.targets {
		p.forget(st)
	}
	p.ready = nil
	p.mu.Unlock()
	p.cancel()
	p.running.Wait()
}

// add has a target told.
func (p *publisher) add(t target, n news) {
	p.mu.Lock()
	defer p.mu.Unlock()
	st := p.state(t)
	if st == nil || !st.isNew(&n) {
		return
	}
	st.messages = cmp.Or(n.messages, st.messages+n.moreMessages)
	st.requests = cmp.Or(n.requests, st.requests+n.moreRequests)
	if n.hasDetails && n.moreMessages > 0 {
		st.details = n.details
	}
	st.news = true
	p.advance(st)
}

// maxTold bounds how many messages are remembered that a target was told of.
const maxTold = 64

// isNew reports whether the target was not told of a message, and remembers it: one that
// a client has left is routed anew, and comes to those again that were away all the time.
func (st *state) isNew(n *news) bool {
	switch {
	case !n.isNamed:
		return true
	case slices.Contains(st.told, n.sum):
		return false
	case len(st.told) == maxTold:
		st.told = slices.Delete(st.told, 0, maxTold/4)
	}
	st.told = append(st.told, n.sum)
	return true
}

// state returns that of a target; nil if there is no room.
func (p *publisher) state(t target) *state {
	if st := p.targets[t]; st != nil || p.closed {
		return st
	}
	if max := cmp.Or(p.srv.MaxTargets, DefaultMaxTargets); max >= 0 && len(p.targets) >= max && !p.makeRoom() {
		p.log().Warn("push: too many devices wait", "account", t.account)
		return nil
	}
	t = target{t.account.Clone(), t.service.Clone(), strings.Clone(t.node)}
	st := &state{target: t}
	p.targets[t] = st
	return st
}

// makeRoom forgets a target for which nothing waits, if one is found.
func (p *publisher) makeRoom() bool {
	probes := 0
	for _, st := range p.targets {
		if st.phase == idle {
			p.forget(st)
			return true
		}
		if probes++; probes == maxProbes {
			break
		}
	}
	return false
}

// forget forgets a target. What is under way goes on, and changes nothing.
func (p *publisher) forget(st *state) {
	st.stop()
	st.stale = true
	delete(p.targets, st.target)
}

func (st *state) stop() {
	if st.timer != nil {
		st.timer.Stop()
		st.timer = nil
	}
}

// seen takes note that the client is connected.
func (p *publisher) seen(t target) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if st := p.targets[t]; st != nil {
		p.forget(st)
	}
}

// advance takes a target that has something to tell to its next phase.
func (p *publisher) advance(st *state) {
	if !st.news || st.phase != idle {
		return
	}
	if pause := time.Until(st.next); pause > 0 {
		st.phase = waits
		st.timer = time.AfterFunc(pause, func() { p.wake(st) })
		return
	}
	st.phase = ready
	p.ready = append(p.ready, st)
	p.start()
}

// wake is called when a pause is over.
func (p *publisher) wake(st *state) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if st.stale {
		return
	}
	st.timer, st.phase, st.next = nil, idle, time.Time{}
	p.advance(st)
}

// start publishes for those whose turn has come, as many as may be at once.
func (p *publisher) start() {
	max := cmp.Or(p.srv.MaxPublishing, DefaultMaxPublishing)
	for len(p.ready) > 0 && (max < 0 || p.underWay < max) {
		st := p.ready[0]
		p.ready = p.ready[1:]
		if st.stale {
			continue
		}
		st.phase = underWay
		p.underWay++
		p.running.Go(func() { p.publish(st) })
	}
}

// publish publishes one notification.
func (p *publisher) publish(st *state) {
	dev, ok := p.device(st)
	var err error
	if ok {
		p.mu.Lock()
		n := Notification{
			Messages: st.messages, Requests: st.requests,
			Sender: st.details.Sender, Body: clip(st.details.Body, cmp.Or(p.srv.MaxBody, DefaultMaxBody)),
			Other: st.details.Other,
		}
		st.news = false
		p.mu.Unlock()
		err = p.send(st, &dev, n)
	}
	isLost := ok && err != nil && p.failed(st, &dev, err)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.underWay--
	st.phase = idle
	switch {
	case p.closed:
		return
	case st.stale: // it was forgotten meanwhile
	case !ok, isLost:
		p.forget(st)
	default:
		st.next = time.Now().Add(p.pause(st, err))
		p.advance(st)
	}
	p.start()
}

// device returns the device that a target names; ok is false if it need not be told.
func (p *publisher) device(st *state) (dev Device, ok bool) {
	all, err := p.srv.devices(p.ctx, st.account)
	if err != nil {
		p.log().Error("push", "account", st.account, "err", err)
		return dev, false
	}
	i := all.find(st.service, st.node)
	if i < 0 || p.srv.isThere(st.account, all[i]) {
		return dev, false
	}
	return all[i], true
}

// send publishes a notification, from the account's server (section 7, example 12).
func (p *publisher) send(st *state, dev *Device, n Notification) error {
	ctx, cancel := context.WithTimeout(p.ctx, cmp.Or(p.srv.Timeout, DefaultTimeout))
	defer cancel()
	iq, err := stanza.New(
		stanza.Header{Kind: stanza.KindIQ, Type: stanza.TypeSet, From: st.account.DomainJID(), To: dev.Service},
		Publication{Node: dev.Node, Notification: n, Options: dev.Options},
	)
	if err == nil {
		_, err = p.srv.host.Do(ctx, iq)
	}
	return err
}

// failed takes note that a publication has failed, and reports whether the device is
// lost: then nothing more is published to it until it is enabled again.
func (p *publisher) failed(st *state, dev *Device, err error) (isLost bool) {
	if p.ctx.Err() != nil || errors.Is(err, xmpp.ErrClosed) {
		return true // the server ends, which says nothing about the device
	}
	p.mu.Lock()
	st.failures++
	failures, stale := st.failures, st.stale
	p.mu.Unlock()
	if stale {
		return false // the client was there meanwhile, and may have enabled it again
	}
	max := cmp.Or(p.srv.MaxFailures, DefaultMaxFailures)
	if !isFinal(err) && (max < 0 || failures < max) {
		p.log().Info("push: notification failed", "account", st.account, "service", st.service,
			"failures", failures, "err", err)
		return false
	}
	p.log().Info("push: device given up", "account", st.account, "service", st.service, "err", err)
	err = p.srv.remove(p.ctx, st.account, func(d Device) bool { // but not if it was enabled again meanwhile
		return d.Service == dev.Service && d.Node == dev.Node && d.Resource == dev.Resource && d.Enabled.Equal(dev.Enabled)
	})
	if err != nil {
		p.log().Error("push", "account", st.account, "err", err)
	}
	return true
}

// pause returns how long nothing is published to a target after an attempt.
func (p *publisher) pause(st *state, err error) time.Duration {
	if err == nil {
		st.failures = 0
		return cmp.Or(p.srv.Interval, DefaultInterval)
	}
	st.news = true // it was not told
	d, most := cmp.Or(p.srv.MinRetry, DefaultMinRetry), cmp.Or(p.srv.MaxRetry, DefaultMaxRetry)
	for i := 1; i < st.failures && d < most; i++ {
		d *= 2
	}
	return min(d, most)
}
