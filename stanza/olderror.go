package stanza

import "strings"

// WithOldError returns s, if it is of type error, with its error element as a peer
// of before RFC 3920 reads it: a numeric code, and the text directly inside
// (draft-miller-xmpp-core-02, appendix A; Jabber Programmers Guide, chapter 11). The
// condition stands behind the text, as XEP-0086 has it. Where there is no text it
// is the usual one of the code. An element that has a code and such a text is left
// as it is.
//
//	<error code='404' type='cancel'>Not Found<item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>
func (s *Stanza) WithOldError() *Stanza {
	el := s.Child(NSClient, "error")
	if s.Type != TypeError || el.Attr("code") != "" && strings.TrimSpace(el.Text()) != "" {
		return s
	}
	e := parseError(el)
	text := e.Text
	e.Text = ""
	// An attribute has no "<", so this is the end of the start tag.
	tag, inner, _ := strings.Cut(string(e.appendXML(nil)), "><")
	if text == "" {
		code := Raw(tag + "/>")
		if el, err := code.Element(); err == nil {
			text = parseError(el).Text
		}
	}
	kept := s.Without(func(el Element) bool { return el.Is(NSClient, "error") })
	body := kept.body + tag + ">" + string(AppendText(nil, text)) + "<" + inner
	return &Stanza{Header: s.Header, extra: s.extra, body: body}
}
