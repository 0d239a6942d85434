package jid_test

import (
	"encoding"
	"reflect"
	"testing"

	"github.com/etherx-go/xmpp/jid"
)

var (
	_ encoding.TextMarshaler   = jid.URI{}
	_ encoding.TextAppender    = jid.URI{}
	_ encoding.TextUnmarshaler = (*jid.URI)(nil)
)

func TestParseURI(t *testing.T) {
	romeo := jid.MustParse("romeo@montague.net")
	guest := jid.MustParse("guest@example.com")
	type params = []jid.Param
	for _, c := range []struct {
		name, in string
		want     jid.URI
		out      string // String of it, if not in
	}{
		{"node", "xmpp:romeo@montague.net", jid.URI{JID: romeo}, ""},
		{"domain", "xmpp:example.com", jid.URI{JID: jid.MustParse("example.com")}, ""},
		{"resource", "xmpp:example-node@example.com/some-resource", jid.URI{JID: jid.MustParse("example-node@example.com/some-resource")}, ""},
		{"RFC 5122 2.3 authority", "xmpp://guest@example.com", jid.URI{Authority: guest}, ""},
		{"RFC 5122 2.3 authority and path", "xmpp://guest@example.com/support@example.com?message",
			jid.URI{Authority: guest, JID: jid.MustParse("support@example.com"), Query: "message"}, ""},
		{"authority, path and resource", "xmpp://guest@example.com/a@b/c/d", jid.URI{Authority: guest, JID: jid.MustParse("a@b/c/d")},
			"xmpp://guest@example.com/a@b/c%2Fd"},
		{"authority and query", "xmpp://guest@example.com?disco", jid.URI{Authority: guest, Query: "disco"}, ""},
		{"authority and slash", "xmpp://guest@example.com/", jid.URI{Authority: guest}, "xmpp://guest@example.com"},
		{"RFC 5122 2.5", "xmpp:example-node@example.com?message;subject=Hello%20World",
			jid.URI{JID: jid.MustParse("example-node@example.com"), Query: "message", Params: params{{"subject", "Hello World"}}}, ""},
		{"RFC 5122 2.7.3 URI", "xmpp:ji%C5%99i@%C4%8Dechy.example/v%20Praze", jid.URI{JID: jid.MustParse("ji\u0159i@\u010dechy.example/v Praze")}, ""},
		{"RFC 5122 2.7.3 IRI", "xmpp:ji\u0159i@\u010dechy.example/v%20Praze", jid.URI{JID: jid.MustParse("ji\u0159i@\u010dechy.example/v Praze")},
			"xmpp:ji%C5%99i@%C4%8Dechy.example/v%20Praze"},
		{"RFC 5122 2.8.2 nasty", "xmpp:nasty!%23$%25()*+,-.;=%3F%5B%5C%5D%5E_%60%7B%7C%7D~node@example.com",
			jid.URI{JID: jid.MustParse("nasty!#$%()*+,-.;=?[\\]^_`{|}~node@example.com")}, ""},
		{"RFC 5122 2.8.2 repulsive", "xmpp:node@example.com/repulsive%20!%23%22$%25&'()*+,-.%2F:;%3C=%3E%3F%40%5B%5C%5D%5E_%60%7B%7C%7D~resource",
			jid.URI{JID: jid.MustParse("node@example.com/repulsive !#\"$%&'()*+,-./:;<=>?@[\\]^_`{|}~resource")}, ""},
		{"XEP-0147 message", "xmpp:romeo@montague.net?message;subject=Test%20Message;body=Here%27s%20a%20test%20message",
			jid.URI{JID: romeo, Query: "message", Params: params{{"subject", "Test Message"}, {"body", "Here's a test message"}}}, ""},
		{"XEP-0147 roster", "xmpp:romeo@montague.net?roster;name=Romeo%20Montague;group=Friends",
			jid.URI{JID: romeo, Query: "roster", Params: params{{"name", "Romeo Montague"}, {"group", "Friends"}}}, ""},
		{"XEP-0147 remove", "xmpp:romeo@montague.net?remove", jid.URI{JID: romeo, Query: "remove"}, ""},
		{"XEP-0147 unsubscribe", "xmpp:romeo@montague.net?unsubscribe", jid.URI{JID: romeo, Query: "unsubscribe"}, ""},
		{"keys without a query type", "xmpp:pubsub.shakespeare.lit?;node=princely_musings",
			jid.URI{JID: jid.MustParse("pubsub.shakespeare.lit"), Params: params{{"node", "princely_musings"}}}, ""},
		{"key twice, empty value, no value, empty pair", "xmpp:a@b?q;k=1;;k=2;e=;n;v=a=b",
			jid.URI{JID: jid.MustParse("a@b"), Query: "q", Params: params{{"k", "1"}, {"k", "2"}, {"e", ""}, {"n", ""}, {"v", "a=b"}}},
			"xmpp:a@b?q;k=1;k=2;e=;n=;v=a%3Db"},
		{"separators in key and value", "xmpp:a@b?q;k%3D%3B=%3B%26%23%3F%2B%25", jid.URI{JID: jid.MustParse("a@b"), Query: "q", Params: params{{"k=;", ";&#?+%"}}}, ""},
		{"fragment", "xmpp:a@b?q#x%20y?/z", jid.URI{JID: jid.MustParse("a@b"), Query: "q", Fragment: "x y?/z"}, ""},
		{"empty query and fragment", "xmpp:a@b?#", jid.URI{JID: jid.MustParse("a@b")}, "xmpp:a@b"},
		{"scheme in upper case, address not canonical", "XMPP:Romeo@Montague.NET.", jid.URI{JID: romeo}, "xmpp:romeo@montague.net"},
		{"percent-encoding in lower case, of what needs none", "xmpp:r%6fmeo@m%6Fntague.net", jid.URI{JID: romeo}, "xmpp:romeo@montague.net"},
		{"A-label", "xmpp:xn--bcher-kva.example", jid.URI{JID: jid.MustParse("b\u00fccher.example")}, "xmpp:b%C3%BCcher.example"},
		{"IPv6", "xmpp:a@[2001:DB8::1]/r", jid.URI{JID: jid.MustParse("a@[2001:db8::1]/r")}, "xmpp:a@[2001:db8::1]/r"},
		{"IPv6 zone", "xmpp:a@[fe80::1%25eth0]", jid.URI{JID: jid.MustParse("a@[fe80::1%25eth0]")}, ""},
		{"at and slash in the resource", "xmpp:room@b/user@host/x", jid.URI{JID: jid.MustParse("room@b/user@host/x")}, "xmpp:room@b/user%40host%2Fx"},

		{"CORE-3.5-1", "xmpp:node@domain?query", jid.URI{JID: jid.MustParse("node@domain"), Query: "query"}, ""},
		{"CORE-3.5-2 message", "xmpp:node@domain?message", jid.URI{JID: jid.MustParse("node@domain"), Query: "message"}, ""},
		{"CORE-3.5-2 presence", "xmpp:node@domain?presence", jid.URI{JID: jid.MustParse("node@domain"), Query: "presence"}, ""},
		{"CORE-3.5-2 subscribe", "xmpp:node@domain?subscribe", jid.URI{JID: jid.MustParse("node@domain"), Query: "subscribe"}, ""},
		{"CORE-3.5-2 roster", "xmpp:node@domain?roster", jid.URI{JID: jid.MustParse("node@domain"), Query: "roster"}, ""},
		{"GUIDE-4-jid-6", "jabber://hamlet@denmark/castle", jid.URI{JID: jid.MustParse("hamlet@denmark/castle")}, "xmpp:hamlet@denmark/castle"},
		{"GUIDE-4-jid-6 without slashes", "jabber:hamlet@denmark?message", jid.URI{JID: jid.MustParse("hamlet@denmark"), Query: "message"}, "xmpp:hamlet@denmark?message"},
		{"R3921-12.2-1 im", "im:romeo@montague.net", jid.URI{JID: romeo}, "xmpp:romeo@montague.net"},
		{"R3921-12.2-1 pres", "pres:romeo@montague.net", jid.URI{JID: romeo}, "xmpp:romeo@montague.net"},
		{"R3921-12.2-1 headers", "im:romeo@montague.net?Subject=Hi", jid.URI{JID: romeo}, "xmpp:romeo@montague.net"},
		{"R3921-12.2-1 resource", "im:romeo@montague.net/x@y", jid.URI{JID: jid.MustParse("romeo@montague.net/x@y")}, "xmpp:romeo@montague.net/x%40y"},
		{"R3921-12.2-1 domain", "im:montague.net", jid.URI{JID: jid.MustParse("montague.net")}, "xmpp:montague.net"},
		{"XEP-0106 5.4", "im:here%27s_a_wild_%26_%2Fcr%zy%2F_address@example.com", jid.URI{}, ""}, // see below
		{"XEP-0106 5.4, correctly encoded", "im:here%27s_a_wild_%26_%2Fcr%25zy%2F_address@example.com",
			jid.URI{JID: jid.MustParse(`here\27s_a_wild_\26_\2fcr%zy\2f_address@example.com`)}, "xmpp:here%5C27s_a_wild_%5C26_%5C2fcr%25zy%5C2f_address@example.com"},
		{"mailbox with a slash", "im:a/b@c", jid.URI{JID: jid.MustParse(`a\2fb@c`)}, "xmpp:a%5C2fb@c"},
	} {
		t.Run(c.name, func(t *testing.T) {
			u, err := jid.ParseURI(c.in)
			if c.want.JID.IsZero() && c.want.Authority.IsZero() {
				checkError(t, err, jid.PartURI, jid.ReasonSyntax) // "%zy" is not percent-encoding
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(u, c.want) {
				t.Errorf("ParseURI(%q) =\n%+v, want\n%+v", c.in, u, c.want)
			}
			out := c.out
			if out == "" {
				out = c.in
			}
			if u.String() != out {
				t.Errorf("String() = %s\nwant       %s", u, out)
			}
			if again, err := jid.ParseURI(u.String()); err != nil || !reflect.DeepEqual(again, u) {
				t.Errorf("ParseURI(%q) = %+v, %v, want %+v", u, again, err, u)
			}
		})
	}
}

func TestParseURIError(t *testing.T) {
	for _, c := range []struct {
		name, in string
		part     jid.Part
		reason   jid.Reason
	}{
		{"empty", "", jid.PartURI, jid.ReasonSyntax},
		{"no scheme", "romeo@montague.net", jid.PartURI, jid.ReasonSyntax},
		{"other scheme", "mailto:romeo@montague.net", jid.PartURI, jid.ReasonSyntax},
		{"nothing", "xmpp:", jid.PartURI, jid.ReasonSyntax},
		{"query only", "xmpp:?message", jid.PartURI, jid.ReasonSyntax},
		{"authority without node", "xmpp://example.com", jid.PartURI, jid.ReasonSyntax},
		{"empty authority", "xmpp:///a@b", jid.PartURI, jid.ReasonSyntax},
		{"space", "xmpp:a@b/c d", jid.PartURI, jid.ReasonSyntax},
		{"newline", "xmpp:a@b\n", jid.PartURI, jid.ReasonSyntax},
		{"cut percent", "xmpp:a%4@b", jid.PartURI, jid.ReasonSyntax},
		{"cut percent at the end", "xmpp:a@b/%", jid.PartURI, jid.ReasonSyntax},
		{"bad percent", "xmpp:a@b?m;k=%gg", jid.PartURI, jid.ReasonSyntax},
		{"bad percent in key", "xmpp:a@b?m;%g=", jid.PartURI, jid.ReasonSyntax},
		{"bad percent in query", "xmpp:a@b?%", jid.PartURI, jid.ReasonSyntax},
		{"bad percent in domain", "xmpp:a@%zz", jid.PartURI, jid.ReasonSyntax},
		{"bad percent in fragment", "xmpp:a@b#%", jid.PartURI, jid.ReasonSyntax},
		{"percent-encoded, not UTF-8", "xmpp:a@b/%ff", jid.PartURI, jid.ReasonSyntax},
		{"not UTF-8", "xmpp:a@b/\xff", jid.PartURI, jid.ReasonSyntax},
		{"no node", "xmpp:@b", jid.PartLocal, jid.ReasonEmpty},
		{"no domain", "xmpp:a@", jid.PartDomain, jid.ReasonEmpty},
		{"no resource", "xmpp:a@b/", jid.PartResource, jid.ReasonEmpty},
		{"encoded at in the node", "xmpp:a%40b@c", jid.PartLocal, jid.ReasonDisallowed},
		{"encoded slash in the domain", "xmpp:a@b%2Fc", jid.PartDomain, jid.ReasonLabel},
		{"bad authority", "xmpp://a%20b@c/d@e", jid.PartLocal, jid.ReasonDisallowed},
		{"encoded NUL", "xmpp:a@b/%00", jid.PartResource, jid.ReasonDisallowed},
	} {
		t.Run(c.name, func(t *testing.T) {
			u, err := jid.ParseURI(c.in)
			checkError(t, err, c.part, c.reason)
			if !reflect.DeepEqual(u, jid.URI{}) {
				t.Errorf("%+v with an error, want zero", u)
			}
		})
	}
}

func TestURIGet(t *testing.T) {
	u, err := jid.ParseURI("xmpp:a@b?message;body=1;body=2;empty=")
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{"body": "1", "empty": ""} {
		if got, ok := u.Get(key); got != want || !ok {
			t.Errorf("Get(%q) = %q, %t, want %q", key, got, ok, want)
		}
	}
	if got, ok := u.Get("subject"); got != "" || ok {
		t.Errorf("Get of a missing key = %q, %t", got, ok)
	}
}

func TestURIText(t *testing.T) {
	var u jid.URI
	if err := u.UnmarshalText([]byte("im:a@b")); err != nil || u.JID != jid.MustParse("a@b") {
		t.Fatalf("%+v, %v", u, err)
	}
	checkError(t, u.UnmarshalText([]byte("xmpp:")), jid.PartURI, jid.ReasonSyntax)
	if b, err := u.MarshalText(); err != nil || string(b) != "xmpp:a@b" {
		t.Errorf("MarshalText = %s, %v", b, err)
	}
	if err := u.UnmarshalText(nil); err != nil || !reflect.DeepEqual(u, jid.URI{}) || u.String() != "" {
		t.Errorf("empty text gives %+v, %v", u, err)
	}
	// An authority is written without a resource, which RFC 5122 does not have there.
	u = jid.URI{Authority: jid.MustParse("a@b/c"), JID: jid.MustParse("d")}
	if got, want := u.String(), "xmpp://a@b/d"; got != want {
		t.Errorf("String() = %s, want %s", got, want)
	}
}
