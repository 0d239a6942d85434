package client

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"slices"
	"time"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/sasl"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

// maxRedirects is how many see-other-host in succession are followed: "at least
// 2 but no more than 5" (RFC 6120, section 4.9.3.19).
const maxRedirects = 5

// steady is how long a session must have lasted for the delays to start over,
// so that a server which throws everybody out at once is not asked every second.
const steady = time.Minute

// jitter returns a random duration up to d.
func jitter(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return rand.N(d)
}

// retry is what the next attempt depends on.
type retry struct {
	try       int    // failures since the last good session
	redirects int    // followed in succession
	redirect  string // where to connect to, from see-other-host; "" for where DNS says
}

// stayConnected connects again and again. It returns nil, and the session if
// there is one, when ctx has ended, and otherwise why there is no hope.
func (c *Client) stayConnected(ctx, base context.Context) (*session, error) {
	var r retry
	for {
		s, err := c.connect(ctx, base, r.redirect)
		ended := err == nil // or there was no session
		if ended {
			begin := time.Now()
			if err = s.wait(ctx); err == nil {
				return s, nil
			}
			if time.Since(begin) >= steady {
				r = retry{}
			}
		}
		if ctx.Err() != nil && !(ended && r.hopeless(err)) {
			return nil, nil // else the session had ended for good before
		}
		if r.follow(err) && c.cfg.Dial == nil {
			c.cfg.Log.Info("redirected", slog.String("to", r.redirect))
			continue
		}
		if r.hopeless(err) {
			return nil, err
		}
		delay := c.cfg.Backoff(r.try)
		c.cfg.Log.Warn("no session", slog.Any("error", err), slog.Int("try", r.try), slog.Duration("next", delay))
		r = retry{try: r.try + 1}
		if !sleep(ctx, delay) {
			return nil, nil
		}
	}
}

// follow reports whether the next attempt is one where the server has sent the
// client, and may be made at once.
func (r *retry) follow(err error) bool {
	e, ok := errors.AsType[*stream.Error](err)
	if !ok || !e.Remote || e.Condition != stream.SeeOtherHost || e.Host == "" || r.redirects >= maxRedirects {
		return false
	}
	r.redirects++
	r.redirect = e.Host
	return true
}

// hopeless reports whether it is of no use to try again. That a host cannot be
// reached or trusted which the client was sent to says nothing of the next one.
func (r *retry) hopeless(err error) bool {
	if r.redirect != "" && (isA[*stream.DialError](err) || isCertificate(err)) {
		return false
	}
	return permanent(err)
}

// connect makes one attempt: a connection, a negotiated stream, a session.
func (c *Client) connect(ctx, base context.Context, redirect string) (*session, error) {
	domain := c.cfg.JID.DomainJID()
	tr, err := c.dial(ctx, redirect)
	if err != nil {
		return nil, &ConnectError{Domain: domain.String(), Err: err}
	}
	remote := tr.RemoteAddr().String()
	var addr jid.JID
	h := stream.Header{To: domain, From: c.cfg.JID.Bare(), Content: stanza.NSClient, Version: stream.V1, Lang: c.cfg.Lang, OldSASL: c.cfg.OldSASL}
	if c.cfg.OldStream {
		h.Version = stream.Version{}
	}
	conn, err := stream.Initiate(ctx, tr, c.cfg.Stream, h, c.features(&addr))
	if err != nil {
		return nil, &ConnectError{Domain: domain.String(), Addr: remote, Err: err}
	}
	s := newSession(c, conn, addr, base)
	c.cfg.Log.Info("session", slog.String("jid", addr.String()), slog.String("server", remote), slog.Bool("tls", conn.TLS() != nil))
	s.begin()
	return s, nil
}

// features lists what is negotiated, in order. The bound address goes to addr.
func (c *Client) features(addr *jid.JID) []stream.Feature {
	needs := stream.Secure
	if c.cfg.AllowPlaintext {
		needs = 0
	}
	fs := []stream.Feature{stream.StartTLS(c.cfg.TLS)}
	fs = append(fs, stream.SASL(c.saslConfig, needs)...)
	if c.cfg.OldAuth {
		fs = append(fs, c.oldLogin(needs, addr))
	}
	fs = append(fs, stream.Bind(c.cfg.JID.Resource(), func(j jid.JID) { *addr = j }), stream.Session())
	if c.cfg.OldSASL {
		fs = append(fs, c.oldBind(addr))
	}
	return fs
}

// dial connects to the server, or to where it has redirected the client.
func (c *Client) dial(ctx context.Context, redirect string) (stream.Transport, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.ConnectTimeout)
	defer cancel()
	if c.cfg.Dial != nil {
		return c.cfg.Dial(ctx)
	}
	d := *c.cfg.Dialer
	if d.TLSConfig == nil {
		d.TLSConfig = c.cfg.TLS
	}
	domain := c.cfg.JID.Domain()
	if redirect == "" {
		return d.Dial(ctx, domain)
	}
	// "the initiating entity [...] MUST verify the identity of the new host
	// using the same reference identifier(s)" (RFC 6120, section 4.9.3.19).
	d.TLSConfig = withServerName(d.TLSConfig, c.cfg.JID.ASCIIDomain())
	d.Addr = ""
	if _, _, err := net.SplitHostPort(redirect); err == nil {
		d.Addr = redirect
		return d.Dial(ctx, domain)
	}
	return d.Dial(ctx, redirect)
}

func withServerName(config *tls.Config, name string) *tls.Config {
	if config.ServerName != "" {
		return config
	}
	config = config.Clone()
	config.ServerName = name
	return config
}

// saslConfig returns what is known for the next login.
func (c *Client) saslConfig() sasl.ClientConfig {
	config := c.cfg.SASL
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.keys) > 0 {
		config.Keys = append(slices.Clone(c.keys), config.Keys...)
		config.Refuse = append(slices.Clone(config.Refuse), sasl.Plain, sasl.DigestMD5)
	}
	config.SaveKeys = c.saveKeys
	return config
}

func (c *Client) saveKeys(k sasl.ClientKeys) {
	c.mu.Lock()
	c.keys = []sasl.ClientKeys{k}
	c.mu.Unlock()
	if c.cfg.SASL.SaveKeys != nil {
		c.cfg.SASL.SaveKeys(k)
	}
}
