package stream

import (
	"context"
	"encoding/xml"
	"fmt"
	"slices"
	"strings"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/sasl"
	"github.com/etherx-go/xmpp/stanza"
)

// SASL2Server is what a server offers by the Extensible SASL Profile (XEP-0388)
// beside the mechanisms of the [SASLServer] that it belongs to. Every field may be
// left out.
type SASL2Server struct {
	// Bind binds resources inline (XEP-0386).
	Bind *Bind2Server
	// Management resumes sessions inline, and begins stream management with the
	// binding (XEP-0198, section 9).
	Management *ManagementServer
	// FAST gives and takes tokens (XEP-0484).
	FAST *FASTServer
	// Upgrade asks for keys of newer mechanisms (XEP-0480).
	Upgrade *UpgradeServer
	// Inline are other features that are negotiated with the authentication.
	Inline []InlineFeature
	// Tasks returns the tasks of which the client has to do one next, before it is
	// let in (XEP-0388, section 2.6.3); none if there is nothing (more) to do. It is
	// called when the mechanism has come to its end, and after each task. Who logs in
	// with a token has no tasks (XEP-0484, section 4.2); who has some and logs in by
	// RFC 6120, which knows of none, fails with mechanism-too-weak. An error is one of
	// [SASLServer.Done].
	Tasks func(ctx context.Context, l *Login) ([]ServerTask, error)
	// Report, if not nil, is told what has gone wrong without ending the login: a
	// resource that could not be bound, a store that has failed.
	Report func(c *Conn, err error)
}

// Login is a login by XEP-0388 as the server sees it.
type Login struct {
	Conn      *Conn
	Mechanism string
	User      string  // proven, as the accounts are kept
	AuthzID   string  // as the client asked for it, allowed
	Account   jid.JID // the user's bare address
	// UserAgent is what the client says of itself.
	UserAgent UserAgent
	// Request is the <authenticate/>; zero for a login by RFC 6120.
	Request stanza.Element
	// Done are the names of the tasks that are done.
	Done []string
}

// InlineFeature is a feature that is negotiated with the authentication (XEP-0388,
// section 2.1).
type InlineFeature struct {
	// Offer is the element that offers it.
	Offer stanza.Raw
	// Request names the element that asks for it.
	Request xml.Name
	// Serve is called when the client is authenticated, and has got the resource that
	// it has asked for; it is not called for a stream that goes on with another
	// session. What it returns goes with the success. An error is reported, and the
	// login goes on.
	Serve func(ctx context.Context, l *Login, request stanza.Element) (stanza.Raw, error)
}

// ServerTask is something that a client has to do beside authentication.
type ServerTask struct {
	Name string
	// Step is called with the client's <next/> and then with each of its <task-data/>.
	// It returns what goes into <task-data/>, or, with done, into a <success/> that
	// follows. An error is one of [SASLServer.Done].
	Step func(ctx context.Context, el stanza.Element) (data stanza.Raw, done bool, err error)
}

// feature2 is the feature of XEP-0388. Like that of RFC 6120 it is served where it
// is not offered, to say why.
func (s *SASLServer) feature2() Feature {
	var requests []xml.Name
	for _, local := range []string{"authenticate", "response", "abort"} {
		requests = append(requests, xml.Name{Space: NSSASL2, Local: local})
	}
	return Feature{Name: authenticationName, Not: Authenticated, Requests: requests, Offer: s.offer2, Serve: s.serve2}
}

// offer2 appends what is offered. "SASL2 MUST only be [...] offered by Servers after
// TLS negotiation" (XEP-0388, section 3).
func (s *SASLServer) offer2(c *Conn, dst []byte) []byte {
	s.prepare(c)
	if len(s.Config.Offered) == 0 || c.State()&Secure == 0 || c.State()&s.Needs != s.Needs {
		return dst
	}
	dst = append(dst, "<authentication xmlns='"+NSSASL2+"'>"...)
	for _, m := range s.Config.Offered {
		dst = stanza.AppendTextElement(dst, "mechanism", m)
	}
	dst = append(dst, "<inline>"...)
	at := len(dst)
	dst = s.appendInline(dst)
	if len(dst) == at {
		dst = dst[:at-len("<inline>")]
	} else {
		dst = append(dst, "</inline>"...)
	}
	dst = s.SASL2.Upgrade.appendOffer(dst)
	return append(dst, "</authentication>"...)
}

