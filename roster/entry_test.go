package roster

import (
	"reflect"
	"slices"
	"testing"

	"github.com/etherx-go/xmpp/stanza"
)

func TestApply(t *testing.T) {
	t.Run("IM-8.2-4 the item is replaced as a whole", func(t *testing.T) {
		e := Entry{Item: Item{JID: nurse, Name: "Nurse", Groups: []string{"A", "B"}, Subscription: Both}}
		set := Item{JID: nurse, Groups: []string{"B"}}
		e.Apply(set)
		want := Entry{Item: Item{JID: nurse, Groups: []string{"B"}, Subscription: Both}}
		if !reflect.DeepEqual(e, want) {
			t.Errorf("%+v, want %+v", e, want)
		}
		if set.Groups[0] = "C"; e.Groups[0] != "B" {
			t.Error("the groups are shared")
		}
	})
	t.Run("GUIDE-9-roster-1 what is the server's stays", func(t *testing.T) {
		e := Entry{Item: Item{JID: nurse, Subscription: From, Ask: true, Approved: true}, Request: "<presence/>"}
		e.Apply(Item{JID: nurse, Name: "Nurse", Subscription: To})
		want := Entry{Item: Item{JID: nurse, Name: "Nurse", Subscription: From, Ask: true, Approved: true}, Request: "<presence/>"}
		if !reflect.DeepEqual(e, want) {
			t.Errorf("%+v, want %+v", e, want)
		}
	})
	t.Run("who has asked is in the roster when it is added", func(t *testing.T) {
		e := Entry{Item: Item{JID: nurse}, Hidden: true, Request: "<presence/>"}
		if e.Apply(Item{JID: nurse}); e.Hidden || e.Request == "" || e.IsEmpty() {
			t.Errorf("%+v", e)
		}
	})
}

// TestRemoveEffects goes through all states of RFC 6121, appendix A.1.
func TestRemoveEffects(t *testing.T) {
	const unsubscribe, unsubscribed = stanza.TypeUnsubscribe, stanza.TypeUnsubscribed
	for _, tt := range []struct {
		name    string
		sub     Subscription
		ask     bool
		request string
		want    []stanza.Type
	}{
		{"None", None, false, "", nil},
		{"None + Pending Out", None, true, "", []stanza.Type{unsubscribe}},
		{"SUB-ACK-5 None + Pending In", None, false, "<presence/>", []stanza.Type{unsubscribed}},
		{"SUB-ACK-5 None + Pending Out+In", None, true, "<presence/>", []stanza.Type{unsubscribe, unsubscribed}},
		{"IM-8.3-4 To", To, false, "", []stanza.Type{unsubscribe}},
		{"SUB-ACK-5 To + Pending In", To, false, "<presence/>", []stanza.Type{unsubscribe, unsubscribed}},
		{"IM-8.3-4 From", From, false, "", []stanza.Type{unsubscribed}},
		{"From + Pending Out", From, true, "", []stanza.Type{unsubscribe, unsubscribed}},
		{"R3921-8.6-1 Both", Both, false, "", []stanza.Type{unsubscribe, unsubscribed}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := Entry{Item: Item{JID: nurse, Name: "N", Groups: []string{"A"}, Subscription: tt.sub, Ask: tt.ask}, Request: tt.request}
			if got := RemoveEffects(e); !slices.Equal(got, tt.want) {
				t.Errorf("%v, want %v", got, tt.want)
			}
			if e.Clear(); !e.IsEmpty() || e.JID != nurse || !reflect.DeepEqual(e, Entry{Item: Item{JID: nurse}, Hidden: true}) {
				t.Errorf("afterwards %+v", e)
			}
		})
	}
}

func TestIsEmpty(t *testing.T) {
	for _, e := range []Entry{
		{Item: Item{JID: nurse}},
		{Item: Item{JID: nurse, Subscription: To}, Hidden: true},
		{Item: Item{JID: nurse, Ask: true}, Hidden: true},
		{Item: Item{JID: nurse, Approved: true}, Hidden: true},
		{Item: Item{JID: nurse}, Hidden: true, Request: "<presence/>"},
	} {
		if e.IsEmpty() {
			t.Errorf("%+v is empty", e)
		}
	}
	if e := (Entry{Item: Item{JID: nurse, Name: "N"}, Hidden: true}); !e.IsEmpty() {
		t.Errorf("%+v is not empty", e)
	}
}
