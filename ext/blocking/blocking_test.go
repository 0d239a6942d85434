package blocking

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

func jids(texts ...string) (all []jid.JID) {
	for _, s := range texts {
		all = append(all, jid.MustParse(s))
	}
	return all
}

// TestPayloads reads and writes the elements of XEP-0191.
func TestPayloads(t *testing.T) {
	items := "<item jid='romeo@montague.net'/><item jid='iago@shakespeare.lit'/>"
	two := jids("romeo@montague.net", "iago@shakespeare.lit")
	tests := []struct {
		name, element, inner string
		want                 []jid.JID
		out                  string // "" if it is as inner
		err                  error
	}{
		{name: "example 4", element: "blocklist", inner: items, want: two},
		{name: "example 5", element: "blocklist"},
		{name: "example 6", element: "block", inner: items, want: two},
		{name: "block without item", element: "block", err: stanza.BadRequest},
		{name: "example 10", element: "unblock", inner: items, want: two},
		{name: "example 13", element: "unblock"},
		{name: "no address", element: "unblock", inner: "<item/>", err: stanza.BadRequest},
		{name: "an empty address", element: "blocklist", inner: "<item jid=''/>", err: stanza.BadRequest},
		{name: "not an address", element: "block", inner: "<item jid='@'/>", err: stanza.JIDMalformed},
		{name: "what is not defined, and what comes twice", element: "block",
			inner: "<x/><item jid='a@b/&lt;'/><item xmlns='urn:x' jid='c'/><item jid='A@B/&lt;'/>",
			want:  jids("a@b/<"), out: "<item jid='a@b/&lt;'/>"},
	}
	for _, tt := range tests {
		t.Run(tt.element+" "+tt.name, func(t *testing.T) {
			write := func(inner string) string {
				if inner == "" {
					return "<" + tt.element + " xmlns='urn:xmpp:blocking'/>"
				}
				return "<" + tt.element + " xmlns='urn:xmpp:blocking'>" + inner + "</" + tt.element + ">"
			}
			st, err := stanza.Parse("<iq type='set' id='1'>" + write(tt.inner) + "</iq>")
			if err != nil {
				t.Fatal(err)
			}
			got, p, err := decode(st, tt.element)
			if !errors.Is(err, tt.err) || tt.err == nil && err != nil {
				t.Fatalf("got %v, want %v", err, tt.err)
			}
			if err != nil {
				return
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %v", got)
			}
			want := tt.out
			if want == "" {
				want = tt.inner
			}
			if b, err := p.AppendXML(nil); err != nil || string(b) != write(want) {
				t.Errorf("got %s, %v", b, err)
			}
		})
	}
	for _, p := range []stanza.Payload{BlockCommand{}, BlockCommand{make([]jid.JID, 1)}, List{make([]jid.JID, 1)}} {
		if b, err := p.AppendXML(nil); !errors.Is(err, stanza.BadRequest) {
			t.Errorf("%T: %s, %v", p, b, err)
		}
	}
}

// decode reads the payload of a stanza as the type that is for its element.
func decode(st *stanza.Stanza, element string) ([]jid.JID, stanza.Payload, error) {
	switch element {
	case "block":
		v, _, err := stanza.Decode[BlockCommand](st)
		return v.JIDs, v, err
	case "unblock":
		v, _, err := stanza.Decode[UnblockCommand](st)
		return v.JIDs, v, err
	}
	v, _, err := stanza.Decode[List](st)
	return v.JIDs, v, err
}

// client is a Host that notes what it sends, and is answered by a function.
type client struct {
	mux    xmpp.Mux
	sent   []*stanza.Stanza
	answer func(iq *stanza.Stanza) (*stanza.Stanza, error)
}

func (c *client) LocalAddr() jid.JID        { return jid.MustParse("juliet@capulet.com/chamber") }
func (c *client) Mux() *xmpp.Mux            { return &c.mux }
func (c *client) IsServer() bool            { return false }
func (c *client) Features(jid.JID) []string { return nil }

