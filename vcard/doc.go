// Package vcard implements vCards: vcard-temp (XEP-0054), its hash in presence (XEP-0153) and vCard4 (XEP-0292).
package vcard
