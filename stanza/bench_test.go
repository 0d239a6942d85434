package stanza

import (
	"encoding/xml"
	"io"
	"testing"

	"github.com/etherx-go/xmpp/internal/xmltok"
	"github.com/etherx-go/xmpp/jid"
)

// receipt, caps and ping are payloads of the two kinds: for the append form with
// a method, for encoding/xml with tags.
type receipt struct {
}

func (receipt) XMLName() xml.Name { return xml.Name{Space: "urn:xmpp:receipts", Local: "request"} }
func (receipt) AppendXML(dst []byte) ([]byte, error) {
	return append(dst, "<request xmlns='urn:xmpp:receipts'/>"...), nil
}

type caps struct {
	Hash, Node, Ver string
}

func (*caps) XMLName() xml.Name {
	return xml.Name{Space: "http://jabber.org/protocol/caps", Local: "c"}
}
func (c *caps) AppendXML(dst []byte) ([]byte, error) {
	dst = append(dst, "<c xmlns='http://jabber.org/protocol/caps'"...)
	dst = AppendAttr(dst, "hash", c.Hash)
	dst = AppendAttr(dst, "node", c.Node)
	return append(AppendAttr(dst, "ver", c.Ver), "/>"...), nil
}

type ping struct{}

func (ping) XMLName() xml.Name { return xml.Name{Space: "urn:xmpp:ping", Local: "ping"} }
func (ping) AppendXML(dst []byte) ([]byte, error) {
	return append(dst, "<ping xmlns='urn:xmpp:ping'/>"...), nil
}
func (*ping) ParseXML(Element) error { return nil }

type empty struct{}

type stdMessage struct {
	XMLName xml.Name `xml:"message"`
	Type    string   `xml:"type,attr"`
	ID      string   `xml:"id,attr"`
	To      string   `xml:"to,attr"`
	From    string   `xml:"from,attr"`
	Body    string   `xml:"body"`
	Thread  string   `xml:"thread"`
	Request *empty   `xml:"urn:xmpp:receipts request"`
}

type stdPresence struct {
	XMLName  xml.Name `xml:"presence"`
	ID       string   `xml:"id,attr"`
	From     string   `xml:"from,attr"`
	Show     string   `xml:"show"`
	Status   string   `xml:"status"`
	Priority int8     `xml:"priority"`
	Caps     *struct {
		Hash string `xml:"hash,attr"`
		Node string `xml:"node,attr"`
		Ver  string `xml:"ver,attr"`
	} `xml:"http://jabber.org/protocol/caps c"`
}

type stdIQ struct {
	XMLName xml.Name `xml:"iq"`
	Type    string   `xml:"type,attr"`
	ID      string   `xml:"id,attr"`
	To      string   `xml:"to,attr"`
	From    string   `xml:"from,attr"`
	Ping    *empty   `xml:"urn:xmpp:ping ping"`
}

var (
	benchTo   = jid.MustParse("juliet@capulet.example/balcony")
	benchFrom = jid.MustParse("romeo@montague.example/orchard")
	benchBody = "Neither, fair saint, if either thee dislike. By a name I know not how to tell thee who I am <3"

	benchMessage = &Message{
		Type: TypeChat, ID: "ktx72v49", To: benchTo, From: benchFrom, Body: benchBody,
		Thread: "e0ffe42b28561960c6b12b944a092794b9683a38", Payloads: []any{receipt{}},
	}
	benchPresence = &Presence{
		ID: "p1", From: benchFrom, Show: ShowAway, Status: "be right back", Priority: 5,
		Payloads: []any{&caps{"sha-1", "https://example.org/client", "q07IKJEyjvHSyhy//CH0CxmKi8w="}},
	}
	benchIQ = &IQ{Type: TypeGet, ID: "c2s1", To: benchTo, From: benchFrom, Payload: ping{}}
)

func appendBench[T interface {
	AppendXML([]byte) ([]byte, error)
}](b *testing.B, v T) {
	buf := make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		out, err := v.AppendXML(buf)
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(int64(len(out)))
	}
}

func encodeBench(b *testing.B, v any) {
	enc := xml.NewEncoder(io.Discard)
	b.ReportAllocs()
	for b.Loop() {
		if err := enc.Encode(v); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendMessage(b *testing.B)  { appendBench(b, benchMessage) }
func BenchmarkAppendPresence(b *testing.B) { appendBench(b, benchPresence) }
func BenchmarkAppendIQ(b *testing.B)       { appendBench(b, benchIQ) }

func BenchmarkEncoderMessage(b *testing.B) {
	encodeBench(b, &stdMessage{
		Type: "chat", ID: "ktx72v49", To: benchTo.String(), From: benchFrom.String(), Body: benchBody,
		Thread: benchMessage.Thread, Request: &empty{},
	})
}

func BenchmarkEncoderPresence(b *testing.B) {
	v := &stdPresence{ID: "p1", From: benchFrom.String(), Show: "away", Status: "be right back", Priority: 5}
	if err := xml.Unmarshal([]byte("<presence><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='https://example.org/client' ver='q07IKJEyjvHSyhy//CH0CxmKi8w='/></presence>"), v); err != nil {
		b.Fatal(err)
	}
	encodeBench(b, v)
}

func BenchmarkEncoderIQ(b *testing.B) {
	encodeBench(b, &stdIQ{Type: "get", ID: "c2s1", To: benchTo.String(), From: benchFrom.String(), Ping: &empty{}})
}

func benchStanza(b testing.TB, m interface{ Stanza() (*Stanza, error) }) *Stanza {
	st, err := m.Stanza()
	if err != nil {
		b.Fatal(err)
	}
	return st
}

// BenchmarkAppendStanza is what a router does: another header, the same body.
func BenchmarkAppendStanza(b *testing.B) {
	st := benchStanza(b, benchMessage)
	buf := make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		st.AppendXML(buf, "")
	}
}

func BenchmarkRead(b *testing.B) {
	for _, m := range []interface{ Stanza() (*Stanza, error) }{benchMessage, benchPresence, benchIQ} {
		st := benchStanza(b, m)
		b.Run(st.Kind.String(), func(b *testing.B) {
			el, header := scanOne(b, "<s:stream xmlns='jabber:client' xmlns:s='http://etherx.jabber.org/streams'>", st.String())
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Read(el, header, NSClient); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkMessage(b *testing.B) {
	st := benchStanza(b, benchMessage)
	b.ReportAllocs()
	for b.Loop() {
		st.Message()
	}
}

func BenchmarkPayloads(b *testing.B) {
	st := benchStanza(b, benchMessage)
	b.ReportAllocs()
	for b.Loop() {
		for e := range st.Payloads() {
			if e.name.Local == "" {
				b.Fatal("no name")
			}
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	st := benchStanza(b, benchIQ)
	b.ReportAllocs()
	for b.Loop() {
		if _, ok, err := Decode[ping](st); err != nil || !ok {
			b.Fatal(ok, err)
		}
	}
}

// scanOne returns the record of one element in a stream with the given header.
func scanOne(t testing.TB, header, element string) (*xmltok.Elem, *xmltok.Tag) {
	t.Helper()
	el, root, err := scan(header, element)
	if err != nil {
		t.Fatalf("%s%s: %v", header, element, err)
	}
	return el, root
}
