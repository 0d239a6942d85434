package stream

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// httpProxy is an HTTP proxy that answers with reply and then, if that was
// 200, greets. It sends the requests that it gets.
func httpProxy(reply string, requests chan<- *http.Request) func(net.Conn) {
	return func(conn net.Conn) {
		req, err := http.ReadRequest(bufio.NewReader(conn))
		if err != nil {
			return
		}
		requests <- req
		io.WriteString(conn, reply)
		if strings.Contains(reply, " 200") {
			greet(conn)
		}
		io.Copy(io.Discard, conn) // a proxy that may close later than the client
	}
}

func mustURL(t *testing.T, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestHTTPProxy(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\nX: y\r\n\r\n"
	tests := []struct {
		name, user, addr, reply string
		auth                    string
		err                     string // after "proxy http://HOST: "
	}{
		{"plain", "", "example.com:5222", ok, "", ""},
		{"with password", "juliet:r0m30@", "example.com:5222", ok, "Basic anVsaWV0OnIwbTMw", ""},
		{"with user name only", "juliet@", "example.com:5222", ok, "Basic anVsaWV0Og==", ""},
		{"IPv6", "", "[2001:db8::1]:5222", ok, "", ""},
		{"bare line feeds and HTTP/1.0", "", "example.com:5222", "HTTP/1.0 200\n\n", "", ""},
		{"other 2xx", "", "example.com:5222", "HTTP/1.1 299 200 or so\r\n\r\n", "", ""},
		{"interim answer", "", "example.com:5222", "HTTP/1.1 102 Processing\r\nA: b\r\n\r\n" + ok, "", ""},
		{"refused", "", "example.com:5222", "HTTP/1.1 403 Forbidden \"\x1b\r\nA: b\r\n\r\nbody", "", `CONNECT example.com:5222: status 403 "Forbidden \"\x1b"`},
		{"password wanted", "", "example.com:5222", "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "", `CONNECT example.com:5222: status 407 "Proxy Authentication Required"`},
		{"not HTTP", "", "example.com:5222", "SSH-2.0-OpenSSH_10.0\r\n", "", `not an HTTP answer: "SSH-2.0-OpenSSH_10.0"`},
		{"no status", "", "example.com:5222", "HTTP/1.1 OK\r\n\r\n", "", `not an HTTP answer: "HTTP/1.1 OK"`},
		{"negative status", "", "example.com:5222", "HTTP/1.1 -20 OK\r\n\r\n", "", `not an HTTP answer: "HTTP/1.1 -20 OK"`},
		{"endless header", "", "example.com:5222", "HTTP/1.1 200 OK\r\n" + strings.Repeat("A: b\r\n", maxProxyHeader/6), "", "the answer is longer than 8192 bytes"},
		{"endless line", "", "example.com:5222", "HTTP/1.1 407 " + strings.Repeat("a", maxProxyHeader), "", "the answer is longer than 8192 bytes"},
		{"endless interim answers", "", "example.com:5222", strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 400), "", "the answer is longer than 8192 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			requests := make(chan *http.Request, 1)
			proxy := listen(t, httpProxy(tt.reply, requests))
			dial, err := ProxyURL(mustURL(t, "http://"+tt.user+proxy), nil)
			if err != nil {
				t.Fatal(err)
			}
			conn, err := dial(t.Context(), "tcp", tt.addr)
			req := <-requests
			if req.Method != "CONNECT" || req.RequestURI != tt.addr || req.Host != tt.addr || req.Header.Get("Proxy-Authorization") != tt.auth {
				t.Errorf("request %s %s, Host %s, %v", req.Method, req.RequestURI, req.Host, req.Header)
			}
			if tt.err != "" {
				if want := "proxy http://" + proxy + ": " + tt.err; conn != nil || err == nil || err.Error() != want {
					t.Errorf("got %v, %v; want %s", conn, err, want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, ok := conn.(*net.TCPConn); !ok {
				t.Errorf("got a %T", conn)
			}
			readGreeting(t, NewTransport(conn))
		})
	}
}

func TestHTTPProxyClosed(t *testing.T) {
	for name, said := range map[string]string{"nothing": "", "half a line": "HTTP/1.1 2", "half a header": "HTTP/1.1 200 OK\r\nA: b"} {
		t.Run(name, func(t *testing.T) {
			proxy := listen(t, func(conn net.Conn) {
				bufio.NewReader(conn).ReadString('\n')
				io.WriteString(conn, said)
				conn.(*net.TCPConn).CloseWrite()
				io.Copy(io.Discard, conn)
			})
			dial, err := ProxyURL(mustURL(t, "http://"+proxy), nil)
			if err != nil {
				t.Fatal(err)
			}
			if conn, err := dial(t.Context(), "tcp", "example.com:5222"); conn != nil || !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("got %v, %v", conn, err)
			}
		})
	}
}

// TestHTTPSProxy has TLS to the proxy, which is not TLS to the server.
func TestHTTPSProxy(t *testing.T) {
	cert, pool := dialCert(t, "proxy.example")
	requests := make(chan *http.Request, 1)
	config := &tls.Config{Certificates: []tls.Certificate{cert}}
	addr := listen(t, func(conn net.Conn) {
		tc := tls.Server(conn, config)
		httpProxy("HTTP/1.1 200 OK\r\n\r\n", requests)(tc)
	})
	forward := func(ctx context.Context, network, to string) (net.Conn, error) {
		if to != "proxy.example:443" {
			t.Errorf("connected to %s", to)
		}
		return new(net.Dialer).DialContext(ctx, network, addr)
	}
	t.Run("not trusted", func(t *testing.T) {
		dial, err := ProxyURL(mustURL(t, "https://proxy.example"), forward)
		if err != nil {
			t.Fatal(err)
		}
		_, err = dial(t.Context(), "tcp", "example.com:5222")
		if unknown := new(x509.UnknownAuthorityError); !errors.As(err, unknown) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("trusted", func(t *testing.T) {
		// The roots of a proxy are the system's, so its dial is made by hand here.
		p := &connectProxy{name: "https://proxy.example", addr: "proxy.example:443", tls: &tls.Config{RootCAs: pool, ServerName: "proxy.example"}, forward: forward}
		d := Dialer{DialContext: p.dial, NoSRV: true}
		tr, err := d.Dial(t.Context(), "example.com")
		if err != nil {
			t.Fatal(err)
		}
		if req := <-requests; req.RequestURI != "example.com:5222" {
			t.Errorf("asked for %s", req.RequestURI)
		}
		if tr.TLS() != nil {
			t.Error("TLS to the proxy was taken for TLS to the server")
		}
		readGreeting(t, tr)
	})
}

// TestHTTPProxyAddress has addresses that must not get into a header.
func TestHTTPProxyAddress(t *testing.T) {
	dial, err := ProxyURL(mustURL(t, "http://192.0.2.1"), func(context.Context, string, string) (net.Conn, error) {
		t.Error("connected to the proxy")
		return nil, errRefused
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, addr := range []string{"", "example.com", "exa mple.com:1", "a\r\nB: c:1", "example.com:1\r\nB", "[fe80::1%a\r\nb]:1", ":1", "example.com:70000", "bücher.example:1"} {
		if conn, err := dial(t.Context(), "tcp", addr); conn != nil || err == nil {
			t.Errorf("%q was accepted", addr)
		}
	}
	if conn, err := dial(t.Context(), "udp", "example.com:1"); conn != nil || err == nil {
		t.Error("udp was accepted")
	}
}

// socksServer is a SOCKS 5 proxy (RFC 1928, RFC 1929) that answers with the
// reply code and, if it is 0, goes on with serve. It sends "user:password host:port".
func socksServer(wantAuth bool, reply byte, got chan<- string, serve func(net.Conn)) func(net.Conn) {
	return func(conn net.Conn) {
		read := func(n int) []byte {
			b := make([]byte, n)
			if _, err := io.ReadFull(conn, b); err != nil {
				return make([]byte, n)
			}
			return b
		}
		who := ""
		head := read(2)
		methods := read(int(head[1]))
		if wantAuth {
			if !strings.Contains(string(methods), "\x02") {
				conn.Write([]byte{5, 0xff})
				return
			}
			conn.Write([]byte{5, 2})
			user := string(read(int(read(2)[1])))
			who = user + ":" + string(read(int(read(1)[0])))
			conn.Write([]byte{1, 0})
		} else {
			conn.Write([]byte{5, 0})
		}
		host := ""
		switch read(4)[3] {
		case 1:
			host = netip.AddrFrom4([4]byte(read(4))).String()
		case 3:
			host = string(read(int(read(1)[0])))
		case 4:
			host = netip.AddrFrom16([16]byte(read(16))).String()
		}
		got <- fmt.Sprintf("%s %s %d", who, host, binary.BigEndian.Uint16(read(2)))
		conn.Write([]byte{5, reply, 0, 1, 0, 0, 0, 0, 0, 0})
		if reply == 0 {
			serve(conn)
		}
	}
}

func TestSOCKSProxy(t *testing.T) {
	tests := []struct {
		name, scheme, user, domain string
		auth                       bool
		reply                      byte
		want                       string
		err                        string
	}{
		{"the proxy resolves", "socks5", "", "example.com", false, 0, " example.com 5222", ""},
		{"socks5h", "socks5h", "", "example.com", false, 0, " example.com 5222", ""},
		{"onion", "socks5", "", "abcdef.onion", false, 0, " abcdef.onion 5222", ""},
		{"IPv4", "socks5", "", "192.0.2.1", false, 0, " 192.0.2.1 5222", ""},
		{"IPv6", "socks5", "", "[2001:db8::1]", false, 0, " 2001:db8::1 5222", ""},
		{"password", "socks5", "romeo:jul13t@", "example.com", true, 0, "romeo:jul13t example.com 5222", ""},
		{"refused", "socks5", "", "example.com", false, 5, " example.com 5222", "connection refused"},
		{"password wanted", "socks5", "", "example.com", true, 0, "", "no acceptable authentication methods"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := make(chan string, 1)
			addr := listen(t, socksServer(tt.auth, tt.reply, got, greet))
			dial, err := ProxyURL(mustURL(t, tt.scheme+"://"+tt.user+addr), nil)
			if err != nil {
				t.Fatal(err)
			}
			d := Dialer{DialContext: dial, NoSRV: true}
			tr, err := d.Dial(t.Context(), tt.domain)
			if tt.want != "" {
				if asked := <-got; asked != tt.want {
					t.Errorf("the proxy was asked for %q, want %q", asked, tt.want)
				}
			}
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) || !strings.Contains(err.Error(), addr) {
					t.Errorf("got %v, want %q and the proxy's address", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			readGreeting(t, tr)
		})
	}
}

// TestProxyChain reaches an HTTP proxy through a SOCKS proxy.
func TestProxyChain(t *testing.T) {
	requests := make(chan *http.Request, 1)
	inner := httpProxy("HTTP/1.1 200 OK\r\n\r\n", requests)
	got := make(chan string, 1)
	outer := listen(t, func(conn net.Conn) {
		socksServer(false, 0, got, inner)(conn)
	})
	first, err := ProxyURL(mustURL(t, "socks5://"+outer), nil)
	if err != nil {
		t.Fatal(err)
	}
	second, err := ProxyURL(mustURL(t, "http://inner.example:3128"), first)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := second(t.Context(), "tcp", "example.com:5222")
	if err != nil {
		t.Fatal(err)
	}
	if asked := <-got; asked != " inner.example 3128" {
		t.Errorf("the outer proxy was asked for %q", asked)
	}
	if req := <-requests; req.RequestURI != "example.com:5222" {
		t.Errorf("the inner proxy was asked for %q", req.RequestURI)
	}
	readGreeting(t, NewTransport(conn))
}

// TestProxyCancel has proxies that do not answer.
func TestProxyCancel(t *testing.T) {
	for _, scheme := range []string{"socks5", "http", "https"} {
		t.Run(scheme, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var closed bool
				dial, err := ProxyURL(mustURL(t, scheme+"://proxy.example"), func(context.Context, string, string) (net.Conn, error) {
					client, server := net.Pipe()
					go func() {
						io.Copy(io.Discard, server) // until the client closes
						closed = true
						server.Close()
					}()
					return client, nil
				})
				if err != nil {
					t.Fatal(err)
				}
				start := time.Now()
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(3*time.Second, cancel)
				conn, err := dial(ctx, "tcp", "example.com:5222")
				if took := time.Since(start); conn != nil || took != 3*time.Second {
					t.Errorf("after %v: %v, %v", took, conn, err)
				}
				if !errors.Is(err, context.Canceled) {
					t.Errorf("error %v", err)
				}
				synctest.Wait()
				if !closed {
					t.Error("the connection to the proxy is still open")
				}
			})
		})
	}
}

func TestProxyURLErrors(t *testing.T) {
	tests := map[string]string{
		"ftp://u:secret@proxy.example":                  "stream: proxy ftp://u:xxxxx@proxy.example: unknown scheme",
		"proxy.example":                                 "stream: proxy proxy.example: no host",
		"http://:3128":                                  "stream: proxy http://:3128: no host",
		"http://a%3Ab:secret@p":                         "stream: proxy http://p: a colon in the user name",
		"socks5://:secret@p":                            "stream: proxy socks5://p: SOCKS takes user names of 1 to 255 bytes and passwords of up to 255",
		"socks5://u:" + strings.Repeat("s", 256) + "@p": "stream: proxy socks5://p: SOCKS takes user names of 1 to 255 bytes and passwords of up to 255",
	}
	for in, want := range tests {
		if dial, err := ProxyURL(mustURL(t, in), nil); dial != nil || err == nil || err.Error() != want {
			t.Errorf("ProxyURL(%q) = %v, want %s", in, err, want)
		}
	}
}

func TestProxyDefaultPorts(t *testing.T) {
	for in, want := range map[string]string{
		"http://p": "p:80", "https://p": "p:443", "socks5://p": "p:1080", "socks5h://p": "p:1080", "http://[2001:db8::1]": "[2001:db8::1]:80", "https://p:3128": "p:3128",
	} {
		var got string
		dial, err := ProxyURL(mustURL(t, in), func(_ context.Context, _, addr string) (net.Conn, error) {
			got = addr
			return nil, errRefused
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := dial(t.Context(), "tcp", "example.com:5222"); !errors.Is(err, errRefused) || got != want {
			t.Errorf("%s: connected to %q, want %q; error %v", in, got, want, err)
		}
	}
}

func TestProxyFromEnvironment(t *testing.T) {
	requests := make(chan *http.Request, 1)
	proxy := listen(t, httpProxy("HTTP/1.1 200 OK\r\n\r\n", requests))
	other := listen(t, httpProxy("HTTP/1.1 200 OK\r\n\r\n", nil))
	direct := listen(t, greet)
	tests := []struct {
		name    string
		env     map[string]string
		addr    string
		proxied bool
	}{
		{"ALL_PROXY", map[string]string{"ALL_PROXY": "http://" + proxy}, "example.com:5222", true},
		{"HTTPS_PROXY", map[string]string{"HTTPS_PROXY": "http://" + proxy}, "example.com:5222", true},
		{"without scheme", map[string]string{"HTTPS_PROXY": proxy}, "example.com:5222", true},
		{"ALL_PROXY goes first", map[string]string{"ALL_PROXY": proxy, "HTTPS_PROXY": other}, "example.com:5222", true},
		{"lower case goes first", map[string]string{"all_proxy": proxy, "ALL_PROXY": other}, "example.com:5222", true},
		{"NO_PROXY for another host", map[string]string{"ALL_PROXY": proxy, "NO_PROXY": "example.org,ample.com,10.0.0.0/8"}, "example.com:5222", true},
		{"NO_PROXY", map[string]string{"ALL_PROXY": other, "NO_PROXY": "*"}, direct, false},
		{"loopback", map[string]string{"ALL_PROXY": other}, direct, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, name := range []string{"ALL_PROXY", "all_proxy", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"} {
				t.Setenv(name, tt.env[name])
			}
			dial, err := ProxyFromEnvironment()
			if err != nil {
				t.Fatal(err)
			}
			conn, err := dial(t.Context(), "tcp", tt.addr)
			if err != nil {
				t.Fatal(err)
			}
			if tt.proxied {
				if req := <-requests; req.RequestURI != tt.addr {
					t.Errorf("asked for %s", req.RequestURI)
				}
			}
			readGreeting(t, NewTransport(conn))
		})
	}

	t.Run("none", func(t *testing.T) {
		for _, name := range []string{"ALL_PROXY", "all_proxy", "HTTPS_PROXY", "https_proxy"} {
			t.Setenv(name, "")
		}
		if dial, err := ProxyFromEnvironment(); dial != nil || err != nil {
			t.Errorf("got %v, %v", dial != nil, err)
		}
	})
	for value, want := range map[string]string{
		"http://u:secret@[bad": "stream: the proxy in the environment is not a valid URL",
		"gopher://u:secret@p":  "stream: proxy gopher://u:xxxxx@p: unknown scheme",
	} {
		t.Run(value, func(t *testing.T) {
			t.Setenv("all_proxy", value)
			if dial, err := ProxyFromEnvironment(); dial != nil || err == nil || err.Error() != want {
				t.Errorf("got %v, want %s", err, want)
			}
		})
	}
}

// TestNoProxy checks which addresses go around the proxy.
func TestNoProxy(t *testing.T) {
	for _, tt := range []struct {
		noProxy, addr string
		direct        bool
	}{
		{"", "example.com:5222", false},
		{"", "localhost:5222", true},
		{"", "[::1]:5222", true},
		{"example.com", "example.com:5222", true},
		{"example.com", "xmpp.example.com:5222", true},
		{"example.com", "badexample.com:5222", false},
		{".example.com", "example.com:5222", false},
		{"example.com:5223", "example.com:5222", false},
		{"10.0.0.0/8, 2001:db8::/32", "10.1.2.3:5222", true},
		{"10.0.0.0/8, 2001:db8::/32", "[2001:db8::1]:5222", true},
		{"10.0.0.0/8, 2001:db8::/32", "192.0.2.1:5222", false},
		{"*", "example.com:5222", true},
	} {
		way := ""
		record := func(s string) DialFunc {
			return func(context.Context, string, string) (net.Conn, error) { way += s; return nil, errRefused }
		}
		exceptFor(tt.noProxy, record("proxy"), record("direct"))(t.Context(), "tcp", tt.addr)
		if want := map[bool]string{true: "direct", false: "proxy"}[tt.direct]; way != want {
			t.Errorf("NO_PROXY=%q, %s: %s, want %s", tt.noProxy, tt.addr, way, want)
		}
	}
}
