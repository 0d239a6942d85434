//go:build interop

package interop

import (
	"fmt"
	"strings"
)

// fedRows are the conversations across domains: those of imRow, with juliet (and
// nurse) at one server and romeo (and mercutio) at another. "@verona" stands for
// the domain of the one, "@mantua" for that of the other, "@hall" for a room
// there and "@nobody" for an account that is not there.
//
// Who differs is "juliet's Prosody", "romeo's ejabberd", or both, with "and"
// between them.
var fedRows = []imRow{
	{name: "messages", cast: "juliet/balcony romeo/orchard", script: `
> juliet/balcony send to=@romeo lang=cs body='Příliš žluťoučký kůň <&> 𝄞'
ok
romeo/orchard: message from=@juliet/balcony to=@romeo type=chat lang=cs body='Příliš žluťoučký kůň <&> 𝄞'
> romeo/orchard send to=@juliet/balcony lang=ja body=薔薇
ok
juliet/balcony: message from=@romeo/orchard to=@juliet/balcony type=chat lang=ja body=薔薇
> juliet/balcony send to=@romeo body='line #' times=20
ok
romeo/orchard: message from=@juliet/balcony to=@romeo type=chat body='line 1'
` + lines("romeo/orchard: message from=@juliet/balcony to=@romeo type=chat body='line %d'\n", 2, 20)},
	{name: "pings", cast: "juliet/balcony romeo/orchard", script: `
> juliet/balcony ping to=@mantua
ok
> romeo/orchard ping to=@verona
ok
> juliet/balcony ping to=@romeo/orchard
error condition=service-unavailable
? romeo's Prosody: it lets requests through although romeo has not shown presence, against RFC 6121 section 8.5.3.1
ok
? romeo's ejabberd: it lets requests through although romeo has not shown presence, against RFC 6121 section 8.5.3.1
ok
> romeo/orchard presence to=@juliet/balcony
ok
juliet/balcony: presence from=@romeo/orchard
> juliet/balcony ping to=@romeo/orchard
ok
> juliet/balcony presence to=@romeo/orchard
ok
romeo/orchard: presence from=@juliet/balcony
> romeo/orchard ping to=@juliet/balcony
ok
`},
	{name: "unknown users", cast: "juliet/balcony", script: `
> juliet/balcony ping to=@nobody
error condition=service-unavailable
? romeo's Prosody: it answers as for a user who is there
ok
? romeo's ejabberd: it answers as for a user who is there
ok
> juliet/balcony send to=@nobody body='is anybody there?'
ok
juliet/balcony: message from=@nobody type=error condition=service-unavailable
> juliet/balcony card jid=@nobody
error condition=service-unavailable
? romeo's Prosody: it answers as for a user who is there, who has no card
ok
no card
? romeo's ejabberd: it answers as for a user who is there, who has no card
ok
no card
> juliet/balcony ping to=@nobody/orchard
error condition=service-unavailable
> juliet/balcony presence to=@nobody type=subscribe
ok
juliet/balcony: push jid=@nobody subscription=none ask=subscribe
? romeo's Prosody: it says at once that there is no presence
ok
juliet/balcony: push jid=@nobody subscription=none ask=subscribe
juliet/balcony: presence from=@nobody type=unavailable
`},
	{name: "unknown domain", cast: "juliet/balcony", script: `
> juliet/balcony send to=romeo@unknown.example body='is anybody there?'
ok
juliet/balcony: message from=romeo@unknown.example type=error condition=remote-server-not-found
> juliet/balcony ping to=unknown.example
error condition=remote-server-not-found
`},
	{name: "subscription and presence", cast: "juliet/balcony romeo/orchard", script: `
> juliet/balcony presence to=@romeo type=subscribe
ok
juliet/balcony: push jid=@romeo subscription=none ask=subscribe
romeo/orchard: presence from=@juliet type=subscribe
? romeo's Prosody: it probes the contact when it hands the request on, and says that there is no presence
ok
juliet/balcony: push jid=@romeo subscription=none ask=subscribe
juliet/balcony: presence from=@romeo type=unavailable
romeo/orchard: presence from=@juliet type=subscribe
> romeo/orchard presence to=@juliet type=subscribed
ok
juliet/balcony: presence from=@romeo type=subscribed
juliet/balcony: push jid=@romeo subscription=to
juliet/balcony: presence from=@romeo/orchard
romeo/orchard: push jid=@juliet subscription=from
> romeo/orchard presence to=@juliet type=subscribe
ok
romeo/orchard: push jid=@juliet subscription=from ask=subscribe
juliet/balcony: presence from=@romeo type=subscribe
? juliet's Prosody: it probes the contact when it hands the request on, and says that there is no presence
ok
romeo/orchard: push jid=@juliet subscription=from ask=subscribe
romeo/orchard: presence from=@juliet type=unavailable
juliet/balcony: presence from=@romeo type=subscribe
? juliet's ejabberd: it pushes the item although nothing of it has changed that a client sees
ok
romeo/orchard: push jid=@juliet subscription=from ask=subscribe
juliet/balcony: presence from=@romeo type=subscribe
juliet/balcony: push jid=@romeo subscription=to
> juliet/balcony presence to=@romeo type=subscribed
ok
juliet/balcony: push jid=@romeo subscription=both
romeo/orchard: presence from=@juliet type=subscribed
romeo/orchard: push jid=@juliet subscription=both
romeo/orchard: presence from=@juliet/balcony
? juliet's Prosody: it probes the contact whom it tells
ok
juliet/balcony: push jid=@romeo subscription=both
juliet/balcony: presence from=@romeo/orchard
romeo/orchard: presence from=@juliet type=subscribed
romeo/orchard: push jid=@juliet subscription=both
romeo/orchard: presence from=@juliet/balcony
> juliet/balcony roster
ok
item jid=@romeo subscription=both
> romeo/orchard roster
ok
item jid=@juliet subscription=both
> juliet/balcony presence show=away status=žal priority=3
ok
juliet/balcony: presence from=@juliet/balcony show=away status=žal priority=3
romeo/orchard: presence from=@juliet/balcony show=away status=žal priority=3
> romeo/orchard presence type=unavailable
ok
romeo/orchard: presence from=@romeo/orchard type=unavailable
juliet/balcony: presence from=@romeo/orchard type=unavailable
? romeo's ejabberd: it does not show it to its sender, against RFC 6121 section 4.5.2
ok
juliet/balcony: presence from=@romeo/orchard type=unavailable
> romeo/orchard presence
ok
romeo/orchard: presence from=@romeo/orchard
romeo/orchard: presence from=@juliet/balcony show=away status=žal priority=3
juliet/balcony: presence from=@romeo/orchard
> juliet/balcony presence to=@romeo type=unsubscribe
ok
juliet/balcony: push jid=@romeo subscription=from
romeo/orchard: presence from=@juliet type=unsubscribe
romeo/orchard: push jid=@juliet subscription=to
juliet/balcony: presence from=@romeo/orchard type=unavailable
? romeo's Prosody: it does not tell who unsubscribes that there is no presence any more, against RFC 6121 section 3.3.3
ok
juliet/balcony: push jid=@romeo subscription=from
romeo/orchard: presence from=@juliet type=unsubscribe
romeo/orchard: push jid=@juliet subscription=to
> juliet/balcony presence to=@romeo type=unsubscribed
ok
juliet/balcony: push jid=@romeo subscription=none
romeo/orchard: presence from=@juliet type=unsubscribed
romeo/orchard: push jid=@juliet subscription=none
romeo/orchard: presence from=@juliet/balcony type=unavailable
`},
	{name: "request refused", cast: "juliet/balcony romeo/orchard", script: `
> juliet/balcony presence to=@romeo type=subscribe
ok
juliet/balcony: push jid=@romeo subscription=none ask=subscribe
romeo/orchard: presence from=@juliet type=subscribe
? romeo's Prosody: it probes the contact when it hands the request on, and says that there is no presence
ok
juliet/balcony: push jid=@romeo subscription=none ask=subscribe
juliet/balcony: presence from=@romeo type=unavailable
romeo/orchard: presence from=@juliet type=subscribe
> romeo/orchard presence to=@juliet type=unsubscribed
ok
juliet/balcony: presence from=@romeo type=unsubscribed
juliet/balcony: push jid=@romeo subscription=none
`},
	{name: "log in later", cast: "juliet/balcony romeo/orchard", friends: "juliet/balcony romeo/orchard", script: `
> romeo/orchard logout
ok
romeo/orchard: disconnected
juliet/balcony: presence from=@romeo/orchard type=unavailable
> juliet/balcony send to=@romeo body='art thou gone so?'
ok
> romeo/mantua login
ok
> romeo/mantua presence show=chat
ok
romeo/mantua: presence from=@romeo/mantua show=chat
romeo/mantua: presence from=@juliet/balcony
romeo/mantua: message from=@juliet/balcony to=@romeo type=chat body='art thou gone so?' delay=@mantua
juliet/balcony: presence from=@romeo/mantua show=chat
`},
	{name: "directed presence", cast: "juliet/balcony romeo/orchard", script: `
> juliet/balcony presence to=@romeo/orchard status=here
ok
romeo/orchard: presence from=@juliet/balcony status=here
> juliet/balcony logout
ok
juliet/balcony: disconnected
romeo/orchard: presence from=@juliet/balcony type=unavailable
`},
	{name: "vcard", cast: "juliet/balcony romeo/orchard", script: `
> romeo/orchard setcard fn='Romeo Montague' family=Montague given=Romeo nick=Rómeo photo='a rose'
ok
> juliet/balcony card jid=@romeo
ok
card fn='Romeo Montague' family=Montague given=Romeo nick=Rómeo photo='a rose'
`},
	{name: "room", cast: "juliet/balcony", script: `
> juliet/balcony join to=@hall/capulet
ok
juliet/balcony: presence from=@hall/capulet code=110 code=201
juliet/balcony: message from=@hall to=@juliet/balcony type=groupchat
? romeo's Etherx end: it has no rooms, and says that it does not know the domain
ok
juliet/balcony: presence from=@hall/capulet type=error condition=remote-server-timeout
? romeo's ejabberd: it tells the presence of the room itself too
ok
juliet/balcony: presence from=@hall
juliet/balcony: presence from=@hall/capulet code=110 code=201
juliet/balcony: message from=@hall to=@juliet/balcony type=groupchat
> juliet/balcony send to=@hall type=groupchat body='good pilgrim'
ok
juliet/balcony: message from=@hall/capulet to=@juliet/balcony type=groupchat body='good pilgrim'
> juliet/balcony presence to=@hall/capulet type=unavailable
ok
juliet/balcony: presence from=@hall/capulet type=unavailable code=110
? romeo's ejabberd: it tells the presence of the room itself too
ok
juliet/balcony: presence from=@hall type=unavailable
juliet/balcony: presence from=@hall/capulet type=unavailable code=110
`},
}

// lines returns a line for each number from first to last.
func lines(format string, first, last int) string {
	var b strings.Builder
	for i := first; i <= last; i++ {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}
