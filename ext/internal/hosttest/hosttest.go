// Package hosttest has hosts for the tests of extensions: what a client or a
// server is to an extension, without streams.
package hosttest

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/internal/describe"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// Client is a host that is no server.
type Client struct {
	t          testing.TB
	addr       jid.JID
	mux        xmpp.Mux
	extensions []xmpp.Extension
	sent       []*stanza.Stanza

	// Reply answers what is asked by Do: the XML of the
	// reply, without its header; "" for an empty result. An error is returned
	// by Do as it is.
	Reply func(iq *stanza.Stanza) (string, error)
	// Asked are the requests that were sent.
	Asked []*stanza.Stanza
}

var _ xmpp.Host = (*Client)(nil)

// New returns a client with the address addr and attaches the extensions.
func New(t testing.TB, addr string, extensions ...xmpp.Extension) *Client {
	t.Helper()
	c := &Client{t: t, addr: jid.MustParse(addr), extensions: extensions}
	attach(t, c, extensions)
	return c
}

func attach(t testing.TB, h xmpp.Host, extensions []xmpp.Extension) {
	t.Helper()
	for _, e := range extensions {
		if err := e.Attach(h); err != nil {
			t.Fatalf("Attach %T: %v", e, err)
		}
	}
}

// LocalAddr returns the address.
func (c *Client) LocalAddr() jid.JID { return c.addr }

// Mux returns the Mux that Ask asks.
func (c *Client) Mux() *xmpp.Mux { return &c.mux }

// IsServer returns false.
func (c *Client) IsServer() bool { return false }

// Features returns what the extensions say.
func (c *Client) Features(at jid.JID) []string { return describe.Features(nil, c.extensions, at) }

// Send keeps the stanza for Ask.
func (c *Client) Send(_ context.Context, st *stanza.Stanza) error {
	c.sent = append(c.sent, st)
	return nil
}

// Do keeps the request and returns what Reply says.
func (c *Client) Do(_ context.Context, iq *stanza.Stanza) (*stanza.Stanza, error) {
	c.Asked = append(c.Asked, iq)
	body, err := c.Reply(iq)
	if err != nil {
		return nil, err
	}
	reply, err := stanza.Parse("<iq type='result' id='r'>" + body + "</iq>")
	if err != nil {
		c.t.Fatalf("reply %s: %v", body, err)
	}
	reply.From = iq.To
	return reply, reply.Err()
}

// Ask hands an iq, as XML, to the handlers and returns the XML of the reply, of
// which there has to be exactly one.
func (c *Client) Ask(iq string) string {
	c.t.Helper()
	return ask(c.t, c, &c.mux, &c.sent, iq)
}

func ask(t testing.TB, s xmpp.Sender, m *xmpp.Mux, sent *[]*stanza.Stanza, iq string) string {
	t.Helper()
	st, err := stanza.Parse(iq)
	if err != nil {
		t.Fatalf("%s: %v", iq, err)
	}
	*sent = nil
	if err := m.HandleXMPP(t.Context(), s, st); err != nil {
		t.Logf("to be logged: %v", err)
	}
	if len(*sent) != 1 {
		t.Fatalf("%s: %d replies", iq, len(*sent))
	}
	return (*sent)[0].String()
}

// Server is a host that is a server, with accounts.
type Server struct {
	Client
	// Accounts are the bare addresses of the accounts there are.
	Accounts []string
	// Sees are pairs of a contact and an account that it may see, as
	// "contact account"; every account sees itself.
	Sees []string
	// Online are the full addresses of available resources.
	Online []string
	// Last is the last presence of every account, as XML, and when it came.
	Last   string
	LastAt time.Time
	// Err, if not nil, is what the methods of [xmpp.Users] return.
	Err error
}

var _ xmpp.Users = (*Server)(nil)

// NewServer returns a server with the domain addr and attaches the extensions.
func NewServer(t testing.TB, addr string, extensions ...xmpp.Extension) *Server {
	t.Helper()
	s := &Server{Client: Client{t: t, addr: jid.MustParse(addr), extensions: extensions}}
	attach(t, s, extensions)
	return s
}

// IsServer returns true.
func (s *Server) IsServer() bool { return true }

// HasAccount looks into Accounts.
func (s *Server) HasAccount(_ context.Context, account jid.JID) (bool, error) {
	return slices.Contains(s.Accounts, account.String()), s.Err
}

// MaySee looks into Sees.
func (s *Server) MaySee(_ context.Context, contact, account jid.JID) (bool, error) {
	if contact.Bare() == account {
		return true, s.Err
	}
	return slices.Contains(s.Sees, contact.Bare().String()+" "+account.String()), s.Err
}

// Resources looks into Online.
func (s *Server) Resources(account jid.JID) (all []jid.JID) {
	for _, o := range s.Online {
		if j := jid.MustParse(o); j.Bare() == account {
			all = append(all, j)
		}
	}
	return all
}

// LastPresence returns Last.
func (s *Server) LastPresence(context.Context, jid.JID) (*stanza.Stanza, time.Time, error) {
	if s.Last == "" || s.Err != nil {
		return nil, time.Time{}, s.Err
	}
	st, err := stanza.Parse(s.Last)
	return st, s.LastAt, err
}
