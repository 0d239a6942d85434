package memory

import (
	"context"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/etherx-go/xmpp/ext/gateway"
	"github.com/etherx-go/xmpp/ext/search"
	"github.com/etherx-go/xmpp/jid"
)

// directory implements search.Store.
type directory struct{ table[search.Item] }

// Entries yields those that are there when the sequence starts.
func (d *directory) Entries(ctx context.Context) iter.Seq2[search.Item, error] {
	return func(yield func(search.Item, error) bool) {
		d.mu.RLock()
		all := slices.Collect(maps.Values(d.m))
		d.mu.RUnlock()
		for _, it := range all {
			if err := ctx.Err(); err != nil {
				yield(search.Item{}, err)
				return
			}
			it.Fields = slices.Clone(it.Fields)
			if !yield(it, nil) {
				return
			}
		}
	}
}

func (d *directory) SetEntry(_ context.Context, it search.Item) error {
	it = search.Item{JID: it.JID.Bare().Clone(), Fields: slices.Clone(it.Fields)}
	for i, f := range it.Fields {
		it.Fields[i] = search.Field{Name: strings.Clone(f.Name), Value: strings.Clone(f.Value)}
	}
	d.set(it.JID, it)
	return nil
}

func (d *directory) RemoveEntry(_ context.Context, user jid.JID) error {
	d.remove(user)
	return nil
}

// gateways has the store of each gateway.
type gateways struct{ table[*gateway.Memory] }

func (g *gateways) of(at jid.JID) *gateway.Memory {
	g.mu.Lock()
	defer g.mu.Unlock()
	m := g.m[at.Bare()]
	if m == nil {
		m = new(gateway.Memory)
		g.put(at, m)
	}
	return m
}
