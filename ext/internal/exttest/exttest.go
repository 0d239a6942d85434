// Package exttest helps to test extensions without a stream.
package exttest

import (
	"context"
	"reflect"
	"sync"
	"testing"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// Host is an xmpp.Host that keeps what is sent.
type Host struct {
	Local jid.JID
	// Answer answers requests; nil: an empty result.
	Answer func(iq *stanza.Stanza) (*stanza.Stanza, error)
	// Fail is returned by Send, if it is not nil.
	Fail error

	mux  xmpp.Mux
	mu   sync.Mutex
	sent []string
}

// LocalAddr returns h.Local.
func (h *Host) LocalAddr() jid.JID { return h.Local }

// Mux returns the Mux.
func (h *Host) Mux() *xmpp.Mux { return &h.mux }

// IsServer returns false.
func (h *Host) IsServer() bool { return false }

// Features returns nothing.
func (h *Host) Features(jid.JID) []string { return nil }

// Send keeps the stanza.
func (h *Host) Send(_ context.Context, st *stanza.Stanza) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.Fail != nil {
		return h.Fail
	}
	h.sent = append(h.sent, st.String())
	return nil
}

// Do keeps the request and answers it.
func (h *Host) Do(ctx context.Context, iq *stanza.Stanza) (*stanza.Stanza, error) {
	if err := h.Send(ctx, iq); err != nil {
		return nil, err
	}
	if h.Answer == nil {
		return iq.Reply()
	}
	return h.Answer(iq)
}

// Sent returns what was sent since it was called last.
func (h *Host) Sent() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.sent
	h.sent = nil
	return s
}

// Receive hands a stanza to the handlers, and returns what was sent by them.
func (h *Host) Receive(t testing.TB, src string) []string {
	t.Helper()
	if err := h.mux.HandleXMPP(t.Context(), h, Parse(t, src)); err != nil {
		t.Errorf("%s: %v", src, err)
	}
	return h.Sent()
}

// Attach attaches the extension to a new host with the address local.
func Attach(t testing.TB, e xmpp.Extension, local string) *Host {
	t.Helper()
	h := &Host{Local: jid.MustParse(local)}
	if err := e.Attach(h); err != nil {
		t.Fatal(err)
	}
	return h
}

// Parse reads a stanza.
func Parse(t testing.TB, src string) *stanza.Stanza {
	t.Helper()
	st, err := stanza.Parse(src)
	if err != nil {
		t.Fatalf("%s: %v", src, err)
	}
	return st
}

// Golden is a row of a table of payloads: bytes, value, error.
type Golden[T any] struct {
	Name string
	In   string // the element
	Want T
	Out  string // what Want is written as; "" if it is as In
	Err  bool   // In is refused
}

// Run reads and writes the payloads of the table.
func Run[T stanza.Payload](t *testing.T, table []Golden[T]) {
	t.Helper()
	for _, tt := range table {
		t.Run(tt.Name, func(t *testing.T) { tt.run(t) })
	}
}

func (g *Golden[T]) run(t *testing.T) {
	got, err := Decode[T](t, g.In)
	if g.Err {
		if err == nil {
			t.Fatalf("%s was taken as %+v", g.In, got)
		}
		return
	}
	if err != nil {
		t.Fatalf("%s: %v", g.In, err)
	}
	if !reflect.DeepEqual(got, g.Want) {
		t.Errorf("%s\ngot  %+v\nwant %+v", g.In, got, g.Want)
	}
	out := g.Out
	if out == "" {
		out = g.In
	}
	p, ok := any(g.Want).(stanza.Payload)
	if !ok {
		t.Fatalf("%T is not a Payload", g.Want)
	}
	if b, err := p.AppendXML(nil); err != nil || string(b) != out {
		t.Errorf("written as %s, %v\nwant %s", b, err, out)
	}
}

// Decode reads one element as a T, by way of a stanza.
func Decode[T any](t testing.TB, src string) (T, error) {
	t.Helper()
	v, ok, err := stanza.Decode[T](Parse(t, "<message>"+src+"</message>"))
	if !ok {
		t.Fatalf("%s is not a %T", src, v)
	}
	return v, err
}

// RoundTrip fails if an accepted element is not read again as it was written,
// or is written as something that is not XML. It is for fuzz targets.
func RoundTrip[T stanza.Payload](t *testing.T, src string) {
	el, err := stanza.Raw(src).Element()
	if err != nil {
		return
	}
	var v T
	if el.Name() != v.XMLName() || el.Decode(&v) != nil {
		return
	}
	b, err := v.AppendXML(nil)
	if err != nil {
		t.Fatalf("%s was read as %+v, which cannot be written: %v", src, v, err)
	}
	again, err := stanza.Raw(b).Element()
	if err != nil {
		t.Fatalf("%s was written as %s: %v", src, b, err)
	}
	var w T
	if err := again.Decode(&w); err != nil {
		t.Fatalf("%s was written as %s, which is refused: %v", src, b, err)
	}
	if !reflect.DeepEqual(v, w) {
		t.Fatalf("%s\nread   %+v\nagain  %+v\nfrom   %s", src, v, w, b)
	}
}
