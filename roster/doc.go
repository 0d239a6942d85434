// Package roster implements rosters, the contact lists that a server keeps for its users (RFC 6121, section 2).
//
// The payload of all that is said about rosters is [Query]. A client uses [Get], [Set] and [Delete], or an [Extension],
// which asks for the roster after each log-in and keeps a copy of it that follows the server's pushes.
//
// For servers there are the rules, as functions without effects: [Limits.CheckSet] judges a request, [Entry.Apply] and
// [Entry.Clear] carry it out, [RemoveEffects] says what a removal means for subscriptions. How subscriptions change is
// in the package presence. What is to be kept goes into a [Store].
package roster
