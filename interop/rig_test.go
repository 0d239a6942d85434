//go:build interop

package interop

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/etherx-go/xmpp/interop/internal/peer"
)

// TestRigOffers shows that the foreign servers run with what the suite counts
// on: both kinds of TLS, and these mechanisms and no others.
func TestRigOffers(t *testing.T) {
	scram := []string{"SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"}
	plus := []string{"SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-512-PLUS"}
	for _, tt := range []struct {
		name    string
		start   func(testing.TB) *peer.Server
		version uint16
		want    []string
	}{
		{"Prosody", peer.Prosody{}.Start, tls.VersionTLS13, concat(scram[:2], "PLAIN")},
		// It knows tls-unique alone, which TLS 1.3 does not have.
		{"Prosody TLS 1.2", peer.Prosody{TLS12: true}.Start, tls.VersionTLS12, concat(scram[:2], "PLAIN", plus[:2]...)},
		{"Prosody keys", peer.Prosody{Hash: "SHA-256"}.Start, tls.VersionTLS13, []string{"PLAIN", "SCRAM-SHA-256"}},
		{"ejabberd", peer.Ejabberd{}.Start, tls.VersionTLS13, concat(scram, "PLAIN", append(plus, "DIGEST-MD5", "X-OAUTH2")...)},
		{"ejabberd TLS 1.2", peer.Ejabberd{TLS12: true}.Start, tls.VersionTLS12, concat(scram, "PLAIN", append(plus, "DIGEST-MD5", "X-OAUTH2")...)},
		{"ejabberd keys", peer.Ejabberd{Hash: "sha512", ClientCertificates: true}.Start, tls.VersionTLS13,
			[]string{"EXTERNAL", "PLAIN", "SCRAM-SHA-512", "SCRAM-SHA-512-PLUS", "X-OAUTH2"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := tt.start(t)
			slices.Sort(tt.want)
			for _, direct := range []bool{false, true} {
				offer := s.Offer(t, direct)
				t.Logf("direct TLS %v: %v", direct, offer)
				if offer.TLSVersion != tt.version {
					t.Errorf("direct TLS %v: %s, want %s", direct, tls.VersionName(offer.TLSVersion), tls.VersionName(tt.version))
				}
				if offer.TLSRequired == direct {
					t.Errorf("direct TLS %v: STARTTLS required is %v", direct, offer.TLSRequired)
				}
				if len(offer.ClearMechanisms) > 0 {
					t.Errorf("mechanisms without TLS: %v", offer.ClearMechanisms)
				}
				slices.Sort(offer.Mechanisms)
				if !slices.Equal(offer.Mechanisms, tt.want) {
					t.Errorf("direct TLS %v: mechanisms %v, want %v", direct, offer.Mechanisms, tt.want)
				}
			}
		})
	}
}

func concat(a []string, b string, c ...string) []string {
	return slices.Concat(a, []string{b}, c)
}

// TestRigRestart kills servers and starts them again: clients notice, and the
// same account works on the same port.
func TestRigRestart(t *testing.T) {
	for _, tt := range servers {
		t.Run(tt.name, func(t *testing.T) {
			s := tt.start(t)
			login := peer.Slixmpp{Account: s.AddUser(t, "juliet1", "r0m30")}
			addr, tlsAddr := s.Addr, s.TLSAddr
			for range 2 {
				client := login.Start(t, s)
				client.Session(t)
				s.Kill(t)
				client.Expect(t, "disconnected")
				s.Restart(t)
			}
			if s.Addr != addr || s.TLSAddr != tlsAddr {
				t.Errorf("moved from %s, %s to %s, %s", addr, tlsAddr, s.Addr, s.TLSAddr)
			}
			login.Start(t, s).Session(t)
		})
	}
}

