package stanza

import (
	"slices"

	"github.com/etherx-go/xmpp/jid"
)

// Text is a piece of natural-language text with its xml:lang ("" where it has
// that of the stanza).
type Text struct {
	Lang string
	Body string
}

// Message is a message stanza for people (RFC 6121, section 5).
type Message struct {
	To, From jid.JID
	ID       string
	Type     Type // TypeNormal if empty
	Lang     string

	// Subject and Body are the texts in the stanza's language. On input, if
	// there is none in that, they are the first in any.
	Subject, Body string
	// Subjects and Bodies hold further versions in other languages.
	Subjects, Bodies []Text

	Thread string
	Parent string // thread that Thread is a branch of

	// Error is set on a message of type error.
	Error *Error

	// Payloads are further children. On output anything that New takes; on
	// input Elements.
	Payloads []any
}

// Stanza returns the message as a stanza.
func (m *Message) Stanza() (*Stanza, error) {
	body, err := m.appendBody(nil)
	if err != nil {
		return nil, err
	}
	return &Stanza{Header: m.header(), body: string(body)}, nil
}

// AppendXML appends the message as it is written to a stream. It does not
// allocate if dst is large enough and all payloads are [Payload]s.
func (m *Message) AppendXML(dst []byte) ([]byte, error) {
	h := m.header()
	return appendTyped(dst, &h, m.appendBody)
}

// Reply returns a message that answers m: addressed to its sender, of the same
// type, in the same thread (RFC 6121, sections 5.2.2 and 5.2.5). One of type
// groupchat is addressed to the room (XEP-0045, section 7.4).
func (m *Message) Reply(body string) *Message {
	return &Message{To: replyTo(m.Type, m.From), Type: m.Type, Body: body, Thread: m.Thread, Parent: m.Parent}
}

// replyTo returns where the reply to a message goes.
func replyTo(t Type, from jid.JID) jid.JID {
	if t == TypeGroupChat {
		return from.Bare()
	}
	return from
}

func (m *Message) header() Header {
	return Header{Kind: KindMessage, Type: m.Type, ID: m.ID, Lang: m.Lang, To: m.To, From: m.From}
}

func (m *Message) appendBody(dst []byte) ([]byte, error) {
	if m.Subject != "" {
		dst = append(AppendText(append(dst, "<subject>"...), m.Subject), "</subject>"...)
	}
	dst = appendTexts(dst, "subject", m.Subjects)
	if m.Body != "" {
		dst = append(AppendText(append(dst, "<body>"...), m.Body), "</body>"...)
	}
	dst = appendTexts(dst, "body", m.Bodies)
	if m.Thread != "" {
		dst = append(dst, "<thread"...)
		if m.Parent != "" {
			dst = appendAttr(dst, "parent", m.Parent)
		}
		dst = append(AppendText(append(dst, '>'), m.Thread), "</thread>"...)
	}
	return appendRest(dst, m.Error, m.Payloads)
}

// appendTyped appends a stanza whose body is written by fn.
func appendTyped(dst []byte, h *Header, fn func([]byte) ([]byte, error)) ([]byte, error) {
	dst = append(h.appendStart(dst, ""), '>')
	start := len(dst)
	dst, err := fn(dst)
	if err != nil {
		return nil, err
	}
	if len(dst) == start {
		return append(dst[:start-1], "/>"...), nil
	}
	return append(dst, h.Kind.endTag()...), nil
}

func appendTexts(dst []byte, name string, texts []Text) []byte {
	for _, t := range texts {
		dst = append(append(dst, '<'), name...)
		if t.Lang != "" {
			dst = appendAttr(dst, "xml:lang", t.Lang)
		}
		dst = AppendText(append(dst, '>'), t.Body)
		dst = append(append(append(dst, "</"...), name...), '>')
	}
	return dst
}

func appendRest(dst []byte, e *Error, payloads []any) ([]byte, error) {
	for _, p := range payloads {
		var err error
		if dst, err = AppendPayload(dst, p); err != nil {
			return nil, err
		}
	}
	if e != nil {
		dst = e.appendXML(dst)
	}
	return dst, nil
}

// Message returns the stanza as a Message. A stanza of another kind gives a
// Message with its addresses and payloads. It never fails: what is malformed is
// left out.
func (s *Stanza) Message() *Message {
	m := &Message{To: s.To, From: s.From, ID: s.ID, Type: s.Type, Lang: s.Lang}
	var subjects, bodies []Text
	for e := range s.Payloads() {
		if e.name.Space != NSClient {
			m.Payloads = append(m.Payloads, e)
			continue
		}
		switch e.name.Local {
		case "subject":
			subjects = appendText(subjects, e)
		case "body":
			bodies = appendText(bodies, e)
		case "thread":
			if m.Thread == "" {
				m.Thread, m.Parent = e.Text(), e.Attr("parent")
			}
		case "error":
			// It is in m.Error; in a stanza of another type it has no meaning.
		default:
			m.Payloads = append(m.Payloads, e)
		}
	}
	m.Error = s.typedError()
	m.Subject, m.Subjects = splitTexts(subjects, s.Lang)
	m.Body, m.Bodies = splitTexts(bodies, s.Lang)
	return m
}

// maxTexts bounds how many versions of a text are looked at.
const maxTexts = 100

// appendText adds a text unless there is one in its language already: of
// several that may not be, the first counts (RFC 6121, section 5.2.3).
func appendText(texts []Text, e Element) []Text {
	if len(texts) == maxTexts {
		return texts
	}
	lang := e.Lang()
	for _, t := range texts {
		if t.Lang == lang {
			return texts
		}
	}
	return append(texts, Text{lang, e.Text()})
}

// splitTexts takes out the text that has no language of its own or the
// stanza's, the first if none has. The rest are further versions.
func splitTexts(texts []Text, lang string) (string, []Text) {
	if len(texts) == 0 {
		return "", nil
	}
	i := max(0, slices.IndexFunc(texts, func(t Text) bool { return t.Lang == "" || t.Lang == lang }))
	body := texts[i].Body
	if len(texts) == 1 {
		return body, nil
	}
	return body, slices.Delete(texts, i, i+1)
}
