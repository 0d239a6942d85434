package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/etherx-go/xmpp/jid"
)

// The people of the tests.
var (
	juliet = jid.MustParse("juliet@capulet.example")
	romeo  = jid.MustParse("romeo@montague.example")
	nurse  = jid.MustParse("nurse@capulet.example")
)

// accounts are bare addresses that are easily taken for each other, or that an
// engine may not be prepared for.
func accounts() []jid.JID {
	label := strings.Repeat("d", 63) + "."
	longest := strings.Repeat("l", jid.MaxPartLen) + "@" + strings.TrimSuffix(strings.Repeat(label, 16), ".")
	all := []string{
		"juliet@capulet.example", "juliet@montague.example", "capulet.example", "juliet@capulet",
		"juliet.capulet@example", "juliet-capulet@example", "juliet_capulet@example", "juliet%capulet@example",
		"_@capulet.example", "%@capulet.example", "*@capulet.example", "?@capulet.example", "[a-z]@capulet.example",
		"o`brien@capulet.example", `back\slash@capulet.example`, "x--@capulet.example", "a;b@capulet.example",
		"$1@capulet.example", "x+y=z@capulet.example", "{}()|~^!#@capulet.example", "..@capulet.example",
		"ρωμαίος@μοντέγιος.example", "用户@例子.example", "josé@capulet.example", "jose@capulet.example",
		"\U00010330\U00010331@capulet.example", "juliet@[2001:db8::1]", "juliet@192.0.2.1", longest,
	}
	return parseAll(all)
}

// contacts are addresses of all kinds.
func contacts() []jid.JID {
	longest := accounts()
	long := longest[len(longest)-1].String() + "/" + strings.Repeat("r", jid.MaxPartLen)
	all := []string{
		"capulet.example/a@b", "juliet@capulet.example/balcony", "juliet@capulet.example/Balcony",
		`juliet@capulet.example/'; DROP TABLE rosters; --`, `juliet@capulet.example/"quoted" 'twice'`,
		"juliet@capulet.example/<&>", `juliet@capulet.example/\0%_`, "juliet@capulet.example/ spaces ",
		"juliet@capulet.example/\U0001F339", "juliet@capulet.example/ü", long,
	}
	return slices.Concat(accounts(), parseAll(all))
}

func parseAll(all []string) []jid.JID {
	jids := make([]jid.JID, len(all))
	for i, s := range all {
		jids[i] = jid.MustParse(s)
	}
	return jids
}

// field is what the stores have in common: something is kept for an account.
// value is text that XML can hold, not "".
type field struct {
	put    func(ctx context.Context, account jid.JID, value string) error
	get    func(ctx context.Context, account jid.JID) (string, error) // "" if nothing is kept
	remove func(ctx context.Context, account jid.JID) error
}

func (f *field) mustPut(t *testing.T, account jid.JID, value string) {
	t.Helper()
	if err := f.put(t.Context(), account, value); err != nil {
		t.Fatalf("%.80v: %v", account, err)
	}
}

func (f *field) wants(t *testing.T, account jid.JID, value string) {
	t.Helper()
	got, err := f.get(t.Context(), account)
	if err != nil {
		t.Fatalf("%.80v: %v", account, err)
	}
	if got != value {
		t.Fatalf("%.80v: got %.200q, want %.200q", account, got, value)
	}
}

// texts are values that have to come back as they are.
func texts() map[string]string {
	return map[string]string{
		"markup":    `<&>"' ]]> &amp; <!-- -->`,
		"quotes":    `'; DROP TABLE accounts; -- "x" $1 ? %s \ \n \x00`,
		"spaces":    "  a\tb\nc  ",
		"languages": "Ῥωμαῖος 羅密歐 ромео \U0001F339 e\u0301 \u200b \ufeff",
		"large":     strings.Repeat("0123456789abcdef", 1<<16), // 1 MiB
	}
}

// runField tests what is common. open opens an empty store.
func runField(t *testing.T, open func(t *testing.T) field) {
	t.Run("nothing at first", func(t *testing.T) {
		f := open(t)
		f.wants(t, juliet, "")
		if err := f.remove(t.Context(), juliet); err != nil {
			t.Errorf("remove of what is not there: %v", err)
		}
	})
	t.Run("replace", func(t *testing.T) {
		f := open(t)
		f.mustPut(t, juliet, "one")
		f.wants(t, juliet, "one")
		f.mustPut(t, juliet, "two")
		f.wants(t, juliet, "two")
	})
	for name, text := range texts() {
		t.Run(name, func(t *testing.T) {
			f := open(t)
			f.mustPut(t, juliet, text)
			f.wants(t, juliet, text)
		})
	}
	t.Run("accounts do not mix", func(t *testing.T) { fieldAccounts(t, open(t)) })
	t.Run("context has ended", func(t *testing.T) { fieldContext(t, open(t)) })
	t.Run("many at once", func(t *testing.T) { fieldConcurrent(t, open(t)) })
}

func fieldAccounts(t *testing.T, f field) {
	all := accounts()
	for i, account := range all {
		f.mustPut(t, account, fmt.Sprint("value ", i))
	}
	for i, account := range all {
		f.wants(t, account, fmt.Sprint("value ", i))
	}
	for i, account := range all {
		if err := f.remove(t.Context(), account); err != nil {
			t.Fatalf("%v: %v", account, err)
		}
		f.wants(t, account, "")
		if i+1 < len(all) {
			f.wants(t, all[i+1], fmt.Sprint("value ", i+1))
		}
	}
	f.mustPut(t, all[0], "again")
	f.wants(t, all[0], "again")
}

// fieldContext: a call whose context has ended is done, or it returns the
// context's error and nothing has changed.
func fieldContext(t *testing.T, f field) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	f.mustPut(t, juliet, "old")
	want := "old"
	switch err := f.put(ended, juliet, "new"); {
	case err == nil:
		want = "new"
	case !errors.Is(err, context.Canceled):
		t.Errorf("put: %v", err)
	}
	f.wants(t, juliet, want)
	if got, err := f.get(ended, juliet); err == nil && got != want || err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("get: %q, %v", got, err)
	}
	switch err := f.remove(ended, juliet); {
	case err == nil:
		want = ""
	case !errors.Is(err, context.Canceled):
		t.Errorf("remove: %v", err)
	}
	f.wants(t, juliet, want)
}

// fieldConcurrent: accounts that are written and read at the same time have what
// was put last, and nobody sees anything that was not put for the account.
func fieldConcurrent(t *testing.T, f field) {
	const rounds = 20
	var wg sync.WaitGroup
	for i := range 8 {
		account, err := jid.New(fmt.Sprint("user", i%4), "capulet.example", "")
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			for n := range rounds {
				if i < 4 { // one writer for each account, and one reader
					if err := f.put(t.Context(), account, fmt.Sprint(account, " ", n)); err != nil {
						t.Error(err)
					}
				}
				got, err := f.get(t.Context(), account)
				if err != nil || got == "" && i < 4 || got != "" && !strings.HasPrefix(got, account.String()+" ") {
					t.Errorf("%v: got %q, %v", account, got, err)
				}
				if i < 4 && got != fmt.Sprint(account, " ", n) {
					t.Errorf("%v: got %q after %d was put", account, got, n)
				}
			}
		})
	}
	wg.Wait()
}
