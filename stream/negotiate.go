package stream

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// Feature describes one stream feature (RFC 6120, section 4.3) for the role
// or roles that it has functions for. A Feature may keep what it learns in its
// closures, so make it anew for each negotiation.
type Feature struct {
	// Name of the element inside <stream:features/>.
	Name xml.Name

	// Aliases are further names under which old peers offer it.
	Aliases []xml.Name

	// Implied: with a peer that has no stream features (RFC 6120, section
	// 4.7.5, rule 4, and draft-miller-xmpp-core-02) the feature counts as
	// offered. Negotiate then gets the zero Element.
	Implied bool

	// Unoffered: Negotiate is called, with the zero Element, also if the peer
	// does not offer the feature.
	Unoffered bool

	// Voluntary: the stream may become Ready without that the peer asks for the
	// feature (RFC 6120, section 4.3.5). It is served until then.
	Voluntary bool

	// The feature is offered, looked at and served only in a state that has
	// all of Needs and none of Not.
	Needs, Not State

	// Early, if not nil, is called when the initiator is about to send its header:
	// what it returns goes with the header, before anything is known of the peer,
	// and saves a round trip. Negotiate is called as ever.
	Early func(c *Conn) []byte

	// Negotiate is the initiator's side, called in the order of the list of
	// features for those that the peer offers. ErrSkip, perhaps wrapped, says
	// that the feature is not used; the negotiation goes on without it.
	Negotiate func(ctx context.Context, c *Conn, offered stanza.Element) (Outcome, error)

	// Offer is the receiver's side: it appends what stands in the features,
	// nothing if the feature is not offered. A peer without stream features is
	// shown only what is of the SASL namespace that it has declared.
	Offer func(c *Conn, dst []byte) []byte

	// Requests names the elements that begin the negotiation of this feature;
	// an iq is named by its payload. nil stands for Name.
	Requests []xml.Name

	// Serve is called with such an element, offered or not. What it answers
	// goes through [Conn.SendRaw] or [Conn.Answer]. An error ends the stream,
	// see [Conn.Fail].
	Serve func(ctx context.Context, c *Conn, el Incoming) (Outcome, error)
}

// Incoming is what was received: a stanza or another element.
type Incoming struct {
	Stanza  *stanza.Stanza
	Element stanza.Element
}

// Name returns the element's name; for an iq that of its payload.
func (in Incoming) Name() xml.Name {
	if in.Stanza != nil {
		if in.Stanza.Kind == stanza.KindIQ {
			return in.Stanza.Payload().Name()
		}
		return xml.Name{Space: stanza.NSClient, Local: in.Stanza.Kind.String()}
	}
	return in.Element.Name()
}

// Outcome is what negotiating a feature has led to.
type Outcome struct {
	State   State // reached, added to what was before
	Restart bool  // both sides send a new header now
	// MayRestart: the initiator may send a new header now, or go on. Ours goes
	// on.
	MayRestart bool
	// Anew: the receiver has sent its features again, without a new header, and the
	// initiator reads them now (XEP-0388, section 2.6.1).
	Anew bool
}

// ErrSkip is returned by [Feature.Negotiate] where the feature is not used.
var ErrSkip = errors.New("not used")

// ErrPeerClosed says that the peer has closed the stream during the
// negotiation.
var ErrPeerClosed = errors.New("stream: closed by the peer during the negotiation")

// errNoTLS is why a feature that needs TLS is not used without.
var errNoTLS = errors.New("refused without TLS")

// errNoAuth is why a feature that needs authentication is not used before.
var errNoAuth = errors.New("refused before authentication")

// NegotiationError says that a negotiation ended before the stream was ready:
// what the peer offered, and why each of it led nowhere.
type NegotiationError struct {
	State   State
	Offered []xml.Name
	Skipped map[xml.Name]error
	Version Version // of the peer's header
}

// Error lists what was offered.
func (e *NegotiationError) Error() string {
	var b strings.Builder
	b.WriteString("stream: cannot go on")
	switch {
	case e.State&Authenticated != 0:
		b.WriteString(" after authentication")
	case e.State&Secure != 0:
		b.WriteString(" after TLS")
	}
	sep := ": "
	if e.Version == (Version{}) {
		b.WriteString(sep + "the peer's stream has no version")
		sep = "; "
	}
	if len(e.Offered) == 0 {
		b.WriteString(sep + "nothing was offered")
	}
	for _, n := range e.Offered {
		fmt.Fprintf(&b, "%soffered {%s}%s", sep, n.Space, n.Local)
		sep = "; "
		if err := e.Skipped[n]; err != nil {
			fmt.Fprintf(&b, " (%v)", err)
		}
	}
	return b.String()
}

