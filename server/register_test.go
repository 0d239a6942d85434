package server_test

import (
	"crypto"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/etherx-go/xmpp/ext/register"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/storage/memory"
)

// TestRegister: in-band registration before authentication (XEP-0077), as the
// old drafts and the XEP have it.
func TestRegister(t *testing.T) {
	s := newServer(t, func(c *server.Config) { c.Registration = &register.Server{Open: true, AllowPlaintext: true} })
	r := newRaw(t, s.Pipe())
	r.send(header)
	r.expect("<register xmlns='http://jabber.org/features/iq-register'/>", "</stream:features>")
	tests := []struct {
		name, in string
		want     []string
	}{
		{"IM-A.1-1 IM-A.1-2 IM-A.1-4 the fields, without to", "<iq type='get' id='r1'><query xmlns='jabber:iq:register'/></iq>",
			[]string{"<iq type='result' id='r1'><query xmlns='jabber:iq:register'><instructions>", "<username></username><password></password>", "</query></iq>"}},
		{"IM-A.1-7 a field is missing", "<iq type='set' id='r2'><query xmlns='jabber:iq:register'><username>nurse</username></query></iq>",
			[]string{"<iq type='error' id='r2'><error code='406' type='modify'><not-acceptable ", "</iq>"}},
		{"IM-A.1-8 the account exists", "<iq type='set' id='r3'><query xmlns='jabber:iq:register'><username>Juliet</username><password>x</password></query></iq>",
			[]string{"<iq type='error' id='r3'><error code='409' type='cancel'><conflict ", "</iq>"}},
		{"a name that cannot be", "<iq type='set' id='r4'><query xmlns='jabber:iq:register'><username>a b</username><password>x</password></query></iq>",
			[]string{"<iq type='error' id='r4'>", "<not-acceptable ", "</iq>"}},
		{"XEP0077-3.2-1 removal needs a login", "<iq type='set' id='r5'><query xmlns='jabber:iq:register'><remove/></query></iq>",
			[]string{"<iq type='error' id='r5'>", "<unexpected-request ", "</iq>"}},
		{"IM-A.1-5 GUIDE-11-key-1 an account is made, a key is passed over", "<iq type='set' id='r6'><query xmlns='jabber:iq:register'><username>nurse</username><password>pw</password><key>k</key></query></iq>",
			[]string{"<iq type='result' id='r6'/>"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r.t = t
			r.send("%s", tt.in)
			r.expect(tt.want...)
		})
	}
	r.t = t
	r.send("%s", plain("nurse", "pw"))
	r.expect("<success")

	t.Run("it is off by default", func(t *testing.T) {
		s := newServer(t, nil)
		r := newRaw(t, s.Pipe())
		r.open()
		r.send("<iq type='get' id='r1'><query xmlns='jabber:iq:register'/></iq>")
		r.expect("<stream:error><not-authorized")
	})
	t.Run("not without a store for it", func(t *testing.T) {
		_, err := server.New(server.Config{Domains: []string{"localhost"}, Registration: &register.Server{Open: true}})
		if err == nil {
			t.Error("accepted")
		}
	})
}

func TestNewRefuses(t *testing.T) {
	for _, c := range []server.Config{{}, {Domains: []string{"juliet@localhost"}}, {Domains: []string{"a b"}}} {
		if _, err := server.New(c); err == nil {
			t.Errorf("New accepts %q", c.Domains)
		}
	}
	s := newServer(t, nil)
	if s.LocalAddr() != jid.MustParse("localhost") || !s.IsServer() {
		t.Error("LocalAddr or IsServer")
	}
}

