package server

import (
	"context"
	"crypto/tls"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/etherx-go/xmpp/dialback"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/sasl"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

var errNoFederation = errors.New("server: Config.Federation is nil")

// ServeS2S accepts connections from other servers on l: such as begin with
// plaintext and are upgraded by STARTTLS, and such as begin with the TLS handshake
// (direct TLS, XEP-0368), which the first byte tells. It blocks as Serve does.
func (s *Server) ServeS2S(ctx context.Context, l net.Listener) error {
	if s.fed == nil {
		l.Close()
		return errNoFederation
	}
	return s.serve(ctx, l, roleServer, func(nc net.Conn) error { return s.ServeS2SConn(s.ctx, nc) })
}

// ServeS2SConn serves one connection of another server, and returns when its
// stream has ended. nc may be a [stream.Transport], or a *tls.Conn after its
// handshake. The error says why the stream ended; nil if the other server has
// closed it.
func (s *Server) ServeS2SConn(ctx context.Context, nc net.Conn) error {
	if s.fed == nil {
		nc.Close()
		return errNoFederation
	}
	return s.withConn(nc, roleServer, func(cn *connection, bare bool) error {
		if bare {
			var config *tls.Config
			if s.fed.cfg.TLS != nil {
				config = s.fed.acceptTLS(jid.JID{})
				config.NextProtos = []string{tlsServer}
			}
			if _, err := s.sniff(ctx, cn, nc, config); err != nil {
				nc.Close()
				return err
			}
		}
		return s.fed.serveAccepted(ctx, cn)
	})
}

// sniffed is a connection whose first byte has been read.
type sniffed struct {
	net.Conn
	first []byte
}

func (c *sniffed) Read(b []byte) (int, error) {
	if len(c.first) > 0 {
		n := copy(b, c.first)
		c.first = c.first[n:]
		return n, nil
	}
	return c.Conn.Read(b)
}

// sniff finds out whether a connection begins with TLS, and makes the handshake if
// it does. A nil config stands for no TLS.
func (s *Server) sniff(ctx context.Context, cn *connection, nc net.Conn, config *tls.Config) (isTLS bool, err error) {
	const handshake = 22 // the type of a TLS record, RFC 8446 section 5.1
	ctx, cancel := context.WithTimeout(ctx, s.negotiationTimeout())
	defer cancel()
	stop := context.AfterFunc(ctx, func() { nc.SetReadDeadline(time.Unix(1, 0)) })
	c := &sniffed{nc, make([]byte, 1)}
	_, err = io.ReadFull(nc, c.first)
	if !stop() {
		return false, ctx.Err()
	}
	if err != nil {
		return false, err
	}
	if c.first[0] != handshake || config == nil {
		s.setTransport(cn, stream.NewTransport(c))
		return false, nil
	}
	tc := tls.Server(c, config)
	if err := onOwnStack(func() error { return tc.HandshakeContext(ctx) }); err != nil {
		return true, err
	}
	s.setTransport(cn, stream.NewTransport(tc))
	return true, nil
}

// serveAccepted negotiates a stream that another server opens, and serves it to
// its end.
func (f *federation) serveAccepted(ctx context.Context, cn *connection) error {
	if ctx != f.srv.ctx {
		stop := context.AfterFunc(ctx, func() { cn.tr.Close() })
		defer stop()
	}
	p := &peer{fed: f, left: make(chan struct{})}
	p.management = p.serverManagement()
	var c *stream.Conn
	err := onOwnStack(func() (err error) {
		c, err = stream.Accept(ctx, cn.tr, f.stream, p.answer)
		return err
	})
	if err != nil {
		f.srv.log.Debug("no server stream", "remote", cn.tr.RemoteAddr(), "pair", p.pair, "err", err)
		return err
	}
	p.begin(c)
	f.srv.setShutdown(cn, p.shutdown)
	f.srv.log.Info("server stream up", "pair", p.pair, "remote", cn.tr.RemoteAddr(), "stream", p)
	err = p.serve()
	f.srv.log.Info("server stream down", "pair", p.pair, "err", err)
	return err
}

// answer answers the header of another server's stream.
func (p *peer) answer(c *stream.Conn, in stream.Header) (stream.Header, []stream.Feature, error) {
	f := p.fed
	h := stream.Header{Content: stanza.NSServer, From: f.srv.main.jid, To: in.From, Version: stream.V1,
		Lang: f.srv.cfg.Lang}
	if err := p.checkHeader(in); err != nil {
		return h, nil, err
	}
	if !in.To.IsZero() {
		h.From = in.To
	}
	pair := dialback.Pair{Local: in.To, Remote: in.From}
	if p.proven && pair != p.pair {
		return h, nil, &stream.Error{Condition: stream.InvalidFrom, Text: "a restarted stream stays between its domains"}
	}
	p.pair = pair
	trust, err := f.trust(p.pair)
	if err != nil {
		return h, nil, &stream.Error{Condition: stream.PolicyViolation, Text: stanza.AsError(err).Text, Err: err}
	}
	p.trust = trust
	h.Dialback = trust.Dialback
	if in.Version == (stream.Version{}) && (!trust.Dialback || c.State()&stream.Secure == 0 && !trust.Plaintext) {
		const text = "the version of the stream must be 1.0, for TLS"
		return h, nil, &stream.Error{Condition: stream.UnsupportedVersion, Text: text}
	}
	return h, p.serverFeatures(c), nil
}

// checkHeader checks what another server says of itself, and of who it wants to
// talk with. It may leave both out: draft-miller-xmpp-core-02, section 5.2.1, did
// not have them.
func (p *peer) checkHeader(in stream.Header) error {
	switch {
	case in.Content != stanza.NSServer:
		return &stream.Error{Condition: stream.InvalidNamespace, Text: "this is a port for servers"}
	case !in.To.IsZero() && (!in.To.IsDomain() || !p.fed.isLocal(in.To)):
		return stream.HostUnknown
	case !in.From.IsZero() && (!in.From.IsDomain() || p.fed.isLocal(in.From)):
		text := fmt.Sprintf("%s is not the domain of another server", in.From)
		return &stream.Error{Condition: stream.InvalidFrom, Text: text}
	}
	return nil
}

// Names of what servers negotiate.
const (
	nsBidi        = "urn:xmpp:bidi"
	nsBidiFeature = "urn:xmpp:features:bidi"
	nsLimits      = "urn:xmpp:stream-limits:0"
)

var (
	bidiName        = xml.Name{Space: nsBidi, Local: "bidi"}
	bidiFeature     = xml.Name{Space: nsBidiFeature, Local: "bidi"}
	limitsFeature   = xml.Name{Space: nsLimits, Local: "limits"}
	dialbackFeature = xml.Name{Space: dialback.NSFeature, Local: "dialback"}
	resultName      = xml.Name{Space: dialback.NS, Local: "result"}
	verifyName      = xml.Name{Space: dialback.NS, Local: "verify"}
)

// serverFeatures lists what is offered to another server.
func (p *peer) serverFeatures(c *stream.Conn) []stream.Feature {
	f := p.fed
	var needs stream.State
	if !p.trust.Plaintext {
		needs = stream.Secure
	}
	var fs []stream.Feature
	if f.cfg.TLS != nil {
		fs = append(fs, stream.ServeTLS(f.acceptTLS(p.pair.Local), !p.trust.Plaintext))
	}
	if !f.cfg.NoBidi {
		fs = append(fs, p.serveBidi(needs))
	}
	named := !p.pair.Remote.IsZero() && !p.pair.Local.IsZero()
	if !f.isLeaving() && named && p.trust.proof(c.TLS(), p.pair.Remote) == nil {
		fs = append(fs, p.external().Features()...)
	}
	if p.trust.Dialback {
		fs = append(fs, p.serveDialback(needs))
	}
	if !f.cfg.NoAcks {
		fs = append(fs, p.serveManagement())
	}
	return append(fs, f.offerLimits())
}

// serveBidi offers to use the stream both ways, once who is there is known.
func (p *peer) serveBidi(needs stream.State) stream.Feature {
	return stream.Feature{Name: bidiFeature, Requests: []xml.Name{bidiName}, Needs: needs, Not: stream.Authenticated,
		Offer: func(_ *stream.Conn, dst []byte) []byte { return append(dst, "<bidi xmlns='"+nsBidiFeature+"'/>"...) },
		Serve: func(_ context.Context, _ *stream.Conn, in stream.Incoming) (stream.Outcome, error) {
			p.bidi = true
			p.takeLimits(in.Element)
			return stream.Outcome{}, nil
		}}
}

// external is SASL EXTERNAL for who has shown a certificate of its domain. The
// identity is "the value of the 'from' attribute of the stream header" (XEP-0178,
// section 3, step 11).
func (p *peer) external() stream.SASLServer {
	pair := p.pair
	prove := func(_ context.Context, authzid string, state *tls.ConnectionState) (string, error) {
		if authzid != "" {
			if j, err := jid.Parse(authzid); err != nil || j != pair.Remote {
				return "", sasl.InvalidAuthzID
			}
		}
		if err := p.trust.proof(state, pair.Remote); err != nil {
			return "", fmt.Errorf("%w: %w", sasl.NotAuthorized, err)
		}
		return pair.Remote.Domain(), nil
	}
	return stream.SASLServer{Needs: stream.Secure,
		Config: sasl.ServerConfig{Host: pair.Local.Domain(), Credentials: sasl.Credentials{
			External:  prove,
			Authorize: func(context.Context, string, string) error { return nil }, // prove has looked at it
		}},
		Done: func(*stream.Conn, string, string, string) error {
			p.proven = true
			return nil
		},
		Failed: func(c *stream.Conn, mechanism string, err error) {
			p.fed.srv.log.Info("server authentication failed", "pair", pair, "remote", c.Transport().RemoteAddr(), "err", err)
		}}
}

// serveManagement offers stream management. With dialback there are no features after
// the authentication, so it is offered before; what is asked for is refused until then.
// Who is authenticated asks when the stream is ready, see [peer.manage].
func (p *peer) serveManagement() stream.Feature {
	f := p.management.Feature()
	offer := f.Offer
	f.Offer = func(c *stream.Conn, dst []byte) []byte {
		if p.trust.Dialback && c.State()&stream.Authenticated == 0 && (p.trust.Plaintext || c.State()&stream.Secure != 0) {
			return append(dst, "<sm xmlns='"+stream.NSManagement+"'/>"...)
		}
		return offer(c, dst)
	}
	return f
}

// serveDialback lets a stream begin on which keys are sent or verified. The
// element that begins it is handled with those that follow.
func (p *peer) serveDialback(needs stream.State) stream.Feature {
	return stream.Feature{Name: dialbackFeature, Requests: []xml.Name{resultName, verifyName},
		Needs: needs, Not: stream.Authenticated,
		Offer: func(_ *stream.Conn, dst []byte) []byte {
			dst, _ = dialback.Feature{Errors: true}.AppendXML(dst)
			return dst
		},
		Serve: func(_ context.Context, _ *stream.Conn, in stream.Incoming) (stream.Outcome, error) {
			p.first = append(p.first, in.Element)
			return stream.Outcome{State: stream.Ready}, nil
		}}
}
