//go:build interop

package openpgp_test

// GnuPG and this package, in both directions.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/openpgp"
	"github.com/etherx-go/xmpp/openpgp/internal/opgptest"
	"github.com/etherx-go/xmpp/openpgp/legacy"
	"github.com/etherx-go/xmpp/openpgp/ox"
	"github.com/etherx-go/xmpp/stanza"
)

// gpg is GnuPG with a home of its own.
type gpg struct{ home string }

func newGPG(t *testing.T) *gpg {
	t.Helper()
	// Not t.TempDir: the names of sockets are short.
	home, err := os.MkdirTemp("", "gpg")
	if err != nil {
		t.Fatal(err)
	}
	g := &gpg{home}
	t.Cleanup(func() {
		cmd := exec.Command("gpgconf", "--kill", "all")
		cmd.Env = g.env()
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("gpgconf --kill: %v: %s", err, out)
		}
		if err := os.RemoveAll(home); err != nil {
			t.Error(err)
		}
	})
	return g
}

func (g *gpg) env() []string { return append(os.Environ(), "GNUPGHOME="+g.home, "LC_ALL=C") }

// run runs gpg and returns its output and its status lines.
func (g *gpg) run(ctx context.Context, in []byte, args ...string) (out []byte, status string, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	r, w, err := os.Pipe()
	if err != nil {
		return nil, "", err
	}
	defer r.Close()
	args = append([]string{"--batch", "--no-tty", "--pinentry-mode", "loopback", "--passphrase", "", "--trust-model",
		"always",
		"--status-fd", "3"}, args...)
	cmd := exec.CommandContext(ctx, "gpg", args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.Env, cmd.ExtraFiles = bytes.NewReader(in), &stdout, &stderr, g.env(),
		[]*os.File{w}
	lines := make(chan string)
	go func() {
		var b bytes.Buffer
		_, _ = b.ReadFrom(r)
		lines <- b.String()
	}()
	err = cmd.Run()
	w.Close()
	status = <-lines
	if err != nil {
		err = fmt.Errorf("gpg %q: %w: %s", args, err, &stderr)
	}
	return stdout.Bytes(), status, err
}

// must is run that has to go well.
func (g *gpg) must(t *testing.T, in []byte, args ...string) (out []byte, status string) {
	t.Helper()
	out, status, err := g.run(t.Context(), in, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out, status
}

// import adds keys.
func (g *gpg) add(t *testing.T, keys ...*openpgp.Key) {
	t.Helper()
	for _, k := range keys {
		if _, status := g.must(t, k.Bytes(), "--import"); !strings.Contains(status, "IMPORT_OK") ||
			!strings.Contains(status, k.Fingerprint()) {
			t.Fatalf("import of %v: %s", k, status)
		}
	}
}

// newKey makes a key of gpg's own.
func (g *gpg) newKey(t *testing.T, addr, sign, encrypt string) *openpgp.Key {
	t.Helper()
	_, status := g.must(t, nil, "--quick-gen-key", "xmpp:"+addr, sign, "cert,sign", "never")
	fields := strings.Fields(status[strings.Index(status, "KEY_CREATED"):])
	g.must(t, nil, "--quick-add-key", fields[2], encrypt, "encr", "never")
	out, _ := g.must(t, nil, "--export-secret-keys", fields[2])
	keys, err := openpgp.ReadKeys(bytes.NewReader(out), openpgp.Limits{})
	if err != nil || len(keys) != 1 || keys[0].Fingerprint() != fields[2] || !keys[0].IsSecret() {
		t.Fatalf("a key of gpg: %v, %v", keys, err)
	}
	return keys[0]
}

// generated makes a key of our own.
func generated(t *testing.T, addr string) *openpgp.Key {
	t.Helper()
	k, err := openpgp.Generate(jid.MustParse(addr), 0)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func ringWith(keys ...*openpgp.Key) *openpgp.Keyring { return &openpgp.Keyring{Own: keys} }

// The kinds of keys that people have.
var algorithms = [][2]string{
	{"ed25519", "cv25519"}, {"rsa2048", "rsa2048"}, {"rsa3072", "rsa3072"}, {"nistp256", "nistp256"}, {"nistp521",
		"nistp521"},
	{"brainpoolP256r1", "brainpoolP256r1"},
}

func TestGnuPGKeys(t *testing.T) {
	g := newGPG(t)
	ours := generated(t, "juliet@example.org")
	g.add(t, ours)
	text := []byte("O Romeo, Romeo!\nWherefore art thou Romeo?\n")
	for _, a := range algorithms {
		t.Run(a[0], func(t *testing.T) {
			addr := a[0] + "@example.org"
			theirs := g.newKey(t, addr, a[0], a[1])
			if !theirs.HasAddress(jid.MustParse(addr), time.Time{}) || theirs.Check(time.Now().Add(time.Minute)) != nil {
				t.Errorf("user IDs %q, %v", theirs.UserIDs(), theirs.Check(time.Time{}))
			}
			ring := ringWith(theirs) // the secret key of gpg, used here

			t.Run("we read what gpg writes", func(t *testing.T) {
				for _, options := range [][]string{nil, {"--textmode"}, {"--digest-algo", "SHA512"}, {"--rfc4880",
					"--digest-algo", "SHA512"}} {
					sig, _ := g.must(t, text, slices.Concat(options, []string{"--local-user", "xmpp:" + addr, "--detach-sign"})...)
					if got, err := ring.Verify(t.Context(), text, sig, []*openpgp.Key{theirs}, time.Time{}); err != nil ||
						got.Key.Fingerprint() != theirs.Fingerprint() || time.Since(got.Time) > time.Minute {
						t.Errorf("%q: a signature: %+v, %v", options, got, err)
					}
					if got, err := ring.Verify(t.Context(), text[1:], sig, []*openpgp.Key{theirs}, time.Time{}); err == nil {
						t.Errorf("%q: a signature of something else: %+v", options, got)
					}
				}
				for _, options := range [][]string{
					nil, {"--compress-algo", "zip"}, {"--compress-algo", "bzip2"}, {"--compress-algo", "none"}, {"--cipher-algo",
						"AES"},
					{"--cipher-algo", "3DES"}, {"--cipher-algo", "CAST5"}, {"--throw-keyids"}, {"--rfc4880"},
				} {
					m, _ := g.must(t, text, slices.Concat(options, []string{"--local-user", "xmpp:" + addr, "-r",
						theirs.Fingerprint(), "-r",
						ours.Fingerprint(), "--sign", "--encrypt"})...)
					for _, reader := range []*openpgp.Keyring{ring, ringWith(ours)} {
						o, err := reader.Open(t.Context(), m, []*openpgp.Key{theirs}, time.Time{})
						if err != nil || !bytes.Equal(o.Plain, text) || o.Signature == nil || !o.Encrypted {
							t.Errorf("%q: a message: %+v, %v", options, o, err)
						}
					}
				}
			})
			t.Run("gpg reads what we write", func(t *testing.T) {
				for _, signer := range []*openpgp.Key{theirs, ours} {
					writer := ringWith(signer)
					sig, err := writer.Sign(t.Context(), text)
					if err != nil {
						t.Fatal(err)
					}
					file := filepath.Join(t.TempDir(), "sig")
					if err := os.WriteFile(file, sig, 0o600); err != nil {
						t.Fatal(err)
					}
					if _, status := g.must(t, text, "--verify", file, "-"); !isGood(status, signer) {
						t.Errorf("a signature: %s", status)
					}
					if _, status, err := g.run(t.Context(), text[1:], "--verify", file, "-"); err == nil ||
						!strings.Contains(status, "BADSIG") {
						t.Errorf("a signature of something else: %s, %v", status, err)
					}
					for _, to := range [][]*openpgp.Key{nil, {theirs}, {theirs, ours}} {
						m, err := writer.Seal(t.Context(), text, to, true)
						if err != nil {
							t.Fatal(err)
						}
						out, status := g.must(t, m, "--decrypt")
						if !bytes.Equal(out, text) || !isGood(status, signer) || strings.Contains(status,
							"DECRYPTION_OKAY") != (to != nil) {
							t.Errorf("a message to %v: %q, %s", to, out, status)
						}
					}
				}
			})
		})
	}
}

// isGood reports whether gpg says that there is a good signature by the key.
func isGood(status string, k *openpgp.Key) bool {
	return strings.Contains(status, "GOODSIG") && strings.Contains(status, "VALIDSIG") && strings.Contains(status,
		k.Fingerprint())
}

// Keys that expire and are revoked while they are in use.
func TestGnuPGKeyState(t *testing.T) {
	g := newGPG(t)
	for _, tt := range []struct {
		name, reason string
		want         error
	}{{"expire", "", openpgp.ErrKeyExpired}, {"compromised", "1", openpgp.ErrKeyRevoked}, {"superseded", "2",
		openpgp.ErrKeyRevoked}} {
		k := g.newKey(t, tt.name+"@example.org", "ed25519", "cv25519")
		sig, _ := g.must(t, status, "--local-user", k.Fingerprint(), "--detach-sign")
		verify := func(at time.Time) error {
			out, _ := g.must(t, nil, "--export", k.Fingerprint())
			keys, err := openpgp.ReadKeys(bytes.NewReader(out), openpgp.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			_, err = ringWith().Verify(t.Context(), status, sig, keys, at)
			return err
		}
		if err := verify(time.Time{}); err != nil {
			t.Errorf("%s: before: %v", tt.name, err)
		}
		if tt.reason == "" {
			g.must(t, nil, "--quick-set-expire", k.Fingerprint(), "seconds=3600")
		} else {
			cmd := exec.Command("gpg", "--no-tty", "--command-fd", "0", "--pinentry-mode", "loopback", "--passphrase", "",
				"--armor",
				"--gen-revoke", k.Fingerprint())
			cmd.Env, cmd.Stdin = g.env(), strings.NewReader("y\n"+tt.reason+"\n\ny\n")
			out, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			g.must(t, out, "--import")
		}
		if tt.reason == "" { // signed anew, and good as long as it lasts
			if err := verify(time.Now().Add(30 * time.Minute)); err != nil {
				t.Errorf("%s: half an hour later: %v", tt.name, err)
			}
		}
		if err := verify(time.Now().Add(2 * time.Hour)); !errors.Is(err, tt.want) {
			t.Errorf("%s: after: %v, want %v", tt.name, err, tt.want)
		}
	}
}

// Keys, locked and not, and backups.
func TestGnuPGSecretKeys(t *testing.T) {
	g := newGPG(t)
	k := generated(t, "juliet@example.org")
	locked, err := k.Lock([]byte("balcony"))
	if err != nil {
		t.Fatal(err)
	}
	// The passphrase that gpg is given comes last.
	if _, status := g.must(t, []byte(locked.Armor()), "--passphrase", "balcony", "--import"); !strings.Contains(status,
		"IMPORT_OK 17") {
		t.Fatalf("import: %s", status)
	}
	if _, _, err := g.run(t.Context(), status, "--passphrase", "orchard", "--local-user", k.Fingerprint(),
		"--detach-sign"); err == nil {
		t.Error("signed with a wrong passphrase")
	}
	g.must(t, status, "--passphrase", "balcony", "--local-user", k.Fingerprint(), "--detach-sign")
	out, _ := g.must(t, nil, "--passphrase", "balcony", "--armor", "--export-secret-keys", k.Fingerprint())
	keys, err := openpgp.ReadKeys(bytes.NewReader(out), openpgp.Limits{})
	if err != nil || !keys[0].IsLocked() {
		t.Fatalf("exported %v, %v", keys, err)
	}
	if again, err := keys[0].Unlock([]byte("balcony")); err != nil || again.Fingerprint() != k.Fingerprint() {
		t.Errorf("unlocked: %v", err)
	}

	code := openpgp.NewBackupCode()
	backup, err := openpgp.Backup(code, k)
	if err != nil {
		t.Fatal(err)
	}
	plain, _ := g.must(t, backup, "--passphrase", code, "--decrypt")
	if !bytes.Equal(plain, k.Bytes()) {
		t.Error("gpg has restored something else")
	}
	// "The octet indicating string-to-key usage conventions MUST be set to zero."
	packets, _ := g.must(t, plain, "--list-packets", "--verbose")
	if bytes.Contains(packets, []byte("protect")) || bytes.Contains(packets, []byte("S2K")) {
		t.Errorf("the keys in the backup are locked: %s", packets)
	}
	theirs, _ := g.must(t, plain, "--passphrase", code, "--cipher-algo", "AES", "--s2k-count", "65536", "--symmetric")
	if restored, err := openpgp.Restore(theirs, code, openpgp.Limits{}); err != nil || !bytes.Equal(restored[0].Bytes(),
		k.Bytes()) {
		t.Errorf("restored %v, %v", restored, err)
	}
}

// What old clients do: they put the header lines back, and ask gpg.
func TestGnuPGLegacy(t *testing.T) {
	g := newGPG(t)
	romeo := g.newKey(t, "romeo@example.org", "rsa2048", "rsa2048")
	juliet := generated(t, "juliet@example.org")
	g.add(t, juliet.Public())

	t.Run("CORE-C-1 CORE-C.1-1 presence", func(t *testing.T) {
		p := &stanza.Presence{Status: "Ich hab' heut' Geburtstag ♥"}
		if err := legacy.Sign(t.Context(), ringWith(juliet), p); err != nil {
			t.Fatal(err)
		}
		st, err := p.Stanza()
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "sig")
		armor := "-----BEGIN PGP SIGNATURE-----\n\n" + st.Child(legacy.NSSigned, "x").Text() +
			"\n-----END PGP SIGNATURE-----\n"
		if err := os.WriteFile(file, []byte(armor), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, status := g.must(t, []byte(p.Status), "--verify", file, "-"); !isGood(status, juliet) {
			t.Errorf("gpg says %s", status)
		}
		for _, options := range [][]string{nil, {"--textmode"}} {
			out, _ := g.must(t, []byte(p.Status), append(options, "--armor", "--local-user", romeo.Fingerprint(),
				"--detach-sign")...)
			st := opgptest.Parse(t, "<presence><status>"+p.Status+"</status><x xmlns='jabber:x:signed'>"+body(out)+"</x>"+
				"</presence>")
			sig, err := legacy.Verify(t.Context(), ringWith(juliet), st, []*openpgp.Key{romeo}, time.Time{})
			if err != nil || sig.Key.Fingerprint() != romeo.Fingerprint() {
				t.Errorf("%q: %v, %v", options, sig, err)
			}
		}
	})
	t.Run("CORE-C.2-1 CORE-C.2-2 message", func(t *testing.T) {
		m := &stanza.Message{To: jid.MustParse("romeo@example.org"), Body: "Gute Nacht ♥\nSchlaf gut"}
		sealed, err := legacy.Encrypt(t.Context(), ringWith(juliet), m, []*openpgp.Key{romeo.Public()}, "")
		if err != nil {
			t.Fatal(err)
		}
		st, err := sealed.Stanza()
		if err != nil {
			t.Fatal(err)
		}
		armor := "-----BEGIN PGP MESSAGE-----\n\n" + st.Child(legacy.NSEncrypted, "x").Text() +
			"\n-----END PGP MESSAGE-----\n"
		if out, _ := g.must(t, []byte(armor), "--decrypt"); string(out) != m.Body {
			t.Errorf("gpg reads %q", out)
		}
		for _, options := range [][]string{nil, {"--textmode"}, {"--sign", "--local-user", romeo.Fingerprint()}} {
			out, _ := g.must(t, []byte(m.Body), append(options, "--armor", "-r", juliet.Fingerprint(), "--encrypt")...)
			st := opgptest.Parse(t, "<message><body>x</body><x xmlns='jabber:x:encrypted'>"+body(out)+"</x></message>")
			clear, sec, err := legacy.Decrypt(t.Context(), ringWith(juliet), st, []*openpgp.Key{romeo}, time.Time{})
			if err != nil || clear.Message().Body != m.Body || (sec.Signature != nil) != slices.Contains(options, "--sign") {
				t.Errorf("%q: %v, %+v, %v", options, clear, sec, err)
			}
		}
	})
}

// body takes the header and footer lines off armour.
func body(armor []byte) string {
	_, rest, _ := strings.Cut(string(armor), "\n\n")
	text, _, _ := strings.Cut(rest, "\n-----END")
	return text
}

// gpgEngine leaves everything to gpg, and the secret keys with gpg-agent.
type gpgEngine struct {
	*gpg
	own *openpgp.Key
}

func (g *gpgEngine) Keys() []*openpgp.Key { return []*openpgp.Key{g.own.Public()} }

func (g *gpgEngine) Sign(ctx context.Context, data []byte) ([]byte, error) {
	out, _, err := g.run(ctx, data, "--local-user", g.own.Fingerprint(), "--detach-sign")
	return out, err
}

func (g *gpgEngine) Verify(ctx context.Context, data, sig []byte, from []*openpgp.Key,
	_ time.Time) (*openpgp.Signature, error) {
	file := filepath.Join(g.home, "signature")
	if err := os.WriteFile(file, sig, 0o600); err != nil {
		return nil, err
	}
	_, status, _ := g.run(ctx, data, "--verify", file, "-")
	return signature(status, from)
}

func (g *gpgEngine) Seal(ctx context.Context, plain []byte, to []*openpgp.Key, sign bool) ([]byte, error) {
	var args []string
	for _, k := range to {
		file := filepath.Join(g.home, k.Fingerprint())
		if err := os.WriteFile(file, k.Public().Bytes(), 0o600); err != nil {
			return nil, err
		}
		args = append(args, "--recipient-file", file)
	}
	if sign {
		args = append(args, "--local-user", g.own.Fingerprint(), "--sign")
	}
	if len(to) > 0 {
		args = append(args, "--encrypt")
	}
	out, _, err := g.run(ctx, plain, args...)
	return out, err
}

func (g *gpgEngine) Open(ctx context.Context, message []byte, from []*openpgp.Key, _ time.Time) (*openpgp.Opened,
	error) {
	out, status, err := g.run(ctx, message, "--decrypt")
	if err != nil && !strings.Contains(status, "PLAINTEXT") {
		return nil, fmt.Errorf("%w: %w", openpgp.ErrNoKey, err)
	}
	o := &openpgp.Opened{Plain: out, Encrypted: strings.Contains(status, "DECRYPTION_OKAY")}
	o.Signature, o.Err = signature(status, from)
	return o, nil
}

// signature reads the status lines of gpg.
func signature(status string, from []*openpgp.Key) (*openpgp.Signature, error) {
	switch {
	case strings.Contains(status, "BADSIG"):
		return nil, openpgp.ErrBadSignature
	case !strings.Contains(status, "GOODSIG"):
		return nil, openpgp.ErrNotSigned
	}
	_, rest, _ := strings.Cut(status, "VALIDSIG ")
	fields := strings.Fields(strings.SplitN(rest, "\n", 2)[0])
	for _, k := range from {
		if k.Fingerprint() == fields[len(fields)-1] {
			seconds, err := strconv.ParseInt(fields[2], 10, 64)
			return &openpgp.Signature{Key: k, Time: time.Unix(seconds, 0)}, err
		}
	}
	return nil, openpgp.ErrUnknownSigner
}

// An engine that leaves its work to gpg talks with one in Go.
func TestGnuPGEngine(t *testing.T) {
	g := newGPG(t)
	romeo := &gpgEngine{g, g.newKey(t, "romeo@example.org", "ed25519", "cv25519")}
	juliet := ringWith(generated(t, "juliet@example.org"))
	g.add(t, juliet.Keys()...)
	addrs := map[openpgp.Engine]jid.JID{romeo: opgptest.Romeo, juliet: opgptest.Juliet}
	for _, pair := range [][2]openpgp.Engine{{romeo, juliet}, {juliet, romeo}, {romeo, romeo}} {
		from, to := pair[0], pair[1]
		m := &stanza.Message{From: addrs[from], To: addrs[to], Body: "Good night, good night!"}
		sealed, err := ox.Seal(t.Context(), from, m, to.Keys(), "")
		if err != nil {
			t.Fatal(err)
		}
		st, err := sealed.Stanza()
		if err != nil {
			t.Fatal(err)
		}
		o, err := ox.Open(t.Context(), to, st, ox.Checks{Keys: from.Keys()})
		if err != nil || o.Stanza.Message().Body != m.Body || o.Signature.Key.Fingerprint() != from.Keys()[0].Fingerprint() {
			t.Errorf("from %v: %+v, %v", m.From, o, err)
		}
		if _, err := ox.Open(t.Context(), to, st, ox.Checks{}); !errors.Is(err, openpgp.ErrUnknownSigner) {
			t.Errorf("from %v, without his keys: %v", m.From, err)
		}
		p := &stanza.Presence{Status: "Online"}
		if err := legacy.Sign(t.Context(), from, p); err != nil {
			t.Fatal(err)
		}
		if st, err = p.Stanza(); err != nil {
			t.Fatal(err)
		}
		if _, err := legacy.Verify(t.Context(), to, st, from.Keys(), time.Time{}); err != nil {
			t.Errorf("presence from %v: %v", m.From, err)
		}
	}
}
