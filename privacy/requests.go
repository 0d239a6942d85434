package privacy

import (
	"context"
	"slices"

	"github.com/etherx-go/xmpp/ext/blocking"
	"github.com/etherx-go/xmpp/stanza"
)

// getLists answers a get of [Query] (RFC 3921, section 10.3).
func (e *Engine) getLists(ctx context.Context, r request, q Query) (stanza.Payload, *change, error) {
	if q.Active != nil || q.Default != nil || len(q.Lists) > 1 {
		return nil, nil, badRequest("a get is for nothing or for one list")
	}
	lists, err := e.read(ctx, r.n)
	if err != nil {
		return nil, nil, err
	}
	if len(q.Lists) == 0 {
		return lists.overview(r.state()), nil, nil
	}
	list := lists.Find(q.Lists[0].Name)
	if list == nil {
		return nil, nil, stanza.ItemNotFound
	}
	return Query{Lists: []List{*list}}, nil, nil
}

// overview returns the active list, the default list and the names of all; in
// the old form the list in force, and all that can be told in that form. The
// others are left out: who edits a list sends all of it, and would remove what
// it has not been shown.
func (l *Lists) overview(s session) (q Query) {
	if s.old {
		q.Old = true
		if list := l.inForce(s); list != nil {
			q.Active = &list.Name
		}
		for i := range l.Lists {
			if l.Lists[i].isOld() {
				q.Lists = append(q.Lists, l.Lists[i])
			}
		}
		return q
	}
	if list := l.Find(s.active); list != nil {
		q.Active = &list.Name
	}
	if list := l.byDefault(); list != nil {
		q.Default = &list.Name
	}
	for i := range l.Lists {
		q.Lists = append(q.Lists, List{Name: l.Lists[i].Name})
	}
	return q
}

// setLists carries out a set of [Query].
func (e *Engine) setLists(ctx context.Context, r request, q Query) (stanza.Payload, *change, error) {
	old := q.Old || r.state().old
	n := len(q.Lists)
	if n > 1 && old {
		n = 1 // "one or more <list/> child elements" (draft-ietf-xmpp-im-02, section 7.3)
	}
	for _, name := range []*string{q.Active, q.Default} {
		if name != nil {
			n++
		}
	}
	if n != 1 {
		return nil, nil, badRequest("a set is for one of active, default and list")
	}
	var ch *change
	var err error
	switch {
	case q.Active != nil:
		ch, err = r.activate(ctx, *q.Active)
	case q.Default != nil:
		ch, err = r.setDefault(ctx, *q.Default)
	default:
		ch, err = r.edit(ctx, q.Lists)
	}
	if err == nil && q.Old {
		r.remember(func(s *session) { s.old = true })
	}
	return nil, ch, err
}

// activate makes a list the active one of the session, "" none (RFC 3921,
// section 10.4).
func (r request) activate(ctx context.Context, name string) (ch *change, err error) {
	lists, err := r.e.read(ctx, r.n)
	if err != nil {
		return nil, err
	}
	if name != "" && lists.Find(name) == nil {
		return nil, stanza.ItemNotFound
	}
	if r.e.cfg.OldActiveIsDefault && r.state().old {
		if ch, err = r.setDefault(ctx, name); err != nil {
			return nil, err
		}
	}
	r.remember(func(s *session) { s.active = name })
	return ch, nil
}

// setDefault makes a list the default list, "" none (RFC 3921, section 10.5).
func (r request) setDefault(ctx context.Context, name string) (*change, error) {
	others := r.others()
	return r.update(ctx, func(l *Lists) error {
		switch {
		case name != "" && l.Find(name) == nil:
			return stanza.ItemNotFound
		case name != l.Default && l.applied(l.Default, others):
			return stanza.Conflict
		}
		l.Default = name
		return nil
	})
}

// edit puts lists in the place of what has their names, or removes those that
// have no items (RFC 3921, sections 10.6 to 10.8): all of them, or none.
func (r request) edit(ctx context.Context, lists []List) (*change, error) {
	if err := r.checkGroups(ctx, lists); err != nil {
		return nil, err
	}
	others := r.others()
	ch, err := r.update(ctx, func(l *Lists) error {
		for i := range lists {
			if err := r.editOne(l, &lists[i], others); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for i := range lists {
		ch.lists = append(ch.lists, lists[i].Name)
		if len(lists[i].Items) == 0 {
			r.e.cache.deactivate(r.n, lists[i].Name)
		}
	}
	return ch, nil
}

func (r request) editOne(l *Lists, list *List, others []session) error {
	if len(list.Items) > 0 {
		had := len(l.Lists)
		l.Put(list.clone())
		return r.e.cfg.Limits.check(l, list, had)
	}
	switch {
	case l.Find(list.Name) == nil:
		return stanza.ItemNotFound
	case l.applied(list.Name, others):
		return stanza.Conflict
	}
	l.Delete(list.Name)
	return nil
}

// checkGroups looks for groups that are not in the roster.
func (r request) checkGroups(ctx context.Context, lists []List) error {
	if r.e.cfg.Groups == nil {
		return nil
	}
	var known []string
	asked := false
	for i := range lists {
		for _, it := range lists[i].Items {
			if it.Type != ByGroup {
				continue
			}
			if !asked {
				var err error
				if known, err = r.e.cfg.Groups(ctx, r.n.account); err != nil {
					return err
				}
				asked = true
			}
			if !slices.Contains(known, it.Group) {
				return stanza.NewError(stanza.ItemNotFound, "there is no such group in the roster")
			}
		}
	}
	return nil
}

// getBlocked answers a get of [blocking.List] (XEP-0191, section 3.2).
func (e *Engine) getBlocked(ctx context.Context, r request, _ blocking.List) (stanza.Payload, *change, error) {
	lists, err := e.read(ctx, r.n)
	if err != nil {
		return nil, nil, err
	}
	r.remember(func(s *session) { s.asked = true })
	return blocking.List{JIDs: lists.Blocked()}, nil, nil
}

// block carries out a set of [blocking.BlockCommand] (XEP-0191, section 3.3).
func (e *Engine) block(ctx context.Context, r request, c blocking.BlockCommand) (stanza.Payload, *change, error) {
	ch, err := r.update(ctx, func(l *Lists) error {
		had := len(l.Lists)
		l.Block(c.JIDs...)
		return e.cfg.Limits.check(l, l.byDefault(), had)
	})
	if err != nil {
		return nil, nil, err
	}
	return nil, r.blocked(ch, c), nil
}

// unblock carries out a set of [blocking.UnblockCommand] (XEP-0191, sections 3.4
// and 3.5).
func (e *Engine) unblock(ctx context.Context, r request, c blocking.UnblockCommand) (stanza.Payload, *change, error) {
	ch, err := r.update(ctx, func(l *Lists) error {
		l.Unblock(c.JIDs...)
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	return nil, r.blocked(ch, c), nil
}

// blocked completes what a command of XEP-0191 has changed.
func (r request) blocked(ch *change, command stanza.Payload) *change {
	before, after := ch.before.Blocked(), ch.after.Blocked()
	ch.command = command
	ch.announce = append(without(before, after), without(after, before)...)
	if len(ch.announce) > 0 {
		name := ch.after.Default
		if name == "" { // it had nothing else, and is gone
			name = ch.before.Default
			r.e.cache.deactivate(r.n, name)
		}
		ch.lists = []string{name}
	}
	return ch
}
