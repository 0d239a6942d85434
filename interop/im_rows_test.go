//go:build interop

package interop

var imRows = []imRow{
	{name: "roster of a new account", cast: "juliet/balcony", script: `
> juliet/balcony roster
ok
`},
	{name: "own presence", cast: "juliet/balcony juliet/garden", script: `
> juliet/balcony presence show=away status='In the garden' priority=7
ok
juliet/balcony: presence from=@juliet/balcony show=away status='In the garden' priority=7
juliet/garden: presence from=@juliet/balcony show=away status='In the garden' priority=7
> juliet/balcony presence type=unavailable status=Gone
ok
juliet/balcony: presence from=@juliet/balcony type=unavailable status=Gone
juliet/garden: presence from=@juliet/balcony type=unavailable status=Gone
? ejabberd: it does not show it to its sender, against RFC 6121 section 4.5.2
ok
juliet/garden: presence from=@juliet/balcony type=unavailable status=Gone
`},
	{name: "contact with name and groups", cast: "juliet/balcony juliet/garden", absent: "romeo", script: `
> juliet/balcony add jid=@romeo name='My Romeo' group=Friends group=Montague
ok
juliet/balcony: push jid=@romeo name='My Romeo' subscription=none group=Friends group=Montague
juliet/garden: push jid=@romeo name='My Romeo' subscription=none group=Friends group=Montague
> juliet/garden add jid=@romeo name=Romeo group=Friends
ok
juliet/balcony: push jid=@romeo name=Romeo subscription=none group=Friends
juliet/garden: push jid=@romeo name=Romeo subscription=none group=Friends
> juliet/balcony roster
ok
item jid=@romeo name=Romeo subscription=none group=Friends
> juliet/balcony remove jid=@romeo
ok
juliet/balcony: push jid=@romeo subscription=remove
juliet/garden: push jid=@romeo subscription=remove
> juliet/balcony remove jid=@romeo
error condition=item-not-found
? ejabberd: it has no error for that, against RFC 6121 section 2.5.3
ok
juliet/balcony: push jid=@romeo subscription=remove
juliet/garden: push jid=@romeo subscription=remove
> juliet/balcony roster
ok
`},
	{name: "subscription", cast: "juliet/balcony romeo/orchard", script: `
> juliet/balcony presence type=subscribe to=@romeo
ok
juliet/balcony: push jid=@romeo subscription=none ask=subscribe
romeo/orchard: presence from=@juliet type=subscribe
? Prosody: it probes the contact when it hands the request on, and says that there is no presence
ok
juliet/balcony: push jid=@romeo subscription=none ask=subscribe
juliet/balcony: presence from=@romeo type=unavailable
romeo/orchard: presence from=@juliet type=subscribe
> romeo/orchard presence type=subscribed to=@juliet
ok
romeo/orchard: push jid=@juliet subscription=from
juliet/balcony: push jid=@romeo subscription=to
juliet/balcony: presence from=@romeo type=subscribed
juliet/balcony: presence from=@romeo/orchard
> romeo/orchard presence show=dnd status='Wooing Juliet' priority=5
ok
juliet/balcony: presence from=@romeo/orchard show=dnd status='Wooing Juliet' priority=5
romeo/orchard: presence from=@romeo/orchard show=dnd status='Wooing Juliet' priority=5
> romeo/orchard presence type=subscribe to=@juliet
ok
romeo/orchard: push jid=@juliet subscription=from ask=subscribe
juliet/balcony: presence from=@romeo type=subscribe
? Prosody: it probes the contact when it hands the request on, and says that there is no presence
ok
romeo/orchard: push jid=@juliet subscription=from ask=subscribe
romeo/orchard: presence from=@juliet type=unavailable
juliet/balcony: presence from=@romeo type=subscribe
? ejabberd: it pushes the item with which it keeps the request, although nothing of it that clients see has changed
ok
romeo/orchard: push jid=@juliet subscription=from ask=subscribe
juliet/balcony: push jid=@romeo subscription=to
juliet/balcony: presence from=@romeo type=subscribe
> juliet/balcony presence type=subscribed to=@romeo
ok
juliet/balcony: push jid=@romeo subscription=both
romeo/orchard: push jid=@juliet subscription=both
romeo/orchard: presence from=@juliet type=subscribed
romeo/orchard: presence from=@juliet/balcony
? Prosody: it probes the contact again on its approval
ok
juliet/balcony: push jid=@romeo subscription=both
juliet/balcony: presence from=@romeo/orchard show=dnd status='Wooing Juliet' priority=5
romeo/orchard: push jid=@juliet subscription=both
romeo/orchard: presence from=@juliet type=subscribed
romeo/orchard: presence from=@juliet/balcony
> juliet/balcony logout
ok
juliet/balcony: disconnected
romeo/orchard: presence from=@juliet/balcony type=unavailable
> juliet/balcony login
ok
> juliet/balcony roster
ok
item jid=@romeo subscription=both
> juliet/balcony presence show=chat
ok
juliet/balcony: presence from=@juliet/balcony show=chat
juliet/balcony: presence from=@romeo/orchard show=dnd status='Wooing Juliet' priority=5
romeo/orchard: presence from=@juliet/balcony show=chat
> juliet/balcony who jid=@romeo
ok
there resource=orchard show=dnd status='Wooing Juliet' priority=5
> romeo/orchard presence type=unavailable status='To Mantua'
ok
juliet/balcony: presence from=@romeo/orchard type=unavailable status='To Mantua'
romeo/orchard: presence from=@romeo/orchard type=unavailable status='To Mantua'
? ejabberd: it does not show it to its sender, against RFC 6121 section 4.5.2
ok
juliet/balcony: presence from=@romeo/orchard type=unavailable status='To Mantua'
> juliet/balcony who jid=@romeo
ok
> romeo/orchard presence
ok
juliet/balcony: presence from=@romeo/orchard
romeo/orchard: presence from=@romeo/orchard
romeo/orchard: presence from=@juliet/balcony show=chat
> juliet/balcony presence type=unsubscribe to=@romeo
ok
juliet/balcony: push jid=@romeo subscription=from
juliet/balcony: presence from=@romeo/orchard type=unavailable
romeo/orchard: push jid=@juliet subscription=to
romeo/orchard: presence from=@juliet type=unsubscribe
? Prosody: it does not tell who unsubscribes that there is no presence any more, against RFC 6121 section 3.3.3
ok
juliet/balcony: push jid=@romeo subscription=from
romeo/orchard: push jid=@juliet subscription=to
romeo/orchard: presence from=@juliet type=unsubscribe
> romeo/orchard presence
ok
romeo/orchard: presence from=@romeo/orchard
> juliet/balcony presence type=unsubscribed to=@romeo
ok
juliet/balcony: push jid=@romeo subscription=none
romeo/orchard: push jid=@juliet subscription=none
romeo/orchard: presence from=@juliet type=unsubscribed
romeo/orchard: presence from=@juliet/balcony type=unavailable
> juliet/balcony remove jid=@romeo
ok
juliet/balcony: push jid=@romeo subscription=remove
> romeo/orchard roster
ok
item jid=@juliet subscription=none
`},
	{name: "subscription refused", cast: "juliet/balcony romeo/orchard", script: `
> juliet/balcony add jid=@romeo name=Romeo
ok
juliet/balcony: push jid=@romeo name=Romeo subscription=none
> juliet/balcony presence type=subscribe to=@romeo
ok
juliet/balcony: push jid=@romeo name=Romeo subscription=none ask=subscribe
romeo/orchard: presence from=@juliet type=subscribe
? Prosody: it probes the contact when it hands the request on, and says that there is no presence
ok
juliet/balcony: push jid=@romeo name=Romeo subscription=none ask=subscribe
juliet/balcony: presence from=@romeo type=unavailable
romeo/orchard: presence from=@juliet type=subscribe
> romeo/orchard presence type=unsubscribed to=@juliet
ok
juliet/balcony: push jid=@romeo name=Romeo subscription=none
juliet/balcony: presence from=@romeo type=unsubscribed
> romeo/orchard roster
ok
`},
	{name: "contact removed with both subscriptions", cast: "juliet/balcony romeo/orchard", friends: "juliet/balcony romeo/orchard", script: `
> juliet/balcony remove jid=@romeo
ok
juliet/balcony: push jid=@romeo subscription=remove
juliet/balcony: presence from=@romeo/orchard type=unavailable
romeo/orchard: presence from=@juliet type=unsubscribe
romeo/orchard: presence from=@juliet type=unsubscribed
romeo/orchard: presence from=@juliet/balcony type=unavailable
romeo/orchard: push jid=@juliet subscription=to
romeo/orchard: push jid=@juliet subscription=none
? Prosody: it cancels in the other order, and tells nothing of the presence that is lost
ok
juliet/balcony: push jid=@romeo subscription=remove
romeo/orchard: presence from=@juliet type=unsubscribed
romeo/orchard: presence from=@juliet type=unsubscribe
romeo/orchard: presence from=@juliet/balcony type=unavailable
romeo/orchard: push jid=@juliet subscription=from
romeo/orchard: push jid=@juliet subscription=none
> romeo/orchard presence show=away
ok
romeo/orchard: presence from=@romeo/orchard show=away
`},
	{name: "request for a subscription while offline", cast: "juliet/balcony", absent: "romeo", script: `
> juliet/balcony presence type=subscribe to=@romeo status='Art thou not Romeo?'
ok
juliet/balcony: push jid=@romeo subscription=none ask=subscribe
? Prosody: it probes the contact when it hands the request on, and says that there is no presence
ok
juliet/balcony: push jid=@romeo subscription=none ask=subscribe
juliet/balcony: presence from=@romeo type=unavailable
> juliet/balcony presence type=subscribe to=@romeo status='Art thou not Romeo?'
ok
? Prosody: it pushes the item again although it is the same, and probes again
ok
juliet/balcony: push jid=@romeo subscription=none ask=subscribe
juliet/balcony: presence from=@romeo type=unavailable
? ejabberd: it pushes the item again although it is the same
ok
juliet/balcony: push jid=@romeo subscription=none ask=subscribe
> romeo/orchard login
ok
> romeo/orchard roster
ok
> romeo/orchard presence
ok
romeo/orchard: presence from=@romeo/orchard
romeo/orchard: presence from=@juliet type=subscribe status='Art thou not Romeo?'
> romeo/orchard logout
ok
romeo/orchard: disconnected
> romeo/tomb login
ok
> romeo/tomb presence
ok
romeo/tomb: presence from=@romeo/tomb
romeo/tomb: presence from=@juliet type=subscribe status='Art thou not Romeo?'
> romeo/tomb roster
ok
> romeo/tomb presence type=subscribed to=@juliet
ok
romeo/tomb: push jid=@juliet subscription=from
juliet/balcony: push jid=@romeo subscription=to
juliet/balcony: presence from=@romeo type=subscribed
juliet/balcony: presence from=@romeo/tomb
`},
	{name: "directed presence", cast: "juliet/balcony romeo/orchard", script: `
> juliet/balcony presence to=@romeo status='A stranger'
ok
romeo/orchard: presence from=@juliet/balcony status='A stranger'
> juliet/balcony presence show=away
ok
juliet/balcony: presence from=@juliet/balcony show=away
> juliet/balcony logout
ok
juliet/balcony: disconnected
romeo/orchard: presence from=@juliet/balcony type=unavailable
`},
	{name: "messages to resources", cast: "juliet/balcony romeo/orchard romeo/tomb", script: `
> juliet/balcony send to=@romeo/tomb body=one
ok
romeo/tomb: message from=@juliet/balcony to=@romeo/tomb type=chat body=one
> romeo/tomb presence priority=-1
ok
romeo/tomb: presence from=@romeo/tomb priority=-1
romeo/orchard: presence from=@romeo/tomb priority=-1
> juliet/balcony send to=@romeo body=two
ok
romeo/orchard: message from=@juliet/balcony to=@romeo type=chat body=two
> juliet/balcony send to=@romeo/tomb body=three
ok
romeo/tomb: message from=@juliet/balcony to=@romeo/tomb type=chat body=three
> juliet/balcony send to=@romeo/gone body=four
ok
romeo/orchard: message from=@juliet/balcony to=@romeo/gone type=chat body=four
? ejabberd: it writes the address of the resource that it chose
ok
romeo/orchard: message from=@juliet/balcony to=@romeo/orchard type=chat body=four
> juliet/balcony send to=@nobody body=five
ok
juliet/balcony: message from=@nobody type=error condition=service-unavailable
`},
	{name: "requests to resources", cast: "juliet/balcony romeo/orchard", script: `
> juliet/balcony ping to=@server
ok
> juliet/balcony ping to=@nobody
error condition=service-unavailable
? Prosody: it answers for accounts that are not there too
ok
? ejabberd: it answers for accounts that are not there too
ok
> juliet/balcony ping to=@romeo/gone
error condition=service-unavailable
> juliet/balcony ping to=@romeo/orchard
error condition=service-unavailable
? Prosody: it lets everybody ask who knows the resource, against RFC 6121 section 8.5.3.1
ok
? ejabberd: it lets everybody ask who knows the resource, against RFC 6121 section 8.5.3.1
ok
> romeo/orchard presence to=@juliet
ok
juliet/balcony: presence from=@romeo/orchard
> juliet/balcony ping to=@romeo/orchard
ok
`},
	{name: "messages while offline", cast: "juliet/balcony", absent: "romeo", script: `
> juliet/balcony send to=@romeo body='line #' times=3
ok
> juliet/balcony send to=@romeo body=news type=headline
ok
> juliet/balcony send to=@romeo body=plain type=normal
ok
> romeo/orchard login
ok
> romeo/orchard presence
ok
romeo/orchard: presence from=@romeo/orchard
romeo/orchard: message from=@juliet/balcony to=@romeo type=chat body='line 1' delay=@server
romeo/orchard: message from=@juliet/balcony to=@romeo type=chat body='line 2' delay=@server
romeo/orchard: message from=@juliet/balcony to=@romeo type=chat body='line 3' delay=@server
romeo/orchard: message from=@juliet/balcony to=@romeo body=plain delay=@server
> romeo/orchard logout
ok
romeo/orchard: disconnected
> romeo/orchard login
ok
> romeo/orchard presence
ok
romeo/orchard: presence from=@romeo/orchard
`},
	{name: "messages while the priority is negative", cast: "juliet/balcony", absent: "romeo", script: `
> romeo/orchard login
ok
> romeo/orchard presence priority=-1
ok
romeo/orchard: presence from=@romeo/orchard priority=-1
> juliet/balcony send to=@romeo body='line #' times=2
ok
> romeo/orchard presence
ok
romeo/orchard: presence from=@romeo/orchard
romeo/orchard: message from=@juliet/balcony to=@romeo type=chat body='line 1' delay=@server
romeo/orchard: message from=@juliet/balcony to=@romeo type=chat body='line 2' delay=@server
? Prosody: it keeps them until a resource logs in again, against XEP-0160 section 3
ok
romeo/orchard: presence from=@romeo/orchard
`},
	{name: "block and unblock", cast: "juliet/balcony juliet/garden romeo/orchard", friends: "juliet/balcony romeo/orchard", script: `
> juliet/balcony info to=@server feature=urn:xmpp:blocking
ok
info feature=urn:xmpp:blocking
> juliet/balcony blocklist
ok
> juliet/garden blocklist
ok
> juliet/balcony block jid=@romeo
ok
juliet/balcony: blocked jid=@romeo
juliet/garden: blocked jid=@romeo
romeo/orchard: presence from=@juliet/balcony type=unavailable
romeo/orchard: presence from=@juliet/garden type=unavailable
? Etherx: it pushes the privacy list behind it too, as the engine is one
ok
juliet/balcony: blocked jid=@romeo
juliet/garden: blocked jid=@romeo
juliet/balcony: privacy list=blocklist
juliet/garden: privacy list=blocklist
romeo/orchard: presence from=@juliet/balcony type=unavailable
romeo/orchard: presence from=@juliet/garden type=unavailable
? ejabberd: it pushes the privacy list behind it too, and leaves the contact with the old presence, against XEP-0191 section 3.3
ok
juliet/balcony: blocked jid=@romeo
juliet/garden: blocked jid=@romeo
juliet/balcony: privacy list='Blocked contacts'
juliet/garden: privacy list='Blocked contacts'
> juliet/garden blocklist
ok
item jid=@romeo
> romeo/orchard send to=@juliet body=alas
ok
romeo/orchard: message from=@juliet type=error condition=service-unavailable
? ejabberd: it bounces a message to the bare JID for each resource
ok
romeo/orchard: message from=@juliet type=error condition=service-unavailable
romeo/orchard: message from=@juliet type=error condition=service-unavailable
> romeo/orchard ping to=@juliet/balcony
error condition=service-unavailable
> romeo/orchard presence show=xa
ok
romeo/orchard: presence from=@romeo/orchard show=xa
> juliet/balcony presence show=dnd
ok
juliet/balcony: presence from=@juliet/balcony show=dnd
juliet/garden: presence from=@juliet/balcony show=dnd
? Prosody: the broadcast to the blocked contact comes back as an error
ok
juliet/balcony: presence from=@juliet/balcony show=dnd
juliet/garden: presence from=@juliet/balcony show=dnd
juliet/balcony: presence from=@romeo type=error condition=not-acceptable
> juliet/balcony send to=@romeo body=no
ok
juliet/balcony: message from=@romeo type=error condition=not-acceptable
> juliet/balcony unblock jid=@romeo
ok
juliet/balcony: unblocked jid=@romeo
juliet/garden: unblocked jid=@romeo
romeo/orchard: presence from=@juliet/balcony show=dnd
romeo/orchard: presence from=@juliet/garden
? Etherx: it pushes the privacy list behind it too, as the engine is one
ok
juliet/balcony: unblocked jid=@romeo
juliet/garden: unblocked jid=@romeo
juliet/balcony: privacy list=blocklist
juliet/garden: privacy list=blocklist
romeo/orchard: presence from=@juliet/balcony show=dnd
romeo/orchard: presence from=@juliet/garden
? ejabberd: it pushes the privacy list behind it too, and sends no presence, against XEP-0191 section 3.4
ok
juliet/balcony: unblocked jid=@romeo
juliet/garden: unblocked jid=@romeo
juliet/balcony: privacy list='Blocked contacts'
juliet/garden: privacy list='Blocked contacts'
> juliet/balcony blocklist
ok
> romeo/orchard send to=@juliet/balcony body=joy
ok
juliet/balcony: message from=@romeo/orchard to=@juliet/balcony type=chat body=joy
> juliet/balcony block
error condition=bad-request
`},
	{name: "block several, unblock all", cast: "juliet/balcony", absent: "romeo paris", script: `
> juliet/balcony blocklist
ok
> juliet/balcony block jid=@romeo jid=@paris
ok
juliet/balcony: blocked jid=@paris jid=@romeo
? Etherx: it pushes the privacy list behind it too, as the engine is one
ok
juliet/balcony: blocked jid=@paris jid=@romeo
juliet/balcony: privacy list=blocklist
? ejabberd: it pushes the privacy list behind it too
ok
juliet/balcony: blocked jid=@paris jid=@romeo
juliet/balcony: privacy list='Blocked contacts'
> juliet/balcony blocklist
ok
item jid=@paris
item jid=@romeo
> juliet/balcony unblock jid=@paris
ok
juliet/balcony: unblocked jid=@paris
? Etherx: it pushes the privacy list behind it too, as the engine is one
ok
juliet/balcony: unblocked jid=@paris
juliet/balcony: privacy list=blocklist
? ejabberd: it pushes the privacy list behind it too
ok
juliet/balcony: unblocked jid=@paris
juliet/balcony: privacy list='Blocked contacts'
> juliet/balcony unblock
ok
juliet/balcony: unblocked
? Etherx: it pushes the privacy list behind it too, as the engine is one
ok
juliet/balcony: unblocked
juliet/balcony: privacy list=blocklist
? ejabberd: it pushes the privacy list behind it too
ok
juliet/balcony: unblocked
juliet/balcony: privacy list='Blocked contacts'
> juliet/balcony blocklist
ok
`},
	{name: "privacy lists", cast: "juliet/balcony juliet/garden", script: `
> juliet/balcony lists
ok
lists
? Prosody end: it has no privacy lists: the module left with version 0.10 in favour of the blocking command
error condition=service-unavailable
> juliet/balcony setlist name=public item='deny jid @nobody message presence-in' item='allow subscription both' item=allow
ok
juliet/balcony: privacy list=public
juliet/garden: privacy list=public
> juliet/garden list name=public
ok
item order=1 action=deny type=jid value=@nobody kind=message kind=presence-in
item order=2 action=allow type=subscription value=both
item order=3 action=allow
> juliet/balcony lists
ok
lists list=public
> juliet/balcony list name=private
error condition=item-not-found
> juliet/balcony active name=private
error condition=item-not-found
> juliet/balcony default name=private
error condition=item-not-found
> juliet/balcony active name=public
ok
> juliet/balcony lists
ok
lists active=public list=public
> juliet/garden lists
ok
lists list=public
> juliet/garden default name=public
ok
> juliet/balcony lists
ok
lists active=public default=public list=public
> juliet/balcony active
ok
> juliet/balcony setlist name=public
error condition=conflict
> juliet/balcony logout
ok
juliet/balcony: disconnected
juliet/garden: presence from=@juliet/balcony type=unavailable
? ejabberd client: it tells the own resources of the presence, and of the end of the stream
ok
juliet/balcony: disconnected
juliet/garden: presence from=@juliet/balcony type=unavailable
juliet/garden: presence from=@juliet/balcony type=unavailable
> juliet/garden default
ok
> juliet/garden lists
ok
lists list=public
> juliet/garden setlist name=public
ok
juliet/garden: privacy list=public
? ejabberd: it does not push the removal
ok
> juliet/garden lists
ok
lists
> juliet/garden setlist name=public
error condition=item-not-found
? ejabberd: it has no error for that, against RFC 3921 section 10.9
ok
`},
	{name: "privacy lists in use elsewhere", cast: "juliet/balcony juliet/garden", script: `
> juliet/balcony setlist name=public item=allow
ok
juliet/balcony: privacy list=public
juliet/garden: privacy list=public
? Prosody end: it has no privacy lists: the module left with version 0.10 in favour of the blocking command
error condition=service-unavailable
> juliet/balcony default name=public
ok
> juliet/garden default
error condition=conflict
? ejabberd: it does not look for others who use the default list, against RFC 3921 section 10.5
ok
> juliet/balcony active name=public
ok
> juliet/garden setlist name=public
error condition=conflict
? ejabberd: it does not look for others who use the list, against RFC 3921 section 10.9
ok
`},
	{name: "privacy lists in force", cast: "juliet/balcony juliet/garden romeo/orchard", friends: "juliet/balcony romeo/orchard", script: `
> juliet/balcony setlist name=public item='deny jid @romeo message' item=allow
ok
juliet/balcony: privacy list=public
juliet/garden: privacy list=public
? Prosody end: it has no privacy lists: the module left with version 0.10 in favour of the blocking command
error condition=service-unavailable
> juliet/balcony active name=public
ok
> romeo/orchard send to=@juliet/balcony body=hidden
ok
? ejabberd: it answers with an error, against RFC 3921 section 10.14
ok
romeo/orchard: message from=@juliet/balcony type=error condition=service-unavailable
> romeo/orchard ping to=@juliet/balcony
ok
> romeo/orchard send to=@juliet/garden body=open
ok
juliet/garden: message from=@romeo/orchard to=@juliet/garden type=chat body=open
> juliet/balcony setlist name=public item='deny subscription both iq' item=allow
ok
juliet/balcony: privacy list=public
juliet/garden: privacy list=public
> romeo/orchard send to=@juliet/balcony body=open
ok
juliet/balcony: message from=@romeo/orchard to=@juliet/balcony type=chat body=open
> romeo/orchard ping to=@juliet/balcony
error condition=service-unavailable
> romeo/orchard ping to=@juliet/garden
ok
> juliet/balcony active
ok
> romeo/orchard ping to=@juliet/balcony
ok
> juliet/balcony default name=public
ok
> romeo/orchard ping to=@juliet/balcony
error condition=service-unavailable
> romeo/orchard ping to=@juliet/garden
error condition=service-unavailable
`},
	{name: "invisibility by a privacy list", cast: "juliet/balcony romeo/orchard", friends: "juliet/balcony romeo/orchard", script: `
> juliet/balcony setlist name=invisible item='deny presence-out'
ok
juliet/balcony: privacy list=invisible
? Prosody end: it has no privacy lists: the module left with version 0.10 in favour of the blocking command
error condition=service-unavailable
> juliet/balcony presence type=unavailable
ok
juliet/balcony: presence from=@juliet/balcony type=unavailable
romeo/orchard: presence from=@juliet/balcony type=unavailable
? ejabberd: it does not show it to its sender, against RFC 6121 section 4.5.2
ok
romeo/orchard: presence from=@juliet/balcony type=unavailable
> juliet/balcony active name=invisible
ok
> juliet/balcony presence show=away
ok
juliet/balcony: presence from=@juliet/balcony show=away
juliet/balcony: presence from=@romeo/orchard
> romeo/orchard send to=@juliet body='where art thou?'
ok
juliet/balcony: message from=@romeo/orchard to=@juliet type=chat body='where art thou?'
> juliet/balcony active
ok
> juliet/balcony presence show=chat
ok
juliet/balcony: presence from=@juliet/balcony show=chat
romeo/orchard: presence from=@juliet/balcony show=chat
`},
	{name: "vcard", cast: "juliet/balcony romeo/orchard", absent: "paris", script: `
> juliet/balcony card
ok
no card
> juliet/balcony setcard fn='Juliet Capulet' family=Capulet given=Juliet nick=Jule photo='a rose'
ok
> juliet/balcony card
ok
card fn='Juliet Capulet' family=Capulet given=Juliet nick=Jule photo='a rose'
> romeo/orchard card jid=@juliet
ok
card fn='Juliet Capulet' family=Capulet given=Juliet nick=Jule photo='a rose'
> romeo/orchard card jid=@paris
error condition=service-unavailable
? Prosody: it answers with an empty card, against XEP-0054 section 3.3
ok
no card
? ejabberd: it answers with an empty card, against XEP-0054 section 3.3
ok
no card
> romeo/orchard card jid=@nobody
error condition=service-unavailable
? Prosody: it answers as for a user who is there
ok
no card
? ejabberd: it answers as for a user who is there
ok
no card
> juliet/balcony setcard fn='Juliet Montague' family=Montague given=Juliet nick=Jule
ok
> juliet/balcony logout
ok
juliet/balcony: disconnected
> romeo/orchard card jid=@juliet
ok
card fn='Juliet Montague' family=Montague given=Juliet nick=Jule
`},
	{name: "avatar in presence", cast: "juliet/balcony romeo/orchard", friends: "juliet/balcony romeo/orchard", script: `
> juliet/balcony presence avatar='a rose'
ok
juliet/balcony: presence from=@juliet/balcony photo=e335f2499d600710b78ea4094247552f1101f300
romeo/orchard: presence from=@juliet/balcony photo=e335f2499d600710b78ea4094247552f1101f300
`},
	{name: "last activity", cast: "juliet/balcony romeo/orchard paris/court", friends: "juliet/balcony romeo/orchard", script: `
> juliet/balcony last to=@server
ok
last seconds=few
> juliet/balcony last to=@romeo
ok
last seconds=few
> paris/court last to=@romeo
error condition=forbidden
? ejabberd: RFC 6120 has subscription-required for it, XEP-0012 section 4 forbidden
error condition=subscription-required
> romeo/orchard presence type=unavailable status='To Mantua'
ok
juliet/balcony: presence from=@romeo/orchard type=unavailable status='To Mantua'
romeo/orchard: presence from=@romeo/orchard type=unavailable status='To Mantua'
? ejabberd: it does not show it to its sender, against RFC 6121 section 4.5.2
ok
juliet/balcony: presence from=@romeo/orchard type=unavailable status='To Mantua'
> romeo/orchard logout
ok
romeo/orchard: disconnected
> juliet/balcony last to=@romeo
ok
last seconds=few status='To Mantua'
> paris/court last to=@romeo
error condition=forbidden
? ejabberd: RFC 6120 has subscription-required for it, XEP-0012 section 4 forbidden
error condition=subscription-required
> juliet/balcony last to=@nobody
error condition=service-unavailable
? Prosody: it answers as for a user who is there
error condition=forbidden
? ejabberd: RFC 6120 has subscription-required for it, XEP-0012 section 4 forbidden
error condition=subscription-required
`},
	{name: "version and time", cast: "juliet/balcony romeo/orchard", friends: "juliet/balcony romeo/orchard", script: `
> juliet/balcony version to=@server
ok
version name=True version=True
> juliet/balcony time to=@server
ok
time now=True zone=True
> juliet/balcony version to=@romeo/orchard
ok
version name=True version=True
> juliet/balcony time to=@romeo/orchard
ok
time now=True zone=True
? slixmpp: version 1.8.3 cannot read its own offset and answers with an error that RFC 6120 has for others
error condition=undefined-condition
`},
	{name: "private storage", cast: "juliet/balcony juliet/garden romeo/orchard", script: `
> juliet/balcony private name=a
ok
private
> juliet/balcony setprivate name=a text='my only love'
ok
> juliet/balcony setprivate name=b text='my only hate'
ok
> juliet/garden private name=a
ok
private text='my only love'
> juliet/garden setprivate name=a text='sprung from'
ok
> juliet/balcony private name=a
ok
private text='sprung from'
> juliet/balcony private name=b
ok
private text='my only hate'
> romeo/orchard private name=a
ok
private
> romeo/orchard private name=a to=@juliet
error condition=forbidden
? Prosody: it knows the query at the own account only
error condition=service-unavailable
`},
	{name: "disco", cast: "juliet/balcony romeo/orchard paris/court", friends: "juliet/balcony romeo/orchard", script: `
> juliet/balcony info to=@server identity=server/im feature=jabber:iq:register feature=jabber:iq:version feature=msgoffline feature=vcard-temp
ok
info identity=server/im feature=jabber:iq:register feature=jabber:iq:version feature=msgoffline feature=vcard-temp
> juliet/balcony info to=@juliet identity=account/registered
ok
info identity=account/registered
> juliet/balcony info to=@romeo identity=account/registered
ok
info identity=account/registered
> juliet/balcony info to=@romeo/orchard feature=urn:xmpp:ping feature=urn:xmpp:time
ok
info feature=urn:xmpp:ping feature=urn:xmpp:time
> paris/court info to=@romeo
error condition=service-unavailable
? ejabberd: RFC 6120 has subscription-required for it, XEP-0030 section 8 service-unavailable
error condition=subscription-required
> paris/court info to=@nobody
error condition=service-unavailable
? ejabberd: it answers as for a user who is there
error condition=subscription-required
`},
	{name: "registration", cast: "juliet/balcony", script: `
> nurse/room register
ok
> nurse/kitchen register
error condition=conflict
> nurse/room password new=s3cret
ok
> nurse/room logout
ok
nurse/room: disconnected
> nurse/room login
error condition=not-authorized
> nurse/room login password=s3cret
ok
> nurse/room logout
ok
nurse/room: disconnected
`},
	{name: "removal of an account", cast: "juliet/balcony nurse/room", friends: "juliet/balcony nurse/room", script: `
> nurse/room unregister
ok
nurse/room: end condition=not-authorized
nurse/room: disconnected
juliet/balcony: presence from=@nurse/room type=unavailable
juliet/balcony: presence from=@nurse type=unsubscribe
juliet/balcony: presence from=@nurse type=unsubscribed
juliet/balcony: push jid=@nurse subscription=to
juliet/balcony: push jid=@nurse subscription=none
? Prosody: it has a status for it, tells it twice, and cancels in the other order
ok
nurse/room: end condition=not-authorized
nurse/room: disconnected
juliet/balcony: presence from=@nurse/room type=unavailable
juliet/balcony: presence from=@nurse/room type=unavailable status='Disconnected: Account deleted'
juliet/balcony: presence from=@nurse type=unsubscribed
juliet/balcony: presence from=@nurse type=unsubscribe
juliet/balcony: push jid=@nurse subscription=from
juliet/balcony: push jid=@nurse subscription=none
? ejabberd slixmpp: it answers from the full JID, which slixmpp does not take for an answer, ends as if another had come, and tells no presence
error condition=disconnected
nurse/room: end condition=conflict
nurse/room: disconnected
juliet/balcony: presence from=@nurse type=unsubscribe
juliet/balcony: presence from=@nurse type=unsubscribed
juliet/balcony: push jid=@nurse subscription=to
juliet/balcony: push jid=@nurse subscription=none
? ejabberd client: it answers from the full JID, ends as if another had come, and tells no presence
ok
nurse/room: end condition=conflict
nurse/room: disconnected
juliet/balcony: presence from=@nurse type=unsubscribe
juliet/balcony: presence from=@nurse type=unsubscribed
juliet/balcony: push jid=@nurse subscription=to
juliet/balcony: push jid=@nurse subscription=none
> nurse/room login
error condition=not-authorized
> juliet/balcony roster
ok
item jid=@nurse subscription=none
> juliet/balcony send to=@nurse body='where is my nurse?'
ok
juliet/balcony: message from=@nurse type=error condition=service-unavailable
> nurse/room register
ok
> nurse/room roster
ok
`},
}
