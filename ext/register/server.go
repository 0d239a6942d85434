package register

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/sasl"
	"github.com/etherx-go/xmpp/stanza"
)

// Accounts is where a [Server] makes, changes and removes accounts. account is a
// bare address. Methods are safe for concurrent use; what they have done is
// durable when they return.
type Accounts interface {
	// Register makes an account. The error is stanza.Conflict if there is one
	// with this address already, and sasl.ErrBadString if the password cannot
	// be used.
	Register(ctx context.Context, account jid.JID, password string) error
	// SetPassword changes the password of an account.
	SetPassword(ctx context.Context, account jid.JID, password string) error
	// Remove removes an account; it is no error if there is none.
	Remove(ctx context.Context, account jid.JID) error
	// Exists reports whether there is such an account.
	Exists(ctx context.Context, account jid.JID) (bool, error)
}

// Details keeps what users of a server have said about themselves when they
// registered. "This information is used for server use only and is not passed
// back to other clients" (Jabber Programmers Guide, chapter 11). Methods are safe
// for concurrent use.
type Details interface {
	// SetDetails replaces what is kept for the account.
	SetDetails(ctx context.Context, account jid.JID, fields []Field) error
	// Details returns what is kept for the account.
	Details(ctx context.Context, account jid.JID) ([]Field, error)
}

// Requester is who asks a [Server], and how.
type Requester struct {
	// Account is the bare address that the requester is logged in with, zero
	// before authentication. It may be on a domain of somebody else.
	Account jid.JID
	// Session is the requester's full address, zero before authentication.
	Session jid.JID
	// Domain is the domain that is asked.
	Domain string
	// RemoteAddr is the network address of the requester, as net.Conn has it:
	// host and port. The throttle counts by host; a key belongs to all of it.
	RemoteAddr string
	// Secure: nobody can listen on the way from the requester to the server.
	Secure bool
}

// Limits of a [Server] that are chosen where its fields are zero.
const (
	// DefaultMaxPerHour is how many accounts one network address may make.
	DefaultMaxPerHour = 10
	// DefaultMaxAddresses is how many network addresses the throttle knows.
	DefaultMaxAddresses = 1 << 16
	// DefaultMaxValue is how long the value of a field may be, in bytes.
	DefaultMaxValue = 1023
)

// Server is the logic of in-band registration with a server (XEP-0077, section
// 3), before and after authentication. It knows nothing of streams: who has them
// hands requests to Handle. Registration with other services is what [Service]
// is for. The zero Server, given Accounts, makes no new accounts, and lets
// users change their password and remove their account over secure streams.
//
// Methods are safe for concurrent use; fields must not be changed after the
// first call.
type Server struct {
	// Accounts is where accounts are. It must be set.
	Accounts Accounts

	// Open: everybody can make an account.
	Open bool
	// URL is where accounts can be made instead, if Open is false (XEP-0077,
	// section 5).
	URL string
	// AllowPlaintext: passwords may be sent over streams that are not secure.
	AllowPlaintext bool
	// NoPasswordChange: passwords cannot be changed in-band.
	NoPasswordChange bool
	// NoRemove: accounts cannot be removed in-band.
	NoRemove bool

	// Instructions are shown to people; "" stands for a sentence that says what
	// to do.
	Instructions string
	// Fields are asked for beside username and password: names of XEP-0077,
	// section 14.1, or others, which then are in the data form only (section 4).
	// Who registers has to fill in all of them.
	Fields []string
	// Details, if not nil, keeps what Fields ask for.
	Details Details
	// Keys: requests of type set must have the key that the answer to the last
	// get had. "This element is obsolete" (XEP-0077, section 7); without Keys it
	// is ignored.
	Keys bool

	// Reserved, if not nil, reports whether nobody may have this user name, as
	// "admin". It is the local part of an address.
	Reserved func(name string) bool
	// CheckPassword, if not nil, says whether a password is good enough. The
	// text of its error is shown to the user.
	CheckPassword func(ctx context.Context, account jid.JID, password string) error
	// Check, if not nil, is asked before an account is made. fields are those
	// that the user has filled in, without the password. A *stanza.Error or
	// stanza.Condition is shown to the user.
	Check func(ctx context.Context, r Requester, account jid.JID, fields []Field) error
	// Registered, if not nil, is called when an account has been made.
	Registered func(ctx context.Context, r Requester, account jid.JID)
	// Remove, if not nil, is called before an account is removed, to remove what
	// is kept for it. An error keeps the account; stanza.Forbidden tells the
	// user that he may not do it.
	Remove func(ctx context.Context, account jid.JID) error

	// MaxPerHour bounds how many accounts may be made from one network address
	// in an hour; tries to make one whose name is taken count, too. Of IPv6 the
	// first 64 bits count as one address. 0 = [DefaultMaxPerHour], -1 = no
	// limit.
	MaxPerHour int
	// MaxAddresses bounds how many network addresses the throttle remembers.
	// When there are more in an hour, the others have to wait. 0 =
	// [DefaultMaxAddresses], -1 = no limit.
	MaxAddresses int
	// MaxValue bounds the value of a field, in bytes. 0 = [DefaultMaxValue], -1 =
	// no limit.
	MaxValue int
	// Now is the clock, time.Now if nil.
	Now func() time.Time

	throttle throttle
	keys     keys
}

