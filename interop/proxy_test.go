//go:build interop

package interop

import (
	"io"
	mathrand "math/rand/v2"
	"net"
	"sync"
	"testing"
)

// proxy passes TCP connections on, until they break.
type proxy struct {
	l   net.Listener
	to  string
	mu  sync.Mutex
	rng *mathrand.Rand
	on  bool
	// loud: whoever is at the end of a connection that breaks is always told.
	loud bool
	all  []link
	wg   sync.WaitGroup
}

// link is a connection, of which both ends are here.
type link struct {
	near, far net.Conn // to the client, and to the server
	*fuse
}

func newProxy(t *testing.T, to string, rng *mathrand.Rand) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{l: l, to: to, rng: rng}
	p.wg.Go(p.serve)
	t.Cleanup(func() {
		l.Close()
		p.breakAll()
		p.wg.Wait()
	})
	return p
}

func (p *proxy) addr() string { return p.l.Addr().String() }

// setFaults says whether connections break from now on; those that there are do.
func (p *proxy) setFaults(on bool) {
	p.mu.Lock()
	p.on = on
	p.mu.Unlock()
	p.breakAll()
}

func (p *proxy) breakAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.all {
		l.near.Close()
		l.far.Close()
	}
	p.all = nil
}

// loseClients breaks the connections to the clients. The server is not told.
func (p *proxy) loseClients() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.all {
		l.orphan()
		l.near.Close()
	}
}

func (p *proxy) serve() {
	for {
		near, err := p.l.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", p.to)
		if err != nil {
			near.Close()
			continue
		}
		p.mu.Lock()
		f := &fuse{left: -1}
		if p.on {
			// Of the log-in some is often more than this.
			f.left, f.silent = 4000+p.rng.Int64N(12000), !p.loud && p.rng.IntN(5) == 0
		}
		p.all = append(p.all, link{near, far, f})
		p.mu.Unlock()
		// A connection that is reset loses what is under way.
		near.(*net.TCPConn).SetLinger(0)
		far.(*net.TCPConn).SetLinger(0)
		p.wg.Go(func() { f.pass(near, far) })
		p.wg.Go(func() { f.pass(far, near) })
	}
}

// fuse breaks a connection after some bytes, of both directions together.
type fuse struct {
	mu       sync.Mutex
	left     int64 // negative: never
	silent   bool  // the bytes are swallowed, and nobody is told
	orphaned bool  // the client has gone, and the server is not told
}

func (f *fuse) orphan() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.orphaned = true
}

func (f *fuse) isOrphan() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.orphaned
}

// take returns how many of n bytes pass, and whether the connection breaks then.
func (f *fuse) take(n int) (int, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.left < 0 {
		return n, false
	}
	n = int(min(int64(n), f.left))
	f.left -= int64(n)
	return n, f.left == 0
}

func (f *fuse) pass(from, to net.Conn) {
	buf := make([]byte, 4096)
	for {
		n, err := from.Read(buf)
		if err != nil && n == 0 {
			from.Close()
			if !f.isOrphan() {
				to.Close()
			}
			return
		}
		passed, broken := f.take(n)
		if _, werr := to.Write(buf[:passed]); werr != nil && err == nil && !f.isOrphan() {
			err = werr
		}
		if broken && !f.silent {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			from.Close()
			to.Close()
			return
		}
	}
}
