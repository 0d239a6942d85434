// Package caps implements entity capabilities: a short hash in presence stands
// for the identities and features of who sends it, so that only one of all who
// use the same software has to be asked (XEP-0115), and the same with better
// hashes (XEP-0390).
//
// An [Extension] tells what the own program can do. A [Cache] finds out what
// others can.
package caps
