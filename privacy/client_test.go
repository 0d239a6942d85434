package privacy

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"testing"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// client is romeo's client: what it asks is answered by the world.
type client struct {
	w    *world
	addr jid.JID
	mux  xmpp.Mux
	sent []*stanza.Stanza
}

func (c *client) LocalAddr() jid.JID        { return c.addr }
func (c *client) Mux() *xmpp.Mux            { return &c.mux }
func (c *client) IsServer() bool            { return false }
func (c *client) Features(jid.JID) []string { return nil }

func (c *client) Send(_ context.Context, st *stanza.Stanza) error {
	c.sent = append(c.sent, st)
	return nil
}

func (c *client) Do(ctx context.Context, iq *stanza.Stanza) (reply *stanza.Stanza, err error) {
	h := iq.Header
	h.From, h.To, h.ID = c.addr, c.addr.Bare(), "1"
	err = c.w.mux.HandleXMPP(ctx, sendFunc(func(st *stanza.Stanza) { reply = st }), iq.With(h))
	return reply, errors.Join(err, reply.Err())
}

// TestClient manages lists with the functions for clients.
func TestClient(t *testing.T) {
	w := newWorld(t)
	c := &client{w: w, addr: orchard}
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	is := func(err error, c stanza.Condition) {
		t.Helper()
		if !errors.Is(err, c) {
			t.Errorf("got %v, want %v", err, c)
		}
	}
	names := func(want Overview) {
		t.Helper()
		if o, err := Names(ctx, c); err != nil || !reflect.DeepEqual(o, want) {
			t.Errorf("got %+v, %v, want %+v", o, err, want)
		}
	}
	names(Overview{})
	_, err := Get(ctx, c, "l")
	is(err, stanza.ItemNotFound)
	if err := Set(ctx, c, List{Name: "l"}); !errors.Is(err, ErrNoItems) {
		t.Errorf("got %v", err)
	}
	items := []Item{{Type: ByJID, JID: tybaltBare, Deny: true}, DenyUnknown()}
	must(Set(ctx, c, List{"l", items}))
	if items[1].Order != 0 {
		t.Error("the caller's items have been changed")
	}
	want := List{"l", []Item{{Type: ByJID, JID: tybaltBare, Deny: true, Order: 1}, {Type: BySubscription, Deny: true, Order: 2}}}
	if l, err := Get(ctx, c, "l"); err != nil || !reflect.DeepEqual(l, want) {
		t.Errorf("got %+v, %v", l, err)
	}
	invisible := List{"invisible", []Item{Invisible()}}
	invisible.Items[0].Order = 7
	must(Set(ctx, c, invisible))
	if l, err := Get(ctx, c, "invisible"); err != nil || !reflect.DeepEqual(l, invisible) {
		t.Errorf("got %+v, %v", l, err)
	}
	must(Activate(ctx, c, "invisible"))
	must(SetDefault(ctx, c, "l"))
	names(Overview{"invisible", "l", []string{"invisible", "l"}})
	is(Activate(ctx, c, "x"), stanza.ItemNotFound)
	is(SetDefault(ctx, c, "x"), stanza.ItemNotFound)
	is(Remove(ctx, c, "x"), stanza.ItemNotFound)
	is(Remove(ctx, c, "l"), stanza.Conflict)
	is(DeclineDefault(ctx, c), stanza.Conflict)
	must(Decline(ctx, c))
	must(Remove(ctx, c, "invisible"))
	w.sessions[romeo] = []jid.JID{orchard}
	must(DeclineDefault(ctx, c))
	names(Overview{"", "", []string{"l"}})
}

// lostList answers a request for one list with another.
type lostList struct{ *client }

func (lostList) Do(_ context.Context, iq *stanza.Stanza) (*stanza.Stanza, error) {
	return iq.Reply(Query{Lists: []List{{Name: "other"}}})
}

func TestClientAnswers(t *testing.T) {
	if l, err := Get(t.Context(), lostList{}, "l"); !errors.Is(err, stanza.ItemNotFound) {
		t.Errorf("got %+v, %v", l, err)
	}
	t.Run("IM-7.1-2 the active list of a server of old", func(t *testing.T) {
		w := withLists(t, func(c *Config) { c.Old = func(jid.JID) bool { return true } })
		w.must(orchard, "<default name='special'/>")
		o, err := Names(t.Context(), &client{w: w, addr: home})
		if err != nil || !reflect.DeepEqual(o, Overview{"special", "", []string{"private", "public", "special"}}) {
			t.Errorf("got %+v, %v", o, err)
		}
	})
	t.Run("R3921-10.15-1 the simplest list", func(t *testing.T) {
		b, err := Query{Lists: []List{{"heuristic-example", []Item{DenyUnknown()}}}}.AppendXML(nil)
		want := query("<list name='heuristic-example'><item type='subscription' value='none' action='deny' order='0'/></list>")
		if err != nil || string(b) != want {
			t.Errorf("got %s, %v", b, err)
		}
	})
}

func TestExtension(t *testing.T) {
	push := query("<list name='public'/>")
	tests := []struct {
		name, from, payload string
		want                error
		changed             []string
	}{
		{"R3921-10.2-10 from the account", "romeo@example.net", push, nil, []string{"public"}},
		{"R3921-10.2-10 without from", "", push, nil, []string{"public"}},
		{"R3921-10.2-10 from the server", "example.net", push, nil, []string{"public"}},
		{"another user", "juliet@example.net", push, stanza.ServiceUnavailable, nil},
		{"another resource", "romeo@example.net/home", push, stanza.ServiceUnavailable, nil},
		{"another server", "example.org", push, stanza.ServiceUnavailable, nil},
		{"no list", "", query(""), stanza.BadRequest, nil},
		{"no name", "", query("<list/>"), stanza.BadRequest, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := &client{addr: orchard}
			var changed []string
			x := &Extension{Changed: func(_ context.Context, s xmpp.Sender, name string) { changed = append(changed, name) }}
			if err := x.Attach(c); err != nil {
				t.Fatal(err)
			}
			h := stanza.Header{Kind: stanza.KindIQ, Type: stanza.TypeSet, ID: "push1", To: orchard}
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
			if len(c.sent) != 1 || c.sent[0].ID != "push1" || !errors.Is(c.sent[0].Err(), tt.want) || tt.want == nil && c.sent[0].Type != stanza.TypeResult {
				t.Errorf("sent %s", c.sent)
			}
			if !slices.Equal(changed, tt.changed) {
				t.Errorf("changed %q", changed)
			}
		})
	}
	c := &client{addr: orchard}
	if err := new(Extension).Attach(c); err != nil {
		t.Fatal(err)
	}
	st, err := stanza.New(stanza.Header{Kind: stanza.KindIQ, Type: stanza.TypeSet, ID: "1"}, stanza.Raw(push))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.mux.HandleXMPP(t.Context(), c, st); err != nil || c.sent[0].Type != stanza.TypeResult {
		t.Errorf("%v, sent %s", err, c.sent)
	}
}
