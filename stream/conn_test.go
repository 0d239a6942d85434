package stream

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf16"

	"github.com/etherx-go/xmpp/stanza"
)

// TestNext: what a negotiated stream makes of its input.
func TestNext(t *testing.T) {
	message := "<message><body>" + strings.Repeat("x", 20000) + "</body></message>"
	for _, tt := range []struct {
		name, in string
		want     string // what Next returned, in short
		last     string // what the peer is told
	}{
		{"CORE-4.1-4 stanzas", "<message id='1'/><presence id='2'/><iq id='3' type='get'><q xmlns='urn:q'/></iq>", "message 1, presence 2, iq 3, EOF", ""},
		{"CORE-4.1-5 CDATA", "<message id='1'><body><![CDATA[<a>]]></body></message>", "message 1 <a>, EOF", ""},
		{"CORE-4.4-6 other elements", "<r xmlns='urn:xmpp:sm:3'/>", "{urn:xmpp:sm:3}r, EOF", ""},
		{"CORE-B.1-1 R6120-4.6-1 white space", " \n<message id='1'/>\r\n\t<message id='2'/>  ", "message 1, message 2, EOF", ""},
		{"CORE-7.3-2 unknown attributes and elements", "<message id='1' foo='bar' xml:space='x'><what/></message>", "message 1, EOF", ""},
		{"CORE-4.1-6 nothing after the end", "</stream:stream>", "EOF", ""},
		{"malformed address", "<message id='1' to='@'/><message id='2'/>", "message 1 malformed, message 2, EOF", ""},
		{"CORE-9-4 default language", "<message id='1'/>", "message 1, EOF", ""},
		{"large", strings.Replace(message, "<m", "<m", 1), "message " + strings.Repeat("x", 20000) + ", EOF", ""},
		{"CORE-4.5-1 stream error", streamError("conflict", ""), "stream error from the peer conflict", end},
		{"oversized", "<message><body>" + strings.Repeat("x", 31000), "stream error policy-violation: element too large", streamError("policy-violation", "element too large")},
		{"too many elements", "<message>" + strings.Repeat("<a/>", 51), "stream error policy-violation: too many elements", streamError("policy-violation", "too many elements")},
		{"too deep", strings.Repeat("<a>", 12), "stream error policy-violation: elements nested too deep", streamError("policy-violation", "elements nested too deep")},
		{"too many attributes", "<a" + attributes(9) + ">", "stream error policy-violation: too many attributes", streamError("policy-violation", "too many attributes")},
		{"CORE-4.4-2 other content namespace", "<message id='1'/><iq xmlns='jabber:server'/>", "message 1, stream error invalid-namespace: jabber:server on a stream of jabber:client",
			streamError("invalid-namespace", "jabber:server on a stream of jabber:client")},
		{"CORE-7.2-1 no namespace", "<message xmlns=''/>", "{}message, EOF", ""},
		{"not well-formed", "<message><body></message>", "stream error not-well-formed: end tag does not match the start tag", streamError("not-well-formed", "end tag does not match the start tag")},
		{"header", hello, "stream error not-well-formed: XML declaration not at the start of the document", streamError("not-well-formed", "XML declaration not at the start of the document")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, c := acceptRob(t, Config{MaxStanza: 30000, MaxDepth: 10, MaxAttributes: 8, MaxElements: 50})
				go p.send(tt.in + end)
				var got []string
				for {
					st, el, err := c.Next()
					if st != nil {
						text := strings.TrimSpace(st.Kind.String() + " " + st.ID)
						if body := st.Message().Body; body != "" {
							text += " " + body
						}
						if err != nil {
							text += " malformed"
						}
						got = append(got, text)
						continue
					}
					if err != nil {
						text, _, _ := strings.Cut(err.Error(), ": xmltok")
						got = append(got, text)
						select {
						case <-c.Ended():
						default:
							t.Error("not ended")
						}
						c.Fail(err)
						break
					}
					got = append(got, fmt.Sprintf("{%s}%s", el.Name().Space, el.Name().Local))
				}
				if got := strings.Join(got, ", "); got != tt.want {
					t.Errorf("got  %s\nwant %s", got, tt.want)
				}
				if tt.last == "" {
					tt.last = end
				}
				if got := p.rest(); got != tt.last {
					t.Errorf("the peer got %s\nwant %s", got, tt.last)
				}
			})
		})
	}
}

// TestLang: stanzas inherit the language of the header, and keep their own.
func TestLang(t *testing.T) {
	p, n := accept(t, Config{}, serverFeatures(t, Secure))
	p.send(strings.Replace(login, " to=", " xml:lang='de' to=", 2))
	p.expect(loggedIn)
	c := n.must(t)
	go p.send("<message/><message xml:lang='fr'/>" + end)
	for _, tt := range []struct{ name, want string }{
		{"CORE-9-1 CORE-9-4 that of the header", "de"}, {"CORE-9-5 its own", "fr"},
	} {
		if st, _, err := c.Next(); err != nil || st.Lang != tt.want {
			t.Errorf("%s: %v %v, want %s", tt.name, st, err, tt.want)
		}
	}
	finish(c)
	// A client does not put the server's language on what others have said.
	q, m := initiate(t, Config{}, clientHeader, []Feature{Bind("", nil)})
	q.expect(hello)
	q.send(offer(offerBind))
	q.close()
	m.wait()
}

