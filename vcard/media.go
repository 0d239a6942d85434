package vcard

import (
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"strings"

	"github.com/etherx-go/xmpp/stanza"
)

// Media is a photo or a logo: the data, or where they are.
type Media struct {
	Type  string // TYPE, the content type as the owner has it; see ContentType
	Data  []byte // BINVAL
	URI   string // EXTVAL
	Other []stanza.Raw
}

// IsZero reports whether there is nothing in it. A type of nothing does not count.
func (m *Media) IsZero() bool { return len(m.Data) == 0 && m.URI == "" && m.Other == nil }

// Hash returns the SHA-1 hash of the data as lower-case hexadecimal digits, "" if
// there is none. It is what XEP-0153 puts into presence.
func (m *Media) Hash() string {
	if len(m.Data) == 0 {
		return ""
	}
	sum := sha1.Sum(m.Data)
	return hex.EncodeToString(sum[:])
}

// magic are the beginnings of the files that avatars are made of.
var magic = []struct{ begin, contentType string }{
	{"\x89PNG\r\n\x1a\n", "image/png"},
	{"\xff\xd8\xff", "image/jpeg"},
	{"GIF87a", "image/gif"},
	{"GIF89a", "image/gif"},
}

// ContentType returns the type that the data show, or else Type: "the processing
// application MUST adhere to the content type of the actual image data and MUST
// ignore the <TYPE/>" (XEP-0153, section 5). It is application/octet-stream where
// neither says anything.
func (m *Media) ContentType() string {
	for _, f := range magic {
		if strings.HasPrefix(string(m.Data[:min(len(m.Data), len(f.begin))]), f.begin) {
			return f.contentType
		}
	}
	if len(m.Data) >= 12 && string(m.Data[:4]) == "RIFF" && string(m.Data[8:12]) == "WEBP" {
		return "image/webp"
	}
	if m.Type != "" {
		return m.Type
	}
	return "application/octet-stream"
}

// parse reports whether it has found a place for everything.
func (m *Media) parse(p stanza.Element) bool {
	var got Media
	var data string
	got.Other = fields(p, func(name string, e stanza.Element) bool {
		switch name {
		case "TYPE":
			return setText(&got.Type, e)
		case "BINVAL":
			return setText(&data, e)
		case "EXTVAL":
			return setText(&got.URI, e)
		}
		return false
	})
	var ok bool
	if got.Data, ok = decodeBase64(data); !ok {
		return false
	}
	if got.IsZero() {
		return true // an empty photo, which is none
	}
	if !m.IsZero() {
		return false
	}
	*m = got
	return true
}

// decodeBase64 decodes binary data. "Any whitespace characters (e.g., '\r' and
// '\n') MUST be ignored" (XEP-0153, section 4.6).
func decodeBase64(s string) ([]byte, bool) {
	s = strings.Map(func(r rune) rune {
		switch r {
		case ' ', '\t', '\r', '\n':
			return -1
		}
		return r
	}, s)
	if s == "" {
		return nil, true
	}
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		b, err = base64.RawStdEncoding.DecodeString(s)
	}
	return b, err == nil
}
