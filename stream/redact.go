package stream

import "bytes"

// secretBearing are the namespaces whose elements carry passwords or proofs.
var secretBearing = [][]byte{
	[]byte(NSSASL), []byte(NSOldSASL), []byte("urn:xmpp:sasl:2"),
	[]byte("jabber:iq:auth"), []byte("jabber:iq:register"),
}

// redact returns b for a trace. Of an element that may carry a secret only the
// start tag is left.
func redact(b []byte) []byte {
	for _, ns := range secretBearing {
		i := bytes.Index(b, ns)
		if i < 0 {
			continue
		}
		end := bytes.IndexByte(b[i:], '>')
		if end < 0 || bytes.Contains(b[:i], []byte("<mechanism")) {
			return b // a list of mechanisms
		}
		return append(bytes.Clone(b[:i+end+1]), "[...]"...)
	}
	return b
}
