package wire

import (
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
	if have.V6 && !have.Macvlan {
		return r.read6(have)
	}
	n, err := unix.Read(have.fd, r.buf[:])
	if err != nil {
		return msg, err == unix.EINTR
	}
	if have.V6 {
		return parse6(r.buf[:n], have.Index), true
	}
	return parse4(r.buf[:n], have.Index), true
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
