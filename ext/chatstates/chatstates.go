// Package chatstates implements Chat State Notifications (XEP-0085): whether the
// other one is typing, has paused, or is gone.
//
// [Extension] keeps a [Chat] with each contact, which knows what may be sent to
// whom, and when. The states "can reveal information about a user's interaction
// with his or her computer", so users must be able to turn them off (section 9):
// see [Extension.Allow].
package chatstates

import (
	"encoding/xml"
	"slices"

	"github.com/etherx-go/xmpp/ext/internal/payload"
	"github.com/etherx-go/xmpp/stanza"
)

// NS is the namespace, which is also the feature for service discovery
// (section 4).
const NS = "http://jabber.org/protocol/chatstates"

// State is how somebody takes part in a chat, a payload of a message.
type State string

// The states of XEP-0085, section 2.
const (
	Active    State = "active"    // takes part
	Composing State = "composing" // is writing a message
	Paused    State = "paused"    // was writing, and has stopped
	Inactive  State = "inactive"  // has not taken part for a while
	Gone      State = "gone"      // takes part no longer
)

var states = [...]State{Active, Composing, Paused, Inactive, Gone}

// isDefined reports whether s is one of the five.
func (s State) isDefined() bool { return slices.Contains(states[:], s) }

// XMLName returns the element's name. For the zero State the local part is
// empty: every state.
func (s State) XMLName() xml.Name { return xml.Name{Space: NS, Local: string(s)} }

// AppendXML appends the element. The error is a bad-request if there is no
// such state.
func (s State) AppendXML(dst []byte) ([]byte, error) {
	if !s.isDefined() {
		return nil, errUnknown()
	}
	dst = append(append(dst, '<'), s...)
	return append(dst, " xmlns='"+NS+"'/>"...), nil
}

// ParseXML reads the element. The error is a bad-request if there is no such
// state.
func (s *State) ParseXML(e stanza.Element) error {
	i := slices.Index(states[:], State(e.Name().Local))
	if i < 0 {
		return errUnknown()
	}
	*s = states[i] // which does not share the memory of a stanza
	return nil
}

func errUnknown() error { return stanza.NewError(stanza.BadRequest, "not a chat state") }

// Of returns the state that a message, a *stanza.Stanza or a *stanza.Message,
// has, and whether it has one. Of several, which must not be, the first counts.
// There is none in headlines and errors, and none in other stanzas (section 5.4);
// in a groupchat, gone is ignored (section 5.5).
func Of(m interface {
	Stanza() (*stanza.Stanza, error)
}) (State, bool) {
	s, st, ok := payload.Of[State](m)
	if !ok || st.Kind != stanza.KindMessage || st.Type == stanza.TypeHeadline {
		return "", false
	}
	if s == Gone && st.Type == stanza.TypeGroupChat {
		return "", false
	}
	return s, true
}
