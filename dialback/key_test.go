package dialback

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/etherx-go/xmpp/jid"
)

func TestKey(t *testing.T) {
	tests := []struct{ name, secret, receiving, originating, id, want string }{
		{"CORE-5.2-3 XEP-0185 section 3", "s3cr3tf0rd14lb4ck", "xmpp.example.com", "example.org", "D60000229F",
			"37c69b1cf07a3f67c04a5ef5902fa5114f2c76fe4a2686482ba5b89323075643"},
		{"CORE-5.2-3 XEP-0220 example 1", "s3cr3tf0rd14lb4ck", "montague.example", "capulet.example", "D60000229F",
			"b4835385f37fe2895af6c196b59097b16862406db80559900d96bf6fa7d23df3"},
		{"CORE-5.2-3 XEP-0220 example 5", "d14lb4ck43v3r", "capulet.example", "montague.example", "417GAF25",
			"225cc5aa6a071133249d25fef42ae516fc7a86c523aa1c6980a7f73e784c972d"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Key(tt.secret, tt.receiving, tt.originating, tt.id); got != tt.want {
				t.Errorf("got %s", got)
			}
			r, o := jid.MustParse(tt.receiving), jid.MustParse(tt.originating)
			s := SecretOf(tt.secret)
			if got := s.Key(r, o, tt.id); got != tt.want {
				t.Errorf("Secret: got %s", got)
			}
			if !s.Verify(tt.want, r, o, tt.id) {
				t.Error("not verified")
			}
			for name, ok := range map[string]bool{
				"other secret":   SecretOf(tt.secret+"x").Verify(tt.want, r, o, tt.id),
				"other id":       s.Verify(tt.want, r, o, tt.id+"x"),
				"other receiver": s.Verify(tt.want, mallory, o, tt.id),
				"other sender":   s.Verify(tt.want, r, mallory, tt.id),
				"swapped":        s.Verify(tt.want, o, r, tt.id),
				"part of it":     s.Verify(tt.want[:63], r, o, tt.id),
				"nothing":        s.Verify("", r, o, tt.id),
			} {
				if ok {
					t.Errorf("%s: verified", name)
				}
			}
		})
	}
}

func TestSecretRandom(t *testing.T) {
	var zero Secret
	key := func(s *Secret) string { return s.Key(montague, capulet, "1") }
	keys := map[string]bool{key(&zero): true, key(new(Secret)): true, key(SecretOf("")): true, Key("", "montague.example",
		"capulet.example", "1"): true}
	if len(keys) != 4 {
		t.Errorf("secrets are not random: %v", keys)
	}
	if !keys[key(&zero)] {
		t.Error("a secret has changed")
	}
}

func TestSecretConcurrent(t *testing.T) {
	var s Secret
	keys := make([]string, 8)
	var wg sync.WaitGroup
	for i := range keys {
		wg.Go(func() { keys[i] = s.Key(montague, capulet, "1") })
	}
	wg.Wait()
	for _, k := range keys {
		if k != keys[0] {
			t.Fatalf("different keys: %v", keys)
		}
	}
}

func TestSecretRedacted(t *testing.T) {
	s := SecretOf("s3cr3t")
	var b strings.Builder
	slog.New(slog.NewTextHandler(&b, nil)).Info("x", "secret", s)
	for _, out := range []string{b.String(), fmt.Sprintf("%v %+v %#v %s", s, s, s, s)} {
		if strings.Contains(out, "s3cr3t") || strings.Contains(out, s.get()) || !strings.Contains(out, "[redacted]") {
			t.Errorf("got %s", out)
		}
	}
}
