package caps

import (
	"encoding/base64"
	"encoding/xml"
	"strings"

	"github.com/etherx-go/xmpp/stanza"
)

// The namespaces, which are also the features (XEP-0115, section 7, and
// XEP-0390, section 5.1).
const (
	NS       = "http://jabber.org/protocol/caps"
	NS2      = "urn:xmpp:caps"
	NSHashes = "urn:xmpp:hashes:2"
)

// nodePrefix begins the nodes of XEP-0390, section 4.3.
const nodePrefix = NS2 + "#"

// Caps is the element <c/> of XEP-0115.
type Caps struct {
	Hash string // the name of the hash function; "" in the legacy format (section 13)
	Node string // a URI of the software
	Ver  string // the hash, in Base64; in the legacy format a version
	Ext  string // of the legacy format, not used any more
}

// XMLName returns the name of the element.
func (Caps) XMLName() xml.Name { return xml.Name{Space: NS, Local: "c"} }

// AppendXML appends the element.
func (c Caps) AppendXML(dst []byte) ([]byte, error) {
	dst = append(dst, "<c xmlns='"+NS+"'"...)
	if c.Hash != "" {
		dst = stanza.AppendAttr(dst, "hash", c.Hash)
	}
	dst = stanza.AppendAttr(dst, "node", c.Node)
	dst = stanza.AppendAttr(dst, "ver", c.Ver)
	if c.Ext != "" {
		dst = stanza.AppendAttr(dst, "ext", c.Ext)
	}
	return append(dst, "/>"...), nil
}

// ParseXML reads the element. It does not fail.
func (c *Caps) ParseXML(e stanza.Element) error {
	*c = Caps{Hash: e.Attr("hash"), Node: e.Attr("node"), Ver: e.Attr("ver"), Ext: e.Attr("ext")}
	return nil
}

// DiscoNode returns the node at which the information is asked for (XEP-0115,
// section 6.2).
func (c Caps) DiscoNode() string { return c.Node + "#" + c.Ver }

// Hash is a hash value and the function it comes from (XEP-0300).
type Hash struct {
	Algo  string // as in the registry of IANA: "sha-256"
	Value string // the octets, not encoded
}

// DiscoNode returns the node at which the information is asked for (XEP-0390,
// section 4.3).
func (h Hash) DiscoNode() string {
	return nodePrefix + h.Algo + "." + base64.StdEncoding.EncodeToString([]byte(h.Value))
}

// ParseDiscoNode takes apart what [Hash.DiscoNode] returns. ok is false for
// nodes of another kind.
func ParseDiscoNode(node string) (h Hash, ok bool) {
	rest, ok := strings.CutPrefix(node, nodePrefix)
	if !ok {
		return Hash{}, false
	}
	// "From the *end* of the string": names may have a full stop, Base64 has
	// none.
	i := strings.LastIndexByte(rest, '.')
	if i <= 0 {
		return Hash{}, false
	}
	value, err := base64.StdEncoding.DecodeString(rest[i+1:])
	if err != nil || len(value) == 0 {
		return Hash{}, false
	}
	return Hash{rest[:i], string(value)}, true
}

// Set is the element <c/> of XEP-0390: hashes of the same information.
type Set struct{ Hashes []Hash }

// XMLName returns the name of the element.
func (Set) XMLName() xml.Name { return xml.Name{Space: NS2, Local: "c"} }

// AppendXML appends the element.
func (s Set) AppendXML(dst []byte) ([]byte, error) {
	dst = append(dst, "<c xmlns='"+NS2+"'>"...)
	for _, h := range s.Hashes {
		dst = stanza.AppendAttr(append(dst, "<hash xmlns='"+NSHashes+"'"...), "algo", h.Algo)
		dst = base64.StdEncoding.AppendEncode(append(dst, '>'), []byte(h.Value))
		dst = append(dst, "</hash>"...)
	}
	return append(dst, "</c>"...), nil
}

// maxHashes bounds the hashes of a set that are looked at: there are not that
// many functions.
const maxHashes = 16

// ParseXML reads the element. Hashes that are malformed are left out, and those
// behind the sixteenth. It does not fail.
func (s *Set) ParseXML(e stanza.Element) error {
	*s = Set{}
	for c := range e.Children() {
		if !c.Is(NSHashes, "hash") || len(s.Hashes) == maxHashes {
			continue
		}
		value, err := base64.StdEncoding.DecodeString(strings.TrimSpace(c.Text()))
		if algo := c.Attr("algo"); err == nil && len(value) > 0 && algo != "" {
			s.Hashes = append(s.Hashes, Hash{algo, string(value)})
		}
	}
	return nil
}
