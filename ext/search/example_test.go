package search_test

import (
	"context"
	"fmt"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/search"
	"github.com/etherx-go/xmpp/jid"
)

// A bot looks for people.
func ExampleSearch() {
	find := func(ctx context.Context, s xmpp.Sender) error {
		found, err := search.Search(ctx, s, jid.MustParse("users.denmark"), search.Field{Name: search.First, Value: "Hamlet"})
		for _, it := range found.Items {
			fmt.Println(it.JID, it.Get(search.Nick))
		}
		return err
	}
	_ = find
}

// A bot wants to be found.
func ExampleEnter() {
	enter := func(ctx context.Context, s xmpp.Sender) error {
		return search.Enter(ctx, s, jid.MustParse("users.denmark"), search.Field{Name: search.Nick, Value: "Gravedigger"})
	}
	_ = enter
}

// A directory that users enter themselves into is a Service over an Index.
func ExampleIndex() {
	x := new(search.Index)
	svc := &search.Service{Directory: x, Registry: x} // attach it to a component
	_ = svc

	ctx := context.Background()
	_ = x.SetEntry(ctx, jid.MustParse("hamlet@denmark"), []search.Field{{Name: search.First, Value: "Hamlet"}})
	found, _ := x.Search(ctx, jid.MustParse("horatio@denmark"), []search.Field{{Name: search.First, Value: "ham*"}}, 10)
	fmt.Println(found[0].JID)
	// Output: hamlet@denmark
}
