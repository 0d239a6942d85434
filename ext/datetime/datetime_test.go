package datetime

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func at(y int, m time.Month, d, h, min, s, ns int) time.Time {
	return time.Date(y, m, d, h, min, s, ns, time.UTC)
}

// TestParse reads the DateTime profile: the examples of XEP-0082, the edges,
// and what is wrong.
func TestParse(t *testing.T) {
	for _, tt := range []struct {
		in     string
		want   time.Time // zero: an error
		offset time.Duration
	}{
		{"1969-07-21T02:56:15Z", at(1969, 7, 21, 2, 56, 15, 0), 0},
		{"1969-07-20T21:56:15-05:00", at(1969, 7, 21, 2, 56, 15, 0), -5 * time.Hour},
		{"2002-09-10T23:08:25.123Z", at(2002, 9, 10, 23, 8, 25, 123e6), 0},
		{"2002-09-10T23:08:25.1234567891234Z", at(2002, 9, 10, 23, 8, 25, 123456789), 0},
		{"2002-09-10T23:08:25.000+05:45", at(2002, 9, 10, 17, 23, 25, 0), 5*time.Hour + 45*time.Minute},
		{"2002-09-10T23:08:25-00:00", at(2002, 9, 10, 23, 8, 25, 0), 0},
		{"2002-09-10T23:08:25+14:00", at(2002, 9, 10, 9, 8, 25, 0), 14 * time.Hour},
		{" \n2002-09-10T23:08:25Z\t", at(2002, 9, 10, 23, 8, 25, 0), 0},
		{"2004-02-29T00:00:00Z", at(2004, 2, 29, 0, 0, 0, 0), 0},
		{"2004-12-31T24:00:00.0Z", at(2005, 1, 1, 0, 0, 0, 0), 0},
		{"0001-01-01T00:00:01Z", at(1, 1, 1, 0, 0, 1, 0), 0},
		{in: ""}, {in: "now"}, {in: "2002-09-10"},
		{in: "2002-09-10T23:08:25"}, // the zone is mandatory
		{in: "20020910T23:08:25Z"},
		{in: "2002-09-10t23:08:25z"},
		{in: "2002-09-10 23:08:25Z"},
		{in: "2002-09-10T23:08:25.Z"},
		{in: "2002-09-10T23:08:25,5Z"},
		{in: "2002-09-10T23:08Z"},
		{in: "2002-9-10T23:08:25Z"},
		{in: "2003-02-29T00:00:00Z"},
		{in: "2002-13-10T23:08:25Z"},
		{in: "2002-00-10T23:08:25Z"},
		{in: "2002-09-00T23:08:25Z"},
		{in: "0000-09-10T23:08:25Z"},
		{in: "2002-09-10T24:00:01Z"},
		{in: "2002-09-10T24:00:00.001Z"},
		{in: "2002-09-10T25:00:00Z"},
		{in: "2002-09-10T23:60:25Z"},
		{in: "2002-09-10T23:08:60Z"},
		{in: "2002-09-10T23:08:25+14:01"},
		{in: "2002-09-10T23:08:25+15:00"},
		{in: "2002-09-10T23:08:25+05"},
		{in: "2002-09-10T23:08:25 05:00"},
		{in: "2002-09-10T23:08:25+05:0x"},
		{in: "2002-09-10T23:08:25ZZ"},
		{in: "12002-09-10T23:08:25Z"},
		{in: "-2002-09-10T23:08:25Z"},
		{in: "2002-09-10T23:08:2\xff"},
	} {
		got, err := Parse(tt.in)
		if tt.want.IsZero() {
			if e := new(Error); !errors.As(err, &e) || e.Profile != "DateTime" || e.Value != tt.in || !got.IsZero() {
				t.Errorf("%q: got %v, %v", tt.in, got, err)
			}
			continue
		}
		_, offset := got.Zone()
		if err != nil || !got.Equal(tt.want) || time.Duration(offset)*time.Second != tt.offset {
			t.Errorf("%q: got %v, %v; want %v", tt.in, got, err, tt.want)
		}
	}
}

