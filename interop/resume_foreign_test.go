//go:build interop

package interop

import (
	"fmt"
	mathrand "math/rand/v2"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/etherx-go/xmpp/interop/internal/peer"
)

// testForeignResume has slixmpp resume its session (XEP-0198), after its TCP connection
// was cut, and go on without it. What was sent to it meanwhile comes once, and in order.
// What it has sent itself and is not acknowledged its version 1.8.3 forgets when it asks
// to resume.
func testForeignResume(t *testing.T, s *peer.Server) {
	stage := peer.NewSlixmppStage(t, s)
	for _, sub := range []struct {
		name string
		run  func(*testing.T, *unreliable)
	}{
		{"cut", testForeignCut},
		{"bytes lost", testForeignBytesLost},
		{"the server has not noticed", testForeignUnnoticed},
		{"another session in its place", testForeignReplaced},
	} {
		t.Run(sub.name, func(t *testing.T) {
			s.Watch(t)
			sub.run(t, newUnreliable(t, s, stage))
		})
	}
}

// unreliable are juliet, whose connection breaks, and romeo.
type unreliable struct {
	*proxy
	stage         *peer.SlixmppStage
	server        *peer.Server
	juliet, romeo peer.Account
	lines         []string // what both have seen
	sent, came    []string // the texts of messages for juliet
}

const (
	balcony = "juliet/balcony"
	orchard = "romeo/orchard"
)

func newUnreliable(t *testing.T, s *peer.Server, stage *peer.SlixmppStage) *unreliable {
	t.Helper()
	u := &unreliable{
		proxy: newProxy(t, s.Addr, mathrand.New(mathrand.NewPCG(1, 2))), stage: stage, server: s,
		juliet: newAccount(t, s), romeo: newAccount(t, s),
	}
	u.loud = true // slixmpp does not ask whether somebody is there
	t.Cleanup(func() { stage.Clear(t) })
	u.login(t, balcony, u.juliet, map[string]any{"port": u.port(t), "manage": "yes"})
	u.login(t, orchard, u.romeo, map[string]any{})
	// Who sees that juliet goes.
	u.do(t, balcony, "presence", map[string]any{"to": u.romeo.JID() + "/orchard"})
	u.await(t, orchard, "presence from="+u.juliet.JID()+"/balcony")
	return u
}

