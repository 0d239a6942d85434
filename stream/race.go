package stream

import (
	"context"
	"net"
	"net/netip"
	"time"
)

// race connects to one of addrs (RFC 8305 section 5). The first is tried at
// once, each further one when the one before it has failed or has been without
// result for FallbackDelay, and all attempts but the first that succeeds are
// given up. It returns the connection, its address, and the addresses that have
// not failed beside it, in order; or nil if there is none. Failures are recorded.
func (d *dialing) race(ctx context.Context, t target, addrs []string) (conn net.Conn, addr string, rest []string) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	delay := time.NewTimer(d.fallbackDelay())
	defer delay.Stop()

	results := make(chan attempted)
	go d.attempt(ctx, addrs, 0, results)
	started, failed := 1, make([]bool, len(addrs))
	for running := 1; running > 0; {
		next := false
		select {
		case r := <-results:
			running--
			if r.err == nil {
				return r.conn, addrs[r.i], others(addrs, r.i, failed)
			}
			failed[r.i], next = true, true
			d.record(t, addrs[r.i], r.err)
		case <-delay.C:
			next = true
		case <-ctx.Done():
			// The attempts end by themselves. A dial function that is slow to
			// notice is not waited for.
			for i, addr := range addrs[:started] {
				if !failed[i] {
					d.record(t, addr, ctx.Err())
				}
			}
			return nil, "", nil
		}
		if next && started < len(addrs) {
			go d.attempt(ctx, addrs, started, results)
			started++
			running++
			delay.Reset(d.fallbackDelay())
		}
	}
	return nil, "", nil
}

// attempted is the outcome of the attempt on address i.
type attempted struct {
	i    int
	conn net.Conn
	err  error
}

// attempt connects to addrs[i]. A connection that comes too late is closed.
func (d *dialing) attempt(ctx context.Context, addrs []string, i int, results chan<- attempted) {
	conn, err := d.connect(ctx, addrs[i])
	select {
	case results <- attempted{i, conn, err}:
	case <-ctx.Done():
		if conn != nil {
			conn.Close()
		}
	}
}

func (d *dialing) connect(ctx context.Context, addr string) (net.Conn, error) {
	ctx, cancel := d.step(ctx)
	defer cancel()
	if d.DialContext != nil {
		return d.DialContext(ctx, "tcp", addr)
	}
	return new(net.Dialer).DialContext(ctx, "tcp", addr)
}

func (d *dialing) fallbackDelay() time.Duration {
	if d.FallbackDelay > 0 {
		return d.FallbackDelay
	}
	return DefaultFallbackDelay
}

// others returns the addresses that have not failed, without the winner.
func others(addrs []string, winner int, failed []bool) (rest []string) {
	for i, addr := range addrs {
		if i != winner && !failed[i] {
			rest = append(rest, addr)
		}
	}
	return rest
}

// interleave puts addresses of the two families in turns, beginning with the
// family of the first, without a change of the order within a family and
// without duplicates (RFC 8305 section 4).
func interleave(ips []netip.Addr) []netip.Addr {
	seen := make(map[netip.Addr]bool, len(ips))
	var families [2][]netip.Addr // the family of the first address, and the other
	for _, ip := range ips {
		ip = ip.Unmap()
		if seen[ip] {
			continue
		}
		seen[ip] = true
		f := 0
		if ip.Is4() != ips[0].Unmap().Is4() {
			f = 1
		}
		families[f] = append(families[f], ip)
	}
	out := make([]netip.Addr, 0, len(seen))
	for i := range max(len(families[0]), len(families[1])) {
		for _, family := range families {
			if i < len(family) {
				out = append(out, family[i])
			}
		}
	}
	return out
}
