package client_test

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/archive"
	"github.com/etherx-go/xmpp/client"
	"github.com/etherx-go/xmpp/ext/delay"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/storage/memory"
	"github.com/etherx-go/xmpp/stream"
)

// restart puts a new server, which knows no sessions, in the place of the last one.
func (w *world) restart(change ...func(*server.Config)) {
	w.t.Helper()
	w.fall()
	accounts := w.Accounts
	n := newWorld(w.t, 2, append(change, func(c *server.Config) { c.Accounts = accounts })...)
	w.Server = n.Server
	w.Accounts = accounts
	for _, addr := range []string{"juliet", "romeo"} {
		w.listen(addr)
	}
	w.rise()
}

// TestUnknown: what is done with messages when nobody knows whether they have arrived,
// which is so when the server has been replaced.
func TestUnknown(t *testing.T) {
	reader := new(archive.Client)
	failing := func(context.Context, xmpp.Sender, time.Time, []*stanza.Stanza) ([]*stanza.Stanza, error) {
		return nil, errors.New("no")
	}
	type resend = func(context.Context, xmpp.Sender, time.Time, []*stanza.Stanza) ([]*stanza.Stanza, error)
	for _, tt := range []struct {
		name    string
		resend  resend
		arrived bool
		want    []string
	}{
		{"arrived, nothing set", nil, true, []string{"1", "2", "queued", "after"}},
		{"lost, nothing set", nil, false, []string{"queued", "after"}},
		{"arrived, all", client.ResendAll, true, []string{"1", "2", "1", "2", "queued", "after"}},
		{"lost, all", client.ResendAll, false, []string{"1", "2", "queued", "after"}},
		{"arrived, asked", reader.Missing, true, []string{"1", "2", "queued", "after"}},
		{"lost, asked", reader.Missing, false, []string{"1", "2", "queued", "after"}},
		{"fails", failing, false, []string{"queued", "after"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				stores := memory.New()
				change := func(c *server.Config) {
					c.Stores = server.Stores{Offline: stores.Offline()}
					c.Extensions = []xmpp.Extension{&archive.Server{Store: stores.Archives()}}
				}
				w := newWorld(t, 1, change)
				w.near("romeo/orchard") // makes the account
				cfg, events := w.config("juliet/balcony")
				cfg.Extensions = []xmpp.Extension{new(archive.Client)}
				if cfg.Resend = tt.resend; tt.name == "arrived, asked" || tt.name == "lost, asked" {
					cfg.Resend = cfg.Extensions[0].(*archive.Client).Missing
				}
				juliet := w.run(cfg, events)
				juliet.ready()
				time.Sleep(time.Second)
				r := jid.MustParse("romeo@example.org")
				w.net.SetSilent(!tt.arrived)
				juliet.say(r, "1")
				juliet.say(r, "2")
				if tt.arrived {
					time.Sleep(1100 * time.Microsecond)
				} else {
					time.Sleep(time.Second)
				}
				w.fall()
				w.net.SetSilent(false)
				juliet.say(r, "queued")
				time.Sleep(time.Minute)
				before := w.Server
				w.restart(change)
				romeo := w.near("romeo/orchard")
				juliet.ready()
				juliet.say(r, "after")
				// What came before the restart came to the first romeo.
				want := tt.want
				if tt.arrived {
					want = want[2:]
				}
				romeo.expect(want...)
				if before == w.Server {
					t.Error("it is the same server")
				}
				if got := events.with("down "); len(got) != 1 || !strings.Contains(got[0], client.ErrNotResumed.Error()) {
					t.Errorf("%q", got)
				}
			})
		})
	}
}

// TestResendStamps: what is sent again says when it was sent.
func TestResendStamps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, func(c *server.Config) { c.ResumeTimeout = -1 })
		stamps := make(chan time.Time, 1)
		cfg, _ := w.config("romeo/orchard")
		mux := new(xmpp.Mux)
		mux.OnMessage(func(_ context.Context, _ xmpp.Sender, m *stanza.Message) error {
			d, _ := delay.Of(m)
			stamps <- d.Stamp
			return nil
		})
		cfg.Handler, cfg.Dial = mux, func(context.Context) (stream.Transport, error) { return w.Pipe(), nil }
		romeo := w.Start(cfg)
		cfg, events := w.config("juliet/balcony")
		var lost time.Time
		cfg.Resend = func(
			ctx context.Context, s xmpp.Sender, at time.Time, unknown []*stanza.Stanza,
		) ([]*stanza.Stanza, error) {
			if len(unknown) != 1 || unknown[0].ID == "" {
				t.Errorf("unknown: %v", unknown)
			}
			lost = at
			return client.ResendAll(ctx, s, at, unknown)
		}
		juliet := w.run(cfg, events)
		juliet.ready()
		w.net.SetSilent(true)
		juliet.say(romeo.LocalAddr(), "x")
		time.Sleep(time.Second)
		w.fall()
		w.net.SetSilent(false)
		now := time.Now()
		time.Sleep(time.Hour)
		w.rise()
		if stamp := <-stamps; !stamp.Equal(now) || !lost.Equal(now) {
			t.Errorf("stamp %v, lost at %v, want %v", stamp, lost, now)
		}
	})
}

