package server_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/etherx-go/xmpp/archive"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/storage/memory"
)

// withArchive returns a server with an archive.
func withArchive(t testing.TB) *server.Server {
	return newServer(t, func(c *server.Config) {
		c.Extensions = append(c.Extensions, &archive.Server{Store: memory.New().Archives()})
	})
}

// query asks for all of the archive.
func queryArchive(r *raw, id string) string {
	r.t.Helper()
	r.send("<iq type='set' id='%s'><query xmlns='urn:xmpp:mam:2' queryid='%s'/></iq>", id, id)
	return r.expect("<fin ", "</iq>")
}

// TestArchive shows that messages are in the archives of both sides, and come with
// the ids that they have there (XEP-0313, XEP-0359).
func TestArchive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := withArchive(t)
		romeo := login(t, s, "romeo", "jul13t", "orchard")
		juliet := login(t, s, "juliet", "r0m30", "balcony")
		chamber := copying(t, s, "juliet", "r0m30", "chamber")
		romeo.send("<message type='chat' to='juliet@localhost'><body>one</body><stanza-id xmlns='urn:xmpp:sid:0' by='juliet@localhost' id='forged'/></message>")
		id := idIn(t, chamber.expect("one</body>", "</message>"), "juliet@localhost")
		if id == "forged" {
			t.Error("the id is forged")
		}
		juliet.send("<message type='chat' to='romeo@localhost'><body>two</body></message>")
		if got := romeo.expect("two</body>", "</message>"); idIn(t, got, "romeo@localhost") == "" || strings.Contains(got, "by='juliet@localhost'") {
			t.Errorf("got %s", got)
		}
		sent := idIn(t, chamber.expect("<sent", "two</body>", "</message>"), "juliet@localhost")
		got := queryArchive(juliet, "q1")
		if _, ok := cut(got, []string{"id='" + id + "'", "one", "id='" + sent + "'", "two", "complete='true'"}); !ok {
			t.Errorf("the archive of juliet: %s; want %s, %s", got, id, sent)
		}
		if got := queryArchive(romeo, "q2"); strings.Count(got, "<result") != 2 {
			t.Errorf("the archive of romeo: %s", got)
		}
		romeo.send("<iq type='set' id='q3' to='juliet@localhost'><query xmlns='urn:xmpp:mam:2'/></iq>")
		romeo.expect("id='q3'", "error")
	})
}

func idIn(t testing.TB, s, by string) string {
	t.Helper()
	for part := range strings.SplitSeq(s, "<stanza-id ") {
		part, _, _ = strings.Cut(part, ">")
		if strings.Contains(part, "by='"+by+"'") {
			_, id, _ := strings.Cut(part, " id='")
			if id == "" {
				_, id, _ = strings.Cut("x "+part, " id='")
			}
			id, _, _ = strings.Cut(id, "'")
			return id
		}
	}
	t.Errorf("no id by %s in %s", by, s)
	return ""
}

// What a client has read in its archive it does not get again as stored messages, and
// what was stored only it gets.
func TestArchiveAndOffline(t *testing.T) {
	for _, tt := range []struct {
		name string
		read bool
		want int
	}{{"who reads the archive first", true, 1}, {"who does not", false, 2}} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := withArchive(t)
				romeo := login(t, s, "romeo", "jul13t", "orchard")
				say(romeo, "juliet@localhost", "archived")
				romeo.send("<message type='chat' to='juliet@localhost'><body>stored only</body><no-permanent-store xmlns='urn:xmpp:hints'/></message>")
				synctest.Wait()
				juliet := bound(t, s, "balcony")
				if tt.read {
					queryArchive(juliet, "q1")
				}
				juliet.send("<presence/><iq type='get' id='fence'><ping xmlns='urn:xmpp:ping'/></iq>")
				got := juliet.expect("fence")
				if strings.Count(got, "<body>") != tt.want || !strings.Contains(got, "stored only") {
					t.Errorf("got %s", got)
				}
				// It is gone now in either case.
				juliet.nc.Close()
				synctest.Wait()
				juliet = bound(t, s, "balcony")
				juliet.send("<presence/><iq type='get' id='fence'><ping xmlns='urn:xmpp:ping'/></iq>")
				if got := juliet.expect("fence"); strings.Contains(got, "<body>") {
					t.Errorf("again: %s", got)
				}
			})
		})
	}
}

// A client that binds with its log-in reads the archive anyway, and is told where it
// ends (XEP-0386, section 3.2).
func TestBind2AndArchive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := withArchive(t)
		romeo := login(t, s, "romeo", "jul13t", "orchard")
		say(romeo, "juliet@localhost", "archived")
		synctest.Wait()
		r := authenticate2(t, s, "juliet", "r0m30", bind2XML)
		r.expect("<bound", "<metadata xmlns='urn:xmpp:mam:2'>", "<end id=", "</bound>")
		r.send("<presence/><iq type='get' id='fence'><ping xmlns='urn:xmpp:ping'/></iq>")
		if got := r.expect("fence"); strings.Contains(got, "<body>") {
			t.Errorf("got %s", got)
		}
	})
}
