package stream

import (
	"bytes"
	"cmp"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/etherx-go/xmpp/stanza"
)

// ackXML is an acknowledgement, tooHighXML the error for one that is too high.
func ackXML(h uint32) string { return fmt.Sprintf("<a xmlns='urn:xmpp:sm:3' h='%d'/>", h) }

func tooHighXML(h, sent uint32) string {
	return fmt.Sprintf("<stream:error><undefined-condition xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"+
		"<text xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>%d stanzas are acknowledged, %d were sent</text>"+
		"<handled-count-too-high xmlns='urn:xmpp:sm:3' h='%d' send-count='%d'/></stream:error>", h, sent, h, sent)
}

const failedXML = "<failed xmlns='urn:xmpp:sm:3'><%s xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>"

// manage returns a managed stream and its peer, which has read <enabled/>. It is
// for a bubble of synctest.
func manage(t *testing.T, cfg Config) (*peer, *Conn) {
	t.Helper()
	a, b := Pipe()
	p, c := newPeer(t, a), readyConn(b, cfg)
	if err := c.ManageAfter(enabledXML); err != nil {
		t.Fatal(err)
	}
	p.expect(enabledXML)
	p.quiet()
	t.Cleanup(func() { c.Close() })
	return p, c
}

// xmlOf returns the messages from, ..., to-1 as they are written.
func xmlOf(from, to int) string {
	var b strings.Builder
	for i := from; i < to; i++ {
		b.WriteString(message(i).String())
	}
	return b.String()
}

// sendAll sends the messages from, ..., to-1, each one when what was before is
// written, if it can be.
func sendAll(t *testing.T, c *Conn, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		if err := c.Send(t.Context(), message(i)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
	}
}

func acked(t *testing.T, c *Conn, h uint32) {
	t.Helper()
	if err := c.Acked(h); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
}

// quiet fails if the peer has got something that was not expected.
func (p *peer) quiet() {
	p.t.Helper()
	synctest.Wait()
	if got, _ := p.text(); got != "" {
		p.t.Fatalf("got %s", got)
	}
}

// now fails if the peer has not got the text already, as the time is.
func (p *peer) now(want string) {
	p.t.Helper()
	synctest.Wait()
	if got, _ := p.text(); !strings.HasPrefix(got, want) {
		p.t.Fatalf("got  %s\nwant %s", got, want)
	}
	p.expect(want)
}

// left is what Unacked and Unsent return.
func left(c *Conn) string { return ids(c.Unacked()) + "|" + ids(c.Unsent()) }

func element(t testing.TB, text string) stanza.Element {
	t.Helper()
	el, err := stanza.Raw(text).Element()
	if err != nil {
		t.Fatal(err)
	}
	return el
}

// TestManageAfter: what is queued before does not count, what is behind does, and
// what is no stanza never does.
func TestManageAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe()
		c := readyConn(b, Config{})
		sendAll(t, c, 0, 1) // the writer is stuck in it
		sendAll(t, c, 1, 3)
		if c.Managed() {
			t.Error("managed")
		}
		if err := c.ManageAfter(enabledXML); err != nil {
			t.Fatal(err)
		}
		sendAll(t, c, 3, 5)
		c.SendRaw(t.Context(), message(90).String())
		c.SendRaw(t.Context(), "")
		sendAll(t, c, 5, 6)
		if err := c.ManageAfter(enabledXML); err != errManaged || !c.Managed() {
			t.Error(err)
		}
		p := newPeer(t, a)
		p.now(xmlOf(0, 3) + enabledXML + xmlOf(3, 5) + message(90).String() + xmlOf(5, 6) + requestXML)
		p.quiet()
		acked(t, c, 2)
		if c.Unacked() != nil {
			t.Error("unacked of a stream that works")
		}
		c.Close()
		if got := left(c); got != "m5|" {
			t.Error(got)
		}
		if got := left(c); got != "|" {
			t.Error("twice", got)
		}
		if err := c.ManageAfter(enabledXML); err != ErrClosed {
			t.Error(err)
		}
		if err := c.Ack(1); err != ErrClosed {
			t.Error(err)
		}
	})
}

