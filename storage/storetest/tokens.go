package storetest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/sasl"
	"github.com/etherx-go/xmpp/stream"
)

// errLooked ends an update that is only to see what is there.
var errLooked = errors.New("looked")

// soon is a time, to the second, when tokens are still good.
func soon() time.Time { return time.Now().UTC().Truncate(time.Second).Add(time.Hour) }

// tokensOf returns tokens with this secret in use.
func tokensOf(secret string, expires time.Time) sasl.HashedTokens {
	return sasl.HashedTokens{Current: sasl.HashedToken{Secret: secret, Mechanism: sasl.HTSHA256None, Expires: expires}}
}

// tokensField puts the value into the token of a client.
func tokensField(s stream.TokenStore) field {
	return field{
		put: func(ctx context.Context, account jid.JID, value string) error {
			return s.UpdateTokens(ctx, account, "phone", func(t *sasl.HashedTokens) error {
				*t = tokensOf(value, soon())
				return nil
			})
		},
		get: func(ctx context.Context, account jid.JID) (value string, err error) {
			err = s.UpdateTokens(ctx, account, "phone", func(t *sasl.HashedTokens) error {
				value = t.Current.Secret
				return errLooked
			})
			if err == errLooked {
				err = nil
			}
			return value, err
		},
		remove: func(ctx context.Context, account jid.JID) error { return s.RemoveTokens(ctx, account, "") },
	}
}

// RunTokens tests a [stream.TokenStore].
func RunTokens(t *testing.T, open func(t *testing.T) stream.TokenStore) {
	t.Run("field", func(t *testing.T) {
		runField(t, func(t *testing.T) field { return tokensField(open(t)) })
	})
	for name, test := range map[string]func(*testing.T, tokensTest){
		"all of the tokens come back":               tokensWhole,
		"clients do not mix":                        tokensApart,
		"errors change nothing":                     tokensError,
		"a panic changes nothing":                   tokensPanic,
		"the store has a copy of its own":           tokensCopies,
		"none are as good as nothing":               tokensNone,
		"of logins with the same count one is good": tokensSameCount,
		"updates at once":                           tokensAtOnce,
		"bound of clients":                          tokensBound,
		"bound of clients at once":                  tokensBoundAtOnce,
		"the last that came stays":                  tokensNewest,
		"expired":                                   tokensExpired,
	} {
		t.Run(name, func(t *testing.T) { test(t, tokensTest{open(t)}) })
	}
}

// tokensTest has what the tests of a stream.TokenStore share.
type tokensTest struct{ stream.TokenStore }

