package socket

import (
	"encoding/binary"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"usher/vrrp/engine"
	"usher/vrrp/packet"
)

// trafficClass is that of network control (DSCP CS6), which routers queue first.
const trafficClass = 0xc0

// sender puts adverts on the wire. Multicast goes out as a frame through one packet
// socket: no route, no neighbour and no firewall of this machine stands in the
// way, and a macvlan needs no address of its own. Unicast goes through the IP
// stack of its interface.
type sender struct {
	packets int // AF_PACKET, the kernel writes the Ethernet header
	frames  int // AF_PACKET, for frames with a virtual MAC
	unicast []unicastSocket
	id      uint16 // of the next IPv4 packet
	buf     []byte
}

type unicastSocket struct {
	engine.Socket
	fd int
}

func newSender() *sender { return &sender{packets: -1, frames: -1} }

func (s *sender) open() (err error) {
	const flags = unix.SOCK_NONBLOCK | unix.SOCK_CLOEXEC
	if s.packets, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|flags, 0); err == nil {
		s.frames, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|flags, 0)
	}
	if err != nil {
		s.close()
		return fmt.Errorf("vrrp: open packet socket: %w", err)
	}
	return nil
}

func (s *sender) close() {
	for _, u := range s.unicast {
		_ = unix.Close(u.fd)
	}
	for _, fd := range []int{s.packets, s.frames} {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
	}
	s.unicast, s.packets, s.frames = nil, -1, -1
}

// adapt closes the unicast sockets of interfaces that are no longer wanted.
func (s *sender) adapt(want []engine.Socket) {
	s.unicast = slices.DeleteFunc(s.unicast, func(u unicastSocket) bool {
		keep := slices.ContainsFunc(want, u.same)
		if !keep {
			_ = unix.Close(u.fd)
		}
		return !keep
	})
}

func (u unicastSocket) same(w engine.Socket) bool {
	return w.Interface == u.Interface && w.Index == u.Index && w.V6 == u.V6
}

// send puts one advert on the wire.
func (s *sender) send(out engine.Outgoing) error {
	v6 := out.Destination.Is6()
	proto := uint16(unix.ETH_P_IP)
	if v6 {
		proto = unix.ETH_P_IPV6
	}
	s.buf = s.buf[:0]
	if out.MAC != nil {
		s.buf = append(append(s.buf, groupMAC(out.Destination)...), out.MAC...)
		s.buf = binary.BigEndian.AppendUint16(s.buf, proto)
	}
	if v6 {
		s.buf = header6(s.buf, out)
	} else {
		s.id++
		s.buf = header4(s.buf, out, s.id)
	}
	s.buf = append(s.buf, out.Payload...)
	if !out.Destination.IsMulticast() {
		return s.sendUnicast(out)
	}
	to := &unix.SockaddrLinklayer{Protocol: networkOrder(proto), Ifindex: out.Index, Halen: 6}
	copy(to.Addr[:], groupMAC(out.Destination))
	fd := s.packets
	if out.MAC != nil {
		fd = s.frames
	}
	if err := unix.Sendto(fd, s.buf, 0, to); err != nil {
		return fmt.Errorf("vrrp: send to %v on %s: %w", out.Destination, out.Interface, err)
	}
	return nil
}

func (s *sender) sendUnicast(out engine.Outgoing) error {
	fd, err := s.unicastFD(engine.Socket{Interface: out.Interface, Index: out.Index, V6: out.Destination.Is6()})
	if err != nil {
		return err
	}
	var to unix.Sockaddr = &unix.SockaddrInet6{Addr: out.Destination.As16(), ZoneId: uint32(max(out.Index, 0))}
	if out.Destination.Is4() {
		to = &unix.SockaddrInet4{Addr: out.Destination.As4()}
	}
	if err := unix.Sendto(fd, s.buf, 0, to); err != nil {
		return fmt.Errorf("vrrp: send to %v on %s: %w", out.Destination, out.Interface, err)
	}
	return nil
}

// unicastFD gives the unicast socket of an interface and family, opened when it
// is first used.
func (s *sender) unicastFD(want engine.Socket) (int, error) {
	for _, u := range s.unicast {
		if u.same(want) {
			return u.fd, nil
		}
	}
	domain := unix.AF_INET
	if want.V6 {
		domain = unix.AF_INET6
	}
	// IPPROTO_RAW: the header is ours, and nothing is received.
	fd, err := unix.Socket(domain, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	if err == nil && want.Index != engine.Anywhere {
		if err = unix.SetsockoptString(fd, unix.SOL_SOCKET, unix.SO_BINDTODEVICE, want.Interface); err != nil {
			_ = unix.Close(fd)
		}
	}
	if err != nil {
		return -1, fmt.Errorf("vrrp: open unicast socket on %s: %w", want.Interface, err)
	}
	s.unicast = append(s.unicast, unicastSocket{want, fd})
	return fd, nil
}

// header4 appends the IPv4 header of an advert (RFC 9568 section 5.1.1).
func header4(b []byte, out engine.Outgoing, id uint16) []byte {
	src, dst := out.Source.As4(), out.Destination.As4()
	start := len(b)
	b = append(b, 0x45, trafficClass)
	b = binary.BigEndian.AppendUint16(b, uint16(20+len(out.Payload)))
	b = binary.BigEndian.AppendUint16(b, id)
	b = append(b, 0, 0, out.TTL, packet.Protocol, 0, 0)
	b = append(append(b, src[:]...), dst[:]...)
	var sum uint32
	for i := start; i < start+20; i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	binary.BigEndian.PutUint16(b[start+10:], ^uint16(sum))
	return b
}

// header6 appends the IPv6 header of an advert (RFC 9568 section 5.1.2).
func header6(b []byte, out engine.Outgoing) []byte {
	src, dst := out.Source.As16(), out.Destination.As16()
	b = append(b, 0x60|trafficClass>>4, trafficClass<<4&0xff, 0, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(len(out.Payload)))
	b = append(b, packet.Protocol, out.TTL)
	return append(append(b, src[:]...), dst[:]...)
}

// networkOrder brings an Ethernet type to the byte order that the kernel's socket
// address has it in.
func networkOrder(v uint16) uint16 {
	var b [2]byte
	binary.BigEndian.PutUint16(b[:], v)
	return binary.NativeEndian.Uint16(b[:])
}
