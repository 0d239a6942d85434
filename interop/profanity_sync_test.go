//go:build interop

package interop

import (
	"fmt"
	mathrand "math/rand/v2"
	"strings"
	"testing"

	"github.com/etherx-go/xmpp/interop/internal/peer"
)

// profanity resumes its session (XEP-0198), and sees copies of what the account's other
// client says and is told (XEP-0280). It knows archives too, but its version 0.13.1 looks
// for the feature at the domain, where XEP-0313 does not have it. The go-sendxmpp of
// Debian has none of these.

func testProfanityResumes(t *testing.T, s *peer.Server) {
	juliet, romeo := newAccount(t, s), newAccount(t, s)
	p := newProxy(t, s.Addr, mathrand.New(mathrand.NewPCG(1, 2)))
	r := peer.Slixmpp{Account: romeo}.Start(t, s)
	r.Session(t)
	j := peer.Profanity{Account: juliet, Addr: p.addr(), Before: []string{"/reconnect 1"}}.Start(t, s)
	j.Session(t)
	j.Send(t, romeo.JID(), "O Romeo")
	to := r.ExpectMessage(t, "O Romeo").From
	for i := range 2 {
		p.breakAll()
		r.Send(t, to, fmt.Sprintf("meanwhile %d", i))
		j.Expect(t, fmt.Sprintf("meanwhile %d", i))
		j.Send(t, romeo.JID(), fmt.Sprintf("again %d", i))
		if from := r.ExpectMessage(t, fmt.Sprintf("again %d", i)).From; from != to {
			t.Errorf("it is %s now, and was %s", from, to)
		}
	}
	if n := strings.Count(j.Log(), "RECV: <resumed "); n != 2 {
		t.Errorf("the session was resumed %d times", n)
	}
	screen := j.Screen(t)
	for i := range 2 {
		if n := strings.Count(screen, fmt.Sprintf("meanwhile %d", i)); n != 1 {
			t.Errorf("message %d is there %d times:\n%s", i, n, screen)
		}
	}
	j.Quit(t)
}

func testProfanityCopies(t *testing.T, s *peer.Server) {
	juliet, romeo := newAccount(t, s), newAccount(t, s)
	r := peer.Slixmpp{Account: romeo}.Start(t, s)
	r.Session(t)
	j := peer.Profanity{Account: juliet, Before: []string{"/carbons on"}}.Start(t, s)
	j.Session(t)
	j.Send(t, romeo.JID(), "O Romeo")
	r.ExpectMessage(t, "O Romeo")
	other := peer.Slixmpp{Account: juliet}.Start(t, s)
	otherJID := other.Session(t)
	other.Send(t, romeo.JID(), "said elsewhere")
	j.Expect(t, "said elsewhere")
	r.Send(t, otherJID, "heard elsewhere")
	j.Expect(t, "heard elsewhere")
	j.Quit(t)
}
