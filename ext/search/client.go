package search

import (
	"context"
	"slices"
	"strings"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/form"
	"github.com/etherx-go/xmpp/ext/register"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// Results are what a search has found.
type Results struct {
	Items []Item
	// Truncated: there is more, which a narrower search may show.
	Truncated bool
}

// UnknownFieldError says which fields the service cannot be asked for. To leave
// them out would find too much.
type UnknownFieldError struct{ Fields []string }

// Error lists the fields.
func (e *UnknownFieldError) Error() string {
	return "search: the service does not know the fields: " + strings.Join(e.Fields, ", ")
}

// Fields asks a service what can be searched for.
func Fields(ctx context.Context, s xmpp.Sender, service jid.JID) (Query, error) {
	return xmpp.Call[Query](ctx, s, stanza.TypeGet, service, Query{})
}

// Search looks for people. It asks first what can be searched for, and answers in
// the form that the service has: fields, or a data form where only that has them;
// a key is sent back as it came. The error is an [*UnknownFieldError] for fields
// that the service does not have. Who searches often keeps the result of [Fields]
// and uses [Query.Answer] and [Submit].
//
// Services of old may give more results in further stanzas: see [Gatherer].
func Search(ctx context.Context, s xmpp.Sender, service jid.JID, fields ...Field) (Results, error) {
	asked, err := Fields(ctx, s, service)
	if err != nil {
		return Results{}, err
	}
	q, err := asked.Answer(fields...)
	if err != nil {
		return Results{}, err
	}
	return Submit(ctx, s, service, q)
}

// Submit sends a search as it is.
func Submit(ctx context.Context, s xmpp.Sender, service jid.JID, q Query) (Results, error) {
	found, err := xmpp.Call[Query](ctx, s, stanza.TypeSet, service, q)
	if err != nil {
		return Results{}, err
	}
	return found.Results(), nil
}

// Answer returns the search for these fields, in the form in which q asks for
// them; if q asks for nothing, in plain fields. The error is an
// [*UnknownFieldError].
func (q *Query) Answer(fields ...Field) (Query, error) {
	a := Query{Key: q.Key}
	missing := missingIn(fields, func(name string) bool { return has(q.Fields, name) })
	if len(missing) == 0 || len(q.Fields) == 0 && q.Form == nil {
		a.Fields = slices.Clone(fields)
		return a, nil
	}
	if q.Form == nil {
		return Query{}, &UnknownFieldError{missing}
	}
	if missing = missingIn(fields, func(name string) bool { return q.Form.Field(name) != nil }); len(missing) > 0 {
		return Query{}, &UnknownFieldError{missing}
	}
	d := q.Form.Answer()
	for _, f := range fields {
		d.Set(f.Name, f.Value)
	}
	a.Form = &d
	return a, nil
}

func missingIn(fields []Field, known func(name string) bool) (missing []string) {
	for _, f := range fields {
		if !known(f.Name) {
			missing = append(missing, f.Name)
		}
	}
	return missing
}

// Results returns what was found, be it in items or in a form. Rows of a form
// without an address are left out.
func (q *Query) Results() Results {
	r := Results{Items: slices.Clone(q.Items), Truncated: q.Truncated}
	if q.Form == nil || q.Form.Type != form.Result {
		return r
	}
	for _, row := range q.Form.Items {
		var it Item
		for i := range row {
			switch f := &row[i]; {
			case f.Var == "jid":
				it.JID, _ = f.JID()
			case f.Var != "" && f.Var != form.FormType:
				it.Fields = append(it.Fields, Field{f.Var, f.Text()})
			}
		}
		if !it.JID.IsZero() {
			r.Items = append(r.Items, it)
		}
	}
	return r
}

// Enter enters the user into the directory of a service, or changes the entry:
// "jabber:iq:register is used to register user information with the database"
// (Jabber Programmers Guide, chapter 9). Everybody can find what is in it.
func Enter(ctx context.Context, s xmpp.Sender, service jid.JID, fields ...Field) error {
	asked, err := register.Fields(ctx, s, service)
	if err != nil {
		return err
	}
	q := new(register.Query)
	for _, f := range fields {
		q.Fields = append(q.Fields, register.Field(f))
	}
	if key, ok := asked.Get("key"); ok {
		q.Fields = append(q.Fields, register.Field{Name: "key", Value: key})
	}
	return register.Submit(ctx, s, service, q)
}

// Leave takes the user out of the directory of a service.
func Leave(ctx context.Context, s xmpp.Sender, service jid.JID) error {
	return register.Remove(ctx, s, service)
}
