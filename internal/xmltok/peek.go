package xmltok

// Peek waits until at least n bytes are there behind what Next has returned, and
// returns all that are there, without consuming them. What Next handed out is
// dropped. Errors are those of Next. It may be called between events only, and
// the bytes, which are UTF-8 in any case, are valid until the next call of any
// method. It serves to tell a new document from the next element, see
// [Scanner.Restart].
func (s *Scanner) Peek(n int) ([]byte, error) {
	s.consume()
	for s.in.end-s.in.pos < n {
		if s.err != nil {
			return nil, s.err
		}
		if err := s.wait(); err != nil {
			return nil, err
		}
	}
	if s.in.buf == nil {
		return nil, nil
	}
	b, have := s.in.rest()
	return b[:have:have], nil
}
