//go:build linux

package peer

import (
	"bufio"
	_ "embed"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"
)

// stageScript is the program that [SlixmppStage] drives.
//
//go:embed slixmpp_stage.py
var stageScript string

// SlixmppStage is one process with any number of slixmpp clients of one server,
// each under a key of the caller's. Its commands and what comes of them are
// lines of text, which slixmpp_stage.py describes.
type SlixmppStage struct {
	process *process
	stdin   *os.File
	answers chan stageEvent
	lastID  int

	mu   sync.Mutex
	seen []string
}

type stageEvent struct {
	Event, ID, Who, Line string
	Lines                []string
}

// NewSlixmppStage starts the process, which ends with the test.
func NewSlixmppStage(t testing.TB, s *Server) *SlixmppStage {
	t.Helper()
	dir := tempDir(t)
	script := filepath.Join(dir, "stage.py")
	writeFile(t, script, stageScript)
	in, inW, outR, out := pipes(t)
	stage := &SlixmppStage{stdin: inW, answers: make(chan stageEvent)}
	stage.process = start(t, command{
		name: "slixmpp", path: "/usr/bin/python3", dir: dir, stdin: in, stdout: out,
		args: []string{script, "--port", portOf(s.Addr), "--ca", s.CA.File},
		env:  []string{"PYTHONUNBUFFERED=1", "PYTHONDONTWRITEBYTECODE=1"},
	}, newLog(t, "slixmpp", filepath.Join(dir, "out")))
	in.Close()
	out.Close()
	t.Cleanup(func() { inW.Close() })
	go stage.read(t, outR)
	return stage
}

func (s *SlixmppStage) read(t testing.TB, r io.ReadCloser) {
	defer r.Close()
	defer close(s.answers)
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		var e stageEvent
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			e = stageEvent{Event: "see", Who: "slixmpp", Line: lines.Text()}
		}
		if e.Event == "see" {
			s.mu.Lock()
			s.seen = append(s.seen, e.Who+": "+e.Line)
			s.mu.Unlock()
			continue
		}
		select {
		case s.answers <- e:
		case <-t.Context().Done():
			return
		}
	}
}

// Do has a client do something and returns what came of it.
func (s *SlixmppStage) Do(t testing.TB, who, op string, args map[string]any) []string {
	t.Helper()
	s.lastID++
	id := strconv.Itoa(s.lastID)
	line, err := json.Marshal(map[string]any{"id": id, "who": who, "op": op, "args": args})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.stdin.Write(append(line, '\n')); err != nil {
		t.Fatalf("slixmpp takes no commands: %v", err)
	}
	timer := time.NewTimer(waitLimit)
	defer timer.Stop()
	for {
		select {
		case e, ok := <-s.answers:
			if !ok {
				t.Fatalf("slixmpp ended in %s", line)
			}
			if e.ID == id {
				return e.Lines
			}
		case <-timer.C:
			t.Fatalf("slixmpp has no answer to %s within %v; seen: %q", line, waitLimit, s.Take())
		}
	}
}

// Settle returns when every client has seen what the stanzas sent before it
// caused, as far as that is a matter of order.
func (s *SlixmppStage) Settle(t testing.TB) {
	t.Helper()
	s.Do(t, "", "settle", nil)
}

// Clear ends all clients, without waiting for the server, and forgets them.
func (s *SlixmppStage) Clear(t testing.TB) {
	t.Helper()
	s.Do(t, "", "clear", nil)
}

// Take returns what the clients have been sent without asking since the last
// call, each line after the client's key and a colon.
func (s *SlixmppStage) Take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := s.seen
	s.seen = nil
	return seen
}
