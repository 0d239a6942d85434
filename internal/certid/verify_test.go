package certid

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/etherx-go/xmpp/jid"
)

// pki is a root, an intermediate authority and one that nobody trusts.
type pki struct {
	root, middle, stranger *authority
}

func newPKI(t testing.TB) pki {
	t.Helper()
	var self *authority
	root := self.issue(t, authorityTemplate("Root"))
	return pki{root, root.issue(t, authorityTemplate("Middle")), self.issue(t, authorityTemplate("Stranger"))}
}

// chain returns a leaf with the given template, issued by the intermediate authority, and that authority.
func (p pki) chain(t testing.TB, tmpl x509.Certificate) []*x509.Certificate {
	t.Helper()
	return []*x509.Certificate{p.middle.leaf(t, tmpl), p.middle.cert}
}

// options trust the root, at the time of the tests.
func (p pki) options() Options {
	return Options{Roots: roots(p.root.cert), Now: now, Service: Server}
}

// named is the template of a certificate with the given DNS-IDs.
func named(names ...string) x509.Certificate {
	return x509.Certificate{Subject: pkix.Name{CommonName: "a server"}, DNSNames: names}
}

// usable is the template of a certificate with the given extended key usages.
func usable(usages ...x509.ExtKeyUsage) x509.Certificate {
	tmpl := named("example.org")
	tmpl.ExtKeyUsage = usages
	return tmpl
}

// checks for the error of Verify.

func isNil(err error) bool { return err == nil }

func isName(err error) bool { return errors.As(err, new(*NameError)) }

func isUnknownAuthority(err error) bool {
	return errors.As(err, new(*TrustError)) && errors.As(err, new(x509.UnknownAuthorityError))
}

func isUnhandled(err error) bool {
	return errors.As(err, new(*TrustError)) && errors.As(err, new(x509.UnhandledCriticalExtension))
}

func isInvalid(reason x509.InvalidReason) func(error) bool {
	return func(err error) bool {
		var e x509.CertificateInvalidError
		return errors.As(err, new(*TrustError)) && errors.As(err, &e) && e.Reason == reason
	}
}

func is(target error) func(error) bool {
	return func(err error) bool { return errors.As(err, new(*TrustError)) && errors.Is(err, target) }
}

type verifyTest struct {
	name  string
	chain []*x509.Certificate
	want  func(error) bool
}

// run verifies each chain for example.org.
func (p pki) run(t *testing.T, opt Options, tests []verifyTest) {
	t.Helper()
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if err := Verify(test.chain, jid.MustParse("example.org"), opt); !test.want(err) {
				t.Errorf("Verify: %v", err)
			}
		})
	}
}

func TestVerifyPath(t *testing.T) {
	p := newPKI(t)
	good := p.middle.leaf(t, named("example.org"))
	otherDomain := p.middle.leaf(t, named("evil.example"))
	foreign := p.stranger.leaf(t, named("example.org"))
	notCA := p.middle.issue(t, named("reseller.example"))
	below := notCA.leaf(t, named("example.org"))
	mid, root := p.middle.cert, p.root.cert
	p.run(t, p.options(), []verifyTest{
		{"leaf and intermediate", []*x509.Certificate{good, mid}, isNil},
		{"with the root", []*x509.Certificate{good, mid, root}, isNil},
		{"in disorder", []*x509.Certificate{good, root, p.stranger.cert, mid}, isNil},
		{"with nil", []*x509.Certificate{good, nil, mid}, isNil},
		{"issued by the root", []*x509.Certificate{p.root.leaf(t, named("example.org"))}, isNil},
		{"no chain", nil, is(ErrNoCertificate)},
		{"nil leaf", []*x509.Certificate{nil, mid}, is(ErrNoCertificate)},
		{"without intermediate", []*x509.Certificate{good}, isUnknownAuthority},
		{"of another authority", []*x509.Certificate{foreign}, isUnknownAuthority},
		{"another authority sent along", []*x509.Certificate{foreign, p.stranger.cert}, isUnknownAuthority},
		{"another domain", []*x509.Certificate{otherDomain, mid}, isName},
		{"victim's certificate appended", []*x509.Certificate{otherDomain, mid, good}, isName},
		{"victim's certificate second", []*x509.Certificate{otherDomain, good, mid}, isName},
		{"victim's certificate behind one of nobody", []*x509.Certificate{foreign, good, mid}, isUnknownAuthority},
		{"issued by one that is no authority", []*x509.Certificate{below, notCA.cert, mid}, isUnknownAuthority},
		{"self-signed", []*x509.Certificate{(*authority)(nil).leaf(t, named("example.org"))}, isUnknownAuthority},
		{"intermediate alone", []*x509.Certificate{mid}, isName},
	})
}

