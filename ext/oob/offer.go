package oob

import (
	"context"
	"errors"
	"net/url"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// Send offers a URL to somebody, and returns nil when it was fetched: the other
// side "MUST NOT send the IQ result until it has retrieved the complete file"
// (section 2), though old ones send it as a receipt, before they fetch.
// errors.Is finds [stanza.ItemNotFound] in the error if the URL could not be
// fetched, and [stanza.NotAcceptable] if it was refused. That may take long:
// give ctx a deadline.
func Send(ctx context.Context, s xmpp.Sender, to jid.JID, o Offer) error {
	iq, err := stanza.New(stanza.Header{Kind: stanza.KindIQ, Type: stanza.TypeSet, To: to}, o)
	if err != nil {
		return err
	}
	_, err = s.Do(ctx, iq)
	return err
}

// ErrRefused is for a Fetch function that does not want the URL.
var ErrRefused error = stanza.NotAcceptable

// DefaultMaxFetches is how many URLs an [Extension] fetches at the same time by
// default.
const DefaultMaxFetches = 4

// Extension receives offers. Attach it to a client or component.
type Extension struct {
	// Fetch fetches the URL, whole, before it returns nil. It looks first
	// whether it wants to: "care must be taken" (section 7). url is absolute, of
	// any scheme. ErrRefused is answered with not-acceptable, "if the recipient
	// rejects the request outright"; any other *stanza.Error or
	// stanza.Condition as it is; and all else, not told to the sender, with
	// item-not-found, "if the recipient attempts to retrieve the file but is
	// unable to do so" (section 2). nil: everything is refused, and the feature
	// is not announced.
	Fetch func(ctx context.Context, from jid.JID, url, desc string) error
	// MaxFetches bounds how many calls of Fetch run at the same time; what is
	// more is answered with resource-constraint. 0 stands for
	// [DefaultMaxFetches], -1 for no bound.
	MaxFetches int

	running chan struct{} // a place for each call that runs, nil for no bound
}

// Attach adds the handler.
func (e *Extension) Attach(h xmpp.Host) error {
	if max := e.MaxFetches; max >= 0 {
		if max == 0 {
			max = DefaultMaxFetches
		}
		e.running = make(chan struct{}, max)
	}
	xmpp.HandleIQ(h.Mux(), stanza.TypeSet, e.handle)
	xmpp.HandleIQ(h.Mux(), stanza.TypeGet, func(context.Context, xmpp.Request[Offer]) (any, error) {
		return nil, stanza.NewError(stanza.BadRequest, "an offer is of type set")
	})
	return nil
}

// Features returns [NSOffer], or nothing if there is no Fetch.
func (e *Extension) Features(jid.JID) []string {
	if e.Fetch == nil {
		return nil
	}
	return []string{NSOffer}
}

func (e *Extension) handle(ctx context.Context, r xmpp.Request[Offer]) (any, error) {
	if u, err := url.Parse(r.Payload.URL); err != nil || u.Scheme == "" {
		return nil, stanza.NewError(stanza.BadRequest, "not a URL")
	}
	if e.Fetch == nil {
		return nil, ErrRefused
	}
	if e.running != nil {
		select {
		case e.running <- struct{}{}:
			defer func() { <-e.running }()
		default:
			return nil, stanza.ResourceConstraint
		}
	}
	return nil, asAnswer(e.Fetch(ctx, r.From, r.Payload.URL, r.Payload.Desc))
}

// asAnswer keeps an error that is meant for the sender.
func asAnswer(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*stanza.Error](err); ok {
		return err
	}
	if _, ok := errors.AsType[stanza.Condition](err); ok {
		return err
	}
	return stanza.ItemNotFound
}
