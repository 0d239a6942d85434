package stream

import (
	"context"
	"crypto/tls"
	"encoding/xml"
	"errors"
	"fmt"

	"github.com/etherx-go/xmpp/stanza"
)

var (
	startTLSName = xml.Name{Space: NSStartTLS, Local: "starttls"}
	errInjected  = newError(PolicyViolation, "bytes behind <starttls/> before the TLS handshake")
)

// TLSError says that TLS could not be established: the name that the
// certificate had to be for, and why.
type TLSError struct {
	ServerName string
	Err        error
}

func (e *TLSError) Error() string { return "stream: TLS to " + e.ServerName + ": " + e.Err.Error() }

// Unwrap returns the reason.
func (e *TLSError) Unwrap() error { return e.Err }

// StartTLS is the client's side of STARTTLS (RFC 6120, section 5). The
// config's ServerName is the domain of the stream's to address unless it is
// set: never the name of the host that was connected to (RFC 6120, section
// 13.7.2.1). A nil config is an empty one.
func StartTLS(config *tls.Config) Feature {
	return Feature{Name: startTLSName, Not: Secure,
		Negotiate: func(ctx context.Context, c *Conn, _ stanza.Element) (Outcome, error) {
			in, err := c.exchange([]byte("<starttls xmlns='" + NSStartTLS + "'/>"))
			if err != nil {
				return Outcome{}, err
			}
			if n := in.Name(); n != (xml.Name{Space: NSStartTLS, Local: "proceed"}) {
				return Outcome{}, fmt.Errorf("stream: the server answers <starttls/> with <%s/>", n.Local)
			}
			return c.startTLS(ctx, clientTLS(config, c.sent.To.ASCIIDomain()), false)
		}}
}

// ServeTLS is the server's side of STARTTLS. It is marked as required if
// required is true; nothing else is served then before TLS is on.
func ServeTLS(config *tls.Config, required bool) Feature {
	return Feature{Name: startTLSName, Not: Secure,
		Offer: func(_ *Conn, dst []byte) []byte {
			dst = append(dst, "<starttls xmlns='"+NSStartTLS+"'"...)
			if required {
				return append(dst, "><required/></starttls>"...)
			}
			return append(dst, "/>"...)
		},
		Serve: func(ctx context.Context, c *Conn, _ Incoming) (Outcome, error) {
			if c.sc.Buffered() > 0 {
				return Outcome{}, errInjected
			}
			if _, err := c.writeNow([]byte("<proceed xmlns='" + NSStartTLS + "'/>")); err != nil {
				return Outcome{}, err
			}
			return c.startTLS(ctx, config, true)
		}}
}

// startTLS makes the handshake. What was received before it in plaintext
// counts for nothing any more.
func (c *Conn) startTLS(ctx context.Context, config *tls.Config, server bool) (Outcome, error) {
	if c.sc.Buffered() > 0 {
		return Outcome{}, errInjected
	}
	if err := c.tr.StartTLS(ctx, config, server); err != nil {
		if ctx.Err() != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
			err = fmt.Errorf("%w (%w)", err, ctx.Err())
		}
		return Outcome{}, &TLSError{config.ServerName, err}
	}
	c.sc.ResetReader(&c.src)
	return Outcome{State: Secure, Restart: true}, nil
}
