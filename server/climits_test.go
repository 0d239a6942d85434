package server_test

import (
	"strings"
	"testing"

	"github.com/etherx-go/xmpp/server"
)

// TestLimitsForClients: clients are told what holds (XEP-0478): before they have logged in
// and afterwards, by either SASL; and it holds.
func TestLimitsForClients(t *testing.T) {
	s := newServer(t, func(c *server.Config) { c.Stream.MaxStanza, c.Stream.MaxUnauthenticated = 30000, 12000 })
	before, after := "<max-bytes>12000</max-bytes>", "<max-bytes>30000</max-bytes>"
	r := newRaw(t, s.Pipe())
	r.send("%s", header)
	r.expect("<stream:features>", before, "</stream:features>")
	r.send("%s", plain("juliet", "r0m30"))
	r.expect("<success")
	r.send("%s", header)
	r.expect("<stream:features>", after, "</stream:features>")

	r = authenticate2(t, s, "juliet", "r0m30", bind2XML)
	r.expect("</success>", "<stream:features>", after, "</stream:features>")
	message := func(n int) string {
		const begin, end = "<message to='juliet@localhost' type='headline'><body>", "</body></message>"
		return begin + strings.Repeat("x", n-len(begin)-len(end)) + end
	}
	r.send("%s", "<presence/>"+message(30000)+"<iq type='get' id='still'><ping xmlns='urn:xmpp:ping'/></iq>")
	r.expect("id='still'")
	r.send("%s", message(30001))
	r.expect("<stream:error>", "policy-violation")
}