// appendInline appends what can be negotiated inline.
func (s *SASLServer) appendInline(dst []byte) []byte {
	ext := s.SASL2
	if ext.Management != nil && ext.Management.Resume != nil {
		dst = append(dst, "<sm xmlns='"+NSManagement+"'/>"...)
	}
	if ext.Bind != nil {
		var more []string
		if ext.Management != nil {
			more = []string{NSManagement}
		}
		dst = ext.Bind.appendOffer(dst, more...)
	}
	dst = appendFAST(dst, ext.FAST.mechanisms(&s.Config))
	for _, f := range ext.Inline {
		dst = append(dst, f.Offer...)
	}
	return dst
}

// serve2 runs one exchange, which begins with in.
func (s *SASLServer) serve2(ctx context.Context, c *Conn, in Incoming) (Outcome, error) {
	if in.Stanza != nil || c.sent.Version == (Version{}) {
		return Outcome{}, c.unexpected(in)
	}
	e := &login2{s: s, ext: s.SASL2, l: Login{Conn: c, Request: in.Element}}
	err := e.try(ctx)
	if err == nil {
		return e.succeed(ctx)
	}
	s.count(err)
	f, ok := s.failure(c, e.l.Mechanism, err)
	if ok {
		err = c.say(failure2(f))
	}
	return Outcome{}, s.enough(err)
}

// failure2 is the element for a failure.
func failure2(f *sasl.Failure) []byte {
	content := "<" + string(f.Condition) + " xmlns='" + NSSASL + "'/>"
	if f.Text != "" {
		content += string(stanza.AppendTextElement(nil, "text", f.Text))
	}
	return element2("failure", "", "", content)
}

// login2 is one login.
type login2 struct {
	s   *SASLServer
	ext *SASL2Server
	l   Login

	fast       fastRequest
	additional []byte     // data of the mechanism, until it is sent
	extra      stanza.Raw // of the last task, for the success
}

// report tells what has gone wrong beside the login.
func (e *login2) report(err error) {
	if err != nil && e.ext.Report != nil {
		e.ext.Report(e.l.Conn, err)
	}
}

// try authenticates the client, and has it do its tasks.
func (e *login2) try(ctx context.Context) error {
	mech, response, err := e.begin()
	if err != nil {
		return err
	}
	if e.additional, err = runMechanism(ctx, mech, response, e.challenge); err != nil {
		return err
	}
	if err := e.authenticated(mech); err != nil {
		return err
	}
	if err := e.tasks(ctx); err != nil {
		return err
	}
	if err := e.s.done(e.l.Conn, e.l.Mechanism, mech); err != nil {
		return err
	}
	return e.upgrade(ctx)
}

// begin reads what begins a try.
func (e *login2) begin() (sasl.Server, []byte, error) {
	el, c := e.l.Request, e.l.Conn
	switch el.Name().Local {
	case "abort":
		return nil, nil, sasl.Aborted
	case "response":
		return nil, nil, sasl.MalformedRequest
	}
	e.l.Mechanism = strings.Clone(el.Attr("mechanism"))
	e.l.UserAgent = parseUserAgent(el.Child(NSSASL2, "user-agent"))
	e.s.prepare(c)
	if c.State()&Secure == 0 || c.State()&e.s.Needs != e.s.Needs {
		return nil, nil, sasl.EncryptionRequired
	}
	cfg := e.s.Config
	tokens := e.ext.FAST.mechanisms(&cfg)
	var err error
	if e.fast, err = parseFAST(el, e.l.UserAgent.ID, tokens); err != nil {
		return nil, nil, err
	}
	if e.l.Mechanism == sasl.Anonymous {
		e.fast.mechanism = "" // nobody to be recognized again
	}
	if e.fast.used {
		// Who says that it has a token, and so has no tasks, logs in by that or not at
		// all. nil would stand for all mechanisms.
		cfg.Offered = append([]string{}, tokens...)
		if len(tokens) > 0 {
			cfg.Credentials.HashedToken = e.ext.FAST.check(cfg.Host, &e.fast)
		}
	}
	mech, err := sasl.NewServer(e.l.Mechanism, cfg)
	if err != nil {
		return nil, nil, err
	}
	response, err := data2(el.Child(NSSASL2, "initial-response"))
	return mech, response, err
}

// challenge sends a challenge and returns the response.
func (e *login2) challenge(data []byte) ([]byte, error) {
	in, err := e.receive(element2("challenge", "", "", encode(data)))
	if err != nil {
		return nil, err
	}
	if in.Element.Name().Local != "response" {
		return nil, e.l.Conn.unexpected(in)
	}
	return data2(in.Element)
}

