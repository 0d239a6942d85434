package register_test

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/form"
	"github.com/etherx-go/xmpp/ext/register"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// host is a Host that answers its own requests, by a handler, as somebody else.
type host struct {
	mux    xmpp.Mux
	local  jid.JID
	answer func(iq *stanza.Stanza) (*stanza.Stanza, error)
	asked  []string
	sent   []*stanza.Stanza
}

func (h *host) LocalAddr() jid.JID        { return h.local }
func (h *host) Mux() *xmpp.Mux            { return &h.mux }
func (h *host) IsServer() bool            { return false }
func (h *host) Features(jid.JID) []string { return nil }

func (h *host) Send(_ context.Context, st *stanza.Stanza) error {
	h.sent = append(h.sent, st)
	return nil
}

func (h *host) Do(_ context.Context, iq *stanza.Stanza) (*stanza.Stanza, error) {
	h.asked = append(h.asked, iq.String())
	return h.answer(iq)
}

// script answers requests in turn: with the XML of a reply, or the error in it.
func script(t *testing.T, replies ...string) *host {
	h := &host{local: jid.MustParse("hamlet@denmark/castle")}
	h.answer = func(*stanza.Stanza) (*stanza.Stanza, error) {
		if len(h.asked) > len(replies) {
			t.Fatalf("asked too often: %q", h.asked)
		}
		st, err := stanza.Parse(replies[len(h.asked)-1])
		if err != nil {
			t.Fatal(err)
		}
		if err := st.Err(); err != nil {
			return nil, err
		}
		return st, nil
	}
	return h
}

const (
	result = "<iq type='result' id='1'/>"
	aim    = "aim.denmark"
	key    = "106c0a7b5510f192a408a1d054150ed1065e255a"
	// From the Jabber Programmers Guide, chapter 9.
	unregistered = "<iq type='result' from='aim.denmark' to='hamlet@denmark' id='1001'>" +
		" <query xmlns='jabber:iq:register'> <username/> " +
		"<password/> <key>" + key + "</key> <instructions> Enter your AIM screen name and password. </instructions>" +
		" </query> </iq>"
	registered = "<iq type='result' from='aim.denmark' id='1001'><query xmlns='jabber:iq:register'><registered/>" +
		"<username>Hamlet</username>" +
		"<password>gertrude</password><key>" + key + "</key><instructions> Enter. </instructions></query></iq>"
)

