package register

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// ErrNoAccount is returned by [ChangePassword] where the account's name is not
// known, for there has been no session.
var ErrNoAccount = errors.New("register: there is no account yet")

// MissingError says which fields are asked for and were not given.
type MissingError struct{ Fields []string }

// Error lists the fields.
func (e *MissingError) Error() string {
	return "register: fields are missing: " + strings.Join(e.Fields, ", ")
}

// FormError says that a service asks by data form only, or sends people
// elsewhere: there are no fields that [Register] could fill in.
type FormError struct{ Query *Query }

// Error gives the instructions of the service.
func (e *FormError) Error() string {
	s := "register: no fields to fill in"
	if e.Query.URL != "" {
		s += ", see " + e.Query.URL
	}
	if text := strings.TrimSpace(e.Query.Instructions); text != "" {
		s += ": " + text
	}
	return s
}

// Fields asks what there is to fill in to register with a service; where there
// is a registration already (Query.Registered), it has its values. A zero to is
// the account's own server.
func Fields(ctx context.Context, s xmpp.Sender, to jid.JID) (*Query, error) {
	q, err := xmpp.Call[*Query](ctx, s, stanza.TypeGet, to, new(Query))
	if err == nil && q == nil {
		q = new(Query)
	}
	return q, err
}

// Register registers with a service such as a gateway, or changes what was
// registered there. It asks for the fields first: all of them must be given, or
// the error is a [*MissingError], and a key is sent back as it came. If only a
// data form is asked for the error is a [*FormError]; fill in its Query.Form and
// use [Submit].
//
// errors.Is(err, stanza.Conflict) tells that there is such a registration: also
// where an old server says so by bad-request with the element registered.
func Register(ctx context.Context, s xmpp.Sender, to jid.JID, fields ...Field) error {
	q, err := Fields(ctx, s, to)
	if err != nil {
		return err
	}
	missing, asked := q.missing(fields)
	switch {
	case len(missing) > 0:
		return &MissingError{missing}
	case !asked:
		return &FormError{q}
	}
	set := &Query{Fields: fields}
	if key, ok := q.Get("key"); ok && !has(fields, "key") {
		set.Fields = append(fields[:len(fields):len(fields)], Field{"key", key})
	}
	err = Submit(ctx, s, to, set)
	if q.Registered && errors.Is(err, stanza.BadRequest) {
		return fmt.Errorf("register: %w: %w", stanza.Conflict, err)
	}
	return err
}

func has(fields []Field, name string) bool {
	_, ok := get(fields, name)
	return ok
}

// missing returns which of the fields of q are not in fields, and whether there
// are any at all.
func (q *Query) missing(fields []Field) (missing []string, asked bool) {
	for _, f := range q.Fields {
		if f.Name == "key" {
			continue
		}
		asked = true
		// What is on file already need not be given again.
		if v, _ := get(fields, f.Name); v == "" && (!q.Registered || f.Value == "") {
			missing = append(missing, f.Name)
		}
	}
	return missing, asked
}

// Submit sends q as it is, and returns nil when the service has taken it. It is
// for forms and whatever else the other functions do not do.
func Submit(ctx context.Context, s xmpp.Sender, to jid.JID, q *Query) error {
	iq, err := stanza.New(stanza.Header{Kind: stanza.KindIQ, Type: stanza.TypeSet, To: to}, q)
	if err != nil {
		return err
	}
	reply, err := s.Do(ctx, iq)
	if reply != nil {
		return ReplyError(reply)
	}
	return err
}

// ReplyError returns the error that a reply to a set reports, nil if none. A
// bad-request that has the element registered in the query which it sends back
// is how draft-ietf-xmpp-im-02, appendix A.1, says that there is such an account;
// it is returned as conflict.
func ReplyError(reply *stanza.Stanza) error {
	err := reply.Err()
	if !errors.Is(err, stanza.BadRequest) {
		return err
	}
	if q, _, _ := stanza.Decode[Query](reply); q.Registered {
		return fmt.Errorf("register: %w: %w", stanza.Conflict, err)
	}
	return err
}

// ChangePassword changes the password of the account that s is logged in with.
// It is sent as it is: the stream should be encrypted.
func ChangePassword(ctx context.Context, s xmpp.Sender, password string) error {
	user := s.LocalAddr().Local()
	switch {
	case user == "":
		return ErrNoAccount
	case password == "":
		return &MissingError{[]string{"password"}}
	}
	q := &Query{Fields: []Field{{"username", user}, {"password", password}}}
	return Submit(ctx, s, jid.JID{}, q.withKey(ctx, s, jid.JID{}))
}

// Remove cancels the registration with a service; with a zero to, the account
// that s is logged in with, which is then gone with all that is stored for it.
// A server may end the stream of the account before the answer arrives; then the
// error is [xmpp.ErrSessionLost], and the next login shows what has happened.
func Remove(ctx context.Context, s xmpp.Sender, to jid.JID) error {
	q := &Query{Remove: true}
	return Submit(ctx, s, to, q.withKey(ctx, s, to))
}

// withKey adds the key that old services give out on a get. Who has none, or
// answers no get, wants none.
func (q *Query) withKey(ctx context.Context, s xmpp.Sender, to jid.JID) *Query {
	if now, err := Fields(ctx, s, to); err == nil {
		if key, ok := now.Get("key"); ok {
			q.Fields = append(q.Fields, Field{"key", key})
		}
	}
	return q
}
