package agents

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/disco"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

var (
	icq = Agent{Name: "ICQ Service", URL: "http://denmark/services/icq/", Gateway: true, Transport: "ICQ #",
		Description: "This is the ICQ Service for connecting to ICQ users.", Service: "icq", Register: true, Search: true}
	users = Agent{JID: jid.MustParse("users.denmark"), Name: "Jabber User Directory", Service: "jud", Register: true,
		Search: true}
	aim = Agent{JID: jid.MustParse("aim.denmark"), Name: "AIM Transport", Gateway: true,
		Transport: "AIM/AOL Screen Name", Service: "aim", Register: true}
)

// check reads and writes a payload.
func check[T stanza.Payload](t *testing.T, in string, want T, out string) {
	t.Helper()
	e, err := stanza.Raw(in).Element()
	if err != nil {
		t.Fatal(err)
	}
	var v T
	if err := e.Decode(&v); err != nil || !reflect.DeepEqual(v, want) {
		t.Errorf("%s\ngot  %+v, %v\nwant %+v", in, v, err, want)
	}
	if out == "" {
		out = in
	}
	if b, err := want.AppendXML(nil); err != nil || string(b) != out {
		t.Errorf("written as %s, %v\nwant %s", b, err, out)
	}
}

func TestAgent(t *testing.T) {
	const open = "<query xmlns='jabber:iq:agent'>"
	const out = open + "<name>ICQ Service</name><url>http://denmark/services/icq/</url>" +
		"<description>This is the ICQ Service for connecting to ICQ users.</description><transport>ICQ #</transport>" +
		"<service>icq</service><register/><search/></query>"
	for _, tt := range []struct {
		name, in string
		want     Agent
		out      string
	}{
		{"GUIDE-9-agent-1 a request", "<query xmlns='jabber:iq:agent'/>", Agent{}, ""},
		{"GUIDE-9-agent-2 GUIDE-9-agent-7 GUIDE-9-agent-11 GUIDE-9-agent-12 the guide, example 9-2", open +
			" <name>ICQ Service</name> <url>http://denmark/services/icq/</url> <description> This is the ICQ Service for " +
			"connecting to ICQ users. </description> <transport>ICQ #</transport> <register/> <service>icq</service> " +
			"<search/> </query>", icq, out},
		{"GUIDE-9-agent-2 in an element agent", open + "<agent jid='x'>" + strings.TrimPrefix(strings.TrimSuffix(out,
			"</query>"), open) + "</agent></query>", icq, out},
		{"GUIDE-9-agent-3 an empty transport", open + "<transport/></query>", Agent{Gateway: true}, ""},
		{"GUIDE-9-agent-9 group chat", open + "<groupchat/></query>", Agent{GroupChat: true}, ""},
		{"what is not defined", open + "<x/><name xmlns='urn:x'>x</name><search>?</search></query>", Agent{Search: true},
			open + "<search/></query>"},
	} {
		t.Run(tt.name, func(t *testing.T) { check(t, tt.in, tt.want, tt.out) })
	}
	if b, err := users.AppendXML(nil); err != nil || strings.Contains(string(b), "users.denmark") {
		t.Errorf("written as %s, %v", b, err)
	}
}

func TestList(t *testing.T) {
	const open = "<query xmlns='jabber:iq:agents'>"
	const out = open + "<agent jid='users.denmark'><name>Jabber User Directory</name><service>jud</service><register/>" +
		"<search/></agent><agent jid='aim.denmark'><name>AIM Transport</name><transport>AIM/AOL Screen Name</transport>" +
		"<service>aim</service><register/></agent></query>"
	for _, tt := range []struct {
		name, in string
		want     List
		out      string
	}{
		{"GUIDE-9-agent-4 a request", "<query xmlns='jabber:iq:agents'/>", nil, ""},
		{"GUIDE-9-agent-5 the guide, example 9-2", out, List{users, aim}, ""},
		{"GUIDE-9-agent-5 what is not defined, or no address", open + "<x/><agent/><agent jid='@'/>" +
			"<agent jid=' users.denmark '><y/><search/></agent></query>", List{{JID: users.JID, Search: true}},
			open + "<agent jid='users.denmark'><search/></agent></query>"},
	} {
		t.Run(tt.name, func(t *testing.T) { check(t, tt.in, tt.want, tt.out) })
	}
	if b, err := (List{{Name: "x"}}).AppendXML(nil); !errors.Is(err, stanza.BadRequest) {
		t.Errorf("without an address: %s, %v", b, err)
	}
}

