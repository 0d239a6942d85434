package server

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"

	xmpp "github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/internal/describe"
	"github.com/etherx-go/xmpp/internal/dispatch"
	"github.com/etherx-go/xmpp/internal/pending"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// Service is something that lives in the server's process and has an address
// there: a bot, a gateway, a room. It is a Sender with that address, and the Host of
// its extensions; iqs that it sends are answered to it, everything else that comes
// for the address goes to its handler.
type Service struct {
	srv        *Server
	addr       jid.JID
	handler    xmpp.Handler
	mux        *xmpp.Mux
	extensions []xmpp.Extension
	replies    *pending.Table
	queue      *dispatch.Dispatcher
	ctx        context.Context // ends with the service
	stop       context.CancelFunc
}

var _ xmpp.Host = (*Service)(nil)

// services are the addresses of services. The map is replaced, never changed.
type services struct {
	mu sync.Mutex
	m  atomic.Pointer[map[jid.JID]*Service]
}

// find returns the service for an address: one for exactly this address, for
// its bare address, or for its domain.
func (s *services) find(to jid.JID) *Service {
	p := s.m.Load()
	if p == nil || len(*p) == 0 {
		return nil
	}
	for _, j := range [...]jid.JID{to, to.Bare(), to.DomainJID()} {
		if svc := (*p)[j]; svc != nil {
			return svc
		}
	}
	return nil
}

// isService reports whether an address is that of a service, or of a component that
// is connected.
func (s *Server) isService(j jid.JID) bool {
	c, _ := s.components.find(j.Domain())
	return c != nil || s.services.find(j) != nil
}

func (s *services) change(fn func(map[jid.JID]*Service) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := make(map[jid.JID]*Service)
	if p := s.m.Load(); p != nil {
		maps.Copy(m, *p)
	}
	if err := fn(m); err != nil {
		return err
	}
	s.m.Store(&m)
	return nil
}

func (s *services) all() (all []*Service) {
	if p := s.m.Load(); p != nil {
		for _, svc := range *p {
			all = append(all, svc)
		}
	}
	return all
}

// drainServices waits for what the handlers of services have begun.
func (s *Server) drainServices(ctx context.Context) error {
	var errs []error
	for _, svc := range s.services.all() {
		errs = append(errs, svc.queue.Drain(ctx))
	}
	return errors.Join(errs...)
}

// Local attaches a service to the server. addr is a domain that is not one of
// the server's own, which gives the service all addresses of that domain; or a
// bare or full address on any domain. The handler is called as a client's is:
// the stanzas of one sender in order, requests concurrently; what its Sender sends
// comes from the address that was asked. Close detaches the service.
func (s *Server) Local(addr jid.JID, h xmpp.Handler) (*Service, error) {
	return s.LocalHost(addr, h)
}

// LocalHost is Local for a service with extensions, such as a gateway, a directory or
// a room service: they are attached to it, before anything comes. An [*xmpp.Mux] as h
// gets their handlers too; any other handler gets what no extension handles, and
// messages and presences in any case. h may be nil.
func (s *Server) LocalHost(addr jid.JID, h xmpp.Handler, extensions ...xmpp.Extension) (*Service, error) {
	_, isComponent := s.components.find(addr.Domain())
	if addr.IsZero() || addr.IsDomain() && (isComponent || s.hosts[addr.Domain()] != nil) {
		return nil, fmt.Errorf("server: %q cannot be the address of a service", addr)
	}
	addr = addr.Clone()
	v := &Service{
		srv: s, addr: addr, extensions: extensions,
		replies: pending.New(addr), queue: dispatch.New(dispatch.Config{Log: s.log}),
	}
	v.ctx, v.stop = context.WithCancel(s.ctx)
	err := v.attach(h)
	if err == nil {
		err = v.register()
	}
	if err != nil {
		v.stop()
		return nil, err
	}
	v.begin()
	return v, nil
}

// register puts the service into the routes.
func (v *Service) register() error {
	return v.srv.services.change(func(m map[jid.JID]*Service) error {
		if m[v.addr] != nil {
			return fmt.Errorf("server: there is a service at %s already", v.addr)
		}
		m[v.addr] = v
		return nil
	})
}

// attach sets up the mux, the handler and the extensions.
func (v *Service) attach(h xmpp.Handler) error {
	mux, isMux := h.(*xmpp.Mux)
	if mux == nil {
		mux = new(xmpp.Mux)
	}
	v.mux, v.handler = mux, mux
	for _, e := range v.extensions {
		if err := e.Attach(v); err != nil {
			return fmt.Errorf("server: %s: attach %T: %w", v.addr, e, err)
		}
	}
	switch {
	case h == nil || isMux:
	case len(v.extensions) == 0:
		v.handler = h
	default:
		mux.Handle(xmpp.Pattern{}, h)
		mux.Handle(xmpp.Pattern{Types: []stanza.Type{stanza.TypeError}}, h)
	}
	return nil
}

