package client

import (
	"context"
	"crypto/rand"
	"encoding/xml"
	"errors"
	"fmt"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/register"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

// ErrNoRegistration says that the server does not let clients make accounts.
var ErrNoRegistration = errors.New("client: the server offers no registration")

// errDone ends a negotiation that has done what it was for.
var errDone = errors.New("client: done")

// Register makes the account cfg.JID at its server, with cfg.Password, before
// anybody has logged in (XEP-0077, section 3.1). Of cfg counts how to connect. The
// server may ask for more than user name and password, which is what fields are
// for; what is missing is told by a [*register.MissingError], and a data form or
// a web page, which people have to fill in, by a [*register.FormError]. The error
// is stanza.Conflict if there is such an account, and [ErrNoRegistration] if the
// server does not offer to make one.
//
//	err := client.Register(ctx, cfg)
//	if err != nil && !errors.Is(err, stanza.Conflict) {
//		return err
//	}
//	bot, err := client.New(cfg)
//
// An account that exists changes its password with [register.ChangePassword].
func Register(ctx context.Context, cfg Config, fields ...register.Field) error {
	cfg.Handler, cfg.Extensions = nil, nil
	c, err := New(cfg)
	if err != nil {
		return err
	}
	fields = append([]register.Field{
		{Name: "username", Value: cfg.JID.Local()}, {Name: "password", Value: cfg.Password},
	}, fields...)
	tr, err := c.dial(ctx, "")
	if err != nil {
		return &ConnectError{Domain: cfg.JID.Domain(), Err: err}
	}
	defer tr.Close()
	result := ErrNoRegistration
	h := stream.Header{To: c.cfg.JID.DomainJID(), Content: stanza.NSClient, Version: stream.V1, Lang: c.cfg.Lang}
	_, err = stream.Initiate(ctx, tr, c.cfg.Stream, h, []stream.Feature{
		stream.StartTLS(c.cfg.TLS), c.registration(fields, &result),
	})
	if errors.Is(err, errDone) {
		return result
	}
	return &ConnectError{Domain: cfg.JID.Domain(), Addr: tr.RemoteAddr().String(), Err: fmt.Errorf("%w: %w", result, err)}
}

// registration is the feature that makes an account and then ends the
// negotiation.
func (c *Client) registration(fields []register.Field, result *error) stream.Feature {
	needs := stream.Secure
	if c.cfg.AllowPlaintext {
		needs = 0
	}
	return stream.Feature{
		Name: xml.Name{Space: register.NSFeature, Local: "register"}, Implied: true, Needs: needs, Not: stream.Authenticated,
		Negotiate: func(ctx context.Context, conn *stream.Conn, _ stanza.Element) (stream.Outcome, error) {
			*result = register.Register(ctx, stranger{conn}, jid.JID{}, fields...)
			return stream.Outcome{}, errDone
		},
	}
}

// stranger is the Sender of a stream that nobody has logged in on.
type stranger struct{ conn *stream.Conn }

func (stranger) LocalAddr() jid.JID { return jid.JID{} }

func (stranger) Send(context.Context, *stanza.Stanza) error { return xmpp.ErrNotConnected }

func (s stranger) Do(_ context.Context, iq *stanza.Stanza) (*stanza.Stanza, error) {
	h := iq.Header
	h.ID = rand.Text()
	return s.conn.Ask(iq.With(h))
}
