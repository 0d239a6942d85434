package vcard_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/vcard"
)

// client is a Host that is a client of a server.
type client struct {
	mux   xmpp.Mux
	local jid.JID
	srv   *server
	asked []string
}

func (h *client) LocalAddr() jid.JID        { return h.local }
func (h *client) Mux() *xmpp.Mux            { return &h.mux }
func (h *client) IsServer() bool            { return false }
func (h *client) Features(jid.JID) []string { return nil }

func (h *client) Send(context.Context, *stanza.Stanza) error { return nil }

func (h *client) Do(ctx context.Context, iq *stanza.Stanza) (*stanza.Stanza, error) {
	h.asked = append(h.asked, iq.String())
	if h.srv == nil {
		return nil, xmpp.ErrNotConnected
	}
	hd := iq.Header
	hd.ID, hd.From = "1", h.local
	h.srv.sent = nil
	if err := h.srv.mux.HandleXMPP(ctx, h.srv, iq.With(hd)); err != nil {
		return nil, err
	}
	if err := h.srv.sent[0].Err(); err != nil {
		return nil, err
	}
	return h.srv.sent[0], nil
}

// newClient returns juliet's client, and her server with its store.
func newClient(t *testing.T) (*client, *store) {
	st := &store{cards: map[jid.JID]stanza.Raw{}}
	h := attach(t, &vcard.Server{Store: st})
	return &client{local: jid.MustParse("juliet@capulet.lit/balcony"), srv: h}, st
}

func TestClient(t *testing.T) {
	t.Run("IM-C-1 IM-C.1-1 IM-C.2-1 get, change and set", func(t *testing.T) {
		c, st := newClient(t)
		card, err := vcard.Get(t.Context(), c, jid.JID{})
		if !errors.Is(err, vcard.ErrNoCard) || card == nil || !card.IsZero() {
			t.Fatalf("no card yet: %+v, %v", card, err)
		}
		st.cards[juliet] = "<vCard xmlns='vcard-temp'><FN>J</FN><X-A/></vCard>"
		card, err = vcard.Get(t.Context(), c, jid.JID{})
		if err != nil {
			t.Fatal(err)
		}
		card.Nickname = "Jule"
		if err := vcard.Set(t.Context(), c, card); err != nil {
			t.Fatal(err)
		}
		if want := "<vCard xmlns='vcard-temp'><FN>J</FN><NICKNAME>Jule</NICKNAME><X-A xmlns='vcard-temp'/>" +
			"</vCard>"; string(st.cards[juliet]) != want {
			t.Errorf("set %s", st.cards[juliet])
		}
		if want := "<iq type='get'><vCard xmlns='vcard-temp'/></iq>"; c.asked[0] != want {
			t.Errorf("asked %s", c.asked[0])
		}
		if err := vcard.Set(t.Context(), c, nil); err != nil || len(st.cards) != 0 {
			t.Errorf("taken away: %v, %v", err, st.cards)
		}
	})
	t.Run("IM-C.3-1 another's, and nobody's", func(t *testing.T) {
		c, st := newClient(t)
		st.cards[nurse] = "<vCard xmlns='vcard-temp'><FN>Nurse</FN></vCard>"
		if card, err := vcard.Get(t.Context(), c, nurse); err != nil || card.FormattedName != "Nurse" {
			t.Errorf("%+v, %v", card, err)
		}
		_, err := vcard.Get(t.Context(), c, jid.MustParse("nobody@capulet.lit"))
		if !errors.Is(err, vcard.ErrNoCard) || !errors.Is(err, stanza.ServiceUnavailable) {
			t.Errorf("%v", err)
		}
		c.srv = nil
		if _, err := vcard.Get(t.Context(), c, nurse); !errors.Is(err, xmpp.ErrNotConnected) || errors.Is(err,
			vcard.ErrNoCard) {
			t.Errorf("%v", err)
		}
	})
}

