package roster

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/stanza"
)

const accepted = "<iq type='result' id='1'/>"

// attach returns an Extension that notes its changes, and the session that it is
// attached to.
func attach(t *testing.T, e *Extension) (s *session, changes func() []string) {
	t.Helper()
	s = &session{mux: new(xmpp.Mux), answer: replies(t, "<iq type='result'><query xmlns='jabber:iq:roster'/></iq>")}
	var mu sync.Mutex
	var list []string
	e.OnChange = func(it Item) {
		mu.Lock()
		defer mu.Unlock()
		list = append(list, it.JID.String()+" "+it.Subscription.String())
	}
	if err := e.Attach(s); err != nil {
		t.Fatal(err)
	}
	return s, func() []string {
		mu.Lock()
		defer mu.Unlock()
		l := list
		list = nil
		return l
	}
}

// push has s take a push, and returns the answer.
func (s *session) push(t *testing.T, attrs, query string) string {
	t.Helper()
	return s.pushIn(t, t.Context(), attrs, query)
}

func (s *session) pushIn(t *testing.T, ctx context.Context, attrs, query string) string {
	t.Helper()
	st, err := stanza.Parse("<iq type='set' " + attrs + "><query xmlns='jabber:iq:roster'" + query + "</query></iq>")
	if err != nil {
		t.Fatal(err)
	}
	s.take()
	if err := s.mux.HandleXMPP(ctx, s, st); err != nil && ctx.Err() == nil {
		t.Fatal(err)
	}
	return strings.Join(s.take(), "")
}

func (e *Extension) want(t *testing.T, version string, items ...Item) {
	t.Helper()
	got, v := e.Snapshot()
	if v != version {
		t.Errorf("version %q, want %q", v, version)
	}
	if len(got) != len(items) || len(items) > 0 && !reflect.DeepEqual(got, items) {
		t.Errorf("items %+v, want %+v", got, items)
	}
}

// TestPushSender: the row's answers to pushes.
func TestPushSender(t *testing.T) {
	const item = "><item jid='nurse@example.com' subscription='to'/>"
	for _, tt := range []struct {
		name, attrs, query string
		taken              bool
		answer             string // a part of it
	}{
		{"R3921-7.2-2 no from", "id='1'", item, true, accepted},
		{"R3921-7.2-2 own bare JID", "id='1' from='juliet@example.com'", item, true,
			"<iq type='result' id='1' to='juliet@example.com'/>"},
		{"R3921-7.2-2 own full JID", "id='1' from='juliet@example.com/balcony'", item, true,
			"<iq type='result' id='1' to='juliet@example.com/balcony'/>"},
		{"R3921-7.2-2 another resource", "id='1' from='juliet@example.com/chamber'", item, false, "service-unavailable"},
		{"R6121-2.1.6-1 the server", "id='1' from='example.com'", item, false, "service-unavailable"},
		{"R6121-2.1.6-1 somebody else", "id='1' from='mallory@example.com'", item, false, "service-unavailable"},
		{"R6121-2.1.6-1 somebody else, malformed", "id='1' from='mallory@example.com'", ">", false, "service-unavailable"},
		{"GUIDE-9-roster-2 without id", "", item, true, "<iq type='result'/>"},
		{"no item", "id='1'", ">", false, "bad-request"},
		{"two items", "id='1'", item + "<item jid='romeo@example.net'/>", false, "bad-request"},
		{"no address", "id='1'", "><item jid=''/>", false, "bad-request"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := new(Extension)
			s, changes := attach(t, e)
			e.SessionUp(t.Context(), s)
			if got := s.push(t, tt.attrs, tt.query); !strings.Contains(got, tt.answer) || got == "" {
				t.Errorf("answer %s, want %s", got, tt.answer)
			}
			it, ok := e.Item(nurse)
			if ok != tt.taken || ok && it.Subscription != To {
				t.Errorf("%+v, %v", it, ok)
			}
			if (len(changes()) == 1) != tt.taken {
				t.Errorf("OnChange")
			}
		})
	}
}