// TestAsk is when the peer is asked, byte for byte.
func TestAsk(t *testing.T) {
	t.Run("at once, then after a pause, then not", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p, c := manage(t, Config{})
			sendAll(t, c, 0, 1)
			p.now(xmlOf(0, 1) + requestXML)
			start := time.Now()
			sendAll(t, c, 1, 2) // a request is not answered
			time.Sleep(time.Hour)
			p.now(xmlOf(1, 2))
			p.quiet()
			if since, ok := c.AwaitingAck(); !ok || !since.Equal(start) {
				t.Error(since, ok)
			}
			acked(t, c, 1)
			p.now(requestXML) // an hour is more than a pause
			acked(t, c, 2)
			if since, ok := c.AwaitingAck(); ok || !since.IsZero() {
				t.Error(since, ok)
			}
			sendAll(t, c, 2, 3)
			p.now(xmlOf(2, 3))
			sendAll(t, c, 3, 4)
			p.now(xmlOf(3, 4))
			time.Sleep(askPause - 1)
			p.quiet()
			time.Sleep(time.Nanosecond)
			synctest.Wait()
			p.now(requestXML)
			acked(t, c, 4)
			sendAll(t, c, 4, 5)
			p.now(xmlOf(4, 5))
			time.Sleep(askPause)
			p.now(requestXML)
			acked(t, c, 5)
			time.Sleep(time.Hour)
			p.quiet()
			if _, ok := c.AwaitingAck(); ok {
				t.Error("an idle stream waits")
			}
		})
	})
	t.Run("after many stanzas", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p, c := manage(t, Config{})
			sendAll(t, c, 0, 1)
			acked(t, c, 1)
			sendAll(t, c, 1, 1+askStanzas)
			p.now(xmlOf(0, 1) + requestXML + xmlOf(1, 1+askStanzas) + requestXML)
			if c.out.acks.armed {
				t.Error("a timer for nothing")
			}
			sendAll(t, c, 100, 200)
			p.now(xmlOf(100, 200))
			acked(t, c, 1+askStanzas) // the answer leaves more than enough for another
			p.now(requestXML)
			acked(t, c, 101+askStanzas)
			p.quiet()
		})
	})
	t.Run("after many bytes", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			for _, tt := range []struct{ max, want int }{{0, askBytes}, {-1, askBytes}, {8000, 2000}} {
				p, c := manage(t, Config{MaxOutbox: tt.max})
				sendAll(t, c, 0, 1)
				acked(t, c, 1)
				p.now(xmlOf(0, 1) + requestXML)
				big := sized(t, tt.want/4)
				for i := range 4 {
					p.quiet()
					c.Send(t.Context(), big)
					p.now(big.String())
					if i == 3 {
						p.now(requestXML)
					}
				}
				c.Close()
			}
		})
	})
	t.Run("at once for who waits", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p, c := manage(t, Config{})
			for i := range 5 { // send and wait, without a pause
				sendAll(t, c, i, i+1)
				c.RequestAck()
				p.now(xmlOf(i, i+1) + requestXML)
				c.RequestAck() // it is asked for already
				p.quiet()
				acked(t, c, uint32(i+1))
			}
			c.RequestAck() // there is nothing
			p.quiet()
			sendAll(t, c, 5, 6)
			p.now(xmlOf(5, 6))
			p.quiet()
			c.RequestAck()
			p.now(requestXML)
			sendAll(t, c, 6, 7)
			c.RequestAck() // behind the answer
			p.now(xmlOf(6, 7))
			p.quiet()
			acked(t, c, 6)
			p.now(requestXML)
		})
	})
	t.Run("again after an answer that says nothing new", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p, c := manage(t, Config{})
			sendAll(t, c, 0, 1)
			p.now(xmlOf(0, 1) + requestXML)
			for pause := 2 * askPause; pause < 5*time.Minute; pause *= 2 {
				acked(t, c, 0)
				c.RequestAck() // in vain
				time.Sleep(min(pause, askMaxPause) - 1)
				p.quiet()
				time.Sleep(time.Nanosecond)
				synctest.Wait()
				p.now(requestXML)
			}
			acked(t, c, 0)
			// What is sent does not hurry it, what is acknowledged does.
			sendAll(t, c, 1, 1+2*askStanzas)
			p.now(xmlOf(1, 1+2*askStanzas))
			p.quiet()
			acked(t, c, 1)
			p.now(requestXML)
			acked(t, c, 1+2*askStanzas)
			sendAll(t, c, 200, 201)
			p.now(xmlOf(200, 201))
			time.Sleep(askPause)
			p.now(requestXML)
			// So does what is acknowledged unasked.
			sendAll(t, c, 201, 203)
			p.now(xmlOf(201, 203))
			for pause := 2 * askPause; pause < askMaxPause; pause *= 2 {
				acked(t, c, 1+2*askStanzas)
				time.Sleep(pause)
				p.now(requestXML)
			}
			acked(t, c, 1+2*askStanzas)
			acked(t, c, 2+2*askStanzas)
			p.quiet()
			time.Sleep(askPause)
			p.now(requestXML)
			acked(t, c, 3+2*askStanzas)
			p.quiet()
			acked(t, c, 3+2*askStanzas)
			acked(t, c, 4+2*askStanzas)
			p.quiet()
		})
	})
	t.Run("at the end of what waits", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			tr := &scriptedConn{gate: make(chan struct{})}
			c := readyConn(tr, Config{})
			write := func(want string) { // lets the stream write once
				t.Helper()
				tr.gate <- struct{}{}
				synctest.Wait()
				if got := tr.out.String(); got != want {
					t.Fatalf("%d bytes end %s, want %d, %s", len(got), got[max(0, len(got)-60):], len(want), want[max(0, len(want)-60):])
				}
				tr.out.Reset()
			}
			c.ManageAfter(enabledXML)
			write(enabledXML)
			sendAll(t, c, 0, 1)
			write(xmlOf(0, 1) + requestXML)
			acked(t, c, 1)
			sendAll(t, c, 1, 2) // the writer is stuck in it
			big := sized(t, writeChunk+100)
			c.Send(t.Context(), big)
			c.Send(t.Context(), big)
			c.RequestAck()
			write(xmlOf(1, 2))
			// The batch has another write to come, and then there is another batch.
			sendAll(t, c, 2, 3)
			write(big.String())
			write(big.String())
			write(xmlOf(2, 3) + requestXML)
			acked(t, c, 5)
			if c.out.writing {
				t.Error("writes")
			}
		})
	})
	t.Run("not by a stream that is closed", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p, c := manage(t, Config{})
			sendAll(t, c, 0, 1)
			acked(t, c, 1)
			sendAll(t, c, 1, 2) // the timer is set
			if !c.out.acks.armed {
				t.Error("no timer")
			}
			c.Close()
			if c.out.acks.armed {
				t.Error("a timer")
			}
			if err := c.Acked(2); err != nil { // read late
				t.Error(err)
			}
			if got := left(c); got != "|" {
				t.Error(got)
			}
			if got := p.rest(); got != xmlOf(0, 1)+requestXML+xmlOf(1, 2) {
				t.Error(got)
			}
			tr := &scriptedConn{}
			c = readyConn(tr, Config{})
			c.ManageAfter(enabledXML)
			sendAll(t, c, 0, askStanzas+2)
			c.out.fail(errWire)
			acked(t, c, 1)
			c.RequestAck()
			time.Sleep(time.Hour)
			if got := strings.Count(tr.out.String(), requestXML); got != 1 {
				t.Errorf("%d requests", got)
			}
		})
	})
}

// sized returns a stanza of this Size.
func sized(t testing.TB, size int) *stanza.Stanza {
	t.Helper()
	const tags = len("<body></body>")
	st, err := stanza.New(stanza.Header{Kind: stanza.KindMessage}, stanza.Raw("<body>"+strings.Repeat("x", size-64-tags)+"</body>"))
	if err != nil || st.Size() != size {
		t.Fatal(err, st.Size())
	}
	return st
}

// TestAskCost: a busy stream has one request for some dozens of stanzas, however
// quickly it is answered.
func TestAskCost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, c := manage(t, Config{})
		const n = 5000
		for i := range n {
			sendAll(t, c, i, i+1)
			got, _ := p.text()
			if strings.Contains(got, requestXML) {
				p.wait(requestXML)
				acked(t, c, uint32(i+1))
			}
			time.Sleep(100 * time.Microsecond)
		}
		requests := strings.Count(string(p.got), requestXML)
		if requests < n/askStanzas || requests > n/askStanzas+2+int(n*100*time.Microsecond/askPause) {
			t.Errorf("%d requests for %d stanzas", requests, n)
		}
	})
}

// TestAcked: what a number does, with counters of 32 bits (XEP-0198, section 4:
// "the value of 'h' SHALL be reset from 2^32-1 back to zero").
func TestAcked(t *testing.T) {
	const max = math.MaxUint32
	for _, tt := range []struct {
		name    string
		before  uint64 // acknowledged
		kept    int
		h       uint32
		left    int
		sent    uint32
		tooMuch bool
	}{
		{name: "none", kept: 3, h: 0, left: 3},
		{name: "one", kept: 3, h: 1, left: 2},
		{name: "all", kept: 3, h: 3, left: 0},
		{name: "nothing was sent", kept: 0, h: 0, left: 0},
		{name: "one that was not sent", kept: 0, h: 1, tooMuch: true, sent: 0},
		{name: "one too many", kept: 3, h: 4, left: 3, tooMuch: true, sent: 3},
		{name: "the largest", kept: 3, h: max, left: 3, tooMuch: true, sent: 3},
		{name: "half", kept: 3, h: 1 << 31, left: 3, tooMuch: true, sent: 3},
		{name: "again", before: 5, kept: 3, h: 5, left: 3},
		{name: "the past", before: 5, kept: 3, h: 4, left: 3},
		{name: "long ago", before: 5, kept: 3, h: 0, left: 3},
		{name: "before the beginning", before: 5, kept: 3, h: max, left: 3, tooMuch: true, sent: 8},
		{name: "behind all", before: 5, kept: 3, h: 9, left: 3, tooMuch: true, sent: 8},
		{name: "to the edge", before: max - 2, kept: 5, h: max, left: 3},
		{name: "to zero", before: max - 2, kept: 5, h: 0, left: 2},
		{name: "over the edge", before: max - 2, kept: 5, h: 1, left: 1},
		{name: "all over the edge", before: max - 2, kept: 5, h: 2, left: 0},
		{name: "one too many over the edge", before: max - 2, kept: 5, h: 3, left: 5, tooMuch: true, sent: 2},
		{name: "the past before the edge", before: 1<<32 + 1, kept: 2, h: max, left: 2},
		{name: "from the edge", before: 1 << 32, kept: 2, h: 1, left: 1},
		{name: "twice around", before: 2<<32 - 1, kept: 2, h: 0, left: 1},
		{name: "too far in the past", before: 1 << 33, kept: 2, h: 1 << 31, left: 2, tooMuch: true, sent: 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, c := manage(t, Config{CloseTimeout: time.Second})
				a := c.out.acks
				a.queued, a.sent, a.acked = tt.before, tt.before, tt.before
				sendAll(t, c, 0, tt.kept)
				bytes := c.out.bytes
				err := c.Acked(tt.h)
				synctest.Wait()
				var freed int
				for i := range tt.kept - tt.left {
					freed += message(i).Size()
				}
				if c.out.bytes != bytes-freed || a.bytes != c.out.bytes || a.waiting() != tt.left {
					t.Errorf("%d bytes of %d, %d stanzas", c.out.bytes, bytes, a.waiting())
				}
				want := xmlOf(0, tt.kept)
				if tt.kept > 0 {
					want = xmlOf(0, 1) + requestXML + xmlOf(1, tt.kept)
				}
				if tt.tooMuch {
					if !isCondition(err, UndefinedCondition) {
						t.Error(err)
					}
					want += tooHighXML(tt.h, tt.sent) + end
					c.Fail(err)
				} else if err != nil {
					t.Error(err)
				}
				p.now(want)
				c.Close()
				if got := len(c.Unacked()); got != tt.left {
					t.Errorf("%d unacked", got)
				}
			})
		})
	}
	t.Run("not managed", func(t *testing.T) {
		c := readyConn(&scriptedConn{}, Config{})
		for _, err := range []error{c.Acked(0), c.Ack(0)} {
			if !isCondition(err, UnsupportedStanzaType) {
				t.Error(err)
			}
		}
		c.RequestAck()
		if _, ok := c.AwaitingAck(); ok || c.Managed() {
			t.Error("managed")
		}
		c.Send(t.Context(), message(1))
		<-c.out.drained()
		c.Close()
		if c.Unacked() != nil {
			t.Error("unacked")
		}
	})
}

