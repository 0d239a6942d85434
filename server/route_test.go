package server_test

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	xmpp "github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/storage/memory"
)

// available logs in and sends a presence with a priority.
func available(t *testing.T, s *server.Server, user, password, resource string, priority int) *raw {
	t.Helper()
	r := newRaw(t, s.Pipe())
	r.login(user, password, resource)
	r.send("<presence><priority>%d</priority></presence>", priority)
	r.expect(fmt.Sprintf("from='%s@localhost/%s'", user, resource), "</presence>")
	return r
}

// nothing checks that nothing has come until an answer to a question comes.
func (r *raw) nothing() {
	r.t.Helper()
	r.send("<iq type='get' id='mark' to='localhost'><mark xmlns='urn:mark'/></iq>")
	got := r.expect("id='mark'", "</iq>")
	want := "<iq type='error' id='mark'"
	if got[:len(want)] != want {
		r.t.Errorf("got %q, want nothing before the answer to the mark", got)
	}
}

func TestRouting(t *testing.T) {
	s := newServer(t, func(c *server.Config) { c.AnswerStrangers = true })
	garden := available(t, s, "romeo", "jul13t", "garden", 5)
	street := available(t, s, "romeo", "jul13t", "street", 1)
	garden.expect("from='romeo@localhost/street'", "</presence>")
	silent := available(t, s, "romeo", "jul13t", "silent", -1)
	garden.expect("from='romeo@localhost/silent'", "</presence>")
	street.expect("from='romeo@localhost/silent'", "</presence>")
	juliet := login(t, s, "juliet", "r0m30", "balcony")

	t.Run("IM-9-1 R3921-11.1-1 GUIDE-11-priority-4 to the resource that is named", func(t *testing.T) {
		juliet.send("<message to='romeo@localhost/street'><body>1</body></message>")
		street.expect("<message to='romeo@localhost/street' from='juliet@localhost/balcony'><body>1</body></message>")
		juliet.send("<message to='romeo@localhost/silent' type='headline'><body>2</body></message>")
		silent.expect("<body>2</body>")
	})
	t.Run("R3921-11.1-4 GUIDE-11-priority-2 to the account: the highest priority", func(t *testing.T) {
		juliet.send("<message to='romeo@localhost' type='chat'><body>3</body></message>")
		garden.expect("<message type='chat' to='romeo@localhost' from='juliet@localhost/balcony'><body>3</body></message>")
		street.nothing()
	})
	t.Run("GUIDE-11-priority-3 among equals the one that came last", func(t *testing.T) {
		street.send("<presence><priority>5</priority></presence>")
		street.expect("<priority>5</priority>")
		garden.expect("from='romeo@localhost/street'", "</presence>")
		juliet.send("<message to='romeo@localhost'><body>4</body></message>")
		street.expect("<body>4</body>")
		garden.nothing()
	})
	t.Run("R6121-8.5.4-11 a headline to all that are not negative", func(t *testing.T) {
		juliet.send("<message to='romeo@localhost' type='headline'><body>5</body></message>")
		street.expect("<body>5</body>")
		garden.expect("<body>5</body>")
		silent.expect("from='romeo@localhost/street'", "</presence>")
		silent.nothing()
	})
	t.Run("R6121-8.5.4-13 chat to a resource that is gone", func(t *testing.T) {
		juliet.send("<message to='romeo@localhost/gone' type='chat'><body>6</body></message>")
		street.expect("<message type='chat' to='romeo@localhost/gone'", "<body>6</body>")
		juliet.send("<message to='romeo@localhost/gone' id='n' type='normal'><body>7</body></message>")
		juliet.expect("<message type='error' id='n' to='juliet@localhost/balcony' from='romeo@localhost/gone'>", "<service-unavailable")
	})
	t.Run("an iq is answered by who is asked", func(t *testing.T) {
		juliet.send("<iq type='get' id='q' to='romeo@localhost/garden'><ask xmlns='urn:x'/></iq>")
		garden.expect("<iq type='get' id='q' to='romeo@localhost/garden' from='juliet@localhost/balcony'>", "</iq>")
		garden.send("<iq type='result' id='q' to='juliet@localhost/balcony'><answer xmlns='urn:x'/></iq>")
		juliet.expect("<iq type='result' id='q' to='juliet@localhost/balcony' from='romeo@localhost/garden'><answer xmlns='urn:x'/></iq>")
	})
	t.Run("R3921-11.1-7 an iq for the account is answered by the server", func(t *testing.T) {
		juliet.send("<iq type='get' id='a' to='romeo@localhost'><ask xmlns='urn:x'/></iq>")
		juliet.expect("<iq type='error' id='a' to='juliet@localhost/balcony' from='romeo@localhost'>", "<service-unavailable")
		garden.nothing()
	})
	t.Run("IM-4.1-2 a message without to is for oneself", func(t *testing.T) {
		juliet.send("<message><body>note</body></message>")
		juliet.expect("<message to='juliet@localhost' from='juliet@localhost/balcony'><body>note</body></message>")
	})
	t.Run("IM-4.7-2 an error is not answered with an error", func(t *testing.T) {
		juliet.send("<message type='error' to='nobody@localhost' id='e'><error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>")
		juliet.nothing()
	})
	t.Run("IM-9-4 an account with nobody connected", func(t *testing.T) {
		juliet.send("<message to='nobody@localhost' id='o'><body>x</body></message>")
		juliet.expect("<message type='error' id='o'", "from='nobody@localhost'", "<service-unavailable")
	})
	t.Run("R3921-3-1 the session of RFC 3921", func(t *testing.T) {
		juliet.send("<iq type='set' id='s'><session xmlns='urn:ietf:params:xml:ns:xmpp-session'/></iq>")
		juliet.expect("<iq type='result' id='s' to='juliet@localhost/balcony'")
	})
	t.Run("leaving is told to the other resources", func(t *testing.T) {
		silent.send("</stream:stream>")
		silent.expect("</stream:stream>")
		street.expect("<presence type='unavailable' to='romeo@localhost/street' from='romeo@localhost/silent'/>")
	})
}

