package stanza

import "github.com/etherx-go/xmpp/jid"

// IQ is an iq stanza for people (RFC 6120, section 8.2.3).
type IQ struct {
	To, From jid.JID
	ID       string
	Type     Type // TypeGet, TypeSet, TypeResult or TypeError
	Lang     string

	// Payload is what is asked or answered. On output anything that New
	// takes; on input an Element, nil if there is none.
	Payload any

	// Error is set on an iq of type error, and on a result that holds an error
	// (see [Stanza.Err]).
	Error *Error
}

// Stanza returns the iq as a stanza.
func (q *IQ) Stanza() (*Stanza, error) {
	body, err := q.appendBody(nil)
	if err != nil {
		return nil, err
	}
	return &Stanza{Header: q.header(), body: string(body)}, nil
}

// AppendXML appends the iq as it is written to a stream. It does not allocate
// if dst is large enough and the payload is a [Payload].
func (q *IQ) AppendXML(dst []byte) ([]byte, error) {
	h := q.header()
	return appendTyped(dst, &h, q.appendBody)
}

func (q *IQ) header() Header {
	return Header{Kind: KindIQ, Type: q.Type, ID: q.ID, Lang: q.Lang, To: q.To, From: q.From}
}

func (q *IQ) appendBody(dst []byte) ([]byte, error) {
	dst, err := AppendPayload(dst, q.Payload)
	if err != nil {
		return nil, err
	}
	return appendRest(dst, q.Error, nil)
}

// IQ returns the stanza as an IQ. It never fails: what is malformed is left
// out.
func (s *Stanza) IQ() *IQ {
	q := &IQ{To: s.To, From: s.From, ID: s.ID, Type: s.Type, Lang: s.Lang, Error: s.typedError()}
	for e := range s.Payloads() {
		if !e.Is(NSClient, "error") {
			q.Payload = e
			break
		}
	}
	return q
}
