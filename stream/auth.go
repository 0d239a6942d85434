package stream

import (
	"context"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"strings"

	"github.com/etherx-go/xmpp/sasl"
	"github.com/etherx-go/xmpp/stanza"
)

// nsChannelBinding is the namespace of XEP-0440.
const nsChannelBinding = "urn:xmpp:sasl-cb:0"

// SASL is the client's side of SASL negotiation (RFC 6120, section 6). config
// gives what the client knows of itself; Offered, BindingTypes, TLS and Host
// are filled in. A mechanism that the server turns out not to want is replaced
// by the next best; wrong credentials end the negotiation with a
// [*sasl.Failure]. needs is [Secure] unless authentication in the clear is
// allowed.
func SASL(config func() sasl.ClientConfig, needs State) []Feature {
	var fs []Feature
	for _, ns := range []string{NSSASL, NSOldSASL} {
		fs = append(fs, Feature{Name: xml.Name{Space: ns, Local: "mechanisms"}, Needs: needs, Not: Authenticated,
			Negotiate: func(ctx context.Context, c *Conn, offered stanza.Element) (Outcome, error) {
				a := clientAuth{c: c, ns: ns, config: config()}
				return a.run(offered)
			}})
	}
	return fs
}

type clientAuth struct {
	c      *Conn
	ns     string
	config sasl.ClientConfig
}

func (a *clientAuth) run(offered stanza.Element) (Outcome, error) {
	var names []string
	for m := range offered.Children() {
		if m.Name().Local == "mechanism" {
			names = append(names, strings.TrimSpace(m.Text()))
		}
	}
	a.config.TLS = a.c.TLS()
	a.config.AllowPlaintext = a.config.AllowPlaintext || a.c.state&Secure != 0
	a.config.BindingTypes = a.bindingTypes()
	if a.config.Host == "" {
		a.config.Host = a.c.sent.To.Domain()
	}
	for {
		name, mech, err := sasl.Choose(names, a.config)
		if err != nil {
			return Outcome{}, err
		}
		err = a.exchange(name, mech)
		if err == nil {
			// In the exchange that the old draft shows the stream goes on
			// as it is.
			return Outcome{State: Authenticated, Restart: a.ns == NSSASL}, nil
		}
		f, ok := errors.AsType[*sasl.Failure](err)
		if !ok || f.Condition != sasl.InvalidMechanism && f.Condition != sasl.MechanismTooWeak {
			return Outcome{}, err
		}
		a.config.Refuse = append(a.config.Refuse, name)
	}
}

// bindingTypes reads what XEP-0440 announces beside the mechanisms.
func (a *clientAuth) bindingTypes() (types []string) {
	el := find(a.c.offered, xml.Name{Space: nsChannelBinding, Local: "sasl-channel-binding"})
	if el.IsZero() {
		return nil
	}
	for t := range el.Children() {
		types = append(types, t.Attr("type"))
	}
	return types
}

// exchange runs one mechanism to its end.
func (a *clientAuth) exchange(name string, mech sasl.Client) error {
	initial, err := mech.Start()
	if err != nil {
		return err
	}
	b := stanza.AppendAttr([]byte("<auth xmlns='"+a.ns+"'"), "mechanism", name)
	b = append(appendInitial(append(b, '>'), initial), "</auth>"...)
	for {
		in, err := a.c.exchange(b)
		if err != nil {
			return err
		}
		n := in.Name()
		if n.Space != a.ns {
			return newError(UnsupportedStanzaType, fmt.Sprintf("{%s}%s in a SASL exchange", n.Space, n.Local))
		}
		switch n.Local {
		case "success":
			data, err := decode(in.Element.Text())
			if err != nil {
				return err
			}
			return mech.Finish(data)
		case "failure":
			return parseFailure(in.Element, sasl.FailureCause(mech))
		case "challenge":
			if b, err = a.answer(mech, in.Element.Text()); err != nil {
				a.c.exchange([]byte("<abort xmlns='" + a.ns + "'/>"))
				return err
			}
		default:
			return newError(UnsupportedStanzaType, "<"+n.Local+"/> in a SASL exchange")
		}
	}
}

func (a *clientAuth) answer(mech sasl.Client, text string) ([]byte, error) {
	challenge, err := decode(text)
	if err != nil {
		return nil, err
	}
	if challenge == nil {
		challenge = []byte{}
	}
	response, err := mech.Next(challenge)
	if err != nil {
		return nil, err
	}
	b := base64.StdEncoding.AppendEncode([]byte("<response xmlns='"+a.ns+"'>"), response)
	return append(b, "</response>"...), nil
}

