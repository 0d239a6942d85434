package stream

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// line is a connection that breaks when so many bytes have gone one way.
type line struct {
	mu     sync.Mutex
	left   [2]int // bytes to go, from the client and from the server
	broken bool
	ends   [2]*lineEnd
	// silent: the server is not told, and takes what it writes for written.
	silent bool
}

type lineEnd struct {
	Transport
	line *line
	side int
	gone chan struct{}
	once sync.Once
}

// newLine returns the ends of a client and a server.
func newLine(fromClient, fromServer int, silent bool) (client, server *lineEnd) {
	a, b := Pipe()
	l := &line{left: [2]int{fromClient, fromServer}, silent: silent}
	client = &lineEnd{Transport: a, line: l, side: 0, gone: make(chan struct{})}
	server = &lineEnd{Transport: b, line: l, side: 1, gone: make(chan struct{})}
	l.ends = [2]*lineEnd{client, server}
	return client, server
}

func (e *lineEnd) Private() bool { return true }

func (e *lineEnd) Write(p []byte) (n int, err error) {
	l := e.line
	l.mu.Lock()
	broken := l.broken
	n = min(len(p), l.left[e.side])
	l.left[e.side] -= n
	l.mu.Unlock()
	if broken && l.silent && e.side == 1 {
		return len(p), nil
	}
	if n > 0 {
		if n, err = e.Transport.Write(p[:n]); err != nil {
			return n, err
		}
	}
	if n < len(p) {
		l.cut()
		if l.silent && e.side == 1 {
			return len(p), nil
		}
		return n, errWire
	}
	return n, nil
}

func (e *lineEnd) Read(p []byte) (int, error) {
	n, err := e.Transport.Read(p)
	if err != nil && e.side == 1 && e.line.silent && e.line.isBroken() {
		<-e.gone
	}
	return n, err
}

func (e *lineEnd) Close() error {
	e.once.Do(func() { close(e.gone) })
	return e.Transport.Close()
}

// SetDeadline ends a silent Read if it is over.
func (e *lineEnd) SetDeadline(t time.Time) error {
	if t == past {
		e.once.Do(func() { close(e.gone) })
	}
	return e.Transport.SetDeadline(t)
}

func (l *line) isBroken() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.broken
}

func (l *line) cut() {
	l.mu.Lock()
	l.broken = true
	l.mu.Unlock()
	for _, e := range l.ends {
		e.Transport.Close()
	}
}

// keeper is a server of one account, whose session it keeps.
type keeper struct {
	mu      sync.Mutex
	conn    *Conn // of the session
	id      string
	handled uint64
	got     []string
	left    []*stanza.Stanza // of sessions that the client has not heard of
	read    chan struct{}    // closed when conn is not read any more
	ready   chan struct{}    // closed when there is a session
	all     sync.WaitGroup
}

// management is the side of the server; it takes over what c has found.
func (k *keeper) management() *ManagementServer {
	return &ManagementServer{
		Grant: func(context.Context, *Conn, time.Duration) (Grant, error) {
			k.mu.Lock()
			defer k.mu.Unlock()
			k.id = rand.Text()
			return Grant{ID: k.id, Max: time.Minute}, nil
		},
		Resume: func(_ context.Context, _ *Conn, id string) (*Conn, uint64, error) {
			k.mu.Lock()
			conn, read := k.conn, k.read
			if id != k.id || conn == nil || !conn.Detach(&Error{Condition: Conflict}) {
				k.mu.Unlock()
				return nil, 0, stanza.ItemNotFound
			}
			k.mu.Unlock()
			<-read
			return conn, k.handled, nil
		},
		Resumed: func(c *Conn) {
			k.mu.Lock()
			defer k.mu.Unlock()
			k.conn, k.read = c, make(chan struct{})
		},
	}
}

// current returns the connection of the session.
func (k *keeper) current() *Conn {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.conn
}

// serve serves one connection.
func (k *keeper) serve(tr Transport) {
	m := k.management()
	c, err := Accept(context.Background(), tr, Config{}, func(c *Conn, in Header) (Header, []Feature, error) {
		c.reach(Outcome{State: Authenticated})
		bind := ServeBind(func(context.Context, string) (jid.JID, error) { return jid.New("rob", "capulet.com", "x") }, nil)
		return Header{Content: stanza.NSClient, From: capulet, Version: V1}, []Feature{m.Feature(), bind}, nil
	})
	if err != nil {
		return
	}
	var read chan struct{}
	if c.Resumed() {
		k.mu.Lock()
		read = k.read
		k.mu.Unlock()
	}
	for handled := uint64(0); err == nil; {
		var st *stanza.Stanza
		var el stanza.Element
		switch st, el, err = c.Next(); {
		case err != nil:
		case st != nil:
			k.got = append(k.got, st.ID)
			k.handled++
		case c.Managed():
			_, err = m.Serve(context.Background(), c, el, &k.handled)
		default:
			if _, err = m.Serve(context.Background(), c, el, &handled); c.Managed() {
				read = k.begin(c)
			}
		}
	}
	c.Fail(err)
	if read != nil {
		close(read)
	}
}

// begin makes c the session. What the one before has left, of which the client has
// never heard, is sent on it.
func (k *keeper) begin(c *Conn) (read chan struct{}) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.conn != nil {
		k.conn.Close()
		<-k.read
		k.left = append(append(k.conn.Unacked(), k.conn.Unsent()...), k.left...)
		for len(k.left) > 0 && c.TrySend(k.left[0]) == nil {
			k.left = k.left[1:]
		}
	} else {
		close(k.ready)
	}
	k.conn, k.read, k.handled = c, make(chan struct{}), 0
	return k.read
}

// roamer is a client that comes back.
type roamer struct {
	old     *Conn
	handled uint64
	got     []string
}

