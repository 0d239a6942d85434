package sasl

import (
	"crypto"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Bounds on the iteration count that a client accepts. RFC 7677 section 4:
// "the hash iteration-count SHOULD be at least 4096". The upper bound keeps a
// hostile server from burning more than a few seconds of processor time.
const (
	DefaultMinIterations = 4096
	DefaultMaxIterations = 5_000_000
)

// ClientConfig is what a client knows of itself, its server and the channel.
// Only what the wanted mechanisms need must be set.
type ClientConfig struct {
	Username string // authentication identity, for XMPP the local part
	Password string
	AuthzID  string // identity to act as; empty to act as Username

	// Keys are SCRAM keys saved from earlier exchanges, so that the password
	// itself need not be kept; see SaveKeys. Password may then be empty.
	Keys []ClientKeys
	// SaveKeys, if set, is called by Finish after a SCRAM exchange in which the
	// server was verified, with keys that a later exchange can use.
	SaveKeys func(ClientKeys)

	// HashedToken is a token for one mechanism of the HT family (XEP-0484), which
	// [NewClient] is asked for by its name; Choose does not look at it.
	HashedToken string

	Token     string // OAuth 2.0 bearer token; enables OAUTHBEARER
	External  bool   // use EXTERNAL: the channel (TLS client certificate) identifies the client
	Anonymous bool   // use ANONYMOUS
	Trace     string // trace information of ANONYMOUS; empty for none

	// TLS is the state of the finished handshake, nil without TLS. It gives the
	// channel bindings and counts as confidential.
	TLS *tls.ConnectionState
	// Offered is the server's mechanism list as received, with names that this
	// package does not know. Choose sets it. nil turns the checks of XEP-0474
	// and the "y" flag of RFC 5802 off.
	Offered []string
	// BindingTypes are the channel binding types that the server announced
	// (XEP-0440) as received; empty if it announced none.
	BindingTypes []string
	// SASL2 says that the exchange runs over XEP-0388, whose rules for
	// contradictory announcements are stricter (XEP-0440 section 3).
	SASL2 bool

	Host    string // name of the service, for XMPP the domain; DIGEST-MD5 and OAUTHBEARER
	Service string // service type of DIGEST-MD5's digest-uri; "" = "xmpp" ("jabber" for servers of 2002)
	Port    int    // port, for OAUTHBEARER; 0 = not said
	// Realm chooses among the realms that a DIGEST-MD5 challenge offers (empty
	// if it offers none). nil = Host if offered or if none is, else the first.
	Realm func(offered []string) (string, error)

	// Refuse names mechanisms that are not to be used, for example PLAIN once
	// SCRAM has been seen to work (XEP-0474 section 7).
	Refuse []string
	// AllowPlaintext allows PLAIN, OAUTHBEARER and DIGEST-MD5 without TLS.
	AllowPlaintext bool

	MinIterations int // of SCRAM; 0 = DefaultMinIterations
	MaxIterations int // of SCRAM; 0 = DefaultMaxIterations
	MaxMessage    int // bytes of one challenge; 0 = DefaultMaxMessage

	Rand io.Reader // source of nonces; nil = crypto/rand
}

// Refusal says why an offered mechanism was not chosen.
type Refusal struct {
	Mechanism string
	Err       error
}

// ChoiceError is the error of [Choose]: no offered mechanism can be used.
type ChoiceError struct {
	Refusals []Refusal // one for each offered mechanism, in the order offered
}

// Error lists every offered mechanism with the reason.
func (e *ChoiceError) Error() string {
	if len(e.Refusals) == 0 {
		return "sasl: the server offers no mechanism"
	}
	var b strings.Builder
	b.WriteString("sasl: no usable mechanism among those offered:")
	for i, r := range e.Refusals {
		if i > 0 {
			b.WriteByte(';')
		}
		fmt.Fprintf(&b, " %q %s", r.Mechanism, strings.TrimPrefix(r.Err.Error(), "sasl: "))
	}
	return b.String()
}

// Unwrap returns the reasons.
func (e *ChoiceError) Unwrap() []error {
	errs := make([]error, len(e.Refusals))
	for i, r := range e.Refusals {
		errs[i] = r.Err
	}
	return errs
}

// Choose returns the strongest mechanism of offered that the credentials and
// the channel allow, ready to start. If there is none, the error is a
// *ChoiceError that says for each offered mechanism why it was refused; if the
// announcements contradict each other in a way that only an attacker gains
// from, errors.Is(err, ErrDowngrade).
func Choose(offered []string, cfg ClientConfig) (name string, c Client, err error) {
	cfg.Offered = offered
	if cfg.Offered == nil {
		cfg.Offered = []string{}
	}
	for _, m := range mechanisms() {
		if !slices.Contains(offered, m.name) || cfg.usable(m) != nil {
			continue
		}
		if c, err = newClient(m, cfg); err != nil {
			return "", nil, err
		}
		return m.name, c, nil
	}
	refused := &ChoiceError{}
	for _, name := range offered {
		m, ok := lookup(name)
		why := errors.New("is not known here")
		switch {
		case ok && m.ht != 0:
			why = errors.New("takes a token, and is not offered so")
		case ok:
			why = cfg.usable(m)
		}
		refused.Refusals = append(refused.Refusals, Refusal{name, why})
	}
	return "", nil, refused
}

// NewClient returns a client for the named mechanism, or an error that says why
// it cannot be used.
func NewClient(name string, cfg ClientConfig) (Client, error) {
	m, ok := lookup(name)
	if !ok {
		return nil, fmt.Errorf("sasl: mechanism %q is not known here", name)
	}
	if err := cfg.usable(m); err != nil {
		return nil, fmt.Errorf("sasl: mechanism %s %w", name, err)
	}
	return newClient(m, cfg)
}

// usable says why a mechanism cannot be used with the credentials and the
// channel; the error completes a sentence that begins with the mechanism.
func (cfg *ClientConfig) usable(m mechanism) error {
	if slices.Contains(cfg.Refuse, m.name) {
		return errors.New("is refused by configuration")
	}
	if m.clear && cfg.TLS == nil && !cfg.AllowPlaintext {
		return errors.New("needs TLS")
	}
	switch {
	case m.name == External && !cfg.External:
		return errors.New("was not asked for")
	case m.name == Anonymous && !cfg.Anonymous:
		return errors.New("was not asked for")
	case m.name == OAuthBearer && cfg.Token == "":
		return errors.New("needs a token")
	case m.scram != 0 && !cfg.hasSecret(m.scram):
		return errors.New("needs a user name and a password or saved keys")
	case (m.name == Plain || m.name == DigestMD5) && (cfg.Username == "" || cfg.Password == ""):
		return errors.New("needs a user name and a password")
	case m.plus && cfg.binding() == "":
		return errors.New("finds no channel binding type that both sides support")
	case m.ht != 0:
		return cfg.usableToken(m)
	}
	return nil
}

// usableToken is usable for mechanisms of the HT family.
func (cfg *ClientConfig) usableToken(m mechanism) error {
	if cfg.Username == "" || cfg.HashedToken == "" {
		return errors.New("needs a user name and a token")
	}
	if _, err := tokenBinding(m, cfg.TLS, cfg.leaf()); err != nil {
		return fmt.Errorf("cannot be bound to the channel: %w", err)
	}
	return nil
}

func (cfg *ClientConfig) hasSecret(h crypto.Hash) bool {
	return cfg.Username != "" && (cfg.Password != "" ||
		slices.ContainsFunc(cfg.Keys, func(k ClientKeys) bool { return k.Hash == h }))
}

func newClient(m mechanism, cfg ClientConfig) (Client, error) {
	if m.ht != 0 {
		return newHTClient(m, cfg)
	}
	if m.name != External && m.name != Anonymous {
		if err := cfg.checkAnnouncements(); err != nil {
			return nil, err
		}
	}
	switch m.name {
	case External:
		return &externalClient{cfg: cfg}, nil
	case OAuthBearer:
		return &oauthClient{cfg: cfg}, nil
	case DigestMD5:
		return &digestClient{cfg: cfg}, nil
	case Plain:
		return &plainClient{cfg: cfg}, nil
	case Anonymous:
		return &anonymousClient{cfg: cfg}, nil
	}
	return newSCRAMClient(m, cfg)
}

// tooLong reports whether a challenge exceeds the bound.
func (cfg *ClientConfig) tooLong(challenge []byte) bool {
	return len(challenge) > orDefault(cfg.MaxMessage, DefaultMaxMessage)
}

func orDefault(n, def int) int {
	if n == 0 {
		return def
	}
	return n
}

// FailureCause returns what a client's mechanism learned by itself of why the
// exchange failed, nil if nothing: a *TokenError of OAUTHBEARER, a SCRAMError.
// A caller that makes a *Failure from the server's answer puts it into Err.
func FailureCause(c Client) error {
	if f, ok := c.(interface{ cause() error }); ok {
		return f.cause()
	}
	return nil
}
