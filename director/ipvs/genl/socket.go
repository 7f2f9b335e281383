package genl

import (
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"golang.org/x/sys/unix"

	"usher/vrrp/timespan"
)

// receiveTimeout bounds the wait for an answer. The kernel answers within the
// send itself, so only a lost answer takes that long.
const receiveTimeout = 5 * time.Second

// receiveBuffer is what the answers to a whole batch of operations may take in the
// socket, if each of them fails, and more.
const receiveBuffer = 1 << 20

// socket is a generic netlink socket. It is not safe for concurrent use.
type socket struct {
	fd  int
	seq uint32
	in  []byte
	out []byte // of the last request, to be used again

	datagrams int // that answered the last request
}

// reply is one message of the kernel.
type reply struct {
	seq     uint32
	done    bool  // last of a dump, or an acknowledgement
	err     error // errno of an error message
	payload []byte
}

func openSocket() (*socket, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_GENERIC)
	if err != nil {
		return nil, fmt.Errorf("ipvs: open a generic netlink socket: %w", err)
	}
	s := &socket{fd: fd, in: make([]byte, 64<<10)}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer); err != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, receiveBuffer) // smaller batches still work
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_CAP_ACK, 1) // errors without the request; from Linux 4.3 on
	tv := unix.NsecToTimeval(int64(receiveTimeout))
	err = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv)
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
	}
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("ipvs: set up the generic netlink socket: %w", err)
	}
	return s, nil
}

func (s *socket) close() error { return unix.Close(s.fd) }

func (s *socket) next() uint32 {
	s.seq++
	return s.seq
}

func (s *socket) send(b []byte) error {
	for {
		err := unix.Sendto(s.fd, b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
		if err != unix.EINTR {
			return err
		}
	}
}

// receive hands each message of the next datagram to each.
func (s *socket) receive(each func(reply)) error {
	var n int
	var err error
	for {
		n, _, err = unix.Recvfrom(s.fd, s.in, unix.MSG_TRUNC)
		if err != unix.EINTR {
			break
		}
	}
	switch {
	case err == unix.EAGAIN:
		return fmt.Errorf("no answer from the kernel within %s: %w", timespan.Text(receiveTimeout), unix.ETIMEDOUT)
	case err != nil:
		return err
	case n > len(s.in):
		return fmt.Errorf("an answer of %d bytes is longer than the buffer: %w", n, io.ErrShortBuffer)
	}
	for b := s.in[:n]; len(b) >= unix.SizeofNlMsghdr; {
		length := int(binary.NativeEndian.Uint32(b))
		if length < unix.SizeofNlMsghdr || length > len(b) {
			return fmt.Errorf("a message of %d bytes in %d: %w", length, len(b), io.ErrUnexpectedEOF)
		}
		r := reply{seq: binary.NativeEndian.Uint32(b[8:]), payload: b[unix.SizeofNlMsghdr:length]}
		switch typ := binary.NativeEndian.Uint16(b[4:]); typ {
		case unix.NLMSG_NOOP:
		case unix.NLMSG_ERROR, unix.NLMSG_DONE:
			r.done = true
			if len(r.payload) >= 4 {
				if errno := int32(binary.NativeEndian.Uint32(r.payload)); errno < 0 {
					r.err = unix.Errno(-errno)
				}
			}
			each(r)
		default:
			each(r)
		}
		b = b[min(len(b), (length+3)&^3):]
	}
	return nil
}

// ask sends one request and hands on what comes back, until it is complete.
func (s *socket) ask(typ, flags uint16, cmd uint8, fill func(*message), each func(payload []byte) error) error {
	seq := s.next()
	m, at := begin(s.out[:0], typ, unix.NLM_F_REQUEST|flags, seq, cmd)
	if fill != nil {
		fill(&m)
	}
	s.out = m.end(at)
	if err := s.send(s.out); err != nil {
		return err
	}
	var failure error
	s.datagrams = 0
	for done := false; !done; s.datagrams++ {
		err := s.receive(func(r reply) {
			var err error
			switch {
			case r.seq != seq:
				// Left over from a request that was given up.
			case r.done:
				done, err = true, r.err
			case each != nil:
				err = each(r.payload)
			}
			if failure == nil {
				failure = err
			}
		})
		if err != nil {
			return err
		}
	}
	return failure
}

// dump asks for a list.
func (s *socket) dump(typ uint16, cmd uint8, fill func(*message), each func([]byte) error) error {
	return s.ask(typ, unix.NLM_F_DUMP, cmd, fill, each)
}

// do asks for one thing, which the kernel acknowledges.
func (s *socket) do(typ uint16, cmd uint8, fill func(*message), each func([]byte) error) error {
	return s.ask(typ, unix.NLM_F_ACK, cmd, fill, each)
}
