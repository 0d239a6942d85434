package stream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/xml"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/sasl"
	"github.com/etherx-go/xmpp/stanza"
)

// SASL2 is the client's side of the Extensible SASL Profile (XEP-0388): it
// authenticates, and what else there is to negotiate goes with it, so that a login
// takes one round trip with a token (XEP-0484), and one more with a password. Its
// feature stands before those of [SASL], which are used where the server does not
// offer it, and before [Bind], which is used where nothing was bound inline. It is used
// on a stream that is [Secure] only.
//
// What the server has offered is protected as with SASL (XEP-0474): an attacker who
// hides the feature gains nothing, because the list of mechanisms that is left must be
// what the server has offered there.
//
// The header should have the bare address of the account in From.
type SASL2 struct {
	// Config is that of [SASL].
	Config func() sasl.ClientConfig
	// UserAgent is what the server is told of the client. Without an ID there are
	// no tokens.
	UserAgent UserAgent
	// Bind, if not nil, binds a resource.
	Bind *Bind2
	// Management, if not nil, resumes a session (XEP-0198, section 9.2) where there
	// is one, and begins stream management with the binding otherwise (section 9.1).
	Management *ManagementClient
	// Inline are other requests.
	Inline []InlineRequest

	// Token is the token to log in with; nil if there is none. It is not used after
	// its end, nor for a mechanism that the server does not offer for tokens.
	Token *Token
	// SaveToken is called with the token to be kept from now on, whenever it changes:
	// with nil if the server does not want it, before each login with it, and when
	// there is a new one. Without SaveToken no token is asked for.
	SaveToken func(*Token)
	// ForgetToken logs in with the token for the last time: the server forgets it
	// (XEP-0484, section 3.6), and no other is asked for.
	ForgetToken bool

	// UnboundUpgrade gives the server what it needs for newer SCRAM mechanisms
	// (XEP-0480) also if neither is the login bound to the TLS channel, nor was the
	// password itself shown in it. Who reads such a login along can use what is given.
	UnboundUpgrade bool
	// Tasks chooses one of the tasks that the server names, when it wants more than
	// the authentication (XEP-0388, section 2.6.3). The login fails if it returns a
	// nil Task, or is nil. Upgrades are not among the tasks.
	Tasks func(names []string) (name string, task Task)
	// Done, if not nil, is called when the login has succeeded, with the address that
	// the server has told, and what else it has said with the success.
	Done func(c *Conn, address jid.JID, success stanza.Element)
}

// InlineRequest is a request that goes with an authentication (XEP-0388, section
// 2.1).
type InlineRequest struct {
	// Offer is the element by which the server offers it.
	Offer xml.Name
	// Request is the element that asks for it.
	Request stanza.Raw
	// Done is called with the success, in which the server answers. An error ends
	// the stream.
	Done func(c *Conn, success stanza.Element) error
}

// Task is what a client does when authentication is not enough.
type Task interface {
	// Start returns what goes into <next/>.
	Start() (stanza.Raw, error)
	// Next answers the server's <task-data/>. An error ends the login.
	Next(data stanza.Element) (stanza.Raw, error)
}

// ErrTask says that the server wants a task done before it lets the client in, which
// the client does not know.
var ErrTask = errors.New("stream: the server wants something done that is not known here")

// Feature returns the feature to negotiate.
func (s SASL2) Feature() Feature {
	a := &client2{SASL2: s}
	return Feature{Name: authenticationName, Needs: Secure, Not: Authenticated, Unoffered: true,
		Early: a.early, Negotiate: a.negotiate}
}

// client2 is one login.
type client2 struct {
	SASL2
	c      *Conn
	config sasl.ClientConfig
	offer  stanza.Element // the server's, or that of the last login
	names  []string       // the mechanisms of it
	sent   sasl.Client    // what was sent with the header; nil: nothing

	mechanism string        // of the exchange under way
	asked     []BindRequest // within its request to bind
	binding   bool          // it asks for a resource
	enabling  bool          // and for stream management
	resuming  bool
	inline    []InlineRequest // it asks for
	upgrades  []string        // it asks for, as far as they are not done
	tokenFor  string          // the mechanism of the token that it may bring
}

// early logs in with a token as the header is sent, if it is known what the server
// offers.
func (a *client2) early(c *Conn) []byte {
	a.begin(c)
	if !a.Token.good(time.Now()) || a.Token.Offer == "" {
		return nil
	}
	st, err := stanza.New(stanza.Header{Kind: stanza.KindMessage}, stanza.Raw(a.Token.Offer))
	if err != nil {
		return nil
	}
	a.offer = st.Payload()
	mech, request, err := a.withToken()
	if err != nil {
		return nil
	}
	a.sent = mech
	return request
}

