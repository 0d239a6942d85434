package xmltok_test

import (
	"bytes"
	"encoding/xml"
	"io"
	"testing"

	"github.com/etherx-go/xmpp/internal/xmltok"
	"github.com/etherx-go/xmpp/internal/xmltok/xmltoktest"
)

// sample is a small mixture of what streams carry.
var sample = []string{
	`<message from="juliet@capulet.example/balcony" to="romeo@montague.example" type="chat" id="9521f9d6-2931-40e8-ae7b-e599f4e353fa" xml:lang="en">` +
		`<body>Art thou not Romeo, &amp; a Montague? It's &lt;late&gt; already 😀</body><thread>e5a8b0421d154a3734eb2ae9178dc3fa9a21d049</thread>` +
		`<active xmlns="http://jabber.org/protocol/chatstates"/><request xmlns="urn:xmpp:receipts"/>` +
		`<origin-id xmlns="urn:xmpp:sid:0" id="9521f9d6-2931-40e8-ae7b-e599f4e353fa"/></message>`,
	`<presence from='romeo@montague.example/orchard' to='juliet@capulet.example/balcony'><show>away</show><status>im Büro, später zurück</status>` +
		`<priority>5</priority><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='http://psi-plus.com' ver='dDFfCzLAtIDsA3sYEVj8BUSrRzk='/>` +
		`<x xmlns='vcard-temp:x:update'><photo>1d87c670e78bfc0e9e4924d6d01656010ad7777e</photo></x></presence>`,
	`<r xmlns='urn:xmpp:sm:3'/>`,
	`<iq from='montague.example' to='romeo@montague.example/orchard' type='get' id='iq-17'><ping xmlns='urn:xmpp:ping'/></iq>`,
	`<message from='romeo@montague.example' to='romeo@montague.example/orchard'><result xmlns='urn:xmpp:mam:2' queryid='f27' id='28482-98726-73623'>` +
		`<forwarded xmlns='urn:xmpp:forward:0'><delay xmlns='urn:xmpp:delay' stamp='2010-07-10T23:08:25Z'/>` +
		`<message xmlns='jabber:client' to='juliet@capulet.example/balcony' from='romeo@montague.example/orchard' type='chat'>` +
		`<body>Call me but love, and I'll be new baptized; Henceforth I never will be Romeo.</body></message></forwarded></result></message>`,
	`<message to='juliet@capulet.example/balcony' from='romeo@montague.example/orchard' type='chat' id='x3'>` +
		`<composing xmlns='http://jabber.org/protocol/chatstates'/><no-store xmlns='urn:xmpp:hints'/></message> `,
}

// sampleStream returns a stream and how many stanzas it has.
func sampleStream() ([]byte, int) {
	var b bytes.Buffer
	b.WriteString(xmltoktest.Header)
	const rounds = 500
	for range rounds {
		for _, s := range sample {
			b.WriteString(s)
		}
	}
	b.WriteString(xmltoktest.Footer)
	return b.Bytes(), rounds * len(sample)
}

// chunks is a reader that hands out at most 16 KiB at a time, as TLS does.
type chunks struct{ b []byte }

func (c *chunks) Read(p []byte) (int, error) {
	if len(c.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), 16<<10)], c.b)
	c.b = c.b[n:]
	return n, nil
}

func BenchmarkScanner(b *testing.B) {
	in, stanzas := sampleStream()
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		s := xmltok.NewScanner(&chunks{in}, xmltok.Limits{})
		n := 0
		for {
			ev, err := s.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				b.Fatal(err)
			}
			if ev == xmltok.Element && len(s.Element().Raw) > 0 {
				n++
			}
		}
		s.Release()
		if n != stanzas {
			b.Fatal(n)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*stanzas), "ns/stanza")
}

func BenchmarkEncodingXML(b *testing.B) {
	in, stanzas := sampleStream()
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		d := xml.NewDecoder(&chunks{in})
		for {
			if _, err := d.Token(); err == io.EOF {
				break
			} else if err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*stanzas), "ns/stanza")
}

func BenchmarkCheck(b *testing.B) {
	in := []byte(sample[0])
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		if err := xmltok.Check(in, xmltok.Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}