func (u *unreliable) port(t *testing.T) string {
	t.Helper()
	_, port, err := net.SplitHostPort(u.addr())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func (u *unreliable) login(t *testing.T, who string, account peer.Account, args map[string]any) {
	t.Helper()
	_, resource, _ := strings.Cut(who, "/")
	args["jid"], args["password"] = account.JID()+"/"+resource, account.Password
	u.do(t, who, "login", args)
	u.do(t, who, "presence", nil)
	u.await(t, who, "presence from="+account.JID()+"/"+resource)
}

// do has one of them do something, which must work.
func (u *unreliable) do(t *testing.T, who, op string, args map[string]any) {
	t.Helper()
	if lines := u.stage.Do(t, who, op, args); !slices.Equal(lines, []string{"ok"}) {
		t.Fatalf("%s %s %v: %q", who, op, args, lines)
	}
}

// look takes note of what they have seen.
func (u *unreliable) look() {
	for _, line := range u.stage.Take() {
		u.lines = append(u.lines, line)
		u.take(line, balcony+": message ")
	}
}

// take takes note of a message.
func (u *unreliable) take(line, prefix string) {
	if rest, ok := strings.CutPrefix(line, prefix); ok {
		_, body, _ := strings.Cut(rest, " body=")
		body, _, _ = strings.Cut(body, " ")
		u.came = append(u.came, body)
	}
}

// await waits until one of them has seen something, and forgets all before it.
func (u *unreliable) await(t *testing.T, who, what string) {
	t.Helper()
	u.poll(t, func() bool {
		i := slices.IndexFunc(u.lines, func(line string) bool { return strings.HasPrefix(line, who+": "+what) })
		if i >= 0 {
			u.lines = slices.Delete(u.lines, i, i+1)
		}
		return i >= 0
	}, who+" to see "+what)
}

// poll looks until fn is true.
func (u *unreliable) poll(t *testing.T, fn func() bool, what string) {
	t.Helper()
	late := time.NewTimer(limit)
	defer late.Stop()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for u.look(); !fn(); u.look() {
		select {
		case <-late.C:
			t.Fatalf("no %s within %v; came %q; seen %q", what, limit, u.came, u.lines)
		case <-ticker.C:
		}
	}
}

// write has romeo write to juliet: her client, and her account.
func (u *unreliable) write(t *testing.T, n int) {
	t.Helper()
	for i := range n {
		to := u.juliet.JID()
		if i%2 == 0 {
			to += "/balcony"
		}
		body := fmt.Sprint(len(u.sent))
		u.sent = append(u.sent, body)
		u.do(t, orchard, "send", map[string]any{"to": to, "body": body})
	}
	u.do(t, orchard, "ping", map[string]any{"to": u.server.Domain}) // the server has all of it
}

// resume has juliet connect again, when the connection that is to end has ended; it
// must be the same session.
func (u *unreliable) resume(t *testing.T) {
	t.Helper()
	args := map[string]any{"wait": "yes"}
	if lines := u.stage.Do(t, balcony, "reconnect", args); !slices.Equal(lines, []string{"ok", "resumed"}) {
		t.Fatalf("reconnect: %q", lines)
	}
}

// check waits for all messages, and that nothing else comes; and romeo has not seen
// juliet go.
func (u *unreliable) check(t *testing.T) {
	t.Helper()
	u.poll(t, func() bool { return len(u.came) >= len(u.sent) }, "all messages")
	u.stage.Settle(t)
	u.look()
	if !slices.Equal(u.came, u.sent) {
		t.Errorf("came %q\nsent %q", u.came, u.sent)
	}
	for _, line := range u.lines {
		if strings.Contains(line, "type=unavailable") || strings.Contains(line, "type=error") || strings.Contains(line, ": end") {
			t.Errorf("seen: %s", line)
		}
	}
	// The other direction works too.
	u.do(t, balcony, "send", map[string]any{"to": u.romeo.JID(), "body": "good night"})
	u.await(t, orchard, "message from="+u.juliet.JID()+"/balcony to="+u.romeo.JID()+" type=chat body='good night'")
}

func testForeignCut(t *testing.T, u *unreliable) {
	for range 3 {
		u.write(t, 5)
		u.breakAll()
		u.write(t, 6)
		u.resume(t)
		u.write(t, 5)
		u.check(t)
	}
}

// testForeignBytesLost cuts the connection in the middle of what is sent, so that what
// the server has written does not all come.
func testForeignBytesLost(t *testing.T, u *unreliable) {
	u.setFaults(true)
	resumed := 0
	for len(u.sent) < 150 {
		u.write(t, 10)
		// It may break while she connects.
		for connected := false; !connected; {
			lines := u.stage.Do(t, balcony, "reconnect", nil)
			switch connected = lines[0] == "ok"; {
			case slices.Equal(lines, []string{"ok", "resumed"}):
				resumed++
			case connected && !slices.Equal(lines, []string{"ok", "there"}):
				t.Fatalf("reconnect: %q", lines)
			}
		}
	}
	u.setFaults(false)
	u.resume(t)
	t.Logf("resumed %d times", resumed)
	if resumed < 2 {
		t.Errorf("resumed %d times, which shows little", resumed)
	}
	u.check(t)
}

// testForeignUnnoticed has juliet come back before the server has learnt that she is
// away.
func testForeignUnnoticed(t *testing.T, u *unreliable) {
	for range 2 {
		u.loseClients()
		u.write(t, 6)
		u.resume(t)
		u.check(t)
	}
}

// testForeignReplaced has a client that knows nothing of the session take its place.
func testForeignReplaced(t *testing.T, u *unreliable) {
	u.breakAll()
	u.await(t, balcony, "disconnected")
	u.write(t, 6)
	u.login(t, balcony, u.juliet, map[string]any{})
	u.await(t, orchard, "presence from="+u.juliet.JID()+"/balcony type=unavailable")
	if u.server.Name == "ejabberd" {
		// What is in the archive is not sent again elsewhere.
		u.stage.Settle(t)
		u.look()
		for _, line := range u.stage.Do(t, balcony, "archive", nil) {
			u.take(line, "archived ")
		}
	}
	u.poll(t, func() bool { return len(u.came) >= len(u.sent) }, "all messages")
	u.stage.Settle(t)
	u.look()
	if !slices.Equal(u.came, u.sent) {
		t.Errorf("came %q\nsent %q", u.came, u.sent)
	}
}
