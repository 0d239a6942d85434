// Package backoff has the delays between attempts.
package backoff

import (
	"math/rand/v2"
	"time"
)

// Exponential returns a function that says how long to wait before an attempt, by
// how many have failed before. The delay doubles with each try, from shortest to
// longest; how much of it is waited, between a half and the whole, is left to chance,
// so that those whom a restart has thrown out do not come back at the same moment
// (RFC 6120, section 3.3).
func Exponential(shortest, longest time.Duration) func(try int) time.Duration {
	return func(try int) time.Duration {
		d := min(shortest, longest)
		for range try {
			if d >= longest/2 {
				d = longest
				break
			}
			d *= 2
		}
		if d <= 1 {
			return max(d, 0)
		}
		return d/2 + rand.N(d-d/2)
	}
}
