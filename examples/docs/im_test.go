package docs_test

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/archive"
	"github.com/etherx-go/xmpp/client"
	"github.com/etherx-go/xmpp/ext/blocking"
	"github.com/etherx-go/xmpp/ext/carbons"
	"github.com/etherx-go/xmpp/ext/csi"
	"github.com/etherx-go/xmpp/ext/delay"
	"github.com/etherx-go/xmpp/ext/disco"
	"github.com/etherx-go/xmpp/ext/last"
	"github.com/etherx-go/xmpp/ext/ping"
	"github.com/etherx-go/xmpp/ext/private"
	"github.com/etherx-go/xmpp/ext/push"
	"github.com/etherx-go/xmpp/ext/receipts"
	"github.com/etherx-go/xmpp/ext/register"
	"github.com/etherx-go/xmpp/ext/rsm"
	"github.com/etherx-go/xmpp/ext/version"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/presence"
	"github.com/etherx-go/xmpp/privacy"
	"github.com/etherx-go/xmpp/roster"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/storage/memory"
	"github.com/etherx-go/xmpp/storage/sql"
	"github.com/etherx-go/xmpp/vcard"
	"github.com/etherx-go/xmpp/xmpptest"
)

// imServer is a server with all that docs/im.md speaks of.
func imServer(t *testing.T) *xmpptest.Server {
	store := memory.New()
	return xmpptest.NewServer(t, func(c *server.Config) {
		c.Extensions = []xmpp.Extension{
			&disco.Extension{}, &last.Extension{}, &version.Extension{},
			&private.Server{Store: store.Private()}, &vcard.Server{Store: store.VCards()},
		}
	})
}

// until asks until the answer is yes. It is for a synctest bubble.
func until(t *testing.T, what string, yes func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !yes(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(what)
		}
	}
}

// contacts are the extensions of a bot that has contacts.
func contacts(cfg *client.Config) (*roster.Extension, *presence.Tracker) {
	contacts := &roster.Extension{} // a copy of the roster, kept up to date
	there := &presence.Tracker{}    // who is available, and how
	requests := &presence.Requests{ // who may see the bot's presence
		Decide: presence.AllowAll,
		Mutual: true, // and the bot wants to see theirs
	}
	cfg.Extensions = []xmpp.Extension{contacts, there, requests}
	return contacts, there
}

// befriend adds a contact and asks for its presence.
func befriend(ctx context.Context, bot *client.Client, nurse jid.JID) error {
	err := roster.Set(ctx, bot, roster.Item{JID: nurse, Name: "Nurse", Groups: []string{"Servants"}})
	if err != nil {
		return err
	}
	return presence.Subscribe(ctx, bot, nurse, "It is I, Juliet's bot.")
}

// block keeps somebody away.
func block(ctx context.Context, bot *client.Client, tybalt jid.JID) error {
	if err := blocking.Block(ctx, bot, tybalt); err != nil {
		return err
	}
	err := xmpp.Send(ctx, bot, &stanza.Message{To: tybalt, Body: "Good riddance."})
	return err // a blocked address gets nothing either: an error message comes back
}

// hide makes a bot invisible for all but its contacts.
func hide(ctx context.Context, bot *client.Client) error {
	quiet := privacy.List{Name: "quiet", Items: []privacy.Item{
		{Type: privacy.BySubscription, Subscription: roster.Both},
		{Deny: true, Kinds: privacy.PresenceOut},
	}}
	if err := privacy.Set(ctx, bot, quiet); err != nil {
		return err
	}
	return privacy.Activate(ctx, bot, "quiet")
}

// card publishes who the bot is, and reads who somebody else is.
func card(ctx context.Context, bot *client.Client, nurse jid.JID) (string, error) {
	err := vcard.Set(ctx, bot, &vcard.Card{FormattedName: "Juliet's bot", URL: "https://capulet.example/"})
	if err != nil {
		return "", err
	}
	hers, err := vcard.Get(ctx, bot, nurse)
	if errors.Is(err, vcard.ErrNoCard) {
		return "unknown", nil
	}
	return hers.FormattedName, err
}

// questions asks a server and a contact what they are and how long they are idle.
func questions(ctx context.Context, bot *client.Client, nurse jid.JID) (string, error) {
	home := bot.LocalAddr().DomainJID()
	info, err := disco.GetInfo(ctx, bot, home, "")
	if err != nil {
		return "", err
	}
	software, err := version.Get(ctx, bot, home)
	if err != nil {
		return "", err
	}
	seen, err := last.Get(ctx, bot, nurse)
	if err != nil {
		return "", err
	}
	return fmt.Sprint(info.Is("server", "im"), software.Name, seen.Ago), nil
}

// Settings are what a bot keeps on the server, for itself.
type Settings struct {
	XMLName xml.Name `xml:"urn:example:settings settings"`
	Volume  int      `xml:"volume"`
}

