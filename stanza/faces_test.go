package stanza

import (
	"slices"
	"strconv"
	"testing"

	"github.com/etherx-go/xmpp/jid"
)

// A message without a type, or with one that nobody knows, is a normal one.
func TestReqMessageTypes(t *testing.T) {
	for _, tt := range []struct {
		id, in string
		want   Type
	}{
		{"CORE-6.3.1-1", "<message/>", TypeNormal},
		{"CORE-6.3.1-2", "<message type='chat'/>", TypeChat},
		{"CORE-6.3.1-3", "<message type='groupchat'/>", TypeGroupChat},
		{"CORE-6.3.1-4", "<message type='headline'/>", TypeHeadline},
		{"CORE-6.3.1-5", "<message type='error'/>", TypeError},
		{"IM21-2.1.1-1", "<message type='chat'/>", TypeChat},
		{"IM21-2.1.1-2", "<message type='error'/>", TypeError},
		{"IM21-2.1.1-3", "<message type='groupchat'/>", TypeGroupChat},
		{"IM21-2.1.1-4", "<message type='headline'/>", TypeHeadline},
		{"IM21-2.1.1-5", "<message type='normal'/>", TypeNormal},
		{"IM21-2.1.1-6 unknown", "<message type='foo'/>", TypeNormal},
		{"IM21-2.1.1-6 missing", "<message/>", TypeNormal},
		{"IM-4.2-1", "<message type='Chat'/>", TypeNormal},
	} {
		t.Run(tt.id, func(t *testing.T) {
			s := mustParse(t, tt.in)
			if got := s.Type.MessageType(); got != tt.want {
				t.Errorf("%s is of type %q", tt.in, got)
			}
			// The type itself is kept, so that it can be sent on.
			if s.String() != tt.in || s.Message().Type != s.Type {
				t.Errorf("sent on as %s", s)
			}
		})
	}
}

func TestReqMessage(t *testing.T) {
	a := Element{}
	for _, tt := range []struct {
		id, in string
		want   Message
	}{
		{"CORE-6.3.2-1", "<message><body>x &amp; y</body></message>", Message{Body: "x & y"}},
		{"CORE-6.3.2-1 mixed", "<message><body a='1'>x<b>no</b>y</body></message>", Message{Body: "xy"}},
		{"CORE-6.3.2-2", "<message xml:lang='en'><subject xml:lang='cs'>c</subject><subject>e</subject></message>", Message{Lang: "en", Subject: "e", Subjects: []Text{{"cs", "c"}}}},
		{"CORE-6.3.2-3", "<message><thread parent='p' x='y'>t</thread></message>", Message{Thread: "t", Parent: "p"}},
		{"CORE-6.3.2-4", "<message><body>1</body><body>2</body><subject>1</subject><subject>2</subject><thread>1</thread><thread>2</thread></message>", Message{Body: "1", Subject: "1", Thread: "1"}},
		{"CORE-6.3.2-4 same language", "<message><body xml:lang='en'>1</body><body xml:lang='en'>2</body></message>", Message{Body: "1"}},
		{"CORE-6.3.2-6", "<message><error code='404'/><body>x</body></message>", Message{Body: "x"}},
		{"CORE-6.3.2-7", "<message><body>x</body><a xmlns='urn:a'/></message>", Message{Body: "x", Payloads: []any{a}}},
		{"CORE-B.3-1", "<message>stray<body>x</body>text</message>", Message{Body: "x"}},
		{"IM-4.5-2", "<message><body xmlns='http://www.w3.org/1999/xhtml'>x</body></message>", Message{Payloads: []any{a}}},
		{"body in no namespace", "<message xmlns='jabber:client'><body xmlns=''>x</body></message>", Message{Payloads: []any{a}}},
		{"unknown child in the own namespace", "<message><foo/></message>", Message{Payloads: []any{a}}},
		{"several languages", "<message xml:lang='de'><body xml:lang='en'>e</body><body>d</body><body xml:lang='fr'>f</body></message>",
			Message{Lang: "de", Body: "d", Bodies: []Text{{"en", "e"}, {"fr", "f"}}}},
		{"the language of the stanza by name", "<message xml:lang='de'><body xml:lang='en'>e</body><body xml:lang='de'>d</body></message>",
			Message{Lang: "de", Body: "d", Bodies: []Text{{"en", "e"}}}},
		{"only other languages", "<message xml:lang='de'><body xml:lang='en'>e</body><body xml:lang='fr'>f</body></message>",
			Message{Lang: "de", Body: "e", Bodies: []Text{{"fr", "f"}}}},
		{"header", "<message to='a@b' from='c' id='1' type='chat' xml:lang='de'/>", Message{To: jid.MustParse("a@b"), From: jid.MustParse("c"), ID: "1", Type: TypeChat, Lang: "de"}},
		{"error", "<message type='error'><body>x</body><error code='404'/></message>", Message{Type: TypeError, Body: "x", Error: &Error{Condition: ItemNotFound, Type: Cancel, Code: 404, Text: "Not Found"}}},
		{"error without error", "<message type='error'/>", Message{Type: TypeError, Error: &Error{Condition: UndefinedCondition, Type: Cancel}}},
	} {
		t.Run(tt.id, func(t *testing.T) {
			got := mustParse(t, tt.in).Message()
			checkFace(t, got.Payloads, tt.want.Payloads, got.Error, tt.want.Error)
			got.Payloads, got.Error, tt.want.Payloads, tt.want.Error = nil, nil, nil, nil
			if !slices.Equal(got.Bodies, tt.want.Bodies) || !slices.Equal(got.Subjects, tt.want.Subjects) {
				t.Errorf("bodies %v, subjects %v", got.Bodies, got.Subjects)
			}
			got.Bodies, got.Subjects, tt.want.Bodies, tt.want.Subjects = nil, nil, nil, nil
			if g, w := printed(t, got), printed(t, &tt.want); g != w {
				t.Errorf("%s\n got %s\nwant %s", tt.in, g, w)
			}
		})
	}
}

