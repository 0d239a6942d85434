package markers

import (
	"slices"
	"strings"
	"sync"

	"github.com/etherx-go/xmpp/internal/lru"
)

// Bounds of a [Progress] by default.
const (
	DefaultMaxMessages = 200
	DefaultMaxReaders  = 1000
)

// maxID bounds the length of the ids that are remembered.
const maxID = 1024

// Progress is how far the readers of one chat are. The zero Progress is ready
// to use, and safe for concurrent use.
type Progress struct {
	// MaxMessages bounds how many messages are remembered, the last ones. 0
	// stands for [DefaultMaxMessages], -1 for no bound. Set both bounds before
	// the first use.
	MaxMessages int
	// MaxReaders bounds how many readers are remembered; those are forgotten first
	// that were silent for the longest time. 0 stands for [DefaultMaxReaders],
	// -1 for no bound.
	MaxReaders int

	mu      sync.Mutex
	ids     []string // in their order
	start   int      // the number of the message ids[0]
	readers lru.Map[string, position]
}

// position is that of a message in a chat.
type position struct {
	n  int
	id string
}

// Add appends a message to the chat. An id that is there already, is empty, or
// longer than 1024 bytes, is left out.
func (p *Progress) Add(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if id == "" || len(id) > maxID || slices.Contains(p.ids, id) {
		return
	}
	p.ids = append(p.ids, strings.Clone(id))
	if max := orDefault(p.MaxMessages, DefaultMaxMessages); max >= 0 && len(p.ids) > max {
		p.ids = slices.Delete(p.ids, 0, len(p.ids)-max)
		p.start++
	}
}

// Mark takes a marker of a reader, and returns the messages that it is the first
// of this reader for, in their order. ok is false if the marker means nothing: a
// marker of an older message than the last one "is considered redundant and MUST
// be ignored", one of "a message not found in the respective chat MUST be
// ignored" (section 5).
//
// reader is an address, or an occupant id: to match markers to the occupants of
// a room one "MUST use the real JID (when available [...]) or Anonymous unique
// occupant identifiers" (section 7), as nicknames change hands.
func (p *Progress) Mark(reader, id string) (ids []string, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.Index(p.ids, id)
	if i < 0 {
		return nil, false
	}
	from := 0
	if last, ok := p.readers.Get(reader); ok {
		if last.n >= p.start+i {
			return nil, false
		}
		from = max(0, last.n+1-p.start)
	}
	p.readers.Put(strings.Clone(reader), position{p.start + i, p.ids[i]}, orDefault(p.MaxReaders, DefaultMaxReaders))
	return slices.Clone(p.ids[from : i+1]), true
}

// Position returns the last message that a reader has marked, and whether there
// is one.
func (p *Progress) Position(reader string) (id string, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	last, ok := p.readers.Get(reader)
	return last.id, ok
}

func orDefault(n, def int) int {
	if n == 0 {
		return def
	}
	return n
}
