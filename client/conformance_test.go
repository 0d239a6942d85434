package client_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/client"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/presence"
	"github.com/etherx-go/xmpp/privacy"
	"github.com/etherx-go/xmpp/roster"
	"github.com/etherx-go/xmpp/sasl"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/storage/memory"
	"github.com/etherx-go/xmpp/stream"
	"github.com/etherx-go/xmpp/xmpptest"
)

// What the lists of features at the end of the RFCs ask of a client. Those that a server
// shows are in package server.

// tracer keeps what a server receives.
type tracer struct {
	mu  sync.Mutex
	got []string
}

func (r *tracer) trace(sent bool, b []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !sent {
		r.got = append(r.got, string(b))
	}
}

func (r *tracer) last(prefix string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range slices.Backward(r.got) {
		if strings.Contains(s, prefix) {
			return s
		}
	}
	return ""
}

// securely starts a client over STARTTLS and returns what comes of it.
func securely(t *testing.T, s *xmpptest.Server, forClient *tls.Config, change func(*client.Config)) error {
	t.Helper()
	cfg := s.ClientConfig("juliet/x", nil)
	cfg.TLS = forClient
	// A pipe would have no room for both sides of TLS to write at once.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go s.Serve(t.Context(), l)
	cfg.Dial, cfg.Dialer = nil, &stream.Dialer{Addr: l.Addr().String(), Mode: stream.DialSTARTTLS}
	if change != nil {
		change(&cfg)
	}
	c, err := client.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	ready := make(chan error, 1)
	go func() { ready <- c.WaitReady(ctx) }()
	select {
	case err = <-done:
		cancel()
		<-ready
		return err
	case err = <-ready:
	}
	cancel()
	<-done
	return err
}

// only refuses all mechanisms but one.
func only(mechanism string) func(*client.Config) {
	return func(c *client.Config) {
		c.NoSASL2 = true
		for _, m := range []string{sasl.Plain, sasl.DigestMD5, sasl.SCRAMSHA1, sasl.SCRAMSHA1Plus, sasl.SCRAMSHA256, sasl.SCRAMSHA256Plus, sasl.External} {
			if m != mechanism {
				c.SASL.Refuse = append(c.SASL.Refuse, m)
			}
		}
	}
}

// certified are accounts of which juliet's is proven by a certificate.
type certified struct{ *memory.Accounts }

func (c certified) Credentials(domain string) sasl.Credentials {
	creds := c.Accounts.Credentials(domain)
	creds.External = func(_ context.Context, _ string, state *tls.ConnectionState) (string, error) {
		if name := state.PeerCertificates[0].DNSNames; !slices.Contains(name, "juliet.example") {
			return "", sasl.NotAuthorized
		}
		return "juliet", nil
	}
	return creds
}

