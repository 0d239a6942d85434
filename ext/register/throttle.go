package register

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// throttle counts events per network address in a sliding hour. It keeps the
// counts of this hour and of the one before, which counts by the part of it that
// is less than an hour ago: so memory and time are bounded, and nobody gets
// more than the limit in any hour if what he does is spread evenly.
type throttle struct {
	mu       sync.Mutex
	start    time.Time // of the present hour
	now, old map[string]int
}

// take counts one event and reports whether there may be one. A limit below 0 is
// none.
func (t *throttle) take(at time.Time, remote string, max, addresses int) bool {
	if max < 0 {
		return true
	}
	host := hostOf(remote)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.turn(at)
	n, known := t.now[host]
	if !known && addresses >= 0 && len(t.now) >= addresses {
		return false
	}
	left := 1 - float64(at.Sub(t.start))/float64(time.Hour)
	if float64(n)+float64(t.old[host])*left > float64(max-1) {
		return false
	}
	t.now[host] = n + 1
	return true
}

// turn begins a new hour when it is time to.
func (t *throttle) turn(at time.Time) {
	switch age := at.Sub(t.start); {
	case t.now != nil && age >= 0 && age < time.Hour:
		return
	case t.now != nil && age >= 0 && age < 2*time.Hour:
		t.old = t.now
		t.start = t.start.Add(time.Hour)
	default:
		t.old = nil
		t.start = at
	}
	t.now = make(map[string]int)
}

// hostOf returns what stands for a network address: an IPv4 address, the first
// 64 bits of an IPv6 address, which one subscriber has, or the text as it is.
func hostOf(remote string) string {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		host = remote
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	ip = ip.WithZone("").Unmap()
	if ip.Is6() {
		p, _ := ip.Prefix(64) // of an IPv6 address there are 64 bits
		return p.String()
	}
	return ip.String()
}
