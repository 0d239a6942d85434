package stream

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/etherx-go/xmpp/stanza"
)

// TestManage: what is queued before does not count, what is behind does, and
// what is no stanza never does.
func TestManage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe()
		c := readyConn(b, Config{})
		sendAll(t, c, 0, 1) // the writer is stuck in it
		sendAll(t, c, 1, 3)
		if c.Managed() {
			t.Error("managed")
		}
		if err := c.manageAfter(enabledXML); err != nil {
			t.Fatal(err)
		}
		sendAll(t, c, 3, 5)
		c.SendRaw(t.Context(), message(90).String())
		c.SendRaw(t.Context(), "")
		sendAll(t, c, 5, 6)
		if err := c.manageAfter(enabledXML); err != errManaged || !c.Managed() {
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
		if err := c.manageAfter(enabledXML); err != ErrClosed {
			t.Error(err)
		}
		if err := c.Ack(1); err != ErrClosed {
			t.Error(err)
		}
	})
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
					err = c.manageAfter(enabledXML)
				}
				switch {
				case err != nil:
					t.Error(err)
				case i%10 == 0:
					c.RequestAck()
				case i%10 == 1:
					c.SendRaw(t.Context(), "<iq/>")
				case i%10 == 2:
					c.Ack(uint64(i)) // before it is managed that is an error
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

// TestRequireCount: a number, or an error.
func TestRequireCount(t *testing.T) {
	for _, tt := range []struct {
		xml  string
		h    uint32
		text string // of the error
	}{
		{"<a xmlns='urn:xmpp:sm:3' h='0'/>", 0, ""},
		{"<a xmlns='urn:xmpp:sm:3' h='4294967295'/>", math.MaxUint32, ""},
		{"<x:a xmlns:x='urn:xmpp:sm:3' h='12' x:h='13' other='x'>text<child/></x:a>", 12, ""},
		{"<a xmlns='urn:xmpp:sm:3' h=' 0012\t'/>", 12, ""},
		{"<a xmlns='urn:xmpp:sm:3' h='&#49;2'/>", 12, ""},
		{"<resume xmlns='urn:xmpp:sm:3' h='3' previd='x'/>", 3, ""},
		{"<a xmlns='urn:xmpp:sm:3'/>", 0, "<a/> without h"},
		{"<resumed xmlns='urn:xmpp:sm:3' previd='x'/>", 0, "<resumed/> without h"},
		{"<a xmlns='urn:xmpp:sm:3' xmlns:x='urn:xmpp:sm:3' x:h='1'/>", 0, "<a/> without h"},
		{"<a xmlns='urn:xmpp:sm:3' h=''/>", 0, `h of <a/> is ""`},
		{"<a xmlns='urn:xmpp:sm:3' h='one'/>", 0, `h of <a/> is "one"`},
		{"<a xmlns='urn:xmpp:sm:3' h='-1'/>", 0, `h of <a/> is "-1"`},
		{"<a xmlns='urn:xmpp:sm:3' h='+1'/>", 0, `h of <a/> is "+1"`},
		{"<a xmlns='urn:xmpp:sm:3' h='1.0'/>", 0, `h of <a/> is "1.0"`},
		{"<a xmlns='urn:xmpp:sm:3' h='0x1'/>", 0, `h of <a/> is "0x1"`},
		{"<a xmlns='urn:xmpp:sm:3' h='1_0'/>", 0, `h of <a/> is "1_0"`},
		{"<a xmlns='urn:xmpp:sm:3' h='1 2'/>", 0, `h of <a/> is "1 2"`},
		{"<a xmlns='urn:xmpp:sm:3' h='4294967296'/>", 0, `h of <a/> is "4294967296"`},
		{"<a xmlns='urn:xmpp:sm:3' h='" + strings.Repeat("9", 30) + "'/>", 0, `h of <a/> is "` + strings.Repeat("9", 20) + `"`},
	} {
		h, err := requireCount(element(t, tt.xml))
		if h != tt.h || (err != nil) != (tt.text != "") {
			t.Errorf("%s: %d, %v", tt.xml, h, err)
		}
		if e, _ := errors.AsType[*Error](err); err != nil && (e == nil || e.Condition != BadFormat || e.Text != tt.text) {
			t.Errorf("%s: %v", tt.xml, err)
		}
	}
}

func FuzzRequireCount(f *testing.F) {
	for _, h := range []string{"0", "1", "4294967295", "4294967296", "-1", "+1", "", " 1 ", "1e3", "٣", "00000000000000000001"} {
		f.Add("<a xmlns='urn:xmpp:sm:3' h='" + h + "'/>")
	}
	f.Add("<x:resumed xmlns:x='urn:xmpp:sm:3' h='&#x31;'><b/></x:resumed>")
	f.Fuzz(func(t *testing.T, text string) {
		el, err := stanza.Raw(text).Element()
		if err != nil {
			return
		}
		h, err := requireCount(el)
		// The digits say the same to arithmetic that knows no bounds.
		digits := strings.Trim(el.Attr("h"), " \t\r\n")
		want, good := uint64(0), digits != ""
		for _, d := range []byte(digits) {
			good = good && d >= '0' && d <= '9'
			want = min(want*10+uint64(d)-'0', 1<<40)
		}
		if good = good && want <= math.MaxUint32; good != (err == nil) || good && want != uint64(h) || !good && h != 0 {
			t.Fatalf("%s: %d, %v", text, h, err)
		}
		if err != nil {
			return
		}
		again, err := requireCount(element(t, string(appendAck(nil, uint64(h)))))
		if again != h || err != nil {
			t.Fatalf("%d became %d: %v", h, again, err)
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
		handled   uint64
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
					c.manageAfter(tt.manage)
					p.now(tt.manage)
				}
				handled := uint64(5)
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
}

func ExampleConn_ServeManagement() {
	serve := func(c *Conn, handle func(*stanza.Stanza)) error {
		var handled uint64
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
