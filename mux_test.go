package xmpp

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// recorder is a Sender that keeps what is sent, and answers with reply.
type recorder struct {
	mu    sync.Mutex
	sent  []*stanza.Stanza
	err   error // of Send
	reply func(*stanza.Stanza) (*stanza.Stanza, error)
}

func (r *recorder) LocalAddr() jid.JID { return jid.MustParse("me@example.org") }

func (r *recorder) Send(ctx context.Context, st *stanza.Stanza) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if r.err != nil {
		return r.err
	}
	r.sent = append(r.sent, st)
	return nil
}

func (r *recorder) Do(_ context.Context, iq *stanza.Stanza) (*stanza.Stanza, error) {
	return r.reply(iq)
}

// take returns what was sent since the last time.
func (r *recorder) take() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var b strings.Builder
	for _, st := range r.sent {
		b.WriteString(st.String())
	}
	r.sent = nil
	return b.String()
}

func parse(t testing.TB, src string) *stanza.Stanza {
	t.Helper()
	st, err := stanza.Parse(src)
	if err != nil {
		t.Fatalf("%s: %v", src, err)
	}
	return st
}

// errorIQ is the error reply to an iq with the id 1 from a@b.
func errorIQ(code int, typ, cond, rest string) string {
	return fmt.Sprintf("<iq type='error' id='1' to='a@b'><error code='%d' type='%s'><%s xmlns='%s'/>%s</error></iq>", code, typ, cond, stanza.NSStanzas, rest)
}

var ctx = context.Background()

