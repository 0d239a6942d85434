package bench

import (
	"encoding/xml"

	"github.com/etherx-go/xmpp/stanza"
)

// The payloads of the generated stanzas as an application would define them: with
// tags for encoding/xml, and with a method that writes them for the SDK.

type flag struct{}

type originID struct {
	ID string `xml:"id,attr"`
}

type stanzaID struct {
	By string `xml:"by,attr"`
	ID string `xml:"id,attr"`
}

type occupantID struct {
	ID string `xml:"id,attr"`
}

type received struct {
	ID string `xml:"id,attr"`
}

type displayed struct {
	ID string `xml:"id,attr"`
}

type capabilities struct {
	Hash string `xml:"hash,attr"`
	Node string `xml:"node,attr"`
	Ver  string `xml:"ver,attr"`
}

type vcardUpdate struct {
	Photo string `xml:"photo"`
}

type idle struct {
	Since string `xml:"since,attr"`
}

type mucUser struct {
	Item   mucItem    `xml:"item"`
	Status *mucStatus `xml:"status"`
}

type mucItem struct {
	Affiliation string `xml:"affiliation,attr"`
	Role        string `xml:"role,attr"`
	JID         string `xml:"jid,attr"`
}

type mucStatus struct {
	Code string `xml:"code,attr"`
}

// constant is a payload that is always the same.
type constant struct {
	name xml.Name
	text string
}

func newConstant(space, local string) *constant {
	return &constant{xml.Name{Space: space, Local: local}, "<" + local + " xmlns='" + space + "'/>"}
}

func (c *constant) XMLName() xml.Name                    { return c.name }
func (c *constant) AppendXML(dst []byte) ([]byte, error) { return append(dst, c.text...), nil }

const (
	nsChatStates = "http://jabber.org/protocol/chatstates"
	nsReceipts   = "urn:xmpp:receipts"
	nsMarkers    = "urn:xmpp:chat-markers:0"
	nsHints      = "urn:xmpp:hints"
	nsSID        = "urn:xmpp:sid:0"
	nsOccupant   = "urn:xmpp:occupant-id:0"
	nsCaps       = "http://jabber.org/protocol/caps"
	nsUpdate     = "vcard-temp:x:update"
	nsIdle       = "urn:xmpp:idle:1"
	nsMUCUser    = "http://jabber.org/protocol/muc#user"
	nsPing       = "urn:xmpp:ping"
)

var (
	activeConstant    = newConstant(nsChatStates, "active")
	composingConstant = newConstant(nsChatStates, "composing")
	pausedConstant    = newConstant(nsChatStates, "paused")
	inactiveConstant  = newConstant(nsChatStates, "inactive")
	goneConstant      = newConstant(nsChatStates, "gone")
	requestConstant   = newConstant(nsReceipts, "request")
	markableConstant  = newConstant(nsMarkers, "markable")
	storeConstant     = newConstant(nsHints, "store")
	noStoreConstant   = newConstant(nsHints, "no-store")
	pingConstant      = newConstant(nsPing, "ping")
)

func (originID) XMLName() xml.Name     { return xml.Name{Space: nsSID, Local: "origin-id"} }
func (stanzaID) XMLName() xml.Name     { return xml.Name{Space: nsSID, Local: "stanza-id"} }
func (occupantID) XMLName() xml.Name   { return xml.Name{Space: nsOccupant, Local: "occupant-id"} }
func (received) XMLName() xml.Name     { return xml.Name{Space: nsReceipts, Local: "received"} }
func (displayed) XMLName() xml.Name    { return xml.Name{Space: nsMarkers, Local: "displayed"} }
func (capabilities) XMLName() xml.Name { return xml.Name{Space: nsCaps, Local: "c"} }
func (vcardUpdate) XMLName() xml.Name  { return xml.Name{Space: nsUpdate, Local: "x"} }
func (idle) XMLName() xml.Name         { return xml.Name{Space: nsIdle, Local: "idle"} }
func (mucUser) XMLName() xml.Name      { return xml.Name{Space: nsMUCUser, Local: "x"} }

func (p *originID) AppendXML(dst []byte) ([]byte, error) {
	return appendEnd(stanza.AppendAttr(append(dst, "<origin-id xmlns='urn:xmpp:sid:0'"...), "id", p.ID))
}

func (p *stanzaID) AppendXML(dst []byte) ([]byte, error) {
	dst = stanza.AppendAttr(append(dst, "<stanza-id xmlns='urn:xmpp:sid:0'"...), "by", p.By)
	return appendEnd(stanza.AppendAttr(dst, "id", p.ID))
}

func (p *occupantID) AppendXML(dst []byte) ([]byte, error) {
	return appendEnd(stanza.AppendAttr(append(dst, "<occupant-id xmlns='urn:xmpp:occupant-id:0'"...), "id", p.ID))
}

func (p *received) AppendXML(dst []byte) ([]byte, error) {
	return appendEnd(stanza.AppendAttr(append(dst, "<received xmlns='urn:xmpp:receipts'"...), "id", p.ID))
}

func (p *displayed) AppendXML(dst []byte) ([]byte, error) {
	return appendEnd(stanza.AppendAttr(append(dst, "<displayed xmlns='urn:xmpp:chat-markers:0'"...), "id", p.ID))
}

func (p *capabilities) AppendXML(dst []byte) ([]byte, error) {
	dst = stanza.AppendAttr(append(dst, "<c xmlns='http://jabber.org/protocol/caps'"...), "hash", p.Hash)
	return appendEnd(stanza.AppendAttr(stanza.AppendAttr(dst, "node", p.Node), "ver", p.Ver))
}

func (p *vcardUpdate) AppendXML(dst []byte) ([]byte, error) {
	dst = stanza.AppendTextElement(append(dst, "<x xmlns='vcard-temp:x:update'>"...), "photo", p.Photo)
	return append(dst, "</x>"...), nil
}

func (p *idle) AppendXML(dst []byte) ([]byte, error) {
	return appendEnd(stanza.AppendAttr(append(dst, "<idle xmlns='urn:xmpp:idle:1'"...), "since", p.Since))
}

func (p *mucUser) AppendXML(dst []byte) ([]byte, error) {
	dst = append(dst, "<x xmlns='http://jabber.org/protocol/muc#user'><item"...)
	dst = stanza.AppendAttr(dst, "affiliation", p.Item.Affiliation)
	dst = stanza.AppendAttr(stanza.AppendAttr(dst, "role", p.Item.Role), "jid", p.Item.JID)
	dst = append(dst, "/>"...)
	if p.Status != nil {
		dst = append(stanza.AppendAttr(append(dst, "<status"...), "code", p.Status.Code), "/>"...)
	}
	return append(dst, "</x>"...), nil
}

func appendEnd(dst []byte) ([]byte, error) { return append(dst, "/>"...), nil }
