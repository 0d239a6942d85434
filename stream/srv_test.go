package stream

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
)

// fakeDNS is a Resolver. Records are by "_service._tcp.name.", addresses by
// name; an error in errs goes first. What is not there is not found.
type fakeDNS struct {
	srv  map[string][]*net.SRV
	ips  map[string][]netip.Addr
	errs map[string]error

	mu    sync.Mutex
	asked []string
}

func (f *fakeDNS) ask(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, name)
	return f.errs[name]
}

// questions returns the names asked for so far, sorted.
func (f *fakeDNS) questions() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	asked := slices.Clone(f.asked)
	slices.Sort(asked)
	return asked
}

func notFound(name string) error {
	return &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

func (f *fakeDNS) LookupSRV(ctx context.Context, service, proto, name string) (string, []*net.SRV, error) {
	q := "_" + service + "._" + proto + "." + name
	err := f.ask(q)
	records := f.srv[q]
	if err == nil && len(records) == 0 {
		err = notFound(q)
	}
	return q, records, err
}

func (f *fakeDNS) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	if network != "ip" {
		return nil, fmt.Errorf("network %q", network)
	}
	err := f.ask(host)
	ips, ok := f.ips[host]
	if err == nil && !ok {
		err = notFound(host)
	}
	return ips, err
}

func ips(s ...string) (out []netip.Addr) {
	for _, s := range s {
		out = append(out, netip.MustParseAddr(s))
	}
	return out
}

// label writes a target shortly, as "a:5223/tls".
func label(t target) string {
	s := fmt.Sprintf("%s:%d", t.host, t.port)
	if t.direct {
		s += "/tls"
	}
	return s
}

func labels(ts []target) string {
	var out []string
	for _, t := range ts {
		out = append(out, label(t))
	}
	return strings.Join(out, " ")
}

func TestOrderSeeded(t *testing.T) {
	at := func(host string, priority, weight uint16) target {
		return target{host: host, port: 5222, priority: priority, weight: weight}
	}
	tests := []struct {
		name    string
		targets []target
		want    map[uint64]string // by seed
	}{
		{"none", nil, map[uint64]string{1: ""}},
		{"one", []target{at("a", 0, 0)}, map[uint64]string{1: "a:5222"}},
		{"priority beats weight", []target{at("c", 30, 900), at("a", 10, 0), at("b", 20, 65535)},
			map[uint64]string{1: "a:5222 b:5222 c:5222", 2: "a:5222 b:5222 c:5222", 3: "a:5222 b:5222 c:5222"}},
		{"only zero weights", []target{at("a", 0, 0), at("b", 0, 0), at("c", 0, 0)},
			map[uint64]string{1: "c:5222 a:5222 b:5222", 2: "b:5222 a:5222 c:5222", 3: "b:5222 c:5222 a:5222"}},
		{"weights", []target{at("a", 0, 10), at("b", 0, 60), at("c", 0, 30), at("z", 5, 1)},
			map[uint64]string{1: "c:5222 b:5222 a:5222 z:5222", 2: "a:5222 c:5222 b:5222 z:5222", 3: "c:5222 b:5222 a:5222 z:5222"}},
	}
	for _, tt := range tests {
		for seed, want := range tt.want {
			t.Run(fmt.Sprintf("%s, seed %d", tt.name, seed), func(t *testing.T) {
				// The order of the answer must not matter.
				in := slices.Clone(tt.targets)
				slices.Reverse(in)
				for range 2 {
					got := slices.Clone(in)
					order(got, rand.New(rand.NewPCG(seed, 0)).IntN)
					if l := labels(got); l != want {
						t.Errorf("got %q, want %q", l, want)
					}
					slices.Reverse(in)
				}
			})
		}
	}
}

