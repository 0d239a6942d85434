package stream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp/stanza"
)

const enabledID = "<enabled xmlns='urn:xmpp:sm:3' id='some-long-sm-id' resume='true'/>"

// resumable returns a stream that can be resumed, and its peer, which has read
// <enabled/>. It is for a bubble of synctest.
func resumable(t *testing.T, cfg Config) (*peer, *Conn) {
	t.Helper()
	a, b := Pipe()
	p, c := newPeer(t, a), readyConn(b, cfg)
	writer, err := c.manage(enabledID, Grant{ID: "some-long-sm-id", Max: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	writer.start()
	p.now(enabledID)
	t.Cleanup(func() { c.Close() })
	return p, c
}

// another returns a connection that can go on with a session, and its peer.
func another(t *testing.T, cfg Config) (*peer, *Conn) {
	t.Helper()
	a, b := Pipe()
	p, c := newPeer(t, a), readyConn(b, cfg)
	t.Cleanup(func() { c.Close() })
	return p, c
}

// resumedXML is what a session goes on with.
func resumedXML(h uint32) string {
	return fmt.Sprintf("<resumed xmlns='urn:xmpp:sm:3' h='%d' previd='some-long-sm-id'/>", h)
}

// takenOver has c go on with the session of old.
func takenOver(t *testing.T, c, old *Conn, h uint32) {
	t.Helper()
	writer, err := c.takeOver(old, resumedXML(7), h)
	if err != nil {
		t.Fatal(err)
	}
	writer.start()
	synctest.Wait()
}

// TestDetached: what a session outlives, and what it does not.
func TestDetached(t *testing.T) {
	remote := func(c Condition) error { return &Error{Condition: c, Remote: true} }
	fail := func(err error) func(*testing.T, *peer, *Conn) {
		return func(_ *testing.T, _ *peer, c *Conn) { c.Fail(err) }
	}
	for _, tt := range []struct {
		name     string
		end      func(*testing.T, *peer, *Conn)
		detached bool
		last     string // what the peer is told
	}{
		{"XEP-0198-7 the connection ends", func(_ *testing.T, p *peer, c *Conn) {
			p.nc.Close()
			c.Fail(drain(c))
		}, true, ""},
		{"the connection fails while it is written", func(t *testing.T, p *peer, c *Conn) {
			p.nc.Close()
			sendAll(t, c, 1, 2)
			if !c.Detached() {
				t.Error("it takes the reader")
			}
			c.Fail(drain(c))
		}, true, ""},
		{"the peer does not read", func(t *testing.T, p *peer, c *Conn) {
			a, b := Pipe() // nobody reads
			d := readyConn(b, Config{WriteTimeout: time.Second})
			d.manage("", Grant{ID: "x"})
			d.Send(t.Context(), message(1))
			time.Sleep(time.Second + 1)
			synctest.Wait()
			if !d.Detached() {
				t.Error("not detached")
			}
			d.Close()
			a.Close()
			c.Detach(nil)
		}, true, ""},
		{"half a stanza", func(t *testing.T, p *peer, c *Conn) {
			go p.send("<stream:stream" + streamDecl + "><message")
			err := drain(c)
			if !isCondition(err, ConnectionTimeout) {
				t.Error(err)
			}
			c.Fail(err)
		}, true, streamError("connection-timeout", "nothing more came in time")},
		{"the peer has waited too long", fail(remote(ConnectionTimeout)), true, ""},
		{"given up", func(t *testing.T, p *peer, c *Conn) {
			if !c.Detach(nil) || !c.Detach(&Error{Condition: Conflict}) {
				t.Error("not detached")
			}
		}, true, ""},
		{"XEP-0198-5 replaced", func(t *testing.T, p *peer, c *Conn) { c.Detach(&Error{Condition: Conflict}) }, true, streamError("conflict", "")},
		{"detached, then closed by the peer", func(_ *testing.T, p *peer, c *Conn) {
			c.Detach(nil)
			c.Fail(io.EOF) // that was read late
		}, false, ""},
		{"detached, then broken", func(_ *testing.T, p *peer, c *Conn) {
			c.Detach(nil)
			c.Fail(drain(c))
		}, true, ""},
		{"closed by the peer", fail(io.EOF), false, end},
		{"the peer's error", fail(remote(Conflict)), false, end},
		{"an error", fail(NotWellFormed), false, streamError("not-well-formed", "")},
		{"fails for nothing", fail(nil), false, end},
		{"closed", func(_ *testing.T, _ *peer, c *Conn) { c.Close() }, false, ""},
		{"broken while it is closed", func(t *testing.T, p *peer, c *Conn) {
			done := make(chan error)
			go func() { done <- c.Shutdown(t.Context(), nil) }()
			p.wait(end)
			p.nc.Close()
			c.Fail(drain(c))
			if err := <-done; err != nil && err != ErrClosed {
				t.Error(err)
			}
		}, false, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, c := resumable(t, Config{})
				sendAll(t, c, 0, 1)
				p.now(xmlOf(0, 1) + requestXML)
				tt.end(t, p, c)
				if c.Detached() != tt.detached {
					t.Errorf("detached %v", c.Detached())
				}
				_, ok := c.Resumption(0)
				if err := c.TrySend(message(9)); (err == nil) != tt.detached || ok != tt.detached {
					t.Errorf("%v, can be resumed %v", err, ok)
				}
				if got := p.rest(); got != tt.last {
					t.Errorf("the peer was told %s", got)
				}
				c.Close()
				if c.Detached() {
					t.Error("detached for ever")
				}
			})
		})
	}
	t.Run("not granted", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p, c := manage(t, Config{})
			p.nc.Close()
			if c.Detach(nil) || c.Detached() {
				t.Error("detached")
			}
			c.Fail(drain(c))
			if c.Detached() {
				t.Error("detached")
			}
			if c := readyConn(&scriptedConn{}, Config{}); c.Detach(nil) || c.Resumed() {
				t.Error("not managed, and detached")
			}
		})
	})
	t.Run("the peer has not heard of it", func(t *testing.T) {
		for limit := range len(enabledID) {
			tr := &scriptedConn{limited: true, limit: limit}
			c := readyConn(tr, Config{})
			writer, _ := c.manage(enabledID, Grant{ID: "x"})
			c.Send(t.Context(), message(1))
			writer.start()
			<-c.out.drained()
			if c.Detached() || c.Detach(nil) || left(c) != "|m1" {
				t.Errorf("%d bytes: detached", limit)
			}
		}
	})
}