// TestWraparound: a stream goes on over 2^32.
func TestWraparound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, c := manage(t, Config{})
		start := uint64(1<<32 - 1000)
		a := c.out.acks
		a.queued, a.sent, a.acked, a.askedFor = start, start, start, start
		h := uint32(start)
		for i := 0; i < 2000; i += 10 {
			sendAll(t, c, i, i+10)
			h += 7 // it is slow
			acked(t, c, h)
		}
		if h != 400 || a.waiting() != 600 {
			t.Error(h, a.waiting())
		}
		if err := c.Acked(1001); !isCondition(err, UndefinedCondition) {
			t.Error(err)
		}
		acked(t, c, 999)
		c.Close()
		if got := left(c); got != "m1999|" {
			t.Error(got)
		}
		p.rest()
	})
}

// TestUnackedCut: the transport fails after n bytes, for every n. What was written
// whole is unacked, the rest unsent, whether a request was written or not.
func TestUnackedCut(t *testing.T) {
	const n, ack = 8, 2 // of n stanzas ack are acknowledged
	all := xmlOf(0, 1) + enabledXML
	for i := 1; i < n; i++ {
		all += xmlOf(i, i+1)
	}
	for limit := range len(all) + len(requestXML) + 2 {
		for _, burst := range []bool{false, true} {
			gate := make(chan struct{})
			tr := &scriptedConn{limited: true, limit: limit, gate: gate}
			c := readyConn(tr, Config{})
			if !burst {
				close(gate)
			}
			var want []string
			for i := range n {
				err := c.Send(t.Context(), message(i)) // those that fail are the sender's
				if err == nil {
					want = append(want, fmt.Sprint("m", i))
				}
				if i == 0 {
					c.ManageAfter(enabledXML)
				}
				if i == ack && !burst {
					<-c.out.drained()
				}
			}
			if burst {
				close(gate)
			}
			<-c.out.drained()
			c.Close()
			written := tr.out.String()
			// Requests apart, of which the last may be cut, it is what was sent.
			got := strings.ReplaceAll(written, requestXML, "")
			if cut := max(0, strings.LastIndexByte(got, '<')); !strings.HasPrefix(all, got) &&
				!(strings.HasPrefix(all, got[:cut]) && strings.HasPrefix(requestXML, got[cut:])) {
				t.Fatalf("limit %d: written %s", limit, written)
			}
			whole := strings.Count(written, "</message>")
			handled := uint32(max(0, min(whole-1, ack)))
			if err := c.Acked(handled); c.Managed() && err != nil {
				t.Fatalf("limit %d: %v", limit, err)
			}
			unacked, unsent := strings.Fields(ids(c.Unacked())), strings.Fields(ids(c.Unsent()))
			if a := c.out.acks; a != nil && a.sent != uint64(handled)+uint64(len(unacked)) {
				t.Fatalf("limit %d: %d sent, %d handled, unacked %s", limit, a.sent, handled, unacked)
			}
			first := 1 + int(handled) // m0 does not count
			if whole == 0 {
				first = 0
			}
			got = fmt.Sprint(unacked, unsent)
			if want := fmt.Sprint(want[min(first, whole):whole], want[whole:]); got != want {
				t.Fatalf("limit %d, burst %v: %d written, got %s, want %s", limit, burst, whole, got, want)
			}
		}
	}
}

// TestUnackedChunks: a batch of several writes is cut in one of them.
func TestUnackedChunks(t *testing.T) {
	const n = 9
	big := func(i int) *stanza.Stanza {
		st, _ := stanza.New(stanza.Header{Kind: stanza.KindMessage, ID: fmt.Sprint("m", i)},
			stanza.Raw("<body>"+strings.Repeat("x", writeChunk/2)+"</body>"))
		return st
	}
	size := len(big(0).String())
	for whole := range n {
		gate := make(chan struct{})
		tr := &scriptedConn{limited: true, gate: gate}
		c := readyConn(tr, Config{})
		c.SendRaw(t.Context(), " ")
		c.ManageAfter(enabledXML)
		for i := range n {
			c.Send(t.Context(), big(i))
		}
		tr.limit = 1 + len(enabledXML) + whole*size + size/2
		if whole > 1 {
			tr.limit += len(requestXML) // behind the first chunk
		}
		close(gate)
		<-c.out.drained()
		unacked, unsent := c.Unacked(), c.Unsent()
		if len(unacked) != whole || len(unsent) != n-whole || ids(append(unacked, unsent...)) != "m0 m1 m2 m3 m4 m5 m6 m7 m8" {
			t.Errorf("%d written: %s and %s", whole, ids(unacked), ids(unsent))
		}
	}
}

// TestUnackedCutInRequest: what comes behind a request that was cut is unsent,
// however short.
func TestUnackedCutInRequest(t *testing.T) {
	gate := make(chan struct{})
	tr := &scriptedConn{limited: true, gate: gate}
	c := readyConn(tr, Config{})
	c.ManageAfter(enabledXML)
	first := sized(t, 2*writeChunk)
	short, _ := stanza.New(stanza.Header{Kind: stanza.KindIQ, ID: "s"})
	c.Send(t.Context(), first)
	c.Send(t.Context(), short)
	tr.limit = len(enabledXML) + len(first.String()) + len(requestXML) - 1
	close(gate)
	<-c.out.drained()
	if a, b := c.Unacked(), c.Unsent(); len(a) != 1 || a[0] != first || len(b) != 1 || b[0] != short {
		t.Error(ids(a), ids(b))
	}
}

// TestUnackedLiar: a peer acknowledges what it cannot have got whole yet. It is
// unsent.
func TestUnackedLiar(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe()
		c := readyConn(b, Config{})
		p := make([]byte, len(enabledXML)+len(xmlOf(0, 1))+5)
		c.ManageAfter(enabledXML)
		synctest.Wait() // the writer is stuck in it
		sendAll(t, c, 0, 3)
		io.ReadFull(a, p) // a part of m1
		synctest.Wait()
		for h := range uint32(4) {
			acked(t, c, h)
		}
		c.Close()
		if got := left(c); got != "|m1 m2" {
			t.Error(got)
		}
		acked(t, c, 0)
		acked(t, c, 1)
		if err := c.Acked(2); !isCondition(err, UndefinedCondition) {
			t.Error(err)
		}
		a.Close()
	})
}

