//go:build interop

package interop

import (
	"testing"
	"time"
	"os"
	"fmt"

	"github.com/etherx-go/xmpp/interop/internal/peer"
)

func TestScratch(t *testing.T) {
	d := peer.NewDNS(t)
	for _, trust := range []peer.Trust{peer.DialbackTLS, peer.DialbackPlain, peer.External} {
		t.Run(string(trust), func(t *testing.T) {
			var ca *peer.CA
			if trust == peer.External { ca = peer.NewCA(t) }
			p := peer.Prosody{S2S: &peer.S2S{Domain: "prosody.example", DNS: d, Trust: trust, CA: ca}}.Start(t)
			e := peer.Ejabberd{S2S: &peer.S2S{Domain: "ejabberd.example", DNS: d, Trust: trust, CA: ca}}.Start(t)
			ja, ra := newAccount(t, p), newAccount(t, e)
			j := run(t, p, config(t, p, ja, false))
			r := run(t, e, config(t, e, ra, false))
			j.session(t); r.session(t)
			j.send(t, ra.JID(), "hello")
			fmt.Println(wait2(r.messages, j.messages))
			r.send(t, ja.JID(), "hello back")
			fmt.Println(wait2(j.messages, r.messages))
			fmt.Println(d.Questions())
			for i, l := range []string{p.LogFiles()[1], e.LogFiles()[0]} {
				b, _ := os.ReadFile(l)
				os.WriteFile(fmt.Sprintf("/tmp/fed/%s-%d.log", trust, i), b, 0644)
			}
		})
	}
}

func wait2[T any](a, b chan T) (string) {
	select { case m := <-a: return fmt.Sprintf("got %+v", m)
	case m := <-b: return fmt.Sprintf("BOUNCE %+v", m)
	case <-time.After(20*time.Second): return "none" }
}