func TestVerifyTime(t *testing.T) {
	p := newPKI(t)
	between := func(from, to time.Time) x509.Certificate {
		tmpl := named("example.org")
		tmpl.NotBefore, tmpl.NotAfter = from, to
		return tmpl
	}
	old := authorityTemplate("Old")
	old.NotBefore, old.NotAfter = now.AddDate(-2, 0, 0), now.AddDate(-1, 0, 0)
	oldMiddle := p.root.issue(t, old)
	p.run(t, p.options(), []verifyTest{
		{"in time", p.chain(t, between(now, now)), isNil},
		{"expired", p.chain(t, between(now.AddDate(0, -2, 0), now.Add(-time.Second))), isInvalid(x509.Expired)},
		{"not yet valid", p.chain(t, between(now.Add(time.Second), now.AddDate(0, 2, 0))), isInvalid(x509.Expired)},
		{"intermediate expired", []*x509.Certificate{oldMiddle.leaf(t, named("example.org")), oldMiddle.cert},
			isInvalid(x509.Expired)},
	})

	// Without a time it is now.
	self := (*authority)(nil).leaf(t, between(time.Now().Add(-time.Hour), time.Now().Add(time.Hour)))
	gone := (*authority)(nil).leaf(t, between(time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)))
	p.run(t, Options{Roots: roots(self, gone)}, []verifyTest{
		{"now", []*x509.Certificate{self}, isNil},
		{"expired now", []*x509.Certificate{gone}, isInvalid(x509.Expired)},
	})
}

// Without roots it is those of the system, which do not know the authority of a test.
func TestVerifySystemRoots(t *testing.T) {
	p := newPKI(t)
	var trust *TrustError
	err := Verify(p.chain(t, named("example.org")), jid.MustParse("example.org"), Options{Now: now})
	if !errors.As(err, &trust) {
		t.Errorf("Verify: %v, want a TrustError", err)
	}
}

func TestVerifyUsage(t *testing.T) {
	p := newPKI(t)
	signer := authorityTemplate("Code")
	signer.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}
	code := p.root.issue(t, signer)
	below := func(tmpl x509.Certificate) []*x509.Certificate {
		return []*x509.Certificate{code.leaf(t, tmpl), code.cert}
	}
	xmppOnly := named("example.org")
	xmppOnly.UnknownExtKeyUsage = []asn1.ObjectIdentifier{{1, 2, 3}, oidXMPPAddr}
	unknown := named("example.org")
	unknown.UnknownExtKeyUsage = []asn1.ObjectIdentifier{oidDNSSRV}
	p.run(t, p.options(), []verifyTest{
		{"none", p.chain(t, usable()), isNil},
		{"any", p.chain(t, usable(x509.ExtKeyUsageAny)), isNil},
		{"server", p.chain(t, usable(x509.ExtKeyUsageServerAuth)), isNil},
		{"client", p.chain(t, usable(x509.ExtKeyUsageClientAuth)), isNil},
		{"server and client", p.chain(t, usable(x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth)), isNil},
		{"code signing", p.chain(t, usable(x509.ExtKeyUsageCodeSigning)), isInvalid(x509.IncompatibleUsage)},
		{"email", p.chain(t, usable(x509.ExtKeyUsageEmailProtection)), isInvalid(x509.IncompatibleUsage)},
		{"XMPP", p.chain(t, xmppOnly), isNil},
		{"unknown", p.chain(t, unknown), isInvalid(x509.IncompatibleUsage)},
		{"server below code signing", below(usable(x509.ExtKeyUsageServerAuth)), isInvalid(x509.IncompatibleUsage)},
		{"XMPP below code signing", below(xmppOnly), isInvalid(x509.IncompatibleUsage)},
	})
}

