package vcard_test

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/vcard"
)

// store is a Store.
type store struct {
	mu    sync.Mutex
	cards map[jid.JID]stanza.Raw
	err   error
}

func (s *store) VCard(_ context.Context, account jid.JID) (stanza.Raw, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cards[account], s.err
}

func (s *store) SetVCard(_ context.Context, account jid.JID, card stanza.Raw) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	if s.cards[account] = card; card == "" {
		delete(s.cards, account)
	}
	return nil
}

func (s *store) RemoveAccount(_ context.Context, account jid.JID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.cards, account)
	return s.err
}

// server is a Host that is a server with the accounts juliet and nurse.
type server struct {
	mux  xmpp.Mux
	sent []*stanza.Stanza
	err  error
}

var (
	juliet = jid.MustParse("juliet@capulet.lit")
	nurse  = jid.MustParse("nurse@capulet.lit")
)

func (h *server) LocalAddr() jid.JID        { return jid.MustParse("capulet.lit") }
func (h *server) Mux() *xmpp.Mux            { return &h.mux }
func (h *server) IsServer() bool            { return true }
func (h *server) Features(jid.JID) []string { return nil }

func (h *server) Send(_ context.Context, st *stanza.Stanza) error {
	h.sent = append(h.sent, st)
	return nil
}

func (h *server) Do(context.Context, *stanza.Stanza) (*stanza.Stanza, error) {
	return nil, xmpp.ErrNotConnected
}

func (h *server) HasAccount(_ context.Context, account jid.JID) (bool, error) {
	return account == juliet || account == nurse, h.err
}
func (h *server) MaySee(context.Context, jid.JID, jid.JID) (bool, error) { return false, nil }
func (h *server) Resources(jid.JID) []jid.JID                            { return nil }
func (h *server) LastPresence(context.Context, jid.JID) (*stanza.Stanza, time.Time, error) {
	return nil, time.Time{}, nil
}

// ask has the server answer an iq.
func (h *server) ask(t *testing.T, iq string) *stanza.Stanza {
	t.Helper()
	st, err := stanza.Parse(iq)
	if err != nil {
		t.Fatal(err)
	}
	h.sent = nil
	// What a handler cannot help is logged, and answered.
	_ = h.mux.HandleXMPP(t.Context(), h, st)
	if len(h.sent) != 1 {
		t.Fatalf("%d replies", len(h.sent))
	}
	return h.sent[0]
}

func attach(t *testing.T, v *vcard.Server) *server {
	t.Helper()
	h := new(server)
	if err := v.Attach(h); err != nil {
		t.Fatal(err)
	}
	return h
}

var errBroken = errors.New("broken")

