//go:build linux

package peer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	// startLimit bounds how long a peer may take until it is ready. An Erlang
	// virtual machine on a busy machine needs several seconds.
	startLimit = 90 * time.Second
	// stopLimit bounds how long a peer may take to end by itself.
	stopLimit = 15 * time.Second
	// waitLimit bounds every wait for something that a peer should do at once.
	waitLimit = 30 * time.Second
	// pollInterval is how often a foreign process is asked for what it has no
	// way to report by itself.
	pollInterval = 25 * time.Millisecond
	// logLimit is how many bytes of the end of a log are shown.
	logLimit = 32 << 10
)

// command describes a child process.
type command struct {
	name string   // what messages call it
	path string   // program, looked up in PATH
	args []string // without the program's name
	dir  string   // working directory; also HOME
	env  []string // added to a minimal environment
	user string   // account to run as when the test runs as root; "" = the same
	// clean says that the process must run until it is asked to end, and then
	// end by itself and without an error.
	clean bool
	// stdin and stdout belong to the caller; nil means none and the log.
	stdin, stdout *os.File
}

// process is a running child in a process group of its own.
type process struct {
	name string
	pid  int
	done chan struct{} // closed when the process has ended
	err  error         // how it ended; valid after done

	asked, killed bool // what was done to end it
}

// start starts c and arranges for its whole process group to end with the test.
// What it prints is appended to the first file of log.
func start(t testing.TB, c command, log *logFiles) *process {
	t.Helper()
	path, err := exec.LookPath(c.path)
	if err != nil {
		t.Fatalf("%s is not installed (interop/install.sh installs it): %v", c.name, err)
	}
	out, err := os.OpenFile(log.files[0], os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()

	cmd := exec.Command(path, c.args...)
	cmd.Dir = c.dir
	// A minimal environment: neither a proxy nor somebody's settings may take
	// part in a test.
	cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + c.dir, "TMPDIR=" + c.dir, "LANG=C.UTF-8", "LC_ALL=C.UTF-8",
	}, c.env...)
	if c.stdin != nil {
		cmd.Stdin = c.stdin
	}
	cmd.Stdout, cmd.Stderr = out, out
	if c.stdout != nil {
		cmd.Stdout = c.stdout
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Setpgid: true,
		// The kernel ends the child when the test process is killed and can
		// run no cleanup.
		Pdeathsig:  syscall.SIGKILL,
		Credential: credential(t, c.user),
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("%s: %v", c.name, err)
	}
	p := &process{name: c.name, pid: cmd.Process.Pid, done: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		if c.clean && !p.asked && !p.killed && !p.running() {
			t.Errorf("%s ended by itself: %v", p.name, p.err)
		}
		p.stop()
		if c.clean && !p.killed && p.err != nil {
			t.Errorf("%s was asked to end and ended with: %v", p.name, p.err)
		}
	})
	return p
}

// stop asks the process to end, and ends its group if it does not.
func (p *process) stop() {
	if p.running() {
		p.asked = true
		_ = syscall.Kill(-p.pid, syscall.SIGTERM)
		timer := time.NewTimer(stopLimit)
		defer timer.Stop()
		select {
		case <-p.done:
		case <-timer.C:
			// err will say that it was killed.
		}
	}
	p.end()
}

// kill ends the process group without asking.
func (p *process) kill() {
	p.killed = true
	p.end()
}

func (p *process) end() {
	// Also after the leader has ended: others of the group may be left.
	_ = syscall.Kill(-p.pid, syscall.SIGKILL)
	<-p.done
}

func (p *process) running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// await polls until cond returns nil. The test ends with the last error of cond
// when that takes longer than limit, or when the process ends.
func (p *process) await(t testing.TB, what string, limit time.Duration, cond func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		err := cond()
		if err == nil {
			return
		}
		select {
		case <-p.done:
			t.Fatalf("%s ended (%v) while waiting for %s: %v", p.name, p.err, what, err)
		case <-ctx.Done():
			t.Fatalf("%s: no %s within %v: %v", p.name, what, limit, err)
		case <-ticker.C:
		}
	}
}

// credential returns what runs a child as the named user, nil when the test
// does not run as root and so cannot change it.
func credential(t testing.TB, name string) *syscall.Credential {
	t.Helper()
	if name == "" || os.Geteuid() != 0 {
		return nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		t.Fatalf("%v (interop/install.sh installs the package that makes it)", err)
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatalf("user %s: %v", name, err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

// tempDir returns a directory of the test that other users can reach.
func tempDir(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{filepath.Dir(dir), dir} {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// give hands dir and all in it to the named user, as far as the test may.
func give(t testing.TB, dir, name string) {
	t.Helper()
	cred := credential(t, name)
	if cred == nil {
		return
	}
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, int(cred.Uid), int(cred.Gid))
	})
	if err != nil {
		t.Fatal(err)
	}
}

// writeFile writes a file of the test's directory.
func writeFile(t testing.TB, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// logFiles are the files in which a peer says what it does.
type logFiles struct {
	name  string
	files []string
}

// newLog returns the logs of a peer, which are shown if the test fails.
func newLog(t testing.TB, name string, files ...string) *logFiles {
	l := &logFiles{name: name, files: files}
	l.show(t)
	return l
}

// show arranges that what the peer writes from now on is shown if t fails.
func (l *logFiles) show(t testing.TB) {
	from := make([]int64, len(l.files))
	for i, file := range l.files {
		if info, err := os.Stat(file); err == nil {
			from[i] = info.Size()
		}
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(l.text(from))
		}
	})
}

// text returns what the logs hold after the given offsets, at most the last
// logLimit bytes of each.
func (l *logFiles) text(from []int64) string {
	var b strings.Builder
	for i, file := range l.files {
		data, err := os.ReadFile(file)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			fmt.Fprintf(&b, "--- %s: %v\n", l.name, err)
		}
		data = withoutNoise(data[min(from[i], int64(len(data))):])
		if len(data) == 0 {
			continue
		}
		cut := ""
		if len(data) > logLimit {
			data, cut = data[len(data)-logLimit:], " (end)"
		}
		fmt.Fprintf(&b, "--- %s, %s%s\n%s\n", l.name, filepath.Base(file), cut, strings.TrimRight(string(data), "\n"))
	}
	if b.Len() == 0 {
		return fmt.Sprintf("--- %s wrote no log\n", l.name)
	}
	return b.String()
}

// withoutNoise drops the debug records of ejabberd, nine lines of ten, whose
// stream contents are at a level of their own.
func withoutNoise(log []byte) []byte {
	var kept []byte
	keep := true
	for line := range bytes.Lines(log) {
		if '0' <= line[0] && line[0] <= '9' { // the date of a new record
			keep = !bytes.Contains(line, []byte("[debug]"))
		}
		if keep {
			kept = append(kept, line...)
		}
	}
	return kept
}
