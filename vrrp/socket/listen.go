package socket

import (
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"

	"usher/vrrp/engine"
	"usher/vrrp/packet"
)

// listen opens a receiving socket.
func listen(s engine.Socket) (fd int, err error) {
	if s.Macvlan {
		return tap(s)
	}
	domain := unix.AF_INET
	if s.V6 {
		domain = unix.AF_INET6
	}
	fd, err = unix.Socket(domain, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, packet.Protocol)
	if err != nil {
		return -1, err
	}
	defer func() {
		if err != nil {
			_ = unix.Close(fd)
		}
	}()
	if s.Index == engine.Anywhere {
		// Else it would also hear what other sockets have joined groups for.
		level, option := unix.IPPROTO_IP, unix.IP_MULTICAST_ALL
		if s.V6 {
			level, option = unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_ALL
		}
		if err := unix.SetsockoptInt(fd, level, option, 0); err != nil {
			return -1, fmt.Errorf("leave multicast to others: %w", err)
		}
	} else if err := unix.SetsockoptString(fd, unix.SOL_SOCKET, unix.SO_BINDTODEVICE, s.Interface); err != nil {
		return -1, fmt.Errorf("bind to the device: %w", err)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1); err != nil {
		return -1, fmt.Errorf("time stamps: %w", err)
	}
	if s.V6 {
		for _, option := range []int{unix.IPV6_RECVHOPLIMIT, unix.IPV6_RECVPKTINFO} {
			if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, option, 1); err != nil {
				return -1, err
			}
		}
	}
	for _, g := range s.Groups {
		if err := join(fd, s.Index, g); err != nil {
			return -1, fmt.Errorf("join %v: %w", g, err)
		}
	}
	return fd, nil
}

// tap opens a packet socket on a macvlan. The kernel takes a frame that bears the
// macvlan's own MAC address for one of its own and gives it to the macvlan alone,
// where it belongs to no group that IP would take it for.
func tap(s engine.Socket) (fd int, err error) {
	proto, at := uint16(unix.ETH_P_IP), uint32(9) // where the header says what protocol is in it
	if s.V6 {
		proto, at = unix.ETH_P_IPV6, 6
	}
	fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: at},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: packet.Protocol},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0xffff},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0},
	}
	err = unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]})
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1)
	}
	if err == nil {
		// Nothing is received before the bind: a protocol of 0 is none.
		err = unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: networkOrder(proto), Ifindex: s.Index})
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func join(fd, index int, group netip.Addr) error {
	if group.Is6() {
		return unix.SetsockoptIPv6Mreq(fd, unix.IPPROTO_IPV6, unix.IPV6_JOIN_GROUP, &unix.IPv6Mreq{Multiaddr: group.As16(), Interface: uint32(index)})
	}
	return unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_ADD_MEMBERSHIP, &unix.IPMreqn{Multiaddr: group.As4(), Ifindex: int32(index)})
}

// groupMAC is the Ethernet address of a multicast group (RFC 1112 section 6.4,
// RFC 2464 section 7).
func groupMAC(group netip.Addr) net.HardwareAddr {
	if group.Is6() {
		b := group.As16()
		return net.HardwareAddr{0x33, 0x33, b[12], b[13], b[14], b[15]}
	}
	b := group.As4()
	return net.HardwareAddr{0x01, 0x00, 0x5e, b[1] & 0x7f, b[2], b[3]}
}
