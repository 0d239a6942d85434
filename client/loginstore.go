package client

import (
	"context"
	"log/slog"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stream"
)

// LoginState is what a client keeps for its next login: which client it is, and the token
// by which it logs in without the password, in one round trip (XEP-0484). As JSON it can
// be kept anywhere; it is as secret as a password, is not to be in backups (section 4.1),
// and is not shown by fmt and slog.
type LoginState struct {
	// JID is the bare address of the account.
	JID jid.JID `json:"jid"`
	// ID is that of the UserAgent, which the token belongs to.
	ID string `json:"id"`
	// Proven: the server has once proven by SCRAM that it knows the secret of the
	// account, and the password itself is not shown to it any more (XEP-0474, section
	// 7).
	Proven bool `json:"proven,omitempty"`
	// Token is nil if there is none.
	Token *stream.Token `json:"token,omitempty"`
}

// String shows no secret.
func (s LoginState) String() string { return "login of " + s.JID.String() }

// GoString shows no secret.
func (s LoginState) GoString() string { return s.String() }

// LogValue shows no secret.
func (s LoginState) LogValue() slog.Value { return slog.StringValue(s.String()) }

// LoginStore keeps the state of one client's logins beyond the end of the process. A
// client calls one method at a time; methods of a [ResumptionStore] that is the same
// value may be called meanwhile.
type LoginStore interface {
	// LoadLogin returns what was saved last, nil if nothing was.
	LoadLogin(ctx context.Context) (*LoginState, error)
	// SaveLogin keeps a state in place of the one before, wholly or not at all. It is
	// durable when SaveLogin returns.
	SaveLogin(ctx context.Context, s *LoginState) error
}

// loginSuffix is that of the file with the login.
const loginSuffix = ".login"

// LoadLogin reads the file. It is no error if there is none.
func (f FileStore) LoadLogin(context.Context) (*LoginState, error) {
	s := new(LoginState)
	ok, err := load(string(f)+loginSuffix, s)
	if err != nil || !ok {
		return nil, err
	}
	return s, nil
}

// SaveLogin writes the file, as Save does with the other one.
func (f FileStore) SaveLogin(_ context.Context, s *LoginState) error {
	return save(string(f)+loginSuffix, s)
}