// parseFailure reads a failure; an empty one, as the old draft shows, counts as
// not-authorized.
func parseFailure(el stanza.Element, cause error) error {
	f := &sasl.Failure{Condition: sasl.NotAuthorized, Err: cause}
	for c := range el.Children() {
		switch n := c.Name(); {
		case n.Local == "text":
			f.Text = c.Text()
		case n.Space == el.Name().Space:
			f.Condition = sasl.Condition(n.Local)
		}
	}
	return f
}

// appendInitial encodes an initial response: nothing, "=" for one that is
// empty, or base64 (RFC 6120, section 6.4.2).
func appendInitial(dst, initial []byte) []byte {
	if initial != nil && len(initial) == 0 {
		return append(dst, '=')
	}
	return base64.StdEncoding.AppendEncode(dst, initial)
}

// decode reads the character data of a SASL element: nil for none, empty for
// "=". White space is passed over: the examples of the old draft are wrapped.
func decode(text string) ([]byte, error) {
	text = strings.Map(func(r rune) rune {
		if r == ' ' || r == '\n' || r == '\r' || r == '\t' {
			return -1
		}
		return r
	}, text)
	switch text {
	case "":
		return nil, nil
	case "=":
		return []byte{}, nil
	}
	data, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, &sasl.Failure{Condition: sasl.IncorrectEncoding, Err: err}
	}
	return data, nil
}

// DefaultMaxTries is how often a client may try to authenticate on one stream:
// "at least 2" and "not more than 5" (RFC 6120, section 6.4.5).
const DefaultMaxTries = 5

// SASLServer is the server's side of SASL negotiation.
type SASLServer struct {
	// Config gives what the server knows. TLS, Offered and BindingTypes are
	// filled in.
	Config sasl.ServerConfig
	// Needs is Secure unless authentication in the clear is allowed.
	Needs State
	// MaxTries bounds the failed tries on one stream. Default 5.
	MaxTries int
	// Done is called when a client has proven who it is. Where it returns an
	// error authentication fails with it; one that is not a *sasl.Failure or
	// sasl.Condition is not shown.
	Done func(c *Conn, mechanism, user, authzid string) error
	// Failed, if not nil, is called when a try has failed.
	Failed func(c *Conn, mechanism string, err error)

	tries int
}

// Features returns the features to negotiate with one client.
func (s SASLServer) Features() []Feature {
	if s.MaxTries <= 0 {
		s.MaxTries = DefaultMaxTries
	}
	a := &s
	requests := func(ns string) []xml.Name {
		return []xml.Name{{Space: ns, Local: "auth"}, {Space: ns, Local: "response"}, {Space: ns, Local: "abort"}}
	}
	return []Feature{
		{Name: xml.Name{Space: NSSASL, Local: "mechanisms"}, Needs: s.Needs, Not: Authenticated,
			Requests: append(requests(NSSASL), requests(NSOldSASL)...), Offer: a.offer, Serve: a.serve},
	}
}

// prepare fills in what depends on the connection.
func (s *SASLServer) prepare(c *Conn) {
	s.Config.TLS = c.TLS()
	s.Config.AllowPlaintext = s.Config.AllowPlaintext || c.state&Secure != 0
	s.Config.BindingTypes = sasl.BindingTypes(s.Config.TLS, s.Config.Certificate)
	s.Config.Offered = sasl.Mechanisms(s.Config)
}

func (s *SASLServer) offer(c *Conn, dst []byte) []byte {
	s.prepare(c)
	if len(s.Config.Offered) == 0 {
		return dst
	}
	ns := NSSASL
	if c.sent.Version == (Version{}) {
		ns = NSOldSASL
	}
	dst = append(append(append(dst, "<mechanisms xmlns='"...), ns...), "'>"...)
	for _, m := range s.Config.Offered {
		dst = stanza.AppendTextElement(dst, "mechanism", m)
	}
	dst = append(dst, "</mechanisms>"...)
	if types := s.Config.BindingTypes; len(types) > 0 && ns == NSSASL {
		dst = append(dst, "<sasl-channel-binding xmlns='"+nsChannelBinding+"'>"...)
		for _, t := range types {
			dst = append(stanza.AppendAttr(append(dst, "<channel-binding"...), "type", t), "/>"...)
		}
		dst = append(dst, "</sasl-channel-binding>"...)
	}
	return dst
}

