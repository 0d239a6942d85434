package stream

import (
	"bytes"
	"encoding/xml"
	"io"
	"strings"

	"github.com/etherx-go/xmpp/internal/xmltok"
	"github.com/etherx-go/xmpp/stanza"
)

// trace shows what was received or is sent.
func (c *Conn) trace(sent bool, b []byte) {
	if c.cfg.Trace == nil {
		return
	}
	scope := map[string]string{"": c.sent.Content, "stream": NS, "sasl": NSOldSASL}
	if root := c.sc.Root(); !sent && root != nil {
		scope = scopeOf(root)
	}
	c.cfg.Trace(sent, redact(b, scope))
}

// scopeOf returns what a stream header declares.
func scopeOf(root *xmltok.Tag) map[string]string {
	scope := map[string]string{"": string(root.Default)}
	for _, d := range root.Bindings {
		scope[string(d.Prefix)] = string(d.URI)
	}
	return scope
}

// secrets are the elements that carry passwords, tokens or proofs.
var secrets = map[xml.Name]bool{
	{Space: NSSASL, Local: "auth"}:      true,
	{Space: NSSASL, Local: "challenge"}: true,
	{Space: NSSASL, Local: "response"}:  true,
	{Space: NSSASL, Local: "success"}:   true,

	{Space: NSOldSASL, Local: "auth"}:      true,
	{Space: NSOldSASL, Local: "challenge"}: true,
	{Space: NSOldSASL, Local: "response"}:  true,
	{Space: NSOldSASL, Local: "success"}:   true,

	// XEP-0388 and what goes with it
	{Space: NSSASL2, Local: "initial-response"}: true,
	{Space: NSSASL2, Local: "challenge"}:        true,
	{Space: NSSASL2, Local: "response"}:         true,
	{Space: NSSASL2, Local: "additional-data"}:  true,
	{Space: NSSASL2, Local: "next"}:             true,
	{Space: NSSASL2, Local: "task-data"}:        true,
	{Space: nsSCRAMUpgrade, Local: "hash"}:      true,
	{Space: "jabber:iq:auth", Local: "digest"}:  true,
	{Space: "jabber:iq:auth", Local: "hash"}:    true,
	{Space: "jabber:iq:register", Local: "key"}: true,

	{Space: stanza.NSComponent, Local: "handshake"}: true,
	{Space: stanza.NSConnect, Local: "handshake"}:   true,
}

// redactor copies XML with the secrets taken out of it.
type redactor struct {
	dst    []byte
	scope  []map[string]string // prefixes ("": the default) to namespaces, of the elements that are open
	secret int                 // depth at which a secret element is open, 0 for none
}

const hidden = "[...]"

// redact returns b, one or more elements and tags, for a trace: of what may be
// secret only the tags are left. scope is what the stream header around b
// declares. What cannot be read is hidden.
func redact(b []byte, scope map[string]string) []byte {
	r := redactor{scope: []map[string]string{scope}}
	dec := xml.NewDecoder(bytes.NewReader(b))
	dec.Strict = false
	for at := 0; ; {
		tok, err := dec.RawToken()
		next := int(dec.InputOffset())
		if err == io.EOF {
			return r.dst
		}
		if err != nil {
			return append(r.dst, hidden...)
		}
		r.token(tok, b[at:next])
		at = next
	}
}

// token copies one token.
func (r *redactor) token(tok xml.Token, raw []byte) {
	switch tok := tok.(type) {
	case xml.StartElement:
		r.open(tok, raw)
	case xml.EndElement:
		if len(r.scope) > 1 {
			r.scope = r.scope[:len(r.scope)-1]
		}
		if len(r.scope) < r.secret {
			r.secret = 0
		}
		if r.secret == 0 {
			r.dst = append(r.dst, raw...)
		}
	default:
		if r.secret == 0 {
			r.dst = append(r.dst, raw...)
		}
	}
}

// open copies a start tag.
func (r *redactor) open(tok xml.StartElement, raw []byte) {
	var declared map[string]string
	bad := false // an attribute is secret
	for _, a := range tok.Attr {
		switch {
		case a.Name.Space == "xmlns" || a.Name.Space == "" && a.Name.Local == "xmlns":
			if declared == nil {
				declared = make(map[string]string)
			}
			prefix := a.Name.Local
			if a.Name.Space == "" {
				prefix = ""
			}
			declared[prefix] = a.Value
		case a.Name.Local == "password":
			bad = true
		}
	}
	r.scope = append(r.scope, declared)
	name := xml.Name{Space: r.lookup(tok.Name.Space), Local: tok.Name.Local}
	bad = bad || name == xml.Name{Space: NSFAST, Local: "token"} && len(tok.Attr) > 0
	if r.secret > 0 {
		return
	}
	if bad {
		raw = hideAttrs(tok, raw)
	}
	r.dst = append(r.dst, raw...)
	if isSecret(name, tok) {
		r.secret = len(r.scope)
		if !bytes.HasSuffix(raw, []byte("/>")) {
			r.dst = append(r.dst, hidden...)
		}
	}
}

// isSecret reports whether the content of an element is to be hidden.
func isSecret(name xml.Name, tok xml.StartElement) bool {
	if name.Local == "password" || secrets[name] {
		return true
	}
	if name != (xml.Name{Space: "jabber:x:data", Local: "field"}) {
		return false
	}
	for _, a := range tok.Attr {
		if a.Name.Local == "var" && strings.Contains(a.Value, "password") || a.Name.Local == "type" && a.Value == "text-private" {
			return true
		}
	}
	return false
}

// hideAttrs returns the start tag without its attributes.
func hideAttrs(tok xml.StartElement, raw []byte) []byte {
	name := tok.Name.Local
	if tok.Name.Space != "" {
		name = tok.Name.Space + ":" + name
	}
	end := ">"
	if bytes.HasSuffix(raw, []byte("/>")) {
		end = "/>"
	}
	return []byte("<" + name + " " + hidden + end)
}

// lookup finds what a prefix is bound to.
func (r *redactor) lookup(prefix string) string {
	for i := len(r.scope) - 1; i >= 0; i-- {
		if ns, ok := r.scope[i][prefix]; ok {
			return ns
		}
	}
	return ""
}
