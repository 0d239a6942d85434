//go:build interop

package interop

// syncRows are about what clients of one account agree about: copies (XEP-0280),
// archives (XEP-0313); and about those that nobody looks at (XEP-0352).
var syncRows = []imRow{
	{name: "XEP0280 copies", cast: "juliet/balcony juliet/garden romeo/orchard", script: `
> juliet/balcony carbons state=on
ok
> juliet/garden carbons state=on
ok
> romeo/orchard send to=@juliet/balcony body='to the balcony'
ok
juliet/balcony: message from=@romeo/orchard to=@juliet/balcony type=chat body='to the balcony'
juliet/garden: copy kind=received from=@romeo/orchard to=@juliet/balcony type=chat body='to the balcony'
> juliet/balcony send to=@romeo/orchard body='from the balcony'
ok
romeo/orchard: message from=@juliet/balcony to=@romeo/orchard type=chat body='from the balcony'
juliet/garden: copy kind=sent from=@juliet/balcony to=@romeo/orchard type=chat body='from the balcony'
> romeo/orchard send to=@juliet body='to all'
ok
juliet/balcony: message from=@romeo/orchard to=@juliet type=chat body='to all'
juliet/garden: message from=@romeo/orchard to=@juliet type=chat body='to all'
? Etherx: it delivers to the one who was there last, and copies for the others
ok
juliet/balcony: copy kind=received from=@romeo/orchard to=@juliet type=chat body='to all'
juliet/garden: message from=@romeo/orchard to=@juliet type=chat body='to all'
> romeo/orchard send to=@juliet/balcony extra=composing
ok
juliet/balcony: message from=@romeo/orchard to=@juliet/balcony type=chat extra=composing
juliet/garden: copy kind=received from=@romeo/orchard to=@juliet/balcony type=chat
> romeo/orchard send to=@juliet/balcony body=plain type=normal
ok
juliet/balcony: message from=@romeo/orchard to=@juliet/balcony body=plain
juliet/garden: copy kind=received from=@romeo/orchard to=@juliet/balcony body=plain
> romeo/orchard send to=@juliet/balcony body=news type=headline
ok
juliet/balcony: message from=@romeo/orchard to=@juliet/balcony type=headline body=news
> romeo/orchard send to=@juliet/balcony body=secret extra=private extra=no-copy
ok
juliet/balcony: message from=@romeo/orchard to=@juliet/balcony type=chat body=secret extra=no-copy extra=private
? Prosody: it removes the element, as older versions of XEP-0280 had it
ok
juliet/balcony: message from=@romeo/orchard to=@juliet/balcony type=chat body=secret extra=no-copy
> juliet/balcony send to=@romeo/orchard body='also secret' extra=private extra=no-copy
ok
romeo/orchard: message from=@juliet/balcony to=@romeo/orchard type=chat body='also secret' extra=no-copy extra=private
? Prosody: it removes the element, as older versions of XEP-0280 had it
ok
romeo/orchard: message from=@juliet/balcony to=@romeo/orchard type=chat body='also secret' extra=no-copy
> juliet/garden carbons state=off
ok
> romeo/orchard send to=@juliet/balcony body='no more'
ok
juliet/balcony: message from=@romeo/orchard to=@juliet/balcony type=chat body='no more'
> juliet/garden send to=@romeo/orchard body='from the garden'
ok
romeo/orchard: message from=@juliet/garden to=@romeo/orchard type=chat body='from the garden'
juliet/balcony: copy kind=sent from=@juliet/garden to=@romeo/orchard type=chat body='from the garden'
`},
	{name: "XEP0280 copies of errors", cast: "juliet/balcony juliet/garden", script: `
> juliet/garden carbons state=on
ok
> juliet/balcony send to=@nobody body='Is anybody there?'
ok
juliet/balcony: message from=@nobody type=error condition=service-unavailable
juliet/garden: copy kind=sent from=@juliet/balcony to=@nobody type=chat body='Is anybody there?'
juliet/garden: copy kind=received from=@nobody to=@juliet/balcony type=error condition=service-unavailable
? Prosody: it copies no errors, against XEP-0280 section 6.1
ok
juliet/balcony: message from=@nobody type=error condition=service-unavailable
juliet/garden: copy kind=sent from=@juliet/balcony to=@nobody type=chat body='Is anybody there?'
? ejabberd: it copies no errors, against XEP-0280 section 6.1
ok
juliet/balcony: message from=@nobody type=error condition=service-unavailable
juliet/garden: copy kind=sent from=@juliet/balcony to=@nobody type=chat body='Is anybody there?'
`},
	{name: "XEP0313 archive", cast: "juliet/balcony romeo/orchard", absent: "paris", script: `
> juliet/balcony archive
ok
fin complete=yes
> juliet/balcony edges
ok
edges none
? ejabberd: it has none of what XEP-0313 has got since version 0.7
error condition=bad-request
> juliet/balcony send to=@romeo body='line #' times=5
ok
romeo/orchard: message from=@juliet/balcony to=@romeo type=chat body='line 1'
romeo/orchard: message from=@juliet/balcony to=@romeo type=chat body='line 2'
romeo/orchard: message from=@juliet/balcony to=@romeo type=chat body='line 3'
romeo/orchard: message from=@juliet/balcony to=@romeo type=chat body='line 4'
romeo/orchard: message from=@juliet/balcony to=@romeo type=chat body='line 5'
> romeo/orchard send to=@juliet/balcony body=answer
ok
juliet/balcony: message from=@romeo/orchard to=@juliet/balcony type=chat body=answer
> juliet/balcony send to=@romeo body=unkept extra=no-store
ok
romeo/orchard: message from=@juliet/balcony to=@romeo type=chat body=unkept extra=no-store
> juliet/balcony send to=@romeo extra=composing
ok
romeo/orchard: message from=@juliet/balcony to=@romeo type=chat extra=composing
> juliet/balcony send to=@paris body=farewell
ok
> juliet/balcony archive
ok
archived from=@juliet/balcony to=@romeo type=chat body='line 1'
archived from=@juliet/balcony to=@romeo type=chat body='line 2'
archived from=@juliet/balcony to=@romeo type=chat body='line 3'
archived from=@juliet/balcony to=@romeo type=chat body='line 4'
archived from=@juliet/balcony to=@romeo type=chat body='line 5'
archived from=@romeo/orchard to=@juliet/balcony type=chat body=answer
archived from=@juliet/balcony to=@paris type=chat body=farewell
fin complete=yes
> juliet/balcony archive with=@paris
ok
archived from=@juliet/balcony to=@paris type=chat body=farewell
fin complete=yes
> juliet/balcony archive with=@romeo max=2
ok
archived from=@juliet/balcony to=@romeo type=chat body='line 1'
archived from=@juliet/balcony to=@romeo type=chat body='line 2'
fin complete=no
> juliet/balcony archive with=@romeo max=2 after='line 2'
ok
archived from=@juliet/balcony to=@romeo type=chat body='line 3'
archived from=@juliet/balcony to=@romeo type=chat body='line 4'
fin complete=no
> juliet/balcony archive with=@romeo max=2 before='line 4'
ok
archived from=@juliet/balcony to=@romeo type=chat body='line 2'
archived from=@juliet/balcony to=@romeo type=chat body='line 3'
fin complete=no
> juliet/balcony archive max=2 last=yes with=@romeo
ok
archived from=@juliet/balcony to=@romeo type=chat body='line 5'
archived from=@romeo/orchard to=@juliet/balcony type=chat body=answer
fin complete=no
> juliet/balcony archive after=farewell
ok
fin complete=yes
> juliet/balcony archive after=nonsense
error condition=item-not-found
? ejabberd: with its own database it passes over an id that it does not know, against XEP-0059 section 2.4
ok
archived from=@juliet/balcony to=@romeo type=chat body='line 1'
archived from=@juliet/balcony to=@romeo type=chat body='line 2'
archived from=@juliet/balcony to=@romeo type=chat body='line 3'
archived from=@juliet/balcony to=@romeo type=chat body='line 4'
archived from=@juliet/balcony to=@romeo type=chat body='line 5'
archived from=@romeo/orchard to=@juliet/balcony type=chat body=answer
archived from=@juliet/balcony to=@paris type=chat body=farewell
fin complete=yes
> juliet/balcony pages max=3 with=@romeo
ok
page
archived from=@juliet/balcony to=@romeo type=chat body='line 1'
archived from=@juliet/balcony to=@romeo type=chat body='line 2'
archived from=@juliet/balcony to=@romeo type=chat body='line 3'
page
archived from=@juliet/balcony to=@romeo type=chat body='line 4'
archived from=@juliet/balcony to=@romeo type=chat body='line 5'
archived from=@romeo/orchard to=@juliet/balcony type=chat body=answer
> juliet/balcony pages max=4 with=@romeo reverse=yes
ok
page
archived from=@juliet/balcony to=@romeo type=chat body='line 3'
archived from=@juliet/balcony to=@romeo type=chat body='line 4'
archived from=@juliet/balcony to=@romeo type=chat body='line 5'
archived from=@romeo/orchard to=@juliet/balcony type=chat body=answer
page
archived from=@juliet/balcony to=@romeo type=chat body='line 1'
archived from=@juliet/balcony to=@romeo type=chat body='line 2'
> juliet/balcony archive start=hour-ahead
ok
fin complete=yes
> juliet/balcony archive end=hour-ago
ok
fin complete=yes
> juliet/balcony archive start=hour-ago end=hour-ahead with=@paris
ok
archived from=@juliet/balcony to=@paris type=chat body=farewell
fin complete=yes
> juliet/balcony edges
ok
edges start='line 1' end=farewell
? ejabberd: as above
error condition=bad-request
> juliet/balcony archive flip=yes max=2 with=@romeo
ok
archived from=@juliet/balcony to=@romeo type=chat body='line 2'
archived from=@juliet/balcony to=@romeo type=chat body='line 1'
fin complete=no
> juliet/balcony archive after-id='line 2' before-id='line 5'
ok
archived from=@juliet/balcony to=@romeo type=chat body='line 3'
archived from=@juliet/balcony to=@romeo type=chat body='line 4'
fin complete=yes
? ejabberd: as above
error condition=bad-request
> juliet/balcony archive id='line 2'
ok
archived from=@juliet/balcony to=@romeo type=chat body='line 2'
fin complete=yes
? ejabberd: as above
error condition=bad-request
> romeo/orchard archive with=@juliet/balcony max=1
ok
archived from=@juliet/balcony to=@romeo type=chat body='line 1'
fin complete=no
> romeo/orchard archive to=@juliet
error condition=forbidden
? Prosody: it says so of archives of others, which XEP-0313 section 4.1 leaves open
error condition=service-unavailable
? ejabberd: it passes over the address, and answers from one's own archive
ok
archived from=@juliet/balcony to=@romeo type=chat body='line 1'
archived from=@juliet/balcony to=@romeo type=chat body='line 2'
archived from=@juliet/balcony to=@romeo type=chat body='line 3'
archived from=@juliet/balcony to=@romeo type=chat body='line 4'
archived from=@juliet/balcony to=@romeo type=chat body='line 5'
archived from=@romeo/orchard to=@juliet/balcony type=chat body=answer
fin complete=yes
`},
	{name: "XEP0441 preferences", cast: "juliet/balcony", absent: "romeo paris", script: `
> juliet/balcony prefs
ok
prefs default=always
> juliet/balcony prefs default=never always=@romeo
ok
prefs default=never always=@romeo
> juliet/balcony send to=@romeo body=kept
ok
> juliet/balcony send to=@paris body=forgotten
ok
> juliet/balcony archive
ok
archived from=@juliet/balcony to=@romeo type=chat body=kept
fin complete=yes
> juliet/balcony prefs default=always never=@romeo
ok
prefs default=always never=@romeo
> juliet/balcony send to=@romeo body='forgotten too'
ok
> juliet/balcony send to=@paris body='kept too'
ok
> juliet/balcony archive
ok
archived from=@juliet/balcony to=@romeo type=chat body=kept
archived from=@juliet/balcony to=@paris type=chat body='kept too'
fin complete=yes
> juliet/balcony prefs default=roster
ok
prefs default=roster
> juliet/balcony send to=@paris body='of a stranger'
ok
> juliet/balcony add jid=@paris
ok
juliet/balcony: push jid=@paris subscription=none
> juliet/balcony send to=@paris body='of a contact'
ok
> juliet/balcony archive after='kept too'
ok
archived from=@juliet/balcony to=@paris type=chat body='of a contact'
fin complete=yes
? ejabberd: a contact without a subscription is none for it
ok
fin complete=yes
`},
	{name: "XEP0313 offline and archive", cast: "juliet/balcony", absent: "romeo", script: `
> juliet/balcony send to=@romeo body='line #' times=3
ok
> romeo/orchard login
ok
> romeo/orchard archive max=2
ok
archived from=@juliet/balcony to=@romeo type=chat body='line 1'
archived from=@juliet/balcony to=@romeo type=chat body='line 2'
fin complete=no
> romeo/orchard presence
ok
romeo/orchard: presence from=@romeo/orchard
romeo/orchard: message from=@juliet/balcony to=@romeo type=chat body='line 3' delay=@server
? Prosody: who has asked for anything gets nothing that is stored
ok
romeo/orchard: presence from=@romeo/orchard
? ejabberd: it does not mind that the archive was read
ok
romeo/orchard: presence from=@romeo/orchard
romeo/orchard: message from=@juliet/balcony to=@romeo type=chat body='line 1' delay=@server
romeo/orchard: message from=@juliet/balcony to=@romeo type=chat body='line 2' delay=@server
romeo/orchard: message from=@juliet/balcony to=@romeo type=chat body='line 3' delay=@server
> romeo/orchard logout
ok
romeo/orchard: disconnected
> juliet/balcony send to=@romeo body='line #' first=4 times=2
ok
> romeo/chamber login
ok
> romeo/chamber archive
ok
archived from=@juliet/balcony to=@romeo type=chat body='line 1'
archived from=@juliet/balcony to=@romeo type=chat body='line 2'
archived from=@juliet/balcony to=@romeo type=chat body='line 3'
archived from=@juliet/balcony to=@romeo type=chat body='line 4'
archived from=@juliet/balcony to=@romeo type=chat body='line 5'
fin complete=yes
> romeo/chamber presence
ok
romeo/chamber: presence from=@romeo/chamber
? ejabberd: it does not mind that the archive was read
ok
romeo/chamber: presence from=@romeo/chamber
romeo/chamber: message from=@juliet/balcony to=@romeo type=chat body='line 4' delay=@server
romeo/chamber: message from=@juliet/balcony to=@romeo type=chat body='line 5' delay=@server
`},
	{name: "XEP0352 client state", cast: "juliet/balcony romeo/orchard", friends: "juliet/balcony romeo/orchard", script: `
> juliet/balcony csi state=inactive
ok
>> romeo/orchard presence show=away
>> romeo/orchard presence show=dnd
>> romeo/orchard presence show=chat
>> romeo/orchard send to=@juliet/balcony extra=composing
>> romeo/orchard ping to=@server
>> romeo/orchard send to=@juliet/balcony body=news
> romeo/orchard ping to=@server
ok
romeo/orchard: presence from=@romeo/orchard show=away
romeo/orchard: presence from=@romeo/orchard show=dnd
romeo/orchard: presence from=@romeo/orchard show=chat
juliet/balcony: presence from=@romeo/orchard show=chat
juliet/balcony: message from=@romeo/orchard to=@juliet/balcony type=chat body=news
? Prosody: it keeps everything back, and leaves nothing out
ok
romeo/orchard: presence from=@romeo/orchard show=away
romeo/orchard: presence from=@romeo/orchard show=dnd
romeo/orchard: presence from=@romeo/orchard show=chat
juliet/balcony: presence from=@romeo/orchard show=away
juliet/balcony: presence from=@romeo/orchard show=dnd
juliet/balcony: presence from=@romeo/orchard show=chat
juliet/balcony: message from=@romeo/orchard to=@juliet/balcony type=chat extra=composing
juliet/balcony: message from=@romeo/orchard to=@juliet/balcony type=chat body=news
? ejabberd: it leaves out what is not the last presence, but not that somebody writes who has written
ok
romeo/orchard: presence from=@romeo/orchard show=away
romeo/orchard: presence from=@romeo/orchard show=dnd
romeo/orchard: presence from=@romeo/orchard show=chat
juliet/balcony: presence from=@romeo/orchard show=chat
juliet/balcony: message from=@romeo/orchard to=@juliet/balcony type=chat delay=@server extra=composing
juliet/balcony: message from=@romeo/orchard to=@juliet/balcony type=chat body=news
>> romeo/orchard presence show=xa
>> romeo/orchard presence show=away
>> romeo/orchard ping to=@server
> juliet/balcony csi state=active
ok
romeo/orchard: presence from=@romeo/orchard show=xa
romeo/orchard: presence from=@romeo/orchard show=away
juliet/balcony: presence from=@romeo/orchard show=away
? Prosody: as above
ok
romeo/orchard: presence from=@romeo/orchard show=xa
romeo/orchard: presence from=@romeo/orchard show=away
juliet/balcony: presence from=@romeo/orchard show=xa
juliet/balcony: presence from=@romeo/orchard show=away
> romeo/orchard presence show=dnd
ok
romeo/orchard: presence from=@romeo/orchard show=dnd
juliet/balcony: presence from=@romeo/orchard show=dnd
`},
}
