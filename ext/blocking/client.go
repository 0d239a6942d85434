package blocking

import (
	"context"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// Get returns the addresses that the account has blocked, and makes the server
// push changes to this session from now on; see [Extension]. "A client SHOULD
// retrieve the block list after authenticating with its server and before
// completing any blocking or unblocking operations" (XEP-0191, section 3.2).
func Get(ctx context.Context, s xmpp.Sender) ([]jid.JID, error) {
	l, err := xmpp.Call[List](ctx, s, stanza.TypeGet, jid.JID{}, List{})
	return l.JIDs, err
}

// Block blocks these addresses. Nothing passes to them or from them any more, and
// to them the account seems to be offline. To block none does nothing.
func Block(ctx context.Context, s xmpp.Sender, jids ...jid.JID) error {
	if len(jids) == 0 {
		return nil
	}
	return set(ctx, s, BlockCommand{jids})
}

// Unblock unblocks these addresses. To unblock none does nothing; see
// [UnblockAll].
func Unblock(ctx context.Context, s xmpp.Sender, jids ...jid.JID) error {
	if len(jids) == 0 {
		return nil
	}
	return set(ctx, s, UnblockCommand{jids})
}

// UnblockAll unblocks every address that is blocked.
func UnblockAll(ctx context.Context, s xmpp.Sender) error { return set(ctx, s, UnblockCommand{}) }

func set(ctx context.Context, s xmpp.Sender, req stanza.Payload) error {
	_, err := xmpp.Call[stanza.Element](ctx, s, stanza.TypeSet, jid.JID{}, req)
	return err
}

// IsBlocked reports whether a stanza came back, or err says so, because the user
// has blocked whom it was for (XEP-0191, section 3.3).
func IsBlocked(err error) bool {
	return err != nil && stanza.AsError(err).AppName() == "{"+NSErrors+"}blocked"
}

// Extension tells a client what the server pushes when the list has changed, by
// this session or another one. The server does so once [Get] has been called,
// in each session anew. Pushes that do not come from the account's own server
// are refused.
//
// The functions may be nil. They are called concurrently, so that two pushes may
// change places: [Get] has the truth. The server is answered when they return.
type Extension struct {
	// Blocked is called with addresses that have been blocked.
	Blocked func(ctx context.Context, jids []jid.JID)
	// Unblocked is called with addresses that have been unblocked; none stand
	// for all.
	Unblocked func(ctx context.Context, jids []jid.JID)
}

// Attach adds the handlers.
func (x *Extension) Attach(h xmpp.Host) error {
	xmpp.HandleIQ(h.Mux(), stanza.TypeSet, func(ctx context.Context, r xmpp.Request[BlockCommand]) (any, error) {
		return nil, push(ctx, r.Stanza, h.LocalAddr(), x.Blocked, r.Payload.JIDs)
	})
	xmpp.HandleIQ(h.Mux(), stanza.TypeSet, func(ctx context.Context, r xmpp.Request[UnblockCommand]) (any, error) {
		return nil, push(ctx, r.Stanza, h.LocalAddr(), x.Unblocked, r.Payload.JIDs)
	})
	return nil
}

func push(ctx context.Context, st *stanza.Stanza, own jid.JID,
	fn func(context.Context, []jid.JID), jids []jid.JID) error {
	if !st.From.IsZero() && st.From != own.Bare() && st.From != own.DomainJID() {
		return stanza.ServiceUnavailable
	}
	if fn != nil {
		fn(ctx, jids)
	}
	return nil
}
