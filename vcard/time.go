package vcard

import (
	"strings"
	"time"
)

// The forms of ISO 8601 in which cards have dates and times.
var (
	layoutsDate = []string{"2006-01-02", "20060102"}
	layoutsTime = []string{
		"2006-01-02T15:04:05Z07:00", "20060102T150405Z07:00", "2006-01-02T15:04:05", "20060102T150405",
	}
	layoutsZone = []string{"Z07:00", "Z0700", "Z07"}
)

func parseTime(s string, layouts ...[]string) (time.Time, bool) {
	s = strings.TrimSpace(s)
	for _, list := range layouts {
		for _, l := range list {
			if t, err := time.Parse(l, s); err == nil {
				return t, true
			}
		}
	}
	return time.Time{}, false
}

// BornOn returns the day in Birthday, as its midnight in UTC, and whether there
// is one that can be read.
func (c *Card) BornOn() (time.Time, bool) {
	t, ok := parseTime(c.Birthday, layoutsDate, layoutsTime)
	if !ok {
		return t, false
	}
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC), true
}

// RevisedAt returns the time in Revised, and whether there is one that can be
// read. A time without zone is in UTC.
func (c *Card) RevisedAt() (time.Time, bool) { return parseTime(c.Revised, layoutsTime, layoutsDate) }

// Zone returns the zone in TimeZone, and whether there is one that can be read.
func (c *Card) Zone() (*time.Location, bool) {
	t, ok := parseTime(c.TimeZone, layoutsZone)
	if !ok {
		return nil, false
	}
	_, offset := t.Zone()
	return time.FixedZone("", offset), true
}
