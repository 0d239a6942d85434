package vcard4

import (
	"encoding/base64"
	"net/url"
	"strings"
	"time"

	"github.com/etherx-go/xmpp/vcard"
)

// The forms of RFC 6351, Appendix A, which are the short ones of ISO 8601, and
// those of vcard-temp.
const (
	layoutDate  = "20060102"
	layoutTime  = "20060102T150405Z0700"
	layoutStamp = "20060102T150405Z"

	layoutTempDate = "2006-01-02"
	layoutTempTime = "2006-01-02T15:04:05Z07:00"
)

// RevisedAt returns the time in Revision, and whether there is one that can be
// read.
func (c *Card) RevisedAt() (time.Time, bool) { return (&vcard.Card{Revised: c.Revision}).RevisedAt() }

// BornOn returns the day in Birthday, as its midnight in UTC, and whether there
// is one that can be read: with a year, a month and a day.
func (c *Card) BornOn() (time.Time, bool) {
	return (&vcard.Card{Birthday: c.Birthday.String()}).BornOn()
}

// dateValue returns a date or date-time of vcard-temp as a value: a text, if it is
// neither.
func dateValue(s string) Value {
	s = strings.TrimSpace(s)
	for _, form := range []struct{ temp, typ, layout string }{
		{layoutTempDate, "date", layoutDate}, {layoutDate, "date", layoutDate},
		{layoutTempTime, "date-time", layoutTime}, {layoutTime, "date-time", layoutTime},
	} {
		if t, err := time.Parse(form.temp, s); err == nil {
			return Value{Type: form.typ, Values: []string{t.Format(form.layout)}}
		}
	}
	return Text(s)
}

// tempDate returns a date as vcard-temp has it; what it cannot express, as it is.
func tempDate(v *Value) string {
	s := v.String()
	if t, err := time.Parse(layoutDate, s); err == nil {
		return t.Format(layoutTempDate)
	}
	return tempStamp(s)
}

func tempStamp(s string) string {
	if t, err := time.Parse(layoutTime, s); err == nil {
		return t.Format(layoutTempTime)
	}
	return s
}

// zoneValue returns the zone as an offset, if it is one, or as a text.
func zoneValue(t *vcard.Card) Value {
	zone, ok := t.Zone()
	if !ok {
		return Text(t.TimeZone)
	}
	return Value{Type: "utc-offset", Values: []string{time.Time{}.In(zone).Format("-0700")}}
}

func tempZone(v *Value) string {
	if v.Type == "utc-offset" {
		if zone, ok := (&vcard.Card{TimeZone: v.String()}).Zone(); ok {
			return time.Time{}.In(zone).Format("-07:00")
		}
	}
	return v.String()
}

// DataURI returns a URI that is the data itself (RFC 2397).
func DataURI(contentType string, data []byte) string {
	return "data:" + contentType + ";base64," + base64.StdEncoding.EncodeToString(data)
}

// ParseDataURI returns what a URI of RFC 2397 holds. ok is false for every other
// URI.
func ParseDataURI(uri string) (contentType string, data []byte, ok bool) {
	if len(uri) < 5 || !strings.EqualFold(uri[:5], "data:") {
		return "", nil, false
	}
	head, body, ok := strings.Cut(uri[5:], ",")
	if !ok {
		return "", nil, false
	}
	plain, err := url.PathUnescape(body)
	if err != nil {
		return "", nil, false
	}
	if h, isBase64 := strings.CutSuffix(head, ";base64"); isBase64 {
		data, err = base64.StdEncoding.DecodeString(strings.Join(strings.Fields(plain), ""))
		return h, data, err == nil
	}
	return head, []byte(plain), true
}
