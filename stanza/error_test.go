package stanza

import (
	"errors"
	"fmt"
	"testing"

	"github.com/etherx-go/xmpp/jid"
)

// errorOf returns the error of a message of type error with this content.
func errorOf(t *testing.T, content string) *Error {
	t.Helper()
	st, err := Parse("<message type='error' from='a@b'>" + content + "</message>")
	if err != nil {
		t.Fatal(err)
	}
	var e *Error
	if !errors.As(st.Err(), &e) {
		t.Fatalf("%s: Err is %v", content, st.Err())
	}
	return e
}

// Codes without a condition, as the first Jabber servers sent them.
func TestReqErrIn(t *testing.T) {
	for _, tt := range []struct {
		id   string
		code int
		cond Condition
		typ  ErrorType
		text string // default text
	}{
		{"ERR-IN-302", 302, Redirect, Modify, "Redirect"},
		{"ERR-IN-400", 400, BadRequest, Modify, "Bad Request"},
		{"ERR-IN-401", 401, NotAuthorized, Auth, "Unauthorized"},
		{"ERR-IN-402", 402, PaymentRequired, Auth, "Payment Required"},
		{"ERR-IN-403", 403, Forbidden, Auth, "Forbidden"},
		{"ERR-IN-404", 404, ItemNotFound, Cancel, "Not Found"},
		{"ERR-IN-405", 405, NotAllowed, Cancel, "Not Allowed"},
		{"ERR-IN-406", 406, NotAcceptable, Modify, "Not Acceptable"},
		{"ERR-IN-407", 407, RegistrationRequired, Auth, "Registration Required"},
		{"ERR-IN-408", 408, RemoteServerTimeout, Wait, "Request Timeout"},
		{"ERR-IN-409", 409, Conflict, Cancel, "Conflict"},
		{"ERR-IN-500", 500, InternalServerError, Wait, "Internal Server Error"},
		{"ERR-IN-501", 501, FeatureNotImplemented, Cancel, "Not Implemented"},
		{"ERR-IN-502", 502, ServiceUnavailable, Wait, "Remote Server Error"},
		{"ERR-IN-503", 503, ServiceUnavailable, Cancel, "Service Unavailable"},
		{"ERR-IN-504", 504, RemoteServerTimeout, Wait, "Remote Server Timeout"},
		{"ERR-IN-510", 510, ServiceUnavailable, Cancel, "Disconnected"},
	} {
		t.Run(tt.id, func(t *testing.T) {
			e := errorOf(t, fmt.Sprintf("<error code='%d'>it &amp; that</error>", tt.code))
			if e.Condition != tt.cond || e.Type != tt.typ || e.Code != tt.code || e.Text != "it & that" {
				t.Errorf("got %+v", e)
			}
			if !errors.Is(e, tt.cond) {
				t.Errorf("errors.Is(%v) is false", tt.cond)
			}
			// GUIDE-11-error-1: the code has a text if the error has none.
			for _, content := range []string{"<error code='%d'/>", "<error code=' %d '> \n</error>"} {
				if e := errorOf(t, fmt.Sprintf(content, tt.code)); e.Text != tt.text || e.Condition != tt.cond {
					t.Errorf("without text: got %+v", e)
				}
			}
			// What has a condition does not need the code.
			e = errorOf(t, fmt.Sprintf("<error code='%d' type='wait'><gone xmlns='%s'/></error>", tt.code, NSStanzas))
			if e.Condition != Gone || e.Type != Wait || e.Code != tt.code || e.Text != "" {
				t.Errorf("with another condition: got %+v", e)
			}
			// Sent again it has the same meaning, in the modern form. There is
			// no 402 and no payment-required any more.
			out := string(errorOf(t, fmt.Sprintf("<error code='%d'/>", tt.code)).appendXML(nil))
			cond, code := tt.cond, tt.code
			if code == 402 {
				cond, code = UndefinedCondition, 500
			}
			want := fmt.Sprintf("<error code='%d' type='%s' by='a@b'><%s xmlns='%s'/><text xmlns='%[4]s'>%s</text></error>", code, tt.typ, cond, NSStanzas, tt.text)
			if out != want {
				t.Errorf("sent again\n got %s\nwant %s", out, want)
			}
		})
	}
}

