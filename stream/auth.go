package stream

import (
	"context"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/etherx-go/xmpp/sasl"
	"github.com/etherx-go/xmpp/stanza"
)

// nsChannelBinding is the namespace of XEP-0440.
const nsChannelBinding = "urn:xmpp:sasl-cb:0"

var (
	mechanismsName = xml.Name{Space: NSSASL, Local: "mechanisms"}
	// oldMechanisms is that of draft-miller-xmpp-core-02.
	oldMechanisms = xml.Name{Space: NSOldSASL, Local: "mechanisms"}
)

// dialect is the namespace of an exchange: that of RFC 6120, or that of
// draft-miller-xmpp-core-02, for which a prefix is declared on the stream header
// that old peers match literally.
type dialect string

// element returns an element with the character data text; "" is none.
func (d dialect) element(name, mechanism, text string) []byte {
	b := []byte("<" + name)
	if d == NSOldSASL {
		name = "sasl:" + name
		b = []byte("<" + name)
	} else {
		b = stanza.AppendAttr(b, "xmlns", string(d))
	}
	if mechanism != "" {
		b = stanza.AppendAttr(b, "mechanism", mechanism)
	}
	if text == "" {
		return append(b, "/>"...)
	}
	return append(b, ">"+text+"</"+name+">"...)
}

// encode returns data in base64.
func encode(data []byte) string { return base64.StdEncoding.EncodeToString(data) }

// encodeOptional does the same where data may be absent: "If the initiating
// entity needs to send a zero-length initial response, it MUST transmit the
// response as a single equals sign" (RFC 6120, section 6.4.2; 6.4.6 says so of
// the data with success).
func encodeOptional(data []byte) string {
	if data != nil && len(data) == 0 {
		return "="
	}
	return encode(data)
}

// SASL is the client's side of SASL negotiation (RFC 6120, section 6). config
// gives what the client knows of itself; Offered, BindingTypes, TLS and Host
// are filled in. A mechanism that the server turns out not to want is replaced
// by the next best; wrong credentials end the negotiation with a
// [*sasl.Failure]. needs is [Secure] unless authentication in the clear is
// allowed.
//
// With a server that speaks the dialect of draft-miller-xmpp-core-02 the
// stream goes on after success without a new header.
func SASL(config func() sasl.ClientConfig, needs State) []Feature {
	return []Feature{{Name: mechanismsName, Aliases: []xml.Name{oldMechanisms}, Needs: needs, Not: Authenticated,
		Negotiate: func(_ context.Context, c *Conn, offered stanza.Element) (Outcome, error) {
			a := clientAuth{c: c, ns: dialect(offered.Name().Space), config: config()}
			return a.run(offered)
		}}}
}

type clientAuth struct {
	c      *Conn
	ns     dialect
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
	a.config.AllowPlaintext = a.config.AllowPlaintext || a.c.State()&Secure != 0
	a.config.BindingTypes = a.bindingTypes()
	if a.config.Host == "" {
		a.config.Host = a.c.sent.To.Domain()
	}
	if a.ns == NSOldSASL && a.config.Service == "" {
		a.config.Service = "jabber" // section 5.1.2 of the old draft
	}
	for {
		name, mech, err := sasl.Choose(names, a.config)
		if err != nil {
			return Outcome{}, err
		}
		err = a.exchange(name, mech)
		if err == nil {
			return Outcome{State: Authenticated, Restart: a.ns == NSSASL, MayRestart: a.ns == NSOldSASL}, nil
		}
		if !isNotWanted(err) {
			return Outcome{}, err
		}
		a.config.Refuse = append(slices.Clip(a.config.Refuse), name)
	}
}

// bindingTypes reads what XEP-0440 announces beside the mechanisms.
func (a *clientAuth) bindingTypes() (types []string) {
	for _, el := range a.c.offered {
		if el.Is(nsChannelBinding, "sasl-channel-binding") {
			for t := range el.Children() {
				types = append(types, t.Attr("type"))
			}
		}
	}
	return types
}

