package autoupdate

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

const open = "<query xmlns='jabber:iq:autoupdate'>"

var winjab = jid.MustParse("winjab@update.denmark")

// guide is the answer of the Guide, example 7-4.
var guide = Versions{
	Release: &Version{Optional, "0.9.1.1", "http://update.denmark/winjab/winjab_setup.exe", ""},
	Beta:    &Version{Optional, "0.9.2.16", "http://update.denmark/winjab/winjab_beta.exe", ""},
}

func decode[T stanza.Payload](t *testing.T, in string) (v T, err error) {
	t.Helper()
	e, err := stanza.Raw(in).Element()
	if err != nil {
		t.Fatal(err)
	}
	return v, e.Decode(&v)
}

func TestVersions(t *testing.T) {
	const out = open + "<release priority='optional'><ver>0.9.1.1</ver><desc/>" +
		"<url>http://update.denmark/winjab/winjab_setup.exe</url></release><beta priority='optional'><ver>0.9.2.16</ver>" +
		"<desc/><url>http://update.denmark/winjab/winjab_beta.exe</url></beta></query>"
	for _, tt := range []struct {
		name, in string
		want     Versions
		out      string
	}{
		{"GUIDE-7-update-3 a request", "<query xmlns='jabber:iq:autoupdate'/>", Versions{}, ""},
		{"GUIDE-7-update-4 the guide, example 7-4", out, guide, ""},
		{"GUIDE-7-update-4 with white space", strings.ReplaceAll(out, "><", "> <"), guide, out},
		{"GUIDE-7-update-5 one of each", open + "<dev priority='mandatory'><ver>2</ver><desc>x</desc><url/></dev>" +
			"<dev><ver>3</ver></dev><nightly/><release xmlns='urn:x'/></query>",
			Versions{Dev: &Version{Priority: Mandatory, Number: "2", Desc: "x"}},
			open + "<dev priority='mandatory'><ver>2</ver><desc>x</desc><url/></dev></query>"},
		{"GUIDE-7-update-5 no priority, or none that is known", open + "<release><ver>1</ver></release>" +
			"<beta priority='urgent'/></query>",
			Versions{Release: &Version{Priority: Optional, Number: "1"}, Beta: &Version{Priority: Optional}},
			open + "<release priority='optional'><ver>1</ver><desc/><url/></release>" +
				"<beta priority='optional'><ver/><desc/><url/></beta></query>"},
		{"GUIDE-7-update-6 version for ver", open + "<release priority='optional'><version>1</version></release></query>",
			Versions{Release: &Version{Priority: Optional, Number: "1"}},
			open + "<release priority='optional'><ver>1</ver><desc/><url/></release></query>"},
		{"GUIDE-7-update-7 mandatory is told", open + "<release priority='mandatory'><ver>1</ver><desc/><url/>" +
			"</release></query>",
			Versions{Release: &Version{Priority: Mandatory, Number: "1"}}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := decode[Versions](t, tt.in)
			if err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %+v, %v", got, err)
			}
			if tt.out == "" {
				tt.out = tt.in
			}
			if b, err := tt.want.AppendXML(nil); err != nil || string(b) != tt.out {
				t.Errorf("written as %s, %v", b, err)
			}
		})
	}
}

func TestReq_GUIDE_7_update_2(t *testing.T) {
	n, err := decode[Notice](t, "<x xmlns='jabber:x:autoupdate'> winjab@update.denmark </x>")
	if err != nil || n.Ask != winjab {
		t.Errorf("GUIDE-7-update-2: %+v, %v", n, err)
	}
	if b, err := n.AppendXML(nil); err != nil || string(b) != "<x xmlns='jabber:x:autoupdate'>winjab@update.denmark</x>" {
		t.Errorf("GUIDE-7-update-2: %s, %v", b, err)
	}
	for _, in := range []string{"<x xmlns='jabber:x:autoupdate'/>", "<x xmlns='jabber:x:autoupdate'>@</x>"} {
		if n, err := decode[Notice](t, in); !errors.Is(err, stanza.BadRequest) {
			t.Errorf("%s: %+v, %v", in, n, err)
		}
	}
	if b, err := (Notice{}).AppendXML(nil); !errors.Is(err, stanza.BadRequest) {
		t.Errorf("without an address: %s, %v", b, err)
	}
}

