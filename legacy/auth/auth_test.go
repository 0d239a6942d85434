package auth

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

func read[T stanza.Payload](t *testing.T, in string, v T) {
	t.Helper()
	e, err := stanza.Raw(in).Element()
	if err == nil {
		err = e.Decode(v)
	}
	if err != nil {
		t.Fatalf("%s: %v", in, err)
	}
}

// TestQuery: bytes and values, each example of the documents among them.
func TestQuery(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     Query
		out      string // "": as in, with the quotes of today
	}{
		{"IM-B-1 the question", `<query xmlns="jabber:iq:auth"><username>juliet</username></query>`,
			Query{Username: "juliet", Has: Username}, ""},
		{"XEP-0078 example 1", "<query xmlns='jabber:iq:auth'/>", Query{}, ""},
		{"IM-B-2 the fields", `<query xmlns="jabber:iq:auth"><username>juliet</username><digest/><resource/></query>`,
			Query{Username: "juliet", Has: Username | Digest | Resource}, ""},
		{"XEP-0078 example 2", "<query xmlns='jabber:iq:auth'><username/><password/><digest/><resource/></query>",
			Query{Has: Username | Password | Digest | Resource}, ""},
		{"IM-B-3 digest", `<query xmlns="jabber:iq:auth"><username>juliet</username>` +
			`<digest>64d60e40febe09264c52bc9cbddd5dd1147fae97</digest><resource>balcony</resource></query>`,
			Query{Username: "juliet", Digest: "64d60e40febe09264c52bc9cbddd5dd1147fae97", Resource: "balcony", Has: Username | Digest | Resource}, ""},
		{"GUIDE-9-auth-2 plaintext", `<query xmlns="jabber:iq:auth"> <username>hamlet</username> <password>gertrude</password> <resource>Castle</resource> </query>`,
			Query{Username: "hamlet", Password: "gertrude", Resource: "Castle", Has: Username | Password | Resource},
			"<query xmlns='jabber:iq:auth'><username>hamlet</username><password>gertrude</password><resource>Castle</resource></query>"},
		{"IM-3-1 what is left after SASL", `<query xmlns="jabber:iq:auth"><username>juliet</username><resource/></query>`,
			Query{Username: "juliet", Has: Username | Resource}, ""},
		{"IM-3-4 an empty resource", `<query xmlns="jabber:iq:auth"><username>juliet</username><resource></resource></query>`,
			Query{Username: "juliet", Has: Username | Resource}, "<query xmlns='jabber:iq:auth'><username>juliet</username><resource/></query>"},
		{"IM-D.1-1 any order, twice, others between", "<a:query xmlns:a='jabber:iq:auth'><a:resource> x </a:resource><a:token/><b xmlns='urn:b'/>" +
			"<a:password> p&amp;w </a:password>\n<a:username>\n bill </a:username><a:username>ben</a:username></a:query>",
			Query{Username: "bill", Password: " p&w ", Resource: " x ", Has: Username | Password | Resource},
			"<query xmlns='jabber:iq:auth'><username>bill</username><password> p&amp;w </password><resource> x </resource></query>"},
		{"fields of another namespace", "<query xmlns='jabber:iq:auth'><username xmlns='urn:b'>x</username></query>", Query{}, "<query xmlns='jabber:iq:auth'/>"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var q Query
			read(t, tt.in, &q)
			if q != tt.want {
				t.Errorf("read %+v, want %+v", q, tt.want)
			}
			out := tt.out
			if out == "" {
				out = strings.ReplaceAll(tt.in, `"`, "'")
			}
			if b, err := q.AppendXML([]byte("x")); string(b) != "x"+out || err != nil {
				t.Errorf("written %s, %v", b, err)
			}
		})
	}
	// A value is written also without its bit.
	if b, _ := (Query{Resource: "<"}).AppendXML(nil); string(b) != "<query xmlns='jabber:iq:auth'><resource>&lt;</resource></query>" {
		t.Errorf("written %s", b)
	}
	if (Query{}).XMLName() != QueryName || (Feature{}).XMLName() != FeatureName {
		t.Error("names")
	}
}

func TestFeature(t *testing.T) {
	const want = "<auth xmlns='http://jabber.org/features/iq-auth'/>" // XEP-0078, example 9
	var f Feature
	read(t, want, &f)
	if b, err := f.AppendXML(nil); string(b) != want || err != nil {
		t.Errorf("written %s, %v", b, err)
	}
}

