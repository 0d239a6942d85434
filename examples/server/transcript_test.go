package main

import (
	"bufio"
	"cmp"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/server"
)

// wireTimeout bounds the wait for something that the server sends.
const wireTimeout = 10 * time.Second

// TestTranscripts replays the examples of the old documents.
func TestTranscripts(t *testing.T) {
	for _, tr := range readTranscripts(t) {
		t.Run(tr.name, func(t *testing.T) {
			for _, g := range tr.groups {
				t.Run(g.title, g.replay)
			}
		})
	}
}

// TestTranscriptsWhole compares the transcripts with index.txt, which has each
// example of the documents by its place, its title and a sum of its text: none
// may be left out or altered.
func TestTranscriptsWhole(t *testing.T) {
	text, err := os.ReadFile("testdata/transcripts/index.txt")
	if err != nil {
		t.Fatal(err)
	}
	index := make(map[string]string)
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) >= 3 && f[0] != "#" {
			index[f[0]+" "+f[1]] = f[2]
		}
	}
	for _, tr := range readTranscripts(t) {
		replayed, overridden, elsewhere := 0, 0, 0
		for _, g := range tr.groups {
			for _, e := range g.examples {
				if e.id == "-" {
					continue
				}
				key := tr.name + " " + e.id
				sum, ok := index[key]
				delete(index, key)
				switch {
				case !ok:
					t.Errorf("%s, line %d: %s is not in the index, or a second time", tr.name, e.line, e.id)
				case len(e.lines) == 0 && e.see == "":
					t.Errorf("%s, line %d: nothing is said about %s", tr.name, e.line, e.id)
				case len(e.lines) == 0:
					elsewhere++
				case e.digest() != sum: // of what is hidden, too
					t.Errorf("%s, line %d: %s is not what the document shows, %s", tr.name, e.line, e.id, e.digest())
				case e.overridden():
					overridden++
				case e.hidden():
					elsewhere++
				default:
					replayed++
				}
			}
		}
		tr.checkReferences(t)
		t.Logf("%s: %d as shown, %d with a later rule, %d shown elsewhere", tr.name, replayed, overridden, elsewhere)
	}
	for key := range index {
		t.Errorf("example %s is forgotten", key)
	}
}

// replay runs a group on a server of its own.
func (g *group) replay(t *testing.T) {
	r := &replay{t: t, wires: make(map[string]*wire), names: make(names)}
	r.addr = serveTranscripts(t, g)
	for _, a := range g.accounts {
		r.register(a.name, a.password)
	}
	for _, name := range g.order {
		r.wires[name] = r.connect(g.clients[name], g.old[name])
	}
	for _, e := range g.examples {
		r.example(e)
	}
	r.settle()
}

// serveTranscripts starts the ready server on loopback for old clients, and
// returns its address.
func serveTranscripts(t *testing.T, g *group) string {
	t.Helper()
	args := []string{"-data", "memory", "-legacy", "-register", "-allow-plaintext", "-listen-tls", "", "-listen-s2s", "",
		"-listen", "127.0.0.1:0"}
	for _, d := range g.domains() {
		args = append(args, "-domain", d)
	}
	o, err := parse(args, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	st, err := o.openStores(ctx)
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := o.config(st)
	if err != nil {
		t.Fatal(err)
	}
	log := new(buffer)
	cfg.Log = slog.New(slog.NewTextHandler(log, nil))
	s, err := server.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.attachServices(s, st); err != nil {
		t.Fatal(err)
	}
	for _, v := range g.services {
		attachService(t, s, v[0], v[1])
	}
	done := make(chan error, 1)
	stdout, ready := io.Pipe()
	go func() { done <- serve(ctx, s, o, cfg.Log, ready) }()
	if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "ready\n" {
		t.Fatalf("got %q, %v, want ready", line, err)
	}
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
		if t.Failed() {
			t.Log(log)
		}
		st.close()
	})
	return listening.FindStringSubmatch(log.String())[2]
}

// domains are those that the accounts and clients are on.
func (g *group) domains() (all []string) {
	add := func(addr string) {
		if d := jid.MustParse(addr).Domain(); !slices.Contains(all, d) {
			all = append(all, d)
		}
	}
	for _, name := range g.order {
		add(g.clients[name])
	}
	for _, a := range g.accounts {
		add(a.name)
	}
	return all
}

