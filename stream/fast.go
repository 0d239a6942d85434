package stream

import (
	"context"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/sasl"
	"github.com/etherx-go/xmpp/stanza"
)

// NSFAST is the namespace of the Fast Authentication Streamlining Tokens (XEP-0484).
const NSFAST = "urn:xmpp:fast:0"

// Defaults of [FASTServer].
const (
	DefaultTokenLifetime = 21 * 24 * time.Hour
	DefaultTokenRotation = 24 * time.Hour
)

// MaxTokenClients is of how many clients of one account a [TokenStore] keeps tokens.
const MaxTokenClients = 64

// TokenStore keeps the tokens with which clients log in again (XEP-0484). account is
// a bare address, client the id of a [UserAgent]. Methods are safe for concurrent use;
// what they have done is durable when they return.
type TokenStore interface {
	// UpdateTokens calls fn with the tokens of one client, none if it has none, and
	// stores what fn makes of them; if fn returns an error nothing is changed, and
	// the error is returned as it is. It is atomic: of two logins at the same time
	// with the same count one must fail. fn may be called again.
	//
	// Of more than [MaxTokenClients] clients of an account those are forgotten whose
	// tokens expire first, but not the one that fn was called for. Tokens that are
	// expired may be forgotten at any time.
	UpdateTokens(ctx context.Context, account jid.JID, client string, fn func(*sasl.HashedTokens) error) error
	// RemoveTokens forgets the tokens of one client, or of all clients of the
	// account if client is empty: so it is when the password changes, and when the
	// account is removed.
	RemoveTokens(ctx context.Context, account jid.JID, client string) error
}

// FASTServer is the server's side of XEP-0484: it gives tokens to clients that have
// logged in, which log in with them from then on, in one round trip. Early data of
// TLS is not taken, and not offered.
//
// Where the password of an account changes, TokenStore.RemoveTokens is for the owner
// to call.
type FASTServer struct {
	// Store keeps the tokens. Without it nothing is offered.
	Store TokenStore
	// Lifetime is how long a token is good. Default 21 days.
	Lifetime time.Duration
	// Rotation is after what time a token is replaced when it is used. Default
	// 24 h.
	Rotation time.Duration
	// Mechanisms are those that tokens are given for, as far as the channel allows
	// them. nil stands for those with SHA-256, with and without channel binding.
	Mechanisms []string
}

// mechanisms returns what can be offered on a channel.
func (f *FASTServer) mechanisms(cfg *sasl.ServerConfig) (names []string) {
	if f == nil || f.Store == nil {
		return nil
	}
	for _, name := range sasl.TokenMechanisms(cfg.TLS, cfg.Certificate) {
		if f.Mechanisms == nil && strings.HasPrefix(name, "HT-SHA-256-") || slices.Contains(f.Mechanisms, name) {
			names = append(names, name)
		}
	}
	return names
}

// appendFAST appends what is offered inline.
func appendFAST(dst []byte, mechanisms []string) []byte {
	if len(mechanisms) == 0 {
		return dst
	}
	dst = append(dst, "<fast xmlns='"+NSFAST+"'>"...)
	for _, m := range mechanisms {
		dst = stanza.AppendTextElement(dst, "mechanism", m)
	}
	return append(dst, "</fast>"...)
}

// fastRequest is what a client asks for by XEP-0484 when it authenticates.
type fastRequest struct {
	client     string // id of its user agent
	used       bool   // it logs in with a token
	count      uint64 // of its attempts with it
	counted    bool
	invalidate bool
	mechanism  string // that it wants a token for, "" if for none

	issued sasl.HashedToken // to be told
}

// parseFAST reads the request. A token for a mechanism that is not offered is none
// that can be given; without an id there is nothing that a token could belong to.
func parseFAST(authenticate stanza.Element, client string, offered []string) (r fastRequest, err error) {
	r.client = client
	if el := authenticate.Child(NSFAST, "fast"); !el.IsZero() {
		r.used, r.invalidate = true, isTrue(el.Attr("invalidate"))
		if text, ok := el.LookupAttr("", "count"); ok {
			r.counted = true
			if r.count, err = strconv.ParseUint(strings.TrimSpace(text), 10, 63); err != nil {
				return r, &sasl.Failure{Condition: sasl.MalformedRequest, Err: err}
			}
		}
	}
	m := authenticate.Child(NSFAST, "request-token").Attr("mechanism")
	if client != "" && slices.Contains(offered, m) {
		r.mechanism = strings.Clone(m)
	}
	return r, nil
}

