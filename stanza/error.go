package stanza

import (
	"errors"
	"strconv"
	"strings"

	"github.com/etherx-go/xmpp/jid"
)

// ErrorType says what the sender of a failed stanza may do about it
// (RFC 6120, section 8.3.2).
type ErrorType string

// The error types.
const (
	Auth     ErrorType = "auth"     // retry after providing credentials
	Cancel   ErrorType = "cancel"   // do not retry
	Continue ErrorType = "continue" // proceed, it was only a warning
	Modify   ErrorType = "modify"   // retry after changing the data
	Wait     ErrorType = "wait"     // retry after waiting
)

// Condition is a defined stanza error condition. It is an error, so that
// errors.Is(err, stanza.ItemNotFound) works on every error that holds one.
type Condition string

// The conditions of RFC 6120, section 8.3.3.
const (
	BadRequest            Condition = "bad-request"
	Conflict              Condition = "conflict"
	FeatureNotImplemented Condition = "feature-not-implemented"
	Forbidden             Condition = "forbidden"
	Gone                  Condition = "gone"
	InternalServerError   Condition = "internal-server-error"
	ItemNotFound          Condition = "item-not-found"
	JIDMalformed          Condition = "jid-malformed"
	NotAcceptable         Condition = "not-acceptable"
	NotAllowed            Condition = "not-allowed"
	NotAuthorized         Condition = "not-authorized"
	PolicyViolation       Condition = "policy-violation"
	RecipientUnavailable  Condition = "recipient-unavailable"
	Redirect              Condition = "redirect"
	RegistrationRequired  Condition = "registration-required"
	RemoteServerNotFound  Condition = "remote-server-not-found"
	RemoteServerTimeout   Condition = "remote-server-timeout"
	ResourceConstraint    Condition = "resource-constraint"
	ServiceUnavailable    Condition = "service-unavailable"
	SubscriptionRequired  Condition = "subscription-required"
	UndefinedCondition    Condition = "undefined-condition"
	UnexpectedRequest     Condition = "unexpected-request"
	// PaymentRequired was removed by RFC 6120. It is understood, never sent:
	// on the wire it becomes undefined-condition.
	PaymentRequired Condition = "payment-required"
)

// Error returns the condition's name.
func (c Condition) Error() string { return string(c) }

// conditions gives each condition its type and its legacy code: the types of
// RFC 6120, section 8.3.3, the codes of XEP-0086, section 2, which has none
// for policy-violation.
var conditions = map[Condition]struct {
	typ  ErrorType
	code int
}{
	BadRequest:            {Modify, 400},
	Conflict:              {Cancel, 409},
	FeatureNotImplemented: {Cancel, 501},
	Forbidden:             {Auth, 403},
	Gone:                  {Cancel, 302},
	InternalServerError:   {Cancel, 500},
	ItemNotFound:          {Cancel, 404},
	JIDMalformed:          {Modify, 400},
	NotAcceptable:         {Modify, 406},
	NotAllowed:            {Cancel, 405},
	NotAuthorized:         {Auth, 401},
	PolicyViolation:       {Modify, 406},
	RecipientUnavailable:  {Wait, 404},
	Redirect:              {Modify, 302},
	RegistrationRequired:  {Auth, 407},
	RemoteServerNotFound:  {Cancel, 404},
	RemoteServerTimeout:   {Wait, 504},
	ResourceConstraint:    {Wait, 500},
	ServiceUnavailable:    {Cancel, 503},
	SubscriptionRequired:  {Auth, 407},
	UndefinedCondition:    {Cancel, 500},
	UnexpectedRequest:     {Wait, 400},
}

// legacyCodes says what the numeric codes of the first Jabber servers mean:
// XEP-0086, section 3, with the texts of the Jabber Programmers Guide (chapter
// 11) and draft-miller-xmpp-core-02 (appendix A).
var legacyCodes = map[int]struct {
	cond Condition
	typ  ErrorType
	text string
}{
	302:         {Redirect, Modify, "Redirect"},
	400:         {BadRequest, Modify, "Bad Request"},
	401:         {NotAuthorized, Auth, "Unauthorized"},
	codePayment: {PaymentRequired, Auth, "Payment Required"},
	403:         {Forbidden, Auth, "Forbidden"},
	404:         {ItemNotFound, Cancel, "Not Found"},
	405:         {NotAllowed, Cancel, "Not Allowed"},
	406:         {NotAcceptable, Modify, "Not Acceptable"},
	407:         {RegistrationRequired, Auth, "Registration Required"},
	408:         {RemoteServerTimeout, Wait, "Request Timeout"},
	409:         {Conflict, Cancel, "Conflict"},
	500:         {InternalServerError, Wait, "Internal Server Error"},
	501:         {FeatureNotImplemented, Cancel, "Not Implemented"},
	502:         {ServiceUnavailable, Wait, "Remote Server Error"},
	503:         {ServiceUnavailable, Cancel, "Service Unavailable"},
	504:         {RemoteServerTimeout, Wait, "Remote Server Timeout"},
	510:         {ServiceUnavailable, Cancel, "Disconnected"},
}

const codePayment = 402 // understood, never sent

// NoCode in [Error.Code] leaves the numeric code out.
const NoCode = -1

