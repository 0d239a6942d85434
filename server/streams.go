package server

import (
	"cmp"
	"slices"
	"time"

	"github.com/etherx-go/xmpp/dialback"
)

// ServerStream says what is known of a stream with another server, for operators
// and tests.
type ServerStream struct {
	// Pair are the domains of the stream's headers. An old server may have left
	// out the remote one.
	Pair dialback.Pair
	// Opened is true if this server has opened the stream.
	Opened bool
	// TLS, External, Bidi and Acks say whether it is encrypted, was authenticated
	// by a certificate (SASL EXTERNAL), takes stanzas both ways (XEP-0288), and
	// has acknowledgements (XEP-0198).
	TLS, External, Bidi, Acks bool
	// Authorized is true if stanzas of some pair may come or go on it.
	Authorized bool
	// Since is when it was negotiated.
	Since time.Time
}

// ServerStreams returns the streams with other servers, by their domains.
func (s *Server) ServerStreams() []ServerStream {
	if s.fed == nil {
		return nil
	}
	s.fed.mu.Lock()
	defer s.fed.mu.Unlock()
	all := make([]ServerStream, 0, len(s.fed.peers))
	for p := range s.fed.peers {
		all = append(all, ServerStream{
			Pair: p.pair, Opened: p.link != nil, TLS: p.conn.TLS() != nil, External: p.proven, Bidi: p.bidi,
			Acks: p.conn.Managed(), Authorized: p.isProven(), Since: p.begun,
		})
	}
	slices.SortFunc(all, func(a, b ServerStream) int {
		return cmp.Or(a.Pair.Remote.Compare(b.Pair.Remote), a.Pair.Local.Compare(b.Pair.Local), a.Since.Compare(b.Since))
	})
	return all
}
