// Package xmltok reads and writes the XML of XMPP streams.
//
// A [Scanner] cuts a stream into its header, its first-level elements and its
// end (RFC 6120 section 4.1). On its one way over the bytes it checks all that a
// peer's parser will check when the bytes are passed on: XML 1.0 and Namespaces
// in XML 1.0, UTF-8, and the restrictions of RFC 6120 section 11. What it hands
// out is the raw element with a record of its root.
package xmltok

import (
	"errors"
	"fmt"
	"io"
)

// Event is what [Scanner.Next] found at the top level of the stream.
type Event uint8

const (
	None    Event = iota // nothing, there is an error
	Open                 // the start tag of the root, see [Scanner.Root]
	Element              // a complete first-level element, see [Scanner.Element]
	Space                // white space between elements (RFC 6120 section 4.6.1), as much as was there, or what is skipped
	Close                // the end tag of the root; nothing but white space may follow
)

// String returns the name of the event.
func (e Event) String() string {
	switch e {
	case Open:
		return "Open"
	case Element:
		return "Element"
	case Space:
		return "Space"
	case Close:
		return "Close"
	}
	return "None"
}

// Scanner reads XML streams. It is not safe for concurrent use. While it waits
// for the first byte of something it holds no buffer (4 KiB if the input is
// UTF-16).
type Scanner struct {
	in    input
	w     *work // only while there are bytes
	lim   Limits
	state state
	again bool // the document follows another, whose white space may come first
	utf16 bool // UTF-16 is allowed
	skip  bool // comments and processing instructions are skipped
	ready bool // w has a finished element, which begins at in.pos
	size  int  // of the element or tag that is handed out
	base  int64
	err   error

	search int // in the XML declaration
	decl   Declaration
	root   *Tag
	scope  *scope
}

// state is where in a document the scanner is.
type state uint8

const (
	atStart      state = iota // nothing of it is read
	atDecl                    // behind the byte order mark
	inProlog                  // in the white space before the root
	inHeader                  // in the start tag of the root
	afterOpen                 // behind the start tag of a root that is an empty element
	inStream                  // between first-level elements
	inElement                 // in a first-level element
	inEnd                     // in the end tag of the root
	inEpilog                  // behind it
	inMisc                    // in what is skipped between first-level elements
	inCutElement              // in a first-level element in which something is skipped
)

var errReleased = errors.New("xmltok: scanner is released")

// NewScanner returns a scanner that reads from r.
//
// If r has a method ReadLazy(alloc func() []byte, free func()) (int, error),
// the scanner calls it instead of Read when it has no buffer; it is to call
// alloc for one when it tries to read at once, to call free before it waits, and
// to return the count. For any other reader the first byte of a burst is read
// alone.
func NewScanner(r io.Reader, lim Limits) *Scanner {
	s := &Scanner{lim: lim.filled()}
	s.in.reset(r)
	return s
}

// SetLimits replaces the limits, from the next element on.
func (s *Scanner) SetLimits(lim Limits) { s.lim = lim.filled() }

// AcceptUTF16 says whether UTF-16 input is taken, with or without a byte order
// mark, from the next document on. By default it is refused with class
// [Encoding] (RFC 6120 section 11.6: "Implementations MUST NOT attempt to use
// any other encoding" than UTF-8).
func (s *Scanner) AcceptUTF16(ok bool) { s.utf16 = ok }

// Root returns the stream header after Open, nil before. It does not change;
// after Restart there is another.
func (s *Scanner) Root() *Tag { return s.root }

// Element returns the element after the event Element, else nil. It is valid
// until the next call of Next.
func (s *Scanner) Element() *Elem {
	if !s.ready {
		return nil
	}
	at := s.in.pos
	return s.w.fill(s.in.buf.data[at : at+s.size : at+s.size])
}

// Restart expects a new document from the next byte on (RFC 6120 section
// 4.3.3). It may follow any event. Bytes that are buffered are kept. If the
// document before was UTF-16, so is the next.
//
// White space is passed over first: it stood behind the last element of the
// document before (go-sendxmpp ends each element with a line feed).
func (s *Scanner) Restart() {
	s.consume()
	s.state, s.search, s.again, s.skip = atStart, 0, true, false
	s.decl, s.root, s.scope = Declaration{}, nil, nil
}

