package push

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/internal/own"
	"github.com/etherx-go/xmpp/internal/lru"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// Defaults of a [Server].
const (
	DefaultMaxDevices    = 20
	DefaultMaxSize       = 4 << 10
	DefaultMaxBody       = 1 << 10
	DefaultInterval      = 3 * time.Second
	DefaultTimeout       = 30 * time.Second
	DefaultMinRetry      = time.Minute
	DefaultMaxRetry      = time.Hour
	DefaultMaxFailures   = 16
	DefaultMaxPublishing = 64
	DefaultMaxTargets    = 100_000
	DefaultMaxAccounts   = 10_000
)

// refresh is how old a registration may get before the store is told that it was
// enabled again.
const refresh = 12 * time.Hour

// Server is the Extension that keeps the devices of a server's accounts, and publishes
// notifications for them. Its methods are safe for concurrent use, after Attach; fields
// must not be changed then.
//
// That something has come it has to be told: see [Server.Notify].
type Server struct {
	// Store keeps the devices. It must be set. What a Server caches of it is true as
	// long as nobody else changes it.
	Store Store
	// Allow, if not nil, says which services an account may have notifications
	// published to. Others are answered with not-allowed.
	Allow func(account, service jid.JID) bool
	// Disclose says what a service is told of a stanza that warrants a notification.
	// nil: nothing but that there is one, since "servers SHOULD allow users to limit
	// the information sent via push notifications" (section 9). [Senders] and
	// [Bodies] are such functions. It is called by Notify.
	Disclose func(account jid.JID, d Device, st *stanza.Stanza) Details

	// MaxDevices bounds those of an account; of more, those go that were enabled
	// first. Default 20, -1 = no limit.
	MaxDevices int
	// MaxSize bounds a registration, in bytes of XML. A larger one is answered with
	// policy-violation. Default 4 KiB, -1 = no limit but that of a stanza.
	MaxSize int
	// MaxBody bounds the body in a notification, in bytes; the rest is left out.
	// Default 1 KiB, -1 = no limit.
	MaxBody int

	// Interval is the least time between two notifications to a device; what comes
	// meanwhile is told with the next one. Default 3 s, -1 = none.
	Interval time.Duration
	// Timeout is how long the reply of a service may take. Default 30 s.
	Timeout time.Duration
	// MinRetry and MaxRetry are after how long a notification is published again
	// that has failed in a way that may pass; the time doubles from one to the other.
	// Defaults 1 minute and 1 hour.
	MinRetry, MaxRetry time.Duration
	// MaxFailures is how many in a row it takes until the device is given up, as it
	// is at once if the service says that it does not know it (section 7.1). Default
	// 16, which is half a day; -1 = never.
	MaxFailures int
	// MaxPublishing bounds how many notifications are under way at the same time.
	// Default 64, -1 = no limit.
	MaxPublishing int
	// MaxTargets bounds for how many devices it is known what they have been told
	// and what waits for them; for more nothing is published. Default 100000, -1 = no
	// limit.
	MaxTargets int
	// MaxAccounts bounds for how many accounts the devices are cached. Default 10000,
	// -1 = no limit.
	MaxAccounts int

	// Log is told of devices that are given up, and of notifications that fail; nil
	// for nothing.
	Log *slog.Logger

	host  xmpp.Host
	pub   publisher
	mu    sync.Mutex
	cache lru.Map[jid.JID, Devices]
	// changes counts those of the store, so that nothing is cached that was read
	// before one.
	changes int
}

var (
	_ xmpp.Extension      = (*Server)(nil)
	_ xmpp.Describer      = (*Server)(nil)
	_ xmpp.AccountRemover = (*Server)(nil)
)

// Connected is a Host that knows which clients have a connection. IsConnected must be
// safe for concurrent use.
type Connected interface {
	// IsConnected reports whether the client with this full address has a session
	// and, as far as is known, a connection: while its session waits to be resumed
	// (XEP-0198) it has none.
	IsConnected(client jid.JID) bool
}

// Attach adds the handlers to a server, which should be [Connected]. For one that is
// not, a client counts as connected while it is available.
func (s *Server) Attach(h xmpp.Host) error {
	users, ok := h.(xmpp.Users)
	switch {
	case !ok:
		return errors.New("push: Server is for servers")
	case s.Store == nil:
		return errors.New("push: Server.Store is not set")
	}
	s.host = h
	s.pub.init(s, func(client jid.JID) bool { return slices.Contains(users.Resources(client.Bare()), client) })
	if c, ok := h.(Connected); ok {
		s.pub.isConnected = c.IsConnected
	}
	xmpp.HandleIQ(h.Mux(), stanza.TypeSet, s.enable)
	xmpp.HandleIQ(h.Mux(), stanza.TypeSet, s.disable)
	return nil
}

// Close ends all publishing: what waits is dropped, and what is under way is given up.
// It returns when that is done.
func (s *Server) Close() error {
	s.pub.close()
	return nil
}

// Features returns [NS] for accounts (section 4.1).
func (s *Server) Features(at jid.JID) []string {
	if at.Local() == "" {
		return nil
	}
	return []string{NS}
}

