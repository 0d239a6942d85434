package gateway

import (
	"context"
	"encoding/xml"
	"errors"
	"strings"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// NS is the namespace, which is also the feature for service discovery.
const NS = "jabber:iq:gateway"

// Query is the element <query/>. The zero Query asks what to ask the user; the
// answer has Prompt and maybe Desc; a request of type set has the name that the
// user gave in Prompt; and its answer has JID (XEP-0100, section 6.3).
type Query struct {
	Desc   string // the question, for people
	Prompt string // what the name is called, or the name itself
	JID    jid.JID
}

// XMLName returns the name of the element.
func (Query) XMLName() xml.Name { return xml.Name{Space: NS, Local: "query"} }

// AppendXML appends the element.
func (q Query) AppendXML(dst []byte) ([]byte, error) {
	if q == (Query{}) {
		return append(dst, "<query xmlns='"+NS+"'/>"...), nil
	}
	dst = append(dst, "<query xmlns='"+NS+"'>"...)
	for _, c := range [...]struct{ name, text string }{{"desc", q.Desc}, {"prompt", q.Prompt}, {"jid", q.JID.String()}} {
		if c.text != "" {
			dst = stanza.AppendTextElement(dst, c.name, c.text)
		}
	}
	return append(dst, "</query>"...), nil
}

// ParseXML reads the element. The error is jid-malformed for an address that is
// none.
func (q *Query) ParseXML(e stanza.Element) error {
	text := func(name string) string { return strings.TrimSpace(e.ChildText(NS, name)) }
	*q = Query{Desc: text("desc"), Prompt: text("prompt")}
	s := text("jid")
	if s == "" {
		return nil
	}
	var err error
	if q.JID, err = jid.Parse(s); err != nil {
		return stanza.NewError(stanza.JIDMalformed, "the address is not valid")
	}
	return nil
}

// ErrNoAnswer is returned for a result without what was asked for.
var ErrNoAnswer = errors.New("gateway: the result has neither prompt nor address")

// Prompt asks a gateway what to ask the user for: the question, which may be
// empty, and what the answer is called. lang is the user's language, "" for
// whatever it is; gateways that do not know it answer in English.
func Prompt(ctx context.Context, s xmpp.Sender, gw jid.JID, lang string) (desc, prompt string, err error) {
	q, err := ask(ctx, s, stanza.Header{Kind: stanza.KindIQ, Type: stanza.TypeGet, To: gw, Lang: lang}, Query{})
	if err == nil && q.Prompt == "" {
		err = ErrNoAnswer
	}
	return q.Desc, q.Prompt, err
}

// Translate asks a gateway for the address of somebody, by the name that the
// network has for him. Gateways of old give it where the name was, as the prompt.
func Translate(ctx context.Context, s xmpp.Sender, gw jid.JID, name string) (jid.JID, error) {
	q, err := ask(ctx, s, stanza.Header{Kind: stanza.KindIQ, Type: stanza.TypeSet, To: gw}, Query{Prompt: name})
	switch {
	case err != nil:
		return jid.JID{}, err
	case !q.JID.IsZero():
		return q.JID, nil
	case q.Prompt == "":
		return jid.JID{}, ErrNoAnswer
	}
	return jid.Parse(q.Prompt)
}

func ask(ctx context.Context, s xmpp.Sender, h stanza.Header, q Query) (Query, error) {
	iq, err := stanza.New(h, q)
	if err != nil {
		return Query{}, err
	}
	reply, err := s.Do(ctx, iq)
	if err == nil {
		err = reply.Err()
	}
	if err != nil {
		return Query{}, err
	}
	a, _, err := stanza.Decode[Query](reply)
	return a, err
}
