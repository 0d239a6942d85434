// Package simulation runs a server and its clients in one process on a network that
// breaks, and counts: every message that was taken arrives once, in order, at each
// client that reads its archive, and at one client of an account whose clients do not, at
// none of them twice in a session; every device has the roster that the server has; and
// nothing is left when all have gone. What goes wrong is chosen by a seed: connections
// that break after any byte, or die without a word, delays, slow readers, a network
// that leads nowhere, devices that are switched off, programs that die with their
// connection, a server that stops and starts again in order, or is killed.
//
//	go test ./internal/simulation -runs 10000
//	go test ./internal/simulation -seed 4711 -v
//	go test ./internal/simulation -run TestFaults -faults -v
//
// The last of them shows that it finds what is wrong: it puts faults into the program,
// one by one, in counters, in what is sent again and in how stored messages are handed
// over, and wants each of them found within 200 runs.
//
// A seed chooses the same faults each time; what goroutines do at the same moment is
// left to chance.
package simulation
