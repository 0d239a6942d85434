package register

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"sync"
)

// keys makes the keys of XEP-0077, section 7, which it need not remember.
type keys struct {
	once   sync.Once
	secret [32]byte
}

// of returns the key of who is so described.
func (k *keys) of(who ...string) string {
	k.once.Do(func() { rand.Read(k.secret[:]) })
	mac := hmac.New(sha256.New, k.secret[:])
	for _, w := range who {
		mac.Write([]byte(w))
		mac.Write([]byte{0})
	}
	// As long as the hashes of the first servers.
	return hex.EncodeToString(mac.Sum(nil)[:20])
}

// keyOf returns the key of a requester: that of its session, or that of its
// connection.
func (s *Server) keyOf(r Requester) string {
	if r.Account.IsZero() {
		return s.keys.of("remote", r.Domain, r.RemoteAddr)
	}
	return s.keys.of("session", r.Domain, r.Account.String(), r.Session.String())
}

// sameKey compares keys. White space around them does not count: the Jabber
// Programmers Guide shows it once with, once without.
func sameKey(a, b string) bool {
	return hmac.Equal([]byte(strings.TrimSpace(a)), []byte(strings.TrimSpace(b)))
}
