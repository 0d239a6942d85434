// Package entitytime implements entity time (XEP-0202): what time it is where
// somebody is, and how far its clock is off. The package iqtime, in legacy/time,
// has the older form of the same.
package entitytime

import (
	"context"
	"encoding/xml"
	"errors"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/datetime"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// NS is the namespace, which is also the feature for service discovery
// (XEP-0202, section 4).
const NS = "urn:xmpp:time"

// Time is the element <time/>: a time, and by its zone the offset from UTC. The
// zero Time asks.
type Time struct{ time.Time }

// XMLName returns the name of the element.
func (Time) XMLName() xml.Name { return xml.Name{Space: NS, Local: "time"} }

// AppendXML appends the element.
func (t Time) AppendXML(dst []byte) ([]byte, error) {
	dst = append(dst, "<time xmlns='"+NS+"'"...)
	if t.IsZero() {
		return append(dst, "/>"...), nil
	}
	_, offset := t.Zone()
	dst = append(append(dst, "><tzo>"...), datetime.FormatOffset(time.Duration(offset)*time.Second)...)
	dst = datetime.Append(append(dst, "</tzo><utc>"...), t.Time)
	return append(dst, "</utc></time>"...), nil
}

// ParseXML reads the element. There must be both a time and an offset, or
// neither. The error is a [*datetime.Error].
func (t *Time) ParseXML(e stanza.Element) error {
	*t = Time{}
	tzo, utc := e.Child(NS, "tzo"), e.Child(NS, "utc")
	if tzo.IsZero() && utc.IsZero() {
		return nil
	}
	at, err := datetime.Parse(utc.Text())
	if err != nil {
		return err
	}
	offset, err := datetime.ParseOffset(tzo.Text())
	if err != nil {
		return err
	}
	zone := time.UTC
	if offset != 0 {
		zone = time.FixedZone("", int(offset/time.Second))
	}
	t.Time = at.In(zone)
	return nil
}

// ErrNoAnswer is returned for a result without an answer in it.
var ErrNoAnswer = errors.New("entitytime: the result has no answer")

// Get asks the address to what time it is there. The result is in a zone with
// the offset that is given. An error reply is returned as a *stanza.Error.
func Get(ctx context.Context, s xmpp.Sender, to jid.JID) (time.Time, error) {
	t, err := xmpp.Call[Time](ctx, s, stanza.TypeGet, to, Time{})
	if err == nil && t.IsZero() {
		err = ErrNoAnswer
	}
	return t.Time, err
}

// Skew is how far a clock is off.
type Skew struct {
	// Offset is what has to be added to the own clock to get the other one.
	Offset time.Duration
	// Error is by how much Offset may be wrong, to both sides: the half of the
	// time that asking took, and of the second if the answer was in whole
	// seconds.
	Error time.Duration
}

// GetSkew asks the address to for the time, and compares it with the own clock.
// It takes for granted that the answer was given in the middle of the time that
// asking took.
func GetSkew(ctx context.Context, s xmpp.Sender, to jid.JID) (Skew, error) {
	sent := time.Now()
	t, err := Get(ctx, s, to)
	took := time.Since(sent)
	if err != nil {
		return Skew{}, err
	}
	unit := time.Millisecond
	if t.Nanosecond() == 0 {
		unit = time.Second // more likely than that it was so exact
	}
	// The clock of the answer was cut off, by half a unit on average.
	return Skew{t.Add(unit / 2).Sub(sent.Add(took / 2)), (took + unit) / 2}, nil
}

// Extension answers, for clients, components and servers. A server does so for
// its domains, not for accounts.
type Extension struct {
	// Location is where the host is. Default UTC: the offset "may leak limited
	// information about the entity's current location" (XEP-0202, section 6).
	Location *time.Location
}

// Attach adds the handlers. To try and set the time is a bad request.
func (e *Extension) Attach(h xmpp.Host) error {
	location := e.Location
	if location == nil {
		location = time.UTC
	}
	xmpp.HandleIQ(h.Mux(), stanza.TypeGet, func(_ context.Context, r xmpp.Request[Time]) (any, error) {
		if h.IsServer() && !r.To.IsDomain() {
			return nil, stanza.ServiceUnavailable
		}
		return Time{time.Now().In(location)}, nil
	})
	xmpp.HandleIQ(h.Mux(), stanza.TypeSet, func(context.Context, xmpp.Request[Time]) (any, error) {
		return nil, stanza.NewError(stanza.BadRequest, "the time cannot be set")
	})
	return nil
}

// Features returns [NS].
func (e *Extension) Features(jid.JID) []string { return []string{NS} }