// TestExtension is the life of a roster.
func TestExtension(t *testing.T) {
	e := new(Extension)
	s, changes := attach(t, e)
	var results []error
	e.OnRoster = func(_ context.Context, sender xmpp.Sender, err error) {
		if sender != s {
			t.Errorf("sender %v", sender)
		}
		results = append(results, err)
	}
	s.answer = replies(t, "<iq type='result'><query xmlns='jabber:iq:roster'>"+
		"<item jid='romeo@example.net' name='Romeo' subscription='both'><group>Friends</group></item>"+
		"<item jid='nurse@example.com' subscription='remove'/></query></iq>")

	e.SessionUp(t.Context(), s)
	if got := s.take(); !slices.Equal(got, []string{"<iq type='get'><query xmlns='jabber:iq:roster'/></iq>"}) {
		t.Errorf("asked %s", got)
	}
	r := Item{JID: romeo, Name: "Romeo", Subscription: Both, Groups: []string{"Friends"}}
	e.want(t, "", Item{JID: nurse}, r)
	if got := changes(); !slices.Equal(got, []string{"romeo@example.net both", "nurse@example.com none"}) {
		t.Errorf("changes %q", got)
	}

	s.push(t, "id='1'", "><item jid='nurse@example.com' subscription='none' ask='subscribe'/>")
	s.push(t, "id='2'", "><item jid='nurse@example.com' subscription='none' ask='subscribe'/>") // says nothing new
	s.push(t, "id='3'", "><item jid='romeo@example.net' subscription='remove'/>")
	s.push(t, "id='4'", "><item jid='romeo@example.net' subscription='remove'/>")
	e.want(t, "", Item{JID: nurse, Ask: true})
	if got := changes(); !slices.Equal(got, []string{"nurse@example.com none", "romeo@example.net remove"}) {
		t.Errorf("changes %q", got)
	}

	// The next session has the last word.
	e.SessionDown(s, nil)
	s2 := &session{mux: s.mux, answer: s.answer}
	e.OnRoster = nil
	e.SessionUp(t.Context(), s2)
	e.want(t, "", Item{JID: nurse}, r)
	if got := changes(); !slices.Equal(got, []string{"romeo@example.net both", "nurse@example.com none"}) {
		t.Errorf("changes %q", got)
	}
	if !slices.Equal(results, []error{nil}) {
		t.Errorf("OnRoster %v", results)
	}
	if it, ok := e.Item(romeo); !ok || it.Name != "Romeo" {
		t.Errorf("%+v, %v", it, ok)
	}
	full, _ := romeo.WithResource("orchard")
	if it, ok := e.Item(full); !ok || it.JID != romeo {
		t.Errorf("%+v, %v", it, ok)
	}
	if it, ok := e.Item(juliet); ok {
		t.Errorf("%+v", it)
	}
	e.Items()[1].Groups[0] = "Foes"
	if it, _ := e.Item(romeo); it.Groups[0] != "Friends" {
		t.Error("the groups of the copy can be changed from outside")
	}
}

// TestSetAndPush: the push of a change may come before the result, or after it.
func TestSetAndPush(t *testing.T) {
	for _, tt := range []struct {
		name  string
		first bool
	}{{"GUIDE-9-roster-5 push first", true}, {"GUIDE-9-roster-5 result first", false}} {
		t.Run(tt.name, func(t *testing.T) {
			e := new(Extension)
			s, changes := attach(t, e)
			e.SessionUp(t.Context(), s)
			push := func() { s.push(t, "id='1'", "><item jid='nurse@example.com' subscription='none'/>") }
			s.answer = func(iq *stanza.Stanza) (*stanza.Stanza, error) {
				if tt.first {
					push()
				}
				return iq.Reply()
			}
			if err := Set(t.Context(), s, Item{JID: nurse}); err != nil {
				t.Fatal(err)
			}
			if !tt.first {
				push()
			}
			e.want(t, "", Item{JID: nurse})
			if got := changes(); len(got) != 1 {
				t.Errorf("changes %q", got)
			}
		})
	}
}

