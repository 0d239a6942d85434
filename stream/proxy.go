package stream

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpproxy"
	"golang.org/x/net/proxy"
)

// maxProxyHeader bounds what an HTTP proxy may answer, in bytes.
const maxProxyHeader = 8 << 10

// ProxyURL returns a function for [Dialer.DialContext] that connects through
// the proxy at u. The schemes are
//
//   - socks5 and socks5h: SOCKS 5 (RFC 1928), with user name and password (RFC
//     1929) if u has them. Port 1080 by default.
//   - http and https: the CONNECT method (RFC 9110 section 9.3.6), with Basic
//     authentication (RFC 7617) if u has a user name. https is TLS to the
//     proxy, whose certificate must be valid for its host name. Ports 80 and
//     443 by default. The header of the proxy's answer is limited to 8 KiB.
//
// In all cases the proxy resolves the names. forward connects to the proxy
// itself; nil is a [net.Dialer]. It makes chains of proxies possible.
//
// The function keeps to its context until the connection to the other side is
// made, and closes what it opened if that fails. It is safe for concurrent use.
func ProxyURL(u *url.URL, forward DialFunc) (DialFunc, error) {
	if forward == nil {
		forward = new(net.Dialer).DialContext
	}
	if u.Hostname() == "" {
		return nil, fmt.Errorf("stream: proxy %s: no host", u.Redacted())
	}
	password, _ := u.User.Password()
	switch u.Scheme {
	case "socks5", "socks5h":
		return socksProxy(u, password, forward)
	case "http", "https":
		p := &connectProxy{name: u.Scheme + "://" + u.Host, addr: proxyAddr(u, "80"), forward: forward}
		if u.Scheme == "https" {
			p.addr, p.tls = proxyAddr(u, "443"), &tls.Config{ServerName: u.Hostname()}
		}
		if u.User != nil {
			if strings.Contains(u.User.Username(), ":") {
				return nil, fmt.Errorf("stream: proxy %s: a colon in the user name", p.name)
			}
			p.auth = "Basic " + base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+password))
		}
		return p.dial, nil
	}
	return nil, fmt.Errorf("stream: proxy %s: unknown scheme", u.Redacted())
}

// ProxyFromEnvironment returns a function for [Dialer.DialContext] that
// connects through the proxy of the environment variable ALL_PROXY or, if that
// is not set, HTTPS_PROXY, except to the hosts in NO_PROXY, to localhost and to
// loopback addresses. Lower-case names of the variables go first. A proxy
// without scheme is an HTTP proxy; otherwise see [ProxyURL]. The syntax of
// NO_PROXY is that of [net/http.ProxyFromEnvironment].
//
// It returns nil if no proxy is set. A value that cannot be used is an error:
// it never leads to a connection without proxy.
func ProxyFromEnvironment() (DialFunc, error) {
	value := cmp.Or(os.Getenv("all_proxy"), os.Getenv("ALL_PROXY"), os.Getenv("https_proxy"), os.Getenv("HTTPS_PROXY"))
	if value == "" {
		return nil, nil
	}
	if !strings.Contains(value, "://") {
		value = "http://" + value
	}
	u, err := url.Parse(value)
	if err != nil {
		// The error of url.Parse has the value, perhaps with a password.
		return nil, errors.New("stream: the proxy in the environment is not a valid URL")
	}
	through, err := ProxyURL(u, nil)
	if err != nil {
		return nil, err
	}
	return exceptFor(cmp.Or(os.Getenv("no_proxy"), os.Getenv("NO_PROXY")), through, new(net.Dialer).DialContext), nil
}

// exceptFor connects directly to the hosts in noProxy.
func exceptFor(noProxy string, through, direct DialFunc) DialFunc {
	// Only whether there is a proxy for an address is asked, not which.
	config := httpproxy.Config{HTTPSProxy: "http://proxy.invalid", NoProxy: noProxy}
	proxyFor := config.ProxyFunc()
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		if u, err := proxyFor(&url.URL{Scheme: "https", Host: addr}); err == nil && u == nil {
			return direct(ctx, network, addr)
		}
		return through(ctx, network, addr)
	}
}

