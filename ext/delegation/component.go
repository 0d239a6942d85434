package delegation

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/disco"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// Info is what is told about a namespace by service discovery, in the place of what
// the server would tell (section 7.2): for the server itself, and for the accounts of
// its users. Of an Info count the identities, features and forms.
type Info struct{ Server, Account disco.Info }

// Extension is for the component that answers. Only requests from Servers count. Its
// fields must not change once it is attached; handlers can be added to Mux at any
// time.
type Extension struct {
	// Servers are the domains of the server.
	Servers []jid.JID
	// Mux has the handlers for what is delegated. They get requests as the server
	// would: from the user, to an account, or to the domain of the server. A
	// handler answers as any other does; the answer goes to the user by way of the
	// server. What else it sends comes from the component. An error is told to the
	// user as <service-unavailable/>, whatever it is (section 4.3, N.B.2).
	Mux *xmpp.Mux
	// Changed, if not nil, is called when a server has said what is delegated.
	Changed func(ctx context.Context, server jid.JID, l List)
	// Disco, if not nil, is the component's service discovery, which is given what
	// Infos has, by namespace.
	Disco *disco.Extension
	Infos map[string]Info

	mu    sync.Mutex
	lists map[jid.JID]List
}

// Attach adds the handlers.
func (e *Extension) Attach(h xmpp.Host) error {
	if e.Mux == nil {
		e.Mux = new(xmpp.Mux)
	}
	xmpp.HandleMessage(h.Mux(), func(ctx context.Context, _ xmpp.Sender, m *stanza.Message, l List) error {
		if !slices.Contains(e.Servers, m.From) {
			return nil
		}
		e.mu.Lock()
		if e.lists == nil {
			e.lists = make(map[jid.JID]List)
		}
		e.lists[m.From.Clone()] = l
		e.mu.Unlock()
		if e.Changed != nil {
			e.Changed(ctx, m.From, l)
		}
		return nil
	})
	xmpp.HandleIQ(h.Mux(), stanza.TypeSet, e.answer)
	if e.Disco != nil {
		e.Disco.AddNodes(e.node)
	}
	return nil
}

// Delegated returns what a server has delegated; ok is false if it has not said so
// yet.
func (e *Extension) Delegated(server jid.JID) (l List, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	l, ok = e.lists[server]
	return l, ok
}

var errNoReply = stanza.NewError(stanza.InternalServerError, "the handler has not answered")

// answer has a request answered that the server has forwarded.
func (e *Extension) answer(ctx context.Context, r xmpp.Request[Wrapped]) (any, error) {
	if !slices.Contains(e.Servers, r.From) {
		return nil, stanza.Forbidden
	}
	iq := r.Payload.IQ
	if !iq.Type.IsRequest() {
		return nil, stanza.NewError(stanza.BadRequest, "what is delegated is a request")
	}
	c := &capture{Sender: r.Sender, iq: iq}
	if err := e.Mux.HandleXMPP(ctx, c, iq); err != nil {
		return nil, err
	}
	switch reply := c.taken(); {
	case reply == nil:
		return nil, errNoReply
	case reply.Type == stanza.TypeError:
		return nil, reply.Err()
	default:
		return Wrapped{reply}, nil
	}
}

// capture is a Sender that keeps the answer to a request.
type capture struct {
	xmpp.Sender
	iq *stanza.Stanza

	mu    sync.Mutex
	reply *stanza.Stanza
}

func (c *capture) Send(ctx context.Context, st *stanza.Stanza) error {
	if st.Kind != stanza.KindIQ || !st.Type.IsResponse() || st.ID != c.iq.ID || st.To != c.iq.From {
		return c.Sender.Send(ctx, st)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reply == nil {
		c.reply = st
	}
	return nil
}

func (c *capture) taken() *stanza.Stanza {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reply
}

// ServerNode and AccountNode return the node by which the server asks for the Info
// about a namespace (sections 7.2.1 and 7.2.2).
func ServerNode(namespace string) string { return NS + "::" + namespace }

// AccountNode is for the accounts.
func AccountNode(namespace string) string { return NS + ":bare:" + namespace }

// node is the node of the Info about a namespace.
func (e *Extension) node(q disco.Query) (disco.Node, bool) {
	rest, ok := strings.CutPrefix(q.Node, NS)
	if !ok || !slices.Contains(e.Servers, q.From) {
		return disco.Node{}, false
	}
	name, isServer := strings.CutPrefix(rest, "::")
	if !isServer {
		name, ok = strings.CutPrefix(rest, ":bare:")
	}
	info, known := e.Infos[name]
	if !ok || !known {
		return disco.Node{}, false
	}
	told := info.Account
	if isServer {
		told = info.Server
	}
	return disco.Node{Info: func(context.Context, disco.Query) (disco.Info, error) { return told, nil }}, true
}
