package private

import (
	"cmp"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/internal/own"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// Defaults of [Server].
const (
	DefaultMaxSize     = 64 << 10
	DefaultMaxElements = 100
)

// Server is the extension of a server: it stores and returns the elements of
// its accounts. Its fields must not change once it is attached.
type Server struct {
	// Store keeps the elements. It must be set.
	Store Store
	// MaxSize bounds the size of one element, in bytes of XML. A larger one is
	// answered with policy-violation. Default 64 KiB, -1 = no limit but that
	// of a stanza.
	MaxSize int
	// MaxElements bounds how many elements an account may have. One more is
	// answered with resource-constraint. Default 100, -1 = no limit.
	MaxElements int
	// RefuseReserved answers elements in namespaces that begin with "jabber:"
	// or "http://jabber.org/", and in vcard-temp, with not-acceptable, as some
	// old servers do (XEP-0049, section 2.3). Old clients keep their bookmarks
	// in such a namespace.
	RefuseReserved bool
}

// Attach adds the handlers. The host must be a server.
func (s *Server) Attach(h xmpp.Host) error {
	if !h.IsServer() {
		return errors.New("private: the host is not a server")
	}
	if s.Store == nil {
		return errors.New("private: Server.Store is not set")
	}
	xmpp.HandleIQ(h.Mux(), stanza.TypeGet, s.get)
	xmpp.HandleIQ(h.Mux(), stanza.TypeSet, s.set)
	return nil
}

// Features returns [NS] for domains.
func (s *Server) Features(at jid.JID) []string {
	if !at.IsDomain() {
		return nil
	}
	return []string{NS}
}

// RemoveAccount forgets the elements of an account.
func (s *Server) RemoveAccount(ctx context.Context, account jid.JID) error {
	return s.Store.RemoveAccount(ctx, account)
}

// get returns one element, an empty one if there is none.
func (s *Server) get(ctx context.Context, r xmpp.Request[Query]) (any, error) {
	account, err := own.Account(r.Stanza)
	if err != nil {
		return nil, err
	}
	switch n := len(r.Payload.Elements); {
	case n == 0:
		// The condition is that of XEP-0049, section 3, the code that of its
		// example 4 and of the Jabber Programmers Guide.
		return nil, &stanza.Error{Condition: stanza.BadRequest, Code: 406, Text: "say which element"}
	case n > 1:
		return nil, stanza.NewError(stanza.BadRequest, "only one element can be had at once")
	}
	name := r.Payload.Elements[0].Name()
	if err := s.checkName(name); err != nil {
		return nil, err
	}
	raw, err := s.Store.Private(ctx, account, name)
	if err != nil {
		return nil, fmt.Errorf("private: %w", err)
	}
	var e stanza.Element
	if raw == "" {
		e, err = empty(name)
	} else {
		e, err = raw.Element()
	}
	if err != nil {
		return nil, fmt.Errorf("private: element of %s: %w", account, err)
	}
	return Query{[]stanza.Element{e}}, nil
}

// set stores elements: all of them, or none.
func (s *Server) set(ctx context.Context, r xmpp.Request[Query]) (any, error) {
	account, err := own.Account(r.Stanza)
	if err != nil {
		return nil, err
	}
	entries, err := s.check(r.Payload.Elements)
	if err != nil {
		return nil, err
	}
	switch err := s.store(ctx, account, entries); {
	case errors.Is(err, ErrFull):
		return nil, full()
	case err != nil:
		return nil, fmt.Errorf("private: %w", err)
	}
	return nil, nil
}

// entry is an element as it is stored, with "" if there is nothing in it.
type entry struct {
	name xml.Name
	raw  stanza.Raw
}

// check returns what is to be stored, if all of it may be.
func (s *Server) check(elements []stanza.Element) ([]entry, error) {
	if len(elements) == 0 {
		return nil, stanza.NewError(stanza.NotAcceptable, "there is no element to store")
	}
	if max := s.maxElements(); max >= 0 && len(elements) > max {
		return nil, full()
	}
	entries := make([]entry, len(elements))
	for i, e := range elements {
		n := e.Name()
		if err := s.checkName(n); err != nil {
			return nil, err
		}
		// Copies, for not all of the stanza is to be kept.
		entries[i].name = xml.Name{Space: strings.Clone(n.Space), Local: strings.Clone(n.Local)}
		if isEmpty(e) {
			continue
		}
		raw := e.Raw()
		if max := cmp.Or(s.MaxSize, DefaultMaxSize); max >= 0 && len(raw) > max {
			return nil, stanza.NewError(stanza.PolicyViolation, fmt.Sprintf("an element may have %d bytes", max))
		}
		entries[i].raw = stanza.Raw(strings.Clone(string(raw)))
	}
	return entries, nil
}

// store stores the entries. If that fails it puts back what was there.
func (s *Server) store(ctx context.Context, account jid.JID, entries []entry) error {
	var before []entry
	for _, e := range entries {
		old := entry{name: e.name}
		var err error
		if len(entries) > 1 {
			old.raw, err = s.Store.Private(ctx, account, e.name)
		}
		if err == nil {
			err = s.Store.SetPrivate(ctx, account, e.name, e.raw, s.maxElements())
		}
		if err != nil {
			return errors.Join(err, s.putBack(ctx, account, before))
		}
		before = append(before, old)
	}
	return nil
}

// putBack undoes what store did.
func (s *Server) putBack(ctx context.Context, account jid.JID, before []entry) (err error) {
	ctx = context.WithoutCancel(ctx)
	for _, e := range slices.Backward(before) {
		err = errors.Join(err, s.Store.SetPrivate(ctx, account, e.name, e.raw, -1))
	}
	return err
}

func (s *Server) maxElements() int { return cmp.Or(s.MaxElements, DefaultMaxElements) }

func full() error {
	return stanza.NewError(stanza.ResourceConstraint, "the private storage is full")
}

// checkName refuses names that no element may have that is stored.
func (s *Server) checkName(n xml.Name) error {
	if !hasOwnNamespace(n) {
		return stanza.NewError(stanza.NotAcceptable, "the element has no namespace of its own")
	}
	if s.RefuseReserved && (strings.HasPrefix(n.Space, "jabber:") || strings.HasPrefix(n.Space, "http://jabber.org/") ||
		n.Space == "vcard-temp") {
		return stanza.NewError(stanza.NotAcceptable, "the namespace is reserved")
	}
	return nil
}
