module github.com/etherx-go/xmpp/bench

go 1.26.0

require github.com/etherx-go/xmpp v0.0.0

require github.com/tdewolff/parse/v2 v2.8.20 // indirect

replace github.com/etherx-go/xmpp => ../