// Handle answers a request of type t, get or set, and returns the payload of the
// reply, nil for an empty one. The error, if it is a *stanza.Error or
// stanza.Condition, is the reply; otherwise it is a failure of Accounts or of a
// hook.
//
// Where the requester is not logged in, a set makes an account; where it is, it
// changes the password or, with q.Remove, removes the account. If that was done
// "the server SHOULD then return a <not-authorized/> stream error and terminate
// all active sessions for the entity" (XEP-0077, section 3.2), which is left to
// the caller: it is so if a set returned no error, and the account is gone. (A form
// of cancellation removes it, too, without q.Remove.)
//
// The errors, beside those of hooks:
//
//   - bad-request: the type is neither get nor set; <remove/> is not alone; user
//     name or password are missing where the password is to be changed;
//   - conflict: the user name is taken;
//   - not-acceptable: a field is missing, too long or wrong, the name is reserved,
//     the key is not the one that was given out; or who is logged in wants another
//     account;
//   - not-allowed: passwords cannot be changed, or accounts not removed, in-band;
//     or the requester is a user of another domain;
//   - not-authorized: the stream is not secure;
//   - registration-required: the account that is to be removed is none of this
//     server;
//   - resource-constraint: too many accounts were made from this network address;
//   - service-unavailable: no accounts can be made here;
//   - unexpected-request: who is not logged in wants to remove an account; or sets
//     a password where no accounts can be made.
//
// Forbidden is for the hook Remove to return.
func (s *Server) Handle(ctx context.Context, r Requester, t stanza.Type, q *Query) (*Query, error) {
	r.Account = r.Account.Bare()
	switch t {
	case stanza.TypeGet:
		return s.describe(ctx, r)
	case stanza.TypeSet:
	default:
		return nil, stanza.BadRequest
	}
	if q == nil {
		return nil, stanza.BadRequest
	}
	sub, err := q.submission()
	if err != nil {
		return nil, err
	}
	if s.Keys && !sameKey(sub.key, s.keyOf(r)) {
		return nil, stanza.NewError(stanza.NotAcceptable, "the key is not the one that was given out")
	}
	switch {
	case sub.remove:
		return nil, s.remove(ctx, r, sub)
	case !r.Account.IsZero():
		return nil, s.changePassword(ctx, r, sub)
	case sub.formType == formPassword:
		return nil, errUnexpected
	}
	return nil, s.register(ctx, r, sub)
}

var errUnexpected = stanza.NewError(stanza.UnexpectedRequest, "log in first")

// foreign reports whether the requester is logged in, but not with this domain.
func (r *Requester) foreign() bool { return !r.Account.IsZero() && r.Account.Domain() != r.Domain }

