package agents

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/disco"
	"github.com/etherx-go/xmpp/jid"
)

// Defaults of an [Extension].
const (
	DefaultTimeout = 2 * time.Second
	DefaultMaxAge  = time.Minute
)

// answers are what services have said about themselves.
type answers struct {
	mu sync.Mutex
	m  map[jid.JID]answer
}

type answer struct {
	agent Agent
	at    time.Time
}

// get returns the answer of a service if it is not older than max.
func (k *answers) get(service jid.JID, max time.Duration) (Agent, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	a, ok := k.m[service]
	return a.agent, ok && time.Since(a.at) < max
}

// put keeps the answers of services, and forgets those of all others.
func (k *answers) put(all []Agent, asked []time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	old := k.m
	k.m = make(map[jid.JID]answer, len(all))
	for i, a := range all {
		if kept, ok := old[a.JID]; ok {
			k.m[a.JID] = kept
		}
		if !asked[i].IsZero() {
			k.m[a.JID] = answer{a, asked[i]}
		}
	}
}

// attached returns the services that the host knows of, up to limit, with what each
// says about itself. All that have to be asked are at the same time.
func (e *Extension) attached(ctx context.Context, s xmpp.Sender, limit int) []Agent {
	l, ok := e.host.(disco.Lister)
	if !ok {
		return nil
	}
	items := slices.DeleteFunc(l.Services(), func(it disco.Item) bool { return it.JID.IsZero() })
	if limit >= 0 {
		items = items[:min(limit, len(items))]
	}
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(e.Timeout, DefaultTimeout))
	defer cancel()
	all, asked := make([]Agent, len(items)), make([]time.Time, len(items))
	var wg sync.WaitGroup
	for i, it := range items {
		if all[i], ok = e.known.get(it.JID, cmp.Or(e.MaxAge, DefaultMaxAge)); ok {
			continue
		}
		wg.Go(func() {
			all[i] = describe(ctx, s, it)
			if !errors.Is(ctx.Err(), context.Canceled) { // not only who asked has gone
				asked[i] = time.Now()
			}
		})
	}
	wg.Wait()
	e.known.put(all, asked)
	return all
}

// describe asks a service what it is: in the old form, which has more to say, and by
// service discovery if it does not know that.
func describe(ctx context.Context, s xmpp.Sender, it disco.Item) Agent {
	a, err := Get(ctx, s, it.JID)
	if err != nil || a == (Agent{JID: it.JID}) {
		info, _ := disco.GetInfo(ctx, s, it.JID, "")
		a = FromInfo(it.JID, info)
	}
	a.Name = cmp.Or(a.Name, it.Name)
	return a
}
