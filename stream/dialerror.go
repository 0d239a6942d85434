package stream

import (
	"net"
	"strings"
)

// DialError says why no server of a domain could be reached: everything that
// was tried, and what came of it. errors.Is and errors.As look into all of it.
type DialError struct {
	// Domain is what was given to Dial.
	Domain string

	// Attempts are the attempts that failed, in the order in which they did.
	// That a domain has no SRV records is not a failure.
	Attempts []Attempt

	// Err says why no more was tried: the context has ended, [ErrNoService],
	// the domain or the Dialer's Addr is not valid, or MaxAttempts. It is nil
	// if every candidate was tried.
	Err error
}

// Attempt is one attempt to reach a server, or a DNS lookup without which there
// was nothing to attempt.
type Attempt struct {
	// Source is where the candidate is from: the name of the SRV records, such
	// as "_xmpp-client._tcp.example.com"; "A/AAAA" if there are none; "Addr" if
	// it is the Dialer's Addr.
	Source string

	// Host is the name of the candidate, or its address if it was given as
	// such. It is empty if it was the lookup of the SRV records that failed.
	Host string

	// Addr is the address, "192.0.2.1:5222", or "host:port" if it is DialContext
	// that resolves the name. It is empty if a lookup failed.
	Addr string

	// DirectTLS reports whether TLS begins with the first byte.
	DirectTLS bool

	// Err is nil if the attempt succeeded.
	Err error
}

// Error returns one line.
func (e *DialError) Error() string {
	var b strings.Builder
	b.WriteString("stream: no connection to " + e.Domain)
	sep := ": "
	if e.Err != nil {
		b.WriteString(sep + e.Err.Error())
		sep = "; "
	}
	for _, a := range e.Attempts {
		b.WriteString(sep + a.String())
		sep = "; "
	}
	return b.String()
}

// Unwrap returns Err, if there is one, and the errors of the attempts.
func (e *DialError) Unwrap() []error {
	errs := make([]error, 0, len(e.Attempts)+1)
	if e.Err != nil {
		errs = append(errs, e.Err)
	}
	for _, a := range e.Attempts {
		if a.Err != nil {
			errs = append(errs, a.Err)
		}
	}
	return errs
}

// String returns what was tried and the result, on one line: "192.0.2.1:5223
// (a.example.net, direct TLS, _xmpps-client._tcp.example.com): connection refused".
func (a Attempt) String() string {
	var what string
	switch {
	case a.Host == "":
		what = "lookup of " + a.Source
	case a.Addr == "":
		what = "lookup of " + a.Host + " (" + a.Source + ")"
	default:
		method := "STARTTLS"
		if a.DirectTLS {
			method = "direct TLS"
		}
		details := []string{a.Host, method, a.Source}
		if host, _, err := net.SplitHostPort(a.Addr); err == nil && host == a.Host {
			details = details[1:]
		}
		what = a.Addr + " (" + strings.Join(details, ", ") + ")"
	}
	if a.Err == nil {
		return what + ": connected"
	}
	return what + ": " + a.reason()
}

// reason returns the text of Err without what String says already.
func (a Attempt) reason() string {
	err := a.Err
	if op, ok := err.(*net.OpError); ok && op.Op == "dial" && op.Err != nil && op.Addr != nil && op.Addr.String() == a.Addr {
		err = op.Err
	}
	if dnsErr, ok := err.(*net.DNSError); ok && a.Addr == "" {
		if dnsErr.Server == "" {
			return dnsErr.Err
		}
		return dnsErr.Err + " (asked " + dnsErr.Server + ")"
	}
	return strings.TrimPrefix(err.Error(), "stream: ")
}
