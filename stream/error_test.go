package stream

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/etherx-go/xmpp/internal/xmltok"
	"github.com/etherx-go/xmpp/stanza"
)

// readError parses the error element in text.
func readError(t *testing.T, text string) *Error {
	t.Helper()
	raw := strings.Replace(text, "<stream:error", "<stream:error xmlns:stream='"+NS+"'", 1)
	el, err := stanza.Raw(raw).Element()
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return parseError(el)
}

func TestReq_R6120_4_9_3_1(t *testing.T) {
	if len(defined) != 25 {
		t.Errorf("%d conditions", len(defined))
	}
	for c := range defined {
		e := &Error{Condition: c}
		text := string(e.appendXML(nil, false))
		if want := "<stream:error><" + string(c) + " xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>"; text != want {
			t.Errorf("%s\n%s", text, want)
		}
		got := readError(t, text)
		if got.Condition != c || !got.Remote || !errors.Is(got, c) || got.Name != "" {
			t.Errorf("%s: %+v", text, got)
		}
	}
}

func TestParseError(t *testing.T) {
	const ns = " xmlns='urn:ietf:params:xml:ns:xmpp-streams'"
	for _, tt := range []struct {
		name, in string
		want     Error
		text     string
	}{
		{"CORE-4.5-1 text only", "<stream:error>\n  Invalid XML\n</stream:error>",
			Error{Condition: UndefinedCondition, Text: "Invalid XML"}, "stream error from the peer undefined-condition: Invalid XML"},
		{"CORE-4.5-1 empty", "<stream:error/>", Error{Condition: UndefinedCondition}, "stream error from the peer undefined-condition"},
		{"CORE-4.5-2 R3920-4.7.3-1 old name", "<stream:error><xml-not-well-formed" + ns + "/></stream:error>",
			Error{Condition: NotWellFormed}, "stream error from the peer not-well-formed"},
		{"R3920-4.7.3-1 invalid-id", "<stream:error><invalid-id" + ns + "/></stream:error>",
			Error{Condition: UndefinedCondition, Name: "invalid-id"}, "stream error from the peer undefined-condition (invalid-id)"},
		{"text and application condition", "<stream:error><conflict" + ns + "/><text" + ns + " xml:lang='de'>weg</text><a xmlns='urn:a'/><b xmlns='urn:b'/></stream:error>",
			Error{Condition: Conflict, Text: "weg", Lang: "de", App: "<a xmlns='urn:a'/>"}, "stream error from the peer conflict: weg"},
		{"see-other-host", "<stream:error><see-other-host" + ns + "> [::1]:9222 </see-other-host></stream:error>",
			Error{Condition: SeeOtherHost, Host: "[::1]:9222"}, "stream error from the peer see-other-host: [::1]:9222"},
		{"text in another condition", "<stream:error><reset" + ns + ">x</reset></stream:error>", Error{Condition: Reset}, "stream error from the peer reset"},
		{"text beside the condition", "<stream:error>Bye<reset" + ns + "/></stream:error>",
			Error{Condition: Reset, Text: "Bye"}, "stream error from the peer reset: Bye"},
		{"two conditions", "<stream:error><reset" + ns + "/><conflict" + ns + "/></stream:error>",
			Error{Condition: Reset, App: "<conflict" + ns + "/>"}, "stream error from the peer reset"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := readError(t, tt.in)
			tt.want.Remote = true
			if strings.ReplaceAll(string(got.App), `"`, "'") != string(tt.want.App) {
				t.Errorf("application condition %s, want %s", got.App, tt.want.App)
			}
			got.App, tt.want.App = "", ""
			if *got != tt.want || got.Error() != tt.text {
				t.Errorf("got %+v\n%s", *got, got)
			}
		})
	}
}

func TestAppendError(t *testing.T) {
	const ns = " xmlns='urn:ietf:params:xml:ns:xmpp-streams'"
	for _, tt := range []struct {
		name string
		e    Error
		old  bool
		want string
	}{
		{"text", Error{Condition: Reset, Text: "a<b"}, false, "<reset" + ns + "/><text" + ns + " xml:lang='en'>a&lt;b</text>"},
		{"language", Error{Condition: Reset, Text: "weg", Lang: "de"}, false, "<reset" + ns + "/><text" + ns + " xml:lang='de'>weg</text>"},
		{"see-other-host", Error{Condition: SeeOtherHost, Host: "a&b"}, false, "<see-other-host" + ns + ">a&amp;b</see-other-host>"},
		{"application condition", Error{Condition: Reset, App: "<a xmlns='urn:a'/>"}, false, "<reset" + ns + "/><a xmlns='urn:a'/>"},
		{"broken application condition", Error{Condition: Reset, App: "<a"}, false, "<reset" + ns + "/>"},
		{"undefined", Error{Condition: "evil/><x"}, false, "<undefined-condition" + ns + "/>"},
		{"zero", Error{}, false, "<undefined-condition" + ns + "/>"},
		{"CORE-4.5-1 old form", Error{Condition: NotWellFormed, Text: "Invalid XML"}, true, "Invalid XML<not-well-formed" + ns + "/>"},
		{"CORE-4.5-1 old form without text", Error{Condition: Conflict}, true, "conflict<conflict" + ns + "/>"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want := "<stream:error>" + tt.want + "</stream:error>"
			if got := string(tt.e.appendXML(nil, tt.old)); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

func TestAsError(t *testing.T) {
	e := &Error{Condition: Reset}
	for _, tt := range []struct {
		in   error
		want Condition
	}{
		{e, Reset},
		{Conflict, Conflict},
		{errors.Join(io.EOF, Conflict), Conflict},
		{&xmltok.Error{Class: xmltok.NotWellFormed}, NotWellFormed},
		{&xmltok.Error{Class: xmltok.Restricted}, RestrictedXML},
		{&xmltok.Error{Class: xmltok.Encoding}, UnsupportedEncoding},
		{&xmltok.Error{Class: xmltok.Limit}, PolicyViolation},
		{&xmltok.Error{Class: xmltok.BadFormat}, BadFormat},
		{io.EOF, InternalServerError},
	} {
		got := AsError(tt.in)
		if got.Condition != tt.want || !errors.Is(got, tt.want) {
			t.Errorf("%v: %v", tt.in, got)
		}
		if _, ok := tt.in.(*xmltok.Error); ok && !errors.Is(got, tt.in) {
			t.Errorf("%v does not hold %v", got, tt.in)
		}
	}
	if got := (&Error{Condition: Reset, Text: "now", Err: io.EOF}).Error(); got != "stream error reset: now: EOF" {
		t.Error(got)
	}
}
