package sasl

import (
	"context"
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
)

// ErrUnknownUser is what the functions of Credentials return for a user that
// does not exist or has no secret of the kind asked for. The client cannot tell
// it from a wrong password.
var ErrUnknownUser = errors.New("sasl: unknown user")

// Credentials gives a server its users. Every function is optional; which are
// set decides which mechanisms are possible. User names come prepared (SASLprep
// and ServerConfig.Normalize).
//
// An error that wraps ErrUnknownUser or NotAuthorized becomes a not-authorized
// failure, an error that is or wraps a *Failure or a Condition becomes that,
// any other becomes temporary-auth-failure. The functions must be safe for
// concurrent use if the configuration is shared by exchanges.
type Credentials struct {
	// SCRAM returns the keys of a user for one hash. It makes the SCRAM
	// mechanisms possible, and PLAIN if Verify is nil. It must take the same
	// time whether or not the user exists, and should not report a disabled
	// account: that is for Authorize, which runs after the proof.
	SCRAM func(ctx context.Context, user string, h crypto.Hash) (SCRAMKeys, error)
	// HA1 returns the hash that DigestHA1 makes. It makes DIGEST-MD5 possible.
	HA1 func(ctx context.Context, user, realm string) ([16]byte, error)
	// Verify checks a password for PLAIN. It must take the same time for an
	// unknown user as for a wrong password.
	Verify func(ctx context.Context, user, password string) error
	// Token checks a bearer token (OAUTHBEARER) and returns its user. authzid
	// is what the client asked to act as, often empty. A *TokenError goes to
	// the client.
	Token func(ctx context.Context, authzid, token string) (user string, err error)
	// External returns the user that the channel identifies (EXTERNAL), for
	// example from the client's certificate. authzid may be empty.
	External func(ctx context.Context, authzid string, state *tls.ConnectionState) (user string, err error)
	// HashedToken calls match with each of the tokens that the user may log in with
	// by this mechanism of the HT family (XEP-0484), and returns nil if it was
	// true for one that is good. It makes these mechanisms possible. See
	// [HashedTokens.Use].
	HashedToken func(ctx context.Context, user, mechanism string, match func(token string) bool) error
	// Anonymous allows ANONYMOUS and returns a user name, which may be empty.
	// trace is what the client said of itself; it proves nothing.
	Anonymous func(ctx context.Context, trace string) (user string, err error)
	// Authorize decides, after the user has been proven, whether the user may
	// log in and act as authzid (empty if not asked for). It is the place for
	// AccountDisabled and CredentialsExpired. nil allows an empty authzid, the
	// user name, and user@Host; anything else is InvalidAuthzID.
	Authorize func(ctx context.Context, user, authzid string) error
}

// ServerConfig is what a server knows of itself, its users and the channel.
type ServerConfig struct {
	Credentials Credentials
	Host        string // name of the service, for XMPP the domain

	// TLS is the state of the finished handshake, nil without TLS.
	TLS *tls.ConnectionState
	// Certificate is the leaf certificate that the server presented on this
	// connection, for tls-server-end-point; nil turns that type off.
	Certificate *x509.Certificate
	// AllowPlaintext allows PLAIN, OAUTHBEARER and DIGEST-MD5 without TLS.
	AllowPlaintext bool

	// Offered is the mechanism list as it was sent to the client, in the
	// protocol (RFC 6120 or XEP-0388) that the client uses. A name not in it is
	// refused. nil = Mechanisms(cfg).
	Offered []string
	// BindingTypes are the channel binding types as announced to the client
	// (XEP-0440); only these are then accepted. nil if none were announced.
	BindingTypes []string
	// NoDowngradeProtection leaves the attributes of XEP-0474 and XEP-0515 out,
	// for clients that wrongly refuse SCRAM extensions.
	NoDowngradeProtection bool

	// Hashes are the SCRAM hashes that the accounts have keys for; nil = SHA-256
	// and SHA-1.
	Hashes []crypto.Hash
	// Iterations is the iteration count shown and spent for unknown users; 0 =
	// DefaultIterations. It should be the count of the accounts.
	Iterations int
	// Secret makes the salts of unknown users, so that they stay the same. nil
	// = random for the process; servers of one cluster should share one, and
	// keep it over restarts.
	Secret []byte
	// Normalize maps a user name that has passed SASLprep to the form in which
	// accounts are kept (for XMPP the local part's case folding). Without it
	// "Juliet" and "juliet" would have one salt if the account exists and two
	// if it does not. An error makes the user unknown.
	Normalize func(user string) (string, error)

	Realms   []string // realms of DIGEST-MD5; nil = Host
	Services []string // service types accepted in DIGEST-MD5's digest-uri; nil = "xmpp"

	MaxMessage int       // bytes of one response; 0 = DefaultMaxMessage
	Rand       io.Reader // source of nonces; nil = crypto/rand

	hi func(h crypto.Hash, password string, salt []byte, iterations int) ([]byte, error) // tests count calls
}