// TestSCRAMParameters: what is offered is what the accounts have keys for.
func TestSCRAMParameters(t *testing.T) {
	accounts := &memory.Accounts{Iterations: 4096, Hashes: []crypto.Hash{crypto.SHA512}}
	if err := accounts.Register(t.Context(), jid.MustParse("juliet@localhost"), "r0m30"); err != nil {
		t.Fatal(err)
	}
	s := newServer(t, func(c *server.Config) { c.Accounts = accounts })
	r := newRaw(t, s.Pipe())
	r.send(header)
	r.expect("<mechanism>SCRAM-SHA-512</mechanism><mechanism>PLAIN</mechanism></mechanisms>")
	// An unknown user is shown the iteration count that accounts have.
	r.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-512'>%s</auth>", base64.StdEncoding.EncodeToString([]byte("n,,n=nobody,r=abcdefgh")))
	r.expect("<challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>")
	challenge, err := base64.StdEncoding.DecodeString(strings.TrimSuffix(r.expect("</challenge>"), "</challenge>"))
	if err != nil || !strings.Contains(string(challenge), ",i=4096,") {
		t.Errorf("challenge %q (%v), want 4096 iterations", challenge, err)
	}
}

// TestRegistered: in-band registration of who is logged in (XEP-0077, sections
// 3.2 and 3.3).
func TestRegistered(t *testing.T) {
	s, juliet, romeo := pair(t, nil)
	befriend(romeo, "romeo", juliet, "juliet")
	befriend(juliet, "juliet", romeo, "romeo")
	second := interested(t, s, "juliet", "r0m30", "second")
	t.Run("GUIDE-9-register-4 what is registered", func(t *testing.T) {
		juliet.send("<iq type='get' id='g'><query xmlns='jabber:iq:register'/></iq>")
		wantInOrder(t, juliet.drain(), "<registered/>", "<username>juliet</username>")
	})
	t.Run("XEP0077-3.3-1 the password is changed", func(t *testing.T) {
		juliet.send("<iq type='set' id='p' to='localhost'><query xmlns='jabber:iq:register'><username>juliet</username><password>n3w</password></query></iq>")
		wantInOrder(t, juliet.drain(), "<iq type='result' id='p'")
		r := newRaw(t, s.Pipe())
		r.open()
		r.send("%s", plain("juliet", "n3w"))
		r.expect("<success")
	})
	t.Run("XEP0077-3.3-1 not that of somebody else", func(t *testing.T) {
		juliet.send("<iq type='set' id='o'><query xmlns='jabber:iq:register'><username>romeo</username><password>n3w</password></query></iq>")
		wantInOrder(t, juliet.drain(), "<iq type='error' id='o'")
		juliet.send("<iq type='set' id='o2' to='romeo@localhost'><query xmlns='jabber:iq:register'><remove/></query></iq>")
		wantInOrder(t, juliet.drain(), "<iq type='error' id='o2'", "<forbidden")
	})
	t.Run("IM-A.2-1 GUIDE-9-register-1 GUIDE-9-register-5 the account is removed", func(t *testing.T) {
		romeo.drain()
		juliet.send("<iq type='set' id='r'><query xmlns='jabber:iq:register'><remove/></query></iq>")
		wantInOrder(t, juliet.expectEnd(), "<iq type='result' id='r'", "<stream:error><not-authorized")
		wantInOrder(t, second.expectEnd(), "<stream:error><not-authorized")
		got := romeo.drain()
		wantInOrder(t, got, "<presence type='unavailable' to='romeo@localhost' from='juliet@localhost/balcony'")
		wantInOrder(t, got, "<presence type='unsubscribed' to='romeo@localhost' from='juliet@localhost'")
		if got, want := romeo.roster(), "<item jid='juliet@localhost' subscription='none'/>"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		r := newRaw(t, s.Pipe())
		r.open()
		r.send("%s", plain("juliet", "n3w"))
		r.expect("<failure", "<not-authorized")
	})
	t.Run("accounts that cannot be changed", func(t *testing.T) {
		s := newServer(t, func(c *server.Config) { c.Accounts = struct{ server.Accounts }{c.Accounts} })
		r := login(t, s, "juliet", "r0m30", "x")
		r.send("<iq type='set' id='p'><query xmlns='jabber:iq:register'><username>juliet</username><password>n3w</password></query></iq>")
		r.expect("<iq type='error' id='p'", "<not-allowed")
		r.send("<iq type='set' id='r'><query xmlns='jabber:iq:register'><remove/></query></iq>")
		r.expect("<iq type='error' id='r'", "<not-allowed")
	})
}