// remember stores the settings, and reads them again.
func remember(ctx context.Context, bot *client.Client) (int, error) {
	if err := private.Set(ctx, bot, &Settings{Volume: 11}); err != nil {
		return 0, err
	}
	s, _, err := private.Get[Settings](ctx, bot)
	return s.Volume, err
}

func TestIM(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := imServer(t)
		ctx := t.Context()
		nurse := s.ClientConfig("nurse/kitchen", nil)
		contacts(&nurse)
		s.Start(nurse)
		cfg := s.ClientConfig("juliet/balcony", nil)
		items, there := contacts(&cfg)
		bot := s.Start(cfg)
		who := jid.MustParse("nurse@example.org")
		if err := befriend(ctx, bot, who); err != nil {
			t.Fatal(err)
		}
		until(t, "the subscription is not mutual", func() bool {
			it, _ := items.Item(who)
			return it.Subscription == roster.Both && len(there.Of(who)) == 1
		})
		if name, err := card(ctx, bot, who); name != "unknown" && err == nil {
			t.Errorf("the card says %q", name)
		}
		if got, err := questions(ctx, bot, who); !strings.Contains(got, "true") || !strings.Contains(got, "Etherx") || err != nil {
			t.Errorf("%q, %v", got, err)
		}
		if v, err := remember(ctx, bot); v != 11 || err != nil {
			t.Errorf("%d, %v", v, err)
		}
		if err := hide(ctx, bot); err != nil {
			t.Error(err)
		}
		if err := block(ctx, bot, jid.MustParse("tybalt@example.org")); err != nil {
			t.Error(err)
		}
	})
}

func TestIMMessages(t *testing.T) {
	s := imServer(t)
	ctx := t.Context()
	s.Client("romeo/away", nil).Close() // so that there is such an account
	got := make(chan string, 10)
	arrived := make(chan string, 10)

	// The sender wants to know when it has arrived.
	track := &receipts.Extension{
		OnReceipt: func(_ context.Context, r receipts.Receipt) { arrived <- r.ID },
	}
	cfg := s.ClientConfig("juliet/balcony", nil)
	cfg.Extensions = []xmpp.Extension{track}
	juliet := s.Start(cfg)
	msg := &stanza.Message{To: jid.MustParse("romeo@example.org"), Type: stanza.TypeChat, Body: "Wherefore art thou?"}
	if err := track.Request(msg); err != nil {
		t.Fatal(err)
	}
	if err := xmpp.Send(ctx, juliet, msg); err != nil {
		t.Fatal(err)
	}
	if err := ping.Ping(ctx, juliet, jid.JID{}); err != nil { // it has been stored
		t.Fatal(err)
	}

	mux := new(xmpp.Mux)
	mux.OnMessage(func(ctx context.Context, s xmpp.Sender, msg *stanza.Message) error {
		sent := time.Now()
		if d, late := delay.Of(msg); late {
			sent = d.Stamp // it waited on the server
		}
		got <- fmt.Sprintf("%s (%v ago)", msg.Body, time.Since(sent).Round(time.Hour))
		return nil
	})
	romeo := s.ClientConfig("romeo/garden", mux)
	romeo.Extensions = []xmpp.Extension{&receipts.Extension{Allow: receipts.Anyone}}
	s.Start(romeo)
	if g := <-got; g != "Wherefore art thou? (0s ago)" {
		t.Errorf("got %q", g)
	}
	if id := <-arrived; id != msg.ID {
		t.Errorf("the receipt is for %q", id)
	}
}

// pastServer is a server that keeps archives and tells clients that are away.
func pastServer(t *testing.T, changed ...chan struct{}) *xmpptest.Server {
	store := memory.New()
	return xmpptest.NewServer(t, func(c *server.Config) {
		c.Stores.Offline = store.Offline()
		c.Extensions = []xmpp.Extension{
			&disco.Extension{}, &archive.Server{Store: store.Archives()}, &push.Server{Store: devices{store.Push(), changed}},
		}
	})
}

// devices tells of changes.
type devices struct {
	push.Store
	changed []chan struct{}
}

func (d devices) UpdateDevices(ctx context.Context, account jid.JID, fn func(*push.Devices) error) error {
	err := d.Store.UpdateDevices(ctx, account, fn)
	for _, c := range d.changed {
		c <- struct{}{}
	}
	return err
}

// said reads what was said with somebody in the last week.
func said(ctx context.Context, bot *client.Client, mam *archive.Client, nurse jid.JID) (bodies []string, err error) {
	q := archive.Query{Filter: archive.Filter{With: nurse, Start: time.Now().AddDate(0, 0, -7)}}
	for m, err := range mam.Messages(ctx, bot, jid.JID{}, q) {
		if err != nil {
			return nil, err
		}
		if m.Stanza != nil { // nil: its content was removed
			bodies = append(bodies, m.Stanza.Message().Body)
		}
	}
	return bodies, nil
}