func FuzzAutoupdate(f *testing.F) {
	f.Add(open + "<release priority='mandatory'><version> 1</version><desc>&lt;</desc></release><dev/></query>")
	f.Add("<x xmlns='jabber:x:autoupdate'>a@b/c</x>")
	f.Fuzz(func(t *testing.T, src string) {
		e, err := stanza.Raw(src).Element()
		if err != nil {
			return
		}
		roundTrip[Versions](t, e)
		roundTrip[Notice](t, e)
	})
}

func roundTrip[T stanza.Payload](t *testing.T, e stanza.Element) {
	var v T
	if e.Name() != v.XMLName() || e.Decode(&v) != nil {
		return
	}
	b, err := v.AppendXML(nil)
	if err != nil {
		t.Fatalf("%+v cannot be written: %v", v, err)
	}
	if w, err := decode[T](t, string(b)); err != nil || !reflect.DeepEqual(v, w) {
		t.Fatalf("%+v was written as %s and read as %+v, %v", v, b, w, err)
	}
}

func TestCompare(t *testing.T) {
	inOrder := []string{"alpha", "", "0.9", "0.9.1.0", "0.9.1.1", "0.9.2.16", "0.10", "1a", "1.0-beta", "1.0-beta2", "1",
		"1.0.1", "99999999999999999999999"}
	for i, a := range inOrder {
		for j, b := range inOrder {
			want := 0
			if i < j {
				want = -1
			} else if i > j {
				want = 1
			}
			if got := Compare(a, b); got != want {
				t.Errorf("%q, %q: %d, want %d", a, b, got, want)
			}
		}
	}
	for _, same := range [][2]string{{"1.0", "1"}, {"1.0", " 1.00 "}, {"1.0-Beta", "1.0beta"}, {"01.2", "1.02"}} {
		if Compare(same[0], same[1]) != 0 {
			t.Errorf("%q is not %q", same[0], same[1])
		}
	}
}

func FuzzCompare(f *testing.F) {
	f.Add("1.0-beta", "1.0", "1.0.1")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		if Compare(a, b) != -Compare(b, a) || Compare(a, a) != 0 {
			t.Errorf("%q, %q: not antisymmetric", a, b)
		}
		if Compare(a, b) <= 0 && Compare(b, c) <= 0 && Compare(a, c) > 0 {
			t.Errorf("%q, %q, %q: not transitive", a, b, c)
		}
	})
}

func TestNewer(t *testing.T) {
	all := guide
	all.Dev = &Version{Number: "0.9.3"}
	for installed, want := range map[string]*Version{
		"0.9.1.0": all.Release, "0.9.1.1": nil, "0.9.2.1": all.Beta, "0.9.2.16": nil, "0.9.2.17": all.Dev, "0.9.4": nil,
	} {
		if got := all.Newer(installed); got != want {
			t.Errorf("%s: %+v", installed, got)
		}
	}
	if got := (&Versions{Beta: guide.Beta}).Newer("0.9"); got != guide.Beta {
		t.Errorf("no release: %+v", got)
	}
}

// host is a Host that keeps what is sent.
type host struct {
	t      *testing.T
	mux    xmpp.Mux
	server bool
	sent   []string
	reply  string
}

func (*host) LocalAddr() jid.JID        { return jid.MustParse("update.denmark") }
func (h *host) Mux() *xmpp.Mux          { return &h.mux }
func (h *host) IsServer() bool          { return h.server }
func (*host) Features(jid.JID) []string { return nil }

func (h *host) Send(_ context.Context, st *stanza.Stanza) error {
	h.sent = append(h.sent, st.String())
	return nil
}

func (h *host) Do(ctx context.Context, iq *stanza.Stanza) (*stanza.Stanza, error) {
	h.Send(ctx, iq)
	return stanza.Parse(h.reply)
}

