package stream

// Admit answers the iq that makes the stream [Ready], with the payload of the
// result, nil for none; it is for what a Feature serves in place of [ServeBind].
// admitted, which may be nil, is called when the reply is queued and before the
// peer can have it: stanzas that are sent on the stream from there on come after
// the reply, and a peer that has the reply can be reached. The Outcome is that of
// Feature.Serve, and has the states that are reached by that beside Ready.
func (c *Conn) Admit(in Incoming, reached State, payload any, admitted func()) (Outcome, error) {
	if in.Stanza == nil || !in.Stanza.Type.IsRequest() {
		return Outcome{}, c.unexpected(in)
	}
	reply, err := in.Stanza.Reply(payload)
	if err != nil {
		return Outcome{}, &Error{Condition: InternalServerError, Err: err} // not the peer's fault
	}
	return c.admit(string(reply.AppendXML(nil, c.frameNS)), reached, admitted)
}

func (c *Conn) admit(reply string, reached State, admitted func()) (Outcome, error) {
	return c.admitManaged(reply, &managementReply{}, reached, admitted)
}
