package docs_test

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/client"
	"github.com/etherx-go/xmpp/ext/blocking"
	"github.com/etherx-go/xmpp/ext/delay"
	"github.com/etherx-go/xmpp/ext/disco"
	"github.com/etherx-go/xmpp/ext/last"
	"github.com/etherx-go/xmpp/ext/ping"
	"github.com/etherx-go/xmpp/ext/private"
	"github.com/etherx-go/xmpp/ext/receipts"
	"github.com/etherx-go/xmpp/ext/register"
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
		},
		Registration: &register.Server{Open: true, MaxPerHour: 3},
		Extensions: []xmpp.Extension{
			&disco.Extension{}, // says what the others are
			&last.Extension{},
			&version.Extension{},
			&private.Server{Store: db.Private()},
			&vcard.Server{Store: db.VCards()},
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
