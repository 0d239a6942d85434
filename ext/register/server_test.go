package register_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/etherx-go/xmpp/ext/register"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/sasl"
	"github.com/etherx-go/xmpp/stanza"
)

// accounts are Accounts and Details.
type accounts struct {
	mu      sync.Mutex
	pw      map[jid.JID]string
	details map[jid.JID][]register.Field
	err     error // of everything
	errSet  error // of SetDetails
}

func newAccounts() *accounts {
	return &accounts{pw: map[jid.JID]string{bill: "theglobe"}, details: map[jid.JID][]register.Field{}}
}

func (a *accounts) Register(_ context.Context, j jid.JID, password string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, ok := a.pw[j]; ok {
		return stanza.Conflict
	}
	if strings.Contains(password, "\u0000") {
		return sasl.ErrBadString
	}
	a.pw[j] = password
	return a.err
}

func (a *accounts) SetPassword(_ context.Context, j jid.JID, password string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.pw[j] = password
	return a.err
}

func (a *accounts) Remove(_ context.Context, j jid.JID) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.pw, j)
	return a.err
}

func (a *accounts) Exists(_ context.Context, j jid.JID) (bool, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, ok := a.pw[j]
	return ok, a.err
}

func (a *accounts) SetDetails(_ context.Context, j jid.JID, fields []register.Field) error {
	if a.errSet != nil {
		return a.errSet
	}
	a.details[j] = fields
	return nil
}

func (a *accounts) Details(_ context.Context, j jid.JID) ([]register.Field, error) {
	return a.details[j], a.errSet
}

var (
	bill     = jid.MustParse("bill@shakespeare.lit")
	nobody   = register.Requester{Domain: "shakespeare.lit", RemoteAddr: "192.0.2.1:5000", Secure: true}
	loggedIn = register.Requester{
		Account: bill, Session: jid.MustParse("bill@shakespeare.lit/globe"), Domain: "shakespeare.lit",
		RemoteAddr: "192.0.2.1:5000", Secure: true,
	}
)

// parse reads a query from XML; without a namespace it has that of registration.
func parse(t *testing.T, in string) *register.Query {
	t.Helper()
	e, err := stanza.Raw("<query xmlns='jabber:iq:register'>" + in + "</query>").Element()
	if err != nil {
		t.Fatal(err)
	}
	q := new(register.Query)
	if err := q.ParseXML(e); err != nil {
		t.Fatal(err)
	}
	return q
}

