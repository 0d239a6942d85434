// Package private implements private XML storage (XEP-0049): a client keeps
// elements of any kind on its server, for nobody but its own account.
//
// [Get] and [Set] are for clients, [Server] is the extension of a server.
package private