// TestProcessRestart: a program that ends, and begins again, goes on with its session;
// what was sent and what came meanwhile arrives once.
func TestProcessRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		romeo := w.near("romeo/orchard")
		store := client.FileStore(filepath.Join(t.TempDir(), "session"))
		start := func() *person {
			cfg, events := w.config("juliet")
			cfg.Resumptions = store
			p := w.run(cfg, events)
			p.ready()
			synctest.Wait()
			return p
		}
		r := romeo.LocalAddr()
		juliet := start()
		j := juliet.LocalAddr()
		if resumed(t, juliet) {
			t.Error("the first session is resumed")
		}
		juliet.say(r, "1")
		romeo.say(j, "a")
		time.Sleep(time.Second)
		for i, what := range []string{"2", "3", "4"} {
			if i == 2 { // while there is no connection
				w.fall()
				juliet.say(r, "queued")
				time.Sleep(5 * time.Second)
				if _, err := os.Stat(string(store)); err != nil {
					t.Error(err)
				}
			}
			if err := juliet.leave(); err != nil {
				t.Fatal(err)
			}
			if got := len(w.Resources(j.Bare())); got != 1 {
				t.Fatalf("%d resources", got)
			}
			romeo.say(j, "meanwhile "+what)
			time.Sleep(time.Minute)
			got := juliet.events.with("message ")
			w.rise()
			juliet = start()
			if juliet.LocalAddr() != j || !resumed(t, juliet) {
				t.Errorf("it is %s", juliet.LocalAddr())
			}
			if _, err := os.Stat(string(store)); err == nil {
				t.Error("there is a state beside a session")
			}
			juliet.say(r, what)
			juliet.expect("meanwhile " + what)
			if i == 0 && !slices.Equal(got, []string{"a"}) {
				t.Errorf("the first got %q", got)
			}
		}
		romeo.expect("1", "2", "3", "queued", "4")
		// Close ends the session.
		juliet.Close()
		if err := juliet.leave(); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if got := w.Resources(j.Bare()); len(got) != 0 {
			t.Errorf("resources %v", got)
		}
	})
}

// resumed asks the session of a client.
func resumed(t *testing.T, p *person) bool {
	t.Helper()
	return len(p.events.with("another's")) == 1
}

// TestHandledByWhom: what a handler was not done with, the next process gets; what it
// was done with, it does not.
func TestHandledByWhom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		romeo, paris := w.near("romeo/orchard"), w.near("paris/street")
		store := client.FileStore(filepath.Join(t.TempDir(), "session"))
		start := func(slow bool) *person {
			cfg, events := w.config("juliet/balcony")
			cfg.Resumptions, cfg.DrainTimeout = store, 2*time.Second
			mux := new(xmpp.Mux)
			mux.OnMessage(func(ctx context.Context, _ xmpp.Sender, m *stanza.Message) error {
				if slow && m.Body == "slow" {
					<-ctx.Done()
					return ctx.Err()
				}
				events.add("message %s", m.Body)
				return nil
			})
			cfg.Handler = mux
			p := w.run(cfg, events)
			p.ready()
			synctest.Wait()
			return p
		}
		juliet := start(true)
		j := juliet.LocalAddr()
		romeo.say(j, "slow")
		romeo.say(j, "behind it")
		for _, body := range numbered("p", 3) {
			paris.say(j, body)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		go func() { // comes while it leaves
			time.Sleep(time.Second)
			paris.say(j, "p4")
		}()
		if err := juliet.leave(); err == nil || !strings.Contains(err.Error(), "not handled") {
			t.Errorf("Run: %v", err)
		}
		if got := juliet.events.with("message "); !slices.Equal(got, numbered("p", 3)) {
			t.Errorf("the first got %q", got)
		}
		juliet = start(false)
		time.Sleep(time.Second)
		got := juliet.events.with("message ")
		slices.Sort(got) // of two senders
		if !slices.Equal(got, []string{"behind it", "p4", "slow"}) {
			t.Errorf("the second got %q", got)
		}
	})
}