func write(t *testing.T, q *register.Query) string {
	t.Helper()
	if q == nil {
		return ""
	}
	b, err := q.AppendXML(nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// is reports whether err is what was wanted, and no error if nothing was.
func is(err, want error) bool { return errors.Is(err, want) && (err == nil) == (want == nil) }

// submit is a submitted form.
func submit(formType string, fields ...string) string {
	s := "<x xmlns='jabber:x:data' type='submit'><field type='hidden' var='FORM_TYPE'><value>" + formType +
		"</value></field>"
	for i := 0; i < len(fields); i += 2 {
		s += "<field var='" + fields[i] + "'><value>" + fields[i+1] + "</value></field>"
	}
	return s + "</x>"
}

// TestHandleSet goes through the requests of type set, and the tables of errors of
// XEP-0077, section 3.
func TestHandleSet(t *testing.T) {
	const complete = "<username>juliet</username><password>R0m30</password>"
	open := func(s *register.Server) { s.Open = true }
	withEmail := func(s *register.Server) { s.Open, s.Fields = true, []string{"email"} }
	insecure := func(r register.Requester) register.Requester { r.Secure = false; return r }
	foreign := loggedIn
	foreign.Account, foreign.Session = jid.MustParse("bill@montague.lit"), jid.MustParse("bill@montague.lit/x")
	gone := loggedIn
	gone.Account = jid.MustParse("ophelia@shakespeare.lit")
	tests := []struct {
		name   string
		who    register.Requester
		change func(*register.Server)
		in     string
		want   error
		pw     string // of bill or juliet afterwards, "-" if there is none
	}{
		// 3.1
		{"IM-A.1-5 the values make an account", nobody, open, complete, nil, "R0m30"},
		{"XEP-0077 3.1 example 4, with a field more", nobody, withEmail, complete + "<email>b@s</email>", nil, "R0m30"},
		{"IM-A.1-7 a field is missing", nobody, withEmail, complete, stanza.NotAcceptable, "-"},
		{"IM-A.1-7 a field is empty", nobody, withEmail, complete + "<email/>", stanza.NotAcceptable, "-"},
		{"IM-A.1-7 no password", nobody, open, "<username>juliet</username><password></password>", stanza.NotAcceptable, "-"},
		{"IM-A.1-7 no user name", nobody, open, "<password>R0m30</password>", stanza.NotAcceptable, "-"},
		{"IM-A.1-8 the name is taken", nobody, open, "<username>Bill</username><password>x</password>", stanza.Conflict, "-"},
		{"a name that cannot be", nobody, open, "<username>a b</username><password>x</password>", stanza.NotAcceptable, "-"},
		{"an address is no name", nobody, open, "<username>juliet@shakespeare.lit</username><password>x</password>",
			stanza.NotAcceptable, "-"},
		{"a long value", nobody, open, "<username>juliet</username><password>" + strings.Repeat("x", 1024) + "</password>",
			stanza.NotAcceptable, "-"},
		{"a long value, where there is no limit", nobody, func(s *register.Server) { s.Open, s.MaxValue = true, -1 },
			"<username>juliet</username><password>" + strings.Repeat("x", 1024) + "</password>", nil, strings.Repeat("x", 1024)},
		{"a reserved name", nobody, func(s *register.Server) {
			s.Open, s.Reserved = true, func(name string) bool { return name == "juliet" }
		}, "<username>JULIET</username><password>x</password>", stanza.NotAcceptable, "-"},
		{"a weak password", nobody, func(s *register.Server) {
			s.Open = true
			s.CheckPassword = func(context.Context, jid.JID, string) error { return errors.New("too short") }
		}, complete, stanza.NotAcceptable, "-"},
		{"the hook has an error of its own", nobody, func(s *register.Server) {
			s.Open = true
			s.CheckPassword = func(context.Context, jid.JID, string) error { return stanza.NewError(stanza.PolicyViolation, "") }
		}, complete, stanza.PolicyViolation, "-"},
		{"the check says no", nobody, func(s *register.Server) {
			s.Open = true
			s.Check = func(context.Context, register.Requester, jid.JID, []register.Field) error { return stanza.Forbidden }
		}, complete, stanza.Forbidden, "-"},
		{"not over a stream that is not secure", insecure(nobody), open, complete, stanza.NotAuthorized, "-"},
		{"unless it is allowed", insecure(nobody), func(s *register.Server) { s.Open, s.AllowPlaintext = true, true },
			complete, nil, "R0m30"},
		{"registration is closed", nobody, nil, complete, stanza.UnexpectedRequest, "-"},
		{"IM-A.1-2 a submitted form wins over the fields", nobody, withEmail,
			"<username>x</username><password>y</password>" +
				submit("jabber:iq:register", "username", "juliet", "password", "R0m30", "email", "j@c"), nil, "R0m30"},
		{"a form that is not submitted", nobody, open, "<x xmlns='jabber:x:data' type='cancel'/>", stanza.BadRequest, "-"},

		// 3.2
		{"IM-A.2-1 remove", loggedIn, nil, "<remove/>", nil, "-"},
		{"GUIDE-9-register-5 remove with a key", loggedIn, nil, "<remove/><key>k</key>", nil, "-"},
		{"IM-A.2-1 the form of cancellation", loggedIn, nil, submit("jabber:iq:register:cancel", "username",
			"bill@shakespeare.lit"),
			nil, "-"},
		{"XEP0077-3.2-1 bad-request: remove is not alone", loggedIn, nil, "<remove/><username>bill</username>",
			stanza.BadRequest, "theglobe"},
		{"XEP0077-3.2-1 bad-request: remove and a form", loggedIn, nil, "<remove/>" + submit("jabber:iq:register:cancel"),
			stanza.BadRequest, "theglobe"},
		{"XEP0077-3.2-1 forbidden: the hook does not let him", loggedIn, func(s *register.Server) {
			s.Remove = func(context.Context, jid.JID) error { return stanza.Forbidden }
		}, "<remove/>", stanza.Forbidden, "theglobe"},
		{"XEP0077-3.2-1 forbidden: the account of somebody else", loggedIn, nil,
			submit("jabber:iq:register:cancel", "username", "juliet"), stanza.Forbidden, "theglobe"},
		{"XEP0077-3.2-1 not-allowed: nobody may", loggedIn, func(s *register.Server) { s.NoRemove = true }, "<remove/>",
			stanza.NotAllowed, "theglobe"},
		{"XEP0077-3.2-1 registration-required: of another domain", foreign, nil, "<remove/>", stanza.RegistrationRequired,
			"theglobe"},
		{"XEP0077-3.2-1 registration-required: gone already", gone, nil, "<remove/>", stanza.RegistrationRequired,
			"theglobe"},
		{"XEP0077-3.2-1 unexpected-request: not logged in", nobody, open, "<remove/>", stanza.UnexpectedRequest, "-"},

		// 3.3
		{"XEP0077-3.3-1 the password", loggedIn, nil, "<username>bill</username><password>newpass</password>", nil,
			"newpass"},
		{"XEP0077-3.3-1 the name in full, in a form", loggedIn, nil,
			submit("jabber:iq:register:changepassword", "username", "bill@shakespeare.lit", "password", "groundlings"), nil,
			"groundlings"},
		{"XEP0077-3.3-1 bad-request: no name", loggedIn, nil, "<password>newpass</password>", stanza.BadRequest, "theglobe"},
		{"XEP0077-3.3-1 bad-request: an empty password changes nothing", loggedIn, nil,
			"<username>bill</username><password/>",
			stanza.BadRequest, "theglobe"},
		{"XEP0077-3.3-1 not-authorized: the stream is not secure", insecure(loggedIn), nil,
			"<username>bill</username><password>newpass</password>", stanza.NotAuthorized, "theglobe"},
		{"XEP0077-3.3-1 not-allowed", loggedIn, func(s *register.Server) { s.NoPasswordChange = true },
			"<username>bill</username><password>newpass</password>", stanza.NotAllowed, "theglobe"},
		{"XEP0077-3.3-1 not-allowed: of another domain", foreign, open,
			"<username>bill</username><password>newpass</password>",
			stanza.NotAllowed, "theglobe"},
		{"XEP0077-3.3-1 unexpected-request: not logged in", nobody, open,
			submit("jabber:iq:register:changepassword", "username", "bill", "password", "mine"), stanza.UnexpectedRequest, "-"},
		{"not that of somebody else, nor a second account", loggedIn, open, complete, stanza.NotAcceptable, "theglobe"},
		{"a long password", loggedIn, nil, "<username>bill</username><password>" + strings.Repeat("x", 1024) + "</password>",
			stanza.NotAcceptable, "theglobe"},
		{"a weak password, changed", loggedIn, func(s *register.Server) {
			s.CheckPassword = func(context.Context, jid.JID, string) error { return errors.New("too short") }
		}, "<username>bill</username><password>x</password>", stanza.NotAcceptable, "theglobe"},
		{"an account that is gone does not come back", gone, nil, "<username>ophelia</username><password>x</password>",
			stanza.RegistrationRequired, "theglobe"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := newAccounts()
			s := &register.Server{Accounts: a, Details: a}
			if tt.change != nil {
				tt.change(s)
			}
			q, err := s.Handle(t.Context(), tt.who, stanza.TypeSet, parse(t, tt.in))
			if !is(err, tt.want) || q != nil {
				t.Errorf("got %s, %v; want %v", write(t, q), err, tt.want)
			}
			who := jid.MustParse("juliet@shakespeare.lit")
			if !tt.who.Account.IsZero() {
				who = bill
			}
			pw, ok := a.pw[who]
			if !ok {
				pw = "-"
			}
			if pw != tt.pw {
				t.Errorf("the password is %q, want %q", pw, tt.pw)
			}
		})
	}
}

// TestHandleGet: what is shown to whom.
func TestHandleGet(t *testing.T) {
	const ns = "<query xmlns='jabber:iq:register'>"
	foreign := loggedIn
	foreign.Account = jid.MustParse("bill@montague.lit")
	a := newAccounts()
	a.details[bill] = []register.Field{{Name: "email", Value: "bill@b"}}
	tests := []struct {
		name string
		who  register.Requester
		s    *register.Server
		want string // beginning
		has  string
		err  error
	}{
		{"IM-A.1-1 IM-A.1-2 the fields are empty elements, with instructions", nobody,
			&register.Server{Accounts: a, Open: true, Fields: []string{"email", "x-colour"}, Instructions: "Choose."},
			ns + "<instructions>Choose.</instructions><username></username><password></password><email></email>" +
				"<x xmlns='jabber:x:data' type='form'>",
			"<field type='text-single' label='x-colour' var='x-colour'><required/></field></x></query>", nil},
		{"IM-A.1-2 the data form is beside them", nobody, &register.Server{Accounts: a, Open: true}, ns,
			"<field type='hidden' var='FORM_TYPE'><value>jabber:iq:register</value></field>" +
				"<field type='text-single' label='User name' var='username'><required/></field>" +
				"<field type='text-private' label='Password' var='password'><required/></field></x></query>", nil},
		{"GUIDE-9-register-4 IM-A.1-8 who is registered sees that", loggedIn, &register.Server{Accounts: a, Details: a},
			ns + "<registered/><instructions>", "</instructions><username>bill</username><password></password><email>" +
				"bill@b</email></query>", nil},
		{"XEP-0077 3.1: closed", nobody, &register.Server{Accounts: a}, "", "", stanza.ServiceUnavailable},
		{"XEP-0077 5: redirection", nobody, &register.Server{Accounts: a, URL: "http://s.lit/"},
			ns + "<instructions>To register, visit http://s.lit/ .</instructions><x xmlns='jabber:x:oob'><url>" +
				"http://s.lit/</url></x></query>", "", nil},
		{"users of other domains", foreign, &register.Server{Accounts: a, Open: true}, "", "", stanza.ServiceUnavailable},
		{"the details cannot be had", loggedIn, &register.Server{Accounts: a, Details: &accounts{errSet: errBroken}}, "",
			"", errBroken},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			q, err := tt.s.Handle(t.Context(), tt.who, stanza.TypeGet, nil)
			got := write(t, q)
			if !is(err, tt.err) || !strings.HasPrefix(got, tt.want) || !strings.HasSuffix(got, tt.has) {
				t.Errorf("got %s, %v", got, err)
			}
		})
	}
	for _, typ := range []stanza.Type{stanza.TypeResult, stanza.TypeSet} {
		if _, err := (&register.Server{Accounts: a}).Handle(t.Context(), nobody, typ, nil); !is(err, stanza.BadRequest) {
			t.Errorf("%s without a query: %v", typ, err)
		}
	}
}

