package client

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"slices"

	"github.com/etherx-go/xmpp/internal/session"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/sasl"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

// maxRedirects is how many see-other-host in succession are followed: "at least
// 2 but no more than 5" (RFC 6120, section 4.9.3.19).
const maxRedirects = 5

// hopeless reports whether it is of no use to try again. That a host cannot be
// reached or trusted which the client was sent to says nothing of the next one.
func hopeless(a session.Attempt) bool {
	if a.To != "" && (isA[*stream.DialError](a.Err) || isCertificate(a.Err)) {
		return false
	}
	return permanent(a.Err)
}

// connect makes one attempt: a connection, a negotiated stream, and the session that
// was lost, or a new one.
func (c *Client) connect(ctx, base context.Context, redirect string, lost *session.Lost) (*session.Session, error) {
	domain := c.cfg.JID.DomainJID()
	tr, err := c.dial(ctx, redirect)
	if err != nil {
		return nil, &ConnectError{Domain: domain.String(), Err: err}
	}
	remote := tr.RemoteAddr().String()
	c.logins.load(ctx, c.cfg.UserAgent.ID)
	var n negotiated
	h := stream.Header{
		To: domain, From: c.cfg.JID.Bare(), Content: stanza.NSClient, Version: stream.V1,
		Lang: c.cfg.Lang, OldSASL: c.cfg.OldSASL,
	}
	if c.cfg.OldStream {
		h.Version = stream.Version{}
	}
	conn, err := stream.Initiate(ctx, tr, c.cfg.Stream, h, c.features(ctx, &n, lost))
	if err != nil {
		return nil, &ConnectError{Domain: domain.String(), Addr: remote, Err: n.explain(err)}
	}
	c.logins.settle(ctx)
	if conn.Resumed() {
		s := c.run.Resume(base, conn, lost)
		c.cfg.Log.Info("session resumed", slog.String("jid", s.LocalAddr().String()), slog.String("server", remote))
		return s, nil
	}
	c.run.GiveUp(lost, errRefused)
	c.cfg.Log.Info("session", slog.String("jid", n.addr.String()), slog.String("server", remote),
		slog.Bool("tls", conn.TLS() != nil), slog.Bool("acks", conn.Managed()))
	return c.run.Begin(base, conn, n.addr, n.enabled...), nil
}

// errRefused is why a session has ended that the server does not go on with.
var errRefused = errors.New("the server does not go on with it")

// features lists what is negotiated, in order; n is what comes of it. lost is a session
// that the server may go on with.
func (c *Client) features(ctx context.Context, n *negotiated, lost *session.Lost) []stream.Feature {
	needs := stream.Secure
	if c.cfg.AllowPlaintext {
		needs = 0
	}
	m := &stream.ManagementClient{Resumable: c.cfg.ResumeTimeout >= 0, Max: max(c.cfg.ResumeTimeout, 0)}
	if lost != nil {
		m.Old, m.Handled = lost.Stream(), lost.Handled
	}
	fs := []stream.Feature{stream.StartTLS(c.cfg.TLS)}
	if !c.cfg.NoSASL2 && !c.cfg.OldStream {
		fs = append(fs, c.sasl2(ctx, m, n))
	}
	fs = append(fs, stream.SASL(c.saslConfig, needs)...)
	if c.cfg.OldAuth {
		fs = append(fs, c.oldLogin(needs, &n.addr))
	}
	if lost != nil {
		fs = append(fs, m.Resume())
	}
	fs = append(fs, stream.Bind(c.cfg.JID.Resource(), func(j jid.JID) { n.addr = j }), stream.Session())
	if c.cfg.OldSASL {
		fs = append(fs, c.oldBind(&n.addr))
	}
	if !c.cfg.NoAcks {
		fs = append(fs, m.Enable())
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
	l := &c.logins
	l.mu.Lock()
	defer l.mu.Unlock()
	config.Keys = append(slices.Clone(l.keys), config.Keys...)
	if l.state.Proven {
		config.Refuse = append(slices.Clone(config.Refuse), sasl.Plain, sasl.DigestMD5)
	}
	config.SaveKeys = c.saveKeys
	return config
}

func (c *Client) saveKeys(k sasl.ClientKeys) {
	c.logins.prove(k)
	if c.cfg.SASL.SaveKeys != nil {
		c.cfg.SASL.SaveKeys(k)
	}
}