// Unwrap returns the reasons.
func (e *NegotiationError) Unwrap() (errs []error) {
	for _, n := range e.Offered {
		if err := e.Skipped[n]; err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// usable reports whether the state allows the feature.
func (f *Feature) usable(s State) bool { return s&f.Needs == f.Needs && s&f.Not == 0 }

// missing says why the state does not allow the feature.
func (f *Feature) missing(s State) error {
	switch {
	case f.Needs&^s&Secure != 0:
		return errNoTLS
	case f.Needs&^s&Authenticated != 0:
		return errNoAuth
	}
	return ErrSkip
}

func (f *Feature) requestedBy(n xml.Name) bool {
	if f.Requests == nil {
		return n == f.Name
	}
	return slices.Contains(f.Requests, n)
}

// Initiate opens a stream with the header h, whose from, if it is a client's, is
// sent only once the stream is Secure (RFC 6120, section 4.7.1), and negotiates
// features, in the order of the list, until the stream is Ready. The error is a
// [*NegotiationError], or what a feature or the peer said; the transport is
// closed then. When ctx ends the error is its cause.
func Initiate(ctx context.Context, tr Transport, cfg Config, h Header, features []Feature) (*Conn, error) {
	cfg = cfg.withDefaults()
	if h.Content == "" {
		h.Content = stanza.NSClient
	}
	c := newConn(tr, &cfg, true)
	return c.negotiate(ctx, func(ctx context.Context) (restart bool, err error) {
		return c.initiateOnce(ctx, h, features)
	})
}

// negotiate calls once until the stream is ready, under ctx and the timeout. If
// that fails the stream is closed with the error that belongs to it.
func (c *Conn) negotiate(ctx context.Context, once func(context.Context) (restart bool, err error)) (*Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.NegotiationTimeout)
	defer cancel()
	cut := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(cut)
		c.cut.Store(true)
		c.tr.SetDeadline(past)
	})
	restart, err := true, ctx.Err()
	for restart && err == nil {
		restart, err = once(ctx)
	}
	if !stop() {
		<-cut
		c.cut.Store(false)
		err = overdue(ctx, err)
	}
	if err == nil {
		err = c.finishResuming()
	}
	if err == nil {
		// Not that for writing: somebody may be writing.
		c.tr.SetReadDeadline(time.Time{})
		return c, nil
	}
	c.tr.SetDeadline(time.Time{})
	c.Fail(err)
	c.sc.Release()
	return nil, err
}

// overdue returns the error of a negotiation that ended with err, nil perhaps,
// when ctx was over.
func overdue(ctx context.Context, err error) error {
	if ctx.Err() == context.Canceled {
		return context.Cause(ctx)
	}
	cause := ctx.Err()
	if err != nil {
		cause = fmt.Errorf("%w (%w)", cause, err)
	}
	return &Error{Condition: ConnectionTimeout, Text: "the negotiation took too long", Err: cause}
}

func (c *Conn) initiateOnce(ctx context.Context, h Header, features []Feature) (restart bool, err error) {
	if c.State()&Secure == 0 && h.Content == stanza.NSClient {
		h.From = jid.JID{}
	}
	c.sent, c.opened = h, true
	if err := c.say(c.appendEarly(h.appendXML(nil), features)); err != nil {
		return false, err
	}
	if err := c.readAnswer(); err != nil {
		return false, err
	}
	out := Outcome{Anew: true}
	for out.Anew && err == nil {
		out, err = c.initiateFeatures(ctx, features)
	}
	return out.Restart, err
}

// appendEarly appends what is sent before the peer has said anything.
func (c *Conn) appendEarly(dst []byte, features []Feature) []byte {
	for i := range features {
		if f := &features[i]; f.Early != nil && f.usable(c.State()) {
			dst = append(dst, f.Early(c)...)
		}
	}
	return dst
}

