package receipts

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"testing"

	"github.com/etherx-go/xmpp/ext/internal/exttest"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

const (
	request  = "<request xmlns='urn:xmpp:receipts'/>"
	received = "<received xmlns='urn:xmpp:receipts' id='richard2-4.1.247'/>"
	king     = "kingrichard@royalty.england.lit/throne"
	north    = "northumberland@shakespeare.lit/westminster"
)

func TestPayloads(t *testing.T) {
	exttest.Run(t, []exttest.Golden[Request]{
		{Name: "XEP-0184 example 3", In: request},
		{Name: "with something in it", In: "<request xmlns='urn:xmpp:receipts'>x</request>", Out: request},
	})
	exttest.Run(t, []exttest.Golden[Received]{
		{Name: "XEP-0184 example 4", In: received, Want: Received{"richard2-4.1.247"}},
		{Name: "escapes", In: "<received xmlns='urn:xmpp:receipts' id='&lt;&apos;&gt;'/>", Want: Received{"<'>"},
			Out: "<received xmlns='urn:xmpp:receipts' id='&lt;&apos;&gt;'/>"},
		{Name: "no id", In: "<received xmlns='urn:xmpp:receipts'/>", Err: true},
	})
	if b, err := (Received{}).AppendXML(nil); err == nil {
		t.Errorf("written without an id: %s", b)
	}
}

var ackID = regexp.MustCompile(` id='[A-Z2-7]{26}'`)

func TestAnswer(t *testing.T) {
	tests := []struct {
		name  string
		e     *Extension
		in    string
		reply string
	}{
		{
			"XEP-0184 examples 3 and 4", &Extension{Allow: Anyone},
			"<message from='" + north + "' id='richard2-4.1.247' to='" + king + "'><body>x</body>" + request + "</message>",
			"<message to='" + north + "'>" + received + "</message>",
		},
		{
			"the type is kept", &Extension{Allow: Anyone},
			"<message type='chat' from='" + north + "' id='richard2-4.1.247'>" + request + "</message>",
			"<message type='chat' to='" + north + "'>" + received + "</message>",
		},
		{
			"strangers get none", &Extension{},
			"<message from='" + north + "' id='richard2-4.1.247'>" + request + "</message>", "",
		},
		{
			"the own account does", &Extension{},
			"<message from='kingrichard@royalty.england.lit/bed' id='richard2-4.1.247'>" + request + "</message>",
			"<message to='kingrichard@royalty.england.lit/bed'>" + received + "</message>",
		},
		{
			"refused", &Extension{Allow: func(from jid.JID) bool { return from.String() != north }},
			"<message from='" + north + "' id='richard2-4.1.247'>" + request + "</message>", "",
		},
		{"manual", &Extension{Allow: Anyone, Manual: true}, "<message from='" + north + "' id='1'>" + request + "</message>", ""},
		{"no id", &Extension{Allow: Anyone}, "<message from='" + north + "'>" + request + "</message>", ""},
		{"no sender", &Extension{Allow: Anyone}, "<message id='1'>" + request + "</message>", ""},
		{"not asked", &Extension{Allow: Anyone}, "<message from='" + north + "' id='1'><body>x</body></message>", ""},
		{"error", &Extension{Allow: Anyone}, "<message type='error' from='" + north + "' id='1'>" + request + "</message>", ""},
		{"groupchat", &Extension{Allow: Anyone}, "<message type='groupchat' from='" + north + "' id='1'>" + request + "</message>", ""},
		{"a receipt", &Extension{Allow: Anyone}, "<message from='" + north + "' id='1'>" + received + request + "</message>", ""},
		{"seen again in an archive", &Extension{Allow: Anyone}, "<message from='" + north + "' id='1'><result xmlns='urn:xmpp:mam:2'>" +
			"<forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' id='2'>" + request + "</message></forwarded></result></message>", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := exttest.Attach(t, tt.e, king)
			got := h.Receive(t, tt.in)
			if tt.reply == "" {
				if len(got) != 0 {
					t.Errorf("sent %q", got)
				}
				return
			}
			if len(got) != 1 || !ackID.MatchString(got[0]) || ackID.ReplaceAllString(got[0], "") != tt.reply {
				t.Errorf("sent %q, want %s", got, tt.reply)
			}
		})
	}
	if f := new(Extension).Features(jid.JID{}); !slices.Equal(f, []string{NS}) {
		t.Errorf("features %q", f)
	}
}

func TestReceive(t *testing.T) {
	var got []Receipt
	e := &Extension{OnReceipt: func(_ context.Context, r Receipt) { got = append(got, r) }}
	h := exttest.Attach(t, e, north)
	m := &stanza.Message{To: jid.MustParse(king), ID: "richard2-4.1.247", Type: stanza.TypeChat, Body: "x"}
	for range 2 { // to ask twice is to ask once
		if err := e.Request(m); err != nil {
			t.Fatal(err)
		}
	}
	st, err := m.Stanza()
	if want := "<message type='chat' id='richard2-4.1.247' to='" + king + "'><body>x</body>" + request + "</message>"; err != nil || st.String() != want {
		t.Errorf("sent %s, %v\nwant %s", st, err, want)
	}
	for _, in := range []string{
		"<message from='" + king + "'>" + received + "</message>",
		"<message type='headline' from='kingrichard@royalty.england.lit/other'>" + received + "</message>",
		"<message from='mallory@royalty.england.lit'>" + received + "</message>",
		"<message from='" + king + "'><received xmlns='urn:xmpp:receipts' id='another'/></message>",
		"<message type='error' from='" + king + "'>" + received + "</message>",
	} {
		if sent := h.Receive(t, in); sent != nil {
			t.Errorf("%s was answered by %q", in, sent)
		}
	}
	want := []Receipt{{"richard2-4.1.247", jid.MustParse(king)}, {"richard2-4.1.247", jid.MustParse("kingrichard@royalty.england.lit/other")}}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if err := h.Mux().HandleXMPP(t.Context(), h, exttest.Parse(t, "<message from='"+king+"'><received xmlns='urn:xmpp:receipts'/></message>")); err == nil {
		t.Error("a receipt without an id was taken")
	}
}

func TestRequest(t *testing.T) {
	to := jid.MustParse(king)
	for name, m := range map[string]*stanza.Message{
		"error":     {To: to, Type: stanza.TypeError},
		"groupchat": {To: to, Type: stanza.TypeGroupChat},
		"nobody":    {Body: "x"},
		"receipt":   {To: to, Payloads: []any{Received{"1"}}},
	} {
		if err := new(Extension).Request(m); !errors.Is(err, stanza.NotAllowed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := new(Extension).Request(&stanza.Message{To: to, Payloads: []any{stanza.Raw("<")}}); err == nil {
		t.Error("no stanza, no error")
	}
	e := Extension{MaxPending: 2}
	h := exttest.Attach(t, &e, north)
	var first string
	for i := range 3 {
		m := &stanza.Message{To: to}
		if err := e.Request(m); err != nil || len(m.ID) != 26 {
			t.Errorf("id %q, %v", m.ID, err)
		}
		if i == 0 {
			first = m.ID
		}
	}
	e.OnReceipt = func(context.Context, Receipt) { t.Error("the oldest is not forgotten") }
	h.Receive(t, "<message from='"+king+"'><received xmlns='urn:xmpp:receipts' id='"+first+"'/></message>")
	if e.OnReceipt = nil; e.pending.Len() != 2 {
		t.Errorf("%d are pending", e.pending.Len())
	}
}
