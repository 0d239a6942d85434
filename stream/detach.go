package stream

import "github.com/etherx-go/xmpp/stanza"

// What an outbox does that outlives its connection.

// detachable reports whether the peer can go on with the session on another
// connection.
func (o *outbox) detachable() bool {
	a := o.managed()
	return a != nil && a.begun && a.resumable && o.err == nil && !o.final && !o.taken
}

// detach takes note that c is lost, and reports whether there is a session that goes
// on without it. writing is closed when the writer ends; nil if there is none.
func (o *outbox) detach(c *Conn) (writing <-chan struct{}, ok bool) {
	o = o.lock()
	defer o.mu.Unlock()
	if o.conn != c || !o.detachable() {
		return nil, false
	}
	if !o.detached {
		o.detached = true
		o.acks.disarm()
		if !o.writing {
			o.end()
		}
	}
	if o.writing {
		writing = o.wait()
	}
	return writing, true
}

// park puts what is not acknowledged before what is not written, and forgets what
// is no stanza: that belonged to the connection.
func (o *outbox) park() {
	a := o.acks
	kept := a.kept[a.head:]
	queue := make([]item, 0, len(kept)+len(o.queue))
	for _, st := range kept {
		queue = append(queue, item{st: st})
	}
	for _, it := range o.queue {
		if it.st != nil {
			queue = append(queue, it)
		}
	}
	o.queue, o.bytes = queue, 0
	for i := range queue {
		o.bytes += queue[i].size()
	}
	a.park()
}

// parked reports whether the session is detached, with all that it has to send, and
// its last writer has ended.
func (o *outbox) parked() bool { return o.detached && !o.writing && !o.taken && o.err == nil }

// forget drops the n oldest stanzas of a parked outbox, which are acknowledged.
func (o *outbox) forget(n uint64) {
	gone := o.queue[:n]
	for i := range gone {
		o.bytes -= gone[i].size()
	}
	clear(gone)
	o.queue = o.queue[n:]
	o.acks.acked += n
	o.acks.sent = o.acks.acked
	o.acks.confirm()
	if len(o.queue) == 0 {
		wake(&o.idle)
	}
}

// attach makes c the connection of a parked outbox, and returns the writer that is
// to be started. raw is written first.
func (o *outbox) attach(c *Conn, raw string) (writer *Conn) {
	o.conn, o.detached = c, false
	if raw != "" {
		o.queue = append([]item{{raw: raw}}, o.queue...)
		o.bytes += len(raw)
	}
	o.acks.unpark()
	wake(&o.space)
	if len(o.queue) == 0 {
		return nil
	}
	return o.start()
}

// settle sorts what a session has left: a stanza that was written whole on an
// earlier connection is unacked, even if this one has not come to writing it again.
func (o *outbox) settle() {
	a := o.acks
	if a == nil || a.whole <= a.sent {
		return
	}
	n := a.whole - a.sent
	for _, list := range []*[]item{&o.unsent, &o.back} {
		rest := (*list)[:0]
		for _, it := range *list {
			if it.st != nil && n > 0 {
				a.kept = append(a.kept, it.st)
				n--
			} else {
				rest = append(rest, it)
			}
		}
		*list = rest
	}
	a.sent = a.whole
}

// outstanding returns the stanzas that count and are not acknowledged, in order.
func (o *outbox) outstanding() (sts []*stanza.Stanza) {
	sts = append(sts, o.acks.kept[o.acks.head:]...)
	for _, list := range [][]item{o.acks.flight, o.queue} {
		for i := range list {
			if list[i].st != nil {
				sts = append(sts, list[i].st)
			}
		}
	}
	return sts
}
