package socket

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"usher/vrrp/engine"
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
		if slices.ContainsFunc(r.all, func(have receiver) bool { return have.same(w) }) {
			continue
		}
		fd, err := listen(w)
		if err != nil {
			err = fmt.Errorf("vrrp: open socket on %s: %w", cmp.Or(w.Interface, "every interface"), err)
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
	return r.Interface == w.Interface && r.Index == w.Index && r.V6 == w.V6 && r.Macvlan == w.Macvlan && slices.Equal(r.Groups, w.Groups)
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
			msg, at, ok := r.read(have)
			if !ok {
				break
			}
			if msg.Payload != nil {
				e.Receive(at, msg)
			}
		}
	}
}

// maxAge is how old a message may be for its time of arrival to count. Timers run
// from the arrival, which the kernel stamped, not from when this thread came to
// read it. In an older queue the newest may be missing: it is read as of now.
const maxAge = 2 * time.Millisecond

// read takes one message off a socket, with the time of its arrival; ok is false
// where there is none. A message without a payload is not to be looked at.
func (r *receivers) read(have receiver) (msg engine.Incoming, at time.Time, ok bool) {
	n, oobn, _, from, err := unix.Recvmsg(have.fd, r.buf[:], r.oob[:], 0)
	at = time.Now()
	if err != nil {
		return msg, at, err == unix.EINTR
	}
	control, err := unix.ParseSocketControlMessage(r.oob[:oobn])
	if err != nil {
		return msg, at, true
	}
	switch {
	case !have.V6:
		msg = parse4(r.buf[:n], have.Index)
	case have.Macvlan:
		msg = parse6(r.buf[:n], have.Index)
	default:
		msg = assemble6(r.buf[:n], from, control, have.Index)
	}
	return msg, at.Add(-age(at, control)), true
}

// age is how long ago a message arrived, by the kernel's stamp.
func age(now time.Time, control []unix.SocketControlMessage) time.Duration {
	for _, c := range control {
		if c.Header.Level != unix.SOL_SOCKET || c.Header.Type != unix.SO_TIMESTAMPNS || len(c.Data) < 16 {
			continue
		}
		stamp := time.Unix(int64(binary.NativeEndian.Uint64(c.Data)), int64(binary.NativeEndian.Uint64(c.Data[8:])))
		if d := now.Sub(stamp); d > 0 && d <= maxAge {
			return d
		}
	}
	return 0
}

// parse4 takes an IPv4 header off, which a raw socket gives along.
func parse4(b []byte, index int) (msg engine.Incoming) {
	if len(b) < 20 {
		return msg
	}
	header, total := int(b[0]&0xf)*4, int(binary.BigEndian.Uint16(b[2:4]))
	if header < 20 || total < header || len(b) < total {
		return msg
	}
	src, _ := netip.AddrFromSlice(b[12:16])
	dst, _ := netip.AddrFromSlice(b[16:20])
	return engine.Incoming{Index: index, Source: src, Destination: dst, TTL: b[8], Payload: b[header:total]}
}

// parse6 takes an IPv6 header off, which a packet socket gives along.
func parse6(b []byte, index int) (msg engine.Incoming) {
	const header = 40
	if len(b) < header || len(b) < header+int(binary.BigEndian.Uint16(b[4:6])) {
		return msg
	}
	src, _ := netip.AddrFromSlice(b[8:24])
	dst, _ := netip.AddrFromSlice(b[24:40])
	return engine.Incoming{Index: index, Source: src, Destination: dst, TTL: b[7], Payload: b[header : header+int(binary.BigEndian.Uint16(b[4:6]))]}
}

// assemble6 puts a message together whose IPv6 header the kernel keeps: what
// matters of it comes as control messages.
func assemble6(b []byte, from unix.Sockaddr, control []unix.SocketControlMessage, index int) (msg engine.Incoming) {
	sa, ok := from.(*unix.SockaddrInet6)
	if !ok {
		return msg
	}
	for _, c := range control {
		switch {
		case c.Header.Level != unix.IPPROTO_IPV6:
		case c.Header.Type == unix.IPV6_HOPLIMIT && len(c.Data) >= 4:
			msg.TTL = uint8(binary.NativeEndian.Uint32(c.Data))
		case c.Header.Type == unix.IPV6_PKTINFO && len(c.Data) >= 16:
			msg.Destination, _ = netip.AddrFromSlice(c.Data[:16])
		}
	}
	if !msg.Destination.IsValid() {
		return msg
	}
	msg.Index, msg.Source, msg.Payload = index, netip.AddrFrom16(sa.Addr), b
	return msg
}
