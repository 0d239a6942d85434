//go:build interop

package interop

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/interop/internal/peer"
	"github.com/etherx-go/xmpp/stanza"
)

// federation is servers that know each other's addresses by one DNS.
type federation struct {
	trust                     peer.Trust
	direct                    bool     // TLS without STARTTLS
	unknown                   []string // whose certificates nobody knows
	dns                       *peer.DNS
	ca                        *peer.CA // nil without certificates
	prosody, ejabberd, etherx *peer.Server
}

// start starts the servers.
func (f *federation) start(t *testing.T) {
	t.Helper()
	f.dns = peer.NewDNS(t)
	if f.trust == peer.External || f.trust == peer.Either {
		f.ca = peer.NewCA(t)
	}
	s2s := func(domain string) *peer.S2S {
		return &peer.S2S{
			Domain: domain, Trust: f.trust, Direct: f.direct, DNS: f.dns, CA: f.ca, Unknown: slices.Contains(f.unknown, domain),
		}
	}
	f.prosody = peer.Prosody{S2S: s2s("prosody.example")}.Start(t)
	f.ejabberd = peer.Ejabberd{S2S: s2s("ejabberd.example")}.Start(t)
	f.etherx = peer.Etherx{Root: "..", S2S: s2s("etherx.example")}.Start(t)
}

// pairs are who talks to whom. That the first two do says that the rig is right.
func (f *federation) pairs() [][2]*peer.Server {
	return [][2]*peer.Server{
		{f.prosody, f.ejabberd}, {f.ejabberd, f.prosody},
		{f.etherx, f.prosody}, {f.prosody, f.etherx},
		{f.etherx, f.ejabberd}, {f.ejabberd, f.etherx},
	}
}

// TestFederation has users of one server go through what they do with users of
// another, for each pair of servers in both directions, and by each way in which
// servers trust each other.
func TestFederation(t *testing.T) {
	for _, f := range []*federation{
		{trust: peer.DialbackTLS}, {trust: peer.DialbackPlain}, {trust: peer.External},
		{trust: peer.External, direct: true},
		{trust: peer.Either, unknown: []string{"etherx.example"}},
		{trust: peer.Either, unknown: []string{"prosody.example", "ejabberd.example"}},
	} {
		name := strings.Join(append([]string{string(f.trust)}, f.unknown...), ", unknown is ")
		if f.direct {
			name += ", direct TLS"
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f.start(t)
			faults := f.beginFaults(t)
			for _, pair := range f.pairs() {
				t.Run(pair[0].Name+" to "+pair[1].Name, func(t *testing.T) { f.playAll(t, pair[0], pair[1]) })
			}
			if f.trust == peer.DialbackTLS {
				t.Run("slixmpp", func(t *testing.T) { talkSlixmpp(t, f.etherx, f.prosody) })
			}
			t.Run("how streams were authenticated", f.checkTrust)
			for _, fault := range faults {
				t.Run(fault.server.Name+" and faults", fault.check)
			}
			f.checkRestarts(t)
		})
	}
}

// playAll goes through the rows, or through the first where that is enough: the
// foreign servers must understand each other in the rig in every way, and what
// they do with users is shown in one. How TLS begins, and that servers prove
// themselves in different ways, changes nothing of what comes after it.
func (f *federation) playAll(t *testing.T, a, b *peer.Server) {
	rows := fedRows
	if f.direct || f.trust == peer.Either || f.trust != peer.DialbackTLS && a != f.etherx && b != f.etherx {
		rows = rows[:1]
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) { f.play(t, a, b, row) })
	}
}

// abroad are the users of the second server of a pair.
var abroad = []string{"romeo", "mercutio"}

// play goes through a row with juliet at one server and romeo at the other.
func (f *federation) play(t *testing.T, a, b *peer.Server, row imRow) {
	a.Watch(t)
	b.Watch(t)
	home := func(user string) *peer.Server {
		if slices.Contains(abroad, user) {
			return b
		}
		return a
	}
	hall := fmt.Sprintf("hall%d@%s", accountNumber.Add(1), b.Rooms())
	p := &play{
		stage: &fedStage{home: home, sides: [2]*clientStage{
			{server: a, players: map[string]*player{}}, {server: b, players: map[string]*player{}},
		}},
		home: home,
		versions: []string{
			"juliet's " + a.Name + " and romeo's " + b.Name, "juliet's " + a.Name, "romeo's " + b.Name,
		},
		names: []string{"@hall", hall, "@nobody", nobody(b), "@mantua", b.Domain, "@verona", a.Domain},
	}
	p.run(t, row, parseScript(t, row.name, row.script))
}

// fedStage is a stage for clients of two servers.
type fedStage struct {
	home  func(user string) *peer.Server
	sides [2]*clientStage
	n     int
}

func (s *fedStage) Do(t testing.TB, who, op string, args map[string]any) []string {
	t.Helper()
	return s.side(who).Do(t, who, op, args)
}

func (s *fedStage) side(who string) *clientStage {
	user, _, _ := strings.Cut(who, "/")
	if s.sides[0].server == s.home(user) {
		return s.sides[0]
	}
	return s.sides[1]
}

func (s *fedStage) Take() []string { return append(s.sides[0].Take(), s.sides[1].Take()...) }

func (s *fedStage) Clear(t testing.TB) {
	s.sides[0].Clear(t)
	s.sides[1].Clear(t)
}