// serve runs one try, which begins with el.
func (s *SASLServer) serve(ctx context.Context, c *Conn, in Incoming) (Outcome, error) {
	n := in.Name()
	if n.Space == NSOldSASL && !c.in.OldSASL {
		return Outcome{}, c.unexpected(in)
	}
	mechanism := in.Element.Attr("mechanism")
	if mechanism == "" && n.Space == NSOldSASL {
		mechanism = in.Element.Attr("name") // its formal definition has this name
	}
	e := serverExchange{c: c, prefix: "<", ns: " xmlns='" + n.Space + "'", old: n.Space == NSOldSASL}
	if e.old {
		e.prefix, e.ns = "<sasl:", "" // declared on the header; old peers match names literally
	}
	success, err := s.try(ctx, &e, mechanism, in.Element)
	if err == nil {
		_, err := c.writeNow(success)
		return Outcome{State: Authenticated, Restart: !e.old}, err
	}
	f, ok := errors.AsType[*sasl.Failure](err)
	if cond, isCond := errors.AsType[sasl.Condition](err); !ok && isCond {
		f, ok = &sasl.Failure{Condition: cond, Err: err}, true
	}
	if !ok {
		return Outcome{}, err
	}
	s.tries++
	if s.Failed != nil {
		s.Failed(c, mechanism, f)
	}
	if _, err := c.writeNow(e.failure(f)); err != nil {
		return Outcome{}, err
	}
	if s.tries >= s.MaxTries {
		return Outcome{}, newError(PolicyViolation, "too many failed tries to authenticate")
	}
	return Outcome{}, nil
}

// try runs one exchange and returns what to write at its successful end. An
// error that is not a *sasl.Failure ends the stream.
func (s *SASLServer) try(ctx context.Context, e *serverExchange, mechanism string, el stanza.Element) ([]byte, error) {
	if el.Name().Local != "auth" {
		if el.Name().Local == "abort" {
			return nil, sasl.Aborted
		}
		return nil, sasl.MalformedRequest
	}
	if s.Config.Offered == nil {
		s.prepare(e.c)
	}
	mech, err := sasl.NewServer(mechanism, s.Config)
	if err != nil {
		return nil, err
	}
	response, err := decode(el.Text())
	for err == nil {
		challenge, done, err := mech.Next(ctx, response)
		if err != nil {
			return nil, err
		}
		if done {
			if err := s.Done(e.c, mechanism, mech.Username(), mech.AuthzID()); err != nil {
				return nil, err
			}
			return e.append("success", challenge), nil
		}
		if response, err = e.next(challenge); err != nil {
			return nil, err
		}
	}
	return nil, err
}

// serverExchange writes and reads the elements of an exchange, in the
// namespace that the client uses.
type serverExchange struct {
	c          *Conn
	prefix, ns string
	old        bool
}

func (e *serverExchange) append(name string, data []byte) []byte {
	b := append(append(append([]byte(e.prefix), name...), e.ns...), '>')
	b = base64.StdEncoding.AppendEncode(b, data)
	return append(append(append(append(b, '<', '/'), e.prefix[1:]...), name...), '>')
}

func (e *serverExchange) failure(f *sasl.Failure) []byte {
	if e.old {
		return []byte("<sasl:failure/>")
	}
	b := append([]byte("<failure"+e.ns+"><"), f.Condition...)
	b = append(b, "/>"...)
	if f.Text != "" {
		b = stanza.AppendText(append(b, "<text xml:lang='en'>"...), f.Text)
		b = append(b, "</text>"...)
	}
	return append(b, "</failure>"...)
}

// next sends a challenge and returns the response.
func (e *serverExchange) next(challenge []byte) ([]byte, error) {
	in, err := e.c.exchange(e.append("challenge", challenge))
	if err != nil {
		return nil, err
	}
	n := in.Name()
	if e.old != (n.Space == NSOldSASL) || in.Stanza != nil || n.Space != NSSASL && n.Space != NSOldSASL {
		return nil, e.c.unexpected(in)
	}
	switch n.Local {
	case "abort":
		return nil, sasl.Aborted
	case "response":
		data, err := decode(in.Element.Text())
		if data == nil {
			data = []byte{}
		}
		return data, err
	}
	return nil, sasl.MalformedRequest
}
