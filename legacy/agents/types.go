package agents

import (
	"slices"
	"strings"

	"github.com/etherx-go/xmpp/ext/disco"
	"github.com/etherx-go/xmpp/jid"
)

// The types of services that the Jabber Programmers Guide and XEP-0094 have;
// "more can be created as needed" (Jabber Programmers Guide, chapter 11).
const (
	ServiceAIM        = "aim"
	ServiceICQ        = "icq"
	ServiceIRC        = "irc"
	ServiceMSN        = "msn"
	ServiceYahoo      = "yahoo"
	ServiceConference = "conference" // group chat
	ServicePublic     = "public"     // group chat that everybody can see
	ServicePrivate    = "private"    // group chat that not everybody can see
	ServiceUsers      = "jud"        // a directory of users
	ServiceProxy      = "oobproxy"   // a proxy for files
)

// The features that say what the flags do.
const (
	featureRegister = "jabber:iq:register"
	featureSearch   = "jabber:iq:search"
	featureRooms    = "http://jabber.org/protocol/muc"
	featureGroups   = "gc-1.0" // group chat of old, in the registry of features
)

// kinds maps types of services to identities; of several with the same identity
// the first is the one that it becomes.
var kinds = [...]struct {
	service string
	disco.Identity
}{
	{ServiceConference, disco.Identity{Category: "conference", Type: "text"}},
	{ServicePublic, disco.Identity{Category: "conference", Type: "text"}},
	{ServicePrivate, disco.Identity{Category: "conference", Type: "text"}},
	{ServiceUsers, disco.Identity{Category: "directory", Type: "user"}},
	{ServiceProxy, disco.Identity{Category: "proxy", Type: "bytestreams"}},
	{ServiceAIM, disco.Identity{Category: "gateway", Type: "aim"}},
	{ServiceICQ, disco.Identity{Category: "gateway", Type: "icq"}},
	{ServiceIRC, disco.Identity{Category: "gateway", Type: "irc"}},
	{ServiceIRC, disco.Identity{Category: "conference", Type: "irc"}},
	{ServiceMSN, disco.Identity{Category: "gateway", Type: "msn"}},
	{ServiceYahoo, disco.Identity{Category: "gateway", Type: "yahoo"}},
}

// Identity returns the identity that the agent has for service discovery, and
// whether it says enough for one. Gateways to networks that are not in the list of
// types keep the name of theirs.
func (a *Agent) Identity() (id disco.Identity, ok bool) {
	service := strings.ToLower(a.Service)
	gateway := a.Gateway || a.Transport != ""
	switch {
	case service == ServiceIRC && a.GroupChat:
		id = disco.Identity{Category: "conference", Type: "irc"}
	case gateway && service != "":
		id = disco.Identity{Category: "gateway", Type: service}
	default:
		for _, k := range kinds {
			if k.service == service {
				id = k.Identity
				break
			}
		}
	}
	if id == (disco.Identity{}) && a.GroupChat {
		id = disco.Identity{Category: "conference", Type: "text"}
	}
	id.Name = a.Name
	return id, id.Category != ""
}

// Info returns what the agent says as it is said for service discovery.
func (a *Agent) Info() (info disco.Info) {
	if id, ok := a.Identity(); ok {
		info.Identities = []disco.Identity{id}
	}
	for _, f := range [...]struct {
		name string
		has  bool
	}{{featureGroups, a.GroupChat}, {featureRegister, a.Register}, {featureSearch, a.Search}} {
		if f.has {
			info.Features = append(info.Features, f.name)
		}
	}
	return info
}

// FromInfo returns what service discovery says about the entity at an address as
// an agent. There is no word for a description or a page there.
func FromInfo(at jid.JID, info disco.Info) Agent {
	a := Agent{JID: at, Register: info.Has(featureRegister), Search: info.Has(featureSearch),
		GroupChat: info.Is("conference", "") || info.Has(featureRooms) || info.Has(featureGroups)}
	for _, id := range info.Identities {
		if a.Name == "" {
			a.Name = id.Name
		}
		a.Gateway = a.Gateway || id.Category == "gateway"
		if a.Service == "" {
			a.Service = serviceOf(id)
		}
	}
	return a
}

// serviceOf returns the type of service that an identity stands for, "" if none.
func serviceOf(id disco.Identity) string {
	i := slices.IndexFunc(kinds[:], func(k struct {
		service string
		disco.Identity
	}) bool {
		return k.Category == id.Category && k.Type == id.Type
	})
	switch {
	case i >= 0:
		return kinds[i].service
	case id.Category == "gateway":
		return id.Type
	}
	return ""
}