// TestReq_CORE_9_4: a stanza without xml:lang gets that of the stream, one with
// it keeps its own.
func TestReq_CORE_9_4(t *testing.T) {
	s := newServer(t, nil)
	r := newRaw(t, s.Pipe())
	const german = "<?xml version='1.0'?><stream:stream to='localhost' version='1.0' xml:lang='de' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
	r.send(german)
	r.expect("xml:lang='en'", "</stream:features>")
	r.send("%s", plain("juliet", "r0m30"))
	r.expect("<success")
	r.send(german)
	r.expect("</stream:features>")
	r.send("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>x</resource></bind></iq>")
	r.expect("</iq>")
	t.Run("CORE-9-1 CORE-9-4 that of the stream", func(t *testing.T) {
		r.t = t
		r.send("<message to='juliet@localhost/x'><body>1</body></message>")
		r.expect("xml:lang='de'><body>1</body></message>")
	})
	t.Run("CORE-9-5 its own", func(t *testing.T) {
		r.t = t
		r.send("<message to='juliet@localhost/x' xml:lang='fr'><body>2</body></message>")
		r.exactly("<message to='juliet@localhost/x' from='juliet@localhost/x' xml:lang='fr'><body>2</body></message>")
	})
}

func TestConflict(t *testing.T) {
	t.Run("GUIDE-3-arch-11 the old stream ends", func(t *testing.T) {
		s := newServer(t, nil)
		old := login(t, s, "juliet", "r0m30", "balcony")
		garden := login(t, s, "juliet", "r0m30", "garden")
		old.expect("from='juliet@localhost/garden'", "/>")
		login(t, s, "juliet", "r0m30", "balcony")
		// Old and new are told apart by who watches: gone, then there, and no more.
		garden.expect("<presence type='unavailable' to='juliet@localhost/garden' from='juliet@localhost/balcony'/>")
		garden.expect("from='juliet@localhost/balcony'", "/>")
		old.expect("<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>", "</stream:stream>")
		old.send("<presence><status>ghost</status></presence></stream:stream>")
		old.expectEnd()
		garden.nothing()
	})
	t.Run("or the new one is refused, and may choose again", func(t *testing.T) {
		s := newServer(t, func(c *server.Config) { c.Conflict = server.RefuseNew })
		login(t, s, "juliet", "r0m30", "balcony")
		r := newRaw(t, s.Pipe())
		r.open()
		r.send("%s", plain("juliet", "r0m30"))
		r.expect("<success")
		r.open()
		const bind = "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>%s</resource></bind></iq>"
		r.send(bind, "balcony")
		r.expect("<iq type='error' id='b'", "<conflict")
		r.send(bind, "garden")
		r.expect("juliet@localhost/garden")
	})
	t.Run("or gets another resource", func(t *testing.T) {
		s := newServer(t, func(c *server.Config) { c.Conflict = server.RenameNew })
		login(t, s, "juliet", "r0m30", "balcony")
		r := newRaw(t, s.Pipe())
		r.open()
		r.send("%s", plain("juliet", "r0m30"))
		r.expect("<success")
		r.open()
		r.send("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>balcony</resource></bind></iq>")
		if got := r.expect("<jid>juliet@localhost/", "</jid>"); got[len(got)-len("balcony</jid>"):] == "balcony</jid>" {
			t.Errorf("got %q", got)
		}
	})
	t.Run("R6120-7-1 too many resources, bad resource", func(t *testing.T) {
		s := newServer(t, func(c *server.Config) { c.MaxResources = 1 })
		login(t, s, "juliet", "r0m30", "balcony")
		r := newRaw(t, s.Pipe())
		r.open()
		r.send("%s", plain("juliet", "r0m30"))
		r.expect("<success")
		r.open()
		r.send("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>garden</resource></bind></iq>")
		r.expect("<iq type='error' id='b'", "<resource-constraint")
		r.send("<iq type='set' id='c'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>a&#x7;b</resource></bind></iq>")
		r.expect("<stream:error>")
	})
}

