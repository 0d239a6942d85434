package xmpp

import (
	"context"
	"fmt"

	"github.com/etherx-go/xmpp/stanza"
)

// Request is an iq of type get or set, with its payload decoded.
type Request[T any] struct {
	*stanza.Stanza
	Sender  Sender
	Payload T
}

// HandleIQ adds a function that answers iqs of type t whose payload Req
// describes: a type with the methods of [stanza.Parser], or a struct with an
// XMLName field for encoding/xml, or a pointer to either. A Req that says no
// name, such as [stanza.Element], stands for every payload. The function's result is the payload of the reply (nil:
// an empty one), its error the error reply; so there is exactly one reply. A
// payload that does not decode is answered with bad-request.
//
// Requests are handled concurrently, also those of one sender.
func HandleIQ[Req any](m *Mux, t stanza.Type, fn func(ctx context.Context, r Request[Req]) (reply any, err error)) {
	p := Pattern{Kind: stanza.KindIQ, Types: []stanza.Type{t}, Payload: stanza.PayloadName[Req]()}
	m.Handle(p, HandlerFunc(func(ctx context.Context, s Sender, st *stanza.Stanza) error {
		payload, _, err := stanza.Decode[Req](st)
		if err != nil {
			return badRequest(err)
		}
		result, err := fn(ctx, Request[Req]{st, s, payload})
		if err != nil {
			return err
		}
		reply, err := st.Reply(result)
		if err != nil {
			return fmt.Errorf("xmpp: reply: %w", err)
		}
		return answer(ctx, s, reply)
	}))
}

// badRequest keeps a condition that a parser chose, and calls everything else a
// bad request.
func badRequest(err error) error {
	if isAnswer(err) {
		return err
	}
	return stanza.NewError(stanza.BadRequest, "payload: "+err.Error())
}

// HandleMessage adds a function for messages, errors excepted, that have a
// payload which P describes, as for [HandleIQ]. Messages of one sender are
// handled in order.
func HandleMessage[P any](m *Mux, fn func(ctx context.Context, s Sender, msg *stanza.Message, payload P) error) {
	handlePayload(m, stanza.KindMessage, func(ctx context.Context, s Sender, st *stanza.Stanza, p P) error {
		return fn(ctx, s, st.Message(), p)
	})
}

// HandlePresence adds a function for presences, errors excepted, that have a
// payload which P describes, as for [HandleIQ].
func HandlePresence[P any](m *Mux, fn func(ctx context.Context, s Sender, p *stanza.Presence, payload P) error) {
	handlePayload(m, stanza.KindPresence, func(ctx context.Context, s Sender, st *stanza.Stanza, p P) error {
		return fn(ctx, s, st.Presence(), p)
	})
}

func handlePayload[P any](m *Mux, k stanza.Kind, fn func(context.Context, Sender, *stanza.Stanza, P) error) {
	m.Handle(Pattern{Kind: k, Payload: stanza.PayloadName[P]()}, HandlerFunc(func(ctx context.Context, s Sender, st *stanza.Stanza) error {
		p, ok, err := stanza.Decode[P](st)
		if err != nil || !ok {
			return err
		}
		return fn(ctx, s, st, p)
	}))
}

// OnMessage adds a function for every message with a body, errors excepted.
func (m *Mux) OnMessage(fn func(ctx context.Context, s Sender, msg *stanza.Message) error) {
	m.Handle(Pattern{Kind: stanza.KindMessage}, HandlerFunc(func(ctx context.Context, s Sender, st *stanza.Stanza) error {
		msg := st.Message()
		if msg.Body == "" && len(msg.Bodies) == 0 {
			return nil
		}
		return fn(ctx, s, msg)
	}))
}

// OnPresence adds a function for every presence, errors excepted.
func (m *Mux) OnPresence(fn func(ctx context.Context, s Sender, p *stanza.Presence) error) {
	m.Handle(Pattern{Kind: stanza.KindPresence}, HandlerFunc(func(ctx context.Context, s Sender, st *stanza.Stanza) error {
		return fn(ctx, s, st.Presence())
	}))
}

// OnError adds a function for messages and presences of type error.
func (m *Mux) OnError(fn func(ctx context.Context, s Sender, st *stanza.Stanza, err *stanza.Error) error) {
	for _, k := range []stanza.Kind{stanza.KindMessage, stanza.KindPresence} {
		m.Handle(Pattern{Kind: k, Types: []stanza.Type{stanza.TypeError}}, HandlerFunc(func(ctx context.Context, s Sender, st *stanza.Stanza) error {
			return fn(ctx, s, st, stanza.AsError(st.Err()))
		}))
	}
}
