package ox

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/openpgp"
	"github.com/etherx-go/xmpp/openpgp/internal/opgptest"
	"github.com/etherx-go/xmpp/stanza"
)

func TestPublish(t *testing.T) {
	pep := new(opgptest.PEP)
	juliet, romeo := pep.Host("juliet@example.org/balcony"), pep.Host("romeo@example.org/orchard")
	key := opgptest.Key(t, "juliet")
	second, err := openpgp.Generate(opgptest.Juliet, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := FetchKeys(t.Context(), romeo, opgptest.Juliet); !errors.Is(err, openpgp.ErrNoKey) || !errors.Is(err,
		stanza.ItemNotFound) {
		t.Errorf("before: %v", err)
	}
	if err := Publish(t.Context(), juliet, key); err != nil {
		t.Fatal(err)
	}
	sent := juliet.Sent()
	fpr := key.Fingerprint()
	for i, parts := range [][]string{ // XEP-0373, examples 3 and 4
		{"type='get'", "<items node='urn:xmpp:openpgp:0:public-keys' max_items='1'/>"},
		{"type='set'", "<publish node='urn:xmpp:openpgp:0:public-keys:" + fpr + "'><item id='20",
			"<pubkey xmlns='urn:xmpp:openpgp:0'><data>",
			"<publish-options><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'><value>" +
				"http://jabber.org/protocol/pubsub#publish-options</value></field><field var='pubsub#access_model'>" +
				"<value>open</value>"},
		{"<publish node='urn:xmpp:openpgp:0:public-keys'>", "<pubkey-metadata v4-fingerprint='" + fpr + "' date='20",
			"<value>open</value>"},
	} {
		for _, part := range append(parts, "to='juliet@example.org'") {
			if i >= len(sent) || !strings.Contains(sent[i].String(), part) {
				t.Errorf("request %d has no %s: %v", i, part, sent)
			}
		}
	}
	keys, err := FetchKeys(t.Context(), romeo, jid.MustParse("juliet@example.org/x"))
	if err != nil || len(keys) != 1 || keys[0].Fingerprint() != fpr || keys[0].IsSecret() {
		t.Fatalf("fetched %v, %v", keys, err)
	}
	got := romeo.Sent()
	for i, part := range []string{"<items node='urn:xmpp:openpgp:0:public-keys' max_items='1'/>",
		"<items node='urn:xmpp:openpgp:0:public-keys:" + fpr + "' max_items='1'/>"} { // examples 5 and 7
		if !strings.Contains(got[i+1].String(), part) { // after the one that found nothing
			t.Errorf("request %d has no %s: %v", i, part, got)
		}
	}

	// Announced already; then a second one, and the first is published again.
	if err := Announce(t.Context(), juliet, key); err != nil || len(juliet.Sent()) != 1 {
		t.Errorf("announced again: %v", err)
	}
	if err := Announce(t.Context(), juliet, key, second); err != nil {
		t.Fatal(err)
	}
	if err := Publish(t.Context(), juliet, key); err != nil {
		t.Fatal(err)
	}
	list, err := FetchList(t.Context(), romeo, opgptest.Juliet)
	if err != nil || len(list) != 2 || !list.Has(fpr) || !list.Has(second.Fingerprint()) ||
		time.Since(list[1].Date) > time.Minute {
		t.Errorf("list %v, %v", list, err)
	}
	if keys, err := FetchKeys(t.Context(), romeo, opgptest.Juliet); err != nil || len(keys) != 2 {
		t.Errorf("fetched %v, %v", keys, err)
	}
	if _, err := (&Fetcher{MaxKeys: 1}).Keys(t.Context(), romeo, opgptest.Juliet); !errors.Is(err, openpgp.ErrTooLarge) {
		t.Errorf("more than there may be: %v", err)
	}

	// Withdrawn, twice, and one that was never there.
	for _, f := range []string{fpr, fpr, strings.Repeat("A", 40)} {
		if err := Withdraw(t.Context(), juliet, f); err != nil {
			t.Errorf("withdraw: %v", err)
		}
	}
	if keys, err := FetchKeys(t.Context(), romeo, opgptest.Juliet); err != nil || len(keys) != 1 ||
		keys[0].Fingerprint() != second.Fingerprint() || pep.Node(opgptest.Juliet, NodeKey(fpr)) != nil {
		t.Errorf("fetched %v, %v", keys, err)
	}
	if err := Withdraw(t.Context(), juliet, second.Fingerprint()); err != nil {
		t.Error(err)
	}
	if _, err := FetchList(t.Context(), romeo, opgptest.Juliet); !errors.Is(err, openpgp.ErrNoKey) {
		t.Errorf("after the last: %v", err)
	}
	pep.Delete(opgptest.Juliet, NodeKeys)
	if err := Withdraw(t.Context(), juliet, fpr); err != nil {
		t.Errorf("withdraw without a list: %v", err)
	}
}

// A node that is there with another access model keeps it.
func TestPublishOwnAccess(t *testing.T) {
	pep := new(opgptest.PEP)
	pep.Put(opgptest.Juliet, NodeKeys, "presence", "")
	if err := Publish(t.Context(), pep.Host("juliet@example.org/x"), opgptest.Key(t, "juliet")); err != nil {
		t.Fatal(err)
	}
	if n := pep.Node(opgptest.Juliet, NodeKeys); n.Access != "presence" || n.Item == "" {
		t.Errorf("got %+v", n)
	}
}

// What others publish is not always what it should be.
func TestFetch(t *testing.T) {
	item := func(id string, p stanza.Payload) stanza.Raw {
		b, err := p.AppendXML([]byte("<item xmlns='http://jabber.org/protocol/pubsub' id='" + id + "'>"))
		if err != nil {
			t.Fatal(err)
		}
		return stanza.Raw(append(b, "</item>"...))
	}
	key := func(name string) *openpgp.Key { return opgptest.Key(t, name) }
	juliet, fpr := key("juliet"), key("juliet").Fingerprint()
	good := PublicKey(juliet.Public().Bytes())
	list := item("1", KeyList{{fpr, opgptest.At}})
	for _, tt := range []struct {
		name  string
		addr  string
		nodes map[string]stanza.Raw
		want  error
	}{
		{"good", "juliet@example.org", map[string]stanza.Raw{NodeKeys: list, NodeKey(fpr): item("1", good)}, nil},
		{"no list", "juliet@example.org", map[string]stanza.Raw{NodeKeys: item("1", good)}, openpgp.ErrNoKey},
		{"an empty list", "juliet@example.org", map[string]stanza.Raw{NodeKeys: item("1", KeyList{})}, openpgp.ErrNoKey},
		{"an empty node", "juliet@example.org", map[string]stanza.Raw{NodeKeys: ""}, openpgp.ErrNoKey},
		{"announced only", "juliet@example.org", map[string]stanza.Raw{NodeKeys: list}, openpgp.ErrNoKey},
		{"another payload", "juliet@example.org", map[string]stanza.Raw{NodeKeys: list, NodeKey(fpr): list},
			openpgp.ErrNoKey},
		{"no OpenPGP", "juliet@example.org", map[string]stanza.Raw{NodeKeys: list, NodeKey(fpr): item("1",
			PublicKey("x"))}, openpgp.ErrNoKey},
		{"no Base64", "juliet@example.org", map[string]stanza.Raw{NodeKeys: list,
			NodeKey(fpr): "<item xmlns='http://jabber.org/protocol/pubsub'><pubkey xmlns='urn:xmpp:openpgp:0'><data>!" +
				"</data></pubkey></item>"},
			openpgp.ErrNoKey},
		{"another key", "juliet@example.org", map[string]stanza.Raw{NodeKeys: list,
			NodeKey(fpr): item("1", PublicKey(key("romeo").Public().Bytes()))}, openpgp.ErrNoKey},
		{"a key of another address", "romeo@example.org", map[string]stanza.Raw{NodeKeys: list, NodeKey(fpr): item("1",
			good)}, ErrAuthor},
		{"an expired key", "tybalt@example.org", map[string]stanza.Raw{NodeKeys: item("1",
			KeyList{{key("tybalt").Fingerprint(), opgptest.At}}),
			NodeKey(key("tybalt").Fingerprint()): item("1", PublicKey(key("tybalt").Public().Bytes()))}, openpgp.ErrKeyExpired},
		{"a revoked key beside a good one", "juliet@example.org", map[string]stanza.Raw{
			NodeKeys:     item("1", KeyList{{key("paris").Fingerprint(), opgptest.At}, {fpr, opgptest.At}}),
			NodeKey(fpr): item("1", good), NodeKey(key("paris").Fingerprint()): item("1", PublicKey(key("paris").Bytes()))},
			nil},
		{"the latest of several", "juliet@example.org", map[string]stanza.Raw{NodeKeys: list,
			NodeKey(fpr): item("2026-01-01T00:00:00Z", PublicKey("x")) + item("2026-02-01T00:00:00Z", good) +
				item("2025-01-01T00:00:00Z", PublicKey("x"))}, nil},
		{"the first of several", "juliet@example.org", map[string]stanza.Raw{NodeKeys: list,
			NodeKey(fpr): "<retract xmlns='http://jabber.org/protocol/pubsub'/>" + item("b", good) + item("a",
				PublicKey("x"))}, nil},
		{"a secret key that was published", "juliet@example.org", map[string]stanza.Raw{NodeKeys: list,
			NodeKey(fpr): item("1", PublicKey(juliet.Bytes()))}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			pep := new(opgptest.PEP)
			addr := jid.MustParse(tt.addr)
			for node, items := range tt.nodes {
				pep.Put(addr, node, "open", items)
			}
			keys, err := FetchKeys(t.Context(), pep.Host("nurse@example.org/x"), addr)
			if !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if err == nil && (len(keys) != 1 || keys[0].Fingerprint() != fpr || keys[0].IsSecret()) {
				t.Errorf("got %v", keys)
			}
		})
	}
	if got := latest(stanza.Element{}, NodeKeys); !got.IsZero() {
		t.Errorf("the latest of nothing: %s", got.Raw())
	}
	st := opgptest.Parse(t, "<message><items node='another'><item><x/></item></items></message>")
	if got := latest(st.Payload(), NodeKeys); !got.IsZero() {
		t.Errorf("the latest of another node: %s", got.Raw())
	}
}

