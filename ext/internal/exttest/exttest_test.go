package exttest

import (
	"context"
	"encoding/xml"
	"errors"
	"testing"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

type word string

func (word) XMLName() xml.Name { return xml.Name{Space: "urn:w", Local: "w"} }

func (w word) AppendXML(dst []byte) ([]byte, error) {
	return append(stanza.AppendText(append(dst, "<w xmlns='urn:w'>"...), w), "</w>"...), nil
}

func (w *word) ParseXML(e stanza.Element) error {
	if *w = word(e.Text()); *w == "bad" {
		return stanza.BadRequest
	}
	return nil
}

type extension struct{}

func (extension) Attach(h xmpp.Host) error {
	h.Mux().OnMessage(func(ctx context.Context, s xmpp.Sender, m *stanza.Message) error {
		return xmpp.Send(ctx, s, m.Reply("yes"))
	})
	return nil
}

func TestHost(t *testing.T) {
	h := Attach(t, extension{}, "a@example.org/1")
	if got := h.Receive(t, "<message from='b@example.org'><body>?</body></message>"); len(got) != 1 {
		t.Errorf("sent %q", got)
	}
	iq := Parse(t, "<iq type='get' id='1'><w xmlns='urn:w'/></iq>")
	if r, err := h.Do(t.Context(), iq); err != nil || r.Type != stanza.TypeResult {
		t.Errorf("Do: %v, %v", r, err)
	}
	h.Answer = func(iq *stanza.Stanza) (*stanza.Stanza, error) { return nil, stanza.NotAllowed }
	if _, err := h.Do(t.Context(), iq); err != stanza.NotAllowed {
		t.Errorf("Do: %v", err)
	}
	h.Fail = errors.New("fail")
	if _, err := h.Do(t.Context(), iq); err != h.Fail {
		t.Errorf("Do: %v", err)
	}
	if h.LocalAddr() != jid.MustParse("a@example.org/1") || h.IsServer() || h.Features(jid.JID{}) != nil {
		t.Error("not a plain client")
	}
}

func TestRun(t *testing.T) {
	Run(t, []Golden[word]{
		{Name: "as it is", In: "<w xmlns='urn:w'>x</w>", Want: "x"},
		{Name: "otherwise", In: "<w xmlns='urn:w'><![CDATA[<]]></w>", Want: "<", Out: "<w xmlns='urn:w'>&lt;</w>"},
		{Name: "refused", In: "<w xmlns='urn:w'>bad</w>", Err: true},
	})
	for _, src := range []string{"<w xmlns='urn:w'>x</w>", "<w xmlns='urn:w'>bad</w>", "<w", "<v xmlns='urn:w'/>"} {
		RoundTrip[word](t, src)
	}
}