// TestVersions is RFC 6121, section 2.6.
func TestVersions(t *testing.T) {
	e := new(Extension)
	s, changes := attach(t, e)
	s.features = []xml.Name{{Space: NSVersioning, Local: "ver"}}
	up := func(name, ask, reply string) {
		t.Run(name, func(t *testing.T) {
			s.answer = replies(t, reply)
			next := &session{mux: s.mux, answer: s.answer, features: s.features}
			s = next
			e.SessionUp(t.Context(), s)
			if got := strings.Join(s.take(), ""); got != "<iq type='get'><query xmlns='jabber:iq:roster'"+ask+"/></iq>" {
				t.Errorf("asked %s", got)
			}
		})
	}
	up("R6121-2.6-1 none yet", " ver=''", "<iq type='result'><query xmlns='jabber:iq:roster' ver='v1'><item jid='nurse@example.com'/></query></iq>")
	e.want(t, "v1", Item{JID: nurse})

	up("R6121-2.6-1 unchanged", " ver='v1'", "<iq type='result'/>")
	e.want(t, "v1", Item{JID: nurse})
	s.push(t, "id='1'", " ver='v2'><item jid='nurse@example.com' subscription='to'/>")
	s.push(t, "id='2'", "><item jid='romeo@example.net' subscription='to'/>") // a server that forgets it
	e.want(t, "v2", Item{JID: nurse, Subscription: To}, Item{JID: romeo, Subscription: To})

	up("R6121-2.6-1 all anew", " ver='v2'", "<iq type='result'><query xmlns='jabber:iq:roster' ver='v3'><item jid='romeo@example.net'/></query></iq>")
	e.want(t, "v3", Item{JID: romeo})
	changes()

	// A program that was started anew.
	items, version := e.Snapshot()
	e = new(Extension)
	e.Restore(append(items, Item{}, Item{JID: nurse, Subscription: Remove}), version)
	features := s.features
	s, changes = attach(t, e)
	s.features = features
	up("R6121-2.6-1 restored", " ver='v3'", "<iq type='result'/>")
	e.want(t, "v3", Item{JID: romeo})

	// An error means that what is pushed comes on top of something old.
	up("not to be had", " ver='v3'", "<iq type='error'><error type='wait'><internal-server-error xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>")
	s.push(t, "id='3'", " ver='v5'><item jid='nurse@example.com' subscription='to'/>")
	e.want(t, "", Item{JID: nurse, Subscription: To}, Item{JID: romeo})
	if got := changes(); !slices.Equal(got, []string{"nurse@example.com to"}) {
		t.Errorf("changes %q", got)
	}

	up("all will be pushed", " ver=''", "<iq type='result'/>")
	e.want(t, "")
	s.push(t, "id='4'", " ver='v6'><item jid='nurse@example.com' subscription='to'/>")
	e.want(t, "v6", Item{JID: nurse, Subscription: To})

	s.features = nil
	up("R6121-2.6-1 not offered", "", "<iq type='result'><query xmlns='jabber:iq:roster'/></iq>")
	e.want(t, "")
	e.AssumeVersions = true
	up("assumed", " ver=''", "<iq type='result'><query xmlns='jabber:iq:roster'/></iq>")

	s.push(t, "id='5'", " ver='v7'><item jid='nurse@example.com' subscription='to'/>")
	up("R6121-2.1.4-1 no roster", " ver='v7'", "<iq type='error'><error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>")
	e.want(t, "")
}

// TestPushWhileAsking: a push that comes before the roster is known counts after
// it, whoever is faster.
func TestPushWhileAsking(t *testing.T) {
	result := "<iq type='result'><query xmlns='jabber:iq:roster' ver='v1'><item jid='nurse@example.com'/><item jid='romeo@example.net'/></query></iq>"
	e := new(Extension)
	s, changes := attach(t, e)
	// One comes before anybody has asked, as old servers do it.
	s.push(t, "id='0'", "><item jid='nurse@example.com' subscription='from'/>")
	e.want(t, "")
	s.answer = func(iq *stanza.Stanza) (*stanza.Stanza, error) {
		if got := s.push(t, "id='1'", " ver='v2'><item jid='nurse@example.com' subscription='to'/>"); got != accepted {
			t.Errorf("answer %s", got)
		}
		s.push(t, "id='2'", " ver='v3'><item jid='romeo@example.net' subscription='remove'/>")
		return replies(t, result)(iq)
	}
	e.SessionUp(t.Context(), s)
	e.want(t, "v3", Item{JID: nurse, Subscription: To})
	want := []string{"nurse@example.com none", "romeo@example.net none", "nurse@example.com to", "romeo@example.net remove"}
	if got := changes(); !slices.Equal(got, want) {
		t.Errorf("changes %q, want %q", got, want)
	}
}

// TestSessionLost: what was pushed in a session that has not got the roster does
// not count, and the version stays what it was.
func TestSessionLost(t *testing.T) {
	e := new(Extension)
	e.Restore([]Item{{JID: nurse}}, "v1")
	s, changes := attach(t, e)
	ctx, cancel := context.WithCancel(t.Context())
	s.answer = func(*stanza.Stanza) (*stanza.Stanza, error) {
		s.push(t, "id='1'", " ver='v2'><item jid='nurse@example.com' subscription='to'/>")
		cancel()
		return nil, xmpp.ErrSessionLost
	}
	var result error
	e.OnRoster = func(_ context.Context, _ xmpp.Sender, err error) { result = err }
	e.SessionUp(ctx, s)
	e.want(t, "v1", Item{JID: nurse})
	if !errors.Is(result, xmpp.ErrSessionLost) {
		t.Errorf("OnRoster %v", result)
	}
	// One that is late.
	if got := s.pushIn(t, ctx, "id='2'", " ver='v3'><item jid='nurse@example.com' subscription='both'/>"); !strings.Contains(got, "error") {
		t.Errorf("answer %s", got)
	}
	e.want(t, "v1", Item{JID: nurse})
	if got := changes(); got != nil {
		t.Errorf("changes %q", got)
	}
}

