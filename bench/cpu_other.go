//go:build !unix

package bench

import "time"

var started = time.Now()

// cpuTime stands in for processor time where the system does not tell it: wall time.
func cpuTime() time.Duration { return time.Since(started) }