func TestCheck(t *testing.T) {
	for _, tt := range []struct {
		name string
		q    Query
		sasl bool
		want string // of the error, "" for none
	}{
		{"IM-D.1-1 nothing", Query{}, false, "not-acceptable: missing: username, resource"},
		{"IM-D.1-1 no user name", Query{Password: "p", Resource: "r"}, false, "not-acceptable: missing: username"},
		{"IM-D.1-1 no resource", Query{Username: "u", Digest: "d"}, false, "not-acceptable: missing: resource"},
		{"IM-D.1-1 no secret", Query{Username: "u", Resource: "r", Has: Password}, false, "not-acceptable: missing: password or digest"},
		{"IM-3-2 no secret after SASL", Query{Username: "u", Resource: "r"}, true, ""},
		{"IM-3-4 no resource after SASL", Query{Username: "u", Has: Resource}, true, "not-acceptable: missing: resource"},
		{"IM-D.1-1 password", Query{Username: "u", Password: "p", Resource: "r"}, false, ""},
		{"IM-D.1-1 digest", Query{Username: "u", Digest: "d", Resource: "r"}, false, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.q.Check(tt.sasl)
			got := ""
			if err != nil {
				got = err.Error()
			}
			if got != tt.want || err != nil && !errors.Is(err, stanza.NotAcceptable) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	if s := (Username | Digest | Resource).String(); s != "username, digest, resource" {
		t.Error(s)
	}
}

// TestReq_IM_B_6: the digest.
func TestReq_IM_B_6(t *testing.T) {
	for _, tt := range []struct{ id, password, want string }{
		{"3EE948B0", "Calli0pe", "48fc78be9ec8f86d8ce1c39c320c97c21d62334d"}, // XEP-0078, example 4
		{"", "", "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
		{"a&b", "\u00fc<&>", "23f60bcef7a484264c5818561770c51e701d0b06"}, // UTF-8, nothing is escaped
	} {
		got := DigestOf(tt.id, tt.password)
		if got != tt.want {
			t.Errorf("%q %q: got %s, want %s", tt.id, tt.password, got, tt.want)
		}
		if !Verify(tt.id, tt.password, got) || !Verify(tt.id, tt.password, strings.ToUpper(got)) {
			t.Errorf("%q %q: not verified", tt.id, tt.password)
		}
		for _, wrong := range []string{"", got[1:], got + "0", strings.Repeat("0", 40), DigestOf(tt.id+"x", tt.password)} {
			if Verify(tt.id, tt.password, wrong) {
				t.Errorf("%q %q: %q is taken", tt.id, tt.password, wrong)
			}
		}
	}
}

// scripted is a server that answers each request with what is next, and keeps
// what it was asked.
type scripted struct {
	asked   []string
	answers []func(iq *stanza.Stanza) (*stanza.Stanza, error)
}

func (s *scripted) LocalAddr() jid.JID                         { return jid.JID{} }
func (s *scripted) Send(context.Context, *stanza.Stanza) error { return errors.New("nothing is sent") }

func (s *scripted) Do(_ context.Context, iq *stanza.Stanza) (*stanza.Stanza, error) {
	s.asked = append(s.asked, iq.String())
	answer := s.answers[0]
	s.answers = s.answers[1:]
	return answer(iq)
}

func result(payloads ...any) func(*stanza.Stanza) (*stanza.Stanza, error) {
	return func(iq *stanza.Stanza) (*stanza.Stanza, error) { return iq.Reply(payloads...) }
}

// refusal answers with an error as it comes over the wire.
func refusal(src string) func(*stanza.Stanza) (*stanza.Stanza, error) {
	return func(*stanza.Stanza) (*stanza.Stanza, error) {
		st, err := stanza.Parse(src)
		if err == nil {
			err = st.Err()
		}
		return nil, err
	}
}

func TestLogin(t *testing.T) {
	const (
		ask   = "<iq type='get'><query xmlns='jabber:iq:auth'><username>bill</username></query></iq>"
		begin = "<iq type='set'><query xmlns='jabber:iq:auth'><username>bill</username>"
		end   = "<resource>globe</resource></query></iq>"
	)
	digest := begin + "<digest>48fc78be9ec8f86d8ce1c39c320c97c21d62334d</digest>" + end
	plain := begin + "<password>Calli0pe</password>" + end
	all := result(Query{Has: Username | Password | Digest | Resource})
	onlyPlain := result(Query{Has: Username | Password | Resource})
	lost := errors.New("lost")
	for _, tt := range []struct {
		name    string
		change  func(*Login)
		answers []func(*stanza.Stanza) (*stanza.Stanza, error)
		asked   []string
		err     error
	}{
		{"IM-B-3 IM-B-4 digest is preferred", func(l *Login) { l.Plaintext = true }, []func(*stanza.Stanza) (*stanza.Stanza, error){all, result()}, []string{ask, digest}, nil},
		{"plaintext", func(l *Login) { l.Plaintext = true }, []func(*stanza.Stanza) (*stanza.Stanza, error){onlyPlain, result()}, []string{ask, plain}, nil},
		{"plaintext is not shown", nil, []func(*stanza.Stanza) (*stanza.Stanza, error){onlyPlain}, []string{ask}, ErrNoMethod},
		{"no stream id", func(l *Login) { l.StreamID, l.Plaintext = "", true }, []func(*stanza.Stanza) (*stanza.Stanza, error){all, result()}, []string{ask, plain}, nil},
		{"no stream id, no plaintext", func(l *Login) { l.StreamID = "" }, []func(*stanza.Stanza) (*stanza.Stanza, error){all}, []string{ask}, ErrNoMethod},
		{"IM-B-1 get is not used", func(l *Login) { l.Guess, l.Plaintext = true, true }, []func(*stanza.Stanza) (*stanza.Stanza, error){
			refusal("<iq type='error'><error code='501'>Not Implemented</error></iq>"), result()}, []string{ask, digest}, nil},
		{"the server does not offer it", nil, []func(*stanza.Stanza) (*stanza.Stanza, error){
			refusal("<iq type='error'><error code='503'/></iq>")}, []string{ask}, stanza.ServiceUnavailable},
		{"lost", func(l *Login) { l.Guess = true }, []func(*stanza.Stanza) (*stanza.Stanza, error){
			func(*stanza.Stanza) (*stanza.Stanza, error) { return nil, lost }}, []string{ask}, lost},
		{"GUIDE-9-auth-4 Wrong Password", nil, []func(*stanza.Stanza) (*stanza.Stanza, error){all,
			refusal("<iq type='error' id='1001'> <error code='400'>Wrong Password</error> </iq>")}, []string{ask, digest}, stanza.BadRequest},
		{"IM-B-5 Unauthorized", nil, []func(*stanza.Stanza) (*stanza.Stanza, error){all,
			refusal("<iq type='error' from='capulet.com' id='auth_2'><query xmlns='jabber:iq:auth'><username>juliet</username>" +
				"<digest>64d60e40febe09264c5wrongpassword2bc9cbddd5dd1147fae97</digest><resource>balcony</resource></query>" +
				"<error code='401'>Unauthorized</error></iq>")}, []string{ask, digest}, stanza.NotAuthorized},
		{"XEP0078-5-1 conflict", nil, []func(*stanza.Stanza) (*stanza.Stanza, error){all,
			refusal("<iq type='error' id='auth2'><error code='409' type='cancel'><conflict xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>")},
			[]string{ask, digest}, stanza.Conflict},
		{"an error in a result", nil, []func(*stanza.Stanza) (*stanza.Stanza, error){all,
			refusal("<iq type='result' id='res_2'><error code='406'>Not Acceptable (empty resource)</error></iq>")}, []string{ask, digest}, stanza.NotAcceptable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &scripted{answers: tt.answers}
			l := Login{Username: "bill", Password: "Calli0pe", Resource: "globe", StreamID: "3EE948B0"}
			if tt.change != nil {
				tt.change(&l)
			}
			if err := l.Do(t.Context(), s); !errors.Is(err, tt.err) || (err == nil) != (tt.err == nil) {
				t.Errorf("got %v, want %v", err, tt.err)
			}
			if !reflect.DeepEqual(s.asked, tt.asked) {
				t.Errorf("asked %q, want %q", s.asked, tt.asked)
			}
		})
	}
}

// TestBind: a resource after SASL (IM-3-2), and that it is refused (IM-3-4).
func TestBind(t *testing.T) {
	s := &scripted{answers: []func(*stanza.Stanza) (*stanza.Stanza, error){result(),
		refusal("<iq type='result' id='res_2'><error code='406'>Not Acceptable (empty resource)</error></iq>")}}
	if err := Bind(t.Context(), s, "juliet", "balcony"); err != nil {
		t.Error(err)
	}
	if err := Bind(t.Context(), s, "juliet", ""); !errors.Is(err, stanza.NotAcceptable) {
		t.Error(err)
	}
	want := []string{"<iq type='set'><query xmlns='jabber:iq:auth'><username>juliet</username><resource>balcony</resource></query></iq>",
		"<iq type='set'><query xmlns='jabber:iq:auth'><username>juliet</username></query></iq>"}
	if !reflect.DeepEqual(s.asked, want) {
		t.Errorf("asked %q", s.asked)
	}
}

// FuzzQuery: what is read is written as it was understood.
func FuzzQuery(f *testing.F) {
	for _, src := range []string{
		"<query xmlns='jabber:iq:auth'/>",
		"<query xmlns='jabber:iq:auth'><username>juliet</username><digest/><resource/></query>",
		"<a:query xmlns:a='jabber:iq:auth'><a:password><![CDATA[ <]]></a:password><a:username> x</a:username></a:query>",
	} {
		f.Add(src)
	}
	f.Fuzz(func(t *testing.T, src string) {
		e, err := stanza.Raw(src).Element()
		if err != nil || e.Name() != QueryName {
			return
		}
		var q, again Query
		if err := e.Decode(&q); err != nil {
			t.Fatal(err)
		}
		b, err := q.AppendXML(nil)
		if err != nil {
			t.Fatal(err)
		}
		read(t, string(b), &again)
		if q != again {
			t.Fatalf("%s\nread  %+v\nagain %+v\nfrom  %s", src, q, again, b)
		}
	})
}
