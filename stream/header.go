package stream

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/etherx-go/xmpp/internal/xmltok"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// Version of a stream (RFC 6120, section 4.7.5). The zero Version stands for a
// header without one, or with one below 1.0: the peer speaks as in the time
// before RFC 3920.
type Version struct{ Major, Minor uint16 }

// V1 is the version of RFC 6120.
var V1 = Version{1, 0}

// String returns "1.0", "" for the zero Version.
func (v Version) String() string {
	if v == (Version{}) {
		return ""
	}
	return strconv.Itoa(int(v.Major)) + "." + strconv.Itoa(int(v.Minor))
}

// Less compares major and minor numbers separately, as integers.
func (v Version) Less(w Version) bool {
	return v.Major < w.Major || v.Major == w.Major && v.Minor < w.Minor
}

// lower returns the lower of two versions.
func lower(v, w Version) Version {
	if w.Less(v) {
		return w
	}
	return v
}

// parseVersion reads a version attribute. Numbers that are too large count as
// the largest, for what matters is only which version is lower.
func parseVersion(s string) (Version, error) {
	if s == "" {
		return Version{}, nil
	}
	major, minor, ok := strings.Cut(s, ".")
	a, ok1 := parseNumber(major)
	b, ok2 := parseNumber(minor)
	if !ok || !ok1 || !ok2 {
		return Version{}, newError(UnsupportedVersion, fmt.Sprintf("version %.20q is not two numbers", s))
	}
	if v := (Version{a, b}); !v.Less(V1) {
		return v, nil
	}
	return Version{}, nil
}

func parseNumber(s string) (uint16, bool) {
	n, err := strconv.ParseUint(s, 10, 16)
	return uint16(n), err == nil || errors.Is(err, strconv.ErrRange)
}

// Header is a stream header (RFC 6120, section 4.7).
type Header struct {
	To, From jid.JID
	// ID is the stream's, which the receiving side gives. Of an initiator's
	// header it means nothing.
	ID string
	// Lang is the sender's xml:lang. On input what is no language tag is left
	// out.
	Lang    string
	Version Version
	// Content is the content namespace, jabber:client if empty. On input it is
	// empty where the header declares none, but each stanza for itself (RFC
	// 6120, section 4.8.2).
	Content string
	// OldSASL: the header declares the SASL namespace of
	// draft-miller-xmpp-core-02, section 5.1.1. An initiator sets it for an
	// old server only; in the answer it follows the peer's header.
	OldSASL bool
	// Dialback: the header declares the namespace of Server Dialback for the
	// prefix db, which says that the sender speaks it (XEP-0220, section 2.4.1).
	// It is for streams between servers.
	Dialback bool
}

// nsDialback is the namespace of XEP-0220.
const nsDialback = "jabber:server:dialback"

// appendXML appends the header's start tag with an XML declaration before it.
// The prefix is always "stream": some old peers know no other.
func (h *Header) appendXML(dst []byte) []byte {
	dst = append(dst, "<?xml version='1.0'?><stream:stream"...)
	content := h.Content
	if content == "" {
		content = stanza.NSClient
	}
	dst = stanza.AppendAttr(dst, "xmlns", content)
	dst = append(dst, " xmlns:stream='"+NS+"'"...)
	if h.OldSASL {
		dst = append(dst, " xmlns:sasl='"+NSOldSASL+"'"...)
	}
	if h.Dialback {
		dst = append(dst, " xmlns:db='"+nsDialback+"'"...)
	}
	for _, a := range []struct{ name, value string }{
		{"from", h.From.String()}, {"to", h.To.String()}, {"id", h.ID},
		{"version", h.Version.String()}, {"xml:lang", h.Lang},
	} {
		if a.value != "" {
			dst = stanza.AppendAttr(dst, a.name, a.value)
		}
	}
	return append(dst, '>')
}

// parseHeader reads a header. Where it returns an error the header holds what
// could be read, so that an answer can be addressed; a version that is none
// counts as 1.0.
func parseHeader(t *xmltok.Tag) (Header, error) {
	h := Header{Content: contentOf(t)}
	var bad error
	if string(t.Name) != "stream" || string(t.NS) != NS {
		bad = newError(InvalidNamespace, fmt.Sprintf("the root is {%.100s}%.100s, not {%s}stream", t.NS, t.Name, NS))
	}
	for _, a := range t.Attrs {
		var err error
		switch v := string(a.Append(nil)); {
		case string(a.Prefix) == "xml" && string(a.Name) == "lang":
			if isLang(v) {
				h.Lang = v
			}
		case len(a.Prefix) > 0:
		case string(a.Name) == "to":
			h.To, err = parseAddress(v)
		case string(a.Name) == "from":
			h.From, err = parseAddress(v)
		case string(a.Name) == "id":
			h.ID = v
		case string(a.Name) == "version":
			if h.Version, err = parseVersion(v); err != nil {
				h.Version = V1
			}
		}
		if bad == nil {
			bad = err
		}
	}
	for _, b := range t.Bindings {
		h.OldSASL = h.OldSASL || string(b.URI) == NSOldSASL
		h.Dialback = h.Dialback || string(b.URI) == nsDialback
		if bad == nil && h.Content == stanza.NSServer && string(b.Prefix) == "db" && string(b.URI) != nsDialback {
			// "If the namespace name is incorrect, then the Receiving Server MUST
			// generate an <invalid-namespace/> stream error" (RFC 3920, section
			// 8.3).
			bad = newError(InvalidNamespace, fmt.Sprintf("the prefix db stands for %s, not for %.100s", nsDialback, b.URI))
		}
	}
	return h, bad
}

// maxLang bounds a language tag. It is put on every stanza that has none.
const maxLang = 64

// isLang reports whether s looks like a language tag (RFC 5646): letters, digits
// and hyphens.
func isLang(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c != '-' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			return false
		}
	}
	return len(s) <= maxLang
}

// contentOf finds the content namespace: the default namespace, or one that is
// bound to a prefix; "" if the header has neither.
func contentOf(t *xmltok.Tag) string {
	if d := string(t.Default); d != NS && d != "" {
		return d
	}
	for _, b := range t.Bindings {
		if stanza.IsContentNamespace(b.URI) {
			return string(b.URI)
		}
	}
	return ""
}

func parseAddress(v string) (jid.JID, error) {
	if v == "" {
		return jid.JID{}, nil
	}
	j, err := jid.Parse(v)
	if err != nil {
		return j, &Error{Condition: ImproperAddressing, Text: fmt.Sprintf("%.100q is not an address", v), Err: err}
	}
	return j, nil
}
