package datetime

import (
	"fmt"
	"time"
)

const (
	layoutDate     = "2006-01-02"
	layoutDateTime = "2006-01-02T15:04:05"
	layoutLegacy   = "20060102T15:04:05"
)

// maxOffset is the largest offset from UTC that XML Schema has (part 2, section
// 3.2.7.3), and so XEP-0082.
const maxOffset = 14 * time.Hour

// Format writes a moment in the DateTime profile (XEP-0082, section 3.2), in
// UTC: "1969-07-21T02:56:15Z". Milliseconds are written if there are any;
// what is finer is cut off.
func Format(t time.Time) string { return string(Append(nil, t)) }

// Append appends what [Format] returns.
func Append(dst []byte, t time.Time) []byte {
	t = t.UTC()
	dst = t.AppendFormat(dst, layoutDateTime)
	return append(appendMillis(dst, t.Nanosecond()), 'Z')
}

// FormatDate writes the day that it is at t in its location, in the Date
// profile (XEP-0082, section 3.1): "1776-07-04".
func FormatDate(t time.Time) string { return t.Format(layoutDate) }

// FormatTime writes a time of day in the Time profile (XEP-0082, section 3.3),
// without a zone, which is optional there and can be added by [FormatOffset]:
// "16:00:00". Days are left out, and what is finer than milliseconds.
func FormatTime(sinceMidnight time.Duration) string {
	const day = 24 * time.Hour
	d := (sinceMidnight%day + day) % day
	dst := fmt.Appendf(nil, "%02d:%02d:%02d", d/time.Hour, d/time.Minute%60, d/time.Second%60)
	return string(appendMillis(dst, int(d%time.Second)))
}

// FormatOffset writes an offset from UTC, positive to the east of it, as the
// TZD of XEP-0082, section 2.1: "-06:00". Seconds are left out; what is beyond
// 14 hours becomes 14 hours, the largest that there is.
func FormatOffset(d time.Duration) string {
	sign := '+'
	if d < 0 {
		sign, d = '-', -max(d, -maxOffset)
	}
	d = min(d, maxOffset)
	if d < time.Minute {
		sign = '+'
	}
	return fmt.Sprintf("%c%02d:%02d", sign, d/time.Hour, d/time.Minute%60)
}

// FormatLegacy writes a moment as the protocols do that are older than
// XEP-0082 (its section 4), in UTC and without a zone: "20020910T17:58:35".
func FormatLegacy(t time.Time) string { return t.UTC().Format(layoutLegacy) }

// appendMillis appends the milliseconds of ns, if there are any.
func appendMillis(dst []byte, ns int) []byte {
	if ms := ns / int(time.Millisecond); ms > 0 {
		return fmt.Appendf(dst, ".%03d", ms)
	}
	return dst
}
