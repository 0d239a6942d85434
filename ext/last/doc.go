// Package last implements last activity (XEP-0012): how long ago a user was
// there, how long one who is there has been idle, how long a server has been
// running.
//
// The three are asked for in the same way, and it is the address that is asked
// which says what the answer means; see [Get].
package last
