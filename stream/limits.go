package stream

import (
	"encoding/xml"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/etherx-go/xmpp/stanza"
)

// NSLimits is the namespace of the Stream Limits Advertisement (XEP-0478).
const NSLimits = "urn:xmpp:stream-limits:0"

var limitsName = xml.Name{Space: NSLimits, Local: "limits"}

// Limits are what a peer that answers a stream takes on it (XEP-0478). Zero values say
// that it has not told.
type Limits struct {
	// MaxBytes is the size of the largest first-level element.
	MaxBytes int
	// Idle is after what time without anything from the other side it may take the
	// stream for dead, and close it.
	Idle time.Duration
}

// OfferLimits is the feature by which the receiving side tells what it takes: what its
// [Config] says for a peer that is, or is not, authenticated, and idle, if it is not 0.
func OfferLimits(idle time.Duration) Feature {
	return Feature{Name: limitsName, Offer: func(c *Conn, dst []byte) []byte {
		l := Limits{MaxBytes: c.cfg.MaxUnauthenticated, Idle: idle}
		if c.State()&Authenticated != 0 {
			l.MaxBytes = c.cfg.MaxStanza
		}
		return l.appendXML(dst)
	}}
}

// Limits returns what the peer takes, as it has told with the last features that it sent;
// in a session that was resumed with the authentication, which no features follow, what
// held there. It is for the initiator, once the stream has been negotiated.
func (c *Conn) Limits() Limits { return c.peerLimits }

// appendXML appends the element, nothing for the zero value.
func (l Limits) appendXML(dst []byte) []byte {
	if l.MaxBytes <= 0 && l.Idle < time.Second {
		return dst
	}
	dst = append(dst, "<limits xmlns='"+NSLimits+"'>"...)
	if l.MaxBytes > 0 {
		dst = stanza.AppendTextElement(dst, "max-bytes", strconv.Itoa(l.MaxBytes))
	}
	if l.Idle >= time.Second {
		dst = stanza.AppendTextElement(dst, "idle-seconds", strconv.FormatInt(int64(l.Idle/time.Second), 10))
	}
	return append(dst, "</limits>"...)
}

// parseLimits reads the limits among what is offered. A number that is none is passed
// over.
func parseLimits(offered []stanza.Element) (l Limits) {
	for _, el := range offered {
		if el.Name() != limitsName {
			continue
		}
		number := func(local string) int64 {
			n, err := strconv.ParseUint(strings.TrimSpace(el.ChildText(NSLimits, local)), 10, 32)
			if err != nil {
				return 0
			}
			return int64(n)
		}
		l.MaxBytes = int(min(number("max-bytes"), math.MaxInt32))
		l.Idle = time.Duration(number("idle-seconds")) * time.Second
	}
	return l
}
