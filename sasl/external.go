package sasl

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"unicode/utf8"
)

// externalClient is the client side of EXTERNAL (RFC 4422 appendix A): the
// channel says who the client is, the message at most who it wants to be.
type externalClient struct {
	cfg     ClientConfig
	started bool
}

func (c *externalClient) Start() ([]byte, error) {
	if c.started {
		return nil, ErrUnexpected
	}
	c.started = true
	if strings.ContainsRune(c.cfg.AuthzID, 0) || !utf8.ValidString(c.cfg.AuthzID) {
		return nil, fmt.Errorf("%w: authorization identity", ErrBadString)
	}
	return append([]byte{}, c.cfg.AuthzID...), nil
}

func (c *externalClient) Next([]byte) ([]byte, error) { return nil, ErrUnexpected }

func (c *externalClient) Finish([]byte) error {
	if !c.started {
		return ErrUnexpected
	}
	return nil
}

// externalServer is the server side of EXTERNAL.
type externalServer struct{ serverBase }

func (s *externalServer) Next(ctx context.Context, response []byte) ([]byte, bool, error) {
	if err := s.enter(response); err != nil {
		return nil, false, err
	}
	if s.step == 0 && response == nil {
		return s.challenge([]byte{})
	}
	if len(response) > maxName || !utf8.Valid(response) || bytes.IndexByte(response, 0) >= 0 {
		return nil, false, fail(InvalidAuthzID, nil)
	}
	authzid := string(response)
	user, err := s.cfg.Credentials.External(ctx, authzid, s.cfg.TLS)
	if err != nil {
		return nil, false, wireError(err)
	}
	return s.success(ctx, user, authzid, nil)
}
