package sql_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/etherx-go/xmpp/archive"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/roster"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/storage/sql"
)

// The test binary is also the other process of the tests.
const (
	roleVar = "ETHERX_SQL_ROLE"
	pathVar = "ETHERX_SQL_PATH"
)

var (
	juliet = jid.MustParse("juliet@capulet.example")
	romeo  = jid.MustParse("romeo@montague.example")
	moment = time.Date(2002, time.September, 10, 23, 41, 7, 0, time.UTC)
)

func TestMain(m *testing.M) {
	role := map[string]func(*sql.DB) error{"writer": writeForever, "counter": count}[os.Getenv(roleVar)]
	if role == nil {
		os.Exit(m.Run())
	}
	db, err := sql.Open(context.Background(), sql.Config{Path: os.Getenv(pathVar)})
	if err == nil {
		err = role(db)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// process starts the other process; its output can be read from the result.
func process(t *testing.T, role, path string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), roleVar+"="+role, pathVar+"="+path)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, bufio.NewScanner(out)
}

func message(body string) *stanza.Stanza {
	st, err := (&stanza.Message{To: juliet, From: romeo, Body: body}).Stanza()
	if err != nil {
		panic(err)
	}
	return st
}

// writeForever adds messages and changes a roster in many goroutines, and prints
// a line for all that has been acknowledged: "message <writer> <number>",
// "archived <writer> <number>" or "roster <writer> <number>".
func writeForever(db *sql.DB) error {
	const writers = 8
	round := os.Getpid()
	failed := make(chan error, 3*writers)
	var out lines
	for w := range writers {
		go func() {
			for n := 0; ; n++ {
				body := fmt.Sprintf("%d.%d %d", round, w, n)
				if err := db.Offline().Add(context.Background(), juliet, message(body), moment, -1); err != nil {
					failed <- err
					return
				}
				out.print("message " + body)
			}
		}()
		go func() {
			for n := 0; ; n++ {
				body := fmt.Sprintf("%d.%d %d", round, w, n)
				to := archive.Entry{Archive: juliet, With: romeo, At: moment, Stanza: message(body)}
				from := archive.Entry{Archive: romeo, With: juliet, At: moment, Stanza: message(body)}
				if _, err := db.Archives().Append(context.Background(), to, from); err != nil {
					failed <- err
					return
				}
				out.print("archived " + body)
			}
		}()
		go func() {
			contact := jid.MustParse(fmt.Sprintf("%d.%d@montague.example", round, w))
			for n := 0; ; n++ {
				_, err := db.Rosters().Update(context.Background(), juliet, contact, func(e *roster.Entry, _ int) error {
					e.Hidden, e.Name = false, fmt.Sprint(n)
					return nil
				})
				if err != nil {
					failed <- err
					return
				}
				out.print(fmt.Sprintf("roster %d.%d %d", round, w, n))
			}
		}()
	}
	return <-failed
}

// lines are written whole.
type lines struct{ mu sync.Mutex }

func (l *lines) print(s string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	io.WriteString(os.Stdout, s+"\n")
}

const counts = 100

// count counts to 100 in the group of a contact, and adds a message each time.
func count(db *sql.DB) error {
	for range counts {
		_, err := db.Rosters().Update(context.Background(), juliet, romeo, func(e *roster.Entry, _ int) error {
			e.Hidden, e.Name = false, e.Name+"x"
			return nil
		})
		if err == nil {
			err = db.Offline().Add(context.Background(), juliet, message(strings.Repeat("x", 500)), moment, -1)
		}
		if err != nil {
			return err
		}
	}
	return db.Close()
}
