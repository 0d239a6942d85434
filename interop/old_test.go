//go:build interop

package interop

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/etherx-go/xmpp/client"
	"github.com/etherx-go/xmpp/interop/internal/peer"
	"github.com/etherx-go/xmpp/sasl"
	"github.com/etherx-go/xmpp/stanza"
)

// TestOldClients: clients of before SASL, which log in by jabber:iq:auth (IM-2-3),
// talk with ours on our server. One opens a stream without version.
func TestOldClients(t *testing.T) {
	s := peer.Etherx{Root: "..", Legacy: true, Plaintext: true}.Start(t)
	for i, old := range []peer.OldClient{{}, {Plaintext: true}, {Perl: true}, {Perl: true, Plaintext: true}} {
		t.Run(fmt.Sprintf("perl %v, plaintext %v", old.Perl, old.Plaintext), func(t *testing.T) {
			romeo := newAccount(t, s)
			r := run(t, s, config(t, s, romeo, false))
			r.session(t)
			old.Account = newAccount(t, s)
			old.Resource, old.To, old.Body = fmt.Sprint("old", i), romeo.JID(), "It is the east"
			c := old.Start(t, s)
			address := old.JID() + "/" + old.Resource
			c.Expect(t, "session "+address)
			if m := waitFor(t, "message", r.messages); m.Body != old.Body || m.From.String() != address {
				t.Errorf("got %+v", m)
			}
			r.send(t, address, "hi there")
			c.Expect(t, "message "+r.LocalAddr().String()+": hi there")
			r.send(t, old.JID(), "to whom it concerns")
			c.Expect(t, "message "+r.LocalAddr().String()+": to whom it concerns")
		})
	}
	for _, perl := range []bool{false, true} {
		t.Run(fmt.Sprintf("wrong password, perl %v", perl), func(t *testing.T) {
			old := peer.OldClient{Account: newAccount(t, s), Perl: perl, Resource: "x", Plaintext: true}
			old.Password += "!"
			old.To, old.Body = old.JID(), "x"
			if perl {
				old.Start(t, s).ExpectRefusal(t, "refused 401")
			} else {
				old.Start(t, s).ExpectRefusal(t, "refused")
			}
		})
	}
}

// TestOldAuthClient: our client logs in by jabber:iq:auth to a server of others, on a
// stream without version, and on one that offers SASL too.
func TestOldAuthClient(t *testing.T) {
	s := peer.Prosody{OldAuth: true}.Start(t)
	juliet, romeo := newAccount(t, s), newAccount(t, s)
	r := run(t, s, config(t, s, romeo, false))
	r.session(t)
	cfg := func() client.Config {
		c := config(t, s, juliet, true) // without version there is no STARTTLS
		c.OldAuth, c.OldStream = true, true
		return c
	}
	t.Run("talks", func(t *testing.T) {
		c := cfg()
		c.JID, _ = c.JID.WithResource("old")
		j := run(t, s, c)
		if got := j.session(t); got != c.JID {
			t.Errorf("session of %s", got)
		}
		j.send(t, r.LocalAddr().String(), "Good night, good night!")
		if m := waitFor(t, "message", r.messages); m.Body != "Good night, good night!" || m.From != c.JID {
			t.Errorf("got %+v", m)
		}
		r.send(t, juliet.JID(), "Parting is such sweet sorrow")
		if m := waitFor(t, "message", j.messages); m.Body != "Parting is such sweet sorrow" {
			t.Errorf("got %+v", m)
		}
		j.leave(t)
	})
	t.Run("wrong password", func(t *testing.T) {
		c := cfg()
		c.Password += "!"
		if err := waitFor(t, "end", run(t, s, c).ended); !errors.Is(err, stanza.NotAuthorized) {
			t.Errorf("ended with %v", err)
		}
	})
	t.Run("the password is not shown where it must not be", func(t *testing.T) {
		c := cfg()
		c.SASL.Refuse = []string{sasl.Plain}
		if err := waitFor(t, "end", run(t, s, c).ended); err == nil || !strings.Contains(err.Error(), "takes no digest") {
			t.Errorf("ended with %v", err)
		}
	})
	t.Run("SASL is preferred", func(t *testing.T) {
		c := config(t, s, juliet, false)
		c.OldAuth = true
		j := run(t, s, c)
		j.session(t)
		j.leave(t)
	})
}
