package archive

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/rsm"
	"github.com/etherx-go/xmpp/ext/stanzaid"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// maxSearched bounds how many messages with one address Missing looks at.
const maxSearched = 1000

// errNotFound is why it is not known whether messages have arrived.
var errNotFound = errors.New("archive: there are too many messages behind those that are looked for")

// Missing returns those of the messages that have not arrived at the server: it has
// an archive that would have them, and that has none with such an id. The messages
// were sent before the time lost by the own account, with ids of which no two are the
// same. It says nothing of messages that the archive does not keep, which are not
// returned.
//
// It is for Resend of the Config of a client, in the next session, when the last one
// could not be resumed.
func (c *Client) Missing(
	ctx context.Context, s xmpp.Sender, lost time.Time, sent []*stanza.Stanza,
) ([]*stanza.Stanza, error) {
	keeps, err := c.archived(ctx, s)
	if err != nil {
		return nil, err
	}
	wanted := make(map[jid.JID][]*stanza.Stanza) // by the account that they are for
	for _, st := range sent {
		if id := idOf(st); id != "" && keeps(st) {
			to := st.To.Bare()
			if to.IsZero() {
				to = s.LocalAddr().Bare()
			}
			wanted[to] = append(wanted[to], st)
		}
	}
	there := make(map[*stanza.Stanza]bool)
	for with, sts := range wanted {
		if err := c.search(ctx, s, with, lost, sts, there); err != nil {
			return nil, fmt.Errorf("archive: messages with %s: %w", with, err)
		}
	}
	var missing []*stanza.Stanza
	for _, st := range sent { // in their order
		if present, looked := there[st]; looked && !present {
			missing = append(missing, st)
		}
	}
	return missing, nil
}

// archived returns a function that reports whether a message that is sent is
// archived for sure.
func (c *Client) archived(ctx context.Context, s xmpp.Sender) (func(st *stanza.Stanza) bool, error) {
	prefs, err := GetPreferences(ctx, s)
	if _, ok := errors.AsType[*stanza.Error](err); ok {
		prefs, err = Preferences{Default: Always}, nil // there is nothing to choose
	}
	unsure := func(context.Context, jid.JID) (bool, error) { return false, nil }
	return func(st *stanza.Stanza) bool {
		ok, _ := prefs.Allow(ctx, st.To, unsure)
		return ok && Keeps(st)
	}, err
}

// search looks for messages with an address, the newest first, and notes for each
// whether it is there.
func (c *Client) search(
	ctx context.Context, s xmpp.Sender, with jid.JID, lost time.Time, sts []*stanza.Stanza, there map[*stanza.Stanza]bool,
) error {
	byID := make(map[string]*stanza.Stanza, len(sts))
	for _, st := range sts {
		there[st] = false
		byID[idOf(st)] = st
	}
	own, n, left := s.LocalAddr().Bare(), 0, len(sts)
	q := Query{Filter: Filter{With: with}, Set: rsm.Request{Last: true}}
	for m, err := range c.Messages(ctx, s, jid.JID{}, q) {
		switch n++; {
		case err != nil:
			return err
		case m.At.Before(lost.Add(-slack)):
			return nil
		case n > maxSearched:
			return errNotFound
		case m.Stanza == nil || m.Stanza.From.Bare() != own:
			continue
		}
		st := byID[idOf(m.Stanza)]
		if st == nil || there[st] {
			continue
		}
		if there[st] = true; left == 1 {
			return nil
		}
		left--
	}
	return nil
}

// idOf returns the id by which its sender knows a message.
func idOf(st *stanza.Stanza) string {
	if id, ok := stanzaid.Origin(st); ok {
		return id
	}
	return st.ID
}
