package stanza_test

import (
	"encoding/xml"
	"errors"
	"fmt"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

func ExampleMessage() {
	m := &stanza.Message{
		To:   jid.MustParse("juliet@capulet.example"),
		Type: stanza.TypeChat,
		Body: "Art thou not Romeo, & a Montague?",
	}
	b, err := m.AppendXML(nil)
	fmt.Println(string(b), err)
	// Output: <message type='chat' to='juliet@capulet.example'><body>Art thou not Romeo, &amp; a Montague?</body></message> <nil>
}

func ExampleStanza_Message() {
	st, err := stanza.Parse(`<message from='romeo@montague.example/orchard' xml:lang='en'>
		<body>I take thee at thy word.</body>
		<body xml:lang='de'>Ich nehme dich beim Wort.</body>
		<thread>t1</thread>
	</message>`)
	if err != nil {
		fmt.Println(err)
		return
	}
	m := st.Message()
	fmt.Println(m.From.Bare(), m.Body, m.Bodies)
	b, _ := m.Reply("Good night.").AppendXML(nil)
	fmt.Println(string(b))
	// Output:
	// romeo@montague.example I take thee at thy word. [{de Ich nehme dich beim Wort.}]
	// <message to='romeo@montague.example/orchard'><body>Good night.</body><thread>t1</thread></message>
}

// Version is a payload for encoding/xml.
type Version struct {
	XMLName xml.Name `xml:"jabber:iq:version query"`
	Name    string   `xml:"name,omitempty"`
}

func ExampleDecode() {
	st, _ := stanza.Parse(`<iq type='result' id='1'><query xmlns='jabber:iq:version'><name>Etherx</name></query></iq>`)
	v, ok, err := stanza.Decode[Version](st)
	fmt.Println(v.Name, ok, err)
	// Output: Etherx true <nil>
}

func ExampleNew() {
	st, err := stanza.New(
		stanza.Header{Kind: stanza.KindIQ, Type: stanza.TypeGet, ID: "1", To: jid.MustParse("capulet.example")},
		Version{},
	)
	fmt.Println(st, err)
	// Output: <iq type='get' id='1' to='capulet.example'><query xmlns="jabber:iq:version"></query></iq> <nil>
}

// A router gives a stanza another header; the body stays where it is.
func ExampleStanza_With() {
	st, _ := stanza.Parse(`<message to='juliet@capulet.example' type='chat'><body>hi</body></message>`)
	h := st.Header
	h.From = jid.MustParse("romeo@montague.example/orchard")
	fmt.Println(st.With(h))
	// Output: <message type='chat' to='juliet@capulet.example' from='romeo@montague.example/orchard'><body>hi</body></message>
}

func ExampleStanza_Err() {
	modern, _ := stanza.Parse(`<iq type='error' from='capulet.example'><error type='cancel'>
		<item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>`)
	old, _ := stanza.Parse(`<iq type='error' from='capulet.example'><error code='404'>No such user</error></iq>`)
	for _, st := range []*stanza.Stanza{modern, old} {
		err := st.Err()
		fmt.Println(errors.Is(err, stanza.ItemNotFound), err)
	}
	// Output:
	// true item-not-found (from capulet.example)
	// true item-not-found: No such user (from capulet.example)
}

func ExampleElement() {
	st, _ := stanza.Parse(`<iq type='result'><query xmlns='jabber:iq:roster'>
		<item jid='romeo@montague.example' name='Romeo'><group>Lovers</group></item>
		<item jid='nurse@capulet.example'/>
	</query></iq>`)
	for item := range st.Payload().Children() {
		fmt.Printf("%s %q %q\n", item.Attr("jid"), item.Attr("name"), item.ChildText("jabber:iq:roster", "group"))
	}
	// Output:
	// romeo@montague.example "Romeo" "Lovers"
	// nurse@capulet.example "" ""
}

// Geoloc is a payload that reads and writes itself.
type Geoloc struct{ Country string }

func (Geoloc) XMLName() xml.Name {
	return xml.Name{Space: "http://jabber.org/protocol/geoloc", Local: "geoloc"}
}

func (g *Geoloc) ParseXML(e stanza.Element) error {
	g.Country = e.ChildText("http://jabber.org/protocol/geoloc", "country")
	return nil
}

func (g *Geoloc) AppendXML(dst []byte) ([]byte, error) {
	dst = append(dst, "<geoloc xmlns='http://jabber.org/protocol/geoloc'>"...)
	dst = stanza.AppendTextElement(dst, "country", g.Country)
	return append(dst, "</geoloc>"...), nil
}

func ExamplePayload() {
	m := &stanza.Message{Payloads: []any{&Geoloc{"Italy"}}}
	st, _ := m.Stanza()
	g, ok, err := stanza.Decode[Geoloc](st)
	fmt.Println(g.Country, ok, err)
	// Output: Italy true <nil>
}
