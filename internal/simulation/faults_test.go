package simulation

import (
	"bytes"
	"encoding/json"
	"flag"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

var faultsFlag = flag.Bool("faults", false, "whether each fault of TestFaults is put into the program, and has to be found")

// fault is something to do wrong on purpose, in place of what a file of the module has.
type fault struct {
	name, file, right, wrong string
}

// faults are such as the simulation has to find: in what is counted, in what is sent
// again, and in how stored messages are handed over.
var faults = []fault{
	{"one stanza too many counts as acknowledged", "stream/ack.go",
		"n = min(n, uint64(a.waiting()))", "n = min(n+1, uint64(a.waiting()))"},
	{"a stanza that was written in part is sent twice", "stream/ack.go",
		"a.kept = a.kept[:len(a.kept)-n]\n", ""},
	{"the client says one less than it has handled", "stream/manage_client.go",
		"m.Old.told(handled)", "handled -= min(1, handled)\n\tm.Old.told(handled)"},
	{"the server says one more than it has handled", "server/resume.go",
		"return conn, old.intake.count(), nil", "return conn, old.intake.count() + 1, nil"},
	{"what is not acknowledged is not sent again", "stream/detach.go",
		"\tfor _, st := range kept {\n\t\tqueue = append(queue, item{st: st})\n\t}\n", ""},
	{"what is not acknowledged comes behind what is new", "stream/detach.go",
		"\to.queue, o.bytes = queue, 0\n", "\tqueue = append(queue[len(kept):], queue[:len(kept)]...)\n\to.queue, o.bytes = queue, 0\n"},
	{"what a session leaves unacknowledged is dropped", "server/session.go",
		"left = append(conn.Unacked(), conn.Unsent()...)", "left = conn.Unsent()"},
	{"what a session leaves unwritten is dropped", "server/session.go",
		"left = append(conn.Unacked(), conn.Unsent()...)", "left = conn.Unacked()"},
	{"a copy that stands for a message is dropped", "server/copied.go",
		"if c.standing[sum] == 0 {", "if true {"},
	{"a copy does not stand for a message", "server/copied.go",
		"if leftBy(ctx) == nil || !sess.copied.stand(sumOf(st)) {", "if true {"},
	{"stored messages that were not got are deleted", "server/offline.go",
		"again = append(again, h.id)", "got = append(got, h.id)"},
	{"stored messages that were not got are nobody's any more", "server/offline.go",
		"sess.user.unclaim(again...)", "_ = again"},
	{"stored messages are not deleted when they were got", "server/offline.go",
		"got = append(got, h.id)", "again = append(again, h.id)"},
}

// module is the root of the module.
const module = "../.."

// TestFaults shows that the simulation finds what is wrong. Without -faults it looks only
// whether the faults can still be made; with it, it takes some minutes:
//
//	go test ./internal/simulation -run TestFaults -faults -v
func TestFaults(t *testing.T) {
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			path := filepath.Join(module, f.file)
			src, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if n := bytes.Count(src, []byte(f.right)); n != 1 {
				t.Fatalf("%s has %q %d times", f.file, f.right, n)
			}
			src = bytes.Replace(src, []byte(f.right), []byte(f.wrong), 1)
			if _, err := parser.ParseFile(token.NewFileSet(), f.file, src, 0); err != nil {
				t.Fatal(err)
			}
			if *faultsFlag {
				f.find(t, path, src)
			}
		})
	}
}

// find runs the simulation with another source of a file, and wants it to fail.
func (f *fault) find(t *testing.T, path string, src []byte) {
	abs, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	changed, overlay := filepath.Join(dir, "changed.go"), filepath.Join(dir, "overlay.json")
	j, err := json.Marshal(map[string]map[string]string{"Replace": {abs: changed}})
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{changed: src, overlay: j} {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	bin := filepath.Join(dir, "simulation.test")
	if out, err := exec.Command("go", "test", "-c", "-vet=off", "-overlay", overlay, "-o", bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err := exec.Command(bin, "-test.run", "TestSimulation", "-runs", "200").CombinedOutput()
	if err == nil {
		t.Errorf("200 runs have not found it")
	}
	t.Logf("%.2000s", out)
}
