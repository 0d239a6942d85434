package xmpptest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// fakeT collects what a Peer reports.
type fakeT struct {
	testing.TB
	mu       sync.Mutex
	reports  []string
	cleanups []func()
}

func (f *fakeT) Helper() {}

func (f *fakeT) Errorf(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reports = append(f.reports, fmt.Sprintf(format, args...))
}

func (f *fakeT) Fatalf(format string, args ...any) { f.Errorf("fatal: "+format, args...) }

func (f *fakeT) Cleanup(fn func()) { f.cleanups = append(f.cleanups, fn) }

// end is the end of the test, and returns the reports.
func (f *fakeT) end() string {
	for _, fn := range f.cleanups {
		fn()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Join(f.reports, "\n")
}

func selfSigned(t *testing.T, name string) (*tls.Config, *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<33, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, &tls.Config{RootCAs: pool, ServerName: name}
}

const (
	clientHeader = `<?xml version='1.0'?><stream:stream to='example.com' version='1.0' xml:lang='en' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>`
	serverHeader = `<?xml version='1.0'?><stream:stream from='example.com' id='s1' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>`
)

// TestPeers lets two peers talk to each other: STARTTLS, SASL, bind, a message,
// and the end; also in the smallest pieces.
func TestPeers(t *testing.T) {
	serverTLS, clientTLS := selfSigned(t, "example.com")
	for name, faults := range map[string][]Fault{"plain": nil, "byte by byte": {SplitWrites(1), DelayWrites(time.Millisecond)}, "pieces": {SplitRandomly(1, 9)}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := net.Pipe()
				server, client := NewPeer(t, NewFaultConn(a, faults...)), NewPeer(t, b)
				server.SetTimeout(time.Hour)
				client.SetTimeout(time.Hour)

				server.Expect(`<stream:stream to='$domain' version='1.0' xml:lang='*' from='!'>`)
				server.Send(strings.Replace(serverHeader, "'example.com'", "'$domain'", 1))
				server.Send(`<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls></stream:features>`)
				server.Expect(`<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>`)
				server.Send(`<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>`)
				server.StartTLS(serverTLS)
				server.Expect(`<?xml version='1.0'?><stream:stream to='$domain'>`)
				server.Send(serverHeader + `<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN</mechanism></mechanisms></stream:features>`)
				server.Expect(`<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>$password</auth>`)
				server.Send(`<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>`)
				server.Expect(`<stream:stream>`)
				server.Send(serverHeader + `<stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></stream:features>`)
				server.Expect(`<iq type='set' id='$id' to='!'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>`)
				server.Send("<iq type='result' id='$id'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>me@$domain/$$1</jid></bind></iq>\n")
				server.ExpectFunc("a message", func(raw string) error {
					if raw != `<message to='you@example.com'><body>hi &amp; bye</body></message>` {
						return errors.New("another message")
					}
					return nil
				})
				server.ExpectEnd()
				server.Send(`</stream:stream>`)
				server.ExpectEOF()

				client.Send(clientHeader)
				client.Expect(`<stream:stream from='example.com' id='$stream'>`)
				client.Expect(`<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>`)
				client.Send(`<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>`)
				client.Expect(`<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>`)
				client.StartTLSClient(clientTLS)
				client.Send(clientHeader)
				client.Expect(`<stream:stream>`)
				client.Expect(`<stream:features/>`)
				client.Send(`<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGEAYg==</auth>`)
				client.Expect(`<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>`)
				client.Send(clientHeader)
				client.Expect(`<stream:stream id='$stream'>`)
				client.Expect(`<stream:features/>`)
				client.Send(`<iq type='set' id='&lt;"'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>`)
				client.Expect(`<iq type='result' id='&lt;"'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>$jid</jid></bind></iq>`)
				client.Send("  \n <message to='you@example.com'><body>hi &amp; bye</body></message>")
				client.Send(`</stream:stream>`)
				client.ExpectEnd()
				client.Close()

				if !server.Wait() || !client.Wait() {
					t.Error("Wait reports a failure")
				}
				if got := client.Var("jid"); got != "me@example.com/$1" {
					t.Errorf("captured jid %q", got)
				}
				if got := server.Var("password"); got != "AGEAYg==" {
					t.Errorf("captured password %q", got)
				}
				if got := server.Var("id"); got != `<"` {
					t.Errorf("captured id %q", got)
				}
			})
		})
	}
}