// newest reads the last twenty messages.
func newest(ctx context.Context, bot *client.Client, mam *archive.Client) ([]archive.Message, error) {
	page, err := mam.Page(ctx, bot, jid.JID{}, archive.Query{Set: rsm.Request{Last: true, Max: 20}})
	return page.Messages, err
}

// missNothing makes a bot that handles each message once, also those that came while it
// was not there. save keeps the state beyond the end of the program.
func missNothing(cfg *client.Config, saved archive.State, save func(archive.State), handle func(archive.Message)) {
	mam := new(archive.Client)
	catchUp := &archive.CatchUp{Account: cfg.JID.Bare()}
	catchUp.Restore(saved)
	mux := new(xmpp.Mux)
	mux.OnMessage(func(_ context.Context, s xmpp.Sender, msg *stanza.Message) error {
		st, err := msg.Stanza()
		if err != nil {
			return err
		}
		if m, ok := catchUp.Live(s, st); ok { // otherwise Run has it
			handle(m)
			catchUp.Done(m)
			save(catchUp.State())
		}
		return nil
	})
	cfg.Handler, cfg.Extensions = mux, append(cfg.Extensions, mam)
	cfg.OnUp = func(ctx context.Context, s xmpp.Sender) {
		for m, err := range catchUp.Run(ctx, mam, s) {
			if err != nil {
				break // the next session goes on from here
			}
			handle(m)
		}
		save(catchUp.State())
	}
}

