package flexoffline_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/disco"
	"github.com/etherx-go/xmpp/ext/flexoffline"
	"github.com/etherx-go/xmpp/ext/internal/exttest"
	"github.com/etherx-go/xmpp/ext/internal/hosttest"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/offline"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/storage/memory"
)

var (
	romeo   = jid.MustParse("romeo@montague.net")
	orchard = jid.MustParse("romeo@montague.net/orchard")
	evening = time.Date(2003, 2, 27, 22, 49, 17, 8e6, time.UTC)
)

const open = "<offline xmlns='http://jabber.org/protocol/offline'>"

func TestPayload(t *testing.T) {
	exttest.Run(t, []exttest.Golden[flexoffline.Offline]{
		{Name: "XEP-0013 example 7", In: open + "<item action='view' node='2003-02-27T22:52:37.225Z'/></offline>",
			Want: flexoffline.Offline{Items: []flexoffline.Item{{flexoffline.ActionView, "2003-02-27T22:52:37.225Z"}}}},
		{Name: "XEP-0013 example 8", In: open + "<item node='2003-02-27T22:52:37.225Z'/></offline>",
			Want: flexoffline.Offline{Items: []flexoffline.Item{{Node: "2003-02-27T22:52:37.225Z"}}}},
		{Name: "XEP-0013 example 9", In: open + "<item action='remove' node='a'/><item action='remove' node='b'/></offline>",
			Want: flexoffline.Offline{Items: []flexoffline.Item{{flexoffline.ActionRemove, "a"}, {flexoffline.ActionRemove, "b"}}}},
		{Name: "XEP-0013 example 11", In: open + "<fetch/></offline>", Want: flexoffline.Offline{Fetch: true}},
		{Name: "XEP-0013 example 13", In: open + "<purge/></offline>", Want: flexoffline.Offline{Purge: true}},
		{Name: "empty", In: "<offline xmlns='http://jabber.org/protocol/offline'/>"},
		{Name: "what is not known", In: open + "<x/><fetch xmlns='urn:x'/></offline>", Out: "<offline xmlns='http://jabber.org/protocol/offline'/>"},
		{Name: "no node", In: open + "<item action='view'/></offline>", Err: true},
		{Name: "no such action", In: open + "<item action='burn' node='a'/></offline>", Err: true},
	})
	if b, err := (flexoffline.Offline{Items: []flexoffline.Item{{}}}).AppendXML(nil); err == nil {
		t.Errorf("written as %s", b)
	}
}

func FuzzOffline(f *testing.F) {
	f.Add(open + "<item action='view' node='a'/><fetch/><purge/></offline>")
	f.Fuzz(func(t *testing.T, src string) { exttest.RoundTrip[flexoffline.Offline](t, src) })
}

// rig is a server without streams.
type rig struct {
	t *testing.T
	*hosttest.Server
	flex  *flexoffline.Server
	store offline.Store
	sent  []*stanza.Stanza
	fail  error
}

func newRig(t *testing.T, store offline.Store) *rig {
	t.Helper()
	d := &disco.Extension{}
	r := &rig{t: t, store: store, flex: &flexoffline.Server{Store: store, Disco: d}}
	r.Server = hosttest.NewServer(t, "montague.net", d, r.flex)
	r.Accounts = []string{"romeo@montague.net"}
	return r
}

func (r *rig) Send(_ context.Context, st *stanza.Stanza) error {
	if r.fail != nil && st.Kind == stanza.KindMessage {
		return r.fail
	}
	r.sent = append(r.sent, st)
	return nil
}

// ask hands over an iq, from the orchard to the account if it does not say, and
// returns what was sent.
func (r *rig) ask(iq string) []string {
	r.t.Helper()
	st := exttest.Parse(r.t, iq)
	if st.From.IsZero() {
		st.From = orchard
	}
	if st.To.IsZero() {
		st.To = romeo
	}
	r.sent = nil
	r.Mux().HandleXMPP(r.t.Context(), r, st)
	var all []string
	for _, s := range r.sent {
		all = append(all, s.String())
	}
	return all
}

// add stores messages, a second apart.
func (r *rig) add(bodies ...string) {
	r.t.Helper()
	for i, b := range bodies {
		st := exttest.Parse(r.t, "<message to='romeo@montague.net' from='juliet@capulet.com/balcony'><body>"+b+"</body></message>")
		if err := r.store.Add(r.t.Context(), romeo, st, evening.Add(time.Duration(i)*time.Second), -1); err != nil {
			r.t.Fatal(err)
		}
	}
}

