//go:build interop

package interop

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/client"
	"github.com/etherx-go/xmpp/ext/ping"
	"github.com/etherx-go/xmpp/interop/internal/peer"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/presence"
	"github.com/etherx-go/xmpp/sasl"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

// limit bounds every wait for something that a server should do at once, or as
// soon as it is up again.
const limit = 60 * time.Second

// running is one of our clients while it runs.
type running struct {
	*client.Client
	messages chan *stanza.Message
	down     chan error // why a session has ended
	lost     chan error // why a connection was lost
	ended    chan error // what Run returned
	cancel   context.CancelFunc
}

// config is that of a client of s, which says what it does in the test's log.
func config(t testing.TB, s *peer.Server, account peer.Account, direct bool) client.Config {
	t.Helper()
	dialer := &stream.Dialer{Addr: s.Addr, Mode: stream.DialSTARTTLS}
	if direct {
		dialer = &stream.Dialer{Addr: s.TLSAddr, Mode: stream.DialDirectTLS}
	}
	address := account.JID()
	if account.User == "" {
		address = account.Domain
	}
	return client.Config{
		JID:      jid.MustParse(address),
		Password: account.Password,
		TLS:      &tls.Config{RootCAs: s.CA.Pool},
		Dialer:   dialer,
		Backoff:  func(int) time.Duration { return 50 * time.Millisecond },
		Log:      slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
}

// run starts a client, which ends with the test.
func run(t *testing.T, s *peer.Server, cfg client.Config) *running {
	t.Helper()
	r := &running{messages: make(chan *stanza.Message, 100)}
	mux := new(xmpp.Mux)
	mux.OnMessage(func(_ context.Context, _ xmpp.Sender, m *stanza.Message) error {
		r.messages <- m
		return nil
	})
	mux.Handle(xmpp.Pattern{Kind: stanza.KindMessage, Types: []stanza.Type{stanza.TypeError}},
		xmpp.HandlerFunc(func(_ context.Context, _ xmpp.Sender, st *stanza.Stanza) error {
			r.messages <- st.Message()
			return nil
		}))
	cfg.Handler = mux
	r.start(t, s, cfg)
	return r
}

// runWith starts a client with a handler of messages.
func runWith(t *testing.T, s *peer.Server, cfg client.Config, h xmpp.Handler) *running {
	t.Helper()
	mux := new(xmpp.Mux)
	mux.Handle(xmpp.Pattern{Kind: stanza.KindMessage}, h)
	cfg.Handler = mux
	r := new(running)
	r.start(t, s, cfg)
	return r
}

func (r *running) start(t *testing.T, s *peer.Server, cfg client.Config) {
	t.Helper()
	s.Watch(t)
	r.down, r.lost, r.ended = make(chan error, 1000), make(chan error, 1000), make(chan error, 1)
	cfg.OnDown = func(_ xmpp.Sender, reason error) { r.down <- reason }
	cfg.OnSuspended = func(_ xmpp.Sender, reason error) { r.lost <- reason }
	var err error
	if r.Client, err = client.New(cfg); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		r.ended <- r.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-stopped
	})
}

// waitFor returns what comes on the channel.
func waitFor[T any](t *testing.T, what string, c <-chan T) T {
	t.Helper()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case v := <-c:
		return v
	case <-timer.C:
		t.Fatalf("no %s within %v", what, limit)
		panic("unreachable")
	}
}

// session waits for a session in which the server answers, so that it knows of
// the presence too, and returns the full JID.
func (r *running) session(t *testing.T) jid.JID {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	for {
		if err := r.WaitReady(ctx); err != nil {
			t.Fatalf("no session: %v", err)
		}
		err := ping.Ping(ctx, r, jid.JID{})
		switch {
		case err == nil:
			return r.LocalAddr()
		case errors.Is(err, xmpp.ErrSessionLost), errors.Is(err, xmpp.ErrNotConnected):
			// The session that was ready has just ended.
		default:
			t.Fatalf("ping: %v", err)
		}
	}
}

// leave ends the client in order.
func (r *running) leave(t *testing.T) {
	t.Helper()
	r.cancel()
	if err := waitFor(t, "end of Run", r.ended); err != nil {
		t.Errorf("Run ended with %v", err)
	}
}

func (r *running) send(t *testing.T, to, body string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	if err := xmpp.Send(ctx, r, &stanza.Message{To: jid.MustParse(to), Type: stanza.TypeChat, Body: body}); err != nil {
		t.Fatalf("sending to %s: %v", to, err)
	}
}

// TestClient runs our client against every server.
func TestClient(t *testing.T) {
	t.Parallel()
	for _, tt := range servers {
		t.Run(tt.name, func(t *testing.T) {
			s := tt.start(t)
			for _, direct := range []bool{false, true} {
				t.Run("talks/"+transport(direct), func(t *testing.T) { testClientTalks(t, s, direct) })
				t.Run("mechanisms/"+transport(direct), func(t *testing.T) { testClientMechanisms(t, s, direct) })
			}
			t.Run("errors", func(t *testing.T) { testClientErrors(t, s, tt.unknownDomain) })
			t.Run("wrong password", func(t *testing.T) { testClientWrongPassword(t, s) })
			t.Run("untrusted server", func(t *testing.T) { testClientUntrusted(t, s) })
		})
	}
}

