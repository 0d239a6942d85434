package stream

import (
	"context"
	"crypto"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/etherx-go/xmpp/sasl"
	"github.com/etherx-go/xmpp/stanza"
)

const (
	nsUpgrade      = "urn:xmpp:sasl:upgrade:0"
	nsSCRAMUpgrade = "urn:xmpp:scram-upgrade:0"

	upgradePrefix = "UPGR-" // of the names of tasks
	maxSalt       = 1024    // bytes of a salt that a server may send
)

// upgradeName is the name of the task that leads to keys for SCRAM with a hash.
func upgradeName(h crypto.Hash) string { return fmt.Sprintf("%sSCRAM-%v", upgradePrefix, h) }

// upgradeHash returns the hash of such a task; false if it is another.
func upgradeHash(name string) (crypto.Hash, bool) {
	name, ok := strings.CutPrefix(name, upgradePrefix)
	h, isSCRAM := sasl.SCRAMHash(name)
	return h, ok && isSCRAM && !strings.HasSuffix(name, "-PLUS")
}

// UpgradeServer is the server's side of XEP-0480: clients that have proven by a
// password who they are hand over what is to be stored for SCRAM mechanisms which the
// account has no keys for.
type UpgradeServer struct {
	// Hashes are what keys are wanted for. They are shown to everybody.
	Hashes []crypto.Hash
	// Iterations is the iteration count of new keys; 0 = sasl.DefaultIterations.
	Iterations int
	// Wanted reports whether the user has no keys for the hash.
	Wanted func(ctx context.Context, user string, h crypto.Hash) (bool, error)
	// Save stores the keys beside what is there. An error is reported, and the login
	// goes on.
	Save func(ctx context.Context, user string, keys sasl.SCRAMKeys) error
}

// provesPassword reports whether a client that has authenticated by a mechanism has
// shown that it knows the password. Who has something else, such as a token, must not
// come by what is as good as the password.
func provesPassword(mechanism string) bool {
	_, scram := sasl.SCRAMHash(mechanism)
	return scram || mechanism == sasl.Plain || mechanism == sasl.DigestMD5
}

// appendOffer appends what is offered.
func (u *UpgradeServer) appendOffer(dst []byte) []byte {
	if u == nil {
		return dst
	}
	for _, h := range u.Hashes {
		dst = append(stanza.AppendText(append(dst, "<upgrade xmlns='"+nsUpgrade+"'>"...), upgradeName(h)), "</upgrade>"...)
	}
	return dst
}

// wanted returns the upgrades that the client asks for and that are wanted.
func (u *UpgradeServer) wanted(ctx context.Context, l *Login) (tasks []*upgradeTask, err error) {
	if u == nil || !provesPassword(l.Mechanism) {
		return nil, nil
	}
	asked := texts(l.Request, nsUpgrade, "upgrade")
	for _, h := range u.Hashes {
		if !slices.Contains(asked, upgradeName(h)) {
			continue
		}
		yes, err := u.Wanted(ctx, l.User, h)
		if err != nil {
			return nil, err
		}
		if yes {
			tasks = append(tasks, &upgradeTask{server: u, login: l, hash: h})
		}
	}
	return tasks, nil
}

// upgradeTask is one upgrade, on the server.
type upgradeTask struct {
	server *UpgradeServer
	login  *Login
	hash   crypto.Hash
	salt   []byte
	report func(error)
}

// task returns it as a ServerTask.
func (t *upgradeTask) task() ServerTask { return ServerTask{Name: upgradeName(t.hash), Step: t.step} }

func (t *upgradeTask) iterations() int {
	if t.server.Iterations > 0 {
		return t.server.Iterations
	}
	return sasl.DefaultIterations
}

// step sends the salt, and then takes the salted password.
func (t *upgradeTask) step(ctx context.Context, el stanza.Element) (stanza.Raw, bool, error) {
	if t.salt == nil {
		t.salt = make([]byte, 16)
		rand.Read(t.salt) // never fails
		n := strconv.Itoa(t.iterations())
		salt := "<salt xmlns='" + nsSCRAMUpgrade + "' iterations='" + n + "'>" + encode(t.salt) + "</salt>"
		return stanza.Raw(salt), false, nil
	}
	salted, err := data2(el.Child(nsSCRAMUpgrade, "hash"))
	if err != nil {
		return "", false, err
	}
	keys, err := sasl.KeysFromSaltedPassword(t.hash, salted, t.salt, t.iterations())
	if err != nil {
		return "", false, &sasl.Failure{Condition: sasl.MalformedRequest, Err: err}
	}
	if err := t.server.Save(ctx, t.login.User, keys); err != nil {
		t.report(fmt.Errorf("keys for %s: %w", upgradeName(t.hash), err))
	}
	return "", true, nil
}

// appendUpgrades appends the upgrades that the client can help with.
func (a *client2) appendUpgrades(dst []byte) []byte {
	a.upgrades = nil
	bound := strings.HasSuffix(a.mechanism, "-PLUS") || a.mechanism == sasl.Plain
	if a.config.Password == "" || !provesPassword(a.mechanism) || !bound && !a.UnboundUpgrade {
		return dst
	}
	own, _ := sasl.SCRAMHash(a.mechanism)
	for _, name := range texts(a.offer, nsUpgrade, "upgrade") {
		if h, ok := upgradeHash(name); ok && h != own {
			a.upgrades = append(a.upgrades, name)
			dst = append(stanza.AppendText(append(dst, "<upgrade xmlns='"+nsUpgrade+"'>"...), name), "</upgrade>"...)
		}
	}
	return dst
}

// upgradeTask returns the upgrade that the server goes on with, if it is one that was
// asked for.
func (a *client2) upgradeTask(names []string) (string, Task) {
	for _, name := range names {
		if i := slices.Index(a.upgrades, name); i >= 0 {
			a.upgrades = slices.Delete(a.upgrades, i, i+1)
			h, _ := upgradeHash(name)
			return name, &upgradeClient{config: &a.config, hash: h}
		}
	}
	return "", nil
}

// upgradeClient is one upgrade, on the client.
type upgradeClient struct {
	config *sasl.ClientConfig
	hash   crypto.Hash
	done   bool
}

func (u *upgradeClient) Start() (stanza.Raw, error) { return "", nil }

// Next salts the password as the server wants it, once.
func (u *upgradeClient) Next(data stanza.Element) (stanza.Raw, error) {
	if u.done {
		return "", sasl.ErrUnexpected
	}
	u.done = true
	el := data.Child(nsSCRAMUpgrade, "salt")
	salt, err := base64.StdEncoding.DecodeString(strings.TrimSpace(el.Text()))
	if err != nil || len(salt) == 0 || len(salt) > maxSalt {
		return "", fmt.Errorf("%w: bad salt", sasl.ErrMalformed)
	}
	iterations, err := strconv.Atoi(strings.TrimSpace(el.Attr("iterations")))
	if err != nil {
		return "", fmt.Errorf("%w: bad iteration count", sasl.ErrMalformed)
	}
	if err := u.config.CheckIterations(iterations); err != nil {
		return "", err
	}
	salted, err := sasl.SaltedPassword(u.hash, u.config.Password, salt, iterations)
	if err != nil {
		return "", err
	}
	return stanza.Raw("<hash xmlns='" + nsSCRAMUpgrade + "'>" + encode(salted) + "</hash>"), nil
}