// begin takes what is known of the connection.
func (a *client2) begin(c *Conn) {
	a.c, a.sent = c, nil
	a.config = a.Config()
	a.config.SASL2 = true
	a.config.TLS = c.TLS()
	a.config.AllowPlaintext = true // the stream is secure
	if a.config.Host == "" {
		a.config.Host = c.sent.To.Domain()
	}
}

// negotiate logs in.
func (a *client2) negotiate(_ context.Context, c *Conn, offered stanza.Element) (Outcome, error) {
	if offered.IsZero() {
		if a.sent == nil {
			return Outcome{}, ErrSkip
		}
		return Outcome{}, errors.New("stream: the server does not offer any more what it did: " + NSSASL2)
	}
	if a.c == nil {
		a.begin(c)
	}
	a.offer = offered
	a.names = texts(offered, NSSASL2, "mechanism")
	auth := clientAuth{c: c}
	a.config.BindingTypes = auth.bindingTypes()
	out, noToken := a.tokenLogin()
	if noToken == nil || !errors.Is(noToken, errNoToken) {
		return out, noToken
	}
	for {
		name, mech, err := sasl.Choose(a.names, a.config)
		if err != nil {
			if noToken != errNoToken {
				err = fmt.Errorf("%w; %w", err, noToken)
			}
			return Outcome{}, a.noMechanism(err)
		}
		initial, err := mech.Start()
		if err != nil {
			return Outcome{}, err
		}
		if err = c.say(a.request(name, initial)); err != nil {
			return Outcome{}, err
		}
		out, err := a.exchange(mech)
		if !isNotWanted(err) {
			return out, err
		}
		a.config.Refuse = append(slices.Clip(a.config.Refuse), name)
	}
}

// isNotWanted reports whether a login has failed because of its mechanism, so that
// another one may do.
func isNotWanted(err error) bool {
	f, ok := errors.AsType[*sasl.Failure](err)
	return ok && (f.Condition == sasl.InvalidMechanism || f.Condition == sasl.MechanismTooWeak)
}

// noMechanism returns the error where no mechanism can be used: the server may offer
// others in the manner of RFC 6120.
func (a *client2) noMechanism(err error) error {
	if _, ok := errors.AsType[*sasl.ChoiceError](err); !ok {
		return err
	}
	for _, el := range a.c.offered {
		if el.Name() == mechanismsName {
			return fmt.Errorf("%w: %w", ErrSkip, err)
		}
	}
	return err
}

// errNoToken says that a login with a token has not been, and another may follow.
var errNoToken = errors.New("stream: the token did not help")

// tokenLogin logs in with a token if there is one that can be used.
func (a *client2) tokenLogin() (Outcome, error) {
	mech := a.sent
	if a.sent = nil; mech == nil {
		var request []byte
		var err error
		if mech, request, err = a.withToken(); err != nil {
			return Outcome{}, errNoToken
		}
		if err := a.c.say(request); err != nil {
			return Outcome{}, err
		}
	}
	out, err := a.exchange(mech)
	f, ok := errors.AsType[*sasl.Failure](err)
	switch {
	case !ok:
		return out, err
	case !f.Condition.Temporary():
		// "the client SHOULD discard the token and automatically fall back to
		// alternative authentication mechanisms" (XEP-0484, section 4.1).
		a.keep(nil)
	}
	return out, fmt.Errorf("%w: %w", errNoToken, err)
}

// keep makes t the token.
func (a *client2) keep(t *Token) {
	a.Token = t
	if a.SaveToken != nil {
		a.SaveToken(t)
	}
}

// withToken returns the mechanism and the request to log in with the token, which
// counts as used then. An error says that it cannot be used.
func (a *client2) withToken() (sasl.Client, []byte, error) {
	t := a.Token
	offered := a.offeredTokens()
	if !t.good(time.Now()) || a.UserAgent.ID == "" || !slices.Contains(offered, t.Mechanism) {
		return nil, nil, errNoToken
	}
	config := a.config
	config.Username, config.HashedToken = t.User, t.Secret
	mech, err := sasl.NewClient(t.Mechanism, config)
	if err != nil {
		return nil, nil, err
	}
	initial, err := mech.Start()
	if err != nil {
		return nil, nil, err
	}
	used := *t
	used.Count++
	used.Offer = ""
	a.keep(&used)
	return mech, a.request(t.Mechanism, initial), nil
}

// leafOf returns the certificate that the server presented, nil if there is none.
func leafOf(state *tls.ConnectionState) *x509.Certificate {
	if state == nil || len(state.PeerCertificates) == 0 {
		return nil
	}
	return state.PeerCertificates[0]
}

// offeredTokens returns the mechanisms that the server takes tokens for.
func (a *client2) offeredTokens() []string {
	return texts(a.inlineOffer().Child(NSFAST, "fast"), NSFAST, "mechanism")
}

