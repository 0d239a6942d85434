// Package sasl implements the Simple Authentication and Security Layer
// (RFC 4422), client and server side, for the mechanisms that XMPP uses:
//
//	EXTERNAL                                         RFC 4422 appendix A
//	SCRAM-SHA-1, -SHA-256, -SHA-512, each also -PLUS RFC 5802, RFC 7677
//	OAUTHBEARER                                      RFC 7628
//	DIGEST-MD5                                       RFC 2831 (historic, RFC 6331)
//	PLAIN                                            RFC 4616
//	ANONYMOUS                                        RFC 4505
//	HT-SHA-256-*, HT-SHA-512-*                       draft-schmaus-kitten-sasl-ht-09
//
// The package knows nothing of XML, streams or addresses. It exchanges byte
// strings; base64 and framing belong to the caller. RFC 6120 and the
// Extensible SASL Profile (XEP-0388) can both be built on it.
//
// # Client
//
// [Choose] picks the strongest mechanism that the server offers and the
// credentials and channel allow, and says of every other one why it was
// refused. The returned [Client] is then driven: Start, Next for each
// challenge, Finish when the server reports success. Finish fails if the
// mechanism authenticates the server and the server has not done so; a success
// must not be believed before Finish returned nil.
//
// # Server
//
// [Mechanisms] lists what can be offered on a channel, [NewServer] starts one
// exchange, and Next is called with every message of the client. Stored
// secrets come in through [Credentials], a struct of optional functions. An
// unknown user gets the same challenges, costs the same work and fails with
// the same error as a wrong password.
//
// # Tokens
//
// The HT mechanisms take a token that the server gave at a former login, for
// logins in one round trip (XEP-0484). They are not offered among the others and
// not chosen by [Choose]: a token belongs to one of them, which is asked for by
// name. [HashedTokens] has the rules by which a server keeps the tokens of a client.
//
// # Channel binding and downgrade protection
//
// The -PLUS mechanisms bind to the TLS channel by tls-exporter (RFC 9266),
// tls-unique or tls-server-end-point (RFC 5929). The types announced by the
// server (XEP-0440) are honoured, and the lists of mechanisms and binding
// types as well as the TLS version are protected by SCRAM attributes (XEP-0474,
// XEP-0515).
//
// # Safe defaults
//
// Zero values are safe: PLAIN, OAUTHBEARER and DIGEST-MD5 are refused without
// TLS unless AllowPlaintext is set, iteration counts and message sizes have
// bounds, and secrets are compared in constant time.
package sasl