// RFC 6120 section 13.7.1.1: the certificate of a server is not that of an authority, unless it is trusted as it is.
func TestVerifyAuthority(t *testing.T) {
	p := newPKI(t)
	tmpl := authorityTemplate("example.org")
	tmpl.DNSNames = []string{"example.org"}
	self := (*authority)(nil).leaf(t, tmpl)
	plain := (*authority)(nil).leaf(t, named("example.org"))
	trusting := p.options()
	trusting.Roots = roots(p.root.cert, self, plain)
	p.run(t, p.options(), []verifyTest{
		{"issued", p.chain(t, tmpl), is(ErrAuthority)},
		{"self-signed", []*x509.Certificate{self}, isUnknownAuthority},
	})
	p.run(t, trusting, []verifyTest{
		{"issued while another is trusted", p.chain(t, tmpl), is(ErrAuthority)},
		{"self-signed and trusted", []*x509.Certificate{self}, isNil},
		{"self-signed, no authority and trusted", []*x509.Certificate{plain}, isNil},
	})
}

// The standard library leaves a critical subjectAltName of which it knows no entry to the caller (RFC 5280 section
// 4.1.2.6 wants it critical where the subject is empty).
func TestVerifyCritical(t *testing.T) {
	p := newPKI(t)
	nameless := withSAN(san(srv("_xmpp-server.example.org")), true)
	nameless.Subject = pkix.Name{}
	unknown := pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3, 4}, Critical: true, Value: []byte{5, 0}}
	withUnknown := withSAN(san(xmpp("example.org")), true)
	withUnknown.ExtraExtensions = append(withUnknown.ExtraExtensions, unknown)
	onlyUnknown := named("example.org")
	onlyUnknown.ExtraExtensions = []pkix.Extension{unknown}
	middle := authorityTemplate("Odd")
	middle.ExtraExtensions = []pkix.Extension{unknown}
	odd := p.root.issue(t, middle)

	chain := p.chain(t, withSAN(san(xmpp("example.org")), true))
	if len(chain[0].UnhandledCriticalExtensions) != 1 {
		t.Fatalf("unhandled: %v, want subjectAltName", chain[0].UnhandledCriticalExtensions)
	}
	before := *chain[0]
	p.run(t, p.options(), []verifyTest{
		{"XmppAddr", chain, isNil},
		{"SRV-ID", p.chain(t, nameless), isNil},
		{"SRV-ID and DNS-ID", p.chain(t, withSAN(san(dns("example.org"), srv("_imap.example.org")), true)), isNil},
		{"XmppAddr of another", p.chain(t, withSAN(san(xmpp("example.net")), true)), isName},
		{"XmppAddr and an unknown extension", p.chain(t, withUnknown), isUnhandled},
		{"unknown extension", p.chain(t, onlyUnknown), isUnhandled},
		{"unknown extension of the intermediate", []*x509.Certificate{odd.leaf(t, named("example.org")), odd.cert},
			isUnhandled},
	})
	if !reflect.DeepEqual(before, *chain[0]) || len(chain[0].UnhandledCriticalExtensions) != 1 {
		t.Error("Verify changed the leaf")
	}
}