// TestUnackedLimit: what is not acknowledged takes its place in the outbox, and is
// asked for when somebody waits.
func TestUnackedLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		size := message(0).Size()
		p, c := manage(t, Config{MaxOutbox: 10*size + size/2})
		sendAll(t, c, 0, 1)
		p.now(xmlOf(0, 1) + requestXML)
		sendAll(t, c, 1, 10)
		p.now(xmlOf(1, 10))
		if err := c.TrySend(message(10)); err != ErrOutboxFull {
			t.Error(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := c.Send(ctx, message(10)); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if err := c.Flush(t.Context()); err != nil { // all is written
			t.Error(err)
		}
		p.quiet() // a request is not answered already
		sent := make(chan error, 1)
		send := func(st *stanza.Stanza) { go func() { sent <- c.Send(t.Context(), st) }() }
		send(message(10))
		synctest.Wait()
		acked(t, c, 1)
		if err := <-sent; err != nil {
			t.Error(err)
		}
		// Much is left, so it is asked for at once.
		if got, _ := p.text(); got == requestXML+xmlOf(10, 11) {
			p.now(got)
		} else {
			p.now(xmlOf(10, 11) + requestXML)
		}
		big := sized(t, 20*size)
		send(big)
		synctest.Wait()
		acked(t, c, 9)
		p.now(requestXML) // for the one that waits
		p.quiet()
		if len(sent) > 0 {
			t.Error("has not waited")
		}
		acked(t, c, 11)
		if err := <-sent; err != nil {
			t.Error(err)
		}
		p.now(big.String())
		if err := c.TrySend(message(12)); err != ErrOutboxFull {
			t.Error(err)
		}
		p.now(requestXML)
		send(message(12))
		synctest.Wait()
		// A peer that says nothing new, and goes on when it is asked again.
		acked(t, c, 11)
		time.Sleep(time.Second)
		p.now(requestXML)
		acked(t, c, 12)
		if err := <-sent; err != nil {
			t.Error(err)
		}
		p.now(xmlOf(12, 13))
		c.Close()
		if got := left(c); got != "m12|" {
			t.Error(got)
		}
	})
}

// TestUnackedLimitTry: senders that never wait are not locked out.
func TestUnackedLimitTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		size := message(0).Size()
		p, c := manage(t, Config{MaxOutbox: 3 * size})
		h, taken := uint32(0), 0
		for i := range 1000 {
			if c.TrySend(message(i)) == nil {
				taken++
			}
			synctest.Wait()
			if got, _ := p.text(); strings.Contains(got, requestXML) {
				h += uint32(strings.Count(p.wait(requestXML), "</message>"))
				acked(t, c, h)
			}
		}
		if taken < 500 || c.out.bytes > 3*size {
			t.Errorf("%d of 1000, %d bytes", taken, c.out.bytes)
		}
	})
}

// TestAck: acknowledgements are in order with what is sent, do not block, and do
// not pile up.
func TestAck(t *testing.T) {
	t.Run("order", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p, c := manage(t, Config{})
			if err := c.Ack(math.MaxUint32); err != nil {
				t.Error(err)
			}
			p.now(ackXML(math.MaxUint32))
			c.Ack(0)
			p.now(ackXML(0))
			c.Ack(0)
			p.now(ackXML(0))
			p.quiet()
			if c.out.bytes != 0 {
				t.Error(c.out.bytes)
			}
		})
	})
	t.Run("flood", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a, b := Pipe()
			c := readyConn(b, Config{MaxOutbox: 1000, WriteTimeout: time.Hour})
			c.ManageAfter(enabledXML)
			synctest.Wait() // stuck in it
			handled := uint32(0)
			r := element(t, requestXML)
			for range 100_000 {
				handled++
				if ok, err := c.ServeManagement(r, &handled); !ok || err != nil {
					t.Fatal(ok, err)
				}
			}
			sendAll(t, c, 0, 1)
			c.Ack(7)
			if len(c.out.queue) != 2 || c.out.bytes > 200 {
				t.Errorf("%d items, %d bytes", len(c.out.queue), c.out.bytes)
			}
			p := newPeer(t, a)
			p.now(enabledXML + ackXML(7) + xmlOf(0, 1) + requestXML)
			p.quiet()
			c.Ack(8)
			p.now(ackXML(8))
			c.Close()
			if got := left(c); got != "m0|" {
				t.Error(got)
			}
		})
	})
	t.Run("cut", func(t *testing.T) {
		for limit := range len(enabledXML + ackXML(12) + xmlOf(0, 1) + requestXML) {
			gate := make(chan struct{})
			tr := &scriptedConn{limited: true, limit: limit, gate: gate}
			c := readyConn(tr, Config{})
			c.ManageAfter(enabledXML)
			c.Ack(12)
			c.Send(t.Context(), message(0))
			close(gate)
			<-c.out.drained()
			whole := strings.Count(tr.out.String(), "</message>")
			if a, b := c.Unacked(), c.Unsent(); len(a) != whole || len(b) != 1-whole {
				t.Errorf("limit %d: %s and %s", limit, ids(a), ids(b))
			}
		}
	})
}

// TestShutdownAcks: the peer is asked before the closing tag, if there is
// something to ask for, and its answer counts.
func TestShutdownAcks(t *testing.T) {
	for _, tt := range []struct {
		name  string
		first int // sent and asked for
		then  int
		acked uint32
		want  string // behind those
		end   func(c *Conn) error
	}{
		{name: "asked for", first: 1, want: end},
		{name: "acknowledged", first: 2, acked: 2, want: end},
		{name: "not all asked for", first: 1, then: 1, want: requestXML + end},
		{name: "not all acknowledged", first: 1, acked: 1, then: 2, want: requestXML + end},
		{name: "nothing", want: end},
		{name: "goodbye", first: 1, acked: 1, want: ackXML(9) + end, end: func(c *Conn) error {
			c.Ack(9)
			return c.Shutdown(context.Background(), nil)
		}},
		{name: "error", first: 1, then: 1, want: requestXML + streamError("reset", ""), end: func(c *Conn) error {
			return c.Shutdown(context.Background(), &Error{Condition: Reset})
		}},
		{name: "failed", first: 1, then: 1, want: end, end: func(c *Conn) error {
			c.Fail(nil) // nobody would read the answer
			return nil
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, c := manage(t, Config{})
				if tt.end == nil {
					tt.end = func(c *Conn) error { return c.Shutdown(context.Background(), nil) }
				}
				for i := range tt.first {
					sendAll(t, c, i, i+1)
				}
				if tt.name != "failed" {
					go drain(c)
				}
				if tt.first > 0 {
					p.wait(requestXML)
					p.now(xmlOf(1, tt.first))
				}
				if tt.acked > 0 {
					acked(t, c, tt.acked)
				}
				sendAll(t, c, tt.first, tt.first+tt.then)
				p.now(xmlOf(tt.first, tt.first+tt.then))
				done := make(chan error)
				go func() { done <- tt.end(c) }()
				p.now(tt.want)
				if err := c.Ack(10); err != ErrClosed && tt.name != "failed" {
					t.Error(err)
				}
				h := uint32(0)
				if ok, err := c.ServeManagement(element(t, requestXML), &h); !ok || err != nil {
					t.Error(ok, err)
				}
				for h := range tt.first + tt.then + 1 {
					acked(t, c, uint32(h)) // nothing follows the closing tag
					time.Sleep(askPause)
					p.quiet()
				}
				p.send(end)
				if err := <-done; err != nil {
					t.Error(err)
				}
				if got := left(c); got != "|" {
					t.Error(got)
				}
			})
		})
	}
}

