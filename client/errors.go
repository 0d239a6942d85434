package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"

	"github.com/etherx-go/xmpp/internal/session"
	"github.com/etherx-go/xmpp/sasl"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

// ErrUnresponsive is why a connection was given up on which nothing came any
// more, not even the answer to a ping.
var ErrUnresponsive = session.ErrUnresponsive

// ErrNotResumed is why a session has ended that has lost its connection, and could not
// go on with another one: what SessionDown and OnDown are told, with why the
// connection was lost.
var ErrNotResumed = session.ErrNotResumed

// ConnectError says why there is no session: what was connected to, if
// anything, and what came of it. Err holds the whole story: a
// [*stream.DialError] with every address that was tried, a [*stream.TLSError]
// with the expected and the presented name, a [*sasl.ChoiceError] with the
// offered mechanisms, a [*sasl.Failure], a [*stream.NegotiationError], a
// [*stream.Error] of the server, or a [*stanza.Error] that refuses the
// resource.
type ConnectError struct {
	Domain string
	Addr   string // "" if no connection was made
	Err    error
}

// Error describes the failure in one line.
func (e *ConnectError) Error() string {
	if e.Addr == "" {
		return fmt.Sprintf("client: cannot connect to %s: %v", e.Domain, e.Err)
	}
	return fmt.Sprintf("client: cannot log in to %s at %s: %v", e.Domain, e.Addr, e.Err)
}

// Unwrap returns the reason.
func (e *ConnectError) Unwrap() error { return e.Err }

// final are the stream errors after which the same attempt would end in the
// same way, or, with conflict, end the session of somebody else.
var final = []stream.Condition{
	stream.Conflict, stream.HostGone, stream.HostUnknown, stream.InvalidFrom, stream.InvalidNamespace,
	stream.NotAuthorized, stream.UnsupportedEncoding, stream.UnsupportedFeature, stream.UnsupportedVersion,
}

// passing are the conditions of a refused resource that may be otherwise the
// next time.
var passing = []stanza.Condition{
	stanza.InternalServerError, stanza.ResourceConstraint, stanza.RemoteServerTimeout, stanza.RecipientUnavailable,
}

// permanent reports whether it is of no use to try again after err.
func permanent(err error) bool {
	if isA[errEarly](err) {
		return false
	}
	if e, ok := errors.AsType[*stream.DialError](err); ok {
		return permanentDial(e)
	}
	if e, ok := errors.AsType[*sasl.Failure](err); ok {
		return !e.Condition.Temporary()
	}
	if e, ok := errors.AsType[*stream.Error](err); ok {
		return e.Remote && slices.Contains(final, e.Condition)
	}
	if e, ok := errors.AsType[*stanza.Error](err); ok {
		return e.Type != stanza.Wait && !slices.Contains(passing, e.Condition)
	}
	return isSASL(err) || isCertificate(err) || isA[*stream.NegotiationError](err)
}

// permanentDial reports whether no address will do. If one of them could not
// be reached now, it may be the next time.
func permanentDial(e *stream.DialError) bool {
	for _, a := range e.Attempts {
		if !isCertificate(a.Err) {
			return false
		}
	}
	if e.Err != nil {
		return !errors.Is(e.Err, context.DeadlineExceeded) && !errors.Is(e.Err, context.Canceled)
	}
	return len(e.Attempts) > 0
}

// isCertificate reports whether err says that a certificate was refused.
func isCertificate(err error) bool {
	return isA[*tls.CertificateVerificationError](err) || isA[x509.HostnameError](err) ||
		isA[x509.UnknownAuthorityError](err) || isA[x509.CertificateInvalidError](err)
}

// isSASL reports whether err says that this side refused to authenticate.
func isSASL(err error) bool {
	for _, e := range []error{sasl.ErrServerNotVerified, sasl.ErrDowngrade, sasl.ErrMalformed, sasl.ErrUnexpected,
		sasl.ErrIterations, sasl.ErrKeysMismatch, sasl.ErrBadString, stream.ErrTask} {
		if errors.Is(err, e) {
			return true
		}
	}
	return isA[*sasl.ChoiceError](err)
}

func isA[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}
