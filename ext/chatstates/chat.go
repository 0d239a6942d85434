package chatstates

import (
	"strings"
	"sync"
	"time"

	"github.com/etherx-go/xmpp/ext/delay"
	"github.com/etherx-go/xmpp/ext/internal/payload"
	"github.com/etherx-go/xmpp/ext/stanzaid"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// maxThread bounds the length of a thread that is remembered.
const maxThread = 1024

// support is what is known of the contact.
type support uint8

const (
	unknown support = iota // nothing; nor was the contact asked
	asked                  // a state was sent, there is no reply yet
	yes
	no
)

// Chat keeps the states of one chat by the rules of XEP-0085, section 5: whether
// the contact may get them, what was sent last, what the contact's state is. An
// [Extension] makes it. It is safe for concurrent use.
//
// Without discovery the rules are: the first messages carry a state; if the
// reply has none, no more are sent; else they are, in both directions (section
// 5.1).
type Chat struct {
	ext  *Extension
	peer jid.JID
	room bool

	mu     sync.Mutex
	known  support
	mine   State     // what was sent last
	state  State     // the contact's, "" if not known
	since  time.Time // of state
	thread string
	ended  string // the thread that the contact has left: not to be used again
}

// Peer returns the address of the contact or room, as the chat was made for it.
func (c *Chat) Peer() jid.JID { return c.peer }

// State returns the contact's state and when it came, "" if none is known. As a
// client "might never receive another message or chat state notification from
// the other entity" (section 8), an old one means little. In a room it is that
// of whoever was heard last.
func (c *Chat) State() (s State, since time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state, c.since
}

// SetSupport says whether the contact supports chat states, found out by service
// discovery, which is better than to try (section 5.1).
func (c *Chat) SetSupport(supported bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known = no; supported {
		c.known = yes
	}
}

// Outgoing prepares a message with content that is to be sent in this chat: it
// adds the state active, unless it has one, or the contact is known not to
// support states, or may not have them. In a thread that the contact has ended by leaving, the
// message gets a new one: after gone "a client MUST NOT re-use the same Thread
// ID" (section 5.7).
func (c *Chat) Outgoing(m *stanza.Message) {
	if m.Type != c.messageType() { // "SHOULD NOT be used with" other types (section 5.4)
		return
	}
	allowed := c.allowed()
	c.mu.Lock()
	defer c.mu.Unlock()
	if m.Thread == "" {
		m.Thread = c.thread
	}
	if m.Thread != "" && m.Thread == c.ended {
		m.Thread, m.Parent = stanzaid.New(), ""
	}
	c.thread = m.Thread
	s, has := Of(m)
	if !has {
		if c.known == no || !allowed {
			return
		}
		s = Active
		m.Payloads = append(m.Payloads, s)
	}
	if c.mine = s; c.known == unknown {
		c.known = asked
	}
}

// messageType returns the type of the messages in the chat.
func (c *Chat) messageType() stanza.Type {
	if c.room {
		return stanza.TypeGroupChat
	}
	return stanza.TypeChat
}

// Notify returns the standalone notification that tells the contact the new
// state, nil if it must not be sent: the contact is not known to support states,
// or may not have them; it was the last that was sent, as "a client MUST NOT send
// a second instance of any given standalone notification" (section 5.3); it is
// gone, in a room (section 5.5).
func (c *Chat) Notify(s State) *stanza.Message {
	allowed := c.allowed()
	c.mu.Lock()
	defer c.mu.Unlock()
	if !s.isDefined() || !allowed || c.known != yes && !c.room || c.mine == s || s == Gone && c.room {
		return nil
	}
	c.mine = s
	m := &stanza.Message{To: c.peer, Type: c.messageType(), Thread: c.thread, Payloads: []any{s}}
	if s == Gone { // what is said next is another chat
		c.thread = ""
	}
	return m
}

// allowed asks the program, which must not happen under the lock.
func (c *Chat) allowed() bool { return c.ext.Allow == nil || c.ext.Allow(c.peer) }

// incoming takes note of a message of the contact. ok is false if it says nothing
// new about the state.
func (c *Chat) incoming(m *stanza.Message) (s State, ok bool) {
	s, has := Of(m)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case has:
		c.known = yes
	case hasContent(m) && c.known == asked && !c.room:
		c.known = no
	}
	if m.Thread != "" && len(m.Thread) <= maxThread {
		c.thread = strings.Clone(m.Thread)
	}
	if !has || isDelayed(m) { // what was stored says nothing about now
		return "", false
	}
	if c.ended = ""; s == Gone {
		c.ended = c.thread
	}
	ok = s != c.state || c.room
	c.state, c.since = s, time.Now()
	return s, ok
}

// hasContent reports whether m is a content message.
func hasContent(m *stanza.Message) bool { return m.Body != "" || m.Subject != "" }

func isDelayed(m *stanza.Message) bool {
	st := payload.Stanza(m)
	return st == nil || len(delay.All(st)) > 0
}