func (h *host) receive(src string) (sent []string, err error) {
	h.t.Helper()
	st, err := stanza.Parse(src)
	if err != nil {
		h.t.Fatal(err)
	}
	h.sent = nil
	err = h.mux.HandleXMPP(h.t.Context(), h, st)
	return h.sent, err
}

func TestClient(t *testing.T) {
	h := &host{t: t, reply: "<iq type='result' id='1'>" + open + "<release><ver>0.9.1.1</ver></release></query></iq>"}
	if err := Announce(t.Context(), h, winjab, "0.9.1.0"); err != nil || h.sent[0] !=
		"<presence to='winjab@update.denmark/0.9.1.0'/>" {
		t.Errorf("GUIDE-7-update-1: %q, %v", h.sent, err)
	}
	if err := Announce(t.Context(), h, winjab.DomainJID(), "1"); !errors.Is(err, ErrNoAddress) {
		t.Errorf("to nobody: %v", err)
	}
	if err := Announce(t.Context(), h, winjab, "\x00"); err == nil {
		t.Error("a version that cannot be a resource")
	}
	v, err := Ask(t.Context(), h, winjab)
	if err != nil || v.Release == nil || v.Release.Number != "0.9.1.1" || h.sent[1] !=
		"<iq type='get' to='winjab@update.denmark'><query xmlns='jabber:iq:autoupdate'/></iq>" {
		t.Errorf("GUIDE-7-update-3: %+v, %v; sent %q", v, err, h.sent)
	}
}

func TestExtension(t *testing.T) {
	var got []Received
	e := &Extension{Services: []jid.JID{winjab, jid.MustParse("update.norway")},
		OnNotice: func(_ context.Context, r Received) error { got = append(got, r); return nil }}
	h := &host{t: t}
	if err := e.Attach(h); err != nil {
		t.Fatal(err)
	}
	message := "<message from='FROM' to='hamlet@denmark'><subject>Upgrade available for WinJab</subject>" +
		"<body>Please check the attachment.</body><x xmlns='jabber:x:autoupdate'>winjab@update.jabber.org</x></message>"
	for from, want := range map[string]bool{
		"winjab@update.denmark": true, "winjab@update.denmark/x": true, "any@update.norway": true,
		"other@update.denmark": false, "update.denmark": false, "claudius@denmark": false,
	} {
		got = nil
		if sent, err := h.receive(strings.Replace(message, "FROM", from, 1)); err != nil || sent != nil {
			t.Errorf("GUIDE-7-update-3 %s: sent %q, %v", from, sent, err)
		}
		if (got != nil) != want {
			t.Errorf("GUIDE-7-update-2 %s: %+v", from, got)
		}
		if got != nil && (got[0].Ask != jid.MustParse("winjab@update.jabber.org") || got[0].From != jid.MustParse(from) ||
			got[0].Subject != "Upgrade available for WinJab" || got[0].Body != "Please check the attachment.") {
			t.Errorf("GUIDE-7-update-2 %s: %+v", from, got)
		}
	}
	if err := new(Extension).Attach(h); err == nil {
		t.Error("nobody is told")
	}
	if f := e.Features(jid.JID{}); !slices.Equal(f, []string{NSNotice}) {
		t.Error(f)
	}
}

var errBroken = errors.New("broken")

func newService() *Service {
	return &Service{Versions: func(_ context.Context, program string) (Versions, error) {
		switch program {
		case "winjab":
			return guide, nil
		case "broken":
			return Versions{}, errBroken
		}
		return Versions{}, stanza.ItemNotFound
	}}
}