// TestOrderRFC2782 follows the algorithm with given random numbers.
func TestOrderRFC2782(t *testing.T) {
	targets := []target{{host: "zero"}, {host: "two", weight: 2}, {host: "three", weight: 3}}
	// The shuffle takes two numbers, bounds 3 and 2; returning bound-1 leaves the
	// order "zero two three", running sums 0, 2 and 5.
	tests := []struct {
		first, second int // the numbers of the two selections
		want          string
		bounds        []int
	}{
		{0, 0, "zero two three", []int{3, 2, 6, 6}},
		{1, 0, "two zero three", []int{3, 2, 6, 4}},
		{2, 3, "two three zero", []int{3, 2, 6, 4}},
		{3, 2, "three two zero", []int{3, 2, 6, 3}},
		{5, 0, "three zero two", []int{3, 2, 6, 3}},
	}
	for _, tt := range tests {
		t.Run(tt.want, func(t *testing.T) {
			numbers, bounds := []int{2, 1, tt.first, tt.second}, []int(nil)
			got := slices.Clone(targets)
			orderByWeight(got, func(n int) int {
				bounds = append(bounds, n)
				next := numbers[0]
				numbers = numbers[1:]
				return next
			})
			var hosts []string
			for _, g := range got {
				hosts = append(hosts, g.host)
			}
			if s := strings.Join(hosts, " "); s != tt.want {
				t.Errorf("got %q, want %q", s, tt.want)
			}
			if !slices.Equal(bounds, tt.bounds) {
				t.Errorf("asked for numbers below %v, want %v", bounds, tt.bounds)
			}
		})
	}
}

// TestOrderDistribution counts who comes first.
func TestOrderDistribution(t *testing.T) {
	const rounds = 20000
	count := map[string]int{}
	r := rand.New(rand.NewPCG(7, 7))
	for range rounds {
		ts := []target{{host: "w0"}, {host: "w10", weight: 10}, {host: "w30", weight: 30}, {host: "w60", weight: 60}}
		order(ts, r.IntN)
		count[ts[0].host]++
	}
	// 101 numbers, 0 to 100: one for w0.
	for host, share := range map[string]float64{"w0": 1. / 101, "w10": 10. / 101, "w30": 30. / 101, "w60": 60. / 101} {
		got := float64(count[host]) / rounds
		if got < share*0.85 || got > share*1.15 {
			t.Errorf("%s was first in %.4f of the cases, want about %.4f", host, got, share)
		}
	}
}

