package stream

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/etherx-go/xmpp/stanza"
)

// session is a stream that is resumed again and again, against what it should be.
type session struct {
	t       *testing.T
	c       *Conn
	tr      *scriptedConn
	m       *ManagementServer
	handled uint64
	sent    int  // stanzas that were taken
	ended   bool // by an error that the peer has made
}

func newSession(t *testing.T, start uint64) *session {
	s := &session{t: t, tr: &scriptedConn{}}
	s.c = readyConn(s.tr, Config{MaxOutbox: 2000, MaxDetached: 1000})
	s.m = &ManagementServer{
		Grant: func(context.Context, *Conn, time.Duration) (Grant, error) { return Grant{ID: smID}, nil },
		Resume: func(_ context.Context, _ *Conn, id string) (*Conn, uint64, error) {
			if id != smID {
				return nil, 0, stanza.ItemNotFound
			}
			return s.c, s.handled, nil
		},
	}
	if _, err := s.m.Serve(t.Context(), s.c, element(t, "<enable xmlns='urn:xmpp:sm:3' resume='1'/>"), &s.handled); err != nil {
		t.Fatal(err)
	}
	<-s.c.out.drained()
	a := s.c.out.acks
	a.queued, a.sent, a.acked = start, start, start
	return s
}

// step does something: op says what, and n how much.
func (s *session) step(op, n byte) {
	a := s.acks()
	h := uint32(a.acked) + uint32(int8(n))
	switch op % 8 {
	case 0, 1:
		for range n % 40 {
			if s.c.TrySend(message(s.sent)) == nil {
				s.sent++
			}
		}
	case 2:
		s.hear(ackXML(h))
	case 3:
		s.hear([]string{requestXML, enableXML, "<x xmlns='urn:xmpp:sm:3'/>", "<a xmlns='urn:xmpp:sm:3' h='x'/>", "<enabled xmlns='urn:xmpp:sm:3'/>",
			"<failed xmlns='urn:xmpp:sm:3'/>", "<resume xmlns='urn:xmpp:sm:3'/>", "<resumed xmlns='urn:xmpp:sm:3' h='1' previd='" + smID + "'/>"}[n%8])
	case 4:
		s.c.Detach(nil)
	case 5: // the transport breaks
		s.tr.mu.Lock()
		s.tr.limited, s.tr.limit = true, s.tr.out.Len()+int(n)
		s.tr.mu.Unlock()
	case 6, 7:
		s.resume(h)
	}
	<-s.c.out.drained()
	s.check()
}

func (s *session) acks() *acks {
	o := s.c.out.lock()
	defer o.mu.Unlock()
	return o.acks
}

// hear handles what the peer says on the connection of now.
func (s *session) hear(xml string) {
	if _, err := s.m.Serve(s.t.Context(), s.c, element(s.t, xml), &s.handled); err != nil {
		s.end(err)
	}
}

func (s *session) end(err error) {
	if _, ok := errors.AsType[*Error](err); !ok && s.status() == nil {
		s.t.Fatal(err)
	}
	s.c.Fail(err)
	s.ended = !s.c.Detached()
}

func (s *session) status() error {
	_, err := s.c.out.status()
	return err
}

// resume lets the peer go on, on a connection of a server, which has bound nothing.
func (s *session) resume(h uint32) {
	tr := &scriptedConn{}
	c := readyConn(tr, Config{MaxOutbox: 2000, MaxDetached: 1000})
	c.in.Content = stanza.NSServer
	xml := fmt.Sprintf("<resume xmlns='urn:xmpp:sm:3' h='%d' previd='%s'/>", h, smID)
	ok, err := s.m.Serve(s.t.Context(), c, element(s.t, xml), &s.handled)
	if !ok {
		s.t.Fatal("not served")
	}
	if err == nil && c.Resumed() {
		s.c, s.tr = c, tr
	} else {
		c.Close()
	}
}

// check compares what is kept with what should be.
func (s *session) check() {
	o := s.c.out.lock()
	defer o.mu.Unlock()
	a := o.acks
	if o.err != nil {
		return
	}
	bytes := 0
	sts := o.outstanding()
	for i, st := range sts {
		bytes += st.Size()
		if want := fmt.Sprint("m", s.sent-len(sts)+i); st.ID != want {
			s.t.Fatalf("outstanding is %s, want %s", st.ID, want)
		}
	}
	if bytes != o.bytes || uint64(len(sts)) != a.queued-a.acked || a.sent < a.acked || a.sent > a.queued || !o.detached && a.bytes > o.bytes {
		s.t.Fatalf("%d bytes of %d, %d stanzas, %d queued, %d sent, %d acked", bytes, o.bytes, len(sts), a.queued, a.sent, a.acked)
	}
}

// FuzzManagement: whatever the peer says, and wherever connections break, each stanza
// that was taken is acknowledged or left over, once and in order.
func FuzzManagement(f *testing.F) {
	f.Add(uint64(0), []byte{0, 5, 2, 3, 4, 0, 6, 1, 0, 9, 2, 200})
	f.Add(uint64(1<<32-4), []byte{0, 20, 5, 90, 0, 3, 6, 2, 2, 1, 3, 0, 5, 1, 0, 39, 6, 0, 4, 0, 7, 39})
	f.Add(uint64(1<<33), []byte{5, 0, 0, 1, 6, 255, 5, 150, 6, 0, 0, 9, 6, 4, 3, 1})
	f.Fuzz(func(t *testing.T, start uint64, steps []byte) {
		s := newSession(t, start%(1<<62))
		for i := 0; i+1 < len(steps) && i < 200 && !s.ended; i += 2 {
			s.step(steps[i], steps[i+1])
		}
		s.c.Close()
		acked := s.acks().acked - start%(1<<62)
		rest := append(s.c.Unacked(), s.c.Unsent()...)
		if acked+uint64(len(rest)) != uint64(s.sent) {
			t.Fatalf("%d sent, %d acknowledged, %d left", s.sent, acked, len(rest))
		}
		for i, st := range rest {
			if want := fmt.Sprint("m", int(acked)+i); st.ID != want {
				t.Fatalf("left is %s, want %s", st.ID, want)
			}
		}
	})
}
