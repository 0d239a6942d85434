// Package legacy implements the way in which the first Jabber clients used
// OpenPGP (XEP-0027, and draft-miller-xmpp-core-02, appendix C): presence with a
// signed status, and messages with an encrypted body. New programs use the
// package ox; this one is for peers that have nothing else.
//
// The output of OpenPGP is put into the stanza as ASCII armour "with the headers
// removed".
//
// # What is not protected
//
// "Replay attacks are possible on presence chunks and also on messages for which
// the recipient is not mentioned in the message body" (draft-miller-xmpp-core-02,
// appendix C). A signature covers the text of the status and nothing else:
// neither who sends it, nor to whom, nor when, nor whether he is away. So anybody
// who has seen a signed presence can send it again, later and as his own; that a
// presence is signed does not show that the owner of the key is there. The
// encrypted body is usually not signed: anybody can encrypt to somebody, and an
// encrypted message can be taken out of its stanza and sent again. Everything
// beside the body, subject and all, is in the clear. "There is no method to check
// a fingerprint or ownership of a key other than checking the user IDs on a key."
package legacy