func TestMuxRequests(t *testing.T) {
	var called string
	handler := func(name string) Handler {
		return HandlerFunc(func(context.Context, Sender, *stanza.Stanza) error {
			called += name
			return nil
		})
	}
	a := xml.Name{Space: "urn:a", Local: "a"}
	get, set := []stanza.Type{stanza.TypeGet}, []stanza.Type{stanza.TypeSet}
	const request = "<iq type='get' id='1' from='a@b'><a xmlns='urn:a'/></iq>"
	for _, tt := range []struct {
		name     string
		patterns []Pattern // their handlers are named 0, 1, ...
		in       string
		want     string // the handler, or the reply
	}{
		{"no handler", nil, request, errorIQ(503, "cancel", "service-unavailable", "")},
		{"no handler for it", []Pattern{
			{Kind: stanza.KindMessage},
			{Kind: stanza.KindIQ, Types: set},
			{Kind: stanza.KindIQ, Payload: xml.Name{Space: "urn:b", Local: "a"}},
			{Kind: stanza.KindIQ, Payload: xml.Name{Space: "urn:a", Local: "b"}},
			{Kind: stanza.KindIQ, Payload: xml.Name{Space: "urn:b"}},
			{Payload: xml.Name{Local: "b"}},
			{Types: []stanza.Type{stanza.TypeResult, stanza.TypeError}},
			{Types: []stanza.Type{}},
		}, request, errorIQ(503, "cancel", "service-unavailable", "")},
		{"later among equals", []Pattern{{Payload: a}, {Payload: a}}, request, "1"},
		{"the zero Pattern", []Pattern{{}}, request, "0"},
		{"kind over nothing", []Pattern{{Kind: stanza.KindIQ}, {}}, request, "0"},
		{"type over kind", []Pattern{{Types: get}, {Kind: stanza.KindIQ}}, request, "0"},
		{"kind and type over type", []Pattern{{Kind: stanza.KindIQ, Types: get}, {Types: get}}, request, "0"},
		{"payload over type", []Pattern{{Payload: xml.Name{Local: "a"}}, {Kind: stanza.KindIQ, Types: get}}, request, "0"},
		{"namespace only", []Pattern{{Payload: xml.Name{Space: "urn:a"}}, {Kind: stanza.KindIQ}}, request, "0"},
		{"full name over a part", []Pattern{{Payload: a}, {Kind: stanza.KindIQ, Types: get, Payload: xml.Name{Space: "urn:a"}}}, request, "0"},
		{"payload and type over payload", []Pattern{{Payload: a, Types: get}, {Kind: stanza.KindIQ, Payload: a}}, request, "0"},
		{"not for another type", []Pattern{{Payload: a}, {Payload: a, Types: set}}, request, "0"},
		{"set", []Pattern{{Payload: a, Types: get}, {Payload: a, Types: set}}, "<iq type='set' id='1'><a xmlns='urn:a'/></iq>", "1"},
		{"two children", []Pattern{{}}, "<iq type='get' id='1' from='a@b'><a xmlns='urn:a'/><b xmlns='urn:b'/></iq>", errorIQ(400, "modify", "bad-request", "")},
		{"many children", []Pattern{{}}, "<iq type='get' id='1' from='a@b'>" + strings.Repeat("<a xmlns='urn:a'/>", 20) + "</iq>", errorIQ(400, "modify", "bad-request", "")},
		{"no child", []Pattern{{}}, "<iq type='get' id='1' from='a@b'/>", errorIQ(400, "modify", "bad-request", "")},
		{"CORE-6.5.2-1 no type", []Pattern{{}, {Kind: stanza.KindIQ}}, "<iq id='1' from='a@b'><a xmlns='urn:a'/></iq>", errorIQ(400, "modify", "bad-request", "")},
		{"CORE-6.5.2-1 unknown type", []Pattern{{}}, "<iq type='GET' id='1' from='a@b'><a xmlns='urn:a'/></iq>", errorIQ(400, "modify", "bad-request", "")},
		{"unknown type that is listed", []Pattern{{Types: []stanza.Type{"GET"}}}, "<iq type='GET' id='1'><a xmlns='urn:a'/></iq>", "0"},
		{"a result that nobody waits for", []Pattern{{}, {Kind: stanza.KindIQ}, {Payload: a}}, "<iq type='result' id='1' from='a@b'><a xmlns='urn:a'/></iq>", ""},
		{"an error that nobody waits for", []Pattern{{}, {Kind: stanza.KindIQ}}, "<iq type='error' id='1' from='a@b'/>", ""},
		{"a result that is listed", []Pattern{{Types: []stanza.Type{stanza.TypeResult}}}, "<iq type='result' id='1'><a xmlns='urn:a'/></iq>", "0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var m Mux
			var s recorder
			for i, p := range tt.patterns {
				m.Handle(p, handler(fmt.Sprint(i)))
			}
			called = ""
			if err := m.HandleXMPP(ctx, &s, parse(t, tt.in)); err != nil {
				t.Fatal(err)
			}
			if got := called + s.take(); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestMuxOthers(t *testing.T) {
	patterns := []Pattern{
		0: {},
		1: {Kind: stanza.KindMessage},
		2: {Kind: stanza.KindPresence},
		3: {Kind: stanza.KindMessage, Types: []stanza.Type{stanza.TypeNormal}},
		4: {Payload: xml.Name{Space: "urn:a", Local: "a"}},
		5: {Payload: xml.Name{Space: "urn:b"}},
		6: {Types: []stanza.Type{stanza.TypeError}},
		7: {Kind: stanza.KindPresence, Types: []stanza.Type{"invisible"}},
		8: {Payload: xml.Name{Space: stanza.NSClient, Local: "body"}},
	}
	var m Mux
	var called string
	for i, p := range patterns {
		m.Handle(p, HandlerFunc(func(context.Context, Sender, *stanza.Stanza) error {
			called += fmt.Sprint(i)
			return nil
		}))
	}
	const badPresence = "<presence type='error' id='1' to='a@b'><error code='400' type='modify'><bad-request xmlns='" + stanza.NSStanzas + "'/></error></presence>"
	for _, tt := range []struct{ in, want string }{
		{"<message/>", "013"},
		{"<message type='chat'/>", "01"},
		{"<message type='foo'/>", "013"},
		{"<message><body/><b xmlns='urn:b'/><x xmlns='urn:x'/><a xmlns='urn:a'/></message>", "013458"},
		{"<message>" + strings.Repeat("<x xmlns='urn:x'/>", 20) + "<a xmlns='urn:a'/></message>", "0134"},
		{"<message type='error'><body/></message>", "6"},
		{"<presence/>", "02"},
		{"<presence type='subscribe'/>", "02"},
		{"<presence type='error'/>", "6"},
		{"<presence type='invisible'/>", "7"},
		{"<presence type='suscribe' id='1' from='a@b'/>", badPresence}, // R6121-4.7.1-1
	} {
		called = ""
		var s recorder
		if err := m.HandleXMPP(ctx, &s, parse(t, tt.in)); err != nil {
			t.Error(err)
		}
		if got := called + s.take(); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.in, got, tt.want)
		}
	}
}

// Types belong to the Mux once they are handed over.
func TestMuxKeepsTypes(t *testing.T) {
	var m Mux
	types := []stanza.Type{stanza.TypeGet}
	m.Handle(Pattern{Types: types}, HandlerFunc(func(context.Context, Sender, *stanza.Stanza) error { return nil }))
	types[0] = stanza.TypeSet
	var s recorder
	if err := m.HandleXMPP(ctx, &s, parse(t, "<iq type='get'><a xmlns='urn:a'/></iq>")); err != nil || s.take() != "" {
		t.Error("the pattern has changed")
	}
}

// Whatever a handler of an iq does wrong, there is one reply.
func TestMuxErrors(t *testing.T) {
	secret := errors.New("secret")
	const request = "<iq type='set' id='1' from='a@b'><a xmlns='urn:a'/></iq>"
	for _, tt := range []struct {
		name string
		fn   func() error
		want string
		log  error // what HandleXMPP returns
	}{
		{"condition", func() error { return stanza.Forbidden }, errorIQ(403, "auth", "forbidden", ""), nil},
		{"wrapped condition", func() error { return fmt.Errorf("x: %w", stanza.Forbidden) }, errorIQ(403, "auth", "forbidden", ""), nil},
		{"error", func() error { return stanza.NewError(stanza.Conflict, "x") }, errorIQ(409, "cancel", "conflict", "<text xmlns='"+stanza.NSStanzas+"'>x</text>"), nil},
		{"joined", func() error { return errors.Join(secret, stanza.Conflict) }, errorIQ(409, "cancel", "conflict", ""), nil},
		{"other error", func() error { return secret }, errorIQ(500, "wait", "internal-server-error", ""), secret},
		{"panic", func() error { panic(secret) }, errorIQ(500, "wait", "internal-server-error", ""), &PanicError{}},
		{"panic with a condition", func() error { panic(stanza.Conflict) }, errorIQ(500, "wait", "internal-server-error", ""), &PanicError{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var m Mux
			var s recorder
			m.Handle(Pattern{}, HandlerFunc(func(context.Context, Sender, *stanza.Stanza) error { return tt.fn() }))
			err := m.HandleXMPP(ctx, &s, parse(t, request))
			if got := s.take(); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			p, panicked := errors.AsType[*PanicError](err)
			if _, want := tt.log.(*PanicError); want {
				if !panicked || p.Value == nil || !strings.Contains(string(p.Stack), "mux_test.go") || !strings.HasPrefix(err.Error(), "xmpp: handler panic: ") {
					t.Errorf("returned %v", err)
				}
			} else if !errors.Is(err, tt.log) {
				t.Errorf("returned %v, want %v", err, tt.log)
			}

			// The time being over does not keep the reply back.
			over, cancel := context.WithCancel(ctx)
			cancel()
			m.HandleXMPP(over, &s, parse(t, request))
			if got := s.take(); got != tt.want {
				t.Errorf("with ctx done: got %s", got)
			}

			// Nor does it disturb anybody if it cannot be sent.
			s.err = ErrNotConnected
			if err := m.HandleXMPP(ctx, &s, parse(t, request)); !errors.Is(err, ErrNotConnected) {
				t.Errorf("not connected: %v", err)
			}

			// A message gets no reply, and the other handlers still get it.
			s.err = nil
			others := 0
			m.Handle(Pattern{}, HandlerFunc(func(context.Context, Sender, *stanza.Stanza) error { others++; return nil }))
			if err := m.HandleXMPP(ctx, &s, parse(t, "<message/>")); err == nil || others != 1 || s.take() != "" {
				t.Errorf("message: %v, %d other handlers", err, others)
			}
		})
	}
}

func TestMuxNoErrorCodes(t *testing.T) {
	m := Mux{NoErrorCodes: true}
	var s recorder
	e := stanza.NewError(stanza.Conflict, "")
	m.Handle(Pattern{Types: []stanza.Type{stanza.TypeSet}}, HandlerFunc(func(context.Context, Sender, *stanza.Stanza) error { return e }))
	for in, cond := range map[string]string{
		"<iq type='get' id='1'><a xmlns='urn:a'/></iq>": "service-unavailable",
		"<iq type='set' id='1'><a xmlns='urn:a'/></iq>": "conflict",
	} {
		if err := m.HandleXMPP(ctx, &s, parse(t, in)); err != nil {
			t.Fatal(err)
		}
		if got, want := s.take(), "<iq type='error' id='1'><error type='cancel'><"+cond+" xmlns='"+stanza.NSStanzas+"'/></error></iq>"; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	if e.Code != 0 {
		t.Error("the handler's error has changed")
	}
}

// Handlers may be added while stanzas are handled, also by handlers.
func TestMuxConcurrent(t *testing.T) {
	var m Mux
	const n = 50
	var wg sync.WaitGroup
	st := parse(t, "<iq type='get' id='1'><a xmlns='urn:a'/></iq>")
	var mu sync.Mutex
	replies := 0
	for i := range n {
		wg.Go(func() {
			m.Handle(Pattern{Kind: stanza.KindIQ, Payload: xml.Name{Space: "urn:a"}}, HandlerFunc(func(ctx context.Context, s Sender, st *stanza.Stanza) error {
				m.Handle(Pattern{Kind: stanza.KindMessage}, HandlerFunc(func(context.Context, Sender, *stanza.Stanza) error { return nil }))
				reply, err := st.Reply()
				if err != nil {
					return err
				}
				return s.Send(ctx, reply)
			}))
		})
		wg.Go(func() {
			var s recorder
			if err := m.HandleXMPP(ctx, &s, st); err != nil {
				t.Error(err)
			}
			if err := m.HandleXMPP(ctx, &s, parse(t, fmt.Sprintf("<message id='%d'/>", i))); err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			replies += len(s.sent)
		})
	}
	wg.Wait()
	if replies != n {
		t.Errorf("%d replies to %d requests", replies, n)
	}
	messages := 0
	for _, r := range m.list() {
		if r.Kind == stanza.KindMessage {
			messages++
		}
	}
	if len(m.list()) != n+messages || messages > n {
		t.Errorf("%d handlers, %d for messages", len(m.list()), messages)
	}
}

type ping struct{}

func (ping) XMLName() xml.Name { return xml.Name{Space: "urn:xmpp:ping", Local: "ping"} }
func (ping) AppendXML(dst []byte) ([]byte, error) {
	return append(dst, "<ping xmlns='urn:xmpp:ping'/>"...), nil
}

// nick reads itself, but not everything.
type nick struct{ Name string }

func (*nick) XMLName() xml.Name { return xml.Name{Space: "urn:nick", Local: "nick"} }
func (n *nick) AppendXML(dst []byte) ([]byte, error) {
	return append(stanza.AppendText(append(dst, "<nick xmlns='urn:nick'>"...), n.Name), "</nick>"...), nil
}
func (n *nick) ParseXML(e stanza.Element) error {
	switch n.Name = e.Text(); n.Name {
	case "":
		return errors.New("no name")
	case "admin":
		return fmt.Errorf("name: %w", stanza.NotAcceptable)
	}
	return nil
}

type version struct {
	XMLName xml.Name `xml:"jabber:iq:version query"`
	Major   int      `xml:"major,omitempty"`
}

func TestHandleIQ(t *testing.T) {
	var m Mux
	var s recorder
	HandleIQ(&m, stanza.TypeGet, func(_ context.Context, r Request[ping]) (any, error) { return nil, nil })
	HandleIQ(&m, stanza.TypeSet, func(_ context.Context, r Request[nick]) (any, error) {
		switch r.Payload.Name {
		case "taken":
			return nil, stanza.NewError(stanza.Conflict, "taken")
		case "broken":
			return stanza.Raw("<"), nil
		case "nil":
			return (*nick)(nil), nil
		}
		return &nick{r.Payload.Name + " of " + r.From.Bare().String()}, nil
	})
	HandleIQ(&m, stanza.TypeGet, func(_ context.Context, r Request[*nick]) (any, error) {
		return r.Payload, r.Sender.Send(ctx, r.Stanza)
	})
	HandleIQ(&m, stanza.TypeGet, func(_ context.Context, r Request[*version]) (any, error) {
		return version{Major: r.Payload.Major + 1}, nil
	})
	HandleIQ(&m, stanza.TypeSet, func(_ context.Context, r Request[version]) (any, error) { return r.Payload, nil })
	HandleIQ(&m, stanza.TypeSet, func(_ context.Context, r Request[stanza.Element]) (any, error) { return r.Payload, nil })

	const version = "<query xmlns='jabber:iq:version'><major>%s</major></query>"
	result := func(payload string) string {
		if payload == "" {
			return "<iq type='result' id='1' to='a@b'/>"
		}
		return "<iq type='result' id='1' to='a@b'>" + payload + "</iq>"
	}
	for _, tt := range []struct{ typ, payload, want string }{
		{"get", "<ping xmlns='urn:xmpp:ping'/>", result("")},
		{"set", "<nick xmlns='urn:nick'>n</nick>", result("<nick xmlns='urn:nick'>n of a@b</nick>")},
		{"set", "<nick xmlns='urn:nick'>nil</nick>", result("")},
		{"set", "<nick xmlns='urn:nick'>taken</nick>", errorIQ(409, "cancel", "conflict", "<text xmlns='"+stanza.NSStanzas+"'>taken</text>")},
		{"set", "<nick xmlns='urn:nick'/>", errorIQ(400, "modify", "bad-request", "<text xmlns='"+stanza.NSStanzas+"'>payload: no name</text>")},
		{"set", "<nick xmlns='urn:nick'>admin</nick>", errorIQ(406, "modify", "not-acceptable", "")},
		{"get", "<nick xmlns='urn:nick'>n</nick>", "<iq type='get' id='1' from='a@b'><nick xmlns='urn:nick'>n</nick></iq>" + result("<nick xmlns='urn:nick'>n</nick>")},
		{"get", fmt.Sprintf(version, "1"), result(`<query xmlns="jabber:iq:version"><major>2</major></query>`)},
		{"set", fmt.Sprintf(version, "1"), result(`<query xmlns="jabber:iq:version"><major>1</major></query>`)},
		{"set", fmt.Sprintf(version, "x"), errorIQ(400, "modify", "bad-request", "<text xmlns='"+stanza.NSStanzas+"'>payload: strconv.ParseInt: parsing &quot;x&quot;: invalid syntax</text>")},
		{"set", "<z xmlns='urn:z'/>", result("<z xmlns='urn:z'/>")},
		{"get", "<z xmlns='urn:z'/>", errorIQ(503, "cancel", "service-unavailable", "")},
	} {
		in := "<iq type='" + tt.typ + "' id='1' from='a@b'>" + tt.payload + "</iq>"
		if err := m.HandleXMPP(ctx, &s, parse(t, in)); err != nil {
			t.Errorf("%s: %v", in, err)
		}
		if got := strings.ReplaceAll(s.take(), "&quot;", `"`); got != strings.ReplaceAll(tt.want, "&quot;", `"`) {
			t.Errorf("%s\n got %s\nwant %s", in, got, tt.want)
		}
	}

	// A result that cannot be written is an error of this side.
	err := m.HandleXMPP(ctx, &s, parse(t, "<iq type='set' id='1' from='a@b'><nick xmlns='urn:nick'>broken</nick></iq>"))
	if got := s.take(); err == nil || got != errorIQ(500, "wait", "internal-server-error", "") {
		t.Errorf("broken result: %v, %s", err, got)
	}
	// One that comes too late is sent all the same.
	over, cancel := context.WithCancel(ctx)
	cancel()
	if err := m.HandleXMPP(over, &s, parse(t, "<iq type='get' id='1' from='a@b'><ping xmlns='urn:xmpp:ping'/></iq>")); err != nil || s.take() != result("") {
		t.Errorf("with ctx done: %v", err)
	}
}

func TestHandleOthers(t *testing.T) {
	var m Mux
	var got []string
	note := func(name string) { got = append(got, name) }
	HandleMessage(&m, func(_ context.Context, _ Sender, msg *stanza.Message, p nick) error {
		note("nick " + p.Name + " " + msg.Body)
		return nil
	})
	HandleMessage(&m, func(_ context.Context, _ Sender, msg *stanza.Message, p *version) error {
		note(fmt.Sprint("version ", p.Major))
		return nil
	})
	HandlePresence(&m, func(_ context.Context, _ Sender, p *stanza.Presence, n *nick) error {
		note("presence " + n.Name + " " + p.Status)
		return nil
	})
	// Any presence will do, but only with a payload of some kind.
	HandlePresence(&m, func(_ context.Context, _ Sender, _ *stanza.Presence, e stanza.Element) error {
		note("first " + e.Name().Local)
		return nil
	})
	m.OnMessage(func(_ context.Context, _ Sender, msg *stanza.Message) error {
		note("body " + msg.Body)
		return nil
	})
	m.OnPresence(func(_ context.Context, _ Sender, p *stanza.Presence) error {
		note("presence " + string(p.Type))
		return nil
	})
	m.OnError(func(_ context.Context, _ Sender, st *stanza.Stanza, err *stanza.Error) error {
		note(st.Kind.String() + " " + err.Error())
		return err
	})
	for _, tt := range []struct {
		in, want string
		err      bool
	}{
		{"<message><body>b</body><nick xmlns='urn:nick'>n</nick><query xmlns='jabber:iq:version'><major>3</major></query></message>", "nick n b,version 3,body b", false},
		{"<message><body>b</body><nick xmlns='urn:nick'/></message>", "body b", true},
		{"<message><nick xmlns='urn:nick'>n</nick></message>", "nick n ", false},
		{"<message><subject>s</subject></message>", "", false},
		{"<message><body/></message>", "", false},
		{"<message xml:lang='de'><body xml:lang='en'>e</body></message>", "body e", false},
		{"<message type='error'><body>b</body><error code='404'/></message>", "message item-not-found: Not Found", true},
		{"<presence type='error'/>", "presence undefined-condition", true},
		{"<presence><status>s</status><nick xmlns='urn:nick'>n</nick></presence>", "presence n s,first status,presence ", false},
		{"<presence type='unavailable'/>", "presence unavailable", false},
		{"<iq type='result'/>", "", false},
	} {
		got = nil
		var s recorder
		err := m.HandleXMPP(ctx, &s, parse(t, tt.in))
		if (err != nil) != tt.err {
			t.Errorf("%s: %v", tt.in, err)
		}
		if g := strings.Join(got, ","); g != tt.want || s.take() != "" {
			t.Errorf("%s: got %q, want %q", tt.in, g, tt.want)
		}
	}
}

// TestReq_IM21_2_1_1_2: an error is told as one, with its nature in words, and is no
// message to be read.
func TestReq_IM21_2_1_1_2(t *testing.T) {
	var m Mux
	m.OnMessage(func(_ context.Context, _ Sender, msg *stanza.Message) error {
		t.Errorf("told as a message: %+v", msg)
		return nil
	})
	var told []string
	m.OnError(func(_ context.Context, _ Sender, st *stanza.Stanza, err *stanza.Error) error {
		told = append(told, st.From.String()+" "+string(err.Condition)+" "+err.Text)
		return nil
	})
	for _, in := range []string{
		"<message type='error' from='a@b'><body>hi</body><error code='404'>Nobody of this name</error></message>",
		"<message type='error' from='a@b'><body>hi</body><error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>" +
			"<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>Nobody of this name</text></error></message>",
	} {
		told = nil
		if err := m.HandleXMPP(ctx, &recorder{}, parse(t, in)); err != nil || len(told) != 1 || told[0] != "a@b item-not-found Nobody of this name" {
			t.Errorf("IM21-2.1.1-2 %s: told %q, %v", in, told, err)
		}
	}
}

func TestCall(t *testing.T) {
	to := jid.MustParse("example.org")
	var sent string
	s := &recorder{}
	answer := func(reply string, err error) {
		s.reply = func(iq *stanza.Stanza) (*stanza.Stanza, error) {
			sent = iq.String()
			if err != nil {
				return nil, err
			}
			return parse(t, reply), nil
		}
	}
	answer("<iq type='result'><query xmlns='jabber:iq:version'><major>7</major></query></iq>", nil)
	v, err := Call[version](ctx, s, stanza.TypeGet, to, version{})
	if err != nil || v.Major != 7 || sent != `<iq type='get' to='example.org'><query xmlns="jabber:iq:version"></query></iq>` {
		t.Errorf("%+v, %v, %s", v, err, sent)
	}
	p, err := Call[*version](ctx, s, stanza.TypeSet, jid.JID{}, ping{})
	if err != nil || p.Major != 7 || sent != `<iq type='set'><ping xmlns='urn:xmpp:ping'/></iq>` {
		t.Errorf("%+v, %v, %s", p, err, sent)
	}
	answer("<iq type='result'/>", nil)
	if v, err := Call[version](ctx, s, stanza.TypeSet, to, nil); err != nil || v != (version{}) || sent != "<iq type='set' to='example.org'/>" {
		t.Errorf("empty result: %+v, %v, %s", v, err, sent)
	}
	answer("<iq type='result'><query xmlns='jabber:iq:version'><major>x</major></query></iq>", nil)
	if _, err := Call[version](ctx, s, stanza.TypeGet, to, nil); err == nil {
		t.Error("a malformed result was accepted")
	}
	answer("<iq type='result'><error code='406'/></iq>", nil)
	if _, err := Call[version](ctx, s, stanza.TypeGet, to, nil); !errors.Is(err, stanza.NotAcceptable) {
		t.Errorf("IM-3-4: %v", err)
	}
	answer("", ErrSessionLost)
	if _, err := Call[version](ctx, s, stanza.TypeGet, to, nil); err != ErrSessionLost {
		t.Errorf("lost: %v", err)
	}
	sent = ""
	if _, err := Call[version](ctx, s, stanza.TypeGet, to, stanza.Raw("<")); err == nil || sent != "" {
		t.Errorf("broken request: %v, %s", err, sent)
	}
}

func TestSend(t *testing.T) {
	s := &recorder{}
	for _, m := range []interface {
		Stanza() (*stanza.Stanza, error)
	}{
		&stanza.Message{Body: "b"}, &stanza.Presence{}, &stanza.IQ{Type: stanza.TypeResult}, parse(t, "<message/>"),
	} {
		if err := Send(ctx, s, m); err != nil {
			t.Error(err)
		}
	}
	if got, want := s.take(), "<message><body>b</body></message><presence/><iq type='result'/><message/>"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if err := Send(ctx, s, &stanza.Message{Payloads: []any{stanza.Raw("<")}}); err == nil || s.take() != "" {
		t.Error("a broken message was sent")
	}
}

func TestSafeToRetry(t *testing.T) {
	for err, want := range map[error]bool{
		ErrNotConnected:                         true,
		fmt.Errorf("dial: %w", ErrNotConnected): true,
		ErrSessionLost:                          false,
		ErrClosed:                               false,
		ErrNotRequest:                           false,
		stanza.Conflict:                         false,
		context.DeadlineExceeded:                false,
	} {
		if SafeToRetry(err) != want {
			t.Errorf("%v: %v", err, !want)
		}
	}
	if SafeToRetry(nil) {
		t.Error("nil")
	}
}

// To find a handler takes no memory, however many there are.
func TestMuxAllocs(t *testing.T) {
	var m Mux
	for i := range 50 {
		m.Handle(Pattern{Kind: stanza.KindIQ, Payload: xml.Name{Space: fmt.Sprint("urn:", i), Local: "q"}}, HandlerFunc(func(context.Context, Sender, *stanza.Stanza) error { return nil }))
		m.Handle(Pattern{Kind: stanza.KindMessage, Payload: xml.Name{Space: fmt.Sprint("urn:", i), Local: "q"}}, HandlerFunc(func(context.Context, Sender, *stanza.Stanza) error { return nil }))
	}
	s := &recorder{}
	for _, in := range []string{"<iq type='get'><q xmlns='urn:7'><a/><b/></q></iq>", "<message><body/><q xmlns='urn:7'/><q xmlns='urn:8'/></message>"} {
		st := parse(t, in)
		if n := testing.AllocsPerRun(100, func() {
			if err := m.HandleXMPP(ctx, s, st); err != nil {
				t.Fatal(err)
			}
		}); n > 0 {
			t.Errorf("%s: %v allocations", in, n)
		}
	}
}

// A watcher is an extension like any other for the compiler.
type watcher struct{ up, down int }

func (w *watcher) Attach(h Host) error {
	if !h.IsServer() {
		return stanza.NotAllowed
	}
	h.Mux().OnPresence(func(context.Context, Sender, *stanza.Presence) error { return nil })
	return nil
}
func (w *watcher) SessionUp(context.Context, Sender) { w.up++ }
func (w *watcher) SessionDown(Sender, error)         { w.down++ }

type host struct {
	recorder
	mux    Mux
	server bool
}

func (h *host) Mux() *Mux      { return &h.mux }
func (h *host) IsServer() bool { return h.server }

func (h *host) Features(jid.JID) []string { return nil }

func TestExtension(t *testing.T) {
	var e Extension = &watcher{}
	if err := e.Attach(&host{}); !errors.Is(err, stanza.NotAllowed) {
		t.Errorf("client: %v", err)
	}
	h := &host{server: true}
	if err := e.Attach(h); err != nil || len(h.mux.list()) != 1 {
		t.Errorf("server: %v, %d handlers", err, len(h.mux.list()))
	}
	w, ok := e.(Watcher)
	if !ok {
		t.Fatal("not a Watcher")
	}
	w.SessionUp(ctx, h)
	w.SessionDown(h, ErrSessionLost)
	if got := e.(*watcher); *got != (watcher{1, 1}) {
		t.Errorf("%+v", got)
	}
}

// A handler that waits is not in the way of others.
func TestMuxNested(t *testing.T) {
	var m Mux
	var s recorder
	slow := make(chan struct{})
	m.Handle(Pattern{Kind: stanza.KindMessage}, HandlerFunc(func(context.Context, Sender, *stanza.Stanza) error { <-slow; return nil }))
	done := make(chan error)
	go func() { done <- m.HandleXMPP(ctx, &s, parse(t, "<message/>")) }()
	inner, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := m.HandleXMPP(inner, &s, parse(t, "<iq type='get'><a xmlns='urn:a'/></iq>")); err != nil {
		t.Error(err)
	}
	m.Handle(Pattern{}, HandlerFunc(func(context.Context, Sender, *stanza.Stanza) error { return nil }))
	close(slow)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if !slices.ContainsFunc(m.list(), func(r route) bool { return r.rank == 0 }) {
		t.Error("the zero Pattern says something")
	}
}

// confirmer is a Sender that confirms, inside another one.
type confirmer struct {
	Sender
	confirmed *stanza.Stanza
	err       error
}

func (c *confirmer) Confirm(_ context.Context, st *stanza.Stanza) error {
	c.confirmed = st
	return c.err
}

type wrapped struct{ Sender }

func (w wrapped) Unwrap() Sender { return w.Sender }

func TestConfirm(t *testing.T) {
	c := &confirmer{err: ErrUnacknowledged}
	m := &stanza.Message{Body: "x"}
	if err := Confirm(t.Context(), wrapped{wrapped{c}}, m); err != ErrUnacknowledged || c.confirmed == nil || c.confirmed.Message().Body != "x" {
		t.Errorf("%v, %v", c.confirmed, err)
	}
	c.confirmed = nil
	if err := Confirm(t.Context(), wrapped{struct{ Sender }{c}}, m); err != ErrNoAcknowledgements {
		t.Errorf("no Confirmer: %v", err)
	}
	if err := Confirm(t.Context(), c, &stanza.Message{Payloads: []any{func() {}}}); err == nil || c.confirmed != nil {
		t.Errorf("no message: %v", err)
	}
}
