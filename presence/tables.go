package presence

import "github.com/etherx-go/xmpp/stanza"

// Rule is a row of the tables of RFC 6121, appendices A.2 and A.3: what is to be
// done with a subscription stanza in one state.
type Rule struct {
	// Pass: an outbound stanza is routed to the contact, an inbound one is
	// delivered to the user. Otherwise it ends here.
	Pass bool
	// New is the state afterwards.
	New State
	// PreApproval: the stanza counts as approval of a request that has not come
	// yet (RFC 6121, section 3.4).
	PreApproval bool
	// Reply is the type of the stanza by which the server answers in the user's
	// name, "" for no answer.
	Reply stanza.Type
}

// table has a rule for each state that there may be before.
type table [states]Rule

// Table 2 of RFC 6121, appendix A.2.1: "the user's server MUST without exception
// route all outbound presence stanzas of type "subscribe" or "unsubscribe"" (RFC
// 3921, section 9.2), so that the two servers can be brought back in step.
var outboundSubscribe = table{
	None:             {Pass: true, New: NonePendingOut},
	NonePendingOut:   {Pass: true, New: NonePendingOut},
	NonePendingIn:    {Pass: true, New: NonePendingOutIn},
	NonePendingOutIn: {Pass: true, New: NonePendingOutIn},
	To:               {Pass: true, New: To},
	ToPendingIn:      {Pass: true, New: ToPendingIn},
	From:             {Pass: true, New: FromPendingOut},
	FromPendingOut:   {Pass: true, New: FromPendingOut},
	Both:             {Pass: true, New: Both},
}

// Table 3, appendix A.2.2.
var outboundUnsubscribe = table{
	None:             {Pass: true, New: None},
	NonePendingOut:   {Pass: true, New: None},
	NonePendingIn:    {Pass: true, New: NonePendingIn},
	NonePendingOutIn: {Pass: true, New: NonePendingIn},
	To:               {Pass: true, New: None},
	ToPendingIn:      {Pass: true, New: NonePendingIn},
	From:             {Pass: true, New: From},
	FromPendingOut:   {Pass: true, New: From},
	Both:             {Pass: true, New: From},
}

// Table 4, appendix A.2.3; table 1 of RFC 3921, section 9.2.
var outboundSubscribed = table{
	None:             {New: None, PreApproval: true},
	NonePendingOut:   {New: NonePendingOut, PreApproval: true},
	NonePendingIn:    {Pass: true, New: From},
	NonePendingOutIn: {Pass: true, New: FromPendingOut},
	To:               {New: To, PreApproval: true},
	ToPendingIn:      {Pass: true, New: Both},
	From:             {New: From},
	FromPendingOut:   {New: FromPendingOut},
	Both:             {New: Both},
}

// Table 5, appendix A.2.4; table 2 of RFC 3921, section 9.2.
var outboundUnsubscribed = table{
	None:             {New: None},
	NonePendingOut:   {New: NonePendingOut},
	NonePendingIn:    {Pass: true, New: None},
	NonePendingOutIn: {Pass: true, New: NonePendingOut},
	To:               {New: To},
	ToPendingIn:      {Pass: true, New: To},
	From:             {Pass: true, New: None},
	FromPendingOut:   {Pass: true, New: NonePendingOut},
	Both:             {Pass: true, New: To},
}

// Table 6, appendix A.3.1; table 3 of RFC 3921, section 9.3.
var inboundSubscribe = table{
	None:             {Pass: true, New: NonePendingIn},
	NonePendingOut:   {Pass: true, New: NonePendingOutIn},
	NonePendingIn:    {New: NonePendingIn},
	NonePendingOutIn: {New: NonePendingOutIn},
	To:               {Pass: true, New: ToPendingIn},
	ToPendingIn:      {New: ToPendingIn},
	From:             {New: From, Reply: stanza.TypeSubscribed},
	FromPendingOut:   {New: FromPendingOut, Reply: stanza.TypeSubscribed},
	Both:             {New: Both, Reply: stanza.TypeSubscribed},
}

// Table 7, appendix A.3.2; table 4 of RFC 3921, section 9.3.
var inboundUnsubscribe = table{
	None:             {New: None},
	NonePendingOut:   {New: NonePendingOut},
	NonePendingIn:    {Pass: true, New: None, Reply: stanza.TypeUnsubscribed},
	NonePendingOutIn: {Pass: true, New: NonePendingOut, Reply: stanza.TypeUnsubscribed},
	To:               {New: To},
	ToPendingIn:      {Pass: true, New: To, Reply: stanza.TypeUnsubscribed},
	From:             {Pass: true, New: None, Reply: stanza.TypeUnsubscribed},
	FromPendingOut:   {Pass: true, New: NonePendingOut, Reply: stanza.TypeUnsubscribed},
	Both:             {Pass: true, New: To, Reply: stanza.TypeUnsubscribed},
}

// Table 8, appendix A.3.3; table 5 of RFC 3921, section 9.3.
var inboundSubscribed = table{
	None:             {New: None},
	NonePendingOut:   {Pass: true, New: To},
	NonePendingIn:    {New: NonePendingIn},
	NonePendingOutIn: {Pass: true, New: ToPendingIn},
	To:               {New: To},
	ToPendingIn:      {New: ToPendingIn},
	From:             {New: From},
	FromPendingOut:   {Pass: true, New: Both},
	Both:             {New: Both},
}

// Table 9, appendix A.3.4; table 6 of RFC 3921, section 9.3.
var inboundUnsubscribed = table{
	None:             {New: None},
	NonePendingOut:   {Pass: true, New: None},
	NonePendingIn:    {New: NonePendingIn},
	NonePendingOutIn: {Pass: true, New: NonePendingIn},
	To:               {Pass: true, New: None},
	ToPendingIn:      {Pass: true, New: NonePendingIn},
	From:             {New: From},
	FromPendingOut:   {Pass: true, New: From},
	Both:             {Pass: true, New: From},
}

// OutboundRule returns the rule for a stanza of type t that the user sends to a
// contact in the state s. ok is false if t is not a type of subscriptions, or s
// not a state.
func OutboundRule(t stanza.Type, s State) (r Rule, ok bool) {
	return pick(t, s, &outboundSubscribe, &outboundUnsubscribe, &outboundSubscribed, &outboundUnsubscribed)
}

// InboundRule returns the rule for a stanza of type t that a contact in the
// state s sends to the user. It does not know of pre-approvals, as [Inbound]
// does. ok is false if t is not a type of subscriptions, or s not a state.
func InboundRule(t stanza.Type, s State) (r Rule, ok bool) {
	return pick(t, s, &inboundSubscribe, &inboundUnsubscribe, &inboundSubscribed, &inboundUnsubscribed)
}

func pick(t stanza.Type, s State, subscribe, unsubscribe, subscribed, unsubscribed *table) (Rule, bool) {
	if s >= states {
		return Rule{}, false
	}
	switch t {
	case stanza.TypeSubscribe:
		return subscribe[s], true
	case stanza.TypeUnsubscribe:
		return unsubscribe[s], true
	case stanza.TypeSubscribed:
		return subscribed[s], true
	case stanza.TypeUnsubscribed:
		return unsubscribed[s], true
	}
	return Rule{}, false
}
