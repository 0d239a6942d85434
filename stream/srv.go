package stream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"
)

// ErrNoService says that the domain's SRV records have the target ".": "the
// service is decidedly not available at this domain" (RFC 2782). Nothing else
// was tried then (RFC 6120 section 3.2.1 point 3, XEP-0368 section 5).
var ErrNoService = errors.New("the domain says that it does not offer the service")

// kind is what a Service is called.
type kind struct {
	plain, direct, old  string // SRV services; plain is the ALPN protocol too
	port, directTLSPort uint16
}

var kinds = [...]kind{
	ServiceClient: {plain: "xmpp-client", direct: "xmpps-client", port: 5222, directTLSPort: 5223},
	ServiceServer: {plain: "xmpp-server", direct: "xmpps-server", old: "jabber", port: 5269, directTLSPort: 5270},
}

// The sources of targets that are not from an SRV record.
const (
	sourceAddr     = "Addr"
	sourceFallback = "A/AAAA"
)

// targets returns the hosts to try, in order.
func (d *dialing) targets(ctx context.Context) ([]target, error) {
	if d.Addr != "" {
		host, port, err := splitAddr(d.Addr, d.fallback().port)
		if err != nil {
			return nil, err
		}
		return []target{{host: host, port: port, direct: d.Mode == DialDirectTLS, source: sourceAddr}}, nil
	}
	// RFC 7686 section 2 and RFC 6761 section 6.3: these are not for the DNS.
	if d.NoSRV || isIP(d.name) || inZone(d.name, "onion") || inZone(d.name, "localhost") {
		return []target{d.fallback()}, nil
	}
	found, refused := d.lookup(ctx, d.questions())
	if len(found) == 0 && !refused && d.kind.old != "" && !d.NoOldSRV && d.Mode != DialDirectTLS {
		found, refused = d.lookup(ctx, []question{{service: d.kind.old}})
	}
	switch {
	case len(found) > 0:
		intn := d.Rand
		if intn == nil {
			intn = rand.IntN
		}
		order(found, intn)
		return found, nil
	case refused:
		return nil, ErrNoService
	}
	return []target{d.fallback()}, nil
}

// fallback is the target for a domain without SRV records.
func (d *dialing) fallback() target {
	t := target{host: d.name, port: d.kind.port, source: sourceFallback}
	if d.Mode == DialDirectTLS {
		t.port, t.direct = d.kind.directTLSPort, true
	}
	return t
}

// splitAddr takes "host:port" apart. The port may be missing.
func splitAddr(addr string, defaultPort uint16) (string, uint16, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		host, port = addr, strconv.Itoa(int(defaultPort))
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return "", 0, fmt.Errorf("invalid port in %q", addr)
	}
	if strings.Contains(host, ":") && host[0] != '[' {
		host = "[" + host + "]"
	}
	host, err = asciiHost(host)
	return host, uint16(n), err
}

// question is an SRV service to ask for.
type question struct {
	service string
	direct  bool
}

func (d *dialing) questions() []question {
	direct, plain := question{d.kind.direct, true}, question{d.kind.plain, false}
	switch d.Mode {
	case DialSTARTTLS:
		return []question{plain}
	case DialDirectTLS:
		return []question{direct}
	}
	return []question{direct, plain}
}

// lookup asks all questions at once. It returns the targets, and whether an
// answer said that a service is not offered. A question without answer is
// recorded; that there is no such record is an answer, and no failure.
func (d *dialing) lookup(ctx context.Context, questions []question) (found []target, refused bool) {
	ctx, cancel := d.step(ctx)
	defer cancel()
	type answer struct {
		records []*net.SRV
		err     error
	}
	answers := make([]chan answer, len(questions))
	for i, q := range questions {
		answers[i] = make(chan answer, 1)
		go func() {
			_, records, err := d.resolver().LookupSRV(ctx, q.service, "tcp", d.name+".")
			answers[i] <- answer{records, err}
		}()
	}
	for i, q := range questions {
		a, source := <-answers[i], "_"+q.service+"._tcp."+d.name
		// An error beside records is about other, malformed ones.
		if len(a.records) == 0 && a.err != nil && !isNotFound(a.err) {
			d.record(target{source: source, direct: q.direct}, "", a.err)
		}
		for _, r := range a.records {
			switch {
			case r == nil:
			case r.Target == "." || r.Target == "":
				refused = true
			default:
				host := strings.TrimSuffix(r.Target, ".")
				if !isHostName(host) && !isIP(host) {
					d.record(target{source: source, direct: q.direct}, "", fmt.Errorf("invalid target %q", r.Target))
					continue
				}
				found = append(found, target{
					host: host, port: r.Port, direct: q.direct, source: source,
					priority: r.Priority, weight: r.Weight,
				})
			}
		}
	}
	return found, refused
}

func isNotFound(err error) bool {
	var dnsErr *net.DNSError
	return errors.As(err, &dnsErr) && dnsErr.IsNotFound
}

// order sorts targets by priority, and those of the same priority at random by
// weight (RFC 2782). The outcome depends on the set of targets and on intn only.
func order(targets []target, intn func(int) int) {
	slices.SortFunc(targets, func(a, b target) int {
		return cmp.Or(
			cmp.Compare(a.priority, b.priority),
			cmp.Compare(a.weight, b.weight),
			strings.Compare(a.host, b.host),
			cmp.Compare(a.port, b.port),
			strings.Compare(a.source, b.source),
		)
	})
	for len(targets) > 0 {
		n := slices.IndexFunc(targets, func(t target) bool { return t.priority != targets[0].priority })
		if n < 0 {
			n = len(targets)
		}
		orderByWeight(targets[:n], intn)
		targets = targets[n:]
	}
}

// orderByWeight follows the algorithm of RFC 2782 to the letter. It has the
// targets "in any order, except that all those with weight 0 are placed at the
// beginning"; the order is random, so that a load is spread also where all
// weights are 0.
func orderByWeight(ts []target, intn func(int) int) {
	for i := len(ts) - 1; i > 0; i-- {
		j := intn(i + 1)
		ts[i], ts[j] = ts[j], ts[i]
	}
	slices.SortStableFunc(ts, func(a, b target) int { return min(int(a.weight), 1) - min(int(b.weight), 1) })
	sum := 0
	for _, t := range ts {
		sum += int(t.weight)
	}
	for ; len(ts) > 1; ts = ts[1:] {
		// "choose a uniform random number between 0 and the sum computed
		// (inclusive), and select the RR whose running sum value is the first
		// in the selected order which is greater than or equal to" it.
		r, i := intn(sum+1), 0
		for running := int(ts[0].weight); running < r; running += int(ts[i].weight) {
			i++
		}
		chosen := ts[i]
		copy(ts[1:], ts[:i])
		ts[0] = chosen
		sum -= int(chosen.weight)
	}
}
