package last

import (
	"context"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// Extension answers, for clients, components and servers.
//
// A client or component tells what Idle says. A server tells how long it has
// been running, and about its accounts what it knows by the presence that they
// left; but only to who may see the presence: "Last Activity information MAY be
// divulged only to those entities that have permission to view the user's
// presence" (XEP-0012, section 8). It answers everybody else with forbidden; of
// accounts that do not exist the server itself says service-unavailable (RFC 6121,
// section 8.5.1).
//
// A server must treat a question to a full address in the same way before it
// gives it to the client (section 4); that is not done here.
type Extension struct {
	// Idle returns for how long the user of a client has been idle, or how
	// long a component has been running; if it is negative, or Idle is nil,
	// that is not told, and the answer is service-unavailable. It must be safe
	// for concurrent use.
	Idle func() time.Duration
	// Allow, if not nil, says whom a client or component tells it. Others get
	// service-unavailable.
	Allow func(from jid.JID) bool

	started time.Time
	server  bool
	users   xmpp.Users // nil if the host is none
}

// Attach adds the handler. A server counts from now.
func (e *Extension) Attach(h xmpp.Host) error {
	e.started, e.server = time.Now(), h.IsServer()
	e.users, _ = h.(xmpp.Users)
	xmpp.HandleIQ(h.Mux(), stanza.TypeGet, func(ctx context.Context, r xmpp.Request[Query]) (any, error) {
		switch {
		case !e.server:
			return e.idle(r.From)
		case r.To.IsDomain():
			return Activity{Ago: time.Since(e.started)}, nil
		case r.To.IsFull() || e.users == nil:
			return nil, stanza.ServiceUnavailable
		}
		return e.account(ctx, r.From, r.To)
	})
	return nil
}

// Features returns [NS], unless a client does not tell.
func (e *Extension) Features(jid.JID) []string {
	if !e.server && e.Idle == nil {
		return nil
	}
	return []string{NS}
}

func (e *Extension) idle(from jid.JID) (any, error) {
	if e.Idle == nil || e.Allow != nil && !e.Allow(from) {
		return nil, stanza.ServiceUnavailable
	}
	d := e.Idle()
	if d < 0 {
		return nil, stanza.ServiceUnavailable
	}
	return Activity{Ago: d}, nil
}

// account answers on behalf of an account (XEP-0012, section 3).
func (e *Extension) account(ctx context.Context, from, account jid.JID) (any, error) {
	switch ok, err := e.users.MaySee(ctx, from, account); {
	case err != nil:
		return nil, err
	case !ok:
		return nil, stanza.Forbidden
	}
	// A subscription may have outlived the account.
	switch ok, err := e.users.HasAccount(ctx, account); {
	case err != nil:
		return nil, err
	case !ok:
		return nil, stanza.Forbidden
	}
	if len(e.users.Resources(account)) > 0 {
		return Activity{}, nil
	}
	p, at, err := e.users.LastPresence(ctx, account)
	switch {
	case err != nil:
		return nil, err
	case p == nil:
		return nil, stanza.NewError(stanza.ItemNotFound, "there is no record of the last activity")
	}
	return Activity{Ago: time.Since(at), Status: p.Presence().Status}, nil
}