var errBroken = errors.New("broken")

// TestReq_GUIDE_11_reg_1: GUIDE-11-reg-1, what people say about themselves is for
// the server, and shown to nobody but them.
func TestReq_GUIDE_11_reg_1(t *testing.T) {
	a := newAccounts()
	var checked, made []string
	s := &register.Server{Accounts: a, Details: a, Open: true, Fields: []string{"email", "city", "username"},
		Check: func(_ context.Context, r register.Requester, account jid.JID, fields []register.Field) error {
			checked = append(checked, fmt.Sprint(r.RemoteAddr, " ", account, " ", fields))
			return nil
		},
		Registered: func(_ context.Context, _ register.Requester, account jid.JID) { made = append(made, account.String()) },
	}
	const in = "<username>juliet</username><password>R0m30</password><email>j@c</email><city>Verona</city>"
	if _, err := s.Handle(t.Context(), nobody, stanza.TypeSet, parse(t, in)); err != nil {
		t.Fatal(err)
	}
	juliet := jid.MustParse("juliet@shakespeare.lit")
	if want := []register.Field{{Name: "email", Value: "j@c"}, {Name: "city",
		Value: "Verona"}}; !reflect.DeepEqual(a.details[juliet], want) {
		t.Errorf("kept: %v", a.details[juliet])
	}
	want := "192.0.2.1:5000 juliet@shakespeare.lit [{username juliet} {email j@c} {city Verona}]"
	if len(checked) != 1 || checked[0] != want {
		t.Errorf("checked %q: the password is nobody's business", checked)
	}
	if len(made) != 1 || made[0] != "juliet@shakespeare.lit" {
		t.Errorf("made %q", made)
	}
	q, err := s.Handle(t.Context(), loggedIn, stanza.TypeGet, nil)
	if out := write(t, q); err != nil || strings.Contains(out, "Verona") {
		t.Errorf("bill sees %s, %v", out, err)
	}

	t.Run("there are no half registrations", func(t *testing.T) {
		a := newAccounts()
		a.errSet = errBroken
		s := &register.Server{Accounts: a, Details: a, Open: true, Fields: []string{"email"}}
		_, err := s.Handle(t.Context(), nobody, stanza.TypeSet, parse(t, in))
		if ok, _ := a.Exists(t.Context(), juliet); ok || !is(err, errBroken) {
			t.Errorf("there is an account: %v; %v", ok, err)
		}
	})
}

