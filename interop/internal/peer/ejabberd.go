//go:build linux

package peer

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Ejabberd says how ejabberd is to run. The zero value keeps passwords as they
// are, so that it offers every mechanism it knows.
type Ejabberd struct {
	// Hash is the one hash for which keys are stored instead of passwords:
	// "sha", "sha256" or "sha512". Empty stores passwords.
	Hash string
	// TLS12 keeps it to TLS 1.2.
	TLS12 bool
	// ClientCertificates asks clients for a certificate of the CA and offers
	// SASL EXTERNAL.
	ClientCertificates bool
	// Quiet leaves the contents of the streams out of the log.
	Quiet bool
	// S2S has it federate; nil does not.
	S2S *S2S
	// Components are those that it lets in.
	Components Components
}

// Start starts ejabberd.
func (c Ejabberd) Start(t testing.TB) *Server {
	t.Helper()
	dir := tempDir(t)
	s, cert := c.S2S.server(t, "ejabberd")
	s.ComponentAddr = c.Components.addrs(t, true)
	config := filepath.Join(dir, "ejabberd.yml")
	writeFile(t, config, c.config(s, cert))
	// Names are looked up in a table or the test's DNS, never on the network.
	inetrc := filepath.Join(dir, "inetrc")
	lookup := "{lookup,[file]}.\n{host,{127,0,0,1},[\"localhost\"]}.\n"
	if c.S2S != nil {
		lookup = "{resolv_conf,\"\"}.\n{lookup,[file,dns]}.\n{nameserver,{127,0,0,1}," + portOf(c.S2S.DNS.Addr) + "}.\n" +
			"{host,{127,0,0,1},[\"localhost\"]}.\n"
	}
	writeFile(t, inetrc, lookup)
	give(t, dir, "ejabberd")
	s.log = newLog(t, s.Name, filepath.Join(dir, "out")) // where the log goes too
	s.command = command{
		name: s.Name, path: "erl", dir: dir, user: "ejabberd",
		// Not ejabberdctl: it wants a node name, and that the port mapper of
		// Erlang listens. Busy-waiting schedulers would take the processor
		// from the other peers.
		args: []string{
			"+sbwt", "none", "+sbwtdcpu", "none", "+sbwtdio", "none",
			"-noinput", "-mnesia", "dir", fmt.Sprintf("%q", filepath.Join(dir, "db")), "-s", "ejabberd",
		},
		env: []string{
			"ERL_LIBS=" + ejabberdLibs(t), "ERL_INETRC=" + inetrc, "ERL_CRASH_DUMP=/dev/null",
			"EJABBERD_CONFIG_PATH=" + config, "EJABBERD_LOG_PATH=" + filepath.Join(dir, "ejabberd.log"),
			"EJABBERD_PID_PATH=" + filepath.Join(dir, "pid"),
			// The addresses of a domain that has no services it looks up with
			// getaddrinfo(3): that must end soon where nobody answers.
			"RES_OPTIONS=timeout:1 attempts:1", "LOCALDOMAIN=",
		},
	}
	s.onDisk = func(a Account) bool { return inDatabase(filepath.Join(dir, "db"), a) }
	s.run(t)
	return s
}

// inDatabase reports whether the log of transactions, or the table of accounts, which
// are written up to two seconds after the transaction, have the account's name, as a
// binary of Erlang's external term format. Others, as that of the archive, may have it
// before.
func inDatabase(dir string, a Account) bool {
	files, err := filepath.Glob(filepath.Join(dir, "passwd.*"))
	if err != nil {
		return false
	}
	files = append(files, filepath.Join(dir, "LATEST.LOG"))
	name := string(binary.BigEndian.AppendUint32([]byte{'m'}, uint32(len(a.User)))) + a.User
	return slices.ContainsFunc(files, func(f string) bool { return strings.Contains(read(f), name) })
}

// ejabberdLibs returns the folder in which Debian keeps ejabberd's modules.
func ejabberdLibs(t testing.TB) string {
	t.Helper()
	found, err := filepath.Glob("/usr/lib/*/ejabberd-[0-9]*/ebin")
	if err != nil {
		t.Fatal(err)
	}
	if len(found) == 0 {
		if _, err := os.Stat("/usr/sbin/ejabberdctl"); err != nil {
			t.Fatalf("ejabberd is not installed (interop/install.sh installs it): %v", err)
		}
		t.Fatal("ejabberd's modules are not where Debian keeps them, /usr/lib/*/ejabberd-*/ebin")
	}
	return filepath.Dir(filepath.Dir(found[0]))
}

