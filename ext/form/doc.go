// Package form implements data forms (XEP-0004), with the FORM_TYPE of
// XEP-0068.
//
// A [Data] is a form of any type: one to fill in, what was filled in, or a
// result. Who fills one in begins with [Data.Answer] and uses [Data.Set]; who
// gets the answer checks it against the form with [Data.Check], which says
// what is wrong in the words of a stanza error.
package form
