module github.com/etherx-go/xmpp/interop

go 1.26.0

require github.com/etherx-go/xmpp v0.0.0

replace github.com/etherx-go/xmpp => ../
