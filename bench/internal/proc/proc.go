// Package proc tells what other processes of this machine cost. It is for Linux.
package proc

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Tick is the unit in which Linux tells the processor time of other processes.
const Tick = 10 * time.Millisecond

// CPU returns the processor time that a process has used, user and system, with
// that of its descendants; 0 for no process, which is pid 0.
func CPU(pid int) (time.Duration, error) {
	if pid == 0 {
		return 0, nil
	}
	sum, err := own(pid)
	if err != nil {
		return 0, err
	}
	for _, child := range children(pid) {
		// One that has just ended is in the time of its parent, or will be.
		t, _ := CPU(child)
		sum += t
	}
	return sum, nil
}

// own is the time of a process and of the children that it has waited for.
func own(pid int) (time.Duration, error) {
	name := fmt.Sprintf("/proc/%d/stat", pid)
	data, err := os.ReadFile(name)
	if err != nil {
		return 0, err
	}
	// The second field, the name, may hold anything, but ends with the last ")".
	text := string(data)
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(fields) < 15 {
		return 0, fmt.Errorf("%s: %q", name, text)
	}
	var sum time.Duration
	for _, f := range fields[11:15] { // utime, stime, cutime, cstime
		n, err := strconv.Atoi(f)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", name, err)
		}
		sum += time.Duration(n) * Tick
	}
	return sum, nil
}

// children returns the processes that the threads of a process have started.
func children(pid int) (pids []int) {
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, l := range lists {
		text, _ := os.ReadFile(l)
		for _, f := range strings.Fields(string(text)) {
			if n, err := strconv.Atoi(f); err == nil {
				pids = append(pids, n)
			}
		}
	}
	return pids
}