// initiateFeatures reads the peer's features and negotiates them, until one has led
// to other features, or there is nothing more to do. The Outcome says whether the
// stream is to be restarted, or its features are sent anew.
func (c *Conn) initiateFeatures(ctx context.Context, features []Feature) (Outcome, error) {
	offered, implied, err := c.readFeatures()
	if err != nil {
		return Outcome{}, err
	}
	c.offered = offered
	defer func() { c.offered = nil }()
	report := &NegotiationError{Skipped: make(map[xml.Name]error), Version: c.in.Version}
	c.offers = nil
	for _, el := range offered {
		n := el.Name()
		n.Space, n.Local = strings.Clone(n.Space), strings.Clone(n.Local)
		c.offers = append(c.offers, n)
	}
	report.Offered = c.offers
	c.peerLimits = parseLimits(offered)
	for i := range features {
		f := &features[i]
		el := find(offered, f)
		if f.Negotiate == nil || el.IsZero() && !f.Unoffered && !(implied && f.Implied) || c.State()&f.Not != 0 {
			continue
		}
		name := f.Name
		if !el.IsZero() {
			name = el.Name()
		}
		if !f.usable(c.State()) {
			if !el.IsZero() || f.Early == nil {
				report.skip(name, f.missing(c.State()))
			}
			continue
		}
		out, err := f.Negotiate(ctx, c, el)
		if errors.Is(err, ErrSkip) {
			if !el.IsZero() || err != ErrSkip { // else there is nothing to say
				report.skip(name, err)
			}
			continue
		}
		if err != nil {
			return Outcome{}, err
		}
		c.reach(out)
		if out.Restart || out.Anew {
			return out, nil
		}
		if c.agreed() {
			return Outcome{}, nil // an earlier session goes on, with all that it has negotiated
		}
		implied = implied || out.MayRestart // there will be no new offer
	}
	if c.State()&Ready == 0 {
		report.State = c.State()
		return Outcome{}, report
	}
	return Outcome{}, nil
}

// skip notes why a feature was not used; one that was not offered, too.
func (e *NegotiationError) skip(n xml.Name, err error) {
	if !slices.Contains(e.Offered, n) {
		e.Offered = append(e.Offered, n)
	}
	e.Skipped[n] = err
}

// find returns the element that offers the feature, by its name if possible.
func find(els []stanza.Element, f *Feature) (found stanza.Element) {
	for _, el := range els {
		n := el.Name()
		if n == f.Name {
			return el
		}
		if found.IsZero() && slices.Contains(f.Aliases, n) {
			found = el
		}
	}
	return found
}

// readAnswer reads and checks the header that the receiving side answers with.
func (c *Conn) readAnswer() error {
	if err := c.readHeader(); err != nil {
		return err
	}
	to := c.sent.To
	if c.in.Content == "" {
		c.in.Content = c.sent.Content
	}
	switch {
	case c.in.Content != c.sent.Content:
		return c.refuseAnswer(newError(InvalidNamespace, "the answer's content namespace is "+c.in.Content))
	case !c.in.From.IsZero() && !to.IsZero() && c.in.From != to:
		return c.refuseAnswer(newError(InvalidFrom, fmt.Sprintf("the answer is from %s, not from %s", c.in.From, to)))
	case c.in.ID == "" && c.in.Version != Version{}:
		// Without version it is a server of before RFC 3920, which need not
		// have one.
		return c.refuseAnswer(newError(BadFormat, "the answer has no id"))
	}
	return nil
}

// refuseAnswer returns why an answer is refused: what the server itself says, if
// it says that next, or else err. A server that does not know the host answers
// as one that it knows, or with a header that lacks more, and then says
// host-unknown (RFC 6120, section 4.9.3.6).
func (c *Conn) refuseAnswer(err *Error) error {
	if c.in.Version == (Version{}) {
		return err // nothing need follow
	}
	_, next := c.receive()
	if e, ok := errors.AsType[*Error](next); ok && e.Remote {
		return e
	}
	return err
}

// readFeatures reads what the peer offers, and reports whether it is one that
// has no stream features of today. A peer without version offers nothing, except
// for mechanisms if both sides use the old SASL namespace: either alone at depth
// one or within a features element of that namespace (draft-miller-xmpp-core-
// 02, sections 5.1.1 and 5.1.2).
func (c *Conn) readFeatures() (offered []stanza.Element, implied bool, err error) {
	old := c.sent.OldSASL && c.in.OldSASL
	if c.in.Version == (Version{}) && (!old || c.State()&Authenticated != 0) {
		return nil, true, nil
	}
	in, err := c.receive()
	if err != nil {
		return nil, false, err
	}
	el := in.Element
	switch {
	case el.Is(NS, "features"), old && el.Is(NSOldSASL, "features"):
		for ch := range el.Children() {
			offered = append(offered, ch)
		}
		return offered, !el.Is(NS, "features"), nil
	case old && el.Is(NSOldSASL, "mechanisms"):
		return []stanza.Element{el}, true, nil
	}
	return nil, false, newError(UnsupportedStanzaType,
		fmt.Sprintf("{%.100s}%.100s in place of the stream features", in.Name().Space, in.Name().Local))
}