// TestWhileDetached: what a stream does whose connection is lost.
func TestWhileDetached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		size := message(0).Size()
		p, c := resumable(t, Config{MaxDetached: 5*size + size/2})
		sendAll(t, c, 0, 1)
		p.now(xmlOf(0, 1) + requestXML)
		acked(t, c, 1)
		sendAll(t, c, 1, 3)
		p.now(xmlOf(1, 3))
		if !c.out.acks.armed {
			t.Error("no timer")
		}
		if err := c.Flush(t.Context()); err != nil {
			t.Error(err)
		}
		c.Detach(nil)
		if a := c.out.acks; a.armed || a.timer != nil || c.out.writing {
			t.Error("a timer or a writer")
		}
		for i := 3; i < 6; i++ {
			if err := c.TrySend(message(i)); err != nil {
				t.Error(err)
			}
		}
		if err := c.TrySend(message(6)); err != ErrOutboxFull {
			t.Error(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := c.Send(ctx, message(6)); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		for name, err := range map[string]error{
			"SendRaw":    c.SendRaw(t.Context(), " "),
			"TrySendRaw": c.TrySendRaw(" "),
		} {
			if err != ErrDetached {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := c.Flush(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if err := c.Ack(3); err != nil {
			t.Error(err)
		}
		c.RequestAck()
		if _, ok := c.AwaitingAck(); ok || !c.Managed() || c.Closing() {
			t.Error("awaits an answer of nobody")
		}
		handled := uint64(3)
		for _, xml := range []string{requestXML, ackXML(2)} { // read late
			if ok, err := c.ServeManagement(element(t, xml), &handled); !ok || err != nil {
				t.Error(ok, err)
			}
		}
		if err := c.acked(4); !isCondition(err, UndefinedCondition) {
			t.Error(err) // it was never sent
		}
		acked(t, c, 1)
		if r, ok := c.Resumption(9); !ok || r.ID != "some-long-sm-id" || r.Handled != 9 || r.Acked != 2 || ids(r.Unacked) != "m2 m3 m4 m5" {
			t.Errorf("%+v %v", r, ok)
		}
		if got := left(c); got != "|" {
			t.Error(got)
		}
		if err := c.TrySend(message(6)); err != nil { // there is room for it by now
			t.Error(err)
		}
		sent := make(chan error, 1)
		go func() { sent <- c.Send(t.Context(), message(7)) }()
		synctest.Wait()
		if err := c.Shutdown(t.Context(), nil); err != ErrDetached {
			t.Error(err)
		}
		if err := <-sent; err != ErrClosed {
			t.Error(err)
		}
		if got := left(c); got != "m2|m3 m4 m5 m6" {
			t.Error(got)
		}
		if got := left(c); got != "|" {
			t.Error("twice", got)
		}
		p.rest()
	})
}

// TestTakeOver: another connection goes on with the session, byte for byte.
func TestTakeOver(t *testing.T) {
	checkGoroutines(t)
	synctest.Test(t, func(t *testing.T) {
		p, old := resumable(t, Config{})
		sendAll(t, old, 0, 1)
		acked(t, old, 1)
		sendAll(t, old, 1, 4)
		p.now(xmlOf(0, 1) + requestXML + xmlOf(1, 4))
		p.nc.Close()
		sendAll(t, old, 4, 6)
		if !old.Detached() {
			t.Error("not detached")
		}
		flushed := make(chan error)
		go func() { flushed <- old.Flush(context.Background()) }()

		p, c := another(t, Config{})
		c.SendRaw(t.Context(), "<x/>") // as the negotiation does
		p.now("<x/>")
		takenOver(t, c, old, 3)
		p.now(resumedXML(7) + xmlOf(3, 6) + requestXML)
		if err := <-flushed; err != nil {
			t.Error(err)
		}
		if !c.Resumed() || old.Resumed() || old.Detached() || c.Detached() || !c.Managed() {
			t.Error("not resumed")
		}
		// Whoever has the old one need not know.
		sendAll(t, old, 6, 7)
		sendAll(t, c, 7, 8)
		p.now(xmlOf(6, 8))
		for name, err := range map[string]error{
			"SendRaw":  old.SendRaw(t.Context(), " "),
			"Shutdown": old.Shutdown(t.Context(), nil),
		} {
			if err != ErrDetached {
				t.Errorf("%s: %v", name, err)
			}
		}
		old.Fail(io.EOF)
		old.Close()
		if old.Ack(9) != nil || old.acked(99) != nil || old.Detach(nil) {
			t.Error("the old connection does something")
		}
		p.quiet()
		acked(t, c, 6)
		time.Sleep(askPause)
		p.now(requestXML)
		if err := c.acked(9); !isCondition(err, UndefinedCondition) {
			t.Error(err)
		}
		c.Ack(12)
		p.now(ackXML(12))

		// And once more, while it is being written.
		c.Detach(&Error{Condition: Conflict})
		p.now(streamError("conflict", ""))
		p, last := another(t, Config{})
		takenOver(t, last, c, 6)
		p.now(resumedXML(7) + xmlOf(6, 8) + requestXML)
		sendAll(t, old, 8, 9)
		p.now(xmlOf(8, 9))
		if old.out.lock() != last.out.moved {
			t.Error("there are several")
		}
		last.out.moved.mu.Unlock()
		last.Close()
		if got := left(old); got != "m6 m7 m8|" {
			t.Error(got)
		}
	})
}

// TestTakeOverFails: it does, and nothing has changed.
func TestTakeOverFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, old := resumable(t, Config{})
		sendAll(t, old, 0, 3)
		_, c := another(t, Config{})
		is := func(c *Conn, h uint32, want error) {
			t.Helper()
			writer, err := c.takeOver(old, resumedXML(7), h)
			if _, isStream := errors.AsType[*Error](err); err != want && !(want == UndefinedCondition && isStream) || writer != nil {
				t.Errorf("%v, want %v", err, want)
			}
		}
		is(c, 3, errGone) // it has a connection
		old.Detach(nil)
		is(c, 4, UndefinedCondition)
		_, used := another(t, Config{})
		sendAll(t, used, 5, 6)
		is(used, 3, errInUse)
		_, managed := another(t, Config{})
		managed.manageAfter(enabledXML)
		is(managed, 3, errInUse)
		_, closed := another(t, Config{})
		closed.Close()
		is(closed, 3, ErrClosed)
		_, closing := another(t, Config{})
		closing.sendEnd(nil)
		is(closing, 3, errInUse)
		if r, ok := old.Resumption(0); !ok || r.Acked != 0 || ids(r.Unacked) != "m0 m1 m2" {
			t.Errorf("%+v %v", r, ok)
		}
		takenOver(t, c, old, 3)
		_, late := another(t, Config{})
		is(late, 3, errGone)
		is(c, 3, errInUse)
		c.Detach(nil)
		is(late, 3, errGone) // it is that of c
		c.Close()
		old = c
		is(late, 3, errGone)
		p.rest()
	})
}

