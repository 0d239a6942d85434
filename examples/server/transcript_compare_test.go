package main

import (
	"encoding/xml"
	"fmt"
	"github.com/etherx-go/xmpp/ext/stanzaid"
	"maps"
	"slices"
	"strings"
)

const (
	nsStanzaErrors = "urn:ietf:params:xml:ns:xmpp-stanzas"
	nsStreamErrors = "urn:ietf:params:xml:ns:xmpp-streams"
)

// names are the values of {names}, and of the ids that the server has made.
type names map[string]string

// match compares what is received with what a document shows, and returns what
// is different. It remembers the values of names only if nothing is.
func (m names) match(want, got *node) error {
	tried := maps.Clone(m)
	if err := tried.node(want, got, true); err != nil {
		return err
	}
	maps.Copy(m, tried)
	return nil
}

func (m names) node(want, got *node, top bool) error {
	if want.tail != got.tail || want.header != got.header || want.start.Name != got.start.Name {
		return fmt.Errorf("got %v, want %v", got, want)
	}
	if want.tail {
		return nil
	}
	if err := m.attrs(want, got, top); err != nil {
		return err
	}
	if a, b := squeeze(want.text), squeeze(got.text); !m.value(a, b) {
		return fmt.Errorf("text of <%s>: got %q, want %q", want.start.Name.Local, b, a)
	}
	return m.children(want, got)
}

func squeeze(s string) string { return strings.Join(strings.Fields(s), " ") }

// attrs compares attributes. The server may address and number what it sends
// where the document does not show it, and say its language.
func (m names) attrs(want, got *node, top bool) error {
	has := make(map[xml.Name]string)
	for _, a := range got.start.Attr {
		if !isDeclaration(a) {
			has[a.Name] = a.Value
		}
	}
	made := top && (got.header || got.start.Name.Local == "iq" && (got.attr("type") == "set" || got.attr("type") == "get"))
	for _, a := range want.start.Attr {
		if isDeclaration(a) {
			continue
		}
		v, ok := has[a.Name]
		delete(has, a.Name)
		switch {
		case !ok:
			return fmt.Errorf("<%s> has no %s, want %q", want.start.Name.Local, a.Name.Local, a.Value)
		case made && a.Name.Local == "id" && v != "":
			m["id "+a.Value] = v
		case !m.value(a.Value, v):
			return fmt.Errorf("%s of <%s>: got %q, want %q", a.Name.Local, want.start.Name.Local, v, a.Value)
		}
	}
	for name, v := range has {
		switch {
		case top && (name.Local == "to" || name.Local == "from" || name.Local == "lang"):
		case made && name.Local == "id":
		case name.Local == "code" && got.start.Name.Local == "error": // XEP-0086
		case name.Local == "ver" && got.start.Name.Space == "jabber:iq:roster": // RFC 6121, section 2.6
		default:
			return fmt.Errorf("<%s> has %s=%q, want none", want.start.Name.Local, name.Local, v)
		}
	}
	return nil
}

func isDeclaration(a xml.Attr) bool { return a.Name.Space == "xmlns" || a.Name.Local == "xmlns" }

// children finds to each that is wanted one that is there, in any order.
func (m names) children(want, got *node) error {
	left, wanted := slices.Clone(got.children), want.children
	if got.attr("type") == "error" { // RFC 6120, section 8.3.1: what was sent may be in it, or not
		left = slices.DeleteFunc(left, isNoError)
		wanted = slices.DeleteFunc(slices.Clone(wanted), isNoError)
	}
	more := false
next:
	for _, w := range wanted {
		if w.start.Name.Local == "etc" {
			more = true
			continue
		}
		var why error
		for i, g := range left {
			tried := maps.Clone(m)
			err := tried.node(w, g, false)
			if err == nil {
				maps.Copy(m, tried)
				left = append(left[:i], left[i+1:]...)
				continue next
			}
			if g.start.Name == w.start.Name || why == nil {
				why = err
			}
		}
		return fmt.Errorf("no %v in <%s>: %v", w, want.start.Name.Local, why)
	}
	left = slices.DeleteFunc(left, func(n *node) bool { // RFC 6120, sections 4.9.2 and 8.3.2: it is optional
		return n.start.Name.Local == "text" && (n.start.Name.Space == nsStanzaErrors || n.start.Name.Space == nsStreamErrors) ||
			n.start.Name.Space == stanzaid.NS // the archive of the recipient adds it (XEP-0313, section 3.5)
	})
	if len(left) > 0 && !more {
		return fmt.Errorf("%v in <%s>, want no more", left, want.start.Name.Local)
	}
	return nil
}

func isNoError(n *node) bool { return n.start.Name.Local != "error" }

// value compares an attribute or a text.
func (m names) value(want, got string) bool {
	if want == "*" {
		return true
	}
	if strings.HasPrefix(want, "{") && strings.HasSuffix(want, "}") {
		if v, ok := m[want]; ok {
			return v == got
		}
		m[want] = got
		return got != ""
	}
	return want == got
}

// fill writes the values of names into what is sent.
func (m names) fill(text string) string {
	for name, v := range m {
		if id, ok := strings.CutPrefix(name, "id "); ok {
			for _, q := range []string{"'", `"`} {
				text = strings.ReplaceAll(text, "id="+q+id+q, "id="+q+v+q)
			}
			continue
		}
		text = strings.ReplaceAll(text, name, v)
	}
	return text
}
