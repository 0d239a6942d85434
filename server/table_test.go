package server_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/offline"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/storage/memory"
)

// drain returns what has come until now: until the answer to a question that is
// asked now.
func (r *raw) drain() string {
	r.t.Helper()
	r.send("<iq type='get' id='drain' to='localhost'><mark xmlns='urn:mark'/></iq>")
	got := r.expect("<iq type='error' id='drain'", "</iq>")
	return got[:strings.Index(got, "<iq type='error' id='drain'")]
}

// The outcomes of RFC 6121, section 8.5.4.
const (
	stored    = "O"
	refused   = "E"
	silent    = "S"
	delivered = "D" // to the resource in to, or to the only one
	most      = "M" // to the most available one
	all       = "A" // to all that are not negative
)

// TestMessageTable shows each cell of RFC 6121, section 8.5.4, table 1.
func TestMessageTable(t *testing.T) {
	type resource struct {
		name     string
		priority int
	}
	negative := []resource{{"low", -1}}
	one := []resource{{"one", 0}, {"low", -1}}
	several := []resource{{"one", 1}, {"best", 7}, {"low", -1}}
	types := [...]string{"normal", "chat", "groupchat", "headline"}
	for _, tt := range []struct {
		id        string
		to        string
		resources []resource
		want      [4]string
	}{
		{"R6121-8.5.4-1 no account, bare", "nobody@localhost", nil, [4]string{refused, refused, refused, silent}},
		{"R6121-8.5.4-2 R6121-8.1-1 no account, full", "nobody@localhost/x", nil, [4]string{refused, refused, refused, refused}},
		{"R6121-8.5.4-3 R3921-11.1-10 nobody there, bare", "romeo@localhost", nil, [4]string{stored, stored, refused, silent}},
		{"R6121-8.5.4-4 nobody there, full", "romeo@localhost/x", nil, [4]string{refused, stored, refused, refused}},
		{"R6121-8.5.4-5 R3921-11.1-5 only negative, bare", "romeo@localhost", negative, [4]string{stored, stored, refused, silent}},
		{"R6121-8.5.4-6 only negative, match", "romeo@localhost/low", negative, [4]string{delivered, delivered, delivered, delivered}},
		{"R6121-8.5.4-7 only negative, no match", "romeo@localhost/x", negative, [4]string{refused, stored, refused, refused}},
		{"R6121-8.5.4-8 one, bare", "romeo@localhost", one, [4]string{most, most, refused, all}},
		{"R6121-8.5.4-9 one, match", "romeo@localhost/one", one, [4]string{delivered, delivered, delivered, delivered}},
		{"R6121-8.5.4-10 one, no match", "romeo@localhost/x", one, [4]string{refused, most, refused, refused}},
		{"R6121-8.5.4-11 several, bare", "romeo@localhost", several, [4]string{most, most, refused, all}},
		{"R6121-8.5.4-12 several, match", "romeo@localhost/one", several, [4]string{delivered, delivered, delivered, delivered}},
		{"R6121-8.5.4-13 R3921-11.1-3 IM-9-2 several, no match", "romeo@localhost/x", several, [4]string{refused, most, refused, refused}},
	} {
		t.Run(tt.id, func(t *testing.T) {
			store := memory.New().Offline()
			s := newServer(t, func(c *server.Config) { c.Stores.Offline = store })
			juliet := login(t, s, "juliet", "r0m30", "balcony")
			romeo := make(map[string]*raw)
			for _, r := range tt.resources {
				romeo[r.name] = available(t, s, "romeo", "jul13t", r.name, r.priority)
			}
			for _, r := range romeo {
				r.drain()
			}
			for i, typ := range types {
				before := count(t, store)
				id := fmt.Sprint("id-", typ)
				juliet.send("<message to='%s' type='%s' id='%s'><body>x</body></message>", tt.to, typ, id)
				got := outcome(t, juliet.drain(), id)
				if n := count(t, store) - before; n > 0 {
					got = append(got, strings.Repeat(stored, n))
				}
				for name, r := range romeo {
					if in := r.drain(); strings.Contains(in, id) {
						got = append(got, name)
						if want := "to='" + tt.to + "'"; !strings.Contains(in, want) {
							t.Errorf("%s: delivered %q, without %s", typ, in, want)
						}
					}
				}
				// In the world of this test most is the resource best or one.
				want := map[string][]string{
					stored: {stored}, refused: {refused}, silent: nil,
					delivered: {tt.to[strings.Index(tt.to, "/")+1:]},
				}[tt.want[i]]
				switch best := len(tt.resources) == 3; {
				case tt.want[i] == most && best:
					want = []string{"best"}
				case tt.want[i] == most || tt.want[i] == all && !best:
					want = []string{"one"}
				case tt.want[i] == all:
					want = []string{"best", "one"}
				}
				if !sameSet(got, want) {
					t.Errorf("%s: got %q, want %q", typ, got, want)
				}
			}
		})
	}
}

// outcome says what the sender was told.
func outcome(t *testing.T, in, id string) []string {
	t.Helper()
	if !strings.Contains(in, id) {
		return nil
	}
	if !strings.Contains(in, "<message type='error' id='"+id+"'") || !strings.Contains(in, "<service-unavailable ") {
		t.Errorf("the sender got %q", in)
	}
	return []string{refused}
}

func count(t *testing.T, store offline.Store) int {
	t.Helper()
	n, err := store.Count(context.Background(), jid.MustParse("romeo@localhost"))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func sameSet(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for _, x := range a {
		if !strings.Contains(strings.Join(b, " "), x) {
			return false
		}
	}
	return true
}