// TestReq_GUIDE_11_key_1: GUIDE-11-key-1 and GUIDE-9-register-2, the key of old
// servers.
func TestReq_GUIDE_11_key_1(t *testing.T) {
	s := &register.Server{Accounts: newAccounts(), Open: true, Keys: true}
	q, err := s.Handle(t.Context(), nobody, stanza.TypeGet, nil)
	if err != nil {
		t.Fatal(err)
	}
	key, ok := q.Get("key")
	if !ok || len(key) != 40 {
		t.Fatalf("key %q", key)
	}
	other := nobody
	other.RemoteAddr = "192.0.2.1:5001"
	for _, tt := range []struct {
		name string
		who  register.Requester
		key  string
		want error
	}{
		{"none", nobody, "", stanza.NotAcceptable},
		{"a wrong one", nobody, "<key>106c0a7b5510f192a408a1d054150ed1065e255a</key>", stanza.NotAcceptable},
		{"that of another connection", other, "<key>" + key + "</key>", stanza.NotAcceptable},
		{"the right one", nobody, "<key> " + key + " </key>", nil},
	} {
		in := parse(t, "<username>juliet</username><password>R0m30</password>"+tt.key)
		if _, err := s.Handle(t.Context(), tt.who, stanza.TypeSet, in); !is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
	// Removal needs one, too.
	q, err = s.Handle(t.Context(), loggedIn, stanza.TypeGet, nil)
	if err != nil {
		t.Fatal(err)
	}
	key, _ = q.Get("key")
	if _, err := s.Handle(t.Context(), loggedIn, stanza.TypeSet, parse(t, "<remove/>")); !is(err, stanza.NotAcceptable) {
		t.Errorf("remove without key: %v", err)
	}
	if _, err := s.Handle(t.Context(), loggedIn, stanza.TypeSet, parse(t, "<remove/><key>"+key+"</key>")); err != nil {
		t.Errorf("remove with key: %v", err)
	}
	// By default keys are not asked for.
	s = &register.Server{Accounts: newAccounts(), Open: true}
	in := parse(t, "<username>juliet</username><password>R0m30</password><key>whatever</key>")
	if _, err := s.Handle(t.Context(), nobody, stanza.TypeSet, in); err != nil {
		t.Errorf("a key that nobody asked for: %v", err)
	}
}

// TestThrottle: how many accounts an address may make in an hour.
func TestThrottle(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	n := 0
	try := func(s *register.Server, addr string) error {
		n++
		who := nobody
		who.RemoteAddr = addr
		in := parse(t, fmt.Sprintf("<username>user%d</username><password>x</password>", n))
		_, err := s.Handle(t.Context(), who, stanza.TypeSet, in)
		return err
	}
	newServer := func() *register.Server {
		return &register.Server{Accounts: newAccounts(), Open: true, MaxPerHour: 2, MaxAddresses: 3,
			Now: func() time.Time { return now }}
	}
	t.Run("an hour", func(t *testing.T) {
		s := newServer()
		for i, tt := range []struct {
			after time.Duration
			addr  string
			want  error
		}{
			{0, "192.0.2.1:1", nil},
			{0, "192.0.2.1:2", nil},
			{time.Minute, "192.0.2.1:3", stanza.ResourceConstraint},
			{0, "[2001:db8::1]:3", nil},
			{0, "[2001:db8::2]:3", nil},
			{0, "[2001:db8::3%eth0]:3", stanza.ResourceConstraint}, // the same subscriber
			{0, "[2001:db8:0:1::3]:3", nil},
			{0, "192.0.2.9:3", stanza.ResourceConstraint}, // there is no room for another
			{time.Hour, "192.0.2.1:3", stanza.ResourceConstraint},
			{30 * time.Minute, "192.0.2.1:3", nil}, // half of the first two is gone
			{0, "192.0.2.1:3", stanza.ResourceConstraint},
			{3 * time.Hour, "192.0.2.1:3", nil},
			{0, "192.0.2.1:3", nil},
			{0, "pipe", nil},
			{-5 * time.Hour, "192.0.2.1:3", nil}, // the clock was set back
		} {
			now = now.Add(tt.after)
			err := try(s, tt.addr)
			if !is(err, tt.want) {
				t.Errorf("%d: %v, want %v", i, err, tt.want)
			}
			if e := stanza.AsError(err); err != nil && e.Type != stanza.Wait {
				t.Errorf("%d: type %s: it helps to wait", i, e.Type)
			}
		}
	})
	t.Run("tries count", func(t *testing.T) {
		s := newServer()
		taken := "<username>bill</username><password>x</password>"
		for _, want := range []error{stanza.Conflict, stanza.Conflict, stanza.ResourceConstraint} {
			if _, err := s.Handle(t.Context(), nobody, stanza.TypeSet, parse(t, taken)); !is(err, want) {
				t.Errorf("%v, want %v", err, want)
			}
		}
	})
	t.Run("off, and the default", func(t *testing.T) {
		s := newServer()
		s.MaxPerHour = -1
		many := newServer()
		many.MaxAddresses = -1
		for i := range 5 {
			if err := try(many, fmt.Sprintf("192.0.2.%d:1", i)); err != nil {
				t.Errorf("address %d: %v", i, err)
			}
		}
		d := newServer()
		d.MaxPerHour, d.Now = 0, nil
		for i := range register.DefaultMaxPerHour + 1 {
			if err := try(s, "192.0.2.1:1"); err != nil {
				t.Error(err)
			}
			if err := try(d, "192.0.2.1:1"); (err != nil) != (i == register.DefaultMaxPerHour) {
				t.Errorf("%d: %v", i, err)
			}
		}
	})
	t.Run("at once", func(t *testing.T) {
		s := newServer()
		s.Now = nil
		var wg sync.WaitGroup
		errs := make([]error, 20)
		for i := range errs {
			in := parse(t, fmt.Sprintf("<username>at-once%d</username><password>x</password>", i))
			wg.Go(func() { _, errs[i] = s.Handle(t.Context(), nobody, stanza.TypeSet, in) })
		}
		wg.Wait()
		made := 0
		for _, err := range errs {
			if err == nil {
				made++
			}
		}
		if made != 2 {
			t.Errorf("%d accounts were made, want 2", made)
		}
	})
}

// TestFailures: errors of the store are its own.
func TestFailures(t *testing.T) {
	for _, in := range []string{"<username>bill</username><password>x</password>", "<remove/>"} {
		a := newAccounts()
		a.err = errBroken
		if _, err := (&register.Server{Accounts: a}).Handle(t.Context(), loggedIn, stanza.TypeSet, parse(t, in)); !is(err,
			errBroken) {
			t.Errorf("%s: %v", in, err)
		}
	}
	q := &register.Query{Fields: []register.Field{{Name: "username", Value: "juliet"}, {Name: "password",
		Value: "\u0000"}}}
	_, err := (&register.Server{Accounts: newAccounts(), Open: true}).Handle(t.Context(), nobody, stanza.TypeSet, q)
	if !is(err, stanza.NotAcceptable) {
		t.Errorf("a password that cannot be: %v", err)
	}
	q = &register.Query{Form: "<x"}
	_, err = (&register.Server{Accounts: newAccounts(), Open: true}).Handle(t.Context(), nobody, stanza.TypeSet, q)
	if !is(err, stanza.BadRequest) {
		t.Errorf("a form that is none: %v", err)
	}
}
