package xmltok

import "strings"

// What comes before the root element: a byte order mark, an XML declaration,
// white space.

const byteOrderMark = "\uFEFF"

// detect finds out the encoding at the start of a document. It reports false if
// it needs more bytes to do so.
func (s *Scanner) detect() (bool, fault) {
	b, n := s.in.rest()
	if s.in.dec.order == nil && n < 2 && (n == 0 || b[0] == 0 || b[0] == '<' || b[0] >= 0xFE || class[b[0]] == white) {
		return false, 0
	}
	if order := utf16Order(b[0], b[1]); s.in.dec.order == nil && order != nil {
		if !s.utf16 {
			return false, faultEncoding
		}
		s.in.startUTF16(decoder{order: order})
		return s.detect()
	}
	// RFC 6120 section 11.6 forbids to send a byte order mark. XML 1.0 appendix
	// F says that it is no part of the document, so it does no harm.
	for k := range len(byteOrderMark) {
		if k >= n {
			return false, 0
		}
		if b[k] != byteOrderMark[k] {
			return true, 0
		}
	}
	s.in.pos += len(byteOrderMark)
	s.base += int64(len(byteOrderMark))
	return true, 0
}

// declaration reads the XML declaration, if the document begins with one. It
// reports false if it needs more bytes.
func (s *Scanner) declaration() (bool, int, fault) {
	const open = "<?xml"
	b, n := s.in.rest()
	for k := range len(open) {
		if b[k] != open[k] {
			return k < n, 0, 0
		}
	}
	if class[b[len(open)]] != white {
		// Nothing of that name may be here, whatever it is.
		return len(open) < n, 0, 0
	}
	if s.search == 0 {
		s.search = len(open)
	}
	for ; s.search < n; s.search++ {
		if b[s.search] == '>' && b[s.search-1] == '?' {
			break
		}
	}
	end := s.search + 1
	switch {
	case s.search >= maxDecl:
		return true, maxDecl, limitDecl
	case s.search >= n:
		return false, 0, 0
	}
	d, ok := parseDeclaration(string(b[len(open) : end-2]))
	if !ok {
		return true, end, faultDecl
	}
	if !strings.HasPrefix(d.Version, "1.") {
		return true, end, faultVersion
	}
	if !s.encodingFits(d.Encoding) {
		return true, end, faultEncoding
	}
	s.decl = d
	s.advance(end)
	return true, 0, 0
}

// encodingFits reports whether the declared encoding is the one in use.
func (s *Scanner) encodingFits(name string) bool {
	switch {
	case name == "":
		return true
	case s.in.dec.order == nil:
		return strings.EqualFold(name, "UTF-8")
	}
	return strings.EqualFold(name, "UTF-16")
}

// parseDeclaration parses what is between <?xml and ?>: the version, then
// perhaps the encoding, then perhaps standalone (XML 1.0 production 23).
func parseDeclaration(s string) (d Declaration, ok bool) {
	if d.Version, s, ok = pseudoAttr(s, "version"); !ok || !validVersion(d.Version) {
		return d, false
	}
	if v, rest, found := pseudoAttr(s, "encoding"); found {
		if d.Encoding, s = v, rest; !validEncoding(v) {
			return d, false
		}
	}
	if v, rest, found := pseudoAttr(s, "standalone"); found {
		if d.Standalone, s = v, rest; v != "yes" && v != "no" {
			return d, false
		}
	}
	return d, strings.Trim(s, " \t\r\n") == ""
}

// pseudoAttr reads white space and name='value'.
func pseudoAttr(s, name string) (value, rest string, ok bool) {
	t := strings.TrimLeft(s, " \t\r\n")
	if len(t) == len(s) {
		return "", s, false
	}
	if t, ok = strings.CutPrefix(t, name); !ok {
		return "", s, false
	}
	t = strings.TrimLeft(t, " \t\r\n")
	if t, ok = strings.CutPrefix(t, "="); !ok {
		return "", s, false
	}
	t = strings.TrimLeft(t, " \t\r\n")
	if t == "" || t[0] != '"' && t[0] != '\'' {
		return "", s, false
	}
	if value, rest, ok = strings.Cut(t[1:], t[:1]); !ok {
		return "", s, false
	}
	return value, rest, true
}

// validVersion reports whether v is made of digits with a dot; which version it
// is, is asked separately.
func validVersion(v string) bool {
	major, minor, ok := strings.Cut(v, ".")
	return ok && digits(major) && digits(minor)
}

func digits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// validEncoding checks production 81 of XML 1.0.
func validEncoding(s string) bool {
	for k := range len(s) {
		c := s[k]
		if class[c]&nameByte == 0 || k == 0 && (class[c]&nameStart == 0 || c == '_') {
			return false
		}
	}
	return s != ""
}

// notElement tells what is wrong with b, which does not begin the root element.
func notElement(b []byte, i int) (int, fault) {
	if b[i] != '<' {
		return badChar(b, i, faultProlog)
	}
	if b[i+1] == '/' {
		return i + 1, faultName
	}
	at, f := markup(b, i)
	if f == 0 {
		f = faultProlog // CDATA
	}
	return at, f
}