// exchange runs one mechanism to its end.
func (a *clientAuth) exchange(name string, mech sasl.Client) error {
	initial, err := mech.Start()
	if err != nil {
		return err
	}
	b := a.ns.element("auth", name, encodeOptional(initial))
	for {
		in, err := a.c.exchange(b)
		if err != nil {
			return err
		}
		n := in.Name()
		if in.Stanza != nil || n.Space != string(a.ns) {
			return newError(UnsupportedStanzaType, fmt.Sprintf("{%.100s}%.100s in a SASL exchange", n.Space, n.Local))
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
				// The stream ends with err: the reply is not waited for.
				a.c.say(a.ns.element("abort", "", ""))
				return err
			}
		default:
			return newError(UnsupportedStanzaType, fmt.Sprintf("<%.100s/> in a SASL exchange", n.Local))
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
	return a.ns.element("response", "", encode(response)), nil
}

// parseFailure reads a failure; an empty one, as the old draft shows, counts as
// not-authorized.
func parseFailure(el stanza.Element, cause error) error {
	f := &sasl.Failure{Err: cause}
	for c := range el.Children() {
		switch n := c.Name(); {
		case n.Space != el.Name().Space:
		case n.Local != "text" && f.Condition == "":
			f.Condition = sasl.Condition(n.Local)
		case n.Local == "text" && f.Text == "":
			f.Text = c.Text()
		}
	}
	if f.Condition == "" {
		f.Condition = sasl.NotAuthorized
	}
	return f
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
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, &sasl.Failure{Condition: sasl.IncorrectEncoding, Err: err}
	}
	return data, nil
}

// DefaultMaxTries is how often a client may try to authenticate on one stream:
// "at least 2 and no more than 5" (RFC 6120, section 6.4.5).
const DefaultMaxTries = 5

// SASLServer is the server's side of SASL negotiation. To a client whose stream
// header declares the SASL namespace of draft-miller-xmpp-core-02 it also speaks
// that dialect, and follows the namespace of its <auth/>.
type SASLServer struct {
	// Config gives what the server knows. TLS, Offered and BindingTypes are
	// filled in.
	Config sasl.ServerConfig
	// Needs is Secure unless authentication in the clear is allowed. Without it
	// nothing is offered, and <auth/> fails with encryption-required.
	Needs State
	// MaxTries bounds the failed tries on one stream. The last one is followed
	// by a policy-violation. Default 5.
	MaxTries int
	// OtherTries, if not nil, returns how many tries have failed on the stream by
	// other means than SASL. They count, too.
	OtherTries func() int
	// Done is called when a client has proven who it is. Where it returns an
	// error authentication fails with it; one that is not a *sasl.Failure or
	// sasl.Condition is not shown, but is temporary-auth-failure.
	Done func(c *Conn, mechanism, user, authzid string) error
	// Failed, if not nil, is called when a try has failed.
	Failed func(c *Conn, mechanism string, err error)
	// SASL2, if not nil, offers the Extensible SASL Profile (XEP-0388) too, on a
	// stream that is [Secure]. Failed tries count together.
	SASL2 *SASL2Server

	tries      int
	mismatches int    // failures that do not count as tries
	prepared   string // id of the stream that Config is filled in for
}

// Features returns the features to negotiate with one client.
func (s SASLServer) Features() []Feature {
	if s.MaxTries <= 0 {
		s.MaxTries = DefaultMaxTries
	}
	if s.OtherTries == nil {
		s.OtherTries = func() int { return 0 }
	}
	var requests []xml.Name
	for _, ns := range []string{NSSASL, NSOldSASL} {
		for _, local := range []string{"auth", "response", "abort"} {
			requests = append(requests, xml.Name{Space: ns, Local: local})
		}
	}
	fs := []Feature{{Name: mechanismsName, Aliases: []xml.Name{oldMechanisms}, Not: Authenticated,
		Requests: requests, Offer: s.offer, Serve: s.serve}}
	if s.SASL2 == nil {
		return fs
	}
	return append([]Feature{s.feature2()}, fs...)
}

// prepare fills in what depends on the connection.
func (s *SASLServer) prepare(c *Conn) {
	if s.prepared == c.sent.ID {
		return
	}
	s.prepared = c.sent.ID
	s.Config.TLS = c.TLS()
	s.Config.AllowPlaintext = s.Config.AllowPlaintext || c.State()&Secure != 0
	s.Config.BindingTypes = sasl.BindingTypes(s.Config.TLS, s.Config.Certificate)
	s.Config.Offered = sasl.Mechanisms(s.Config)
}

