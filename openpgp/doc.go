// Package openpgp protects what is said over XMPP with OpenPGP (RFC 4880, RFC
// 9580): it holds keys, signs, verifies, encrypts and decrypts. How the results
// travel in stanzas is the matter of two packages beside it:
//
//	openpgp/ox      OpenPGP for XMPP (XEP-0373, XEP-0374): what to use today
//	openpgp/legacy  signed presence and encrypted bodies of the first Jabber clients (XEP-0027)
//
// A [Key] is one OpenPGP key, public or secret. [Keyring] is an [Engine] that
// does the work in this process; a program whose secret keys are somewhere else,
// with gpg-agent or in a token, writes an Engine of its own.
//
// # What is not protected
//
// An OpenPGP message has neither forward secrecy nor deniability: who gets hold
// of a secret key reads all that was ever encrypted to it, and a signature
// proves to everybody who has said what. Who talks with whom, when and how much
// is seen by the servers.
//
// That a key belongs to an address is only what its user ID claims, and what the
// server says that it was published at. [Pins] remembers the keys of the first
// contact; who wants to know has to compare fingerprints by another way.
//
// # Time
//
// Keys are judged at the moment when the message came: one that has expired or
// was revoked until then makes no good signature, whatever date the signature
// claims, for whoever has the key can choose that. Who reads an archive says when
// a message had come.
package openpgp