// TestLateAckMakesRoom: an acknowledgement that is read when the connection is lost
// already makes room for who waits.
func TestLateAckMakesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c := resumable(t, Config{MaxDetached: message(0).Size() * 5 / 2})
		sendAll(t, c, 0, 2)
		c.Detach(nil)
		if err := c.TrySend(message(2)); err != ErrOutboxFull {
			t.Fatal(err)
		}
		sent := make(chan error, 1)
		go func() { sent <- c.Send(t.Context(), message(2)) }()
		synctest.Wait()
		acked(t, c, 1)
		select {
		case err := <-sent:
			if err != nil {
				t.Error(err)
			}
		default:
			t.Error("it waits still")
			c.Close()
		}

		flushed := make(chan error, 1)
		go func() { flushed <- c.Flush(context.Background()) }()
		synctest.Wait()
		select {
		case err := <-flushed:
			t.Error("flushed:", err)
		default:
		}
		c.out.acks.tried = 3 // the last one was written before, too
		acked(t, c, 3)
		if err := <-flushed; err != nil {
			t.Error(err)
		}
	})
}

// TestAttachMakesRoom: MaxDetached does not hold any more when there is a connection,
// even one that nobody reads from yet.
func TestAttachMakesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, old := resumable(t, Config{MaxDetached: message(0).Size()})
		old.Detach(nil)
		sendAll(t, old, 0, 1)
		sent := make(chan error, 1)
		go func() { sent <- old.Send(t.Context(), message(1)) }()
		synctest.Wait()
		a, b := Pipe()
		defer a.Close()
		c := readyConn(b, Config{})
		defer c.Close()
		takenOver(t, c, old, 0)
		select {
		case err := <-sent:
			if err != nil {
				t.Error(err)
			}
		default:
			t.Error("it waits still")
		}
	})
}

