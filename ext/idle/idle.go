// Package idle implements Last User Interaction in Presence (XEP-0319): a
// presence that says since when its user has not touched the device.
package idle

import (
	"encoding/xml"
	"time"

	"github.com/etherx-go/xmpp/ext/datetime"
	"github.com/etherx-go/xmpp/ext/internal/payload"
	"github.com/etherx-go/xmpp/stanza"
)

// NS is the namespace.
const NS = "urn:xmpp:idle:1"

// Idle says when the user was there last.
type Idle struct{ Since time.Time }

// XMLName returns the element's name.
func (Idle) XMLName() xml.Name { return xml.Name{Space: NS, Local: "idle"} }

// AppendXML appends the element; the time is written in UTC, so that it does not
// tell where the user is. The error is a bad-request if there is no time.
func (i Idle) AppendXML(dst []byte) ([]byte, error) {
	if i.Since.IsZero() {
		return nil, errNoTime()
	}
	dst = append(dst, "<idle xmlns='"+NS+"' since='"...)
	return append(datetime.Append(dst, i.Since), "'/>"...), nil
}

// ParseXML reads the element. The error is a bad-request if there is no time.
func (i *Idle) ParseXML(e stanza.Element) error {
	since, err := datetime.Parse(e.Attr("since"))
	since = since.UTC().Truncate(time.Millisecond)
	if err != nil || since.IsZero() || since.Year() < 1 || since.Year() > 9999 {
		return errNoTime()
	}
	i.Since = since
	return nil
}

func errNoTime() error { return stanza.NewError(stanza.BadRequest, "idle without a time") }

// Of returns when the user was there last of whom a presence is, and whether it
// says so; if not, he is there now (section 2.2). It takes a *stanza.Stanza or a
// *stanza.Presence of type available; others say nothing about it.
func Of(p interface {
	Stanza() (*stanza.Stanza, error)
}) (since time.Time, ok bool) {
	i, st, ok := payload.Of[Idle](p)
	if !ok || st.Kind != stanza.KindPresence || st.Type != stanza.TypeAvailable {
		return time.Time{}, false
	}
	return i.Since, true
}

// For returns how long the user has been away at the time now, 0 if he is there,
// also if the two clocks do not agree. p is as for [Of].
func For(p interface {
	Stanza() (*stanza.Stanza, error)
}, now time.Time) time.Duration {
	since, ok := Of(p)
	if !ok {
		return 0
	}
	return max(0, now.Sub(since))
}
