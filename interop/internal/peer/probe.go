//go:build linux

package peer

import (
	"context"
	"crypto/tls"
	"encoding/xml"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
)

const (
	nsStreams  = "http://etherx.jabber.org/streams"
	nsTLS      = "urn:ietf:params:xml:ns:xmpp-tls"
	nsSASL     = "urn:ietf:params:xml:ns:xmpp-sasl"
	nsStanzas  = "urn:ietf:params:xml:ns:xmpp-stanzas"
	nsCB       = "urn:xmpp:sasl-cb:0"
	nsRegister = "jabber:iq:register"
)

// Offer is what a server offers on a stream before authentication.
type Offer struct {
	// TLSRequired says that STARTTLS was announced as mandatory.
	TLSRequired bool
	// TLSVersion is the version negotiated, as crypto/tls numbers it.
	TLSVersion uint16
	// Clear and Secure are the names of the stream features, in Clark
	// notation, before and under TLS. Clear is nil with direct TLS.
	Clear, Secure []string
	// ClearMechanisms and Mechanisms are the SASL mechanisms before and under TLS.
	ClearMechanisms, Mechanisms []string
	// ChannelBindings are the types announced under TLS (XEP-0440).
	ChannelBindings []string
}

// Has reports whether the mechanism is offered under TLS.
func (o Offer) Has(mechanism string) bool { return slices.Contains(o.Mechanisms, mechanism) }

func (o Offer) String() string {
	return fmt.Sprintf("%s, STARTTLS required %v\n  clear: %s; mechanisms %s\n  secure: %s; mechanisms %s; channel bindings %s",
		tls.VersionName(o.TLSVersion), o.TLSRequired,
		strings.Join(o.Clear, " "), strings.Join(o.ClearMechanisms, " "),
		strings.Join(o.Secure, " "), strings.Join(o.Mechanisms, " "), strings.Join(o.ChannelBindings, " "))
}

// node is any XML element.
type node struct {
	XMLName  xml.Name
	Attrs    []xml.Attr `xml:",any,attr"`
	Children []node     `xml:",any"`
	Text     string     `xml:",chardata"`
}

// child returns the first child of that name, or an empty node.
func (n *node) child(space, local string) *node {
	for i := range n.Children {
		if c := &n.Children[i]; c.XMLName.Local == local && (space == "" || c.XMLName.Space == space) {
			return c
		}
	}
	return &node{}
}

func (n *node) present() bool { return n.XMLName.Local != "" }

func (n *node) attr(local string) string {
	for _, a := range n.Attrs {
		if a.Name.Local == local {
			return a.Value
		}
	}
	return ""
}

func (n *node) names() []string {
	var names []string
	for _, c := range n.Children {
		names = append(names, "{"+c.XMLName.Space+"}"+c.XMLName.Local)
	}
	return names
}

// texts returns the texts of the children of that name.
func (n *node) texts(local string) []string {
	var texts []string
	for _, c := range n.Children {
		if c.XMLName.Local == local {
			texts = append(texts, c.Text)
		}
	}
	return texts
}

// raw is a stream to a server, only as clever as the rig needs.
type raw struct {
	conn  net.Conn
	dec   *xml.Decoder
	offer Offer
}

// dialRaw connects to s and goes as far as the features under TLS. The context
// bounds the whole life of the stream.
func dialRaw(ctx context.Context, s *Server, direct bool) (*raw, error) {
	addr := s.Addr
	if direct {
		addr = s.TLSAddr
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	r := &raw{conn: conn}
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline)
	}
	if err := r.negotiate(ctx, s, direct); err != nil {
		conn.Close()
		return nil, fmt.Errorf("%s, direct TLS %v: %w", addr, direct, err)
	}
	return r, nil
}

