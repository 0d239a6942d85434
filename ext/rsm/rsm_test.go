package rsm

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/etherx-go/xmpp/ext/internal/exttest"
	"github.com/etherx-go/xmpp/stanza"
)

const set = "<set xmlns='http://jabber.org/protocol/rsm'>"

func TestRequest(t *testing.T) {
	exttest.Run(t, []exttest.Golden[Request]{
		{Name: "XEP-0059 example 1", In: set + "<max>10</max></set>", Want: Request{Max: 10}},
		{Name: "XEP-0059 example 5", In: set + "<max>10</max><after>peterpan@neverland.lit</after></set>", Want: Request{Max: 10, After: "peterpan@neverland.lit"}},
		{Name: "XEP-0059 example 8", In: set + "<max>10</max><before>peter@pixyland.org</before></set>", Want: Request{Max: 10, Before: "peter@pixyland.org"}},
		{Name: "XEP-0059 example 11", In: set + "<max>10</max><before/></set>", Want: Request{Max: 10, Last: true}},
		{Name: "XEP-0059 example 12", In: set + "<max>10</max><index>371</index></set>", Want: Request{Max: 10, Index: 371}},
		{Name: "XEP-0059 example 15", In: set + "<max>0</max></set>", Want: Request{CountOnly: true}},
		{Name: "nothing said", In: "<set xmlns='http://jabber.org/protocol/rsm'/>"},
		{Name: "what is not known", In: set + "x<max xmlns='urn:x'>1</max><y/><index> 0 </index><max> 7\n</max></set>", Want: Request{Max: 7}, Out: set + "<max>7</max></set>"},
		{Name: "both ends", In: set + "<before>b</before><after>a&lt;</after></set>", Want: Request{Before: "b", After: "a<"}},
		{Name: "no number", In: set + "<max>many</max></set>", Err: true},
		{Name: "negative", In: set + "<max>-1</max></set>", Err: true},
		{Name: "too large", In: set + "<index>2147483648</index></set>", Err: true},
	})
}

func TestResult(t *testing.T) {
	exttest.Run(t, []exttest.Golden[Result]{
		{Name: "XEP-0059 example 4", In: set + "<first index='0'>stpeter@jabber.org</first><last>peterpan@neverland.lit</last><count>800</count></set>",
			Want: Result{First: "stpeter@jabber.org", Last: "peterpan@neverland.lit", HasIndex: true, Count: 800, HasCount: true}},
		{Name: "XEP-0059 example 6", In: set + "<first index='10'>peter@pixyland.org</first><last>peter@rabbit.lit</last><count>800</count></set>",
			Want: Result{First: "peter@pixyland.org", Last: "peter@rabbit.lit", Index: 10, HasIndex: true, Count: 800, HasCount: true}},
		{Name: "XEP-0059 example 7", In: set + "<count>790</count></set>", Want: Result{Count: 790, HasCount: true}},
		{Name: "without figures", In: set + "<first>a</first><last>b</last></set>", Want: Result{First: "a", Last: "b"}},
		{Name: "figures that are none", In: set + "<first index='-1'>a</first><last>b</last><count>x</count><z xmlns='urn:z'/></set>",
			Want: Result{First: "a", Last: "b"}, Out: set + "<first>a</first><last>b</last></set>"},
		{Name: "an index of nothing", In: set + "<first index='3'/></set>", Out: "<set xmlns='http://jabber.org/protocol/rsm'/>"},
		{Name: "empty", In: "<set xmlns='http://jabber.org/protocol/rsm'/>"},
	})
}

