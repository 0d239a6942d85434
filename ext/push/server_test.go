package push

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/internal/exttest"
	"github.com/etherx-go/xmpp/ext/internal/hosttest"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// store is a Store in memory.
type store struct {
	mu    sync.Mutex
	m     map[jid.JID]Devices
	fail  error
	reads int
	// between, if not nil, is called between the reading of devices and its end.
	between func()
}

func (s *store) Devices(_ context.Context, account jid.JID) (Devices, error) {
	s.mu.Lock()
	all := s.m[account]
	s.reads++
	between, err := s.between, s.fail
	s.mu.Unlock()
	if between != nil {
		between()
	}
	return all, err
}

func (s *store) UpdateDevices(_ context.Context, account jid.JID, fn func(*Devices) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.m[account].Clone()
	if err := fn(&all); err != nil || s.fail != nil {
		return errors.Join(err, s.fail)
	}
	s.m[account] = all.Clone()
	return nil
}

// fails lets everything fail from now on; nil: nothing.
func (s *store) fails(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = err
}

func (s *store) RemoveAccount(_ context.Context, account jid.JID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.m, account)
	return nil
}

// nodes returns what is stored for the account.
func (s *store) nodes() (all []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.m[account] {
		all = append(all, d.Node)
	}
	return all
}

// world is a server with one account, and the services that it publishes to.
type world struct {
	*hosttest.Server
	t     *testing.T
	srv   *Server
	store *store

	mu        sync.Mutex
	published []string // "node: the summary in short"
	stanzas   []*stanza.Stanza
	connected map[string]bool
	answer    func(ctx context.Context, node string) error
}

func newWorld(t *testing.T, change ...func(*Server)) *world {
	w := &world{
		Server: hosttest.NewServer(t, "example.com"), t: t, connected: make(map[string]bool),
		store: &store{m: make(map[jid.JID]Devices)},
	}
	w.srv = &Server{Store: w.store}
	for _, fn := range change {
		fn(w.srv)
	}
	if err := w.srv.Attach(w); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.srv.Close() })
	return w
}

// IsConnected looks into connected.
func (w *world) IsConnected(client jid.JID) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.connected[client.Resource()]
}

func (w *world) connect(resource string, is bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.connected[resource] = is
}

// Do is a publication.
func (w *world) Do(ctx context.Context, iq *stanza.Stanza) (*stanza.Stanza, error) {
	p, ok, err := stanza.Decode[Publication](iq)
	if !ok || err != nil {
		w.t.Errorf("%s: %v", iq, err)
	}
	n := p.Notification
	what := fmt.Sprintf("%s: %d %d", p.Node, n.Messages, n.Requests)
	for _, s := range []string{n.Sender.String(), n.Body} {
		if s != "" {
			what += " " + s
		}
	}
	w.mu.Lock()
	w.published = append(w.published, what)
	w.stanzas = append(w.stanzas, iq)
	answer := w.answer
	w.mu.Unlock()
	if answer != nil {
		return nil, answer(ctx, p.Node)
	}
	return iq.Reply()
}

func (w *world) answers(fn func(ctx context.Context, node string) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answer = fn
}

// wants checks what was published since it was called last.
func (w *world) wants(want ...string) {
	w.t.Helper()
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	slices.Sort(w.published)
	if !slices.Equal(w.published, want) {
		w.t.Errorf("published %q, want %q", w.published, want)
	}
	w.published = nil
}

// enable lets a client of the account enable a node.
func (w *world) enable(resource, node string) {
	w.t.Helper()
	iq := fmt.Sprintf("<iq type='set' id='1' from='user@example.com/%s' to='user@example.com'>"+
		"<enable xmlns='urn:xmpp:push:0' jid='push-5.client.example' node='%s'/></iq>", resource, node)
	want := fmt.Sprintf("<iq type='result' id='1' to='user@example.com/%s' from='user@example.com'/>", resource)
	if got := w.Ask(iq); got != want {
		w.t.Errorf("got %s, want %s", got, want)
	}
}

