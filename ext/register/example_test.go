package register_test

import (
	"context"
	"fmt"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/register"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// A server asks its logic, before and after authentication.
func ExampleServer() {
	s := &register.Server{Accounts: newAccounts(), Open: true}
	who := register.Requester{Domain: "shakespeare.lit", RemoteAddr: "192.0.2.1:49152", Secure: true}

	form, _ := s.Handle(context.Background(), who, stanza.TypeGet, nil)
	fmt.Println(form.Instructions)

	_, err := s.Handle(context.Background(), who, stanza.TypeSet, &register.Query{
		Fields: []register.Field{{Name: "username", Value: "bill"}, {Name: "password", Value: "Calliope"}},
	})
	fmt.Println(err)
	// Output:
	// Choose a user name and a password for shakespeare.lit.
	// conflict
}

// A bot registers with a gateway.
func ExampleRegister() {
	run := func(ctx context.Context, s xmpp.Sender) error {
		return register.Register(ctx, s, jid.MustParse("aim.denmark"),
			register.Field{Name: "username", Value: "Hamlet"},
			register.Field{Name: "password", Value: "gertrude"})
	}
	_ = run
}

// A bot gets a new password, and later takes its account away.
func ExampleChangePassword() {
	run := func(ctx context.Context, s xmpp.Sender) error {
		if err := register.ChangePassword(ctx, s, "not gertrude"); err != nil {
			return err
		}
		return register.Remove(ctx, s, jid.JID{})
	}
	_ = run
}
