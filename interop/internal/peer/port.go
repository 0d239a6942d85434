//go:build linux

package peer

import (
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"testing"
)

var (
	portsMu sync.Mutex
	ports   = map[int]bool{} // given out by this process
)

// freePort returns a loopback address that nothing listens on and that no other
// peer of this process was given.
func freePort(t testing.TB) string {
	t.Helper()
	portsMu.Lock()
	defer portsMu.Unlock()
	for range 200 {
		// Below the range from which the kernel takes ports for outgoing
		// connections, or one of them could sit on the port of a server that
		// is to be restarted on it.
		port := 20000 + rand.IntN(12000)
		if ports[port] {
			continue
		}
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		l, err := net.Listen("tcp", addr)
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		ports[port] = true
		return addr
	}
	t.Fatal("found no free port between 20000 and 32000")
	return ""
}

// FreePort returns a loopback address that nothing listens on and that no other
// peer of this process was given.
func FreePort(t testing.TB) string { return freePort(t) }

// portOf returns the port of an address that freePort returned.
func portOf(addr string) string {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		panic(err) // only for addresses of freePort
	}
	return port
}
