package client_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp/client"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/sasl"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

// script is a server by hand, one play for each connection: what it waits for and what
// it says then, in turns. It hangs up at the end of a play.
type script struct {
	t     testing.TB
	plays [][]string
	done  chan struct{} // a play has ended

	mu   sync.Mutex
	said []string // by the client, by connection
}

func (s *script) hear(n int, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.said[n] += text
}

func (s *script) dial(context.Context) (stream.Transport, error) {
	if len(s.plays) == 0 {
		return nil, errors.New("the end")
	}
	near, far := stream.Pipe() // it counts as secure
	lines := s.plays[0]
	s.plays = s.plays[1:]
	s.mu.Lock()
	number := len(s.said)
	s.said = append(s.said, "")
	s.mu.Unlock()
	go func() {
		defer func() { s.done <- struct{}{} }()
		defer far.Close()
		rest, b := "", make([]byte, 1<<16)
		for i, line := range lines {
			if i%2 == 1 {
				if _, err := far.Write([]byte(line)); err != nil {
					s.t.Errorf("%s: %v", line, err)
				}
				continue
			}
			for !strings.Contains(rest, line) {
				far.SetReadDeadline(time.Now().Add(time.Minute))
				n, err := far.Read(b)
				if err != nil {
					s.t.Errorf("%q does not come, but %q", line, rest)
					return
				}
				rest += string(b[:n])
				s.hear(number, string(b[:n]))
			}
			_, rest, _ = strings.Cut(rest, line)
		}
	}()
	return near, nil
}

const (
	answer    = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' from='example.org' id='1' version='1.0'>"
	offer1    = "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>SCRAM-SHA-1</mechanism><mechanism>PLAIN</mechanism></mechanisms>"
	inBind    = "<inline><bind xmlns='urn:xmpp:bind:0'/><fast xmlns='urn:xmpp:fast:0'><mechanism>HT-SHA-256-NONE</mechanism></fast></inline>"
	offerNone = "<stream:features></stream:features>"
)

func offer2(mechanism string) string {
	return "<authentication xmlns='urn:xmpp:sasl:2'><mechanism>" + mechanism + "</mechanism>" + inBind + "</authentication>"
}

func sasl2(name, content string) string {
	return "<" + name + " xmlns='urn:xmpp:sasl:2'>" + content + "</" + name + ">"
}

// TestScriptedLogin: what a server may answer to a login, and what a client makes of it.
func TestScriptedLogin(t *testing.T) {
	failure := func(c string) string {
		return sasl2("failure", "<"+c+" xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>")
	}
	const id = "<authorization-identifier>juliet@example.org/x</authorization-identifier>"
	for _, tt := range []struct {
		name, mechanism, reply, then string
		want                         error // for good; nil: it is tried again
	}{
		{"more is wanted", "PLAIN", sasl2("continue", "<tasks><task>TOTP-EXAMPLE</task><task>HOTP-EXAMPLE</task></tasks>"), "<abort ", stream.ErrTask},
		{"more is wanted, and not said what", "PLAIN", sasl2("continue", ""), "<abort ", stream.ErrTask},
		{"a challenge that is no base64", "SCRAM-SHA-1", sasl2("challenge", "!"), "<abort ", sasl.IncorrectEncoding},
		{"a challenge that is none", "SCRAM-SHA-1", sasl2("challenge", "eA=="), "<abort ", sasl.ErrMalformed},
		{"a challenge of PLAIN", "PLAIN", sasl2("challenge", "eA=="), "<abort ", sasl.ErrUnexpected},
		{"success without proof", "SCRAM-SHA-1", sasl2("success", id), "", sasl.ErrServerNotVerified},
		{"aborted", "PLAIN", failure("aborted"), "", nil},
		{"a passing problem", "PLAIN", failure("temporary-auth-failure"), "", nil},
		{"disabled", "PLAIN", failure("account-disabled"), "", sasl.AccountDisabled},
		{"wrong", "PLAIN", failure("not-authorized"), "", sasl.NotAuthorized},
		{"one that nobody knows", "PLAIN", failure("bad-hair-day"), "", sasl.NotAuthorized},
		{"no mechanism any more", "PLAIN", failure("invalid-mechanism"), "", errChoice},
		{"success without address", "PLAIN", sasl2("success", ""), "</stream:stream>", nil},
		{"success with a strange address", "PLAIN", sasl2("success", "<authorization-identifier>@</authorization-identifier>"), "</stream:stream>", nil},
		{"bound, and no resource", "PLAIN", sasl2("success", strings.ReplaceAll(id, "/x", "")+"<bound xmlns='urn:xmpp:bind:0'/>"), "</stream:stream>", nil},
		{"a message", "PLAIN", "<message/>", "<stream:error>", nil},
		{"an element of before", "PLAIN", "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>", "<stream:error>", nil},
		{"data of no task", "PLAIN", sasl2("task-data", ""), "<stream:error>", nil},
		{"not well-formed", "PLAIN", "<success xmlns='urn:xmpp:sasl:2'></continue>", "<stream:error>", nil},
		{"silence", "PLAIN", " ", "", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				play := []string{"version='1.0'>", answer + "<stream:features>" + offer2(tt.mechanism) + "</stream:features>", "</authenticate>", tt.reply}
				if tt.then != "" {
					play = append(play, tt.then)
				}
				s := &script{t: t, plays: [][]string{play, {"version='1.0'>", answer + offerNone}}, done: make(chan struct{}, 2)}
				c, err := client.New(client.Config{JID: jid.MustParse("juliet@example.org"), Password: "r0m30", Dial: s.dial, Bind2: true})
				if err != nil {
					t.Fatal(err)
				}
				err = c.Run(t.Context())
				n := len(s.said)
				for range n {
					<-s.done
				}
				switch {
				case tt.want == nil:
					if _, ok := errors.AsType[*stream.NegotiationError](err); n != 2 || !ok {
						t.Errorf("%d connections: %v", n, err)
					}
				case n != 1 || !errors.Is(err, tt.want) && !(tt.want == errChoice && isChoice(err)):
					t.Errorf("%d connections: %v, want %v", n, err, tt.want)
				}
			})
		})
	}
}