// TestResumptionInFlight: what is being written, in several pieces, is in a Resumption
// wherever it is.
func TestResumptionInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		c := readyConn(&scriptedConn{gate: gate}, Config{})
		c.manage("", Grant{ID: "x"})
		for range 4 {
			c.Send(t.Context(), sized(t, writeChunk+200))
			synctest.Wait() // the first one is being written, the others are the next batch
		}
		for written := range 4 {
			if r, ok := c.Resumption(0); !ok || len(r.Unacked) != 4 {
				t.Errorf("%d of 4 when %d are written", len(r.Unacked), written)
			}
			gate <- struct{}{}
			synctest.Wait()
		}
		close(gate)
		synctest.Wait()
		c.Close()
	})
}

// TestDetachUnheard: a session that the peer has not heard of cannot be waited for.
func TestDetachUnheard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe() // nobody reads
		defer a.Close()
		c := readyConn(b, Config{})
		writer, err := c.manage(enabledID, Grant{ID: "some-long-sm-id"})
		if err != nil {
			t.Fatal(err)
		}
		writer.start()
		c.Send(t.Context(), message(0))
		synctest.Wait()
		if c.Detach(nil) {
			t.Error("detached")
		}
		if got := left(c); c.Detached() || got != "|m0" {
			t.Errorf("left %s", got)
		}
	})
}

// TestTakeOverWhileDetaching: who gives a connection up waits for the writer of that one,
// not for that of the connection which has come meanwhile.
func TestTakeOverWhileDetaching(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe() // nobody reads
		old := readyConn(b, Config{})
		defer a.Close()
		old.manage("", Grant{ID: "x"})
		old.Send(t.Context(), message(0))
		synctest.Wait()
		writing, ok := old.out.detach(old)
		if !ok || writing == nil {
			t.Fatal("not while it is written to")
		}
		if _, ok := old.AwaitingAck(); ok {
			t.Error("an answer is expected from a connection that is lost")
		}
		_, early := another(t, Config{})
		if _, err := early.takeOver(old, resumedXML(7), 0); err != errGone {
			t.Error("taken over while it is written to:", err)
		}
		old.tr.Close()
		<-writing

		a, b = Pipe()
		c := readyConn(b, Config{})
		defer a.Close()
		takenOver(t, c, old, 0)
		if old.Detach(nil) {
			t.Error("it has another connection")
		}
		select {
		case <-c.out.drained():
			t.Error("nothing is written")
		case <-writing:
		}
		c.Close()
	})
}

