package payload

import (
	"encoding/xml"
	"errors"
	"testing"

	"github.com/etherx-go/xmpp/stanza"
)

type ping struct{}

func (ping) XMLName() xml.Name { return xml.Name{Space: "urn:xmpp:ping", Local: "ping"} }

func (*ping) ParseXML(e stanza.Element) error {
	if e.Attr("bad") != "" {
		return stanza.BadRequest
	}
	return nil
}

type broken struct{}

func (broken) Stanza() (*stanza.Stanza, error) { return nil, errors.New("broken") }

func TestOf(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want bool
	}{
		{"<message><ping xmlns='urn:xmpp:ping'/></message>", true},
		{"<message><ping xmlns='urn:xmpp:ping' bad='1'/></message>", false},
		{"<message type='error'><ping xmlns='urn:xmpp:ping'/></message>", false},
		{"<message><body>x</body></message>", false},
	} {
		st, err := stanza.Parse(tt.in)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, ok := Of[ping](st); ok != tt.want {
			t.Errorf("stanza %s: %v", tt.in, ok)
		}
		if _, _, ok := Of[ping](st.Message()); ok != tt.want {
			t.Errorf("message %s: %v", tt.in, ok)
		}
	}
	if _, _, ok := Of[ping](broken{}); ok {
		t.Error("found something in nothing")
	}
}

func TestEdit(t *testing.T) {
	st, err := stanza.Parse("<message to='a@b' id='1'><body>x</body><a xmlns='urn:a'/><b xmlns='urn:b'/></message>")
	if err != nil {
		t.Fatal(err)
	}
	isA := func(e stanza.Element) bool { return e.Is("urn:a", "a") }
	got, err := Edit(st, isA, stanza.Raw("<c xmlns='urn:c'/>"))
	want := "<message id='1' to='a@b'><body>x</body><b xmlns='urn:b'/><c xmlns='urn:c'/></message>"
	if err != nil || got.String() != want {
		t.Errorf("got %s, %v; want %s", got, err, want)
	}
	if same, err := Edit(got, isA); same != got || err != nil {
		t.Errorf("nothing to do: %v, %v", same, err)
	}
	if same, err := Edit(got, nil); same != got || err != nil {
		t.Errorf("nothing to do: %v, %v", same, err)
	}
	if _, err := Edit(st, nil, stanza.Raw("<no")); err == nil {
		t.Error("a payload that is not XML was taken")
	}
}
