package eme

import (
	"errors"
	"testing"

	"github.com/etherx-go/xmpp/stanza"
)

func TestEncryption(t *testing.T) {
	for in, want := range map[string]Encryption{
		"<encryption xmlns='urn:xmpp:eme:0' namespace='urn:xmpp:openpgp:0'/>":     {Namespace: "urn:xmpp:openpgp:0"},
		"<encryption xmlns='urn:xmpp:eme:0' namespace='urn:x' name='&lt;X&gt;'/>": {"urn:x", "<X>"},
		"<encryption xmlns='urn:xmpp:eme:0' name='X'/>":                           {},
	} {
		st, err := stanza.Parse("<message>" + in + "</message>")
		if err != nil {
			t.Fatal(err)
		}
		got, ok, err := stanza.Decode[Encryption](st)
		if want.Namespace == "" {
			if !errors.Is(err, stanza.BadRequest) {
				t.Errorf("%s: %v, %v", in, got, err)
			}
			if b, err := want.AppendXML(nil); !errors.Is(err, stanza.BadRequest) {
				t.Errorf("written as %s, %v", b, err)
			}
			continue
		}
		if err != nil || !ok || got != want {
			t.Errorf("%s: %+v, %v", in, got, err)
		}
		if b, err := want.AppendXML(nil); err != nil || string(b) != in {
			t.Errorf("written as %s, %v", b, err)
		}
	}
}
