package fingerprint

import (
	"testing"
	"time"

	"github.com/etherx-go/xmpp/ext/carbons"
	"github.com/etherx-go/xmpp/ext/delay"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

func parse(t *testing.T, text string) *stanza.Stanza {
	t.Helper()
	st, err := stanza.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

const message = "<message from='romeo@montague.lit/orchard' to='juliet@capulet.lit' type='chat' id='m1'>" +
	"<body>a &lt; b</body><x xmlns='urn:x'/></message>"

// TestSame: what becomes of a message on its way does not make another one of it.
func TestSame(t *testing.T) {
	st := parse(t, message)
	want, isNamed := Of(st)
	if !isNamed {
		t.Error("it has an id")
	}
	late, err := delay.Stamp(st, delay.Delay{From: jid.MustParse("capulet.lit"), Stamp: time.Now()}, false)
	if err != nil {
		t.Fatal(err)
	}
	wrapped, err := carbons.Wrap(carbons.Received, st.To, st)
	if err != nil {
		t.Fatal(err)
	}
	c, ok, _ := carbons.Of(jid.MustParse("juliet@capulet.lit/balcony"), parse(t, wrapped.String()))
	if !ok {
		t.Fatal("no copy")
	}
	for name, st := range map[string]*stanza.Stanza{"late": late, "copy": c.Stanza, "parsed": parse(t, st.String())} {
		if got, _ := Of(st); got != want {
			t.Errorf("%s: another one: %v", name, st)
		}
	}
}

func TestDifferent(t *testing.T) {
	first, _ := Of(parse(t, message))
	for _, text := range []string{
		"<message from='romeo@montague.lit/orchard' to='juliet@capulet.lit' type='chat' id='m2'><body>a &lt; b</body><x xmlns='urn:x'/></message>",
		"<message from='romeo@montague.lit/orchard' to='juliet@capulet.lit' type='chat' id='m1'><body>a &gt; b</body><x xmlns='urn:x'/></message>",
		"<message from='romeo@montague.lit/orchard' to='juliet@capulet.lit' type='chat' id='m1'><body>a &lt; b</body></message>",
		"<message from='romeo@montague.lit/x' to='juliet@capulet.lit' type='chat' id='m1'><body>a &lt; b</body><x xmlns='urn:x'/></message>",
	} {
		if got, _ := Of(parse(t, text)); got == first {
			t.Errorf("the same: %s", text)
		}
	}
	if _, isNamed := Of(parse(t, "<message from='romeo@montague.lit' to='juliet@capulet.lit'><body>m</body></message>")); isNamed {
		t.Error("it has no id")
	}
}