// receive sends b and returns the element that answers. "Servers MUST disconnect
// Clients immediately if any other traffic is received" (XEP-0388, section 2.4).
func (e *login2) receive(b []byte) (Incoming, error) {
	in, err := e.l.Conn.exchange(b)
	switch {
	case err != nil:
		return in, err
	case in.Stanza != nil || in.Name().Space != NSSASL2:
		return in, e.l.Conn.unexpected(in)
	case in.Name().Local == "abort":
		return in, sasl.Aborted
	}
	return in, nil
}

// authenticated takes note of who the client is. "Any non-empty authorization string
// MUST be considered an error if the stream's from attribute (if present) does not
// match" (XEP-0388, section 4.4).
func (e *login2) authenticated(mech sasl.Server) error {
	e.l.User, e.l.AuthzID = mech.Username(), mech.AuthzID()
	var err error
	if e.l.Account, err = jid.New(e.l.User, e.s.Config.Host, ""); err != nil || e.l.User == "" {
		return &sasl.Failure{Condition: sasl.NotAuthorized, Err: fmt.Errorf("user name %q: %w", e.l.User, err)}
	}
	if from := e.l.Conn.in.From; e.l.AuthzID != "" && !from.IsZero() {
		if authz, err := jid.Parse(e.l.AuthzID); err != nil || authz.Bare() != from.Bare() {
			return &sasl.Failure{Condition: sasl.InvalidAuthzID, Err: fmt.Errorf("%q on a stream from %s", e.l.AuthzID, from)}
		}
	}
	return nil
}

// tasks has the client do what is wanted beside authentication.
func (e *login2) tasks(ctx context.Context) error {
	for e.ext.Tasks != nil && !e.fast.used {
		tasks, err := e.ext.Tasks(ctx, &e.l)
		if err != nil {
			return wireFailure(err)
		}
		if len(tasks) == 0 {
			return nil
		}
		if err := e.do(ctx, tasks); err != nil {
			return err
		}
	}
	return nil
}

// refuseTasks refuses who has authenticated by RFC 6120 if there is something to do
// beside that: otherwise everybody could leave it out.
func (s *SASLServer) refuseTasks(ctx context.Context, c *Conn, mechanism string, mech sasl.Server) error {
	if s.SASL2 == nil || s.SASL2.Tasks == nil {
		return nil
	}
	e := &login2{s: s, ext: s.SASL2, l: Login{Conn: c, Mechanism: mechanism}}
	if err := e.authenticated(mech); err != nil {
		return err
	}
	tasks, err := s.SASL2.Tasks(ctx, &e.l)
	if err != nil || len(tasks) == 0 {
		return wireFailure(err)
	}
	return &sasl.Failure{Condition: sasl.MechanismTooWeak, Err: fmt.Errorf("the task %q is left out", tasks[0].Name)}
}

// upgrade has the client do the upgrades that it has asked for, each by itself.
func (e *login2) upgrade(ctx context.Context) error {
	tasks, err := e.ext.Upgrade.wanted(ctx, &e.l)
	if err != nil {
		e.report(fmt.Errorf("upgrade: %w", err))
	}
	for _, t := range tasks {
		t.report = e.report
		if err := e.do(ctx, []ServerTask{t.task()}); err != nil {
			return err
		}
	}
	return nil
}

// do has the client do one of the tasks.
func (e *login2) do(ctx context.Context, tasks []ServerTask) error {
	b := appendData2(nil, "additional-data", e.additional)
	e.additional, e.extra = nil, ""
	b = append(b, "<tasks>"...)
	for _, t := range tasks {
		b = stanza.AppendTextElement(b, "task", t.Name)
	}
	in, err := e.receive(element2("continue", "", "", string(append(b, "</tasks>"...))))
	if err != nil {
		return err
	}
	name := in.Element.Attr("task")
	i := slices.IndexFunc(tasks, func(t ServerTask) bool { return t.Name == name })
	if in.Element.Name().Local != "next" {
		return e.l.Conn.unexpected(in)
	}
	if i < 0 {
		return &sasl.Failure{Condition: sasl.MalformedRequest, Err: fmt.Errorf("task %.100q was not named", name)}
	}
	for {
		data, done, err := tasks[i].Step(ctx, in.Element)
		if err != nil {
			return wireFailure(err)
		}
		if done {
			e.extra = data
			e.l.Done = append(e.l.Done, tasks[i].Name)
			return nil
		}
		if in, err = e.receive(element2("task-data", "", "", string(data))); err != nil {
			return err
		}
		if in.Element.Name().Local != "task-data" {
			return e.l.Conn.unexpected(in)
		}
	}
}

