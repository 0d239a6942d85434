package archive

import (
	"cmp"
	"context"
	"encoding/xml"
	"fmt"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/form"
	"github.com/etherx-go/xmpp/ext/rsm"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// Page returns what a query finds in an archive, and what is said at the end of
// the answer. It does not ask who wants to know. The errors are those that the
// query is answered with: item-not-found for an id that is not in the archive,
// feature-not-implemented for a field that is not known, and those of the store.
func (s *Server) Page(ctx context.Context, archive jid.JID, q Query) (page Page, fin Fin, err error) {
	fin.Space = q.Space
	if err := s.check(&q); err != nil {
		return page, fin, err
	}
	if q.Set.CountOnly {
		fin.Set, err = s.count(ctx, archive, q)
		return page, fin, err
	}
	p := Paging{
		After: q.Set.After, Before: q.Set.Before, Backward: q.Set.IsBackward(),
		Max:      max(1, q.Set.Limit(cmp.Or(s.PageSize, DefaultPageSize), cmp.Or(s.MaxPage, DefaultMaxPage))),
		MaxBytes: cmp.Or(s.MaxPageBytes, DefaultMaxPageBytes),
	}
	if q.Set.Last {
		p.Before = ""
	}
	if page, err = s.Store.Query(ctx, archive, q.Filter, p); err != nil {
		return page, fin, wrap(err)
	}
	fin.Complete = page.Complete
	fin.Set = resultOf(page, p)
	return page, fin, nil
}

// count says how many messages match. The ids of a page that is not wanted have to be in
// the archive all the same (section 4.3.2).
func (s *Server) count(ctx context.Context, archive jid.JID, q Query) (res rsm.Result, err error) {
	for _, id := range []string{q.Set.After, q.Set.Before} {
		if id != "" && err == nil {
			_, err = s.Store.Count(ctx, archive, Filter{IDs: []string{id}})
		}
	}
	if err == nil {
		res.Count, err = s.Store.Count(ctx, archive, q.Filter)
	}
	res.HasCount = err == nil
	return res, wrap(err)
}

// resultOf says which page it is. How many there are is said where that costs
// nothing: if the page is all there is.
func resultOf(page Page, p Paging) (res rsm.Result) {
	n := len(page.Messages)
	whole := p.After == "" && p.Before == "" && page.Complete
	if n > 0 {
		res.First, res.Last = page.Messages[0].ID, page.Messages[n-1].ID
		res.HasIndex = whole || p.After == "" && !p.Backward
	}
	if whole {
		res.Count, res.HasCount = n, true
	}
	return res
}

// check refuses queries that cannot be answered.
func (s *Server) check(q *Query) error {
	limit := cmp.Or(s.MaxIDs, DefaultMaxIDs)
	switch {
	case q.Node != "":
		return stanza.ItemNotFound // those are of pubsub archives
	case len(q.Fields) > 0:
		return stanza.NewError(stanza.FeatureNotImplemented, fmt.Sprintf("the field %.80q is not known", q.Fields[0].Var))
	case q.Set.Index > 0:
		return stanza.NewError(stanza.FeatureNotImplemented, "pages are found by id, not by index")
	case limit >= 0 && len(q.Filter.IDs) > limit:
		return stanza.NewError(stanza.NotAcceptable, fmt.Sprintf("a query may have %d ids, not %d", limit, len(q.Filter.IDs)))
	}
	return nil
}

// queryForm is the answer to the question for the fields that are known.
type queryForm struct{ space string }

// XMLName returns the name of the element.
func (f queryForm) XMLName() xml.Name { return xml.Name{Space: f.space, Local: "query"} }

// openList marks a list whose values the client has from elsewhere: it "MUST
// include a Data Forms Validation (XEP-0122) <validate/> element that signals the
// list is open to arbitrary values" (XEP-0313, section 4.1.5).
const openList = "<validate xmlns='http://jabber.org/protocol/xdata-validate' datatype='xs:string'><open/></validate>"

// AppendXML appends the element.
func (f queryForm) AppendXML(dst []byte) ([]byte, error) {
	dst = append(open(dst, "query", f.space), "><x xmlns='"+form.NS+"' type='form'>"...)
	dst = append(dst, "<field var='"+form.FormType+"' type='hidden'>"...)
	dst = append(stanza.AppendTextElement(dst, "value", f.space), "</field>"...)
	for _, field := range []struct {
		name string
		typ  form.FieldType
	}{
		{fieldWith, form.JIDSingle}, {fieldStart, form.TextSingle}, {fieldEnd, form.TextSingle},
		{fieldBefore, form.TextSingle}, {fieldAfter, form.TextSingle}, {fieldIDs, form.ListMulti},
		{fieldGroupChat, form.Boolean},
	} {
		dst = stanza.AppendAttr(append(dst, "<field"...), "var", field.name)
		dst = stanza.AppendAttr(dst, "type", field.typ)
		if field.name == fieldIDs {
			dst = append(dst, '>')
			dst = append(dst, openList+"</field>"...)
			continue
		}
		dst = append(dst, "/>"...)
	}
	return append(dst, "</x></query>"...), nil
}

// fields answers what fields are known.
func (s *Server) fields(ctx context.Context, _ xmpp.Sender, st *stanza.Stanza) (any, error) {
	if _, err := s.open(ctx, st); err != nil {
		return nil, err
	}
	return queryForm{st.Payload().Name().Space}, nil
}