// replay is a group that runs.
type replay struct {
	t     *testing.T
	addr  string
	wires map[string]*wire
	made  []string // accounts
	names names
	got   bool   // something was received since something was sent
	last  string // client that has sent something
}

// wire is the connection of a client.
type wire struct {
	t     *testing.T
	conn  net.Conn
	r     *bufio.Reader
	d     *xml.Decoder
	host  string
	id    string  // of the stream
	ready bool    // logged in, and not closed
	asked int     // pings sent
	early []*node // that have come while others were waited for
}

// dial connects to a host and sends nothing.
func (r *replay) dial(host string) *wire {
	r.t.Helper()
	conn, err := net.Dial("tcp", r.addr)
	if err != nil {
		r.t.Fatal(err)
	}
	w := &wire{t: r.t, conn: conn, r: bufio.NewReader(conn), host: host}
	w.d = xml.NewDecoder(w.r)
	r.t.Cleanup(func() { conn.Close() })
	return w
}

// connect makes a client: of an address that has a resource, one that has logged
// in.
func (r *replay) connect(addr string, old bool) *wire {
	r.t.Helper()
	j := jid.MustParse(addr)
	w := r.dial(j.Domain())
	if j.Resource() == "" {
		return w
	}
	r.register(j.Bare().String(), "secret")
	if old {
		w.logInOld(j)
	} else {
		w.logIn(j)
	}
	w.ready = true
	return w
}

// logIn is the way of today.
func (w *wire) logIn(j jid.JID) {
	w.t.Helper()
	w.open()
	w.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>" +
		base64.StdEncoding.EncodeToString([]byte("\x00"+j.Local()+"\x00"+"secret")) + "</auth>")
	w.want("success")
	w.d = xml.NewDecoder(w.r)
	w.open()
	w.send("<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>" + j.Resource() +
		"</resource></bind></iq>")
	w.wantResult()
}

// logInOld is the way of the Jabber Programmers Guide.
func (w *wire) logInOld(j jid.JID) {
	w.t.Helper()
	w.send("<?xml version='1.0'?><stream:stream to='" + w.host + "' xmlns='jabber:client' xmlns:stream='" + nsStreams +
		"'>")
	w.want("stream")
	w.send("<iq type='set' id='auth'><query xmlns='jabber:iq:auth'><username>" + j.Local() +
		"</username><password>secret</password><resource>" + j.Resource() + "</resource></query></iq>")
	w.wantResult()
}

func (w *wire) wantResult() {
	w.t.Helper()
	if n := w.want("iq"); n.attr("type") != "result" {
		w.t.Fatalf("got %v, want a result", n)
	}
}

// register makes an account, by jabber:iq:register, once.
func (r *replay) register(addr, password string) {
	r.t.Helper()
	if slices.Contains(r.made, addr) {
		return
	}
	r.made = append(r.made, addr)
	j := jid.MustParse(addr)
	w := r.dial(j.Domain())
	defer w.conn.Close()
	w.open()
	w.send("<iq type='set' id='reg'><query xmlns='jabber:iq:register'><username>" + j.Local() + "</username><password>" +
		cmp.Or(password, "secret") + "</password></query></iq>")
	w.wantResult()
}

// open opens a stream of today.
func (w *wire) open() {
	w.t.Helper()
	w.send("<?xml version='1.0'?><stream:stream to='" + w.host + "' xmlns='jabber:client' xmlns:stream='" + nsStreams +
		"' version='1.0'>")
	w.want("stream")
	w.want("features")
}

func (w *wire) want(name string) *node {
	w.t.Helper()
	n, err := w.next()
	if err != nil || n.start.Name.Local != name {
		w.t.Fatalf("got %v, %v, want %s", n, err, name)
	}
	return n
}

func (w *wire) send(text string) {
	w.t.Helper()
	if _, err := io.WriteString(w.conn, text); err != nil {
		w.t.Fatalf("%v: sending %q", err, text)
	}
}

// next returns what the server sends next, or has sent.
func (w *wire) next() (*node, error) {
	if len(w.early) > 0 {
		n := w.early[0]
		w.early = w.early[1:]
		return n, nil
	}
	return w.read()
}

