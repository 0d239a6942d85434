package xhtml

import (
	"net/url"
	"slices"
	"strings"
	"unicode"
)

// The schemes of URLs that are accepted.
var (
	linkSchemes  = []string{"http", "https", "ftp", "mailto", "xmpp", "tel", "sip", "sips", "geo"}
	imageSchemes = []string{"http", "https", "cid"}
)

// maxURL bounds the length of a URL, in bytes.
const maxURL = 2048

// cleanURL returns an absolute URL of one of the schemes in its usual form, and
// whether it is one. One with a name before the host is not: nobody needs it,
// and "http://bank.example@evil.example/" deceives.
func cleanURL(s string, schemes []string) (string, bool) {
	s = strings.TrimSpace(s)
	if len(s) > maxURL || strings.ContainsFunc(s, isInvisible) {
		return "", false
	}
	u, err := url.Parse(s)
	if err != nil || !slices.Contains(schemes, u.Scheme) {
		return "", false
	}
	switch u.Scheme {
	case "http", "https", "ftp":
		if u.Hostname() == "" || u.User != nil {
			return "", false
		}
	case "xmpp":
		if u.Opaque == "" && u.Host == "" {
			return "", false
		}
	default:
		if u.Opaque == "" {
			return "", false
		}
	}
	if s = u.String(); len(s) > maxURL {
		return "", false
	}
	return s, true
}

func isInvisible(r rune) bool { return unicode.IsSpace(r) || unicode.In(r, unicode.C) }

// cleanType returns a media type, "" if it is not one.
func cleanType(s string) string {
	main, sub, ok := strings.Cut(s, "/")
	if !ok || len(s) > 100 || !isWord(main, "") || !isWord(sub, "+-.") {
		return ""
	}
	return s
}

// cleanLang returns a language tag, "" if it is not one.
func cleanLang(s string) string {
	if len(s) > 35 || !isWord(s, "-") {
		return ""
	}
	return s
}

// isWord reports whether s begins with a letter or digit and has nothing but
// these and the others, in ASCII.
func isWord(s, others string) bool {
	for i, c := range []byte(s) {
		alnum := '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
		if !alnum && (i == 0 || strings.IndexByte(others, c) < 0) {
			return false
		}
	}
	return s != ""
}
