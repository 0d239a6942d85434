package server

import (
	"context"
	"time"
)

// bucket bounds the rate of a client: it holds up to burst bytes, and refills
// with rate bytes a second. Who takes more than there is waits.
type bucket struct {
	rate, burst float64 // rate 0: no limit
	level       float64
	last        time.Time
}

func (b *bucket) init(rate, burst int) {
	if rate > 0 {
		b.rate, b.burst, b.level, b.last = float64(rate), float64(max(burst, 0)), float64(max(burst, 0)), time.Now()
	}
}

// take takes n bytes, waiting until the level would not be negative. It returns
// false if ctx ends before.
func (b *bucket) take(ctx context.Context, n int) bool {
	if b.rate == 0 {
		return true
	}
	b.level -= float64(n)
	if b.level >= 0 {
		return true
	}
	now := time.Now()
	b.level = min(b.burst, b.level+now.Sub(b.last).Seconds()*b.rate)
	b.last = now
	if b.level >= 0 {
		return true
	}
	return sleep(ctx, time.Duration(-b.level/b.rate*float64(time.Second)))
}