// TestKilled: a process that ends without a word loses no message that it has not
// handled.
func TestKilledProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stores := memory.New()
		w := newWorld(t, 1, func(c *server.Config) { c.Stores = server.Stores{Offline: stores.Offline()} })
		romeo := w.near("romeo/orchard")
		cfg, events := w.config("juliet/balcony")
		stuck := make(chan struct{})
		mux := new(xmpp.Mux)
		mux.OnMessage(func(_ context.Context, _ xmpp.Sender, m *stanza.Message) error {
			if m.Body == "2" {
				<-stuck
				return nil
			}
			events.add("message %s", m.Body)
			return nil
		})
		cfg.Handler = mux
		first := w.run(cfg, events)
		first.ready()
		for _, body := range []string{"1", "2", "3"} {
			romeo.say(first.LocalAddr(), body)
			time.Sleep(time.Second)
		}
		// It is as if it were killed: nothing that it does reaches the server.
		w.fall()
		if got := events.with("message "); !slices.Equal(got, []string{"1"}) {
			t.Errorf("the first got %q", got)
		}
		second := w.near("juliet/balcony")
		second.expect("2", "3")
		close(stuck)
	})
}

// brokenStore fails.
type brokenStore struct{ err error }

func (b brokenStore) Load(context.Context) (*client.SessionState, error)   { return nil, b.err }
func (b brokenStore) Save(_ context.Context, s *client.SessionState) error { return b.err }

// TestStoreFails: a client works without its store.
func TestStoreFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		cfg, events := w.config("juliet/balcony")
		broken := errors.New("disk full")
		cfg.Resumptions = brokenStore{broken}
		juliet := w.run(cfg, events)
		juliet.ready()
		w.net.CutAll()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if got := events.with(""); !slices.Equal(got, []string{"up", "suspended", "resumed"}) {
			t.Errorf("%q", got)
		}
		if err := juliet.leave(); !errors.Is(err, broken) {
			t.Errorf("Run: %v", err)
		}
	})
}

// TestStaleState: a state that is of no use is passed over, and the client connects.
func TestStaleState(t *testing.T) {
	state := func() *client.SessionState {
		st, err := stanza.Parse("<message to='romeo@example.org' type='chat'><body>left</body></message>")
		if err != nil {
			t.Fatal(err)
		}
		return &client.SessionState{
			JID: jid.MustParse("juliet@example.org/balcony"), Lost: time.Now(),
			Resumption: stream.Resumption{
				Grant: stream.Grant{ID: "x"}, Handled: 5, Acked: 2, Unacked: []*stanza.Stanza{st},
			},
		}
	}
	of := func(address string) func(*client.SessionState) {
		return func(s *client.SessionState) { s.JID = jid.MustParse(address) }
	}
	for name, tt := range map[string]struct {
		change func(*client.SessionState)
		want   []string
	}{
		"unknown to the server": {func(*client.SessionState) {}, []string{"left", "new"}},
		"of another account":    {of("paris@example.org/balcony"), []string{"new"}},
		"of another resource":   {of("juliet@example.org/x"), []string{"new"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 1)
				romeo := w.near("romeo/orchard")
				store := client.FileStore(filepath.Join(t.TempDir(), "session"))
				s := state()
				tt.change(s)
				if err := store.Save(t.Context(), s); err != nil {
					t.Fatal(err)
				}
				cfg, events := w.config("juliet/balcony")
				cfg.Resumptions, cfg.Resend = store, client.ResendAll
				juliet := w.run(cfg, events)
				juliet.ready()
				juliet.say(romeo.LocalAddr().Bare(), "new")
				romeo.expect(tt.want...)
				if resumed(t, juliet) {
					t.Error("resumed")
				}
			})
		})
	}
	// A process was killed just after it had resumed the session: the server has got
	// more than the state says that it was sent.
	t.Run("too old", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 1)
			romeo := w.near("romeo/orchard")
			store := client.FileStore(filepath.Join(t.TempDir(), "session"))
			cfg, events := w.config("juliet/balcony")
			cfg.Resumptions = store
			first := w.run(cfg, events)
			first.ready()
			w.fall()
			time.Sleep(2 * time.Second)
			old, err := os.ReadFile(string(store))
			if err != nil {
				t.Fatal(err)
			}
			w.rise()
			time.Sleep(5 * time.Second)
			first.say(romeo.LocalAddr(), "1")
			time.Sleep(time.Second)
			w.fall()
			if err := os.WriteFile(string(store), old, 0o600); err != nil {
				t.Fatal(err)
			}
			cfg, events = w.config("juliet/balcony")
			cfg.Resumptions = store
			cfg.Dial = func(context.Context) (stream.Transport, error) { return w.Pipe(), nil }
			second := w.run(cfg, events)
			second.ready()
			second.say(romeo.LocalAddr(), "2")
			romeo.expect("1", "2")
			if resumed(t, second) {
				t.Error("resumed")
			}
		})
	})
}

