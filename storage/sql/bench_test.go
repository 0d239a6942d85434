//go:build unix

package sql_test

import (
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/etherx-go/xmpp/archive"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/roster"
	"github.com/etherx-go/xmpp/storage/sql"
)

// cpu reports the processor time of an operation, which other processes change
// less than they change the time on the clock. The benchmark has just begun.
func cpu(b *testing.B) (done func()) {
	used := func() int64 {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return u.Utime.Nano() + u.Stime.Nano()
	}
	start := used()
	return func() { b.ReportMetric(float64(used()-start)/float64(b.N), "cpu-ns/op") }
}

// BenchmarkAdd is the cost of storing a message durably, for callers that do so
// at the same time.
func BenchmarkAdd(b *testing.B) {
	for _, mode := range []struct {
		name string
		cfg  sql.Config
	}{{"full", sql.Config{}}, {"full-alone", sql.Config{Batch: 1}}, {"normal", sql.Config{Sync: sql.SyncNormal}}} {
		for _, callers := range []int{1, 16, 256} {
			b.Run(fmt.Sprintf("%s/callers=%d", mode.name, callers), func(b *testing.B) {
				s := mustOpen(b, mode.cfg).Offline()
				st := message(strings.Repeat("x", 300))
				atOnce(b, callers, func(caller int) error {
					account := jid.MustParse(fmt.Sprintf("user%d@capulet.example", caller))
					return s.Add(b.Context(), account, st, moment, -1)
				})
			})
		}
	}
}

// BenchmarkArchive is the cost of archiving a message for both sides.
func BenchmarkArchive(b *testing.B) {
	for _, callers := range []int{1, 16, 256} {
		b.Run(fmt.Sprint("callers=", callers), func(b *testing.B) {
			s := mustOpen(b, sql.Config{}).Archives()
			st := message(strings.Repeat("x", 300))
			atOnce(b, callers, func(caller int) error {
				one := jid.MustParse(fmt.Sprintf("user%d@capulet.example", caller))
				two := jid.MustParse(fmt.Sprintf("user%d@montague.example", caller))
				_, err := s.Append(b.Context(), archive.Entry{Archive: one, With: two, At: time.Now(), Stanza: st},
					archive.Entry{Archive: two, With: one, At: time.Now(), Stanza: st})
				return err
			})
		})
	}
}

// BenchmarkAddBound is what a bound costs, when as many messages are there.
func BenchmarkAddBound(b *testing.B) {
	for _, there := range []int{1, 1000} {
		b.Run(fmt.Sprint("there=", there), func(b *testing.B) {
			s := mustOpen(b, sql.Config{Sync: sql.SyncNormal}).Offline()
			for range there {
				if err := s.Add(b.Context(), juliet, message("x"), moment, -1); err != nil {
					b.Fatal(err)
				}
			}
			defer cpu(b)()
			for b.Loop() {
				if err := s.Add(b.Context(), juliet, message("x"), moment, there); err == nil {
					b.Fatal("it is not full")
				}
			}
		})
	}
}

func BenchmarkRosterUpdate(b *testing.B) {
	for _, callers := range []int{1, 16, 256} {
		b.Run(fmt.Sprint("callers=", callers), func(b *testing.B) {
			s := mustOpen(b, sql.Config{}).Rosters()
			var n sync.Map
			atOnce(b, callers, func(caller int) error {
				account := jid.MustParse(fmt.Sprintf("user%d@capulet.example", caller))
				_, err := s.Update(b.Context(), account, romeo, func(e *roster.Entry, _ int) error {
					old, _ := n.LoadOrStore(caller, new(int))
					*old.(*int)++
					e.Hidden, e.Name, e.Subscription = false, fmt.Sprint(*old.(*int)), roster.Both
					e.Groups = []string{"Friends"}
					return nil
				})
				return err
			})
		})
	}
}

func BenchmarkEntries(b *testing.B) {
	for _, entries := range []int{1, 50, 1000} {
		b.Run(fmt.Sprint("entries=", entries), func(b *testing.B) {
			s := mustOpen(b, sql.Config{Sync: sql.SyncNormal}).Rosters()
			for i := range entries {
				contact := jid.MustParse(fmt.Sprintf("user%d@capulet.example", i))
				_, err := s.Update(b.Context(), juliet, contact, func(e *roster.Entry, _ int) error {
					e.Hidden, e.Name, e.Subscription, e.Groups = false, "Somebody", roster.Both, []string{"Friends"}
					return nil
				})
				if err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			defer cpu(b)()
			for b.Loop() {
				if all, _, err := s.Entries(b.Context(), juliet); len(all) != entries || err != nil {
					b.Fatal(len(all), err)
				}
			}
		})
	}
}

// atOnce calls fn b.N times, from so many callers.
func atOnce(b *testing.B, callers int, fn func(caller int) error) {
	var wg sync.WaitGroup
	work := make(chan struct{}, b.N)
	for range b.N {
		work <- struct{}{}
	}
	close(work)
	b.ReportAllocs()
	b.ResetTimer()
	defer cpu(b)()
	for i := range callers {
		wg.Go(func() {
			for range work {
				if err := fn(i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}
