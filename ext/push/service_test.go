package push

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/etherx-go/xmpp/ext/internal/hosttest"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// TestService: who may publish what, and what is answered.
func TestService(t *testing.T) {
	var got []Delivery
	v := &Service{
		Deliver: func(_ context.Context, d Delivery) error {
			switch d.Node {
			case "gone":
				return stanza.ItemNotFound
			case "broken":
				return errors.New("the platform is away")
			}
			got = append(got, d)
			return nil
		},
		Secret: func(_ context.Context, node string) (string, error) {
			if node == "unknown" {
				return "", stanza.ItemNotFound
			}
			return "eruio234vzxc2kla-91", nil
		},
	}
	h := hosttest.New(t, app.String(), v)
	ask := func(from, payload string) string {
		return h.Ask("<iq type='set' from='" + from + "' to='push-5.client.example' id='n12'>" + payload + "</iq>")
	}
	at := func(node, secret string) string {
		return strings.NewReplacer("node='yxs32uqsflafdk3iuqo'", "node='"+node+"'", "eruio234vzxc2kla-91", secret).Replace(example13)
	}
	const right = "eruio234vzxc2kla-91"
	for _, tt := range []struct{ name, from, payload, want string }{
		{"XEP-0357 example 13", "example.com", example13, ""},
		{"as the example has it", "example.com", untyped(example13), ""},
		{"for an account", "user@example.com", example13, ""},
		{"by a client", "user@example.com/mobile", example13, "forbidden"},
		{"by a part of a server", "example.com/x", example13, ""},
		{"another secret", "example.com", at("x", "guessed"), "forbidden"},
		{"XEP-0357 example 12", "example.com", example12, "forbidden"}, // no secret
		{"a node that is not known", "example.com", at("unknown", right), "item-not-found"},
		{"a device that is gone", "example.com", at("gone", right), "item-not-found"},
		{"a device that cannot be reached", "example.com", at("broken", right), "internal-server-error"},
		{"something else", "example.com", "<pubsub xmlns='http://jabber.org/protocol/pubsub'><create node='x'/></pubsub>", "feature-not-implemented"},
		{"nothing", "example.com", "<pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='x'/></pubsub>", "bad-request"},
	} {
		got := ask(tt.from, tt.payload)
		want := "<" + tt.want + " "
		if tt.want == "" {
			want = "<iq type='result' id='n12' to='" + tt.from + "' from='push-5.client.example'><pubsub xmlns='http://jabber.org/protocol/pubsub'>" +
				"<publish node='yxs32uqsflafdk3iuqo'><item id='"
		}
		if !strings.Contains(got, want) {
			t.Errorf("%s: got %s", tt.name, got)
		}
	}
	want := Delivery{Publication{Node: node, Notification: wherefore, Options: withSecret.Options}, jid.MustParse("example.com"), app}
	if len(got) != 4 || !reflect.DeepEqual(got[0], want) {
		t.Errorf("got %+v", got)
	}

	v.Secret, v.AllowClients = nil, true
	withID := strings.Replace(example12, "<item>", "<item id='7'>", 1)
	if got, want := ask("user@example.com/mobile", withID), "<item id='7'/></publish></pubsub></iq>"; !strings.HasSuffix(got, want) {
		t.Errorf("got %s", got)
	}
	if f := v.Features(app); !slices.Contains(f, NS) || !slices.Contains(f, "http://jabber.org/protocol/pubsub#access-whitelist") ||
		!slices.Contains(f, "http://jabber.org/protocol/pubsub#publish-only-affiliation") { // section 3.1
		t.Errorf("features %q", f)
	}
	if id := Identity(); id.Category != "pubsub" || id.Type != "push" { // section 4.2
		t.Errorf("identity %+v", id)
	}
}
