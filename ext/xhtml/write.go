package xhtml

import (
	"strconv"

	"github.com/etherx-go/xmpp/stanza"
)

// AppendXML appends the element. What [Read] would not take as it is cannot be
// written: unknown elements, properties and URLs are a bad-request, and so is an
// HTML without a body.
func (h HTML) AppendXML(dst []byte) (_ []byte, err error) {
	if len(h.Bodies) == 0 {
		return nil, stanza.NewError(stanza.BadRequest, "XHTML without a body")
	}
	dst = append(dst, "<html xmlns='"+NS+"'>"...)
	for _, b := range h.Bodies {
		if b.Lang != cleanLang(b.Lang) {
			return nil, errUnclean("language", b.Lang)
		}
		dst = append(dst, "<body xmlns='"+NSBody+"'"...)
		if b.Lang != "" {
			dst = stanza.AppendAttr(dst, "xml:lang", b.Lang)
		}
		if dst, err = appendStyle(dst, b.Style); err != nil {
			return nil, err
		}
		if dst, err = appendNodes(append(dst, '>'), b.Content); err != nil {
			return nil, err
		}
		dst = append(dst, "</body>"...)
	}
	return append(dst, "</html>"...), nil
}

func errUnclean(what, value string) error {
	return stanza.NewError(stanza.BadRequest, "XHTML: "+what+" "+strconv.Quote(value))
}

func appendNodes(dst []byte, nodes []Node) (_ []byte, err error) {
	for i := range nodes {
		if dst, err = nodes[i].appendXML(dst); err != nil {
			return nil, err
		}
	}
	return dst, nil
}

func (n *Node) appendXML(dst []byte) (_ []byte, err error) {
	if n.Name == "" {
		return stanza.AppendText(dst, n.Text), nil
	}
	k := elements[n.Name]
	if k == 0 {
		return nil, errUnclean("element", n.Name)
	}
	if dst, err = n.appendAttrs(append(append(dst, '<'), n.Name...), k); err != nil {
		return nil, err
	}
	if k.is(void) || len(n.Children) == 0 {
		return append(dst, "/>"...), nil
	}
	if dst, err = appendNodes(append(dst, '>'), n.Children); err != nil {
		return nil, err
	}
	return append(append(append(dst, "</"...), n.Name...), '>'), nil
}

func (n *Node) appendAttrs(dst []byte, k kind) ([]byte, error) {
	switch n.Name {
	case "a":
		href, ok := cleanURL(n.Href, linkSchemes)
		if !ok || n.Type != cleanType(n.Type) {
			return nil, errUnclean("link", n.Href)
		}
		dst = stanza.AppendAttr(dst, "href", href)
		if n.Type != "" {
			dst = stanza.AppendAttr(dst, "type", n.Type)
		}
	case "img":
		src, ok := cleanURL(n.Src, imageSchemes)
		if !ok {
			return nil, errUnclean("image", n.Src)
		}
		dst = stanza.AppendAttr(stanza.AppendAttr(dst, "src", src), "alt", n.Alt)
		if n.Width > 0 {
			dst = stanza.AppendAttr(dst, "width", strconv.Itoa(n.Width))
		}
		if n.Height > 0 {
			dst = stanza.AppendAttr(dst, "height", strconv.Itoa(n.Height))
		}
	}
	if k.is(plain) {
		return dst, nil
	}
	return appendStyle(dst, n.Style)
}

func appendStyle(dst []byte, style []Property) ([]byte, error) {
	s, err := joinStyle(style)
	if err != nil || s == "" {
		return dst, err
	}
	return stanza.AppendAttr(dst, "style", s), nil
}

// joinStyle returns the value of a style attribute.
func joinStyle(style []Property) (s string, err error) {
	for i, p := range style {
		clean, ok := cleanProperty(p.Name, p.Value)
		if !ok {
			return "", errUnclean("style", p.Name+": "+p.Value)
		}
		if i > 0 {
			s += "; "
		}
		s += clean.Name + ": " + clean.Value
	}
	return s, nil
}