// TestTakeOverWithdrawn: of a session of which something was taken back, with which
// nobody can go on.
func TestTakeOverWithdrawn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, old := resumable(t, Config{})
		sendAll(t, old, 0, 3)
		old.Detach(nil)
		old.Withdraw()
		_, c := another(t, Config{})
		if _, err := c.takeOver(old, resumedXML(7), 3); err != errGone {
			t.Error(err)
		}
		if _, ok := old.Resumption(0); ok {
			t.Error("it can be resumed")
		}
		if err := old.acked(0); err != nil {
			t.Error(err)
		}
		old.Close()
		if got := left(old); got != "m0 m1 m2|" {
			t.Error(got)
		}
	})
}

// TestBrokenOffInFlight: when a write breaks off that has several pieces each stanza is
// there once, and no timer is left.
func TestBrokenOffInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, id := range []string{"x", ""} {
			tr := &scriptedConn{}
			c := readyConn(tr, Config{})
			c.manage("", Grant{ID: id})
			sendAll(t, c, 0, 1)
			acked(t, c, 1) // the next one is asked for after a pause
			tr.gate = make(chan struct{})
			sendAll(t, c, 1, 2)
			for range 3 {
				c.Send(t.Context(), sized(t, writeChunk+200))
			}
			tr.gate <- struct{}{}
			synctest.Wait()
			tr.limited, tr.limit = true, tr.out.Len() // what is written now is written in vain
			close(tr.gate)
			synctest.Wait()
			if r, ok := c.Resumption(0); ok != (id != "") || ok && len(r.Unacked) != 4 {
				t.Errorf("id %q: %d of 4 stanzas", id, len(r.Unacked))
			}
			if c.out.acks.armed {
				t.Errorf("id %q: a timer is left", id)
			}
			c.Close()
			if n := len(c.Unacked()) + len(c.Unsent()); n != 4 {
				t.Errorf("id %q: %d of 4 stanzas are left", id, n)
			}
		}
	})
}

// TestTakeOverNoStanza: what is no stanza belonged to the connection, and is not written
// on another one.
func TestTakeOverNoStanza(t *testing.T) {
	gate := make(chan struct{})
	old := readyConn(&scriptedConn{limited: true, gate: gate}, Config{})
	old.manage("", Grant{ID: "x"})
	for i := range 2 {
		old.Send(t.Context(), message(i))
		old.SendRaw(t.Context(), "<x/>")
	}
	close(gate)
	<-old.out.drained()
	c := readyConn(&scriptedConn{}, Config{})
	writer, err := c.takeOver(old, resumedXML(7), 0)
	if err != nil {
		t.Fatal(err)
	}
	writer.start()
	<-c.out.drained()
	if got, want := c.tr.(*scriptedConn).out.String(), resumedXML(7)+xmlOf(0, 2)+requestXML; got != want {
		t.Errorf("got %s", got)
	}
	c.Close()
}

// TestTakeOverBrokenOff: a stanza whose last byte was not written for all that is known
// may have arrived.
func TestTakeOverBrokenOff(t *testing.T) {
	for h := range uint32(4) {
		old := readyConn(&scriptedConn{limited: true, limit: len(xmlOf(0, 2)) - 1}, Config{})
		old.manage("", Grant{ID: "x"})
		for i := range 3 {
			old.Send(t.Context(), message(i))
			<-old.out.drained()
		}
		c := readyConn(&scriptedConn{}, Config{})
		writer, err := c.takeOver(old, resumedXML(7), h)
		if h > 2 {
			if !isCondition(err, UndefinedCondition) {
				t.Errorf("%d: %v", h, err)
			}
			continue
		}
		if err != nil {
			t.Fatalf("%d: %v", h, err)
		}
		writer.start()
		<-c.out.drained()
		if got, want := c.tr.(*scriptedConn).out.String(), resumedXML(7)+xmlOf(int(h), 3)+requestXML; got != want {
			t.Errorf("%d: got %s", h, got)
		}
		c.Close()
	}
}