// ResetReader expects a new document from another reader (STARTTLS). Bytes that
// are buffered are dropped, see [Scanner.Buffered], and errors forgotten.
func (s *Scanner) ResetReader(r io.Reader) {
	s.Restart()
	s.dropWork()
	s.in.reset(r)
	s.again = false
	s.base, s.err = 0, nil
}

// Buffered returns the number of bytes that have been read but are not part of
// what Next has returned. Bytes behind <starttls/> or <proceed/> were sent in
// plain text and must not be used.
func (s *Scanner) Buffered() int { return s.in.end - s.in.pos - s.size + s.in.dec.n }

// Offset returns the number of bytes consumed up to the end of what Next has
// returned, since NewScanner or ResetReader. Of UTF-16 input the bytes are
// counted that it has as UTF-8.
func (s *Scanner) Offset() int64 { return s.base + int64(s.size) }

// Release gives the memory back for good. Next then returns an error.
func (s *Scanner) Release() {
	s.consume()
	s.dropWork()
	s.in.drop()
	if s.err == nil {
		s.err = errReleased
	}
}

// Next returns the next event. It calls Read only when it needs more bytes.
//
// At the end of the input it returns io.EOF if that is between events, and else
// an error that wraps io.ErrUnexpectedEOF. Errors of the reader are returned as
// they are, io.ErrNoProgress if it returns nothing too often; after them Next
// may be called again and goes on where it stopped (a deadline was extended).
// Bad input is an [*Error], which all later calls return, too.
func (s *Scanner) Next() (Event, error) {
	s.consume()
	for s.err == nil {
		if ev := s.step(); ev != None {
			return ev, nil
		}
		if s.err != nil {
			break
		}
		if err := s.wait(); err != nil {
			return None, err
		}
	}
	return None, s.err
}

// consume drops what was handed out.
func (s *Scanner) consume() {
	s.advance(s.size)
	s.size, s.ready = 0, false
}

func (s *Scanner) advance(n int) {
	s.in.pos += n
	s.base += int64(n)
}

// event hands out the next size bytes.
func (s *Scanner) event(ev Event, size int, next state) Event {
	s.size, s.state = size, next
	return ev
}

// fail keeps the fault f, with its deciding byte at at of n. It does nothing if
// more bytes are needed to tell.
func (s *Scanner) fail(at int, f fault, n int) Event {
	if at < n {
		s.err = f.at(s.base + int64(at))
	}
	return None
}

// wait gets more bytes.
func (s *Scanner) wait() error {
	if s.in.pos == s.in.end {
		s.dropWork()
	}
	err := s.in.fill()
	switch {
	case err == errUTF16:
		if s.settle(); s.err == nil {
			s.err = faultUTF16.at(s.base + int64(s.in.end-s.in.pos))
		}
	case err == io.EOF:
		return s.eof()
	default:
		return err
	}
	return nil
}

// eof tells what the end of the input means where it is.
func (s *Scanner) eof() error {
	if s.in.pos == s.in.end && s.in.dec.n == 0 {
		return io.EOF
	}
	if s.settle(); s.err != nil {
		return s.err
	}
	if s.state == atStart && s.in.pos < s.in.end && class[s.in.buf.data[s.in.pos]] == white {
		return io.EOF // it was only not clear whether this is UTF-16
	}
	return fmt.Errorf("xmltok: the input ends in the middle of something (byte %d): %w",
		s.base+int64(s.in.end-s.in.pos), io.ErrUnexpectedEOF)
}

// settle looks for a fault in what is unfinished, as there will be no more.
func (s *Scanner) settle() {
	if s.in.pos == s.in.end {
		return
	}
	b, n := s.in.rest()
	switch s.state {
	case inElement, inCutElement, inHeader:
		if s.w.last(b, n) == bad {
			s.fail(s.w.faultAt, s.w.fault, n)
		}
	case inEnd:
		if at, f := closeTag(b, 0, s.rootName()); f != 0 {
			s.fail(at, f, n)
		}
	}
}

func (s *Scanner) dropWork() {
	if s.w != nil {
		putWork(s.w)
		s.w = nil
	}
}