// TestStanzaTimeout: bytes that trickle do not hold a stanza open for ever; a
// stream that is idle stays.
func TestStanzaTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, c := acceptRob(t, Config{StanzaTimeout: 10 * time.Second})
		go finish(c)
		<-time.After(time.Hour)
		p.send("<message>")
		<-time.After(9 * time.Second)
		p.send("</message>  ") // in time
		<-time.After(time.Hour)
		start := time.Now()
		trickled := make(chan struct{})
		go func() {
			defer close(trickled)
			for _, b := range []byte("<message>" + strings.Repeat("x", 100)) {
				if _, err := p.nc.Write([]byte{b}); err != nil {
					return
				}
				<-time.After(time.Second)
			}
		}()
		p.expect(streamError("connection-timeout", "nothing more came in time"))
		if d := time.Since(start); d != 10*time.Second {
			t.Errorf("after %v", d)
		}
		p.close()
		<-trickled
	})
}

// TestActivity: the number changes with every sign of life.
func TestActivity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, c := acceptRob(t, Config{})
		go finish(c)
		last := c.Activity()
		for _, text := range []string{" ", "<mess", "age", "/>", "\n"} {
			p.send(text)
			synctest.Wait()
			if now := c.Activity(); now == last {
				t.Errorf("%q made no difference", text)
			} else {
				last = now
			}
		}
		synctest.Wait()
		if c.Activity() != last {
			t.Error("activity without any")
		}
		p.send(end)
		p.rest()
	})
}

// TestReq_CORE_7_4_1: UTF-16 in both orders, with and without byte order mark,
// where it is allowed; what is sent is UTF-8.
func TestReq_CORE_7_4_1(t *testing.T) {
	for _, mark := range []string{"", "\ufeff"} {
		for _, big := range []bool{false, true} {
			encode := func(s string) string {
				var b []byte
				for _, u := range utf16.Encode([]rune(s)) {
					if big {
						b = append(b, byte(u>>8), byte(u))
					} else {
						b = append(b, byte(u), byte(u>>8))
					}
				}
				return string(b)
			}
			p, n := accept(t, Config{AcceptUTF16: true}, serverFeatures(t, Secure))
			go p.send(encode(mark + login + "<message><body>Zürich \U0001F600</body></message>" + end))
			c := n.must(t)
			if st, _, err := c.Next(); err != nil || st.Message().Body != "Zürich \U0001F600" {
				t.Errorf("%v %v", st, err)
			}
			finish(c)
			if got := p.rest(); got != loggedIn+end {
				t.Errorf("CORE-7.4-2: the answer is not UTF-8: %q", got)
			}
		}
	}
}

// TestReq_CORE_4_1_7: the two directions are two documents: what the client
// declares does not hold for what the server sends.
func TestReq_CORE_4_1_7(t *testing.T) {
	p, n := accept(t, Config{}, serverFeatures(t, Secure))
	x := strings.Replace(hello, " to=", " xmlns:x='urn:x' to=", 1)
	p.send(x + authPlain + x + askBind + "<message to='rob@capulet.com'><x:y/></message>")
	p.expect(loggedIn)
	c := n.must(t)
	st, _, err := c.Next()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Send(t.Context(), st); err != nil {
		t.Fatal(err)
	}
	if got := p.wait("</message>"); !strings.Contains(got, "urn:x") {
		t.Error(got)
	}
	c.Close()
}

// TestLazy: an idle TCP connection holds no buffer for reading.
func TestLazy(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Log("reading waits with one byte here")
	}
	client, server := tcpPair(t)
	n := background(func() (*Conn, error) {
		return Accept(t.Context(), &privateTransport{NewTransport(server)}, Config{}, openTo(serverFeatures(t, Secure)))
	})
	p := newPeer(t, client)
	p.send(login)
	p.expect(loggedIn)
	c := n.must(t)
	if l, ok := NewTransport(server).(lazyReader); runtime.GOOS == "linux" && (!ok || !l.Lazy()) {
		t.Error("TCP is not read lazily")
	}
	got := make(chan string)
	go func() {
		for {
			st, _, err := c.Next()
			if err != nil {
				c.Fail(err)
				close(got)
				return
			}
			got <- st.ID
		}
	}()
	for i := range 100 {
		text := message(i).String()
		p.send(text[:5])
		p.send(text[5:])
		if id := <-got; id != fmt.Sprint("m", i) {
			t.Error(id)
		}
	}
	p.send(strings.Repeat(message(7).String(), 1000))
	for range 1000 {
		<-got
	}
	p.send(end)
	p.expect(end)
	<-got
}

// privateTransport counts as secure.
type privateTransport struct{ Transport }

