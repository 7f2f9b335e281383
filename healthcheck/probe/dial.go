package probe

import (
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"usher/healthcheck"
)

// target is where a probe's packets go.
func target(c *healthcheck.Check) netip.AddrPort {
	if c.Via != nil {
		return c.Via.Service
	}
	return c.Address
}

// mark is what its packets are marked with.
func mark(c *healthcheck.Check) uint32 {
	if c.Via != nil {
		return c.Via.Mark
	}
	return c.Mark
}

// control sets the options of a probe's socket before it is used.
func control(c *healthcheck.Check) func(string, string, syscall.RawConn) error {
	if mark(c) == 0 && c.Interface == "" {
		return nil
	}
	return func(_, _ string, raw syscall.RawConn) error {
		var err error
		outer := raw.Control(func(fd uintptr) { err = socketOptions(int(fd), c) })
		if outer != nil {
			return outer
		}
		return err
	}
}

func socketOptions(fd int, c *healthcheck.Check) error {
	if m := mark(c); m != 0 {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_MARK, int(m)); err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
	}
	if c.Interface != "" {
		return os.NewSyscallError("setsockopt", unix.BindToDevice(fd, c.Interface))
	}
	return nil
}

// dial opens a TCP connection whose every read and write ends with ctx, and that
// is reset when it is closed.
func dial(ctx context.Context, c *healthcheck.Check) (net.Conn, error) {
	d := net.Dialer{Control: control(c), KeepAlive: -1}
	if c.Bind.IsValid() {
		d.LocalAddr = net.TCPAddrFromAddrPort(c.Bind)
	}
	conn, err := d.DialContext(ctx, "tcp", target(c).String())
	if err != nil {
		return nil, err
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	return tied(ctx, conn), nil
}

// dialUDP opens a connected datagram socket, which hears of ICMP errors.
func dialUDP(ctx context.Context, c *healthcheck.Check) (net.Conn, error) {
	d := net.Dialer{Control: control(c)}
	if c.Bind.IsValid() {
		d.LocalAddr = net.UDPAddrFromAddrPort(c.Bind)
	}
	conn, err := d.DialContext(ctx, "udp", target(c).String())
	if err != nil {
		return nil, err
	}
	return tied(ctx, conn), nil
}

// farewell says a protocol's goodbye and gives the server a moment to close first:
// one whose clients just vanish counts them as errors, and may refuse them.
func farewell(conn net.Conn, c *healthcheck.Check, text []byte) {
	var under net.Conn = conn
	if t, ok := conn.(*tls.Conn); ok {
		under = t.NetConn()
	}
	if t, ok := under.(*tiedConn); ok {
		t.Conn.SetDeadline(time.Now().Add(c.Timeout / 10))
	}
	if _, err := conn.Write(text); err != nil {
		return
	}
	buf := make([]byte, 256)
	for range 16 {
		if _, err := conn.Read(buf); err != nil {
			return
		}
	}
}

// tied is a connection that ctx ends.
func tied(ctx context.Context, conn net.Conn) net.Conn {
	return &tiedConn{Conn: conn, untie: context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })}
}

type tiedConn struct {
	net.Conn
	untie func() bool
}

func (t *tiedConn) Close() error {
	t.untie()
	return t.Conn.Close()
}

// SetDeadline and its like do nothing: the deadline is the context's, and no
// library gets to extend it.
func (t *tiedConn) SetDeadline(time.Time) error      { return nil }
func (t *tiedConn) SetReadDeadline(time.Time) error  { return nil }
func (t *tiedConn) SetWriteDeadline(time.Time) error { return nil }
