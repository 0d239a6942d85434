package search

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"sync"
	"time"

	"github.com/etherx-go/xmpp/internal/lru"
	"github.com/etherx-go/xmpp/jid"
)

// maxUsers bounds of how many users the requests are counted.
const maxUsers = 10_000

// throttle counts the requests of each user.
type throttle struct {
	mu    sync.Mutex
	count lru.Map[jid.JID, window]
}

// window counts what came since a time.
type window struct {
	since time.Time
	n     int
}

// take counts a request, and reports whether it is within the bound.
func (t *throttle) take(user jid.JID, limit int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	w, ok := t.count.Get(user)
	if !ok || now.Sub(w.since) >= time.Minute {
		w = window{since: now}
	}
	w.n++
	t.count.Put(user.Clone(), w, maxUsers)
	limit = orDefault(limit, DefaultMaxPerMinute)
	return limit < 0 || w.n <= limit
}

// keys makes the keys that services of old give out, which it need not remember.
type keys struct {
	once   sync.Once
	secret [32]byte
}

// of returns the key of a user at an address.
func (k *keys) of(from, to jid.JID) string {
	k.once.Do(func() { rand.Read(k.secret[:]) })
	mac := hmac.New(sha256.New, k.secret[:])
	mac.Write([]byte(from.String() + "\x00" + to.String()))
	return hex.EncodeToString(mac.Sum(nil)[:20])
}

// is reports whether key is the one of a user at an address.
func (k *keys) is(key string, from, to jid.JID) bool {
	return hmac.Equal([]byte(strings.TrimSpace(key)), []byte(k.of(from, to)))
}
