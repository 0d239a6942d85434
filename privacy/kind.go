package privacy

import "github.com/etherx-go/xmpp/stanza"

// KindIn returns the kind of a stanza that comes to the user, as
// [Engine.Allow] and [List.Allows] want it. Presence notifications are "presence
// stanzas with no 'type' attribute or of type='unavailable' only" (RFC 3921,
// section 10); all other presences are of kind 0.
func KindIn(st *stanza.Stanza) Kinds {
	switch st.Kind {
	case stanza.KindMessage:
		return Message
	case stanza.KindIQ:
		return IQ
	case stanza.KindPresence:
		if isNotification(st) {
			return PresenceIn
		}
	}
	return 0
}

// KindOut returns the kind of a stanza that the user sends: [PresenceOut] or 0.
func KindOut(st *stanza.Stanza) Kinds {
	if st.Kind == stanza.KindPresence && isNotification(st) {
		return PresenceOut
	}
	return 0
}

func isNotification(st *stanza.Stanza) bool {
	return st.Type == stanza.TypeAvailable || st.Type == stanza.TypeUnavailable
}
