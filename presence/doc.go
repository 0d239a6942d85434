// Package presence implements subscriptions to presence and the rules of its exchange (RFC 6121, sections 3 and 4).
package presence
