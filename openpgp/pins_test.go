package openpgp_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/openpgp"
	"github.com/etherx-go/xmpp/openpgp/internal/opgptest"
)

// published is a place where keys are published.
type published struct {
	keys    []*openpgp.Key
	err     error
	fetched int
}

func (p *published) fetch(context.Context, xmpp.Sender, jid.JID) ([]*openpgp.Key, error) {
	p.fetched++
	return p.keys, p.err
}

func TestPins(t *testing.T) {
	first, second := opgptest.Key(t, "juliet").Public(), opgptest.Key(t, "romeo").Public()
	full := jid.MustParse("juliet@example.org/balcony")
	now := opgptest.At
	at := &published{keys: []*openpgp.Key{first}}
	pins := &openpgp.Pins{Fetch: at.fetch, Now: func() time.Time { return now }}
	expect := func(step string, fetched int, want ...*openpgp.Key) {
		t.Helper()
		got, err := pins.Keys(t.Context(), nil, full)
		if err != nil || !slices.Equal(got, want) || at.fetched != fetched {
			t.Errorf("%s: %v, %v, fetched %d times", step, got, err, at.fetched)
		}
	}
	expect("first contact", 1, first)
	expect("again", 1, first)
	now = now.Add(59 * time.Minute)
	expect("after 59 minutes", 1, first)
	now = now.Add(2 * time.Minute)
	expect("after an hour", 2, first)

	at.keys = []*openpgp.Key{first, second}
	pins.Refresh(full)
	expect("a further key is not believed", 3, first)
	pins.Trust(full, second.Fingerprint())
	expect("but it can be", 4, first, second)
	pins.Distrust(full, first.Fingerprint())
	expect("and the other not any more", 5, second)
	if got := maps.Collect(pins.All()); len(got) != 1 || !slices.Equal(got[full.Bare()], []string{second.Fingerprint()}) {
		t.Errorf("all: %v", got)
	}

	pins.Distrust(full, second.Fingerprint())
	_, err := pins.Keys(t.Context(), nil, full)
	untrusted, ok := errors.AsType[*openpgp.UntrustedError](err)
	if !ok || untrusted.Contact != full.Bare() || !slices.Equal(untrusted.Keys, at.keys) || untrusted.Error() == "" {
		t.Errorf("without trusted keys: %v", err)
	}
	if len(maps.Collect(pins.All())) != 0 {
		t.Error("there are still pins")
	}
	at.keys = nil
	if _, err := pins.Keys(t.Context(), nil, full); !errors.Is(err, openpgp.ErrNoKey) {
		t.Errorf("without keys: %v", err)
	}
	at.err = context.Canceled
	if _, err := pins.Keys(t.Context(), nil, full); !errors.Is(err, context.Canceled) {
		t.Errorf("without an answer: %v", err)
	}
	pins.Refresh(jid.MustParse("nobody@example.org"))
}

func TestPinsAccept(t *testing.T) {
	first, second := opgptest.Key(t, "juliet"), opgptest.Key(t, "romeo")
	at := &published{keys: []*openpgp.Key{first}}
	var asked []bool
	pins := &openpgp.Pins{Fetch: at.fetch, MaxAge: -1, Accept: func(_ jid.JID, k *openpgp.Key, isFirst bool) bool {
		asked = append(asked, isFirst)
		return k == second
	}}
	if _, err := pins.Keys(t.Context(), nil, opgptest.Juliet); err == nil {
		t.Error("a key that was not accepted")
	}
	at.keys = append(at.keys, second)
	for range 2 {
		if got, err := pins.Keys(t.Context(), nil, opgptest.Juliet); err != nil || !slices.Equal(got, at.keys[1:]) {
			t.Errorf("got %v, %v", got, err)
		}
	}
	if !slices.Equal(asked, []bool{true, true, true, false}) || at.fetched != 3 {
		t.Errorf("asked %v, fetched %d times", asked, at.fetched)
	}
}

func TestPinsBound(t *testing.T) {
	at := &published{keys: []*openpgp.Key{opgptest.Key(t, "juliet")}}
	pins := &openpgp.Pins{Fetch: at.fetch, MaxContacts: 2}
	for _, name := range []string{"a", "b", "a", "c", "a"} { // b is forgotten for c
		if _, err := pins.Keys(t.Context(), nil, jid.MustParse(name+"@example.org")); err != nil {
			t.Fatal(err)
		}
	}
	got := slices.Collect(maps.Keys(maps.Collect(pins.All())))
	slices.SortFunc(got, jid.JID.Compare)
	if want := []jid.JID{jid.MustParse("a@example.org"), jid.MustParse("c@example.org")}; !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	if at.fetched != 3 {
		t.Errorf("fetched %d times", at.fetched)
	}
}

func TestSecurity(t *testing.T) {
	if got := openpgp.SecurityOf(t.Context()); got.Encrypted || got.Signature != nil || !got.Author.IsZero() {
		t.Errorf("of nothing: %+v", got)
	}
	want := openpgp.Security{Encrypted: true, Author: opgptest.Juliet, Signature: new(openpgp.Signature)}
	if got := openpgp.SecurityOf(openpgp.WithSecurity(t.Context(), want)); got != want {
		t.Errorf("got %+v", got)
	}
	known := openpgp.Known(map[jid.JID][]*openpgp.Key{opgptest.Juliet: {opgptest.Key(t, "juliet")}})
	if k, err := known(t.Context(), nil, jid.MustParse("juliet@example.org/balcony")); err != nil || len(k) != 1 {
		t.Errorf("known: %v, %v", k, err)
	}
	if k, err := known(t.Context(), nil, opgptest.Romeo); err != nil || k != nil {
		t.Errorf("unknown: %v, %v", k, err)
	}
}
