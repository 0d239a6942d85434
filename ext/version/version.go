// Package version implements software version (XEP-0092): which program
// somebody uses. To know what a contact's program can do, use package caps: this
// protocol "SHOULD NOT be used to determine the identity of entities from which
// an application receives presence" (XEP-0092, section 1).
package version

import (
	"cmp"
	"context"
	"encoding/xml"
	"errors"
	"runtime/debug"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// NS is the namespace, which is also the feature for service discovery
// (XEP-0092, section 4).
const NS = "jabber:iq:version"

// Info says which program it is, the element <query/>. The zero Info asks.
type Info struct {
	Name    string // for people
	Version string
	OS      string // the operating system, "" if it is not told
}

// XMLName returns the name of the element.
func (Info) XMLName() xml.Name { return xml.Name{Space: NS, Local: "query"} }

// AppendXML appends the element.
func (i Info) AppendXML(dst []byte) ([]byte, error) {
	dst = append(dst, "<query xmlns='"+NS+"'"...)
	if i == (Info{}) {
		return append(dst, "/>"...), nil
	}
	dst = stanza.AppendTextElement(append(dst, '>'), "name", i.Name)
	dst = stanza.AppendTextElement(dst, "version", i.Version)
	if i.OS != "" {
		dst = stanza.AppendTextElement(dst, "os", i.OS)
	}
	return append(dst, "</query>"...), nil
}

// ParseXML reads the element. It does not fail.
func (i *Info) ParseXML(e stanza.Element) error {
	*i = Info{Name: e.ChildText(NS, "name"), Version: e.ChildText(NS, "version"), OS: e.ChildText(NS, "os")}
	return nil
}

// ErrNoAnswer is returned for a result without an answer in it.
var ErrNoAnswer = errors.New("version: the result has no answer")

// Get asks the program at the address to, a full one or a domain, which one it
// is. An error reply is returned as a *stanza.Error.
func Get(ctx context.Context, s xmpp.Sender, to jid.JID) (Info, error) {
	i, err := xmpp.Call[Info](ctx, s, stanza.TypeGet, to, Info{})
	if err == nil && i == (Info{}) {
		err = ErrNoAnswer
	}
	return i, err
}

// Extension tells which program this is, for clients, components and servers. A
// server does so for its domains, not for accounts.
type Extension struct {
	// Name is the name of the program. Default "Etherx".
	Name string
	// Version is its version. Default: that of the program as Go knows it, or
	// of Etherx if the name is not set; "unknown" if there is none.
	Version string
	// OS is the operating system. Default: not told, for that "may open the
	// user or system to attacks directed against that operating system"
	// (XEP-0092, section 5).
	OS string
}

// Attach adds the handlers. To try and set the version is a bad request.
func (e *Extension) Attach(h xmpp.Host) error {
	info := Info{Name: cmp.Or(e.Name, "Etherx"), Version: e.Version, OS: e.OS}
	if info.Version == "" {
		b, _ := debug.ReadBuildInfo()
		info.Version = fromBuild(b, e.Name == "")
	}
	xmpp.HandleIQ(h.Mux(), stanza.TypeGet, func(_ context.Context, r xmpp.Request[Info]) (any, error) {
		if h.IsServer() && !r.To.IsDomain() {
			return nil, stanza.ServiceUnavailable
		}
		return info, nil
	})
	xmpp.HandleIQ(h.Mux(), stanza.TypeSet, func(context.Context, xmpp.Request[Info]) (any, error) {
		return nil, stanza.NewError(stanza.BadRequest, "the version cannot be set")
	})
	return nil
}

// module is where Etherx is.
const module = "github.com/etherx-go/xmpp"

// fromBuild returns the version of the program, or of Etherx in it.
func fromBuild(b *debug.BuildInfo, etherx bool) string {
	if b == nil {
		return "unknown"
	}
	v := b.Main.Version
	if etherx && b.Main.Path != module {
		v = ""
		for _, d := range b.Deps {
			if d.Path == module {
				v = d.Version
			}
		}
	}
	return cmp.Or(v, "unknown")
}

// Features returns [NS].
func (e *Extension) Features(jid.JID) []string { return []string{NS} }