// Errors of the server are passed on, at every step.
func TestServerErrors(t *testing.T) {
	key := opgptest.Key(t, "juliet")
	steps := map[string]func(h *opgptest.Host) error{
		"publish":  func(h *opgptest.Host) error { return Publish(t.Context(), h, key) },
		"announce": func(h *opgptest.Host) error { return Announce(t.Context(), h, key) },
		"withdraw": func(h *opgptest.Host) error { return Withdraw(t.Context(), h, key.Fingerprint()) },
		"fetch":    func(h *opgptest.Host) error { _, err := FetchKeys(t.Context(), h, opgptest.Juliet); return err },
		"store":    func(h *opgptest.Host) error { return StoreSecret(t.Context(), h, []byte("x")) },
		"restore":  func(h *opgptest.Host) error { _, err := FetchSecret(t.Context(), h); return err },
		"delete":   func(h *opgptest.Host) error { return DeleteSecret(t.Context(), h) },
	}
	for name, step := range steps {
		for n := 1; ; n++ {
			pep := new(opgptest.PEP)
			h := pep.Host("juliet@example.org/balcony")
			if name == "withdraw" || name == "fetch" {
				if err := Publish(t.Context(), h, key); err != nil {
					t.Fatal(err)
				}
			}
			calls := 0
			pep.Fail = func(*stanza.Stanza) error {
				if calls++; calls == n {
					return stanza.NewError(stanza.ServiceUnavailable, "")
				}
				return nil
			}
			err := step(h)
			if calls < n { // there are no further steps
				break
			}
			if !errors.Is(err, stanza.ServiceUnavailable) {
				t.Errorf("%s, step %d: %v", name, n, err)
			}
		}
	}
	pep := new(opgptest.PEP)
	if err := Publish(t.Context(), pep.Host("juliet@example.org/x"), key, new(openpgp.Key)); !errors.Is(err,
		stanza.BadRequest) {
		t.Errorf("a key that is none: %v", err)
	}
}

