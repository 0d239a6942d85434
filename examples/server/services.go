package main

import (
	"slices"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/disco"
	"github.com/etherx-go/xmpp/ext/ping"
	"github.com/etherx-go/xmpp/ext/search"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/legacy/agents"
	"github.com/etherx-go/xmpp/legacy/groupchat"
	"github.com/etherx-go/xmpp/server"
)

// attachServices attaches the services that live in the server's process: for each
// domain a user directory at users.<domain>, and with -legacy rooms of old at
// groups.<domain>. A component or another domain of that name comes first.
func (o *options) attachServices(s *server.Server, st *stores) error {
	for _, d := range o.domains {
		host, err := jid.Parse(d)
		if err != nil {
			return err
		}
		services := map[string][]xmpp.Extension{"users.": o.directory(host, st.index)}
		if o.legacy {
			services["groups."] = []xmpp.Extension{&groupchat.Service{Extensions: []xmpp.Extension{&ping.Extension{}}}}
		}
		for prefix, x := range services {
			at, err := jid.Parse(prefix + host.Domain())
			if err != nil || o.isTaken(at) { // an IPv6 address has no subdomains
				continue
			}
			if _, err := s.LocalHost(at, nil, x...); err != nil {
				return err
			}
		}
	}
	return nil
}

// isTaken reports whether there is a component or a domain at an address.
func (o *options) isTaken(at jid.JID) bool {
	_, ok := o.components[at.Domain()]
	return ok && o.componentAddr() != "" || o.isHost(at)
}

// isHost reports whether an address is on one of the domains.
func (o *options) isHost(at jid.JID) bool {
	return slices.ContainsFunc(o.domains, func(d string) bool {
		host, err := jid.Parse(d)
		return err == nil && host.Domain() == at.Domain()
	})
}

// directory makes the user directory of a domain. Who has published a vCard that is
// not called private or confidential is found by the names, the nickname and the
// mail address in it; who does not want to be found publishes none of them. Only
// users of this server may ask, so that nobody collects its addresses from outside,
// and those of one domain are found in its own directory only.
func (o *options) directory(host jid.JID, index *search.Index) []xmpp.Extension {
	self := agents.Agent{Name: "User Directory", Service: agents.ServiceUsers,
		Description: "You can search for the users of " + host.Domain() + " who have published a vCard."}
	id, _ := self.Identity()
	d := &disco.Extension{Identities: []disco.Identity{id}}
	return []xmpp.Extension{d, &agents.Extension{Self: self, Info: d.Info}, &ping.Extension{},
		&search.Service{Directory: index.Host(host), Allow: o.isHost, Keys: o.legacy}}
}
