// Package rsm implements Result Set Management (XEP-0059): to ask for a large
// answer in pages.
//
// It is a part of other protocols. Their requests hold a [Request], their answers
// a [Result]. Who has all the items in a slice answers with [Slice]; who asks
// goes through all pages with [All].
package rsm

import (
	"encoding/xml"
	"strconv"
	"strings"

	"github.com/etherx-go/xmpp/stanza"
)

// NS is the namespace, which is also the feature for service discovery (XEP-0059,
// section 4).
const NS = "http://jabber.org/protocol/rsm"

// Request says which page is wanted, the element <set/> of a request. The zero
// Request asks for the first page, as long as whoever answers likes.
type Request struct {
	// Max is how many items are wanted at the most; 0 leaves it open.
	Max int
	// CountOnly asks how many items there are, and for none of them (section
	// 2.7). Max is not looked at then.
	CountOnly bool
	// After asks for what comes behind the item with this UID.
	After string
	// Before asks for what comes before the item with this UID: the page that
	// ends there (section 2.3).
	Before string
	// Last asks for the last page (section 2.5). Before is not looked at then.
	Last bool
	// Index asks for the page that begins at this item, counted from 0 (section
	// 2.6). 0 is the first page, which is what one gets without it.
	Index int
}

// XMLName returns the name of the element.
func (Request) XMLName() xml.Name { return xml.Name{Space: NS, Local: "set"} }

// IsBackward reports whether the page is one that ends somewhere: of what
// matches, the last items are wanted and not the first.
func (r *Request) IsBackward() bool { return r.Last || r.Before != "" }

// Limit returns how many items a page has: what is asked for, or def if that is
// left open, and no more than max; a negative max is no bound.
func (r *Request) Limit(def, max int) int {
	n := r.Max
	switch {
	case r.CountOnly:
		return 0
	case n <= 0:
		n = def
	}
	if max >= 0 {
		n = min(n, max)
	}
	return n
}

// AppendXML appends the element.
func (r Request) AppendXML(dst []byte) ([]byte, error) {
	start := len(dst)
	dst = append(dst, "<set xmlns='"+NS+"'>"...)
	inner := len(dst)
	if r.Max > 0 || r.CountOnly {
		n := r.Max
		if r.CountOnly {
			n = 0
		}
		dst = stanza.AppendTextElement(dst, "max", strconv.Itoa(n))
	}
	switch {
	case r.Last:
		dst = append(dst, "<before/>"...)
	case r.Before != "":
		dst = stanza.AppendTextElement(dst, "before", r.Before)
	}
	if r.After != "" {
		dst = stanza.AppendTextElement(dst, "after", r.After)
	}
	if r.Index > 0 {
		dst = stanza.AppendTextElement(dst, "index", strconv.Itoa(r.Index))
	}
	if len(dst) == inner {
		return append(dst[:start], "<set xmlns='"+NS+"'/>"...), nil
	}
	return append(dst, "</set>"...), nil
}

// ParseXML reads the element. A max or index that is not a number of items is a
// bad-request.
func (r *Request) ParseXML(e stanza.Element) (err error) {
	*r = Request{}
	for c := range e.Children() {
		if c.Name().Space != NS {
			continue
		}
		switch c.Name().Local {
		case "max":
			r.Max, err = number(c)
			r.CountOnly = err == nil && r.Max == 0
		case "before":
			r.Before = c.Text()
			r.Last = r.Before == ""
		case "after":
			r.After = c.Text()
		case "index":
			r.Index, err = number(c)
		}
		if err != nil {
			*r = Request{}
			return err
		}
	}
	return nil
}

// number reads the content of an element that counts something.
func number(e stanza.Element) (int, error) {
	n, err := strconv.ParseInt(strings.TrimSpace(e.Text()), 10, 32) // xs:int
	if err != nil || n < 0 {
		return 0, stanza.NewError(stanza.BadRequest, "the content of "+e.Name().Local+" is not a number of items")
	}
	return int(n), nil
}

// Result says which page an answer is, the element <set/> of an answer. The zero
// Result is an empty page of a set of unknown size.
type Result struct {
	// First and Last are the UIDs of the first and the last item of the page; ""
	// if it is empty.
	First, Last string
	// Index is the position of the first item in the whole set, counted from 0,
	// if HasIndex is true.
	Index    int
	HasIndex bool
	// Count is how many items the whole set has, about, if HasCount is true.
	Count    int
	HasCount bool
}

// XMLName returns the name of the element.
func (Result) XMLName() xml.Name { return xml.Name{Space: NS, Local: "set"} }

// AppendXML appends the element.
func (r Result) AppendXML(dst []byte) ([]byte, error) {
	if r == (Result{}) {
		return append(dst, "<set xmlns='"+NS+"'/>"...), nil
	}
	dst = append(dst, "<set xmlns='"+NS+"'>"...)
	if r.First != "" {
		dst = append(dst, "<first"...)
		if r.HasIndex {
			dst = stanza.AppendAttr(dst, "index", strconv.Itoa(r.Index))
		}
		dst = append(stanza.AppendText(append(dst, '>'), r.First), "</first>"...)
	}
	if r.Last != "" {
		dst = stanza.AppendTextElement(dst, "last", r.Last)
	}
	if r.HasCount {
		dst = stanza.AppendTextElement(dst, "count", strconv.Itoa(r.Count))
	}
	return append(dst, "</set>"...), nil
}

// ParseXML reads the element. It does not fail: an index or a count that is not a
// number is left out, as it may be missing.
func (r *Result) ParseXML(e stanza.Element) error {
	*r = Result{}
	for c := range e.Children() {
		if c.Name().Space != NS {
			continue
		}
		switch c.Name().Local {
		case "first":
			r.First, r.Index, r.HasIndex = c.Text(), 0, false
			if i, err := strconv.ParseInt(strings.TrimSpace(c.Attr("index")), 10, 32); err == nil && i >= 0 && r.First != "" {
				r.Index, r.HasIndex = int(i), true
			}
		case "last":
			r.Last = c.Text()
		case "count":
			if n, err := number(c); err == nil {
				r.Count, r.HasCount = n, true
			}
		}
	}
	return nil
}