func (w *wire) read() (*node, error) {
	if err := w.conn.SetReadDeadline(time.Now().Add(wireTimeout)); err != nil {
		return nil, err
	}
	n, err := readNode(w.d)
	switch {
	case err != nil:
		return nil, err
	case n.header:
		w.id = n.attr("id")
	case n.tail:
		w.ready = false
	}
	return n, nil
}

// settle waits until the server has nothing more to send, and complains if it
// had.
func (r *replay) settle() {
	r.t.Helper()
	for name, w := range r.wires {
		for _, n := range w.early {
			r.unexpected(name, n)
		}
		w.early = nil
	}
	r.sync(r.unexpected)
}

func (r *replay) unexpected(name string, n *node) {
	r.t.Helper()
	r.t.Errorf("client %s: got %v, want nothing", name, n)
}

func (r *replay) keep(name string, n *node) { r.wires[name].early = append(r.wires[name].early, n) }

// sync waits until the server has handled all that was sent, and gives what
// comes meanwhile to f.
func (r *replay) sync(f func(name string, n *node)) {
	r.t.Helper()
	for range 2 { // what one client causes may reach another later
		for _, name := range slices.Sorted(maps.Keys(r.wires)) {
			w := r.wires[name]
			if !w.ready {
				continue
			}
			w.asked++
			id := fmt.Sprintf("settled-%d", w.asked)
			w.send("<iq type='get' to='" + w.host + "' id='" + id + "'><ping xmlns='urn:xmpp:ping'/></iq>")
			for {
				n, err := w.read()
				if err != nil {
					r.t.Fatalf("client %s: %v", name, err)
				}
				if n.attr("id") == id {
					break
				}
				f(name, n)
			}
		}
	}
}

// example sends and compares what is in one example.
func (r *replay) example(e *example) {
	lines := slices.DeleteFunc(slices.Clone(e.lines), func(l *transcriptLine) bool { return l.replaced || l.kind == "" })
	for len(lines) > 0 {
		l := lines[0]
		lines = lines[1:]
		if l.kind == "C" {
			switch {
			case r.got:
				r.settle()
			case r.last != l.client:
				r.sync(r.keep) // what was sent first is to come first
			}
			r.got, r.last = false, l.client
			r.sendLine(l)
			continue
		}
		r.got = true
		same := []*transcriptLine{l}
		for l.anyOrder && len(lines) > 0 && lines[0].anyOrder && lines[0].client == l.client {
			same = append(same, lines[0])
			lines = lines[1:]
		}
		if !r.receive(e, same) {
			r.t.FailNow()
		}
	}
}

var digestOf = regexp.MustCompile(`\{digest:([^}]*)\}`)

func (r *replay) sendLine(l *transcriptLine) {
	r.t.Helper()
	w := r.wires[l.client]
	text := digestOf.ReplaceAllStringFunc(l.text, func(s string) string {
		sum := sha1.Sum([]byte(w.id + digestOf.FindStringSubmatch(s)[1]))
		return hex.EncodeToString(sum[:])
	})
	if strings.Contains(text, "<stream:stream") {
		w.ready, w.d = false, xml.NewDecoder(w.r)
	}
	if strings.Contains(text, "</stream:stream>") {
		w.ready = false
	}
	w.send(r.names.fill(text))
}

// receive compares what comes with lines, in any order of them.
func (r *replay) receive(e *example, lines []*transcriptLine) bool {
	r.t.Helper()
	var want []*node
	for _, l := range lines {
		nodes, err := parseNodes(l.text)
		if err != nil {
			r.t.Errorf("example %s, line %d: %v", e.id, l.number, err)
			return false
		}
		want = append(want, nodes...)
	}
	w := r.wires[lines[0].client]
	for len(want) > 0 {
		got, err := w.next()
		if err != nil {
			r.t.Errorf("example %s, line %d: %v, want %v", e.id, lines[0].number, err, want[0])
			return false
		}
		last := 1
		if lines[0].anyOrder {
			last = len(want)
		}
		i := slices.IndexFunc(want[:last], func(n *node) bool { err = r.names.match(n, got); return err == nil })
		if i < 0 {
			r.t.Errorf("example %s, line %d: %v\n\tgot  %v\n\twant %v", e.id, lines[0].number, err, got, want[:last])
			return false
		}
		want = slices.Delete(want, i, i+1)
	}
	return true
}
