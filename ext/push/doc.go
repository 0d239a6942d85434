// Package push implements Push Notifications (XEP-0357): a server tells the service
// of an app that something has come for a user who has no client connected, so that
// the service can wake the app on the user's device.
//
//	app on the device ── Enable: "this service, this node" ──► user's server
//	app on the device ◄── the platform's way ── app server ◄── publish ── user's server
//
// An app says [Enable] in each session, or has an [Extension] do so. A [Server] is
// the extension of the user's server: it keeps who is to be told, decides what is worth
// it ([Warrants]), and publishes [Notification]s. A [Service] is the extension of a
// component that is the app's server: it gets them, and calls a function of the
// program.
package push

const (
	// NS is the namespace, which is also the feature of accounts and of services
	// (sections 4.1 and 4.2).
	NS = "urn:xmpp:push:0"
	// NSSummary is the FORM_TYPE of what a notification says (section 11.3.1).
	NSSummary = "urn:xmpp:push:summary"

	nsPubSub         = "http://jabber.org/protocol/pubsub"
	nsPublishOptions = "http://jabber.org/protocol/pubsub#publish-options"
)