// connect tries once.
func (r *roamer) connect(tr Transport) (*Conn, error) {
	m := &ManagementClient{Old: r.old, Handled: func() uint64 { return r.handled }, Resumable: true}
	trust := Feature{Name: bindName, Unoffered: true, Not: Authenticated,
		Negotiate: func(context.Context, *Conn, stanza.Element) (Outcome, error) {
			return Outcome{State: Authenticated}, nil
		}}
	return Initiate(context.Background(), tr, Config{}, Header{To: capulet, Version: V1},
		[]Feature{trust, m.Resume(), Bind("", nil), m.Enable()})
}

// read reads a connection to its end.
func (r *roamer) read(c *Conn) error {
	for {
		st, el, err := c.Next()
		if err != nil {
			return err
		}
		if st != nil {
			r.got = append(r.got, st.ID)
			r.handled++
		} else if _, err := c.ServeManagement(el, &r.handled); err != nil {
			return err
		}
	}
}

// cutRun runs the exchange, each side sends five stanzas, with these cuts of the first
// connections, and returns how far the last of them got.
func cutRun(t *testing.T, silent bool, cuts ...[2]int) (rest [2]int) {
	k, r := &keeper{ready: make(chan struct{})}, &roamer{}
	ready := k.ready
	send := func(conn func() *Conn, name string) {
		for i := range 5 {
			for conn().Send(t.Context(), named(fmt.Sprint(name, i))) != nil {
				time.Sleep(time.Millisecond) // the peer does not know of that session
			}
		}
	}
	var senders sync.WaitGroup
	senders.Go(func() {
		<-ready
		send(k.current, "s")
	})
	var last *line
	for n := 0; ; n++ {
		limits := [2]int{math.MaxInt, math.MaxInt}
		if n < len(cuts) {
			limits = cuts[n]
		} else if n > len(cuts)+2 {
			t.Fatalf("%v: no end", cuts)
		}
		tr, far := newLine(limits[0], limits[1], silent)
		if n == len(cuts)-1 {
			last = tr.line
		}
		k.all.Go(func() { k.serve(far) })
		if n < len(cuts) {
			defer k.all.Wait()
			defer far.Close() // nothing was managed on it, and nobody missed it
		}
		c, err := r.connect(tr)
		if err != nil {
			if n >= len(cuts) {
				t.Fatalf("%v: %v", cuts, err)
			}
			synctest.Wait()
			continue
		}
		if r.old == nil {
			senders.Go(func() { send(func() *Conn { return c }, "c") })
		} else if !c.Resumed() {
			t.Fatalf("%v: not resumed", cuts)
		}
		var read sync.WaitGroup
		read.Go(func() { err = r.read(c) })
		if n >= len(cuts) {
			senders.Wait()
			if err := c.Settle(t.Context()); err != nil {
				t.Errorf("%v: %v", cuts, err)
			}
			far := k.current()
			if err := far.Settle(t.Context()); err != nil {
				t.Errorf("%v: %v", cuts, err)
			}
			c.Shutdown(t.Context(), nil)
			read.Wait()
			if err != io.EOF {
				t.Errorf("%v: %v", cuts, err)
			}
			if a, b := left(c), left(far); a != "|" || b != "|" {
				t.Errorf("%v: left over %s, %s", cuts, a, b)
			}
			break
		}
		synctest.Wait()
		if !tr.line.isBroken() { // the exchange is shorter
			tr.line.cut()
		}
		read.Wait()
		c.Fail(err)
		if !c.Detached() {
			t.Fatalf("%v: not detached: %v", cuts, err)
		}
		r.old = c
	}
	for name, got := range map[string][]string{"c": k.got, "s": r.got} {
		if want := []string{name + "0", name + "1", name + "2", name + "3", name + "4"}; !slices.Equal(got, want) {
			t.Errorf("%v: got %s, want %s", cuts, strings.Join(got, " "), strings.Join(want, " "))
		}
	}
	if last == nil {
		return rest
	}
	last.mu.Lock()
	defer last.mu.Unlock()
	return last.left
}

// named returns a message with this id.
func named(id string) *stanza.Stanza {
	st, err := stanza.New(stanza.Header{Kind: stanza.KindMessage, ID: id})
	if err != nil {
		panic(err)
	}
	return st
}

// TestResumeCut: the connection breaks after n bytes in one direction, for every n, and
// the session goes on with the next one: nothing is lost, nothing doubled, all is in
// order. So it is when that one breaks, too, while all is written again.
func TestResumeCut(t *testing.T) {
	const much = 1 << 20
	at := func(direction, n int) [2]int {
		cut := [2]int{much, much}
		cut[direction] = n
		return cut
	}
	step := 1
	if testing.Short() {
		step = 7 // with the race detector, which looks at something else
	}
	// everywhere cuts the last connection after each byte, until there are no more.
	everywhere := func(t *testing.T, silent bool, direction int, before ...[2]int) {
		n := 0
		for left := 0; left == 0 && !t.Failed(); n += step {
			synctest.Test(t, func(t *testing.T) {
				left = cutRun(t, silent, append(slices.Clip(before), at(direction, n))...)[direction]
			})
		}
		t.Logf("%d bytes", n)
	}
	for _, silent := range []bool{false, true} {
		for direction, who := range []string{"client", "server"} {
			name := fmt.Sprintf("%s, silent %v", who, silent)
			t.Run(name, func(t *testing.T) { everywhere(t, silent, direction) })
			for _, before := range [][2]int{at(0, 275), at(0, 330), at(1, 480), at(1, 560)} {
				t.Run(fmt.Sprint(name, " after ", before), func(t *testing.T) { everywhere(t, silent, direction, before) })
			}
		}
	}
}
