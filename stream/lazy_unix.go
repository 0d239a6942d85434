//go:build unix

package stream

import (
	"io"
	"net"
	"os"
	"syscall"
)

// Lazy reports whether ReadLazy can be used: on plain TCP.
func (t *netTransport) Lazy() bool { return t.raw != nil }

// ReadLazy reads like Read, but asks for the buffer only when it looks for
// bytes and frees it again while it must wait for them, so that an idle
// connection holds none. The scanner looks for this method.
func (t *netTransport) ReadLazy(alloc func() []byte, free func()) (n int, err error) {
	var operr error
	err = t.raw.Read(func(fd uintptr) bool {
		n, operr = readNow(int(fd), alloc())
		if operr == syscall.EAGAIN {
			free()
			return false
		}
		return true
	})
	switch {
	case err != nil:
		return 0, err
	case operr != nil:
		return 0, &net.OpError{Op: "read", Net: "tcp", Source: t.Conn.LocalAddr(), Addr: t.Conn.RemoteAddr(), Err: os.NewSyscallError("read", operr)}
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

func readNow(fd int, buf []byte) (int, error) {
	for {
		n, err := syscall.Read(fd, buf)
		if err != syscall.EINTR {
			return max(n, 0), err
		}
	}
}
