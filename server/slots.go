package server

import (
	"context"
	"errors"

	"github.com/etherx-go/xmpp/stanza"
)

// slots bound the streams that are being opened at one time. What is wanted here may
// take all of them, what other servers cause half of them: who claims a thousand
// domains that cannot be reached must not keep this server's users from being heard.
type slots struct {
	all    chan struct{} // nil: no limit
	theirs chan struct{} // those of all that were caused by others
}

func makeSlots(n int) slots {
	if n < 0 {
		return slots{}
	}
	return slots{all: make(chan struct{}, n), theirs: make(chan struct{}, n-n/2)}
}

// errNoSlot says that nothing was tried, because there was no slot in time.
var errNoSlot = &stanza.Error{Type: stanza.Wait, Condition: stanza.RemoteServerTimeout,
	Text: "too many streams to other servers are being opened"}

// errUrgent says that what waited among what others have caused is wanted here now.
var errUrgent = errors.New("wanted here")

// enter waits for a slot for what is wanted here, and returns what frees it.
func (s slots) enter(ctx context.Context) (leave func(), err error) {
	if s.all == nil {
		return func() {}, nil
	}
	select {
	case s.all <- struct{}{}:
		return func() { <-s.all }, nil
	case <-ctx.Done():
		return nil, errNoSlot
	}
}

// enterTheirs waits for a slot for what others have caused. The error is errUrgent
// when urgent is closed before it has one of their half.
func (s slots) enterTheirs(ctx context.Context, urgent <-chan struct{}) (leave func(), err error) {
	select {
	case <-urgent:
		return nil, errUrgent
	default:
	}
	if s.all == nil {
		return func() {}, nil
	}
	select {
	case s.theirs <- struct{}{}:
	case <-urgent:
		return nil, errUrgent
	case <-ctx.Done():
		return nil, errNoSlot
	}
	free, err := s.enter(ctx)
	if err != nil {
		<-s.theirs
		return nil, err
	}
	return func() { free(); <-s.theirs }, nil
}

type causeKey struct{}

// causedElsewhere returns a context for what another server has caused to be done.
func causedElsewhere(ctx context.Context) context.Context {
	return context.WithValue(ctx, causeKey{}, true)
}

// isTheirs reports whether it is another server that has caused a stanza to be sent:
// it is an answer, or sent while what has come from there is handled.
func isTheirs(ctx context.Context, st *stanza.Stanza) bool {
	return st.Type.IsResponse() || ctx.Value(causeKey{}) != nil
}