// testClientTalks logs in with the client's own choice of mechanism and talks
// to a slixmpp client.
func testClientTalks(t *testing.T, s *peer.Server, direct bool) {
	juliet, romeo := newAccount(t, s), newAccount(t, s)
	r := peer.Slixmpp{Account: romeo}.Start(t, s)
	romeoJID := r.Session(t)
	j := run(t, s, config(t, s, juliet, direct))
	julietJID := j.session(t)
	if julietJID.Bare() != jid.MustParse(juliet.JID()) || julietJID.Resource() == "" {
		t.Errorf("bound %s, want a resource of %s", julietJID, juliet.JID())
	}

	const body = "Wherefore art thou <Romeo> & 'all' \"that\"? ]]> žluťoučký 𝄞"
	j.send(t, romeo.JID(), body)
	if got := r.ExpectMessage(t, body); got.From != julietJID.String() || got.Type != "chat" {
		t.Errorf("arrived as %+v", got)
	}
	for _, to := range []string{julietJID.String(), juliet.JID()} {
		r.Send(t, to, body)
		m := waitFor(t, "message to "+to, j.messages)
		if m.Body != body || m.From != jid.MustParse(romeoJID) || m.To != jid.MustParse(to) || m.Type != stanza.TypeChat {
			t.Errorf("message to %s arrived as %+v", to, m)
		}
	}
	// Both ask and both answer, once they have shown their presence.
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	r.Greet(t, julietJID.String())
	if err := presence.Directed(ctx, j, jid.MustParse(romeoJID), stanza.Presence{}); err != nil {
		t.Fatal(err)
	}
	if err := ping.Ping(ctx, j, jid.MustParse(romeoJID)); err != nil {
		t.Errorf("ping to slixmpp: %v", err)
	}
	if answer := r.Ping(t, julietJID.String()); answer.Condition != "" {
		t.Errorf("our client answers the ping by %s", answer.Condition)
	}
	if answer := r.IQ(t, julietJID.String(), "get", "urn:example:unknown", "query"); answer.Condition != "service-unavailable" {
		t.Errorf("our client answers what it does not know by %q", answer.Condition)
	}
	// In order, and each once.
	const n = 50
	for i := range n {
		r.Send(t, juliet.JID(), fmt.Sprintf("line %d", i))
	}
	for i := range n {
		if m := waitFor(t, "message", j.messages); m.Body != fmt.Sprintf("line %d", i) {
			t.Fatalf("message %d is %q", i, m.Body)
		}
	}
	j.leave(t)
}

// testClientMechanisms logs in with each mechanism of the server that needs no
// more than a password, all others refused.
func testClientMechanisms(t *testing.T, s *peer.Server, direct bool) {
	juliet := newAccount(t, s)
	offer := s.Offer(t, direct)
	if len(offer.Mechanisms) < 2 {
		t.Fatalf("too few mechanisms to try: %v", offer.Mechanisms)
	}
	for _, mechanism := range offer.Mechanisms {
		if mechanism == "X-OAUTH2" || mechanism == "EXTERNAL" {
			continue
		}
		t.Run(mechanism, func(t *testing.T) {
			cfg := config(t, s, juliet, direct)
			cfg.SASL.Refuse = slices.DeleteFunc(slices.Clone(offer.Mechanisms), func(m string) bool { return m == mechanism })
			if strings.HasSuffix(mechanism, "-PLUS") && len(offer.ChannelBindings) == 0 {
				// A server that does not say what it binds with is one of
				// before tls-exporter (RFC 9266). All that it knows is
				// tls-unique, which TLS 1.3 does not have.
				cfg.TLS.MaxVersion = tls.VersionTLS12
			}
			r := run(t, s, cfg)
			r.session(t)
			r.leave(t)
		})
	}
}

