package sql_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/storage/sql"
)

// What is stored is there when the database is opened again.
func Example() {
	dir, err := os.MkdirTemp("", "etherx")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	account := jid.MustParse("juliet@capulet.example")
	for range 2 {
		db, err := sql.Open(ctx, sql.Config{Path: filepath.Join(dir, "etherx.db")})
		if err != nil {
			fmt.Println(err)
			return
		}
		ok, err := db.Accounts().Exists(ctx, account)
		fmt.Println(ok, err)
		if err := db.Accounts().SetPassword(ctx, account, "r0m30"); err != nil {
			fmt.Println(err)
		}
		if err := db.Close(); err != nil {
			fmt.Println(err)
		}
	}
	// Output:
	// false <nil>
	// true <nil>
}
