package auth_test

import (
	"context"
	"fmt"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/legacy/auth"
)

// The digest of XEP-0078, example 4.
func ExampleDigestOf() {
	fmt.Println(auth.DigestOf("3EE948B0", "Calli0pe"))
	// Output: 48fc78be9ec8f86d8ce1c39c320c97c21d62334d
}

// A client of one's own logs in on a stream that it has opened itself.
func ExampleLogin_Do() {
	login := func(ctx context.Context, s xmpp.Sender, streamID string) error {
		return auth.Login{Username: "bill", Password: "Calli0pe", Resource: "globe", StreamID: streamID}.Do(ctx, s)
	}
	_ = login
}
