package xmltok

import (
	"errors"
	"io"
)

// lazyReader is a reader that asks for memory to read into only when there is
// something to read, so that an idle connection holds none. To find out it may
// ask for the memory, try, and free it again before it waits.
type lazyReader interface {
	ReadLazy(alloc func() []byte, free func()) (int, error)
}

var (
	// errUTF16 is returned by fill in place of a fault.
	errUTF16 = errors.New("xmltok: invalid UTF-16")
	errCount = errors.New("xmltok: the reader returned an impossible count")
)

const (
	maxEmptyReads = 100 // reads of 0 bytes without error in a row
	// minRoom is the least room worth a read.
	minRoom = 1 << 10
)

// input is what the scanner reads from, and its buffer, which it only has while
// there are bytes in it.
type input struct {
	r    io.Reader
	lazy lazyReader    // r, if it is one
	take func() []byte // for lazy
	free func()        // for lazy
	err  error         // came from r together with bytes
	bad  bool          // the input after the buffered bytes is not UTF-16
	dec  decoder
	buf  *buffer
	// buf.data[pos:end] is not used yet. From end on there is slack.
	pos, end int
	class    int // of the next buffer
	one      [1]byte
}

// reset makes r the reader.
func (in *input) reset(r io.Reader) {
	in.drop()
	in.r, in.err, in.bad, in.dec, in.class = r, nil, false, decoder{}, 0
	in.lazy, in.take, in.free = nil, nil, nil
	if l, ok := r.(lazyReader); ok {
		in.lazy = l
		in.free = in.drop
		in.take = func() []byte {
			in.acquire()
			return in.buf.data[:len(in.buf.data)-slack]
		}
	}
}

// rest returns the buffered bytes with the slack behind them, and their number.
func (in *input) rest() ([]byte, int) {
	return in.buf.data[in.pos : in.end+slack], in.end - in.pos
}

func (in *input) acquire() {
	if in.buf == nil {
		in.buf = getBuffer(in.class)
		in.pos, in.end = 0, 0
	}
}

// drop gives the buffer back.
func (in *input) drop() {
	if in.buf != nil {
		putBuffer(in.buf)
		in.buf = nil
	}
	in.pos, in.end = 0, 0
}

// fill reads once, blocking if it must: it adds at least one byte, or returns
// an error of the reader. Bytes move, but only together.
func (in *input) fill() error {
	if in.bad {
		return errUTF16
	}
	if err := in.err; err != nil {
		in.err = nil
		return err
	}
	for range maxEmptyReads {
		before := in.end - in.pos
		err := in.read()
		if in.end-in.pos > before {
			in.err = err
			return nil
		}
		if in.bad {
			return errUTF16
		}
		if err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

// read reads once.
func (in *input) read() error {
	switch {
	case in.dec.order != nil:
		return in.readUTF16()
	case in.pos < in.end:
		in.makeRoom()
		n, err := in.r.Read(in.buf.data[in.end : len(in.buf.data)-slack])
		return in.added(n, err)
	case in.lazy != nil:
		in.drop()
		n, err := in.lazy.ReadLazy(in.take, in.free)
		if n == 0 || in.buf == nil {
			in.drop()
			return err
		}
		return in.added(n, err)
	}
	in.drop()
	n, err := in.r.Read(in.one[:])
	if n == 0 {
		return err
	}
	in.acquire()
	in.buf.data[0] = in.one[0]
	if n != 1 {
		n = -1
	}
	return in.added(n, err)
}

// added takes in n bytes behind the end, which were read with err.
func (in *input) added(n int, err error) error {
	room := len(in.buf.data) - slack - in.end
	if n < 0 || n > room {
		return errCount
	}
	if in.end += n; n == room {
		in.class = min(in.buf.class+1, busyClass)
	}
	clear(in.buf.data[in.end : in.end+slack])
	return err
}

// busyClass is the largest buffer that a lively reader gets to begin with.
const busyClass = 1

// makeRoom moves the bytes to the front if there is little room behind them,
// and into a larger buffer if that does not help enough. At most half a buffer
// moves after a quarter of one was read, so the work stays linear.
func (in *input) makeRoom() {
	size := len(in.buf.data)
	if size-slack-in.end >= max(minRoom, size/4) {
		return
	}
	old, n := in.buf, in.end-in.pos
	if n > size/2 || in.class > old.class {
		in.buf = getBuffer(max(old.class+1, in.class))
	}
	copy(in.buf.data, old.data[in.pos:in.end])
	in.pos, in.end = 0, n
	if in.buf != old {
		putBuffer(old)
	}
	clear(in.buf.data[n : n+slack])
}

// startUTF16 begins to decode: the buffered bytes are UTF-16.
func (in *input) startUTF16(d decoder) {
	raw := append([]byte(nil), in.buf.data[in.pos:in.end]...)
	in.end = in.pos
	in.dec = d
	in.decoded(raw)
}

// readUTF16 reads once from a reader of UTF-16.
func (in *input) readUTF16() error {
	if in.pos == in.end {
		in.drop()
	}
	raw := getBuffer(0)
	defer putBuffer(raw)
	n, err := in.r.Read(raw.data)
	if n < 0 || n > len(raw.data) {
		return errCount
	}
	in.decoded(raw.data[:n])
	return err
}

// decoded adds the characters of raw to the buffer.
func (in *input) decoded(raw []byte) {
	for len(raw) > 0 && !in.bad {
		// Two bytes become at most three.
		in.acquire()
		in.makeRoom()
		part := raw[:min(len(raw), (len(in.buf.data)-slack-in.end)/2)]
		raw = raw[len(part):]
		dst, ok := in.dec.decode(in.buf.data[in.end:in.end], part)
		in.bad = !ok
		in.end += len(dst)
		clear(in.buf.data[in.end : in.end+slack])
	}
}
