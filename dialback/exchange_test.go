package dialback

import (
	"fmt"
	"testing"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// side is a server in an exchange.
type side struct {
	domain jid.JID
	secret *Secret
	errors bool
}

func (s side) authoritative() *Authoritative {
	return &Authoritative{Secret: s.secret, Hosts: hosts(s.domain), Errors: s.errors}
}

// exchange runs all of dialback, every packet over the wire, and returns what
// was sent. answer may change what the authoritative server sent, as old
// servers would.
func exchange(t *testing.T, from, to side, id string, answer func(*Packet)) ([]string, *Originating, *Receiving) {
	t.Helper()
	var sent []string
	send := func(p Packet) Packet {
		sent = append(sent, wire(t, p))
		return parse(t, sent[len(sent)-1])
	}
	o := &Originating{Secret: from.secret, StreamID: id}
	r := &Receiving{StreamID: id, Hosts: hosts(to.domain), Errors: to.errors}
	v := new(Verifier)

	p, err := o.Request(Pair{Local: from.domain, Remote: to.domain})
	if err != nil {
		t.Fatal(err)
	}
	q, reply, err := r.Request(send(p))
	if err != nil {
		t.Fatal(err)
	}
	if q != nil {
		if p, err = v.Ask(q); err != nil {
			t.Fatal(err)
		}
		verified, err := from.authoritative().Answer(send(p))
		if err != nil {
			t.Fatal(err)
		}
		answer(&verified.Packet)
		if reply, err = r.Resolve(mustAnswer(t, v, send(verified.Packet))); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := o.Result(send(reply.Packet)); err != nil {
		t.Fatal(err)
	}
	return sent, o, r
}

func TestExchanges(t *testing.T) {
	const keyA, keyB = goodKey, "225cc5aa6a071133249d25fef42ae516fc7a86c523aa1c6980a7f73e784c972d"
	c := side{capulet, SecretOf("s3cr3tf0rd14lb4ck"), true}
	m := side{montague, SecretOf("d14lb4ck43v3r"), true}
	notFound := "<error type='cancel'><item-not-found xmlns='" + stanza.NSStanzas + "'/></error>"
	remoteNotFound := "<error type='cancel'><remote-server-not-found xmlns='" + stanza.NSStanzas + "'/></error>"
	same := func(*Packet) {}
	cToM := []string{
		"<db:result from='capulet.example' to='montague.example'>" + keyA + "</db:result>",
		"<db:verify from='montague.example' id='D60000229F' to='capulet.example'>" + keyA + "</db:verify>",
	}
	mToC := []string{
		"<db:result from='montague.example' to='capulet.example'>" + keyB + "</db:result>",
		"<db:verify from='capulet.example' id='417GAF25' to='montague.example'>" + keyB + "</db:verify>",
	}
	tests := []struct {
		name     string
		from, to side
		id       string
		answer   func(*Packet)
		want     []string
		state    State // at the originating server
	}{
		{"XEP-0220 examples 1, 2, 9, 11", c, m, "D60000229F", same, append(cToM[:2:2],
			"<db:verify from='capulet.example' id='D60000229F' to='montague.example' type='valid'/>",
			"<db:result from='montague.example' to='capulet.example' type='valid'/>"), Valid},
		{"XEP-0220 examples 3, 12", c, m, "D60000229F", func(p *Packet) { p.Type = TypeInvalid }, append(cToM[:2:2],
			"<db:verify from='capulet.example' id='D60000229F' to='montague.example' type='invalid'/>",
			"<db:result from='montague.example' to='capulet.example' type='invalid'/>"), Refused},
		{"XEP-0220 examples 5, 6, 13, 15", m, c, "417GAF25", same, append(mToC[:2:2],
			"<db:verify from='montague.example' id='417GAF25' to='capulet.example' type='valid'/>",
			"<db:result from='capulet.example' to='montague.example' type='valid'/>"), Valid},
		{"XEP-0220 examples 7, 16", m, c, "417GAF25", func(p *Packet) { p.Type = TypeInvalid }, append(mToC[:2:2],
			"<db:verify from='montague.example' id='417GAF25' to='capulet.example' type='invalid'/>",
			"<db:result from='capulet.example' to='montague.example' type='invalid'/>"), Refused},
		{"XEP-0220 examples 8, 14", m, c, "417GAF25", func(p *Packet) {
			p.Type, p.Error = TypeError, stanza.NewError(stanza.ItemNotFound, "")
		}, append(mToC[:2:2],
			"<db:verify from='montague.example' id='417GAF25' to='capulet.example' type='error'>"+notFound+"</db:verify>",
			"<db:result from='capulet.example' to='montague.example' type='error'>"+remoteNotFound+"</db:result>"), None},
		{"CORE-5.2-1 CORE-5.2.1-9 db:result in the place of db:verify", side{capulet, c.secret, false},
			side{montague, m.secret, false}, "D60000229F", func(p *Packet) { p.Kind = Result }, append(cToM[:2:2],
				"<db:result from='capulet.example' id='D60000229F' to='montague.example' type='valid'/>",
				"<db:result from='montague.example' to='capulet.example' type='valid'/>"), Valid},
		{"CORE-5.2.1-9 the same for invalid", side{capulet, c.secret, false},
			side{montague, m.secret, false}, "D60000229F", func(p *Packet) { p.Kind, p.Type = Result, TypeInvalid },
			append(cToM[:2:2], "<db:result from='capulet.example' id='D60000229F' to='montague.example' type='invalid'/>",
				"<db:result from='montague.example' to='capulet.example' type='invalid'/>"), Refused},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			sent, o, r := exchange(t, tt.from, tt.to, tt.id, tt.answer)
			if fmt.Sprintf("%q", sent) != fmt.Sprintf("%q", tt.want) {
				t.Errorf("sent\n got %q\nwant %q", sent, tt.want)
			}
			if s := o.State(Pair{tt.from.domain, tt.to.domain}); s != tt.state {
				t.Errorf("originating: %v", s)
			}
			if s := r.State(Pair{tt.to.domain, tt.from.domain}); (s == Valid) != (tt.state == Valid) {
				t.Errorf("receiving: %v", s)
			}
		})
	}
}

