package simulation

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp/internal/simnet"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/storage/memory"
)

var (
	runs = flag.Int("runs", 200, "how many seeds are run")
	seed = flag.Uint64("seed", 0, "the first seed, or the only one")
)

// hangs is how long a run may take that is over in a fraction of a second: where time is
// simulated what waits for ever does not fail by itself.
const hangs = 2 * time.Minute

// TestSimulation runs the simulation for some seeds.
func TestSimulation(t *testing.T) {
	first, n := *seed, *runs
	if testing.Short() { // with the race detector
		n /= 5
	}
	switch {
	case *seed != 0:
		n = 1
		verbose = slog.LevelDebug
		print = os.Stderr.Write
	default:
		first = uint64(time.Now().UnixNano())
		t.Logf("the first seed is %d", first)
	}
	failed := 0
	for i := range n {
		s := first + uint64(i)
		if !t.Run(fmt.Sprint(s), func(t *testing.T) {
			defer time.AfterFunc(hangs, func() { panic(fmt.Sprintf("seed %d does not end", s)) }).Stop()
			synctest.Test(t, func(t *testing.T) { simulate(t, s) })
		}) {
			t.Logf("seed %d: go test ./internal/simulation -run TestSimulation -seed %d", s, s)
			if failed++; failed == 5 {
				t.Fatalf("5 of %d seeds have failed", i+1)
			}
		}
	}
}

// simulate runs a world for some minutes in which things go wrong, and for some in
// which they do not.
func simulate(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 0x73696d))
	w := &world{t: t, rng: rng, net: simnet.New(seed), store: memory.New()}
	w.net.Plan = w.plan
	w.store.Accounts().Iterations = 1 // for speed
	var accounts []jid.JID
	for _, name := range []string{"juliet", "romeo", "nurse"} {
		a := jid.MustParse(name + "@" + domain)
		accounts = append(accounts, a)
		if err := w.store.Accounts().SetPassword(t.Context(), a, password); err != nil {
			t.Fatal(err)
		}
		for i := range 1 + rng.IntN(3) {
			w.devices = append(w.devices, &device{w: w, name: fmt.Sprint(name, i), account: a, next: make(map[jid.JID]int)})
		}
	}
	if rng.IntN(2) == 0 { // somebody has old devices, and nothing is lost that is only in memory
		w.gentle = true
		old := accounts[rng.IntN(len(accounts))]
		all := w.of(old)
		if rng.IntN(2) == 0 {
			w.devices = slices.DeleteFunc(w.devices, func(d *device) bool { return slices.Contains(all[1:], d) })
			all = all[:1]
		}
		for _, d := range all {
			d.plain, d.copies = true, len(all) > 1
		}
	}
	w.start()
	for _, d := range w.devices {
		d.on()
	}
	for range 60 + rng.IntN(120) {
		time.Sleep(time.Duration(rng.Int64N(int64(2 * time.Second))))
		w.step(accounts)
	}
	w.settle()
	w.check(accounts)
	for _, d := range w.devices {
		d.off()
	}
	time.Sleep(time.Second)
	for _, a := range accounts {
		if left := w.server.Resources(a); len(left) > 0 {
			t.Errorf("sessions are left: %v", left)
		}
	}
	if err := w.stop(); err != nil {
		t.Errorf("the server has not ended in order: %v", err)
	}
}

// step lets something happen.
func (w *world) step(accounts []jid.JID) {
	d := w.devices[w.rng.IntN(len(w.devices))]
	switch n := w.rng.IntN(100); {
	case n < 70:
		for range 1 + w.rng.IntN(3) {
			d.send(accounts[w.rng.IntN(len(accounts))])
		}
	case n < 78:
		d.editRoster(w.rng)
	case n < 84:
		w.net.CutAll()
	case n < 90:
		if d.run != nil {
			d.off()
			break
		}
		d.on()
		if w.rng.IntN(2) == 0 { // while it logs in, or gets what was stored
			time.Sleep(time.Duration(w.rng.Int64N(int64(2 * time.Second))))
			w.net.CutAll()
		}
	case n < 93:
		w.net.SetSilent(true)
		time.Sleep(time.Duration(w.rng.Int64N(int64(time.Minute))))
		w.net.SetSilent(false)
	case n < 95:
		time.Sleep(time.Duration(w.rng.Int64N(int64(15 * time.Minute)))) // longer than sessions wait
	case n < 97:
		w.stop()
		time.Sleep(time.Duration(w.rng.Int64N(int64(30 * time.Second))))
		w.start()
	case n < 99:
		if w.gentle {
			w.stop()
		} else {
			w.kill()
		}
		time.Sleep(time.Duration(w.rng.Int64N(int64(30 * time.Second))))
		w.start()
	}
}

// settle lets all come to rest: from now on nothing goes wrong.
func (w *world) settle() {
	w.calm.Store(true)
	for _, d := range w.devices {
		if d.run != nil && (d.run.fragile || d.run.dies > 0) {
			d.off()
		}
		if d.run == nil {
			d.on()
		}
	}
	time.Sleep(time.Minute)
	w.net.CutAll() // those that are dead, too
	time.Sleep(20 * time.Minute)
	synctest.Wait()
}

// check compares what was sent with what has come, and rosters with that of the
// server.
func (w *world) check(accounts []jid.JID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, d := range w.devices {
		if wrong := d.check(); len(wrong) > 0 {
			w.t.Errorf("%s\nand its archive has:\n%s", strings.Join(wrong, "\n"), strings.Join(w.archived(d.account), "\n"))
		}
		w.checkRoster(d)
	}
	for _, a := range accounts {
		w.checkCopies(w.of(a))
	}
	taken := 0
	for _, s := range w.sent {
		if s.taken {
			taken++
		}
	}
	w.t.Logf("%d devices, %d of %d messages were taken", len(w.devices), taken, len(w.sent))
}

// checkCopies checks that of devices that know only of copies one has got each message.
func (w *world) checkCopies(devices []*device) {
	if !devices[0].copies {
		return
	}
	for _, s := range w.sent {
		got := func(d *device) bool {
			return slices.ContainsFunc(d.got, func(a arrival) bool { return a.body == s.body() })
		}
		if s.to == devices[0].account && s.taken && !s.error && !slices.ContainsFunc(devices, got) {
			w.t.Errorf("none of the devices of %s has got %s", s.to, s.body())
		}
	}
}

func (w *world) checkRoster(d *device) {
	entries, _, err := w.store.Rosters().Entries(context.Background(), d.account)
	if err != nil {
		w.t.Error(err)
	}
	want := make(map[jid.JID]string)
	for _, e := range entries {
		want[e.JID] = e.Name
	}
	got := make(map[jid.JID]string)
	for _, it := range d.run.roster.Items() {
		got[it.JID] = it.Name
	}
	if !maps.Equal(got, want) {
		w.t.Errorf("%s has the roster %v, the server has %v", d.name, got, want)
	}
}