func (s *SASLServer) offer(c *Conn, dst []byte) []byte {
	s.prepare(c)
	if len(s.Config.Offered) == 0 || c.State()&s.Needs != s.Needs {
		return dst
	}
	if c.sent.OldSASL {
		dst = s.appendMechanisms(dst, NSOldSASL)
	}
	if c.sent.Version == (Version{}) {
		return dst
	}
	dst = s.appendMechanisms(dst, NSSASL)
	if types := s.Config.BindingTypes; len(types) > 0 && slices.ContainsFunc(s.Config.Offered, bindsChannel) {
		dst = append(dst, "<sasl-channel-binding xmlns='"+nsChannelBinding+"'>"...)
		for _, t := range types {
			dst = append(stanza.AppendAttr(append(dst, "<channel-binding"...), "type", t), "/>"...)
		}
		dst = append(dst, "</sasl-channel-binding>"...)
	}
	return dst
}

// bindsChannel reports whether a mechanism can be bound to the channel.
func bindsChannel(mechanism string) bool { return strings.HasSuffix(mechanism, "-PLUS") }

func (s *SASLServer) appendMechanisms(dst []byte, ns string) []byte {
	dst = append(append(append(dst, "<mechanisms xmlns='"...), ns...), "'>"...)
	for _, m := range s.Config.Offered {
		dst = stanza.AppendTextElement(dst, "mechanism", m)
	}
	return append(dst, "</mechanisms>"...)
}

// errAgain says that another <auth/> came in the middle of an exchange.
var errAgain = errors.New("begun again")

// serve runs one exchange, which begins with in.
func (s *SASLServer) serve(ctx context.Context, c *Conn, in Incoming) (Outcome, error) {
	e := &serverExchange{s: s, c: c, ns: dialect(in.Name().Space), el: in.Element}
	if in.Stanza != nil || e.ns == NSOldSASL && !c.in.OldSASL {
		return Outcome{}, c.unexpected(in)
	}
	for {
		data, err := e.try(ctx)
		if err == nil {
			err = c.say(e.ns.element("success", "", encodeOptional(data)))
			return Outcome{State: Authenticated, Restart: e.ns == NSSASL, MayRestart: e.ns == NSOldSASL}, err
		}
		s.count(err)
		if err != errAgain {
			err = e.fail(err)
		} else if !s.exhausted() {
			// "the receiving entity MUST discard the ongoing handshake and
			// MUST process a new handshake" (RFC 6120, section 6.4.2).
			continue
		} else {
			err = nil
		}
		return Outcome{}, s.enough(err)
	}
}

// enough returns the error that ends the stream after a failed try that was
// answered: err, or that there were as many as may be.
func (s *SASLServer) enough(err error) error {
	if err == nil && s.exhausted() {
		return newError(PolicyViolation, "too many failed tries to authenticate")
	}
	return err
}

// count counts a failed try. One that fails because of the channel binding,
// before any proof is looked at, is no guess of a password and has a bound of
// its own: clients that bind as TLS 1.2 did, whatever the version (slixmpp 1.8), try
// one mechanism after the other until they find one without.
func (s *SASLServer) count(err error) {
	mismatch := errors.Is(err, sasl.SCRAMUnsupportedBindingType) || errors.Is(err, sasl.SCRAMServerDoesSupportBinding)
	if mismatch && s.mismatches < s.MaxTries {
		s.mismatches++
		return
	}
	s.tries++
}

// exhausted reports whether there were as many failed tries as may be.
func (s *SASLServer) exhausted() bool { return s.tries+s.OtherTries() >= s.MaxTries }

// serverExchange is one try, or several that the client begins before the one
// before has ended.
type serverExchange struct {
	s         *SASLServer
	c         *Conn
	ns        dialect
	el        stanza.Element // that begins the next try
	mechanism string
}

