//go:build interop

package interop

import (
	"context"
	"errors"
	"fmt"
	"os"
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
	dns                       *peer.DNS
	prosody, ejabberd, etherx *peer.Server
}

// federate starts servers that trust each other in that way.
func federate(t *testing.T, trust peer.Trust) *federation {
	t.Helper()
	f := &federation{trust: trust, dns: peer.NewDNS(t)}
	var ca *peer.CA
	if trust == peer.External {
		ca = peer.NewCA(t)
	}
	s2s := func(domain string) *peer.S2S { return &peer.S2S{Domain: domain, Trust: trust, DNS: f.dns, CA: ca} }
	f.prosody = peer.Prosody{S2S: s2s("prosody.example")}.Start(t)
	f.ejabberd = peer.Ejabberd{S2S: s2s("ejabberd.example")}.Start(t)
	if os.Getenv("NOETHERX") != "" {
		return f
	}
	f.etherx = peer.Etherx{Root: "..", S2S: s2s("etherx.example")}.Start(t)
	return f
}

// pairs are who talks to whom. That the first two do says that the rig is right.
func (f *federation) pairs() [][2]*peer.Server {
	if f.etherx == nil {
		return [][2]*peer.Server{{f.prosody, f.ejabberd}, {f.ejabberd, f.prosody}}
	}
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
	rows := make([][]imStep, len(fedRows))
	for i, row := range fedRows {
		rows[i] = parseScript(t, row.name, row.script)
	}
	for _, trust := range []peer.Trust{peer.DialbackTLS, peer.DialbackPlain, peer.External} {
		t.Run(string(trust), func(t *testing.T) {
			t.Parallel()
			f := federate(t, trust)
			for _, pair := range f.pairs() {
				t.Run(pair[0].Name+" to "+pair[1].Name, func(t *testing.T) {
					for i, row := range fedRows {
						t.Run(row.name, func(t *testing.T) { f.play(t, pair[0], pair[1], row, rows[i]) })
					}
				})
			}
			f.checkTrust(t)
		})
	}
}

// abroad are the users of the second server of a pair.
var abroad = []string{"romeo", "mercutio"}

// play goes through a row with juliet at one server and romeo at the other.
func (f *federation) play(t *testing.T, a, b *peer.Server, row imRow, steps []imStep) {
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
	p.run(t, row, steps)
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
		s.sides[0].Settle(t)
		s.sides[1].Settle(t)
		for i, side := range s.sides {
			if from, to := side.anyone(), s.sides[1-i].anyone(); from != nil && to != nil {
				s.cross(t, ctx, from, to)
			}
		}
	}
	s.sides[0].Settle(t)
	s.sides[1].Settle(t)
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

// checkTrust looks into the logs of the foreign servers for how streams were
// authenticated: there is every way that there should be and no other.
func (f *federation) checkTrust(t *testing.T) {
	ejabberd := regexp.MustCompile(`\((tls|tcp)\|[^)]*\) Accepted (in|out)bound s2s (\S+) authentication (\S+) -> (\S+)`)
	transport, mechanism := "tls", "dialback"
	switch f.trust {
	case peer.DialbackPlain:
		transport = "tcp"
	case peer.External:
		mechanism = "EXTERNAL"
	}
	seen := map[string]bool{}
	for _, m := range ejabberd.FindAllStringSubmatch(f.ejabberd.Log(), -1) {
		seen[m[4]+" "+m[5]] = true
		if m[1] != transport || m[3] != mechanism {
			t.Errorf("ejabberd: %s", m[0])
		}
	}
	for _, other := range notNil(f.prosody, f.etherx) {
		for _, pair := range []string{other.Domain + " " + f.ejabberd.Domain, f.ejabberd.Domain + " " + other.Domain} {
			if !seen[pair] {
				t.Errorf("ejabberd has authenticated no stream %s", pair)
			}
		}
	}
	f.checkProsody(t, mechanism)
	if os.Getenv("FEDLOG") != "" {
		for _, s := range notNil(f.prosody, f.ejabberd, f.etherx) {
			_ = os.WriteFile(os.Getenv("FEDLOG")+"/"+string(f.trust)+"-"+s.Name+".log", []byte(s.Log()), 0o644)
		}
	}
}

// checkProsody does it for Prosody, of which what it does without TLS has no
// sign but that it has none.
func (f *federation) checkProsody(t *testing.T, mechanism string) {
	log := f.prosody.Log()
	for _, other := range notNil(f.ejabberd, f.etherx) {
		for _, want := range map[string][]string{
			"dialback": {
				"connection prosody.example->" + other.Domain + " is now authenticated",
				"connection " + other.Domain + "->prosody.example is now authenticated",
			},
			"EXTERNAL": {
				"SASL EXTERNAL with " + other.Domain + " succeeded",
				"Accepting SASL EXTERNAL identity from " + other.Domain,
			},
		}[mechanism] {
			if !regexp.MustCompile(regexp.QuoteMeta(want)).MatchString(log) {
				t.Errorf("Prosody has not logged %q", want)
			}
		}
	}
	for sign, wanted := range map[string]bool{
		`s2s(in|out)\S+\s+info\s+Stream encrypted`: f.trust != peer.DialbackPlain,
		`EXTERNAL (identity|with \S+ succeeded)`:   f.trust == peer.External,
		`db:(result|verify)`:                       f.trust != peer.External,
	} {
		if got := regexp.MustCompile(sign).MatchString(log); got != wanted {
			t.Errorf("%q in Prosody's log: %v, want %v", sign, got, wanted)
		}
	}
}

func notNil(a ...*peer.Server) []*peer.Server {
	return slices.DeleteFunc(a, func(s *peer.Server) bool { return s == nil })
}
