// Package privacy implements privacy lists (XEP-0016, RFC 3921 section 10) and, on the same engine, blocking (XEP-0191).
package privacy
