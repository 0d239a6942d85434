package stream

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp/stanza"
)

func TestIsMisc(t *testing.T) {
	for in, want := range map[string]bool{
		"<!--": true, "<!-- x": true, "<?a": true, "<?xm?": true, "<?xmlx": true,
		"<?xml-stylesheet ": true, "<? ": true, "<?xml?": true,
		"<": false, "<!": false, "<!-": false, "<!D": false, "<![C": false, "<?": false, "<?x": false,
		"<?xml": false, "<?xml ": false, "<?xml\n": false,
		"<a": false, "x": false,
	} {
		if got := isMisc([]byte(in)); got != want {
			t.Errorf("%q: %v", in, got)
		}
	}
}

// TestReq_CORE_4_2_2: from a peer whose stream has no version comments and
// processing instructions are skipped; each has the time of a stanza, and after it
// the stream may be idle.
func TestReq_CORE_4_2_2(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		enter := Feature{Name: bindName, Serve: func(_ context.Context, c *Conn, in Incoming) (Outcome, error) {
			return Outcome{State: Authenticated | Ready}, c.Answer(in, func(*stanza.Stanza) (any, error) { return nil, nil })
		}}
		p, n := accept(t, Config{StanzaTimeout: 10 * time.Second}, []Feature{enter})
		p.send("<stream:stream to='capulet.com'" + streamDecl + "><!-- in the same segment -->" +
			"<iq type='set' id='1'><?x y?><bind xmlns='" + NSBind + "'/></iq>")
		p.wait("<iq type='result' id='1'/>")
		c := n.must(t)
		type result struct {
			text string
			err  error
		}
		got := make(chan result)
		go func() {
			for {
				st, _, err := c.Next()
				if err != nil {
					got <- result{err: err}
					c.Fail(err)
					return
				}
				got <- result{text: st.String()}
			}
		}()
		p.send("<!-- ")
		<-time.After(9 * time.Second)
		p.send("x -")
		synctest.Wait()
		p.send("->")
		<-time.After(time.Hour)
		p.send("<message><!-- x --><body>one<!-- x --> ")
		<-time.After(9 * time.Second)
		p.send("text</body><?x?></message>")
		const want = "<message><body>one text</body></message>"
		if r := <-got; r.text != want {
			t.Errorf("got %q, %v", r.text, r.err)
		}
		start := time.Now()
		trickled := make(chan struct{})
		go func() {
			defer close(trickled)
			for _, b := range []byte("<?x " + strings.Repeat("x", 100)) {
				if _, err := p.nc.Write([]byte{b}); err != nil {
					return
				}
				<-time.After(time.Second)
			}
		}()
		if r := <-got; !errors.Is(r.err, ConnectionTimeout) {
			t.Errorf("got %q, %v", r.text, r.err)
		}
		if d := time.Since(start); d != 10*time.Second {
			t.Errorf("after %v", d)
		}
		p.close()
		<-trickled
	})
}