func TestSecret(t *testing.T) {
	pep := new(opgptest.PEP)
	h := pep.Host("juliet@example.org/balcony")
	if _, err := FetchSecret(t.Context(), h); !errors.Is(err, openpgp.ErrNoKey) {
		t.Errorf("before: %v", err)
	}
	if err := DeleteSecret(t.Context(), h); err != nil {
		t.Errorf("nothing to delete: %v", err)
	}
	h.Sent()
	code := openpgp.NewBackupCode()
	backup, err := openpgp.Backup(code, opgptest.Key(t, "juliet"))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second takes the place of the first
		if err := StoreSecret(t.Context(), h, backup); err != nil {
			t.Fatal(err)
		}
	}
	sent := h.Sent()
	for i, parts := range [][]string{ // example 15
		{"<create node='urn:xmpp:openpgp:0:secret-key'/><configure><x xmlns='jabber:x:data' type='submit'>",
			"#node_config</value>",
			"<field var='pubsub#access_model'><value>whitelist</value>"},
		{"<publish node='urn:xmpp:openpgp:0:secret-key'>", "<secretkey xmlns='urn:xmpp:openpgp:0'>",
			"<value>whitelist</value>"},
	} {
		for _, part := range parts {
			if !strings.Contains(sent[i].String(), part) {
				t.Errorf("request %d has no %s: %s", i, part, sent[i])
			}
		}
	}
	got, err := FetchSecret(t.Context(), h)
	if err != nil {
		t.Fatal(err)
	}
	if keys, err := openpgp.Restore(got, code, openpgp.Limits{}); err != nil || len(keys) != 1 ||
		keys[0].Fingerprint() != opgptest.Key(t, "juliet").Fingerprint() {
		t.Errorf("restored %v, %v", keys, err)
	}
	// Nobody else gets it.
	if e, err := fetch(t.Context(), pep.Host("romeo@example.org/x"), opgptest.Juliet, NodeSecret); err == nil {
		t.Errorf("Romeo got %s", e.Raw())
	}
	if err := DeleteSecret(t.Context(), h); err != nil || pep.Node(opgptest.Juliet, NodeSecret) != nil {
		t.Errorf("delete: %v", err)
	}
	// A node that others may read does not get it.
	pep.Put(opgptest.Juliet, NodeSecret, "open", "")
	if err := StoreSecret(t.Context(), h, backup); !errors.Is(err, stanza.Conflict) || pep.Node(opgptest.Juliet,
		NodeSecret).Item != "" {
		t.Errorf("stored in an open node: %v", err)
	}
	if _, err := FetchSecret(t.Context(), h); !errors.Is(err, openpgp.ErrNoKey) {
		t.Errorf("of an empty node: %v", err)
	}
}

var _ openpgp.KeyFunc = FetchKeys
