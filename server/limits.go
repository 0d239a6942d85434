package server

import (
	"strconv"
	"time"

	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

// offerLimits says what is taken on a stream (XEP-0478). It is what holds once the
// other server is authenticated: with dialback there are no features afterwards.
func (f *federation) offerLimits() stream.Feature {
	return stream.Feature{Name: limitsFeature,
		Offer: func(_ *stream.Conn, dst []byte) []byte { return f.appendLimits(dst) }}
}

func (f *federation) appendLimits(dst []byte) []byte {
	dst = append(dst, "<limits xmlns='"+nsLimits+"'>"...)
	if n := f.maxStanza(); n > 0 {
		dst = stanza.AppendTextElement(dst, "max-bytes", strconv.Itoa(n))
	}
	if t := f.cfg.IdleTimeout; t >= time.Second {
		dst = stanza.AppendTextElement(dst, "idle-seconds", strconv.Itoa(int(t/time.Second)))
	}
	return append(dst, "</limits>"...)
}

func (f *federation) maxStanza() int {
	if f.stream.MaxStanza == 0 {
		return stream.DefaultMaxStanza
	}
	return f.stream.MaxStanza
}

// takeLimits reads what the other server takes, from its <limits/> or from what has
// one inside. Numbers that are none are passed over.
func (p *peer) takeLimits(el stanza.Element) {
	if !el.Is(nsLimits, "limits") {
		for ch := range el.Children() {
			if ch.Is(nsLimits, "limits") {
				p.takeLimits(ch)
			}
		}
		return
	}
	for ch := range el.Children() {
		n, err := strconv.ParseUint(ch.Text(), 10, 31)
		if err == nil && ch.Is(nsLimits, "max-bytes") {
			p.maxBytes = int(n)
		}
	}
}