// TestRigClientCertificate shows that ejabberd takes the rig's certificates for
// SASL EXTERNAL: its owner gets in without a password and nobody else does.
func TestRigClientCertificate(t *testing.T) {
	s := peer.Ejabberd{ClientCertificates: true}.Start(t)
	juliet := s.AddUser(t, "juliet", "r0m30")
	cert := s.CA.Client(t, juliet.JID())
	for _, direct := range []bool{false, true} {
		c := peer.Slixmpp{
			Account: peer.Account{User: juliet.User, Domain: juliet.Domain}, Direct: direct, Certificate: &cert, Mechanism: "EXTERNAL",
		}.Start(t, s)
		if jid := c.Session(t); !strings.HasPrefix(jid, juliet.JID()+"/") {
			t.Errorf("bound %s", jid)
		}
		foreign := peer.NewCA(t).Client(t, juliet.JID())
		c = peer.Slixmpp{
			Account: peer.Account{User: juliet.User, Domain: juliet.Domain}, Direct: direct, Certificate: &foreign, Mechanism: "EXTERNAL",
		}.Start(t, s)
		c.Expect(t, "disconnected")
		if c.Seen("auth") {
			t.Error("logged in with a certificate of another authority")
		}
	}
}

// TestRigPeersEndWithTheTest kills a test process that runs a peer of each kind
// and sees them end although no cleanup could run.
func TestRigPeersEndWithTheTest(t *testing.T) {
	const hold = "ETHERX_INTEROP_HOLD"
	if os.Getenv(hold) != "" {
		holdPeers(t)
		return
	}
	// What the killed process leaves is removed with this test.
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestRigPeersEndWithTheTest$")
	cmd.Env = append(os.Environ(), hold+"=1", "TMPDIR="+dir)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var pids []int
	var output strings.Builder
	for lines := bufio.NewScanner(out); len(pids) == 0 && lines.Scan(); {
		output.WriteString(lines.Text() + "\n")
		if list, ok := strings.CutPrefix(lines.Text(), "peers "); ok {
			pids = parsePIDs(t, list)
		}
	}
	for _, pid := range pids {
		if !alive(pid) {
			t.Errorf("process %d is not there", pid)
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if len(pids) < 5 {
		t.Fatalf("the other test process runs %d processes, want at least five\n%s", len(pids), output.String())
	}
	awaitEnd(t, pids)
}

// holdPeers runs a peer of each kind, prints the processes, and waits for its
// end.
func holdPeers(t *testing.T) {
	prosody, ejabberd := peer.Prosody{}.Start(t), peer.Ejabberd{}.Start(t)
	peer.Slixmpp{Account: prosody.AddUser(t, "juliet", "r0m30")}.Start(t, prosody).Session(t)
	peer.Profanity{Account: ejabberd.AddUser(t, "romeo", "jul13t")}.Start(t, ejabberd).Session(t)
	fmt.Printf("peers %s\n", strings.Trim(fmt.Sprint(descendants(t, os.Getpid())), "[]"))
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// descendants returns the processes that pid started, directly or not.
func descendants(t *testing.T, pid int) []int {
	t.Helper()
	// A child belongs to the thread that started it.
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		t.Fatal(err)
	}
	var found []int
	for _, list := range lists {
		data, err := os.ReadFile(list)
		if err != nil {
			continue // the thread has ended
		}
		for _, child := range parsePIDs(t, string(data)) {
			found = append(found, child)
			found = append(found, descendants(t, child)...)
		}
	}
	return found
}

func parsePIDs(t *testing.T, list string) []int {
	t.Helper()
	var pids []int
	for _, field := range strings.Fields(list) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	return pids
}

// alive reports whether the process runs; one that has ended and was not waited
// for does not.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(state, "Z")
}

// awaitEnd polls until none of the processes is left.
func awaitEnd(t *testing.T, pids []int) {
	t.Helper()
	const limit = 20 * time.Second
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		left := slices.DeleteFunc(slices.Clone(pids), func(pid int) bool { return !alive(pid) })
		if len(left) == 0 {
			return
		}
		select {
		case <-deadline.C:
			t.Fatalf("%v after the end of the test process its peers %v still run", limit, left)
		case <-ticker.C:
		}
	}
}
