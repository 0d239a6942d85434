// Package corpus generates XMPP streams to measure and to test with: always the
// same bytes for the same kind and size, modelled on what clients send today.
//
// The kind named [Mixed] is, by count, 70 % messages (8 % of them results of a
// message archive), 20 % presence, 8 % pings, errors and stream management, and
// 2 % large stanzas (OMEMO, service discovery, rosters, vCards). Per stanza that is
// 567 bytes, 6.9 elements, 11.3 attributes and half a reference; 3.4 % of the bytes
// are outside ASCII. Two of five stanzas are written with double quotes, the others
// with single ones.
package corpus

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"time"
)

// Header is what every stream begins with, Footer what it ends with. Neither counts
// as a stanza.
const (
	Header = "<?xml version='1.0'?>" +
		"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' " +
		"from='example.org' id='c2s-8f3b2a71' version='1.0' xml:lang='en'>"
	Footer = "</stream:stream>"
)

// Kind says what a stream is made of.
type Kind int

// The kinds. The number of each seeds its random source: keep the order.
const (
	Chat     Kind = iota + 1 // chat lines, group chat, chat states, receipts, markers
	Presence                 // with entity capabilities, some from rooms
	Roster                   // roster results of 200 contacts
	Archive                  // archive results (XEP-0313), each around a chat line
	OMEMO                    // encrypted messages and device bundles
	Disco                    // service discovery results of 60 features
	Ping                     // pings, results, errors, stream management
	VCard                    // vCards with a photo of 40 KiB
	Mixed                    // all of them, as a server sees them
)

// Kinds lists all kinds.
var Kinds = []Kind{Chat, Presence, Roster, Archive, OMEMO, Disco, Ping, VCard, Mixed}

var kindNames = []string{"", "chat", "presence", "roster", "mam", "omemo", "disco", "ping", "vcard", "mixed"}

// String is the kind's name in lower case.
func (k Kind) String() string {
	if k < Chat || k > Mixed {
		return fmt.Sprintf("Kind(%d)", int(k))
	}
	return kindNames[k]
}

// ParseKind is the inverse of String.
func ParseKind(name string) (Kind, error) {
	for _, k := range Kinds {
		if kindNames[k] == name {
			return k, nil
		}
	}
	return 0, fmt.Errorf("corpus: no kind %q", name)
}

// Stream is one generated stream.
type Stream struct {
	Kind Kind
	Data []byte // Header, stanzas, white space, Footer
	ends []int  // where each stanza ends in Data
	gaps []bool // whether a white space keepalive follows it
}

// Len is the number of stanzas. Nonzas of stream management are counted too.
func (s *Stream) Len() int { return len(s.ends) }

// Stanza is the i-th stanza, a part of Data, without white space around it.
func (s *Stream) Stanza(i int) []byte {
	start := len(Header)
	if i > 0 {
		start = s.ends[i-1]
		if s.gaps[i-1] {
			start++
		}
	}
	return s.Data[start:s.ends[i]:s.ends[i]]
}

// Sum is the hexadecimal SHA-256 of Data.
func (s *Stream) Sum() string {
	sum := sha256.Sum256(s.Data)
	return hex.EncodeToString(sum[:])
}

// Generate makes a stream of kind k that goes over size bytes with its last
// stanza. It panics if there is no such kind.
func Generate(k Kind, size int) *Stream {
	g := &generator{
		rand: rand.New(rand.NewPCG(2026, uint64(k))),
		buf:  append(make([]byte, 0, size+128<<10), Header...),
		now:  time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
	}
	stanza := g.maker(k)
	s := &Stream{Kind: k}
	for len(g.buf) < size {
		stanza()
		s.ends = append(s.ends, len(g.buf))
		keepalive := g.percent(1)
		if keepalive {
			g.raw(" ")
		}
		s.gaps = append(s.gaps, keepalive)
	}
	g.raw(Footer)
	s.Data = g.buf
	return s
}

func (g *generator) maker(k Kind) func() {
	switch k {
	case Chat:
		return g.chat
	case Presence:
		return g.presence
	case Roster:
		return g.roster
	case Archive:
		return g.archive
	case OMEMO:
		return g.omemo
	case Disco:
		return g.disco
	case Ping:
		return g.ping
	case VCard:
		return g.vcard
	case Mixed:
		return g.mixed
	}
	panic("corpus: no such kind: " + k.String())
}