// TestReleased: the memory of what is acknowledged is free, and so is that of
// what has been handed out.
func TestReleased(t *testing.T) {
	tr := &scriptedConn{}
	c := readyConn(tr, Config{MaxOutbox: -1})
	c.ManageAfter(enabledXML)
	const n, keep = 300, 10
	var ptrs []weak.Pointer[stanza.Stanza]
	for i := range n {
		st := message(i)
		ptrs = append(ptrs, weak.Make(st))
		c.Send(t.Context(), st)
		<-c.out.drained()
		if i%3 == 2 && i < n-keep {
			if err := c.Acked(uint32(i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := c.Acked(n - keep); err != nil {
		t.Fatal(err)
	}
	<-c.out.drained()
	alive := func() (ids []int) {
		runtime.GC()
		for i, p := range ptrs {
			if p.Value() != nil {
				ids = append(ids, i)
			}
		}
		return ids
	}
	if got := alive(); len(got) != keep || got[0] != n-keep {
		t.Errorf("alive: %d", got)
	}
	if got := cap(c.out.acks.kept); got > 4*keepItems {
		t.Errorf("kept is %d long", got)
	}
	c.Close()
	c.Unacked()
	if got := alive(); len(got) > 0 {
		t.Errorf("alive: %d", got)
	}
	runtime.KeepAlive(c)
}

// TestKeptLong: a queue that was once long is not kept, and one that is always
// short does not grow.
func TestKeptLong(t *testing.T) {
	const n = 100_000
	var a acks
	st := message(1)
	for i := range n {
		a.push(st)
		if i > 5 {
			a.release(1)
		}
		for j, st := range a.kept[:cap(a.kept)] {
			if (st != nil) != (j >= a.head && j < len(a.kept)) {
				t.Fatalf("step %d: %d of %d is %v, kept are %d to %d", i, j, cap(a.kept), st, a.head, len(a.kept))
			}
		}
	}
	if cap(a.kept) > 32 || a.waiting() != 6 || a.acked != n-6 {
		t.Error(cap(a.kept), a.waiting(), a.acked)
	}
	for range 1000 {
		a.push(st)
	}
	a.release(1006)
	if a.kept != nil || a.bytes != 0 {
		t.Error(cap(a.kept), a.bytes)
	}
}

// TestSendAllocations: a stream that is not managed allocates nothing for a
// stanza, and one that is not much.
func TestSendAllocations(t *testing.T) {
	for _, managed := range []bool{false, true} {
		tr := &scriptedConn{}
		c := readyConn(tr, Config{})
		if managed {
			c.ManageAfter(enabledXML)
		}
		st, ctx, h := message(1), t.Context(), uint32(0)
		send := func() {
			for range 100 {
				if err := c.Send(ctx, st); err != nil {
					t.Fatal(err)
				}
				h++
			}
			for c.writingNow() {
				runtime.Gosched()
			}
			if managed {
				if err := c.Acked(h); err != nil {
					t.Fatal(err)
				}
			}
			tr.mu.Lock()
			tr.out.Reset()
			tr.mu.Unlock()
		}
		send()
		least := math.Inf(1)
		for range 5 { // other work of the machine empties pools
			least = min(least, testing.AllocsPerRun(20, send))
		}
		if least > 20 {
			t.Errorf("managed %v: %v allocations for 100 stanzas", managed, least)
		}
	}
}

func (c *Conn) writingNow() bool {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	return c.out.writing
}

// TestConcurrentManage: many goroutines send while the counting begins; both sides
// agree on what counts, and the outbox never holds more than it may.
func TestConcurrentManage(t *testing.T) {
	checkGoroutines(t)
	a, b := Pipe()
	c := readyConn(b, Config{MaxOutbox: 4000})
	p := newAckingPeer(a)
	const senders, each = 8, 200
	var wg sync.WaitGroup
	for s := range senders {
		wg.Go(func() {
			for i := range each {
				st, err := stanza.New(stanza.Header{Kind: stanza.KindMessage, ID: fmt.Sprintf("s%d-%d", s, i)})
				if err == nil {
					err = c.Send(t.Context(), st)
				}
				if s == 0 && i == each/3 {
					err = c.ManageAfter(enabledXML)
				}
				switch {
				case err != nil:
					t.Error(err)
				case i%10 == 0:
					c.RequestAck()
				case i%10 == 1:
					c.SendRaw(t.Context(), "<iq/>")
				case i%10 == 2:
					c.Ack(uint32(i)) // before it is managed that is an error
				}
				c.AwaitingAck()
			}
		})
	}
	read := make(chan error)
	go func() { read <- serve(c) }()
	wg.Wait()
	done := make(chan error)
	go func() { done <- c.Shutdown(t.Context(), nil) }()
	if err := <-read; err != io.EOF {
		t.Error(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	<-p.done
	if got := left(c); got != "|" {
		t.Error(got)
	}
	if p.counted != c.out.acks.sent || p.counted != c.out.acks.acked || p.all != senders*each || p.counted == 0 {
		t.Errorf("%d of %d counted, here %d and %d", p.counted, p.all, c.out.acks.sent, c.out.acks.acked)
	}
	if c.out.bytes != 0 || c.out.acks.bytes != 0 {
		t.Errorf("%d bytes, %d kept", c.out.bytes, c.out.acks.bytes)
	}
}

// serve reads a stream as an owner does.
func serve(c *Conn) error {
	var handled uint32
	for {
		st, el, err := c.Next()
		if st != nil {
			handled++
		}
		if err == nil && st == nil {
			_, err = c.ServeManagement(el, &handled)
		}
		if err != nil {
			return err
		}
	}
}

// ackingPeer reads what it is sent, element by element, answers requests, and
// closes the stream when it is closed.
type ackingPeer struct {
	counted uint64
	all     int
	done    chan struct{}
}

func newAckingPeer(rw io.ReadWriteCloser) *ackingPeer {
	p := &ackingPeer{done: make(chan struct{})}
	go p.run(rw)
	return p
}

func (p *ackingPeer) run(rw io.ReadWriteCloser) {
	defer close(p.done)
	io.WriteString(rw, "<stream:stream"+streamDecl+">")
	var got []byte
	buf := make([]byte, 100)
	counts := false
	for {
		n, err := rw.Read(buf)
		if err != nil {
			return
		}
		got = append(got, buf[:n]...)
		for {
			el, rest, ok := bytes.Cut(got, []byte(">"))
			if !ok {
				break
			}
			got = rest
			switch el := string(el) + ">"; {
			case el == end:
				io.WriteString(rw, end)
				return
			case el == enabledXML:
				counts = true
			case el == requestXML:
				rw.Write(AppendAck(nil, uint32(p.counted)))
			case strings.HasPrefix(el, "<message"):
				p.all++
				if counts {
					p.counted++
				}
			}
		}
	}
}

// TestParseAck: a number, or an error.
func TestParseAck(t *testing.T) {
	for _, tt := range []struct {
		xml  string
		h    uint32
		ok   bool
		text string // of the error
	}{
		{"<a xmlns='urn:xmpp:sm:3' h='0'/>", 0, true, ""},
		{"<a xmlns='urn:xmpp:sm:3' h='4294967295'/>", math.MaxUint32, true, ""},
		{"<x:a xmlns:x='urn:xmpp:sm:3' h='12' x:h='13' other='x'>text<child/></x:a>", 12, true, ""},
		{"<a xmlns='urn:xmpp:sm:3' h=' 0012\t'/>", 12, true, ""},
		{"<a xmlns='urn:xmpp:sm:3' h='&#49;2'/>", 12, true, ""},
		{"<a xmlns='urn:xmpp:sm:3'/>", 0, true, "<a/> without h"},
		{"<a xmlns='urn:xmpp:sm:3' xmlns:x='urn:xmpp:sm:3' x:h='1'/>", 0, true, "<a/> without h"},
		{"<a xmlns='urn:xmpp:sm:3' h=''/>", 0, true, `h of <a/> is ""`},
		{"<a xmlns='urn:xmpp:sm:3' h='one'/>", 0, true, `h of <a/> is "one"`},
		{"<a xmlns='urn:xmpp:sm:3' h='-1'/>", 0, true, `h of <a/> is "-1"`},
		{"<a xmlns='urn:xmpp:sm:3' h='+1'/>", 0, true, `h of <a/> is "+1"`},
		{"<a xmlns='urn:xmpp:sm:3' h='1.0'/>", 0, true, `h of <a/> is "1.0"`},
		{"<a xmlns='urn:xmpp:sm:3' h='0x1'/>", 0, true, `h of <a/> is "0x1"`},
		{"<a xmlns='urn:xmpp:sm:3' h='1_0'/>", 0, true, `h of <a/> is "1_0"`},
		{"<a xmlns='urn:xmpp:sm:3' h='1 2'/>", 0, true, `h of <a/> is "1 2"`},
		{"<a xmlns='urn:xmpp:sm:3' h='4294967296'/>", 0, true, `h of <a/> is "4294967296"`},
		{"<a xmlns='urn:xmpp:sm:3' h='" + strings.Repeat("9", 30) + "'/>", 0, true,
			`h of <a/> is "` + strings.Repeat("9", 20) + `"`},
		{"<r xmlns='urn:xmpp:sm:3' h='1'/>", 0, false, ""},
		{"<a xmlns='urn:xmpp:sm:2' h='1'/>", 0, false, ""},
		{"<a xmlns='jabber:client' h='1'/>", 0, false, ""},
	} {
		h, ok, err := ParseAck(element(t, tt.xml))
		if h != tt.h || ok != tt.ok || (err != nil) != (tt.text != "") {
			t.Errorf("%s: %d, %v, %v", tt.xml, h, ok, err)
		}
		if e, _ := errors.AsType[*Error](err); err != nil && (e == nil || e.Condition != BadFormat || e.Text != tt.text) {
			t.Errorf("%s: %v", tt.xml, err)
		}
		if got, want := IsAckRequest(element(t, tt.xml)), strings.HasPrefix(tt.xml, "<r xmlns='urn:xmpp:sm:3'"); got != want {
			t.Errorf("%s: request %v", tt.xml, got)
		}
	}
	if _, ok, err := ParseAck(stanza.Element{}); ok || err != nil {
		t.Error(ok, err)
	}
}

func FuzzParseAck(f *testing.F) {
	for _, h := range []string{"0", "1", "4294967295", "4294967296", "-1", "+1", "", " 1 ", "1e3", "٣", "00000000000000000001"} {
		f.Add("<a xmlns='urn:xmpp:sm:3' h='" + h + "'/>")
	}
	f.Add(requestXML)
	f.Add("<x:a xmlns:x='urn:xmpp:sm:3' h='&#x31;'><b/></x:a>")
	f.Fuzz(func(t *testing.T, text string) {
		el, err := stanza.Raw(text).Element()
		if err != nil {
			return
		}
		h, ok, err := ParseAck(el)
		if ok != el.Is(NSManagement, "a") || !ok && err != nil || err != nil && h != 0 {
			t.Fatalf("%s: %d, %v, %v", text, h, ok, err)
		}
		if !ok {
			return
		}
		// The digits say the same to arithmetic that knows no bounds.
		digits := strings.Trim(el.Attr("h"), " \t\r\n")
		want, good := uint64(0), digits != ""
		for _, d := range []byte(digits) {
			good = good && d >= '0' && d <= '9'
			want = min(want*10+uint64(d)-'0', 1<<40)
		}
		if good = good && want <= math.MaxUint32; good != (err == nil) || good && want != uint64(h) {
			t.Fatalf("%s: %d, %v", text, h, err)
		}
		if err != nil {
			return
		}
		again, ok, err := ParseAck(element(t, string(AppendAck(nil, h))))
		if again != h || !ok || err != nil {
			t.Fatalf("%d became %d: %v, %v", h, again, ok, err)
		}
	})
}

// TestServeManagement: each element, in each role, byte for byte.
func TestServeManagement(t *testing.T) {
	enable := element(t, enableXML)
	failed := func(cond string) string { return fmt.Sprintf(failedXML, cond) }
	for _, tt := range []struct {
		name      string
		initiator bool
		manage    string // already, behind this
		state     State
		xml       string
		ok        bool
		err       Condition
		answer    string
		handled   uint32
		managed   bool
	}{
		{name: "request", manage: enabledXML, xml: requestXML, ok: true, answer: ackXML(5), handled: 5, managed: true},
		{name: "request too early", xml: requestXML, ok: true, err: UnsupportedStanzaType, handled: 5},
		{name: "answer", manage: enabledXML, xml: ackXML(0), ok: true, handled: 5, managed: true},
		{name: "answer too early", xml: ackXML(0), ok: true, err: UnsupportedStanzaType, handled: 5},
		{name: "answer too high", manage: enabledXML, xml: ackXML(1), ok: true, err: UndefinedCondition, handled: 5, managed: true},
		{name: "bad answer", manage: enabledXML, xml: "<a xmlns='urn:xmpp:sm:3' h='x'/>", ok: true, err: BadFormat, handled: 5, managed: true},
		{name: "enable", xml: enableXML, ok: true, answer: enabledXML, managed: true},
		{name: "enable with resumption", xml: "<enable xmlns='urn:xmpp:sm:3' resume='true' max='600'/>", ok: true, answer: enabledXML, managed: true},
		{name: "enable before ready", state: Secure | Authenticated, xml: enableXML, ok: true, answer: failed("unexpected-request"), handled: 5},
		{name: "enable twice", manage: enabledXML, xml: enableXML, ok: true, err: PolicyViolation,
			answer: failed("unexpected-request"), handled: 5, managed: true},
		{name: "enable by the other side", initiator: true, xml: enableXML, handled: 5},
		{name: "resume", xml: "<resume xmlns='urn:xmpp:sm:3' h='1' previd='x'/>", ok: true, answer: failed("feature-not-implemented"), handled: 5},
		{name: "enabled", initiator: true, manage: enableXML, xml: enabledXML, ok: true, managed: true},
		{name: "enabled unasked", initiator: true, xml: enabledXML, ok: true, err: UnsupportedStanzaType},
		{name: "enabled by the other side", xml: enabledXML, handled: 5},
		{name: "failed", initiator: true, manage: enableXML, xml: failed("x"), ok: true, handled: 5},
		{name: "failed by the other side", manage: enabledXML, xml: failed("x"), handled: 5, managed: true},
		{name: "unknown", manage: enabledXML, xml: "<x xmlns='urn:xmpp:sm:3'/>", handled: 5, managed: true},
		{name: "another namespace", manage: enabledXML, xml: "<r xmlns='urn:xmpp:sm:2'/>", handled: 5, managed: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := Pipe()
				p, c := newPeer(t, a), readyConn(b, Config{})
				if c.initiator = tt.initiator; tt.state != 0 {
					c.state.Store(uint32(tt.state))
				}
				if tt.manage != "" {
					c.ManageAfter(tt.manage)
					p.now(tt.manage)
				}
				handled := uint32(5)
				ok, err := c.ServeManagement(element(t, tt.xml), &handled)
				if ok != tt.ok || handled != tt.handled || c.Managed() != tt.managed {
					t.Errorf("%v, handled %d, managed %v", ok, handled, c.Managed())
				}
				if tt.err == "" && err != nil || tt.err != "" && !isCondition(err, tt.err) {
					t.Error(err)
				}
				p.now(tt.answer)
				p.quiet()
				c.Close()
				if _, err := c.ServeManagement(enable, &handled); err != nil && !isCondition(err, PolicyViolation) {
					t.Error(err)
				}
			})
		})
	}
	if err := readyConn(&scriptedConn{}, Config{}).ServeEnable(element(t, requestXML)); !isCondition(err, UnsupportedStanzaType) {
		t.Error(err)
	}
}

// TestEnableLater: an owner enables by itself. The peer is asked for nothing
// before it has agreed, and if it refuses nothing is kept.
func TestEnableLater(t *testing.T) {
	for _, tt := range []struct{ answer, left string }{
		{enabledXML, "m0 m1 m2 m3|"},
		{fmt.Sprintf(failedXML, "internal-server-error"), "|"},
	} {
		synctest.Test(t, func(t *testing.T) {
			size := message(0).Size()
			a, b := Pipe()
			p, c := newPeer(t, a), readyConn(b, Config{MaxOutbox: len(enableXML) + 3*size})
			c.initiator = true
			start := time.Now()
			c.ManageAfter(enableXML)
			sendAll(t, c, 0, 2)
			sendAll(t, c, 2, 3)
			p.now(enableXML + xmlOf(0, 3))
			sent := make(chan error)
			go func() { sent <- c.Send(t.Context(), message(3)) }()
			time.Sleep(time.Second)
			p.quiet() // the outbox is full
			if since, ok := c.AwaitingAck(); !ok || !since.Equal(start) {
				t.Error(since, ok)
			}
			handled := uint32(2)
			if ok, err := c.ServeManagement(element(t, tt.answer), &handled); !ok || err != nil {
				t.Error(ok, err)
			}
			if tt.answer == enabledXML {
				p.now(requestXML)
				acked(t, c, 0)
				time.Sleep(2 * askPause)
				p.now(requestXML)
				// Too late to refuse.
				c.ServeManagement(element(t, fmt.Sprintf(failedXML, "conflict")), &handled)
				if !c.Managed() {
					t.Error("not managed")
				}
				c.out.mu.Lock()
				c.out.limit += size // in place of an acknowledgement
				wake(&c.out.space)
				c.out.mu.Unlock()
			} else if err := c.ManageAfter(enableXML); err != errManaged || c.Managed() {
				t.Error(err) // "at most one attempt"
			}
			if err := <-sent; err != nil {
				t.Error(err)
			}
			p.now(xmlOf(3, 4))
			p.quiet()
			if _, ok := c.AwaitingAck(); ok != c.Managed() {
				t.Error("awaits")
			}
			c.Close()
			if got := left(c); got != tt.left {
				t.Error(got)
			}
		})
	}
}

// TestEnableAcknowledged: a peer that acknowledges agrees.
func TestEnableAcknowledged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe()
		p, c := newPeer(t, a), readyConn(b, Config{})
		c.initiator = true
		c.ManageAfter(enableXML)
		sendAll(t, c, 0, 3)
		p.now(enableXML + xmlOf(0, 3))
		acked(t, c, 1)
		p.quiet()
		c.unmanage()
		time.Sleep(askPause)
		p.now(requestXML)
		c.Close()
		if got := left(c); got != "m1 m2|" {
			t.Error(got)
		}
	})
}