// TestReq_GUIDE_11_utc_1 reads and writes the form of the old protocols, which
// XEP-0082, section 4, keeps for them: "GUIDE-11-utc-1".
func TestReq_GUIDE_11_utc_1(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want time.Time
	}{
		{"20020910T17:58:35", at(2002, 9, 10, 17, 58, 35, 0)},
		{"20000106T06:35:29", at(2000, 1, 6, 6, 35, 29, 0)},
		{"20020910T17:58:35Z", at(2002, 9, 10, 17, 58, 35, 0)},
		{"20020910T17:58:35.5", at(2002, 9, 10, 17, 58, 35, 5e8)},
		{"2002-09-10T17:58:35", at(2002, 9, 10, 17, 58, 35, 0)},
		{"2002-09-10T17:58:35Z", at(2002, 9, 10, 17, 58, 35, 0)},
		{" 2002-09-10T12:58:35-05:00 ", at(2002, 9, 10, 17, 58, 35, 0)},
		{in: ""}, {in: "2002"}, {in: "20020931T17:58:35"}, {in: "2002-0910T17:58:35"}, {in: "20020910T175835"},
		{in: "20020910T17:58:35 MDT"},
	} {
		got, err := ParseLegacy(tt.in)
		if e := new(Error); tt.want.IsZero() && (!errors.As(err, &e) || e.Profile != "legacy") {
			t.Errorf("%q: got %v, %v", tt.in, got, err)
		}
		if !got.Equal(tt.want) || err != nil != tt.want.IsZero() {
			t.Errorf("%q: got %v, %v; want %v", tt.in, got, err, tt.want)
		}
	}
	if got := FormatLegacy(time.Date(2002, 9, 10, 12, 58, 35, 999, time.FixedZone("CDT", -5*3600))); got != "20020910T17:58:35" {
		t.Error(got)
	}
}

func TestFormat(t *testing.T) {
	for _, tt := range []struct {
		in   time.Time
		want string
	}{
		{at(1969, 7, 21, 2, 56, 15, 0), "1969-07-21T02:56:15Z"},
		{time.Date(1969, 7, 20, 21, 56, 15, 0, time.FixedZone("", -5*3600)), "1969-07-21T02:56:15Z"},
		{at(2002, 9, 10, 23, 8, 25, 123456789), "2002-09-10T23:08:25.123Z"},
		{at(2002, 9, 10, 23, 8, 25, 7e6), "2002-09-10T23:08:25.007Z"},
		{at(2002, 9, 10, 23, 8, 25, 999), "2002-09-10T23:08:25Z"},
	} {
		if got := Format(tt.in); got != tt.want {
			t.Errorf("got %s, want %s", got, tt.want)
		}
		if back, err := Parse(tt.want); err != nil || !back.Equal(tt.in.Truncate(time.Millisecond)) {
			t.Errorf("%s: %v, %v", tt.want, back, err)
		}
	}
	if got := string(Append([]byte("x"), at(2000, 1, 1, 0, 0, 0, 0))); got != "x2000-01-01T00:00:00Z" {
		t.Error(got)
	}
}

func TestDate(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want time.Time
	}{
		{"1776-07-04", at(1776, 7, 4, 0, 0, 0, 0)},
		{"1776-07-04Z", at(1776, 7, 4, 0, 0, 0, 0)},
		{"1776-07-04-05:00", at(1776, 7, 4, 5, 0, 0, 0)},
		{in: "1776-02-30"}, {in: "17760704"}, {in: "1776-07-04T00:00:00Z"}, {in: "1776-07-04x"}, {in: "1776"},
	} {
		got, err := ParseDate(tt.in)
		if !got.Equal(tt.want) || err != nil != tt.want.IsZero() {
			t.Errorf("%q: got %v, %v; want %v", tt.in, got, err, tt.want)
		}
	}
	if got := FormatDate(time.Date(1776, 7, 4, 23, 0, 0, 0, time.FixedZone("", -5*3600))); got != "1776-07-04" {
		t.Error(got)
	}
}

