package stanza

import (
	"fmt"
	"testing"
)

// TestErrorCodes: the numeric code that goes with each condition, XEP-0086, section
// 2, and the type of RFC 6120, section 8.3.3.
func TestErrorCodes(t *testing.T) {
	for _, tt := range []struct {
		id   string
		typ  ErrorType
		code string // "" for none
		old  string // the text that an old peer is shown
	}{
		{"ERR-OUT-bad-request", Modify, "400", "Bad Request"},
		{"ERR-OUT-conflict", Cancel, "409", "Conflict"},
		{"ERR-OUT-feature-not-implemented", Cancel, "501", "Not Implemented"},
		{"ERR-OUT-forbidden", Auth, "403", "Forbidden"},
		{"ERR-OUT-gone", Cancel, "302", "Redirect"},
		{"ERR-OUT-internal-server-error", Cancel, "500", "Internal Server Error"},
		{"ERR-OUT-item-not-found", Cancel, "404", "Not Found"},
		{"ERR-OUT-jid-malformed", Modify, "400", "Bad Request"},
		{"ERR-OUT-not-acceptable", Modify, "406", "Not Acceptable"},
		{"ERR-OUT-not-allowed", Cancel, "405", "Not Allowed"},
		{"ERR-OUT-not-authorized", Auth, "401", "Unauthorized"},
		{"ERR-OUT-policy-violation", Modify, "406", "Not Acceptable"},
		{"ERR-OUT-recipient-unavailable", Wait, "404", "Not Found"},
		{"ERR-OUT-redirect", Modify, "302", "Redirect"},
		{"ERR-OUT-registration-required", Auth, "407", "Registration Required"},
		{"ERR-OUT-remote-server-not-found", Cancel, "404", "Not Found"},
		{"ERR-OUT-remote-server-timeout", Wait, "504", "Remote Server Timeout"},
		{"ERR-OUT-resource-constraint", Wait, "500", "Internal Server Error"},
		{"ERR-OUT-service-unavailable", Cancel, "503", "Service Unavailable"},
		{"ERR-OUT-subscription-required", Auth, "407", "Registration Required"},
		{"ERR-OUT-undefined-condition", Cancel, "500", "Internal Server Error"},
		{"ERR-OUT-unexpected-request", Wait, "400", "Bad Request"},
	} {
		t.Run(tt.id, func(t *testing.T) {
			cond := Condition(tt.id[len("ERR-OUT-"):])
			asked, err := Parse("<iq type='get' id='1' from='a@b/c'><x xmlns='urn:x'/></iq>")
			if err != nil {
				t.Fatal(err)
			}
			element := "<" + string(cond) + " xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
			tag := fmt.Sprintf("<iq type='error' id='1' to='a@b/c'><error code='%s' type='%s'>", tt.code, tt.typ)
			reply := asked.ErrorReply(cond)
			if got := reply.String(); got != tag+element {
				t.Errorf("sent %s", got)
			}
			if got := reply.WithOldError().String(); got != tag+tt.old+element {
				t.Errorf("sent to an old peer %s", got)
			}
			// One switch leaves the code out.
			bare := fmt.Sprintf("<iq type='error' id='1' to='a@b/c'><error type='%s'>", tt.typ)
			if got := asked.ErrorReply(&Error{Condition: cond, Code: NoCode}).String(); got != bare+element {
				t.Errorf("sent without code %s", got)
			}
			// Another type goes with the same code.
			if got := asked.ErrorReply(&Error{Condition: cond, Type: Continue}).String(); got !=
				fmt.Sprintf("<iq type='error' id='1' to='a@b/c'><error code='%s' type='continue'>", tt.code)+element {
				t.Errorf("sent with another type %s", got)
			}
		})
	}
}

func TestWithOldError(t *testing.T) {
	const ns = " xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'"
	for _, tt := range []struct{ name, in, want string }{ // "": as it was
		{"a text and what was sent", "<message type='error'><body>hi</body><error type='cancel'><item-not-found" + ns + "/><text" + ns + ">no &lt; here</text></error></message>",
			"<message type='error'><body>hi</body><error code='404' type='cancel'>no &lt; here<item-not-found" + ns + "/></error></message>"},
		{"an address, an application's condition", "<iq type='error' id='1'><error by='a@b/&lt;>' type='modify'><gone" + ns + ">xmpp:c@d</gone><x xmlns='urn:x'/></error><q xmlns='urn:q'/></iq>",
			"<iq type='error' id='1'><q xmlns='urn:q'/><error code='302' type='modify' by='a@b/&lt;&gt;'>Redirect<gone" + ns + ">xmpp:c@d</gone><x xmlns='urn:x'/></error></iq>"},
		{"no error element", "<presence type='error'/>", "<presence type='error'><error code='500' type='cancel'>Internal Server Error<undefined-condition" + ns + "/></error></presence>"},
		{"a code of its own", "<iq type='error' id='1'><error code='502'/></iq>",
			"<iq type='error' id='1'><error code='502' type='wait'>Remote Server Error<service-unavailable" + ns + "/></error></iq>"},
		{"old as it is", "<message type='error'><error code='402'>Pay!</error></message>", ""},
		{"no error", "<message><error type='cancel'><gone" + ns + "/></error></message>", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			st, err := Parse(tt.in)
			if err != nil {
				t.Fatal(err)
			}
			want := tt.want
			if want == "" {
				want = st.String()
			}
			if got := st.WithOldError().String(); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}
