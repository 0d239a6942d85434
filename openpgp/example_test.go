package openpgp_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/openpgp"
)

func ExampleGenerate() {
	key, err := openpgp.Generate(jid.MustParse("juliet@example.org"), 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	locked, err := key.Lock([]byte("balcony"))
	if err != nil {
		fmt.Println(err)
		return
	}
	file := locked.Armor() // to keep

	keys, err := openpgp.ReadKeys(strings.NewReader(file), openpgp.Limits{})
	if err != nil {
		fmt.Println(err)
		return
	}
	key, err = keys[0].Unlock([]byte("balcony"))
	fmt.Println(key.UserIDs(), err)
	// Output: [xmpp:juliet@example.org] <nil>
}

func ExampleKeyring() {
	ctx := context.Background()
	juliet, _ := openpgp.Generate(jid.MustParse("juliet@example.org"), 0)
	romeo, _ := openpgp.Generate(jid.MustParse("romeo@example.org"), 0)

	hers := &openpgp.Keyring{Own: []*openpgp.Key{juliet}}
	message, err := hers.Seal(ctx, []byte("O Romeo"), []*openpgp.Key{romeo.Public()}, true)
	if err != nil {
		fmt.Println(err)
		return
	}
	his := &openpgp.Keyring{Own: []*openpgp.Key{romeo}}
	opened, err := his.Open(ctx, message, []*openpgp.Key{juliet.Public()}, time.Time{})
	fmt.Printf("%s %t %v\n", opened.Plain, opened.Signature.Key.Fingerprint() == juliet.Fingerprint(), err)
	// Output: O Romeo true <nil>
}

func ExampleBackup() {
	key, _ := openpgp.Generate(jid.MustParse("juliet@example.org"), 0)
	code := openpgp.NewBackupCode() // to be written down
	backup, err := openpgp.Backup(code, key)
	if err != nil {
		fmt.Println(err)
		return
	}
	keys, err := openpgp.Restore(backup, code, openpgp.Limits{})
	fmt.Println(keys[0].Fingerprint() == key.Fingerprint(), err)
	// Output: true <nil>
}
