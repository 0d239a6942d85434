package server

import (
	"errors"
	"log/slog"

	"github.com/etherx-go/xmpp/stream"
)

// reading is the reading of a stream to its end.
type reading struct {
	done chan struct{} // closed when the stream has been read to its end
	err  error         // why it ended, once done is closed
}

func newReading() reading { return reading{done: make(chan struct{})} }

// run handles what comes, by next, until the stream ends, or until a handler has handed
// reading over to another goroutine because it waits for a reply. A panic ends the
// stream, and is logged with failed and who.
func (r *reading) run(next func() (handedOver bool, err error), log *slog.Logger, failed string, who ...any) {
	defer func() {
		if v := recover(); v != nil {
			p := asPanicError(v)
			log.Error(failed, append(who, "err", p, "stack", string(p.Stack))...)
			r.finish(errors.Join(stream.InternalServerError, p))
		}
	}()
	for {
		handedOver, err := next()
		if handedOver {
			return
		}
		if err != nil {
			r.finish(err)
			return
		}
	}
}

func (r *reading) finish(err error) {
	r.err = err
	close(r.done)
}