// Accept waits for a peer to open a stream and negotiates it until it is Ready.
// open is called with every header that the peer sends, the first and those
// after restarts; it returns the header to answer with and the features. Where
// it returns an error the stream is closed with it, behind the header if that
// has a content namespace. Accept sets the id of the answer, and sees to it
// that its version is not higher than the peer's.
//
// On an error the transport is closed. When ctx ends the error is its cause.
func Accept(ctx context.Context, tr Transport, cfg Config, open func(c *Conn, in Header) (Header, []Feature, error)) (*Conn, error) {
	cfg = cfg.withDefaults()
	c := newConn(tr, &cfg, false)
	return c.negotiate(ctx, func(ctx context.Context) (restart bool, err error) {
		return c.acceptOnce(ctx, open)
	})
}

func (c *Conn) acceptOnce(ctx context.Context, open func(*Conn, Header) (Header, []Feature, error)) (restart bool, err error) {
	c.sent, c.opened = Header{}, false
	if err := c.readHeader(); err != nil {
		return false, err
	}
	if c.in.Content == "" {
		c.in.Content = c.cfg.Content
	}
	h, features, err := open(c, c.in)
	if err != nil {
		if h.Content != "" {
			c.answer(h)
		}
		return false, err
	}
	c.answer(h)
	c.served = features
	defer func() { c.served = nil }()
	b := c.sent.appendXML(nil)
	c.opened = true
	if c.sent.Version != (Version{}) {
		b = c.appendFeatures(append(b, "<stream:features>"...), features)
		b = append(b, "</stream:features>"...)
	} else if c.sent.OldSASL {
		b = c.appendOldFeatures(b, features)
	}
	if err := c.say(b); err != nil {
		return false, err
	}
	if c.State()&Authenticated != 0 && !c.waits(features) {
		// "If the <features/> element contains only voluntary-to-negotiate
		// features", the peer may go on to stanzas (RFC 6120, section 4.3.5), as
		// servers do after SASL.
		c.reach(Outcome{State: Ready})
		return false, nil
	}
	return c.serve(ctx, features)
}

// waits reports whether the peer can ask for some of the features.
func (c *Conn) waits(features []Feature) bool {
	return slices.ContainsFunc(features, func(f Feature) bool { return f.Serve != nil && !f.Voluntary && f.usable(c.State()) })
}

// answer makes h the header to answer with.
func (c *Conn) answer(h Header) {
	h.ID = newID()
	h.OldSASL = c.in.OldSASL
	h.Version = lower(h.Version, c.in.Version)
	c.sent = h
}

// serve serves the features that the peer asks for, until one of them has led
// to a restart, or to a stream that is ready.
func (c *Conn) serve(ctx context.Context, features []Feature) (restart bool, err error) {
	for {
		in, err := c.receive()
		if err != nil {
			return false, err
		}
		f := c.serving(features, in)
		if f == nil {
			return false, c.unserved(in)
		}
		out, err := f.Serve(ctx, c, in)
		if err != nil {
			return false, err
		}
		if out.MayRestart && !out.Restart {
			if out.Restart, err = c.headerFollows(); err != nil {
				return false, err
			}
		}
		c.reach(out)
		if out.Anew && !c.waits(features) {
			c.reach(Outcome{State: Ready}) // as in acceptOnce
		}
		if out.Restart || c.State()&Ready != 0 {
			return out.Restart, nil
		}
	}
}

func (c *Conn) appendFeatures(dst []byte, features []Feature) []byte {
	for i := range features {
		if f := &features[i]; f.Offer != nil && f.usable(c.State()) {
			dst = f.Offer(c, dst)
		}
	}
	return dst
}

// appendOldFeatures appends what a peer without stream features understands.
func (c *Conn) appendOldFeatures(dst []byte, features []Feature) []byte {
	for i := range features {
		f := &features[i]
		old := slices.ContainsFunc(f.Aliases, func(n xml.Name) bool { return n.Space == NSOldSASL })
		if old && f.Offer != nil && f.usable(c.State()) {
			dst = f.Offer(c, dst)
		}
	}
	return dst
}

// serving returns the feature that the element asks for.
func (c *Conn) serving(features []Feature, in Incoming) *Feature {
	n := in.Name()
	for i := range features {
		if f := &features[i]; f.Serve != nil && f.usable(c.State()) && f.requestedBy(n) {
			return f
		}
	}
	return nil
}

// unserved answers an element that nothing serves.
func (c *Conn) unserved(in Incoming) error {
	if in.Stanza != nil || in.Name() != startTLSName {
		return c.unexpected(in)
	}
	// "the receiving entity MUST return a <failure/> element ... close the XML
	// stream, and terminate the underlying TCP connection" (RFC 6120, section
	// 5.4.2.2).
	if err := c.say([]byte("<failure xmlns='" + NSStartTLS + "'/>")); err != nil {
		return err
	}
	return &TLSError{Err: errNotOffered}
}

