package server_test

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	xmpp "github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/disco"
	"github.com/etherx-go/xmpp/ext/last"
	"github.com/etherx-go/xmpp/ext/ping"
	"github.com/etherx-go/xmpp/ext/private"
	"github.com/etherx-go/xmpp/ext/register"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/presence"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/storage/memory"
	"github.com/etherx-go/xmpp/vcard"
)

// TestRemoteMessageTable shows each cell of RFC 6121, section 8.5.4, table 1, for a
// sender at another server. Errors find nobody, silently, in all of them.
func TestRemoteMessageTable(t *testing.T) {
	type resource struct {
		name     string
		priority int
	}
	negative := []resource{{"low", -1}}
	one := []resource{{"one", 0}, {"low", -1}}
	several := []resource{{"one", 1}, {"best", 7}, {"low", -1}}
	types := [...]string{"normal", "chat", "groupchat", "headline", "error"}
	const (
		stored = "stored"
		failed = "refused"
		quiet  = ""
	)
	for _, tt := range []struct {
		id        string
		to        string
		resources []resource
		want      [len(types)]string // of quiet, failed, stored, and the resources that get it
	}{
		{"R6121-8.5.4-1 IM-9-4 R3921-11.1-2 no account, bare", "nobody@b.example", nil, [...]string{failed, failed,
			failed, quiet, quiet}},
		{"R6121-8.5.4-2 R6121-8.1-1 no account, full", "nobody@b.example/x", nil, [...]string{failed, failed, failed,
			failed, quiet}},
		{"R6121-8.5.4-3 R3921-11.1-10 nobody there, bare", julietB, nil, [...]string{stored, stored, failed, quiet, quiet}},
		{"R6121-8.5.4-4 nobody there, full", julietB + "/x", nil, [...]string{failed, stored, failed, failed, quiet}},
		{"R6121-8.5.4-5 R3921-11.1-5 only negative, bare", julietB, negative, [...]string{stored, stored, failed, quiet,
			quiet}},
		{"R6121-8.5.4-6 IM-9-1 only negative, match", julietB + "/low", negative, [...]string{"low", "low", "low", "low",
			"low"}},
		{"R6121-8.5.4-7 only negative, no match", julietB + "/x", negative, [...]string{failed, stored, failed, failed,
			quiet}},
		{"R6121-8.5.4-8 IM-9-3 one, bare", julietB, one, [...]string{"one", "one", failed, "one", quiet}},
		{"R6121-8.5.4-9 R3921-11.1-1 GUIDE-11-priority-4 one, match", julietB + "/one", one, [...]string{"one", "one",
			"one", "one", "one"}},
		{"R6121-8.5.4-10 one, no match", julietB + "/x", one, [...]string{failed, "one", failed, failed, quiet}},
		{"R6121-8.5.4-11 R3921-11.1-4 GUIDE-11-priority-2 several, bare", julietB, several, [...]string{"best", "best",
			failed, "best one", quiet}},
		{"R6121-8.5.4-12 several, match", julietB + "/one", several, [...]string{"one", "one", "one", "one", "one"}},
		{"R6121-8.5.4-13 IM-9-2 R3921-11.1-3 several, no match", julietB + "/x", several, [...]string{failed, "best",
			failed, failed, quiet}},
	} {
		inWorld(t, tt.id+" R6121-8.5-err", func(w *world) {
			romeo := w.login(romeoA + "/orchard")
			juliet := make(map[string]*raw)
			for _, r := range tt.resources {
				juliet[r.name] = w.available(julietB+"/"+r.name, r.priority)
			}
			for _, r := range juliet {
				r.hears()
			}
			for i, typ := range types {
				before := w.kept(julietB)
				payload := "<body>x</body>"
				if typ == "error" {
					payload = "<error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
				}
				romeo.send("<message to='%s' type='%s' id='m'>%s</message>", tt.to, typ, payload)
				said := fmt.Sprintf("<message type='%s' id='m' to='%s' from='romeo@a.example/orchard'>%s</message>", typ, tt.to,
					payload)
				w.wantCrossed("a.example", "b.example", said)
				var got []string
				for _, r := range tt.resources {
					if in := juliet[r.name].heard(); len(in) > 0 {
						wantStanzas(w.t, typ+" to "+r.name, in, said) // "the server MUST NOT rewrite the 'to' attribute"
						got = append(got, r.name)
					}
				}
				refusal := fmt.Sprintf("<message type='error' id='m' to='romeo@a.example/orchard' from='%s'>…<service-unavailable …</message>", tt.to)
				switch back := w.crossed("b.example", "a.example"); {
				case len(back) > 0:
					wantStanzas(w.t, typ+": b.example says", back, refusal)
					romeo.hears(refusal)
					got = append(got, failed)
				default:
					romeo.hearsNothing()
				}
				if n := w.kept(julietB) - before; n > 0 {
					got = append(got, strings.Repeat(stored, n))
				}
				if !sameSet(got, strings.Fields(tt.want[i])) {
					w.t.Errorf("%s: got %q, want %q", typ, got, tt.want[i])
				}
			}
		})
	}
}

