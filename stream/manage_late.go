package stream

import (
	"github.com/etherx-go/xmpp/stanza"
)

// Begin is [ManagementClient.Resume], or else [ManagementClient.Enable], for a stream
// that is [Ready] already and on which no stanza was sent yet: a server may have been
// let in since, as by dialback. It does not wait for the answer, which is for Serve.
// resuming says that Old is asked for: nothing is to be sent until that is decided.
//
// The error is that of [Conn.TrySendRaw], or that the stream is managed already. Begin
// is for the goroutine that calls Next.
func (m *ManagementClient) Begin(c *Conn) (resuming bool, err error) {
	request, ok := m.resumeRequest(c)
	if !ok {
		return false, c.enable(m.enableRequest(), m.Resumable)
	}
	return true, c.TrySendRaw(request)
}

// Serve is [Conn.ServeManagement] for a stream on which Begin was called; it takes the
// answer to <resume/> too. When the peer goes on with Old the stream is Resumed, and
// handled is to be that of the session; when it does not <enable/> is sent.
func (m *ManagementClient) Serve(c *Conn, el stanza.Element, handled *uint64) (ok bool, err error) {
	answers := el.Is(NSManagement, "resumed") || el.Is(NSManagement, "failed")
	if c.resuming == nil || !answers {
		return c.ServeManagement(el, handled)
	}
	resumed, err := m.resumeReply(c, el)
	switch {
	case err != nil:
	case resumed:
		err = c.finishResuming()
	default:
		err = c.enable(m.enableRequest(), m.Resumable)
	}
	return true, err
}
