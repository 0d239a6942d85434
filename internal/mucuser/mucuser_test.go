package mucuser

import (
	"testing"

	"github.com/etherx-go/xmpp/stanza"
)

func TestIsInvitation(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want bool
	}{
		{"<x xmlns='http://jabber.org/protocol/muc#user'><invite from='a@b'/></x>", true},
		{"<x xmlns='http://jabber.org/protocol/muc#user'><decline from='a@b'/></x>", true},
		{"<x xmlns='http://jabber.org/protocol/muc#user'><status code='104'/></x>", false},
		{"<x xmlns='http://jabber.org/protocol/muc#user'/>", false},
		{"<x xmlns='http://jabber.org/protocol/muc#user'><invite xmlns='urn:x'/></x>", false},
		{"<y xmlns='http://jabber.org/protocol/muc#user'><invite from='a@b'/></y>", false},
		{"<x xmlns='http://jabber.org/protocol/muc'><invite xmlns='http://jabber.org/protocol/muc#user'/></x>", false},
	} {
		e, err := stanza.Raw(tt.in).Element()
		if err != nil {
			t.Fatal(err)
		}
		if got := IsInvitation(e); got != tt.want {
			t.Errorf("%s: %v", tt.in, got)
		}
	}
}