func testClientErrors(t *testing.T, s *peer.Server, unknownDomain string) {
	j := run(t, s, config(t, s, newAccount(t, s), false))
	j.session(t)
	for _, tt := range []struct {
		to        string
		condition stanza.Condition
	}{
		{nobody(s), stanza.ServiceUnavailable},
		{"romeo@unknown.invalid", stanza.Condition(unknownDomain)},
	} {
		j.send(t, tt.to, "Is anybody there?")
		m := waitFor(t, "error", j.messages)
		if m.Type != stanza.TypeError || m.From != jid.MustParse(tt.to) || !errors.Is(m.Error, tt.condition) {
			t.Errorf("%s: got %+v, want %s", tt.to, m, tt.condition)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	type unknown struct {
		XMLName xml.Name `xml:"urn:example:unknown query"`
	}
	for _, to := range []string{"", s.Domain, nobody(s), nobody(s) + "/balcony"} {
		var addr jid.JID
		if to != "" {
			addr = jid.MustParse(to)
		}
		_, err := xmpp.Call[unknown](ctx, j, stanza.TypeGet, addr, unknown{})
		if !errors.Is(err, stanza.ServiceUnavailable) {
			t.Errorf("request to %q: %v, want service-unavailable", to, err)
		}
	}
	j.leave(t)
}

func testClientWrongPassword(t *testing.T, s *peer.Server) {
	juliet := newAccount(t, s)
	juliet.Password += "!"
	unknown := peer.Account{User: "nobody", Domain: s.Domain, Password: "secret"}
	for _, account := range []peer.Account{juliet, unknown} {
		err := waitFor(t, "end of Run", run(t, s, config(t, s, account, false)).ended)
		failure, ok := errors.AsType[*sasl.Failure](err)
		if !ok || failure.Condition != sasl.NotAuthorized {
			t.Errorf("%s: Run ended with %v, want the failure not-authorized", account.User, err)
		}
	}
}

func testClientUntrusted(t *testing.T, s *peer.Server) {
	for _, direct := range []bool{false, true} {
		cfg := config(t, s, newAccount(t, s), direct)
		cfg.TLS.RootCAs = peer.NewCA(t).Pool
		err := waitFor(t, "end of Run", run(t, s, cfg).ended)
		if _, ok := errors.AsType[x509.UnknownAuthorityError](err); !ok {
			t.Errorf("%s: Run ended with %v, want an unknown authority", transport(direct), err)
		}
	}
}

// TestClientBinding has our client choose where Prosody offers SCRAM with
// channel binding, which it does with TLS 1.2 only.
func TestClientBinding(t *testing.T) {
	s := peer.Prosody{TLS12: true}.Start(t)
	testClientMechanisms(t, s, false)
	testClientTalks(t, s, true)
}

// TestClientKeys logs in where the server keeps SCRAM keys for one hash only.
func TestClientKeys(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		start func(testing.TB) *peer.Server
	}{
		{"Prosody SHA-1", peer.Prosody{Hash: "SHA-1"}.Start},
		{"Prosody SHA-256", peer.Prosody{Hash: "SHA-256"}.Start},
		{"ejabberd SHA-512", peer.Ejabberd{Hash: "sha512"}.Start},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := tt.start(t)
			testClientMechanisms(t, s, false)
			testClientTalks(t, s, false)
		})
	}
}

// TestClientAnonymous logs in without an account.
func TestClientAnonymous(t *testing.T) {
	for _, tt := range servers[:2] {
		t.Run(tt.name, func(t *testing.T) {
			s := tt.start(t)
			for _, direct := range []bool{false, true} {
				cfg := config(t, s, peer.Account{Domain: peer.AnonymousDomain}, direct)
				cfg.SASL.Anonymous = true
				r := run(t, s, cfg)
				if got := r.session(t); got.Domain() != peer.AnonymousDomain || got.Local() == "" || got.Resource() == "" {
					t.Errorf("bound %s", got)
				}
				r.leave(t)
			}
		})
	}
}

// TestClientCertificate logs in with SASL EXTERNAL.
func TestClientCertificate(t *testing.T) {
	s := peer.Ejabberd{ClientCertificates: true}.Start(t)
	juliet := s.AddUser(t, "juliet", "r0m30")
	cert := s.CA.Client(t, juliet.JID()).TLS
	juliet.Password = ""
	for _, direct := range []bool{false, true} {
		cfg := config(t, s, juliet, direct)
		cfg.SASL.External = true
		cfg.TLS.Certificates = []tls.Certificate{cert}
		r := run(t, s, cfg)
		if got := r.session(t); got.Bare() != jid.MustParse(juliet.JID()) {
			t.Errorf("bound %s", got)
		}
		r.leave(t)
	}
}

// TestClientReconnects takes the server away under a client: killed, and shut
// down in order. The client comes back each time and the conversation goes on.
func TestClientReconnects(t *testing.T) {
	t.Parallel()
	for _, tt := range servers {
		for _, direct := range []bool{false, true} {
			t.Run(tt.name+"/"+transport(direct), func(t *testing.T) {
				s := tt.start(t)
				j := run(t, s, config(t, s, newAccount(t, s), direct))
				romeo := newAccount(t, s)
				j.session(t)
				for i, takeAway := range []func(){func() { s.Kill(t) }, func() {}, func() { s.Kill(t) }} {
					takeAway()
					s.Restart(t)
					reason := waitFor(t, "end of the session", j.down)
					t.Logf("session %d ended: %v", i, reason)
					if reason == nil {
						t.Errorf("session %d ended without a reason", i)
					}
					r := peer.Slixmpp{Account: romeo}.Start(t, s)
					r.Session(t)
					to := j.session(t)
					body := fmt.Sprintf("after restart %d", i)
					r.Send(t, to.Bare().String(), body)
					if m := waitFor(t, "message", j.messages); m.Body != body {
						t.Errorf("got %q, want %q", m.Body, body)
					}
					j.send(t, romeo.JID(), body)
					r.ExpectMessage(t, body)
					r.Disconnect(t)
				}
				j.leave(t)
			})
		}
	}
}