// startUntil starts a client; stop waits until it has ended.
func startUntil(t *testing.T, cfg client.Config) (c *client.Client, stop func()) {
	t.Helper()
	c, err := client.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Run(t.Context()) }()
	if err := c.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c, func() {
		c.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

func TestIMArchive(t *testing.T) {
	s := pastServer(t)
	ctx := t.Context()
	mam := new(archive.Client)
	cfg := s.ClientConfig("nurse/kitchen", nil)
	cfg.Extensions = []xmpp.Extension{mam}
	nurse := s.Start(cfg)
	juliet := s.ClientConfig("juliet/balcony", nil)
	state, handled := make(chan archive.State, 100), make(chan string, 100)
	start := func(from archive.State) (stop func()) {
		cfg := juliet
		missNothing(&cfg, from, func(s archive.State) { state <- s }, func(m archive.Message) { handled <- m.Stanza.Message().Body })
		_, stop = startUntil(t, cfg)
		return stop
	}
	send := func(body string) {
		t.Helper()
		msg := &stanza.Message{To: juliet.JID.Bare(), Type: stanza.TypeChat, Body: body}
		if err := xmpp.Send(ctx, nurse, msg); err != nil {
			t.Fatal(err)
		}
		if err := ping.Ping(ctx, nurse, jid.JID{}); err != nil { // it has been stored
			t.Fatal(err)
		}
	}
	stop := start(archive.State{})
	send("Where is my lady?")
	if got := <-handled; got != "Where is my lady?" {
		t.Errorf("handled %q", got)
	}
	last := <-state
	for len(last.Seen) < 1 { // of before
		last = <-state
	}
	stop()
	send("She was at the friar's cell.")
	defer start(last)()
	if got := <-handled; got != "She was at the friar's cell." {
		t.Errorf("handled %q after the gap", got)
	}
	for len((<-state).Seen) < 2 {
	}
	if len(handled) > 0 {
		t.Errorf("handled %q again", <-handled)
	}
	bodies, err := said(ctx, nurse, mam, juliet.JID.Bare())
	if want := []string{"Where is my lady?", "She was at the friar's cell."}; !slices.Equal(bodies, want) || err != nil {
		t.Errorf("%q, %v", bodies, err)
	}
	if all, err := newest(ctx, nurse, mam); len(all) != 2 || err != nil {
		t.Errorf("%v, %v", all, err)
	}
}

// showAll makes a client show what the account's other clients send and get.
func showAll(cfg *client.Config, show func(...any)) {
	copies := &carbons.Extension{
		Handle: func(_ context.Context, _ xmpp.Sender, c carbons.Copy) error {
			show(c.Direction, c.Stanza.Message().Body) // "received" or "sent"
			return nil
		},
	}
	cfg.Extensions = append(cfg.Extensions, copies)
}

func TestIMCopies(t *testing.T) {
	s := pastServer(t)
	shown := make(chan string, 10)
	cfg := s.ClientConfig("juliet/tablet", nil)
	showAll(&cfg, func(args ...any) { shown <- fmt.Sprintln(args...) })
	s.Start(cfg)
	nurse := s.Client("nurse/kitchen", nil)
	phone := s.Client("juliet/phone", nil)
	for _, err := range []error{
		xmpp.Send(t.Context(), phone, &stanza.Message{To: nurse.LocalAddr(), Type: stanza.TypeChat, Body: "Nurse?"}),
		xmpp.Send(t.Context(), nurse, &stanza.Message{To: phone.LocalAddr(), Type: stanza.TypeChat, Body: "Anon, madam!"}),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	got := []string{<-shown, <-shown}
	slices.Sort(got)
	if want := []string{"received Anon, madam!\n", "sent Nurse?\n"}; !slices.Equal(got, want) {
		t.Errorf("shown %q", got)
	}
}

// wakeable makes a client that can be woken when it is away, and that says when nobody
// looks at it.
func wakeable(cfg *client.Config, service jid.JID, device string) *csi.Extension {
	wake := &push.Extension{Registration: push.Registration{Service: service, Node: device}}
	screen := new(csi.Extension)
	cfg.Extensions = append(cfg.Extensions, wake, screen)
	return screen
}

// asleep says that the screen is off.
func asleep(ctx context.Context, screen *csi.Extension) error {
	return screen.Set(ctx, false)
}

// deliver is the app's server: it wakes devices in the way of their platform.
func deliver(wake func(device string, messages int) error) *push.Service {
	return &push.Service{Deliver: func(_ context.Context, d push.Delivery) error {
		return wake(d.Node, d.Notification.Messages) // an item-not-found: there is no such device any more
	}}
}

func TestIMPush(t *testing.T) {
	enabled := make(chan struct{}, 10)
	s := pastServer(t, enabled)
	woken := make(chan string, 10)
	service := jid.MustParse("push.example.org")
	app := deliver(func(device string, n int) error {
		woken <- fmt.Sprint(device, ": ", n)
		return nil
	})
	if _, err := s.LocalHost(service, nil, app); err != nil {
		t.Fatal(err)
	}
	cfg := s.ClientConfig("juliet/phone", nil)
	screen := wakeable(&cfg, service, "her-phone")
	phone, stop := startUntil(t, cfg)
	if err := asleep(t.Context(), screen); err != nil {
		t.Error(err)
	}
	<-enabled
	if err := ping.Ping(t.Context(), phone, jid.JID{}); err != nil {
		t.Fatal(err)
	}
	stop()
	nurse := s.Client("nurse/kitchen", nil)
	if err := xmpp.Send(t.Context(), nurse, &stanza.Message{To: cfg.JID.Bare(), Type: stanza.TypeChat, Body: "Madam!"}); err != nil {
		t.Fatal(err)
	}
	if got := <-woken; got != "her-phone: 1" {
		t.Errorf("woken %q", got)
	}
}

// enroll makes an account, unless it is there.
func enroll(ctx context.Context, cfg client.Config) error {
	err := client.Register(ctx, cfg)
	if err != nil && !errors.Is(err, stanza.Conflict) { // there is such an account already
		return err
	}
	return nil
}

func TestEnroll(t *testing.T) {
	s := xmpptest.NewServer(t, func(c *server.Config) { c.Registration = &register.Server{Open: true} })
	cfg := s.ClientConfig("juliet", nil)
	cfg.JID = jid.MustParse("benvolio@example.org")
	for range 2 {
		if err := enroll(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
	}
	s.Start(cfg)
}

// keepEverything is a server that keeps everything in one file.
func keepEverything(ctx context.Context, dir string) (*server.Server, func() error, error) {
	db, err := sql.Open(ctx, sql.Config{Path: filepath.Join(dir, "etherx.db")})
	if err != nil {
		return nil, nil, err
	}
	s, err := server.New(server.Config{
		Domains:  []string{"example.org"},
		Accounts: db.Accounts(),
		Stores: server.Stores{
			Rosters:   db.Rosters(),
			Presences: db.Presences(),
			Privacy:   db.Privacy(),
			Offline:   db.Offline(),
			Tokens:    db.Tokens(), // for clients that log in in one round trip
		},
		Registration: &register.Server{Open: true, MaxPerHour: 3},
		Extensions: []xmpp.Extension{
			&disco.Extension{}, // says what the others are
			&last.Extension{},
			&version.Extension{},
			&private.Server{Store: db.Private()},
			&vcard.Server{Store: db.VCards()},
			&archive.Server{Store: db.Archives()},
			&push.Server{Store: db.Push()},
		},
	})
	return s, db.Close, err
}

func TestKeepEverything(t *testing.T) {
	s, closeDB, err := keepEverything(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer closeDB()
	defer s.Close()
	if f := s.Features(jid.MustParse("example.org")); !strings.Contains(fmt.Sprint(f), vcard.NS) {
		t.Errorf("features %q", f)
	}
}
