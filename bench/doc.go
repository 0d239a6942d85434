// Package bench measures the XML codec of the SDK beside others on the same stream,
// in the same process and the same minutes: figures of different machines, or of one
// machine on different days, can only be compared as ratios.
//
//	go run ./cmd/codec              # a table, medians over interleaved rounds
//	go test -bench . -cpu 1         # the same rows as Go benchmarks
//
// The streams come from the package corpus. They are handed out in pieces of at most
// 16 KiB by a reader that hides everything else, as a TLS connection does.
package bench

import "io"

// Piece is how many bytes a read of [Pieces] gives at most: a TLS record.
const Piece = 16 << 10

// Pieces reads data in pieces of at most [Piece] bytes. It has no methods but Read,
// so that no parser can look behind it.
type Pieces struct{ data []byte }

// NewPieces returns a reader of data.
func NewPieces(data []byte) *Pieces { return &Pieces{data} }

// Read implements io.Reader.
func (p *Pieces) Read(b []byte) (int, error) {
	if len(p.data) == 0 {
		return 0, io.EOF
	}
	n := copy(b[:min(len(b), Piece)], p.data)
	p.data = p.data[n:]
	return n, nil
}
