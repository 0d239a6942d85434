// Package iqtime implements legacy entity time, jabber:iq:time (XEP-0090, and
// chapter 9 of the Jabber Programmers Guide), for old peers. Others are asked by
// package entitytime.
package iqtime

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

// NS is the namespace, which is also the feature for service discovery.
const NS = "jabber:iq:time"

// Query is the element <query/>. The zero Query asks for the time.
type Query struct {
	UTC     time.Time
	TZ      string // the time zone, by any name
	Display string // the local time, for people
}

// XMLName returns the name of the element.
func (Query) XMLName() xml.Name { return xml.Name{Space: NS, Local: "query"} }

// AppendXML appends the element, with the time in the old form:
// "applications using 'jabber:iq:time' SHOULD use the old format" (XEP-0090,
// section 4).
func (q Query) AppendXML(dst []byte) ([]byte, error) {
	dst = append(dst, "<query xmlns='"+NS+"'"...)
	if q == (Query{}) {
		return append(dst, "/>"...), nil
	}
	dst = append(dst, '>')
	if !q.UTC.IsZero() {
		dst = stanza.AppendTextElement(dst, "utc", datetime.FormatLegacy(q.UTC))
	}
	if q.TZ != "" {
		dst = stanza.AppendTextElement(dst, "tz", q.TZ)
	}
	if q.Display != "" {
		dst = stanza.AppendTextElement(dst, "display", q.Display)
	}
	return append(dst, "</query>"...), nil
}

// ParseXML reads the element. The time may be in the old form or in that of
// XEP-0082; see [datetime.ParseLegacy]. The error is a [*datetime.Error].
func (q *Query) ParseXML(e stanza.Element) error {
	*q = Query{TZ: e.ChildText(NS, "tz"), Display: e.ChildText(NS, "display")}
	utc := e.Child(NS, "utc")
	if utc.IsZero() {
		return nil
	}
	t, err := datetime.ParseLegacy(utc.Text())
	if err != nil {
		return err
	}
	q.UTC = t.UTC()
	return nil
}

// ErrNoAnswer is returned for a result without a time in it.
var ErrNoAnswer = errors.New("iqtime: the result has no time")

// Get asks the address to for its time. An error reply is returned as a
// *stanza.Error.
func Get(ctx context.Context, s xmpp.Sender, to jid.JID) (Query, error) {
	q, err := xmpp.Call[Query](ctx, s, stanza.TypeGet, to, Query{})
	if err == nil && q.UTC.IsZero() {
		err = ErrNoAnswer
	}
	return q, err
}

// Extension answers, for clients, components and servers. A server does so for
// its domains, not for accounts.
type Extension struct {
	// Location is where the host is, which TZ and Display tell. Default UTC.
	Location *time.Location
}

// Attach adds the handlers. To try and set the time is a bad request.
func (e *Extension) Attach(h xmpp.Host) error {
	location := e.Location
	if location == nil {
		location = time.UTC
	}
	xmpp.HandleIQ(h.Mux(), stanza.TypeGet, func(_ context.Context, r xmpp.Request[Query]) (any, error) {
		if h.IsServer() && !r.To.IsDomain() {
			return nil, stanza.ServiceUnavailable
		}
		now := time.Now().In(location)
		zone, _ := now.Zone()
		return Query{UTC: now, TZ: zone, Display: now.Format(time.ANSIC)}, nil
	})
	xmpp.HandleIQ(h.Mux(), stanza.TypeSet, func(context.Context, xmpp.Request[Query]) (any, error) {
		return nil, stanza.NewError(stanza.BadRequest, "the time cannot be set")
	})
	return nil
}

// Features returns [NS].
func (e *Extension) Features(jid.JID) []string { return []string{NS} }