// say tells of a message for the account.
func (w *world) say(body string) {
	w.t.Helper()
	w.notify(Event{Account: account, Stanza: exttest.Parse(w.t, "<message type='chat' from='juliet@capulet.example/balcony'>"+
		"<body>"+body+"</body></message>")})
}

func (w *world) notify(e Event) {
	w.t.Helper()
	if err := w.srv.Notify(w.t.Context(), e); err != nil {
		w.t.Error(err)
	}
}

// run runs a test with a world in a bubble.
func run(t *testing.T, name string, test func(t *testing.T, w *world), change ...func(*Server)) {
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { test(t, newWorld(t, change...)) })
	})
}

// TestRequests: who may enable what, and what is answered.
func TestRequests(t *testing.T) {
	const ok = "<iq type='result' id='1' to='user@example.com/mobile' from='user@example.com'/>"
	w := newWorld(t, func(s *Server) {
		s.MaxSize = 600
		s.Allow = func(_, service jid.JID) bool { return service != jid.MustParse("evil.example") }
	})
	ask := func(to, payload string) string {
		return w.Ask("<iq type='set' id='1' from='user@example.com/mobile'" + to + ">" + payload + "</iq>")
	}
	const mine = " to='user@example.com'"
	enable := func(more string) string { return "<enable xmlns='urn:xmpp:push:0' " + more + "/>" }
	for _, tt := range []struct{ name, to, payload, want string }{
		{"XEP-0357 example 8", mine, enable("jid='push-5.client.example' node='" + node + "'"), ok},
		{"XEP-0357 example 9", mine, "<enable xmlns='urn:xmpp:push:0' jid='push-5.client.example' node='" + node + "'>" + options + "</enable>", ok},
		{"once more", mine, enable("jid='push-5.client.example' node='2'"), ok},
		{"without service", mine, enable("node='x'"), "bad-request"},
		{"no address", mine, enable("jid='@'"), "jid-malformed"},
		{"not allowed", mine, enable("jid='evil.example'"), "not-allowed"},
		{"too large", mine, enable("jid='a' node='" + strings.Repeat("x", 600) + "'"), "policy-violation"},
		{"of somebody else", " to='other@example.com'", enable("jid='push-5.client.example'"), "forbidden"},
		{"of the server", " to='example.com'", enable("jid='push-5.client.example'"), "forbidden"},
		{"disable of somebody else", " to='other@example.com'", "<disable xmlns='urn:xmpp:push:0' jid='push-5.client.example'/>", "forbidden"},
		{"disable without service", mine, "<disable xmlns='urn:xmpp:push:0'/>", "bad-request"},
	} {
		if got := ask(tt.to, tt.payload); got != tt.want && (tt.want == ok || !strings.Contains(got, "<"+tt.want+" ")) {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
	if got := w.Ask("<iq type='set' id='1' from='example.com' to='example.com'>" + enable("jid='a'") + "</iq>"); !strings.Contains(got, "forbidden") {
		t.Errorf("a domain has no devices: %s", got)
	}
	if got := w.Ask("<iq type='set' id='1' from='example.net' to='user@example.com'>" + enable("jid='a'") + "</iq>"); !strings.Contains(got, "forbidden") {
		t.Errorf("from a server: %s", got)
	}
	got := w.store.m[account]
	if len(got) != 2 || got[0].Node != node || len(got[0].Options) != 1 || got[0].Resource != "mobile" || got[0].Enabled.IsZero() {
		t.Errorf("stored are %+v", got)
	}
	for _, tt := range []struct {
		name, payload string
		want          []string
	}{
		{"another service", "<disable xmlns='urn:xmpp:push:0' jid='other.example'/>", []string{node, "2"}},
		{"another node", "<disable xmlns='urn:xmpp:push:0' jid='push-5.client.example' node='3'/>", []string{node, "2"}},
		{"XEP-0357 example 11", "<disable xmlns='urn:xmpp:push:0' jid='push-5.client.example' node='" + node + "'/>", []string{"2"}},
		{"again", enable("jid='push-5.client.example' node='4'"), []string{"2", "4"}},
		{"XEP-0357 example 10", "<disable xmlns='urn:xmpp:push:0' jid='push-5.client.example'/>", nil},
	} {
		if got := ask("", tt.payload); got != ok[:len("<iq type='result' id='1' to='user@example.com/mobile'")]+"/>" {
			t.Errorf("%s: %s", tt.name, got)
		}
		if got := w.store.nodes(); !slices.Equal(got, tt.want) {
			t.Errorf("%s: stored are %q, want %q", tt.name, got, tt.want)
		}
	}
	if f := w.srv.Features(account); !slices.Equal(f, []string{NS}) || w.srv.Features(jid.MustParse("example.com")) != nil {
		t.Errorf("features %q", f)
	}
}

func TestAttach(t *testing.T) {
	if err := (&Server{Store: new(store)}).Attach(new(exttest.Host)); err == nil {
		t.Error("it is for clients")
	}
	if err := new(Server).Attach(hosttest.NewServer(t, "example.com")); err == nil {
		t.Error("there is no store")
	}
	new(Server).Close() // which was not attached
	if err := new(Service).Attach(new(exttest.Host)); err == nil {
		t.Error("there is nobody to deliver to")
	}
}

// TestMaxDevices: the devices that were enabled first go.
func TestMaxDevices(t *testing.T) {
	for max, want := range map[int][]string{2: {"3", "1"}, -1: {"2", "3", "1"}} {
		w := newWorld(t, func(s *Server) { s.MaxDevices = max })
		for _, n := range []string{"1", "2"} {
			w.enable("mobile", n)
		}
		w.enable("other", "1") // which is the last one now
		w.enable("mobile", "3")
		w.enable("mobile", "1")
		if got := w.store.nodes(); !slices.Equal(got, want) {
			t.Errorf("%d: got %q, want %q", max, got, want)
		}
	}
	w := newWorld(t)
	for i := range DefaultMaxDevices + 5 {
		w.enable("mobile", fmt.Sprint(i))
	}
	if got := w.store.nodes(); len(got) != DefaultMaxDevices || got[0] != "5" {
		t.Errorf("got %q", got)
	}
}

// TestPublish: what is published, to whom.
func TestPublish(t *testing.T) {
	run(t, "nothing is disclosed", func(t *testing.T, w *world) {
		w.enable("mobile", "1")
		w.say("Wherefore art thou, Romeo?")
		w.wants("1: 1 0")
		want := "<iq type='set' to='push-5.client.example' from='example.com'><pubsub xmlns='http://jabber.org/protocol/pubsub'>" +
			"<publish node='1'><item><notification xmlns='urn:xmpp:push:0'><x xmlns='jabber:x:data' type='submit'>" +
			"<field var='FORM_TYPE'><value>urn:xmpp:push:summary</value></field><field var='message-count'><value>1</value></field></x>" +
			"</notification></item></publish></pubsub></iq>"
		if got := w.stanzas[0].String(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
	run(t, "XEP-0357 example 13", func(t *testing.T, w *world) {
		w.Ask("<iq type='set' id='1' from='user@example.com/mobile'><enable xmlns='urn:xmpp:push:0' jid='push-5.client.example' node='" + node + "'>" +
			options + "</enable></iq>")
		w.say("Wherefore art thou, Romeo?")
		synctest.Wait()
		if got, want := w.stanzas[0].String(), "<iq type='set' to='push-5.client.example' from='example.com'>"+example13+"</iq>"; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}, func(s *Server) {
		s.Disclose = func(account jid.JID, d Device, st *stanza.Stanza) Details {
			details := Bodies(account, d, st)
			details.Other = []stanza.Raw{additional}
			return details
		}
	})
	run(t, "the sender, and a body that is cut", func(t *testing.T, w *world) {
		w.enable("mobile", "1")
		w.say("Wherefore")
		w.wants("1: 1 0 juliet@capulet.example/balcony Where")
		time.Sleep(DefaultInterval)
		w.notify(Event{Account: account, Stanza: exttest.Parse(t, "<presence type='subscribe' from='romeo@montague.example'/>")})
		w.wants("1: 1 1 juliet@capulet.example/balcony Where") // that of the last message
		time.Sleep(DefaultInterval)
		w.notify(Event{Account: account, Messages: 12, Requests: 5})
		w.wants("1: 12 5 juliet@capulet.example/balcony Where")
	}, func(s *Server) { s.Disclose, s.MaxBody = Bodies, 5 })
	run(t, "to those that are not connected", func(t *testing.T, w *world) {
		for _, r := range []string{"mobile", "tablet", "desk"} {
			w.enable(r, r)
		}
		w.connect("desk", true)
		w.say("1")
		w.wants("mobile: 1 0", "tablet: 1 0")
		time.Sleep(DefaultInterval)
		w.connect("tablet", true)
		w.say("2")
		w.wants("mobile: 2 0")
		time.Sleep(DefaultInterval)
		w.connect("tablet", false)
		w.say("3")
		w.wants("mobile: 3 0", "tablet: 1 0") // counted since it was there
	})
	run(t, "to one client", func(t *testing.T, w *world) {
		w.enable("mobile", "1")
		w.enable("tablet", "2")
		w.notify(Event{Account: account, Resource: "mobile", Stanza: exttest.Parse(t, copied("received", chat(body)))})
		w.wants("1: 1 0")
		w.notify(Event{Account: account, Resource: "desk", Stanza: exttest.Parse(t, chat(body))})
		w.wants()
	})
	run(t, "not of what warrants none", func(t *testing.T, w *world) {
		w.enable("mobile", "1")
		w.notify(Event{Account: account, Stanza: exttest.Parse(t, chat("<active xmlns='http://jabber.org/protocol/chatstates'/>"))})
		w.wants()
		w.notify(Event{Account: jid.MustParse("other@example.com"), Stanza: exttest.Parse(t, chat(body))})
		w.wants()
		w.notify(Event{Account: account, Stanza: exttest.Parse(t, "<iq type='set' id='1'><jingle xmlns='urn:xmpp:jingle:1' action='session-initiate'/></iq>")})
		w.wants("1: 0 0")
	})
	run(t, "a host that does not know who is connected", func(t *testing.T, w *world) {
		w.srv = &Server{Store: w.store}
		if err := w.srv.Attach(w.Server); err != nil { // of which Do is not called
			t.Fatal(err)
		}
		defer w.srv.Close()
		w.Online = []string{"user@example.com/mobile"}
		w.enable("mobile", "1")
		w.say("1")
		synctest.Wait()
		if len(w.Asked) != 0 {
			t.Errorf("asked %v", w.Asked)
		}
		w.Online = nil
		w.Reply = func(*stanza.Stanza) (string, error) { return "", nil }
		w.say("2")
		synctest.Wait()
		if len(w.Asked) != 1 {
			t.Errorf("asked %v", w.Asked)
		}
	})
}

// TestCoalesce: a device is not told too often, and always of the last.
func TestCoalesce(t *testing.T) {
	run(t, "within the interval", func(t *testing.T, w *world) {
		w.enable("mobile", "1")
		w.say("0")
		w.wants("1: 1 0 juliet@capulet.example/balcony 0")
		for i := range 10 {
			w.say(fmt.Sprint(i + 1))
		}
		time.Sleep(DefaultInterval - 1)
		w.wants()
		time.Sleep(time.Nanosecond)
		w.wants("1: 11 0 juliet@capulet.example/balcony 10")
		w.say("11")
		w.wants()
		time.Sleep(time.Hour)
		w.wants("1: 12 0 juliet@capulet.example/balcony 11")
		w.say("12")
		w.wants("1: 13 0 juliet@capulet.example/balcony 12")
	}, func(s *Server) { s.Disclose = Bodies })
	run(t, "while one is under way", func(t *testing.T, w *world) {
		w.enable("mobile", "1")
		w.answers(func(context.Context, string) error { time.Sleep(20 * time.Second); return nil })
		w.say("1")
		w.wants("1: 1 0")
		w.say("2")
		w.say("3")
		time.Sleep(19 * time.Second)
		w.wants()
		time.Sleep(time.Second + DefaultInterval)
		w.wants("1: 3 0")
	})
	run(t, "without interval", func(t *testing.T, w *world) {
		w.enable("mobile", "1")
		for i := range 3 {
			w.say(fmt.Sprint(i))
			w.wants(fmt.Sprintf("1: %d 0", i+1))
		}
	}, func(s *Server) { s.Interval = -1 })
	run(t, "not more than some at once", func(t *testing.T, w *world) {
		for i := range 7 {
			w.enable("mobile", fmt.Sprint(i))
		}
		under, most := 0, 0
		w.answers(func(context.Context, string) error {
			w.mu.Lock()
			under++
			most = max(most, under)
			w.mu.Unlock()
			time.Sleep(time.Second)
			w.mu.Lock()
			under--
			w.mu.Unlock()
			return nil
		})
		w.say("1")
		time.Sleep(4 * time.Second)
		synctest.Wait()
		if len(w.published) != 7 || most != 2 {
			t.Errorf("published %q, %d at once", w.published, most)
		}
	}, func(s *Server) { s.MaxPublishing = 2 })
}

// TestSeen: what was not told is not told any more when the client is there.
func TestSeen(t *testing.T) {
	run(t, "enabled again", func(t *testing.T, w *world) {
		w.enable("mobile", "1")
		w.say("1")
		w.wants("1: 1 0")
		w.say("2")
		w.enable("mobile", "1")
		time.Sleep(time.Hour)
		w.wants()
		w.say("3")
		w.wants("1: 1 0")
	})
	run(t, "resumed", func(t *testing.T, w *world) {
		w.enable("mobile", "1")
		w.enable("tablet", "2")
		w.say("1")
		w.wants("1: 1 0", "2: 1 0")
		w.say("2")
		if err := w.srv.Seen(t.Context(), mobile); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Hour)
		w.wants("2: 2 0")
	})
	run(t, "connected when its turn comes", func(t *testing.T, w *world) {
		w.enable("mobile", "1")
		w.say("1")
		w.wants("1: 1 0")
		w.say("2")
		w.connect("mobile", true)
		time.Sleep(time.Hour)
		w.wants()
	})
	run(t, "while one is under way", func(t *testing.T, w *world) {
		w.enable("mobile", "1")
		w.answers(func(context.Context, string) error { time.Sleep(time.Second); return nil })
		w.say("1")
		w.wants("1: 1 0")
		w.say("2")
		w.enable("mobile", "1")
		time.Sleep(time.Hour)
		w.wants()
	})
	run(t, "waits for its turn", func(t *testing.T, w *world) {
		w.enable("mobile", "1")
		w.enable("tablet", "2")
		w.answers(func(context.Context, string) error { time.Sleep(time.Second); return nil })
		w.say("1")
		w.wants("1: 1 0")
		w.enable("tablet", "2")
		time.Sleep(time.Hour)
		w.wants()
	}, func(s *Server) { s.MaxPublishing = 1 })
}

// TestErrors: who says that there is no such device is not asked again; who is not
// there, some times.
func TestErrors(t *testing.T) {
	run(t, "final", func(t *testing.T, w *world) {
		w.enable("mobile", "1")
		w.enable("tablet", "2")
		w.answers(func(_ context.Context, node string) error {
			if node == "1" {
				return stanza.NewError(stanza.ItemNotFound, "")
			}
			return nil
		})
		w.say("1")
		w.wants("1: 1 0", "2: 1 0")
		if got := w.store.nodes(); !slices.Equal(got, []string{"2"}) {
			t.Errorf("stored are %q", got)
		}
		time.Sleep(time.Hour)
		w.say("2")
		w.wants("2: 2 0")
	})
	run(t, "transient", func(t *testing.T, w *world) {
		w.enable("mobile", "1")
		w.answers(func(context.Context, string) error { return stanza.NewError(stanza.ServiceUnavailable, "") })
		w.say("1")
		w.wants("1: 1 0")
		w.say("2") // which has to wait too
		w.wants()
		for _, pause := range []time.Duration{time.Minute, 2 * time.Minute, 4 * time.Minute} {
			time.Sleep(pause - 1)
			w.wants()
			time.Sleep(time.Nanosecond)
			w.wants("1: 2 0")
		}
		w.answers(nil)
		time.Sleep(8 * time.Minute)
		w.wants("1: 2 0")
		time.Sleep(24 * time.Hour)
		w.wants()
		w.answers(func(context.Context, string) error { return xmpp.ErrSessionLost })
		w.say("3")
		w.wants("1: 3 0")
		time.Sleep(time.Minute) // from the beginning
		w.wants("1: 3 0")
	})
	run(t, "the longest pause", func(t *testing.T, w *world) {
		w.enable("mobile", "1")
		w.answers(func(context.Context, string) error { return stanza.NewError(stanza.RemoteServerNotFound, "") })
		w.say("1")
		w.wants("1: 1 0")
		for _, pause := range []time.Duration{time.Minute, 2 * time.Minute, 3 * time.Minute, 3 * time.Minute} {
			time.Sleep(pause - 1)
			w.wants()
			time.Sleep(time.Nanosecond)
			w.wants("1: 1 0")
		}
	}, func(s *Server) { s.MaxRetry = 3 * time.Minute })
	run(t, "a pause that is over when the client comes", func(t *testing.T, w *world) {
		w.enable("mobile", "1")
		w.say("1")
		w.wants("1: 1 0")
		w.say("2") // it waits
		st := w.srv.pub.targets[target{account, app, "1"}]
		w.connect("mobile", true)
		if err := w.srv.Seen(t.Context(), mobile); err != nil {
			t.Fatal(err)
		}
		w.connect("mobile", false)
		w.srv.pub.wake(st) // as a timer does that cannot be stopped any more
		w.wants()
	})
	run(t, "too many", func(t *testing.T, w *world) {
		w.enable("mobile", "1")
		w.answers(func(context.Context, string) error { return stanza.NewError(stanza.RemoteServerNotFound, "") })
		w.say("1")
		start := time.Now()
		for len(w.store.nodes()) > 0 && time.Since(start) < 48*time.Hour {
			time.Sleep(time.Minute)
		}
		synctest.Wait()
		if n := len(w.published); n != DefaultMaxFailures {
			t.Errorf("%d attempts", n)
		}
		if d := time.Since(start); d < 8*time.Hour || d > 16*time.Hour {
			t.Errorf("given up after %s", d)
		}
		w.say("2")
		synctest.Wait()
		if n := len(w.published); n != DefaultMaxFailures {
			t.Errorf("%d attempts", n)
		}
	})
	run(t, "never too many", func(t *testing.T, w *world) {
		w.enable("mobile", "1")
		w.answers(func(context.Context, string) error { return stanza.NewError(stanza.RemoteServerNotFound, "") })
		w.say("1")
		time.Sleep(1000 * time.Hour)
		if len(w.store.nodes()) != 1 {
			t.Error("it was given up")
		}
	}, func(s *Server) { s.MaxFailures = -1 })
	run(t, "no answer", func(t *testing.T, w *world) {
		w.enable("mobile", "1")
		w.answers(func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() })
		w.say("1")
		w.wants("1: 1 0")
		time.Sleep(DefaultTimeout + time.Minute)
		w.wants("1: 1 0")
		if len(w.store.nodes()) != 1 {
			t.Error("it was given up")
		}
	})
	run(t, "enabled again meanwhile", func(t *testing.T, w *world) {
		w.enable("mobile", "1")
		w.answers(func(context.Context, string) error {
			time.Sleep(time.Second)
			return stanza.NewError(stanza.ItemNotFound, "")
		})
		w.say("1")
		w.wants("1: 1 0")
		w.enable("mobile2", "1")
		time.Sleep(time.Second)
		synctest.Wait()
		if len(w.store.nodes()) != 1 {
			t.Error("it was given up")
		}
	})
	run(t, "enabled again meanwhile, the same", func(t *testing.T, w *world) {
		w.enable("mobile", "1")
		w.answers(func(context.Context, string) error {
			time.Sleep(time.Second)
			return stanza.NewError(stanza.ItemNotFound, "")
		})
		w.say("1")
		w.wants("1: 1 0")
		w.enable("mobile", "1") // which is as good as what is stored
		time.Sleep(time.Second)
		synctest.Wait()
		if len(w.store.nodes()) != 1 {
			t.Error("it was given up")
		}
		w.say("2")
		w.wants("1: 1 0")
		time.Sleep(time.Second)
		synctest.Wait()
		if len(w.store.nodes()) != 0 {
			t.Error("the service does not know it, and it is still there")
		}
	})
	run(t, "of the store", func(t *testing.T, w *world) {
		w.enable("mobile", "1")
		w.store.fails(errors.New("disk"))
		w.srv.changed(account) // which is cached
		if err := w.srv.Notify(t.Context(), Event{Account: account, Messages: 1}); err == nil {
			t.Error("no error")
		}
		if err := w.srv.Seen(t.Context(), mobile); err == nil {
			t.Error("no error")
		}
		for _, payload := range []string{"enable", "disable"} {
			iq := "<iq type='set' id='1' from='user@example.com/mobile'><" + payload + " xmlns='urn:xmpp:push:0' jid='a'/></iq>"
			if got := w.Ask(iq); !strings.Contains(got, "internal-server-error") {
				t.Errorf("got %s", got)
			}
		}
		w.store.fails(nil)
		w.say("1")
		w.wants("1: 1 0")
		w.say("2") // and then it fails when its turn comes
		w.store.fails(errors.New("disk"))
		w.srv.changed(account)
		time.Sleep(time.Hour)
		w.wants()
	})
	run(t, "of the store when a device is given up", func(t *testing.T, w *world) {
		w.enable("mobile", "1")
		w.answers(func(context.Context, string) error {
			w.store.fails(errors.New("disk"))
			return stanza.NewError(stanza.ItemNotFound, "")
		})
		w.say("1")
		w.wants("1: 1 0")
		w.store.fails(nil)
		w.say("2")
		w.wants("1: 1 0") // it was forgotten, and is tried again
	})
}

// TestBounds: what is remembered is bounded, and what waits is not forgotten for it.
func TestBounds(t *testing.T) {
	run(t, "targets", func(t *testing.T, w *world) {
		for i := range 4 {
			w.enable("mobile", fmt.Sprint(i))
		}
		w.answers(func(context.Context, string) error { return stanza.NewError(stanza.ServiceUnavailable, "") })
		w.say("1")
		w.wants("0: 1 0", "1: 1 0", "2: 1 0") // there is no room for the last one
		if n := len(w.srv.pub.targets); n != 3 {
			t.Errorf("%d targets", n)
		}
		w.answers(nil)
		time.Sleep(time.Minute)
		w.wants("0: 1 0", "1: 1 0", "2: 1 0")
		time.Sleep(time.Minute)
		other := jid.MustParse("other@example.com")
		w.store.m[other] = Devices{{Registration: Registration{Service: app, Node: "other"}}}
		w.notify(Event{Account: other, Messages: 1})
		w.wants("other: 1 0")
		if n := len(w.srv.pub.targets); n != 3 {
			t.Errorf("%d targets", n)
		}
	}, func(s *Server) { s.MaxTargets = 3 })
	run(t, "probes", func(t *testing.T, w *world) {
		for i := range 2 * maxProbes {
			w.enable("mobile", fmt.Sprint(i))
		}
		w.answers(func(context.Context, string) error { return stanza.NewError(stanza.ServiceUnavailable, "") })
		w.say("1")
		synctest.Wait()
		if n := len(w.published); n != 2*maxProbes-1 {
			t.Errorf("%d were told", n)
		}
	}, func(s *Server) { s.MaxTargets, s.MaxDevices = 2*maxProbes-1, -1 })
	run(t, "accounts", func(t *testing.T, w *world) {
		for range 3 {
			for i := range 3 {
				w.notify(Event{Account: jid.MustParse(fmt.Sprintf("user%d@example.com", i)), Messages: 1})
			}
		}
		if w.srv.cache.Len() != 2 || w.store.reads != 9 {
			t.Errorf("%d accounts, %d reads", w.srv.cache.Len(), w.store.reads)
		}
	}, func(s *Server) { s.MaxAccounts = 2 })
}

// TestCache: what was read before a change does not stay.
func TestCache(t *testing.T) {
	run(t, "reads", func(t *testing.T, w *world) {
		w.enable("mobile", "1")
		before := w.store.reads
		for range 10 {
			w.say("1")
		}
		if w.store.reads > before+1 {
			t.Errorf("%d reads", w.store.reads-before)
		}
	})
	run(t, "a change between", func(t *testing.T, w *world) {
		w.store.between = func() {
			w.store.between = nil
			w.enable("mobile", "1")
		}
		w.say("1") // nothing was there when it was read
		w.wants()
		w.say("2")
		w.wants("1: 1 0")
	})
	run(t, "enabled again, the same", func(t *testing.T, w *world) {
		w.enable("mobile", "1")
		at := w.store.m[account][0].Enabled
		time.Sleep(refresh - 1)
		w.enable("mobile", "1")
		if !w.store.m[account][0].Enabled.Equal(at) {
			t.Error("it was written again")
		}
		time.Sleep(time.Nanosecond)
		w.enable("mobile", "1")
		if got := w.store.m[account][0].Enabled; got.Sub(at) != refresh {
			t.Errorf("enabled at %s, first at %s", got, at)
		}
	})
	run(t, "the account is removed", func(t *testing.T, w *world) {
		w.enable("mobile", "1")
		w.say("1")
		w.wants("1: 1 0")
		w.say("2")
		if err := w.srv.RemoveAccount(t.Context(), account); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Hour)
		w.wants()
		w.say("3")
		w.wants()
	})
}

// TestRevocation: a service ends what goes to it, and nothing else.
func TestRevocation(t *testing.T) {
	run(t, "revoked", func(t *testing.T, w *world) {
		w.enable("mobile", "1")
		w.enable("mobile", "2")
		for _, tt := range []struct {
			from, to, node string
			want           bool
		}{
			{"evil.example", "user@example.com", "1", false},
			{"push-5.client.example/x", "user@example.com", "1", false},
			{"push-5.client.example", "user@example.com", "3", false},
			{"push-5.client.example", "user@example.com/mobile", "1", false},
			{"push-5.client.example", "other@example.com", "1", false},
			{"push-5.client.example", "user@example.com", "1", true},
			{"push-5.client.example", "user@example.com", "1", false}, // it is gone
		} {
			st := exttest.Parse(t, fmt.Sprintf("<message from='%s' to='%s'><pubsub xmlns='http://jabber.org/protocol/pubsub' node='%s'>"+
				"<affiliation jid='user@example.com' affiliation='none'/></pubsub></message>", tt.from, tt.to, tt.node))
			if got, err := w.srv.Revoked(t.Context(), st); got != tt.want || err != nil {
				t.Errorf("%+v: %v, %v", tt, got, err)
			}
		}
		if got := w.store.nodes(); !slices.Equal(got, []string{"2"}) {
			t.Errorf("stored are %q", got)
		}
		w.say("1")
		w.wants("2: 1 0")
	})
}

// TestClose: nothing is left, and nothing begins.
func TestClose(t *testing.T) {
	run(t, "close", func(t *testing.T, w *world) {
		for i := range 3 {
			w.enable("mobile", fmt.Sprint(i))
		}
		w.answers(func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() })
		w.say("1")
		w.wants("0: 1 0", "1: 1 0")
		if err := w.srv.Close(); err != nil {
			t.Error(err)
		}
		w.say("2")
		time.Sleep(time.Hour)
		w.wants()
		if got := w.store.nodes(); len(got) != 3 {
			t.Errorf("stored are %q", got)
		}
	}, func(s *Server) { s.MaxPublishing = 2 })
	run(t, "the server is closed", func(t *testing.T, w *world) {
		w.enable("mobile", "1")
		w.answers(func(context.Context, string) error { return xmpp.ErrClosed })
		w.say("1")
		w.wants("1: 1 0")
		time.Sleep(24 * time.Hour)
		w.wants()
		if len(w.store.nodes()) != 1 {
			t.Error("the device was given up")
		}
	})
}
