package server

import (
	"context"
	"crypto/tls"
	"encoding/xml"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/etherx-go/xmpp/dialback"
	"github.com/etherx-go/xmpp/sasl"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

// open opens a stream for the link and negotiates it.
func (l *link) open() (*peer, error) {
	f := l.fed
	trust, err := f.trust(l.pair)
	switch {
	case err != nil:
		return nil, err
	case f.isClosing():
		return nil, errClosing
	}
	ctx, leave, err := l.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	if !l.isWanted() {
		return nil, errUnwanted
	}
	before := l.distrusted
	p, err := f.initiate(ctx, l, trust)
	if err != nil && l.distrusted && !before {
		p, err = f.initiate(ctx, l, trust) // it has closed the connection over our certificate
	}
	return p, err
}

var managementFeature = xml.Name{Space: stream.NSManagement, Local: "sm"}

// errUnwanted says that nobody waits for the stream any more.
var errUnwanted = errors.New("not wanted any more")

// enter waits for a slot. The context is for what is done in it, and ends with leave,
// or after the ConnectTimeout; that begins anew when a stanza of this server comes to
// wait for a link that has only waited among what others have caused.
func (l *link) enter() (ctx context.Context, leave func(), err error) {
	f := l.fed
	ctx, cancel := context.WithTimeout(f.srv.ctx, f.cfg.ConnectTimeout)
	free, err := f.dialing.enterTheirs(ctx, l.whenUrgent())
	if err == errUrgent {
		cancel()
		ctx, cancel = context.WithTimeout(f.srv.ctx, f.cfg.ConnectTimeout)
		free, err = f.dialing.enter(ctx)
	}
	if err != nil {
		cancel()
		return nil, nil, err
	}
	return ctx, func() { free(); cancel() }, nil
}

// initiate opens one stream.
func (f *federation) initiate(ctx context.Context, l *link, trust Trust) (*peer, error) {
	p := &peer{fed: f, link: l, pair: l.pair, trust: trust, left: make(chan struct{}), old: l.suspended()}
	p.acks = p.clientManagement()
	config := f.openTLSFor(p)
	tr, err := f.dial(ctx, l.pair, config)
	if err != nil {
		return nil, err
	}
	h := stream.Header{To: l.pair.Remote, From: l.pair.Local, Content: stanza.NSServer, Version: stream.V1,
		Lang: f.srv.cfg.Lang, Dialback: trust.Dialback}
	c, err := stream.Initiate(ctx, tr, f.stream, h, p.clientFeatures(config))
	if err != nil {
		return nil, err
	}
	p.begin(c)
	if c.Resumed() {
		p.intake.set(p.old.intake.count())
	}
	return p, nil
}

// openTLSFor returns the config for p, nil if this server has no TLS. The other
// server must show a certificate that is trusted, unless dialback will do.
func (f *federation) openTLSFor(p *peer) *tls.Config {
	if f.cfg.TLS == nil {
		return nil
	}
	return f.openTLS(p.pair.Local, p.pair.Remote, func(cs tls.ConnectionState) error {
		if p.trust.Dialback {
			return nil
		}
		return p.trust.proof(&cs, p.pair.Remote)
	})
}

// dial connects to the server of a domain.
func (f *federation) dial(ctx context.Context, pair dialback.Pair, config *tls.Config) (stream.Transport, error) {
	if f.cfg.Dial != nil {
		if tr, err := f.cfg.Dial(ctx, pair); tr != nil || err != nil {
			return tr, err
		}
	}
	d := *f.cfg.Dialer
	d.Service = stream.ServiceServer
	if config == nil {
		d.Mode = stream.DialSTARTTLS
	} else {
		d.TLSConfig = config.Clone()
		d.TLSConfig.NextProtos = []string{tlsServer}
	}
	return d.Dial(ctx, pair.Remote.Domain())
}

// clientFeatures lists what is negotiated on a stream that is opened here.
func (p *peer) clientFeatures(config *tls.Config) []stream.Feature {
	f := p.fed
	var needs stream.State
	if !p.trust.Plaintext {
		needs = stream.Secure
	}
	var fs []stream.Feature
	if config != nil {
		fs = append(fs, stream.StartTLS(config))
	}
	fs = append(fs, stream.Feature{Name: limitsFeature,
		Negotiate: func(_ context.Context, _ *stream.Conn, offered stanza.Element) (stream.Outcome, error) {
			p.takeLimits(offered)
			return stream.Outcome{}, nil
		}})
	if !f.cfg.NoBidi {
		fs = append(fs, p.askBidi(needs))
	}
	if config != nil && !(p.link.distrusted && p.trust.Dialback) {
		fs = append(fs, p.useExternal()...)
	}
	if !f.cfg.NoAcks {
		fs = append(fs, p.resumeOld(), p.acks.Enable())
	}
	return append(fs, p.ready(needs))
}

// clientManagement is the initiator's side of stream management on the stream.
func (p *peer) clientManagement() *stream.ManagementClient {
	m := &stream.ManagementClient{}
	if d := p.fed.cfg.ResumeTimeout; d > 0 {
		m.Resumable, m.Max = true, d
	}
	if p.old != nil {
		m.Old, m.Handled, m.Gone = p.old.conn, p.old.intake.count, func() { p.old.gone.Store(true) }
	}
	return m
}

// resumeOld asks to go on with the stream whose connection was lost.
func (p *peer) resumeOld() stream.Feature {
	f := p.acks.Resume()
	negotiate := f.Negotiate
	f.Negotiate = func(ctx context.Context, c *stream.Conn, offered stanza.Element) (stream.Outcome, error) {
		if !p.mayResume() {
			return stream.Outcome{}, fmt.Errorf("%w: it takes other stanzas than the former stream", stream.ErrSkip)
		}
		return negotiate(ctx, c, offered)
	}
	return f
}

// mayResume reports whether the stream can carry all that the old one has left: it goes
// the same ways, and each stanza is one that the other server still takes.
func (p *peer) mayResume() bool {
	if p.old == nil || p.old.bidi != p.bidi {
		return false
	}
	r, ok := p.old.conn.Resumption(0)
	return ok && !slices.ContainsFunc(r.Unacked, p.isTooLarge)
}

// admitted is called when the other server has let this one in by dialback: now is the
// time for stream management.
func (p *peer) admitted() {
	if !p.fed.cfg.NoAcks && p.conn.Offers(managementFeature) && !p.conn.Managed() {
		if p.old != nil && !p.mayResume() {
			p.acks.Old = nil
		}
		if _, err := p.acks.Begin(p.conn); err == nil {
			p.awaitAgreement()
			return
		}
	}
	p.link.admitted(p)
}

// awaitAgreement lets nothing be sent until it is known whether the old stream goes on,
// or else by what the new one is resumed. A server that does not say so in time loses
// the connection only: the old one may have gone on for it.
func (p *peer) awaitAgreement() {
	p.agreeing = true
	p.mu.Lock()
	defer p.mu.Unlock()
	p.expiry = time.AfterFunc(p.fed.cfg.DialbackTimeout, func() { p.conn.Transport().Close() })
}

// agreed takes note that it is known.
func (p *peer) agreed() {
	p.agreeing = false
	p.mu.Lock()
	defer p.mu.Unlock()
	p.expiry.Stop()
}

// askBidi asks for a stream that goes both ways, before "SASL negotiation or Server
// Dialback" (XEP-0288, section 2.2). There is no answer.
func (p *peer) askBidi(needs stream.State) stream.Feature {
	return stream.Feature{Name: bidiFeature, Needs: needs, Not: stream.Authenticated,
		Negotiate: func(ctx context.Context, c *stream.Conn, _ stanza.Element) (stream.Outcome, error) {
			if p.bidi {
				return stream.Outcome{}, nil
			}
			p.bidi = true
			b := p.fed.appendLimits([]byte("<bidi xmlns='" + nsBidi + "'>"))
			return stream.Outcome{}, c.SendRaw(ctx, string(b)+"</bidi>")
		}}
}

// useExternal authenticates with the certificate that was shown. The domain is
// said again: "the connecting server SHOULD include the authorization identity for
// backward compability" (XEP-0178, section 3, step 10).
func (p *peer) useExternal() []stream.Feature {
	fs := stream.SASL(func() sasl.ClientConfig {
		return sasl.ClientConfig{External: true, AuthzID: p.pair.Local.String()}
	}, stream.Secure)
	for i := range fs {
		negotiate := fs[i].Negotiate
		fs[i].Negotiate = func(ctx context.Context, c *stream.Conn, offered stanza.Element) (stream.Outcome, error) {
			out, err := negotiate(ctx, c, offered)
			p.proven = err == nil
			_, none := errors.AsType[*sasl.ChoiceError](err)
			_, refused := errors.AsType[*sasl.Failure](err)
			if none || refused && p.trust.Dialback {
				// "either close Server1's TCP connection or continue with a Server
				// Dialback" (XEP-0178, section 3, step 11).
				p.link.distrusted = refused
				err = fmt.Errorf("%w: %w", stream.ErrSkip, err)
			}
			return out, err
		}
	}
	return fs
}

var (
	errNotBelieved = fmt.Errorf("%w: the other server does not believe the certificate of this one, "+
		"and dialback is not allowed", stream.ErrSkip)
	errNoDialback = fmt.Errorf("%w: the other server neither believes the certificate of this one "+
		"nor speaks dialback", stream.ErrSkip)
)

// ready ends the negotiation: as far as streams go everything is there. If the
// other server has not authenticated this one dialback is what remains.
func (p *peer) ready(needs stream.State) stream.Feature {
	return stream.Feature{Name: dialbackFeature, Unoffered: true, Needs: needs, Not: stream.Ready,
		Negotiate: func(_ context.Context, c *stream.Conn, offered stanza.Element) (stream.Outcome, error) {
			var f dialback.Feature
			p.knowsErrors = f.ParseXML(offered) == nil && f.Errors
			switch {
			case c.State()&stream.Authenticated != 0:
			case !p.trust.Dialback:
				return stream.Outcome{}, errNotBelieved
			case !c.Received().Dialback && !c.Offers(dialbackFeature):
				return stream.Outcome{}, errNoDialback
			}
			return stream.Outcome{State: stream.Ready}, nil
		}}
}

// bounceFor returns what stanzas are answered with for which no stream could be
// had: remote-server-not-found if there is no such domain, and else
// remote-server-timeout (RFC 6120, section 10.4).
func bounceFor(err error) *stanza.Error {
	if e, ok := errors.AsType[*stanza.Error](err); ok {
		return e
	}
	if dialback.Cause(err) == stanza.RemoteServerNotFound {
		return stanza.NewError(stanza.RemoteServerNotFound, "there is no such server")
	}
	return stanza.NewError(stanza.RemoteServerTimeout, "the server could not be reached")
}