func TestLimit(t *testing.T) {
	for _, tt := range []struct {
		r              Request
		def, max, want int
	}{
		{Request{}, 50, 250, 50}, {Request{Max: 10}, 50, 250, 10}, {Request{Max: 1000}, 50, 250, 250}, {Request{Max: 1000}, 50, -1, 1000},
		{Request{CountOnly: true, Max: 9}, 50, 250, 0}, {Request{}, 500, 250, 250},
	} {
		if got := tt.r.Limit(tt.def, tt.max); got != tt.want {
			t.Errorf("%+v of %d, at most %d: %d, want %d", tt.r, tt.def, tt.max, got, tt.want)
		}
	}
}

func numbers(n int) (all []string) {
	for i := range n {
		all = append(all, strconv.Itoa(i))
	}
	return all
}

func itself(s string) string { return s }

func TestSlice(t *testing.T) {
	for _, tt := range []struct {
		r           Request
		want        string
		index, size int
	}{
		{Request{}, "[0 1 2 3]", 0, 10},
		{Request{Max: 2}, "[0 1]", 0, 10},
		{Request{Max: 100}, "[0 1 2 3 4 5]", 0, 10},
		{Request{After: "3"}, "[4 5 6 7]", 4, 10},
		{Request{After: "8"}, "[9]", 9, 10},
		{Request{After: "9"}, "[]", -1, 10},
		{Request{Before: "6"}, "[2 3 4 5]", 2, 10},
		{Request{Before: "1"}, "[0]", 0, 10},
		{Request{Before: "0"}, "[]", -1, 10},
		{Request{Last: true}, "[6 7 8 9]", 6, 10},
		{Request{Before: "6", After: "3"}, "[4 5]", 4, 10},
		{Request{Before: "3", After: "6"}, "[]", -1, 10},
		{Request{Last: true, Before: "3"}, "[6 7 8 9]", 6, 10},
		{Request{Index: 8}, "[8 9]", 8, 10},
		{Request{Index: 8, After: "3"}, "[4 5 6 7]", 4, 10},
		{Request{Index: 8, Last: true}, "[6 7 8 9]", 6, 10},
		{Request{Index: 10}, "[]", -1, 10},
		{Request{CountOnly: true}, "[]", -1, 10},
		{Request{Last: true}, "[0 1]", 0, 2},
		{Request{}, "[]", -1, 0},
	} {
		page, res, err := Slice(numbers(tt.size), itself, tt.r, 4, 6)
		if err != nil || fmt.Sprint(page) != tt.want || res.Count != tt.size || !res.HasCount || res.HasIndex != (tt.index >= 0) ||
			res.HasIndex && (res.Index != tt.index || res.First != page[0] || res.Last != page[len(page)-1]) {
			t.Errorf("%+v of %d: %v, %+v, %v; want %s", tt.r, tt.size, page, res, err, tt.want)
		}
	}
	for _, r := range []Request{{After: "x"}, {Before: "x"}, {After: "1", Before: "x"}} {
		if page, _, err := Slice(numbers(10), itself, r, 4, 6); !errors.Is(err, stanza.ItemNotFound) || page != nil {
			t.Errorf("%+v: %v, %v", r, page, err)
		}
	}
}

// server answers with pages of random sizes.
func server(all []string, rnd *rand.Rand) func(context.Context, Request) (Page[string], error) {
	return func(_ context.Context, r Request) (Page[string], error) {
		page, res, err := Slice(all, itself, r, 1+rnd.IntN(7), 1+rnd.IntN(7))
		p := Page[string]{Items: page, Result: res}
		switch rnd.IntN(3) { // figures are optional
		case 0:
			p.Result = Result{First: res.First, Last: res.Last}
		case 1:
			p.Complete = len(page) > 0 && (r.IsBackward() && page[0] == all[0] || !r.IsBackward() && page[len(page)-1] == all[len(all)-1])
		}
		return p, err
	}
}

