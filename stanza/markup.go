package stanza

import (
	"strings"

	"github.com/etherx-go/xmpp/internal/xmltok"
)

// This file reads XML that has been checked: it looks only for what it needs to
// find its way, and takes for granted that everything ends where it has to.

// nameStop says which bytes end the name of an element or attribute.
var nameStop = [256]bool{' ': true, '\t': true, '\n': true, '\r': true, '=': true, '>': true, '/': true}

// nameEnd returns where the name ends that begins at s[i].
func nameEnd(s string, i int) int {
	for !nameStop[s[i]] {
		i++
	}
	return i
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

// splitName splits a qualified name at its colon.
func splitName(s string) (prefix, local string) {
	for i := 0; i < len(s); i++ {
		if s[i] == ':' {
			return s[:i], s[i+1:]
		}
	}
	return "", s
}

// nextTag returns where the next tag begins at or after i, past CDATA
// sections; len(s) if there is none.
func nextTag(s string, i int) int {
	for {
		j := strings.IndexByte(s[i:], '<')
		if j < 0 {
			return len(s)
		}
		i += j
		if s[i+1] != '!' {
			return i
		}
		i += strings.Index(s[i:], "]]>") + len("]]>")
	}
}

// tagLen returns the length of the tag at the start of s. A ">" may also stand
// in attribute values.
func tagLen(s string) int {
	for i := 1; ; i++ {
		switch s[i] {
		case '>':
			return i + 1
		case '"', '\'':
			i += 1 + strings.IndexByte(s[i+1:], s[i])
		}
	}
}

// endTag returns where the end tag of the element starts whose content begins
// at i.
func endTag(s string, i int) int {
	for depth := 1; ; {
		i = nextTag(s, i)
		if s[i+1] == '/' {
			if depth--; depth == 0 {
				return i
			}
			i += strings.IndexByte(s[i:], '>') + 1
			continue
		}
		n := tagLen(s[i:])
		if s[i+n-2] != '/' {
			depth++
		}
		i += n
	}
}

// attr is an attribute as it stands in a start tag.
type attr struct {
	prefix, local string
	value         string // still escaped
	raw           string // name='value'
}

// next reads the attribute of the start tag s that comes at i, where a name
// has just ended, or a value. It returns the place behind it, or, with false,
// that of the ">" or "/>" of the tag.
func (a *attr) next(s string, i int) (int, bool) {
	for isSpace(s[i]) {
		i++
	}
	if s[i] == '>' || s[i] == '/' {
		return i, false
	}
	start, local := i, i
	a.prefix = ""
	for !nameStop[s[i]] {
		if s[i] == ':' {
			a.prefix, local = s[start:i], i+1
		}
		i++
	}
	a.local = s[local:i]
	for s[i] != '"' && s[i] != '\'' {
		i++
	}
	quote := s[i]
	i++
	end := i + strings.IndexByte(s[i:], quote)
	a.value = s[i:end]
	a.raw = s[start : end+1]
	return end + 1, true
}

// isDefault reports whether a declares the default namespace.
func (a *attr) isDefault() bool { return a.prefix == "" && a.local == "xmlns" }

// isDecl reports whether a is a namespace declaration.
func (a *attr) isDecl() bool { return a.prefix == "xmlns" || a.isDefault() }

// binding is one declared prefix; the list grows inwards. The prefix xml is
// never in it.
type binding struct {
	prefix, uri string
	outer       *binding
}

// lookup returns what prefix is bound to in the scope b, "" if to nothing.
func (b *binding) lookup(prefix string) string {
	if prefix == "xml" {
		return nsXML
	}
	for ; b != nil; b = b.outer {
		if b.prefix == prefix {
			return b.uri
		}
	}
	return ""
}

// scopeOf returns the scope inside the element with the start tag header; nil
// stands for no element.
func scopeOf(header *xmltok.Tag) (def string, scope *binding) {
	if header == nil {
		return "", nil
	}
	for _, b := range header.Bindings {
		scope = &binding{string(b.Prefix), string(b.URI), scope}
	}
	return string(header.Default), scope
}

func unescapeAttr(s string) string {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c == '&' || c < ' ' {
			return string(xmltok.AppendUnescapedAttr(nil, s))
		}
	}
	return s
}

// textOf returns the character data at the top of inner.
func textOf(inner string) string {
	if strings.IndexByte(inner, '<') < 0 && strings.IndexByte(inner, '&') < 0 && strings.IndexByte(inner, '\r') < 0 {
		return inner
	}
	var b []byte
	for i := 0; i < len(inner); {
		j := nextTag(inner, i)
		b = xmltok.AppendUnescaped(b, inner[i:j])
		if j == len(inner) {
			break
		}
		i = j + elementLen(inner[j:])
	}
	return string(b)
}

// hasDefault reports whether the start tag at the beginning of s declares a
// default namespace.
func hasDefault(s string) bool {
	var a attr
	for i, ok := a.next(s, nameEnd(s, 1)); ok; i, ok = a.next(s, i) {
		if a.isDefault() {
			return true
		}
	}
	return false
}

// elementLen returns the length of the element at the start of s.
func elementLen(s string) int {
	n := tagLen(s)
	if s[n-2] != '/' {
		n = endTag(s, n)
		n += tagLen(s[n:])
	}
	return n
}