func TestServer(t *testing.T) {
	// As the owner wrote it: the order, the quotes and what nobody knows.
	const own = "<vCard xmlns=\"vcard-temp\" version='3.0'><X-B/><FN>Juliet</FN>\n </vCard>"
	set := func(from, to, card string) string {
		return "<iq type='set' id='v2' from='" + from + "'" + to + ">" + card + "</iq>"
	}
	get := func(from, to string) string {
		return "<iq type='get' id='v1' from='" + from + "'" + to + "><vCard xmlns='vcard-temp'/></iq>"
	}
	const (
		balcony = "juliet@capulet.lit/balcony"
		romeo   = "romeo@montague.lit/orchard"
		toOwn   = " to='juliet@capulet.lit'"
		toNurse = " to='nurse@capulet.lit'"
	)
	big := "<vCard xmlns='vcard-temp'><NOTE>" + strings.Repeat("x", vcard.DefaultMaxSize) + "</NOTE></vCard>"
	many := "<vCard xmlns='vcard-temp'>" + strings.Repeat("<TEL><HOME/></TEL>", vcard.DefaultMaxElements/2) + "</vCard>"
	tests := []struct {
		name   string
		change func(*vcard.Server)
		iq     string
		want   error
		reply  string // the payload of a result
		kept   string // juliet's card afterwards; "=" as it was
	}{
		{"IM-C-1 IM-C.1-1 one's own card, by one's own address", nil, get(balcony, toOwn), nil, own, "="},
		{"IM-C-1 IM-C.1-1 one's own card, without an address", nil, get(balcony, ""), nil, own, "="},
		{"XEP-0054 example 4: one has none", nil, get("nurse@capulet.lit/x", ""), nil, "<vCard xmlns='vcard-temp'/>", "="},
		{"IM-C.2-1 IM-C-1 the whole card is replaced", nil, set(balcony, "",
			"<vCard xmlns='vcard-temp'><FN>J</FN></vCard>"), nil, "",
			"<vCard xmlns='vcard-temp'><FN>J</FN></vCard>"},
		{"IM-C.2-1 by one's own address, the namespace declared outside", nil,
			"<iq type='set' id='1' from='" + balcony +
				"' to='juliet@capulet.lit' xmlns:v='vcard-temp'><v:vCard><v:FN>J</v:FN></v:vCard></iq>", nil, "",
			"<v:vCard xmlns='jabber:client' xmlns:v='vcard-temp'><v:FN>J</v:FN></v:vCard>"},
		{"an empty card takes it away", nil, set(balcony, "", "<vCard xmlns='vcard-temp'> </vCard>"), nil, "", ""},
		{"IM-C.2-2 another user's card", nil, set("nurse@capulet.lit/x", toOwn, "<vCard xmlns='vcard-temp'/>"),
			stanza.Forbidden, "", "="},
		{"IM-C.2-2 another user's card, from another server", nil, set(romeo, toOwn, "<vCard xmlns='vcard-temp'/>"),
			stanza.Forbidden, "", "="},
		{"IM-C.2-2 the server's card", nil, set(balcony, " to='capulet.lit'", "<vCard xmlns='vcard-temp'/>"),
			stanza.Forbidden, "", "="},
		{"IM-C.2-2 the server for itself", nil, set("capulet.lit", "", "<vCard xmlns='vcard-temp'/>"), stanza.Forbidden,
			"", "="},
		{"an account that is gone", nil, set("ophelia@capulet.lit/x", "", "<vCard xmlns='vcard-temp'><FN>o</FN></vCard>"),
			stanza.Forbidden, "", "="},
		{"IM-C.3-1 IM-C-2 everybody may read, and the server answers", nil, get("nurse@capulet.lit/x", toOwn), nil, own, "="},
		{"IM-C.3-1 IM-C-2 from other servers as well", nil, get(romeo, toOwn), nil, own, "="},
		{"XEP-0054 example 10: there is none", nil, get(romeo, toNurse), stanza.ServiceUnavailable, "", "="},
		{"XEP-0054 3.3: there is no such account", nil, get(romeo, " to='nobody@capulet.lit'"), stanza.ServiceUnavailable,
			"", "="},
		{"a client's address", nil, get(romeo, " to='juliet@capulet.lit/balcony'"), stanza.ServiceUnavailable, "", "="},
		{"IM-C-2 the hook says no", func(v *vcard.Server) {
			v.Visible = func(_ context.Context, from, account jid.JID) bool { return from.Domain() == account.Domain() }
		}, get(romeo, toOwn), stanza.ServiceUnavailable, "", "="},
		{"IM-C-2 the hook says yes", func(v *vcard.Server) {
			v.Visible = func(_ context.Context, from, account jid.JID) bool { return from.Domain() == account.Domain() }
		}, get("nurse@capulet.lit/x", toOwn), nil, own, "="},
		{"IM-C.1-1 the owner is not asked about", func(v *vcard.Server) {
			v.Visible = func(context.Context, jid.JID, jid.JID) bool { return false }
		}, get(balcony, ""), nil, own, "="},
		{"the server has none", nil, get(romeo, " to='capulet.lit'"), stanza.ServiceUnavailable, "", "="},
		{"the server has none for this domain", func(v *vcard.Server) { v.Host = func(jid.JID) *vcard.Card { return nil } },
			get(romeo, " to='capulet.lit'"), stanza.ServiceUnavailable, "", "="},
		{"the server has one", func(v *vcard.Server) {
			v.Host = func(j jid.JID) *vcard.Card { return &vcard.Card{FormattedName: j.String()} }
		}, get(romeo, " to='capulet.lit'"), nil, "<vCard xmlns='vcard-temp'><FN>capulet.lit</FN></vCard>", "="},
		{"over the limit of bytes", nil, set(balcony, "", big), stanza.NotAcceptable, "", "="},
		{"over the limit of elements", nil, set(balcony, "", strings.Replace(many, "<TEL>", "<TEL><WORK/>", 1)),
			stanza.NotAcceptable, "", "="},
		{"as many as may be", nil, set(balcony, "", many), nil, "", many},
		{"no limit", func(v *vcard.Server) { v.MaxSize, v.MaxElements = -1, -1 }, set(balcony, "", big), nil, "", big},
		{"a small limit", func(v *vcard.Server) { v.MaxSize = 10 }, set(balcony, "", own), stanza.NotAcceptable, "", "="},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			st := &store{cards: map[jid.JID]stanza.Raw{juliet: stanza.Raw(own)}}
			v := &vcard.Server{Store: st}
			if tt.change != nil {
				tt.change(v)
			}
			h := attach(t, v)
			reply := h.ask(t, tt.iq)
			err := reply.Err()
			if !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if err == nil {
				if got := string(reply.Payload().Raw()); got != tt.reply {
					t.Errorf("got %s, want %s", got, tt.reply)
				}
			}
			if tt.kept == "=" {
				tt.kept = own
			}
			if got := string(st.cards[juliet]); got != tt.kept {
				t.Errorf("kept %.200s, want %.200s", got, tt.kept)
			}
		})
	}
	t.Run("failures", func(t *testing.T) {
		st := &store{cards: map[jid.JID]stanza.Raw{}, err: errBroken}
		v := &vcard.Server{Store: st}
		h := attach(t, v)
		for _, iq := range []string{get(balcony, ""), set(balcony, "", own)} {
			if err := h.ask(t, iq).Err(); !errors.Is(err, stanza.InternalServerError) {
				t.Errorf("%s: %v", iq, err)
			}
		}
		st.err, h.err = nil, errBroken
		if err := h.ask(t, set(balcony, "", own)).Err(); !errors.Is(err, stanza.InternalServerError) {
			t.Errorf("accounts: %v", err)
		}
		e, _ := stanza.Raw("<card xmlns='vcard-temp'/>").Element()
		if err := v.Save(t.Context(), juliet, jid.JID{}, e); !errors.Is(err, stanza.NotAcceptable) {
			t.Errorf("not a card: %v", err)
		}
	})
	t.Run("an account is removed", func(t *testing.T) {
		st := &store{cards: map[jid.JID]stanza.Raw{juliet: stanza.Raw(own)}}
		v := &vcard.Server{Store: st}
		var r xmpp.AccountRemover = v
		if err := r.RemoveAccount(t.Context(), juliet); err != nil || len(st.cards) != 0 {
			t.Errorf("%v, %v", err, st.cards)
		}
		var d xmpp.Describer = v
		if got := d.Features(juliet); !reflect.DeepEqual(got, []string{vcard.NS}) {
			t.Errorf("features %q", got)
		}
	})
	t.Run("it is for servers, with a store", func(t *testing.T) {
		if err := (&vcard.Server{Store: new(store)}).Attach(new(client)); err == nil {
			t.Error("attached to a client")
		}
		if err := new(vcard.Server).Attach(new(server)); err == nil {
			t.Error("attached without a store")
		}
	})
}
