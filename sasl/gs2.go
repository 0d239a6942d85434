package sasl

import (
	"bytes"
	"errors"
	"strings"
	"unicode/utf8"
)

// gs2Header begins the first message of SCRAM and OAUTHBEARER (RFC 5801
// section 4, RFC 5802 section 7):
//
//	gs2-header = gs2-cbind-flag "," [ "a=" saslname ] ","
type gs2Header struct {
	flag    byte   // 'n', 'y' or 'p'
	binding string // type, with flag 'p'
	authzid string
	raw     []byte // with the final comma
}

var errGS2 = errors.New("sasl: malformed GS2 header")

// parseGS2 splits the header off msg.
func parseGS2(msg []byte) (h gs2Header, rest []byte, err error) {
	flag, tail, ok := bytes.Cut(msg, []byte{','})
	if !ok {
		return h, nil, errGS2
	}
	switch {
	case string(flag) == "n", string(flag) == "y":
		h.flag = flag[0]
	case bytes.HasPrefix(flag, []byte("p=")) && isBindingName(flag[2:]):
		h.flag, h.binding = 'p', string(flag[2:])
	default:
		return h, nil, errGS2
	}
	authz, rest, ok := bytes.Cut(tail, []byte{','})
	if !ok {
		return h, nil, errGS2
	}
	if len(authz) > 0 {
		name, ok := bytes.CutPrefix(authz, []byte("a="))
		if !ok {
			return h, nil, errGS2
		}
		if h.authzid, err = parseSASLName(name); err != nil {
			return h, nil, err
		}
	}
	h.raw = msg[:len(msg)-len(rest)]
	return h, rest, nil
}

// appendGS2 writes a header; binding is empty unless flag is 'p'.
func appendGS2(dst []byte, flag byte, binding, authzid string) []byte {
	dst = append(dst, flag)
	if flag == 'p' {
		dst = append(append(dst, '='), binding...)
	}
	dst = append(dst, ',')
	if authzid != "" {
		dst = append(append(dst, "a="...), escapeSASLName(authzid)...)
	}
	return append(dst, ',')
}

// isBindingName checks cb-name = 1*(ALPHA / DIGIT / "." / "-").
func isBindingName(b []byte) bool {
	for _, c := range b {
		if !isAlphaNum(c) && c != '.' && c != '-' {
			return false
		}
	}
	return len(b) > 0
}

func isAlphaNum(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9'
}

// parseSASLName undoes the escapes of a saslname: "=2C" is a comma, "=3D" an
// equals sign, and any other "=" is an error.
func parseSASLName(b []byte) (string, error) {
	if len(b) == 0 || !utf8.Valid(b) || bytes.IndexByte(b, 0) >= 0 {
		return "", errors.New("sasl: malformed name")
	}
	var out strings.Builder
	for i := 0; i < len(b); i++ {
		if b[i] != '=' {
			out.WriteByte(b[i])
			continue
		}
		switch string(b[i:min(i+3, len(b))]) {
		case "=2C":
			out.WriteByte(',')
		case "=3D":
			out.WriteByte('=')
		default:
			return "", errors.New("sasl: malformed escape in name")
		}
		i += 2
	}
	return out.String(), nil
}

func escapeSASLName(s string) string {
	return strings.NewReplacer("=", "=3D", ",", "=2C").Replace(s)
}