func (*privateTransport) Private() bool { return true }
func (t *privateTransport) Lazy() bool {
	l, ok := t.Transport.(lazyReader)
	return ok && l.Lazy()
}
func (t *privateTransport) ReadLazy(alloc func() []byte, free func()) (int, error) {
	return t.Transport.(lazyReader).ReadLazy(alloc, free)
}

// TestReadLazy: the buffer is given back before the wait, deadlines work, and
// the end is the end.
func TestReadLazy(t *testing.T) {
	client, server := tcpPair(t)
	l, ok := NewTransport(server).(lazyReader)
	if !ok || !l.Lazy() {
		if runtime.GOOS == "linux" {
			t.Fatal("not lazy")
		}
		return
	}
	held := false
	buf := make([]byte, 100)
	waiting := make(chan struct{}, 100)
	alloc := func() []byte { held = true; return buf }
	free := func() { held = false; waiting <- struct{}{} }
	type result struct {
		n    int
		err  error
		held bool
	}
	read := func() chan result {
		ch := make(chan result)
		go func() {
			n, err := l.ReadLazy(alloc, free)
			ch <- result{n, err, held}
		}()
		return ch
	}
	r := read()
	<-waiting
	io.WriteString(client, "hello")
	if got := <-r; got.n != 5 || got.err != nil || !got.held || !bytes.Equal(buf[:5], []byte("hello")) {
		t.Errorf("%+v", got)
	}
	server.SetReadDeadline(past)
	if got := <-read(); got.n != 0 || !isTimeout(got.err) {
		t.Errorf("%+v", got)
	}
	server.SetReadDeadline(time.Time{})
	r = read()
	for len(waiting) > 0 {
		<-waiting
	}
	client.Close()
	if got := <-r; got.n != 0 || got.err != io.EOF {
		t.Errorf("%+v", got)
	}
	server.Close()
	if got := <-read(); got.err == nil {
		t.Errorf("%+v", got)
	}
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

// TestReset: a connection that is reset is not a stream that was closed.
func TestReset(t *testing.T) {
	client, server := tcpPair(t)
	n := background(func() (*Conn, error) {
		return Accept(t.Context(), &privateTransport{NewTransport(server)}, Config{}, openTo(serverFeatures(t, Secure)))
	})
	p := newPeer(t, client)
	p.send(login)
	p.expect(loggedIn)
	c := n.must(t)
	client.(*net.TCPConn).SetLinger(0)
	client.Close()
	err := drain(c)
	if err == nil || err == io.EOF {
		t.Error(err)
	}
	if e, ok := errors.AsType[*Error](err); ok {
		t.Error("a stream error:", e)
	}
	c.Fail(err)
}

func TestRefuse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe()
		p := newPeer(t, a)
		start := time.Now()
		Refuse(b, &Error{Condition: ResourceConstraint, Text: "full"})
		if got, want := p.rest(), decl+"<stream:stream"+streamDecl+" id='ID' version='1.0' xml:lang='en'>"+streamError("resource-constraint", "full"); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		if d := time.Since(start); d > refuseTimeout {
			t.Errorf("took %v", d)
		}
	})
}

// TestContent: a header without content namespace has that of the port.
func TestContent(t *testing.T) {
	for _, tt := range []struct{ cfg, want string }{{"", stanza.NSClient}, {stanza.NSServer, stanza.NSServer}} {
		a, b := Pipe()
		p := newPeer(t, a)
		n := background(func() (*Conn, error) {
			return Accept(t.Context(), b, Config{Content: tt.cfg}, func(_ *Conn, in Header) (Header, []Feature, error) {
				if in.Content != tt.want {
					t.Errorf("content %q, want %q", in.Content, tt.want)
				}
				return Header{Content: in.Content}, nil, nil
			})
		})
		p.send("<stream xmlns='" + NS + "'>")
		p.wait("<stream:stream xmlns='" + tt.want + "'")
		p.close()
		n.wait()
	}
}

func TestDefaults(t *testing.T) {
	for _, tt := range []struct{ stanza, unauth, want int }{
		{0, 0, DefaultMaxUnauthenticated}, {10000, 0, 10000}, {-1, 0, DefaultMaxUnauthenticated}, {10000, 50000, 50000}, {0, -1, -1},
	} {
		c := Config{MaxStanza: tt.stanza, MaxUnauthenticated: tt.unauth}.withDefaults()
		if c.MaxUnauthenticated != tt.want {
			t.Errorf("%+v: %d", tt, c.MaxUnauthenticated)
		}
	}
	c := Config{}.withDefaults()
	if c.NegotiationTimeout != time.Minute || c.StanzaTimeout != time.Minute || c.WriteTimeout != 30*time.Second || c.CloseTimeout != 5*time.Second || c.MaxOutbox != 4<<20 || c.MaxStanza != 256<<10 {
		t.Errorf("%+v", c)
	}
	if d := (Config{CloseTimeout: 1}).withDefaults(); d.CloseTimeout != 1 {
		t.Error(d)
	}
}
