package gateway

import (
	"errors"
	"strings"
	"testing"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/internal/exttest"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

const open = "<query xmlns='jabber:iq:gateway'>"

var aim = jid.MustParse("aim.example.org")

func TestQuery(t *testing.T) {
	exttest.Run(t, []exttest.Golden[Query]{
		{Name: "XEP0100-3 example 52", In: "<query xmlns='jabber:iq:gateway'/>"},
		{Name: "XEP0100-3 example 53", In: open + "<desc>\n Who? </desc><prompt>Contact ID</prompt></query>",
			Want: Query{Desc: "Who?", Prompt: "Contact ID"}, Out: open + "<desc>Who?</desc><prompt>Contact ID</prompt></query>"},
		{Name: "XEP0100-3 example 54", In: open + "<prompt>Foo Bar</prompt></query>", Want: Query{Prompt: "Foo Bar"}},
		{Name: "XEP0100-3 example 55", In: open + "<jid>FooBar@aim.jabber.org</jid></query>",
			Want: Query{JID: jid.MustParse("foobar@aim.jabber.org")}, Out: open + "<jid>foobar@aim.jabber.org</jid></query>"},
		{Name: "not an address", In: open + "<jid>@</jid></query>", Err: true},
	})
}

func FuzzQuery(f *testing.F) {
	f.Add(open + "<desc>x</desc><prompt> a&amp;b</prompt><jid>a@b</jid></query>")
	f.Fuzz(func(t *testing.T, src string) { exttest.RoundTrip[Query](t, src) })
}

func TestClient(t *testing.T) {
	h := &exttest.Host{Local: jid.MustParse("romeo@example.org/x")}
	answer := func(body string) {
		h.Answer = func(iq *stanza.Stanza) (*stanza.Stanza, error) {
			return exttest.Parse(t, "<iq type='result' id='1'>"+body+"</iq>"), nil
		}
	}
	ctx := t.Context()
	t.Run("XEP0100-3 the prompt", func(t *testing.T) {
		answer(open + "<desc>Who?</desc><prompt>ID</prompt></query>")
		desc, prompt, err := Prompt(ctx, h, aim, "de")
		if sent := h.Sent(); err != nil || desc != "Who?" || prompt != "ID" || sent[0] !=
			"<iq type='get' to='aim.example.org' xml:lang='de'><query xmlns='jabber:iq:gateway'/></iq>" {
			t.Errorf("%q, %q, %v; sent %q", desc, prompt, err, sent)
		}
	})
	t.Run("XEP0100-3 the address", func(t *testing.T) {
		for _, body := range []string{"<jid>foobar@aim.example.org</jid>", "<prompt>foobar@aim.example.org</prompt>"} {
			answer(open + body + "</query>")
			j, err := Translate(ctx, h, aim, "Foo Bar")
			if sent := h.Sent(); err != nil || j != jid.MustParse("foobar@aim.example.org") || sent[0] !=
				"<iq type='set' to='aim.example.org'>"+open+"<prompt>Foo Bar</prompt></query></iq>" {
				t.Errorf("%s: %s, %v; sent %q", body, j, err, sent)
			}
		}
	})
	t.Run("errors", func(t *testing.T) {
		for body, want := range map[string]error{
			"":                               ErrNoAnswer,
			open + "</query>":                ErrNoAnswer,
			open + "<jid>@</jid></query>":    stanza.JIDMalformed,
			"<error code='404'>Gone</error>": stanza.ItemNotFound,
		} {
			answer(body)
			if _, err := Translate(ctx, h, aim, "x"); !errors.Is(err, want) {
				t.Errorf("%s: %v", body, err)
			}
			if _, _, err := Prompt(ctx, h, aim, ""); !errors.Is(err, want) {
				t.Errorf("%s: %v", body, err)
			}
		}
		h.Fail = xmpp.ErrClosed
		if _, err := Translate(ctx, h, aim, "x"); !errors.Is(err, xmpp.ErrClosed) {
			t.Error(err)
		}
	})
}

func TestReq_XEP0100_2_names(t *testing.T) {
	plain, hosts := Addresses{Domain: aim}, Addresses{Domain: aim, HasHosts: true}
	percent := Addresses{Domain: aim, HasHosts: true, Percent: true}
	for _, tt := range []struct {
		name string
		a    Addresses
		in   string
		want string // the local part, "" if there is none
	}{
		{"XEP0100-2 a plain name", plain, "juliet", "juliet"},
		{"XEP0100-2 user@host", plain, "juliet@capulet.lit", `juliet\40capulet.lit`},
		{"XEP0100-2 user@host on a network that has hosts", hosts, "juliet@capulet.lit", `juliet\40capulet.lit`},
		{"XEP0100-2 user@host in the form of old", percent, "juliet@capulet.lit", "juliet%capulet.lit"},
		{"two @", percent, "a@b@c", `a\40b%c`},
		{"a name without host in the form of old", percent, "juliet", "juliet"},
		{"a % beside the @", hosts, "100%@x", `100%\40x`},
		{"a % before the @, in the form of old", percent, "100%@x", `100%%x`},
		{"a space", plain, "d'artagnan x", `d\27artagnan\20x`},
		{"a %", plain, "100%", "100%"},
		{"what would read as an escape", plain, `a\40b`, `a\5c40b`},
		{"what would read as an escape when its case is folded", plain, `a\5C`, `a\5c5c`},
		{"what would read as one when its width is folded", plain, "＼５ｃ", ""},
		{"white space around it", plain, " juliet ", "juliet"},
		{"nothing", plain, " ", ""},
		{"a % where that is the @", hosts, "100%", ""},
		{"a % behind the @", percent, "a@b%c", ""},
		{"what no address can hold", plain, "\x00", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			j, err := tt.a.JID(tt.in)
			if j.Local() != tt.want || errors.Is(err, stanza.JIDMalformed) != (tt.want == "") {
				t.Fatalf("got %q, %v", j, err)
			}
			if err == nil && tt.a.Name(j) != strings.ToLower(strings.TrimSpace(tt.in)) {
				t.Errorf("back: %q", tt.a.Name(j))
			}
		})
	}
	for _, tt := range []struct {
		name string
		a    Addresses
		in   string
		want string
	}{
		{"XEP0100-2 the form of old is understood", hosts, "juliet%capulet.lit@aim.example.org", "juliet@capulet.lit"},
		{"XEP0100-2 the form of today is understood", percent, `juliet\40capulet.lit@aim.example.org`, "juliet@capulet.lit"},
		{"XEP0100-2 not where names have no hosts", plain, "100%x@aim.example.org", "100%x"},
		{"the gateway", hosts, "aim.example.org", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.a.Name(jid.MustParse(tt.in)); got != tt.want {
				t.Errorf("got %q", got)
			}
		})
	}
	n := Addresses{Domain: aim, Normalize: func(s string) (string, error) {
		if s == "nobody" {
			return "", stanza.ItemNotFound
		}
		return s[:3], nil
	}}
	if j, err := n.JID("Foo Bar"); err != nil || j.Local() != "foo" {
		t.Errorf("%s, %v", j, err)
	}
	if _, err := n.JID("nobody"); !errors.Is(err, stanza.ItemNotFound) {
		t.Error(err)
	}
}

// FuzzAddresses: a name comes back from its address, but for its case and its
// forms, and the address from the name.
func FuzzAddresses(f *testing.F) {
	for _, s := range []string{"juliet@capulet.lit", `a\40b%c@d`, "100%", "d'artagnan x", "a@b%c", `\5c`} {
		f.Add(s, true, true)
		f.Add(s, true, false)
		f.Add(s, false, false)
	}
	f.Fuzz(func(t *testing.T, name string, hosts, percent bool) {
		a := Addresses{Domain: aim, HasHosts: hosts, Percent: percent}
		j, err := a.JID(name)
		if err != nil {
			return
		}
		again, err := a.JID(a.Name(j))
		if err != nil || again != j {
			t.Errorf("%q is %q, which is %q, which is %q, %v", name, j, a.Name(j), again, err)
		}
	})
}
