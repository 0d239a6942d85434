package memory

import (
	"context"

	"github.com/etherx-go/xmpp/ext/push"
	"github.com/etherx-go/xmpp/jid"
)

// Push returns the store of the package push.
func (s *Store) Push() push.Store { return &s.push }

// pushDevices implements push.Store.
type pushDevices struct{ table[push.Devices] }

func (p *pushDevices) Devices(_ context.Context, account jid.JID) (push.Devices, error) {
	return p.get(account), nil
}

// UpdateDevices calls fn while the store is locked.
func (p *pushDevices) UpdateDevices(_ context.Context, account jid.JID, fn func(*push.Devices) error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := p.m[account.Bare()].Clone()
	if err := fn(&all); err != nil {
		return err
	}
	if len(all) == 0 {
		delete(p.m, account.Bare())
		return nil
	}
	p.put(account, all.Clone()) // once more, as fn may have left what others can change
	return nil
}

func (p *pushDevices) RemoveAccount(_ context.Context, account jid.JID) error {
	p.remove(account)
	return nil
}
