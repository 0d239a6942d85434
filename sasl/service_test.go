package sasl

import (
	"errors"
	"strings"
	"testing"
)

// TestReq_CORE_8_1: the service names of GSS-API, "jabber-client" and "jabber-server" in
// draft-miller-xmpp-core-02 and "xmpp" today, are a parameter. They show where a
// mechanism tells its service, which is DIGEST-MD5's digest-uri: serv-type is "the name
// of the service" as registered for GSS-API (RFC 2831, section 2.1.2).
func TestReq_CORE_8_1(t *testing.T) {
	for _, tt := range []struct {
		name, service string // of the client; "" is the default
		accepted      []string
		uri           string
		ok            bool
	}{
		{"CORE-8-1 xmpp by default", "", nil, "xmpp/example.org", true},
		{"CORE-8-1 jabber-client", "jabber-client", []string{"xmpp", "jabber-client"}, "jabber-client/example.org", true},
		{"CORE-8-1 jabber-server", "jabber-server", []string{"jabber-server"}, "jabber-server/example.org", true},
		{"CORE-8-1 not without being asked for", "jabber-client", nil, "jabber-client/example.org", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ccfg := clientFor(DigestMD5)
			ccfg.Service = tt.service
			cfg := newAccounts().server()
			cfg.Services = tt.accepted
			tr, cerr, serr := converse(mustClient(t, DigestMD5, ccfg), mustServer(t, DigestMD5, cfg))
			if (cerr == nil && serr == nil) != tt.ok {
				t.Errorf("%v, %v", cerr, serr)
			}
			if !tt.ok && !errors.Is(serr, NotAuthorized) {
				t.Errorf("refused with %v", serr)
			}
			var said []string
			for _, m := range tr.sent {
				said = append(said, string(m))
			}
			if !strings.Contains(strings.Join(said, "\n"), `digest-uri="`+tt.uri+`"`) {
				t.Errorf("the client said %q", said)
			}
		})
	}
}
