//go:build race

package server_test

// poolLoss is what the race detector adds to the allocations of a stanza: under
// it a sync.Pool loses some of what is put in.
const poolLoss = 0.5
