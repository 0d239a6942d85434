package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/etherx-go/xmpp/archive"
	"github.com/etherx-go/xmpp/client"
	"github.com/etherx-go/xmpp/ext/rsm"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/sasl"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

// user is one client: a stream, and what it counts. Until its messages begin to flow
// it is an xmpp.Sender.
type user struct {
	conn    *stream.Conn
	tr      *transport
	addr    jid.JID
	handled uint64 // stanzas of the server
	asked   uint64 // times the server has asked for the number of these
	ids     int
}

// transport calls idle whenever everything that was read has been handled.
type transport struct {
	stream.Transport
	idle func() error
}

// lazyReader is what the scanner looks for, see package stream.
type lazyReader interface {
	Lazy() bool
	ReadLazy(alloc func() []byte, free func()) (int, error)
}

func (t *transport) Read(b []byte) (int, error) {
	if t.idle != nil {
		if err := t.idle(); err != nil {
			return 0, err
		}
	}
	return t.Transport.Read(b)
}

func (t *transport) Lazy() bool {
	l, ok := t.Transport.(lazyReader)
	return ok && l.Lazy()
}

func (t *transport) ReadLazy(alloc func() []byte, free func()) (int, error) {
	if t.idle != nil {
		if err := t.idle(); err != nil {
			return 0, err
		}
	}
	return t.Transport.(lazyReader).ReadLazy(alloc, free)
}

func (o *options) account(i int) jid.JID {
	return jid.MustParse(o.prefix + strconv.Itoa(i) + "@" + o.domain)
}

func (o *options) transport(ctx context.Context) (*transport, error) {
	nc, err := o.dial(ctx)
	if err != nil {
		return nil, err
	}
	return &transport{Transport: stream.NewTransport(nc)}, nil
}

// registerAll makes the accounts, unless the last of them is there already.
func (o *options) registerAll(ctx context.Context) error {
	n := 2 * o.pairs
	u, err := o.login(ctx, n-1)
	if err == nil {
		u.close()
		return nil
	}
	if _, ok := errors.AsType[*sasl.Failure](err); !ok {
		return err
	}
	return each(n, func(i int) error {
		err := client.Register(ctx, client.Config{
			JID: o.account(i), Password: o.password, AllowPlaintext: true,
			TLS:  &tls.Config{InsecureSkipVerify: true}, // the way is on this machine; see check
			Dial: func(ctx context.Context) (stream.Transport, error) { return o.transport(ctx) },
		})
		if errors.Is(err, stanza.Conflict) {
			return nil
		}
		return err
	})
}

// each calls fn for all numbers below n, some at a time.
func each(n int, fn func(i int) error) error {
	errs := make([]error, n)
	slots := make(chan struct{}, logins)
	var wg sync.WaitGroup
	for i := range n {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			errs[i] = fn(i)
		})
	}
	wg.Wait()
	for i, err := range errs {
		if err != nil {
			return fmt.Errorf("user %d: %w", i, err) // the others would say the same
		}
	}
	return nil
}

// loginAll logs all in, and sets what they prefer. Those that it returns are to be
// closed, also after an error.
func (o *options) loginAll(ctx context.Context) (users []*user, err error) {
	ctx, cancel := context.WithTimeout(ctx, o.patience)
	defer cancel()
	all := make([]*user, 2*o.pairs)
	err = each(len(all), func(i int) (err error) {
		if all[i], err = o.login(ctx, i); err != nil {
			return err
		}
		return o.begin(ctx, all[i])
	})
	for _, u := range all {
		if u != nil {
			users = append(users, u)
		}
	}
	return users, err
}

// login negotiates the stream of a user.
func (o *options) login(ctx context.Context, i int) (*user, error) {
	tr, err := o.transport(ctx)
	if err != nil {
		return nil, err
	}
	account := o.account(i)
	u := &user{tr: tr}
	fs := append(stream.SASL(func() sasl.ClientConfig {
		return sasl.ClientConfig{Username: account.Local(), Password: o.password, AllowPlaintext: true}
	}, 0), stream.Bind("chat", func(j jid.JID) { u.addr = j }), stream.Session())
	if o.sm {
		fs = append(fs, (&stream.ManagementClient{Resumable: true}).Enable())
	}
	h := stream.Header{To: account.DomainJID(), From: account, Content: stanza.NSClient, Version: stream.V1}
	u.conn, err = stream.Initiate(ctx, tr, stream.Config{NegotiationTimeout: o.patience}, h, fs)
	if err != nil {
		tr.Close()
		return nil, err
	}
	if _, ok := u.conn.Resumption(0); o.sm && !ok {
		u.close()
		return nil, errors.New("the server has no stream management with resumption")
	}
	return u, nil
}