// check returns the function that [sasl.Credentials] wants. It does all that there is
// to do with the tokens in one step, so that nothing is left half done: what is issued
// in it is told if nothing else is against the login.
func (f *FASTServer) check(host string, r *fastRequest) func(context.Context, string, string, func(string) bool) error {
	return func(ctx context.Context, user, mechanism string, match func(string) bool) error {
		account, err := jid.New(user, host, "")
		if err != nil || r.client == "" {
			return sasl.ErrUnknownUser
		}
		return f.Store.UpdateTokens(ctx, account, r.client, func(t *sasl.HashedTokens) error {
			now := time.Now()
			r.issued = sasl.HashedToken{}
			if err := t.Use(mechanism, now, r.count, r.counted, match); err != nil {
				return err
			}
			due := !now.Before(t.Current.Expires.Add(f.rotation() - f.lifetime()))
			if r.invalidate {
				// "The server MUST NOT include a new token in the response [...]
				// unless the client also included a FAST <request-token/>"
				// (section 3.6).
				*t, due = sasl.HashedTokens{}, false
			}
			switch {
			case r.mechanism != "":
				r.issued = t.Issue(r.mechanism, now.Add(f.lifetime()))
			case due:
				r.issued = t.Issue(mechanism, now.Add(f.lifetime()))
			}
			return nil
		})
	}
}

// issue gives a token to a client that has logged in by other means, if it wants one.
func (f *FASTServer) issue(ctx context.Context, account jid.JID, r *fastRequest) error {
	if f == nil || r.used || r.mechanism == "" {
		return nil
	}
	err := f.Store.UpdateTokens(ctx, account, r.client, func(t *sasl.HashedTokens) error {
		r.issued = t.Issue(r.mechanism, time.Now().Add(f.lifetime()))
		return nil
	})
	if err != nil {
		r.issued = sasl.HashedToken{}
	}
	return err
}

func (f *FASTServer) lifetime() time.Duration { return orElse(f.Lifetime, DefaultTokenLifetime) }
func (f *FASTServer) rotation() time.Duration { return orElse(f.Rotation, DefaultTokenRotation) }

func orElse(d, def time.Duration) time.Duration {
	if d <= 0 {
		return def
	}
	return d
}

// appendToken appends the token that was issued, if one was.
func appendToken(dst []byte, t sasl.HashedToken) []byte {
	if t.Secret == "" {
		return dst
	}
	dst = append(dst, "<token xmlns='"+NSFAST+"'"...)
	dst = stanza.AppendAttr(dst, "expiry", t.Expires.UTC().Format(time.RFC3339))
	return append(stanza.AppendAttr(dst, "token", t.Secret), "/>"...)
}

// Token is a token of XEP-0484 as a client keeps it: with it the client logs in
// without the password. It is plain data, which a program can store, for instance as
// JSON; it is as secret as a password, and is not shown by fmt and slog.
type Token struct {
	// User is the user name that it is for.
	User string
	// Mechanism is the one that it is good for.
	Mechanism string
	// Secret is the token itself.
	Secret string
	// Expires is when it ends to be good; zero if the server has not said so.
	Expires time.Time
	// Count is how often it was used.
	Count uint64
	// Offer is what the server offered when the client logged in last, as XML. With
	// it the next login is sent together with the stream header. It is empty while
	// a login is on its way, so that one that has failed is not repeated so.
	Offer string `json:",omitempty"`
}

// String shows no secret.
func (t Token) String() string {
	return "token for " + t.Mechanism + " until " + t.Expires.Format(time.RFC3339)
}

// LogValue shows no secret.
func (t Token) LogValue() slog.Value { return slog.StringValue(t.String()) }

// GoString shows no secret.
func (t Token) GoString() string { return t.String() }

// good reports whether the token may still be taken.
func (t *Token) good(now time.Time) bool {
	return t != nil && t.Secret != "" && (t.Expires.IsZero() || now.Before(t.Expires))
}

// parseToken reads the token that a server gives, nil if it gives none.
func parseToken(success stanza.Element, mechanism string) *Token {
	el := success.Child(NSFAST, "token")
	t := &Token{Mechanism: mechanism, Secret: strings.Clone(el.Attr("token"))}
	if t.Secret == "" || mechanism == "" {
		return nil
	}
	// An expiry that cannot be read is one that is not known: the server looks at
	// its own.
	t.Expires, _ = time.Parse(time.RFC3339, strings.TrimSpace(el.Attr("expiry")))
	return t
}