// fail reports a failed try. An err that is no SASL failure comes back.
func (e *serverExchange) fail(err error) error {
	f, ok := e.s.failure(e.c, e.mechanism, err)
	if !ok {
		return err
	}
	if e.ns == NSOldSASL {
		return e.c.say([]byte("<sasl:failure/>"))
	}
	b := append([]byte("<failure xmlns='"+NSSASL+"'><"), f.Condition...)
	b = append(b, "/>"...)
	if f.Text != "" {
		b = stanza.AppendText(append(b, "<text xml:lang='en'>"...), f.Text)
		b = append(b, "</text>"...)
	}
	return e.c.say(append(b, "</failure>"...))
}

// failure returns err as a SASL failure, which is reported; false if it is none.
func (s *SASLServer) failure(c *Conn, mechanism string, err error) (*sasl.Failure, bool) {
	f, ok := errors.AsType[*sasl.Failure](err)
	if cond, isCond := errors.AsType[sasl.Condition](err); !ok && isCond {
		f, ok = &sasl.Failure{Condition: cond, Err: err}, true
	}
	if ok && s.Failed != nil {
		s.Failed(c, mechanism, f)
	}
	return f, ok
}

// try runs one exchange and returns the data to send with success. An error
// that is neither a SASL failure nor errAgain ends the stream.
func (e *serverExchange) try(ctx context.Context) ([]byte, error) {
	mech, response, err := e.begin()
	if err != nil {
		return nil, err
	}
	data, err := runMechanism(ctx, mech, response, e.next)
	if err != nil {
		return nil, err
	}
	if err := e.s.refuseTasks(ctx, e.c, e.mechanism, mech); err != nil {
		return nil, err
	}
	return data, e.s.done(e.c, e.mechanism, mech)
}

// responder sends a challenge and returns the response.
type responder func(challenge []byte) (response []byte, err error)

// runMechanism runs a mechanism to its end and returns the data that goes with the
// success.
func runMechanism(ctx context.Context, mech sasl.Server, response []byte, next responder) ([]byte, error) {
	for {
		out, done, err := mech.Next(ctx, response)
		if err != nil || done {
			return out, err
		}
		if response, err = next(out); err != nil {
			return nil, err
		}
	}
}

// begin reads what begins a try.
func (e *serverExchange) begin() (sasl.Server, []byte, error) {
	switch e.el.Name().Local {
	case "abort":
		return nil, nil, sasl.Aborted
	case "response":
		return nil, nil, sasl.MalformedRequest
	}
	e.mechanism = e.el.Attr("mechanism")
	e.s.prepare(e.c)
	cfg := e.s.Config
	if e.ns == NSOldSASL {
		if e.mechanism == "" {
			e.mechanism = e.el.Attr("name") // its formal definition has this name
		}
		if cfg.Services == nil {
			cfg.Services = []string{"xmpp", "jabber"}
		}
	}
	if e.c.State()&e.s.Needs != e.s.Needs {
		return nil, nil, sasl.EncryptionRequired
	}
	mech, err := sasl.NewServer(e.mechanism, cfg)
	if err != nil {
		return nil, nil, err
	}
	response, err := decode(e.el.Text())
	return mech, response, err
}

// done asks whether the client is wanted.
func (s *SASLServer) done(c *Conn, mechanism string, mech sasl.Server) error {
	if s.Done == nil {
		return nil
	}
	return wireFailure(s.Done(c, mechanism, mech.Username(), mech.AuthzID()))
}

// wireFailure makes an error one that the client may be told.
func wireFailure(err error) error {
	_, isFailure := errors.AsType[*sasl.Failure](err)
	_, isCondition := errors.AsType[sasl.Condition](err)
	if err != nil && !isFailure && !isCondition {
		return &sasl.Failure{Condition: sasl.TemporaryAuthFailure, Err: err}
	}
	return err
}

// next sends a challenge and returns the response.
func (e *serverExchange) next(challenge []byte) ([]byte, error) {
	in, err := e.c.exchange(e.ns.element("challenge", "", encode(challenge)))
	if err != nil {
		return nil, err
	}
	if in.Stanza != nil || in.Name().Space != string(e.ns) {
		return nil, e.c.unexpected(in)
	}
	switch in.Name().Local {
	case "auth":
		e.el = in.Element
		return nil, errAgain
	case "abort":
		return nil, sasl.Aborted
	case "response":
		data, err := decode(in.Element.Text())
		if data == nil {
			data = []byte{}
		}
		return data, err
	}
	return nil, e.c.unexpected(in)
}
