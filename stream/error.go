package stream

import (
	"encoding/xml"
	"errors"
	"strings"

	"github.com/etherx-go/xmpp/internal/xmltok"
	"github.com/etherx-go/xmpp/stanza"
)

// Namespaces of streams.
const (
	NS         = "http://etherx.jabber.org/streams"
	NSErrors   = "urn:ietf:params:xml:ns:xmpp-streams"
	NSStartTLS = "urn:ietf:params:xml:ns:xmpp-tls"
	NSSASL     = "urn:ietf:params:xml:ns:xmpp-sasl"
	NSBind     = "urn:ietf:params:xml:ns:xmpp-bind"
	NSSession  = "urn:ietf:params:xml:ns:xmpp-session"
	// NSOldSASL is the SASL namespace of draft-miller-xmpp-core-02, section
	// 5.1.1. It is used with a peer that declares it on its stream header.
	NSOldSASL = "http://www.iana.org/assignments/sasl-mechanisms"
)

// Condition is a defined stream error condition. It is an error, so that
// errors.Is(err, stream.Conflict) works on every error that holds one.
type Condition string

// The conditions of RFC 6120, section 4.9.3.
const (
	BadFormat              Condition = "bad-format"
	BadNamespacePrefix     Condition = "bad-namespace-prefix"
	Conflict               Condition = "conflict"
	ConnectionTimeout      Condition = "connection-timeout"
	HostGone               Condition = "host-gone"
	HostUnknown            Condition = "host-unknown"
	ImproperAddressing     Condition = "improper-addressing"
	InternalServerError    Condition = "internal-server-error"
	InvalidFrom            Condition = "invalid-from"
	InvalidNamespace       Condition = "invalid-namespace"
	InvalidXML             Condition = "invalid-xml"
	NotAuthorized          Condition = "not-authorized"
	NotWellFormed          Condition = "not-well-formed"
	PolicyViolation        Condition = "policy-violation"
	RemoteConnectionFailed Condition = "remote-connection-failed"
	Reset                  Condition = "reset"
	ResourceConstraint     Condition = "resource-constraint"
	RestrictedXML          Condition = "restricted-xml"
	SeeOtherHost           Condition = "see-other-host"
	SystemShutdown         Condition = "system-shutdown"
	UndefinedCondition     Condition = "undefined-condition"
	UnsupportedEncoding    Condition = "unsupported-encoding"
	UnsupportedFeature     Condition = "unsupported-feature"
	UnsupportedStanzaType  Condition = "unsupported-stanza-type"
	UnsupportedVersion     Condition = "unsupported-version"
)

// Error returns the condition's name.
func (c Condition) Error() string { return string(c) }

// defined holds all conditions that RFC 6120 defines.
var defined = func() map[Condition]bool {
	m := make(map[Condition]bool)
	for _, c := range []Condition{BadFormat, BadNamespacePrefix, Conflict, ConnectionTimeout, HostGone, HostUnknown,
		ImproperAddressing, InternalServerError, InvalidFrom, InvalidNamespace, InvalidXML, NotAuthorized, NotWellFormed,
		PolicyViolation, RemoteConnectionFailed, Reset, ResourceConstraint, RestrictedXML, SeeOtherHost, SystemShutdown,
		UndefinedCondition, UnsupportedEncoding, UnsupportedFeature, UnsupportedStanzaType, UnsupportedVersion} {
		m[c] = true
	}
	return m
}()

// Error is a stream error (RFC 6120, section 4.9). It ends the stream.
type Error struct {
	Condition  Condition
	Text, Lang string
	Host       string     // where see-other-host points to
	App        stanza.Raw // application-specific condition, "" if there is none
	Remote     bool       // the peer sent it; false: it was found here
	// Name is the condition as the peer wrote it, where it is not a defined
	// one and Condition says undefined-condition. It is not sent.
	Name string
	Err  error // what was found, for the log; not sent
}

