package sasl

import (
	"context"
	"fmt"
	"unicode/utf8"
)

// maxTrace bounds the trace information of ANONYMOUS, in characters (RFC 4505
// section 2: token = 1*255TCHAR).
const maxTrace = 255

// checkTrace applies the "trace" profile of RFC 4505 section 3.
func checkTrace(s string) error {
	if !utf8.ValidString(s) {
		return fmt.Errorf("%w: trace is not UTF-8", ErrBadString)
	}
	if utf8.RuneCountInString(s) > maxTrace {
		return fmt.Errorf("%w: trace is longer than %d characters", ErrBadString, maxTrace)
	}
	return checkString(s, prohibitedTrace)
}

// anonymousClient is the client side of RFC 4505.
type anonymousClient struct {
	cfg     ClientConfig
	started bool
}

func (c *anonymousClient) Start() ([]byte, error) {
	if c.started {
		return nil, ErrUnexpected
	}
	c.started = true
	if err := checkTrace(c.cfg.Trace); err != nil {
		return nil, err
	}
	return append([]byte{}, c.cfg.Trace...), nil
}

func (c *anonymousClient) Next([]byte) ([]byte, error) { return nil, ErrUnexpected }

func (c *anonymousClient) Finish([]byte) error {
	if !c.started {
		return ErrUnexpected
	}
	return nil
}

// anonymousServer is the server side of RFC 4505.
type anonymousServer struct{ serverBase }

func (s *anonymousServer) Next(ctx context.Context, response []byte) ([]byte, bool, error) {
	if err := s.enter(response); err != nil {
		return nil, false, err
	}
	if s.step == 0 && response == nil {
		return s.challenge([]byte{})
	}
	if err := checkTrace(string(response)); err != nil {
		return nil, false, fail(MalformedRequest, err)
	}
	user, err := s.cfg.Credentials.Anonymous(ctx, string(response))
	if err != nil {
		return nil, false, wireError(err)
	}
	return s.success(ctx, user, "", nil)
}
