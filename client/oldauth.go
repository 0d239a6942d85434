package client

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/legacy/auth"
	"github.com/etherx-go/xmpp/sasl"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

// Why jabber:iq:auth is not used.
var (
	errNoPassword = errors.New("jabber:iq:auth needs the user name and the password")
	errKnowsSCRAM = errors.New("jabber:iq:auth is not used with a server that has proven itself by SCRAM")
)

// oldLogin is log-in by jabber:iq:auth (XEP-0078), with a server that offers no
// SASL. The address goes to addr.
func (c *Client) oldLogin(needs stream.State, addr *jid.JID) stream.Feature {
	return stream.Feature{Name: auth.FeatureName, Implied: true, Needs: needs, Not: stream.Authenticated,
		Negotiate: func(ctx context.Context, conn *stream.Conn, _ stanza.Element) (stream.Outcome, error) {
			cfg := c.saslConfig()
			switch {
			case cfg.Username == "" || cfg.Password == "":
				return stream.Outcome{}, fmt.Errorf("%w: %w", stream.ErrSkip, errNoPassword)
			case c.logins.proven():
				return stream.Outcome{}, fmt.Errorf("%w: %w", stream.ErrSkip, errKnowsSCRAM)
			}
			to := c.oldAddress()
			err := auth.Login{
				Username: cfg.Username, Password: cfg.Password, Resource: to.Resource(), StreamID: conn.Received().ID,
				Plaintext: !slices.Contains(cfg.Refuse, sasl.Plain),
				Guess:     conn.Received().Version == stream.Version{},
			}.Do(ctx, stranger{conn})
			if errors.Is(err, auth.ErrNoMethod) {
				return stream.Outcome{}, fmt.Errorf("%w: %w", stream.ErrSkip, err)
			}
			if err != nil {
				return stream.Outcome{}, err
			}
			*addr = to
			return stream.Outcome{State: stream.Authenticated | stream.Ready}, nil
		}}
}

// oldBind names the resource after SASL, with a server that has no resource
// binding: one of draft-miller-xmpp-core-02 and draft-ietf-xmpp-im-02, section 3.
func (c *Client) oldBind(addr *jid.JID) stream.Feature {
	return stream.Feature{Name: auth.QueryName, Implied: true, Needs: stream.Authenticated, Not: stream.Ready,
		Negotiate: func(ctx context.Context, conn *stream.Conn, _ stanza.Element) (stream.Outcome, error) {
			to := c.oldAddress()
			if err := auth.Bind(ctx, stranger{conn}, c.cfg.SASL.Username, to.Resource()); err != nil {
				return stream.Outcome{}, err
			}
			*addr = to
			return stream.Outcome{State: stream.Ready}, nil
		}}
}

// oldAddress is the address of the next session: the client names the resource,
// the server is not asked for one.
func (c *Client) oldAddress() jid.JID {
	if c.cfg.JID.Resource() != "" {
		return c.cfg.JID
	}
	j, _ := c.cfg.JID.WithResource(rand.Text()[:12]) // letters and digits are a resource
	return j
}