// newError makes an error that is found here; the text goes to the peer.
func newError(c Condition, text string) *Error { return &Error{Condition: c, Text: text} }

// Error describes the error in one line.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("stream error ")
	if e.Remote {
		b.WriteString("from the peer ")
	}
	b.WriteString(string(e.Condition))
	if e.Name != "" {
		b.WriteString(" (" + e.Name + ")")
	}
	for _, s := range []string{e.Host, e.Text} {
		if s != "" {
			b.WriteString(": " + s)
		}
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	return b.String()
}

// Unwrap returns the condition and the cause.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Condition}
	}
	return []error{e.Condition, e.Err}
}

// AsError returns err as a stream error that can be sent: the *Error that it
// holds, the one that belongs to bad input, or internal-server-error.
func AsError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	if c, ok := errors.AsType[Condition](err); ok {
		return &Error{Condition: c}
	}
	if e, ok := errors.AsType[*xmltok.Error](err); ok {
		return &Error{Condition: conditionOf(e.Class), Text: e.Msg, Err: err}
	}
	return &Error{Condition: InternalServerError, Err: err}
}

// conditionOf returns the condition for bad input of a class.
func conditionOf(c xmltok.Class) Condition {
	switch c {
	case xmltok.Restricted:
		return RestrictedXML
	case xmltok.Encoding:
		return UnsupportedEncoding
	case xmltok.Limit:
		return PolicyViolation
	case xmltok.BadFormat:
		return BadFormat
	}
	return NotWellFormed
}

// appendXML appends the error element. An old peer (no version on its stream)
// knows no conditions: it gets the text directly inside, as draft-miller-xmpp-
// core-02, section 4.5, has it, and the condition behind it.
func (e *Error) appendXML(dst []byte, old bool) []byte {
	cond := e.Condition
	if !defined[cond] {
		cond = UndefinedCondition
	}
	dst = append(dst, "<stream:error>"...)
	if old {
		text := e.Text
		if text == "" {
			text = string(cond)
		}
		dst = stanza.AppendText(dst, text)
	}
	dst = append(append(append(dst, '<'), cond...), " xmlns='"+NSErrors+"'"...)
	if e.Host != "" {
		dst = stanza.AppendText(append(dst, '>'), e.Host)
		dst = append(append(append(dst, "</"...), cond...), '>')
	} else {
		dst = append(dst, "/>"...)
	}
	if e.Text != "" && !old {
		lang := e.Lang
		if lang == "" {
			lang = "en"
		}
		dst = stanza.AppendAttr(append(dst, "<text xmlns='"+NSErrors+"'"...), "xml:lang", lang)
		dst = append(stanza.AppendText(append(dst, '>'), e.Text), "</text>"...)
	}
	if e.App != "" {
		if b, err := stanza.AppendPayload(dst, e.App); err == nil {
			dst = b
		}
	}
	return append(dst, "</stream:error>"...)
}

// parseError reads an error element of either form.
func parseError(el stanza.Element) *Error {
	e := &Error{Condition: UndefinedCondition, Remote: true}
	found := false
	for c := range el.Children() {
		n := c.Name()
		switch {
		case n == xml.Name{Space: NSErrors, Local: "text"}:
			e.Text, e.Lang = c.Text(), c.Lang()
		case n.Space == NSErrors && !found:
			found = true
			e.setCondition(n.Local)
			if e.Condition == SeeOtherHost {
				e.Host = strings.TrimSpace(c.Text())
			}
		case e.App == "":
			e.App = c.Raw()
		}
	}
	if e.Text == "" {
		e.Text = strings.TrimSpace(el.Text())
	}
	return e
}

// setCondition takes a condition from the wire, xml-not-well-formed being the
// name that RFC 3920, section 4.7.3, had.
func (e *Error) setCondition(name string) {
	switch c := Condition(name); {
	case defined[c]:
		e.Condition = c
	case name == "xml-not-well-formed":
		e.Condition = NotWellFormed
	default:
		e.Name = name
	}
}