// TestTakeOverAsks: who waits for an acknowledgement does not wait for a pause behind
// what is written again.
func TestTakeOverAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, old := resumable(t, Config{})
		old.Detach(nil)
		for range 3 {
			old.Send(t.Context(), sized(t, writeChunk))
		}
		confirmed := make(chan error, 1)
		go func() { confirmed <- old.Confirm(t.Context(), message(0)) }()
		synctest.Wait()
		old.out.acks.urgent = false // as if it had been asked before
		p, c := another(t, Config{})
		takenOver(t, c, old, 0)
		p.wait(requestXML)
		for h := range uint32(5) {
			acked(t, c, h)
		}
		if got, _ := p.text(); !strings.HasSuffix(got, message(0).String()+requestXML) {
			t.Errorf("not asked: %.100s", got)
		}
		if err := <-confirmed; err != nil {
			t.Error(err)
		}
	})
}

// TestTakeOverCut: what is written again and breaks off again is unacked, for it may
// have arrived the first time; what never was is unsent.
func TestTakeOverCut(t *testing.T) {
	const n = 6
	all := resumedXML(7) + xmlOf(2, n)
	for limit := range len(all) {
		tr := &scriptedConn{}
		old := readyConn(tr, Config{})
		old.manage("", Grant{ID: "x"})
		for i := range 4 {
			old.Send(t.Context(), message(i))
			<-old.out.drained()
		}
		old.Detach(nil)
		for i := 4; i < n; i++ {
			old.Send(t.Context(), message(i))
		}
		c := readyConn(&scriptedConn{limited: true, limit: limit}, Config{})
		writer, err := c.takeOver(old, resumedXML(7), 2)
		if err != nil {
			t.Fatal(err)
		}
		writer.start()
		<-c.out.drained()
		if !c.Detached() {
			t.Fatalf("%d bytes: not detached", limit)
		}
		whole := max(4, 2+strings.Count(all[:limit], "</message>"))
		if r, _ := c.Resumption(0); r.Acked != 2 || ids(r.Unacked) != "m2 m3 m4 m5" {
			t.Fatalf("%d bytes: %+v", limit, r)
		}
		c.Close()
		if got, want := left(c), strings.Fields("m0 m1 m2 m3 m4 m5"); got != strings.Join(want[2:whole], " ")+"|"+strings.Join(want[whole:], " ") {
			t.Fatalf("%d bytes: %s", limit, got)
		}
	}
	// The same for one that ends by an error.
	synctest.Test(t, func(t *testing.T) {
		p, old := resumable(t, Config{})
		sendAll(t, old, 0, 4)
		p.wait(requestXML)
		old.Detach(nil)
		sendAll(t, old, 4, 6)
		a, b := Pipe() // nobody reads
		c := readyConn(b, Config{CloseTimeout: time.Second})
		takenOver(t, c, old, 2)
		c.Fail(NotWellFormed)
		if got := left(c); got != "m2 m3|m4 m5" {
			t.Error(got)
		}
		a.Close()
	})
}

// TestTakeOverWraps: a session goes on over 2^32.
func TestTakeOverWraps(t *testing.T) {
	const start = 1<<32 - 3
	for _, tt := range []struct {
		h       uint32
		acked   uint64
		tooMuch bool
	}{
		{h: 1<<32 - 4, acked: 0}, {h: 1<<32 - 3, acked: 0}, {h: 1<<32 - 1, acked: 2}, {h: 0, acked: 3}, {h: 2, acked: 5},
		{h: 3, tooMuch: true}, {h: 1 << 30, tooMuch: true},
	} {
		synctest.Test(t, func(t *testing.T) {
			p, old := resumable(t, Config{})
			a := old.out.acks
			a.queued, a.sent, a.acked = start, start, start
			sendAll(t, old, 0, 5)
			p.wait(requestXML)
			old.Detach(nil)
			p, c := another(t, Config{})
			writer, err := c.takeOver(old, "", tt.h)
			if tt.tooMuch {
				if e, ok := errors.AsType[*Error](err); !ok || !strings.Contains(string(e.App), fmt.Sprintf("h='%d' send-count='2'", tt.h)) {
					t.Errorf("%d: %v", tt.h, err)
				}
				return
			}
			writer.start()
			want := xmlOf(int(tt.acked), 5)
			if want != "" {
				want += requestXML
			}
			p.now(want)
			p.quiet()
			acked(t, c, 2)
			if r, ok := c.Resumption(0); !ok || r.Acked != start+5 || r.Unacked != nil {
				t.Errorf("%d: %+v", tt.h, r)
			}
		})
	}
}

