package client

import (
	"fmt"

	"github.com/etherx-go/xmpp/internal/session"
	"github.com/etherx-go/xmpp/stanza"
)

// SizeError says that a stanza was not sent because it is larger than the server takes
// (XEP-0478): it would end the stream. It is a stanza.PolicyViolation, which is what
// somebody is told whose request would have so large an answer.
type SizeError struct {
	Size, Max int // in bytes
}

// Error says how large it is, and how large it may be.
func (e *SizeError) Error() string {
	return fmt.Sprintf("client: a stanza of %d bytes is not sent, the server takes %d", e.Size, e.Max)
}

// Unwrap returns stanza.PolicyViolation.
func (e *SizeError) Unwrap() error { return stanza.PolicyViolation }

// checkSize returns a SizeError if the stanza is too large for the server.
func checkSize(s *session.Session, st *stanza.Stanza) error {
	most := s.Limits().MaxBytes
	if most <= 0 || st.Size() <= most/2 {
		return nil
	}
	if n := len(st.AppendXML(nil, "")); n > most {
		return &SizeError{n, most}
	}
	return nil
}