func TestFileStore(t *testing.T) {
	dir := t.TempDir()
	f := client.FileStore(filepath.Join(dir, "state"))
	if s, err := f.Load(t.Context()); s != nil || err != nil {
		t.Errorf("no file: %v, %v", s, err)
	}
	if err := f.Save(t.Context(), nil); err != nil {
		t.Errorf("remove what is not there: %v", err)
	}
	st, err := stanza.Parse("<message xmlns='jabber:client' to='a@b.lit' id='1'><body>&lt;x&gt;</body></message>")
	if err != nil {
		t.Fatal(err)
	}
	want := &client.SessionState{
		JID: jid.MustParse("juliet@example.org/balcony"), Lost: time.Unix(1e9, 5).UTC(), Available: true,
		Beyond: []uint64{1 << 40, 1<<40 + 2},
		Resumption: stream.Resumption{
			Grant:   stream.Grant{ID: "id<'\">", Max: time.Minute, Location: "[::1]:5222"},
			Handled: 1<<40 - 1, Acked: 7, Unacked: []*stanza.Stanza{st},
			Offers: []xml.Name{{Space: "urn:xmpp:csi:0", Local: "csi"}}, Limits: stream.Limits{MaxBytes: 10000, Idle: time.Minute},
		},
	}
	for range 2 {
		if err := f.Save(t.Context(), want); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(string(f))
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	got, err := f.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if a, b := got.Unacked[0].String(), st.String(); a != b {
		t.Errorf("%s, want %s", a, b)
	}
	got.Unacked = want.Unacked
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if files, _ := os.ReadDir(dir); len(files) != 1 {
		t.Errorf("%d files", len(files))
	}
	if err := f.Save(t.Context(), nil); err != nil {
		t.Error(err)
	}
	if files, _ := os.ReadDir(dir); len(files) != 0 {
		t.Errorf("%d files", len(files))
	}
	for _, bad := range []string{
		"", "{}", `{"jid":"a@b/c","id":"x","unacked":["<x"]}`, `{"jid":"a@b","id":"x"}`, `{"jid":"@","id":"x"}`,
	} {
		if err := os.WriteFile(string(f), []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if s, err := f.Load(t.Context()); s != nil || err == nil {
			t.Errorf("%q: %v, %v", bad, s, err)
		}
	}
	nowhere := client.FileStore(filepath.Join(dir, "no", "folder"))
	if err := nowhere.Save(t.Context(), want); err == nil {
		t.Error("saved nowhere")
	}
	if _, err := client.FileStore(dir).Load(t.Context()); err == nil {
		t.Error("loaded a folder")
	}
	if err := client.FileStore(filepath.Dir(dir)).Save(t.Context(), want); err == nil {
		t.Error("saved in place of a folder")
	}
}

func FuzzSessionState(f *testing.F) {
	f.Add(`{"jid":"a@b/c","id":"x","handled":3,"beyond":[5],"acked":1,"unacked":["<message to='x@y'/>"]}`)
	f.Add(`{}`)
	f.Fuzz(func(t *testing.T, text string) {
		var s client.SessionState
		if s.UnmarshalJSON([]byte(text)) != nil {
			return
		}
		data, err := json.Marshal(&s)
		if err != nil {
			t.Fatal(err)
		}
		var again client.SessionState
		if err := json.Unmarshal(data, &again); err != nil {
			t.Fatalf("%s: %v", data, err)
		}
		if again.JID != s.JID || again.Handled != s.Handled || len(again.Unacked) != len(s.Unacked) {
			t.Errorf("%s: %+v, then %+v", text, s, again)
		}
	})
}
