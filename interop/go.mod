module github.com/etherx-go/xmpp/interop

go 1.26.0

require (
	github.com/etherx-go/xmpp v0.0.0
	github.com/miekg/dns v1.1.72
)

require (
	golang.org/x/mod v0.41.0 // indirect
	golang.org/x/net v0.62.0 // indirect
	golang.org/x/sync v0.24.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
	golang.org/x/text v0.43.0 // indirect
	golang.org/x/tools v0.51.0 // indirect
)

replace github.com/etherx-go/xmpp => ../