// TestReq_R6120_15_1 shows the features of RFC 6120, section 15, that are a client's.
func TestReq_R6120_15_1(t *testing.T) {
	forServer, forClient := xmpptest.TLS(t, xmpptest.Domain)
	overTLS := func(c *server.Config) { c.TLS = forServer }
	for _, mechanism := range []struct{ feature, name string }{
		{"R6120-15-1 security-mti-auth-scram", sasl.SCRAMSHA1},
		{"R6120-15-1 security-mti-both-scram", sasl.SCRAMSHA1},
		{"R6120-15-1 security-mti-both-plain", sasl.Plain},
	} {
		t.Run(mechanism.feature, func(t *testing.T) {
			var seen tracer
			s := xmpptest.NewServer(t, overTLS, func(c *server.Config) { c.Stream.Trace = seen.trace })
			if err := securely(t, s, forClient, only(mechanism.name)); err != nil {
				t.Error(err)
			}
			if auth := seen.last("<auth "); !strings.Contains(auth, "'"+mechanism.name+"'") {
				t.Errorf("the client said %q", auth)
			}
		})
	}
	t.Run("R6120-15-1 security-mti-both-external", func(t *testing.T) {
		ofJuliet, trust := xmpptest.TLS(t, "juliet.example")
		s := xmpptest.NewServer(t, func(c *server.Config) {
			c.TLS = forServer.Clone()
			c.TLS.ClientAuth, c.TLS.ClientCAs = tls.VerifyClientCertIfGiven, trust.RootCAs
			c.Accounts = certified{c.Accounts.(*memory.Accounts)}
		})
		err := securely(t, s, forClient, func(c *client.Config) {
			c.TLS = forClient.Clone()
			c.TLS.Certificates = ofJuliet.Certificates
			c.Password, c.SASL.External = "", true
		})
		if err != nil {
			t.Error(err)
		}
	})
	t.Run("R6120-15-1 tls-certs", func(t *testing.T) {
		elsewhere, trusted := xmpptest.TLS(t, "elsewhere.example")
		s := xmpptest.NewServer(t, func(c *server.Config) { c.TLS = elsewhere })
		err := securely(t, s, trusted, nil)
		if e, ok := errors.AsType[*stream.TLSError](err); !ok || !strings.Contains(e.Error(), xmpptest.Domain) {
			t.Errorf("connected to the holder of another name's certificate: %v", err)
		}
	})
	t.Run("R6120-15-1 stream-attribute-initial", func(t *testing.T) {
		var seen tracer
		s := xmpptest.NewServer(t, func(c *server.Config) { c.Stream.Trace = seen.trace })
		cfg := s.ClientConfig("juliet/x", nil)
		cfg.Lang = "it"
		s.Start(cfg)
		header := seen.last("<stream:stream")
		for name, want := range map[string]string{
			"R6120-15-1 stream-attribute-initial-from": " from='juliet@" + xmpptest.Domain + "'",
			"R6120-15-1 stream-attribute-initial-lang": " xml:lang='it'",
			"R6120-15-1 stream-attribute-initial-to":   " to='" + xmpptest.Domain + "'",
		} {
			t.Run(name, func(t *testing.T) {
				if !strings.Contains(header, want) {
					t.Errorf("%q has not%s", header, want)
				}
			})
		}
	})
	t.Run("R6120-15-1 stream-fqdn-resolution", func(t *testing.T) {
		dns := &names{}
		cfg := client.Config{JID: jid.MustParse("juliet@capulet.example"), Password: "p", Backoff: func(int) time.Duration { return time.Hour },
			Dialer: &stream.Dialer{Resolver: dns, Mode: stream.DialSTARTTLS}}
		c, err := client.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		dns.done = cancel
		if err := c.Run(ctx); err != nil && !errors.Is(err, context.Canceled) {
			t.Log(err)
		}
		if want := []string{"_xmpp-client._tcp.capulet.example.", "x.capulet.example"}; !slices.Equal(dns.asked, want) {
			t.Errorf("asked for %q, want %q", dns.asked, want)
		}
	})
	t.Run("R6120-15-1 stream-reconnect", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := xmpptest.NewServer(t)
			cfg := s.ClientConfig("juliet/x", nil)
			var tried []time.Time
			dial := cfg.Dial
			cfg.Dial = func(ctx context.Context) (stream.Transport, error) {
				tried = append(tried, time.Now())
				if n := len(tried); n > 1 && n < 8 {
					return nil, errors.New("nobody there")
				}
				return dial(ctx)
			}
			resumed := make(chan struct{})
			cfg.OnResumed = func(context.Context, xmpp.Sender) { close(resumed) }
			var first stream.Transport
			connect := cfg.Dial
			cfg.Dial = func(ctx context.Context) (stream.Transport, error) {
				tr, err := connect(ctx)
				if first == nil {
					first = tr
				}
				return tr, err
			}
			s.Start(cfg)
			first.Close()
			<-resumed
			for i := 3; i < len(tried); i++ {
				before, now := tried[i-1].Sub(tried[i-2]), tried[i].Sub(tried[i-1])
				// Each wait is between the half and the whole of twice the one
				// before.
				if now < before/2 || now > 4*before {
					t.Errorf("try %d after %v, the one before after %v", i, now, before)
				}
			}
			if total := tried[7].Sub(tried[1]); total < 15*time.Second {
				t.Errorf("six tries in %v: not an exponential backoff", total)
			}
		})
	})
}

