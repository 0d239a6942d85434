package server

import (
	"context"
	"slices"
	"sync"

	"github.com/etherx-go/xmpp/ext/carbons"
	"github.com/etherx-go/xmpp/ext/delay"
	"github.com/etherx-go/xmpp/ext/push"
	"github.com/etherx-go/xmpp/internal/fingerprint"
	"github.com/etherx-go/xmpp/stanza"
)

// maxCopied bounds how many messages are remembered that a session has got copies of, and
// maxStanding for how many of them a copy may stand.
const (
	maxCopied   = 256
	maxStanding = 1024
)

// copied are the messages that a session has got copies of. When the client that has got
// such a message itself does not come back for it, the copy stands for it: so nobody gets
// it twice, and if this session leaves the copy, too, the message goes on from here.
type copied struct {
	mu       sync.Mutex
	sums     []uint64       // of the last messages
	standing map[uint64]int // how many copies of a message stand for it
	over     bool           // the session has ended: no copy of it stands for anything more
}

// note remembers a message of which a copy is on its way to the client.
func (c *copied) note(sum uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.sums) == maxCopied {
		c.sums = slices.Delete(c.sums, 0, maxCopied/4)
	}
	c.sums = append(c.sums, sum)
}

// forget forgets all messages, for of those that come now there are no copies: what is
// said once more without an id could be taken for what was said before.
func (c *copied) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sums = nil
}

// has reports whether the session has got a copy of a message.
func (c *copied) has(sum uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Contains(c.sums, sum)
}

// stand has a copy stand for its message from now on. It returns false if there is none.
func (c *copied) stand(sum uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.Index(c.sums, sum)
	if i < 0 || c.over || len(c.standing) == maxStanding {
		return false
	}
	if c.standing == nil {
		c.standing = make(map[uint64]int)
	}
	c.sums = slices.Delete(c.sums, i, i+1) // who says the same once more has another copy
	c.standing[sum]++
	return true
}

// stood reports whether a copy that the client has not got stands for its message.
func (c *copied) stood(sum uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.standing[sum] == 0 {
		return false
	}
	c.standing[sum]--
	return true
}

// end takes note that the session has ended.
func (c *copied) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
}

// sumOf is by what a message is remembered.
func sumOf(st *stanza.Stanza) uint64 {
	sum, _ := fingerprint.Of(st)
	return sum
}

// hasCopy reports whether a session has got a message, which another one has left, as a
// copy; from now on that stands for it. Those are told that are not connected.
func (sess *session) hasCopy(ctx context.Context, st *stanza.Stanza) bool {
	if leftBy(ctx) == nil || !sess.copied.stand(sumOf(st)) {
		return false
	}
	sess.srv.notify(ctx, push.Event{Account: sess.account, Stanza: st})
	return true
}

// isCopiedToOne reports whether any of the account's sessions has a message, which another
// one has left, as a copy.
func (s *Server) isCopiedToOne(ctx context.Context, h *host, st *stanza.Stanza) bool {
	has := func(o *session) bool { return o.hasCopy(ctx, st) }
	return leftBy(ctx) != nil && slices.ContainsFunc(h.sessionsOf(st.To.Local()), has)
}

// standsFor returns the message that a copy which the client has not got stands for; nil
// if the one that it is a copy of has got it.
func (sess *session) standsFor(st *stanza.Stanza, c carbons.Copy) *stanza.Stanza {
	if c.Direction == carbons.Sent || !sess.copied.stood(sumOf(c.Stanza)) {
		return nil
	}
	if d, ok := delay.By(st, sess.host.jid); ok {
		if late, err := delay.Stamp(c.Stanza, d, false); err == nil {
			return late
		}
	}
	return c.Stanza
}
