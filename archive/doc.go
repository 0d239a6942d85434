// Package archive implements Message Archive Management (XEP-0313) and its
// preferences (XEP-0441): a server keeps what its users write and get, and their
// clients read it there.
//
// # Clients
//
// [Client] is an extension that takes the messages which an archive sends.
// [Client.Page] asks for one page, [Client.Messages] goes through all of them.
// [CatchUp] is for a client that wants each message once, whatever happens to its
// connections: it knows where it is in the archive, and merges what it reads there
// with what comes by itself. Only what the archive that was asked sends, with the
// id of the query, counts (XEP-0313, section 8.2).
//
// # Servers
//
// [Server] is the extension that answers for the archives of a server's accounts.
// The server's routing calls its hooks: [Server.Outgoing] for a message that a
// client has sent, [Server.Incoming] for one that an account gets, or
// [Server.Local] for both at once. They decide by pure rules, [Keeps] and
// [Preferences.Allow], append to a [Store], and return the message with the id
// that it has in the archive (XEP-0359).
//
// # Ids
//
// The id of a message is a UUID of version 7 (RFC 9562), made by [NextID]: its
// first part is the time of archiving in milliseconds, so that the ids of an
// archive are in its order, as strings; the rest is random, so that nobody can
// guess an id. An id tells who sees it when the message was archived, which who
// gets the message knows anyway, and nothing else. When the clock goes back the
// ids still go forward, and only they.
package archive