// TestUpdate: the payload of XEP-0153.
func TestUpdate(t *testing.T) {
	const hash = "01b87fcd030b72895ff8e88db57ec525450f000d"
	for _, tt := range []struct {
		name, in string
		want     vcard.Update
		out      string
	}{
		{"example 3", "<photo>" + hash + "</photo>", vcard.Update{Ready: true, Hash: hash}, ""},
		{"upper case", "<photo>\n01B87FCD030B72895FF8E88DB57EC525450F000D </photo>", vcard.Update{Ready: true,
			Hash: hash}, "<photo>" + hash + "</photo>"},
		{"example 6: not ready", "", vcard.Update{}, ""},
		{"example 7: no image", "<photo/>", vcard.Update{Ready: true}, ""},
		{"not a hash", "<photo>../../passwd</photo>", vcard.Update{}, "-"},
		{"too short", "<photo>01b8</photo>", vcard.Update{}, "-"},
		{"another namespace", "<photo xmlns='urn:x'/>", vcard.Update{}, "-"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			st, err := stanza.Parse("<presence from='juliet@capulet.com/balcony'><x xmlns='vcard-temp:x:update'>" + tt.in +
				"</x></presence>")
			if err != nil {
				t.Fatal(err)
			}
			u, ok, err := stanza.Decode[vcard.Update](st)
			if !ok || err != nil || u != tt.want {
				t.Errorf("got %+v, %v, %v", u, ok, err)
			}
			want := "<x xmlns='vcard-temp:x:update'>" + tt.in + "</x>"
			switch {
			case tt.out == "-" || tt.in == "":
				want = "<x xmlns='vcard-temp:x:update'/>"
			case tt.out != "":
				want = "<x xmlns='vcard-temp:x:update'>" + tt.out + "</x>"
			}
			if b, err := u.AppendXML(nil); err != nil || string(b) != want {
				t.Errorf("written %s, %v", b, err)
			}
		})
	}
	c := &vcard.Card{Photo: vcard.Media{Data: []byte("abc")}}
	if u := c.Update(); u != (vcard.Update{Ready: true, Hash: "a9993e364706816aba3e25717850c26c9cd0d89d"}) {
		t.Errorf("got %+v", u)
	}
	if u := new(vcard.Card).Update(); u != (vcard.Update{Ready: true}) {
		t.Errorf("got %+v", u)
	}
}

const (
	hashABC = "a9993e364706816aba3e25717850c26c9cd0d89d"
	hashXYZ = "66b27417d37e024c46526c2f6d358a754fc552f3"
)

// present hands a presence to the client.
func (h *client) present(t *testing.T, from, inner string) {
	t.Helper()
	st, err := stanza.Parse("<presence from='" + from + "'" + inner)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.mux.HandleXMPP(t.Context(), h, st); err != nil {
		t.Error(err)
	}
}

func x(photo string) string { return "><x xmlns='vcard-temp:x:update'>" + photo + "</x></presence>" }

func photo(hash string) string { return x("<photo>" + hash + "</photo>") }

