package search

import (
	"context"
	"errors"
	"strings"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/form"
	"github.com/etherx-go/xmpp/ext/register"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// Defaults of a [Service].
const (
	DefaultMaxResults   = 50
	DefaultMaxField     = 256
	DefaultMaxPerMinute = 30
)

// defaultInstructions are the default of [Service.Instructions].
const defaultInstructions = "Fill in one or more fields. A * at the end of one stands for whatever comes behind."

// Service is the Extension that answers searches, for a component or a service in
// a server's process; also for a server itself, which then answers at its
// domains, but has no Registry. Fields must not be changed after Attach.
type Service struct {
	// Directory is what is searched. It must be set.
	Directory Directory
	// Registry, if not nil, is what users enter themselves into, by
	// jabber:iq:register (XEP-0077). It usually is the Directory.
	Registry Registry
	// Instructions are for people. The default is in English.
	Instructions string
	// Extra are further fields, which only the data form has: "a host MUST NOT
	// add new fields to the 'jabber:iq:search' namespace" (XEP-0055, section 3).
	Extra []form.Field
	// Keys gives out keys, as the Jabber Programmers Guide has them. A search
	// needs none; to enter oneself does then.
	Keys bool
	// Allow, if not nil, says who may search and be entered. Others get
	// forbidden.
	Allow func(from jid.JID) bool
	// MaxResults bounds the items of one answer; if there are more it is marked
	// as truncated. Default 50, -1 = 1000, for an answer is one stanza.
	MaxResults int
	// MaxField bounds the value of a field, in bytes. Default 256, -1 = no limit.
	MaxField int
	// MaxPerMinute bounds what one user, with all resources, may search and
	// enter in a minute. Default 30, -1 = no limit.
	MaxPerMinute int

	host     xmpp.Host
	key      keys
	throttle throttle
}

// Attach adds the handlers.
func (s *Service) Attach(h xmpp.Host) error {
	switch {
	case s.Directory == nil:
		return errors.New("search: Service.Directory is not set")
	case s.Registry != nil && h.IsServer():
		return errors.New("search: a server registers its accounts; a Registry needs an address of its own")
	}
	s.host = h
	xmpp.HandleIQ(h.Mux(), stanza.TypeGet, s.ask)
	xmpp.HandleIQ(h.Mux(), stanza.TypeSet, s.search)
	if s.Registry != nil {
		xmpp.HandleIQ(h.Mux(), stanza.TypeGet, s.askEntry)
		xmpp.HandleIQ(h.Mux(), stanza.TypeSet, s.enter)
	}
	return nil
}

// Features returns [NS], and that of registration if there is a Registry.
func (s *Service) Features(at jid.JID) []string {
	switch {
	case at.Local() != "" && at != s.host.LocalAddr():
		return nil
	case s.Registry != nil:
		return []string{register.NS, NS}
	}
	return []string{NS}
}

// access says why a request is not for the service, or not from who may ask.
func (s *Service) access(from, to jid.JID) error {
	switch {
	case !to.IsDomain() && (s.host.IsServer() || to != s.host.LocalAddr()):
		return stanza.ServiceUnavailable
	case s.Allow != nil && !s.Allow(from):
		return stanza.Forbidden
	}
	return nil
}

// labels are the standard fields and what they are called (XEP-0055, section
// 7.2).
var labels = [...]Field{
	{First, "Given Name"}, {Last, "Family Name"}, {Nick, "Nickname"}, {Email, "Email Address"},
}

func standardFields() (fields []Field) {
	for _, l := range labels {
		fields = append(fields, Field{Name: l.Name})
	}
	return fields
}

// form returns the data form, to be filled in.
func (s *Service) form() form.Data {
	d := form.New(form.Form, NS)
	d.Title = "Search"
	d.Instructions = []string{s.instructions()}
	for _, l := range labels {
		d.Fields = append(d.Fields, form.Field{Var: l.Name, Type: form.TextSingle, Label: l.Value})
	}
	d.Fields = append(d.Fields, s.Extra...)
	return d
}

func (s *Service) instructions() string {
	if s.Instructions != "" {
		return s.Instructions
	}
	return defaultInstructions
}

// ask says what can be searched for, in fields and in a form.
func (s *Service) ask(_ context.Context, r xmpp.Request[Query]) (any, error) {
	if err := s.access(r.From, r.To); err != nil {
		return nil, err
	}
	d := s.form()
	q := Query{Instructions: s.instructions(), Fields: standardFields(), Form: &d}
	if s.Keys {
		q.Key = s.key.of(r.From, r.To)
	}
	return q, nil
}

// search answers in the form in which it was asked.
func (s *Service) search(ctx context.Context, r xmpp.Request[Query]) (any, error) {
	if err := s.access(r.From, r.To); err != nil {
		return nil, err
	}
	if !s.throttle.take(r.From.Bare(), s.MaxPerMinute) {
		return nil, errTooOften()
	}
	fields, err := s.wanted(&r.Payload)
	if err != nil {
		return nil, err
	}
	limit := s.MaxResults
	switch {
	case limit == 0:
		limit = DefaultMaxResults
	case limit < 0:
		limit = DefaultMaxItems
	}
	// One more shows that there are more.
	found, err := s.Directory.Search(ctx, r.From, fields, limit+1)
	if err != nil {
		return nil, err
	}
	more := len(found) > limit
	found = found[:min(len(found), limit)]
	if r.Payload.Form == nil {
		return Query{Items: standardItems(found), Truncated: more}, nil
	}
	d := s.table(found)
	return Query{Form: &d, Truncated: more}, nil
}

// wanted returns what is searched for: all fields that are filled in, of a form
// if there is one.
func (s *Service) wanted(q *Query) (fields []Field, err error) {
	all := q.Fields
	if q.Form != nil {
		d := s.form()
		checked, err := d.Check(q.Form)
		if err != nil {
			return nil, err
		}
		all = nil
		for i := range checked.Fields {
			if f := &checked.Fields[i]; f.Var != form.FormType {
				all = append(all, Field{f.Var, f.Text()})
			}
		}
	}
	for _, f := range all {
		if f.Value = strings.TrimSpace(f.Value); f.Value == "" || f.Value == "*" {
			continue
		}
		if q.Form == nil && !isStandard(f.Name) {
			return nil, stanza.NewError(stanza.NotAcceptable, "The field "+clip(f.Name)+" cannot be searched for.")
		}
		if err := s.checkLen(f); err != nil {
			return nil, err
		}
		fields = append(fields, f)
	}
	if len(fields) == 0 {
		return nil, stanza.NewError(stanza.NotAcceptable, "Fill in at least one field.")
	}
	return fields, nil
}

func isStandard(name string) bool {
	return name == First || name == Last || name == Nick || name == Email
}

func (s *Service) checkLen(f Field) error {
	if limit := orDefault(s.MaxField, DefaultMaxField); limit >= 0 && len(f.Value) > limit {
		return stanza.NewError(stanza.NotAcceptable, "The field "+clip(f.Name)+" is too long.")
	}
	return nil
}

// clip shortens the name of a field that somebody else has chosen.
func clip(name string) string { return strings.ToValidUTF8(name[:min(len(name), 40)], "") }

// standardItems returns the items with the standard fields, all of them.
func standardItems(found []Item) (items []Item) {
	for _, it := range found {
		all := Item{JID: it.JID, Fields: standardFields()}
		for i := range all.Fields {
			all.Fields[i].Value = it.Get(all.Fields[i].Name)
		}
		items = append(items, all)
	}
	return items
}

// table returns the results as a form.
func (s *Service) table(found []Item) form.Data {
	d := form.New(form.Result, NS)
	asked := s.form()
	d.Reported = []form.Field{{Var: "jid", Type: form.JIDSingle, Label: "Jabber ID"}}
	for _, f := range asked.Fields {
		if f.Var != form.FormType && f.Var != "" {
			d.Reported = append(d.Reported, form.Field{Var: f.Var, Type: f.Type, Label: f.Label})
		}
	}
	for _, it := range found {
		row := []form.Field{{Var: "jid", Values: []string{it.JID.String()}}}
		for _, f := range d.Reported[1:] {
			row = append(row, form.Field{Var: f.Var, Values: []string{it.Get(f.Var)}})
		}
		d.Items = append(d.Items, row)
	}
	return d
}

func errTooOften() error {
	return &stanza.Error{Type: stanza.Wait, Condition: stanza.ResourceConstraint, Text: "Too many requests."}
}
