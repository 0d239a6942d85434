// Package ox implements OpenPGP for XMPP (XEP-0373), and its profile for instant
// messaging (XEP-0374): messages that are signed and encrypted with everything in
// them, keys that are published at and fetched from the addresses of their owners,
// and a backup of the secret key.
//
// A bot needs an [Extension]: its Handler decrypts what comes, and its Send
// encrypts what goes. The rest of the package is what it is made of: [Content] is
// what is protected, [Element] what is sent, [Seal] and [Open] lead from one to
// the other, [Publish] and [FetchKeys] deal with keys.
//
// # What is checked, and what is not protected
//
// Open checks the signature, that its key has a user ID with the address of the
// author, that the content was meant for the addressee, and that its time is
// plausible. So who sends a message again, or sends it on as if it was for
// somebody else, is found out, but for one case: "Full Replay attack prevention
// would require a counter based approach" (XEP-0373, section 8.3). Within the time
// that is plausible an Extension remembers what it has seen, and refuses the same
// content a second time, until it is restarted.
//
// Of the stanza around the content only the addresses are checked: its id and its
// type, and whatever stands outside of the element, can be changed on the way. How
// keys come to be trusted is up to Extension.Keys; without [openpgp.Pins] or the
// like, the servers are believed.
package ox
