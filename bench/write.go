package bench

import (
	"bytes"
	"encoding/xml"
	"fmt"

	"github.com/etherx-go/xmpp/bench/corpus"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// stdHeader are the attributes of all stanzas, as encoding/xml wants them.
type stdHeader struct {
	From string `xml:"from,attr,omitempty"`
	To   string `xml:"to,attr,omitempty"`
	Type string `xml:"type,attr,omitempty"`
	ID   string `xml:"id,attr,omitempty"`
	Lang string `xml:"http://www.w3.org/XML/1998/namespace lang,attr,omitempty"`
}

type stdMessage struct {
	XMLName xml.Name `xml:"message"`
	stdHeader
	Body       string      `xml:"body,omitempty"`
	Thread     string      `xml:"thread,omitempty"`
	Active     *flag       `xml:"http://jabber.org/protocol/chatstates active"`
	Composing  *flag       `xml:"http://jabber.org/protocol/chatstates composing"`
	Paused     *flag       `xml:"http://jabber.org/protocol/chatstates paused"`
	Inactive   *flag       `xml:"http://jabber.org/protocol/chatstates inactive"`
	Gone       *flag       `xml:"http://jabber.org/protocol/chatstates gone"`
	Request    *flag       `xml:"urn:xmpp:receipts request"`
	Received   *received   `xml:"urn:xmpp:receipts received"`
	Markable   *flag       `xml:"urn:xmpp:chat-markers:0 markable"`
	Displayed  *displayed  `xml:"urn:xmpp:chat-markers:0 displayed"`
	OriginID   *originID   `xml:"urn:xmpp:sid:0 origin-id"`
	StanzaID   *stanzaID   `xml:"urn:xmpp:sid:0 stanza-id"`
	OccupantID *occupantID `xml:"urn:xmpp:occupant-id:0 occupant-id"`
	Store      *flag       `xml:"urn:xmpp:hints store"`
	NoStore    *flag       `xml:"urn:xmpp:hints no-store"`
}

type stdPresence struct {
	XMLName xml.Name `xml:"presence"`
	stdHeader
	Show       string        `xml:"show,omitempty"`
	Status     string        `xml:"status,omitempty"`
	Priority   int8          `xml:"priority,omitempty"`
	Caps       *capabilities `xml:"http://jabber.org/protocol/caps c"`
	Update     *vcardUpdate  `xml:"vcard-temp:x:update x"`
	Idle       *idle         `xml:"urn:xmpp:idle:1 idle"`
	MUCUser    *mucUser      `xml:"http://jabber.org/protocol/muc#user x"`
	OccupantID *occupantID   `xml:"urn:xmpp:occupant-id:0 occupant-id"`
}

type stdIQ struct {
	XMLName xml.Name `xml:"iq"`
	stdHeader
	Ping  *flag     `xml:"urn:xmpp:ping ping"`
	Error *stdError `xml:"error"`
}

type stdError struct {
	Type        string `xml:"type,attr"`
	Unavailable *flag  `xml:"urn:ietf:params:xml:ns:xmpp-stanzas service-unavailable"`
}

// xmlAppender is what stanza.Message, Presence and IQ have in common.
type xmlAppender interface {
	AppendXML(dst []byte) ([]byte, error)
}

// typed is one stanza in the form each of the writers takes.
type typed struct {
	sdk xmlAppender
	std any
}

// typedStanzas are the stanzas of a stream of kind k that the types above can hold
// in full: messages, presence or iqs, as k has them.
func typedStanzas(k corpus.Kind, size int) ([]typed, error) {
	var all []typed
	s := corpus.Generate(k, size)
	for i := range s.Len() {
		raw := s.Stanza(i)
		var t typed
		var err error
		switch {
		case bytes.HasPrefix(raw, []byte("<message")):
			t, err = typedMessage(raw)
		case bytes.HasPrefix(raw, []byte("<presence")):
			t, err = typedPresence(raw)
		case bytes.HasPrefix(raw, []byte("<iq")):
			t, err = typedIQ(raw)
		}
		if err != nil {
			return nil, fmt.Errorf("bench: %s: %w", raw, err)
		}
		if t.sdk != nil {
			all = append(all, t)
		}
	}
	return all, nil
}

func typedMessage(raw []byte) (typed, error) {
	if bytes.Contains(raw, []byte("<reply")) || bytes.Contains(raw, []byte("jabber:x:oob")) {
		return typed{}, nil // no types for these
	}
	var v stdMessage
	if err := xml.Unmarshal(raw, &v); err != nil {
		return typed{}, err
	}
	m := &stanza.Message{ID: v.ID, Type: stanza.Type(v.Type), Lang: v.Lang, Body: v.Body, Thread: v.Thread}
	if err := v.addresses(&m.To, &m.From); err != nil {
		return typed{}, err
	}
	p := &m.Payloads
	addConstants(p, []*flag{v.Active, v.Composing, v.Paused, v.Inactive, v.Gone, v.Request, v.Markable, v.Store, v.NoStore},
		activeConstant, composingConstant, pausedConstant, inactiveConstant, goneConstant, requestConstant, markableConstant, storeConstant, noStoreConstant)
	addPayload(p, v.Received)
	addPayload(p, v.Displayed)
	addPayload(p, v.OriginID)
	addPayload(p, v.StanzaID)
	addPayload(p, v.OccupantID)
	return typed{m, &v}, nil
}

func typedPresence(raw []byte) (typed, error) {
	var v stdPresence
	if err := xml.Unmarshal(raw, &v); err != nil {
		return typed{}, err
	}
	q := &stanza.Presence{
		ID: v.ID, Type: stanza.Type(v.Type), Lang: v.Lang,
		Show: stanza.Show(v.Show), Status: v.Status, Priority: v.Priority,
	}
	if err := v.addresses(&q.To, &q.From); err != nil {
		return typed{}, err
	}
	p := &q.Payloads
	addPayload(p, v.Caps)
	addPayload(p, v.Update)
	addPayload(p, v.Idle)
	addPayload(p, v.MUCUser)
	addPayload(p, v.OccupantID)
	return typed{q, &v}, nil
}

func typedIQ(raw []byte) (typed, error) {
	var v stdIQ
	if err := xml.Unmarshal(raw, &v); err != nil {
		return typed{}, err
	}
	q := &stanza.IQ{ID: v.ID, Type: stanza.Type(v.Type), Lang: v.Lang}
	if err := v.addresses(&q.To, &q.From); err != nil {
		return typed{}, err
	}
	if v.Ping != nil {
		q.Payload = pingConstant
	}
	if v.Error != nil {
		q.Error = &stanza.Error{Type: stanza.ErrorType(v.Error.Type), Condition: "service-unavailable"}
	}
	return typed{q, &v}, nil
}

func (h *stdHeader) addresses(to, from *jid.JID) (err error) {
	if *to, err = jid.Parse(h.To); err != nil {
		return err
	}
	*from, err = jid.Parse(h.From)
	return err
}

func addPayload[T any](to *[]any, p *T) {
	if p != nil {
		*to = append(*to, p)
	}
}

func addConstants(to *[]any, set []*flag, all ...*constant) {
	for i, f := range set {
		if f != nil {
			*to = append(*to, all[i])
		}
	}
}

// outputSize is how much is written before the buffer is taken to be sent.
const outputSize = 16 << 10

// writeAppend writes all stanzas as the SDK does.
func writeAppend(all []typed) error {
	buf := make([]byte, 0, 2*outputSize)
	for _, t := range all {
		var err error
		if buf, err = t.sdk.AppendXML(buf); err != nil {
			return err
		}
		if len(buf) > outputSize {
			buf = buf[:0]
		}
	}
	return nil
}

// writeEncoder writes all stanzas with one xml.Encoder.
func writeEncoder(all []typed) error {
	var buf bytes.Buffer
	enc := xml.NewEncoder(&buf)
	for _, t := range all {
		if err := enc.Encode(t.std); err != nil {
			return err
		}
		if buf.Len() > outputSize {
			buf.Reset()
		}
	}
	return nil
}

// writeMarshal writes each stanza with xml.Marshal.
func writeMarshal(all []typed) error {
	for _, t := range all {
		if _, err := xml.Marshal(t.std); err != nil {
			return err
		}
	}
	return nil
}