// Conditions with the codes that are sent beside them.
func TestReqErrOut(t *testing.T) {
	for _, tt := range []struct {
		cond Condition
		typ  ErrorType // of RFC 6120
		code int
	}{
		{BadRequest, Modify, 400},
		{Conflict, Cancel, 409},
		{FeatureNotImplemented, Cancel, 501},
		{Forbidden, Auth, 403},
		{Gone, Cancel, 302},
		{InternalServerError, Cancel, 500},
		{ItemNotFound, Cancel, 404},
		{JIDMalformed, Modify, 400},
		{NotAcceptable, Modify, 406},
		{NotAllowed, Cancel, 405},
		{NotAuthorized, Auth, 401},
		{PolicyViolation, Modify, 406},
		{RecipientUnavailable, Wait, 404},
		{Redirect, Modify, 302},
		{RegistrationRequired, Auth, 407},
		{RemoteServerNotFound, Cancel, 404},
		{RemoteServerTimeout, Wait, 504},
		{ResourceConstraint, Wait, 500},
		{ServiceUnavailable, Cancel, 503},
		{SubscriptionRequired, Auth, 407},
		{UndefinedCondition, Cancel, 500},
		{UnexpectedRequest, Wait, 400},
	} {
		t.Run("ERR-OUT-"+string(tt.cond), func(t *testing.T) {
			out := string(NewError(tt.cond, "").appendXML(nil))
			if want := fmt.Sprintf("<error code='%d' type='%s'><%s xmlns='%s'/></error>", tt.code, tt.typ, tt.cond, NSStanzas); out != want {
				t.Errorf("got  %s\nwant %s", out, want)
			}
			// Without the code, and with another type.
			out = string((&Error{Condition: tt.cond, Type: Wait, Code: NoCode}).appendXML(nil))
			if want := fmt.Sprintf("<error type='wait'><%s xmlns='%s'/></error>", tt.cond, NSStanzas); out != want {
				t.Errorf("got  %s\nwant %s", out, want)
			}
			e := errorOf(t, fmt.Sprintf("<error><%s xmlns='%s'/></error>", tt.cond, NSStanzas))
			if e.Condition != tt.cond || e.Type != tt.typ || e.Code != 0 {
				t.Errorf("read: %+v", e)
			}
		})
	}
	if len(conditions) != 22 {
		t.Errorf("there are %d conditions, but RFC 6120, section 8.3.3, has 22", len(conditions))
	}
}