// inlineOffer is the server's <inline/>.
func (a *client2) inlineOffer() stanza.Element { return a.offer.Child(NSSASL2, "inline") }

// request makes the <authenticate/>, with all that goes with it.
func (a *client2) request(mechanism string, initial []byte) []byte {
	b := appendData2(nil, "initial-response", initial)
	b = a.UserAgent.appendXML(b)
	a.mechanism = mechanism
	b = a.appendFAST(b)
	b = a.appendUpgrades(b)
	offered := a.inlineOffer()
	a.resuming = false
	if a.Management != nil && !offered.Child(NSManagement, "sm").IsZero() {
		var resume string
		if resume, a.resuming = a.Management.resumeRequest(a.c); a.resuming {
			b = append(b, resume...)
		}
	}
	b = a.appendBind(b, offered.Child(NSBind2, "bind"))
	a.inline = nil
	for _, r := range a.Inline {
		if !offered.Child(r.Offer.Space, r.Offer.Local).IsZero() {
			a.inline = append(a.inline, r)
			b = append(b, r.Request...)
		}
	}
	return element2("authenticate", "mechanism", mechanism, string(b))
}

// appendFAST appends what is said of tokens.
func (a *client2) appendFAST(b []byte) []byte {
	a.tokenFor = ""
	if sasl.IsTokenMechanism(a.mechanism) {
		a.tokenFor = a.mechanism
		b = append(b, fmt.Sprintf("<fast xmlns='"+NSFAST+"' count='%d'", a.Token.Count)...)
		if a.ForgetToken {
			b = append(b, " invalidate='true'"...)
		}
		return append(b, "/>"...)
	}
	if a.SaveToken == nil || a.UserAgent.ID == "" || a.ForgetToken || a.mechanism == sasl.Anonymous {
		return b
	}
	offered := a.offeredTokens()
	for _, m := range sasl.TokenMechanisms(a.config.TLS, leafOf(a.config.TLS)) {
		if slices.Contains(offered, m) && !slices.Contains(a.config.Refuse, m) {
			a.tokenFor = m
			return append(stanza.AppendAttr(append(b, "<request-token xmlns='"+NSFAST+"'"...), "mechanism", m), "/>"...)
		}
	}
	return b
}

// appendBind appends the request to bind a resource.
func (a *client2) appendBind(b []byte, offered stanza.Element) []byte {
	bind := a.Bind
	a.enabling = bind != nil && a.Management != nil && slices.Contains(offeredVars(offered), NSManagement)
	if a.enabling {
		with := *bind
		enable := BindRequest{Var: NSManagement, Request: stanza.Raw(a.Management.enableRequest())}
		with.Features = append(slices.Clip(bind.Features), enable)
		bind = &with
	}
	at := len(b)
	b, a.asked = bind.request(b, offered)
	a.binding = len(b) > at
	return b
}

// exchange runs one mechanism, whose initial response is sent, to the end of the
// login.
func (a *client2) exchange(mech sasl.Client) (Outcome, error) {
	verified := false // mech has come to its end
	var doing Task
	for {
		in, err := a.c.receive()
		if err != nil {
			return Outcome{}, err
		}
		el := in.Element
		if in.Stanza != nil || el.Name().Space != NSSASL2 {
			return Outcome{}, newError(UnsupportedStanzaType,
				fmt.Sprintf("{%.100s}%.100s in a SASL exchange", in.Name().Space, in.Name().Local))
		}
		var b []byte
		switch local := el.Name().Local; {
		case local == "failure":
			a.c.resuming = nil
			return Outcome{}, parseFailure2(el, sasl.FailureCause(mech))
		case local == "challenge" && !verified:
			b, err = a.answer(mech, el)
		case local == "success" || local == "continue":
			if !verified {
				err = finish2(mech, el)
				verified = true
			}
			switch {
			case err != nil && local == "success":
				return Outcome{}, err
			case local == "success":
				return a.success(el)
			case err == nil:
				b, doing, err = a.next(el)
			}
		case local == "task-data" && doing != nil:
			b, err = a.step(doing, el)
		default:
			return Outcome{}, newError(UnsupportedStanzaType, fmt.Sprintf("<%.100s/> is not expected in a SASL exchange", local))
		}
		if err != nil {
			// The stream ends with err: the reply is not waited for.
			a.c.say(element2("abort", "", "", ""))
			return Outcome{}, err
		}
		if err := a.c.say(b); err != nil {
			return Outcome{}, err
		}
	}
}

func (a *client2) answer(mech sasl.Client, el stanza.Element) ([]byte, error) {
	challenge, err := data2(el)
	if err != nil {
		return nil, err
	}
	response, err := mech.Next(challenge)
	return element2("response", "", "", encode(response)), err
}

