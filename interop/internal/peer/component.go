//go:build linux

package peer

import (
	_ "embed"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Components are external components that a server lets in: their secrets, by
// domain.
type Components map[string]string

func (c Components) names() []string { return slices.Sorted(maps.Keys(c)) }

// addrs returns where they are to connect to: all to the same port, or each to its
// own.
func (c Components) addrs(t testing.TB, each bool) map[string]string {
	addrs := make(map[string]string)
	addr := freePort(t)
	for _, name := range c.names() {
		if each {
			addr = freePort(t)
		}
		addrs[name] = addr
	}
	return addrs
}

// port returns the one port that all connect to, "" if there are none.
func (c Components) port(srv *Server) string {
	for _, addr := range srv.ComponentAddr {
		return portOf(addr)
	}
	return ""
}

// prosody returns what a Prosody needs that has a port for them.
func (c Components) prosody(srv *Server) string {
	if len(c) == 0 {
		return ""
	}
	var b strings.Builder
	for _, name := range c.names() {
		b.WriteString("\nComponent \"" + name + "\"\n\tcomponent_secret = \"" + c[name] + "\"\n")
	}
	return b.String()
}

// ejabberd returns the listeners of an ejabberd that has them.
func (c Components) ejabberd(srv *Server) string {
	var b strings.Builder
	for _, name := range c.names() {
		b.WriteString("  -\n    port: " + portOf(srv.ComponentAddr[name]) + "\n    ip: \"127.0.0.1\"\n" +
			"    module: ejabberd_service\n" +
			"    hosts:\n      \"" + name + "\":\n        password: \"" + c[name] + "\"\n")
	}
	return b.String()
}

// etherx returns the flags of the ready server.
func (c Components) etherx(srv *Server) []string {
	if len(c) == 0 {
		return []string{"-listen-component", ""}
	}
	flags := []string{"-listen-component", "127.0.0.1:" + c.port(srv)}
	for _, name := range c.names() {
		flags = append(flags, "-component", name+"="+c[name])
	}
	return flags
}

// componentScript is the component that [SlixmppComponent] drives.
//
//go:embed slixmpp_component.py
var componentScript string

// SlixmppComponent says how a slixmpp component connects.
type SlixmppComponent struct{ Domain, Secret string }

// RunningComponent is a running slixmpp component. Its events are those of a
// [SlixmppClient].
type RunningComponent struct{ *SlixmppClient }

// Start starts slixmpp against s. It does not wait for anything; see
// [SlixmppClient.Session].
func (c SlixmppComponent) Start(t testing.TB, s *Server) RunningComponent {
	t.Helper()
	s.Watch(t)
	dir := tempDir(t)
	script := filepath.Join(dir, "component.py")
	writeFile(t, script, componentScript)
	in, inW, outR, out := pipes(t)
	client := &SlixmppClient{jid: c.Domain, stdin: inW, events: make(chan Event)}
	name := "slixmpp component " + c.Domain
	client.process = start(t, command{
		name: name, path: "/usr/bin/python3", dir: dir, stdin: in, stdout: out,
		args: []string{script, "--jid", c.Domain, "--secret", c.Secret, "--port", portOf(s.ComponentAddr[c.Domain])},
		env:  []string{"PYTHONUNBUFFERED=1", "PYTHONDONTWRITEBYTECODE=1"},
	}, newLog(t, name, filepath.Join(dir, "out")))
	in.Close()
	out.Close()
	t.Cleanup(func() { inW.Close() })
	go client.read(t, outR)
	return RunningComponent{client}
}

// SendFrom sends a chat message from an address of the component.
func (c RunningComponent) SendFrom(t testing.TB, from, to, body string) {
	t.Helper()
	c.do(t, map[string]string{"op": "send", "from": from, "to": to, "body": body})
}

// IQFrom is [SlixmppClient.IQ] from an address of the component.
func (c RunningComponent) IQFrom(t testing.TB, from, to, iqType, namespace, name string) Event {
	t.Helper()
	return c.do(t, map[string]string{"op": "iq", "from": from, "to": to, "type": iqType, "ns": namespace, "name": name})
}
