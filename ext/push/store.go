package push

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/etherx-go/xmpp/ext/datetime"
	"github.com/etherx-go/xmpp/ext/form"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// Device is a [Registration] as it is kept.
type Device struct {
	Registration
	// Resource is that of the client that has enabled it last: while it is
	// connected it needs no notifications.
	Resource string
	// Enabled is when that was, to the millisecond.
	Enabled time.Time
}

// Clone returns a copy that shares no memory with d.
func (d Device) Clone() Device {
	d.Service, d.Node, d.Resource = d.Service.Clone(), strings.Clone(d.Node), strings.Clone(d.Resource)
	options := d.Options
	d.Options = nil
	for _, f := range options {
		c := form.Field{
			Var: strings.Clone(f.Var), Type: form.FieldType(strings.Clone(string(f.Type))), Label: strings.Clone(f.Label),
			Desc: strings.Clone(f.Desc), Required: f.Required,
		}
		for _, v := range f.Values {
			c.Values = append(c.Values, strings.Clone(v))
		}
		for _, o := range f.Options {
			c.Options = append(c.Options, form.Option{Label: strings.Clone(o.Label), Value: strings.Clone(o.Value)})
		}
		d.Options = append(d.Options, c)
	}
	return d
}

// Devices are those of an account, in the order in which they were enabled.
type Devices []Device

// Clone returns a copy that shares no memory with d.
func (d Devices) Clone() (all Devices) {
	for i := range d {
		all = append(all, d[i].Clone())
	}
	return all
}

// find returns the device with a service and a node, -1 if there is none.
func (d Devices) find(service jid.JID, node string) int {
	return slices.IndexFunc(d, func(d Device) bool { return d.Service == service && d.Node == node })
}

// MarshalText returns the devices as text, for storage: "" if there are none. The error
// is a bad-request if one has no service.
func (d Devices) MarshalText() (_ []byte, err error) {
	if len(d) == 0 {
		return nil, nil
	}
	dst := []byte("<devices xmlns='" + NS + "'>")
	for i := range d {
		dst, err = d[i].append(dst, func(dst []byte) []byte {
			dst = stanza.AppendAttr(dst, "resource", d[i].Resource)
			return stanza.AppendAttr(dst, "enabled", datetime.Format(d[i].Enabled))
		})
		if err != nil {
			return nil, err
		}
	}
	return append(dst, "</devices>"...), nil
}

// UnmarshalText reads what [Devices.MarshalText] has written. On error d is unchanged.
func (d *Devices) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*d = nil
		return nil
	}
	e, err := stanza.Raw(text).Element()
	if err != nil {
		return err
	}
	var all Devices
	for c := range e.Children() {
		var dev Device
		if err := dev.ParseXML(c); err != nil {
			return err
		}
		dev.Resource = c.Attr("resource")
		if dev.Enabled, err = datetime.Parse(c.Attr("enabled")); err != nil {
			return err
		}
		all = append(all, dev)
	}
	*d = all
	return nil
}

// Store keeps the devices of a server's accounts. account is a bare address. Methods
// are safe for concurrent use; what they have done is durable when they return.
type Store interface {
	// Devices returns the devices of an account. They must not be changed.
	Devices(ctx context.Context, account jid.JID) (Devices, error)
	// UpdateDevices calls fn with a copy of the devices, and keeps what fn has made of
	// them; nobody else's update comes between. If fn returns an error, or panics,
	// nothing changes, and the error is returned as it is. fn must not use the store.
	UpdateDevices(ctx context.Context, account jid.JID, fn func(*Devices) error) error
	// RemoveAccount forgets the account's devices.
	RemoveAccount(ctx context.Context, account jid.JID) error
}
