package xmpptest

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
)

// stanzaNSMark is the namespace of names in a pattern that have none: that of
// stanzas, which is known only when the pattern is used.
const stanzaNSMark = "xmpptest:stanza"

// parsePattern reads a pattern of [Peer.Expect].
func parsePattern(pattern string) (*element, error) {
	pattern = strings.TrimSpace(pattern)
	if pattern == "</stream:stream>" {
		return nil, errors.New("for the end of the stream there is ExpectEnd")
	}
	if strings.HasPrefix(pattern, "<?xml ") {
		_, pattern, _ = strings.Cut(pattern, "?>")
	}
	in := newReader(strings.NewReader("<pattern xmlns:stream='" + streamNS + "' xmlns='" + stanzaNSMark + "'>" + pattern))
	if _, err := in.token(); err != nil {
		return nil, err
	}
	p, err := in.next()
	if err == io.EOF || err == nil && p.element == nil {
		return nil, errors.New("not one whole element or stream header")
	}
	if err != nil {
		return nil, err
	}
	if _, err := in.next(); err != io.EOF {
		return nil, errors.New("more than one element")
	}
	return p.element, nil
}

// matching is the comparison of a pattern with what came. Captures are added to
// vars.
type matching struct {
	vars     map[string]string
	stanzaNS string
}

// match compares got, nil for the end of the stream, with the pattern want.
func match(want, got *element, m matching) error {
	if got == nil {
		return errors.New("the stream has ended")
	}
	name := want.name
	if name.Space == stanzaNSMark {
		name.Space = m.stanzaNS
	}
	if got.name != name {
		return fmt.Errorf("it is %s, not %s", show(got.name), show(name))
	}
	if want.isHeader() && want.stanzaNS != "" && got.stanzaNS != want.stanzaNS {
		return fmt.Errorf("the namespace for stanzas is %q, not %q", got.stanzaNS, want.stanzaNS)
	}
	for _, a := range want.attrs {
		value, ok := got.attr(a.Name)
		if err := m.value(a.Value, value, ok); err != nil {
			return fmt.Errorf("attribute %s of <%s>: %w", a.Name.Local, got.name.Local, err)
		}
	}
	if text := strings.TrimSpace(want.text); text != "" {
		if err := m.value(text, strings.TrimSpace(got.text), true); err != nil {
			return fmt.Errorf("text of <%s>: %w", got.name.Local, err)
		}
	}
	return m.children(want, got)
}

// children looks for each child of want among those of got.
func (m matching) children(want, got *element) error {
	used := make(map[*element]bool)
next:
	for _, w := range want.children {
		reason := fmt.Errorf("<%s> has no child <%s>", got.name.Local, w.name.Local)
		for _, g := range got.children {
			if used[g] {
				continue
			}
			vars := maps.Clone(m.vars)
			err := match(w, g, matching{vars, m.stanzaNS})
			if err == nil {
				used[g] = true
				maps.Copy(m.vars, vars)
				continue next
			}
			if g.name.Local == w.name.Local {
				reason = err // more to the point
			}
		}
		return reason
	}
	return nil
}

// value compares a value with its pattern.
func (m matching) value(pattern, got string, present bool) error {
	if pattern == "!" {
		if present {
			return fmt.Errorf("it is there, %q", got)
		}
		return nil
	}
	if !present {
		return errors.New("it is missing")
	}
	if pattern == "*" {
		return nil
	}
	if name, rest := varName(pattern); name != "" && rest == "" {
		if before, ok := m.vars[name]; ok && before != got {
			return fmt.Errorf("it is %q, but $%s was %q before", got, name, before)
		}
		m.vars[name] = got
		return nil
	}
	want, err := expand(pattern, m.vars, func(s string) string { return s })
	if err == nil && want != got {
		err = fmt.Errorf("it is %q, not %q", got, want)
	}
	return err
}

// expand replaces the names of captures in text.
func expand(text string, vars map[string]string, escape func(string) string) (string, error) {
	var b strings.Builder
	for {
		before, _, found := strings.Cut(text, "$")
		b.WriteString(before)
		if !found {
			return b.String(), nil
		}
		text = text[len(before):]
		if strings.HasPrefix(text, "$$") {
			b.WriteByte('$')
			text = text[2:]
			continue
		}
		name, rest := varName(text)
		if name == "" {
			b.WriteByte('$')
			text = text[1:]
			continue
		}
		value, ok := vars[name]
		if !ok {
			return "", fmt.Errorf("nothing was captured as $%s (a dollar sign is $$)", name)
		}
		b.WriteString(escape(value))
		text = rest
	}
}

// varName splits "$name rest" and "${name}rest". The name is empty if text does
// not begin with one.
func varName(text string) (name, rest string) {
	text, ok := strings.CutPrefix(text, "$")
	if !ok {
		return "", text
	}
	if inner, ok := strings.CutPrefix(text, "{"); ok {
		if name, rest, ok := strings.Cut(inner, "}"); ok && nameLen(name) == len(name) {
			return name, rest
		}
		return "", text
	}
	n := nameLen(text)
	return text[:n], text[n:]
}

// nameLen returns the length of the name at the beginning of s.
func nameLen(s string) int {
	for i := range len(s) {
		c := s[i] | 0x20
		if !('a' <= c && c <= 'z') && s[i] != '_' && (i == 0 || s[i] < '0' || s[i] > '9') {
			return i
		}
	}
	return len(s)
}

func escape(s string) string {
	var b strings.Builder
	xml.EscapeText(&b, []byte(s)) // a Builder does not fail
	return b.String()
}

func show(name xml.Name) string { return "<" + name.Local + " xmlns='" + name.Space + "'>" }
