package archive

import (
	"cmp"
	"slices"

	"github.com/etherx-go/xmpp/ext/rsm"
	"github.com/etherx-go/xmpp/ext/stanzaid"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// Archive and offline storage (XEP-0160) agree like this. Most messages for an
// account whose user is not there are in both. A client that knows no archive gets
// all that is stored offline with its first presence. One that has read its archive
// before that gets no second copy of what it has read: "A server MAY choose not to
// deliver offline messages to a client that has already queried their MAM archive
// and received the archived copies" (XEP-0313, section 6.1.1). What is stored
// offline only, and what the client has not read, it gets; and a message that it
// should get twice even so has the same stanza id in both, by which the client
// knows it.

// maxSpans bounds what is known of one session. Who reads a page here and a page
// there may get some messages twice.
const maxSpans = 64

// seen says which part of an archive a session has been sent. The zero seen is
// nothing.
type seen struct{ spans []span } // sorted, with gaps between them

// span is a part of an archive without gaps: the messages from the id first to
// the id last.
type span struct{ first, last string }

// add notes a page without gaps, of messages from the id first to the id last,
// which comes behind the message with the id after, if that is not "".
func (s *seen) add(after, first, last string) {
	if first == "" || last < first {
		return
	}
	sp := span{first, last}
	if after != "" && after < first && s.has(after) {
		sp.first = after // nothing is between them
	}
	var merged []span
	for _, o := range s.spans {
		if o.last < sp.first || sp.last < o.first {
			merged = append(merged, o)
			continue
		}
		sp = span{min(o.first, sp.first), max(o.last, sp.last)}
	}
	if len(merged) == maxSpans {
		return
	}
	i, _ := slices.BinarySearchFunc(merged, sp, func(a, b span) int { return cmp.Compare(a.first, b.first) })
	s.spans = slices.Insert(merged, i, sp)
}

func (s *seen) has(id string) bool {
	return slices.ContainsFunc(s.spans, func(sp span) bool { return sp.first <= id && id <= sp.last })
}

// sent notes a page that a session was sent. Where a filter leaves gaps only the
// messages themselves count.
func (s *Server) sent(session jid.JID, q Query, page Page) {
	n := len(page.Messages)
	if n == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	read, ok := s.sessions.Get(session)
	if !ok {
		read = new(seen)
		s.sessions.Put(session.Clone(), read, cmp.Or(s.MaxAccounts, DefaultMaxAccounts))
	}
	f := &q.Filter
	if !f.With.IsZero() || f.IDs != nil || f.GroupChat == Exclude {
		for _, m := range page.Messages {
			read.add("", m.ID, m.ID)
		}
		return
	}
	after := ""
	if q.Set == (rsm.Request{Max: q.Set.Max, After: q.Set.After}) && f.Start.IsZero() {
		after = max(q.Set.After, f.AfterID) // what it comes behind without a gap
	}
	read.add(after, page.Messages[0].ID, page.Messages[n-1].ID)
}

// Has reports whether a message that is stored offline for the account of a
// session was sent to it from the archive already. The message says itself by which
// id it is in the archive, as [Server.Incoming] has made it. The server asks before it
// hands out what was stored; what Has is true for it takes as delivered.
func (s *Server) Has(session jid.JID, st *stanza.Stanza) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	read, ok := s.sessions.Get(session)
	if !ok {
		return false
	}
	id, ok := stanzaid.By(st, session.Bare())
	return ok && read.has(id)
}

// SessionEnded forgets what a session has read. The server calls it when the
// session is over.
func (s *Server) SessionEnded(session jid.JID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions.Delete(session)
}