func FuzzAgents(f *testing.F) {
	f.Add("<query xmlns='jabber:iq:agents'><agent jid='a'><name> x&lt;</name><transport/><groupchat/></agent></query>")
	f.Add("<query xmlns='jabber:iq:agent'><agent><url>&#x85; x</url></agent><service>y</service></query>")
	f.Fuzz(func(t *testing.T, src string) {
		e, err := stanza.Raw(src).Element()
		if err != nil {
			return
		}
		roundTrip[Agent](t, e)
		roundTrip[List](t, e)
	})
}

func roundTrip[T stanza.Payload](t *testing.T, e stanza.Element) {
	var v, w T
	if e.Name() != v.XMLName() {
		return
	}
	if err := e.Decode(&v); err != nil {
		t.Fatal(err)
	}
	b, err := v.AppendXML(nil)
	if err != nil {
		t.Fatal(err)
	}
	again, err := stanza.Raw(b).Element()
	if err == nil {
		err = again.Decode(&w)
	}
	if err != nil || !reflect.DeepEqual(v, w) {
		t.Fatalf("%+v was written as %s and read as %+v, %v", v, b, w, err)
	}
}

// TestReq_GUIDE_9_agent_10: GUIDE-9-agent-10, the types of services, as
// identities and back.
func TestReq_GUIDE_9_agent_10(t *testing.T) {
	for _, tt := range []struct {
		a    Agent
		want string // category/type
		back string // the type that it becomes again, "" if the same
	}{
		{Agent{Service: "aim", Gateway: true}, "gateway/aim", ""},
		{Agent{Service: "aim"}, "gateway/aim", ""},
		{Agent{Service: "ICQ"}, "gateway/icq", "icq"},
		{Agent{Service: "msn"}, "gateway/msn", ""},
		{Agent{Service: "yahoo"}, "gateway/yahoo", ""},
		{Agent{Service: "irc"}, "gateway/irc", ""},
		{Agent{Service: "irc", GroupChat: true}, "conference/irc", ""},
		{Agent{Service: "gadu-gadu", Transport: "GG number"}, "gateway/gadu-gadu", ""},
		{Agent{Service: "conference", GroupChat: true}, "conference/text", ""},
		{Agent{Service: "public", GroupChat: true}, "conference/text", "conference"},
		{Agent{Service: "private"}, "conference/text", "conference"},
		{Agent{GroupChat: true}, "conference/text", "conference"},
		{Agent{Service: "jud"}, "directory/user", ""},
		{Agent{Service: "oobproxy"}, "proxy/bytestreams", ""},
		{Agent{Service: "rss"}, "", ""},
		{Agent{Gateway: true}, "", ""},
	} {
		tt.a.Name = "Name"
		id, ok := tt.a.Identity()
		got := strings.TrimPrefix(id.Category+"/"+id.Type, "/")
		if got != tt.want || ok != (tt.want != "") || id.Name != "Name" {
			t.Errorf("%+v is %s, %v", tt.a, got, ok)
		}
		if !ok {
			continue
		}
		if tt.back == "" {
			tt.back = tt.a.Service
		}
		b := FromInfo(users.JID, tt.a.Info())
		if b.Service != tt.back || b.Name != "Name" || b.Gateway != (id.Category == "gateway") ||
			b.GroupChat != (id.Category == "conference") || b.JID != users.JID {
			t.Errorf("%+v comes back as %+v", tt.a, b)
		}
	}
	im := disco.Info{Identities: []disco.Identity{{Category: "server", Type: "im", Name: "x"}}}
	if a := FromInfo(users.JID, im); a != (Agent{JID: users.JID, Name: "x"}) {
		t.Errorf("a server is %+v", a)
	}
}

