package jid_test

import (
	"testing"

	"github.com/etherx-go/xmpp/jid"
)

var (
	sinkJID    jid.JID
	sinkString string
	sinkInt    int
)

func BenchmarkParse(b *testing.B) {
	for _, c := range []struct{ name, in string }{
		{"domain", "conference.example.com"},
		{"bare", "juliet@im.example.com"},
		{"full", "juliet@im.example.com/balcony-4f1c9a7e"},
		{"uppercase", "Juliet@IM.Example.com/balcony-4f1c9a7e"},
		{"nonASCII", "ji\u0159i@\u010dechy.example/v Praze"},
		{"nonASCIIMapped", "JI\u0158I@\u010cECHY.example/v\u00a0Praze"},
		{"ALabel", "juliet@xn--bcher-kva.example/balcony"},
		{"malformed", "ju liet@im.example.com/balcony"},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(c.in)))
			for b.Loop() {
				sinkJID, _ = jid.Parse(c.in)
			}
		})
	}
}

func BenchmarkParseBytes(b *testing.B) {
	in := []byte("juliet@im.example.com/balcony-4f1c9a7e")
	b.ReportAllocs()
	for b.Loop() {
		sinkJID, _ = jid.ParseBytes(in)
	}
}

func BenchmarkBare(b *testing.B) {
	j := jid.MustParse("juliet@im.example.com/balcony-4f1c9a7e")
	b.ReportAllocs()
	for b.Loop() {
		sinkJID = j.Bare()
	}
}

func BenchmarkMapLookup(b *testing.B) {
	j := jid.MustParse("juliet@im.example.com/balcony-4f1c9a7e")
	m := map[jid.JID]int{j: 1, j.Bare(): 2, j.DomainJID(): 3}
	b.ReportAllocs()
	for b.Loop() {
		sinkInt = m[j]
	}
}

func BenchmarkEscapeLocal(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		sinkString = jid.EscapeLocal(`call me "ishmael"`)
	}
}