// describe answers a get: with what is needed, or with what there is.
func (s *Server) describe(ctx context.Context, r Requester) (*Query, error) {
	q := new(Query)
	switch {
	case r.foreign() || r.Account.IsZero() && !s.Open && s.URL == "":
		return nil, stanza.ServiceUnavailable
	case !r.Account.IsZero():
		q.Registered = true
		q.Instructions = "You are registered. You can change your password or cancel the registration."
		q.Fields = []Field{{Name: "username", Value: r.Account.Local()}, {Name: "password"}}
		if s.Details != nil {
			details, err := s.Details.Details(ctx, r.Account)
			if err != nil {
				return nil, err
			}
			q.Fields = append(q.Fields, details...)
		}
	case !s.Open:
		q.Instructions = cmp.Or(s.Instructions, "To register, visit "+s.URL+" .")
		q.URL = s.URL
		return q, nil
	default:
		q.Instructions = cmp.Or(s.Instructions, "Choose a user name and a password for "+r.Domain+".")
		var all []Field
		for _, name := range s.fields() {
			all = append(all, Field{Name: name})
			if fieldNames[name] {
				q.Fields = append(q.Fields, Field{Name: name})
			}
		}
		q.Form = form(q.Instructions, all)
	}
	if s.Keys {
		q.Fields = append(q.Fields, Field{Name: "key", Value: s.keyOf(r)})
	}
	return q, nil
}

// fields are the names of what a new user has to give.
func (s *Server) fields() []string {
	names := []string{"username", "password"}
	for _, f := range s.Fields {
		if !slices.Contains(names, f) {
			names = append(names, f)
		}
	}
	return names
}

// register makes an account (XEP-0077, section 3.1).
func (s *Server) register(ctx context.Context, r Requester, sub *submission) error {
	switch {
	case !s.Open:
		// Somebody sets a password, and has no account: "The host is an instant
		// messaging server and the IQ set does not contain a 'from' address"
		// (section 3.3).
		return errUnexpected
	case !r.Secure && !s.AllowPlaintext:
		return errInsecure
	}
	account, fields, err := s.check(ctx, r, sub)
	if err != nil {
		return err
	}
	if !s.throttle.take(s.now(), r.RemoteAddr, orDefault(s.MaxPerHour, DefaultMaxPerHour),
		orDefault(s.MaxAddresses, DefaultMaxAddresses)) {
		return &stanza.Error{Type: stanza.Wait, Condition: stanza.ResourceConstraint,
			Text: "too many accounts have been made from your address; try again later"}
	}
	password, _ := get(sub.fields, "password")
	if err := s.Accounts.Register(ctx, account, password); err != nil {
		return badPassword(err)
	}
	if s.Details != nil && len(fields) > 0 {
		if err := s.Details.SetDetails(ctx, account, fields); err != nil {
			// No half registrations: who tries again must not find the name taken.
			return errors.Join(err, s.Accounts.Remove(context.WithoutCancel(ctx), account))
		}
	}
	if s.Registered != nil {
		s.Registered(ctx, r, account)
	}
	return nil
}

var errInsecure = &stanza.Error{Type: stanza.Modify, Condition: stanza.NotAuthorized,
	Text: "the stream is not encrypted"}

// check checks what a new user has filled in. It returns the account that he
// wants, and what there is to keep beside it.
func (s *Server) check(ctx context.Context, r Requester, sub *submission) (account jid.JID, fields []Field, err error) {
	for _, name := range s.fields() {
		switch v, _ := get(sub.fields, name); {
		case v == "":
			return account, nil, stanza.NewError(stanza.NotAcceptable, "the field "+name+" is needed")
		case s.tooLong(v):
			return account, nil, stanza.NewError(stanza.NotAcceptable, "the field "+name+" is too long")
		case name != "username" && name != "password":
			fields = append(fields, Field{name, v})
		}
	}
	user, _ := get(sub.fields, "username")
	account, err = jid.New(user, r.Domain, "")
	if err != nil || account.Local() == "" {
		return account, nil, stanza.NewError(stanza.NotAcceptable, "the user name cannot be used")
	}
	if s.Reserved != nil && s.Reserved(account.Local()) {
		return account, nil, stanza.NewError(stanza.NotAcceptable, "the user name is reserved")
	}
	if err := s.checkPassword(ctx, account, sub); err != nil {
		return account, nil, err
	}
	if s.Check != nil {
		all := slices.Clone(sub.fields)
		all = slices.DeleteFunc(all, func(f Field) bool { return f.Name == "password" })
		err = s.Check(ctx, r, account, all)
	}
	return account, fields, err
}