// TestOfferWithdrawn: a server that does not offer any more what it did gets a login by
// other means the next time, however it takes the one that came with the header.
func TestOfferWithdrawn(t *testing.T) {
	const header = "<?xml version='1.0'?>"
	token := &stream.Token{User: "juliet", Mechanism: "HT-SHA-256-NONE", Secret: "s", Count: 4, Offer: offer2("PLAIN")}
	old := "<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN</mechanism></mechanisms></stream:features>"
	for _, reply := range []string{
		answer + old,
		answer + old + "<stream:error><not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>",
		answer + "<stream:error><not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>",
		answer + "<stream:error><unsupported-stanza-type xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>",
		"",
	} {
		synctest.Test(t, func(t *testing.T) {
			store := client.FileStore(t.TempDir() + "/juliet")
			state := &client.LoginState{JID: jid.MustParse("juliet@example.org"), ID: stream.NewUserAgentID(), Token: token}
			if err := store.SaveLogin(t.Context(), state); err != nil {
				t.Fatal(err)
			}
			s := &script{t: t, done: make(chan struct{}, 2), plays: [][]string{
				{"</authenticate>", reply},
				{"version='1.0'>", answer + old, "<auth ", "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><account-disabled/></failure>", "</stream:stream>"},
			}}
			c, err := client.New(client.Config{JID: state.JID, Password: "r0m30", Dial: s.dial, Logins: store})
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Run(t.Context()); !errors.Is(err, sasl.AccountDisabled) {
				t.Error(err)
			}
			for range s.said {
				<-s.done
			}
			if len(s.said) != 2 || !strings.HasPrefix(s.said[0], header) || !strings.Contains(s.said[0], "count='5'") ||
				strings.Contains(s.said[1], "authenticate") {
				t.Errorf("%q", s.said)
			}
			// It was not refused: with the old offer it may be used again.
			if now, err := store.LoadLogin(t.Context()); err != nil || now.Token == nil || now.Token.Count != 5 || now.Token.Offer != "" {
				t.Errorf("%#v, %v", now, err)
			}
		})
	}
}

// TestIdle: a server that wants a sign of life is given one, and no more often than that.
func TestIdle(t *testing.T) {
	features := func(limits string) string {
		return "<stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>" + limits + "</stream:features>"
	}
	for _, tt := range []struct {
		limits    string
		keepAlive time.Duration
		busy      bool
		spaces    int
	}{
		{"<limits xmlns='urn:xmpp:stream-limits:0'><idle-seconds>20</idle-seconds></limits>", time.Hour, false, 5}, // each 10 s
		{"<limits xmlns='urn:xmpp:stream-limits:0'><idle-seconds>20</idle-seconds></limits>", time.Hour, true, 0},
		{"<limits xmlns='urn:xmpp:stream-limits:0'><idle-seconds>20</idle-seconds></limits>", -1, false, 0},
		{"<limits xmlns='urn:xmpp:stream-limits:0'><idle-seconds>1000</idle-seconds></limits>", time.Hour, false, 0},
		{"<limits xmlns='urn:xmpp:stream-limits:0'><idle-seconds>never</idle-seconds></limits>", time.Hour, false, 0},
		{"", time.Hour, false, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &script{t: t, done: make(chan struct{}, 2), plays: [][]string{{
				"version='1.0'>", answer + "<stream:features>" + offer2("PLAIN") + "</stream:features>", "</authenticate>",
				sasl2("success", "<authorization-identifier>juliet@example.org</authorization-identifier>") + features(tt.limits),
				"</iq>", "<iq type='result' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>juliet@example.org/x</jid></bind></iq>",
				"<presence type='unavailable'/></stream:stream>", "</stream:stream>",
			}}}
			c, err := client.New(client.Config{JID: jid.MustParse("juliet@example.org"), Password: "r0m30", Dial: s.dial, KeepAlive: tt.keepAlive})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(55*time.Second, cancel)
			if tt.busy {
				for i := range 7 {
					time.AfterFunc(time.Duration(i)*8*time.Second, func() {
						c.Send(ctx, &stanza.Stanza{Header: stanza.Header{Kind: stanza.KindMessage}})
					})
				}
			}
			if err := c.Run(ctx); err != nil {
				t.Error(err)
			}
			<-s.done
			_, after, _ := strings.Cut(s.said[0], "<presence/>")
			if got := len(after) - len(strings.TrimLeft(after, " ")) + strings.Count(after, "> "); got != tt.spaces {
				t.Errorf("%s, %v: %d spaces, want %d: %s", tt.limits, tt.keepAlive, got, tt.spaces, after)
			}
		})
	}
}
