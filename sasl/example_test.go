package sasl_test

import (
	"context"
	"crypto"
	"errors"
	"fmt"

	"github.com/etherx-go/xmpp/sasl"
)

// A whole exchange: the server offers, the client chooses, and the messages go
// to and fro. On a real stream they travel base64-encoded in XML.
func Example() {
	keys, err := sasl.NewSCRAMKeys(crypto.SHA256, "r0m30myr0m30", 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	serverConfig := sasl.ServerConfig{
		Host:   "capulet.example",
		Hashes: []crypto.Hash{crypto.SHA256},
		Credentials: sasl.Credentials{
			SCRAM: func(_ context.Context, user string, _ crypto.Hash) (sasl.SCRAMKeys, error) {
				if user != "juliet" {
					return sasl.SCRAMKeys{}, sasl.ErrUnknownUser
				}
				return keys, nil
			},
		},
	}
	offered := sasl.Mechanisms(serverConfig)
	name, client, err := sasl.Choose(offered, sasl.ClientConfig{Username: "juliet", Password: "r0m30myr0m30"})
	if err != nil {
		fmt.Println(err)
		return
	}
	server, err := sasl.NewServer(name, serverConfig)
	if err != nil {
		fmt.Println(err)
		return
	}
	message, err := client.Start()
	for err == nil {
		var challenge []byte
		var done bool
		if challenge, done, err = server.Next(context.Background(), message); err != nil {
			break
		}
		if done {
			err = client.Finish(challenge)
			break
		}
		message, err = client.Next(challenge)
	}
	fmt.Println(name, server.Username(), err)
	// Output: SCRAM-SHA-256 juliet <nil>
}

func ExampleChoose() {
	_, _, err := sasl.Choose([]string{"PLAIN", "X-TOKEN"}, sasl.ClientConfig{Username: "juliet", Password: "x"})
	fmt.Println(err)
	// Output: sasl: no usable mechanism among those offered: "PLAIN" needs TLS; "X-TOKEN" is not known here
}

func ExampleFailure() {
	var err error = &sasl.Failure{Condition: sasl.AccountDisabled, Text: "Call 212-555-1212 for assistance."}
	fmt.Println(errors.Is(err, sasl.AccountDisabled), err)
	// Output: true sasl: account-disabled (Call 212-555-1212 for assistance.)
}