// TestEnableRefusedInFlight: the peer refuses while a stanza that counts is being
// written.
func TestEnableRefusedInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe()
		c := readyConn(b, Config{})
		c.initiator = true
		c.ManageAfter(enableXML)
		sendAll(t, c, 0, 2) // m0 and m1 are queued behind what is being written
		io.ReadFull(a, make([]byte, len(enableXML)+3))
		synctest.Wait()
		c.unmanage()
		p := newPeer(t, a)
		p.now(xmlOf(0, 2)[3:])
		sendAll(t, c, 2, 3)
		p.now(xmlOf(2, 3))
		p.quiet()
		if c.out.bytes != 0 {
			t.Error(c.out.bytes)
		}
		c.Close()
		if got := left(c); got != "|" {
			t.Error(got)
		}
	})
}

const sm = "<sm xmlns='urn:xmpp:sm:3'/>"

// trusting is a feature that authenticates the server at once.
func trusting() Feature {
	return Feature{Name: xml.Name{Space: "urn:x", Local: "trust"}, Negotiate: func(context.Context, *Conn, stanza.Element) (Outcome, error) {
		return Outcome{State: Authenticated}, nil
	}}
}

// TestEnableAcks: the negotiation, as a client. What comes before the answer is
// for Next, and so is the answer.
func TestEnableAcks(t *testing.T) {
	const bind = "<iq type='set' id='bind'><bind xmlns='" + NSBind + "'/></iq>"
	const reply = "<iq type='result' id='bind'><bind xmlns='" + NSBind + "'><jid>rob@capulet.com/balcony</jid></bind></iq>"
	const trust, early = "<trust xmlns='urn:x'/>", "<message id='early'/>"
	features := []Feature{trusting(), Bind("", nil), EnableAcks()}
	for _, tt := range []struct {
		name     string
		features []Feature
		offered  string
		bind     string // what the client says behind its header
		answer   string
		next     string // what Next returns
		managed  bool
		err      string
	}{
		{"enabled", features, trust + offerBind + sm, bind, enabledXML, "enabled", true, ""},
		{"enabled to resume", features, trust + offerBind + sm, bind, "<enabled xmlns='urn:xmpp:sm:3' id='x' resume='true'/>", "enabled", true, ""},
		{"early", features, trust + offerBind + sm, bind, early + "<x xmlns='urn:x'/>" + enabledXML, "early x enabled", true, ""},
		{"failed", features, trust + offerBind + sm, bind, early + fmt.Sprintf(failedXML, "resource-constraint"), "early", false, ""},
		{"failed without a reason", features, trust + offerBind + sm, bind, "<failed xmlns='urn:xmpp:sm:3'/>", "", false, ""},
		{"not offered", features, trust + offerBind, bind, "", "", false, ""},
		{"closed", features, trust + offerBind + sm, bind, end, "", false, ErrPeerClosed.Error()},
		{"too much", features, trust + offerBind + sm, bind, strings.Repeat("<x xmlns='urn:x'>"+strings.Repeat("x", 200_000)+"</x>", 22), "",
			false, "stream error policy-violation: too much before the answer to <enable/>"},
		{"before bind", []Feature{trusting(), EnableAcks(), Bind("", nil)}, trust + offerBind + sm, bind, "", "", false, ""},
		{"nothing but that", []Feature{trusting(), EnableAcks()}, trust + sm, "", "", "", false,
			"stream: cannot go on after authentication: offered {urn:x}trust; offered {urn:xmpp:sm:3}sm (not used before a resource is bound)"},
		{"before authentication", []Feature{EnableAcks()}, sm, "", "", "", false,
			"stream: cannot go on after TLS: offered {urn:xmpp:sm:3}sm (refused before authentication)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, n := initiate(t, Config{}, clientHeader, tt.features)
				p.expect(hello)
				p.send(offer(tt.offered))
				if p.expect(tt.bind); tt.bind != "" {
					p.send(reply)
				}
				if tt.answer != "" {
					p.expect(enableXML)
					p.send(tt.answer)
				}
				c, err := n.wait()
				if err != nil || tt.err != "" {
					if err == nil || err.Error() != tt.err {
						t.Errorf("%v, want %s", err, tt.err)
					}
					return
				}
				if c.Managed() != tt.managed {
					t.Error(c.Managed())
				}
				go p.send("<message id='late'/>")
				handled, got := uint32(0), ""
				for got = range nexts(t, c, &handled) {
				}
				if want := strings.TrimSpace(tt.next + " late"); got != want {
					t.Errorf("next %s, want %s", got, want)
				}
				if want := uint32(1); tt.managed && handled != want {
					t.Errorf("%d handled", handled)
				}
				sendAll(t, c, 0, 1)
				if p.expect(xmlOf(0, 1)); tt.managed {
					time.Sleep(askPause)
					p.expect(requestXML)
				}
				p.quiet()
				c.Close()
				if got := len(c.Unacked()) == 1; got != tt.managed {
					t.Error("unacked:", got)
				}
			})
		})
	}
}

