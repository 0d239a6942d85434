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
	// OldAuth has it take log-in by jabber:iq:auth.
	OldAuth bool
	// S2S has it federate; nil does not.
	S2S *S2S
	// Components are those that it lets in.
	Components Components
}

// Start starts Prosody.
func (c Prosody) Start(t testing.TB) *Server {
	t.Helper()
	dir := tempDir(t)
	s, cert := c.S2S.server(t, "Prosody")
	s.ComponentAddr = c.Components.addrs(t, false)
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
	modules, federation, rooms := "", `modules_disabled = { "s2s", "limits" }`, ""
	if c.S2S != nil {
		modules, federation, rooms = c.S2S.prosody(s)
	}
	if c.OldAuth {
		modules += `"legacyauth", `
	}
	return strings.NewReplacer(
		"@COMPONENTPORT@", c.Components.port(s), "@COMPONENTS@", c.Components.prosody(s),
		"@MODULES@", modules, "@FEDERATION@", federation, "@ROOMS@", rooms, "@DIR@", dir, "@PORT@", portOf(s.Addr), "@TLSPORT@", portOf(s.TLSAddr),
		"@CERT@", cert.Cert, "@KEY@", cert.Key, "@DOMAIN@", s.Domain, "@ANON@", AnonymousDomain,
		"@AUTH@", authentication, "@HASH@", hash, "@PROTOCOL@", protocol, "@PLAINTEXT@", plaintext,
	).Replace(prosodyConfig)
}

// prosody returns the names of the modules, the options and the component of a
// Prosody that federates.
func (s *S2S) prosody(srv *Server) (modules, options, rooms string) {
	modules = `"s2s", "s2s_bidi", "dialback", "stanza_debug", `
	switch s.Trust {
	case DialbackTLS, Either:
		options = "s2s_require_encryption = true\n"
	case DialbackPlain:
		options = "s2s_require_encryption = false\ns2s_allow_encryption = false\n"
	case External:
		modules = strings.Replace(modules, `"dialback", `, "", 1)
		options = "s2s_require_encryption = true\ns2s_secure_auth = true\n"
	}
	ports := "s2s_ports = { " + portOf(srv.S2SAddr) + " }"
	if s.Direct {
		ports = "s2s_ports = {}\ns2s_direct_tls_ports = { " + portOf(srv.S2SAddr) + " }"
	}
	replacer := strings.NewReplacer(
		"@PORTS@", ports, "@CA@", s.roots(srv), "@DNSPORT@", portOf(s.DNS.Addr), "@ROOMS@", srv.Rooms(),
	)
	return modules, options + replacer.Replace(prosodyS2S), replacer.Replace(prosodyRooms)
}

const prosodyS2S = `modules_disabled = { "limits" }
s2s_interfaces = { "127.0.0.1" }
s2s_direct_tls_interfaces = { "127.0.0.1" }
@PORTS@
s2s_ssl = { cafile = "@CA@" }
s2s_direct_tls_ssl = { cafile = "@CA@" }
s2s_timeout = 8
use_ipv6 = false
unbound = { resolvconf = false, hoststxt = false, forward = { "127.0.0.1@@DNSPORT@" } }
`

const prosodyRooms = `
Component "@ROOMS@" "muc"
	muc_room_locking = false
	restrict_room_creation = false
`

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
http_ports = {}
https_ports = {}
component_interfaces = { "127.0.0.1" }
component_ports = { @COMPONENTPORT@ }

modules_enabled = {
	"c2s", "saslauth", "tls", "iq", "message", "presence", "roster", "disco", "ping", "register_ibr",
	"offline", "smacks", "carbons", "csi_simple", "blocklist", "private", "vcard_legacy", "pep", "mam",
	"version", "time", "lastactivity", "uptime", "user_account_management", @MODULES@
}

c2s_require_encryption = not @PLAINTEXT@
allow_unencrypted_plain_auth = @PLAINTEXT@
allow_registration = true
storage = "internal"
ssl = { certificate = "@CERT@", key = "@KEY@", protocol = "@PROTOCOL@" }

@FEDERATION@

VirtualHost "@DOMAIN@"
	authentication = "@AUTH@"
	password_hash = "@HASH@"

VirtualHost "@ANON@"
	authentication = "anonymous"
	allow_registration = false
@ROOMS@@COMPONENTS@`
