package private

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/etherx-go/xmpp/ext/internal/hosttest"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// store is a Store in memory that can fail.
type store struct {
	mu       sync.Mutex
	elements map[jid.JID]map[xml.Name]stanza.Raw
	err      error    // of everything
	failAt   xml.Name // what cannot be set
}

func (s *store) Private(_ context.Context, account jid.JID, name xml.Name) (stanza.Raw, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.elements[account][name], s.err
}

func (s *store) SetPrivate(_ context.Context, account jid.JID, name xml.Name, el stanza.Raw, max int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.elements[account]
	_, old := all[name]
	switch {
	case s.err != nil:
		return s.err
	case name == s.failAt:
		return errors.New("disk full")
	case el == "":
		delete(all, name)
		return nil
	case !old && max >= 0 && len(all) >= max:
		return ErrFull
	case all == nil:
		all = make(map[xml.Name]stanza.Raw)
		if s.elements == nil {
			s.elements = make(map[jid.JID]map[xml.Name]stanza.Raw)
		}
		s.elements[account] = all
	}
	all[name] = el
	return nil
}

func (s *store) RemoveAccount(_ context.Context, account jid.JID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.elements, account)
	return s.err
}

const q = "<query xmlns='jabber:iq:private'>"

// TestServer is a conversation: each step is a request of somebody and what the
// reply has in it.
func TestServer(t *testing.T) {
	const (
		hamlet = "hamlet@shakespeare.lit/denmark"
		prefs  = "<winjab xmlns='winjab:prefs'><defaultnick>Hamlet</defaultnick></winjab>"
		empty  = ">" + q + "<winjab xmlns='winjab:prefs'/></query></iq>"
	)
	s := hosttest.NewServer(t, "shakespeare.lit", &Server{Store: new(store), MaxElements: 4, MaxSize: 200})
	for _, tt := range []struct{ name, typ, from, to, query, want string }{
		{"GUIDE-9-private-5 nothing is stored", "get", hamlet, "", q + "<winjab xmlns='winjab:prefs'/></query>", empty},
		{"GUIDE-9-private-1 store", "set", hamlet, "", q + prefs + "</query>", "<iq type='result' id='1001' to='" + hamlet + "'/>"},
		{"GUIDE-9-private-5 it is returned", "get", hamlet, "", q + "<winjab xmlns='winjab:prefs'/></query>",
			"<iq type='result' id='1001' to='" + hamlet + "'>" + q + prefs + "</query></iq>"},
		{"to the own account", "get", hamlet, "hamlet@shakespeare.lit", q + "<winjab xmlns='winjab:prefs'/></query>", prefs},
		{"from another resource, and what is asked for has something in it", "get", "hamlet@shakespeare.lit/x", "", q + "<winjab xmlns='winjab:prefs'>?</winjab></query>", prefs},
		{"GUIDE-9-private-4 another name in the namespace", "set", hamlet, "", q + "<other xmlns='winjab:prefs' a='b'/></query>", "result"},
		{"GUIDE-9-private-4 the same name in another namespace", "set", hamlet, "", q + "<winjab xmlns='winjab:other'>2</winjab></query>", "result"},
		{"GUIDE-9-private-4 independent", "get", hamlet, "", q + "<winjab xmlns='winjab:prefs'/></query>", prefs},
		{"GUIDE-9-private-4 replaced, and a new one", "set", hamlet, "", q + "<winjab xmlns='winjab:other'>3</winjab><z xmlns='urn:z'>z</z></query>", "result"},
		{"GUIDE-9-private-4 is replaced", "get", hamlet, "", q + "<winjab xmlns='winjab:other'/></query>", ">3</winjab>"},
		{"GUIDE-9-private-4 is new", "get", hamlet, "", q + "<z xmlns='urn:z'/></query>", ">z</z>"},
		{"one element too many", "set", hamlet, "", q + "<y xmlns='urn:y'>y</y></query>", "<resource-constraint"},
		{"one element too many behind others", "set", hamlet, "", q + "<winjab xmlns='winjab:other'>4</winjab><z xmlns='urn:z'/><u xmlns='urn:u'>u</u><y xmlns='urn:y'>y</y></query>", "<resource-constraint"},
		{"nothing of them is stored", "get", hamlet, "", q + "<winjab xmlns='winjab:other'/></query>", ">3</winjab>"},
		{"nothing of them is removed", "get", hamlet, "", q + "<z xmlns='urn:z'/></query>", ">z</z>"},
		{"nothing of them is new", "get", hamlet, "", q + "<u xmlns='urn:u'/></query>", "<u xmlns='urn:u'/>"},
		{"more elements at once than there may be", "set", hamlet, "", q + strings.Repeat("<z xmlns='urn:z'>1</z>", 5) + "</query>", "<resource-constraint"},
		{"an empty element removes", "set", hamlet, "", q + "<other xmlns='winjab:prefs'></other></query>", "result"},
		{"so that there is room again", "set", hamlet, "", q + "<y xmlns='urn:y'>y</y></query>", "result"},
		{"too large", "set", hamlet, "", q + "<z xmlns='urn:z'>2</z><y xmlns='urn:y'>" + strings.Repeat("y", 200) + "</y></query>", "<policy-violation"},
		{"nothing before it is stored", "get", hamlet, "", q + "<z xmlns='urn:z'/></query>", ">z</z>"},
		{"a prefix from around it", "set", hamlet, "", "<p:query xmlns:p='jabber:iq:private' xmlns:z='urn:z'><z:z><z:a/><b/></z:z></p:query>", "result"},
		{"is kept with it", "get", hamlet, "", q + "<z xmlns='urn:z'/></query>", "<z:z xmlns='jabber:client' xmlns:z='urn:z'><z:a/><b/></z:z>"},
		{"GUIDE-9-private-3 several in a get", "get", hamlet, "", q + "<winjab xmlns='winjab:prefs'/><z xmlns='urn:z'/></query>", "<bad-request"},
		{"XEP0049-3-1 none in a get", "get", hamlet, "", q + "</query>", "<error code='406' type='modify'><bad-request"},
		{"GUIDE-9-private-2 none in a set", "set", hamlet, "", q + "text</query>", "<error code='406' type='modify'><not-acceptable"},
		{"GUIDE-9-private-2 a set without a namespace of its own", "set", hamlet, "", q + "<a>x</a></query>", "<error code='406' type='modify'><not-acceptable"},
		{"GUIDE-9-private-2 with none at all", "set", hamlet, "", q + "<a xmlns=''>x</a></query>", "<error code='406' type='modify'><not-acceptable"},
		{"GUIDE-9-private-2 a get without", "get", hamlet, "", q + "<a/></query>", "<error code='406' type='modify'><not-acceptable"},
		{"XEP0049-3-1 reserved namespaces may be used", "set", hamlet, "", q + "<vCard xmlns='vcard-temp'/></query>", "result"},
		{"GUIDE-9-private-6 XEP0049-3-1 get of another", "get", "macbeth@shakespeare.lit/x", "hamlet@shakespeare.lit", q + "<winjab xmlns='winjab:prefs'/></query>", "<error code='403' type='auth'><forbidden"},
		{"GUIDE-9-private-6 XEP0049-3-1 set of another", "set", "macbeth@shakespeare.lit/x", "hamlet@shakespeare.lit", q + prefs + "</query>", "<forbidden"},
		{"GUIDE-9-private-6 set of the server", "set", hamlet, "shakespeare.lit", q + prefs + "</query>", "<forbidden"},
		{"GUIDE-9-private-6 by the server", "get", "shakespeare.lit", "", q + "<winjab xmlns='winjab:prefs'/></query>", "<forbidden"},
		{"GUIDE-9-private-6 the other has nothing", "get", "macbeth@shakespeare.lit/x", "", q + "<winjab xmlns='winjab:prefs'/></query>", empty},
	} {
		to := ""
		if tt.to != "" {
			to = " to='" + tt.to + "'"
		}
		got := s.Ask("<iq type='" + tt.typ + "' id='1001' from='" + tt.from + "'" + to + ">" + tt.query + "</iq>")
		if !strings.Contains(got, tt.want) {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
	if got := s.Features(jid.MustParse("shakespeare.lit")); len(got) != 1 || got[0] != NS {
		t.Errorf("features %q", got)
	}
	if got := s.Features(jid.MustParse("hamlet@shakespeare.lit")); len(got) != 0 {
		t.Errorf("features of an account: %q", got)
	}
}

// TestReserved: XEP0049-3-1, namespaces that are refused if that is wanted.
func TestReserved(t *testing.T) {
	s := hosttest.NewServer(t, "shakespeare.lit", &Server{Store: new(store), RefuseReserved: true})
	for ns, refused := range map[string]bool{"jabber:iq:x": true, "http://jabber.org/x": true, "vcard-temp": true, "vcard-temp:x": false, "storage:bookmarks": false} {
		for _, typ := range []string{"get", "set"} {
			got := s.Ask("<iq type='" + typ + "' id='1005' from='hamlet@shakespeare.lit/x'>" + q + "<a xmlns='" + ns + "'>x</a></query></iq>")
			if strings.Contains(got, "<not-acceptable") != refused || !refused && !strings.Contains(got, "type='result'") {
				t.Errorf("XEP0049-3-1 %s %s: got %s", typ, ns, got)
			}
		}
	}
}

// TestStoreFails: the client is told, but not why; nothing is stored half.
func TestStoreFails(t *testing.T) {
	st := new(store)
	e := &Server{Store: st}
	s := hosttest.NewServer(t, "shakespeare.lit", e)
	hamlet := jid.MustParse("hamlet@shakespeare.lit")
	ask := func(typ, elements string) {
		t.Helper()
		got := s.Ask("<iq type='" + typ + "' id='1' from='hamlet@shakespeare.lit/x'>" + q + elements + "</query></iq>")
		if !strings.Contains(got, "<internal-server-error") || strings.Contains(got, "disk") {
			t.Errorf("got %s", got)
		}
	}
	a, b := xml.Name{Space: "urn:a", Local: "a"}, xml.Name{Space: "urn:b", Local: "b"}
	st.failAt = b
	ask("set", "<a xmlns='urn:a'>1</a><b xmlns='urn:b'>1</b>")
	if got, _ := st.Private(t.Context(), hamlet, a); got != "" {
		t.Errorf("stored half: %s", got)
	}
	st.failAt = xml.Name{}
	if err := st.SetPrivate(t.Context(), hamlet, a, "<a", -1); err != nil {
		t.Fatal(err)
	}
	ask("get", "<a xmlns='urn:a'/>") // damaged
	st.err = errors.New("disk on fire")
	ask("get", "<a xmlns='urn:a'/>")
	ask("set", "<a xmlns='urn:a'>1</a>")
	ask("set", "<a xmlns='urn:a'>1</a><b xmlns='urn:b'>1</b>")
	if err := e.RemoveAccount(t.Context(), hamlet); !errors.Is(err, st.err) {
		t.Errorf("RemoveAccount: %v", err)
	}
	st.err = nil
	if err := e.RemoveAccount(t.Context(), hamlet); err != nil || len(st.elements) != 0 {
		t.Errorf("RemoveAccount: %v, %v", st.elements, err)
	}
	// One store that fails while it undoes.
	broken := &breaks{Store: st}
	if err := (&Server{Store: broken}).store(t.Context(), hamlet, []entry{{a, "<a xmlns='urn:a'/>"}, {b, "<b xmlns='urn:b'/>"}}); err == nil ||
		strings.Count(err.Error(), "broken") != 2 {
		t.Errorf("got %v", err)
	}
}

// breaks is a Store that breaks when it is set for the second time.
type breaks struct {
	Store
	n int
}

func (b *breaks) SetPrivate(ctx context.Context, account jid.JID, name xml.Name, el stanza.Raw, max int) error {
	if b.n++; b.n > 1 {
		return fmt.Errorf("broken %d", b.n)
	}
	return b.Store.SetPrivate(ctx, account, name, el, max)
}

func TestAttach(t *testing.T) {
	if err := (&Server{Store: new(store)}).Attach(hosttest.New(t, "hamlet@shakespeare.lit/x")); err == nil {
		t.Error("attached to a client")
	}
	if err := new(Server).Attach(hosttest.NewServer(t, "shakespeare.lit")); err == nil {
		t.Error("attached without a store")
	}
	// The defaults.
	s := hosttest.NewServer(t, "shakespeare.lit", &Server{Store: new(store)})
	set := func(elements string) string {
		return s.Ask("<iq type='set' id='1' from='hamlet@shakespeare.lit/x'>" + q + elements + "</query></iq>")
	}
	if got := set("<a xmlns='urn:a'>" + strings.Repeat("a", DefaultMaxSize) + "</a>"); !strings.Contains(got, "<policy-violation") {
		t.Errorf("the default of MaxSize: %s", got)
	}
	for i := range DefaultMaxElements + 1 {
		got := set(fmt.Sprintf("<a%d xmlns='urn:a'>1</a%d>", i, i))
		if strings.Contains(got, "<resource-constraint") != (i == DefaultMaxElements) {
			t.Errorf("element %d: %s", i, got)
		}
	}
	s = hosttest.NewServer(t, "shakespeare.lit", &Server{Store: new(store), MaxSize: -1, MaxElements: -1})
	var all strings.Builder
	for i := range DefaultMaxElements + 1 {
		fmt.Fprintf(&all, "<a%d xmlns='urn:a'>%s</a%d>", i, strings.Repeat("a", 1000), i)
	}
	if got := set(all.String() + "<b xmlns='urn:b'>" + strings.Repeat("b", DefaultMaxSize) + "</b>"); !strings.Contains(got, "type='result'") {
		t.Errorf("no limits: %s", got)
	}
}

// prefs is an element of a client.
type prefs struct {
	XMLName xml.Name `xml:"exodus:prefs exodus"`
	Nick    string   `xml:"defaultnick"`
}

// TestClient uses the functions of a client against the extension of a server.
func TestClient(t *testing.T) {
	server := hosttest.NewServer(t, "shakespeare.lit", &Server{Store: new(store)})
	c := hosttest.New(t, "hamlet@shakespeare.lit/denmark")
	c.Reply = func(iq *stanza.Stanza) (string, error) {
		if !iq.To.IsZero() {
			t.Errorf("sent %s", iq)
		}
		h := iq.Header
		h.From = c.LocalAddr()
		reply, err := stanza.Parse(server.Ask(iq.With(h).String()))
		if err != nil {
			return "", err
		}
		return string(reply.Payload().Raw()), reply.Err()
	}
	if v, ok, err := Get[prefs](t.Context(), c); ok || err != nil || v.Nick != "" {
		t.Errorf("GUIDE-9-private-5 nothing: %+v, %v, %v", v, ok, err)
	}
	if err := Set(t.Context(), c, prefs{Nick: "Hamlet <i>"}, stanza.Raw("<z xmlns='urn:z' a='b'/>")); err != nil {
		t.Errorf("GUIDE-9-private-1: %v", err)
	}
	if v, ok, err := Get[prefs](t.Context(), c); !ok || err != nil || v.Nick != "Hamlet <i>" {
		t.Errorf("GUIDE-9-private-5: %+v, %v, %v", v, ok, err)
	}
	if v, ok, err := Get[*prefs](t.Context(), c); !ok || err != nil || v.Nick != "Hamlet <i>" {
		t.Errorf("by pointer: %+v, %v, %v", v, ok, err)
	}
	if e, err := GetElement(t.Context(), c, xml.Name{Space: "urn:z", Local: "z"}); err != nil || e.Raw() != "<z xmlns='urn:z' a='b'/>" {
		t.Errorf("GetElement: %s, %v", e.Raw(), err)
	}
	if err := Set(t.Context(), c, stanza.Raw("<z xmlns='urn:z'/>")); err != nil {
		t.Error(err)
	}
	if e, err := GetElement(t.Context(), c, xml.Name{Space: "urn:z", Local: "z"}); err != nil || !e.IsZero() {
		t.Errorf("removed: %s, %v", e.Raw(), err)
	}
	asked := len(c.Asked)
	for _, p := range []any{stanza.Raw("<z/>"), stanza.Raw("<z xmlns='jabber:iq:private'/>"), stanza.Raw("<z"), nil, func() {}} {
		if err := Set(t.Context(), c, p); err == nil {
			t.Errorf("%v was stored", p)
		}
	}
	if _, _, err := Get[struct{ A string }](t.Context(), c); !errors.Is(err, ErrNoName) {
		t.Errorf("got %v", err)
	}
	if _, _, err := Get[Query](t.Context(), c); !errors.Is(err, ErrNoName) {
		t.Errorf("got %v", err)
	}
	if _, err := GetElement(t.Context(), c, xml.Name{Local: "a"}); !errors.Is(err, ErrNoNamespace) {
		t.Errorf("got %v", err)
	}
	for _, local := range []string{"", "a b", "a b='c'", "p:a", "a><b"} {
		if e, err := GetElement(t.Context(), c, xml.Name{Space: "urn:z", Local: local}); err == nil {
			t.Errorf("%q is a name: %s", local, e.Raw())
		}
	}
	if len(c.Asked) != asked {
		t.Errorf("%d questions that make no sense", len(c.Asked)-asked)
	}
	c.Reply = func(*stanza.Stanza) (string, error) { return "", stanza.NewError(stanza.ServiceUnavailable, "") }
	if _, _, err := Get[prefs](t.Context(), c); !errors.Is(err, stanza.ServiceUnavailable) {
		t.Errorf("got %v", err)
	}
	if err := Set(t.Context(), c, prefs{}); !errors.Is(err, stanza.ServiceUnavailable) {
		t.Errorf("got %v", err)
	}
}

// FuzzServer: whatever is stored comes back as it was, and nothing breaks out
// of the reply.
func FuzzServer(f *testing.F) {
	f.Add("<winjab xmlns='winjab:prefs'><defaultnick>Hamlet</defaultnick></winjab>")
	f.Add("<p:a xmlns:p='urn:p'><p:b/><c xmlns='jabber:client'/><![CDATA[x]]></p:a>")
	f.Fuzz(func(t *testing.T, src string) {
		el, err := stanza.Raw(src).Element()
		if err != nil {
			return
		}
		s := hosttest.NewServer(t, "shakespeare.lit", &Server{Store: new(store)})
		iq := func(typ string, e stanza.Element) *stanza.Stanza {
			st, err := stanza.New(stanza.Header{Kind: stanza.KindIQ, Type: stanza.Type(typ), ID: "1",
				From: jid.MustParse("hamlet@shakespeare.lit/x")}, Query{[]stanza.Element{e}})
			if err != nil {
				t.Fatal(err)
			}
			reply, err := stanza.Parse(s.Ask(st.String()))
			if err != nil {
				t.Fatal(err)
			}
			return reply
		}
		if iq("set", el).Type != stanza.TypeResult {
			return
		}
		name := el.Name()
		asked, err := empty(name)
		if err != nil {
			t.Fatalf("%v: %v", name, err)
		}
		got, _, err := stanza.Decode[Query](iq("get", asked))
		if err != nil || len(got.Elements) != 1 {
			t.Fatalf("got %+v, %v", got, err)
		}
		if e := got.Elements[0]; e.Name() != name || e.Text() != el.Text() || isEmpty(e) != isEmpty(el) {
			t.Errorf("got %s, want %s", e.Raw(), el.Raw())
		}
	})
}