// TestHosts: virtual hosts do not mix, and messages find their way between them.
func TestHosts(t *testing.T) {
	accounts := &memory.Accounts{Iterations: 1}
	s := newServer(t, func(c *server.Config) {
		c.Domains = append(c.Domains, "example.org")
		c.Accounts = accounts
	})
	for _, j := range []string{"juliet@localhost", "juliet@example.org"} {
		accounts.SetPassword(t.Context(), jid.MustParse(j), "pw-"+j)
	}
	r := newRaw(t, s.Pipe())
	r.open()
	r.send("%s", plain("juliet", "pw-juliet@example.org"))
	r.expect("<not-authorized/>")
	r.send("%s", plain("juliet", "pw-juliet@localhost"))
	r.expect("<success")
	r.send("<stream:stream to='example.org' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>")
	r.expect("<stream:error><policy-violation")
}

func TestServices(t *testing.T) {
	s := newServer(t, nil)
	mux := new(xmpp.Mux)
	mux.OnMessage(func(ctx context.Context, snd xmpp.Sender, m *stanza.Message) error {
		reply := m.Reply("you said " + m.Body)
		reply.From = m.To
		return xmpp.Send(ctx, snd, reply)
	})
	svc, err := s.Local(jid.MustParse("echo.localhost"), mux)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"localhost", "echo.localhost"} {
		if _, err := s.Local(jid.MustParse(bad), mux); err == nil {
			t.Errorf("a second service at %s is accepted", bad)
		}
	}
	juliet := login(t, s, "juliet", "r0m30", "balcony")
	juliet.send("<message to='any@echo.localhost/x' type='chat'><body>hi</body></message>")
	juliet.expect("<message type='chat' to='juliet@localhost/balcony' from='any@echo.localhost/x'><body>you said hi</body></message>")
	juliet.send("<iq type='get' id='q' to='echo.localhost'><ask xmlns='urn:x'/></iq>")
	juliet.expect("<iq type='error' id='q' to='juliet@localhost/balcony' from='echo.localhost'>", "<service-unavailable", "</iq>")

	// The service asks a client.
	answer := make(chan error, 1)
	go func() {
		iq, _ := stanza.New(stanza.Header{Kind: stanza.KindIQ, Type: stanza.TypeGet, To: jid.MustParse("juliet@localhost/balcony")}, stanza.Raw("<ask xmlns='urn:x'/>"))
		_, err := svc.Do(t.Context(), iq)
		answer <- err
	}()
	q := juliet.expect("<iq type='get' id='", "'")
	juliet.expect("</iq>")
	id := q[len("<iq type='get' id='") : len(q)-1]
	juliet.send("<iq type='error' id='%s' to='echo.localhost'><error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>", id)
	if err := <-answer; !errors.Is(err, stanza.ItemNotFound) {
		t.Errorf("got %v, want item-not-found", err)
	}

	forged, _ := (&stanza.Message{From: jid.MustParse("romeo@localhost"), To: jid.MustParse("juliet@localhost"), Body: "x"}).Stanza()
	if err := svc.Send(t.Context(), forged); err == nil {
		t.Error("a service may speak for somebody else")
	}
	svc.Close()
	juliet.send("<message to='any@echo.localhost/x' id='gone'><body>hi</body></message>")
	juliet.expect("<message type='error' id='gone'", "<remote-server-not-found")
}