func TestMatch(t *testing.T) {
	iq := `<iq type='set' id='7' xml:lang='en'><bind xmlns='urn:b'><resource> home </resource></bind><x xmlns='urn:x' n='1'/><x xmlns='urn:x' n='2'/></iq>`
	tests := []struct {
		pattern, got string
		err          string            // "" is a match
		vars         map[string]string // expected after a match
	}{
		{`<iq/>`, iq, "", nil},
		{` <iq type='set' id='*' from='!' xml:lang='en'/> `, iq, "", nil},
		{`<iq id='$id'/>`, iq, "", map[string]string{"id": "7"}},
		{`<iq id='${id}'/>`, iq, "", map[string]string{"id": "7"}},
		{`<iq id='$known'/>`, iq, `attribute id of <iq>: it is "7", but $known was "k" before`, nil},
		{`<message to='$known@$known'/>`, `<message to='k@k'/>`, "", nil},
		{`<message to='$$known$'/>`, `<message to='$known$'/>`, "", nil},
		{`<message to='$x@b'/>`, `<message to='a@b'/>`, `attribute to of <message>: nothing was captured as $x (a dollar sign is $$)`, nil},
		{`<iq><bind xmlns='urn:b'/></iq>`, iq, "", nil},
		{`<iq><x xmlns='urn:x' n='2'/><x xmlns='urn:x' n='1'/></iq>`, iq, "", nil},
		{`<iq><x xmlns='urn:x' n='$a'/><x xmlns='urn:x' n='$b'/></iq>`, iq, "", map[string]string{"a": "1", "b": "2"}},
		{`<iq><x xmlns='urn:x' n='$a'/><x xmlns='urn:x' n='$a'/></iq>`, iq, `attribute n of <x>: it is "2", but $a was "1" before`, nil},
		{`<iq><x xmlns='urn:x'/><x xmlns='urn:x'/><x xmlns='urn:x'/></iq>`, iq, "<iq> has no child <x>", nil},
		{`<iq><x xmlns='urn:x' n='3'/></iq>`, iq, `attribute n of <x>: it is "2", not "3"`, nil},
		{`<iq><x xmlns='urn:y'/></iq>`, iq, "it is <x xmlns='urn:x'>, not <x xmlns='urn:y'>", nil},
		{`<iq><y xmlns='urn:x'/></iq>`, iq, "<iq> has no child <y>", nil},
		{"<iq>\n <bind xmlns='urn:b'>\n <resource>home</resource></bind></iq>", iq, "", nil},
		{`<iq><bind xmlns='urn:b'><resource>$r</resource></bind></iq>`, iq, "", map[string]string{"r": "home"}},
		{`<iq><bind xmlns='urn:b'><resource>*</resource></bind></iq>`, iq, "", nil},
		{`<iq><bind xmlns='urn:b'><resource>work</resource></bind></iq>`, iq, `text of <resource>: it is "home", not "work"`, nil},
		{`<iq type='get'/>`, iq, `attribute type of <iq>: it is "set", not "get"`, nil},
		{`<iq from='*'/>`, iq, `attribute from of <iq>: it is missing`, nil},
		{`<iq type='!'/>`, iq, `attribute type of <iq>: it is there, "set"`, nil},
		{`<message/>`, iq, "it is <iq xmlns='jabber:client'>, not <message xmlns='jabber:client'>", nil},
		{`<iq xmlns='jabber:server'/>`, iq, "it is <iq xmlns='jabber:client'>, not <iq xmlns='jabber:server'>", nil},
		{`<c:iq xmlns:c='jabber:client'/>`, iq, "", nil},
		{`<stream:error/>`, `<stream:error/>`, "", nil},
		{`<stream:stream>`, iq, "it is <iq xmlns='jabber:client'>, not <stream xmlns='http://etherx.jabber.org/streams'>", nil},
		{`<iq/>`, `</stream:stream>`, "the stream has ended", nil},
	}
	for _, tt := range tests {
		t.Run(tt.pattern+" "+tt.got, func(t *testing.T) {
			want, err := parsePattern(tt.pattern)
			if err != nil {
				t.Fatal(err)
			}
			in := newReader(strings.NewReader(clientHeader + tt.got))
			if _, err := in.next(); err != nil {
				t.Fatal(err)
			}
			got, err := in.next()
			if err != nil {
				t.Fatal(err)
			}
			if got.raw != tt.got {
				t.Errorf("raw %q", got.raw)
			}
			vars := map[string]string{"known": "k"}
			err = match(want, got.element, matching{vars, in.stanzaNS})
			if fmt.Sprint(err) != tt.err && (err != nil || tt.err != "") {
				t.Errorf("got %v, want %s", err, tt.err)
			}
			for name, want := range tt.vars {
				if vars[name] != want {
					t.Errorf("$%s is %q, want %q", name, vars[name], want)
				}
			}
		})
	}
}

