package sasl

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"maps"
	"strings"
	"testing"
)

// An unknown user must cost what a known one costs and see what a known one
// sees. Clocks are too noisy to show it; the test counts the questions to the
// store and the salting rounds, and compares the shapes of the messages.
func TestUnknownUserSameWork(t *testing.T) {
	type cost struct {
		asked  map[string]int
		rounds int
		shape  []string
	}
	for _, plainBySCRAM := range []bool{false, true} {
		for _, mech := range []string{Plain, SCRAMSHA1, SCRAMSHA256, SCRAMSHA512, DigestMD5} {
			measure := func(user string) cost {
				a := newAccounts()
				cfg := a.server()
				if plainBySCRAM {
					cfg.Credentials.Verify = nil
				}
				c := cost{asked: a.asked}
				cfg.hi = func(h crypto.Hash, password string, salt []byte, n int) ([]byte, error) {
					c.rounds += n
					return saltPrepared(h, password, salt, n)
				}
				ccfg := clientFor(mech)
				ccfg.Username, ccfg.Password = user, "wrong"
				tr, cerr, serr := converse(mustClient(t, mech, ccfg), mustServer(t, mech, cfg))
				if cerr != nil {
					t.Fatal(cerr)
				}
				wantCondition(t, serr, NotAuthorized)
				for _, m := range tr.got {
					c.shape = append(c.shape, shape(m))
				}
				return c
			}
			known, unknown := measure("juliet"), measure("tybalt")
			if !maps.Equal(known.asked, unknown.asked) || len(known.asked) == 0 {
				t.Errorf("%s asks %v for a known user and %v for an unknown one", mech, known.asked, unknown.asked)
			}
			if known.rounds != unknown.rounds {
				t.Errorf("%s salts %d rounds for a known user and %d for an unknown one", mech, known.rounds, unknown.rounds)
			}
			if mech == Plain && plainBySCRAM && known.rounds != 4096 {
				t.Errorf("PLAIN salts %d rounds, want one salting", known.rounds)
			}
			if strings.Join(known.shape, "|") != strings.Join(unknown.shape, "|") {
				t.Errorf("%s shows %v for a known user and %v for an unknown one", mech, known.shape, unknown.shape)
			}
		}
	}
}

// shape reduces a message to attribute names, lengths and the iteration count.
func shape(msg []byte) string {
	var out []string
	for part := range bytes.SplitSeq(msg, []byte{','}) {
		k, v, _ := bytes.Cut(part, []byte{'='})
		if string(k) == "i" || string(k) == "qop" || string(k) == "realm" {
			out = append(out, string(part))
		} else {
			out = append(out, string(k)+strings.Repeat("x", len(v)))
		}
	}
	return strings.Join(out, ",")
}

func firstChallenge(t *testing.T, cfg ServerConfig, user string) serverFirst {
	t.Helper()
	s := mustServer(t, SCRAMSHA256, cfg)
	ch, _, err := s.Next(context.Background(), []byte("n,,n="+user+",r=abc"))
	if err != nil {
		t.Fatal(err)
	}
	f, err := parseServerFirst(ch)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// The salt of an unknown user stays the same, differs between users, hashes and
// secrets, and follows the form in which accounts are kept.
func TestUnknownUserSalt(t *testing.T) {
	cfg := newAccounts().server()
	cfg.Normalize = func(s string) (string, error) {
		if strings.Contains(s, " ") {
			return "", errors.New("space")
		}
		return strings.ToLower(s), nil
	}
	one, again := firstChallenge(t, cfg, "tybalt"), firstChallenge(t, cfg, "tybalt")
	if !bytes.Equal(one.salt, again.salt) || one.iterations != 4096 {
		t.Error("asking twice gives two salts")
	}
	if folded := firstChallenge(t, cfg, "Tybalt"); !bytes.Equal(one.salt, folded.salt) {
		t.Error("two spellings of one unknown user give two salts")
	}
	if a, b := firstChallenge(t, cfg, "juliet"), firstChallenge(t, cfg, "JULIET"); !bytes.Equal(a.salt, b.salt) {
		t.Error("two spellings of one known user give two salts")
	}
	if other := firstChallenge(t, cfg, "paris"); bytes.Equal(one.salt, other.salt) {
		t.Error("two unknown users have one salt")
	}
	if bad := firstChallenge(t, cfg, "a b"); len(bad.salt) != len(one.salt) {
		t.Error("an impossible name shows")
	}
	if k := cfg.fakeKeys("tybalt", crypto.SHA512); !k.valid(crypto.SHA512) {
		t.Error("keys of an unknown user are incomplete")
	}
	cfg.Secret = []byte("another secret")
	if other := firstChallenge(t, cfg, "tybalt"); bytes.Equal(one.salt, other.salt) {
		t.Error("the salt does not depend on the secret")
	}
	cfg.Secret, cfg.Iterations = nil, 0
	one, again = firstChallenge(t, cfg, "tybalt"), firstChallenge(t, cfg, "tybalt")
	if !bytes.Equal(one.salt, again.salt) || one.iterations != DefaultIterations {
		t.Error("without a secret the salt changes")
	}
}

// Somebody who knows the fake keys' secret still cannot log in as nobody.
func TestUnknownUserNeverPasses(t *testing.T) {
	cfg := newAccounts().server()
	s := mustServer(t, SCRAMSHA256, cfg).(*scramServer)
	c := mustClient(t, SCRAMSHA256, ClientConfig{Username: "tybalt", Password: "x"})
	first, _ := c.Start()
	challenge, _, err := s.Next(context.Background(), first)
	if err != nil {
		t.Fatal(err)
	}
	// Give the "unknown" user keys that fit the password of the client.
	f, _ := parseServerFirst(challenge)
	salted, _ := SaltedPassword(crypto.SHA256, "x", f.salt, f.iterations)
	s.keys, _ = KeysFromSaltedPassword(crypto.SHA256, salted, f.salt, f.iterations)
	final, err := c.Next(challenge)
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = s.Next(context.Background(), final)
	wantCondition(t, err, NotAuthorized)
	if !errors.Is(err, SCRAMUnknownUser) {
		t.Errorf("cause %v", err)
	}
}