// XEP-0220 examples 4 and 10: the target domain is not there.
func TestExchangeUnknownTarget(t *testing.T) {
	o, r := newOriginating(), &Receiving{StreamID: streamID, Hosts: hosts(chat), Errors: true}
	p, err := o.Request(toMontague)
	if err != nil {
		t.Fatal(err)
	}
	q, reply, err := r.Request(p)
	want := "<db:result from='montague.example' to='capulet.example' type='error'><error type='cancel'>" +
		"<item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></db:result>"
	if q != nil || err != nil || wire(t, reply.Packet) != want {
		t.Fatalf("got %v, %+v, %v", q, reply, err)
	}
	out, err := o.Result(parse(t, want))
	if err != nil || out.State != None || out.Bounce != stanza.RemoteServerTimeout || out.Abandon ||
		out.Err.Condition != stanza.ItemNotFound {
		t.Errorf("got %+v, %v", out, err)
	}
}

// The exchange of draft-miller-xmpp-core-02, section 5.2.1, byte by byte as it
// stands there but for the host names.
func TestSeedExchange(t *testing.T) {
	r, v := &Receiving{StreamID: "457F9224A0...", Hosts: hosts(montague)}, new(Verifier)
	t.Run("CORE-5.2.1-4 CORE-5.2.1-8 CORE-5.2.1-9 CORE-5.2.1-10 steps of the draft", func(t *testing.T) {
		q, _, err := r.Request(parse(t, "<db:result\n    to='montague.example'\n    from='capulet.example'>\n"+
			"    98AF014EDC0...\n</db:result>"))
		if err != nil {
			t.Fatal(err)
		}
		p, err := v.Ask(q)
		if err != nil || wire(t, p) !=
			"<db:verify from='montague.example' id='457F9224A0...' to='capulet.example'>98AF014EDC0...</db:verify>" {
			t.Fatalf("%v, %v", p, err)
		}
		a := mustAnswer(t, v, parse(t, "<db:result\n    from='capulet.example'\n    to='montague.example'\n"+
			"    type='valid'\n    id='457F9224A0...'/>"))
		reply, err := r.Resolve(a)
		if err != nil || wire(t, reply.Packet) != "<db:result from='montague.example' to='capulet.example' type='valid'/>" {
			t.Fatalf("%+v, %v", reply, err)
		}
		if r.State(fromCapulet) != Valid {
			t.Error("not authorized")
		}
	})
}