func TestTime(t *testing.T) {
	const tea = 16 * time.Hour
	for _, tt := range []struct {
		in   string
		want time.Duration // -1: an error
		zone string        // "-": none
	}{
		{"16:00:00", tea, "-"},
		{"16:00:00.25", tea + 250*time.Millisecond, "-"},
		{"16:00:00Z", tea, "+00:00"},
		{"16:00:00+07:00", tea, "+07:00"},
		{"24:00:00", 0, "-"},
		{"", -1, ""}, {"16:00", -1, ""}, {"16:00:00 ", tea, "-"}, {"4:00:00", -1, ""}, {"16:00:00+7", -1, ""},
	} {
		got, zone, err := ParseTime(tt.in)
		if tt.want < 0 {
			if err == nil {
				t.Errorf("%q: got %v, %v", tt.in, got, zone)
			}
			continue
		}
		z := "-"
		if zone != nil {
			_, offset := at(2000, 1, 1, 0, 0, 0, 0).In(zone).Zone()
			z = FormatOffset(time.Duration(offset) * time.Second)
		}
		if err != nil || got != tt.want || z != tt.zone {
			t.Errorf("%q: got %v, %v, %v; want %v, %v", tt.in, got, z, err, tt.want, tt.zone)
		}
	}
	for d, want := range map[time.Duration]string{
		tea:                               "16:00:00",
		tea + 1500*time.Millisecond:       "16:00:01.500",
		24*time.Hour + 61*time.Second:     "00:01:01",
		-time.Hour - 999*time.Microsecond: "22:59:59.999",
	} {
		if got := FormatTime(d); got != want {
			t.Errorf("%v: got %s, want %s", d, got, want)
		}
	}
}

func TestOffset(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                               "+00:00",
		-6 * time.Hour:                  "-06:00",
		5*time.Hour + 45*time.Minute:    "+05:45",
		-(9*time.Hour + 30*time.Minute): "-09:30",
		-30 * time.Second:               "+00:00",
		time.Hour + 59*time.Second:      "+01:00",
		100 * time.Hour:                 "+14:00",
		-100 * time.Hour:                "-14:00",
		-1 << 63:                        "-14:00",
	} {
		if got := FormatOffset(d); got != want {
			t.Errorf("%v: got %s, want %s", d, got, want)
		}
	}
	for in, want := range map[string]time.Duration{"Z": 0, "+00:00": 0, "-06:00": -6 * time.Hour, " +05:45 ": 5*time.Hour + 45*time.Minute} {
		if got, err := ParseOffset(in); got != want || err != nil {
			t.Errorf("%q: got %v, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "z", "06:00", "+6:00", "+0600", "+06:60", "Z00:00", "-14:01"} {
		if got, err := ParseOffset(in); err == nil || got != 0 {
			t.Errorf("%q: got %v, %v", in, got, err)
		}
	}
}

func TestError(t *testing.T) {
	_, err := Parse(strings.Repeat("x", 1000))
	if len(err.Error()) > 120 || !strings.Contains(err.Error(), "DateTime") {
		t.Error(err)
	}
	if _, err := ParseDate("<"); err.Error() != `datetime: "<" is not in the form Date of XEP-0082` {
		t.Error(err)
	}
}

// FuzzParse: what is read can be written, and read again as the same; and Go's
// own parser agrees on what both take.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"1969-07-20T21:56:15-05:00", "2004-12-31T24:00:00.0Z", "20020910T17:58:35", "2002-09-10T23:08:25.123Z"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := Parse(s)
		if err == nil {
			if back, err := Parse(Format(got)); got.Year() > 0 && got.Year() < 9999 && (err != nil || !back.Equal(got.Truncate(time.Millisecond))) {
				t.Errorf("%q: %v, again %v, %v", s, got, back, err)
			}
			if std, err := time.Parse(time.RFC3339Nano, s); err == nil && !std.Equal(got) {
				t.Errorf("%q: %v, package time %v", s, got, std)
			}
			if old, err := ParseLegacy(s); err != nil || !old.Equal(got) {
				t.Errorf("%q: ParseLegacy: %v, %v", s, old, err)
			}
		}
		if got, err := ParseLegacy(s); err == nil && got.Year() > 0 && got.Year() < 9999 {
			if back, err := ParseLegacy(FormatLegacy(got)); err != nil || !back.Equal(got.Truncate(time.Second)) {
				t.Errorf("%q: %v, again %v, %v", s, got, back, err)
			}
		}
		if d, _, err := ParseTime(s); err == nil && (d < 0 || d >= 24*time.Hour) {
			t.Errorf("%q: %v", s, d)
		}
	})
}
