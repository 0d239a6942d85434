package client

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/sasl"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

// logins is what a client knows that makes its next login shorter, or safer.
type logins struct {
	store LoginStore // nil: nothing is kept beyond the end of the process
	own   jid.JID
	log   *slog.Logger

	mu     sync.Mutex
	keys   []sasl.ClientKeys // of the last login with SCRAM
	state  LoginState
	loaded bool // state is what the store has, or there is no store
	dirty  bool // the store does not know it all
}

// load reads the store, once, and sets the id of the client. If that fails nothing that
// would have to be stored is used: it could take the place of what is there.
func (l *logins) load(ctx context.Context, id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.loaded {
		return
	}
	state := &LoginState{}
	if l.store != nil {
		s, err := l.store.LoadLogin(ctx)
		if err == nil && s != nil && s.JID != l.own {
			err = errors.New("client: the saved login is that of " + s.JID.String())
		}
		if err != nil {
			l.log.Warn("login not loaded", slog.Any("error", err))
			return
		}
		if s != nil {
			state = s
		}
		if id == "" && state.ID == "" {
			id, l.dirty = stream.NewUserAgentID(), true
		}
	}
	if id != "" && id != state.ID { // a token is of the client that has got it
		state = &LoginState{ID: id, Proven: state.Proven}
	}
	l.state, l.loaded = *state, true
	l.state.JID = l.own
	l.state.Proven = l.state.Proven || len(l.keys) > 0
}

// get returns the id of the client, and its token.
func (l *logins) get() (id string, t *stream.Token) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state.ID, l.state.Token
}

// proven reports whether the server has shown once that it needs no password.
func (l *logins) proven() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state.Proven
}

// prove takes the keys of a login by SCRAM.
func (l *logins) prove(k sasl.ClientKeys) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keys = []sasl.ClientKeys{k}
	l.dirty = l.dirty || !l.state.Proven
	l.state.Proven = true
}

// keep makes t the token for the next login, once it is stored: of one that could not be
// the server would make the only one as soon as it is used, and the next process would
// have none. The one before stays good until then (XEP-0484, section 3.5).
func (l *logins) keep(ctx context.Context, t *stream.Token) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.state.Token
	l.state.Token = t
	if l.save(ctx) != nil && before != nil && t != nil && t.Secret != before.Secret {
		l.state.Token = before
	}
}

// settle stores what is not yet.
func (l *logins) settle(ctx context.Context) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dirty && l.loaded {
		l.save(ctx)
	}
}

// save stores the state, also at the end of the program: the server has given the token.
func (l *logins) save(ctx context.Context) error {
	l.dirty = false
	if l.store == nil {
		return nil
	}
	state := l.state
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), DefaultDrainTimeout)
	defer cancel()
	err := l.store.SaveLogin(ctx, &state)
	if err != nil {
		l.dirty = true
		l.log.Warn("login not saved", slog.Any("error", err))
	}
	return err
}

// negotiated is what is learned from one negotiation.
type negotiated struct {
	addr    jid.JID
	enabled []string // with the resource
	early   bool     // there was a login with the stream header
}

// errEarly says that the server has ended a stream on which the client had logged in with
// the header, perhaps for that reason: the next time it waits for what is offered.
type errEarly struct{ error }

func (e errEarly) Unwrap() error { return e.error }

// explain marks an error of the server that may not come again.
func (n *negotiated) explain(err error) error {
	if e, ok := errors.AsType[*stream.Error](err); ok && e.Remote && n.early {
		return errEarly{err}
	}
	return err
}

// sasl2 is log-in by XEP-0388, and what goes with it.
func (c *Client) sasl2(ctx context.Context, m *stream.ManagementClient, n *negotiated) stream.Feature {
	id, token := c.logins.get()
	n.early = token != nil && token.Offer != ""
	s := stream.SASL2{
		Config:    c.saslConfig,
		UserAgent: stream.UserAgent{ID: id, Software: c.cfg.UserAgent.Software, Device: c.cfg.UserAgent.Device},
		Token:     token,
		Bind:      c.bind2(n),
	}
	if id != "" {
		s.SaveToken = func(t *stream.Token) { c.logins.keep(ctx, t) }
	}
	if !c.cfg.NoAcks {
		s.Management = m
	}
	return s.Feature()
}

// bind2 is the binding within the login; nil if it is not wanted, or the server is not to
// choose the resource.
func (c *Client) bind2(n *negotiated) *stream.Bind2 {
	if !c.cfg.Bind2 || c.cfg.JID.Resource() != "" {
		return nil
	}
	b := &stream.Bind2{Tag: c.cfg.Tag, Bound: func(addr jid.JID, bound stanza.Element) {
		n.addr = addr
		if !bound.Child(stream.NSManagement, "enabled").IsZero() {
			n.enabled = append(n.enabled, stream.NSManagement)
		}
	}}
	for _, x := range c.handlers.Binders() {
		feature, request := x.BindRequest()
		if feature == "" {
			continue
		}
		b.Features = append(b.Features, stream.BindRequest{Var: feature, Request: request,
			Bound: func(*stream.Conn, stanza.Element) error {
				n.enabled = append(n.enabled, feature)
				return nil
			}})
	}
	return b
}