func TestReqErrors(t *testing.T) {
	const ns = " xmlns='" + NSStanzas + "'/>"
	for _, tt := range []struct {
		id, in string
		want   Error
	}{
		{"CORE-A-1", "<error code='404' type='cancel'><item-not-found" + ns + "</error>", Error{Type: Cancel, Condition: ItemNotFound, Code: 404}},
		{"CORE-6.3.2-5", "<error code='502'>Cannot be reached</error>", Error{Type: Wait, Condition: ServiceUnavailable, Code: 502, Text: "Cannot be reached"}},
		{"GUIDE-11-error-1 unknown code", "<error code='599'/>", Error{Type: Cancel, Condition: UndefinedCondition, Code: 599}},
		{"GUIDE-11-error-2", "<error code='500'>Could not process request</error>", Error{Type: Wait, Condition: InternalServerError, Code: 500, Text: "Could not process request"}},
		{"GUIDE-11-error-2 text beside a condition", "<error code='500'>x<conflict" + ns + "</error>", Error{Type: Cancel, Condition: Conflict, Code: 500, Text: "x"}},
		{"GUIDE-11-error-3", "<error code='503'/>", Error{Type: Cancel, Condition: ServiceUnavailable, Code: 503, Text: "Service Unavailable"}},
		{"GUIDE-8-dtd-3", "<error>Something</error>", Error{Type: Cancel, Condition: UndefinedCondition, Text: "Something"}},
		{"GUIDE-8-dtd-3 empty", "<error/>", Error{Type: Cancel, Condition: UndefinedCondition}},
		{"GUIDE-8-dtd-3 not a code", "<error code='-404'/>", Error{Type: Cancel, Condition: UndefinedCondition}},
		{"no error element", "", Error{Type: Cancel, Condition: UndefinedCondition}},
		{"type only", "<error type='modify'/>", Error{Type: Modify, Condition: UndefinedCondition}},
		{"unknown type", "<error type='grave'><forbidden" + ns + "</error>", Error{Type: Auth, Condition: Forbidden}},
		{"type continue", "<error type='continue'><forbidden" + ns + "</error>", Error{Type: Continue, Condition: Forbidden}},
		{"unknown condition", "<error type='wait'><moon-phase" + ns + "</error>", Error{Type: Wait, Condition: UndefinedCondition}},
		{"unknown condition with code", "<error code='404'><moon-phase" + ns + "</error>", Error{Type: Cancel, Condition: UndefinedCondition, Code: 404}},
		{"payment-required", "<error><payment-required" + ns + "</error>", Error{Type: Auth, Condition: PaymentRequired}},
		{"first condition", "<error><conflict" + ns + "<forbidden" + ns + "</error>", Error{Type: Cancel, Condition: Conflict}},
		{"text", "<error><conflict" + ns + "<text xml:lang='de' xmlns='" + NSStanzas + "'>schon da</text><text xml:lang='en' xmlns='" + NSStanzas + "'>x</text></error>",
			Error{Type: Cancel, Condition: Conflict, Text: "schon da", Lang: "de"}},
		{"gone", "<error><gone xmlns='" + NSStanzas + "'> xmpp:a@b </gone></error>", Error{Type: Cancel, Condition: Gone, NewAddress: "xmpp:a@b"}},
		{"redirect", "<error><redirect xmlns='" + NSStanzas + "'>xmpp:a@b?x&amp;y</redirect></error>", Error{Type: Modify, Condition: Redirect, NewAddress: "xmpp:a@b?x&y"}},
		{"no address", "<error><conflict xmlns='" + NSStanzas + "'>xmpp:a@b</conflict></error>", Error{Type: Cancel, Condition: Conflict}},
		{"application condition", "<error><x:too-many-parameters xmlns:x='urn:x'/><undefined-condition" + ns + "<other xmlns='urn:o'/></error>",
			Error{Type: Cancel, Condition: UndefinedCondition, App: "<x:too-many-parameters xmlns='jabber:client' xmlns:x='urn:x'/>"}},
		{"by", "<error by='c.example'><conflict" + ns + "</error>", Error{Type: Cancel, Condition: Conflict, By: jid.MustParse("c.example")}},
		{"by nobody", "<error by='@'><conflict" + ns + "</error>", Error{Type: Cancel, Condition: Conflict}},
	} {
		t.Run(tt.id, func(t *testing.T) {
			if tt.want.By.IsZero() {
				tt.want.By = jid.MustParse("a@b") // the sender
			}
			if got := errorOf(t, tt.in); *got != tt.want {
				t.Errorf("%s\n got %+v\nwant %+v", tt.in, *got, tt.want)
			}
		})
	}
}

