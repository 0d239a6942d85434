package dialback

import (
	"encoding/xml"

	"github.com/etherx-go/xmpp/stanza"
)

// NSFeature qualifies the stream feature.
const NSFeature = "urn:xmpp:features:dialback"

// Feature is the stream feature <dialback/> (XEP-0220, section 2.4.2). Servers
// without it may speak dialback all the same: the namespace in their stream
// header tells (section 2.4.1).
type Feature struct {
	// Errors says that the server understands packets of [TypeError].
	Errors bool
}

// XMLName returns the element's name.
func (Feature) XMLName() xml.Name { return xml.Name{Space: NSFeature, Local: "dialback"} }

// AppendXML appends the element. The error is always nil.
func (f Feature) AppendXML(dst []byte) ([]byte, error) {
	dst = append(dst, "<dialback xmlns='"+NSFeature+"'"...)
	if f.Errors {
		return append(dst, "><errors/></dialback>"...), nil
	}
	return append(dst, "/>"...), nil
}

// ParseXML reads the element. The error is a [*stanza.Error], bad-request, if
// it is another one.
func (f *Feature) ParseXML(el stanza.Element) error {
	*f = Feature{}
	if !el.Is(NSFeature, "dialback") {
		return stanza.NewError(stanza.BadRequest, "not the feature of dialback")
	}
	f.Errors = !el.Child(NSFeature, "errors").IsZero()
	return nil
}
