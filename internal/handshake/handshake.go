// Package handshake is how an external component and its server know each other
// (XEP-0114): the initiator of the stream, be it one or the other, shows that it
// knows the secret of the two. The stream features are for both sides.
package handshake

import (
	"context"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

const local = "handshake"

// Hash returns what the element holds: "1. Concatenate the Stream ID received from
// the server with the shared secret. 2. Hash the concatenated string according to
// the SHA1 algorithm [...] 3. Ensure that the hash output is in hexadecimal format,
// not binary or base64. 4. Convert the hash output to all lowercase characters."
func Hash(streamID, secret string) string {
	sum := sha1.Sum([]byte(streamID + secret))
	return hex.EncodeToString(sum[:])
}

// Is reports whether given is the hash of the id and the secret, in a time that
// does not tell how much of it is right. That it is in upper case does no harm. An
// empty secret matches nothing.
func Is(given, streamID, secret string) bool {
	want := Hash(streamID, secret)
	given = strings.ToLower(strings.TrimSpace(given))
	return secret != "" && subtle.ConstantTimeCompare([]byte(given), []byte(want)) == 1
}

// Give is for the initiator of a stream: it sends the handshake, and the stream is
// ready when the other side has taken it.
func Give(secret string) stream.Feature {
	return stream.Feature{
		Name: xml.Name{Space: stanza.NSComponent, Local: local}, Unoffered: true, Not: stream.Ready,
		Negotiate: func(ctx context.Context, c *stream.Conn, _ stanza.Element) (stream.Outcome, error) {
			id := c.Received().ID
			if id == "" {
				return stream.Outcome{}, &stream.Error{Condition: stream.BadFormat, Text: "the header has no id"}
			}
			if err := c.SendRaw(ctx, "<handshake>"+Hash(id, secret)+"</handshake>"); err != nil {
				return stream.Outcome{}, err
			}
			return stream.Outcome{State: stream.Authenticated | stream.Ready}, answer(c)
		},
	}
}

// answer waits for the empty element.
func answer(c *stream.Conn) error {
	_, el, err := c.Next()
	switch {
	case errors.Is(err, io.EOF):
		return stream.ErrPeerClosed
	case err != nil:
		return err
	case !el.Is(c.Sent().Content, local):
		return &stream.Error{Condition: stream.UnsupportedStanzaType, Text: "something else in place of the handshake"}
	}
	return nil
}

// Take is for the receiving side: find returns the secret, and accept is called when
// the other side has shown that it knows it; then the stream is ready. Errors end
// the stream.
func Take(content string, find func(ctx context.Context) (secret string, err error), accept func(ctx context.Context,
	c *stream.Conn) error) stream.Feature {
	return stream.Feature{
		Name: xml.Name{Space: content, Local: local}, Not: stream.Authenticated,
		Serve: func(ctx context.Context, c *stream.Conn, in stream.Incoming) (stream.Outcome, error) {
			secret, err := find(ctx)
			if err != nil {
				return stream.Outcome{}, err
			}
			if !Is(in.Element.Text(), c.Sent().ID, secret) {
				return stream.Outcome{}, &stream.Error{Condition: stream.NotAuthorized, Text: "the handshake is wrong"}
			}
			return stream.Outcome{State: stream.Authenticated | stream.Ready}, accept(ctx, c)
		},
	}
}

// Done is the answer of the receiving side.
const Done = "<handshake/>"

// IsLocal reports whether an address is on this machine: of the loopback network,
// or of something else than TCP, as a socket in the file system or a pipe.
func IsLocal(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return !ok || tcp.IP.IsLoopback()
}