func TestErrorAppend(t *testing.T) {
	const ns = " xmlns='" + NSStanzas + "'"
	for _, tt := range []struct {
		name string
		e    Error
		want string
	}{
		{"zero", Error{}, "<error code='500' type='cancel'><undefined-condition" + ns + "/></error>"},
		{"unknown condition", Error{Condition: "moon-phase"}, "<error code='500' type='cancel'><undefined-condition" + ns + "/></error>"},
		{"other code", Error{Condition: Conflict, Code: 509}, "<error code='509' type='cancel'><conflict" + ns + "/></error>"},
		{"text", Error{Condition: Conflict, Code: NoCode, Text: "a<b", Lang: "de"}, "<error type='cancel'><conflict" + ns + "/><text" + ns + " xml:lang='de'>a&lt;b</text></error>"},
		{"address", Error{Condition: Gone, NewAddress: "xmpp:a@b?x&y"}, "<error code='302' type='cancel'><gone" + ns + ">xmpp:a@b?x&amp;y</gone></error>"},
		{"address without place", Error{Condition: Conflict, NewAddress: "xmpp:a@b"}, "<error code='409' type='cancel'><conflict" + ns + "/></error>"},
		{"application", Error{Condition: Conflict, Code: NoCode, App: "<a xmlns='urn:a'/>"}, "<error type='cancel'><conflict" + ns + "/><a xmlns='urn:a'/></error>"},
		{"bad application", Error{Condition: Conflict, Code: NoCode, App: "<a><b></a>"}, "<error type='cancel'><conflict" + ns + "/></error>"},
		{"by", Error{Condition: Conflict, Code: NoCode, By: jid.MustParse("b@c/'")}, "<error type='cancel' by='b@c/&apos;'><conflict" + ns + "/></error>"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := string(tt.e.appendXML(nil)); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestErrorText(t *testing.T) {
	for _, tt := range []struct {
		e    Error
		want string
	}{
		{Error{}, "undefined-condition"},
		{Error{Condition: Conflict}, "conflict"},
		{Error{Condition: Conflict, Text: "taken"}, "conflict: taken"},
		{Error{Condition: Gone, NewAddress: "xmpp:a@b"}, "gone: xmpp:a@b"},
		{Error{Condition: Conflict, By: jid.MustParse("c.example")}, "conflict (from c.example)"},
	} {
		if got := tt.e.Error(); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

func TestAsError(t *testing.T) {
	e := NewError(Conflict, "taken")
	for _, tt := range []struct {
		in   error
		want Error
	}{
		{e, *e},
		{fmt.Errorf("x: %w", e), *e},
		{errors.Join(errors.New("x"), e), *e},
		{Conflict, Error{Condition: Conflict}},
		{fmt.Errorf("x: %w", Conflict), Error{Condition: Conflict}},
		{errors.New("secret"), Error{Condition: InternalServerError, Type: Wait}},
		{(*Error)(nil), Error{Condition: InternalServerError, Type: Wait}},
		{nil, Error{Condition: InternalServerError, Type: Wait}},
	} {
		if got := AsError(tt.in); *got != tt.want {
			t.Errorf("AsError(%v) = %+v, want %+v", tt.in, *got, tt.want)
		}
	}
	if !errors.Is(fmt.Errorf("x: %w", e), Conflict) || errors.Is(e, Forbidden) || !errors.Is(&Error{}, UndefinedCondition) {
		t.Error("errors.Is does not know the condition")
	}
}

func TestAppName(t *testing.T) {
	for app, want := range map[Raw]string{"": "", "<a": "", "<a/>": "{}a", "<x:a xmlns:x='urn:x'/>": "{urn:x}a"} {
		if got := (&Error{App: app}).AppName(); got != want {
			t.Errorf("%q: %q, want %q", app, got, want)
		}
	}
}

// A received error can be sent on as it is.
func TestErrorRoundTrip(t *testing.T) {
	want := Error{Type: Wait, Condition: Redirect, Text: "a & b", Lang: "de", NewAddress: "xmpp:a@b", App: "<a xmlns='urn:a'>x</a>", Code: 302, By: jid.MustParse("c.example")}
	if got := errorOf(t, string(want.appendXML(nil))); *got != want {
		t.Errorf("got  %+v\nwant %+v", *got, want)
	}
}
