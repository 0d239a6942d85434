package last

import (
	"context"
	"encoding/xml"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// NS is the namespace, which is also the feature for service discovery
// (XEP-0012, section 6).
const NS = "jabber:iq:last"

var name = xml.Name{Space: NS, Local: "query"}

// Query is the element <query/> that asks.
type Query struct{}

// XMLName returns the name of the element.
func (Query) XMLName() xml.Name { return name }

// AppendXML appends the element.
func (Query) AppendXML(dst []byte) ([]byte, error) {
	return append(dst, "<query xmlns='"+NS+"'/>"...), nil
}

// ParseXML reads the element, in which nothing is looked for.
func (*Query) ParseXML(stanza.Element) error { return nil }

// Activity is the element <query/> that answers.
type Activity struct {
	// Ago is how long ago it was, in whole seconds.
	Ago time.Duration
	// Status is the text of the presence with which a user went away, "" if
	// there was none.
	Status string
}

// XMLName returns the name of the element.
func (Activity) XMLName() xml.Name { return name }

// AppendXML appends the element. What is negative becomes 0.
func (a Activity) AppendXML(dst []byte) ([]byte, error) {
	dst = append(dst, "<query xmlns='"+NS+"' seconds='"...)
	dst = strconv.AppendInt(dst, int64(max(0, a.Ago)/time.Second), 10)
	if a.Status == "" {
		return append(dst, "'/>"...), nil
	}
	return append(stanza.AppendText(append(dst, "'>"...), a.Status), "</query>"...), nil
}

// errSeconds is what ParseXML returns.
var errSeconds = errors.New("last: the attribute seconds is missing, or no number")

// ParseXML reads the element. The attribute seconds must be there; what is too
// large for a duration becomes the largest.
func (a *Activity) ParseXML(e stanza.Element) error {
	n, err := strconv.ParseUint(strings.TrimSpace(e.Attr("seconds")), 10, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return errSeconds
	}
	const most = uint64(math.MaxInt64 / time.Second)
	*a = Activity{time.Duration(min(n, most)) * time.Second, e.Text()}
	return nil
}

// ErrNoAnswer is returned for a result without an answer in it.
var ErrNoAnswer = errors.New("last: the result has no answer")

// Get asks about the last activity of the address to. What the answer means
// depends on it (XEP-0012, section 2):
//   - of an account, a bare address, it is how long ago its user went offline,
//     and with which status; 0 if the user is online;
//   - of a client, a full address, it is how long its user has been idle;
//   - of a server or service, a domain, it is how long it has been running.
//
// An error reply is returned as a *stanza.Error: forbidden if the user's
// presence may not be seen, service-unavailable if a client does not tell.
func Get(ctx context.Context, s xmpp.Sender, to jid.JID) (Activity, error) {
	a, err := xmpp.Call[*Activity](ctx, s, stanza.TypeGet, to, Query{})
	switch {
	case err != nil:
		return Activity{}, err
	case a == nil:
		return Activity{}, ErrNoAnswer
	}
	return *a, nil
}
