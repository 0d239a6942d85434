// Package vcard4 implements vCard4 in XML (RFC 6350, RFC 6351) as XMPP has it
// (XEP-0292): the payload, which is published in PEP and stored for contacts, and
// its conversion from and to vcard-temp.
package vcard4