// TestSessionOvertaken: the answer of an old session comes when there is a new
// one already.
func TestSessionOvertaken(t *testing.T) {
	e := new(Extension)
	s, _ := attach(t, e)
	s2 := &session{mux: s.mux, answer: replies(t, "<iq type='result'><query xmlns='jabber:iq:roster'><item jid='nurse@example.com'/></query></iq>")}
	ctx, cancel := context.WithCancel(t.Context())
	s.answer = func(iq *stanza.Stanza) (*stanza.Stanza, error) {
		cancel()
		s2.push(t, "id='1'", "><item jid='nurse@example.com' subscription='to'/>")
		return replies(t, "<iq type='result'><query xmlns='jabber:iq:roster'><item jid='romeo@example.net'/></query></iq>")(iq)
	}
	e.SessionUp(ctx, s)
	e.want(t, "")
	e.SessionDown(s, nil)
	e.SessionUp(t.Context(), s2)
	e.want(t, "", Item{JID: nurse})
	s2.push(t, "id='2'", "><item jid='nurse@example.com' subscription='to'/>")
	e.want(t, "", Item{JID: nurse, Subscription: To})
}

func TestMaxItems(t *testing.T) {
	const refused = "resource-constraint"
	e := &Extension{MaxItems: 2, AssumeVersions: true}
	s, _ := attach(t, e)
	s.answer = func(iq *stanza.Stanza) (*stanza.Stanza, error) {
		for i := range 3 {
			want := accepted
			if i == 2 {
				want = refused
			}
			got := s.push(t, "id='1'", fmt.Sprintf("><item jid='x%d@example.com'/>", i))
			if !strings.Contains(got, want) {
				t.Errorf("push %d while asking: %s", i, got)
			}
		}
		return replies(t, "<iq type='result'><query xmlns='jabber:iq:roster' ver='v1'><item jid='romeo@example.net'/></query></iq>")(iq)
	}
	e.SessionUp(t.Context(), s)
	e.want(t, "", Item{JID: jidOf("x0@example.com")}, Item{JID: romeo})

	// One that is there already can change, one goes and makes room.
	if got := s.push(t, "id='1'", "><item jid='romeo@example.net' subscription='to'/>"); got != accepted {
		t.Error(got)
	}
	if got := s.push(t, "id='1'", "><item jid='nurse@example.com'/>"); !strings.Contains(got, refused) {
		t.Error(got)
	}
	s.push(t, "id='1'", "><item jid='x0@example.com' subscription='remove'/>")
	if got := s.push(t, "id='1'", " ver='v9'><item jid='nurse@example.com'/>"); got != accepted {
		t.Error(got)
	}
	e.want(t, "", Item{JID: nurse}, Item{JID: romeo, Subscription: To})

	// A push that was refused is missing in the copy, which has no version then.
	s1 := &session{mux: s.mux}
	s1.answer = func(iq *stanza.Stanza) (*stanza.Stanza, error) {
		for range 3 {
			s1.push(t, "id='1'", "><item jid='romeo@example.net' subscription='both'/>")
		}
		return replies(t, "<iq type='result'><query xmlns='jabber:iq:roster' ver='v1'><item jid='romeo@example.net'/></query></iq>")(iq)
	}
	e.SessionUp(t.Context(), s1)
	e.want(t, "", Item{JID: romeo, Subscription: Both})

	s2 := &session{mux: s.mux, answer: replies(t, "<iq type='result'><query xmlns='jabber:iq:roster' ver='v1'>"+
		"<item jid='a@example.com'/><item jid='b@example.com'/><item jid='c@example.com'/><item jid='a@example.com' subscription='to'/></query></iq>")}
	e.SessionUp(t.Context(), s2)
	e.want(t, "", Item{JID: jidOf("a@example.com"), Subscription: To}, Item{JID: jidOf("b@example.com")})
}

func TestAttachServer(t *testing.T) {
	if err := new(Extension).Attach(&session{mux: new(xmpp.Mux), server: true}); err == nil {
		t.Error("attached to a server")
	}
}

// TestExtensionConcurrent is for the race detector.
func TestExtensionConcurrent(t *testing.T) {
	e := new(Extension)
	s, changes := attach(t, e)
	e.SessionUp(t.Context(), s)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			st, err := stanza.Parse(fmt.Sprintf(
				"<iq type='set' id='1'><query xmlns='jabber:iq:roster'><item jid='x%d@example.com'/></query></iq>", i))
			if err != nil {
				t.Error(err)
				return
			}
			for range 50 {
				if err := s.mux.HandleXMPP(t.Context(), s, st); err != nil {
					t.Error(err)
				}
				e.Items()
				e.Item(nurse)
			}
		})
	}
	wg.Wait()
	if n := len(e.Items()); n != 4 {
		t.Errorf("%d items", n)
	}
	if n := len(changes()); n != 4 {
		t.Errorf("%d changes", n)
	}
}