func checkFace(t *testing.T, got, want []any, gotErr, wantErr *Error) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%d payloads: %v", len(got), got)
	}
	for _, p := range got {
		if e, ok := p.(Element); !ok || e.IsZero() {
			t.Errorf("payload %v", p)
		}
	}
	if (gotErr == nil) != (wantErr == nil) || gotErr != nil && *gotErr != *wantErr {
		t.Errorf("error %+v", gotErr)
	}
}

func printed(t *testing.T, v interface {
	AppendXML([]byte) ([]byte, error)
}) string {
	t.Helper()
	b, err := v.AppendXML(nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Faces are written as they are read.
func TestFacesRoundTrip(t *testing.T) {
	for _, in := range []string{
		"<message/>",
		"<message type='chat' id='1' to='a@b' from='c' xml:lang='de'><subject>s&amp;</subject><subject xml:lang='en'>s2</subject><body>b&lt;</body><body xml:lang='en'>b2</body><thread parent='p&apos;'>t</thread><a xmlns='urn:a'/></message>",
		"<message><thread>t</thread></message>",
		"<message type='error'><error code='409' type='cancel'><conflict xmlns='" + NSStanzas + "'/></error></message>",
		"<presence/>",
		"<presence type='unavailable' to='a'><status>x</status><status xml:lang='en'>y</status></presence>",
		"<presence><show>dnd</show><status>x&amp;</status><priority>-5</priority><a xmlns='urn:a'/></presence>",
		"<presence type='error'><error code='409' type='cancel'><conflict xmlns='" + NSStanzas + "'/></error></presence>",
		"<iq type='result' id='1'/>",
		"<iq type='get' id='1' to='a' from='b' xml:lang='de'><a xmlns='urn:a'><b/></a></iq>",
		"<iq type='error' id='1'><a xmlns='urn:a'/><error code='409' type='cancel'><conflict xmlns='" + NSStanzas + "'/></error></iq>",
	} {
		s := mustParse(t, in)
		var face interface {
			AppendXML([]byte) ([]byte, error)
			Stanza() (*Stanza, error)
		}
		switch s.Kind {
		case KindMessage:
			face = s.Message()
		case KindPresence:
			face = s.Presence()
		case KindIQ:
			face = s.IQ()
		}
		if got := printed(t, face); got != in {
			t.Errorf("got  %s\nwant %s", got, in)
		}
		st, err := face.Stanza()
		if err != nil || st.String() != in {
			t.Errorf("as a stanza\n got %v, %v\nwant %s", st, err, in)
		}
	}
}

func TestFacesErrors(t *testing.T) {
	for _, v := range []interface {
		AppendXML([]byte) ([]byte, error)
		Stanza() (*Stanza, error)
	}{
		&Message{Payloads: []any{failing{}}},
		&Presence{Payloads: []any{Raw("<")}},
		&IQ{Payload: failing{}},
	} {
		if b, err := v.AppendXML(nil); err == nil || b != nil {
			t.Errorf("%T.AppendXML: %q, %v", v, b, err)
		}
		if st, err := v.Stanza(); err == nil || st != nil {
			t.Errorf("%T.Stanza: %v, %v", v, st, err)
		}
	}
}

func TestReqMessageReply(t *testing.T) {
	for _, tt := range []struct{ id, in, want string }{
		{"IM21-2.1.1-8", "<message type='headline' to='a@b' from='c@d/e' id='1'/>", "<message type='headline' to='c@d/e'><body>x</body></message>"},
		{"GUIDE-11-thread-1", "<message from='c@d/e'><thread parent='p'> t </thread></message>", "<message to='c@d/e'><body>x</body><thread parent='p'> t </thread></message>"},
		{"to the room", "<message type='groupchat' from='c@d/e'/>", "<message type='groupchat' to='c@d'><body>x</body></message>"},
	} {
		t.Run(tt.id, func(t *testing.T) {
			if got := printed(t, mustParse(t, tt.in).Message().Reply("x")); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// Of very many versions of a text only so many are looked at.
func TestManyBodies(t *testing.T) {
	b := []byte("<message>")
	for i := range 5000 {
		b = append(strconv.AppendInt(append(b, "<body xml:lang='x"...), int64(i), 10), "'/>"...)
	}
	m := mustParse(t, string(append(b, "</message>"...))).Message()
	if len(m.Bodies) != maxTexts-1 {
		t.Errorf("%d bodies", len(m.Bodies))
	}
}

func TestReqPresence(t *testing.T) {
	a := Element{}
	for _, tt := range []struct {
		id, in string
		want   Presence
	}{
		{"CORE-6.4.1-1", "<presence/>", Presence{Type: TypeAvailable}},
		{"CORE-6.4.1-2", "<presence type='unavailable'/>", Presence{Type: TypeUnavailable}},
		{"CORE-6.4.1-3", "<presence type='subscribe'/>", Presence{Type: TypeSubscribe}},
		{"CORE-6.4.1-4", "<presence type='subscribed'/>", Presence{Type: TypeSubscribed}},
		{"CORE-6.4.1-5", "<presence type='unsubscribe'/>", Presence{Type: TypeUnsubscribe}},
		{"CORE-6.4.1-6", "<presence type='unsubscribed'/>", Presence{Type: TypeUnsubscribed}},
		{"CORE-6.4.1-7", "<presence type='probe'/>", Presence{Type: TypeProbe}},
		{"CORE-6.4.1-8", "<presence type='error'><error code='404'/></presence>", Presence{Type: TypeError, Error: &Error{Condition: ItemNotFound, Type: Cancel, Code: 404, Text: "Not Found"}}},
		{"CORE-6.4.2-1", "<presence><show>xa</show><show>away</show><status>1</status><status>2</status><priority>1</priority><priority>2</priority></presence>",
			Presence{Show: ShowExtendedAway, Status: "1", Priority: 1}},
		{"CORE-6.4.2-2", "<presence type='subscribe'><status>it is me</status></presence>", Presence{Type: TypeSubscribe, Status: "it is me"}},
		{"CORE-6.4.2-3 away", "<presence><show>away</show></presence>", Presence{Show: ShowAway}},
		{"CORE-6.4.2-3 chat", "<presence><show> chat\n</show></presence>", Presence{Show: ShowChat}},
		{"CORE-6.4.2-3 dnd", "<presence><show>dnd</show></presence>", Presence{Show: ShowDoNotDisturb}},
		{"CORE-6.4.2-3 other", "<presence><show>bored</show></presence>", Presence{}},
		{"CORE-6.4.2-3 empty", "<presence><show/></presence>", Presence{}},
		{"CORE-6.4.2-4", "<presence xml:lang='de'><status xml:lang='en'>e</status><status>d</status></presence>", Presence{Lang: "de", Status: "d", Statuses: []Text{{"en", "e"}}}},
		{"CORE-6.4.2-5", "<presence><priority> 5 </priority></presence>", Presence{Priority: 5}},
		{"CORE-6.4.2-5 negative", "<presence><priority>-128</priority></presence>", Presence{Priority: -128}},
		{"CORE-6.4.2-5 too large", "<presence><priority>128</priority></presence>", Presence{Priority: 127}},
		{"CORE-6.4.2-5 far too large", "<presence><priority>99999999999999999999</priority></presence>", Presence{Priority: 127}},
		{"CORE-6.4.2-5 too small", "<presence><priority>-99999999999999999999</priority></presence>", Presence{Priority: -128}},
		{"CORE-6.4.2-5 malformed", "<presence><priority>high</priority></presence>", Presence{}},
		{"GUIDE-8-dtd-2", "<presence type='available'/>", Presence{Type: TypeAvailable}},
		{"GUIDE-11-show-2", "<presence><show>na</show></presence>", Presence{Show: ShowExtendedAway}},
		{"GUIDE-11-presence-3", "<presence type='suscribe'/>", Presence{Type: "suscribe"}},
		{"payloads", "<presence><c xmlns='urn:c'/><foo/><error/><show xmlns='urn:x'>dnd</show></presence>", Presence{Payloads: []any{a, a, a}}},
	} {
		t.Run(tt.id, func(t *testing.T) {
			s := mustParse(t, tt.in)
			got := s.Presence()
			if s.Type != got.Type || s.Priority() != got.Priority {
				t.Errorf("type %q, priority %d", s.Type, s.Priority())
			}
			checkFace(t, got.Payloads, tt.want.Payloads, got.Error, tt.want.Error)
			got.Payloads, got.Error, tt.want.Payloads, tt.want.Error = nil, nil, nil, nil
			if g, w := printed(t, got), printed(t, &tt.want); g != w {
				t.Errorf("%s\n got %s\nwant %s", tt.in, g, w)
			}
		})
	}
	if got := printed(t, &Presence{Type: "available"}); got != "<presence/>" { // GUIDE-8-dtd-2: never sent
		t.Errorf("sent: %s", got)
	}
	// The face does the same for a stanza that was made here.
	if p := (&Stanza{Header: Header{Kind: KindPresence, Type: "available"}}).Presence(); p.Type != TypeAvailable {
		t.Errorf("type %q", p.Type)
	}
}

func TestReqIQ(t *testing.T) {
	for _, tt := range []struct {
		id, in  string
		payload string
	}{
		{"CORE-6.5.1-1", "<iq type='get'><query xmlns='jabber:iq:version'/></iq>", "<query xmlns='jabber:iq:version'/>"},
		{"CORE-6.5.2-2 get", "<iq type='get'><a xmlns='urn:a'/></iq>", "<a xmlns='urn:a'/>"},
		{"CORE-6.5.2-2 set", "<iq type='set'> <a xmlns='urn:a'/><b xmlns='urn:b'/></iq>", "<a xmlns='urn:a'/>"},
		{"CORE-6.5.2-2 result", "<iq type='result'/>", ""},
		{"CORE-6.5.2-2 error", "<iq type='error'><error/><a xmlns='urn:a'/></iq>", "<a xmlns='urn:a'/>"},
		{"CORE-6.5.3-1", "<iq type='error'><error/></iq>", ""},
		{"GUIDE-11-query-1", "<iq type='get'><gquery xmlns='jabber:iq:time'/></iq>", "<gquery xmlns='jabber:iq:time'/>"},
	} {
		t.Run(tt.id, func(t *testing.T) {
			s := mustParse(t, tt.in)
			q := s.IQ()
			if q.Type != s.Type || (q.Error != nil) != (s.Type == TypeError) {
				t.Errorf("type %q, error %v", q.Type, q.Error)
			}
			e, _ := q.Payload.(Element)
			if string(e.Raw()) != tt.payload || (q.Payload == nil) != (tt.payload == "") {
				t.Errorf("payload %s", e.Raw())
			}
		})
	}
}
