//go:build linux

package peer

import (
	"path/filepath"
	"strings"
	"testing"
)

// AnonymousDomain is the virtual host of Prosody and ejabberd on which only SASL
// ANONYMOUS is offered.
const AnonymousDomain = "anon.localhost"

// Prosody says how Prosody is to run. The zero value keeps passwords as they
// are, so that it offers every mechanism it knows.
type Prosody struct {
	// Hash is the one hash for which keys are stored instead of passwords:
	// "SHA-1" or "SHA-256". Empty stores passwords.
	Hash string
	// TLS12 keeps it to TLS 1.2, where it knows tls-unique and so offers SCRAM
	// with channel binding.
	TLS12 bool
	// Plaintext lets clients in without TLS and offers PLAIN there.
	Plaintext bool
}

// Start starts Prosody.
func (c Prosody) Start(t testing.TB) *Server {
	t.Helper()
	dir := tempDir(t)
	s := &Server{Name: "Prosody", Domain: "localhost", Addr: freePort(t), TLSAddr: freePort(t), CA: NewCA(t)}
	cert := s.CA.Server(t, s.Domain, AnonymousDomain)
	config := filepath.Join(dir, "prosody.cfg.lua")
	writeFile(t, config, c.config(dir, s, cert))
	give(t, dir, "prosody")
	s.log = newLog(t, s.Name, filepath.Join(dir, "out"), filepath.Join(dir, "prosody.log"))
	s.command = command{
		name: s.Name, path: "prosody", args: []string{"-F", "--config", config}, dir: dir, user: "prosody",
	}
	s.run(t)
	return s
}

func (c Prosody) config(dir string, s *Server, cert Certificate) string {
	authentication, hash := "internal_plain", "SHA-1"
	if c.Hash != "" {
		authentication, hash = "internal_hashed", c.Hash
	}
	protocol := "tlsv1_2+"
	if c.TLS12 {
		protocol = "tlsv1_2"
	}
	plaintext := "false"
	if c.Plaintext {
		plaintext = "true"
	}
	return strings.NewReplacer(
		"@DIR@", dir, "@PORT@", portOf(s.Addr), "@TLSPORT@", portOf(s.TLSAddr),
		"@CERT@", cert.Cert, "@KEY@", cert.Key, "@DOMAIN@", s.Domain, "@ANON@", AnonymousDomain,
		"@AUTH@", authentication, "@HASH@", hash, "@PROTOCOL@", protocol, "@PLAINTEXT@", plaintext,
	).Replace(prosodyConfig)
}

// Everything that a public server offers to clients, and no connection to the
// world.
const prosodyConfig = `run_as_root = false
daemonize = false
pidfile = "@DIR@/prosody.pid"
data_path = "@DIR@/data"
certificates = "@DIR@/none"
plugin_paths = {}
log = { debug = "@DIR@/prosody.log" }

interfaces = { "127.0.0.1" }
c2s_interfaces = { "127.0.0.1" }
c2s_ports = { @PORT@ }
c2s_direct_tls_ports = { @TLSPORT@ }
s2s_ports = {}
http_ports = {}
https_ports = {}

modules_enabled = {
	"c2s", "saslauth", "tls", "iq", "message", "presence", "roster", "disco", "ping", "register_ibr",
	"offline", "smacks", "carbons", "csi_simple", "blocklist", "private", "vcard_legacy", "pep", "mam",
	"version", "time", "lastactivity", "uptime", "user_account_management",
}
modules_disabled = { "s2s", "limits" }

c2s_require_encryption = not @PLAINTEXT@
allow_unencrypted_plain_auth = @PLAINTEXT@
allow_registration = true
storage = "internal"
ssl = { certificate = "@CERT@", key = "@KEY@", protocol = "@PROTOCOL@" }

VirtualHost "@DOMAIN@"
	authentication = "@AUTH@"
	password_hash = "@HASH@"

VirtualHost "@ANON@"
	authentication = "anonymous"
	allow_registration = false
`
