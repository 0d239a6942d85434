package caps

import (
	"cmp"
	"container/list"
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/disco"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// Defaults of [Cache].
const (
	DefaultMaxEntries = 1000
	DefaultMaxSize    = 16 << 10
	DefaultPatience   = 2 * time.Second
)

// Cache knows what others can do by the hashes in their presence. It holds
// nothing but what it has verified. The zero Cache is ready to use, also for
// several clients at once; its fields must not change once it is in use.
// Methods are safe for concurrent use.
type Cache struct {
	// MaxEntries bounds how many kinds of software are known; of more, those
	// that were not needed for the longest time are forgotten. Default 1000.
	MaxEntries int
	// MaxSize bounds the size of the information, in bytes of XML, that is
	// kept for one of them; larger ones are asked for each time. Default 16 KiB.
	MaxSize int
	// Patience bounds how long a lookup waits for another one of the same
	// hash, before it asks by itself. Default 2 s.
	Patience time.Duration

	mu      sync.Mutex
	entries map[key]*list.Element // of *entry
	order   list.List             // last used first
	asking  map[key]chan struct{} // closed when there is an answer
}

// key is a hash. XEP-0115 and XEP-0390 make different ones of the same
// information.
type key struct{ ns, algo, value string }

type entry struct {
	key  key
	info disco.Info
}

// question is what may be asked about a hash.
type question struct {
	key   key
	node  string
	match func(disco.Info) (disco.Info, error)
}

// preferred are the hash functions in the order in which they are used.
var preferred = [...]string{SHA256, SHA3256, "sha-512", "sha3-512", "sha-384", "sha-224", SHA1}

// questions returns what to ask about a presence, the best first. If it has
// hashes of XEP-0390 that are known, that of XEP-0115 does not count.
func questions(p *stanza.Stanza) (all []question) {
	set, _, _ := stanza.Decode[Set](p) // does not fail
	for _, algo := range preferred {
		for _, h := range set.Hashes {
			if h.Algo == algo {
				all = append(all, question{key{NS2, algo, h.Value}, h.DiscoNode(), h.match})
			}
		}
	}
	if c, ok, _ := stanza.Decode[Caps](p); ok && len(all) == 0 && newHash(c.Hash) != nil {
		all = append(all, question{key{NS, strings.Clone(c.Hash), c.Ver}, c.DiscoNode(), c.match})
	}
	return all
}

// Cached returns what the cache knows about the sender of a presence, and
// whether it does. It asks nobody.
func (c *Cache) Cached(p *stanza.Stanza) (disco.Info, bool) {
	for _, q := range questions(p) {
		if info, ok := c.get(q.key); ok {
			return info, true
		}
	}
	return disco.Info{}, false
}

// Lookup returns who the sender of a presence, a [*stanza.Presence] or
// [*stanza.Stanza], is and what it can do. It asks the sender if there is no
// hash that is known. Lookups of the same hash at the same time ask once. What
// does not fit its hash is nevertheless what its sender says about itself, and
// is returned, but not kept. Of what is kept, only that counts which the hash
// covers: no labels of forms, for example.
//
// The error is that of asking. What is returned must not be changed.
func (c *Cache) Lookup(ctx context.Context, s xmpp.Sender, presence interface {
	Stanza() (*stanza.Stanza, error)
}) (disco.Info, error) {
	p, err := presence.Stanza()
	if err != nil {
		return disco.Info{}, err
	}
	if info, ok := c.Cached(p); ok {
		return info, nil
	}
	all := questions(p)
	if len(all) == 0 {
		return disco.GetInfo(ctx, s, p.From, "")
	}
	q := all[0]
	done, err := c.wait(ctx, q.key)
	if err != nil {
		return disco.Info{}, err
	}
	defer done()
	if info, ok := c.get(q.key); ok {
		return info, nil
	}
	return c.ask(ctx, s, p.From, q)
}

// ask asks from, and keeps what it says if that is what the hash stands for.
func (c *Cache) ask(ctx context.Context, s xmpp.Sender, from jid.JID, q question) (disco.Info, error) {
	info, err := disco.GetInfo(ctx, s, from, q.node)
	if errors.Is(err, stanza.ItemNotFound) {
		return disco.GetInfo(ctx, s, from, "") // it has become another since
	}
	if err != nil {
		return disco.Info{}, err
	}
	info.Node = ""
	matching, err := q.match(info)
	if err != nil {
		return info, nil // only about this one
	}
	matching = covered(matching)
	c.put(q.key, matching)
	return matching, nil
}

// wait waits until nobody else asks about the hash, but not for long. Then the
// caller may ask, and calls done afterwards.
func (c *Cache) wait(ctx context.Context, k key) (done func(), err error) {
	own := make(chan struct{})
	c.mu.Lock()
	if c.asking == nil {
		c.asking = make(map[key]chan struct{})
	}
	other := c.asking[k]
	if other == nil {
		c.asking[k] = own
	}
	c.mu.Unlock()
	if other != nil {
		if err := c.waitFor(ctx, other); err != nil {
			return nil, err
		}
		c.mu.Lock()
		c.asking[k] = own
		c.mu.Unlock()
	}
	return func() {
		close(own)
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.asking[k] == own {
			delete(c.asking, k)
		}
	}, nil
}

func (c *Cache) waitFor(ctx context.Context, other <-chan struct{}) error {
	t := time.NewTimer(cmp.Or(c.Patience, DefaultPatience))
	defer t.Stop()
	select {
	case <-other:
	case <-t.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// get returns an entry.
func (c *Cache) get(k key) (disco.Info, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	el := c.entries[k]
	if el == nil {
		return disco.Info{}, false
	}
	c.order.MoveToFront(el)
	return el.Value.(*entry).info, true
}

// put adds an entry, unless it is too large.
func (c *Cache) put(k key, info disco.Info) {
	b, err := info.AppendXML(nil)
	if err != nil || len(b) > cmp.Or(c.MaxSize, DefaultMaxSize) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.entries[k] != nil {
		return
	}
	if c.entries == nil {
		c.entries = make(map[key]*list.Element)
	}
	k.value = strings.Clone(k.value) // it may be a part of the presence
	c.entries[k] = c.order.PushFront(&entry{k, info})
	for c.order.Len() > cmp.Or(c.MaxEntries, DefaultMaxEntries) {
		delete(c.entries, c.order.Remove(c.order.Back()).(*entry).key)
	}
}
