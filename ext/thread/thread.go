// Package thread keeps conversations apart (RFC 6121, section 5.2.5, with the
// practices of XEP-0201). The element itself is in [stanza.Message]: the fields
// Thread and Parent; [stanza.Message.Reply] returns the thread that it finds.
//
// A thread is opaque: "no semantic meaning can be derived from it, and only exact
// comparisons can be made against it".
package thread

import (
	"strings"
	"sync"

	"github.com/etherx-go/xmpp/ext/internal/payload"
	"github.com/etherx-go/xmpp/ext/stanzaid"
	"github.com/etherx-go/xmpp/internal/lru"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// Thread is a conversation. Threads are the same if and only if the values are
// equal with == in ID.
type Thread struct {
	ID     string // "" for none
	Parent string // the thread that it has branched off, if any
}

// New returns a new thread. Its id is a random UUID, which does "not reveal
// identifying information about the entity".
func New() Thread { return Thread{ID: stanzaid.New()} }

// Child returns a new thread that branches off t: "a new thread that is an
// offshoot or child of the original" (XEP-0201, section 3.3).
func (t Thread) Child() Thread { return Thread{ID: stanzaid.New(), Parent: t.ID} }

// Of returns the thread of a stanza or message, and whether it has one. A parent
// that is the thread itself, which must not be, is left out.
func Of(m interface {
	Stanza() (*stanza.Stanza, error)
}) (Thread, bool) {
	st := payload.Stanza(m)
	if st == nil || st.Kind != stanza.KindMessage {
		return Thread{}, false
	}
	e := st.Child(stanza.NSClient, "thread")
	t := Thread{e.Text(), e.Attr("parent")}
	if t.ID == "" {
		return Thread{}, false
	}
	if t.Parent == t.ID {
		t.Parent = ""
	}
	return t, true
}

// Set puts the message into the thread.
func (t Thread) Set(m *stanza.Message) {
	m.Thread, m.Parent = t.ID, t.Parent
	if t.Parent == t.ID {
		m.Parent = ""
	}
}

// DefaultMax is how many conversations a [Keeper] remembers by default.
const DefaultMax = 1000

// maxLen bounds the length of a thread that a [Keeper] remembers.
const maxLen = 1024

// Keeper remembers in which thread one is with whom, and puts it into what is
// sent. The zero Keeper is ready to use, safe for concurrent use, and for
// messages of all types. Conversations go by the bare address, so they outlive
// the contact's resources: upon a presence of type unavailable one "SHOULD NOT
// destroy the thread" (XEP-0201, section 4.1).
type Keeper struct {
	// Max bounds how many conversations are remembered; those go first that
	// were silent for the longest time. 0 stands for [DefaultMax], -1 for no
	// bound. Set it before the first use.
	Max int

	mu      sync.Mutex
	threads lru.Map[jid.JID, Thread]
}

// Outgoing prepares a message that is to be sent. If it has a thread this is
// the one from now on; else it gets that of the conversation with its addressee;
// if there is none, a chat or groupchat begins one: for these "inclusion" is
// "RECOMMENDED" (XEP-0201, section 3.1).
func (k *Keeper) Outgoing(m *stanza.Message) {
	if m.Type == stanza.TypeError {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	peer := m.To.Bare()
	if t, ok := k.threads.Get(peer); ok && m.Thread == "" {
		t.Set(m)
		return
	}
	if m.Thread == "" && (m.Type == stanza.TypeChat || m.Type == stanza.TypeGroupChat) {
		New().Set(m)
	}
	k.put(peer, Thread{m.Thread, m.Parent})
}

// Incoming takes note of the thread of a message that has come, and reports
// whether it begins a conversation: "If an entity receives such a message with
// a new or unknown ThreadID, it SHOULD treat the message as part of a new chat
// session" (XEP-0201, section 4.1). One without a thread belongs to the
// conversation that there is.
func (k *Keeper) Incoming(m *stanza.Message) (begins bool) {
	if m.Type == stanza.TypeError {
		return false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	peer := m.From.Bare()
	now, ok := k.threads.Get(peer)
	if m.Thread == "" {
		if !ok && m.Type == stanza.TypeChat {
			k.put(peer, New())
		}
		return !ok
	}
	k.put(peer, Thread{m.Thread, m.Parent})
	return now.ID != m.Thread
}

// End forgets the conversation with somebody, so that the next message begins
// another; so it has to be after a chat state gone (XEP-0085, section 5.7).
func (k *Keeper) End(peer jid.JID) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.threads.Delete(peer.Bare())
}

func (k *Keeper) put(peer jid.JID, t Thread) {
	if t.ID == "" || peer.IsZero() || len(t.ID)+len(t.Parent) > maxLen {
		return
	}
	t = Thread{strings.Clone(t.ID), strings.Clone(t.Parent)}
	max := k.Max
	if max == 0 {
		max = DefaultMax
	}
	k.threads.Put(peer.Clone(), t, max)
}
