package archive

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/etherx-go/xmpp/ext/datetime"
	"github.com/etherx-go/xmpp/ext/form"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// Choice says whether messages of rooms are wanted.
type Choice uint8

// The choices. What nothing is said about is for the archive to decide (XEP-0313,
// section 4.1.4).
const (
	Unsaid Choice = iota
	Include
	Exclude
)

// Filter says which messages of an archive are meant (XEP-0313, section 4.1). The
// zero Filter means all.
type Filter struct {
	// With is who the messages are from or to, with any resource if it is a bare
	// address. If it is the account itself, messages to itself are meant.
	With jid.JID
	// Start and End are the first and the last moment at which messages were
	// archived; zero is no bound.
	Start, End time.Time
	// AfterID and BeforeID are ids of messages that the others come behind, or
	// before. They need the feature [NSExtended].
	AfterID, BeforeID string
	// IDs, if not nil, are the ids of the messages. They need [NSExtended].
	IDs []string
	// GroupChat says whether messages of rooms are meant. It needs the feature
	// [NSGroupChatField].
	GroupChat Choice
}

// Matches reports whether an entry of an archive is one of those that are meant,
// as far as the entry itself can tell: not by its place, which AfterID and
// BeforeID are about. id is the entry's own.
func (f *Filter) Matches(id string, e *Entry) bool {
	switch {
	case !f.With.IsZero() && f.With != e.With && f.With != e.With.Bare(),
		!f.Start.IsZero() && e.At.Before(f.Start),
		!f.End.IsZero() && e.At.After(f.End),
		f.GroupChat == Exclude && e.Stanza.Type == stanza.TypeGroupChat,
		f.IDs != nil && !slices.Contains(f.IDs, id):
		return false
	}
	return true
}

// The names of the fields.
const (
	fieldWith      = "with"
	fieldStart     = "start"
	fieldEnd       = "end"
	fieldBefore    = "before-id"
	fieldAfter     = "after-id"
	fieldIDs       = "ids"
	fieldGroupChat = "include-groupchat"
)

// fields returns the filter as fields of a form.
func (f *Filter) fields() (fields []form.Field) {
	add := func(name string, values ...string) {
		fields = append(fields, form.Field{Var: name, Values: values})
	}
	if !f.With.IsZero() {
		add(fieldWith, f.With.String())
	}
	if !f.Start.IsZero() {
		add(fieldStart, datetime.Format(f.Start))
	}
	if !f.End.IsZero() {
		add(fieldEnd, datetime.Format(f.End))
	}
	if f.BeforeID != "" {
		add(fieldBefore, f.BeforeID)
	}
	if f.AfterID != "" {
		add(fieldAfter, f.AfterID)
	}
	if f.IDs != nil {
		add(fieldIDs, f.IDs...)
	}
	if f.GroupChat != Unsaid {
		add(fieldGroupChat, strconv.FormatBool(f.GroupChat == Include))
	}
	return fields
}

// take reads a field. known is false if it is not one of a filter. Empty fields
// are as good as none.
func (f *Filter) take(field *form.Field) (known bool, err error) {
	empty := field.IsEmpty()
	switch field.Var {
	case fieldWith:
		if f.With, err = field.JID(); err != nil {
			return true, stanza.NewError(stanza.JIDMalformed, "the field with is not an address")
		}
	case fieldStart:
		f.Start, err = moment(field)
	case fieldEnd:
		f.End, err = moment(field)
	case fieldBefore:
		f.BeforeID, err = single(field)
	case fieldAfter:
		f.AfterID, err = single(field)
	case fieldIDs:
		f.IDs = slices.DeleteFunc(slices.Clone(field.Values), func(id string) bool { return id == "" })
		if empty {
			f.IDs = nil
		}
	case fieldGroupChat:
		var include bool
		if include, err = field.Bool(); err != nil {
			return true, badField(field)
		}
		switch {
		case empty:
			f.GroupChat = Unsaid
		case include:
			f.GroupChat = Include
		default:
			f.GroupChat = Exclude
		}
	default:
		return false, nil
	}
	return true, err
}

// moment reads a time, to the millisecond.
func moment(f *form.Field) (time.Time, error) {
	s, err := single(f)
	if s == "" || err != nil {
		return time.Time{}, err
	}
	t, err := datetime.Parse(s)
	if err != nil || t.UTC().Year() < 1 || t.UTC().Year() > 9999 || t.IsZero() {
		return time.Time{}, badField(f)
	}
	return t.UTC(), nil
}

// single reads the one value of a field.
func single(f *form.Field) (string, error) {
	switch len(f.Values) {
	case 0:
		return "", nil
	case 1:
		return strings.TrimSpace(f.Values[0]), nil
	}
	return "", badField(f)
}

func badField(f *form.Field) error {
	return stanza.NewError(stanza.BadRequest, "the value of the field "+f.Var+" is not of its type")
}