// nexts yields what Next has returned so far, up to the message "late", as an owner
// handles it.
func nexts(t *testing.T, c *Conn, handled *uint32) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		var got []string
		for len(got) == 0 || got[len(got)-1] != "late" {
			st, el, err := c.Next()
			if err != nil {
				t.Error(err)
				return
			}
			if st != nil {
				got = append(got, st.ID)
				*handled++
			} else {
				got = append(got, el.Name().Local)
				if _, err := c.ServeManagement(el, handled); err != nil {
					t.Error(err)
				}
			}
			if !yield(strings.Join(got, " ")) {
				return
			}
		}
	}
}

// TestEnableAcksReason: why it is not used, as the negotiation reports it; and a
// stream that breaks.
func TestEnableAcksReason(t *testing.T) {
	for answer, want := range map[string]stanza.Condition{
		fmt.Sprintf(failedXML, "unexpected-request"): stanza.UnexpectedRequest,
		"<failed xmlns='urn:xmpp:sm:3' h='1'><x xmlns='urn:x'/><text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>no</text>" +
			"<item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>": stanza.ItemNotFound,
		"<failed xmlns='urn:xmpp:sm:3'/>": stanza.UndefinedCondition,
	} {
		p, n := initiate(t, Config{}, Header{To: capulet, Version: V1, Content: stanza.NSServer}, []Feature{trusting(), EnableAcks()})
		server := strings.NewReplacer("jabber:client", "jabber:server")
		p.expect(server.Replace(hello))
		p.send(server.Replace(offer("<trust xmlns='urn:x'/>" + sm)))
		p.expect(enableXML)
		p.send(answer)
		_, err := n.wait()
		e, _ := errors.AsType[*NegotiationError](err)
		if e == nil || !errors.Is(e.Skipped[managementName], want) || !errors.Is(err, ErrSkip) {
			t.Errorf("%s: %v", answer, err)
		}
	}
	tr := &scriptedConn{limited: true}
	c := readyConn(tr, Config{})
	c.initiator = true
	f := EnableAcks()
	if _, err := f.Negotiate(t.Context(), c, stanza.Element{}); err != errWire {
		t.Error(err)
	}
	if _, err := f.Negotiate(t.Context(), c, stanza.Element{}); err != errWire {
		t.Error(err)
	}
}