// unexpected returns the stream error for an element that nothing serves.
func (c *Conn) unexpected(in Incoming) error {
	if in.Stanza != nil {
		return newError(NotAuthorized, fmt.Sprintf("%s before the stream is ready", in.Stanza.Kind))
	}
	n := in.Element.Name()
	return newError(UnsupportedStanzaType, fmt.Sprintf("{%.100s}%.100s is not expected here", n.Space, n.Local))
}

// Reach adds to what the negotiation has reached, after the stream is Ready: a
// peer may be authenticated later, as by dialback. From then on its stanzas may be
// larger.
func (c *Conn) Reach(s State) {
	c.state.Or(uint32(s))
	if s&Authenticated != 0 {
		c.raise.Store(true) // the scanner is the reader's
	}
}

// reach adds what a feature has reached. The stanzas of an authenticated peer
// may be larger.
func (c *Conn) reach(out Outcome) {
	c.state.Or(uint32(out.State))
	if out.State&Authenticated != 0 {
		c.sc.SetLimits(c.limits(c.cfg.MaxStanza))
	}
	if out.Restart {
		c.sc.Restart()
	}
}

// readHeader waits for the peer's header.
func (c *Conn) readHeader() error {
	if _, err := c.event(); err != nil {
		return err
	}
	// Before the header the scanner finds nothing else.
	c.trace(false, c.sc.Root().Raw)
	var err error
	c.in, err = parseHeader(c.sc.Root())
	c.headed = string(c.sc.Root().Name) == "stream"
	// "Such data, if received, should be ignored" (draft-miller-xmpp-core-02,
	// section 4.2), was the rule of the time of streams without version.
	c.sc.SkipComments(c.in.Version == Version{})
	return err
}

// headerFollows waits for the peer to go on, and reports whether it does so
// with a new header.
func (c *Conn) headerFollows() (bool, error) {
	for n := 1; ; n++ {
		b, err := c.sc.Peek(n)
		if err != nil {
			return false, c.readError(err)
		}
		n = len(b)
		if b = bytes.TrimLeft(b, " \t\r\n"); len(b) == 0 || isMisc(b) {
			if _, err := c.event(); err != nil { // passes that over
				return false, err
			}
			n = 0
			continue
		}
		if yes, ok := isHeader(b); ok {
			return yes, nil
		}
	}
}

// isMisc reports whether b begins with a comment or a processing instruction. If
// they are not skipped the scanner says so.
func isMisc(b []byte) bool {
	n := min(len(b), len(declStart))
	switch {
	case !bytes.HasPrefix(b, []byte("<?")):
		return bytes.HasPrefix(b, []byte("<!--"))
	case string(b[:n]) != declStart[:n]:
		return true
	}
	return len(b) > n && strings.IndexByte(" \t\r\n", b[n]) < 0 // <?xml-stylesheet
}

// declStart is what an XML declaration begins with, before white space.
const declStart = "<?xml"

// isHeader reports whether b, which begins with an element or an XML declaration,
// begins a new document; ok is false if b is too short to say. What a prefix is
// bound to does not matter: no first-level element is called stream.
func isHeader(b []byte) (yes, ok bool) {
	const longest = 64
	if b[0] != '<' {
		return false, true
	}
	if len(b) <= len(declStart) && bytes.HasPrefix([]byte(declStart), b) {
		return false, false
	}
	if bytes.HasPrefix(b, []byte(declStart)) {
		return true, true
	}
	end := bytes.IndexAny(b, " \t\r\n/>")
	if end < 0 {
		return false, len(b) > longest
	}
	name := b[1:end]
	if i := bytes.IndexByte(name, ':'); i >= 0 {
		name = name[i+1:]
	}
	return string(name) == "stream", true
}

// receive waits for one element during the negotiation.
func (c *Conn) receive() (Incoming, error) {
	st, el, err := c.next()
	if err == io.EOF {
		err = ErrPeerClosed
	}
	if ae, ok := errors.AsType[*stanza.AddressError](err); ok {
		err = &Error{Condition: ImproperAddressing, Err: ae}
	}
	return Incoming{st, el}, err
}

// exchange sends b and waits for the answer, as features do.
func (c *Conn) exchange(b []byte) (Incoming, error) {
	if err := c.say(b); err != nil {
		return Incoming{}, err
	}
	return c.receive()
}

// newID returns an unpredictable stream id: "the stream ID MUST be unpredictable
// and MUST be unique" (RFC 6120, section 4.7.3).
func newID() string { return rand.Text() }
