package stream

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/etherx-go/xmpp/internal/xmltok"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// Version of a stream (RFC 6120, section 4.7.5). The zero Version stands for a
// header without one: the peer speaks as in the time before RFC 3920.
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

func parseVersion(s string) (Version, error) {
	if s == "" {
		return Version{}, nil
	}
	major, minor, ok := strings.Cut(s, ".")
	a, err1 := strconv.ParseUint(major, 10, 16)
	b, err2 := strconv.ParseUint(minor, 10, 16)
	if !ok || err1 != nil || err2 != nil {
		return Version{}, newError(UnsupportedVersion, fmt.Sprintf("version %.20q is not two numbers", s))
	}
	return Version{uint16(a), uint16(b)}, nil
}

// Header is a stream header (RFC 6120, section 4.7).
type Header struct {
	To, From jid.JID
	ID       string
	Lang     string // xml:lang
	Version  Version
	Content  string // content namespace: jabber:client, jabber:server ...
	OldSASL  bool   // declares the SASL namespace of draft-miller-xmpp-core-02
}

// appendXML appends the header's start tag with an XML declaration before it.
func (h *Header) appendXML(dst []byte) []byte {
	dst = append(dst, "<?xml version='1.0'?><stream:stream"...)
	dst = stanza.AppendAttr(dst, "xmlns", h.Content)
	dst = append(dst, " xmlns:stream='"+NS+"'"...)
	if h.OldSASL {
		dst = append(dst, " xmlns:sasl='"+NSOldSASL+"'"...)
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
// could be read, so that an answer can be addressed.
func parseHeader(t *xmltok.Tag) (Header, error) {
	var h Header
	if string(t.Name) != "stream" || string(t.NS) != NS {
		return h, newError(InvalidNamespace, fmt.Sprintf("the root is {%.100s}%.100s, not {%s}stream", t.NS, t.Name, NS))
	}
	h.Content = contentOf(t)
	var bad error
	for _, a := range t.Attrs {
		v := string(a.Append(nil))
		switch {
		case string(a.Prefix) == "xml" && string(a.Name) == "lang":
			h.Lang = v
		case len(a.Prefix) > 0:
		case string(a.Name) == "to":
			h.To, bad = parseAddress(v, bad)
		case string(a.Name) == "from":
			h.From, bad = parseAddress(v, bad)
		case string(a.Name) == "id":
			h.ID = v
		case string(a.Name) == "version":
			var err error
			if h.Version, err = parseVersion(v); err != nil && bad == nil {
				bad = err
			}
		}
	}
	for _, b := range t.Bindings {
		h.OldSASL = h.OldSASL || string(b.URI) == NSOldSASL
	}
	if h.Content == "" && bad == nil {
		bad = newError(InvalidNamespace, "no content namespace is declared")
	}
	return h, bad
}

// contentOf finds the content namespace: the default namespace, or in the
// prefix-free style of RFC 6120, section 4.8.5, one that is bound to a prefix.
func contentOf(t *xmltok.Tag) string {
	if d := string(t.Default); d != NS {
		return d
	}
	for _, b := range t.Bindings {
		if stanza.IsContentNamespace(b.URI) {
			return string(b.URI)
		}
	}
	return ""
}

func parseAddress(v string, bad error) (jid.JID, error) {
	if v == "" {
		return jid.JID{}, bad
	}
	j, err := jid.Parse(v)
	if err != nil && bad == nil {
		bad = &Error{Condition: ImproperAddressing, Text: fmt.Sprintf("%.100q is not an address", v), Err: err}
	}
	return j, bad
}