func TestService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{t: t}
		s := newService()
		if err := s.Attach(h); err != nil {
			t.Fatal(err)
		}
		announce := func(from, to string) []string {
			t.Helper()
			sent, err := h.receive("<presence from='" + from + "' to='" + to + "'/>")
			if err != nil {
				t.Error(err)
			}
			return sent
		}
		want := "<message to='hamlet@denmark/castle' from='winjab@update.denmark'>" +
			"<subject>Upgrade available for winjab</subject>" +
			"<body>Version 0.9.1.1 of winjab is available. Yours is 0.9.1.0.</body>" +
			"<x xmlns='jabber:x:autoupdate'>winjab@update.denmark</x></message>"
		const old = "winjab@update.denmark/0.9.1.0"
		if got := announce("hamlet@denmark/castle", old); len(got) != 1 || got[0] != want {
			t.Errorf("GUIDE-7-update-2: %q", got)
		}
		for what, got := range map[string][]string{
			"told already":     announce("hamlet@denmark/castle", old),
			"the newest":       announce("king@denmark/castle", "winjab@update.denmark/0.9.1.1"),
			"no version":       announce("king@denmark/castle", "winjab@update.denmark"),
			"no program":       announce("king@denmark/castle", "update.denmark/0.9.1.0"),
			"unknown program":  announce("king@denmark/castle", "gabber@update.denmark/0.9.1.0"),
			"of another type":  h.must("<presence type='unavailable' from='king@denmark/castle' to='" + old + "'/>"),
			"a subscription":   h.must("<presence type='subscribe' from='king@denmark' to='winjab@update.denmark'/>"),
			"without a sender": h.must("<presence to='" + old + "'/>"),
		} {
			if got != nil {
				t.Errorf("%s: %q", what, got)
			}
		}
		if got := announce("king@denmark/castle", "winjab@update.denmark/0.9.2.1"); len(got) != 1 || !strings.Contains(got[0],
			"0.9.2.16") {
			t.Errorf("GUIDE-7-update-1 of the beta: %q", got)
		}
		time.Sleep(DefaultAgain)
		s.Message = func(program, installed string, newer Version) (string, string) {
			return "", program + installed + newer.URL
		}
		if got := announce("hamlet@denmark/castle", old); len(got) != 1 || !strings.Contains(got[0],
			"<body>winjab0.9.1.0http://update.denmark/winjab/winjab_setup.exe</body>") {
			t.Errorf("later: %q", got)
		}
		if _, err := h.receive("<presence from='king@denmark/x' to='broken@update.denmark/1'/>"); !errors.Is(err, errBroken) {
			t.Errorf("the error is not logged: %v", err)
		}
	})
}

func (h *host) must(src string) []string {
	h.t.Helper()
	sent, err := h.receive(src)
	if err != nil {
		h.t.Error(err)
	}
	return sent
}

// TestTold: what is remembered is bounded.
func TestTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService()
		user := func(i int) notice { return notice{winjab, "winjab", strconv.Itoa(i)} }
		for i := range maxTold {
			if time.Sleep(time.Hour / 2 / maxTold); !s.isNews(user(i)) {
				t.Fatal("told before")
			}
		}
		if !s.isNews(user(maxTold)) || len(s.told) != 1 {
			t.Errorf("%d are remembered when there are too many", len(s.told))
		}
		for i := range maxTold - 1 {
			s.isNews(user(i))
		}
		time.Sleep(time.Hour)
		if !s.isNews(user(-1)) || len(s.told) != 1 {
			t.Errorf("%d are remembered of those that are over", len(s.told))
		}
	})
}

func TestServiceAnswers(t *testing.T) {
	h := &host{t: t}
	s := newService()
	if err := s.Attach(h); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, typ, to, want string }{
		{"GUIDE-7-update-4 what there is", "get", "winjab@update.denmark", "<release priority='optional'><ver>0.9.1.1</ver>"},
		{"unknown", "get", "gabber@update.denmark", "<item-not-found"},
		{"no program", "get", "update.denmark", "<item-not-found"},
		{"GUIDE-7-update-9 set", "set", "winjab@update.denmark", "<bad-request"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sent := h.must("<iq type='" + tt.typ + "' id='1' from='hamlet@denmark/x' to='" + tt.to + "'>" + open +
				"</query></iq>")
			if len(sent) != 1 || !strings.Contains(sent[0], tt.want) {
				t.Errorf("sent %q", sent)
			}
		})
	}
	if err := new(Service).Attach(h); err == nil {
		t.Error("there is nothing to tell")
	}
	if err := newService().Attach(&host{t: t, server: true}); err == nil {
		t.Error("attached to a server")
	}
	if f := s.Features(winjab); !slices.Equal(f, []string{NS}) || s.Features(winjab.DomainJID()) != nil {
		t.Error(f)
	}
}