// checkPassword asks the hook.
func (s *Server) checkPassword(ctx context.Context, account jid.JID, sub *submission) error {
	if s.CheckPassword == nil {
		return nil
	}
	password, _ := get(sub.fields, "password")
	err := s.CheckPassword(ctx, account, password)
	if _, ok := errors.AsType[*stanza.Error](err); ok || err == nil {
		return err
	}
	return stanza.NewError(stanza.NotAcceptable, err.Error())
}

// badPassword gives the error of Accounts for a password its condition.
func badPassword(err error) error {
	if errors.Is(err, sasl.ErrBadString) {
		return stanza.NewError(stanza.NotAcceptable, "the password cannot be used")
	}
	return err
}

// changePassword is for who is logged in (XEP-0077, section 3.3).
func (s *Server) changePassword(ctx context.Context, r Requester, sub *submission) error {
	user, _ := get(sub.fields, "username")
	password, _ := get(sub.fields, "password")
	switch {
	case s.NoPasswordChange || r.foreign():
		return stanza.NotAllowed
	case !r.Secure && !s.AllowPlaintext:
		return errInsecure
	case user == "" || password == "":
		// "MUST NOT change the password to a null value".
		return stanza.NewError(stanza.BadRequest, "user name and password are needed")
	case s.tooLong(password):
		return stanza.NewError(stanza.NotAcceptable, "the password is too long")
	case !isName(user, r.Account):
		// "if an entity attempts to register a second identity" (section 3.1.1).
		return stanza.NewError(stanza.NotAcceptable, "you are logged in with another user name")
	}
	if err := s.checkPassword(ctx, r.Account, sub); err != nil {
		return err
	}
	if exists, err := s.Accounts.Exists(ctx, r.Account); err != nil {
		return err
	} else if !exists {
		return stanza.RegistrationRequired // removed meanwhile; it must not come back
	}
	return badPassword(s.Accounts.SetPassword(ctx, r.Account, password))
}

// isName reports whether user is the account's user name, or its address, as in
// the forms of XEP-0077.
func isName(user string, account jid.JID) bool {
	j, err := jid.New(user, account.Domain(), "")
	if err != nil {
		j, err = jid.Parse(user)
	}
	return err == nil && j == account
}

// remove removes the account of who is logged in (XEP-0077, section 3.2).
func (s *Server) remove(ctx context.Context, r Requester, sub *submission) error {
	switch user, ok := get(sub.fields, "username"); {
	case !sub.alone:
		return stanza.NewError(stanza.BadRequest, "remove stands alone")
	case r.Account.IsZero():
		return errUnexpected
	case r.foreign():
		return stanza.RegistrationRequired
	case s.NoRemove:
		return stanza.NotAllowed
	case ok && !isName(user, r.Account):
		return stanza.Forbidden // the account of somebody else
	}
	if exists, err := s.Accounts.Exists(ctx, r.Account); err != nil {
		return err
	} else if !exists {
		return stanza.RegistrationRequired
	}
	if s.Remove != nil {
		if err := s.Remove(ctx, r.Account); err != nil {
			return err
		}
	}
	return s.Accounts.Remove(ctx, r.Account)
}

func (s *Server) tooLong(value string) bool {
	max := orDefault(s.MaxValue, DefaultMaxValue)
	return max >= 0 && len(value) > max
}

func (s *Server) now() time.Time {
	if s.Now != nil {
		return s.Now()
	}
	return time.Now()
}

func orDefault(n, def int) int {
	if n == 0 {
		return def
	}
	return n
}