func (r *rig) wants(iq string, want ...string) {
	r.t.Helper()
	if got := r.ask(iq); !slices.Equal(got, want) {
		r.t.Errorf("%s\ngot  %s\nwant %s", iq, strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
}

func node(n int) string { return fmt.Sprintf("%019d", n) }

func delivered(n int, body string) string {
	stamp := evening.Add(time.Duration(n-1) * time.Second)
	return fmt.Sprintf("<message to='romeo@montague.net/orchard' from='juliet@capulet.com/balcony'><body>%s</body>"+
		"<delay xmlns='urn:xmpp:delay' from='montague.net' stamp='%s'>Offline Storage</delay>"+
		"<x xmlns='jabber:x:delay' from='montague.net' stamp='%s'>Offline Storage</x>"+
		open+"<item node='%s'/></offline></message>", body, stamp.Format("2006-01-02T15:04:05.000Z"), stamp.Format("20060102T15:04:05"), node(n))
}

func fault(id, typ, cond string, code int) string {
	return fmt.Sprintf("<iq type='error' id='%s' to='romeo@montague.net/orchard' from='romeo@montague.net'><error code='%d' type='%s'>"+
		"<%s xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>", id, code, typ, cond)
}

const done = "<iq type='result' id='1' to='romeo@montague.net/orchard' from='romeo@montague.net'/>"

func TestServer(t *testing.T) {
	r := newRig(t, memory.New().Offline())
	r.add("1", "2", "3")
	if f := r.flex.Features(jid.MustParse("montague.net")); !slices.Equal(f, []string{flexoffline.NS}) || r.flex.Features(romeo) != nil {
		t.Errorf("features %q", f)
	}
	if r.flex.Holds(romeo) {
		t.Error("nobody has asked yet")
	}
	r.wants("<iq type='get' id='1'>"+open+"<item action='view' node='"+node(2)+"'/></offline></iq>", delivered(2, "2"), done)
	if r.flex.Holds(romeo) {
		t.Error("to view one is no choice yet")
	}
	// XEP-0013, examples 3 and 4.
	r.wants("<iq type='get' id='1'><query xmlns='http://jabber.org/protocol/disco#info' node='http://jabber.org/protocol/offline'/></iq>",
		"<iq type='result' id='1' to='romeo@montague.net/orchard' from='romeo@montague.net'>"+
			"<query xmlns='http://jabber.org/protocol/disco#info' node='http://jabber.org/protocol/offline'>"+
			"<identity category='automation' type='message-list'/><feature var='http://jabber.org/protocol/offline'/>"+
			"<x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' type='hidden'><value>http://jabber.org/protocol/offline</value></field>"+
			"<field var='number_of_messages'><value>3</value></field></x></query></iq>")
	if !r.flex.Holds(romeo) || !r.flex.Holds(orchard) {
		t.Error("who has asked is sent everything at once")
	}
	r.flex.SessionEnded(jid.MustParse("romeo@montague.net/other"))
	r.flex.SessionEnded(orchard)
	if r.flex.Holds(romeo) {
		t.Error("the session is over")
	}
	// XEP-0013, examples 5 and 6.
	item := func(n int) string {
		return "<item jid='romeo@montague.net' node='" + node(n) + "' name='juliet@capulet.com/balcony'/>"
	}
	r.wants("<iq type='get' id='1'><query xmlns='http://jabber.org/protocol/disco#items' node='http://jabber.org/protocol/offline'/></iq>",
		"<iq type='result' id='1' to='romeo@montague.net/orchard' from='romeo@montague.net'>"+
			"<query xmlns='http://jabber.org/protocol/disco#items' node='http://jabber.org/protocol/offline'>"+item(1)+item(2)+item(3)+"</query></iq>")
	if !r.flex.Holds(romeo) {
		t.Error("who has seen the headers is sent everything at once")
	}
	r.flex.SessionEnded(orchard)

	r.wants("<iq type='get' id='1'>"+open+"<fetch/></offline></iq>", delivered(1, "1"), delivered(2, "2"), delivered(3, "3"), done)
	if !r.flex.Holds(romeo) {
		t.Error("who has fetched all is sent everything at once")
	}
	r.wants("<iq type='get' id='1'>"+open+"<item action='view' node='"+node(3)+"'/><item action='view' node='"+node(1)+"'/></offline></iq>",
		delivered(1, "1"), delivered(3, "3"), done)
	r.wants("<iq type='set' id='1'>"+open+"<item action='remove' node='"+node(1)+"'/><item action='remove' node='"+node(9)+"'/></offline></iq>",
		fault("1", "cancel", "item-not-found", 404))
	r.wants("<iq type='set' id='1'>"+open+"<item action='remove' node='"+node(1)+"'/></offline></iq>", done)
	r.wants("<iq type='get' id='1'>"+open+"<fetch/></offline></iq>", delivered(2, "2"), delivered(3, "3"), done)
	r.wants("<iq type='set' id='1'>"+open+"<purge/></offline></iq>", done)
	r.wants("<iq type='get' id='1'>"+open+"<fetch/></offline></iq>", done)
	r.wants("<iq type='get' id='1'><query xmlns='http://jabber.org/protocol/disco#items' node='http://jabber.org/protocol/offline'/></iq>",
		"<iq type='result' id='1' to='romeo@montague.net/orchard' from='romeo@montague.net'>"+
			"<query xmlns='http://jabber.org/protocol/disco#items' node='http://jabber.org/protocol/offline'/></iq>")
}

func TestRefused(t *testing.T) {
	r := newRig(t, memory.New().Offline())
	r.add("1")
	r.flex.MaxItems = 2
	view := "<item action='view' node='" + node(1) + "'/>"
	for name, tt := range map[string]struct{ iq, want string }{
		"XEP-0013 2.4 no such node":    {"<iq type='get' id='1'>" + open + "<item action='view' node='" + node(2) + "'/></offline></iq>", "item-not-found"},
		"a node of another kind":       {"<iq type='get' id='1'>" + open + "<item action='view' node='1'/></offline></iq>", "item-not-found"},
		"one of two":                   {"<iq type='get' id='1'>" + open + view + "<item action='view' node='" + node(7) + "'/></offline></iq>", "item-not-found"},
		"nothing to do":                {"<iq type='get' id='1'>" + open + "</offline></iq>", "bad-request"},
		"nothing to remove":            {"<iq type='set' id='1'>" + open + "</offline></iq>", "bad-request"},
		"view by a set":                {"<iq type='set' id='1'>" + open + view + "</offline></iq>", "bad-request"},
		"fetch by a set":               {"<iq type='set' id='1'>" + open + "<fetch/></offline></iq>", "bad-request"},
		"purge by a get":               {"<iq type='get' id='1'>" + open + "<purge/></offline></iq>", "bad-request"},
		"view and fetch":               {"<iq type='get' id='1'>" + open + view + "<fetch/></offline></iq>", "bad-request"},
		"too many":                     {"<iq type='get' id='1'>" + open + view + view + view + "</offline></iq>", "not-acceptable"},
		"XEP-0013 2.4 somebody else":   {"<iq type='get' id='1' from='tybalt@montague.net/x'>" + open + view + "</offline></iq>", "forbidden"},
		"XEP-0013 2.7 somebody else":   {"<iq type='set' id='1' from='tybalt@montague.net/x'>" + open + "<purge/></offline></iq>", "forbidden"},
		"XEP-0013 2.3 headers":         {"<iq type='get' id='1' from='friend@montague.net/x'><query xmlns='http://jabber.org/protocol/disco#items' node='" + flexoffline.NS + "'/></iq>", "forbidden"},
		"how many, to a contact":       {"<iq type='get' id='1' from='friend@montague.net/x'><query xmlns='http://jabber.org/protocol/disco#info' node='" + flexoffline.NS + "'/></iq>", "forbidden"},
		"the node of the server":       {"<iq type='get' id='1' to='montague.net'><query xmlns='http://jabber.org/protocol/disco#info' node='" + flexoffline.NS + "'/></iq>", "item-not-found"},
		"a node without a name":        {"<iq type='get' id='1'>" + open + "<item action='view'/></offline></iq>", "bad-request"},
		"remove what is not there":     {"<iq type='set' id='1'>" + open + "<item action='remove' node='x'/></offline></iq>", "item-not-found"},
		"the node of another account":  {"<iq type='get' id='1' to='x@montague.net'>" + open + "<fetch/></offline></iq>", "forbidden"},
		"by a domain, to itself":       {"<iq type='get' id='1' from='montague.net' to='montague.net'>" + open + "<fetch/></offline></iq>", "forbidden"},
		"view, said without an action": {"<iq type='get' id='1'>" + open + "<item node='" + node(1) + "'/></offline></iq>", "bad-request"},
	} {
		r.Sees = []string{"friend@montague.net romeo@montague.net"}
		if got := r.ask(tt.iq); len(got) != 1 || !strings.Contains(got[0], "<"+tt.want+" ") {
			t.Errorf("%s: %q, want %s", name, got, tt.want)
		}
	}
	if r.flex.Holds(jid.MustParse("friend@montague.net")) {
		t.Error("others count")
	}
}

// TestForgedNode: what the sender of a message wrote about nodes is gone.
func TestForgedNode(t *testing.T) {
	r := newRig(t, memory.New().Offline())
	r.add("x</body>" + open + "<item node='forged'/></offline><body>")
	got := r.ask("<iq type='get' id='1'>" + open + "<fetch/></offline></iq>")
	if len(got) != 2 {
		t.Fatalf("%q", got)
	}
	if n, ok := flexoffline.Node(exttest.Parse(t, got[0])); n != node(1) || !ok {
		t.Errorf("node %q, %v", n, ok)
	}
	for _, in := range []string{"", "<item node='1'/><item node='2'/>"} {
		if n, ok := flexoffline.Node(exttest.Parse(t, "<message>"+open+in+"</offline></message>")); ok {
			t.Errorf("%s: node %q", in, n)
		}
	}
}

// TestHolds: an account is held as long as one of its sessions chooses for itself.
func TestHolds(t *testing.T) {
	r := newRig(t, memory.New().Offline())
	street := jid.MustParse("romeo@montague.net/street")
	for _, from := range []jid.JID{orchard, street} {
		r.ask("<iq type='get' id='1' from='" + from.String() + "'>" + open + "<fetch/></offline></iq>")
	}
	for _, tt := range []struct {
		ended jid.JID
		held  bool
	}{{jid.MustParse("romeo@montague.net/other"), true}, {orchard, true}, {orchard, true}, {street, false}, {street, false}} {
		if r.flex.SessionEnded(tt.ended); r.flex.Holds(romeo) != tt.held {
			t.Errorf("when %v has ended: %v", tt.ended, !tt.held)
		}
	}
}

// broken is a store that fails.
type broken struct{ offline.Store }

var errBroken = errors.New("broken")

func (broken) Count(context.Context, jid.JID) (int, error) { return 0, errBroken }

func (broken) Messages(context.Context, jid.JID) iter.Seq2[offline.Message, error] {
	return func(yield func(offline.Message, error) bool) { yield(offline.Message{}, errBroken) }
}

type undeletable struct{ offline.Store }

func (undeletable) Delete(context.Context, jid.JID, ...int64) error { return errBroken }

func TestFailures(t *testing.T) {
	r := newRig(t, broken{})
	view := open + "<item action='view' node='" + node(1) + "'/></offline></iq>"
	for _, iq := range []string{
		"<iq type='get' id='1'>" + open + "<fetch/></offline></iq>", "<iq type='set' id='1'>" + open + "<purge/></offline></iq>",
		"<iq type='get' id='1'>" + view, "<iq type='get' id='1'><query xmlns='http://jabber.org/protocol/disco#items' node='" + flexoffline.NS + "'/></iq>",
		"<iq type='get' id='1'><query xmlns='http://jabber.org/protocol/disco#info' node='" + flexoffline.NS + "'/></iq>",
	} {
		if got := r.ask(iq); len(got) != 1 || !strings.Contains(got[0], "<internal-server-error ") {
			t.Errorf("%s: %q", iq, got)
		}
	}
	r = newRig(t, undeletable{memory.New().Offline()})
	r.add("1")
	if got := r.ask("<iq type='set' id='1'>" + open + "<purge/></offline></iq>"); len(got) != 1 || !strings.Contains(got[0], "<internal-server-error ") {
		t.Errorf("%q", got)
	}
	r.fail = errBroken
	if got := r.ask("<iq type='get' id='1'>" + view); len(got) != 1 || !strings.Contains(got[0], "<internal-server-error ") {
		t.Errorf("%q", got)
	}
	d := &disco.Extension{}
	for name, s := range map[string]*flexoffline.Server{
		"no store": {Disco: d}, "no disco": {Store: memory.New().Offline()},
	} {
		if err := s.Attach(r); err == nil {
			t.Error(name)
		}
	}
	if err := (&flexoffline.Server{Store: broken{}, Disco: d}).Attach(hosttest.New(t, "romeo@montague.net/orchard")); err == nil {
		t.Error("attached to a client")
	}
}

func TestClient(t *testing.T) {
	c := hosttest.New(t, "romeo@montague.net/orchard")
	answer := ""
	c.Reply = func(*stanza.Stanza) (string, error) { return answer, nil }
	ctx := t.Context()
	query := func(kind, inner string) string {
		return "<query xmlns='http://jabber.org/protocol/disco#" + kind + "' node='" + flexoffline.NS + "'>" + inner + "</query>"
	}
	count := func(n string) string {
		return query("info", "<x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' type='hidden'><value>"+flexoffline.NS+
			"</value></field><field var='number_of_messages'><value>"+n+"</value></field></x>")
	}
	answer = count(" 66 ")
	if n, err := flexoffline.Count(ctx, c); n != 66 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	for _, answer = range []string{count("-1"), count("many"), query("info", "")} {
		if n, err := flexoffline.Count(ctx, c); n != 0 || err != disco.ErrNoAnswer {
			t.Errorf("%s: %d, %v", answer, n, err)
		}
	}
	answer = query("items", "<item jid='romeo@montague.net' node='1' name='mercutio@shakespeare.lit/pda'/>"+
		"<item jid='romeo@montague.net'/><item jid='romeo@montague.net' node='2' name='@'/>")
	all, err := flexoffline.Headers(ctx, c)
	if want := []flexoffline.Header{{"1", jid.MustParse("mercutio@shakespeare.lit/pda")}, {Node: "2"}}; err != nil || !slices.Equal(all, want) {
		t.Errorf("%+v, %v", all, err)
	}
	answer = "<query xmlns='http://jabber.org/protocol/disco#info'><feature var='" + flexoffline.NS + "'/></query>"
	if ok, err := flexoffline.Supported(ctx, c); !ok || err != nil || c.Asked[len(c.Asked)-1].To.String() != "montague.net" {
		t.Errorf("%v, %v", ok, err)
	}
	answer = ""
	for want, fn := range map[string]func() error{
		"get " + open + "<item action='view' node='a'/><item action='view' node='b'/></offline>": func() error { return flexoffline.View(ctx, c, "a", "b") },
		"set " + open + "<item action='remove' node='a'/></offline>":                             func() error { return flexoffline.Remove(ctx, c, "a") },
		"get " + open + "<fetch/></offline>":                                                     func() error { return flexoffline.Fetch(ctx, c) },
		"set " + open + "<purge/></offline>":                                                     func() error { return flexoffline.Purge(ctx, c) },
	} {
		err := fn()
		if iq := c.Asked[len(c.Asked)-1]; err != nil || string(iq.Type)+" "+string(iq.Payload().Raw()) != want {
			t.Errorf("asked %s, %v, want %s", iq, err, want)
		}
	}
	c.Reply = func(*stanza.Stanza) (string, error) { return "", stanza.ItemNotFound }
	if err := flexoffline.View(ctx, c, "a"); err != stanza.ItemNotFound {
		t.Errorf("View: %v", err)
	}
	if _, err := flexoffline.Count(ctx, c); err != stanza.ItemNotFound {
		t.Errorf("Count: %v", err)
	}
	if _, err := flexoffline.Headers(ctx, c); err != stanza.ItemNotFound {
		t.Errorf("Headers: %v", err)
	}
}

// A client that takes only what its friends have written, before it sends its
// presence.
func Example() {
	take := func(ctx context.Context, s xmpp.Sender, isFriend func(jid.JID) bool) error {
		headers, err := flexoffline.Headers(ctx, s)
		if err != nil {
			return err
		}
		var nodes []string
		for _, h := range headers {
			if isFriend(h.From) {
				nodes = append(nodes, h.Node)
			}
		}
		if err := flexoffline.View(ctx, s, nodes...); err != nil {
			return err
		}
		return flexoffline.Remove(ctx, s, nodes...)
	}
	_ = take
}
