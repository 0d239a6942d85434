// Package csi implements Client State Indication (XEP-0352): a client tells its
// server when nobody is looking at it, and the server keeps back what can wait, so
// that a phone's radio can sleep.
//
// A client calls [Set], or has an [Extension] that says it again in each session. A
// server has a [Queue] for each client that is inactive; what waits and what does not
// is [UrgencyOf].
package csi

import (
	"encoding/xml"

	"github.com/etherx-go/xmpp/stanza"
)

// NS is the namespace of the stream feature and of the indications.
const NS = "urn:xmpp:csi:0"

// The indications, whole, and the stream feature.
const (
	ActiveXML   = "<active xmlns='" + NS + "'/>"
	InactiveXML = "<inactive xmlns='" + NS + "'/>"
	FeatureXML  = "<csi xmlns='" + NS + "'/>"
)

// FeatureName is the name of the stream feature (section 4.1).
var FeatureName = xml.Name{Space: NS, Local: "csi"}

// Parse reports whether a first-level element of a client is an indication, and
// which.
func Parse(el stanza.Element) (active, ok bool) {
	switch {
	case el.Is(NS, "active"):
		return true, true
	case el.Is(NS, "inactive"):
		return false, true
	}
	return false, false
}
