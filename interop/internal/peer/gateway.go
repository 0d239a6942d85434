//go:build linux

package peer

import (
	"bufio"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// Gateway says how examples/gateway is to run, with its chat.
type Gateway struct {
	// Root is the root of the repository.
	Root string
	// Domain and Secret are what the server knows it by.
	Domain, Secret string
	// Numbers are the people in the chat, each as number:password.
	Numbers []string
}

// GatewayProcess is a gateway that runs.
type GatewayProcess struct {
	// ChatAddr is the host:port of the chat, which survives Restart.
	ChatAddr string

	command command
	log     *logFiles
	process *process
}

// Start builds and starts the gateway. It keeps the registrations in a file.
func (c Gateway) Start(t testing.TB, s *Server) *GatewayProcess {
	t.Helper()
	dir := tempDir(t)
	path := filepath.Join(dir, "gateway")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", path, "./gateway")
	build.Dir = filepath.Join(c.Root, "examples")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", build, err, out)
	}
	g := &GatewayProcess{ChatAddr: freePort(t), log: newLog(t, "gateway", filepath.Join(dir, "out"))}
	g.command = command{
		name: "gateway", path: path, dir: dir, clean: true,
		args: []string{"-domain", c.Domain, "-secret", c.Secret, "-server", s.ComponentAddr[c.Domain],
			"-chat", g.ChatAddr, "-data", filepath.Join(dir, "data")},
	}
	for _, n := range c.Numbers {
		g.command.args = append(g.command.args, "-number", n)
	}
	g.run(t)
	return g
}

// run starts it and returns when the chat answers.
func (g *GatewayProcess) run(t testing.TB) {
	g.process = start(t, g.command, g.log)
	g.process.await(t, "chat", startLimit, func() error {
		conn, err := net.Dial("tcp", g.ChatAddr)
		if err == nil {
			conn.Close()
		}
		return err
	})
}

// Restart ends it without asking, and starts it again with the same registrations.
// The chat forgets its contact lists.
func (g *GatewayProcess) Restart(t testing.TB) {
	t.Helper()
	g.process.kill()
	g.run(t)
}

// Chatter is somebody in the chat who types.
type Chatter struct {
	conn   net.Conn
	lines  *bufio.Scanner
	events []string // that were read before they were asked for
}

// Enter logs somebody in.
func (g *GatewayProcess) Enter(t testing.TB, number, password string) *Chatter {
	t.Helper()
	conn, err := net.Dial("tcp", g.ChatAddr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	c := &Chatter{conn: conn, lines: bufio.NewScanner(conn)}
	c.Say(t, "LOGIN "+number+" "+password)
	return c
}

// Say gives a command.
func (c *Chatter) Say(t testing.TB, line string) {
	t.Helper()
	fmt.Fprintln(c.conn, line)
	if answer := c.read(t, "answer to "+line, func(l string) bool { return !strings.HasPrefix(l, "*") }); answer != "OK" {
		t.Fatalf("%s: %s", line, answer)
	}
}

// Expect waits for an event, and passes over what was before.
func (c *Chatter) Expect(t testing.TB, event string) {
	t.Helper()
	if i := slices.Index(c.events, event); i >= 0 {
		c.events = c.events[i+1:]
		return
	}
	c.events = nil
	c.read(t, event, func(l string) bool { return l == event })
	c.events = nil
}

// read reads until there is a line that is meant, and keeps the others.
func (c *Chatter) read(t testing.TB, what string, meant func(string) bool) string {
	t.Helper()
	if err := c.conn.SetReadDeadline(time.Now().Add(waitLimit)); err != nil {
		t.Fatal(err)
	}
	for c.lines.Scan() {
		if meant(c.lines.Text()) {
			return c.lines.Text()
		}
		c.events = append(c.events, c.lines.Text())
	}
	t.Fatalf("chat: no %s: %v; seen: %q", what, c.lines.Err(), c.events)
	return ""
}