func (r *raw) negotiate(ctx context.Context, s *Server, direct bool) error {
	if !direct {
		features, err := r.open(s.Domain)
		if err != nil {
			return err
		}
		offered := features.child(nsTLS, "starttls")
		if !offered.present() {
			return fmt.Errorf("STARTTLS is not offered: %v", features.names())
		}
		r.offer.TLSRequired = offered.child(nsTLS, "required").present()
		r.offer.Clear = features.names()
		r.offer.ClearMechanisms = features.child(nsSASL, "mechanisms").texts("mechanism")
		if _, err := fmt.Fprintf(r.conn, "<starttls xmlns='%s'/>", nsTLS); err != nil {
			return err
		}
		answer, err := r.next()
		if err != nil {
			return err
		}
		if answer.XMLName.Local != "proceed" {
			return fmt.Errorf("STARTTLS was answered by %s", answer.XMLName.Local)
		}
	}
	secure := tls.Client(r.conn, &tls.Config{
		ServerName: s.Domain, RootCAs: s.CA.Pool, NextProtos: alpn(direct), MinVersion: tls.VersionTLS12,
	})
	if err := secure.HandshakeContext(ctx); err != nil {
		return err
	}
	r.conn = secure
	r.offer.TLSVersion = secure.ConnectionState().Version
	features, err := r.open(s.Domain)
	if err != nil {
		return err
	}
	r.offer.Secure = features.names()
	r.offer.Mechanisms = features.child(nsSASL, "mechanisms").texts("mechanism")
	for _, c := range features.child(nsCB, "sasl-channel-binding").Children {
		r.offer.ChannelBindings = append(r.offer.ChannelBindings, c.attr("type"))
	}
	return nil
}

// alpn is the protocol name of XEP-0368, for direct TLS only.
func alpn(direct bool) []string {
	if direct {
		return []string{"xmpp-client"}
	}
	return nil
}

// open opens a stream and returns its features.
func (r *raw) open(domain string) (*node, error) {
	r.dec = xml.NewDecoder(r.conn)
	_, err := fmt.Fprintf(r.conn,
		"<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='%s' to='%s' version='1.0'>", nsStreams, domain)
	if err != nil {
		return nil, err
	}
	for {
		token, err := r.dec.Token()
		if err != nil {
			return nil, err
		}
		if start, ok := token.(xml.StartElement); ok {
			if start.Name != (xml.Name{Space: nsStreams, Local: "stream"}) {
				return nil, fmt.Errorf("the stream begins with {%s}%s", start.Name.Space, start.Name.Local)
			}
			break
		}
	}
	features, err := r.next()
	if err != nil {
		return nil, err
	}
	if features.XMLName != (xml.Name{Space: nsStreams, Local: "features"}) {
		return nil, fmt.Errorf("got %s, not stream features", features.XMLName.Local)
	}
	return features, nil
}

// next reads the next child of the stream. A stream error is an error.
func (r *raw) next() (*node, error) {
	for {
		token, err := r.dec.Token()
		if err != nil {
			return nil, err
		}
		switch tok := token.(type) {
		case xml.EndElement:
			return nil, errors.New("the server closed the stream")
		case xml.StartElement:
			n := &node{}
			if err := r.dec.DecodeElement(n, &tok); err != nil {
				return nil, err
			}
			if n.XMLName == (xml.Name{Space: nsStreams, Local: "error"}) {
				return nil, fmt.Errorf("stream error %v", n.names())
			}
			return n, nil
		}
	}
}

// register makes an account by in-band registration (XEP-0077).
func (r *raw) register(user, password string) error {
	var name, pass strings.Builder
	if err := errors.Join(xml.EscapeText(&name, []byte(user)), xml.EscapeText(&pass, []byte(password))); err != nil {
		return err
	}
	_, err := fmt.Fprintf(r.conn,
		"<iq type='set' id='rig'><query xmlns='%s'><username>%s</username><password>%s</password></query></iq>",
		nsRegister, name.String(), pass.String())
	if err != nil {
		return err
	}
	reply, err := r.next()
	if err != nil {
		return err
	}
	if reply.XMLName.Local == "iq" && reply.attr("type") == "result" {
		return nil
	}
	fault := reply.child("", "error")
	return fmt.Errorf("registering %s: %s %v %q", user, reply.XMLName.Local, fault.names(), fault.child(nsStanzas, "text").Text)
}

// close ends the stream.
func (r *raw) close() {
	_, _ = fmt.Fprint(r.conn, "</stream:stream>")
	_ = r.conn.Close()
}
