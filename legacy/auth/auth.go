// Package auth is log-in by jabber:iq:auth, as clients did before SASL
// (XEP-0078; Jabber Programmers Guide, chapter 9; draft-ietf-xmpp-im-02,
// appendix B), and the naming of a resource by the same means after SASL
// (draft-ietf-xmpp-im-02, section 3).
//
// It holds the payload, the rules that are pure functions, and the client's
// side. A server offers it by server.Config.OldStreams, a client.Client uses it
// by client.Config.OldAuth. Both want TLS for it like for all else: the digest
// keeps the password from being read, but whoever hears it can try out passwords
// at home.
package auth

import (
	"crypto/sha1"
	"crypto/subtle"
	"encoding/hex"
	"encoding/xml"
	"strings"

	"github.com/etherx-go/xmpp/stanza"
)

const (
	// NS is the namespace of the payload.
	NS = "jabber:iq:auth"
	// NSFeature is the namespace of the stream feature that offers it (XEP-0078,
	// section 4).
	NSFeature = "http://jabber.org/features/iq-auth"
)

var (
	// QueryName is the name of [Query] on the wire.
	QueryName = xml.Name{Space: NS, Local: "query"}
	// FeatureName is the name of [Feature] on the wire.
	FeatureName = xml.Name{Space: NSFeature, Local: "auth"}
)

// Fields is a set of the fields that a [Query] can have.
type Fields uint8

// The fields; they are bits. [Username] and [Resource] "are REQUIRED for client
// authentication" (XEP-0078, section 3.1), and one of the other two.
const (
	Username Fields = 1 << iota
	Password
	Digest
	Resource
)

// fieldNames are the names of the fields, in the order of XEP-0078, example 2.
var fieldNames = [...]string{"username", "password", "digest", "resource"}

// String lists the names of the fields.
func (f Fields) String() string {
	var names []string
	for i, name := range fieldNames {
		if f&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// Query is what both sides say: the question for the fields, perhaps with a user
// name; the fields that are asked for, empty; the fields, filled in. It is a
// value.
type Query struct {
	// Username, Password, Digest and Resource are the values of the fields.
	// Digest is what [DigestOf] makes.
	Username, Password, Digest, Resource string
	// Has are the fields that are there. On output those with a value are there
	// in any case.
	Has Fields
}

// fields returns the values in the order of fieldNames.
func (q *Query) fields() [len(fieldNames)]*string {
	return [...]*string{&q.Username, &q.Password, &q.Digest, &q.Resource}
}

// XMLName returns the name of the element.
func (Query) XMLName() xml.Name { return QueryName }

// AppendXML appends the element.
func (q Query) AppendXML(dst []byte) ([]byte, error) {
	dst = append(dst, "<query xmlns='"+NS+"'"...)
	begin := len(dst)
	for i, v := range q.fields() {
		switch {
		case *v == "" && q.Has&(1<<i) == 0:
			continue
		case len(dst) == begin:
			dst = append(dst, '>')
		}
		if *v == "" {
			dst = append(append(append(dst, '<'), fieldNames[i]...), "/>"...)
		} else {
			dst = stanza.AppendTextElement(dst, fieldNames[i], *v)
		}
	}
	if len(dst) == begin {
		return append(dst, "/>"...), nil
	}
	return append(dst, "</query>"...), nil
}

// ParseXML reads the element. Of fields that come twice the first counts; what is
// no field is passed over. White space around user name and digest is none of
// theirs. The error is always nil.
func (q *Query) ParseXML(e stanza.Element) error {
	*q = Query{}
	values := q.fields()
	for c := range e.Children() {
		for i, name := range fieldNames {
			if f := Fields(1 << i); c.Is(NS, name) && q.Has&f == 0 {
				q.Has |= f
				*values[i] = c.Text()
			}
		}
	}
	q.Username, q.Digest = strings.TrimSpace(q.Username), strings.TrimSpace(q.Digest)
	return nil
}

// Check says what is missing in a set: the error is a not-acceptable, code 406
// (XEP-0078, example 8). authenticated tells that the client has logged in by
// SASL, and only names its resource: then neither password nor digest are needed.
func (q Query) Check(authenticated bool) error {
	var missing Fields
	if q.Username == "" {
		missing |= Username
	}
	if q.Resource == "" {
		missing |= Resource
	}
	switch {
	case missing != 0:
		return stanza.NewError(stanza.NotAcceptable, "missing: "+missing.String())
	case !authenticated && q.Password == "" && q.Digest == "":
		return stanza.NewError(stanza.NotAcceptable, "missing: password or digest")
	}
	return nil
}

// DigestOf returns the digest of a password for the stream with this id: "1.
// Concatenate the Stream ID received from the server with the password. 2. Hash
// the concatenated string according to the SHA1 algorithm", in lower-case
// hexadecimal digits (XEP-0078, section 3.1).
func DigestOf(streamID, password string) string {
	sum := sha1.Sum([]byte(streamID + password))
	return hex.EncodeToString(sum[:])
}

// Verify reports whether digest is that of the password for the stream with this
// id, in a time that does not tell how much of it is right. Upper-case digits are
// taken too.
func Verify(streamID, password, digest string) bool {
	want := DigestOf(streamID, password)
	return subtle.ConstantTimeCompare([]byte(want), []byte(strings.ToLower(digest))) == 1
}

// Feature is the stream feature that says that a server takes [Query] (XEP-0078,
// section 4).
type Feature struct{}

// XMLName returns the name of the element.
func (Feature) XMLName() xml.Name { return FeatureName }

// AppendXML appends the element.
func (Feature) AppendXML(dst []byte) ([]byte, error) {
	return append(dst, "<auth xmlns='"+NSFeature+"'/>"...), nil
}

// ParseXML takes any element with this name.
func (*Feature) ParseXML(stanza.Element) error { return nil }
