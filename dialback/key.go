package dialback

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"sync"

	"github.com/etherx-go/xmpp/jid"
)

// Key returns the dialback key of XEP-0185, section 2, in hexadecimal:
//
//	HMAC-SHA256(SHA256(secret), {receiving, ' ', originating, ' ', streamID})
//
// receiving and originating are domains, and streamID is the id that the
// receiving server gave the stream.
func Key(secret, receiving, originating, streamID string) string {
	return sign(hashed(secret), receiving, originating, streamID)
}

// hashed returns the key of the HMAC, in "the hexadecimal representation"
// (XEP-0185, section 2, note 4).
func hashed(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

func sign(hashed, receiving, originating, streamID string) string {
	mac := hmac.New(sha256.New, []byte(hashed))
	mac.Write([]byte(receiving + " " + originating + " " + streamID)) // never returns an error
	return hex.EncodeToString(mac.Sum(nil))
}

// Secret makes the keys of one deployment, and recognizes them. The originating
// and the authoritative server of a domain must have the same one, also where
// they are different machines. The zero Secret makes itself of 32 random bytes
// when it is first used, so each is another one; it must not be copied. A
// Secret is safe for concurrent use, and does not show itself in logs.
type Secret struct {
	once   sync.Once
	hashed string
}

// SecretOf returns the Secret that is made of a text, which the servers of a
// deployment share: "a configuration option for each host or process"
// (XEP-0185, section 2). An empty text gives a random one, as the zero Secret.
func SecretOf(text string) *Secret {
	s := new(Secret)
	if text != "" {
		s.once.Do(func() { s.hashed = hashed(text) })
	}
	return s
}

func (s *Secret) get() string {
	s.once.Do(func() {
		var b [32]byte
		rand.Read(b[:]) // never fails, see crypto/rand
		s.hashed = hashed(string(b[:]))
	})
	return s.hashed
}

// Key returns the key for the stream with this id from the originating to the
// receiving domain.
func (s *Secret) Key(receiving, originating jid.JID, streamID string) string {
	return sign(s.get(), receiving.Domain(), originating.Domain(), streamID)
}

// Verify reports whether key is what [Secret.Key] gives. How long it takes does
// not tell how much of it is right.
func (s *Secret) Verify(key string, receiving, originating jid.JID, streamID string) bool {
	return hmac.Equal([]byte(key), []byte(s.Key(receiving, originating, streamID)))
}

// String returns a word that does not tell the secret.
func (s *Secret) String() string { return "[redacted]" }

// GoString returns a word that does not tell the secret.
func (s *Secret) GoString() string { return s.String() }

// LogValue returns a word that does not tell the secret.
func (s *Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }
