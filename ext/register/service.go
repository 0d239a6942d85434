package register

import (
	"context"
	"errors"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// Service is an Extension for a component or a client that people can register
// with, such as a gateway (XEP-0100, sections 4.1 to 4.3). They are known by
// their bare address. A server has [Server].
type Service struct {
	// Form returns what there is to fill in; for who is registered, with
	// Registered, and what is on file. It must be set. Where there is no
	// Query.Form, one that asks for the same is added (XEP-0077, section 4).
	Form func(ctx context.Context, user jid.JID) (*Query, error)
	// Register takes what the user has filled in: a new registration, or a change
	// of one. It is in Fields, also if it came as a data form, which then is in
	// Form. Nothing has been checked but that the fields of Form are there, unless
	// Form has a data form of its own. It must be set.
	Register func(ctx context.Context, user jid.JID, q *Query) error
	// Remove cancels a registration. The error is stanza.RegistrationRequired
	// where there is none. If Remove is nil no registration can be canceled
	// in-band.
	Remove func(ctx context.Context, user jid.JID) error
	// Keys: as in Server.
	Keys bool

	keys keys
}

// Attach adds the handlers.
func (s *Service) Attach(h xmpp.Host) error {
	if s.Form == nil || s.Register == nil {
		return errors.New("register: Service.Form and Service.Register are needed")
	}
	xmpp.HandleIQ(h.Mux(), stanza.TypeGet, s.get)
	xmpp.HandleIQ(h.Mux(), stanza.TypeSet, s.set)
	return nil
}

// Features returns [NS] (XEP-0077, section 10).
func (s *Service) Features(jid.JID) []string { return []string{NS} }

func (s *Service) get(ctx context.Context, r xmpp.Request[Query]) (any, error) {
	q, err := s.Form(ctx, r.From.Bare())
	if err != nil || q == nil {
		return q, err
	}
	out := *q
	if s.Keys {
		out.Fields = append(q.Fields[:len(q.Fields):len(q.Fields)], Field{"key", s.keyOf(r)})
	}
	if len(q.Fields) > 0 && q.Form == "" && q.URL == "" {
		out.Form = form(q.Instructions, out.Fields)
	}
	return &out, nil
}

func (s *Service) keyOf(r xmpp.Request[Query]) string {
	return s.keys.of(r.From.String(), r.To.String())
}

func (s *Service) set(ctx context.Context, r xmpp.Request[Query]) (any, error) {
	user := r.From.Bare()
	sub, err := r.Payload.submission()
	switch {
	case err != nil:
		return nil, err
	case s.Keys && !sameKey(sub.key, s.keyOf(r)):
		return nil, stanza.NewError(stanza.NotAcceptable, "the key is not the one that was given out")
	case sub.remove && !sub.alone:
		return nil, stanza.NewError(stanza.BadRequest, "remove stands alone")
	case sub.remove && s.Remove == nil:
		return nil, stanza.NotAllowed
	case sub.remove:
		return nil, s.Remove(ctx, user)
	}
	form, err := s.Form(ctx, user)
	if err != nil {
		return nil, err
	}
	if form == nil {
		form = new(Query)
	}
	q := r.Payload
	q.Fields = sub.fields
	if missing, _ := form.missing(q.Fields); len(missing) > 0 && (q.Form == "" || form.Form == "") {
		return nil, stanza.NewError(stanza.NotAcceptable, "the field "+missing[0]+" is needed")
	}
	return nil, s.Register(ctx, user, &q)
}
