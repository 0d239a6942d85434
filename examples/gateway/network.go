package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"

	"github.com/etherx-go/xmpp/examples/gateway/chat"
	"github.com/etherx-go/xmpp/ext/gateway"
	"github.com/etherx-go/xmpp/stanza"
)

// network is the chat, as the gateway wants to have it.
type network struct {
	dial func(ctx context.Context) (net.Conn, error)
	log  *slog.Logger
}

// Verify says whether the chat knows the account, before it is kept.
func (n *network) Verify(ctx context.Context, a gateway.Account) error {
	conn, err := n.dial(ctx)
	if err != nil {
		return err
	}
	return fault(chat.Check(ctx, conn, a.Get("username"), a.Get("password")))
}

// Login opens the session of a user.
func (n *network) Login(ctx context.Context, a gateway.Account, p gateway.Presence, in *gateway.Inbound) (
	gateway.Session, error) {
	conn, err := n.dial(ctx)
	if err != nil {
		return nil, err
	}
	client, err := chat.Login(ctx, conn, a.Get("username"), a.Get("password"), func(e chat.Event) { n.hear(in, e) })
	if err != nil {
		return nil, fault(err)
	}
	s := &session{client}
	if err := s.SetPresence(ctx, p); err != nil {
		return nil, errors.Join(err, client.Close())
	}
	return s, nil
}

// hear tells the user what comes from the chat.
func (n *network) hear(in *gateway.Inbound, e chat.Event) {
	ctx := context.Background() // these wait for nothing
	var err error
	switch e.Kind {
	case chat.Asked:
		err = in.Subscribe(ctx, e.From, e.Text)
	case chat.Allowed:
		err = in.Subscribed(ctx, e.From)
	case chat.Denied:
		err = in.Unsubscribed(ctx, e.From)
	case chat.Removed:
		err = in.Removed(ctx, e.From)
	case chat.StatusChanged:
		err = in.Presence(ctx, e.From, presenceOf(e))
	case chat.Message:
		err = in.Text(ctx, e.From, e.Text)
	case chat.Bye:
		why := errors.New("the connection is lost") // and made again after a while
		if e.Text != "" {
			why = stanza.NewError(stanza.Conflict, e.Text) // not made again
		}
		in.Lost(ctx, why)
	}
	if err != nil && !errors.Is(err, gateway.ErrLoggedOut) {
		n.log.Warn("not delivered", "user", in.User(), "event", e.Kind, "err", err)
	}
}

// session is the session of a user.
type session struct{ chat *chat.Client }

func (s *session) Send(ctx context.Context, number string, m *stanza.Message) error {
	return fault(s.chat.Send(ctx, number, m.Body))
}

func (s *session) SetPresence(ctx context.Context, p gateway.Presence) error {
	return fault(s.chat.SetStatus(ctx, statusOf(p), p.Status))
}

func (s *session) Subscribe(ctx context.Context, number, text string) error {
	return fault(s.chat.Add(ctx, number, text))
}

func (s *session) Unsubscribe(ctx context.Context, number string) error {
	return fault(s.chat.Remove(ctx, number))
}

func (s *session) Approve(ctx context.Context, number string, may bool) error {
	if !may {
		return fault(s.chat.Deny(ctx, number))
	}
	return fault(s.chat.Allow(ctx, number))
}

func (s *session) Contacts(ctx context.Context) (contacts []gateway.Contact, err error) {
	numbers, err := s.chat.List(ctx)
	for _, n := range numbers {
		contacts = append(contacts, gateway.Contact{Name: n, Groups: []string{"Chat"}})
	}
	return contacts, err
}

func (s *session) Logout(context.Context) error { return s.chat.Close() }

// fault says an error of the chat in the words of XMPP. What it does not know is a
// network that does not work.
func fault(err error) error {
	switch {
	case errors.Is(err, chat.ErrPassword):
		return stanza.NotAuthorized
	case errors.Is(err, chat.ErrUnknown):
		return stanza.ItemNotFound
	case errors.Is(err, chat.ErrOffline):
		return stanza.NewError(stanza.ServiceUnavailable, "There is nobody to read it.")
	case errors.Is(err, chat.ErrLong):
		return stanza.NewError(stanza.NotAcceptable, "That is too long for the chat.")
	case errors.Is(err, chat.ErrFull):
		return stanza.NewError(stanza.ResourceConstraint, "There are too many on your contact list.")
	}
	return err
}

func statusOf(p gateway.Presence) chat.Status {
	switch p.Show {
	case stanza.ShowAway, stanza.ShowExtendedAway:
		return chat.Away
	case stanza.ShowDoNotDisturb:
		return chat.Busy
	}
	return chat.Online
}

func presenceOf(e chat.Event) gateway.Presence {
	p := gateway.Presence{Available: e.Status != chat.Offline, Status: e.Text}
	switch e.Status {
	case chat.Away:
		p.Show = stanza.ShowAway
	case chat.Busy:
		p.Show = stanza.ShowDoNotDisturb
	}
	return p
}

// number returns a number as the chat writes it: people write 123-4567, too.
func number(name string) (string, error) {
	n := strings.NewReplacer(" ", "", "-", "").Replace(name)
	if n == "" || strings.Trim(n, "0123456789") != "" {
		return "", stanza.NewError(stanza.JIDMalformed, "A number has nothing but digits.")
	}
	return n, nil
}
