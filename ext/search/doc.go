// Package search implements Jabber Search, jabber:iq:search (XEP-0055, and
// chapter 9 of the Jabber Programmers Guide): looking for people in a directory.
//
// Who searches calls [Search], one question and one answer. [Gatherer] is for
// services of old that give their results in several pieces. [Enter] and [Leave]
// are for users who want to be found.
//
// [Service] answers, from a [Directory]. [Index] is one that users enter
// themselves into, and [VCards] feeds it from the cards that users have anyway.
package search
