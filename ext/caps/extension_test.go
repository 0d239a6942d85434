package caps

import (
	"slices"
	"strings"
	"testing"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/disco"
	"github.com/etherx-go/xmpp/ext/form"
	"github.com/etherx-go/xmpp/ext/internal/hosttest"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// features is an extension with features that can change.
type features struct{ all []string }

func (*features) Attach(xmpp.Host) error      { return nil }
func (f *features) Features(jid.JID) []string { return f.all }

func nodesOf(t *testing.T, payloads []any) (nodes []string) {
	t.Helper()
	for _, p := range payloads {
		switch p := p.(type) {
		case Caps:
			nodes = append(nodes, p.DiscoNode())
		case Set:
			for _, h := range p.Hashes {
				nodes = append(nodes, h.DiscoNode())
			}
		}
	}
	return nodes
}

// TestExtension: what a client tells in its presence is what its answers have
// as their hash (XEP-0115, section 6, and XEP-0390, section 6.1).
func TestExtension(t *testing.T) {
	f := &features{[]string{"http://jabber.org/protocol/muc"}}
	d := &disco.Extension{Identities: []disco.Identity{{Category: "client", Type: "pc", Name: "Exodus 0.9.1"}}}
	e := &Extension{Node: "http://code.google.com/p/exodus", Disco: d}
	c := hosttest.New(t, "romeo@montague.lit/orchard", f, e, d)
	ask := func(node string) string {
		return c.Ask("<iq type='get' id='1' from='a@b/c'><query xmlns='http://jabber.org/protocol/disco#info' node='" + node + "'/></iq>")
	}
	var told [][]string
	for i := range 5 {
		payloads := e.Payloads()
		if again := e.Payloads(); !slices.Equal(nodesOf(t, payloads), nodesOf(t, again)) {
			t.Error("the same, but other hashes")
		}
		nodes := nodesOf(t, payloads)
		if len(nodes) != 3 || !strings.HasPrefix(nodes[0], "http://code.google.com/p/exodus#") ||
			!strings.HasPrefix(nodes[1], "urn:xmpp:caps#sha-256.") || !strings.HasPrefix(nodes[2], "urn:xmpp:caps#sha3-256.") {
			t.Fatalf("nodes %q", nodes)
		}
		// Somebody who gets the presence asks, and finds that it fits.
		var cache Cache
		c.Reply = func(iq *stanza.Stanza) (string, error) {
			st, err := stanza.Parse(ask(iq.Payload().Attr("node")))
			return string(st.Payload().Raw()), err
		}
		for _, p := range []*stanza.Stanza{presence(t, "romeo@montague.lit/orchard", payloads...), presence(t, "romeo@montague.lit/orchard", payloads[0])} {
			got, err := cache.Lookup(t.Context(), c, p)
			if err != nil || !got.Has(NS) || !got.Has(NS2) || got.Node != "" || !got.Is("client", "pc") || got.Has("new 3") != (i == 4) {
				t.Errorf("got %+v, %v", got, err)
			}
			if _, ok := cache.Cached(p); !ok {
				t.Error("the answer does not fit")
			}
		}
		told = append(told, nodes)
		f.all = append(f.all, "new "+string(rune('0'+i)))
	}
	// The last three are remembered, as they were.
	for i, nodes := range told {
		for _, node := range nodes {
			got := ask(node)
			if i < 2 != strings.Contains(got, "item-not-found") || i >= 2 && strings.Contains(got, "var='new "+string(rune('0'+i))+"'") ||
				i >= 2 && !strings.Contains(got, "var='new "+string(rune('0'+i-1))+"'") {
				t.Errorf("%d: %s", i, got)
			}
		}
	}
	if got := c.Ask("<iq type='get' id='1' from='a@b/c'><query xmlns='http://jabber.org/protocol/disco#items'/></iq>"); strings.Contains(got, "<item") {
		t.Errorf("the node of caps is no item: %s", got)
	}
}

// TestExtensionAlone: an extension without settings brings service discovery
// with it.
func TestExtensionAlone(t *testing.T) {
	e := new(Extension)
	c := hosttest.New(t, "romeo@montague.lit/orchard", e)
	if got := c.Features(jid.JID{}); !slices.Equal(got, []string{NS, disco.NSInfo, disco.NSItems, NS2}) {
		t.Errorf("features %q", got)
	}
	payloads := e.Payloads()
	p, err := (&stanza.Presence{Payloads: payloads}).Stanza()
	if err != nil || !strings.HasPrefix(p.String(), "<presence><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='"+DefaultNode+"' ver='") {
		t.Errorf("got %s, %v", p, err)
	}
	if got := c.Ask("<iq type='get' id='1' from='a@b/c'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>"); !strings.Contains(got, "<identity category='client' type='bot'/><feature var='"+NS+"'/>") {
		t.Errorf("got %s", got)
	}
}

// TestExtensionIllFormed: where one of the hashes is not possible, the other is
// told.
func TestExtensionIllFormed(t *testing.T) {
	table := form.Data{Type: form.Result, Reported: []form.Field{{Var: "x"}}}
	for _, tt := range []struct {
		forms []form.Data
		want  []string
	}{
		{[]form.Data{table}, []string{"n#"}},
		{[]form.Data{form.New(form.Result, "urn:a"), form.New(form.Result, "urn:a")}, []string{"urn:xmpp:caps#sha-256.", "urn:xmpp:caps#sha3-256."}},
		{[]form.Data{form.New(form.Result, "urn:a"), form.New(form.Result, "urn:a"), table}, nil},
	} {
		e := &Extension{Node: "n", Disco: &disco.Extension{Forms: tt.forms}}
		hosttest.New(t, "romeo@montague.lit/orchard", e, e.Disco)
		nodes := nodesOf(t, e.Payloads())
		if !slices.EqualFunc(nodes, tt.want, strings.HasPrefix) {
			t.Errorf("got %q, want %q", nodes, tt.want)
		}
	}
}

// TestServer: a server has hashes of its domains, for the stream features, and
// none of accounts.
func TestServer(t *testing.T) {
	e := &Extension{Disco: new(disco.Extension)}
	s := hosttest.NewServer(t, "capulet.lit", e, e.Disco)
	s.Accounts = []string{"juliet@capulet.lit"}
	payloads := e.Payloads()
	nodes := nodesOf(t, payloads)
	if len(nodes) != 3 || e.At(jid.MustParse("juliet@capulet.lit")) != nil {
		t.Fatalf("got %q", nodes)
	}
	ask := func(to, node string) string {
		return s.Ask("<iq type='get' id='1' from='juliet@capulet.lit/x' to='" + to + "'><query xmlns='http://jabber.org/protocol/disco#info' node='" + node + "'/></iq>")
	}
	if got := ask("capulet.lit", nodes[1]); !strings.Contains(got, "<identity category='server' type='im'/>") {
		t.Errorf("got %s", got)
	}
	for _, to := range []string{"other.lit", "juliet@capulet.lit"} {
		if got := ask(to, nodes[1]); !strings.Contains(got, "item-not-found") {
			t.Errorf("%s: got %s", to, got)
		}
	}
}

// TestFeatures: the features are known before the extension is attached.
func TestFeatures(t *testing.T) {
	d := new(disco.Extension)
	e := &Extension{Disco: d}
	if got := e.Features(jid.JID{}); !slices.Equal(got, []string{NS, NS2}) {
		t.Errorf("features %q", got)
	}
}