// kept returns how many messages are stored for an account.
func (w *world) kept(account string) int {
	w.t.Helper()
	synctest.Wait()
	j := jid.MustParse(account)
	n, err := w.store(j.Domain()).Offline().Count(context.Background(), j)
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// TestRemoteMessages is what the table does not show.
func TestRemoteMessages(t *testing.T) {
	inWorld(t, "XEP0160-1 IM-9-4 GUIDE-3-arch-3 offline messages, in their order and with their time", func(w *world) {
		romeo := w.login(romeoA + "/orchard")
		at := time.Now().UTC().Format("2006-01-02T15:04")
		romeo.send("<message to='juliet@b.example' type='chat' id='1'><body>one</body><x xmlns='urn:x'/></message>" +
			"<message to='juliet@b.example'><body>two</body></message>")
		romeo.hearsNothing()
		time.Sleep(3 * time.Hour)
		juliet := w.connect(julietB + "/balcony")
		juliet.send("<presence/>")
		delayed := "<delay xmlns='urn:xmpp:delay' from='b.example' stamp='" + at + "…</delay></message>"
		juliet.hears("<message type='chat' id='1' to='juliet@b.example' from='romeo@a.example/orchard'><body>one</body>"+
			"<x xmlns='urn:x'/>"+delayed,
			"<message to='juliet@b.example' from='romeo@a.example/orchard'><body>two</body>"+delayed,
			"<presence to='juliet@b.example/balcony' …")
		if n := w.kept(julietB); n != 0 {
			w.t.Errorf("%d messages are still stored", n)
		}
	})
	inWorld(t, "R3920-10-1 R3921-11.2-1 in order, both ways at once", func(w *world) {
		romeo, juliet := w.couple(stNone)
		const n = 300
		go func() {
			for i := range n {
				romeo.send("<message to='juliet@b.example/balcony' id='r%d'><body>x</body></message>", i)
			}
		}()
		for i := range n {
			juliet.send("<message to='romeo@a.example/orchard' id='j%d'><body>x</body></message>", i)
		}
		for prefix, c := range map[string]*raw{"r": juliet, "j": romeo} {
			got := c.heard()
			if len(got) != n {
				w.t.Fatalf("%d messages came", len(got))
			}
			for i, st := range got {
				if !strings.HasPrefix(st, fmt.Sprintf("<message id='%s%d' ", prefix, i)) {
					w.t.Fatalf("message %d is %s", i, st)
				}
			}
		}
	})
	inWorld(t, "R3921-2.4-1 CORE-6.3.2-7 CORE-6.6-1 CORE-6.6-2 what is not known passes untouched", func(w *world) {
		romeo, juliet := w.couple(stNone)
		const content = "<body>&lt;&amp;'\"</body><subject xml:lang='de'>S</subject><x xmlns='urn:x' a='&amp;1'>" +
			"<y xmlns=''/>t<z xmlns='jabber:server'/></x>" +
			"<forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client'><body>in</body></message></forwarded>"
		romeo.send("<message to='juliet@b.example/balcony' type='chat' id='c'>" + content + "</message>")
		juliet.hears("<message type='chat' id='c' to='juliet@b.example/balcony' from='romeo@a.example/orchard'>" +
			content + "</message>")
	})
	inWorld(t, "CORE-6.6-1 prefixes and the stream's namespace keep their meaning", func(w *world) {
		romeo, juliet := w.couple(stNone)
		romeo.send("<c:message xmlns:c='jabber:client' to='juliet@b.example/balcony'><c:body>x</c:body>" +
			"<p:y xmlns:p='urn:p' p:a='1'><c:z/></p:y></c:message>")
		got := juliet.heard()
		if len(got) != 1 {
			w.t.Fatalf("got %q", got)
		}
		var names []string
		d := xml.NewDecoder(strings.NewReader("<s xmlns='jabber:client'>" + got[0] + "</s>"))
		for tok, err := d.Token(); err == nil; tok, err = d.Token() {
			if el, ok := tok.(xml.StartElement); ok {
				names = append(names, el.Name.Space+" "+el.Name.Local)
			}
		}
		if got, want := strings.Join(names, ", "),
			"jabber:client s, jabber:client message, jabber:client body, urn:p y, jabber:client z"; got != want {
			w.t.Errorf("got %s, want %s", got, want)
		}
	})
	inWorld(t, "CORE-6.2.2-4 CORE-6.2.2-3 from is stamped, whatever the client writes", func(w *world) {
		romeo, juliet := w.couple(stNone)
		romeo.send("<message to='juliet@b.example/balcony' from='juliet@a.example/x'><body>1</body></message>" +
			"<message to='juliet@b.example/balcony' from='juliet@b.example/balcony'><body>2</body></message>")
		juliet.hears("<message to='juliet@b.example/balcony' from='romeo@a.example/orchard'><body>1</body></message>",
			"<message to='juliet@b.example/balcony' from='romeo@a.example/orchard'><body>2</body></message>")
	})
	inWorld(t, "IM-4.1-1 R3920-10.4-1 R3920-10.1-1 to a domain elsewhere", func(w *world) {
		romeo := w.login(romeoA + "/orchard")
		for _, to := range []string{"b.example", "b.example/x"} {
			romeo.send("<message to='%s' id='m'><body>x</body></message><presence to='%s'/><iq type='get' id='q' to='%s'>"+
				"<q xmlns='urn:q'/></iq>", to, to, to)
			romeo.hears("<message type='error' id='m' to='romeo@a.example/orchard' from='"+to+"'>…<service-unavailable …",
				"<iq type='error' id='q' to='romeo@a.example/orchard' from='"+to+"'>…<service-unavailable …")
		}
	})
	inWorld(t, "R3920-10.2-1 IM-4.7-1 a domain that there is none of: each sender is told once", func(w *world) {
		romeo, juliet := w.login(romeoA+"/orchard"), w.login(julietA+"/balcony")
		for _, c := range []*raw{romeo, juliet} {
			c.send("<message to='x@nowhere.example' id='m1'><body>1</body></message><message to='x@nowhere.example' id='m2'>" +
				"<body>2</body></message>" +
				"<iq type='get' id='q' to='nowhere.example'><q xmlns='urn:q'/></iq><presence to='x@nowhere.example'/>" +
				"<presence type='probe' to='x@nowhere.example'/>" +
				"<message type='error' to='x@nowhere.example' id='e'><error type='cancel'>" +
				"<gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>" +
				"<iq type='result' to='x@nowhere.example' id='r'/>")
		}
		for _, c := range []*raw{romeo, juliet} {
			c.hearsAll("<message type='error' id='m1' …from='x@nowhere.example'>…<remote-server-not-found …",
				"<message type='error' id='m2' …<remote-server-not-found …",
				"<iq type='error' id='q' …from='nowhere.example'>…<remote-server-not-found …")
		}
	})
	inWorld(t, "IM-4.7-2 CORE-6.4.1-8 IM21-2.1.1-7 an error is answered with none, of whatever kind", func(w *world) {
		w.couple(stBoth)
		const e = "<error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
		for _, to := range []string{"nobody@b.example", "nobody@b.example/x", "juliet@b.example", "juliet@b.example/gone",
			"b.example", "b.example/x"} {
			for _, kind := range []string{"message", "presence", "iq"} {
				w.route(fmt.Sprintf("<%s type='error' id='e' from='romeo@a.example/orchard' to='%s'>%s</%s>", kind, to, e, kind))
			}
			w.route(fmt.Sprintf("<iq type='result' id='r' from='romeo@a.example/orchard' to='%s'/>", to))
		}
		w.wantCrossed("b.example", "a.example")
	})
	inWorld(t, "R3921-11.1-2 R3921-11.1-9 R6121-8.5.1-1 presence finds nobody, silently", func(w *world) {
		w.couple(stNone)
		for _, to := range []string{"nobody@b.example", "nobody@b.example/x", "romeo@b.example", "romeo@b.example/x",
			"juliet@b.example/gone", "b.example"} {
			w.route("<presence from='romeo@a.example/orchard' to='" + to + "'/>")
			w.route("<presence type='unavailable' from='romeo@a.example/orchard' to='" + to + "'/>")
		}
		w.wantCrossed("b.example", "a.example")
	})
	inWorld(t, "CORE-6.3.1-1 IM-4.2-1 IM21-2.1.1-6 no type, and one that there is none of, are normal", func(w *world) {
		_, juliet := w.couple(stNone)
		w.route("<message from='romeo@a.example/x' to='juliet@b.example'><body>1</body></message>")
		w.route("<message type='foo' from='romeo@a.example/x' to='juliet@b.example'><body>2</body></message>")
		juliet.hears("<message to='juliet@b.example' from='romeo@a.example/x'><body>1</body></message>",
			"<message …<body>2</body></message>")
	})
}

// TestRemoteIQ is requests from another server.
func TestRemoteIQ(t *testing.T) {
	full := func(c *server.Config, w *world) {
		m := w.store("b.example")
		c.Extensions = []xmpp.Extension{&disco.Extension{}, &vcard.Server{Store: m.VCards()},
			&private.Server{Store: m.Private()},
			&last.Extension{}, new(ping.Extension)}
		accounts := &memory.Accounts{Iterations: 1}
		for name, password := range passwords {
			if err := accounts.SetPassword(context.Background(), jid.MustParse(name+"@b.example"), password); err != nil {
				w.t.Fatal(err)
			}
		}
		c.Accounts, c.Registration = accounts, &register.Server{Open: true}
	}
	inFullWorld := func(name string, fn func(w *world)) {
		t.Helper()
		inEmptyWorld(t, name, func(w *world) {
			w.add("a.example")
			w.add("b.example", func(c *server.Config) { full(c, w) })
			fn(w)
		})
	}
	const ask = "<iq type='%s' id='q' from='romeo@a.example/orchard' to='%s'>%s</iq>"
	refusal := func(from, condition string) string {
		return "<iq type='error' id='q' to='romeo@a.example/orchard' from='" + from + "'>…<" + condition + " …</iq>"
	}
	const (
		discoInfo = "<query xmlns='http://jabber.org/protocol/disco#info'/>"
		discoItem = "<query xmlns='http://jabber.org/protocol/disco#items'/>"
		getVCard  = "<vCard xmlns='vcard-temp'/>"
		getLast   = "<query xmlns='jabber:iq:last'/>"
		getPing   = "<ping xmlns='urn:xmpp:ping'/>"
	)
	inFullWorld("R3921-11.1-7 R3921-11.1-11 CORE-6.5.1-1 the server answers for the account", func(w *world) {
		juliet := w.login(julietB + "/balcony")
		juliet.send("<iq type='set' id='v'><vCard xmlns='vcard-temp'><FN>Juliet Capulet</FN></vCard></iq>")
		juliet.hears("<iq type='result' id='v'…")
		for _, there := range []bool{true, false} {
			if !there {
				juliet.logout()
			}
			for _, tt := range []struct{ to, payload, want string }{
				{julietB, getVCard, "<iq type='result' id='q' to='romeo@a.example/orchard' from='juliet@b.example'>" +
					"<vCard xmlns='vcard-temp'><FN>Juliet Capulet</FN></vCard></iq>"},
				{"b.example", discoInfo, "<iq type='result' id='q' to='romeo@a.example/orchard' from='b.example'>" +
					"<query xmlns='http://jabber.org/protocol/disco#info'…"},
				{"b.example", discoItem, "<iq type='result' id='q' …from='b.example'>…"},
				{"b.example", getLast, "<iq type='result' id='q' …from='b.example'><query xmlns='jabber:iq:last' seconds='…"},
				{"b.example", getPing, "<iq type='result' id='q' to='romeo@a.example/orchard' from='b.example'/>"},
				{julietB, discoInfo, refusal(julietB, "service-unavailable")},
				{julietB, discoItem, "<iq type='result' id='q' …from='juliet@b.example'>" +
					"<query xmlns='http://jabber.org/protocol/disco#items'/></iq>"},
				{julietB, getLast, refusal(julietB, "forbidden")},
				{julietB, "<q xmlns='urn:q'/>", refusal(julietB, "service-unavailable")},
				{"nobody@b.example", getVCard, refusal("nobody@b.example", "service-unavailable")},
				{"nobody@b.example", getPing, refusal("nobody@b.example", "service-unavailable")},
				{"nobody@b.example/x", getPing, refusal("nobody@b.example/x", "service-unavailable")},
				{julietB + "/gone", getPing, refusal(julietB+"/gone", "service-unavailable")},
				{"b.example/x", "<q xmlns='urn:q'/>", refusal("b.example/x", "service-unavailable")},
			} {
				w.route(fmt.Sprintf(ask, "get", tt.to, tt.payload))
				w.wantCrossed("b.example", "a.example", tt.want)
			}
			if there {
				juliet.hearsNothing() // "MUST NOT deliver the IQ stanza to any of the user's available resources"
			}
		}
	})
	inFullWorld("IM-5.7-2 IM-5.7-3 R3921-11.1-7 a subscriber may know more", func(w *world) {
		w.setStates(julietB, romeoA, stFrom)
		juliet := w.login(julietB + "/balcony")
		w.forget()
		w.route(fmt.Sprintf(ask, "get", julietB, getLast))
		w.wantCrossed("b.example", "a.example", "<iq type='result' id='q' …from='juliet@b.example'>"+
			"<query xmlns='jabber:iq:last' seconds='0'/></iq>")
		w.route(fmt.Sprintf(ask, "get", julietB, discoInfo))
		w.wantCrossed("b.example", "a.example", "<iq type='result' id='q' …from='juliet@b.example'>"+
			"<query xmlns='http://jabber.org/protocol/disco#info'…")
		juliet.send("<presence type='unavailable'><status>to church</status></presence>")
		juliet.logout()
		w.forget()
		time.Sleep(90 * time.Second)
		w.route(fmt.Sprintf(ask, "get", julietB, getLast))
		w.wantCrossed("b.example", "a.example", "<iq type='result' id='q' …from='juliet@b.example'>"+
			"<query xmlns='jabber:iq:last' seconds='90'>to church</query></iq>")
	})
	inFullWorld("R6121-2.1.5-1 R3921-7.2-1 what is the account's own is nobody else's", func(w *world) {
		w.setStates(julietB, romeoA, stBoth) // even of a friend
		juliet := w.login(julietB + "/balcony")
		juliet.send("<iq type='set' id='p'><query xmlns='jabber:iq:private'><secret xmlns='urn:secret'>poison</secret>" +
			"</query></iq>" +
			"<iq type='set' id='v'><vCard xmlns='vcard-temp'><FN>Juliet</FN></vCard></iq>" +
			"<iq type='set' id='l'><query xmlns='jabber:iq:privacy'><list name='mine'><item action='allow' order='1'/></list>" +
			"</query></iq>")
		juliet.hears()
		w.forget()
		for _, tt := range []struct{ typ, payload string }{
			{"get", "<query xmlns='jabber:iq:roster'/>"},
			{"set", "<query xmlns='jabber:iq:roster'><item jid='evil@a.example' name='Friend'/></query>"},
			{"set", "<query xmlns='jabber:iq:roster'><item jid='romeo@a.example' subscription='remove'/></query>"},
			{"get", "<query xmlns='jabber:iq:private'><secret xmlns='urn:secret'/></query>"},
			{"set", "<query xmlns='jabber:iq:private'><secret xmlns='urn:secret'>water</secret></query>"},
			{"get", "<query xmlns='jabber:iq:register'/>"},
			{"set", "<query xmlns='jabber:iq:register'><username>juliet</username><password>mine</password></query>"},
			{"set", "<query xmlns='jabber:iq:register'><username>evil</username><password>mine</password></query>"},
			{"set", "<query xmlns='jabber:iq:register'><remove/></query>"},
			{"get", "<query xmlns='jabber:iq:privacy'/>"},
			{"set", "<query xmlns='jabber:iq:privacy'><list name='mine'/></query>"},
			{"get", "<blocklist xmlns='urn:xmpp:blocking'/>"},
			{"set", "<block xmlns='urn:xmpp:blocking'><item jid='nurse@b.example'/></block>"},
			{"set", "<unblock xmlns='urn:xmpp:blocking'/>"},
			{"set", "<vCard xmlns='vcard-temp'><FN>Evil</FN></vCard>"},
			{"set", "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>x</resource></bind>"},
			{"get", "<query xmlns='jabber:iq:auth'><username>juliet</username></query>"},
		} {
			for _, to := range []string{julietB, "b.example"} {
				w.route(fmt.Sprintf(ask, tt.typ, to, tt.payload))
				got := strings.Join(w.crossed("b.example", "a.example"), "")
				if !strings.HasPrefix(got,
					"<iq type='error' id='q' to='romeo@a.example/orchard' from='"+to+"'>") || strings.Contains(got, "poison") {
					w.t.Errorf("%s to %s is answered with %s", tt.payload, to, got)
				}
			}
		}
		juliet.hearsNothing()
		if ok, err := w.server("b.example").HasAccount(context.Background(),
			jid.MustParse("evil@b.example")); ok || err != nil {
			w.t.Errorf("an account was made: %v, %v", ok, err)
		}
		w.login(julietB + "/again") // with her password
		juliet.hears()
		juliet.send("<iq type='get' id='1'><query xmlns='jabber:iq:roster'/></iq><iq type='get' id='2'>" +
			"<query xmlns='jabber:iq:private'><secret xmlns='urn:secret'/></query></iq>" +
			"<iq type='get' id='3'><vCard xmlns='vcard-temp'/></iq><iq type='get' id='4'><query xmlns='jabber:iq:privacy'/>" +
			"</iq><iq type='get' id='5'><blocklist xmlns='urn:xmpp:blocking'/></iq>")
		juliet.hears("…<item jid='romeo@a.example' subscription='both'/></query></iq>",
			"…<secret xmlns='urn:secret'>poison</secret>…",
			"…<FN>Juliet</FN>…", "…<list name='mine'/>…", "<iq type='result' id='5' …<blocklist xmlns='urn:xmpp:blocking'/>"+
				"</iq>")
	})
	inFullWorld("R6121-8.5.3.1-1 to the client of somebody else: only with a subscription", func(w *world) {
		for _, s := range []presence.State{stNone, stNoneIn, stTo, stFrom, stBoth} {
			w.setStates(julietB, romeoA, s)
			juliet := w.login(julietB + "/balcony")
			w.forget()
			w.route(fmt.Sprintf(ask, "get", julietB+"/balcony", "<q xmlns='urn:q'/>"))
			if s == stFrom || s == stBoth {
				w.wantCrossed("b.example", "a.example")
				juliet.hears("<iq type='get' id='q' to='juliet@b.example/balcony' from='romeo@a.example/orchard'>" +
					"<q xmlns='urn:q'/></iq>")
			} else {
				w.wantCrossed("b.example", "a.example", refusal(julietB+"/balcony", "service-unavailable"))
				juliet.hearsNothing()
			}
			juliet.logout()
		}
	})
	inFullWorld("R6121-8.5.3.1-1 R3921-5.1.4-2 or who has got directed presence", func(w *world) {
		juliet := w.login(julietB + "/balcony")
		juliet.send("<presence to='romeo@a.example/orchard'/>")
		w.settle(juliet)
		w.route(fmt.Sprintf(ask, "get", julietB+"/balcony", "<q xmlns='urn:q'/>"))
		juliet.hears("<iq type='get' id='q' …")
		juliet.send("<presence type='unavailable' to='romeo@a.example/orchard'/>")
		w.settle(juliet)
		w.route(fmt.Sprintf(ask, "get", julietB+"/balcony", "<q xmlns='urn:q'/>"))
		juliet.hearsNothing()
		w.wantCrossed("b.example", "a.example", refusal(julietB+"/balcony", "service-unavailable"))
	})
	inFullWorld("CORE-6.5.2-2 GUIDE-11-iq-2 CORE-6.2.3-2 there and back, both ways", func(w *world) {
		romeo, juliet := w.couple(stBoth)
		for _, tt := range []struct {
			a, b       *raw
			from, to   string
			typ, reply string
		}{
			{romeo, juliet, romeoA + "/orchard", julietB + "/balcony", "get",
				"<iq type='result' id='a &amp; b' to='%s'><r xmlns='urn:q'/></iq>"},
			{juliet, romeo, julietB + "/balcony", romeoA + "/orchard", "set", "<iq type='result' id='a &amp; b' to='%s'/>"},
			{romeo, juliet, romeoA + "/orchard", julietB + "/balcony", "set",
				"<iq type='error' id='a &amp; b' to='%s'><error type='cancel'>" +
					"<conflict xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"},
		} {
			tt.a.send("<iq type='%s' id='a &amp; b' to='%s'><q xmlns='urn:q'/></iq>", tt.typ, tt.to)
			tt.b.hears(fmt.Sprintf("<iq type='%s' id='a &amp; b' to='%s' from='%s'><q xmlns='urn:q'/></iq>", tt.typ, tt.to,
				tt.from))
			reply := fmt.Sprintf(tt.reply, tt.from)
			tt.b.send("%s", reply)
			tt.a.hears(strings.Replace(reply, "to='"+tt.from+"'", "to='"+tt.from+"' from='"+tt.to+"'", 1))
		}
	})
	inFullWorld("GUIDE-11-iq-2 a result that nobody has asked for is the client's business", func(w *world) {
		_, juliet := w.couple(stNone)
		w.route("<iq type='result' id='zz' from='romeo@a.example/orchard' to='juliet@b.example/balcony'/>")
		juliet.hears("<iq type='result' id='zz' to='juliet@b.example/balcony' from='romeo@a.example/orchard'/>") // "the server MUST deliver"
	})
	inFullWorld("CORE-6.5.2-1 CORE-6.5.3-1 GUIDE-11-iq-1 what is no proper iq", func(w *world) {
		_, juliet := w.couple(stBoth)
		for _, st := range []string{
			"<iq id='q' from='romeo@a.example/orchard' to='juliet@b.example/balcony'><q xmlns='urn:q'/></iq>",
			"<iq type='put' id='q' from='romeo@a.example/orchard' to='juliet@b.example/balcony'><q xmlns='urn:q'/></iq>",
			"<iq type='get' id='q' from='romeo@a.example/orchard' to='juliet@b.example/balcony'/>",
			"<iq type='set' id='q' from='romeo@a.example/orchard' to='juliet@b.example/balcony'><q xmlns='urn:q'/>" +
				"<q xmlns='urn:q'/></iq>",
		} {
			w.inject("a.example", "b.example", st)
			w.wantCrossed("b.example", "a.example", refusal(julietB+"/balcony", "bad-request"))
		}
		juliet.hearsNothing()
	})
}

// TestRemoteForgery: nobody at another server speaks for anybody here.
func TestRemoteForgery(t *testing.T) {
	const evil = "<query xmlns='jabber:iq:roster'><item jid='evil@b.example' subscription='both'/></query></iq>"
	inWorld(t, "R6121-2.1.6-1 R3921-7.2-2 a roster push of somebody else does not look like one", func(w *world) {
		romeo, _ := w.couple(stBoth)
		w.inject("b.example", "a.example",
			"<iq type='set' id='push' from='juliet@b.example/balcony' to='romeo@a.example/orchard'>"+evil)
		romeo.hears("<iq type='set' id='push' to='romeo@a.example/orchard' from='juliet@b.example/balcony'>" +
			evil) // with the true from
		if e := w.entry(romeoA, "evil@b.example"); !e.Hidden {
			w.t.Errorf("the roster has %+v", e)
		}
	})
	inWorld(t, "R6121-2.1.6-1 R6121-8.5.3.1-1 one of a stranger does not come through", func(w *world) {
		romeo, juliet := w.couple(stNone)
		juliet.send("<message to='romeo@a.example/orchard'><body>x</body></message>")
		w.settle(romeo)
		w.inject("b.example", "a.example",
			"<iq type='set' id='push' from='juliet@b.example' to='romeo@a.example/orchard'>"+evil)
		romeo.hearsNothing()
		w.wantCrossed("a.example", "b.example",
			"<iq type='error' id='push' to='juliet@b.example' from='romeo@a.example/orchard'>…<service-unavailable …")
	})
	for _, from := range []string{"romeo@a.example", "a.example", "romeo@c.example", "juliet@sub.b.example",
		"b.example.evil.example"} {
		inWorld(t, "CORE-5.2.1-12 CORE-6.2.2-5 R6121-2.1.6-1 from "+from, func(w *world) {
			romeo, juliet := w.couple(stBoth)
			w.inject("b.example", "a.example", "<iq type='set' id='push' from='"+from+"' to='romeo@a.example/orchard'>"+evil)
			romeo.hearsNothing()
			w.tapping.Lock()
			said := ""
			for _, c := range w.taps {
				said += c.take("a.example", "b.example")
			}
			w.tapping.Unlock()
			if !strings.Contains(said, "<invalid-from") {
				w.t.Errorf("a.example said %q", said)
			}
			// The link comes back by itself.
			juliet.send("<message to='romeo@a.example/orchard'><body>x</body></message>")
			romeo.hears("<message …<body>x</body></message>")
		})
	}
	inWorld(t, "R6121-3.1.6-1 nobody takes a subscription that is not his", func(w *world) {
		romeo, _ := w.couple(stNoneOut)
		w.route("<presence type='subscribed' from='romeo@b.example' to='romeo@a.example'/>")
		w.route("<presence type='unsubscribed' from='b.example' to='romeo@a.example'/>")
		romeo.hearsNothing()
		w.wantStates(romeoA, julietB, stNoneOut, stNoneIn)
	})
	inWorld(t, "CORE-6.2.3-2 an answer that comes from somebody else is none", func(w *world) {
		juliet := w.login(julietB + "/balcony")
		juliet.send("<presence to='a.example'/>") // who knows her may ask her
		synctest.Wait()
		answer := make(chan error, 1)
		iq, err := stanza.New(stanza.Header{Kind: stanza.KindIQ, Type: stanza.TypeGet, ID: "ask",
			To: jid.MustParse(julietB + "/balcony")}, stanza.Raw("<q xmlns='urn:q'/>"))
		if err != nil {
			w.t.Fatal(err)
		}
		go func() {
			_, err := w.server("a.example").Do(context.Background(), iq)
			answer <- err
		}()
		got := juliet.heard()
		wantStanzas(w.t, "juliet", got, "<iq type='get' id='…' to='juliet@b.example/balcony' from='a.example'>"+
			"<q xmlns='urn:q'/></iq>")
		id := got[0][len("<iq type='get' id='"):]
		id = id[:strings.Index(id, "'")]
		w.route("<iq type='result' id='" + id + "' from='romeo@b.example/x' to='a.example'/>")
		w.route("<iq type='result' id='" + id + "' from='juliet@b.example/other' to='a.example'/>")
		synctest.Wait()
		select {
		case err := <-answer:
			w.t.Errorf("answered: %v", err)
		default:
		}
		juliet.send("<iq type='error' id='%s' to='a.example'><error type='cancel'>"+
			"<item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>", id)
		if err := <-answer; !errors.Is(err, stanza.ItemNotFound) {
			w.t.Errorf("got %v", err)
		}
	})
}