// RemoveAccount forgets the devices of an account.
func (s *Server) RemoveAccount(ctx context.Context, account jid.JID) error {
	defer s.changed(account)
	return s.Store.RemoveAccount(ctx, account)
}

// enable adds a device, or changes it (section 5).
func (s *Server) enable(ctx context.Context, r xmpp.Request[Registration]) (any, error) {
	account, err := own.Account(r.Stanza)
	if err != nil {
		return nil, err
	}
	if err := s.check(account, r.Payload); err != nil {
		return nil, err
	}
	now := time.Now().UTC().Truncate(time.Millisecond)
	dev := Device{Registration: r.Payload, Resource: r.From.Resource(), Enabled: now}
	all, err := s.devices(ctx, account)
	if err != nil {
		return nil, err
	}
	if i := all.find(dev.Service, dev.Node); i < 0 || !isFresh(all[i], dev) {
		err = s.update(ctx, account, func(all *Devices) error {
			s.put(all, dev.Clone())
			return nil
		})
	}
	s.pub.seen(target{account, dev.Service, dev.Node})
	return nil, err
}

// check refuses what may not be enabled.
func (s *Server) check(account jid.JID, r Registration) error {
	if s.Allow != nil && !s.Allow(account, r.Service) {
		return stanza.NewError(stanza.NotAllowed, "this push service is not allowed")
	}
	b, err := r.AppendXML(nil)
	if err != nil {
		return err
	}
	if max := cmp.Or(s.MaxSize, DefaultMaxSize); max >= 0 && len(b) > max {
		return stanza.NewError(stanza.PolicyViolation, fmt.Sprintf("a registration may have %d bytes", max))
	}
	return nil
}

// isFresh reports whether what is stored is as good as what it would be replaced with.
func isFresh(old, dev Device) bool {
	return old.Resource == dev.Resource && dev.Enabled.Sub(old.Enabled) < refresh &&
		reflect.DeepEqual(old.Registration, dev.Registration)
}

// put puts a device behind the others. "The JID for a Push Service MAY be enabled
// multiple times for a user only if different node values are provided" (section 5).
func (s *Server) put(all *Devices, dev Device) {
	if i := all.find(dev.Service, dev.Node); i >= 0 {
		*all = slices.Delete(*all, i, i+1)
	}
	*all = append(*all, dev)
	if max := cmp.Or(s.MaxDevices, DefaultMaxDevices); max >= 0 && len(*all) > max {
		*all = slices.Delete(*all, 0, len(*all)-max)
	}
}

// disable removes a device, or all of a service (section 6). It is no error if there
// is none.
func (s *Server) disable(ctx context.Context, r xmpp.Request[removal]) (any, error) {
	account, err := own.Account(r.Stanza)
	if err != nil {
		return nil, err
	}
	return nil, s.remove(ctx, account, func(d Device) bool {
		return d.Service == r.Payload.service && (r.Payload.node == "" || d.Node == r.Payload.node)
	})
}

// remove removes some devices of an account.
func (s *Server) remove(ctx context.Context, account jid.JID, drop func(Device) bool) error {
	all, err := s.devices(ctx, account)
	if err != nil || !slices.ContainsFunc(all, drop) {
		return err
	}
	return s.update(ctx, account, func(all *Devices) error {
		*all = slices.DeleteFunc(*all, drop)
		return nil
	})
}

// Revoked takes note of a message to an account by which a service ends notifications
// (section 8), and reports whether it is one: then nobody else needs to get it. It is
// to be called for messages to bare addresses of accounts; for all others it costs a
// look at the names of the payloads.
func (s *Server) Revoked(ctx context.Context, st *stanza.Stanza) (bool, error) {
	node, ok := revoked(st)
	if !ok || !st.To.IsBare() {
		return false, nil
	}
	all, err := s.devices(ctx, st.To)
	if err != nil || all.find(st.From, node) < 0 {
		return false, err
	}
	return true, s.remove(ctx, st.To, func(d Device) bool { return d.Service == st.From && d.Node == node })
}

// devices returns those of an account, which must not be changed.
func (s *Server) devices(ctx context.Context, account jid.JID) (Devices, error) {
	s.mu.Lock()
	all, ok := s.cache.Get(account)
	before := s.changes
	s.mu.Unlock()
	if ok {
		return all, nil
	}
	all, err := s.Store.Devices(ctx, account)
	if err != nil {
		return nil, fmt.Errorf("push: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changes == before {
		s.cache.Put(account.Clone(), all, cmp.Or(s.MaxAccounts, DefaultMaxAccounts))
	}
	return all, nil
}

func (s *Server) update(ctx context.Context, account jid.JID, fn func(*Devices) error) error {
	defer s.changed(account)
	if err := s.Store.UpdateDevices(ctx, account, fn); err != nil {
		return fmt.Errorf("push: %w", err)
	}
	return nil
}

// changed takes note that the store has changed, or may have.
func (s *Server) changed(account jid.JID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changes++
	s.cache.Delete(account)
}
