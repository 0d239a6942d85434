package sql

import (
	"context"
	"slices"
	"sync"
)

// The statements around updates.
const (
	savepoint = "SAVEPOINT change"
	release   = "RELEASE SAVEPOINT change"
	undo      = "ROLLBACK TO SAVEPOINT change"
	commit    = "COMMIT"
	rollback  = "ROLLBACK"
)

// writer runs updates one after another and commits those that wait at the same
// time together. It has no goroutine: each update runs in that of its caller,
// when the caller has the turn. Who finishes hands the turn, and with it the open
// transaction, to the next in the queue; who finds nobody there commits for all
// that were before. While that waits for the disk the next ones queue, and
// become the next batch.
type writer struct {
	begin string // opens a transaction
	batch int    // how many updates are committed together

	mu     sync.Mutex
	taken  bool         // somebody has the turn
	queue  []chan error // who waits for it: nil gives it, an error ends the wait
	closed bool

	// For who has the turn:
	conn *conn
	open *batch // the transaction that is open, nil if there is none
}

// batch is one transaction.
type batch struct {
	n    int           // updates in it
	err  error         // why it cannot be committed, or was not; to be read after done
	done chan struct{} // closed when it is committed or given up
}

// do runs an update. When it returns, what fn has done is durable, or, if there
// is an error, undone. fn runs once at the most.
func (w *writer) do(ctx context.Context, fn func(*conn) error) error {
	if err := w.take(ctx); err != nil {
		return err
	}
	b, err := w.run(fn)
	if b == nil {
		return err
	}
	<-b.done
	if b.err != nil {
		return b.err
	}
	return err
}

// run runs fn in the open transaction, and gives the turn away, also if fn
// panics. There is no batch if no transaction can be opened.
func (w *writer) run(fn func(*conn) error) (b *batch, err error) {
	defer w.pass()
	if b, err = w.join(); err != nil {
		w.refuse(err)
		return nil, err
	}
	w.conn.failure = nil
	if _, b.err = w.conn.exec(savepoint); b.err != nil {
		return b, b.err
	}
	done := false
	defer func() {
		if !done {
			w.undo()
		}
	}()
	if err := fn(w.conn); err != nil {
		return b, err
	}
	if _, b.err = w.conn.exec(release); b.err != nil {
		return b, b.err
	}
	done = true
	return b, nil
}

// join enters the open transaction, or opens one.
func (w *writer) join() (*batch, error) {
	if w.open == nil {
		if _, err := w.conn.exec(w.begin); err != nil {
			return nil, err
		}
		w.open = &batch{done: make(chan struct{})}
	}
	w.open.n++
	return w.open, nil
}

// undo undoes one update. Some errors, as that of a full disk, end the whole
// transaction; then the savepoint is not there, nothing else in it can stay, and
// that error is what all hear.
func (w *writer) undo() {
	for _, s := range []string{undo, release} {
		if _, err := w.conn.exec(s); err != nil {
			w.open.err = w.conn.failure
			return
		}
	}
}

// end commits the open transaction, if there is one, or gives it up.
func (w *writer) end() {
	b := w.open
	if b == nil {
		return
	}
	w.open = nil
	if b.err == nil {
		_, b.err = w.conn.exec(commit)
	}
	if b.err != nil {
		if _, err := w.conn.exec(rollback); err != nil {
			w.conn.close() // in whatever state it is
		}
	}
	close(b.done)
}

// take waits for the turn.
func (w *writer) take(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return ErrClosed
	}
	if !w.taken {
		w.taken = true
		w.mu.Unlock()
		return nil
	}
	turn := make(chan error, 1)
	w.queue = append(w.queue, turn)
	w.mu.Unlock()
	select {
	case err := <-turn:
		return err
	case <-ctx.Done():
		return w.leave(turn, ctx.Err())
	}
}

// leave gives up waiting because of why. If the turn has come meanwhile it is
// passed on.
func (w *writer) leave(turn chan error, why error) error {
	w.mu.Lock()
	i := slices.Index(w.queue, turn)
	if i >= 0 {
		w.queue = slices.Delete(w.queue, i, i+1)
	}
	w.mu.Unlock()
	if i < 0 {
		if err := <-turn; err != nil {
			return err
		}
		w.pass()
	}
	return why
}

// pass gives the turn to the next in the queue. The open transaction goes on with
// that one; if there is nobody, or it is full or broken, it ends first.
func (w *writer) pass() {
	if w.open == nil || w.open.err == nil && w.open.n < w.batch {
		if w.give(false) {
			return
		}
	}
	w.end()
	w.give(true)
}

// give gives the turn to the next; if there is nobody, it is free then, if that
// is allowed.
func (w *writer) give(free bool) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.queue) == 0 {
		w.taken = !free
		return false
	}
	w.queue[0] <- nil
	w.queue = w.queue[1:]
	return true
}

// refuse ends the waiting of all that are in the queue: they have waited for a
// transaction as long as who could not open it.
func (w *writer) refuse(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, turn := range w.queue {
		turn <- err
	}
	w.queue = nil
}

// close runs what is in the queue already, and ends the connection.
func (w *writer) close() {
	if w.take(context.Background()) != nil {
		return
	}
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.refuse(ErrClosed)
	w.end()
	w.conn.close()
}
