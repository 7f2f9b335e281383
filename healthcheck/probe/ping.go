package probe

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"syscall"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"

	"usher/healthcheck"
)

// pingProtocol is ICMP of one family.
type pingProtocol struct {
	family, number int
	request, reply icmp.Type
}

func pingOf(to netip.Addr) pingProtocol {
	if to.Unmap().Is4() {
		return pingProtocol{unix.AF_INET, unix.IPPROTO_ICMP, ipv4.ICMPTypeEcho, ipv4.ICMPTypeEchoReply}
	}
	return pingProtocol{unix.AF_INET6, unix.IPPROTO_ICMPV6, ipv6.ICMPTypeEchoRequest, ipv6.ICMPTypeEchoReply}
}

// ping sends one ICMP echo and awaits its reply.
func ping(ctx context.Context, c *healthcheck.Check) healthcheck.Result {
	proto := pingOf(target(c).Addr())
	conn, err := pingSocket(c, proto)
	if err != nil {
		return failedBy(c, "opening the ICMP socket", err)
	}
	conn = tied(ctx, conn)
	defer conn.Close()
	// The identifier of a datagram socket is the kernel's; a number of our own in
	// the data tells our replies from those to others.
	id, token := rand.IntN(1<<16), binary.BigEndian.AppendUint64(nil, rand.Uint64())
	message, err := (&icmp.Message{Type: proto.request, Body: &icmp.Echo{ID: id, Seq: 1, Data: token}}).Marshal(nil)
	if err != nil {
		return failedBy(c, "making the echo", err)
	}
	if _, err := conn.Write(message); err != nil {
		return failedBy(c, "sending the echo", err)
	}
	buf := make([]byte, 1500)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return failedBy(c, "waiting for the echo's reply", err)
		}
		if isReply(proto, buf[:n], token) {
			return pass()
		}
	}
}

// isReply says whether a message is the reply to our echo.
func isReply(proto pingProtocol, b, token []byte) bool {
	// A raw IPv4 socket gives the IP header too.
	if proto.family == unix.AF_INET && len(b) >= 20 && b[0]>>4 == 4 {
		b = b[min(len(b), int(b[0]&0xf)*4):]
	}
	m, err := icmp.ParseMessage(proto.number, b)
	if err != nil || m.Type != proto.reply {
		return false
	}
	echo, ok := m.Body.(*icmp.Echo)
	return ok && string(echo.Data) == string(token)
}

// pingSocket is a datagram socket for ICMP where the kernel allows it (sysctl
// net.ipv4.ping_group_range), which hears only what is for it; else a raw one.
func pingSocket(c *healthcheck.Check, proto pingProtocol) (net.Conn, error) {
	fd, err := pingSocketOf(proto, unix.SOCK_DGRAM)
	if errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.EPERM) {
		fd, err = pingSocketOf(proto, unix.SOCK_RAW)
	}
	if err != nil {
		return nil, err
	}
	return pingConnect(c, fd)
}

func pingSocketOf(proto pingProtocol, kind int) (int, error) {
	fd, err := unix.Socket(proto.family, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, proto.number)
	return fd, os.NewSyscallError("socket", err)
}

// pingConnect makes a socket, which is its own from here on, a connection.
func pingConnect(c *healthcheck.Check, fd int) (net.Conn, error) {
	// FileConn works on a copy.
	f := os.NewFile(uintptr(fd), "icmp")
	defer f.Close()
	if err := socketOptions(fd, c); err != nil {
		return nil, err
	}
	if c.Bind.IsValid() {
		if err := unix.Bind(fd, sockaddrOf(c.Bind.Addr())); err != nil {
			return nil, os.NewSyscallError("bind", err)
		}
	}
	if err := unix.Connect(fd, sockaddrOf(target(c).Addr())); err != nil {
		return nil, os.NewSyscallError("connect", err)
	}
	return net.FileConn(f)
}

// sockaddrOf is an address as the system calls want it.
func sockaddrOf(a netip.Addr) unix.Sockaddr {
	if a = a.Unmap(); a.Is4() {
		return &unix.SockaddrInet4{Addr: a.As4()}
	}
	sa := &unix.SockaddrInet6{Addr: a.As16()}
	if ifc, err := net.InterfaceByName(a.Zone()); err == nil {
		sa.ZoneId = uint32(ifc.Index)
	}
	return sa
}
