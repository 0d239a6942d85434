package privacy

import (
	"context"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/blocking"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// Engine applies privacy lists and blocking in a server, and lets users manage
// them. Make one with [NewEngine]. It is an [xmpp.Extension], an
// [xmpp.Describer] and an [xmpp.AccountRemover]. All methods are safe for
// concurrent use.
//
// What a list forbids is not made up for: when an active list that denies
// outgoing presence comes into force, those who know the user as available go on
// doing so. It is the client that sends unavailable presence first, and its
// presence again after it (XEP-0126, section 3.4). Only for a block by XEP-0191
// the server does it; see Config.Announce.
type Engine struct {
	cfg   Config
	cache cache
}

var (
	_ xmpp.Extension      = (*Engine)(nil)
	_ xmpp.Describer      = (*Engine)(nil)
	_ xmpp.AccountRemover = (*Engine)(nil)
)

// NewEngine makes an engine.
func NewEngine(cfg Config) *Engine {
	cfg.Limits = cfg.Limits.withDefaults()
	if cfg.Cache <= 0 {
		cfg.Cache = defaultCache
	}
	e := &Engine{cfg: cfg}
	e.cache.max = cfg.Cache
	e.cache.inUse = func(account jid.JID) bool { return len(e.sessions(account)) > 0 }
	return e
}

func (e *Engine) sessions(account jid.JID) []jid.JID {
	if e.cfg.Sessions == nil {
		return nil
	}
	return e.cfg.Sessions(account)
}

// Features returns [NS] and [blocking.NS] for the address of a domain.
func (e *Engine) Features(at jid.JID) []string {
	if e.cfg.Store == nil || !at.IsDomain() {
		return nil
	}
	return []string{NS, blocking.NS}
}

// RemoveAccount forgets the account's lists.
func (e *Engine) RemoveAccount(ctx context.Context, account jid.JID) error {
	if e.cfg.Store == nil {
		return nil
	}
	n := e.cache.acquire(account.Bare())
	defer e.cache.release(n)
	if err := n.lock(ctx); err != nil {
		return err
	}
	defer n.unlock()
	n.lists.Store(nil)
	err := e.cfg.Store.RemoveAccount(ctx, n.account)
	n.lists.Store(nil)
	return err
}

// SessionDown forgets what is known of a session that has ended: which list was
// active in it, and what it has asked for. Call it when Config.Sessions does not
// return the session any more.
func (e *Engine) SessionDown(session jid.JID) { e.cache.forget(session) }

// Allow reports whether a stanza may pass between the account and the address
// other, which is where it is from if it comes in, and where it goes if the
// user sends it. session is the connected resource that sends it or that it is
// for; the zero JID, or one that has no active list, stands for the default
// list. k is what [KindIn] or [KindOut] says.
//
// A stanza to several resources of an account is a question for each. A probe is
// two: whether it is let in, and whether the answer, which is [PresenceOut], may
// go to who sent it. So is the presence of a contact to whom the server sends a
// probe: that goes out if [PresenceIn] is allowed.
//
// What passes between resources of the account is always allowed: "An
// implementation MUST NOT block communications from one of a user's resources
// to another" (XEP-0016, section 2.1). So is what passes between the account
// and the domain that it is on, or users could shut out their own server.
//
// The store is asked only for accounts that are not in memory; see
// Config.Cache. The error is that of the store or of Config.Contact.
func (e *Engine) Allow(ctx context.Context, account, session, other jid.JID, k Kinds) (bool, error) {
	account = account.Bare()
	if e.cfg.Store == nil || other.Bare() == account || other == account.DomainJID() {
		return true, nil
	}
	var lists *Lists
	n := e.cache.find(account)
	if n != nil {
		lists = n.lists.Load()
	}
	if lists == nil {
		var err error
		if n, lists, err = e.load(ctx, account); err != nil {
			return false, err
		}
	}
	if len(lists.Lists) == 0 {
		return true, nil
	}
	return e.decide(ctx, account, lists.inForce(n.session(session)), other, k)
}

// decide asks a list, and the roster if the list must know it.
func (e *Engine) decide(ctx context.Context, account jid.JID, l *List, other jid.JID, k Kinds) (bool, error) {
	allowed, ok := l.decide(k, other, nil)
	if ok {
		return allowed, nil
	}
	var c Contact
	if e.cfg.Contact != nil {
		var err error
		if c, err = e.cfg.Contact(ctx, account, other); err != nil {
			return false, err
		}
	}
	c.JID = other
	return l.Allows(k, c), nil
}

// inForce returns the list that is applied for a session: "the server MUST apply
// the active list only and MUST NOT apply the default list" (RFC 3921, section
// 10.2). nil: none is.
func (l *Lists) inForce(s session) *List {
	if s.active != "" {
		if list := l.Find(s.active); list != nil {
			return list
		}
	}
	return l.byDefault()
}

// load reads the account's lists if they are not in memory.
func (e *Engine) load(ctx context.Context, account jid.JID) (*entry, *Lists, error) {
	n := e.cache.acquire(account)
	defer e.cache.release(n)
	if err := n.lock(ctx); err != nil {
		return nil, nil, err
	}
	defer n.unlock()
	lists, err := e.read(ctx, n)
	return n, lists, err
}

// read is load for who has the entry's turn.
func (e *Engine) read(ctx context.Context, n *entry) (*Lists, error) {
	if l := n.lists.Load(); l != nil {
		return l, nil
	}
	stored, err := e.cfg.Store.PrivacyLists(ctx, n.account)
	if err != nil {
		return nil, err
	}
	l := stored.Clone()
	n.lists.Store(&l)
	return &l, nil
}

// Answer is [Engine.ErrorFor], but it knows why the stanza has not passed. Where
// that is a block of XEP-0191, an item of the default list that denies an address
// everything, messages are answered with service-unavailable also if
// Config.Refusal is [Silent]: "for message stanzas, the server SHOULD return an
// error, which SHOULD be <service-unavailable/>" (XEP-0191, section 3.3). The
// arguments are those of Allow.
func (e *Engine) Answer(ctx context.Context, account, session, other jid.JID, st *stanza.Stanza, outbound bool) *stanza.Error {
	answer := e.ErrorFor(st, outbound)
	if answer == nil && !outbound && st.Kind == stanza.KindMessage && st.Type != stanza.TypeError &&
		e.isBlocked(ctx, account.Bare(), session, other) {
		return stanza.NewError(stanza.ServiceUnavailable, "")
	}
	return answer
}

// isBlocked reports whether the default list, if that is in force, blocks an
// address.
func (e *Engine) isBlocked(ctx context.Context, account, session, other jid.JID) bool {
	n, lists, err := e.load(ctx, account)
	if err != nil {
		return false
	}
	l := lists.byDefault()
	if l == nil || lists.inForce(n.session(session)) != l {
		return false
	}
	for i := range l.Items {
		if it := &l.Items[i]; it.Type != ByJID || Covers(it.JID, other) {
			return it.isBlock() // the first that matches, or may match, decides
		}
	}
	return false
}

// ErrorFor returns what the sender of a stanza is answered that Allow has not
// let pass, nil if nothing.
//
// Inbound the sender is the other one: requests get service-unavailable, what
// messages get Config.Refusal says, and everything else is dropped. Outbound it
// is the user: "the user's server MUST NOT route the stanza to the JID but
// instead MUST return a <not-acceptable/> error containing an
// application-specific error condition of <blocked/>" (XEP-0191, section 3.3).
// That is for stanzas that the user has addressed, not for the presence
// notifications that the server broadcasts, nor for its unavailable presence
// to all who got directed presence.
func (e *Engine) ErrorFor(st *stanza.Stanza, outbound bool) *stanza.Error {
	if st.Type == stanza.TypeError || st.Kind == stanza.KindIQ && !st.Type.IsRequest() {
		return nil
	}
	refusal := stanza.ServiceUnavailable
	if e.cfg.Refusal == Revealed {
		refusal = stanza.NotAllowed
	}
	switch {
	case outbound:
		err := stanza.NewError(stanza.NotAcceptable, "")
		err.Type, err.App = stanza.Cancel, blocking.BlockedError
		return err
	case st.Kind == stanza.KindIQ, st.Kind == stanza.KindMessage && e.cfg.Refusal != Silent:
		return stanza.NewError(refusal, "")
	}
	return nil
}
