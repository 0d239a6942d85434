package server_test

import (
	"context"
	"crypto/x509"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp/dialback"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stream"
)

// FuzzS2S lets another server say anything, before it is authorized and afterwards, on
// a stream that it has opened. Nobody is let in who is not, nothing is left behind, and
// whoever has not got an answer after a time has lost the connection.
func FuzzS2S(f *testing.F) {
	for _, seed := range []string{
		seedHeader + seedResult + "<db:verify from='capulet.example' to='montague.example' id='x'>k</db:verify>",
		hello(there, here) + result(there, here, "k") + message("juliet@"+there, "romeo@"+here, "m"),
		hello(there, here) + "<bidi xmlns='urn:xmpp:bidi'>" + limits + "</bidi>" + resultIs(there, here, "valid"),
		hello(there, here) + "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
		hello(there, here) + "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>" +
			hello(there, here),
		message("juliet@"+there, "romeo@"+here, "m") + result("x."+there, hereChat, "k") + enable + askAck + ack(0),
		verify(there, "x", here, "k") + verifyIs(there, "x", here, "valid") +
			"<db:result from='capulet.example' type='error'><error/></db:result>",
		"<iq type='get' id='1' from='capulet.example' to='montague.example'><ping " +
			"xmlns='urn:xmpp:ping'/></iq></stream:stream>",
		"<presence type='subscribe' from='juliet@capulet.example' to='romeo@montague.example'/><message from='@' " +
			"to='@'/>",
		"<stream:error><reset xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>",
		"\x16\x03\x01\x00\x05hello", "<<", "",
	} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	f.Fuzz(func(t *testing.T, input string, authorized bool) {
		synctest.Test(t, func(t *testing.T) { fuzzS2S(t, input, authorized) })
	})
}

func fuzzS2S(t *testing.T, input string, authorized bool) {
	srv, err := server.New(server.Config{Domains: []string{here, hereChat}, Federation: &server.Federation{
		Trust: server.Trust{Roots: x509.NewCertPool(), Dialback: true, Plaintext: true},
		Dial:  func(context.Context, dialback.Pair) (stream.Transport, error) { return honest(t), nil },
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	n := &network{t: t}
	romeo := n.account(srv, "romeo@"+here)
	near, nc := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		srv.ServeS2SConn(context.Background(), near)
	}()
	peer := newFar(t, nc, "fuzzer")
	peer.acks = true
	if authorized {
		peer.db = true
		peer.open(there, here, bidi, byKey, limits)
		peer.send(result(there, here, "right"))
		peer.hears(resultIs(here, there, "valid"))
	}
	peer.send(input)
	synctest.Wait()
	if len(romeo.in) > 0 && !authorized && !strings.Contains(input, "right") {
		st := <-romeo.in
		t.Errorf("%q: delivered %s", input, st.AppendXML(nil, ""))
	}
	for len(romeo.in) > 0 {
		if st := <-romeo.in; st.From.Domain() != there && !strings.Contains(input, "right") {
			t.Errorf("%q: delivered %s", input, st.AppendXML(nil, ""))
		}
	}
	pass(server.DefaultIdleTimeout + 5*time.Minute)
	select {
	case <-done:
	default:
		t.Errorf("%q: the connection is still there", input)
	}
}

// honest is a server that says of each key whether it is right: "right" is.
func honest(t testing.TB) stream.Transport {
	near, nc := net.Pipe()
	go func() {
		defer nc.Close()
		buf := make([]byte, 4096)
		said := ""
		for {
			n, err := nc.Read(buf)
			if err != nil {
				return
			}
			said += string(buf[:n])
			if _, rest, ok := strings.Cut(said, " xml:lang='en'>"); ok {
				said = rest
				if _, err := nc.Write([]byte("<stream:stream xmlns='jabber:server' " + streamDecl + " " + dbDecl +
					" id='x' version='1.0'>" + offering(byKey))); err != nil {
					return
				}
			}
			if m, ok := match("{any}<db:verify from='{word}' id='{word}' to='{word}'>{word}</db:verify>{any}",
				said); ok {
				typ := "invalid"
				if m[3] == "right" {
					typ = "valid"
				}
				said = ""
				if _, err := nc.Write([]byte(verifyIs(m[2], m[1], m[0], typ))); err != nil {
					return
				}
			}
		}
	}()
	return stream.NewTransport(near)
}
