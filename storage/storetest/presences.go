package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/presence"
	"github.com/etherx-go/xmpp/stanza"
)

// moment is a time that every engine can keep: to the microsecond.
var moment = time.Date(2002, time.September, 10, 23, 41, 7, 123456000, time.FixedZone("", -6*3600))

// stanzas are some that have to come back as they are.
func stanzas(kind string) map[string]string {
	const who = " to='juliet@capulet.example' from='romeo@montague.example/orchard'"
	return map[string]string{
		"bare": "<" + kind + "/>",
		"namespace": "<" + kind + " xmlns='jabber:client'" + who +
			" id='&lt;1&gt;&apos;' type='unavailable' xml:lang='it'/>",
		"server": "<" + kind + " xmlns='jabber:server'" + who +
			"><status xml:lang='en'>a &amp; b</status></" + kind + ">",
		"attributes": "<" + kind + who + " x:y='1' xmlns:x='urn:example:x' plain='2'/>",
		"payloads": "<" + kind + who + "><body>x</body><x xmlns='urn:example:x'><y xmlns='' a='1'><z/></y>text</x>" +
			"<p:x xmlns:p='urn:example:p'><p:y p:a='&quot;'/></p:x></" + kind + ">",
		"forwarded": "<" + kind + who + "><forwarded xmlns='urn:xmpp:forward:0'>" +
			"<message xmlns='jabber:client'><body>inner</body></message></forwarded></" + kind + ">",
		"characters": "<" + kind + who + "><status>\U0001F339 &#xA;&#x9; ]]&gt;</status></" + kind + ">",
	}
}

func sameStanza(t *testing.T, got, want *stanza.Stanza) {
	t.Helper()
	if got == nil {
		t.Fatalf("nothing, want %v", want)
	}
	if got.Header != want.Header || got.String() != want.String() {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func mustParse(t *testing.T, text string) *stanza.Stanza {
	t.Helper()
	st, err := stanza.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// presenceField puts the value into the status.
func presenceField(s presence.Store) field {
	return field{
		put: func(ctx context.Context, account jid.JID, value string) error {
			st, err := (&stanza.Presence{Type: stanza.TypeUnavailable, Status: value}).Stanza()
			if err != nil {
				return err
			}
			return s.SetLastPresence(ctx, account, st, moment)
		},
		get: func(ctx context.Context, account jid.JID) (string, error) {
			st, _, err := s.LastPresence(ctx, account)
			if st == nil || err != nil {
				return "", err
			}
			return st.Presence().Status, nil
		},
		remove: s.RemoveAccount,
	}
}

// RunPresences tests a [presence.Store].
func RunPresences(t *testing.T, open func(t *testing.T) presence.Store) {
	t.Run("field", func(t *testing.T) {
		runField(t, func(t *testing.T) field { return presenceField(open(t)) })
	})
	t.Run("nil if there is none", func(t *testing.T) {
		if st, at, err := open(t).LastPresence(t.Context(), juliet); st != nil || !at.IsZero() || err != nil {
			t.Errorf("%v, %v, %v", st, at, err)
		}
	})
	t.Run("the stanza comes back whole", func(t *testing.T) {
		s := open(t)
		for name, text := range stanzas("presence") {
			t.Run(name, func(t *testing.T) {
				want := mustParse(t, text)
				if err := s.SetLastPresence(t.Context(), juliet, want, moment); err != nil {
					t.Fatal(err)
				}
				got, _, err := s.LastPresence(t.Context(), juliet)
				if err != nil {
					t.Fatal(err)
				}
				sameStanza(t, got, want)
			})
		}
	})
	t.Run("time", func(t *testing.T) {
		s := open(t)
		for _, at := range []time.Time{moment, time.Unix(0, 0), {}, time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)} {
			if err := s.SetLastPresence(t.Context(), juliet, mustParse(t, "<presence/>"), at); err != nil {
				t.Fatal(err)
			}
			if _, got, err := s.LastPresence(t.Context(), juliet); !got.Equal(at) || err != nil {
				t.Errorf("got %v, %v, want %v", got, err, at)
			}
		}
	})
}
