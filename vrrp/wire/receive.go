package wire

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"usher/vrrp/engine"
	"usher/vrrp/packet"
)

// receiver is a socket that hears VRRP of one family on one interface.
type receiver struct {
	engine.Socket
	fd int
}

// receivers are all of them, in the order of the poll set, which begins with the
// loop's own eventfd.
type receivers struct {
	all  []receiver
	poll []unix.PollFd
	buf  [2048]byte
	oob  [256]byte
}

// adapt opens and closes sockets to what the engine wants now. An interface that
// cannot be listened on is told to the engine: to be deaf is a fault, not a reason
// to take over.
func (r *receivers) adapt(e *engine.Engine, s *sender, log *slog.Logger) {
	want := e.Sockets()
	r.all = slices.DeleteFunc(r.all, func(have receiver) bool {
		keep := slices.ContainsFunc(want, have.same)
		if !keep {
			_ = unix.Close(have.fd)
		}
		return !keep
	})
	for _, w := range want {
		if !w.Receive || slices.ContainsFunc(r.all, func(have receiver) bool { return have.same(w) }) {
			continue
		}
		fd, err := listen(w)
		if err != nil {
			err = fmt.Errorf("vrrp: open socket on %s: %w", w.Interface, err)
			log.Error("cannot hear advertisements", "error", err)
			e.Deaf(time.Now(), w, err.Error())
			continue
		}
		e.Deaf(time.Now(), w, "")
		r.all = append(r.all, receiver{w, fd})
	}
	s.adapt(want)
}

func (r receiver) same(w engine.Socket) bool {
	return w.Receive && r.Interface == w.Interface && r.Index == w.Index && r.V6 == w.V6 && slices.Equal(r.Groups, w.Groups)
}

func (r *receivers) close() {
	for _, have := range r.all {
		_ = unix.Close(have.fd)
	}
	r.all = nil
}

// wait sleeps until a socket has something, the loop is woken, or the deadline is
// near.
func (r *receivers) wait(wakeFD int, at time.Time, armed, urgent bool) {
	r.poll = append(r.poll[:0], unix.PollFd{Fd: int32(wakeFD), Events: unix.POLLIN})
	for _, have := range r.all {
		r.poll = append(r.poll, unix.PollFd{Fd: int32(have.fd), Events: unix.POLLIN})
	}
	var timeout *unix.Timespec
	if armed {
		left := time.Until(at)
		if urgent {
			left -= early
		}
		ts := unix.NsecToTimespec(int64(max(left, 0)))
		timeout = &ts
	}
	_, _ = unix.Ppoll(r.poll, timeout, nil) // interrupted or not, the sockets are looked at next
}

// pending says, without sleeping, whether anything has arrived.
func (r *receivers) pending() bool {
	n, _ := unix.Ppoll(r.poll, &unix.Timespec{}, nil)
	return n > 0
}

// drain gives the engine everything that has been received.
func (r *receivers) drain(e *engine.Engine) {
	for _, have := range r.all {
		for range maxDrain {
			msg, ok := r.read(have)
			if !ok {
				break
			}
			if msg.Payload != nil {
				e.Receive(time.Now(), msg)
			}
		}
	}
}

// read takes one message off a socket; ok is false where there is none. A message
// without a payload is not to be looked at.
func (r *receivers) read(have receiver) (msg engine.Incoming, ok bool) {
	if have.V6 {
		return r.read6(have)
	}
	n, err := unix.Read(have.fd, r.buf[:])
	if err != nil {
		return msg, err == unix.EINTR
	}
	return parse4(r.buf[:n], have.Index), true
}

// parse4 takes an IPv4 header off, which a raw socket gives along.
func parse4(b []byte, index int) (msg engine.Incoming) {
	if len(b) < 20 {
		return msg
	}
	header := int(b[0]&0xf) * 4
	if header < 20 || len(b) < header {
		return msg
	}
	src, _ := netip.AddrFromSlice(b[12:16])
	dst, _ := netip.AddrFromSlice(b[16:20])
	return engine.Incoming{Index: index, Source: src, Destination: dst, TTL: b[8], Payload: b[header:]}
}

// read6 reads a message whose IPv6 header the kernel keeps: what matters of it comes
// as control messages.
func (r *receivers) read6(have receiver) (msg engine.Incoming, ok bool) {
	n, oobn, _, from, err := unix.Recvmsg(have.fd, r.buf[:], r.oob[:], 0)
	if err != nil {
		return msg, err == unix.EINTR
	}
	sa, isInet6 := from.(*unix.SockaddrInet6)
	control, err := unix.ParseSocketControlMessage(r.oob[:oobn])
	if err != nil || !isInet6 {
		return msg, true
	}
	for _, c := range control {
		if c.Header.Level != unix.IPPROTO_IPV6 {
			continue
		}
		switch {
		case c.Header.Type == unix.IPV6_HOPLIMIT && len(c.Data) >= 4:
			msg.TTL = uint8(binary.NativeEndian.Uint32(c.Data))
		case c.Header.Type == unix.IPV6_PKTINFO && len(c.Data) >= 16:
			msg.Destination, _ = netip.AddrFromSlice(c.Data[:16])
		}
	}
	if !msg.Destination.IsValid() {
		return engine.Incoming{}, true
	}
	msg.Index, msg.Source, msg.Payload = have.Index, netip.AddrFrom16(sa.Addr), r.buf[:n]
	return msg, true
}

// listen opens a receiving socket.
func listen(s engine.Socket) (fd int, err error) {
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
	if err := unix.SetsockoptString(fd, unix.SOL_SOCKET, unix.SO_BINDTODEVICE, s.Interface); err != nil {
		return -1, fmt.Errorf("bind to the device: %w", err)
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
