package server_test

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/etherx-go/xmpp/server"
)

// TestFaultThousandDomains: a server talks with a thousand others in this process,
// both ways. Every message arrives, and what a link costs is bounded: goroutines and
// heap of both ends together, TLS included.
func TestFaultThousandDomains(t *testing.T) {
	const messages = 5 // each way, for each domain
	domains := 1000
	if testing.Short() || poolLoss > 0 { // the race detector
		domains = 100
	}
	before := measure()
	n := newNetwork(t)
	n.quick = true
	add := func(domain string) *server.Server {
		return n.add(domain, func(c *server.Config) {
			c.Federation.ConnectTimeout = longPatience
		})
	}
	hub := add("hub.example")
	var near, far []*person
	for i := range domains {
		domain := fmt.Sprintf("d%d.far.example", i)
		near = append(near, n.person(hub, fmt.Sprintf("near%d@hub.example", i)))
		far = append(far, n.person(add(domain), "far@"+domain))
	}
	idle := measure()
	start := time.Now()
	var wg sync.WaitGroup
	for i := range domains {
		wg.Go(func() {
			near[i].saysMany(far[i], messages, 100)
			far[i].awaits(1) // so that the stream that is there is used
			far[i].saysMany(near[i], messages, 100)
			near[i].awaits(messages)
			far[i].awaits(messages)
		})
	}
	wg.Wait()
	took := time.Since(start)
	for i := range domains {
		allHeard(near[i], far[i])
		allHeard(far[i], near[i])
	}
	up := measure()
	goroutines := float64(up.goroutines-idle.goroutines) / float64(domains)
	heap := float64(up.heap-idle.heap) / float64(domains) / 1024
	t.Logf("%d domains, %d messages in %v; for each pair of domains, both ends: %.2f goroutines, %.1f KiB of heap",
		domains, 2*messages*domains, took.Round(time.Millisecond), goroutines, heap)
	if goroutines > 6 || heap > 200 {
		t.Errorf("%.2f goroutines and %.1f KiB of heap for each pair of domains", goroutines, heap)
	}
	for _, s := range n.servers {
		s.Close()
	}
	// Goroutines take a moment to end.
	timeout := time.After(longPatience)
	for runtime.NumGoroutine() > before.goroutines+5 {
		select {
		case <-time.After(10 * time.Millisecond):
		case <-timeout:
			t.Fatalf("%d goroutines are left, %d were there before", runtime.NumGoroutine(), before.goroutines)
		}
	}
}

// longPatience is what a thousand streams that are opened at once may take on a machine
// that has other things to do.
const longPatience = 3 * time.Minute

// awaits waits until so many messages have come.
func (p *person) awaits(n int) {
	p.t.Helper()
	timeout := time.NewTimer(longPatience)
	defer timeout.Stop()
	for {
		p.mu.Lock()
		came, told := len(p.got), len(p.told)
		p.mu.Unlock()
		if came >= n {
			return
		}
		select {
		case <-p.news:
		case <-timeout.C:
			p.t.Errorf("%s got %d of %d messages, and %d errors", p.addr, came, n, told)
			return
		}
	}
}

type measured struct {
	goroutines int
	heap       int64
}

func measure() measured {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return measured{runtime.NumGoroutine(), int64(m.HeapAlloc)}
}