func TestTargets(t *testing.T) {
	const domain = "example.com"
	dot := []*net.SRV{{Target: ".", Port: 0}}
	xmpp, xmpps := "_xmpp-client._tcp.example.com.", "_xmpps-client._tcp.example.com."
	s2s, s2sTLS, old := "_xmpp-server._tcp.example.com.", "_xmpps-server._tcp.example.com.", "_jabber._tcp.example.com."
	plainA := []*net.SRV{{Target: "a.example.net.", Port: 5222, Priority: 10, Weight: 5}}
	directB := []*net.SRV{{Target: "b.example.net.", Port: 443, Priority: 5, Weight: 5}}
	broken := errors.New("server misbehaving")

	tests := []struct {
		name   string
		dialer Dialer
		domain string // example.com unless set
		srv    map[string][]*net.SRV
		errs   map[string]error
		want   string // targets
		err    error
		failed []string // attempts recorded
		asked  []string
	}{
		{name: "CORE-2.3-2 no records: port 5222", want: "example.com:5222", asked: []string{xmpp, xmpps}},
		{name: "CORE-2.5-2 CORE-5.2-2 server, no records: port 5269", dialer: Dialer{Service: ServiceServer},
			want: "example.com:5269", asked: []string{old, s2s, s2sTLS}},
		{name: "CORE-5.2-2 only the old name", dialer: Dialer{Service: ServiceServer}, srv: map[string][]*net.SRV{old: plainA},
			want: "a.example.net:5222", asked: []string{old, s2s, s2sTLS}},
		{name: "CORE-5.2-2 the old name is turned off", dialer: Dialer{Service: ServiceServer, NoOldSRV: true},
			srv: map[string][]*net.SRV{old: plainA}, want: "example.com:5269", asked: []string{s2s, s2sTLS}},
		{name: "CORE-5.2-2 the old name is not asked for beside new records", dialer: Dialer{Service: ServiceServer},
			srv: map[string][]*net.SRV{s2s: plainA, old: directB}, want: "a.example.net:5222", asked: []string{s2s, s2sTLS}},
		{name: "CORE-5.2-2 nor where the new ones say no", dialer: Dialer{Service: ServiceServer},
			srv: map[string][]*net.SRV{s2s: dot, old: directB}, err: ErrNoService, asked: []string{s2s, s2sTLS}},
		{name: "both services in one order", srv: map[string][]*net.SRV{
			xmpp: {{Target: "p1.", Port: 1, Priority: 1}, {Target: "p3.", Port: 3, Priority: 3}}, xmpps: {{Target: "d2.", Port: 2, Priority: 2}, {Target: "d0.", Port: 9}}},
			want: "d0:9/tls p1:1 d2:2/tls p3:3", asked: []string{xmpp, xmpps}},
		{name: "weights of both services together", dialer: Dialer{Rand: func(n int) int { return n - 1 }}, srv: map[string][]*net.SRV{
			xmpp: {{Target: "p.", Port: 1, Weight: 1}}, xmpps: {{Target: "d.", Port: 2, Weight: 2}}},
			want: "d:2/tls p:1", asked: []string{xmpp, xmpps}},
		{name: "STARTTLS only", dialer: Dialer{Mode: DialSTARTTLS}, srv: map[string][]*net.SRV{xmpp: plainA, xmpps: directB},
			want: "a.example.net:5222", asked: []string{xmpp}},
		{name: "direct TLS only", dialer: Dialer{Mode: DialDirectTLS}, srv: map[string][]*net.SRV{xmpp: plainA, xmpps: directB},
			want: "b.example.net:443/tls", asked: []string{xmpps}},
		{name: "direct TLS only, no records", dialer: Dialer{Mode: DialDirectTLS}, srv: map[string][]*net.SRV{xmpp: plainA},
			want: "example.com:5223/tls", asked: []string{xmpps}},
		{name: "direct TLS only, server, no records", dialer: Dialer{Mode: DialDirectTLS, Service: ServiceServer},
			want: "example.com:5270/tls", asked: []string{s2sTLS}},
		{name: "direct TLS is refused, STARTTLS offered", srv: map[string][]*net.SRV{xmpp: plainA, xmpps: dot},
			want: "a.example.net:5222", asked: []string{xmpp, xmpps}},
		{name: "STARTTLS is refused, direct TLS offered", srv: map[string][]*net.SRV{xmpp: dot, xmpps: directB},
			want: "b.example.net:443/tls", asked: []string{xmpp, xmpps}},
		{name: "both are refused", srv: map[string][]*net.SRV{xmpp: dot, xmpps: dot}, err: ErrNoService, asked: []string{xmpp, xmpps}},
		{name: "direct TLS is refused, no other record: no fallback", srv: map[string][]*net.SRV{xmpps: dot}, err: ErrNoService, asked: []string{xmpp, xmpps}},
		{name: "STARTTLS is refused, no other record: no fallback", srv: map[string][]*net.SRV{xmpp: dot}, err: ErrNoService, asked: []string{xmpp, xmpps}},
		{name: "no answer to one, records of the other", srv: map[string][]*net.SRV{xmpp: plainA}, errs: map[string]error{xmpps: broken},
			want: "a.example.net:5222", failed: []string{"lookup of _xmpps-client._tcp.example.com: server misbehaving"}, asked: []string{xmpp, xmpps}},
		{name: "no answer at all: fallback", errs: map[string]error{xmpps: broken, xmpp: broken}, want: "example.com:5222", failed: []string{
			"lookup of _xmpps-client._tcp.example.com: server misbehaving", "lookup of _xmpp-client._tcp.example.com: server misbehaving"}, asked: []string{xmpp, xmpps}},
		{name: "an error beside records does not matter", srv: map[string][]*net.SRV{xmpp: plainA}, errs: map[string]error{xmpp: broken},
			want: "a.example.net:5222", asked: []string{xmpp, xmpps}},
		{name: "targets that are no names", srv: map[string][]*net.SRV{xmpp: {nil, {Target: "a b\r\n"}, plainA[0], {Target: "192.0.2.7.", Port: 7, Priority: 99}}},
			want:   "a.example.net:5222 192.0.2.7:7",
			failed: []string{`lookup of _xmpp-client._tcp.example.com: invalid target "a b\r\n"`}, asked: []string{xmpp, xmpps}},
		{name: "NoSRV", dialer: Dialer{NoSRV: true}, srv: map[string][]*net.SRV{xmpp: plainA}, want: "example.com:5222"},
		{name: "IDNA: A-labels in the DNS", domain: "Bücher.Example.", want: "xn--bcher-kva.example:5222",
			asked: []string{"_xmpp-client._tcp.xn--bcher-kva.example.", "_xmpps-client._tcp.xn--bcher-kva.example."}},
		{name: "IPv4 domain", domain: "192.0.2.1", want: "192.0.2.1:5222"},
		{name: "IPv6 domain", domain: "[2001:DB8::1]", want: "2001:db8::1:5222"},
		{name: "IPv6 domain, direct TLS", dialer: Dialer{Mode: DialDirectTLS}, domain: "[2001:db8::1]", want: "2001:db8::1:5223/tls"},
		{name: "localhost", domain: "localhost", want: "localhost:5222"},
		{name: "below localhost", domain: "a.localhost", want: "a.localhost:5222"},
		{name: "onion", domain: "abc.onion", want: "abc.onion:5222"},
		{name: "Addr", dialer: Dialer{Addr: "other.example:15222"}, want: "other.example:15222"},
		{name: "Addr without port", dialer: Dialer{Addr: "Other.example"}, want: "other.example:5222"},
		{name: "Addr without port, server", dialer: Dialer{Addr: "other.example", Service: ServiceServer}, want: "other.example:5269"},
		{name: "Addr, direct TLS", dialer: Dialer{Addr: "other.example", Mode: DialDirectTLS}, want: "other.example:5223/tls"},
		{name: "Addr IPv6", dialer: Dialer{Addr: "[2001:db8::2]:15222"}, want: "2001:db8::2:15222"},
		{name: "Addr IPv6 without port", dialer: Dialer{Addr: "2001:db8::2"}, want: "2001:db8::2:5222"},
		{name: "Addr IPv6 in brackets without port", dialer: Dialer{Addr: "[2001:db8::2]"}, want: "2001:db8::2:5222"},
		{name: "Addr with a zone", dialer: Dialer{Addr: "[fe80::1%eth0]:1"}, want: "fe80::1%eth0:1"},
		{name: "Addr IDNA", dialer: Dialer{Addr: "bücher.example:1"}, want: "xn--bcher-kva.example:1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dns := &fakeDNS{srv: tt.srv, errs: tt.errs}
			tt.dialer.Resolver = dns
			if tt.domain == "" {
				tt.domain = domain
			}
			d := dialing{Dialer: &tt.dialer}
			if err := d.init(tt.domain); err != nil {
				t.Fatal(err)
			}
			got, err := d.targets(t.Context())
			if labels(got) != tt.want || !errors.Is(err, tt.err) {
				t.Errorf("targets %q, error %v; want %q, %v", labels(got), err, tt.want, tt.err)
			}
			var failed []string
			for _, a := range d.report.Attempts {
				failed = append(failed, a.String())
			}
			if !slices.Equal(failed, tt.failed) {
				t.Errorf("recorded %q, want %q", failed, tt.failed)
			}
			if asked := dns.questions(); !slices.Equal(asked, tt.asked) {
				t.Errorf("asked for %q, want %q", asked, tt.asked)
			}
		})
	}
}

func TestInterleave(t *testing.T) {
	tests := []struct{ in, want []netip.Addr }{
		{nil, nil},
		{ips("192.0.2.1"), ips("192.0.2.1")},
		{ips("192.0.2.1", "192.0.2.2", "2001:db8::1"), ips("192.0.2.1", "2001:db8::1", "192.0.2.2")},
		{ips("2001:db8::1", "2001:db8::2", "2001:db8::3", "192.0.2.1"), ips("2001:db8::1", "192.0.2.1", "2001:db8::2", "2001:db8::3")},
		{ips("::ffff:192.0.2.1", "192.0.2.1", "2001:db8::1", "2001:db8::1"), ips("192.0.2.1", "2001:db8::1")},
	}
	for _, tt := range tests {
		if got := interleave(tt.in); !slices.Equal(got, tt.want) {
			t.Errorf("interleave(%v) = %v, want %v", tt.in, got, tt.want)
		}
	}
}