// Mechanisms returns what a server can offer with its credentials on this
// channel, strongest first. Offered is not looked at. The mechanisms for hashed
// tokens are not among them, see [TokenMechanisms].
func Mechanisms(cfg ServerConfig) []string {
	var names []string
	for _, m := range mechanisms() {
		if cfg.possible(m) && (!m.clear || cfg.TLS != nil || cfg.AllowPlaintext) {
			names = append(names, m.name)
		}
	}
	return names
}

// possible reports whether the credentials and the channel, but for its
// confidentiality, allow a mechanism.
func (cfg *ServerConfig) possible(m mechanism) bool {
	c := &cfg.Credentials
	switch m.name {
	case External:
		return c.External != nil && cfg.TLS != nil && len(cfg.TLS.PeerCertificates) > 0
	case OAuthBearer:
		return c.Token != nil
	case DigestMD5:
		return c.HA1 != nil
	case Plain:
		return c.Verify != nil || c.SCRAM != nil
	case Anonymous:
		return c.Anonymous != nil
	}
	if m.ht != 0 {
		_, err := tokenBinding(m, cfg.TLS, cfg.Certificate)
		return c.HashedToken != nil && err == nil
	}
	if c.SCRAM == nil || !slices.Contains(cfg.hashes(), m.scram) {
		return false
	}
	return !m.plus || len(cfg.bindings()) > 0
}

// NewServer starts the server side of one exchange. The error is a *Failure:
// invalid-mechanism, encryption-required if TLS is all that is missing, or
// mechanism-too-weak if only stronger ones are offered.
func NewServer(name string, cfg ServerConfig) (Server, error) {
	if cfg.Offered == nil {
		cfg.Offered = Mechanisms(cfg)
	}
	notOffered := fmt.Errorf("sasl: mechanism %.20q was not offered", name)
	m, ok := lookup(name)
	if !ok {
		return nil, fail(InvalidMechanism, notOffered)
	}
	if m.clear && cfg.TLS == nil && !cfg.AllowPlaintext && cfg.possible(m) {
		return nil, fail(EncryptionRequired, notOffered)
	}
	if !slices.Contains(cfg.Offered, name) || !cfg.possible(m) {
		if m.scram != 0 && !m.plus && slices.Contains(cfg.Offered, name+"-PLUS") {
			return nil, fail(MechanismTooWeak, notOffered)
		}
		return nil, fail(InvalidMechanism, notOffered)
	}
	base := serverBase{cfg: cfg}
	switch name {
	case External:
		return &externalServer{serverBase: base}, nil
	case OAuthBearer:
		return &oauthServer{serverBase: base}, nil
	case DigestMD5:
		return &digestServer{serverBase: base}, nil
	case Plain:
		return &plainServer{serverBase: base}, nil
	case Anonymous:
		return &anonymousServer{serverBase: base}, nil
	}
	if m.ht != 0 {
		return &htServer{serverBase: base, mech: m}, nil
	}
	return &scramServer{serverBase: base, mech: m}, nil
}