// TestFlags: the flags are features, and back.
func TestFlags(t *testing.T) {
	for _, tt := range []struct {
		name    string
		a       Agent
		feature string
	}{
		{"GUIDE-9-agent-7 register", Agent{JID: users.JID, Register: true}, "jabber:iq:register"},
		{"GUIDE-9-agent-7 search", Agent{JID: users.JID, Search: true}, "jabber:iq:search"},
		{"GUIDE-9-agent-9 groupchat", Agent{JID: users.JID, GroupChat: true}, "gc-1.0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			info := tt.a.Info()
			if !info.Has(tt.feature) || len(info.Features) != 1 {
				t.Errorf("features: %v", info.Features)
			}
			if a := FromInfo(users.JID, disco.Info{Features: info.Features}); a != tt.a {
				t.Errorf("comes back as %+v", a)
			}
		})
	}
	if a := FromInfo(users.JID, disco.Info{Features: []string{"http://jabber.org/protocol/muc"}}); !a.GroupChat {
		t.Error("GUIDE-9-agent-9 rooms are no group chat")
	}
}

// sender answers requests by their namespace and address, and says which came.
type sender struct {
	t       *testing.T
	mux     xmpp.Mux
	server  bool
	answers map[string]string // "namespace address" to payload, or "!condition"
	asked   []string
	sent    *stanza.Stanza
}

func (*sender) LocalAddr() jid.JID        { return jid.MustParse("denmark") }
func (s *sender) Mux() *xmpp.Mux          { return &s.mux }
func (s *sender) IsServer() bool          { return s.server }
func (*sender) Features(jid.JID) []string { return nil }

func (s *sender) Send(_ context.Context, st *stanza.Stanza) error { s.sent = st; return nil }

func (s *sender) Do(ctx context.Context, iq *stanza.Stanza) (*stanza.Stanza, error) {
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	what := strings.TrimPrefix(iq.Payload().Name().Space, "http://jabber.org/protocol/") + " " + iq.To.String()
	s.asked = append(s.asked, what)
	body, ok := s.answers[what]
	if cond, isErr := strings.CutPrefix(body, "!"); isErr {
		return nil, stanza.Condition(cond)
	}
	if !ok {
		return nil, stanza.FeatureNotImplemented
	}
	return stanza.Parse("<iq type='result' id='1' from='" + iq.To.String() + "'>" + body + "</iq>")
}

func TestGet(t *testing.T) {
	s := &sender{t: t, answers: map[string]string{
		"jabber:iq:agent icq.denmark": "<query xmlns='jabber:iq:agent'><name>ICQ Service</name></query>",
		"jabber:iq:agents denmark":    "<query xmlns='jabber:iq:agents'><agent jid='aim.denmark'/></query>",
	}}
	at := jid.MustParse("icq.denmark")
	a, err := Get(t.Context(), s, at)
	if err != nil || a != (Agent{JID: at, Name: "ICQ Service"}) {
		t.Errorf("GUIDE-9-agent-1: %+v, %v", a, err)
	}
	l, err := GetList(t.Context(), s, jid.MustParse("denmark"))
	if err != nil || len(l) != 1 || l[0].JID != aim.JID {
		t.Errorf("GUIDE-9-agent-4: %+v, %v", l, err)
	}
	if _, err := Get(t.Context(), s, aim.JID); !errors.Is(err, stanza.FeatureNotImplemented) {
		t.Errorf("an error: %v", err)
	}
}

