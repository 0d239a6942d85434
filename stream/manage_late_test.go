package stream

import (
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/etherx-go/xmpp/stanza"
)

// TestManagementBegin: stream management of an initiator whose stream is ready already,
// as after dialback.
func TestManagementBegin(t *testing.T) {
	stored := func() *Conn {
		unacked := []*stanza.Stanza{message(4), message(5)}
		return NewDetached(Config{}, Resumption{Grant: Grant{ID: smID}, Acked: 4, Unacked: unacked})
	}
	for _, tt := range []struct {
		name, answer  string
		fails, resume bool
		gone          int    // how often Gone is called
		left          string // that old is left with, if it is not resumed
		handled       uint64
	}{
		{name: "resumed", answer: resumedXML(5), resume: true, handled: 7},
		{name: "another one", answer: "<resumed xmlns='urn:xmpp:sm:3' previd='x' h='5'/>", fails: true, left: "m4 m5"},
		{name: "h is too high", answer: resumedXML(7), fails: true, left: "m4 m5"},
		{name: "no such session", answer: fmt.Sprintf(failedXML, "item-not-found"), left: "m4 m5"},
		{name: "gone", answer: "<failed xmlns='urn:xmpp:sm:3' h='5'/>", gone: 1, left: "m5"},
		{name: "gone, all handled", answer: "<failed xmlns='urn:xmpp:sm:3' h='6'/>", gone: 1},
		{name: "gone, a number of before", answer: "<failed xmlns='urn:xmpp:sm:3' h='3'/>", left: "m4 m5"},
		{name: "gone, too high", answer: "<failed xmlns='urn:xmpp:sm:3' h='7'/>", left: "m4 m5"},
		{name: "gone, no number", answer: "<failed xmlns='urn:xmpp:sm:3' h='x'/>", left: "m4 m5"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				old, gone := stored(), 0
				m := &ManagementClient{Old: old, Handled: func() uint64 { return 7 }, Resumable: true, Gone: func() { gone++ }}
				p, c := another(t, Config{})
				c.initiator = true
				if resuming, err := m.Begin(c); err != nil || !resuming {
					t.Fatal(resuming, err)
				}
				p.expect("<resume xmlns='urn:xmpp:sm:3' h='7' previd='" + smID + "'/>")
				handled := uint64(7)
				if ok, err := m.Serve(c, element(t, "<x xmlns='urn:x'/>"), &handled); ok || err != nil {
					t.Error("served", err)
				}
				ok, err := m.Serve(c, element(t, tt.answer), &handled)
				if !ok || (err != nil) != tt.fails || c.Resumed() != tt.resume || gone != tt.gone {
					t.Fatalf("served %t, resumed %t, gone %d: %v", ok, c.Resumed(), gone, err)
				}
				switch {
				case tt.resume:
					p.now(xmlOf(5, 6) + requestXML)
				case !tt.fails:
					p.now("<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
					if ok, err := m.Serve(c, element(t, enabledID), &handled); !ok || err != nil || handled != 0 || !c.Detach(nil) {
						t.Errorf("served %t, handled %d: %v", ok, handled, err)
					}
				}
				if !tt.resume {
					r, _ := old.Resumption(0)
					if got := ids(r.Unacked); got != tt.left {
						t.Errorf("left %s", got)
					}
				}
				if handled != tt.handled && !tt.fails {
					t.Errorf("handled %d", handled)
				}
			})
		})
	}
	t.Run("nothing to resume", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p, c := another(t, Config{})
			c.initiator = true
			m := new(ManagementClient)
			if resuming, err := m.Begin(c); err != nil || resuming {
				t.Fatal(resuming, err)
			}
			p.now("<enable xmlns='urn:xmpp:sm:3'/>")
			if _, err := m.Begin(c); err != errManaged {
				t.Error(err)
			}
			handled := uint64(3)
			if ok, err := m.Serve(c, element(t, fmt.Sprintf(failedXML, "x")), &handled); !ok || err != nil || c.Managed() {
				t.Error(ok, err)
			}
		})
	})
}