func (cfg *ServerConfig) hashes() []crypto.Hash {
	if cfg.Hashes == nil {
		return []crypto.Hash{crypto.SHA256, crypto.SHA1}
	}
	return cfg.Hashes
}

// processSecret makes the salts of unknown users where no Secret is set.
var processSecret = sync.OnceValue(func() []byte {
	b := make([]byte, 32)
	rand.Read(b) // never fails
	return b
})

// derive returns n bytes (at most 64) that only this server can know and that
// are always the same for the same labels.
func (cfg *ServerConfig) derive(n int, labels ...string) []byte {
	secret := cfg.Secret
	if secret == nil {
		secret = processSecret()
	}
	var out []byte
	for i := byte(0); len(out) < n; i++ {
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte{i})
		for _, l := range labels {
			io.WriteString(mac, l)
			mac.Write([]byte{0})
		}
		out = mac.Sum(out)
	}
	return out[:n]
}

// serverBase is what the server sides of all mechanisms have in common.
type serverBase struct {
	cfg     ServerConfig
	step    int
	over    bool
	user    string
	authzid string
}

// Username implements Server.
func (b *serverBase) Username() string { return b.user }

// AuthzID implements Server.
func (b *serverBase) AuthzID() string { return b.authzid }

// enter checks what is the same for every message. It returns a nil error for
// the mechanism to go on, and over is set until leave clears it, so that every
// early return ends the exchange.
func (b *serverBase) enter(response []byte) error {
	if b.over {
		return errOver()
	}
	b.over = true
	if len(response) > orDefault(b.cfg.MaxMessage, DefaultMaxMessage) {
		return malformed("response too long")
	}
	return nil
}

// challenge goes on to the next step.
func (b *serverBase) challenge(data []byte) ([]byte, bool, error) {
	b.over = false
	b.step++
	return data, false, nil
}

// success is the last check, may the proven user log in and act as authzid, and
// the end of the exchange; data goes with the success.
func (b *serverBase) success(ctx context.Context, user, authzid string, data []byte) ([]byte, bool, error) {
	if err := b.authorize(ctx, user, authzid); err != nil {
		return nil, false, err
	}
	b.user, b.authzid = user, authzid
	return data, true, nil
}

func (b *serverBase) authorize(ctx context.Context, user, authzid string) error {
	if f := b.cfg.Credentials.Authorize; f != nil {
		return wireError(f(ctx, user, authzid))
	}
	if authzid == "" || authzid == user {
		return nil
	}
	if at := strings.LastIndexByte(authzid, '@'); at >= 0 && authzid[:at] == user &&
		b.cfg.Host != "" && strings.EqualFold(authzid[at+1:], b.cfg.Host) {
		return nil
	}
	return fail(InvalidAuthzID, fmt.Errorf("sasl: %q may not act as %q", user, authzid))
}

// wireError makes a *Failure of what a function of Credentials returned.
func wireError(err error) error {
	if err == nil {
		return nil
	}
	var f *Failure
	if errors.As(err, &f) {
		return f
	}
	var c Condition
	if errors.As(err, &c) {
		return &Failure{Condition: c, Err: err}
	}
	if errors.Is(err, ErrUnknownUser) {
		return fail(NotAuthorized, err)
	}
	return fail(TemporaryAuthFailure, err)
}

// prepareUser brings a name from the wire into the form of the accounts. A name
// that cannot be prepared is the name of no account, whatever the accounts are:
// the store is not asked, and the exchange goes on as with any unknown user.
func (b *serverBase) prepareUser(raw string) (user string, err error) {
	if user, err = Prepare(raw); err != nil {
		return raw, err
	}
	if b.cfg.Normalize == nil {
		return user, nil
	}
	norm, err := b.cfg.Normalize(user)
	if err != nil {
		return user, err
	}
	return norm, nil
}

// isUnknown separates "no such user", which must not show, from a store that
// fails.
func isUnknown(err error) bool {
	return errors.Is(err, ErrUnknownUser) || errors.Is(err, NotAuthorized)
}