// TestAvatars: the avatars of others.
func TestAvatars(t *testing.T) {
	c, _ := newClient(t)
	var got []string
	a := &vcard.Avatars{MaxContacts: 2, Changed: func(_ context.Context, _ xmpp.Sender, from jid.JID, hash string) {
		got = append(got, from.String()+" "+hash)
	}}
	if err := a.Attach(c); err != nil {
		t.Fatal(err)
	}
	occupant := "><x xmlns='http://jabber.org/protocol/muc#user'/><x xmlns='vcard-temp:x:update'><photo>" + hashABC +
		"</photo></x></presence>"
	for _, tt := range []struct{ from, inner, want string }{
		{"nurse@capulet.lit/a", x("<photo/>"), ""},
		{"nurse@capulet.lit/a", photo(hashABC), "nurse@capulet.lit " + hashABC},
		{"nurse@capulet.lit/b", photo(hashABC), ""}, // known
		{"nurse@capulet.lit/b", x(""), ""},          // not ready
		{"nurse@capulet.lit/b", "/>", ""},
		{"nurse@capulet.lit/b", " type='unavailable'" + photo(hashXYZ), ""},
		{"nurse@capulet.lit/a", photo(hashXYZ), "nurse@capulet.lit " + hashXYZ},
		{"nurse@capulet.lit/a", x("<photo/>"), "nurse@capulet.lit "},
		{"room@muc.lit/nick", occupant, "room@muc.lit/nick " + hashABC},
		{"room@muc.lit/nick", occupant, ""},
		{"room@muc.lit/other", occupant, "room@muc.lit/other " + hashABC},
	} {
		got = nil
		c.present(t, tt.from, tt.inner)
		if want := tt.want; len(got) > 1 || len(got) == 1 && got[0] != want || len(got) == 0 && want != "" {
			t.Errorf("%s%s: %q, want %q", tt.from, tt.inner, got, want)
		}
	}
	known := 0
	for _, j := range []string{"nurse@capulet.lit", "room@muc.lit/nick", "room@muc.lit/other"} {
		if _, ok := a.Hash(jid.MustParse(j)); ok {
			known++
		}
	}
	if hash, ok := a.Hash(jid.MustParse("room@muc.lit/other")); !ok || hash != hashABC || known != 2 {
		t.Errorf("%d are remembered, the last is %s", known, hash)
	}
	if err := a.Attach(new(server)); err == nil {
		t.Error("attached to a server")
	}
	// The zero Avatars only remembers.
	a = new(vcard.Avatars)
	if err := a.Attach(c); err != nil {
		t.Fatal(err)
	}
	c.present(t, "nurse@capulet.lit/a", photo(hashABC))
	if hash, _ := a.Hash(nurse); hash != hashABC {
		t.Errorf("hash %q", hash)
	}
}

// TestOwnAvatar: one's own, and what other resources do to it (XEP-0153, sections
// 4.2 to 4.4).
func TestOwnAvatar(t *testing.T) {
	c, st := newClient(t)
	var resent []vcard.Update
	a := new(vcard.Avatars)
	a.Resend = func(context.Context, xmpp.Sender) { resent = append(resent, a.Own()) }
	if err := a.Attach(c); err != nil {
		t.Fatal(err)
	}
	if a.Own() != (vcard.Update{}) {
		t.Error("ready before the card was downloaded")
	}
	none, abc, xyz := vcard.Update{Ready: true}, vcard.Update{Ready: true, Hash: hashABC}, vcard.Update{Ready: true,
		Hash: hashXYZ}
	if card, err := a.Load(t.Context(), c); err != nil || !card.IsZero() || a.Own() != none {
		t.Errorf("loaded %+v, %v; %+v", card, err, a.Own())
	}
	st.cards[juliet] = "<vCard xmlns='vcard-temp'><FN>J</FN></vCard>"
	if err := a.Publish(t.Context(), c, vcard.Media{Data: []byte("abc")}); err != nil || a.Own() != abc {
		t.Errorf("published: %v, %+v", err, a.Own())
	}
	want := "<vCard xmlns='vcard-temp'><FN>J</FN><PHOTO><TYPE>application/octet-stream</TYPE><BINVAL>YWJj</BINVAL>" +
		"</PHOTO></vCard>"
	if string(st.cards[juliet]) != want {
		t.Errorf("kept %s", st.cards[juliet])
	}
	// "MUST NOT attempt to upload a given avatar image more than once"
	n := len(c.asked)
	if err := a.Publish(t.Context(), c, vcard.Media{Data: []byte("abc")}); err != nil || len(c.asked) != n+1 {
		t.Errorf("asked %q, %v", c.asked[n:], err)
	}

	empty := vcard.Update{}
	for i, tt := range []struct {
		from, inner string
		card        string // photo in the store by then, in base64
		want        []vcard.Update
	}{
		{"juliet@capulet.lit/chamber", photo(hashABC), "YWJj", nil},
		{"juliet@capulet.lit/chamber", x(""), "YWJj", nil},
		{"juliet@capulet.lit/balcony", photo(hashXYZ), "YWJj", nil}, // oneself
		{"juliet@capulet.lit", photo(hashXYZ), "YWJj", nil},
		{"juliet@capulet.lit/chamber", photo(hashXYZ), "eHl6", []vcard.Update{empty, xyz}},
		{"juliet@capulet.lit/chamber", x("<photo/>"), "", []vcard.Update{empty, none}},
		{"juliet@capulet.lit/chamber", photo(hashABC), "YWJj", []vcard.Update{empty, abc}},
		{"juliet@capulet.lit/old", "/>", "YWJj", []vcard.Update{empty}}, // does not know the protocol
		{"juliet@capulet.lit/old", "/>", "YWJj", nil},
		{"juliet@capulet.lit/old", " type='unavailable'/>", "YWJj", []vcard.Update{abc}},
		{"juliet@capulet.lit/old", " type='unavailable'/>", "YWJj", nil},
		{"juliet@capulet.lit/old", " type='unsubscribed'/>", "YWJj", nil},
	} {
		st.cards[juliet] = stanza.Raw("<vCard xmlns='vcard-temp'><FN>J</FN><PHOTO><BINVAL>" + tt.card +
			"</BINVAL></PHOTO></vCard>")
		resent = nil
		c.present(t, tt.from, tt.inner)
		if !reflect.DeepEqual(resent, tt.want) {
			t.Errorf("%d: %+v, want %+v", i, resent, tt.want)
		}
	}
	c.srv = nil
	if _, err := a.Load(t.Context(), c); !errors.Is(err, xmpp.ErrNotConnected) {
		t.Errorf("Load: %v", err)
	}
	if err := a.Publish(t.Context(), c, vcard.Media{}); !errors.Is(err, xmpp.ErrNotConnected) {
		t.Errorf("Publish: %v", err)
	}
	other, err := stanza.Parse("<presence from='juliet@capulet.lit/chamber'" + photo(hashXYZ))
	if err != nil {
		t.Fatal(err)
	}
	a.Resend = nil
	if err := c.mux.HandleXMPP(t.Context(), c, other); !errors.Is(err, xmpp.ErrNotConnected) || a.Own() != empty {
		t.Errorf("the card cannot be had: %v, %+v", err, a.Own())
	}
}

