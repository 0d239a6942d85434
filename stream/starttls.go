package stream

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/xml"
	"errors"
	"fmt"

	"github.com/etherx-go/xmpp/stanza"
)

var (
	startTLSName = xml.Name{Space: NSStartTLS, Local: "starttls"}
	// oldStartTLSName is what draft-miller-xmpp-core-02, section 5.1.2, shows
	// among the features, without saying what would follow.
	oldStartTLSName = xml.Name{Space: "http://www.ietf.org/rfc/rfc2246.txt", Local: "starttls"}

	errNotOffered = errors.New("asked for, but not offered")
)

// TLSError says that TLS could not be established: the name that the
// certificate had to be for, and why.
type TLSError struct {
	ServerName string // empty on the server's side
	Err        error
}

// Error gives the name and the reason.
func (e *TLSError) Error() string {
	if e.ServerName == "" {
		return "stream: TLS: " + e.Err.Error()
	}
	return "stream: TLS to " + e.ServerName + ": " + e.Err.Error()
}

// Unwrap returns the reason.
func (e *TLSError) Unwrap() error { return e.Err }

// StartTLS is the client's side of STARTTLS (RFC 6120, section 5). The
// config's ServerName is the domain of the stream's to address unless it is
// set: never the name of the host that was connected to (RFC 6120, section
// 13.7.2.1). A nil config is an empty one. A server that refuses, and a
// handshake that fails, give a [*TLSError].
func StartTLS(config *tls.Config) Feature {
	return Feature{Name: startTLSName, Aliases: []xml.Name{oldStartTLSName}, Not: Secure,
		Negotiate: func(ctx context.Context, c *Conn, _ stanza.Element) (Outcome, error) {
			config := clientTLS(config, c.sent.To.ASCIIDomain())
			in, err := c.exchange([]byte("<starttls xmlns='" + NSStartTLS + "'/>"))
			if err != nil {
				return Outcome{}, err
			}
			switch n := in.Name(); n {
			case xml.Name{Space: NSStartTLS, Local: "proceed"}:
				return c.startTLS(ctx, config, false)
			case xml.Name{Space: NSStartTLS, Local: "failure"}:
				return Outcome{}, &TLSError{config.ServerName, errors.New("refused by the server")}
			default:
				return Outcome{}, newError(UnsupportedStanzaType, fmt.Sprintf("{%.100s}%.100s answers <starttls/>", n.Space, n.Local))
			}
		}}
}

// ServeTLS is the server's side of STARTTLS. It is marked as required if
// required is true. Whether something else is served before TLS is on is for
// the other features to say, by what they need.
func ServeTLS(config *tls.Config, required bool) Feature {
	return Feature{Name: startTLSName, Not: Secure,
		Offer: func(_ *Conn, dst []byte) []byte {
			dst = append(dst, "<starttls xmlns='"+NSStartTLS+"'"...)
			if required {
				return append(dst, "><required/></starttls>"...)
			}
			return append(dst, "/>"...)
		},
		Serve: func(ctx context.Context, c *Conn, in Incoming) (Outcome, error) {
			if in.Stanza != nil {
				return Outcome{}, c.unexpected(in)
			}
			if c.injected() {
				return Outcome{}, errInjected("starttls")
			}
			if err := c.say([]byte("<proceed xmlns='" + NSStartTLS + "'/>")); err != nil {
				return Outcome{}, err
			}
			return c.startTLS(ctx, config, true)
		}}
}

// injected reports whether there is plaintext where the TLS handshake begins.
// White space means nothing: go-sendxmpp ends each element with a line feed.
func (c *Conn) injected() bool {
	b, err := c.sc.Peek(0)
	return err != nil || len(bytes.TrimLeft(b, " \t\r\n")) > 0
}

// errInjected is the error for plaintext where the TLS handshake begins.
func errInjected(name string) error {
	return newError(PolicyViolation, "bytes behind <"+name+"/>, before the TLS handshake")
}

// startTLS makes the handshake. Nothing that was received in plaintext may count
// as if it had come through TLS.
func (c *Conn) startTLS(ctx context.Context, config *tls.Config, server bool) (Outcome, error) {
	if c.injected() {
		return Outcome{}, errInjected("proceed")
	}
	if config == nil {
		config = new(tls.Config)
	}
	if err := c.tr.StartTLS(ctx, config, server); err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("%w (%w)", err, ctx.Err())
		}
		e := &TLSError{Err: err}
		if !server {
			e.ServerName = config.ServerName
		}
		// "The receiving entity MUST NOT send a closing </stream> tag" (RFC
		// 6120, section 5.4.3.2).
		c.out.fail(e)
		return Outcome{}, e
	}
	c.sc.ResetReader(&c.src)
	return Outcome{State: Secure, Restart: true}, nil
}
