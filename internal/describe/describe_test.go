package describe

import (
	"slices"
	"testing"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
)

type silent struct{}

func (silent) Attach(xmpp.Host) error { return nil }

type speaking struct{ silent }

func (speaking) Features(at jid.JID) []string { return []string{"urn:x", at.String()} }

func TestFeatures(t *testing.T) {
	own := []string{"urn:y", "urn:x"}
	got := Features(own, []xmpp.Extension{silent{}, speaking{}, speaking{}}, jid.MustParse("a@b"))
	if want := []string{"a@b", "urn:x", "urn:y"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if own[0] != "urn:y" {
		t.Error("the argument was changed")
	}
}
