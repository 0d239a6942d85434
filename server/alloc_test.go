package server_test

import (
	"bytes"
	"context"
	"io"
	"math"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/etherx-go/xmpp/server"
)

// routed sends n messages from one session to another, in-memory, through
// everything that a stanza passes: scanner, stamp, route, outbox, writer.
func routed(tb testing.TB, n int) (run func()) {
	s := newServer(tb, func(c *server.Config) { c.Rate, c.AllowPlaintext = -1, true })
	from, to := untimedPipe(s), untimedPipe(s)
	handshake(tb, to, "romeo", "jul13t")
	handshake(tb, from, "juliet", "r0m30")
	const msg = "<message type='chat' id='m1' to='romeo@localhost/x'><body>Wherefore art thou &amp; so on</body><active xmlns='http://jabber.org/protocol/chatstates'/></message>"
	const arrives = "<message type='chat' id='m1' to='romeo@localhost/x' from='juliet@localhost/x'><body>Wherefore art thou &amp; so on</body><active xmlns='http://jabber.org/protocol/chatstates'/></message>"
	batch := bytes.Repeat([]byte(msg), n)
	got := make([]byte, n*len(arrives))
	want := bytes.Repeat([]byte(arrives), n)
	return func() {
		done := make(chan error, 1)
		go func() {
			_, err := from.Write(batch)
			done <- err
		}()
		if _, err := io.ReadFull(to, got); err != nil {
			tb.Fatal(err)
		}
		if err := <-done; err != nil {
			tb.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			tb.Fatalf("got %q", got)
		}
	}
}

// untimedPipe connects to s by a pipe without deadlines: those of net.Pipe
// allocate, those of a socket do not.
func untimedPipe(s *server.Server) net.Conn {
	client, srv := net.Pipe()
	go s.ServeConn(context.Background(), untimed{srv})
	return client
}

type untimed struct{ net.Conn }

func (untimed) SetDeadline(time.Time) error      { return nil }
func (untimed) SetReadDeadline(time.Time) error  { return nil }
func (untimed) SetWriteDeadline(time.Time) error { return nil }

// handshake logs in as user/x, reading no more than it must.
func handshake(tb testing.TB, nc io.ReadWriter, user, password string) {
	buf := make([]byte, 1<<16)
	until := func(want string) {
		n := 0
		for !bytes.Contains(buf[:n], []byte(want)) {
			m, err := nc.Read(buf[n:])
			if err != nil {
				tb.Fatalf("want %q, got %q: %v", want, buf[:n], err)
			}
			n += m
		}
	}
	for _, step := range []struct{ send, want string }{
		{header, "</stream:features>"},
		{plain(user, password), "<success"},
		{header, "</stream:features>"},
		{"<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>x</resource></bind></iq>", "</iq>"},
	} {
		if _, err := io.WriteString(nc, step.send); err != nil {
			tb.Fatal(err)
		}
		until(step.want)
	}
}

// TestRouteAllocations: a stanza that is routed from one session to another
// costs two allocations, its text and its header. What a burst costs besides is
// spread over its stanzas.
func TestRouteAllocations(t *testing.T) {
	const n = 1000
	run := routed(t, n)
	run() // the first run fills pools and queues
	least := math.Inf(1)
	for range 5 { // other work of the machine empties pools: the least counts
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		for range 10 {
			run()
		}
		runtime.ReadMemStats(&after)
		least = min(least, float64(after.Mallocs-before.Mallocs)/(10*n))
	}
	if least > 2.1+poolLoss {
		t.Errorf("%.2f allocations for each stanza, want 2", least)
	}
}

func BenchmarkRouteInProcess(b *testing.B) {
	const n = 100
	run := routed(b, n)
	b.ReportAllocs()
	for b.Loop() {
		run()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/stanza")
}
