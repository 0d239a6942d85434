package archive

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"time"
)

const (
	maxMillis  = 1<<48 - 1
	maxCounter = 1<<12 - 1
)

// NextID returns the id of a message that is archived at that time, behind the one
// with the id last in the same archive; "" if there was none. It is larger than
// last, as a string, whatever the clock says, if last was made by NextID too. See
// the documentation of the package about what it is made of.
func NextID(last string, at time.Time) string {
	var random [10]byte
	_, _ = rand.Read(random[:]) // it never fails
	millis := uint64(min(max(at.UnixMilli(), 0), maxMillis))
	counter := uint64(binary.BigEndian.Uint16(random[:])) & (maxCounter >> 1) // room to count on
	if m, c, ok := splitID(last); ok && m >= millis {
		millis, counter = m, c+1
		if counter > maxCounter {
			millis, counter = m+1, counter&(maxCounter>>1)
		}
	}
	return formatID(millis, counter, random[2:])
}

// formatID writes a UUID of version 7.
func formatID(millis, counter uint64, random []byte) string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], millis<<16|7<<12|counter)
	copy(b[8:], random)
	b[8] = b[8]&0x3f | 0x80
	s := make([]byte, 0, 36)
	for i, part := range [][]byte{b[:4], b[4:6], b[6:8], b[8:10], b[10:]} {
		if i > 0 {
			s = append(s, '-')
		}
		s = hex.AppendEncode(s, part)
	}
	return string(s)
}

// splitID returns what the order of an id depends on first; ok is false if it was
// not made by NextID.
func splitID(id string) (millis, counter uint64, ok bool) {
	if len(id) != 36 || id[8] != '-' || id[13] != '-' || id[18] != '-' || id[14] != '7' {
		return 0, 0, false
	}
	var b [8]byte
	if _, err := hex.Decode(b[:], []byte(id[:8]+id[9:13]+id[14:18])); err != nil {
		return 0, 0, false
	}
	n := binary.BigEndian.Uint64(b[:])
	return n >> 16, n & maxCounter, true
}

// IDFloor returns a string that is not larger than the id of any message that was
// archived at that time or later, and larger than those of before; as long as the
// clock did not go back. It is for stores that find messages by their time.
func IDFloor(at time.Time) string {
	return formatID(uint64(min(max(at.UnixMilli(), 0), maxMillis)), 0, nil)[:14]
}
