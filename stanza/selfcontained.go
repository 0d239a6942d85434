package stanza

import (
	"math"
	"strings"

	"github.com/etherx-go/xmpp/internal/xmltok"
)

// A stanza's body is sent on with another start tag around it, on a stream
// with another header. This file makes the parts of a body independent of
// both. It is the slow path: nearly every stanza on the wire is independent as
// it comes, which the scanner tells.

// rewriter writes XML anew so that it can stand where less is declared.
//
// The content namespace of the place that it comes from is written without
// prefix and declaration, as it is in a body: elements in it are then in that of
// any place. That goes for as long as all elements around are in it, too; the
// others are opaque, and copied as they are, with what they need from outside
// declared on them.
type rewriter struct {
	dst     []byte
	content string   // the content namespace, "" for the default of the new place to be none
	lost    *binding // the prefixes that will not be declared any more
	budget  int      // the bytes that declarations may still take
}

// unbounded is the budget where the declarations are the program's own.
const unbounded = math.MaxInt

// maxDeclared bounds, together with the size of the element itself, the
// declarations that a body from the network gets. Otherwise a long namespace
// name in a stream header would come back with each child of each stanza.
const maxDeclared = 4 << 10

// errDeclared is an error of the kind that streams know.
var errDeclared = &xmltok.Error{Class: xmltok.Limit, Msg: "namespace names too long to be repeated in the element"}

// inner writes content from s[i] on, up to the end tag that does not belong to
// it, or the end of s. It returns that place.
func (w *rewriter) inner(s string, i int, def string, scope *binding) int {
	for {
		j := nextTag(s, i)
		w.dst = append(w.dst, s[i:j]...)
		if j == len(s) || s[j+1] == '/' || w.budget < 0 {
			return j
		}
		i = j + w.element(s[j:], def, scope)
	}
}

// element writes the element at the beginning of s and returns its length.
func (w *rewriter) element(s, def string, scope *binding) int {
	e := startAt(s, def, scope)
	if e.name.Space != w.content {
		e.close(s)
		w.opaque(e)
		return len(e.src)
	}
	w.startTag(s[:e.head], e)
	if s[e.head-2] == '/' {
		return e.head
	}
	i := w.inner(s, e.head, e.def, e.scope)
	if w.budget < 0 {
		return i
	}
	end := i + tagLen(s[i:])
	if name := s[i+2 : nameEnd(s, i+2)]; len(name) == len(e.name.Local) {
		w.dst = append(w.dst, s[i:end]...)
	} else {
		w.dst = append(append(append(w.dst, "</"...), e.name.Local...), '>')
	}
	return end
}

// startTag writes the start tag of an element in the content namespace: without
// its prefix, and without a default namespace, all else as it is.
func (w *rewriter) startTag(tag string, e Element) {
	n := nameEnd(tag, 1)
	w.dst = append(append(w.dst, '<'), e.name.Local...)
	w.declare(tag[n:], e.scope)
	if !hasDefault(tag) {
		w.dst = append(w.dst, tag[n:]...)
		return
	}
	var a attr
	i, ok := a.next(tag, n)
	for ; ok; i, ok = a.next(tag, i) {
		if !a.isDefault() {
			w.dst = append(append(w.dst, ' '), a.raw...)
		}
	}
	w.dst = append(w.dst, tag[i:]...)
}

// opaque writes e as it is, but with its default namespace declared unless it
// is the content namespace, and with the lost prefixes that it mentions.
func (w *rewriter) opaque(e Element) {
	n := nameEnd(e.src, 1)
	w.dst = append(w.dst, e.src[:n]...)
	if e.def != w.content && !hasDefault(e.src) {
		w.attr("xmlns", e.def)
	}
	w.declare(e.src, e.scope)
	w.dst = append(w.dst, e.src[n:]...)
}

// declare declares the lost prefixes that src mentions, in whose scope it is. A
// mention is looked for as text, for also values may hold names with prefixes;
// a prefix too many does no harm.
func (w *rewriter) declare(src string, scope *binding) {
	for b := w.lost; b != nil; b = b.outer {
		if mentions(src, b.prefix) && visible(scope, b) {
			w.attr("xmlns:"+b.prefix, b.uri)
		}
	}
}

// visible reports whether b is what its prefix is bound to in scope.
func visible(scope, b *binding) bool {
	for ; scope != b; scope = scope.outer {
		if scope.prefix == b.prefix {
			return false
		}
	}
	return true
}

// attr writes a declaration.
func (w *rewriter) attr(name, value string) {
	w.budget -= len(name) + len(value)
	w.dst = appendAttr(w.dst, name, value)
}

// mentions reports whether a name with the prefix stands in s.
func mentions(s, prefix string) bool {
	for i := 0; ; {
		j := strings.Index(s[i:], prefix)
		if j < 0 {
			return false
		}
		i += j
		end := i + len(prefix)
		if end < len(s) && s[end] == ':' && (i == 0 || !isNameByte(s[i-1])) {
			return true
		}
		i++
	}
}

// isNameByte reports whether c can be before another byte in a name.
func isNameByte(c byte) bool {
	return c >= 0x80 || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-' || c == '.'
}