// TestNewDetached: a session that another process has begun.
func TestNewDetached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := Resumption{Grant: Grant{ID: "id", Location: "x:1", Max: time.Minute}, Handled: 1 << 40, Acked: 1<<32 - 2,
			Unacked: []*stanza.Stanza{message(0), message(1), message(2)}}
		c := NewDetached(Config{MaxDetached: 4 * message(0).Size()}, r)
		if !c.Detached() || !c.Managed() || c.State()&Ready == 0 {
			t.Error("not there")
		}
		if got, ok := c.Resumption(1 << 40); !ok || fmt.Sprint(got) != fmt.Sprint(r) {
			t.Errorf("%+v", got)
		}
		if _, _, err := c.Next(); !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		<-c.Ended()
		if err := c.TrySend(message(3)); err != nil {
			t.Error(err)
		}
		if err := c.TrySend(message(4)); err != ErrOutboxFull {
			t.Error(err)
		}
		if c.TLS() != nil || c.Transport().RemoteAddr().String() != "no connection" || c.Transport().LocalAddr().Network() != "none" {
			t.Error("a connection")
		}
		if _, err := c.Transport().Write(nil); err != net.ErrClosed {
			t.Error(err)
		}
		if err := errors.Join(c.Transport().SetDeadline(past), c.Transport().SetWriteDeadline(past), c.Transport().StartTLS(t.Context(), nil, false)); !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		p, next := another(t, Config{})
		takenOver(t, next, c, 0)
		p.now(resumedXML(7) + xmlOf(2, 4) + requestXML)
		next.Close()
		if got := left(c); got != "m2 m3|" {
			t.Error(got)
		}
		c = NewDetached(Config{}, Resumption{Grant: Grant{ID: "id"}, Unacked: r.Unacked[:1]})
		sendAll(t, c, 5, 6)
		c.Close()
		if got := left(c); got != "m0|m5" {
			t.Error(got)
		}
	})
}

// TestResumption: it is right at any time, also while a stanza is being written.
func TestResumption(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		tr := &scriptedConn{gate: gate}
		c := readyConn(tr, Config{})
		if _, ok := c.Resumption(0); ok {
			t.Error("not managed")
		}
		writer, _ := c.manage("", Grant{ID: "x"})
		writer.start()
		check := func(acked uint64, want string) {
			t.Helper()
			synctest.Wait()
			if r, ok := c.Resumption(0); !ok || r.Acked != acked || ids(r.Unacked) != want {
				t.Errorf("%d, %s, %v, want %s", r.Acked, ids(r.Unacked), ok, want)
			}
		}
		check(0, "")
		for i := range 3 {
			c.Send(t.Context(), message(i))
		}
		check(0, "m0 m1 m2")
		gate <- struct{}{}
		check(0, "m0 m1 m2")
		acked(t, c, 1)
		check(1, "m1 m2")
		close(gate)
		check(1, "m1 m2")
		acked(t, c, 3)
		check(3, "")
		c.Close()
		if _, ok := c.Resumption(0); ok {
			t.Error("closed")
		}
	})
}

// TestDetachWhileWriting: who is told why its connection ends is so behind what is being
// written, unless that takes too long.
func TestDetachWhileWriting(t *testing.T) {
	for _, late := range []time.Duration{detachTimeout / 2, 2 * detachTimeout} {
		synctest.Test(t, func(t *testing.T) {
			a, b := Pipe()
			c := readyConn(b, Config{})
			c.manage("", Grant{ID: "x"})
			c.Send(t.Context(), message(1))
			synctest.Wait() // it is being written, and nobody reads
			begin, ended := time.Now(), make(chan bool, 1)
			go func() { ended <- c.Detach(&Error{Condition: Conflict}) }()
			time.Sleep(late)
			got, _ := io.ReadAll(a)
			if !<-ended || !c.Detached() {
				t.Error("not detached")
			}
			told := strings.HasSuffix(string(got), streamError("conflict", ""))
			if inTime := late < detachTimeout; told != inTime || inTime && !strings.HasPrefix(string(got), "<message") {
				t.Errorf("read after %v: %q", late, got)
			}
			if took := time.Since(begin); took > 2*detachTimeout {
				t.Errorf("it took %v", took)
			}
			c.Close()
			a.Close()
		})
	}
}
