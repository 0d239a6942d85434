package caps

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp/ext/disco"
	"github.com/etherx-go/xmpp/ext/form"
	"github.com/etherx-go/xmpp/ext/internal/hosttest"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

func presence(t testing.TB, from string, payloads ...any) *stanza.Stanza {
	t.Helper()
	st, err := stanza.New(stanza.Header{Kind: stanza.KindPresence, From: jid.MustParse(from)}, payloads...)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// TestLookup: what fits its hash is asked once, everything else each time
// (XEP-0115, section 5.4, and XEP-0390, section 6.2.1).
func TestLookup(t *testing.T) {
	tkabber := readInfo(t, "tkabber.xml")
	sha256, err := Sum(tkabber, SHA256)
	if err != nil {
		t.Fatal(err)
	}
	sha3, err := Sum(tkabber, SHA3256)
	if err != nil {
		t.Fatal(err)
	}
	xml := func(i disco.Info, node string) string {
		i.Node = node
		b, err := i.AppendXML(nil)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	romeo := Caps{Hash: SHA1, Node: "http://code.google.com/p/exodus", Ver: exodusVer}
	exodusInfo := parseInfo(t, exodus)
	for _, tt := range []struct {
		name     string
		payloads []any
		answer   disco.Info
		node     string // that is asked
		kept     bool
	}{
		{"XEP-0115", []any{romeo}, exodusInfo, "http://code.google.com/p/exodus#" + exodusVer, true},
		{"XEP-0115 3.9 something else", []any{romeo}, parseInfo(t, psi), "http://code.google.com/p/exodus#" + exodusVer, false},
		{"XEP-0115 2 a hash function that is not known", []any{Caps{Hash: "sha-99", Node: "n", Ver: exodusVer}}, exodusInfo, "", false},
		{"XEP-0115 13 the legacy format", []any{Caps{Node: "n", Ver: exodusVer, Ext: "x"}}, exodusInfo, "", false},
		{"XEP-0390", []any{Set{[]Hash{{"sha-99", "x"}, sha3, sha256}}}, tkabber, sha256.DiscoNode(), true},
		{"XEP-0390 one hash only", []any{Set{[]Hash{sha3}}}, tkabber, sha3.DiscoNode(), true},
		{"XEP-0390 something else", []any{Set{[]Hash{sha256}}}, exodusInfo, sha256.DiscoNode(), false},
		{"XEP-0390 before XEP-0115", []any{romeo, Set{[]Hash{sha256}}}, tkabber, sha256.DiscoNode(), true},
		{"XEP-0390 with hash functions that are not known", []any{Set{[]Hash{{"sha-99", "x"}}}, romeo}, exodusInfo, romeo.DiscoNode(), true},
		{"nothing", nil, exodusInfo, "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := hosttest.New(t, "juliet@capulet.lit/balcony")
			c.Reply = func(iq *stanza.Stanza) (string, error) { return xml(tt.answer, iq.Payload().Attr("node")), nil }
			var cache Cache
			for i, from := range []string{"romeo@montague.lit/orchard", "nurse@capulet.lit/chamber", "bard@shakespeare.lit/globe"} {
				p := presence(t, from, tt.payloads...)
				if _, ok := cache.Cached(p); ok != (tt.kept && i > 0) {
					t.Errorf("Cached: %v", ok)
				}
				got, err := cache.Lookup(t.Context(), c, p)
				if err != nil || !reflect.DeepEqual(got.Features, tt.answer.Features) || !reflect.DeepEqual(got.Identities, tt.answer.Identities) {
					t.Fatalf("got %+v, %v", got, err)
				}
				want := i + 1
				if tt.kept {
					want = 1
				}
				if len(c.Asked) != want {
					t.Fatalf("%d questions after %d presences", len(c.Asked), i+1)
				}
				last := c.Asked[len(c.Asked)-1]
				if node := last.Payload().Attr("node"); node != tt.node || want > 1 && last.To != p.From {
					t.Errorf("asked %s", last)
				}
			}
		})
	}
}

// TestLookupCovered: of what is kept only that counts which the hash covers.
func TestLookupCovered(t *testing.T) {
	evil := parseInfo(t, psi)
	evil.Forms[0].Title = "evil"
	for i := range evil.Forms[0].Fields {
		evil.Forms[0].Fields[i].Label = "evil"
	}
	evil.Forms[0].Items = [][]form.Field{{{Var: "evil"}}}
	evil.Forms = append(evil.Forms, form.New(form.Result, "", form.String("evil", "x")), form.Data{Fields: []form.Field{{Var: "FORM_TYPE", Values: []string{"evil"}}}})
	c := hosttest.New(t, "juliet@capulet.lit/balcony")
	c.Reply = func(*stanza.Stanza) (string, error) {
		b, err := evil.AppendXML(nil)
		return strings.Replace(string(b), "</query>", "<evil/></query>", 1), err
	}
	var cache Cache
	p := presence(t, "mal@evil.lit/x", Caps{Hash: SHA1, Node: "n", Ver: psiVer})
	for range 2 {
		got, err := cache.Lookup(t.Context(), c, p)
		if b, _ := got.AppendXML(nil); err != nil || strings.Contains(string(b), "evil") || got.Unknown != 0 ||
			got.Form("urn:xmpp:dataforms:softwareinfo").Text("os") != "Mac" {
			t.Errorf("got %s, %v", b, err)
		}
	}
	if len(c.Asked) != 1 {
		t.Errorf("%d questions", len(c.Asked))
	}
}

// TestLookupErrors: an error is returned, and nothing is kept; a node that is
// gone is no error.
func TestLookupErrors(t *testing.T) {
	lost := errors.New("lost")
	c := hosttest.New(t, "juliet@capulet.lit/balcony")
	var cache Cache
	p := &stanza.Presence{From: jid.MustParse("romeo@montague.lit/orchard"), Payloads: []any{Caps{Hash: SHA1, Node: "n", Ver: exodusVer}}}
	c.Reply = func(*stanza.Stanza) (string, error) { return "", lost }
	if _, err := cache.Lookup(t.Context(), c, p); !errors.Is(err, lost) {
		t.Errorf("got %v", err)
	}
	c.Reply = func(iq *stanza.Stanza) (string, error) {
		if iq.Payload().Attr("node") != "" {
			return "", stanza.NewError(stanza.ItemNotFound, "")
		}
		return exodus, nil
	}
	if got, err := cache.Lookup(t.Context(), c, p); err != nil || !got.Has("http://jabber.org/protocol/muc") {
		t.Errorf("got %+v, %v", got, err)
	}
	if st, _ := p.Stanza(); len(cache.entries) != 0 {
		_, ok := cache.Cached(st)
		t.Errorf("something is kept: %v", ok)
	}
	bad := &stanza.Presence{Payloads: []any{func() {}}}
	if _, err := cache.Lookup(t.Context(), c, bad); err == nil {
		t.Error("a presence that cannot be written")
	}
}

// TestCacheBounds: what was not used for the longest time is forgotten, and
// what is too large is not kept.
func TestCacheBounds(t *testing.T) {
	c := hosttest.New(t, "juliet@capulet.lit/balcony")
	info := func(n int) disco.Info {
		return disco.Info{Identities: []disco.Identity{{Category: "client", Type: "pc"}}, Features: []string{fmt.Sprint("feature ", n)}}
	}
	p := func(n int) *stanza.Stanza {
		h, err := Sum(info(n), SHA256)
		if err != nil {
			t.Fatal(err)
		}
		return presence(t, fmt.Sprintf("user%d@example.org/x", n), Set{[]Hash{h}})
	}
	c.Reply = func(iq *stanza.Stanza) (string, error) {
		var n int
		if _, err := fmt.Sscanf(iq.To.Local(), "user%d", &n); err != nil {
			t.Fatal(err)
		}
		b, err := info(n).AppendXML(nil)
		return string(b), err
	}
	lookup := func(cache *Cache, n int) (asked bool) {
		before := len(c.Asked)
		if _, err := cache.Lookup(t.Context(), c, p(n)); err != nil {
			t.Fatal(err)
		}
		return len(c.Asked) > before
	}
	cache := &Cache{MaxEntries: 3}
	for i, tt := range []struct {
		n     int
		asked bool
	}{{1, true}, {2, true}, {3, true}, {1, false}, {4, true}, {1, false}, {2, true}, {4, false}, {3, true}, {1, true}} {
		if got := lookup(cache, tt.n); got != tt.asked {
			t.Errorf("step %d: asked %v", i, got)
		}
	}
	if len(cache.entries) != 3 || cache.order.Len() != 3 || len(cache.asking) != 0 {
		t.Errorf("%d entries, %d in order, %d are asked for", len(cache.entries), cache.order.Len(), len(cache.asking))
	}
	cache = &Cache{MaxSize: 100}
	if lookup(cache, 1); !lookup(cache, 1) {
		t.Error("too large, but kept")
	}
	cache = new(Cache)
	for n := range DefaultMaxEntries + 10 {
		lookup(cache, n)
	}
	if len(cache.entries) != DefaultMaxEntries {
		t.Errorf("%d entries", len(cache.entries))
	}
}

// slow is a Sender whose replies are sent by a function.
type slow struct {
	do    func(ctx context.Context, to jid.JID) (string, error)
	asked atomic.Int32
}

func (*slow) LocalAddr() jid.JID                         { return jid.JID{} }
func (*slow) Send(context.Context, *stanza.Stanza) error { return nil }
func (s *slow) Do(ctx context.Context, iq *stanza.Stanza) (*stanza.Stanza, error) {
	s.asked.Add(1)
	body, err := s.do(ctx, iq.To)
	if err != nil {
		return nil, err
	}
	return stanza.Parse("<iq type='result'>" + body + "</iq>")
}

// TestLookupTogether: of many who look up the same, one asks. If that one gets
// no answer, or a wrong one, the others do not wait for long.
func TestLookupTogether(t *testing.T) {
	lookup := func(t *testing.T, s *slow, cache *Cache, wantErr bool) {
		var wg sync.WaitGroup
		for i := range 10 {
			p := presence(t, fmt.Sprintf("user%d@example.org/x", i), Caps{Hash: SHA1, Node: "n", Ver: exodusVer})
			if i == 1 {
				synctest.Wait()
			}
			wg.Go(func() {
				got, err := cache.Lookup(t.Context(), s, p)
				if i > 0 && (err != nil || !got.Has("http://jabber.org/protocol/muc")) || i == 0 && err != nil != wantErr {
					t.Errorf("%d: %+v, %v", i, got, err)
				}
			})
		}
		wg.Wait()
	}
	isFirst := func(to jid.JID) bool { return to.Local() == "user0" }
	t.Run("answered", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &slow{do: func(context.Context, jid.JID) (string, error) { time.Sleep(time.Second); return exodus, nil }}
			lookup(t, s, new(Cache), false)
			if n := s.asked.Load(); n != 1 {
				t.Errorf("%d questions", n)
			}
		})
	})
	t.Run("wrong", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &slow{do: func(_ context.Context, to jid.JID) (string, error) {
				time.Sleep(time.Second)
				if isFirst(to) {
					return psi, nil
				}
				return exodus, nil
			}}
			lookup(t, s, new(Cache), false)
			if n := s.asked.Load(); n < 2 {
				t.Errorf("%d questions", n)
			}
		})
	})
	t.Run("not answered", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			s := &slow{}
			s.do = func(ctx context.Context, to jid.JID) (string, error) {
				if !isFirst(to) {
					return exodus, nil
				}
				time.Sleep(time.Minute)
				return "", context.DeadlineExceeded
			}
			cache := &Cache{Patience: 3 * time.Second}
			go func() {
				time.Sleep(4 * time.Second)
				p := presence(t, "late@example.org/x", Caps{Hash: SHA1, Node: "n", Ver: exodusVer})
				if _, ok := cache.Cached(p); !ok {
					t.Errorf("after %v nobody has asked", time.Since(start))
				}
			}()
			lookup(t, s, cache, true)
			synctest.Wait()
			if len(cache.asking) != 0 {
				t.Error("a question is left")
			}
		})
	})
	t.Run("canceled", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &slow{do: func(context.Context, jid.JID) (string, error) { time.Sleep(time.Minute); return exodus, nil }}
			cache := &Cache{Patience: time.Hour}
			p := presence(t, "user@example.org/x", Caps{Hash: SHA1, Node: "n", Ver: exodusVer})
			var wg sync.WaitGroup
			wg.Go(func() {
				if _, err := cache.Lookup(t.Context(), s, p); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if _, err := cache.Lookup(ctx, s, p); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
			wg.Wait()
		})
	})
}
