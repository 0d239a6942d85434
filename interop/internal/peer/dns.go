//go:build linux

package peer

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"
)

const (
	serviceTCP = "_xmpp-server._tcp."
	serviceTLS = "_xmpps-server._tcp."
	// targetHost is where all services are. It is a name that also resolvers
	// know that ask nobody: ejabberd looks up the addresses of a target with
	// getaddrinfo(3), whatever Erlang is told.
	targetHost = "localhost."
)

// DNS is a name server on loopback that knows what a test has told it, and
// nothing else (NXDOMAIN). Its answers are not to be kept. All methods are safe
// for concurrent use.
type DNS struct {
	// Addr is its host:port, for UDP and TCP.
	Addr string

	mu    sync.Mutex
	zones map[string]zone // by domain
	asked map[string][]string
}

// zone is what is known of a domain.
type zone struct {
	silent bool
	none   bool     // there is the target "." for both services
	tcp    []uint16 // ports of xmpp-server
	tls    []uint16 // ports of xmpps-server
	host   bool     // it is this machine
}

// NewDNS starts a name server, which ends with the test.
func NewDNS(t testing.TB) *DNS {
	t.Helper()
	d := &DNS{Addr: freePort(t), zones: map[string]zone{}, asked: map[string][]string{}}
	packets, err := net.ListenPacket("udp", d.Addr)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", d.Addr)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*dns.Server{{PacketConn: packets, Handler: d}, {Listener: listener, Handler: d}} {
		started, ended := make(chan struct{}), make(chan error, 1)
		s.NotifyStartedFunc = func() { close(started) }
		go func() { ended <- s.ActivateAndServe() }()
		<-started
		t.Cleanup(func() {
			if err := errors.Join(s.Shutdown(), <-ended); err != nil {
				t.Errorf("name server: %v", err)
			}
		})
	}
	return d
}

// Serve says that servers of the domain, and of its rooms, listen on these
// addresses of [freePort], the first preferred.
func (d *DNS) Serve(domain string, addrs ...string) {
	d.set(domain, zone{tcp: portNumbers(addrs)})
}

// ServeTLS says that they listen there with direct TLS (XEP-0368) only.
func (d *DNS) ServeTLS(domain string, addrs ...string) {
	d.set(domain, zone{tls: portNumbers(addrs)})
}

// None says that there is decidedly no server (RFC 2782: the target ".").
func (d *DNS) None(domain string) { d.set(domain, zone{none: true}) }

// Silence leaves every question about the domain without an answer.
func (d *DNS) Silence(domain string) { d.set(domain, zone{silent: true}) }

func (d *DNS) set(domain string, z zone) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.zones[domain] = z
	d.zones["conference."+domain] = z
}

// Asked returns the types of the records that it has been asked for about the
// domain and its services, in order.
func (d *DNS) Asked(domain string) []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.asked[domain])
}

// ServeDNS answers a query.
func (d *DNS) ServeDNS(w dns.ResponseWriter, query *dns.Msg) {
	if len(query.Question) != 1 {
		return
	}
	answer, silent := d.answer(query)
	if silent {
		return
	}
	_ = w.WriteMsg(answer) // who asks has gone, or asks again
}

func (d *DNS) answer(query *dns.Msg) (answer *dns.Msg, silent bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	q := query.Question[0]
	name := strings.ToLower(q.Name)
	answer = new(dns.Msg)
	answer.SetReply(query)
	answer.Authoritative, answer.RecursionAvailable = true, true
	host := strings.TrimPrefix(strings.TrimPrefix(name, serviceTCP), serviceTLS)
	domain := strings.TrimSuffix(host, ".")
	d.asked[domain] = append(d.asked[domain], dns.TypeToString[q.Qtype])
	z, known := d.zones[domain]
	if name == targetHost {
		z, known = zone{host: true}, true
	}
	if z.silent {
		return nil, true
	}
	answer.Answer = z.records(name, q.Qtype)
	if !known || host != name && len(z.records(name, dns.TypeSRV)) == 0 {
		answer.Rcode = dns.RcodeNameError
	}
	if len(answer.Answer) == 0 {
		// Without it, who asks may keep the "no" as long as it likes.
		answer.Ns = []dns.RR{&dns.SOA{
			Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeSOA, Class: dns.ClassINET}, Ns: ".", Mbox: ".", Serial: 1,
		}}
	}
	return answer, false
}

// records returns what there is of that name and type.
func (z zone) records(name string, kind uint16) []dns.RR {
	header := dns.RR_Header{Name: name, Rrtype: kind, Class: dns.ClassINET}
	service := strings.HasPrefix(name, "_")
	var records []dns.RR
	switch {
	case kind == dns.TypeSRV && service && z.none:
		records = append(records, &dns.SRV{Hdr: header, Target: "."})
	case kind == dns.TypeSRV && service:
		ports := z.tcp
		if strings.HasPrefix(name, serviceTLS) {
			ports = z.tls
		}
		for i, port := range ports {
			records = append(records, &dns.SRV{Hdr: header, Priority: uint16(i), Port: port, Target: targetHost})
		}
	case kind == dns.TypeA && z.host:
		records = append(records, &dns.A{Hdr: header, A: net.IPv4(127, 0, 0, 1)})
	}
	return records
}

func portNumbers(addrs []string) []uint16 {
	var ports []uint16
	for _, addr := range addrs {
		port, err := strconv.ParseUint(portOf(addr), 10, 16)
		if err != nil {
			panic(fmt.Sprintf("%s is not of freePort: %v", addr, err))
		}
		ports = append(ports, uint16(port))
	}
	return ports
}
