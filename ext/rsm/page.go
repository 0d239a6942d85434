package rsm

import (
	"context"
	"errors"
	"iter"
	"slices"

	"github.com/etherx-go/xmpp/stanza"
)

// bounds returns which of n items, in the order of the set, are the page: those
// from the index from to before the index to. limit is how many there may be, as
// [Request.Limit] says; find returns the index of the item with that UID. The
// error is item-not-found if there is none: "The item specified by the requesting
// entity via the UID in the <after/> or <before/> element no longer exists"
// (section 2.4).
func bounds(r Request, n, limit int, find func(uid string) (i int, ok bool)) (from, to int, err error) {
	from, to = 0, n
	if r.After != "" {
		i, ok := find(r.After)
		if !ok {
			return 0, 0, stanza.ItemNotFound
		}
		from = i + 1
	}
	if r.Before != "" && !r.Last {
		i, ok := find(r.Before)
		if !ok {
			return 0, 0, stanza.ItemNotFound
		}
		to = i
	}
	if r.Index > 0 && r.After == "" && !r.IsBackward() {
		from = min(r.Index, n) // "MUST return an empty page" (section 2.6)
	}
	to = max(from, to)
	if r.IsBackward() {
		return max(from, to-max(limit, 0)), to, nil
	}
	return from, min(to, from+max(limit, 0)), nil
}

// Slice returns the page of items, in the order of the set, that is asked for,
// with at most as many items as def and max allow (see [Request.Limit]), and
// what to say about it. uid returns the UID of an item. The error is
// item-not-found for a UID that no item has. The page is a part of items, not a copy.
func Slice[T any](items []T, uid func(T) string, r Request, def, max int) (page []T, res Result, err error) {
	from, to, err := bounds(r, len(items), r.Limit(def, max), func(id string) (int, bool) {
		i := slices.IndexFunc(items, func(it T) bool { return uid(it) == id })
		return i, i >= 0
	})
	if err != nil {
		return nil, Result{}, err
	}
	res = Result{Count: len(items), HasCount: true}
	if page = items[from:to:to]; len(page) > 0 {
		res.First, res.Last = uid(page[0]), uid(page[len(page)-1])
		res.Index, res.HasIndex = from, true
	}
	return page, res, nil
}

// ErrLoop is returned by [All] when a page begins or ends as the one before it: it
// would go on for ever.
var ErrLoop = errors.New("rsm: the pages do not go on")

// Page is a page as it was received.
type Page[T any] struct {
	Items []T
	// Result is what was said about it; the zero Result if nothing was, which is
	// the answer of who does not know this protocol, and has sent everything.
	Result Result
	// Complete says, where the protocol has a word for it, that no page comes
	// behind this one, or before it when they are asked for backward.
	Complete bool
}

// isLast reports whether nothing comes behind the page.
func (p *Page[T]) isLast(r *Request) bool {
	res := &p.Result
	switch {
	case p.Complete || res.First == "" || res.Last == "":
		return true
	case r.IsBackward():
		return res.HasIndex && res.Index == 0
	}
	return false
}

// All yields the items of all pages from the one that r asks for. get asks for one
// page. A request for a page that ends somewhere goes backward: the pages come in
// that direction, and so do the items of each, the last one first.
//
// The sequence ends after an error, and where a page is complete, or is empty.
func All[T any](
	ctx context.Context, r Request, get func(context.Context, Request) (Page[T], error),
) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var zero T
		for r := r; ; {
			p, err := get(ctx, r)
			if err != nil {
				yield(zero, err)
				return
			}
			for i := range p.Items {
				if r.IsBackward() {
					i = len(p.Items) - 1 - i
				}
				if !yield(p.Items[i], nil) {
					return
				}
			}
			if p.isLast(&r) {
				return
			}
			if r, err = follow(r, p.Result); err != nil {
				yield(zero, err)
				return
			}
		}
	}
}

// follow returns the request for the page behind the one that r has asked for.
func follow(r Request, res Result) (Request, error) {
	if r.IsBackward() {
		if r.Before == res.First {
			return r, ErrLoop
		}
		r.Before, r.Last = res.First, false
		return r, nil
	}
	if r.After == res.Last {
		return r, ErrLoop
	}
	r.After, r.Index = res.Last, 0
	return r, nil
}
