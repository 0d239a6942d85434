package stream

import (
	"context"
	"crypto/rand"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/etherx-go/xmpp/internal/xmltok"
	"github.com/etherx-go/xmpp/stanza"
)

// Feature describes one stream feature (RFC 6120, section 4.3) for the role
// or roles that it has functions for. A Feature may keep what it learns in its
// closures, so make it anew for each negotiation.
type Feature struct {
	// Name of the element inside <stream:features/>.
	Name xml.Name

	// The feature is offered, looked at and served only in a state that has
	// all of Needs and none of Not.
	Needs, Not State

	// Negotiate is the initiator's side, called in the order of the list of
	// features for those that the peer offers. ErrSkip, perhaps wrapped, says
	// that the feature is not used; the negotiation goes on without it.
	Negotiate func(ctx context.Context, c *Conn, offered stanza.Element) (Outcome, error)

	// Offer is the receiver's side: it appends what stands in the features,
	// nothing if the feature is not offered.
	Offer func(c *Conn, dst []byte) []byte

	// Requests names the elements that begin the negotiation of this feature;
	// an iq is named by its payload. nil stands for Name.
	Requests []xml.Name

	// Serve is called with such an element.
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
}

// ErrSkip is returned by [Feature.Negotiate] where the feature is not used.
var ErrSkip = errors.New("not used")

// ErrPeerClosed says that the peer has closed the stream during the
// negotiation.
var ErrPeerClosed = errors.New("stream: closed by the peer during the negotiation")

// errNoTLS is why a feature that needs TLS is not used without.
var errNoTLS = errors.New("refused without TLS")

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
	if e.Version == (Version{}) {
		b.WriteString(": the peer's stream has no version")
	}
	if len(e.Offered) == 0 {
		b.WriteString("; nothing was offered")
	}
	for _, n := range e.Offered {
		fmt.Fprintf(&b, "; offered {%s}%s", n.Space, n.Local)
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
	if f.Needs&^s&Secure != 0 {
		return errNoTLS
	}
	return ErrSkip
}

func (f *Feature) requestedBy(n xml.Name) bool {
	if f.Requests == nil {
		return n == f.Name
	}
	for _, r := range f.Requests {
		if r == n {
			return true
		}
	}
	return false
}

// Initiate opens a stream with the header h and negotiates features, in the
// order of the list, until the stream is Ready. On an error the transport is
// closed.
func Initiate(ctx context.Context, tr Transport, cfg Config, h Header, features []Feature) (*Conn, error) {
	cfg = cfg.withDefaults()
	c := newConn(tr, &cfg, true)
	err := c.bounded(ctx, func(ctx context.Context) error {
		for {
			restart, err := c.initiateOnce(ctx, h, features)
			if err != nil || !restart {
				return err
			}
		}
	})
	if err != nil {
		return nil, err
	}
	return c, nil
}

// bounded runs a negotiation under ctx and the timeout. If it fails the stream
// is closed with the error that belongs to it.
func (c *Conn) bounded(ctx context.Context, negotiate func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.NegotiationTimeout)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { c.tr.SetReadDeadline(time.Unix(1, 0)) })
	err := negotiate(ctx)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		if cause := context.Cause(ctx); cause == context.Canceled {
			err = cause
		}
		c.Fail(err)
		c.sc.Release()
		if err == io.EOF {
			err = ErrPeerClosed
		}
		return err
	}
	c.tr.SetReadDeadline(time.Time{})
	return nil
}

func (c *Conn) initiateOnce(ctx context.Context, h Header, features []Feature) (restart bool, err error) {
	c.sent = h
	if _, err := c.writeNow(h.appendXML(nil)); err != nil {
		return false, err
	}
	if err := c.readHeader(); err != nil {
		return false, err
	}
	if c.in.Content != h.Content {
		return false, newError(InvalidNamespace, "the answer's content namespace is "+c.in.Content)
	}
	if !c.in.From.IsZero() && c.in.From != h.To {
		return false, newError(InvalidFrom, fmt.Sprintf("the answer is from %s, not from %s", c.in.From, h.To))
	}
	offered, err := c.readFeatures()
	if err != nil {
		return false, err
	}
	c.offered = offered
	defer func() { c.offered = nil }()
	report := &NegotiationError{Skipped: make(map[xml.Name]error), Version: c.in.Version}
	for _, el := range offered {
		report.Offered = append(report.Offered, el.Name())
	}
	for i := range features {
		f := &features[i]
		el := find(offered, f.Name)
		if f.Negotiate == nil || el.IsZero() || c.state&f.Not != 0 {
			continue
		}
		if !f.usable(c.state) {
			report.Skipped[f.Name] = f.missing(c.state)
			continue
		}
		out, err := f.Negotiate(ctx, c, el)
		if errors.Is(err, ErrSkip) {
			report.Skipped[f.Name] = err
			continue
		}
		if err != nil {
			return false, err
		}
		c.reach(out)
		if out.Restart {
			return true, nil
		}
	}
	if c.state&Ready == 0 {
		report.State = c.state
		return false, report
	}
	return false, nil
}

func find(els []stanza.Element, name xml.Name) stanza.Element {
	for _, el := range els {
		if el.Name() == name {
			return el
		}
	}
	return stanza.Element{}
}

