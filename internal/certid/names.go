package certid

import (
	"crypto/x509"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// What [Names] gives at most: names, and octets of each before it is quoted.
const (
	maxShown    = 32
	maxShownLen = 256
)

// Names returns the identifiers that leaf presents, for messages and logs: such as "DNS-ID *.example.org", "SRV-ID
// _xmpp-server.example.org", "XmppAddr example.org" and "IP-ID 192.0.2.1". What could be taken for something else,
// such as a name with a space or a control character, is quoted as in Go, and long names are cut. If there are more
// than 32 the last string says how many more; of names that are malformed those are given that come before. A nil
// leaf has none.
//
// The names are those of somebody who may not be trusted. To decide by them is what [Match] is for.
func Names(leaf *x509.Certificate) []string {
	if leaf == nil {
		return nil
	}
	ids, _ := identifiers(leaf)
	var names []string
	more := 0
	for _, id := range ids {
		switch {
		case id.kind == other:
		case len(names) == maxShown:
			more++
		default:
			names = append(names, id.String())
		}
	}
	if more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return names
}

var kindNames = [...]string{dnsID: "DNS-ID", srvID: "SRV-ID", xmppAddr: "XmppAddr", ipID: "IP-ID"}

func (id identifier) String() string {
	if id.kind == ipID {
		ip, _ := netip.AddrFromSlice(id.value)
		return kindNames[ipID] + " " + ip.String()
	}
	return kindNames[id.kind] + " " + show(string(id.value))
}

// show returns s as it can stand in a line of a log.
func show(s string) string {
	if len(s) > maxShownLen {
		return strconv.Quote(s[:maxShownLen]) + "..."
	}
	if s == "" || !utf8.ValidString(s) || strings.ContainsFunc(s, isUnclear) {
		return strconv.Quote(s)
	}
	return s
}

// isUnclear reports whether r can be mistaken for the end of a name, or not be seen.
func isUnclear(r rune) bool {
	return !unicode.IsPrint(r) || strings.ContainsRune(` ,;"'\`, r)
}