// Copies share slices: what is changed in one must not show in the other.
func TestVerifyChangesNothing(t *testing.T) {
	unknown := asn1.ObjectIdentifier{1, 2, 3, 4}
	leaf := &x509.Certificate{
		UnhandledCriticalExtensions: []asn1.ObjectIdentifier{oidSAN, unknown},
		ExtKeyUsage:                 append(make([]x509.ExtKeyUsage, 0, 4), x509.ExtKeyUsageCodeSigning),
		UnknownExtKeyUsage:          []asn1.ObjectIdentifier{oidXMPPAddr},
	}
	c := understood(leaf)
	if len(c.UnhandledCriticalExtensions) != 1 || !c.UnhandledCriticalExtensions[0].Equal(unknown) {
		t.Errorf("copy: %v", c.UnhandledCriticalExtensions)
	}
	want := []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning, x509.ExtKeyUsageServerAuth}
	if !slices.Equal(c.ExtKeyUsage, want) {
		t.Errorf("copy: %v", c.ExtKeyUsage)
	}
	if u := leaf.UnhandledCriticalExtensions; len(u) != 2 || !u[0].Equal(oidSAN) || !u[1].Equal(unknown) {
		t.Errorf("leaf: %v", u)
	}
	if spare := leaf.ExtKeyUsage[:2]; spare[1] != 0 {
		t.Errorf("leaf: %v", spare)
	}
}

// An authority that may issue only for some DNS names cannot get around that with another type of identifier (RFC 9525
// section 7.6).
func TestVerifyNameConstraints(t *testing.T) {
	p := newPKI(t)
	issuer := func(permitted, excluded []string) *authority {
		tmpl := authorityTemplate("Constrained")
		tmpl.PermittedDNSDomainsCritical = true
		tmpl.PermittedDNSDomains, tmpl.ExcludedDNSDomains = permitted, excluded
		return p.root.issue(t, tmpl)
	}
	refused := isInvalid(x509.CANotAuthorizedForThisName)
	tests := []struct {
		name                string
		permitted, excluded []string
		want                func(error) bool
	}{
		{"same", []string{"example.org"}, nil, isNil},
		{"upper case", []string{"EXAMPLE.org"}, nil, isNil},
		{"parent", []string{"org"}, nil, isNil},
		{"second", []string{"evil.example", "example.org"}, nil, isNil},
		{"below parent", []string{".org"}, nil, isNil},
		{"below", []string{".example.org"}, nil, refused},
		{"child", []string{"im.example.org"}, nil, refused},
		{"other", []string{"evil.example"}, nil, refused},
		{"suffix without dot", []string{"ample.org"}, nil, refused},
		{"excluded", nil, []string{"example.org"}, refused},
		{"excluded parent", nil, []string{"org"}, refused},
		{"excluded upper case", nil, []string{"ORG"}, refused},
		{"excluded all", nil, []string{""}, refused},
		{"excluded child", nil, []string{"im.example.org"}, isNil},
		{"permitted and excluded", []string{"org"}, []string{"example.org"}, refused},
		{"permitted, other excluded", []string{"org"}, []string{"example.net"}, isNil},
	}
	identifiers := []struct {
		name  string
		entry []byte
	}{
		{"DNS-ID", dns("example.org")}, {"SRV-ID", srv("_xmpp-server.example.org")}, {"XmppAddr", xmpp("Example.org")},
	}
	for _, test := range tests {
		ca := issuer(test.permitted, test.excluded)
		for _, id := range identifiers {
			chain := []*x509.Certificate{ca.leaf(t, withSAN(san(id.entry), false)), ca.cert}
			p.run(t, p.options(), []verifyTest{{test.name + "/" + id.name, chain, test.want}})
		}
	}
}

