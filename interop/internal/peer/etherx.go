//go:build linux

package peer

import (
	"cmp"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// Etherx says how the ready server, examples/server, is to run.
type Etherx struct {
	// Root is the root of the repository.
	Root string
	// Legacy offers what the oldest clients need.
	Legacy bool
	// Plaintext lets clients in without TLS.
	Plaintext bool
	// Data is the data folder. Empty keeps everything in memory, and so until
	// the next restart.
	Data string
	// S2S has it federate; nil does not.
	S2S *S2S
	// Components are those that it lets in.
	Components Components
}

// Start builds and starts the ready server with the accounts juliet (password
// r0m30) and romeo (jul13t), open to registration.
func (c Etherx) Start(t testing.TB) *Server {
	t.Helper()
	dir := tempDir(t)
	s, cert := c.S2S.server(t, "Etherx")
	s.ComponentAddr = c.Components.addrs(t, false)
	data := cmp.Or(c.Data, "memory")
	out := filepath.Join(dir, "out")
	s.log = newLog(t, s.Name, out)
	s.command = command{
		name: s.Name, path: c.build(t, dir), dir: dir, clean: true,
		args: []string{
			"-domain", s.Domain, "-listen", s.Addr, "-listen-tls", s.TLSAddr,
			"-listen-s2s", s.S2SAddr, "-listen-http", "",
			"-data", data, "-cert", cert.Cert, "-key", cert.Key, "-register",
			"-user", "juliet:r0m30", "-user", "romeo:jul13t",
		},
	}
	s.command.args = append(s.command.args, c.Components.etherx(s)...)
	if c.Legacy {
		s.command.args = append(s.command.args, "-legacy")
	}
	if c.Plaintext {
		s.command.args = append(s.command.args, "-allow-plaintext")
	}
	if c.S2S != nil {
		s.command.args = append(s.command.args, c.S2S.etherx()...)
	}
	if c.Data == "" {
		// Nothing is kept over a restart but the flags.
		s.added = func(a Account) {
			s.command.args = append(s.command.args, "-user", a.User+":"+a.Password)
		}
	}
	started := 0
	s.announce = func() error {
		// The log is appended to over a restart: one line for every start.
		if n := readyLines(read(out)); n <= started {
			return errors.New(`no line "ready" on standard output`)
		}
		started++
		return nil
	}
	s.run(t)
	return s
}

// etherx returns the flags of one that federates.
func (s *S2S) etherx() []string {
	flags := []string{"-dns", s.DNS.Addr}
	switch s.Trust {
	case DialbackTLS:
	case DialbackPlain:
		flags = append(flags, "-s2s-plaintext")
	case Either:
		flags = append(flags, "-s2s-ca", s.CA.File)
	case External:
		flags = append(flags, "-dialback=false", "-s2s-ca", s.CA.File)
	}
	return flags
}

func readyLines(output string) int {
	n := 0
	for line := range strings.Lines(output) {
		if line == "ready\n" {
			n++
		}
	}
	return n
}

// readyServers are the binaries that were built, by the root of the repository.
var readyServers struct {
	sync.Mutex
	binaries map[string][]byte
}

// build puts the ready server into dir. It is compiled once in a process, and
// kept in memory, since the folder of the test that was first goes with it.
func (c Etherx) build(t testing.TB, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "server")
	readyServers.Lock()
	defer readyServers.Unlock()
	if binary, ok := readyServers.binaries[c.Root]; ok {
		if err := os.WriteFile(path, binary, 0o755); err != nil {
			t.Fatal(err)
		}
		return path
	}
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", path, "./server")
	cmd.Dir = filepath.Join(c.Root, "examples")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
	binary, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if readyServers.binaries == nil {
		readyServers.binaries = map[string][]byte{}
	}
	readyServers.binaries[c.Root] = binary
	return path
}