// names is a DNS with one name.
type names struct {
	asked []string
	done  func()
}

func (n *names) LookupSRV(_ context.Context, service, proto, name string) (string, []*net.SRV, error) {
	n.asked = append(n.asked, "_"+service+"._"+proto+"."+name)
	return "", []*net.SRV{{Target: "x.capulet.example.", Port: 5222}}, nil
}

func (n *names) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	n.asked = append(n.asked, strings.TrimSuffix(host, "."))
	n.done()
	return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
}

// TestReq_IM_1_2_1: what a client is for (IM-1.2-1), and what RFC 3921, section 12.2, asks
// of one but for the encryption of RFC 3923, which nobody has made (R3921-12.2-2): log-in,
// messages, presence, subscriptions, the roster, privacy lists.
func TestReq_IM_1_2_1(t *testing.T) {
	s := xmpptest.NewServer(t)
	type side struct {
		*client.Client
		messages  chan *stanza.Message
		presences chan *stanza.Presence
	}
	start := func(name string) side {
		c := side{messages: make(chan *stanza.Message, 100), presences: make(chan *stanza.Presence, 100)}
		mux := new(xmpp.Mux)
		mux.OnMessage(func(_ context.Context, _ xmpp.Sender, m *stanza.Message) error {
			c.messages <- m
			return nil
		})
		mux.OnPresence(func(_ context.Context, _ xmpp.Sender, p *stanza.Presence) error {
			c.presences <- p
			return nil
		})
		c.Client = s.Client(name, mux)
		return c
	}
	must := func(t *testing.T, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx := t.Context()
	juliet, romeo := start("juliet/balcony"), start("romeo/orchard")
	j, r := juliet.LocalAddr().Bare(), romeo.LocalAddr().Bare()
	// expect waits for a presence of somebody else.
	expect := func(t *testing.T, c side, typ stanza.Type, from jid.JID) *stanza.Presence {
		t.Helper()
		for p := range c.presences {
			if p.From.Bare() == from && p.Type == typ {
				return p
			}
		}
		return nil
	}
	t.Run("IM-1.2-1 R3921-12.2-2 messages", func(t *testing.T) {
		must(t, xmpp.Send(ctx, juliet, &stanza.Message{To: r, Type: stanza.TypeChat, Body: "hi"}))
		if m := <-romeo.messages; m.Body != "hi" || m.From != juliet.LocalAddr() {
			t.Errorf("got %+v", m)
		}
	})
	t.Run("IM-1.2-1 R3921-12.2-2 roster", func(t *testing.T) {
		must(t, roster.Set(ctx, juliet, roster.Item{JID: r, Name: "R", Groups: []string{"Montague"}}))
		items, err := roster.Get(ctx, juliet)
		if err != nil || len(items) != 1 || items[0].Name != "R" || items[0].JID != r {
			t.Errorf("%+v, %v", items, err)
		}
	})
	t.Run("IM-1.2-1 R3921-12.2-2 subscriptions", func(t *testing.T) {
		must(t, presence.Subscribe(ctx, juliet, r, ""))
		expect(t, romeo, stanza.TypeSubscribe, j)
		must(t, presence.Approve(ctx, romeo, j))
		expect(t, juliet, stanza.TypeSubscribed, r)
	})
	t.Run("IM-1.2-1 R3921-12.2-2 presence", func(t *testing.T) {
		expect(t, juliet, stanza.TypeAvailable, r)
		must(t, presence.Available(ctx, romeo, stanza.ShowAway, "gone", 0))
		if p := expect(t, juliet, stanza.TypeAvailable, r); p.Show != stanza.ShowAway || p.Status != "gone" {
			t.Errorf("got %+v", p)
		}
	})
	t.Run("R3921-12.2-2 privacy lists", func(t *testing.T) {
		list := privacy.List{Name: "no juliet", Items: []privacy.Item{{Type: privacy.ByJID, JID: j, Deny: true, Order: 1}}}
		must(t, privacy.Set(ctx, romeo, list))
		must(t, privacy.Activate(ctx, romeo, list.Name))
		must(t, xmpp.Send(ctx, juliet, &stanza.Message{To: r, Type: stanza.TypeChat, Body: "unheard"}))
		_, err := roster.Get(ctx, juliet) // what was before has been dealt with then
		must(t, err)
		must(t, privacy.Decline(ctx, romeo))
		must(t, xmpp.Send(ctx, juliet, &stanza.Message{To: r, Type: stanza.TypeChat, Body: "heard"}))
		if m := <-romeo.messages; m.Body != "heard" {
			t.Errorf("got %+v", m)
		}
	})
}

// TestReq_GUIDE_3_arch_12: the least that a client must do, it does: a TCP connection,
// well-formed XML, the kinds of messages.
func TestReq_GUIDE_3_arch_12(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	accepted := make(chan net.Conn, 1)
	go func() {
		if nc, err := l.Accept(); err == nil {
			accepted <- nc
		}
	}()
	got := make(chan *stanza.Stanza, 10)
	down := make(chan error, 1)
	cfg := client.Config{JID: jid.MustParse("bill@shakespeare.lit/globe"), Password: "Calli0pe", OldAuth: true, AllowPlaintext: true, NoPresence: true,
		Dialer: &stream.Dialer{Addr: l.Addr().String(), Mode: stream.DialSTARTTLS},
		Handler: xmpp.HandlerFunc(func(_ context.Context, _ xmpp.Sender, st *stanza.Stanza) error {
			got <- st
			return nil
		}),
		OnDown:  func(_ xmpp.Sender, reason error) { down <- reason },
		Backoff: func(int) time.Duration { return time.Hour },
	}
	cfg.Stream.CloseTimeout = 100 * time.Millisecond // the peer does not answer the end
	c, err := client.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	p := xmpptest.NewPeer(t, <-accepted)
	p.Expect("<stream:stream to='shakespeare.lit'>")
	p.Send(noVersion)
	p.Expect(get)
	p.Send(allFields)
	p.Expect(digest)
	p.Send(good)
	p.Send("<message from='hamlet@denmark/x' id='1' type='chat'><body>To be</body></message>" +
		"<presence from='hamlet@denmark/x'><show>away</show></presence>" +
		"<iq from='hamlet@denmark/x' id='2' type='get'><query xmlns='jabber:iq:version'/></iq>")
	seen := make(map[stanza.Kind]*stanza.Stanza)
	for range 3 {
		st := <-got
		seen[st.Kind] = st
	}
	if m := seen[stanza.KindMessage]; m == nil || m.Message().Body != "To be" || m.From.String() != "hamlet@denmark/x" {
		t.Errorf("message %v", m)
	}
	if pr := seen[stanza.KindPresence]; pr == nil || pr.Presence().Show != stanza.ShowAway {
		t.Errorf("presence %v", pr)
	}
	if iq := seen[stanza.KindIQ]; iq == nil || iq.Payload().Name().Space != "jabber:iq:version" {
		t.Errorf("iq %v", iq)
	}
	p.Send("<message><body>not well-formed</message>")
	if err := <-down; !errors.Is(err, stream.NotWellFormed) {
		t.Errorf("the session ended with %v", err)
	}
	cancel()
	<-done
}