func (c Ejabberd) config(s *Server, cert Certificate) string {
	format := "auth_password_format: plain"
	if c.Hash != "" {
		format = "auth_password_format: scram\nauth_scram_hash: " + c.Hash
	}
	options := `["no_sslv3", "no_tlsv1", "no_tlsv1_1"]`
	if c.TLS12 {
		options = `["no_sslv3", "no_tlsv1", "no_tlsv1_1", "no_tlsv1_3"]`
	}
	verify := "false"
	if c.ClientCertificates {
		verify = "true"
	}
	s2s, listener, modules, level := "s2s_access: none\n", "", "", "debug"
	if c.Quiet {
		level = "info"
	}
	if c.S2S != nil {
		// How streams were authenticated must be in the log. From the level of
		// streams' contents on there is so much in it that it drops records.
		level = "info"
		s2s, listener, modules = c.S2S.ejabberd(s)
	}
	return strings.NewReplacer(
		"@S2S@", s2s, "@LISTENER@", listener+c.Components.ejabberd(s), "@MODULES@", modules, "@LEVEL@", level,
		"@PORT@", portOf(s.Addr), "@TLSPORT@", portOf(s.TLSAddr), "@DOMAIN@", s.Domain, "@ANON@", AnonymousDomain,
		"@CERT@", cert.Both, "@CA@", s.CA.File, "@FORMAT@", format, "@OPTIONS@", options, "@VERIFY@", verify,
	).Replace(ejabberdConfig)
}

const ejabberdConfig = `loglevel: @LEVEL@
hosts:
  - "@DOMAIN@"
  - "@ANON@"
certfiles:
  - "@CERT@"
ca_file: "@CA@"
c2s_cafile: "@CA@"
c2s_protocol_options: @OPTIONS@
listen:
  -
    port: @PORT@
    ip: "127.0.0.1"
    module: ejabberd_c2s
    starttls_required: true
    tls_verify: @VERIFY@
  -
    port: @TLSPORT@
    ip: "127.0.0.1"
    module: ejabberd_c2s
    tls: true
    tls_verify: @VERIFY@
@LISTENER@auth_method: internal
@FORMAT@
disable_sasl_mechanisms: []
registration_timeout: infinity
@S2S@host_config:
  "@ANON@":
    auth_method: anonymous
    anonymous_protocol: sasl_anon
    allow_multiple_connections: true
modules:
  mod_blocking: {}
  mod_caps: {}
  mod_carboncopy: {}
  mod_client_state: {}
  mod_disco: {}
  mod_last: {}
  mod_mam:
    default: always
  mod_offline: {}
  mod_ping: {}
  mod_privacy: {}
  mod_private: {}
  mod_push: {}
  mod_pubsub:
    plugins: ["flat", "pep"]
  mod_register:
    ip_access: all
    access: all
    password_strength: 0
  mod_roster:
    versioning: true
  mod_stream_mgmt: {}
  mod_time: {}
  mod_vcard: {}
  mod_version: {}
@MODULES@`

// ejabberd returns the options, the listener and the modules of one that
// federates.
func (s *S2S) ejabberd(srv *Server) (options, listener, modules string) {
	options = `s2s_access: all
s2s_cafile: "` + s.roots(srv) + `"
s2s_dns_timeout: 3
s2s_dns_retries: 1
s2s_max_retry_delay: 1
outgoing_s2s_timeout: 5
negotiation_timeout: 8
`
	modules = "  mod_muc:\n    host: " + srv.Rooms() + "\n    access: all\n    access_create: all\n"
	dialback := "  mod_s2s_dialback: {}\n"
	switch s.Trust {
	case DialbackTLS, Either:
		options += "s2s_use_starttls: required\n"
		modules += dialback
	case DialbackPlain:
		options += "s2s_use_starttls: false\n"
		modules += dialback
	case External:
		options += "s2s_use_starttls: required\n"
	}
	listener = "  -\n    port: " + portOf(srv.S2SAddr) + "\n    ip: \"127.0.0.1\"\n    module: ejabberd_s2s_in\n"
	if s.Direct {
		listener += "    tls: true\n"
	}
	return options, listener, modules
}
