package server

import (
	"cmp"
	"context"
	"crypto"
	"crypto/rand"
	"encoding/xml"
	"errors"

	"github.com/etherx-go/xmpp/ext/carbons"
	"github.com/etherx-go/xmpp/ext/csi"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/sasl"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

// login2 is what a client may have in the round trip of its authentication (XEP-0388): a
// resource (XEP-0386) with what belongs to it, an earlier session (XEP-0198), a token
// for the next time (XEP-0484).
func (sess *session) login2() *stream.SASL2Server {
	s := sess.srv
	l := &stream.SASL2Server{
		Bind: &stream.Bind2Server{
			Bind:     sess.bind2,
			Bound:    func(*stream.Login) { sess.bound() },
			Metadata: sess.archiveState,
			Secret:   s.resourceSecret,
			Features: []stream.BindFeature{
				{Var: carbons.NS, Requests: []xml.Name{carbons.EnableName}, Enable: sess.enableCopies},
				{Var: csi.NS, Requests: []xml.Name{{Space: csi.NS, Local: "active"}, {Space: csi.NS, Local: "inactive"}},
					Enable: sess.enableState},
			},
		},
		Management: sess.management,
		Report: func(_ *stream.Conn, err error) {
			s.log.Warn("log-in", "account", sess.account, "err", err)
		},
	}
	l.Upgrade = sess.upgrades()
	if s.cfg.Stores.Tokens != nil {
		l.FAST = &stream.FASTServer{Store: s.cfg.Stores.Tokens}
	}
	return l
}

// upgrades is how clients are asked for keys of newer mechanisms (XEP-0480); nil if
// there is nothing to ask for.
func (sess *session) upgrades() *stream.UpgradeServer {
	u, ok := sess.srv.cfg.Accounts.(Upgrader)
	if !ok || len(u.UpgradeHashes()) == 0 {
		return nil
	}
	domain := sess.host.jid.Domain()
	find := u.Credentials(domain).SCRAM
	if find == nil {
		return nil
	}
	up := &stream.UpgradeServer{
		Hashes: u.UpgradeHashes(),
		Wanted: func(ctx context.Context, user string, h crypto.Hash) (bool, error) {
			_, err := find(ctx, user, h)
			if errors.Is(err, sasl.ErrUnknownUser) {
				return true, nil
			}
			return false, err
		},
		Save: func(ctx context.Context, user string, keys sasl.SCRAMKeys) error {
			account, err := accountOf(user, domain)
			if err != nil {
				return err
			}
			return u.AddKeys(ctx, account, keys)
		},
	}
	if p, ok := sess.srv.cfg.Accounts.(SCRAMParameters); ok {
		_, up.Iterations = p.SCRAMParameters()
	}
	return up
}

// bind2 binds the resource for a client. A session that the same client has left takes
// no place any more, nor does one with the same resource: it is the client's own.
func (sess *session) bind2(ctx context.Context, l *stream.Login, resource string) (jid.JID, error) {
	sess.agent, sess.bound2 = l.UserAgent.ID, true
	return sess.srv.bindSession(ctx, sess, resource, ReplaceOld)
}

// archiveState tells the client where its archive begins and ends (XEP-0313, section 5).
func (sess *session) archiveState(ctx context.Context, _ *stream.Login) (stanza.Raw, error) {
	if sess.srv.archive == nil {
		return "", nil
	}
	m, err := sess.srv.archive.Store.Metadata(ctx, sess.account)
	if err != nil {
		return "", err
	}
	raw, err := m.AppendXML(nil)
	return stanza.Raw(raw), err
}

// enableCopies lets the client have copies of messages from the beginning.
func (sess *session) enableCopies(context.Context, *stream.Login, stanza.Element) (stanza.Raw, error) {
	sess.copies.Store(true)
	return "", nil
}

// enableState takes the client's first indication of its state.
func (sess *session) enableState(_ context.Context, _ *stream.Login, el stanza.Element) (stanza.Raw, error) {
	if active, ok := csi.Parse(el); ok {
		sess.setActive(active)
	}
	return "", nil
}

// makeResourceSecret returns what resources are made with that clients get back.
func (s *Server) makeResourceSecret() []byte {
	return []byte(cmp.Or(s.cfg.ResourceSecret, rand.Text()))
}
