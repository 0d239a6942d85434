package stream

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"

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
	if err := c.manageAfter(enabledXML); err != nil {
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
	if err := c.acked(h); err != nil {
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

// serve reads a stream as an owner does.
func serve(c *Conn) error {
	var handled uint64
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
				rw.Write(appendAck(nil, p.counted))
			case strings.HasPrefix(el, "<message"):
				p.all++
				if counts {
					p.counted++
				}
			}
		}
	}
}

const (
	enableXML  = "<enable xmlns='urn:xmpp:sm:3'/>"
	enabledXML = "<enabled xmlns='urn:xmpp:sm:3'/>"
)

// manageAfter begins to count behind raw.
func (c *Conn) manageAfter(raw string) error {
	writer, err := c.manage(raw, Grant{})
	writer.start()
	return err
}