// begin tells the extensions that stanzas can be sent, until the service is closed.
func (v *Service) begin() {
	for _, e := range v.extensions {
		w, ok := e.(xmpp.Watcher)
		if !ok {
			continue
		}
		go func() {
			w.SessionUp(v.ctx, v)
			<-v.ctx.Done()
			w.SessionDown(v, xmpp.ErrClosed)
		}()
	}
}

// Close detaches the service. Handlers that run get a canceled context.
func (v *Service) Close() error {
	v.srv.services.change(func(m map[jid.JID]*Service) error {
		if m[v.addr] == v {
			delete(m, v.addr)
		}
		return nil
	})
	if v.srv.fed != nil && v.addr.IsDomain() {
		v.srv.fed.gone(v.addr)
	}
	v.stop()
	v.replies.FailAll(xmpp.ErrClosed)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	v.queue.Drain(ctx)
	return nil
}

// Mux returns the mux of the extensions: the Handler of the service if that is a Mux.
func (v *Service) Mux() *xmpp.Mux { return v.mux }

// IsServer returns false.
func (v *Service) IsServer() bool { return false }

// Features returns the features of the extensions, for service discovery.
func (v *Service) Features(at jid.JID) []string { return describe.Features(nil, v.extensions, at) }

// LocalAddr returns the address of the service.
func (v *Service) LocalAddr() jid.JID { return v.addr }

// Send routes a stanza. Its from, if set, must be an address of the service.
func (v *Service) Send(ctx context.Context, st *stanza.Stanza) error {
	st = stampFrom(st, v.addr)
	if !v.owns(st.From) {
		return fmt.Errorf("server: %s does not speak for %s", v.addr, st.From)
	}
	return v.srv.Route(ctx, st)
}

// owns reports whether j is an address of the service.
func (v *Service) owns(j jid.JID) bool {
	return j == v.addr || v.addr.IsBare() && j.Bare() == v.addr || v.addr.IsDomain() && j.Domain() == v.addr.Domain()
}

// Do sends an iq and waits for the reply. Its from, if set, must be an address of the
// service.
func (v *Service) Do(ctx context.Context, iq *stanza.Stanza) (*stanza.Stanza, error) {
	return v.do(ctx, stampFrom(iq, v.addr))
}

func (v *Service) do(ctx context.Context, iq *stanza.Stanza) (*stanza.Stanza, error) {
	if !v.owns(iq.From) {
		return nil, fmt.Errorf("server: %s does not speak for %s", v.addr, iq.From)
	}
	return v.srv.do(ctx, iq.From, v.replies, iq)
}

// askedService is the Sender that a handler of a service gets: the service, at the
// address that the stanza was for.
type askedService struct {
	*Service
	addr jid.JID
}

func (a askedService) LocalAddr() jid.JID { return a.addr }

func (a askedService) Send(ctx context.Context, st *stanza.Stanza) error {
	return a.Service.Send(ctx, stampFrom(st, a.addr))
}

func (a askedService) Do(ctx context.Context, iq *stanza.Stanza) (*stanza.Stanza, error) {
	return a.do(ctx, stampFrom(iq, a.addr))
}

// deliver gives the service a stanza. It never waits; what is too much is
// answered with an error.
func (v *Service) deliver(st *stanza.Stanza) {
	if st.Kind == stanza.KindIQ && st.Type.IsResponse() && v.replies.Resolve(st) {
		return
	}
	err := v.queue.Dispatch(v.srv.ctx, v.handler, askedService{v, st.To}, st)
	switch {
	case errors.Is(err, dispatch.ErrOverload):
		v.srv.bounce(st, stanza.ResourceConstraint)
	case err != nil:
		v.srv.bounce(st, stanza.ServiceUnavailable)
	}
}

// do sends a request and waits for the reply. A handler that calls it gives
// up, while it waits, what others may need.
func (s *Server) do(ctx context.Context, from jid.JID, table *pending.Table, iq *stanza.Stanza) (*stanza.Stanza, error) {
	if iq.Kind != stanza.KindIQ || !iq.Type.IsRequest() {
		return nil, xmpp.ErrNotRequest
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.cfg.RequestTimeout)
		defer cancel()
	}
	if t, ok := ctx.Value(turnKey{}).(*turn); ok {
		t.handOver()
	}
	defer dispatch.Park(ctx)()
	req, err := table.Add(iq.ID, iq.To)
	if err != nil {
		return nil, err
	}
	defer req.Cancel()
	h := iq.Header
	h.ID, h.From = req.ID(), from
	if err := s.Route(ctx, iq.With(h)); err != nil {
		return nil, err
	}
	reply, err := req.Wait(ctx)
	if err != nil {
		return nil, err
	}
	return reply, reply.Err()
}
