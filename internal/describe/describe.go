// Package describe gathers what the extensions of a host say about it.
package describe

import (
	"slices"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
)

// Features returns the host's own features and those of its extensions that
// are an [xmpp.Describer], sorted, each once.
func Features(own []string, extensions []xmpp.Extension, at jid.JID) []string {
	all := slices.Clone(own)
	for _, e := range extensions {
		if d, ok := e.(xmpp.Describer); ok {
			all = append(all, d.Features(at)...)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