// TestOfferAcks: the receiver's side, for clients and servers.
func TestOfferAcks(t *testing.T) {
	failed := func(cond string) string { return fmt.Sprintf(failedXML, cond) }
	const features = "<stream:features>" + sm + offerBind + "</stream:features>"
	for _, tt := range []struct {
		name, content string
		say, want     string // behind the features
		managed       bool
		err           string
	}{
		{"client before bind", stanza.NSClient, enableXML + askBind, failed("unexpected-request") + bound, false, ""},
		{"client resumes", stanza.NSClient, "<resume xmlns='urn:xmpp:sm:3' h='1' previd='x'/>" + askBind, failed("feature-not-implemented") + bound, false, ""},
		{"client behind bind", stanza.NSClient, askBind + enableXML, bound + enabledXML, true, ""},
		{"server", stanza.NSServer, enableXML, enabledXML, true, ""},
		{"server twice", stanza.NSServer, enableXML + enableXML, enabledXML + failed("unexpected-request") +
			streamError("policy-violation", "stream management is enabled already"), true, "stream error policy-violation: stream management is enabled already"},
		{"in an iq", stanza.NSServer, "<iq type='set' id='x'>" + enableXML + "</iq>", streamError("not-authorized", "iq before the stream is ready"), false, "-"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := Pipe()
				p := newPeer(t, a)
				n := background(func() (*Conn, error) {
					return Accept(t.Context(), b, Config{}, func(c *Conn, in Header) (Header, []Feature, error) {
						c.reach(Outcome{State: Authenticated})
						return Header{Content: tt.content, From: capulet, Version: V1, Lang: "en"}, []Feature{OfferAcks(), bindRob()}, nil
					})
				})
				content := strings.NewReplacer("jabber:client", tt.content)
				p.send(content.Replace(hello))
				p.expect(content.Replace(answer) + features)
				p.send(tt.say)
				c, err := n.wait()
				if err != nil {
					if tt.err == "" {
						t.Error(err)
					}
					p.expect(tt.want)
					return
				}
				read := make(chan error)
				go func() {
					err := serve(c)
					c.Fail(err)
					read <- err
				}()
				p.expect(tt.want)
				if tt.err == "" {
					sendAll(t, c, 0, 1)
					if p.expect(xmlOf(0, 1)); tt.managed {
						p.expect(requestXML)
						p.send("<message/>" + ackXML(1) + requestXML + end)
						p.expect(ackXML(1) + end)
					} else {
						p.send(end)
						p.expect(end)
					}
				}
				p.close()
				if err := <-read; tt.err == "" && err != io.EOF || tt.err != "" && err.Error() != tt.err {
					t.Error(err)
				}
				if c.Managed() != tt.managed {
					t.Error(c.Managed())
				}
				if got := left(c); got != "|" {
					t.Error(got)
				}
			})
		})
	}
	f := OfferAcks()
	if f.usable(Secure) || !f.usable(Authenticated) || !f.usable(Authenticated|Ready) {
		t.Error("offered in the wrong state")
	}
}

func ExampleConn_ServeManagement() {
	serve := func(c *Conn, handle func(*stanza.Stanza)) error {
		var handled uint32
		for {
			st, el, err := c.Next()
			switch {
			case err != nil:
				return err
			case st != nil:
				handle(st)
				handled++
				continue
			}
			if ok, err := c.ServeManagement(el, &handled); !ok || err != nil {
				return cmp.Or(err, error(UnsupportedStanzaType))
			}
		}
	}
	_ = serve
}

// BenchmarkSendManaged is BenchmarkSend with a peer that acknowledges now and then.
func BenchmarkSendManaged(b *testing.B) {
	tr := &scriptedConn{}
	c := readyConn(tr, Config{})
	c.ManageAfter(enabledXML)
	acknowledge := func() {
		c.out.mu.Lock()
		sent := c.out.acks.sent
		c.out.mu.Unlock()
		if err := c.Acked(uint32(sent)); err != nil {
			b.Fatal(err)
		}
		if tr.mu.Lock(); tr.out.Len() > 1<<20 {
			tr.out.Reset()
		}
		tr.mu.Unlock()
	}
	st, n := message(1), 0
	b.ReportAllocs()
	for b.Loop() {
		for c.TrySend(st) != nil {
			acknowledge()
			runtime.Gosched()
		}
		if n++; n%askStanzas == 0 {
			acknowledge()
		}
	}
	<-c.out.drained()
}