// One path that is in order is enough: two authorities with one key, of which one is constrained.
func TestVerifySecondPath(t *testing.T) {
	p := newPKI(t)
	tmpl := authorityTemplate("Twice")
	tmpl.PermittedDNSDomainsCritical, tmpl.PermittedDNSDomains = true, []string{"evil.example"}
	constrained := p.root.issue(t, tmpl)
	free := authorityTemplate("Twice")
	free.SerialNumber = constrained.cert.SerialNumber
	free.NotBefore, free.NotAfter = constrained.cert.NotBefore, constrained.cert.NotAfter
	der, err := x509.CreateCertificate(nil, &free, p.stranger.cert, constrained.key.Public(), p.stranger.key)
	if err != nil {
		t.Fatal(err)
	}
	cross, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	leaf := constrained.leaf(t, withSAN(san(xmpp("example.org")), false))
	opt := p.options()
	opt.Roots.AddCert(p.stranger.cert)
	p.run(t, opt, []verifyTest{
		{"constrained first", []*x509.Certificate{leaf, constrained.cert, cross}, isNil},
		{"free first", []*x509.Certificate{leaf, cross, constrained.cert}, isNil},
		{"constrained alone", []*x509.Certificate{leaf, constrained.cert}, isInvalid(x509.CANotAuthorizedForThisName)},
	})
}

// The identifiers as a real certificate has them, through the parser of the standard library.
func TestVerifyIdentifiers(t *testing.T) {
	p := newPKI(t)
	tests := []struct {
		domain string
		entry  []byte
		want   bool
	}{
		{"example.org", dns("example.org"), true},
		{"im.example.org", dns("*.example.org"), true},
		{"bücher.example", dns("xn--bcher-kva.example"), true},
		{"example.org", srv("_xmpp-server.example.org"), true},
		{"example.org", srv("_xmpp-client.example.org"), false},
		{"bücher.example", xmpp("bücher.example"), true},
		{"192.0.2.1", ip("192.0.2.1"), true},
		{"192.0.2.1", dns("192.0.2.1"), false},
		{"[2001:db8::1]", ip("2001:db8::1"), true},
		{"example.org", dns("example.org\x00.evil.example"), false},
	}
	for _, test := range tests {
		err := Verify(p.chain(t, withSAN(san(test.entry), false)), jid.MustParse(test.domain), p.options())
		if test.want != (err == nil) || err != nil && !isName(err) {
			t.Errorf("%s with %x: %v", test.domain, test.entry, err)
		}
	}

	// A constraint for DNS names says nothing about an address.
	tmpl := authorityTemplate("Constrained")
	tmpl.PermittedDNSDomainsCritical, tmpl.PermittedDNSDomains = true, []string{"example.org"}
	ca := p.root.issue(t, tmpl)
	chain := []*x509.Certificate{ca.leaf(t, withSAN(san(ip("192.0.2.1")), false)), ca.cert}
	if err := Verify(chain, jid.MustParse("192.0.2.1"), p.options()); err != nil {
		t.Error(err)
	}
}

// The error of a path says what was expected, what was presented, and by whom.
func TestTrustErrorText(t *testing.T) {
	p := newPKI(t)
	tests := []struct {
		err  error
		want []string
	}{
		{Verify([]*x509.Certificate{p.stranger.leaf(t, named("*.example"))}, jid.MustParse("bücher.example"), p.options()),
			[]string{"certid: the certificate for bücher.example, xn--bcher-kva.example cannot be trusted: ",
				"x509: certificate signed by unknown authority", " (presented DNS-ID *.example, issued by CN=Stranger)"}},
		{Verify(nil, jid.MustParse("example.org"), p.options()),
			[]string{"certid: the certificate for example.org cannot be trusted: there is none"}},
	}
	for _, test := range tests {
		for _, want := range test.want {
			if test.err == nil || !strings.Contains(test.err.Error(), want) {
				t.Errorf("%v\nhas not %s", test.err, want)
			}
		}
	}
}
