package sasl

import "errors"

// Condition is a SASL error condition of RFC 6120 section 6.5. It implements
// error, so that errors.Is(err, sasl.NotAuthorized) asks a *Failure for it.
type Condition string

// The conditions of RFC 6120 section 6.5.
const (
	// Aborted acknowledges that the client aborted the exchange.
	Aborted Condition = "aborted"
	// AccountDisabled says that the account is temporarily disabled. It must be
	// sent only to who has proven to be the owner.
	AccountDisabled Condition = "account-disabled"
	// CredentialsExpired says that the credentials were right but have expired.
	CredentialsExpired Condition = "credentials-expired"
	// EncryptionRequired says that the mechanism needs TLS first.
	EncryptionRequired Condition = "encryption-required"
	// IncorrectEncoding says that the base64 encoding was wrong.
	IncorrectEncoding Condition = "incorrect-encoding"
	// InvalidAuthzID says that the authorization identity is malformed or not
	// allowed for this user.
	InvalidAuthzID Condition = "invalid-authzid"
	// InvalidMechanism says that the mechanism is unknown or was not offered.
	InvalidMechanism Condition = "invalid-mechanism"
	// MalformedRequest says that the data violates the mechanism's syntax.
	MalformedRequest Condition = "malformed-request"
	// MechanismTooWeak says that policy asks for a stronger mechanism.
	MechanismTooWeak Condition = "mechanism-too-weak"
	// NotAuthorized is the general failure: wrong password, unknown user, or
	// something that the server does not disclose.
	NotAuthorized Condition = "not-authorized"
	// TemporaryAuthFailure says that the server has a passing problem.
	TemporaryAuthFailure Condition = "temporary-auth-failure"
)

// Error makes a Condition an error.
func (c Condition) Error() string { return "sasl: " + string(c) }

// Known reports whether c is one of the conditions of RFC 6120. One that is not
// "MUST be treated as a generic authentication failure" (section 6.5).
func (c Condition) Known() bool {
	switch c {
	case Aborted, AccountDisabled, CredentialsExpired, EncryptionRequired, IncorrectEncoding, InvalidAuthzID,
		InvalidMechanism, MalformedRequest, MechanismTooWeak, NotAuthorized, TemporaryAuthFailure:
		return true
	}
	return false
}

// Temporary reports whether the same attempt may succeed later.
func (c Condition) Temporary() bool { return c == TemporaryAuthFailure || c == Aborted }

// Failure is a failed authentication: what a server sends as <failure/> and
// what a client received as such.
type Failure struct {
	Condition Condition
	Text      string // for people; may go over the wire; empty if none
	Err       error  // the cause; never goes over the wire
}

// Error names the condition, the text and the cause.
func (f *Failure) Error() string {
	s := f.Condition.Error()
	if f.Text != "" {
		s += " (" + f.Text + ")"
	}
	if f.Err != nil {
		s += ": " + f.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (f *Failure) Unwrap() error { return f.Err }

// Is reports whether target is the failure's Condition. A condition that
// RFC 6120 does not define counts as NotAuthorized too.
func (f *Failure) Is(target error) bool {
	c, ok := target.(Condition)
	return ok && (c == f.Condition || c == NotAuthorized && !f.Condition.Known())
}

// Errors of the client side. They are wrapped with detail; test with errors.Is.
var (
	// ErrServerNotVerified: the server reported success without proving that it
	// knows the user's secret, or its proof was wrong. It may be an impostor.
	ErrServerNotVerified = errors.New("sasl: server did not prove that it knows the secret")
	// ErrDowngrade: what the server offered has been changed on the way, or
	// contradicts itself in a way that only an attacker gains from (XEP-0440,
	// XEP-0474, XEP-0515).
	ErrDowngrade = errors.New("sasl: downgrade attack suspected")
	// ErrMalformed: a message of the server violates the mechanism's syntax.
	ErrMalformed = errors.New("sasl: malformed challenge")
	// ErrUnexpected: a message or success came at a point where the mechanism
	// has none.
	ErrUnexpected = errors.New("sasl: message out of turn")
	// ErrIterations: the server asks for fewer or more SCRAM iterations than
	// the configured bounds allow.
	ErrIterations = errors.New("sasl: iteration count out of bounds")
	// ErrKeysMismatch: saved SCRAM keys do not fit the salt and iteration count
	// of the server, and there is no password to make new ones from.
	ErrKeysMismatch = errors.New("sasl: saved keys do not fit the server's salt and iteration count")
	// ErrBadString: a user name or password that cannot be used: empty,
	// forbidden characters, not UTF-8, or too long.
	ErrBadString = errors.New("sasl: unusable user name or password")
)

// fail makes the Failure for a server's answer.
func fail(c Condition, cause error) *Failure { return &Failure{Condition: c, Err: cause} }

// malformed makes the Failure for a syntax error.
func malformed(why string) *Failure {
	return &Failure{Condition: MalformedRequest, Err: errors.New("sasl: " + why)}
}

// errOver answers a message after the end of an exchange.
func errOver() *Failure { return &Failure{Condition: MalformedRequest, Err: ErrUnexpected} }
