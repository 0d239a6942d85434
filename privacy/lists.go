package privacy

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/etherx-go/xmpp/roster"
	"github.com/etherx-go/xmpp/stanza"
)

// Find returns the list of that name, nil if there is none. It must not be
// changed.
func (l *Lists) Find(name string) *List {
	for i := range l.Lists {
		if l.Lists[i].Name == name {
			return &l.Lists[i]
		}
	}
	return nil
}

// Put replaces the list of that name, or adds it. It does not touch memory that
// copies of l share.
func (l *Lists) Put(list List) {
	all := slices.Clone(l.Lists)
	if i := slices.IndexFunc(all, func(x List) bool { return x.Name == list.Name }); i >= 0 {
		all[i] = list
	} else if i = slices.IndexFunc(all, func(x List) bool { return x.Name > list.Name }); i >= 0 {
		all = slices.Insert(all, i, list)
	} else {
		all = append(all, list)
	}
	l.Lists = all
}

// Delete removes the list of that name, and reports whether there was one. If it
// was the default list there is none then.
func (l *Lists) Delete(name string) bool {
	i := slices.IndexFunc(l.Lists, func(x List) bool { return x.Name == name })
	if i < 0 {
		return false
	}
	l.Lists = slices.Delete(slices.Clone(l.Lists), i, i+1)
	if l.Default == name {
		l.Default = ""
	}
	return true
}

// Clone returns a copy that shares no memory with l, nor with the stanzas that
// its parts came in.
func (l *Lists) Clone() Lists {
	c := Lists{Default: strings.Clone(l.Default), Lists: slices.Clone(l.Lists)}
	for i := range c.Lists {
		c.Lists[i] = c.Lists[i].clone()
	}
	return c
}

func (l *List) clone() List {
	c := List{Name: strings.Clone(l.Name), Items: slices.Clone(l.Items)}
	for i := range c.Items {
		it := &c.Items[i]
		it.Group = strings.Clone(it.Group)
		it.JID = it.JID.Clone()
	}
	return c
}

// MarshalText returns the lists as text, for storage: "" for the zero Lists,
// else the element <query/> of [NS] with the default list and all lists. What
// belongs to another type of an item than it has is lost. The error is a
// bad-request if a list is not as it has to be.
func (l Lists) MarshalText() ([]byte, error) {
	if l.Default == "" && len(l.Lists) == 0 {
		return nil, nil
	}
	if err := l.check(); err != nil {
		return nil, err
	}
	q := Query{Lists: l.Lists}
	if l.Default != "" {
		q.Default = &l.Default
	}
	return q.AppendXML(nil)
}

// UnmarshalText reads what [Lists.MarshalText] has written. On error l is
// unchanged.
func (l *Lists) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*l = Lists{}
		return nil
	}
	e, err := stanza.Raw(text).Element()
	if err != nil {
		return err
	}
	var q Query
	if e.Name() != q.XMLName() {
		return badRequest("not privacy lists")
	}
	if err := e.Decode(&q); err != nil {
		return err
	}
	lists := Lists{Lists: q.Lists}
	if q.Default != nil {
		lists.Default = *q.Default
	}
	if err := lists.check(); err != nil {
		return err
	}
	*l = lists
	return nil
}

// check looks for what no set could have brought about.
func (l *Lists) check() error {
	if l.Default != "" && l.Find(l.Default) == nil {
		return badRequest("the default list is not there")
	}
	names := make(map[string]bool, len(l.Lists))
	for i := range l.Lists {
		if err := l.Lists[i].check(); err != nil {
			return err
		}
		names[l.Lists[i].Name] = true
	}
	if len(names) != len(l.Lists) {
		return badRequest("a list that comes twice")
	}
	return nil
}

func (l *List) check() error {
	if l.Name == "" || !isText(l.Name) {
		return badRequest("the name of a list is missing or not valid")
	}
	for i := range l.Items {
		it := &l.Items[i]
		if i > 0 && it.Order <= l.Items[i-1].Order {
			return badRequest("the orders of the items of " + strconv.Quote(l.Name) + " do not ascend")
		}
		if !it.isValid() {
			return badRequest("an item of " + strconv.Quote(l.Name) + " is not valid")
		}
	}
	return nil
}

func (it *Item) isValid() bool {
	if it.Kinds&^allKinds != 0 {
		return false
	}
	switch it.Type {
	case Any:
		return true
	case ByJID:
		return !it.JID.IsZero()
	case ByGroup:
		return it.Group != "" && isText(it.Group)
	case BySubscription:
		return it.Subscription <= roster.Both
	}
	return false
}

// isText reports whether XML 1.0 can hold s (section 2.2).
func isText(s string) bool {
	for i, r := range s {
		switch {
		case r < ' ' && r != '\t' && r != '\n' && r != '\r', r == 0xFFFE, r == 0xFFFF:
			return false
		case r == utf8.RuneError:
			if _, n := utf8.DecodeRuneInString(s[i:]); n == 1 {
				return false
			}
		}
	}
	return true
}