// readFeatures reads what the peer offers. A peer without version offers
// nothing, except for mechanisms if both sides use the old SASL namespace:
// either alone at depth one or within a features element of that namespace
// (draft-miller-xmpp-core-02, sections 5.1.1 and 5.1.2).
func (c *Conn) readFeatures() ([]stanza.Element, error) {
	old := c.sent.OldSASL && c.in.OldSASL
	if c.in.Version == (Version{}) && !old {
		return nil, nil
	}
	in, err := c.receive()
	if err != nil {
		return nil, err
	}
	el := in.Element
	switch {
	case el.Is(NS, "features"), old && el.Is(NSOldSASL, "features"):
		var els []stanza.Element
		for ch := range el.Children() {
			els = append(els, ch)
		}
		return els, nil
	case old && el.Is(NSOldSASL, "mechanisms"):
		return []stanza.Element{el}, nil
	}
	return nil, newError(UnsupportedStanzaType, fmt.Sprintf("{%s}%s in place of the stream features", in.Name().Space, in.Name().Local))
}

// Accept waits for a peer to open a stream and negotiates it until it is Ready.
// open is called with every header that the peer sends, the first and those
// after restarts; it returns the header to answer with and the features. Where
// it returns an error the stream is closed with it, after the header if there is
// one. Accept sets the id of the answer. On an error the transport is closed.
func Accept(ctx context.Context, tr Transport, cfg Config, open func(c *Conn, in Header) (Header, []Feature, error)) (*Conn, error) {
	cfg = cfg.withDefaults()
	c := newConn(tr, &cfg, false)
	err := c.bounded(ctx, func(ctx context.Context) error {
		for {
			restart, err := c.acceptOnce(ctx, open)
			if err != nil || !restart {
				return err
			}
		}
	})
	if err != nil {
		return nil, err
	}
	return c, nil
}

func (c *Conn) acceptOnce(ctx context.Context, open func(*Conn, Header) (Header, []Feature, error)) (restart bool, err error) {
	c.sent = Header{}
	if err := c.readHeader(); err != nil {
		return false, err
	}
	h, features, err := open(c, c.in)
	h.ID = newID()
	h.OldSASL = c.in.OldSASL
	if c.in.Version.Less(h.Version) {
		h.Version = c.in.Version
	}
	b := h.appendXML(nil)
	if err != nil {
		if h.Content == "" {
			return false, err
		}
		c.sent = h
		c.writeNow(b)
		return false, err
	}
	c.sent = h
	if h.Version != (Version{}) {
		b = c.appendFeatures(append(b, "<stream:features>"...), features)
		b = append(b, "</stream:features>"...)
	} else if h.OldSASL {
		b = c.appendFeatures(b, features)
	}
	if _, err := c.writeNow(b); err != nil {
		return false, err
	}
	for {
		in, err := c.receive()
		if err != nil {
			return false, err
		}
		f := c.serving(features, in)
		if f == nil {
			return false, c.unexpected(in)
		}
		out, err := f.Serve(ctx, c, in)
		if err != nil {
			return false, err
		}
		c.reach(out)
		if out.Restart || c.state&Ready != 0 {
			return out.Restart, nil
		}
	}
}

func (c *Conn) appendFeatures(dst []byte, features []Feature) []byte {
	for i := range features {
		if f := &features[i]; f.Offer != nil && f.usable(c.state) {
			dst = f.Offer(c, dst)
		}
	}
	return dst
}

// serving returns the feature that the element asks for.
func (c *Conn) serving(features []Feature, in Incoming) *Feature {
	n := in.Name()
	for i := range features {
		if f := &features[i]; f.Serve != nil && f.usable(c.state) && f.requestedBy(n) {
			return f
		}
	}
	return nil
}

// unexpected returns the stream error for an element that nothing serves.
func (c *Conn) unexpected(in Incoming) error {
	if in.Stanza != nil {
		return newError(NotAuthorized, fmt.Sprintf("%s before the stream is ready", in.Stanza.Kind))
	}
	n := in.Element.Name()
	return newError(UnsupportedStanzaType, fmt.Sprintf("{%.100s}%.100s is not expected here", n.Space, n.Local))
}

// reach adds what a feature has reached. The stanzas of an authenticated peer
// may be larger.
func (c *Conn) reach(out Outcome) {
	c.state |= out.State
	if out.State&Authenticated != 0 {
		c.sc.SetLimits(c.limits(c.cfg.MaxStanza))
	}
	if out.Restart {
		c.sc.Restart()
	}
}

// readHeader waits for the peer's header.
func (c *Conn) readHeader() error {
	for {
		ev, err := c.event()
		if err != nil {
			return err
		}
		if ev != xmltok.Open {
			continue // white space
		}
		if c.cfg.Trace != nil {
			c.cfg.Trace(false, c.sc.Root().Raw)
		}
		c.in, err = parseHeader(c.sc.Root())
		return err
	}
}

// receive waits for one element during the negotiation.
func (c *Conn) receive() (Incoming, error) {
	st, el, err := c.Next()
	if ae, ok := errors.AsType[*stanza.AddressError](err); ok {
		err = &Error{Condition: ImproperAddressing, Err: ae}
	}
	return Incoming{st, el}, err
}

// exchange sends b and waits for the answer, as features do.
func (c *Conn) exchange(b []byte) (Incoming, error) {
	if _, err := c.writeNow(b); err != nil {
		return Incoming{}, err
	}
	return c.receive()
}

// newID returns an unpredictable stream id: "the stream ID MUST be unpredictable
// and MUST be unique" (RFC 6120, section 4.7.3).
func newID() string { return rand.Text() }
