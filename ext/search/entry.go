package search

import (
	"context"
	"strings"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/form"
	"github.com/etherx-go/xmpp/ext/register"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// How users enter themselves. Unlike what package register has for gateways, not
// every field has to be filled in: who wants to be found by a nickname only need
// not say more.

// askEntry says what can be entered, and what is.
func (s *Service) askEntry(ctx context.Context, r xmpp.Request[register.Query]) (any, error) {
	if err := s.access(r.From, r.To); err != nil {
		return nil, err
	}
	entry, ok, err := s.Registry.Entry(ctx, r.From.Bare())
	if err != nil {
		return nil, err
	}
	q := &register.Query{Registered: ok, Instructions: "Fill in what you want to be found by. Everybody can see it."}
	for _, f := range standardFields() {
		q.Fields = append(q.Fields, register.Field{Name: f.Name, Value: get(entry, f.Name)})
	}
	if s.Keys {
		q.Fields = append(q.Fields, register.Field{Name: "key", Value: s.key.of(r.From, r.To)})
	}
	return q, nil
}

// enter makes, changes or removes an entry.
func (s *Service) enter(ctx context.Context, r xmpp.Request[register.Query]) (any, error) {
	if err := s.access(r.From, r.To); err != nil {
		return nil, err
	}
	if !s.throttle.take(r.From.Bare(), s.MaxPerMinute) {
		return nil, errTooOften()
	}
	if key, _ := r.Payload.Get("key"); s.Keys && !s.key.is(key, r.From, r.To) {
		return nil, stanza.NewError(stanza.NotAcceptable, "The key is not the one that was given out.")
	}
	user := r.From.Bare()
	if r.Payload.Remove {
		return nil, s.leave(ctx, user)
	}
	fields, err := s.entryOf(&r.Payload)
	if err != nil {
		return nil, err
	}
	return nil, s.Registry.SetEntry(ctx, user, fields)
}

func (s *Service) leave(ctx context.Context, user jid.JID) error {
	_, ok, err := s.Registry.Entry(ctx, user)
	switch {
	case err != nil:
		return err
	case !ok:
		return stanza.NewError(stanza.RegistrationRequired, "You are not in the directory.")
	}
	return s.Registry.RemoveEntry(ctx, user)
}

// entryOf returns what somebody says about himself. A form takes precedence over
// fields (XEP-0077, section 4).
func (s *Service) entryOf(q *register.Query) (fields []Field, err error) {
	value := func(name string) string { v, _ := q.Get(name); return v }
	if q.Form != "" {
		var d form.Data
		e, err := q.Form.Element()
		if err == nil {
			err = e.Decode(&d)
		}
		if err != nil || d.Type != form.Submit {
			return nil, stanza.NewError(stanza.BadRequest, "A form of type submit is needed.")
		}
		value = d.Text
	}
	for _, l := range labels {
		f := Field{l.Name, strings.TrimSpace(value(l.Name))}
		if err := s.checkLen(f); err != nil {
			return nil, err
		}
		if f.Value != "" {
			fields = append(fields, f)
		}
	}
	if len(fields) == 0 {
		return nil, stanza.NewError(stanza.NotAcceptable, "Fill in at least one field.")
	}
	return fields, nil
}
