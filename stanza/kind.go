package stanza

// Kind is one of the three kinds of stanza (RFC 6120, section 8.2).
type Kind uint8

// The kinds of stanza. The zero Kind is none of them.
const (
	KindMessage  Kind = iota + 1 // push, "message"
	KindPresence                 // publish-subscribe, "presence"
	KindIQ                       // request-response, "iq"
)

// String returns the name of the kind's XML element, "" for the zero Kind.
func (k Kind) String() string {
	switch k {
	case KindMessage:
		return "message"
	case KindPresence:
		return "presence"
	case KindIQ:
		return "iq"
	}
	return ""
}

// endTag returns the end tag of the kind's element.
func (k Kind) endTag() string {
	switch k {
	case KindMessage:
		return "</message>"
	case KindPresence:
		return "</presence>"
	case KindIQ:
		return "</iq>"
	}
	return ""
}

// KindOf returns the kind whose element has the given local name, 0 if none.
func KindOf[S ~string | ~[]byte](name S) Kind {
	switch string(name) {
	case "message":
		return KindMessage
	case "presence":
		return KindPresence
	case "iq":
		return KindIQ
	}
	return 0
}

// Type is the value of a stanza's type attribute. Unknown values are kept, so
// that they can be sent on unchanged.
type Type string

// The types of RFC 6120 section 8.2.3 and RFC 6121 sections 4.7.1 and 5.2.2.
const (
	TypeError Type = "error" // any kind: the stanza reports an error

	TypeNormal    Type = "normal" // message: also what an absent or unknown type means
	TypeChat      Type = "chat"
	TypeGroupChat Type = "groupchat"
	TypeHeadline  Type = "headline"

	TypeAvailable    Type = "" // presence: the sender is available
	TypeUnavailable  Type = "unavailable"
	TypeSubscribe    Type = "subscribe"
	TypeSubscribed   Type = "subscribed"
	TypeUnsubscribe  Type = "unsubscribe"
	TypeUnsubscribed Type = "unsubscribed"
	TypeProbe        Type = "probe"

	TypeGet    Type = "get" // iq
	TypeSet    Type = "set"
	TypeResult Type = "result"
)

// IsRequest reports whether an iq of this type asks for a reply.
func (t Type) IsRequest() bool { return t == TypeGet || t == TypeSet }

// IsResponse reports whether an iq of this type is a reply.
func (t Type) IsResponse() bool { return t == TypeResult || t == TypeError }

// MessageType returns how a message of this type is to be treated: "If an
// application receives a message with no 'type' attribute or the application
// does not understand the value of the 'type' attribute provided, it MUST
// consider the message to be of type "normal"" (RFC 6121, section 5.2.2).
func (t Type) MessageType() Type {
	switch t {
	case TypeChat, TypeGroupChat, TypeHeadline, TypeError:
		return t
	}
	return TypeNormal
}

// The namespaces that stanzas live in. A Stanza is neutral: the stream that it
// is written to gives it one of these (RFC 6120, section 4.8.3).
const (
	NSClient    = "jabber:client"
	NSServer    = "jabber:server"
	NSComponent = "jabber:component:accept"
	NSConnect   = "jabber:component:connect"
	// NSStanzas qualifies the conditions of stanza errors.
	NSStanzas = "urn:ietf:params:xml:ns:xmpp-stanzas"
	nsXML     = "http://www.w3.org/XML/1998/namespace"
)

// IsContentNamespace reports whether ns is one that qualifies stanzas.
func IsContentNamespace[S ~string | ~[]byte](ns S) bool {
	switch string(ns) {
	case NSClient, NSServer, NSComponent, NSConnect:
		return true
	}
	return false
}
