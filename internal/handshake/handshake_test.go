package handshake

import (
	"net"
	"strings"
	"testing"
)

func TestHash(t *testing.T) {
	// printf 3BF96D32secret | sha1sum
	if got := Hash("3BF96D32", "secret"); got != "b09ea9b3b7f586be8a08d0a3dd7466f110aeb136" {
		t.Errorf("got %s", got)
	}
	if got := Hash("", ""); got != "da39a3ee5e6b4b0d3255bfef95601890afd80709" { // of nothing
		t.Errorf("got %s", got)
	}
	good := Hash("3BF96D32", "secret")
	for _, tt := range []struct {
		given, id, secret string
		want              bool
	}{
		{good, "3BF96D32", "secret", true}, {strings.ToUpper(good), "3BF96D32", "secret", true}, {" " + good + "\n", "3BF96D32", "secret", true},
		{good, "3BF96D33", "secret", false}, {good, "3BF96D32", "Secret", false}, {good[:39], "3BF96D32", "secret", false},
		{"", "3BF96D32", "secret", false}, {Hash("3BF96D32", ""), "3BF96D32", "", false},
	} {
		if got := Is(tt.given, tt.id, tt.secret); got != tt.want {
			t.Errorf("%q for %s, %s: %v", tt.given, tt.id, tt.secret, got)
		}
	}
}

func TestIsLocal(t *testing.T) {
	a, _ := net.Pipe()
	for _, tt := range []struct {
		addr net.Addr
		want bool
	}{
		{&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}, true}, {&net.TCPAddr{IP: net.IPv6loopback}, true}, {&net.UnixAddr{Name: "/x", Net: "unix"}, true},
		{a.RemoteAddr(), true}, {&net.TCPAddr{IP: net.IPv4(192, 0, 2, 1)}, false}, {&net.TCPAddr{}, false},
		{&net.TCPAddr{IP: net.IPv4(10, 0, 0, 1)}, false}, {&net.TCPAddr{IP: net.ParseIP("fd00::1")}, false}, // near is not here
	} {
		if got := IsLocal(tt.addr); got != tt.want {
			t.Errorf("%v: %v", tt.addr, got)
		}
	}
}