// TestHandlerAsks: a handler of the server may ask the very client whose request
// it handles; the client's stream is read on meanwhile.
func TestHandlerAsks(t *testing.T) {
	s := newServer(t, nil)
	s.Mux().Handle(xmpp.Pattern{Kind: stanza.KindIQ, Types: []stanza.Type{stanza.TypeGet}}, xmpp.HandlerFunc(
		func(ctx context.Context, snd xmpp.Sender, st *stanza.Stanza) error {
			q, _ := stanza.New(stanza.Header{Kind: stanza.KindIQ, Type: stanza.TypeGet, ID: "back", To: st.From}, stanza.Raw("<really xmlns='urn:x'/>"))
			answer, err := snd.Do(ctx, q)
			if err != nil {
				return err
			}
			reply, err := st.Reply(answer.Payload())
			if err != nil {
				return err
			}
			return snd.Send(ctx, reply)
		}))
	juliet := login(t, s, "juliet", "r0m30", "balcony")
	for i := range 3 {
		juliet.send("<iq type='get' id='q%d'><ask xmlns='urn:x'/></iq>", i)
		juliet.expect("<iq type='get' id='back' to='juliet@localhost/balcony' from='juliet@localhost'><really xmlns='urn:x'/></iq>")
		juliet.send("<message to='juliet@localhost'><body>%d</body></message><iq type='result' id='back' to='juliet@localhost'><yes xmlns='urn:x'/></iq>", i)
		juliet.expect(fmt.Sprintf("<body>%d</body>", i))
		juliet.expect(fmt.Sprintf("<iq type='result' id='q%d'", i), "<yes xmlns='urn:x'/></iq>")
	}
}

func TestShutdown(t *testing.T) {
	s := newServer(t, nil)
	juliet := login(t, s, "juliet", "r0m30", "balcony")
	unfinished := newRaw(t, s.Pipe())
	unfinished.open()
	done := make(chan error, 1)
	go func() { done <- s.Shutdown(t.Context()) }()
	juliet.expect("<stream:error><system-shutdown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>")
	juliet.send("</stream:stream>")
	juliet.expectEnd()
	unfinished.expectEnd()
	if err := <-done; err != nil {
		t.Error(err)
	}
	late := newRaw(t, s.Pipe())
	late.expect("<stream:error><system-shutdown")
	late.expectEnd()

	s = newServer(t, nil)
	login(t, s, "juliet", "r0m30", "balcony") // never answers
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want that the time is over", err)
	}
}

// TestShutdownStuckHandler: a handler that never returns does not keep the server.
func TestShutdownStuckHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, nil)
		begun, never := make(chan struct{}), make(chan struct{})
		defer close(never)
		s.Mux().Handle(xmpp.Pattern{Kind: stanza.KindIQ, Payload: xml.Name{Space: "urn:stuck", Local: "q"}},
			xmpp.HandlerFunc(func(context.Context, xmpp.Sender, *stanza.Stanza) error {
				close(begun)
				<-never
				return nil
			}))
		juliet := login(t, s, "juliet", "r0m30", "balcony")
		juliet.send("<iq type='get' id='1'><q xmlns='urn:stuck'/></iq>")
		<-begun
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		start := time.Now()
		if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want that the time is over", err)
		}
		if took := time.Since(start); took > time.Minute {
			t.Errorf("it took %v", took)
		}
	})
}