func (c *client) Send(_ context.Context, st *stanza.Stanza) error {
	c.sent = append(c.sent, st)
	return nil
}

func (c *client) Do(_ context.Context, iq *stanza.Stanza) (*stanza.Stanza, error) {
	c.sent = append(c.sent, iq)
	return c.answer(iq)
}

func TestRequests(t *testing.T) {
	ctx := t.Context()
	romeo, iago := jid.MustParse("romeo@montague.net"), jid.MustParse("iago@shakespeare.lit")
	tests := []struct {
		name string
		do   func(xmpp.Sender) error
		want string // "" if nothing is sent
	}{
		{"Block", func(s xmpp.Sender) error { return Block(ctx, s, romeo, iago) },
			"<iq type='set'><block xmlns='urn:xmpp:blocking'><item jid='romeo@montague.net'/><item jid='iago@shakespeare.lit'/></block></iq>"},
		{"Block nobody", func(s xmpp.Sender) error { return Block(ctx, s) }, ""},
		{"Unblock", func(s xmpp.Sender) error { return Unblock(ctx, s, romeo) },
			"<iq type='set'><unblock xmlns='urn:xmpp:blocking'><item jid='romeo@montague.net'/></unblock></iq>"},
		{"Unblock nobody", func(s xmpp.Sender) error { return Unblock(ctx, s) }, ""},
		{"UnblockAll", func(s xmpp.Sender) error { return UnblockAll(ctx, s) },
			"<iq type='set'><unblock xmlns='urn:xmpp:blocking'/></iq>"},
		{"Get", func(s xmpp.Sender) error { _, err := Get(ctx, s); return err },
			"<iq type='get'><blocklist xmlns='urn:xmpp:blocking'/></iq>"},
	}
	for _, tt := range tests {
		for _, want := range []error{nil, stanza.NewError(stanza.Forbidden, "")} {
			t.Run(tt.name, func(t *testing.T) {
				c := &client{answer: func(iq *stanza.Stanza) (*stanza.Stanza, error) {
					if want != nil {
						return nil, want
					}
					return iq.Reply()
				}}
				err := tt.do(c)
				if tt.want == "" {
					if err != nil || len(c.sent) != 0 {
						t.Errorf("%v, sent %s", err, c.sent)
					}
					return
				}
				if !errors.Is(err, want) || len(c.sent) != 1 || c.sent[0].String() != tt.want {
					t.Errorf("%v, sent %s", err, c.sent)
				}
			})
		}
	}
	c := &client{answer: func(iq *stanza.Stanza) (*stanza.Stanza, error) { return iq.Reply(List{jids("a@b", "c")}) }}
	if got, err := Get(ctx, c); err != nil || !slices.Equal(got, jids("a@b", "c")) {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestIsBlocked(t *testing.T) {
	// Example 9.
	st, err := stanza.Parse("<message type='error' from='romeo@montague.net' to='juliet@capulet.com'><body>Can you hear me now?</body>" +
		"<error type='cancel'><not-acceptable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/><blocked xmlns='urn:xmpp:blocking:errors'/></error></message>")
	if err != nil {
		t.Fatal(err)
	}
	if !IsBlocked(st.Err()) || IsBlocked(nil) || IsBlocked(stanza.NotAcceptable) || IsBlocked(context.Canceled) {
		t.Error("not what the error says")
	}
	e := stanza.NewError(stanza.NotAcceptable, "")
	e.App = BlockedError
	if !IsBlocked(st.ErrorReply(e).Err()) {
		t.Error("BlockedError does not arrive")
	}
}

func TestExtension(t *testing.T) {
	block := "<block xmlns='urn:xmpp:blocking'><item jid='romeo@montague.net'/></block>"
	tests := []struct {
		name, from, payload string
		want                error
		called              string
	}{
		{"example 8", "", block, nil, "blocked [romeo@montague.net]"},
		{"from the account", "juliet@capulet.com", block, nil, "blocked [romeo@montague.net]"},
		{"from the server", "capulet.com", block, nil, "blocked [romeo@montague.net]"},
		{"example 12",
			"", "<unblock xmlns='urn:xmpp:blocking'><item jid='romeo@montague.net'/></unblock>", nil, "unblocked [romeo@montague.net]"},
		{"example 15", "", "<unblock xmlns='urn:xmpp:blocking'/>", nil, "unblocked []"},
		{"another user", "romeo@montague.net", block, stanza.ServiceUnavailable, ""},
		{"another resource", "juliet@capulet.com/balcony", block, stanza.ServiceUnavailable, ""},
		{"another server", "montague.net", "<unblock xmlns='urn:xmpp:blocking'/>", stanza.ServiceUnavailable, ""},
		{"bad request", "", "<block xmlns='urn:xmpp:blocking'/>", stanza.BadRequest, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			called := ""
			note := func(what string) func(context.Context, []jid.JID) {
				return func(_ context.Context, jids []jid.JID) {
					called = what + " ["
					for _, j := range jids {
						called += j.String()
					}
					called += "]"
				}
			}
			for _, x := range []*Extension{{}, {Blocked: note("blocked"), Unblocked: note("unblocked")}} {
				c := new(client)
				if err := x.Attach(c); err != nil {
					t.Fatal(err)
				}
				h := stanza.Header{Kind: stanza.KindIQ, Type: stanza.TypeSet, ID: "push1", To: c.LocalAddr()}
				if tt.from != "" {
					h.From = jid.MustParse(tt.from)
				}
				st, err := stanza.New(h, stanza.Raw(tt.payload))
				if err != nil {
					t.Fatal(err)
				}
				if err := c.mux.HandleXMPP(t.Context(), c, st); err != nil {
					t.Fatal(err)
				}
				if len(c.sent) != 1 || !errors.Is(c.sent[0].Err(), tt.want) || tt.want == nil && c.sent[0].Type != stanza.TypeResult {
					t.Errorf("sent %s", c.sent)
				}
			}
			if called != tt.called {
				t.Errorf("called %q", called)
			}
		})
	}
}

// FuzzItems reads the elements: what can be read can be written, and reads the
// same again.
func FuzzItems(f *testing.F) {
	f.Add("<block xmlns='urn:xmpp:blocking'><item jid='a@b/&lt;'/><item jid='c.d'/></block>")
	f.Add("<unblock xmlns='urn:xmpp:blocking'/>")
	f.Add("<p:blocklist xmlns:p='urn:xmpp:blocking'><p:item jid='A@B'/><p:item jid='a@b'/></p:blocklist>")
	f.Fuzz(func(t *testing.T, s string) {
		e, err := stanza.Raw(s).Element()
		if err != nil || e.Name().Space != NS {
			return
		}
		read := func(e stanza.Element) ([]jid.JID, stanza.Payload, error) {
			switch e.Name().Local {
			case "block":
				var v BlockCommand
				err := v.ParseXML(e)
				return v.JIDs, v, err
			case "unblock":
				var v UnblockCommand
				err := v.ParseXML(e)
				return v.JIDs, v, err
			}
			var v List
			err := v.ParseXML(e)
			return v.JIDs, v, err
		}
		jids, p, err := read(e)
		if err != nil {
			if stanza.AsError(err).Condition == stanza.InternalServerError {
				t.Fatalf("%v is not for the sender", err)
			}
			return
		}
		b, err := p.AppendXML(nil)
		if err != nil {
			t.Fatal(err)
		}
		again, err := stanza.Raw(b).Element()
		if err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		if got, _, err := read(again); err != nil || !slices.Equal(got, jids) {
			t.Fatalf("%s: %v, %v", b, got, err)
		}
	})
}
