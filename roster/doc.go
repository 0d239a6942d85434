// Package roster implements rosters, the contact lists that a server keeps for its users (RFC 6121, section 2).
package roster