func TestDescribe(t *testing.T) {
	const at = "icq.denmark"
	info := "<query xmlns='" + disco.NSInfo + "'><identity category='gateway' type='icq' name='New'/></query>"
	old := "<query xmlns='jabber:iq:agent'><name>Old</name></query>"
	for _, tt := range []struct {
		name    string
		answers map[string]string
		want    string
		err     error
		asked   int
	}{
		{"GUIDE-9-agent-1 service discovery first", map[string]string{"disco#info " + at: info, "jabber:iq:agent " + at: old},
			"New", nil, 1},
		{"GUIDE-9-agent-1 the old form if that is unknown", map[string]string{"jabber:iq:agent " + at: old}, "Old", nil, 2},
		{"nobody knows", map[string]string{"jabber:iq:agent " + at: "!not-allowed"}, "", stanza.FeatureNotImplemented, 2},
		{"another error", map[string]string{"disco#info " + at: "!remote-server-not-found"}, "",
			stanza.RemoteServerNotFound, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &sender{t: t, answers: tt.answers}
			a, err := Describe(t.Context(), s, jid.MustParse(at))
			if a.Name != tt.want || !errors.Is(err, tt.err) || len(s.asked) != tt.asked {
				t.Errorf("got %+v, %v; asked %q", a, err, s.asked)
			}
		})
	}
}

