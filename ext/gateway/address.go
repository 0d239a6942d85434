package gateway

import (
	"strings"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// Addresses are the addresses that the people of the network have at the gateway.
// Names that differ only in upper and lower case have the same one, for addresses
// have no case; use Normalize where the network's have.
type Addresses struct {
	// Domain is the gateway's. In a [Gateway] it is set by Attach.
	Domain jid.JID
	// HasHosts says that names are of the form user@host. Then user%host, the
	// form of old, is understood beside user\40host (XEP-0106); and a name with a
	// % and without a @ has no address.
	HasHosts bool
	// Percent writes the form of old, too, for networks with HasHosts.
	Percent bool
	// Normalize, if not nil, returns the name as the network itself writes it,
	// such as without spaces; the error is returned to who asked. It must be safe
	// for concurrent use. White space around names is cut off in any case.
	Normalize func(name string) (string, error)
}

// JID returns the address of a name. The error is a *stanza.Error, jid-malformed,
// if it has none, or that of Normalize.
func (a *Addresses) JID(name string) (jid.JID, error) {
	name = strings.TrimSpace(name)
	if a.Normalize != nil {
		var err error
		if name, err = a.Normalize(name); err != nil {
			return jid.JID{}, err
		}
	}
	// What reads as an escape only when case is folded has to be escaped, too; and
	// where other foldings change the name there is no address.
	j, err := a.encode(strings.ToLower(name))
	if err != nil {
		return jid.JID{}, errName()
	}
	if again, err := a.encode(a.Name(j)); err != nil || again != j {
		return jid.JID{}, errName()
	}
	return j, nil
}

// encode returns the address of a name as it is.
func (a *Addresses) encode(name string) (jid.JID, error) {
	at := strings.LastIndexByte(name, '@')
	if name == "" || a.HasHosts && at < 0 && strings.Contains(name, "%") {
		return jid.JID{}, errName()
	}
	local := jid.EscapeLocal(name)
	if a.HasHosts && a.Percent && at >= 0 {
		if strings.Contains(name[at:], "%") {
			return jid.JID{}, errName()
		}
		local = jid.EscapeLocal(name[:at]) + "%" + jid.EscapeLocal(name[at+1:])
	}
	return jid.New(local, a.Domain.Domain(), "")
}

func errName() error {
	return stanza.NewError(stanza.JIDMalformed, "There can be nobody of that name.")
}

// Name returns the name that an address stands for, "" for that of the gateway
// itself.
func (a *Addresses) Name(j jid.JID) string {
	local := j.Local()
	name := jid.UnescapeLocal(local)
	if !a.HasHosts || strings.Contains(name, "@") && !a.Percent {
		return name
	}
	if i := strings.LastIndexByte(local, '%'); i >= 0 {
		return jid.UnescapeLocal(local[:i]) + "@" + jid.UnescapeLocal(local[i+1:])
	}
	return name
}

// maxSpellings bounds how many addresses are remembered that are not written as
// the gateway writes them.
const maxSpellings = 100_000

// spelling is somebody on the network, as a user knows him.
type spelling struct {
	user jid.JID
	name string
}

// heard returns the name that a stanza is for, and remembers the address if it is
// not written as the gateway would: the user is to hear from the one that is in
// the roster.
func (g *Gateway) heard(st *stanza.Stanza) (name string) {
	name = g.Addresses.Name(st.To)
	if !g.Addresses.HasHosts || name == "" {
		return name
	}
	canonical, err := g.Addresses.JID(name)
	if err != nil {
		return name
	}
	key := spelling{st.From.Bare().Clone(), g.Addresses.Name(canonical)}
	g.mu.Lock()
	defer g.mu.Unlock()
	if st.To.Bare() == canonical {
		g.spellings.Delete(key)
	} else {
		g.spellings.Put(key, st.To.Bare().Clone(), maxSpellings)
	}
	return name
}

// addressOf returns the address of somebody, as the user knows it.
func (u *user) addressOf(name string) (jid.JID, error) {
	j, err := u.g.Addresses.JID(name)
	if err != nil || !u.g.Addresses.HasHosts {
		return j, err
	}
	u.g.mu.Lock()
	defer u.g.mu.Unlock()
	if known, ok := u.g.spellings.Get(spelling{u.addr, u.g.Addresses.Name(j)}); ok {
		return known, nil
	}
	return j, nil
}