// TestAll: pages of any size make the same list, in either direction.
func TestAll(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	for range 300 {
		all := numbers(rnd.IntN(30))
		var forward, backward []string
		for it, err := range All(t.Context(), Request{}, server(all, rnd)) {
			if err != nil {
				t.Fatal(err)
			}
			forward = append(forward, it)
		}
		for it, err := range All(t.Context(), Request{Last: true}, server(all, rnd)) {
			if err != nil {
				t.Fatal(err)
			}
			backward = append(backward, it)
		}
		slices.Reverse(backward)
		if !slices.Equal(forward, all) || !slices.Equal(backward, all) {
			t.Fatalf("of %d: forward %q, backward %q", len(all), forward, backward)
		}
	}
}

// TestAllFromIndex: only the first page is found by its index.
func TestAllFromIndex(t *testing.T) {
	var asked []Request
	get := func(_ context.Context, r Request) (Page[string], error) {
		asked = append(asked, r)
		page, res, err := Slice(numbers(10), itself, r, 4, 4)
		return Page[string]{Items: page, Result: res, Complete: res.Last == "9"}, err
	}
	got := ""
	for it, err := range All(t.Context(), Request{Max: 3, Index: 5}, get) {
		if err != nil {
			t.Fatal(err)
		}
		got += it
	}
	if want := []Request{{Max: 3, Index: 5}, {Max: 3, After: "7"}}; got != "56789" || !slices.Equal(asked, want) {
		t.Errorf("%s, asked %+v", got, asked)
	}
}

func TestAllEnds(t *testing.T) {
	fail := errors.New("fail")
	for _, tt := range []struct {
		name string
		r    Request
		get  func(Request) (Page[string], error)
		want string
		err  error
	}{
		{"an error", Request{}, func(r Request) (Page[string], error) {
			if r.After == "" {
				return Page[string]{Items: []string{"a"}, Result: Result{First: "a", Last: "a"}}, nil
			}
			return Page[string]{}, fail
		}, "[a]", fail},
		{"who knows no pages", Request{}, func(Request) (Page[string], error) { return Page[string]{Items: []string{"a", "b"}}, nil }, "[a b]", nil},
		{"who does not go on", Request{}, func(Request) (Page[string], error) {
			return Page[string]{Items: []string{"a"}, Result: Result{First: "a", Last: "a"}}, nil
		}, "[a a]", ErrLoop},
		{"who does not go back", Request{Last: true}, func(Request) (Page[string], error) {
			return Page[string]{Items: []string{"a", "b"}, Result: Result{First: "a", Last: "b"}}, nil
		}, "[b a b a]", ErrLoop},
		{"from an index", Request{Index: 8}, func(r Request) (Page[string], error) {
			page, res, err := Slice(numbers(11), itself, r, 2, 2)
			return Page[string]{Items: page, Result: res}, err
		}, "[8 9 10]", nil},
		{"from the middle backward", Request{Before: "3"}, func(r Request) (Page[string], error) {
			page, res, err := Slice(numbers(11), itself, r, 2, 2)
			return Page[string]{Items: page, Result: res}, err
		}, "[2 1 0]", nil},
	} {
		var got []string
		var last error
		for it, err := range All(t.Context(), tt.r, func(_ context.Context, r Request) (Page[string], error) { return tt.get(r) }) {
			if last = err; err == nil {
				got = append(got, it)
			}
		}
		if fmt.Sprint(got) != tt.want || last != tt.err {
			t.Errorf("%s: %v, %v", tt.name, got, last)
		}
	}
	n := 0
	for range All(t.Context(), Request{}, server(numbers(9), rand.New(rand.NewPCG(1, 1)))) {
		n++
		break
	}
	if n != 1 {
		t.Error("it goes on")
	}
}

func FuzzSet(f *testing.F) {
	f.Add(set + "<max>10</max><before/><after>x</after><index>3</index></set>")
	f.Add(set + "<first index='10'>a</first><last>b</last><count>800</count></set>")
	f.Fuzz(func(t *testing.T, src string) {
		exttest.RoundTrip[Request](t, src)
		exttest.RoundTrip[Result](t, src)
	})
}
