package server

import (
	"fmt"
	"testing"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// TestComponentTold: what is remembered of what a component has been told is bounded; of
// others it is told each time.
func TestComponentTold(t *testing.T) {
	var told told
	presence := func(n int, typ stanza.Type) *stanza.Stanza {
		st, err := stanza.New(stanza.Header{Kind: stanza.KindPresence, Type: typ, From: jid.MustParse(fmt.Sprint("r@romeo.example/", n))})
		if err != nil {
			t.Fatal(err)
		}
		return st
	}
	for n := range maxToldPresences {
		if !told.isNew(presence(n, "")) {
			t.Fatalf("%d is known", n)
		}
	}
	for _, tt := range []struct {
		name string
		n    int
		typ  stanza.Type
		want bool
	}{
		{"one that is known", 7, "", false},
		{"one more", maxToldPresences, "", true},
		{"which is not remembered", maxToldPresences, "", true},
		{"nor whether it was there", maxToldPresences, stanza.TypeUnavailable, true},
		{"one that goes", 7, stanza.TypeUnavailable, true},
		{"makes room", maxToldPresences, "", true},
		{"for one", maxToldPresences, "", false},
		{"and no more", 7, "", true},
		{"again", 7, "", true},
	} {
		if got := told.isNew(presence(tt.n, tt.typ)); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
	if n := len(told.last); n != maxToldPresences {
		t.Errorf("%d are remembered", n)
	}
	for n := range 3 {
		told.isNew(presence(n, stanza.TypeUnavailable))
	}
	if told.isNew(presence(1, stanza.TypeUnavailable)) {
		t.Error("one that had gone goes again")
	}
}