func proxyAddr(u *url.URL, defaultPort string) string {
	port := u.Port()
	if port == "" {
		port = defaultPort
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// forwarder is a DialFunc as package proxy wants it.
type forwarder DialFunc

func (f forwarder) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	return f(ctx, network, addr)
}

func (f forwarder) Dial(network, addr string) (net.Conn, error) {
	return f(context.Background(), network, addr)
}

func socksProxy(u *url.URL, password string, forward DialFunc) (DialFunc, error) {
	var auth *proxy.Auth
	if u.User != nil {
		auth = &proxy.Auth{User: u.User.Username(), Password: password}
		if n := len(auth.User); n == 0 || n > 255 || len(password) > 255 {
			return nil, fmt.Errorf("stream: proxy %s: SOCKS takes user names of 1 to 255 bytes and passwords of up to 255", u.Scheme+"://"+u.Host)
		}
	}
	d, err := proxy.SOCKS5("tcp", proxyAddr(u, "1080"), auth, forwarder(forward))
	if err != nil {
		return nil, err
	}
	cd, ok := d.(proxy.ContextDialer)
	if !ok {
		return nil, errors.New("stream: the SOCKS dialer does not take a context")
	}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := cd.DialContext(ctx, network, addr)
		if err != nil && ctx.Err() != nil {
			// The dialer says "i/o timeout" when it was cancelled.
			return nil, fmt.Errorf("%w: %w", ctx.Err(), err)
		}
		return conn, err
	}, nil
}

// connectProxy is an HTTP proxy.
type connectProxy struct {
	name    string // for errors: the URL without user name and password
	addr    string
	auth    string // the value of Proxy-Authorization, empty if there is none
	tls     *tls.Config
	forward DialFunc
}

func (p *connectProxy) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := p.connect(ctx, network, addr)
	if err != nil {
		return nil, fmt.Errorf("proxy %s: %w", p.name, err)
	}
	return conn, nil
}

func (p *connectProxy) connect(ctx context.Context, network, addr string) (net.Conn, error) {
	if network != "tcp" && network != "tcp4" && network != "tcp6" {
		return nil, net.UnknownNetworkError(network)
	}
	// Nothing that is no address must get into the header.
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	ip, err := netip.ParseAddr(host)
	isHost := err == nil && ip.Zone() == "" || isHostName(host) // a zone is nothing that a proxy could know
	if _, err := strconv.ParseUint(port, 10, 16); err != nil || !isHost {
		return nil, fmt.Errorf("invalid address %q", addr)
	}
	conn, err := p.forward(ctx, "tcp", p.addr)
	if err != nil {
		return nil, err
	}
	if conn, err = p.tunnel(ctx, conn, addr); err != nil {
		return nil, err
	}
	return conn, nil
}

// tunnel asks for the connection to addr over conn, which it closes if that
// fails.
func (p *connectProxy) tunnel(ctx context.Context, conn net.Conn, addr string) (net.Conn, error) {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	out, err := conn, error(nil)
	if p.tls != nil {
		tc := tls.Client(conn, p.tls)
		err = tc.HandshakeContext(ctx)
		out = tunnel{tc}
	}
	if err == nil {
		err = p.ask(out, addr)
	}
	if !stop() {
		err = ctx.Err()
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return out, nil
}

func (p *connectProxy) ask(conn net.Conn, addr string) error {
	request := "CONNECT " + addr + " HTTP/1.1\r\nHost: " + addr + "\r\n"
	if p.auth != "" {
		request += "Proxy-Authorization: " + p.auth + "\r\n"
	}
	if _, err := io.WriteString(conn, request+"\r\n"); err != nil {
		return err
	}
	in := &io.LimitedReader{R: conn, N: maxProxyHeader}
	for {
		status, reason, err := readResponse(in)
		switch {
		case err != nil && in.N <= 0:
			return fmt.Errorf("the answer is longer than %d bytes", maxProxyHeader)
		case err == io.EOF:
			return io.ErrUnexpectedEOF
		case err != nil:
			return err
		case 200 <= status && status < 300:
			return nil
		case status >= 200:
			return fmt.Errorf("CONNECT %s: status %d %q", addr, status, reason)
		} // 1xx: the answer follows
	}
}

// readResponse reads a status line and the header after it. It reads a byte at
// a time, so as not to take what follows.
func readResponse(r io.Reader) (status int, reason string, err error) {
	line, err := readLine(r)
	if err != nil {
		return 0, "", err
	}
	version, rest, _ := strings.Cut(line, " ")
	code, reason, _ := strings.Cut(rest, " ")
	status, err = strconv.Atoi(code)
	if !strings.HasPrefix(version, "HTTP/1.") || len(code) != 3 || err != nil || status < 100 {
		return 0, "", fmt.Errorf("not an HTTP answer: %q", line[:min(len(line), 80)])
	}
	for line != "" {
		if line, err = readLine(r); err != nil {
			return 0, "", err
		}
	}
	return status, reason[:min(len(reason), 80)], nil
}

func readLine(r io.Reader) (string, error) {
	var line []byte
	var b [1]byte
	for {
		if _, err := io.ReadFull(r, b[:]); err != nil {
			return "", err
		}
		if b[0] == '\n' {
			return strings.TrimSuffix(string(line), "\r"), nil
		}
		line = append(line, b[0])
	}
}