// A bot fills in its card, without touching what else is in it.
func ExampleSet() {
	run := func(ctx context.Context, s xmpp.Sender) error {
		card, err := vcard.Get(ctx, s, jid.JID{})
		if err != nil && !errors.Is(err, vcard.ErrNoCard) {
			return err
		}
		card.FormattedName = "Weather bot"
		card.Emails = []vcard.Email{{Flags: vcard.Work | vcard.Internet, Address: "weather@example.org"}}
		return vcard.Set(ctx, s, card)
	}
	_ = run
}

// A client announces its avatar, and gets those of its contacts.
func ExampleAvatars() {
	avatars := &vcard.Avatars{Changed: func(ctx context.Context, s xmpp.Sender, from jid.JID, hash string) {
		if card, err := vcard.Get(ctx, s, from); err == nil && card.Photo.Hash() == hash {
			fmt.Println(from, "looks like", len(card.Photo.Data), "bytes of", card.Photo.ContentType())
		}
	}}
	online := func(ctx context.Context, s xmpp.Sender) error {
		if _, err := avatars.Load(ctx, s); err != nil {
			return err
		}
		return xmpp.Send(ctx, s, &stanza.Presence{Payloads: []any{avatars.Own()}})
	}
	_ = online
}

// A card is a payload like any other.
func ExampleCard() {
	card := &vcard.Card{
		FormattedName: "Juliet Capulet",
		Phones:        []vcard.Phone{{Flags: vcard.Home | vcard.Voice, Number: "+39 045 8034303"}},
	}
	b, _ := card.AppendXML(nil)
	fmt.Println(string(b))
	// Output:
	// <vCard xmlns='vcard-temp'><FN>Juliet Capulet</FN><TEL><HOME/><VOICE/><NUMBER>+39 045 8034303</NUMBER></TEL></vCard>
}
