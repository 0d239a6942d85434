package storetest

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/etherx-go/xmpp/ext/private"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/vcard"
)

// element returns an element with the value as its text.
func element(name xml.Name, value string) stanza.Raw {
	b := stanza.AppendAttr([]byte("<"+name.Local), "xmlns", name.Space)
	b = stanza.AppendText(append(b, '>'), value)
	return stanza.Raw(append(b, "</"+name.Local+">"...))
}

// valueOf returns the text of an element.
func valueOf(el stanza.Raw, err error) (string, error) {
	if el == "" || err != nil {
		return "", err
	}
	e, err := el.Element()
	if err != nil {
		return "", err
	}
	return e.Text(), nil
}

// vcardField puts the value into the element itself.
func vcardField(s vcard.Store) field {
	name := xml.Name{Space: "vcard-temp", Local: "vCard"}
	return field{
		put: func(ctx context.Context, account jid.JID, value string) error {
			return s.SetVCard(ctx, account, element(name, value))
		},
		get: func(ctx context.Context, account jid.JID) (string, error) {
			return valueOf(s.VCard(ctx, account))
		},
		remove: s.RemoveAccount,
	}
}

// RunVCards tests a [vcard.Store].
func RunVCards(t *testing.T, open func(t *testing.T) vcard.Store) {
	t.Run("field", func(t *testing.T) {
		runField(t, func(t *testing.T) field { return vcardField(open(t)) })
	})
	wants := func(t *testing.T, s vcard.Store, want stanza.Raw) {
		t.Helper()
		if got, err := s.VCard(t.Context(), juliet); got != want || err != nil {
			t.Fatalf("got %.200q, %v, want %.200q", got, err, want)
		}
	}
	t.Run("byte by byte", func(t *testing.T) {
		s := open(t)
		card := stanza.Raw("<vCard  xmlns='vcard-temp' ><FN>Juliet&#x20;Capulet</FN>\n<x:Y xmlns:x=\"urn:example:x\"/>" +
			"<![CDATA[<]]><PHOTO><BINVAL>" + strings.Repeat("iVBORw0K\r\n", 20_000) + "</BINVAL></PHOTO></vCard>")
		if err := s.SetVCard(t.Context(), juliet, card); err != nil {
			t.Fatal(err)
		}
		wants(t, s, card)
	})
	t.Run("nothing removes it", func(t *testing.T) {
		s := open(t)
		for range 2 { // also if there is none
			if err := s.SetVCard(t.Context(), juliet, ""); err != nil {
				t.Fatal(err)
			}
			wants(t, s, "")
			if err := s.SetVCard(t.Context(), juliet, "<vCard xmlns='vcard-temp'/>"); err != nil {
				t.Fatal(err)
			}
		}
	})
}

var bookmarks = xml.Name{Space: "storage:bookmarks", Local: "storage"}

func privateField(s private.Store) field {
	return field{
		put: func(ctx context.Context, account jid.JID, value string) error {
			return s.SetPrivate(ctx, account, bookmarks, element(bookmarks, value), -1)
		},
		get: func(ctx context.Context, account jid.JID) (string, error) {
			return valueOf(s.Private(ctx, account, bookmarks))
		},
		remove: s.RemoveAccount,
	}
}

// RunPrivate tests a [private.Store].
func RunPrivate(t *testing.T, open func(t *testing.T) private.Store) {
	t.Run("field", func(t *testing.T) {
		runField(t, func(t *testing.T) field { return privateField(open(t)) })
	})
	t.Run("elements do not mix", func(t *testing.T) { privateNames(t, open(t)) })
	t.Run("bounds", func(t *testing.T) { privateFull(t, open(t)) })
	t.Run("bound for many at once", func(t *testing.T) { privateFullAtOnce(t, open(t)) })
}

func privateNames(t *testing.T, s private.Store) {
	names := []xml.Name{
		{Space: "a", Local: "b"}, {Space: "a", Local: "B"}, {Space: "A", Local: "b"}, {Space: "ab", Local: "c"},
		{Space: "a", Local: "bc"}, {Space: "a b", Local: "c"}, {Space: "urn:ü", Local: "ü"},
		{Space: "'\"<&>%_", Local: "b"},
		{Space: strings.Repeat("s", 10_000), Local: strings.Repeat("l", 10_000)},
	}
	for i, name := range names {
		if el, err := s.Private(t.Context(), juliet, name); el != "" || err != nil {
			t.Fatalf("at first: %q, %v", el, err)
		}
		if err := s.SetPrivate(t.Context(), juliet, name, element(name, fmt.Sprint(i)), -1); err != nil {
			t.Fatal(err)
		}
	}
	for i, name := range names {
		if el, err := s.Private(t.Context(), juliet, name); el != element(name, fmt.Sprint(i)) || err != nil {
			t.Errorf("%.80v: got %.200q, %v", name, el, err)
		}
		if el, err := s.Private(t.Context(), nurse, name); el != "" || err != nil {
			t.Errorf("%.80v of another account: got %.200q, %v", name, el, err)
		}
	}
	if err := s.RemoveAccount(t.Context(), juliet); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if el, err := s.Private(t.Context(), juliet, name); el != "" || err != nil {
			t.Errorf("%.80v is still there: %.200q, %v", name, el, err)
		}
	}
}

func privateFull(t *testing.T, s private.Store) {
	set := func(i, max int) error {
		name := xml.Name{Space: "urn:example", Local: fmt.Sprint("e", i)}
		return s.SetPrivate(t.Context(), juliet, name, element(name, fmt.Sprint(max)), max)
	}
	for _, tt := range []struct {
		i, max int
		full   bool
	}{
		{0, 0, true}, {0, 1, false}, {1, 1, true}, {0, 1, false}, {1, 2, false}, {2, 2, true},
		{1, 0, false}, {2, -1, false}, {3, 3, true}, {0, 3, false},
	} {
		if err := set(tt.i, tt.max); errors.Is(err, private.ErrFull) != tt.full || !tt.full && err != nil {
			t.Errorf("element %d with the bound %d: %v", tt.i, tt.max, err)
		}
	}
	for i, want := range []string{"3", "0", "-1", ""} {
		name := xml.Name{Space: "urn:example", Local: fmt.Sprint("e", i)}
		if got, err := valueOf(s.Private(t.Context(), juliet, name)); got != want || err != nil {
			t.Errorf("element %d: got %q, %v, want %q", i, got, err, want)
		}
	}
	if err := s.SetPrivate(t.Context(), romeo, bookmarks, element(bookmarks, "x"), 1); err != nil {
		t.Errorf("elements of others count: %v", err)
	}
}

func privateFullAtOnce(t *testing.T, s private.Store) {
	const callers, bound = 30, 10
	var taken atomic.Int64
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			name := xml.Name{Space: "urn:example", Local: fmt.Sprint("e", i)}
			switch err := s.SetPrivate(t.Context(), juliet, name, element(name, "x"), bound); {
			case err == nil:
				taken.Add(1)
			case !errors.Is(err, private.ErrFull):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	there := int64(0)
	for i := range callers {
		el, err := s.Private(t.Context(), juliet, xml.Name{Space: "urn:example", Local: fmt.Sprint("e", i)})
		if err != nil {
			t.Fatal(err)
		}
		if el != "" {
			there++
		}
	}
	if taken.Load() != bound || there != bound {
		t.Errorf("%d were taken, %d are there, want %d", taken.Load(), there, bound)
	}
}
