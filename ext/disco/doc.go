// Package disco implements service discovery (XEP-0030) and the forms that
// extend it (XEP-0128): who somebody is, what it can do, and what belongs to it.
//
// [GetInfo], [GetItems] and [Supports] ask. An [Extension] answers, for clients,
// components and servers; a server answers for its domains and accounts.
package disco