func (s tokensTest) set(t *testing.T, account jid.JID, client string, tokens sasl.HashedTokens) {
	t.Helper()
	err := s.UpdateTokens(t.Context(), account, client, func(h *sasl.HashedTokens) error {
		*h = tokens
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (s tokensTest) get(t *testing.T, account jid.JID, client string) (tokens sasl.HashedTokens) {
	t.Helper()
	err := s.UpdateTokens(t.Context(), account, client, func(h *sasl.HashedTokens) error {
		tokens = *h
		return errLooked
	})
	if err != errLooked { // as it is, not wrapped
		t.Fatalf("%v, want that of the function", err)
	}
	return tokens
}

func (s tokensTest) wants(t *testing.T, account jid.JID, client string, want sasl.HashedTokens) {
	t.Helper()
	got := s.get(t, account, client)
	same := func(a, b sasl.HashedToken) bool {
		ok := a.Expires.Equal(b.Expires)
		a.Expires, b.Expires = time.Time{}, time.Time{}
		return ok && a == b
	}
	if !same(got.Current, want.Current) || !same(got.New, want.New) {
		t.Errorf("%.80v, %s: got %+v, want %+v", account, client, got, want)
	}
}

// count returns how many of the clients have tokens.
func (s tokensTest) count(t *testing.T, account jid.JID, clients []string) (n int) {
	t.Helper()
	for _, client := range clients {
		if tokens := s.get(t, account, client); !tokens.IsZero() {
			n++
		}
	}
	return n
}

// clients are ids of so many user agents.
func clients(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("d4565fa7-4d72-4749-b3d3-%012x", i)
	}
	return all
}

func tokensWhole(t *testing.T, s tokensTest) {
	at := soon()
	s.wants(t, juliet, "phone", sasl.HashedTokens{})
	all := map[string]sasl.HashedTokens{
		"both": {
			Current: sasl.HashedToken{Secret: "abc-._~+/=", Mechanism: sasl.HTSHA256Expr, Expires: at, Count: 5},
			New:     sasl.HashedToken{Secret: "'\"<&>$1?", Mechanism: sasl.HTSHA256None, Expires: at.Add(time.Second), Count: 1},
		},
		"current only":  tokensOf("abc", at),
		"new only":      {New: sasl.HashedToken{Secret: "abc", Mechanism: sasl.HTSHA256None, Expires: at}},
		"highest count": {Current: sasl.HashedToken{Secret: "abc", Mechanism: "x", Expires: at, Count: math.MaxUint64}},
		"'; -- <&>\"$1": tokensOf("abc", at),
	}
	for client, tokens := range all {
		s.set(t, juliet, client, tokens)
	}
	for client, tokens := range all {
		s.wants(t, juliet, client, tokens)
	}
	s.wants(t, nurse, "both", sasl.HashedTokens{})
	// With any address of the account.
	full := jid.MustParse(juliet.String() + "/balcony")
	s.wants(t, full, "both", all["both"])
	s.set(t, full, "full", all["both"])
	s.wants(t, juliet, "full", all["both"])
	if err := s.RemoveTokens(t.Context(), full, ""); err != nil {
		t.Fatal(err)
	}
	s.wants(t, juliet, "full", sasl.HashedTokens{})
}

func tokensApart(t *testing.T, s tokensTest) {
	at := soon()
	all := append(clients(3), "PHONE", "phone", "phone ", "%", "_")
	for i, client := range all {
		s.set(t, juliet, client, tokensOf(fmt.Sprint("juliet ", i), at))
		s.set(t, nurse, client, tokensOf(fmt.Sprint("nurse ", i), at))
	}
	for i, client := range all {
		s.wants(t, juliet, client, tokensOf(fmt.Sprint("juliet ", i), at))
		for range 2 { // also if there is nothing
			if err := s.RemoveTokens(t.Context(), juliet, client); err != nil {
				t.Fatal(err)
			}
		}
		s.wants(t, juliet, client, sasl.HashedTokens{})
		s.wants(t, nurse, client, tokensOf(fmt.Sprint("nurse ", i), at))
		if got := s.count(t, juliet, all); got != len(all)-i-1 {
			t.Fatalf("%d clients are left, want %d", got, len(all)-i-1)
		}
	}
	if err := s.RemoveTokens(t.Context(), nurse, ""); err != nil {
		t.Fatal(err)
	}
	if got := s.count(t, nurse, all); got != 0 {
		t.Errorf("%d clients are left", got)
	}
}

func tokensError(t *testing.T, s tokensTest) {
	before := tokensOf("a", soon())
	s.set(t, juliet, "phone", before)
	for client, want := range map[string]sasl.HashedTokens{"phone": before, "other": {}} {
		for _, to := range []sasl.HashedTokens{{}, tokensOf("b", soon())} {
			err := s.UpdateTokens(t.Context(), juliet, client, func(h *sasl.HashedTokens) error {
				*h = to
				return errRefused
			})
			if err != errRefused { // as it is, not wrapped
				t.Errorf("got %v", err)
			}
			s.wants(t, juliet, client, want)
		}
	}
}

func tokensPanic(t *testing.T, s tokensTest) {
	before := tokensOf("a", soon())
	s.set(t, juliet, "phone", before)
	func() {
		defer func() {
			if v := recover(); v != errRefused {
				t.Errorf("recovered %v", v)
			}
		}()
		s.UpdateTokens(t.Context(), juliet, "phone", func(h *sasl.HashedTokens) error {
			h.Current.Count++
			panic(errRefused)
		})
	}()
	s.wants(t, juliet, "phone", before)
}

func tokensCopies(t *testing.T, s tokensTest) {
	want := tokensOf("a", soon())
	var kept []*sasl.HashedTokens
	for range 2 {
		err := s.UpdateTokens(t.Context(), juliet, "phone", func(h *sasl.HashedTokens) error {
			*h = want
			kept = append(kept, h)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, h := range kept {
		h.Current.Secret = "changed"
	}
	s.wants(t, juliet, "phone", want)
}

// tokensNone: clients without tokens do not count.
func tokensNone(t *testing.T, s tokensTest) {
	all := clients(stream.MaxTokenClients)
	for _, client := range all {
		s.set(t, juliet, client, tokensOf("a", soon()))
	}
	s.set(t, juliet, all[0], sasl.HashedTokens{})
	s.wants(t, juliet, all[0], sasl.HashedTokens{})
	s.set(t, juliet, "none", sasl.HashedTokens{})
	s.set(t, juliet, "another", tokensOf("b", soon()))
	if got := s.count(t, juliet, all[1:]); got != len(all)-1 {
		t.Errorf("%d clients are left of %d", got, len(all)-1)
	}
	s.set(t, juliet, "another", sasl.HashedTokens{})
	s.set(t, juliet, all[0], tokensOf("again", soon()))
	if got := s.count(t, juliet, all); got != len(all) {
		t.Errorf("%d clients are left of %d", got, len(all))
	}
}

// tokensSameCount: "two logins with the same count, one fails" holds for those that
// come at the same time, too (XEP-0484, section 3.4).
func tokensSameCount(t *testing.T, s tokensTest) {
	const callers = 8
	s.set(t, juliet, "phone", tokensOf("a", soon()))
	for count := uint64(1); count <= 5; count++ {
		var good atomic.Int64
		start := make(chan struct{})
		var wg sync.WaitGroup
		for range callers {
			wg.Go(func() {
				<-start
				err := s.UpdateTokens(t.Context(), juliet, "phone", func(h *sasl.HashedTokens) error {
					return h.Use(sasl.HTSHA256None, time.Now(), count, true, func(secret string) bool { return secret == "a" })
				})
				switch {
				case err == nil:
					good.Add(1)
				case err != sasl.NotAuthorized:
					t.Error(err)
				}
			})
		}
		close(start)
		wg.Wait()
		if good.Load() != 1 {
			t.Fatalf("with count %d %d logins are good", count, good.Load())
		}
	}
}

func tokensAtOnce(t *testing.T, s tokensTest) {
	const callers, each = 8, 10
	all := clients(2)
	at := soon()
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			for range each {
				err := s.UpdateTokens(t.Context(), juliet, all[i%2], func(h *sasl.HashedTokens) error {
					n := h.Current.Count + 1
					*h = tokensOf(fmt.Sprint(n), at)
					h.Current.Count = n
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	want := tokensOf(fmt.Sprint(callers/2*each), at)
	want.Current.Count = callers / 2 * each
	for _, client := range all {
		s.wants(t, juliet, client, want)
	}
}

// tokensBound: those go that expire first, which is not the order of coming.
func tokensBound(t *testing.T, s tokensTest) {
	at := soon()
	all := clients(stream.MaxTokenClients + 4)
	nth := func(i int) sasl.HashedTokens { return tokensOf(fmt.Sprint(i), at.Add(time.Duration(i)*time.Second)) }
	late := nth(0)
	late.New = nth(len(all)).Current // the first in use ends first, but there is another
	for i, client := range all {
		s.set(t, nurse, client, nth(i))
	}
	order := slices.Clone(all[:stream.MaxTokenClients])
	slices.Reverse(order)
	for _, client := range order {
		s.set(t, juliet, client, nth(slices.Index(all, client)))
	}
	s.set(t, juliet, all[0], late)
	for range 2 { // who is there already takes no place
		s.set(t, juliet, all[1], nth(1))
	}
	if got := s.count(t, juliet, all); got != stream.MaxTokenClients {
		t.Fatalf("%d of %d clients have tokens", got, stream.MaxTokenClients)
	}
	for i := stream.MaxTokenClients; i < len(all); i++ {
		s.set(t, juliet, all[i], nth(i))
	}
	for i, client := range all {
		want := nth(i)
		switch {
		case i == 0:
			want = late
		case i <= 4:
			want = sasl.HashedTokens{}
		}
		s.wants(t, juliet, client, want)
		if want = nth(i); i < 4 {
			want = sasl.HashedTokens{}
		}
		s.wants(t, nurse, client, want)
	}
}

func tokensBoundAtOnce(t *testing.T, s tokensTest) {
	const callers = 8
	all := clients(stream.MaxTokenClients + 2*callers)
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			for n := i; n < len(all); n += callers {
				err := s.UpdateTokens(t.Context(), juliet, all[n], func(h *sasl.HashedTokens) error {
					*h = tokensOf("a", soon())
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if got := s.count(t, juliet, all); got != stream.MaxTokenClients {
		t.Errorf("%d clients have tokens, want %d", got, stream.MaxTokenClients)
	}
}

// tokensNewest: who has got a token just now has it, also where all of the others
// expire later, or at the same time.
func tokensNewest(t *testing.T, s tokensTest) {
	at := soon()
	all := clients(stream.MaxTokenClients + 1)
	for _, client := range all[1:] {
		s.set(t, juliet, client, tokensOf("a", at))
	}
	for _, newest := range []time.Time{at, at.Add(-time.Minute)} {
		for i, client := range []string{all[0], all[len(all)-1]} {
			want := tokensOf(fmt.Sprint(i), newest)
			if err := s.RemoveTokens(t.Context(), juliet, client); err != nil {
				t.Fatal(err)
			}
			s.set(t, juliet, client, want)
			s.wants(t, juliet, client, want)
		}
		if got := s.count(t, juliet, all); got > stream.MaxTokenClients {
			t.Errorf("%d clients have tokens", got)
		}
	}
}

// tokensExpired: what is expired is of no use, whether it is still there or not, and
// goes before the rest.
func tokensExpired(t *testing.T, s tokensTest) {
	all := clients(stream.MaxTokenClients)
	s.set(t, juliet, "old", tokensOf("a", time.Now().Add(-time.Second)))
	for _, client := range all[1:] {
		s.set(t, juliet, client, tokensOf("b", soon()))
	}
	err := s.UpdateTokens(t.Context(), juliet, "old", func(h *sasl.HashedTokens) error {
		return h.Use(sasl.HTSHA256None, time.Now(), 0, false, func(secret string) bool { return secret == "a" })
	})
	if err != sasl.CredentialsExpired && err != sasl.NotAuthorized {
		t.Errorf("a login with what is expired: %v", err)
	}
	s.set(t, juliet, all[0], tokensOf("b", soon()))
	if got := s.count(t, juliet, all); got != len(all) {
		t.Errorf("%d of %d are left", got, len(all))
	}
	if got := s.get(t, juliet, "old"); !got.IsZero() {
		t.Errorf("got %+v", got)
	}
	// It can be given another one.
	s.set(t, juliet, "old", tokensOf("c", soon()))
	if got := s.get(t, juliet, "old"); got.Current.Secret != "c" {
		t.Errorf("got %+v", got)
	}
}
