package datetime

import (
	"fmt"
	"strings"
	"time"
)

// Error reports what is not a date or time of the wanted form.
type Error struct {
	Profile string // the form: "DateTime", "Date", "Time", "TZD", "legacy"
	Value   string // what was to be parsed
}

// Error gives the form and the value, shortened if it is long.
func (e *Error) Error() string {
	v := e.Value
	if len(v) > 40 {
		v = v[:40] + "..."
	}
	return fmt.Sprintf("datetime: %q is not in the form %s of XEP-0082", v, e.Profile)
}

// Parse reads a moment in the DateTime profile (XEP-0082, section 3.2):
// CCYY-MM-DDThh:mm:ss[.sss]TZD. White space around it is ignored, as XML Schema
// says; of the fraction nine digits count. The result is in UTC, or in a zone
// with the offset that is given. The error is an [*Error].
func Parse(s string) (time.Time, error) {
	p := parser{s: trim(s)}
	t := p.dateTime(true)
	zone := p.zone()
	if zone == nil || !p.done() {
		return time.Time{}, &Error{"DateTime", s}
	}
	return t.in(zone), nil
}

// ParseDate reads a day in the Date profile (XEP-0082, section 3.1):
// CCYY-MM-DD. The result is its midnight in UTC, or in the zone that XML Schema
// allows behind it. The error is an [*Error].
func ParseDate(s string) (time.Time, error) {
	p := parser{s: trim(s)}
	var t moment
	p.date(&t, true)
	zone := p.zone()
	if !p.done() {
		return time.Time{}, &Error{"Date", s}
	}
	return t.in(zone), nil
}

// ParseTime reads a time of day in the Time profile (XEP-0082, section 3.3):
// hh:mm:ss[.sss][TZD]. zone is nil if none is given. The error is an [*Error].
func ParseTime(s string) (sinceMidnight time.Duration, zone *time.Location, err error) {
	p := parser{s: trim(s)}
	var t moment
	p.clock(&t)
	zone = p.zone()
	if !p.done() {
		return 0, nil, &Error{"Time", s}
	}
	d := time.Duration(t.hour%24)*time.Hour + time.Duration(t.min)*time.Minute + time.Duration(t.sec)*time.Second
	return d + time.Duration(t.nsec), zone, nil
}

// ParseOffset reads a TZD (XEP-0082, section 2.1), "Z" or "(+|-)hh:mm", as the
// offset from UTC, positive to the east of it. The error is an [*Error].
func ParseOffset(s string) (time.Duration, error) {
	p := parser{s: trim(s)}
	d := p.offset()
	if !p.done() {
		return 0, &Error{"TZD", s}
	}
	return d, nil
}

// ParseLegacy reads a moment in the form of the old protocols,
// CCYYMMDDThh:mm:ss, or that of [Parse]: "applications receiving data in those
// namespaces SHOULD be liberal in what they accept" (XEP-0082, section 4).
// Either may have a zone or not, which stands for UTC, and a fraction. The
// error is an [*Error].
func ParseLegacy(s string) (time.Time, error) {
	p := parser{s: trim(s)}
	t := p.dateTime(len(p.s) > 4 && p.s[4] == '-')
	zone := p.zone()
	if !p.done() {
		return time.Time{}, &Error{"legacy", s}
	}
	return t.in(zone), nil
}

// trim takes away the white space that XML Schema collapses.
func trim(s string) string { return strings.Trim(s, " \t\r\n") }

// moment is a date and a time of day in the fields of the profiles.
type moment struct {
	year, month, day     int
	hour, min, sec, nsec int
}

// in returns the moment as it is in the zone, nil standing for UTC.
func (m moment) in(zone *time.Location) time.Time {
	if zone == nil {
		zone = time.UTC
	}
	return time.Date(m.year, time.Month(m.month), m.day, m.hour, m.min, m.sec, m.nsec, zone)
}

// parser reads from the front of s, until something is not as it has to be.
type parser struct {
	s      string
	failed bool
}

// done reports whether everything was read, and was right.
func (p *parser) done() bool { return !p.failed && p.s == "" }

// is takes c, if it comes next.
func (p *parser) is(c byte) bool {
	if p.s == "" || p.s[0] != c {
		return false
	}
	p.s = p.s[1:]
	return true
}

// want takes c, which has to come next.
func (p *parser) want(c byte) {
	if !p.is(c) {
		p.failed = true
	}
}

// number takes n digits, whose value is from lo to hi.
func (p *parser) number(n, lo, hi int) (v int) {
	if len(p.s) < n {
		p.failed = true
		return lo
	}
	for i := range n {
		c := p.s[i]
		if c < '0' || c > '9' {
			p.failed = true
			return lo
		}
		v = 10*v + int(c-'0')
	}
	p.s = p.s[n:]
	if v < lo || v > hi {
		p.failed = true
		return lo
	}
	return v
}

// dateTime takes a date, extended or not, and a time of day.
func (p *parser) dateTime(extended bool) (m moment) {
	p.date(&m, extended)
	p.want('T')
	p.clock(&m)
	return m
}

// date takes a date, with hyphens if it is extended.
func (p *parser) date(m *moment, extended bool) {
	m.year = p.number(4, 1, 9999) // there is no year 0 (XML Schema, part 2, section 3.2.7)
	if extended {
		p.want('-')
	}
	m.month = p.number(2, 1, 12)
	if extended {
		p.want('-')
	}
	m.day = p.number(2, 1, daysIn(m.year, m.month))
}

// daysIn returns how many days the month has.
func daysIn(year, month int) int {
	return time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// clock takes a time of day. 24:00:00 is the end of the day (XML Schema, part
// 2, section 3.2.7.1).
func (p *parser) clock(m *moment) {
	m.hour = p.number(2, 0, 24)
	p.want(':')
	m.min = p.number(2, 0, 59)
	p.want(':')
	m.sec = p.number(2, 0, 59)
	if p.is('.') {
		m.nsec = p.fraction()
	}
	if m.hour == 24 && m.min+m.sec+m.nsec > 0 {
		p.failed = true
	}
}

// fraction takes one digit or more and returns the nanoseconds; digits behind
// the ninth do not count.
func (p *parser) fraction() (ns int) {
	i := 0
	for unit := int(time.Second) / 10; i < len(p.s) && '0' <= p.s[i] && p.s[i] <= '9'; i++ {
		ns += unit * int(p.s[i]-'0')
		unit /= 10
	}
	if i == 0 {
		p.failed = true
	}
	p.s = p.s[i:]
	return ns
}

// zone takes what is left as a TZD; nil if nothing is.
func (p *parser) zone() *time.Location {
	if p.s == "" {
		return nil
	}
	d := p.offset()
	if d == 0 {
		return time.UTC
	}
	return time.FixedZone("", int(d/time.Second))
}

// offset takes a TZD.
func (p *parser) offset() (d time.Duration) {
	if p.is('Z') {
		return 0
	}
	east := p.is('+')
	if !east {
		p.want('-')
	}
	d = time.Duration(p.number(2, 0, 14)) * time.Hour
	p.want(':')
	d += time.Duration(p.number(2, 0, 59)) * time.Minute
	if d > maxOffset {
		p.failed = true
	}
	if !east {
		d = -d
	}
	return d
}