func TestServices(t *testing.T) {
	items := "<query xmlns='http://jabber.org/protocol/disco#items'><item jid='users.denmark' name='Users'/>" +
		"<item jid='hamlet@denmark'/><item jid='aim.denmark' node='x'/><item jid='aim.denmark' name='AIM'/></query>"
	info := "<query xmlns='http://jabber.org/protocol/disco#info'><identity category='directory' type='user'/>" +
		"<feature var='jabber:iq:search'/></query>"
	list := "<query xmlns='jabber:iq:agents'><agent jid='aim.denmark'><name>Old</name></agent></query>"

	t.Run("GUIDE-9-agent-4 service discovery first", func(t *testing.T) {
		s := &sender{t: t, answers: map[string]string{"disco#items denmark": items, "disco#info users.denmark": info,
			"disco#info aim.denmark": "!remote-server-timeout", "jabber:iq:agents denmark": list}}
		l, err := Services(t.Context(), s, jid.JID{})
		want := List{{JID: users.JID, Name: "Users", Service: "jud", Search: true}, {JID: aim.JID, Name: "AIM"}}
		if err != nil || !slices.Equal(l, want) {
			t.Errorf("got %+v, %v", l, err)
		}
	})
	t.Run("GUIDE-9-agent-4 the old form if that is unknown", func(t *testing.T) {
		s := &sender{t: t, answers: map[string]string{"jabber:iq:agents denmark": list}}
		l, err := Services(t.Context(), s, jid.MustParse("denmark"))
		if err != nil || !slices.Equal(l, List{{JID: aim.JID, Name: "Old"}}) {
			t.Errorf("got %+v, %v", l, err)
		}
	})
	t.Run("errors", func(t *testing.T) {
		s := &sender{t: t}
		if _, err := Services(t.Context(), s, jid.JID{}); !errors.Is(err, stanza.FeatureNotImplemented) {
			t.Errorf("nobody knows: %v", err)
		}
		s.answers = map[string]string{"disco#items denmark": "!forbidden"}
		if _, err := Services(t.Context(), s, jid.JID{}); !errors.Is(err, stanza.Forbidden) || len(s.asked) != 3 {
			t.Errorf("another error: %v", err)
		}
	})
	t.Run("canceled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := &canceler{&sender{t: t, answers: map[string]string{"disco#items denmark": items}}, cancel}
		if _, err := Services(ctx, s, jid.JID{}); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("not too many", func(t *testing.T) {
		var b strings.Builder
		for i := range 2 * MaxServices {
			fmt.Fprintf(&b, "<item jid='s%d.denmark'/>", i)
		}
		s := &sender{t: t, answers: map[string]string{"disco#items denmark": "<query xmlns='" + disco.NSItems + "'>" +
			b.String() + "</query>"}}
		if l, err := Services(t.Context(), s, jid.JID{}); err != nil || len(l) != MaxServices {
			t.Errorf("%d services, %v", len(l), err)
		}
	})
}

// canceler cancels the context behind the first answer.
type canceler struct {
	*sender
	cancel context.CancelFunc
}

func (c *canceler) Do(ctx context.Context, iq *stanza.Stanza) (*stanza.Stanza, error) {
	defer c.cancel()
	return c.sender.Do(ctx, iq)
}

// ask hands an iq to the handlers and returns the answer.
func (s *sender) ask(typ, ns, to string) string {
	s.t.Helper()
	if to != "" {
		to = " to='" + to + "'"
	}
	st, err := stanza.Parse("<iq type='" + typ + "' id='1' from='hamlet@denmark/x'" + to + ">" +
		"<query xmlns='" + ns + "'/></iq>")
	if err == nil {
		err = s.mux.HandleXMPP(s.t.Context(), s, st)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return s.sent.String()
}

func TestExtension(t *testing.T) {
	list := func() []Agent { return []Agent{users, {Name: "nowhere"}, aim} }
	e := &Extension{Self: Agent{Name: "Denmark", URL: "http://denmark/", Description: "A server."},
		Services: ListerFunc(list)}
	s := &sender{t: t, server: true}
	if err := e.Attach(s); err != nil {
		t.Fatal(err)
	}
	if e.Attach(s) == nil {
		t.Error("attached twice")
	}
	for _, tt := range []struct{ name, typ, ns, to, want string }{
		{"GUIDE-9-agent-1 GUIDE-9-agent-11 GUIDE-9-agent-12 itself", "get", NSSelf, "denmark", "<name>Denmark</name>" +
			"<url>http://denmark/</url><description>A server.</description></query>"},
		{"GUIDE-9-agent-4 GUIDE-9-agent-5 its services", "get", NS, "denmark", "<query xmlns='jabber:iq:agents'>" +
			"<agent jid='users.denmark'><name>Jabber User Directory</name><service>jud</service><register/><search/></agent>" +
			"<agent jid='aim.denmark'><name>AIM Transport</name><transport>AIM/AOL Screen Name</transport>"},
		{"GUIDE-9-agent-4 without to", "get", NS, "", "<agent jid='users.denmark'>"},
		{"GUIDE-9-agent-4 the own account", "get", NS, "hamlet@denmark", "<agent jid='users.denmark'>"},
		{"another account", "get", NS, "ophelia@denmark", "<service-unavailable"},
		{"another account itself", "get", NSSelf, "ophelia@denmark", "<service-unavailable"},
		{"set", "set", NS, "denmark", "<bad-request"},
		{"set itself", "set", NSSelf, "denmark", "<bad-request"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := s.ask(tt.typ, tt.ns, tt.to); !strings.Contains(got, tt.want) {
				t.Errorf("got %s", got)
			}
		})
	}
	t.Run("not too many", func(t *testing.T) {
		e.MaxAgents = 1
		if got := s.ask("get", NS, "denmark"); strings.Contains(got, "aim.denmark") || !strings.Contains(got, "users") {
			t.Errorf("got %s", got)
		}
	})
	t.Run("GUIDE-9-agent-1 the same as service discovery says, for a service", func(t *testing.T) {
		e := &Extension{Self: Agent{Transport: "ICQ #"}, Info: func(at jid.JID) disco.Info {
			return disco.Info{Identities: []disco.Identity{{Category: "gateway", Type: "icq", Name: "ICQ at " + at.String()}},
				Features: []string{"jabber:iq:register"}}
		}}
		s := &sender{t: t}
		if err := e.Attach(s); err != nil {
			t.Fatal(err)
		}
		want := "<query xmlns='jabber:iq:agent'><name>ICQ at denmark</name><transport>ICQ #</transport>" +
			"<service>icq</service><register/></query>"
		if got := s.ask("get", NSSelf, ""); !strings.Contains(got, want) {
			t.Errorf("got %s", got)
		}
		if got := s.ask("get", NS, "denmark"); !strings.Contains(got, "<query xmlns='jabber:iq:agents'/>") {
			t.Errorf("got %s", got)
		}
	})
	if f := e.Features(jid.MustParse("denmark")); !slices.Equal(f, []string{NSSelf, NS}) {
		t.Error(f)
	}
	if f := e.Features(jid.MustParse("hamlet@denmark")); f != nil {
		t.Error(f)
	}
}