func TestMatchStanzaNamespace(t *testing.T) {
	in := newReader(strings.NewReader(strings.Replace(clientHeader, "jabber:client", "jabber:server", 1) + "<iq/>"))
	header, err := in.next()
	if err != nil {
		t.Fatal(err)
	}
	for pattern, want := range map[string]string{
		`<stream:stream>`:                       "<nil>",
		`<stream:stream xmlns='jabber:server'>`: "<nil>",
		`<stream:stream xmlns='jabber:client'>`: `the namespace for stanzas is "jabber:server", not "jabber:client"`,
	} {
		p, err := parsePattern(pattern)
		if err != nil {
			t.Fatal(err)
		}
		if err := match(p, header.element, matching{map[string]string{}, in.stanzaNS}); fmt.Sprint(err) != want {
			t.Errorf("%s: %v, want %s", pattern, err, want)
		}
	}
	got, err := in.next()
	if err != nil {
		t.Fatal(err)
	}
	p, err := parsePattern(`<iq/>`)
	if err != nil {
		t.Fatal(err)
	}
	if err := match(p, got.element, matching{map[string]string{}, in.stanzaNS}); err != nil {
		t.Error(err)
	}
}

func TestPatternErrors(t *testing.T) {
	for pattern, want := range map[string]string{
		``:                 "not one whole element or stream header",
		`<iq>`:             "not one whole element or stream header",
		`</pattern>`:       "not one whole element or stream header",
		`<iq/><iq/>`:       "more than one element",
		`<stream:stream>x`: "more than one element",
		`hello`:            "text between elements",
		`hello <iq/>`:      "text between elements",
		`<iq></message>`:   "element <iq> closed by </message>",
		`</stream:stream>`: "for the end of the stream there is ExpectEnd",
		`<!-- -->`:         "a comment or directive",
	} {
		ft := &fakeT{TB: t}
		a, b := net.Pipe()
		NewPeer(ft, a).Expect(pattern)
		got := ft.end()
		b.Close()
		if !strings.HasPrefix(got, "fatal: xmpptest: pattern "+pattern+": ") || !strings.Contains(got, want) {
			t.Errorf("%q: got %q, want %q", pattern, got, want)
		}
	}
}