// Error is a stanza error (RFC 6120, section 8.3). As a Go error it unwraps to
// its Condition.
type Error struct {
	// Type is by default the one that RFC 6120 gives the condition.
	Type ErrorType
	// Condition is by default undefined-condition.
	Condition Condition
	// Text describes the error for people, in the language Lang.
	Text, Lang string
	// NewAddress is where gone and redirect point to, a URI.
	NewAddress string
	// App is an application-specific condition, "" if there is none. On output
	// it is left out if it is not well-formed.
	App Raw
	// Code is the numeric code of XEP-0086. On output 0 stands for the one
	// that belongs to the condition, NoCode for none at all; on input it is
	// what was received, 0 if nothing.
	Code int
	// By is the entity that reports the error, if known.
	By jid.JID
}

// NewError returns an error with the condition's usual type and this text.
func NewError(c Condition, text string) *Error { return &Error{Condition: c, Text: text} }

// AsError returns err as a stanza error: the *Error that it holds, the
// Condition that it holds, or internal-server-error. The text of any other
// error stays at home.
func AsError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok && e != nil {
		return e
	}
	if c, ok := errors.AsType[Condition](err); ok {
		return &Error{Condition: c}
	}
	return &Error{Condition: InternalServerError, Type: Wait}
}

// Error describes the error in one line.
func (e *Error) Error() string {
	s := string(e.condition())
	switch {
	case e.Text != "":
		s += ": " + e.Text
	case e.NewAddress != "":
		s += ": " + e.NewAddress
	}
	if !e.By.IsZero() {
		s += " (from " + e.By.String() + ")"
	}
	return s
}

// Unwrap returns the condition.
func (e *Error) Unwrap() error {
	if e == nil {
		return nil
	}
	return e.condition()
}

// AppName returns the name of the application-specific condition as
// "{namespace}local", "" if there is none.
func (e *Error) AppName() string {
	if e.App == "" {
		return ""
	}
	el, err := e.App.Element()
	if err != nil {
		return ""
	}
	return "{" + el.name.Space + "}" + el.name.Local
}

func (e *Error) condition() Condition {
	if e.Condition == "" {
		return UndefinedCondition
	}
	return e.Condition
}

// appendXML appends the error element as a child of a stanza.
func (e *Error) appendXML(dst []byte) []byte {
	cond := e.condition()
	info, ok := conditions[cond]
	if !ok {
		cond, info = UndefinedCondition, conditions[UndefinedCondition]
	}
	typ, code := e.Type, e.Code
	if typ == "" {
		typ = info.typ
	}
	if code == 0 || code == codePayment {
		code = info.code
	}
	dst = append(dst, "<error"...)
	if code > 0 {
		dst = append(strconv.AppendInt(append(dst, " code='"...), int64(code), 10), '\'')
	}
	dst = appendAttr(dst, "type", typ)
	if !e.By.IsZero() {
		dst = appendAttr(dst, "by", e.By.String())
	}
	dst = append(append(append(dst, "><"...), cond...), " xmlns='"+NSStanzas+"'"...)
	if e.NewAddress != "" && (cond == Gone || cond == Redirect) {
		dst = AppendText(append(dst, '>'), e.NewAddress)
		dst = append(append(append(dst, "</"...), cond...), '>')
	} else {
		dst = append(dst, "/>"...)
	}
	if e.Text != "" {
		dst = append(dst, "<text xmlns='"+NSStanzas+"'"...)
		if e.Lang != "" {
			dst = appendAttr(dst, "xml:lang", e.Lang)
		}
		dst = append(AppendText(append(dst, '>'), e.Text), "</text>"...)
	}
	if e.App != "" {
		if app, err := e.App.Element(); err == nil {
			dst = append(dst, app.src...)
		}
	}
	return append(dst, "</error>"...)
}

// parseError reads an error element: the form of RFC 6120, and the form of the
// first Jabber servers, <error code='404'>Not Found</error>. The condition
// wins over the code.
func parseError(el Element) *Error {
	e := &Error{Condition: UndefinedCondition, Type: Cancel}
	if el.IsZero() {
		return e
	}
	if n, err := strconv.Atoi(strings.TrimSpace(el.Attr("code"))); err == nil && n > 0 {
		e.Code = n
	}
	if by, err := jid.Parse(el.Attr("by")); err == nil {
		e.By = by
	}
	modern := false
	for c := range el.Children() {
		switch {
		case c.name.Space != NSStanzas:
			if e.App == "" {
				e.App = c.Raw()
			}
		case c.name.Local == "text":
			if e.Text == "" {
				e.Text, e.Lang = c.Text(), c.Lang()
			}
		case !modern:
			modern = true
			e.setCondition(c)
		}
	}
	if e.Text == "" {
		e.Text = strings.TrimSpace(el.Text())
	}
	if !modern {
		e.setCode()
	}
	switch t := ErrorType(el.Attr("type")); t {
	case Auth, Cancel, Continue, Modify, Wait:
		e.Type = t
	}
	return e
}

// setCondition takes a condition from the wire. One that is not defined counts
// as undefined-condition.
func (e *Error) setCondition(el Element) {
	c := Condition(el.name.Local)
	if info, ok := conditions[c]; ok {
		e.Condition, e.Type = c, info.typ
	} else if c == PaymentRequired {
		e.Condition, e.Type = c, Auth
	}
	if c == Gone || c == Redirect {
		e.NewAddress = strings.TrimSpace(el.Text())
	}
}

// setCode takes from the numeric code what it means, and its text if there is
// no other: codes "can be used to interpret the error messages if they are not
// sent with a body" (Jabber Programmers Guide, chapter 11).
func (e *Error) setCode() {
	if l, ok := legacyCodes[e.Code]; ok {
		e.Condition, e.Type = l.cond, l.typ
		if e.Text == "" {
			e.Text = l.text
		}
	}
}
