// Package datetime reads and writes the date and time profiles of XEP-0082, and
// the older form that jabber:x:delay and jabber:iq:time use.
//
// A moment is written in UTC: "The timezone specifier of an ISO 8601 encoded
// time can reveal a geographic location to some degree" (XEP-0082, section 6).
package datetime