// Settle returns when what was sent from one server to the other before has been
// seen, and what that caused, as far as that is a matter of order.
func (s *fedStage) Settle(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	for range 2 {
		s.sides[0].settle(t, ctx)
		s.sides[1].settle(t, ctx)
		for i, side := range s.sides {
			if from, to := side.anyone(), s.sides[1-i].anyone(); from != nil && to != nil {
				s.cross(t, ctx, from, to)
			}
		}
	}
	s.sides[0].settle(t, ctx)
	s.sides[1].settle(t, ctx)
}

// cross returns when a message has come from one client to another.
func (s *fedStage) cross(t testing.TB, ctx context.Context, from, to *player) {
	t.Helper()
	s.n++
	body := settled + "abroad " + strconv.Itoa(s.n)
	err := xmpp.Send(ctx, from, &stanza.Message{To: to.LocalAddr(), Type: stanza.TypeHeadline, Body: body})
	for err == nil {
		select {
		case got := <-to.settled:
			if got == body {
				return
			}
		case <-from.ended:
			return
		case <-to.ended:
			return
		case <-ctx.Done():
			t.Fatalf("%s: a message to %s does not arrive", from.who, to.who)
		}
	}
	if !errors.Is(err, xmpp.ErrNotConnected) && !errors.Is(err, xmpp.ErrClosed) {
		t.Fatalf("%s: %v", from.who, err)
	}
}

// mechanism is how the server of a domain, or of the rooms there, proves who it
// is.
func (f *federation) mechanism(domain string) string {
	switch {
	case f.trust == peer.External,
		f.trust == peer.Either && !slices.Contains(f.unknown, strings.TrimPrefix(domain, "conference.")):
		return "EXTERNAL"
	default:
		return "dialback"
	}
}

// checkTrust looks into the logs of the foreign servers for how streams were
// authenticated: in every way that there should be and no other.
func (f *federation) checkTrust(t *testing.T) {
	accepted := regexp.MustCompile(`\((tls|tcp)\|[^)]*\) Accepted (?:in|out)bound s2s (\S+) authentication (\S+) -> (\S+)`)
	transport := "tls"
	if f.trust == peer.DialbackPlain {
		transport = "tcp"
	}
	seen := map[string]bool{}
	for _, m := range accepted.FindAllStringSubmatch(f.ejabberd.Log(), -1) {
		seen[m[3]+" "+m[4]] = true
		if want := f.mechanism(m[3]); m[1] != transport || m[2] != want {
			t.Errorf("ejabberd: %s, want %s and %s", m[0], transport, want)
		}
	}
	for _, other := range []*peer.Server{f.prosody, f.etherx} {
		for _, pair := range []string{other.Domain + " " + f.ejabberd.Domain, f.ejabberd.Domain + " " + other.Domain} {
			if !seen[pair] {
				t.Errorf("ejabberd has authenticated no stream %s", pair)
			}
		}
	}
	f.checkProsody(t)
}

// checkProsody does it for Prosody, of which what it does without TLS has no
// sign but that it has none.
func (f *federation) checkProsody(t *testing.T) {
	log := f.prosody.Log()
	for _, other := range []*peer.Server{f.ejabberd, f.etherx} {
		to, from := "prosody.example->"+other.Domain, other.Domain+"->prosody.example"
		// One stream is enough where it is used in both directions (XEP-0288).
		if !regexp.MustCompile(`connection (` + to + `|` + from + `) is now authenticated`).MatchString(log) {
			t.Errorf("Prosody has authenticated no stream with %s", other.Domain)
		}
		for sign, who := range map[string]string{
			"SASL EXTERNAL with " + other.Domain + " succeeded":     f.prosody.Domain,
			"Accepting SASL EXTERNAL identity from " + other.Domain: other.Domain,
		} {
			if f.mechanism(who) != "EXTERNAL" && strings.Contains(log, sign) {
				t.Errorf("Prosody has logged %q", sign)
			}
		}
	}
	for sign, wanted := range map[string]bool{
		`s2s(in|out)\S+\s+info\s+Stream encrypted`: f.trust != peer.DialbackPlain,
		`EXTERNAL (identity|with \S+ succeeded)`:   f.trust == peer.External || f.trust == peer.Either,
		`db:(result|verify)`:                       f.trust != peer.External,
	} {
		if got := regexp.MustCompile(sign).MatchString(log); got != wanted {
			t.Errorf("%q in Prosody's log: %v, want %v", sign, got, wanted)
		}
	}
}

// talkSlixmpp has slixmpp clients talk across two servers.
func talkSlixmpp(t *testing.T, a, b *peer.Server) {
	juliet, romeo := newAccount(t, a), newAccount(t, b)
	j := peer.Slixmpp{Account: juliet}.Start(t, a)
	r := peer.Slixmpp{Account: romeo}.Start(t, b)
	julietJID, romeoJID := j.Session(t), r.Session(t)
	const body = "Wherefore art thou <Romeo>? žluťoučký 𝄞"
	for _, to := range []string{romeo.JID(), romeoJID} {
		j.Send(t, to, body)
		if got := r.ExpectMessage(t, body); got.From != julietJID || got.To != to {
			t.Errorf("arrived as %+v", got)
		}
	}
	for _, to := range []string{juliet.JID(), julietJID} {
		r.Send(t, to, body)
		if got := j.ExpectMessage(t, body); got.From != romeoJID || got.To != to {
			t.Errorf("arrived as %+v", got)
		}
	}
	j.Greet(t, romeoJID)
	r.Greet(t, julietJID)
	for to, client := range map[string]*peer.SlixmppClient{romeoJID: j, b.Domain: j, julietJID: r, a.Domain: r} {
		if answer := client.Ping(t, to); answer.Condition != "" {
			t.Errorf("%s answers a ping by %s", to, answer.Condition)
		}
	}
}