func TestClient(t *testing.T) {
	to := jid.MustParse(aim)
	hamlet := []register.Field{{Name: "username", Value: "Hamlet"}, {Name: "password", Value: "gertrude"}}
	t.Run("IM-A.1-1 GUIDE-9-register-1 GUIDE-9-register-2 ask for the fields", func(t *testing.T) {
		h := script(t, unregistered)
		q, err := register.Fields(t.Context(), h, to)
		if err != nil {
			t.Fatal(err)
		}
		if h.asked[0] != "<iq type='get' to='aim.denmark'><query xmlns='jabber:iq:register'></query></iq>" {
			t.Errorf("asked %s", h.asked[0])
		}
		want := []register.Field{{Name: "username"}, {Name: "password"}, {Name: "key", Value: key}}
		if q.Registered || !reflect.DeepEqual(q.Fields, want) ||
			strings.TrimSpace(q.Instructions) != "Enter your AIM screen name and password." {
			t.Errorf("got %+v", q)
		}
	})
	t.Run("IM-A.1-4 an answer without to is an answer", func(t *testing.T) {
		h := script(t, "<iq type='result' id='1'><query xmlns='jabber:iq:register'><email/></query></iq>")
		if q, err := register.Fields(t.Context(), h, jid.JID{}); err != nil || len(q.Fields) != 1 {
			t.Errorf("%+v, %v", q, err)
		}
		h = script(t, result)
		if q, err := register.Fields(t.Context(), h, jid.JID{}); err != nil || q == nil {
			t.Errorf("%+v, %v", q, err)
		}
	})
	t.Run("IM-A.1-5 GUIDE-9-register-3 register, with the key as it came", func(t *testing.T) {
		h := script(t, unregistered, result)
		if err := register.Register(t.Context(), h, to, hamlet...); err != nil {
			t.Fatal(err)
		}
		if want := "<iq type='set' to='aim.denmark'><query xmlns='jabber:iq:register'><username>Hamlet</username>" +
			"<password>gertrude</password><key>" + key + "</key></query></iq>"; h.asked[1] != want {
			t.Errorf("asked %s", h.asked[1])
		}
	})
	t.Run("IM-A.1-3 all that is asked for must be given", func(t *testing.T) {
		h := script(t, unregistered)
		err := register.Register(t.Context(), h, to, register.Field{Name: "username", Value: "Hamlet"})
		missing, ok := errors.AsType[*register.MissingError](err)
		if !ok || !reflect.DeepEqual(missing.Fields, []string{"password"}) || !strings.HasSuffix(err.Error(),
			": password") || len(h.asked) != 1 {
			t.Errorf("%v, after %q", err, h.asked)
		}
	})
	t.Run("GUIDE-9-register-4 of what is there already only changes must be given", func(t *testing.T) {
		h := script(t, registered, result)
		if err := register.Register(t.Context(), h, to, register.Field{Name: "password", Value: "claudius"}); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("IM-A.1-8 it exists", func(t *testing.T) {
		const old = "<iq type='error' id='r'><query xmlns='jabber:iq:register'><registered/></query><error code='400'>" +
			"Bad Request</error></iq>"
		st, err := stanza.Parse(old)
		if err != nil {
			t.Fatal(err)
		}
		if err := register.ReplyError(st); !errors.Is(err, stanza.Conflict) || !errors.Is(err, stanza.BadRequest) {
			t.Errorf("400 with registered: %v", err)
		}
		h := script(t, registered, old)
		if err := register.Register(t.Context(), h, to, hamlet...); !errors.Is(err, stanza.Conflict) {
			t.Errorf("400 where there is a registration: %v", err)
		}
		// A Sender that hands out the reply beside the error.
		h = script(t, unregistered)
		first := h.answer
		h.answer = func(iq *stanza.Stanza) (*stanza.Stanza, error) {
			if iq.Type == stanza.TypeGet {
				return first(iq)
			}
			return st, st.Err()
		}
		if err := register.Register(t.Context(), h, to, hamlet...); !errors.Is(err, stanza.Conflict) {
			t.Errorf("400 with registered, from the reply: %v", err)
		}
		h = script(t, unregistered, "<iq type='error' id='r'><error code='409' type='cancel'>"+
			"<conflict xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>")
		if err := register.Register(t.Context(), h, to, hamlet...); !errors.Is(err, stanza.Conflict) {
			t.Errorf("409: %v", err)
		}
		h = script(t, unregistered, "<iq type='error' id='r'><error code='400'>Bad Request</error></iq>")
		if err := register.Register(t.Context(), h, to, hamlet...); errors.Is(err, stanza.Conflict) || !errors.Is(err,
			stanza.BadRequest) {
			t.Errorf("400 without registered: %v", err)
		}
	})
	t.Run("a form only, and elsewhere", func(t *testing.T) {
		h := script(t, "<iq type='result' id='1'><query xmlns='jabber:iq:register'><instructions>"+
			"Use the form.</instructions>"+
			"<x xmlns='jabber:x:data' type='form'/><x xmlns='jabber:x:oob'><url>"+
			"http://www.shakespeare.lit/contests.php</url></x></query></iq>")
		err := register.Register(t.Context(), h, to)
		form, ok := errors.AsType[*register.FormError](err)
		if !ok || form.Query.Form != "<x xmlns='jabber:x:data' type='form'/>" ||
			err.Error() != "register: no fields to fill in, see http://www.shakespeare.lit/contests.php: Use the form." {
			t.Errorf("got %v", err)
		}
	})
	t.Run("XEP0077-3.3-1 change the password", func(t *testing.T) {
		h := script(t, "<iq type='error' id='1'><error type='cancel'>"+
			"<service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>", result)
		if err := register.ChangePassword(t.Context(), h, "newpass"); err != nil {
			t.Fatal(err)
		}
		if want := "<iq type='set'><query xmlns='jabber:iq:register'><username>hamlet</username><password>" +
			"newpass</password></query></iq>"; h.asked[1] != want {
			t.Errorf("asked %s", h.asked[1])
		}
		if err := register.ChangePassword(t.Context(), &host{}, "newpass"); !errors.Is(err, register.ErrNoAccount) {
			t.Errorf("without an account: %v", err)
		}
		if _, ok := errors.AsType[*register.MissingError](register.ChangePassword(t.Context(), h, "")); !ok {
			t.Error("an empty password was sent")
		}
	})
	t.Run("IM-A.2-1 remove", func(t *testing.T) {
		h := script(t, result, result)
		if err := register.Remove(t.Context(), h, jid.JID{}); err != nil {
			t.Fatal(err)
		}
		if want := "<iq type='set'><query xmlns='jabber:iq:register'><remove/></query></iq>"; h.asked[1] != want {
			t.Errorf("asked %s", h.asked[1])
		}
	})
	t.Run("GUIDE-9-register-5 remove, with the key", func(t *testing.T) {
		h := script(t, registered, result)
		if err := register.Remove(t.Context(), h, to); err != nil {
			t.Fatal(err)
		}
		q, err := stanza.Parse(h.asked[1])
		if err != nil || q.Payload().ChildText(register.NS, "key") != key || q.Payload().Child(register.NS,
			"remove").IsZero() {
			t.Errorf("asked %s", h.asked[1])
		}
	})
	t.Run("errors are passed on", func(t *testing.T) {
		h := &host{local: jid.MustParse("hamlet@denmark/castle"), answer: func(*stanza.Stanza) (*stanza.Stanza,
			error) {
			return nil, xmpp.ErrClosed
		}}
		if err := register.Register(t.Context(), h, to); !errors.Is(err, xmpp.ErrClosed) {
			t.Errorf("Register: %v", err)
		}
		if err := register.Remove(t.Context(), h, to); !errors.Is(err, xmpp.ErrClosed) {
			t.Errorf("Remove: %v", err)
		}
		if err := register.Submit(t.Context(), h, to, &register.Query{Form: "<x"}); err == nil {
			t.Error("Submit sends what is not XML")
		}
	})
}

// TestReq_GUIDE_9_register_1: GUIDE-9-register-1, registration with a service, by
// the helpers of this package on the other side.
func TestReq_GUIDE_9_register_1(t *testing.T) {
	users := map[jid.JID]*register.Query{}
	svc := &register.Service{
		Keys: true,
		Form: func(_ context.Context, user jid.JID) (*register.Query, error) {
			if q := users[user]; q != nil {
				return &register.Query{Registered: true, Instructions: "You are registered.", Fields: q.Fields}, nil
			}
			return &register.Query{Instructions: "Enter your screen name.", Fields: []register.Field{{Name: "username"},
				{Name: "password"}}}, nil
		},
		Register: func(_ context.Context, user jid.JID, q *register.Query) error {
			users[user] = q
			return nil
		},
		Remove: func(_ context.Context, user jid.JID) error {
			if users[user] == nil {
				return stanza.RegistrationRequired
			}
			delete(users, user)
			return nil
		},
	}
	gateway := &host{local: jid.MustParse(aim)}
	if err := svc.Attach(gateway); err != nil {
		t.Fatal(err)
	}
	client := &host{local: jid.MustParse("hamlet@denmark/castle")}
	client.answer = func(iq *stanza.Stanza) (*stanza.Stanza, error) {
		iq.ID, iq.From, gateway.sent = "1", client.local, nil
		if err := gateway.mux.HandleXMPP(t.Context(), gateway, iq); err != nil {
			t.Error(err)
		}
		if len(gateway.sent) != 1 {
			t.Fatalf("%d replies to %s", len(gateway.sent), iq)
		}
		if err := gateway.sent[0].Err(); err != nil {
			return nil, err
		}
		return gateway.sent[0], nil
	}
	to, hamlet := jid.MustParse(aim), jid.MustParse("hamlet@denmark")
	name, password := register.Field{Name: "username", Value: "Hamlet"}, register.Field{Name: "password",
		Value: "gertrude"}

	if err := register.Remove(t.Context(), client, to); !errors.Is(err, stanza.RegistrationRequired) {
		t.Errorf("remove of nothing: %v", err)
	}
	if err := register.Register(t.Context(), client, to, name, password); err != nil {
		t.Fatal(err)
	}
	if v, _ := users[hamlet].Get("username"); v != "Hamlet" {
		t.Errorf("registered: %+v", users[hamlet])
	}
	if q, err := register.Fields(t.Context(), client, to); err != nil || !q.Registered {
		t.Errorf("GUIDE-9-register-4: %+v, %v", q, err)
	}
	if err := register.Register(t.Context(), client, to, name, register.Field{Name: "password",
		Value: "claudius"}); err != nil {
		t.Errorf("update: %v", err)
	}
	if err := register.Submit(t.Context(), client, to,
		&register.Query{Fields: []register.Field{name}}); !errors.Is(err, stanza.NotAcceptable) {
		t.Errorf("without key: %v", err)
	}
	if err := register.Remove(t.Context(), client, to); err != nil || users[hamlet] != nil {
		t.Errorf("remove: %v, %v", err, users)
	}

	svc.Keys = false
	for _, tt := range []struct {
		name string
		q    *register.Query
		want error
	}{
		{"a field is missing", &register.Query{Fields: []register.Field{name}}, stanza.NotAcceptable},
		{"remove is not alone", &register.Query{Remove: true, Fields: []register.Field{name}}, stanza.BadRequest},
		{"a form that is none", &register.Query{Form: "<x xmlns='jabber:x:data' type='form'/>"}, stanza.BadRequest},
		{"a form without the fields", &register.Query{Form: "<x xmlns='jabber:x:data' type='submit'/>"}, stanza.NotAcceptable},
		{"a form", &register.Query{Form: "<x xmlns='jabber:x:data' type='submit'><field var='username'><value>H</value>" +
			"</field><field var='password'><value>g</value></field></x>"}, nil},
	} {
		if err := register.Submit(t.Context(), client, to, tt.q); !is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
	if v, _ := users[hamlet].Get("username"); v != "H" {
		t.Errorf("registered by form: %+v", users[hamlet])
	}
	const wantForm = "<field type='text-single' label='User name' var='username'><value>H</value><required/></field>"
	if q, err := register.Fields(t.Context(), client, to); err != nil || !strings.Contains(string(q.Form), wantForm) {
		t.Errorf("the form is %+v, %v", q, err)
	}
	svc.Keys = true
	q, err := register.Fields(t.Context(), client, to)
	if err != nil {
		t.Fatal(err)
	}
	var x form.Data
	if e, err := q.Form.Element(); err != nil || x.ParseXML(e) != nil {
		t.Fatalf("%s: %v", q.Form, err)
	}
	answer := x.Answer()
	answer.Set("password", "claudius")
	raw, err := answer.AppendXML(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := register.Submit(t.Context(), client, to, &register.Query{Form: stanza.Raw(raw)}); err != nil {
		t.Errorf("a form with its key: %v", err)
	}
	if v, _ := users[hamlet].Get("password"); v != "claudius" {
		t.Errorf("registered by form: %+v", users[hamlet])
	}
	svc.Keys = false
	svc.Form = func(context.Context, jid.JID) (*register.Query, error) {
		return &register.Query{Fields: []register.Field{{Name: "email"}}, Form: "<x xmlns='jabber:x:data' type='form'/>"}, nil
	}
	if err := register.Submit(t.Context(), client, to,
		&register.Query{Form: "<x xmlns='jabber:x:data' type='submit'/>"}); err != nil {
		t.Errorf("a form of its own: %v", err)
	}
	svc.Remove = nil
	if err := register.Remove(t.Context(), client, to); !errors.Is(err, stanza.NotAllowed) {
		t.Errorf("remove where it cannot be: %v", err)
	}
	svc.Form = func(context.Context, jid.JID) (*register.Query, error) { return nil, nil }
	if err := register.Submit(t.Context(), client, to, new(register.Query)); err != nil {
		t.Errorf("nothing is asked for: %v", err)
	}
	svc.Form = func(context.Context, jid.JID) (*register.Query, error) { return nil, stanza.Forbidden }
	if _, err := register.Fields(t.Context(), client, to); !errors.Is(err, stanza.Forbidden) {
		t.Errorf("Fields: %v", err)
	}
	if err := register.Submit(t.Context(), client, to, new(register.Query)); !errors.Is(err, stanza.Forbidden) {
		t.Errorf("Submit: %v", err)
	}
	if got := svc.Features(to); len(got) != 1 || got[0] != register.NS {
		t.Errorf("Features: %q", got)
	}
	if err := new(register.Service).Attach(gateway); err == nil {
		t.Error("a service without form was attached")
	}
}