// succeed does what the client has asked for inline, and answers with the success.
func (e *login2) succeed(ctx context.Context) (Outcome, error) {
	if err := e.ext.FAST.issue(ctx, e.l.Account, &e.fast); err != nil {
		e.report(fmt.Errorf("token for %s: %w", e.l.Account, err))
	}
	var resume managementReply
	resumeRequest := e.l.Request.Child(NSManagement, "resume")
	if m := e.ext.Management; m != nil && !resumeRequest.IsZero() {
		resume = m.resume(ctx, e.l.Conn, resumeRequest)
	}
	if resume.resumed() {
		out, err := e.l.Conn.admitManaged(string(e.success(e.l.Account, resume.xml)), &resume, Authenticated, nil)
		if err != errGone && err != errInUse {
			return out, err
		}
		resume = refusal(stanza.ItemNotFound)
	}
	return e.begun(ctx, resume.xml)
}

// success makes the <success/>. answers are what was asked for inline.
func (e *login2) success(address jid.JID, answers ...string) []byte {
	b := appendData2(nil, "additional-data", e.additional)
	b = append(b, e.extra...)
	b = stanza.AppendTextElement(b, "authorization-identifier", address.String())
	for _, a := range answers {
		b = append(b, a...)
	}
	b = appendToken(b, e.fast.issued)
	return element2("success", "", "", string(b))
}

// begun begins a session: with a resource if the client has asked for one and it can
// be bound, otherwise as far as that.
func (e *login2) begun(ctx context.Context, resume string) (Outcome, error) {
	c := e.l.Conn
	address, bound, managed := e.bind(ctx)
	answers := []string{resume, bound}
	for _, f := range e.ext.Inline {
		request := e.l.Request.Child(f.Request.Space, f.Request.Local)
		if request.IsZero() {
			continue
		}
		answer, err := f.Serve(ctx, &e.l, request)
		if err != nil {
			e.report(fmt.Errorf("{%s}%s: %w", f.Request.Space, f.Request.Local, err))
		}
		answers = append(answers, string(answer))
	}
	b := e.success(address, answers...)
	out := Outcome{State: Authenticated, Anew: true}
	if bound != "" {
		out.State |= Ready
	}
	c.reach(out) // what is offered depends on it
	b = append(c.appendFeatures(append(b, "<stream:features>"...), c.served), "</stream:features>"...)
	if bound == "" {
		return out, c.say(b)
	}
	return c.admitManaged(string(b), &managed, Authenticated, func() {
		if e.ext.Bind.Bound != nil {
			e.ext.Bind.Bound(&e.l)
		}
	})
}

// bind binds a resource if the client wants one, and returns its full address and the
// <bound/>. Otherwise bound is empty, and the address is the bare one.
func (e *login2) bind(ctx context.Context) (address jid.JID, bound string, managed managementReply) {
	b, request := e.ext.Bind, e.l.Request.Child(NSBind2, "bind")
	if b == nil || request.IsZero() {
		return e.l.Account, "", managed
	}
	tag := strings.TrimSpace(request.ChildText(NSBind2, "tag"))
	address, err := b.Bind(ctx, &e.l, b.resource(&e.l, tag))
	if err != nil {
		e.report(fmt.Errorf("bind: %w", err))
		return e.l.Account, "", managed
	}
	var in []byte
	if b.Metadata != nil {
		data, err := b.Metadata(ctx, &e.l)
		if err != nil {
			e.report(fmt.Errorf("metadata: %w", err))
		}
		in = append(in, data...)
	}
	asked := false
	for el := range request.Children() {
		if el.Is(NSManagement, "enable") && e.ext.Management != nil && !asked {
			asked = true
			managed = e.ext.Management.enable(ctx, e.l.Conn, el)
			in = append(in, managed.xml...)
		} else if f := b.feature(el.Name()); f != nil {
			answer, err := f.Enable(ctx, &e.l, el)
			if err != nil {
				e.report(fmt.Errorf("%s: %w", f.Var, err))
			}
			in = append(in, answer...)
		}
	}
	if len(in) == 0 {
		return address, "<bound xmlns='" + NSBind2 + "'/>", managed
	}
	return address, "<bound xmlns='" + NSBind2 + "'>" + string(in) + "</bound>", managed
}
