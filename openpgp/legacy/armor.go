package legacy

import (
	"encoding/base64"
	"errors"
	"strings"
)

// lineLength is how long the lines of ASCII armour are.
const lineLength = 64

// Armor returns data as ASCII armour without its header and footer lines: Base64
// in lines, and a checksum, which old programs want (RFC 4880, section 6).
func Armor(data []byte) string {
	var b strings.Builder
	text := base64.StdEncoding.EncodeToString(data)
	for len(text) > lineLength {
		b.WriteString(text[:lineLength])
		b.WriteByte('\n')
		text = text[lineLength:]
	}
	b.WriteString(text)
	sum := crc24(data)
	b.WriteString("\n=")
	b.WriteString(base64.StdEncoding.EncodeToString([]byte{byte(sum >> 16), byte(sum >> 8), byte(sum)}))
	return b.String()
}

var errArmor = errors.New("not ASCII armour")

// Dearmor reads what Armor writes. It also takes lines with white space around
// them, armour with its header and footer lines, or with what some programs leave
// of them, and armour without a checksum. A wrong checksum is no reason to refuse
// it (RFC 9580, section 6.1). The error says no more than that it is not armour.
func Dearmor(text string) ([]byte, error) {
	var b strings.Builder
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "-----"):
			if b.Len() > 0 {
				return decode(b.String()) // the footer
			}
		case strings.Contains(line, ":"): // a header, such as "Version: GnuPG v1"
			if b.Len() > 0 {
				return nil, errArmor
			}
		case b.Len() > 0 && strings.HasPrefix(line, "="): // the checksum is the end
			return decode(b.String())
		default:
			b.WriteString(line)
		}
	}
	return decode(b.String())
}

// decode decodes Base64 with white space in it.
func decode(text string) ([]byte, error) {
	text = strings.Join(strings.Fields(text), "")
	// A checksum that was not at the beginning of a line.
	if i := len(text) - 5; i > 0 && text[i] == '=' {
		text = text[:i]
	}
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(data) == 0 {
		return nil, errArmor
	}
	return data, nil
}

// crc24 is the checksum of ASCII armour (RFC 4880, section 6.1).
func crc24(data []byte) uint32 {
	const start, poly = 0xB704CE, 0x1864CFB
	crc := uint32(start)
	for _, c := range data {
		crc ^= uint32(c) << 16
		for range 8 {
			crc <<= 1
			if crc&0x1000000 != 0 {
				crc ^= poly
			}
		}
	}
	return crc & 0xFFFFFF
}