func TestExpand(t *testing.T) {
	vars := map[string]string{"id": "<1>", "a_b2": "x"}
	for text, want := range map[string]string{
		"":                   "",
		"plain $5 $":         "plain $5 $",
		"id='$id'":           "id='&lt;1&gt;'",
		"$id$id ${id}d":      "&lt;1&gt;&lt;1&gt; &lt;1&gt;d",
		"$$id $$$a_b2.$$":    "$id $x.$",
		"${not a name} ${id": "${not a name} ${id",
	} {
		if got, err := expand(text, vars, escape); got != want || err != nil {
			t.Errorf("expand(%q) = %q, %v; want %q", text, got, err, want)
		}
	}
	if _, err := expand("$idd", vars, escape); err == nil || err.Error() != "nothing was captured as $idd (a dollar sign is $$)" {
		t.Errorf("got %v", err)
	}
}

// here returns the line of its caller, moved by offset.
func here(offset int) string {
	_, _, line, _ := runtime.Caller(1)
	return fmt.Sprintf("script_test.go:%d: peer: ", line+offset)
}

// TestPeerReports checks what is reported when a step fails, and that the
// connection is closed then.
func TestPeerReports(t *testing.T) {
	var line string
	tests := []struct {
		name   string
		script func(*Peer)
		sent   string // by the other side, which then waits for the end, or closes
		closes bool
		want   string
	}{
		{"mismatch", func(p *Peer) {
			p.Expect(`<stream:stream>`)
			line = here(1)
			p.Expect(`<iq type='get'/>`)
			p.Send("never sent")
		}, clientHeader + "<iq type='set'><q/></iq>", false,
			"expect <iq type='get'/>\n    attribute type of <iq>: it is \"set\", not \"get\"\n    got: <iq type='set'><q/></iq>"},
		{"nothing comes", func(p *Peer) { line = here(0); p.Expect(`<stream:stream>`) }, "", false,
			"expect <stream:stream>\n    nothing within 10s"},
		{"own timeout, half of it comes", func(p *Peer) { p.SetTimeout(time.Second); line = here(0); p.Expect(`<iq/>`) }, "<iq><a>", false,
			"expect <iq/>\n    nothing within 1s\n    so far: <iq><a>"},
		{"the connection is closed", func(p *Peer) { line = here(0); p.Expect(`<iq/>`) }, "<iq><a>", true,
			"expect <iq/>\n    the connection was closed\n    so far: <iq><a>"},
		{"a header instead of a stanza", func(p *Peer) { line = here(0); p.Expect(`<iq/>`) }, clientHeader, false,
			"expect <iq/>\n    it is <stream xmlns='http://etherx.jabber.org/streams'>, not <iq xmlns='jabber:client'>\n    got: " + clientHeader},
		{"not well-formed", func(p *Peer) { line = here(0); p.Expect(`<iq/>`) }, "<iq></message>", false,
			"expect <iq/>\n    XML syntax error on line 1: element <iq> closed by </message>\n    got: <iq></message>"},
		{"text", func(p *Peer) { line = here(0); p.Expect(`<iq/>`) }, "hello<", false, "expect <iq/>\n    text between elements\n    got: hello<"},
		{"a comment", func(p *Peer) { line = here(0); p.Expect(`<iq/>`) }, "<!-- x -->", false, "expect <iq/>\n    a comment or directive\n    got: <!-- x -->"},
		{"a comment inside", func(p *Peer) { line = here(0); p.Expect(`<iq/>`) }, "<iq><!-- x -->", false,
			"expect <iq/>\n    a comment, directive or processing instruction\n    got: <iq><!-- x -->"},
		{"a processing instruction", func(p *Peer) { line = here(0); p.Expect(`<iq/>`) }, "<?php x?>", false, "expect <iq/>\n    a processing instruction\n    got: <?php x?>"},
		{"no end", func(p *Peer) { p.Expect(`<stream:stream>`); line = here(0); p.ExpectEnd() }, clientHeader + "<iq/>", false,
			"expect </stream:stream>\n    it goes on\n    got: <iq/>"},
		{"end of nothing", func(p *Peer) { line = here(0); p.ExpectEnd() }, "<iq></iq", true,
			"expect </stream:stream>\n    the connection was closed\n    so far: <iq></iq"},
		{"no EOF", func(p *Peer) { line = here(0); p.ExpectEOF() }, " <a/>", false, "expect the connection to be closed\n    it goes on\n    got: <a/>"},
		{"EOF within something", func(p *Peer) { p.SetTimeout(time.Second); line = here(0); p.ExpectEOF() }, "", false, "expect the connection to be closed\n    nothing within 1s"},
		{"a check", func(p *Peer) {
			line = here(1)
			p.ExpectFunc("something", func(string) error { return errors.New("no good") })
		}, "<a/>", false, "expect something\n    no good\n    got: <a/>"},
		{"a check that gets nothing", func(p *Peer) { line = here(0); p.ExpectFunc("something", func(string) error { return nil }) }, "", true,
			"expect something\n    the connection was closed"},
		{"an unknown capture", func(p *Peer) { line = here(0); p.Send("<a b='$c'/>") }, "", false,
			"send <a b='$c'/>\n    nothing was captured as $c (a dollar sign is $$)"},
		{"nobody reads", func(p *Peer) { p.Expect(`<a xmlns=''/>`); line = here(0); p.Send("<a/>") }, "<a/>", true,
			"send <a/>\n    the connection was closed"},
		{"text before TLS", func(p *Peer) { p.Expect(`<a xmlns=''/>`); line = here(0); p.StartTLS(&tls.Config{}) }, "<a/><b/>", false,
			"TLS handshake\n    sent before the handshake: \"<b/>\""},
		{"no TLS", func(p *Peer) { line = here(0); p.StartTLS(&tls.Config{}) }, "<starttls/>", false,
			"TLS handshake\n    tls: first record does not look like a TLS handshake"},
		{"a function", func(p *Peer) { line = here(0); p.Do("think", func() error { return errors.New("too hard") }) }, "", false, "think\n    too hard"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := net.Pipe()
				ft := &fakeT{TB: t}
				p := NewPeer(ft, a)
				tt.script(p)
				go func() {
					io.WriteString(b, tt.sent)
					if tt.closes {
						b.Close()
					}
				}()
				// The other side is not left waiting.
				if !tt.closes {
					if got, err := io.ReadAll(b); len(got) > 10 || err != nil {
						t.Errorf("the other side read %q, %v", got, err)
					}
				}
				if p.Wait() {
					t.Error("Wait does not report the failure")
				}
				p.Send("dropped")
				p.Send("dropped")
				if got := ft.end(); got != line+tt.want {
					t.Errorf("got  %s\nwant %s%s", got, line, tt.want)
				}
				b.Close()
			})
		})
	}
}

// TestPeerTooLarge has an element without end.
func TestPeerTooLarge(t *testing.T) {
	a, b := net.Pipe()
	defer b.Close()
	ft := &fakeT{TB: t}
	p := NewPeer(ft, a)
	p.in.src.limit = 10_000
	p.Expect(`<iq/>`)
	io.WriteString(b, "<iq>")
	for err := error(nil); err == nil; {
		_, err = io.WriteString(b, strings.Repeat("a", 1000))
	}
	if got := ft.end(); !strings.HasSuffix(got, errTooLarge.Error()) {
		t.Errorf("got %s", got)
	}
}

// TestPeerEndOfTest plays what is left when the test ends.
func TestPeerEndOfTest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		ft := &fakeT{TB: t}
		p := NewPeer(ft, a)
		if !p.Wait() {
			t.Error("an empty script failed")
		}
		p.Send("hello")
		time.AfterFunc(time.Second, func() { io.ReadAll(b) })
		if got := ft.end(); got != "" {
			t.Errorf("got %s", got)
		}
		b.Close()
	})
}
