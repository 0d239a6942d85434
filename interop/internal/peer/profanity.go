//go:build linux

package peer

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Profanity says how profanity logs in.
type Profanity struct {
	Account
	// Direct uses direct TLS instead of STARTTLS.
	Direct bool
	// CA is trusted instead of the server's own.
	CA *CA
	// Addr is where it connects to in place of the server's address.
	Addr string
	// Before are commands before it connects.
	Before []string
}

// ProfanityClient is a profanity that runs in a terminal of tmux.
type ProfanityClient struct {
	name string
	dir  string
	tmux *process
}

// Start starts profanity and has it connect to s. It does not wait for the
// login; see [ProfanityClient.Session].
func (c Profanity) Start(t testing.TB, s *Server) *ProfanityClient {
	t.Helper()
	s.Watch(t)
	p := launchProfanity(t, c, s)
	p.expectScreen(t, "prompt", "Type '/help'")
	addr, policy := s.Addr, "force"
	if c.Direct {
		addr, policy = s.TLSAddr, "legacy"
	}
	if c.Addr != "" {
		addr = c.Addr
	}
	for _, command := range c.Before {
		p.Type(t, command)
	}
	p.Type(t, fmt.Sprintf("/connect %s server localhost port %s tls %s", c.JID(), portOf(addr), policy))
	p.expectScreen(t, "question for the password", "Enter password:")
	p.Type(t, c.Password)
	return p
}

// launchProfanity starts tmux and profanity in it, with a home of its own.
func launchProfanity(t testing.TB, c Profanity, s *Server) *ProfanityClient {
	t.Helper()
	for _, program := range []string{"profanity", "setpriv"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("%s is not installed (interop/install.sh installs it): %v", program, err)
		}
	}
	dir := tempDir(t)
	ca := s.CA
	if c.CA != nil {
		ca = c.CA
	}
	p := &ProfanityClient{name: "profanity " + c.JID(), dir: dir}
	writeFile(t, filepath.Join(dir, "tmux.conf"),
		"set -g default-terminal screen\nset -g history-limit 5000\nset -g remain-on-exit on\nset -g status off\n")
	log := newLog(t, p.name, filepath.Join(dir, "out"), filepath.Join(dir, "profanity.log"))
	// In the foreground, so that it is a child of the test and ends with it.
	// The socket is relative: its whole path would be longer than a socket's
	// may be.
	p.tmux = start(t, command{
		name: p.name + " (tmux)", path: "tmux", dir: dir, args: []string{"-D", "-S", "s", "-f", "tmux.conf"},
	}, log)
	p.tmux.await(t, "terminal", startLimit, func() error {
		_, err := p.command("list-sessions")
		if err != nil && strings.Contains(err.Error(), "no sessions") {
			return nil
		}
		return err
	})
	// profanity does not end when its terminal goes away, so the kernel ends it.
	out, err := p.command("new-session", "-d", "-x", "200", "-y", "50",
		"-e", "SSL_CERT_FILE="+ca.File,
		"-e", "XDG_CONFIG_HOME="+filepath.Join(dir, "config"), "-e", "XDG_DATA_HOME="+filepath.Join(dir, "data"),
		"setpriv", "--pdeathsig", "KILL", "profanity", "--log", "DEBUG", "--logfile", filepath.Join(dir, "profanity.log"))
	if err != nil {
		t.Fatalf("%s: %v %s", p.name, err, out)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("--- %s, screen\n%s", p.name, p.screenOrError())
		}
	})
	return p
}

// command runs a command of tmux.
func (p *ProfanityClient) command(args ...string) (string, error) {
	cmd := exec.Command("tmux", append([]string{"-S", "s"}, args...)...)
	cmd.Dir = p.dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("tmux %s: %w: %s", args[0], err, strings.TrimSpace(string(out)))
	}
	return string(out), nil
}

// Type types a line and the return key.
func (p *ProfanityClient) Type(t testing.TB, line string) {
	t.Helper()
	if _, err := p.command("send-keys", "-l", "--", line); err != nil {
		t.Fatalf("%s: %v", p.name, err)
	}
	if _, err := p.command("send-keys", "Enter"); err != nil {
		t.Fatalf("%s: %v", p.name, err)
	}
}

// Screen returns what is on the screen.
func (p *ProfanityClient) Screen(t testing.TB) string {
	t.Helper()
	screen, err := p.command("capture-pane", "-p")
	if err != nil {
		t.Fatalf("%s: %v", p.name, err)
	}
	return screen
}

// Log returns what it has logged so far, with the stream.
func (p *ProfanityClient) Log() string { return read(filepath.Join(p.dir, "profanity.log")) }

func (p *ProfanityClient) screenOrError() string {
	screen, err := p.command("capture-pane", "-p")
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(screen)
}

// Expect waits until the text is on the screen.
func (p *ProfanityClient) Expect(t testing.TB, text string) {
	t.Helper()
	p.expectScreen(t, fmt.Sprintf("text %q on the screen", text), text)
}

func (p *ProfanityClient) expectScreen(t testing.TB, what, text string) {
	t.Helper()
	p.tmux.await(t, what, waitLimit, func() error {
		screen, err := p.command("capture-pane", "-p")
		if err != nil {
			return err
		}
		if !strings.Contains(screen, text) {
			return fmt.Errorf("the screen shows\n%s", strings.TrimSpace(screen))
		}
		return nil
	})
}

// Session waits until profanity is logged in.
func (p *ProfanityClient) Session(t testing.TB) {
	t.Helper()
	p.Expect(t, "logged in successfully")
}

// Send sends a chat message.
func (p *ProfanityClient) Send(t testing.TB, to, body string) {
	t.Helper()
	p.Type(t, "/msg "+to+" "+body)
}

// Quit disconnects and ends profanity.
func (p *ProfanityClient) Quit(t testing.TB) {
	t.Helper()
	p.Type(t, "/quit")
	p.tmux.await(t, "end of profanity", waitLimit, func() error {
		dead, err := p.command("display-message", "-p", "#{pane_dead}")
		if err == nil && strings.TrimSpace(dead) != "1" {
			err = errors.New("it runs")
		}
		return err
	})
}
