package dispatch

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"sync/atomic"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/stanza"
)

// errExit is the error of a handler that has ended its goroutine.
var errExit = errors.New("dispatch: the handler has called runtime.Goexit")

// work runs jobs in one place until there is none left.
func (d *Dispatcher) work(j job) {
	for ok := true; ok; {
		j, ok = d.run(j)
	}
}

func (d *Dispatcher) run(j job) (next job, ok bool) {
	replies := &replySender{Sender: j.s, request: j.st}
	returned := false
	defer func() {
		if !returned { // runtime.Goexit: this goroutine is at its end
			d.report(j, replies, errExit)
			d.end(j, false)
		}
	}()
	if j.place.Err() == nil {
		err := d.call(j, replies)
		if err != nil {
			d.report(j, replies, err)
		}
	}
	returned = true
	return d.end(j, true)
}

// call runs the handler. A panic becomes an error.
func (d *Dispatcher) call(j job, replies *replySender) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &xmpp.PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	s := j.s
	if isRequest(j.st) {
		s = replies
	}
	return j.h.HandleXMPP(j.place, s, j.st)
}

// report tells the sender of a request, and the log, what went wrong.
func (d *Dispatcher) report(j job, replies *replySender, err error) {
	if isRequest(j.st) && !replies.sent.Load() {
		if sendErr := j.s.Send(j.place, j.st.ErrorReply(err)); sendErr != nil {
			d.log(j, slog.LevelWarn, "no reply could be sent", sendErr)
		} else if isAnswer(err) {
			return // there is nothing more to it
		}
	}
	level := slog.LevelWarn
	if _, ok := errors.AsType[*xmpp.PanicError](err); ok {
		level = slog.LevelError
	}
	d.log(j, level, "handler failed", err)
}

func (d *Dispatcher) log(j job, level slog.Level, msg string, err error) {
	attrs := []slog.Attr{slog.String("stanza", j.st.Kind.String()), slog.String("type", string(j.st.Type)),
		slog.String("from", j.st.From.String()), slog.String("id", j.st.ID), slog.Any("error", err)}
	if p, ok := errors.AsType[*xmpp.PanicError](err); ok {
		attrs = append(attrs, slog.String("stack", string(p.Stack)))
	}
	d.cfg.Log.LogAttrs(context.Background(), level, msg, attrs...)
}

// isAnswer reports whether an error is meant for the sender of the request.
func isAnswer(err error) bool {
	_, isErr := errors.AsType[*stanza.Error](err)
	_, isCond := errors.AsType[stanza.Condition](err)
	return isErr || isCond
}

// replySender is the Sender of the handler of a request. It sees whether there
// has been a reply, so that a handler which replies and then returns an error
// does not cause a second one.
type replySender struct {
	xmpp.Sender
	request *stanza.Stanza
	sent    atomic.Bool
}

// Send notes a reply to the request.
func (r *replySender) Send(ctx context.Context, st *stanza.Stanza) error {
	err := r.Sender.Send(ctx, st)
	if err == nil && st.Kind == stanza.KindIQ && st.Type.IsResponse() && st.ID == r.request.ID && st.To == r.request.From {
		r.sent.Store(true)
	}
	return err
}

// Unwrap returns the Sender that was given with the stanza.
func (r *replySender) Unwrap() xmpp.Sender { return r.Sender }
