package proc_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/etherx-go/xmpp/bench/internal/proc"
)

// role is set in the environment of the processes that TestCPU starts.
const role = "ETHERX_PROC_TEST"

func TestMain(m *testing.M) {
	switch os.Getenv(role) {
	case "parent": // starts a child, and does nothing itself
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), role+"=child")
		cmd.Stdin, cmd.Stdout = os.Stdin, os.Stdout
		if err := cmd.Run(); err != nil {
			os.Exit(1)
		}
	case "child": // uses the processor, says so, and stays until the input ends
		for own, _ := proc.CPU(os.Getpid()); own < 100*time.Millisecond; own, _ = proc.CPU(os.Getpid()) {
		}
		fmt.Println("done")
		io.Copy(io.Discard, os.Stdin)
	default:
		os.Exit(m.Run())
	}
}

func TestCPU(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), role+"=parent")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "done\n" {
		t.Fatalf("%q, %v", line, err)
	}
	got, err := proc.CPU(cmd.Process.Pid)
	if err != nil || got < 100*time.Millisecond || got > 10*time.Second {
		t.Errorf("%v, %v while the child runs; it has used 100 ms", got, err)
	}
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if _, err := proc.CPU(cmd.Process.Pid); err == nil {
		t.Error("no error for a process that has ended")
	}
}

func TestCPUOfNone(t *testing.T) {
	if got, err := proc.CPU(0); got != 0 || err != nil {
		t.Errorf("%v, %v", got, err)
	}
}