// finish2 ends a mechanism with the data that has come with success or continue.
func finish2(mech sasl.Client, el stanza.Element) error {
	data, err := data2(el.Child(NSSASL2, "additional-data"))
	if err != nil {
		return err
	}
	return mech.Finish(data)
}

// next begins one of the tasks that the server names.
func (a *client2) next(el stanza.Element) ([]byte, Task, error) {
	names := texts(el.Child(NSSASL2, "tasks"), NSSASL2, "task")
	name, task := a.upgradeTask(names)
	if task == nil && a.Tasks != nil {
		name, task = a.Tasks(names)
	}
	if task == nil {
		return nil, nil, fmt.Errorf("%w: %.200q", ErrTask, names)
	}
	content, err := task.Start()
	return element2("next", "task", name, string(content)), task, err
}

func (a *client2) step(task Task, el stanza.Element) ([]byte, error) {
	content, err := task.Next(el)
	return element2("task-data", "", "", string(content)), err
}

// parseFailure2 reads a failure, whose condition is of RFC 6120 (XEP-0388, section
// 2.6.2).
func parseFailure2(el stanza.Element, cause error) error {
	f := &sasl.Failure{Condition: sasl.NotAuthorized, Text: el.ChildText(NSSASL2, "text"), Err: cause}
	for ch := range el.Children() {
		if n := ch.Name(); n.Space == NSSASL && n.Local != "text" {
			f.Condition = sasl.Condition(strings.Clone(n.Local))
			break
		}
	}
	return f
}

// success takes what the server says with the success.
func (a *client2) success(el stanza.Element) (Outcome, error) {
	address, err := identifier(el)
	if err != nil {
		return Outcome{}, err
	}
	out := Outcome{State: Authenticated, Anew: true}
	resumed, err := a.resumed(el)
	if err != nil {
		return Outcome{}, err
	}
	if resumed {
		out = Outcome{State: Authenticated | Ready}
	} else if bound := el.Child(NSBind2, "bound"); !bound.IsZero() && a.binding {
		out.State |= Ready
		if err := a.bound(address, bound); err != nil {
			return Outcome{}, err
		}
	}
	a.newToken(address, el)
	for _, r := range a.inline {
		if r.Done != nil {
			if err := r.Done(a.c, el); err != nil {
				return Outcome{}, err
			}
		}
	}
	if a.Done != nil {
		a.Done(a.c, address, el)
	}
	return out, nil
}

// identifier reads the address that the login has led to. The examples of XEP-0484
// have another name for it.
func identifier(success stanza.Element) (jid.JID, error) {
	el := success.Child(NSSASL2, "authorization-identifier")
	if el.IsZero() {
		el = success.Child(NSSASL2, "authorization-identity")
	}
	text := strings.TrimSpace(el.Text())
	j, err := jid.Parse(text)
	if err != nil {
		return j, fmt.Errorf("stream: the server says that the address is %.100q: %w", text, err)
	}
	return j.Clone(), nil
}

// resumed takes the answer to a request to resume.
func (a *client2) resumed(success stanza.Element) (bool, error) {
	for _, name := range []string{"resumed", "failed"} {
		el := success.Child(NSManagement, name)
		if el.IsZero() {
			continue
		}
		if !a.resuming {
			return false, newError(UnsupportedStanzaType, "<"+name+"/> without a request to resume")
		}
		ok, err := a.Management.resumeReply(a.c, el)
		if old := a.Management.Old; ok {
			// "stream features MUST NOT be sent in this case" (XEP-0198, section 9.2)
			a.c.offers, a.c.peerLimits = old.offers, old.peerLimits
		}
		return ok, err
	}
	a.c.resuming = nil // the server has passed it over
	return false, nil
}

// bound takes the answer to the request to bind a resource.
func (a *client2) bound(address jid.JID, bound stanza.Element) error {
	if err := a.Bind.finish(a.c, address, bound, a.asked); err != nil {
		return err
	}
	for _, name := range []string{"enabled", "failed"} {
		if el := bound.Child(NSManagement, name); !el.IsZero() && a.enabling {
			return a.Management.enableReply(a.c, el)
		}
	}
	return nil
}

// newToken keeps what the next login can be made with.
func (a *client2) newToken(address jid.JID, success stanza.Element) {
	if a.SaveToken == nil {
		return
	}
	t := parseToken(success, a.tokenFor)
	switch {
	case t != nil && a.UserAgent.ID != "":
		t.User = address.Local()
	case !sasl.IsTokenMechanism(a.mechanism):
		return
	case a.ForgetToken:
		a.keep(nil)
		return
	default:
		same := *a.Token
		t = &same
	}
	t.Offer = string(a.offer.Raw())
	a.keep(t)
}
