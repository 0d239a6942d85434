// Package vcard implements the vCards of vcard-temp (XEP-0054), and avatars that
// are announced by the hash of their photo in presence (XEP-0153).
//
// [Get] and [Set] are for clients, [Avatars] watches the hashes of others and
// keeps one's own. [Server] is the extension that answers for the accounts of a
// server. [Card] is the payload: the fields of RFC 2426 as the DTD of XEP-0054,
// section 9, has them.
//
// The successor of this format, vCard4 (XEP-0292), is in package vcard4.
package vcard
