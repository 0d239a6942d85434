package dialback_test

import (
	"fmt"

	"github.com/etherx-go/xmpp/dialback"
	"github.com/etherx-go/xmpp/jid"
)

// The packets of a successful dialback, and which role each goes through.
func Example() {
	capulet, montague := jid.MustParse("capulet.example"), jid.MustParse("montague.example")
	is := func(domain jid.JID) func(jid.JID) bool { return func(d jid.JID) bool { return d == domain } }
	show := func(p dialback.Packet) {
		p.Key = p.Key[:min(8, len(p.Key))]
		b, err := p.AppendXML(nil)
		fmt.Println(string(b), err)
	}

	// capulet.example opens a stream, and gets the id D60000229F.
	secret := dialback.SecretOf("s3cr3tf0rd14lb4ck")
	originating := dialback.Originating{Secret: secret, StreamID: "D60000229F"}
	authoritative := dialback.Authoritative{Secret: secret, Hosts: is(capulet)}
	// montague.example accepts it, and opens another one to verify the key.
	receiving := dialback.Receiving{StreamID: "D60000229F", Hosts: is(montague)}
	var verifier dialback.Verifier

	pair := dialback.Pair{Local: capulet, Remote: montague}
	request, _ := originating.Request(pair)
	show(request)
	query, _, _ := receiving.Request(request)
	verify, _ := verifier.Ask(query)
	show(verify)
	verified, _ := authoritative.Answer(verify)
	show(verified.Packet)
	answer, _ := verifier.Answer(verified.Packet)
	result, _ := receiving.Resolve(answer)
	show(result.Packet)
	outcome, _ := originating.Result(result.Packet)
	fmt.Println(outcome.State)
	// Output:
	// <db:result from='capulet.example' to='montague.example'>b4835385</db:result> <nil>
	// <db:verify from='montague.example' id='D60000229F' to='capulet.example'>b4835385</db:verify> <nil>
	// <db:verify from='capulet.example' id='D60000229F' to='montague.example' type='valid'/> <nil>
	// <db:result from='montague.example' to='capulet.example' type='valid'/> <nil>
	// valid
}