// begin makes a user available, with the archive that is asked for.
func (o *options) begin(ctx context.Context, u *user) error {
	defer context.AfterFunc(ctx, u.close)()
	here, err := (&stanza.Presence{}).Stanza()
	if err == nil {
		err = u.conn.Send(ctx, here)
	}
	if err != nil {
		return err
	}
	want := archive.Always
	switch o.archive {
	case "":
		return nil
	case "off":
		want = archive.Never
	}
	got, err := archive.SetPreferences(ctx, u, archive.Preferences{Default: want})
	if err == nil && got.Default != want {
		err = fmt.Errorf("archive: the default is %q in place of %q", got.Default, want)
	}
	return err
}

// checkArchive logs the first user in again, and looks whether the last message of its
// archive is one of the run with that name.
func (o *options) checkArchive(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, o.patience)
	defer cancel()
	u, err := o.login(ctx, 0)
	if err != nil {
		return err
	}
	defer u.close()
	defer context.AfterFunc(ctx, u.close)()
	last, err := u.lastArchived(ctx)
	if err != nil {
		return err
	}
	if there := strings.HasPrefix(last, name+" "); there != (o.archive == "on") {
		return fmt.Errorf("-archive is %s, and the last message there is %.50q", o.archive, last)
	}
	return nil
}

// lastArchived returns the text of the last message in the user's archive, "" if there
// is none.
func (u *user) lastArchived(ctx context.Context) (text string, err error) {
	q := archive.Query{ID: "last", Set: rsm.Request{Max: 1, Last: true}}
	iq, err := stanza.New(stanza.Header{Kind: stanza.KindIQ, Type: stanza.TypeSet}, q)
	if err != nil {
		return "", err
	}
	_, err = u.ask(ctx, iq, func(st *stanza.Stanza) error {
		r, ok, err := stanza.Decode[archive.Result](st)
		if ok && r.QueryID == q.ID && r.Message.Stanza != nil {
			text = r.Message.Stanza.Child(stanza.NSClient, "body").Text()
		}
		return err
	})
	return text, err
}

// next returns the next stanza; what is of stream management is done.
func (u *user) next() (*stanza.Stanza, error) {
	for {
		st, el, err := u.conn.Next()
		if err != nil {
			return nil, err
		}
		if st != nil {
			u.handled++
			return st, nil
		}
		if el.Is(stream.NSManagement, "r") {
			u.asked++
		}
		if _, err := u.conn.ServeManagement(el, &u.handled); err != nil {
			return nil, err
		}
	}
}

// ask sends an iq and waits for the reply. What comes before goes to other.
func (u *user) ask(ctx context.Context, iq *stanza.Stanza, other func(*stanza.Stanza) error) (*stanza.Stanza, error) {
	u.ids++
	h := iq.Header
	h.ID = "ask" + strconv.Itoa(u.ids)
	if err := u.conn.Send(ctx, iq.With(h)); err != nil {
		return nil, err
	}
	for {
		st, err := u.next()
		switch {
		case err != nil:
			return nil, err
		case st.Kind == stanza.KindIQ && st.ID == h.ID:
			return st, st.Err()
		}
		if err := other(st); err != nil {
			return nil, err
		}
	}
}

// LocalAddr, Send and Do are those of an xmpp.Sender.
func (u *user) LocalAddr() jid.JID { return u.addr }

func (u *user) Send(ctx context.Context, st *stanza.Stanza) error { return u.conn.Send(ctx, st) }

func (u *user) Do(ctx context.Context, iq *stanza.Stanza) (*stanza.Stanza, error) {
	return u.ask(ctx, iq, func(*stanza.Stanza) error { return nil })
}

func (u *user) close() { u.conn.Close() }
