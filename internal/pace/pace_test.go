package pace

import (
	"context"
	"errors"
	"testing"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/stanza"
)

var errSent = errors.New("sent")

type plain struct{ xmpp.Sender }

func (plain) Send(context.Context, *stanza.Stanza) error { return errSent }

var errPaced = errors.New("paced")

type paced struct{ plain }

func (paced) SendPaced(context.Context, *stanza.Stanza) error { return errPaced }

func TestSend(t *testing.T) {
	if err := Send(t.Context(), plain{}, nil); err != errSent {
		t.Error(err)
	}
	if err := Send(t.Context(), paced{}, nil); err != errPaced {
		t.Error(err)
	}
}
